"""``flask jwtsession …``: what is done from a shell."""

from __future__ import annotations

import os

import click
from flask.cli import AppGroup

from .exceptions import RevocationUnavailable, StoreUnavailable
from .lifecycle import standing
from .lifecycle.binding import current_binding
from .stores import Store


def make_commands(name: str, config_prefix: str) -> AppGroup:
    """The commands of one instance; an instance with another prefix has them under its name."""
    group = AppGroup(name, help="Sessions of this application.")

    @group.command()
    @click.option("--user", metavar="SUB", help="All sessions of a person until now, by its 'sub'.")
    @click.option("--session", metavar="SID", help="One session, by its 'sid'.")
    def revoke(user: str | None, session: str | None) -> None:
        """Revoke sessions: from their next request on they are signed out."""
        if (user is None) == (session is None):
            raise click.UsageError("Give either --user or --session.")
        binding = current_binding(config_prefix)
        if not binding.store.is_shared and binding.revocations is not None:
            raise click.ClickException(
                f"{config_prefix}_STORE is of one process alone, as 'memory' is: the application's "
                "own, to which nobody else can write."
            )
        _refuse_as_root(binding.store)
        try:
            if user is not None:
                standing.revoke_user(binding, user)
                click.echo(f"All sessions of {user} that began before now are revoked.")
            elif session is not None:
                standing.revoke_session(binding, session)
                click.echo(f"The session {session} is revoked.")
        except (RevocationUnavailable, StoreUnavailable, TypeError) as error:
            raise click.ClickException(str(error)) from None

    return group


def _refuse_as_root(store: Store) -> None:
    """What root makes is root's, and the application could not open it any more."""
    path = getattr(store, "path", None)
    if path is None or not hasattr(os, "geteuid") or os.geteuid() != 0 or path.exists():
        return
    folder = next(one for one in path.parents if one.exists())
    owner = folder.stat().st_uid
    if owner != 0:
        raise click.ClickException(
            f"{path} is not there yet, and root would make it its own. Run this as the user that "
            f"the application runs as; {folder} belongs to the user {owner}."
        )
