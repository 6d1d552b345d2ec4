"""Provider tokens refreshed exactly once: what is due, what is adopted, and who asks the provider.

Where a request waits for another one, its ``sleep`` moves the clock or lets something happen: no
test waits for time to pass.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from threading import Event as ThreadEvent
from threading import Lock, Semaphore, Thread, get_ident, local
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession import Account
from flask_jwtsession.exceptions import ProviderError, StoreUnavailable
from flask_jwtsession.grant_records import Held
from flask_jwtsession.records import LEASE, POLL, new_grant
from flask_jwtsession.refresh import (
    PATIENCE,
    PAUSE,
    GrantRefused,
    Grants,
    Refresh,
    Renewal,
    is_due,
)
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore
from flask_jwtsession.tokens import strict_json
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import record_keys

from .faulty_store import FaultyStore
from .support import NOW, Clock

GRANT = "2Vtq9ZkQxu5H0cMwT8rBfA"
OTHER_GRANT = "hN3yWm1sLd7JpEoKgX6vCQ"
HOUR = 3600.0
ACCOUNT = Account(
    provider="the-provider",
    type="oidc",
    provider_account_id="account-42",
    access_token="at-0",
    refresh_token="rt-0",
    expires_at=NOW + HOUR,
    issued_at=NOW,
    scope="openid offline_access",
    token_type="Bearer",
    id_token="id-0",
)
#: The tokens of the account are over; or due, but still good for a moment.
OVER, NEARLY_OVER = NOW + HOUR + 0.5, NOW + HOUR - 30
#: Of records: longer than any cookie that names one.
KEPT = 86_400.0


def cookie(generation: int = 0, account: Account = ACCOUNT, grant: str = GRANT) -> Held:
    """What the cookie of a request has."""
    return Held(grant, generation, account)


def without_tokens(held: Held) -> Held:
    """The same where the tokens are kept in the store only."""
    return replace(held, account=held.account.without_tokens())


def tokens_of(number: int) -> Account:
    """The account after its ``number``-th refresh, at that many hours."""
    return replace(
        ACCOUNT,
        access_token=f"at-{number}",
        refresh_token=f"rt-{number}",
        issued_at=NOW + number * HOUR,
        expires_at=NOW + (number + 1) * HOUR,
    )


class Provider:
    """Gives another refresh token at every refresh, and takes the grant back when it sees one
    twice.

    :ivar asked: the refresh tokens that it saw
    :ivar failure: what it raises instead
    """

    def __init__(
        self, clock: Clock, *, lifetime: float = HOUR, rotates: bool = True, forgives: bool = False
    ) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._rotates = rotates
        self._forgives = forgives
        self._lock = Lock()
        self.asked: list[str | None] = []
        self.failure: Exception | None = None
        self.is_over = False

    def refresh(self, account: Account) -> Account:
        with self._lock:
            is_spent = self._rotates and account.refresh_token in self.asked
            self.asked.append(account.refresh_token)
            if self.failure is not None:
                raise self.failure
            self.is_over |= is_spent and not self._forgives
            if self.is_over:
                raise refused()
            number = len(self.asked)
            return replace(
                account,
                access_token=f"at-{number}",
                refresh_token=f"rt-{number}" if self._rotates else account.refresh_token,
                expires_at=self._clock() + self._lifetime,
                issued_at=self._clock(),
            )


def refused() -> GrantRefused:
    return GrantRefused(
        ProviderError("the-provider", "refresh_refused", detail="invalid_grant", status=502)
    )


def unreachable() -> ProviderError:
    return ProviderError("the-provider", "refresh_unreachable")


class Naps:
    """Instead of sleeping: the clock is moved, and at some naps something happens.

    :ivar seconds: how long each was
    :ivar during: what happens, by the number of the nap, from 1
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds: list[float] = []
        self.during: dict[int, Callable[[], object]] = {}

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        assert len(self.seconds) < 10_000, "it waits for ever"
        self._clock.advance(seconds)
        self.during.pop(len(self.seconds), lambda: None)()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        store = SQLiteStore(tmp_path / "grants.sqlite3", clock)
    yield store
    store.close()


@pytest.fixture
def faulty(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def naps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Naps:
    # Patience is by a clock that nobody sets back; here it is the one that the naps move.
    monkeypatch.setattr("flask_jwtsession.refresh.time", SimpleNamespace(monotonic=clock))
    return Naps(clock)


@pytest.fixture
def grants(store: Store, clock: Clock, naps: Naps) -> Grants:
    return Grants(store, KEPT, clock, naps)


@pytest.fixture
def provider(clock: Clock) -> Provider:
    return Provider(clock)


def on(store: Store, clock: Clock, naps: Naps) -> Grants:
    return Grants(store, KEPT, clock, naps)


def must_not_be_asked(account: Account) -> Account:
    raise AssertionError("the provider was asked")


class Died(BaseException):
    """The process is gone, in the middle of it."""


def leave_lease(store: FaultyStore, clock: Clock, held: Held | None = None) -> None:
    """Somebody has taken the lease and will not give it back."""

    def die(account: Account) -> Account:
        raise Died

    store.refused.add("delete")
    with pytest.raises(Died):
        Grants(store, KEPT, clock).renew(held or cookie(), die, forced=True)
    store.refused.remove("delete")
    store.calls.clear()


def record_of(held: Held) -> bytes:
    """The record that is written of it."""
    store = MemoryStore()
    grants = Grants(store, KEPT, Clock())
    grants.begin(held)
    (record,) = store.get_many([grants.record_name(held.grant)])
    assert record is not None
    return record


def write_record(store: Store, held: Held) -> None:
    """Somebody else records that, whatever there was."""
    name = Grants(store, KEPT, Clock()).record_name(held.grant)
    store.put(name, record_of(held), KEPT)


# Grants.


def test_a_grant_is_128_random_bits() -> None:
    grants = {new_grant() for _ in range(1000)}
    assert len(grants) == 1000
    for grant in grants:
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", grant)
        assert len(base64.urlsafe_b64decode(grant + "==")) == 16


def test_sec_206_no_repr_shows_a_grant_or_a_token() -> None:
    for value in (cookie(), Renewal(cookie(), failure=unreachable()), refused()):
        assert GRANT not in repr(value)
        assert not re.search("at-0|rt-0|id-0", repr(value))


# What is due.

MANY = [f"grant-{number}" for number in range(200)]


def due_for(grant: str, account: Account = ACCOUNT, generation: int = 0) -> float:
    """How many seconds before its end an access token becomes due."""
    assert account.expires_at is not None
    earlier, later = 0.0, 1000.0
    for _ in range(60):
        middle = (earlier + later) / 2
        if is_due(cookie(generation, account, grant), account.expires_at - middle):
            earlier = middle
        else:
            later = middle
    return later


@pytest.mark.parametrize(
    ("lifetime", "margin"),
    [
        pytest.param(30 * 86_400, 60, id="a month"),
        pytest.param(3600, 60, id="an hour"),
        pytest.param(600, 60, id="ten minutes"),
        pytest.param(599, 59.9, id="just less"),
        pytest.param(100, 10, id="a hundred seconds"),
        pytest.param(5, 0.5, id="SEC-222 five seconds"),
        pytest.param(1, 0.1, id="SEC-222 one second"),
        pytest.param(0, 0, id="none at all"),
    ],
)
def test_tokens_are_due_a_minute_or_a_tenth_of_their_life_before_their_end(
    lifetime: float, margin: float
) -> None:
    account = replace(ACCOUNT, expires_at=NOW + lifetime)
    for grant in MANY:
        assert not is_due(cookie(0, account, grant), NOW + lifetime - 1.1 * margin - 1e-3)
        assert is_due(cookie(0, account, grant), NOW + lifetime - 0.9 * margin + 1e-3)


def test_sessions_that_began_together_are_not_refreshed_together() -> None:
    seconds = sorted(due_for(grant) for grant in MANY)
    assert 54 - 1e-3 < seconds[0] < 55
    assert 65 < seconds[-1] < 66 + 1e-3
    assert len({round(one, 3) for one in seconds}) > 100


def test_all_requests_of_one_session_agree_on_when_it_is_due() -> None:
    one = due_for(GRANT)
    assert due_for(GRANT, generation=7) == one
    assert due_for(GRANT, replace(ACCOUNT, access_token="another")) == one
    shorter = replace(ACCOUNT, expires_at=NOW + 60)
    assert due_for(GRANT, shorter) == pytest.approx(one / 10, abs=1e-3)


def test_tokens_that_are_over_are_due() -> None:
    assert is_due(cookie(), NOW + HOUR + 1e-3)
    assert is_due(cookie(), NOW + 1e9)


def test_tokens_whose_end_is_not_known_are_never_due() -> None:
    assert not is_due(cookie(account=replace(ACCOUNT, expires_at=None)), NOW + 1e9)
    assert not is_due(without_tokens(cookie()), NOW + 1e9)


def test_tokens_whose_beginning_is_not_known_are_due_a_minute_before_their_end() -> None:
    account = replace(ACCOUNT, issued_at=None, expires_at=NOW + 5)
    assert due_for(GRANT, account) == pytest.approx(due_for(GRANT), abs=1e-3)


def test_tokens_that_ended_before_they_began_are_due_at_their_end() -> None:
    account = replace(ACCOUNT, issued_at=NOW + 7200)
    assert due_for(GRANT, account) == pytest.approx(0, abs=1e-3)


def test_what_the_provider_refused_is_not_due() -> None:
    assert not is_due(replace(cookie(), error="refresh_failed"), OVER)
    assert is_due(replace(cookie(), error="refresh_unavailable"), OVER)


@pytest.mark.parametrize("brings_the_newest", [True, False])
def test_sec_222_tokens_of_five_seconds_are_refreshed_once_in_their_life(
    faulty: FaultyStore, clock: Clock, naps: Naps, brings_the_newest: bool
) -> None:
    grants = on(faulty, clock, naps)
    provider = Provider(clock, lifetime=5)
    first = newest = cookie(account=replace(ACCOUNT, expires_at=NOW + 5))
    for _ in range(600):  # a minute, with ten requests every second
        clock.advance(0.1)
        held = newest if brings_the_newest else first
        if is_due(held, clock()):
            newest = grants.renew(held, provider.refresh).held
        assert newest.error is None
        assert newest.account.expires_at is not None
        assert newest.account.expires_at > clock()
    assert len(set(provider.asked)) == len(provider.asked)
    assert 12 <= len(provider.asked) <= 60 / (5 - 0.55)


# What is adopted. A cookie of the fifth generation meets a record.

OURS = cookie(5, tokens_of(5))
OTHERS = replace(tokens_of(5), access_token="at-theirs", refresh_token="rt-theirs")


def adopt(held: Held, record: bytes | None) -> Held:
    return Grants(MemoryStore(), KEPT, Clock()).adopt(held, record)


def dead(generation: int) -> Held:
    return replace(without_tokens(cookie(generation)), error="refresh_failed")


GENUINE = record_of(cookie(7, tokens_of(7)))
UNREADABLE: dict[str, bytes | None] = {
    "absent": None,
    "empty": b"",
    "no record": b"garbage",
    "no UTF-8": b"\xff\xfe",
    "a number": b"7",
    "a generation alone": b"7.",
    "no token": b"7.x",
    "an empty token": b"7.....",
    "bytes for a token": b"7.\xff\xff.\x00",
    "a negative generation": b"-7" + GENUINE[1:],
    "no generation": GENUINE[2:],
    "a generation of sixteen digits": b"7" * 16 + GENUINE[1:],
    "another script's digit": "\u0667".encode() + GENUINE[1:],
    "cut off": GENUINE[:-1],
    "gone on": GENUINE + b"A",
    "a changed byte": GENUINE[:-30] + bytes([GENUINE[-30] ^ 1]) + GENUINE[-29:],
    "a higher generation in clear": b"8" + GENUINE[1:],
    "a lower generation in clear": b"6" + GENUINE[1:],
    "a much higher generation in clear": b"9" * 15 + GENUINE[1:],
    "of another grant": record_of(cookie(7, tokens_of(7), OTHER_GRANT)),
    "a cookie's token": b"7." + EncryptedTokens(record_keys(b"x")).encode(b"{}").encode(),
}


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE)
def test_a_cookie_with_tokens_keeps_them_beside_a_record_that_nobody_wrote(
    record: bytes | None,
) -> None:
    assert adopt(OURS, record) == OURS


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE)
def test_tokens_that_were_in_the_store_only_are_lost_with_it(record: bytes | None) -> None:
    assert adopt(without_tokens(OURS), record) == replace(
        without_tokens(OURS), error="refresh_failed"
    )


