"""``/session``: who is signed in, for the browser; and updates from there."""

from __future__ import annotations

from flask import Response

from ..answers import challenge_of, refusal, sign_in_needed, store_is_away
from ..lifecycle.binding import Binding
from ..lifecycle.change import refresh as refresh_tokens
from ..lifecycle.change import update as change_session
from ..lifecycle.load import authenticate, load_with_user, public_session
from ..lifecycle.reauth import peek
from ..lifecycle.state import RequestSession, state_of
from ..session import UNKNOWN, Session
from ..tokens.claims import subject
from .posts import Fields
from .redirecting import json_response


def show(binding: Binding) -> Response:
    """The public session, or ``null``."""
    session = load_with_user(state_of(binding))
    if session.error == UNKNOWN.error:
        raise store_is_away(binding)
    return _public(session)


def update(binding: Binding, fields: Fields) -> Response:
    """Update the session from the browser: ``{"data": {…}}``."""
    state = state_of(binding)
    _require_signed_in(binding, state)
    data = fields.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise refusal(binding, 400, "invalid_update", "'data' is not a JSON object.")
    return _public(change_session(state, data, from_client=True))


def refresh(binding: Binding, fields: Fields) -> Response:
    """Refresh the provider's tokens now."""
    state = state_of(binding)
    _require_signed_in(binding, state)
    return _public(refresh_tokens(state, sent=True))


def status(binding: Binding) -> Response:
    """Whether somebody is signed in, and until when: a look at the cookies. It changes
    nothing, but that a refresh cookie which was used before ends its session.
    """
    state = state_of(binding)
    token = peek(state)
    if token is not None:
        session = public_session(state, token, with_callback=False)
        if session:
            return json_response({"status": "authenticated", "expires": session["expires"]})
    if state.unconfirmed is not None:
        raise store_is_away(binding)
    response = json_response({"status": "unauthenticated"})
    response.status_code = 401
    response.headers.update(challenge_of(binding, "login_required"))
    return response


def _require_signed_in(binding: Binding, state: RequestSession) -> None:
    if _is_signed_in(state):
        return
    if state.unconfirmed is not None:
        raise store_is_away(binding)
    raise sign_in_needed(binding, "login_required", "Nobody is signed in.")


def _is_signed_in(state: RequestSession) -> bool:
    if state.binding.callbacks.user_loader is not None:
        return bool(load_with_user(state))
    # The jwt callback is called once, for the update, as Auth.js does.
    verified = authenticate(state)
    return verified is not None and subject(verified.token.claims) is not None


def _public(session: Session) -> Response:
    return json_response(dict(session) or None)
