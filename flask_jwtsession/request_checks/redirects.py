"""Where a browser may be sent after sign-in or sign-out.

The rule judges by what a browser does with a ``Location`` header, not by what a URL parser makes of
the text: browsers drop tabs and line ends, take a backslash for a slash, and let two slashes at the
start of a path name another host.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .origin import origin_of

_MAX_LENGTH = 2048
# Backslash, space, C0 and C1 controls, DEL, the two Unicode line separators, and lone surrogates,
# which no header can carry.
_FORBIDDEN = re.compile("[\\\\\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DOT = re.compile("%2e", re.IGNORECASE)


def safe_target(value: object, allowed_origins: Collection[str]) -> str | None:
    """``value`` if a browser may be sent there, else None.

    Accepted are a path of this host (``/a?b#c``) and an absolute http(s) URL without ``@``, whose
    origin is one of ``allowed_origins`` (as :func:`~.origin.parse_origin` returns them).
    """
    if not isinstance(value, str) or not value or len(value) > _MAX_LENGTH:
        return None
    if _FORBIDDEN.search(value):
        return None
    if is_local_path(value):
        return value
    origin = None if "@" in value else origin_of(value)
    return value if origin is not None and origin in allowed_origins else None


def is_local_path(value: str) -> bool:
    """Whether ``value`` is a path on this host, for a browser too."""
    if not value.startswith("/") or value.startswith("//") or _FORBIDDEN.search(value):
        return False
    return not resolved_path(value).startswith("//")


def resolved_path(target: str) -> str:
    """The path of a local target, as a browser resolves it (WHATWG URL, path state): ``%2e`` is a
    dot.
    """
    path = re.split(r"[?#]", target, maxsplit=1)[0]
    kept: list[str] = []
    segments = _DOT.sub(".", path).split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
