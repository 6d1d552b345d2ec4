"""``/callback/<provider>``: somebody comes back from a provider."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from ..answers import page, refusal
from ..exceptions import ProviderError, SessionTooLarge, SignInRefused
from ..lifecycle.binding import Binding
from ..lifecycle.load import AUTHENTICATED_AT
from ..lifecycle.reauth import peek
from ..lifecycle.sign_in import sign_in as begin_session
from ..lifecycle.state import RequestSession, state_of
from ..providers.sign_in import complete, take_transaction
from ..targets import chosen_target, default_target, query
from ..tokens.claims import subject
from .failures import TEXTS, answer_provider_error, answer_refusal
from .posts import bounded_form
from .redirecting import send_to


def finish(binding: Binding, provider: str) -> Response:
    """Check the authorization response, ask the provider who it is, and sign them in."""
    if provider == "credentials":
        raise MethodNotAllowed(["POST"])
    known = binding.providers.get(provider)
    if known is None:
        raise refusal(binding, 404, "unknown_provider", "There is no such provider.")
    if request.method == "HEAD":  # which Flask adds to every GET; this one spends a code
        raise MethodNotAllowed(["GET", "POST"])
    state = state_of(binding)
    # A browser sends a SameSite cookie neither with a POST of another site nor, if it is Strict,
    # with a redirect from one. That the session cookie is not here does not mean there is none.
    state.cookies_are_withheld = (
        request.method == "POST" or binding.settings.cookie_samesite == "Strict"
    )
    parameters = bounded_form(binding) if request.method == "POST" else query()
    sent = dict(parameters.lists())
    try:
        transaction = take_transaction(state, known, sent)
    except ProviderError as error:
        if _is_signed_in(state):
            # The Back button, or a second click; the first one worked.
            return send_to(binding, default_target(binding))
        return answer_provider_error(binding, error, "OAuthCallbackError")
    started = binding.moment()  # a logout that the provider tells of from now on ends it
    try:
        arrival = complete(known, transaction, sent)
    except ProviderError as error:
        return answer_provider_error(
            binding, error, "OAuthCallbackError", target=transaction.target
        )
    try:
        begin_session(
            state,
            arrival.person.user,
            account=arrival.account,
            profile=arrival.person.profile,
            claims=None,
            private={
                AUTHENTICATED_AT: arrival.authenticated_at,
                "provider_session": arrival.session_id,
            },
            started=started,
        )
    except SignInRefused as refused:
        return answer_refusal(binding, refused)
    except SessionTooLarge as error:
        # For whoever runs the application; the person can do nothing about it.
        prefix = binding.settings.config_prefix
        binding.security_log.warning(
            "provider too_large",
            f"A sign-in with {known.name} did not work: {error}; with "
            f"{prefix}_PROVIDER_TOKENS = 'none' its tokens are not kept.",
        )
        _, title, detail = TEXTS["Configuration"]
        raise refusal(binding, error.status, error.code, detail, title=title) from None
    return _go_on(binding, chosen_target(binding, transaction.target))


def _go_on(binding: Binding, target: str) -> Response:
    if binding.settings.cookie_samesite == "Strict":
        # A redirect would still count as coming from the provider's site, and the browser would
        # keep the new session to itself. From a page of this site it sends it along.
        return page(
            "continue.html", referrer="no-referrer", blueprint=binding.blueprint, target=target
        )
    return send_to(binding, target)


def _is_signed_in(state: RequestSession) -> bool:
    token = peek(state)
    return token is not None and subject(token.claims) is not None
