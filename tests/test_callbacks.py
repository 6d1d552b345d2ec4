from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask, abort, render_template_string, request
from flask.testing import FlaskClient

from flask_jwtsession import (
    Account,
    JWTEvent,
    JWTSession,
    SessionClosed,
    SignInRefused,
    Trigger,
    current_session,
    current_user,
    sign_in,
    sign_out,
    update_session,
)

from .scenes import cookie_of, visit
from .support import (
    SAME_ORIGIN,
    Clock,
    get,
    make_app,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

Token = dict[str, Any]
Signals = list[tuple[str, dict[str, Any]]]
ADA = {"id": "u1", "name": "Ada", "role": "admin"}
RESERVED = ["iss", "aud", "sub", "iat", "exp", "nbf", "jti", "sid", "auth_time", "_session"]


def who() -> str:
    return str(current_session.token["sub"]) if current_session else "nobody"


def entering(**arguments: Any) -> Callable[[], str]:
    def view() -> str:
        sign_in(ADA, **arguments)
        return who()

    return view


def updating(**data: Any) -> Callable[[], str]:
    def view() -> str:
        update_session(data)
        return who()

    return view


def claims_set(app: Flask, view: Callable[[], str], cookie: str = "") -> Token:
    token = session_token(visit(app, view, cookie))
    assert token
    return unseal(app, token)


# What the event says.


@pytest.fixture
def events(auth: JWTSession) -> list[JWTEvent]:
    seen: list[JWTEvent] = []

    @auth.jwt_callback
    def jwt(token: Token, event: JWTEvent) -> Token:
        seen.append(event)
        return token

    return seen


def test_the_event_of_a_sign_in_has_user_account_and_profile(
    app: Flask, events: list[JWTEvent]
) -> None:
    account = Account(provider="google", type="oidc", provider_account_id="42")
    visit(app, entering(account=account, profile={"locale": "en"}))
    assert events == [
        JWTEvent(trigger=Trigger.SIGN_IN, user=ADA, account=account, profile={"locale": "en"})
    ]


def test_the_event_of_an_update_has_its_data(app: Flask, events: list[JWTEvent]) -> None:
    visit(app, updating(company_id=7), cookie_of(app))
    assert events == [JWTEvent(trigger=Trigger.UPDATE, data={"company_id": 7})]


def test_the_event_of_a_plain_load_has_no_trigger(app: Flask, events: list[JWTEvent]) -> None:
    visit(app, who, cookie_of(app))
    assert events == [JWTEvent()]


def test_a_trigger_equals_its_string(events: list[JWTEvent], app: Flask) -> None:
    visit(app, entering())
    assert events[0].trigger == "sign_in"


def test_the_token_at_sign_in_has_the_standard_claims(app: Flask, auth: JWTSession) -> None:
    seen: list[Token] = []

    @auth.jwt_callback
    def jwt(token: Token, event: JWTEvent) -> Token:
        seen.append(copy.deepcopy(token))
        return token

    visit(app, entering())
    assert {"sub": "u1", "name": "Ada"}.items() <= seen[0].items()


def test_a_callback_may_read_the_request(app: Flask, auth: JWTSession) -> None:
    auth.jwt_callback(lambda token, event: {**token, "seen_at": request.path})
    assert claims_set(app, who, cookie_of(app))["seen_at"] == "/visit"


def test_no_callback_sees_our_own_block(app: Flask, auth: JWTSession) -> None:
    seen: list[Token] = []

    def jwt(token: Token, event: JWTEvent) -> Token:
        seen.append(token)
        return token

    def session(session: Token, token: Token) -> Token:
        seen.append(token)
        return session

    def load_user(token: Token) -> str:
        seen.append(token)
        return "a user"

    auth.jwt_callback(jwt)
    auth.session_callback(session)
    auth.user_loader(load_user)
    cookie = cookie_of(app, _session={"account": {"access_token": "at"}})
    visit(app, lambda: f"{current_user} {update_session({})}", cookie)
    assert len(seen) == 5
    assert not any("_session" in token for token in seen)


# What it may not set.


@pytest.mark.parametrize("way", ["changed", "removed"])
@pytest.mark.parametrize("claim", RESERVED)
@pytest.mark.parametrize("view", [who, updating()], ids=["load", "update"])
def test_a_reserved_claim_is_put_back(
    app: Flask, auth: JWTSession, view: Callable[[], str], claim: str, way: str
) -> None:
    def jwt(token: Token, event: JWTEvent) -> Token:
        token.pop(claim, None)
        return {**token, **({claim: "forged"} if way == "changed" else {}), "saved": True}

    auth.jwt_callback(jwt)
    before: Token = {"iss": "i", "aud": "a", "nbf": 1, "_session": {"account": {"provider": "p"}}}
    claims = claims_set(app, view, cookie_of(app, **before))
    assert claims["saved"] is True
    assert claims[claim] != "forged"
    if claim not in ("iat", "exp", "jti"):
        assert claims[claim] == {**before, "sub": "u1", "sid": "s1", "auth_time": 1.8e9}[claim]


@pytest.mark.parametrize("claim", RESERVED)
def test_at_sign_in_the_callback_sets_the_subject_but_nothing_of_ours(
    app: Flask, auth: JWTSession, claim: str
) -> None:
    auth.jwt_callback(lambda token, event: {**token, claim: "chosen"})
    claims = claims_set(app, entering())
    assert (claims.get(claim) == "chosen") is (claim in ("sub", "iss", "aud", "nbf"))


def test_every_other_claim_may_be_removed(app: Flask, auth: JWTSession) -> None:
    auth.jwt_callback(lambda token, event: {"sub": token["sub"]})
    claims = claims_set(app, who, cookie_of(app))
    assert claims.keys() == {"sub", "iat", "exp", "jti", "sid", "auth_time"}


# None ends the session.


def test_none_on_a_plain_load_ends_the_session(
    app: Flask, auth: JWTSession, signals: Signals
) -> None:
    auth.jwt_callback(lambda token, event: None)
    response = visit(app, who, cookie_of(app))
    assert response.text == "nobody"
    assert set_cookies(response)[session_cookie_name(app)].deletes
    assert [(name, arguments.get("reason")) for name, arguments in signals] == [
        ("signed-out", "callback")
    ]


def test_none_on_an_update_ends_the_session(app: Flask, auth: JWTSession, signals: Signals) -> None:
    auth.jwt_callback(lambda token, event: None if event.trigger else token)
    response = visit(app, updating(), cookie_of(app))
    assert response.text == "nobody"
    assert set_cookies(response)[session_cookie_name(app)].deletes
    assert [(name, arguments.get("reason")) for name, arguments in signals] == [
        ("signed-out", "callback")
    ]


def test_none_at_sign_in_refuses_it_and_keeps_the_session_that_was_there(
    app: Flask, auth: JWTSession, signals: Signals
) -> None:
    auth.jwt_callback(lambda token, event: None if event.trigger else token)

    def view() -> str:
        with pytest.raises(SignInRefused):
            sign_in({"id": "u2"})
        return who()

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response), signals) == ("u1", {}, [])


