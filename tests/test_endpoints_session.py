"""``/session``: reading it, updating it from a browser, and the look at ``/session/status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from flask_jwtsession import JWTEvent, JWTSession, UpdateRefused

from .browsing import problem_code, signed_in_client, touches_session
from .conftest import add_views
from .support import (
    CROSS_SITE,
    HTTPS,
    NOW,
    SAME_ORIGIN,
    Clock,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)
from .test_request_checks_bodies import MALFORMED

Signals = list[tuple[str, dict[str, Any]]]
NAME = "__Host-jwtsession.session-token"

RESERVED = ["iss", "aud", "sub", "iat", "exp", "nbf", "jti", "sid", "auth_time", "_session"]
TEMPTING = [
    *("role", "roles", "name", "email", "gen", "access_token", "refresh_token", "id_token"),
    *("provider", "error", "account", "__class__", "__proto__", "constructor", "user", "picture"),
]


@pytest.fixture
def signed_in(app: Flask) -> FlaskClient:
    return signed_in_client(app)


def update(client: FlaskClient, data: object) -> TestResponse:
    return client.post("/auth/session", base_url=HTTPS, headers=SAME_ORIGIN, json={"data": data})


def claims_in(client: FlaskClient) -> dict[str, Any]:
    """The claims in the client's cookie."""
    cookie = client.get_cookie(NAME, domain="app.test")
    assert cookie is not None
    return unseal(client.application, cookie.value, https=True)


# GET /session


def test_nobodys_session_is_null(client: FlaskClient) -> None:
    response = client.get("/auth/session", base_url=HTTPS)
    assert (response.status_code, response.get_data()) == (200, b"null")
    assert not set_cookies(response)


def test_the_session_is_the_user_and_when_it_ends(signed_in: FlaskClient) -> None:
    response = signed_in.get("/auth/session", base_url=HTTPS)
    assert response.get_json() == {
        "user": {"name": "Ada", "email": "ada@example.com", "image": None},
        "expires": "2027-02-14T08:00:00.000Z",
    }


def test_a_key_of_the_user_without_a_value_is_null(app: Flask) -> None:
    token = seal(app, {"sub": "u1", "iat": NOW, "exp": NOW + 60, "jti": "j", "sid": "s"})
    response = get(app.test_client(), "/auth/session", f"jwtsession.session-token={token}")
    assert response.get_json()["user"] == {"name": None, "email": None, "image": None}


@pytest.mark.parametrize("path", ["/auth/session", "/auth/session/status"])
@pytest.mark.parametrize("cookie", ["", f"{NAME}=garbage"], ids=["no cookie", "a bad cookie"])
def test_sec_149_no_answer_is_kept_by_a_cache(app: Flask, path: str, cookie: str) -> None:
    response = app.test_client(use_cookies=False).get(
        path, base_url=HTTPS, headers={"Cookie": cookie} if cookie else {}
    )
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    assert "Cookie" in response.vary
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_sec_149_nor_is_that_of_somebody(signed_in: FlaskClient, clock: Clock) -> None:
    clock.advance(2 * 86_400)
    response = signed_in.get("/auth/session", base_url=HTTPS)
    assert session_token(response, NAME)  # re-issued, which sets headers of its own
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    assert "Cookie" in response.vary


