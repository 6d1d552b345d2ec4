"""Session cookies that nobody honest sends, as whole requests.

Each is sent as one cookie and in chunks, and must be answered as if no cookie had come: to the
byte, with one ``session_rejected`` a request, one line in the log, and the cookie left alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import re
import time
import zlib
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    ConfigError,
    JWTEvent,
    JWTSession,
    TokenInvalid,
    current_session,
    login_required,
    sign_in,
)
from flask_jwtsession.lifecycle.state import state_of
from flask_jwtsession.request_checks.csrf import cookie_value, new_token
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import authjs_keys, derive_key, nextauth_v4_keys

from .conftest import add_views
from .forged_tokens import CBC, GCM, b64, content_key, forge, header, jws, unb64
from .support import (
    HTTPS,
    NOW,
    OTHER_SECRET,
    SECRET,
    VECTORS,
    Clock,
    binding_of,
    claims_at,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

NAME = "jwtsession.session-token"
KEY = content_key(SECRET, NAME)
GCM_KEY = content_key(SECRET, NAME, GCM)
V4_KEY = derive_key(
    SECRET.encode(), salt="", info="NextAuth.js Generated Encryption Key", length=32
)

Signals = list[tuple[str, dict[str, Any]]]

#: Pages that use the session: a view, a guarded view, and our own endpoints.
PATHS = ["/session", "/private", "/auth/session", "/auth/session/status"]

REASONS = {
    "malformed",
    "header",
    "unknown_key",
    "decryption",
    "payload",
    "claims",
    "chunks",
    "ambiguous",
}


def single(value: str, name: str = NAME) -> str:
    return f"{name}={value}"


def chunked(value: str, name: str = NAME) -> str:
    """The value in three chunks, or in as many as it has characters."""
    size = max(1, ceil(len(value) / 3))
    chunks = [value[start : start + size] for start in range(0, len(value), size)] or [""]
    return "; ".join(f"{name}.{number}={chunk}" for number, chunk in enumerate(chunks))


@pytest.fixture(params=[single, chunked], ids=["single cookie", "chunked cookie"])
def deliver(request: pytest.FixtureRequest) -> Callable[[str], str]:
    function: Callable[[str], str] = request.param
    return function


def send(app: Flask, path: str, cookie: str | None, **headers: str) -> TestResponse:
    """GET with exactly these characters as the Cookie header, as a server would hand them on."""
    sent = {} if cookie is None else {"HTTP_COOKIE": cookie}
    client = app.test_client(use_cookies=False)
    return client.get(path, headers=headers, environ_overrides=sent)


def answer(response: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    return response.status_code, sorted(response.headers), response.data


def assert_anonymous(
    app: Flask, cookie: str, signals: Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """ANON: the definition of security testing for a cookie that is not accepted."""
    caplog.set_level(logging.DEBUG)
    for path in PATHS:
        expected = answer(send(app, path, None))
        signals.clear()
        assert answer(send(app, path, cookie)) == expected
        assert [name for name, _ in signals] == ["session-rejected"]
        assert signals[0][1].keys() == {"reason"}
        assert signals[0][1]["reason"] in REASONS
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert len(lines) == 1
    # Nothing but this: no token, and nothing that is made of one.
    assert re.fullmatch(r"A session cookie was not accepted: [a-z_]+", lines[0])
    assert "eyJ" not in caplog.text


PAYLOAD = json.dumps(claims_at(NOW)).encode()
TOKEN = forge(KEY, PAYLOAD)
HEADER, _, IV, CIPHERTEXT, TAG = TOKEN.split(".")
HONEST = header(KEY)


def with_segment(number: int, text: str) -> str:
    parts = TOKEN.split(".")
    parts[number] = text
    return ".".join(parts)


def cut(segment: str, size: int) -> str:
    """The first ``size`` bytes of a segment, canonically encoded."""
    return b64(unb64(segment)[:size])


def sealed(protected: dict[str, object] | bytes, **more: Any) -> str:
    """Authentic under the session's key, with this header."""
    return forge(KEY, PAYLOAD, protected, **more)


def nested(token: str) -> str:
    """A token in a token in a token, as often as it fits."""
    while len(token) < 40_000:
        token = forge(KEY, token.encode(), header(KEY))
    return token


