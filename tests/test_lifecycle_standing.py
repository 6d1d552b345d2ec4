"""Sessions that are over before their time is, seen from their requests."""

from __future__ import annotations

import string
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    JWTEvent,
    JWTSession,
    RevocationUnavailable,
    Session,
    UpdateRefused,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    refresh_session,
    revoke_session,
    revoke_user,
    sign_in,
    sign_out,
    signed_out,
    update_session,
)
from flask_jwtsession.lifecycle.standing import revoke_at_provider

from .browsing import problem_code
from .faulty_store import FaultyStore
from .scenes import cookie_of, visit
from .support import (
    CROSS_SITE,
    NAVIGATION,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
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

Signals = list[tuple[str, dict[str, Any]]]
ADA = {"id": "u1", "name": "Ada"}
NAME = "jwtsession.session-token"
DAY = 86_400


def who() -> str:
    return str(current_session.token["sub"]) if current_session else "nobody"


def doing(*changes: Callable[[], object]) -> Callable[[], str]:
    """A view that makes these changes, and says who is signed in then."""

    def view() -> str:
        for change in changes:
            change()
        return who()

    return view


def enter() -> None:
    sign_in(ADA)


leave = sign_out


def revoke_ada() -> None:
    revoke_user("u1")


def cookie_from(response: TestResponse) -> str:
    token = session_token(response)
    assert token is not None
    return f"{NAME}={token}"


def signed_in_cookie(app: Flask, *, sub: str = "u1") -> str:
    """The cookie of somebody who has just signed in."""
    return cookie_from(visit(app, doing(lambda: sign_in({"id": sub}))))


def told(signals: Signals) -> list[tuple[str, Any]]:
    """The signals, each with its reason, if it has one."""
    return [(name, arguments.get("reason")) for name, arguments in signals]


def assert_live(app: Flask, cookie: str) -> None:
    assert visit(app, who, cookie).text != "nobody"


def assert_dead(app: Flask, cookie: str) -> None:
    """Nobody is signed in with it, wherever it is sent."""
    visit(app, who)  # which makes the view
    status = get(app.test_client(), "/auth/session/status", cookie)
    assert (status.status_code, status.get_json()) == (401, {"status": "unauthenticated"})
    assert visit(app, who, cookie).text == "nobody"
    assert get(app.test_client(), "/auth/session", cookie).get_json() is None
    assert visit(app, login_required(who), cookie).status_code == 401


# Sign-out (SEC-040, SEC-083).


def test_sec_040_sec_083_no_copy_of_a_cookie_is_good_after_the_sign_out(
    app: Flask, clock: Clock
) -> None:
    first = signed_in_cookie(app)
    clock.advance(DAY)
    rolled = cookie_from(visit(app, who, first))
    updated = cookie_from(visit(app, doing(lambda: update_session({"a": 1})), first))
    assert len({first, rolled, updated}) == 3
    visit(app, doing(leave), updated)
    for copy in (first, rolled, updated):
        assert_dead(app, copy)


def test_sec_083_without_a_store_a_copy_of_the_cookie_is_good_after_the_sign_out(
    clock: Clock,
) -> None:
    """As the documentation says of JWTSESSION_STORE = None."""
    app, _ = make_app(clock, STORE=None)
    cookie = signed_in_cookie(app)
    response = visit(app, doing(leave), cookie)
    assert set_cookies(response)[NAME].deletes
    assert visit(app, who, cookie).text == "u1"


def test_without_a_store_a_sign_out_is_nothing_to_worry_about(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = make_app(clock, STORE=None)
    ended: list[tuple[str, str | None]] = []

    def receive(sender: object, session: Session, reason: str) -> None:
        ended.append((reason, session.error))

    with signed_out.connected_to(receive, app):
        visit(app, doing(leave), signed_in_cookie(app))
    assert ended == [("user", None)]
    assert "WARNING" not in caplog.text


def test_a_sign_out_ends_one_session_and_no_other(app: Flask) -> None:
    here, there, of_grace = (
        signed_in_cookie(app),
        signed_in_cookie(app),
        signed_in_cookie(app, sub="u2"),
    )
    visit(app, doing(leave), here)
    assert_dead(app, here)
    assert_live(app, there)
    assert_live(app, of_grace)


def test_sec_083_a_replay_is_rejected_and_nothing_of_it_is_told_as_a_sign_out(
    app: Flask, signals: Signals
) -> None:
    cookie = signed_in_cookie(app)
    visit(app, doing(leave), cookie)
    signals.clear()
    for _ in range(3):
        response = visit(app, who, cookie)
        assert (response.text, set_cookies(response)) == ("nobody", {})
    assert told(signals) == [("session-rejected", "revoked")] * 3


def test_sec_230_replays_do_not_fill_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    cookie = signed_in_cookie(app)
    visit(app, doing(leave), cookie)
    caplog.clear()
    for _ in range(200):
        visit(app, who, cookie)
    assert len(caplog.records) == 1


def test_sec_081_sec_082_a_sign_in_over_a_session_kills_the_copies_of_it(app: Flask) -> None:
    old = signed_in_cookie(app)
    new = cookie_from(visit(app, doing(enter), old))
    assert_dead(app, old)
    assert_live(app, new)


def test_a_sign_in_that_was_refused_leaves_the_session_alone(app: Flask, auth: JWTSession) -> None:
    auth.sign_in_callback(lambda user, account, profile: user["id"] != "u2")
    cookie = signed_in_cookie(app)
    response = visit(app, doing(lambda: sign_in({"id": "u2"})), cookie)
    assert (response.status_code, set_cookies(response)) == (403, {})
    assert_live(app, cookie)


@pytest.mark.parametrize("trigger", [None, "update"])
def test_sec_088_a_jwt_callback_that_returns_none_kills_the_copies(
    app: Flask, auth: JWTSession, signals: Signals, trigger: str | None
) -> None:
    ends: list[bool] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
        return None if ends and event.trigger == trigger else token

    cookie = signed_in_cookie(app)
    signals.clear()
    ends.append(True)
    view = who if trigger is None else doing(lambda: update_session({"a": 1}))
    response = visit(app, view, cookie)
    assert response.text == "nobody"
    assert set_cookies(response)[NAME].deletes
    assert told(signals) == [("signed-out", "callback")]
    ends.clear()
    assert_dead(app, cookie)


def test_a_user_loader_that_knows_nobody_ends_nothing(app: Flask, auth: JWTSession) -> None:
    known: dict[str, str] = {}
    auth.user_loader(lambda token: known.get(token["sub"]))
    cookie = signed_in_cookie(app)
    assert visit(app, lambda: str(current_user), cookie).text == "None"
    known["u1"] = "Ada"
    assert visit(app, lambda: str(current_user), cookie).text == "Ada"


# One session is revoked.


def test_sec_040_a_revoked_session_is_over_at_its_next_request(app: Flask) -> None:
    cookie, other = cookie_of(app, sid="lost"), cookie_of(app, sid="kept")
    visit(app, doing(lambda: revoke_session("lost")))
    assert_dead(app, cookie)
    assert_live(app, other)


def test_the_request_that_revokes_its_own_session_is_not_stopped(app: Flask) -> None:
    cookie = cookie_of(app, sid="s1")
    response = visit(app, doing(who, lambda: revoke_session("s1")), cookie)
    assert (response.text, set_cookies(response)) == ("u1", {})
    assert_dead(app, cookie)


def test_an_update_after_the_own_session_was_revoked_does_not_keep_it(app: Flask) -> None:
    """And the cookie that the update sets is that of the same session."""
    view = doing(who, lambda: revoke_session("s1"), lambda: update_session({"a": 1}))
    assert_dead(app, cookie_from(visit(app, view, cookie_of(app, sid="s1"))))


def test_a_revoked_session_is_ended_and_told_of_once(app: Flask, signals: Signals) -> None:
    cookie = cookie_of(app, sid="s1", role="admin")
    visit(app, doing(lambda: revoke_session("s1")))
    signals.clear()
    responses = [visit(app, who, cookie) for _ in range(3)]
    assert [response.text for response in responses] == ["nobody"] * 3
    assert set_cookies(responses[0])[NAME].deletes
    # A late one would delete the cookie of somebody who has signed in again.
    assert [set_cookies(response) for response in responses[1:]] == [{}, {}]
    assert told(signals) == [("signed-out", "revoked"), *[("session-rejected", "revoked")] * 2]
    session = signals[0][1]["session"]
    assert (session.token["sub"], session.token["role"], session.error) == ("u1", "admin", None)


def test_no_callback_runs_for_a_revoked_session(app: Flask, auth: JWTSession) -> None:
    ran: list[str] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        ran.append("jwt")
        return token

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        ran.append("session")
        return session

    auth.user_loader(lambda token: ran.append("user"))
    visit(app, doing(lambda: revoke_session("s1")))
    assert visit(app, lambda: f"{who()} {current_user}", cookie_of(app)).text == "nobody None"
    assert ran == []


def test_a_look_at_the_status_ends_nothing(app: Flask, signals: Signals) -> None:
    cookie = cookie_of(app)
    visit(app, doing(lambda: revoke_session("s1")))
    signals.clear()
    response = get(app.test_client(), "/auth/session/status", cookie)
    assert (response.status_code, set_cookies(response), signals) == (401, {}, [])
    assert set_cookies(visit(app, who, cookie))[NAME].deletes
    assert told(signals) == [("signed-out", "revoked")]


def test_a_sign_out_of_a_revoked_session_deletes_its_cookie(app: Flask) -> None:
    cookie = cookie_of(app)
    visit(app, doing(lambda: revoke_session("s1")))
    response = app.test_client(use_cookies=False).post(
        "/auth/signout", headers={**SAME_ORIGIN, "Cookie": cookie}
    )
    assert (response.status_code, set_cookies(response)[NAME].deletes) == (302, True)
    assert_dead(app, cookie)


def test_whoever_was_revoked_may_sign_in_again(app: Flask) -> None:
    cookie = cookie_of(app)
    visit(app, doing(lambda: revoke_session("s1")))
    response = visit(app, doing(who, enter), cookie)
    assert response.text == "u1"
    assert_live(app, cookie_from(response))
    assert_dead(app, cookie)


def test_a_session_that_was_signed_out_is_not_told_of_again_when_it_is_revoked(
    app: Flask, signals: Signals
) -> None:
    cookie = cookie_of(app)
    visit(app, doing(leave), cookie)
    visit(app, doing(lambda: revoke_session("s1"), revoke_ada))
    signals.clear()
    assert visit(app, who, cookie).text == "nobody"
    assert told(signals) == [("session-rejected", "revoked")]


def test_sec_124_nobody_can_change_a_revoked_session(app: Flask) -> None:
    cookie = cookie_of(app)
    visit(app, doing(lambda: revoke_session("s1")))

    def change() -> str:
        with pytest.raises(UpdateRefused, match="nobody is signed in"):
            update_session({"a": 1})
        with pytest.raises(UpdateRefused, match="nobody is signed in"):
            refresh_session()
        return who()

    assert visit(app, change, cookie).text == "nobody"
    client = app.test_client(use_cookies=False)
    for path in ("/auth/session", "/auth/session/refresh"):
        response = client.post(path, json={}, headers={**SAME_ORIGIN, "Cookie": cookie})
        assert (response.status_code, problem_code(response)) == (401, "login_required")


@pytest.mark.parametrize("headers", [{}, NAVIGATION], ids=["a program", "a person"])
def test_who_was_revoked_has_to_sign_in(clock: Clock, headers: dict[str, str]) -> None:
    app, _ = make_app(clock, PROTECT_ALL=True)
    app.add_url_rule("/everything", "everything", lambda: "everything")
    cookie = cookie_of(app)
    with app.app_context():
        revoke_session("s1")
    response = app.test_client(use_cookies=False).get(
        "/everything", headers={**headers, "Cookie": cookie}
    )
    if headers:
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/auth/signin?")
    else:
        assert (response.status_code, problem_code(response)) == (401, "login_required")


# A person is revoked (SEC-084).


@pytest.mark.parametrize(
    ("revoked_after", "lives"),
    [
        pytest.param(-3600, True, id="an hour before the sign-in"),
        pytest.param(-0.001, True, id="just before it, in the same second"),
        pytest.param(0.001, False, id="just after it, in the same second"),
        pytest.param(0.9, False, id="at the end of that second"),
        pytest.param(DAY, False, id="a day after it"),
    ],
)
def test_sec_084_a_session_that_began_before_the_revocation_is_over(
    clock: Clock, revoked_after: float, lives: bool
) -> None:
    app, _ = make_app(clock)
    begun = NOW + 100_000.25
    moments = sorted([(begun, enter), (begun + revoked_after, revoke_ada)], key=lambda one: one[0])
    cookie = ""
    for moment, change in moments:
        clock.now = moment
        response = visit(app, doing(change))
        cookie = f"{NAME}={session_token(response)}" if change is enter else cookie
    clock.now = max(moment for moment, _ in moments)
    (assert_live if lives else assert_dead)(app, cookie)


def test_sec_084_older_sessions_are_over_and_newer_ones_are_not(app: Flask, clock: Clock) -> None:
    old = [signed_in_cookie(app), signed_in_cookie(app)]
    of_grace = signed_in_cookie(app, sub="u2")
    clock.advance(0.25)
    visit(app, doing(revoke_ada))
    clock.advance(0.25)
    new = signed_in_cookie(app)
    for cookie in old:
        assert_dead(app, cookie)
    assert_live(app, new)
    assert_live(app, of_grace)
    clock.advance(0.25)
    visit(app, doing(revoke_ada))
    assert_dead(app, new)


def test_sec_084_sign_out_everywhere_and_in_again_while_the_clock_stands_still(
    app: Flask,
) -> None:
    """After a change of the password, say; and four times in the same microsecond."""
    cookies = [signed_in_cookie(app)]
    for _ in range(4):
        response = visit(app, doing(revoke_ada, enter), cookies[-1])
        assert response.text == "u1"
        cookies.append(cookie_from(response))
        for old in cookies[:-1]:
            assert_dead(app, old)
        assert_live(app, cookies[-1])


def test_sec_084_who_signs_in_and_is_revoked_in_one_request_is_revoked(app: Flask) -> None:
    response = visit(app, doing(enter, revoke_ada))
    assert response.text == "u1"
    assert_dead(app, cookie_from(response))


@pytest.mark.parametrize("seconds", [0.000001, 0.2, 0.499])
def test_sec_084_a_clock_that_is_set_back_a_little_changes_no_order(
    app: Flask, clock: Clock, seconds: float
) -> None:
    old = signed_in_cookie(app)
    clock.advance(-seconds)
    visit(app, doing(revoke_ada))
    clock.advance(-seconds)
    new = signed_in_cookie(app)
    assert_dead(app, old)
    assert_live(app, new)


def test_sec_084_what_is_rolled_or_updated_stays_as_old_as_it_is(app: Flask, clock: Clock) -> None:
    cookie = signed_in_cookie(app)
    clock.advance(DAY)
    rolled = cookie_from(visit(app, who, cookie))
    updated = cookie_from(visit(app, doing(lambda: update_session({"a": 1})), cookie))
    clock.advance(-DAY / 2)
    with app.app_context():
        revoke_user("u1")
    clock.advance(DAY / 2)
    for copy in (cookie, rolled, updated):
        assert_dead(app, copy)


def test_a_person_who_was_revoked_is_told_of_in_each_session_once(
    app: Flask, clock: Clock, signals: Signals
) -> None:
    cookies = [cookie_of(app, sid=sid) for sid in ("a", "b", "c")]
    clock.advance(1)
    visit(app, doing(revoke_ada))
    signals.clear()
    deleted = [NAME in set_cookies(visit(app, who, cookie)) for cookie in cookies * 2]
    assert deleted == [True] * 3 + [False] * 3
    ended = [one["session"].token["sid"] for name, one in signals if name == "signed-out"]
    assert ended == ["a", "b", "c"]


@pytest.mark.parametrize("sub", ["7", 7])
def test_a_person_with_a_number_is_revoked_by_it(app: Flask, sub: str | int) -> None:
    cookie = cookie_from(visit(app, doing(lambda: sign_in({"id": 7}))))
    visit(app, doing(lambda: revoke_user(sub)))
    assert_dead(app, cookie)


@pytest.mark.parametrize("sub", ["u", "u1 ", "U1", "u11", "s1", "op|u1", "*", "u1\0", "%"])
def test_nobody_else_is_revoked(app: Flask, sub: str) -> None:
    cookie = cookie_of(app, sub="u1", sid="s1")
    visit(app, doing(lambda: revoke_user(sub)))
    assert_live(app, cookie)


@pytest.mark.parametrize("sid", ["s", "S1", "s1 ", "u1", "s1\0", "j1"])
def test_no_other_session_is_revoked(app: Flask, sid: str) -> None:
    cookie = cookie_of(app, sub="u1", sid="s1")
    visit(app, doing(lambda: revoke_session(sid)))
    assert_live(app, cookie)


# The account of a provider.


def account(kind: str = "oidc", **more: Any) -> Account:
    return Account(provider="op", type=kind, provider_account_id="u-1", **more)


@pytest.mark.parametrize("kind", ["oidc", "oauth"])
@pytest.mark.parametrize("tokens", ["cookie", "none"])
@pytest.mark.parametrize("sub", ["op|u-1", "ada"])
def test_a_person_whom_the_application_calls_otherwise_is_revoked_by_either_name(
    clock: Clock, kind: str, tokens: str, sub: str
) -> None:
    app, auth = make_app(clock, PROVIDER_TOKENS=tokens)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "sub": "ada"} if event.trigger == "sign_in" else token

    given = account(kind, access_token="at")
    cookie = cookie_from(visit(app, doing(lambda: sign_in({}, account=given))))
    assert visit(app, who, cookie).text == "ada"
    visit(app, doing(lambda: revoke_user("op|u-2"), lambda: revoke_user("u-1")))
    assert_live(app, cookie)
    visit(app, doing(lambda: revoke_user(sub)))
    assert_dead(app, cookie)


def test_an_account_of_the_application_itself_is_none_of_a_provider(app: Flask) -> None:
    cookie = cookie_from(visit(app, doing(lambda: sign_in(ADA, account=account("credentials")))))
    visit(app, doing(lambda: revoke_user("op|u-1")))
    assert_live(app, cookie)


def test_an_update_does_not_take_the_account_away(app: Flask) -> None:
    cookie = cookie_from(visit(app, doing(lambda: sign_in(ADA, account=account()))))
    cookie = cookie_from(visit(app, doing(lambda: update_session({"a": 1})), cookie))
    visit(app, doing(lambda: revoke_user("op|u-1")))
    assert_dead(app, cookie)


@pytest.mark.parametrize(
    ("session_id", "account_id", "ended"),
    [
        pytest.param("p1", None, {"laptop"}, id="SEC-194 sid"),
        pytest.param(None, "u-1", {"laptop", "phone"}, id="SEC-194 sub"),
        pytest.param("p1", "u-1", {"laptop"}, id="SEC-194 both"),
        pytest.param("p1", "u-9", {"laptop"}, id="the sid counts, whatever the sub"),
        pytest.param("p9", "u-1", set(), id="SEC-194 both, of a session that nobody has here"),
        pytest.param(None, "u-9", set(), id="an account that nobody has here"),
    ],
)
def test_a_provider_revokes_what_it_names(
    app: Flask,
    clock: Clock,
    signals: Signals,
    session_id: str | None,
    account_id: str | None,
    ended: set[str],
) -> None:
    def cookie(sid: str, account_id: str, session: object, provider: str = "op") -> str:
        kept = {"provider": provider, "type": "oidc", "provider_account_id": account_id}
        block = {"account": kept, "provider_session": session}
        return cookie_of(app, sid=sid, sub=f"{provider}|{account_id}", _session=block)

    cookies = {
        "laptop": cookie("1", "u-1", "p1"),
        "phone": cookie("2", "u-1", "p2"),
        "grace": cookie("3", "u-2", "p3"),
        "another provider": cookie("4", "u-1", "p1", "op2"),
        "without a session there": cookie("5", "u-2", None),
    }
    clock.advance(1)
    with app.app_context():
        revoke_at_provider(binding_of(app), "op", session_id=session_id, account_id=account_id)
    # Of one session nobody knows whose it is.
    sub = f"op|{account_id}" if session_id is None else None
    assert signals == [("session-revoked", {"sid": None, "sub": sub})]
    assert {name for name in cookies if visit(app, who, cookies[name]).text == "nobody"} == ended


def test_sec_194_a_provider_session_that_is_over_is_over_for_who_comes_late(app: Flask) -> None:
    """A sign-in that was under way while the provider ended the session in which it began."""
    with app.app_context():
        revoke_at_provider(binding_of(app), "op", session_id="p1", account_id=None)
    kept = {"provider": "op", "type": "oidc", "provider_account_id": "u-1"}
    late = {"account": kept, "provider_session": "p1"}
    assert_dead(app, cookie_of(app, now=NOW + 10, _session=late))


# Sessions that an Auth.js server began.


def authjs_cookie(app: Flask, **claims: Any) -> str:
    made = {**claims_at(NOW), **claims}
    del made["sid"], made["auth_time"]
    return f"{session_cookie_name(app)}={seal(app, made)}"


def test_sec_083_a_session_of_authjs_is_over_when_it_was_signed_out_here(clock: Clock) -> None:
    app, _ = make_app(clock, UPDATE_AGE=60)
    cookie = authjs_cookie(app)
    clock.advance(60)
    ours = cookie_from(visit(app, who, cookie))
    clock.advance(60)
    again = cookie_from(visit(app, who, ours))
    visit(app, doing(leave), again)
    for copy in (cookie, ours, again):
        assert_dead(app, copy)


def test_what_an_authjs_server_issues_after_that_is_another_session(app: Flask) -> None:
    """As the documentation says: what it signs itself out of is its own affair."""
    visit(app, doing(leave), authjs_cookie(app, jti="j1"))
    assert_live(app, authjs_cookie(app, jti="j2"))


def test_a_session_of_authjs_is_revoked_by_the_sid_that_is_seen_here(app: Flask) -> None:
    cookie = authjs_cookie(app)
    sid = visit(app, lambda: str(current_session.token["sid"]), cookie).text
    visit(app, doing(lambda: revoke_session(sid)))
    assert_dead(app, cookie)


@pytest.mark.parametrize(
    ("issued", "lives"),
    [
        pytest.param(-60, False, id="a minute before"),
        pytest.param(-1, False, id="a second before"),
        pytest.param(1, True, id="a second after"),
    ],
)
@pytest.mark.parametrize("reissued", [False, True], ids=["as it came", "issued again here"])
def test_sec_084_a_session_of_authjs_is_as_old_as_its_token(
    clock: Clock, issued: int, lives: bool, reissued: bool
) -> None:
    app, _ = make_app(clock, UPDATE_AGE=0)
    cookie = authjs_cookie(app, iat=int(NOW) + issued)
    clock.advance(2)
    if reissued:
        cookie = cookie_from(visit(app, who, cookie))
        clock.advance(30)
        cookie = cookie_from(visit(app, who, cookie))
    clock.now = NOW
    with app.app_context():
        revoke_user("u1")
    clock.now = NOW + 32
    (assert_live if lives else assert_dead)(app, cookie)


# Arguments, and where the verbs can be called.


@pytest.mark.parametrize("verb", [revoke_session, revoke_user])
@pytest.mark.parametrize(
    "argument",
    [None, "", b"u1", True, False, 1.5, ["u1"], {"sub": "u1"}, object()],
    ids=lambda value: type(value).__name__ + str(len(str(value))),
)
def test_a_wrong_argument_is_an_error(
    app: Flask, signals: Signals, verb: Callable[[Any], None], argument: Any
) -> None:
    with app.app_context(), pytest.raises(TypeError, match=verb.__name__):
        verb(argument)
    assert signals == []


@pytest.mark.parametrize("argument", [7, 0, -1])
def test_a_session_has_no_number(app: Flask, argument: Any) -> None:
    with app.app_context(), pytest.raises(TypeError, match="revoke_session"):
        revoke_session(argument)


def test_the_session_itself_is_no_sid(app: Flask) -> None:
    """The likeliest mistake of all."""

    def view() -> str:
        for verb in (revoke_session, revoke_user):
            wrong: Any = current_session
            with pytest.raises(TypeError):
                verb(wrong)
        return "refused"

    assert visit(app, view, cookie_of(app)).text == "refused"


@pytest.mark.parametrize(
    ("revoke", "arguments"),
    [
        (lambda: revoke_session("s1"), {"sid": "s1", "sub": None}),
        (lambda: revoke_user("u1"), {"sid": None, "sub": "u1"}),
        (lambda: revoke_user(7), {"sid": None, "sub": "7"}),
    ],
)
def test_session_revoked_says_what_was_revoked(
    app: Flask, signals: Signals, revoke: Callable[[], None], arguments: dict[str, Any]
) -> None:
    with app.app_context():
        revoke()
    assert signals == [("session-revoked", arguments)]


@pytest.mark.parametrize(
    "revoke",
    [
        pytest.param(lambda app: revoke_session("sid-to-be-found"), id="revoke_session"),
        pytest.param(lambda app: revoke_user("sub-to-be-found"), id="revoke_user"),
        pytest.param(
            lambda app: revoke_at_provider(
                binding_of(app), "op", session_id=None, account_id="sub-to-be-found"
            ),
            id="a provider",
        ),
    ],
)
def test_sec_204_a_revocation_is_in_the_log_and_does_not_say_of_whom(
    app: Flask, caplog: pytest.LogCaptureFixture, revoke: Callable[[Flask], None]
) -> None:
    with app.app_context(), caplog.at_level("INFO", "flask_jwtsession"):
        revoke(app)
    [record] = caplog.records
    assert "revoked" in record.getMessage().lower()
    assert "to-be-found" not in record.getMessage()


def test_sec_202_what_follows_from_it_says_nothing_either(
    app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    cookie = cookie_of(app, sub="sub-to-be-found", sid="sid-to-be-found", name="name-to-be-found")
    clock.advance(1)
    visit(app, doing(lambda: revoke_user("sub-to-be-found")))
    for _ in range(2):
        visit(app, who, cookie)
    logged = caplog.text + "".join(repr(record.args) for record in caplog.records)
    assert "A session cookie was not accepted: revoked" in logged
    assert "to-be-found" not in logged
    assert cookie.partition("=")[2] not in logged


def test_both_work_in_an_app_context_without_a_request(app: Flask, clock: Clock) -> None:
    one, other = cookie_of(app, sid="s1"), cookie_of(app, sid="s2", sub="u2")
    clock.advance(1)
    with app.app_context():
        revoke_session("s1")
        revoke_user("u2")
    assert_dead(app, one)
    assert_dead(app, other)


@pytest.mark.parametrize("verb", [revoke_session, revoke_user])
def test_without_an_app_context_flasks_own_error_is_raised(verb: Callable[[Any], None]) -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        verb("x")


@pytest.mark.parametrize("verb", [revoke_session, revoke_user])
def test_without_a_store_nothing_can_be_revoked(
    clock: Clock, caplog: pytest.LogCaptureFixture, verb: Callable[[Any], None]
) -> None:
    app, _ = make_app(clock, STORE=None)
    with app.app_context(), pytest.raises(RevocationUnavailable, match="JWTSESSION_STORE is None"):
        verb("u1")
    assert visit(app, doing(lambda: verb("u1"))).status_code == 500
    assert "JWTSESSION_STORE is None" in caplog.text


@pytest.mark.parametrize("verb", [revoke_session, revoke_user])
def test_another_site_cannot_revoke(app: Flask, clock: Clock, verb: Callable[[Any], None]) -> None:
    """Without a cookie, too: a view may take a link in an e-mail for a sign of who asks."""
    cookie = cookie_of(app, sid="x", sub="x")
    clock.advance(1)
    response = visit(app, doing(lambda: verb("x")), method="POST", headers=CROSS_SITE)
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")
    assert_live(app, cookie)
    assert visit(app, doing(lambda: verb("x")), method="POST", headers=SAME_ORIGIN).text == "nobody"
    assert_dead(app, cookie)


# Entries outlive every copy of the cookie (SEC-085).


ENDS: dict[str, Callable[[Flask, str], object]] = {
    "sign_out": lambda app, cookie: visit(app, doing(leave), cookie),
    "revoke_session": lambda app, cookie: visit(app, doing(lambda: revoke_session(sid_of(cookie)))),
    "revoke_user": lambda app, cookie: visit(app, doing(lambda: revoke_user("op|u-1"))),
    "the provider, by sub": lambda app, cookie: by_provider(app, account_id="u-1"),
    "the provider, by sid": lambda app, cookie: by_provider(app, session_id="p1"),
}


def sid_of(cookie: str) -> str:
    return str(claims_of(cookie)["sid"])


def claims_of(cookie: str) -> dict[str, Any]:
    """All claims of a session that :data:`SECRET` sealed."""
    return unseal(make_app(Clock())[0], cookie.partition("=")[2])


def by_provider(
    app: Flask, *, session_id: str | None = None, account_id: str | None = None
) -> None:
    with app.app_context():
        revoke_at_provider(binding_of(app), "op", session_id=session_id, account_id=account_id)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"MAX_AGE": 600}, id="MAX_AGE"),
        pytest.param({"MAX_AGE": 600, "UPDATE_AGE": 0}, id="rolling"),
        pytest.param({"MAX_AGE": 600, "ABSOLUTE_MAX_AGE": 7200}, id="a longer ABSOLUTE_MAX_AGE"),
        pytest.param({"MAX_AGE": 7200, "ABSOLUTE_MAX_AGE": 900}, id="a shorter ABSOLUTE_MAX_AGE"),
        pytest.param({"MAX_AGE": 400 * DAY}, id="the longest MAX_AGE"),
        pytest.param({"MAX_AGE": 400 * DAY, "ABSOLUTE_MAX_AGE": 10**9}, id="both very long"),
    ],
)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_sec_085_no_copy_outlives_what_was_written_of_its_end(
    clock: Clock, config: dict[str, Any], end: Callable[[Flask, str], object]
) -> None:
    app, _ = make_app(clock, **config)
    # The same without anything written, and without a cookie that goes on.
    stateless, _ = make_app(clock, **{**config, "STORE": None, "UPDATE_AGE": 400 * DAY})
    kept = {"provider": "op", "type": "oidc", "provider_account_id": "u-1"}
    block = {"account": kept, "provider_session": "p1"}
    cookies = [cookie_of(app, sub="op|u-1", _session=block)]
    for _ in range(3):
        clock.advance(150)
        cookies.append(cookie_from(visit(app, doing(lambda: update_session({})), cookies[-1])))
    clock.advance(1)
    end(app, cookies[-1])
    ended = clock.now
    longest = min(config["MAX_AGE"], config.get("ABSOLUTE_MAX_AGE", 10**12))
    # And what a request issued that had begun before the end, and took a very long time.
    for late in (0, 1, 3000):
        whole = claims_of(cookies[-1])
        times = {"iat": int(ended) + late, "exp": int(ended) + late + config["MAX_AGE"]}
        cookies.append(f"{NAME}={seal(app, {**whole, **times})}")
    alive = 0.0
    for after in sorted(
        [part * longest for part in (0.0, 0.25, 0.5, 0.75, 0.99)]
        + [late + longest + leeway for late in (0, 1, 3000) for leeway in (0, 14.9, 15)]
    ):
        clock.now = ended + after
        for cookie in cookies:
            if visit(stateless, who, cookie).text == "op|u-1":
                alive = after
            assert visit(app, who, cookie).text == "nobody"
    # It was the entry that ended them all along, and not their time.
    absolute = config.get("ABSOLUTE_MAX_AGE", 10**12) + 14.9 - (ended - NOW)
    assert alive >= min(longest + 3000 + 14.9, absolute) - 0.26 * longest


