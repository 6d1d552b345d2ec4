"""A page of somebody who is signed in: with the session in it, and with the request for it that the
client would make otherwise, as Auth.js's does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flask import Flask, render_template
from jinja2 import DictLoader
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwtsession import JWTSession, revoke_user, sign_in

from .applications import SECRET
from .timing import Call

PLAIN = "page"
WITH_SESSION = "page with the session in it"
AND_REQUEST = "page, and GET /auth/session"

_BASE_URL = "https://app.test/"
_BODY = "<!doctype html><p>{{ current_user.name }}</p>"
_TEMPLATES = {"plain": _BODY, "with": "{{ jwtsession_script() }}" + _BODY}


def page_calls(directory: Path) -> dict[str, Call]:
    """The pages to time, by name.

    :param directory: an empty one, for the store
    """
    app = Flask(__name__, instance_path=str(directory))
    app.config["JWTSESSION_SECRET"] = SECRET
    JWTSession(app)
    app.jinja_options = {"loader": DictLoader(_TEMPLATES)}
    app.add_url_rule("/<name>", endpoint="page", view_func=lambda name: render_template(name))

    @app.post("/sign-in")
    def enter() -> str:
        revoke_user("somebody else")  # so that there is something to ask the store
        sign_in({"id": 1, "name": "Ada", "email": "ada@example.com"})
        return ""

    client = app.test_client()
    client.post("/sign-in", base_url=_BASE_URL, headers={"Sec-Fetch-Site": "same-origin"})
    cookie = client.get_cookie("__Host-jwtsession.session-token", domain="app.test")
    assert cookie is not None
    get = _getter(app, f"{cookie.key}={cookie.value}")
    session = json.loads(get("/auth/session"))
    assert session["user"]["name"] == "Ada"
    assert json.dumps(session).encode() in get("/with")
    return {
        PLAIN: lambda: get("/plain"),
        WITH_SESSION: lambda: get("/with"),
        AND_REQUEST: lambda: (get("/plain"), get("/auth/session")),
    }


def _getter(app: Flask, cookie: str) -> Callable[[str], bytes]:
    environ = EnvironBuilder(base_url=_BASE_URL).get_environ() | {"HTTP_COOKIE": cookie}

    def get(path: str) -> bytes:
        answer, status, _ = run_wsgi_app(app.wsgi_app, {**environ, "PATH_INFO": path})
        assert status == "200 OK"
        return b"".join(answer)

    return get
