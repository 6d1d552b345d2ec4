"""What a provider publishes: how long it is kept, who fetches it, and what if it is down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Lock, Thread

import pytest

from flask_jwtsession import ProviderError
from flask_jwtsession.providers.documents import (
    BETWEEN_REFETCHES,
    FAILURE_AGE,
    MAX_AGE,
    MAX_FAILURE_AGE,
    Document,
)

from .support import Clock

#: Seconds after which a thread that still waits is a failure.
DEADLINE = 30.0
#: Seconds in which a second fetch would have begun, if one could.
MOMENT = 0.2
THREADS = 8
HOUR = 3600


class Source:
    """What a document is fetched from. It numbers its answers, and can be down or held up."""

    def __init__(self) -> None:
        self.fetches = 0
        self.reason: str | None = None
        self.begun, self.begun_again, self.gate = Event(), Event(), Event()
        self.gate.set()
        self._lock = Lock()

    def __call__(self) -> str:
        with self._lock:
            self.fetches += 1
            number = self.fetches
            (self.begun_again if self.begun.is_set() else self.begun).set()
        assert self.gate.wait(DEADLINE)
        if self.reason is not None:
            raise ProviderError("op", self.reason)
        return f"document {number}"

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Within it, a fetch begins but does not end."""
        self.begun.clear()
        self.begun_again.clear()
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def document(source: Source, clock: Clock) -> Document[str]:
    return Document(source, clock)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def at_once(pool: ThreadPoolExecutor, call: Callable[[], str]) -> list[Future[str]]:
    """The call in every thread of the pool, as near to the same moment as can be."""
    barrier = Barrier(THREADS)

    def one() -> str:
        barrier.wait(DEADLINE)
        return call()

    return [pool.submit(one) for _ in range(THREADS)]


