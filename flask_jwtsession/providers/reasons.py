"""Why something that came from a provider is no good. The text is a word or two of it, and becomes
a part of the ``reason`` of a :exc:`~flask_jwtsession.ProviderError`, or of a log line.
"""


class Unusable(Exception):
    """An answer that is none."""


class Untrusted(Exception):
    """A signed token that is not believed."""
