"""Refresh cookies that nobody honest sends, and those that somebody has stolen.

What is no refresh token of ours must be answered as if no cookie had come, to the byte. What is a
copy of one revokes the session: of the two who have it, nobody can say which is the thief.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import JWTSession, TokenInvalid, revoke_session, sign_in
from flask_jwtsession.records import LAST_GENERATION
from flask_jwtsession.request_checks import csrf
from flask_jwtsession.rotation import GRACE
from flask_jwtsession.tokens.encrypted import EncryptedTokens

from .conftest import add_views
from .faulty_store import FaultyStore
from .forged_tokens import GCM, b64, content_key, forge, header, header_of, jws, unb64
from .integration.provider_sign_in import at_once
from .pair_browsing import (
    ACCESS,
    DAY,
    MAX_AGE,
    REFRESH,
    Browser,
    PairApp,
    Reauth,
    seal_refresh,
    who,
)
from .support import (
    CROSS_SITE,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    make_app,
    seal,
    set_cookies,
    unseal,
)
from .test_session_cookie_attacks import (
    CONTAINERS,
    NO_SUBJECTS,
    PAYLOADS,
    answer,
    assert_anonymous,
    chunked,
    cut,
    send,
    single,
    with_low_bit,
)
from .test_session_cookie_attacks import TOKEN as SESSION_TOKEN

GRANT = "2Vtq9ZkQxu5H0cMwT8rBfA"
KEY = content_key(SECRET, REFRESH)
GCM_KEY = content_key(SECRET, REFRESH, GCM)
ROTATION: dict[str, Any] = {"rotation": {"grant": GRANT, "gen": 0}}

Signals = list[tuple[str, dict[str, Any]]]


def refresh_claims(**more: Any) -> dict[str, Any]:
    """Claims of a refresh token that is good for an hour."""
    return claims_at(NOW, _session=ROTATION, **more)


PAYLOAD = json.dumps(refresh_claims()).encode()
TOKEN = forge(KEY, PAYLOAD)
HEADER, _, IV, CIPHERTEXT, TAG = TOKEN.split(".")
HONEST = header(KEY)


@pytest.fixture
def reauth() -> Reauth:
    return Reauth()


@pytest.fixture
def app_and_auth(clock: Clock, reauth: Reauth) -> tuple[Flask, JWTSession]:
    """The usual views and nobody's session: nothing but a refresh cookie is ever sent."""
    app, auth = make_app(clock, REFRESH_COOKIE=True, MAX_AGE=MAX_AGE)
    add_views(app, auth)
    auth.reauth_callback(reauth)
    return app, auth


@pytest.fixture(params=[single, chunked], ids=["single cookie", "chunked cookie"])
def deliver(request: pytest.FixtureRequest) -> Callable[[str], str]:
    function: Callable[[str, str], str] = request.param
    return lambda value: function(value, REFRESH)


@pytest.fixture
def pair(clock: Clock) -> PairApp:
    return PairApp(clock)


# What is no token of ours.


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(TOKEN, id="A256CBC-HS512"),
        pytest.param(forge(GCM_KEY, PAYLOAD), id="A256GCM"),
        pytest.param(forge(KEY, PAYLOAD, {**HONEST, "typ": "JWT"}), id="typ JWT"),
    ],
)
def test_an_honest_token_is_accepted(
    app: Flask, deliver: Callable[[str], str], token: str, signals: Signals
) -> None:
    """What the attacks below change: without it they could be refused for anything."""
    assert send(app, "/private", deliver(token)).data == b"private"
    assert signals == []


def with_segment(number: int, text: str) -> str:
    parts = TOKEN.split(".")
    parts[number] = text
    return ".".join(parts)


def another(segment: str) -> str:
    return ("A" if segment[0] != "A" else "B") + segment[1:]


def reforged(token: str) -> str:
    """A session token of the attacks on that cookie as one for this cookie: authentic under its
    key, with the same odd header.
    """
    kids = (str(header_of(SESSION_TOKEN)["kid"]).encode(), str(HONEST["kid"]).encode())
    protected, encrypted_key, *_ = token.split(".")
    return forge(KEY, PAYLOAD, unb64(protected).replace(*kids), encrypted_key=encrypted_key)


#: Whose header alone is wrong.
_BY_HEADER = re.compile("SEC-(005|006|007|008 enc|009 zip(?!, a bomb)|010|011|012)")