@pytest.mark.parametrize("config", [{"MAX_AGE": 600}, {"MAX_AGE": 600, "ABSOLUTE_MAX_AGE": 60}])
def test_sec_085_sec_232_and_no_entry_stays_for_long_after_that(
    clock: Clock, config: dict[str, Any]
) -> None:
    store = FaultyStore(clock)
    app, _ = make_app(clock, STORE=store, **config)
    cookie = signed_in_cookie(app)
    visit(app, doing(leave), cookie)
    visit(app, doing(lambda: revoke_session("x"), lambda: revoke_user("x")))
    longest = min(config.values())
    ends = [end - NOW for _, end in store.raw().values()]
    assert len(ends) == 3
    assert all(longest + 15 < end <= longest + 3600 for end in ends)


# Two cookies of one name (SEC-067), one of which is over.


OVER: dict[str, Callable[[Flask], object]] = {
    "signed out": lambda app: visit(app, doing(leave), cookie_of(app, sid="over", sub="over")),
    "revoked": lambda app: visit(app, doing(lambda: revoke_session("over"))),
    "of a person who was revoked": lambda app: visit(app, doing(lambda: revoke_user("over"))),
}
over = pytest.mark.parametrize("end", OVER.values(), ids=OVER)


@over
@pytest.mark.parametrize("order", ["the live one first", "the live one last"])
def test_sec_067_of_two_sessions_the_live_one_counts(
    app: Flask, clock: Clock, signals: Signals, end: Callable[[Flask], object], order: str
) -> None:
    cookies = [cookie_of(app), cookie_of(app, sid="over", sub="over")]
    if order == "the live one last":
        cookies.reverse()
    assert visit(app, who, "; ".join(cookies)).text == "nobody"  # nobody knows which
    clock.advance(1)
    end(app)
    signals.clear()
    response = visit(app, who, "; ".join(cookies))
    assert (response.text, set_cookies(response)) == ("u1", {})
    assert "signed-out" not in [name for name, _ in signals]


