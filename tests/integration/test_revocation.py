"""Sessions that end while they are in use: by parallel requests, and at several workers that share
one SQLite file.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    current_session,
    login_required,
    revoke_session,
    revoke_user,
    session_rejected,
    sign_in,
    sign_out,
    signed_out,
    update_session,
)
from flask_jwtsession.stores.sqlite import SQLiteStore

from ..peers.faulty_provider import FaultyProvider, logout_token
from ..support import (
    NOW,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    get,
    make_app,
    session_token,
    set_cookies,
    unseal,
)
from .provider_sign_in import Browser, make_application

NAME = "jwtsession.session-token"
#: Seconds after which a test that hangs is over.
DEADLINE = 30.0
THREADS = 12


class MeetingStore(SQLiteStore):
    """A store in which those who ask at the same moment all have their answer before any goes on.

    :ivar barrier: for as many as will ask
    """

    barrier: Barrier | None = None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found = super().get_many(keys)
        if self.barrier is not None:
            self.barrier.wait(DEADLINE)
        return found


@dataclass
class Slow:
    """Where a request with the header ``X-Slow`` stops, until it is told to go on."""

    arrived: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)

    def stop(self, where: str) -> None:
        if request.headers.get("X-Slow") == where and not self.arrived.is_set():
            self.arrived.set()
            assert self.go_on.wait(DEADLINE)


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.go_on.set()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def workers(clock: Clock, file: Path, slow: Slow) -> Iterator[list[Flask]]:
    """Three applications as three processes would have them, with nothing in common but a file."""
    apps = []
    for _ in range(3):
        app, auth = make_app(clock, STORE=MeetingStore(file, clock), UPDATE_AGE=0)
        add_views(app, auth, slow)
        apps.append(app)
    yield apps
    for app in apps:
        binding_of(app).store.close()


def add_views(app: Flask, auth: JWTSession, slow: Slow) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
        slow.stop("jwt callback")
        if "X-Ends" in request.headers:
            return None
        return {**token, **event.data}

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        slow.stop("session callback")
        return session

    @app.get("/who")
    def who() -> str:
        found = str(current_session.token["sub"]) if current_session else "nobody"
        slow.stop("view")
        return found

    @app.get("/private")
    @login_required
    def private() -> str:
        return "private"

    @app.post("/in/<sub>")
    def enter(sub: str) -> str:
        sign_in({"id": sub})
        return "in"

    @app.post("/out")
    def leave() -> str:
        sign_out()
        return "out"

    @app.post("/update")
    def change() -> str:
        update_session({"changed": True})
        slow.stop("view")
        return "updated"

    @app.post("/revoke-session/<sid>")
    async def revoke_one(sid: str) -> str:
        revoke_session(sid)
        return "revoked"

    @app.post("/revoke-user/<sub>")
    async def revoke_all(sub: str) -> str:
        revoke_user(sub)
        return "revoked"


def ask(app: Flask, path: str, cookie: str = "", **headers: str) -> TestResponse:
    """GET what shows something, POST what changes something."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client(use_cookies=False).open(
        path,
        method="GET" if path in ("/who", "/private") else "POST",
        headers={**SAME_ORIGIN, **sent, **({"Cookie": cookie} if cookie else {})},
    )


def cookie_from(response: TestResponse) -> str:
    token = session_token(response)
    assert token is not None
    return f"{NAME}={token}"


def sid_of(app: Flask, cookie: str) -> str:
    return str(unseal(app, cookie.partition("=")[2])["sid"])


def is_live(app: Flask, cookie: str) -> bool:
    """By a look that changes nothing."""
    return get(app.test_client(), "/auth/session/status", cookie).status_code == 200


def assert_dead(workers: list[Flask], cookie: str) -> None:
    for app in workers:
        assert not is_live(app, cookie)
        assert ask(app, "/who", cookie).text == "nobody"
        assert ask(app, "/private", cookie).status_code == 401


# What ends a session at one worker: with the cookie that it has.

