"""``/signin``: the sign-in page."""

from __future__ import annotations

from flask import Response

from ..answers import page, refusal
from ..lifecycle.binding import Binding
from ..lifecycle.csrf import token_for_page
from ..lifecycle.state import state_of
from ..targets import allowed_target, page_path, query, requested_target
from .posts import Fields
from .providers import available
from .redirecting import redirect_to, send_to

# The codes of Auth.js that can come back to a sign-in page; any other says no more than that.
_MESSAGES = {
    "CredentialsSignin": "The user name or the password is not right.",
    "SessionRequired": "Sign in to see this page.",
}
_OTHER_MESSAGE = "The sign-in did not work. Please try again."


def show(binding: Binding) -> Response:
    """The built-in page, or a redirect to the application's own."""
    target = allowed_target(binding, requested_target())
    error, code = query().get("error"), query().get("code")
    if "sign_in" in binding.settings.pages:
        own = page_path(binding, "sign_in", callbackUrl=target, error=error, code=code)
        return redirect_to(own)
    return page(
        "signin.html",
        # A browser applies form-action to redirects too, and where this form leads is not known
        # yet: the sign_in_callback may send the person anywhere.
        form_targets=None,
        blueprint=binding.blueprint,
        csrf_field=token_for_page(state_of(binding)),
        callback_url=target,
        message=None if error is None else _MESSAGES.get(error, _OTHER_MESSAGE),
        providers=available(binding),
    )


def start(binding: Binding, fields: Fields, provider: str) -> Response:
    """Start a sign-in with ``provider``. For credentials that is the page with the form."""
    if provider not in available(binding):
        raise refusal(binding, 404, "unknown_provider", "There is no such provider.")
    target = allowed_target(binding, fields.get("callbackUrl"))
    return send_to(binding, page_path(binding, "sign_in", callbackUrl=target))
