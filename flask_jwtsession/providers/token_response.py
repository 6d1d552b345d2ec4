"""What a token endpoint answers (RFC 6749 section 5.1), taken only as far as it can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..session import Account
from .reasons import Unusable

#: Characters. Three of them fit into an encrypted token, whose limit is 64 KiB.
MAX_TOKEN_LENGTH = 12 * 1024
#: Seconds; no access token lives longer than that here, whatever its provider says.
_MAX_LIFETIME = 10 * 365 * 86_400
#: Seconds; nor shorter, or every request would refresh it.
_MIN_LIFETIME = 1


@dataclass(frozen=True, kw_only=True)
class TokenResponse:
    """Its ``repr`` shows no token. ``issued_at`` is when it was asked for; it and ``expires_at``
    are in epoch seconds, by our clock.
    """

    access_token: str = field(repr=False)
    token_type: str
    refresh_token: str | None = field(default=None, repr=False)
    id_token: object = field(default=None, repr=False)
    expires_at: float | None = None
    issued_at: float
    scope: str | None = None


def read_token_response(
    answer: Mapping[str, Any], *, requested_at: float, scope: str | None
) -> TokenResponse:
    """Check the answer to a token request that was begun at ``requested_at`` (epoch seconds).

    :param scope: what was asked for, and is granted where the answer says nothing of it

    Raises :exc:`~.reasons.Unusable`, with the member at fault.
    """
    tokens = _read(answer, requested_at, scope)
    lifetime = _lifetime(answer.get("expires_in"))
    # From the beginning of the request: the answer may have been long on its way.
    return replace(tokens, expires_at=None if lifetime is None else requested_at + lifetime)


def read_refreshed_tokens(
    answer: Mapping[str, Any], before: Account, *, requested_at: float
) -> Account:
    """``before`` with the tokens of the answer to a refresh (RFC 6749 section 6).

    The old refresh token is spent, so an answer is not refused for a lifetime that cannot be: then
    it is taken to be that of the tokens before.

    Raises :exc:`~.reasons.Unusable`, with the member at fault.
    """
    tokens = _read(answer, requested_at, before.scope)
    try:
        lifetime = _lifetime(answer.get("expires_in"))
    except Unusable:
        lifetime = None
    if lifetime is None and before.expires_at is not None and before.issued_at is not None:
        lifetime = before.expires_at - before.issued_at
        if lifetime <= 0:  # those were over when they came, which says nothing of the next ones
            lifetime = None
    return replace(
        before,
        access_token=tokens.access_token,
        # A provider that does not rotate says nothing of it.
        refresh_token=tokens.refresh_token or before.refresh_token,
        expires_at=None if lifetime is None else requested_at + max(lifetime, _MIN_LIFETIME),
        issued_at=requested_at,
        scope=tokens.scope,
        token_type=tokens.token_type,
    )


def _read(answer: Mapping[str, Any], requested_at: float, scope: str | None) -> TokenResponse:
    token_type = answer.get("token_type", "Bearer")
    # Another type is no bearer token: to send it as one would give away what proves possession.
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise Unusable("token_type")
    granted = answer.get("scope") or scope
    if granted is not None and not isinstance(granted, str):
        raise Unusable("scope")
    return TokenResponse(
        access_token=_token(answer, "access_token"),
        token_type="Bearer",  # noqa: S106 - not a secret
        refresh_token=_token(answer, "refresh_token") if answer.get("refresh_token") else None,
        id_token=answer.get("id_token"),
        issued_at=requested_at,
        scope=granted,
    )


def _token(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    # RFC 6749 appendix A.12: printable ASCII. Anything else could end a header line.
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= MAX_TOKEN_LENGTH
        or not (value.isascii() and value.isprintable())
    ):
        raise Unusable(name)
    return value


def _lifetime(value: object) -> float | None:
    """Seconds. Some providers write a number as text; many say nothing."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise Unusable("expires_in")
    return float(min(value, _MAX_LIFETIME))
