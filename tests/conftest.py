"""Fixtures of all tests: an app whose clock stands still, with the usual views, and its client."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from signal import SIG_IGN, SIGINT, default_int_handler, getsignal
from signal import signal as on_signal
from typing import Any

import pytest
from blinker import NamedSignal
from flask import Flask, jsonify
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from flask_jwtsession import (
    JWTSession,
    current_session,
    login_required,
    refresh_failed,
    session_refreshed,
    session_rejected,
    session_revoked,
    session_updated,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)
from flask_jwtsession.providers import account_tokens

from .integration.provider_sign_in import Browser, make_application
from .lazy_url_rules import compile_lazily
from .peers.faulty_provider import FaultyProvider
from .support import Clock, make_app

SIGNALS = (
    signed_in,
    signed_out,
    session_updated,
    session_refreshed,
    refresh_failed,
    session_revoked,
    session_rejected,
)

# A shell that starts the tests in the background has them ignore Ctrl-C, and every server that they
# start would inherit that.
if getsignal(SIGINT) is SIG_IGN:
    on_signal(SIGINT, default_int_handler)

compile_lazily()

# A busy machine may take longer than usual to read a provider's metadata, and a refresh would be
# left to the next request.
account_tokens._METADATA_PATIENCE = 10.0

# How long an example takes is the machine's affair; no test asserts a time.
settings.register_profile(
    "flask_jwtsession", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("flask_jwtsession")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave out what lives as long as the tests. Else each of its looks
    at everything would stop all threads for half a second, at times in the midst of a test that
    does not wait that long.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app_and_auth(clock: Clock) -> tuple[Flask, JWTSession]:
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["nick"])
    add_views(app, auth)
    return app, auth


@pytest.fixture
def app(app_and_auth: tuple[Flask, JWTSession]) -> Flask:
    return app_and_auth[0]


@pytest.fixture
def auth(app_and_auth: tuple[Flask, JWTSession]) -> JWTSession:
    return app_and_auth[1]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def signals(app: Flask) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every signal of the app, in order: name and arguments."""
    received: list[tuple[str, dict[str, Any]]] = []
    connected: list[tuple[NamedSignal, Any]] = []
    for signal in SIGNALS:

        def receive(sender: object, _name: str = signal.name, **arguments: Any) -> None:
            received.append((_name, arguments))

        signal.connect(receive, app)
        connected.append((signal, receive))
    yield received
    for signal, receiver in connected:
        signal.disconnect(receiver)


def add_views(app: Flask, auth: JWTSession) -> None:
    """A view for each thing that can be done to a session, and a user whose password is ``ok``."""

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        if credentials.get("password") != "ok":
            return None
        return {"id": "u1", "name": "Ada", "email": "ada@example.com", "role": "admin"}

    @app.get("/unused")
    def unused() -> str:
        return "unused"

    @app.get("/session")
    def read() -> Any:
        return jsonify(dict(current_session) or None)

    @app.get("/private")
    @login_required
    def private() -> str:
        return "private"

    @app.post("/sign-in")
    def do_sign_in() -> str:
        sign_in({"id": "u1", "name": "Ada", "email": "ada@example.com", "role": "admin"})
        return "signed in"

    @app.post("/update")
    def do_update() -> str:
        update_session({"company_id": 7})
        return "updated"

    @app.post("/sign-out")
    def do_sign_out() -> str:
        sign_out()
        return "signed out"


@pytest.fixture
def provider(clock: Clock) -> Iterator[FaultyProvider]:
    """A provider of the tests' own, in which nothing is wrong yet."""
    with FaultyProvider(clock) as running:
        yield running


@pytest.fixture
def other_provider(clock: Clock) -> Iterator[FaultyProvider]:
    with FaultyProvider(clock) as running:
        yield running


@pytest.fixture
def browser(clock: Clock, provider: FaultyProvider) -> Browser:
    """A browser at an application whose people sign in with the provider."""
    return Browser(make_application(clock, provider)[0], provider)
