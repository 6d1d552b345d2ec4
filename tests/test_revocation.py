"""Revocations: what is written down, under which names, and what a session reads of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.revocation import Identity, Revocations, Standing
from flask_jwtsession.stores import Store, entry_name
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from .faulty_store import FaultyStore
from .support import NOW, Clock

KEY, OLD_KEY = b"k" * 32, b"o" * 32
LIFETIME = 86_400.0
ADA = Identity("s1", "u1", "google|42", "google\0p1", started=NOW - 60)
THREADS = 20

T = TypeVar("T")
Revoke = Callable[[Revocations], object]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        store = SQLiteStore(tmp_path / "revocations.sqlite3", clock)
    yield store
    store.close()


@pytest.fixture
def revocations(store: Store) -> Revocations:
    return Revocations(store, [KEY], LIFETIME)


def identity(
    sid: str,
    subject: str | None = None,
    account: str | None = None,
    *,
    provider_session: tuple[str, str] | None = None,
    started: float = NOW - 60,
) -> Identity:
    """A session of Ada's age, by default of somebody who has no other."""
    return Identity(
        sid,
        f"whose session is {sid}" if subject is None else subject,
        account,
        None if provider_session is None else "\0".join(provider_session),
        started,
    )


def at_once(do: Callable[[int], T]) -> list[T]:
    """What ``do`` returns in each of twenty threads that begin together."""
    barrier = Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait(timeout=30)
        return do(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


# Names.


def names(of: Identity, *keys: bytes) -> tuple[str, ...]:
    return Revocations(MemoryStore(), keys or [KEY], LIFETIME).names(of)


@pytest.mark.parametrize(
    ("of", "number"),
    [
        pytest.param(identity("s1", "u1"), 2, id="a session of somebody"),
        pytest.param(identity("s1", "u1", "google|42"), 3, id="with an account"),
        pytest.param(identity("s1", provider_session=("google", "p1")), 3, id="of a provider"),
        pytest.param(ADA, 4, id="with everything"),
    ],
)
def test_a_session_has_a_name_for_everything_it_can_be_revoked_by(
    of: Identity, number: int
) -> None:
    assert len(set(names(of))) == len(names(of)) == number
    assert len(set(names(of, KEY, OLD_KEY))) == len(names(of, KEY, OLD_KEY)) == 2 * number


def test_sec_221_a_name_is_a_mac_of_what_it_stands_for() -> None:
    """To the letter: what one release has written, the next one has to find."""
    texts = ("sid\0s1", "sub\0u1", "sub\0google|42", "provider sid\0google\0p1")
    assert names(ADA) == tuple(entry_name(KEY, text) for text in texts)


def test_a_session_that_comes_again_has_the_same_names() -> None:
    revocations = Revocations(MemoryStore(), [KEY], LIFETIME)
    again = Identity(*ADA)
    assert revocations.names(ADA) == revocations.names(again) == names(ADA)
    others = [identity(f"s{number}", "u1") for number in range(3000)]
    assert len({name for other in others for name in revocations.names(other)}) == 3001
    assert revocations.names(ADA) == names(ADA)


def test_names_are_the_same_everywhere_and_another_key_makes_others() -> None:
    assert names(ADA) == names(ADA)
    assert set(names(ADA)).isdisjoint(names(ADA, OLD_KEY))
    assert names(ADA, KEY, OLD_KEY) == names(ADA) + names(ADA, OLD_KEY)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param((identity("x"), identity("y", "x")), id="a session and a person"),
        pytest.param(
            (identity("x"), identity("y", provider_session=("x", "x"))),
            id="a session and one of a provider",
        ),
        pytest.param((identity("x"), identity("sid\0x")), id="the kind before a session"),
        pytest.param((identity("x"), identity("y", "sid\0x")), id="a kind before a person"),
        pytest.param(
            (identity("a\0b"), identity("y", provider_session=("a", "b"))),
            id="the separator in a session",
        ),
        pytest.param(
            (identity("x", "a\0b"), identity("y", provider_session=("a", "b"))),
            id="the separator in a person",
        ),
        pytest.param(
            (
                identity("x", provider_session=("google", "p1")),
                identity("y", provider_session=("github", "p1")),
            ),
            id="one session id of two providers",
        ),
        pytest.param(
            (
                identity("x", provider_session=("ab", "c")),
                identity("y", provider_session=("a", "bc")),
            ),
            id="a provider whose name goes on",
        ),
        pytest.param((identity("x", "Ada"), identity("y", "ada")), id="upper and lower case"),
        pytest.param(
            (identity("x", "\u00e9"), identity("y", "e\u0301")), id="two ways to write it"
        ),
        pytest.param((identity("x", "\ud800"), identity("y", "\ud801")), id="two lone surrogates"),
    ],
)
def test_sec_221_no_name_is_that_of_something_else(others: tuple[Identity, Identity]) -> None:
    one, other = others
    assert set(names(one)).isdisjoint(names(other))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("session"), st.text()),
            st.tuples(st.just("person"), st.text()),
            # The names of providers are letters, digits, "-" and "_".
            st.tuples(st.just("provider"), st.tuples(st.from_regex("[a-z0-9_-]+"), st.text())),
        ),
        min_size=2,
        max_size=6,
        unique=True,
    )
)
def test_sec_221_whatever_the_texts_are_two_things_have_two_names(
    things: list[tuple[str, str | tuple[str, str]]],
) -> None:
    found: list[str] = []
    for kind, text in things:
        if isinstance(text, tuple):
            found.append(names(identity("-", provider_session=text))[2])
        elif kind == "person":
            found.append(names(identity("-", text))[1])
        else:
            found.append(names(identity(text))[0])
    assert len(set(found)) == len(things)


