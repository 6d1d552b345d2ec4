"""The refresh cookie: what is in it, where it is sent, how long it lives, and what ends with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    SessionTooLarge,
    SignInRefused,
    UpdateRefused,
    current_session,
    refresh_session,
    revoke_session,
    revoke_user,
    sign_in,
    sign_out,
    update_session,
)
from flask_jwtsession.rotation import GRACE
from flask_jwtsession.stores.memory import MemoryStore

from .faulty_store import FaultyStore
from .integration.provider_sign_in import Browser as ProviderBrowser
from .integration.provider_sign_in import make_application
from .pair_browsing import (
    ACCESS,
    DAY,
    MAX_AGE,
    REFRESH,
    Browser,
    PairApp,
    seal_refresh,
    unseal_refresh,
    who,
)
from .peers.faulty_provider import FaultyProvider
from .support import (
    HTTPS,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    SetCookie,
    binding_of,
    set_cookies,
)

THIRD_SECRET = "a third secret, 5678901234 mnopqrstuv"
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
    return PairApp(clock)


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


def after_its_time(pair: PairApp, **arguments: Any) -> Browser:
    """The browser of somebody who signed in, and whose access cookie is over and gone."""
    browser = pair.sign_in(**arguments).lose_access()
    pair.access_is_over()
    pair.told.clear()
    return browser


def deleted(response: TestResponse) -> set[str]:
    """The names of the cookies that a response deletes; fails if it sets one."""
    cookies = set_cookies(response)
    assert all(cookie.deletes for cookie in cookies.values())
    return set(cookies)


# What is in it.


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_it_says_who_it_is_and_what_the_application_wants_to_know(
    clock: Clock, token_format: str
) -> None:
    pair = PairApp(clock, TOKEN_FORMAT=token_format)
    browser = pair.sign_in(claims={"role": "admin"}, refresh_claims={"device": "office"})
    access, refresh = browser.claims(), browser.refresh_claims()
    assert refresh == {
        "device": "office",
        "sub": "u1",
        "sid": access["sid"],
        "auth_time": NOW,
        "iat": NOW,
        "exp": NOW + 30 * DAY,
        "jti": refresh["jti"],
        "_session": {"rotation": {"grant": refresh["_session"]["rotation"]["grant"], "gen": 0}},
    }
    assert refresh["jti"] != access["jti"]
    assert "device" not in access


def test_what_it_is_rotated_by_is_nowhere_else(clock: Clock, store: FaultyStore) -> None:
    pair = PairApp(clock, STORE=store)
    pair.auth.session_callback(lambda session, token: {**session, **token})
    browser = pair.sign_in()
    grants = set()
    for _ in range(3):
        grant = browser.refresh_claims()["_session"]["rotation"]["grant"]
        assert re.fullmatch("[A-Za-z0-9_-]{22}", grant)
        assert grant not in str(browser.claims())
        assert grant not in browser.open("/auth/session").text
        assert grant not in str(store.raw())
        assert grant not in str(pair.asked)
        grants.add(grant)
        pair.access_is_over()
        browser.visit()
    assert len(grants) == 1
    assert pair.sign_in().refresh_claims()["_session"]["rotation"]["grant"] not in grants


def test_the_public_session_shows_nothing_of_it(pair: PairApp) -> None:
    browser = pair.sign_in(refresh_claims={"device": "office"})
    assert "office" not in browser.open("/auth/session").text
    pair.access_is_over()
    assert "office" not in browser.open("/auth/session").text


# Its name and attributes.

PRIVATE = {"path": "/", "httponly": "", "samesite": "Lax"}
SECURE = {**PRIVATE, "secure": ""}

#: Configuration, whether over https, name, and attributes besides its lifetime.
ATTRIBUTES: dict[str, tuple[dict[str, Any], bool, str, dict[str, str]]] = {
    "http": ({}, False, REFRESH, PRIVATE),
    "https": ({}, True, f"__Host-{REFRESH}", SECURE),
    "SameSite": (
        {"REFRESH_SAMESITE": "Strict"},
        True,
        f"__Host-{REFRESH}",
        {**SECURE, "samesite": "Strict"},
    ),
    "SameSite of both": (
        {"COOKIE_SAMESITE": "Strict"},
        True,
        f"__Host-{REFRESH}",
        {**SECURE, "samesite": "Strict"},
    ),
    "SameSite None": (
        {"REFRESH_SAMESITE": "None", "COOKIE_SECURE": True},
        False,
        f"__Host-{REFRESH}",
        {**SECURE, "samesite": "None"},
    ),
    "laxer than the access cookie": (
        {"COOKIE_SAMESITE": "Strict", "REFRESH_SAMESITE": "Lax"},
        False,
        REFRESH,
        PRIVATE,
    ),
    "path": ({"REFRESH_PATH": "/auth"}, False, REFRESH, {**PRIVATE, "path": "/auth"}),
    "path over https": (
        {"REFRESH_PATH": "/auth"},
        True,
        f"__Secure-{REFRESH}",
        {**SECURE, "path": "/auth"},
    ),
    "path of both": (
        {"COOKIE_PATH": "/app"},
        True,
        f"__Secure-{REFRESH}",
        {**SECURE, "path": "/app"},
    ),
    "wider path": (
        {"COOKIE_PATH": "/app", "REFRESH_PATH": "/"},
        True,
        f"__Host-{REFRESH}",
        SECURE,
    ),
    "domain": (
        {"COOKIE_DOMAIN": "app.test"},
        True,
        f"__Secure-{REFRESH}",
        {**SECURE, "domain": "app.test"},
    ),
    "partitioned": (
        {"COOKIE_PARTITIONED": True, "COOKIE_SECURE": True},
        True,
        f"__Host-{REFRESH}",
        {**SECURE, "partitioned": ""},
    ),
    "never secure": ({"COOKIE_SECURE": False}, True, REFRESH, PRIVATE),
    "prefix": ({"COOKIE_PREFIX": "staff"}, True, "__Host-staff.refresh-token", SECURE),
    "lifetime": ({"REFRESH_MAX_AGE": 7 * DAY}, False, REFRESH, PRIVATE),
}


def without_lifetime(cookie: SetCookie) -> dict[str, str]:
    return {
        name: value
        for name, value in cookie.attributes.items()
        if name not in ("expires", "max-age")
    }


@pytest.mark.parametrize(
    ("config", "https", "name", "attributes"), ATTRIBUTES.values(), ids=ATTRIBUTES
)
def test_sec_215_it_has_attributes_of_its_own_and_is_deleted_with_them(
    clock: Clock, config: dict[str, Any], https: bool, name: str, attributes: dict[str, str]
) -> None:
    pair = PairApp(clock, **config)
    lifetime = str(config.get("REFRESH_MAX_AGE", 30 * DAY))

    def enter() -> str:
        sign_in({"id": "u1"})
        return ""

    def sent_alone() -> Browser:
        """Wherever that is, the browser sends it."""
        return pair.browser({name: browser.cookies[name]})

    browser = pair.browser()
    issued = [set_cookies(browser.visit(enter, method="POST", https=https))[name]]
    for _ in range(2):
        pair.access_is_over()
        browser = sent_alone()
        issued.append(set_cookies(browser.visit(https=https))[name])
    for cookie in issued:
        assert without_lifetime(cookie) == attributes
        assert cookie.attributes["max-age"] == lifetime
    pair.access_is_over()
    copy = sent_alone()
    signed_out = set_cookies(browser.visit(lambda: str(sign_out()), method="POST", https=https))
    revoked = set_cookies(copy.visit(https=https))
    assert revoked == {}  # somebody else was told
    expiring = pair.browser()
    expiring.visit(enter, method="POST", https=https)
    clock.advance(30 * DAY)
    expired = set_cookies(pair.browser({name: expiring.cookies[name]}).visit(https=https))
    for cookies in (signed_out, expired):
        assert cookies[name].deletes
        assert cookies[name].value == ""
        assert without_lifetime(cookies[name]) == attributes


@pytest.mark.parametrize(
    "config",
    [
        {"REFRESH_SAMESITE": "Strict"},
        {"REFRESH_PATH": "/auth"},
        {"REFRESH_MAX_AGE": 7 * DAY},
        {"REFRESH_SECRET": OTHER_SECRET},
    ],
)
def test_sec_215_what_is_its_own_does_not_touch_the_access_cookie(
    clock: Clock, config: dict[str, Any]
) -> None:
    pair = PairApp(clock, **config)
    usual = set_cookies(PairApp(clock).browser().sign_in())[ACCESS]
    cookie = set_cookies(pair.browser().sign_in())[ACCESS]
    assert cookie.attributes == usual.attributes
    assert cookie.attributes["max-age"] == str(MAX_AGE)


def test_sec_215_where_it_is_not_sent_nobody_is_re_authenticated(clock: Clock) -> None:
    pair = PairApp(clock, REFRESH_PATH="/auth")
    pair.app.add_url_rule("/enter", "enter", lambda: str(bool(sign_in({"id": "u1"}))))
    client = pair.app.test_client()  # it minds paths
    client.get("/enter")
    clock.advance(MAX_AGE)
    client.delete_cookie(ACCESS)
    assert client.get("/who").text == "nobody"
    assert pair.asked == []
    # A script of the page asks.
    response = client.get("/auth/session")
    assert response.get_json()["user"]["name"] == "Ada"
    assert client.get("/who").text == "u1"
    assert len(pair.asked) == 1
    assert pair.reasons() == []


def test_sec_215_a_sign_out_elsewhere_deletes_it_all_the_same(clock: Clock) -> None:
    pair = PairApp(clock, REFRESH_PATH="/auth")
    browser = pair.sign_in()
    copy = browser.copy()
    response = browser.copy(ACCESS).open("/leave", "POST")
    assert deleted(response) == {ACCESS, REFRESH}
    assert set_cookies(response)[REFRESH].attributes["path"] == "/auth"
    pair.access_is_over()
    assert copy.visit().text == "nobody"


# A token that is longer than a cookie.

LARGE = {"MAX_TOKEN_SIZE": 40_000}


def test_a_long_one_comes_in_chunks_and_is_read_from_them(clock: Clock) -> None:
    pair = PairApp(clock, **LARGE)
    browser = pair.sign_in(refresh_claims={"x": "y" * 5000})
    names = {name for name in browser.cookies if name.startswith(REFRESH)}
    assert names == {f"{REFRESH}.0", f"{REFRESH}.1"}
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert pair.asked[0]["x"] == "y" * 5000
    assert {name for name in browser.cookies if name.startswith(REFRESH)} == names


def test_sec_062_chunks_that_are_no_longer_used_are_deleted(clock: Clock) -> None:
    pair = PairApp(clock, **LARGE)
    browser = pair.sign_in(refresh_claims={"x": "y" * 5000})
    pair.reauth.answer = lambda claims: ({}, {"x": ""})
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert browser.cookies.keys() == {ACCESS, REFRESH}
    pair.access_is_over()
    assert browser.visit().text == "u1"


@pytest.mark.parametrize("config", [{}, {"REFRESH_PATH": "/auth"}, {"REFRESH_SAMESITE": "Strict"}])
def test_sec_062_a_sign_out_deletes_every_chunk_also_where_they_are_not_sent(
    clock: Clock, config: dict[str, Any]
) -> None:
    pair = PairApp(clock, **LARGE, **config)
    browser = pair.sign_in(refresh_claims={"x": "y" * 5000})
    sent = browser if not config else browser.copy(ACCESS)
    assert deleted(sent.open("/leave", "POST")) >= browser.cookies.keys()


def test_sec_062_a_sign_in_leaves_no_chunk_of_the_session_before(clock: Clock) -> None:
    pair = PairApp(clock, **LARGE, REFRESH_PATH="/auth")
    browser = pair.sign_in(refresh_claims={"x": "y" * 6000})
    hidden = {name: browser.cookies.pop(name) for name in dict(browser.cookies) if name != ACCESS}
    assert len(hidden) == 3
    response = browser.sign_in("u2", refresh_claims={"x": "y" * 3000})
    cookies = set_cookies(response)
    assert f"{REFRESH}.2" in cookies
    assert cookies[f"{REFRESH}.2"].deletes
    browser.cookies = {**hidden, **browser.cookies}
    browser.cookies.pop(f"{REFRESH}.2")
    pair.access_is_over()
    assert browser.visit().text == "u2"


# Its size.


def largest(pair: PairApp, name: str) -> int:
    """How long a claim may be at a sign-in."""
    fits, too_long = 0, 8192
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        arguments = dict[str, Any]({name: {"x": "y" * middle}})

        def view(arguments: dict[str, Any] = arguments) -> str:
            sign_in({"id": "u1", "name": "Ada"}, **arguments)
            return ""

        if pair.browser().visit(view, method="POST").status_code == 200:
            fits = middle
        else:
            too_long = middle
    return fits


def test_sec_066_both_tokens_together_are_within_the_limit(clock: Clock) -> None:
    pair = PairApp(clock, MAX_TOKEN_SIZE=4096)
    access, refresh = largest(pair, "claims"), largest(pair, "refresh_claims")
    browser = pair.sign_in(claims={"x": "y" * access}, refresh_claims={"x": "y" * refresh})
    of_access = sum(len(value) for name, value in browser.cookies.items() if ACCESS in name)
    of_refresh = sum(len(value) for name, value in browser.cookies.items() if REFRESH in name)
    # Within one block of the cipher, in base64url.
    assert 3072 - 24 < of_access <= 3072
    assert 1024 - 24 - 24 < of_refresh <= 1024


@pytest.mark.parametrize("name", ["claims", "refresh_claims"])
def test_sec_066_a_sign_in_that_is_too_large_leaves_the_session_before(
    pair: PairApp, name: str
) -> None:
    browser = pair.sign_in()
    before, arguments = dict(browser.cookies), dict[str, Any]({name: {"x": "y" * 9000}})

    def view() -> str:
        with pytest.raises(SessionTooLarge):
            sign_in({"id": "u2"}, **arguments)
        return who()

    response = browser.visit(view, method="POST")
    assert (response.text, set_cookies(response)) == ("u1", {})
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert browser.cookies.keys() == before.keys()
    assert pair.reasons() == []


@pytest.mark.parametrize("over", [True, False])
def test_sec_066_an_update_that_is_too_large_leaves_both_cookies(pair: PairApp, over: bool) -> None:
    browser = after_its_time(pair) if over else pair.sign_in()

    def view() -> str:
        with pytest.raises(SessionTooLarge):
            update_session({"x": "y" * 9000})
        return who()

    response = browser.visit(view, method="POST")
    assert response.text == "u1"
    assert len(set_cookies(response)) == (2 if over else 0)
    assert browser.claims().get("x") is None
    pair.access_is_over()
    assert browser.visit().text == "u1"


# Its lifetime.


def test_each_one_lives_as_long_again(clock: Clock) -> None:
    pair = PairApp(clock, REFRESH_MAX_AGE=1000)
    browser = pair.sign_in()
    for _ in range(3):
        clock.advance(999)
        response = browser.visit()
        assert response.text == "u1"
        assert set_cookies(response)[REFRESH].attributes["max-age"] == "1000"
        assert browser.refresh_claims()["exp"] == clock.now + 1000


@pytest.mark.parametrize("kept", [(ACCESS, REFRESH), (REFRESH,)])
@pytest.mark.parametrize("use", ["/who", "/private", "/auth/session"])
def test_sec_037_one_that_is_over_ends_the_session(
    clock: Clock, kept: tuple[str, ...], use: str
) -> None:
    pair = PairApp(clock, REFRESH_MAX_AGE=1000)
    browser = pair.sign_in().copy(*kept)
    clock.advance(1000)
    response = browser.open(use)
    assert deleted(response) == {ACCESS, REFRESH}
    assert (pair.reasons(), pair.rejections(), pair.asked) == (["expired"], ["expired"], [])


def test_a_good_access_cookie_is_a_session_though_the_other_is_over(clock: Clock) -> None:
    pair = PairApp(clock, REFRESH_MAX_AGE=MAX_AGE + 1)
    browser = pair.sign_in()
    over = browser.cookies[REFRESH]
    clock.advance(MAX_AGE)
    browser.visit()
    browser.cookies[REFRESH] = over
    clock.advance(30)
    response = browser.visit()
    assert (response.text, set_cookies(response), pair.reasons()) == ("u1", {}, [])


def test_sec_035_one_from_before_its_lifetime_was_shortened_ends_by_the_new_one(
    clock: Clock,
) -> None:
    store = MemoryStore(clock)
    before = PairApp(clock, STORE=store)
    after = PairApp(clock, STORE=store, REFRESH_MAX_AGE=1000)
    browser = before.sign_in()
    clock.advance(1000)
    assert browser.at(after.app).visit().text == "nobody"
    assert browser.visit().text == "u1"


# Sign-out.


LEAVE: dict[str, Callable[[Browser], TestResponse]] = {
    "sign_out": lambda browser: browser.open("/leave", "POST"),
    "POST /auth/signout": lambda browser: browser.open("/auth/signout", "POST"),
}


@pytest.fixture(params=LEAVE)
def leave(request: pytest.FixtureRequest) -> Callable[[Browser], TestResponse]:
    return LEAVE[request.param]


@pytest.mark.parametrize(
    ("kept", "over"),
    [
        ((ACCESS, REFRESH), False),
        ((ACCESS,), False),
        ((REFRESH,), False),
        ((ACCESS, REFRESH), True),
        ((REFRESH,), True),
    ],
)
def test_sec_083_a_sign_out_ends_the_session_for_every_copy_of_its_cookies(
    pair: PairApp, leave: Callable[[Browser], TestResponse], kept: tuple[str, ...], over: bool
) -> None:
    browser = pair.sign_in()
    copy = browser.copy()
    if over:
        pair.access_is_over()
    pair.told.clear()
    response = leave(browser.copy(*kept))
    assert response.status_code < 400
    assert deleted(response) == {ACCESS, REFRESH}
    assert pair.reasons() == ["user"]
    assert pair.told[-1][1]["session"].token["sub"] == "u1"
    assert pair.asked == []
    for names in ((ACCESS, REFRESH), (REFRESH,), (ACCESS,)):
        assert copy.copy(*names).visit().text == "nobody"
        pair.access_is_over()
    assert (pair.asked, pair.reasons()) == ([], ["user"])


def test_a_sign_out_with_cookies_of_two_sessions_ends_both(
    pair: PairApp, leave: Callable[[Browser], TestResponse]
) -> None:
    one, other = pair.sign_in("u1"), pair.sign_in("u2")
    mixed = pair.browser({ACCESS: one.cookies[ACCESS], REFRESH: other.cookies[REFRESH]})
    assert deleted(leave(mixed)) == {ACCESS, REFRESH}
    assert pair.reasons() == ["user"]
    pair.access_is_over()
    for browser in (one, other):
        assert browser.visit().text == "nobody"
    assert pair.asked == []


@pytest.mark.parametrize("value", ["garbage", ""])
def test_a_sign_out_with_a_refresh_cookie_that_is_none_deletes_it(
    pair: PairApp, leave: Callable[[Browser], TestResponse], value: str
) -> None:
    browser = pair.browser({REFRESH: value})
    assert deleted(leave(browser)) == {ACCESS, REFRESH}
    assert pair.reasons() == []


def test_a_sign_out_with_a_cookie_that_was_used_before_ends_the_session_without_an_alarm(
    pair: PairApp, leave: Callable[[Browser], TestResponse]
) -> None:
    """Whoever it is, it is what they want."""
    browser = pair.sign_in()
    old = browser.copy()
    pair.access_is_over()
    browser.visit()
    pair.clock.advance(GRACE + 1)
    assert deleted(leave(old.copy(REFRESH))) == {ACCESS, REFRESH}
    assert (pair.reuses(), pair.reasons()) == ([], ["user"])
    assert browser.visit().text == "nobody"


def test_a_sign_out_with_two_good_refresh_cookies_ends_both(
    pair: PairApp, leave: Callable[[Browser], TestResponse]
) -> None:
    """Whichever of them is the person's."""
    one, other = after_its_time(pair, sub="u1"), pair.sign_in("u2")
    header = f"{one.header}; {REFRESH}={other.cookies[REFRESH]}"
    client = pair.app.test_client(use_cookies=False)
    client.post("/leave", headers={**SAME_ORIGIN, "Cookie": header})
    pair.access_is_over()
    assert [one.visit().text, other.visit().text] == ["nobody", "nobody"]


