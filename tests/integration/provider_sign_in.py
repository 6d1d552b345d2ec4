"""A browser that signs in at an application with the faulty provider, a step at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import (
    JWTSession,
    current_session,
    fresh_login_required,
    refresh_failed,
    session_refreshed,
    session_rejected,
    signed_out,
)
from flask_jwtsession.stores.memory import MemoryStore

from ..peers.faulty_provider import THREAD_NAME, FaultyProvider
from ..support import CROSS_SITE, NAVIGATION, SAME_ORIGIN, Clock, make_app, set_cookies

#: Seconds that the application waits for a provider that a test lets hang.
IMPATIENT = 1.0
#: Seconds that it waits for one that only a busy machine makes slow.
PATIENT = 20.0

JSON = {"Accept": "application/json"}
#: What is in the names of the session cookie and of its chunks.
SESSION = "session-token"

T = TypeVar("T")


def make_application(
    clock: Clock,
    *providers: FaultyProvider,
    timeout: float = PATIENT,
    public: bool = False,
    form_post: bool = False,
    scope: str = "openid email profile",
    refresh: bool = True,
    **config: Any,
) -> tuple[Flask, JWTSession]:
    """An app with providers ``op``, ``op2``, …; ``/account`` shows who is signed in, with the
    provider's tokens, and ``/fresh`` wants a login that is a minute old at most.
    """
    app, auth = make_app(clock, **config)
    for number, provider in enumerate(providers, 1):
        client_kwargs: dict[str, Any] = {
            "scope": scope,
            "default_timeout": timeout,
        }
        if public:
            client_kwargs["token_endpoint_auth_method"] = "none"
        auth.add_provider(
            "op" if number == 1 else f"op{number}",
            issuer=provider.issuer,
            client_id=provider.public_client_id if public else provider.client_id,
            client_secret=None if public else provider.client_secret,
            client_kwargs=client_kwargs,
            authorize_params={"response_mode": "form_post"} if form_post else None,
            refresh=refresh,
        )

    @app.get("/account")
    def account() -> Any:
        found = current_session.account
        return jsonify(
            claims=dict(current_session.token),
            account=None if found is None else {**vars(found)},
            error=current_session.error,
        )

    @app.get("/fresh")
    @fresh_login_required(max_age=60)
    def fresh() -> str:
        return "fresh"

    return app, auth


@dataclass
class Browser:
    """Keeps cookies, walks from the application to the provider and back.

    ``accepts`` are the headers of its requests to the callback: those of a page by default. With
    ``form_post`` it comes back with a form, as the provider's page would send it.
    """

    app: Flask
    provider: FaultyProvider
    accepts: dict[str, str] = field(default_factory=lambda: dict(NAVIGATION))
    form_post: bool = False

    def __post_init__(self) -> None:
        self.client: FlaskClient = self.app.test_client()

    def start(self, name: str = "op", **query: str) -> TestResponse:
        """Press the button of the sign-in page."""
        return self.client.post(
            f"/auth/signin/{name}",
            query_string=query,
            data={"callbackUrl": "/account"},
            headers={**SAME_ORIGIN, **self.accepts},
        )

    def approve(self, started: TestResponse) -> str:
        """Go where ``started`` leads, to the provider; the URL that it sends the browser back to,
        without the origin.
        """
        if started.is_json:
            return approve(started.get_json()["url"])
        assert started.status_code == 302, started.get_data(as_text=True)
        return approve(started.headers["Location"])

    def come_back(self, path: str) -> TestResponse:
        if not self.form_post:
            return self.client.get(path, headers=self.accepts)
        url = urlsplit(path)
        return self.client.post(
            url.path,
            data=url.query,
            content_type="application/x-www-form-urlencoded",
            headers={**CROSS_SITE, **self.accepts},
        )

    def sign_in(self, name: str = "op") -> TestResponse:
        """The whole dance: the answer of the callback."""
        return self.come_back(self.approve(self.start(name)))

    def account(self) -> dict[str, Any]:
        """What the application knows of who is signed in."""
        answer: dict[str, Any] = self.client.get("/account").get_json()
        return answer

    def is_signed_in(self) -> bool:
        return self.client.get("/auth/session").get_json() is not None

    def transactions(self) -> list[str]:
        """The cookies of sign-ins that are under way."""
        return [name for name, _ in self.cookies() if name.startswith("jwtsession.login.")]

    def cookies(self) -> list[tuple[str, str]]:
        """All cookies, by name and value."""
        return [(one.key, one.value) for one in (self.client._cookies or {}).values()]

    def session_cookie(self) -> str:
        """The Cookie header of its session: a copy of it, that later answers do not change."""
        return as_header({name: value for name, value in self.cookies() if SESSION in name})


@dataclass
class Look:
    """What the application knows in one request, and what cookie the browser has after it."""

    response: TestResponse
    cookie: str

    @property
    def answer(self) -> dict[str, Any]:
        assert self.response.status_code == 200, self.response.text
        answer: dict[str, Any] = self.response.get_json()
        return answer

    @property
    def is_signed_in(self) -> bool:
        return bool(self.claims)

    @property
    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = self.answer["claims"]
        return claims

    @property
    def account(self) -> dict[str, Any]:
        account: dict[str, Any] = self.answer["account"]
        return account

    @property
    def access_token(self) -> str | None:
        token: str | None = self.account["access_token"]
        return token

    @property
    def refresh_token(self) -> str | None:
        token: str | None = self.account["refresh_token"]
        return token

    @property
    def error(self) -> str | None:
        error: str | None = self.answer["error"]
        return error


def make_workers(
    count: int,
    clock: Clock,
    *providers: FaultyProvider,
    set_up: Callable[[Flask, JWTSession], object] | None = None,
    **config: Any,
) -> list[Flask]:
    """So many processes of one application, as far as a test can tell: apps that have nothing in
    common but the configuration and the store. ``set_up`` adds views and callbacks to each.
    """
    config.setdefault("STORE", MemoryStore(clock))
    workers = []
    for _ in range(count):
        app, auth = make_application(clock, *providers, **config)
        if set_up is not None:
            set_up(app, auth)
        workers.append(app)
    return workers


def look(app: Flask, cookie: str, path: str = "/account") -> Look:
    """One request with exactly this Cookie header, to a view that answers as ``/account``."""
    response = ask(app, path, cookie)
    return Look(response, cookie_after(cookie, response))


def ask(
    app: Flask, path: str, cookie: str = "", *, method: str = "GET", **options: Any
) -> TestResponse:
    """The answer to a request of one of our pages with exactly this Cookie header."""
    headers = {
        **SAME_ORIGIN,
        **options.pop("headers", {}),
        **({"Cookie": cookie} if cookie else {}),
    }
    client = app.test_client(use_cookies=False)
    return client.open(path, method=method, headers=headers, buffered=True, **options)


def cookie_after(cookie: str, response: TestResponse) -> str:
    """The Cookie header of a browser that sent ``cookie`` and got this response."""
    kept = dict(pair.split("=", 1) for pair in cookie.split("; ") if pair)
    for name, line in set_cookies(response).items():
        if line.deletes:
            kept.pop(name, None)
        elif SESSION in name:
            kept[name] = line.value
    return as_header(kept)


def at_once(*works: Callable[[], T]) -> list[T]:
    """What each of them returns, after all of them have begun together."""
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], T]) -> T:
        barrier.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(begin, works))


@contextmanager
def listening(*apps: Flask) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What these apps tell of sessions and refreshes inside of the block: signal and arguments."""
    told: list[tuple[str, dict[str, Any]]] = []
    with ExitStack() as connected:
        for signal in (session_refreshed, refresh_failed, signed_out, session_rejected):

            def receive(sender: Flask, _name: str = signal.name, **arguments: Any) -> None:
                told.append((_name, arguments))

            for app in apps:
                connected.enter_context(signal.connected_to(receive, app))
        yield told


