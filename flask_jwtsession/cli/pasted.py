"""What somebody pasted: a token, a ``Cookie`` or ``Set-Cookie`` header, or rows of a browser's
table of cookies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Characters; a browser has no longer header.
MAX_LENGTH = 1_000_000

_HEADER = re.compile(r"^[<> ]*(set-cookie|cookie|authorization)\s*:\s*", re.IGNORECASE)
_BEARER = re.compile(r"^bearer\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Pasted:
    """Either cookies, as in a ``Cookie`` header, or one token without a name."""

    cookie_header: str = ""
    token: str = ""


def read_pasted(text: str) -> Pasted:
    """Find out what ``text`` is. Nothing of it is checked."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and not _HEADER.match(lines[0]) and _is_token(lines[0]):
        return Pasted(token=_BEARER.sub("", lines[0]))
    pairs: list[str] = []
    for line in lines:
        header = _HEADER.match(line)
        kind = header[1].lower() if header else ""
        rest = line[header.end() :] if header else line
        if kind == "authorization":
            return Pasted(token=_BEARER.sub("", rest))
        pairs.extend(_pairs(rest, is_set_cookie=kind == "set-cookie"))
    return Pasted(cookie_header="; ".join(pairs))


def _is_token(line: str) -> bool:
    # A token has no "=" and no ";": base64url without padding, and dots.
    return not re.search(r"[=;\t]", line)


def _pairs(line: str, *, is_set_cookie: bool) -> Iterator[str]:
    if "\t" in line:  # a row of a browser's table: name, value, and more
        name, value, *_ = line.split("\t")
        yield f"{name.strip()}={value.strip()}"
    elif is_set_cookie:
        yield line.partition(";")[0].strip()
    else:
        yield from (pair.strip() for pair in line.split(";") if pair.strip())
