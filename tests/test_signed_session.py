"""A session whose cookie is signed and not encrypted, as whole requests.

Cookies that nobody honest sends must be answered as if none had come: to the byte, with one
``session_rejected`` a request, one line in the log, and the cookie left alone. And what others may
read in an honest one has nothing in it that is nobody else's business.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask, jsonify
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_jwtsession import (
    Account,
    JWTEvent,
    create_token,
    current_session,
    sign_in,
    update_session,
)
from flask_jwtsession.lifecycle.state import state_of

from .conftest import add_views
from .forged_signatures import OURS, THEIRS, Signer, hs256, mac
from .forged_tokens import b64, content_key, forge, header_of, jws, unb64
from .integration.provider_sign_in import Browser, listening, logged_here, make_application
from .peers.faulty_provider import FaultyProvider
from .support import (
    NOW,
    OTHER_SECRET,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    make_app,
    seal,
    session_token,
    set_cookies,
    unseal,
)
from .test_session_cookie_attacks import (
    NAME,
    PATHS,
    REASONS,
    Signals,
    answer,
    chunked,
    send,
    single,
)

#: How an application may sign: with a key that is derived of its secret, or with its own. The
#: public keys of others are in its list too.
CONFIGS: dict[str, dict[str, Any]] = {
    "HS256": {},
    "ES256": {
        "SIGNING_KEY": [
            OURS["ES256"].pem,
            OURS["RS256"].public_pem,
            OURS["EdDSA"].public_pem,
        ]
    },
}
SIGNERS: dict[str, Signer] = {"HS256": hs256(SECRET, NAME), **OURS}

_REASONS = frozenset(REASONS | {"signature"})

PAYLOAD = json.dumps(claims_at(NOW)).encode()
#: The same, of a length that leaves unused bits in the last character of its segment.
UNEVEN = PAYLOAD + b" " * (1 + (-len(PAYLOAD)) % 3)


def signed_app(clock: Clock, algorithm: str = "HS256", **config: Any) -> Flask:
    app, auth = make_app(clock, TOKEN_FORMAT="signed", **{**CONFIGS[algorithm], **config})
    add_views(app, auth)
    return app


@pytest.fixture(params=CONFIGS)
def algorithm(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def app(clock: Clock, algorithm: str) -> Flask:
    return signed_app(clock, algorithm)


@pytest.fixture
def signer(algorithm: str) -> Signer:
    return SIGNERS[algorithm]


@pytest.fixture(params=[single, chunked], ids=["single cookie", "chunked cookie"])
def deliver(request: pytest.FixtureRequest) -> Callable[[str], str]:
    function: Callable[[str], str] = request.param
    return function


def assert_anonymous(
    app: Flask,
    cookie: str,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
    *,
    reasons: frozenset[str] = _REASONS,
) -> None:
    """ANON: the definition of security testing for a cookie that is not accepted."""
    caplog.set_level(logging.DEBUG)
    for path in PATHS:
        expected = answer(send(app, path, None))
        signals.clear()
        assert answer(send(app, path, cookie)) == expected
        assert [name for name, _ in signals] == ["session-rejected"]
        assert signals[0][1].keys() == {"reason"}
        assert signals[0][1]["reason"] in reasons
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert len(lines) == 1
    # Nothing but this: no token, and nothing that is made of one.
    assert re.fullmatch(r"A session cookie was not accepted: [a-z_]+", lines[0])
    assert "eyJ" not in caplog.text


# Honest tokens.


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_session_lives_in_a_signed_cookie_until_its_end(clock: Clock, algorithm: str) -> None:
    key = {} if algorithm == "HS256" else {"SIGNING_KEY": OURS[algorithm].pem}
    app, auth = make_app(clock, TOKEN_FORMAT="signed", **key)
    add_views(app, auth)
    client = app.test_client()
    token = session_token(client.post("/sign-in")) or ""
    signer = SIGNERS[algorithm]
    assert header_of(token) == signer.header()
    assert published(token) == unseal(app, token)
    assert published(token)["sub"] == "u1"
    assert client.get("/private").data == b"private"
    changed = session_token(client.post("/update")) or ""
    assert published(changed)["company_id"] == 7
    clock.advance(2 * 86_400)
    rolled = session_token(client.get("/private")) or ""
    assert published(rolled)["exp"] == published(token)["exp"] + 2 * 86_400
    assert published(rolled)["sid"] == published(token)["sid"]
    client.post("/sign-out")
    for copy in (token, changed, rolled):
        assert send(app, "/private", single(copy)).status_code == 401


def published(token: str) -> dict[str, Any]:
    """What everybody can read in a signed token."""
    claims: dict[str, Any] = json.loads(unb64(token.split(".")[1]))
    return claims


@pytest.mark.parametrize(
    "payload", [pytest.param(PAYLOAD, id="as usual"), pytest.param(UNEVEN, id="and a space")]
)
def test_an_honest_token_is_accepted(
    app: Flask, deliver: Callable[[str], str], signer: Signer, payload: bytes, signals: Signals
) -> None:
    """What the attacks below change: without it they could be refused for anything."""
    assert send(app, "/private", deliver(signer.token(payload))).data == b"private"
    assert signals == []


@pytest.mark.parametrize("key", ["RS256", "EdDSA"])
def test_a_token_of_each_key_in_the_list_is_accepted(clock: Clock, key: str) -> None:
    app = signed_app(clock, "ES256")
    assert send(app, "/private", single(OURS[key].token(PAYLOAD))).data == b"private"


def test_an_expired_session_is_nobodys_and_its_cookie_is_deleted(
    app: Flask, deliver: Callable[[str], str], signer: Signer, signals: Signals
) -> None:
    expired = json.dumps(claims_at(NOW, iat=NOW - 100, exp=NOW - 15)).encode()
    response = send(app, "/private", deliver(signer.token(expired)))
    assert response.status_code == 401
    assert set_cookies(response)[NAME].deletes
    assert [name for name, _ in signals] == ["session-rejected", "signed-out"]


# Attacks: sections 1 and 3 of security testing. Each case makes its token with the application's
# own signer.


def with_segment(number: int, change: Callable[[str], str]) -> Callable[[Signer], str]:
    """An honest token with one segment changed."""

    def make(signer: Signer) -> str:
        parts = signer.token(UNEVEN).split(".")
        parts[number] = change(parts[number])
        return ".".join(parts)

    return make


def token_as(change: Callable[[str], str]) -> Callable[[Signer], str]:
    """An honest token changed as a whole."""
    return lambda signer: change(signer.token(UNEVEN))


def headed(raw: bytes) -> Callable[[Signer], str]:
    """Authentic, with this header to the octet."""
    return lambda signer: signer.token(PAYLOAD, raw)


def saying(**more: object) -> Callable[[Signer], str]:
    """Authentic, with the honest header and more in it or instead."""
    return lambda signer: signer.token(PAYLOAD, signer.header(**more))


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Signer], str]:
    """Authentic, with the JSON of its honest header changed."""
    return lambda signer: signer.token(PAYLOAD, change(json.dumps(signer.header()).encode()))


def lacking(name: str) -> Callable[[Signer], str]:
    """Authentic, without one member of the honest header."""
    return lambda signer: signer.token(
        PAYLOAD, {key: value for key, value in signer.header().items() if key != name}
    )


def other_bit(segment: str) -> str:
    """The segment with its first character changed."""
    return ("A" if segment[0] != "A" else "B") + segment[1:]


def with_low_bit(segment: str) -> str:
    """The segment with one unused bit of its last character set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4, "no unused bits"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) | 1]


