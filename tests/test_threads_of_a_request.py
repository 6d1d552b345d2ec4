"""Several threads, or a request within a request, that use one session at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from flask import Flask, copy_current_request_context, request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    SessionClosed,
    current_session,
    sign_in,
    update_session,
)

from .scenes import cookie_of, visit
from .support import Clock, make_app, session_token, set_cookies, unseal


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], Any]], threading.Thread]]:
    """Start a function in another thread of the current request; joined at the end of the test."""
    threads: list[threading.Thread] = []

    def start(function: Callable[[], Any]) -> threading.Thread:
        thread = threading.Thread(target=copy_current_request_context(function))
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(timeout=30)


def test_a_sign_in_is_not_undone_by_a_load_that_began_before_it(
    clock: Clock, in_thread: Callable[[Callable[[], Any]], threading.Thread]
) -> None:
    app, auth = make_app(clock, UPDATE_AGE=0)
    in_callback, go_on = threading.Event(), threading.Event()

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger is None:
            in_callback.set()
            go_on.wait(timeout=0.3)
        return token

    @auth.sign_in_callback
    def slow(*_: object) -> bool:
        in_thread(lambda: bool(current_session))
        in_callback.wait(timeout=0.3)
        return True

    def view() -> str:
        sign_in({"id": "bob"})
        go_on.set()
        return str(current_session.token["sub"])

    response = visit(app, view, cookie_of(app, sub="alice"))
    assert response.text == "bob"
    token = session_token(response)
    assert token is not None
    assert unseal(app, token)["sub"] == "bob"


def test_all_first_readers_of_a_request_share_one_session(
    app: Flask, auth: JWTSession, in_thread: Callable[[Callable[[], Any]], threading.Thread]
) -> None:
    calls: list[int] = []
    together = threading.Barrier(4)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        calls.append(1)
        return token

    def read() -> None:
        together.wait(timeout=30)
        assert current_session

    def view() -> str:
        for thread in [in_thread(read) for _ in range(4)]:
            thread.join(timeout=30)
        return ""

    visit(app, view, cookie_of(app))
    assert calls == [1]


def test_a_change_whose_callback_outlives_the_response_is_an_error(
    app: Flask, auth: JWTSession, in_thread: Callable[[Callable[[], Any]], threading.Thread]
) -> None:
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()
    raised: list[Exception] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        inside.set()
        go_on.wait(timeout=30)
        return token

    def late() -> None:
        try:
            update_session({"a": 1})
        except SessionClosed as error:
            raised.append(error)
        done.set()

    def view() -> str:
        in_thread(late)
        inside.wait(timeout=30)
        return "early"

    response = visit(app, view, cookie_of(app))
    go_on.set()
    assert done.wait(timeout=30)
    assert len(raised) == 1
    assert set_cookies(response) == {}


def test_two_readers_of_an_async_view_do_not_wait_for_each_other_for_ever(
    app: Flask, auth: JWTSession
) -> None:
    import asyncio

    @auth.jwt_callback
    async def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        await asyncio.sleep(0)
        return token

    @app.get("/both")
    async def both() -> list[bool]:
        async def here() -> bool:
            await asyncio.sleep(0)
            return bool(current_session)

        there = sync_to_async(lambda: bool(current_session))
        return list(await asyncio.gather(there(), here()))

    response = app.test_client(use_cookies=False).get("/both", headers={"Cookie": cookie_of(app)})
    assert response.get_json() == [True, True]


@pytest.mark.parametrize(("inner", "name"), [("bob", "bob"), (None, "nobody")])
def test_a_request_within_a_request_has_its_own_session(
    app: Flask, inner: str | None, name: str
) -> None:
    @app.get("/who")
    def who() -> str:
        return current_session.token["sub"] if current_session else "nobody"

    def view() -> str:
        assert current_session.token["sub"] == "ada"
        own = EnvironBuilder("/who").get_environ()
        cookie = "" if inner is None else cookie_of(app, sub=inner)
        copied = {**request.environ, "PATH_INFO": own["PATH_INFO"], "HTTP_COOKIE": cookie}
        answer, _, _ = run_wsgi_app(app.wsgi_app, copied)
        return f"{b''.join(answer).decode()} {current_session.token['sub']}"

    assert visit(app, view, cookie_of(app, sub="ada")).text == f"{name} ada"