@over
def test_sec_067_a_planted_cookie_that_is_over_does_no_harm(
    app: Flask, clock: Clock, end: Callable[[Flask], object]
) -> None:
    """Not even to the change of the session, or to its end."""
    own, planted = cookie_of(app), cookie_of(app, sid="over", sub="over")
    clock.advance(1)
    end(app)
    updated = visit(app, doing(lambda: update_session({"a": 1})), f"{planted}; {own}")
    assert unseal(app, cookie_from(updated).partition("=")[2])["sub"] == "u1"
    visit(app, doing(leave), f"{planted}; {own}")
    assert_dead(app, own)


def test_sec_067_where_nobody_knows_whose_a_session_is_nothing_is_deleted(
    app: Flask, signals: Signals
) -> None:
    """Two that are live, and one that was revoked: its end is for who has that alone."""
    cookies = [cookie_of(app, sid=sid, sub=sid) for sid in ("a", "over", "b")]
    visit(app, doing(lambda: revoke_session("over")))
    signals.clear()
    response = visit(app, who, "; ".join(cookies))
    assert (response.text, set_cookies(response)) == ("nobody", {})
    assert told(signals) == [("session-rejected", "ambiguous")]
    assert set_cookies(visit(app, who, cookies[1]))[NAME].deletes


