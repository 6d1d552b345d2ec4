"""What is answered when a sign-in did not work."""

from __future__ import annotations

from flask import Response

from ..answers import refusal
from ..exceptions import ProviderError, SignInRefused
from ..lifecycle.binding import Binding
from ..providers.sign_in import log_provider_error
from ..targets import page_path
from .redirecting import is_authjs_client, send_to, wants_problem

#: The texts of the built-in error page, by Auth.js's codes: status, title, text.
TEXTS = {
    "AccessDenied": (403, "Access denied", "You may not sign in here."),
    "Verification": (403, "Link expired", "This sign-in link was used already, or it is too old."),
    "Configuration": (400, "Something is wrong", "The sign-in is not set up correctly."),
    "OAuthCallbackError": (
        400,
        "The sign-in did not work",
        "You are not signed in: it was cancelled, took too long, or something went wrong on the "
        "way. Please try again.",
    ),
    "OAuthSignInError": (
        502,
        "The sign-in did not work",
        "The provider that you wanted to sign in with does not answer. Please try again later.",
    ),
    "Default": (400, "Something went wrong", "The sign-in did not work. Please try again."),
}


def answer_provider_error(
    binding: Binding, error: ProviderError, code: str, *, target: str | None = None
) -> Response:
    """The answer to a sign-in with a provider that failed.

    :param code: Auth.js's, for the error page
    :param target: where the person wanted to go, and may still after another attempt
    """
    log_provider_error(binding, error)
    if is_authjs_client() or ("error" in binding.settings.pages and not wants_problem()):
        return send_to(binding, page_path(binding, "error", error=code, callbackUrl=target))
    _, title, detail = TEXTS[code]
    again = page_path(binding, "sign_in", callbackUrl=target)
    raise refusal(binding, error.status, error.code, detail, title=title, again=again)


def answer_refusal(binding: Binding, error: SignInRefused) -> Response:
    """The answer to a sign-in that the application refused."""
    binding.security_log.warning("sign_in_refused", "A sign-in was refused by the application")
    if error.redirect_to is not None:
        return send_to(binding, error.redirect_to)
    if wants_problem():
        raise refusal(binding, 403, error.code, "You may not sign in.")
    return send_to(binding, page_path(binding, "error", error="AccessDenied"), refused=403)
