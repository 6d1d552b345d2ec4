"""Cookies: chunks, attributes and names; first as strings, then as an application sends them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, current_app, make_response, redirect, send_file
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from flask_jwtsession import TokenInvalid, current_session, sign_in, sign_out, update_session
from flask_jwtsession.cookies import (
    CHUNK_SIZE,
    MAX_CHUNKS,
    MAX_LINE,
    Cookie,
    candidates,
    read_cookies,
)

from .conftest import add_views
from .support import (
    HTTPS,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    VECTORS,
    Clock,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

NAME = "jwtsession.session-token"
COOKIE = Cookie(name=NAME)
EXPIRES = NOW + 3600

Signals = list[tuple[str, dict[str, Any]]]


def values_of(lines: dict[str, str]) -> dict[str, str]:
    return {name: line.partition("=")[2].partition(";")[0] for name, line in lines.items()}


def set_lines(value: str, *, sent: list[str] | None = None, cookie: Cookie = COOKIE) -> Any:
    return cookie.set_lines(value, sent=sent or [], expires=EXPIRES, now=NOW)


# The recorded chunks of Auth.js.

AUTHJS = Cookie(name="__Secure-authjs.session-token")
RECORDED = {
    case["case"]: case for case in json.loads((VECTORS / "authjs_chunks.json").read_text())["cases"]
}

#: Cases that we answer otherwise, each with the reason.
DIFFERENT = {
    "fresh-0": "no token is empty: Auth.js sets nothing, and here nobody asks",
    "clean-all": "the unchunked name is deleted too: what the browser has besides is not known",
}


def test_a_chunk_is_as_long_as_in_authjs() -> None:
    recorded = json.loads((VECTORS / "authjs_chunks.json").read_text())
    assert recorded["CHUNK_SIZE"] == CHUNK_SIZE
    assert recorded["ALLOWED_COOKIE_SIZE"] == MAX_LINE


@pytest.mark.parametrize(
    "case",
    [case for case in RECORDED if "value_length" in RECORDED[case] and case not in DIFFERENT],
)
def test_a_value_is_cut_and_stale_cookies_are_deleted_as_in_authjs(case: str) -> None:
    recorded = RECORDED[case]
    lines = set_lines(
        "x" * recorded["value_length"], sent=list(recorded["in_cookies"]), cookie=AUTHJS
    )
    ours = {
        name: (len(value), "Max-Age=0" in lines[name]) for name, value in values_of(lines).items()
    }
    assert ours == {one["name"]: (one["length"], one["maxAge"] == 0) for one in recorded["set"]}


def test_everything_that_authjs_deletes_is_deleted_and_the_unchunked_name_too() -> None:
    recorded = RECORDED["clean-all"]
    lines = AUTHJS.delete_lines(sent=list(recorded["in_cookies"]))
    assert lines.keys() == {one["name"] for one in recorded["set"]} | {AUTHJS.name}
    assert set(values_of(lines).values()) == {""}
    assert all("Max-Age=0" in line for line in lines.values())


def test_chunks_are_joined_in_the_order_of_their_numbers_as_in_authjs() -> None:
    recorded = RECORDED["numeric-order-join"]
    cookie = Cookie(name="authjs.session-token")
    text = "; ".join(f"{name}={value}" for name, value in recorded["in_cookies"].items())
    assert candidates(read_cookies(text, cookie), cookie) == [recorded["expected"]]


# Cutting.

COOKIES = [
    pytest.param(COOKIE, id="default"),
    pytest.param(AUTHJS, id="Auth.js"),
    pytest.param(
        Cookie(
            name="__Secure-" + "p" * 40 + ".session-token",
            path="/" + "a" * 99,
            domain="d" * 60 + "." + "e" * 39,
            samesite="Strict",
            partitioned=True,
        ),
        id="as long as the configuration allows",
    ),
]


@pytest.mark.parametrize("length", [1, 3700, *range(3934, 3939), *range(4094, 4099), 7168, 65_536])
@pytest.mark.parametrize("cookie", COOKIES)
def test_sec_065_no_line_is_longer_than_a_browser_takes(cookie: Cookie, length: int) -> None:
    value = "x" * length
    lines = set_lines(value, cookie=cookie)
    assert max(len(line) for line in lines.values()) <= 4096
    values = values_of(lines)
    assert "".join(values.values()) == value
    if length > CHUNK_SIZE:
        assert list(values) == [f"{cookie.name}.{number}" for number in range(len(values))]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 65_536), st.sampled_from([one.values[0] for one in COOKIES]))
def test_what_is_set_is_what_is_read(length: int, cookie: Cookie) -> None:
    value = ("0123456789" * 6554)[:length]
    sent = "; ".join(
        f"{name}={one}" for name, one in values_of(set_lines(value, cookie=cookie)).items()
    )
    assert candidates(read_cookies(sent, cookie), cookie) == [value]


@pytest.mark.parametrize(
    ("sent", "length", "kept", "deleted"),
    [
        pytest.param([".0", ".1", ".2"], 5000, [".0", ".1"], [".2"], id="SEC-062 3 chunks to 2"),
        pytest.param([".0", ".1"], 9000, [".0", ".1", ".2"], [], id="SEC-062 2 chunks to 3"),
        pytest.param([".0", ".1"], 10, [""], [".0", ".1"], id="SEC-062 chunks to one"),
        pytest.param([""], 5000, [".0", ".1"], [""], id="SEC-062 one to chunks"),
        pytest.param(["", ".0", ".1"], 10, [""], [".0", ".1"], id="SEC-061 both to one"),
        pytest.param(["", ".0"], 5000, [".0", ".1"], [""], id="SEC-061 both to chunks"),
        pytest.param([".7", ".31"], 10, [""], [".7", ".31"], id="SEC-060 stray chunks"),
        pytest.param(
            [f".{n}" for n in range(12)],
            7000,
            [".0", ".1"],
            [f".{n}" for n in range(2, 12)],
            id="SEC-062 12 chunks to 2",
        ),
    ],
)
def test_what_is_no_longer_used_is_deleted(
    sent: list[str], length: int, kept: list[str], deleted: list[str]
) -> None:
    lines = set_lines("x" * length, sent=[NAME + one for one in sent])
    assert {name for name, line in lines.items() if "Max-Age=0" in line} == {
        NAME + one for one in deleted
    }
    assert {name for name, value in values_of(lines).items() if value} == {
        NAME + one for one in kept
    }


def test_the_lifetime_is_said_twice_and_agrees() -> None:
    (line,) = set_lines("x").values()
    assert "; Expires=Fri, 15 Jan 2027 09:00:00 GMT; Max-Age=3600; " in line


def test_a_lifetime_that_is_over_is_never_negative() -> None:
    (line,) = COOKIE.set_lines("x", sent=[], expires=NOW - 5, now=NOW).values()
    assert "Max-Age=0" in line


def test_a_cookie_of_the_browsers_session_has_no_lifetime() -> None:
    assert COOKIE.session_lines("x") == {NAME: f"{NAME}=x; Path=/; HttpOnly; Secure; SameSite=Lax"}


# Reading.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="no header"),
        pytest.param("other=1", [], id="another cookie"),
        pytest.param(f"{NAME}=a", ["a"], id="one value"),
        pytest.param(f"x=1;{NAME}=a;y=2", ["a"], id="without spaces"),
        pytest.param(f"x=1; {NAME}=a ; y=2", ["a"], id="space after it is not the value's"),
        pytest.param(f"{NAME}=a; {NAME}=a", ["a"], id="the same value twice"),
        pytest.param(f"{NAME}=b; {NAME}=a", ["b", "a"], id="SEC-067 two values, in order"),
        pytest.param(f"{NAME}=a=b", ["a=b"], id="equals sign in the value"),
        pytest.param(f'{NAME}="a"', ['"a"'], id="SEC-070 quotes are kept"),
        pytest.param(f'{NAME}="a\\145"', ['"a\\145"'], id="SEC-070 escapes are kept"),
        pytest.param(f"{NAME}", [], id="no equals sign"),
        pytest.param(f"{NAME}=", [], id="empty"),
        pytest.param(f"{NAME}=; {NAME}=a", ["a"], id="an empty one is none"),
        pytest.param(f"{NAME} =a", [], id="space in the name"),
        pytest.param(NAME.upper() + "=a", [], id="names have a case"),
        pytest.param(f"x{NAME}=a", [], id="longer name before"),
        pytest.param(f"{NAME}x=a", [], id="longer name after"),
        pytest.param(f"__Host-{NAME}=a", [], id="the https name"),
        pytest.param(f"{NAME}.0=a", ["a"], id="one chunk"),
        pytest.param(f"{NAME}.1=b; {NAME}.0=a", ["ab"], id="SEC-060 chunks in any order"),
        pytest.param(f"{NAME}.0=a; {NAME}.1=", ["a"], id="an empty last chunk"),
        pytest.param(
            "; ".join(f"{NAME}.{n}={n}," for n in range(11)),
            ["0,1,2,3,4,5,6,7,8,9,10,"],
            id="SEC-062 11 chunks",
        ),
        pytest.param(f"{NAME}=a; {NAME}.0=b", ["a"], id="SEC-061 the unchunked one wins"),
        pytest.param(f"{NAME}=; {NAME}.0=b", ["b"], id="SEC-061 an empty one does not"),
    ],
)
def test_what_a_header_says(text: str, found: list[str]) -> None:
    assert candidates(read_cookies(text, COOKIE), COOKIE) == found


@pytest.mark.parametrize(
    "suffix",
    [
        ".00",
        ".01",
        ".-1",
        ".+1",
        ".1e1",
        ".٣",
        ".²",
        ".999999999999",
        ".100",
        ". 1",
        ".",
        "..1",
        ".x",
    ],
)
def test_sec_060_only_a_canonical_number_is_a_chunk(suffix: str) -> None:
    assert not COOKIE.owns(NAME + suffix)
    text = f"{NAME}.0=a; {NAME}{suffix}=b"
    assert candidates(read_cookies(text, COOKIE), COOKIE) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{NAME}.1=b", id="SEC-060 first missing"),
        pytest.param(f"{NAME}.0=a; {NAME}.2=c", id="SEC-060 middle missing"),
        pytest.param(f"{NAME}.0=a; {NAME}.1=b; {NAME}.0=x", id="SEC-060 one twice"),
        pytest.param(f"{NAME}.0=a; {NAME}.5=x", id="SEC-060 gap"),
        pytest.param(
            "; ".join(f"{NAME}.{n}=x" for n in range(MAX_CHUNKS + 1)), id="SEC-063 33 chunks"
        ),
        pytest.param(
            "; ".join(f"{NAME}.{n}={'x' * 4000}" for n in range(200)), id="SEC-063 200 chunks"
        ),
    ],
)
def test_inconsistent_chunks_are_refused(text: str) -> None:
    with pytest.raises(TokenInvalid, match="chunks"):
        candidates(read_cookies(text, COOKIE), COOKIE)


def test_sec_067_a_header_full_of_our_name_costs_no_more_than_a_long_one() -> None:
    text = "; ".join(f"{NAME}=v{number}" for number in range(40_000))
    began = time.process_time()
    read_cookies(text, COOKIE)
    assert time.process_time() - began < 1


@settings(deadline=None)
@given(st.lists(st.sampled_from([NAME, ".", "0", "1", "=", ";", " ", '"', "x", "\t", "é"])))
def test_any_header_is_read_or_refused_with_our_own_error(pieces: list[str]) -> None:
    try:
        found = candidates(read_cookies("".join(pieces), COOKIE), COOKIE)
    except TokenInvalid:
        return
    assert all(";" not in value for value in found)


# As an application sends them.

BIG = {"id": "u1", "name": "n" * 4500}


def add_sizes(app: Flask) -> None:
    """Views that make the session longer than one cookie, and shorter again."""

    @app.post("/sign-in-big")
    def sign_in_big() -> str:
        sign_in(BIG)
        return "signed in"

    @app.post("/name/<int:length>")
    def name(length: int) -> str:
        update_session({"name": "n" * length})
        return "updated"

    @app.post("/sign-in-and-out")
    def sign_in_and_out() -> str:
        sign_in(BIG)
        update_session({"name": "Ada"})
        sign_out()
        return "signed out"


def configured(clock: Clock, **config: Any) -> Flask:
    app, auth = make_app(clock, **config)
    add_views(app, auth)
    add_sizes(app)
    return app


SECURE = {"path": "/", "httponly": "", "secure": "", "samesite": "Lax"}
PLAIN = {"path": "/", "httponly": "", "samesite": "Lax"}

CONFIGURED: list[Any] = [
    pytest.param({}, HTTPS, "__Host-jwtsession", "__Host-jwtsession", SECURE, id="https"),
    pytest.param({}, "http://localhost", "jwtsession", "jwtsession", PLAIN, id="http on loopback"),
    pytest.param(
        {"COOKIE_SECURE": True},
        "http://localhost",
        "__Host-jwtsession",
        "__Host-jwtsession",
        SECURE,
        id="COOKIE_SECURE",
    ),
    pytest.param(
        {"COOKIE_SECURE": False},
        "http://app.test",
        "jwtsession",
        "jwtsession",
        PLAIN,
        id="not COOKIE_SECURE",
    ),
    pytest.param(
        {"COOKIE_SECURE": False},
        HTTPS,
        "jwtsession",
        "jwtsession",
        PLAIN,
        id="not COOKIE_SECURE, over https",
    ),
    pytest.param(
        {"BASE_URL": "https://app.test"},
        "http://internal:8000",
        "__Host-jwtsession",
        "__Host-jwtsession",
        SECURE,
        id="BASE_URL behind a proxy",
    ),
    pytest.param(
        {"COOKIE_DOMAIN": ".App.test"},
        HTTPS,
        "__Secure-jwtsession",
        "__Host-jwtsession",
        SECURE | {"domain": "app.test"},
        id="COOKIE_DOMAIN",
    ),
    pytest.param(
        {"COOKIE_PATH": "/app"},
        HTTPS,
        "__Secure-jwtsession",
        "__Secure-jwtsession",
        SECURE | {"path": "/app"},
        id="COOKIE_PATH",
    ),
    pytest.param(
        {"COOKIE_SAMESITE": "None", "COOKIE_PARTITIONED": True, "COOKIE_SECURE": True},
        HTTPS,
        "__Host-jwtsession",
        "__Host-jwtsession",
        SECURE | {"samesite": "None", "partitioned": ""},
        id="SameSite=None and Partitioned",
    ),
    pytest.param(
        {"COOKIE_SAMESITE": "Strict"},
        HTTPS,
        "__Host-jwtsession",
        "__Host-jwtsession",
        SECURE | {"samesite": "Strict"},
        id="SameSite=Strict",
    ),
    pytest.param(
        {"COOKIE_PREFIX": "authjs"},
        HTTPS,
        "__Secure-authjs",
        "__Host-authjs",
        SECURE,
        id="Auth.js over https",
    ),
    pytest.param(
        {"COOKIE_PREFIX": "authjs"},
        "http://localhost",
        "authjs",
        "authjs",
        PLAIN,
        id="Auth.js over http",
    ),
]


@pytest.mark.parametrize(("config", "base_url", "session", "csrf", "attributes"), CONFIGURED)
def test_sec_072_every_line_has_the_same_attributes(
    clock: Clock,
    config: dict[str, Any],
    base_url: str,
    session: str,
    csrf: str,
    attributes: dict[str, str],
) -> None:
    """Set, in chunks, shrunk, rolled and deleted, at https and http, with every configuration."""
    app = configured(clock, UPDATE_AGE=60, **config)
    name = f"{session}.session-token"
    kept: dict[str, str] = {}

    def request(method: str, path: str) -> dict[str, bool]:
        cookie = "; ".join(f"{one}={value}" for one, value in kept.items())
        response = app.test_client(use_cookies=False).open(
            path, method=method, base_url=base_url, headers={"Cookie": cookie, **SAME_ORIGIN}
        )
        assert response.status_code == 200
        found = set_cookies(response)
        for one in found.values():
            lifetime = {"expires", "max-age"}
            assert {
                key: one.attributes[key] for key in one.attributes.keys() - lifetime
            } == attributes
            assert one.attributes.keys() >= lifetime
            kept[one.name] = one.value
            if one.deletes:
                assert one.value == ""
                del kept[one.name]
        return {one.name.removeprefix(name): one.deletes for one in found.values()}

    assert request("POST", "/sign-in-big") == {".0": False, ".1": False}
    assert request("POST", "/name/1") == {"": False, ".0": True, ".1": True}
    assert request("POST", "/name/4500") == {"": True, ".0": False, ".1": False}
    clock.advance(61)
    assert request("GET", "/session") == {".0": False, ".1": False}
    assert request("POST", "/sign-out") == {"": True, ".0": True, ".1": True}
    assert kept == {}


@pytest.mark.parametrize(("config", "base_url", "session", "csrf", "attributes"), CONFIGURED)
def test_sec_072_the_csrf_cookie_never_has_a_domain_and_ends_with_the_browsers_session(
    clock: Clock,
    config: dict[str, Any],
    base_url: str,
    session: str,
    csrf: str,
    attributes: dict[str, str],
) -> None:
    app = configured(clock, **config)
    (cookie,) = set_cookies(app.test_client().get("/auth/csrf", base_url=base_url)).values()
    assert cookie.name == f"{csrf}.csrf-token"
    expected = {name: value for name, value in attributes.items() if name != "domain"}
    assert cookie.attributes == expected


def test_sec_054_a_browser_accepts_the_prefix_of_every_name(clock: Clock) -> None:
    """RFC 6265bis section 4.1.3."""
    for parameters in CONFIGURED:
        config, base_url, *_ = parameters.values
        response = (
            configured(clock, **config)
            .test_client()
            .post(
                "/auth/callback/credentials",
                data={"password": "ok"},
                base_url=base_url,
                headers=SAME_ORIGIN,
            )
        )
        for cookie in set_cookies(response).values():
            if cookie.name.startswith("__"):
                assert "secure" in cookie.attributes
            if cookie.name.startswith("__Host-"):
                assert cookie.attributes["path"] == "/"
                assert "domain" not in cookie.attributes


def test_sec_055_over_plain_http_nobody_is_signed_in_outside_loopback(clock: Clock) -> None:
    app = configured(clock)
    response = app.test_client().post("/sign-in", base_url="http://app.test")
    assert response.status_code == 400
    assert response.get_json()["code"] == "insecure_transport"
    assert "Set-Cookie" not in response.headers


def test_sec_055_a_due_cookie_is_not_sent_over_plain_http(clock: Clock) -> None:
    app = configured(clock, UPDATE_AGE=0)
    response = app.test_client(use_cookies=False).get(
        "/private",
        base_url="http://app.test",
        headers={"Cookie": f"{NAME}={seal(app, claims_at(NOW))}"},
    )
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("setting", ["debug", "testing"])
def test_sec_055_debug_and_testing_allow_plain_http(clock: Clock, setting: str) -> None:
    app = configured(clock)
    setattr(app, setting, True)
    response = app.test_client().post("/sign-in", base_url="http://app.test")
    assert session_token(response)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "a.localhost", "127.0.0.1:80", "127.9.9.9", "[::1]:5000"],
)
def test_sec_055_loopback_allows_plain_http(clock: Clock, host: str) -> None:
    response = configured(clock).test_client().post("/sign-in", base_url=f"http://{host}")
    assert session_token(response)


@pytest.mark.parametrize(
    "host", ["localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "[::2]", "xlocalhost"]
)
def test_sec_055_what_only_looks_like_loopback_does_not(clock: Clock, host: str) -> None:
    response = configured(clock).test_client().post("/sign-in", base_url=f"http://{host}")
    assert response.status_code == 400


def test_sec_146_a_forged_header_does_not_take_secure_away(clock: Clock) -> None:
    response = (
        configured(clock)
        .test_client()
        .post("/sign-in", base_url=HTTPS, headers={"X-Forwarded-Proto": "http"})
    )
    assert set_cookies(response)["__Host-jwtsession.session-token"].attributes["secure"] == ""


def test_sec_076_the_session_cookie_outlives_the_browser_for_as_long_as_configured(
    clock: Clock,
) -> None:
    response = configured(clock, MAX_AGE=7 * 86_400).test_client().post("/sign-in")
    attributes = set_cookies(response)[NAME].attributes
    assert attributes["max-age"] == str(7 * 86_400)
    assert attributes["expires"] == "Fri, 22 Jan 2027 08:00:00 GMT"


def test_sec_036_the_cookie_ends_with_the_absolute_lifetime(clock: Clock) -> None:
    response = configured(clock, ABSOLUTE_MAX_AGE=3600).test_client().post("/sign-in")
    assert set_cookies(response)[NAME].attributes["max-age"] == "3600"


# Chunks of two sessions, planted cookies.


@pytest.fixture
def two_chunked(app: Flask) -> tuple[list[str], list[str]]:
    """Two valid sessions, each in two chunks of the same lengths."""
    tokens = [seal(app, claims_at(NOW, sub=sub, name="n" * 4500)) for sub in ("u1", "u2")]
    first, second = ([token[:CHUNK_SIZE], token[CHUNK_SIZE:]] for token in tokens)
    return first, second


def whole_and(chunks: list[str]) -> str:
    return "; ".join(f"{NAME}.{number}={chunk}" for number, chunk in enumerate(chunks))


def test_a_chunked_session_is_read(client: FlaskClient, two_chunked: Any) -> None:
    assert get(client, "/private", whole_and(two_chunked[0])).status_code == 200


def test_sec_064_chunks_of_two_sessions_make_none(client: FlaskClient, two_chunked: Any) -> None:
    first, second = two_chunked
    for chunks in ([first[0], second[1]], [second[0], first[1]], [*first, second[1]]):
        assert get(client, "/private", whole_and(chunks)).status_code == 401


def test_sec_060_a_stale_chunk_after_the_last_makes_no_session(
    client: FlaskClient, two_chunked: Any
) -> None:
    response = get(client, "/private", whole_and([*two_chunked[0], "x"]))
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


def test_sec_061_stale_chunks_beside_the_whole_are_deleted_at_the_next_write(
    app: Flask, client: FlaskClient, two_chunked: Any
) -> None:
    cookie = f"{NAME}={seal(app, claims_at(NOW))}; {whole_and(two_chunked[1])}"
    assert get(client, "/session", cookie).get_json()["user"]["name"] == "Ada"
    fresh = app.test_client(use_cookies=False)
    response = fresh.post("/update", headers={"Cookie": cookie})
    deleted = {one.name: one.deletes for one in set_cookies(response).values()}
    assert deleted == {NAME: False, f"{NAME}.0": True, f"{NAME}.1": True}


@pytest.mark.parametrize("planted_first", [True, False])
@pytest.mark.parametrize("planted", ["garbage", "", "a.b.c.d.e", "expired", "of another secret"])
def test_sec_067_a_planted_cookie_does_not_hide_the_true_one(
    app: Flask, client: FlaskClient, planted: str, planted_first: bool, signals: Signals
) -> None:
    true = seal(app, claims_at(NOW))
    if planted == "expired":
        planted = seal(app, claims_at(NOW - 9000))
    elif planted == "of another secret":
        planted = seal(make_app(SECRET=OTHER_SECRET)[0], claims_at(NOW))
    values = [planted, true] if planted_first else [true, planted]
    response = get(client, "/session", "; ".join(f"{NAME}={value}" for value in values))
    assert response.get_json()["user"]["name"] == "Ada"
    assert "Set-Cookie" not in response.headers
    assert [name for name, _ in signals] == (["session-rejected"] if planted else [])


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([claims_at(NOW, sub="u2")], id="another valid session"),
        pytest.param([claims_at(NOW, sub="u1", jti="j2")], id="another of the same person"),
        pytest.param(
            [claims_at(NOW, sub="u2"), claims_at(NOW - 9000)], id="a valid and an expired one"
        ),
    ],
)
def test_sec_067_of_two_valid_sessions_none_counts_and_both_stay(
    app: Flask, client: FlaskClient, others: list[dict[str, Any]], signals: Signals
) -> None:
    tokens = [seal(app, claims) for claims in (claims_at(NOW), *others)]
    response = get(client, "/session", "; ".join(f"{NAME}={token}" for token in tokens))
    assert response.get_json() is None
    assert "Set-Cookie" not in response.headers
    assert signals == [("session-rejected", {"reason": "ambiguous"})]


def test_sec_067_more_values_than_anybody_has_are_not_decrypted(
    app: Flask, client: FlaskClient, signals: Signals
) -> None:
    values = [*(f"a.b.c.d.{number}" for number in range(20)), seal(app, claims_at(NOW))]
    response = get(client, "/session", "; ".join(f"{NAME}={value}" for value in values))
    assert response.get_json() is None
    assert signals == [("session-rejected", {"reason": "ambiguous"})]


# Sizes.


def test_sec_062_a_session_grows_and_shrinks_in_one_browser(
    app: Flask, client: FlaskClient
) -> None:
    add_sizes(app)
    client.post("/sign-in")
    for length in (4500, 10, 4600, 2000, 4500):
        client.post(f"/name/{length}", headers=SAME_ORIGIN)
        assert client.get("/session").get_json()["user"]["name"] == "n" * length
        name = session_cookie_name(app)
        kept = {suffix for suffix in ("", ".0", ".1", ".2") if client.get_cookie(name + suffix)}
        assert kept == ({".0", ".1"} if length > 4000 else {""})


def test_sec_062_a_session_of_11_chunks_lives(clock: Clock) -> None:
    app = configured(clock, MAX_TOKEN_SIZE=65_536)
    client = app.test_client()
    client.post("/sign-in")
    client.post("/name/32000", headers=SAME_ORIGIN)
    assert client.get_cookie(f"{NAME}.10")
    assert client.get("/session").get_json()["user"]["name"] == "n" * 32_000
    client.post("/name/5", headers=SAME_ORIGIN)
    assert client.get("/session").get_json()["user"]["name"] == "nnnnn"
    assert not client.get_cookie(f"{NAME}.10")


def test_sec_066_what_is_too_large_is_refused_where_it_is_changed_and_the_cookie_stays(
    app: Flask, client: FlaskClient
) -> None:
    add_sizes(app)
    client.post("/sign-in")
    response = client.post("/name/9000", headers=SAME_ORIGIN)
    assert response.status_code == 413
    assert response.get_json()["code"] == "session_too_large"
    assert "Set-Cookie" not in response.headers
    assert client.get("/session").get_json()["user"]["name"] == "Ada"


def test_sec_066_the_update_endpoint_answers_413(app: Flask, client: FlaskClient) -> None:
    client.post("/sign-in")
    response = client.post(
        "/auth/session", json={"data": {"nick": "n" * 9000}}, headers=SAME_ORIGIN
    )
    assert response.status_code == 413
    assert "Set-Cookie" not in response.headers


def test_sec_066_the_limit_is_the_length_of_the_token_to_the_character(clock: Clock) -> None:
    made = configured(clock).test_client().post("/sign-in-big")
    length = len(session_token(made) or "")
    for limit, status in ((length, 200), (length - 1, 413)):
        app = configured(clock, MAX_TOKEN_SIZE=limit)
        assert app.test_client().post("/sign-in-big").status_code == status


# Responses of every kind.


def test_sec_073_of_several_changes_only_the_last_is_sent(client: FlaskClient, app: Flask) -> None:
    add_sizes(app)
    response = client.post("/sign-in-and-out")
    assert {one.name: one.deletes for one in set_cookies(response).values()} == {NAME: True}


def test_sec_074_a_response_with_a_session_cookie_is_kept_by_no_cache(client: FlaskClient) -> None:
    for path in ("/sign-in", "/update", "/sign-out"):
        response = client.post(path, headers=SAME_ORIGIN)
        assert set_cookies(response)
        assert response.headers["Cache-Control"] == "private, no-store"
        assert response.headers["Vary"] == "Cookie"


def test_sec_074_reading_the_session_makes_a_response_vary(client: FlaskClient) -> None:
    assert client.get("/session").headers["Vary"] == "Cookie"
    untouched = client.get("/unused").headers
    assert "Vary" not in untouched
    assert "Cache-Control" not in untouched


def test_sec_074_what_the_view_says_about_caching_is_made_private(app: Flask) -> None:
    @app.get("/cached")
    def cached() -> Response:
        sign_in({"id": "u1"})
        response = make_response("page")
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.vary.add("Accept-Language")
        return response

    headers = app.test_client().get("/cached").headers
    assert headers["Cache-Control"] == "private, no-store"
    assert set(headers["Vary"].split(", ")) == {"Accept-Language", "Cookie"}


def _stream() -> Iterator[str]:
    yield "streamed"


RESPONSES: dict[str, Callable[[], Any]] = {
    "304": lambda: Response(status=304),
    "204": lambda: ("", 204),
    "redirect": lambda: redirect("/unused"),
    "stream": lambda: Response(_stream()),
    "file": lambda: send_file(__file__, conditional=True),
    "direct passthrough": lambda: Response(_stream(), direct_passthrough=True),
    "static": lambda: current_app.send_static_file("page.txt"),
    "abort": lambda: abort(403),
    "abort with a response": lambda: abort(Response("no", 418)),
    "exception": lambda: 1 // 0,
    "101": lambda: Response(status=101, headers={"Upgrade": "websocket"}),
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("respond", RESPONSES.values(), ids=RESPONSES)
def test_sec_075_a_change_is_written_on_every_kind_of_response(
    clock: Clock, respond: Callable[[], Any], method: str, tmp_path: Any
) -> None:
    (tmp_path / "page.txt").write_text("page")
    app = configured(clock)
    app.static_folder = str(tmp_path)

    @app.route("/change", methods=["GET", "POST"])
    def change() -> Any:
        sign_in({"id": "u1", "name": "Ada"})
        return respond()

    response = app.test_client().open("/change", method=method)
    response.close()
    token = session_token(response) or ""
    assert unseal(app, token)["sub"] == "u1"
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("respond", RESPONSES.values(), ids=RESPONSES)
def test_sec_075_a_response_that_has_nothing_to_do_with_the_session_is_left_alone(
    clock: Clock, respond: Callable[[], Any], method: str, tmp_path: Any
) -> None:
    (tmp_path / "page.txt").write_text("page")
    app = configured(clock, UPDATE_AGE=0)
    bare = Flask("tests.app")
    for one in (app, bare):
        one.static_folder = str(tmp_path)
        one.add_url_rule("/page", view_func=respond, endpoint="page", methods=["GET", "POST"])
    headers = {"Cookie": f"{NAME}={seal(app, claims_at(NOW))}"}
    answers = []
    for one in (app, bare):
        client = one.test_client(use_cookies=False)
        response = client.open("/page", method=method, headers=headers)
        found = dict(response.headers)
        found.pop("Date", None)
        answers.append((response.status_code, found, response.get_data()))
        response.close()
    assert answers[0] == answers[1]


def test_sec_075_a_static_file_stays_cacheable(clock: Clock, tmp_path: Any) -> None:
    (tmp_path / "page.txt").write_text("page")
    app = configured(clock, UPDATE_AGE=0)
    app.static_folder = str(tmp_path)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    response = get(app.test_client(), "/static/page.txt", f"{NAME}={seal(app, claims_at(NOW))}")
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in response.headers
    assert "Vary" not in response.headers
    response.close()


def test_sec_075_a_hook_before_the_view_may_answer_instead(clock: Clock) -> None:
    app = configured(clock)

    @app.before_request
    def answer() -> str:
        sign_in({"id": "u1"})
        return "answered"

    response = app.test_client().get("/unused")
    assert response.data == b"answered"
    assert session_token(response)


def test_sec_075_an_error_handler_sees_the_session_and_the_change_is_kept(clock: Clock) -> None:
    app = configured(clock)

    @app.get("/fails")
    def fails() -> str:
        sign_in({"id": "u1", "name": "Ada"})
        raise LookupError

    @app.errorhandler(LookupError)
    def answer(error: LookupError) -> tuple[str, int]:
        return current_session["user"]["name"], 404

    response = app.test_client().get("/fails")
    assert (response.status_code, response.data) == (404, b"Ada")
    assert session_token(response)


# Several applications on one host.


def visit(client: Client, path: str, *, post: bool = False) -> TestResponse:
    return client.open(path, method="POST" if post else "GET", base_url=HTTPS, headers=SAME_ORIGIN)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"COOKIE_PREFIX": "one"}, {"COOKIE_PREFIX": "two"}, id="names of their own"),
        pytest.param({"COOKIE_PATH": "/one"}, {"COOKIE_PATH": "/two"}, id="paths of their own"),
    ],
)
def test_sec_077_applications_below_one_host_do_not_collide(
    clock: Clock, first: dict[str, Any], second: dict[str, Any]
) -> None:
    apps = {"/one": configured(clock, **first), "/two": configured(clock, **second)}
    client = Client(DispatcherMiddleware(Flask("tests.root"), {**apps}))
    visit(client, "/one/sign-in", post=True)
    assert visit(client, "/one/private").status_code == 200
    assert visit(client, "/two/private").status_code == 401
    visit(client, "/two/sign-in", post=True)
    visit(client, "/one/sign-out", post=True)
    assert visit(client, "/one/private").status_code == 401
    assert visit(client, "/two/private").status_code == 200


def test_sec_077_with_one_name_and_two_secrets_neither_deletes_the_others_cookie(
    clock: Clock,
) -> None:
    apps = {"/one": configured(clock), "/two": configured(clock, SECRET=OTHER_SECRET)}
    client = Client(DispatcherMiddleware(Flask("tests.root"), {**apps}))
    visit(client, "/one/sign-in", post=True)
    response = visit(client, "/two/private")
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers
    assert visit(client, "/one/private").status_code == 200
