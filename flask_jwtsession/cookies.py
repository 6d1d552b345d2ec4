"""Cookies: names, attributes and chunks. Strings in, strings out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import cached_property
from math import ceil

from .exceptions import TokenInvalid

#: Characters of a value in one cookie, as in Auth.js.
CHUNK_SIZE = 3936
#: Browsers take no longer ``Set-Cookie`` line; the name and the attributes count.
MAX_LINE = 4096
#: More chunks than the longest token needs: what has more is no token.
MAX_CHUNKS = 32
#: Values of one cookie name. A browser has one; more were planted, and each costs a decryption.
MAX_VALUES = 8

_CHUNK_NUMBER = re.compile(r"0|[1-9][0-9]?", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{16}", re.ASCII)
_DELETED = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"


class CookieLines(dict[str, str]):
    """``Set-Cookie`` lines by the name of the cookie.

    Its ``repr`` shows the names only: error reports show the variables of a frame, and the values
    are tokens that are good.
    """

    def __repr__(self) -> str:
        return f"<CookieLines {', '.join(self)}>"

    def __or__(self, other: Mapping[str, str]) -> CookieLines:  # type: ignore[override]
        return CookieLines({**self, **other})


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """One cookie's name and attributes; HttpOnly always."""

    name: str
    path: str = "/"
    domain: str | None = None
    secure: bool = True
    samesite: str = "Lax"
    partitioned: bool = False

    @cached_property
    def _attributes(self) -> str:
        parts = [f"Path={self.path}"]
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        parts.append(f"SameSite={self.samesite}")
        if self.partitioned:
            parts.append("Partitioned")
        return "; ".join(parts)

    def owns(self, name: str) -> bool:
        """Whether ``name`` is this cookie's or one of its chunks'."""
        if not name.startswith(self.name):
            return False
        rest = name[len(self.name) :]
        return not rest or (rest[0] == "." and _CHUNK_NUMBER.fullmatch(rest[1:]) is not None)

    def names(self, length: int) -> list[str]:
        """The name, and those of all chunks that a value of so many characters can have."""
        pieces = range(ceil(length / (CHUNK_SIZE // 2)))  # none is shorter than half of one
        return [self.name, *(f"{self.name}.{number}" for number in pieces)]

    def session_lines(self, value: str) -> CookieLines:
        """A line for a cookie that ends with the browser's session."""
        return CookieLines({self.name: f"{self.name}={value}; {self._attributes}"})

    def set_lines(
        self, value: str, *, sent: Iterable[str], expires: float, now: float
    ) -> CookieLines:
        """The ``Set-Cookie`` lines, by name, that make ``value`` the cookie's value.

        :param value: a token, of cookie octets (RFC 6265 section 4.1.1)
        :param sent: the names of this cookie that the browser has; those that are no longer used
            are deleted with the attributes they were set with
        :param expires: epoch seconds
        """
        # Max-Age does not depend on the browser's clock and wins over Expires (RFC 6265 section
        # 4.1.2.2); Expires is for what only knows that.
        lifetime = (
            f"Expires={formatdate(expires, usegmt=True)}; Max-Age={max(0, ceil(expires - now))}"
        )
        chunks = self._split(value, len(lifetime))
        lines = {
            name: f"{name}={chunk}; {lifetime}; {self._attributes}"
            for name, chunk in chunks.items()
        }
        deleted = {name: self._delete(name) for name in sent if name not in lines}
        return CookieLines({**deleted, **lines})

    def delete_lines(self, *, sent: Iterable[str]) -> CookieLines:
        """The lines that delete the cookie and every chunk of it that the browser has."""
        return CookieLines({name: self._delete(name) for name in (self.name, *sent)})

    def _delete(self, name: str) -> str:
        return f"{name}=; {_DELETED}; {self._attributes}"

    def _split(self, value: str, lifetime_length: int) -> dict[str, str]:
        overhead = len(self.name) + len(".31=; ; ") + lifetime_length + len(self._attributes)
        size = min(CHUNK_SIZE, MAX_LINE - overhead)
        if len(value) <= size:
            return {self.name: value}
        pieces = [value[start : start + size] for start in range(0, len(value), size)]
        return {f"{self.name}.{number}": piece for number, piece in enumerate(pieces)}


@dataclass(frozen=True, kw_only=True)
class LoginCookies(Cookie):
    """The cookies of login transactions: ``name`` and an identifier of 16 characters each.

    ``Lax`` whatever the session's SameSite is: the browser comes back from another site. A provider
    that comes back with a POST needs more than that: see :meth:`named`.
    """

    def owns(self, name: str) -> bool:
        """Whether ``name`` is that of a login transaction."""
        before, dot, identifier = name.rpartition(".")
        return before == self.name and bool(dot) and _IDENTIFIER.fullmatch(identifier) is not None

    def named(self, name: str, *, cross_site: bool = False) -> Cookie:
        """The cookie of one transaction.

        :param cross_site: whether it has to come back with a POST from another site. Browsers take
            such a cookie with ``Secure`` only, but from http://localhost too.
        """
        return Cookie(
            name=name,
            path=self.path,
            domain=self.domain,
            secure=self.secure or cross_site,
            samesite="None" if cross_site else "Lax",
            partitioned=self.partitioned,
        )


def read_cookies(header: str, cookie: Cookie) -> dict[str, list[str]]:
    """The different values of ``cookie`` and its chunks in a ``Cookie`` header, by name, in order.

    At most one more than :data:`MAX_VALUES` of each name, which is how a reader sees that there
    are more. They are taken as they are: a quoted value keeps its quotes, because no token of ours
    has any.
    """
    found: dict[str, list[str]] = {}
    if cookie.name not in header:
        return found
    for pair in header.split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if equals and cookie.owns(name):
            values = found.setdefault(name, [])
            if len(values) <= MAX_VALUES and value not in values:
                values.append(value)
    return found


def candidates(found: Mapping[str, list[str]], cookie: Cookie) -> list[str]:
    """The values that may be the token.

    Those of the cookie itself if it has any (several: somebody planted one), else the one that its
    chunks make. Raises :exc:`TokenInvalid` for chunks that are not complete from 0 on, each with
    one value.
    """
    whole = [value for value in found.get(cookie.name, ()) if value]
    chunks = found.keys() - {cookie.name}
    if whole or not chunks:
        return whole
    names = [f"{cookie.name}.{number}" for number in range(len(chunks))]
    if len(names) > MAX_CHUNKS or any(len(found.get(name, ())) != 1 for name in names):
        raise TokenInvalid("chunks")
    return ["".join(found[name][0] for name in names)]
