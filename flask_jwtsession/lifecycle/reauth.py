"""From a refresh cookie to a session, once the access cookie is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from werkzeug.exceptions import HTTPException

from ..exceptions import ConfigError, StoreUnavailable
from ..records import LAST_GENERATION
from ..rotation import ClaimsSet, Issued, NotDecided, RefreshReused, Sent, SessionOver
from ..signals import reuse_detected
from ..tokens.claims import Times, put_back_reserved
from . import refresh_cookie, renewal, save, standing
from .callbacks import require_mapping, running_callback
from .state import RequestSession, Token, Verified
from .verify import reject, send_pending, verified, verify

_log = logging.getLogger("flask_jwtsession")


def authenticated(state: RequestSession) -> Verified | None:
    """What the cookies say, after re-authentication if that is needed; for whoever holds the lock,
    and sends what there is to tell.
    """
    found = verified(state)
    if found is not None or state.cookies.refresh is None or state.is_settled:
        return found
    state.is_settled = True
    refresh = _refresh_token(state)
    if refresh is not None:
        state.verified = _reauthenticate(state, refresh)
        if state.verified is not None:
            state.token = state.verified.token
            state.reissued = True
    return verified(state)


def peek(state: RequestSession) -> Token | None:
    """The token that tells who is signed in, as far as that can be said without asking the
    application: the access token, or the refresh token if a request that uses the session would be
    re-authenticated with it.
    """
    found = verify(state)
    if found is not None:
        return found.token
    try:
        with state.lock:
            refresh, rotations = _refresh_token(state), state.binding.rotations
            if refresh is None or rotations is None:
                return None
            try:
                rotations.check(refresh_cookie.sent_by(refresh))
            except SessionOver:
                return None
            except RefreshReused:
                _revoke_reused(state, refresh)
                return None
            except StoreUnavailable as error:
                _store_is_away(state, refresh, error)
                return refresh if state.unconfirmed is None else None
            return refresh
    finally:
        send_pending(state)


def _refresh_token(state: RequestSession) -> Token | None:
    """What the refresh cookie says, where the access cookie said nothing."""
    if state.unconfirmed is not None or state.ambiguous:
        return None  # the other one would say no more
    if state.closed or not state.transport_is_safe:
        return None  # the next refresh cookie would be lost, and then there is none that is good
    return refresh_cookie.found(state)


def require_callback(state: RequestSession) -> Callable[..., Any]:
    """The ``reauth_callback``. Without one a session would be over with its first access cookie:
    raises :exc:`ConfigError`.
    """
    callback = state.binding.callbacks.reauth
    if callback is None:
        raise ConfigError(
            f"{state.binding.settings.config_prefix}_REFRESH_COOKIE",
            "needs a function under @auth.reauth_callback, which says what a person whose access "
            "cookie is over gets into the next one",
        )
    return callback


def _reauthenticate(state: RequestSession, refresh: Token) -> Verified | None:
    binding, rotations = state.binding, state.binding.rotations
    assert rotations is not None  # noqa: S101 - there is a refresh cookie
    sent = refresh_cookie.sent_by(refresh)
    try:
        issued = rotations.rotate(
            sent, lambda claims: _decide(state, refresh, replace(sent, claims=claims))
        )
    except (SessionOver, _TooLate):
        return None
    except NotDecided:
        binding.security_log.warning(
            "reauth", "A request waited for a re-authentication that failed or took too long."
        )
        state.unconfirmed = refresh
        return None
    except RefreshReused:
        _revoke_reused(state, refresh)
        return None
    except StoreUnavailable as error:
        _store_is_away(state, refresh, error)
        return None if state.unconfirmed is not None else _without_store(state, refresh, sent)
    # A sign-out meanwhile wins.
    if standing.is_revoked(binding, refresh):
        state.revoked = refresh
        return None
    return _begin(state, refresh, sent, issued)


class _TooLate(Exception):
    """The response was finished while the application was asked, in another thread."""


def _decide(
    state: RequestSession, refresh: Token, sent: Sent
) -> tuple[ClaimsSet, ClaimsSet] | None:
    """The claims of the next access and of the next refresh token; None ends the session."""
    try:
        decided = _ask_callback(state, refresh, sent.claims)
        if decided is not None:
            _check(state, refresh, sent, *decided)
    except HTTPException:
        raise
    except Exception:
        # The application's error, which leaves the cookies alone.
        reject(state, "reauth_failed")
        raise
    if state.closed:
        raise _TooLate
    if decided is None:
        state.denied = refresh
    return decided


def _ask_callback(
    state: RequestSession, refresh: Token, claims: ClaimsSet
) -> tuple[ClaimsSet, ClaimsSet] | None:
    callback = require_callback(state)
    identity = refresh_cookie.identity_of(state.binding, refresh)
    try:
        with running_callback(state):
            answer = callback(deepcopy(dict(claims)))
    except StoreUnavailable as error:  # not ours
        raise RuntimeError("the reauth_callback could not use a store") from error
    if answer is None:
        return None
    both = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, claims)
    access, next_refresh = (
        put_back_reserved(require_mapping(one, "reauth_callback"), identity) for one in both
    )
    return access, next_refresh


def _check(
    state: RequestSession, refresh: Token, sent: Sent, access: ClaimsSet, next_refresh: ClaimsSet
) -> None:
    """Raise what is wrong with new claims, before any other request can adopt them."""
    token = save.encode(state, access, refresh_cookie.private_of_access(refresh))[1]
    longest = replace(sent, generation=LAST_GENERATION)
    refresh_cookie.issue(state, token, next_refresh, longest)


def _begin(state: RequestSession, refresh: Token, sent: Sent, issued: Issued) -> Verified:
    """Issue both tokens. Whatever becomes of this request, its response brings them: the refresh
    token that the browser has is good for a moment only.
    """
    max_age = state.binding.settings.lifetimes.max_age
    claims = {**issued.access_claims, "exp": int(issued.rotated[0] + max_age)}
    private = refresh_cookie.private_of_access(refresh)
    lines, token = renewal.issue(state, claims, private, refresh.held)
    following = replace(sent, generation=issued.generation)
    lines |= refresh_cookie.issue(state, token, issued.refresh_claims, following)
    save.replace_lines(state, lines, state.cookies.session_cookies)
    return _verified(token)


def _without_store(state: RequestSession, refresh: Token, sent: Sent) -> Verified | None:
    """A new access token alone, under ``JWTSESSION_STORE_FAILURE = "open"``: without a store nobody
    can rotate a refresh token.
    """
    try:
        decided = _decide(state, refresh, sent)
    except _TooLate:
        return None
    if decided is None:
        return None
    private = refresh_cookie.private_of_access(refresh)
    lines, token = renewal.issue(state, decided[0], private, refresh.held)
    save.replace_lines(state, lines, state.cookies.access_cookies)
    return _verified(token)


def _verified(token: Token) -> Verified:
    claims = token.claims
    times = Times(claims["iat"], claims["auth_time"], token.expires)
    return Verified(token, times, foreign=False)


def _revoke_reused(state: RequestSession, refresh: Token) -> None:
    """Revoke the session of a refresh cookie that was used before: whoever has it, and whoever has
    the one that came of it, must sign in again (RFC 9700 section 4.14.2).
    """
    binding, claims = state.binding, refresh.claims
    sid, sub = claims["sid"], claims["sub"]
    try:
        is_first = standing.revocations_of(binding).revoke_session(sid)
    except StoreUnavailable as error:
        binding.report(error)
        state.unconfirmed = refresh
        return
    state.revoked = refresh
    if is_first:
        _log.warning(
            "A refresh cookie was used twice: session %s of subject %s is revoked",
            binding.anonymous(sid),
            binding.anonymous(sub),
        )
        state.pending_signals.append((reuse_detected, {"sid": sid, "sub": sub}))


def _store_is_away(state: RequestSession, refresh: Token, error: StoreUnavailable) -> None:
    state.binding.report(error)
    if state.binding.settings.store_failure == "closed":
        state.unconfirmed = refresh