@pytest.mark.parametrize("generation", [0, 4])
def test_a_cookie_with_tokens_keeps_them_beside_an_older_record(generation: int) -> None:
    assert adopt(OURS, record_of(cookie(generation, tokens_of(generation)))) == OURS
    assert adopt(OURS, record_of(dead(generation))) == OURS


def test_a_cookie_with_tokens_keeps_them_beside_a_record_of_its_generation() -> None:
    for record in SAME_GENERATION.values():
        assert adopt(OURS, record) == OURS


SAME_GENERATION = {
    "its own": record_of(OURS),
    "other tokens": record_of(cookie(5, OTHERS)),
    "dead": record_of(dead(5)),
    "another generation inside": b"5" + GENUINE[1:],
    "garbage": b"5.x",
    "of another grant": record_of(cookie(5, tokens_of(5), OTHER_GRANT)),
}
ELSEWHERE: dict[str, bytes | None] = {
    **SAME_GENERATION,
    "nothing": None,
    "an older one": record_of(cookie(4, tokens_of(4))),
    "a newer one": record_of(cookie(6, tokens_of(6))),
}
del ELSEWHERE["its own"]


def test_the_store_has_what_was_recorded(grants: Grants) -> None:
    grants.begin(OURS)
    assert grants.has(OURS)
    assert grants.has(replace(OURS, is_recorded=True))


@pytest.mark.parametrize("record", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_store_has_no_tokens_but_those_of_its_record(
    grants: Grants, store: Store, record: bytes | None
) -> None:
    """Of a refresh that could not be recorded, beside what somebody else met meanwhile: whoever
    took it for recorded could leave the only tokens out of the cookie.
    """
    if record is not None:
        store.put(grants.record_name(GRANT), record, KEPT)
    assert not grants.has(OURS)


@pytest.mark.parametrize("generation", [6, 7, 10**14])
@pytest.mark.parametrize("held", [OURS, without_tokens(OURS)], ids=["cookie", "store"])
def test_a_newer_record_is_adopted(held: Held, generation: int) -> None:
    newer = cookie(generation, tokens_of(7))
    assert adopt(held, record_of(newer)) == replace(newer, is_recorded=True)


@pytest.mark.parametrize("held", [OURS, without_tokens(OURS)], ids=["cookie", "store"])
def test_a_newer_record_that_is_dead_is_adopted(held: Held) -> None:
    found = adopt(held, record_of(dead(6)))
    assert found == replace(dead(6), is_recorded=True)
    assert not found.account.has_tokens
    assert found.account.id_token == "id-0"


def test_tokens_that_are_in_the_store_only_come_from_there() -> None:
    assert adopt(without_tokens(OURS), record_of(OURS)) == replace(OURS, is_recorded=True)
    assert adopt(without_tokens(OURS), record_of(dead(5))) == replace(dead(5), is_recorded=True)


def test_an_older_record_is_better_than_none() -> None:
    """The store lost its last writes; but no generation is given twice."""
    found = adopt(without_tokens(OURS), record_of(cookie(3, tokens_of(3))))
    assert (found.generation, found.account, found.error) == (5, tokens_of(3), None)


@pytest.mark.parametrize("held", [OURS, without_tokens(OURS)], ids=["cookie", "store"])
def test_what_failed_for_a_cookie_is_live_again_if_a_newer_record_is(held: Held) -> None:
    """Another request with the old refresh token was refused, but the one that got the new
    tokens recorded them after all.
    """
    found = adopt(replace(held, error="refresh_failed"), record_of(cookie(6, tokens_of(6))))
    assert found == replace(cookie(6, tokens_of(6)), is_recorded=True)


def test_a_record_keeps_who_somebody_is() -> None:
    record = record_of(cookie(6, replace(tokens_of(6), provider="x", provider_account_id="x")))
    found = adopt(OURS, record)
    assert found.account == tokens_of(6)


def test_a_record_without_an_id_token_leaves_that_of_the_cookie() -> None:
    record = record_of(cookie(6, replace(tokens_of(6), id_token=None)))
    assert adopt(OURS, record).account == tokens_of(6)
    record = record_of(cookie(6, replace(tokens_of(6), id_token="id-6")))
    assert adopt(OURS, record).account == replace(tokens_of(6), id_token="id-6")


def test_what_a_record_of_a_later_release_says_besides_is_ignored() -> None:
    """As it is of an account in a cookie; a store outlives a deployment, and its way back."""
    content = {
        "gen": 6,
        "dead": False,
        "tokens": {**tokens_of(6).tokens(), "from_a_later_version": 1},
        "from_a_later_version": 1,
    }
    token = EncryptedTokens(record_keys(GRANT.encode())).encode(strict_json.dump(content))
    found = adopt(OURS, b"6." + token.encode())
    assert found == replace(cookie(6, tokens_of(6)), is_recorded=True)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"gen": 6}, id="no tokens"),
        pytest.param({"gen": 6, "dead": False, "tokens": None}, id="null"),
        pytest.param({"gen": 6, "dead": False, "tokens": 7}, id="a number"),
        pytest.param({"gen": "6", "dead": False, "tokens": {}}, id="a generation in letters"),
        pytest.param({"gen": None, "dead": False, "tokens": {}}, id="no generation"),
        pytest.param({"gen": [6], "dead": False, "tokens": {}}, id="a generation in brackets"),
    ],
)
def test_a_record_that_is_sealed_and_makes_no_sense_is_none(content: dict[str, object]) -> None:
    """Of a later release, which keeps it in another form."""
    token = EncryptedTokens(record_keys(GRANT.encode())).encode(strict_json.dump(content))
    assert adopt(OURS, b"6." + token.encode()) == OURS


