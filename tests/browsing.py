"""A browser on https with a session: what the tests of the HTTP surface start from."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession.request_checks import csrf

from .support import HTTPS, SAME_ORIGIN, binding_of, session_cookie_name, set_cookies

CSRF_COOKIE = "__Host-jwtsession.csrf-token"

#: Every request of ours that changes something: path, and what it is opened with.
STATE_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("/auth/signin/credentials", {"data": {}}),
    ("/auth/callback/credentials", {"data": {"password": "ok"}}),
    ("/auth/session", {"json": {"data": {"nick": "Lovelace"}}}),
    ("/auth/signout", {"data": {}}),
]


def signed_in_client(app: Flask) -> FlaskClient:
    """A client that keeps cookies, signed in over https."""
    client = app.test_client()
    response = client.post("/sign-in", base_url=HTTPS, headers=SAME_ORIGIN)
    assert response.status_code == 200
    return client


def is_signed_in(client: FlaskClient) -> bool:
    answer = client.get("/auth/session", base_url=HTTPS).get_json()
    return answer is not None


def csrf_pair(app: Flask) -> tuple[str, str]:
    """A CSRF token and the cookie's value for it, made with the app's secret."""
    token = csrf.new_token()
    return token, csrf.cookie_value(token, binding_of(app).settings.secrets)


def touches_session(app: Flask, response: TestResponse) -> bool:
    """Whether a response sets or deletes the session cookie."""
    return session_cookie_name(app, https=True) in set_cookies(response)


def problem_code(response: TestResponse) -> str:
    """The ``code`` of a problem+json answer; fails if the answer is none."""
    assert response.mimetype == "application/problem+json"
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    body = response.get_json(force=True)
    assert body["status"] == response.status_code
    assert set(body) == {"type", "title", "status", "detail", "code"}
    return str(body["code"])
