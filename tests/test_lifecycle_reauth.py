"""What becomes of a request whose access cookie is over, and whose refresh cookie is good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Response,
    abort,
    copy_current_request_context,
    render_template_string,
    stream_with_context,
)
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    JWTEvent,
    SessionClosed,
    StoreUnavailable,
    UpdateRefused,
    claims_required,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    refresh_session,
    revoke_session,
    revoke_user,
    roles_required,
    sign_in,
    sign_out,
    update_session,
)
from flask_jwtsession.lifecycle.sign_in import sign_in as begin_session
from flask_jwtsession.lifecycle.standing import revoke_at_provider
from flask_jwtsession.lifecycle.state import state_of
from flask_jwtsession.rotation import GRACE, NotDecided, Rotations
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from .faulty_store import FaultyStore
from .integration.provider_sign_in import at_once
from .pair_browsing import ACCESS, DAY, MAX_AGE, REFRESH, Browser, PairApp, seen, who
from .support import NOW, Clock, binding_of, set_cookies

MACHINE = Account(
    provider="machine",
    type="oauth",
    provider_account_id="m-1",
    access_token="at-0",
    refresh_token="rt-0",
    expires_at=NOW + DAY,
    issued_at=NOW,
)


@pytest.fixture
def pair(clock: Clock) -> PairApp:
    return PairApp(clock, CLIENT_UPDATE_FIELDS=["nick"])


def issues_both(response: TestResponse) -> bool:
    """Whether a response sets both cookies, and nothing else."""
    cookies = set_cookies(response)
    return cookies.keys() == {ACCESS, REFRESH} and not any(
        cookie.deletes for cookie in cookies.values()
    )


def deletes_both(response: TestResponse) -> bool:
    cookies = set_cookies(response)
    return cookies.keys() == {ACCESS, REFRESH} and all(
        cookie.deletes for cookie in cookies.values()
    )


def after_its_time(pair: PairApp, **arguments: Any) -> Browser:
    """The browser of somebody who signed in, and whose access cookie is over."""
    browser = pair.sign_in(**arguments)
    pair.access_is_over()
    pair.told.clear()
    return browser


# The access cookie does not roll.


@pytest.mark.parametrize("seconds", [0.0, 30.0, MAX_AGE - 0.001])
def test_a_good_access_cookie_is_neither_rolled_nor_is_the_application_asked(
    pair: PairApp, seconds: float
) -> None:
    browser = pair.sign_in()
    pair.clock.advance(seconds)
    response = browser.visit()
    assert (response.text, set_cookies(response), pair.asked) == ("u1", {}, [])


def test_it_is_over_to_the_moment(pair: PairApp) -> None:
    """Without the leeway of a cookie that is all there is."""
    browser = pair.sign_in()
    pair.clock.advance(MAX_AGE)
    assert browser.visit().text == "u1"
    assert len(pair.asked) == 1


def test_it_lives_for_fifteen_minutes_by_default(clock: Clock) -> None:
    pair = PairApp(clock, MAX_AGE=None)
    assert pair.sign_in().claims()["exp"] == NOW + 900


@pytest.mark.parametrize("update", ["server", "browser", "jwt callback"])
def test_an_update_keeps_the_end_of_the_access_cookie(pair: PairApp, update: str) -> None:
    browser = pair.sign_in()
    before = browser.cookies[REFRESH]
    pair.clock.advance(20)
    if update == "server":
        response = browser.open("/update", "POST")
    elif update == "browser":
        response = browser.open("/auth/session", "POST", json={"data": {"nick": "A"}})
    else:
        pair.auth.jwt_callback(lambda token, event: {**token, "n": pair.clock.now})
        response = browser.visit()
    line = set_cookies(response)[ACCESS]
    assert line.attributes["max-age"] == str(MAX_AGE - 20)
    claims = browser.claims()
    assert (claims["iat"], claims["exp"]) == (NOW + 20, NOW + MAX_AGE)
    assert claims.keys() & {"company_id", "nick", "n"}
    assert browser.cookies[REFRESH] == before
    pair.clock.advance(MAX_AGE - 20)
    assert browser.visit().text == "u1"
    assert len(pair.asked) == 1


def test_sec_036_no_number_of_updates_prolongs_it(pair: PairApp) -> None:
    browser = pair.sign_in()
    for _ in range(MAX_AGE - 1):
        pair.clock.advance(1)
        browser.open("/update", "POST")
        assert browser.claims()["exp"] == NOW + MAX_AGE
    pair.clock.advance(1)
    browser.visit()
    assert browser.claims()["exp"] == NOW + 2 * MAX_AGE


@pytest.mark.parametrize("exp", [NOW + 10 * DAY, NOW + 1, None, "x"])
def test_no_callback_sets_the_end_of_the_access_cookie(pair: PairApp, exp: object) -> None:
    pair.auth.jwt_callback(lambda token, event: {**token, "exp": exp, "role": "admin"})
    browser = pair.sign_in()
    assert browser.claims()["exp"] == NOW + MAX_AGE
    pair.clock.advance(30)
    browser.open("/update", "POST")
    assert browser.claims()["exp"] == NOW + MAX_AGE


def test_new_provider_tokens_keep_it_too(pair: PairApp) -> None:
    pair.auth.refresh_callback(lambda account: {"access_token": "at-1", "expires_in": 3600})
    browser = pair.sign_in(account=MACHINE)
    pair.clock.advance(20)

    def view() -> str:
        account = refresh_session().account
        return str(account and account.access_token)

    assert browser.visit(view, method="POST").text == "at-1"
    assert browser.claims()["exp"] == NOW + MAX_AGE


# Whatever uses the session re-authenticates it.


def is_reader() -> str:
    return str(current_session.token["role"])


async def in_async_view() -> str:
    await asyncio.sleep(0)
    return who()


def updated() -> str:
    update_session({"nick": "A"})
    return who()


def refreshed() -> str:
    refresh_session()
    return who()


#: What a browser does, and what it is told if it was re-authenticated.
USES: dict[str, tuple[Callable[[Browser], TestResponse], str]] = {
    "current_session": (lambda browser: browser.visit(), "u1"),
    "current_user": (
        lambda browser: browser.visit(lambda: str(current_user and current_user["name"])),
        "Ada",
    ),
    "login_required": (lambda browser: browser.open("/private"), "u1"),
    "roles_required": (
        lambda browser: browser.visit(roles_required("reader")(lambda: "let in")),
        "let in",
    ),
    "claims_required": (
        lambda browser: browser.visit(claims_required(role="reader")(lambda: "let in")),
        "let in",
    ),
    "fresh_login_required": (
        lambda browser: browser.visit(fresh_login_required(max_age=DAY)(lambda: "let in")),
        "let in",
    ),
    "a template": (
        lambda browser: browser.visit(lambda: render_template_string("{{ current_user.name }}")),
        "Ada",
    ),
    "an async view": (lambda browser: browser.visit(in_async_view), "u1"),
    "update_session": (lambda browser: browser.visit(updated, method="POST"), "u1"),
    "refresh_session": (lambda browser: browser.visit(refreshed, method="POST"), "u1"),
    "GET /auth/session": (lambda browser: browser.open("/auth/session"), "Ada"),
    "POST /auth/session": (
        lambda browser: browser.open("/auth/session", "POST", json={"data": {"nick": "A"}}),
        "Ada",
    ),
    "POST /auth/session/refresh": (
        lambda browser: browser.open("/auth/session/refresh", "POST"),
        "Ada",
    ),
}


@pytest.fixture(params=USES)
def use(request: pytest.FixtureRequest) -> tuple[Callable[[Browser], TestResponse], str]:
    return USES[request.param]


@pytest.fixture(params=["encrypted", "signed"])
def used(request: pytest.FixtureRequest, clock: Clock) -> PairApp:
    """Everybody is a reader from their first re-authentication on."""
    pair = PairApp(clock, TOKEN_FORMAT=request.param, CLIENT_UPDATE_FIELDS=["nick"])
    pair.reauth.answer = lambda claims: {"name": "Ada", "role": "reader"}
    pair.auth.refresh_callback(lambda account: {"access_token": "at-1", "expires_in": 3600})
    return pair


@pytest.mark.parametrize("access", ["over", "gone", "garbage"])
def test_both_cookies_and_the_session_are_there_in_the_same_request(
    used: PairApp, use: tuple[Callable[[Browser], TestResponse], str], access: str
) -> None:
    browser = after_its_time(used, account=MACHINE)
    browser.cookies = {
        **({} if access == "gone" else {ACCESS: browser.cookies[ACCESS]}),
        REFRESH: browser.cookies[REFRESH],
    }
    if access == "garbage":
        browser.cookies[ACCESS] = "garbage"
    before, (act, told) = dict(browser.cookies), use
    if told == "u1":
        told = "machine|m-1"
    response = act(browser)
    assert response.status_code == 200, response.text
    assert told in response.text
    assert issues_both(response)
    assert len(used.asked) == 1
    assert used.reasons() == []
    claims = browser.claims()
    assert (claims["role"], claims["exp"]) == ("reader", NOW + 2 * MAX_AGE)
    assert browser.generation() == 1
    assert browser.cookies[REFRESH] != before[REFRESH]
    # And that is all, until this one is over.
    assert set_cookies(browser.visit()) == {}
    assert len(used.asked) == 1


def test_a_request_that_does_not_use_the_session_asks_nobody(pair: PairApp) -> None:
    browser = after_its_time(pair)
    response = browser.visit(lambda: "unused")
    assert (set_cookies(response), pair.asked) == ({}, [])
    assert "Vary" not in response.headers


def test_everything_protected_lets_them_in(clock: Clock) -> None:
    pair = PairApp(clock, PROTECT_ALL=True)
    enter = pair.auth.public(lambda: str(bool(sign_in({"id": "u1"}))))
    pair.app.add_url_rule("/enter", "enter", enter, methods=["POST"])
    browser = pair.browser()
    browser.open("/enter", "POST")
    pair.access_is_over()
    response = browser.open("/who")
    assert response.text == "u1"
    assert issues_both(response)


def test_what_is_set_may_be_kept_by_no_cache(pair: PairApp) -> None:
    response = after_its_time(pair).visit()
    assert response.headers["Cache-Control"] == "private, no-store"
    assert "Cookie" in response.vary


def test_the_application_is_asked_once_in_a_request(pair: PairApp) -> None:
    browser = after_its_time(pair)

    def view() -> str:
        update_session({"a": 1})
        return f"{who()} {current_user['name']} {current_session.token['a']}"

    assert browser.visit(view, method="POST").text == "u1 Ada 1"
    assert len(pair.asked) == 1
    assert browser.claims()["a"] == 1
    assert browser.claims()["exp"] == NOW + 2 * MAX_AGE
    assert browser.generation() == 1


def test_the_session_lasts_as_long_as_it_is_used(pair: PairApp) -> None:
    browser = pair.sign_in()
    for number in range(1, 51):
        pair.access_is_over()
        assert browser.visit(is_turn).text == str(number)
        assert browser.generation() == number
    assert pair.reuses() == []
    assert pair.reasons() == []


def is_turn() -> str:
    return str(current_session.token["turn"])


# What the application gets.


def test_the_callback_gets_the_claims_of_the_refresh_cookie(pair: PairApp) -> None:
    browser = after_its_time(pair, refresh_claims={"device": "office", "n": [1, {"a": None}]})
    claims = browser.claims()
    browser.visit()
    assert pair.asked == [
        {
            "device": "office",
            "n": [1, {"a": None}],
            "sub": "u1",
            "sid": claims["sid"],
            "auth_time": NOW,
        }
    ]


def test_it_gets_the_subject_that_the_application_set(pair: PairApp) -> None:
    pair.auth.jwt_callback(lambda token, event: {**token, "sub": "own"})
    after_its_time(pair).visit()
    assert pair.asked[0]["sub"] == "own"


# What it may say.


def test_nothing_of_the_old_access_cookie_is_kept(pair: PairApp) -> None:
    browser = pair.sign_in(claims={"role": "admin"})
    browser.open("/update", "POST")
    pair.access_is_over()
    claims = browser.visit(seen).get_json()
    assert claims.keys() == {"sub", "sid", "auth_time", "iat", "exp", "jti", "name", "turn"}


def test_claims_alone_carry_those_of_the_refresh_cookie_on(pair: PairApp) -> None:
    browser = pair.sign_in(refresh_claims={"device": "office"})
    for _ in range(3):
        pair.access_is_over()
        browser.visit()
    assert [asked["device"] for asked in pair.asked] == ["office"] * 3


def test_claims_of_both_replace_both(pair: PairApp) -> None:
    pair.reauth.answer = lambda claims: ({"name": "Ada"}, {"seen": claims.get("seen", 0) + 1})
    browser = pair.sign_in(refresh_claims={"device": "office"})
    for _ in range(3):
        pair.access_is_over()
        browser.visit()
    assert [asked.get("seen") for asked in pair.asked] == [None, 1, 2]
    assert [asked.get("device") for asked in pair.asked] == ["office", None, None]
    assert all(asked["sub"] == "u1" for asked in pair.asked)


def test_sec_089_what_it_does_to_its_argument_is_not_carried_on(pair: PairApp) -> None:
    def answer(claims: dict[str, Any]) -> dict[str, Any]:
        claims["devices"].append("mine")
        claims["more"] = 1
        return {"name": "Ada"}

    pair.reauth.answer = answer
    browser = pair.sign_in(refresh_claims={"devices": ["office"]})
    for _ in range(3):
        pair.access_is_over()
        browser.visit()
    assert [asked["devices"] for asked in pair.asked] == [["office"]] * 3
    assert "more" not in pair.asked[-1]


RESERVED = {
    "sub": "somebody else",
    "sid": "another",
    "auth_time": NOW + 30,
    "iat": 1,
    "exp": NOW + 10 * DAY,
    "nbf": NOW + DAY,
    "jti": "mine",
    "iss": "them",
    "aud": "them",
    "_session": {"account": {"provider": "mine"}, "rotation": {"grant": "g", "gen": 7}},
}


@pytest.mark.parametrize("both", [True, False])
def test_sec_120_reserved_claims_are_put_back(pair: PairApp, both: bool) -> None:
    def answer(claims: dict[str, Any]) -> Any:
        mine = {**RESERVED, "name": "Ada"}
        return (mine, mine) if both else mine

    pair.reauth.answer = answer
    browser = pair.sign_in()
    sid, grant = browser.claims()["sid"], browser.refresh_claims()["_session"]["rotation"]["grant"]
    pair.access_is_over()
    browser.visit()
    for claims in (browser.claims(), browser.refresh_claims()):
        assert (claims["sub"], claims["sid"], claims["auth_time"]) == ("u1", sid, NOW)
        assert claims["iat"] == NOW + MAX_AGE
        assert claims["jti"] != "mine"
        assert not claims.keys() & {"nbf", "iss", "aud"}
    assert browser.claims()["exp"] == NOW + 2 * MAX_AGE
    assert browser.refresh_claims()["exp"] == NOW + MAX_AGE + 30 * DAY
    assert browser.refresh_claims()["_session"] == {"rotation": {"grant": grant, "gen": 1}}
    assert "_session" not in browser.claims()
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert pair.asked[1].keys() == ({"name"} if both else set()) | {"sub", "sid", "auth_time"}


@pytest.mark.parametrize("both", [True, False])
def test_it_may_return_what_it_got(pair: PairApp, both: bool) -> None:
    pair.reauth.answer = lambda claims: (claims, claims) if both else claims
    browser = pair.sign_in(refresh_claims={"device": "office"})
    for number in (1, 2, 3):
        pair.access_is_over()
        assert browser.visit(seen).get_json()["device"] == "office"
        assert browser.claims()["exp"] == NOW + (number + 1) * MAX_AGE
    assert pair.asked == [pair.asked[0]] * 3


def test_an_empty_mapping_is_a_yes(pair: PairApp) -> None:
    pair.reauth.answer = lambda claims: {}
    browser = after_its_time(pair)
    assert browser.visit().text == "u1"
    assert browser.claims().keys() == {"sub", "sid", "auth_time", "iat", "exp", "jti"}


def test_it_may_be_async(pair: PairApp) -> None:
    async def answer(claims: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"name": claims["sub"]}

    pair.auth.reauth_callback(answer)
    browser = pair.sign_in()
    for view in (lambda: str(current_user["name"]), in_async_view):
        pair.access_is_over()
        assert browser.visit(view).text == "u1"


MISTAKES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "True": lambda claims: True,
    "False": lambda claims: False,
    "a text": lambda claims: "u1",
    "a list": lambda claims: ["u1"],
    "a tuple of one": lambda claims: ({},),
    "a tuple of three": lambda claims: ({}, {}, {}),
    "claims and None": lambda claims: ({}, None),
    "None and claims": lambda claims: (None, {}),
    "a tuple of texts": lambda claims: ("a", "b"),
    "claims that are not JSON": lambda claims: {"when": datetime.now(UTC)},
    "refresh claims that are not JSON": lambda claims: ({}, {"when": {1, 2}}),
    "NaN": lambda claims: {"n": float("nan")},
    "a lone surrogate": lambda claims: {"n": "\ud800"},
    "it raises": lambda claims: 1 / 0,
    "it looks for a session": lambda claims: {"name": current_user["name"]},
    "it updates the session": lambda claims: update_session({"a": 1}),
    "it signs out": lambda claims: sign_out(),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_sec_216_a_mistake_of_the_application_fails_the_request_and_leaves_both_cookies(
    pair: PairApp, mistake: Callable[[dict[str, Any]], Any]
) -> None:
    browser = after_its_time(pair)
    before, good = dict(browser.cookies), pair.reauth.answer
    pair.reauth.answer = mistake
    for _ in range(2):
        response = browser.visit()
        assert (response.status_code, set_cookies(response)) == (500, {})
    assert pair.rejections() == ["reauth_failed"] * 2
    assert pair.reasons() == []
    assert browser.cookies == before
    pair.reauth.answer = good
    assert browser.visit().text == "u1"
    assert browser.generation() == 1


TOO_LARGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "access claims": lambda claims: {"x": "y" * 5000},
    "refresh claims": lambda claims: ({}, {"x": "y" * 1500}),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
def test_sec_066_claims_that_do_not_fit_leave_both_cookies(
    pair: PairApp, answer: Callable[[dict[str, Any]], Any]
) -> None:
    browser = after_its_time(pair)
    before, good = dict(browser.cookies), pair.reauth.answer
    pair.reauth.answer = answer
    response = browser.visit()
    assert (response.status_code, set_cookies(response)) == (413, {})
    assert browser.cookies == before
    pair.reauth.answer = good
    assert browser.visit().text == "u1"


@pytest.mark.parametrize("status", [403, 429, 503])
def test_its_http_exceptions_pass_and_leave_both_cookies(pair: PairApp, status: int) -> None:
    browser = after_its_time(pair)
    good = pair.reauth.answer
    pair.reauth.answer = lambda claims: abort(status)
    response = browser.visit()
    assert (response.status_code, set_cookies(response)) == (status, {})
    assert pair.reasons() == []
    pair.reauth.answer = good
    assert browser.visit().text == "u1"


def test_its_error_is_told_whatever_used_the_session(
    used: PairApp, use: tuple[Callable[[Browser], TestResponse], str]
) -> None:
    browser = after_its_time(used, account=MACHINE)
    used.reauth.answer = lambda claims: 1 / 0
    response = use[0](browser)
    assert (response.status_code, set_cookies(response)) == (500, {})
    assert used.rejections() == ["reauth_failed"]


def test_the_rest_of_a_request_that_failed_is_nobodys(pair: PairApp) -> None:
    pair.app.register_error_handler(500, lambda error: (f"sorry, {who()}", 500))
    browser = after_its_time(pair)
    pair.reauth.answer = lambda claims: 1 / 0
    response = browser.visit()
    assert (response.text, set_cookies(response)) == ("sorry, nobody", {})
    assert len(pair.asked) == 1


def test_an_error_page_can_sign_out_whom_it_could_not_re_authenticate(pair: PairApp) -> None:
    def leave(error: Exception) -> str:
        sign_out()
        return who()

    pair.app.register_error_handler(ZeroDivisionError, leave)
    browser = after_its_time(pair)
    copy = browser.copy()
    good = pair.reauth.answer
    pair.reauth.answer = lambda claims: 1 / 0
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert pair.reasons() == ["user"]
    pair.reauth.answer = good
    assert copy.visit().text == "nobody"


def test_without_a_callback_the_error_says_what_is_missing(clock: Clock) -> None:
    """A worker that was deployed without it."""
    store = MemoryStore(clock)
    browser = after_its_time(PairApp(clock, STORE=store))
    other = PairApp(clock, STORE=store)
    binding_of(other.app).callbacks.reauth = None
    here = browser.at(other.app)
    assert here.visit().status_code == 500
    assert browser.visit().text == "u1"


# None.


def test_sec_216_none_signs_out_whatever_used_the_session(
    used: PairApp, use: tuple[Callable[[Browser], TestResponse], str]
) -> None:
    browser = after_its_time(used, account=MACHINE)
    copy, good = browser.copy(), used.reauth.answer
    used.reauth.answer = lambda claims: None
    response = use[0](browser)
    assert response.status_code < 500
    assert "Ada" not in response.text
    assert deletes_both(response)
    assert used.reasons() == ["callback"]
    [(_, told)] = [one for one in used.told if one[0] == "signed-out"]
    assert told["session"].token["sub"] == "machine|m-1"
    # It is over for copies of its cookies too, also when the application would say yes again.
    used.reauth.answer = good
    for _ in range(2):
        used.access_is_over()
        response = copy.copy().visit()
        assert (response.text, set_cookies(response)) == ("nobody", {})
    assert len(used.asked) == 1
    assert used.reasons() == ["callback"]


def test_none_for_the_other_requests_of_the_same_moment_is_silent(pair: PairApp) -> None:
    """They are late, and what they would delete could be the cookies of a new sign-in."""
    browser = after_its_time(pair)
    late = browser.copy()
    pair.reauth.answer = lambda claims: None
    assert deletes_both(browser.visit())
    response = late.visit()
    assert (response.text, set_cookies(response)) == ("nobody", {})
    assert (len(pair.asked), pair.reasons()) == (1, ["callback"])


def test_who_was_signed_out_can_sign_in_again(pair: PairApp) -> None:
    browser = after_its_time(pair)
    good = pair.reauth.answer
    pair.reauth.answer = lambda claims: None
    browser.visit()
    pair.reauth.answer = good
    browser.sign_in()
    pair.access_is_over()
    assert browser.visit().text == "u1"


# What survives.


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_who_somebody_is_and_since_when_survives(clock: Clock, token_format: str) -> None:
    pair = PairApp(clock, TOKEN_FORMAT=token_format)
    clock.now = NOW + 0.25
    browser = pair.sign_in()
    names = ("sub", "sid", "auth_time")
    before = {name: browser.claims()[name] for name in names}
    assert before["auth_time"] == NOW + 0.25
    jtis = set()
    for _ in range(3):
        pair.access_is_over()
        browser.visit()
        for claims in (browser.claims(), browser.refresh_claims()):
            assert {name: claims[name] for name in names} == before
            jtis.add(claims["jti"])
    assert len(jtis) == 6


def test_sec_090_a_re_authentication_is_no_login(pair: PairApp) -> None:
    guarded = fresh_login_required(max_age=2 * MAX_AGE)(lambda: "fresh")
    browser = pair.sign_in()
    pair.access_is_over()
    assert browser.visit(guarded).text == "fresh"
    pair.access_is_over()
    assert browser.visit(guarded).text == "fresh"
    pair.access_is_over()
    assert browser.visit(guarded).status_code == 401
    assert browser.visit().text == "u1"


def from_provider(pair: PairApp, authenticated_at: float) -> Browser:
    """The browser of somebody who came from a provider, as its callback signs them in."""

    def view() -> str:
        state = state_of(binding_of(pair.app))
        private = {"authenticated_at": authenticated_at, "provider_session": "ps-1"}
        begin_session(
            state, {"id": "u1"}, account=MACHINE, profile=None, claims=None, private=private
        )
        return who()

    browser = pair.browser()
    assert browser.visit(view, method="POST").text == "machine|m-1"
    pair.access_is_over()
    pair.told.clear()
    return browser


def test_sec_090_when_they_logged_in_at_their_provider_survives(pair: PairApp) -> None:
    """Which was days before they signed in here."""
    browser = from_provider(pair, NOW - DAY)
    assert browser.visit(fresh_login_required(max_age=DAY)(lambda: "fresh")).status_code == 401
    guarded = fresh_login_required(max_age=2 * DAY)(lambda: "fresh")
    assert browser.visit(guarded).text == "fresh"


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_the_account_and_its_tokens_survive(clock: Clock, token_format: str) -> None:
    pair = PairApp(clock, TOKEN_FORMAT=token_format)
    browser = pair.sign_in(account=MACHINE)
    accounts: list[Account | None] = []

    def view() -> str:
        accounts.append(current_session.account)
        return ""

    for _ in range(3):
        pair.access_is_over()
        browser.visit(view)
    assert accounts == [MACHINE] * 3
    for claims in (browser.claims(), browser.refresh_claims()):
        assert "at-0" not in str(claims)
        assert "rt-0" not in str(claims)


def test_tokens_that_are_due_after_a_re_authentication_are_refreshed_once(clock: Clock) -> None:
    """And those that were refreshed under the old access cookie are not lost with it."""
    pair = PairApp(clock)
    refreshed: list[str | None] = []

    def refresh(account: Account) -> dict[str, Any]:
        refreshed.append(account.access_token)
        return {"access_token": f"at-{len(refreshed)}", "expires_in": 100}

    pair.auth.refresh_callback(refresh)
    account = Account(**{**vars(MACHINE), "refresh_token": None, "expires_at": NOW + 50})
    browser = pair.sign_in(account=account)

    def view() -> str:
        found = current_session.account
        return str(found and found.access_token)

    clock.now = NOW + 51
    assert browser.visit(view).text == "at-1"  # under the first access cookie
    clock.now = NOW + MAX_AGE
    assert browser.visit(view).text == "at-1"  # which is over now
    clock.now = NOW + 3 * MAX_AGE
    late = browser.copy()
    assert browser.visit(view).text == "at-2"  # both are over
    assert late.visit(view).text == "at-2"
    assert refreshed == ["at-0", "at-1"]
    assert len(pair.asked) == 2


def test_an_account_without_tokens_survives(pair: PairApp) -> None:
    account = Account(provider="ldap", type="credentials", provider_account_id="7")
    browser = after_its_time(pair, account=account)

    def view() -> str:
        return str(current_session.account and current_session.account.provider_account_id)

    assert browser.visit(view).text == "7"


def test_the_jwt_callback_runs_as_on_any_other_load(pair: PairApp) -> None:
    events: list[tuple[str | None, Any]] = []

    @pair.auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        events.append((event.trigger, token.get("turn")))
        return {**token, "visits": token.get("visits", 0) + 1}

    browser = after_its_time(pair)
    assert browser.visit(lambda: str(current_session.token["visits"])).text == "1"
    assert events == [("sign_in", None), (None, 1)]
    assert browser.claims()["visits"] == 1
    assert browser.claims()["exp"] == NOW + 2 * MAX_AGE


def test_a_jwt_callback_that_ends_the_session_then_ends_it(pair: PairApp) -> None:
    browser = after_its_time(pair)
    copy = browser.copy()
    pair.auth.jwt_callback(lambda token, event: None)
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert pair.reasons() == ["callback"]
    pair.auth.jwt_callback(lambda token, event: token)
    assert copy.visit().text == "nobody"


def test_the_public_session_ends_with_the_new_access_cookie(pair: PairApp) -> None:
    browser = after_its_time(pair)
    pair.auth.session_callback(lambda session, token: {**session, "turn": token["turn"]})
    public = browser.open("/auth/session").get_json()
    assert public["turn"] == 1
    assert public["expires"] == "2027-01-15T08:02:00.000Z"


# The end.


def test_sec_217_nobody_is_re_authenticated_beyond_the_absolute_age(clock: Clock) -> None:
    pair = PairApp(clock, ABSOLUTE_MAX_AGE=1000)
    browser = pair.sign_in()
    for _ in range(16):
        pair.access_is_over()
        assert browser.visit().text == "u1"
        assert browser.claims()["exp"] <= NOW + 1000
        assert browser.refresh_claims()["exp"] == NOW + 1000
    assert clock.now == NOW + 960
    assert browser.claims()["exp"] == NOW + 1000
    asked = len(pair.asked)
    clock.now = NOW + 1015
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert (len(pair.asked), pair.reasons()) == (asked, ["expired"])


@pytest.mark.parametrize("seconds", [0.0, 1.0, 14.9])
def test_in_the_leeway_after_the_absolute_age_no_token_is_issued_that_is_over(
    clock: Clock, seconds: float
) -> None:
    pair = PairApp(clock, ABSOLUTE_MAX_AGE=100)
    browser = pair.sign_in()
    clock.now = NOW + 100 + seconds
    set_by = set_cookies(browser.visit())
    assert [cookie.name for cookie in set_by.values() if cookie.value] == []


def test_a_session_that_was_left_alone_for_too_long_ends(clock: Clock) -> None:
    pair = PairApp(clock, REFRESH_MAX_AGE=1000)
    browser = pair.sign_in()
    for _ in range(3):
        clock.advance(999)
        assert browser.visit().text == "u1"
    clock.advance(1015)
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert len(pair.asked) == 3
    assert pair.reasons() == ["expired"]
    [(_, told)] = [one for one in pair.told if one[0] == "signed-out"]
    assert told["session"].token["sub"] == "u1"


def test_the_end_of_an_access_cookie_is_not_told(pair: PairApp) -> None:
    browser = after_its_time(pair)
    browser.visit()
    without = after_its_time(pair).copy(ACCESS)
    response = without.visit()
    assert (response.text, set_cookies(response)) == ("nobody", {})
    # Without a refresh cookie it is a cookie that is not accepted, and nobody's end: the other one
    # may be where this request does not reach.
    assert (pair.reasons(), pair.rejections()) == ([], ["expired"])


# The user_loader.


def test_the_user_loader_gets_the_new_claims(pair: PairApp) -> None:
    loaded: list[Any] = []

    @pair.auth.user_loader
    def load(token: dict[str, Any]) -> str:
        loaded.append(token["turn"])
        return "a user"

    browser = after_its_time(pair)
    assert browser.visit(lambda: str(current_user)).text == "a user"
    pair.access_is_over()
    assert browser.open("/private").text == "u1"
    pair.access_is_over()
    assert browser.open("/auth/session", "POST", json={"data": {}}).status_code == 200
    assert loaded == [1, 2, 3]


def test_whom_the_user_loader_does_not_know_is_nobody_and_keeps_both_cookies(
    pair: PairApp,
) -> None:
    pair.auth.user_loader(lambda token: None)
    browser = after_its_time(pair)
    response = browser.open("/private")
    assert response.status_code == 401
    assert issues_both(response)
    pair.auth.user_loader(lambda token: "known again")
    assert browser.open("/private").status_code == 200
    assert len(pair.asked) == 1


# Whatever happens later in the request, its response brings the cookies.


def fail(*_: object) -> Any:
    raise ArithmeticError


def abort_view() -> str:
    assert current_session
    abort(404)


def failing_view() -> str:
    assert current_session
    raise ArithmeticError


def set_nothing(pair: PairApp) -> None: ...


FAILURES: dict[str, tuple[Callable[[PairApp], object], Callable[[], str]]] = {
    "the view raises": (set_nothing, failing_view),
    "the view aborts": (set_nothing, abort_view),
    "the jwt callback raises": (lambda pair: pair.auth.jwt_callback(fail), who),
    "the jwt callback raises in an update": (lambda pair: pair.auth.jwt_callback(fail), updated),
    "the session callback raises": (lambda pair: pair.auth.session_callback(fail), who),
    "the user_loader raises": (
        lambda pair: pair.auth.user_loader(fail),
        lambda: str(current_user),
    ),
    "the jwt callback returns too much": (
        lambda pair: pair.auth.jwt_callback(lambda token, event: {**token, "x": "y" * 9000}),
        who,
    ),
    "the jwt callback returns no mapping": (
        lambda pair: pair.auth.jwt_callback(lambda token, event: 7),
        who,
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_sec_220_an_error_after_the_re_authentication_costs_no_cookie(
    pair: PairApp, failure: tuple[Callable[[PairApp], object], Callable[[], str]]
) -> None:
    browser = after_its_time(pair)
    set_up, view = failure
    set_up(pair)
    response = browser.visit(view)
    assert response.status_code in (404, 413, 500)
    assert issues_both(response)
    pair.auth.jwt_callback(lambda token, event: token)
    pair.auth.session_callback(lambda session, token: session)
    pair.auth.user_loader(lambda token: "a user")
    pair.clock.advance(GRACE + 1)
    assert browser.visit().text == "u1"
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert pair.reuses() == []


def test_sec_220_a_response_that_was_never_sent_costs_nothing_within_the_grace_time(
    pair: PairApp,
) -> None:
    """In debug mode the error goes up to the server, and no hook sees a response."""
    browser = after_its_time(pair)
    pair.app.testing = True
    with pytest.raises(ArithmeticError):
        browser.visit(failing_view)
    pair.clock.advance(GRACE)
    assert browser.visit(is_turn).text == "1"
    assert len(pair.asked) == 1
    assert browser.generation() == 1


def test_an_update_that_is_refused_after_it_costs_no_cookie(pair: PairApp) -> None:
    @pair.auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "update":
            raise UpdateRefused("no")
        return token

    browser = after_its_time(pair)
    response = browser.open("/update", "POST")
    assert response.status_code == 400
    assert issues_both(response)


def test_what_a_request_does_to_the_session_afterwards_counts(pair: PairApp) -> None:
    browser = after_its_time(pair)

    def leave() -> str:
        first = who()
        sign_out()
        return f"{first} {who()}"

    response = browser.visit(leave, method="POST")
    assert response.text == "u1 nobody"
    assert deletes_both(response)
    assert pair.reasons() == ["user"]


def test_a_sign_in_after_it_is_a_session_of_its_own(pair: PairApp) -> None:
    browser = after_its_time(pair)
    copy = browser.copy()

    def change() -> str:
        first = who()
        sign_in({"id": "u2"})
        return f"{first} {who()}"

    response = browser.visit(change, method="POST")
    assert response.text == "u1 u2"
    assert issues_both(response)
    assert pair.reasons() == ["replaced"]
    assert browser.generation() == 0
    assert copy.visit().text == "nobody"
    pair.access_is_over()
    assert browser.visit().text == "u2"


# A request that cannot bring the cookies does not re-authenticate.


def streamed(produce: Callable[[], str]) -> Callable[[], Response]:
    def view() -> Response:
        def chunks() -> Iterator[str]:
            yield produce()

        return Response(stream_with_context(chunks()))

    return view


def test_in_a_stream_nobody_is_re_authenticated(pair: PairApp) -> None:
    browser = after_its_time(pair)
    response = browser.visit(streamed(who))
    assert (response.text, set_cookies(response), pair.asked) == ("nobody", {}, [])
    assert pair.told == []
    assert browser.visit().text == "u1"


def test_a_stream_whose_view_used_the_session_has_it(pair: PairApp) -> None:
    browser = after_its_time(pair)

    def view() -> Response:
        assert current_session
        return streamed(who)()

    response = browser.visit(view)
    assert response.text == "u1"
    assert issues_both(response)


def test_after_the_response_is_finished_nobody_is_re_authenticated(pair: PairApp) -> None:
    found: list[str] = []

    @pair.app.teardown_request
    def look(error: BaseException | None) -> None:
        found.append(who())
        with pytest.raises(SessionClosed):
            update_session({"a": 1})

    browser = after_its_time(pair)
    found.clear()
    browser.visit(lambda: "")
    assert (found, pair.asked) == (["nobody"], [])


def test_an_after_request_hook_of_the_application_may_re_authenticate(pair: PairApp) -> None:
    """It runs before ours, which was there first."""

    @pair.app.after_request
    def look(response: Response) -> Response:
        if not response.get_data():
            response.set_data(who())
        return response

    response = after_its_time(pair).visit(lambda: "")
    assert response.text == "u1"
    assert issues_both(response)


def test_over_plain_http_in_production_nobody_is_re_authenticated(pair: PairApp) -> None:
    browser = after_its_time(pair)
    before = dict(browser.cookies)
    for path in ("/who", "/auth/session"):
        response = browser.open(path, base_url="http://app.example")
        assert response.text.strip() in ("nobody", "null")
        assert set_cookies(response) == {}
    response = browser.open("/update", "POST", base_url="http://app.example")
    assert response.status_code == 400
    assert (browser.cookies, pair.asked) == (before, [])
    assert browser.visit().text == "u1"


def test_a_thread_that_outlives_the_response_spends_no_refresh_cookie(pair: PairApp) -> None:
    """What it would get nobody would have: the browser comes back with the old one."""
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def answer(claims: dict[str, Any]) -> dict[str, Any]:
        inside.set()
        assert go_on.wait(timeout=30)
        return {"name": "Ada"}

    def look() -> None:
        try:
            bool(current_session)
        finally:
            done.set()

    def view() -> str:
        threading.Thread(target=copy_current_request_context(look)).start()
        assert inside.wait(timeout=30)
        return "early"

    browser = after_its_time(pair)
    good, pair.reauth.answer = pair.reauth.answer, answer
    response = browser.visit(view)
    go_on.set()
    assert done.wait(timeout=30)
    assert (response.text, set_cookies(response)) == ("early", {})
    pair.reauth.answer = good
    pair.clock.advance(GRACE + 1)
    assert browser.visit().text == "u1"
    assert pair.reuses() == []


# Several at once.


def test_all_threads_of_a_request_share_one_re_authentication(pair: PairApp) -> None:
    together, found = threading.Barrier(6), list[Any]()

    def look() -> None:
        together.wait(timeout=30)
        found.append(current_session.token["turn"])

    def view() -> str:
        threads = [threading.Thread(target=copy_current_request_context(look)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        return is_turn()

    response = after_its_time(pair).visit(view)
    assert (response.text, found) == ("1", [1] * 6)
    assert issues_both(response)
    assert len(pair.asked) == 1


def test_sec_216_of_eight_requests_of_two_processes_one_asks(clock: Clock) -> None:
    store = FaultyStore(clock)
    one, other = PairApp(clock, STORE=store), PairApp(clock, STORE=store)
    all_look = threading.Event()

    def answer(claims: dict[str, Any]) -> dict[str, Any]:
        assert all_look.wait(timeout=30)
        return {"name": "Ada", "turn": 1}

    def count() -> None:
        # Each looks for revocations and at the record, the one that asks once more.
        if store.calls.count("get_many") >= 8 * 2 + 1:
            all_look.set()

    one.reauth.answer = other.reauth.answer = answer
    browser = after_its_time(one)
    store.calls.clear()
    store.each_time = count
    browsers = [browser.copy().at(pair.app) for pair in (one, other) for _ in range(4)]
    answers = at_once(*(lambda each=each: each.visit(seen) for each in browsers))
    assert len(one.asked) + len(other.asked) == 1
    assert all(issues_both(response) for response in answers)
    assert {each.generation() for each in browsers} == {1}
    assert {each.claims()["exp"] for each in browsers} == {NOW + 2 * MAX_AGE}
    claims = [response.get_json() for response in answers]
    assert len({(each["sid"], each["turn"], each["exp"]) for each in claims}) == 1


@pytest.mark.parametrize("seconds", [0.0, 1.0, GRACE])
def test_sec_211_the_cookie_before_adopts_the_claims_and_the_end(
    clock: Clock, seconds: float
) -> None:
    store = MemoryStore(clock)
    one, other = PairApp(clock, STORE=store), PairApp(clock, STORE=store)
    one.reauth.answer = lambda claims: ({"name": "Ada", "role": "reader"}, {"seen": 1})
    browser = after_its_time(one, refresh_claims={"seen": 0})
    late = browser.copy().at(other.app)
    browser.visit()
    clock.advance(seconds)
    response = late.visit(seen)
    assert issues_both(response)
    assert other.asked == []
    claims = response.get_json()
    assert (claims["role"], claims["exp"], claims["iat"]) == (
        "reader",
        browser.claims()["exp"],
        clock.now,
    )
    assert set_cookies(response)[ACCESS].attributes["max-age"] == str(int(MAX_AGE - seconds))
    # From there on they are one.
    assert late.refresh_claims()["seen"] == 1
    one.access_is_over()
    assert late.visit().text == "u1"
    assert other.asked[0]["seen"] == 1
    assert one.reuses() == other.reuses() == []


def test_what_is_over_before_it_can_be_adopted_is_followed(clock: Clock) -> None:
    pair = PairApp(clock, MAX_AGE=10)
    browser = after_its_time(pair)
    late = browser.copy()
    browser.visit()
    clock.advance(10)
    assert late.visit(is_turn).text == "2"
    assert late.claims()["exp"] == NOW + 30
    assert browser.visit(is_turn).text == "2"
    assert pair.reuses() == []


def test_a_browser_that_lost_a_response_may_come_back_with_two_requests(clock: Clock) -> None:
    pair = PairApp(clock, MAX_AGE=10)
    browser = after_its_time(pair)
    first, second = browser.copy(), browser.copy()
    browser.visit()
    clock.advance(12)
    assert [first.visit().text, second.visit().text] == ["u1", "u1"]
    assert pair.reuses() == []


@pytest.mark.parametrize("skew", [-10.0, 10.0])
def test_machines_whose_clocks_differ_a_little_get_along(skew: float) -> None:
    here, there = Clock(), Clock(NOW + skew)
    store = MemoryStore(here)
    one, other = PairApp(here, STORE=store), PairApp(there, STORE=store)
    browser = one.sign_in()
    for number in range(12):
        for clock in (here, there):
            clock.advance(25)
        late = browser.copy()
        for at in ((one, other), (other, one))[number % 2]:
            copy = browser.at(at.app)
            assert copy.visit().text == "u1"
            browser.cookies = copy.cookies
        if late.cookies[REFRESH] != browser.cookies[REFRESH]:
            # One that came late, to either of them.
            for clock in (here, there):
                clock.advance(10)
            assert late.at(one.app).visit().text == "u1"
            assert late.at(other.app).visit().text == "u1"
    assert one.reuses() == other.reuses() == []
    assert 4 <= len(one.asked) + len(other.asked) <= 12


def test_sec_041_a_clock_that_was_set_back_keeps_both_cookies_for_later(pair: PairApp) -> None:
    browser = after_its_time(pair)
    browser.visit()
    late, now = browser.copy(), pair.clock.now
    pair.clock.now = NOW - 3600
    response = browser.visit()
    assert (response.text, set_cookies(response), pair.reasons()) == ("nobody", {}, [])
    pair.clock.now = now + MAX_AGE
    assert browser.visit().text == "u1"
    assert late.visit().text == "u1"
    assert pair.reuses() == []


# A sign-out or a revocation meanwhile wins.


ENDINGS: dict[str, Callable[[PairApp, Browser], object]] = {
    "sign-out": lambda pair, browser: browser.copy().open("/leave", "POST"),
    "sign-out of the endpoint": lambda pair, browser: browser.copy().open("/auth/signout", "POST"),
    "revoke_session": lambda pair, browser: revoke_session(browser.refresh_claims()["sid"]),
    "revoke_user": lambda pair, browser: revoke_user(browser.refresh_claims()["sub"]),
    "the provider's session ended": lambda pair, browser: revoke_at_provider(
        binding_of(pair.app), "machine", session_id="ps-1", account_id=None
    ),
    "the provider's account ended": lambda pair, browser: revoke_at_provider(
        binding_of(pair.app), "machine", session_id=None, account_id="m-1"
    ),
    "another sign-in": lambda pair, browser: browser.copy().sign_in("u2"),
}


@pytest.fixture(params=ENDINGS)
def ending(request: pytest.FixtureRequest) -> Callable[[PairApp, Browser], object]:
    return ENDINGS[request.param]


def test_sec_217_what_ended_is_not_re_authenticated(
    pair: PairApp, ending: Callable[[PairApp, Browser], object]
) -> None:
    browser = from_provider(pair, NOW)
    with pair.app.app_context():
        ending(pair, browser)
    assert browser.visit().text == "nobody"
    assert pair.asked == []
    assert len(pair.reasons()) == 1


def test_sec_217_what_ends_while_the_application_is_asked_has_ended(
    pair: PairApp, ending: Callable[[PairApp, Browser], object]
) -> None:
    browser = from_provider(pair, NOW)
    copy = browser.copy()

    def end(claims: dict[str, Any]) -> dict[str, Any]:
        # In a thread of its own, as another request: this one's context is none of its business.
        def work() -> None:
            with pair.app.app_context():
                ending(pair, copy)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=30)
        return {"name": "Ada"}

    pair.reauth.answer = end
    response = browser.visit()
    assert response.text == "nobody"
    assert not any(cookie.value for cookie in set_cookies(response).values())
    assert len(pair.reasons()) == 1
    # Also for the cookies that may have come of it.
    assert copy.visit().text == "nobody"
    assert len(pair.reasons()) == 1


def test_a_callback_that_revokes_the_person_signs_them_out(pair: PairApp) -> None:
    def answer(claims: dict[str, Any]) -> dict[str, Any]:
        revoke_user(claims["sub"])
        return {"name": "Ada"}

    pair.reauth.answer = answer
    browser = after_its_time(pair)
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert pair.reasons() == ["revoked"]


def test_a_revoked_person_signs_in_again_and_is_re_authenticated(pair: PairApp) -> None:
    browser = after_its_time(pair)
    with pair.app.app_context():
        revoke_user("u1")
    browser.visit()
    browser.sign_in()
    pair.access_is_over()
    assert browser.visit().text == "u1"


# The store.


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


WRITES = {"put", "compare_and_set", "take_lease", "delete"}


def test_a_store_that_lost_everything_signs_nobody_out(clock: Clock, store: FaultyStore) -> None:
    pair = PairApp(clock, STORE=store)
    browser = pair.sign_in()
    for _ in range(5):
        pair.access_is_over()
        assert browser.visit().text == "u1"
        store._entries.clear()
    assert browser.generation() == 5
    assert (pair.reuses(), pair.reasons()) == ([], [])


def test_sec_219_a_file_that_was_deleted_signs_nobody_out(clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "store" / "sessions.sqlite3"
    file.parent.mkdir()
    store = SQLiteStore(file, clock)
    pair = PairApp(clock, STORE=store)
    browser = pair.sign_in()
    for _ in range(3):
        pair.access_is_over()
        assert browser.visit().text == "u1"
        for one in file.parent.iterdir():
            one.unlink()
    store.close()
    assert browser.generation() == 3
    assert (pair.reuses(), pair.reasons()) == ([], [])


@pytest.mark.parametrize("failing", [{"get_many"}, {"take_lease"}, {"get_many", *WRITES}])
def test_a_store_that_is_away_keeps_the_cookies_and_says_so(
    clock: Clock, store: FaultyStore, failing: set[int | str]
) -> None:
    pair = PairApp(clock, STORE=store)
    browser = after_its_time(pair)
    before = dict(browser.cookies)
    store.refused |= failing
    answers = [
        browser.open("/private"),
        browser.open("/auth/session"),
        browser.open("/auth/session", "POST", json={"data": {}}),
        browser.open("/update", "POST"),
    ]
    assert [response.status_code for response in answers] == [503] * 4
    response = browser.visit(lambda: f"{who()} {current_session.error}")
    assert response.text == "nobody store_unavailable"
    assert all(set_cookies(one) == {} for one in (*answers, response))
    assert (browser.cookies, pair.asked, pair.reasons()) == (before, [], [])
    store.refused.clear()
    assert browser.open("/private").text == "u1"


@pytest.mark.parametrize("failing", [{"get_many"}, {"take_lease"}, {"get_many", *WRITES}])
def test_with_an_open_store_failure_the_application_is_asked_and_the_access_cookie_issued(
    clock: Clock, store: FaultyStore, failing: set[int | str]
) -> None:
    pair = PairApp(clock, STORE=store, STORE_FAILURE="open")
    browser = after_its_time(pair, refresh_claims={"device": "office"})
    store.refused |= failing
    for turn in (1, 2):
        response = browser.visit(is_turn)
        assert response.text == str(turn)
        assert set_cookies(response).keys() == {ACCESS}
        assert browser.claims()["exp"] == clock.now + MAX_AGE
        pair.access_is_over()
    assert [asked["device"] for asked in pair.asked] == ["office"] * 2
    assert browser.generation() == 0
    store.refused.clear()
    clock.advance(GRACE)
    assert browser.visit(is_turn).text == "3"
    assert browser.generation() == 1
    assert pair.reuses() == []


@pytest.mark.parametrize("failing", [{"get_many"}, {"take_lease"}, {"get_many", *WRITES}])
@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (lambda claims: 1 / 0, 500, [("session-rejected", "reauth_failed")]),
        (lambda claims: abort(403), 403, []),
        (lambda claims: None, 200, [("signed-out", "callback")]),
        (lambda claims: {"x": "y" * 9000}, 413, [("session-rejected", "reauth_failed")]),
        (lambda claims: 7, 500, [("session-rejected", "reauth_failed")]),
    ],
    ids=["raises", "aborts", "None", "too large", "no mapping"],
)
def test_with_an_open_store_failure_its_answer_is_taken_as_ever(
    clock: Clock,
    store: FaultyStore,
    failing: set[int | str],
    answer: Callable[[dict[str, Any]], Any],
    status: int,
    told: list[tuple[str, str]],
) -> None:
    pair = PairApp(clock, STORE=store, STORE_FAILURE="open")
    browser = after_its_time(pair)
    pair.reauth.answer = answer
    store.refused |= failing
    response = browser.visit()
    assert response.status_code == status
    assert [(name, arguments["reason"]) for name, arguments in pair.told] == told
    assert deletes_both(response) is (status == 200)
    assert len(pair.asked) == 1


@pytest.mark.parametrize("fault", ["refused", "lost"])
@pytest.mark.parametrize("failure", ["closed", "open"])
def test_a_rotation_that_cannot_be_written_signs_nobody_out(
    clock: Clock,
    store: FaultyStore,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    failure: str,
) -> None:
    pair = PairApp(clock, STORE=store, STORE_FAILURE=failure)
    rotations = binding_of(pair.app).rotations
    assert rotations is not None
    monkeypatch.setattr(rotations._records, "sleep", lambda seconds: None)
    browser = after_its_time(pair)
    getattr(store, fault).add("compare_and_set")
    response = browser.visit()
    assert response.text == "u1"
    assert issues_both(response)
    getattr(store, fault).clear()
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert browser.generation() == 2
    assert (pair.reuses(), pair.reasons()) == ([], [])


def test_a_no_of_the_application_counts_though_the_store_cannot_write(
    clock: Clock, store: FaultyStore
) -> None:
    pair = PairApp(clock, STORE=store)
    browser = after_its_time(pair)
    pair.reauth.answer = lambda claims: None
    store.refused |= {"put", "compare_and_set"}
    response = browser.visit()
    assert response.text == "nobody"
    assert deletes_both(response)
    assert pair.reasons() == ["callback"]


def test_a_sign_out_while_the_store_is_away_deletes_both_cookies(
    clock: Clock, store: FaultyStore
) -> None:
    pair = PairApp(clock, STORE=store)
    browser = after_its_time(pair)
    store.refused |= {"get_many", *WRITES}
    response = browser.open("/leave", "POST")
    assert deletes_both(response)
    [(_, told)] = [one for one in pair.told if one[0] == "signed-out"]
    assert (told["reason"], told["session"].error) == ("user", "revocation_unavailable")


# Another request is at it.


def test_who_waited_for_nothing_is_told_to_come_back_and_keeps_both_cookies(
    pair: PairApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = after_its_time(pair)
    before = dict(browser.cookies)

    def wait_in_vain(*_: object) -> None:
        raise NotDecided

    with monkeypatch.context() as patch:
        patch.setattr(Rotations, "rotate", wait_in_vain)
        refused = browser.visit(login_required(who))
        assert (refused.status_code, set_cookies(refused)) == (503, {})
        open_to_all = browser.visit()
        assert (open_to_all.text, set_cookies(open_to_all)) == ("nobody", {})
    assert browser.cookies == before
    assert (pair.reasons(), pair.rejections()) == ([], [])
    assert browser.visit().text == "u1"


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_a_store_of_the_callbacks_own_that_is_away_is_the_callbacks_error(
    clock: Clock, failure: str
) -> None:
    pair = PairApp(clock, STORE_FAILURE=failure)
    browser = after_its_time(pair)
    pair.app.config["PROPAGATE_EXCEPTIONS"] = False

    def use_a_store(claims: dict[str, Any]) -> Any:
        raise StoreUnavailable("somebody else's")

    pair.reauth.answer = use_a_store
    response = browser.visit()
    assert (response.status_code, set_cookies(response)) == (500, {})
    assert len(pair.asked) == 1
    assert pair.rejections() == ["reauth_failed"]
