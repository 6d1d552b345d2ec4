"""The rules for claims: when a token counts, and what of it nobody but this package sets."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from flask_jwtsession import TokenExpired, TokenInvalid
from flask_jwtsession.tokens.claims import (
    LEEWAY,
    PRIVATE,
    RESERVED,
    Lifetimes,
    Parties,
    adopt,
    check_times,
    new_session_id,
    put_back_reserved,
    stamp,
    started_at,
    subject,
)

from .support import NOW, claims_at

DAY = 86_400
MONTH = Lifetimes(max_age=30 * DAY)


def without(name: str, **claims: Any) -> dict[str, Any]:
    found = claims_at(NOW, **claims)
    del found[name]
    return found


# Times.


@pytest.mark.parametrize(
    ("claims", "lifetimes", "end"),
    [
        pytest.param({"exp": NOW + 100}, MONTH, NOW + 100, id="SEC-033 exp"),
        pytest.param({"exp": NOW + 100.5}, MONTH, NOW + 100.5, id="SEC-033 exp with a fraction"),
        pytest.param(
            {"exp": NOW + 10**8}, Lifetimes(60), NOW + 60, id="SEC-035 MAX_AGE was shortened"
        ),
        pytest.param({"exp": 2**53 - 1}, Lifetimes(60), NOW + 60, id="SEC-032 exp is 2^53 - 1"),
        pytest.param(
            {"exp": NOW + 10**8, "auth_time": NOW - 50},
            Lifetimes(1000, absolute_max_age=150),
            NOW + 100,
            id="SEC-036 absolute end",
        ),
        pytest.param(
            {"exp": NOW + 100, "auth_time": NOW + 10},
            Lifetimes(1000, absolute_max_age=20),
            NOW + 30,
            id="auth_time a moment ahead",
        ),
    ],
)
def test_a_token_is_valid_until_its_earliest_end_and_the_leeway(
    claims: dict[str, Any], lifetimes: Lifetimes, end: float
) -> None:
    token = claims_at(NOW, **claims)
    assert check_times(token, lifetimes, NOW).expires == end
    assert check_times(token, lifetimes, end + LEEWAY - 0.001).expires == end
    for late in (end + LEEWAY, end + LEEWAY + 1, end + 10 * DAY):
        with pytest.raises(TokenExpired) as caught:
            check_times(token, lifetimes, late)
        assert caught.value.claims == token


def test_one_that_does_not_roll_is_over_without_leeway() -> None:
    """There is another one to be had for a refresh cookie, and nobody is signed out by that."""
    token = claims_at(NOW, exp=NOW + 100)
    lifetimes = Lifetimes(900, rolls=False)
    assert check_times(token, lifetimes, NOW + 99.999).expires == NOW + 100
    for late in (NOW + 100, NOW + 100.001, NOW + 100 + LEEWAY):
        with pytest.raises(TokenExpired) as caught:
            check_times(token, lifetimes, late)
        assert caught.value.claims == token


@pytest.mark.parametrize(
    ("lifetimes", "end"),
    [
        pytest.param(Lifetimes(60, rolls=False), NOW + 60, id="SEC-035 MAX_AGE was shortened"),
        pytest.param(
            Lifetimes(900, absolute_max_age=30, rolls=False), NOW + 30, id="SEC-036 absolute end"
        ),
    ],
)
def test_nor_has_one_that_does_not_roll_at_an_earlier_end(lifetimes: Lifetimes, end: float) -> None:
    token = claims_at(NOW)
    assert check_times(token, lifetimes, end - 0.001).expires == end
    with pytest.raises(TokenExpired):
        check_times(token, lifetimes, end)


@pytest.mark.parametrize("name", ["iat", "nbf", "auth_time"])
def test_the_clock_of_another_machine_may_be_ahead_of_one_that_does_not_roll(name: str) -> None:
    """The leeway is about its end alone."""
    lifetimes = Lifetimes(900, rolls=False)
    token = claims_at(NOW, **{name: NOW + LEEWAY})
    assert check_times(token, lifetimes, NOW).expires <= NOW + 900 + LEEWAY
    with pytest.raises(TokenInvalid):
        check_times({**token, name: NOW + LEEWAY + 1}, lifetimes, NOW)


BAD_TIMES = {
    "NaN": nan,
    "Infinity": inf,
    "-Infinity": -inf,
    "a string": "123",
    "true": True,
    "null": None,
    "an array": [],
    "an object": {},
    "10^18": 10**18,
    "10^40": 10**40,
    "-10^40": -(10**40),
    "1e300": 1e300,
    "2^53": 2**53,
}


@pytest.mark.parametrize("value", BAD_TIMES.values(), ids=BAD_TIMES)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_sec_031_a_time_that_is_no_finite_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TokenInvalid, match="claims"):
        check_times(claims_at(NOW, **{name: value}), MONTH, NOW)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(without("exp"), id="SEC-031 no exp"),
        pytest.param(without("iat"), id="SEC-034 no iat"),
        pytest.param(claims_at(NOW, exp=-1), id="SEC-031 exp is -1"),
        pytest.param(claims_at(NOW, exp=0), id="SEC-031 exp is 0"),
        pytest.param(claims_at(NOW, iat=NOW + 10, exp=NOW + 9), id="SEC-034 iat after exp"),
        pytest.param(claims_at(NOW, iat=NOW + LEEWAY + 1), id="SEC-034 iat in the future"),
        pytest.param(claims_at(NOW, nbf=NOW + LEEWAY + 1), id="SEC-034 nbf in the future"),
        pytest.param(claims_at(NOW, auth_time=NOW + LEEWAY + 1), id="auth_time in the future"),
        pytest.param(without("auth_time", **{PRIVATE: []}), id="private block is an array"),
        pytest.param(without("auth_time", **{PRIVATE: {"since": "then"}}), id="since is a string"),
        pytest.param(
            without("auth_time", **{PRIVATE: {"since": NOW + LEEWAY + 1}}),
            id="since in the future",
        ),
    ],
)
def test_times_that_contradict_each_other_or_the_clock_are_refused(
    claims: dict[str, Any],
) -> None:
    with pytest.raises(TokenInvalid, match="claims"):
        check_times(claims, MONTH, NOW)


@pytest.mark.parametrize("name", ["iat", "nbf", "auth_time"])
def test_another_machines_clock_may_be_ahead_by_the_leeway(name: str) -> None:
    times = check_times(claims_at(NOW, **{name: NOW + LEEWAY}), MONTH, NOW)
    assert times.expires == NOW + 3600


def test_a_time_with_a_fraction_is_kept() -> None:
    times = check_times(claims_at(NOW, iat=NOW - 1.25, auth_time=NOW - 9.5), MONTH, NOW)
    assert (times.issued, times.started) == (NOW - 1.25, NOW - 9.5)


@pytest.mark.parametrize(
    ("claims", "started"),
    [
        pytest.param(claims_at(NOW, auth_time=NOW - 50), NOW - 50, id="auth_time"),
        pytest.param(
            without("auth_time", **{PRIVATE: {"since": NOW - 70}}), NOW - 70, id="first seen"
        ),
        pytest.param(without("auth_time"), NOW, id="a fresh token of Auth.js: its iat"),
    ],
)
def test_when_a_session_began(claims: dict[str, Any], started: float) -> None:
    assert started_at(claims) == started


# Tokens that an Auth.js server made.


def adopted(claims: dict[str, Any], now: float = NOW) -> dict[str, Any]:
    return adopt(claims, check_times(claims, MONTH, now))


def authjs_claims(**more: Any) -> dict[str, Any]:
    return {"sub": "u1", "iat": int(NOW), "exp": int(NOW) + 3600, "jti": "j1", **more}


def test_parallel_first_loads_of_an_authjs_token_agree_on_the_sid() -> None:
    first, second = adopted(authjs_claims()), adopted(authjs_claims(), NOW + 5)
    assert first["sid"] == second["sid"]
    assert len(first["sid"]) == 32
    assert adopted(authjs_claims(jti="j2"))["sid"] != first["sid"]


def test_an_authjs_token_gets_no_auth_time_but_the_start_of_its_absolute_age() -> None:
    claims = adopted(authjs_claims())
    assert "auth_time" not in claims
    private = claims.pop(PRIVATE)
    again = stamp(claims, private, MONTH, NOW + 5 * DAY)
    assert started_at(again) == NOW


def test_claims_of_our_own_are_taken_as_they_are() -> None:
    claims = claims_at(NOW)
    assert adopted(claims) == claims


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(claims_at(NOW, sid=""), id="empty sid"),
        pytest.param(claims_at(NOW, sid=7), id="sid is a number"),
        pytest.param(claims_at(NOW, sid=["s"]), id="sid is an array"),
        pytest.param(claims_at(NOW, sid="s" * 129), id="sid of 129 characters"),
        pytest.param(without("sid", jti=7), id="no sid, and jti is a number"),
        pytest.param({"sub": "u1", "iat": NOW, "exp": NOW + 9}, id="neither sid nor jti"),
        pytest.param(claims_at(NOW, **{PRIVATE: [1]}), id="private block is an array"),
        pytest.param(without("sid", **{PRIVATE: [1]}), id="no sid, private block is an array"),
        pytest.param(claims_at(NOW, **{PRIVATE: None}), id="private block is null"),
    ],
)
def test_claims_that_name_no_session_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid, match="claims"):
        adopted(claims)


# Subjects and identifiers.


@pytest.mark.parametrize(
    "sub", ["u1", "google|1234", "0", "none", "ユーザー", "x" * 1024], ids=lambda sub: sub[:20]
)
def test_a_subject_is_a_string_that_can_name_somebody(sub: str) -> None:
    assert subject({"sub": sub}) == sub


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="SEC-039 missing"),
        pytest.param({"sub": ""}, id="SEC-039 empty"),
        pytest.param({"sub": 0}, id="SEC-039 0"),
        pytest.param({"sub": 7}, id="SEC-039 7"),
        pytest.param({"sub": None}, id="SEC-039 null"),
        pytest.param({"sub": True}, id="SEC-039 true"),
        pytest.param({"sub": ["u1"]}, id="SEC-039 array"),
        pytest.param({"sub": "None"}, id="SEC-039 the text None"),
        pytest.param({"sub": "x" * 10_240}, id="SEC-039 10 KB"),
    ],
)
def test_anything_else_names_nobody(claims: dict[str, Any]) -> None:
    assert subject(claims) is None


def test_session_ids_have_128_bits_and_differ() -> None:
    made = {new_session_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(one) for one in made} == {22}


# Issuing.


def test_every_issue_has_new_times_and_a_new_jti_and_keeps_the_rest() -> None:
    before = claims_at(NOW, company_id=7)
    first, second = (stamp(before, {}, MONTH, NOW + 100.9) for _ in range(2))
    assert first["iat"] == int(NOW) + 100
    assert first["exp"] == int(NOW) + 100 + 30 * DAY
    assert len({first["jti"], second["jti"], "j1"}) == 3
    changing = ("iat", "exp", "jti")
    assert {k: v for k, v in first.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }


def test_sec_036_no_issue_lives_beyond_the_absolute_end() -> None:
    lifetimes = Lifetimes(100, absolute_max_age=1000)
    claims: dict[str, Any] = claims_at(NOW)
    for second in range(0, 1000, 7):
        claims = stamp(claims, {}, lifetimes, NOW + second)
        assert claims["exp"] <= NOW + 1000
    with pytest.raises(TokenExpired):
        check_times(claims, lifetimes, NOW + 1000 + LEEWAY)


def test_a_token_that_does_not_roll_ends_when_it_always_did() -> None:
    lifetimes = Lifetimes(900, rolls=False)
    claims = stamp(claims_at(NOW, exp=int(NOW) + 900), {}, lifetimes, NOW)
    jtis = {claims["jti"]}
    for second in range(0, 900, 100):
        claims = stamp({**claims, "step": second}, {}, lifetimes, NOW + second)
        assert claims["exp"] == NOW + 900
        assert claims["iat"] == NOW + second
        jtis.add(claims["jti"])
    assert len(jtis) == 10


def test_one_that_begins_has_its_whole_life_before_it() -> None:
    claims = stamp(without("exp"), {}, Lifetimes(900, rolls=False), NOW + 50)
    assert claims["exp"] == NOW + 950


@pytest.mark.parametrize(
    ("exp", "lifetimes", "end"),
    [
        pytest.param(NOW + 9000, Lifetimes(900, rolls=False), NOW + 910, id="MAX_AGE is shorter"),
        pytest.param(NOW + 60, Lifetimes(900, rolls=False), NOW + 60, id="MAX_AGE is longer"),
        pytest.param(
            NOW + 900,
            Lifetimes(900, absolute_max_age=300, rolls=False),
            NOW + 300,
            id="SEC-036 the absolute end comes first",
        ),
    ],
)
def test_one_that_does_not_roll_may_end_earlier_but_never_later(
    exp: float, lifetimes: Lifetimes, end: float
) -> None:
    assert stamp(claims_at(NOW, exp=exp), {}, lifetimes, NOW + 10)["exp"] == end


def test_one_that_rolls_ends_later_each_time() -> None:
    claims = stamp(claims_at(NOW, exp=int(NOW) + 900), {}, Lifetimes(900), NOW + 100)
    assert claims["exp"] == NOW + 1000


# Who issues tokens, and for whom.

ISSUER = "https://app.test"


def test_what_a_token_says_of_its_parties_is_what_is_configured() -> None:
    assert Parties().claims() == {}
    assert Parties(ISSUER).claims() == {"iss": ISSUER}
    assert Parties(audience="api").claims() == {"aud": "api"}
    # An array in JSON, which a tuple would be too, until somebody compares them.
    assert Parties(ISSUER, ("a", "b")).claims() == {"iss": ISSUER, "aud": ["a", "b"]}
    assert type(Parties(audience=("a",)).claims()["aud"]) is list


@pytest.mark.parametrize(
    "parties",
    [
        Parties(),
        Parties(ISSUER),
        Parties(ISSUER, "api"),
        Parties(ISSUER, ("api",)),
        Parties(audience=("api", "app")),
    ],
    ids=str,
)
def test_what_is_issued_is_accepted(parties: Parties) -> None:
    parties.check({**claims_at(NOW), **parties.claims()})


def test_without_any_parties_every_token_is_accepted() -> None:
    for claims in ({}, {"iss": "x"}, {"aud": ["x"]}, {"iss": 7, "aud": {}}):
        Parties().check(claims)


@pytest.mark.parametrize(
    "issuer",
    [None, "", "https://app.test/", "HTTPS://app.test", "http://app.test", 7, True, [ISSUER], {}],
    ids=repr,
)
def test_sec_043_a_token_of_another_issuer_is_refused(issuer: object) -> None:
    parties = Parties(ISSUER)
    with pytest.raises(TokenInvalid, match=r"^issuer$"):
        parties.check({"iss": issuer})
    with pytest.raises(TokenInvalid, match=r"^issuer$"):
        parties.check({"aud": ISSUER})


@pytest.mark.parametrize(
    "named",
    [None, "", "ap", "apis", "API", ["api"], ["api", "app"], ["x"], [], 7, True, {"api": 1}],
)
def test_sec_043_one_audience_is_taken_to_the_letter(named: object) -> None:
    parties = Parties(audience="api")
    parties.check({"aud": "api"})
    with pytest.raises(TokenInvalid, match=r"^audience$"):
        parties.check({"aud": named})
    with pytest.raises(TokenInvalid, match=r"^audience$"):
        parties.check({"iss": "api"})


@pytest.mark.parametrize(
    "named", ["api", "app", ["api"], ["app", "x"], ["x", "api"], [None, "app"], [{}, [], "app"]]
)
def test_of_several_audiences_a_token_names_one(named: object) -> None:
    Parties(audience=("api", "app")).check({"aud": named})


@pytest.mark.parametrize(
    "named", [None, "", "x", "ap", ["x"], [], [[]], [["api"]], [None], {"api": 1}, [{"api": 1}], 7]
)
def test_sec_043_a_token_that_names_none_of_several_audiences_is_refused(named: object) -> None:
    with pytest.raises(TokenInvalid, match=r"^audience$"):
        Parties(audience=("api", "app")).check({"aud": named})


def test_a_list_of_audiences_can_grow_and_shrink() -> None:
    one, two, other = Parties(audience="a"), Parties(audience=("a", "b")), Parties(audience=("b",))
    two.check(one.claims())
    Parties(audience=("a",)).check(two.claims())
    other.check(two.claims())
    with pytest.raises(TokenInvalid):
        other.check(one.claims())


def test_issuer_and_audience_are_both_needed() -> None:
    parties = Parties(ISSUER, "api")
    for claims in ({"iss": ISSUER}, {"aud": "api"}, {"iss": "api", "aud": ISSUER}):
        with pytest.raises(TokenInvalid):
            parties.check(claims)


# What callbacks cannot change.


def test_reserved_claims_are_put_back() -> None:
    before = {name: f"old {name}" for name in RESERVED} | {"role": "user"}
    returned = dict.fromkeys(RESERVED, "new") | {"role": "admin", "plan": "free"}
    after = put_back_reserved(returned, before)
    assert after == {name: f"old {name}" for name in RESERVED} | {"role": "admin", "plan": "free"}


def test_a_reserved_claim_can_neither_be_added_nor_removed() -> None:
    assert put_back_reserved({"sid": "mine", "iss": "me"}, {"auth_time": 1}) == {"auth_time": 1}


def test_at_sign_in_a_callback_chooses_whom_the_token_is_for_but_no_more() -> None:
    before = {name: f"old {name}" for name in RESERVED}
    returned = dict.fromkeys(RESERVED, "new")
    after = put_back_reserved(returned, before, at_sign_in=True)
    assert {name for name in after if after[name] == "new"} == {"sub", "iss", "aud", "nbf"}
