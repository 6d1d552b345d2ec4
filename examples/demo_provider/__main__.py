"""``python -m examples.demo_provider``: serve the provider alone, for an application of your own.

Its redirect URI is the argument, or else that of the demo application.
"""

from __future__ import annotations

import logging
import os
import sys

import click

from . import HERE, Client, create_app, keys
from .serving import HOST, listen, port_of, server_of

_COMMAND = "python -m examples.demo_provider"
_REDIRECT_URI = "http://localhost:5000/auth/callback/demo-id"


def main() -> None:
    redirect_uris = tuple(sys.argv[1:]) or (_REDIRECT_URI,)
    instance = HERE / "instance"
    instance.mkdir(mode=0o700, exist_ok=True)
    with listen(port_of(os.environ.get("PORT", "5001")), _COMMAND) as listening:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        issuer = f"http://{HOST}:{listening.getsockname()[1]}"
        secret = keys.secret(instance, "client-secret")
        client = Client("app", secret, "Your application", redirect_uris)
        app = create_app(instance, issuer=issuer, clients=[client])
        click.echo(f"\n  Demo ID, the issuer, is at {issuer}   (Ctrl-C stops it)\n")
        click.echo("    client id      app")
        click.echo(f"    client secret  in {instance / 'client-secret'}")
        for redirect_uri in redirect_uris:
            click.echo(f"    redirect URI   {redirect_uri}")
        click.echo("")
        server = server_of(app, listening)
    server.serve_forever()


if __name__ == "__main__":
    main()
