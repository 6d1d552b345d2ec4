"""Only the pages of this site send its forms, and only under its own name.

Browsers say where a form comes from; no token in the forms is needed. And no other site may frame
the pages, or be sent what is typed into them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, request

from .provider import this_provider

# Senders of these are applications and their pages: each has a check of its own.
_FOR_APPLICATIONS = {
    "authorize.authorize_by_post",
    "endpoints.token",
    "endpoints.revoke",
    "endpoints.userinfo",
    "sign_out.end_session_by_post",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{target}; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    app.before_request(_refuse_foreign_names)
    app.before_request(_refuse_foreign_forms)
    app.after_request(_secure)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refuse_foreign_names() -> None:
    # A name that somebody makes lead to this machine would make their pages "same-origin" with
    # ours. And people who are signed in under one name are not under another.
    issuer = this_provider().issuer
    if request.host != urlsplit(issuer).netloc and request.endpoint != "static":
        abort(400, f"Demo ID is at {issuer}")


def _refuse_foreign_forms() -> None:
    if request.method in ("GET", "HEAD", "OPTIONS") or request.endpoint in _FOR_APPLICATIONS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_ours = site == "same-origin"
    else:  # an old browser; and no program has business here
        is_ours = request.headers.get("Origin") == this_provider().issuer
    if not is_ours:
        abort(403, "This form was not sent by a page of Demo ID.")


def _secure(response: Response) -> Response:
    target = f" {g.form_target}" if "form_target" in g else ""
    response.headers["Content-Security-Policy"] = _POLICY.format(target=target)
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Addresses here have requests and id tokens in them. Not "no-referrer": a form would then say
    # "Origin: null".
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
