"""``flask jwtsession secret``: make a secret, or replace the present one."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_urlsafe
from typing import Any

import click
from flask import current_app

from .application import binding_of_application

_BYTES = 32


def print_secret() -> None:
    click.echo(token_urlsafe(_BYTES))


def print_rotation(config_prefix: str) -> None:
    """The three steps of the documentation, with the values."""
    settings = binding_of_application(config_prefix).settings
    config = current_app.config
    form = _form_of_settings(config, os.environ, config_prefix)
    new = token_urlsafe(_BYTES).encode()
    present, *older = settings.secrets
    own, fallbacks = f"{config_prefix}_SECRET", f"{config_prefix}_SECRET_FALLBACKS"
    keep, key = settings.lifetimes.max_age, "MAX_AGE"
    if settings.refresh is not None and settings.refresh.secrets == settings.secrets:
        keep, key = settings.refresh.lifetimes.max_age, "REFRESH_MAX_AGE"  # the longer one
    for line in (
        "# Step 1: on every worker of every machine before any of them has step 2.",
        form.line(own, present),
        form.list_line(fallbacks, [new, *older]),
        "# Step 2: sessions are issued under the new secret, the others stay good.",
        form.line(own, new),
        form.list_line(fallbacks, [present, *older]),
        f"# Step 3, {_span(keep)} later ({config_prefix}_{key}): no {fallbacks}.",
    ):
        click.echo(line)
    for remark in _remarks(config, os.environ, config_prefix):
        click.echo(remark, err=True)


class _Python:
    """Settings as lines of a configuration file."""

    def line(self, key: str, secret: bytes) -> str:
        return f"{key} = {_literal(secret)}"

    def list_line(self, key: str, secrets: Sequence[bytes]) -> str:
        return f"{key} = [{', '.join(map(_literal, secrets))}]"


class _Environment:
    """Settings as variables, for a shell."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning

    def line(self, key: str, secret: bytes) -> str:
        return f"export {self._beginning}{key}={_quoted(secret.decode())}"

    def list_line(self, key: str, secrets: Sequence[bytes]) -> str:
        # JSON can do without the one character that cannot stand between single quotes.
        text = json.dumps([one.decode() for one in secrets]).replace("'", "\\u0027")
        return f"export {self._beginning}{key}='{text}'"


def _form_of_settings(
    config: Mapping[str, Any], environment: Mapping[str, str], prefix: str
) -> _Python | _Environment:
    """The form in which the application has its secret now."""
    key = f"{prefix}_SECRET"
    value = config.get(key)
    if value is None:
        return _Environment("") if key in environment else _Python()
    # From Flask's from_prefixed_env(), with its usual prefix.
    return _Environment("FLASK_") if environment.get(f"FLASK_{key}") == value else _Python()


def _span(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _remarks(
    config: Mapping[str, Any], environment: Mapping[str, str], prefix: str
) -> Iterator[str]:
    yield "Both secrets are in this output: keep it as you keep them."
    if config.get(f"{prefix}_SECRET") is None and f"{prefix}_SECRET" not in environment:
        yield (
            "The present secret is Flask's SECRET_KEY. It stays as it is for flask.session; "
            "sessions get one of their own."
        )
    of_refresh = f"{prefix}_REFRESH_SECRET"
    if config.get(of_refresh) is not None or of_refresh in environment:
        yield f"{of_refresh} is another secret, and is replaced in the same three steps."


def _literal(secret: bytes) -> str:
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return repr(secret)
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else ascii(text)


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise click.ClickException(
            "The present secret has characters that cannot be printed, and so no line for a shell "
            "can be made of it."
        )
    return shlex.quote(text) if "'" in text else f"'{text}'"
