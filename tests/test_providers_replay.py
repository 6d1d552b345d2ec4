"""What may be used once: it is taken once, and remembered as long as it has to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from flask_jwtsession.providers.replay import Once

from .support import NOW

LONG = NOW + 900
#: How many are remembered.
CAPACITY = 10_000


def test_sec_169_a_key_is_taken_once() -> None:
    once = Once()
    assert once.take("a", until=LONG, now=NOW)
    assert not once.take("a", until=LONG, now=NOW)
    assert not once.take("a", until=LONG + 900, now=LONG - 0.001)


def test_one_key_does_not_take_another() -> None:
    once = Once()
    assert once.take("a", until=LONG, now=NOW)
    assert once.take("A", until=LONG, now=NOW)
    assert once.take("a ", until=LONG, now=NOW)
    assert once.take("", until=LONG, now=NOW)


def test_one_memory_does_not_know_of_another() -> None:
    assert Once().take("a", until=LONG, now=NOW)
    assert Once().take("a", until=LONG, now=NOW)


def test_a_key_is_forgotten_when_its_time_is_over() -> None:
    once = Once()
    once.take("a", until=LONG, now=NOW)
    assert once.take("a", until=LONG + 900, now=LONG)
    assert not once.take("a", until=LONG + 900, now=LONG)


def test_a_key_whose_time_is_over_is_forgotten_though_an_older_one_is_not() -> None:
    once = Once()
    once.take("long", until=LONG, now=NOW)
    once.take("short", until=NOW + 10, now=NOW)
    assert once.take("short", until=NOW + 30, now=NOW + 10)
    assert not once.take("short", until=NOW + 40, now=NOW + 20)
    assert not once.take("long", until=LONG, now=NOW + 20)


def test_a_refusal_does_not_make_a_key_remembered_longer_or_shorter() -> None:
    once = Once()
    once.take("a", until=LONG, now=NOW)
    once.take("a", until=NOW + 1, now=NOW)
    assert not once.take("a", until=LONG + 900, now=NOW + 2)
    assert once.take("a", until=LONG + 900, now=LONG)


def test_sec_041_a_key_stays_taken_when_the_clock_is_set_back() -> None:
    once = Once()
    once.take("a", until=LONG, now=NOW)
    assert not once.take("a", until=LONG, now=NOW - 3600)


def test_what_is_given_back_can_be_taken_again() -> None:
    once = Once()
    once.take("a", until=LONG, now=NOW)
    once.take("b", until=LONG, now=NOW)
    once.give_back("a")
    assert once.take("a", until=LONG, now=NOW)
    assert not once.take("a", until=LONG, now=NOW)
    assert not once.take("b", until=LONG, now=NOW)


def test_what_was_never_taken_can_be_given_back() -> None:
    once = Once()
    once.give_back("a")
    assert once.take("a", until=LONG, now=NOW)


def test_sec_232_of_too_many_keys_the_oldest_is_forgotten() -> None:
    once = Once()
    for number in range(CAPACITY):
        assert once.take(str(number), until=LONG, now=NOW)
    assert not any(once.take(str(number), until=LONG, now=NOW) for number in range(CAPACITY))
    assert once.take("one more", until=LONG, now=NOW)
    assert not once.take("1", until=LONG, now=NOW)
    assert not once.take("one more", until=LONG, now=NOW)
    assert once.take("0", until=LONG, now=NOW)


def test_sec_232_the_memory_does_not_grow() -> None:
    once = Once()
    for number in range(3 * CAPACITY):
        once.take(str(number), until=LONG, now=NOW)
    last = range(2 * CAPACITY, 3 * CAPACITY)
    assert not any(once.take(str(number), until=LONG, now=NOW) for number in last)
    assert all(once.take(str(number), until=LONG, now=NOW) for number in range(CAPACITY))


def test_sec_169_of_many_threads_one_takes_a_key() -> None:
    once, threads = Once(), 8
    barrier = Barrier(threads)

    def take_all() -> list[bool]:
        barrier.wait(30)
        return [once.take(str(number), until=LONG, now=NOW) for number in range(1000)]

    with ThreadPoolExecutor(threads) as pool:
        taken = [pool.submit(take_all) for _ in range(threads)]
        results = [future.result(30) for future in taken]
    assert [sum(column) for column in zip(*results, strict=True)] == [1] * 1000
