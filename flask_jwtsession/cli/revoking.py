"""``flask jwtsession revoke``: end sessions from a shell."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..exceptions import RevocationUnavailable, StoreUnavailable
from ..lifecycle import standing
from ..stores import Store
from .application import binding_of_application
from .printing import printable


def revoke_sessions(config_prefix: str, *, user: str | None, session: str | None) -> None:
    if (user is None) == (session is None):
        raise click.UsageError("Give either --user or --session.")
    binding = binding_of_application(config_prefix)
    if not binding.store.is_shared and binding.revocations is not None:
        raise click.ClickException(
            f"{config_prefix}_STORE is of one process alone, as 'memory' is: the application's "
            "own, to which nobody else can write."
        )
    refuse_as_root(binding.store)
    try:
        if user is not None:
            standing.revoke_user(binding, user)
            click.echo(f"All sessions of {printable(user)} that began before now are revoked.")
        elif session is not None:
            standing.revoke_session(binding, session)
            click.echo(f"The session {printable(session)} is revoked.")
    except (RevocationUnavailable, StoreUnavailable, TypeError) as error:
        raise click.ClickException(str(error)) from None


def refuse_as_root(store: Store) -> None:
    """What root makes is root's, and the application could not open it any more."""
    path = getattr(store, "path", None)
    # Of a store of the application's own it may be anything.
    if not isinstance(path, Path) or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    if path.exists():
        return
    folder = next(one for one in path.parents if one.exists())
    owner = folder.stat().st_uid
    if owner != 0:
        raise click.ClickException(
            f"{path} is not there yet, and root would make it its own. Run this as the user that "
            f"the application runs as; {folder} belongs to the user {owner}."
        )