def test_the_provider_tokens_of_who_signs_out_by_the_refresh_cookie_alone_are_known(
    pair: PairApp, leave: Callable[[Browser], TestResponse]
) -> None:
    """They can be revoked at the provider."""
    browser = after_its_time(pair, account=MACHINE)
    leave(browser)
    [(_, told)] = [one for one in pair.told if one[0] == "signed-out"]
    assert told["session"].account == MACHINE


def test_after_a_sign_out_the_request_is_nobodys(pair: PairApp) -> None:
    browser = after_its_time(pair)

    def view() -> str:
        sign_out()
        with pytest.raises(UpdateRefused):
            update_session({"a": 1})
        with pytest.raises(UpdateRefused):
            refresh_session()
        return who()

    response = browser.visit(view, method="POST")
    assert response.text == "nobody"
    assert deleted(response) == {ACCESS, REFRESH}
    assert (pair.asked, pair.reasons()) == ([], ["user"])


# Sign-in over a session whose access cookie is over.


def test_sec_081_a_sign_in_over_it_ends_the_session_before(pair: PairApp) -> None:
    browser = after_its_time(pair)
    before, copy = browser.refresh_claims(), browser.copy()
    browser.sign_in("u2")
    assert [
        (name, arguments.get("reason"), arguments["session"].token["sub"])
        for name, arguments in pair.told
    ] == [("signed-out", "replaced", "u1"), ("signed-in", None, "u2")]
    assert pair.asked == []
    after = browser.refresh_claims()
    assert after["sid"] != before["sid"]
    assert after["_session"]["rotation"]["grant"] != before["_session"]["rotation"]["grant"]
    assert copy.visit().text == "nobody"
    pair.access_is_over()
    assert browser.visit().text == "u2"


