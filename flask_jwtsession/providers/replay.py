"""What may be used once, remembered as long as it could be used again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

_MAX_KEPT = 10_000


class Once:
    """Remembers what was used, in this process.

    It holds for one process only, and so do the promises that rest on it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, *, until: float, now: float) -> bool:
        """Whether ``key`` was not taken before. It is remembered ``until`` then; epoch seconds."""
        with self._lock:
            if self._until.get(key, now) > now:
                return False
            self._until.pop(key, None)  # so that what is remembered longest comes last
            while self._until:
                oldest = next(iter(self._until))
                if self._until[oldest] > now and len(self._until) < _MAX_KEPT:
                    break
                del self._until[oldest]
            self._until[key] = until
            return True

    def give_back(self, key: str) -> None:
        """Forget that ``key`` was taken: what it was taken for did not happen."""
        with self._lock:
            self._until.pop(key, None)
