"""A browser that signs in at an application with the faulty provider, a step at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import JWTSession, current_session, fresh_login_required

from ..peers.faulty_provider import THREAD_NAME, FaultyProvider
from ..support import CROSS_SITE, NAVIGATION, SAME_ORIGIN, Clock, make_app, set_cookies

#: Seconds that the application waits for a provider that a test lets hang.
IMPATIENT = 0.3
#: Seconds that it waits for one that only a busy machine makes slow.
PATIENT = 20.0

JSON = {"Accept": "application/json"}


def make_application(
    clock: Clock,
    *providers: FaultyProvider,
    timeout: float = PATIENT,
    public: bool = False,
    form_post: bool = False,
    **config: Any,
) -> tuple[Flask, JWTSession]:
    """An app with providers ``op``, ``op2``, …; ``/account`` shows who is signed in, and
    ``/fresh`` wants a login that is a minute old at most.
    """
    app, auth = make_app(clock, **config)
    for number, provider in enumerate(providers, 1):
        client_kwargs: dict[str, Any] = {
            "scope": "openid email profile",
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
        )

    @app.get("/account")
    def account() -> Any:
        found = current_session.account
        return jsonify(
            claims=dict(current_session.token),
            account=None if found is None else {**vars(found)},
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
