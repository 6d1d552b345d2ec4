"""``/client.js``: the module for pages, and its types for editors and compilers."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Response, request

from ..lifecycle.binding import Binding

_FOLDER = Path(__file__).parent.parent / "client"
#: Seconds for which a browser need not ask for it again.
_MAX_AGE = 300


def module(binding: Binding) -> Response:
    """The module. Pages find the other endpoints by its URL."""
    return _file("client.js", "text/javascript")


def types(binding: Binding) -> Response:
    """The types of the module, for TypeScript."""
    return _file("client.d.ts", "text/plain")


def _file(name: str, content_type: str) -> Response:
    content, etag = _read(name)
    response = Response(content, content_type=f"{content_type}; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={_MAX_AGE}"
    # By the content: it is the same on every machine.
    response.set_etag(etag)
    response.make_conditional(request)
    return response


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (_FOLDER / name).read_bytes()
    return content, sha256(content).hexdigest()[:32]
