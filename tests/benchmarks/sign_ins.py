"""A whole sign-in with an OpenID provider, ours and the one that Authlib's Flask client makes.

The provider is the tests' own, in a process of its own on loopback: three requests go to it, from
the browser the authorization request, from the application those to the token and the userinfo
endpoint. Both applications use PKCE and ask the userinfo endpoint.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, redirect, session
from werkzeug.test import Client

from flask_jwtsession import JWTSession, current_session

from .timing import Call

OURS = "flask_jwtsession: sign-in"
AUTHLIB = "Authlib's Flask client: sign-in"

_SECRET = "a secret of the benchmarks, 0123456789 abcdef"
_SCOPE = "openid email profile"
_ROOT = Path(__file__).parents[2]
_PROVIDER = """
import json, sys
from tests.peers.faulty_provider import FaultyProvider
with FaultyProvider() as provider:
    print(json.dumps([provider.issuer, provider.client_id, provider.client_secret]), flush=True)
    sys.stdin.read()
"""


@contextmanager
def sign_in_calls() -> Iterator[dict[str, Call]]:
    """The sign-ins to time, by name, while their provider runs. Each was checked to sign the right
    person in.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _PROVIDER],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        options = json.loads(process.stdout.readline())
        with requests.Session() as browser:
            browser.trust_env = False
            yield {
                OURS: _checked(_ours(*options), "POST", "/auth/signin/op", browser),
                AUTHLIB: _checked(_authlib(*options), "POST", "/login", browser),
            }
        process.stdin.close()


def _checked(app: Flask, method: str, path: str, browser: requests.Session) -> Call:
    def sign_in() -> Client:
        client = app.test_client()
        started = client.open(path, method=method, headers={"Sec-Fetch-Site": "same-origin"})
        approved = browser.get(started.headers["Location"], allow_redirects=False)
        back = urlsplit(approved.headers["Location"])
        client.get(f"{back.path}?{back.query}")
        return client

    who = sign_in().get("/who").get_data(as_text=True)
    assert who == "Ada Lovelace", who
    return sign_in


def _ours(issuer: str, client_id: str, client_secret: str) -> Flask:
    app = Flask("ours")
    app.config["JWTSESSION_SECRET"] = _SECRET
    auth = JWTSession(app)
    auth.add_provider("op", issuer=issuer, client_id=client_id, client_secret=client_secret)

    @app.get("/who")
    def who() -> str:
        return str(current_session["user"]["name"])

    return app


def _authlib(issuer: str, client_id: str, client_secret: str) -> Flask:
    app = Flask("authlib")
    app.secret_key = _SECRET
    client: Any = OAuth(app).register(
        "op",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": _SCOPE, "code_challenge_method": "S256"},
    )

    @app.post("/login")
    def login() -> Response:
        response: Response = client.authorize_redirect("http://localhost/auth/callback/op")
        return response

    @app.get("/auth/callback/op")
    def callback() -> Any:
        token = client.authorize_access_token()
        session["user"] = dict(client.userinfo(token=token))
        return redirect("/")

    @app.get("/who")
    def who() -> str:
        return str(session["user"]["name"])

    return app