ENDS: dict[str, Callable[[Flask, str], TestResponse]] = {
    "sign_out": lambda app, cookie: ask(app, "/out", cookie),
    "sign_in as somebody else": lambda app, cookie: ask(app, "/in/u2", cookie),
    "sign_in once more": lambda app, cookie: ask(app, "/in/u1", cookie),
    "jwt callback": lambda app, cookie: ask(app, "/who", cookie, X_Ends="1"),
    "revoke_session": lambda app, cookie: ask(app, f"/revoke-session/{sid_of(app, cookie)}"),
    "revoke_user": lambda app, _: ask(app, "/revoke-user/u1"),
}
each_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


@each_end
def test_sec_083_what_ends_at_one_worker_has_ended_at_all(
    workers: list[Flask], clock: Clock, end: Callable[[Flask, str], TestResponse]
) -> None:
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    copy = cookie_from(ask(workers[1], "/update", cookie))
    clock.advance(0.001)
    assert [is_live(app, cookie) for app in workers] == [True] * 3
    assert end(workers[2], cookie).status_code == 200
    assert_dead(workers, cookie)
    assert_dead(workers, copy)


def test_a_worker_that_starts_later_knows_of_it(
    workers: list[Flask], clock: Clock, file: Path, slow: Slow
) -> None:
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    ask(workers[0], "/out", cookie)
    for app in workers:
        binding_of(app).store.close()
    app, auth = make_app(clock, STORE=SQLiteStore(file, clock))
    add_views(app, auth, slow)
    assert_dead([app], cookie)
    binding_of(app).store.close()


# Requests that are under way meanwhile (SEC-086).


@each_end
@pytest.mark.parametrize("where", ["jwt callback", "session callback", "view"])
@pytest.mark.parametrize("path", ["/who", "/update"], ids=["rolls", "updates"])
def test_sec_086_a_response_that_comes_late_brings_no_session_back(
    workers: list[Flask],
    clock: Clock,
    slow: Slow,
    path: str,
    where: str,
    end: Callable[[Flask, str], TestResponse],
) -> None:
    """A request that had read its session stands still while it ends, and then sets its cookie."""
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    clock.advance(1)
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(ask, workers[0], path, cookie, X_Slow=where)
        try:
            assert slow.arrived.wait(DEADLINE)
            ending = end(workers[1], cookie)
        finally:
            slow.go_on.set()
        response = under_way.result(DEADLINE)
    assert (ending.status_code, response.status_code) == (200, 200)
    late = cookie_from(response)
    assert late != cookie
    assert_dead(workers, late)
    assert_dead(workers, cookie)
    if session_token(ending) is not None:  # who has signed in over it stays signed in
        assert all(is_live(app, cookie_from(ending)) for app in workers)


@pytest.mark.parametrize("where", ["jwt callback", "session callback", "view"])
def test_sec_086_a_sign_out_that_comes_late_does_not_end_the_next_session(
    workers: list[Flask], slow: Slow, where: str
) -> None:
    """It began before the other sign-in, and knows of the old session alone."""
    old = cookie_from(ask(workers[0], "/in/u1"))
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(ask, workers[0], "/who", old, X_Slow=where)
        try:
            assert slow.arrived.wait(DEADLINE)
            ask(workers[1], "/out", old)
            new = cookie_from(ask(workers[1], "/in/u1"))
        finally:
            slow.go_on.set()
        late = cookie_from(under_way.result(DEADLINE))
    ask(workers[2], "/out", late)
    assert_dead(workers, late)
    assert all(is_live(app, new) for app in workers)


def test_sec_086_an_update_that_loses_to_the_sign_out_says_nothing_wrong(
    workers: list[Flask], slow: Slow
) -> None:
    """The next update with that cookie is refused, and no error of the application's."""
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(ask, workers[0], "/update", cookie, X_Slow="jwt callback")
        try:
            assert slow.arrived.wait(DEADLINE)
            ask(workers[0], "/out", cookie)
        finally:
            slow.go_on.set()
        late = cookie_from(under_way.result(DEADLINE))
    response = ask(workers[0], "/update", late)
    assert (response.status_code, set_cookies(response)) == (400, {})


# Told of once.


