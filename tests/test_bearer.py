"""``Authorization: Bearer``: requests that bring their session in a header, and get no cookie."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask, Response, abort, jsonify
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    claims_required,
    create_token,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    public,
    refresh_session,
    revoke_session,
    revoke_user,
    roles_required,
    sign_out,
)

from .browsing import problem_code
from .conftest import add_views
from .faulty_store import FaultyStore
from .forged_tokens import GCM, forge
from .integration.provider_sign_in import Browser, at_once, listening, make_application
from .peers.faulty_provider import FaultyProvider, logout_token
from .scenes import cookie_of
from .support import (
    CROSS_SITE,
    HTTPS,
    NAVIGATION,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    Clock,
    claims_at,
    make_app,
    seal,
    session_token,
    set_cookies,
    unseal,
)
from .test_session_cookie_attacks import V4_KEY

DAY = 86_400
BOTH = ("cookie", "header")
CHALLENGE = 'Bearer realm="jwtsession"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'
INSUFFICIENT_SCOPE = f'{CHALLENGE}, error="insufficient_scope"'

#: Headers of those who would be sent to a sign-in page if it were not for their token.
CLIENTS = {
    "a program": {},
    "a program that wants JSON": {"Accept": "application/json"},
    "a page": NAVIGATION,
    "an old browser": {"Accept": "text/html"},
    "HTMX": {"HX-Request": "true", "HX-Current-URL": f"{HTTPS}/page"},
}

CLIENT = pytest.mark.parametrize("headers", CLIENTS.values(), ids=CLIENTS)

Signals = list[tuple[str, dict[str, Any]]]


def private_key(kind: str) -> str:
    """The PEM text of a new signing key."""
    key = generate_private_key(SECP256R1()) if kind == "ES256" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


FORMATS: dict[str, dict[str, Any]] = {
    "encrypted": {},
    "HS256": {"TOKEN_FORMAT": "signed"},
    "ES256": {"TOKEN_FORMAT": "signed", "SIGNING_KEY": private_key("ES256")},
    "EdDSA": {"TOKEN_FORMAT": "signed", "SIGNING_KEY": private_key("EdDSA")},
    "pair": {"REFRESH_COOKIE": True, "MAX_AGE": 600},
    "EdDSA pair": {
        "TOKEN_FORMAT": "signed",
        "SIGNING_KEY": private_key("EdDSA"),
        "REFRESH_COOKIE": True,
        "MAX_AGE": 600,
    },
}


def make_api(clock: Clock, **config: Any) -> tuple[Flask, JWTSession]:
    """An app that takes tokens in both places, with a view for all that can be done to a session
    and for each guard.
    """
    app, auth = make_app(clock, **{"TOKEN_LOCATIONS": BOTH, **config})
    add_views(app, auth)
    auth.reauth_callback(lambda claims: {"name": "Ada"})

    @app.route("/who", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def who() -> str:
        return str(current_session.token["sub"]) if current_session else "nobody"

    @app.get("/admin")
    @roles_required("admin")
    def admin() -> str:
        return "admin"

    @app.get("/company")
    @claims_required(company_id=7)
    def company() -> str:
        return "company"

    @app.get("/fresh")
    @fresh_login_required(max_age=60)
    def fresh() -> str:
        return "fresh"

    @app.post("/refresh")
    def refresh() -> str:
        refresh_session()
        return "refreshed"

    @app.post("/token")
    def token() -> str:
        return create_token({"id": "created"})

    @app.post("/revoke")
    def revoke() -> str:
        revoke_session("somebody's")
        return "revoked"

    return app, auth


def token_of(app: Flask, *, https: bool = False, now: float = NOW, **claims: Any) -> str:
    """The token of a client whose session began at ``now``: Ada's, unless ``claims`` say
    otherwise.
    """
    return seal(app, {**claims_at(now, sub="ada"), **claims}, https=https)


def graces_cookie(app: Flask, **claims: Any) -> str:
    """The Cookie header of a browser in which Grace is signed in."""
    return cookie_of(app, **{"sub": "grace", "sid": "grace's", **claims})


def ask(
    app: Flask,
    path: str,
    authorization: str | None = None,
    *,
    cookie: str = "",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    base_url: str | None = None,
    **sent: Any,
) -> TestResponse:
    """The answer to a request with exactly these headers ``Authorization`` and ``Cookie``, as a
    server would hand them on.
    """
    environ = {"HTTP_COOKIE": cookie} if cookie else {}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    return app.test_client(use_cookies=False).open(
        path,
        method=method,
        headers=headers,
        base_url=base_url,
        environ_overrides=environ,
        buffered=True,
        **sent,
    )


def bearer(token: str) -> str:
    return f"Bearer {token}"


def elsewhere(response: TestResponse) -> list[str]:
    """The headers by which somebody would be sent away, or get a cookie."""
    return [name for name in ("Location", "HX-Redirect", "Set-Cookie") if name in response.headers]


def vary(response: TestResponse) -> set[str]:
    """What an answer depends on, in small letters."""
    return {name.lower() for name in response.vary}


def told(signals: Signals) -> list[tuple[str, str | None]]:
    """The signals, with their reasons."""
    return [(name, arguments.get("reason")) for name, arguments in signals]


@pytest.fixture
def app_and_auth(clock: Clock) -> tuple[Flask, JWTSession]:
    return make_api(clock)


@pytest.fixture
def token(app: Flask) -> str:
    return token_of(app)


# Who is signed in.


def expired(app: Flask) -> str:
    return bearer(token_of(app, iat=int(NOW) - 9000, exp=int(NOW) - 5000, sid="expired"))


def revoked(app: Flask) -> str:
    with app.app_context():
        revoke_session("revoked")
    return bearer(token_of(app, sid="revoked"))


#: What is sent, and who that is with tokens in both places, in headers alone, in cookies alone.
WHO: dict[str, tuple[Callable[[Flask], str | None], bool, tuple[str, str, str]]] = {
    "nothing": (lambda app: None, False, ("nobody", "nobody", "nobody")),
    "a cookie": (lambda app: None, True, ("grace", "nobody", "grace")),
    "a token": (lambda app: bearer(token_of(app)), False, ("ada", "ada", "nobody")),
    "both": (lambda app: bearer(token_of(app)), True, ("ada", "ada", "grace")),
    "a token in small letters, and a cookie": (
        lambda app: f"bearer   {token_of(app)} ",
        True,
        ("ada", "ada", "grace"),
    ),
    "an expired token, and a cookie": (expired, True, ("nobody", "nobody", "grace")),
    "a revoked token, and a cookie": (revoked, True, ("nobody", "nobody", "grace")),
    "nonsense, and a cookie": (lambda app: "Bearer x", True, ("nobody", "nobody", "grace")),
    "the scheme, and a cookie": (lambda app: "Bearer", True, ("nobody", "nobody", "grace")),
    "the scheme, a comma, and a cookie": (
        lambda app: "Bearer,",
        True,
        ("nobody", "nobody", "grace"),
    ),
    "a quoted token, and a cookie": (
        lambda app: f'Bearer "{token_of(app)}"',
        True,
        ("nobody", "nobody", "grace"),
    ),
    "a tab before the token, and a cookie": (
        lambda app: f"Bearer\t{token_of(app)}",
        True,
        ("nobody", "nobody", "grace"),
    ),
    "a line end after the token, and a cookie": (
        lambda app: f"Bearer {token_of(app)}\r\n",
        True,
        ("nobody", "nobody", "grace"),
    ),
    "no ASCII, and a cookie": (lambda app: "Bearer \xe9", True, ("nobody", "nobody", "grace")),
    "70 KB, and a cookie": (lambda app: bearer("x" * 70_000), True, ("nobody", "nobody", "grace")),
    "two tokens, and a cookie": (
        lambda app: f"Bearer {token_of(app)},Bearer {token_of(app)}",
        True,
        ("nobody", "nobody", "grace"),
    ),
    "another scheme, and a cookie": (lambda app: "Basic eDp5", True, ("grace", "nobody", "grace")),
    "a longer scheme, and a cookie": (
        lambda app: f"Bearerx {token_of(app)}",
        True,
        ("grace", "nobody", "grace"),
    ),
    "an empty header, and a cookie": (lambda app: "", True, ("grace", "nobody", "grace")),
}


@pytest.mark.parametrize(
    ("column", "locations"), [(0, BOTH), (1, ("header",)), (2, ("cookie",))], ids=str
)
@pytest.mark.parametrize(("header", "has_cookie", "expected"), WHO.values(), ids=WHO)
def test_who_is_signed_in(
    clock: Clock,
    column: int,
    locations: tuple[str, ...],
    header: Callable[[Flask], str | None],
    has_cookie: bool,
    expected: tuple[str, str, str],
) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=locations)
    cookie = graces_cookie(app) if has_cookie else ""
    assert ask(app, "/who", header(app), cookie=cookie).text == expected[column]


@pytest.mark.parametrize("locations", [["header", "cookie"], {"cookie", "header"}])
def test_the_order_of_the_locations_says_nothing(clock: Clock, locations: Any) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=locations)
    answers = [
        ask(app, "/who", bearer(token_of(app)), cookie=graces_cookie(app)).text,
        ask(app, "/who", cookie=graces_cookie(app)).text,
    ]
    assert answers == ["ada", "grace"]


@pytest.mark.parametrize("token_format", FORMATS)
def test_tokens_of_every_format_are_good_in_a_header(clock: Clock, token_format: str) -> None:
    app, _ = make_api(clock, **FORMATS[token_format])
    created = ask(app, "/token", method="POST").text
    cookies = [ask(app, path, bearer(created)).text for path in ("/who", "/private")]
    assert cookies == ["created", "private"]


@pytest.mark.parametrize("token_format", FORMATS)
def test_the_value_of_a_session_cookie_is_good_in_a_header(clock: Clock, token_format: str) -> None:
    app, _ = make_api(clock, **FORMATS[token_format])
    token = session_token(ask(app, "/sign-in", method="POST"))
    assert token
    assert ask(app, "/who", bearer(token)).text == "u1"


def test_a_token_made_over_https_is_one_of_requests_over_https(app: Flask) -> None:
    token = ask(app, "/token", method="POST", base_url=HTTPS).text
    assert ask(app, "/who", bearer(token), base_url=HTTPS).text == "created"
    assert "__Host-" not in token


@pytest.mark.parametrize("token_format", FORMATS)
def test_a_tampered_token_is_nobodys(clock: Clock, token_format: str) -> None:
    app, _ = make_api(clock, **FORMATS[token_format])
    token = ask(app, "/token", method="POST").text
    assert ask(app, "/who", bearer(token)).text == "created"
    for position in (5, len(token) // 2, len(token) - 10):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert ask(app, "/who", bearer(changed)).text == "nobody"


def test_the_proxies_and_callbacks_work_as_with_a_cookie(app: Flask, auth: JWTSession) -> None:
    auth.session_callback(lambda session, token: {**session, "role": token["role"]})

    @app.get("/me")
    def me() -> Any:
        return jsonify(
            session=dict(current_session), user=dict(current_user), role=current_session["role"]
        )

    response = ask(app, "/me", bearer(token_of(app, role="reader")))
    assert response.get_json()["role"] == "reader"
    assert response.get_json()["user"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "image": None,
    }
    assert response.get_json()["session"]["expires"] == "2027-01-15T09:00:00.000Z"


def test_the_user_loader_is_asked_once_about_the_token(
    app: Flask, auth: JWTSession, token: str
) -> None:
    asked: list[str] = []

    @auth.user_loader
    def load(token: dict[str, Any]) -> str:
        asked.append(token["sub"])
        return f"user {token['sub']}"

    app.add_url_rule("/user", "user", login_required(lambda: f"{current_user}, {current_user}"))
    assert ask(app, "/user", bearer(token), cookie=graces_cookie(app)).text == "user ada, user ada"
    assert asked == ["ada"]


def test_an_async_view_has_the_session_of_the_token(app: Flask, token: str) -> None:
    @app.get("/later")
    @login_required
    async def later() -> str:
        return str(current_session.token["sub"])

    assert ask(app, "/later", bearer(token)).text == "ada"
    assert ask(app, "/later", "Bearer x").status_code == 401


def test_a_request_that_does_not_use_the_session_does_not_look_at_its_token(
    app: Flask, signals: Signals
) -> None:
    response = ask(app, "/unused", "Bearer x")
    assert (response.text, "Vary" in response.headers, signals) == ("unused", False, [])


@pytest.mark.parametrize(
    ("config", "seconds", "expected"),
    [
        ({"MAX_AGE": 600}, 614, "ada"),
        ({"MAX_AGE": 600}, 615, "nobody"),
        ({"MAX_AGE": 600, "REFRESH_COOKIE": True}, 599, "ada"),
        ({"MAX_AGE": 600, "REFRESH_COOKIE": True}, 600, "nobody"),
        ({"MAX_AGE": 600, "ABSOLUTE_MAX_AGE": 300}, 314, "ada"),
        ({"MAX_AGE": 600, "ABSOLUTE_MAX_AGE": 300}, 315, "nobody"),
    ],
)
def test_no_use_prolongs_a_token(
    clock: Clock, config: dict[str, Any], seconds: int, expected: str
) -> None:
    app, _ = make_api(clock, **config)
    token = ask(app, "/token", method="POST").text
    for _ in range(10):
        assert ask(app, "/who", bearer(token)).text == "created"
        clock.advance(seconds / 10)
    found = ask(app, "/who", bearer(token)).text
    assert found == ("created" if expected == "ada" else "nobody")


@pytest.mark.parametrize(
    ("reason", "config", "claims"),
    [
        ("issuer", {"ISSUER": "https://id.test"}, {}),
        ("issuer", {"ISSUER": "https://id.test"}, {"iss": "https://other.test"}),
        ("audience", {"AUDIENCE": "api"}, {}),
        ("audience", {"AUDIENCE": "api"}, {"aud": ["api"]}),
        ("audience", {"AUDIENCE": ["api", "web"]}, {"aud": "other"}),
    ],
)
def test_sec_043_a_token_of_or_for_somebody_else_is_refused(
    clock: Clock, reason: str, config: dict[str, Any], claims: dict[str, Any]
) -> None:
    app, _ = make_api(clock, **config)
    created = ask(app, "/token", method="POST").text
    assert ask(app, "/who", bearer(created)).text == "created"
    with listening(app) as heard:
        assert ask(app, "/who", bearer(token_of(app, **claims))).text == "nobody"
    assert told(heard) == [("session-rejected", reason)]


# A server between the client and the application.


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()
    server.server_close()


def answer_to(port: int, *headers: tuple[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", "/who")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_two_headers_are_no_choice(app: Flask, port: int, token: str) -> None:
    """Which of two is meant, the client and a proxy may see differently."""
    ours, cookie = ("Authorization", bearer(token)), ("Cookie", graces_cookie(app))
    assert answer_to(port, ours, cookie) == "ada"
    assert answer_to(port, ours, ours, cookie) == "nobody"
    assert answer_to(port, ours, ("Authorization", "Basic eDp5"), cookie) == "nobody"
    assert answer_to(port, ("Authorization", "Basic eDp5"), ours, cookie) == "grace"
    assert answer_to(port, ("authorization", f"  bearer {token}  "), cookie) == "ada"


# No cookie is set, whatever happens.


@dataclass
class Scene:
    """A request, and what was before it; with a cookie it sets or deletes one."""

    path: str
    method: str = "GET"
    sent: dict[str, Any] = field(default_factory=dict)
    later: float = 0
    before: Callable[[Flask, JWTSession], object] = lambda app, auth: None


def revoke_it(app: Flask, auth: JWTSession) -> None:
    with app.app_context():
        revoke_session("it")


def fail_afterwards(app: Flask, auth: JWTSession) -> None:
    @app.post("/fails")
    def fails() -> str:
        sign_out()
        abort(500)


SCENES = {
    "due": Scene("/who", later=2 * DAY),
    "expired": Scene("/who", later=40 * DAY),
    "revoked": Scene("/who", before=revoke_it),
    "changed by the jwt callback": Scene(
        "/who", before=lambda app, auth: auth.jwt_callback(lambda token, event: {**token, "n": 1})
    ),
    "ended by the jwt callback": Scene(
        "/who", before=lambda app, auth: auth.jwt_callback(lambda token, event: None)
    ),
    "signed out by a view": Scene("/sign-out", "POST"),
    "signed out by a view that fails": Scene("/fails", "POST", before=fail_afterwards),
    "signed out": Scene("/auth/signout", "POST"),
    "updated by a view": Scene("/update", "POST"),
    "updated": Scene("/auth/session", "POST", {"json": {"data": {}}}),
    "the CSRF token": Scene("/auth/csrf"),
    "the sign-in page": Scene("/auth/signin"),
    "the sign-out page": Scene("/auth/signout"),
    "signed in by a view": Scene("/sign-in", "POST"),
    "signed in": Scene("/auth/callback/credentials", "POST", {"data": {"password": "ok"}}),
}


SCENE = pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
TRANSPORT = pytest.mark.parametrize("https", [False, True], ids=["http", "https"])


@SCENE
@TRANSPORT
def test_a_request_with_a_cookie_gets_one(
    app: Flask, auth: JWTSession, clock: Clock, scene: Scene, https: bool
) -> None:
    """What the next test says is not to happen, happens here."""
    cookie = cookie_of(app, https=https, sid="it", exp=int(NOW) + 30 * DAY)
    assert "Set-Cookie" in answer_in(scene, app, auth, clock, https, cookie=cookie).headers


@SCENE
@TRANSPORT
@pytest.mark.parametrize("has_cookie", [False, True], ids=["", "with a cookie"])
@pytest.mark.parametrize("header", ["the token", "Bearer x", "Bearer"])
def test_a_request_with_a_token_gets_no_cookie(
    app: Flask,
    auth: JWTSession,
    clock: Clock,
    scene: Scene,
    https: bool,
    has_cookie: bool,
    header: str,
) -> None:
    claims: dict[str, Any] = {"sid": "it", "exp": int(NOW) + 30 * DAY}
    if header == "the token":
        header = bearer(token_of(app, https=https, **claims))
    cookie = cookie_of(app, https=https, **claims) if has_cookie else ""
    response = answer_in(scene, app, auth, clock, https, authorization=header, cookie=cookie)
    assert "Set-Cookie" not in response.headers


@SCENE
def test_without_cookies_as_a_location_none_is_set(clock: Clock, scene: Scene) -> None:
    app, auth = make_api(clock, TOKEN_LOCATIONS=("header",))
    cookie = cookie_of(app, sid="it", exp=int(NOW) + 30 * DAY)
    response = answer_in(scene, app, auth, clock, False, cookie=cookie)
    assert "Set-Cookie" not in response.headers


def answer_in(
    scene: Scene, app: Flask, auth: JWTSession, clock: Clock, https: bool, **sent: Any
) -> TestResponse:
    scene.before(app, auth)
    clock.advance(scene.later)
    return ask(
        app,
        scene.path,
        method=scene.method,
        headers=SAME_ORIGIN,
        base_url=HTTPS if https else None,
        **sent,
        **scene.sent,
    )


def test_a_request_with_a_token_starts_no_sign_in_that_could_come_back(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, TOKEN_LOCATIONS=BOTH)
    browser = Browser(app, provider)
    assert "jwtsession.login" in browser.start().headers["Set-Cookie"]
    started = ask(app, "/auth/signin/op", bearer(token_of(app)), method="POST", headers=CROSS_SITE)
    assert "Set-Cookie" not in started.headers


def test_an_old_cookie_of_nextauth_is_not_taken_over_in_a_request_with_a_token(
    clock: Clock,
) -> None:
    app, _ = make_api(clock, READ_NEXTAUTH_V4=True)
    payload = json.dumps(claims_at(NOW)).encode()
    old = f"next-auth.session-token={forge(V4_KEY, payload, {'alg': 'dir', 'enc': GCM})}"
    assert session_token(ask(app, "/who", cookie=old))
    for header, expected in ((bearer(token_of(app)), "ada"), ("Bearer x", "nobody")):
        response = ask(app, "/who", header, cookie=old)
        assert (response.text, "Set-Cookie" in response.headers) == (expected, False)


def test_a_stored_response_does_not_bring_a_cookie_to_a_request_with_a_token(
    app: Flask, auth: JWTSession, token: str
) -> None:
    stored = Response("stored")

    @app.get("/stored")
    def view() -> Response:
        return stored if current_session else Response()

    auth.jwt_callback(lambda token, event: {**token, "n": 1})
    first = ask(app, "/stored", cookie=graces_cookie(app))
    assert session_token(first)
    stored.headers.update({"Set-Cookie": first.headers["Set-Cookie"]})
    assert "Set-Cookie" not in ask(app, "/stored", bearer(token)).headers


# Changes.


@pytest.mark.parametrize("cookie", [False, True], ids=["", "with a cookie"])
def test_a_token_cannot_be_changed(app: Flask, signals: Signals, token: str, cookie: bool) -> None:
    with_cookie = graces_cookie(app) if cookie else ""
    body = {"data": {"nick": "x"}}
    for path in ("/update", "/auth/session"):
        response = ask(app, path, bearer(token), cookie=with_cookie, method="POST", json=body)
        assert response.status_code == 400
        assert problem_code(response) == "update_refused"
    assert signals == []
    assert "company_id" not in unseal(app, token)


@pytest.mark.parametrize("header", ["Bearer", "Bearer x"])
def test_nobody_cannot_be_changed_either(app: Flask, header: str) -> None:
    """Not the person of the cookie, above all."""
    cookie = graces_cookie(app)
    refused = ask(app, "/update", header, cookie=cookie, method="POST")
    assert (refused.status_code, problem_code(refused)) == (400, "update_refused")
    refused = ask(app, "/auth/session", header, cookie=cookie, method="POST")
    assert (refused.status_code, problem_code(refused)) == (401, "invalid_token")
    assert refused.headers["WWW-Authenticate"] == INVALID_TOKEN


@pytest.mark.parametrize("header", ["the token", "Bearer", "Bearer x"])
@pytest.mark.parametrize(
    ("path", "sent"),
    [("/sign-in", {}), ("/auth/callback/credentials", {"data": {"password": "ok"}})],
)
def test_nobody_is_signed_in_to_a_cookie(
    app: Flask, signals: Signals, token: str, header: str, path: str, sent: dict[str, Any]
) -> None:
    header = bearer(token) if header == "the token" else header
    accepts = {"Accept": "application/json"}
    response = ask(app, path, header, method="POST", headers=accepts, **sent)
    assert response.status_code == 403
    assert problem_code(response) == "access_denied"
    assert [name for name, _ in signals if name != "session-rejected"] == []
    assert ask(app, "/who", bearer(token)).text == "ada"  # and it is not replaced


@pytest.mark.parametrize("path", ["/sign-out", "/auth/signout"])
@pytest.mark.parametrize("token_format", FORMATS)
def test_a_sign_out_revokes_the_token(clock: Clock, path: str, token_format: str) -> None:
    app, _ = make_api(clock, **FORMATS[token_format])
    token = ask(app, "/token", method="POST").text
    other = ask(app, "/token", method="POST").text
    with listening(app) as heard:
        response = ask(app, path, bearer(token), method="POST")
        assert response.status_code in (200, 302)
        assert told(heard) == [("signed-out", "user")]
        assert heard[0][1]["session"].token["sub"] == "created"
        assert ask(app, "/who", bearer(token)).text == "nobody"
        assert told(heard) == [("signed-out", "user"), ("session-rejected", "revoked")]
    assert ask(app, "/who", bearer(other)).text == "created"


def test_a_sign_out_with_a_token_leaves_the_browsers_session(app: Flask, token: str) -> None:
    cookie = graces_cookie(app)
    ask(app, "/sign-out", bearer(token), cookie=cookie, method="POST")
    ask(app, "/sign-out", "Bearer x", cookie=cookie, method="POST")
    ask(app, "/auth/signout", "Bearer", cookie=cookie, method="POST")
    assert ask(app, "/who", cookie=cookie).text == "grace"
    assert ask(app, "/who", bearer(token)).text == "nobody"


def test_a_sign_out_in_the_browser_leaves_the_token(app: Flask, token: str) -> None:
    ask(app, "/sign-out", cookie=graces_cookie(app), method="POST")
    assert ask(app, "/who", bearer(token)).text == "ada"


def test_a_sign_out_of_a_session_ends_it_in_both_places(app: Flask) -> None:
    """The same token, in a header and in a cookie."""
    cookie = graces_cookie(app)
    token = cookie.partition("=")[2]
    assert ask(app, "/who", bearer(token)).text == "grace"
    ask(app, "/sign-out", cookie=cookie, method="POST")
    assert ask(app, "/who", bearer(token)).text == "nobody"


def test_claims_that_the_jwt_callback_changes_count_for_the_request(
    app: Flask, auth: JWTSession, token: str
) -> None:
    counts: list[int] = []

    @auth.jwt_callback
    def jwt(claims: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        counts.append(claims.get("count", 0))
        return {**claims, "count": claims.get("count", 0) + 1, "sub": "somebody else"}

    app.add_url_rule("/count", "count", lambda: str(current_session.token["count"]))
    assert [ask(app, "/count", bearer(token)).text for _ in range(2)] == ["1", "1"]
    assert counts == [0, 0]
    assert ask(app, "/who", bearer(token)).text == "ada"  # a reserved claim is put back


def test_an_error_of_a_callback_leaves_the_token_as_good_as_it_was(
    app: Flask, auth: JWTSession, token: str
) -> None:
    fails = [True, False]

    @auth.jwt_callback
    def jwt(claims: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if fails.pop(0):
            raise RuntimeError("the database is away")
        return claims

    assert ask(app, "/who", bearer(token)).status_code == 500
    assert ask(app, "/who", bearer(token)).text == "ada"


def test_none_of_the_jwt_callback_ends_the_session(
    app: Flask, auth: JWTSession, signals: Signals, token: str
) -> None:
    answers = [None]
    auth.jwt_callback(lambda token, event: answers.pop() if answers else token)
    assert ask(app, "/who", bearer(token)).text == "nobody"
    assert told(signals) == [("signed-out", "callback")]
    assert ask(app, "/who", bearer(token)).text == "nobody"


# Tokens that are no good.


GUARDED = ["/private", "/admin", "/company", "/fresh"]


@pytest.mark.parametrize("path", GUARDED)
def test_a_token_passes_the_guards(app: Flask, path: str) -> None:
    token = token_of(app, role="admin", company_id=7)
    assert ask(app, path, bearer(token)).status_code == 200


#: What becomes of a token that is no good, and why it is not.
REFUSED: dict[str, tuple[str, Callable[[Flask], str]]] = {
    "nonsense": ("malformed", lambda app: "Bearer x"),
    "no token": ("malformed", lambda app: "Bearer"),
    "quoted": ("malformed", lambda app: f'Bearer "{token_of(app)}"'),
    "tampered": ("decryption", lambda app: bearer(token_of(app)[:-4] + "AAAA")),
    "no key of ours": (
        "unknown_key",
        lambda app: bearer(token_of(make_app(Clock(), SECRET=OTHER_SECRET)[0])),
    ),
    "no JSON": ("payload", lambda app: bearer(seal(app, b"no JSON"))),
    "from the future": ("claims", lambda app: bearer(token_of(app, iat=int(NOW) + 1000))),
    "expired": ("expired", expired),
}
REFUSALS = pytest.mark.parametrize(("reason", "header"), REFUSED.values(), ids=REFUSED)


@REFUSALS
def test_a_token_that_is_no_good_is_rejected_each_time(
    app: Flask, signals: Signals, reason: str, header: Callable[[Flask], str]
) -> None:
    sent = header(app)
    for path in ("/who", "/private", "/auth/session", "/auth/session/status"):
        signals.clear()
        ask(app, path, sent, cookie=graces_cookie(app))
        assert signals == [("session-rejected", {"reason": reason})]


@REFUSALS
def test_nothing_tells_one_token_that_is_no_good_from_another(
    app: Flask, reason: str, header: Callable[[Flask], str]
) -> None:
    for path in ("/who", "/private", "/auth/session", "/auth/session/status"):
        response, expected = ask(app, path, header(app)), ask(app, path, "Bearer x")
        assert response.status_code == expected.status_code
        assert sorted(response.headers) == sorted(expected.headers)
        assert response.data == expected.data


def revoke_session_of(app: Flask, token: str) -> None:
    with app.app_context():
        revoke_session(unseal(app, token)["sid"])


def revoke_person_of(app: Flask, token: str) -> None:
    with app.app_context():
        revoke_user(unseal(app, token)["sub"])


def sign_out_of(app: Flask, token: str) -> None:
    ask(app, "/auth/signout", bearer(token), method="POST")


ENDS = pytest.mark.parametrize("end", [revoke_session_of, revoke_person_of, sign_out_of])


@ENDS
def test_the_application_is_told_of_the_end_of_a_revoked_token_once(
    app: Flask, clock: Clock, signals: Signals, token: str, end: Callable[[Flask, str], None]
) -> None:
    clock.advance(1)
    end(app, token)
    for _ in range(3):
        assert ask(app, "/who", bearer(token), cookie=graces_cookie(app)).text == "nobody"
    names = [name for name, _ in signals]
    assert names.count("signed-out") == 1
    assert told(signals)[-2:] == [("session-rejected", "revoked")] * 2


def test_a_token_that_is_created_after_a_person_was_revoked_is_good(
    app: Flask, clock: Clock
) -> None:
    old = ask(app, "/token", method="POST").text
    with app.app_context():
        revoke_user("created")
    new = ask(app, "/token", method="POST").text
    assert [ask(app, "/who", bearer(one)).text for one in (old, new)] == ["nobody", "created"]


@CLIENT
def test_a_protected_application_takes_tokens(clock: Clock, headers: dict[str, str]) -> None:
    app, _ = make_api(clock, PROTECT_ALL=True)
    app.add_url_rule("/open", "open", public(lambda: "open"))
    assert ask(app, "/unused", bearer(token_of(app)), headers=headers).text == "unused"
    for header in ("Bearer", "Bearer x", expired(app)):
        refused = ask(app, "/unused", header, cookie=graces_cookie(app), headers=headers)
        assert (refused.status_code, problem_code(refused)) == (401, "invalid_token")
        assert refused.headers["WWW-Authenticate"] == INVALID_TOKEN
        assert ask(app, "/open", header, headers=headers).text == "open"
        assert ask(app, "/nowhere", header, headers=headers).status_code == 404
        assert ask(app, "/auth/session", header, headers=headers).get_json() is None


def test_a_preflight_is_answered_without_a_token(app: Flask) -> None:
    asked = {"Access-Control-Request-Headers": "authorization", **CROSS_SITE}
    response = ask(app, "/private", method="OPTIONS", headers=asked)
    assert response.status_code == 200
    assert "WWW-Authenticate" not in response.headers


# Our endpoints.


def test_the_session_of_a_token_is_shown(app: Flask, token: str) -> None:
    response = ask(app, "/auth/session", bearer(token), cookie=graces_cookie(app, name="Grace"))
    assert response.get_json() == {
        "user": {"name": "Ada", "email": "ada@example.com", "image": None},
        "expires": "2027-01-15T09:00:00.000Z",
    }


@REFUSALS
def test_nobodys_session_is_null(app: Flask, reason: str, header: Callable[[Flask], str]) -> None:
    response = ask(app, "/auth/session", header(app), cookie=graces_cookie(app))
    assert (response.status_code, response.get_json()) == (200, None)


def test_the_status_of_a_token(app: Flask, token: str) -> None:
    cookie = graces_cookie(app)
    response = ask(app, "/auth/session/status", bearer(token), cookie=cookie)
    assert response.get_json() == {
        "status": "authenticated",
        "expires": "2027-01-15T09:00:00.000Z",
    }
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("path", ["/auth/session/status", "/auth/session", "/auth/session/refresh"])
def test_the_challenge_of_our_endpoints(app: Flask, path: str) -> None:
    method = "GET" if path.endswith("status") else "POST"
    send = partial(ask, app, path, method=method, headers=SAME_ORIGIN)
    for header, challenge in ((None, CHALLENGE), ("Bearer", INVALID_TOKEN)):
        response = send(header)
        assert response.status_code == 401
        assert response.headers.getlist("WWW-Authenticate") == [challenge]


@CLIENT
def test_an_endpoint_refuses_a_token_in_a_way_that_a_program_understands(
    app: Flask, token: str, headers: dict[str, str]
) -> None:
    response = ask(app, "/auth/session", bearer(token), method="POST", headers=headers)
    assert (response.status_code, problem_code(response)) == (400, "update_refused")


# Caches.


@pytest.mark.parametrize("header", [None, "the token", "Bearer x", "Basic eDp5"])
@pytest.mark.parametrize("path", ["/who", "/private", "/auth/session", "/auth/session/status"])
def test_what_depends_on_the_header_says_so(
    app: Flask, token: str, header: str | None, path: str
) -> None:
    header = bearer(token) if header == "the token" else header
    assert vary(ask(app, path, header)) == {"cookie", "authorization"}


def test_what_else_an_answer_depends_on_is_kept(app: Flask, token: str) -> None:
    @app.get("/accept")
    def accept() -> Response:
        return Response(str(bool(current_session)), headers={"Vary": "Accept"})

    response = ask(app, "/accept", bearer(token))
    assert vary(response) == {"accept", "cookie", "authorization"}


def test_without_tokens_in_headers_an_answer_does_not_depend_on_them(clock: Clock) -> None:
    app, _ = make_api(clock, TOKEN_LOCATIONS=("cookie",))
    assert vary(ask(app, "/who", "Bearer x")) == {"cookie"}


@pytest.mark.parametrize("path", ["/auth/session", "/auth/session/status"])
@pytest.mark.parametrize("header", ["the token", "Bearer x"])
def test_no_cache_keeps_what_our_endpoints_say_of_a_token(
    app: Flask, token: str, path: str, header: str
) -> None:
    response = ask(app, path, bearer(token) if header == "the token" else header)
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"


# The store.


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


def test_while_the_store_is_away_nobody_knows_whether_a_token_is_good(
    clock: Clock, store: FaultyStore
) -> None:
    app, _ = make_api(clock, STORE=store)
    app.add_url_rule("/error", "error", lambda: str(current_session.error))
    token, cookie = token_of(app), graces_cookie(app)
    store.refused = {"get_many"}
    with listening(app) as heard:
        for path, method in [
            *((path, "GET") for path in (*GUARDED, "/auth/session", "/auth/session/status")),
            ("/auth/session/refresh", "POST"),
        ]:
            response = ask(app, path, bearer(token), cookie=cookie, method=method)
            assert (response.status_code, problem_code(response)) == (503, "store_unavailable")
            assert response.headers["Retry-After"] == "5"
            assert "WWW-Authenticate" not in response.headers
        assert ask(app, "/who", bearer(token), cookie=cookie).text == "nobody"
        assert ask(app, "/error", bearer(token), cookie=cookie).text == "store_unavailable"
    assert heard == []
    store.refused = set()
    assert ask(app, "/who", bearer(token)).text == "ada"


def test_while_the_store_is_away_a_token_that_is_no_good_is_no_better(
    clock: Clock, store: FaultyStore
) -> None:
    app, _ = make_api(clock, STORE=store)
    store.refused = {"get_many"}
    for header in ("Bearer", "Bearer x", expired(app)):
        response = ask(app, "/private", header)
        assert (response.status_code, problem_code(response)) == (401, "invalid_token")


def test_an_open_application_serves_tokens_while_the_store_is_away(
    clock: Clock, store: FaultyStore
) -> None:
    app, _ = make_api(clock, STORE=store, STORE_FAILURE="open")
    store.refused = {"get_many"}
    assert ask(app, "/who", bearer(token_of(app))).text == "ada"
    assert ask(app, "/private", bearer(token_of(app))).status_code == 200


def test_a_sign_out_that_cannot_be_written_down_is_told_of(
    clock: Clock, store: FaultyStore
) -> None:
    app, _ = make_api(clock, STORE=store)
    store.refused = {"put"}
    with listening(app) as heard:
        ask(app, "/sign-out", bearer(token_of(app)), method="POST")
    [(_, arguments)] = heard
    assert arguments["session"].error == "revocation_unavailable"


def test_without_a_store_a_token_is_good_until_it_is_over(clock: Clock) -> None:
    app, _ = make_api(clock, STORE=None)
    token = ask(app, "/token", method="POST").text
    ask(app, "/sign-out", bearer(token), method="POST")
    assert ask(app, "/who", bearer(token)).text == "created"


def test_a_request_with_a_token_reads_the_store_once(clock: Clock, store: FaultyStore) -> None:
    app, _ = make_api(clock, STORE=store)
    token = token_of(app)
    store.calls.clear()
    ask(app, "/private", bearer(token), cookie=graces_cookie(app))
    assert store.calls == ["get_many"]
    ask(app, "/private", "Bearer x", cookie=graces_cookie(app))
    assert store.calls == ["get_many"]


# The log.


def test_a_flood_of_bad_tokens_is_logged_once_a_kind(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    over, cut = expired(app), token_of(app)[:-8] + "AAAAAAAA"
    for number in range(50):
        ask(app, "/private", f"Bearer nonsense{number}")
        ask(app, "/who", over)
        ask(app, "/auth/session", bearer(cut))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "A bearer token was not accepted: decryption",
        "A bearer token was not accepted: expired",
        "A bearer token was not accepted: malformed",
    ]


def test_sec_202_no_token_is_in_the_log_or_in_an_answer(
    app: Flask, auth: JWTSession, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auth.jwt_callback(lambda token, event: token)
    headers = [bearer(token), expired(app), bearer(token[:-4] + "AAAA"), f'Bearer "{token}"']
    said = [
        ask(app, path, header, method=method).text
        for header in headers
        for method, path in [
            *(("GET", path) for path in (*GUARDED, "/auth/session", "/auth/session/status")),
            *(("POST", path) for path in ("/update", "/sign-in", "/sign-out", "/auth/session")),
        ]
    ]
    for text in (*said, caplog.text):
        assert "eyJ" not in text


# Access and refresh cookies.


@pytest.fixture
def pair(clock: Clock) -> tuple[Flask, list[str], dict[str, str]]:
    """An app with a refresh cookie, whose re-authentications are counted, and somebody's
    cookies.
    """
    app, auth = make_api(clock, REFRESH_COOKIE=True, MAX_AGE=600)
    asked: list[str] = []

    @auth.reauth_callback
    def reauth(claims: dict[str, Any]) -> dict[str, Any]:
        asked.append(claims["sub"])
        return {"name": "Ada"}

    cookies = set_cookies(ask(app, "/sign-in", method="POST"))
    return app, asked, {name.partition(".")[2]: one.value for name, one in cookies.items()}


def jar(cookies: dict[str, str]) -> str:
    return "; ".join(f"jwtsession.{name}={value}" for name, value in cookies.items())


def test_sec_017_a_refresh_token_in_a_header_is_nobodys(
    clock: Clock, pair: tuple[Flask, list[str], dict[str, str]]
) -> None:
    app, asked, cookies = pair
    assert ask(app, "/who", bearer(cookies["session-token"])).text == "u1"
    for _ in range(2):
        with listening(app) as heard:
            assert ask(app, "/who", bearer(cookies["refresh-token"])).text == "nobody"
        assert told(heard) == [("session-rejected", "unknown_key")]
        refused = ask(app, "/private", bearer(cookies["refresh-token"]))
        assert refused.headers["WWW-Authenticate"] == INVALID_TOKEN
        clock.advance(700)
    assert asked == []


def test_sec_214_a_refresh_token_in_a_header_is_nobodys_with_signed_tokens(clock: Clock) -> None:
    app, _ = make_api(clock, **FORMATS["EdDSA pair"])
    cookies = set_cookies(ask(app, "/sign-in", method="POST"))
    refresh = cookies["jwtsession.refresh-token"].value
    assert ask(app, "/who", bearer(refresh)).text == "nobody"


@pytest.mark.parametrize("header", ["the access token", "a created token", "Bearer x", "Bearer"])
def test_a_request_with_a_token_never_looks_at_the_refresh_cookie(
    clock: Clock, pair: tuple[Flask, list[str], dict[str, str]], header: str
) -> None:
    app, asked, cookies = pair
    if header == "the access token":
        header = bearer(cookies["session-token"])
    elif header == "a created token":
        header = bearer(ask(app, "/token", method="POST").text)
    clock.advance(601)
    for path in ("/who", "/private", "/auth/session", "/auth/session/status", "/auth/csrf"):
        response = ask(app, path, header, cookie=jar(cookies))
        assert "Set-Cookie" not in response.headers
        assert response.status_code == (401 if path in ("/private",) or "status" in path else 200)
    for path in ("/update", "/auth/session", "/refresh", "/auth/session/refresh"):
        refused = ask(app, path, header, cookie=jar(cookies), method="POST")
        assert refused.status_code in (400, 401)
    for path in ("/sign-out", "/auth/signout", "/sign-in"):
        ask(app, path, header, cookie=jar(cookies), method="POST")
    assert asked == []
    # It is as good as it was.
    assert ask(app, "/who", cookie=jar(cookies)).text == "u1"
    assert asked == ["u1"]


def test_an_access_token_in_a_header_ends_with_its_session(
    pair: tuple[Flask, list[str], dict[str, str]],
) -> None:
    app, _, cookies = pair
    ask(app, "/sign-out", bearer(cookies["session-token"]), method="POST")
    assert ask(app, "/who", cookie=jar(cookies)).text == "nobody"
    refresh_alone = jar({"refresh-token": cookies["refresh-token"]})
    assert ask(app, "/who", cookie=refresh_alone).text == "nobody"


def test_a_refresh_token_behind_the_scheme_of_a_cookie_is_none(
    clock: Clock, pair: tuple[Flask, list[str], dict[str, str]]
) -> None:
    """A token in the header is never one of the cookies."""
    app, asked, cookies = pair
    clock.advance(601)
    both = f"{bearer(cookies['refresh-token'])}"
    assert ask(app, "/who", both, cookie=jar(cookies)).text == "nobody"
    assert asked == []


# Provider tokens.

LIFETIME = 3600

KEPT: dict[str, dict[str, Any]] = {
    "cookie, encrypted": {"PROVIDER_TOKENS": "cookie"},
    "store, encrypted": {"PROVIDER_TOKENS": "store"},
    "store, signed": {"PROVIDER_TOKENS": "store", **FORMATS["ES256"]},
    "store, pair": {"REFRESH_COOKIE": True, "MAX_AGE": 10 * LIFETIME},
}


@pytest.fixture(params=KEPT.values(), ids=list(KEPT))
def client(
    request: pytest.FixtureRequest, clock: Clock, provider: FaultyProvider
) -> tuple[Flask, str]:
    """An app whose people come from a provider, and a token with somebody's account there."""
    app, auth = make_application(clock, provider, TOKEN_LOCATIONS=BOTH, **request.param)
    auth.reauth_callback(lambda claims: {})

    @app.post("/token")
    def token() -> str:
        return create_token({"id": "ada"}, account=current_session.account)

    @app.post("/refresh")
    def refresh() -> Any:
        refresh_session()
        return jsonify(account={**vars(current_session.account)})

    browser = Browser(app, provider)
    browser.sign_in()
    return app, browser.client.post("/token", headers=SAME_ORIGIN).text


