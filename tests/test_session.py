from __future__ import annotations

import copy
import pickle
from dataclasses import replace
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


@pytest.mark.parametrize("value", [None, "google", 7, [], {}, {"provider": "google"}])
def test_what_is_no_account_is_none(value: object) -> None:
    assert Account.from_claims(value) is None


def test_an_unknown_field_of_an_account_is_ignored() -> None:
    claims = {**ACCOUNT.to_claims(tokens=True, id_token=False), "from_a_later_version": 1}
    assert Account.from_claims(claims) == replace(ACCOUNT, id_token=None)


def test_the_triggers_are_the_strings_of_the_reference() -> None:
    assert [str(trigger) for trigger in Trigger] == ["sign_in", "update"]


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