def test_sec_081_nobody_is_asked_about_the_one_before(pair: PairApp) -> None:
    """Not even by what the request does with its new session."""
    browser = after_its_time(pair)
    pair.reauth.answer = lambda claims: 1 / 0

    def view() -> str:
        sign_in({"id": "u2"})
        update_session({"a": 1})
        return f"{who()} {current_session.token['a']}"

    response = browser.visit(view, method="POST")
    assert response.text == "u2 1"
    assert (pair.asked, pair.reasons()) == ([], ["replaced"])
    assert browser.claims()["sub"] == "u2"


def test_sec_081_a_sign_in_with_cookies_of_two_sessions_ends_both(pair: PairApp) -> None:
    one, other = pair.sign_in("u1"), pair.sign_in("u2")
    pair.browser({ACCESS: one.cookies[ACCESS], REFRESH: other.cookies[REFRESH]}).sign_in("u3")
    assert pair.reasons() == ["replaced"]
    pair.access_is_over()
    assert [one.visit().text, other.visit().text] == ["nobody", "nobody"]


def test_a_sign_in_that_is_refused_leaves_the_session_before(pair: PairApp) -> None:
    browser = after_its_time(pair)
    pair.auth.sign_in_callback(lambda user, account, profile: False)

    def view() -> str:
        with pytest.raises(SignInRefused):
            sign_in({"id": "u2"})
        return who()

    assert browser.visit(view, method="POST").text == "u1"
    assert (len(pair.asked), pair.reasons()) == (1, [])