def test_sec_067_two_sessions_that_are_over_are_nobodys(app: Flask) -> None:
    both = f"{cookie_of(app, sid='a')}; {cookie_of(app, sid='b')}"
    visit(app, doing(lambda: revoke_session("a"), lambda: revoke_session("b")))
    assert [visit(app, who, both).text for _ in range(3)] == ["nobody"] * 3


@pytest.mark.parametrize("failing", [1, 2])
def test_sec_067_a_cookie_of_which_nobody_knows_does_not_make_way_for_another(
    clock: Clock, failing: int
) -> None:
    """Or who plants one would only have to wait for the store to fail once."""
    store = FaultyStore(clock)
    app, _ = make_app(clock, STORE=store)
    both = f"{cookie_of(app, sid='a', sub='victim')}; {cookie_of(app, sid='b', sub='attacker')}"
    store.refused = {failing}
    response = visit(app, lambda: f"{who()} {current_session.error}", both)
    assert response.text == "nobody store_unavailable"
    assert visit(app, who, both).text == "nobody"


# While secrets are replaced.

OLD, NEW = OTHER_SECRET, SECRET
#: What a worker may have in the course of it, whichever way it goes.
SECRETS: dict[str, list[str]] = {
    "old": [OLD],
    "old, new": [OLD, NEW],
    "new, old": [NEW, OLD],
    "new": [NEW],
}
#: Who revokes, who is asked, and the secret that the session is under; both know it.
ROTATION = [
    pytest.param(writer, reader, secret, id=f"{writer} -> {reader}, under {name}")
    for writer in SECRETS
    for reader in SECRETS
    for name, secret in (("old", OLD), ("new", NEW))
    if secret in SECRETS[writer] and secret in SECRETS[reader]
]


