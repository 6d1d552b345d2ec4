"""The harbour office: sessions on the server, how long they last, and who is let in where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from flask import Flask
from flask.cli import ScriptInfo
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect
from werkzeug.test import TestResponse

from examples.guarded_pages import create_app, pages
from examples.guarded_pages.people import ACCOUNTS
from flask_jwtsession import JWTSession, revoke_user
from flask_jwtsession.testing import Clock, Flaw, JWTSessionClient, stopped_clock

from ..browsers import running_browser
from ..serving.thread import served

PASSWORDS = {username: password for username, password, _, _ in ACCOUNTS}
MASTER, CLERK, SKIPPER = "ada", "ben", "cleo"
GUARDED = ["/account", "/berths", "/wages", "/reports/", "/reports/may"]
WAGE_EARNER = "Dora Lock"

STATUS = "/auth/session/status"
MAX_AGE, UPDATE_AGE = timedelta(minutes=30), timedelta(minutes=5)
ABSOLUTE_MAX_AGE = timedelta(hours=8)
# By as much two clocks may differ.
LEEWAY = timedelta(seconds=15)
SECOND = timedelta(seconds=1)

SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture
def app() -> Flask:
    return create_app(TESTING=True)


@pytest.fixture
def clock(app: Flask) -> Iterator[Clock]:
    with stopped_clock(app) as clock:
        yield clock


@pytest.fixture
def client(app: Flask) -> JWTSessionClient:
    return browser_of(app)


def browser_of(app: Flask) -> JWTSessionClient:
    """A client that sends what a browser sends when a person loads a page from another one here."""
    client = JWTSessionClient(app)
    client.environ_base |= {
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_ACCEPT": "text/html",
    }
    return client


def enter(client: JWTSessionClient, username: str) -> JWTSessionClient:
    """Without the sign-in page, and the time that its hash takes."""
    names = {name: (role, full_name) for name, _, role, full_name in ACCOUNTS}
    role, full_name = names[username]
    client.sign_in({"id": username, "name": full_name, "role": role})
    return client


def post_password(client: JWTSessionClient, username: str, password: str, **more: str) -> Any:
    fields = {"username": username, "password": password, **more}
    return client.post("/auth/callback/credentials", data=fields)


def shown(response: TestResponse, name: str) -> str:
    """The text of the element of a page with this id."""
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', response.text)
    assert found is not None, response.text
    return found[1]


def shown_time(when: float | datetime) -> str:
    moment = when if isinstance(when, datetime) else datetime.fromtimestamp(when, UTC)
    return f"{moment:%H:%M:%S} UTC"


def status_of(client: JWTSessionClient) -> dict[str, Any]:
    response = client.get(STATUS, headers=SCRIPT)
    status: dict[str, Any] = response.get_json()
    assert response.status_code == (200 if status["status"] == "authenticated" else 401)
    return status


def is_sent_to_sign_in(response: TestResponse, path: str) -> bool:
    if response.status_code != 302:
        return False
    target = urlsplit(response.location)
    return target.path == "/sign-in" and parse_qs(target.query)["callbackUrl"] == [path]


# The session on the server: in views, in a blueprint, in templates.


def test_it_runs_with_nothing_to_set_up() -> None:
    assert ScriptInfo("examples.guarded_pages").load_app().test_client().get("/").status_code == 200


@pytest.mark.parametrize(
    ("username", "said"),
    [
        (MASTER, "You may read them."),
        (CLERK, "You may read them."),
        (SKIPPER, "They are for the office."),
    ],
)
def test_a_view_decides_by_the_session(client: JWTSessionClient, username: str, said: str) -> None:
    assert said in enter(client, username).get("/account").text


@pytest.mark.parametrize("path", ["/", "/help/tides", *GUARDED[:2], "/reports/"])
def test_every_page_has_a_header_that_knows_who_it_is(client: JWTSessionClient, path: str) -> None:
    page = enter(client, MASTER).get(path).text
    header = page[page.index("<header>") : page.index("</header>")]
    assert "Ada Quay" in header
    assert "Sign in" not in header


def test_the_header_of_who_is_not_signed_in_has_a_way_to_do_so(client: JWTSessionClient) -> None:
    page = client.get("/help/tides").text
    assert '<a class="who" href="/sign-in">Sign in</a>' in page
    assert "Sign out" not in page


@pytest.mark.parametrize(("username", "sees"), [(MASTER, True), (CLERK, False), (SKIPPER, False)])
def test_a_component_is_in_the_page_of_one_role_alone(
    client: JWTSessionClient, username: str, sees: bool
) -> None:
    page = enter(client, username).get("/berths").text
    assert "Second Wind" in page
    assert (WAGE_EARNER in page) is sees


def test_what_a_component_shows_is_not_asked_for_where_it_is_not_shown(
    client: JWTSessionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Wages(dict[str, int]):
        def items(self) -> Any:
            asked.append("wages")
            return super().items()

    monkeypatch.setattr(pages, "WAGES", Wages())
    enter(client, SKIPPER).get("/berths")
    assert asked == []
    enter(client, MASTER).get("/berths")
    assert asked == ["wages"]


@pytest.mark.parametrize("path", ["/reports/", "/reports/may", "/reports/no-such-report"])
def test_a_blueprint_lets_only_its_roles_in(app: Flask, path: str) -> None:
    assert is_sent_to_sign_in(browser_of(app).get(path), path)
    assert enter(browser_of(app), SKIPPER).get(path).status_code == 403
    for username in (MASTER, CLERK):
        assert enter(browser_of(app), username).get(path).status_code in (200, 404)


def test_a_view_that_is_added_to_the_blueprint_later_is_guarded_too(app: Flask) -> None:
    app.add_url_rule("/reports/drafts", "reports.drafts", lambda: "a draft")
    assert enter(browser_of(app), SKIPPER).get("/reports/drafts").status_code == 403
    assert enter(browser_of(app), CLERK).get("/reports/drafts").text == "a draft"


# Who is let in where.


@pytest.mark.parametrize("path", ["/account", "/reports/may"])
def test_who_is_not_signed_in_signs_in_and_comes_back(client: JWTSessionClient, path: str) -> None:
    assert is_sent_to_sign_in(client.get(f"{path}?page=2"), f"{path}?page=2")
    page = client.get("/sign-in", query_string={"callbackUrl": f"{path}?page=2"})
    assert f'name="callbackUrl" value="{path}?page=2"' in page.text
    entered = post_password(client, MASTER, PASSWORDS[MASTER], callbackUrl=f"{path}?page=2")
    assert urlsplit(entered.location).path == path
    assert client.get(entered.location).status_code == 200


@pytest.mark.parametrize("path", GUARDED)
def test_a_script_that_nobody_is_signed_in_for_gets_no_page_but_401(
    client: JWTSessionClient, path: str
) -> None:
    refused = client.get(path, headers=SCRIPT)
    assert refused.status_code == 401
    assert refused.get_json(force=True)["code"] == "login_required"


@pytest.mark.parametrize(("username", "status"), [(MASTER, 200), (CLERK, 403), (SKIPPER, 403)])
def test_a_route_for_one_role_is_closed_to_others(
    client: JWTSessionClient, username: str, status: int
) -> None:
    response = enter(client, username).get("/wages", headers=SCRIPT)
    assert response.status_code == status
    assert (WAGE_EARNER in response.text) is (status == 200)


def test_a_view_whose_guard_was_forgotten_is_closed(app: Flask) -> None:
    app.add_url_rule("/new", view_func=lambda: "new", endpoint="new")
    assert is_sent_to_sign_in(browser_of(app).get("/new"), "/new")
    assert enter(browser_of(app), SKIPPER).get("/new").text == "new"


def test_what_is_public_for_the_browser_is_public_on_the_server_and_nothing_else(
    app: Flask, client: JWTSessionClient
) -> None:
    arguments: dict[str, Any] = {"topic": "tides", "name": "may"}
    seen = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] in ("pages", "reports"):
            with app.test_request_context():
                path = app.url_for(
                    rule.endpoint, **{name: arguments[name] for name in rule.arguments}
                )
            is_public = client.get(path).status_code == 200
            assert is_public is (is_public_for_the_browser(path) or path == "/sign-in"), path
            seen.add(path)
    assert seen == {"/", "/help/tides", "/sign-in", *GUARDED}


def is_public_for_the_browser(path: str) -> bool:
    """As ``guardNavigation`` reads its ``publicPaths``."""
    return any(
        path == public or (public.endswith("/*") and path.startswith(public[:-1]))
        for public in pages.PUBLIC_PATHS
    )


@pytest.mark.parametrize(
    "path",
    [
        "/Account",
        "//account",
        "/account/",
        "/help/../account",
        "/help/..%2faccount",
        "/help/%2e%2e/account",
        "/reports/%6day",
        "/reports//may",
        "/./reports/may",
        "/account;/help/tides",
        "/account%00",
    ],
)
def test_another_way_to_write_a_path_opens_nothing(client: JWTSessionClient, path: str) -> None:
    # As a server hands it over.
    response = client.get("/", environ_overrides={"PATH_INFO": unquote(path)})
    if response.status_code == 308:  # to the path as it is written here
        response = client.get(response.location)
    assert response.status_code in (302, 404)


@pytest.mark.parametrize("path", GUARDED)
def test_another_method_opens_nothing(client: JWTSessionClient, path: str) -> None:
    assert client.head(path).status_code == 302
    assert client.post(path).status_code == 405
    assert client.options(path).data == b""


def test_a_wrong_password_is_said_on_the_page_and_the_way_back_is_kept(
    client: JWTSessionClient,
) -> None:
    refused = post_password(client, MASTER, "wrong", callbackUrl="/berths")
    assert client.get_session(refused) is None
    page = client.get(refused.location)
    assert page.request.path == "/sign-in"
    assert "The user name or the password is not right." in page.text
    assert 'value="/berths"' in page.text


@pytest.mark.parametrize("username", ["nobody", "ada\x00"])
def test_an_unknown_name_is_answered_like_a_wrong_password(
    client: JWTSessionClient, username: str
) -> None:
    wrong = post_password(client, MASTER, "wrong")
    unknown = post_password(client, username, PASSWORDS[MASTER])
    assert (unknown.status_code, unknown.location) == (wrong.status_code, wrong.location)
    assert not client.get_session()


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_a_link_to_the_sign_in_page_leads_to_no_other_site(
    client: JWTSessionClient, target: str
) -> None:
    page = client.get("/sign-in", query_string={"callbackUrl": target})
    assert page.status_code == 200
    entered = post_password(client, MASTER, PASSWORDS[MASTER], callbackUrl=target)
    assert entered.location == "http://localhost"


def test_what_a_link_brings_to_the_sign_in_page_is_text(client: JWTSessionClient) -> None:
    page = client.get("/sign-in", query_string={"callbackUrl": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("flaw", ["expired", "tampered", "other_secret"])
@pytest.mark.parametrize("path", ["/account", "/reports/may"])
def test_a_cookie_that_is_no_good_opens_nothing(
    client: JWTSessionClient, path: str, flaw: Flaw
) -> None:
    enter(client, MASTER).spoil_session(flaw)
    assert is_sent_to_sign_in(client.get(path), path)
    assert status_of(client) == {"status": "unauthenticated"}
    assert client.get("/").status_code == 200


def test_a_browser_cannot_give_itself_a_role(client: JWTSessionClient) -> None:
    enter(client, SKIPPER)
    wish = {"role": "master", "sub": MASTER, "exp": 9_999_999_999, "user": {"role": "master"}}
    client.post("/auth/session", json={"data": wish}, headers=SCRIPT)
    session = client.get_session()
    assert session
    assert (session.token["role"], session.token["sub"]) == ("skipper", SKIPPER)
    assert client.get("/wages").status_code == 403


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b"null", b'"x"', b"{" * 5000, b"[" * 100_000, b'{"data": []}'],
    ids=["empty", "no text", "array", "null", "text", "open", "deep", "data is an array"],
)
@pytest.mark.parametrize("path", ["/auth/session", "/auth/callback/credentials", "/auth/signout"])
def test_no_body_makes_an_endpoint_fail(client: JWTSessionClient, path: str, body: bytes) -> None:
    enter(client, MASTER)
    response = client.post(path, data=body, content_type="application/json", headers=SCRIPT)
    assert response.status_code < 500


def test_another_site_can_neither_sign_in_nor_out(client: JWTSessionClient) -> None:
    enter(client, MASTER)
    fields = {"username": SKIPPER, "password": PASSWORDS[SKIPPER]}
    for path in ("/auth/callback/credentials", "/auth/signout"):
        assert client.post(path, data=fields, headers=CROSS_SITE).status_code == 403
    session = client.get_session()
    assert session
    assert session.token["sub"] == MASTER


@pytest.mark.parametrize("path", ["/", "/sign-in", *GUARDED])
def test_a_page_has_no_script_of_its_own_and_no_cache_keeps_it(
    client: JWTSessionClient, path: str
) -> None:
    page = enter(client, MASTER).get(path)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "no-store" in page.headers["Cache-Control"]
    assert re.findall(r"<script(?![^>]* (?:src|type=\"application/json\"))", page.text) == []
    assert re.findall(r" on\w+=", page.text) == []


# How long a session lasts.


def test_a_session_that_is_used_soon_again_ends_when_it_would_have(
    client: JWTSessionClient, clock: Clock
) -> None:
    enter(client, MASTER)
    end = shown(client.get("/account"), "expires")
    assert end == shown_time(clock.now + MAX_AGE.total_seconds())
    clock.advance(UPDATE_AGE - SECOND)
    page = client.get("/account")
    assert client.get_session(page) is None
    assert shown(page, "expires") == end


def test_the_end_moves_when_a_session_is_used_after_a_while(
    client: JWTSessionClient, clock: Clock
) -> None:
    enter(client, MASTER)
    clock.advance(UPDATE_AGE + SECOND)
    page = client.get("/account")
    issued = client.get_session(page)
    assert issued
    assert shown(page, "expires") == shown_time(clock.now + MAX_AGE.total_seconds())
    assert shown(page, "expires") == shown_time(issued.expires or 0)


def test_a_session_that_nobody_used_is_over(client: JWTSessionClient, clock: Clock) -> None:
    enter(client, MASTER)
    clock.advance(MAX_AGE + LEEWAY + SECOND)
    page = client.get("/account")
    assert is_sent_to_sign_in(page, "/account")
    deleted = client.get_session(page)
    assert deleted is not None
    assert not deleted


def test_a_session_that_is_used_goes_on_to_its_absolute_end(
    client: JWTSessionClient, clock: Clock
) -> None:
    enter(client, MASTER)
    latest_end = shown(client.get("/account"), "latest-end")
    assert latest_end == shown_time(clock.now + ABSOLUTE_MAX_AGE.total_seconds())
    step = timedelta(minutes=20)
    for _ in range(23):
        clock.advance(step)
        assert client.get("/account").status_code == 200
    # In its last half an hour nothing is put off any more.
    page = client.get("/account")
    assert shown(page, "expires") == shown(page, "latest-end") == latest_end
    clock.advance(step + LEEWAY + SECOND)
    assert is_sent_to_sign_in(client.get("/account"), "/account")


def test_a_request_that_does_not_use_the_session_puts_nothing_off(
    client: JWTSessionClient, clock: Clock
) -> None:
    enter(client, MASTER)
    clock.advance(MAX_AGE / 2)
    for path in ("/static/pages.js", "/auth/client.js", "/no-such-page"):
        with client.get(path) as response:
            assert "Set-Cookie" not in response.headers
    clock.advance(MAX_AGE / 2 + LEEWAY + SECOND)
    assert is_sent_to_sign_in(client.get("/account"), "/account")


def test_the_status_says_until_when(client: JWTSessionClient, clock: Clock) -> None:
    assert status_of(client) == {"status": "unauthenticated"}
    enter(client, MASTER)
    status = status_of(client)
    assert shown_time(datetime.fromisoformat(status["expires"])) == shown_time(
        clock.now + MAX_AGE.total_seconds()
    )


def test_a_page_that_polls_the_status_does_not_keep_its_session_alive(
    client: JWTSessionClient, clock: Clock
) -> None:
    enter(client, MASTER)
    end = status_of(client)["expires"]
    for _ in range(30):
        response = client.get(STATUS, headers=SCRIPT)
        assert response.get_json()["expires"] == end
        assert "Set-Cookie" not in response.headers
        clock.advance(60)
    clock.advance(LEEWAY + SECOND)
    assert status_of(client) == {"status": "unauthenticated"}


def test_the_status_knows_that_a_session_was_ended_from_elsewhere(
    app: Flask, client: JWTSessionClient
) -> None:
    enter(client, MASTER)
    with app.test_request_context():
        revoke_user(MASTER)
    assert status_of(client) == {"status": "unauthenticated"}


# In a browser.

PATIENCE = 10_000  # milliseconds


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def office(chromium: Browser) -> Iterator[Office]:
    app = create_app(STATUS_SECONDS=0.25)
    with (
        stopped_clock(app) as clock,
        served(app) as origin,
        chromium.new_context(base_url=origin) as context,
    ):
        office = Office(app, clock, context)
        yield office
        assert office.complaints == []


class Office:
    """Somebody's browser at the office, which asks for the status four times a second.

    :ivar complaints: what any page wrote to its console; a refused policy is there too
    """

    def __init__(self, app: Flask, clock: Clock, context: BrowserContext) -> None:
        self.app = app
        self.clock = clock
        self.context = context
        self.complaints: list[str] = []
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", lambda message: self._note(message.text))

    def tab(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.goto(path)
        return page

    def enter(self, username: str) -> None:
        """Without a page."""
        fields: dict[str, str | float | bool] = {
            "username": username,
            "password": PASSWORDS[username],
        }
        answer = self.context.request.post(
            "/auth/callback/credentials", form=fields, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answer.ok

    def _note(self, text: str) -> None:
        # What Chromium itself says of an answer that is no success.
        if not text.startswith("Failed to load resource"):
            self.complaints.append(text)


def follow(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def sign_in_here(page: Page, username: str) -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORDS[username])
    page.get_by_role("button", name="Sign in").click()


def mark(page: Page) -> None:
    """So that a reload is noticed."""
    page.evaluate("window.isTheSamePage = true")


def is_still_the_same_page(page: Page) -> bool:
    return bool(page.evaluate("window.isTheSamePage === true"))


def test_in_a_browser_pages_change_without_a_reload(office: Office) -> None:
    office.enter(CLERK)
    page = office.tab()
    mark(page)
    for name, path, heading in (
        ("Tides", "/help/tides", "Tides"),
        ("Berths", "/berths", "Berths"),
        ("Reports", "/reports/", "Reports"),
        ("May", "/reports/may", "May"),
    ):
        follow(page, name)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert urlsplit(page.url).path == path
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reports")
    assert is_still_the_same_page(page)


def test_in_a_browser_the_guard_leads_to_the_sign_in_and_back(office: Office) -> None:
    page = office.tab()
    follow(page, "Berths")
    page.wait_for_url("**/sign-in?callbackUrl=%2Fberths")
    sign_in_here(page, SKIPPER)
    page.wait_for_url("**/berths")
    expect(page.get_by_role("cell", name="Second Wind")).to_be_visible()
    expect(page.get_by_text(WAGE_EARNER)).to_have_count(0)


def test_in_a_browser_a_public_path_asks_nobody_to_sign_in(office: Office) -> None:
    page = office.tab()
    mark(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    follow(page, "Tides")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tides")
    assert is_still_the_same_page(page)
    assert asked == ["/help/tides"]


def test_in_a_browser_the_server_refuses_also_without_the_guard(office: Office) -> None:
    page = office.context.new_page()
    # Whoever does not want the script leaves it out.
    page.route("**/static/pages.js", lambda route: route.abort())
    page.goto("/")
    status = page.evaluate("fetch('/wages').then((response) => response.status)")
    assert status == 401
    follow(page, "Berths")
    page.wait_for_url("**/sign-in?callbackUrl=%2Fberths")


def test_in_a_browser_a_page_for_another_role_is_the_servers_refusal(office: Office) -> None:
    office.enter(SKIPPER)
    page = office.tab()
    page.evaluate("document.querySelector('a[data-soft][href=\"/berths\"]').href = '/wages'")
    follow(page, "Berths")
    expect(page.get_by_role("heading", level=1)).to_have_text("Forbidden")


def test_who_signs_out_in_one_tab_is_signed_out_in_the_other(office: Office) -> None:
    office.enter(MASTER)
    page, other = office.tab("/account"), office.tab("/")
    expect(other.get_by_text("Good day, Ada Quay")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("alert")).to_contain_text("You are signed out")
    expect(other.get_by_text("Good day, Ada Quay")).to_be_hidden()
    # What is for everybody is there as before, and what is not leads to the sign-in page.
    other.bring_to_front()
    follow(other, "Tides")
    expect(other.get_by_role("heading", level=1)).to_have_text("Tides")
    expect(other.get_by_role("alert")).to_be_hidden()
    follow(other, "Account")
    other.wait_for_url("**/sign-in?callbackUrl=%2Faccount")


def test_a_page_of_one_person_is_not_shown_to_the_next_one(office: Office) -> None:
    office.enter(MASTER)
    theirs = office.tab("/account")
    page = office.tab("/sign-in")
    sign_in_here(page, SKIPPER)
    expect(theirs.get_by_text("Ada Quay, master")).to_be_hidden()
    theirs.bring_to_front()
    theirs.get_by_role("link", name="Load the page again").click()
    expect(theirs.get_by_text("Cleo Mast, skipper")).to_be_visible()


def test_a_page_says_until_when_and_follows_the_use_in_another_tab(office: Office) -> None:
    office.enter(MASTER)
    page = office.tab()
    end = shown_time(office.clock.now + MAX_AGE.total_seconds())
    expect(page.locator("#status")).to_have_text(f"Signed in until {end}")
    office.clock.advance(UPDATE_AGE + SECOND)
    expect(page.locator("#status")).to_have_text(f"Signed in until {end}")
    office.tab("/account")
    later = shown_time(office.clock.now + MAX_AGE.total_seconds())
    expect(page.locator("#status")).to_have_text(f"Signed in until {later}")


def test_a_session_that_was_ended_from_elsewhere_is_noticed_by_a_page_that_stays_open(
    office: Office,
) -> None:
    office.enter(MASTER)
    page, other = office.tab(), office.tab()
    for tab in (page, other):
        expect(tab.locator("#status")).not_to_be_empty()
    with office.app.test_request_context():
        revoke_user(MASTER)
    for tab in (page, other):
        expect(tab.get_by_role("alert")).to_contain_text("You are signed out")
        expect(tab.get_by_text("Good day, Ada Quay")).to_be_hidden()


@pytest.mark.parametrize("failure", ["no network", "a proxy's error"])
def test_a_status_that_nobody_answers_signs_nobody_out(office: Office, failure: str) -> None:
    office.enter(MASTER)
    page = office.context.new_page()
    asked: list[Request] = []

    def fail(route: Route) -> None:
        asked.append(route.request)
        if failure == "no network":
            route.abort()
        else:
            route.fulfill(status=502, body="<h1>Bad Gateway</h1>")

    page.route(f"**{STATUS}", fail)
    page.goto("/account")
    while len(asked) < 3:
        page.wait_for_event("request", lambda request: request.url.endswith(STATUS))
    expect(page.get_by_text("Ada Quay, master")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_session_from_before_there_were_roles_is_no_error(app: Flask) -> None:
    older = Flask("older")
    older.config.update({name: app.config[name] for name in app.config if "JWTSESSION_" in name})
    JWTSession(older)
    before, client = JWTSessionClient(older), browser_of(app)
    before.sign_in({"id": "ada", "name": "Ada Quay"})
    cookie = before.get_cookie("harbour.session-token")
    assert cookie is not None
    client.set_cookie(cookie.key, cookie.value)
    for path in ("/", "/account", "/berths", "/auth/session"):
        assert client.get(path).status_code == 200
