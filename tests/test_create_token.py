"""``create_token``: a session for a client that has no cookies."""

from __future__ import annotations

import json
import logging
from time import time
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask, jsonify

from flask_jwtsession import (
    Account,
    ConfigError,
    InsecureTransport,
    JWTEvent,
    JWTSession,
    Session,
    SessionClosed,
    SessionTooLarge,
    SignInRefused,
    StoreUnavailable,
    create_token,
    csrf_exempt,
    current_session,
    sign_in,
    sign_out,
    signed_in,
    update_session,
)

from .browsing import problem_code
from .faulty_store import FaultyStore
from .forged_tokens import unb64
from .integration.provider_sign_in import listening
from .scenes import View, visit
from .support import (
    CROSS_SITE,
    NOW,
    SAME_ORIGIN,
    Clock,
    make_app,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)
from .test_bearer import (
    BOTH,
    FORMATS,
    Signals,
    ask,
    bearer,
    graces_cookie,
    make_api,
    token_of,
    told,
)
from .test_session_cookie_attacks import answer

DAY = 86_400
ADA = {"id": "ada", "name": "Ada", "email": "ada@example.com", "image": "/ada.png", "age": 36}
ACCOUNT = Account(
    provider="op",
    type="oidc",
    provider_account_id="42",
    access_token="access-secret",
    refresh_token="refresh-secret",
    expires_at=NOW + 3600,
    id_token="id-secret",
)


def created(app: Flask, **arguments: Any) -> dict[str, Any]:
    """All claims of a token that a view creates for Ada."""
    return unseal(app, token_from(app, lambda: create_token(ADA, **arguments)))


def token_from(app: Flask, view: View, cookie: str = "", **options: Any) -> str:
    response = visit(app, view, cookie, **options)
    assert response.status_code == 200, response.text
    return response.text


@pytest.fixture
def app_and_auth(clock: Clock) -> tuple[Flask, JWTSession]:
    return make_api(clock)


# What it returns.


@pytest.mark.parametrize("token_format", FORMATS)
def test_it_returns_a_token_that_signs_its_client_in(clock: Clock, token_format: str) -> None:
    app, _ = make_api(clock, **FORMATS[token_format])
    response = visit(app, lambda: create_token(ADA, claims={"role": "admin", "company_id": 7}))
    assert "Set-Cookie" not in response.headers
    for path in ("/private", "/admin", "/company", "/fresh"):
        assert ask(app, path, bearer(response.text)).status_code == 200
    assert ask(app, "/who", bearer(response.text)).text == "ada"


def test_its_claims_are_those_of_a_sign_in(app: Flask) -> None:
    claims = created(app, claims={"role": "reader"})
    with_cookie = session_token(visit(app, lambda: dict(sign_in(ADA, claims={"role": "reader"}))))
    assert with_cookie
    new = {"jti", "sid", "auth_time"}
    claims.pop("_session")  # ours, and nobody's to see
    assert claims.keys() == unseal(app, with_cookie).keys()
    assert {name: value for name, value in claims.items() if name not in new} == {
        "sub": "ada",
        "name": "Ada",
        "email": "ada@example.com",
        "picture": "/ada.png",
        "role": "reader",
        "iat": NOW,
        "exp": NOW + 30 * DAY,
    }
    assert claims["auth_time"] == pytest.approx(NOW, abs=1e-3)
    assert {name: value for name, value in unseal(app, with_cookie).items() if name in new} != {
        name: claims[name] for name in new
    }


def test_its_subject_may_be_a_number(app: Flask) -> None:
    token = token_from(app, lambda: create_token({"id": 7}))
    assert ask(app, "/who", bearer(token)).text == "7"


@pytest.mark.parametrize(
    ("config", "lifetime"),
    [
        ({}, 30 * DAY),
        ({"MAX_AGE": 600}, 600),
        ({"MAX_AGE": 600, "ABSOLUTE_MAX_AGE": 60}, 60),
        ({"REFRESH_COOKIE": True}, 900),
        ({"REFRESH_COOKIE": True, "MAX_AGE": 60, "REFRESH_MAX_AGE": 3600}, 60),
    ],
)
def test_it_lives_for_max_age(clock: Clock, config: dict[str, Any], lifetime: int) -> None:
    app, _ = make_api(clock, **config)
    assert created(app)["exp"] == NOW + lifetime


