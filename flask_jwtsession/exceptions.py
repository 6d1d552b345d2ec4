"""The errors of this package.

::

    JWTSessionError
    ├── ConfigError          a configuration value that cannot work; raised at start
    ├── TokenError           a token that is not accepted
    │   ├── TokenInvalid     malformed, undecryptable, or claims that break a rule
    │   └── TokenExpired     authentic, but its time is over
    ├── SessionTooLarge      the changed session does not fit into the cookie
    ├── SessionClosed        changed after the response was finished, or inside a callback
    ├── UpdateRefused        the application refuses an update
    ├── SignInRefused        the application refuses a sign-in
    ├── InsecureTransport    a session cookie was about to be set over plain http
    ├── ProviderError        a sign-in with a provider did not work
    ├── StoreUnavailable     the store cannot be reached, or does not do its work
    └── RevocationUnavailable  there is nowhere to keep a revocation

Every class has a ``code``, a string that stays the same between releases; it is the ``code``
of the ``application/problem+json`` bodies too. The classes with a ``status`` are answered with
that status when a view lets them pass. No message ever holds a token or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class JWTSessionError(Exception):
    """Base of every error of this package."""

    code: ClassVar[str] = "jwtsession_error"
    #: The HTTP status that the error is answered with, where the request can be at fault.
    status: ClassVar[int] = 500
    #: Of the instance whose session it was about, as far as that is known.
    config_prefix: str | None = None

    def about(self, config_prefix: str) -> None:
        """Say which instance it was, unless that was said."""
        self.config_prefix = self.config_prefix or config_prefix


class ConfigError(JWTSessionError):
    """A configuration value, or a combination of values, that cannot work.

    ``key`` is the configuration key at fault. The message names it, what it takes and what it
    got, but never the value of a secret.
    """

    code = "config_error"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key = key

    def __str__(self) -> str:
        return ": ".join(self.args)


class TokenError(JWTSessionError):
    """A token that is not accepted. ``reason`` is a short constant, such as ``"decryption"``."""

    code = "token_error"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenInvalid(TokenError):
    """The token is malformed, cannot be decrypted, or its claims break a rule."""

    code = "token_invalid"


class TokenExpired(TokenError):
    """The token is authentic, but its time is over.

    ``claims`` are the claims of the token, for code that wants to say whose session ended.
    """

    code = "token_expired"

    def __init__(self, reason: str, claims: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.claims = claims

    def __reduce__(self) -> Any:
        # Neither in args, which repr() shows, nor in a pickle: they may hold provider tokens.
        return type(self), (self.reason, {})


class SessionTooLarge(JWTSessionError):
    """The token of the changed session is longer than ``JWTSESSION_MAX_TOKEN_SIZE``.

    ``size`` and ``limit`` are in characters of the encoded token. ``share`` says which token it is
    and what part of the key the limit is, where there is a refresh token too. The session is as it
    was before the change.
    """

    code = "session_too_large"
    status = 413

    def __init__(self, size: int, limit: int, share: str = "") -> None:
        super().__init__(size, limit, share)
        self.size = size
        self.limit = limit
        self.share = share

    def __str__(self) -> str:
        return (
            f"the session's token would have {self.size} characters, the limit is {self.limit} ("
            f"{self.share}MAX_TOKEN_SIZE); keep identifiers in the token and the rest in a database"
        )


class SessionClosed(JWTSessionError):
    """The session was used where it cannot be: changed after the response was finished (while
    the body streams, in a teardown function), or used inside one of its own callbacks.
    """

    code = "session_closed"


class UpdateRefused(JWTSessionError):
    """Raise it in a jwt callback to refuse an update; the session stays as it was.

    The text is shown to the client, which gets status 400.
    """

    code = "update_refused"
    status = 400


class SignInRefused(JWTSessionError):
    """The sign-in was refused by the ``sign_in_callback`` or by the jwt callback (None).

    ``redirect_to`` is the URL that the ``sign_in_callback`` returned, or None.
    """

    code = "access_denied"
    status = 403

    def __init__(self, message: str = "access denied", *, redirect_to: str | None = None) -> None:
        super().__init__(message)
        self.redirect_to = redirect_to


class InsecureTransport(JWTSessionError):
    """A session cookie was about to be set over plain http, outside loopback, debug and testing.

    Either the client really came over http, or TLS ends at a proxy that the application does
    not know of: apply Werkzeug's ``ProxyFix``, or set ``JWTSESSION_BASE_URL``.
    """

    code = "insecure_transport"
    status = 400


class ProviderError(JWTSessionError):
    """A sign-in with a provider did not work, or something else that it was asked.

    ``provider`` is its name. ``reason`` is a short constant that says what was wrong, such as
    ``"state"`` or ``"token_unreachable"``; the documentation lists them. ``detail`` says more for
    whoever reads the log, or is None. ``status`` is 400 if what the browser brought is no good, and
    502 if the provider did not do its part.
    """

    code = "provider_error"

    def __init__(
        self, provider: str, reason: str, *, status: int = 502, detail: str | None = None
    ) -> None:
        super().__init__(provider, reason)
        self.provider = provider
        self.reason = reason
        self.detail = detail
        self.status = status  # type: ignore[misc]  # of one error here, not of the class

    def __str__(self) -> str:
        return f"the sign-in with {self.provider} did not work ({self.reason})"


class StoreUnavailable(JWTSessionError):
    """The store (``JWTSESSION_STORE``) could not be reached, took too long, or failed.

    Its text says more for whoever reads the log, and never a key or a value.
    """

    code = "store_unavailable"
    status = 503


class RevocationUnavailable(JWTSessionError):
    """A session cannot be revoked, because there is nowhere to keep that:
    ``JWTSESSION_STORE`` is None.
    """

    code = "revocation_unavailable"
