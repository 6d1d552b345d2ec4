"""``/signin``: the sign-in page."""

from __future__ import annotations

from flask import Response

from ..answers import page, refusal
from ..exceptions import ProviderError
from ..lifecycle.binding import Binding
from ..lifecycle.csrf import token_for_page
from ..lifecycle.state import state_of
from ..providers.sign_in import begin
from ..targets import allowed_target, page_path, query, requested_target
from .failures import answer_provider_error
from .posts import Fields
from .providers import available
from .redirecting import redirect_to, send_to

# The codes of Auth.js that can come back to a sign-in page; any other says no more than that.
_MESSAGES = {
    "CredentialsSignin": "The user name or the password is not right.",
    "SessionRequired": "Sign in to see this page.",
}
_OTHER_MESSAGE = "The sign-in did not work. Please try again."
_MAX_AGE_DIGITS = 9
# Parameters of the authorization request that a browser may choose.
_OPEN_PARAMETERS = ("login_hint", "prompt", "ui_locales", "screen_hint", "acr_values")
_MAX_PARAMETER_LENGTH = 512


def show(binding: Binding) -> Response:
    """The built-in page, or a redirect to the application's own."""
    target = allowed_target(binding, requested_target())
    error, code, max_age = query().get("error"), query().get("code"), query().get("max_age")
    if max_age is not None and not _is_seconds(max_age):
        max_age = None
    if "sign_in" in binding.settings.pages:
        own = page_path(
            binding, "sign_in", callbackUrl=target, error=error, code=code, max_age=max_age
        )
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
        max_age=max_age,
        providers=_ways(binding, proving=max_age is not None),
    )


def start(binding: Binding, fields: Fields, provider: str) -> Response:
    """Start a sign-in with ``provider``. For credentials that is the page with the form."""
    if provider not in available(binding):
        raise refusal(binding, 404, "unknown_provider", "There is no such provider.")
    target = allowed_target(binding, fields.get("callbackUrl"))
    if provider == "credentials":
        return send_to(binding, page_path(binding, "sign_in", callbackUrl=target))
    known, max_age = binding.providers[provider], _max_age(binding, fields.get("max_age"))
    if max_age is not None and not known.confirms_login:
        raise refusal(
            binding, 400, "cannot_confirm", f"{known.label} cannot tell when somebody logged in."
        )
    try:
        url = begin(
            state_of(binding),
            known,
            target=target,
            parameters=_chosen_parameters(),
            max_age=max_age,
        )
    except ProviderError as error:
        return answer_provider_error(binding, error, "OAuthSignInError", target=target)
    return send_to(binding, url)


def _chosen_parameters() -> dict[str, str]:
    """What the query of the current request asks of the provider, as far as it may."""
    found, asked = {}, query()
    for name in _OPEN_PARAMETERS:
        values = asked.getlist(name)
        if len(values) == 1 and 0 < len(values[0]) <= _MAX_PARAMETER_LENGTH:
            found[name] = values[0]
    return found


def _max_age(binding: Binding, value: object) -> float | None:
    """How old the login may be, in seconds, as a guard asked for it; None if it may be any."""
    if value is None:
        return None
    if not _is_seconds(str(value)):
        raise refusal(binding, 400, "invalid_max_age", "'max_age' is not a number of seconds.")
    return float(str(value))


def _is_seconds(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS


def _ways(binding: Binding, *, proving: bool) -> dict[str, dict[str, str]]:
    """The ways to sign in that the page shows; with ``proving`` only those that can tell when the
    person proved who they are.
    """
    return {
        name: way
        for name, way in available(binding).items()
        if not proving or name not in binding.providers or binding.providers[name].confirms_login
    }