def octets(count: int) -> Callable[[str], str]:
    """The first so many octets of a segment, canonically encoded."""
    return lambda segment: b64(unb64(segment)[:count])


def as_json(token: str, *, general: bool) -> str:
    """RFC 7515 section 7.2."""
    protected, payload, signature = token.split(".")
    one = {"protected": protected, "signature": signature}
    return json.dumps({"payload": payload, **({"signatures": [one]} if general else one)})


def confused(
    kind: str, encoding: Encoding, header: Callable[[Signer, Signer], dict[str, object]]
) -> Callable[[Signer], str]:
    """An HMAC with a public key, which everybody has, for its secret."""
    sign = mac(OURS[kind].public_bytes(encoding))
    return lambda signer: Signer("HS256", "", sign).token(PAYLOAD, header(signer, OURS[kind]))


#: Of the application's first key, and of the one that the secret is made of.
CONFUSED_HEADERS: dict[str, Callable[[Signer, Signer], dict[str, object]]] = {
    "our header": lambda ours, _: ours.header(),
    "alg HS256": lambda ours, _: ours.header(alg="HS256"),
    "its own header": lambda _, its: its.header(),
    "its own kid": lambda _, its: its.header(alg="HS256"),
    "no kid": lambda *_: {"alg": "HS256", "typ": "session+jwt"},
}


def typed_as(pair: Signer) -> Callable[[Signer], str]:
    """Signed with this key, and saying so, but under the kid of the application's."""
    return lambda signer: pair.token(PAYLOAD, {**pair.header(), "kid": signer.kid})