def test_every_one_is_a_session_of_its_own(app: Flask) -> None:
    tokens = [token_from(app, lambda: create_token(ADA)) for _ in range(3)]
    assert len({unseal(app, token)["sid"] for token in tokens}) == 3
    ask(app, "/sign-out", bearer(tokens[0]), method="POST")
    found = [ask(app, "/who", bearer(token)).text for token in tokens]
    assert found == ["nobody", "ada", "ada"]


def test_one_request_may_create_several(app: Flask) -> None:
    def view() -> Any:
        return jsonify([create_token({"id": name}) for name in ("ada", "grace")])

    tokens = visit(app, view).get_json()
    assert [ask(app, "/who", bearer(token)).text for token in tokens] == ["ada", "grace"]


def test_others_verify_a_signed_one_with_the_published_key(clock: Clock) -> None:
    config = {**FORMATS["ES256"], "ISSUER": "https://id.test", "AUDIENCE": ["api", "web"]}
    app, _ = make_api(clock, **config)
    clock.now = time()  # PyJWT has no other clock
    token = token_from(app, lambda: create_token(ADA, claims={"iss": "x", "aud": "y"}))
    [key] = ask(app, "/auth/jwks.json").get_json()["keys"]
    claims = pyjwt.decode(
        token, pyjwt.PyJWK(key), algorithms=["ES256"], issuer="https://id.test", audience="web"
    )
    assert (claims["sub"], claims["aud"]) == ("ada", ["api", "web"])
    assert pyjwt.get_unverified_header(token)["typ"] == "session+jwt"


def test_what_is_given_is_not_kept_or_changed(app: Flask, auth: JWTSession) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if "roles" in token:
            token["roles"].append("more")
        return token

    claims, user = {"roles": ["reader"]}, dict(ADA)
    token = token_from(app, lambda: create_token(user, claims=claims))
    assert (claims, user) == ({"roles": ["reader"]}, ADA)
    assert unseal(app, token)["roles"] == ["reader", "more"]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 400 * DAY},
        {"iat": 0},
        {"jti": "chosen"},
        {"sid": "chosen"},
        {"auth_time": 0},
        {"_session": {"account": {"provider": "op"}}},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_what_is_the_packages_to_say_cannot_be_given(app: Flask, claims: dict[str, Any]) -> None:
    made, plain = created(app, claims=claims), created(app)
    assert made.keys() == plain.keys()
    assert made["_session"] == plain["_session"]
    for name, value in claims.items():
        assert made.get(name) != value


@pytest.mark.parametrize(
    ("user", "error"),
    [
        (None, TypeError),
        ("ada", TypeError),
        (["ada"], TypeError),
        ({}, ValueError),
        ({"id": ""}, ValueError),
        ({"id": None}, ValueError),
        ({"id": True}, ValueError),
        ({"name": "Ada"}, ValueError),
    ],
)
def test_a_user_that_names_nobody_is_a_mistake(
    app: Flask, signals: Signals, user: Any, error: type[Exception]
) -> None:
    def view() -> str:
        with pytest.raises(error):
            create_token(user)
        return "refused"

    assert (visit(app, view).text, signals) == ("refused", [])


def test_claims_that_are_no_json_are_a_mistake_that_shows_no_value(
    app: Flask, signals: Signals
) -> None:
    def view() -> str:
        with pytest.raises(TypeError, match="'key'") as caught:
            create_token(ADA, claims={"key": b"a secret"})
        return str(caught.value)

    assert "a secret" not in visit(app, view).text
    assert signals == []


# What it tells, and whom it asks.


def test_the_application_is_told_of_a_sign_in(app: Flask, signals: Signals) -> None:
    claims = created(app, account=ACCOUNT)
    [(name, arguments)] = signals
    assert name == "signed-in"
    assert arguments.keys() == {"session", "user", "account"}
    assert (arguments["user"], arguments["account"]) == (ADA, ACCOUNT)
    assert bool(arguments["session"])
    assert arguments["session"].token["sid"] == claims["sid"]
    assert arguments["session"].user == {
        "name": "Ada",
        "email": "ada@example.com",
        "image": "/ada.png",
    }


def test_a_receiver_sees_the_session_of_the_request_as_it_is(app: Flask) -> None:
    seen: list[object] = []

    def receive(sender: object, session: Session, **more: object) -> None:
        seen.append((current_session.token["sub"], session.token["sub"]))

    with signed_in.connected_to(receive, app):
        token_from(app, lambda: create_token(ADA), graces_cookie(app))
    assert seen == [("grace", "ada")]


