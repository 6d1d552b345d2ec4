"""Beside Flask-Login: its ``current_user`` is the one of our session."""

from __future__ import annotations

from typing import Any

import flask_login
import pytest
from flask import Flask, render_template_string

import flask_jwtsession
from flask_jwtsession import JWTSession

from ..scenes import cookie_of
from ..support import SAME_ORIGIN, SECRET, Clock, binding_of, get, session_cookie_name, set_cookies


class Person(flask_login.UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    def __init__(self, identifier: str) -> None:
        self.id = identifier


@pytest.fixture(params=["ours first", "Flask-Login first"])
def both(request: pytest.FixtureRequest, clock: Clock) -> Flask:
    app = Flask("both")
    app.config.update(SECRET_KEY=SECRET, TESTING=True, JWTSESSION_STORE="memory")
    auth, manager = JWTSession(), flask_login.LoginManager()
    extensions: list[Any] = [auth, manager]
    for extension in extensions if request.param == "ours first" else reversed(extensions):
        extension.init_app(app)
    binding_of(app).clock = clock
    manager.request_loader(auth.request_loader)

    @auth.user_loader
    def load_user(token: dict[str, Any]) -> Person | None:
        return Person(token["sub"]) if token["sub"] != "gone" else None

    @app.get("/ours")
    @flask_jwtsession.login_required
    def ours() -> str:
        return str(flask_jwtsession.current_user.id)

    @app.get("/theirs")
    @flask_login.login_required  # type: ignore[untyped-decorator]  # Flask-Login has no types
    def theirs() -> str:
        return str(flask_login.current_user.id)

    @app.get("/same")
    def same() -> str:
        mine, other = flask_jwtsession.current_user, flask_login.current_user
        return str(mine._get_current_object() is other._get_current_object())

    @app.get("/template")
    def template() -> str:
        return render_template_string(
            "{% if current_user.is_authenticated %}{{ current_user.id }}{% else %}nobody{% endif %}"
            "{% if current_session %} {{ current_session.user.name }}{% endif %}"
        )

    @app.post("/in")
    def enter() -> str:
        flask_jwtsession.sign_in({"id": "u1", "name": "Ada"})
        return ""

    return app


@pytest.mark.parametrize("path", ["/ours", "/theirs"])
def test_the_guard_of_either_knows_who_is_signed_in(both: Flask, path: str) -> None:
    assert get(both.test_client(), path, cookie_of(both)).text == "u1"


@pytest.mark.parametrize("path", ["/ours", "/theirs"])
@pytest.mark.parametrize("cookie", ["none", "garbage", "gone"])
def test_the_guard_of_either_keeps_nobody_out(both: Flask, path: str, cookie: str) -> None:
    header = {
        "none": "",
        "garbage": f"{session_cookie_name(both)}=garbage",
        "gone": cookie_of(both, sub="gone"),
    }[cookie]
    assert get(both.test_client(), path, header).status_code == 401


def test_both_have_the_same_user_object(both: Flask) -> None:
    assert get(both.test_client(), "/same", cookie_of(both)).text == "True"


def test_templates_work_for_somebody_and_for_nobody(both: Flask) -> None:
    client = both.test_client()
    assert get(client, "/template", cookie_of(both)).text == "u1 Ada"
    assert get(client, "/template").text == "nobody"


def test_a_sign_in_of_ours_is_one_of_flask_login(both: Flask) -> None:
    client = both.test_client()
    assert len(set_cookies(client.post("/in", headers=SAME_ORIGIN))) == 1
    assert client.get("/theirs").text == "u1"
    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert client.get("/theirs").status_code == 401
