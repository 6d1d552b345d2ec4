"""SEC-092: requests of several people in one worker, at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    current_session,
    current_user,
    login_required,
    sign_in,
    update_session,
)

from ..scenes import cookie_of
from ..support import (
    SAME_ORIGIN,
    Clock,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    unseal,
)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Run ``work(0)`` … ``work(count - 1)`` at once; what one of them raises is raised here."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_sec_092_two_people_interleaved_in_one_worker_stay_apart(clock: Clock, kind: str) -> None:
    app, auth = make_app(clock)
    barrier = threading.Barrier(2)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        barrier.wait(timeout=30)
        return {**token, **event.data, "seen": token["sub"]}

    @auth.user_loader
    def load_user(token: dict[str, Any]) -> dict[str, Any]:
        barrier.wait(timeout=30)
        return {"name": f"user {token['sub']}"}

    def interleaved() -> str:
        first = current_session.token["sub"]
        barrier.wait(timeout=30)
        second = current_user["name"]
        barrier.wait(timeout=30)
        update_session({"changed_by": first})
        barrier.wait(timeout=30)
        return f"{first} {second} {current_session.token['changed_by']}"

    async def interleaved_async() -> str:
        await asyncio.sleep(0)
        return interleaved()

    app.add_url_rule("/", "view", interleaved if kind == "sync" else interleaved_async)

    def request(number: int) -> None:
        response = get(app.test_client(), "/", cookie_of(app, sub=f"u{number}"))
        token = session_token(response)
        assert response.text == f"u{number} user u{number} u{number}"
        assert token
        assert unseal(app, token)["sub"] == f"u{number}"

    in_threads(request, 2)


def test_sec_092_eight_threads_with_a_session_each_stay_apart(clock: Clock) -> None:
    app, auth = make_app(clock, UPDATE_AGE=0)
    auth.user_loader(lambda token: token["sub"])

    @app.get("/")
    @login_required
    def view() -> str:
        return f"{current_user} {current_session.token['n']}"

    def requests(number: int) -> None:
        cookie = cookie_of(app, sub=f"u{number}", n=number)
        for _ in range(40):
            response = get(app.test_client(), "/", cookie)
            assert response.text == f"u{number} {number}"
            token = session_token(response)
            assert token
            cookie = f"{session_cookie_name(app)}={token}"
            assert get(app.test_client(), "/").status_code == 401

    in_threads(requests, 8)


def test_sec_092_a_sign_in_beside_others_reaches_its_own_browser(app: Flask) -> None:
    @app.post("/in/<name>")
    def enter(name: str) -> str:
        sign_in({"id": name})
        return ""

    def requests(number: int) -> None:
        for turn in range(20):
            client = app.test_client()
            token = session_token(client.post(f"/in/u{number}x{turn}", headers=SAME_ORIGIN))
            assert token
            assert unseal(app, token)["sub"] == f"u{number}x{turn}"

    in_threads(requests, 8)


def test_one_cookie_used_by_many_threads_is_one_session(app: Flask, auth: JWTSession) -> None:
    cookie = cookie_of(app)

    def requests(number: int) -> None:
        for _ in range(30):
            assert get(app.test_client(), "/session", cookie).get_json()["user"]["name"] == "Ada"

    in_threads(requests, 8)


def test_the_cache_of_verified_tokens_survives_many_threads(app: Flask) -> None:
    # More tokens than it holds, so that every thread both finds and displaces some.
    tokens = app.extensions["jwtsession"]["JWTSESSION"].http.tokens
    sealed = [seal(app, {"n": number}) for number in range(700)]

    def decode(number: int) -> None:
        for index in range(number, 1400, 3):
            assert tokens.decode(sealed[index % 700]) == b'{"n": %d}' % (index % 700)

    in_threads(decode, 8)
    assert len(tokens._verified) <= 512