CONTAINERS: dict[str, Callable[[Signer], str]] = {
    "SEC-001 header": with_segment(0, lambda one: one[:-2] + "A" + one[-1]),
    "SEC-001 payload": with_segment(1, other_bit),
    "SEC-001 signature": with_segment(2, other_bit),
    "SEC-001 another payload": with_segment(1, lambda _: b64(PAYLOAD.replace(b"u1", b"u2"))),
    "SEC-002 no header": with_segment(0, lambda _: ""),
    "SEC-002 no payload": with_segment(1, lambda _: ""),
    "SEC-002 no signature": with_segment(2, lambda _: ""),
    "SEC-002 one dot": lambda _: ".",
    "SEC-002 two dots": lambda _: "..",
    "SEC-002 two segments": token_as(lambda one: one.rpartition(".")[0]),
    "SEC-002 four segments": token_as(lambda one: one + "."),
    "SEC-002 four segments, first empty": token_as(lambda one: "." + one),
    "SEC-002 100000 dots": lambda _: "." * 100_000,
    "SEC-003 signature one byte short": with_segment(2, lambda one: b64(unb64(one)[:-1])),
    "SEC-003 signature of 31 bytes": with_segment(2, octets(31)),
    "SEC-003 signature of 16 bytes": with_segment(2, octets(16)),
    "SEC-003 signature of 1 byte": with_segment(2, octets(1)),
    "SEC-003 a zero after the signature": with_segment(2, lambda one: b64(unb64(one) + b"\0")),
    "SEC-004 padding at the signature": token_as(lambda one: one + "=" * (-len(one) % 4)),
    "SEC-004 padding at the payload": with_segment(1, lambda one: one + "=="),
    "SEC-004 padding at the header": with_segment(0, lambda one: one + "="),
    "SEC-004 newline inside": with_segment(1, lambda one: one[:40] + "\n" + one[40:]),
    "SEC-004 trailing newline": token_as(lambda one: one + "\n"),
    "SEC-004 trailing vertical tab": token_as(lambda one: one + "\v"),
    "SEC-004 trailing no-break space": token_as(lambda one: one + "\xa0"),
    "SEC-004 space inside": with_segment(1, lambda one: one[:40] + " " + one[40:]),
    "SEC-004 plus and slash": with_segment(2, lambda one: one[:-4] + "+/+/"),
    "SEC-004 percent-encoded": token_as(lambda one: one.replace(".", "%2E")),
    "SEC-004 unused bits of the payload": with_segment(1, with_low_bit),
    "SEC-004 unused bits of the signature": with_segment(2, with_low_bit),
    "SEC-004 unused bits of the payload, authentic": lambda signer: signer.signed(
        b64(json.dumps(signer.header()).encode()), with_low_bit(b64(UNEVEN))
    ),
    "SEC-004 padding at the payload, authentic": lambda signer: signer.signed(
        b64(json.dumps(signer.header()).encode()), b64(UNEVEN) + "=="
    ),
    "SEC-005 header is no JSON": headed(b"alg=HS256"),
    "SEC-005 header is empty": headed(b""),
    "SEC-005 header is an empty object": headed(b"{}"),
    "SEC-005 header is an array": headed(b'["HS256"]'),
    "SEC-005 header is a string": headed(b'"HS256"'),
    "SEC-005 header is a number": headed(b"1"),
    "SEC-005 header is null": headed(b"null"),
    "SEC-005 header 100000 deep": headed(b"[" * 100_000 + b"]" * 100_000),
    "SEC-005 header 100 deep": headed(b'{"alg":"HS256","kid":' + b"[" * 100 + b"]" * 100 + b"}"),
    "SEC-005 header of 1 MB": saying(typ="x" * 1_000_000),
    "SEC-005 two alg": rewritten(lambda raw: raw[:-1] + b',"alg":"none"}'),
    "SEC-005 two alg, the same": rewritten(lambda raw: raw[:-1] + b"," + raw[1:]),
    "SEC-005 two alg, one escaped": rewritten(lambda raw: raw[:-1] + b',"\\u0061lg":1}'),
    "SEC-005 no alg": lacking("alg"),
    "SEC-005 no kid": lacking("kid"),
    "SEC-005 no typ": lacking("typ"),
    "SEC-005 header is not UTF-8": rewritten(lambda raw: raw.replace(b"session", b"\xff")),
    "SEC-005 header is UTF-16": rewritten(lambda raw: raw.decode().encode("utf-16")),
    "SEC-005 byte order mark": rewritten(lambda raw: b"\xef\xbb\xbf" + raw),
    "SEC-005 NUL after the header": rewritten(lambda raw: raw + b"\0"),
    "SEC-005 NaN in the header": rewritten(lambda raw: raw[:-1] + b',"x":NaN}'),
    "SEC-010 crit names an unknown one": saying(crit=["x"], x=1),
    "SEC-010 crit is empty": saying(crit=[]),
    "SEC-010 crit is a string": saying(crit="x"),
    "SEC-010 crit names alg": saying(crit=["alg"]),
    "SEC-010 b64 is false": lambda signer: signer.signed(
        b64(json.dumps(signer.header(crit=["b64"], b64=False)).encode()), PAYLOAD.decode()
    ),
    "SEC-010 b64 is true": saying(crit=["b64"], b64=True),
    "SEC-011 typ JWT": saying(typ="JWT"),
    "SEC-011 typ at+jwt": saying(typ="at+jwt"),
    "SEC-011 typ logout+jwt": saying(typ="logout+jwt"),
    "SEC-011 typ in capitals": saying(typ="SESSION+JWT"),
    "SEC-011 typ with application/": saying(typ="application/session+jwt"),
    "SEC-011 typ is an array": saying(typ=["session+jwt"]),
    "SEC-011 typ is null": saying(typ=None),
    "SEC-011 cty JWT": saying(cty="JWT"),
    "SEC-012 jku": saying(jku="https://evil.example/keys"),
    "SEC-012 x5u": saying(x5u="https://evil.example/cert"),
    "SEC-012 x5c": saying(x5c=["MII="]),
    "SEC-012 jwk": saying(jwk={"kty": "oct", "k": b64(b"k" * 32)}),
    "SEC-012 the key of somebody else beside it": lambda signer: THEIRS["ES256"].token(
        PAYLOAD, signer.header(alg="ES256", jwk=dict(THEIRS["ES256"].jwk))
    ),
    "SEC-012 kid is a path": saying(kid="../../../../dev/null"),
    "SEC-012 kid is SQL": saying(kid="' OR 1=1 --"),
    "SEC-012 kid is a URL": saying(kid="https://evil.example/key"),
    "SEC-012 kid of 10 KB": saying(kid="k" * 10_240),
    "SEC-012 kid is a number": saying(kid=1),
    "SEC-012 kid is null": saying(kid=None),
    "SEC-012 kid is an object": saying(kid={}),
    "SEC-012 kid is an array": lambda signer: signer.token(
        PAYLOAD, signer.header(kid=[signer.kid])
    ),
    "SEC-012 kid is empty": saying(kid=""),
    "SEC-012 kid with a space": lambda signer: signer.token(
        PAYLOAD, signer.header(kid=f"{signer.kid} ")
    ),
    "SEC-013 JWE": lambda _: forge(content_key(SECRET, NAME), PAYLOAD),
    "SEC-013 JWE of a JWS": lambda signer: forge(
        content_key(SECRET, NAME), signer.token(PAYLOAD).encode()
    ),
    "SEC-013 JWS of a JWS": lambda signer: signer.token(signer.token(PAYLOAD).encode()),
    "SEC-013 JWS with the raw secret": lambda _: jws(SECRET.encode(), PAYLOAD),
    "SEC-013 JWS with the raw secret under our header": lambda signer: Signer(
        "HS256", hs256(SECRET, NAME).kid, mac(SECRET.encode())
    ).token(PAYLOAD),
    "SEC-013 JWS with the key that encrypts": lambda _: jws(content_key(SECRET, NAME), PAYLOAD),
    "SEC-014 unsecured": lambda _: jws(b"", PAYLOAD, "none"),
    "SEC-014 unsecured under our kid": lambda signer: Signer(
        "none", signer.kid, lambda data: b""
    ).token(PAYLOAD),
    "SEC-014 our header, unsecured": lambda signer: Signer(
        signer.algorithm, signer.kid, lambda data: b""
    ).token(PAYLOAD),
    "SEC-014 an empty secret": lambda signer: Signer("HS256", signer.kid, mac(b"")).token(PAYLOAD),
    "SEC-015 flattened JSON": token_as(lambda one: as_json(one, general=False)),
    "SEC-015 general JSON": token_as(lambda one: as_json(one, general=True)),
    "SEC-016 another cookie name": lambda _: hs256(SECRET, "staff.session-token").token(PAYLOAD),
    "SEC-016 the same over https": lambda _: hs256(SECRET, f"__Host-{NAME}").token(PAYLOAD),
    "SEC-016 another secret": lambda _: hs256(OTHER_SECRET, NAME).token(PAYLOAD),
    "SEC-016 another key": lambda _: THEIRS["ES256"].token(PAYLOAD),
    "SEC-016 another key under our header": lambda signer: Signer(
        signer.algorithm, signer.kid, THEIRS["ES256"].sign
    ).token(PAYLOAD),
    "SEC-019 70 KB": with_segment(1, lambda _: "A" * 70_000),
    "SEC-019 authentic, of 70 KB": lambda signer: signer.token(PAYLOAD + b" " * 52_000),
    "SEC-019 1 MB": with_segment(1, lambda _: "A" * 1_000_000),
    "SEC-019 signature of 60 KB": with_segment(2, lambda _: "A" * 60_000),
    "SEC-019 16 MB": with_segment(1, lambda _: "A" * 16_000_000),
    "SEC-030 payload is no JSON": lambda signer: signer.token(b"sub=u1"),
    "SEC-030 payload is an array": lambda signer: signer.token(b"[]"),
    "SEC-030 payload is not UTF-8": lambda signer: signer.token(PAYLOAD.replace(b"Ada", b"\xff")),
    "SEC-030 two sub": lambda signer: signer.token(PAYLOAD[:-1] + b',"sub":"u2"}'),
    "SEC-031 no exp": lambda signer: signer.token(b'{"sub":"u1","sid":"s1","iat":1800000000}'),
    "SEC-070 quoted": token_as(lambda one: f'"{one}"'),
    "SEC-070 octal escapes": token_as(lambda one: one.replace("e", "\\145")),
    "the JSON of the claims": lambda _: PAYLOAD.decode(),
    "not ASCII": token_as(lambda one: one[:-1] + "\xe9"),
    "our block is plain JSON": lambda signer: signer.token(
        json.dumps(claims_at(NOW, _session={"grant": "g" * 22})).encode()
    ),
    "our block is that of the session cookie": lambda signer: signer.token(
        json.dumps(claims_at(NOW, _session=forge(content_key(SECRET, NAME), b"{}"))).encode()
    ),
}
CONTAINERS |= {
    f"SEC-006 alg is {alg!r}": saying(alg=alg)
    for alg in (
        *("none", "None", "nOnE", "NONE", "", "hs256", "HS384", "HS512", "RS384", "PS256"),
        *("ES384", "ES256K", "Ed25519", "dir", "A256KW", None, ["ES256"], {"ES256": 1}, 1, True),
    )
}
CONTAINERS |= {
    f"SEC-014 HS256 with the {kind} key in {form}, {what}": confused(kind, encoding, header)
    for kind in ("RS256", "ES256", "EdDSA")
    for form, encoding in (("PEM", Encoding.PEM), ("DER", Encoding.DER))
    for what, header in CONFUSED_HEADERS.items()
}
CONTAINERS |= {
    f"another type under this kid: {pair.algorithm}": typed_as(pair) for pair in THEIRS.values()
}
CONTAINERS |= {
    f"another key of the list under this kid: {pair.algorithm}": typed_as(pair)
    for pair in (OURS["RS256"], OURS["EdDSA"])
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_what_is_no_token_of_ours_is_as_if_no_cookie_had_come(
    app: Flask,
    deliver: Callable[[str], str],
    signer: Signer,
    make: Callable[[Signer], str],
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert_anonymous(app, deliver(make(signer)), signals, caplog)


@cache
def lasting_app(algorithm: str) -> Flask:
    """For properties, of which each example would make another one."""
    return signed_app(Clock(), algorithm)


#: What a cookie's value may have in it (RFC 6265 section 4.1.1).
COOKIE_OCTETS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')


@pytest.mark.parametrize("algorithm", CONFIGS)
@settings(max_examples=100)
@given(data=st.data())
def test_sec_001_a_cookie_with_any_one_character_changed_is_as_if_none_had_come(
    algorithm: str, data: st.DataObject
) -> None:
    app = lasting_app(algorithm)
    token = SIGNERS[algorithm].token(PAYLOAD)
    assert send(app, "/private", single(token)).data == b"private"
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from(COOKIE_OCTETS.replace(token[place], "")))
    changed = token[:place] + character + token[place + 1 :]
    path = data.draw(st.sampled_from(PATHS))
    assert answer(send(app, path, single(changed))) == answer(send(app, path, None))


def test_sec_012_no_token_makes_us_open_a_connection_or_a_file(
    app: Flask, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"opened {args}")

    send(app, "/session", single("warm.up."))
    monkeypatch.setattr("builtins.open", touch)
    monkeypatch.setattr("socket.getaddrinfo", touch)
    monkeypatch.setattr("socket.socket.connect", touch)
    for name, make in CONTAINERS.items():
        if name.startswith("SEC-012"):
            assert send(app, "/session", single(make(signer))).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "SEC-002 100000 dots",
        "SEC-005 header 100000 deep",
        "SEC-005 header of 1 MB",
        "SEC-012 kid of 10 KB",
        "SEC-019 1 MB",
        "SEC-019 signature of 60 KB",
    ],
)
def test_no_token_costs_more_than_a_moment(app: Flask, signer: Signer, name: str) -> None:
    send(app, "/session", single("warm.up."))
    cookie = single(CONTAINERS[name](signer))
    began = time.process_time()
    send(app, "/session", cookie)
    assert time.process_time() - began < 0.5  # a hundred times what it should take


