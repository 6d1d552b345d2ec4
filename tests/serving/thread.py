"""An application that is served by a thread of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@contextmanager
def served(
    app: Flask, host: str = "127.0.0.1", *, handler: type[WSGIRequestHandler] = WSGIRequestHandler
) -> Iterator[str]:
    """The app on a free loopback port; its origin.

    :param host: what the origin calls it
    """
    server = make_server(
        "127.0.0.1", 0, closing(app.wsgi_app), threaded=True, request_handler=handler
    )
    # It looks every so many seconds whether it shall stop.
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{host}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closing(app: WSGIApplication) -> WSGIApplication:
    """The same, with nothing of an answer left to close: Werkzeug's server does not always do that
    when a browser goes away.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        parts = ClosingIterator(app(environ, start_response))
        try:
            return list(parts)
        finally:
            parts.close()

    return answer
