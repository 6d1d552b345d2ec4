from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Blueprint, Flask, Response, jsonify
from flask.views import MethodView, View
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from flask_jwtsession import (
    JWTSession,
    claims_required,
    csrf_exempt,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    public,
    roles_required,
    sign_in,
    sign_out,
)

from .scenes import cookie_of, visit
from .support import (
    CROSS_SITE,
    NAVIGATION,
    NOW,
    SAME_ORIGIN,
    SECRET,
    Clock,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    set_cookies,
)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def inside() -> str:
    return "inside"


async def inside_async() -> str:
    await asyncio.sleep(0)
    return f"inside {current_session.token['sub']}"


# Every guard, with and without parentheses, on sync and async views.

GUARDS: list[tuple[str, Decorator, dict[str, Any]]] = [
    ("login_required", login_required, {}),
    ("login_required()", login_required(), {}),
    ("fresh_login_required", fresh_login_required, {}),
    ("fresh_login_required()", fresh_login_required(), {}),
    ("fresh_login_required(max_age)", fresh_login_required(max_age=60), {}),
    ("fresh_login_required(timedelta)", fresh_login_required(max_age=timedelta(minutes=1)), {}),
    ("roles_required", roles_required("admin"), {"role": "admin"}),
    ("claims_required", claims_required(company_id=7), {"company_id": 7}),
]
each_guard = pytest.mark.parametrize(
    ("guard", "claims"), [pytest.param(*rest, id=name) for name, *rest in GUARDS]
)


@each_guard
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_guard_lets_the_right_person_in(
    app: Flask, guard: Decorator, claims: dict[str, Any], kind: str
) -> None:
    view = guard(inside if kind == "sync" else inside_async)
    response = visit(app, view, cookie_of(app, **claims))
    assert (response.status_code, response.text[:6]) == (200, "inside")


@each_guard
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("cookie", ["none", "garbage", "expired", "no subject"])
def test_a_guard_keeps_an_anonymous_person_out(
    app: Flask, guard: Decorator, claims: dict[str, Any], kind: str, cookie: str
) -> None:
    header = {
        "none": "",
        "garbage": "jwtsession.session-token=garbage",
        "expired": cookie_of(app, now=NOW - 7200, **claims),
        "no subject": cookie_of(app, sub="None", **claims),
    }[cookie]
    response = visit(app, guard(inside if kind == "sync" else inside_async), header)
    assert response.status_code == 401
    assert "inside" not in response.text


@each_guard
def test_a_guard_keeps_the_name_of_its_view(guard: Decorator, claims: dict[str, Any]) -> None:
    assert guard(inside).__name__ == "inside"


def untyped(guard: object) -> Any:
    """A guard as code sees it that no type checker reads."""
    return guard


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(
            lambda: untyped(roles_required)(inside), id="roles_required without parentheses"
        ),
        pytest.param(lambda: roles_required(), id="roles_required without roles"),
        pytest.param(lambda: untyped(roles_required)(7), id="a role that is no string"),
        pytest.param(lambda: untyped(roles_required)(["admin"]), id="a list of roles"),
        pytest.param(lambda: claims_required(), id="claims_required without claims"),
        pytest.param(
            lambda: untyped(claims_required)(inside), id="claims_required without parentheses"
        ),
        pytest.param(
            lambda: untyped(login_required)("admin"), id="login_required with an argument"
        ),
        pytest.param(lambda: untyped(fresh_login_required)(300), id="max_age by position"),
        pytest.param(lambda: untyped(fresh_login_required)(max_age="300"), id="max_age as text"),
        pytest.param(lambda: untyped(public)("x"), id="public with an argument"),
        pytest.param(lambda: untyped(csrf_exempt)("x"), id="csrf_exempt with an argument"),
    ],
)
def test_a_guard_used_wrongly_is_a_type_error_where_it_is_written(
    use: Callable[[], object],
) -> None:
    with pytest.raises(TypeError):
        use()


# Roles and claims.


