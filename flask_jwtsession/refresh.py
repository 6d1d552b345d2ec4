"""Provider tokens that are refreshed exactly once, however many hold the same cookie.

Parallel requests all carry the same refresh token, and a strict provider takes back everything when
it sees one twice. A lock alone is no help: who waited for it has nothing newer to go on with. So
the store has a record of each grant, the tokens that a sign-in was given and those that came of
them, and what a cookie has of it is a copy that may be old. ::

    request A             store                    provider         request B
    read record  ───────► none, or of A's generation ◄───────────── read record
    take lease   ───────► A's                          ◄─────────── take lease: no; wait
    read record  ───────► still that
    refresh      ─────────────────────────────────► new tokens
    set record   ───────► generation + 1               ◄─────────── read record: newer, adopt it
    give lease back

Nothing here knows of requests: tokens in, tokens out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from .exceptions import ProviderError, StoreUnavailable
from .grant_records import FAILED, UNAVAILABLE, Held, dead, open_record, over, seal
from .records import OVER_KEPT, POLL, Records, generation_of, name_of
from .session import Account
from .stores import Store

# All in seconds. A token request may take less than a lease lasts: 10 s.
#: How long a request waits for another one's refresh.
PATIENCE = 5.0
#: How long nobody tries again after a failure that may pass.
PAUSE = 5.0
#: At most so long before its end is an access token refreshed; and at most a tenth of its life.
MARGIN = 60.0

#: Asks the provider for new tokens. Raises :exc:`GrantRefused`, and :exc:`ProviderError` for a
#: failure that may pass.
Refresh = Callable[[Account], Account]


class GrantRefused(Exception):
    """The provider gives nothing for this grant any more; ``error`` says how it said so."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Renewal:
    """What came of it.

    :ivar obtained: what the provider gave, if it was this call that asked it
    :ivar failure: why it gave nothing, if it was this call that asked it
    """

    held: Held
    obtained: Account | None = None
    failure: ProviderError | None = None

    @property
    def refreshed(self) -> bool:
        """Whether the tokens are new, and it was this call that got them."""
        return self.obtained is not None and self.held.account == self.obtained


def is_due(held: Held, now: float) -> bool:
    """Whether the access token is over, or so nearly that it has to be refreshed."""
    expires, issued = held.account.expires_at, held.account.issued_at
    if expires is None or held.error == FAILED:
        return False
    lifetime = float("inf") if issued is None else max(0.0, expires - issued)
    # Sessions that began together are not to be refreshed together.
    jitter = 0.9 + 0.2 * hashlib.sha256(held.grant.encode()).digest()[0] / 255
    return now > expires - min(MARGIN, 0.1 * lifetime) * jitter


