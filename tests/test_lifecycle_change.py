from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort

from flask_jwtsession import (
    Account,
    InsecureTransport,
    JWTEvent,
    JWTSession,
    SessionTooLarge,
    UpdateRefused,
    current_session,
    current_user,
    sign_in,
    sign_out,
    update_session,
)
from flask_jwtsession.request_checks import csrf

from .scenes import cookie_of, visit
from .support import (
    NOW,
    SAME_ORIGIN,
    SECRET,
    Clock,
    get,
    make_app,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

Signals = list[tuple[str, dict[str, Any]]]
ADA = {"id": "u1", "name": "Ada", "email": "ada@example.com"}
GOOGLE = Account(
    provider="google", type="oidc", provider_account_id="42", access_token="at", id_token="it"
)


def after(app: Flask, change: Callable[[], object], cookie: str = "") -> dict[str, Any]:
    """The claims of the token that a request sets in which ``change`` was called."""

    def view() -> str:
        change()
        return ""

    token = session_token(visit(app, view, cookie))
    assert token
    return unseal(app, token)


# Sign-in.


def test_sign_in_makes_the_standard_claims(app: Flask) -> None:
    claims = after(app, lambda: sign_in({**ADA, "image": "/ada.png", "role": "admin"}))
    assert {name: claims[name] for name in ("sub", "name", "email", "picture")} == {
        "sub": "u1",
        "name": "Ada",
        "email": "ada@example.com",
        "picture": "/ada.png",
    }
    assert "role" not in claims
    assert (claims["iat"], claims["auth_time"]) == (NOW, NOW)


@pytest.mark.parametrize(
    ("identifier", "sub"), [("u1", "u1"), (7, "7"), (0, "0"), ("é", "é"), ("x" * 1024, "x" * 1024)]
)
def test_the_users_id_is_the_subject(app: Flask, identifier: object, sub: str) -> None:
    assert after(app, lambda: sign_in({"id": identifier}))["sub"] == sub


@pytest.mark.parametrize(
    "user",
    [
        pytest.param({}, id="SEC-039 missing"),
        pytest.param({"id": None}, id="SEC-039 None"),
        pytest.param({"id": ""}, id="SEC-039 empty"),
        pytest.param({"id": True}, id="SEC-039 bool"),
        pytest.param({"id": ["u1"]}, id="SEC-039 list"),
        pytest.param({"id": 1.5}, id="SEC-039 float"),
        pytest.param({"id": "None"}, id="SEC-039 the text None"),
        pytest.param({"id": "x" * 10_240}, id="SEC-039 10 KB"),
    ],
)
def test_a_sign_in_without_a_subject_is_refused(app: Flask, user: dict[str, Any]) -> None:
    def view() -> str:
        with pytest.raises(ValueError, match="subject"):
            sign_in(user)
        return "refused"

    response = visit(app, view)
    assert (response.text, set_cookies(response)) == ("refused", {})


@pytest.mark.parametrize("user", ["u1", None, 7, ["u1"]])
def test_a_user_is_a_mapping(app: Flask, user: Any) -> None:
    def view() -> str:
        with pytest.raises(TypeError, match="mapping"):
            sign_in(user)
        return "refused"

    assert visit(app, view).text == "refused"


def test_the_subject_of_a_providers_account_names_the_provider(app: Flask) -> None:
    assert after(app, lambda: sign_in(ADA, account=GOOGLE))["sub"] == "google|42"


def test_the_account_is_kept_and_its_tokens_are_not_public(app: Flask) -> None:
    accounts: list[Account | None] = []

    def read() -> dict[str, Any]:
        accounts.append(current_session.account)
        return {**current_session, "token": dict(current_session.token)}

    def view() -> str:
        sign_in(ADA, account=GOOGLE)
        return ""

    token = session_token(visit(app, view))
    response = visit(app, read, f"{session_cookie_name(app)}={token}")
    assert accounts[0] is not None
    assert (accounts[0].provider, accounts[0].access_token) == ("google", "at")
    assert '"at"' not in response.text


def test_more_claims_can_be_given_at_sign_in(app: Flask) -> None:
    assert after(app, lambda: sign_in(ADA, claims={"company_id": 7}))["company_id"] == 7


@pytest.mark.parametrize("claim", ["iat", "exp", "jti", "sid", "auth_time", "_session"])
def test_claims_given_at_sign_in_do_not_set_what_is_ours(app: Flask, claim: str) -> None:
    assert after(app, lambda: sign_in(ADA, claims={claim: 7})).get(claim) != 7


def test_the_session_can_be_read_right_after_the_sign_in(app: Flask) -> None:
    def view() -> str:
        before = bool(current_session)
        session = sign_in(ADA)
        return f"{before} {session['user'] == current_user} {current_user['name']}"

    assert visit(app, view).text == "False True Ada"


def test_sec_080_nothing_of_a_planted_session_survives_a_sign_in(app: Flask) -> None:
    planted = cookie_of(app, sub=None, cart="planted", sid="planted", jti="planted")
    claims = after(app, lambda: sign_in(ADA), planted)
    assert "planted" not in str(claims)


def test_sec_080_the_csrf_token_changes_at_sign_in_and_sign_out(app: Flask) -> None:
    old = csrf.new_token()
    cookie = f"jwtsession.csrf-token={csrf.cookie_value(old, [SECRET.encode()])}"

    def enter() -> str:
        sign_in(ADA)
        return ""

    def leave() -> str:
        sign_out()
        return ""

    for view in (enter, leave):
        value = set_cookies(visit(app, view, cookie))["jwtsession.csrf-token"].value
        new = csrf.token_of([value], [SECRET.encode()])
        assert new not in (None, old)


def test_sec_081_a_sign_in_over_another_session_ends_that_one_first(
    app: Flask, signals: Signals
) -> None:
    claims = after(app, lambda: sign_in({"id": "u2"}), cookie_of(app, company_id=7))
    assert (claims["sub"], "company_id" in claims, "name" in claims) == ("u2", False, False)
    assert claims["sid"] != "s1"
    assert [(name, arguments.get("reason")) for name, arguments in signals] == [
        ("signed-out", "replaced"),
        ("signed-in", None),
    ]
    assert signals[0][1]["session"].token["sub"] == "u1"
    assert signals[1][1]["session"].token["sub"] == "u2"


def test_sec_082_signing_in_once_more_begins_a_new_session(app: Flask, clock: Clock) -> None:
    cookie = cookie_of(app)
    clock.advance(100.5)
    claims = after(app, lambda: sign_in(ADA), cookie)
    assert (claims["sid"] != "s1", claims["auth_time"]) == (True, NOW + 100.5)


def test_every_sign_in_has_a_sid_of_its_own(app: Flask) -> None:
    sids = {after(app, lambda: sign_in(ADA))["sid"] for _ in range(5)}
    assert len(sids) == 5
    assert all(len(sid) == 22 for sid in sids)


# Update.


def test_an_update_without_a_callback_is_merged(app: Flask) -> None:
    claims = after(app, lambda: update_session({"company_id": 7}), cookie_of(app, role="admin"))
    assert (claims["company_id"], claims["role"], claims["sid"]) == (7, "admin", "s1")


def test_an_update_is_a_new_token_of_the_same_session(app: Flask, clock: Clock) -> None:
    cookie = cookie_of(app)
    clock.advance(60)
    claims = after(app, lambda: update_session({}), cookie)
    assert (claims["iat"], claims["auth_time"], claims["sid"]) == (NOW + 60, NOW, "s1")
    assert claims["jti"] != "j1"


RESERVED = ["iss", "aud", "sub", "iat", "exp", "nbf", "jti", "sid", "auth_time", "_session"]


@pytest.mark.parametrize("claim", RESERVED)
def test_an_update_does_not_set_a_reserved_claim(app: Flask, claim: str) -> None:
    claims = after(app, lambda: update_session({claim: "forged"}), cookie_of(app))
    assert claims.get(claim) != "forged"


def test_an_update_keeps_the_account(app: Flask) -> None:
    block = {"account": GOOGLE.to_claims(tokens=True, id_token=False)}
    claims = after(app, lambda: update_session({"a": 1}), cookie_of(app, _session=block))
    assert claims["_session"] == block


def test_the_session_is_the_updated_one_in_the_rest_of_the_request(app: Flask) -> None:
    def view() -> str:
        before = current_user["name"]
        update_session({"name": "Grace"})
        return f"{before} {current_user['name']} {current_session.token['name']}"

    assert visit(app, view, cookie_of(app)).text == "Ada Grace Grace"


def test_two_updates_of_one_request_add_up(app: Flask) -> None:
    def change() -> None:
        update_session({"a": 1})
        update_session({"b": 2})

    claims = after(app, change, cookie_of(app))
    assert (claims["a"], claims["b"]) == (1, 2)


def test_a_session_that_just_began_can_be_updated(app: Flask) -> None:
    def change() -> None:
        sign_in(ADA)
        update_session({"a": 1})

    assert after(app, change)["a"] == 1


@pytest.mark.parametrize("cookie", ["none", "garbage", "expired", "signed out"])
def test_nobodys_session_cannot_be_updated(app: Flask, clock: Clock, cookie: str) -> None:
    header = {
        "none": "",
        "garbage": f"{session_cookie_name(app)}=garbage",
        "expired": cookie_of(app, exp=NOW - 3600, iat=NOW - 7200, auth_time=NOW - 7200),
        "signed out": cookie_of(app),
    }[cookie]

    def view() -> str:
        if cookie == "signed out":
            sign_out()
        update_session({"a": 1})
        return ""

    response = visit(app, view, header)
    assert (response.status_code, session_token(response)) == (400, None)


def test_claims_that_are_not_json_are_named_but_not_shown(app: Flask) -> None:
    class Note:
        def __repr__(self) -> str:
            return "the-note"

    def view() -> str:
        with pytest.raises(TypeError, match="'note' \\(Note\\)") as raised:
            update_session({"note": Note(), "fine": 1})
        assert "the-note" not in str(raised.value)
        return str(current_session.token.get("fine"))

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("None", {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, b"x"])
def test_a_value_that_json_has_not_changes_nothing(app: Flask, value: object) -> None:
    def view() -> str:
        with pytest.raises(TypeError):
            update_session({"value": value})
        return "kept"

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("kept", {})


# Too large (SEC-066).


def test_sec_066_an_update_that_is_too_large_leaves_the_session_as_it_was(
    app: Flask, signals: Signals
) -> None:
    def view() -> str:
        with pytest.raises(SessionTooLarge) as raised:
            update_session({"text": "x" * 9000})
        assert (raised.value.size > 9000, raised.value.limit) == (True, 7168)
        return f"{current_user['name']} {'text' in current_session.token}"

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response), signals) == ("Ada False", {}, [])


