"""Demo ID: an OpenID provider with three made-up people, written with Authlib.

``make demo`` starts it beside the demo application, so that a whole sign-in with a provider can be
seen without an internet connection. It does what such a provider has to do, and has no passwords:
it is an example, and listens on this machine only.

Read ``authorize.py`` for what a person meets, and ``server.py`` for what applications do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from . import authorize, database, endpoints, forms, home, keys, sign_out
from .clients import Client
from .provider import EXTENSION, Provider
from .server import make_server

__all__ = ["HERE", "Client", "create_app"]

HERE = Path(__file__).parent


def create_app(
    instance_path: str | Path | None = None,
    *,
    issuer: str,
    clients: Iterable[Client] = (),
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Make the provider.

    :param instance_path: an absolute path: the folder of the database and the keys, made if there
        is none. By default ``instance`` beside this file
    :param issuer: its own address, without a path: ``http://127.0.0.1:5001``
    :param clock: the time in epoch seconds
    """
    instance = Path(instance_path or HERE / "instance")
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = Flask(__name__, instance_path=str(instance))
    app.config.from_mapping(
        SECRET_KEY=keys.secret(instance, "secret"),
        # Cookies do not know ports: the default name would clash with every other Flask
        # application that somebody has on this host.
        SESSION_COOKIE_NAME="demo-id",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    # At DEBUG, Authlib writes whole tokens into the log.
    logging.getLogger("authlib").setLevel(logging.INFO)
    app.extensions[EXTENSION] = Provider(
        issuer=issuer,
        clients={client.client_id: client for client in clients},
        key=keys.signing_key(instance),
        server=make_server(app),
        clock=clock,
    )
    database.init_app(app)
    forms.init_app(app)
    for module in (home, authorize, sign_out, endpoints):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, _error_page)
    return app


def _error_page(error: HTTPException) -> Response:
    # The response that is there has headers that belong to the error: Allow.
    response = Response(headers=error.get_response().headers)
    response.status_code = error.code or 500
    response.data = render_template("error.html", error=error)
    return response