def with_low_bit(segment: str) -> str:
    """The segment with one unused bit of its last character set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4, "no unused bits"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) | 1]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(TOKEN, id="A256CBC-HS512"),
        pytest.param(forge(GCM_KEY, PAYLOAD), id="A256GCM"),
        pytest.param(sealed({"alg": "dir", "enc": CBC}), id="no kid"),
        pytest.param(sealed({**HONEST, "typ": "JWT"}), id="typ JWT"),
    ],
)
def test_an_honest_token_is_accepted(
    app: Flask, deliver: Callable[[str], str], token: str, signals: Signals
) -> None:
    """What the attacks below change: without it they could be refused for anything."""
    assert send(app, "/private", deliver(token)).data == b"private"
    assert signals == []


CONTAINERS = {
    # One bit of each position class.
    "SEC-001 header": with_segment(0, HEADER[:-2] + "A" + HEADER[-1]),
    "SEC-001 encrypted key": with_segment(1, "A"),
    "SEC-001 iv": with_segment(2, ("A" if IV[0] != "A" else "B") + IV[1:]),
    "SEC-001 ciphertext": with_segment(3, ("A" if CIPHERTEXT[0] != "A" else "B") + CIPHERTEXT[1:]),
    "SEC-001 tag": with_segment(4, ("A" if TAG[0] != "A" else "B") + TAG[1:]),
    "SEC-001 encrypted key, authentic": sealed(HONEST, encrypted_key=b64(b"key")),
    "SEC-002 no header": with_segment(0, ""),
    "SEC-002 no iv": with_segment(2, ""),
    "SEC-002 no ciphertext": with_segment(3, ""),
    "SEC-002 no tag": with_segment(4, ""),
    "SEC-002 one dot": ".",
    "SEC-002 four dots": "....",
    "SEC-002 four segments": TOKEN.rpartition(".")[0],
    "SEC-002 six segments": TOKEN + ".",
    "SEC-002 six segments, first empty": "." + TOKEN,
    "SEC-002 100000 dots": "." * 100_000,
    "SEC-003 tag of 15 bytes": with_segment(4, cut(TAG, 15)),
    "SEC-003 tag of 31 bytes": with_segment(4, cut(TAG, 31)),
    "SEC-003 tag of 12 bytes": with_segment(4, cut(TAG, 12)),
    "SEC-003 tag of 8 bytes": with_segment(4, cut(TAG, 8)),
    "SEC-003 tag of 4 bytes": with_segment(4, cut(TAG, 4)),
    "SEC-003 tag of 33 bytes": with_segment(4, b64(unb64(TAG) + b"\0")),
    "SEC-003 iv of 8 bytes": with_segment(2, cut(IV, 8)),
    "SEC-003 iv of 12 bytes": with_segment(2, cut(IV, 12)),
    "SEC-003 iv of 32 bytes": with_segment(2, b64(unb64(IV) * 2)),
    "SEC-004 padding at the tag": TOKEN + "=",
    "SEC-004 padding at the iv": with_segment(2, IV + "=="),
    "SEC-004 padding at the header": with_segment(0, HEADER + "="),
    "SEC-004 newline inside": with_segment(3, CIPHERTEXT[:40] + "\n" + CIPHERTEXT[40:]),
    "SEC-004 trailing newline": TOKEN + "\n",
    "SEC-004 trailing vertical tab": TOKEN + "\v",
    "SEC-004 trailing no-break space": TOKEN + "\xa0",
    "SEC-004 space inside": with_segment(3, CIPHERTEXT[:40] + " " + CIPHERTEXT[40:]),
    "SEC-004 plus and slash": with_segment(3, CIPHERTEXT[:-4] + "+/+/"),
    "SEC-004 percent-encoded": TOKEN.replace(".", "%2E"),
    "SEC-004 unused bits of the tag": with_segment(4, with_low_bit(TAG)),
    "SEC-004 unused bits of the iv": with_segment(2, with_low_bit(IV)),
    "SEC-005 header is no JSON": sealed(b"alg=dir"),
    "SEC-005 header is empty": sealed(b""),
    "SEC-005 header is an array": sealed(b'["dir"]'),
    "SEC-005 header is a string": sealed(b'"dir"'),
    "SEC-005 header is a number": sealed(b"1"),
    "SEC-005 header is null": sealed(b"null"),
    "SEC-005 header 100000 deep": sealed(b"[" * 100_000 + b"]" * 100_000),
    "SEC-005 header 100 deep": sealed(b'{"alg":"dir","kid":' + b"[" * 100 + b"]" * 100 + b"}"),
    "SEC-005 header of 1 MB": sealed({**HONEST, "typ": "x" * 1_000_000}),
    "SEC-005 two alg": sealed(json.dumps(HONEST).encode()[:-1] + b',"alg":"dir"}'),
    "SEC-005 two alg, one escaped": sealed(json.dumps(HONEST).encode()[:-1] + b',"\\u0061lg":1}'),
    "SEC-005 enc is an object": sealed({**HONEST, "enc": {CBC: 1}}),
    "SEC-005 enc is an array": sealed({**HONEST, "enc": [CBC]}),
    "SEC-005 enc is a number": sealed({**HONEST, "enc": 1}),
    "SEC-005 no alg": sealed({"enc": CBC, "kid": HONEST["kid"]}),
    "SEC-005 no enc": sealed({"alg": "dir", "kid": HONEST["kid"]}),
    "SEC-005 header is not UTF-8": sealed(b'{"alg":"dir","enc":"A256CBC-HS512","typ":"\xff"}'),
    "SEC-005 header is UTF-16": sealed(json.dumps(HONEST).encode("utf-16")),
    "SEC-005 byte order mark": sealed(b"\xef\xbb\xbf" + json.dumps(HONEST).encode()),
    "SEC-005 NUL after the header": sealed(json.dumps(HONEST).encode() + b"\0"),
    "SEC-005 NUL in alg": sealed({**HONEST, "alg": "dir\0"}),
    "SEC-009 zip": sealed({**HONEST, "zip": "DEF"}),
    "SEC-009 zip, a bomb": forge(
        KEY, zlib.compress(b" " * 50_000_000, 9, -15), {**HONEST, "zip": "DEF"}
    ),
    "SEC-009 zip is none": sealed({**HONEST, "zip": "none"}),
    "SEC-010 crit names an unknown one": sealed({**HONEST, "crit": ["x"], "x": 1}),
    "SEC-010 crit is empty": sealed({**HONEST, "crit": []}),
    "SEC-010 crit is a string": sealed({**HONEST, "crit": "x"}),
    "SEC-010 crit names alg": sealed({**HONEST, "crit": ["alg"]}),
    "SEC-010 b64 is false": sealed({**HONEST, "crit": ["b64"], "b64": False}),
    "SEC-011 typ at+jwt": sealed({**HONEST, "typ": "at+jwt"}),
    "SEC-011 typ logout+jwt": sealed({**HONEST, "typ": "logout+jwt"}),
    "SEC-011 typ is an array": sealed({**HONEST, "typ": ["JWT"]}),
    "SEC-011 typ is null": sealed({**HONEST, "typ": None}),
    "SEC-011 cty JWT": sealed({**HONEST, "cty": "JWT"}),
    "SEC-012 jku": sealed({**HONEST, "jku": "https://evil.example/keys"}),
    "SEC-012 x5u": sealed({**HONEST, "x5u": "https://evil.example/cert"}),
    "SEC-012 x5c": sealed({**HONEST, "x5c": ["MII="]}),
    "SEC-012 jwk": sealed({**HONEST, "jwk": {"kty": "oct", "k": b64(b"k" * 64)}}),
    "SEC-012 kid is a path": sealed({**HONEST, "kid": "../../../../dev/null"}),
    "SEC-012 kid is SQL": sealed({**HONEST, "kid": "' OR 1=1 --"}),
    "SEC-012 kid is a URL": sealed({**HONEST, "kid": "https://evil.example/key"}),
    "SEC-012 kid of 10 KB": sealed({**HONEST, "kid": "k" * 10_240}),
    "SEC-012 kid is a number": sealed({**HONEST, "kid": 1}),
    "SEC-012 kid is null": sealed({**HONEST, "kid": None}),
    "SEC-012 kid is an array": sealed({**HONEST, "kid": [HONEST["kid"]]}),
    "SEC-012 kid is empty": sealed({**HONEST, "kid": ""}),
    "SEC-012 kid of the other enc": sealed({**HONEST, "kid": header(GCM_KEY)["kid"]}),
    "SEC-013 JWS with the raw secret": jws(SECRET.encode(), PAYLOAD),
    "SEC-013 JWS with the derived key": jws(KEY, PAYLOAD),
    "SEC-013 JWE of a JWS": forge(KEY, jws(KEY, PAYLOAD).encode(), header(KEY)),
    "SEC-013 JWE of JWEs": nested(TOKEN),
    "SEC-014 unsecured JWS": jws(b"", PAYLOAD, "none"),
    "SEC-014 unsecured JWS with a fifth segment": jws(b"", PAYLOAD, "none") + "..",
    "SEC-015 flattened JWE JSON": json.dumps(
        {"protected": HEADER, "iv": IV, "ciphertext": CIPHERTEXT, "tag": TAG}
    ),
    "SEC-015 general JWE JSON": json.dumps(
        {"protected": HEADER, "recipients": [{}], "iv": IV, "ciphertext": CIPHERTEXT, "tag": TAG}
    ),
    "SEC-019 70 KB": with_segment(3, "A" * 70_000),
    "SEC-019 authentic, of 70 KB": forge(KEY, PAYLOAD + b" " * 52_000),
    "SEC-019 1 MB": with_segment(3, "A" * 1_000_000),
    "SEC-019 16 MB": with_segment(3, "A" * 16_000_000),
    "SEC-070 quoted": f'"{TOKEN}"',
    "SEC-070 octal escapes": TOKEN.replace("e", "\\145"),
    "SEC-070 quoted octal escapes": '"' + TOKEN.replace("e", "\\145") + '"',
    "the JSON of the claims": PAYLOAD.decode(),
    "not ASCII": TOKEN[:-1] + "\xe9",
    "the word null": "null",
    "wrong secret under our kid": forge(content_key(OTHER_SECRET, NAME), PAYLOAD, HONEST),
}

CONTAINERS |= {
    f"SEC-006 alg is {alg!r}": sealed({**HONEST, "alg": alg})
    for alg in (
        *("none", "None", "nOnE", "", "DIR", "A256KW", "A128KW", "RSA-OAEP", "RSA1_5", "ECDH-ES"),
        *("A128GCMKW", "PBES2-HS256+A128KW", None, ["dir"], {"dir": 1}, 1),
    )
}
CONTAINERS |= {
    f"SEC-007 p2c is {count}": sealed(
        {**HONEST, "alg": "PBES2-HS256+A128KW", "p2c": count, "p2s": b64(b"s" * 16)},
        encrypted_key=b64(b"k" * 24),
    )
    for count in (2**31 - 1, 10**9)
}
CONTAINERS |= {
    f"SEC-008 enc is {enc!r}": sealed({**HONEST, "enc": enc})
    for enc in (GCM, "A128GCM", "A192GCM", "A128CBC-HS256", "none", "", "XC20P", "a256cbc-hs512")
}
CONTAINERS |= {
    f"SEC-008 {GCM} with the kid of {CBC}": forge(GCM_KEY, PAYLOAD, {**HONEST, "enc": GCM}),
    f"SEC-008 {CBC} that says {GCM}": sealed(header(GCM_KEY)),
    f"SEC-003 {GCM} tag of 12 bytes": ".".join(
        [*forge(GCM_KEY, PAYLOAD).split(".")[:4], cut(forge(GCM_KEY, PAYLOAD).split(".")[4], 12)]
    ),
}


@pytest.mark.parametrize("token", CONTAINERS.values(), ids=CONTAINERS)
def test_what_is_no_token_of_ours_is_as_if_no_cookie_had_come(
    app: Flask,
    deliver: Callable[[str], str],
    token: str,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert_anonymous(app, deliver(token), signals, caplog)


@pytest.mark.parametrize("token", CONTAINERS.values(), ids=CONTAINERS)
def test_a_garbage_csrf_cookie_is_as_if_none_had_come(app: Flask, token: str) -> None:
    cookie = single(token, "jwtsession.csrf-token")
    response = send(app, "/auth/csrf", cookie)
    assert response.status_code == 200
    assert list(set_cookies(response)) == ["jwtsession.csrf-token"]
    client = app.test_client(use_cookies=False)
    sent = {"HTTP_COOKIE": cookie}
    refused = client.post("/auth/signout", data={"csrfToken": token}, environ_overrides=sent)
    assert refused.status_code in (403, 413)  # 413: the form is larger than a body may be
    assert "Set-Cookie" not in refused.headers


@pytest.mark.parametrize(
    "name",
    [
        "SEC-002 100000 dots",
        "SEC-005 header 100000 deep",
        "SEC-005 header of 1 MB",
        "SEC-007 p2c is 2147483647",
        "SEC-009 zip, a bomb",
        "SEC-013 JWE of JWEs",
        "SEC-019 1 MB",
    ],
)
def test_no_token_costs_more_than_a_moment(
    app: Flask, deliver: Callable[[str], str], name: str
) -> None:
    send(app, "/session", deliver("warm.up"))
    cookie = deliver(CONTAINERS[name])
    began = time.process_time()
    send(app, "/session", cookie)
    assert time.process_time() - began < 0.5  # a hundred times what it should take


def test_sec_006_no_token_makes_us_derive_a_key(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derive(*args: object) -> bytes:
        raise AssertionError("a key was derived")

    monkeypatch.setattr(HKDF, "derive", derive)
    monkeypatch.setattr(PBKDF2HMAC, "derive", derive)
    for name, token in CONTAINERS.items():
        if name.startswith(("SEC-006", "SEC-007", "SEC-012")):
            assert send(app, "/session", single(token)).status_code == 200


def test_sec_012_no_token_makes_us_open_a_connection_or_a_file(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"opened {args}")

    send(app, "/session", single("warm.up"))
    monkeypatch.setattr("builtins.open", touch)
    monkeypatch.setattr("socket.getaddrinfo", touch)
    monkeypatch.setattr("socket.socket.connect", touch)
    for name, token in CONTAINERS.items():
        if name.startswith("SEC-012"):
            assert send(app, "/session", single(token)).status_code == 200


def test_sec_023_nothing_tells_a_wrong_key_from_a_bad_tag_or_a_bad_payload(app: Flask) -> None:
    answers = [
        [answer(send(app, path, single(token))) for path in PATHS]
        for token in (
            CONTAINERS["wrong secret under our kid"],
            CONTAINERS["SEC-001 tag"],
            CONTAINERS["SEC-012 kid is a path"],
            seal(app, b"no JSON"),
            seal(app, claims_at(NOW, iat=NOW + 1000)),
        )
    ]
    assert all(one == answers[0] for one in answers)


def test_an_empty_cookie_is_no_cookie(app: Flask, signals: Signals) -> None:
    """What is left of a deleted cookie in some clients: nothing was rejected."""
    for path in PATHS:
        assert answer(send(app, path, f"{NAME}=")) == answer(send(app, path, None))
    assert signals == []


def test_a_flood_of_garbage_is_logged_once_a_kind(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        send(app, "/session", single(f"garbage{number}"))
        send(app, "/session", single(TOKEN + str(number)))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "A session cookie was not accepted: decryption",
        "A session cookie was not accepted: malformed",
    ]


# Tokens made for something else.


def test_sec_016_017_no_purpose_reads_the_token_of_another() -> None:
    """Every cookie of every instance under one secret, each token pasted into every other one."""
    names = [
        *(f"{secure}jwtsession.session-token" for secure in ("", "__Host-", "__Secure-")),
        *(f"{secure}jwtsession.csrf-token" for secure in ("", "__Host-", "__Secure-")),
        *(f"{secure}staffsession.session-token" for secure in ("", "__Host-", "__Secure-")),
        *("authjs.session-token", "__Secure-authjs.session-token", "__Host-authjs.csrf-token"),
        *("jwtsession.refresh-token", "jwtsession.login", "next-auth.session-token"),
    ]
    readers = {name: EncryptedTokens(authjs_keys([SECRET.encode()], name)) for name in names}
    readers["NextAuth v4"] = EncryptedTokens(nextauth_v4_keys([SECRET.encode()]))
    made = {name: forge(content_key(SECRET, name), PAYLOAD) for name in names}
    made["NextAuth v4"] = forge(V4_KEY, PAYLOAD, {"alg": "dir", "enc": GCM})
    for name, reader in readers.items():
        for maker, token in made.items():
            if maker == name:
                assert reader.decode(token) == PAYLOAD
            else:
                with pytest.raises(TokenInvalid):
                    reader.decode(token)


FOREIGN = {
    "http": forge(content_key(SECRET, NAME), PAYLOAD),
    "https": forge(content_key(SECRET, "__Host-jwtsession.session-token"), PAYLOAD),
    "other prefix": forge(content_key(SECRET, "__Host-staff.session-token"), PAYLOAD),
    "CSRF": forge(content_key(SECRET, "jwtsession.csrf-token"), PAYLOAD),
    "Auth.js": forge(content_key(SECRET, "__Secure-authjs.session-token"), PAYLOAD),
    "NextAuth v4": forge(V4_KEY, PAYLOAD, {"alg": "dir", "enc": GCM}),
    "no name": forge(content_key(SECRET, ""), PAYLOAD),
    "the secret itself": forge(hashlib.sha512(SECRET.encode()).digest(), PAYLOAD),
    "the CSRF cookie": cookie_value(new_token(), [SECRET.encode()]),
}


@pytest.mark.parametrize(
    ("name", "config", "base_url", "own"),
    [
        (NAME, {}, "http://localhost", "http"),
        ("__Host-jwtsession.session-token", {}, HTTPS, "https"),
        ("__Host-staff.session-token", {"COOKIE_PREFIX": "staff"}, HTTPS, "other prefix"),
        ("__Secure-authjs.session-token", {"COOKIE_PREFIX": "authjs"}, HTTPS, "Auth.js"),
        (
            "next-auth.session-token",
            {"READ_NEXTAUTH_V4": True},
            "http://localhost",
            "NextAuth v4",
        ),
    ],
)
def test_sec_017_a_session_cookie_takes_only_tokens_made_for_its_own_name(
    clock: Clock, name: str, config: dict[str, Any], base_url: str, own: str
) -> None:
    app, auth = make_app(clock, **config)
    add_views(app, auth)
    client = app.test_client(use_cookies=False)
    accepted = [
        maker
        for maker, token in FOREIGN.items()
        if client.get(
            "/session", base_url=base_url, headers={"Cookie": f"{name}={token}"}
        ).get_json()
    ]
    assert accepted == [own]


def test_sec_017_a_session_token_is_no_csrf_token(app: Flask, client: FlaskClient) -> None:
    sent = {"HTTP_COOKIE": f"jwtsession.csrf-token={TOKEN}; {NAME}={TOKEN}"}
    response = client.post("/auth/signout", data={"csrfToken": TOKEN}, environ_overrides=sent)
    assert response.status_code == 403


# Tokens of an Auth.js server.


def authjs_vector(name: str) -> dict[str, Any]:
    vectors = json.loads((VECTORS / "authjs_tokens.json").read_text())["vectors"]
    vector: dict[str, Any] = next(one for one in vectors if one["name"] == name)
    return vector


def test_sec_018_a_token_that_an_authjs_server_made_is_a_session() -> None:
    vector = authjs_vector("v5-oauth-payload")
    app, auth = make_app(
        Clock(vector["claims"]["iat"] + 5), SECRET=vector["secrets"][0], COOKIE_PREFIX="authjs"
    )
    add_views(app, auth)
    response = send(app, "/session", chunked(vector["token"], vector["salt"]))
    assert response.get_json()["user"] == {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "image": "https://example.com/ada.png",
    }


@pytest.mark.parametrize("switched_on", [True, False])
def test_sec_018_a_token_of_nextauth_v4_is_read_only_where_it_is_switched_on(
    switched_on: bool,
) -> None:
    vector = authjs_vector("v4-basic")
    app, auth = make_app(
        Clock(vector["claims"]["iat"] + 5),
        SECRET=vector["secrets"][0],
        READ_NEXTAUTH_V4=switched_on,
    )
    add_views(app, auth)
    response = send(app, "/session", single(vector["token"], "next-auth.session-token"))
    assert (response.get_json() is not None) == switched_on
    if switched_on:
        # It lives on in our own cookie, and the old one goes.
        cookies = set_cookies(response)
        assert cookies["next-auth.session-token"].deletes
        assert unseal(app, cookies[NAME].value)["sub"] == vector["claims"]["sub"]


# Section 2: authentic tokens whose payload an honest server does not write. This is what a bug, an
# older version or another service with the same secret would send.


def claims(**more: Any) -> bytes:
    return json.dumps(claims_at(NOW, **more)).encode()


def raw_claim(name: str, text: str, /) -> bytes:
    """The claims with one written literally: JSON that Python's dump would not make."""
    found = claims_at(NOW)
    found.pop(name, None)
    return json.dumps(found).encode()[:-1] + f', "{name}": {text}}}'.encode()


