from __future__ import annotations

import copy
import pickle
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from flask_jwtsession import Account, JWTEvent, Session, Trigger
from flask_jwtsession.lifecycle.state import Token
from flask_jwtsession.session import NOBODY, Claims

ACCOUNT = Account(
    provider="google",
    type="oidc",
    provider_account_id="42",
    access_token="the-access-token",
    refresh_token="the-refresh-token",
    expires_at=1_800_003_600,
    scope="openid",
    token_type="bearer",
    id_token="the-id-token",
    issued_at=1_800_000_000,
)
WITHOUT_TOKENS = Account(
    provider="google", type="oidc", provider_account_id="42", id_token="the-id-token"
)
TOKENS = ("the-access-token", "the-refresh-token", "the-id-token")


def session(**claims: object) -> Session:
    return Session(
        {"user": {"name": "Ada"}, "expires": "x"},
        {"sub": "u1", "secret_note": "the-note", **claims},
        subject="u1",
        expires=1_800_000_000,
        account=ACCOUNT,
    )


def test_a_session_reads_as_the_public_mapping() -> None:
    assert dict(session()) == {"user": {"name": "Ada"}, "expires": "x"}
    assert session()["expires"] == "x"
    assert len(session()) == 2


def test_a_session_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        session()["user"] = {}  # type: ignore[index]  # what must not work
    with pytest.raises(AttributeError):
        session().user = {}  # type: ignore[misc]  # what must not work


def test_the_token_is_read_only() -> None:
    with pytest.raises(TypeError):
        session().token["sub"] = "u2"  # type: ignore[index]  # what must not work


def test_a_session_knows_when_it_ends() -> None:
    assert session().expires == datetime.fromtimestamp(1_800_000_000, UTC)


def test_nobody_is_falsy_and_empty() -> None:
    assert not NOBODY
    assert dict(NOBODY) == {}
    assert (NOBODY.user, NOBODY.expires, NOBODY.account, dict(NOBODY.token)) == (
        None,
        None,
        None,
        {},
    )


def test_a_session_without_a_subject_is_falsy_and_has_no_user() -> None:
    anonymous = Session({"user": {"name": "?"}}, {}, subject=None, expires=1.0)
    assert not anonymous
    assert anonymous.user is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(session(), id="SEC-059 session"),
        pytest.param(session().token, id="SEC-059 claims"),
        pytest.param(Claims({"access_token": "the-access-token"}), id="SEC-059 a claim"),
        pytest.param(ACCOUNT, id="SEC-059 account"),
        pytest.param(JWTEvent(trigger=Trigger.SIGN_IN, account=ACCOUNT), id="SEC-059 event"),
        pytest.param(
            JWTEvent(trigger=Trigger.SIGN_IN, profile={"id_token": "the-id-token"}),
            id="SEC-059 event with a profile",
        ),
        pytest.param(
            Token.of(
                b'{"_session":{"account":{"access_token":"the-access-token"}}}',
                {"_session": {"account": {"access_token": "the-access-token"}}},
                1.0,
            ),
            id="SEC-206 verified token",
        ),
    ],
)
def test_no_repr_shows_a_token_or_a_claims_value(value: object) -> None:
    for text in (repr(value), str(value)):
        assert not any(secret in text for secret in (*TOKENS, "the-note"))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_sec_059_a_session_cannot_be_pickled_or_copied(take: object) -> None:
    assert callable(take)
    with pytest.raises(TypeError, match=r"dict\(session\)"):
        take(session())


def test_an_account_comes_back_from_its_claims_without_the_id_token() -> None:
    assert Account.from_claims(ACCOUNT.to_claims(tokens=True, id_token=False)) == replace(
        ACCOUNT, id_token=None
    )


def test_an_account_comes_back_from_its_claims_whole() -> None:
    claims = ACCOUNT.to_claims(tokens=True, id_token=True)
    assert Account.from_claims(claims) == ACCOUNT


def test_the_claims_of_an_account_have_the_tokens_that_are_asked_for() -> None:
    who = {"provider": "google", "type": "oidc", "provider_account_id": "42"}
    tokens = {
        "access_token": "the-access-token",
        "refresh_token": "the-refresh-token",
        "expires_at": 1_800_003_600,
        "issued_at": 1_800_000_000,
        "scope": "openid",
        "token_type": "bearer",
    }
    id_token = {"id_token": "the-id-token"}
    assert ACCOUNT.to_claims(tokens=True, id_token=True) == {**who, **tokens, **id_token}
    assert ACCOUNT.to_claims(tokens=True, id_token=False) == {**who, **tokens}
    assert ACCOUNT.to_claims(tokens=False, id_token=True) == {**who, **id_token}
    assert ACCOUNT.to_claims(tokens=False, id_token=False) == who


