"""Tokens that nobody honest sends in ``Authorization: Bearer``, as whole requests.

Each is nobody's, whatever is wrong with it, and the same to the byte as any other; with one
``session_rejected`` a request, one line in the log, and without a cookie, though the browser sends
a good one along.
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from jwt.api_jws import PyJWS
from jwt.utils import raw_to_der_signature

from flask_jwtsession import JWTSession

from .browsing import problem_code
from .forged_tokens import b64, content_key, forge, header, jws, unb64
from .integration.provider_sign_in import listening
from .support import (
    HTTPS,
    NOW,
    OTHER_SECRET,
    SECRET,
    Clock,
    claims_at,
    seal,
    session_cookie_name,
    set_cookies,
)
from .test_bearer import (
    FORMATS,
    INVALID_TOKEN,
    Signals,
    ask,
    bearer,
    elsewhere,
    graces_cookie,
    make_api,
    private_key,
    token_of,
    told,
)
from .test_session_cookie_attacks import (
    CONTAINERS,
    EXPIRED,
    KEY,
    NAME,
    NO_SUBJECTS,
    PATHS,
    PAYLOAD,
    PAYLOADS,
    TOKEN,
    V4_KEY,
    answer,
    authjs_vector,
    claims,
    without,
)
from .test_session_cookie_attacks import FOREIGN as OTHER_PURPOSES

REASONS = {"malformed", "header", "unknown_key", "decryption", "signature", "payload", "claims"}


@pytest.fixture
def app_and_auth(clock: Clock) -> tuple[Flask, JWTSession]:
    return make_api(clock)


def assert_nobodys(
    app: Flask, token: str, signals: Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """ANON: the definition of security testing for a token that is not accepted."""
    cookie = graces_cookie(app)
    expected = [answer(ask(app, path, "Bearer x")) for path in PATHS]
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    reasons = set()
    for path, nobody in zip(PATHS, expected, strict=True):
        signals.clear()
        assert answer(ask(app, path, bearer(token), cookie=cookie)) == nobody
        [(name, arguments)] = signals
        assert (name, list(arguments)) == ("session-rejected", ["reason"])
        reasons.add(arguments["reason"])
    assert len(reasons) == 1
    assert reasons <= REASONS
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    # That of "Bearer x" was the same one for some, and is not repeated.
    assert len(lines) == (0 if reasons == {"malformed"} else 1)
    for line in lines:
        assert re.fullmatch(r"A bearer token was not accepted: [a-z_]+", line)
    assert "eyJ" not in caplog.text


def test_what_the_attacks_change_is_accepted(app: Flask, signals: Signals) -> None:
    """Without that they could be refused for anything."""
    for path in PATHS:
        response = ask(app, path, bearer(TOKEN))
        assert response.status_code == 200
        assert response.text != "null"
    assert signals == []


def test_nobody_gets_the_answer_of_a_bad_token(app: Flask) -> None:
    """What all of them are compared with."""
    answers = [ask(app, path, "Bearer x", cookie=graces_cookie(app)) for path in PATHS]
    assert [one.status_code for one in answers] == [200, 401, 200, 401]
    assert [one.get_json(force=True) for one in (answers[0], answers[2])] == [None, None]
    assert problem_code(answers[1]) == "invalid_token"
    for response in answers:
        assert not elsewhere(response)
    for response in (answers[1], answers[3]):
        assert response.headers["WWW-Authenticate"] == INVALID_TOKEN


@pytest.mark.parametrize("token", CONTAINERS.values(), ids=CONTAINERS)
def test_what_is_no_token_of_ours_is_nobodys(
    app: Flask, token: str, signals: Signals, caplog: pytest.LogCaptureFixture
) -> None:
    assert_nobodys(app, token, signals, caplog)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_an_authentic_token_with_claims_that_break_a_rule_is_nobodys(
    app: Flask, payload: bytes, signals: Signals, caplog: pytest.LogCaptureFixture
) -> None:
    assert_nobodys(app, seal(app, payload), signals, caplog)


@pytest.mark.parametrize("payload", EXPIRED.values(), ids=EXPIRED)
def test_an_expired_token_is_refused_each_time_and_ends_nothing(
    app: Flask, payload: bytes, signals: Signals
) -> None:
    token, cookie = seal(app, payload), graces_cookie(app)
    for path in PATHS:
        for _ in range(2):
            signals.clear()
            response = ask(app, path, bearer(token), cookie=cookie)
            assert answer(response) == answer(ask(app, path, "Bearer x"))
            assert told(signals)[0] == ("session-rejected", "expired")
            assert {name for name, _ in signals} == {"session-rejected"}


@pytest.mark.parametrize(
    "payload",
    [without("sub"), *(claims(sub=sub) for sub in NO_SUBJECTS)],
    ids=["SEC-039 missing", *(f"SEC-039 {str(sub)[:10]!r}" for sub in NO_SUBJECTS)],
)
def test_a_token_without_a_subject_signs_nobody_in(app: Flask, payload: bytes) -> None:
    token, cookie = seal(app, payload), graces_cookie(app)
    assert ask(app, "/private", bearer(token), cookie=cookie).status_code == 401
    assert ask(app, "/auth/session/status", bearer(token), cookie=cookie).status_code == 401
    assert ask(app, "/who", bearer(token), cookie=cookie).text == "nobody"


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
def test_no_token_costs_more_than_a_moment(app: Flask, name: str) -> None:
    ask(app, "/who", bearer("warm.up"))
    began = time.process_time()
    ask(app, "/who", bearer(CONTAINERS[name]))
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
            assert ask(app, "/who", bearer(token)).text == "nobody"


def test_sec_012_no_token_makes_us_open_a_connection_or_a_file(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"opened {args}")

    ask(app, "/who", bearer("warm.up"))
    monkeypatch.setattr("builtins.open", touch)
    monkeypatch.setattr("socket.getaddrinfo", touch)
    monkeypatch.setattr("socket.socket.connect", touch)
    for name, token in CONTAINERS.items():
        if name.startswith("SEC-012"):
            assert ask(app, "/who", bearer(token)).text == "nobody"


# Every other text.

ANYTHING = "".join(chr(code) for code in range(0x20, 0x7F)) + "\t\xe9"


@pytest.mark.parametrize("token_format", ["encrypted", "HS256", "ES256", "EdDSA"])
def test_sec_001_a_token_of_which_one_character_was_changed_is_nobodys(token_format: str) -> None:
    app, _ = make_api(Clock(), **FORMATS[token_format])
    token = token_of(app)
    assert ask(app, "/who", bearer(token)).text == "ada"

    @given(st.integers(0, len(token) - 1), st.sampled_from(ANYTHING))
    @example(0, " ")  # more space before it
    @example(len(token) - 1, " ")
    @example(len(token) - 1, "=")
    def check(position: int, character: str) -> None:
        changed = token[:position] + character + token[position + 1 :]
        if changed != token:
            assert ask(app, "/who", bearer(changed)).text == "nobody"

    check()


@pytest.mark.parametrize("token_format", ["encrypted", "ES256"])
def test_sec_004_a_token_has_one_spelling(token_format: str) -> None:
    """Or else its copy could be told from what was revoked."""
    app, _ = make_api(Clock(), **FORMATS[token_format])
    token = token_of(app)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = {token + "=", token + "==", token.replace("-", "+").replace("_", "/")}
    for part in token.split("."):
        unused = {0: 0, 2: 4, 3: 2}[len(part) % 4]
        last = alphabet.index(part[-1]) if part else 0
        spellings |= {token.replace(part, part[:-1] + alphabet[last | n]) for n in range(unused)}
        spellings |= {token.replace(part, part + "=" * (-len(part) % 4))} if part else set()
    spellings.discard(token)
    assert len(spellings) >= 5
    for spelling in spellings:
        assert ask(app, "/who", bearer(spelling)).text == "nobody"


@given(st.text(st.characters(max_codepoint=255)), st.booleans())
def test_no_header_is_an_error(text: str, is_bearer: bool) -> None:
    app = _app()
    sent = bearer(text) if is_bearer else text
    for path, status in (("/who", 200), ("/private", 401), ("/auth/session", 200)):
        assert ask(app, path, sent).status_code == status


_made: list[Flask] = []


def _app() -> Flask:
    """One app for all examples: making one costs more than they do."""
    if not _made:
        _made.append(make_api(Clock())[0])
    return _made[0]


def test_sec_023_nothing_tells_a_wrong_key_from_a_bad_tag_or_a_bad_payload(app: Flask) -> None:
    answers = [
        [answer(ask(app, path, bearer(token))) for path in PATHS]
        for token in (
            CONTAINERS["wrong secret under our kid"],
            CONTAINERS["SEC-001 tag"],
            CONTAINERS["SEC-012 kid is a path"],
            seal(app, b"no JSON"),
            seal(app, claims_at(NOW, iat=NOW + 1000)),
            token_of(app, iat=int(NOW) - 9000, exp=int(NOW) - 5000),
            "x",
        )
    ]
    assert all(one == answers[0] for one in answers)


# Tokens made for something else.


@pytest.mark.parametrize(
    ("config", "base_url", "own"),
    [
        ({}, None, "http"),
        ({}, HTTPS, "https"),
        ({"COOKIE_PREFIX": "staff"}, HTTPS, "other prefix"),
        ({"COOKIE_PREFIX": "authjs"}, HTTPS, "Auth.js"),
        # Which is read in a cookie of its own, and nowhere else.
        ({"READ_NEXTAUTH_V4": True}, None, "http"),
        ({"TOKEN_FORMAT": "signed"}, None, None),
        ({"REFRESH_COOKIE": True}, None, "http"),
    ],
)
def test_sec_016_017_only_the_token_of_the_session_cookie_is_one(
    clock: Clock, config: dict[str, Any], base_url: str | None, own: str | None
) -> None:
    app, _ = make_api(clock, **config)
    names = {
        purpose: content_key(SECRET, f"{secure}jwtsession.{purpose}")
        for purpose in ("refresh-token", "login", "csrf-token", "session-token _session")
        for secure in ("", "__Host-")
    }
    made = {**OTHER_PURPOSES, **{name: forge(key, PAYLOAD) for name, key in names.items()}}
    made["record"] = forge(KEY[:32], PAYLOAD, header(KEY[:32]))
    accepted = [
        maker
        for maker, token in made.items()
        if ask(app, "/private", bearer(token), base_url=base_url).status_code == 200
    ]
    assert accepted == [] if own is None else [own]


def test_sec_017_what_else_a_browser_gets_from_us_is_no_token(clock: Clock) -> None:
    app, _ = make_api(clock, REFRESH_COOKIE=True)
    cookies = {
        **set_cookies(ask(app, "/sign-in", method="POST")),
        **set_cookies(ask(app, "/auth/csrf")),
    }
    accepted = [
        name
        for name, cookie in cookies.items()
        if ask(app, "/private", bearer(cookie.value)).status_code == 200
    ]
    assert len(cookies) == 3
    assert accepted == ["jwtsession.session-token"]


def test_sec_018_a_token_that_an_authjs_server_made_is_one() -> None:
    vector = authjs_vector("v5-oauth-payload")
    app, _ = make_api(
        Clock(vector["claims"]["iat"] + 5), SECRET=vector["secrets"][0], COOKIE_PREFIX="authjs"
    )
    base_url = HTTPS if vector["salt"].startswith("__Secure-") else None
    response = ask(app, "/session", bearer(vector["token"]), base_url=base_url)
    assert response.get_json()["user"]["name"] == "Ada Lovelace"
    assert "Set-Cookie" not in response.headers


def test_sec_018_a_token_of_nextauth_v4_is_none_in_a_header(clock: Clock) -> None:
    app, _ = make_api(clock, READ_NEXTAUTH_V4=True)
    token = forge(V4_KEY, PAYLOAD, {"alg": "dir", "enc": "A256GCM"})
    assert ask(app, "/who", cookie=f"next-auth.session-token={token}").text == "u1"
    assert ask(app, "/who", bearer(token)).text == "nobody"


def test_sec_051_tokens_of_an_old_secret_are_good_while_it_is_known(clock: Clock) -> None:
    old, _ = make_api(clock, SECRET=OTHER_SECRET)
    both, _ = make_api(clock, SECRET_FALLBACKS=[OTHER_SECRET], UPDATE_AGE=0)
    new, _ = make_api(clock)
    token = ask(old, "/token", method="POST").text
    found = [ask(app, "/who", bearer(token)) for app in (old, both, new)]
    assert [one.text for one in found] == ["created", "created", "nobody"]
    assert not any(elsewhere(one) for one in found)


# Signed tokens.


PEM = private_key("ES256")
_PRIVATE = load_pem_private_key(PEM.encode(), None)
PUBLIC_PEM = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER = load_pem_private_key(private_key("ES256").encode(), None)


@pytest.fixture
def signed(clock: Clock) -> Flask:
    return make_api(clock, TOKEN_FORMAT="signed", SIGNING_KEY=PEM)[0]


def signed_with(key: Any, payload: bytes, alg: str = "ES256", **header: Any) -> str:
    """A compact JWS; a member of None is left out of its header."""
    return PyJWS().encode(payload, key, alg, {"typ": None, **header}, sort_headers=False)


def kid_of(app: Flask) -> str:
    [key] = ask(app, "/auth/jwks.json").get_json()["keys"]
    return str(key["kid"])


def published(app: Flask) -> dict[str, Any]:
    [key] = ask(app, "/auth/jwks.json").get_json()["keys"]
    return dict(key)


def with_header(token: str, **members: Any) -> str:
    """The token under another header, signed once more."""
    old = json.loads(unb64(token.split(".")[0]))
    protected = {name: value for name, value in {**old, **members}.items() if value is not ...}
    return resigned(json.dumps(protected).encode(), unb64(token.split(".")[1]))


def resigned(protected: bytes, payload: bytes) -> str:
    message = f"{b64(protected)}.{b64(payload)}"
    algorithm = PyJWS().get_algorithm_by_name("ES256")
    return f"{message}.{b64(algorithm.sign(message.encode(), _PRIVATE))}"


def der(token: str) -> str:
    """With the signature as OpenSSL writes it."""
    message, _, signature = token.rpartition(".")
    return f"{message}.{b64(raw_to_der_signature(unb64(signature), _PRIVATE.curve))}"  # type: ignore[union-attr]


def forgeries(app: Flask) -> dict[str, str]:
    token = token_of(app)
    head, body, signature = token.split(".")
    kid, protected = kid_of(app), json.loads(unb64(head))
    payload = unb64(body)
    other = json.dumps({**json.loads(payload), "sub": "grace"}).encode()
    ours = json.dumps(protected).encode()
    return {
        "SEC-002 no signature": f"{head}.{body}.",
        "SEC-002 two segments": f"{head}.{body}",
        "SEC-002 four segments": f"{token}.",
        "SEC-002 no payload": f"{head}..{signature}",
        "SEC-002 no header": f".{body}.{signature}",
        "SEC-001 another payload": f"{head}.{b64(other)}.{signature}",
        "SEC-003 half a signature": f"{head}.{body}.{b64(unb64(signature)[:32])}",
        "SEC-003 a signature of zeros": f"{head}.{body}.{b64(bytes(64))}",
        "SEC-003 a signature in DER": der(token),
        "SEC-003 a longer signature": f"{head}.{body}.{b64(unb64(signature) + bytes(1))}",
        "SEC-005 two alg": resigned(ours[:-1] + b',"alg":"ES256"}', payload),
        "SEC-005 a header that is an array": resigned(b'["ES256"]', payload),
        "SEC-006 alg is none": jws(b"", payload, "none"),
        "SEC-006 alg is none under our kid": (
            f"{b64(json.dumps({**protected, 'alg': 'none'}).encode())}.{body}."
        ),
        "SEC-006 alg is None": with_header(token, alg="None"),
        "SEC-006 alg is es256": with_header(token, alg="es256"),
        "SEC-006 alg is ES384": with_header(token, alg="ES384"),
        "SEC-006 no alg": with_header(token, alg=...),
        "SEC-010 crit": with_header(token, crit=["x"], x=1),
        "SEC-010 b64 is false": with_header(token, crit=["b64"], b64=False),
        "SEC-011 typ JWT": with_header(token, typ="JWT"),
        "SEC-011 typ at+jwt": with_header(token, typ="at+jwt"),
        "SEC-011 typ logout+jwt": with_header(token, typ="logout+jwt"),
        "SEC-011 typ application/session+jwt": with_header(token, typ="application/session+jwt"),
        "SEC-011 no typ": with_header(token, typ=...),
        "SEC-011 cty": with_header(token, cty="JWT"),
        "SEC-012 no kid": with_header(token, kid=...),
        "SEC-012 kid is null": with_header(token, kid=None),
        "SEC-012 kid is an array": with_header(token, kid=[kid]),
        "SEC-012 kid is a path": with_header(token, kid="../../dev/null"),
        "SEC-012 jwk": with_header(token, jwk=published(app)),
        "SEC-012 jku": with_header(token, jku="https://evil.example/keys"),
        "SEC-012 another key in the header": signed_with(
            OTHER, payload, kid=kid, typ="session+jwt", jwk=published(app)
        ),
        "SEC-012 another key under our kid": signed_with(
            OTHER, payload, kid=kid, typ="session+jwt"
        ),
        "SEC-013 an encrypted token": forge(KEY, PAYLOAD),
        "SEC-014 HS256 with the public key": hs256(PUBLIC_PEM, payload, kid),
        "SEC-014 HS256 with the public key, no line end": hs256(PUBLIC_PEM.strip(), payload, kid),
        "SEC-014 HS256 with the secret": hs256(SECRET.encode(), payload, kid),
        "SEC-015 flattened JSON": json.dumps(
            {"protected": head, "payload": body, "signature": signature}
        ),
        "SEC-030 no JSON": resigned(ours, b"no JSON"),
        "SEC-030 two sub": resigned(ours, payload[:-1] + b',"sub":"grace"}'),
        "SEC-034 from the future": resigned(
            ours, json.dumps(claims_at(NOW, iat=NOW + 1000)).encode()
        ),
        "our block as it is": resigned(ours, payload[:-1] + b',"_session":{"account":{}}}'),
        "our block is nonsense": resigned(ours, payload[:-1] + b',"_session":"x"}'),
        "our block is null": resigned(ours, payload[:-1] + b',"_session":null}'),
        "our block is a session token": resigned(
            ours, payload[:-1] + f',"_session":"{forge(KEY, PAYLOAD)}"}}'.encode()
        ),
    }


def hs256(key: bytes, payload: bytes, kid: str) -> str:
    """What a verifier would take that has one key for all algorithms (CVE-2015-9235)."""
    protected = {"alg": "HS256", "kid": kid, "typ": "session+jwt"}
    message = f"{b64(json.dumps(protected).encode())}.{b64(payload)}"
    algorithm = PyJWS().get_algorithm_by_name("HS256")
    return f"{message}.{b64(algorithm.sign(message.encode(), key))}"


FORGERIES = list(forgeries(make_api(Clock(), TOKEN_FORMAT="signed", SIGNING_KEY=PEM)[0]))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_signed_token_is_nobodys(
    signed: Flask, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(signed) as heard:
        assert_nobodys(signed, forgeries(signed)[name], heard, caplog)


def test_what_the_forgeries_change_is_accepted(signed: Flask) -> None:
    token = token_of(signed)
    head, body, _ = token.split(".")
    same = [token, resigned(unb64(head), unb64(body)), with_header(token)]
    again = signed_with(_PRIVATE, unb64(body), kid=kid_of(signed), typ="session+jwt")
    assert {ask(signed, "/who", bearer(one)).text for one in (*same, again)} == {"ada"}
    claims = pyjwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "ada"


def test_sec_013_a_signed_token_is_none_where_tokens_are_encrypted(
    app: Flask, signed: Flask, signals: Signals
) -> None:
    assert ask(app, "/who", bearer(token_of(signed))).text == "nobody"
    assert told(signals) == [("session-rejected", "malformed")]


def test_sec_014_a_token_of_the_secret_is_none_where_there_is_a_signing_key(
    clock: Clock, signed: Flask
) -> None:
    symmetric, _ = make_api(clock, TOKEN_FORMAT="signed")
    assert ask(signed, "/who", bearer(token_of(symmetric))).text == "nobody"
    assert ask(symmetric, "/who", bearer(token_of(signed))).text == "nobody"


def test_sec_017_the_symmetric_key_is_that_of_one_cookie_name(clock: Clock) -> None:
    app, _ = make_api(clock, TOKEN_FORMAT="signed")
    other, _ = make_api(clock, TOKEN_FORMAT="signed", COOKIE_PREFIX="staff")
    token = token_of(app)
    assert ask(app, "/who", bearer(token)).text == "ada"
    assert ask(other, "/who", bearer(token)).text == "nobody"
    assert ask(app, "/who", bearer(token), base_url=HTTPS).text == "nobody"


# What a cookie's rules would say of a token in a header.


def test_a_token_in_a_header_is_not_joined_from_chunks(app: Flask) -> None:
    name, token = session_cookie_name(app), token_of(app)
    for sent in (f"{name}={token}", f"{name}.0={token}"):
        assert ask(app, "/who", bearer(sent)).text == "nobody"


def test_sec_067_a_token_that_was_planted_in_a_cookie_makes_nothing_ambiguous(app: Flask) -> None:
    name = session_cookie_name(app)
    cookies = "; ".join(f"{name}={token_of(app, sub=str(n), sid=str(n))}" for n in range(10))
    assert ask(app, "/who", cookie=cookies).text == "nobody"
    assert ask(app, "/who", bearer(token_of(app)), cookie=cookies).text == "ada"


def test_sec_019_cookies_of_a_megabyte_are_not_read(app: Flask) -> None:
    cookies = "; ".join(f"{NAME}.{number}={'x' * 4000}" for number in range(250))
    assert ask(app, "/who", bearer(token_of(app)), cookie=cookies).text == "ada"