def test_sec_066_a_sign_in_that_is_too_large_leaves_the_session_that_was_there(
    app: Flask, signals: Signals
) -> None:
    def view() -> str:
        with pytest.raises(SessionTooLarge):
            sign_in({"id": "u2", "name": "x" * 9000})
        return str(current_user["name"])

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response), signals) == ("Ada", {}, [])


def test_sec_066_a_change_before_the_one_that_is_too_large_is_written(app: Flask) -> None:
    def change() -> None:
        update_session({"a": 1})
        with pytest.raises(SessionTooLarge):
            update_session({"text": "x" * 9000})

    assert after(app, change, cookie_of(app))["a"] == 1


# Sign-out.


def test_sign_out_deletes_the_cookie_and_tells_whose_session_it_was(
    app: Flask, signals: Signals
) -> None:
    def view() -> str:
        sign_out()
        return f"{bool(current_session)} {bool(current_user)}"

    response = visit(app, view, cookie_of(app))
    assert response.text == "False False"
    assert set_cookies(response)[session_cookie_name(app)].deletes
    [(name, arguments)] = signals
    assert (name, arguments["reason"], arguments["session"].user["name"]) == (
        "signed-out",
        "user",
        "Ada",
    )


@pytest.mark.parametrize("cookie", ["", "garbage"])
def test_signing_nobody_out_deletes_the_cookie_and_tells_nothing(
    app: Flask, signals: Signals, cookie: str
) -> None:
    def view() -> str:
        sign_out()
        sign_out()
        return ""

    response = visit(app, view, cookie and f"{session_cookie_name(app)}={cookie}")
    assert set_cookies(response)[session_cookie_name(app)].deletes
    assert "signed-out" not in [name for name, _ in signals]


