"""An application that is served by a thread of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


@contextmanager
def served(
    app: Flask, host: str = "127.0.0.1", *, handler: type[WSGIRequestHandler] = WSGIRequestHandler
) -> Iterator[str]:
    """The app on a free loopback port; its origin.

    :param host: what the origin calls it
    """
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=handler)
    # It looks every so many seconds whether it shall stop.
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{host}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
