"""Cross-origin requests: who sent this form or fetch, as far as the browser says.

A browser attaches our cookie to requests that other sites start. It also says where a request
comes from: ``Sec-Fetch-Site`` in every current browser on https and localhost, ``Origin`` on every
unsafe request of older ones. A page cannot forge either. A client that sends neither is no
current browser, and carries no cookie that somebody else made it send.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE | re.ASCII,
)
_MAX_ORIGIN_LENGTH = 300


class Verdict(Enum):
    """What the headers say about where a request comes from."""

    SAME_ORIGIN = "same origin"
    CROSS_ORIGIN = "cross origin"
    UNKNOWN = "unknown"


def check_origin(
    *,
    site: str | None,
    origin: str | None,
    referer: str | None,
    own: str | None,
    trusted: Collection[str],
) -> Verdict:
    """Judge an unsafe request by ``Sec-Fetch-Site``, else ``Origin``, else ``Referer``.

    :param site: the header ``Sec-Fetch-Site``; ``origin`` and ``referer`` are those headers
    :param own: the application's origin, as :func:`parse_origin` returns it
    :param trusted: other origins that may send unsafe requests
    """
    if origin is not None and parse_origin(origin) in trusted:
        return Verdict.SAME_ORIGIN
    if site is not None:
        # "none": typed or bookmarked. "same-site" is another host of the domain, which is as
        # foreign as any as long as one of its pages can be taken over.
        return Verdict.SAME_ORIGIN if site in ("same-origin", "none") else Verdict.CROSS_ORIGIN
    if origin is not None:
        same = own is not None and parse_origin(origin) == own
        return Verdict.SAME_ORIGIN if same else Verdict.CROSS_ORIGIN
    if referer:
        sender = origin_of(referer)
        known = sender is not None and (sender == own or sender in trusted)
        return Verdict.UNKNOWN if known else Verdict.CROSS_ORIGIN
    return Verdict.UNKNOWN


def parse_origin(text: str) -> str | None:
    """``text`` as an ASCII origin (RFC 6454 section 6.2) in lower case and without a default port,
    or None if it is anything else: no path, no user, no IDN, no ``null``.
    """
    match = _ORIGIN.fullmatch(text) if len(text) <= _MAX_ORIGIN_LENGTH else None
    return _normal(match) if match else None


def origin_of(url: str) -> str | None:
    """The origin of an absolute http(s) URL, or None. What follows the origin is not looked at."""
    match = _ORIGIN.match(url[:_MAX_ORIGIN_LENGTH])
    if match is None or url[match.end() : match.end() + 1] not in ("", "/", "?", "#"):
        return None
    return _normal(match)


def _normal(match: re.Match[str]) -> str | None:
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    if port is None or port.lstrip("0") == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    if not 0 < int(port) < 65_536:
        return None
    return f"{scheme}://{host}:{int(port)}"