def worker(clock: Clock, store: FaultyStore, secrets: str) -> Flask:
    first, *others = SECRETS[secrets]
    return make_app(clock, STORE=store, SECRET=first, SECRET_FALLBACKS=others)[0]


@pytest.mark.parametrize("kind", ["ours", "of Auth.js"])
@pytest.mark.parametrize("end", ["sign_out", "revoke_session", "revoke_user"])
@pytest.mark.parametrize(("writer", "reader", "secret"), ROTATION)
def test_a_revocation_counts_at_every_worker_that_can_read_the_session(
    clock: Clock, writer: str, reader: str, secret: str, end: str, kind: str
) -> None:
    store = FaultyStore(clock)
    here, there = worker(clock, store, writer), worker(clock, store, reader)
    maker, _ = make_app(clock, SECRET=secret)
    cookie = cookie_of(maker) if kind == "ours" else authjs_cookie(maker)
    assert visit(there, who, cookie).text == "u1"
    clock.advance(1)
    sid = visit(here, lambda: str(current_session.token["sid"]), cookie).text
    ending: dict[str, Callable[[], object]] = {
        "sign_out": leave,
        "revoke_session": lambda: revoke_session(sid),
        "revoke_user": revoke_ada,
    }
    visit(here, doing(ending[end]), cookie if end == "sign_out" else "")
    assert_dead(there, cookie)
    assert_dead(here, cookie)


