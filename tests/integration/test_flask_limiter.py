"""Beside Flask-Limiter: a limit on signing in with a password."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from flask_jwtsession import JWTSession

from ..support import SAME_ORIGIN, SECRET, session_token

CREDENTIALS = "/auth/callback/credentials"


def make_both(order: str, limited: str) -> Flask:
    app = Flask("both")
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_STORE="memory")
    auth = JWTSession()
    limiter = Limiter(get_remote_address, storage_uri="memory://")
    if limited == "the blueprint":
        limiter.limit("3 per hour")(auth.blueprint)
    extensions: list[Any] = [auth, limiter]
    for extension in extensions if order == "ours first" else reversed(extensions):
        extension.init_app(app)
    if limited == "the endpoint":
        endpoint = f"{auth.blueprint.name}.callback_credentials"
        view: Any = limiter.limit("3 per hour")(app.view_functions[endpoint])
        app.view_functions[endpoint] = view

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        return {"id": "u1"} if credentials.get("password") == "ok" else None

    @app.get("/other")
    def other() -> str:
        return "other"

    return app


@pytest.mark.parametrize("order", ["ours first", "Flask-Limiter first"])
@pytest.mark.parametrize("limited", ["the endpoint", "the blueprint"])
def test_too_many_passwords_are_answered_with_429(order: str, limited: str) -> None:
    app = make_both(order, limited)
    client = app.test_client()
    wrong = [
        client.post(CREDENTIALS, data={"password": "no"}, headers=SAME_ORIGIN).status_code
        for _ in range(3)
    ]
    response = client.post(CREDENTIALS, data={"password": "ok"}, headers=SAME_ORIGIN)
    assert wrong == [302, 302, 302]
    assert (response.status_code, session_token(response)) == (429, None)
    assert client.get("/other").status_code == 200


@pytest.mark.parametrize("order", ["ours first", "Flask-Limiter first"])
def test_a_limit_on_the_endpoint_leaves_the_others_alone(order: str) -> None:
    client = make_both(order, "the endpoint").test_client()
    for _ in range(5):
        client.post(CREDENTIALS, data={"password": "no"}, headers=SAME_ORIGIN)
    assert client.get("/auth/session").status_code == 200
    assert client.get("/auth/signin").status_code == 200
