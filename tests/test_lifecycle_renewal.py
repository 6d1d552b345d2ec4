"""Provider tokens that are refreshed exactly once, as the requests of an application see it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    after_this_request,
    copy_current_request_context,
    stream_with_context,
)
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwtsession import (
    Account,
    JWTEvent,
    JWTSession,
    current_session,
    revoke_session,
    revoke_user,
    session_refreshed,
    sign_out,
    update_session,
)
from flask_jwtsession import sign_in as sign_in_as
from flask_jwtsession.providers.provider import Provider
from flask_jwtsession.records import LAST_GENERATION as _LAST_GENERATION
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from .faulty_store import FaultyStore
from .integration.provider_sign_in import (
    Browser,
    Look,
    ask,
    at_once,
    cookie_after,
    listening,
    look,
    make_application,
    make_workers,
)
from .peers.faulty_provider import FaultyProvider, Hold, logout_token
from .scenes import cookie_of
from .support import NOW, Clock, get, make_app, session_token, set_cookies, unseal

DAY = 86_400
#: Seconds that an access token of the provider lives, unless a test says otherwise.
LIFETIME = 3600

SetUp = Callable[[Flask, JWTSession], object]


def private_block(app: Flask, cookie: str) -> dict[str, Any]:
    """What is in the part of a cookie that the application never sees."""
    values = [pair.split("=", 1)[1] for pair in sorted(cookie.split("; "))]
    block: dict[str, Any] = unseal(app, "".join(values))["_session"]
    return block


def sign_in(app: Flask, provider: FaultyProvider) -> str:
    """The Cookie header of somebody who just signed in."""
    browser = Browser(app, provider)
    assert browser.sign_in().status_code == 302
    return browser.session_cookie()


def forced(app: Flask, cookie: str) -> str:
    """The Cookie header of somebody who had the tokens refreshed though they were not due."""
    response = ask(app, "/auth/session/refresh", cookie, method="POST")
    assert "error" not in response.get_json()
    return cookie_after(cookie, response)


def names_of(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in told]


@contextmanager
def while_refreshing(
    provider: FaultyProvider, app: Flask, cookie: str
) -> Iterator[tuple[Hold, Future[Look]]]:
    """Inside of the block a request of ``app`` waits for the provider's answer to its refresh."""
    with ThreadPoolExecutor(1) as thread, provider.holding_refreshes() as hold:
        looking = thread.submit(look, app, cookie)
        assert hold.arrived.wait(timeout=30)
        yield hold, looking


@pytest.fixture(autouse=True)
def nobody_is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because the machine is busy with something else."""
    monkeypatch.setattr("flask_jwtsession.refresh.PATIENCE", 60.0)
    monkeypatch.setattr("flask_jwtsession.stores.sqlite.BUSY", 30.0)


@pytest.fixture
def app(clock: Clock, provider: FaultyProvider) -> Flask:
    return make_workers(1, clock, provider)[0]


@pytest.fixture
def cookie(app: Flask, provider: FaultyProvider) -> str:
    return sign_in(app, provider)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        store = SQLiteStore(tmp_path / "grants.sqlite3", clock)
    yield store
    store.close()


# One request.


@pytest.mark.parametrize("left", [LIFETIME, 600, 67])
def test_tokens_that_are_not_due_are_left_alone(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, left: float
) -> None:
    before = look(app, cookie)
    clock.advance(LIFETIME - left)
    seen = look(app, cookie)
    assert (seen.access_token, seen.error) == (before.access_token, None)
    assert provider.count("refresh") == 0


@pytest.mark.parametrize("left", [53, 1, 0, -1, -86_000])
def test_due_tokens_are_refreshed_once_and_the_cookie_has_the_new_ones(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, left: float
) -> None:
    """A minute before their end, and a tenth of that more or less."""
    before = look(app, cookie)
    clock.advance(LIFETIME - left)
    seen = look(app, cookie)
    [asked] = provider.requests_to("refresh")
    assert asked.form["refresh_token"] == before.refresh_token
    assert provider.is_live(seen.access_token)
    assert provider.is_live(seen.refresh_token)
    assert not provider.is_live(before.refresh_token)
    assert seen.account["expires_at"] == clock.now + LIFETIME
    again = look(app, seen.cookie)
    assert (again.access_token, again.refresh_token) == (seen.access_token, seen.refresh_token)
    assert (seen.error, again.error) == (None, None)
    assert provider.count("refresh") == 1


def test_a_response_with_refreshed_tokens_is_for_no_cache(
    app: Flask, cookie: str, clock: Clock
) -> None:
    clock.advance(LIFETIME)
    response = look(app, cookie).response
    assert session_token(response) is not None
    assert "no-store" in response.headers["Cache-Control"]


def test_a_session_that_is_used_for_a_day_is_refreshed_again_and_again(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    for number in range(1, 25):
        clock.advance(LIFETIME)
        seen = look(app, cookie)
        assert provider.is_live(seen.access_token)
        assert provider.count("refresh") == number
        cookie = seen.cookie


def test_a_request_that_does_not_use_the_session_refreshes_nothing(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    clock.advance(LIFETIME)
    for path in ("/auth/session/status", "/auth/csrf", "/auth/providers", "/nowhere"):
        assert session_token(ask(app, path, cookie)) is None
    assert provider.count("refresh") == 0


def test_the_end_counts_from_when_the_provider_was_asked(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    """An answer may be long on its way, and its tokens grow old meanwhile."""
    clock.advance(LIFETIME)
    asked_at = clock.now
    with while_refreshing(provider, app, cookie) as (hold, looking):
        clock.advance(7)
        hold.go_on.set()
        assert looking.result(timeout=30).account["expires_at"] == asked_at + LIFETIME


def test_a_scope_that_was_added_later_does_not_stand_in_the_way(
    clock: Clock, provider: FaultyProvider
) -> None:
    """RFC 6749 section 6: nothing may be asked for that was not granted at the beginning."""
    store = MemoryStore(clock)
    before, _ = make_application(clock, provider, STORE=store, scope="openid email")
    after, _ = make_application(clock, provider, STORE=store, scope="openid email profile")
    cookie = sign_in(before, provider)
    clock.advance(LIFETIME)
    seen = look(after, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token)


def test_a_worker_that_was_long_in_learning_of_the_provider_spends_nothing(
    clock: Clock, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is for the refresh alone: when it is over, another worker may begin one."""
    first, fresh = make_workers(2, clock, provider)
    cookie = sign_in(first, provider)
    clock.advance(LIFETIME)
    # Each fetch of the metadata takes eleven seconds.
    slowly = SimpleNamespace(monotonic=lambda: 11.0 * provider.count("metadata"))
    monkeypatch.setattr("flask_jwtsession.providers.account_tokens.time", slowly)
    assert look(fresh, cookie).error == "refresh_unavailable"
    assert provider.count("refresh") == 0
    clock.advance(5.1)
    assert provider.is_live(look(fresh, cookie).access_token)
    assert provider.count("metadata") == 2