@pytest.mark.parametrize(
    ("claims", "roles", "any_of", "status"),
    [
        ({"role": "admin"}, ["admin"], False, 200),
        ({"role": "admin"}, ["admin", "editor"], False, 403),
        ({"role": "admin"}, ["admin", "editor"], True, 200),
        ({"roles": ["admin", "editor"]}, ["admin", "editor"], False, 200),
        ({"roles": ["admin"], "role": "editor"}, ["admin", "editor"], False, 200),
        ({"roles": ["admin"]}, ["Admin"], False, 403),
        ({"roles": "admin"}, ["admin"], False, 403),
        ({"roles": "superadmin"}, ["admin"], False, 403),
        ({"role": ["admin"]}, ["admin"], False, 403),
        ({"roles": {"admin": True}}, ["admin"], False, 403),
        ({"roles": [["admin"], None, 7]}, ["admin"], True, 403),
        ({"role": None, "roles": None}, ["admin"], True, 403),
        ({}, ["admin"], False, 403),
    ],
)
def test_roles_are_the_claims_roles_and_role(
    app: Flask, claims: dict[str, Any], roles: list[str], any_of: bool, status: int
) -> None:
    view = roles_required(*roles, any_of=any_of)(inside)
    assert visit(app, view, cookie_of(app, **claims)).status_code == status


@pytest.mark.parametrize(
    ("held", "wanted", "status"),
    [
        ({"company_id": 7}, {"company_id": 7}, 200),
        ({"company_id": 8}, {"company_id": 7}, 403),
        ({"company_id": "7"}, {"company_id": 7}, 403),
        ({}, {"company_id": 7}, 403),
        ({}, {"company_id": None}, 403),
        ({"company_id": None}, {"company_id": None}, 200),
        ({"verified": True}, {"verified": True}, 200),
        ({"verified": 1}, {"verified": True}, 403),
        ({"verified": True}, {"verified": 1}, 403),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, 200),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, 403),
        ({"_session": {"x": 1}}, {"_session": {"x": 1}}, 403),
    ],
)
def test_every_claim_must_have_its_value(
    app: Flask, held: dict[str, Any], wanted: dict[str, Any], status: int
) -> None:
    view = claims_required(**wanted)(inside)
    assert visit(app, view, cookie_of(app, **held)).status_code == status


@pytest.mark.parametrize(
    ("guard", "code"),
    [(roles_required("admin"), "role_required"), (claims_required(a=1), "claim_required")],
)
@pytest.mark.parametrize("headers", [{}, NAVIGATION, {"HX-Request": "true"}])
def test_signed_in_but_not_allowed_is_403_for_everybody(
    app: Flask, guard: Decorator, code: str, headers: dict[str, str]
) -> None:
    response = visit(app, guard(inside), cookie_of(app), headers=headers)
    assert response.status_code == 403
    if headers is not NAVIGATION:
        assert response.get_json(force=True)["code"] == code


# Fresh sign-ins (SEC-090).


@pytest.mark.parametrize(
    ("age", "status"),
    [
        pytest.param(0, 200, id="SEC-090 now"),
        pytest.param(900, 200, id="SEC-090 at the limit"),
        pytest.param(900.5, 401, id="SEC-090 over the limit"),
    ],
)
def test_a_sign_in_is_fresh_for_fifteen_minutes(
    app: Flask, clock: Clock, age: float, status: int
) -> None:
    cookie = cookie_of(app)
    clock.advance(age)
    response = visit(app, fresh_login_required(inside), cookie)
    assert response.status_code == status
    if status == 401:
        assert response.get_json(force=True)["code"] == "fresh_login_required"


def test_sec_090_rolling_and_updating_make_no_session_fresh(app: Flask, clock: Clock) -> None:
    clock.advance(1000)
    cookie = cookie_of(app, iat=NOW + 1000, exp=NOW + 4600)
    assert visit(app, fresh_login_required(inside), cookie).status_code == 401


def test_sec_090_a_session_that_an_authjs_server_began_is_never_fresh(app: Flask) -> None:
    claims = claims_at(NOW)
    del claims["auth_time"], claims["sid"]
    cookie = f"{session_cookie_name(app)}={seal(app, claims)}"
    assert visit(app, fresh_login_required(inside), cookie).status_code == 401
    assert visit(app, login_required(inside), cookie).status_code == 200


def test_sec_090_a_browser_is_sent_to_sign_in_once_more(app: Flask, clock: Clock) -> None:
    cookie = cookie_of(app)
    clock.advance(1000)
    response = visit(app, fresh_login_required(inside), cookie, headers=NAVIGATION)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/auth/signin?callbackUrl=")


# The refusal.

