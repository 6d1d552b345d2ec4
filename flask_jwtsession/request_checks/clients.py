"""Who is asking: a person's browser that wants a page, HTMX, or a program."""

from __future__ import annotations

from enum import Enum


class Client(Enum):
    """How a refusal has to look for this client to understand it."""

    PAGE = "page"
    HTMX = "htmx"
    PROGRAM = "program"


def classify(*, fetch_mode: str | None, accept: str, hx_request: str | None) -> Client:
    """Judge by the request headers ``Sec-Fetch-Mode``, ``Accept`` and ``HX-Request``.

    Only a browser that loads a page says ``navigate``. One that does not send the header names
    ``text/html`` for a page; ``*/*`` is what ``fetch``, XHR and command-line clients send.
    """
    if hx_request == "true":
        return Client.HTMX
    is_page = fetch_mode == "navigate" if fetch_mode is not None else "text/html" in accept.lower()
    return Client.PAGE if is_page else Client.PROGRAM
