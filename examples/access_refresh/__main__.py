"""``python -m examples.access_refresh``: serve the shop on this machine, for this machine only.

``ACCESS_SECONDS=10`` makes access cookies shorter, for trying out; ``PORT=8000`` is another port.
"""

from __future__ import annotations

import logging
import os
import re
import sys

import click

from ..demo_provider.serving import listen, port_of, server_of
from .app import create_app
from .database import ACCOUNTS

_MAX_ACCESS_SECONDS = 3600


def main() -> None:
    port = port_of(os.environ.get("PORT", "5000"))
    access_seconds = access_seconds_of(os.environ.get("ACCESS_SECONDS", "60"))
    with listen(port, "python -m examples.access_refresh") as listening:
        # Also shows the extension's own lines; they name no one, and hold no token.
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        url = f"http://localhost:{listening.getsockname()[1]}"
        app = create_app(issuer=url, access_seconds=access_seconds)
        click.echo(f"\n  Paper Lane is at {url}   (Ctrl-C stops it)\n")
        for username, password, role, _ in ACCOUNTS:
            click.echo(f"    {username:6}{password:20}{role}")
        click.echo(f"\n  An access cookie is good for {access_seconds} seconds.")
        click.echo("\n  The service beside it, which believes its tokens:")
        click.echo(f"    ISSUER={url} python -m examples.access_refresh.orders")
        click.echo(f"\n  To start from nothing, delete {app.instance_path}\n")
        server = server_of(app, listening)
    server.serve_forever()  # until Ctrl-C


def access_seconds_of(text: str) -> int:
    if re.fullmatch("[1-9][0-9]{0,3}", text) and int(text) <= _MAX_ACCESS_SECONDS:
        return int(text)
    sys.exit(f"ACCESS_SECONDS is a number from 1 to {_MAX_ACCESS_SECONDS}, not {text!r}.")


if __name__ == "__main__":
    main()
