"""What a token endpoint answers, taken only as far as it can be used."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession import Account
from flask_jwtsession.providers.reasons import Unusable
from flask_jwtsession.providers.token_response import (
    TokenResponse,
    read_refreshed_tokens,
    read_token_response,
)

from .support import NOW

TEN_YEARS = 10 * 365 * 86_400


def answer(**more: object) -> dict[str, Any]:
    """An honest answer, with ``more`` in it or instead."""
    return {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, **more}


def without(name: str) -> dict[str, Any]:
    return {member: value for member, value in answer().items() if member != name}


def read(given: dict[str, Any], scope: str | None = "openid email") -> TokenResponse:
    return read_token_response(given, requested_at=NOW, scope=scope)


def fault(given: dict[str, Any]) -> str:
    with pytest.raises(Unusable) as caught:
        read(given)
    return str(caught.value)


def test_an_honest_answer_is_taken() -> None:
    found = read(answer(refresh_token="rt-1", id_token="a.b.c", scope="openid"))
    assert found == TokenResponse(
        access_token="at-1",
        token_type="Bearer",
        refresh_token="rt-1",
        id_token="a.b.c",
        expires_at=NOW + 3600,
        issued_at=NOW,
        scope="openid",
    )


def test_an_access_token_is_all_that_is_needed() -> None:
    assert read({"access_token": "at-1"}, scope=None) == TokenResponse(
        access_token="at-1", token_type="Bearer", issued_at=NOW
    )


def test_sec_206_the_repr_shows_no_token() -> None:
    found = read(answer(access_token="at-hush", refresh_token="rt-hush", id_token="id-hush"))
    assert "hush" not in repr(found)


# The access token and the refresh token.

NO_TOKENS: dict[str, object] = {
    "empty": "",
    "null": None,
    "a number": 7,
    "true": True,
    "an array": ["at-1"],
    "an object": {"token": "at-1"},
    "a line break": "at-1\r\nX-Admin: 1",
    "a line break at the end": "at-1\n",
    "a tab": "at\t1",
    "a NUL": "at\x001",
    "DEL": "at\x7f1",
    "not ASCII": "at-\u00e9",
    "a surrogate": "at-\ud800",
    "a paragraph separator": "at-\u2029",
    "twelve kilobytes and one": "x" * (12 * 1024 + 1),
    "a megabyte": "x" * 2**20,
}


@pytest.mark.parametrize("value", NO_TOKENS.values(), ids=NO_TOKENS)
def test_sec_178_an_access_token_that_is_none_is_unusable(value: object) -> None:
    assert fault(answer(access_token=value)) == "access_token"


def test_sec_178_no_access_token_is_unusable() -> None:
    assert fault(without("access_token")) == "access_token"
    assert fault({}) == "access_token"
    assert fault(without("access_token") | {"accessToken": "at-1"}) == "access_token"


@pytest.mark.parametrize(
    "value",
    [pytest.param(value, id=name) for name, value in NO_TOKENS.items() if value],
)
def test_sec_178_a_refresh_token_that_is_none_is_unusable(value: object) -> None:
    assert fault(answer(refresh_token=value)) == "refresh_token"


@pytest.mark.parametrize("value", [None, ""])
def test_a_refresh_token_may_be_missing(value: str | None) -> None:
    assert read(answer(refresh_token=value)).refresh_token is None
    assert read(answer()).refresh_token is None


@pytest.mark.parametrize("value", ["x", "a b", "!~", "x" * 12 * 1024, "eyJ.a-_.=+/"])
def test_a_token_is_printable_ascii(value: str) -> None:
    found = read(answer(access_token=value, refresh_token=value))
    assert (found.access_token, found.refresh_token) == (value, value)


# Its type.


@pytest.mark.parametrize("value", ["Bearer", "bearer", "BEARER"])
def test_the_type_of_a_bearer_token_has_no_case(value: str) -> None:
    assert read(answer(token_type=value)).token_type == "Bearer"


def test_a_token_without_a_type_is_a_bearer_token() -> None:
    assert read(without("token_type")).token_type == "Bearer"


@pytest.mark.parametrize(
    "value", ["DPoP", "dpop", "mac", "N_A", "", "Bearer ", "Bearer,DPoP", None, 7, True, ["Bearer"]]
)
def test_sec_178_another_type_is_unusable(value: object) -> None:
    assert fault(answer(token_type=value)) == "token_type"


# Its lifetime.

NO_LIFETIMES: list[object] = [
    *(0, -1, -3600, -0.5, 0.0, True, False, nan, -inf),
    *("", "abc", "0", "-1", "1h", " 3600", "3600 ", "36e2", "3600.0", "+3600", "1_000"),
    *("\u0663\u0666\u0660\u0660", "\u00b2", "9" * 16, "9" * 5000, "NaN", "Infinity"),
    *([], [3600], {}, {"seconds": 3600}),
]


@pytest.mark.parametrize(
    ("value", "expires_at"),
    [
        pytest.param(3600, NOW + 3600, id="an hour"),
        pytest.param(1, NOW + 1, id="a second"),
        pytest.param(0.5, NOW + 0.5, id="half a second"),
        pytest.param(3599.5, NOW + 3599.5, id="a fraction"),
        pytest.param("3600", NOW + 3600, id="a number as a text"),
        pytest.param("0003600", NOW + 3600, id="a text with zeros"),
        pytest.param(None, None, id="SEC-178 null"),
        pytest.param(TEN_YEARS, NOW + TEN_YEARS, id="ten years"),
        pytest.param(TEN_YEARS + 1, NOW + TEN_YEARS, id="SEC-218 ten years and a second"),
        pytest.param(2**63, NOW + TEN_YEARS, id="SEC-218 2^63"),
        pytest.param(10**400, NOW + TEN_YEARS, id="SEC-218 10^400"),
        pytest.param(1e300, NOW + TEN_YEARS, id="SEC-218 1e300"),
        pytest.param("9" * 15, NOW + TEN_YEARS, id="SEC-218 a text of fifteen digits"),
    ],
)
def test_a_lifetime_counts_from_the_request(value: object, expires_at: float | None) -> None:
    assert read(answer(expires_in=value)).expires_at == expires_at


def test_sec_178_a_lifetime_may_be_missing() -> None:
    assert read(without("expires_in")).expires_at is None


@pytest.mark.parametrize(
    "value",
    NO_LIFETIMES,
    ids=lambda value: repr(value)[:20],
)
def test_sec_178_a_lifetime_that_is_none_is_unusable(value: object) -> None:
    assert fault(answer(expires_in=value)) == "expires_in"


# The scope.


@pytest.mark.parametrize(
    ("value", "scope"),
    [
        pytest.param("openid", "openid", id="less than was asked for"),
        pytest.param("openid email admin", "openid email admin", id="more"),
        pytest.param("user:email,read:user", "user:email,read:user", id="with commas"),
        pytest.param(None, "openid email", id="null"),
        pytest.param("", "openid email", id="empty"),
    ],
)
def test_the_scope_is_what_the_provider_grants(value: object, scope: str) -> None:
    assert read(answer(scope=value)).scope == scope


def test_the_scope_is_what_was_asked_for_where_nothing_is_said() -> None:
    assert read(answer()).scope == "openid email"
    assert read(answer(), scope=None).scope is None


@pytest.mark.parametrize("value", [7, True, ["openid"], {"openid": True}])
def test_sec_178_a_scope_that_is_no_text_is_unusable(value: object) -> None:
    assert fault(answer(scope=value)) == "scope"


# The ID token is checked by those who need one.


@pytest.mark.parametrize("value", ["a.b.c", "", 7, ["a.b.c"], {}, True])
def test_an_id_token_is_handed_on_as_it_came(value: object) -> None:
    assert read(answer(id_token=value)).id_token == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ["access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"]


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_sec_178_whatever_is_answered_is_a_token_response_or_unusable(more: dict[str, Any]) -> None:
    try:
        found = read(answer() | more)
    except Unusable:
        return
    assert found.access_token.isascii()
    assert found.access_token.isprintable()
    assert found.refresh_token is None or found.refresh_token.isprintable()
    assert found.expires_at is None or NOW <= found.expires_at <= NOW + TEN_YEARS
    assert found.scope is None or isinstance(found.scope, str)


# The answer to a refresh.

BEFORE = Account(
    provider="google",
    type="oidc",
    provider_account_id="42",
    access_token="at-0",
    refresh_token="rt-0",
    expires_at=NOW + 1800,
    issued_at=NOW,
    scope="openid email",
    token_type="Bearer",
    id_token="a.b.c",
)
LATER = NOW + 1790


def refreshed(given: dict[str, Any], before: Account = BEFORE) -> Account:
    return read_refreshed_tokens(given, before, requested_at=LATER)


def fault_of_refresh(given: dict[str, Any]) -> str:
    with pytest.raises(Unusable) as caught:
        refreshed(given)
    return str(caught.value)


def test_the_tokens_of_a_refresh_take_the_place_of_those_before() -> None:
    found = refreshed(answer(refresh_token="rt-1", scope="openid", expires_in=3600))
    assert found == replace(
        BEFORE,
        access_token="at-1",
        refresh_token="rt-1",
        expires_at=LATER + 3600,
        issued_at=LATER,
        scope="openid",
    )


@pytest.mark.parametrize("more", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_a_provider_that_does_not_rotate_leaves_the_refresh_token_as_it_was(
    more: dict[str, object],
) -> None:
    found = refreshed(answer(**more))
    assert (found.access_token, found.refresh_token) == ("at-1", "rt-0")


def test_a_refresh_may_leave_no_refresh_token_where_there_was_none() -> None:
    assert refreshed(answer(), replace(BEFORE, refresh_token=None)).refresh_token is None


def test_a_refresh_changes_nothing_of_who_somebody_is() -> None:
    """An ID token of a refresh is checked by those who know the provider, and not kept."""
    found = refreshed(answer(id_token="d.e.f", provider="evil", provider_account_id="7", sub="7"))
    assert (found.provider, found.type, found.provider_account_id) == ("google", "oidc", "42")
    assert found.id_token == "a.b.c"


@pytest.mark.parametrize("value", NO_TOKENS.values(), ids=NO_TOKENS)
def test_sec_178_a_refresh_without_a_usable_access_token_is_unusable(value: object) -> None:
    assert fault_of_refresh(answer(access_token=value)) == "access_token"
    assert fault_of_refresh(without("access_token")) == "access_token"


@pytest.mark.parametrize(
    "value",
    [pytest.param(value, id=name) for name, value in NO_TOKENS.items() if value],
)
def test_sec_178_a_refresh_token_of_a_refresh_that_is_none_is_unusable(value: object) -> None:
    assert fault_of_refresh(answer(refresh_token=value)) == "refresh_token"


@pytest.mark.parametrize("value", ["DPoP", "mac", "", None, 7])
def test_sec_178_another_type_of_token_at_a_refresh_is_unusable(value: object) -> None:
    assert fault_of_refresh(answer(token_type=value)) == "token_type"


def test_a_type_that_is_written_otherwise_is_the_same_type() -> None:
    before = replace(BEFORE, token_type=None)
    assert refreshed(answer(token_type="bearer"), before).token_type == "Bearer"


@pytest.mark.parametrize(
    ("value", "scope"),
    [
        pytest.param("openid", "openid", id="less than before"),
        pytest.param(None, "openid email", id="null"),
        pytest.param("", "openid email", id="empty"),
    ],
)
def test_the_scope_of_a_refresh_is_that_of_before_unless_it_says_another(
    value: object, scope: str
) -> None:
    assert refreshed(answer(scope=value)).scope == scope
    assert refreshed(answer()).scope == "openid email"


@pytest.mark.parametrize("value", [7, True, ["openid"]])
def test_sec_178_a_scope_of_a_refresh_that_is_no_text_is_unusable(value: object) -> None:
    assert fault_of_refresh(answer(scope=value)) == "scope"


@pytest.mark.parametrize(
    ("value", "lifetime"),
    [
        pytest.param(3600, 3600, id="an hour"),
        pytest.param("3600", 3600, id="a number as a text"),
        pytest.param(1, 1, id="a second"),
        pytest.param(0.5, 1, id="SEC-222 half a second"),
        pytest.param(5e-324, 1, id="SEC-222 next to nothing"),
        pytest.param(TEN_YEARS + 1, TEN_YEARS, id="SEC-218 ten years and a second"),
        pytest.param(10**400, TEN_YEARS, id="SEC-218 10^400"),
    ],
)
def test_a_lifetime_of_a_refresh_counts_from_its_request(value: object, lifetime: float) -> None:
    assert refreshed(answer(expires_in=value)).expires_at == LATER + lifetime


@pytest.mark.parametrize(
    "value",
    [None, *NO_LIFETIMES],
    ids=lambda value: repr(value)[:20],
)
def test_sec_218_a_lifetime_that_cannot_be_is_that_of_the_tokens_before(value: object) -> None:
    """Not a refusal: the old refresh token is spent, and the new one would be lost."""
    found = refreshed(answer(expires_in=value, refresh_token="rt-1"))
    assert (found.refresh_token, found.expires_at) == ("rt-1", LATER + 1800)
    assert found.issued_at == LATER


def test_a_lifetime_that_is_not_said_is_that_of_the_tokens_before() -> None:
    assert refreshed(without("expires_in")).expires_at == LATER + 1800


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(replace(BEFORE, expires_at=None), id="no expiry"),
        pytest.param(replace(BEFORE, issued_at=None), id="no beginning"),
        pytest.param(replace(BEFORE, expires_at=None, issued_at=None), id="neither"),
    ],
)
def test_a_lifetime_that_nobody_knows_stays_unknown(before: Account) -> None:
    assert refreshed(without("expires_in"), before).expires_at is None
    assert refreshed(answer(), before).expires_at == LATER + 3600


def test_sec_222_tokens_that_were_over_when_they_came_say_nothing_of_the_next_ones() -> None:
    before = replace(BEFORE, expires_at=NOW - 10)
    assert refreshed(without("expires_in"), before).expires_at is None


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_sec_178_whatever_a_refresh_is_answered_is_an_account_or_unusable(
    more: dict[str, Any],
) -> None:
    try:
        found = refreshed(answer() | more)
    except Unusable as unusable:
        assert str(unusable) != "expires_in"  # noqa: PT017 - of what may be raised
        return
    assert found.access_token is not None
    assert found.access_token.isprintable()
    assert found.refresh_token is not None
    assert found.refresh_token.isprintable()
    assert found.expires_at is not None
    assert LATER + 1 <= found.expires_at <= LATER + TEN_YEARS
    assert (found.issued_at, found.provider_account_id) == (LATER, "42")
