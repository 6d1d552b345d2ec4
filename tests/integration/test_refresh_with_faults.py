"""Refreshes by a provider that is wrong in one thing: no page fails, nobody is signed out, nothing
is tried again and again, and nothing is told that is secret.

Each case is a fault of `tests.peers.faulty_provider`; its id names the row of the attack table.
"""

from __future__ import annotations

import base64
import gc
import json
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pytest
import requests
from flask import Flask, got_request_exception

from flask_jwtsession import JWTEvent, JWTSession, ProviderError, current_session
from flask_jwtsession.lifecycle import standing
from flask_jwtsession.lifecycle.binding import Binding
from flask_jwtsession.lifecycle.state import Token
from flask_jwtsession.stores.sqlite import SQLiteStore

from ..peers.faulty_provider import REFRESH_FAULTS, Fault, FaultyProvider
from ..peers.faulty_provider.refresh_faults import (
    ENDLESS,
    LIFETIMES,
    OUTAGES,
    REFUSALS,
    STRANGERS,
    TOLERATED,
    UNUSABLE,
)
from ..support import Clock, session_token
from .provider_sign_in import (
    IMPATIENT,
    PATIENT,
    Browser,
    Look,
    ask,
    at_once,
    listening,
    logged_here,
    look,
    make_application,
    make_workers,
)

DAY = 86_400
#: Seconds that an access token of the provider lives.
LIFETIME = 3600
#: Seconds after which a failed refresh is tried again, and a little.
PAUSE = 5.1


def cases(table: dict[str, Fault]) -> list[Any]:
    return [
        pytest.param(name, id=f"{fault.row} {name}", marks=_marks(name))
        for name, fault in table.items()
    ]