CLIENTS: list[tuple[str, dict[str, str], int]] = [
    ("a browser's navigation", NAVIGATION, 302),
    ("an old browser", {"Accept": "text/html,*/*;q=0.8"}, 302),
    ("a browser's fetch", {"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, 401),
    ("a fetch that accepts html", {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, 401),
    ("json", {"Accept": "application/json"}, 401),
    ("anything", {"Accept": "*/*"}, 401),
    ("no accept", {}, 401),
    ("xhr", {"X-Requested-With": "XMLHttpRequest", "Accept": "*/*"}, 401),
    ("htmx", {"HX-Request": "true", "Accept": "text/html"}, 401),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("headers", "status"), [pytest.param(*rest, id=name) for name, *rest in CLIENTS]
)
def test_every_kind_of_client_gets_the_refusal_it_understands(
    app: Flask, headers: dict[str, str], status: int, method: str
) -> None:
    response = visit(app, login_required(inside), method=method, headers=headers)
    assert response.status_code == (303 if status == 302 and method == "POST" else status)
    assert "no-store" in response.headers["Cache-Control"]
    assert "Cookie" in response.headers["Vary"]
    assert set_cookies(response) == {}
    if status == 302:
        assert urlsplit(response.headers["Location"]).path == "/auth/signin"
    else:
        assert response.mimetype == "application/problem+json"
    assert ("HX-Redirect" in response.headers) is ("HX-Request" in headers)


def test_a_refusal_names_its_code(app: Flask) -> None:
    body = visit(app, login_required(inside)).get_json(force=True)
    assert (body["status"], body["code"]) == (401, "login_required")


@pytest.mark.parametrize("path", ["/private", "/auth/session"])
def test_options_passes(app: Flask, path: str) -> None:
    assert app.test_client().options(path).status_code == 200


def callback_url(response: TestResponse) -> str | None:
    query = parse_qs(urlsplit(response.headers["Location"]).query)
    assert query.keys() <= {"callbackUrl"}
    return query["callbackUrl"][0] if query else None


@pytest.mark.parametrize(
    "target", ["/private", "/private?a=1&b=%2F", "/private?next=//evil.example", "/private?ü=1"]
)
def test_the_sign_in_page_leads_back(app: Flask, target: str) -> None:
    response = app.test_client().get(target, headers=NAVIGATION)
    assert callback_url(response) == quote(target, safe="/?&=%")


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        ("http://localhost/form?x=1", "http://localhost/form?x=1"),
        ("https://evil.example/form", None),
        (None, None),
    ],
)
def test_after_a_post_the_sign_in_page_leads_back_to_the_form(
    app: Flask, referer: str | None, expected: str | None
) -> None:
    headers = {**NAVIGATION, **SAME_ORIGIN, **({"Referer": referer} if referer else {})}
    response = visit(app, login_required(inside), method="POST", headers=headers)
    assert callback_url(response) == expected


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("http://localhost/list?page=2", "http://localhost/list?page=2"),
        ("https://evil.example/", None),
        (None, None),
    ],
)
def test_htmx_is_sent_back_to_the_page_that_it_is_on(
    app: Flask, current: str | None, expected: str | None
) -> None:
    headers = {"HX-Request": "true", **({"HX-Current-URL": current} if current else {})}
    response = visit(app, login_required(inside), headers=headers)
    query = parse_qs(urlsplit(response.headers["HX-Redirect"]).query)
    assert query.get("callbackUrl") == ([expected] if expected else None)


def test_the_refusal_of_an_app_below_a_path_stays_below_it(app: Flask) -> None:
    client = Client(DispatcherMiddleware(Flask("outer"), {"/app": app}))
    response = client.get("/app/private", headers=NAVIGATION)
    assert response.headers["Location"] == "/app/auth/signin?callbackUrl=%2Fapp%2Fprivate"


def test_the_applications_own_sign_in_page_is_used(clock: Clock) -> None:
    app, _ = make_app(clock, PAGES={"sign_in": "/login?from=app"})
    response = visit(app, login_required(inside), headers=NAVIGATION)
    assert response.headers["Location"] == "/login?from=app&callbackUrl=%2Fvisit"


# The application's own answers.


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("by", ["code", "class"])
def test_an_errorhandler_of_the_application_still_answers(app: Flask, status: int, by: str) -> None:
    kinds: dict[int, Any] = {401: Unauthorized, 403: Forbidden}

    def handler(error: Exception) -> tuple[Response, int]:
        return jsonify(own=str(error)), status

    app.register_error_handler(status if by == "code" else kinds[status], handler)
    cookie = cookie_of(app) if status == 403 else ""
    response = visit(app, roles_required("admin")(inside), cookie)
    assert response.status_code == status
    assert "own" in response.get_json()


