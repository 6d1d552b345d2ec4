"""A store that fails where a test says so, or in which somebody else does something meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.stores.memory import MemoryStore


class FaultyStore(MemoryStore):
    """Counts its calls, from 1, and does to each what a test wants.

    :ivar calls: the method of every call
    :ivar refused: calls, or methods, that fail before anything is done
    :ivar lost: calls, or methods, that are done, but whose answer does not come
    :ivar before: what somebody else does just before a call
    :ivar each_time: the same for every call
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.calls: list[str] = []
        self.refused: set[int | str] = set()
        self.lost: set[int | str] = set()
        self.before: dict[int, Callable[[], object]] = {}
        self.each_time: Callable[[], object] = lambda: None

    def raw(self) -> dict[str, tuple[bytes, float]]:
        """Everything that is in it: value and end of each entry."""
        return dict(self._entries)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._disturbed("get_many"):
            return super().get_many(keys)

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        with self._disturbed("put"):
            super().put(key, value, lifetime)

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        with self._disturbed("compare_and_set"):
            return super().compare_and_set(key, expected, value, lifetime)

    def take_lease(self, key: str, owner: bytes, lifetime: float) -> bool:
        with self._disturbed("take_lease"):
            return super().take_lease(key, owner, lifetime)

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        with self._disturbed("delete"):
            return super().delete(key, expected)

    @contextmanager
    def _disturbed(self, method: str) -> Iterator[None]:
        self.each_time()
        self.calls.append(method)
        number = len(self.calls)
        self.before.pop(number, lambda: None)()
        if not self.refused.isdisjoint({number, method}):
            raise StoreUnavailable("it cannot be reached")
        yield
        if not self.lost.isdisjoint({number, method}):
            raise StoreUnavailable("the answer was lost")
