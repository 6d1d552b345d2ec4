"""Records and leases: what is read of them, written over them, and thought of their age.

How they are used is in the tests of those who keep them: of provider tokens, of refresh cookies.
"""

from __future__ import annotations

import re

import pytest

from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.records import (
    LAST_GENERATION,
    LEASE,
    Records,
    generation_of,
    name_of,
    new_grant,
    seal,
    unseal,
)
from flask_jwtsession.stores import LARGEST_SKEW
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import record_keys

from .faulty_store import FaultyStore
from .support import NOW, Clock
from .test_refresh import Naps

GRANT, OTHER_GRANT = "2Vtq9ZkQxu5H0cMwT8rBfA", "hN3yWm1sLd7JpEoKgX6vCQ"
KEPT = 86_400.0


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def naps(clock: Clock) -> Naps:
    return Naps(clock)


@pytest.fixture
def records(store: FaultyStore, clock: Clock, naps: Naps) -> Records:
    return Records(store, KEPT, clock, naps)


def adopt(record: bytes | None) -> str | None:
    """What a writer makes of somebody else's record."""
    content = unseal(GRANT, record)
    return None if content is None else str(content["by"])


def record_by(name: str, generation: int = 1) -> bytes:
    return seal(GRANT, generation, {"by": name})


# What is read.


@pytest.mark.parametrize("generation", [0, 1, 7, LAST_GENERATION])
def test_a_record_says_what_was_put_into_it(generation: int) -> None:
    record = seal(GRANT, generation, {"a": [1, "é", None]})
    assert unseal(GRANT, record) == {"gen": generation, "a": [1, "é", None]}
    assert generation_of(record) == generation


@pytest.mark.parametrize(
    ("record", "generation"),
    [
        (None, None),
        (b"", None),
        (b"7", None),
        (b".", None),
        (b"-7.x", None),
        (b" 7.x", None),
        (b"7 .x", None),
        ("\u0667.x".encode(), None),
        (b"7.", 7),
        (b"007.x", 7),
        (b"9" * 15 + b".x", LAST_GENERATION),
        (b"9" * 16 + b".x", None),
    ],
)
def test_the_generation_is_in_front(record: bytes | None, generation: int | None) -> None:
    assert generation_of(record) == generation


def test_a_record_whose_generation_in_clear_is_another_one_is_none() -> None:
    """Nothing protects that one, and a writer goes by it."""
    record = seal(GRANT, 7, {})
    assert unseal(GRANT, record) is not None
    for other in (b"8", b"6", b"77", b""):
        assert unseal(GRANT, other + record[1:]) is None


@pytest.mark.parametrize("payload", [b"[]", b"null", b"{}", b'{"gen": "7"}', b'{"gen": NaN}'])
def test_an_authentic_text_that_is_no_record_is_none(payload: bytes) -> None:
    token = EncryptedTokens(record_keys(GRANT.encode())).encode(payload)
    assert unseal(GRANT, b"7." + token.encode()) is None


def test_what_is_kept_of_one_grant_has_names_of_its_own() -> None:
    names = {
        name_of(grant, what)
        for grant in (GRANT, OTHER_GRANT)
        for what in ("record", "lease", "rotation", "rotation lease")
    }
    assert len(names) == 8
    assert all(re.fullmatch("[A-Za-z0-9_-]{22,64}", name) for name in names)


# What is written.


def test_a_record_is_written_over_an_older_one(records: Records, store: FaultyStore) -> None:
    old, new = record_by("them", 1), record_by("us", 2)
    store.put("name", old, 1.0)
    assert records.write("name", old, new, adopt) == (True, None)
    assert store.raw() == {"name": (new, NOW + KEPT)}


@pytest.mark.parametrize("known", [None, record_by("somebody", 0)])
def test_a_record_that_became_old_meanwhile_is_written_over(
    records: Records, store: FaultyStore, known: bytes | None
) -> None:
    store.put("name", record_by("them", 1), KEPT)
    assert records.write("name", known, record_by("us", 2), adopt) == (True, None)
    assert adopt(store.raw()["name"][0]) == "us"