def without(left_out: str, /, **more: Any) -> bytes:
    found = claims_at(NOW, **more)
    del found[left_out]
    return json.dumps(found).encode()


PAYLOADS = {
    "SEC-030 array": b"[]",
    "SEC-030 array of pairs": b'[["sub","u1"]]',
    "SEC-030 string": b'"u1"',
    "SEC-030 number": b"1",
    "SEC-030 null": b"null",
    "SEC-030 true": b"true",
    "SEC-030 empty": b"",
    "SEC-030 empty object": b"{}",
    "SEC-030 no JSON": b"sub=u1",
    "SEC-030 truncated": PAYLOAD[:-1],
    "SEC-030 not UTF-8": PAYLOAD.replace(b"Ada", b"\xff\xfe"),
    "SEC-030 UTF-16": PAYLOAD.decode().encode("utf-16"),
    "SEC-030 byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "SEC-030 trailing garbage": PAYLOAD + b"}",
    "SEC-030 trailing NUL": PAYLOAD + b"\0",
    "SEC-030 two objects": PAYLOAD * 2,
    "SEC-030 two sub": raw_claim("x", '1, "sub": "u2"'),
    "SEC-030 10000 deep": raw_claim("x", "[" * 10_000 + "]" * 10_000),
    "SEC-030 a lone surrogate": claims(name="\ud800"),
    "SEC-030 a lone surrogate, no sid": without("sid", name="\ud800"),
    "SEC-030 a lone surrogate, due": claims(name="\ud800", iat=int(NOW) - 9 * 86_400),
    "SEC-031 exp missing": without("exp"),
    "SEC-031 exp is 1e400": raw_claim("exp", "1e400"),
    "SEC-031 exp has 5000 digits": raw_claim("exp", "9" * 5000),
    "SEC-034 iat missing": without("iat"),
    "SEC-034 nbf in the future": claims(nbf=NOW + 16),
    "SEC-034 iat in the future": claims(iat=NOW + 16),
    "SEC-034 iat after exp": claims(iat=NOW - 10, exp=NOW - 11),
    "SEC-041 the clock was set back 1 h": claims(iat=NOW + 3600, exp=NOW + 7200),
    "auth_time in the future": claims(auth_time=NOW + 16),
    "sid is an array": claims(sid=["s1"]),
    "sid is empty": claims(sid=""),
    "sid of 10 KB": claims(sid="s" * 10_240),
    "neither sid nor jti": json.dumps({"sub": "u1", "iat": NOW, "exp": NOW + 9}).encode(),
    "no sid, and jti is an object": without("sid", jti={}),
    "our block is an array": claims(_session=[1]),
    "our block is a string": claims(_session="account"),
    "our block is null": claims(_session=None),
    "our block is an array, no sid": without("sid", _session=[1]),
}
PAYLOADS |= {
    f"{row} {name} is {text}": raw_claim(name, text)
    for row, name in (("SEC-031", "exp"), ("SEC-034", "iat"), ("SEC-034", "nbf"))
    for text in ("NaN", "Infinity", '"123"', "true", "[]", "{}", "null")
}
PAYLOADS |= {
    f"SEC-031 exp is {exp}": claims(exp=exp) for exp in (-1, 0, 10**18, 10**40, 2**53, 1e300)
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_an_authentic_token_with_claims_that_break_a_rule_is_as_if_no_cookie_had_come(
    app: Flask,
    deliver: Callable[[str], str],
    payload: bytes,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert_anonymous(app, deliver(seal(app, payload)), signals, caplog)


def test_sec_030_no_nesting_is_an_error(app: Flask) -> None:
    """Not even one that the parser can just about follow, and what comes after it cannot."""
    for depth in range(700, 1000):
        for payload in (claims, partial(without, "sid")):
            text = payload(x=0).replace(b'"x": 0', b'"x": ' + b"[" * depth + b"]" * depth)
            response = send(app, "/auth/session", single(forge(KEY, text)))
            assert response.status_code == 200, f"{depth} deep"


LONG_AGO = int(NOW) - 10**8

EXPIRED = {
    "SEC-033 a moment after the leeway": claims(iat=NOW - 100, exp=NOW - 15),
    "SEC-035 MAX_AGE was shortened": claims(iat=int(NOW) - 31 * 86_400, exp=int(NOW) + 86_400),
    "SEC-035 with exp in the year 31690708": claims(iat=LONG_AGO, exp=10**15),
    "SEC-032 exp is 2^53 - 1": claims(iat=LONG_AGO, exp=2**53 - 1),
    "no subject": without("sub", iat=NOW - 100, exp=NOW - 50),
    "no sid": without("sid", iat=NOW - 100, exp=NOW - 50),
}


@pytest.mark.parametrize("payload", EXPIRED.values(), ids=EXPIRED)
def test_an_expired_session_is_nobodys_and_its_cookies_are_deleted(
    app: Flask, deliver: Callable[[str], str], payload: bytes, signals: Signals
) -> None:
    cookie = deliver(seal(app, payload))
    sent = {pair.partition("=")[0] for pair in cookie.split("; ")}
    for path in ("/session", "/private", "/auth/session"):
        signals.clear()
        response, anonymous = send(app, path, cookie), send(app, path, None)
        assert (response.status_code, response.data) == (anonymous.status_code, anonymous.data)
        cookies = set_cookies(response)
        assert cookies.keys() == sent | {NAME}
        assert all(one.deletes for one in cookies.values())
        assert [name for name, _ in signals] == ["session-rejected", "signed-out"]
        assert signals[0][1] == {"reason": "expired"}
        assert signals[1][1]["reason"] == "expired"


@pytest.mark.parametrize(
    ("iat", "exp"), [(-2, -1), (0, 0), (-(10**15), -(10**15)), (-(2**53) + 1, 10**15), (0, 10**15)]
)
def test_sec_031_032_a_token_from_before_1970_is_nobodys(
    app: Flask, deliver: Callable[[str], str], iat: int, exp: int
) -> None:
    cookie = deliver(seal(app, claims(iat=iat, exp=exp, auth_time=0)))
    for path in PATHS:
        response, anonymous = send(app, path, cookie), send(app, path, None)
        assert (response.status_code, response.data) == (anonymous.status_code, anonymous.data)


@pytest.mark.parametrize("payload", EXPIRED.values(), ids=EXPIRED)
def test_a_look_at_the_status_of_an_expired_session_changes_nothing(
    app: Flask, deliver: Callable[[str], str], payload: bytes
) -> None:
    response = send(app, "/auth/session/status", deliver(seal(app, payload)))
    assert answer(response) == answer(send(app, "/auth/session/status", None))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(claims(exp=NOW + 100.5), id="SEC-033 exp with a fraction"),
        pytest.param(claims(iat=NOW - 100, exp=NOW), id="SEC-033 exp is now"),
        pytest.param(claims(iat=NOW - 100, exp=NOW - 14.5), id="SEC-033 within the leeway"),
        pytest.param(claims(exp=2**53 - 1), id="SEC-032 exp is 2^53 - 1"),
        pytest.param(claims(iat=NOW + 15), id="SEC-034 iat within the leeway"),
        pytest.param(claims(nbf=NOW + 15), id="SEC-034 nbf within the leeway"),
        pytest.param(claims(_session={"account": [1]}), id="account is an array"),
        pytest.param(claims(_session={"account": {"provider": 1}}), id="half an account"),
        pytest.param(claims(name=["Ada"], email={}, picture=7), id="name is an array"),
        pytest.param(claims(x=[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]), id="20 deep"),
    ],
)
def test_claims_that_are_odd_but_within_the_rules_are_a_session(
    app: Flask, deliver: Callable[[str], str], payload: bytes, signals: Signals
) -> None:
    cookie = deliver(seal(app, payload))
    for path in PATHS:
        response = send(app, path, cookie)
        assert response.status_code == 200
        assert response.data != b"null"
    assert signals == []