def test_the_log_says_so_without_saying_who(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = token_from(app, lambda: create_token(ADA))
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("Token created: subject ")
    assert "ada" not in line
    assert token not in caplog.text


def test_the_callbacks_of_a_sign_in_are_asked(app: Flask, auth: JWTSession) -> None:
    asked: list[object] = []

    @auth.sign_in_callback
    def may_sign_in(user: object, account: object, profile: object) -> bool:
        asked.append(("sign_in", user, account, profile))
        return True

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        asked.append((event.trigger, event.user, event.account, event.profile, event.data))
        return {**token, "sub": "chosen", "exp": 0, "sid": "chosen", "role": "admin"}

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        asked.append(("session", token["sub"]))
        return session

    auth.user_loader(lambda token: asked.append("user_loader"))
    profile = {"nickname": "ada"}
    claims = created(app, account=ACCOUNT, profile=profile)
    assert asked == [
        ("sign_in", ADA, ACCOUNT, profile),
        ("sign_in", ADA, ACCOUNT, profile, {}),
        ("session", "chosen"),
    ]
    assert (claims["sub"], claims["role"], claims["exp"]) == ("chosen", "admin", NOW + 30 * DAY)
    assert claims["sid"] != "chosen"


def test_async_callbacks_are_awaited(app: Flask, auth: JWTSession) -> None:
    @auth.sign_in_callback
    async def may_sign_in(user: object, account: object, profile: object) -> bool:
        return True

    @auth.jwt_callback
    async def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "role": "admin"}

    async def view() -> str:
        return create_token(ADA)

    assert ask(app, "/admin", bearer(token_from(app, view))).text == "admin"


@pytest.mark.parametrize("answer", [False, None, "", 1, {}])
def test_a_sign_in_that_the_application_refuses_makes_no_token(
    app: Flask, auth: JWTSession, signals: Signals, answer: object
) -> None:
    auth.sign_in_callback(lambda user, account, profile: answer)
    response = visit(app, lambda: create_token(ADA))
    assert (response.status_code, problem_code(response)) == (403, "access_denied")
    assert signals == []


def test_a_sign_in_that_goes_on_elsewhere_makes_no_token(
    app: Flask, auth: JWTSession, signals: Signals
) -> None:
    auth.sign_in_callback(lambda user, account, profile: "/terms")

    def view() -> str:
        with pytest.raises(SignInRefused) as caught:
            create_token(ADA)
        return str(caught.value.redirect_to)

    assert (visit(app, view).text, signals) == ("/terms", [])


def test_none_of_the_jwt_callback_makes_no_token(
    app: Flask, auth: JWTSession, signals: Signals
) -> None:
    auth.jwt_callback(lambda token, event: None)
    response = visit(app, lambda: create_token(ADA))
    assert (response.status_code, problem_code(response)) == (403, "access_denied")
    assert signals == []