def test_sec_080_a_planted_refresh_cookie_does_not_survive_a_sign_in(pair: PairApp) -> None:
    attacker = pair.sign_in("attacker")
    victim = pair.browser({REFRESH: attacker.cookies[REFRESH]})
    victim.sign_in("victim")
    assert victim.cookies[REFRESH] != attacker.cookies[REFRESH]
    pair.access_is_over()
    assert victim.visit().text == "victim"
    assert attacker.visit().text == "nobody"


# A look at the status.


def status(browser: Browser, **options: Any) -> TestResponse:
    response = browser.open("/auth/session/status", **options)
    assert set_cookies(response) == {}
    return response


def test_the_status_of_a_good_access_cookie_is_its_own(pair: PairApp) -> None:
    answer = status(pair.sign_in()).get_json()
    assert answer == {"status": "authenticated", "expires": "2027-01-15T08:01:00.000Z"}


def test_the_status_of_a_good_refresh_cookie_asks_nobody_and_changes_nothing(
    clock: Clock, store: FaultyStore
) -> None:
    pair = PairApp(clock, STORE=store, REFRESH_MAX_AGE=3600)
    for callback in ("jwt_callback", "session_callback", "user_loader"):
        getattr(pair.auth, callback)(lambda *_: pytest.fail("a callback was called"))
    pair.auth.jwt_callback(lambda token, event: token)
    pair.auth.session_callback(lambda session, token: session)
    browser = after_its_time(pair)
    pair.auth.jwt_callback(lambda *_: pytest.fail("a callback was called"))
    before = store.raw()
    for _ in range(2):
        answer = status(browser).get_json()
        assert answer == {"status": "authenticated", "expires": "2027-01-15T09:00:00.000Z"}
    assert (store.raw(), pair.asked, pair.told) == (before, [], [])


