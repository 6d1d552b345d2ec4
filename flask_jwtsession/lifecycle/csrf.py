"""The CSRF cookie of this request."""

from __future__ import annotations

from ..request_checks import csrf
from .state import RequestSession


def sent_token(state: RequestSession) -> str | None:
    """The token of the request's CSRF cookie, if the cookie is ours."""
    cookie = state.cookies.csrf
    values = state.sent(cookie).get(cookie.name, ())
    return csrf.token_of(values, state.binding.settings.secrets)


def token_for_page(state: RequestSession) -> str:
    """The token for a form or a client: the browser's own, else a new one with its cookie."""
    state.read = True  # what the page says depends on a cookie
    if state.csrf_token is None:
        state.csrf_token = sent_token(state) or _issue(state)
    return state.csrf_token


def renew(state: RequestSession) -> None:
    """A new token for a browser that has one, or may have one that it did not send: who signs in or
    out leaves the old one behind.
    """
    if state.csrf_token is not None or state.cookies_are_withheld or state.sent(state.cookies.csrf):
        state.csrf_token = _issue(state)


def _issue(state: RequestSession) -> str:
    token = csrf.new_token()
    if state.transport_is_safe:
        value = csrf.cookie_value(token, state.binding.settings.secrets)
        state.lines = state.lines | state.cookies.csrf.session_lines(value)
    return token
