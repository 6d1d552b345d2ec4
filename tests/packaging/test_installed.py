"""The wheel in an empty environment, without and with its extras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..redis_server import RedisServer
from .building import Distributions
from .environments import ROOT, Environment

APPLICATION = Path(__file__).parent / "small_application.py"
#: What the extras bring.
OPTIONAL = {"authlib", "requests", "urllib3", "redis", "asgiref"}

ADD_A_PROVIDER = """
from flask import Flask
from flask_jwtsession import ConfigError, JWTSession

app = Flask("provider", instance_path={folder!r})
app.config["JWTSESSION_SECRET"] = "a secret of this test, 0123456789"
auth = JWTSession(app)
try:
    auth.add_provider("github", client_id="a", client_secret="b")
except ConfigError as error:
    print(error)
else:
    headers = {{"Sec-Fetch-Site": "same-origin"}}
    answer = app.test_client().post("/auth/signin/github", headers=headers)
    print(answer.status_code, answer.location)
"""
OPEN_REDIS = """
from flask import Flask
from flask_jwtsession import ConfigError, JWTSession

app = Flask("redis")
app.config["JWTSESSION_SECRET"] = "a secret of this test, 0123456789"
app.config["JWTSESSION_STORE"] = "redis://127.0.0.1:6379"
try:
    JWTSession(app)
except ConfigError as error:
    print(error)
"""
AWAIT_A_CALLBACK = """
from flask import Flask
from flask_jwtsession import JWTSession, sign_in

app = Flask("awaits", instance_path={folder!r})
app.config["JWTSESSION_SECRET"] = "a secret of this test, 0123456789"
auth = JWTSession(app)

@auth.jwt_callback
async def add_role(token, event):
    token["role"] = "admin"
    return token

with app.test_request_context():
    print(sign_in({{"id": 1}}).token["role"])
"""


def visit(environment: Environment, *arguments: str) -> dict[str, Any]:
    """What a visitor of the small application sees."""
    seen = environment.run("-I", str(APPLICATION), *arguments)
    found: dict[str, Any] = json.loads(seen)
    return found


def run_in(environment: Environment, program: str) -> str:
    return environment.run("-I", "-c", program.format(folder=str(environment.folder))).strip()


def test_without_extras_people_sign_in_and_out_and_nothing_else_is_needed(
    distributions: Distributions, environment: Environment
) -> None:
    environment.install(str(distributions.wheel))
    assert "No broken requirements" in environment.check()
    seen = visit(environment, str(environment.folder / "instance"))
    assert Path(seen["package"]).is_relative_to(environment.folder)
    assert (seen["anonymous"], seen["signed in"], seen["signed out"]) == (401, "Ada", 401)
    assert seen["with the cookie of before"] == 401
    assert 'name="password"' in seen["sign-in page"]
    assert seen["stylesheet"] == 200
    client = ROOT / "flask_jwtsession" / "client"
    assert seen["client.js"] == (client / "client.js").read_text()
    assert seen["client.d.ts"] == (client / "client.d.ts").read_text()
    assert OPTIONAL.isdisjoint(seen["imported"])
    assert OPTIONAL.isdisjoint(environment.installed())
    assert run_in(environment, ADD_A_PROVIDER) == (
        "add_provider('github'): the package authlib is not installed; providers need the extra "
        "oauth: pip install 'flask-jwtsession[oauth]'"
    )
    assert len(environment.run("-m", "flask", "jwtsession", "secret").strip()) >= 32
    redis = run_in(environment, OPEN_REDIS)
    assert redis.startswith("JWTSESSION_STORE: ")
    assert redis.endswith("pip install 'flask-jwtsession[redis]'")


def test_with_the_extra_oauth_a_provider_is_added(
    distributions: Distributions, environment: Environment
) -> None:
    environment.install(f"{distributions.wheel}[oauth]")
    assert "No broken requirements" in environment.check()
    assert environment.installed() & OPTIONAL == {"authlib", "requests", "urllib3"}
    status, location = run_in(environment, ADD_A_PROVIDER).split()
    assert status == "302"
    assert location.startswith("https://github.com/login/oauth/authorize?")


def test_with_the_extras_redis_and_async_these_work(
    distributions: Distributions, environment: Environment
) -> None:
    environment.install(f"{distributions.wheel}[async,redis]")
    assert "No broken requirements" in environment.check()
    assert environment.installed() & OPTIONAL == {"asgiref", "redis"}
    assert run_in(environment, AWAIT_A_CALLBACK) == "admin"
    with RedisServer() as server:
        seen = visit(environment, str(environment.folder / "instance"), server.url())
        assert server.client().dbsize() > 0
    assert seen["signed in"] == "Ada"
    assert seen["with the cookie of before"] == 401