# How a session stands.


REVOKED_BY: dict[str, Revoke] = {
    "sid": lambda known: known.revoke_session("s1"),
    "sub": lambda known: known.revoke_subject("u1", NOW),
    "sub by the provider": lambda known: known.revoke_subject("google|42", NOW),
    "provider sid": lambda known: known.revoke_provider_session("google", "p1"),
}
revoked_by = pytest.mark.parametrize("revoke", REVOKED_BY.values(), ids=REVOKED_BY)


def test_a_session_of_which_nothing_is_written_is_live(revocations: Revocations) -> None:
    assert revocations.check(ADA) is Standing.LIVE


@revoked_by
def test_sec_040_a_session_is_revoked_by_each_of_its_names(
    revocations: Revocations, revoke: Revoke
) -> None:
    revoke(revocations)
    assert revocations.check(ADA) is Standing.REVOKED


@revoked_by
def test_sec_083_an_ended_session_is_ended_whatever_else_is_written(
    revocations: Revocations, revoke: Revoke
) -> None:
    revoke(revocations)
    revocations.end("s1")
    assert revocations.check(ADA) is Standing.ENDED
    revoke(revocations)
    assert revocations.check(ADA) is Standing.ENDED


@revoked_by
def test_sec_194_nobody_else_is_revoked(revocations: Revocations, revoke: Revoke) -> None:
    revoke(revocations)
    grace = identity("s2", "u2", "google|43", provider_session=("google", "p2"))
    assert revocations.check(grace) is Standing.LIVE
    assert revocations.check(identity("s2", "s1", "p1")) is Standing.LIVE


def test_sec_194_one_session_is_revoked_and_another_of_the_same_person_is_not(
    revocations: Revocations,
) -> None:
    revocations.revoke_session("s1")
    assert revocations.check(identity("s2", "u1", "google|42")) is Standing.LIVE


def test_sec_194_every_session_of_a_provider_session_is_revoked_whenever_it_began(
    revocations: Revocations,
) -> None:
    revocations.revoke_provider_session("google", "p1")
    later = identity("s2", provider_session=("google", "p1"), started=NOW + 1e9)
    assert revocations.check(later) is Standing.REVOKED
    elsewhere = identity("s2", provider_session=("github", "p1"))
    assert revocations.check(elsewhere) is Standing.LIVE


def test_what_names_says_is_what_standing_wants(revocations: Revocations) -> None:
    """A request reads them in one go with whatever else it needs."""
    revocations.revoke_session("s1")
    values = revocations.store.get_many(revocations.names(ADA))
    assert revocations.standing(ADA, values) is Standing.REVOKED
    assert revocations.standing(ADA, [None] * len(values)) is Standing.LIVE


