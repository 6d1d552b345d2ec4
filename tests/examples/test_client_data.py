"""A profile in the session: what a browser may send, in which of two ways, and what pages have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.cli import ScriptInfo
from playwright.sync_api import APIResponse, Browser, Page, Route, expect
from werkzeug.test import TestResponse

from examples.client_data import create_app
from examples.client_data.app import FLAG, MAX_NICKNAME, PASSWORD, USERNAME
from flask_jwtsession import Session, roles_required, session_updated
from flask_jwtsession.testing import JWTSessionClient
from flask_jwtsession.testing.flaws import FLAWS, Flaw

from ..browsers import running_browser
from ..serving.thread import served

FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
ROUTE = "/api/update-user-data"
FLAGGED_ROUTE = f"{ROUTE}?query={FLAG}"
COOKIE = "profile.session-token"

Send = Callable[[JWTSessionClient, object], TestResponse]


def with_update(client: JWTSessionClient, data: object) -> TestResponse:
    return client.post("/auth/session", json={"data": data}, headers=FROM_OUR_PAGE)


def with_flag(client: JWTSessionClient, data: object) -> TestResponse:
    return client.post(FLAGGED_ROUTE, json=data, headers=FROM_OUR_PAGE)


in_both_ways = pytest.mark.parametrize("send", [with_update, with_flag])


@pytest.fixture
def app() -> Flask:
    app = create_app(TESTING=True)
    app.test_client_class = JWTSessionClient
    return app


@pytest.fixture
def client(app: Flask) -> JWTSessionClient:
    """Of Ada, who is signed in."""
    client = JWTSessionClient(app)
    client.sign_in({"id": 1, "name": "Ada Lovelace"})
    return client


def claims_of(client: JWTSessionClient) -> dict[str, Any]:
    """Those of the client's cookie that say who it is and what was saved."""
    session = client.get_session()
    assert session, "nobody is signed in"
    times = ("iat", "exp", "jti")  # another one at each issue
    return {name: value for name, value in session.token.items() if name not in times}


@contextmanager
def unchanged(client: JWTSessionClient) -> Iterator[None]:
    before = claims_of(client)
    yield
    assert claims_of(client) == before


# Into the session.


@in_both_ways
def test_what_a_page_sends_is_in_the_session(client: JWTSessionClient, send: Send) -> None:
    response = send(client, {"nickname": "Countess", "fav_num": 42})
    assert response.status_code == 200
    set_there = client.get_session(response)
    assert set_there is not None
    assert (set_there.token["nickname"], set_there.token["fav_num"]) == ("Countess", 42)
    user = client.get("/auth/session").get_json()["user"]
    assert (user["nickname"], user["fav_num"]) == ("Countess", 42)


def test_update_answers_with_the_session(client: JWTSessionClient) -> None:
    answer = with_update(client, {"fav_num": 42}).get_json()
    assert answer == client.get("/auth/session").get_json()
    assert answer["user"]["fav_num"] == 42


def test_the_route_answers_with_the_new_data(client: JWTSessionClient) -> None:
    assert with_flag(client, {"fav_num": 42}).get_json()["data"]["fav_num"] == 42


def test_the_route_without_the_flag_answers_with_what_is_there(client: JWTSessionClient) -> None:
    with_flag(client, {"fav_num": 42})
    with unchanged(client):
        response = client.post(ROUTE, json={"fav_num": 7}, headers=FROM_OUR_PAGE)
    assert response.get_json()["data"]["fav_num"] == 42


def test_the_flag_may_be_a_header(client: JWTSessionClient) -> None:
    headers = {**FROM_OUR_PAGE, "query": FLAG}
    response = client.post(ROUTE, json={"fav_num": 42}, headers=headers)
    assert response.get_json()["data"]["fav_num"] == 42


def test_the_flag_is_seen_in_a_request_to_any_view_that_uses_the_session(
    app: Flask, client: JWTSessionClient
) -> None:
    app.add_url_rule("/any", view_func=app.view_functions["pages.home"], methods=["POST"])
    response = client.post(
        f"/any?query={FLAG}", json={"nickname": "Countess"}, headers=FROM_OUR_PAGE
    )
    assert "Countess" in response.text
    assert claims_of(client)["nickname"] == "Countess"


def test_a_guard_of_the_view_comes_too_late_for_the_flag(
    app: Flask, client: JWTSessionClient
) -> None:
    """It has to load the session to look at it. The documentation warns of it."""
    for_admins = roles_required("admin")(app.view_functions["pages.home"])
    app.add_url_rule("/any", view_func=for_admins, methods=["POST"])
    response = client.post(f"/any?query={FLAG}", json={"fav_num": 42}, headers=FROM_OUR_PAGE)
    assert response.status_code == 403
    assert claims_of(client)["fav_num"] == 42


