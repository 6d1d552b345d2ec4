"""``/csrf``: the token, and the cookie that goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from flask_jwtsession.request_checks import csrf

from .browsing import CSRF_COOKIE, csrf_pair, problem_code
from .support import HTTPS, OTHER_SECRET, SECRET, VECTORS, make_app, set_cookies

AUTHJS = json.loads((VECTORS / "authjs_csrf.json").read_text())


def test_a_new_token_comes_with_its_cookie(client: FlaskClient) -> None:
    response = client.get("/auth/csrf", base_url=HTTPS)
    token = response.get_json()["csrfToken"]
    assert len(bytes.fromhex(token)) == 32
    cookie = set_cookies(response)[CSRF_COOKIE]
    assert cookie.value == csrf.cookie_value(token, [SECRET.encode()])
    assert cookie.attributes == {"path": "/", "httponly": "", "secure": "", "samesite": "Lax"}


def test_a_browser_that_has_one_keeps_it(client: FlaskClient) -> None:
    token = client.get("/auth/csrf", base_url=HTTPS).get_json()["csrfToken"]
    response = client.get("/auth/csrf", base_url=HTTPS)
    assert response.get_json() == {"csrfToken": token}
    assert not set_cookies(response)


def test_sec_149_no_answer_is_kept_by_a_cache(client: FlaskClient) -> None:
    for _ in range(2):
        response = client.get("/auth/csrf", base_url=HTTPS)
        assert response.headers["Cache-Control"] == "private, no-cache, no-store"
        assert "Cookie" in response.vary
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_two_browsers_have_two_tokens(app: Flask) -> None:
    first, second = (app.test_client().get("/auth/csrf", base_url=HTTPS).data for _ in "ab")
    assert first != second


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda good: "", id="empty"),
        pytest.param(lambda good: good[:-1], id="cut"),
        pytest.param(lambda good: good + "0", id="longer"),
        pytest.param(lambda good: good.replace("%7C", "%7c7C"), id="another separator"),
        pytest.param(lambda good: good.replace("%7C", ""), id="no separator"),
        pytest.param(lambda good: f'"{good}"', id="SEC-070 quoted"),
        pytest.param(lambda good: good.upper(), id="in capitals"),
        pytest.param(lambda good: good + "%7C" + good, id="three parts"),
        pytest.param(lambda good: "x" * 100_000, id="100 KB"),
        pytest.param(lambda good: csrf_pair(make_app(SECRET=OTHER_SECRET)[0])[1], id="foreign"),
    ],
)
def test_a_cookie_that_is_not_ours_is_replaced(app: Flask, spoil: Callable[[str], str]) -> None:
    token, good = csrf_pair(app)
    client = app.test_client(use_cookies=False)
    headers = {"Cookie": f"{CSRF_COOKIE}={spoil(good)}"}
    response = client.get("/auth/csrf", base_url=HTTPS, headers=headers)
    assert response.get_json()["csrfToken"] != token
    assert CSRF_COOKIE in set_cookies(response)


def test_sec_106_of_two_cookies_that_verify_neither_counts(app: Flask) -> None:
    (one, first), (two, second) = csrf_pair(app), csrf_pair(app)
    headers = {"Cookie": f"{CSRF_COOKIE}={first}; {CSRF_COOKIE}={second}"}
    response = app.test_client(use_cookies=False).get("/auth/csrf", base_url=HTTPS, headers=headers)
    assert response.get_json()["csrfToken"] not in (one, two)


def test_a_bad_cookie_beside_a_good_one_does_not_matter(app: Flask) -> None:
    token, good = csrf_pair(app)
    headers = {"Cookie": f"{CSRF_COOKIE}=bad; {CSRF_COOKIE}={good}"}
    response = app.test_client(use_cookies=False).get("/auth/csrf", base_url=HTTPS, headers=headers)
    assert response.get_json() == {"csrfToken": token}


def test_a_token_of_an_older_secret_still_counts() -> None:
    older, _ = make_app(SECRET=OTHER_SECRET)
    app, _ = make_app(SECRET_FALLBACKS=[OTHER_SECRET])
    token, cookie = csrf_pair(older)
    headers = {"Cookie": f"{CSRF_COOKIE}={cookie}"}
    response = app.test_client(use_cookies=False).get("/auth/csrf", base_url=HTTPS, headers=headers)
    assert response.get_json() == {"csrfToken": token}


def test_over_plain_http_there_is_no_token(client: FlaskClient) -> None:
    response = client.get("/auth/csrf", base_url="http://app.test")
    assert response.status_code == 400
    assert problem_code(response) == "insecure_transport"


def test_on_loopback_the_cookie_is_not_secure(client: FlaskClient) -> None:
    cookie = set_cookies(client.get("/auth/csrf"))["jwtsession.csrf-token"]
    assert "secure" not in cookie.attributes


@pytest.mark.parametrize("pair", AUTHJS, ids=["one secret", "a list of one"])
def test_the_pair_is_the_one_of_authjs(pair: dict[str, object]) -> None:
    secrets = pair["secret"] if isinstance(pair["secret"], list) else [pair["secret"]]
    keys = [str(secret).encode() for secret in secrets]
    token = str(pair["csrfToken"])
    assert csrf.cookie_value(token, keys) == pair["cookie_url_encoded"]
    for value in (str(pair["cookie_url_encoded"]), str(pair["cookie"])):
        assert csrf.token_of([value], keys) == token
        assert csrf.token_of([value], [b"another"]) is None


def test_a_template_of_the_application_can_have_the_token(app: Flask, client: FlaskClient) -> None:
    @app.get("/form")
    def form() -> str:
        return render_template_string("{{ jwtsession_csrf_token() }}")

    token = client.get("/form").get_data(as_text=True)
    fields = {"csrfToken": token, "username": "ada", "password": "ok"}
    assert client.post("/auth/callback/credentials", data=fields).status_code == 302
    assert client.get("/private").status_code == 200


def test_a_page_with_the_token_is_not_for_a_shared_cache(app: Flask, client: FlaskClient) -> None:
    @app.get("/form")
    def form() -> str:
        return render_template_string("{{ jwtsession_csrf_token() }}")

    for _ in range(2):  # the second one finds the cookie, and sets none
        assert "Cookie" in client.get("/form").vary
