"""Refresh cookies: each is good once, for the requests that come with it at the same time.

A session that has one is re-authenticated when its access cookie is over: the application decides,
both cookies are issued again, and the refresh cookie is one generation older than the store's
record of it. Of all requests that carry the same one, one asks the application, and the others get
what it got. ::

    request A             store                  application         request B
    read record  ───────► none, or of A's generation ◄───────────── read record
    take lease   ───────► A's                          ◄─────────── take lease: no; wait
    read record  ───────► still that
    decide       ─────────────────────────────────► new claims
    set record   ───────► generation + 1               ◄─────────── read record: newer, adopt it
    give lease back

Whoever comes with a cookie that is older than that, or later than :data:`GRACE`, has a copy, or has
lost a response: it looks the same. If it is a copy two hold the session, and one of them is a thief
(RFC 9700 section 4.14.2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from . import records
from .exceptions import StoreUnavailable
from .records import LAST_GENERATION, LEASE, OVER_KEPT, POLL, Records, name_of
from .stores import Store

# In seconds.
#: For how long after a rotation the cookie before it may come: with requests that were on their
#: way, or after a response that was lost.
GRACE = 30.0
#: How long a request waits for another one's: until the lease of one that died has ended.
PATIENCE = 15.0

# Moments of rotations that a record keeps: however many there were, it stays small.
_MOST_RECENT = 20

#: A JWT Claims Set (RFC 7519 section 2).
ClaimsSet = Mapping[str, Any]


class RefreshReused(Exception):
    """The refresh cookie was used before, and not just now."""


class SessionOver(Exception):
    """The application let the session end."""


class NotDecided(Exception):
    """Another request asked the application, and that failed, or took too long."""


@dataclass(frozen=True)
class Sent:
    """What a refresh cookie says.

    :ivar grant: 128 random bits that are in refresh cookies of this session, and nowhere else
    """

    grant: str = field(repr=False)
    generation: int
    claims: ClaimsSet = field(repr=False)


@dataclass(frozen=True)
class Issued:
    """What a generation was issued with: the claims of the access and of the refresh cookie.

    :ivar predecessor: the generation of the cookie that it was issued for: the one before, unless
        what had been issued for that cookie was over, too, when it came once more
    :ivar rotated: when, in epoch seconds; and when those before it were, the newest first, as far
        as that is within the grace time
    """

    generation: int
    predecessor: int
    rotated: tuple[float, ...]
    access_claims: ClaimsSet = field(repr=False)
    refresh_claims: ClaimsSet = field(repr=False)

    @classmethod
    def of_record(cls, content: Mapping[str, Any]) -> Self | None:
        """What a record says; None for one that nobody here wrote."""
        try:
            return cls(
                content["gen"],
                int(content["for"]),
                tuple(float(moment) for moment in content["rotated"]),
                dict(content["access"]),
                dict(content["refresh"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def to_record(self) -> dict[str, Any]:
        return {
            "for": self.predecessor,
            "rotated": list(self.rotated),
            "access": dict(self.access_claims),
            "refresh": dict(self.refresh_claims),
        }


#: From the claims of the refresh cookie to those of the next access and refresh cookie. None ends
#: the session.
Decide = Callable[[ClaimsSet], tuple[ClaimsSet, ClaimsSet] | None]


class Rotations:
    """The records of all refresh cookies, in a store.

    :param lifetime: seconds for which a record is kept: longer than a refresh cookie
    :param access_lifetime: seconds for which what was issued is good
    :param clock: epoch seconds
    :param sleep: for tests that do not want to wait
    """

    def __init__(
        self,
        store: Store,
        lifetime: float,
        access_lifetime: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records = Records(store, lifetime, clock, sleep)
        self._store = store
        self._access_lifetime = access_lifetime
        self._clock = clock
        self._sleep = sleep

    def check(self, sent: Sent) -> None:
        """Whether :meth:`rotate` would go on with this cookie. Raises as that does."""
        self._follow(sent, self._store.get_many([_record_name(sent)])[0], self._clock())

    def rotate(self, sent: Sent, decide: Decide) -> Issued:
        """What is issued for this cookie: now, or a moment ago for another request.

        What ``decide`` raises is raised, and the cookie is as good as it was.

        :raises RefreshReused: it is a copy of one that was used before
        :raises SessionOver: ``decide`` returned None, here or for another request
        :raises NotDecided: another request was at it, and is none the wiser
        :raises StoreUnavailable: nothing was decided
        """
        first = sent
        record, lease = _record_name(sent), name_of(sent.grant, "rotation lease")
        failure = name_of(sent.grant, "rotation failure")
        owner, give_up = self._records.mark(), time.monotonic() + PATIENCE
        # Who came in time is not late for having been paused here.
        came = self._clock()
        known, leased, failed_before = self._store.get_many([record, lease, failure])
        failed = failed_before
        while True:
            if failed not in (None, failed_before):
                # While this one waited. It is not to try the same, after all those before it.
                raise NotDecided
            standing = self._follow(sent, known, came)
            if isinstance(standing, Issued):
                return standing
            sent = standing
            if self._records.take_lease(lease, leased, owner):
                break
            if time.monotonic() >= give_up:
                raise NotDecided
            self._sleep(POLL)
            known, leased, failed = self._store.get_many([record, lease, failure])
        try:
            # Who had the lease before may have been done in the moment before we took it.
            (known,) = self._store.get_many([record])
            standing = self._follow(sent, known, came)
            if isinstance(standing, Issued):
                return standing
            return self._issue(first, standing, record, known, decide)
        except (RefreshReused, SessionOver, StoreUnavailable):
            raise
        except BaseException:
            with suppress(StoreUnavailable):
                self._store.put(failure, owner, LEASE)
            raise
        finally:
            self._records.release_lease(lease, owner)

    def _issue(
        self, first: Sent, sent: Sent, record: str, known: bytes | None, decide: Decide
    ) -> Issued:
        decided, now = decide(sent.claims), self._clock()
        if decided is None:
            over = Issued(LAST_GENERATION, sent.generation, (now,), {}, {})
            with suppress(StoreUnavailable):  # others will ask for themselves
                self._store.put(record, self._seal(sent, over), OVER_KEPT)
            raise SessionOver
        before = self._open(sent, known)
        moments = () if before is None else before.rotated
        recent = [moment for moment in moments if now <= moment + GRACE][:_MOST_RECENT]
        issued = Issued(sent.generation + 1, first.generation, (now, *recent), *decided)
        _, others = self._records.write(
            record, known, self._seal(sent, issued), lambda newer: self._open(sent, newer)
        )
        if others is None:
            # If it could not be written, the next cookie is newer than the record: it is good.
            return issued
        if others.generation == LAST_GENERATION:
            raise SessionOver
        return others

    def _follow(self, sent: Sent, record: bytes | None, came: float) -> Issued | Sent:
        """What was issued for this cookie and is still good, or what has to be rotated now.

        :param came: when the request did, in epoch seconds
        """
        newest = self._open(sent, record)
        if newest is None or newest.generation <= sent.generation:
            # The store has lost something if it is less. That signs nobody out.
            return sent
        if newest.generation == LAST_GENERATION:
            raise SessionOver
        rotations_since = newest.generation - sent.generation
        # When this very cookie was rotated, and not the one that came of it.
        rotated = newest.rotated[rotations_since - 1 : rotations_since]
        is_older = sent.generation < newest.predecessor
        if is_older or not rotated or came > rotated[0] + GRACE:
            raise RefreshReused
        if self._clock() < newest.rotated[0] + self._access_lifetime:
            return newest
        return Sent(sent.grant, newest.generation, newest.refresh_claims)

    def _seal(self, sent: Sent, issued: Issued) -> bytes:
        return records.seal(sent.grant, issued.generation, issued.to_record())

    def _open(self, sent: Sent, record: bytes | None) -> Issued | None:
        content = records.unseal(sent.grant, record)
        return None if content is None else Issued.of_record(content)


def _record_name(sent: Sent) -> str:
    return name_of(sent.grant, "rotation")