# What goes wrong in a callback (SEC-088).


def broken(kind: str) -> Callable[..., Any]:
    def function(*arguments: Any) -> Any:
        if kind == "raises":
            raise LookupError("the database is away")
        if kind == "aborts":
            abort(503)
        if kind == "not json":
            return {**arguments[0], "bad": object()}
        if kind == "nan":
            return {**arguments[0], "bad": float("nan")}
        if kind == "huge":
            return {**arguments[0], "bad": "x" * 100_000}
        return {"a list": [1], "a string": "x", "a number": 7, "true": True}[kind]

    return function


STATUS = {"aborts": 503, "huge": 413}
KINDS = ["raises", "aborts", "not json", "nan", "huge", "a list", "a string", "a number", "true"]


@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"SEC-088 {kind}") for kind in KINDS])
@pytest.mark.parametrize("view", [who, updating(), entering()], ids=["load", "update", "sign-in"])
def test_a_jwt_callback_that_fails_changes_nothing(
    app: Flask, auth: JWTSession, signals: Signals, view: Callable[[], str], kind: str
) -> None:
    auth.jwt_callback(broken(kind))
    response = visit(app, view, cookie_of(app))
    assert response.status_code == STATUS.get(kind, 500)
    assert (set_cookies(response), signals) == ({}, [])