TEXTS = {name: reforged(token) for name, token in CONTAINERS.items() if _BY_HEADER.match(name)}
TEXTS |= {
    "SEC-001 header": with_segment(0, HEADER[:-2] + "A" + HEADER[-1]),
    "SEC-001 encrypted key": with_segment(1, "A"),
    "SEC-001 iv": with_segment(2, another(IV)),
    "SEC-001 ciphertext": with_segment(3, another(CIPHERTEXT)),
    "SEC-001 tag": with_segment(4, another(TAG)),
    "SEC-001 encrypted key, authentic": forge(KEY, PAYLOAD, HONEST, encrypted_key=b64(b"key")),
    "SEC-002 no header": with_segment(0, ""),
    "SEC-002 no iv": with_segment(2, ""),
    "SEC-002 no ciphertext": with_segment(3, ""),
    "SEC-002 no tag": with_segment(4, ""),
    "SEC-002 one dot": ".",
    "SEC-002 four dots": "....",
    "SEC-002 four segments": TOKEN.rpartition(".")[0],
    "SEC-002 six segments": TOKEN + ".",
    "SEC-002 100000 dots": "." * 100_000,
    "SEC-003 tag of 31 bytes": with_segment(4, cut(TAG, 31)),
    "SEC-003 tag of 16 bytes": with_segment(4, cut(TAG, 16)),
    "SEC-003 iv of 8 bytes": with_segment(2, cut(IV, 8)),
    "SEC-003 iv of 32 bytes": with_segment(2, b64(unb64(IV) * 2)),
    "SEC-004 padding at the tag": TOKEN + "=",
    "SEC-004 newline inside": with_segment(3, CIPHERTEXT[:40] + "\n" + CIPHERTEXT[40:]),
    "SEC-004 trailing newline": TOKEN + "\n",
    "SEC-004 unused bits of the tag": with_segment(4, with_low_bit(TAG)),
    "SEC-004 unused bits of the iv": with_segment(2, with_low_bit(IV)),
    "SEC-008 A256GCM with the kid of the other": forge(GCM_KEY, PAYLOAD, {**HONEST, "enc": GCM}),
    "SEC-009 zip, a bomb": forge(
        KEY, zlib.compress(b" " * 50_000_000, 9, -15), {**HONEST, "zip": "DEF"}
    ),
    "SEC-013 JWS with the raw secret": jws(SECRET.encode(), PAYLOAD),
    "SEC-013 JWS with the derived key": jws(KEY, PAYLOAD),
    "SEC-013 JWE of a JWE": forge(KEY, TOKEN.encode(), HONEST),
    "SEC-014 unsecured JWS": jws(b"", PAYLOAD, "none"),
    "SEC-014 unsecured JWS with a fifth segment": jws(b"", PAYLOAD, "none") + "..",
    "SEC-015 flattened JWE JSON": json.dumps(
        {"protected": HEADER, "iv": IV, "ciphertext": CIPHERTEXT, "tag": TAG}
    ),
    "SEC-016 of https": forge(content_key(SECRET, f"__Host-{REFRESH}"), PAYLOAD),
    "SEC-016 of another prefix": forge(content_key(SECRET, "staffsession.refresh-token"), PAYLOAD),
    "SEC-017 of the access cookie": forge(content_key(SECRET, ACCESS), PAYLOAD),
    "SEC-017 of the login cookie": forge(content_key(SECRET, "jwtsession.login"), PAYLOAD),
    "SEC-019 70 KB": with_segment(3, "A" * 70_000),
    "SEC-019 authentic, of 70 KB": forge(KEY, PAYLOAD + b" " * 52_000),
    "SEC-019 16 MB": with_segment(3, "A" * 16_000_000),
    "SEC-070 quoted": f'"{TOKEN}"',
    "not ASCII": TOKEN[:-1] + "\xe9",
    "the JSON of the claims": PAYLOAD.decode(),
    "wrong secret under our kid": forge(content_key(OTHER_SECRET, REFRESH), PAYLOAD, HONEST),
}