NO_SUBJECTS: list[object] = ["", 0, 7, ["u1"], "u" * 10_240, "None", None, True, {}]


@pytest.mark.parametrize(
    "payload",
    [without("sub"), *(claims(sub=sub) for sub in NO_SUBJECTS)],
    ids=["SEC-039 missing", *(f"SEC-039 {str(sub)[:10]!r}" for sub in NO_SUBJECTS)],
)
def test_a_session_without_a_subject_signs_nobody_in(
    app: Flask, deliver: Callable[[str], str], payload: bytes
) -> None:
    cookie = deliver(seal(app, payload))
    assert send(app, "/private", cookie).status_code == 401
    assert send(app, "/auth/session/status", cookie).status_code == 401
    assert send(app, "/session", cookie).status_code == 200


# Lifetimes, as the browser sees them.


def jar(app: Flask, token: str) -> str:
    return single(token, session_cookie_name(app))


def test_sec_036_no_use_of_a_session_carries_it_beyond_its_absolute_end(clock: Clock) -> None:
    app, auth = make_app(clock, MAX_AGE=600, UPDATE_AGE=0, ABSOLUTE_MAX_AGE=5000)
    add_views(app, auth)
    token = seal(app, claims_at(NOW, exp=int(NOW) + 600))
    for number in range(1000):
        clock.advance(5)
        client = app.test_client(use_cookies=False)
        headers = {"Cookie": jar(app, token)}
        path = "/private" if number % 2 else "/update"
        response = client.open(path, method="GET" if number % 2 else "POST", headers=headers)
        token = session_token(response) or token
        assert unseal(app, token)["exp"] <= NOW + 5000
    assert send(app, "/private", jar(app, token)).status_code == 200  # within the leeway
    clock.advance(15)
    assert send(app, "/private", jar(app, token)).status_code == 401


