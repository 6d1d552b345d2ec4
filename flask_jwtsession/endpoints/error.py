"""``/error``: why a sign-in did not work, by Auth.js's codes."""

from __future__ import annotations

from flask import Response

from ..answers import refusal, refusal_page
from ..lifecycle.binding import Binding
from ..targets import page_path, query
from .redirecting import redirect_to, wants_problem

_TEXTS = {
    "AccessDenied": (403, "Access denied", "You may not sign in here."),
    "Verification": (403, "Link expired", "This sign-in link was used already, or it is too old."),
    "Configuration": (400, "Something is wrong", "The sign-in is not set up correctly."),
    "Default": (400, "Something went wrong", "The sign-in did not work. Please try again."),
}


def show(binding: Binding) -> Response:
    """The built-in page, or a redirect to the application's own."""
    code = query().get("error")
    if "error" in binding.settings.pages:
        return redirect_to(page_path(binding, "error", error=code))
    code = code if code in _TEXTS else "Default"
    status, title, detail = _TEXTS[code]
    if wants_problem():
        raise refusal(binding, status, code, detail)
    return refusal_page(binding, status, title, detail)
