"""The notice board: each function of svelte-kit-jwt-session here, and other hooks beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import inf
from threading import Barrier
from typing import Any

import pytest
from flask import Flask, Response
from flask.cli import ScriptInfo
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.test import TestResponse

from examples.composed_hooks import create_app
from examples.composed_hooks.people import ACCOUNTS
from flask_jwtsession import (
    JWTSession,
    SessionClosed,
    current_session,
    reuse_detected,
    session_rejected,
    signed_in,
    update_session,
)
from flask_jwtsession.testing import Clock, Flaw, JWTSessionClient, stopped_clock

PASSWORDS = {username: password for username, password, *_ in ACCOUNTS}
EDITOR, READER = "ida", "jens"
ACCESS, REFRESH = "board.session-token", "board.refresh-token"
# In seconds. A browser may be late by what two clocks differ.
MINUTE, WEEK, LEEWAY = 60, 7 * 24 * 3600, 15

SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


class People(dict[str, dict[str, Any]]):
    """Those of the application, and who was looked up."""

    def __init__(self, people: dict[str, dict[str, Any]]) -> None:
        super().__init__(people)
        self.looked_up: list[str] = []

    def get(self, username: str, default: Any = None) -> Any:
        self.looked_up.append(username)
        return super().get(username, default)


@pytest.fixture
def app() -> Flask:
    app = create_app(TESTING=True)
    app.config["PEOPLE"] = People(app.config["PEOPLE"])
    return app


@pytest.fixture
def people(app: Flask) -> People:
    people: People = app.config["PEOPLE"]
    return people


@pytest.fixture
def clock(app: Flask) -> Iterator[Clock]:
    with stopped_clock(app) as clock:
        yield clock


@pytest.fixture
def client(app: Flask) -> JWTSessionClient:
    return browser_of(app)


@pytest.fixture
def rejections(app: Flask) -> Iterator[list[str]]:
    """Why a cookie was no good: whenever the extension looked at one."""
    reasons: list[str] = []

    def note(sender: Flask, reason: str, **_: object) -> None:
        reasons.append(reason)

    with session_rejected.connected_to(note, app):
        yield reasons


def browser_of(app: Flask) -> JWTSessionClient:
    """A client that sends what a browser sends from a page of the application."""
    client = JWTSessionClient(app)
    client.environ_base |= {
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_ACCEPT": "text/html",
    }
    return client


def log_in(client: JWTSessionClient, username: str = EDITOR) -> TestResponse:
    fields = {"username": username, "password": PASSWORDS[username]}
    return client.post("/login", data=fields)


def access_is_over(clock: Clock) -> None:
    clock.advance(MINUTE + LEEWAY + 1)


def set_cookie_lines(response: TestResponse) -> dict[str, str]:
    lines = response.headers.getlist("Set-Cookie")
    found = {line.partition("=")[0]: line for line in lines}
    assert len(found) == len(lines), "a cookie is set twice"
    return found


def cookies_of(client: JWTSessionClient) -> dict[str, str]:
    cookies = (client.get_cookie(name) for name in (ACCESS, REFRESH))
    return {cookie.key: cookie.value for cookie in cookies if cookie is not None}


def with_cookies(app: Flask, cookies: dict[str, str]) -> JWTSessionClient:
    """Another browser that has copies of them."""
    client = browser_of(app)
    for name, value in cookies.items():
        client.set_cookie(name, value)
    return client


def is_signed_in(client: JWTSessionClient) -> bool:
    return client.get("/").status_code == 200


def test_it_runs_with_nothing_to_set_up() -> None:
    client = ScriptInfo("examples.composed_hooks").load_app().test_client()
    assert client.get("/enter").status_code == 200


# handleSession and login


def test_a_login_sets_two_cookies_and_the_refresh_cookie_outlives_the_other(
    client: JWTSessionClient,
) -> None:
    lines = set_cookie_lines(log_in(client))
    assert set(lines) == {ACCESS, REFRESH}
    assert f"Max-Age={MINUTE};" in lines[ACCESS]
    assert f"Max-Age={WEEK};" in lines[REFRESH]
    assert all("HttpOnly" in line and "SameSite=Lax" in line for line in lines.values())


def test_the_session_is_there_in_the_request_that_begins_it(app: Flask) -> None:
    seen: list[object] = []

    @app.after_request
    def look(response: Response) -> Response:
        seen.append(current_session["user"]["name"] if current_session else None)
        return response

    log_in(browser_of(app))
    assert seen == ["Ida Cork"]


@pytest.mark.parametrize(
    "fields",
    [
        {"username": EDITOR, "password": "wrong"},
        {"username": "nobody", "password": PASSWORDS[EDITOR]},
        {"username": EDITOR},
        {"username": "guest-1", "password": ""},
        {},
    ],
    ids=["wrong", "unknown", "no password", "a guest's name", "nothing"],
)
def test_a_wrong_login_begins_nothing(client: JWTSessionClient, fields: dict[str, str]) -> None:
    refused = client.post("/login", data=fields)
    assert refused.status_code == 400
    assert set_cookie_lines(refused) == {}
    assert "The user name or the password is not right." in refused.text


def test_a_browser_sees_the_name_and_the_role_and_no_other_claim(
    client: JWTSessionClient,
) -> None:
    log_in(client, READER)
    public = client.get("/auth/session").get_json()
    assert set(public) == {"user", "expires"}
    assert public["user"] == {
        "name": "Jens Tafel", "email": None, "image": None, "role": "reader"
    }  # fmt: skip
    session = client.get_session()
    assert session
    assert session.token["language"] == "de"


# reauth


def test_who_has_another_role_in_the_database_has_it_after_a_minute(
    client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client, READER)
    people[READER]["role"] = "editor"
    assert client.post("/notes", data={"text": "Mine"}).status_code == 403
    access_is_over(clock)
    # The same request that asks again has the answer.
    assert client.post("/notes", data={"text": "Mine"}).status_code == 303
    assert "Mine" in client.get("/").text


def test_within_the_minute_nobody_is_looked_up(
    client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client)
    people.looked_up.clear()
    clock.advance(MINUTE - 1)
    assert is_signed_in(client)
    assert people.looked_up == []


def test_who_is_no_longer_in_the_database_is_out_after_a_minute(
    client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client)
    del people[EDITOR]
    assert is_signed_in(client)
    access_is_over(clock)
    left = client.get("/")
    assert left.location == "/enter"
    assert set(set_cookie_lines(left)) == {ACCESS, REFRESH}
    assert cookies_of(client) == {}


def test_of_parallel_requests_one_asks_and_all_are_answered(
    app: Flask, client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client)
    access_is_over(clock)
    people.looked_up.clear()
    cookies, together = cookies_of(client), Barrier(6)

    def load(_: int) -> int:
        browser = with_cookies(app, cookies)
        together.wait(10)
        return browser.get("/").status_code

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(load, range(6))) == [200] * 6
    assert people.looked_up == [EDITOR]


def test_a_refresh_cookie_that_was_copied_ends_the_session_for_both(
    app: Flask, client: JWTSessionClient, clock: Clock
) -> None:
    log_in(client)
    stolen = {REFRESH: cookies_of(client)[REFRESH]}
    for _ in range(2):  # the person goes on
        access_is_over(clock)
        assert is_signed_in(client)
    alarms: list[str] = []

    def note(sender: Flask, sub: str, **_: object) -> None:
        alarms.append(sub)

    with reuse_detected.connected_to(note, app):
        assert not is_signed_in(with_cookies(app, stolen))
    assert not is_signed_in(client)
    assert alarms == [EDITOR]


def test_nobody_comes_back_a_week_after_they_were_last_here(
    client: JWTSessionClient, clock: Clock
) -> None:
    log_in(client)
    clock.advance(WEEK - 1)
    assert is_signed_in(client)
    clock.advance(WEEK + LEEWAY + 1)
    assert not is_signed_in(client)


# createSession


def test_a_guest_has_a_session_that_no_database_knows(
    client: JWTSessionClient, clock: Clock
) -> None:
    assert set(set_cookie_lines(client.post("/guest"))) == {ACCESS, REFRESH}
    page = client.get("/").text
    assert ", guest</span>" in page
    assert "Pin it up" not in page
    name = client.get("/auth/session").get_json()["user"]["name"]
    access_is_over(clock)
    after = client.get("/auth/session").get_json()["user"]
    assert (after["name"], after["role"]) == (name, "guest")


def test_a_guest_may_not_do_what_an_editor_may(client: JWTSessionClient) -> None:
    client.post("/guest")
    assert client.post("/notes", data={"text": "Mine"}).status_code == 403


def test_two_guests_are_two_people(app: Flask) -> None:
    subjects = set()
    for _ in range(2):
        client = browser_of(app)
        client.post("/guest")
        session = client.get_session()
        assert session
        subjects.add(session.token["sub"])
    assert len(subjects) == 2


def test_who_signs_in_over_a_guests_session_has_a_new_one(
    app: Flask, client: JWTSessionClient
) -> None:
    client.post("/guest")
    as_guest = cookies_of(client)
    log_in(client)
    assert "Ida Cork, editor" in client.get("/").text
    assert not is_signed_in(with_cookies(app, as_guest))


# removeSession


@pytest.mark.parametrize("names", [(ACCESS,), (REFRESH,), (ACCESS, REFRESH)])
def test_who_leaves_has_no_cookies_and_no_copy_of_them_is_good(
    app: Flask, client: JWTSessionClient, names: tuple[str, ...]
) -> None:
    log_in(client)
    copies = {name: cookies_of(client)[name] for name in names}
    left = client.post("/leave")
    assert left.location == "/enter"
    assert cookies_of(client) == {}
    assert not is_signed_in(with_cookies(app, copies))


def test_leaving_works_after_the_access_cookie_is_over(
    app: Flask, client: JWTSessionClient, clock: Clock
) -> None:
    log_in(client)
    copies = cookies_of(client)
    access_is_over(clock)
    client.post("/leave")
    assert cookies_of(client) == {}
    assert not is_signed_in(with_cookies(app, copies))


# fallback


def test_a_page_that_needs_somebody_leads_to_the_entrance(client: JWTSessionClient) -> None:
    response = client.get("/")
    assert (response.status_code, response.location) == (303, "/enter")
    assert "no-store" in response.headers["Cache-Control"]


def test_a_script_gets_401(client: JWTSessionClient) -> None:
    response = client.get("/", headers=SCRIPT)
    assert response.status_code == 401
    assert response.get_json() == {"error": "Come in first."}


@pytest.mark.parametrize("path", ["/enter", "/health", "/auth/session", "/static/board.css"])
def test_what_needs_nobody_does_not_ask_for_the_fallback(
    client: JWTSessionClient, path: str
) -> None:
    with client.get(path) as response:
        assert response.status_code == 200


@pytest.mark.parametrize("flaw", ["expired", "tampered", "other_secret"])
def test_cookies_that_are_no_good_are_nobodys(client: JWTSessionClient, flaw: Flaw) -> None:
    log_in(client)
    client.spoil_session(flaw)
    assert client.get("/").location == "/enter"
    assert client.get("/enter").status_code == 200


def test_why_a_cookie_was_no_good_is_in_the_log_and_the_cookie_is_not(
    app: Flask, client: JWTSessionClient, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(client)
    client.spoil_session("tampered")
    with caplog.at_level(logging.INFO):
        client.get("/")
    lines = [record.getMessage() for record in caplog.records if record.name == app.logger.name]
    assert lines
    assert all(line.startswith("A session cookie was not accepted: ") for line in lines)
    assert not [value for value in cookies_of(client).values() if value[-20:] in caplog.text]


# The other hooks.


@pytest.mark.parametrize(
    ("username", "asks_for", "greeting"),
    [(READER, "en", "Guten Tag, Jens Tafel"), (EDITOR, "de", "Good day, Ida Cork")],
)
def test_the_language_hook_goes_by_the_session(
    client: JWTSessionClient, username: str, asks_for: str, greeting: str
) -> None:
    log_in(client, username)
    assert greeting in client.get("/", headers={"Accept-Language": asks_for}).text


@pytest.mark.parametrize(
    ("asks_for", "greeting"), [("de-AT, de", "Guten Tag"), ("fr", "Good day"), ("", "Good day")]
)
def test_without_a_session_the_language_hook_goes_by_the_browser(
    client: JWTSessionClient, asks_for: str, greeting: str
) -> None:
    assert greeting in client.get("/enter", headers={"Accept-Language": asks_for}).text


def test_a_request_that_does_not_use_the_session_decrypts_nothing(
    client: JWTSessionClient, rejections: list[str]
) -> None:
    log_in(client)
    client.spoil_session("tampered")
    for path in ("/health", "/static/board.css", "/no-such-page"):
        with client.get(path) as response:
            assert "Cookie" not in response.vary
            assert "Set-Cookie" not in response.headers
    assert rejections == []
    client.get("/enter")  # whose language hook does use it
    assert rejections != []


def test_a_request_that_does_not_use_the_session_renews_nothing(
    client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client)
    people.looked_up.clear()
    access_is_over(clock)
    assert "Set-Cookie" not in client.get("/health").headers
    assert people.looked_up == []
    assert set(set_cookie_lines(client.get("/"))) == {ACCESS, REFRESH}


@pytest.mark.parametrize("path", ["/", "/enter", "/health", "/no-such-page", "/auth/session"])
def test_every_response_has_an_id_of_its_own(client: JWTSessionClient, path: str) -> None:
    ids = [client.get(path).headers.getlist("X-Request-Id") for _ in range(2)]
    assert [len(one) for one in ids] == [1, 1]
    assert ids[0] != ids[1]


def test_a_hook_that_answers_first_leaves_the_session_alone(
    app: Flask, client: JWTSessionClient, clock: Clock, people: People
) -> None:
    log_in(client)
    people.looked_up.clear()
    cookies = cookies_of(client)
    access_is_over(clock)
    app.config["MAINTENANCE"] = True
    for path in ("/", "/auth/session", "/health"):
        closed = client.get(path)
        assert closed.status_code == 503
        assert "Set-Cookie" not in closed.headers
        assert "X-Request-Id" in closed.headers
    assert client.post("/leave", headers=CROSS_SITE).status_code == 503
    assert people.looked_up == []
    app.config["MAINTENANCE"] = False
    assert cookies_of(client) == cookies
    assert is_signed_in(client)


def test_what_a_hook_before_the_extension_answers_everybody_gets() -> None:
    app = create_app(TESTING=True, JWTSESSION_PROTECT_ALL=True)
    asked: list[str] = []
    app.before_request(lambda: asked.append("after the extension"))
    client = browser_of(app)
    assert client.get("/health").status_code == 303
    app.config["MAINTENANCE"] = True
    assert client.get("/health").status_code == 503
    assert asked == []


def test_of_the_hooks_after_the_view_those_from_before_the_extension_see_its_cookies(
    app: Flask,
) -> None:
    seen: list[int] = []

    def look(response: Response) -> Response:
        seen.append(len(response.headers.getlist("Set-Cookie")))
        return response

    app.after_request_funcs[None].insert(0, look)
    app.after_request(look)
    browser_of(app).post("/guest")
    assert seen == [0, 2]


def test_a_hook_that_was_registered_before_the_extension_uses_the_session_too(
    app: Flask,
) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(current_session.user and current_session.user["name"])

    app.before_request_funcs[None].insert(0, look)
    client = browser_of(app)
    log_in(client)
    client.get("/health")
    assert seen == [None, "Ida Cork"]


def test_a_hook_after_the_view_changes_the_session_if_it_was_registered_after_the_extension(
    app: Flask,
) -> None:
    @app.after_request
    def count(response: Response) -> Response:
        if current_session:
            update_session({"seen": current_session.token.get("seen", 0) + 1})
        return response

    client = browser_of(app)
    for path in ("/guest", "/leave", "/guest"):
        client.post(path)
    session = client.get_session(client.get("/"))
    assert session
    assert session.token["seen"] == 2


def test_a_hook_after_the_view_that_comes_too_late_to_change_the_session_is_told_so(
    app: Flask,
) -> None:
    def change(response: Response) -> Response:
        update_session({"seen": 1})
        return response

    app.after_request_funcs[None].insert(0, change)
    with pytest.raises(SessionClosed):
        browser_of(app).post("/guest")


class Fault:
    """A hook of somebody else that fails as often as it is told to."""

    def __init__(self) -> None:
        self.times = 0.0

    def before(self) -> None:
        if self.times > 0:
            self.times -= 1
            raise ZeroDivisionError

    def after(self, response: Response) -> Response:
        self.before()
        return response


@contextmanager
def failing(app: Flask, fault: Fault, times: float = inf) -> Iterator[None]:
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    fault.times = times
    yield
    fault.times = 0


def before(app: Flask, fault: Fault) -> None:
    app.before_request(fault.before)


def after_the_view(app: Flask, fault: Fault) -> None:
    app.after_request(fault.after)


def after_the_cookies(app: Flask, fault: Fault) -> None:
    app.after_request_funcs[None].insert(0, fault.after)


PLACES = pytest.mark.parametrize("place", [before, after_the_view, after_the_cookies])
Place = Callable[[Flask, Fault], None]


@PLACES
def test_an_error_in_another_hook_signs_nobody_out(app: Flask, place: Place) -> None:
    fault = Fault()
    place(app, fault)
    client = browser_of(app)
    log_in(client)
    with failing(app, fault):
        failed = client.get("/")
    assert failed.status_code == 500
    assert "Set-Cookie" not in failed.headers
    assert is_signed_in(client)


@PLACES
def test_an_error_in_another_hook_does_not_cost_a_session_that_is_just_renewed(
    app: Flask, clock: Clock, place: Place
) -> None:
    fault = Fault()
    place(app, fault)
    client = browser_of(app)
    log_in(client)
    access_is_over(clock)
    with failing(app, fault):
        assert client.get("/").status_code == 500
    # Whether the new cookies were in that response or not.
    assert is_signed_in(client)
    access_is_over(clock)
    assert is_signed_in(client)


@pytest.mark.parametrize("place", [after_the_view, after_the_cookies])
def test_the_error_page_of_a_request_that_began_a_session_has_its_cookies_once(
    app: Flask, place: Place
) -> None:
    fault = Fault()
    place(app, fault)
    client = browser_of(app)
    # Flask calls all of these hooks once more, for the error page.
    with failing(app, fault, times=1):
        failed = log_in(client)
    assert failed.status_code == 500
    assert set(set_cookie_lines(failed)) == {ACCESS, REFRESH}
    assert is_signed_in(client)


def test_the_hooks_of_another_extension_that_answers_first_leave_the_session_alone(
    app: Flask,
) -> None:
    Limiter(get_remote_address, app=app, default_limits=["2 per day"], storage_uri="memory://")
    client = browser_of(app)
    log_in(client)
    answers = [client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "Set-Cookie" not in answers[-1].headers
    assert client.get_session()


# Attacks.


@pytest.mark.parametrize("path", ["/login", "/guest", "/leave", "/notes", "/auth/session"])
def test_another_site_changes_nothing(client: JWTSessionClient, path: str) -> None:
    log_in(client)
    fields = {"username": READER, "password": PASSWORDS[READER], "text": "Mine"}
    assert client.post(path, data=fields, headers=CROSS_SITE).status_code == 403
    page = client.get("/").text
    assert "Ida Cork, editor" in page
    assert "Mine" not in page


def test_another_site_signs_nobody_in_who_is_not(app: Flask, client: JWTSessionClient) -> None:
    begun: list[object] = []

    def note(sender: Flask, **_: object) -> None:
        begun.append(sender)

    fields = {"username": READER, "password": PASSWORDS[READER]}
    with signed_in.connected_to(note, app):
        for path in ("/login", "/guest"):
            response = client.post(path, data=fields, headers=CROSS_SITE)
            assert response.status_code == 403
            assert set_cookie_lines(response) == {}
    assert begun == []


def test_a_browser_cannot_give_itself_a_role(client: JWTSessionClient) -> None:
    client.post("/guest")
    wish = {"role": "editor", "sub": EDITOR, "exp": 9_999_999_999, "guest": 1}
    client.post("/auth/session", json={"data": wish}, headers=SCRIPT)
    session = client.get_session()
    assert session
    assert session.token["role"] == "guest"
    assert session.token["sub"].startswith("guest-")
    assert client.post("/notes", data={"text": "Mine"}).status_code == 403


@pytest.mark.parametrize("text", ["", " \n ", "x" * 201])
def test_a_note_that_is_none_is_refused(client: JWTSessionClient, text: str) -> None:
    log_in(client)
    assert client.post("/notes", data={"text": text}).status_code == 400


def test_a_note_is_text(client: JWTSessionClient) -> None:
    log_in(client)
    client.post("/notes", data={"text": "<script>alert(1)</script>"})
    page = client.get("/")
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\x00", "application/x-www-form-urlencoded"),
        (b"username=%ff&password=%00", "application/x-www-form-urlencoded"),
        (b"username=a&username=b&" * 400, "application/x-www-form-urlencoded"),
        (b"[" * 100_000, "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
    ],
    ids=["no text", "no UTF-8", "often", "deep", "cut off", "no boundary"],
)
@pytest.mark.parametrize("path", ["/login", "/notes", "/auth/session"])
def test_no_body_makes_a_view_fail(
    client: JWTSessionClient, path: str, body: bytes, content_type: str
) -> None:
    client.post("/guest")
    assert client.post(path, data=body, content_type=content_type).status_code < 500


def test_a_session_from_before_there_were_roles_is_no_error(
    app: Flask, client: JWTSessionClient
) -> None:
    older = Flask("older")
    older.config.update({name: app.config[name] for name in app.config if "JWTSESSION_" in name})
    auth = JWTSession(older)
    auth.reauth_callback(lambda claims: claims)
    before = JWTSessionClient(older)
    before.sign_in({"id": "ida", "name": "Ida Cork"})
    cookie = before.get_cookie("board.session-token")
    assert cookie is not None
    client.set_cookie(cookie.key, cookie.value)
    for path in ("/", "/auth/session"):
        assert client.get(path).status_code == 200
