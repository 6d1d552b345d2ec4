"""Requests that other sites start: what they may not do, at our endpoints and at the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_jwtsession import JWTSession, csrf_exempt, sign_in

from .browsing import (
    CSRF_COOKIE,
    STATE_CHANGES,
    csrf_pair,
    is_signed_in,
    problem_code,
    signed_in_client,
    touches_session,
)
from .conftest import add_views
from .support import (
    CROSS_SITE,
    HTTPS,
    NAVIGATION,
    OTHER_SECRET,
    SAME_ORIGIN,
    Clock,
    make_app,
    session_cookie_name,
    set_cookies,
)
from .test_bearer import ask, bearer, graces_cookie, make_api, token_of

Signals = list[tuple[str, dict[str, Any]]]

FOREIGN = [
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="SEC-101 cross-site"),
    pytest.param(CROSS_SITE, id="SEC-101 cross-site with Origin"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="SEC-102 same-site"),
    pytest.param({"Origin": "https://evil.example"}, id="SEC-104 foreign Origin"),
    pytest.param({"Origin": "null"}, id="SEC-104 Origin null"),
    pytest.param({"Referer": "https://evil.example/x"}, id="SEC-104 foreign Referer"),
    pytest.param({"Origin": "http://app.test"}, id="SEC-105 http"),
    pytest.param({"Origin": "https://app.test:8443"}, id="SEC-105 port"),
    pytest.param({"Origin": "https://app.test."}, id="SEC-105 trailing dot"),
    pytest.param({"Origin": "https://app.test.evil.com"}, id="SEC-105 our name in front"),
    pytest.param({"Origin": "https://evilapp.test"}, id="SEC-105 our name at the end"),
    pytest.param({"Origin": "https://app.test@evil.com"}, id="SEC-105 as a user name"),
    pytest.param({"Origin": "https://app.test https://evil.com"}, id="SEC-105 a list"),
    pytest.param({"Origin": "https://app.test" + "a" * 10_000}, id="SEC-105 10 KB"),
]

OURS = [
    pytest.param({"Sec-Fetch-Site": "same-origin"}, id="SEC-103 same-origin"),
    pytest.param({"Sec-Fetch-Site": "none"}, id="SEC-103 none"),
    pytest.param({"Origin": "https://app.test"}, id="SEC-105 Origin"),
    pytest.param({"Origin": "https://app.test:443"}, id="SEC-105 default port"),
    pytest.param({"Origin": "HTTPS://App.Test"}, id="SEC-105 case"),
]

CHANGES = pytest.mark.parametrize(
    ("path", "sent"), STATE_CHANGES, ids=[path for path, _ in STATE_CHANGES]
)


@pytest.fixture
def signed_in(app: Flask) -> FlaskClient:
    return signed_in_client(app)


@CHANGES
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_request_changes_nothing(
    app: Flask,
    signed_in: FlaskClient,
    signals: Signals,
    path: str,
    sent: dict[str, Any],
    headers: dict[str, str],
) -> None:
    response = signed_in.post(path, base_url=HTTPS, headers=headers, **sent)
    assert response.status_code == 403
    assert problem_code(response) == "cross_origin"
    assert not set_cookies(response)
    assert signals == []
    assert is_signed_in(signed_in)


@CHANGES
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_request_is_refused_with_a_valid_token_too(
    app: Flask,
    signed_in: FlaskClient,
    path: str,
    sent: dict[str, Any],
    headers: dict[str, str],
) -> None:
    token, cookie = csrf_pair(app)
    signed_in.set_cookie(CSRF_COOKIE, cookie, domain="app.test", secure=True)
    with_token = {kind: {**fields, "csrfToken": token} for kind, fields in sent.items()}
    assert signed_in.post(path, base_url=HTTPS, headers=headers, **with_token).status_code == 403
    assert is_signed_in(signed_in)


@CHANGES
@pytest.mark.parametrize("headers", OURS)
def test_a_request_of_our_own_pages_passes_without_a_token(
    signed_in: FlaskClient, path: str, sent: dict[str, Any], headers: dict[str, str]
) -> None:
    response = signed_in.post(path, base_url=HTTPS, headers=headers, **sent)
    assert response.status_code in (200, 302)


def test_sec_102_a_trusted_origin_may_send_what_our_own_pages_may(clock: Clock) -> None:
    app, auth = make_app(clock, TRUSTED_ORIGINS=["https://shop.app.test"])
    add_views(app, auth)
    client = signed_in_client(app)
    headers = {"Sec-Fetch-Site": "same-site", "Origin": "https://shop.app.test"}
    assert client.post("/auth/signout", base_url=HTTPS, headers=headers).status_code == 302
    assert not is_signed_in(client)


def test_the_origin_is_compared_with_the_base_url_and_not_with_the_host(clock: Clock) -> None:
    app, auth = make_app(clock, BASE_URL=HTTPS)
    add_views(app, auth)
    client = app.test_client()

    def sign_out(origin: str) -> int:
        sent = {"Origin": origin, "Host": "10.0.0.7:8000"}
        return client.post("/auth/signout", headers=sent).status_code

    assert sign_out(HTTPS) == 302
    assert sign_out("http://10.0.0.7:8000") == 403


# Neither header: the double-submit token decides.


@CHANGES
def test_sec_106_a_valid_pair_is_accepted(
    app: Flask, signed_in: FlaskClient, path: str, sent: dict[str, Any]
) -> None:
    token, cookie = csrf_pair(app)
    signed_in.set_cookie(CSRF_COOKIE, cookie, domain="app.test", secure=True)
    with_token = {kind: {**fields, "csrfToken": token} for kind, fields in sent.items()}
    assert signed_in.post(path, base_url=HTTPS, **with_token).status_code in (200, 302)


def _pairs() -> list[Any]:
    """How a pair can be wrong: from the right token and cookie value to those that are sent."""
    other = make_app(None, SECRET=OTHER_SECRET)[0]
    foreign_token, foreign_cookie = csrf_pair(other)

    def planted(app: Flask) -> tuple[str, str]:
        token, cookie = csrf_pair(app)
        _, second = csrf_pair(app)
        return token, f"{cookie}; {CSRF_COOKIE}={second}"

    rows: dict[str, Callable[[Flask], tuple[object, str | None]]] = {
        "nothing": lambda app: (None, None),
        "no cookie": lambda app: (csrf_pair(app)[0], None),
        "no token": lambda app: (None, csrf_pair(app)[1]),
        "an empty token": lambda app: ("", csrf_pair(app)[1]),
        "an empty token and cookie": lambda app: ("", ""),
        "the token of another pair": lambda app: (csrf_pair(app)[0], csrf_pair(app)[1]),
        "another secret's pair": lambda app: (foreign_token, foreign_cookie),
        "a tampered hash": lambda app: (
            (pair := csrf_pair(app))[0],
            pair[1][:-1] + ("0" if pair[1][-1] != "0" else "1"),
        ),
        "a hash without the secret": lambda app: ((pair := csrf_pair(app))[0], pair[0]),
        "a cookie without its hash": lambda app: (
            (pair := csrf_pair(app))[0],
            pair[1].split("%7C")[0] + "%7C",
        ),
        "the whole cookie as the token": lambda app: ((pair := csrf_pair(app))[1], pair[1]),
        "a token in capitals": lambda app: ((pair := csrf_pair(app))[0].upper(), pair[1]),
        "a token that is not ASCII": lambda app: ("é" * 64, csrf_pair(app)[1]),
        "a second cookie that verifies": planted,
    }
    return [pytest.param(row, id=f"SEC-106 {name}") for name, row in rows.items()]


@pytest.mark.parametrize("pair", _pairs())
def test_a_pair_that_is_not_ours_is_refused(
    app: Flask, signals: Signals, pair: Callable[[Flask], tuple[str | None, str | None]]
) -> None:
    token, cookie = pair(app)
    client = app.test_client(use_cookies=False)
    headers = {} if cookie is None else {"Cookie": f"{CSRF_COOKIE}={cookie}"}
    fields = {"password": "ok"} | ({} if token is None else {"csrfToken": token})
    response = client.post(
        "/auth/callback/credentials", base_url=HTTPS, headers=headers, data=fields
    )
    assert response.status_code == 403
    assert not touches_session(app, response)
    assert signals == []


@pytest.mark.parametrize("submitted", [5, True, None, ["x"], {"x": "y"}, "\x00", "\udc00"])
def test_sec_106_a_token_that_is_no_text_is_refused(app: Flask, submitted: object) -> None:
    _, cookie = csrf_pair(app)
    client = app.test_client(use_cookies=False)
    response = client.post(
        "/auth/signout",
        base_url=HTTPS,
        headers={"Cookie": f"{CSRF_COOKIE}={cookie}"},
        json={"csrfToken": submitted},
    )
    assert response.status_code in (400, 403)


def test_sec_106_a_token_in_the_query_does_not_count(app: Flask) -> None:
    token, cookie = csrf_pair(app)
    response = app.test_client(use_cookies=False).post(
        f"/auth/signout?csrfToken={token}",
        base_url=HTTPS,
        headers={"Cookie": f"{CSRF_COOKIE}={cookie}", "X-CSRF-Token": token},
    )
    assert response.status_code == 403


def test_sec_104_our_own_referer_does_not_replace_the_token(app: Flask) -> None:
    response = app.test_client().post(
        "/auth/signout", base_url=HTTPS, headers={"Referer": "https://app.test/x"}
    )
    assert response.status_code == 403


@pytest.mark.parametrize("path", ["/auth/callback/credentials", "/auth/signout"])
def test_sec_106_the_token_is_another_one_after_sign_in_and_sign_out(app: Flask, path: str) -> None:
    token, cookie = csrf_pair(app)
    client = app.test_client()
    client.set_cookie(CSRF_COOKIE, cookie, domain="app.test", secure=True)
    fields = {"csrfToken": token, "password": "ok"}
    assert client.post(path, base_url=HTTPS, data=fields).status_code == 302
    assert client.get("/auth/csrf", base_url=HTTPS).get_json()["csrfToken"] != token
    assert client.post(path, base_url=HTTPS, data=fields).status_code == 403


# Methods and types.


@CHANGES
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_sec_100_only_post_changes_anything(
    signed_in: FlaskClient, signals: Signals, path: str, sent: dict[str, Any], method: str
) -> None:
    response = signed_in.open(path, method=method, base_url=HTTPS, headers=SAME_ORIGIN, **sent)
    assert response.status_code in (200, 405)
    assert signals == []
    assert is_signed_in(signed_in)
    assert "nick" not in str(signed_in.get("/auth/session", base_url=HTTPS).get_json())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/auth/signout", {"X-HTTP-Method-Override": "POST"}),
        ("/auth/signout", {"X-HTTP-Method": "POST"}),
        ("/auth/signout?_method=POST", {}),
    ],
)
def test_sec_107_a_method_override_does_not_make_a_get_a_post(
    signed_in: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    signed_in.get(path, base_url=HTTPS, headers={**SAME_ORIGIN, **headers})
    assert is_signed_in(signed_in)


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="SEC-107 text/plain"),
        pytest.param("multipart/form-data; boundary=x", id="SEC-107 multipart"),
        pytest.param("application/octet-stream", id="SEC-107 octets"),
        pytest.param("application/xml", id="SEC-107 XML"),
        pytest.param("application/jsonp", id="SEC-107 nearly JSON"),
        pytest.param("text/json", id="SEC-107 another JSON"),
        pytest.param(None, id="SEC-107 no type"),
        pytest.param("", id="SEC-107 empty type"),
    ],
)
@pytest.mark.parametrize("headers", [{}, SAME_ORIGIN], ids=["no headers", "same origin"])
def test_a_body_of_another_type_is_not_read(
    app: Flask, signed_in: FlaskClient, content_type: str | None, headers: dict[str, str]
) -> None:
    token, cookie = csrf_pair(app)
    signed_in.set_cookie(CSRF_COOKIE, cookie, domain="app.test", secure=True)
    body = f'{{"csrfToken": "{token}", "data": {{"nick": "x"}}}}'
    response = signed_in.post(
        "/auth/session", base_url=HTTPS, headers=headers, data=body, content_type=content_type
    )
    assert response.status_code == 415
    assert problem_code(response) == "unsupported_media_type"
    assert not touches_session(app, response)


def test_sec_107_json_in_a_form_is_not_read_as_json(app: Flask, signed_in: FlaskClient) -> None:
    token, cookie = csrf_pair(app)
    signed_in.set_cookie(CSRF_COOKIE, cookie, domain="app.test", secure=True)
    response = signed_in.post(
        "/auth/session",
        base_url=HTTPS,
        data=f'{{"csrfToken": "{token}", "data": {{"nick": "x"}}}}',
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 403


@CHANGES
def test_sec_108_a_preflight_is_told_nothing_that_lets_another_origin_in(
    signed_in: FlaskClient, path: str, sent: dict[str, Any]
) -> None:
    response = signed_in.options(
        path,
        base_url=HTTPS,
        headers={
            **CROSS_SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert not [name for name, _ in response.headers if name.lower().startswith("access-")]


@pytest.mark.parametrize("path", ["/auth/session", "/auth/csrf", "/auth/providers"])
def test_sec_108_no_answer_is_shared_with_another_origin(signed_in: FlaskClient, path: str) -> None:
    response = signed_in.get(path, base_url=HTTPS, headers=CROSS_SITE)
    assert not [name for name, _ in response.headers if name.lower().startswith("access-")]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, id="an image"),
        pytest.param({**CROSS_SITE, "Sec-Fetch-Mode": "navigate"}, id="a link"),
    ],
)
def test_sec_110_a_get_signs_nobody_out(signed_in: FlaskClient, headers: dict[str, str]) -> None:
    signed_in.get("/auth/signout", base_url=HTTPS, headers=headers)
    assert is_signed_in(signed_in)


def test_a_person_whose_form_is_refused_gets_a_page(signed_in: FlaskClient) -> None:
    response = signed_in.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE | NAVIGATION)
    assert response.status_code == 403
    assert response.mimetype == "text/html"


# The views of the application.


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_view_is_not_reached_by_a_foreign_request_with_our_cookie(
    signed_in: FlaskClient, signals: Signals, headers: dict[str, str]
) -> None:
    response = signed_in.post("/update", base_url=HTTPS, headers=headers)
    assert response.status_code == 403
    assert problem_code(response) == "cross_origin"
    assert signals == []


@pytest.mark.parametrize("headers", OURS)
def test_a_view_is_reached_by_our_own_pages(
    signed_in: FlaskClient, headers: dict[str, str]
) -> None:
    assert signed_in.post("/update", base_url=HTTPS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Referer": "https://app.test/form"}],
    ids=["SEC-104 neither header", "SEC-104 our Referer"],
)
def test_a_view_needs_no_token_of_a_client_that_is_no_browser(
    signed_in: FlaskClient, headers: dict[str, str]
) -> None:
    assert signed_in.post("/update", base_url=HTTPS, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_every_unsafe_method_of_a_view_is_checked(app: Flask, method: str) -> None:
    @app.route("/any", methods=[method])
    def any_method() -> str:
        return "reached"

    client = signed_in_client(app)
    answered = client.open("/any", method=method, base_url=HTTPS, headers=CROSS_SITE)
    assert answered.status_code == 403


def test_a_view_is_reached_from_elsewhere_without_our_cookie(app: Flask) -> None:
    @app.post("/webhook")
    def webhook() -> str:
        return "reached"

    response = app.test_client().post("/webhook", base_url=HTTPS, headers=CROSS_SITE)
    assert response.status_code == 200


def test_a_chunk_of_our_cookie_is_our_cookie(app: Flask) -> None:
    @app.post("/webhook")
    def webhook() -> str:
        return "reached"

    name = session_cookie_name(app, https=True)
    response = app.test_client(use_cookies=False).post(
        "/webhook", base_url=HTTPS, headers={**CROSS_SITE, "Cookie": f"{name}.0=x"}
    )
    assert response.status_code == 403


@pytest.mark.parametrize("parentheses", [False, True])
def test_an_exempt_view_is_reached_from_elsewhere(app: Flask, parentheses: bool) -> None:
    @app.post("/hook")
    @(csrf_exempt() if parentheses else csrf_exempt)
    def hook() -> str:
        return "reached"

    client = signed_in_client(app)
    assert client.post("/hook", base_url=HTTPS, headers=CROSS_SITE).status_code == 200


def test_the_check_of_the_views_can_be_switched_off_but_not_that_of_our_endpoints(
    clock: Clock,
) -> None:
    app, auth = make_app(clock, CSRF_PROTECT=False)
    add_views(app, auth)
    client = signed_in_client(app)
    assert client.post("/update", base_url=HTTPS, headers=CROSS_SITE).status_code == 200
    assert client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE).status_code == 403


def test_a_refused_request_can_be_answered_by_the_application(app: Flask) -> None:
    @app.errorhandler(403)
    def forbidden(error: Exception) -> tuple[str, int]:
        return "the application's own answer", 403

    client = signed_in_client(app)
    response = client.post("/auth/signout", base_url=HTTPS, headers=CROSS_SITE)
    assert response.get_data(as_text=True) == "the application's own answer"


def test_the_instance_of_another_prefix_checks_with_its_own_cookie(app: Flask) -> None:
    app.config["STAFF_SECRET"] = OTHER_SECRET
    app.config["STAFF_URL_PREFIX"] = "/staff"
    staff = JWTSession(app, config_prefix="STAFF")

    @app.post("/hook")
    @staff.csrf_exempt
    def hook() -> str:
        return "reached"

    client = app.test_client(use_cookies=False)

    def sent_with(cookie: str) -> int:
        headers = {**CROSS_SITE, "Cookie": f"{cookie}=x"}
        return client.post("/hook", base_url=HTTPS, headers=headers).status_code

    assert sent_with("__Host-staff.session-token") == 200
    assert sent_with("__Host-jwtsession.session-token") == 403


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/update"])
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_form_without_our_cookie_signs_nobody_in_or_out(
    app: Flask, path: str, headers: dict[str, str]
) -> None:
    response = app.test_client().post(path, base_url=HTTPS, headers=headers)
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")
    assert not touches_session(app, response)


def test_a_webhook_without_our_cookie_that_leaves_the_session_alone_passes(app: Flask) -> None:
    @app.post("/webhook")
    def webhook() -> str:
        return "received"

    response = app.test_client().post("/webhook", base_url=HTTPS, headers=CROSS_SITE)
    assert response.get_data(as_text=True) == "received"


def test_an_exempt_view_may_sign_somebody_in_from_elsewhere(app: Flask) -> None:
    @app.post("/enter-from-elsewhere")
    @csrf_exempt
    def enter() -> str:
        sign_in({"id": "u1"})
        return ""

    response = app.test_client().post("/enter-from-elsewhere", base_url=HTTPS, headers=CROSS_SITE)
    assert response.status_code == 200
    assert touches_session(app, response)


def test_a_link_in_a_mail_may_sign_somebody_in(app: Flask) -> None:
    @app.get("/magic-link")
    def magic_link() -> str:
        sign_in({"id": "u1"})
        return ""

    response = app.test_client().get("/magic-link", base_url=HTTPS, headers=CROSS_SITE)
    assert touches_session(app, response)


# Requests with a token in their header: no other site can send one, so nothing is asked.


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


VERBS = {
    "/who": (200, None),
    "/sign-out": (200, None),
    "/token": (200, None),
    "/revoke": (200, None),
    "/update": (400, "update_refused"),
    "/refresh": (400, "update_refused"),
    "/sign-in": (403, "access_denied"),
}


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("cookie", [False, True], ids=["", "with a cookie"])
@pytest.mark.parametrize("path", VERBS)
def test_a_request_with_a_token_may_come_from_anywhere(
    api: Flask, headers: dict[str, str], path: str, cookie: bool
) -> None:
    token = token_of(api, https=True)
    sent = graces_cookie(api, https=True) if cookie else ""
    response = ask(
        api, path, bearer(token), cookie=sent, method="POST", headers=headers, base_url=HTTPS
    )
    status, code = VERBS[path]
    assert response.status_code == status
    assert code is None or problem_code(response) == code


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("header", ["the token", "Bearer", "Bearer x"])
def test_no_unsafe_method_is_checked_with_a_token(
    api: Flask, token: str, method: str, header: str
) -> None:
    header = bearer(token) if header == "the token" else header
    response = ask(
        api, "/who", header, cookie=graces_cookie(api), method=method, headers=CROSS_SITE
    )
    expected = "ada" if header == bearer(token) else "nobody"
    assert (response.status_code, response.text) == (200, expected)


@pytest.mark.parametrize("header", ["the token", "Bearer x"])
@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/auth/session", {"json": {"data": {}}}, 400),
        ("/auth/session/refresh", {}, 400),
        ("/auth/signin/credentials", {"data": {}}, 302),
        ("/auth/callback/credentials", {"data": {"password": "wrong"}}, 401),
        ("/auth/callback/credentials", {"data": {"password": "ok"}}, 403),
        ("/auth/signout", {"data": {}}, 302),
    ],
)
@pytest.mark.parametrize("headers", [{}, CROSS_SITE], ids=["no headers", "cross-site"])
def test_a_post_to_our_endpoints_needs_no_csrf_token(
    api: Flask,
    token: str,
    header: str,
    path: str,
    sent: dict[str, Any],
    status: int,
    headers: dict[str, str],
) -> None:
    if header == "Bearer x" and path.startswith("/auth/session"):
        status = 401
    header = bearer(token) if header == "the token" else header
    headers = {**headers, **({"Accept": "application/json"} if status in (401, 403) else {})}
    response = ask(api, path, header, method="POST", headers=headers, **sent)
    assert response.status_code == status
    assert "cross_origin" not in response.text


def test_a_csrf_token_that_is_sent_all_the_same_is_no_credential(
    api: Flask, api_auth: JWTSession
) -> None:
    seen: list[dict[str, Any]] = []
    api_auth.credentials(seen.append)
    form = {"username": "ada", "csrfToken": "x"}
    ask(api, "/auth/callback/credentials", "Bearer x", method="POST", data=form)
    assert seen == [{"username": "ada"}]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("x" * 70_000, "application/json", 413),
        ("[1]", "application/json", 400),
        ("{", "application/json", 400),
        ("x", "text/plain", 415),
        ("a=1&a=2", "application/x-www-form-urlencoded", 400),
    ],
)
def test_bodies_are_bounded_with_a_token_too(
    api: Flask, token: str, body: str, content_type: str, status: int
) -> None:
    response = ask(
        api, "/auth/signout", bearer(token), method="POST", data=body, content_type=content_type
    )
    assert response.status_code == status
    assert ask(api, "/who", bearer(token)).text == "ada"


OTHER_SCHEMES = ["Basic eDp5", "Bearerx {}", "Digest a=b", "DPoP {}", "", "Basic eDp5, Bearer {}"]


@pytest.mark.parametrize("header", OTHER_SCHEMES)
@pytest.mark.parametrize("path", ["/who", "/sign-out", "/update", "/sign-in", "/auth/signout"])
def test_a_header_of_another_scheme_does_not_switch_the_check_off(
    api: Flask, signals: Signals, token: str, header: str, path: str
) -> None:
    response = ask(
        api,
        path,
        header.format(token),
        cookie=graces_cookie(api),
        method="POST",
        headers=CROSS_SITE,
    )
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")
    assert signals == []


@pytest.mark.parametrize("path", ["/who", "/sign-out", "/update", "/sign-in", "/auth/signout"])
def test_where_tokens_are_in_cookies_alone_a_header_does_not_switch_the_check_off(
    clock: Clock, path: str
) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=("cookie",))
    cookie, token = graces_cookie(app), token_of(app)
    response = ask(app, path, bearer(token), cookie=cookie, method="POST", headers=CROSS_SITE)
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")
    assert ask(app, "/who", bearer(token), cookie=cookie).text == "grace"


@pytest.mark.parametrize("path", ["/sign-out", "/sign-in", "/token", "/revoke"])
def test_a_foreign_form_without_a_token_is_refused_by_the_verbs(api: Flask, path: str) -> None:
    response = ask(api, path, method="POST", headers=CROSS_SITE)
    assert (response.status_code, problem_code(response)) == (403, "cross_origin")


def test_a_post_without_a_token_needs_a_csrf_token_as_ever(api: Flask) -> None:
    refused = ask(api, "/auth/signout", method="POST", data={})
    assert (refused.status_code, problem_code(refused)) == (403, "cross_origin")
