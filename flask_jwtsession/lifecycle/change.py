"""What a view does to the session: sign in, update, refresh, sign out.

Each change is encoded at once, so that an error surfaces where the change is made, and nothing of
the request's state is touched before that has succeeded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from ..exceptions import SignInRefused, StoreUnavailable, UpdateRefused
from ..grant_records import FAILED, Held
from ..session import NOBODY, Account, Claims, JWTEvent, Session, Trigger, ended_session
from ..signals import send, session_updated, signed_in, signed_out
from ..tokens.claims import PRIVATE, new_session_id, put_back_reserved, subject
from . import csrf, renewal, save, standing
from .callbacks import require_mapping, running_callback
from .load import (
    after_jwt_callback,
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


def sign_in(
    state: RequestSession,
    user: Mapping[str, Any],
    *,
    account: Account | None,
    profile: Mapping[str, Any] | None,
    claims: Mapping[str, Any] | None,
    private: Mapping[str, Any] | None = None,
    started: float | None = None,
) -> Session:
    """Begin a session for ``user``; see :func:`flask_jwtsession.sign_in`.

    :param private: what else goes into the part of the token that only this package sees
    :param started: the moment from which the session counts, if that is not now: what a revocation
        of the person meanwhile has to end
    """
    if not isinstance(user, Mapping):
        raise TypeError(f"sign_in() takes the user as a mapping, got {type(user).__name__}")
    with _changing(state):
        state.require_safe_transport()
        before = _to_end(state), state.session
        if started is None:
            started = state.binding.moment()
        session = _sign_in(state, user, account, profile, claims, private or {}, started)
        previous = _end(state, *before)
        csrf.renew(state)
    _log.info("Signed in: subject %s", _anonymous_id(state, session))
    if previous is not None:
        send(signed_out, state.binding.app, session=previous, reason="replaced")
    send(signed_in, state.binding.app, session=session, user=user, account=account)
    return session


def _sign_in(
    state: RequestSession,
    user: Mapping[str, Any],
    account: Account | None,
    profile: Mapping[str, Any] | None,
    claims: Mapping[str, Any] | None,
    private: Mapping[str, Any],
    started: float,
) -> Session:
    _ask_sign_in_callback(state, user, account, profile)
    before: dict[str, Any] = {
        **_claims_of(user, account),
        **deepcopy(dict(claims or {})),
        "sid": new_session_id(),
        "auth_time": started,
    }
    before.pop(PRIVATE, None)
    after = before
    callback = state.binding.callbacks.jwt
    if callback is not None:
        event = JWTEvent(trigger=Trigger.SIGN_IN, user=user, account=account, profile=profile)
        with running_callback(state):
            returned = callback(dict(before), event)
        if returned is None:
            raise SignInRefused("the jwt callback refused the sign-in")
        after = put_back_reserved(
            require_mapping(returned, "jwt callback"), before, at_sign_in=True
        )
    if subject(after) is None:
        raise ValueError(
            "sign_in() needs a subject: give the user an 'id' (a non-empty str, or an int), or set "
            "'sub' in the jwt callback"
        )
    held = None
    if account is not None:
        held = renewal.begin(state.binding, account)
        id_token = state.binding.settings.federated_sign_out
        private = Claims({**private, "account": account.to_claims(tokens=False, id_token=id_token)})
    return _begin(state, after, Claims(private), held)


def update(state: RequestSession, data: Mapping[str, Any], *, from_client: bool) -> Session:
    """Change the session's data; see :func:`flask_jwtsession.update_session`."""
    if from_client:
        # Before any callback sees it: what is not on the list does not exist.
        fields = state.binding.settings.client_update_fields
        data = {name: data[name] for name in data if name in fields}
    with _changing(state):
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
    with _changing(state):
        token = _signed_in(state)
        state.require_safe_transport()
        if not renewal.can_renew(state, token):
            raise UpdateRefused("this session has no tokens that could be refreshed")
        verified = state.verified if sent else None
        known = verified.token if isinstance(verified, Verified) else token
        state.session = _refresh(state, token, after=known.private.get("gen", 0))
    send_pending(state)
    return state.session


def end(state: RequestSession, reason: str) -> Session | None:
    """End the session, if there is one, and delete its cookies in any case.

    Returns the session as it was; its ``error`` says so if that could not be written down.
    """
    with _changing(state):
        previous = _end(state, _to_end(state), state.session)
        save.delete(state)
        state.token, state.session, state.user = None, NOBODY, None
        state.set_aside = None
        csrf.renew(state)
    if previous is not None:
        _log.info("Signed out (%s): subject %s", reason, _anonymous_id(state, previous))
        send(signed_out, state.binding.app, session=previous, reason=reason)
    return previous


@contextmanager
def _changing(state: RequestSession) -> Iterator[None]:
    """Hold the session for a change. Without that, a load or a change in another thread of the
    request that began before it and ends after it would take it back.
    """
    state.open_for_change()
    verify(state)  # now, so that its signals are sent while nothing is locked
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
    return _begin(state, after, token.private, token.held)


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
        session = _begin(state, claims, token.private, held)
    else:
        session = public_session(state, token)
        state.token = token
    tell_of_renewal(state, session, renewed)
    return session


def _begin(
    state: RequestSession, claims: Mapping[str, Any], private: Claims, held: Held | None
) -> Session:
    """Issue ``claims`` and make them the request's session; all of it or nothing."""
    lines, token = renewal.issue(state, claims, private, held)
    session = public_session(state, token)
    state.open_for_change()  # still: a callback may have outlived the response (another thread)
    save.replace_lines(state, lines)
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


def _to_end(state: RequestSession) -> Token | None:
    """The token of the session that a sign-out, or another sign-in, ends."""
    return state.token or state.unconfirmed or state.set_aside


def _end(state: RequestSession, token: Token | None, session: Session | None) -> Session | None:
    """End the session of ``token`` for good, and return it as it was; the callbacks are not run for
    it.
    """
    for other in state.ambiguous:  # whichever of them is the person's
        standing.end(state.binding, other)
    if token is None:
        return None
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


def _ask_sign_in_callback(
    state: RequestSession,
    user: Mapping[str, Any],
    account: Account | None,
    profile: Mapping[str, Any] | None,
) -> None:
    callback = state.binding.callbacks.sign_in
    if callback is None:
        return
    with running_callback(state):
        answer = callback(user, account, profile)
    if isinstance(answer, str) and answer:
        raise SignInRefused("the sign-in goes on elsewhere", redirect_to=answer)
    if answer is not True:  # a forgotten return must not let anybody in
        raise SignInRefused


def _claims_of(user: Mapping[str, Any], account: Account | None) -> dict[str, Any]:
    """The standard claims of somebody who signs in (OpenID Connect Core section 5.1)."""
    claims = {
        "sub": _subject_of(user, account),
        "name": user.get("name"),
        "email": user.get("email"),
        "picture": user.get("image", user.get("picture")),
    }
    return {name: value for name, value in claims.items() if value is not None}


def _subject_of(user: Mapping[str, Any], account: Account | None) -> str | None:
    if account is not None and account.type != "credentials":
        # Two providers may use one identifier for two people; an e-mail address names nobody.
        return standing.account_subject(account.provider, account.provider_account_id)
    identifier = user.get("id")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        return str(identifier)
    return identifier if isinstance(identifier, str) else None


def _anonymous_id(state: RequestSession, session: Session) -> str:
    return state.binding.anonymous(str(session.token.get("sub")))
