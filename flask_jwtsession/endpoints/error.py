"""``/error``: why a sign-in did not work, by Auth.js's codes."""

from __future__ import annotations

from flask import Response

from ..answers import refusal, refusal_page
from ..lifecycle.binding import Binding
from ..targets import allowed_target, page_path, query, requested_target
from .failures import TEXTS
from .redirecting import redirect_to, wants_problem


def show(binding: Binding) -> Response:
    """The built-in page, or a redirect to the application's own."""
    code = query().get("error")
    if "error" in binding.settings.pages:
        target = allowed_target(binding, requested_target())
        return redirect_to(page_path(binding, "error", error=code, callbackUrl=target))
    code = code if code in TEXTS else "Default"
    status, title, detail = TEXTS[code]
    if wants_problem():
        raise refusal(binding, status, code, detail)
    return refusal_page(binding, status, title, detail)
