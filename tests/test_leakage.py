"""What nobody may see: tokens, secrets and internal claims, in answers, pages, logs and reprs."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from flask_jwtsession import (
    Account,
    JWTEvent,
    JWTSession,
    Session,
    SignInRefused,
    UpdateRefused,
    current_session,
    revoke_session,
    revoke_user,
    sign_in,
    signed_in,
)

from .browsing import signed_in_client
from .conftest import add_views
from .support import (
    CROSS_SITE,
    HTTPS,
    NAVIGATION,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    make_app,
    seal,
    session_token,
)

NAME = "__Host-jwtsession.session-token"
ACCOUNT = Account(
    provider="example",
    type="oidc",
    provider_account_id="42",
    access_token="access-token-value",
    refresh_token="refresh-token-value",
    id_token="id-token-value",
    expires_at=NOW + 3600,
)
PROVIDER_TOKENS = ("access-token-value", "refresh-token-value", "id-token-value")

# A compact token, a secret, a hexadecimal CSRF token: nothing that looks like one may be logged.
TOKEN_LIKE = re.compile(r"eyJ|[0-9a-f]{64}|(?:access|refresh|id)-token-value|hunter2")


@pytest.fixture
def federated(clock: Clock) -> Flask:
    """An app where a sign-in leaves the provider's tokens in the session."""
    app, auth = make_app(clock, CLIENT_UPDATE_FIELDS=["nick"])
    add_views(app, auth)

    @app.post("/sign-in-federated")
    def sign_in_federated() -> str:
        sign_in({"name": "Ada"}, account=ACCOUNT, profile={"sub": "42"})
        return "signed in"

    @app.get("/account")
    def account() -> dict[str, Any]:
        assert current_session.account is not None
        return {"access_token": current_session.account.access_token}

    return app


@pytest.fixture
def federated_client(federated: Flask) -> FlaskClient:
    client = federated.test_client()
    assert client.post("/sign-in-federated", base_url=HTTPS, headers=SAME_ORIGIN).data
    return client


def test_the_server_does_have_the_providers_tokens(federated_client: FlaskClient) -> None:
    answer = federated_client.get("/account", base_url=HTTPS).get_json()
    assert answer == {"access_token": "access-token-value"}


@pytest.mark.parametrize(
    "path", ["/auth/session", "/auth/session/status", "/session", "/auth/signin", "/auth/signout"]
)
def test_sec_200_no_answer_shows_more_than_the_public_session(
    federated_client: FlaskClient, path: str
) -> None:
    response = federated_client.get(path, base_url=HTTPS)
    text = response.get_data(as_text=True)
    for hidden in (*PROVIDER_TOKENS, "sid", "auth_time", "_session", "jti", "example|42"):
        assert hidden not in text


def test_sec_200_the_default_session_has_only_a_name_a_mail_and_a_picture(
    federated_client: FlaskClient,
) -> None:
    session = federated_client.get("/auth/session", base_url=HTTPS).get_json()
    assert session.keys() == {"user", "expires"}
    assert session["user"].keys() == {"name", "email", "image"}


def test_sec_200_an_update_answers_with_the_public_session_too(
    federated_client: FlaskClient,
) -> None:
    response = federated_client.post(
        "/auth/session", base_url=HTTPS, headers=SAME_ORIGIN, json={"data": {"nick": "x"}}
    )
    assert response.get_json().keys() == {"user", "expires"}


def test_sec_200_the_callbacks_never_see_the_private_block(federated: Flask) -> None:
    auth_callbacks = binding_of(federated).callbacks
    seen: list[dict[str, Any]] = []

    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        seen.append(dict(token))
        return token

    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(token))
        return session

    auth_callbacks.jwt, auth_callbacks.session = jwt, session
    client = federated.test_client()
    client.post("/sign-in-federated", base_url=HTTPS, headers=SAME_ORIGIN)
    client.get("/auth/session", base_url=HTTPS)
    assert len(seen) == 4
    assert not [token for token in seen if "_session" in token or "access-token" in str(token)]


def test_sec_200_a_template_shows_no_more(federated: Flask) -> None:
    @federated.get("/page")
    def page() -> str:
        return render_template_string("{{ current_session }} {{ current_user }}")

    client = federated.test_client()
    client.post("/sign-in-federated", base_url=HTTPS, headers=SAME_ORIGIN)
    page_text = client.get("/page", base_url=HTTPS).get_data(as_text=True)
    assert "signed in" in page_text
    assert not TOKEN_LIKE.search(page_text)


def test_the_cookie_shows_nothing_without_the_secret(federated_client: FlaskClient) -> None:
    cookie = federated_client.get_cookie(NAME, domain="app.test")
    assert cookie is not None
    for part in cookie.value.split("."):
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        assert b"Ada" not in decoded
        assert b"access-token-value" not in decoded


