"""What a store is: a place for a few short-lived values that all workers see alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

#: Seconds by which two clocks may differ, or one may be corrected. What is further in the future
#: was written before a clock was set back.
LARGEST_SKEW = 60.0


class Store(ABC):
    """Keys with a value and a lifetime each, shared by all processes that may see one session.

    Keys are texts of at most 64 ASCII letters, digits, ``-`` and ``_``; values are bytes, up to
    some 100 KiB, and mean nothing to the store. Lifetimes are in seconds and more than 0; after its
    lifetime a key is absent, and what it took up is given back without anybody asking.

    Whoever writes one implements the four abstract methods. Each is atomic: of two processes that
    call :meth:`compare_and_set` at the same moment with what both have read, one gets True. A
    process sees what any of them wrote before. Every method raises :exc:`~.StoreUnavailable` if it
    could not do its work, also for having taken too long (a second or two: a request is waiting),
    and nothing else; whether a write that raised was done is unknown. All may be called from any
    thread, and in a process that was forked from the one that made the store, if no other thread of
    that one used the store at the moment of the fork.
    ``flask_jwtsession.stores.contract`` has the tests that a store has to pass.
    """

    #: Whether other processes see what is written here.
    is_shared = True

    @abstractmethod
    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The value of each key, in their order, None for one that is absent. One round trip."""

    @abstractmethod
    def put(self, key: str, value: bytes, lifetime: float) -> None:
        """Set ``key``, whatever was there."""

    @abstractmethod
    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        """Set ``key`` if its value is ``expected`` (None: if it is absent); whether it was set."""

    @abstractmethod
    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Delete ``key``, or do so only if its value is ``expected``; whether it was there."""

    def put_if_absent(self, key: str, value: bytes, lifetime: float) -> bool:
        """Set ``key`` if it is absent; whether it was."""
        return self.compare_and_set(key, None, value, lifetime)

    def take_lease(self, key: str, owner: bytes, lifetime: float) -> bool:
        """Take the lease ``key`` for ``owner``, an unguessable value; whether it was free.

        Whoever dies with it loses it after ``lifetime``.
        """
        return self.put_if_absent(key, owner, lifetime)

    def release_lease(self, key: str, owner: bytes) -> bool:
        """Give the lease back, if it is still the owner's; whether it was."""
        return self.delete(key, owner)

    def close(self) -> None:
        """Give back what is open. The store can still be used; it opens it again."""
        return
