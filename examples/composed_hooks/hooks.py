"""The application's other hooks: each would be a handle function in a sequence() of SvelteKit's."""

from __future__ import annotations

import secrets

from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from flask_jwtsession import current_session

GREETINGS = {"en": "Good day", "de": "Guten Tag"}

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def begin_request() -> None:
    g.request_id = secrets.token_hex(8)


def finish_response(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    # The extension's own pages come with a policy; they keep theirs.
    response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if "Cookie" in response.vary:
        # About one person: no cache keeps it, and after a sign-out the Back button shows nothing.
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response


def close_for_maintenance() -> ResponseReturnValue | None:
    """Answers in place of the view and of all hooks after it. Nobody is signed out by that."""
    if not current_app.config["MAINTENANCE"]:
        return None
    return "The board is being painted. Come back soon.", 503, {"Retry-After": "60"}


def choose_language() -> None:
    """Uses the session, so it is the pages' alone: for nothing else is a session decrypted."""
    chosen = current_session.token.get("language")
    g.language = chosen or request.accept_languages.best_match(GREETINGS, "en")


def note_rejected(app: Flask, reason: str, **_: object) -> None:
    """The other half of fallback(event): a cookie came, and was no good."""
    app.logger.info("A session cookie was not accepted: %s", reason)
