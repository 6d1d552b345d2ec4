"""``/signin``: the page, and where a sign-in starts."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from .browsing import problem_code, touches_session
from .conftest import add_views
from .support import HTTPS, NAVIGATION, SAME_ORIGIN, Clock, make_app, set_cookies
from .targets_table import KEPT, REFUSED_OVER_HTTP

ATTACKS = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u2028</form>",
]


class Fields(HTMLParser):
    """The values of a page's inputs, by name, and the names of all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str | None, str | None] = {}
        self.elements: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "input":
            self.values[dict(attrs)["name"]] = dict(attrs).get("value")


def test_the_page_has_a_form_for_a_name_and_a_password(client: FlaskClient) -> None:
    response = client.get("/auth/signin", base_url=HTTPS, headers=NAVIGATION)
    assert response.status_code == 200
    fields = Fields(response.get_data(as_text=True)).values
    assert fields.keys() >= {"csrfToken", "username", "password"}
    cookie = set_cookies(response)["__Host-jwtsession.csrf-token"]
    assert cookie.value.startswith(f"{fields['csrfToken']}%7C")
    assert cookie.attributes == {"path": "/", "httponly": "", "secure": "", "samesite": "Lax"}


def test_a_browser_that_has_a_token_keeps_it(client: FlaskClient) -> None:
    token = client.get("/auth/csrf", base_url=HTTPS).get_json()["csrfToken"]
    response = client.get("/auth/signin", base_url=HTTPS)
    assert Fields(response.get_data(as_text=True)).values["csrfToken"] == token
    assert not set_cookies(response)


@pytest.mark.parametrize("value", KEPT)
def test_the_target_is_in_the_form(clock: Clock, value: str) -> None:
    app, auth = make_app(clock, TRUSTED_ORIGINS=["https://partner.test:8443"])
    add_views(app, auth)
    response = app.test_client().get(
        "/auth/signin", base_url=HTTPS, query_string={"callbackUrl": value}
    )
    assert Fields(response.get_data(as_text=True)).values["callbackUrl"] == value


@pytest.mark.parametrize("value", REFUSED_OVER_HTTP)
def test_a_refused_target_is_not_in_the_page(client: FlaskClient, value: str) -> None:
    response = client.get("/auth/signin", base_url=HTTPS, query_string={"callbackUrl": value})
    assert "callbackUrl" not in Fields(response.get_data(as_text=True)).values


@pytest.mark.parametrize("path", ["/auth/signin", "/auth/signout", "/auth/error"])
@pytest.mark.parametrize("parameter", ["error", "error_description", "callbackUrl", "code", "next"])
@pytest.mark.parametrize("value", [*ATTACKS, *("/" + attack for attack in ATTACKS)])
def test_sec_152_nothing_of_the_query_becomes_markup(
    client: FlaskClient, path: str, parameter: str, value: str
) -> None:
    response = client.get(path, base_url=HTTPS, headers=NAVIGATION, query_string={parameter: value})
    assert response.mimetype == "text/html"
    page = response.get_data(as_text=True)
    assert "script" not in Fields(page).elements
    assert "49" not in page.replace(str(Fields(page).values.get("csrfToken")), "")
    assert "script-src" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("provider", ["<script>", "github", "..", "a%2fb", "x\r\ny", "%00", "é"])
def test_sec_152_an_unknown_provider_is_not_repeated(client: FlaskClient, provider: str) -> None:
    response = client.post(
        f"/auth/signin/{provider}", base_url=HTTPS, headers={**SAME_ORIGIN, **NAVIGATION}
    )
    assert response.status_code in (404, 405)
    assert "<script>" not in response.get_data(as_text=True)
    assert "github" not in response.get_data(as_text=True)


def test_an_unknown_provider_is_a_404_for_programs(client: FlaskClient) -> None:
    response = client.post("/auth/signin/github", base_url=HTTPS, headers=SAME_ORIGIN)
    assert (response.status_code, problem_code(response)) == (404, "unknown_provider")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("CredentialsSignin", "The user name or the password is not right."),
        ("SessionRequired", "Sign in to see this page."),
        ("OAuthCallbackError", "The sign-in did not work. Please try again."),
        ("", "The sign-in did not work. Please try again."),
    ],
)
def test_the_page_says_what_was_wrong(client: FlaskClient, error: str, text: str) -> None:
    response = client.get("/auth/signin", base_url=HTTPS, query_string={"error": error})
    page = response.get_data(as_text=True)
    assert f'role="alert">{text}</p>' in page


def test_without_an_error_there_is_no_alert(client: FlaskClient) -> None:
    assert "alert" not in client.get("/auth/signin", base_url=HTTPS).get_data(as_text=True)


def test_without_credentials_there_is_no_form(clock: Clock) -> None:
    app, _ = make_app(clock)
    page = app.test_client().get("/auth/signin", base_url=HTTPS).get_data(as_text=True)
    assert "<form" not in page
    assert "There is no way to sign in yet." in page


@pytest.mark.parametrize(
    ("headers", "status"), [(NAVIGATION, 302), ({"X-Auth-Return-Redirect": "1"}, 200)]
)
def test_a_sign_in_with_credentials_starts_at_the_page(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    response = client.post(
        "/auth/signin/credentials",
        base_url=HTTPS,
        headers={**SAME_ORIGIN, **headers},
        data={"callbackUrl": "/a"},
    )
    assert response.status_code == status
    url = response.headers.get("Location") or response.get_json()["url"]
    assert url == "https://app.test/auth/signin?callbackUrl=%2Fa"
    assert not touches_session(client.application, response)


def test_the_page_can_be_the_applications_own(clock: Clock) -> None:
    app, auth = make_app(clock, PAGES={"sign_in": "/login"})
    add_views(app, auth)
    response = app.test_client().get("/auth/signin?callbackUrl=/a&error=X", base_url=HTTPS)
    assert response.status_code == 302
    assert response.headers["Location"] == "/login?callbackUrl=%2Fa&error=X"


def test_over_plain_http_the_page_sets_no_cookie(app: Flask) -> None:
    response = app.test_client().get("/auth/signin", base_url="http://app.test")
    assert response.status_code == 200
    assert not set_cookies(response)


def test_the_style_sheet_may_be_kept_by_a_cache(client: FlaskClient) -> None:
    response = client.get("/auth/static/jwtsession.css", base_url=HTTPS)
    assert b".card" in response.get_data()
    response.close()
    assert response.mimetype == "text/css"
    assert "no-store" not in response.headers["Cache-Control"]
    assert "Cookie" not in response.vary
    assert not set_cookies(response)


@pytest.mark.parametrize("path", ["/auth/signin", "/auth/signout", "/auth/error"])
@pytest.mark.parametrize("query", ["\xff", "error=\xff", "callbackUrl=%2F\xff"])
def test_a_query_that_is_not_utf_8_is_a_bad_request(app: Flask, path: str, query: str) -> None:
    environ = EnvironBuilder(path).get_environ()
    environ["QUERY_STRING"] = query
    _, status, _ = run_wsgi_app(app.wsgi_app, environ)
    assert status.startswith("400")
