"""Refresh cookies that are good once: who asks the application, who adopts, and who has a copy.

Where a request waits for another one, its ``sleep`` moves the clock or lets something happen: no
test waits for time to pass.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Event, Lock, Semaphore, local
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession import records
from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.records import LAST_GENERATION, LEASE, OVER_KEPT, POLL, name_of
from flask_jwtsession.rotation import (
    GRACE,
    PATIENCE,
    Issued,
    NotDecided,
    RefreshReused,
    Rotations,
    Sent,
    SessionOver,
)
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from .faulty_store import FaultyStore
from .support import NOW, Clock
from .test_refresh import Died, Naps, Turns

GRANT = "2Vtq9ZkQxu5H0cMwT8rBfA"
OTHER_GRANT = "hN3yWm1sLd7JpEoKgX6vCQ"
RECORD, LEASE_OF_GRANT = name_of(GRANT, "rotation"), name_of(GRANT, "rotation lease")
#: Of access cookies; seconds, as the others.
ACCESS_LIFETIME = 3600.0
#: Of records: longer than any refresh cookie.
KEPT = 86_400.0

Claims = Mapping[str, Any]
Decided = tuple[Claims, Claims] | None


def cookie(generation: int = 0, grant: str = GRANT, **claims: Any) -> Sent:
    """What the refresh cookie of a request says."""
    return Sent(grant, generation, {"sub": "u1", **claims})


def next_cookie(issued: Issued, grant: str = GRANT) -> Sent:
    """The refresh cookie that comes of it."""
    return Sent(grant, issued.generation, issued.refresh_claims)


class Application:
    """Lets everybody go on, with claims that say how often it was asked.

    :ivar asked: the claims that it saw
    :ivar during: what happens while it decides
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.asked: list[Claims] = []
        self.during: Callable[[], object] = lambda: None

    def decide(self, claims: Claims) -> Decided:
        with self._lock:
            self.asked.append(claims)
            number = len(self.asked)
        self.during()
        return {"turn": number}, {"sub": "u1", "seen": number}


def must_not_be_asked(claims: Claims) -> Decided:
    raise AssertionError("the application was asked")


def refuse(claims: Claims) -> Decided:
    return None


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        store = SQLiteStore(tmp_path / "rotations.sqlite3", clock)
    yield store
    store.close()


