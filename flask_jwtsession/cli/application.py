"""The application that a command is about."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import ScriptInfo

from ..exceptions import ConfigError
from ..lifecycle.binding import Binding, current_binding


def binding_of_application(config_prefix: str) -> Binding:
    """Load the application, and find the instance with this prefix on it; for the rest of the
    command they are current.

    :raises click.ClickException: it does not start, or has no such instance
    """
    context = click.get_current_context()
    try:
        if not current_app:
            app = context.ensure_object(ScriptInfo).load_app()
            context.with_resource(app.app_context())
        return current_binding(config_prefix)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
