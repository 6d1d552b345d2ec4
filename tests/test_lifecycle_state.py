from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    after_this_request,
    copy_current_request_context,
    g,
    request,
    stream_with_context,
)
from flask.ctx import AppContext
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    SessionClosed,
    UpdateRefused,
    current_session,
    current_user,
    sign_in,
    sign_out,
    update_session,
)

from .scenes import cookie_of, visit
from .support import Clock, make_app, session_token, set_cookies, unseal

CHANGES: list[tuple[str, Callable[[], object]]] = [
    ("sign_in", lambda: sign_in({"id": "u2"})),
    ("update_session", lambda: update_session({"a": 1})),
    ("sign_out", sign_out),
]


def who() -> str:
    return str(current_session.token["sub"]) if current_session else "nobody"


# Streaming.


@pytest.mark.parametrize("loaded", ["before", "while streaming"])
def test_the_session_can_be_read_while_the_response_streams(app: Flask, loaded: str) -> None:
    def view() -> Response:
        if loaded == "before":
            who()

        def chunks() -> Iterator[str]:
            yield who()
            yield " "
            yield str(current_user["name"])

        return Response(stream_with_context(chunks()))

    assert visit(app, view, cookie_of(app)).text == "u1 Ada"


def test_a_session_first_read_while_streaming_is_not_rolled(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=0)
    view = streaming(who)
    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("u1", {})


def test_what_the_callback_says_counts_while_streaming_too(app: Flask, auth: JWTSession) -> None:
    auth.jwt_callback(lambda token, event: {**token, "role": "guest"})
    view = streaming(lambda: str(current_session.token["role"]))
    assert visit(app, view, cookie_of(app, role="admin")).text == "guest"


def streaming(produce: Callable[[], str]) -> Callable[[], Response]:
    def view() -> Response:
        def chunks() -> Iterator[str]:
            yield produce()

        return Response(stream_with_context(chunks()))

    return view


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_while_the_response_streams_is_an_error(
    app: Flask, name: str, change: Callable[[], object]
) -> None:
    def produce() -> str:
        with pytest.raises(SessionClosed):
            change()
        return who()

    response = visit(app, streaming(produce), cookie_of(app))
    assert (response.text, set_cookies(response)) == ("u1", {})


@pytest.mark.parametrize("loaded", [True, False])
def test_an_abandoned_stream_leaves_no_identity_for_the_next_request(
    clock: Clock, loaded: bool
) -> None:
    app, _ = make_app(clock)
    app.add_url_rule("/who", "who", who)

    def stream() -> Response:
        if loaded:
            who()
        return streaming(who)()

    app.add_url_rule("/stream", "stream", stream)
    abandoned = []
    for cookie in (cookie_of(app), cookie_of(app, sub="u2"), ""):
        environ = EnvironBuilder("/stream", headers=[("Cookie", cookie)]).get_environ()
        abandoned.append(app.wsgi_app(environ, lambda *_: lambda _: None))
        environ = EnvironBuilder("/who").get_environ()
        body, _, _ = run_wsgi_app(app.wsgi_app, environ)
        assert b"".join(body) == b"nobody"
    for stream_ in abandoned:
        # Until Flask 3.1.1 it says then that it is not the one that is on top.
        with suppress(AssertionError):
            stream_.close()  # type: ignore[attr-defined]  # WSGI's close, on Werkzeug's iterator


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_in_a_teardown_function_is_an_error(
    app: Flask, name: str, change: Callable[[], object]
) -> None:
    seen: list[str] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        with pytest.raises(SessionClosed):
            change()
        seen.append(who())

    visit(app, lambda: "", cookie_of(app))
    assert seen == ["u1"]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_in_an_after_request_hook_that_runs_after_ours_is_an_error(
    app: Flask, name: str, change: Callable[[], object]
) -> None:
    seen: list[str] = []

    def late(response: Response) -> Response:
        with pytest.raises(SessionClosed):
            change()
        seen.append("refused")
        return response

    app.after_request_funcs[None].insert(0, late)
    visit(app, lambda: "", cookie_of(app))
    assert seen == ["refused"]


def test_a_change_in_an_after_request_hook_that_runs_before_ours_is_written(app: Flask) -> None:
    @app.after_request
    def early(response: Response) -> Response:
        update_session({"a": 1})
        return response

    token = session_token(visit(app, lambda: "", cookie_of(app)))
    assert token
    assert unseal(app, token)["a"] == 1


def test_a_change_in_after_this_request_is_written(app: Flask) -> None:
    def view() -> str:
        @after_this_request
        def change(response: Response) -> Response:
            sign_in({"id": "u2"})
            return response

        return ""

    assert session_token(visit(app, view))


# Contexts.


def test_identity_is_not_on_g(app: Flask) -> None:
    seen: list[str] = []

    def view() -> str:
        _ = current_user["name"], current_session.token
        sign_in({"id": "u2", "name": "Grace"})
        seen.extend(f"{name} {value!r}" for name, value in vars(g).items())
        return ""

    visit(app, view, cookie_of(app))
    assert seen == []


def test_a_nested_request_context_has_its_own_session(app: Flask) -> None:
    def view() -> str:
        outer = who()
        with app.test_request_context(headers={"Cookie": cookie_of(app, sub="u2")}):
            inner = who()
            sign_out()
            after_sign_out = who()
        with app.test_request_context():
            bare = who()
        return f"{outer} {inner} {after_sign_out} {bare} {who()}"

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("u1 u2 nobody nobody u1", {})