@pytest.mark.parametrize("last", ["old, new", "new, old", "new"])
def test_a_session_that_was_issued_again_under_the_new_secret_stays_revoked(
    clock: Clock, last: str
) -> None:
    """Signed out where the old secret is first, and shown where there is none of it any more."""
    store = FaultyStore(clock)
    cookie = cookie_of(worker(clock, store, "old"))
    renewed = visit(
        worker(clock, store, "new, old"), doing(lambda: update_session({"a": 1})), cookie
    )
    newer = cookie_from(renewed)
    visit(worker(clock, store, "old, new"), doing(leave), newer)
    assert_dead(worker(clock, store, last), newer)


@pytest.mark.parametrize("writer", ["old", "old, new", "new, old"])
@pytest.mark.parametrize("end", [lambda: revoke_session("s1"), revoke_ada], ids=["sid", "sub"])
def test_a_revoked_session_is_told_of_once_by_all_workers_of_a_rotation(
    clock: Clock, writer: str, end: Callable[[], object]
) -> None:
    store = FaultyStore(clock)
    cookie = cookie_of(worker(clock, store, "old"))
    clock.advance(1)
    visit(worker(clock, store, writer), doing(end))
    deleted = [
        NAME in set_cookies(visit(worker(clock, store, secrets), who, cookie))
        for secrets in ("old", "new, old", "old, new", "new, old", "old")
    ]
    assert deleted == [True, False, False, False, False]


