"""Serving an application on this machine, for this machine only."""

from __future__ import annotations

import socket
import sys
from typing import NoReturn

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

HOST = "127.0.0.1"


def port_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65_536):
        sys.exit(f"PORT is a number from 0 (any free port) to 65535, not {text!r}.")
    return int(text)


def listen(port: int, command: str) -> socket.socket:
    """A socket at the port, or an end with a text that says what ``command`` to try."""
    # Asked by name first: "localhost" is two addresses, and on some systems another program's
    # port can be bound a second time. The browser would then talk to that program.
    if port and _somebody_answers(port):
        _exit_taken(port, command)
    try:
        return socket.create_server((HOST, port))
    except PermissionError:
        sys.exit(f"Port {port} is for administrators only. Choose another: PORT=8000 {command}")
    except OSError:
        _exit_taken(port, command)


def server_of(app: Flask, listening: socket.socket) -> BaseWSGIServer:
    return make_server(
        HOST,
        listening.getsockname()[1],
        app,
        threaded=True,
        fd=listening.fileno(),
        request_handler=_RequestHandler,
    )


class _RequestHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Without the query: in OAuth it holds codes and id tokens, which belong in no log.
        self.path = self.path.partition("?")[0]
        super().log_request(code, size)


def _somebody_answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def _exit_taken(port: int, command: str) -> NoReturn:
    sys.exit(
        f"Port {port} is taken by another program. Choose another port: PORT=8000 {command}, "
        f"or any free one: PORT=0 {command}"
    )
