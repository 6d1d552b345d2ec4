"""How a refusal is said: to a person, to a program, and by the application instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from flask_jwtsession import (
    JWTSession,
    SessionTooLarge,
    SignInRefused,
    UpdateRefused,
    update_session,
)

from .browsing import problem_code, signed_in_client
from .integration.provider_sign_in import Browser, make_application
from .peers.faulty_provider import FaultyProvider
from .support import (
    CROSS_SITE,
    HTTPS,
    NAVIGATION,
    SAME_ORIGIN,
    Clock,
    make_app,
    session_cookie_name,
    session_token,
)
from .test_bearer import (
    BOTH,
    CHALLENGE,
    CLIENT,
    ENDS,
    GUARDED,
    INSUFFICIENT_SCOPE,
    INVALID_TOKEN,
    REFUSALS,
    ask,
    bearer,
    elsewhere,
    expired,
    graces_cookie,
    make_api,
    token_of,
)

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


# To a client that says, or could say, who it is in a header (RFC 6750 section 3).


@pytest.fixture
def api_and_auth(clock: Clock) -> tuple[Flask, JWTSession]:
    return make_api(clock)


@pytest.fixture
def api(api_and_auth: tuple[Flask, JWTSession]) -> Flask:
    return api_and_auth[0]


@pytest.fixture
def api_auth(api_and_auth: tuple[Flask, JWTSession]) -> JWTSession:
    return api_and_auth[1]


@pytest.fixture
def token(api: Flask) -> str:
    return token_of(api)


@CLIENT
@REFUSALS
@pytest.mark.parametrize("path", GUARDED)
def test_a_token_that_is_no_good_is_said_to_be(
    api: Flask,
    path: str,
    reason: str,
    header: Callable[[Flask], str],
    headers: dict[str, str],
) -> None:
    for cookie in ("", graces_cookie(api, role="admin", company_id=7)):
        response = ask(api, path, header(api), cookie=cookie, headers=headers)
        assert response.status_code == 401
        assert problem_code(response) == "invalid_token"
        assert response.headers.getlist("WWW-Authenticate") == [INVALID_TOKEN]
        assert not elsewhere(response)


@ENDS
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", path) for path in GUARDED]
    + [("GET", "/auth/session/status"), ("POST", "/auth/session")]
    + [("POST", "/auth/session/refresh")],
)
def test_a_revoked_token_is_said_to_be_no_good_from_the_first_time_on(
    api: Flask,
    clock: Clock,
    token: str,
    end: Callable[[Flask, str], None],
    method: str,
    path: str,
) -> None:
    """RFC 6750 section 3.1: expired, revoked, malformed, or invalid for other reasons."""
    clock.advance(1)
    end(api, token)
    for _ in range(2):
        response = ask(api, path, bearer(token), method=method)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == INVALID_TOKEN
        if not path.endswith("status"):
            assert problem_code(response) == "invalid_token"


@pytest.mark.parametrize("path", ["/private", "/fresh"])
def test_a_token_whose_person_is_unknown_is_said_to_be_no_good(
    api: Flask, api_auth: JWTSession, token: str, path: str
) -> None:
    """Section 3.1 of RFC 6750 again: without an error only if there was no token."""
    api_auth.user_loader(lambda token: None)
    response = ask(api, path, bearer(token))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN


def test_a_token_that_the_jwt_callback_ends_is_said_to_be_no_good(
    api: Flask, api_auth: JWTSession, token: str
) -> None:
    api_auth.jwt_callback(lambda token, event: None)
    response = ask(api, "/private", bearer(token))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN


def test_a_token_without_a_subject_is_said_to_be_no_good(api: Flask) -> None:
    response = ask(api, "/private", bearer(token_of(api, sub=None)))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN


def test_without_a_token_nothing_is_wrong_with_it(api: Flask) -> None:
    for header in (None, "", "Basic eDp5"):
        response = ask(api, "/private", header)
        assert (response.status_code, problem_code(response)) == (401, "login_required")
        assert response.headers.getlist("WWW-Authenticate") == [CHALLENGE]


def test_a_bad_cookie_is_no_bad_token(api: Flask) -> None:
    response = ask(api, "/private", cookie=f"{session_cookie_name(api)}=x")
    assert (response.status_code, problem_code(response)) == (401, "login_required")
    assert response.headers["WWW-Authenticate"] == CHALLENGE


def test_a_person_without_a_token_is_sent_to_the_sign_in_page_as_ever(api: Flask) -> None:
    for header in (None, "Basic eDp5"):
        page = ask(api, "/private", header, headers=NAVIGATION)
        assert (page.status_code, page.location) == (302, "/auth/signin?callbackUrl=%2Fprivate")
        htmx = ask(api, "/private", header, headers={"HX-Request": "true"})
        assert (htmx.status_code, htmx.headers["HX-Redirect"]) == (401, "/auth/signin")


@CLIENT
def test_where_no_cookie_counts_nobody_is_sent_to_a_sign_in_page(
    clock: Clock, headers: dict[str, str]
) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=["header"])
    response = ask(app, "/private", cookie=graces_cookie(app), headers=headers)
    assert (response.status_code, problem_code(response)) == (401, "login_required")
    assert response.headers["WWW-Authenticate"] == CHALLENGE
    assert not elsewhere(response)


def test_where_tokens_are_in_cookies_alone_nothing_is_said_of_headers(clock: Clock) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=("cookie",))
    for path in (*GUARDED, "/auth/session/status"):
        response = ask(app, path, "Bearer x")
        assert response.status_code == 401
        assert "WWW-Authenticate" not in response.headers
        assert "Authorization" not in response.vary
    assert "WWW-Authenticate" not in ask(app, "/admin", cookie=graces_cookie(app)).headers


@CLIENT
@pytest.mark.parametrize(
    ("path", "code"), [("/admin", "role_required"), ("/company", "claim_required")]
)
def test_a_token_without_the_right_has_an_insufficient_scope(
    api: Flask, token: str, headers: dict[str, str], path: str, code: str
) -> None:
    response = ask(api, path, bearer(token), headers=headers)
    assert (response.status_code, problem_code(response)) == (403, code)
    assert response.headers.getlist("WWW-Authenticate") == [INSUFFICIENT_SCOPE]
    with_cookie = ask(api, path, cookie=graces_cookie(api))
    assert (with_cookie.status_code, problem_code(with_cookie)) == (403, code)
    assert "WWW-Authenticate" not in with_cookie.headers


@CLIENT
def test_a_token_that_is_not_fresh_is_no_bad_token(
    api: Flask, clock: Clock, token: str, headers: dict[str, str]
) -> None:
    """RFC 9470 section 3."""
    clock.advance(61)
    response = ask(api, "/fresh", bearer(token), headers=headers)
    assert (response.status_code, problem_code(response)) == (401, "fresh_login_required")
    challenge = f'{CHALLENGE}, error="insufficient_user_authentication"'
    assert response.headers.getlist("WWW-Authenticate") == [challenge]
    assert not elsewhere(response)


def test_who_is_not_fresh_is_not_sent_to_their_provider(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, TOKEN_LOCATIONS=BOTH)
    browser = Browser(app, provider)
    browser.sign_in()
    token = browser.session_cookie().partition("=")[2]
    clock.advance(61)
    sent_there = browser.client.get("/fresh", headers=NAVIGATION)
    assert sent_there.location.startswith(provider.issuer)
    response = ask(app, "/fresh", bearer(token), headers=NAVIGATION)
    assert (response.status_code, problem_code(response)) == (401, "fresh_login_required")


def test_the_applications_own_answer_comes_first(api: Flask, api_auth: JWTSession) -> None:
    api_auth.unauthorized_handler(lambda: ("own answer", 418))
    for header in (None, "Bearer", "Bearer x", expired(api)):
        assert ask(api, "/private", header).status_code == 418
    answers: list[object] = []
    api_auth.unauthorized_handler(lambda: answers.append("asked"))
    response = ask(api, "/private", "Bearer x")
    assert (response.status_code, answers) == (401, ["asked"])
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN


def test_an_errorhandler_of_the_application_has_the_challenge(api: Flask) -> None:
    @api.errorhandler(401)
    def own(error: Any) -> Any:
        challenge = error.response.headers["WWW-Authenticate"]
        return jsonify(own=True), 401, {"WWW-Authenticate": challenge}

    response = ask(api, "/private", "Bearer x")
    assert response.get_json() == {"own": True}
    assert response.headers["WWW-Authenticate"] == INVALID_TOKEN