def test_sec_037_a_session_used_in_time_goes_on_and_one_left_idle_ends(clock: Clock) -> None:
    app, auth = make_app(clock, MAX_AGE=600)
    add_views(app, auth)
    token = seal(app, claims_at(NOW, exp=int(NOW) + 600))
    for _ in range(5):
        clock.advance(599)
        response = send(app, "/private", jar(app, token))
        assert response.status_code == 200
        token = session_token(response) or ""
    clock.advance(600 + 15)
    assert send(app, "/private", jar(app, token)).status_code == 401


@pytest.mark.parametrize("hours", [-1, 1])
def test_sec_041_a_clock_that_jumps_neither_crashes_nor_rolls_for_ever(
    clock: Clock, hours: int
) -> None:
    app, auth = make_app(clock, MAX_AGE=7200, UPDATE_AGE=1800)
    add_views(app, auth)
    token = seal(app, claims_at(NOW, exp=int(NOW) + 7200))
    clock.advance(hours * 3600)
    rolled = 0
    for _ in range(5):
        response = send(app, "/session", jar(app, token))
        assert response.status_code == 200
        rolled += session_token(response) is not None
        token = session_token(response) or token
    assert rolled == (1 if hours > 0 else 0)
    clock.advance(-hours * 3600)
    assert send(app, "/session", jar(app, token)).status_code == 200


