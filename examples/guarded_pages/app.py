"""The application: how long a session lasts, what it says, and that every view is guarded."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from typing import Any

from flask import Flask, Response

from flask_jwtsession import JWTEvent, JWTSession

from . import pages, people

# Scripts come from files of ours, and ask nobody but us.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

auth = JWTSession()


def create_app(**config: Any) -> Flask:
    """Make the application.

    :param config: more of its configuration, for tests
    """
    app = Flask(__name__)
    app.config.from_mapping(
        # A secret that stays, and that all workers share, comes from the environment. With this one
        # every start signs everybody out.
        JWTSESSION_SECRET=os.environ.get("JWTSESSION_SECRET") or secrets.token_urlsafe(32),
        # So that an example writes no file. With the process it forgets who signed out.
        JWTSESSION_STORE="memory",
        # Cookies do not know ports: every application on localhost needs a name of its own.
        JWTSESSION_COOKIE_PREFIX="harbour",
        # Every view is for who is signed in, unless it says @public.
        JWTSESSION_PROTECT_ALL=True,
        JWTSESSION_PAGES={"sign_in": "/sign-in"},
        # A session is over when nobody used it for half an hour, and after a working day in any
        # case. A cookie that is older than five minutes is issued anew by use: "expires" moves.
        JWTSESSION_MAX_AGE=timedelta(minutes=30),
        JWTSESSION_UPDATE_AGE=timedelta(minutes=5),
        JWTSESSION_ABSOLUTE_MAX_AGE=timedelta(hours=8),
        # How often an open page asks whether its session is still there.
        STATUS_SECONDS=30,
    )
    app.config.from_mapping(config)
    app.after_request(_secure)  # before the extension's: Flask runs the last one first
    auth.init_app(app)
    app.register_blueprint(pages.pages)
    app.register_blueprint(pages.reports)
    app.jinja_env.globals["public_paths"] = pages.PUBLIC_PATHS
    return app


@auth.credentials
def check_password(credentials: dict[str, str]) -> dict[str, Any] | None:
    return people.person_with(credentials.get("username", ""), credentials.get("password", ""))


@auth.jwt_callback
def fill_token(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
    if event.user is not None:  # somebody signs in
        token["role"] = event.user["role"]
    return token


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates and the browser see; "expires" is there already."""
    # get(): sessions from before there were roles are still there after a deployment.
    session["user"] |= {"id": token["sub"], "role": token.get("role")}
    return session


def _secure(response: Response) -> Response:
    # The extension's own pages come with such headers; they keep theirs.
    response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if "Cookie" in response.vary:
        # About one person: no cache keeps it, and after a sign-out the Back button shows nothing.
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response