def test_sec_073_a_sign_in_and_a_sign_out_in_one_request_leave_only_the_deletion(
    app: Flask,
) -> None:
    def view() -> str:
        sign_in(ADA)
        sign_out()
        return ""

    cookies = set_cookies(visit(app, view))
    assert [cookie.deletes for cookie in cookies.values()] == [True]


def test_sec_073_a_sign_out_and_a_sign_in_in_one_request_leave_only_the_new_cookie(
    app: Flask,
) -> None:
    def change() -> None:
        sign_out()
        sign_in({"id": "u2"})

    assert after(app, change, cookie_of(app))["sub"] == "u2"


# Where the change is written.


def aborting(change: Callable[[], object], error: str) -> Callable[[], str]:
    def view() -> str:
        change()
        if error == "abort":
            abort(409)
        if error == "exception":
            raise LookupError("a bug")
        return ""

    return view


@pytest.mark.parametrize(("error", "status"), [("abort", 409), ("exception", 500)])
def test_sec_075_a_change_is_written_on_an_error_response_too(
    app: Flask, error: str, status: int
) -> None:
    response = visit(app, aborting(lambda: sign_in(ADA), error))
    assert response.status_code == status
    assert session_token(response)


# Transport (SEC-055).


@pytest.mark.parametrize(
    ("config", "base_url", "allowed"),
    [
        pytest.param({}, "http://app.test", False, id="SEC-055 production over http"),
        pytest.param({}, "https://app.test", True, id="SEC-055 https"),
        pytest.param({}, "http://localhost:5000", True, id="SEC-055 localhost"),
        pytest.param({}, "http://shop.localhost", True, id="SEC-055 below localhost"),
        pytest.param({}, "http://127.0.0.1:5000", True, id="SEC-055 loopback v4"),
        pytest.param({}, "http://[::1]:5000", True, id="SEC-055 loopback v6"),
        pytest.param({}, "http://127.0.0.1.evil.test", False, id="SEC-055 only looks like it"),
        pytest.param({}, "http://localhost.evil.test", False, id="SEC-055 localhost as a label"),
        pytest.param({"COOKIE_SECURE": False}, "http://app.test", True, id="SEC-055 allowed"),
        pytest.param(
            {"COOKIE_SECURE": True}, "http://app.test", True, id="SEC-055 tls ends before"
        ),
        pytest.param({"BASE_URL": "https://app.test"}, "http://app.test", True, id="SEC-055 base"),
        pytest.param({"BASE_URL": "http://app.test"}, "https://app.test", False, id="SEC-055 http"),
    ],
)
def test_a_session_cookie_is_set_over_a_safe_transport_only(
    clock: Clock, config: dict[str, Any], base_url: str, allowed: bool
) -> None:
    app, _ = make_app(clock, **config)

    def view() -> str:
        sign_in(ADA)
        return ""

    response = visit(app, view, base_url=base_url)
    assert (response.status_code == 200) is allowed
    assert bool(response.headers.getlist("Set-Cookie")) is allowed