@dataclass
class Heard:
    """What all workers told, by signal and reason."""

    workers: list[Flask]
    told: list[tuple[str, str]] = field(default_factory=list)

    def signed_out(self, sender: object, reason: str, **_: Any) -> None:
        self.told.append(("signed-out", reason))

    def rejected(self, sender: object, reason: str) -> None:
        self.told.append(("session-rejected", reason))


@pytest.fixture
def heard(workers: list[Flask]) -> Iterator[Heard]:
    heard = Heard(workers)
    for app in workers:
        signed_out.connect(heard.signed_out, app)
        session_rejected.connect(heard.rejected, app)
    yield heard
    signed_out.disconnect(heard.signed_out)
    session_rejected.disconnect(heard.rejected)


def at_once(work: Callable[[int], TestResponse]) -> list[TestResponse]:
    """The answers to a dozen requests that are sent at the same moment."""
    start = Barrier(THREADS)

    def one(number: int) -> TestResponse:
        start.wait(DEADLINE)
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(THREADS), timeout=2 * DEADLINE))


@pytest.mark.parametrize(
    "end", [ENDS["revoke_session"], ENDS["revoke_user"]], ids=["revoke_session", "revoke_user"]
)
@pytest.mark.parametrize("meet", [True, False], ids=["all have read it", "as it comes"])
def test_a_revoked_session_is_ended_by_one_of_all_requests_that_meet_it(
    workers: list[Flask],
    clock: Clock,
    heard: Heard,
    meet: bool,
    end: Callable[[Flask, str], TestResponse],
) -> None:
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    copy = cookie_from(ask(workers[0], "/update", cookie))
    clock.advance(1)
    end(workers[0], cookie)
    if meet:
        barrier = Barrier(THREADS)
        for app in workers:
            store = binding_of(app).store
            assert isinstance(store, MeetingStore)
            store.barrier = barrier
    responses = at_once(
        lambda number: ask(workers[number % 3], "/who", cookie if number % 2 else copy)
    )
    assert [response.text for response in responses] == ["nobody"] * THREADS
    deleting = [response for response in responses if response.headers.getlist("Set-Cookie")]
    assert len(deleting) == 1
    assert set_cookies(deleting[0])[NAME].deletes
    assert heard.told.count(("signed-out", "revoked")) == 1
    assert {one for one in heard.told if one[0] == "signed-out"} == {("signed-out", "revoked")}


def test_a_session_that_a_callback_ends_is_ended_by_one_of_all_requests(
    workers: list[Flask], heard: Heard
) -> None:
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    barrier = Barrier(THREADS)
    for app in workers:
        store = binding_of(app).store
        assert isinstance(store, MeetingStore)
        store.barrier = barrier
    responses = at_once(lambda number: ask(workers[number % 3], "/who", cookie, X_Ends="1"))
    assert [response.text for response in responses] == ["nobody"] * THREADS
    assert sum(NAME in set_cookies(response) for response in responses) == 1
    assert heard.told == [("signed-out", "callback")]


def test_a_sign_out_with_the_cookie_of_before_is_none(workers: list[Flask], heard: Heard) -> None:
    """The button pressed twice, or by a thief who comes too late."""
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    for app in workers:
        assert ask(app, "/out", cookie).status_code == 200
    assert heard.told == [
        ("signed-out", "user"),
        ("session-rejected", "revoked"),
        ("session-rejected", "revoked"),
    ]


def test_a_replay_at_any_worker_is_rejected_and_deletes_nothing(
    workers: list[Flask], heard: Heard
) -> None:
    cookie = cookie_from(ask(workers[0], "/in/u1"))
    ask(workers[0], "/out", cookie)
    heard.told.clear()
    for app in workers:
        assert set_cookies(ask(app, "/who", cookie)) == {}
    assert heard.told == [("session-rejected", "revoked")] * 3


# What is shared, and what is not.


def test_a_person_is_revoked_at_once_everywhere_and_in_every_session(
    workers: list[Flask], clock: Clock
) -> None:
    ada = [cookie_from(ask(app, "/in/u1")) for app in workers]
    grace = [cookie_from(ask(app, "/in/u2")) for app in workers]
    clock.advance(0.001)
    ask(workers[0], "/revoke-user/u1")
    clock.advance(0.001)
    again = cookie_from(ask(workers[1], "/in/u1"))
    assert [is_live(app, cookie) for app in workers for cookie in ada] == [False] * 9
    assert [is_live(app, cookie) for app in workers for cookie in (*grace, again)] == [True] * 12