@pytest.mark.parametrize(
    "kind", ["raises", "aborts", "a list", "a string", "a number", "true", "none"]
)
@pytest.mark.parametrize("view", [who, updating(), entering()], ids=["load", "update", "sign-in"])
def test_a_session_callback_that_fails_changes_nothing(
    app: Flask, auth: JWTSession, signals: Signals, view: Callable[[], str], kind: str
) -> None:
    auth.session_callback(broken(kind) if kind != "none" else lambda session, token: None)
    response = visit(app, view, cookie_of(app))
    assert response.status_code == STATUS.get(kind, 500)
    assert (set_cookies(response), signals) == ({}, [])


@pytest.mark.parametrize(
    ("callback", "use"),
    [
        pytest.param("jwt_callback", lambda: "in" if current_session else "out", id="jwt, if"),
        pytest.param("session_callback", lambda: str(bool(current_session)), id="session, bool"),
        pytest.param("user_loader", lambda: "in" if current_user else "out", id="user, if"),
        pytest.param("jwt_callback", lambda: "in" if current_user else "out", id="jwt, if user"),
        pytest.param(
            "user_loader",
            lambda: render_template_string("{{ 'in' if current_user else 'out' }}"),
            id="user, template",
        ),
        pytest.param("jwt_callback", lambda: f"{current_session!r}", id="jwt, repr"),
    ],
)
def test_a_runtime_error_of_a_callback_is_no_anonymous_page(
    app: Flask, auth: JWTSession, callback: str, use: Callable[[], str]
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("the database is away")

    getattr(auth, callback)(fail)
    assert visit(app, use, cookie_of(app)).status_code == 500


def test_the_log_of_a_failed_callback_shows_no_token(
    app: Flask, auth: JWTSession, caplog: pytest.LogCaptureFixture
) -> None:
    auth.jwt_callback(broken("raises"))
    cookie = cookie_of(app, _session={"account": {"access_token": "the-access-token"}})
    visit(app, who, cookie)
    assert "the database is away" in caplog.text
    assert "eyJ" not in caplog.text
    assert "the-access-token" not in caplog.text


# Nested values (SEC-089).


def test_sec_089_a_nested_value_changed_in_place_is_saved(app: Flask, auth: JWTSession) -> None:
    def jwt(token: Token, event: JWTEvent) -> Token:
        token["seen"]["pages"].append(request.path)
        return token

    auth.jwt_callback(jwt)
    claims = claims_set(app, who, cookie_of(app, seen={"pages": []}))
    assert claims["seen"] == {"pages": ["/visit"]}


def test_sec_089_a_change_in_place_does_not_reach_the_next_request(
    app: Flask, auth: JWTSession
) -> None:
    seen: list[list[int]] = []

    def jwt(token: Token, event: JWTEvent) -> Token:
        token["list"].append(1)
        seen.append(list(token["list"]))
        return token

    auth.jwt_callback(jwt)
    cookie = cookie_of(app, list=[])
    visit(app, who, cookie)
    visit(app, who, cookie)
    assert seen == [[1], [1]]


@pytest.mark.parametrize("callback", ["session_callback", "user_loader"])
def test_sec_089_what_a_reading_callback_does_to_its_token_stays_there(
    app: Flask, auth: JWTSession, callback: str
) -> None:
    def spoil(*arguments: Any) -> Any:
        token = arguments[-1]
        token["roles"].append("admin")
        return arguments[0]

    getattr(auth, callback)(spoil)

    def view() -> list[str]:
        _ = bool(current_user)
        roles: list[str] = list(current_session.token["roles"])
        return roles

    assert visit(app, view, cookie_of(app, roles=["guest"])).get_json() == ["guest"]


def test_sec_089_what_a_view_does_to_the_token_is_not_saved(app: Flask) -> None:
    def view() -> str:
        current_session.token["roles"].append("admin")
        update_session({"a": 1})
        return ""

    assert claims_set(app, view, cookie_of(app, roles=["guest"]))["roles"] == ["guest"]


def test_sec_089_a_template_of_claims_shared_by_all_is_not_changed(
    app: Flask, auth: JWTSession
) -> None:
    shared: Token = {"settings": {"tags": []}}
    original = copy.deepcopy(shared)

    def jwt(token: Token, event: JWTEvent) -> Token:
        token["settings"]["tags"].append(token["sub"])
        return token

    auth.jwt_callback(jwt)
    claims = claims_set(app, entering(claims=shared))
    assert claims["settings"] == {"tags": ["u1"]}
    assert shared == original


def test_sec_089_the_data_of_an_update_is_not_changed_for_the_caller(
    app: Flask, auth: JWTSession
) -> None:
    shared: Token = {"tags": {"list": []}}

    def jwt(token: Token, event: JWTEvent) -> Token:
        event.data["tags"]["list"].append("changed")
        return {**token, **event.data}

    auth.jwt_callback(jwt)
    visit(app, updating(**shared), cookie_of(app))
    assert shared == {"tags": {"list": []}}


def test_sec_089_a_dict_returned_to_everybody_does_not_mix_people_up(
    app: Flask, auth: JWTSession
) -> None:
    shared: Token = {}

    def jwt(token: Token, event: JWTEvent) -> Token:
        shared.update(token)
        return shared

    auth.jwt_callback(jwt)
    assert visit(app, who, cookie_of(app, company_id=7)).text == "u1"
    second = visit(app, lambda: dict(current_session.token), cookie_of(app, sub="u2", sid="s2"))
    assert (second.get_json()["sub"], second.get_json()["sid"]) == ("u2", "s2")


# The session inside its own callbacks.

USES: list[tuple[str, Callable[[], object]]] = [
    ("read", lambda: current_session.user),
    ("ask for the user", lambda: current_user["name"]),
    ("update", lambda: update_session({"a": 1})),
    ("sign in", lambda: sign_in({"id": "u2"})),
    ("sign out", sign_out),
]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("name", "use"), USES)
@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback"])
def test_a_callback_of_a_load_cannot_use_the_session(
    app: Flask,
    auth: JWTSession,
    callback: str,
    name: str,
    use: Callable[[], object],
    kind: str,
) -> None:
    def plain(first: Any, second: Any) -> Any:
        with pytest.raises(SessionClosed):
            use()
        return first

    async def awaited(first: Any, second: Any) -> Any:
        return plain(first, second)

    getattr(auth, callback)(plain if kind == "sync" else awaited)
    response = visit(app, who, cookie_of(app))
    assert (response.status_code, response.text, set_cookies(response)) == (200, "u1", {})