@pytest.mark.parametrize(
    ("before", "standing"),
    [
        pytest.param(NOW - 60.000001, Standing.LIVE, id="just before it began"),
        pytest.param(NOW - 60, Standing.LIVE, id="SEC-195 the moment it began"),
        pytest.param(NOW - 59.999999, Standing.REVOKED, id="SEC-084 just after it began"),
        pytest.param(NOW - 59.5, Standing.REVOKED, id="SEC-084 in the same second"),
        pytest.param(int(NOW), Standing.REVOKED, id="a whole number"),
        pytest.param(0.0, Standing.LIVE, id="the beginning of time"),
        pytest.param(float("inf"), Standing.REVOKED, id="the end of time"),
    ],
)
def test_sec_084_a_person_is_revoked_up_to_a_moment(
    revocations: Revocations, before: float, standing: Standing
) -> None:
    revocations.revoke_subject("u1", before)
    assert revocations.check(ADA) is standing


@given(
    started=st.floats(0, 4e9),
    before=st.floats(0, 4e9),
)
def test_sec_084_a_moment_is_written_down_to_the_last_digit(started: float, before: float) -> None:
    revocations = Revocations(MemoryStore(), [KEY], LIFETIME)
    revocations.revoke_subject("u1", before)
    standing = revocations.check(identity("s1", "u1", started=started))
    assert standing is (Standing.REVOKED if started < before else Standing.LIVE)


GARBAGE = [b"x", b"Revoked", b"ENDED", b"ended ", b"\0", b"\xff\xfe", b"1", b"x" * 100_000]


@pytest.mark.parametrize("value", [*GARBAGE, b""], ids=lambda value: repr(value)[:12])
def test_sec_040_a_session_with_an_entry_that_nobody_understands_is_revoked(
    revocations: Revocations, value: bytes
) -> None:
    revocations.store.put(revocations.names(ADA)[0], value, LIFETIME)
    assert revocations.check(ADA) is Standing.REVOKED


@pytest.mark.parametrize("which", [1, 2, 3], ids=["sub", "sub by the provider", "provider sid"])
@pytest.mark.parametrize(
    "value",
    [b"x", b"\xff\xfe", b"\0", b"1,5", b"0x7", b"revoked", b"nan", b"-nan", b""],
    ids=repr,
)
def test_sec_084_a_moment_that_is_none_is_one_to_come(
    revocations: Revocations, which: int, value: bytes
) -> None:
    revocations.store.put(revocations.names(ADA)[which], value, LIFETIME)
    assert revocations.check(ADA) is Standing.REVOKED


# While a secret is replaced: some workers have only the old one, some both, some only the new one.

ROTATIONS: dict[str, tuple[list[bytes], list[bytes]]] = {
    "both and old": ([KEY, OLD_KEY], [OLD_KEY]),
    "old and both": ([OLD_KEY], [KEY, OLD_KEY]),
    "both and new": ([KEY, OLD_KEY], [KEY]),
    "new and both": ([KEY], [KEY, OLD_KEY]),
    "both, in another order": ([KEY, OLD_KEY], [OLD_KEY, KEY]),
    "both, old first, and new": ([OLD_KEY, KEY], [KEY]),
}


@pytest.fixture(params=ROTATIONS.values(), ids=list(ROTATIONS))
def workers(request: pytest.FixtureRequest, store: Store) -> tuple[Revocations, Revocations]:
    """One that writes, and another that reads."""
    writes, reads = request.param
    return Revocations(store, writes, LIFETIME), Revocations(store, reads, LIFETIME)


@revoked_by
def test_a_revocation_outlives_the_replacement_of_a_secret(
    workers: tuple[Revocations, Revocations], revoke: Revoke
) -> None:
    writes, reads = workers
    revoke(writes)
    assert reads.check(ADA) is Standing.REVOKED
    assert writes.check(ADA) is Standing.REVOKED


def test_a_session_that_ended_stays_ended_while_a_secret_is_replaced(
    workers: tuple[Revocations, Revocations],
) -> None:
    writes, reads = workers
    writes.end("s1")
    assert reads.check(ADA) is Standing.ENDED
    reads.revoke_session("s1")
    reads.revoke_subject("u1", NOW)
    assert reads.check(ADA) is Standing.ENDED
    assert writes.check(ADA) is Standing.ENDED


