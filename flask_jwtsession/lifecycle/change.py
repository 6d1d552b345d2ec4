"""What a view does to a session that is there: update, refresh, sign out.

Each change is encoded at once, so that an error surfaces where the change is made, and nothing of
the request's state is touched before that has succeeded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ..cookies import CookieLines
from ..exceptions import StoreUnavailable, UpdateRefused
from ..grant_records import FAILED, Held
from ..session import NOBODY, Claims, JWTEvent, Session, Trigger, ended_session
from ..signals import send, session_updated, signed_out
from ..tokens.claims import put_back_reserved, subject
from . import csrf, refresh_cookie, renewal, save, standing
from .callbacks import require_mapping, running_callback
from .load import (
    after_jwt_callback,
    authenticate,
    ended_once,
    ends_with_grant,
    is_over,
    public_session,
    refresh_event,
    tell_of_renewal,
)
from .state import Mark, RequestSession, Token, Verified
from .verify import send_pending, verify

_log = logging.getLogger("flask_jwtsession")


def update(state: RequestSession, data: Mapping[str, Any], *, from_client: bool) -> Session:
    """Change the session's data; see :func:`flask_jwtsession.update_session`."""
    if from_client:
        # Before any callback sees it: what is not on the list does not exist.
        fields = state.binding.settings.client_update_fields
        data = {name: data[name] for name in data if name in fields}
    if state.in_header:
        raise UpdateRefused("a token in the Authorization header cannot be changed")
    with changing(state, authenticate):
        token = _signed_in(state)
        state.require_safe_transport()
        session = _update(state, token, data, from_client=from_client)
    if session is None:
        end(state, "callback")
        return NOBODY
    send(
        session_updated,
        state.binding.app,
        session=session,
        data=dict(data),
        from_client=from_client,
    )
    return session


def refresh(state: RequestSession, *, sent: bool = False) -> Session:
    """Refresh the provider's tokens now; see :func:`flask_jwtsession.refresh_session`.

    :param sent: whether those are meant that the browser's cookie has, and not those that the
        request may have got already
    """
    with changing(state, authenticate):
        token = _signed_in(state)
        state.require_safe_transport()
        if not renewal.can_renew(state, token):
            raise UpdateRefused("this session has no tokens that could be refreshed")
        verified = state.verified if sent else None
        known = verified.token if isinstance(verified, Verified) else token
        generation = known.private.get("gen", 0)
        if state.in_header and known.held is not None:
            generation = known.held.generation  # the token never learns of newer ones
        state.session = _refresh(state, token, after=generation)
    send_pending(state)
    return state.session


def end(state: RequestSession, reason: str) -> Session | None:
    """End the session, if there is one, and delete its cookies in any case.

    Returns the session as it was; its ``error`` says so if that could not be written down.
    """
    with changing(state, refresh_cookie.look):
        previous = end_session(state, to_end(state), state.session)
        save.delete(state)
        state.token, state.session, state.user = None, NOBODY, None
        state.set_aside = state.refresh_token = None
        state.is_settled = True
        csrf.renew(state)
    if previous is not None:
        _log.info("Signed out (%s): subject %s", reason, anonymous_id(state, previous))
        send(signed_out, state.binding.app, session=previous, reason=reason)
    return previous


@contextmanager
def changing(state: RequestSession, look: Callable[[RequestSession], object]) -> Iterator[None]:
    """Hold the session for a change. Without that, a load or a change in another thread of the
    request that began before it and ends after it would take it back.

    :param look: what has to be known of the refresh cookie for that
    """
    state.open_for_change()
    verify(state)  # now, so that its signals are sent while nothing is locked
    look(state)
    with state.lock:
        yield
        state.reissued = False


