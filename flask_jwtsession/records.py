"""Records in a store that only their owner can read, and leases: of all who want to do something,
one does it.

A record is what became of something that a sign-in gave out. It has a generation, one more with
every change. It is found, and decrypted, with the 128 random bits of a grant and nothing else, and
these are in cookies only. So it outlives the replacement of secrets, and nobody who reads a store
learns anything from it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from .exceptions import StoreUnavailable, TokenInvalid
from .stores import LARGEST_SKEW, Store, entry_name
from .tokens import strict_json
from .tokens.encrypted import EncryptedTokens
from .tokens.keys import record_keys

T = TypeVar("T")

# All in seconds.
#: How long a lease lasts whose holder died.
LEASE = 12.0
#: Between two looks of a request that waits.
POLL = 0.02
#: For how long it is said that a session is over: longer than anybody waits for a lease.
OVER_KEPT = 60.0

#: The generation of what is over: newer than whatever came of it.
LAST_GENERATION = 10**15 - 1

_GENERATION = re.compile(rb"([0-9]{1,15})\.", re.ASCII)
# Seconds before each attempt to write a record.
_WRITE_ATTEMPTS = (0.0, 0.25, 0.5, 1.0)


def new_grant() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def name_of(grant: str, what: str) -> str:
    """The store's name of a grant's ``"record"``, or of what else is kept of it."""
    return entry_name(grant.encode(), f"grant {what}")


def seal(grant: str, generation: int, content: Mapping[str, Any]) -> bytes:
    """A record: the generation, for those who only want to know whether it is newer, and all of it
    encrypted as a cookie is, under a key of this grant.
    """
    whole = strict_json.dump({"gen": generation, **content})
    return f"{generation}.{_encryption(grant).encode(whole)}".encode()


def unseal(grant: str, record: bytes | None) -> dict[str, Any] | None:
    """What a record says, its generation as ``gen``; None for one that nobody here wrote."""
    if record is None:
        return None
    token = record.partition(b".")[2].decode("ascii", "replace")
    try:
        content = strict_json.parse_object(_encryption(grant).decode(token))
    except (TokenInvalid, ValueError):
        return None
    # The one in front nothing protects.
    return content if content.get("gen") == generation_of(record) else None


def generation_of(record: bytes | None) -> int | None:
    """The generation that a record says it has; None without one."""
    match = None if record is None else _GENERATION.match(record)
    return None if match is None else int(match[1])


class Records:
    """Writes records, and judges leases.

    :param lifetime: seconds for which a record is kept: longer than a cookie that names it
    :param clock: epoch seconds
    :param sleep: for tests that do not want to wait
    """

    def __init__(
        self,
        store: Store,
        lifetime: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = store
        self.lifetime = lifetime
        self.clock = clock
        self.sleep = sleep

    def write(
        self,
        name: str,
        known: bytes | None,
        record: bytes,
        others: Callable[[bytes | None], T | None],
    ) -> tuple[bool, T | None]:
        """Write ``record`` over what is older, as far as that can be done: whether it was written,
        and what ``others`` makes of one that is as new, of somebody who was faster.

        :param known: what was there when the record was begun
        """
        generation = generation_of(record) or 0
        for delay in _WRITE_ATTEMPTS:
            if delay:
                self.sleep(delay)
            with suppress(StoreUnavailable):
                while not self.store.compare_and_set(name, known, record, self.lifetime):
                    (known,) = self.store.get_many([name])
                    if known == record:  # a write whose answer was lost
                        break
                    if (generation_of(known) or 0) >= generation:
                        other = others(known)
                        if other is not None:
                            return False, other
                return True, None
        return False, None

    def mark(self) -> bytes:
        """A value of our own, unguessable, and when it was made."""
        return f"{self.clock()!r} {secrets.token_urlsafe(16)}".encode()

    def is_current(self, mark: bytes | None) -> bool:
        """Whether there is one; not from a time that is long to come: then the clock was set back,
        and its lifetime will be over so much later.
        """
        if mark is None:
            return False
        try:
            return float(mark.partition(b" ")[0]) < self.clock() + LARGEST_SKEW
        except ValueError:
            return True

    def take_lease(self, name: str, seen: bytes | None, owner: bytes) -> bool:
        """Take a lease of which ``seen`` was there a moment ago; whether it was free. It is tried
        only when it looks free: those who wait are not to write, again and again, and so be in the
        way of the one they wait for.
        """
        return not self.is_current(seen) and self.store.take_lease(name, owner, LEASE)

    def release_lease(self, name: str, owner: bytes) -> None:
        """Give the lease back. If that fails, it comes to its end by itself."""
        with suppress(StoreUnavailable):
            self.store.release_lease(name, owner)


@lru_cache(maxsize=512)
def _encryption(grant: str) -> EncryptedTokens:
    # Where tokens are in the store only, every request reads the same record.
    return EncryptedTokens(record_keys(grant.encode()), remembered=1)