@revoked_by
def test_a_session_that_was_revoked_ends_once_while_a_secret_is_replaced(
    workers: tuple[Revocations, Revocations], revoke: Revoke
) -> None:
    writes, reads = workers
    revoke(writes)
    assert [reads.end_revoked("s1") for _ in range(3)] == [True, False, False]
    assert reads.check(ADA) is Standing.ENDED


@pytest.mark.parametrize("moments", [(NOW - 90, NOW), (NOW, NOW - 90)])
def test_the_later_of_two_moments_counts_while_a_secret_is_replaced(
    workers: tuple[Revocations, Revocations], moments: tuple[float, float]
) -> None:
    writes, reads = workers
    writes.revoke_subject("u1", moments[0])
    reads.revoke_subject("u1", moments[1])
    assert reads.check(ADA) is Standing.REVOKED
    writes.revoke_subject("u1", NOW - 95)
    assert reads.check(ADA) is Standing.REVOKED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([KEY, OLD_KEY], [OLD_KEY], id="both and old"),
        pytest.param([OLD_KEY], [KEY, OLD_KEY], id="old and both"),
        pytest.param([KEY, OLD_KEY], [KEY], id="both and new"),
        pytest.param([KEY], [KEY, OLD_KEY], id="new and both"),
        pytest.param([KEY, OLD_KEY], [OLD_KEY, KEY], id="both, in another order"),
        pytest.param([OLD_KEY, KEY], [KEY, OLD_KEY], id="both, in the one order"),
    ],
)
@pytest.mark.parametrize("by", ["sid", "sub"])
def test_of_two_that_meet_it_while_a_secret_is_replaced_one_ends_it(
    clock: Clock, by: str, one: list[bytes], other: list[bytes]
) -> None:
    """The second one does all that it does between any two steps of the first one."""
    for step in range(1, 6):
        store = FaultyStore(clock)
        first, second = (Revocations(store, keys, LIFETIME) for keys in (one, other))
        REVOKED_BY[by](first)
        told: list[bool] = []
        store.before[len(store.calls) + step] = partial(_end_revoked, second, told)
        _end_revoked(first, told)
        if store.before:  # it does not take so many
            store.before.clear()
            _end_revoked(second, told)
        assert sorted(told) == [False, True]


def _end_revoked(revocations: Revocations, told: list[bool]) -> None:
    told.append(revocations.end_revoked("s1"))


def test_without_the_old_secret_what_was_written_under_it_alone_is_forgotten(
    store: Store, revocations: Revocations
) -> None:
    Revocations(store, [OLD_KEY], LIFETIME).revoke_session("s1")
    assert revocations.check(ADA) is Standing.LIVE


# The end of a session that was revoked.


@pytest.mark.parametrize(
    "revoke",
    [
        *(pytest.param([one], id=name) for name, one in REVOKED_BY.items()),
        pytest.param(list(REVOKED_BY.values()), id="all"),
        pytest.param(list(reversed(REVOKED_BY.values())), id="all, the other way round"),
    ],
)
def test_of_all_that_meet_a_revoked_session_one_ends_it(
    revocations: Revocations, revoke: list[Revoke]
) -> None:
    for one in revoke:
        one(revocations)
    told = at_once(lambda _: revocations.end_revoked("s1"))
    assert told.count(True) == 1
    assert revocations.check(ADA) is Standing.ENDED


def test_of_all_that_meet_it_while_it_is_revoked_one_ends_it(revocations: Revocations) -> None:
    def meet(number: int) -> bool:
        if number % 2:
            revocations.revoke_session("s1")
        return revocations.end_revoked("s1")

    told = at_once(meet)
    assert told.count(True) == 1
    assert revocations.check(ADA) is Standing.ENDED


def test_a_session_that_was_signed_out_ends_no_second_time(revocations: Revocations) -> None:
    revocations.end("s1")
    assert not revocations.end_revoked("s1")
    assert revocations.check(ADA) is Standing.ENDED


@revoked_by
def test_a_revocation_after_the_end_does_not_end_it_once_more(
    revocations: Revocations, revoke: Revoke
) -> None:
    revocations.end("s1")
    revoke(revocations)
    assert not revocations.end_revoked("s1")


