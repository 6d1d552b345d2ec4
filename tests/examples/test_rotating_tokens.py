"""An access token for an API, renewed in three ways, against its token endpoint over real HTTP."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Semaphore
from typing import Any

import pytest
import requests
from flask import Flask, request, request_started
from flask.cli import ScriptInfo
from flask.typing import ResponseReturnValue
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from examples.rotating_tokens import create_app
from examples.rotating_tokens.app import FLAG_PAUSE, PASSWORDS, new_account
from examples.rotating_tokens.service import CLIENT_ID, CLIENT_SECRET, STOCK
from examples.rotating_tokens.service import create_app as create_service
from flask_jwtsession import refresh_failed, session_refreshed, signed_out
from flask_jwtsession.testing import Clock, JWTSessionClient, stopped_clock

from ..browsers import running_browser
from ..serving.thread import served

MINUTE = 60
FLAG = "query=update-token-data"
OURS = {"Sec-Fetch-Site": "same-origin"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
# Seconds for which the parts of a test wait for each other.
PATIENCE = 20

Fault = Callable[[], ResponseReturnValue]


@dataclass
class Warehouse:
    """What was asked of the service, and what its token endpoint answers instead.

    :ivar asked: the paths of all requests
    :ivar sent: the access tokens that came with the requests to its API
    """

    url: str = ""
    asked: list[str] = field(default_factory=list)
    sent: list[str | None] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def token_requests(self) -> int:
        return self.asked.count("/token")

    def listen(self) -> ResponseReturnValue | None:
        self.asked.append(request.path)
        if request.path == "/stock":
            self.sent.append(request.authorization.token if request.authorization else None)
        if request.path == "/token" and self.fault is not None:
            return self.fault()
        return None


@pytest.fixture
def service() -> Flask:
    return create_service()


@pytest.fixture
def warehouse(service: Flask) -> Iterator[Warehouse]:
    warehouse = Warehouse()
    service.before_request(warehouse.listen)
    with served(service) as warehouse.url:
        yield warehouse


@pytest.fixture
def app(warehouse: Warehouse) -> Flask:
    return create_app(TESTING=True, SERVICE=warehouse.url)


@pytest.fixture
def clock(app: Flask, service: Flask) -> Iterator[Clock]:
    """One time for the sessions, the application and the warehouse."""
    with stopped_clock(app) as clock:
        app.config["CLOCK"] = service.config["CLOCK"] = clock
        yield clock


@pytest.fixture
def client(app: Flask, clock: Clock) -> JWTSessionClient:
    """A browser at the application, in which Ada is signed in."""
    client = browser_of(app)
    # Without the form: it takes its time to look at a password.
    client.sign_in({"id": "ada", "name": "Ada"}, account=new_account("ada"))
    assert client.get("/auth/session").status_code == 200
    return client


def browser_of(app: Flask) -> JWTSessionClient:
    client = JWTSessionClient(app)
    client.environ_base |= {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ACCEPT": "text/html"}
    return client


def sign_in(client: JWTSessionClient, username: str = "ada", **headers: str) -> TestResponse:
    fields = {"username": username, "password": PASSWORDS["ada"]}
    return client.post("/sign-in", data=fields, headers=headers)


def token_of(client: JWTSessionClient, response: TestResponse | None = None) -> str | None:
    """The access token of the cookie that the client has, or that a response set."""
    session = client.get_session(response)
    if not session:
        return None
    assert session.account is not None
    return session.account.access_token


def cookie_header(client: JWTSessionClient) -> str:
    cookie = client.get_cookie("stock.session-token")
    assert cookie is not None
    return f"{cookie.key}={cookie.value}"


# At the sign-in


def test_a_sign_in_brings_a_token_that_the_api_takes(app: Flask, warehouse: Warehouse) -> None:
    client = browser_of(app)
    response = sign_in(client)
    assert (response.status_code, response.location) == (303, "/")
    token = token_of(client, response)
    page = client.get("/")
    assert all(name in page.text for name in STOCK)
    assert warehouse.sent == [token]
    assert warehouse.token_requests == 1


def test_nobody_sees_the_token(
    app: Flask, clock: Clock, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = browser_of(app)
    seen = [sign_in(client), client.get("/"), client.get(f"/?{FLAG}"), client.get("/auth/session")]
    clock.advance(30 * MINUTE)
    warehouse.fault = status(500)
    seen.append(client.get("/"))
    token = token_of(client)
    assert token
    everything = caplog.text + "".join(f"{one.headers}{one.text}" for one in seen)
    assert token not in everything
    assert CLIENT_SECRET not in everything


@pytest.mark.parametrize("username", ["", "eve", "ADA", "grace", "ada\0", "a" * 10_000])
def test_a_wrong_name_or_password_signs_nobody_in(
    app: Flask, warehouse: Warehouse, username: str
) -> None:
    client = browser_of(app)
    response = sign_in(client, username)
    assert response.status_code == 400
    assert "not right" in response.text
    assert not client.get_session()
    assert warehouse.asked == []


def test_another_site_cannot_sign_anybody_in(app: Flask, warehouse: Warehouse) -> None:
    client = browser_of(app)
    assert sign_in(client, **CROSS_SITE).status_code == 403
    assert not client.get_session()
    assert warehouse.asked == []


def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(app: Flask, warehouse: Warehouse) -> None:
    response = browser_of(app).get("/")
    assert response.status_code == 302
    assert response.location.startswith("/sign-in?")
    assert warehouse.asked == []


# By itself


@pytest.mark.parametrize("seconds", [MINUTE, 15 * MINUTE, 28 * MINUTE])
def test_nothing_is_renewed_before_the_last_minutes(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, seconds: float
) -> None:
    before = token_of(client)
    clock.advance(seconds)
    response = client.get("/")
    assert client.get_session(response) is None
    assert warehouse.sent == [before]
    assert warehouse.token_requests == 1


@pytest.mark.parametrize("seconds", [29.5 * MINUTE, 30 * MINUTE, 7 * 24 * 60 * MINUTE])
def test_the_response_that_renewed_it_sets_the_cookie(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, seconds: float
) -> None:
    before = token_of(client)
    clock.advance(seconds)
    response = client.get("/")
    after = token_of(client, response)
    assert after
    assert after != before
    assert warehouse.token_requests == 2


def test_the_request_that_renewed_it_sends_the_new_token_already_and_so_does_the_next(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    clock.advance(30 * MINUTE)
    renewed = client.get("/")
    after = token_of(client, renewed)
    following = client.get("/")
    assert warehouse.sent == [after, after]
    assert all("Paper, A4" in one.text for one in (renewed, following))
    assert client.get_session(following) is None  # nothing new, and no cookie for it
    assert warehouse.token_requests == 2


def test_a_request_that_is_late_and_has_the_old_cookie_sends_the_new_token(
    app: Flask, client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    old_cookie = cookie_header(client)
    clock.advance(30 * MINUTE)
    client.get("/")
    late = app.test_client(use_cookies=False).get("/", headers={"Cookie": old_cookie})
    assert "Paper, A4" in late.text
    assert warehouse.sent == [token_of(client)] * 2
    assert warehouse.token_requests == 2


def test_a_request_that_does_not_use_the_session_renews_nothing(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    clock.advance(30 * MINUTE)
    with client.get("/static/style.css") as response:
        assert response.status_code == 200
    assert warehouse.token_requests == 1


def test_the_application_hears_of_a_renewal_once(
    app: Flask, client: JWTSessionClient, clock: Clock
) -> None:
    heard: list[Any] = []

    def hear(sender: Flask, **arguments: Any) -> None:
        heard.append(arguments["account"])

    with session_refreshed.connected_to(hear, app):
        clock.advance(30 * MINUTE)
        client.get("/")
        client.get("/")
    assert [account.access_token for account in heard] == [token_of(client)]


# By the button


def test_the_button_renews_at_once(client: JWTSessionClient, warehouse: Warehouse) -> None:
    before = token_of(client)
    response = client.post("/auth/session/refresh")
    assert response.status_code == 200
    assert response.json is not None
    assert response.json.keys() == {"user", "expires"}
    after = token_of(client, response)
    assert after not in (None, before)
    client.get("/")
    assert warehouse.sent == [after]
    assert warehouse.token_requests == 2


def test_another_site_cannot_press_the_button(
    client: JWTSessionClient, warehouse: Warehouse
) -> None:
    before = token_of(client)
    response = client.post("/auth/session/refresh", headers=CROSS_SITE)
    assert response.status_code == 403
    assert token_of(client) == before
    assert warehouse.token_requests == 1


def test_the_button_is_no_link(client: JWTSessionClient, warehouse: Warehouse) -> None:
    assert client.get("/auth/session/refresh").status_code == 405
    assert warehouse.token_requests == 1


def test_nobody_who_is_not_signed_in_presses_the_button(app: Flask, warehouse: Warehouse) -> None:
    assert browser_of(app).post("/auth/session/refresh").status_code == 401
    assert warehouse.asked == []


# By the flag


@pytest.mark.parametrize("path", ["/", "/sign-in", "/auth/session", "/nowhere", "/?a=b"])
def test_the_flag_renews_on_any_request(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, path: str
) -> None:
    before = token_of(client)
    clock.advance(FLAG_PAUSE)
    response = client.get(path + ("&" if "?" in path else "?") + FLAG)
    after = token_of(client, response)
    assert after not in (None, before)
    client.get("/")
    assert warehouse.sent[-1] == after
    assert warehouse.token_requests == 2


def test_the_page_with_the_flag_shows_the_new_token_already(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    shown = fingerprint_in(client.get("/"))
    clock.advance(FLAG_PAUSE)
    flagged = client.get(f"/?{FLAG}")
    assert fingerprint_in(flagged) != shown
    assert fingerprint_in(client.get("/")) == fingerprint_in(flagged)
    assert warehouse.sent[1:] == [token_of(client)] * 2


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "Same-Origin", None])
def test_the_flag_of_somebody_else_is_not_picked_up(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, site: str | None
) -> None:
    before = token_of(client)
    clock.advance(FLAG_PAUSE)
    del client.environ_base["HTTP_SEC_FETCH_SITE"]
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    response = client.get(f"/?{FLAG}", headers=headers)
    assert response.status_code == 200
    assert warehouse.sent == [before]
    assert warehouse.token_requests == 1


def test_the_flag_counts_once_a_minute(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    for _ in range(10):
        assert client.get(f"/?{FLAG}").status_code == 200
    assert warehouse.token_requests == 1  # that of the sign-in
    clock.advance(FLAG_PAUSE)
    for _ in range(10):
        assert client.get(f"/?{FLAG}").status_code == 200
    assert warehouse.token_requests == 2


def test_the_flag_does_nothing_for_nobody(app: Flask, warehouse: Warehouse) -> None:
    assert browser_of(app).get(f"/?{FLAG}").status_code == 302
    assert warehouse.asked == []


def test_the_flag_does_nothing_after_a_sign_out(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    copied = cookie_header(client)
    client.post("/auth/signout")
    clock.advance(FLAG_PAUSE)
    assert client.get(f"/?{FLAG}").status_code == 302
    thief = client.application.test_client(use_cookies=False)
    assert thief.get(f"/?{FLAG}", headers={"Cookie": copied, **OURS}).status_code == 401
    assert warehouse.token_requests == 1


def test_the_flag_does_nothing_for_an_account_without_tokens(
    app: Flask, clock: Clock, warehouse: Warehouse
) -> None:
    client = browser_of(app)
    client.sign_in({"id": "ada"})
    assert client.get(f"/?{FLAG}").status_code == 200
    assert warehouse.asked == []


@pytest.mark.parametrize(
    "query", ["query=", "query=update-user-data", "query=UPDATE-TOKEN-DATA", "Query=x", "query[]=x"]
)
def test_another_flag_is_none(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, query: str
) -> None:
    clock.advance(FLAG_PAUSE)
    assert client.get(f"/?{query}").status_code == 200
    assert warehouse.token_requests == 1


def fingerprint_in(response: TestResponse) -> str:
    found = re.search(r'id="fingerprint">([0-9a-f]{8})<', response.text)
    assert found is not None
    return found[1]


# All at once

WAYS: dict[str, Callable[[str, str], requests.Response]] = {
    "by itself": lambda url, cookie: requests.get(
        f"{url}/auth/session", headers={"Cookie": cookie}, timeout=PATIENCE
    ),
    "by the button": lambda url, cookie: requests.post(
        f"{url}/auth/session/refresh", headers={"Cookie": cookie, **OURS}, timeout=PATIENCE
    ),
    "by the flag": lambda url, cookie: requests.get(
        f"{url}/auth/session?{FLAG}", headers={"Cookie": cookie, **OURS}, timeout=PATIENCE
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_of_twenty_requests_at_once_one_asks_the_service(
    app: Flask, client: JWTSessionClient, clock: Clock, warehouse: Warehouse, way: str
) -> None:
    cookie, inside = cookie_header(client), Semaphore(0)
    clock.advance(30 * MINUTE if way == "by itself" else FLAG_PAUSE)

    def count(sender: Flask, **arguments: Any) -> None:
        inside.release()

    def when_all_are_there() -> ResponseReturnValue:
        warehouse.fault = None
        assert all(inside.acquire(timeout=PATIENCE) for _ in range(20))
        return token_answer()

    warehouse.fault = when_all_are_there
    with (
        served(app) as url,
        request_started.connected_to(count, app),
        ThreadPoolExecutor(20) as browsers,
    ):
        answers = list(browsers.map(lambda _: WAYS[way](url, cookie), range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert not any("error" in answer.json() for answer in answers)
    assert warehouse.token_requests == 2  # with that of the sign-in
    # Who did not wait, because the old token is good yet, sends the new one with the next request.
    client.get("/")
    assert warehouse.sent == ["new-token"]


def token_answer() -> ResponseReturnValue:
    return {"access_token": "new-token", "token_type": "Bearer", "expires_in": 1800}


# When it does not work


def status(code: int) -> Fault:
    return lambda: ({"error": "invalid_client"}, code)


def answering(body: Any, code: int = 200, **headers: str) -> Fault:
    return lambda: (body, code, headers)


def token_response(**changes: Any) -> Fault:
    return lambda: {"access_token": "new", "token_type": "Bearer", "expires_in": 1800, **changes}


FAULTS: dict[str, Fault] = {
    "answers 400": status(400),
    "answers 401": status(401),
    "answers 429": status(429),
    "answers 500": status(500),
    "answers 503 and a page": answering("<h1>Maintenance</h1>", 503),
    "answers 500 and a token": answering({"access_token": "new"}, 500),
    "answers nothing": answering(""),
    "answers 204": answering("", 204),
    "answers a page": answering("<!doctype html><p>Sign in to the network"),
    "answers half of a JSON object": answering('{"access_token": "ne'),
    "answers what is no UTF-8": answering(b'{"access_token": "\xff"}'),
    "answers JSON that is nested too deep": answering("[" * 100_000),
    "answers null": answering("null"),
    "answers a list": answering('[{"access_token": "new"}]'),
    "answers a text": answering('"new"'),
    "answers an error as a success": answering({"error": "server_error"}),
    "answers an empty token": token_response(access_token=""),
    "answers a token that is a number": token_response(access_token=7),
    "answers a token that ends a header line": token_response(access_token="new\r\nX: y"),
    "answers a token of 100,000 characters": token_response(access_token="a" * 100_000),
    "answers a token of another type": token_response(token_type="mac"),
    "sends the secret on": answering("", 307, Location="/elsewhere"),
}


@pytest.fixture
def endings(app: Flask) -> Iterator[list[str]]:
    """The reasons for which sessions ended."""
    reasons: list[str] = []

    def note(sender: Flask, **arguments: Any) -> None:
        reasons.append(arguments["reason"])

    with signed_out.connected_to(note, app):
        yield reasons


@pytest.mark.parametrize("fault", FAULTS)
def test_the_tokens_stay_when_the_service(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, endings: list[str], fault: str
) -> None:
    before = token_of(client)
    warehouse.fault = FAULTS[fault]
    clock.advance(29.5 * MINUTE)
    page = client.get("/")
    assert page.status_code == 200
    assert "gave no new token (refresh_unavailable)" in page.text
    assert "Paper, A4" in page.text  # the token is good for half a minute yet
    assert warehouse.sent == [before]
    assert token_of(client) == before
    assert set(warehouse.asked) == {"/token", "/stock"}

    warehouse.fault = None
    clock.advance(6)
    page = client.get("/")
    assert "gave no new token" not in page.text
    assert token_of(client, page) not in (None, before)
    assert endings == []


def test_the_tokens_stay_when_the_service_is_down(
    app: Flask, client: JWTSessionClient, clock: Clock, warehouse: Warehouse, endings: list[str]
) -> None:
    before = token_of(client)
    clock.advance(31 * MINUTE)
    with socket.socket() as taken:  # nothing listens there
        taken.bind(("127.0.0.1", 0))
        app.config["SERVICE"] = f"http://127.0.0.1:{taken.getsockname()[1]}"
        page = client.get("/")
    assert page.status_code == 200
    assert "gave no new token" in page.text
    assert "does not say" in page.text
    assert token_of(client) == before

    app.config["SERVICE"] = warehouse.url
    clock.advance(6)
    page = client.get("/")
    assert "Paper, A4" in page.text
    assert "gave no new token" not in page.text
    assert endings == []


def test_the_tokens_stay_when_the_service_is_slow(
    app: Flask, client: JWTSessionClient, clock: Clock, warehouse: Warehouse, endings: list[str]
) -> None:
    before, over, waited_for = token_of(client), Event(), []

    def late() -> ResponseReturnValue:
        if not over.wait(PATIENCE):
            waited_for.append("the service")
        return token_answer()

    warehouse.fault = late
    app.config["TIMEOUT"] = 0.1
    clock.advance(29.5 * MINUTE)
    page = client.get("/")
    over.set()
    assert waited_for == []
    assert page.status_code == 200
    assert "gave no new token" in page.text
    assert token_of(client) == before

    warehouse.fault, app.config["TIMEOUT"] = None, 3
    clock.advance(6)
    assert token_of(client, client.get("/")) not in (None, before, "new-token")
    assert endings == []


def test_the_page_works_with_a_token_that_is_over(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, endings: list[str]
) -> None:
    before = token_of(client)
    warehouse.fault = status(500)
    for _ in range(5):
        clock.advance(24 * 60 * MINUTE)
        page = client.get("/")
        assert page.status_code == 200
        assert "does not say" in page.text
        assert client.get("/auth/session").json["user"]["name"] == "Ada"  # type: ignore[index]
    assert token_of(client) == before
    assert endings == []


@pytest.mark.parametrize("way", ["GET /", "POST /auth/session/refresh", f"GET /?{FLAG}"])
def test_a_service_that_failed_is_left_alone_for_five_seconds(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse, way: str
) -> None:
    method, path = way.split()
    warehouse.fault = status(500)
    clock.advance(29.5 * MINUTE)
    for _ in range(5):
        assert client.open(path, method=method).status_code == 200
    assert warehouse.token_requests == 2
    clock.advance(4)
    assert client.open(path, method=method).status_code == 200
    assert warehouse.token_requests == 2
    clock.advance(2)
    assert client.open(path, method=method).status_code == 200
    assert warehouse.token_requests == 3


def test_the_page_with_the_flag_says_that_it_did_not_work(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    before = token_of(client)
    clock.advance(FLAG_PAUSE)
    warehouse.fault = status(500)
    page = client.get(f"/?{FLAG}")
    assert "gave no new token (refresh_unavailable)" in page.text
    assert "Paper, A4" in page.text
    assert token_of(client) == before
    # The next page needs no new token, and so there is nothing that it lacks.
    assert "gave no new token" not in client.get("/").text


def test_the_session_says_what_is_wrong_to_scripts_too(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    warehouse.fault = status(500)
    answer = client.post("/auth/session/refresh")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["error"] == "refresh_unavailable"
    assert answer.json["user"]["name"] == "Ada"


def test_the_application_hears_of_a_failure_without_what_is_secret(
    app: Flask, client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    heard: list[str] = []

    def hear(sender: Flask, **arguments: Any) -> None:
        heard.append(repr(arguments["error"]))

    warehouse.fault = status(500)
    with refresh_failed.connected_to(hear, app):
        clock.advance(30 * MINUTE)
        client.get("/")
        client.get("/")
    (error,) = heard
    assert CLIENT_SECRET not in error
    assert str(token_of(client)) not in error


def test_people_can_sign_in_while_the_service_is_down(
    app: Flask, clock: Clock, warehouse: Warehouse
) -> None:
    client = browser_of(app)
    warehouse.fault = status(500)
    assert sign_in(client).status_code == 303
    page = client.get("/")
    assert page.status_code == 200
    assert "no token yet" in page.text
    assert warehouse.sent == []
    assert warehouse.token_requests == 1

    warehouse.fault = None
    clock.advance(6)
    assert "Paper, A4" in client.get("/").text
    assert warehouse.sent == [token_of(client)]


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{"])
def test_an_api_that_answers_nonsense_makes_no_page_fail(
    app: Flask, service: Flask, client: JWTSessionClient, body: str
) -> None:
    service.view_functions["stock"] = lambda: body
    assert "does not say" in client.get("/").text


# The service, and how it is started


def test_the_service_gives_a_token_to_its_client_only(warehouse: Warehouse) -> None:
    url, grant = f"{warehouse.url}/token", {"grant_type": "client_credentials"}

    def ask(**arguments: Any) -> tuple[int, str | None]:
        answer = requests.post(url, timeout=PATIENCE, **arguments)
        return answer.status_code, answer.json().get("error")

    right = (CLIENT_ID, CLIENT_SECRET)
    assert ask(data=grant, auth=right) == (200, None)
    assert ask(data=grant) == (401, "invalid_client")
    assert ask(data=grant, auth=(CLIENT_ID, "wrong")) == (401, "invalid_client")
    assert ask(data=grant, auth=("somebody", CLIENT_SECRET)) == (401, "invalid_client")
    assert ask(data={}, auth=right) == (400, "unsupported_grant_type")
    assert ask(data={"grant_type": "password"}, auth=right) == (400, "unsupported_grant_type")


def test_the_service_takes_a_token_for_half_an_hour(
    client: JWTSessionClient, clock: Clock, warehouse: Warehouse
) -> None:
    def ask(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.get(f"{warehouse.url}/stock", headers=headers, timeout=PATIENCE).status_code

    token = token_of(client)
    clock.advance(30 * MINUTE - 1)
    assert [ask(token), ask("another"), ask(""), ask(None)] == [200, 401, 401, 401]
    clock.advance(1)
    assert ask(token) == 401


@pytest.mark.parametrize("name", ["examples.rotating_tokens", "examples.rotating_tokens.service"])
def test_flask_finds_the_application(name: str) -> None:
    assert ScriptInfo(name).load_app().url_map.bind("localhost").test("/nowhere") is False


def test_a_restart_signs_everybody_out_unless_the_secret_is_in_the_environment(
    client: JWTSessionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_signed_in(app: Flask, cookie: str) -> bool:
        client = app.test_client(use_cookies=False)
        return client.get("/auth/session", headers={"Cookie": cookie}).json is not None

    assert not is_signed_in(create_app(), cookie_header(client))
    monkeypatch.setenv("JWTSESSION_SECRET", "from the environment, 0123456789abcdef")
    before = JWTSessionClient(create_app())
    before.sign_in({"id": "ada"})
    assert is_signed_in(create_app(), cookie_header(before))


# In a browser


def test_a_button_waits_for_its_script(client: JWTSessionClient) -> None:
    """Before that nothing would come of a click."""
    main = client.get("/").text.partition("<main")[2]
    buttons = re.findall(r"<button[^>]*>", main)
    assert len(buttons) == 1
    assert [one for one in buttons if " disabled" not in one] == []


def test_a_browser_renews_by_its_own_pages_and_not_by_those_of_others(
    app: Flask, clock: Clock, warehouse: Warehouse
) -> None:
    other = Flask("other")

    @other.get("/")
    def lure() -> str:
        return (
            '<link rel="icon" href="data:,">'
            f'<a href="{ours}/?{FLAG}">A prize</a><img src="{ours}/static/style.css?{FLAG}">'
        )

    with served(app) as ours, served(other, "localhost") as theirs, running_browser() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(15_000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        fingerprint = page.locator("#fingerprint")

        page.goto(ours)
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill(PASSWORDS["ada"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("row", name="Paper, A4")).to_have_text(re.compile("1200"))
        first = fingerprint.inner_text()
        expect(page.get_by_role("alert")).to_have_count(0)
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(overflow)

        page.get_by_role("button", name="Renew").click()
        expect(fingerprint).not_to_have_text(first)
        second = fingerprint.inner_text()

        clock.advance(FLAG_PAUSE)
        page.goto(theirs)
        page.get_by_role("link", name="A prize").click()
        page.wait_for_url(f"{ours}/?{FLAG}")
        expect(fingerprint).to_have_text(second)

        page.get_by_role("link", name="This link").click()
        expect(fingerprint).not_to_have_text(second)

        warehouse.fault = status(500)
        page.get_by_role("button", name="Renew").click()
        expect(page.get_by_role("alert")).to_contain_text("refresh_unavailable")
        assert complaints == []
        assert warehouse.token_requests == 4
