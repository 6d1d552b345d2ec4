from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from blinker import NamedSignal
from flask import Flask, abort, request

from flask_jwtsession import (
    current_session,
    session_rejected,
    session_updated,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)

from .scenes import cookie_of, visit
from .support import (
    SAME_ORIGIN,
    Clock,
    get,
    make_app,
    session_cookie_name,
    session_token,
    set_cookies,
)

Signals = list[tuple[str, dict[str, Any]]]
ADA = {"id": "u1", "name": "Ada"}


def enter() -> str:
    sign_in(ADA)
    return "done"


def change() -> str:
    update_session({"a": 1})
    return "done"


def leave() -> str:
    sign_out()
    return "done"


def read() -> str:
    return "in" if current_session else "out"


@contextmanager
def connected(signal: NamedSignal, receiver: Callable[..., Any], app: Flask) -> Iterator[None]:
    signal.connect(receiver, app)
    try:
        yield
    finally:
        signal.disconnect(receiver)


EACH: list[tuple[NamedSignal, Callable[[], str], str]] = [
    (signed_in, enter, "signed-in"),
    (session_updated, change, "session-updated"),
    (signed_out, leave, "signed-out"),
]
each_change = pytest.mark.parametrize(
    ("signal", "view"), [pytest.param(signal, view, id=name) for signal, view, name in EACH]
)


def test_signed_in_has_the_session_the_user_and_the_account(app: Flask, signals: Signals) -> None:
    visit(app, enter)
    [(name, arguments)] = signals
    assert name == "signed-in"
    assert arguments.keys() == {"session", "user", "account"}
    assert (arguments["session"].user["name"], arguments["user"]) == ("Ada", ADA)
    assert arguments["account"] is None


def test_session_updated_has_the_session_and_what_was_asked_for(
    app: Flask, signals: Signals
) -> None:
    visit(app, change, cookie_of(app))
    [(name, arguments)] = signals
    assert name == "session-updated"
    assert arguments["session"].token["a"] == 1
    assert (arguments["data"], arguments["from_client"]) == ({"a": 1}, False)


def test_session_updated_by_a_client_has_the_data_cut_down(app: Flask, signals: Signals) -> None:
    app.test_client(use_cookies=False).post(
        "/auth/session",
        json={"data": {"nick": "Countess", "role": "admin"}},
        headers={**SAME_ORIGIN, "Cookie": cookie_of(app)},
    )
    [(_, arguments)] = signals
    assert (arguments["data"], arguments["from_client"]) == ({"nick": "Countess"}, True)


def test_signed_out_has_the_session_as_it_was(app: Flask, signals: Signals) -> None:
    visit(app, leave, cookie_of(app))
    [(name, arguments)] = signals
    assert (name, set(arguments)) == ("signed-out", {"session", "reason"})
    assert (arguments["session"].token["sub"], arguments["reason"]) == ("u1", "user")


def test_session_rejected_has_a_constant_reason(app: Flask, signals: Signals) -> None:
    cookie = cookie_of(app)
    visit(app, read, cookie[:-1] + ("A" if cookie[-1] != "A" else "B"))
    assert signals == [("session-rejected", {"reason": "decryption"})]


def test_the_sender_is_the_app_itself(clock: Clock) -> None:
    (one, _), (other, _) = make_app(clock), make_app(clock)
    senders: list[object] = []

    def receive(sender: object, **_: Any) -> None:
        senders.append(sender)

    with connected(signed_in, receive, one):
        visit(one, enter)
        visit(other, enter)
    assert len(senders) == 1
    assert senders[0] is one


def test_a_receiver_sees_the_session_as_it_is_after_the_change(app: Flask) -> None:
    seen: list[str] = []

    def receive(sender: object, **_: Any) -> None:
        seen.append(read())

    with connected(signed_in, receive, app), connected(signed_out, receive, app):
        visit(app, enter)
        visit(app, leave, cookie_of(app))
    assert seen == ["in", "out"]


# SEC-093: a receiver that raises.