def test_a_flood_of_garbage_is_logged_once_a_kind(
    app: Flask, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    token = signer.token(PAYLOAD)
    for number in range(50):
        send(app, "/session", single(f"garbage{number}"))
        send(app, "/session", single(f"{token.rpartition('.')[0]}.{b64(bytes([number] * 64))}"))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "A session cookie was not accepted: malformed",
        "A session cookie was not accepted: signature",
    ]


# Other cookies, other applications.


def test_sec_016_017_no_cookie_takes_the_derived_signature_of_another() -> None:
    """Every cookie name under one secret, each token pasted into every other session cookie."""
    names = [
        *(f"{secure}jwtsession.session-token" for secure in ("", "__Host-")),
        *(f"{secure}staff.session-token" for secure in ("", "__Host-")),
    ]
    others = ["jwtsession.refresh-token", "jwtsession.csrf-token", "jwtsession.login", ""]
    made = {name: hs256(SECRET, name).token(PAYLOAD) for name in [*names, *others]}
    for name in names:
        app = signed_app(Clock(), COOKIE_PREFIX=name.removeprefix("__Host-").partition(".")[0])
        base_url = "https://app.test" if name.startswith("__Host-") else "http://localhost"
        client = app.test_client(use_cookies=False)
        accepted = [
            maker
            for maker, token in made.items()
            if client.get(
                "/session", base_url=base_url, headers={"Cookie": f"{name}={token}"}
            ).get_json()
        ]
        assert accepted == [name]


