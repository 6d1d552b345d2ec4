"""How a refusal is said: ``application/problem+json`` (RFC 9457) to programs, a page to people."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException, default_exceptions

from .exceptions import JWTSessionError
from .lifecycle.binding import Binding
from .lifecycle.state import state_of, takes_no_cookie
from .request_checks.bearer import challenge
from .request_checks.clients import Client, classify

# RFC 6750 section 3.1 and RFC 9470 section 3, by our codes.
_BEARER_ERRORS = {
    "login_required": "invalid_token",
    "fresh_login_required": "insufficient_user_authentication",
    "role_required": "insufficient_scope",
    "claim_required": "insufficient_scope",
}

#: For pages and answers that are about one person.
NO_STORE = "private, no-cache, no-store"


def client_kind(binding: Binding) -> Client:
    """What kind of client sent the current request."""
    headers = request.headers
    if takes_no_cookie(binding, request):
        return Client.PROGRAM
    return classify(
        fetch_mode=headers.get("Sec-Fetch-Mode"),
        accept=headers.get("Accept", ""),
        hx_request=headers.get("HX-Request"),
    )


def refusal(
    binding: Binding,
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    again: str | None = None,
    headers: dict[str, str] | None = None,
) -> HTTPException:
    """A Werkzeug exception of ``status`` to raise, so that an ``errorhandler`` of the application
    for it goes on working; without one it answers with ``code`` and ``detail``.

    :param title: of the page; by default what HTTP calls the status
    :param again: the path of a page where the person can try once more
    """
    response = _response(binding, status, code, detail, title, again)
    response.headers.update(headers or {})
    return default_exceptions[status](detail, response)


def sign_in_needed(
    binding: Binding, code: str, detail: str, *, headers: dict[str, str] | None = None
) -> HTTPException:
    """The refusal of a program that has to sign in; ``code`` is why."""
    headers = {**challenge_of(binding, code), **(headers or {})}
    if code == "login_required" and state_of(binding).bearer is not None:
        return refusal(binding, 401, "invalid_token", "The token is not accepted.", headers=headers)
    return refusal(binding, 401, code, detail, headers=headers)


def challenge_of(binding: Binding, code: str) -> dict[str, str]:
    """The header ``WWW-Authenticate`` (RFC 6750 section 3), where a token may come in a header."""
    if "header" not in binding.settings.token_locations:
        return {}
    # Without a token nothing is wrong with it.
    error = None if state_of(binding).bearer is None else _BEARER_ERRORS[code]
    return {"WWW-Authenticate": challenge(binding.blueprint, error)}


def store_is_away(binding: Binding) -> HTTPException:
    """The refusal while the store is away: anything else would read as signed out, or as done."""
    return refusal(
        binding,
        503,
        "store_unavailable",
        "The session store is away, and without it this cannot be answered. Please try again in a "
        "moment.",
        headers={"Retry-After": "5"},
    )


def answer_error(binding: Binding, error: JWTSessionError) -> Response:
    """The answer to an error of this package that a view let pass."""
    return _response(binding, error.status, error.code, str(error))


def page(
    template: str,
    *,
    status: int = 200,
    referrer: str = "same-origin",
    form_targets: str | None = "'self'",
    **values: object,
) -> Response:
    """A built-in page, under a Content-Security-Policy that lets no script and no frame in.

    :param referrer: the Referrer-Policy. ``no-referrer`` is not for a page with a form: its request
        would say ``Origin: null``
    :param form_targets: where forms may lead, redirects included; None for anywhere
    """
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    if form_targets is not None:
        policy += f"; form-action {form_targets}"
    response = Response(render_template(f"jwtsession/{template}", **values), status)
    response.headers.update(
        {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": referrer,
            "Cache-Control": NO_STORE,
        }
    )
    return response


def refusal_page(
    binding: Binding, status: int, title: str, detail: str, *, again: str | None = None
) -> Response:
    """The built-in page that says why something was refused."""
    return page(
        "refusal.html",
        status=status,
        referrer="no-referrer",
        blueprint=binding.blueprint,
        title=title,
        detail=detail,
        again=again,
    )


def _response(
    binding: Binding,
    status: int,
    code: str,
    detail: str,
    page_title: str | None = None,
    again: str | None = None,
) -> Response:
    title = HTTPStatus(status).phrase
    if client_kind(binding) is Client.PAGE:
        return refusal_page(binding, status, page_title or title, detail, again=again)
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    response = Response(json.dumps(body), status, content_type="application/problem+json")
    response.headers["Cache-Control"] = NO_STORE
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