@pytest.mark.parametrize("generation", [2, 3, LAST_GENERATION])
def test_a_record_as_new_of_somebody_who_was_faster_is_taken(
    records: Records, store: FaultyStore, generation: int
) -> None:
    theirs = record_by("them", generation)
    store.put("name", theirs, KEPT)
    assert records.write("name", None, record_by("us", 2), adopt) == (False, "them")
    assert store.raw()["name"][0] == theirs


@pytest.mark.parametrize(
    "theirs", [b"99.x", b"garbage", seal(OTHER_GRANT, 99, {"by": "a stranger"})]
)
def test_what_nobody_can_read_is_written_over_whatever_it_says_it_is(
    records: Records, store: FaultyStore, theirs: bytes
) -> None:
    store.put("name", theirs, KEPT)
    assert records.write("name", None, record_by("us"), adopt) == (True, None)
    assert adopt(store.raw()["name"][0]) == "us"


def test_a_write_is_tried_four_times_and_then_given_up(
    records: Records, store: FaultyStore, naps: Naps
) -> None:
    store.refused.add("compare_and_set")
    assert records.write("name", None, record_by("us"), adopt) == (False, None)
    assert store.calls == ["compare_and_set"] * 4
    assert sum(naps.seconds) < 2


def test_a_write_whose_answer_was_lost_was_a_write(
    records: Records, store: FaultyStore, naps: Naps
) -> None:
    store.lost.add(1)
    assert records.write("name", None, record_by("us"), adopt) == (True, None)
    assert len(naps.seconds) == 1


# Marks, and the leases that they are.


def test_a_mark_is_nobody_elses(records: Records) -> None:
    marks = {records.mark() for _ in range(100)}
    assert len(marks) == 100
    assert len(min(marks)) > 22


@pytest.mark.parametrize(
    ("seconds", "is_current"),
    [
        (-KEPT, True),
        (0.0, True),
        (LARGEST_SKEW - 0.001, True),
        (LARGEST_SKEW, False),
        (3600.0, False),
    ],
)
def test_a_mark_from_a_time_that_is_long_to_come_does_not_count(
    records: Records, store: FaultyStore, seconds: float, is_current: bool
) -> None:
    """The clock was set back: it would be in the way for as long."""
    elsewhere = Records(store, KEPT, Clock(NOW + seconds))
    assert records.is_current(elsewhere.mark()) is is_current


@pytest.mark.parametrize("mark", [b"", b"owner", b"\xff"])
def test_what_is_no_mark_is_somebodys_all_the_same(records: Records, mark: bytes) -> None:
    assert records.is_current(mark) is True


def test_no_mark_is_not_current(records: Records) -> None:
    assert records.is_current(None) is False


def test_a_lease_is_not_tried_while_it_is_seen_to_be_taken(
    records: Records, store: FaultyStore
) -> None:
    """Those who wait would be in the way of the one they wait for."""
    theirs, ours = records.mark(), records.mark()
    assert records.take_lease("lease", None, theirs)
    assert not records.take_lease("lease", theirs, ours)
    assert store.calls == ["take_lease"]
    assert not records.take_lease("lease", None, ours)  # it looked free, and is not
    assert store.raw()["lease"] == (theirs, NOW + LEASE)


def test_a_lease_is_given_back_by_its_holder_only(records: Records, store: FaultyStore) -> None:
    theirs, ours = records.mark(), records.mark()
    records.take_lease("lease", None, theirs)
    records.release_lease("lease", ours)
    assert store.raw()["lease"][0] == theirs
    records.release_lease("lease", theirs)
    assert store.raw() == {}


def test_a_lease_that_cannot_be_given_back_is_no_error(
    records: Records, store: FaultyStore
) -> None:
    ours = records.mark()
    records.take_lease("lease", None, ours)
    store.refused.add("delete")
    records.release_lease("lease", ours)
    with pytest.raises(StoreUnavailable):
        store.delete("lease")


def test_sec_221_a_grant_is_what_a_record_is_read_with() -> None:
    grant = new_grant()
    record = seal(grant, 1, {"sub": "u1"})
    assert grant.encode() not in record
    assert grant not in name_of(grant, "rotation")
    assert unseal(new_grant(), record) is None
    assert unseal(grant, record) == {"gen": 1, "sub": "u1"}
