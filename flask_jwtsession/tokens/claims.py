"""The rules for claims (RFC 7519 section 4.1): when a token counts, and who may set what."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ..exceptions import TokenExpired, TokenInvalid

#: Seconds by which the clocks of two machines may differ; the value of Auth.js.
LEEWAY = 15

#: Our own block in the token: never shown to a callback.
PRIVATE = "_session"

#: Claims that only this package sets. After every callback they are what they were before.
RESERVED = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf", "jti", "sid", "auth_time", PRIVATE})

# What the callback may still set while a session begins: who it is for, and how it is addressed.
_OPEN_AT_SIGN_IN = frozenset({"iss", "aud", "sub", "nbf"})

_MAX_SUBJECT_LENGTH = 1024
_MAX_SID_LENGTH = 128
# Beyond 2^53 a JSON number is not exact everywhere (RFC 8259 section 6), nor is it a time.
MAX_TIME = 2**53


@dataclass(frozen=True)
class Lifetimes:
    """Seconds. ``max_age`` counts from the last issue, ``absolute_max_age`` from the sign-in.

    ``rolls``: whether a token that is issued again has a new ``exp``. One that does not, because a
    refresh cookie stands behind it, is over without leeway: there is another one to be had.
    """

    max_age: float
    absolute_max_age: float | None = None
    rolls: bool = True


@dataclass(frozen=True)
class Parties:
    """Who issues tokens, and for whom (RFC 7519 sections 4.1.1 and 4.1.3); None for anybody."""

    issuer: str | None = None
    audience: str | tuple[str, ...] | None = None

    def claims(self) -> dict[str, Any]:
        """What a token that is issued now says of them."""
        audience = list(self.audience) if isinstance(self.audience, tuple) else self.audience
        said = {"iss": self.issuer, "aud": audience}
        return {name: value for name, value in said.items() if value is not None}

    def check(self, claims: Mapping[str, Any]) -> None:
        """Raise :exc:`TokenInvalid` for a token of somebody else, or for somebody else.

        One audience is taken to the letter. Of several the token has to name one: so a list can
        grow without signing anybody out.
        """
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise TokenInvalid("issuer")
        named = claims.get("aud")
        if isinstance(self.audience, tuple):
            listed = named if isinstance(named, list) else [named]
            if not any(one in self.audience for one in listed if isinstance(one, str)):
                raise TokenInvalid("audience")
        elif self.audience is not None and named != self.audience:
            raise TokenInvalid("audience")


@dataclass(frozen=True, slots=True)
class Times:
    """The checked times of a token, in epoch seconds.

    ``expires`` is the earliest of ``exp``, ``iat + max_age`` and the absolute end; ``started`` is
    when the person signed in, as far as the token knows.
    """

    issued: float
    started: float
    expires: float


def check_times(claims: Mapping[str, Any], lifetimes: Lifetimes, now: float) -> Times:
    """Check every time claim.

    A token is valid while ``now < exp``, ``now < iat + max_age`` and ``now < auth_time +
    absolute_max_age``, each with :data:`LEEWAY` if it rolls. Raises :exc:`TokenExpired` after
    that, and :exc:`TokenInvalid` for times that are missing, not finite numbers, or in the future.
    """
    if not isinstance(claims.get(PRIVATE, {}), dict):
        raise TokenInvalid("claims")
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    started = started_at(claims)
    if issued > expires or issued > now + LEEWAY or started > now + LEEWAY:
        raise TokenInvalid("claims")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY:
        raise TokenInvalid("claims")
    expires = min(expires, issued + lifetimes.max_age, _absolute_end(started, lifetimes))
    if now >= expires + (LEEWAY if lifetimes.rolls else 0):
        raise TokenExpired("expired", claims)
    return Times(issued, started, expires)


def started_at(claims: Mapping[str, Any]) -> float:
    """When the session began: ``auth_time``, or for a token that an Auth.js server made, which has
    none, the ``iat`` of the first one that was seen here (see :func:`adopt`).
    """
    if "auth_time" in claims:
        return _time(claims, "auth_time")
    private = claims.get(PRIVATE, {})
    return _time(private, "since") if "since" in private else _time(claims, "iat")


def adopt(claims: Mapping[str, Any], times: Times) -> dict[str, Any]:
    """The claims of a verified token with what ours have and a token of Auth.js lacks.

    Its ``sid`` is an HMAC of its ``jti``, so that parallel first requests agree on one; of nothing
    secret, so that they do so while a secret is replaced, too: a ``jti`` is random. It gets no
    ``auth_time``, for nobody here saw the person sign in, but the moment from which its absolute
    age counts.
    """
    whole = dict(claims)
    if "auth_time" not in claims:
        # Also where there is a sid: an Auth.js application may have copied its provider's.
        whole[PRIVATE] = {"since": times.started, **claims.get(PRIVATE, {})}
    sid = claims.get("sid")
    if sid is None:
        jti = claims.get("jti")
        if not isinstance(jti, str):
            raise TokenInvalid("claims")
        octets = jti.encode("utf-8", "surrogatepass")
        sid = whole["sid"] = hmac.digest(b"flask_jwtsession sid", octets, "sha256").hex()[:32]
    elif not isinstance(sid, str) or not 0 < len(sid) <= _MAX_SID_LENGTH:
        raise TokenInvalid("claims")
    return whole


def subject(claims: Mapping[str, Any]) -> str | None:
    """The ``sub`` claim if it can name somebody, else None."""
    sub = claims.get("sub")
    # "None" is what str() makes of a missing id: a bug upstream, and never a person.
    if isinstance(sub, str) and 0 < len(sub) <= _MAX_SUBJECT_LENGTH and sub != "None":
        return sub
    return None


def new_session_id() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def stamp(
    claims: Mapping[str, Any], private: Mapping[str, Any], lifetimes: Lifetimes, now: float
) -> dict[str, Any]:
    """All claims of a token issued now: new ``iat`` and ``jti``, as at every encode, and a new
    ``exp`` unless it stays what it is.
    """
    whole = {**claims, PRIVATE: dict(private)} if private else dict(claims)
    expires = min(now + lifetimes.max_age, _absolute_end(started_at(whole), lifetimes))
    if not lifetimes.rolls:
        expires = min(expires, claims.get("exp", expires))
    return {**whole, "iat": int(now), "exp": int(expires), "jti": str(uuid4())}


def put_back_reserved(
    returned: Mapping[str, Any], before: Mapping[str, Any], *, at_sign_in: bool = False
) -> dict[str, Any]:
    """What a callback returned, with every reserved claim as it was in ``before``.

    At sign-in the callback may still choose ``sub``, ``iss``, ``aud`` and ``nbf``.
    """
    kept = RESERVED - _OPEN_AT_SIGN_IN if at_sign_in else RESERVED
    claims = {name: value for name, value in returned.items() if name not in kept}
    claims.update((name, before[name]) for name in before if name in kept)
    return claims


def _absolute_end(started: float, lifetimes: Lifetimes) -> float:
    if lifetimes.absolute_max_age is None:
        return MAX_TIME
    return started + lifetimes.absolute_max_age


def _time(claims: Mapping[str, Any], name: str) -> float:
    value: Any = claims.get(name)
    # bool is an int in Python; NaN fails the comparison.
    if type(value) not in (int, float) or not 0 <= value < MAX_TIME:
        raise TokenInvalid("claims")
    return float(value)
