"""Beside Flask-Session: ``flask.session`` on the server, ours in its own cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cachelib.file import FileSystemCache
from flask import Flask, session
from flask_session import Session

from flask_jwtsession import JWTSession, current_session, sign_in, sign_out

from ..support import SAME_ORIGIN, SECRET, set_cookies


@pytest.fixture(params=["ours first", "Flask-Session first"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Flask:
    app = Flask("both")
    app.config.update(
        SECRET_KEY=SECRET,
        JWTSESSION_STORE="memory",
        SESSION_TYPE="cachelib",
        SESSION_CACHELIB=FileSystemCache(str(tmp_path)),
    )
    extensions: list[Any] = [JWTSession(), Session()]
    for extension in extensions if request.param == "ours first" else reversed(extensions):
        extension.init_app(app)

    @app.post("/in")
    def enter() -> str:
        sign_in({"id": "u1", "name": "Ada"})
        session["cart"] = ["apples"]
        return ""

    @app.post("/out")
    def leave() -> str:
        sign_out()
        return ""

    @app.post("/clear")
    def clear() -> str:
        session.clear()
        return ""

    @app.get("/")
    def read() -> dict[str, Any]:
        user = current_session.user
        return {"name": user and user["name"], "cart": session.get("cart")}

    return app


def test_both_sessions_live_side_by_side(both: Flask) -> None:
    client = both.test_client()
    response = client.post("/in", headers=SAME_ORIGIN)
    assert set(set_cookies(response)) == {"session", "jwtsession.session-token"}
    assert client.get("/").get_json() == {"name": "Ada", "cart": ["apples"]}


def test_signing_out_leaves_the_other_session(both: Flask) -> None:
    client = both.test_client()
    client.post("/in", headers=SAME_ORIGIN)
    client.post("/out", headers=SAME_ORIGIN)
    assert client.get("/").get_json() == {"name": None, "cart": ["apples"]}


def test_clearing_the_other_session_signs_nobody_out(both: Flask) -> None:
    client = both.test_client()
    client.post("/in", headers=SAME_ORIGIN)
    client.post("/clear", headers=SAME_ORIGIN)
    assert client.get("/").get_json() == {"name": "Ada", "cart": None}


def test_the_files_of_flask_session_hold_nothing_of_ours(both: Flask, tmp_path: Path) -> None:
    both.test_client().post("/in", headers=SAME_ORIGIN)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"apples" in stored
    assert b"Ada" not in stored
    assert b"eyJ" not in stored