@pytest.mark.parametrize(("seconds", "code"), [(0, 200), (GRACE, 200), (GRACE + 1, 401)])
def test_sec_211_the_status_of_the_cookie_before(pair: PairApp, seconds: float, code: int) -> None:
    browser = after_its_time(pair)
    late = browser.copy()
    browser.visit()
    pair.clock.advance(seconds)
    assert status(late).status_code == code
    assert len(pair.asked) == 1
    assert len(pair.reuses()) == (code == 401)
    assert status(browser).status_code == code
    assert len(pair.reuses()) == (code == 401)


def test_the_end_that_a_status_found_is_told_by_the_next_use(pair: PairApp) -> None:
    browser = after_its_time(pair)
    late = browser.copy()
    browser.visit()
    pair.clock.advance(GRACE + 1)
    assert status(late).status_code == 401
    assert pair.reasons() == []
    assert deleted(browser.visit()) == {ACCESS, REFRESH}
    assert pair.reasons() == ["revoked"]


def test_the_status_of_a_session_that_the_application_let_end(pair: PairApp) -> None:
    browser = after_its_time(pair)
    late = browser.copy()
    pair.reauth.answer = lambda claims: None
    browser.visit()
    for _ in range(3):
        assert status(late).status_code == 401
        pair.access_is_over()
    assert len(pair.asked) == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda pair, browser: revoke_session(browser.refresh_claims()["sid"]),
        lambda pair, browser: revoke_user("u1"),
        lambda pair, browser: browser.copy().open("/leave", "POST"),
        lambda pair, browser: pair.clock.advance(30 * DAY),
        lambda pair, browser: browser.cookies.update({REFRESH: "garbage"}),
        lambda pair, browser: browser.cookies.clear(),
    ],
    ids=["revoke_session", "revoke_user", "sign-out", "expiry", "garbage", "no cookie"],
)
def test_the_status_of_a_session_that_is_over(
    pair: PairApp, end: Callable[[PairApp, Browser], object]
) -> None:
    browser = after_its_time(pair)
    with pair.app.app_context():
        end(pair, browser)
    assert status(browser).status_code == 401
    assert browser.visit().text == "nobody"
    assert pair.asked == []


