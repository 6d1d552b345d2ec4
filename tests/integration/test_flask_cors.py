"""SEC-108: beside Flask-CORS, whose headers are the only ones about other origins."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_cors import CORS

from flask_jwtsession import JWTSession, current_session, sign_in

from ..scenes import cookie_of
from ..support import NOW, SECRET, Clock, binding_of, session_token

FRONTEND = "https://frontend.example"
EVIL = "https://evil.example"


def make(order: str, *, trusted: tuple[str, ...] = ()) -> Flask:
    app = Flask("both")
    app.config.update(
        JWTSESSION_SECRET=SECRET, JWTSESSION_STORE="memory", JWTSESSION_TRUSTED_ORIGINS=trusted
    )
    extensions: list[Any] = [JWTSession()]
    if order != "without Flask-CORS":
        extensions.append(CORS(origins=[FRONTEND], supports_credentials=True))
    for extension in extensions if order == "ours first" else reversed(extensions):
        extension.init_app(app)
    binding_of(app).clock = Clock(NOW)

    @app.get("/read")
    def read() -> str:
        return str(bool(current_session))

    @app.post("/in")
    def enter() -> str:
        sign_in({"id": "u1"})
        return ""

    return app


both_orders = pytest.mark.parametrize("order", ["ours first", "Flask-CORS first"])


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/read", "/auth/session", "/auth/csrf", "/auth/signout"])
def test_sec_108_we_let_no_other_origin_read_anything(path: str, method: str) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    response = make("without Flask-CORS").test_client().open(path, method=method, headers=headers)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


@both_orders
@pytest.mark.parametrize("path", ["/read", "/auth/session"])
def test_the_headers_of_flask_cors_are_kept(order: str, path: str) -> None:
    app = make(order)
    headers = {"Origin": FRONTEND, "Cookie": cookie_of(app)}
    response = app.test_client(use_cookies=False).get(path, headers=headers)
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Cookie" in response.headers["Vary"]


@both_orders
def test_a_response_that_sets_our_cookie_keeps_them_too(order: str) -> None:
    client = make(order, trusted=(FRONTEND,)).test_client()
    response = client.post("/in", headers={"Origin": FRONTEND, "Sec-Fetch-Site": "cross-site"})
    assert session_token(response)
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert "no-store" in response.headers["Cache-Control"]


@both_orders
def test_a_preflight_is_answered_by_flask_cors_and_reads_no_session(order: str) -> None:
    headers = {"Origin": FRONTEND, "Access-Control-Request-Method": "POST"}
    response = make(order).test_client().options("/in", headers=headers)
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND


@both_orders
def test_allowed_by_flask_cors_is_not_trusted_by_us(order: str) -> None:
    app = make(order)
    headers = {"Origin": FRONTEND, "Sec-Fetch-Site": "cross-site", "Cookie": cookie_of(app)}
    client = app.test_client(use_cookies=False)
    assert client.post("/in", headers=headers).status_code == 403
    assert client.post("/auth/signout", headers=headers).status_code == 403


@both_orders
def test_another_origin_gets_no_headers(order: str) -> None:
    response = make(order).test_client().get("/auth/session", headers={"Origin": EVIL})
    assert "Access-Control-Allow-Origin" not in response.headers