def test_the_unauthorized_handler_answers_instead(app: Flask, auth: JWTSession) -> None:
    auth.unauthorized_handler(lambda: ("please sign in", 418))
    response = visit(app, login_required(inside), headers=NAVIGATION)
    assert (response.status_code, response.text) == (418, "please sign in")
    assert visit(app, roles_required("x")(inside), cookie_of(app)).status_code == 403


def test_the_unauthorized_handler_may_be_async(app: Flask, auth: JWTSession) -> None:
    @auth.unauthorized_handler
    async def please() -> tuple[str, int]:
        await asyncio.sleep(0)
        return "please sign in", 418

    assert visit(app, login_required(inside_async)).status_code == 418


@pytest.mark.parametrize("protection", ["guard", "PROTECT_ALL"])
def test_an_unauthorized_handler_that_forgets_to_answer_lets_nobody_in(
    clock: Clock, protection: str
) -> None:
    app, auth = make_app(clock, PROTECT_ALL=protection == "PROTECT_ALL")
    auth.unauthorized_handler(lambda: None)
    view = login_required(inside) if protection == "guard" else inside
    response = visit(app, view)
    assert response.status_code in (401, 500)
    assert "inside" not in response.text


# Where guards can stand.


def test_a_guard_decorates_a_method_view(app: Flask) -> None:
    class Item(MethodView):
        decorators: ClassVar[list[Callable[..., Any]]] = [login_required]

        def get(self, number: int) -> str:
            return f"item {number}"

    app.add_url_rule("/item/<int:number>", view_func=Item.as_view("item"))
    client = app.test_client()
    assert get(client, "/item/7", cookie_of(app)).text == "item 7"
    assert get(client, "/item/7").status_code == 401


def test_a_guard_decorates_one_method_of_a_view(app: Flask) -> None:
    class Item(MethodView):
        def get(self) -> str:
            return "open"

        @login_required
        async def post(self) -> str:
            return f"posted by {current_user['name']}"

    app.add_url_rule("/item", view_func=Item.as_view("item"))
    client = app.test_client(use_cookies=False)
    assert client.get("/item").text == "open"
    assert client.post("/item").status_code == 401
    response = client.post("/item", headers={**SAME_ORIGIN, "Cookie": cookie_of(app)})
    assert response.text == "posted by Ada"


def test_a_guard_decorates_a_view_class(app: Flask) -> None:
    class Page(View):
        decorators: ClassVar[list[Callable[..., Any]]] = [roles_required("admin")]

        def dispatch_request(self) -> str:
            return "page"

    app.add_url_rule("/page", view_func=Page.as_view("page"))
    assert get(app.test_client(), "/page", cookie_of(app, role="admin")).text == "page"
    assert get(app.test_client(), "/page", cookie_of(app)).status_code == 403


def test_a_guard_protects_a_blueprint_before_its_requests(app: Flask) -> None:
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")

    @blueprint.before_request
    @roles_required("admin")
    def check() -> None:
        return None

    blueprint.add_url_rule("/", "index", inside)
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert get(client, "/admin/", cookie_of(app, role="admin")).text == "inside"
    assert get(client, "/admin/", cookie_of(app)).status_code == 403
    assert get(client, "/admin/").status_code == 401


def test_guards_can_be_stacked(app: Flask) -> None:
    view = login_required(roles_required("admin")(claims_required(company_id=7)(inside)))
    assert visit(app, view, cookie_of(app, role="admin", company_id=7)).status_code == 200
    assert visit(app, view, cookie_of(app, role="admin")).status_code == 403


@pytest.mark.parametrize("verb", ["sign_out", "sign_in"])
def test_an_async_view_behind_a_guard_may_change_the_session(app: Flask, verb: str) -> None:
    @login_required
    async def view() -> str:
        await asyncio.sleep(0)
        if verb == "sign_out":
            sign_out()
        else:
            sign_in({"id": "u2"})
        return "done"

    response = visit(app, view, cookie_of(app))
    assert (response.text, len(set_cookies(response))) == ("done", 1)


# PROTECT_ALL.


