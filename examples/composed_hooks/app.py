"""The application: the options of the session, and the order of the hooks."""

from __future__ import annotations

import os
import secrets
from typing import Any

from flask import Flask

from flask_jwtsession import session_rejected

from . import board, hooks
from .people import make_people
from .session import auth


def create_app(**config: Any) -> Flask:
    """Make the application.

    :param config: more of its configuration, for tests
    """
    app = Flask(__name__)
    app.config.from_mapping(
        # Secrets that stay, and that all workers share, come from the environment. With these every
        # start signs everybody out.
        JWTSESSION_SECRET=_secret("JWTSESSION_SECRET"),
        JWTSESSION_REFRESH_SECRET=_secret("JWTSESSION_REFRESH_SECRET"),
        # So that an example writes no file. It knows which refresh cookies were used up: two
        # processes need a store that they share.
        JWTSESSION_STORE="memory",
        JWTSESSION_COOKIE_PREFIX="board",
        JWTSESSION_MAX_AGE=60,
        JWTSESSION_REFRESH_COOKIE=True,
        JWTSESSION_REFRESH_MAX_AGE=7 * 24 * 60 * 60,
        JWTSESSION_PAGES={"sign_in": "/enter"},
        MAINTENANCE=False,
        PEOPLE=make_people(),
        NOTES=[("Ida Cork", "The key is under the mat.")],
    )
    app.config.from_mapping(config)
    compose(app)
    app.add_url_rule("/health", view_func=health)
    app.register_blueprint(board.board)  # with a hook of its own
    app.jinja_env.globals["greetings"] = hooks.GREETINGS
    return app


def compose(app: Flask) -> None:
    """sequence(request id, maintenance, session): in the order in which they are registered.

    Before the view the first comes first, and the first answer counts. After it the last comes
    first: what is registered before ``auth.init_app`` sees the response with the cookies.
    """
    app.before_request(hooks.begin_request)
    app.after_request(hooks.finish_response)
    app.before_request(hooks.close_for_maintenance)
    auth.init_app(app)
    session_rejected.connect(hooks.note_rejected, app)


def health() -> str:
    """Does not use the session: nothing is decrypted, whatever cookie comes along."""
    return "well"


def _secret(name: str) -> str:
    return os.environ.get(name) or secrets.token_urlsafe(32)
