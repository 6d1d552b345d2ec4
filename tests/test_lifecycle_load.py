from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, jsonify

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    UpdateRefused,
    current_session,
    current_user,
    login_required,
    update_session,
)
from flask_jwtsession.lifecycle.cookie_set import CookieSet
from flask_jwtsession.tokens.encrypted import EncryptedTokens

from .scenes import cookie_of, visit
from .support import (
    NOW,
    OTHER_SECRET,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

DAY = 86_400
Signals = list[tuple[str, dict[str, Any]]]


def who() -> str:
    return str(current_session.token["sub"]) if current_session else "nobody"


@pytest.fixture
def decryptions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token that is really decrypted."""
    tokens: list[str] = []
    decrypt = EncryptedTokens._open

    def counted(self: EncryptedTokens, token: bytes) -> bytes:
        tokens.append(token.decode())
        return decrypt(self, token)

    monkeypatch.setattr(EncryptedTokens, "_open", counted)
    return tokens


# A request that does not use the session.


@pytest.fixture
def calls(auth: JWTSession) -> list[str]:
    """Which callbacks ran."""
    names: list[str] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        names.append("jwt")
        return token

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        names.append("session")
        return session

    @auth.user_loader
    def load_user(token: dict[str, Any]) -> str:
        names.append("user")
        return "a user"

    return names


@pytest.mark.parametrize("path", ["/unused", "/static/absent.css", "/nowhere", "/unused?x=1"])
def test_a_request_that_does_not_use_the_session_decrypts_and_calls_nothing(
    app: Flask, decryptions: list[str], calls: list[str], path: str
) -> None:
    get(app.test_client(), path, cookie_of(app, exp=NOW + 1))
    assert (decryptions, calls) == ([], [])


@pytest.mark.parametrize("cookie", ["due", "garbage", "expired"])
def test_a_response_that_does_not_use_the_session_is_untouched(
    app: Flask, clock: Clock, cookie: str
) -> None:
    header = f"{session_cookie_name(app)}=garbage" if cookie == "garbage" else cookie_of(app)
    clock.advance(2 * DAY if cookie == "due" else 0)
    bare = Flask("bare")
    bare.add_url_rule("/unused", "unused", lambda: "unused")
    response = get(app.test_client(), "/unused", header)
    assert list(response.headers) == list(get(bare.test_client(), "/unused").headers)


def test_the_callbacks_run_once_in_a_request(app: Flask, calls: list[str]) -> None:
    def view() -> str:
        return f"{current_user} {current_session.user} {current_user} {bool(current_session)}"

    visit(app, view, cookie_of(app))
    assert calls == ["jwt", "session", "user"]


def test_no_callback_runs_for_nobody(app: Flask, calls: list[str]) -> None:
    visit(app, lambda: f"{bool(current_user)} {bool(current_session)}")
    assert calls == []


# What is read.


def test_the_public_session_is_the_one_of_authjs(app: Flask) -> None:
    response = visit(
        app, lambda: dict(current_session), cookie_of(app, picture="/ada.png", role="admin")
    )
    assert response.get_json() == {
        "user": {"name": "Ada", "email": "ada@example.com", "image": "/ada.png"},
        "expires": "2027-01-15T09:00:00.000Z",
    }


def test_the_token_has_the_claims_that_the_browser_does_not_see(app: Flask) -> None:
    cookie = cookie_of(app, role="admin", _session={"account": {"access_token": "secret"}})
    response = visit(app, lambda: dict(current_session.token), cookie)
    assert response.get_json()["role"] == "admin"
    assert "_session" not in response.get_json()


def test_expires_is_the_moment_at_which_the_browsers_cookie_ends(app: Flask, clock: Clock) -> None:
    clock.advance(2 * DAY)
    seen: list[datetime | None] = []

    def view() -> str:
        seen.append(current_session.expires)
        return ""

    cookie = cookie_of(app, exp=NOW + 30 * DAY)
    token = session_token(visit(app, view, cookie))
    assert token
    assert seen == [datetime.fromtimestamp(unseal(app, token)["exp"], UTC)]
    assert seen == [datetime.fromtimestamp(NOW + 32 * DAY, UTC)]


def test_a_session_without_a_subject_is_there_but_nobody_is_signed_in(app: Flask) -> None:
    cookie = cookie_of(app, sub=None)
    response = visit(app, lambda: [bool(current_session), bool(current_user)], cookie)
    assert response.get_json() == [False, False]
    assert get(app.test_client(), "/private", cookie).status_code == 401


# Rejected cookies.


def test_a_cookie_that_cannot_be_decrypted_is_ignored_and_kept(
    app: Flask, signals: Signals
) -> None:
    response = visit(app, who, f"{session_cookie_name(app)}=garbage")
    assert (response.text, set_cookies(response)) == ("nobody", {})
    assert [name for name, _ in signals] == ["session-rejected"]


def test_no_cookie_is_no_rejection(app: Flask, signals: Signals) -> None:
    assert visit(app, who).text == "nobody"
    assert signals == []


def test_a_rejected_cookie_is_told_once_in_a_request(app: Flask, signals: Signals) -> None:
    def view() -> str:
        with pytest.raises(UpdateRefused):
            update_session({"a": 1})
        return who() + who()

    visit(app, view, f"{session_cookie_name(app)}=garbage")
    assert len(signals) == 1


# Life times (SEC-035 to SEC-037, SEC-041).


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0, "u1", id="SEC-037 at once"),
        pytest.param(599, "u1", id="SEC-037 idle for one second less"),
        pytest.param(614.9, "u1", id="SEC-037 within the leeway"),
        pytest.param(615, "nobody", id="SEC-037 at the end of the leeway"),
        pytest.param(10 * DAY, "nobody", id="SEC-037 long after"),
    ],
)
def test_an_idle_session_ends_after_max_age(seconds: float, expected: str) -> None:
    app, _ = make_app(clock := Clock(), MAX_AGE=600)
    cookie = cookie_of(app, exp=NOW + 600)
    clock.advance(seconds)
    assert visit(app, who, cookie).text == expected


def test_sec_037_a_session_in_use_goes_on(clock: Clock) -> None:
    app, _ = make_app(clock, MAX_AGE=600)
    cookie = cookie_of(app, exp=NOW + 600)
    for _ in range(10):
        clock.advance(599)
        token = session_token(visit(app, who, cookie))
        assert token
        assert unseal(app, token)["exp"] == clock.now + 600
        cookie = f"{session_cookie_name(app)}={token}"
    assert visit(app, who, cookie).text == "u1"


def test_sec_035_a_token_from_before_max_age_was_shortened_ends_by_the_new_one() -> None:
    app, _ = make_app(clock := Clock(), MAX_AGE=600)
    cookie = cookie_of(app, exp=NOW + 30 * DAY)
    clock.advance(616)
    assert visit(app, who, cookie).text == "nobody"


def test_an_expired_cookie_is_deleted_and_told(app: Flask, clock: Clock, signals: Signals) -> None:
    cookie = cookie_of(app)
    clock.advance(DAY)
    response = visit(app, who, cookie)
    assert set_cookies(response)[session_cookie_name(app)].deletes
    assert [(name, arguments["reason"]) for name, arguments in signals] == [
        ("session-rejected", "expired"),
        ("signed-out", "expired"),
    ]
    assert signals[1][1]["session"].token["sub"] == "u1"


def test_a_look_at_the_status_does_not_delete_an_expired_cookie(app: Flask, clock: Clock) -> None:
    cookie = cookie_of(app)
    clock.advance(DAY)
    assert set_cookies(get(app.test_client(), "/auth/session/status", cookie)) == {}


@pytest.mark.parametrize("use", ["rolling", "updates"])
def test_sec_036_no_use_carries_a_session_over_its_absolute_life(clock: Clock, use: str) -> None:
    app, _ = make_app(clock, MAX_AGE=600, UPDATE_AGE=0, ABSOLUTE_MAX_AGE=3600)
    name = session_cookie_name(app)
    cookie = cookie_of(app, exp=NOW + 600)

    def change() -> str:
        update_session({"n": clock.now})
        return "u1"

    for _ in range(1000):
        response = visit(app, change if use == "updates" else who, cookie)
        token = session_token(response)
        if token is None:
            break
        claims = unseal(app, token)
        assert claims["exp"] <= NOW + 3600
        assert claims["auth_time"] == NOW
        cookie = f"{name}={token}"
        clock.advance(59)
    assert NOW + 3500 < clock.now < NOW + 3700
    clock.advance(60)
    assert visit(app, who, cookie).text == "nobody"


def test_sec_041_a_clock_that_is_slightly_behind_neither_refuses_nor_rolls(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=60)
    cookie = cookie_of(app)
    clock.advance(-10)
    response = visit(app, who, cookie)
    assert (response.text, set_cookies(response)) == ("u1", {})


def test_sec_041_a_clock_that_was_set_back_keeps_the_cookie_for_later(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=0)
    cookie = cookie_of(app)
    clock.advance(-3600)
    response = visit(app, who, cookie)
    assert (response.text, set_cookies(response)) == ("nobody", {})
    clock.advance(3600)
    assert visit(app, who, cookie).text == "u1"


# Rolling.


@pytest.mark.parametrize(
    ("config", "age", "rolls"),
    [
        ({}, DAY - 1, False),
        ({}, DAY, True),
        ({"UPDATE_AGE": 60}, 59, False),
        ({"UPDATE_AGE": 60}, 60, True),
        ({"UPDATE_AGE": 0}, 0, True),
        ({"MAX_AGE": 300}, 9, False),
        ({"MAX_AGE": 300}, 10, True),
    ],
)
def test_a_cookie_older_than_update_age_is_issued_again(
    clock: Clock, config: dict[str, Any], age: float, rolls: bool
) -> None:
    app, _ = make_app(clock, **config)
    cookie = cookie_of(app, exp=NOW + 30 * DAY)
    clock.advance(age)
    assert (session_token(visit(app, who, cookie)) is not None) is rolls


def test_a_rolled_token_differs_in_its_times_and_jti_only(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=60)
    cookie = cookie_of(app, company_id=7, _session={"account": {"provider": "x"}})
    clock.advance(60)
    token = session_token(visit(app, who, cookie))
    assert token
    before = claims_at(NOW, company_id=7, _session={"account": {"provider": "x"}})
    after = unseal(app, token)
    assert {name for name in after if after[name] != before.get(name)} == {"iat", "exp", "jti"}
    assert after.keys() == before.keys()


def test_a_session_over_plain_http_in_production_is_read_but_not_rolled() -> None:
    app, _ = make_app(Clock(), UPDATE_AGE=0)
    response = visit(app, who, cookie_of(app), base_url="http://app.test")
    assert (response.text, set_cookies(response)) == ("u1", {})


# Rotation of secrets (SEC-051).


def test_sec_051_an_old_cookie_lives_on_and_is_written_under_the_new_secret(clock: Clock) -> None:
    old, _ = make_app(clock, SECRET=OTHER_SECRET)
    both, _ = make_app(clock, SECRET_FALLBACKS=[OTHER_SECRET], UPDATE_AGE=60)
    new, _ = make_app(clock, SECRET=SECRET)
    cookie = cookie_of(old)
    assert visit(both, who, cookie).text == "u1"
    assert visit(new, who, cookie).text == "nobody"
    clock.advance(60)
    token = session_token(visit(both, who, cookie))
    assert visit(new, who, f"{session_cookie_name(new)}={token}").text == "u1"


# The cache of verified tokens.


def test_a_cookie_seen_again_is_not_decrypted_again(app: Flask, decryptions: list[str]) -> None:
    cookie = cookie_of(app)
    assert [visit(app, who, cookie).text for _ in range(3)] == ["u1"] * 3
    assert len(decryptions) == 1


def test_the_times_of_a_remembered_token_are_checked_at_every_use(app: Flask, clock: Clock) -> None:
    cookie = cookie_of(app)
    assert visit(app, who, cookie).text == "u1"
    clock.advance(DAY)
    assert visit(app, who, cookie).text == "nobody"


def test_a_changed_copy_of_a_remembered_token_is_refused(app: Flask) -> None:
    cookie = cookie_of(app)
    assert visit(app, who, cookie).text == "u1"
    assert visit(app, who, cookie[:-1] + ("A" if cookie[-1] != "A" else "B")).text == "nobody"


def test_the_cache_of_verified_tokens_is_bounded(app: Flask) -> None:
    tokens: CookieSet = binding_of(app).http
    for number in range(600):
        tokens.tokens.decode(seal(app, {"n": number}))
    assert len(tokens.tokens._verified) <= 512


# Sessions that an Auth.js server began.


def authjs_cookie(app: Flask, **claims: Any) -> str:
    made = {**claims_at(NOW), **claims}
    del made["sid"], made["auth_time"]
    return f"{session_cookie_name(app)}={seal(app, made)}"


def test_parallel_first_requests_of_an_authjs_session_agree_on_its_sid(app: Flask) -> None:
    cookie = authjs_cookie(app)
    sids = {visit(app, lambda: str(current_session.token["sid"]), cookie).text for _ in range(2)}
    other = visit(app, lambda: str(current_session.token["sid"]), authjs_cookie(app, jti="j2")).text
    assert len(sids) == 1
    assert other not in sids


def test_an_authjs_session_keeps_its_absolute_age_when_it_is_issued_here(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=60, ABSOLUTE_MAX_AGE=1000)
    clock.advance(60)
    token = session_token(visit(app, who, authjs_cookie(app)))
    assert token
    claims = unseal(app, token)
    assert claims["exp"] == NOW + 1000
    assert "auth_time" not in claims


# A token that the jwt callback changes on a plain load.


def test_a_token_changed_on_a_plain_load_is_saved_in_the_same_response(
    app: Flask, auth: JWTSession
) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "visits": token.get("visits", 0) + 1}

    response = visit(app, lambda: [current_session.token["visits"]], cookie_of(app))
    token = session_token(response)
    assert token
    assert (response.get_json(), unseal(app, token)["visits"]) == ([1], 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (0, False), ([1], [True]), ("a", "b"), ([1, 2], [2, 1]), (None, 0)],
)
def test_every_change_of_a_claim_is_saved(
    app: Flask, auth: JWTSession, before: object, after: object
) -> None:
    auth.jwt_callback(lambda token, event: {**token, "flag": after})
    token = session_token(visit(app, who, cookie_of(app, flag=before)))
    assert token
    assert json.dumps(unseal(app, token)["flag"]) == json.dumps(after)


def test_a_tuple_that_was_a_list_is_no_change(app: Flask, auth: JWTSession) -> None:
    auth.jwt_callback(lambda token, event: {**token, "roles": tuple(token["roles"])})
    assert set_cookies(visit(app, who, cookie_of(app, roles=["a", "b"]))) == {}


def test_a_token_that_no_longer_fits_is_not_rolled_but_lives_on(clock: Clock) -> None:
    app, _ = make_app(clock, MAX_TOKEN_SIZE=1024, UPDATE_AGE=0)
    response = visit(app, who, cookie_of(app, text="x" * 2000))
    assert (response.text, set_cookies(response)) == ("u1", {})


def test_a_token_that_a_plain_load_makes_too_large_is_an_error_that_keeps_the_cookie(
    app: Flask, auth: JWTSession
) -> None:
    auth.jwt_callback(lambda token, event: {**token, "text": "x" * 9000})
    response = visit(app, who, cookie_of(app))
    assert (response.status_code, set_cookies(response)) == (413, {})


# What a request may change without being able to write it.


def test_a_change_that_cannot_be_written_counts_for_this_request() -> None:
    app, auth = make_app(Clock())
    auth.jwt_callback(lambda token, event: {**token, "role": "none"})
    response = visit(
        app,
        lambda: str(current_session.token["role"]),
        cookie_of(app, role="admin"),
        base_url="http://app.test",
    )
    assert (response.text, set_cookies(response)) == ("none", {})


def test_sec_087_a_role_taken_away_takes_effect_at_the_next_load(
    app: Flask, auth: JWTSession
) -> None:
    roles = {"u1": "admin"}
    auth.jwt_callback(lambda token, event: {**token, "role": roles[token["sub"]]})

    @login_required
    def view() -> Any:
        return jsonify(current_session.token["role"])

    cookie = cookie_of(app, role="admin")
    assert visit(app, view, cookie).get_json() == "admin"
    roles["u1"] = "guest"
    assert visit(app, view, cookie).get_json() == "guest"


def test_sec_036_a_token_of_authjs_with_a_sid_of_its_own_ends_too(clock: Clock) -> None:
    app, _ = make_app(clock, ABSOLUTE_MAX_AGE=7200, UPDATE_AGE=0)
    claims = claims_at(NOW, sid="the provider's")
    del claims["auth_time"]
    cookie = f"{session_cookie_name(app)}={seal(app, claims)}"
    alive = 0
    for _ in range(6):
        response = visit(app, who, cookie)
        alive += response.text != "nobody"
        token = session_token(response)
        cookie = f"{session_cookie_name(app)}={token}" if token else cookie
        clock.advance(1800)
    assert alive == 5  # the last time in the leeway


def test_nothing_is_issued_in_the_leeway_after_the_absolute_end(
    clock: Clock, signals: list[tuple[str, dict[str, Any]]]
) -> None:
    app, _ = make_app(clock, ABSOLUTE_MAX_AGE=3600, UPDATE_AGE=0)
    cookie = cookie_of(app)
    clock.advance(3605)
    response = visit(app, who, cookie)
    assert (response.text != "nobody", set_cookies(response)) == (True, {})
