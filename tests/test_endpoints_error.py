"""``/error``: why a sign-in did not work."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from .browsing import problem_code
from .support import HTTPS, NAVIGATION, Clock, make_app, set_cookies

CODES = [
    ("AccessDenied", 403, "Access denied"),
    ("Verification", 403, "Link expired"),
    ("Configuration", 400, "Something is wrong"),
    ("Default", 400, "Something went wrong"),
]
DEFAULTS = ["", "default", "<script>alert(1)</script>", "__class__", "x" * 10_000, "\x00"]


@pytest.mark.parametrize(("code", "status", "title"), CODES)
def test_a_code_of_authjs_has_its_page(
    client: FlaskClient, code: str, status: int, title: str
) -> None:
    response = client.get(f"/auth/error?error={code}", base_url=HTTPS, headers=NAVIGATION)
    assert response.status_code == status
    assert f"<h1>{title}</h1>" in response.get_data(as_text=True)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not set_cookies(response)


@pytest.mark.parametrize("code", DEFAULTS)
def test_any_other_code_says_no_more_than_that(client: FlaskClient, code: str) -> None:
    response = client.get(
        "/auth/error", base_url=HTTPS, headers=NAVIGATION, query_string={"error": code}
    )
    assert response.status_code == 400
    page = response.get_data(as_text=True)
    assert "<h1>Something went wrong</h1>" in page
    assert "<script" not in page


def test_a_program_gets_the_code_as_a_problem(client: FlaskClient) -> None:
    response = client.get(
        "/auth/error?error=AccessDenied", base_url=HTTPS, headers={"Accept": "application/json"}
    )
    assert response.status_code == 403
    assert problem_code(response) == "AccessDenied"


def test_the_way_on_is_the_start_of_the_application(clock: Clock) -> None:
    app, _ = make_app(clock)
    response = app.test_client().get(
        "/auth/error",
        base_url=HTTPS,
        headers=NAVIGATION,
        environ_overrides={"SCRIPT_NAME": "/shop"},
    )
    assert 'href="/shop/"' in response.get_data(as_text=True)


def test_the_page_can_be_the_applications_own(clock: Clock) -> None:
    app, _ = make_app(clock, PAGES={"error": "/oops"})
    response = app.test_client().get("/auth/error?error=AccessDenied", base_url=HTTPS)
    assert response.headers["Location"] == "/oops?error=AccessDenied"
