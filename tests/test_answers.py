"""How a refusal is said: to a person, to a program, and by the application instead."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from flask_jwtsession import SessionTooLarge, SignInRefused, UpdateRefused, update_session

from .browsing import problem_code, signed_in_client
from .support import CROSS_SITE, HTTPS, NAVIGATION, SAME_ORIGIN, make_app, session_token

PROGRAMS = [
    {"Accept": "application/json"},
    {"Accept": "*/*"},
    {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
    {},
]


@pytest.mark.parametrize("headers", PROGRAMS)
def test_a_program_gets_problem_json(client: FlaskClient, headers: dict[str, str]) -> None:
    response = client.get("/private", base_url=HTTPS, headers=headers)
    assert response.status_code == 401
    assert problem_code(response) == "login_required"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Cookie" in response.vary


def test_the_title_of_a_problem_is_the_phrase_of_its_status(client: FlaskClient) -> None:
    body = client.get("/private", base_url=HTTPS).get_json(force=True)
    assert (body["type"], body["title"]) == ("about:blank", "Unauthorized")


def test_a_person_gets_a_page(client: FlaskClient) -> None:
    response = client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE | NAVIGATION)
    assert response.status_code == 403
    assert response.content_type == "text/html; charset=utf-8"
    assert "This request came from another site." in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/auth/signin", "GET", NAVIGATION),
        ("/auth/signout", "GET", NAVIGATION),
        ("/auth/error?error=AccessDenied", "GET", NAVIGATION),
        ("/auth/signout", "POST", CROSS_SITE | NAVIGATION),
        ("/update", "POST", CROSS_SITE | NAVIGATION),
    ],
    ids=["sign-in", "sign-out", "error", "refusal", "refusal of a view"],
)
def test_sec_151_a_page_of_ours_lets_no_frame_script_or_cache_in(
    app: Flask, path: str, method: str, headers: dict[str, str]
) -> None:
    client = signed_in_client(app)
    response = client.open(path, method=method, base_url=HTTPS, headers=headers)
    assert response.mimetype == "text/html"
    policy = dict(
        directive.split(" ", 1)
        for directive in response.headers["Content-Security-Policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        # Where the sign-in form leads is not known beforehand.
        **({} if path == "/auth/signin" else {"form-action": "'self'"}),
    }
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    assert response.headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    page = response.get_data(as_text=True).lower()
    assert "<script" not in page
    assert "style=" not in page
    assert " on" not in page.partition("<body>")[0]


def test_a_refusal_page_sends_no_referrer(client: FlaskClient) -> None:
    response = client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE | NAVIGATION)
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_a_sign_out_may_lead_to_trusted_origins_too() -> None:
    app, _ = make_app(None, TRUSTED_ORIGINS=["https://b.test", "https://a.test"])
    response = app.test_client().get("/auth/signout", base_url=HTTPS)
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert "form-action 'self' https://a.test https://b.test" in policy


@pytest.mark.parametrize("status", [401, 403, 413, 415])
def test_an_errorhandler_of_the_application_for_a_status_goes_on_working(
    app: Flask, status: int
) -> None:
    @app.errorhandler(status)
    def own(error: HTTPException) -> Any:
        return jsonify(own=error.code), status

    client = app.test_client()
    body = {
        401: lambda: client.get("/private", base_url=HTTPS),
        403: lambda: client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE),
        413: lambda: client.post(
            "/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN, data={"a": "b" * 70_000}
        ),
        415: lambda: client.post(
            "/auth/signout",
            base_url=HTTPS,
            headers=SAME_ORIGIN,
            data="x",
            content_type="text/plain",
        ),
    }[status]()
    assert (body.status_code, body.get_json()) == (status, {"own": status})


def test_an_errorhandler_of_the_application_for_all_http_exceptions_goes_on_working(
    app: Flask,
) -> None:
    @app.errorhandler(HTTPException)
    def own(error: HTTPException) -> Any:
        return jsonify(description=error.description), error.code

    response = app.test_client().get("/private", base_url=HTTPS)
    assert response.status_code == 401
    assert response.get_json() == {"description": "Sign in to go on."}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UpdateRefused("not your company"), 400, "update_refused"),
        (SignInRefused(), 403, "access_denied"),
        (SessionTooLarge(9000, 7168), 413, "session_too_large"),
    ],
)
def test_an_error_that_a_view_lets_pass_is_answered_with_its_code(
    app: Flask, error: Exception, status: int, code: str
) -> None:
    @app.get("/raises")
    def raises() -> str:
        raise error

    response = app.test_client().get("/raises", base_url=HTTPS)
    assert response.status_code == status
    assert problem_code(response) == code


def test_over_plain_http_a_sign_in_is_a_bad_request(app: Flask) -> None:
    response = app.test_client().post(
        "/sign-in", base_url="http://app.test", headers={"Origin": "http://app.test"}
    )
    assert response.status_code == 400
    assert problem_code(response) == "insecure_transport"
    assert session_token(response) is None


def test_the_applications_own_handler_of_an_error_is_left_alone() -> None:
    app = Flask("tests.app")
    app.config["JWTSESSION_SECRET"] = "0123456789 abcdefghij 0123456789"

    @app.errorhandler(UpdateRefused)
    def own(error: UpdateRefused) -> tuple[str, int]:
        return f"own: {error}", 409

    from flask_jwtsession import JWTSession

    JWTSession(app)

    @app.get("/raises")
    def raises() -> str:
        update_session({})
        return "updated"

    response = app.test_client().get("/raises")
    assert (response.status_code, response.get_data(as_text=True)) == (
        409,
        "own: nobody is signed in",
    )


def test_sec_203_an_error_of_the_application_is_answered_without_its_text(app: Flask) -> None:
    @app.get("/raises")
    def raises() -> str:
        raise RuntimeError("internal detail")

    response = app.test_client().get("/raises", base_url=HTTPS)
    assert response.status_code == 500
    assert "internal detail" not in response.get_data(as_text=True)