@pytest.fixture
def closed(clock: Clock, tmp_path: Path) -> Flask:
    """An app where everything is protected, but what says that it is public."""
    app, auth = make_app(clock, PROTECT_ALL=True)
    (tmp_path / "file.txt").write_text("a file")
    shop = Blueprint(
        "shop",
        __name__,
        url_prefix="/shop",
        static_folder=str(tmp_path),
        static_url_path="/static",
    )
    app.static_folder = str(tmp_path)
    auth.credentials(lambda credentials: None)

    @app.get("/closed")
    def closed() -> str:
        return "inside"

    @app.route("/open", methods=["GET", "POST"])
    @public
    def open_() -> str:
        return "open"

    @app.get("/open-too")
    @public()
    def open_too() -> str:
        return "open"

    @app.get("/open-async")
    @public
    async def open_async() -> str:
        return "open"

    @public
    @app.get("/decorated-above")
    def decorated_above() -> str:
        return "open"

    @app.get("/both")
    @public
    @login_required
    def both() -> str:
        return "inside"

    @shop.get("/closed")
    def shop_closed() -> str:
        return "inside"

    @shop.get("/open")
    @public
    def shop_open() -> str:
        return "open"

    app.register_blueprint(shop)
    return app


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/closed", 401),
        ("/shop/closed", 401),
        ("/both", 401),
        ("/open", 200),
        ("/open-too", 200),
        ("/open-async", 200),
        ("/decorated-above", 200),
        ("/shop/open", 200),
        ("/static/file.txt", 200),
        ("/shop/static/file.txt", 200),
        ("/auth/session", 200),
        ("/auth/signin", 200),
        ("/auth/static/jwtsession.css", 200),
        ("/nowhere", 404),
        ("/shop/nowhere", 404),
    ],
)
def test_everything_is_protected_but_what_is_public(closed: Flask, path: str, status: int) -> None:
    client = closed.test_client(use_cookies=False)
    response = client.get(path, buffered=True)
    assert response.status_code == status
    assert "inside" not in response.text


@pytest.mark.parametrize("path", ["/closed", "/shop/closed", "/both"])
def test_the_signed_in_pass_everywhere(closed: Flask, path: str) -> None:
    assert get(closed.test_client(), path, cookie_of(closed)).text == "inside"


def test_a_method_that_a_protected_view_has_not_is_a_405(closed: Flask) -> None:
    assert closed.test_client().delete("/closed").status_code == 405


@pytest.mark.parametrize("path", ["/open", "/static/file.txt", "/nowhere"])
def test_an_open_page_under_protection_does_not_use_the_session(closed: Flask, path: str) -> None:
    response = closed.test_client(use_cookies=False).get(
        path, headers={"Cookie": cookie_of(closed)}, buffered=True
    )
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("endpoint", ["jwtsession", "static", "shop.static", "public"])
def test_a_view_is_not_open_for_its_name(clock: Clock, endpoint: str) -> None:
    app = Flask("app", static_folder=None)
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_PROTECT_ALL=True)
    JWTSession(app)
    if "." in endpoint:
        blueprint = Blueprint("shop", __name__)
        blueprint.add_url_rule("/x", "static", inside)
        app.register_blueprint(blueprint)
    else:
        app.add_url_rule("/x", endpoint, inside)
    assert get(app.test_client(), "/x").status_code == 401


def test_the_user_loader_counts_under_protection(closed: Flask) -> None:
    auth_callbacks = closed.extensions["jwtsession"]["JWTSESSION"].callbacks
    auth_callbacks.user_loader = lambda token: None
    assert get(closed.test_client(), "/closed", cookie_of(closed)).status_code == 401


# SEC-147, SEC-148: no way around.

ODD_PATHS = [
    "/x/../closed",
    "/open/../closed",
    "//closed",
    "/./closed",
    "/closed/",
    "/closed/.",
    "/Closed",
    "/closed;x",
    "/closed%2f",
    "/%63losed",
    "/closed%00",
    "/x/open/y",
    "/closed/open",
    "/closed/static/x",
    "/auth/../closed",
    "/auth/..%2fclosed",
    "/auth/%2e%2e/closed",
    "/static/../closed",
    "/static/%2e%2e/closed",
    "/closed?/open",
    "/closed#/open",
    "/closed//",
]


