"""How a session begins: in cookies, or in a token for a client that has none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..exceptions import ConfigError, SignInRefused
from ..grant_records import Held
from ..session import Account, Claims, JWTEvent, Session, Trigger
from ..signals import send, signed_in, signed_out
from ..tokens.claims import PRIVATE, new_session_id, put_back_reserved, subject
from . import csrf, refresh_cookie, renewal, standing
from .callbacks import require_mapping, running_callback
from .change import anonymous_id, begin, changing, end_session, to_end
from .load import AUTHENTICATED_AT, public_session
from .reauth import require_callback
from .state import RequestSession
from .verify import BEARER

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
    refresh_claims: Mapping[str, Any] | None = None,
    fresh: bool = True,
) -> Session:
    """Begin a session for ``user``; see :func:`flask_jwtsession.sign_in`.

    :param private: what else goes into the part of the token that only this package sees
    :param started: the moment from which the session counts, if that is not now: what a revocation
        of the person meanwhile has to end
    """
    if not isinstance(user, Mapping):
        raise TypeError(f"sign_in() takes the user as a mapping, got {type(user).__name__}")
    if not isinstance(refresh_claims, Mapping | None):
        raise TypeError(
            f"sign_in() takes refresh_claims as a mapping, got {type(refresh_claims).__name__}"
        )
    prefix = state.binding.settings.config_prefix
    if state.in_header:
        raise SignInRefused(
            "a request that brings its token in the Authorization header gets no cookie"
            if state.bearer is not None
            else f"{prefix}_TOKEN_LOCATIONS has no 'cookie'"
        )
    if state.cookies.refresh is None and refresh_claims is not None:
        raise ConfigError(
            f"{prefix}_REFRESH_COOKIE", "is not set, but sign_in() got refresh_claims"
        )
    if state.cookies.refresh is not None:
        require_callback(state)
    with changing(state, refresh_cookie.look):
        state.require_safe_transport()
        before = to_end(state), state.session
        if started is None:
            started = state.binding.moment()
        private = {**(private or {}), **({} if fresh else {AUTHENTICATED_AT: None})}
        new = _new_session(state, user, account, profile, claims, private, started)
        session = begin(state, *new, refresh_claims=refresh_claims or {})
        previous = end_session(state, *before)
        csrf.renew(state)
    _log.info("Signed in: subject %s", anonymous_id(state, session))
    if previous is not None:
        send(signed_out, state.binding.app, session=previous, reason="replaced")
    send(signed_in, state.binding.app, session=session, user=user, account=account)
    return session


def create_token(
    state: RequestSession,
    user: Mapping[str, Any],
    *,
    account: Account | None,
    profile: Mapping[str, Any] | None,
    claims: Mapping[str, Any] | None,
) -> str:
    """Begin a session in a token of its own; see :func:`flask_jwtsession.create_token`."""
    binding = state.binding
    if not isinstance(user, Mapping):
        raise TypeError(f"create_token() takes the user as a mapping, got {type(user).__name__}")
    if "header" not in binding.settings.token_locations:
        raise ConfigError(
            f"{binding.settings.config_prefix}_TOKEN_LOCATIONS",
            "has no 'header', so that no request could bring the token of create_token()",
        )
    state.open_for_change()
    state.require_safe_transport()
    private = {BEARER: True}
    new = _new_session(state, user, account, profile, claims, private, binding.moment())
    text, token = renewal.issue_text(state, *new)
    made = Claims({"token": text})
    del text  # a token that is good, and error reports show the variables of a frame
    state.is_for_one = True
    session = public_session(state, token)
    _log.info("Token created: subject %s", anonymous_id(state, session))
    send(signed_in, binding.app, session=session, user=user, account=account)
    return str(made["token"])


def _new_session(
    state: RequestSession,
    user: Mapping[str, Any],
    account: Account | None,
    profile: Mapping[str, Any] | None,
    claims: Mapping[str, Any] | None,
    private: Mapping[str, Any],
    started: float,
) -> tuple[Mapping[str, Any], Claims, Held | None]:
    """The claims, the private ones, and the grant of somebody who signs in."""
    _ask_sign_in_callback(state, user, account, profile)
    before: dict[str, Any] = {
        **_claims_of(user, account),
        **deepcopy(dict(claims or {})),
        "sid": new_session_id(),
        "auth_time": started,
    }
    for name in (PRIVATE, "iat", "exp", "jti"):
        before.pop(name, None)
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
    return after, Claims(private), held


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