def test_sec_149_there_is_no_conditional_answer(signed_in: FlaskClient) -> None:
    response = signed_in.get(
        "/auth/session",
        base_url=HTTPS,
        headers={"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    )
    assert response.status_code == 200
    assert "ETag" not in response.headers


def test_sec_111_a_script_element_of_another_site_gets_nothing_from_it(
    signed_in: FlaskClient,
) -> None:
    response = signed_in.get(
        "/auth/session?callback=steal&jsonp=steal",
        base_url=HTTPS,
        headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "script"},
    )
    assert isinstance(json.loads(response.get_data()), dict)  # as a script: a syntax error
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_session_that_cannot_be_json_never_becomes_nan(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)

    @auth.session_callback
    def session(session: dict[str, Any], token: Mapping[str, Any]) -> dict[str, Any]:
        return {**session, "score": float("nan")}

    client = signed_in_client(app)
    response = client.get("/auth/session", base_url=HTTPS)
    assert response.status_code == 500
    assert b"NaN" not in response.get_data()


def test_head_is_get_without_a_body(signed_in: FlaskClient) -> None:
    response = signed_in.head("/auth/session", base_url=HTTPS)
    assert (response.status_code, response.get_data()) == (200, b"")


# GET /session/status


def test_status_says_until_when(signed_in: FlaskClient) -> None:
    response = signed_in.get("/auth/session/status", base_url=HTTPS)
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "authenticated",
        "expires": "2027-02-14T08:00:00.000Z",
    }


@pytest.mark.parametrize("change", [{"exp": 1}, {"sub": None}, {"iat": "x"}])
def test_status_of_nobody_is_401_and_leaves_the_cookie(app: Flask, change: dict[str, Any]) -> None:
    token = seal(app, claims_at(NOW, **change))
    response = get(app.test_client(), "/auth/session/status", f"jwtsession.session-token={token}")
    assert response.status_code == 401
    assert response.get_json() == {"status": "unauthenticated"}
    assert not set_cookies(response)


def test_status_changes_nothing_and_calls_nothing(
    app: Flask, auth: JWTSession, clock: Clock, signals: Signals
) -> None:
    client = signed_in_client(app)
    signals.clear()

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> None:
        raise AssertionError("called")

    @auth.session_callback
    def session(session: object, token: object) -> None:
        raise AssertionError("called")

    clock.advance(2 * 86_400)
    response = client.get("/auth/session/status", base_url=HTTPS)
    assert response.status_code == 200
    assert not set_cookies(response)
    assert signals == []


# POST /session


def test_an_update_changes_what_is_allowed_and_answers_with_the_session(
    signed_in: FlaskClient, signals: Signals
) -> None:
    response = update(signed_in, {"nick": "Lovelace"})
    assert response.status_code == 200
    assert response.get_json()["user"]["name"] == "Ada"
    assert claims_in(signed_in)["nick"] == "Lovelace"
    [(name, arguments)] = signals
    assert name == "session-updated"
    assert (arguments["data"], arguments["from_client"]) == ({"nick": "Lovelace"}, True)


@pytest.mark.parametrize("field", [*RESERVED, *TEMPTING])
def test_sec_120_what_is_not_on_the_list_does_not_exist(
    signed_in: FlaskClient, signals: Signals, field: str
) -> None:
    before = claims_in(signed_in)
    assert update(signed_in, {field: "admin", "nick": "x"}).status_code == 200
    after = claims_in(signed_in)
    assert {**after, "jti": None} == {**before, "nick": "x", "jti": None}
    assert signals[-1][1]["data"] == {"nick": "x"}


@pytest.mark.parametrize("body", [{"role": "admin"}, {"nick": "x"}, {"data": {}, "nick": "x"}])
def test_sec_120_only_data_counts(signed_in: FlaskClient, body: dict[str, Any]) -> None:
    before = claims_in(signed_in)
    response = signed_in.post("/auth/session", base_url=HTTPS, headers=SAME_ORIGIN, json=body)
    assert response.status_code == 200
    assert {**claims_in(signed_in), "jti": None} == {**before, "jti": None}


def test_sec_120_the_callback_sees_only_what_is_on_the_list(clock: Clock) -> None:
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["nick"])
    add_views(app, auth)
    seen: list[dict[str, Any]] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "update":
            seen.append(event.data)
            assert event.from_client
        return token

    update(signed_in_client(app), {"nick": {"role": "admin"}, "role": "admin", "sub": "u2"})
    assert seen == [{"nick": {"role": "admin"}}]