def test_a_change_of_the_format_leaves_the_cookies_of_the_other_one_alone(
    clock: Clock, algorithm: str
) -> None:
    """Another worker may not have been restarted yet."""
    encrypting, auth = make_app(clock)
    add_views(encrypting, auth)
    signing = signed_app(clock, algorithm)
    for one, other in ((encrypting, signing), (signing, encrypting)):
        cookie = single(seal(one, PAYLOAD))
        assert send(one, "/private", cookie).data == b"private"
        assert answer(send(other, "/private", cookie)) == answer(send(other, "/private", None))


def test_our_own_block_is_no_session_cookie_of_an_application_that_encrypts(clock: Clock) -> None:
    """Everybody can take it out of the token."""
    signing = signed_app(clock)
    block = published(seal(signing, claims_at(NOW, _session=claims_at(NOW))))["_session"]
    encrypting, auth = make_app(clock)
    add_views(encrypting, auth)
    assert send(encrypting, "/private", single(block)).status_code == 401


def test_sec_043_an_audience_keeps_two_applications_with_one_key_apart(clock: Clock) -> None:
    """A signing key belongs to no cookie name, unlike one that is derived."""
    key = OURS["EdDSA"].pem
    one = signed_app(clock, SIGNING_KEY=key, AUDIENCE="https://app.test")
    other = signed_app(clock, SIGNING_KEY=key, AUDIENCE="https://staff.test", COOKIE_PREFIX="staff")
    token = session_token(one.test_client().post("/sign-in")) or ""
    assert send(one, "/private", single(token)).data == b"private"
    assert send(other, "/private", single(token, "staff.session-token")).status_code == 401


