"""Sessions shared with an Auth.js server: the published @auth/core reads ours, and we read its."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, request

from flask_jwtsession import current_session, sign_in, update_session

from ..support import OTHER_SECRET, SECRET, make_app, session_token, unseal
from ..tools import require_tool

PEER = Path(__file__).parents[1] / "peers" / "auth_core"

SECURE = ("__Secure-authjs.session-token", "https://app.test")
PLAIN = ("authjs.session-token", "http://localhost")

UNICODE = {
    "id": "ユーザー",
    "name": "Zoë 🦊 Ḿøñẗï 李小龍",
    "email": "zoë@exämple.org",
}
EMOJI = '👩‍👩‍👧‍👦\0\x1f"\\/\u2028\u2029 مرحبا'


@pytest.fixture(scope="module")
def node() -> str:
    path = require_tool("node", shutil.which("node"), "install Node.js 20 or later")
    installed = PEER / "node_modules" / "@auth" / "core"
    require_tool(
        "@auth/core",
        str(installed) if installed.is_dir() else None,
        "npm install --no-package-lock --prefix tests/peers/auth_core",
    )
    return path


def run(node: str, **asked: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """One Node process for all tokens of a test."""
    finished = subprocess.run(
        [node, "decode.mjs"],
        cwd=PEER,
        input=json.dumps({"decode": [], "encode": []} | asked),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    answered: dict[str, list[Any]] = json.loads(finished.stdout)
    return answered


def make_server(*secrets: str) -> Flask:
    """An application beside an Auth.js one: its cookie names, and the same secrets."""
    app, _ = make_app(COOKIE_PREFIX="authjs", SECRET=secrets[0], SECRET_FALLBACKS=list(secrets[1:]))

    @app.post("/sign-in")
    def enter() -> str:
        asked = request.get_json()
        sign_in(asked["user"], claims=asked["claims"])
        return "signed in"

    @app.get("/me")
    def me() -> Any:
        return jsonify(public=dict(current_session), claims=dict(current_session.token))

    @app.post("/update")
    def update() -> str:
        update_session({"company_id": 7})
        return "updated"

    return app


#: The user that signs in, and more claims.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "simple": ({"id": "u1", "name": "Ada", "email": "ada@example.com", "image": "/a.png"}, {}),
    "unicode": (UNICODE, {"emoji": EMOJI}),
    "numbers and nesting": (
        {"id": 7},
        {"roles": ["admin", "editor"], "limits": {"max": 1.5, "min": -3, "none": None, "on": True}},
    ),
    "big": ({"id": "big"}, {"notes": "x" * 4500}),
}


@pytest.mark.parametrize(("name", "base_url"), [SECURE, PLAIN], ids=["secure", "not secure"])
def test_authjs_reads_the_sessions_that_are_made_here(node: str, name: str, base_url: str) -> None:
    app = make_server(SECRET)
    tokens = []
    for user, claims in CASES.values():
        response = app.test_client().post(
            "/sign-in", json={"user": user, "claims": claims}, base_url=base_url
        )
        tokens.append(session_token(response, name) or "")
    asked = [{"token": token, "secret": SECRET, "salt": name} for token in tokens]
    answered = run(node, decode=asked)["decode"]
    for (user, claims), token, answer in zip(CASES.values(), tokens, answered, strict=True):
        assert answer == {"claims": unseal(app, token, https=base_url.startswith("https"))}
        assert answer["claims"].items() >= claims.items()
        assert answer["claims"]["sub"] == str(user["id"])


@pytest.mark.parametrize(("name", "base_url"), [SECURE, PLAIN], ids=["secure", "not secure"])
def test_sessions_that_authjs_makes_are_read_here(node: str, name: str, base_url: str) -> None:
    made = [
        {"sub": str(user["id"]), "name": user.get("name"), "email": user.get("email"), **claims}
        for user, claims in CASES.values()
    ]
    asked = [{"token": one, "secret": SECRET, "salt": name, "maxAge": 3600} for one in made]
    tokens = run(node, encode=asked)["encode"]
    app = make_server(SECRET)
    for claims, token in zip(made, tokens, strict=True):
        response = app.test_client(use_cookies=False).get(
            "/me", base_url=base_url, headers={"Cookie": f"{name}={token}"}
        )
        read = response.get_json()
        assert read["public"]["user"] == {
            "name": claims["name"],
            "email": claims["email"],
            "image": None,
        }
        assert read["claims"].items() >= claims.items()


def test_an_authjs_session_that_is_changed_here_is_read_there(node: str) -> None:
    name, base_url = SECURE
    payload = {"sub": "u1", "name": "Ada"}
    asked = {"token": payload, "secret": SECRET, "salt": name, "maxAge": 3600}
    (token,) = run(node, encode=[asked])["encode"]
    response = (
        make_server(SECRET)
        .test_client(use_cookies=False)
        .post("/update", base_url=base_url, headers={"Cookie": f"{name}={token}"})
    )
    changed = session_token(response, name)
    (answer,) = run(node, decode=[{"token": changed, "secret": SECRET, "salt": name}])["decode"]
    assert answer["claims"].items() >= {**payload, "company_id": 7}.items()
    # Nobody here saw the person sign in.
    assert "auth_time" not in answer["claims"]
    assert abs(answer["claims"]["iat"] - time.time()) < 60


def test_either_side_may_rotate_its_secret_first(node: str) -> None:
    name, base_url = PLAIN
    old, new = make_server(SECRET), make_server(OTHER_SECRET, SECRET)
    user = {"user": {"id": "u1"}, "claims": {}}
    from_old, from_new = (
        session_token(app.test_client().post("/sign-in", json=user, base_url=base_url), name)
        for app in (old, new)
    )
    answered = run(
        node,
        decode=[
            {"token": from_old, "secret": [OTHER_SECRET, SECRET], "salt": name},
            {"token": from_new, "secret": [OTHER_SECRET, SECRET], "salt": name},
            {"token": from_new, "secret": SECRET, "salt": name},
        ],
        encode=[
            {"token": {"sub": "u1"}, "secret": SECRET, "salt": name, "maxAge": 60},
            {"token": {"sub": "u1"}, "secret": [OTHER_SECRET, SECRET], "salt": name, "maxAge": 60},
        ],
    )
    assert ["claims" in one for one in answered["decode"]] == [True, True, False]
    read = [
        [
            app.test_client(use_cookies=False)
            .get("/me", base_url=base_url, headers={"Cookie": f"{name}={token}"})
            .get_json()["claims"]
            .get("sub")
            for token in answered["encode"]
        ]
        for app in (old, new)
    ]
    assert read == [["u1", None], ["u1", "u1"]]


def test_neither_side_reads_the_token_of_the_other_cookie_name(node: str) -> None:
    app = make_server(SECRET)
    user = {"user": {"id": "u1"}, "claims": {}}
    response = app.test_client().post("/sign-in", json=user, base_url=SECURE[1])
    token = session_token(response, SECURE[0])
    answered = run(
        node,
        decode=[{"token": token, "secret": SECRET, "salt": PLAIN[0]}],
        encode=[{"token": {"sub": "u1"}, "secret": SECRET, "salt": PLAIN[0], "maxAge": 60}],
    )
    assert "error" in answered["decode"][0]
    (pasted,) = answered["encode"]
    response = app.test_client(use_cookies=False).get(
        "/me", base_url=SECURE[1], headers={"Cookie": f"{SECURE[0]}={pasted}"}
    )
    assert response.get_json() == {"public": {}, "claims": {}}