def account_of(app: Flask, token: str, path: str = "/account", method: str = "GET") -> Any:
    response = ask(app, path, bearer(token), method=method)
    assert response.status_code == 200, response.text
    assert "Set-Cookie" not in response.headers
    return response.get_json()["account"]


def test_the_provider_tokens_of_a_client_are_fresh(
    client: tuple[Flask, str], clock: Clock, provider: FaultyProvider
) -> None:
    app, token = client
    before = account_of(app, token)
    assert provider.is_live(before["access_token"])
    seen = {before["access_token"]}
    for number in range(1, 6):
        clock.advance(LIFETIME)
        found = [account_of(app, token) for _ in range(3)]
        assert found[0] == found[1] == found[2]
        assert provider.is_live(found[0]["access_token"])
        assert provider.count("refresh") == number
        seen.add(found[0]["access_token"])
    assert len(seen) == 6


def test_sec_210_of_parallel_requests_of_a_client_one_refreshes(
    client: tuple[Flask, str],
    clock: Clock,
    provider: FaultyProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flask_jwtsession.refresh.PATIENCE", 60.0)
    app, token = client
    clock.advance(LIFETIME)
    found = at_once(*[partial(account_of, app, token)] * 12)
    assert {one["access_token"] for one in found} == {found[0]["access_token"]}
    assert provider.is_live(found[0]["access_token"])
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("path", ["/refresh", "/auth/session/refresh"])
def test_a_client_may_have_its_provider_tokens_refreshed(
    client: tuple[Flask, str], provider: FaultyProvider, path: str
) -> None:
    app, token = client
    before = account_of(app, token)
    response = ask(app, path, bearer(token), method="POST", headers=CROSS_SITE)
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    after = account_of(app, token)
    assert after["access_token"] != before["access_token"]
    assert provider.is_live(after["access_token"])
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("path", ["/refresh", "/auth/session/refresh"])
def test_a_client_may_have_them_refreshed_again(
    client: tuple[Flask, str], clock: Clock, provider: FaultyProvider, path: str
) -> None:
    """Though its own token is what it was, and knows of no newer ones."""
    app, token = client
    for number in range(1, 4):
        assert ask(app, path, bearer(token), method="POST").status_code == 200
        assert provider.count("refresh") == number
        assert provider.is_live(account_of(app, token)["access_token"])
        clock.advance(60)


def test_sec_210_of_two_that_ask_for_new_ones_at_once_one_gets_them_for_both(
    clock: Clock, provider: FaultyProvider, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_jwtsession.refresh.PATIENCE", 60.0)
    app, _ = make_application(clock, provider, TOKEN_LOCATIONS=BOTH, STORE=store)
    browser = Browser(app, provider)
    browser.sign_in()
    token = browser.session_cookie().partition("=")[2]
    begin = partial(ask, app, "/auth/session/refresh", bearer(token), method="POST")
    with ThreadPoolExecutor(2) as threads, provider.holding_refreshes() as hold:
        first = threads.submit(begin)
        assert hold.arrived.wait(timeout=30)
        before = len(store.calls)
        second = threads.submit(begin)
        give_up, nothing = monotonic() + 30, Event()
        while len(store.calls) < before + 2 and monotonic() < give_up:
            nothing.wait(0.005)  # until it has read what there is, and waits
        hold.go_on.set()
        assert [one.result(timeout=30).status_code for one in (first, second)] == [200, 200]
    assert provider.count("refresh") == 1
    assert provider.is_live(account_of(app, token)["access_token"])


def test_without_a_store_the_provider_tokens_of_a_client_are_fresh_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Where a cookie would have the new refresh token, nothing has it but this process."""
    app, _ = make_application(clock, provider, TOKEN_LOCATIONS=BOTH, STORE=None)
    browser = Browser(app, provider)
    browser.sign_in()
    token = browser.session_cookie().partition("=")[2]
    for _ in range(3):
        clock.advance(2 * LIFETIME)
        assert provider.is_live(account_of(app, token)["access_token"])


def test_what_the_jwt_callback_makes_of_new_tokens_is_in_every_request_after_them(
    clock: Clock, provider: FaultyProvider
) -> None:
    """The token that the client has does not change: the callback is told each time."""
    app, auth = make_application(clock, provider, TOKEN_LOCATIONS=BOTH)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "refresh":
            assert event.account is not None
            token["scope"] = event.account.access_token
        return token

    browser = Browser(app, provider)
    browser.sign_in()
    token = browser.session_cookie().partition("=")[2]
    clock.advance(LIFETIME)
    for _ in range(3):
        answer = ask(app, "/account", bearer(token)).get_json()
        assert answer["claims"]["scope"] == answer["account"]["access_token"]


def test_a_logout_at_the_provider_ends_its_clients_too(
    client: tuple[Flask, str], clock: Clock, provider: FaultyProvider
) -> None:
    app, token = client
    assert provider.is_live(account_of(app, token)["access_token"])
    clock.advance(1)
    told_by_provider = logout_token(provider, sid=None)
    path = "/auth/backchannel-logout/op"
    assert ask(app, path, method="POST", data={"logout_token": told_by_provider}).status_code == 200
    assert ask(app, "/auth/session", bearer(token)).get_json() is None


def test_a_sign_out_of_a_client_ends_its_provider_tokens(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, TOKEN_LOCATIONS=BOTH, FEDERATED_SIGN_OUT=True)
    browser = Browser(app, provider)
    browser.sign_in()
    token = browser.session_cookie().partition("=")[2]
    refresh_token = browser.account()["account"]["refresh_token"]
    response = ask(app, "/auth/signout", bearer(token), method="POST")
    assert response.status_code == 302
    assert "Set-Cookie" not in response.headers
    # In the background: who signs out does not wait for the provider.
    give_up, nothing = monotonic() + 30, Event()
    while provider.is_live(refresh_token) and monotonic() < give_up:
        nothing.wait(0.005)
    assert not provider.is_live(refresh_token)