@given(st.binary(max_size=200))
def test_whatever_the_store_says_is_a_record_or_none(value: bytes) -> None:
    for record in (value, b"7." + value, GENUINE[: len(value)] + value):
        assert adopt(OURS, record) in (OURS, adopt(OURS, GENUINE))


def test_every_grant_has_a_record_of_its_own() -> None:
    grants = Grants(MemoryStore(), KEPT, Clock())
    names = {grants.record_name(grant) for grant in (GRANT, OTHER_GRANT, "", GRANT.lower())}
    assert len(names) == 4


# Beginning, mending, extending, ending.


def test_tokens_that_were_recorded_are_read(grants: Grants) -> None:
    assert grants.begin(cookie()) == replace(cookie(), is_recorded=True)
    assert grants.read(without_tokens(cookie())) == replace(cookie(), is_recorded=True)
    assert grants.read(cookie()) == cookie()
    assert grants.read(cookie(grant=OTHER_GRANT)) == cookie(grant=OTHER_GRANT)


def test_a_beginning_is_not_written_over_what_is_newer(grants: Grants, store: Store) -> None:
    write_record(store, cookie(3, tokens_of(3)))
    grants.begin(cookie())
    assert grants.read(cookie()).account == tokens_of(3)


def test_a_record_is_kept_for_its_lifetime(grants: Grants, clock: Clock) -> None:
    grants.begin(cookie())
    clock.advance(KEPT - 0.01)
    assert grants.read(without_tokens(cookie())).error is None
    clock.advance(0.01)
    assert grants.read(without_tokens(cookie())).error == "refresh_failed"


def test_a_record_that_was_extended_is_kept_for_as_long_again(grants: Grants, clock: Clock) -> None:
    grants.begin(cookie())
    clock.advance(KEPT - 1)
    grants.extend(without_tokens(cookie()))
    clock.advance(KEPT - 1)
    assert grants.read(without_tokens(cookie())).account == ACCOUNT


def test_what_is_not_recorded_is_not_extended(grants: Grants, store: Store) -> None:
    grants.extend(cookie())
    assert store.get_many([grants.record_name(GRANT)]) == [None]


