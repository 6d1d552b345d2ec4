"""The table of faults, by name. Each group comes to light at one step of a sign-in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...forged_tokens import CBC, b64, forge
from . import answers
from .answers import MEGABYTE, Answer
from .fault import BodyChange, CallbackChange, Endpoint, Fault, IdTokenChange
from .jws import hs256, jws, unsigned
from .keys import attacker_key, short_attacker_key

if TYPE_CHECKING:
    from .provider import FaultyProvider

#: An origin that is nobody's here.
OTHER_ISSUER = "https://other-op.example"
#: Shown to the person by the provider; an error page may show it as text at most.
SCRIPT = "<script>alert(1)</script>"

NOT_JSON_OBJECTS: dict[str, Any] = {
    "an array": [1, 2],
    "a string": "token",
    "a number": 7,
    "null": None,
    "true": True,
    "nothing": b"",
    "no JSON": b"{'issuer': 1",
    "JSON and more": b'{} {"a": 1}',
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "nested 100 000 deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 100 000 digits": b'{"expires_in": ' + b"9" * 100_000 + b"}",
}

#: What can be wrong with the answer to any request, whatever it was to say.
BROKEN_ANSWERS: dict[str, Answer] = {
    "redirects with 301": answers.redirect(301),
    "redirects with 302": answers.redirect(302),
    "redirects with 303": answers.redirect(303),
    "redirects with 307": answers.redirect(307),
    "redirects with 308": answers.redirect(308),
    "is 2 MB long": answers.padded(2 * MEGABYTE),
    "does not end": answers.endless,
    "is a gzip bomb": answers.gzip_bomb,
    "is a gzip bomb in gzip": answers.gzip_bomb_in_gzip,
    "is HTML with 200": answers.html(),
    "is HTML with 500": answers.html(500),
    "is 404": answers.status(404),
    "is 429": answers.status(429),
    "is 500": answers.status(500),
    "is 503": answers.status(503),
    "is 204": answers.body(b"", code=204),
    "hangs": answers.hang,
    "drips": answers.drip,
    "drips its headers": answers.drip_headers,
    "drips 100 Continue": answers.drip_continue,
    "is cut off": answers.cut_off,
    "is hung up on": answers.hung_up,
    "is not HTTP": answers.not_http,
    "has headers without end": answers.headers_without_end,
    "has too short a Content-Length": answers.short_content_length,
    "has two Content-Lengths": answers.two_content_lengths,
    "has broken chunks": answers.broken_chunks,
}


def _broken_answers(row: str, endpoint: Endpoint) -> dict[str, Fault]:
    return {
        f"{endpoint} {name}": Fault(row=row, answers={endpoint: answer})
        for name, answer in BROKEN_ANSWERS.items()
    }


def _broken(row: str, endpoint: Endpoint) -> dict[str, Fault]:
    """Every broken answer, and every body that is no JSON object, at one endpoint."""
    faults = _broken_answers(row, endpoint)
    for name, value in NOT_JSON_OBJECTS.items():
        faults[f"{endpoint} is {name}"] = Fault(row=row, bodies={endpoint: _instead(value)})
    return faults


def _instead(value: Any) -> BodyChange:
    return lambda provider, honest: value


def _with(**changed: Any) -> BodyChange:
    return lambda provider, honest: {**honest, **changed}


def _without(*names: str) -> BodyChange:
    return lambda provider, honest: {k: v for k, v in honest.items() if k not in names}


def _with_raw(name: str, literal: str) -> BodyChange:
    """A member whose value is this text, JSON or not."""
    return lambda provider, honest: _raw_member(honest, name, literal)


def _raw_member(honest: Mapping[str, Any], name: str, literal: str) -> bytes:
    return json.dumps({**honest, name: "@@"}).replace('"@@"', literal).encode()


# Discovery: comes to light where a sign-in starts.

#: Where no endpoint of a provider on loopback may be: name, and the URL for the honest path.
_FORBIDDEN_URLS: dict[str, Any] = {
    "http elsewhere": "http://example.com",
    "http at a metadata service": "http://169.254.169.254",
    "http at a private address": "http://10.0.0.1",
    "a file": "file:///etc",
    "ftp": "ftp://127.0.0.1",
    "a script": "javascript:alert(1)//",
    "data": "data:application/json,{}#",
    "without a scheme": "//evil.example",
    "a path alone": "",
    "without a host": "http://",
}
_FORBIDDEN_VALUES: dict[str, Any] = {
    "empty": "",
    "a number": 7,
    "a list": ["http://127.0.0.1/"],
    "an object": {"url": "http://127.0.0.1/"},
    "true": True,
    "null": None,
    "a port that is none": "http://127.0.0.1:99999/",
    "two lines": "http://127.0.0.1/\r\nX-Evil: 1",
    "an address that is none": "http://[::1/",
}
_ENDPOINTS: dict[str, str] = {
    "authorization_endpoint": "/authorize",
    "token_endpoint": "/token",
    "jwks_uri": "/jwks",
    "userinfo_endpoint": "/userinfo",
    "end_session_endpoint": "/logout",
    "revocation_endpoint": "/revoke",
}
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def _endpoint_faults() -> dict[str, Fault]:
    faults = {}
    for name, path in _ENDPOINTS.items():
        for kind, prefix in _FORBIDDEN_URLS.items():
            faults[f"{name} is {kind}"] = _metadata(_with(**{name: prefix + path}))
        for kind, value in _FORBIDDEN_VALUES.items():
            faults[f"{name} is {kind}"] = _metadata(_with(**{name: value}))
        # 0.0.0.0 is no loopback address, but a connection to it reaches this host.
        faults[f"{name} is http at 0.0.0.0"] = _metadata(_at_any_address(name, path))
        if name in _NEEDED:
            faults[f"{name} is missing"] = _metadata(_without(name))
        else:  # to leave it out is allowed, and to say null is nearly the same
            del faults[f"{name} is null"]
    return faults


def _at_any_address(name: str, path: str) -> BodyChange:
    return lambda provider, honest: {**honest, name: provider.elsewhere_for(path, "0.0.0.0")}  # noqa: S104


def _metadata(change: BodyChange) -> Fault:
    return Fault(row="SEC-164", bodies={"metadata": change})


METADATA_FAULTS: dict[str, Fault] = {
    "issuer is another": _metadata(_with(issuer=OTHER_ISSUER)),
    "issuer ends with a slash": _metadata(
        lambda provider, honest: {**honest, "issuer": f"{provider.issuer}/"}
    ),
    "issuer is on another port": _metadata(
        lambda provider, honest: {**honest, "issuer": "http://127.0.0.1:1"}
    ),
    "issuer is localhost": _metadata(
        lambda provider, honest: {**honest, "issuer": f"http://localhost:{provider.port}"}
    ),
    "issuer is in capitals": _metadata(
        lambda provider, honest: {**honest, "issuer": provider.issuer.upper()}
    ),
    "issuer has a fragment": _metadata(
        lambda provider, honest: {**honest, "issuer": f"{provider.issuer}#"}
    ),
    "issuer is missing": _metadata(_without("issuer")),
    "issuer is null": _metadata(_with(issuer=None)),
    "issuer is a number": _metadata(_with(issuer=7)),
    "issuer is a list": _metadata(lambda provider, honest: {**honest, "issuer": [provider.issuer]}),
    "there are two issuers": _metadata(
        lambda provider, honest: (
            b'{"issuer": "%s", ' % OTHER_ISSUER.encode() + json.dumps(honest)[1:].encode()
        )
    ),
    **_endpoint_faults(),
    **_broken("SEC-164", "metadata"),
}


# The key set: comes to light at the callback.


def _jwks(change: BodyChange, id_token: IdTokenChange | None = None) -> Fault:
    return Fault(row="SEC-165", bodies={"jwks": change}, id_token=id_token)


def _by_shared_key(provider: FaultyProvider, claims: dict[str, Any]) -> str:
    key = provider.key
    return jws(claims, key, header={"alg": "HS256"}, signer=hs256(b"published to everybody!!"))


JWKS_FAULTS: dict[str, Fault] = {
    "jwks has no keys": _jwks(_instead({})),
    "jwks is an empty list of keys": _jwks(_instead({"keys": []})),
    "jwks has keys that are no list": _jwks(_with(keys={"kty": "RSA"})),
    "jwks has keys that are null": _jwks(_with(keys=None)),
    "jwks has keys that are no objects": _jwks(_with(keys=[1, "x", None, []])),
    "jwks has another key only": _jwks(lambda provider, honest: {"keys": [attacker_key().jwk]}),
    "jwks has another key of that kid": _jwks(
        lambda provider, honest: {"keys": [attacker_key().known_as(provider.key.kid).jwk]}
    ),
    "jwks has a key without a modulus": _jwks(
        lambda provider, honest: {"keys": [{"kty": "RSA", "kid": provider.key.kid, "e": "AQAB"}]}
    ),
    "jwks has a key of an unknown kind": _jwks(
        lambda provider, honest: {"keys": [{"kty": "XYZ", "kid": provider.key.kid}]}
    ),
    "jwks has a key with a modulus that is no number": _jwks(
        lambda provider, honest: {"keys": [{**provider.key.jwk, "n": 7}]}
    ),
    "jwks has a key for encryption": _jwks(
        lambda provider, honest: {"keys": [{**provider.key.jwk, "use": "enc"}]}
    ),
    "jwks has a key for another algorithm": _jwks(
        lambda provider, honest: {"keys": [{**provider.key.jwk, "alg": "RS512"}]}
    ),
    "jwks has a shared key": _jwks(
        lambda provider, honest: {
            "keys": [
                {
                    "kty": "oct",
                    "kid": provider.key.kid,
                    "k": b64(b"published to everybody!!"),
                }
            ]
        },
        _by_shared_key,
    ),
    **_broken("SEC-165", "jwks"),
}


# The callback's parameters: no code may reach the token endpoint.


def _callback(row: str, change: CallbackChange) -> Fault:
    return Fault(row=row, callback=change)


def _replace(**changed: str | None) -> CallbackChange:
    """Parameters changed, or taken out with None; one that is not there is added."""

    def change(provider: FaultyProvider, params: list[tuple[str, str]]) -> list[tuple[str, str]]:
        kept = [pair for pair in params if pair[0] not in changed]
        return kept + [(name, value) for name, value in changed.items() if value is not None]

    return change


def _add(*more: tuple[str, str]) -> CallbackChange:
    return lambda provider, params: [*params, *more]


CALLBACK_FAULTS: dict[str, Fault] = {
    "callback has a wrong iss": _callback("SEC-163", _replace(iss=OTHER_ISSUER)),
    "callback has an iss with a slash": _callback(
        "SEC-163", lambda provider, params: _replace(iss=f"{provider.issuer}/")(provider, params)
    ),
    "callback has an empty iss": _callback("SEC-163", _replace(iss="")),
    "callback has no iss": _callback("SEC-163", _replace(iss=None)),
    "callback has two isses": _callback("SEC-163", _add(("iss", OTHER_ISSUER))),
    "callback has two isses, the wrong one first": _callback(
        "SEC-163", lambda provider, params: [("iss", OTHER_ISSUER), *params]
    ),
    "callback has an error and a wrong iss": _callback(
        "SEC-163", _replace(code=None, error="access_denied", iss=OTHER_ISSUER)
    ),
    "callback has an error and no iss": _callback(
        "SEC-163", _replace(code=None, error="access_denied", iss=None)
    ),
    "callback has no state": _callback("SEC-160", _replace(state=None)),
    "callback has an empty state": _callback("SEC-160", _replace(state="")),
    "callback has a wrong state": _callback("SEC-160", _replace(state="A" * 43)),
    "callback has two states": _callback("SEC-160", _add(("state", "A" * 43))),
    "callback has a state with control characters": _callback(
        "SEC-160", _replace(state="a\r\nSet-Cookie: a=b\0")
    ),
    "callback has an error": _callback(
        "SEC-170",
        _replace(code=None, error="access_denied", error_description=SCRIPT),
    ),
    "callback has an unknown error": _callback(
        "SEC-170",
        _replace(
            code=None, error=SCRIPT, error_description=SCRIPT, error_uri="javascript:alert(1)"
        ),
    ),
    "callback has an error with control characters": _callback(
        "SEC-170", _replace(code=None, error="a\r\nSet-Cookie: a=b", error_description="\0\x1b[2J")
    ),
    "callback has an empty error": _callback("SEC-170", _replace(code=None, error="")),
    "callback has an error without state": _callback(
        "SEC-170", _replace(code=None, state=None, error="access_denied")
    ),
    "callback has an error and a code": _callback("SEC-170", _replace(error="access_denied")),
    "callback has two errors": _callback(
        "SEC-170",
        lambda provider, params: [
            *_replace(code=None)(provider, params),
            ("error", "access_denied"),
            ("error", "server_error"),
        ],
    ),
    "callback has no code": _callback("SEC-171", _replace(code=None)),
    "callback has an empty code": _callback("SEC-171", _replace(code="")),
    "callback has two codes": _callback("SEC-171", _add(("code", "another-code-0123456789"))),
    "callback has the same code twice": _callback(
        "SEC-171", lambda provider, params: [*params, params[0]]
    ),
    "callback has a code of 50 KB": _callback("SEC-171", _replace(code="c" * 50_000)),
    "callback has an array of codes": _callback(
        "SEC-171", lambda provider, params: [("code[]", params[0][1]), *params[1:]]
    ),
    "callback has tokens instead of a code": _callback(
        "SEC-171", _replace(code=None, access_token="a-token-0123456789", token_type="Bearer")
    ),
    "callback has nothing, as if it were in the fragment": _callback(
        "SEC-171", lambda provider, params: []
    ),
}


# Where none is announced, a wrong ``iss`` is still wrong.
for _name in (
    "callback has a wrong iss",
    "callback has an empty iss",
    "callback has two isses",
    "callback has two isses, the wrong one first",
):
    CALLBACK_FAULTS[f"{_name}, and none was announced"] = replace(
        CALLBACK_FAULTS[_name],
        bodies={"metadata": _without("authorization_response_iss_parameter_supported")},
    )


# The id_token.


def _claims(row: str, **changed: Any) -> Fault:
    return Fault(row=row, id_token=lambda p, claims: jws({**claims, **changed}, p.key))


def _raw_claim(row: str, name: str, literal: str) -> Fault:
    return Fault(row=row, id_token=lambda p, claims: jws(_raw_member(claims, name, literal), p.key))


def _no_claim(row: str, name: str) -> Fault:
    return Fault(
        row=row,
        id_token=lambda p, claims: jws({k: v for k, v in claims.items() if k != name}, p.key),
    )


def _from_now(row: str, name: str, seconds: int) -> Fault:
    return Fault(
        row=row,
        id_token=lambda p, claims: jws({**claims, name: claims["iat"] + seconds}, p.key),
    )


def _header(row: str, header: Mapping[str, Any], *, metadata: BodyChange | None = None) -> Fault:
    """Signed by the right key, under a header that says something else."""
    return Fault(
        row=row,
        bodies={} if metadata is None else {"metadata": metadata},
        id_token=lambda p, claims: jws(claims, p.key, header=header),
    )


def _made(row: str, make: IdTokenChange, *, metadata: BodyChange | None = None) -> Fault:
    return Fault(row=row, bodies={} if metadata is None else {"metadata": metadata}, id_token=make)


def _payload(row: str, payload: bytes) -> Fault:
    return _made(row, lambda p, claims: jws(payload, p.key))


def _other_signature(p: FaultyProvider, claims: dict[str, Any]) -> str:
    """The claims of one token with the signature of another."""
    honest, other = jws(claims, p.key), jws({**claims, "sub": "somebody else"}, p.key)
    return ".".join([*other.split(".")[:2], honest.split(".")[2]])


def _no_signature(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return jws(claims, p.key).rpartition(".")[0] + "."


def _two_parts(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return jws(claims, p.key).rpartition(".")[0]


def _attackers(p: FaultyProvider, claims: dict[str, Any], **header: Any) -> str:
    """Signed by the attacker, under the kid of the right key."""
    return jws(claims, attacker_key(), header={"kid": p.key.kid, **header})


def _with_a_jwk(p: FaultyProvider, claims: dict[str, Any]) -> str:
    """By a key that its own header brings along; a short one, since headers are not long."""
    key = short_attacker_key(p.key.kid)
    return jws(claims, key, header={"jwk": {name: key.jwk[name] for name in ("kty", "n", "e")}})


def _none_alg(p: FaultyProvider, claims: dict[str, Any], alg: str = "none") -> str:
    return jws(claims, p.key, header={"alg": alg}, signer=unsigned)


def _by_client_secret(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return jws(claims, p.key, header={"alg": "HS256"}, signer=hs256(p.client_secret.encode()))


def _by_pem(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return jws(claims, p.key, header={"alg": "HS256"}, signer=hs256(p.key.pem))


def _by_jwk(p: FaultyProvider, claims: dict[str, Any]) -> str:
    secret = json.dumps(p.key.jwk).encode()
    return jws(claims, p.key, header={"alg": "HS256"}, signer=hs256(secret))


def _json_serialization(p: FaultyProvider, claims: dict[str, Any]) -> dict[str, str]:
    protected, payload, signature = jws(claims, p.key).split(".")
    return {"protected": protected, "payload": payload, "signature": signature}


def _encrypted(p: FaultyProvider, claims: dict[str, Any]) -> str:
    return forge(b"k" * 64, json.dumps(claims).encode(), {"alg": "dir", "enc": CBC})


_EVERY_ALGORITHM = _with(
    id_token_signing_alg_values_supported=[
        *("none", "HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "EdDSA"),
    ]
)
_NO_ALGORITHM_LIST = _without("id_token_signing_alg_values_supported")

ID_TOKEN_FAULTS: dict[str, Fault] = {
    # Who signed it, and how.
    "id_token has a signature of another": _made("SEC-165", _other_signature),
    "id_token has no signature": _made("SEC-165", _no_signature),
    "id_token has two parts": _made("SEC-165", _two_parts),
    "id_token has half a signature": _made("SEC-165", lambda p, c: jws(c, p.key)[:-170]),
    "id_token has a longer signature": _made("SEC-165", lambda p, c: jws(c, p.key) + "AAAA"),
    "id_token is by an attacker": _made("SEC-165", lambda p, c: jws(c, attacker_key())),
    "id_token is by an attacker, with our kid": _made("SEC-165", _attackers),
    "id_token is by an attacker, without kid": _made(
        "SEC-165", lambda p, c: _attackers(p, c, kid=None)
    ),
    "id_token is by an attacker, with a jwk": _made("SEC-165", _with_a_jwk),
    "id_token is by an attacker, with a jku": _made(
        "SEC-165", lambda p, c: _attackers(p, c, jku=p.elsewhere_for("/jwks"))
    ),
    "id_token is by an attacker, with an x5u": _made(
        "SEC-165", lambda p, c: _attackers(p, c, x5u=p.elsewhere_for("/jwks"))
    ),
    "id_token is alg none": _made("SEC-165", _none_alg),
    "id_token is alg nOnE": _made("SEC-165", lambda p, c: _none_alg(p, c, "nOnE")),
    "id_token is alg none, and signed": _header("SEC-165", {"alg": "none"}),
    "id_token is HS256 by the client secret": _made("SEC-165", _by_client_secret),
    "id_token is HS256 by the public key": _made("SEC-165", _by_pem),
    "id_token is HS256 by the JWK": _made("SEC-165", _by_jwk),
    "id_token is RS512, which is not listed": _made(
        "SEC-166", lambda p, c: jws(c, p.key, header={"alg": "RS512"}, signer=p.key.sign_rs512)
    ),
    "id_token is PS256, which is not listed": _made(
        "SEC-166", lambda p, c: jws(c, p.key, header={"alg": "PS256"}, signer=p.key.sign_ps256)
    ),
    "id_token is alg none, and that is listed": _made(
        "SEC-166", _none_alg, metadata=_EVERY_ALGORITHM
    ),
    "id_token is HS256 by the client secret, and that is listed": _made(
        "SEC-166", _by_client_secret, metadata=_EVERY_ALGORITHM
    ),
    "id_token is HS256 by the public key, and that is listed": _made(
        "SEC-166", _by_pem, metadata=_EVERY_ALGORITHM
    ),
    "id_token is alg none, and nothing is listed": _made(
        "SEC-166", _none_alg, metadata=_NO_ALGORITHM_LIST
    ),
    "id_token is HS256 by the client secret, and nothing is listed": _made(
        "SEC-166", _by_client_secret, metadata=_NO_ALGORITHM_LIST
    ),
    "id_token is alg none, and only that is listed": _made(
        "SEC-166", _none_alg, metadata=_with(id_token_signing_alg_values_supported=["none"])
    ),
    "id_token is HS256 by the client secret, and only that is listed": _made(
        "SEC-166",
        _by_client_secret,
        metadata=_with(id_token_signing_alg_values_supported=["HS256"]),
    ),
    # Its header.
    "id_token is ES256 with an RSA signature": _header("SEC-165", {"alg": "ES256"}),
    "id_token has an unknown alg": _header("SEC-165", {"alg": "RS257"}),
    "id_token has alg in small letters": _header("SEC-165", {"alg": "rs256"}),
    "id_token has a list of algs": _header("SEC-165", {"alg": ["RS256"]}),
    "id_token has no alg": _header("SEC-165", {"alg": None}),
    "id_token has an unknown crit": _header("SEC-165", {"crit": ["x"], "x": 1}),
    "id_token has an empty crit": _header("SEC-165", {"crit": []}),
    "id_token has a crit that is no list": _header("SEC-165", {"crit": "exp"}),
    "id_token has an unencoded payload": _header("SEC-165", {"crit": ["b64"], "b64": False}),
    "id_token has a kid that nobody knows": _header("SEC-165", {"kid": "../../../etc/passwd"}),
    "id_token has a kid that is a number": _header("SEC-165", {"kid": 1}),
    "id_token has a kid that is a list": _header("SEC-165", {"kid": ["op-1"]}),
    "id_token has a kid of 10 KB": _header("SEC-165", {"kid": "k" * 10_000}),
    # Who it is from, and for whom.
    "id_token has a wrong iss": _claims("SEC-165", iss=OTHER_ISSUER),
    "id_token has an iss with a slash": _made(
        "SEC-165", lambda p, c: jws({**c, "iss": f"{p.issuer}/"}, p.key)
    ),
    "id_token has a list of isses": _made(
        "SEC-165", lambda p, c: jws({**c, "iss": [p.issuer]}, p.key)
    ),
    "id_token has iss null": _claims("SEC-165", iss=None),
    "id_token has no iss": _no_claim("SEC-165", "iss"),
    "id_token has a wrong aud": _claims("SEC-165", aud="another-app"),
    "id_token has a wrong aud, and azp is ours": _claims("SEC-165", aud="another-app", azp="app"),
    "id_token has a list of wrong auds, and azp is ours": _claims(
        "SEC-165", aud=["another-app", "a-third"], azp="app"
    ),
    "id_token has two auds and no azp": _claims("SEC-165", aud=["app", "another-app"]),
    # Core 3.1.3.7 (3): an audience that the client does not trust is reason enough.
    "id_token has two auds, and azp is ours": _claims(
        "SEC-165", aud=["app", "another-app"], azp="app"
    ),
    "id_token has two auds, and azp is the other": _claims(
        "SEC-165", aud=["app", "another-app"], azp="another-app"
    ),
    "id_token has a wrong azp": _claims("SEC-165", azp="another-app"),
    "id_token has an azp that is a list": _claims("SEC-165", azp=["app"]),
    "id_token has an empty list of auds": _claims("SEC-165", aud=[]),
    "id_token has an aud that begins with ours": _claims("SEC-165", aud="app-2"),
    "id_token has an aud that is an object": _claims("SEC-165", aud={"app": True}),
    "id_token has an aud that is a number": _claims("SEC-165", aud=7),
    "id_token has aud null": _claims("SEC-165", aud=None),
    "id_token has no aud": _no_claim("SEC-165", "aud"),
    "id_token has no sub": _no_claim("SEC-165", "sub"),
    "id_token has an empty sub": _claims("SEC-165", sub=""),
    "id_token has sub null": _claims("SEC-165", sub=None),
    "id_token has a sub that is a number": _claims("SEC-165", sub=7),
    "id_token has a sub that is a list": _claims("SEC-165", sub=["u-1"]),
    "id_token has a sub that is true": _claims("SEC-165", sub=True),
    "id_token has a sub of 10 KB": _claims("SEC-165", sub="u" * 10_000),
    "id_token has no nonce": _no_claim("SEC-162", "nonce"),
    "id_token has a wrong nonce": _claims("SEC-162", nonce="A" * 43),
    "id_token has an empty nonce": _claims("SEC-162", nonce=""),
    "id_token has nonce null": _claims("SEC-162", nonce=None),
    "id_token has a list of nonces": _made(
        "SEC-162", lambda p, c: jws({**c, "nonce": [c["nonce"]]}, p.key)
    ),
    # Its times.
    "id_token is expired": _from_now("SEC-165", "exp", -3600),
    "id_token has no exp": _no_claim("SEC-165", "exp"),
    "id_token has exp null": _claims("SEC-165", exp=None),
    "id_token has an exp that is text": _claims("SEC-165", exp="4102444800"),
    "id_token has an exp that is true": _claims("SEC-165", exp=True),
    "id_token has an exp that is a list": _claims("SEC-165", exp=[4102444800]),
    "id_token has exp NaN": _raw_claim("SEC-165", "exp", "NaN"),
    "id_token has exp Infinity": _raw_claim("SEC-165", "exp", "Infinity"),
    "id_token has exp 1e400": _raw_claim("SEC-165", "exp", "1e400"),
    "id_token has no iat": _no_claim("SEC-165", "iat"),
    "id_token has iat null": _claims("SEC-165", iat=None),
    "id_token has an iat in the future": _from_now("SEC-165", "iat", 3600),
    "id_token has an iat that is text": _claims("SEC-165", iat="1700000000"),
    "id_token has an iat that is true": _claims("SEC-165", iat=True),
    "id_token has iat NaN": _raw_claim("SEC-165", "iat", "NaN"),
    "id_token has iat -Infinity": _raw_claim("SEC-165", "iat", "-Infinity"),
    "id_token has an nbf in the future": _from_now("SEC-165", "nbf", 3600),
    "id_token has an nbf that is text": _claims("SEC-165", nbf="soon"),
    # What it is bound to.
    "id_token has a wrong at_hash": _claims("SEC-165", at_hash="A" * 22),
    "id_token has an empty at_hash": _claims("SEC-165", at_hash=""),
    "id_token has an at_hash that is a number": _claims("SEC-165", at_hash=7),
    "id_token has an at_hash that is a list": _made(
        "SEC-165", lambda p, c: jws({**c, "at_hash": [c["at_hash"]]}, p.key)
    ),
    # What it is at all.
    "id_token is garbage": _made("SEC-165", lambda p, c: "garbage"),
    "id_token is empty": _made("SEC-165", lambda p, c: ""),
    "id_token is dots": _made("SEC-165", lambda p, c: "." * 100_000),
    "id_token is not base64": _made("SEC-165", lambda p, c: "!!!.???.***"),
    "id_token is not ASCII": _made("SEC-165", lambda p, c: "ä" + jws(c, p.key)[1:]),
    "id_token is encrypted": _made("SEC-165", _encrypted),
    "id_token is in the JSON serialization": _made("SEC-165", _json_serialization),
    "id_token is the JSON serialization as text": _made(
        "SEC-165", lambda p, c: json.dumps(_json_serialization(p, c))
    ),
    "id_token is a list": _made("SEC-165", lambda p, c: [jws(c, p.key)]),
    "id_token is a number": _made("SEC-165", lambda p, c: 7),
    "id_token is true": _made("SEC-165", lambda p, c: True),
    "id_token is null": _made("SEC-165", lambda p, c: None),
    "id_token is absent": Fault(row="SEC-165", bodies={"token": _without("id_token")}),
    "id_token is 1 MB long": _made("SEC-165", lambda p, c: jws({**c, "x": "x" * MEGABYTE}, p.key)),
    "id_token is 100 KB long": _made("SEC-165", lambda p, c: jws({**c, "x": "x" * 100_000}, p.key)),
    "id_token holds a list": _payload("SEC-165", b"[1]"),
    "id_token holds null": _payload("SEC-165", b"null"),
    "id_token holds text": _payload("SEC-165", b'"sub"'),
    "id_token holds nothing": _payload("SEC-165", b""),
    "id_token holds no JSON": _payload("SEC-165", b"{sub: 1}"),
    "id_token holds no UTF-8": _payload("SEC-165", b'{"sub": "\xff"}'),
    "id_token holds lists 20 000 deep": _payload("SEC-165", b"[" * 20_000 + b"]" * 20_000),
    "id_token holds another token": _made(
        "SEC-165",
        lambda p, c: jws(jws(c, p.key).encode(), p.key, header={"cty": "JWT"}),
    ),
    "id_token is a logout token": _made(
        "SEC-165",
        lambda p, c: jws(
            {
                **{name: c[name] for name in ("iss", "aud", "sub", "sid", "iat", "exp")},
                "jti": "logout-1",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            },
            p.key,
            header={"typ": "logout+jwt"},
        ),
    ),
}

#: Come to light only where ``max_age`` was asked for.
AUTH_TIME_FAULTS: dict[str, Fault] = {
    "auth_time is absent": _no_claim("SEC-175", "auth_time"),
    "auth_time is stale": _from_now("SEC-175", "auth_time", -86_400),
    "auth_time is in the future": _from_now("SEC-175", "auth_time", 3600),
    "auth_time is text": _claims("SEC-175", auth_time="1700000000"),
    "auth_time is null": _claims("SEC-175", auth_time=None),
    "auth_time is true": _claims("SEC-175", auth_time=True),
    "auth_time is a list": _claims("SEC-175", auth_time=[1_700_000_000]),
    "auth_time is NaN": _raw_claim("SEC-175", "auth_time", "NaN"),
    "auth_time is Infinity": _raw_claim("SEC-175", "auth_time", "Infinity"),
    "auth_time is 1e400": _raw_claim("SEC-175", "auth_time", "1e400"),
    "auth_time is 10**30": _claims("SEC-175", auth_time=10**30),
}


# The token response.


def _token(change: BodyChange) -> Fault:
    return Fault(row="SEC-178", bodies={"token": change})


def _error(code: int, **body: Any) -> Fault:
    content = json.dumps(body).encode()
    return Fault(row="SEC-178", answers={"token": answers.body(content, code=code)})


TOKEN_FAULTS: dict[str, Fault] = {
    "token is refused": _error(400, error="invalid_grant", error_description=SCRIPT),
    "token is refused with 401": _error(401, error="invalid_client"),
    "token is refused with 200": _error(200, error="invalid_grant", error_description=SCRIPT),
    "token has an error beside a token": _token(_with(error="invalid_grant")),
    "token has an error that is no text": _error(400, error=["a"], error_description={"b": 1}),
    "token has no access_token": _token(_without("access_token")),
    "token has an access_token that is null": _token(_with(access_token=None)),
    "token has an access_token that is empty": _token(_with(access_token="")),
    "token has an access_token that is a number": _token(_with(access_token=7)),
    "token has an access_token that is a list": _token(_with(access_token=["a"])),
    "token has an access_token of 1 MB": _token(_with(access_token="a" * MEGABYTE)),
    "token has an access_token of 100 KB": _token(_with(access_token="a" * 100_000)),
    "token has a refresh_token of 100 KB": _token(_with(refresh_token="a" * 100_000)),
    "token has an access_token of two lines": _token(_with(access_token="a\r\nX-Evil: 1")),
    "token has an access_token that is no ASCII": _token(_with(access_token="\u0442\u043e")),
    "token has token_type DPoP": _token(_with(token_type="DPoP")),
    "token has token_type mac": _token(_with(token_type="mac")),
    "token has token_type N_A": _token(_with(token_type="N_A")),
    "token has a token_type that is a number": _token(_with(token_type=1)),
    "token has a token_type that is a list": _token(_with(token_type=["Bearer"])),
    "token has a scope that is a list": _token(_with(scope=["openid"])),
    "token has a scope that is a number": _token(_with(scope=7)),
    "token has a refresh_token that is a number": _token(_with(refresh_token=7)),
    "token has a refresh_token that is a list": _token(_with(refresh_token=["a"])),
    "token has a refresh_token that is an object": _token(_with(refresh_token={"a": 1})),
    "token speaks no TLS": Fault(
        row="SEC-178",
        bodies={
            "metadata": lambda provider, honest: {
                **honest,
                "token_endpoint": f"https://127.0.0.1:{provider.port}/token",
            }
        },
    ),
    **_broken("SEC-178", "token"),
}

#: A lifetime that is none. Whether such a sign-in is refused or goes without a known expiry, no
#: nonsense may be kept.
LIFETIME_FAULTS: dict[str, Fault] = {
    "expires_in is abc": _token(_with(expires_in="abc")),
    "expires_in is text": _token(_with(expires_in="3600")),
    "expires_in is empty": _token(_with(expires_in="")),
    "expires_in is -1": _token(_with(expires_in=-1)),
    "expires_in is 0": _token(_with(expires_in=0)),
    "expires_in is 1e400": _token(_with_raw("expires_in", "1e400")),
    "expires_in is NaN": _token(_with_raw("expires_in", "NaN")),
    "expires_in is Infinity": _token(_with_raw("expires_in", "Infinity")),
    "expires_in is 10**30": _token(_with(expires_in=10**30)),
    "expires_in is 1e308": _token(_with(expires_in=1e308)),
    "expires_in is a number of 5 000 digits": _token(_with_raw("expires_in", "9" * 5_000)),
    "expires_in is a list": _token(_with(expires_in=[3600])),
    "expires_in is an object": _token(_with(expires_in={"seconds": 3600})),
    "expires_in is true": _token(_with(expires_in=True)),
    "expires_in is null": _token(_with(expires_in=None)),
    "expires_in is missing": _token(_without("expires_in")),
    "expires_at is text": _token(_with(expires_at="tomorrow")),
    "expires_at is NaN": _token(_with_raw("expires_at", "NaN")),
    "expires_at is 10**30": _token(_with(expires_at=10**30)),
    "expires_at is 0": _token(_with(expires_at=0)),
    "expires_at is a list": _token(_with(expires_at=[1])),
    "expires_at is true": _token(_with(expires_at=True)),
    "expires_at is all there is": _token(
        lambda provider, honest: {
            **{name: value for name, value in honest.items() if name != "expires_in"},
            "expires_at": 10**30,
        }
    ),
}


# Userinfo.


def _userinfo(change: BodyChange) -> Fault:
    return Fault(row="SEC-168", bodies={"userinfo": change})


USERINFO_FAULTS: dict[str, Fault] = {
    "userinfo has another sub": _userinfo(_with(sub="u-2")),
    "userinfo has a sub in capitals": _userinfo(_with(sub="U-1")),
    "userinfo has no sub": _userinfo(_without("sub")),
    "userinfo has sub null": _userinfo(_with(sub=None)),
    "userinfo has an empty sub": _userinfo(_with(sub="")),
    "userinfo has a sub that is a number": _userinfo(_with(sub=1)),
    "userinfo has a sub that is a list": _userinfo(_with(sub=["u-1"])),
    "userinfo is an error with 401": Fault(
        row="SEC-168", answers={"userinfo": answers.status(401)}
    ),
    **_broken("SEC-168", "userinfo"),
}

#: What a provider may say of a person without lying about who it is. A sign-in may be refused for
#: it or do without, but never fail on it.
ODD_PROFILES: dict[str, Fault] = {
    "name is a list": _userinfo(_with(name=["Ada"])),
    "name is an object": _userinfo(_with(name={"first": "Ada"})),
    "name is a number": _userinfo(_with(name=7)),
    "name is null": _userinfo(_with(name=None)),
    "name is NaN": _userinfo(_with_raw("name", "NaN")),
    "name is 1e400": _userinfo(_with_raw("name", "1e400")),
    "name is 100 KB long": _userinfo(_with(name="x" * 100_000)),
    "name is half a surrogate pair": _userinfo(_with_raw("name", '"\\ud83e"')),
    "name has control characters": _userinfo(_with(name="a\0\r\nb\x1b[2J")),
    "name is a script": _userinfo(_with(name=SCRIPT)),
    "email is a list": _userinfo(_with(email=["ada@example.com"])),
    "email is 100 KB long": _userinfo(_with(email="x" * 100_000)),
    "picture is a script": _userinfo(_with(picture="javascript:alert(1)")),
    "picture is an object": _userinfo(_with(picture={"data": {"url": "x"}})),
    "sid is 10 KB long": _claims("SEC-168", sid="s" * 10_000),
    "sid is a list": _claims("SEC-168", sid=["s"]),
    "sid is a number": _claims("SEC-168", sid=7),
    "sid is null": _claims("SEC-168", sid=None),
    "claims are reserved names": _userinfo(
        _with(
            id="admin",
            iss=OTHER_ISSUER,
            exp=4_102_444_800,
            iat=0,
            jti="x",
            sid="x",
            auth_time=4_102_444_800,
            role="admin",
        )
    ),
}


# Revocation: nobody waits for it, and nobody sees that it failed.

REVOCATION_FAULTS: dict[str, Fault] = _broken_answers("SEC-192", "revoke")

# What a provider may do, so that nobody refuses too much.


TOLERATED: dict[str, Fault] = {
    "id_token has no kid, and there is one key": _header("control", {"kid": None}),
    "id_token has no typ": _header("control", {"typ": None}),
    "id_token has a list of one aud": _claims("control", aud=["app"]),
    "id_token has our azp": _claims("control", azp="app"),
    "id_token has no at_hash": _no_claim("control", "at_hash"),
    "id_token has claims that nobody knows": _claims("control", **{"https://op/x": {"y": [1]}}),
    "id_token has an iat a little ahead": _from_now("control", "iat", 5),
    "id_token has an unknown header": _header("control", {"x-op": "y"}),
    "jwks has keys that nobody understands": _jwks(
        lambda provider, honest: {
            "keys": [{"kty": "XYZ", "kid": "new"}, *honest["keys"], {"kty": "OKP", "crv": "?"}]
        }
    ),
    "metadata has members that nobody knows": _metadata(_with(x=[{"y": None}], request_uri=1)),
    "metadata has no userinfo_endpoint": _metadata(_without("userinfo_endpoint")),
    "metadata has no end_session_endpoint": _metadata(_without("end_session_endpoint")),
    "metadata has no revocation_endpoint": _metadata(_without("revocation_endpoint")),
    "metadata does not list algorithms": _metadata(_NO_ALGORITHM_LIST),
    "metadata lists every algorithm": _metadata(_EVERY_ALGORITHM),
    "metadata does not speak of iss, and none comes": Fault(
        row="control",
        bodies={"metadata": _without("authorization_response_iss_parameter_supported")},
        callback=_replace(iss=None),
    ),
    "token has token_type bearer": _token(_with(token_type="bearer")),
    "token has no refresh_token": _token(_without("refresh_token")),
    "token has members that nobody knows": _token(_with(x={"y": [1]}, session_state="z")),
    "callback has parameters that nobody knows": _callback(
        "control", _add(("session_state", "x.y"), ("x", "1"))
    ),
}

FAULTS: dict[str, Fault] = {
    **METADATA_FAULTS,
    **JWKS_FAULTS,
    **CALLBACK_FAULTS,
    **ID_TOKEN_FAULTS,
    **AUTH_TIME_FAULTS,
    **TOKEN_FAULTS,
    **LIFETIME_FAULTS,
    **USERINFO_FAULTS,
    **ODD_PROFILES,
    **REVOCATION_FAULTS,
    **TOLERATED,
}