# Rotation.


def test_sec_051_the_key_can_be_replaced_without_signing_anybody_out(clock: Clock) -> None:
    old, new = OURS["RS256"], OURS["ES256"]
    before = signed_app(clock, SIGNING_KEY=old.pem)
    token = session_token(before.test_client().post("/sign-in")) or ""
    both = signed_app(clock, SIGNING_KEY=[new.pem, old.public_pem], UPDATE_AGE=0)
    response = send(both, "/private", single(token))
    assert response.data == b"private"
    renewed = session_token(response) or ""
    assert header_of(renewed) == new.header()
    assert published(renewed)["sid"] == published(token)["sid"]
    after = signed_app(clock, SIGNING_KEY=new.pem)
    assert send(after, "/private", single(renewed)).data == b"private"
    assert send(after, "/private", single(token)).status_code == 401


def test_sec_051_a_token_under_a_key_not_known_here_keeps_its_cookie(
    clock: Clock, signals: Signals
) -> None:
    """Another worker may have the newer key already."""
    newer = signed_app(clock, SIGNING_KEY=[THEIRS["ES256"].pem, OURS["ES256"].pem])
    token = session_token(newer.test_client().post("/sign-in")) or ""
    response = send(signed_app(clock, SIGNING_KEY=OURS["ES256"].pem), "/private", single(token))
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


# SEC-043: who issues tokens, and for whom; in both formats.

ISSUER = "https://app.test"