@in_both_ways
def test_one_field_leaves_the_other_as_it_is(client: JWTSessionClient, send: Send) -> None:
    send(client, {"nickname": "Countess", "fav_num": 42})
    send(client, {"fav_num": 7})
    claims = claims_of(client)
    assert (claims["nickname"], claims["fav_num"]) == ("Countess", 7)


@in_both_ways
def test_blanks_around_a_nickname_are_taken_off(client: JWTSessionClient, send: Send) -> None:
    send(client, {"nickname": f"  {'x' * MAX_NICKNAME} "})
    assert claims_of(client)["nickname"] == "x" * MAX_NICKNAME


def test_only_update_tells_the_application_of_the_fields_on_the_list(
    app: Flask, client: JWTSessionClient
) -> None:
    told = []

    def note(sender: Flask, session: Session, data: dict[str, Any], from_client: bool) -> None:
        told.append((data, from_client))

    with session_updated.connected_to(note, app):
        with_update(client, {"fav_num": 42, "role": "admin"})
        with_flag(client, {"fav_num": 43})
    assert told == [({"fav_num": 42}, True)]


@in_both_ways
def test_of_two_requests_with_one_cookie_the_last_answer_wins_as_a_whole(
    app: Flask, client: JWTSessionClient, send: Send
) -> None:
    other_tab = JWTSessionClient(app)
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    other_tab.set_cookie(COOKIE, cookie.value)
    send(client, {"nickname": "Countess"})
    send(other_tab, {"fav_num": 42})
    claims = claims_of(other_tab)
    assert "nickname" not in claims
    assert claims["fav_num"] == 42


# What does not get there.

NO_NICKNAMES = ["", "   ", "x" * (MAX_NICKNAME + 1), 7, True, None, ["Ada"], {"a": "b"}]
NO_NICKNAMES += ["two\nlines", "\x00", "turned \u202e round", "half of a character \ud83d"]
NO_NUMBERS = [0, 101, -1, 10**30, 7.0, 1.5, float("nan"), True, None, "7", [7], {"a": 7}]


@in_both_ways
@pytest.mark.parametrize(
    "data",
    [{"nickname": one} for one in NO_NICKNAMES] + [{"fav_num": one} for one in NO_NUMBERS],
    ids=str,
)
def test_a_value_is_refused_that_is(
    client: JWTSessionClient, send: Send, data: dict[str, Any]
) -> None:
    with unchanged(client):
        response = send(client, data)
    assert response.status_code == 400
    assert client.get_session(response) is None


@in_both_ways
def test_a_refusal_says_what_is_wrong(client: JWTSessionClient, send: Send) -> None:
    problem = send(client, {"fav_num": 101}).get_json()
    assert problem["code"] == "update_refused"
    assert problem["detail"] == "A favourite number is a whole one from 1 to 100."


@in_both_ways
def test_of_a_refused_request_nothing_is_kept(client: JWTSessionClient, send: Send) -> None:
    with unchanged(client):
        send(client, {"nickname": "Countess", "fav_num": 101})


NOT_ON_THE_LIST: dict[str, object] = {
    "role": "admin",
    "roles": ["admin"],
    "sub": "2",
    "sid": "another",
    "name": "Mallory",
    "email": "mallory@evil.example",
    "user": {"nickname": "Mallory"},
    "auth_time": 1,
    "iat": 1,
    "nbf": 1,
    "exp": 9_999_999_999,
    "iss": "https://evil.example",
    "aud": "others",
    "jti": "another",
    "_session": {"account": {"access_token": "x"}},
    "__proto__": {"role": "admin"},
    "Nickname": "Mallory",
}


@in_both_ways
def test_fields_that_are_not_on_the_list_are_left_out(client: JWTSessionClient, send: Send) -> None:
    before = claims_of(client)
    response = send(client, {**NOT_ON_THE_LIST, "nickname": "Countess"})
    assert response.status_code == 200
    assert claims_of(client) == {**before, "nickname": "Countess"}
    session = client.get_session()
    assert session is not None
    assert not {session.token[name] for name in ("exp", "iat", "jti")} & {
        9_999_999_999,
        1,
        "another",
    }