def test_instances_that_share_a_store_and_a_secret_revoke_their_own_sessions_only(
    clock: Clock, file: Path
) -> None:
    app = Flask("both")
    store = SQLiteStore(file, clock)
    config = {"SECRET": SECRET, "STORE": store}
    for prefix, more in (("JWTSESSION", {}), ("STAFFSESSION", {"URL_PREFIX": "/staff/auth"})):
        app.config.update({f"{prefix}_{key}": value for key, value in {**config, **more}.items()})
    auth, staff = JWTSession(app), JWTSession(app, config_prefix="STAFFSESSION")
    for prefix in ("JWTSESSION", "STAFFSESSION"):
        binding_of(app, prefix).clock = clock

    @app.post("/in")
    def enter() -> str:
        for instance in (auth, staff):
            instance.sign_in({"id": "u1"})
        return "in"

    @app.get("/who")
    def who() -> str:
        return f"{bool(auth.current_session)} {bool(staff.current_session)}"

    client = app.test_client()
    client.post("/in", headers=SAME_ORIGIN)
    clock.advance(1)
    with app.app_context():
        staff.revoke_user("u1")
    assert client.get("/who").text == "True False"
    with app.app_context():
        auth.revoke_user("u1")
    assert client.get("/who").text == "False False"
    store.close()


# A provider ends sessions (Back-Channel Logout 1.0), at whichever worker it asks.


@pytest.fixture
def sites(clock: Clock, provider: FaultyProvider, file: Path) -> Iterator[list[Flask]]:
    apps = [make_application(clock, provider, STORE=SQLiteStore(file, clock))[0] for _ in range(3)]
    yield apps
    for app in apps:
        binding_of(app).store.close()


def signed_in_at(app: Flask, provider: FaultyProvider, *, sub: str, session_id: str) -> str:
    provider.user["sub"], provider.session_id = sub, session_id
    browser = Browser(app, provider)
    browser.sign_in()
    cookie = browser.client.get_cookie(NAME)
    assert cookie is not None
    return f"{NAME}={cookie.value}"


def send(app: Flask, token: str) -> TestResponse:
    return app.test_client(use_cookies=False).post(
        "/auth/backchannel-logout/op", data={"logout_token": token}
    )


@pytest.mark.parametrize(
    ("claims", "live"),
    [
        pytest.param({"sid": "the laptop's", "sub": None}, {"phone", "grace"}, id="SEC-194 sid"),
        pytest.param({"sid": None, "sub": "u-1"}, {"grace"}, id="SEC-194 sub"),
        pytest.param({"sid": "the laptop's", "sub": "u-1"}, {"phone", "grace"}, id="SEC-194 both"),
    ],
)
def test_a_provider_ends_sessions_at_every_worker(
    sites: list[Flask],
    provider: FaultyProvider,
    clock: Clock,
    claims: dict[str, Any],
    live: set[str],
) -> None:
    cookies = {
        "laptop": signed_in_at(sites[0], provider, sub="u-1", session_id="the laptop's"),
        "phone": signed_in_at(sites[1], provider, sub="u-1", session_id="the phone's"),
        "grace": signed_in_at(sites[2], provider, sub="u-2", session_id="grace's"),
    }
    clock.advance(1)
    assert send(sites[1], logout_token(provider, **claims)).status_code == 200
    for app in sites:
        assert {name for name in cookies if is_live(app, cookies[name])} == live


def test_sec_195_after_a_logout_by_sub_a_login_elsewhere_is_good_and_old_cookies_are_not(
    sites: list[Flask], provider: FaultyProvider, clock: Clock
) -> None:
    old = signed_in_at(sites[0], provider, sub="u-1", session_id="before")
    clock.advance(0.5)
    assert send(sites[1], logout_token(provider, sid=None)).status_code == 200
    clock.advance(0.25)
    new = signed_in_at(sites[2], provider, sub="u-1", session_id="after")
    for app in sites:
        assert (is_live(app, old), is_live(app, new)) == (False, True)