@pytest.mark.parametrize(("name", "use"), [use for use in USES if use[0] != "read"])
@pytest.mark.parametrize(
    ("callback", "view", "answer"),
    [
        ("jwt_callback", updating(), None),
        ("jwt_callback", entering(), None),
        ("sign_in_callback", entering(), True),
    ],
    ids=["update", "sign-in", "sign-in callback"],
)
def test_a_callback_of_a_change_cannot_change_the_session(
    app: Flask,
    auth: JWTSession,
    callback: str,
    view: Callable[[], str],
    answer: object,
    name: str,
    use: Callable[[], object],
) -> None:
    def function(*arguments: Any) -> Any:
        with pytest.raises(SessionClosed):
            use()
        return arguments[0] if answer is None else answer

    getattr(auth, callback)(function)
    assert visit(app, view, cookie_of(app)).status_code == 200


def test_a_callback_may_look_into_another_request(app: Flask, auth: JWTSession) -> None:
    @auth.user_loader
    def load_user(token: Token) -> str:
        with app.test_request_context():
            return "nested nobody" if not current_session else "nested somebody"

    assert visit(app, lambda: str(current_user), cookie_of(app)).text == "nested nobody"


# The session callback.


def test_the_session_callback_decides_what_is_public(app: Flask, auth: JWTSession) -> None:
    @auth.session_callback
    def session(session: Token, token: Token) -> Token:
        session["user"]["role"] = token["role"]
        session["company_id"] = token.get("company_id")
        return session

    cookie = cookie_of(app, role="admin")
    inside = visit(app, lambda: dict(current_session), cookie).get_json()
    assert (inside["user"]["role"], inside["company_id"]) == ("admin", None)
    assert get(app.test_client(), "/auth/session", cookie).get_json() == inside


def test_the_session_callback_sees_the_token_that_the_jwt_callback_made(
    app: Flask, auth: JWTSession
) -> None:
    auth.jwt_callback(lambda token, event: {**token, "flag": "new"})
    auth.session_callback(lambda session, token: {**session, "flag": token["flag"]})
    assert visit(app, lambda: str(current_session["flag"]), cookie_of(app)).text == "new"


# The user loader.


