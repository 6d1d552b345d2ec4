"""What a view does to the session: sign in, update, sign out.

Each change is encoded at once, so that an error surfaces where the change is made, and nothing of
the request's state is touched before that has succeeded.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from ..exceptions import SignInRefused, UpdateRefused
from ..session import NOBODY, Account, Claims, JWTEvent, Session, Trigger
from ..signals import send, session_updated, signed_in, signed_out
from ..tokens.claims import PRIVATE, new_session_id, put_back_reserved, subject
from . import csrf, save
from .callbacks import require_mapping, running_callback
from .load import public_session, verify
from .state import Mark, RequestSession, Token

_log = logging.getLogger("flask_jwtsession")


def sign_in(
    state: RequestSession,
    user: Mapping[str, Any],
    *,
    account: Account | None,
    profile: Mapping[str, Any] | None,
    claims: Mapping[str, Any] | None,
    private: Mapping[str, Any] | None = None,
) -> Session:
    """Begin a session for ``user``; see :func:`flask_jwtsession.sign_in`.

    :param private: what else goes into the part of the token that only this package sees
    """
    if not isinstance(user, Mapping):
        raise TypeError(f"sign_in() takes the user as a mapping, got {type(user).__name__}")
    with _changing(state):
        state.require_safe_transport()
        previous = _session_before(state)
        session = _sign_in(state, user, account, profile, claims, private or {})
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
) -> Session:
    _ask_sign_in_callback(state, user, account, profile)
    before: dict[str, Any] = {
        **_claims_of(user, account),
        **deepcopy(dict(claims or {})),
        "sid": new_session_id(),
        "auth_time": state.binding.clock(),
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
    return _begin(state, after, Claims({**private, **_kept_account(state, account)}))


def update(state: RequestSession, data: Mapping[str, Any], *, from_client: bool) -> Session:
    """Change the session's data; see :func:`flask_jwtsession.update_session`."""
    if from_client:
        # Before any callback sees it: what is not on the list does not exist.
        fields = state.binding.settings.client_update_fields
        data = {name: data[name] for name in data if name in fields}
    with _changing(state):
        token = state.token
        if token is None or subject(token.claims) is None:
            raise UpdateRefused("nobody is signed in")
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


def end(state: RequestSession, reason: str) -> Session | None:
    """End the session, if there is one, and delete its cookies in any case.

    Returns the session as it was.
    """
    with _changing(state):
        previous = _session_before(state)
        save.delete(state)
        state.token, state.session, state.user = None, NOBODY, None
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
    callback = state.binding.callbacks.jwt
    if callback is None:
        returned: object = {**token.copy(), **data}
    else:
        event = JWTEvent(trigger=Trigger.UPDATE, data=deepcopy(dict(data)), from_client=from_client)
        with running_callback(state):
            returned = callback(token.copy(), event)
    if returned is None:
        return None
    after = put_back_reserved(require_mapping(returned, "jwt callback"), token.claims)
    return _begin(state, after, token.private)


def _begin(state: RequestSession, claims: Mapping[str, Any], private: Claims) -> Session:
    """Issue ``claims`` and make them the request's session; all of it or nothing."""
    lines, token = save.encode(state, claims, private)
    session = public_session(state, token)
    state.open_for_change()  # still: a callback may have outlived the response (another thread)
    save.replace_lines(state, lines)
    state.token, state.session, state.user = token, session, Mark.UNSET
    return session


def _kept_account(state: RequestSession, account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    settings = state.binding.settings
    kept = account.to_claims(
        tokens=settings.provider_tokens == "cookie", id_token=settings.federated_sign_out
    )
    return {"account": kept}


def _session_before(state: RequestSession) -> Session | None:
    """The session as it stands, or None; the callbacks are not run for it."""
    token = state.token
    if token is None:
        return None
    if state.session is not None and state.session:
        return state.session
    return public_session(state, token, with_callback=False)


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
        return f"{account.provider}|{account.provider_account_id}"
    identifier = user.get("id")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        return str(identifier)
    return identifier if isinstance(identifier, str) else None


def _anonymous_id(state: RequestSession, session: Session) -> str:
    """Which subject, for a log that must not say who: an HMAC of it."""
    sub = str(session.token.get("sub")).encode("utf-8", "surrogatepass")
    return hmac.new(state.binding.session_id_key, sub, hashlib.sha256).hexdigest()[:12]