@pytest.mark.parametrize("claim", RESERVED)
def test_sec_120_a_reserved_claim_stays_though_the_callback_returns_another(
    clock: Clock, claim: str
) -> None:
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["anything"])
    add_views(app, auth)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, **event.data.get("anything", {})}

    client = signed_in_client(app)
    before = claims_in(client)
    assert update(client, {"anything": {claim: 1}}).status_code == 200
    after = claims_in(client)
    assert {**after, "jti": None} == {**before, "jti": None}
    assert after["jti"] not in (1, before["jti"])


def test_by_default_a_browser_changes_nothing(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    client = signed_in_client(app)
    before = claims_in(client)
    assert update(client, {"nick": "x", "name": "y"}).status_code == 200
    assert {**claims_in(client), "jti": None} == {**before, "jti": None}


@pytest.mark.parametrize("value", [{"__proto__": {"isAdmin": True}}, {"constructor": 1}])
def test_sec_121_names_that_mean_something_in_javascript_are_data(
    signed_in: FlaskClient, value: dict[str, Any]
) -> None:
    assert update(signed_in, {"nick": value, **value}).status_code == 200
    claims = claims_in(signed_in)
    assert claims["nick"] == value
    assert not claims.keys() & value.keys()


@pytest.mark.parametrize("body", MALFORMED)
def test_sec_122_a_malformed_body_is_refused(signed_in: FlaskClient, body: bytes) -> None:
    response = signed_in.post(
        "/auth/session",
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data=body,
        content_type="application/json",
    )
    assert response.status_code in (400, 413)
    assert problem_code(response) in ("invalid_json", "body_too_large")
    assert not touches_session(signed_in.application, response)


@pytest.mark.parametrize(
    "data", ["text", 7, True, [], [{"nick": "x"}], 1.5], ids=lambda data: f"SEC-122 {data!r}"
)
def test_data_that_is_no_object_is_refused(signed_in: FlaskClient, data: object) -> None:
    response = update(signed_in, data)
    assert response.status_code == 400
    assert problem_code(response) == "invalid_update"


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}])
def test_an_update_of_nothing_is_an_update(
    signed_in: FlaskClient, signals: Signals, body: dict[str, Any]
) -> None:
    response = signed_in.post("/auth/session", base_url=HTTPS, headers=SAME_ORIGIN, json=body)
    assert response.status_code == 200
    assert [name for name, _ in signals] == ["session-updated"]


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_a_body_has_at_most_64_kib(signed_in: FlaskClient, size: int, status: int) -> None:
    frame = '{"data": {"nick": "x"}}'
    response = signed_in.post(
        "/auth/session",
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data=frame.ljust(size),
        content_type="application/json",
    )
    assert response.status_code == status


def test_sec_122_a_body_of_unknown_length_is_bounded_too(app: Flask) -> None:
    """As servers pass on ``Transfer-Encoding: chunked``: an input that ends by itself."""
    token = seal(app, claims_at(NOW), https=True)
    request = EnvironBuilder(
        "/auth/session",
        base_url=HTTPS,
        method="POST",
        headers=[*SAME_ORIGIN.items(), ("Cookie", f"{NAME}={token}")],
        input_stream=BytesIO(b'{"data": {}}'.ljust(10_000_000)),
        content_type="application/json",
    ).get_environ()
    request.pop("CONTENT_LENGTH", None)
    request |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    _, status, _ = run_wsgi_app(app, request)
    assert status.startswith("413")