@pytest.mark.parametrize("which", ["sign_in_callback", "jwt_callback", "session_callback"])
def test_an_error_of_a_callback_makes_no_token(
    app: Flask, auth: JWTSession, signals: Signals, which: str
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("the database is away")

    getattr(auth, which)(fail)

    def view() -> str:
        with pytest.raises(RuntimeError, match="the database is away"):
            create_token(ADA)
        return "raised"

    assert (visit(app, view).text, signals) == ("raised", [])


@pytest.mark.parametrize("which", ["sign_in_callback", "jwt_callback", "session_callback"])
def test_no_callback_can_create_a_token(
    app: Flask, auth: JWTSession, signals: Signals, which: str
) -> None:
    caught: list[str] = []

    def create(first: Any, *more: object) -> Any:
        with pytest.raises(SessionClosed) as error:
            create_token({"id": "another"})
        caught.append(error.value.code)
        return True if which == "sign_in_callback" else first

    getattr(auth, which)(create)
    token_from(app, lambda: create_token(ADA))
    assert caught == ["session_closed"]
    assert [arguments["user"] for _, arguments in signals] == [ADA]
    if which != "sign_in_callback":  # while a session is loaded, too
        visit(app, lambda: str(bool(current_session)), graces_cookie(app))
        assert len(caught) == 2


# The session of the request.


def test_the_session_of_the_request_stays_what_it_is(app: Flask, signals: Signals) -> None:
    cookie = graces_cookie(app, exp=int(NOW) + 30 * DAY)

    def view() -> Any:
        before = dict(current_session.token)
        token = create_token(ADA)
        return jsonify(token, current_session.token["sub"], dict(current_session.token) == before)

    response = visit(app, view, cookie)
    token, subject, is_same = response.get_json()
    assert (subject, is_same) == ("grace", True)
    assert set_cookies(response) == {}
    assert told(signals) == [("signed-in", None)]
    assert ask(app, "/who", cookie=cookie).text == "grace"
    assert ask(app, "/who", bearer(token), cookie=cookie).text == "ada"


def test_nobody_is_signed_in_by_it(app: Flask) -> None:
    def view() -> str:
        create_token(ADA)
        return str(bool(current_session))

    assert visit(app, view).text == "False"


def test_what_becomes_of_the_cookie_does_not_depend_on_it(app: Flask, clock: Clock) -> None:
    cookie = graces_cookie(app, exp=int(NOW) + 30 * DAY)
    clock.advance(2 * DAY)

    def view() -> str:
        assert current_session
        return create_token(ADA)

    response = visit(app, view, cookie)
    rolled = session_token(response)
    assert rolled
    assert unseal(app, rolled)["sub"] == "grace"
    assert unseal(app, response.text)["sub"] == "ada"


def test_it_goes_with_every_change_of_the_requests_session(app: Flask) -> None:
    cookie = graces_cookie(app)

    def update() -> str:
        update_session({"n": 1})
        token = create_token(ADA)
        update_session({"n": 2})
        return token

    response = visit(app, update, cookie)
    token = session_token(response)
    assert token
    assert (unseal(app, token)["sub"], unseal(app, token)["n"]) == ("grace", 2)
    assert "n" not in unseal(app, response.text)

    def enter() -> str:
        sign_in({"id": "lin"})
        return create_token(ADA)

    response = visit(app, enter, cookie)
    token = session_token(response)
    assert token
    assert (unseal(app, token)["sub"], unseal(app, response.text)["sub"]) == ("lin", "ada")

    def leave() -> str:
        token = create_token(ADA)
        sign_out()
        return token

    response = visit(app, leave, graces_cookie(app, sid="another"))
    assert set_cookies(response)[session_cookie_name(app)].deletes
    assert ask(app, "/who", bearer(response.text)).text == "ada"


def test_a_client_may_get_another_token_for_the_one_it_has(app: Flask, signals: Signals) -> None:
    first = token_of(app)
    second = ask(app, "/token", bearer(first), method="POST").text
    assert [ask(app, "/who", bearer(one)).text for one in (first, second)] == ["ada", "created"]
    assert told(signals) == [("signed-in", None)]


def test_a_response_with_a_token_is_for_no_cache(app: Flask) -> None:
    """As one with a session cookie (RFC 6749 section 5.1)."""
    response = visit(app, lambda: create_token(ADA))
    assert "no-store" in response.headers.get("Cache-Control", "")


@pytest.mark.parametrize("token_format", FORMATS)
@pytest.mark.parametrize("chunks", [1, 3])
def test_in_a_cookie_it_is_nobodys(clock: Clock, token_format: str, chunks: int) -> None:
    """There it would be issued again by use, and live for ever."""
    app, _ = make_api(clock, **FORMATS[token_format])
    token = token_from(app, lambda: create_token(ADA))
    cookie = in_cookies(app, token, chunks)
    with listening(app) as heard:
        for path in ("/who", "/private", "/auth/session/status", "/session"):
            response = ask(app, path, cookie=cookie)
            assert answer(response) == answer(ask(app, path))
    assert told(heard) == [("session-rejected", "location")] * 4
    assert ask(app, "/update", cookie=cookie, method="POST").status_code == 400
    assert ask(app, "/who", bearer(token)).text == "ada"


def in_cookies(app: Flask, token: str, chunks: int) -> str:
    name, size = session_cookie_name(app), -(-len(token) // chunks)
    if chunks == 1:
        return f"{name}={token}"
    parts = [token[start : start + size] for start in range(0, len(token), size)]
    return "; ".join(f"{name}.{number}={part}" for number, part in enumerate(parts))


def test_in_a_cookie_it_ends_nothing_when_its_time_is_over(app: Flask, clock: Clock) -> None:
    cookie = in_cookies(app, token_from(app, lambda: create_token(ADA)), 1)
    clock.advance(40 * DAY)
    with listening(app) as heard:
        response = ask(app, "/who", cookie=cookie)
    assert (response.text, "Set-Cookie" in response.headers) == ("nobody", False)
    assert told(heard) == [("session-rejected", "location")]


def test_planted_in_a_cookie_it_does_not_stand_in_the_way_of_the_real_one(app: Flask) -> None:
    planted = in_cookies(app, token_from(app, lambda: create_token(ADA)), 1)
    for cookies in (f"{planted}; {graces_cookie(app)}", f"{graces_cookie(app)}; {planted}"):
        assert ask(app, "/who", cookie=cookies).text == "grace"


# Where it cannot be.


@pytest.mark.parametrize("locations", [None, ["cookie"], ("cookie",)])
def test_where_no_header_is_looked_at_it_is_a_mistake(clock: Clock, locations: Any) -> None:
    config = {} if locations is None else {"TOKEN_LOCATIONS": locations}
    app, auth = make_app(clock, **config)
    asked: list[object] = []
    auth.sign_in_callback(lambda *arguments: asked.append(arguments))

    def view() -> str:
        with pytest.raises(ConfigError, match="JWTSESSION_TOKEN_LOCATIONS") as caught:
            create_token(ADA)
        return str(caught.value)

    assert "header" in visit(app, view).text
    assert asked == []


@pytest.mark.parametrize("locations", [["header"], BOTH])
def test_where_headers_are_looked_at_it_works(clock: Clock, locations: Any) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=locations)
    token = token_from(app, lambda: create_token(ADA))
    assert ask(app, "/who", bearer(token)).text == "ada"


def test_outside_of_a_request_flask_says_so(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="outside of"):
        create_token(ADA)
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        create_token(ADA)


def test_over_plain_http_nobody_gets_a_token(app: Flask, signals: Signals) -> None:
    base_url = "http://app.test"

    def view() -> str:
        with pytest.raises(InsecureTransport):
            create_token(ADA)
        return "refused"

    assert visit(app, view, base_url=base_url).text == "refused"
    assert signals == []
    assert token_from(app, lambda: create_token(ADA), https=True)


@pytest.mark.parametrize(
    ("token_format", "configured", "limit"),
    # Of a pair, the refresh token has a quarter.
    [("encrypted", 2000, 2000), ("HS256", 2000, 2000), ("pair", 4096, 3072)],
)
def test_a_token_that_is_too_long_is_refused(
    clock: Clock, token_format: str, configured: int, limit: int
) -> None:
    app, _ = make_api(clock, MAX_TOKEN_SIZE=configured, **FORMATS[token_format])
    told_of: list[object] = []
    refused: list[tuple[int, int]] = []

    def view(size: int) -> str:
        try:
            return str(len(create_token(ADA, claims={"text": "x" * size})))
        except SessionTooLarge as error:
            refused.append((error.size, error.limit))
            return "0"

    with signed_in.connected_to(lambda *args, **more: told_of.append(more), app):
        sizes = [int(visit(app, lambda size=size: view(size)).text) for size in range(0, 2000, 40)]
    made = [size for size in sizes if size]
    assert limit - 70 < max(made) <= limit
    assert limit < min(refused)[0] < limit + 70
    assert {one for _, one in refused} == {limit}
    assert len(told_of) == len(made)


def test_a_token_that_is_too_long_is_answered_as_such(app: Flask) -> None:
    response = visit(app, lambda: create_token(ADA, claims={"text": "x" * 9000}))
    assert (response.status_code, problem_code(response)) == (413, "session_too_large")


@pytest.mark.parametrize("cookie", [False, True], ids=["", "with a cookie"])
def test_another_site_cannot_have_one_created(app: Flask, signals: Signals, cookie: bool) -> None:
    sent = graces_cookie(app) if cookie else ""
    response = ask(app, "/token", cookie=sent, method="POST", headers=CROSS_SITE)
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")
    assert signals == []
    assert ask(app, "/token", cookie=sent, method="POST", headers=SAME_ORIGIN).status_code == 200
    assert ask(app, "/token", cookie=sent, method="POST").status_code == 200  # no browser


def test_an_exempt_view_may_create_one_for_another_site(app: Flask) -> None:
    view = csrf_exempt(lambda: create_token(ADA))
    app.add_url_rule("/exempt", "exempt", view, methods=["POST"])
    assert ask(app, "/exempt", method="POST", headers=CROSS_SITE).status_code == 200


# With an account at a provider.


@pytest.mark.parametrize(
    ("config", "in_token", "in_session"),
    [
        ({}, True, True),
        ({"PROVIDER_TOKENS": "store"}, False, True),
        ({"PROVIDER_TOKENS": "none"}, False, False),
        ({"TOKEN_FORMAT": "signed"}, False, True),
        ({"REFRESH_COOKIE": True}, False, True),
        ({"STORE": None, "TOKEN_FORMAT": "signed"}, False, False),
    ],
    ids=["cookie", "store", "none", "signed", "pair", "signed, no store"],
)
def test_the_tokens_of_an_account_are_kept_where_they_belong(
    clock: Clock, config: dict[str, Any], in_token: bool, in_session: bool
) -> None:
    app, _ = make_api(clock, **config)
    app.add_url_rule("/account", "account", lambda: jsonify(vars(current_session.account)))
    token = token_from(app, lambda: create_token(ADA, account=ACCOUNT))
    claims = unseal(app, token)
    assert claims["sub"] == "op|42"
    kept = claims["_session"]["account"]
    assert (kept["provider"], kept["provider_account_id"]) == ("op", "42")
    assert ("access-secret" in json.dumps(claims)) is in_token
    assert "id-secret" not in json.dumps(claims)
    account = ask(app, "/account", bearer(token)).get_json()
    expected = ("access-secret", "refresh-secret") if in_session else (None, None)
    assert (account["access_token"], account["refresh_token"]) == expected


@pytest.mark.parametrize("token_format", ["HS256", "ES256", "EdDSA", "EdDSA pair"])
def test_nobody_reads_of_an_account_in_a_signed_token(clock: Clock, token_format: str) -> None:
    app, _ = make_api(clock, FEDERATED_SIGN_OUT=True, **FORMATS[token_format])
    token = token_from(app, lambda: create_token(ADA, account=ACCOUNT))
    payload = unb64(token.split(".")[1]).decode()
    assert json.loads(payload)["sub"] == "op|42"
    for text in ("secret", "provider_account_id", "grant", "oidc"):
        assert text not in payload


def test_no_token_is_made_while_the_store_cannot_take_the_accounts(
    clock: Clock, signals: Signals
) -> None:
    store = FaultyStore(clock)
    app, _ = make_api(clock, STORE=store, PROVIDER_TOKENS="store")
    store.refused = {"put", "compare_and_set"}
    told_of: list[object] = []
    with signed_in.connected_to(lambda *args, **more: told_of.append(more), app):
        response = visit(app, lambda: create_token(ADA, account=ACCOUNT))
        assert (response.status_code, problem_code(response)) == (503, "store_unavailable")
    assert told_of == []

    def view() -> str:
        with pytest.raises(StoreUnavailable):
            create_token(ADA, account=ACCOUNT)
        return create_token(ADA)  # which needs none

    assert token_from(app, view)


# Beside a pair of cookies.


def test_with_a_pair_it_needs_no_reauth_callback_and_sets_neither_cookie(clock: Clock) -> None:
    app, _ = make_app(clock, TOKEN_LOCATIONS=BOTH, REFRESH_COOKIE=True)
    app.add_url_rule("/who", "who", lambda: current_session.token.get("sub", "nobody"))

    def view() -> str:
        with pytest.raises(ConfigError, match="reauth_callback"):
            sign_in(ADA)
        return create_token(ADA)

    response = visit(app, view)
    assert "Set-Cookie" not in response.headers
    assert ask(app, "/who", bearer(response.text)).text == "ada"
    clock.advance(900)
    assert ask(app, "/who", bearer(response.text)).text == "nobody"


def test_with_a_pair_the_browsers_cookies_stay_what_they_are(clock: Clock) -> None:
    app, auth = make_api(clock, REFRESH_COOKIE=True)
    asked: list[str] = []

    def reauth(claims: dict[str, Any]) -> dict[str, Any]:
        asked.append(claims["sub"])
        return {}

    auth.reauth_callback(reauth)
    client = app.test_client()
    client.post("/sign-in", headers=SAME_ORIGIN)
    token = client.post("/token", headers=SAME_ORIGIN).text
    clock.advance(1000)
    assert ask(app, "/who", bearer(token)).text == "nobody"
    assert (client.get("/who").text, asked) == ("u1", ["u1"])
