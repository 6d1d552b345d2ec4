"""A store in this process's memory: for tests, and for applications of one process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from threading import Lock
from weakref import WeakSet

from .base import LARGEST_SKEW, Store

#: Seconds between two looks for entries that are over; after so many more entries, it is sooner.
CLEANED_EVERY = 60.0
_MIN_CLEANED = 1024


class MemoryStore(Store):
    """Gone with its process, and seen by no other.

    :param clock: epoch seconds
    """

    is_shared = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._clean_at, self._cleaned = _MIN_CLEANED, float("-inf")
        _stores.add(self)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        now = self._clock()
        return [self._value(key, now) for key in keys]

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        with self._lock:
            self._set(key, value, lifetime, self._clock())

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        with self._lock:
            now = self._clock()
            if self._value(key, now) != expected:
                return False
            self._set(key, value, lifetime, now)
            return True

    def take_lease(self, key: str, owner: bytes, lifetime: float) -> bool:
        with self._lock:
            now = self._clock()
            # One that ends long after this one would is from before the clock was set back.
            if now < self._entries.get(key, (b"", now))[1] <= now + lifetime + LARGEST_SKEW:
                return False
            self._set(key, owner, lifetime, now)
            return True

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        with self._lock:
            value = self._value(key, self._clock())
            if value is None or expected not in (None, value):
                return False
            del self._entries[key]
            return True

    def _value(self, key: str, now: float) -> bytes | None:
        entry = self._entries.get(key)
        return None if entry is None or entry[1] <= now else entry[0]

    def _set(self, key: str, value: bytes, lifetime: float, now: float) -> None:
        self._entries[key] = value, now + lifetime
        if len(self._entries) > self._clean_at or not 0 <= now - self._cleaned < CLEANED_EVERY:
            live = {name: entry for name, entry in self._entries.items() if entry[1] > now}
            # Reading takes no lock: it sees the old mapping or the new one, and both are right.
            self._entries = live
            # As much again before the next time, so that cleaning stays a small part of writing.
            self._clean_at, self._cleaned = max(_MIN_CLEANED, 2 * len(live)), now


#: Those of this process.
_stores: WeakSet[MemoryStore] = WeakSet()


def _unlock_all() -> None:
    for store in list(_stores):
        store._lock = Lock()


# In a child process there is nobody who would release what another thread held at the fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)
