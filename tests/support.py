"""What the tests say in one word: an app, a browser's request, a token made with the real key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from werkzeug.test import TestResponse

from flask_jwtsession import JWTSession, testing
from flask_jwtsession.lifecycle.binding import Binding

SECRET = "a test secret, 0123456789 abcdefghij"
OTHER_SECRET = "another secret, 9876543210 zyxwvuts"
NOW = 1_800_000_000.0

#: Headers of a browser: a form or fetch of one of our own pages, and of somebody else's.
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
#: A browser that loads a page.
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,application/xhtml+xml"}

HTTPS = "https://app.test"
VECTORS = Path(__file__).parent / "vectors"


class Clock(testing.Clock):
    """Time that stands still until a test moves it, from a day that every test knows."""

    def __init__(self, now: float = NOW) -> None:
        super().__init__(now)


@dataclass
class SetCookie:
    """One ``Set-Cookie`` line; attribute names in lower case, ``""`` for those without a value."""

    name: str
    value: str
    attributes: dict[str, str]
    line: str

    @property
    def deletes(self) -> bool:
        return self.attributes.get("max-age") == "0"


def make_app(clock: Clock | None = None, /, **config: Any) -> tuple[Flask, JWTSession]:
    """An app with the extension; keys without the prefix: ``make_app(MAX_AGE=60)``."""
    app = Flask("tests.app", root_path=str(Path(__file__).parent))
    app.config["JWTSESSION_SECRET"] = SECRET
    # Gone with the app; what a file and a server do differently has tests of its own.
    app.config["JWTSESSION_STORE"] = "memory"
    app.config.update({f"JWTSESSION_{name}": value for name, value in config.items()})
    auth = JWTSession(app)
    if clock is not None:
        binding_of(app).clock = clock
    return app, auth


def binding_of(app: Flask, prefix: str = "JWTSESSION") -> Binding:
    binding: Binding = app.extensions["jwtsession"][prefix]
    return binding


def seal(app: Flask, payload: Mapping[str, Any] | bytes, *, https: bool = False) -> str:
    """A session token with exactly this payload, made with the app's real key."""
    binding = binding_of(app)
    cookies = binding.https if https else binding.http
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return cookies.tokens.encode(raw)


def unseal(app: Flask, token: str, *, https: bool = False) -> dict[str, Any]:
    """All claims of a session token of the app."""
    binding = binding_of(app)
    cookies = binding.https if https else binding.http
    claims: dict[str, Any] = json.loads(cookies.tokens.decode(token))
    return claims


def session_cookie_name(app: Flask, *, https: bool = False) -> str:
    binding = binding_of(app)
    return (binding.https if https else binding.http).session.name


def claims_at(now: float, **more: Any) -> dict[str, Any]:
    """Claims of a session that began at ``now`` and is good for an hour."""
    return {
        "sub": "u1",
        "name": "Ada",
        "email": "ada@example.com",
        "iat": int(now),
        "exp": int(now) + 3600,
        "jti": "j1",
        "sid": "s1",
        "auth_time": now,
        **more,
    }


def set_cookies(response: TestResponse) -> dict[str, SetCookie]:
    """The response's cookies by name. Fails if one name is set twice, or a line is too long."""
    found: dict[str, SetCookie] = {}
    for line in response.headers.getlist("Set-Cookie"):
        pair, *rest = line.split("; ")
        name, _, value = pair.partition("=")
        attributes = {}
        for attribute in rest:
            key, _, content = attribute.partition("=")
            attributes[key.lower()] = content
        assert name not in found, f"{name} is set twice"
        assert len(line) <= 4096
        found[name] = SetCookie(name, value, attributes, line)
    return found


def session_token(response: TestResponse, name: str = "jwtsession.session-token") -> str | None:
    """The session token that a response sets, joined from its chunks; None if it sets none."""
    cookies = set_cookies(response)
    if name in cookies and not cookies[name].deletes:
        return cookies[name].value
    chunks: list[str] = []
    while (chunk := cookies.get(f"{name}.{len(chunks)}")) is not None and not chunk.deletes:
        chunks.append(chunk.value)
    return "".join(chunks) or None


def get(client: FlaskClient, path: str, cookie: str = "", **headers: str) -> TestResponse:
    """GET with exactly this Cookie header; the client keeps no cookies of its own for it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        sent["Cookie"] = cookie
    return client.application.test_client(use_cookies=False).get(path, headers=sent)


def command_line(app: Flask) -> FlaskCliRunner:
    """A runner of the app's commands that keeps errors apart from the rest."""
    # Click does so by itself since 8.2, where there is no such option any more.
    takes = signature(CliRunner.__init__).parameters
    return app.test_cli_runner(**({"mix_stderr": False} if "mix_stderr" in takes else {}))
