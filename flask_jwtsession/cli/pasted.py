"""What somebody pasted: a token, headers of a request or response, or rows of a browser's table of
cookies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADER = re.compile(r"^[<> ]*(set-cookie|cookie|authorization)\s*:\s*", re.IGNORECASE)
_BEARER = re.compile(r"^bearer\s+", re.IGNORECASE)
# "Copy as cURL", in one line or several.
_OPTION = re.compile(r"(?:^|\s)(-H|--header|-b|--cookie)\s+\$?([\"'])(.*?)\2")
# Quotes around anything, and a member of JSON or of a Python dictionary.
_QUOTED = re.compile(r"([\"'])(.*)\1")
_MEMBER = re.compile(r"([\"'])([^\"']+)\1\s*:\s*([\"'])([^\"']*)\3")
# What tokens are made of; a long one may come in several lines.
_PART_OF_TOKEN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True)
class Pasted:
    """Cookies, as in a ``Cookie`` header, and the token of a header ``Authorization``; or one of
    which nobody said where it was. What there is not is empty.
    """

    cookies: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def read_pasted(text: str) -> Pasted:
    """Find out what ``text`` is. Nothing of it is checked."""
    lines = [bare for line in text.splitlines() for bare in _bare(line) if bare]
    if all(map(_PART_OF_TOKEN.fullmatch, lines)):
        return Pasted(token="".join(lines))
    if len(lines) == 1 and not _HEADER.match(lines[0]) and not re.search(r"[=\t]", lines[0]):
        is_bearer = _BEARER.match(lines[0])
        token = _BEARER.sub("", lines[0])
        return Pasted(bearer=token) if is_bearer else Pasted(token=token)
    pairs, bearer = list[str](), ""
    for line in lines:
        header = _HEADER.match(line)
        kind = header[1].lower() if header else ""
        rest = line[header.end() :] if header else line
        if kind == "authorization":
            bearer = _BEARER.sub("", rest) if _BEARER.match(rest) else ""
            continue
        if not kind and pairs and _PART_OF_TOKEN.fullmatch(line):
            pairs[-1] += line
            continue
        pairs.extend(_pairs(rest, is_set_cookie=kind == "set-cookie"))
    return Pasted(cookies="; ".join(pairs), bearer=bearer)


def _bare(line: str) -> Iterator[str]:
    """A line without what a shell or an editor put around it; several, if it has more than one."""
    line = line.strip().removesuffix("\\").strip()
    options = _OPTION.findall(line)
    members = [] if _HEADER.match(line) else _MEMBER.findall(line)
    quoted = _QUOTED.fullmatch(line)
    if options:
        yield from (text.strip() for _, _, text in options)
    elif members:
        yield from (f"{name}={value}" for _, name, _, value in members)
    else:
        yield (quoted[2] if quoted else line).strip()


def _pairs(line: str, *, is_set_cookie: bool) -> Iterator[str]:
    if "\t" in line:
        fields = line.split("\t")
        # A row of a file of curl's; or of a browser's table: name, value, and more.
        name, value = fields[5:] if _is_of_curl(fields) else fields[:2]
        yield f"{name.strip()}={value.strip()}"
    elif is_set_cookie:
        yield line.partition(";")[0].strip()
    else:
        yield from (pair.strip() for pair in line.split(";") if pair.strip())


def _is_of_curl(fields: list[str]) -> bool:
    return len(fields) == 7 and {fields[1], fields[3]} <= {"TRUE", "FALSE"}
