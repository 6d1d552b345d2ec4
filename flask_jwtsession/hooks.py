"""What stands between a request and its view: the hook before it, and the answers to our errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Flask, Request, Response
from flask.typing import ResponseReturnValue

from .answers import answer_error, store_is_away
from .cross_origin import carries_our_cookie, refuse_forged
from .endpoints.redirecting import send_to
from .exceptions import (
    InsecureTransport,
    JWTSessionError,
    SessionTooLarge,
    SignInRefused,
    StoreUnavailable,
    UpdateRefused,
)
from .guards import is_endpoint_of_ours, is_open, refuse_anonymous
from .lifecycle.binding import EXTENSION, Binding
from .lifecycle.state import current_request
from .request_checks.origin import SAFE_METHODS

# What a request can cause; every other error of ours is the application's.
_ANSWERED = (UpdateRefused, SignInRefused, SessionTooLarge, InsecureTransport, StoreUnavailable)


def before_request(binding: Binding) -> Callable[[], ResponseReturnValue | None]:
    """The ``before_request`` hook: it refuses what may not reach its view."""
    protect_all = binding.settings.protect_all

    def hook() -> ResponseReturnValue | None:
        current = current_request()
        if not protect_all and current.method in SAFE_METHODS:
            return None
        return _refuse(binding, current)

    return hook


def _refuse(binding: Binding, current: Request) -> ResponseReturnValue | None:
    """What a request gets that may not reach its view; None lets it through."""
    if current.endpoint is None:
        return None  # no such URL, or no such method there: Flask says so
    if is_endpoint_of_ours(binding.app, current.endpoint):
        exempt_from_flask_wtf(binding.app, binding)
        return None  # they check for themselves
    if carries_our_cookie(binding, current):
        refuse_forged(binding)
    if not binding.settings.protect_all or is_open(binding, current.endpoint):
        return None
    return refuse_anonymous(binding)


def answer_errors(app: Flask, first: Binding) -> None:
    """Answer what a request can cause, where the application has no handler of its own."""

    def answer(error: JWTSessionError) -> Response:
        bindings: dict[str, Binding] = app.extensions[EXTENSION]
        binding = bindings.get(error.config_prefix or "", first)
        if isinstance(error, SignInRefused) and error.redirect_to is not None:
            return send_to(binding, error.redirect_to)
        if isinstance(error, StoreUnavailable):
            binding.report(error)  # its text says where the store is
            return cast(Response, store_is_away(binding).response)
        return answer_error(binding, error)

    registered = app.error_handler_spec[None][None]
    for error in _ANSWERED:
        if error not in registered:
            app.register_error_handler(error, answer)


def exempt_from_flask_wtf(app: Flask, binding: Binding) -> None:
    """Let our endpoints off Flask-WTF's token: they have a check of their own, and Auth.js's
    client does not know that token. The application's views stay under it.
    """
    exempt = getattr(app.extensions.get("csrf"), "exempt", None)
    if exempt is not None:
        exempt(app.blueprints[binding.blueprint])
