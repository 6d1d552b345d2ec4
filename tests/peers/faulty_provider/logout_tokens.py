"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4), honest and not."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...forged_tokens import CBC, forge
from .faults import OTHER_ISSUER
from .jws import hs256, jws, unsigned
from .keys import attacker_key, short_attacker_key

if TYPE_CHECKING:
    from .provider import FaultyProvider

EVENT = "http://schemas.openid.net/event/backchannel-logout"

#: From the provider and the honest claims to a token.
LogoutFault = Callable[["FaultyProvider", dict[str, Any]], str]


def logout_token(provider: FaultyProvider, fault: str | None = None, **claims: Any) -> str:
    """A logout token of now, for the provider's session and user.

    ``claims`` replace the honest ones, and a value of None takes one out; ``fault`` is a name of
    `LOGOUT_FAULTS`.
    """
    now = int(provider.clock())
    honest = {
        "iss": provider.issuer,
        "aud": provider.client_id,
        "sub": provider.user["sub"],
        "sid": provider.session_id,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {}},
        **claims,
    }
    honest = {name: value for name, value in honest.items() if value is not None}
    return (_honest if fault is None else LOGOUT_FAULTS[fault])(provider, honest)


def _honest(
    provider: FaultyProvider, claims: dict[str, Any], header: Mapping[str, Any] | None = None
) -> str:
    return jws(claims, provider.key, header={"typ": "logout+jwt", **(header or {})})


def _with(**changed: Any) -> LogoutFault:
    return lambda p, claims: _honest(p, {**claims, **changed})


def _without(*names: str) -> LogoutFault:
    return lambda p, claims: _honest(p, {k: v for k, v in claims.items() if k not in names})


def _header(**header: Any) -> LogoutFault:
    return lambda p, claims: _honest(p, claims, header)


def _from_now(**seconds: int) -> LogoutFault:
    return lambda p, claims: _honest(
        p, {**claims, **{name: claims["iat"] + more for name, more in seconds.items()}}
    )


def _raw(name: str, literal: str) -> LogoutFault:
    """A claim whose value is this text, JSON or not."""
    return lambda p, claims: jws(
        json.dumps({**claims, name: "@@"}).replace('"@@"', literal).encode(),
        p.key,
        header={"typ": "logout+jwt"},
    )


def _payload(payload: bytes) -> LogoutFault:
    return lambda p, claims: jws(payload, p.key, header={"typ": "logout+jwt"})


def _attackers(p: FaultyProvider, claims: dict[str, Any], **header: Any) -> str:
    return jws(claims, attacker_key(), header={"typ": "logout+jwt", "kid": p.key.kid, **header})


def _with_a_jwk(p: FaultyProvider, claims: dict[str, Any]) -> str:
    key = short_attacker_key(p.key.kid)
    jwk = {name: key.jwk[name] for name in ("kty", "n", "e")}
    return jws(claims, key, header={"typ": "logout+jwt", "jwk": jwk})


def _hs256(p: FaultyProvider, claims: dict[str, Any], secret: bytes) -> str:
    return jws(claims, p.key, header={"typ": "logout+jwt", "alg": "HS256"}, signer=hs256(secret))


def _other_signature(p: FaultyProvider, claims: dict[str, Any]) -> str:
    honest, other = _honest(p, claims), _honest(p, {**claims, "sid": "another"})
    return ".".join([*other.split(".")[:2], honest.split(".")[2]])


def _id_token(p: FaultyProvider, claims: dict[str, Any]) -> str:
    """An id_token as it was handed out, nonce and all."""
    names = ("iss", "aud", "sub", "sid", "iat", "exp")
    return jws({**{name: claims[name] for name in names}, "nonce": "n" * 43}, p.key)