NO_OBJECTS = {
    "nothing": b"",
    "no JSON": b"nickname",
    "null": b"null",
    "a list": b'[{"nickname": "Mallory"}]',
    "a text": b'"nickname"',
    "a number": b"7",
    "half of an object": b'{"nickname": "Mall',
    "not UTF-8": b'{"nickname": "\xff"}',
    "a deep list": b"[" * 16_000,
    "a deep object": b'{"nickname":' * 1_300,
    "a deep value": b'{"nickname":' + b"[" * 8_000 + b"]" * 8_000 + b"}",
    "a number of 5000 digits": b'{"fav_num": 1' + b"0" * 5_000 + b"}",
    "a number beyond all": b'{"fav_num": 1e400}',
}


@pytest.mark.parametrize("path", ["/auth/session", FLAGGED_ROUTE])
@pytest.mark.parametrize("body", NO_OBJECTS)
def test_a_body_is_refused_that_is(client: JWTSessionClient, path: str, body: str) -> None:
    with unchanged(client):
        response = client.post(
            path, data=NO_OBJECTS[body], content_type="application/json", headers=FROM_OUR_PAGE
        )
    assert response.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_does_not_say_it_is_json_is_refused(
    client: JWTSessionClient, content_type: str | None
) -> None:
    body = b'{"nickname": "Countess"}'
    with unchanged(client):
        response = client.post(
            FLAGGED_ROUTE, data=body, content_type=content_type, headers=FROM_OUR_PAGE
        )
    assert response.status_code == 400


def test_a_body_that_is_too_large_is_refused(client: JWTSessionClient) -> None:
    with unchanged(client):
        response = with_flag(client, {"nickname": "x" * 20_000})
    assert response.status_code == 413
    assert client.get("/profile").status_code == 200


# From whom.


@in_both_ways
def test_who_is_not_signed_in_gets_401(app: Flask, send: Send) -> None:
    nobody = JWTSessionClient(app)
    response = send(nobody, {"nickname": "Mallory"})
    assert response.status_code == 401
    assert nobody.get_session(response) is None


@in_both_ways
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_cookie_that_is_no_good_gets_401(
    client: JWTSessionClient, send: Send, flaw: Flaw
) -> None:
    client.spoil_session(flaw)
    response = send(client, {"nickname": "Mallory"})
    assert response.status_code == 401
    assert not client.get_session(response)


def test_the_flag_does_nothing_at_a_sign_in(app: Flask) -> None:
    client = JWTSessionClient(app)
    sent = {"username": USERNAME, "password": PASSWORD, "nickname": "Countess"}
    path = f"/auth/callback/credentials?query={FLAG}"
    client.post(path, json=sent, headers=FROM_OUR_PAGE)
    assert "nickname" not in claims_of(client)


def test_after_a_sign_out_nothing_is_left_of_it(client: JWTSessionClient) -> None:
    with_flag(client, {"nickname": "Countess"})
    client.post("/auth/signout", headers=FROM_OUR_PAGE)
    assert with_flag(client, {"fav_num": 7}).status_code == 401
    client.sign_in({"id": 1, "name": "Ada Lovelace"})
    assert "nickname" not in claims_of(client)


OTHERS = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "another host of the domain": {
        "Sec-Fetch-Site": "same-site",
        "Origin": "http://evil.localhost",
    },
    "an address that was typed": {"Sec-Fetch-Site": "none"},
    "an old browser, elsewhere": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "a program": {},
}


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
@pytest.mark.parametrize("path", [FLAGGED_ROUTE, f"/nowhere?query={FLAG}", f"/?query={FLAG}"])
@pytest.mark.parametrize("sender", OTHERS)
def test_the_flag_does_nothing_in_a_request_of(
    client: JWTSessionClient, sender: str, path: str, accept: str
) -> None:
    """Not on the page either that says no, which has the session in it."""
    headers = {**OTHERS[sender], "Accept": accept, "Sec-Fetch-Mode": "navigate"}
    with unchanged(client):
        response = client.post(path, json={"nickname": "Mallory"}, headers=headers)
    assert response.status_code < 500
    assert "Mallory" not in response.text
    assert client.get_session(response) is None


@pytest.mark.parametrize("body", ["", "x", "[]", '{"nickname": 7}', '{"nickname": "Mallory"}'])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_no_path_and_no_body_with_the_flag_is_an_error_of_the_server(
    client: JWTSessionClient, body: str, accept: str
) -> None:
    """An error page is not asked twice what is wrong."""
    rules = {rule.rule for rule in client.application.url_map.iter_rules()}
    for path in {rule.partition("<")[0] for rule in rules} | {"/nowhere"}:
        client.sign_in({"id": "ada", "name": "Ada Lovelace"})
        response = client.post(
            f"{path}?query={FLAG}",
            data=body,
            headers={**FROM_OUR_PAGE, "Accept": accept, "Content-Type": "application/json"},
        )
        assert response.status_code < 500, path
        held = client.get_session()
        assert "Mallory" not in str(dict(held)) or path == ROUTE