@pytest.fixture
def faulty(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def naps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Naps:
    # Patience is by a clock that nobody sets back; here it is the one that the naps move.
    monkeypatch.setattr("flask_jwtsession.rotation.time", SimpleNamespace(monotonic=clock))
    return Naps(clock)


@pytest.fixture
def rotations(store: Store, clock: Clock, naps: Naps) -> Rotations:
    return on(store, clock, naps)


@pytest.fixture
def application() -> Application:
    return Application()


def on(
    store: Store, clock: Clock, naps: Callable[[float], None], lifetime: float = ACCESS_LIFETIME
) -> Rotations:
    return Rotations(store, KEPT, lifetime, clock, naps)


def leave_lease(store: FaultyStore, clock: Clock) -> None:
    """Somebody has taken the lease and will not give it back."""

    def die(claims: Claims) -> Decided:
        raise Died

    store.refused |= {"delete", "put"}  # the dead say nothing
    with pytest.raises(Died):
        on(store, clock, lambda _: None).rotate(cookie(), die)
    store.refused -= {"delete", "put"}
    store.calls.clear()


# One request after the other.


def test_a_cookie_is_followed_by_one_of_the_next_generation(
    rotations: Rotations, application: Application
) -> None:
    issued = rotations.rotate(cookie(device="office"), application.decide)
    assert issued == Issued(1, 0, (NOW,), {"turn": 1}, {"sub": "u1", "seen": 1})
    assert application.asked == [{"sub": "u1", "device": "office"}]


def test_the_time_of_issue_is_when_the_application_had_decided(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    application.during = lambda: clock.advance(5)
    assert rotations.rotate(cookie(), application.decide).rotated == (NOW + 5,)


def test_sec_211_the_same_cookie_adopts_what_was_issued_for_it(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    issued = rotations.rotate(cookie(), application.decide)
    clock.advance(7)
    assert rotations.rotate(cookie(), must_not_be_asked) == issued


def test_fifty_cookies_follow_each_other(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    sent = cookie()
    for number in range(1, 51):
        clock.advance(ACCESS_LIFETIME)
        issued = rotations.rotate(sent, application.decide)
        assert (issued.generation, issued.access_claims) == (number, {"turn": number})
        sent = next_cookie(issued)
    assert application.asked[1:] == [{"sub": "u1", "seen": seen} for seen in range(1, 50)]


@pytest.mark.parametrize("seconds", [0.0, 1.0, GRACE - 0.001, GRACE])
def test_sec_211_the_cookie_before_the_newest_adopts_for_a_while(
    rotations: Rotations, application: Application, clock: Clock, seconds: float
) -> None:
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(ACCESS_LIFETIME)
    second = rotations.rotate(next_cookie(first), application.decide)
    clock.advance(seconds)
    assert rotations.rotate(next_cookie(first), must_not_be_asked) == second


@pytest.mark.parametrize("seconds", [GRACE + 0.001, 2 * GRACE, ACCESS_LIFETIME, KEPT - 1])
def test_sec_211_after_that_it_is_a_copy(
    rotations: Rotations, application: Application, clock: Clock, seconds: float
) -> None:
    rotations.rotate(cookie(), application.decide)
    clock.advance(seconds)
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(), must_not_be_asked)


@pytest.mark.parametrize("age", [2, 3, 9])
def test_sec_211_an_older_one_is_a_copy_though_the_newest_is_of_this_moment(
    rotations: Rotations, application: Application, clock: Clock, age: int
) -> None:
    sent = cookie()
    for _ in range(9):
        clock.advance(ACCESS_LIFETIME)
        sent = next_cookie(rotations.rotate(sent, application.decide))
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(9 - age), must_not_be_asked)


def test_sec_211_of_two_rotations_within_the_grace_time_the_cookie_before_both_is_a_copy(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(1)
    second = rotations.rotate(next_cookie(first), application.decide)
    clock.advance(1)
    assert rotations.rotate(next_cookie(first), must_not_be_asked) == second
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(), must_not_be_asked)


def test_no_number_of_rotations_makes_a_record_large(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    """Somebody who never takes the access cookie rotates at every request."""
    rotations = on(faulty, clock, naps)
    sent = cookie()
    for _ in range(500):
        clock.advance(0.01)
        sent = next_cookie(rotations.rotate(sent, application.decide))
    [(value, _)] = faulty.raw().values()
    assert len(value) < 2048
    assert rotations.rotate(cookie(499), must_not_be_asked).generation == 500
    for generation in (498, 490, 0):
        with pytest.raises(RefreshReused):
            rotations.rotate(cookie(generation), must_not_be_asked)


def test_adopting_does_not_prolong_the_time_in_which_that_is_done(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    rotations.rotate(cookie(), application.decide)
    for _ in range(3):
        clock.advance(GRACE / 3)
        rotations.rotate(cookie(), must_not_be_asked)
    clock.advance(0.001)
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(), must_not_be_asked)


def test_the_newest_cookie_is_good_however_late_it_comes(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(KEPT - 1)
    assert rotations.rotate(next_cookie(first), application.decide).generation == 2


def test_a_copy_changes_nothing_for_the_newest_cookie(
    rotations: Rotations, store: Store, application: Application, clock: Clock
) -> None:
    """What becomes of the session is for those to say who know of sessions."""
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(GRACE + 1)
    before = store.get_many([RECORD, LEASE_OF_GRANT])
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(), must_not_be_asked)
    assert store.get_many([RECORD, LEASE_OF_GRANT]) == before
    assert rotations.rotate(next_cookie(first), application.decide).generation == 2


def test_two_sessions_have_nothing_to_do_with_each_other(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    rotations.rotate(cookie(), application.decide)
    clock.advance(GRACE + 1)
    assert rotations.rotate(cookie(grant=OTHER_GRANT), application.decide).generation == 1


# An access cookie that lives shorter than the cookie before may come.

SHORT = GRACE / 3


def test_what_is_over_is_not_adopted_but_followed(
    store: Store, clock: Clock, naps: Naps, application: Application
) -> None:
    rotations = on(store, clock, naps, SHORT)
    rotations.rotate(cookie(), application.decide)
    clock.advance(SHORT - 0.001)
    assert rotations.rotate(cookie(), must_not_be_asked).generation == 1
    clock.advance(0.001)
    issued = rotations.rotate(cookie(), application.decide)
    assert (issued.generation, issued.rotated) == (2, (NOW + SHORT, NOW))
    assert issued.predecessor == 0  # it was for this very cookie
    # With the claims of the cookie that it would have adopted.
    assert application.asked[1] == {"sub": "u1", "seen": 1}


def test_the_holder_of_the_cookie_that_was_followed_adopts_too(
    store: Store, clock: Clock, naps: Naps, application: Application
) -> None:
    rotations = on(store, clock, naps, SHORT)
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(SHORT)
    followed = rotations.rotate(cookie(), application.decide)
    assert rotations.rotate(next_cookie(first), must_not_be_asked) == followed


def test_two_late_requests_with_one_cookie_are_no_thieves(
    store: Store, clock: Clock, naps: Naps, application: Application
) -> None:
    """The browser lost a response, and comes back with a page that makes two requests."""
    rotations = on(store, clock, naps, SHORT)
    rotations.rotate(cookie(), application.decide)
    clock.advance(SHORT)
    followed = rotations.rotate(cookie(), application.decide)
    assert rotations.rotate(cookie(), must_not_be_asked) == followed
    # Until its own time is over, and not that of what followed.
    clock.now = NOW + GRACE
    assert rotations.rotate(cookie(), application.decide).generation == 3
    clock.advance(0.001)
    with pytest.raises(RefreshReused):
        rotations.rotate(cookie(), must_not_be_asked)


def test_who_waits_with_the_cookie_before_adopts_what_follows(
    store: Store, clock: Clock, naps: Naps, application: Application
) -> None:
    rotations = on(store, clock, naps, SHORT)
    first = rotations.rotate(cookie(), application.decide)
    clock.advance(SHORT)
    waiting, decided = Event(), Event()

    def sleep(seconds: float) -> None:
        waiting.set()
        assert decided.wait(timeout=30)

    def come_late() -> Issued:
        return on(store, clock, sleep, SHORT).rotate(cookie(), must_not_be_asked)

    with ThreadPoolExecutor(1) as threads:
        late: list[Future[Issued]] = []

        def decide(claims: Claims) -> Decided:
            late.append(threads.submit(come_late))
            assert waiting.wait(timeout=30)
            return application.decide(claims)

        followed = rotations.rotate(next_cookie(first), decide)
        decided.set()
        assert late[0].result(timeout=30) == followed
    assert followed.generation == 2


# What the store has lost signs nobody out.


def test_a_lost_record_signs_nobody_out(
    rotations: Rotations, store: Store, application: Application
) -> None:
    sent = cookie()
    for _ in range(5):
        sent = next_cookie(rotations.rotate(sent, application.decide))
    store.delete(RECORD)
    issued = rotations.rotate(sent, application.decide)
    assert issued.generation == 6
    assert rotations.rotate(sent, must_not_be_asked) == issued


def test_a_store_that_lost_its_last_writes_signs_nobody_out(
    rotations: Rotations, store: Store, application: Application, clock: Clock
) -> None:
    first = rotations.rotate(cookie(), application.decide)
    (old,) = store.get_many([RECORD])
    assert old is not None
    sent = next_cookie(first)
    for _ in range(3):
        sent = next_cookie(rotations.rotate(sent, application.decide))
    store.put(RECORD, old, KEPT)
    clock.advance(GRACE + 1)
    issued = rotations.rotate(sent, application.decide)
    assert issued.generation == 5
    # From then on copies are noticed again.
    for generation in (0, 1, 2, 3):
        with pytest.raises(RefreshReused):
            rotations.rotate(cookie(generation), must_not_be_asked)


def record_of(content: Mapping[str, Any], generation: int = 7, grant: str = GRANT) -> bytes:
    """A record that is authentic, whatever it says."""
    return records.seal(grant, generation, content)


CONTENT = {"for": 6, "rotated": [NOW], "access": {"turn": 7}, "refresh": {"seen": 7}}
GENUINE = record_of(CONTENT)
UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "no record": b"garbage",
    "no UTF-8": b"\xff\xfe",
    "a generation alone": b"7.",
    "another script's digit": "\u0667".encode() + GENUINE[1:],
    "cut off": GENUINE[:-1],
    "a higher generation in clear": b"8" + GENUINE[1:],
    "the last generation in clear": str(LAST_GENERATION).encode() + GENUINE[1:],
    "of another grant": record_of(CONTENT, grant=OTHER_GRANT),
    "without a time": record_of({**CONTENT, "rotated": None}),
    "a time alone": record_of({**CONTENT, "rotated": NOW}),
    "the time is a text": record_of({**CONTENT, "rotated": ["now"]}),
    "for nobody": record_of({**CONTENT, "for": None}),
    "no claims": record_of({"for": 6, "rotated": [NOW]}),
    "the access claims are a list": record_of({**CONTENT, "access": [1]}),
    "the refresh claims are missing": record_of({**CONTENT, "refresh": None}),
    "of the provider's tokens": record_of({"dead": False, "tokens": {}}),
}


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("generation", [0, 6, 9])
def test_a_record_that_nobody_here_wrote_signs_nobody_out(
    rotations: Rotations, store: Store, application: Application, record: bytes, generation: int
) -> None:
    store.put(RECORD, record, KEPT)
    issued = rotations.rotate(cookie(generation), application.decide)
    assert issued.generation == generation + 1
    assert rotations.rotate(cookie(generation), must_not_be_asked) == issued


def test_the_record_that_these_are_made_of_is_good(rotations: Rotations, store: Store) -> None:
    store.put(RECORD, GENUINE, KEPT)
    assert rotations.rotate(cookie(6), must_not_be_asked) == Issued(
        7, 6, (NOW,), {"turn": 7}, {"seen": 7}
    )


# The application says no, or nothing.


@pytest.mark.parametrize("generation", [0, 3])
def test_a_session_that_is_over_is_over_for_all_its_cookies(
    rotations: Rotations, application: Application, clock: Clock, generation: int
) -> None:
    sent = cookie()
    for _ in range(generation):
        sent = next_cookie(rotations.rotate(sent, application.decide))
    with pytest.raises(SessionOver):
        rotations.rotate(sent, refuse)
    clock.advance(OVER_KEPT - 0.001)
    for one in (sent, cookie(), cookie(generation + 1)):
        with pytest.raises(SessionOver):
            rotations.rotate(one, must_not_be_asked)


def test_an_error_of_the_application_leaves_the_cookie_as_good_as_it_was(
    rotations: Rotations, store: Store, application: Application
) -> None:
    def fail(claims: Claims) -> Decided:
        raise LookupError("the database is away")

    for _ in range(3):
        with pytest.raises(LookupError, match="away"):
            rotations.rotate(cookie(), fail)
        assert store.get_many([RECORD, LEASE_OF_GRANT]) == [None, None]
    assert rotations.rotate(cookie(), application.decide).generation == 1


# A look that changes nothing.


def test_a_check_says_what_a_rotation_would_and_changes_nothing(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    rotations = on(faulty, clock, naps)
    rotations.check(cookie())
    assert faulty.raw() == {}
    first = rotations.rotate(cookie(), application.decide)
    before = faulty.raw()
    rotations.check(cookie())
    rotations.check(next_cookie(first))
    clock.advance(GRACE + 1)
    with pytest.raises(RefreshReused):
        rotations.check(cookie())
    rotations.check(next_cookie(first))
    assert faulty.raw() == before
    with pytest.raises(SessionOver):
        rotations.rotate(next_cookie(first), refuse)
    with pytest.raises(SessionOver):
        rotations.check(next_cookie(first))
    faulty.refused.add("get_many")
    with pytest.raises(StoreUnavailable):
        rotations.check(cookie())


def test_a_check_does_not_wait_for_who_rotates(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    leave_lease(faulty, clock)
    on(faulty, clock, naps).check(cookie())
    assert naps.seconds == []


# Several at once.


def test_sec_216_of_thirty_requests_one_asks_and_all_get_the_same(
    store: Store, clock: Clock, application: Application
) -> None:
    waiting, decided = Semaphore(0), Event()

    def sleep(seconds: float) -> None:
        waiting.release()
        assert decided.wait(timeout=30)

    def all_others_wait() -> None:
        for _ in range(29):
            assert waiting.acquire(timeout=30)
        decided.set()

    application.during = all_others_wait
    together = Barrier(30)

    def request(_: int) -> Issued:
        together.wait(timeout=30)
        return on(store, clock, sleep).rotate(cookie(), application.decide)

    with ThreadPoolExecutor(30) as threads:
        issued = list(threads.map(request, range(30)))
    assert len(application.asked) == 1
    assert issued == [Issued(1, 0, (NOW,), {"turn": 1}, {"sub": "u1", "seen": 1})] * 30
    assert store.get_many([LEASE_OF_GRANT]) == [None]


def test_who_waits_looks_again_and_again_and_adopts(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    leave_lease(faulty, clock)

    def finish() -> None:
        faulty.put(RECORD, record_of({**CONTENT, "for": 0}, 1), KEPT)

    naps.during[7] = finish
    issued = on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    assert issued.access_claims == {"turn": 7}
    assert naps.seconds == [POLL] * 7


@pytest.mark.parametrize("paused", [GRACE + 1, ACCESS_LIFETIME - 1])
def test_who_came_in_time_and_was_paused_while_it_waited_has_no_copy(
    faulty: FaultyStore, clock: Clock, naps: Naps, paused: float
) -> None:
    """As on a machine that is suspended, or has too much to do."""
    leave_lease(faulty, clock)

    def finish_long_ago() -> None:
        content = {**CONTENT, "for": 0, "rotated": [clock.now]}
        faulty.put(RECORD, record_of(content, 1), KEPT)
        clock.advance(paused)

    naps.during[3] = finish_long_ago
    issued = on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    assert issued.access_claims == {"turn": 7}
    with pytest.raises(RefreshReused):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)


def test_who_waits_learns_that_the_session_is_over(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    leave_lease(faulty, clock)
    over = record_of({**CONTENT, "access": {}, "refresh": {}}, LAST_GENERATION)
    naps.during[3] = lambda: faulty.put(RECORD, over, KEPT)
    with pytest.raises(SessionOver):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)


def test_those_who_wait_write_nothing(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    leave_lease(faulty, clock)
    on(faulty, clock, naps).rotate(cookie(), application.decide)
    calls = faulty.calls
    assert set(calls[: calls.index("take_lease")]) == {"get_many"}
    assert calls.count("take_lease") == 1


def test_the_lease_of_one_that_died_ends_by_itself(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    leave_lease(faulty, clock)
    issued = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert issued.generation == 1
    assert LEASE <= sum(naps.seconds) < LEASE + 0.1


def test_who_waits_gives_up_in_the_end_and_the_cookie_is_good(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    """One holder after the other dies."""
    leave_lease(faulty, clock)
    for number in range(0, 2000, 100):
        naps.during[number] = lambda: leave_lease_again(faulty, clock)
    with pytest.raises(NotDecided):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    assert PATIENCE <= sum(naps.seconds) < PATIENCE + 0.1
    clock.advance(LEASE)
    naps.during.clear()
    assert on(faulty, clock, naps).rotate(cookie(), application.decide).generation == 1


def test_who_waited_while_it_failed_for_another_one_does_not_ask(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    """Else all who wait would fail in a row, each as slowly as the one before."""
    leave_lease(faulty, clock)
    naps.during[2] = lambda: fail(faulty, clock)
    with pytest.raises(NotDecided):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    assert naps.seconds == [POLL] * 2
    # Whoever comes afterwards does, and the cookie is as good as it was.
    assert on(faulty, clock, naps).rotate(cookie(), application.decide).generation == 1


def fail(store: FaultyStore, clock: Clock) -> None:
    """Somebody has the lease, asks, and that fails."""

    def raise_error(claims: Claims) -> Decided:
        raise RuntimeError("the database is away")

    store.delete(LEASE_OF_GRANT)
    with pytest.raises(RuntimeError):
        on(store, clock, lambda _: None).rotate(cookie(), raise_error)


def leave_lease_again(store: FaultyStore, clock: Clock) -> None:
    store.delete(LEASE_OF_GRANT)
    leave_lease(store, clock)


def test_what_was_issued_just_before_the_lease_was_free_is_adopted(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    """The first look was before it was written, and the lease is free already."""
    # The calls: the first look, the lease, the look under it.
    faulty.before[3] = lambda: MemoryStore.put(
        faulty, RECORD, record_of({**CONTENT, "for": 0}, 1), KEPT
    )
    issued = on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    assert issued.access_claims == {"turn": 7}
    assert LEASE_OF_GRANT not in faulty.raw()


def test_two_that_were_asked_at_once_issue_the_same(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    """The first took longer than its lease lasted."""
    others: list[Issued] = []

    def stalled(claims: Claims) -> Decided:
        clock.advance(LEASE)
        others.append(rotations.rotate(cookie(), application.decide))
        return application.decide(claims)

    issued = rotations.rotate(cookie(), stalled)
    assert others == [issued]
    assert issued.access_claims == {"turn": 1}
    assert rotations.rotate(cookie(), must_not_be_asked) == issued


def test_of_two_that_were_asked_at_once_a_no_counts(rotations: Rotations, clock: Clock) -> None:
    def say_no_meanwhile() -> None:
        clock.advance(LEASE)
        with pytest.raises(SessionOver):
            rotations.rotate(cookie(), refuse)

    application = Application()
    application.during = say_no_meanwhile
    with pytest.raises(SessionOver):
        rotations.rotate(cookie(), application.decide)
    with pytest.raises(SessionOver):
        rotations.rotate(cookie(), must_not_be_asked)


def test_of_two_that_were_asked_at_once_a_late_no_counts_too(
    rotations: Rotations, application: Application, clock: Clock
) -> None:
    def stalled(claims: Claims) -> Decided:
        clock.advance(LEASE)
        rotations.rotate(cookie(), application.decide)
        return None

    with pytest.raises(SessionOver):
        rotations.rotate(cookie(), stalled)
    for generation in (0, 1):
        with pytest.raises(SessionOver):
            rotations.rotate(cookie(generation), must_not_be_asked)


def test_a_lease_that_was_lost_is_not_taken_from_its_new_holder(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    def stall() -> None:
        clock.advance(LEASE)
        leave_lease(faulty, clock)

    application.during = stall
    on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert LEASE_OF_GRANT in faulty.raw()


# A store that fails.


@pytest.mark.parametrize("call", [1, 2, 3], ids=["first look", "lease", "look under the lease"])
@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_a_store_that_fails_before_the_decision_leaves_the_cookie_alone(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application, call: int, fault: str
) -> None:
    getattr(faulty, fault).add(call)
    with pytest.raises(StoreUnavailable):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    clock.advance(LEASE)
    assert on(faulty, clock, naps).rotate(cookie(), application.decide).generation == 1


def test_a_lease_is_given_back_after_a_look_that_failed(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    faulty.refused.add(3)
    with pytest.raises(StoreUnavailable):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)
    on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert naps.seconds == []


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_what_was_issued_is_written_again_until_it_is_there(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application, failures: int
) -> None:
    # A refused compare_and_set is one call: the fourth of all is the first attempt.
    faulty.refused.update(range(4, 4 + failures))
    issued = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert on(faulty, clock, naps).rotate(cookie(), must_not_be_asked) == issued
    assert sum(naps.seconds) < LEASE


def test_what_was_written_though_the_answer_was_lost_is_not_written_twice(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    faulty.lost.add(4)
    issued = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert on(faulty, clock, naps).rotate(cookie(), must_not_be_asked) == issued


def test_what_cannot_be_written_is_issued_all_the_same_and_the_next_cookie_is_good(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    """The person must not be signed out for it."""
    faulty.refused.add("compare_and_set")
    first = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert first.generation == 1
    assert faulty.raw() == {}
    faulty.refused.clear()
    second = on(faulty, clock, naps).rotate(next_cookie(first), application.decide)
    assert second.generation == 2
    # Copies are noticed from then on.
    with pytest.raises(RefreshReused):
        on(faulty, clock, naps).rotate(cookie(), must_not_be_asked)


def test_a_no_that_cannot_be_written_is_a_no(faulty: FaultyStore, clock: Clock, naps: Naps) -> None:
    """The others ask for themselves."""
    faulty.refused.add("put")
    for _ in range(2):
        with pytest.raises(SessionOver):
            on(faulty, clock, naps).rotate(cookie(), refuse)
    assert faulty.raw() == {}


def test_a_lease_that_cannot_be_given_back_is_no_error(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    faulty.refused.add("delete")
    issued = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert on(faulty, clock, naps).rotate(cookie(), must_not_be_asked) == issued


def test_somebody_else_who_was_faster_is_adopted(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    """One that could not take the lease, in the time of whose store there was none."""
    theirs = record_of({**CONTENT, "for": 0, "access": {"turn": "theirs"}}, 1)
    faulty.before[4] = lambda: MemoryStore.put(faulty, RECORD, theirs, KEPT)
    issued = on(faulty, clock, naps).rotate(cookie(), application.decide)
    assert (issued.generation, issued.access_claims) == (1, {"turn": "theirs"})


# What is in the store, and what is shown of it.

SECRETS = re.compile(f"{GRANT}|ada@example|u-42|s-42|jwtsession|access|refresh|rotated".encode())


def play_everything(rotations: Rotations, clock: Clock) -> None:
    """One cookie is rotated twice, and another session ends."""

    def decide(claims: Claims) -> Decided:
        return {"email": "ada@example.com"}, {"sub": "u-42", "sid": "s-42"}

    first = rotations.rotate(cookie(sid="s-42"), decide)
    clock.advance(ACCESS_LIFETIME)
    rotations.rotate(next_cookie(first), decide)
    with pytest.raises(SessionOver):
        rotations.rotate(cookie(grant=GRANT[::-1], sid="s-42"), refuse)


def test_sec_221_the_store_shows_nobody_and_everything_ends(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    faulty.refused.add("delete")  # so that leases are left, too
    rotations = on(faulty, clock, naps)
    naps.during.update({number: lambda: None for number in range(10)})
    play_everything(rotations, clock)
    entries = faulty.raw()
    now = clock()
    for name, (value, _) in entries.items():
        assert re.fullmatch("[A-Za-z0-9_-]{22,64}", name)
        assert not SECRETS.search(value)
        for segment in re.findall(rb"[A-Za-z0-9_-]{4,}", value):
            decoded = base64.urlsafe_b64decode(segment[: len(segment) // 4 * 4])
            assert not SECRETS.search(decoded)
    lifetimes = sorted(end - now for _, end in entries.values())
    assert lifetimes == [LEASE, LEASE, OVER_KEPT, KEPT]


def test_sec_221_the_file_shows_nobody(tmp_path: Path, clock: Clock, naps: Naps) -> None:
    store = SQLiteStore(tmp_path / "rotations.sqlite3", clock)
    play_everything(on(store, clock, naps), clock)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert RECORD.encode() in written
    assert not re.search(f"{GRANT}|ada@example|u-42|s-42".encode(), written)


def test_sec_221_a_session_takes_one_entry_however_often_it_is_rotated(
    faulty: FaultyStore, clock: Clock, naps: Naps, application: Application
) -> None:
    sent = cookie()
    sizes = set()
    for _ in range(50):
        sent = next_cookie(on(faulty, clock, naps).rotate(sent, application.decide))
        clock.advance(ACCESS_LIFETIME)
        [(value, end)] = faulty.raw().values()
        assert end == clock() - ACCESS_LIFETIME + KEPT
        sizes.add(len(value))
    assert max(sizes) < 1024


def test_sec_221_the_record_can_be_read_with_the_grant_and_with_nothing_else(
    rotations: Rotations, store: Store, application: Application
) -> None:
    rotations.rotate(cookie(), application.decide)
    (record,) = store.get_many([RECORD])
    assert records.unseal(GRANT, record) is not None
    assert records.unseal(OTHER_GRANT, record) is None
    assert GRANT not in RECORD


def test_sec_206_no_repr_shows_a_grant_or_a_claim() -> None:
    sent = cookie(email="ada@example.com")
    issued = Issued(1, 0, (NOW,), {"email": "ada@example.com"}, {"sub": "u1"})
    for value in (sent, issued, [sent], RefreshReused(), SessionOver()):
        assert not re.search(f"{GRANT}|ada@example|u1", repr(value))


def test_what_was_issued_survives_the_record(application: Application) -> None:
    issued = Issued(3, 1, (NOW + 0.25, NOW), {"a": [1, {"b": None}]}, {"é": "ü"})
    content = json.loads(json.dumps({"gen": 3, **issued.to_record()}))
    assert Issued.of_record(content) == issued


# Any order of steps.


@dataclass(frozen=True)
class Moment:
    """Requests at the same moment.

    :ivar passed: seconds since the moment before
    :ivar ages: of each request: how many generations its cookie is behind the newest
    :ivar order: in which their steps are taken
    """

    passed: float
    ages: list[int]
    order: list[int]


@dataclass(frozen=True)
class Outcome:
    """What became of a request; ``issued`` is None for a copy."""

    sent: int
    issued: Issued | None


class World:
    """A session, its application, and requests with any refresh cookie that it ever had."""

    def __init__(self, access_lifetime: float, faults: dict[int, str]) -> None:
        self.clock = Clock()
        self.application = Application()
        self.application.during = self._deciding
        self.store = FaultyStore(self.clock)
        self.cookies = [cookie()]
        #: When each of them was issued, and for the cookie of which generation.
        self.issued_at = [float("-inf")]
        self.issued_for = [-1]
        self._turns = Turns()
        self._slept = local()
        self._is_asked = False
        self._lifetime = access_lifetime
        self.store.each_time = self._turns.step
        for number, disturbance in faults.items():
            getattr(self.store, disturbance).add(number)

    def play(self, moment: Moment) -> list[Outcome]:
        """What becomes of the requests, but for those to which the store failed."""
        self.clock.advance(moment.passed)
        outcomes: list[Outcome] = []
        rotations = on(self.store, self.clock, self._sleep, self._lifetime)

        def task(age: int) -> Callable[[], None]:
            sent = self.cookies[max(0, len(self.cookies) - 1 - age)]

            def request() -> None:
                try:
                    issued = rotations.rotate(sent, self.application.decide)
                except RefreshReused:
                    outcomes.append(Outcome(sent.generation, None))
                except (NotDecided, StoreUnavailable):
                    pass
                else:
                    outcomes.append(Outcome(sent.generation, issued))

            return request

        clock = SimpleNamespace(monotonic=self._monotonic)
        with mock.patch("flask_jwtsession.rotation.time", clock):
            self._turns.run([task(age) for age in moment.ages], moment.order)
        for outcome in sorted(outcomes, key=lambda one: one.issued.generation if one.issued else 0):
            issued = outcome.issued
            if issued is not None and issued.generation == len(self.cookies):
                self.cookies.append(next_cookie(issued))
                self.issued_at.append(issued.rotated[0])
                self.issued_for.append(issued.predecessor)
        return outcomes

    def _deciding(self) -> None:
        assert not self._is_asked, "two are asked at once"
        self._is_asked = True
        self._turns.step()
        self._is_asked = False

    def _monotonic(self) -> float:
        """Everybody's patience is their own; otherwise no time passes within a moment."""
        return float(getattr(self._slept, "seconds", 0.0))

    def _sleep(self, seconds: float) -> None:
        self._slept.seconds = self._monotonic() + max(seconds, 3.0)  # five looks are all
        self._turns.step()


MOMENTS = st.lists(
    st.builds(
        Moment,
        passed=st.sampled_from([0.0, 1.0, SHORT, GRACE, GRACE + 1, ACCESS_LIFETIME]),
        ages=st.lists(st.sampled_from([0, 0, 1, 1, 2, 5]), min_size=1, max_size=4),
        order=st.lists(st.integers(0, 3), max_size=80),
    ),
    min_size=1,
    max_size=6,
)
LIFETIMES = st.sampled_from([SHORT, ACCESS_LIFETIME])


def check_that_only_copies_are_refused(world: World, moments: list[Moment]) -> None:
    given_for: dict[int, Issued] = {}
    for moment in moments:
        newest, asked = world.cookies[-1].generation, len(world.application.asked)
        outcomes = world.play(moment)
        for outcome in outcomes:
            is_copy = outcome.sent < newest and (
                outcome.sent < world.issued_for[newest]
                or world.clock() > world.issued_at[outcome.sent + 1] + GRACE
            )
            # Or it was on its way while a newer one than it was followed by another.
            became_one = len(world.cookies) > newest + 1 and (
                outcome.sent < world.issued_for[newest + 1]
            )
            if is_copy or not became_one:
                assert (outcome.issued is None) == is_copy
            if outcome.issued is not None:
                generation = outcome.issued.generation
                assert generation in (newest, newest + 1)
                assert generation > outcome.sent
                assert given_for.setdefault(generation, outcome.issued) == outcome.issued
        assert len(world.application.asked) <= asked + 1


@given(moments=MOMENTS, lifetime=LIFETIMES)
def test_sec_211_no_order_of_steps_takes_a_person_for_a_thief_or_asks_twice(
    moments: list[Moment], lifetime: float
) -> None:
    check_that_only_copies_are_refused(World(lifetime, {}), moments)


@given(
    moments=MOMENTS,
    lifetime=LIFETIMES,
    faults=st.dictionaries(st.integers(1, 60), st.sampled_from(["refused", "lost"]), max_size=3),
)
def test_sec_219_no_order_of_steps_does_so_in_a_store_that_fails_three_times(
    moments: list[Moment], lifetime: float, faults: dict[int, str]
) -> None:
    """One write is tried four times."""
    world = World(lifetime, faults)
    check_that_only_copies_are_refused(world, moments)
    world.store.refused.clear()
    world.store.lost.clear()
    [outcome] = world.play(Moment(LEASE, [0], []))
    assert outcome.issued is not None
