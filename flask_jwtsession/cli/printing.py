"""Lines for a terminal, of texts that somebody else may have chosen."""

from __future__ import annotations

import json
import sys

import click


def echo(text: str, *, err: bool = False) -> None:
    """Print ``text``, which may have several lines, with :func:`printable` ones only."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


def printable(text: str) -> str:
    """``text`` without what would move a terminal's cursor or turn its line around, and without
    what the output's encoding does not have: each such character as JSON writes it.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return "".join(
        one if one.isprintable() and _has(encoding, one) else json.dumps(one)[1:-1] for one in text
    )


def _has(encoding: str, character: str) -> bool:
    if character.isascii():
        return True
    try:
        character.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
