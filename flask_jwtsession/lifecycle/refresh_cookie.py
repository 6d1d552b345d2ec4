"""The refresh cookie: what it says, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cookies import MAX_VALUES, Cookie, CookieLines, candidates
from ..exceptions import StoreUnavailable, TokenExpired, TokenInvalid
from ..records import new_grant
from ..revocation import Standing
from ..rotation import Sent
from ..session import Claims
from ..tokens.claims import Lifetimes, adopt, check_times, put_back_reserved, subject
from ..tokens.encrypted import EncryptedTokens
from . import save, standing
from .binding import Binding
from .state import Mark, RequestSession, Token
from .verify import expired_token, read_claims, reject, send_pending

# The member of our own block that only refresh tokens have.
_ROTATION = "rotation"
# The claims that both tokens of a session have, and that stay what they are; the last three if the
# application set them at the sign-in.
_IDENTITY = ("sub", "sid", "auth_time", "iss", "aud", "nbf")
# Those that are new at every encode: they say nothing to the application.
_STAMPED = frozenset({"iat", "exp", "jti"})


def look(state: RequestSession) -> None:
    """Look at the refresh cookie, because its session is to be ended too."""
    if state.cookies.refresh is not None:
        with state.lock:
            found(state)
        send_pending(state)


def found(state: RequestSession) -> Token | None:
    """What the refresh cookie says, if it is good and its session was not revoked; for whoever
    holds the lock.
    """
    if isinstance(state.refresh_token, Mark):
        state.refresh_token = _find(state)
    return state.refresh_token


def sent_by(token: Token) -> Sent:
    """What a refresh token is rotated by."""
    rotation = token.private[_ROTATION]
    claims = {name: value for name, value in token.copy().items() if name not in _STAMPED}
    return Sent(rotation["grant"], rotation["gen"], claims)


def begin(state: RequestSession, access: Token, refresh_claims: Mapping[str, Any]) -> CookieLines:
    """The lines of the first refresh cookie of a session."""
    claims = put_back_reserved(refresh_claims, identity_of(state.binding, access))
    return issue(state, access, claims, Sent(new_grant(), 0, claims))


def issue(
    state: RequestSession, access: Token, claims: Mapping[str, Any], sent: Sent
) -> CookieLines:
    """The lines of a refresh cookie beside the access token ``access``, whose account it has too:
    the next access token gets it from there.
    """
    # In no variable by itself, which error reports would show.
    private = Claims({**access.private, _ROTATION: {"grant": sent.grant, "gen": sent.generation}})
    return save.encode_refresh(state, claims, private)


def identity_of(binding: Binding, token: Token) -> dict[str, Any]:
    """The claims that every token of a session has, but for those that the configuration sets."""
    configured = binding.settings.parties.claims()
    claims = token.claims
    return {name: claims[name] for name in _IDENTITY if name in claims and name not in configured}


def private_of_access(token: Token) -> Claims:
    """Our own block of the access token that comes of a refresh token."""
    return Claims({name: value for name, value in token.private.items() if name != _ROTATION})


def _find(state: RequestSession) -> Token | None:
    pair, refresh = state.cookies.refresh, state.binding.settings.refresh
    if pair is None or refresh is None or state.in_header:
        return None
    accepted = _accepted(state, *pair, refresh.lifetimes)
    live = []
    for token in accepted:
        try:
            how, looked_up = standing.look_up(state.binding, token)
        except StoreUnavailable:
            state.unconfirmed = token
            return None
        if how is Standing.LIVE:
            live.append(looked_up)
        elif how is Standing.REVOKED:
            state.revoked = looked_up
        else:
            reject(state, "revoked")
    if len(live) > 1:
        reject(state, "ambiguous")
        state.ambiguous = (*state.ambiguous, *live)
    if live:
        state.revoked = None
    return live[0] if len(live) == 1 else None


def _accepted(
    state: RequestSession, cookie: Cookie, tokens: EncryptedTokens, lifetimes: Lifetimes
) -> list[Token]:
    accepted: list[Token] = []
    try:
        values = candidates(state.sent(cookie), cookie)
        if len(values) > MAX_VALUES:
            raise TokenInvalid("ambiguous")
    except TokenInvalid as error:
        reject(state, error.reason)
        return accepted
    for value in values:
        try:
            payload, claims = read_claims(tokens, value)
            accepted.append(checked(state.binding, lifetimes, payload, claims))
        except TokenExpired as error:
            state.expired = expired_token(error, state.binding.clock())
            reject(state, error.reason)
        except TokenInvalid as error:
            reject(state, error.reason)
    if accepted:
        state.expired = None
    return accepted


def checked(
    binding: Binding, lifetimes: Lifetimes, payload: bytes, claims: dict[str, Any]
) -> Token:
    """The refresh token that says ``claims``, after every rule but revocation and rotation.

    Raises :exc:`TokenInvalid` and :exc:`TokenExpired`.
    """
    times = check_times(claims, lifetimes, binding.clock())
    if binding.clock() >= times.expires:  # in the leeway: nothing could be issued any more
        raise TokenExpired("expired", claims)
    if claims.get("sid") is None or "auth_time" not in claims:
        raise TokenInvalid("claims")
    adopt(claims, times)  # raises for a sid that is none
    token = Token.of(payload, claims, times.expires)
    rotation = token.private.get(_ROTATION)
    if (
        not isinstance(rotation, dict)
        or not isinstance(rotation.get("grant"), str)
        or type(rotation.get("gen")) is not int
        or subject(claims) is None
    ):
        raise TokenInvalid("claims")
    return token
