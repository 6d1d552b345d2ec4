"""``python -m examples.demo``: serve the demo on this machine, for this machine only.

Beside it Demo ID is served, the provider that people can sign in with. ``PORT=8000`` is another
port; ``IDLE_SECONDS=90`` makes sessions end sooner, for trying out.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from threading import Thread

import click

from ..demo_provider import Client
from ..demo_provider import create_app as create_provider
from ..demo_provider.serving import HOST, listen, port_of, server_of
from . import create_app
from .database import ACCOUNTS

_MAX_IDLE_SECONDS = 3600


def main() -> None:
    port = port_of(os.environ.get("PORT", "5000"))
    idle_seconds = idle_seconds_of(os.environ.get("IDLE_SECONDS", "300"))
    with listen(port, "make demo") as listening, listen_beside(port) as provider_listening:
        # Also shows the extension's own lines; they name no one, and hold no token.
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        port = listening.getsockname()[1]
        # By its number, and the demo by name: browsers take them for two sites, as a provider and
        # an application are in real life. Two ports of one name would be the same site, and would
        # even share their cookies.
        issuer = f"http://{HOST}:{provider_listening.getsockname()[1]}"
        app = create_app(issuer=issuer, idle_seconds=idle_seconds)
        # For the session inspector. Werkzeug's debugger, which runs what is typed into it, is not
        # switched on by this.
        app.debug = True
        # Whoever opens the demo by its number can sign in too.
        origins = [f"http://{host}:{port}" for host in ("localhost", HOST)]
        client = Client(
            app.config["DEMO_ID_CLIENT_ID"],
            app.config["DEMO_ID_CLIENT_SECRET"],
            "Company directory",
            redirect_uris=tuple(f"{origin}/auth/callback/demo-id" for origin in origins),
            post_logout_redirect_uris=tuple(
                f"{origin}/auth/signout/callback" for origin in origins
            ),
            # Who signs out there is signed out here too.
            backchannel_logout_uri=f"http://{HOST}:{port}/auth/backchannel-logout/demo-id",
        )
        provider = create_provider(issuer=issuer, clients=[client])
        click.echo(f"\n  The demo is at http://localhost:{port}   (Ctrl-C stops it)\n")
        for username, password, role in ACCOUNTS:
            click.echo(f"    {username}   {password:20}{role}")
        click.echo(f"\n  A session ends after {idle_seconds} seconds that nobody uses it.")
        click.echo(f"\n  Demo ID, a provider to sign in with, is at {issuer}")
        click.echo(
            f"\n  To start from nothing, delete {app.instance_path}"
            f"\n  and {provider.instance_path}\n"
        )
        server = server_of(app, listening)
        provider_server = server_of(provider, provider_listening)
    thread = Thread(target=provider_server.serve_forever)
    thread.start()
    try:
        server.serve_forever()  # until Ctrl-C
    finally:
        provider_server.shutdown()
        thread.join()


def idle_seconds_of(text: str) -> int:
    if re.fullmatch("[1-9][0-9]{0,3}", text) and int(text) <= _MAX_IDLE_SECONDS:
        return int(text)
    sys.exit(f"IDLE_SECONDS is a number from 1 to {_MAX_IDLE_SECONDS}, not {text!r}.")


def listen_beside(port: int) -> socket.socket:
    """A socket at the next port, or at any free one."""
    try:
        return socket.create_server((HOST, port + 1 if 0 < port < 65_535 else 0))
    except OSError:
        return socket.create_server((HOST, 0))


if __name__ == "__main__":
    main()
