"""The table of what can go wrong at a refresh alone, by name: the sign-in before it is honest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import answers
from .answers import MEGABYTE, Answer
from .fault import BodyChange, Fault, IdTokenChange
from .faults import BROKEN_ANSWERS, NOT_JSON_OBJECTS, OTHER_ISSUER, SCRIPT
from .jws import jws, unsigned
from .keys import attacker_key

if TYPE_CHECKING:
    from .provider import FaultyProvider


def _error(code: int, error: object, **more: Any) -> Fault:
    content = json.dumps({"error": error, "error_description": SCRIPT, **more}).encode()
    answer = answers.body(content, code=code)
    return Fault(row="SEC-178", answers={"refresh": answer}, refreshes=False)


def _body(row: str, change: BodyChange) -> Fault:
    return Fault(row=row, bodies={"refresh": change})


def _content(value: Any) -> Answer:
    return answers.body(value if isinstance(value, bytes) else json.dumps(value).encode())


def _member(row: str, name: str, value: Any) -> Fault:
    return _body(row, lambda provider, honest: {**honest, name: value})


def _missing(row: str, name: str) -> Fault:
    return _body(row, lambda provider, honest: {k: v for k, v in honest.items() if k != name})


def _claims(**changed: Any) -> Fault:
    return _id_token(lambda provider, claims: jws({**claims, **changed}, provider.key))


def _id_token(change: IdTokenChange) -> Fault:
    return Fault(row="SEC-179", id_token=change)


def _no_claim(name: str) -> Fault:
    def without(provider: FaultyProvider, claims: dict[str, Any]) -> str:
        return jws({k: v for k, v in claims.items() if k != name}, provider.key)

    return _id_token(without)


def _literal(name: str, literal: str) -> Fault:
    """A member whose value is this text, which is no JSON that anybody should take."""
    return _body(
        "SEC-218",
        lambda provider, honest: (
            json.dumps({**honest, name: "@@"}).replace('"@@"', literal).encode()
        ),
    )


#: Nothing was done, and the refresh token is as good as before: it is to be tried again.
OUTAGES: dict[str, Fault] = {
    **{
        f"refresh {name}": Fault(row="SEC-178", answers={"refresh": answer}, refreshes=False)
        for name, answer in BROKEN_ANSWERS.items()
    },
    **{
        f"refresh is {name}": Fault(
            row="SEC-178", answers={"refresh": _content(value)}, refreshes=False
        )
        for name, value in NOT_JSON_OBJECTS.items()
    },
    "refresh is HTML with 502": Fault(
        row="SEC-178", answers={"refresh": answers.html(502)}, refreshes=False
    ),
    "refresh is invalid_grant with 500": _error(500, "invalid_grant"),
    "refresh is invalid_request": _error(400, "invalid_request"),
    "refresh is invalid_client": _error(401, "invalid_client"),
    "refresh is unauthorized_client": _error(400, "unauthorized_client"),
    "refresh is unsupported_grant_type": _error(400, "unsupported_grant_type"),
    "refresh is temporarily_unavailable": _error(400, "temporarily_unavailable"),
    "refresh is slow_down with 429": _error(429, "slow_down"),
    "refresh is an error that is no text": _error(400, ["invalid_grant"]),
    "refresh is an error without a name": _error(400, None),
    "refresh is an error with a script for a name": _error(400, SCRIPT),
    "refresh is another error with 200": _error(200, "server_error"),
}

#: The provider gives nothing for this grant any more.
REFUSALS: dict[str, Fault] = {
    "refresh is invalid_grant": _error(400, "invalid_grant"),
    "refresh is invalid_grant with 401": _error(401, "invalid_grant"),
    "refresh is invalid_grant with 403": _error(403, "invalid_grant"),
    "refresh is invalid_grant with 200": _error(200, "invalid_grant"),
    "refresh is bad_refresh_token with 200": _error(
        200, "bad_refresh_token", error_uri="https://docs.example/refresh"
    ),
    "refresh is invalid_grant beside a token": _error(
        200, "invalid_grant", access_token="at-beside-an-error", token_type="bearer"
    ),
}

#: The refresh token is spent where they rotate, and what came for it cannot be used.
UNUSABLE: dict[str, Fault] = {
    "refreshed without an access_token": _missing("SEC-178", "access_token"),
    "refreshed with an access_token that is null": _member("SEC-178", "access_token", None),
    "refreshed with an access_token that is empty": _member("SEC-178", "access_token", ""),
    "refreshed with an access_token that is a number": _member("SEC-178", "access_token", 7),
    "refreshed with an access_token of two lines": _member(
        "SEC-178", "access_token", "a\r\nX-Evil: 1"
    ),
    "refreshed with an access_token of 1 MB": _member("SEC-178", "access_token", "a" * MEGABYTE),
    "refreshed with token_type MAC": _member("SEC-178", "token_type", "MAC"),
    "refreshed with token_type DPoP": _member("SEC-178", "token_type", "DPoP"),
    "refreshed with a token_type that is a list": _member("SEC-178", "token_type", ["Bearer"]),
    "refreshed with a refresh_token that is a number": _member("SEC-178", "refresh_token", 7),
    "refreshed with a scope that is a list": _member("SEC-178", "scope", ["openid"]),
    "refreshed with expires_in NaN": _literal("expires_in", "NaN"),
    "refreshed with expires_in Infinity": _literal("expires_in", "Infinity"),
    "refreshed with expires_in 1e400": _literal("expires_in", "1e400"),
    "refreshed, and the answer was lost": Fault(
        row="SEC-178", answers={"refresh": answers.hung_up}
    ),
    "refreshed, and the answer was cut off": Fault(
        row="SEC-178", answers={"refresh": answers.cut_off}
    ),
    "refreshed, and the answer is 502": Fault(
        row="SEC-178", answers={"refresh": answers.status(502)}
    ),
}

#: The tokens are good; of how long, nobody can say by this.
LIFETIMES: dict[str, Fault] = {
    "refreshed without expires_in": _missing("SEC-218", "expires_in"),
    "refreshed with expires_in null": _member("SEC-218", "expires_in", None),
    "refreshed with expires_in 0": _member("SEC-218", "expires_in", 0),
    "refreshed with expires_in -1": _member("SEC-218", "expires_in", -1),
    "refreshed with expires_in -1e300": _member("SEC-218", "expires_in", -1e300),
    "refreshed with expires_in abc": _member("SEC-218", "expires_in", "abc"),
    "refreshed with expires_in NaN as text": _member("SEC-218", "expires_in", "NaN"),
    "refreshed with expires_in -3600 as text": _member("SEC-218", "expires_in", "-3600"),
    "refreshed with expires_in true": _member("SEC-218", "expires_in", True),
    "refreshed with expires_in in a list": _member("SEC-218", "expires_in", [3600]),
}

#: A lifetime that no token has.
ENDLESS: dict[str, Fault] = {
    "refreshed with expires_in 1e300": _member("SEC-218", "expires_in", 1e300),
    "refreshed with expires_in 1e308": _member("SEC-218", "expires_in", 1e308),
    "refreshed with expires_in 10**30": _member("SEC-218", "expires_in", 10**30),
    "refreshed with expires_in of 15 digits": _member("SEC-218", "expires_in", "9" * 15),
}

#: The tokens are somebody else's, or nobody can say whose they are.
STRANGERS: dict[str, Fault] = {
    "refreshed for another sub": _claims(sub="u-2"),
    "refreshed for a sub in capitals": _claims(sub="U-1"),
    "refreshed for no sub": _no_claim("sub"),
    "refreshed for a sub that is null": _claims(sub=None),
    "refreshed for a sub that is a list": _claims(sub=["u-1"]),
    "refreshed by another iss": _claims(iss=OTHER_ISSUER),
    "refreshed by an iss with a slash": _id_token(
        lambda provider, claims: jws({**claims, "iss": f"{claims['iss']}/"}, provider.key)
    ),
    "refreshed by no iss": _no_claim("iss"),
    "refreshed by an iss that is a list": _id_token(
        lambda provider, claims: jws({**claims, "iss": [claims["iss"]]}, provider.key)
    ),
    "refreshed for another aud": _claims(aud="another-app"),
    "refreshed for another aud with our azp": _claims(aud="another-app", azp="app"),
    "refreshed for two auds": _claims(aud=["app", "another-app"]),
    "refreshed for no aud": _no_claim("aud"),
    "refreshed with an id_token that is no JWT": _id_token(lambda provider, claims: "a JWT"),
    "refreshed with an id_token of three words": _id_token(lambda provider, claims: "a.b.c"),
    "refreshed with an id_token of alg none": _id_token(
        lambda provider, claims: jws(claims, provider.key, header={"alg": "none"}, signer=unsigned)
    ),
    "refreshed with an id_token that is empty": _id_token(lambda provider, claims: ""),
    "refreshed with an id_token that is a number": _id_token(lambda provider, claims: 7),
    "refreshed with an id_token that is an object": _id_token(
        lambda provider, claims: dict(claims)
    ),
    "refreshed with an id_token whose payload is a list": _id_token(
        lambda provider, claims: jws(b'["u-1"]', provider.key)
    ),
    "refreshed with an id_token whose payload is no JSON": _id_token(
        lambda provider, claims: jws(b"\xff{", provider.key)
    ),
}

#: What a provider may do, so that nobody refuses too much.
TOLERATED: dict[str, Fault] = {
    name: replace(fault, row="control")
    for name, fault in {
        "refreshed with an honest id_token": _claims(),
        "refreshed for a list of one aud": _claims(aud=["app"]),
        "refreshed with an id_token that is null": _id_token(lambda provider, claims: None),
        # It came from the token endpoint itself: OpenID Connect Core section 3.1.3.7, number 6.
        "refreshed with an id_token by a key that is not published": _id_token(
            lambda provider, claims: jws(claims, attacker_key())
        ),
        "refreshed with token_type bearer": _member("", "token_type", "bearer"),
        "refreshed without a token_type": _missing("", "token_type"),
        "refreshed without a scope": _missing("", "scope"),
        "refreshed with less scope": _member("", "scope", "openid"),
        "refreshed with expires_in as text": _member("", "expires_in", "3600"),
        "refreshed with members that nobody knows": _member("", "x", {"y": [1]}),
    }.items()
}

REFRESH_FAULTS: dict[str, Fault] = {
    **OUTAGES,
    **REFUSALS,
    **UNUSABLE,
    **LIFETIMES,
    **ENDLESS,
    **STRANGERS,
    **TOLERATED,
}