def test_sec_222_tokens_of_five_seconds_are_refreshed_once_in_each_of_their_lives(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    provider.access_token_lifetime = 5
    cookie = sign_in(app, provider)
    for _ in range(300):
        seen = look(app, cookie)
        assert provider.is_live(seen.access_token)
        cookie = seen.cookie
        clock.advance(0.1)
    # A token is due half a second before its end, so there are six or seven of them.
    assert 5 <= provider.count("refresh") <= 7


@pytest.mark.parametrize("lifetime", [0, 0.01, 1])
def test_sec_222_tokens_that_are_hardly_any_are_refreshed_once_a_second(
    app: Flask, clock: Clock, provider: FaultyProvider, lifetime: float
) -> None:
    provider.access_token_lifetime = 1
    cookie = sign_in(app, provider)
    provider.access_token_lifetime = lifetime
    for _ in range(50):
        cookie = look(app, cookie).cookie
        clock.advance(0.1)
    assert 4 <= provider.count("refresh") <= 7


@pytest.mark.parametrize("step", [-DAY, -3600, -60, 3600, 10 * DAY])
def test_sec_218_a_clock_that_was_set_otherwise_begins_no_loop(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, step: float
) -> None:
    clock.advance(step)
    for _ in range(5):
        cookie = look(app, cookie).cookie
    assert provider.count("refresh") == (1 if step > 0 else 0)


# Many requests.


@pytest.mark.parametrize("workers", [1, 4])
def test_sec_210_thirty_parallel_requests_cost_one_refresh(
    clock: Clock, provider: FaultyProvider, store: Store, workers: int
) -> None:
    apps = make_workers(workers, clock, provider, STORE=store)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    with listening(*apps) as told:
        seen = at_once(*(partial(look, apps[n % workers], cookie) for n in range(30)))
    assert provider.count("refresh") == 1
    assert [one.is_signed_in for one in seen] == [True] * 30
    assert [one.error for one in seen] == [None] * 30
    [token] = {one.access_token for one in seen}
    assert provider.is_live(token)
    assert names_of(told) == ["session-refreshed"]
    # Whichever of the responses came last, its cookie is as good as any other.
    clock.advance(LIFETIME)
    later = at_once(*(partial(look, apps[n % workers], seen[n].cookie) for n in range(30)))
    [token] = {one.access_token for one in later}
    assert provider.is_live(token)
    assert provider.count("refresh") == 2


def test_who_comes_while_a_refresh_is_under_way_waits_for_it(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = WatchedStore(clock)
    apps = make_workers(2, clock, provider, STORE=store)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    with (
        ThreadPoolExecutor(1) as thread,
        while_refreshing(provider, apps[0], cookie) as (hold, looking),
    ):
        waiting = thread.submit(look, apps[1], cookie)
        assert store.somebody_waits.wait(timeout=30)
        assert not waiting.done()
        hold.go_on.set()
        assert waiting.result(timeout=30).access_token == looking.result().access_token
    assert provider.count("refresh") == 1


def test_who_has_a_token_that_is_still_good_does_not_wait(
    clock: Clock, provider: FaultyProvider
) -> None:
    apps = make_workers(2, clock, provider)
    cookie = sign_in(apps[0], provider)
    before = look(apps[0], cookie)
    clock.advance(LIFETIME - 30)
    with while_refreshing(provider, apps[0], cookie) as (hold, looking):
        seen = look(apps[1], cookie)  # the answer is still on its way
        assert (seen.access_token, seen.error) == (before.access_token, None)
        assert session_token(seen.response) is None
        hold.go_on.set()
        assert looking.result(timeout=30).access_token != before.access_token
    assert provider.count("refresh") == 1


class WatchedStore(MemoryStore):
    """Sets ``somebody_waits`` when a thread asks once more what it has just been told."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.somebody_waits = threading.Event()
        self._asked: set[tuple[int, tuple[str, ...]]] = set()

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        question = threading.get_ident(), tuple(keys)
        if question in self._asked:
            self.somebody_waits.set()
        self._asked.add(question)
        return super().get_many(keys)


# A cookie that is older than the tokens.


def test_sec_211_a_late_request_with_an_old_cookie_adopts_the_successor(
    clock: Clock, provider: FaultyProvider
) -> None:
    apps = make_workers(2, clock, provider)
    old = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    new = look(apps[0], old)
    late = look(apps[1], old)
    assert (late.access_token, late.refresh_token) == (new.access_token, new.refresh_token)
    assert look(apps[0], late.cookie).access_token == new.access_token
    assert provider.count("refresh") == 1


def test_sec_211_an_hour_later_too(clock: Clock, provider: FaultyProvider, app: Flask) -> None:
    provider.access_token_lifetime = 3 * LIFETIME
    old = sign_in(app, provider)
    clock.advance(3 * LIFETIME)
    new = look(app, old)
    clock.advance(3600)
    assert look(app, old).access_token == new.access_token
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("more", [1, 3])
def test_sec_211_after_more_refreshes_too(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, more: int
) -> None:
    old = new = cookie
    for _ in range(1 + more):
        clock.advance(LIFETIME)
        new = look(app, new).cookie
    late = look(app, old)
    assert late.access_token == look(app, new).access_token
    assert provider.count("refresh") == 1 + more
    # When the newest are due again, the old cookie is as good as the new one to refresh them.
    clock.advance(LIFETIME)
    assert provider.is_live(look(app, old).access_token)
    assert provider.is_live(look(app, new).access_token)
    assert provider.count("refresh") == 2 + more


@pytest.mark.parametrize("change", ["update", "re-issue"])
@pytest.mark.parametrize("refresh", ["due", "forced"])
def test_sec_211_the_slow_response_that_comes_last_brings_nothing_old_back(
    clock: Clock, provider: FaultyProvider, refresh: str, change: str
) -> None:
    loaded, go_on = threading.Event(), threading.Event()

    def set_up(app: Flask, auth: JWTSession) -> None:
        @app.get("/slow")
        def slow() -> Any:
            assert current_session
            loaded.set()
            go_on.wait(timeout=30)
            if change == "update":
                update_session({"seen": True})
            return app.view_functions["account"]()

    apps = make_workers(2, clock, provider, set_up=set_up, UPDATE_AGE=0)
    cookie = sign_in(apps[0], provider)
    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(look, apps[0], cookie, "/slow")
        assert loaded.wait(timeout=30)
        if refresh == "due":
            clock.advance(LIFETIME)
            new = look(apps[1], cookie)
        else:
            new = look(apps[1], forced(apps[1], cookie))
        go_on.set()
        slow = looking.result(timeout=30)
    assert session_token(slow.response) is not None
    after = look(apps[0], slow.cookie)
    assert (after.access_token, after.refresh_token) == (new.access_token, new.refresh_token)
    assert after.claims.get("seen") == (True if change == "update" else None)
    assert provider.count("refresh") == 1
    clock.advance(LIFETIME)
    assert provider.is_live(look(apps[1], after.cookie).access_token)
    assert provider.count("refresh") == 2


def test_an_update_takes_over_what_was_refreshed_meanwhile(
    clock: Clock, provider: FaultyProvider
) -> None:
    meanwhile: list[Callable[[], Look]] = []
    others: list[Look] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        @app.get("/update")
        def update() -> Any:
            assert current_session
            clock.advance(LIFETIME)
            others.append(meanwhile[0]())
            update_session({})
            return app.view_functions["account"]()

    one, other = make_workers(2, clock, provider, set_up=set_up)
    cookie = sign_in(one, provider)
    meanwhile.append(lambda: look(other, cookie))
    seen = look(one, cookie, "/update")
    assert seen.access_token == others[0].access_token
    assert private_block(one, seen.cookie)["gen"] == 1


# Responses that do not arrive.


def broken_views(app: Flask, auth: JWTSession) -> None:
    @app.get("/raises")
    def raises() -> str:
        assert current_session
        raise RuntimeError("a mistake of the application")

    @app.get("/streams")
    def streams() -> Response:
        assert current_session
        return Response(str(number) for number in range(1000))

    @app.get("/streams-first")
    def streams_first() -> Response:
        def content() -> Iterator[str]:
            yield "before"
            yield str(bool(current_session))
            yield "after"

        return Response(stream_with_context(content()))

    @app.get("/fails-late")
    def fails_late() -> str:
        assert current_session

        @after_this_request
        def mistaken(response: Response) -> Response:
            raise RuntimeError("a mistake of the application")

        return "fine"


def raise_in_debug(app: Flask, cookie: str) -> None:
    app.debug = True
    with pytest.raises(RuntimeError):
        ask(app, "/raises", cookie)
    app.debug = False


def disconnect(app: Flask, path: str, cookie: str, *, after: int) -> None:
    """As a server does when the browser is gone: it reads no further, and closes."""
    environ = EnvironBuilder(path, headers=[("Cookie", cookie)]).get_environ()
    content, _, _ = run_wsgi_app(app.wsgi_app, environ)
    parts = iter(content)
    for _ in range(after):
        next(parts)
    content.close()  # type: ignore[attr-defined]


LOST: dict[str, Callable[[Flask, str], object]] = {
    "the view raises in DEBUG": raise_in_debug,
    "the view raises": lambda app, cookie: ask(app, "/raises", cookie),
    "a hook raises after it": lambda app, cookie: ask(app, "/fails-late", cookie),
    "nobody reads the response": look,
    "the client disconnects at once": lambda app, cookie: disconnect(
        app, "/streams", cookie, after=0
    ),
    "the client disconnects from a stream": lambda app, cookie: disconnect(
        app, "/streams", cookie, after=10
    ),
    "the session is first used while it streams": lambda app, cookie: ask(
        app, "/streams-first", cookie
    ),
    "the client disconnects after that": lambda app, cookie: disconnect(
        app, "/streams-first", cookie, after=2
    ),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=[f"SEC-220 {name}" for name in LOST])
def test_sec_220_after_a_response_that_was_lost_the_old_cookie_still_works(
    clock: Clock, provider: FaultyProvider, lose: Callable[[Flask, str], object]
) -> None:
    [app] = make_workers(1, clock, provider, set_up=broken_views)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    lose(app, cookie)
    assert provider.count("refresh") == 1
    for _ in range(2):
        seen = look(app, cookie)
        assert seen.error is None
        assert provider.is_live(seen.access_token)
    assert provider.count("refresh") == 1


# Providers that do it otherwise.


def test_a_refresh_token_that_is_not_rotated_stays(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    provider.rotates = False
    before = look(app, cookie)
    for number in range(1, 4):
        clock.advance(LIFETIME)
        seen = at_once(*[partial(look, app, cookie)] * 8)
        [token] = {one.access_token for one in seen}
        assert provider.is_live(token)
        assert {one.refresh_token for one in seen} == {before.refresh_token}
        assert provider.count("refresh") == number


def test_without_a_refresh_token_the_tokens_run_out(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    with provider.failing("token has no refresh_token"):
        cookie = sign_in(app, provider)
    before = look(app, cookie)
    clock.advance(2 * LIFETIME)
    seen = look(app, cookie)
    assert (seen.access_token, seen.error) == (before.access_token, None)
    assert provider.count("refresh") == 0


def test_tokens_whose_end_nobody_knows_are_not_refreshed(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    with provider.failing("expires_in is missing"):
        cookie = sign_in(app, provider)
    clock.advance(10 * DAY)
    assert look(app, cookie).error is None
    assert provider.count("refresh") == 0


def test_a_provider_that_is_not_to_be_refreshed_is_not(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, refresh=False)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    assert look(app, cookie).error is None
    assert provider.count("refresh") == 0


def test_a_provider_that_was_taken_out_is_not_asked(clock: Clock, provider: FaultyProvider) -> None:
    store = MemoryStore(clock)
    with_it, _ = make_application(clock, provider, STORE=store)
    without, _ = make_application(clock, STORE=store)
    cookie = sign_in(with_it, provider)
    clock.advance(LIFETIME)
    assert look(without, cookie).error is None
    assert provider.count("refresh") == 0


def test_two_sign_ins_of_one_person_are_two_grants(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    cookies = [sign_in(app, provider) for _ in range(2)]
    for number in range(1, 3):
        clock.advance(LIFETIME)
        seen = [look(app, cookie) for cookie in cookies]
        assert seen[0].claims["sub"] == seen[1].claims["sub"]
        assert len({one.access_token for one in seen}) == 2
        assert all(provider.is_live(one.access_token) for one in seen)
        assert provider.count("refresh") == 2 * number


def test_a_grant_that_is_dead_leaves_the_persons_other_one_alone(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    one, other = (sign_in(app, provider) for _ in range(2))
    clock.advance(LIFETIME)
    with provider.failing("refresh is invalid_grant"):
        assert look(app, one).error == "refresh_failed"
    seen = look(app, other)
    assert seen.error is None
    assert provider.is_live(seen.access_token)
    assert look(app, one).error == "refresh_failed"


def test_signing_out_in_one_browser_leaves_the_other_one_its_tokens(
    app: Flask, clock: Clock, provider: FaultyProvider
) -> None:
    one, other = (sign_in(app, provider) for _ in range(2))
    clock.advance(LIFETIME)
    one, other = look(app, one).cookie, look(app, other).cookie
    ask(app, "/auth/signout", one, method="POST")
    assert not look(app, one).is_signed_in
    clock.advance(LIFETIME)
    assert provider.is_live(look(app, other).access_token)


# The application's own way: refresh_callback.

MACHINE = Account(
    provider="machine",
    type="oauth",
    provider_account_id="m-1",
    access_token="at-0",
    expires_at=NOW + LIFETIME,
)
Answers = Callable[[Account], Any]


def make_own(
    clock: Clock,
    answers: Answers,
    account: Account = MACHINE,
    set_up: SetUp | None = None,
    **config: Any,
) -> tuple[Flask, str, list[Account]]:
    """An app with its own way to refresh, the cookie of somebody who signed in there with
    ``account``, and the accounts that the callback was asked to refresh.
    """
    app, auth = make_application(clock, **config)
    asked: list[Account] = []

    @auth.refresh_callback
    def refresh(account: Account) -> Any:
        asked.append(account)
        return answers(account)

    if set_up is not None:
        set_up(app, auth)
    return app, enter(app, account), asked


def enter(app: Flask, account: Account) -> str:
    """Sign in with ``account``; the Cookie header after it."""
    app.add_url_rule(
        "/enter", "enter", lambda: str(bool(sign_in_as({"name": "Ada"}, account=account)))
    )
    return cookie_after("", ask(app, "/enter"))


def test_an_account_without_a_refresh_token_is_refreshed_by_the_callback(clock: Clock) -> None:
    """The client credentials of RFC 6749 section 4.4, say: nothing to rotate."""
    app, cookie, asked = make_own(
        clock, lambda account: {"access_token": f"at-{len(asked)}", "expires_in": 600}
    )
    clock.advance(LIFETIME)
    with listening(app) as told:
        seen = at_once(*[partial(look, app, cookie)] * 10)
    assert {one.access_token for one in seen} == {"at-1"}
    assert {one.refresh_token for one in seen} == {None}
    assert {one.account["expires_at"] for one in seen} == {clock.now + 600}
    assert names_of(told) == ["session-refreshed"]
    assert [one.access_token for one in asked] == ["at-0"]
    clock.advance(600)
    assert look(app, cookie).access_token == "at-2"
    assert [one.access_token for one in asked] == ["at-0", "at-1"]


def test_the_callback_may_say_when_the_tokens_end_instead_of_how_long_they_live(
    clock: Clock,
) -> None:
    app, cookie, _ = make_own(
        clock, lambda account: {"access_token": "at-1", "expires_at": clock.now + 1234}
    )
    clock.advance(LIFETIME)
    assert look(app, cookie).account["expires_at"] == clock.now + 1234


def test_what_the_callback_does_not_say_stays(clock: Clock) -> None:
    account = Account(
        **{**vars(MACHINE), "refresh_token": "rt-0", "scope": "read", "issued_at": NOW}
    )
    app, cookie, _ = make_own(clock, lambda account: {"access_token": "at-1"}, account)
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert (seen.refresh_token, seen.account["scope"]) == ("rt-0", "read")
    assert seen.account["expires_at"] == clock.now + LIFETIME
    assert seen.account["provider_account_id"] == "m-1"


def test_the_callback_may_bring_a_new_refresh_token(clock: Clock) -> None:
    account = Account(**{**vars(MACHINE), "refresh_token": "rt-0"})
    app, cookie, asked = make_own(
        clock,
        lambda account: {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 60},
        account,
    )
    clock.advance(LIFETIME)
    cookie = look(app, cookie).cookie
    clock.advance(LIFETIME)
    look(app, cookie)
    assert [one.refresh_token for one in asked] == ["rt-0", "rt-1"]


def test_none_from_the_callback_is_the_end_of_the_grant(clock: Clock) -> None:
    app, cookie, asked = make_own(clock, lambda account: None)
    clock.advance(LIFETIME)
    with listening(app) as told:
        seen = at_once(*[partial(look, app, cookie)] * 10)
        for one in seen:
            assert (one.error, one.access_token) == ("refresh_failed", None)
            assert look(app, one.cookie).error == "refresh_failed"
    assert names_of(told) == ["refresh-failed"]
    clock.advance(20 * DAY)
    assert look(app, seen[0].cookie).error == "refresh_failed"
    assert len(asked) == 1


def raises(account: Account) -> Any:
    raise ConnectionError(f"no way to {account.provider}")


GARBAGE: dict[str, Answers] = {
    "an exception": raises,
    "a text": lambda account: "at-1",
    "a number": lambda account: 7,
    "a list": lambda account: [("access_token", "at-1")],
    "true": lambda account: True,
    "false": lambda account: False,
    "an empty mapping": lambda account: {},
    "an account": lambda account: account,
    "no access_token": lambda account: {"expires_in": 600},
    "an access_token that is a number": lambda account: {"access_token": 7},
    "an access_token of two lines": lambda account: {"access_token": "a\r\nX: y"},
    "token_type MAC": lambda account: {"access_token": "at-1", "token_type": "MAC"},
    "a scope that is a list": lambda account: {"access_token": "at-1", "scope": ["read"]},
    "an OAuth error": lambda account: {"error": "invalid_grant"},
    "the current session": lambda account: {"access_token": current_session.token["sub"]},
}


@pytest.mark.parametrize("answers", GARBAGE.values(), ids=GARBAGE)
def test_garbage_from_the_callback_is_a_failure_that_may_pass(
    clock: Clock, answers: Answers
) -> None:
    """Never a 500: and not asked again with every request."""
    app, cookie, asked = make_own(clock, answers)
    clock.advance(LIFETIME)
    for _ in range(3):
        seen = look(app, cookie)
        assert (seen.error, seen.access_token) == ("refresh_unavailable", "at-0")
    assert len(asked) == 1
    clock.advance(5.1)
    look(app, cookie)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "end",
    [
        *(float("nan"), float("inf"), float("-inf"), 1e300, 10**400, -(10**400), 0, -1, NOW),
        *("tomorrow", None, True, [NOW + 60]),
    ],
    ids=lambda end: repr(end)[:12],
)
def test_sec_218_an_end_from_the_callback_that_cannot_be_does_no_harm(
    clock: Clock, end: Any
) -> None:
    app, cookie, asked = make_own(
        clock, lambda account: {"access_token": "at-1", "expires_at": end}
    )
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert (seen.error, seen.access_token) == (None, "at-1")
    assert clock.now < seen.account["expires_at"] <= clock.now + 10 * 365 * DAY
    look(app, seen.cookie)
    assert len(asked) == 1


def test_the_callback_may_be_async(clock: Clock) -> None:
    app, auth = make_application(clock)

    @auth.refresh_callback
    async def refresh(account: Account) -> dict[str, Any]:
        return {"access_token": "at-1", "expires_in": 600}

    @app.get("/async")
    async def view() -> Any:
        assert current_session.account is not None
        return {"token": current_session.account.access_token}

    cookie = enter(app, MACHINE)
    clock.advance(LIFETIME)
    assert ask(app, "/async", cookie).get_json() == {"token": "at-1"}
    assert look(app, cookie).access_token == "at-1"


def test_the_callback_is_not_asked_for_what_the_package_refreshes_itself(
    clock: Clock, provider: FaultyProvider
) -> None:
    asked: list[Account] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.refresh_callback(asked.append)

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    assert provider.is_live(look(app, cookie).access_token)
    assert asked == []


def test_the_callback_is_asked_for_a_provider_with_refresh_false(
    clock: Clock, provider: FaultyProvider
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.refresh_callback(lambda account: {"access_token": "mine", "expires_in": 60})

    [app] = make_workers(1, clock, provider, set_up=set_up, refresh=False)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    assert look(app, cookie).access_token == "mine"
    assert provider.count("refresh") == 0


@pytest.mark.parametrize("moment", ["soon", float("nan"), float("inf"), True])
@pytest.mark.parametrize("name", ["expires_at", "issued_at"])
def test_an_account_that_ends_at_no_moment_signs_nobody_in(
    clock: Clock, name: str, moment: Any
) -> None:
    app, _ = make_application(clock)
    app.debug = True
    with pytest.raises(TypeError, match=f"an account's {name} is"):
        enter(app, Account(**{**vars(MACHINE), name: moment}))


# What the callbacks of a session see.


def recording(seen: list[JWTEvent]) -> SetUp:
    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            seen.append(event)
            if event.trigger == "refresh":
                token["refreshed"] = token.get("refreshed", 0) + 1
                token["sub"] = "somebody else"
            return token

    return set_up


def test_the_jwt_callback_is_told_of_a_refresh_with_the_account(
    clock: Clock, provider: FaultyProvider
) -> None:
    events: list[JWTEvent] = []
    [app] = make_workers(1, clock, provider, set_up=recording(events))
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    events.clear()
    seen = look(app, cookie)
    [event] = events
    assert (event.trigger, event.data, event.from_client) == ("refresh", {}, False)
    assert (event.user, event.profile) == (None, None)
    assert event.account is not None
    assert event.account.access_token == seen.access_token
    assert event.account.refresh_token == seen.refresh_token
    assert event.account.provider_account_id == "u-1"
    look(app, seen.cookie)
    assert [one.trigger for one in events] == ["refresh", None]


def test_what_the_jwt_callback_makes_of_a_refresh_is_kept(
    clock: Clock, provider: FaultyProvider
) -> None:
    [app] = make_workers(1, clock, provider, set_up=recording([]))
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert (seen.claims["refreshed"], seen.claims["sub"]) == (1, "op|u-1")
    assert look(app, seen.cookie).claims["refreshed"] == 1


def test_who_adopts_the_tokens_is_told_of_a_refresh_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Its cookie has nothing of what the callback made of the first one."""
    events: list[JWTEvent] = []
    apps = make_workers(2, clock, provider, set_up=recording(events))
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    new = look(apps[0], cookie)
    events.clear()
    late = look(apps[1], cookie)
    [event] = events
    assert event.trigger == "refresh"
    assert event.account is not None
    assert event.account.access_token == new.access_token
    assert late.claims["refreshed"] == 1


@pytest.mark.parametrize("used", ["only changed", "loaded before"])
def test_an_update_that_meets_newer_tokens_does_not_swallow_the_refresh(
    clock: Clock, provider: FaultyProvider, used: str
) -> None:
    """What the callback makes of new tokens is in the cookie of whoever refreshed them alone. A
    cookie that has the tokens must have that too, or be the next one to get it.
    """
    meanwhile: list[Callable[[], object]] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        recording([])(app, auth)

        @app.get("/nick")
        def nick() -> str:
            if used == "loaded before":
                assert current_session
            meanwhile[0]()
            update_session({})
            return "done"

    one, other = make_workers(2, clock, provider, set_up=set_up)
    cookie = sign_in(one, provider)

    def refresh() -> None:
        clock.advance(LIFETIME)
        look(other, cookie)

    if used == "only changed":
        refresh()
        meanwhile.append(lambda: None)
    else:
        meanwhile.append(refresh)
    updated = cookie_after(cookie, ask(one, "/nick", cookie))
    seen = look(one, updated)
    assert provider.is_live(seen.access_token)
    assert seen.claims.get("refreshed") == 1
    assert look(one, seen.cookie).claims["refreshed"] == 1
    assert provider.count("refresh") == 1


def test_when_the_session_callback_raises_after_a_refresh_nothing_is_lost(
    clock: Clock, provider: FaultyProvider
) -> None:
    mistakes: list[str] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.session_callback
        def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
            if mistakes:
                raise RuntimeError(mistakes.pop())
            return session

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    mistakes.append("once")
    response = ask(app, "/account", cookie)
    assert response.status_code == 500
    assert set_cookies(response) == {}
    assert provider.is_live(look(app, cookie).access_token)
    assert provider.count("refresh") == 1


def test_when_the_jwt_callback_raises_after_a_refresh_nothing_is_lost(
    clock: Clock, provider: FaultyProvider
) -> None:
    mistakes = ["once", "twice"]

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            if event.trigger == "refresh" and mistakes:
                raise RuntimeError(mistakes.pop())
            return {**token, "seen": event.trigger}

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    for _ in range(2):
        response = ask(app, "/account", cookie)
        assert response.status_code == 500
        assert set_cookies(response) == {}
    seen = look(app, cookie)
    assert seen.claims["seen"] == "refresh"
    assert provider.is_live(seen.access_token)
    assert provider.count("refresh") == 1


def test_the_session_callback_gets_the_error(clock: Clock) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.session_callback
        def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
            return {"user": session["user"], "problem": session.get("error")}

    app, cookie, _ = make_own(clock, raises, set_up=set_up)
    assert ask(app, "/auth/session", cookie).get_json()["problem"] is None
    clock.advance(LIFETIME)
    assert ask(app, "/auth/session", cookie).get_json()["problem"] == "refresh_unavailable"
    assert look(app, cookie).error == "refresh_unavailable"


def test_the_public_session_has_an_error_only_when_there_is_one(clock: Clock) -> None:
    broken: list[str] = []

    def answers(account: Account) -> Any:
        return raises(account) if broken else {"access_token": "at-1", "expires_in": LIFETIME}

    app, cookie, _ = make_own(clock, answers)
    assert "error" not in ask(app, "/auth/session", cookie).get_json()
    clock.advance(LIFETIME)
    broken.append("it is")
    assert ask(app, "/auth/session", cookie).get_json()["error"] == "refresh_unavailable"
    broken.clear()
    clock.advance(6)
    response = ask(app, "/auth/session", cookie)
    assert "error" not in response.get_json()
    assert "error" not in ask(app, "/auth/session", cookie_after(cookie, response)).get_json()


# Signals.


def test_a_refresh_is_told_once_with_the_session_and_the_account(
    app: Flask, cookie: str, clock: Clock
) -> None:
    clock.advance(LIFETIME)
    with listening(app) as told:
        seen = look(app, cookie)
        look(app, cookie)
    [(name, arguments)] = told
    assert name == "session-refreshed"
    assert arguments["session"].token["sub"] == "op|u-1"
    assert arguments["account"].access_token == seen.access_token
    assert arguments["session"].account == arguments["account"]


@pytest.mark.parametrize("path", ["/account", "/auth/session/refresh"])
def test_a_receiver_can_use_the_session_from_wherever_it_is(
    app: Flask, cookie: str, clock: Clock, path: str
) -> None:
    """Nothing is locked while it runs: not for it, and not for a thread that it waits for."""
    seen: list[tuple[str, Any]] = []

    def receive(sender: Flask, **arguments: Any) -> None:
        def read() -> None:
            account = current_session.account
            seen.append((current_session.token["sub"], account and account.access_token))

        read()
        thread = threading.Thread(target=copy_current_request_context(read), daemon=True)
        thread.start()
        thread.join(timeout=10)
        assert arguments["account"].access_token == seen[0][1]

    clock.advance(LIFETIME)
    with session_refreshed.connected_to(receive, app):
        response = ask(app, path, cookie, method="GET" if path == "/account" else "POST")
    assert response.status_code == 200
    assert len(set(seen)) == 1
    assert len(seen) == 2


def test_a_receiver_that_raises_is_no_failure_of_the_refresh(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    def receive(sender: Flask, **arguments: Any) -> None:
        raise RuntimeError("a mistake of the application")

    clock.advance(LIFETIME)
    with session_refreshed.connected_to(receive, app):
        seen = look(app, cookie)
    assert provider.is_live(seen.access_token)
    assert provider.is_live(look(app, seen.cookie).access_token)


# JWTSESSION_PROVIDER_TOKENS.


def records(store: FaultyStore) -> list[bytes]:
    """The records of grants that are in a store: a generation, and what is encrypted. Those that
    say for a while that a grant is over are none.
    """
    over = f"{_LAST_GENERATION}.".encode()
    values = [value for value, _ in store.raw().values() if b".eyJ" in value]
    return [value for value in values if not value.startswith(over)]


def test_tokens_in_the_store_are_in_no_cookie(clock: Clock, provider: FaultyProvider) -> None:
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store")
    [with_tokens] = make_workers(1, clock, provider)
    cookie = sign_in(app, provider)
    assert len(cookie) < len(sign_in(with_tokens, provider)) - 80
    clock.advance(LIFETIME)
    for _ in range(3):
        assert not [
            secret for secret in provider.secrets_told if secret in str(private_block(app, cookie))
        ]
        seen = look(app, cookie)
        assert provider.is_live(seen.access_token)
        assert provider.is_live(seen.refresh_token)
        cookie = seen.cookie
    assert provider.count("refresh") == 1


def test_sec_210_tokens_in_the_store_are_refreshed_once_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    apps = make_workers(4, clock, provider, PROVIDER_TOKENS="store")
    cookie = sign_in(apps[0], provider)
    for number in range(1, 3):
        clock.advance(LIFETIME)
        seen = at_once(*(partial(look, apps[n % 4], cookie) for n in range(20)))
        [token] = {one.access_token for one in seen}
        assert provider.is_live(token)
        assert provider.count("refresh") == number


def test_a_record_lives_as_long_as_the_session_rolls_on(
    clock: Clock, provider: FaultyProvider
) -> None:
    provider.access_token_lifetime = 1000 * DAY
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store", MAX_AGE=2 * DAY)
    cookie = sign_in(app, provider)
    for _ in range(20):
        clock.advance(2 * DAY - 1)
        seen = look(app, cookie)
        assert (seen.error, provider.is_live(seen.access_token)) == (None, True)
        cookie = seen.cookie
    assert provider.count("refresh") == 0


def test_a_record_of_a_session_that_runs_out_is_gone_with_it(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store", MAX_AGE=2 * DAY, STORE=store)
    sign_in(app, provider)
    assert len(records(store)) == 1
    [(_, end)] = [entry for entry in store.raw().values() if entry[0] in records(store)]
    assert end == clock.now + 2 * DAY + 3600


@pytest.mark.parametrize("refresh", ["before", "after"])
def test_tokens_that_the_store_lost_are_lost_and_the_session_is_not(
    clock: Clock, provider: FaultyProvider, refresh: str
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store", STORE=store)
    cookie = sign_in(app, provider)
    if refresh == "before":
        clock.advance(LIFETIME)
        cookie = look(app, cookie).cookie
    store._entries.clear()
    clock.advance(LIFETIME)
    with listening(app) as told:
        for _ in range(3):
            seen = look(app, cookie)
            assert (seen.error, seen.access_token) == ("refresh_failed", None)
            assert seen.claims["sub"] == "op|u-1"
            cookie = seen.cookie
    assert "signed-out" not in names_of(told)
    assert provider.count("refresh") == (1 if refresh == "before" else 0)


def test_where_a_lost_grant_ends_the_session_a_store_that_lost_it_does(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(
        1, clock, provider, PROVIDER_TOKENS="store", STORE=store, REFRESH_FAILURE="sign_out"
    )
    cookie = sign_in(app, provider)
    store._entries.clear()
    with listening(app) as told:
        assert not look(app, cookie).is_signed_in
    assert [arguments["reason"] for name, arguments in told if name == "signed-out"] == [
        "refresh_failed"
    ]


def test_while_the_store_is_away_and_sessions_go_on_their_tokens_are_away(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(
        1, clock, provider, PROVIDER_TOKENS="store", STORE=store, STORE_FAILURE="open"
    )
    cookie = sign_in(app, provider)
    store.refused.add("get_many")
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert (seen.error, seen.access_token) == ("refresh_unavailable", None)
    store.refused.clear()
    seen = look(app, seen.cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token)


def test_while_the_store_is_away_the_tokens_of_a_cookie_are_as_they_are(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, STORE=store, STORE_FAILURE="open")
    cookie = sign_in(app, provider)
    before = look(app, cookie)
    store.refused.add("get_many")
    assert look(app, cookie).error is None
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert (seen.error, seen.access_token) == ("refresh_unavailable", before.access_token)
    assert provider.count("refresh") == 0
    store.refused.clear()
    assert provider.is_live(look(app, seen.cookie).access_token)


@pytest.mark.parametrize("mode", ["cookie", "store"])
def test_tokens_that_cannot_be_recorded_any_more_are_in_the_cookie(
    clock: Clock, provider: FaultyProvider, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The store went away while the provider was asked: its answer is not lost."""
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS=mode, STORE=store)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    with while_refreshing(provider, app, cookie) as (hold, looking):
        store.refused.add("compare_and_set")
        hold.go_on.set()
        seen = looking.result(timeout=30)
    assert seen.error is None
    assert provider.is_live(seen.access_token)
    assert private_block(app, seen.cookie)["account"]["access_token"] == seen.access_token
    assert "could not be written to the store" in caplog.text
    store.refused.clear()
    assert look(app, seen.cookie).access_token == seen.access_token
    clock.advance(LIFETIME)
    assert provider.is_live(look(app, seen.cookie).access_token)
    assert provider.count("refresh") == 2


def test_nobody_signs_in_whose_tokens_cannot_be_kept(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store", STORE=store)
    browser = Browser(app, provider)
    back = browser.approve(browser.start())
    store.refused.add("compare_and_set")
    response = browser.come_back(back)
    assert response.status_code == 503
    assert browser.session_cookie() == ""


def test_none_keeps_no_token_and_refreshes_nothing(clock: Clock, provider: FaultyProvider) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="none", STORE=store)
    cookie = sign_in(app, provider)
    assert not [
        secret for secret in provider.secrets_told if secret in str(private_block(app, cookie))
    ]
    clock.advance(2 * LIFETIME)
    seen = look(app, cookie)
    assert (seen.access_token, seen.refresh_token, seen.error) == (None, None, None)
    assert seen.account["provider_account_id"] == "u-1"
    assert provider.count("refresh") == 0
    assert records(store) == []


@pytest.mark.parametrize("later", ["cookie", "store", "none"])
@pytest.mark.parametrize("earlier", ["cookie", "store", "none"])
def test_living_sessions_go_on_when_the_place_of_the_tokens_is_changed(
    clock: Clock, provider: FaultyProvider, earlier: str, later: str
) -> None:
    store = FaultyStore(clock)
    before, after = (
        make_workers(1, clock, provider, PROVIDER_TOKENS=mode, STORE=store)[0]
        for mode in (earlier, later)
    )
    cookie = look(before, sign_in(before, provider)).cookie
    kept = "none" not in (earlier, later)
    seen = look(after, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token) is kept
    clock.advance(LIFETIME)
    seen = look(after, cookie)
    assert seen.error is None
    assert provider.is_live(seen.access_token) is kept
    assert provider.count("refresh") == (1 if kept else 0)
    in_cookie = "access_token" in private_block(after, seen.cookie)["account"]
    if kept:
        assert in_cookie is (later == "cookie")
    # And back again, an hour later.
    clock.advance(LIFETIME)
    again = look(before, seen.cookie)
    if kept:
        assert again.error is None
        assert provider.is_live(again.access_token)


def test_after_a_change_to_none_the_next_cookie_has_no_token(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = MemoryStore(clock)
    before, after = (
        make_workers(1, clock, provider, PROVIDER_TOKENS=mode, STORE=store, UPDATE_AGE=0)[0]
        for mode in ("cookie", "none")
    )
    cookie = look(after, sign_in(before, provider)).cookie
    block = str(private_block(after, cookie))
    assert not [secret for secret in provider.secrets_told if secret in block]


HUGE = "x" * 6000


def huge_and_small(clock: Clock, tokens: list[str]) -> tuple[Flask, str, FaultyStore]:
    """An app whose refreshes bring ``tokens``, one after the other; a cookie, and its store."""
    store = FaultyStore(clock)

    def answers(account: Account) -> dict[str, Any]:
        return {"access_token": tokens.pop(0), "expires_in": LIFETIME}

    app, cookie, _ = make_own(clock, answers, STORE=store, MAX_AGE=30 * DAY)
    return app, cookie, store


def test_tokens_that_no_longer_fit_into_the_cookie_stay_in_the_store(clock: Clock) -> None:
    app, cookie, _ = huge_and_small(clock, [HUGE, HUGE + "y", "small"])
    clock.advance(LIFETIME)
    seen = look(app, cookie)
    assert seen.access_token == HUGE
    assert len(seen.cookie) < 2000
    assert [look(app, one).access_token for one in (cookie, seen.cookie)] == [HUGE, HUGE]
    clock.advance(LIFETIME)
    seen = look(app, seen.cookie)
    assert seen.access_token == HUGE + "y"
    assert len(seen.cookie) < 2000
    clock.advance(LIFETIME)
    seen = look(app, seen.cookie)
    assert seen.access_token == "small"
    assert private_block(app, seen.cookie)["account"]["access_token"] == "small"


def test_tokens_that_are_in_the_store_alone_live_as_long_as_their_session(clock: Clock) -> None:
    def answers(account: Account) -> dict[str, Any]:
        return {"access_token": HUGE, "expires_in": 1000 * DAY}

    app, cookie, asked = make_own(clock, answers, MAX_AGE=2 * DAY)
    clock.advance(LIFETIME)
    for _ in range(10):
        seen = look(app, cookie)
        assert (seen.access_token, seen.error) == (HUGE, None)
        cookie = seen.cookie
        clock.advance(2 * DAY - 1)
    assert len(asked) == 1


# Sign-outs meanwhile.


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released once for every revocation that has come to its end."""
    done = threading.Semaphore(0)
    revoke: Callable[[Provider, str, str], None] = Provider._revoke

    def revoke_and_tell(provider: Provider, token: str, hint: str) -> None:
        revoke(provider, token, hint)
        done.release()

    monkeypatch.setattr(Provider, "_revoke", revoke_and_tell)
    return done


def add_sign_outs(app: Flask, auth: JWTSession) -> None:
    @app.post("/leave")
    def leave() -> str:
        sign_out()
        return "bye"

    @app.post("/expel/<what>/<value>")
    def expel(what: str, value: str) -> str:
        revoke_session(value) if what == "sid" else revoke_user(value)
        return "gone"


SIGN_OUTS: dict[str, tuple[str, list[str]]] = {
    "sign_out": ("/leave", ["user"]),
    "POST signout": ("/auth/signout", ["user"]),
    "revoke_user": ("/expel/sub/op|u-1", ["revoked"]),
    "revoke_session": ("/expel/sid/{sid}", ["revoked"]),
}
sign_outs = pytest.mark.parametrize(
    ("path", "reasons"), SIGN_OUTS.values(), ids=[f"SEC-217 {name}" for name in SIGN_OUTS]
)


def reasons_of(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Why the application was told that a session ended, each time that it was."""
    return [arguments["reason"] for name, arguments in told if name == "signed-out"]


def leave(app: Flask, path: str, cookie: str, sid: str) -> None:
    """One of SIGN_OUTS. It waits for nobody, as a request would for a refresh (see PATIENCE)."""
    began = monotonic()
    sent = "" if path.startswith("/expel") else cookie
    assert ask(app, path.format(sid=sid), sent, method="POST").status_code in (200, 302)
    assert monotonic() - began < 20


@sign_outs
@pytest.mark.parametrize("mode", ["cookie", "store"])
def test_sec_086_who_signs_out_while_a_refresh_is_under_way_is_signed_out(
    clock: Clock,
    provider: FaultyProvider,
    revoked: threading.Semaphore,
    mode: str,
    path: str,
    reasons: list[str],
) -> None:
    store = FaultyStore(clock)
    apps = make_workers(2, clock, provider, set_up=add_sign_outs, STORE=store, PROVIDER_TOKENS=mode)
    cookie = sign_in(apps[0], provider)
    sid = look(apps[0], cookie).claims["sid"]
    clock.advance(LIFETIME)
    with listening(*apps) as told:
        with while_refreshing(provider, apps[0], cookie) as (hold, looking):
            leave(apps[1], path, cookie, sid)
            hold.go_on.set()
            seen = looking.result(timeout=30)
        assert not seen.is_signed_in
        assert session_token(seen.response) is None
        for app in apps:
            assert not look(app, cookie).is_signed_in
    assert reasons_of(told) == reasons
    assert "session-refreshed" not in names_of(told)
    assert revoked.acquire(timeout=30)
    assert provider.live_tokens == frozenset()
    assert provider.count("refresh") == 1
    assert records(store) == []


def test_sec_194_a_provider_that_ends_the_session_while_it_refreshes_it_ends_it(
    clock: Clock, provider: FaultyProvider, revoked: threading.Semaphore
) -> None:
    apps = make_workers(2, clock, provider)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    form = {"logout_token": logout_token(provider)}
    with (
        listening(*apps) as told,
        while_refreshing(provider, apps[0], cookie) as (hold, looking),
    ):
        response = ask(apps[1], "/auth/backchannel-logout/op", method="POST", data=form)
        assert response.status_code == 200
        hold.go_on.set()
        assert not looking.result(timeout=30).is_signed_in
    assert reasons_of(told) == ["revoked"]
    assert revoked.acquire(timeout=30)
    assert provider.live_tokens == frozenset()


@sign_outs
def test_sec_217_who_waits_for_a_refresh_that_a_sign_out_overtakes_asks_for_nothing(
    clock: Clock,
    provider: FaultyProvider,
    revoked: threading.Semaphore,
    path: str,
    reasons: list[str],
) -> None:
    """The record that it waits for is gone; the refresh token that it has is spent."""
    store = WatchedStore(clock)
    apps = make_workers(2, clock, provider, set_up=add_sign_outs, STORE=store)
    cookie = sign_in(apps[0], provider)
    sid = look(apps[0], cookie).claims["sid"]
    clock.advance(LIFETIME)
    with (
        ThreadPoolExecutor(1) as thread,
        listening(*apps) as told,
        while_refreshing(provider, apps[0], cookie) as (hold, looking),
    ):
        waiting = thread.submit(look, apps[1], cookie)
        assert store.somebody_waits.wait(timeout=30)
        leave(apps[1], path, cookie, sid)
        hold.go_on.set()
        seen = [looking.result(timeout=30), waiting.result(timeout=30)]
    assert provider.count("refresh") == 1
    assert [one.is_signed_in for one in seen] == [False, False]
    assert [session_token(one.response) for one in seen] == [None, None]
    assert reasons_of(told) == reasons
    assert revoked.acquire(timeout=30)
    assert provider.live_tokens == frozenset()


@sign_outs
def test_sec_217_after_a_sign_out_nothing_is_refreshed(
    clock: Clock, provider: FaultyProvider, path: str, reasons: list[str]
) -> None:
    [app] = make_workers(1, clock, provider, set_up=add_sign_outs)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    new = look(app, cookie)
    clock.advance(LIFETIME)
    leave(app, path, new.cookie, new.claims["sid"])
    for copy in (cookie, new.cookie):
        assert not look(app, copy).is_signed_in
        assert ask(app, "/auth/session/refresh", copy, method="POST").status_code == 401
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("path", ["/leave", "/auth/signout"])
def test_a_sign_out_refreshes_nothing(clock: Clock, provider: FaultyProvider, path: str) -> None:
    [app] = make_workers(1, clock, provider, set_up=add_sign_outs, FEDERATED_SIGN_OUT=True)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    leave(app, path, cookie, "")
    assert provider.count("refresh") == 0


def test_sec_217_a_session_that_the_jwt_callback_ended_refreshes_nothing(
    clock: Clock, provider: FaultyProvider
) -> None:
    is_member = [True]

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
            return token if is_member[0] else None

    store = FaultyStore(clock)
    apps = make_workers(2, clock, provider, set_up=set_up, STORE=store)
    cookie = sign_in(apps[0], provider)
    clock.advance(LIFETIME)
    new = look(apps[0], cookie)
    is_member[0] = False
    with listening(*apps) as told:
        assert not look(apps[0], new.cookie).is_signed_in
        clock.advance(LIFETIME)
        for copy in (cookie, new.cookie):
            assert not look(apps[1], copy).is_signed_in
    assert reasons_of(told) == ["callback"]
    assert provider.count("refresh") == 1
    assert records(store) == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"ABSOLUTE_MAX_AGE": 2 * LIFETIME}, id="SEC-217 absolute lifetime"),
        pytest.param({"MAX_AGE": 2 * LIFETIME}, id="SEC-217 idle lifetime"),
    ],
)
def test_sec_217_a_session_that_ran_out_refreshes_nothing(
    clock: Clock, provider: FaultyProvider, config: Mapping[str, Any]
) -> None:
    [app] = make_workers(1, clock, provider, **config)
    cookie = sign_in(app, provider)
    clock.advance(2 * LIFETIME + 16)
    assert not look(app, cookie).is_signed_in
    assert ask(app, "/auth/session/refresh", cookie, method="POST").status_code == 401
    assert provider.count("refresh") == 0


@pytest.mark.parametrize("path", ["/leave", "/auth/signout"])
def test_sec_192_an_old_cookie_signs_out_the_newest_tokens(
    clock: Clock, provider: FaultyProvider, revoked: threading.Semaphore, path: str
) -> None:
    apps = make_workers(
        2, clock, provider, set_up=add_sign_outs, FEDERATED_SIGN_OUT=True, STORE=MemoryStore(clock)
    )
    old = new = sign_in(apps[0], provider)
    for _ in range(2):
        clock.advance(LIFETIME)
        new = look(apps[0], new).cookie
    newest = look(apps[0], new).refresh_token
    leave(apps[1], path, old, "")
    assert revoked.acquire(timeout=30)
    [asked] = provider.requests_to("revoke")
    assert (asked.form["token"], asked.form["token_type_hint"]) == (newest, "refresh_token")
    assert provider.live_tokens == frozenset()


def test_who_signs_in_anew_leaves_no_record_of_the_session_before(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, STORE=store, PROVIDER_TOKENS="store")
    browser = Browser(app, provider)
    browser.sign_in()
    browser.sign_in()
    assert len(records(store)) == 1
    assert provider.is_live(browser.account()["account"]["access_token"])


def test_a_session_that_was_signed_out_has_no_record_left(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, set_up=add_sign_outs, STORE=store)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    cookie = look(app, cookie).cookie
    assert len(records(store)) == 1
    leave(app, "/leave", cookie, "")
    for later in (0, 60, LIFETIME, 10 * DAY):
        clock.advance(later)
        assert not look(app, cookie).is_signed_in
        assert records(store) == []


# Without a store.


def test_without_a_store_tokens_are_refreshed_once_in_a_process(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, STORE=None)
    cookie = sign_in(app, provider)
    clock.advance(LIFETIME)
    seen = at_once(*[partial(look, app, cookie)] * 10)
    [token] = {one.access_token for one in seen}
    assert provider.is_live(token)
    assert provider.count("refresh") == 1


def _answer(answer: dict[str, Any] | None, account: Account) -> dict[str, Any] | None:
    return answer


def access_token() -> str:
    account = current_session.account
    return "none" if account is None else str(account.access_token)


def test_without_a_store_a_refusal_in_one_process_leaves_the_cookie_its_tokens(
    clock: Clock,
) -> None:
    """Another process may have got new ones for them."""
    apps = []
    for answer in (None, {"access_token": "new", "expires_in": LIFETIME}):
        app, auth = make_app(clock, STORE=None, UPDATE_AGE=0)
        auth.refresh_callback(partial(_answer, answer))
        app.add_url_rule("/error", "error", lambda: str(current_session.error))
        app.add_url_rule("/at", "at", access_token)
        apps.append(app)
    refused, served = apps
    account = {
        "provider": "x",
        "type": "oauth",
        "provider_account_id": "1",
        "access_token": "old",
        "expires_at": clock() - 1,
    }
    cookie = cookie_of(refused, _session={"account": account, "grant": "g" * 22, "gen": 0})
    response = get(refused.test_client(), "/error", cookie)
    assert response.text == "refresh_failed"
    issued = session_token(response)
    assert issued is not None
    name = cookie.partition("=")[0]
    assert get(served.test_client(), "/at", f"{name}={issued}").text == "new"