def test_sec_193_a_logout_token_is_good_once_for_all_workers(
    sites: list[Flask], provider: FaultyProvider, clock: Clock
) -> None:
    token = logout_token(provider, sid=None, sub="u-1")
    assert send(sites[0], token).status_code == 200
    clock.advance(1)
    cookie = signed_in_at(sites[0], provider, sub="u-1", session_id="after")
    clock.advance(1)
    for app in sites:
        assert send(app, token).status_code == 400
        assert is_live(app, cookie)


# A sign-in that comes back twice, to two workers.


def copied(browser: Browser, app: Flask) -> Browser:
    """A browser at ``app`` with the cookies of another one."""
    other = Browser(app, browser.provider)
    for name, value in browser.cookies():
        other.client.set_cookie(name, value)
    return other


def test_sec_169_a_callback_is_good_at_one_worker(
    sites: list[Flask], provider: FaultyProvider
) -> None:
    browser = Browser(sites[0], provider)
    back = browser.approve(browser.start())
    copies = [copied(browser, app) for app in sites[1:]]
    assert browser.come_back(back).status_code == 302
    assert [copy.come_back(back).status_code for copy in copies] == [400, 400]
    assert browser.is_signed_in()
    assert not any(copy.is_signed_in() for copy in copies)
    assert provider.count("token") == 1


def test_sec_169_callbacks_at_the_same_moment_at_all_workers_spend_one_code(
    sites: list[Flask], provider: FaultyProvider
) -> None:
    browser = Browser(sites[0], provider)
    back = browser.approve(browser.start())
    copies = [copied(browser, sites[number % 3]) for number in range(THREADS)]
    responses = at_once(lambda number: copies[number].come_back(back))
    assert sorted(one.status_code for one in responses) == [302] + [400] * (THREADS - 1)
    assert sum(NAME in set_cookies(one) for one in responses) == 1
    assert provider.count("token") == 1


# What becomes a file.


@pytest.fixture
def site(tmp_path: Path, clock: Clock, slow: Slow) -> Iterator[Flask]:
    """With the store as it comes."""
    app = Flask("tests.app", instance_path=str(tmp_path / "instance"))
    app.config["JWTSESSION_SECRET"] = SECRET
    auth = JWTSession(app)
    binding_of(app).clock = clock
    add_views(app, auth, slow)
    yield app
    binding_of(app).store.close()


def test_sec_230_nothing_is_made_before_something_was_revoked(site: Flask) -> None:
    instance = Path(site.instance_path)
    client = site.test_client(use_cookies=False)
    for path in ("/who", "/private", "/auth/session", "/auth/session/status", "/auth/signin"):
        client.get(path)
        client.get(path, headers={"Cookie": f"{NAME}=garbage"})
    for path in ("/out", "/update", "/auth/session", "/auth/signout"):
        client.post(path, headers=SAME_ORIGIN)
    assert not instance.exists()
    cookie = cookie_from(ask(site, "/in/u1"))
    for path in ("/who", "/private", "/update"):
        assert ask(site, path, cookie).status_code == 200
    assert is_live(site, cookie)
    assert not instance.exists()
    ask(site, "/out", cookie)
    assert_dead([site], cookie)
    assert (instance / "jwtsession.sqlite3").exists()


def test_the_files_are_nobody_elses(site: Flask) -> None:
    ask(site, "/out", cookie_from(ask(site, "/in/u1")))
    files = list(Path(site.instance_path).iterdir())
    assert files != []
    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in files} == {0}


def test_a_revocation_outlives_the_process(
    site: Flask, clock: Clock, slow: Slow, tmp_path: Path
) -> None:
    cookie = cookie_from(ask(site, "/in/u1"))
    ask(site, "/out", cookie)
    binding_of(site).store.close()
    again = Flask("tests.app", instance_path=site.instance_path)
    again.config["JWTSESSION_SECRET"] = SECRET
    auth = JWTSession(again)
    binding_of(again).clock = clock
    add_views(again, auth, slow)
    assert clock.now == NOW
    assert_dead([again], cookie)
    binding_of(again).store.close()