def test_sec_041_a_clock_that_is_a_little_behind_does_not_roll(clock: Clock) -> None:
    app, auth = make_app(clock, MAX_AGE=7200, UPDATE_AGE=1)
    add_views(app, auth)
    token = seal(app, claims_at(NOW, iat=NOW + 10))
    response = send(app, "/private", jar(app, token))
    assert response.status_code == 200
    assert session_token(response) is None


def test_sec_041_a_negative_age_counts_as_none(clock: Clock) -> None:
    app, auth = make_app(clock, UPDATE_AGE=0)
    add_views(app, auth)
    token = seal(app, claims_at(NOW, iat=NOW + 10))
    assert session_token(send(app, "/private", jar(app, token)))  # at every use, and this is one


# Section 3: secrets at work.


def signed_in_with(secret: str, *fallbacks: str, cookie: str | None = None) -> TestResponse:
    app, auth = make_app(Clock(), SECRET=secret, SECRET_FALLBACKS=list(fallbacks), UPDATE_AGE=0)
    add_views(app, auth)
    if cookie is None:
        return app.test_client().post("/sign-in")
    return send(app, "/private", cookie)


def test_sec_051_a_secret_can_be_replaced_without_signing_anybody_out() -> None:
    old = session_token(signed_in_with(SECRET)) or ""
    both = signed_in_with(OTHER_SECRET, SECRET, cookie=single(old))
    assert both.data == b"private"
    renewed = session_token(both) or ""
    assert signed_in_with(OTHER_SECRET, cookie=single(renewed)).data == b"private"
    assert signed_in_with(OTHER_SECRET, cookie=single(old)).status_code == 401


