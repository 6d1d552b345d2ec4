"""``/signout``: a page that asks, and the sign-out itself."""

from __future__ import annotations

from flask import Response

from ..answers import page
from ..lifecycle.binding import Binding
from ..lifecycle.change import end
from ..lifecycle.csrf import token_for_page
from ..lifecycle.state import state_of
from ..targets import allowed_target, chosen_target, page_path, requested_target
from .posts import Fields
from .redirecting import redirect_to, send_to


def show(binding: Binding) -> Response:
    """The page with the button: a GET signs nobody out."""
    target = allowed_target(binding, requested_target(), leaving=True)
    if "sign_out" in binding.settings.pages:
        return redirect_to(page_path(binding, "sign_out", callbackUrl=target))
    return page(
        "signout.html",
        form_targets=" ".join(["'self'", *sorted(binding.settings.trusted_origins)]),
        blueprint=binding.blueprint,
        csrf_field=token_for_page(state_of(binding)),
        callback_url=target,
    )


def sign_out(binding: Binding, fields: Fields) -> Response:
    """Sign out, and go on to ``callbackUrl``."""
    end(state_of(binding), "user")
    return send_to(binding, chosen_target(binding, fields.get("callbackUrl"), leaving=True))