def test_a_refresh_is_not_undone_by_who_extends_meanwhile(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    grants = on(faulty, clock, naps)
    grants.begin(cookie())
    # Between the look and the write.
    faulty.before[3] = lambda: write_record(faulty, cookie(1, tokens_of(1)))
    grants.extend(cookie())
    assert grants.read(cookie()).account == tokens_of(1)


def test_a_sign_out_is_not_undone_by_who_extends_meanwhile(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    grants = on(faulty, clock, naps)
    grants.begin(cookie())
    faulty.before[3] = lambda: grants.end(cookie())
    grants.extend(cookie())
    assert grants.read(cookie()).error == "refresh_failed"


@pytest.mark.parametrize("held", [cookie(), OURS, without_tokens(OURS), dead(7)])
def test_of_a_session_that_is_over_no_cookie_has_tokens(grants: Grants, held: Held) -> None:
    grants.begin(cookie())
    grants.begin(cookie(grant=OTHER_GRANT))
    grants.end(cookie())
    found = grants.read(held)
    assert found.error == "refresh_failed"
    assert not found.account.has_tokens
    assert grants.read(without_tokens(cookie(grant=OTHER_GRANT))).account == ACCOUNT


@pytest.mark.parametrize("forced", [False, True], ids=["due", "forced"])
@pytest.mark.parametrize("held", [cookie(), without_tokens(cookie())], ids=["cookie", "store"])
def test_sec_217_after_a_sign_out_nobody_is_asked(
    grants: Grants, clock: Clock, held: Held, forced: bool
) -> None:
    grants.begin(cookie())
    clock.now = OVER
    grants.end(held)
    assert grants.renew(held, must_not_be_asked, forced=forced).held.error == "refresh_failed"


def test_sec_221_nothing_of_a_session_that_is_over_is_left(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    """It is said to be over for longer than anybody waits, and then forgotten."""
    grants = on(faulty, clock, naps)
    grants.begin(cookie())
    grants.end(cookie())
    assert LEASE + PATIENCE < max(end for _, end in faulty.raw().values()) - NOW < 600
    clock.advance(600)
    assert faulty.get_many(list(faulty.raw())) == [None]


LOST: dict[str, bytes | None] = {
    "nothing": None,
    "an older one": record_of(cookie(4, tokens_of(4))),
    "an older one that is dead": record_of(dead(4)),
    "garbage": b"garbage",
}
NOT_LOST = {
    "its own": record_of(OURS),
    "one of its generation that is dead": record_of(dead(5)),
    "a newer one": record_of(cookie(6, tokens_of(6))),
    "a newer one that is dead": record_of(dead(6)),
}


def read_record(grants: Grants, store: Store) -> bytes | None:
    (record,) = store.get_many([grants.record_name(GRANT)])
    return record


@pytest.mark.parametrize("record", LOST.values(), ids=LOST)
def test_what_the_store_has_lost_is_mended(
    grants: Grants, store: Store, clock: Clock, record: bytes | None
) -> None:
    if record is not None:
        store.put(grants.record_name(GRANT), record, 60)
    grants.mend(OURS, record)
    assert grants.has(OURS)
    clock.advance(KEPT - 0.01)
    assert grants.read(without_tokens(OURS)).account == OURS.account


@pytest.mark.parametrize("record", NOT_LOST.values(), ids=NOT_LOST)
def test_what_the_store_has_is_not_mended(grants: Grants, store: Store, record: bytes) -> None:
    store.put(grants.record_name(GRANT), record, 60)
    grants.mend(OURS, record)
    assert read_record(grants, store) == record


@pytest.mark.parametrize("held", [cookie(), without_tokens(OURS), dead(5)])
def test_a_cookie_has_nothing_to_mend_with(grants: Grants, store: Store, held: Held) -> None:
    """A grant that was never refreshed needs no record; and one without tokens says nothing."""
    grants.mend(held, None)
    assert read_record(grants, store) is None


@pytest.mark.parametrize("record", NOT_LOST.values(), ids=NOT_LOST)
def test_nothing_is_mended_that_somebody_wrote_meanwhile(
    grants: Grants, store: Store, record: bytes
) -> None:
    store.put(grants.record_name(GRANT), record, 60)
    grants.mend(OURS, None)
    assert read_record(grants, store) == record


def test_nobody_mends_what_has_ended(grants: Grants, store: Store) -> None:
    grants.begin(OURS)
    grants.end(OURS)
    record = read_record(grants, store)
    grants.mend(OURS, record)
    assert read_record(grants, store) == record


def test_after_mending_a_late_cookie_spends_nothing(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    """New tokens could not be recorded; then the newest cookie comes by before an old one does."""
    clock.now = OVER

    def refresh(account: Account) -> Account:
        faulty.refused |= {"compare_and_set", "delete"}
        return provider.refresh(account)

    grants = on(faulty, clock, naps)
    newest = grants.renew(cookie(), refresh).held
    assert not newest.is_recorded
    faulty.refused.clear()
    clock.advance(LEASE)
    grants.mend(replace(newest, is_recorded=False), read_record(grants, faulty))
    assert grants.renew(cookie(), must_not_be_asked).held.account == newest.account


@pytest.mark.parametrize("disturbance", ["refused", "lost"])
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda grants: grants.read(cookie()), id="read"),
        pytest.param(lambda grants: grants.begin(cookie()), id="begin"),
        pytest.param(lambda grants: grants.extend(cookie()), id="extend"),
        pytest.param(lambda grants: grants.end(cookie()), id="end"),
        pytest.param(lambda grants: grants.has(cookie()), id="has"),
        pytest.param(lambda grants: grants.mend(OURS, record_of(cookie())), id="mend"),
    ],
)
def test_sec_219_a_store_that_is_away_is_said_to_be(
    clock: Clock, naps: Naps, use: Callable[[Grants], object], disturbance: str
) -> None:
    undisturbed = FaultyStore(clock)
    write_record(undisturbed, cookie())
    use(on(undisturbed, clock, naps))
    for number in range(2, len(undisturbed.calls) + 1):
        store = FaultyStore(clock)
        write_record(store, cookie())
        getattr(store, disturbance).add(number)
        with pytest.raises(StoreUnavailable):
            use(on(store, clock, naps))


# One request.


def test_due_tokens_are_refreshed(grants: Grants, provider: Provider, clock: Clock) -> None:
    clock.now = OVER
    renewal = grants.renew(cookie(), provider.refresh)
    fresh = replace(
        ACCOUNT,
        access_token="at-1",
        refresh_token="rt-1",
        issued_at=OVER,
        expires_at=OVER + HOUR,
    )
    assert renewal == Renewal(Held(GRANT, 1, fresh, is_recorded=True), obtained=fresh)
    assert renewal.refreshed
    assert provider.asked == ["rt-0"]


def test_what_could_not_be_refreshed_before_is_well_again_when_it_is(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    clock.now = OVER
    held = replace(cookie(), error="refresh_unavailable")
    assert grants.renew(held, provider.refresh).held.error is None
    assert grants.renew(held, must_not_be_asked).held.error is None


def test_tokens_that_are_in_the_store_only_are_refreshed_there(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    grants.begin(cookie())
    clock.now = OVER
    renewal = grants.renew(without_tokens(cookie()), provider.refresh)
    assert (renewal.refreshed, renewal.held.generation) == (True, 1)
    assert grants.read(without_tokens(cookie())) == renewal.held
    assert provider.asked == ["rt-0"]


def test_sec_211_a_late_cookie_adopts_what_came_of_its_tokens(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    first = newest = cookie()
    for hour in range(1, 4):
        clock.now = OVER + hour * HOUR
        newest = grants.renew(first, provider.refresh).held
        assert newest.generation == hour
    assert grants.renew(first, must_not_be_asked) == Renewal(newest)
    assert provider.asked == ["rt-0", "rt-1", "rt-2"]


def test_the_lease_is_given_back(grants: Grants, provider: Provider, clock: Clock) -> None:
    clock.now = OVER
    held = grants.renew(cookie(), provider.refresh).held
    assert grants.renew(held, provider.refresh, forced=True).held.generation == 2
    assert provider.asked == ["rt-0", "rt-1"]


def test_a_refresh_calls_the_store_five_times(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert faulty.calls == ["get_many", "take_lease", "get_many", "compare_and_set", "delete"]
    assert naps.seconds == []


@pytest.mark.parametrize("now", [NOW, NOW + HOUR - 67])
def test_where_nothing_is_due_nobody_is_asked_and_no_lease_taken(
    faulty: FaultyStore, clock: Clock, naps: Naps, now: float
) -> None:
    clock.now = now
    assert on(faulty, clock, naps).renew(cookie(), must_not_be_asked) == Renewal(cookie())
    assert faulty.calls == ["get_many"]


def test_where_the_record_is_newer_nobody_is_asked_and_no_lease_taken(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER
    write_record(faulty, cookie(1, tokens_of(1)))
    faulty.calls.clear()
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert renewal == Renewal(replace(cookie(1, tokens_of(1)), is_recorded=True))
    assert faulty.calls == ["get_many"]


def test_a_newer_record_whose_tokens_are_due_as_well_is_refreshed(
    grants: Grants, store: Store, clock: Clock
) -> None:
    clock.now = NOW + 10 * HOUR
    write_record(store, cookie(3, tokens_of(3)))
    provider = Provider(clock)
    renewal = grants.renew(cookie(), provider.refresh)
    assert (renewal.held.generation, renewal.refreshed) == (4, True)
    assert provider.asked == ["rt-3"]


def test_whoever_gets_the_lease_looks_once_more(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    """Somebody was done, the lease given back, between the first look and the lease."""
    clock.now = OVER
    grants = on(faulty, clock, naps)
    others: list[Renewal] = []
    faulty.before[2] = lambda: others.append(grants.renew(cookie(), provider.refresh))
    renewal = grants.renew(cookie(), must_not_be_asked)
    assert renewal == Renewal(others[0].held)
    assert provider.asked == ["rt-0"]


def test_a_provider_that_does_not_rotate_is_asked_once_in_a_lifetime(
    grants: Grants, clock: Clock
) -> None:
    provider = Provider(clock, rotates=False)
    held = cookie()
    for hour in range(1, 4):
        clock.now = OVER + hour * HOUR
        for _ in range(5):
            held = grants.renew(held, provider.refresh).held
            assert (held.account.refresh_token, held.generation) == ("rt-0", hour)
        assert grants.renew(cookie(), must_not_be_asked).held == held
    assert provider.asked == ["rt-0"] * 3


def test_tokens_without_a_refresh_token_are_the_same_kind_of_record(
    grants: Grants, clock: Clock
) -> None:
    """Client credentials: what asks for new ones needs no old ones."""
    account = replace(ACCOUNT, refresh_token=None)
    provider = Provider(clock, rotates=False)
    clock.now = OVER
    renewal = grants.renew(cookie(account=account), provider.refresh)
    assert renewal.refreshed
    assert (renewal.held.account.access_token, renewal.held.account.refresh_token) == ("at-1", None)
    assert grants.renew(cookie(account=account), must_not_be_asked).held == renewal.held


def test_an_error_that_nobody_foresaw_is_not_hidden_and_gives_the_lease_back(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    clock.now = OVER
    provider.failure = RuntimeError("a mistake in a refresh callback")
    with pytest.raises(RuntimeError, match="a mistake"):
        grants.renew(cookie(), provider.refresh)
    provider.failure = None
    assert grants.renew(cookie(), Provider(clock).refresh).refreshed


def test_the_largest_tokens_that_are_taken_can_be_read_again(grants: Grants, clock: Clock) -> None:
    """A response whose cookie has no room for them leaves them to the record."""
    largest = 12 * 1024
    big = replace(
        ACCOUNT,
        access_token="a" * largest,
        refresh_token="r" * largest,
        id_token="i" * largest,
        expires_at=OVER + HOUR,
    )
    clock.now = OVER
    renewal = grants.renew(cookie(), lambda account: big)
    assert renewal.held.account == big
    assert grants.read(cookie()).account == big


# Many requests at once.


class Crowd:
    """Requests that all wait for the one that refreshes, before that is answered."""

    def __init__(self, waiting: int) -> None:
        self._expected = waiting
        self._waiting: set[int] = set()
        self._lock = Lock()
        self._all_wait = ThreadEvent()
        #: The one that refreshes has its tokens; the others look as often as they like.
        self.is_done = ThreadEvent()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._waiting.add(get_ident())
            if len(self._waiting) == self._expected:
                self._all_wait.set()
        self.is_done.wait(seconds)

    def answering(self, refresh: Refresh) -> Refresh:
        def answer(account: Account) -> Account:
            assert self._all_wait.wait(timeout=20), "somebody does not wait"
            return refresh(account)

        return answer


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_jwtsession.refresh.time", SimpleNamespace(monotonic=lambda: 0.0))


class RunningClock(Clock):
    """No two looks at it are the same."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = count()

    def __call__(self) -> float:
        now = self.now + next(self._ticks) / 10_000
        time.sleep(0)  # and who looked first may come second
        return now


@pytest.fixture(params=["memory", "sqlite"])
def running_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(RunningClock())
    else:
        store = SQLiteStore(tmp_path / "grants.sqlite3", RunningClock())
    yield store
    store.close()


@pytest.mark.usefixtures("endless_patience")
@pytest.mark.parametrize("kept", ["cookie", "store"])
@pytest.mark.parametrize("forced", [False, True], ids=["due", "forced"])
def test_sec_210_thirty_threads_ask_the_provider_once(
    running_store: Store, clock: Clock, provider: Provider, forced: bool, kept: str
) -> None:
    store = running_store
    if not forced:
        clock.now = OVER
    crowd = Crowd(29)
    grants = Grants(store, KEPT, clock, crowd.sleep)
    held = cookie()
    if kept == "store":
        grants.begin(held)
        held = without_tokens(held)

    def renew(_: int) -> Renewal:
        try:
            return grants.renew(held, crowd.answering(provider.refresh), forced=forced)
        finally:
            crowd.is_done.set()

    with ThreadPoolExecutor(30) as threads:
        renewals = list(threads.map(renew, range(30)))
    assert provider.asked == ["rt-0"]
    assert [renewal.refreshed for renewal in renewals].count(True) == 1
    for renewal in renewals:
        assert (renewal.held.generation, renewal.held.account.access_token) == (1, "at-1")
        assert renewal.held.error is None
        assert renewal.held.is_recorded


PROCESSES, THREADS = 8, 4


@dataclass(frozen=True)
class Crowds:
    """The same over processes."""

    begin: Barrier
    waiting: Synchronized[int]
    all_wait: Event
    is_done: Event


def renew_in_threads(folder: Path, number: int, crowds: Crowds) -> None:
    """One process of many, and several requests in it."""
    store = SQLiteStore(folder / "grants.sqlite3", Clock(OVER))
    of_thread = local()

    def sleep(seconds: float) -> None:
        if not hasattr(of_thread, "waits"):
            of_thread.waits = True
            with crowds.waiting.get_lock():
                crowds.waiting.value += 1
                if crowds.waiting.value == PROCESSES * THREADS - 1:
                    crowds.all_wait.set()
        crowds.is_done.wait(seconds)

    def refresh(account: Account) -> Account:
        with (folder / "asked").open("a") as asked:
            asked.write(f"{account.refresh_token}\n")
        assert crowds.all_wait.wait(timeout=20), "somebody does not wait"
        return tokens_of(1)

    def renew(_: int) -> tuple[int, str | None, bool, str | None]:
        try:
            renewal = Grants(store, KEPT, Clock(OVER), sleep).renew(cookie(), refresh)
        finally:
            crowds.is_done.set()
        held = renewal.held
        return held.generation, held.account.access_token, renewal.refreshed, held.error

    endless = SimpleNamespace(monotonic=lambda: 0.0)
    with (
        mock.patch("flask_jwtsession.refresh.time", endless),
        ThreadPoolExecutor(THREADS) as threads,
    ):
        crowds.begin.wait(timeout=60)
        found = list(threads.map(renew, range(THREADS)))
    (folder / f"{number}.json").write_text(json.dumps(found))
    store.close()


def test_sec_210_eight_processes_ask_the_provider_once(tmp_path: Path) -> None:
    """Takes some seconds: eight interpreters start."""
    context = multiprocessing.get_context("spawn")
    crowds = Crowds(
        context.Barrier(PROCESSES), context.Value("i", 0), context.Event(), context.Event()
    )
    processes = [
        context.Process(target=renew_in_threads, args=(tmp_path, number, crowds))
        for number in range(PROCESSES)
    ]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=90)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert (tmp_path / "asked").read_text() == "rt-0\n"
    found = [
        renewal
        for number in range(PROCESSES)
        for renewal in json.loads((tmp_path / f"{number}.json").read_text())
    ]
    assert sorted(found) == [[1, "at-1", False, None]] * 31 + [[1, "at-1", True, None]]


# Waiting.


@pytest.mark.parametrize("polls", [1, 2, 17, 200])
def test_who_waits_adopts_the_record_at_the_next_look(
    faulty: FaultyStore, clock: Clock, naps: Naps, polls: int
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    naps.during[polls] = lambda: write_record(faulty, cookie(1, tokens_of(1)))
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert renewal == Renewal(replace(cookie(1, tokens_of(1)), is_recorded=True))
    assert naps.seconds == [POLL] * polls
    assert POLL <= 0.05


def test_who_waits_writes_nothing(faulty: FaultyStore, clock: Clock, naps: Naps) -> None:
    """Many may be waiting, and a write of theirs is in the way of the one they wait for."""
    clock.now = OVER
    leave_lease(faulty, clock)
    naps.during[50] = lambda: write_record(faulty, cookie(1, tokens_of(1)))
    on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert faulty.calls == ["get_many"] * 50 + ["put", "get_many"]


def test_nobody_waits_while_the_access_token_is_good(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = NEARLY_OVER
    assert is_due(cookie(), clock())
    leave_lease(faulty, clock)
    assert on(faulty, clock, naps).renew(cookie(), must_not_be_asked) == Renewal(cookie())
    assert naps.seconds == []


def test_whoever_does_not_wait_leaves_the_one_that_refreshes_alone(
    grants: Grants, provider: Provider, clock: Clock, naps: Naps
) -> None:
    clock.now = NEARLY_OVER
    others: list[Renewal] = []

    def refresh(account: Account) -> Account:
        others.append(grants.renew(cookie(), must_not_be_asked))
        return provider.refresh(account)

    assert grants.renew(cookie(), refresh).refreshed
    assert others == [Renewal(cookie())]
    assert naps.seconds == []


def test_whoever_waits_goes_on_when_the_token_ended_meanwhile_and_the_lease_is_free(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    clock.advance(LEASE - 10 * POLL)
    renewal = on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert renewal.refreshed
    assert len(naps.seconds) in (10, 11)


def test_a_forced_refresh_waits_although_the_access_token_is_good(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    leave_lease(faulty, clock)
    naps.during[3] = lambda: write_record(faulty, cookie(1, tokens_of(1)))
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked, forced=True)
    assert (renewal.held.generation, renewal.refreshed) == (1, False)
    assert len(naps.seconds) == 3


@pytest.mark.parametrize("forced", [False, True], ids=["due", "forced"])
def test_patience_comes_to_an_end(
    faulty: FaultyStore, clock: Clock, naps: Naps, forced: bool
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    grants = on(faulty, clock, naps)
    renewal = grants.renew(cookie(), must_not_be_asked, forced=forced)
    assert renewal == Renewal(replace(cookie(), error="refresh_unavailable"))
    assert PATIENCE <= sum(naps.seconds) < PATIENCE + 0.1
    # And nobody else begins to wait.
    naps.seconds.clear()
    assert grants.renew(cookie(), must_not_be_asked, forced=forced) == renewal
    assert naps.seconds == []


def test_whoever_gave_up_does_no_harm_to_the_one_that_was_slow(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    clock.now = OVER
    others: list[Renewal] = []

    def slow(account: Account) -> Account:
        others.append(grants.renew(cookie(), must_not_be_asked))
        return provider.refresh(account)

    renewal = grants.renew(cookie(), slow)
    assert others[0].held.error == "refresh_unavailable"
    assert renewal.refreshed
    assert grants.renew(cookie(), must_not_be_asked).held == renewal.held


def test_who_waits_for_a_record_that_died_fails_without_asking(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    naps.during[5] = lambda: write_record(faulty, dead(1))
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert renewal == Renewal(replace(dead(1), is_recorded=True))
    assert len(naps.seconds) == 5


def test_who_waits_for_one_that_fails_does_not_try_again(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    provider.failure = unreachable()

    def fail_elsewhere() -> None:
        clock.advance(LEASE)
        on(faulty, clock, naps).renew(cookie(), provider.refresh)

    naps.during[2] = fail_elsewhere
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert renewal == Renewal(replace(cookie(), error="refresh_unavailable"))
    assert len(provider.asked) == 1


# Failures that may pass.


@pytest.mark.parametrize("now", [NEARLY_OVER, OVER], ids=["good", "over"])
def test_a_failure_that_may_pass_leaves_the_tokens(
    grants: Grants, provider: Provider, clock: Clock, now: float
) -> None:
    clock.now = now
    provider.failure = failure = unreachable()
    renewal = grants.renew(cookie(), provider.refresh)
    unavailable = replace(cookie(), error="refresh_unavailable")
    assert renewal == Renewal(unavailable, failure=failure)


def test_after_a_failure_nobody_asks_for_five_seconds(
    grants: Grants, provider: Provider, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER
    provider.failure = unreachable()
    grants.renew(cookie(), provider.refresh)
    clock.advance(PAUSE - 0.01)
    for forced in (False, True):
        renewal = grants.renew(cookie(), must_not_be_asked, forced=forced)
        assert renewal == Renewal(replace(cookie(), error="refresh_unavailable"))
    clock.advance(0.01)
    provider.failure = None
    renewal = grants.renew(cookie(), Provider(clock).refresh)
    assert (renewal.refreshed, renewal.held.error) == (True, None)
    assert naps.seconds == []
    assert PAUSE == 5


def test_a_failure_of_one_grant_is_none_of_another(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    clock.now = OVER
    provider.failure = unreachable()
    grants.renew(cookie(), provider.refresh)
    assert grants.renew(cookie(grant=OTHER_GRANT), Provider(clock).refresh).refreshed


def test_whoever_gets_the_lease_of_one_that_failed_does_not_try_again(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    """Between the first look, which saw no pause, and the lease."""
    clock.now = OVER
    grants = on(faulty, clock, naps)
    provider.failure = unreachable()
    faulty.before[2] = lambda: grants.renew(cookie(), provider.refresh)
    renewal = grants.renew(cookie(), provider.refresh)
    assert renewal.held.error == "refresh_unavailable"
    assert len(provider.asked) == 1


def test_who_gets_new_tokens_meanwhile_needs_no_pause(
    grants: Grants, store: Store, provider: Provider, clock: Clock
) -> None:
    clock.now = OVER
    provider.failure = unreachable()
    grants.renew(cookie(), provider.refresh)
    write_record(store, cookie(1, tokens_of(1)))
    assert grants.renew(cookie(), must_not_be_asked).held.error is None


# Failures that do not.


def test_a_grant_that_is_refused_is_dead(grants: Grants, provider: Provider, clock: Clock) -> None:
    clock.now = OVER
    provider.failure = refusal = refused()
    renewal = grants.renew(cookie(), provider.refresh)
    assert renewal == Renewal(replace(dead(1), is_recorded=True), failure=refusal.error)
    assert not renewal.held.account.has_tokens
    assert renewal.held.account.id_token == "id-0"


@pytest.mark.parametrize("forced", [False, True], ids=["due", "forced"])
@pytest.mark.parametrize(
    "held",
    [
        pytest.param(cookie(), id="an old cookie"),
        pytest.param(dead(1), id="the cookie of the refusal"),
        pytest.param(without_tokens(cookie()), id="tokens in the store"),
    ],
)
def test_a_dead_grant_is_not_asked_for_again(
    grants: Grants, provider: Provider, clock: Clock, held: Held, forced: bool
) -> None:
    clock.now = OVER
    provider.failure = refused()
    grants.renew(cookie(), provider.refresh)
    for _ in range(3):
        renewal = grants.renew(held, must_not_be_asked, forced=forced)
        assert renewal == Renewal(replace(dead(1), is_recorded=True))
        clock.advance(HOUR)


def test_a_grant_of_the_store_that_is_refused_is_dead(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    grants.begin(cookie())
    clock.now = OVER
    provider.failure = refused()
    assert not grants.renew(without_tokens(cookie()), provider.refresh).held.account.has_tokens
    assert grants.read(without_tokens(cookie())) == replace(dead(1), is_recorded=True)


@pytest.mark.parametrize("begun", [False, True])
def test_a_refusal_is_not_believed_when_somebody_has_new_tokens(
    grants: Grants, store: Store, clock: Clock, begun: bool
) -> None:
    """Somebody who lost the lease has spent the refresh token after all."""
    if begun:
        grants.begin(cookie())
    clock.now = OVER

    def refuse(account: Account) -> Account:
        write_record(store, cookie(1, tokens_of(1)))
        raise refused()

    renewal = grants.renew(cookie(), refuse)
    assert renewal == Renewal(replace(cookie(1, tokens_of(1)), is_recorded=True))
    assert grants.read(cookie()) == renewal.held


def test_a_refusal_is_not_written_over_new_tokens_that_come_at_the_last_moment(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    """After the last look, and before the write."""
    clock.now = OVER
    provider.failure = refused()
    faulty.before[5] = lambda: write_record(faulty, cookie(1, tokens_of(1)))
    renewal = on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert renewal.held == replace(cookie(1, tokens_of(1)), is_recorded=True)


# Refreshed though not due.


def test_a_forced_refresh_does_not_ask_whether_it_is_due(
    grants: Grants, provider: Provider
) -> None:
    renewal = grants.renew(cookie(), provider.refresh, forced=True)
    assert (renewal.refreshed, renewal.held.generation) == (True, 1)
    endless = replace(cookie(grant=OTHER_GRANT), account=replace(ACCOUNT, expires_at=None))
    assert grants.renew(endless, Provider(Clock()).refresh, forced=True).refreshed


def test_a_forced_refresh_is_content_with_newer_tokens(grants: Grants, provider: Provider) -> None:
    first = grants.renew(cookie(), provider.refresh, forced=True).held
    assert grants.renew(cookie(), must_not_be_asked, forced=True) == Renewal(first)
    assert grants.renew(first, provider.refresh, forced=True).held.generation == 2


def test_a_forced_refresh_is_not_content_with_newer_tokens_that_are_over_too(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    """To ask for more may not give less."""
    grants.renew(cookie(), provider.refresh, forced=True)
    clock.now = OVER + HOUR
    renewal = grants.renew(cookie(), provider.refresh, forced=True)
    assert (renewal.held.generation, renewal.refreshed) == (2, True)


# A holder that dies.


def test_sec_219_the_lease_of_the_dead_is_free_after_twelve_seconds(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = NEARLY_OVER
    leave_lease(faulty, clock)
    grants = on(faulty, clock, naps)
    clock.advance(LEASE - 0.01)
    assert grants.renew(cookie(), must_not_be_asked) == Renewal(cookie())
    clock.advance(0.01)
    assert grants.renew(cookie(), provider.refresh).refreshed
    assert LEASE == 12


def ask_and_die(path: Path) -> None:
    def die(account: Account) -> Account:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    Grants(SQLiteStore(path, Clock(OVER)), KEPT, Clock(OVER)).renew(cookie(), die)


def test_sec_219_a_process_that_is_killed_holds_nobody_up_for_longer(
    tmp_path: Path, clock: Clock, naps: Naps, provider: Provider
) -> None:
    path = tmp_path / "grants.sqlite3"
    process = multiprocessing.get_context("spawn").Process(target=ask_and_die, args=(path,))
    process.start()
    try:
        process.join(timeout=60)
    finally:
        if process.is_alive():
            process.kill()
            process.join()
    assert process.exitcode == -signal.SIGKILL
    store = SQLiteStore(path, clock)
    clock.now = OVER + LEASE - 1
    renewal = on(store, clock, naps).renew(cookie(), provider.refresh)
    store.close()
    assert renewal.refreshed
    assert sum(naps.seconds) == pytest.approx(1, abs=2 * POLL)


GARBAGE = [b"", b" ", b"x", b"1", b"\xff\xfe", b"nan x", b"inf x", b"1e400 x", b"x" * 10_000]


def pause(store: FaultyStore, clock: Clock) -> None:
    """Somebody could not ask the provider."""
    provider = Provider(clock)
    provider.failure = unreachable()
    Grants(store, KEPT, clock).renew(cookie(), provider.refresh, forced=True)


@pytest.mark.parametrize("leave", [leave_lease, pause], ids=["lease", "pause"])
@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value)[:12])
def test_a_mark_that_nobody_wrote_is_one_at_most(
    faulty: FaultyStore,
    clock: Clock,
    naps: Naps,
    leave: Callable[[FaultyStore, Clock], None],
    value: bytes,
) -> None:
    clock.now = OVER
    leave(faulty, clock)
    for name in faulty.raw():
        faulty.put(name, value, LEASE)
    grants = on(faulty, clock, naps)
    is_a_number = value[:3] in (b"1", b"nan", b"inf", b"1e4")
    asks = Provider(clock).refresh if is_a_number else must_not_be_asked
    held = grants.renew(cookie(), asks).held
    assert held.account.has_tokens
    assert is_a_number or held.error == "refresh_unavailable"
    clock.advance(LEASE)
    assert grants.renew(cookie(), Provider(clock).refresh).held.error is None


@pytest.mark.parametrize("leave", [leave_lease, pause], ids=["lease", "pause"])
def test_a_clock_that_is_set_back_holds_nobody_up(
    faulty: FaultyStore,
    clock: Clock,
    naps: Naps,
    provider: Provider,
    leave: Callable[[FaultyStore, Clock], None],
) -> None:
    """What was left a moment ago seems to be from tomorrow, and to last until then."""
    clock.now = OVER + 86_400
    leave(faulty, clock)
    clock.now = OVER
    assert on(faulty, clock, naps).renew(cookie(), provider.refresh).refreshed
    assert naps.seconds == []


@pytest.mark.parametrize("seconds", [0.001, 1.0, 30.0])
def test_a_clock_that_is_set_back_by_a_moment_takes_no_lease_away(
    grants: Grants, provider: Provider, clock: Clock, seconds: float
) -> None:
    clock.now = OVER
    others: list[Renewal] = []

    def refresh(account: Account) -> Account:
        clock.advance(-seconds)
        others.append(grants.renew(cookie(), must_not_be_asked, forced=True))
        return provider.refresh(account)

    assert grants.renew(cookie(), refresh).refreshed
    assert others[0].held.error == "refresh_unavailable"


@pytest.mark.parametrize("leave", [leave_lease, pause], ids=["lease", "pause"])
def test_machines_whose_clocks_differ_respect_each_other(
    faulty: FaultyStore,
    clock: Clock,
    naps: Naps,
    leave: Callable[[FaultyStore, Clock], None],
) -> None:
    clock.now = OVER + 30
    leave(faulty, clock)
    clock.now = OVER
    renewal = on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert renewal.held.error == "refresh_unavailable"


# A store that fails. The calls of a refresh: look, lease, look, (provider), write, give back.

disturbances = pytest.mark.parametrize("disturbance", ["refused", "lost"])
records = pytest.mark.parametrize("begun", [False, True], ids=["no record", "a record"])


@disturbances
@records
@pytest.mark.parametrize("number", [1, 2, 3])
def test_sec_219_a_store_that_fails_before_the_provider_was_asked(
    faulty: FaultyStore, clock: Clock, naps: Naps, number: int, disturbance: str, begun: bool
) -> None:
    grants = on(faulty, clock, naps)
    if begun:
        grants.begin(cookie())
        faulty.calls.clear()
    clock.now = OVER
    getattr(faulty, disturbance).add(number)
    with pytest.raises(StoreUnavailable):
        grants.renew(cookie(), must_not_be_asked)
    # Whatever is left of it is over with the lease.
    clock.advance(LEASE)
    assert grants.renew(cookie(), Provider(clock).refresh).refreshed


@disturbances
@records
@pytest.mark.parametrize("number", [4, 5])
def test_sec_219_a_store_that_fails_after_the_provider_was_asked(
    faulty: FaultyStore,
    clock: Clock,
    naps: Naps,
    provider: Provider,
    number: int,
    disturbance: str,
    begun: bool,
) -> None:
    grants = on(faulty, clock, naps)
    if begun:
        grants.begin(cookie())
        faulty.calls.clear()
    clock.now = OVER
    getattr(faulty, disturbance).add(number)
    renewal = grants.renew(cookie(), provider.refresh)
    assert (renewal.refreshed, renewal.held.generation) == (True, 1)
    assert renewal.held.account.access_token == "at-1"
    assert renewal.held.is_recorded
    assert grants.renew(cookie(), must_not_be_asked).held == renewal.held
    clock.advance(LEASE)
    assert grants.renew(renewal.held, provider.refresh, forced=True).refreshed
    assert provider.asked == ["rt-0", "rt-1"]


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_sec_219_a_write_is_tried_again(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider, failures: int
) -> None:
    clock.now = OVER
    faulty.refused |= set(range(4, 4 + failures))
    renewal = on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert renewal.held.is_recorded
    assert len(naps.seconds) == failures
    assert sum(naps.seconds) < 2
    assert provider.asked == ["rt-0"]


def test_sec_219_a_write_whose_answer_is_lost_is_recognised(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    faulty.lost.add(4)
    renewal = on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert (renewal.refreshed, renewal.held.generation) == (True, 1)
    assert renewal.held.is_recorded
    # The write, once more the write, and a look at what is there.
    assert faulty.calls[3:] == ["compare_and_set", "compare_and_set", "get_many", "delete"]


def test_a_write_whose_answer_is_lost_and_that_somebody_went_on_from(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    faulty.lost.add(4)
    naps.during[1] = lambda: write_record(faulty, cookie(2, tokens_of(2)))
    renewal = on(faulty, clock, naps).renew(cookie(), provider.refresh)
    assert renewal.held == replace(cookie(2, tokens_of(2)), is_recorded=True)
    assert not renewal.refreshed


def test_sec_219_a_store_that_stays_away_costs_this_caller_nothing(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    """Its response has the new tokens, and the browser sends them from then on."""
    clock.now = OVER

    def refresh(account: Account) -> Account:
        faulty.refused |= {"get_many", "put", "compare_and_set", "take_lease", "delete"}
        return provider.refresh(account)

    grants = on(faulty, clock, naps)
    renewal = grants.renew(cookie(), refresh)
    assert (renewal.refreshed, renewal.held.generation) == (True, 1)
    assert renewal.held.account.refresh_token == "rt-1"
    assert not renewal.held.is_recorded
    assert renewal.held.error is None

    faulty.refused.clear()
    assert grants.read(renewal.held) == renewal.held
    clock.now = OVER + HOUR
    again = grants.renew(renewal.held, provider.refresh)
    assert (again.refreshed, again.held.generation, again.held.is_recorded) == (True, 2, True)
    assert provider.asked == ["rt-0", "rt-1"]
    # And whoever still has the tokens from before finds them.
    assert grants.renew(cookie(), must_not_be_asked).held == again.held


def test_tokens_that_were_not_recorded_outlive_the_refusal_of_those_before(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    provider = Provider(clock)
    clock.now = OVER

    def refresh(account: Account) -> Account:
        faulty.refused |= {"compare_and_set", "delete"}
        return provider.refresh(account)

    grants = on(faulty, clock, naps)
    ours = grants.renew(cookie(), refresh).held
    faulty.refused.clear()
    clock.advance(LEASE)

    def refuse(account: Account) -> Account:
        raise refused()

    assert grants.renew(cookie(), refuse).held.error == "refresh_failed"
    assert grants.read(ours).account == ours.account
    clock.now = OVER + HOUR
    again = grants.renew(ours, provider.refresh)
    assert (again.refreshed, again.held.generation) == (True, 2)
    assert grants.renew(cookie(), must_not_be_asked).held == again.held


@disturbances
@pytest.mark.parametrize(
    ("failure", "numbers", "error"),
    [
        pytest.param(unreachable(), [4, 5], "refresh_unavailable", id="unavailable"),
        pytest.param(refused(), [4, 5, 6], "refresh_failed", id="refused"),
    ],
)
def test_sec_219_a_store_that_fails_after_the_provider_failed(
    clock: Clock,
    naps: Naps,
    failure: Exception,
    numbers: list[int],
    error: str,
    disturbance: str,
) -> None:
    clock.now = OVER
    for number in [None, *numbers]:
        store = FaultyStore(clock)
        if number is not None:
            getattr(store, disturbance).add(number)
        provider = Provider(clock)
        provider.failure = failure
        renewal = on(store, clock, naps).renew(cookie(), provider.refresh)
        assert renewal.held.error == error
        assert renewal.failure is not None
        assert renewal.held.account.has_tokens is (error == "refresh_unavailable")
        if number is None:
            assert len(store.calls) == numbers[-1]


def test_sec_219_a_store_that_stays_away_while_the_grant_is_refused(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER

    def refuse(account: Account) -> Account:
        faulty.refused |= {"get_many", "put", "compare_and_set", "take_lease", "delete"}
        raise refused()

    renewal = on(faulty, clock, naps).renew(cookie(), refuse)
    assert renewal.held == dead(1)
    assert renewal.failure is not None


def test_sec_219_a_store_that_goes_away_while_somebody_waits(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    naps.during[4] = lambda: faulty.refused.add("get_many")
    with pytest.raises(StoreUnavailable):
        on(faulty, clock, naps).renew(cookie(), must_not_be_asked)
    assert len(naps.seconds) == 4


@given(
    st.dictionaries(st.integers(1, 14), st.sampled_from(["refused", "lost"]), max_size=3),
    st.booleans(),
)
def test_sec_219_whichever_three_calls_fail_the_provider_is_asked_once(
    faults: dict[int, str], begun: bool
) -> None:
    clock = Clock()
    naps = Naps(clock)
    store = FaultyStore(clock)
    with mock.patch("flask_jwtsession.refresh.time", SimpleNamespace(monotonic=clock)):
        grants = on(store, clock, naps)
        if begun:
            grants.begin(cookie())
            store.calls.clear()
        clock.now = OVER
        for number, disturbance in faults.items():
            getattr(store, disturbance).add(number)
        provider = Provider(clock)
        try:
            held = grants.renew(cookie(), provider.refresh).held
        except StoreUnavailable:
            assert provider.asked == []
        else:
            assert (held.generation, held.account.access_token) == (1, "at-1")
            assert held.is_recorded
        store.refused.clear()
        store.lost.clear()
        clock.advance(LEASE)
        afterwards = grants.renew(cookie(), provider.refresh).held
    assert (afterwards.generation, afterwards.account.access_token) == (1, "at-1")
    assert provider.asked == ["rt-0"]


# A store in which something else was written meanwhile.


def test_whoever_lost_the_lease_adopts_what_the_other_one_got(grants: Grants, clock: Clock) -> None:
    provider = Provider(clock, forgives=True)
    clock.now = OVER
    others: list[Renewal] = []

    def stalled(account: Account) -> Account:
        clock.advance(LEASE)
        others.append(grants.renew(cookie(), provider.refresh))
        return provider.refresh(account)

    renewal = grants.renew(cookie(), stalled)
    assert others[0].refreshed
    assert not renewal.refreshed
    assert renewal.held == others[0].held
    assert renewal.obtained is not None  # to be given back
    assert renewal.obtained.access_token == "at-2"
    assert grants.read(cookie()) == others[0].held


def test_a_lease_that_was_lost_is_not_taken_from_its_new_holder(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    clock.now = OVER
    grants = on(faulty, clock, naps)

    def stalled(account: Account) -> Account:
        clock.advance(LEASE)
        leave_lease(faulty, clock)
        return provider.refresh(account)

    held = grants.renew(cookie(), stalled).held
    assert held.generation == 1
    renewal = grants.renew(held, must_not_be_asked, forced=True)
    assert renewal.held.error == "refresh_unavailable"
    assert sum(naps.seconds) >= PATIENCE


OTHER_RECORDS: dict[str, bytes | None] = {
    "none": None,
    "an older one": record_of(cookie(1, tokens_of(1))),
    "an older one that is dead": record_of(dead(2)),
    "garbage": b"garbage",
    "a high generation without content": b"99.x",
    "one of another grant": record_of(cookie(99, tokens_of(99), OTHER_GRANT)),
}


@pytest.mark.parametrize("record", OTHER_RECORDS.values(), ids=OTHER_RECORDS)
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_new_tokens_are_recorded_whatever_the_store_made_of_the_old_record(
    grants: Grants, store: Store, clock: Clock, record: bytes | None, moment: str
) -> None:
    """It was deleted, it lost its last writes, or somebody tampered with it."""
    name = grants.record_name(GRANT)
    write_record(store, OURS)

    def disturb() -> None:
        store.delete(name)
        if record is not None:
            store.put(name, record, KEPT)

    if moment == "before":
        disturb()

    def refresh(account: Account) -> Account:
        if moment == "meanwhile":
            disturb()
        return tokens_of(9)

    assert OURS.account.expires_at is not None
    clock.now = OURS.account.expires_at + 1
    renewal = grants.renew(OURS, refresh)
    assert renewal.refreshed
    assert renewal.held == replace(cookie(6, tokens_of(9)), is_recorded=True)
    assert grants.read(OURS) == renewal.held


def test_the_store_lost_writes_and_the_generation_goes_on_from_the_cookie(
    grants: Grants, store: Store, provider: Provider, clock: Clock
) -> None:
    write_record(store, cookie(1, tokens_of(1)))
    clock.now = OVER + 5 * HOUR
    held = grants.renew(OURS, provider.refresh).held
    assert held.generation == 6
    assert provider.asked == ["rt-5"]
    assert grants.renew(cookie(2, tokens_of(2)), must_not_be_asked).held == held


def test_sec_217_a_sign_out_overtakes_the_refresh_that_is_under_way(
    grants: Grants, provider: Provider, clock: Clock
) -> None:
    """Whoever asked is told what it got, to give it back."""
    clock.now = OVER

    def refresh(account: Account) -> Account:
        grants.end(cookie())
        return provider.refresh(account)

    renewal = grants.renew(cookie(), refresh)
    assert renewal.held.error == "refresh_failed"
    assert not renewal.held.account.has_tokens
    assert not renewal.refreshed
    assert renewal.obtained is not None
    assert renewal.obtained.refresh_token == "rt-1"
    assert grants.read(cookie()).error == "refresh_failed"


def test_sec_217_a_sign_out_overtakes_who_waits(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    clock.now = OVER
    leave_lease(faulty, clock)
    grants = on(faulty, clock, naps)
    naps.during[7] = lambda: grants.end(cookie())
    assert grants.renew(cookie(), must_not_be_asked).held.error == "refresh_failed"
    assert len(naps.seconds) == 7


# What is in the store.


def play_everything(grants: Grants, clock: Clock) -> None:
    """One grant is refreshed, one is refused, and of one nobody can be asked."""

    def refuse(account: Account) -> Account:
        raise refused()

    def fail(account: Account) -> Account:
        raise unreachable()

    clock.now = OVER
    grants.renew(cookie(), Provider(clock).refresh)
    grants.renew(cookie(grant=OTHER_GRANT), refuse)
    grants.renew(cookie(grant=GRANT[::-1]), fail)


SECRETS = re.compile(
    "|".join(
        [
            *(GRANT, GRANT[::-1], OTHER_GRANT, "[ar]t-[0-9]", "id-0", "the-provider"),
            *("account-42", "offline_access", "Bearer", "access_token", "jwtsession"),
        ]
    ).encode()
)


def test_sec_221_the_store_shows_nobody_and_everything_ends(
    faulty: FaultyStore, clock: Clock, naps: Naps
) -> None:
    faulty.refused.add("delete")  # so that leases are left, too
    play_everything(on(faulty, clock, naps), clock)
    entries = faulty.raw()
    for name, (value, _) in entries.items():
        assert re.fullmatch("[A-Za-z0-9_-]{22,64}", name)
        assert not SECRETS.search(value)
        for segment in re.findall(rb"[A-Za-z0-9_-]{4,}", value):
            decoded = base64.urlsafe_b64decode(segment[: len(segment) // 4 * 4])
            assert not SECRETS.search(decoded)
    lifetimes = sorted(end - OVER for _, end in entries.values())
    assert lifetimes == [PAUSE, LEASE, LEASE, LEASE, KEPT, KEPT]


def test_sec_221_the_file_shows_nobody(tmp_path: Path, clock: Clock, naps: Naps) -> None:
    store = SQLiteStore(tmp_path / "grants.sqlite3", clock)
    grants = on(store, clock, naps)
    play_everything(grants, clock)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert grants.record_name(GRANT).encode() in written
    assert not SECRETS.search(written)


def test_sec_221_two_records_of_the_same_tokens_have_nothing_in_common() -> None:
    one, other = record_of(cookie()), record_of(cookie())
    header, rest = one.rsplit(b"..", 1)
    assert other.startswith(header)
    assert not set(rest.split(b".")) & set(other.rsplit(b"..", 1)[1].split(b"."))


def test_sec_221_a_grant_takes_one_entry_however_often_it_is_refreshed(
    faulty: FaultyStore, clock: Clock, naps: Naps, provider: Provider
) -> None:
    held = cookie()
    for _ in range(50):
        held = on(faulty, clock, naps).renew(held, provider.refresh, forced=True).held
        clock.advance(1)
    assert held.generation == 50
    assert len(faulty.raw()) == 1


# Any order of steps.


class Turns:
    """Threads of which one runs at a time; at each step another one may go on."""

    def __init__(self) -> None:
        self._back = Semaphore(0)
        self._of_thread = local()

    def step(self) -> None:
        """Somebody else's turn, perhaps."""
        turn: Semaphore | None = getattr(self._of_thread, "turn", None)
        if turn is not None:
            self._back.release()
            turn.acquire()

    def run(self, tasks: list[Callable[[], None]], order: list[int]) -> None:
        """Run them to their end. ``order`` says who goes on, of those that still run; after that it
        is the first.
        """
        turns = [_Turn(task) for task in tasks]
        threads = [Thread(target=self._begin, args=(turn,), daemon=True) for turn in turns]
        for thread in threads:
            thread.start()
        running, choices = list(turns), iter(order)
        while running:
            one = running[next(choices, 0) % len(running)]
            one.may_go_on.release()
            assert self._back.acquire(timeout=30), "a step does not come to its end"
            if one.is_done:
                running.remove(one)
        for thread in threads:
            thread.join(timeout=30)
        for one in turns:
            if one.error is not None:
                raise one.error

    def _begin(self, one: _Turn) -> None:
        one.may_go_on.acquire()
        self._of_thread.turn = one.may_go_on
        try:
            one.task()
        except BaseException as error:
            one.error = error
        one.is_done = True
        self._back.release()


@dataclass
class _Turn:
    task: Callable[[], None]
    may_go_on: Semaphore = field(default_factory=lambda: Semaphore(0))
    is_done: bool = False
    error: BaseException | None = None


@dataclass(frozen=True)
class Moment:
    """Requests at the same moment.

    :ivar passed: seconds since the moment before
    :ivar requests: of each, which it has of all cookies that there ever were, and whether it wants
        new tokens in any case
    :ivar order: in which their steps are taken
    """

    passed: float
    requests: list[tuple[int, bool]]
    order: list[int]


class World:
    """A grant, its provider, and a browser that sends any cookie that it ever got."""

    def __init__(self, kept: str, faults: dict[int, str]) -> None:
        self.clock = Clock()
        self.provider = Provider(self.clock)
        self.store = FaultyStore(self.clock)
        self.kept = kept
        self._turns = Turns()
        self._slept = local()
        self._is_asked = False
        self.grants = Grants(self.store, KEPT, self.clock, self._sleep)
        self.cookies = [cookie()]
        if kept == "store":
            self.grants.begin(cookie())
            self.cookies = [without_tokens(cookie())]
            self.store.calls.clear()
        self.store.each_time = self._turns.step
        for number, disturbance in faults.items():
            getattr(self.store, disturbance).add(number)

    def monotonic(self) -> float:
        """Everybody's patience is their own; otherwise no time passes within a moment."""
        return float(getattr(self._slept, "seconds", 0.0))

    def play(self, moment: Moment) -> list[Renewal]:
        """What becomes of the requests, but for those to which the store failed."""
        self.clock.advance(moment.passed)
        renewals: list[Renewal] = []

        def request(held: Held, forced: bool) -> None:
            recorded = self._recorded()
            try:
                (record,) = self.store.get_many([self.grants.record_name(GRANT)])
                newest = self.grants.adopt(held, record)
                self.grants.mend(newest, record)
                # Newer tokens than the cookie's are new enough for who wants new ones.
                wanted = forced and newest.generation == held.generation
                renewal = self.grants.renew(newest, self._ask, forced=wanted)
            except StoreUnavailable:
                return
            assert renewal.held.generation >= max(recorded, held.generation)
            renewals.append(renewal)

        def task(which: int, forced: bool) -> Callable[[], None]:
            held = self.cookies[which % len(self.cookies)]
            return lambda: request(held, forced)

        with mock.patch("flask_jwtsession.refresh.time", SimpleNamespace(monotonic=self.monotonic)):
            self._turns.run([task(*request) for request in moment.requests], moment.order)
        for renewal in renewals:
            sent = replace(renewal.held, error=None, is_recorded=False)
            self.cookies.append(without_tokens(sent) if self.kept == "store" else sent)
        return renewals

    def _ask(self, account: Account) -> Account:
        assert not self._is_asked, "two ask at once"
        self._is_asked = True
        self._turns.step()
        refreshed = self.provider.refresh(account)
        self._turns.step()
        self._is_asked = False
        return refreshed

    def _sleep(self, seconds: float) -> None:
        self._slept.seconds = self.monotonic() + max(seconds, 1.0)  # five looks are all
        self._turns.step()

    def _recorded(self) -> int:
        record, _ = self.store.raw().get(self.grants.record_name(GRANT), (b"0.", 0.0))
        return int(record.partition(b".")[0])


MOMENTS = st.lists(
    st.builds(
        Moment,
        passed=st.sampled_from([0.0, LEASE, NEARLY_OVER - NOW, OVER - NOW, 5 * HOUR]),
        requests=st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=4),
        order=st.lists(st.integers(0, 3), max_size=80),
    ),
    min_size=1,
    max_size=4,
)


def check_that_the_grant_lives(world: World, moments: list[Moment]) -> None:
    for moment in moments:
        asked = len(world.provider.asked)
        for renewal in world.play(moment):
            assert renewal.held.account.access_token == f"at-{renewal.held.generation}"
            assert renewal.held.error in (None, "refresh_unavailable")
            assert renewal.failure is None
        assert len(world.provider.asked) <= asked + 1
    # Then nothing fails any more, and the oldest cookie of all is as good as any.
    world.store.refused.clear()
    world.store.lost.clear()
    (renewal,) = world.play(Moment(OVER - NOW, [(0, False)], []))
    assert renewal.refreshed
    assert renewal.held.generation == len(world.provider.asked)
    assert not world.provider.is_over


@pytest.mark.parametrize("kept", ["cookie", "store"])
@given(moments=MOMENTS)
def test_sec_210_no_order_of_steps_spends_a_refresh_token_twice(
    kept: str, moments: list[Moment]
) -> None:
    check_that_the_grant_lives(World(kept, {}), moments)


@pytest.mark.parametrize("kept", ["cookie", "store"])
@given(
    moments=MOMENTS,
    faults=st.dictionaries(st.integers(1, 60), st.sampled_from(["refused", "lost"]), max_size=3),
)
def test_sec_219_no_order_of_steps_does_so_in_a_store_that_fails_three_times(
    kept: str, moments: list[Moment], faults: dict[int, str]
) -> None:
    """One write is tried four times."""
    check_that_the_grant_lives(World(kept, faults), moments)