def test_the_claims_of_an_account_have_no_empty_fields() -> None:
    bare = Account(provider="google", type="oauth", provider_account_id="42", access_token="at")
    assert bare.to_claims(tokens=True, id_token=True) == {
        "provider": "google",
        "type": "oauth",
        "provider_account_id": "42",
        "access_token": "at",
    }


@pytest.mark.parametrize(
    ("account", "has_tokens"),
    [
        pytest.param(ACCOUNT, True, id="both"),
        pytest.param(replace(WITHOUT_TOKENS, access_token="at"), True, id="an access token"),
        pytest.param(replace(WITHOUT_TOKENS, refresh_token="rt"), True, id="a refresh token"),
        pytest.param(WITHOUT_TOKENS, False, id="an ID token"),
        pytest.param(
            replace(WITHOUT_TOKENS, expires_at=1.0, scope="openid"), False, id="what is left"
        ),
    ],
)
def test_an_account_has_tokens_if_there_is_an_access_or_a_refresh_token(
    account: Account, has_tokens: bool
) -> None:
    assert account.has_tokens is has_tokens


def test_the_tokens_of_an_account_say_nothing_of_the_person() -> None:
    assert ACCOUNT.tokens() == {
        "access_token": "the-access-token",
        "refresh_token": "the-refresh-token",
        "expires_at": 1_800_003_600,
        "issued_at": 1_800_000_000,
        "scope": "openid",
        "token_type": "bearer",
        "id_token": "the-id-token",
    }
    assert WITHOUT_TOKENS.tokens() == {"id_token": "the-id-token"}


def test_every_field_of_an_account_says_who_it_is_or_belongs_to_the_tokens() -> None:
    who = {"provider", "type", "provider_account_id"}
    assert {field.name for field in fields(Account)} == who | ACCOUNT.tokens().keys()


def test_tokens_move_from_one_account_to_another() -> None:
    assert WITHOUT_TOKENS.with_tokens(ACCOUNT.tokens()) == ACCOUNT


def test_nothing_of_the_tokens_before_is_left_beside_others() -> None:
    """An old expiry beside a new access token, or an old refresh token, would be a mixture."""
    found = ACCOUNT.with_tokens({"access_token": "another-access-token"})
    assert found == replace(WITHOUT_TOKENS, access_token="another-access-token")


def test_tokens_say_nothing_of_who_somebody_is() -> None:
    tokens = {"access_token": "at", "provider": "evil", "provider_account_id": "7", "later": 1}
    assert WITHOUT_TOKENS.with_tokens(tokens) == replace(WITHOUT_TOKENS, access_token="at")


def test_the_id_token_stays_unless_there_is_another() -> None:
    assert ACCOUNT.with_tokens({}).id_token == "the-id-token"
    assert ACCOUNT.with_tokens({"id_token": "another"}).id_token == "another"


def test_an_account_without_tokens_keeps_who_it_is_and_the_id_token() -> None:
    assert ACCOUNT.without_tokens() == WITHOUT_TOKENS
    assert not ACCOUNT.without_tokens().has_tokens
    assert ACCOUNT.has_tokens  # it is a copy


@pytest.mark.parametrize("value", [None, "google", 7, [], {}, {"provider": "google"}])
def test_what_is_no_account_is_none(value: object) -> None:
    assert Account.from_claims(value) is None


def test_an_unknown_field_of_an_account_is_ignored() -> None:
    claims = {**ACCOUNT.to_claims(tokens=True, id_token=False), "from_a_later_version": 1}
    assert Account.from_claims(claims) == replace(ACCOUNT, id_token=None)


def test_the_triggers_are_the_strings_of_the_reference() -> None:
    assert [str(trigger) for trigger in Trigger] == ["sign_in", "update", "refresh"]


def test_an_event_of_a_plain_load_is_empty() -> None:
    event = JWTEvent()
    assert event.trigger is None
    assert (event.user, event.account, event.profile, event.data, event.from_client) == (
        None,
        None,
        None,
        {},
        False,
    )
