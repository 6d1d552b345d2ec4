"""Short words for one request: somebody's cookie, and a view that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from .support import HTTPS, NOW, claims_at, seal, session_cookie_name

View = Callable[..., Any]


def cookie_of(app: Flask, *, https: bool = False, now: float = NOW, **claims: Any) -> str:
    """The Cookie header of somebody who signed in at ``now``; ``claims`` replace the usual ones."""
    token = seal(app, {**claims_at(now), **claims}, https=https)
    return f"{session_cookie_name(app, https=https)}={token}"


def visit(
    app: Flask,
    view: View,
    cookie: str = "",
    *,
    method: str = "GET",
    https: bool = False,
    base_url: str | None = None,
    headers: dict[str, str] | None = None,
) -> TestResponse:
    """The answer of ``view`` to one request with exactly this Cookie header."""
    if "visit" in app.view_functions:
        app.view_functions["visit"] = view
    else:
        app.add_url_rule("/visit", "visit", view, methods=["GET", "POST"])
    sent = {**(headers or {}), **({"Cookie": cookie} if cookie else {})}
    return app.test_client(use_cookies=False).open(
        "/visit",
        method=method,
        headers=sent,
        base_url=base_url or (HTTPS if https else None),
        buffered=True,
    )
