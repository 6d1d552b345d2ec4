"""What an ID token and a logout token have to say before they are believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, TypeGuard

from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from ..tokens.claims import LEEWAY
from .metadata import matches_issuer
from .reasons import Untrusted
from .signed_tokens import SignedToken

#: The member of ``events`` that makes a logout token (Back-Channel Logout 1.0 section 2.4).
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
#: Seconds. A logout token is made when it is sent.
_MAX_LOGOUT_TOKEN_AGE = 120
#: Characters (OpenID Connect Core section 2).
_MAX_SUBJECT_LENGTH = 255
_MAX_TIME = 2**53


@dataclass(frozen=True)
class IDToken:
    """A verified ID token.

    :ivar authenticated_at: when the person proved to the provider who they are, in epoch seconds by
        our clock; None if the token does not say
    :ivar session_id: the provider's name for its session, for back-channel logout
    """

    claims: dict[str, Any] = field(repr=False)
    subject: str
    authenticated_at: float | None
    session_id: str | None


def check_id_token(
    token: SignedToken,
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    max_age: float | None,
    now: float,
) -> IDToken:
    """Check the claims of an ID token from a token endpoint (OpenID Connect Core section 3.1.3.7).

    :param nonce: the one that was sent with the authorization request
    :param max_age: seconds, if it was asked for: how old the person's login may be
    :raises Untrusted: with the claim at fault as its text
    """
    claims = token.claims
    _check_issuer_and_audience(token, issuer, client_id)
    for name in ("exp", "iat"):
        _require_time(claims, name)
    for name in ("nbf", "auth_time"):
        if name in claims:
            _require_time(claims, name)
    subject = _require_text(claims, "sub", at_most=_MAX_SUBJECT_LENGTH)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not compare_digest(sent.encode(), nonce.encode()):
        raise Untrusted("nonce")
    for name in ("at_hash", "azp"):
        if name in claims:
            _require_text(claims, name)
    _check_with_authlib(token, client_id, access_token, now)
    session_id = claims.get("sid")
    return IDToken(
        claims=claims,
        subject=subject,
        authenticated_at=_authenticated_at(claims, max_age, now),
        session_id=session_id if _is_session_id(session_id) else None,
    )


def check_refreshed_id_token(
    claims: dict[str, Any],
    *,
    issuer: str,
    client_id: str,
    account: Callable[[Mapping[str, Any]], str],
) -> str:
    """The account that an ID token names which came with refreshed tokens (OpenID Connect Core
    section 12.2).

    :param account: the provider's way to name one
    :raises Untrusted: with the claim at fault as its text
    """
    if not matches_issuer(issuer, claims):
        raise Untrusted("iss")
    if claims.get("aud") not in (client_id, [client_id]):
        raise Untrusted("aud")
    _require_text(claims, "sub", at_most=_MAX_SUBJECT_LENGTH)
    try:
        return account(claims)
    except KeyError:
        raise Untrusted("sub") from None


def check_logout_token(
    token: SignedToken, *, issuer: str, client_id: str, now: float
) -> tuple[str | None, str | None]:
    """The ``sub`` and ``sid`` of a logout token (Back-Channel Logout 1.0 section 2.6).

    :raises Untrusted: with the claim at fault as its text
    """
    claims, kind = token.claims, token.header.get("typ", "logout+jwt")
    if not isinstance(kind, str) or kind.lower() not in {
        "logout+jwt",
        "application/logout+jwt",
        "jwt",  # from providers older than the explicit type
    }:
        raise Untrusted("typ")
    _check_issuer_and_audience(token, issuer, client_id)
    issued, expires = _require_time(claims, "iat"), _require_time(claims, "exp")
    if not -LEEWAY <= now - issued <= _MAX_LOGOUT_TOKEN_AGE + LEEWAY:
        raise Untrusted("iat")
    if now >= expires + LEEWAY:
        raise Untrusted("exp")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise Untrusted("events")
    if "nonce" in claims:  # an ID token has one: neither may pass for the other
        raise Untrusted("nonce")
    _require_text(claims, "jti")
    subject, session_id = (
        _require_text(claims, name, at_most=_MAX_SUBJECT_LENGTH) if name in claims else None
        for name in ("sub", "sid")
    )
    if subject is None and session_id is None:
        raise Untrusted("sub")
    return subject, session_id


def _check_issuer_and_audience(token: SignedToken, issuer: str, client_id: str) -> None:
    claims = token.claims
    if not matches_issuer(issuer, claims):
        raise Untrusted("iss")
    if token.key.issuer is not None and not matches_issuer(token.key.issuer, claims):
        raise Untrusted("key")
    audience = claims.get("aud")
    # Ours alone. Authlib is content with an "azp" that is ours, whoever the audience is; and nobody
    # else is trusted here that a token could be for as well (section 3.1.3.7, number 3).
    if audience not in (client_id, [client_id]):
        raise Untrusted("aud")


def _check_with_authlib(
    token: SignedToken, client_id: str, access_token: str | None, now: float
) -> None:
    parameters = {"client_id": client_id, "access_token": access_token}
    # The newer name of the algorithm (RFC 9864) is not one that Authlib knows the hash of.
    algorithm = "EdDSA" if token.header["alg"] == "Ed25519" else token.header["alg"]
    header = {**token.header, "alg": algorithm}
    try:
        CodeIDToken(token.claims, header, params=parameters).validate(int(now), LEEWAY)
    except JoseError as error:
        raise Untrusted(getattr(error, "claim", None) or "claims") from None
    except (ValueError, TypeError, KeyError):
        raise Untrusted("claims") from None


def _is_session_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _MAX_SUBJECT_LENGTH


def _authenticated_at(claims: Mapping[str, Any], max_age: float | None, now: float) -> float | None:
    moment: float | None = claims.get("auth_time")
    if moment is None:
        if max_age is not None:  # it was asked for, so it has to be there (section 2)
            raise Untrusted("auth_time")
        return None
    # No leeway for max_age: the guard that asked for it has none either, and would ask again.
    if moment > now + LEEWAY or (max_age is not None and now - moment > max_age):
        raise Untrusted("auth_time")
    return min(moment, now)


def _require_time(claims: Mapping[str, Any], name: str) -> float:
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not 0 <= value < _MAX_TIME:
        raise Untrusted(name)
    return float(value)


def _require_text(claims: Mapping[str, Any], name: str, *, at_most: int = 4096) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= at_most:
        raise Untrusted(name)
    return value