@pytest.mark.parametrize("token", TEXTS.values(), ids=TEXTS)
def test_what_is_no_refresh_token_is_as_if_no_cookie_had_come(
    app: Flask,
    reauth: Reauth,
    deliver: Callable[[str], str],
    token: str,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert_anonymous(app, deliver(token), signals, caplog)
    assert reauth.asked == []


def test_beside_a_good_access_cookie_it_is_not_looked_at(pair: PairApp) -> None:
    browser = pair.sign_in()
    pair.told.clear()
    for token in TEXTS.values():
        response = send(pair.app, "/who", f"{ACCESS}={browser.cookies[ACCESS]}; {REFRESH}={token}")
        assert (response.text, set_cookies(response), pair.told) == ("u1", {}, [])


def with_rotation(payload: bytes) -> bytes:
    """The same JSON with what a refresh token has besides."""
    block = b'{"_session": ' + json.dumps(ROTATION).encode() + b", "
    return payload.replace(b"{", block, 1) if payload.startswith(b"{") else payload


#: Of the payloads that break a rule in the access cookie those that break it by something else.
_OF_OUR_BLOCK = re.compile("our block|SEC-030 empty object")
BROKEN = {
    name: with_rotation(payload)
    for name, payload in PAYLOADS.items()
    if not _OF_OUR_BLOCK.match(name)
}


def without(name: str) -> bytes:
    claims = refresh_claims()
    del claims[name]
    return json.dumps(claims).encode()


def sealed(**more: Any) -> bytes:
    return json.dumps({**refresh_claims(), **more}).encode()


BROKEN |= {
    "SEC-030 empty object": b"{}",
    "SEC-034 auth_time missing": without("auth_time"),
    "no sid": without("sid"),
    "sid is a number": sealed(sid=1),
    "sid is null": sealed(sid=None),
    "auth_time is null": sealed(auth_time=None),
    "auth_time is a text": sealed(auth_time="then"),
    "SEC-039 no sub": without("sub"),
    "our block is missing": without("_session"),
    "our block is an array": sealed(_session=[1]),
    "our block is a text": sealed(_session="rotation"),
    "our block is null": sealed(_session=None),
    "nothing to rotate it by": sealed(_session={}),
    "that is an array": sealed(_session={"rotation": [GRANT, 0]}),
    "no grant": sealed(_session={"rotation": {"gen": 0}}),
    "the grant is a number": sealed(_session={"rotation": {"grant": 1, "gen": 0}}),
    "no generation": sealed(_session={"rotation": {"grant": GRANT}}),
    "the generation is a text": sealed(_session={"rotation": {"grant": GRANT, "gen": "0"}}),
    "the generation is true": sealed(_session={"rotation": {"grant": GRANT, "gen": True}}),
    "the generation is a fraction": sealed(_session={"rotation": {"grant": GRANT, "gen": 0.5}}),
}
BROKEN |= {f"SEC-039 sub is {str(sub)[:10]!r}": sealed(sub=sub) for sub in NO_SUBJECTS}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_an_authentic_token_with_claims_that_break_a_rule_is_as_if_no_cookie_had_come(
    app: Flask,
    reauth: Reauth,
    deliver: Callable[[str], str],
    payload: bytes,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert_anonymous(app, deliver(seal_refresh(app, payload)), signals, caplog)
    assert reauth.asked == []


ODD: dict[str, dict[str, Any]] = {
    "a negative generation": {"rotation": {"grant": GRANT, "gen": -7}},
    "the last generation": {"rotation": {"grant": GRANT, "gen": LAST_GENERATION}},
    "the one before": {"rotation": {"grant": GRANT, "gen": LAST_GENERATION - 1}},
    "a generation of thirty digits": {"rotation": {"grant": GRANT, "gen": 10**30}},
    "an empty grant": {"rotation": {"grant": "", "gen": 0}},
    "a grant of 2 KB": {"rotation": {"grant": "g" * 2048, "gen": 0}},
    "a grant that is not ASCII": {"rotation": {"grant": "\u0667\0\n", "gen": 0}},
    "the account is an array": {**ROTATION, "account": [1]},
    "half an account": {**ROTATION, "account": {"provider": 1}},
    "a grant of tokens that is no text": {**ROTATION, "grant": 7, "gen": "x"},
}


@pytest.mark.parametrize("block", ODD.values(), ids=ODD)
def test_what_only_a_mistake_of_ours_could_seal_is_no_error(
    clock: Clock, block: dict[str, Any]
) -> None:
    pair = PairApp(clock)
    token = seal_refresh(pair.app, {**refresh_claims(), "_session": block})
    for path in ("/who", "/private", "/auth/session", "/auth/session/status"):
        browser = pair.browser({REFRESH: token})
        for _ in range(2):
            assert browser.open(path).status_code < 500


def test_sec_023_nothing_tells_a_wrong_key_from_a_bad_tag_or_a_bad_payload(app: Flask) -> None:
    paths = ("/session", "/private", "/auth/session", "/auth/session/status")
    answers = [
        [answer(send(app, path, single(token, REFRESH))) for path in paths]
        for token in (
            TEXTS["wrong secret under our kid"],
            TEXTS["SEC-001 tag"],
            TEXTS["SEC-012 kid is a path"],
            seal_refresh(app, b"no JSON"),
            seal_refresh(app, b"{}"),
            seal_refresh(app, sealed(iat=NOW + 1000)),
        )
    ]
    assert all(one == answers[0] for one in answers)


@pytest.mark.parametrize(
    "payload",
    [
        sealed(iat=NOW - 100, exp=NOW),
        sealed(iat=NOW - 100, exp=NOW - 14.5),
        sealed(iat=NOW - 31 * DAY, exp=NOW + DAY),
        sealed(iat=NOW - 31 * DAY, exp=2**53 - 1),
    ],
    ids=["SEC-033 exp is now", "SEC-033 a moment ago", "SEC-035 by iat", "SEC-032 exp is 2^53-1"],
)
def test_one_that_is_over_is_deleted_and_told(
    app: Flask, deliver: Callable[[str], str], payload: bytes, signals: Signals
) -> None:
    cookie = deliver(seal_refresh(app, payload))
    sent = {pair.partition("=")[0] for pair in cookie.split("; ")}
    for path in ("/session", "/private", "/auth/session"):
        signals.clear()
        response, anonymous = send(app, path, cookie), send(app, path, None)
        assert (response.status_code, response.data) == (anonymous.status_code, anonymous.data)
        cookies = set_cookies(response)
        assert cookies.keys() == sent | {ACCESS, REFRESH}
        assert all(one.deletes for one in cookies.values())
        assert [arguments["reason"] for _, arguments in signals] == ["expired", "expired"]


def test_a_flood_of_garbage_is_logged_once_a_kind(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        send(app, "/session", single(f"garbage{number}", REFRESH))
        send(app, "/session", f"{ACCESS}=garbage; {single(TOKEN + str(number), REFRESH)}")
    assert len(caplog.records) == 2


# Tokens made for something else, under one secret.


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_sec_017_no_cookie_takes_the_token_of_another(clock: Clock, token_format: str) -> None:
    """Each has claims that would do in any of them."""
    pair = PairApp(clock, TOKEN_FORMAT=token_format, REFRESH_SECRET=SECRET)
    binding = binding_of(pair.app)
    claims = refresh_claims(exp=int(NOW) + 30)
    token = csrf.new_token()
    made = {
        "session": seal(pair.app, claims),
        "refresh": seal_refresh(pair.app, claims),
        "login": binding.http.login_tokens.encode(json.dumps(claims).encode()),
        "CSRF": csrf.cookie_value(token, [SECRET.encode()]),
    }

    def is_csrf(value: str) -> bool:
        client = pair.app.test_client(use_cookies=False)
        sent = {"HTTP_COOKIE": f"jwtsession.csrf-token={value}"}
        form = {"csrfToken": value.partition("%7C")[0].partition("|")[0]}
        return client.post("/auth/signout", data=form, environ_overrides=sent).status_code < 400

    def is_login(value: str) -> bool:
        try:
            binding.http.login_tokens.decode(value)
        except TokenInvalid:
            return False
        return True

    places: dict[str, Callable[[str], bool]] = {
        "session": lambda value: pair.browser({ACCESS: value}).visit().text == "u1",
        "refresh": lambda value: pair.browser({REFRESH: value}).visit().text == "u1",
        "login": is_login,
        "CSRF": is_csrf,
    }
    taken = {(place, maker) for place in places for maker in made if places[place](made[maker])}
    assert taken == {(name, name) for name in made}
    assert len(pair.asked) == 1


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_sec_214_the_two_tokens_of_a_session_cannot_be_exchanged(
    clock: Clock, token_format: str
) -> None:
    pair = PairApp(clock, TOKEN_FORMAT=token_format, REFRESH_SECRET=SECRET)
    browser = pair.sign_in()
    access, refresh = browser.cookies[ACCESS], browser.cookies[REFRESH]
    pair.told.clear()
    for cookies in (
        {ACCESS: refresh},
        {REFRESH: access},
        {ACCESS: refresh, REFRESH: access},
        {ACCESS: "", REFRESH: access},
    ):
        pasted = pair.browser(cookies)
        response = pasted.visit()
        assert (response.text, set_cookies(response)) == ("nobody", {})
        assert pasted.open("/auth/session/status").status_code == 401
    assert set(pair.names_told()) == {"session-rejected"}
    assert pair.asked == []
    assert browser.visit().text == "u1"


# Several values, and chunks that are none.


def test_sec_067_of_two_good_refresh_cookies_none_counts(pair: PairApp) -> None:
    """One may be the person's, and one was planted."""
    victim, attacker = pair.sign_in("victim"), pair.sign_in("attacker")
    pair.access_is_over()
    mine, theirs = victim.cookies[REFRESH], attacker.cookies[REFRESH]
    pair.told.clear()
    for one, other in ((mine, theirs), (theirs, mine)):
        response = send(pair.app, "/who", f"{REFRESH}={one}; {REFRESH}={other}")
        assert (response.text, set_cookies(response)) == ("nobody", {})
    assert pair.rejections() == ["ambiguous", "ambiguous"]
    assert pair.asked == []
    assert [victim.visit().text, attacker.visit().text] == ["victim", "attacker"]


@pytest.mark.parametrize(
    "planted", ["garbage", TEXTS["wrong secret under our kid"], TEXTS["SEC-001 tag"], ""]
)
def test_sec_067_of_several_the_one_that_verifies_counts(pair: PairApp, planted: str) -> None:
    browser = pair.sign_in()
    good = browser.cookies[REFRESH]
    pair.access_is_over()
    for cookie in (
        f"{REFRESH}={planted}; {REFRESH}={good}",
        f"{REFRESH}={good}; {REFRESH}={planted}",
    ):
        assert send(pair.app, "/who", cookie).text == "u1"
    assert len(pair.asked) == 1


def test_sec_067_a_revoked_one_beside_a_good_one_is_in_nobodys_way(pair: PairApp) -> None:
    browser, revoked = pair.sign_in("u1"), pair.sign_in("u2")
    pair.access_is_over()
    with pair.app.app_context():
        revoke_session(revoked.refresh_claims()["sid"])
    cookie = f"{REFRESH}={revoked.cookies[REFRESH]}; {REFRESH}={browser.cookies[REFRESH]}"
    response = send(pair.app, "/who", cookie)
    assert response.text == "u1"
    assert pair.reasons() == []


def test_sec_067_a_planted_access_cookie_makes_nobody_of_a_refresh_cookie(pair: PairApp) -> None:
    """Two good access cookies: the refresh cookie does not say which of them to believe."""
    victim, attacker = pair.sign_in("victim"), pair.sign_in("attacker")
    cookie = f"{ACCESS}={attacker.cookies[ACCESS]}; {victim.header}"
    response = send(pair.app, "/who", cookie)
    assert (response.text, set_cookies(response), pair.asked) == ("nobody", {}, [])
    assert victim.visit().text == "victim"


def test_sec_067_more_values_than_a_browser_has_are_not_tried(
    pair: PairApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = pair.sign_in()
    pair.access_is_over()
    decrypted: list[bytes] = []
    decrypt = EncryptedTokens._open

    def counted(self: EncryptedTokens, token: bytes) -> bytes:
        decrypted.append(token)
        return decrypt(self, token)

    monkeypatch.setattr(EncryptedTokens, "_open", counted)
    planted = "; ".join(f"{REFRESH}=a.b.c.d.{number}" for number in range(200))
    response = send(pair.app, "/who", f"{planted}; {browser.copy(REFRESH).header}")
    assert (response.text, set_cookies(response)) == ("nobody", {})
    assert decrypted == []


CHUNKS: dict[str, Callable[[list[str]], dict[str, str]]] = {
    "the first is missing": lambda parts: {"1": parts[1], "2": parts[2]},
    "one in the middle is missing": lambda parts: {"0": parts[0], "2": parts[2]},
    "the last is missing": lambda parts: {"0": parts[0], "1": parts[1]},
    "one too many": lambda parts: {**dict(zip("012", parts, strict=True)), "3": "A"},
    "exchanged": lambda parts: dict(zip("102", parts, strict=True)),
    "leading zeros": lambda parts: dict(zip(("00", "01", "02"), parts, strict=True)),
    "another script's digits": lambda parts: dict(
        zip(("\u0660", "\u0661", "\u0662"), parts, strict=True)
    ),
    "200 of them": lambda parts: {str(number): "A" * 40 for number in range(200)},
}


@pytest.mark.parametrize("make", CHUNKS.values(), ids=CHUNKS)
def test_sec_060_chunks_that_do_not_fit_are_no_token(
    pair: PairApp, make: Callable[[list[str]], dict[str, str]]
) -> None:
    browser = pair.sign_in()
    pair.access_is_over()
    token = browser.cookies[REFRESH]
    parts = [token[:200], token[200:400], token[400:]]
    cookie = "; ".join(f"{REFRESH}.{name}={part}" for name, part in make(parts).items())
    response = send(pair.app, "/who", cookie)
    assert (response.text, set_cookies(response), pair.asked) == ("nobody", {}, [])
    assert send(pair.app, "/who", chunked(token, REFRESH)).text == "u1"


def test_sec_064_chunks_of_two_sessions_are_no_token(pair: PairApp) -> None:
    one, other = (pair.sign_in(sub).cookies[REFRESH] for sub in ("u1", "u2"))
    pair.access_is_over()
    spliced = f"{REFRESH}.0={one[:300]}; {REFRESH}.1={other[300:]}"
    assert send(pair.app, "/who", spliced).text == "nobody"


def test_sec_061_the_cookie_wins_over_chunks_which_are_deleted(pair: PairApp) -> None:
    browser, other = pair.sign_in("u1"), pair.sign_in("u2")
    pair.access_is_over()
    planted = other.cookies[REFRESH]
    chunks = {f"{REFRESH}.0": planted[:300], f"{REFRESH}.1": planted[300:]}
    browser.cookies = {**chunks, REFRESH: browser.cookies[REFRESH]}
    assert browser.visit().text == "u1"
    assert browser.cookies.keys() == {ACCESS, REFRESH}


# Somebody else's site.


@pytest.mark.parametrize("path", ["/update", "/leave", "/auth/session", "/auth/signout"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_sec_101_another_site_has_nobody_re_authenticated(
    pair: PairApp, path: str, site: str
) -> None:
    browser = pair.sign_in().lose_access()
    before = dict(browser.cookies)
    pair.access_is_over()
    headers = {**CROSS_SITE, "Sec-Fetch-Site": site}
    response = browser.open(path, "POST", headers=headers)
    assert response.status_code == 403
    assert (browser.cookies, pair.asked, pair.reasons()) == (before, [], [])


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_sec_101_no_view_gets_a_request_of_another_site_with_a_refresh_cookie(
    pair: PairApp, site: str
) -> None:
    """Whatever the view does: it may go by the session that it would have."""
    browser = pair.sign_in().lose_access()
    pair.access_is_over()
    reached: list[str] = []

    def view() -> str:
        reached.append(who())
        return ""

    headers = {**CROSS_SITE, "Sec-Fetch-Site": site}
    response = browser.visit(view, method="POST", headers=headers)
    assert (response.status_code, reached, pair.asked) == (403, [], [])


# Stolen.


def stolen(pair: PairApp, **arguments: Any) -> tuple[Browser, Browser]:
    """Somebody whose access cookie is over, and a copy of their refresh cookie."""
    victim = pair.sign_in(**arguments)
    thief = victim.copy(REFRESH)
    pair.access_is_over()
    pair.told.clear()
    return victim, thief


@pytest.mark.parametrize("first", ["the thief", "the victim"])
@pytest.mark.parametrize("seconds", [GRACE + 0.001, MAX_AGE, 10 * DAY])
def test_sec_213_whoever_comes_second_ends_it_for_both(
    pair: PairApp, first: str, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    victim, thief = stolen(pair)
    sid, grant = victim.claims()["sid"], victim.refresh_claims()["_session"]["rotation"]["grant"]
    one, other = (thief, victim) if first == "the thief" else (victim, thief)
    assert one.visit().text == "u1"
    assert pair.told == []
    pair.clock.advance(seconds)
    response = other.visit()
    assert response.text == "nobody"
    cookies = set_cookies(response)
    assert cookies.keys() == {ACCESS, REFRESH}
    assert all(cookie.deletes for cookie in cookies.values())
    assert pair.reuses() == [(sid, "u1")]
    assert pair.reasons() == ["revoked"]
    # Its access cookie is dead too, if it is not over.
    again = one.visit()
    assert again.text == "nobody"
    assert one.copy(REFRESH).visit().text == "nobody"
    assert len(pair.asked) == 1
    assert (len(pair.reuses()), pair.reasons()) == (1, ["revoked"])
    # One line for whoever runs it, that says who without saying who.
    lines = [record.getMessage() for record in caplog.records if "twice" in record.getMessage()]
    assert len(lines) == 1
    tokens = {*one.cookies.values(), *other.cookies.values()}
    said = f"{caplog.text} {[dict(arguments) for name, arguments in pair.told]}"
    for secret in ("eyJ", grant, *tokens):
        assert secret not in said
    assert sid not in caplog.text
    assert not re.search(r"\bu1\b", caplog.text)


def test_sec_213_the_good_access_cookie_of_the_other_one_is_dead(pair: PairApp) -> None:
    victim, thief = stolen(pair)
    victim.visit()
    pair.clock.advance(GRACE + 1)
    assert victim.visit().text == "u1"
    thief.visit()
    assert victim.claims()["exp"] > pair.clock.now
    response = victim.visit()
    assert response.text == "nobody"
    # The thief's response ended it: the application is told once.
    assert set_cookies(response) == {}
    assert pair.reasons() == ["revoked"]


def test_sec_213_both_must_sign_in_again_and_can(pair: PairApp) -> None:
    victim, thief = stolen(pair)
    thief.visit()
    pair.clock.advance(GRACE + 1)
    victim.visit()
    victim.sign_in()
    for _ in range(2):
        pair.access_is_over()
        assert victim.visit().text == "u1"
        assert thief.visit().text == "nobody"
    assert len(pair.reuses()) == 1


def test_sec_213_other_sessions_of_the_person_live_on(pair: PairApp) -> None:
    elsewhere = pair.sign_in()
    victim, thief = stolen(pair)
    thief.visit()
    pair.clock.advance(GRACE + 1)
    victim.visit()
    assert elsewhere.visit().text == "u1"


def test_sec_213_within_the_grace_time_they_cannot_be_told_apart(pair: PairApp) -> None:
    """But from then on they have the same cookie, and the next one to come late is noticed."""
    victim, thief = stolen(pair)
    assert [victim.visit().text, thief.visit().text] == ["u1", "u1"]
    assert len(pair.asked) == 1
    pair.access_is_over()
    assert victim.visit().text == "u1"
    pair.clock.advance(GRACE + 1)
    assert thief.lose_access().visit().text == "nobody"
    assert len(pair.reuses()) == 1
    assert victim.visit().text == "nobody"


@pytest.mark.parametrize("number", [0, 1, 25, 48])
def test_sec_213_each_cookie_of_a_long_chain_is_a_copy(pair: PairApp, number: int) -> None:
    browser = pair.sign_in()
    old: list[Browser] = []
    for _ in range(50):
        old.append(browser.copy())
        pair.access_is_over()
        assert browser.visit().text == "u1"
    assert (browser.generation(), len(pair.asked)) == (50, 50)
    assert pair.told[1:] == []
    assert old[number].visit().text == "nobody"
    assert len(pair.reuses()) == 1
    assert browser.visit().text == "nobody"


def test_sec_213_many_old_cookies_are_one_alarm(pair: PairApp) -> None:
    browser = pair.sign_in()
    old: list[Browser] = []
    for _ in range(12):
        old.append(browser.copy())
        pair.access_is_over()
        browser.visit()
    pair.clock.advance(GRACE + 1)
    answers = at_once(*(one.visit for one in old))
    assert {response.text for response in answers} == {"nobody"}
    assert sum(set_cookies(response) != {} for response in answers) == 1
    assert (len(pair.reuses()), pair.reasons()) == (1, ["revoked"])
    for one in [*old, browser]:
        assert one.visit().text == "nobody"
    assert (len(pair.reuses()), pair.reasons()) == (1, ["revoked"])


@pytest.mark.parametrize(
    "use",
    [
        lambda browser: browser.open("/private"),
        lambda browser: browser.open("/auth/session"),
        lambda browser: browser.open("/auth/session/status"),
        lambda browser: browser.open("/auth/session", "POST", json={"data": {}}),
        lambda browser: browser.open("/auth/session/refresh", "POST"),
        lambda browser: browser.open("/update", "POST"),
    ],
    ids=["guard", "GET session", "status", "POST session", "POST refresh", "update_session"],
)
def test_sec_213_it_is_noticed_whatever_the_copy_is_used_for(
    pair: PairApp, use: Callable[[Browser], TestResponse]
) -> None:
    victim, thief = stolen(pair)
    victim.visit()
    pair.clock.advance(GRACE + 1)
    response = use(thief)
    assert response.status_code in (200, 400, 401)
    assert response.get_data(as_text=True).strip() in ("null", "") or response.status_code != 200
    assert len(pair.reuses()) == 1
    assert victim.visit().text == "nobody"
    assert victim.visit().text == "nobody"
    assert (len(pair.reuses()), pair.reasons()) == (1, ["revoked"])


def test_sec_213_a_thief_gains_nothing_by_an_old_access_cookie(pair: PairApp) -> None:
    victim = pair.sign_in()
    thief = victim.copy(ACCESS)
    assert thief.visit().text == "u1"
    pair.access_is_over()
    assert thief.visit().text == "nobody"
    assert victim.visit().text == "u1"
    assert thief.visit().text == "nobody"
    assert pair.reuses() == []


def test_sec_213_a_copy_is_noticed_by_another_process(clock: Clock) -> None:
    store = FaultyStore(clock)
    one, other = PairApp(clock, STORE=store), PairApp(clock, STORE=store)
    victim, thief = stolen(one)
    victim.visit()
    clock.advance(GRACE + 1)
    assert thief.at(other.app).visit().text == "nobody"
    assert (len(one.reuses()), len(other.reuses())) == (0, 1)
    assert victim.visit().text == "nobody"


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_sec_213_a_revocation_that_cannot_be_written_lets_nobody_in(
    clock: Clock, failure: str
) -> None:
    store = FaultyStore(clock)
    pair = PairApp(clock, STORE=store, STORE_FAILURE=failure)
    victim, thief = stolen(pair)
    victim.visit()
    clock.advance(GRACE + 1)
    store.refused |= {"put", "compare_and_set"}
    response = thief.open("/private")
    assert response.status_code in (401, 503)
    assert len(pair.asked) == 1
    store.refused.clear()
    assert thief.open("/private").status_code == 401
    assert len(pair.reuses()) == 1


def test_sec_213_who_revoked_it_is_not_told_of_a_reuse(pair: PairApp) -> None:
    victim, thief = stolen(pair)
    victim.visit()
    with pair.app.app_context():
        revoke_session(victim.claims()["sid"])
    pair.clock.advance(GRACE + 1)
    assert thief.visit().text == "nobody"
    assert pair.reuses() == []


def test_sec_217_a_copy_that_is_used_while_the_person_signs_out_is_dead(pair: PairApp) -> None:
    victim, thief = stolen(pair)
    inside, go_on = threading.Event(), threading.Event()

    def slow(claims: dict[str, Any]) -> dict[str, Any]:
        inside.set()
        assert go_on.wait(timeout=30)
        return {"name": "Ada"}

    def leave() -> str:
        assert inside.wait(timeout=30)
        text = victim.open("/leave", "POST").text
        go_on.set()
        return text

    pair.reauth.answer = slow
    answers = at_once(lambda: thief.visit().text, leave)
    assert answers == ["nobody", "nobody"]
    assert thief.visit().text == "nobody"
    assert ACCESS not in thief.cookies


# What a thief of the store gets.


def test_sec_221_the_store_shows_nobody_and_everything_in_it_ends(clock: Clock) -> None:
    store = FaultyStore(clock)
    pair = PairApp(clock, STORE=store, REFRESH_MAX_AGE=DAY)
    pair.reauth.answer = lambda claims: ({"email": "ada@example.com"}, {"device": "office-42"})
    said: set[str] = set()
    for end in ("reuse", "sign-out", "None"):
        browser = pair.sign_in("person-42", refresh_claims={"device": "office-42"})
        copy = browser.copy()
        for _ in range(3):
            pair.access_is_over()
            browser.visit()
            claims = browser.refresh_claims()
            said |= {claims["sid"], claims["jti"], claims["_session"]["rotation"]["grant"]}
            said |= {*browser.cookies.values(), *copy.cookies.values()}
        if end == "reuse":
            copy.visit()
        elif end == "sign-out":
            browser.open("/leave", "POST")
        else:
            pair.reauth.answer = lambda claims: None
            pair.access_is_over()
            browser.visit()
    entries = store.raw()
    assert entries
    for name, (value, ends) in entries.items():
        assert re.fullmatch("[A-Za-z0-9_-]{22,64}", name)
        assert len(value) < 2048
        assert ends <= clock.now + DAY + 3600
        for secret in (*said, "person-42", "office-42", "ada@example"):
            assert secret not in name
            assert secret.encode() not in value
    clock.advance(DAY + 3600)
    assert store.get_many(list(entries)) == [None] * len(entries)


# Nobody in the middle learns anything from a shape.


def test_a_response_that_re_authenticates_says_nothing_of_the_refresh_token_in_its_body(
    pair: PairApp,
) -> None:
    browser = pair.sign_in()
    pair.access_is_over()
    response = browser.open("/auth/session")
    assert browser.refresh_claims()["sid"] not in response.text
    assert "eyJ" not in response.text
    assert unseal(pair.app, browser.cookies[ACCESS]).keys().isdisjoint({"rotation", "grant"})


def test_sec_109_another_site_signs_nobody_in_over_a_session(pair: PairApp) -> None:
    browser = pair.sign_in().lose_access()
    pair.access_is_over()

    def enter() -> str:
        sign_in({"id": "attacker"})
        return who()

    response = browser.visit(enter, method="POST", headers=CROSS_SITE)
    assert response.status_code == 403
    assert browser.visit(headers=SAME_ORIGIN).text == "u1"