def test_the_status_says_what_a_use_of_the_session_would_find(pair: PairApp) -> None:
    browser, other = after_its_time(pair), pair.sign_in("u2")
    two = pair.sign_in("u1")
    tossed = f"{ACCESS}={two.cookies[ACCESS]}; {ACCESS}={other.cookies[ACCESS]}; {browser.header}"
    both = f"{browser.header}; {REFRESH}={other.cookies[REFRESH]}"
    client = pair.app.test_client(use_cookies=False)
    for cookie, base_url in ((tossed, None), (both, None), (browser.header, "http://app.example")):
        answers = [
            client.get(path, headers={"Cookie": cookie}, base_url=base_url)
            for path in ("/auth/session/status", "/auth/session", "/who")
        ]
        assert [answers[0].status_code, answers[1].get_json(), answers[2].text] == [
            401,
            None,
            "nobody",
        ]
    assert pair.asked == []


@pytest.mark.parametrize(("failure", "code"), [("closed", 503), ("open", 200)])
def test_the_status_while_the_store_is_away(
    clock: Clock, store: FaultyStore, failure: str, code: int
) -> None:
    pair = PairApp(clock, STORE=store, STORE_FAILURE=failure)
    browser = after_its_time(pair)
    store.refused.add("get_many")
    assert status(browser).status_code == code
    # Away just after it was seen that the session was not revoked.
    store.refused.clear()
    store.calls.clear()
    store.refused.add(2)
    assert status(browser).status_code == code
    assert pair.asked == []