def test_the_user_loader_gets_the_claims_and_runs_once(app: Flask, auth: JWTSession) -> None:
    calls: list[Mapping[str, Any]] = []

    @auth.user_loader
    def load_user(token: Token) -> Token:
        calls.append(token)
        return {"name": f"user {token['sub']}"}

    def view() -> str:
        return f"{current_user['name']} {current_user['name']} {current_session.user}"

    assert visit(app, view, cookie_of(app)).text.startswith("user u1 user u1 {'name': 'Ada'")
    assert len(calls) == 1


def test_a_loader_that_finds_nobody_signs_out_for_this_request_and_keeps_the_cookie(
    app: Flask, auth: JWTSession, signals: Signals
) -> None:
    auth.user_loader(lambda token: None)

    def view() -> str:
        return f"{bool(current_user)} {bool(current_session)} {dict(current_session)}"

    response = visit(app, view, cookie_of(app))
    assert (response.text, set_cookies(response), signals) == ("False False {}", {}, [])
    assert get(app.test_client(), "/private", cookie_of(app)).status_code == 401


def test_a_falsy_user_is_a_user(app: Flask, auth: JWTSession) -> None:
    auth.user_loader(lambda token: 0)
    assert get(app.test_client(), "/private", cookie_of(app)).status_code == 200


def test_the_loader_runs_again_after_a_sign_in(app: Flask, auth: JWTSession) -> None:
    auth.user_loader(lambda token: {"name": f"user {token['sub']}"})

    def view() -> str:
        before = current_user["name"]
        sign_in({"id": "u2"})
        return f"{before} {current_user['name']}"

    assert visit(app, view, cookie_of(app)).text == "user u1 user u2"


# Who may sign in.


@pytest.mark.parametrize("answer", [False, None, 1, "", {}])
def test_only_true_lets_somebody_in(app: Flask, auth: JWTSession, answer: object) -> None:
    auth.sign_in_callback(lambda user, account, profile: answer)
    response = visit(app, entering())
    assert (response.status_code, session_token(response)) == (403, None)


def test_a_url_sends_somebody_there_instead(app: Flask, auth: JWTSession) -> None:
    auth.sign_in_callback(lambda user, account, profile: "https://pay.example/now")
    response = visit(app, entering())
    assert (response.status_code, session_token(response)) == (302, None)
    assert response.headers["Location"] == "https://pay.example/now"


def test_true_lets_somebody_in(app: Flask, auth: JWTSession) -> None:
    seen: list[tuple[Any, ...]] = []

    @auth.sign_in_callback
    def allow(*arguments: Any) -> bool:
        seen.append(arguments)
        return True

    assert session_token(visit(app, entering(profile={"locale": "en"})))
    assert seen == [(ADA, None, {"locale": "en"})]


def test_a_url_refuses_and_says_where_to_go(app: Flask, auth: JWTSession) -> None:
    auth.sign_in_callback(lambda user, account, profile: "/verify")

    def view() -> str:
        with pytest.raises(SignInRefused) as raised:
            sign_in(ADA)
        return str(raised.value.redirect_to)

    assert visit(app, view).text == "/verify"


def test_the_credentials_endpoint_goes_where_the_sign_in_callback_says(
    client: FlaskClient, auth: JWTSession
) -> None:
    auth.sign_in_callback(lambda user, account, profile: "/verify")
    response = client.post(
        "/auth/callback/credentials", data={"password": "ok"}, headers=SAME_ORIGIN
    )
    assert (response.status_code, response.headers["Location"]) == (302, "http://localhost/verify")
    assert session_token(response) is None


def test_the_sign_in_callback_is_asked_before_the_jwt_callback(
    app: Flask, auth: JWTSession
) -> None:
    order: list[str] = []

    def allow(*_: object) -> bool:
        order.append("sign_in")
        return True

    def jwt(token: Token, event: JWTEvent) -> Token:
        order.append("jwt")
        return token

    def session(session: Token, token: Token) -> Token:
        order.append("session")
        return session

    auth.sign_in_callback(allow)
    auth.jwt_callback(jwt)
    auth.session_callback(session)
    visit(app, entering())
    assert order == ["sign_in", "jwt", "session"]


