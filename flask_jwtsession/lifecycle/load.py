"""From the cookies of a request to its session."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from inspect import iscoroutine
from typing import Any

from ..exceptions import JWTSessionError, SessionTooLarge, StoreUnavailable
from ..grant_records import FAILED
from ..refresh import Renewal
from ..session import NOBODY, UNKNOWN, Account, JWTEvent, Session, Trigger
from ..signals import refresh_failed, session_refreshed, signed_out
from ..tokens.claims import MAX_TIME, put_back_reserved, subject
from . import renewal, save, standing
from .callbacks import refuse_inside_callback, require_mapping, running_callback
from .reauth import authenticated
from .state import Mark, RequestSession, Token, Verified
from .verify import send_pending

_log = logging.getLogger("flask_jwtsession")

#: The member of our own block that says when a person proved who they are, where that was not when
#: the session began; None if nobody knows.
AUTHENTICATED_AT = "authenticated_at"

# What the default public session shows of the claims.
_USER_CLAIMS = {"name": "name", "email": "email", "image": "picture"}


def load(state: RequestSession) -> Session:
    """The request's session; on first use the callbacks run, and a due cookie is written."""
    state.read = True
    refuse_inside_callback(state, "read")
    if state.session is not None:
        return state.session
    try:
        with state.lock:
            if state.session is None:
                try:
                    state.session = _load(state)
                except BaseException as error:
                    if isinstance(error, JWTSessionError):
                        error.about(state.binding.settings.config_prefix)
                    # The error is a callback's, and so the application's. The rest of this
                    # request, its error page for example, is nobody's; the cookie stays.
                    state.set_aside, state.has_failed = state.token, True
                    state.session, state.token = NOBODY, None
                    raise
            return state.session
    finally:
        send_pending(state)


def authenticate(state: RequestSession) -> Verified | None:
    """What the cookies say, after re-authentication if that is needed, and without the callbacks of
    a session. If that finds a session to be over, it ends here.
    """
    state.read = True
    try:
        with state.lock:
            found = authenticated(state)
            if found is None and state.is_settled and state.session is None:
                state.session = _nobody(state)
            return found
    finally:
        send_pending(state)


def public_session(state: RequestSession, token: Token, *, with_callback: bool = True) -> Session:
    """The session that ``token`` stands for."""
    claims, held = token.claims, token.held
    error = None if held is None else held.error
    user = {name: claims.get(claim) for name, claim in _USER_CLAIMS.items()}
    public: dict[str, Any] = {"user": user, "expires": _iso_time(token.expires)}
    if error is not None:
        public["error"] = error
    callback = state.binding.callbacks.session
    if callback is not None and with_callback:
        with running_callback(state):
            returned = callback(public, token.copy())
        public = dict(require_mapping(returned, "session callback"))
    account = Account.from_claims(token.private.get("account")) if held is None else held.account
    if account is not None and state.binding.settings.provider_tokens == "none":
        account = account.without_tokens()  # of a session that began when they were kept
    return Session(
        public,
        claims,
        subject=subject(claims),
        expires=token.expires,
        account=account,
        error=error,
    )


def authenticated_at(state: RequestSession) -> float | None:
    """When the person of the loaded session last proved who they are, in epoch seconds; None if
    nobody here knows.

    Whoever came from a provider may have signed in there days ago: it is for the provider to say.
    """
    token = state.token
    if token is None:
        return None
    moment = token.private.get(AUTHENTICATED_AT, token.claims.get("auth_time"))
    return moment if type(moment) in (int, float) and abs(moment) < MAX_TIME else None


def loaded_user(state: RequestSession) -> Any:
    """Who is signed in: the session's user, or what the ``user_loader`` makes of the token."""
    session = load(state)
    if state.user is Mark.UNSET:
        refuse_inside_callback(state, "asked for its user")
        with state.lock:
            if state.user is Mark.UNSET:
                state.user = _load_user(state, session)
    return state.user


def load_with_user(state: RequestSession) -> Session:
    """The request's session, or nobody's if the ``user_loader`` knows no such person."""
    session = load(state)
    if session and state.binding.callbacks.user_loader is not None:
        loaded_user(state)
        return load(state)
    return session


def _load(state: RequestSession) -> Session:
    verified = authenticated(state)
    if verified is None:
        return _nobody(state)
    token, renewed = renewal.renew(state, verified.token)
    if renewed is not None and is_over(state, token, renewed):
        return ended_once(state, token, "revoked")
    held = token.held
    if held is not None and held.error == FAILED and ends_with_grant(state):
        tell_of_renewal(state, public_session(state, token, with_callback=False), renewed)
        return ended_once(state, token, "refresh_failed")
    is_newer = held is not None and held.generation != token.private["gen"]
    claims, changed = after_jwt_callback(state, token, refresh_event(token) or JWTEvent())
    if claims is None:
        return ended_once(state, token, "callback")
    lines = None
    if _can_issue(state, verified) and (changed or is_newer or _is_due(state, verified)):
        try:
            lines, token = renewal.issue(state, claims, token.private, token.held)
        except SessionTooLarge:
            if changed:
                raise
            # Nothing was changed: it is the limit that is new. The old cookie is good to its end.
            state.binding.security_log.warning(
                "too_large", "A session is too large to be issued again; it will run out."
            )
    elif changed:
        # It can no longer be written, but for this request it is what the callback says.
        token = save.unissued(claims, token)
    session = public_session(state, token)
    state.token = token
    if lines is not None:
        save.replace_lines(state, lines, state.cookies.access_cookies)
        state.reissued = True
    tell_of_renewal(state, session, renewed)
    return session