def test_a_context_left_behind_on_the_thread_lends_nobody_its_session(app: Flask) -> None:
    left = app.test_request_context(headers={"Cookie": cookie_of(app)})
    left.push()
    try:
        assert who() == "u1"
        assert visit(app, who).text == "nobody"
        assert visit(app, who, cookie_of(app, sub="u2")).text == "u2"
    finally:
        left.pop()


def test_an_app_context_left_behind_lends_nobody_its_session(app: Flask) -> None:
    def view() -> str:
        return who()

    context: AppContext = app.app_context()
    context.push()
    try:
        assert visit(app, view, cookie_of(app)).text == "u1"
        assert visit(app, view).text == "nobody"
    finally:
        context.pop()


@pytest.mark.parametrize("loaded", ["before", "in the thread"])
def test_a_thread_with_the_copied_context_sees_the_same_session(app: Flask, loaded: str) -> None:
    def view() -> str:
        if loaded == "before":
            who()
        seen: list[str] = []

        @copy_current_request_context
        def work() -> None:
            seen.append(who())
            update_session({"from": "the thread"})

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=30)
        return f"{seen} {current_session.token['from']}"

    response = visit(app, view, cookie_of(app))
    assert response.text == "['u1'] the thread"
    assert session_token(response)


@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback", "user_loader"])
def test_a_second_thread_waits_for_what_the_first_is_loading(
    app: Flask, auth: JWTSession, callback: str
) -> None:
    in_callback, second_is_done = threading.Event(), threading.Event()
    runs: list[int] = []

    def slow(*arguments: Any) -> Any:
        runs.append(1)
        in_callback.set()
        # The second thread must not get an answer while this one is still at work: it waits for
        # the lock, so the event stays unset. Only a wrong answer arrives in this time.
        second_is_done.wait(timeout=0.2)
        return arguments[0]

    getattr(auth, callback)(slow)

    def somebody() -> bool:
        return bool(current_user) and bool(current_session)

    def view() -> str:
        seen: list[bool] = []

        @copy_current_request_context
        def second() -> None:
            in_callback.wait(timeout=30)
            seen.append(somebody())
            second_is_done.set()

        thread = threading.Thread(target=second)
        thread.start()
        first = somebody()
        thread.join(timeout=30)
        return f"{first} {seen} {len(runs)}"

    assert visit(app, view, cookie_of(app)).text == "True [True] 1"


# After a callback raised.


def failing(auth: JWTSession, callback: str) -> list[int]:
    """Make one callback raise, and count its calls."""
    calls: list[int] = []

    def fail(*_: object) -> Any:
        calls.append(1)
        raise LookupError("the database is away")

    getattr(auth, callback)(fail)
    return calls


@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback", "user_loader"])
def test_an_error_page_that_names_the_user_is_nobodys_after_a_callback_raised(
    app: Flask, auth: JWTSession, callback: str
) -> None:
    failing(auth, callback)

    @app.errorhandler(500)
    def sorry(error: Exception) -> tuple[str, int]:
        return f"Sorry, {current_user['name'] if current_user else 'whoever you are'}", 500

    response = visit(app, lambda: str(current_user), cookie_of(app))
    assert (response.status_code, response.text) == (500, "Sorry, whoever you are")
    assert set_cookies(response) == {}


@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback", "user_loader"])
def test_the_rest_of_a_request_is_nobodys_after_a_callback_raised(
    app: Flask, auth: JWTSession, callback: str
) -> None:
    calls = failing(auth, callback)

    def view() -> str:
        with pytest.raises(LookupError):
            _ = current_user["name"]
        return f"{who()} {bool(current_user)} {who()}"

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response), calls) == ("nobody False nobody", {}, [1])


@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback", "user_loader"])
def test_a_due_cookie_is_left_alone_when_a_callback_raised(clock: Clock, callback: str) -> None:
    app, auth = make_app(clock, UPDATE_AGE=0)
    failing(auth, callback)
    response = visit(app, lambda: str(current_user["name"]), cookie_of(app))
    assert (response.status_code, set_cookies(response)) == (500, {})


def test_a_sign_in_stands_when_the_user_loader_raises_after_it(
    app: Flask, auth: JWTSession
) -> None:
    failing(auth, "user_loader")

    def view() -> str:
        sign_in({"id": "u2"})
        return str(current_user["name"])

    response = visit(app, view, cookie_of(app))
    assert (response.status_code, session_token(response) is not None) == (500, True)


def test_nobodys_session_cannot_be_updated_after_a_callback_raised(
    app: Flask, auth: JWTSession
) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger is None:
            raise LookupError("the database is away")
        return token

    def view() -> str:
        with pytest.raises(LookupError):
            who()
        with pytest.raises(UpdateRefused):
            update_session({"a": 1})
        return who()

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("nobody", {})


def test_somebody_can_sign_in_after_a_callback_raised(app: Flask, auth: JWTSession) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger is None:
            raise LookupError("the database is away")
        return token

    def view() -> str:
        with pytest.raises(LookupError):
            who()
        sign_in({"id": "u2"})
        return who()

    assert visit(app, view, cookie_of(app)).text == "u2"


def test_the_environ_key_of_one_app_is_not_another_apps(clock: Clock) -> None:
    (one, _), (other, _) = make_app(clock), make_app(clock)

    def keys() -> list[str]:
        who()
        return [key for key in request.environ if key.startswith("flask_jwtsession")]

    first, second = visit(one, keys).get_json(), visit(other, keys).get_json()
    assert len(first) == len(second) == 1
    assert first != second