def _marks(fault: str) -> list[pytest.MarkDecorator]:
    if "two Content-Lengths" in fault:
        # urllib3 refuses such an answer, and leaves its socket to the garbage collector.
        return [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
    return []


def timeout_for(fault: str) -> float:
    return IMPATIENT if "hangs" in fault or "drips" in fault else PATIENT


def sign_in(app: Flask, provider: FaultyProvider) -> str:
    """The Cookie header of somebody who just signed in."""
    browser = Browser(app, provider)
    assert browser.sign_in().status_code == 302
    return browser.session_cookie()


def blamed(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why refreshes are said to have failed, a line of the log each."""
    prefix = "The tokens of op were not refreshed: "
    lines = [record.getMessage() for record in caplog.records]
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def names_of(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in told]


def secrets_in(text: str, provider: FaultyProvider) -> list[str]:
    """What of the provider's secrets is in a text, plain or as in a URL."""
    secrets = provider.secrets_told
    return [one for one in secrets if one in text or quote(one, safe="") in text]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture(autouse=True)
def nobody_is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because the machine is busy with something else."""
    monkeypatch.setattr("flask_jwtsession.refresh.PATIENCE", 60.0)


@pytest.fixture(autouse=True)
def no_secret_is_logged(
    provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """SEC-202: in no test of this file, at no level."""
    yield
    assert secrets_in(logged_here(caplog), provider) == []


@pytest.fixture(autouse=True)
def nothing_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a case is allowed to leave to the garbage collector, no later test stumbles over."""
    yield
    if request.node.get_closest_marker("filterwarnings"):
        gc.collect()


@pytest.fixture
def app(clock: Clock, provider: FaultyProvider) -> Flask:
    return make_workers(1, clock, provider)[0]


@pytest.fixture
def cookie(app: Flask, provider: FaultyProvider) -> str:
    return sign_in(app, provider)


# The provider itself: an honest and strict one, as long as no fault is switched on.


def tokens(app: Flask, cookie: str) -> tuple[str, str]:
    """The access token and the refresh token of somebody who signed in."""
    seen = look(app, cookie)
    assert seen.access_token is not None
    assert seen.refresh_token is not None
    return seen.access_token, seen.refresh_token


def refreshed(provider: FaultyProvider, token: str, **more: str) -> requests.Response:
    """By a bare client of a few lines."""
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    auth = (provider.client_id, provider.client_secret)
    with requests.Session() as session:
        session.trust_env = False  # no proxy is asked for loopback
        return session.post(provider.url("token"), data=form, auth=auth, timeout=30)


def test_the_provider_rotates(app: Flask, cookie: str, provider: FaultyProvider) -> None:
    access_token, token = tokens(app, cookie)
    answer = refreshed(provider, token).json()
    assert answer.keys() == {
        *("access_token", "refresh_token", "token_type", "expires_in", "scope")
    }
    new = {answer["access_token"], answer["refresh_token"]}
    assert provider.live_tokens == {access_token, *new}
    assert new < provider.secrets_told
    assert provider.count("refresh") == 1


def test_the_provider_takes_everything_back_when_a_refresh_token_comes_twice(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    _, token = tokens(app, cookie)
    newer = refreshed(provider, token).json()["refresh_token"]
    newest = refreshed(provider, newer).json()["refresh_token"]
    again = refreshed(provider, token)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert provider.live_tokens == frozenset()
    assert refreshed(provider, newest).status_code == 400


def test_the_provider_may_be_one_that_does_not_rotate(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    provider.rotates = False
    _, token = tokens(app, cookie)
    for _ in range(3):
        answer = refreshed(provider, token).json()
        assert "refresh_token" not in answer
        assert provider.is_live(answer["access_token"])


def test_the_providers_access_tokens_have_an_end(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    access_token, token = tokens(app, cookie)
    provider.access_token_lifetime = 10
    answer = refreshed(provider, token).json()
    assert answer["expires_in"] == 10
    clock.advance(10)
    assert not provider.is_live(answer["access_token"])
    assert provider.is_live(access_token)
    assert provider.is_live(answer["refresh_token"])


def test_the_provider_gives_no_scope_that_was_not_granted(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    answer = refreshed(provider, tokens(app, cookie)[1], scope="openid admin")
    assert answer.json()["error"] == "invalid_scope"


def test_the_provider_gives_an_id_token_if_it_is_to(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    provider.id_token_at_refresh = True
    payload = refreshed(provider, tokens(app, cookie)[1]).json()["id_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("u-1", "app", provider.issuer)
    assert "nonce" not in claims


def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    _, spent = tokens(app, cookie)
    newest = refreshed(provider, spent).json()["refresh_token"]
    for token, is_left in ((spent, True), (newest, False)):
        requests.post(
            provider.url("revoke"),
            data={"token": token},
            auth=(provider.client_id, provider.client_secret),
            timeout=30,
        ).raise_for_status()
        assert provider.is_live(newest) is is_left
    assert provider.live_tokens == frozenset()


def test_the_provider_holds_an_answer_until_it_may_go(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    _, token = tokens(app, cookie)
    with ThreadPoolExecutor(1) as thread:
        with provider.holding_refreshes() as hold:
            answer = thread.submit(refreshed, provider, token)
            assert hold.arrived.wait(timeout=30)
            assert not provider.is_live(token)
            assert not answer.done()
        assert answer.result(timeout=30).status_code == 200


def test_every_fault_of_a_refresh_changes_something(provider: FaultyProvider) -> None:
    honest: dict[str, Any] = dict.fromkeys(("access_token", "refresh_token", "scope"), "x")
    honest |= {"token_type": "Bearer", "expires_in": 3599}
    for name, fault in REFRESH_FAULTS.items():
        assert fault.id_token or fault.bodies or fault.answers, name
        for endpoint, change in fault.bodies.items():
            assert endpoint == "refresh"
            assert repr(change(provider, dict(honest))) != repr(honest), name
        assert not fault.answers or fault.answers.keys() == {"refresh"}


# It may pass.


@pytest.mark.parametrize("fault", cases(OUTAGES))
def test_sec_178_an_outage_leaves_everything_as_it_was(
    clock: Clock, provider: FaultyProvider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = make_application(clock, provider, timeout=timeout_for(fault))
    cookie = sign_in(app, provider)
    before = look(app, cookie)
    clock.advance(LIFETIME)
    with listening(app) as told, provider.failing(fault):
        for _ in range(3):
            seen = look(app, cookie)
            assert seen.error == "refresh_unavailable"
            assert (seen.claims, seen.account) == (before.claims, before.account)
            assert session_token(seen.response) is None
        assert provider.count("refresh") == 1
        assert provider.count("elsewhere") == 0
    assert names_of(told) == ["refresh-failed"]
    assert told[0][1]["session"].error == "refresh_unavailable"
    error = told[0][1]["error"]
    assert isinstance(error, ProviderError)
    assert (error.provider, error.reason.partition("_")[0]) == ("op", "refresh")
    [line] = blamed(caplog)
    assert line.startswith(error.reason)
    clock.advance(PAUSE)
    seen = look(app, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token)
    assert provider.count("refresh") == 2


def test_sec_178_a_provider_that_is_down_is_asked_again_every_five_seconds(
    app: Flask,
    cookie: str,
    clock: Clock,
    provider: FaultyProvider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock.advance(LIFETIME)
    with listening(app) as told:
        with provider.down():
            for _ in range(30):
                assert look(app, cookie).error == "refresh_unavailable"
                clock.advance(1)
        clock.advance(PAUSE)
        assert look(app, cookie).error is None
    assert 5 <= names_of(told).count("refresh-failed") <= 6
    assert blamed(caplog) == ["refresh_unreachable (ConnectionError)"]


def test_sec_178_the_pause_is_one_of_all_workers(clock: Clock, provider: FaultyProvider) -> None:
    apps = make_workers(4, clock, provider)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    with provider.failing("refresh is 503"):
        seen = at_once(*(partial(look, apps[n % 4], cookie) for n in range(20)))
        assert {one.error for one in seen} == {"refresh_unavailable"}
        assert provider.count("refresh") == 1
        clock.advance(PAUSE)
        at_once(*(partial(look, apps[n % 4], cookie) for n in range(20)))
        assert provider.count("refresh") == 2


def test_a_failure_of_one_session_is_none_of_another(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    one, other = (sign_in(app, provider) for _ in range(2))
    clock.advance(LIFETIME)
    with provider.failing("refresh is 503"):
        assert look(app, one).error == "refresh_unavailable"
    assert look(app, other).error is None
    assert look(app, one).error == "refresh_unavailable"


@pytest.mark.parametrize("fault", ["metadata is 500", "metadata hangs", "metadata is no JSON"])
def test_sec_164_a_new_worker_that_cannot_learn_of_the_provider_leaves_everything_as_it_was(
    clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    [first, fresh] = make_workers(2, clock, provider, timeout=IMPATIENT)
    cookie = sign_in(first, provider)
    before = look(first, cookie)
    clock.advance(LIFETIME)
    with provider.failing(fault):
        seen = look(fresh, cookie)
        assert (seen.error, seen.account) == ("refresh_unavailable", before.account)
    assert provider.count("refresh") == 0
    clock.advance(PAUSE + 5)
    assert provider.is_live(look(fresh, cookie).access_token)


def test_what_the_provider_publishes_is_not_asked_for_after_the_refresh(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    """What a worker knows of it grows old while the answer is on its way; the refresh token is
    spent by then, and the answer must not be lost for that.
    """
    provider.id_token_at_refresh = True
    clock.advance(LIFETIME - 10)
    assert provider.count("metadata") == 1
    with ThreadPoolExecutor(1) as thread, provider.holding_refreshes() as hold:
        looking = thread.submit(look, app, cookie)
        assert hold.arrived.wait(timeout=30)
        asked = provider.count("metadata")
        clock.advance(3700)
        hold.go_on.set()
        assert looking.result(timeout=30).error is None
    assert provider.count("metadata") == asked


# It does not pass.


@pytest.mark.parametrize("fault", cases(REFUSALS))
def test_sec_178_a_grant_that_is_over_is_over_for_all(
    clock: Clock, provider: FaultyProvider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    apps = make_workers(4, clock, provider)
    cookie = sign_in(apps[0], provider)
    before = look(apps[0], cookie)
    clock.advance(LIFETIME)
    with listening(*apps) as told, provider.failing(fault):
        seen = at_once(*(partial(look, apps[n % 4], cookie) for n in range(16)))
    for one in seen:
        assert_dead(one)
        assert (one.claims["sid"], one.claims["sub"]) == (before.claims["sid"], "op|u-1")
        assert one.account["provider_account_id"] == "u-1"
    assert names_of(told) == ["refresh-failed"]
    assert told[0][1]["session"].error == "refresh_failed"
    assert told[0][1]["error"].reason == "refresh_refused"
    assert len(blamed(caplog)) == 1
    # Nobody asks again: neither with the old cookie nor with the new one, now or later.
    for later in (0, PAUSE, LIFETIME, DAY):
        clock.advance(later)
        for again in (cookie, seen[0].cookie):
            assert_dead(look(apps[0], again))
    assert provider.count("refresh") == 1


def assert_dead(seen: Look) -> None:
    assert seen.error == "refresh_failed"
    assert (seen.access_token, seen.refresh_token) == (None, None)
    assert seen.account["expires_at"] is None


def test_after_a_grant_that_is_over_a_new_sign_in_brings_a_new_one(
    clock: Clock, provider: FaultyProvider
) -> None:
    [app] = make_workers(1, clock, provider)
    browser = Browser(app, provider)
    browser.sign_in()
    clock.advance(LIFETIME)
    with provider.failing("refresh is invalid_grant"):
        assert browser.account()["error"] == "refresh_failed"
    browser.sign_in()
    clock.advance(LIFETIME)
    found = browser.account()
    assert found["error"] is None
    assert provider.is_live(found["account"]["access_token"])


@pytest.mark.parametrize("mode", ["cookie", "store"])
def test_where_that_ends_the_session_it_ends_once(
    clock: Clock, provider: FaultyProvider, mode: str
) -> None:
    apps = make_workers(4, clock, provider, REFRESH_FAILURE="sign_out", PROVIDER_TOKENS=mode)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    with listening(*apps) as told:
        with provider.failing("refresh is invalid_grant"):
            seen = at_once(*(partial(look, apps[n % 4], cookie) for n in range(16)))
        for later in (0, PAUSE, LIFETIME):
            clock.advance(later)
            assert not any(look(app, cookie).is_signed_in for app in apps)
    assert not any(one.is_signed_in for one in seen)
    # One response deletes the cookie. The others may be late, and leave it alone.
    assert sorted({one.cookie for one in seen}) == ["", cookie]
    assert [one.cookie for one in seen].count("") == 1
    ended = [arguments for name, arguments in told if name == "signed-out"]
    assert [one["reason"] for one in ended] == ["refresh_failed"]
    assert ended[0]["session"].token["sub"] == "op|u-1"
    assert names_of(told).count("refresh-failed") == 1
    assert provider.count("refresh") == 1


def test_who_is_refused_tells_so_although_somebody_else_has_ended_the_session_meanwhile(
    clock: Clock, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make_workers(2, clock, provider, REFRESH_FAILURE="sign_out")
    cookie = sign_in(one, provider)
    clock.advance(LIFETIME)
    is_revoked = standing.is_revoked
    others: list[Look] = []

    def after_somebody_else(binding: Binding, token: Token) -> bool:
        if not others:
            others.append(look(other, cookie))
        return is_revoked(binding, token)

    monkeypatch.setattr(standing, "is_revoked", after_somebody_else)
    with listening(one, other) as told, provider.failing("refresh is invalid_grant"):
        assert not look(one, cookie).is_signed_in
    assert [seen.is_signed_in for seen in others] == [False]
    assert sorted(names_of(told)) == ["refresh-failed", "signed-out"]
    assert provider.count("refresh") == 1


def test_where_that_ends_the_session_an_outage_does_not(
    clock: Clock, provider: FaultyProvider
) -> None:
    [app] = make_workers(1, clock, provider, REFRESH_FAILURE="sign_out")
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    with provider.failing("refresh is 503"):
        assert look(app, cookie).error == "refresh_unavailable"
    clock.advance(PAUSE)
    assert provider.is_live(look(app, cookie).access_token)


# The refresh token is spent, and nothing came of it.


@pytest.mark.parametrize("fault", cases(UNUSABLE))
def test_sec_178_an_answer_that_cannot_be_used_costs_one_new_sign_in_at_most(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    before = look(app, cookie)
    clock.advance(LIFETIME)
    with listening(app) as told:
        with provider.failing(fault):
            seen = look(app, cookie)
        assert (seen.error, seen.account) == ("refresh_unavailable", before.account)
        assert (seen.is_signed_in, session_token(seen.response)) == (True, None)
        clock.advance(PAUSE)
        for _ in range(200):  # an hour, with a browser that keeps what it is given
            seen = look(app, seen.cookie)
            assert_dead(seen)
            clock.advance(18)
    assert provider.count("refresh") == 2
    assert names_of(told) == ["refresh-failed", "refresh-failed"]


@pytest.mark.parametrize("fault", cases(UNUSABLE))
def test_sec_178_an_answer_that_cannot_be_used_costs_nothing_where_they_do_not_rotate(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    provider.rotates = False
    clock.advance(LIFETIME)
    with provider.failing(fault):
        assert look(app, cookie).error == "refresh_unavailable"
    clock.advance(PAUSE)
    seen = look(app, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token)


# Lifetimes that are none.


@pytest.mark.parametrize("fault", cases(LIFETIMES))
def test_sec_218_without_a_lifetime_it_is_that_of_the_tokens_before(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    with provider.failing(fault):
        for number in range(1, 4):
            clock.advance(LIFETIME)
            seen = look(app, cookie)
            assert (seen.error, provider.is_live(seen.access_token)) == (None, True)
            assert seen.account["expires_at"] == clock.now + LIFETIME
            assert look(app, seen.cookie).access_token == seen.access_token
            assert provider.count("refresh") == number
            cookie = seen.cookie


@pytest.mark.parametrize("fault", cases(ENDLESS))
def test_sec_218_no_token_lives_for_ever(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    clock.advance(LIFETIME)
    with provider.failing(fault):
        seen = look(app, cookie)
    assert seen.error is None
    assert clock.now + DAY < seen.account["expires_at"] <= clock.now + 11 * 365 * DAY
    assert look(app, seen.cookie).access_token == seen.access_token
    assert provider.count("refresh") == 1


# Whose they are.


@pytest.mark.parametrize("fault", cases(STRANGERS))
@pytest.mark.parametrize("mode", ["cookie", "store"])
def test_sec_179_tokens_of_somebody_else_are_thrown_away(
    clock: Clock,
    provider: FaultyProvider,
    mode: str,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    apps = make_workers(2, clock, provider, PROVIDER_TOKENS=mode)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    with listening(*apps) as told, provider.failing(fault):
        seen = look(apps[0], cookie)
        assert_dead(seen)
        assert seen.claims["sub"] == "op|u-1"
        assert_dead(look(apps[1], cookie))
        assert_dead(look(apps[0], seen.cookie))
    assert names_of(told) == ["refresh-failed"]
    assert told[0][1]["error"].reason.startswith("refresh_id_token_")
    assert len(blamed(caplog)) == 1
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("fault", cases(TOLERATED))
def test_what_a_provider_may_do_stands_in_nobodys_way(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    clock.advance(LIFETIME)
    with provider.failing(fault):
        seen = look(app, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token)
    clock.advance(LIFETIME)
    assert provider.is_live(look(app, seen.cookie).access_token)


# What is told.


def add_prying_views(app: Flask, auth: JWTSession) -> None:
    """Views that show everything but the tokens themselves."""

    @app.get("/reprs")
    def reprs() -> str:
        account = current_session.account
        return f"{current_session!r} {account!r} {current_session} {account} {auth!r} {app!r}"

    @app.get("/token")
    def token() -> dict[str, Any]:
        return dict(current_session.token)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        app.logger.debug("the callback got %r %s %r", event, event, token)
        return token


PATHS = ["/auth/session", "/auth/session/status", "/reprs", "/token", "/auth/signin"]


@pytest.mark.parametrize("mode", ["cookie", "store"])
def test_sec_202_nothing_that_is_told_or_kept_has_a_secret_in_it(
    clock: Clock,
    provider: FaultyProvider,
    tmp_path: Path,
    mode: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = SQLiteStore(tmp_path / "store.sqlite3", clock)
    apps = make_workers(
        2,
        clock,
        provider,
        set_up=add_prying_views,
        STORE=store,
        PROVIDER_TOKENS=mode,
        FEDERATED_SIGN_OUT=True,
    )
    provider.id_token_at_refresh = True
    said: list[str] = []

    def everything(cookie: str) -> str:
        for path in PATHS:
            for app in apps:
                response = ask(app, path, cookie)
                said.append(f"{response.headers}\n{response.text}")
        response = ask(apps[0], "/auth/session/refresh", cookie, method="POST")
        said.append(f"{response.headers}\n{response.text}")
        return look(apps[1], cookie).cookie

    cookie = sign_in(apps[0], provider)
    everything(cookie)
    for fault in (None, "refresh is 500", "refreshed with token_type MAC", None):
        clock.advance(LIFETIME)
        provider.fault = fault
        cookie = everything(cookie)
    provider.fault = None
    other = sign_in(apps[1], provider)
    clock.advance(LIFETIME)
    with provider.failing("refreshed for another sub"):
        everything(other)
    third = sign_in(apps[1], provider)
    clock.advance(LIFETIME)
    everything(third)
    response = ask(apps[0], "/auth/session/refresh", cookie, method="POST")
    said.append(response.text)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    said.append(ask(apps[0], "/auth/signout", third, method="POST").text)
    store.close()
    kept += b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert len(provider.secrets_told) > 15
    assert secrets_in("\n".join(said), provider) == []
    assert secrets_in(logged_here(caplog), provider) == []
    assert secrets_in(kept.decode("latin-1"), provider) == []
    # That it is there at all, but encrypted.
    assert b".eyJ" in kept
    assert b"ada@example.com" not in kept


def test_sec_221_entries_have_unreadable_names_and_an_end(
    clock: Clock, provider: FaultyProvider, tmp_path: Path
) -> None:
    store = SQLiteStore(tmp_path / "store.sqlite3", clock)
    [app] = make_workers(1, clock, provider, STORE=store, PROVIDER_TOKENS="store")
    cookie = sign_in(app, provider)
    sid = look(app, cookie).claims["sid"]
    clock.advance(LIFETIME)
    with provider.failing("refresh is 500"):
        look(app, cookie)
    clock.advance(PAUSE)
    look(app, cookie)
    connection = store._pool.idle[0]
    entries = connection.execute("SELECT key, value, expires FROM entries").fetchall()
    store.close()
    assert len(entries) >= 2
    for key, value, expires in entries:
        assert re.fullmatch("[A-Za-z0-9_-]{22,64}", key)
        assert clock.now - LIFETIME <= expires <= clock.now + 30 * DAY + 3600
        assert len(value) < 4096
        for hidden in (sid, "Ada Lovelace", provider.issuer, "access_token"):
            assert hidden.encode() not in value


def test_sec_206_the_frames_of_an_error_after_a_refresh_show_no_token(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Error reports show the variables of every frame."""
    shown: list[str] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            if event.trigger == "refresh":
                raise RuntimeError("a mistake of the application")
            return token

    def report(sender: Flask, exception: BaseException, **_: object) -> None:
        shown.extend(variables(exception.__traceback__))

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    with got_request_exception.connected_to(report, app):
        assert ask(app, "/account", cookie).status_code == 500
        assert ask(app, "/auth/session/refresh", cookie, method="POST").status_code == 500
    assert len(shown) > 4
    assert secrets_in("\n".join(shown), provider) == []


def variables(traceback: TracebackType | None) -> Iterator[str]:
    """The variables of this package's frames, as an error report has them."""
    while traceback is not None:
        frame = traceback.tb_frame
        if "flask_jwtsession" in frame.f_code.co_filename:
            yield from (f"{name} = {value!r}" for name, value in frame.f_locals.items())
        traceback = traceback.tb_next


def test_a_hanging_provider_holds_up_nobody_who_has_a_good_token(
    clock: Clock, provider: FaultyProvider
) -> None:
    [app] = make_workers(1, clock, provider, timeout=IMPATIENT)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME - 20)
    began = threading.Event()
    with provider.failing("refresh hangs"), ThreadPoolExecutor(1) as thread:
        looking = thread.submit(look, app, cookie)
        while provider.count("refresh") == 0:
            began.wait(0.005)
        seen = look(app, cookie)
        assert seen.error is None or looking.done()
        assert looking.result(timeout=30).error == "refresh_unavailable"
        assert provider.count("refresh") == 1
