from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, render_template_string
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_jwtsession import (
    ConfigError,
    InsecureTransport,
    JWTSession,
    JWTSessionError,
    RevocationUnavailable,
    SessionClosed,
    SessionTooLarge,
    SignInRefused,
    StoreUnavailable,
    UpdateRefused,
    current_session,
    current_user,
    refresh_session,
    sign_in,
    sign_out,
    update_session,
)

from .scenes import cookie_of, visit
from .support import (
    NAVIGATION,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    get,
    make_app,
    session_token,
    set_cookies,
)


def name_of_user() -> str:
    return str(current_user["name"]) if current_user else "nobody"


def test_one_instance_serves_several_apps(clock: Clock) -> None:
    auth = JWTSession()
    apps = []
    for name in ("a", "b"):
        app = Flask(name)
        app.config["JWTSESSION_SECRET"] = SECRET
        auth.init_app(app)
        binding_of(app).clock = clock
        apps.append(app)

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        return {**session, "seen": True}

    for app in apps:
        response = visit(app, lambda: dict(current_session), cookie_of(app))
        assert response.get_json()["seen"] is True


def test_sec_057_apps_with_other_secrets_do_not_read_each_others_cookies(clock: Clock) -> None:
    (one, _), (other, _) = make_app(clock), make_app(clock, SECRET=OTHER_SECRET)
    assert visit(one, name_of_user, cookie_of(one)).text == "Ada"
    assert visit(other, name_of_user, cookie_of(one)).text == "nobody"


def test_sec_057_one_instance_on_two_apps_keeps_their_secrets_apart(clock: Clock) -> None:
    auth = JWTSession()
    apps = [Flask("a"), Flask("b")]
    for app, secret in zip(apps, (SECRET, OTHER_SECRET), strict=True):
        app.config["JWTSESSION_SECRET"] = secret
        auth.init_app(app)
        binding_of(app).clock = clock
    assert visit(apps[0], name_of_user, cookie_of(apps[0])).text == "Ada"
    assert visit(apps[1], name_of_user, cookie_of(apps[0])).text == "nobody"


def test_apps_that_share_an_environ_do_not_share_a_session(clock: Clock) -> None:
    (outer, _), (inner, _) = make_app(clock), make_app(clock, SECRET=OTHER_SECRET)
    seen: list[str] = []
    outer.add_url_rule("/", "who", name_of_user)
    inner.add_url_rule("/", "who", name_of_user)

    def both(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen.append(b"".join(outer.wsgi_app(environ, lambda *_: lambda _: None)).decode())
        return inner.wsgi_app(environ, start_response)

    response = Client(both, use_cookies=False).get("/", headers={"Cookie": cookie_of(outer)})
    assert (seen, response.text) == (["Ada"], "nobody")


def test_mounted_apps_each_set_and_read_their_own_cookie(clock: Clock) -> None:
    outer, _ = make_app(clock)
    inner, _ = make_app(clock, SECRET=OTHER_SECRET, COOKIE_PREFIX="inner")
    for app in (outer, inner):

        def enter(name: str = app.name) -> str:
            sign_in({"id": "u1", "name": "Ada"})
            return "in"

        app.add_url_rule("/in", "enter", enter, methods=["POST"])
        app.add_url_rule("/", "who", name_of_user)
    client = Client(DispatcherMiddleware(outer, {"/inner": inner}))
    client.post("/inner/in", headers=SAME_ORIGIN)
    assert client.get("/inner/").text == "Ada"
    assert client.get("/").text == "nobody"


def test_sec_058_a_second_instance_with_the_same_prefix_is_refused(clock: Clock) -> None:
    app, auth = make_app(clock)
    for again in (lambda: JWTSession(app), lambda: auth.init_app(app)):
        with pytest.raises(ConfigError, match="JWTSESSION"):
            again()

    def enter() -> str:
        sign_in({"id": "u1"})
        return "in"

    assert len(set_cookies(visit(app, enter))) == 1


def test_init_app_can_be_repeated_after_a_configuration_error() -> None:
    app = Flask("app")
    app.config["JWTSESSION_SECRET"] = "short"
    auth = JWTSession()
    with pytest.raises(ConfigError):
        auth.init_app(app)
    app.config["JWTSESSION_SECRET"] = SECRET
    auth.init_app(app)
    assert visit(app, name_of_user).text == "nobody"


def test_settings_are_read_once(clock: Clock) -> None:
    app, _ = make_app(clock)
    cookie = cookie_of(app)
    app.config["JWTSESSION_SECRET"] = OTHER_SECRET
    assert visit(app, name_of_user, cookie).text == "Ada"


def test_settings_are_frozen(app: Flask) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        binding_of(app).settings.protect_all = True  # type: ignore[misc]  # what must not work


@pytest.mark.parametrize("prefix", ["", "jwtsession", "A-B", "A_", "_A", "1A", "A\nB", "A B"])
def test_a_prefix_that_cannot_begin_a_key_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError):
        JWTSession(config_prefix=prefix)


