"""The application, put together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from . import admin, api, auth, database, events, keys, pages

HERE = Path(__file__).parent

# No script at all, nothing from elsewhere, no frames.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def create_app(
    instance_path: str | Path | None = None,
    *,
    issuer: str = "http://localhost:5000",
    access_seconds: int = 60,
) -> Flask:
    """Make the application.

    :param instance_path: an absolute path: the folder of the database, the secrets and the signing
        key, made if there is none. By default ``instance`` beside this file
    :param issuer: where the application is, which its tokens say they come from
    :param access_seconds: how long an access cookie is good for
    """
    instance = Path(instance_path or HERE / "instance")
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = Flask(__name__, instance_path=str(instance))
    app.config.from_mapping(
        # Flask signs its flashed messages with it.
        SECRET_KEY=keys.secret(instance, "secret"),
        # Cookies do not know ports: the default name would clash with every other Flask
        # application that somebody has on localhost.
        SESSION_COOKIE_NAME="shop-messages",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.after_request(_secure)  # before the extension's: Flask runs the last one first
    database.init_app(app)
    auth.init_app(app, issuer=issuer, access_seconds=access_seconds)
    events.init_app(app)
    for module in (pages, admin, api):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, _error_page)
    app.add_template_filter(_moment, "moment")
    return app


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
    response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not "no-referrer": a form would then say "Origin: null", and be refused as another site's.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if "Cookie" in response.vary:
        # About one person: no cache keeps it, and after a sign-out the Back button shows nothing.
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response


def _moment(when: datetime | float) -> str:
    """A point in time for people; a number is epoch seconds."""
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    return f"{when.day} {when:%b %Y, %H:%M:%S} UTC"