@pytest.mark.parametrize("path", [pytest.param(path, id=f"SEC-148 {path}") for path in ODD_PATHS])
def test_no_spelling_of_a_path_gets_around_the_protection(closed: Flask, path: str) -> None:
    client = closed.test_client(use_cookies=False)
    for headers in ({}, NAVIGATION):
        response = client.get(path, headers=headers, follow_redirects=False, buffered=True)
        assert response.status_code in (301, 302, 308, 401, 404)
        assert "inside" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Original-URL": "/open"}, id="SEC-147 X-Original-URL"),
        pytest.param({"X-Rewrite-URL": "/open"}, id="SEC-147 X-Rewrite-URL"),
        pytest.param({"X-HTTP-Method-Override": "OPTIONS"}, id="SEC-147 X-HTTP-Method-Override"),
        pytest.param({"X-Method-Override": "OPTIONS"}, id="SEC-147 X-Method-Override"),
        pytest.param({"X-Forwarded-Prefix": "/auth"}, id="SEC-147 X-Forwarded-Prefix"),
    ],
)
def test_no_header_gets_around_the_protection(closed: Flask, headers: dict[str, str]) -> None:
    assert get(closed.test_client(), "/closed", **headers).status_code == 401


def test_sec_147_an_absolute_request_line_gets_around_nothing(closed: Flask) -> None:
    response = closed.test_client().get("/closed", base_url="http://localhost/open/..")
    assert "inside" not in response.text
    response = closed.test_client().get("http://localhost/closed")
    assert response.status_code == 401


def test_options_runs_a_protected_view_for_nobody(closed: Flask) -> None:
    response = closed.test_client().options("/closed")
    assert (response.status_code, response.text) == (200, "")


# Exempt from the cross-origin check.


@pytest.mark.parametrize("decorate", [csrf_exempt, csrf_exempt()], ids=["bare", "called"])
def test_an_exempt_view_answers_another_origin(app: Flask, decorate: Decorator) -> None:
    @decorate
    def view() -> str:
        return "inside"

    response = visit(app, view, cookie_of(app), method="POST", headers=CROSS_SITE)
    assert response.status_code == 200


@pytest.mark.parametrize("view", [inside, inside_async, login_required(inside)])
def test_a_view_that_is_not_exempt_refuses_another_origin(
    app: Flask, view: Callable[[], Any]
) -> None:
    response = visit(app, view, cookie_of(app), method="POST", headers=CROSS_SITE)
    assert response.status_code == 403


def test_an_exempt_view_is_still_behind_its_guard(app: Flask) -> None:
    @csrf_exempt
    @login_required
    def view() -> str:
        return "inside"

    assert visit(app, view, method="POST", headers=CROSS_SITE).status_code == 401


@pytest.mark.parametrize("protect_all", [True, False])
def test_what_a_guarded_view_says_to_options_is_guarded_too(protect_all: bool) -> None:
    app, _ = make_app(PROTECT_ALL=protect_all)

    def report() -> str:
        return "secret"

    view = report if protect_all else login_required(report)
    app.add_url_rule("/report", view_func=view, methods=["GET", "OPTIONS"])
    response = app.test_client().options("/report")
    assert response.status_code == 200
    assert response.get_data() == b""
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS"}


def test_an_endpoint_named_like_ours_is_not_ours() -> None:
    app, _ = make_app(PROTECT_ALL=True)
    app.add_url_rule("/extra", "jwtsession.extra", lambda: "extra", methods=["GET", "POST"])
    client = app.test_client(use_cookies=False)
    assert client.get("/extra").status_code == 401
    cookie = {"Cookie": "jwtsession.session-token=x", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/extra", headers=cookie).status_code == 403


def test_an_application_page_in_pages_is_open_without_public() -> None:
    app, _ = make_app(PROTECT_ALL=True, PAGES={"sign_in": "/login?kind=1"})
    app.add_url_rule("/login", "login", lambda: "the page")
    app.add_url_rule("/login/more", "more", lambda: "more")
    client = app.test_client()
    assert client.get("/login").status_code == 200
    assert client.get("/login/more").status_code == 401


def test_two_slashes_in_the_script_name_name_no_other_host(app: Flask) -> None:
    response = app.test_client().get(
        "/private", headers=NAVIGATION, environ_overrides={"SCRIPT_NAME": "//evil.example"}
    )
    assert response.status_code == 302
    assert not response.headers["Location"].startswith("//")


def test_an_object_with_an_async_call_is_awaited(app: Flask, auth: JWTSession) -> None:
    class Loader:
        async def __call__(self, token: dict[str, Any]) -> None:
            return None

    auth.user_loader(Loader())
    assert visit(app, login_required(lambda: "in"), cookie_of(app)).status_code == 401


def test_a_user_loader_that_returns_a_coroutine_lets_nobody_in(
    app: Flask, auth: JWTSession
) -> None:
    async def load(token: dict[str, Any]) -> None:
        return None

    auth.user_loader(lambda token: load(token))
    assert visit(app, login_required(lambda: "in"), cookie_of(app)).status_code == 500
