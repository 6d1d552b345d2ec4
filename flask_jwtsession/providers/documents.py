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
#: Seconds for which a failure is remembered.
FAILURE_AGE = 5

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
        self._failure: ProviderError | None = None

    def get(self) -> T:
        """The document. Raises :exc:`ProviderError` if there is none, and none can be had."""
        kept = self._kept
        if kept is not None and self._is_within(MAX_AGE, self._fetched_at):
            return kept
        if kept is None:
            with self._lock:
                return self._fetched() if self._kept is None else self._kept
        if self._lock.acquire(blocking=False):
            try:
                return self._fetched()
            except ProviderError:
                return kept
            finally:
                self._lock.release()
        return kept

    def soon(self, seconds: float) -> T | None:
        """The document, if it can be had within ``seconds``; otherwise its fetching goes on."""
        if self._kept is None:
            thread = Thread(target=self._try, daemon=True)
            thread.start()
            thread.join(seconds)
        return self._kept

    def newer(self) -> T:
        """The document, fetched anew unless that was done a moment ago."""
        with self._lock:
            if self._is_within(BETWEEN_REFETCHES, self._refetched_at) and self._kept is not None:
                return self._kept
            self._refetched_at = self._clock()
            return self._fetched()

    def _try(self) -> None:
        with suppress(ProviderError):
            self.get()

    def _fetched(self) -> T:
        if self._failure is not None and self._is_within(FAILURE_AGE, self._failed_at):
            raise ProviderError(
                self._failure.provider, self._failure.reason, detail=self._failure.detail
            )
        try:
            self._kept = self._fetch()
        except ProviderError as error:
            self._failure, self._failed_at = error, self._clock()
            if self._kept is not None:
                _log.warning(
                    "What the provider %s publishes is out of date, and cannot be had anew: %s",
                    error.provider,
                    error.reason,
                )
            raise
        self._failure, self._fetched_at = None, self._clock()
        return self._kept

    def _is_within(self, seconds: float, moment: float) -> bool:
        # A clock that was set back makes an age negative; nothing is younger than now.
        return 0 <= self._clock() - moment < seconds