def test_an_app_without_the_extension_says_so() -> None:
    app = Flask("bare")
    with app.test_request_context(), pytest.raises(ConfigError, match="JWTSESSION"):
        _ = current_session.user


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda: current_session.user, id="current_session"),
        pytest.param(lambda: current_user["name"], id="current_user"),
        pytest.param(lambda: sign_in({"id": "u1"}), id="sign_in"),
        pytest.param(lambda: update_session({}), id="update_session"),
        pytest.param(lambda: refresh_session(), id="refresh_session"),
        pytest.param(lambda: sign_out(), id="sign_out"),
        pytest.param(lambda: bool(current_session), id="bool of current_session"),
        pytest.param(lambda: bool(current_user), id="bool of current_user"),
    ],
)
def test_outside_a_request_flasks_own_error_is_raised(app: Flask, use: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        use()
    with app.app_context(), pytest.raises(RuntimeError, match="Working outside of request context"):
        use()


def test_templates_have_the_session_and_the_user(app: Flask) -> None:
    template = "{{ current_user.name }} {{ current_session.user.email }}"
    response = visit(app, lambda: render_template_string(template), cookie_of(app))
    assert response.text == "Ada ada@example.com"


def test_templates_of_an_anonymous_request_have_a_false_user(app: Flask) -> None:
    template = "{{ 'in' if current_user else 'out' }} {{ 'in' if current_session else 'out' }}"
    assert visit(app, lambda: render_template_string(template)).text == "out out"


ANSWERED = [
    (UpdateRefused("no"), 400, "update_refused"),
    (SignInRefused(), 403, "access_denied"),
    (SessionTooLarge(9000, 7168), 413, "session_too_large"),
    (InsecureTransport("no https"), 400, "insecure_transport"),
    (StoreUnavailable("it does not answer"), 503, "store_unavailable"),
]


def raising(error: Exception) -> Callable[[], str]:
    def view() -> str:
        raise error

    return view


@pytest.mark.parametrize(("error", "status", "code"), ANSWERED)
def test_an_error_that_a_request_can_cause_is_answered_with_its_code(
    app: Flask, error: JWTSessionError, status: int, code: str
) -> None:
    response = visit(app, raising(error))
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert response.get_json(force=True)["code"] == code


@pytest.mark.parametrize(("error", "status", "code"), ANSWERED)
def test_a_browser_gets_the_error_as_a_page(
    app: Flask, error: JWTSessionError, status: int, code: str
) -> None:
    response = visit(app, raising(error), headers=NAVIGATION)
    assert (response.status_code, response.mimetype) == (status, "text/html")


@pytest.mark.parametrize("when", ["before init_app", "after init_app"])
def test_the_applications_own_error_handler_wins(when: str) -> None:
    app = Flask("app")
    app.config["JWTSESSION_SECRET"] = SECRET

    def handler(error: Exception) -> tuple[str, int]:
        return "the application's", 418

    if when == "before init_app":
        app.register_error_handler(UpdateRefused, handler)
    JWTSession(app)
    if when == "after init_app":
        app.register_error_handler(UpdateRefused, handler)
    response = visit(app, raising(UpdateRefused("no")))
    assert (response.status_code, response.text) == (418, "the application's")


@pytest.mark.parametrize(
    "error",
    [SessionClosed("late"), ConfigError("KEY", "wrong"), RevocationUnavailable("nowhere")],
)
def test_a_mistake_of_the_application_is_a_500(app: Flask, error: Exception) -> None:
    assert visit(app, raising(error)).status_code == 500


def test_flasks_own_session_is_left_alone(app: Flask) -> None:
    assert type(app.session_interface) is SecureCookieSessionInterface
    response = visit(app, name_of_user, cookie_of(app))
    assert "session=" not in str(response.headers)


def test_every_callback_decorator_returns_the_function_itself(auth: JWTSession) -> None:
    def function(*_: object) -> None:
        return None

    for register in (
        auth.jwt_callback,
        auth.session_callback,
        auth.sign_in_callback,
        auth.redirect_callback,
        auth.user_loader,
        auth.credentials,
        auth.refresh_callback,
        auth.unauthorized_handler,
    ):
        assert register(function) is function


def test_a_callback_registered_after_init_app_counts(app: Flask, auth: JWTSession) -> None:
    @auth.user_loader
    def load_user(token: dict[str, Any]) -> dict[str, str]:
        return {"name": f"loaded {token['sub']}"}

    assert visit(app, name_of_user, cookie_of(app)).text == "loaded u1"


def test_the_last_registered_callback_replaces_the_one_before(app: Flask, auth: JWTSession) -> None:
    auth.user_loader(lambda token: {"name": "first"})
    auth.user_loader(lambda token: {"name": "second"})
    assert visit(app, name_of_user, cookie_of(app)).text == "second"


def test_two_factories_calls_make_independent_apps(clock: Clock) -> None:
    first, _ = make_app(clock)
    second, _ = make_app(clock, URL_PREFIX="/account")
    assert get(first.test_client(), "/auth/session").status_code == 200
    assert get(first.test_client(), "/account/session").status_code == 404
    assert get(second.test_client(), "/account/session").status_code == 200


def test_a_blueprint_of_the_application_uses_the_session_like_any_view(app: Flask) -> None:
    blueprint = Blueprint("shop", __name__, url_prefix="/shop")
    blueprint.add_url_rule("/", "who", name_of_user)
    app.register_blueprint(blueprint)
    assert get(app.test_client(), "/shop/", cookie_of(app)).text == "Ada"


def test_importing_the_package_imports_no_provider_client() -> None:
    code = (
        "import sys, flask_jwtsession;"
        "print([name for name in ('authlib', 'requests', 'redis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_session_survives_a_round_of_sign_in_and_read(app: Flask) -> None:
    client = app.test_client()
    assert session_token(client.post("/sign-in", headers=SAME_ORIGIN))
    assert client.get("/session").get_json()["user"]["name"] == "Ada"
