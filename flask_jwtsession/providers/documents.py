"""What a provider publishes, kept for a while: its metadata and its keys."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Generic, TypeVar

from ..exceptions import ProviderError

T = TypeVar("T")

#: Seconds after which a document is fetched again.
MAX_AGE = 3600
#: Seconds between two fetches for a key that the document does not have.
BETWEEN_REFETCHES = 30
#: Seconds for which a failure is remembered, at least and at most.
FAILURE_AGE = 5
MAX_FAILURE_AGE = 600

_log = logging.getLogger("flask_jwtsession")


class Document(Generic[T]):
    """A published document: fetched on first use, and again when it is too old.

    One thread fetches; the others wait for it if there is nothing yet, and else go on with what
    there is. A document that is too old is still used while its provider cannot be reached.

    :param fetch: returns the document, or raises :exc:`ProviderError`
    :param clock: epoch seconds
    """

    def __init__(self, fetch: Callable[[], T], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = Lock()
        self._kept: T | None = None
        self._fetched_at = self._refetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure_age: float = FAILURE_AGE
        self._failure: ProviderError | None = None
        self._thread: Thread | None = None

    def get(self) -> T:
        """The document. Raises :exc:`ProviderError` if there is none, and none can be had."""
        kept = self._kept
        if kept is not None and self._is_within(MAX_AGE, self._fetched_at):
            return kept
        # Who waits for another's fetch waits for the first one only. If that one failed, the
        # provider may hang, and so would every thread of this process.
        if not self._lock.acquire(blocking=kept is None and self._failure is None):
            return self._current()
        try:
            return self._fetched() if self._kept is kept else self._current()
        except ProviderError:
            if kept is None:
                raise
            return kept
        finally:
            self._lock.release()

    def soon(self, seconds: float) -> T | None:
        """The document, if it can be had within ``seconds``; otherwise its fetching goes on."""
        if self._kept is None:
            thread = self._thread
            if thread is None or not thread.is_alive():
                thread = Thread(target=self._try, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread can be had
                    return self._kept
                self._thread = thread  # now that it can be joined
            thread.join(seconds)
        return self._kept

    def newer(self) -> T:
        """The document, fetched anew unless that was done a moment ago, or is being done."""
        kept = self._kept
        if not self._lock.acquire(blocking=self._failure is None):
            return self._current()
        try:
            if kept is not None and self._is_within(BETWEEN_REFETCHES, self._refetched_at):
                return self._current()
            self._raise_remembered()
            self._refetched_at = self._clock()
            return self._fetched()
        finally:
            self._lock.release()

    def _try(self) -> None:
        with suppress(ProviderError):
            self.get()

    def _raise_remembered(self) -> None:
        if self._failure is not None and self._is_within(self._failure_age, self._failed_at):
            raise _again(self._failure)

    def _fetched(self) -> T:
        self._raise_remembered()
        began = self._clock()
        try:
            self._kept = self._fetch()
        except ProviderError as error:
            self._failure, self._failed_at = error, self._clock()
            # What took long to fail is not tried again for longer. Not for ever: a clock that was
            # set forward, or a machine that slept, makes it look as if it took hours.
            took = self._failed_at - began
            self._failure_age = min(max(FAILURE_AGE, 5 * took), MAX_FAILURE_AGE)
            if self._kept is not None:
                _log.warning(
                    "What the provider %s publishes is out of date, and cannot be had anew: %s",
                    error.provider,
                    error.reason,
                )
            raise
        self._failure, self._fetched_at = None, self._clock()
        return self._kept

    def _current(self) -> T:
        """What there is while, or after, another thread fetches it."""
        # In this order: a fetch puts the document there first, and takes the failure away then.
        failure, kept = self._failure, self._kept
        if kept is None and failure is not None:
            raise _again(failure)
        assert kept is not None  # noqa: S101 - one of the two is there after the first fetch
        return kept

    def _is_within(self, seconds: float, moment: float) -> bool:
        # A clock that was set back makes an age negative; nothing is younger than now.
        return 0 <= self._clock() - moment < seconds


def _again(failure: ProviderError) -> ProviderError:
    """For another thread: an exception that was raised has the traceback of its own."""
    return ProviderError(failure.provider, failure.reason, detail=failure.detail)