# What the store is asked.


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def watched(clock: Clock, store: FaultyStore) -> Flask:
    app, auth = make_app(clock, STORE=store, CLIENT_UPDATE_FIELDS=["nick"])
    auth.credentials(lambda credentials: None)
    app.add_url_rule("/public", "public", lambda: "public")
    app.add_url_rule("/private", "private", login_required(lambda: "private"))
    app.add_url_rule("/who", "who", who)
    return app


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="no cookie"),
        pytest.param(f"{NAME}=garbage", id="garbage"),
        pytest.param(f"{NAME}=a.b.c.d.e; {NAME}.0=x", id="more garbage"),
        pytest.param("another", id="another secret's"),
        pytest.param("expired", id="an expired one"),
    ],
)
def test_sec_230_for_nobody_the_store_is_not_asked(
    watched: Flask, store: FaultyStore, clock: Clock, cookie: str
) -> None:
    if cookie == "another":
        cookie = cookie_of(make_app(clock, SECRET=OTHER_SECRET)[0])
    elif cookie == "expired":
        cookie = cookie_of(watched, now=NOW - 2 * DAY)
    client = watched.test_client(use_cookies=False)
    headers = {**SAME_ORIGIN, **({"Cookie": cookie} if cookie else {})}
    for path in ("/public", "/private", "/who", "/auth/session", "/auth/session/status"):
        client.get(path, headers=headers)
    for path in ("/auth/session", "/auth/session/refresh", "/auth/signout"):
        client.post(path, json={"data": {"nick": "x"}}, headers=headers)
    client.post("/auth/callback/credentials", data={"password": "x"}, headers=headers)
    client.get("/auth/callback/op?state=x&code=y", headers=headers)
    client.post("/auth/backchannel-logout/op", data={"logout_token": "a.b.c"})
    assert store.calls == []


def test_a_request_that_does_not_use_the_session_does_not_ask_the_store(
    watched: Flask, store: FaultyStore
) -> None:
    assert get(watched.test_client(), "/public", cookie_of(watched)).text == "public"
    assert store.calls == []


def test_a_request_asks_once_however_often_it_uses_the_session(
    watched: Flask, store: FaultyStore
) -> None:
    block = {
        "account": account(access_token="at").to_claims(tokens=True, id_token=False),
        "grant": "a grant",
        "gen": 0,
        "provider_session": "p1",
    }

    @login_required
    def view() -> str:
        return f"{who()} {current_user['name']} {current_session.account} {who()}"

    assert visit(watched, view, cookie_of(watched, _session=block)).text.startswith("u1 Ada")
    assert store.calls == ["get_many"]


def test_a_roll_and_an_update_write_nothing(clock: Clock, store: FaultyStore) -> None:
    app, _ = make_app(clock, STORE=store, UPDATE_AGE=0)
    cookie = cookie_from(visit(app, who, cookie_of(app)))
    visit(app, doing(lambda: update_session({"a": 1})), cookie)
    assert store.calls == ["get_many"] * 2
    assert store.raw() == {}


def test_a_sign_in_of_somebody_new_writes_nothing(watched: Flask, store: FaultyStore) -> None:
    signed_in_cookie(watched)
    assert store.calls == []


def test_a_replay_writes_nothing(watched: Flask, store: FaultyStore) -> None:
    cookie = cookie_of(watched)
    visit(watched, doing(leave), cookie)
    store.calls.clear()
    for _ in range(3):
        visit(watched, who, cookie)
    assert store.calls == ["get_many"] * 3


def test_after_the_view_the_store_is_left_alone(watched: Flask, store: FaultyStore) -> None:
    """Nothing waits for anything once the response is there."""
    asked: list[int] = []

    def view() -> str:
        update_session({"a": 1})
        asked.append(len(store.calls))
        return ""

    visit(watched, view, cookie_of(watched))
    assert asked == [len(store.calls)]


def test_sec_221_the_store_has_no_name_and_no_token_in_it(
    watched: Flask, store: FaultyStore
) -> None:
    cookie = cookie_of(watched, sid="a-sid-to-be-found", sub="a-sid-to-be-found")
    with watched.app_context():
        revoke_session("a-sid-to-be-found")
        revoke_user("a-sid-to-be-found")
    visit(watched, who, cookie)
    written = repr(store.raw())
    assert len(store.raw()) == 2
    for text in ("to-be-found", cookie.partition("=")[2][-40:]):
        assert text not in written


# Whatever is in a cookie that the real key sealed, it is no error of the application.


@pytest.fixture(params=[{}, {"FEDERATED_SIGN_OUT": True}, {"UPDATE_AGE": 0}], ids=str)
def everything(request: pytest.FixtureRequest, clock: Clock) -> Flask:
    return app_with_everything(clock, **request.param)


def app_with_everything(clock: Clock, **config: Any) -> Flask:
    """Every way to use a session."""
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["nick"], **config)
    auth.refresh_callback(lambda account: {"access_token": "new", "expires_in": 100})
    auth.add_provider("op", issuer="http://127.0.0.1:1", client_id="x", client_secret="y")

    @app.get("/account")
    @login_required
    def show() -> str:
        return repr(current_session.account)

    @app.get("/fresh")
    @fresh_login_required(max_age=60)
    def fresh() -> str:
        return "fresh"

    app.add_url_rule("/update", "update", doing(lambda: update_session({"a": 1})), methods=["POST"])
    app.add_url_rule("/sign-in", "sign_in", doing(enter), methods=["POST"])
    app.add_url_rule("/sign-out", "sign_out", doing(leave), methods=["POST"])
    return app


#: Method and path; those that end the session come last.
USES = [
    *(("GET", path) for path in ("/account", "/fresh", "/auth/session", "/auth/session/status")),
    *(("POST", path) for path in ("/update", "/auth/session", "/auth/session/refresh")),
    *(("POST", path) for path in ("/sign-in", "/auth/signout")),
]


_numbers = count()


def answers(app: Flask, payload: dict[str, Any]) -> dict[str, int]:
    """The status of every use of a session with this payload, to a program and to a person."""
    found = {}
    client = app.test_client(use_cookies=False)
    for kind, headers in (("", {}), (" by a person", NAVIGATION)):
        for method, path in USES:
            # Some uses end the session.
            number = next(_numbers)
            own = {name: f"{payload[name]}{number}" for name in ("sid", "jti") if payload[name]}
            sent = {**SAME_ORIGIN, **headers, "Cookie": f"{NAME}={seal(app, {**payload, **own})}"}
            body: dict[str, Any] = {"json": {"data": {"nick": "x"}}} if "session" in path else {}
            response = client.open(
                path, method=method, headers=sent, **(body if method == "POST" else {})
            )
            found[f"{method} {path}{kind}"] = response.status_code
    return found