def test_a_revocation_may_be_repeated(revocations: Revocations) -> None:
    for _ in range(2):
        for revoke in REVOKED_BY.values():
            revoke(revocations)
    assert revocations.check(ADA) is Standing.REVOKED
    assert revocations.end_revoked("s1")


def test_the_end_of_one_session_is_not_that_of_another(revocations: Revocations) -> None:
    revocations.revoke_subject("u1", NOW)
    assert revocations.end_revoked("s1")
    assert revocations.end_revoked("s2")


# Moments.


def standing_at(revocations: Revocations, started: float) -> Standing:
    return revocations.check(identity("s2", "u1", started=started))


def test_sec_195_a_moment_is_moved_on_by_a_later_one(revocations: Revocations) -> None:
    revocations.revoke_subject("u1", NOW)
    revocations.revoke_subject("u1", NOW + 0.5)
    assert standing_at(revocations, NOW + 0.25) is Standing.REVOKED
    assert standing_at(revocations, NOW + 0.5) is Standing.LIVE


def test_a_moment_is_not_moved_back_by_an_earlier_one(revocations: Revocations) -> None:
    """Of a machine whose clock is behind."""
    revocations.revoke_subject("u1", NOW)
    revocations.revoke_subject("u1", NOW - 0.5)
    assert standing_at(revocations, NOW - 0.25) is Standing.REVOKED


def test_a_moment_is_not_moved_back_by_an_earlier_one_at_the_same_time(clock: Clock) -> None:
    """Two that write at once must both look before they write, and see each other."""
    store = FaultyStore(clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    later = Revocations(store, [KEY], LIFETIME)
    # Between the look of the one and its write.
    store.before[2] = lambda: later.revoke_subject("u1", NOW)
    revocations.revoke_subject("u1", NOW - 0.5)
    assert standing_at(revocations, NOW - 0.25) is Standing.REVOKED


def test_the_latest_of_many_moments_at_once_is_kept(revocations: Revocations) -> None:
    at_once(lambda number: revocations.revoke_subject("u1", NOW + number))
    assert standing_at(revocations, NOW + THREADS - 1.5) is Standing.REVOKED


def test_a_moment_that_is_none_stays_one_to_come(revocations: Revocations) -> None:
    revocations.store.put(revocations.names(ADA)[1], b"x", LIFETIME)
    revocations.revoke_subject("u1", NOW - 90)
    assert revocations.check(ADA) is Standing.REVOKED


# How long all that is kept.

ENDED_BY: dict[str, Revoke] = {
    "end": lambda known: known.end("s1"),
    "end of a revoked one": lambda known: known.end_revoked("s1"),
    **REVOKED_BY,
}


@pytest.mark.parametrize("revoke", ENDED_BY.values(), ids=ENDED_BY)
def test_sec_085_a_revocation_is_kept_for_its_lifetime_and_no_longer(
    revocations: Revocations, clock: Clock, revoke: Revoke
) -> None:
    revoke(revocations)
    clock.advance(LIFETIME - 0.001)
    assert revocations.check(ADA) is not Standing.LIVE
    clock.advance(0.001)
    assert revocations.check(ADA) is Standing.LIVE


def test_sec_085_the_end_of_a_revoked_session_is_kept_from_the_end_on(
    revocations: Revocations, clock: Clock
) -> None:
    revocations.revoke_session("s1")
    clock.advance(LIFETIME - 1)
    assert revocations.end_revoked("s1")
    clock.advance(LIFETIME - 1)
    assert revocations.check(ADA) is Standing.ENDED


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(NOW + 200, id="a later moment"),
        pytest.param(NOW + 100, id="the same moment"),
        pytest.param(NOW + 50, id="an earlier moment"),
    ],
)
def test_sec_085_a_second_revocation_of_a_person_is_kept_as_long_as_the_first(
    revocations: Revocations, clock: Clock, second: float
) -> None:
    """Whoever revokes now may rely on it for all that is live now, whatever was there before."""
    revocations.revoke_subject("u1", NOW + 100)
    clock.advance(45)
    revocations.revoke_subject("u1", second)
    clock.advance(LIFETIME - 1)
    assert standing_at(revocations, NOW + 40) is Standing.REVOKED


