"""``python -m examples.demo``: serve the demo on this machine, for this machine only."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import NoReturn

import click
from werkzeug.serving import make_server

from . import create_app
from .database import ACCOUNTS

_HOST = "127.0.0.1"


def main() -> None:
    with _listen(_port(os.environ.get("PORT", "5000"))) as listening:
        # Also shows the extension's own lines; they name no one, and hold no token.
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        app = create_app()
        port = listening.getsockname()[1]
        click.echo(f"\n  The demo is at http://localhost:{port}   (Ctrl-C stops it)\n")
        for username, password, role in ACCOUNTS:
            click.echo(f"    {username}   {password:20}{role}")
        click.echo(f"\n  To start from nothing, delete {app.instance_path}\n")
        server = make_server(_HOST, port, app, threaded=True, fd=listening.fileno())
    server.serve_forever()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65_536):
        sys.exit(f"PORT is a number from 0 (any free port) to 65535, not {text!r}.")
    return int(text)


def _listen(port: int) -> socket.socket:
    # Asked by name first: "localhost" is two addresses, and on some systems another program's
    # port can be bound a second time. The browser would then talk to that program.
    if port and _somebody_answers(port):
        _exit_taken(port)
    try:
        return socket.create_server((_HOST, port))
    except PermissionError:
        sys.exit(f"Port {port} is for administrators only. Choose another: PORT=8000 make demo")
    except OSError:
        _exit_taken(port)


def _somebody_answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def _exit_taken(port: int) -> NoReturn:
    sys.exit(
        f"Port {port} is taken by another program. Choose another port: PORT=8000 make demo, "
        "or any free one: PORT=0 make demo"
    )


if __name__ == "__main__":
    main()
