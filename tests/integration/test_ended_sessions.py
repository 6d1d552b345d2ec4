"""What has ended stays ended: sign-outs and revocations against what happens at the same time."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    current_session,
    refresh_failed,
    revoke_user,
    sign_in,
    sign_out,
)
from flask_jwtsession.stores.memory import MemoryStore

from ..faulty_store import FaultyStore
from ..peers.faulty_provider import FaultyProvider
from ..scenes import cookie_of, visit
from ..support import (
    SAME_ORIGIN,
    Clock,
    binding_of,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
)
from .provider_sign_in import Browser, make_application

DAY = 86_400


def who() -> str:
    return str(current_session.token.get("sub"))


def leave() -> str:
    sign_out()
    return "left"


def is_live(app: Flask, cookie: str) -> bool:
    return visit(app, who, cookie).text != "None"


# Somebody signs in while all their sessions are revoked.


def test_sec_084_a_sign_in_with_the_old_password_does_not_outlive_its_change(clock: Clock) -> None:
    app, auth = make_app(clock)

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any]:
        # It was right when it was looked at. Then, in another request, it is changed.
        clock.advance(0.5)
        revoke_user("u1")
        clock.advance(0.5)
        return {"id": "u1"}

    client = app.test_client()
    answer = client.post(
        "/auth/callback/credentials", data={"password": "old"}, headers=SAME_ORIGIN
    )
    assert session_token(answer) is not None
    assert client.get("/auth/session").get_json() is None


def test_sec_195_a_sign_in_at_a_provider_does_not_outlive_a_revocation_meanwhile(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, auth = make_application(clock, provider)

    @auth.sign_in_callback
    def allow(user: Any, account: Any, profile: Any) -> bool:
        clock.advance(1)
        revoke_user(f"op|{account.provider_account_id}")
        return True

    browser = Browser(app, provider)
    browser.sign_in()
    assert not browser.is_signed_in()


# A sign-out ends what the cookie says, whatever happened in the request before.


def raises(token: Any, event: JWTEvent) -> Any:
    raise LookupError("the database is away")


@pytest.mark.parametrize("callback", ["jwt_callback", "user_loader"])
def test_sec_083_a_sign_out_after_a_callback_that_failed_ends_the_session(
    clock: Clock, callback: str
) -> None:
    app, auth = make_app(clock)
    cookie = cookie_of(app)
    if callback == "jwt_callback":
        auth.jwt_callback(raises)
    else:
        auth.user_loader(lambda token: None)

    def leave_at_last() -> str:
        with suppress(LookupError):
            assert not auth.current_user
        return leave()

    assert visit(app, leave_at_last, cookie).status_code == 200
    binding_of(app).callbacks.jwt = binding_of(app).callbacks.user_loader = None
    assert not is_live(app, cookie)


def test_sec_083_a_sign_out_ends_all_sessions_of_which_it_might_be_one(clock: Clock) -> None:
    """Two good cookies of one name: somebody has planted one, and nobody knows which."""
    app, _ = make_app(clock)
    one, other = cookie_of(app, sid="s1"), cookie_of(app, sid="s2", sub="u2")
    assert not is_live(app, f"{one}; {other}")
    visit(app, leave, f"{one}; {other}")
    assert not is_live(app, one)
    assert not is_live(app, other)


def test_a_sign_in_over_several_sessions_ends_them(clock: Clock) -> None:
    app, _ = make_app(clock)
    one, other = cookie_of(app, sid="s1"), cookie_of(app, sid="s2", sub="u2")

    def enter() -> str:
        sign_in({"id": "u3"})
        return "in"

    assert session_token(visit(app, enter, f"{one}; {other}")) is not None
    assert not is_live(app, one)
    assert not is_live(app, other)


# How long it is remembered.


def test_sec_085_a_revocation_outlives_a_cookie_of_another_server_with_longer_ones(
    clock: Clock,
) -> None:
    store = MemoryStore(clock)
    short, _ = make_app(clock, STORE=store, MAX_AGE=600)
    long, _ = make_app(clock, STORE=store, MAX_AGE=30 * DAY)
    claims = {"sub": "u1", "iat": int(clock()), "jti": "j", "sid": "s", "auth_time": clock()}
    token = seal(long, {**claims, "exp": int(clock()) + 30 * DAY})
    cookie = f"{session_cookie_name(long)}={token}"
    visit(short, leave, cookie)
    clock.advance(29 * DAY)
    assert not is_live(long, cookie)


# What is written, and what is logged.


def test_sec_232_who_comes_back_with_an_error_leaves_nothing_in_the_store(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = MemoryStore(clock)
    browser = Browser(make_application(clock, provider, STORE=store)[0], provider)
    for _ in range(5):
        path = browser.approve(browser.start()).partition("?")[2]
        state = next(part for part in path.split("&") if part.startswith("state="))
        answer = browser.come_back(f"/auth/callback/op?error=access_denied&{state}")
        assert answer.status_code == 400
    assert store._entries == {}


def test_sec_204_sign_outs_without_a_store_are_one_line(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = FaultyStore(clock)
    app, _ = make_app(clock, STORE=store)
    cookie = cookie_of(app)
    store.refused = set(range(1000))
    with caplog.at_level(logging.WARNING, "flask_jwtsession"):
        for _ in range(50):
            visit(app, leave, cookie)
    assert sum("may still be good" in line for line in caplog.messages) == 1
    assert len(caplog.messages) <= 3


# Refreshing at the request of a browser is a use of the session like any other.


def test_a_refresh_that_brings_nothing_asks_the_jwt_callback_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, auth = make_application(clock, provider)
    browser = Browser(app, provider)
    browser.sign_in()
    auth.jwt_callback(lambda token, event: None)  # somebody who was banned
    with provider.failing("refresh is HTML with 502"):
        answer = browser.client.post("/auth/session/refresh", headers=SAME_ORIGIN)
    assert answer.get_json() is None
    assert not browser.is_signed_in()


def test_sec_206_the_error_of_a_refresh_shows_no_answer_in_its_frames(
    clock: Clock,
) -> None:
    app, auth = make_app(clock)
    secret = "fresh-and-secret"
    errors: list[Exception] = []

    def failed(sender: Flask, session: Any, error: Exception) -> None:
        errors.append(error)

    refresh_failed.connect(failed, app)
    auth.refresh_callback(lambda account: {"access_token": secret, "token_type": "DPoP"})
    account = {
        "provider": "x",
        "type": "oauth",
        "provider_account_id": "1",
        "access_token": "old",
        "expires_at": clock() - 1,
    }
    private = {"account": account, "grant": "g" * 22, "gen": 0}
    assert is_live(app, cookie_of(app, _session=private))
    [error] = errors
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert secret not in "".join(shown.format())


# The SQLite store under many threads.


def test_sec_219_many_threads_that_write_do_not_starve_a_sign_out(
    tmp_path: Path, clock: Clock
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    app = Flask("tests.app", instance_path=str(tmp_path))
    app.config["JWTSESSION_SECRET"] = "a test secret, 0123456789 abcdefghij"
    auth = JWTSession(app)
    binding_of(app).clock = clock
    failed: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            try:
                binding_of(app).once.take(f"{number} {turn}", 60)
            except Exception as error:
                failed.append(repr(error))

    with ThreadPoolExecutor(24) as threads:
        done = [threads.submit(work, number) for number in range(24)]
        client: FlaskClient = app.test_client()
        cookie = cookie_of(app)
        assert visit(app, leave, cookie).status_code == 200
        for one in done:
            one.result()
    assert failed == []
    assert get(client, "/auth/session", cookie).get_json() is None
    assert auth.config_prefix == "JWTSESSION"
