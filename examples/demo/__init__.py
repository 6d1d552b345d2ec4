"""A small company directory: sign-in, roles, a choice of company, and what a session holds.

People sign in with a password, or with Demo ID, the provider in ``examples/demo_provider``.

``make demo`` serves it; ``__main__.py`` is how. Read ``auth.py`` first: everything that this
application tells the extension is there.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask, Response, current_app, render_template
from werkzeug.exceptions import HTTPException

from . import account, auth, database, events, inspector, pages, times

HERE = Path(__file__).parent

# Scripts from files of our own only, nothing from elsewhere, no frames. Not even a name with markup
# in it that got past the template engine could do anything here.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self' {provider}; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(
    instance_path: str | Path | None = None,
    *,
    issuer: str = "http://127.0.0.1:5001",
    idle_seconds: int = 5 * 60,
) -> Flask:
    """Make the application.

    :param instance_path: an absolute path: the folder of the database and the secrets, made if
        there is none. By default ``instance`` beside this file
    :param issuer: where Demo ID is
    :param idle_seconds: after how long a session ends that nobody uses
    """
    instance = Path(instance_path or HERE / "instance")
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = Flask(__name__, instance_path=str(instance))
    app.config.from_mapping(
        # Flask signs its flashed messages with it. The extension derives its keys from it, unless
        # it has a JWTSESSION_SECRET of its own.
        SECRET_KEY=_secret(instance / "secret"),
        # Cookies do not know ports: the default name would clash with every other Flask
        # application that somebody has on localhost.
        SESSION_COOKIE_NAME="demo-messages",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
        # In debug mode too, which shows the session inspector, errors are pages of our own.
        PROPAGATE_EXCEPTIONS=False,
        DEMO_ID_ISSUER=issuer,
        DEMO_ID_CLIENT_ID="company-directory",
        DEMO_ID_CLIENT_SECRET=_secret(instance / "demo-id-client-secret"),
    )
    app.after_request(_secure)  # before the extension's: Flask runs the last one first
    database.init_app(app)
    auth.init_app(app, idle_seconds=idle_seconds)
    events.init_app(app)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(inspector.blueprint)
    app.register_error_handler(HTTPException, _error_page)
    app.add_template_filter(times.moment, "moment")
    app.add_template_filter(times.iso, "iso")
    return app


def _secret(path: Path) -> str:
    """A secret of this installation, made on first use: a restart signs nobody out."""
    try:
        # Made readable for nobody else, rather than changed to that a moment later.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    secret = secrets.token_urlsafe(32)
    with os.fdopen(file, "w") as stream:
        stream.write(secret)
    return secret


def _error_page(error: HTTPException) -> Response | HTTPException:
    """Every error as a page of this application, the extension's refusals too."""
    if error.response is not None and error.response.mimetype != "text/html":
        return error  # the extension answers programs in JSON
    # The response that is there has headers that belong to the error: Allow, Cache-Control.
    response = Response(headers=error.get_response().headers)
    response.status_code = error.code or 500
    response.data = render_template("error.html", error=error)
    return response


def _secure(response: Response) -> Response:
    # The extension's own pages come with such headers; they keep theirs.
    # Browsers apply form-action to redirects too, and two forms lead to the provider: "Sign in with
    # Demo ID", and "Sign out", which every page has.
    policy = _CONTENT_SECURITY_POLICY.format(provider=current_app.config["DEMO_ID_ISSUER"])
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not "no-referrer": a form would then say "Origin: null", and be refused as another site's.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if "Cookie" in response.vary:
        # About one person: no cache keeps it, and after a sign-out the Back button shows nothing.
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response