@pytest.fixture(params=["encrypted", "signed"])
def token_format(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make_party(clock: Clock, token_format: str) -> Callable[..., Flask]:
    def make(**config: Any) -> Flask:
        app, auth = make_app(clock, TOKEN_FORMAT=token_format, **config)
        add_views(app, auth)
        return app

    return make


def sealed(app: Flask, **claims: object) -> str:
    """The cookie of somebody whose token has these claims, too; without those that are None."""
    found = {**claims_at(NOW), **claims}
    kept = {name: value for name, value in found.items() if value is not None}
    return single(seal(app, kept))


WRONG_ISSUERS: dict[str, object] = {
    "missing": None,
    "of somebody else": "https://evil.example",
    "with a slash": "https://app.test/",
    "in capitals": "HTTPS://APP.TEST",
    "with a space": " https://app.test",
    "the beginning of it": "https://app",
    "longer": "https://app.test.evil.example",
    "empty": "",
    "a list": ["https://app.test"],
    "an object": {"https://app.test": 1},
    "a number": 1,
    "true": True,
}


@pytest.mark.parametrize("issuer", WRONG_ISSUERS.values(), ids=WRONG_ISSUERS)
def test_sec_043_a_token_of_another_issuer_is_as_if_no_cookie_had_come(
    make_party: Callable[..., Flask], issuer: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_party(ISSUER=ISSUER)
    assert send(app, "/private", sealed(app, iss=ISSUER)).data == b"private"
    with listening(app) as signals:
        assert_anonymous(
            app, sealed(app, iss=issuer), signals, caplog, reasons=frozenset({"issuer"})
        )


AUDIENCES: dict[str, tuple[object, object, bool]] = {
    # What is configured, what the token says, and whether that is good.
    "one": ("a", "a", True),
    "another one": ("a", "b", False),
    "none": ("a", None, False),
    "a list with it": ("a", ["a"], False),
    "a list with it and another": ("a", ["a", "b"], False),
    "longer": ("a", "ab", False),
    "empty": ("a", "", False),
    "in capitals": ("a", "A", False),
    "a number": ("1", 1, False),
    "true": ("a", True, False),
    "an object": ("a", {"a": 1}, False),
    "of two, the first": (["a", "b"], "a", True),
    "of two, the second": (["a", "b"], "b", True),
    "of two, both": (["a", "b"], ["a", "b"], True),
    "of two, both the other way round": (["a", "b"], ["b", "a"], True),
    "of two, one and a foreign one": (["a", "b"], ["x", "b"], True),
    "of two, one and no text": (["a", "b"], [1, None, "b"], True),
    "of two, none": (["a", "b"], None, False),
    "of two, a foreign one": (["a", "b"], "x", False),
    "of two, foreign ones": (["a", "b"], ["x", "y"], False),
    "of two, an empty list": (["a", "b"], [], False),
    "of two, a list in a list": (["a", "b"], [["a"]], False),
    "of two, objects": (["a", "b"], [{"a": 1}], False),
    "of two, an object": (["a", "b"], {"a": 1}, False),
    "of two, a part of one": (["app", "api"], "ap", False),
    "of two, numbers": (["1", "2"], [1, 2], False),
    "a list of one": (["a"], "a", True),
    "a list of one as a list": (["a"], ["a"], True),
    "a tuple": (("a", "b"), "b", True),
}


@pytest.mark.parametrize(("configured", "said", "is_good"), AUDIENCES.values(), ids=AUDIENCES)
def test_sec_043_a_token_for_somebody_else_is_as_if_no_cookie_had_come(
    make_party: Callable[..., Flask],
    configured: object,
    said: object,
    is_good: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_party(AUDIENCE=configured)
    cookie = sealed(app, aud=said)
    if is_good:
        assert send(app, "/private", cookie).data == b"private"
        return
    with listening(app) as signals:
        assert_anonymous(app, cookie, signals, caplog, reasons=frozenset({"audience"}))


@pytest.mark.parametrize(("claim", "reason"), [("iss", "issuer"), ("aud", "audience")])
def test_sec_043_a_token_of_somebody_else_is_no_session_of_ours_that_ends(
    make_party: Callable[..., Flask], claim: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once its time is over, neither: the cookie is not ours to delete, nor anybody to be told."""
    app = make_party(ISSUER=ISSUER, AUDIENCE="a")
    theirs = {"iss": ISSUER, "aud": "a", claim: "https://other.example"}
    cookie = sealed(app, **theirs, iat=NOW - 100, exp=NOW - 50)
    with listening(app) as signals:
        assert_anonymous(app, cookie, signals, caplog, reasons=frozenset({reason}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a", ["a", "b"], id="one becomes two"),
        pytest.param(["a"], ["b", "a"], id="one more"),
        pytest.param(["a", "b"], ["b", "c"], id="another one for the first"),
        pytest.param(["a", "b"], ["a"], id="one less"),
    ],
)
def test_a_list_of_audiences_can_change_without_signing_anybody_out(
    make_party: Callable[..., Flask], before: object, after: object
) -> None:
    old, new = make_party(AUDIENCE=before), make_party(AUDIENCE=after, UPDATE_AGE=0)
    token = session_token(old.test_client().post("/sign-in")) or ""
    assert unseal(old, token)["aud"] == before
    response = send(new, "/private", single(token))
    assert response.data == b"private"
    assert unseal(new, session_token(response) or "")["aud"] == after


def test_every_token_says_who_issued_it_and_for_whom(make_party: Callable[..., Flask]) -> None:
    app = make_party(ISSUER=ISSUER, AUDIENCE=("a", "b"), UPDATE_AGE=0)
    client = app.test_client()
    for response in (client.post("/sign-in"), client.get("/private"), client.post("/update")):
        claims = unseal(app, session_token(response) or "")
        assert (claims["iss"], claims["aud"]) == (ISSUER, ["a", "b"])


def test_without_these_keys_no_token_says_so_and_none_has_to(
    make_party: Callable[..., Flask],
) -> None:
    app = make_party()
    token = session_token(app.test_client().post("/sign-in")) or ""
    assert unseal(app, token).keys().isdisjoint({"iss", "aud"})
    assert send(app, "/private", sealed(app, iss="x", aud=["y"])).data == b"private"


EVIL = {"iss": "https://evil.example", "aud": "evil"}


def test_nobody_else_sets_them(make_party: Callable[..., Flask]) -> None:
    """Neither the claims of a sign-in or an update nor a callback."""
    app = make_party(
        ISSUER=ISSUER, AUDIENCE="a", UPDATE_AGE=0, TOKEN_LOCATIONS=["cookie", "header"]
    )
    binding_of(app).callbacks.jwt = lambda token, event: {**token, **EVIL}

    @app.post("/sign-in-with-claims")
    def enter() -> Any:
        session = sign_in({"id": "u1"}, claims=EVIL)
        return jsonify(dict(session.token))

    @app.post("/update-them")
    def change() -> Any:
        return jsonify(dict(update_session(EVIL).token))

    @app.get("/claims")
    def claims() -> Any:
        return jsonify(dict(current_session.token))

    @app.post("/token")
    def token() -> str:
        return create_token({"id": "u1"}, claims=EVIL)

    client = app.test_client()
    for method, path in (
        ("POST", "/sign-in-with-claims"),
        ("GET", "/claims"),
        ("POST", "/update-them"),
    ):
        response = client.open(path, method=method)
        read, kept = response.get_json(), unseal(app, session_token(response) or "")
        assert (read["iss"], read["aud"]) == (kept["iss"], kept["aud"]) == (ISSUER, "a")
    made = unseal(app, client.post("/token").text)
    assert (made["iss"], made["aud"]) == (ISSUER, "a")


def test_nobody_else_takes_them_away(make_party: Callable[..., Flask]) -> None:
    app = make_party(ISSUER=ISSUER, AUDIENCE="a", UPDATE_AGE=0)

    def forget(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {name: value for name, value in token.items() if name not in EVIL}

    binding_of(app).callbacks.jwt = forget
    client = app.test_client()
    for response in (client.post("/sign-in"), client.get("/session"), client.post("/update")):
        kept = unseal(app, session_token(response) or "")
        assert (kept["iss"], kept["aud"]) == (ISSUER, "a")


# What others may read, and what not.

ACCOUNT = Account(
    provider="example",
    type="oidc",
    provider_account_id="account-4711",
    access_token="access-token-value",
    refresh_token="refresh-token-value",
    id_token="id-token-value",
    expires_at=NOW + 3600,
    scope="openid secret-scope",
)
HIDDEN = (
    *("example", "account-4711", "access-token-value", "refresh-token-value", "id-token-value"),
    *("secret-scope", "provider", "grant", "access_token", "oidc"),
)


def readable(token: str) -> str:
    """All that can be read in a signed token without any key: in each part, and in each part of
    what looks like a token in there.
    """
    parts = [unb64(part) for part in token.split(".")]
    block = json.loads(parts[1]).get("_session", "")
    assert isinstance(block, str)
    parts += [unb64(part) for part in block.split(".")]
    return b"\n".join(parts).decode("latin-1")


def account_app(clock: Clock, algorithm: str, **config: Any) -> Flask:
    """An app where somebody signs in with a provider's account, and is called ``u1``."""
    app = signed_app(clock, algorithm, **config)

    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "sub": "u1"}

    binding_of(app).callbacks.jwt = jwt

    @app.post("/sign-in-federated")
    def sign_in_federated() -> str:
        sign_in({"name": "Ada"}, account=ACCOUNT)
        return "signed in"

    @app.get("/account")
    def account() -> Any:
        found = current_session.account
        return jsonify(None if found is None else [found.provider, found.access_token])

    return app


@pytest.mark.parametrize("federated", [False, True])
@pytest.mark.parametrize("kept", ["store", "none"])
def test_nobody_reads_in_the_token_how_a_person_signed_in(
    clock: Clock, algorithm: str, kept: str, federated: bool
) -> None:
    app = account_app(clock, algorithm, PROVIDER_TOKENS=kept, FEDERATED_SIGN_OUT=federated)
    client = app.test_client()
    token = session_token(client.post("/sign-in-federated")) or ""
    updated = session_token(client.post("/update")) or ""
    clock.advance(2 * 86_400)
    rolled = session_token(client.get("/private")) or ""
    for one in (token, updated, rolled):
        text = readable(one)
        assert "Ada" in text  # this does find something
        assert not [hidden for hidden in HIDDEN if hidden in text]
        # It is there, for us.
        assert unseal(app, one)["_session"]["account"]["provider_account_id"] == "account-4711"


def test_the_server_does_have_the_providers_tokens(clock: Clock, algorithm: str) -> None:
    app = account_app(clock, algorithm)
    client = app.test_client()
    client.post("/sign-in-federated")
    assert client.get("/account").get_json() == ["example", "access-token-value"]


def test_no_token_of_a_provider_is_in_the_cookie_not_even_encrypted(
    clock: Clock, algorithm: str
) -> None:
    app = account_app(clock, algorithm)
    token = session_token(app.test_client().post("/sign-in-federated")) or ""
    private = unseal(app, token)["_session"]
    assert private.keys() == {"account", "grant", "gen"}
    assert private["account"] == {
        "provider": "example",
        "type": "oidc",
        "provider_account_id": "account-4711",
    }


def test_a_session_without_an_account_has_nothing_to_hide(clock: Clock, algorithm: str) -> None:
    token = session_token(signed_app(clock, algorithm).test_client().post("/sign-in")) or ""
    assert published(token).keys() == {
        *("sub", "name", "email", "sid", "auth_time", "iat", "exp", "jti"),
    }


def test_a_block_of_another_session_cannot_be_put_into_a_token(
    clock: Clock, algorithm: str
) -> None:
    """Both of one person, who wants to be in one session with the account of the other one."""
    app = account_app(clock, algorithm)
    one, other = (
        session_token(app.test_client().post("/sign-in-federated")) or "" for _ in range(2)
    )
    header, _, signature = one.split(".")
    swapped = {**published(one), "_session": published(other)["_session"]}
    text = json.dumps(swapped, separators=(",", ":")).encode()
    assert send(app, "/private", single(one)).data == b"private"
    forged = f"{header}.{b64(text)}.{signature}"
    assert send(app, "/private", single(forged)).status_code == 401


@pytest.mark.parametrize(
    "key", [pytest.param({}, id="HS256"), pytest.param(CONFIGS["ES256"], id="ES256")]
)
def test_a_real_sign_in_leaves_nothing_of_the_provider_in_the_token(
    clock: Clock,
    provider: FaultyProvider,
    caplog: pytest.LogCaptureFixture,
    key: dict[str, Any],
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.access_token_lifetime = 600
    app, auth = make_application(clock, provider, TOKEN_FORMAT="signed", **key)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "sub": "u1"} if event.profile is not None else token

    browser = Browser(app, provider)
    tokens = [session_token(browser.sign_in()) or ""]
    before = browser.account()["account"]
    assert before["access_token"] is not None
    clock.advance(590)
    tokens.append(session_token(browser.client.get("/account")) or "")
    after = browser.account()["account"]
    assert after["access_token"] != before["access_token"]
    assert provider.secrets_told >= {before["access_token"], after["access_token"]}
    for token in tokens:
        text = readable(token)
        claims = published(token)
        assert claims["sub"] == "u1"
        assert json.dumps(before["provider"]) not in text
        assert before["provider_account_id"] not in text
        private = json.dumps(unseal(app, token)["_session"])
        assert before["provider_account_id"] in private
        assert unseal(app, token)["_session"]["grant"] not in text
        for secret in provider.secrets_told:
            assert secret not in text
            assert secret not in private
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}\.", logged_here(caplog))


def test_sec_059_what_a_debugger_prints_shows_no_token_and_no_key(
    clock: Clock, algorithm: str
) -> None:
    app = account_app(clock, algorithm)
    with app.test_request_context():
        session = sign_in({"id": "u1"}, account=ACCOUNT)
        binding = binding_of(app)
        state = state_of(binding)
        printed = [
            *(repr(one) for one in (session, session.token, binding, binding.settings)),
            *(repr(one) for one in (binding.http, binding.http.tokens, state, state.token)),
            *(repr(one) for one in binding.settings.signing_keys),
        ]
    for text in printed:
        assert not re.search(r"(access|refresh|id)-token-value|eyJ|PRIVATE|PUBLIC", text)
        assert SECRET not in text