# Representations.


@pytest.fixture
def session(federated: Flask) -> Session:
    received: list[Session] = []

    def receive(sender: Flask, session: Session, **more: object) -> None:
        received.append(session)

    with signed_in.connected_to(receive, federated):
        client = federated.test_client()
        client.post("/sign-in-federated", base_url=HTTPS, headers=SAME_ORIGIN)
    return received[0]


@pytest.mark.parametrize("show", [repr, str, ascii, "{}".format, "%r".__mod__])
def test_sec_206_no_representation_shows_a_token_or_a_person(
    federated: Flask, session: Session, show: Any
) -> None:
    binding = binding_of(federated)
    shown = " ".join(
        show((value,))
        for value in (session, session.token, session.account, ACCOUNT, binding.settings, binding)
    )
    shown += show((JWTEvent(account=ACCOUNT),))
    assert not TOKEN_LIKE.search(shown)
    assert SECRET not in shown
    assert str(session.token["sid"]) not in shown


def test_sec_059_a_session_cannot_be_pickled(session: Session) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(session)


@pytest.mark.parametrize(
    "error", [SignInRefused(), UpdateRefused("no")], ids=["SignInRefused", "UpdateRefused"]
)
def test_sec_206_an_error_holds_no_token(error: Exception) -> None:
    assert not TOKEN_LIKE.search(repr(error) + repr(vars(error)))


# Logs.


