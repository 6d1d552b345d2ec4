"""``/signout``: a page that asks, and the sign-out itself."""

from __future__ import annotations

from flask import Response

from ..answers import page
from ..lifecycle.binding import Binding
from ..lifecycle.change import end
from ..lifecycle.csrf import token_for_page
from ..lifecycle.state import state_of
from ..providers.sign_out import provider_sign_out, revoke_tokens, target_of_return
from ..targets import (
    allowed_target,
    chosen_target,
    default_target,
    page_path,
    query,
    requested_target,
)
from .posts import Fields
from .redirecting import redirect_to, send_to


def show(binding: Binding) -> Response:
    """The page with the button: a GET signs nobody out."""
    target = allowed_target(binding, requested_target(), leaving=True)
    if "sign_out" in binding.settings.pages:
        return redirect_to(page_path(binding, "sign_out", callbackUrl=target))
    return page(
        "signout.html",
        form_targets=_form_targets(binding),
        blueprint=binding.blueprint,
        csrf_field=token_for_page(state_of(binding)),
        callback_url=target,
    )


def sign_out(binding: Binding, fields: Fields) -> Response:
    """Sign out, and go on to ``callbackUrl``, perhaps by way of the provider."""
    state = state_of(binding)
    session = end(state, "user")
    account = None if session is None else session.account
    revoke_tokens(binding, account)
    target = chosen_target(binding, fields.get("callbackUrl"), leaving=True)
    return send_to(binding, provider_sign_out(state, account, target=target) or target)


def come_back(binding: Binding) -> Response:
    """The browser comes back from its provider: on to where it wanted to go."""
    target = target_of_return(state_of(binding), query().get("state"))
    if target is None:
        # Whoever was signed out is signed out; there is nothing here to refuse.
        target = default_target(binding)
    return send_to(binding, target)


def _form_targets(binding: Binding) -> str | None:
    if binding.settings.federated_sign_out:
        return None  # the form leads to the provider, wherever that is
    return " ".join(["'self'", *sorted(binding.settings.trusted_origins)])
