"""``flask jwtsession …``: what is done from a shell.

The applications that never run a command import nothing but the names of the commands.
"""

from __future__ import annotations

import click
from flask.cli import AppGroup

from ..config import DEFAULT_PREFIX


def make_commands(name: str, config_prefix: str) -> AppGroup:
    """The commands of one instance; an instance with another prefix has them under its name."""
    group = AppGroup(name, help="Sessions of this application.")

    # None of them with Flask's own app context: for it Flask would load the application first, and
    # without a secret there is none that starts.

    @group.command(with_appcontext=False)
    @click.option(
        "--rotate",
        is_flag=True,
        help="The settings that replace the present secret, step by step, without signing anybody "
        "out. The present secret is in them.",
    )
    def secret(rotate: bool) -> None:
        """Print a new secret. It is kept nowhere."""
        from .secrets import print_rotation, print_secret

        if rotate:
            print_rotation(config_prefix)
        else:
            print_secret()

    @group.command(with_appcontext=False)
    @click.option(
        "--show-tokens", is_flag=True, help="Show the provider tokens in the session, too."
    )
    def inspect(show_tokens: bool) -> None:
        """Say what a session cookie or token holds, and why it is refused if it is.

        It is read from standard input: the token, a Cookie or Set-Cookie header, or rows of the
        browser's table of cookies. Provider tokens are masked. The exit code is 0 for what is
        accepted, and 1 for what is not.
        """
        from .inspecting import inspect_input

        inspect_input(config_prefix, show_tokens=show_tokens)

    @group.command(with_appcontext=False)
    @click.option("--user", metavar="SUB", help="All sessions of a person until now, by its 'sub'.")
    @click.option("--session", metavar="SID", help="One session, by its 'sid'.")
    def revoke(user: str | None, session: str | None) -> None:
        """Revoke sessions: from their next request on they are signed out."""
        from .revoking import revoke_sessions

        revoke_sessions(config_prefix, user=user, session=session)

    @group.command(with_appcontext=False)
    def check() -> None:
        """Check the configuration against what production needs.

        Run it where the application runs, with its configuration and as its user. The exit code is
        1 if there is a problem; warnings leave it at 0.
        """
        from .checking import print_findings

        print_findings(config_prefix)

    return group


#: For Flask's own command line, which has them before there is an application that starts.
commands: AppGroup = make_commands(DEFAULT_PREFIX.lower(), DEFAULT_PREFIX)