def test_sec_055_the_refusal_has_its_code_and_the_log_names_the_way_out(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = make_app(clock)

    def view() -> str:
        with pytest.raises(InsecureTransport):
            update_session({"a": 1})
        sign_in(ADA)
        return ""

    response = visit(app, view, cookie_of(app), base_url="http://app.test")
    assert response.get_json(force=True)["code"] == "insecure_transport"
    assert "ProxyFix" in caplog.text
    assert "JWTSESSION_COOKIE_SECURE" in caplog.text


@pytest.mark.parametrize("attribute", ["debug", "testing"])
def test_sec_055_debug_and_testing_allow_plain_http(clock: Clock, attribute: str) -> None:
    app, _ = make_app(clock)
    setattr(app, attribute, True)

    def view() -> str:
        sign_in(ADA)
        return ""

    assert session_token(visit(app, view, base_url="http://app.test"))


def test_signing_out_needs_no_safe_transport(clock: Clock) -> None:
    app, _ = make_app(clock)

    def view() -> str:
        sign_out()
        return ""

    response = visit(app, view, cookie_of(app), base_url="http://app.test")
    assert set_cookies(response)[session_cookie_name(app)].deletes


# From a client.


def test_an_update_from_a_client_reaches_the_callback_cut_down(
    app: Flask, auth: JWTSession
) -> None:
    events: list[JWTEvent] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        events.append(event)
        return token

    app.test_client(use_cookies=False).post(
        "/auth/session",
        json={"data": {"nick": "Countess", "role": "admin"}},
        headers={**SAME_ORIGIN, "Cookie": cookie_of(app)},
    )
    assert [(event.data, event.from_client) for event in events] == [({"nick": "Countess"}, True)]


def test_the_read_after_a_change_by_the_next_request(app: Flask) -> None:
    claims = after(app, lambda: update_session({"company_id": 7}), cookie_of(app))
    cookie = cookie_of(app, **claims)
    assert get(app.test_client(), "/session", cookie).get_json()["user"]["name"] == "Ada"


def test_update_refused_is_raised_in_the_view_that_updates(app: Flask, auth: JWTSession) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "update":
            raise UpdateRefused("not a member of that company")
        return token

    def view() -> str:
        with pytest.raises(UpdateRefused, match="not a member"):
            update_session({"company_id": 7})
        return str(current_user["name"])

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response)) == ("Ada", {})


def test_a_session_without_a_subject_cannot_be_updated(app: Flask) -> None:
    def view() -> str:
        with pytest.raises(UpdateRefused):
            update_session({"a": 1})
        return ""

    assert set_cookies(visit(app, view, cookie_of(app, sub=""))) == {}
