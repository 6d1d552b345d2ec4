"""What somebody pasted: a token, headers of a request or response, or rows of a browser's table of
cookies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADER = re.compile(r"^[<> ]*(set-cookie|cookie|authorization)\s*:\s*", re.IGNORECASE)
_BEARER = re.compile(r"^bearer\s+", re.IGNORECASE)
# What tokens are made of; a long one may come in several lines.
_PART_OF_TOKEN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True)
class Pasted:
    """Cookies, as in a ``Cookie`` header; or the token of a header ``Authorization``; or one of
    which nobody said where it was. The others are empty.
    """

    cookies: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def read_pasted(text: str) -> Pasted:
    """Find out what ``text`` is. Nothing of it is checked."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if all(map(_PART_OF_TOKEN.fullmatch, lines)):
        return Pasted(token="".join(lines))
    if len(lines) == 1 and not _HEADER.match(lines[0]) and not re.search(r"[=\t]", lines[0]):
        is_bearer = _BEARER.match(lines[0])
        token = _BEARER.sub("", lines[0])
        return Pasted(bearer=token) if is_bearer else Pasted(token=token)
    pairs: list[str] = []
    for line in lines:
        header = _HEADER.match(line)
        kind = header[1].lower() if header else ""
        rest = line[header.end() :] if header else line
        if kind == "authorization":
            return Pasted(bearer=_BEARER.sub("", rest))
        if not kind and pairs and _PART_OF_TOKEN.fullmatch(line):
            pairs[-1] += line
            continue
        pairs.extend(_pairs(rest, is_set_cookie=kind == "set-cookie"))
    return Pasted(cookies="; ".join(pairs))


def _pairs(line: str, *, is_set_cookie: bool) -> Iterator[str]:
    if "\t" in line:  # a row of a browser's table: name, value, and more
        name, value, *_ = line.split("\t")
        yield f"{name.strip()}={value.strip()}"
    elif is_set_cookie:
        yield line.partition(";")[0].strip()
    else:
        yield from (pair.strip() for pair in line.split(";") if pair.strip())