def _id_token_without_nonce(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return jws({k: v for k, v in claims.items() if k not in ("events", "jti")}, p.key)


def _json_serialization(p: FaultyProvider, claims: dict[str, Any]) -> str:
    protected, payload, signature = _honest(p, claims).split(".")
    return json.dumps({"protected": protected, "payload": payload, "signature": signature})


def _encrypted(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return forge(b"k" * 64, json.dumps(claims).encode(), {"alg": "dir", "enc": CBC})


#: Every one is answered with 400, and nobody is signed out.
LOGOUT_FAULTS: dict[str, LogoutFault] = {
    # Who signed it, and how.
    "has the signature of another": _other_signature,
    "has no signature": lambda p, c: _honest(p, c).rpartition(".")[0] + ".",
    "has two parts": lambda p, c: _honest(p, c).rpartition(".")[0],
    "is by an attacker": lambda p, c: jws(c, attacker_key(), header={"typ": "logout+jwt"}),
    "is by an attacker, with our kid": _attackers,
    "is by an attacker, without kid": lambda p, c: _attackers(p, c, kid=None),
    "is by an attacker, with a jwk": _with_a_jwk,
    "is by an attacker, with a jku": lambda p, c: _attackers(p, c, jku=p.elsewhere_for("/jwks")),
    "is alg none": lambda p, c: jws(
        c, p.key, header={"typ": "logout+jwt", "alg": "none"}, signer=unsigned
    ),
    "is alg none, and signed": _header(alg="none"),
    "is HS256 by the client secret": lambda p, c: _hs256(p, c, p.client_secret.encode()),
    "is HS256 by the public key": lambda p, c: _hs256(p, c, p.key.pem),
    "is RS512, which is not listed": lambda p, c: jws(
        c, p.key, header={"typ": "logout+jwt", "alg": "RS512"}, signer=p.key.sign_rs512
    ),
    "is ES256 with an RSA signature": _header(alg="ES256"),
    "has no alg": _header(alg=None),
    "has a list of algs": _header(alg=["RS256"]),
    "has an unknown crit": _header(crit=["x"], x=1),
    "has a kid that nobody knows": _header(kid="nobody"),
    "has a kid that is a list": _header(kid=["op-1"]),
    "is typed as an access token": _header(typ="at+jwt"),
    "has a typ that is a number": _header(typ=7),
    # Who it is from, and for whom.
    "has a wrong iss": _with(iss=OTHER_ISSUER),
    "has an iss with a slash": lambda p, c: _honest(p, {**c, "iss": f"{p.issuer}/"}),
    "has a list of isses": lambda p, c: _honest(p, {**c, "iss": [p.issuer]}),
    "has no iss": _without("iss"),
    "has a wrong aud": _with(aud="another-app"),
    "has a wrong aud, and azp is ours": _with(aud="another-app", azp="app"),
    "has an aud that begins with ours": _with(aud="app-2"),
    "has an aud that is an object": _with(aud={"app": True}),
    "has an empty list of auds": _with(aud=[]),
    "has no aud": _without("aud"),
    # Its times.
    "is expired": _from_now(exp=-600),
    "has no exp": _without("exp"),
    "has an exp that is text": _with(exp="4102444800"),
    "has exp NaN": _raw("exp", "NaN"),
    "has exp 1e400": _raw("exp", "1e400"),
    "has an exp that is true": _with(exp=True),
    "has no iat": _without("iat"),
    "is from ten minutes ago": _from_now(iat=-600),
    "is from an hour in the future": _from_now(iat=3600, exp=7200),
    "has an iat that is text": _with(iat="1700000000"),
    "has iat NaN": _raw("iat", "NaN"),
    "has an iat that is true": _with(iat=True),
    # What it says.
    "has no events": _without("events"),
    "has events that are a list": _with(events=[EVENT]),
    "has events that are text": _with(events=EVENT),
    "has events that are null": _with(events=None),
    "has no event": _with(events={}),
    "has another event": _with(events={"http://schemas.openid.net/event/other": {}}),
    "has an event with a slash": _with(events={f"{EVENT}/": {}}),
    "has an event that is text": _with(events={EVENT: "yes"}),
    "has an event that is null": _with(events={EVENT: None}),
    "has an event that is a list": _with(events={EVENT: []}),
    "has an event that is true": _with(events={EVENT: True}),
    "has a nonce": _with(nonce="n" * 43),
    "has nonce null": _with(nonce=None),
    "has an empty nonce": _with(nonce=""),
    "has neither sub nor sid": _without("sub", "sid"),
    "has an empty sub and no sid": lambda p, c: _honest(
        p, {**{k: v for k, v in c.items() if k != "sid"}, "sub": ""}
    ),
    "has an empty sid and no sub": lambda p, c: _honest(
        p, {**{k: v for k, v in c.items() if k != "sub"}, "sid": ""}
    ),
    "has a sub that is a number": _with(sub=7),
    "has a sub that is a list": _with(sub=["u-1"]),
    "has sub null and no sid": lambda p, c: _honest(
        p, {**{k: v for k, v in c.items() if k != "sid"}, "sub": None}
    ),
    "has a sid that is a number": _with(sid=7),
    "has a sid that is a list": _with(sid=["s"]),
    "has a sid that is an object": _with(sid={"s": 1}),
    "has a sid that is true": _with(sid=True),
    "has a sub of 10 KB": _with(sub="u" * 10_000),
    "has no jti": _without("jti"),
    "has an empty jti": _with(jti=""),
    "has a jti that is a number": _with(jti=7),
    "has a jti that is a list": _with(jti=["j"]),
    # What it is at all.
    "is an id_token": _id_token,
    "is an id_token without nonce": _id_token_without_nonce,
    "is garbage": lambda p, c: "garbage",
    "is empty": lambda p, c: "",
    "is dots": lambda p, c: "." * 100_000,
    "is not ASCII": lambda p, c: "ä" + _honest(p, c)[1:],
    "is encrypted": _encrypted,
    "is in the JSON serialization": _json_serialization,
    "is 1 MB long": _with(x="x" * 1_000_000),
    "holds a list": _payload(b"[]"),
    "holds null": _payload(b"null"),
    "holds nothing": _payload(b""),
    "holds no UTF-8": _payload(b'{"sub": "\xff"}'),
    "holds lists 20 000 deep": _payload(b"[" * 20_000 + b"]" * 20_000),
}