def refresh_event(token: Token) -> JWTEvent | None:
    """What the jwt callback has to be told if there are newer tokens than those of the cookie."""
    held = token.held
    if held is None or held.error == FAILED or held.generation == token.private["gen"]:
        return None
    return JWTEvent(trigger=Trigger.REFRESH, account=held.account)


def after_jwt_callback(
    state: RequestSession, token: Token, event: JWTEvent
) -> tuple[Mapping[str, Any] | None, bool]:
    """All claims after the callback, and whether it changed any; None if it ends the session."""
    callback = state.binding.callbacks.jwt
    if callback is None:
        return token.claims, False
    with running_callback(state):
        returned = callback(token.copy(), event)
    if returned is None:
        return None, True
    before = token.claims
    claims = put_back_reserved(require_mapping(returned, "jwt callback"), before)
    return claims, not save.same_claims(claims, before)


def is_over(state: RequestSession, token: Token, renewed: Renewal) -> bool:
    """Whether the session ended while its tokens were being refreshed. Then the fresh ones, which
    nobody will have, are revoked at the provider.
    """
    if not (renewed.held.is_over or standing.is_revoked(state.binding, token)):
        return False
    if renewed.failure is not None:  # it may be what the session ended for, in another request
        tell_of_renewal(state, public_session(state, token, with_callback=False), renewed)
    with suppress(StoreUnavailable):
        state.binding.grants.end(renewed.held)
    provider = state.binding.providers.get(renewed.held.account.provider)
    if provider is not None and renewed.obtained is not None:
        provider.revoke_soon(renewed.obtained)
    return True


def tell_of_renewal(state: RequestSession, session: Session, renewed: Renewal | None) -> None:
    """Leave a signal for what a refresh came to, if it was this request that asked for it."""
    if renewed is None:
        return
    if renewed.refreshed:
        arguments = {"session": session, "account": renewed.held.account}
        state.pending_signals.append((session_refreshed, arguments))
    elif renewed.failure is not None:
        arguments = {"session": session, "error": renewed.failure}
        state.pending_signals.append((refresh_failed, arguments))


def _nobody(state: RequestSession) -> Session:
    """The session of a request whose cookies stand for nobody."""
    if state.unconfirmed is not None:
        return UNKNOWN
    if state.denied is not None:
        return ended_once(state, state.denied, "callback")
    if state.revoked is not None:
        return ended_once(state, state.revoked, "revoked")
    return NOBODY if state.expired is None else _ended(state, state.expired, "expired")


def ended_once(state: RequestSession, token: Token, reason: str) -> Session:
    """Nobody's session, after that of ``token`` has ended for all requests that carry it. One of
    them deletes the cookie and tells the application: the others may be late, and what they would
    delete could be the cookie of somebody who has signed in again.
    """
    state.token = state.user = None
    if standing.end_once(state.binding, token):
        subject = state.binding.anonymous(str(token.claims.get("sub")))
        _log.info("Signed out (%s): subject %s", reason, subject)
        return _ended(state, token, reason)
    save.replace_lines(state, {}, state.cookies.session_cookies)
    return NOBODY


def _ended(state: RequestSession, token: Token, reason: str) -> Session:
    """Nobody's session, after that of ``token`` has ended."""
    session = public_session(state, token, with_callback=False)
    state.token = None
    save.delete(state)
    state.pending_signals.append((signed_out, {"session": session, "reason": reason}))
    return NOBODY


def _load_user(state: RequestSession, session: Session) -> Any:
    loader = state.binding.callbacks.user_loader
    token = state.token
    if token is None or not session or loader is None:
        return session.user
    user = None
    try:
        with running_callback(state):
            answer = loader(token.copy())
        if iscoroutine(answer):
            # A plain function around an async one. Whatever it would have said, a coroutine is
            # true, and must let nobody in.
            answer.close()
            raise TypeError("the user_loader returned a coroutine; it has to be async def itself")
        user = answer
    except BaseException:
        # An error of a callback leaves the cookie alone; but a refresh cookie that was used up has
        # to be replaced, and with it what was issued for it.
        state.has_failed = True
        if state.reissued and not state.is_settled:
            save.replace_lines(state, {}, state.cookies.access_cookies)
        raise
    finally:
        if user is None:
            # The person is gone though the token is not, or the loader raised: nobody, for the
            # rest of this request.
            state.set_aside = state.token
            state.user, state.session, state.token = None, NOBODY, None
    return user


def ends_with_grant(state: RequestSession) -> bool:
    """Whether a session ends when there are no tokens to be had for it any more."""
    return state.binding.settings.refresh_failure == "sign_out"


def _can_issue(state: RequestSession, verified: Verified) -> bool:
    # In the leeway after the absolute end there is no time left that a new token could have.
    has_time = state.binding.clock() < verified.times.expires
    may_write = not (state.closed or state.in_header)
    return may_write and state.transport_is_safe and has_time


def _is_due(state: RequestSession, verified: Verified) -> bool:
    age = max(0.0, state.binding.clock() - verified.times.issued)
    return verified.foreign or age >= state.binding.settings.update_age


def _iso_time(seconds: float) -> str:
    """As JavaScript's ``Date.toISOString``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
