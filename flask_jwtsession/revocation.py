"""Sessions that are over before their time is: what is written down, and how it is looked up.

A store is no list of sessions. It has an entry for what was revoked, and nothing of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from math import inf, isnan, nan
from typing import NamedTuple

from .stores import Store, entry_name

# Values. Of a session: it is over, and the application was told of it or is yet to be told.
_ENDED = b"ended"
_REVOKED = b"revoked"
# Of everything else: the sessions that began before this moment are over.
_ALWAYS = b"inf"


class Standing(Enum):
    """What is known of a session whose cookie is good."""

    LIVE = "nothing against it"
    #: Revoked, and no response has ended it yet.
    REVOKED = "revoked"
    #: Signed out or ended before; this is a copy of its cookie, or one that came late.
    ENDED = "ended"


class Identity(NamedTuple):
    """By what a session can be revoked.

    ``sid`` is its own identifier, ``subject`` its ``sub``, ``account`` what that would be by its
    provider account if it is another. ``provider_session`` is the provider and what that calls the
    session in which this one began, and ``started`` when the person signed in, in epoch seconds.
    """

    sid: str
    subject: str
    account: str | None
    provider_session: str | None
    started: float


class Revocations:
    """Writes revocations into a store, and reads them from there.

    Names of entries are HMACs: whoever reads the store learns nobody's ``sub`` or ``sid``.

    :param keys: of the HMAC, one for every secret. Written and read is under all of them, so that
        no revocation is lost while a secret is replaced, whichever of them a worker has
    :param lifetime: seconds: longer than any session that can be revoked now will live
    """

    def __init__(self, store: Store, keys: Sequence[bytes], lifetime: float) -> None:
        self.store = store
        self._keys = tuple(keys)
        self._lifetime = lifetime
        # The same sessions come again and again, and each of their HMACs costs two microseconds.
        self.names: Callable[[Identity], tuple[str, ...]] = lru_cache(maxsize=1024)(self._names)

    # What a request asks.

    def _names(self, identity: Identity) -> tuple[str, ...]:
        """The entries that tell how the session stands: to be read, and given to
        :meth:`standing`.
        """
        texts = [f"sid\0{identity.sid}", f"sub\0{identity.subject}"]
        if identity.account is not None:
            texts.append(f"sub\0{identity.account}")
        if identity.provider_session is not None:
            texts.append(f"provider sid\0{identity.provider_session}")
        return tuple(entry_name(key, text) for key in self._keys for text in texts)

    def standing(self, identity: Identity, values: Sequence[bytes | None]) -> Standing:
        """How the session stands, by the ``values`` of :meth:`names`."""
        if values.count(None) == len(values):
            return Standing.LIVE
        each = len(values) // len(self._keys)
        of_session = {values[start] for start in range(0, len(values), each)}
        if _ENDED in of_session:
            return Standing.ENDED
        if of_session != {None}:
            return Standing.REVOKED
        if any(identity.started < _moment(value) for value in values if value is not None):
            return Standing.REVOKED
        return Standing.LIVE

    def check(self, identity: Identity) -> Standing:
        """How the session stands now."""
        return self.standing(identity, self.store.get_many(self.names(identity)))

    # What ends sessions. Each raises StoreUnavailable if it could not be written down.

    def end(self, sid: str, at_least: float = 0) -> None:
        """The session is over, and the application knows.

        :param at_least: seconds for which that has to be remembered; another server may issue
            cookies that live longer than those of this one
        """
        for name in self._all(f"sid\0{sid}"):
            self.store.put(name, _ENDED, max(self._lifetime, at_least))

    def end_revoked(self, sid: str) -> bool:
        """The same for a session that was revoked; whether nobody else did so before: of all
        requests that meet a revoked session one gets True, and tells the application.
        """
        # In an order that all agree on, whichever of the keys they have.
        return all(self._ends(name) for name in sorted(self._all(f"sid\0{sid}")))

    def _ends(self, name: str) -> bool:
        return self.store.put_if_absent(name, _ENDED, self._lifetime) or (
            self.store.compare_and_set(name, _REVOKED, _ENDED, self._lifetime)
        )

    def revoke_session(self, sid: str) -> bool:
        """Revoke one session; whether it was not revoked before."""
        # Not over an entry that says it is over: the application would be told twice.
        written = [
            self.store.put_if_absent(name, _REVOKED, self._lifetime)
            for name in sorted(self._all(f"sid\0{sid}"))
        ]
        return all(written)

    def revoke_subject(self, subject: str, before: float) -> None:
        """Revoke every session of a person that began before then (epoch seconds)."""
        for name in self._all(f"sub\0{subject}"):
            is_written = False
            while not is_written:
                (value,) = self.store.get_many([name])
                # Never back: another machine, whose clock is ahead, may have written a later one.
                moment = before if value is None else max(before, _moment(value))
                is_written = self.store.compare_and_set(
                    name, value, repr(moment).encode(), self._lifetime
                )

    def revoke_provider_session(self, provider: str, session: str) -> None:
        """Revoke what began with this session at this provider."""
        for name in self._all(f"provider sid\0{provider}\0{session}"):
            self.store.put(name, _ALWAYS, self._lifetime)

    def _all(self, text: str) -> list[str]:
        return [entry_name(key, text) for key in self._keys]


def _moment(value: bytes) -> float:
    try:
        moment = float(value)
    except ValueError:
        moment = nan
    return inf if isnan(moment) else moment  # whatever it is, somebody wanted to revoke something