def refused(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


# How long.


def test_nothing_is_fetched_before_it_is_asked_for(document: Document[str], source: Source) -> None:
    assert source.fetches == 0
    assert document.get() == "document 1"


@pytest.mark.parametrize(
    ("age", "found"),
    [
        pytest.param(0, "document 1", id="just fetched"),
        pytest.param(HOUR - 0.001, "document 1", id="not yet an hour old"),
        pytest.param(HOUR, "document 2", id="an hour old"),
        pytest.param(1000 * HOUR, "document 2", id="weeks old"),
        pytest.param(-0.001, "document 2", id="the clock was set back a little"),
        pytest.param(-HOUR, "document 2", id="SEC-041 the clock was set back an hour"),
    ],
)
def test_sec_233_a_document_is_kept_for_an_hour(
    document: Document[str], clock: Clock, age: float, found: str
) -> None:
    assert MAX_AGE == HOUR
    document.get()
    clock.advance(age)
    assert [document.get() for _ in range(3)] == [found] * 3


def test_sec_041_after_the_clock_was_set_back_a_document_is_kept_for_an_hour_again(
    document: Document[str], source: Source, clock: Clock
) -> None:
    document.get()
    clock.advance(-HOUR)
    document.get()
    clock.advance(HOUR - 1)
    assert document.get() == "document 2"
    assert source.fetches == 2


# While the provider is down.


def test_sec_164_a_failure_is_remembered_for_five_seconds(
    document: Document[str], source: Source, clock: Clock
) -> None:
    source.reason = "metadata_unreachable"
    first = refused(document.get)
    source.reason = None
    clock.advance(FAILURE_AGE - 0.001)
    again = refused(document.get)
    assert source.fetches == 1
    assert (first.provider, first.reason, first.status) == ("op", "metadata_unreachable", 502)
    assert (again.provider, again.reason, again.status) == ("op", "metadata_unreachable", 502)
    clock.advance(0.001)
    assert document.get() == "document 2"
    assert FAILURE_AGE == 5


def test_each_use_gets_an_error_of_its_own(document: Document[str], source: Source) -> None:
    # One that is raised again and again gathers the frames of every request in its traceback.
    source.reason = "metadata_unreachable"
    errors = [refused(document.get) for _ in range(3)]
    assert len({id(error) for error in errors}) == 3


def test_sec_041_a_failure_is_forgotten_when_the_clock_is_set_back(
    document: Document[str], source: Source, clock: Clock
) -> None:
    source.reason = "metadata_unreachable"
    refused(document.get)
    source.reason = None
    clock.advance(-HOUR)
    assert document.get() == "document 2"


def test_a_document_that_is_too_old_is_used_while_its_provider_is_down(
    document: Document[str], source: Source, clock: Clock
) -> None:
    document.get()
    source.reason = "metadata_unreachable"
    for _ in range(10):
        clock.advance(HOUR)
        assert document.get() == "document 1"
    source.reason = None
    clock.advance(FAILURE_AGE)
    assert document.get() == "document 12"
    assert document.get() == "document 12"


def test_a_provider_that_is_down_is_asked_once_in_five_seconds(
    document: Document[str], source: Source, clock: Clock
) -> None:
    document.get()
    source.reason = "metadata_unreachable"
    clock.advance(HOUR)
    for _ in range(100):
        document.get()
    assert source.fetches == 2
    clock.advance(FAILURE_AGE)
    document.get()
    assert source.fetches == 3


def test_sec_204_a_provider_that_is_down_is_logged_once_for_each_time_it_was_asked(
    document: Document[str], source: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    document.get()
    source.reason = "metadata_unreachable"
    clock.advance(HOUR)
    with caplog.at_level(logging.DEBUG):
        for _ in range(100):
            document.get()
    assert len(caplog.records) == 1


def test_an_error_that_nobody_foresaw_leaves_the_document_usable(clock: Clock) -> None:
    attempts = iter(range(2))

    def fetch() -> str:
        if next(attempts) == 0:
            raise KeyError("nobody foresaw it")
        return "document"

    document = Document(fetch, clock)
    with pytest.raises(KeyError):
        document.get()
    assert document.get() == "document"


# Many threads.


def test_sec_233_many_threads_fetch_the_first_document_once(
    document: Document[str], source: Source, threads: ThreadPoolExecutor
) -> None:
    with source.held_up():
        futures = at_once(threads, document.get)
        assert source.begun.wait(DEADLINE)
        assert not source.begun_again.wait(MOMENT)
    assert [future.result(DEADLINE) for future in futures] == ["document 1"] * THREADS
    assert source.fetches == 1


def test_sec_233_many_threads_learn_from_one_attempt_that_a_provider_is_down(
    document: Document[str], source: Source, threads: ThreadPoolExecutor
) -> None:
    source.reason = "metadata_unreachable"
    with source.held_up():
        futures = at_once(threads, document.get)
        assert source.begun.wait(DEADLINE)
    for future in futures:
        error = future.exception(DEADLINE)
        assert isinstance(error, ProviderError)
        assert error.reason == "metadata_unreachable"
    assert source.fetches == 1


def test_nobody_waits_for_a_newer_document_while_there_is_an_old_one(
    document: Document[str], source: Source, clock: Clock, threads: ThreadPoolExecutor
) -> None:
    document.get()
    clock.advance(HOUR)
    with source.held_up():
        fetching = threads.submit(document.get)
        assert source.begun.wait(DEADLINE)
        assert document.get() == "document 1"
        assert not fetching.done()
    assert fetching.result(DEADLINE) == "document 2"
    assert document.get() == "document 2"


# A key that is not there yet.


def test_a_newer_document_is_fetched_at_most_once_in_thirty_seconds(
    document: Document[str], source: Source, clock: Clock
) -> None:
    assert document.get() == "document 1"
    assert [document.newer() for _ in range(100)] == ["document 2"] * 100
    clock.advance(BETWEEN_REFETCHES - 0.001)
    assert document.newer() == "document 2"
    clock.advance(0.001)
    assert document.newer() == "document 3"
    assert (source.fetches, BETWEEN_REFETCHES) == (3, 30)


def test_a_newer_document_is_the_one_that_everybody_gets(
    document: Document[str], clock: Clock
) -> None:
    document.get()
    clock.advance(HOUR - 1)
    document.newer()
    clock.advance(HOUR - 1)
    assert document.get() == "document 2"


def test_a_newer_document_is_fetched_where_there_is_none(
    document: Document[str], source: Source
) -> None:
    assert document.newer() == "document 1"
    assert document.newer() == "document 1"
    assert document.get() == "document 1"
    assert source.fetches == 1


def test_many_threads_fetch_a_newer_document_once(
    document: Document[str], source: Source, threads: ThreadPoolExecutor
) -> None:
    document.get()
    with source.held_up():
        futures = at_once(threads, document.newer)
        assert source.begun.wait(DEADLINE)
        assert not source.begun_again.wait(MOMENT)
    assert [future.result(DEADLINE) for future in futures] == ["document 2"] * THREADS
    assert source.fetches == 2


def test_a_provider_that_is_down_is_not_asked_for_a_newer_document_again_and_again(
    document: Document[str], source: Source, clock: Clock
) -> None:
    document.get()
    source.reason = "keys_unreachable"
    assert refused(document.newer).reason == "keys_unreachable"
    assert [document.newer() for _ in range(10)] == ["document 1"] * 10
    clock.advance(BETWEEN_REFETCHES - 1)
    assert document.newer() == "document 1"
    assert source.fetches == 2
    assert document.get() == "document 1"


def test_without_a_document_a_failure_to_fetch_a_newer_one_is_remembered_as_any_other(
    document: Document[str], source: Source, clock: Clock
) -> None:
    source.reason = "keys_unreachable"
    assert refused(document.newer).reason == "keys_unreachable"
    source.reason = None
    assert refused(document.newer).reason == "keys_unreachable"
    assert source.fetches == 1
    clock.advance(FAILURE_AGE)
    assert document.newer() == "document 2"


def test_sec_041_a_newer_document_can_be_had_after_the_clock_was_set_back(
    document: Document[str], clock: Clock
) -> None:
    document.newer()
    clock.advance(-HOUR)
    assert document.newer() == "document 2"
    assert document.newer() == "document 2"


# For those who cannot wait long.


def test_what_is_there_can_be_had_at_once(document: Document[str], source: Source) -> None:
    document.get()
    assert document.soon(0) == "document 1"
    assert source.fetches == 1


def test_what_is_fetched_in_time_can_be_had_soon(document: Document[str]) -> None:
    assert document.soon(DEADLINE) == "document 1"


def test_a_fetch_that_takes_too_long_goes_on_for_the_next_one(
    document: Document[str], source: Source
) -> None:
    with source.held_up():
        assert document.soon(0.01) is None
        assert document.soon(0.01) is None
    assert document.get() == "document 1"
    assert document.soon(0) == "document 1"
    assert source.fetches == 1


def test_what_cannot_be_fetched_is_not_there_soon(document: Document[str], source: Source) -> None:
    source.reason = "metadata_unreachable"
    assert document.soon(DEADLINE) is None
    assert document.soon(DEADLINE) is None
    assert source.fetches == 1


# A provider that hangs.


def test_sec_233_what_took_long_to_fail_is_not_tried_again_for_longer(clock: Clock) -> None:
    """Or every thread would be at it most of the time."""
    fetches: list[float] = []

    def hang() -> str:
        fetches.append(clock.now)
        clock.advance(10)
        raise ProviderError("op", "metadata_unreachable")

    document = Document(hang, clock)
    refused(document.get)
    clock.advance(49)
    refused(document.get)
    assert len(fetches) == 1
    clock.advance(1)
    refused(document.get)
    assert len(fetches) == 2


def test_sec_233_after_a_failure_only_one_thread_waits(
    document: Document[str], source: Source, clock: Clock, threads: ThreadPoolExecutor
) -> None:
    source.reason = "metadata_unreachable"
    refused(document.get)
    clock.advance(FAILURE_AGE)
    with source.held_up():
        first = threads.submit(document.get)
        assert source.begun.wait(DEADLINE)
        assert refused(document.get).reason == "metadata_unreachable"  # at once
        source.reason = None
    assert first.result(DEADLINE) == "document 2"
    assert document.get() == "document 2"


def test_what_came_after_a_failure_makes_it_forgotten(
    document: Document[str], source: Source, clock: Clock
) -> None:
    source.reason = "metadata_unreachable"
    refused(document.get)
    clock.advance(FAILURE_AGE)
    source.reason = None
    document.get()
    clock.now -= FAILURE_AGE  # back to where the failure would count
    assert document.newer() == "document 3"


def test_many_who_cannot_wait_start_one_fetch(document: Document[str], source: Source) -> None:
    with source.held_up():
        assert [document.soon(0.001) for _ in range(5)] == [None] * 5
        assert source.fetches == 1
    assert document.soon(DEADLINE) == "document 1"


def test_sec_041_a_clock_that_jumps_during_a_fetch_does_not_make_a_failure_last(
    clock: Clock,
) -> None:
    """The machine slept, and it looks as if the fetch had taken the whole night."""
    is_up = False

    def fetch() -> str:
        if is_up:
            return "document"
        clock.advance(8 * HOUR)
        raise ProviderError("op", "metadata_unreachable")

    document = Document(fetch, clock)
    refused(document.get)
    is_up = True
    clock.advance(MAX_FAILURE_AGE)
    assert document.get() == "document"


def test_where_no_thread_can_be_had_there_is_no_document(
    document: Document[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without_threads:
        without_threads.setattr(Thread, "start", start)
        assert document.soon(DEADLINE) is None
    assert document.soon(DEADLINE) == "document 1"


def test_many_sign_outs_at_once_get_the_document_of_one_fetch(
    document: Document[str], source: Source, threads: ThreadPoolExecutor
) -> None:
    futures = at_once(threads, lambda: str(document.soon(DEADLINE)))
    assert [future.result(DEADLINE) for future in futures] == ["document 1"] * THREADS
    assert source.fetches == 1