def assert_no_error(app: Flask, payload: dict[str, Any]) -> None:
    found = answers(app, payload)
    assert {use: status for use, status in found.items() if status >= 500} == {}
    assert found["GET /account"] in (200, 401)
    assert found["GET /auth/session"] == 200


TOKENS = {"access_token": "at", "refresh_token": "rt"}
KNOWN = {"provider": "op", "type": "oidc", "provider_account_id": "1", **TOKENS}
#: As if it were due, so that something is done with it.
DUE = {**KNOWN, "expires_at": NOW - 60}

BLOCKS: dict[str, dict[str, Any]] = {
    "expires_at is a text": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": "soon"}},
    "expires_at is a list": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": [1]}},
    "expires_at is true": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": True}},
    "expires_at is huge": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": 10**300}},
    "expires_at is larger": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": 10**400}},
    "expires_at is negative": {"grant": "g", "gen": 0, "account": {**KNOWN, "expires_at": -1e300}},
    "issued_at is a text": {"grant": "g", "gen": 0, "account": {**DUE, "issued_at": "x"}},
    "issued_at is huge": {"grant": "g", "gen": 0, "account": {**DUE, "issued_at": 1e308}},
    "issued_at is larger": {"grant": "g", "gen": 0, "account": {**DUE, "issued_at": 10**400}},
    "issued_at is negative": {"grant": "g", "gen": 0, "account": {**DUE, "issued_at": -(10**400)}},
    "the provider is a list": {"grant": "g", "gen": 0, "account": {**DUE, "provider": ["op"]}},
    "the provider is an object": {"account": {**KNOWN, "provider": {"op": 1}}},
    "the provider is null": {"account": {**KNOWN, "provider": None}},
    "the type is a number": {"account": {**KNOWN, "type": 7}},
    "the account is a list": {"grant": "g", "gen": 0, "account": [KNOWN]},
    "the account is a text": {"account": "op"},
    "the account is empty": {"grant": "g", "gen": 0, "account": {}},
    "the account has more": {"grant": "g", "gen": 0, "account": {**DUE, "self": 1, "__class__": 2}},
    "the account id is an object": {"account": {**KNOWN, "provider_account_id": {"a": [1]}}},
    "the tokens are numbers": {
        "grant": "g",
        "gen": 0,
        "account": {**DUE, "access_token": 7, "refresh_token": 8},
    },
    "the tokens are lists": {
        "grant": "g",
        "gen": 0,
        "account": {**DUE, "access_token": ["at"], "refresh_token": {}},
    },
    "the tokens are no ASCII": {
        "grant": "g",
        "gen": 0,
        "account": {**DUE, "access_token": "\u00e9\u2028", "refresh_token": "\0\r\n"},
    },
    "no tokens": {"grant": "g", "gen": 0, "account": {**DUE, **dict.fromkeys(TOKENS)}},
    "the scope is an object": {"grant": "g", "gen": 0, "account": {**DUE, "scope": {"a": 1}}},
    "the grant is a list": {"grant": ["g"], "gen": 0, "account": DUE},
    "the grant is a number": {"grant": 7, "gen": 0, "account": DUE},
    "the grant is empty": {"grant": "", "gen": 0, "account": DUE},
    "the grant is long": {"grant": "g" * 3000, "gen": 0, "account": DUE},
    "the grant is no ASCII": {"grant": "\u00e9\0", "gen": 0, "account": DUE},
    "gen is negative": {"grant": "g1", "gen": -1, "account": DUE},
    "gen is true": {"grant": "g2", "gen": True, "account": DUE},
    "gen is a fraction": {"grant": "g3", "gen": 0.5, "account": DUE},
    "gen is huge": {"grant": "g4", "gen": 10**18, "account": DUE},
    "gen is larger than that": {"grant": "g5", "gen": 10**400, "account": DUE},
    "gen is missing": {"grant": "g6", "account": DUE},
    "gen is alone": {"gen": 0},
    "the grant is alone": {"grant": "g", "gen": 0},
    "authenticated_at is a text": {"authenticated_at": "x"},
    "authenticated_at is a list": {"authenticated_at": [NOW]},
    "authenticated_at is true": {"authenticated_at": True},
    "authenticated_at is huge": {"authenticated_at": 10**400},
    "since is a text": {"since": "x"},
    "the provider's session is a list": {"account": KNOWN, "provider_session": ["x"]},
    "the provider's session is an object": {"account": KNOWN, "provider_session": {"x": 1}},
    "the provider's session is alone": {"provider_session": "x"},
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_sec_030_a_private_block_of_wrong_types_is_no_error(
    everything: Flask, block: dict[str, Any]
) -> None:
    assert_no_error(everything, claims_at(NOW, _session=block))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.sampled_from([10**400, -(10**400), 1e308, -0.0, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable + "\u00e9\u2028\U0001f511", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
ACCOUNTS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(value)
        for name, value in {**DUE, "issued_at": NOW - 3600, "id_token": "a"}.items()
    },
)
ANY_BLOCK = st.fixed_dictionaries(
    {},
    optional={
        "account": JSON | ACCOUNTS,
        "grant": JSON | st.just("a grant"),
        "gen": JSON | st.integers(-2, 2),
        "authenticated_at": JSON,
        "provider_session": JSON,
        "since": JSON | st.just(NOW),
    },
)
ANY_CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "auth_time", "iat", "exp", "nbf", "name", "role", "roles", "_session"]),
    JSON,
    max_size=3,
)


@pytest.fixture(scope="module")
def app_of_all_examples() -> Flask:
    return app_with_everything(Clock())


@given(block=ANY_BLOCK, claims=ANY_CLAIMS, sid=st.sampled_from(["s", None]))
def test_sec_030_whatever_the_real_key_sealed_is_no_error(
    app_of_all_examples: Flask, block: dict[str, Any], claims: dict[str, Any], sid: str | None
) -> None:
    payload = {**claims_at(NOW), "_session": block, **claims, "sid": sid}
    assert_no_error(app_of_all_examples, payload)


@given(sid=JSON, jti=JSON)
def test_sec_030_whatever_names_a_session_is_no_error(
    app_of_all_examples: Flask, sid: object, jti: object
) -> None:
    cookie = f"{NAME}={seal(app_of_all_examples, {**claims_at(NOW), 'sid': sid, 'jti': jti})}"
    response = get(app_of_all_examples.test_client(), "/account", cookie)
    assert response.status_code in (200, 401)
