"""Why something that came from a provider is no good. The text is a word or two of it, and becomes
a part of the ``reason`` of a :exc:`~flask_jwtsession.ProviderError`, or of a log line.
"""

import re

# Those of RFC 6749, of OpenID Connect and of all who made up their own look like this.
_ERROR_CODE = re.compile("[A-Za-z_]{1,40}")


class Unusable(Exception):
    """An answer that is none."""


class Untrusted(Exception):
    """A signed token that is not believed."""


#: What a token endpoint says of a refresh token that is good for nothing any more (RFC 6749 section
#: 5.2), and GitHub's word for it.
GRANT_IS_OVER = frozenset({"invalid_grant", "bad_refresh_token"})


def error_code(value: object) -> str | None:
    """``value`` if it can be an OAuth error code (``"access_denied"``), and so be logged."""
    return value if isinstance(value, str) and _ERROR_CODE.fullmatch(value) else None
