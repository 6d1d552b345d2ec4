"""What may be used once: it is taken once, and remembered as long as it has to be."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from flask_jwtsession import StoreUnavailable
from flask_jwtsession.once import Once
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from .faulty_store import FaultyStore
from .support import Clock

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
#: Seconds.
LONG = 900.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        store = SQLiteStore(tmp_path / "once.sqlite3", clock)
    yield store
    store.close()


@pytest.fixture
def once(store: Store) -> Once:
    return Once(store, KEY)


def test_sec_169_a_text_is_taken_once(once: Once, clock: Clock) -> None:
    assert once.take("a", LONG)
    assert not once.take("a", LONG)
    clock.advance(LONG - 0.001)
    assert not once.take("a", LONG)


def test_sec_169_whoever_shares_the_store_knows_of_it(once: Once, store: Store) -> None:
    assert once.take("a", LONG)
    assert not Once(store, KEY).take("a", LONG)


def test_one_text_does_not_take_another(once: Once) -> None:
    for text in ("a", "A", "a ", "", "a\0", "once\0a", "\ud800", "\ud801"):
        assert once.take(text, LONG)


def test_one_key_does_not_know_of_another(once: Once, store: Store) -> None:
    assert once.take("a", LONG)
    assert Once(store, OTHER_KEY).take("a", LONG)


def test_one_store_does_not_know_of_another(clock: Clock) -> None:
    assert Once(MemoryStore(clock), KEY).take("a", LONG)
    assert Once(MemoryStore(clock), KEY).take("a", LONG)


def test_a_text_is_forgotten_when_its_time_is_over(once: Once, clock: Clock) -> None:
    once.take("a", LONG)
    clock.advance(LONG)
    assert once.take("a", LONG)
    assert not once.take("a", LONG)


def test_each_is_remembered_for_its_own_time(once: Once, clock: Clock) -> None:
    once.take("long", LONG)
    once.take("short", 10)
    clock.advance(10)
    assert once.take("short", 20)
    clock.advance(10)
    assert not once.take("short", 20)
    assert not once.take("long", LONG)


@pytest.mark.parametrize("lifetime", [1, 2 * LONG], ids=["shorter", "longer"])
def test_a_refusal_does_not_make_it_remembered_for_another_time(
    once: Once, clock: Clock, lifetime: float
) -> None:
    once.take("a", LONG)
    assert not once.take("a", lifetime)
    clock.advance(2)
    assert not once.take("a", LONG)
    clock.advance(LONG - 2)
    assert once.take("a", LONG)


def test_sec_041_it_stays_taken_when_the_clock_is_set_back(once: Once, clock: Clock) -> None:
    once.take("a", LONG)
    clock.advance(-3600)
    assert not once.take("a", LONG)


def test_whoever_only_asks_takes_nothing(once: Once, clock: Clock) -> None:
    assert not once.has("a")
    assert not once.has("a")
    assert once.take("a", LONG)
    assert once.has("a")
    assert not once.has("b")
    clock.advance(LONG)
    assert not once.has("a")


def test_sec_169_of_many_threads_one_takes_it(once: Once) -> None:
    threads, texts = 8, 50
    barrier = Barrier(threads)

    def take_all() -> list[bool]:
        barrier.wait(30)
        return [once.take(str(number), LONG) for number in range(texts)]

    with ThreadPoolExecutor(threads) as pool:
        taken = [pool.submit(take_all) for _ in range(threads)]
        results = [future.result(60) for future in taken]
    assert [sum(column) for column in zip(*results, strict=True)] == [1] * texts


@pytest.mark.parametrize("disturbance", ["refused", "lost"])
def test_sec_219_a_store_that_is_away_is_said_to_be(clock: Clock, disturbance: str) -> None:
    """Nothing is said to be taken, or not to be, of which nobody knows."""
    store = FaultyStore(clock)
    once = Once(store, KEY)
    getattr(store, disturbance).update({"compare_and_set", "get_many"})
    with pytest.raises(StoreUnavailable):
        once.take("a", LONG)
    with pytest.raises(StoreUnavailable):
        once.has("a")


def test_sec_221_the_store_shows_nothing_of_it(clock: Clock) -> None:
    store = FaultyStore(clock)
    Once(store, KEY).take("a-text-to-be-found", LONG)
    [(name, (value, end))] = store.raw().items()
    assert "a-text-to-be-found" not in f"{name}{value!r}"
    assert end == clock() + LONG


def test_sec_232_what_is_over_does_not_stay(clock: Clock) -> None:
    store = FaultyStore(clock)
    once = Once(store, KEY)
    for number in range(20_000):
        once.take(str(number), LONG)
        clock.advance(1)
    assert len(store.raw()) < 5_000
