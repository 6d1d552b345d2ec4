"""SEC-112: beside Flask-WTF's ``CSRFProtect``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFProtect, generate_csrf

from flask_jwtsession import JWTSession, current_session, sign_in

from ..browsing import problem_code
from ..support import SAME_ORIGIN, SECRET, session_token


@pytest.fixture(params=["ours first", "Flask-WTF first"])
def both(request: pytest.FixtureRequest) -> Flask:
    app = Flask("both")
    app.config.update(
        SECRET_KEY=SECRET, JWTSESSION_STORE="memory", JWTSESSION_CLIENT_UPDATE_FIELDS=["nick"]
    )
    auth = JWTSession()
    extensions: list[Any] = [auth, CSRFProtect()]
    for extension in extensions if request.param == "ours first" else reversed(extensions):
        extension.init_app(app)

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        return {"id": "u1", "name": "Ada"} if credentials.get("password") == "ok" else None

    auth.add_provider("github", client_id="x", client_secret="y")

    @app.post("/form")
    def form() -> str:
        return "posted"

    @app.get("/token")
    def token() -> str:
        return str(generate_csrf())

    @app.post("/in")
    def enter() -> str:
        sign_in({"id": "u1"})
        return str(bool(current_session))

    return app


@pytest.fixture
def client(both: Flask) -> FlaskClient:
    return both.test_client()


def sign_in_at_our_endpoint(client: FlaskClient) -> None:
    response = client.post(
        "/auth/callback/credentials", data={"password": "ok"}, headers=SAME_ORIGIN
    )
    assert session_token(response)


def test_sec_112_the_endpoints_work_without_the_token_of_flask_wtf(client: FlaskClient) -> None:
    sign_in_at_our_endpoint(client)
    response = client.post("/auth/session", json={"data": {"nick": "C"}}, headers=SAME_ORIGIN)
    assert response.get_json()["user"]["name"] == "Ada"
    assert client.post("/auth/signout", headers=SAME_ORIGIN).status_code == 302
    assert client.get("/auth/session").get_json() is None


def test_sec_112_the_first_request_of_all_may_be_a_post_to_an_endpoint(
    client: FlaskClient,
) -> None:
    sign_in_at_our_endpoint(client)


def test_sec_112_the_client_of_authjs_works_with_its_own_csrf_token(client: FlaskClient) -> None:
    token = client.get("/auth/csrf").get_json()["csrfToken"]
    response = client.post(
        "/auth/callback/credentials",
        data={"password": "ok", "csrfToken": token, "callbackUrl": "http://localhost/"},
        headers={"X-Auth-Return-Redirect": "1"},
    )
    assert response.get_json() == {"url": "http://localhost/"}
    assert session_token(response)


@pytest.mark.parametrize(
    ("page", "action"),
    [("/auth/signin", "/auth/callback/credentials"), ("/auth/signout", "/auth/signout")],
)
def test_sec_112_the_forms_of_the_built_in_pages_work(
    client: FlaskClient, page: str, action: str
) -> None:
    html = client.get(page).text
    assert f'action="{action}"' in html
    found = re.search(r'name="csrfToken" value="([0-9a-f]{64})"', html)
    assert found
    response = client.post(action, data={"password": "ok", "csrfToken": found[1]})
    assert response.status_code == 302
    assert "error" not in response.headers["Location"]


def test_sec_112_our_endpoints_keep_their_own_check(client: FlaskClient) -> None:
    assert client.post("/auth/signout").status_code == 403
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/auth/signout", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/form", "/in"])
def test_sec_112_the_views_of_the_application_stay_under_flask_wtf(
    client: FlaskClient, path: str
) -> None:
    sign_in_at_our_endpoint(client)
    assert client.post(path, headers=SAME_ORIGIN).status_code == 400
    token = client.get("/token").text
    headers = {**SAME_ORIGIN, "X-CSRFToken": token}
    assert client.post(path, headers=headers).status_code == 200


def test_a_form_with_the_token_of_flask_wtf_from_another_origin_is_refused(
    client: FlaskClient,
) -> None:
    sign_in_at_our_endpoint(client)
    headers = {"X-CSRFToken": client.get("/token").text, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/form", headers=headers).status_code == 403


def test_sec_172_a_providers_form_is_not_asked_for_a_token_of_flask_wtf(
    client: FlaskClient,
) -> None:
    response = client.post("/auth/callback/github", data={"state": "x"})
    assert problem_code(response) == "provider_error"  # and not Flask-WTF's refusal