def test_sec_051_a_token_under_a_secret_not_known_here_keeps_its_cookie() -> None:
    """Another worker may have the newer secret already."""
    token = session_token(signed_in_with(OTHER_SECRET)) or ""
    response = signed_in_with(SECRET, cookie=single(token))
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


def test_sec_057_two_apps_in_one_process_do_not_read_each_others_sessions(clock: Clock) -> None:
    auth = JWTSession()
    tokens = {}
    apps = {}
    for secret in (SECRET, OTHER_SECRET):
        app = apps[secret] = Flask("tests.app")
        app.config["JWTSESSION_SECRET"] = secret
        auth.init_app(app)
        binding_of(app).clock = clock
        app.add_url_rule("/private", view_func=login_required(lambda: "private"))
        tokens[secret] = seal(app, claims_at(NOW))
    for secret, app in apps.items():
        read = {
            one for one in tokens if send(app, "/private", single(tokens[one])).status == "200 OK"
        }
        assert read == {secret}


def test_sec_058_a_second_instance_on_one_app_is_refused_and_the_first_works_on(
    app: Flask,
) -> None:
    with pytest.raises(ConfigError, match="already"):
        JWTSession(app)
    assert list(set_cookies(app.test_client().post("/sign-in"))) == [NAME]


def test_sec_059_what_a_debugger_prints_shows_no_token_and_no_secret(app: Flask) -> None:
    account = Account(
        provider="google",
        type="oidc",
        provider_account_id="7",
        access_token="access-secret",
        refresh_token="refresh-secret",
        id_token="id-secret",
    )
    with app.test_request_context():
        session = sign_in({"id": "u1", "name": "Ada"}, account=account)
        binding = binding_of(app)
        state = state_of(binding)
        printed = [
            *(str(one) for one in (session, session.token, account, session.account)),
            *(repr(one) for one in (session, session.token, account, session.account)),
            *(repr(one) for one in (binding, binding.settings, binding.http, binding.http.tokens)),
            *(repr(one) for one in (state, state.token, state.verified, current_session)),
            repr(JWTEvent(account=account)),
            repr({"session": session, "token": session.token}),
        ]
        with pytest.raises(TypeError, match="pickled") as caught:
            pickle.dumps(session)
        printed.append(str(caught.value))
    for text in printed:
        assert not re.search(r"(access|refresh|id)-secret|eyJ", text)
        assert SECRET not in text
        assert b64(KEY) not in text
        assert repr(binding.log_key) not in text