def test_the_status_in_a_request_that_was_re_authenticated_is_the_new_one(pair: PairApp) -> None:
    browser = after_its_time(pair)
    calls: list[str] = []

    @pair.auth.session_callback
    def shape(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        calls.append("session")
        return session

    pair.app.before_request_funcs.setdefault(None, []).append(lambda: who() and None)
    response = browser.open("/auth/session/status")
    assert response.get_json()["expires"] == "2027-01-15T08:02:00.000Z"
    assert (len(pair.asked), calls) == (1, ["session"])


# Secrets.


def test_its_keys_are_of_the_usual_secret_without_one_of_its_own(clock: Clock) -> None:
    store = MemoryStore(clock)
    without = PairApp(clock, STORE=store)
    own = PairApp(clock, STORE=store, REFRESH_SECRET=SECRET)
    browser = after_its_time(without)
    assert browser.at(own.app).visit().text == "u1"


def test_sec_051_its_secret_can_be_replaced_without_signing_anybody_out(clock: Clock) -> None:
    store = MemoryStore(clock)
    old = PairApp(clock, STORE=store, REFRESH_SECRET=OTHER_SECRET)
    both = PairApp(
        clock, STORE=store, REFRESH_SECRET=THIRD_SECRET, REFRESH_SECRET_FALLBACKS=[OTHER_SECRET]
    )
    new = PairApp(clock, STORE=store, REFRESH_SECRET=THIRD_SECRET)
    browser = after_its_time(old)
    before = browser.copy()
    response = before.copy().at(new.app).visit()
    assert (response.text, set_cookies(response)) == ("nobody", {})
    assert new.rejections() == ["unknown_key"]
    browser = browser.at(both.app)
    assert browser.visit().text == "u1"
    old.access_is_over()
    # Issued under the new one, and the record is the same for all.
    browser = browser.at(new.app)
    assert browser.visit().text == "u1"
    assert browser.generation() == 2
    # A copy of the old one is still noticed.
    assert before.at(both.app).visit().text == "nobody"
    assert len(both.reuses()) == 1
    assert browser.visit().text == "nobody"


def test_sec_051_the_secret_of_both_can_be_replaced_too(clock: Clock) -> None:
    store = MemoryStore(clock)
    old = PairApp(clock, STORE=store, SECRET=OTHER_SECRET)
    both = PairApp(clock, STORE=store, SECRET_FALLBACKS=[OTHER_SECRET])
    new = PairApp(clock, STORE=store)
    browser = old.sign_in()
    late = browser.copy()
    assert browser.at(both.app).visit().text == "u1"
    old.access_is_over()
    browser = browser.at(both.app)
    assert browser.visit().text == "u1"
    # The one who was faster is adopted, whichever secret they have.
    assert late.visit().text == "u1"
    assert (len(both.asked), old.asked) == (1, [])
    old.access_is_over()
    assert browser.at(new.app).visit().text == "u1"


def test_sec_051_a_sign_out_holds_while_the_secret_is_replaced(clock: Clock) -> None:
    store = MemoryStore(clock)
    old = PairApp(clock, STORE=store, SECRET=OTHER_SECRET)
    both = PairApp(clock, STORE=store, SECRET_FALLBACKS=[OTHER_SECRET])
    for leaving, others in ((old, both), (both, old)):
        browser = after_its_time(old)
        copy = browser.copy()
        browser.at(leaving.app).open("/leave", "POST")
        for app in (leaving, others):
            assert copy.at(app.app).visit().text == "nobody"


# A token in the header.


def test_beside_a_bearer_token_it_counts_for_nothing(clock: Clock) -> None:
    pair = PairApp(clock, TOKEN_LOCATIONS=["cookie", "header"])
    browser = after_its_time(pair)
    for token in (browser.cookies[REFRESH], "garbage", ""):
        response = browser.open("/private", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401
        assert set_cookies(response) == {}
    assert pair.asked == []
    assert browser.open("/private").text == "u1"


# Somebody who came from a provider.


def test_who_came_from_a_provider_is_re_authenticated_with_its_tokens(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, auth = make_application(clock, provider, REFRESH_COOKIE=True, MAX_AGE=MAX_AGE)
    asked: list[dict[str, Any]] = []

    @auth.reauth_callback
    def reauth(claims: dict[str, Any]) -> dict[str, Any]:
        asked.append(claims)
        return {"name": "again"}

    browser = ProviderBrowser(app, provider)
    assert browser.sign_in().status_code == 302
    before = browser.account()
    refresh = dict(browser.cookies())[REFRESH]
    assert before["account"]["access_token"] not in str(unseal_refresh(app, refresh))
    clock.advance(MAX_AGE)
    after = browser.account()
    assert after["claims"]["name"] == "again"
    assert after["account"] == before["account"]
    assert {name: after["claims"][name] for name in ("sub", "sid", "auth_time")} == asked[0]
    clock.advance(MAX_AGE)
    browser.client.delete_cookie(ACCESS)
    assert browser.client.get("/fresh").status_code in (302, 401)
    browser.client.post("/auth/signout", headers=SAME_ORIGIN)
    assert not browser.is_signed_in()
    assert not any("token" in name for name, _ in browser.cookies())


# Over https it has another name, and other keys.


def test_the_cookie_of_https_is_none_over_http(pair: PairApp) -> None:
    browser = pair.browser()
    browser.visit(lambda: str(bool(sign_in({"id": "u1"}))), method="POST", https=True)
    assert browser.cookies.keys() == {f"__Host-{ACCESS}", f"__Host-{REFRESH}"}
    pair.access_is_over()
    pasted = pair.browser({REFRESH: browser.cookies[f"__Host-{REFRESH}"]})
    assert pasted.visit().text == "nobody"
    assert browser.visit().text == "nobody"
    assert browser.open("/who", base_url=HTTPS).text == "u1"


def test_a_refresh_token_that_somebody_else_made_with_the_key_is_good(pair: PairApp) -> None:
    """What the attacks on it change: without it they could be refused for anything."""
    rotation = {"grant": "2Vtq9ZkQxu5H0cMwT8rBfA", "gen": 0}
    times = {"iat": NOW, "exp": NOW + DAY, "auth_time": NOW}
    token = seal_refresh(
        pair.app, {"sub": "u1", "sid": "s1", **times, "_session": {"rotation": rotation}}
    )
    assert pair.browser({REFRESH: token}).visit().text == "u1"
    assert binding_of(pair.app).http.refresh is not None