def flows(app: Flask) -> Iterator[str]:
    """Everything that a browser can do, done once; yields the tokens that were in play."""
    client = app.test_client()
    csrf = client.get("/auth/csrf", base_url=HTTPS).get_json()["csrfToken"]
    yield csrf
    for password in ("hunter2", "ok"):
        response = client.post(
            "/auth/callback/credentials",
            base_url=HTTPS,
            data={"csrfToken": csrf, "username": "ada-lovelace", "password": password},
        )
    token = session_token(response, NAME)
    assert token is not None
    yield token
    client.get("/auth/session", base_url=HTTPS)
    client.post(
        "/auth/session", base_url=HTTPS, headers=SAME_ORIGIN, json={"data": {"nick": "x" * 9000}}
    )
    client.post("/update", base_url=HTTPS, headers=SAME_ORIGIN)
    client.post("/update", base_url=HTTPS, headers=CROSS_SITE)
    client.get("/raises", base_url=HTTPS)
    client.post("/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN)
    anonymous = app.test_client(use_cookies=False)
    # A copy of the cookie that was signed out.
    anonymous.get("/auth/session", base_url=HTTPS, headers={"Cookie": f"{NAME}={token}"})
    with app.app_context():
        revoke_session("sid-of-ada-lovelace")
        revoke_user("ada-lovelace")
    other, _ = make_app(None, SECRET=OTHER_SECRET)
    for cookie in (
        token[:-4] + "AAAA",
        token + ".x",
        seal(other, claims_at(NOW), https=True),
        seal(app, {"sub": "u1"}, https=True),
        seal(app, claims_at(NOW - 9000), https=True),
        seal(app, b"\xff", https=True),
    ):
        yield cookie
        anonymous.get("/auth/session", base_url=HTTPS, headers={"Cookie": f"{NAME}={cookie}"})


def test_sec_202_no_log_shows_a_token_a_secret_or_a_password(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/raises")
    def raises() -> str:
        assert current_session.user
        raise RuntimeError(f"the application's own: {current_session!r} {current_session.token!r}")

    with caplog.at_level(logging.DEBUG):
        tokens = list(flows(app))
    logged = caplog.text + "".join(repr(record.args) for record in caplog.records)
    assert "RuntimeError" in logged
    assert not TOKEN_LIKE.search(logged)
    for hidden in (*tokens, SECRET, "ada-lovelace", "ada@example.com"):
        assert hidden not in logged


def test_sec_202_a_subject_is_logged_by_a_hash_that_is_the_same_each_time(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "flask_jwtsession"):
        client = signed_in_client(app)
        client.post("/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN)
    subjects = re.findall(r"subject (\w+)", caplog.text)
    assert len(subjects) == 2
    assert len(set(subjects)) == 1
    assert re.fullmatch("[0-9a-f]{12}", subjects[0])


# Events.


def logged_by(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "flask_jwtsession"
    ]


@pytest.mark.parametrize(
    ("path", "sent", "level", "text"),
    [
        pytest.param(
            "/auth/callback/credentials",
            {"headers": SAME_ORIGIN, "data": {"password": "ok"}},
            "INFO",
            "Signed in",
            id="SEC-204 sign-in",
        ),
        pytest.param(
            "/auth/callback/credentials",
            {"headers": SAME_ORIGIN, "data": {"password": "wrong"}},
            "WARNING",
            "A sign-in with credentials was not accepted",
            id="SEC-204 wrong password",
        ),
        pytest.param(
            "/auth/signout",
            {"headers": SAME_ORIGIN},
            "INFO",
            "Signed out (user)",
            id="SEC-204 sign-out",
        ),
        pytest.param(
            "/auth/signout",
            {"headers": CROSS_SITE},
            "WARNING",
            "came from another origin",
            id="SEC-204 cross-origin",
        ),
        pytest.param(
            "/update",
            {"headers": CROSS_SITE},
            "WARNING",
            "came from another origin",
            id="SEC-204 cross-origin at a view",
        ),
    ],
)
def test_a_security_event_is_logged(
    app: Flask,
    caplog: pytest.LogCaptureFixture,
    path: str,
    sent: dict[str, Any],
    level: str,
    text: str,
) -> None:
    client = signed_in_client(app)
    with caplog.at_level(logging.INFO, "flask_jwtsession"):
        caplog.clear()
        client.post(path, base_url=HTTPS, **sent)
    assert [one for one in logged_by(caplog) if one[0] == level and text in one[1]]


def test_sec_204_a_garbage_cookie_with_every_request_does_not_fill_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture, signals: list[tuple[str, dict[str, Any]]]
) -> None:
    client = app.test_client(use_cookies=False)
    for number in range(50):
        client.get("/session", base_url=HTTPS, headers={"Cookie": f"{NAME}=garbage{number}"})
    assert len(logged_by(caplog)) == 1
    assert [name for name, _ in signals] == ["session-rejected"] * 50


def test_sec_204_one_kind_of_refusal_does_not_hide_another(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client = app.test_client(use_cookies=False)
    expired = seal(app, claims_at(NOW - 9000), https=True)
    for cookie in ("garbage", expired, "garbage", expired):
        client.get("/session", base_url=HTTPS, headers={"Cookie": f"{NAME}={cookie}"})
    client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE)
    assert len(logged_by(caplog)) == 3


# Failures.


@pytest.mark.parametrize(
    "headers", [NAVIGATION, {"Accept": "application/json"}], ids=["page", "json"]
)
def test_sec_203_a_refusal_names_no_key_no_cookie_and_no_code(
    app: Flask, headers: dict[str, str]
) -> None:
    client = app.test_client(use_cookies=False)
    response = client.post(
        "/auth/session",
        base_url=HTTPS,
        headers={**SAME_ORIGIN, **headers, "Cookie": f"{NAME}=garbage"},
        data="{",
        content_type="application/json",
    )
    text = response.get_data(as_text=True)
    assert response.status_code == 400
    for hidden in ("Traceback", "joserfc", "flask_jwtsession", "File ", "kid", "session-token"):
        assert hidden not in text


def test_sec_203_a_refusal_does_not_repeat_what_was_sent(app: Flask) -> None:
    response = app.test_client().post(
        "/auth/session",
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data='{"password": "hunter2", oops',
        content_type="application/json",
    )
    assert response.status_code == 400
    assert "hunter2" not in response.get_data(as_text=True)


def test_sec_203_how_a_cookie_was_wrong_cannot_be_seen(app: Flask, auth: JWTSession) -> None:
    """Wrong key, bad tag and bad payload are one answer."""
    other, _ = make_app(None, SECRET=OTHER_SECRET)
    good = seal(app, claims_at(NOW), https=True)
    client = app.test_client(use_cookies=False)
    answers = set()
    for cookie in (
        good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        seal(other, claims_at(NOW), https=True),
        seal(app, b"not JSON", https=True),
        "garbage",
    ):
        response = client.get(
            "/auth/session", base_url=HTTPS, headers={"Cookie": f"{NAME}={cookie}"}
        )
        answers.add(json.dumps([response.status_code, response.text, list(response.headers)]))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "claims",
    [{"blob": "x" * 8000}, {"blob": object()}, {"blob": {1: 2, "1": 3}}],
    ids=["SEC-206 too large", "SEC-206 no JSON", "SEC-206 two equal names"],
)
def test_no_variable_of_a_frame_shows_a_token_when_a_sign_in_fails(
    app: Flask, claims: dict[str, Any]
) -> None:
    account = Account(
        provider="p", type="oidc", provider_account_id="1", access_token="the-access-token"
    )
    shown: list[str] = []

    @app.post("/enter")
    def enter() -> str:
        try:
            sign_in({"id": "1"}, account=account, claims=claims)
        except Exception as error:
            trace = error.__traceback__
            while trace is not None:
                if "flask_jwtsession" in trace.tb_frame.f_code.co_filename:
                    shown.extend(map(repr, trace.tb_frame.f_locals.values()))
                trace = trace.tb_next
        return ""

    app.test_client().post("/enter")
    assert shown
    assert not [text for text in shown if "eyJ" in text or "the-access-token" in text]
