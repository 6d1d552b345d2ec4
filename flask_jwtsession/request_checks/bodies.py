"""Request bodies from a browser, bounded before they are parsed."""

from __future__ import annotations

from typing import Any

from ..tokens import strict_json

#: Bytes.
MAX_BODY = 64 * 1024
#: How deep arrays and objects may nest.
MAX_DEPTH = 32


def parse_json_body(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``.

    Raises :exc:`ValueError`, with a text that may be shown to the client, for a body that is not a
    UTF-8 JSON object, nests deeper than :data:`MAX_DEPTH`, or holds what JSON readers disagree
    about: NaN and infinities, numbers that overflow, two members of one name, lone surrogates.
    """
    return strict_json.parse_object(body, depth=MAX_DEPTH)