def as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def approve(authorization_url: str) -> str:
    """Ask the provider, which approves; the path and query of the callback that it answers with."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy is asked for loopback
        answer = session.get(authorization_url, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def query_of(url: str) -> dict[str, str]:
    """The query parameters, each of which is there once."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    found = dict(pairs)
    assert len(found) == len(pairs), f"{url} has a parameter twice"
    return found


def assert_refused(
    response: TestResponse,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    *,
    status: set[int],
    still_signed_in: bool = False,
) -> None:
    """A sign-in that failed as it should: no session, and nothing said that is secret."""
    assert response.status_code in status, response.get_data(as_text=True)[:500]
    session_cookies = [
        cookie
        for name, cookie in set_cookies(response).items()
        if "session-token" in name and not cookie.deletes
    ]
    assert session_cookies == []
    assert browser.is_signed_in() is still_signed_in
    assert "no-store" in response.headers["Cache-Control"]
    assert_tells_no_secret(response, browser.provider, caplog)
    assert browser.provider.count("elsewhere") == 0


def assert_tells_no_secret(
    response: TestResponse, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the answer nor a line of the log has a secret in it, plain or as in a URL."""
    said = f"{response.headers}\n{response.get_data(as_text=True)}"
    logged = logged_here(caplog)
    for secret in provider.secrets_told:
        for text in {secret, quote(secret, safe="")}:
            assert text not in said
            assert text not in logged


def logged_here(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, tracebacks too, but for the provider's own lines."""
    formatter = logging.Formatter()
    return "\n".join(
        formatter.format(record) for record in caplog.records if record.threadName != THREAD_NAME
    )