@pytest.mark.parametrize(
    "error", [LookupError("a bug"), RuntimeError("a bug"), pytest.param("abort", id="HTTP error")]
)
@pytest.mark.parametrize("kind", ["sync", "async"])
@each_change
def test_sec_093_a_receiver_that_raises_undoes_nothing(
    app: Flask,
    caplog: pytest.LogCaptureFixture,
    signal: NamedSignal,
    view: Callable[[], str],
    kind: str,
    error: Exception | str,
) -> None:
    def fail(sender: object, **_: Any) -> None:
        if isinstance(error, Exception):
            raise error
        abort(403)

    async def fail_async(sender: object, **_: Any) -> None:
        await asyncio.sleep(0)
        fail(sender)

    with connected(signal, fail if kind == "sync" else fail_async, app):
        response = visit(app, view, "" if view is enter else cookie_of(app))
    assert (response.status_code, response.text) == (200, "done")
    assert bool(session_token(response)) is (view is not leave)
    assert set_cookies(response)[session_cookie_name(app)].deletes is (view is leave)
    assert signal.name in caplog.text


def test_sec_093_the_other_receivers_still_run(app: Flask) -> None:
    ran: list[str] = []

    def fail(sender: object, **_: Any) -> None:
        ran.append("failed")
        raise LookupError("a bug")

    def first(sender: object, **_: Any) -> None:
        ran.append("ran")

    def second(sender: object, **_: Any) -> None:
        ran.append("ran")

    with (
        connected(signed_in, first, app),
        connected(signed_in, fail, app),
        connected(signed_in, second, app),
    ):
        visit(app, enter)
    assert sorted(ran) == ["failed", "ran", "ran"]


def test_sec_093_a_receiver_of_a_rejection_that_raises_leaves_the_request_anonymous(
    app: Flask,
) -> None:
    def fail(sender: object, **_: Any) -> None:
        raise LookupError("a bug")

    with connected(session_rejected, fail, app):
        response = visit(app, read, f"{session_cookie_name(app)}=garbage")
    assert (response.text, set_cookies(response)) == ("out", {})


# Async receivers, and receivers that use the session.


@pytest.mark.parametrize("kind", ["sync view", "async view"])
@each_change
def test_an_async_receiver_is_awaited_before_the_view_goes_on(
    app: Flask, signal: NamedSignal, view: Callable[[], str], kind: str
) -> None:
    seen: list[str] = []

    async def receive(sender: object, **_: Any) -> None:
        await asyncio.sleep(0)
        seen.append(request.path)

    def counted() -> str:
        view()
        return str(len(seen))

    async def counted_async() -> str:
        await asyncio.sleep(0)
        return counted()

    with connected(signal, receive, app):
        response = visit(app, counted if kind == "sync view" else counted_async, cookie_of(app))
    assert (response.text, seen) == ("1", ["/visit"])


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("path", ["/session", "/auth/session", "/auth/session/status"])
def test_a_receiver_of_a_rejection_may_read_the_session(app: Flask, path: str, kind: str) -> None:
    seen: list[str] = []

    def receive(sender: object, reason: str) -> None:
        seen.append(read())

    async def receive_async(sender: object, reason: str) -> None:
        await asyncio.sleep(0)
        seen.append(read())

    with connected(session_rejected, receive if kind == "sync" else receive_async, app):
        get(app.test_client(), path, f"{session_cookie_name(app)}=garbage")
    assert seen == ["out"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_receiver_of_an_expiry_may_read_the_session(app: Flask, clock: Clock, kind: str) -> None:
    seen: list[str] = []

    def receive(sender: object, **arguments: Any) -> None:
        seen.append(f"{read()} {arguments['reason']}")

    async def receive_async(sender: object, **arguments: Any) -> None:
        await asyncio.sleep(0)
        receive(sender, **arguments)

    cookie = cookie_of(app)
    clock.advance(7200)
    with connected(signed_out, receive if kind == "sync" else receive_async, app):
        visit(app, read, cookie)
    assert seen == ["out expired"]


def test_a_receiver_of_a_sign_in_may_update_the_session(app: Flask) -> None:
    def receive(sender: object, **_: Any) -> None:
        update_session({"greeted": True})

    with connected(signed_in, receive, app):
        response = visit(app, lambda: [enter(), current_session.token["greeted"]])
    assert response.get_json() == ["done", True]


def test_a_muted_signal_is_not_sent(app: Flask, signals: list[tuple[str, dict[str, Any]]]) -> None:
    with signed_in.muted():
        visit(app, lambda: str(bool(sign_in({"id": "u1"}))))
    assert signals == []
