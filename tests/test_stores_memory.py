from __future__ import annotations

import threading

import pytest

from flask_jwtsession.stores.base import Store
from flask_jwtsession.stores.contract import StoreContract, _in_forked_process, _in_threads
from flask_jwtsession.stores.memory import MemoryStore

from .support import Clock


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        self.clock = clock
        return MemoryStore(clock)

    @pytest.fixture
    def same(self, store: Store) -> Store:
        return store

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


class GatedBytes(bytes):
    """A value whose comparison begins, and ends when the test says so."""

    begun: threading.Event
    may_end: threading.Event

    def __new__(cls, value: bytes) -> GatedBytes:
        made = super().__new__(cls, value)
        made.begun, made.may_end = threading.Event(), threading.Event()
        return made

    def __eq__(self, other: object) -> bool:
        self.begun.set()
        assert self.may_end.wait(30)
        return bytes(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = bytes.__hash__


def test_it_is_not_shared(store: MemoryStore) -> None:
    assert store.is_shared is False


def test_two_stores_have_nothing_in_common(store: MemoryStore) -> None:
    store.put("a", b"1", 60)
    assert MemoryStore().get_many(["a"]) == [None]


# What it keeps.


def test_a_million_keys_that_expire_one_after_the_other_do_not_stay(
    store: MemoryStore, clock: Clock
) -> None:
    most = 0
    for number in range(1_000_000):
        store.put(f"key-{number}", b"1", 1)
        if number % 100 == 0:
            clock.advance(1)
            most = max(most, len(store._entries))
    assert most < 5_000


def test_a_million_keys_that_expire_at_once_do_not_stay(store: MemoryStore, clock: Clock) -> None:
    for number in range(1_000_000):
        store.put(f"key-{number}", b"1", 60)
    clock.advance(60)
    for number in range(10_000):
        store.put(f"new-{number}", b"1", 60)
        clock.advance(1)
    kept = len(store._entries)
    assert kept < 5_000


def test_no_key_goes_before_its_lifetime(store: MemoryStore, clock: Clock) -> None:
    for number in range(10_000):
        store.put(f"key-{number}", b"1", 60)
        store.put(f"short-{number}", b"1", 0.001)
        clock.advance(0.001)
    assert store.get_many([f"key-{number}" for number in range(10_000)]) == [b"1"] * 10_000


# A clock that is set back.


def test_a_lease_from_before_the_clock_was_set_back_is_free(
    store: MemoryStore, clock: Clock
) -> None:
    store.take_lease("lease", b"one", 12)
    clock.advance(-3600)
    assert store.take_lease("lease", b"other", 12) is True
    assert store.release_lease("lease", b"one") is False
    clock.advance(12)
    assert store.take_lease("lease", b"third", 12) is True


def test_a_lease_holds_while_the_clock_is_set_back_a_little(
    store: MemoryStore, clock: Clock
) -> None:
    store.take_lease("lease", b"one", 12)
    clock.advance(-1)
    assert store.take_lease("lease", b"other", 12) is False
    assert store.release_lease("lease", b"one") is True


# Threads.


def test_a_reader_finds_what_is_there_while_others_write(clock: Clock) -> None:
    store = MemoryStore(clock)
    store.put("stays", b"1", 1e9)
    written = threading.Event()

    def work(number: int) -> None:
        if number > 1:
            while not written.is_set():
                assert store.get_many(["stays", "absent", "stays"]) == [b"1", None, b"1"]
            return
        try:
            for turn in range(20_000):  # so many that what has expired is thrown away in between
                store.put(f"key-{number}-{turn}", b"1", 1)
                clock.advance(0.01)
        finally:
            written.set()

    _in_threads(work, 4)


@pytest.mark.parametrize("intruder", ["put", "compare_and_set", "delete"])
def test_nobody_writes_between_comparing_and_setting(store: MemoryStore, intruder: str) -> None:
    store.put("a", b"1", 60)
    expected = GatedBytes(b"1")
    done: list[bool] = []
    first = threading.Thread(
        target=lambda: done.append(store.compare_and_set("a", expected, b"first", 60))
    )
    first.start()
    assert expected.begun.wait(30)

    def intrude() -> None:
        if intruder == "put":
            store.put("a", b"second", 60)
        elif intruder == "delete":
            store.delete("a", b"1")
        else:
            store.compare_and_set("a", b"1", b"second", 60)

    second = threading.Thread(target=intrude)
    second.start()
    second.join(0.05)  # what would come between, if it could
    expected.may_end.set()
    first.join(30)
    second.join(30)
    assert done == [True]
    assert store.get_many(["a"]) == [b"second" if intruder == "put" else b"first"]


def test_a_process_that_was_forked_while_a_thread_writes_can_write(store: MemoryStore) -> None:
    store.put("a", b"1", 60)
    expected = GatedBytes(b"1")
    thread = threading.Thread(target=lambda: store.compare_and_set("a", expected, b"2", 60))
    thread.start()
    try:
        assert expected.begun.wait(30)
        assert _in_forked_process(lambda: store.put_if_absent("b", b"1", 60), deadline=5)
    finally:
        expected.may_end.set()
        thread.join(30)