# A store that is away.


@pytest.mark.parametrize("disturbance", ["refused", "lost"])
@pytest.mark.parametrize(
    "use",
    [*ENDED_BY.values(), lambda known: known.check(ADA)],
    ids=[*ENDED_BY, "check"],
)
def test_sec_219_a_store_that_is_away_is_said_to_be(
    clock: Clock, use: Revoke, disturbance: str
) -> None:
    """At each of its calls; and nothing else is raised, nor is anything taken for done."""
    undisturbed = FaultyStore(clock)
    use(Revocations(undisturbed, [KEY], LIFETIME))
    assert undisturbed.calls
    for number in range(1, len(undisturbed.calls) + 1):
        store = FaultyStore(clock)
        getattr(store, disturbance).add(number)
        with pytest.raises(StoreUnavailable):
            use(Revocations(store, [KEY], LIFETIME))


@pytest.mark.parametrize("call", [1, 2])
def test_sec_219_the_end_of_a_revoked_session_fails_at_each_call(clock: Clock, call: int) -> None:
    store = FaultyStore(clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    revocations.revoke_session("s1")
    store.refused.add(1 + call)
    with pytest.raises(StoreUnavailable):
        revocations.end_revoked("s1")
    assert revocations.check(ADA) is Standing.REVOKED
    assert revocations.end_revoked("s1")


@revoked_by
def test_a_revocation_that_failed_can_be_repeated(clock: Clock, revoke: Revoke) -> None:
    store = FaultyStore(clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    store.lost |= {"put", "compare_and_set"}
    with pytest.raises(StoreUnavailable):
        revoke(revocations)
    store.lost.clear()
    revoke(revocations)
    assert revocations.check(ADA) is Standing.REVOKED
    assert revocations.end_revoked("s1")


# What is in the store.


def test_sec_221_the_store_shows_nobody(clock: Clock) -> None:
    store = FaultyStore(clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    for revoke in ENDED_BY.values():
        revoke(revocations)
    assert len(store.raw()) == 4
    for name, (value, end) in store.raw().items():
        assert name in revocations.names(ADA)
        assert value in {b"ended", b"inf", repr(NOW).encode()}
        assert end == NOW + LIFETIME


def test_sec_221_the_file_shows_nobody(tmp_path: Path, clock: Clock) -> None:
    store = SQLiteStore(tmp_path / "revocations.sqlite3", clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    texts = ("a-sid-to-be-found", "a-sub-to-be-found", "a-provider-to-be-found")
    sid, subject, provider = texts
    revocations.revoke_session(sid)
    revocations.revoke_subject(subject, NOW)
    revocations.revoke_provider_session(provider, sid)
    revocations.end(sid)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert names(identity(sid))[0].encode() in written
    assert not any(text.encode() in written for text in texts)


def test_one_session_takes_one_entry_however_often_it_is_met(clock: Clock) -> None:
    store = FaultyStore(clock)
    revocations = Revocations(store, [KEY], LIFETIME)
    for _ in range(50):
        revocations.revoke_session("s1")
        revocations.end_revoked("s1")
        revocations.end("s1")
        revocations.revoke_subject("u1", clock())
        clock.advance(1)
    assert len(store.raw()) == 2


def test_a_request_reads_once(clock: Clock) -> None:
    store = FaultyStore(clock)
    Revocations(store, [KEY, OLD_KEY], LIFETIME).check(ADA)
    assert store.calls == ["get_many"]


@pytest.mark.parametrize("number", range(20))
def test_of_two_workers_in_the_middle_of_a_rotation_one_hears_that_it_was_first(
    number: int,
) -> None:
    """Which of the names comes first is not the same for both."""
    store = MemoryStore()
    newer = f"a newer key, number {number:02} of twenty".encode()
    before = Revocations(store, [OLD_KEY], LIFETIME)
    after = Revocations(store, [newer, OLD_KEY], LIFETIME)
    assert [before.revoke_session("s1"), after.revoke_session("s1")] == [True, False]
    assert [after.revoke_session("s2"), before.revoke_session("s2")] == [True, False]
