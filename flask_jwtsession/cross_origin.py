"""Requests that another site started: told by their headers, refused where they change things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Request, request
from werkzeug.exceptions import HTTPException

from .answers import refusal
from .cookies import read_cookies
from .lifecycle.binding import Binding
from .lifecycle.state import current_request, own_origin, takes_no_cookie
from .request_checks.origin import SAFE_METHODS, Verdict, check_origin

F = TypeVar("F", bound=Callable[..., Any])

_EXEMPT = "_jwtsession_csrf_exempt"


def origin_verdict(binding: Binding) -> Verdict:
    """Where the current request comes from, by its headers."""
    headers = request.headers
    return check_origin(
        site=headers.get("Sec-Fetch-Site"),
        origin=headers.get("Origin"),
        referer=headers.get("Referer"),
        own=own_origin(binding, request),
        trusted=binding.settings.trusted_origins,
    )


def refuse_cross_origin(binding: Binding) -> HTTPException:
    """The refusal of a request that another site started; logged."""
    binding.security_log.warning(
        "cross_origin",
        "A request was refused, because it came from another origin or had no valid CSRF token. If "
        "it was the application's own, the application may not know its own origin: apply "
        f"ProxyFix or set {binding.settings.config_prefix}_BASE_URL.",
    )
    return refusal(binding, 403, "cross_origin", "This request came from another site.")


def carries_our_cookie(binding: Binding, request: Request) -> bool:
    """Whether the browser sent a session cookie, or something that looks like one."""
    header: str = request.environ.get("HTTP_COOKIE", "")
    cookies = (cookie for one in binding.cookie_sets for cookie in one.session_cookies)
    return any(read_cookies(header, cookie) for cookie in cookies)


def refuse_forged(binding: Binding) -> None:
    """Raise the refusal if another site started the current request to a view of the application.

    Asked before the view of requests that carry our cookie, and by the verbs of all: a form that
    another site submits comes without a SameSite cookie, but what its answer sets counts. So it
    could sign a person out, or in as somebody else (login CSRF).
    """
    view = binding.app.view_functions.get(request.endpoint or "")
    is_exempt = binding.settings.config_prefix in getattr(view, _EXEMPT, ())
    if (
        binding.settings.csrf_protect
        and request.method not in SAFE_METHODS
        and not is_exempt
        and not takes_no_cookie(binding, current_request())
        and origin_verdict(binding) is Verdict.CROSS_ORIGIN
    ):
        raise refuse_cross_origin(binding)


def exempt(view: F, config_prefix: str) -> F:
    """Mark a view as one that requests of other origins may reach."""
    prefixes: frozenset[str] = getattr(view, _EXEMPT, frozenset())
    setattr(view, _EXEMPT, prefixes | {config_prefix})
    return view
