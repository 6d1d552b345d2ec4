"""Tokens in the header ``Authorization`` (RFC 6750 section 2.1)."""

from __future__ import annotations

import re

# Not the beginning of a longer name (RFC 9110 section 5.6.2).
_SCHEME = re.compile(r"bearer(?![!#$%&'*+.^_`|~0-9a-z-])", re.IGNORECASE | re.ASCII)
_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE | re.ASCII)


def bearer_token(header: str | None) -> str | None:
    """The token in a header ``Authorization``; None if it has another scheme, or is not there.

    Of a malformed one it is ``""``, which is no token: whoever says ``Bearer`` means no cookie.
    """
    if header is None or not _SCHEME.match(header):
        return None
    match = _CREDENTIALS.fullmatch(header)
    return "" if match is None else match[1]


def challenge(realm: str, error: str | None = None) -> str:
    """The header ``WWW-Authenticate`` (section 3).

    :param error: such as ``"invalid_token"``; None where no token was sent
    """
    parameters = f'Bearer realm="{realm}"'
    return parameters if error is None else f'{parameters}, error="{error}"'
