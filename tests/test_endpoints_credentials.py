"""``/callback/credentials``: signing in with a user name and a password."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import Account, JWTEvent, JWTSession, SignInRefused

from .browsing import problem_code, touches_session
from .conftest import add_views
from .support import (
    HTTPS,
    NAVIGATION,
    SAME_ORIGIN,
    Clock,
    make_app,
    session_cookie_name,
    session_token,
    unseal,
)

Signals = list[tuple[str, dict[str, Any]]]

PATH = "/auth/callback/credentials"
NAME = "__Host-jwtsession.session-token"
AUTHJS = {"X-Auth-Return-Redirect": "1"}
JSON = {"Accept": "application/json"}
#: What that client sends in the form: all options of the call, and what it wants for an answer.
NEXTAUTH_V4: dict[str, Any] = {"json": "true", "redirect": "false"}


def sign_in(
    client: FlaskClient, headers: Mapping[str, str] | None = None, **fields: Any
) -> TestResponse:
    return client.post(
        PATH,
        base_url=HTTPS,
        headers={**SAME_ORIGIN, **(headers or {})},
        data={"username": "ada", "password": "ok", **fields},
    )


# In.


def test_a_person_is_signed_in_and_sent_to_where_they_wanted(
    app: Flask, client: FlaskClient, signals: Signals
) -> None:
    response = sign_in(client, NAVIGATION, callbackUrl="/private?a=1")
    assert response.status_code == 302
    assert response.headers["Location"] == "https://app.test/private?a=1"
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    token = session_token(response, NAME)
    assert token is not None
    assert unseal(app, token, https=True)["sub"] == "u1"
    [(name, arguments)] = signals
    assert name == "signed-in"
    assert arguments["account"] == Account(
        provider="credentials", type="credentials", provider_account_id="u1"
    )


@pytest.mark.parametrize("headers", [AUTHJS, JSON, {**AUTHJS, **JSON}])
def test_a_program_is_told_where_to_go(client: FlaskClient, headers: dict[str, str]) -> None:
    response = sign_in(client, headers, callbackUrl="/a")
    assert response.status_code == 200
    assert response.get_json() == {"url": "https://app.test/a"}
    assert "Location" not in response.headers
    assert session_token(response, NAME)


def test_the_client_of_nextauth_v4_is_told_where_to_go(client: FlaskClient) -> None:
    response = sign_in(client, **NEXTAUTH_V4, callbackUrl="/a")
    assert response.status_code == 200
    assert response.get_json() == {"url": "https://app.test/a"}
    assert session_token(response, NAME)


def test_credentials_may_be_json(client: FlaskClient) -> None:
    response = client.post(
        PATH, base_url=HTTPS, headers=SAME_ORIGIN, json={"password": "ok", "callbackUrl": "/a"}
    )
    assert response.headers["Location"] == "https://app.test/a"


def test_the_callback_gets_the_fields_and_neither_the_token_nor_the_target(clock: Clock) -> None:
    app, auth = make_app(clock)
    seen: list[Mapping[str, Any]] = []

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(credentials)
        return {"id": 7}

    response = sign_in(app.test_client(), csrfToken="x", callbackUrl="/a", otp="123")
    assert seen == [{"username": "ada", "password": "ok", "otp": "123"}]
    token = session_token(response, NAME)
    assert token is not None
    assert unseal(app, token, https=True)["sub"] == "7"


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (NEXTAUTH_V4, {}),
        ({"json": "true"}, {}),
        # Not that client: then they are credentials like any other.
        ({"redirect": "false"}, {"redirect": "false"}),
        ({"json": "false"}, {"json": "false"}),
        ({"json": "1", "redirect": "x"}, {"json": "1", "redirect": "x"}),
    ],
)
def test_what_the_client_of_nextauth_v4_says_of_itself_is_no_credential(
    clock: Clock, sent: dict[str, Any], left: dict[str, str]
) -> None:
    app, auth = make_app(clock)
    seen: list[Mapping[str, Any]] = []

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(credentials)
        return {"id": 7}

    sign_in(app.test_client(), **sent)
    assert seen == [{"username": "ada", "password": "ok", **left}]


def test_json_that_says_json_is_not_the_client_of_nextauth_v4(clock: Clock) -> None:
    app, auth = make_app(clock)
    seen: list[Mapping[str, Any]] = []

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(credentials)
        return {"id": 7}

    response = app.test_client().post(
        PATH, base_url=HTTPS, headers=SAME_ORIGIN, json={"json": "true"}
    )
    assert seen == [{"json": "true"}]
    assert response.status_code == 302


def test_an_async_callback_is_awaited(clock: Clock) -> None:
    app, auth = make_app(clock)

    @auth.credentials
    async def check(credentials: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": "u1"}

    assert session_token(sign_in(app.test_client()), NAME)


def test_sec_080_nothing_that_was_planted_before_survives(
    app: Flask, client: FlaskClient, auth: JWTSession
) -> None:
    first = session_token(sign_in(client), NAME)
    second = session_token(sign_in(client), NAME)
    assert first is not None
    assert second is not None
    before, after = (unseal(app, token, https=True) for token in (first, second))
    assert before["sid"] != after["sid"]
    assert before["jti"] != after["jti"]


# Refused.


def test_the_client_of_nextauth_v4_is_told_by_the_status_too(client: FlaskClient) -> None:
    response = sign_in(client, **NEXTAUTH_V4, password="wrong")
    assert response.status_code == 401
    assert set(response.get_json()) == {"url"}
    assert parse_qs(urlsplit(response.get_json()["url"]).query)["error"] == ["CredentialsSignin"]
    # Auth.js v5 reads the URL only, and so does its client.
    assert sign_in(client, AUTHJS, password="wrong").status_code == 200


@pytest.mark.parametrize(("fields", "status"), [(NEXTAUTH_V4, 403), ({}, 302)])
def test_whom_the_application_refuses_learns_it_the_same_way(
    clock: Clock, fields: dict[str, Any], status: int
) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)

    @auth.sign_in_callback
    def nobody(user: Any, account: Any, profile: Any) -> bool:
        return False

    response = sign_in(app.test_client(), NAVIGATION, **fields)
    assert response.status_code == status
    url = response.headers.get("Location") or response.get_json()["url"]
    assert "/auth/error?error=AccessDenied" in url


def test_a_wrong_password_leads_back_to_the_page_and_keeps_the_target(
    client: FlaskClient, signals: Signals
) -> None:
    response = sign_in(client, NAVIGATION, password="wrong", callbackUrl="/private")
    assert response.status_code == 302
    url = urlsplit(response.headers["Location"])
    assert url.path == "/auth/signin"
    assert parse_qs(url.query) == {
        "error": ["CredentialsSignin"],
        "code": ["credentials"],
        "callbackUrl": ["/private"],
    }
    assert not touches_session(client.application, response)
    assert signals == []


def test_the_client_of_authjs_reads_the_error_from_a_url(client: FlaskClient) -> None:
    response = sign_in(client, {**AUTHJS, **JSON}, password="wrong")
    assert response.status_code == 200
    assert response.get_json() == {
        "url": "https://app.test/auth/signin?error=CredentialsSignin&code=credentials"
    }


def test_another_program_gets_401(client: FlaskClient) -> None:
    response = sign_in(client, JSON, password="wrong")
    assert response.status_code == 401
    assert problem_code(response) == "credentials_signin"


def test_a_failed_sign_in_leaves_who_was_signed_in(client: FlaskClient) -> None:
    sign_in(client)
    response = sign_in(client, password="wrong")
    assert not touches_session(client.application, response)
    assert client.get("/auth/session", base_url=HTTPS).get_json()["user"]["name"] == "Ada"


@pytest.mark.parametrize("headers", [NAVIGATION, AUTHJS, JSON], ids=["page", "authjs", "json"])
def test_sec_182_an_unknown_name_and_a_wrong_password_are_answered_alike(
    clock: Clock, headers: dict[str, str]
) -> None:
    app, auth = make_app(clock)
    people = {"ada": "right"}

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> dict[str, Any] | None:
        if people.get(credentials["username"]) != credentials["password"]:
            return None
        return {"id": credentials["username"]}

    client = app.test_client()
    unknown, wrong = (
        sign_in(client, headers, username=name, password="x", callbackUrl="/a")
        for name in ("eve", "ada")
    )
    assert unknown.status_code == wrong.status_code
    assert unknown.get_data() == wrong.get_data()
    assert list(unknown.headers) == list(wrong.headers)
    for response in (unknown, wrong):
        assert "eve" not in str(response.headers)
        assert "ada" not in str(response.headers)


@pytest.mark.parametrize("user", [None, False, {}, "", 0, []], ids=lambda user: f"SEC-182 {user!r}")
def test_whatever_is_falsy_is_a_refusal(clock: Clock, user: object) -> None:
    app, auth = make_app(clock)
    auth.credentials(lambda credentials: user)
    response = sign_in(app.test_client())
    assert "error=CredentialsSignin" in response.headers["Location"]
    assert not touches_session(app, response)


@pytest.mark.parametrize(
    "user", [True, "u1", 7, ["id"], {"name": "x"}, {"id": None}, {"id": ""}, {"id": True}]
)
def test_a_user_that_is_none_is_an_error_of_the_application(clock: Clock, user: object) -> None:
    app, auth = make_app(clock)
    auth.credentials(lambda credentials: user)
    response = sign_in(app.test_client())
    assert response.status_code == 500
    assert not touches_session(app, response)


def test_sec_182_a_callback_that_raises_signs_nobody_in_and_tells_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app, auth = make_app(clock)

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> None:
        raise RuntimeError("the directory is away")

    response = sign_in(app.test_client(), password="hunter2-hunter2")
    assert response.status_code == 500
    assert not touches_session(app, response)
    assert "directory" not in response.get_data(as_text=True)
    assert "hunter2-hunter2" not in caplog.text


@pytest.mark.parametrize("headers", [NAVIGATION, AUTHJS])
def test_a_callback_may_refuse_with_a_reason_of_its_own(
    clock: Clock, headers: dict[str, str]
) -> None:
    app, auth = make_app(clock)

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> None:
        raise SignInRefused("locked")

    response = sign_in(app.test_client(), headers)
    where = response.headers.get("Location") or response.get_json()["url"]
    assert where == "https://app.test/auth/error?error=AccessDenied"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\x00", id="SEC-182 NUL"),
        pytest.param("ok\x00", id="SEC-182 NUL at the end"),
        pytest.param("x" * 60_000, id="SEC-182 60 KB"),
        pytest.param("\uffff\u202e", id="SEC-182 odd characters"),
        pytest.param("", id="SEC-182 empty"),
    ],
)
def test_an_odd_password_is_a_wrong_one(client: FlaskClient, value: str) -> None:
    response = sign_in(client, password=value)
    assert "error=CredentialsSignin" in response.headers["Location"]


@pytest.mark.parametrize("kind", ["data", "json"])
def test_sec_182_a_password_of_1_mb_is_too_large(client: FlaskClient, kind: str) -> None:
    sent: Any = {kind: {"password": "x" * 1_000_000}}
    response = client.post(PATH, base_url=HTTPS, headers=SAME_ORIGIN, **sent)
    assert response.status_code == 413
    assert problem_code(response) == "body_too_large"


def test_invalid_utf8_in_a_form_is_no_error_of_the_server(client: FlaskClient) -> None:
    response = client.post(
        PATH,
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data=b"password=%ff%fe\xff&username=%",
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code in (302, 400)


@pytest.mark.parametrize(
    "value", [None, 7, True, ["ok"], {"$ne": ""}], ids=lambda value: f"SEC-182 {value!r}"
)
def test_a_json_credential_that_is_no_text_never_reaches_the_callback(
    clock: Clock, value: object
) -> None:
    """A form cannot send one, and code that compares or hashes a password expects none."""
    app, auth = make_app(clock)
    seen: list[object] = []

    @auth.credentials
    def check(credentials: Mapping[str, Any]) -> dict[str, Any] | None:
        seen.append(credentials)
        return {"id": credentials["username"].casefold()} if credentials["password"] else None

    response = app.test_client().post(
        PATH, base_url=HTTPS, headers=SAME_ORIGIN, json={"username": value, "password": "ok"}
    )
    assert 400 <= response.status_code < 500
    assert seen == []


def test_a_field_sent_twice_is_refused(client: FlaskClient) -> None:
    response = sign_in(client, password=["ok", "wrong"])
    assert response.status_code == 400
    assert problem_code(response) == "invalid_form"


def test_without_a_callback_there_is_no_such_provider(clock: Clock) -> None:
    app, _ = make_app(clock)
    response = sign_in(app.test_client())
    assert response.status_code == 404
    assert problem_code(response) == "unknown_provider"


@pytest.mark.parametrize("host", ["app.test", "10.0.0.7", "localhost.evil.com"])
def test_over_plain_http_no_password_is_looked_at(clock: Clock, host: str) -> None:
    app, auth = make_app(clock)
    seen: list[object] = []
    auth.credentials(lambda credentials: seen.append(credentials))
    response = app.test_client().post(
        PATH, base_url=f"http://{host}", headers=SAME_ORIGIN, data={"password": "ok"}
    )
    assert response.status_code == 400
    assert problem_code(response) == "insecure_transport"
    assert seen == []


# The sign_in_callback.


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        (False, "https://app.test/auth/error?error=AccessDenied"),
        (None, "https://app.test/auth/error?error=AccessDenied"),
        (1, "https://app.test/auth/error?error=AccessDenied"),
        ("/pending", "https://app.test/pending"),
        ("https://billing.example/pay", "https://billing.example/pay"),
    ],
)
@pytest.mark.parametrize("headers", [NAVIGATION, AUTHJS], ids=["page", "authjs"])
def test_only_true_lets_somebody_in(
    clock: Clock, answer: object, where: str, headers: dict[str, str]
) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    auth.sign_in_callback(lambda user, account, profile: answer)
    response = sign_in(app.test_client(), headers)
    assert (response.headers.get("Location") or response.get_json()["url"]) == where
    assert not touches_session(app, response)


def test_a_program_that_may_not_sign_in_gets_403(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    auth.sign_in_callback(lambda user, account, profile: False)
    response = sign_in(app.test_client(), JSON)
    assert response.status_code == 403
    assert problem_code(response) == "access_denied"


def test_a_jwt_callback_that_returns_none_refuses_the_sign_in(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> None:
        return None

    response = sign_in(app.test_client(), NAVIGATION)
    assert response.headers["Location"].endswith("/auth/error?error=AccessDenied")


def test_an_application_with_its_own_pages_is_sent_there(clock: Clock) -> None:
    app, auth = make_app(clock, PAGES={"sign_in": "/login", "error": "/oops"})
    add_views(app, auth)
    wrong = sign_in(app.test_client(), NAVIGATION, password="wrong")
    assert wrong.headers["Location"] == (
        "https://app.test/login?error=CredentialsSignin&code=credentials"
    )
    auth.sign_in_callback(lambda user, account, profile: False)
    refused = sign_in(app.test_client(), NAVIGATION)
    assert refused.headers["Location"] == "https://app.test/oops?error=AccessDenied"


def test_a_refused_sign_in_is_logged_without_the_name_and_the_password(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        sign_in(client, username="ada-lovelace", password="hunter2-hunter2")
    assert "A sign-in with credentials was not accepted" in caplog.text
    assert "ada-lovelace" not in caplog.text
    assert "hunter2-hunter2" not in caplog.text


def test_the_cookie_of_a_sign_in_is_for_this_host_alone(app: Flask, client: FlaskClient) -> None:
    line = next(
        line
        for line in sign_in(client).headers.getlist("Set-Cookie")
        if line.startswith(session_cookie_name(app, https=True))
    )
    assert line.endswith("; Path=/; HttpOnly; Secure; SameSite=Lax")


def test_a_large_form_that_a_hook_has_read_before_is_refused_too(app: Flask) -> None:
    @app.before_request
    def look() -> None:
        _ = request.form.get("username")

    fields = {"username": "ada", "password": "ok", "long": "x" * 70_000}
    response = app.test_client().post(
        "/auth/callback/credentials", data=fields, headers=SAME_ORIGIN
    )
    assert response.status_code == 413


@pytest.mark.parametrize("identifier", ["github|7", "github|"])
def test_sec_177_nobody_chooses_the_sub_of_a_providers_account(
    app: Flask, auth: JWTSession, identifier: str
) -> None:
    """Where people choose their user name, and the user name is the id."""
    auth.add_provider("github", client_id="x", client_secret="y")
    auth.credentials(lambda fields: {"id": fields["username"]})
    client = app.test_client()
    refused = client.post(
        "/auth/callback/credentials", json={"username": identifier}, headers=SAME_ORIGIN
    )
    assert session_token(refused) is None
    let_in = client.post(
        "/auth/callback/credentials", json={"username": "gitlab|7"}, headers=SAME_ORIGIN
    )
    assert session_token(let_in) is not None