@pytest.mark.parametrize("path", ["/", "/profile", "/auth/session", ROUTE, "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_the_flag_does_nothing_in_a_request_that_is_no_post(
    client: JWTSessionClient, method: str, path: str
) -> None:
    headers = {**FROM_OUR_PAGE, "query": FLAG}
    with unchanged(client):
        response = client.open(
            f"{path}?query={FLAG}", method=method, json={"nickname": "Mallory"}, headers=headers
        )
    assert response.status_code < 500
    assert client.get_session(response) is None


@pytest.mark.parametrize("path", ["/nowhere", "/", "/auth/signin/nobody", "/auth/signout"])
def test_what_cannot_be_kept_does_no_harm_where_nobody_asked_for_it(
    client: JWTSessionClient, path: str
) -> None:
    response = client.post(f"{path}?query={FLAG}", json={"nickname": 7}, headers=FROM_OUR_PAGE)
    assert response.status_code < 500


# Into every page.


def session_in(page: TestResponse) -> Any:
    found = re.search(r"<script type=\"application/json\"[^>]*>(.*?)</script>", page.text)
    assert found is not None
    return json.loads(found[1])["session"]


@pytest.mark.parametrize("path", ["/", "/profile", "/sign-in", "/nowhere"])
def test_the_session_is_in_every_page(client: JWTSessionClient, path: str) -> None:
    nickname = "</script><script>alert(1)</script>"
    with_update(client, {"nickname": nickname, "fav_num": 42})
    page = client.get(path, headers={"Accept": "text/html"})
    assert session_in(page) == client.get("/auth/session").get_json()
    assert session_in(page)["user"]["nickname"] == nickname
    assert nickname not in page.text
    assert f'<span data-user="nickname">{nickname}</span>' in unescape(page.text)


def test_a_page_has_nothing_of_the_token_but_what_is_public(client: JWTSessionClient) -> None:
    with_update(client, {"nickname": "Countess", "fav_num": 42})
    page = client.get("/profile")
    assert session_in(page).keys() == {"user", "expires"}
    assert session_in(page)["user"].keys() == {"name", "email", "image", "nickname", "fav_num"}
    assert claims_of(client)["sid"] not in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_a_page_for_nobody_says_so(app: Flask) -> None:
    page = JWTSessionClient(app).get("/")
    assert session_in(page) is None
    assert "Nobody" in page.text


def test_a_button_waits_for_its_script(client: JWTSessionClient) -> None:
    """A browser alone would send the form, with the data in the address."""
    main = client.get("/profile").text.partition("<main")[2]
    buttons = re.findall(r"<button[^>]*>", main)
    assert len(buttons) == 2
    assert [one for one in buttons if " disabled" not in one] == []


def test_the_person_of_the_example_can_sign_in(app: Flask) -> None:
    client = JWTSessionClient(app)

    def sign_in(username: str, password: str) -> TestResponse:
        form = {"username": username, "password": password, "callbackUrl": "/profile"}
        return client.post("/auth/callback/credentials", data=form, headers=FROM_OUR_PAGE)

    for wrong in ((USERNAME, ""), (USERNAME, "wrong"), ("bob", PASSWORD), ("", "")):
        assert "error=" in sign_in(*wrong).headers["Location"]
    assert sign_in(USERNAME, PASSWORD).headers["Location"].endswith("/profile")
    assert claims_of(client)["sub"] == "1"


def test_flask_finds_the_application_without_any_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWTSESSION_SECRET", raising=False)
    app = ScriptInfo(app_import_path="examples.client_data").load_app()
    assert app.test_client().get("/").status_code == 200


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def origin() -> Iterator[str]:
    with served(create_app(), "localhost") as origin:
        yield origin


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """Ada's profile, after she signed in. Nothing in it may be against the page's policy."""
    page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.request.post(
        f"{origin}/auth/callback/credentials",
        form={"username": USERNAME, "password": PASSWORD},
        headers=FROM_OUR_PAGE,
    )
    page.goto(f"{origin}/profile")
    yield page
    # What the browser itself says of an answer that is a refusal is none of the page's.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []
    # Chromium may never come to the end of closing a tab that loads a page.
    for tab in page.context.pages:
        tab.wait_for_load_state()
    page.context.close()


def fill_in(page: Page, nickname: str, number: str) -> None:
    page.get_by_label("Nickname").fill(nickname)
    page.get_by_label("Favourite number").fill(number)


@pytest.mark.parametrize("button", ["Save with update()", "Save with the flag"])
def test_a_button_saves_without_a_reload_and_all_tabs_know(
    page: Page, origin: str, button: str
) -> None:
    other_tab = page.context.new_page()
    other_tab.goto(origin)
    for tab in (page, other_tab):
        tab.evaluate("window.isStillThere = true")
    fill_in(page, "Countess", "42")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_have_text("Saved in your session.")
    expect(page.locator("dd[data-user=nickname]")).to_have_text("Countess")
    expect(page.locator("dd[data-user=fav_num]")).to_have_text("42")
    for tab in (page, other_tab):
        expect(tab.get_by_role("banner")).to_contain_text("Countess")
        expect(tab.locator("#snapshot")).to_contain_text('"fav_num": 42')
        assert tab.evaluate("window.isStillThere")
    page.reload()
    expect(page.get_by_label("Nickname")).to_have_value("Countess")


@pytest.mark.parametrize("button", ["Save with update()", "Save with the flag"])
def test_a_button_says_what_the_server_refuses(page: Page, button: str) -> None:
    fill_in(page, "Countess", "101")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_have_text(
        "A favourite number is a whole one from 1 to 100."
    )
    expect(page.get_by_role("banner")).to_contain_text("Ada Lovelace")


def test_an_answer_from_before_does_not_hide_what_was_saved_with_the_flag(page: Page) -> None:
    """Who comes back to the tab by a click on the button has client.js ask at the same moment."""
    early: list[tuple[Route, APIResponse]] = []

    def answer_late(route: Route) -> None:
        if early:
            route.continue_()
        else:
            early.append((route, route.fetch()))

    page.route("**/auth/session", answer_late)
    with page.expect_request("**/auth/session"):
        page.evaluate("window.dispatchEvent(new Event('focus'))")
    fill_in(page, "Countess", "42")
    with page.expect_response(f"**{FLAGGED_ROUTE}"):
        page.get_by_role("button", name="Save with the flag").click()
    ((route, answer),) = early
    route.fulfill(response=answer)
    expect(page.get_by_role("banner")).to_contain_text("Countess")
    expect(page.get_by_role("status")).to_have_text("Saved in your session.")


def test_two_tabs_that_save_at_once_keep_what_both_said(page: Page, origin: str) -> None:
    """``update()`` of one tab waits for that of the other."""
    save = """async (data) => {
        const { update } = await import("/auth/client.js");
        await Promise.all([update(data), update(data)]);
    }"""
    other_tab = page.context.new_page()
    other_tab.goto(origin)
    begin = f"(data) => {{ window.saved = ({save})(data); }}"
    page.evaluate(begin, {"nickname": "Countess"})
    other_tab.evaluate(begin, {"fav_num": 42})
    for tab in (page, other_tab):
        tab.evaluate("window.saved")
    page.reload()
    expect(page.locator("dd[data-user=nickname]")).to_have_text("Countess")
    expect(page.locator("dd[data-user=fav_num]")).to_have_text("42")


def test_who_signs_out_in_another_tab_is_led_to_the_sign_in(page: Page, origin: str) -> None:
    other_tab = page.context.new_page()
    other_tab.goto(origin)
    other_tab.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("User name").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your profile")
    expect(other_tab.get_by_role("banner")).to_contain_text("Ada Lovelace")


def test_a_form_of_another_host_of_the_domain_changes_nothing(page: Page, origin: str) -> None:
    """Its request has the cookie: to a cookie all ports of a host are one."""
    evil = Flask("evil")
    form = (
        f'<form method="post" enctype="text/plain" action="{origin}{FLAGGED_ROUTE}">'
        """<input name='{"nickname": "Mallory", "x": "' value='"}'><button>Win</button></form>"""
    )
    evil.add_url_rule("/", "page", lambda: form)
    with served(evil, "localhost") as elsewhere:
        victim = page.context.new_page()
        victim.goto(elsewhere)
        victim.get_by_role("button", name="Win").click()
        expect(victim.get_by_role("heading", level=1)).to_have_text("Forbidden")
        expect(victim.get_by_role("banner")).to_contain_text("Ada Lovelace")
    page.reload()
    expect(page.get_by_role("banner")).to_contain_text("Ada Lovelace")