def test_sec_123_an_update_that_does_not_fit_leaves_the_session_as_it_is(
    signed_in: FlaskClient, signals: Signals
) -> None:
    before = claims_in(signed_in)
    response = update(signed_in, {"nick": "x" * 20_000})
    assert response.status_code == 413
    assert problem_code(response) == "session_too_large"
    assert not touches_session(signed_in.application, response)
    assert claims_in(signed_in) == before
    assert signals == []


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(None, id="SEC-124 anonymous"),
        pytest.param({"exp": NOW - 60, "iat": NOW - 120}, id="SEC-124 expired"),
        pytest.param({"sub": ""}, id="SEC-124 without a subject"),
        pytest.param({"iat": NOW + 3600, "exp": NOW + 7200}, id="SEC-124 invalid"),
    ],
)
def test_nobody_updates_nothing(
    app: Flask, signals: Signals, cookie: dict[str, Any] | None
) -> None:
    headers = dict(SAME_ORIGIN)
    if cookie is not None:
        token = seal(app, claims_at(NOW, **cookie), https=True)
        headers["Cookie"] = f"{NAME}={token}"
    response = app.test_client(use_cookies=False).post(
        "/auth/session", base_url=HTTPS, headers=headers, json={"data": {"nick": "x"}}
    )
    assert response.status_code == 401
    assert problem_code(response) == "login_required"
    assert session_token(response, NAME) is None
    assert "session-updated" not in [name for name, _ in signals]


def test_an_update_that_the_callback_refuses_says_why(clock: Clock) -> None:
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["company_id"])
    add_views(app, auth)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "update":
            raise UpdateRefused("not a member of that company")
        return token

    response = update(signed_in_client(app), {"company_id": 7})
    assert response.status_code == 400
    assert problem_code(response) == "update_refused"
    assert response.get_json(force=True)["detail"] == "not a member of that company"
    assert not touches_session(app, response)


def test_an_update_that_ends_the_session_answers_null(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
        return None if event.trigger == "update" else token

    client = signed_in_client(app)
    response = update(client, {})
    assert (response.status_code, response.get_data()) == (200, b"null")
    assert set_cookies(response)[session_cookie_name(app, https=True)].deletes


def test_sec_125_of_two_parallel_updates_the_last_answer_wins_whole(app: Flask) -> None:
    """Two tabs with one cookie; a browser keeps the cookie of the answer that comes last."""
    first, second = app.test_client(), app.test_client()
    token = seal(app, claims_at(NOW), https=True)
    for client in (first, second):
        client.set_cookie(NAME, token, domain="app.test", secure=True)
    update(first, {"nick": "one"})
    update(second, {"nick": "two"})
    assert (claims_in(first)["nick"], claims_in(second)["nick"]) == ("one", "two")


def test_sec_126_no_number_of_updates_moves_the_absolute_end(clock: Clock) -> None:
    app, auth = make_app(clock, ABSOLUTE_MAX_AGE=3600, MAX_AGE=600)
    add_views(app, auth)
    client = signed_in_client(app)
    for _ in range(11):
        clock.advance(300)
        assert update(client, {}).status_code == 200
        assert claims_in(client)["exp"] <= NOW + 3600
    clock.advance(300 + 15)
    assert update(client, {}).status_code == 401


@pytest.mark.parametrize("headers", [CROSS_SITE, {}])
def test_a_refused_update_says_nothing_of_the_session(
    signed_in: FlaskClient, headers: dict[str, str]
) -> None:
    response = signed_in.post("/auth/session", base_url=HTTPS, headers=headers, json={"data": {}})
    assert response.status_code == 403
    assert b"ada" not in response.get_data().lower()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_person_that_the_user_loader_does_not_know_is_nobody_here_too(
    app: Flask, auth: JWTSession, client: FlaskClient, method: str
) -> None:
    client.post("/sign-in", headers=SAME_ORIGIN)
    auth.user_loader(lambda token: None)
    response = client.open(
        "/auth/session",
        method=method,
        json={"data": {"nick": "A"}} if method == "POST" else None,
        headers=SAME_ORIGIN,
    )
    if method == "GET":
        assert (response.status_code, response.get_json()) == (200, None)
    else:
        assert (response.status_code, response.get_json()["code"]) == (401, "login_required")
    assert "Set-Cookie" not in response.headers