# Where to go.


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("/welcome", "http://localhost/welcome"),
        ("http://localhost/welcome", "http://localhost/welcome"),
        ("https://evil.example/", "http://localhost"),
        ("//evil.example/", "http://localhost"),
        ("javascript:alert(1)", "http://localhost"),
        (None, "http://localhost"),
        (7, "http://localhost"),
    ],
)
def test_the_redirect_callback_chooses_among_safe_targets(
    client: FlaskClient, auth: JWTSession, chosen: object, expected: str
) -> None:
    seen: list[tuple[str, str]] = []

    @auth.redirect_callback
    def redirect(url: str, base_url: str) -> object:
        seen.append((url, base_url))
        return chosen

    response = client.post("/auth/signout", data={"callbackUrl": "/there"}, headers=SAME_ORIGIN)
    assert response.headers["Location"] == expected
    assert seen == [("http://localhost/there", "http://localhost")]


# Callbacks as coroutines.


def make_async(auth: JWTSession, ran: list[str]) -> None:
    """Every callback as ``async def``, each of which really suspends."""

    @auth.jwt_callback
    async def jwt(token: Token, event: JWTEvent) -> Token:
        await asyncio.sleep(0)
        ran.append("jwt")
        return {**token, "path": request.path}

    @auth.session_callback
    async def session(session: Token, token: Token) -> Token:
        await asyncio.sleep(0)
        ran.append("session")
        return session

    @auth.sign_in_callback
    async def allow(user: Token, account: Account | None, profile: Token | None) -> bool:
        await asyncio.sleep(0)
        ran.append("sign_in")
        return True

    @auth.user_loader
    async def load_user(token: Token) -> Token:
        await asyncio.sleep(0)
        ran.append("user")
        return {"name": f"user {token['sub']}"}


@pytest.mark.parametrize("kind", ["sync view", "async view"])
def test_async_callbacks_work_in_every_view(app: Flask, auth: JWTSession, kind: str) -> None:
    ran: list[str] = []
    make_async(auth, ran)

    def view() -> str:
        before = current_user["name"]
        sign_in({"id": "u2"})
        update_session({"a": 1})
        return f"{before} {current_user['name']} {current_session.token['path']}"

    async def async_view() -> str:
        await asyncio.sleep(0)
        return view()

    response = visit(app, view if kind == "sync view" else async_view, cookie_of(app))
    assert response.text == "user u1 user u2 /visit"
    assert ran == ["jwt", "session", "user", "sign_in", "jwt", "session", "jwt", "session", "user"]
    assert session_token(response)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_async_callback_that_raises_is_the_applications_error(
    app: Flask, auth: JWTSession, kind: str
) -> None:
    @auth.jwt_callback
    async def jwt(token: Token, event: JWTEvent) -> Token:
        await asyncio.sleep(0)
        abort(418)

    async def view() -> str:
        return who()

    response = visit(app, view if kind == "async" else who, cookie_of(app))
    assert (response.status_code, set_cookies(response)) == (418, {})


@pytest.mark.parametrize("verb", ["sign_in", "update_session", "sign_out"])
def test_the_verbs_work_in_an_async_view(app: Flask, verb: str) -> None:
    async def view() -> str:
        await asyncio.sleep(0)
        if verb == "sign_in":
            sign_in({"id": "u2"})
        elif verb == "update_session":
            update_session({"a": 1})
        else:
            sign_out()
        await asyncio.sleep(0)
        return who()

    response = visit(app, view, cookie_of(app))
    assert response.text == {"sign_in": "u2", "update_session": "u1", "sign_out": "nobody"}[verb]
    assert len(set_cookies(response)) == 1


def test_the_endpoints_work_with_async_callbacks(clock: Clock) -> None:
    app, auth = make_app(clock)
    make_async(auth, [])

    @auth.credentials
    async def check(credentials: Token) -> Token | None:
        await asyncio.sleep(0)
        return ADA if credentials.get("password") == "ok" else None

    @auth.redirect_callback
    async def redirect(url: str, base_url: str) -> str:
        await asyncio.sleep(0)
        return "/welcome"

    client = app.test_client()
    response = client.post(
        "/auth/callback/credentials", data={"password": "ok"}, headers=SAME_ORIGIN
    )
    assert response.headers["Location"] == "http://localhost/welcome"
    assert client.get("/auth/session").get_json()["user"]["name"] == "Ada"


def test_a_user_loader_that_asks_for_the_user_is_told_so(app: Flask, auth: JWTSession) -> None:
    def load_user(token: Token) -> object:
        with pytest.raises(SessionClosed):
            _ = current_user["name"]
        return {"name": "loaded"}

    auth.user_loader(load_user)
    assert visit(app, lambda: str(current_user["name"]), cookie_of(app)).text == "loaded"