class Grants:
    """The records of all grants, in a store.

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
        self._records = Records(store, lifetime, clock, sleep)
        self._store = store
        self._lifetime = lifetime
        self._clock = clock
        self._sleep = sleep

    def record_name(self, grant: str) -> str:
        """The store's name of a grant's record: to be read, and given to :meth:`adopt`."""
        return name_of(grant, "record")

    def adopt(self, held: Held, record: bytes | None) -> Held:
        """``held``, or what the record has, if that is newer."""
        has_tokens, generation = held.account.has_tokens, generation_of(record)
        if generation is not None and not (has_tokens and generation <= held.generation):
            opened = open_record(held, record)
            if opened is not None:
                return opened
        # What is nowhere else, and not there either, is lost.
        return held if has_tokens else replace(held, error=FAILED)

    def read(self, held: Held) -> Held:
        """``held``, or the newest that the store has. Raises :exc:`StoreUnavailable`."""
        return self.adopt(held, self._store.get_many([self.record_name(held.grant)])[0])

    def has(self, held: Held) -> bool:
        """Whether the store has just these tokens. Raises :exc:`StoreUnavailable`."""
        (record,) = self._store.get_many([self.record_name(held.grant)])
        recorded = open_record(held, record)
        return recorded is not None and recorded.account == held.account

    def mend(self, held: Held, record: bytes | None) -> None:
        """Record what a cookie has, if the store has lost it: another cookie, that is older, must
        not ask the provider with tokens that were spent. Raises :exc:`StoreUnavailable`.
        """
        is_behind = (generation_of(record) or 0) < held.generation
        if is_behind and held.account.has_tokens:
            name = self.record_name(held.grant)
            self._store.compare_and_set(name, record, seal(held), self._lifetime)

    def begin(self, held: Held) -> Held:
        """Record a grant that was not yet. Raises :exc:`StoreUnavailable`."""
        name = self.record_name(held.grant)
        self._store.put_if_absent(name, seal(held), self._lifetime)
        return replace(held, is_recorded=True)

    def extend(self, held: Held) -> None:
        """Keep the record for as long again, if it is the only one that has the tokens. Raises
        :exc:`StoreUnavailable`.
        """
        name = self.record_name(held.grant)
        (record,) = self._store.get_many([name])
        if record is not None:
            self._store.compare_and_set(name, record, record, self._lifetime)

    def end(self, held: Held) -> None:
        """The session is over: nobody refreshes its tokens any more, not even who waits to do so.
        Raises :exc:`StoreUnavailable`.
        """
        self._store.put(self.record_name(held.grant), seal(over(held)), OVER_KEPT)

    def renew(self, held: Held, refresh: Refresh, *, forced: bool = False) -> Renewal:
        """Refresh the tokens, or adopt what somebody else has refreshed meanwhile.

        :param forced: also if they are not due; but not if there are newer ones already
        :raises StoreUnavailable: before the provider was asked
        """
        sent = held.generation
        record, pause, lease = (name_of(held.grant, what) for what in ("record", "pause", "lease"))
        known, paused, leased = self._store.get_many([record, pause, lease])
        held = self.adopt(held, known)
        first = held.generation

        def is_done(held: Held) -> bool:
            # Newer tokens that came while this request was at it will do, though they may be due
            # again: those who wait are not to ask for one after the other.
            if held.error == FAILED or held.generation != first:
                return True
            return not (is_due(held, self._clock()) or (forced and first == sent))

        owner, give_up = self._records.mark(), time.monotonic() + PATIENCE
        while True:
            if is_done(held):
                return Renewal(held)
            if self._records.is_current(paused):
                return Renewal(replace(held, error=UNAVAILABLE))
            if self._records.take_lease(lease, leased, owner):
                break
            if not forced and self._is_valid(held):
                return Renewal(held)  # somebody is at it, and this one will do
            if time.monotonic() >= give_up:
                return self._unavailable(held, pause)
            self._sleep(POLL)
            known, paused, leased = self._store.get_many([record, pause, lease])
            held = self.adopt(held, known)
        is_safe = True
        try:
            # Who had the lease before may have been done in the moment before we took it.
            known, paused = self._store.get_many([record, pause])
            held = self.adopt(held, known)
            if is_done(held):
                return Renewal(held)
            if self._records.is_current(paused):
                return Renewal(replace(held, error=UNAVAILABLE))
            renewal = self._ask(held, refresh, record, known, pause)
            # With tokens that could not be recorded, the next one would send the spent ones. Until
            # the lease ends by itself, a cookie may come that has the new ones.
            is_safe = renewal.obtained is None or renewal.held.is_recorded
            return renewal
        finally:
            if is_safe:
                self._records.release_lease(lease, owner)

    def _ask(
        self, held: Held, refresh: Refresh, record: str, known: bytes | None, pause: str
    ) -> Renewal:
        try:
            account = refresh(held.account)
        except GrantRefused as refused:
            with suppress(StoreUnavailable):
                # Somebody who lost the lease may have spent the refresh token after all.
                newest = self.read(held)
                if newest.generation > held.generation:
                    return Renewal(newest)
            # Without its frames: they show the provider's answer, and it goes to the application.
            failure = refused.error.with_traceback(None)
            return Renewal(self._recorded(dead(held), record, known), failure=failure)
        except ProviderError as error:
            return replace(self._unavailable(held, pause), failure=error.with_traceback(None))
        fresh = replace(held, generation=held.generation + 1, account=account, error=None)
        return Renewal(self._recorded(fresh, record, known), obtained=account)

    def _recorded(self, held: Held, name: str, known: bytes | None) -> Held:
        """``held``, after it was recorded, as far as that can be done; or what somebody recorded
        who was faster.
        """
        written, others = self._records.write(
            name, known, seal(held), lambda record: open_record(held, record)
        )
        if others is not None:
            return others
        # If it was not: this response has the tokens, and its browser will send them. Whoever still
        # has the old ones, and asks for new ones with them, will be refused.
        return replace(held, is_recorded=written)

    def _unavailable(self, held: Held, pause: str) -> Renewal:
        with suppress(StoreUnavailable):
            self._store.put(pause, self._records.mark(), PAUSE)
        return Renewal(replace(held, error=UNAVAILABLE))

    def _is_valid(self, held: Held) -> bool:
        expires = held.account.expires_at
        return expires is None or self._clock() < expires
