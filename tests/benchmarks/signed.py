"""Signed sessions beside Flask-JWT-Extended with the same algorithm, key and claims; and what it
costs to re-authenticate somebody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask, Response
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
)

from flask_jwtsession import JWTSession, current_session, sign_in

from .applications import (
    COLD,
    JWT_EXTENDED,
    OPERATIONS,
    OURS,
    SECRET,
    UPDATE,
    WARM,
    bare_calls,
    calls_to,
    claims_of,
    flask_jwtsession_app,
    jwt_extended_app,
    send,
)
from .timing import Call

ALGORITHMS = ("HS256", "ES256", "EdDSA")
#: What is timed with each; an update signs.
SIGNED_OPERATIONS = {name: OPERATIONS[name] for name in (WARM, COLD, UPDATE)}

REAUTHENTICATED = f"{OURS}: re-authenticated"
REFRESHED = f"{JWT_EXTENDED}: refreshed"


def competitor(name: str, algorithm: str) -> str:
    """How the requests of ``name`` with ``algorithm`` are called."""
    return f"{name}, {algorithm}"


def signed_calls(directory: Path) -> dict[str, Call]:
    """The requests to time, by name. Each was checked to do what it is there for.

    :param directory: an empty one, for stores
    """
    calls = bare_calls()
    for algorithm in ALGORITHMS:
        ours, theirs = _configurations(algorithm)
        for name, app in (
            (OURS, flask_jwtsession_app(directory / algorithm, **ours)),
            (JWT_EXTENDED, jwt_extended_app(**theirs)),
        ):
            calls.update(calls_to(competitor(name, algorithm), app, SIGNED_OPERATIONS))
    calls[REAUTHENTICATED] = _chain(_pair(directory / "pair"), "/read", "refresh-token")
    calls[REFRESHED] = _chain(_refreshing(), "/refresh", "refresh_token_cookie")
    return calls


def _configurations(algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and that of Flask-JWT-Extended."""
    ours: dict[str, Any] = {"JWTSESSION_TOKEN_FORMAT": "signed", "JWTSESSION_ALGORITHM": algorithm}
    theirs: dict[str, Any] = {"JWT_ALGORITHM": algorithm}
    if algorithm != "HS256":
        key = (
            Ed25519PrivateKey.generate()
            if algorithm == "EdDSA"
            else generate_private_key(SECP256R1())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        ours["JWTSESSION_SIGNING_KEY"] = private
        theirs.update(JWT_PRIVATE_KEY=private, JWT_PUBLIC_KEY=public.decode())
    return ours, theirs


def _pair(instance: Path) -> Flask:
    app = Flask("pair", instance_path=str(instance))
    app.config.from_mapping({"JWTSESSION_SECRET": SECRET, "JWTSESSION_REFRESH_COOKIE": True})
    auth = JWTSession(app)

    @auth.reauth_callback
    def reauth(claims: dict[str, Any]) -> dict[str, Any]:
        return claims_of(int(claims["sub"]))

    @app.get("/sign-in/0")
    def begin() -> str:
        sign_in({"id": 0}, claims=claims_of(0))
        return "begun"

    @app.get("/read")
    def read() -> str:
        return str(current_session["user"]["name"])

    return app


def _refreshing() -> Flask:
    """What its documentation has for it: a view that makes another access token. The refresh token
    stays what it is, and is looked up nowhere.
    """
    app = Flask("refreshing")
    app.config.from_mapping(
        JWT_SECRET_KEY=SECRET,
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_COOKIE_SECURE=True,
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_REFRESH_COOKIE_PATH="/",
    )
    JWTManager(app)

    @app.get("/sign-in/0")
    def begin() -> Response:
        response = Response("begun")
        set_refresh_cookies(response, create_refresh_token("0"))
        return response

    def refresh() -> Response:
        claims = claims_of(int(get_jwt_identity()))
        response = Response(claims["name"])
        set_access_cookies(response, create_access_token("0", additional_claims=claims))
        return response

    app.add_url_rule("/refresh", "refresh", jwt_required(refresh=True)(refresh))
    return app


def _chain(app: Flask, path: str, cookie: str) -> Call:
    """Requests with the refresh cookie alone, each with the one that the last answer set."""

    def refresh_cookie(cookies: str) -> str | None:
        found = [one for one in cookies.split("; ") if cookie in one.partition("=")[0]]
        return found[0] if found else None

    sent = refresh_cookie(send(app, "/sign-in/0")[1])

    def call() -> None:
        nonlocal sent
        body, cookies = send(app, path, sent or "")
        if body != claims_of_zero:
            raise RuntimeError(f"{app.name}: not signed in")
        sent = refresh_cookie(cookies) or sent

    claims_of_zero = claims_of(0)["name"]
    call()
    return call