def _update(
    state: RequestSession, token: Token, data: Mapping[str, Any], *, from_client: bool
) -> Session | None:
    token = renewal.newest(state, token)
    callback = state.binding.callbacks.jwt
    if callback is None:
        returned: object = {**token.copy(), **data}
    else:
        claims: Mapping[str, Any] | None = token.copy()
        refreshed = refresh_event(token)
        if refreshed is not None:  # by another request; this one's cookie will have those tokens
            claims, _ = after_jwt_callback(state, token, refreshed)
            if claims is None:
                return None
        event = JWTEvent(trigger=Trigger.UPDATE, data=deepcopy(dict(data)), from_client=from_client)
        with running_callback(state):
            returned = callback(deepcopy(claims), event)
    if returned is None:
        return None
    after = put_back_reserved(require_mapping(returned, "jwt callback"), token.claims)
    return begin(state, after, token.private, token.held)


def _refresh(state: RequestSession, token: Token, *, after: int) -> Session:
    """The session after a refresh; nobody's if it has ended."""
    token, renewed = renewal.renew(state, token, after=after)
    held = token.held
    if renewed is not None and is_over(state, token, renewed):
        return ended_once(state, token, "revoked")
    if held is not None and held.error == FAILED and ends_with_grant(state):
        session = public_session(state, token, with_callback=False)
        tell_of_renewal(state, session, renewed)
        return ended_once(state, token, "refresh_failed")
    claims, changed = after_jwt_callback(state, token, refresh_event(token) or JWTEvent())
    if claims is None:
        return ended_once(state, token, "callback")
    if changed or (held is not None and held.generation != token.private["gen"]):
        session = begin(state, claims, token.private, held)
    else:
        session = public_session(state, token)
        state.token = token
    tell_of_renewal(state, session, renewed)
    return session


def begin(
    state: RequestSession,
    claims: Mapping[str, Any],
    private: Claims,
    held: Held | None,
    *,
    refresh_claims: Mapping[str, Any] | None = None,
) -> Session:
    """Issue ``claims`` and make them the request's session; all of it or nothing.

    :param refresh_claims: of a session that begins now: those for its refresh cookie, if it has one
    """
    cookies = state.cookies.access_cookies
    lines = CookieLines()
    if state.in_header and state.token is not None:
        token = replace(save.unissued(claims, state.token), held=held)
    else:
        lines, token = renewal.issue(state, claims, private, held)
    if refresh_claims is not None and state.cookies.refresh is not None:
        cookies = state.cookies.session_cookies
        lines |= refresh_cookie.begin(state, token, refresh_claims)
    session = public_session(state, token)
    state.open_for_change()  # still: a callback may have outlived the response (another thread)
    save.replace_lines(state, lines, cookies)
    # Once there is a session, the cookies are not asked again.
    state.is_settled = True
    state.token, state.session, state.user = token, session, Mark.UNSET
    return session


def _signed_in(state: RequestSession) -> Token:
    """The token of who is signed in. Raises if nobody is, or if nobody knows."""
    token = state.token
    if token is not None and subject(token.claims) is not None:
        return token
    if state.unconfirmed is not None:
        raise StoreUnavailable("whether this session was revoked cannot be known just now")
    raise UpdateRefused("nobody is signed in")


def to_end(state: RequestSession) -> Token | None:
    """The token of the session that a sign-out, or another sign-in, ends."""
    refresh = state.refresh_token if isinstance(state.refresh_token, Token) else None
    return state.token or state.unconfirmed or state.set_aside or refresh


def end_session(
    state: RequestSession, token: Token | None, session: Session | None
) -> Session | None:
    """End the session of ``token`` for good, and return it as it was; the callbacks are not run for
    it.
    """
    for other in state.ambiguous:  # whichever of them is the person's
        standing.end(state.binding, other)
    if token is None:
        return None
    refresh = state.refresh_token
    if isinstance(refresh, Token) and refresh.claims["sid"] != token.claims["sid"]:
        standing.end(state.binding, refresh)  # it is deleted too
    token, is_written = standing.end(state.binding, token)
    if not session:
        session = public_session(state, token, with_callback=False)
    if not is_written:
        state.binding.security_log.warning(
            "sign-out not recorded",
            "A session was signed out, but a copy of its cookie may still be good.",
        )
    return ended_session(
        session,
        account=session.account if token.held is None else token.held.account,
        error=None if is_written else "revocation_unavailable",
    )


def anonymous_id(state: RequestSession, session: Session) -> str:
    """Who it is, for the log."""
    return state.binding.anonymous(str(session.token.get("sub")))
