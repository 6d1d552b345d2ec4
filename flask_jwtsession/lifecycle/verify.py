"""From the cookies of a request to a token that is good, without any callback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..cookies import MAX_VALUES, candidates
from ..exceptions import StoreUnavailable, TokenExpired, TokenInvalid
from ..revocation import Standing
from ..signals import send, session_rejected
from ..tokens import strict_json
from ..tokens.claims import PRIVATE, Times, adopt, check_times
from ..tokens.token_format import TokenFormat
from . import standing
from .binding import Binding
from .state import Mark, RequestSession, Token, Verified

#: The member of our own block that a token for the header ``Authorization`` has. In a cookie such a
#: token would be issued again by use, and so live for ever.
BEARER = "bearer"


def verify(state: RequestSession) -> Verified | None:
    """What the cookies say, decrypted and checked, without any callback."""
    state.read = True
    with state.lock:
        found = verified(state)
    send_pending(state)
    return found


def verified(state: RequestSession) -> Verified | None:
    """As :func:`verify`, for whoever holds the lock, and sends what there is to tell."""
    if isinstance(state.verified, Mark):
        found = state.verified = _verify(state)
        if found is not None:
            state.token = found.token
        return found
    return state.verified


def send_pending(state: RequestSession) -> None:
    """Send what loading had to tell, now that nothing is locked: a receiver may use the session."""
    if not state.pending_signals:
        return
    with state.lock:
        pending, state.pending_signals = state.pending_signals, []
    for signal, arguments in pending:
        send(signal, state.binding.app, **arguments)


def _verify(state: RequestSession) -> Verified | None:
    accepted, rejected = _accepted(state)
    if accepted:
        state.expired = None
    live = []
    for one in accepted:
        try:
            how, token = standing.look_up(state.binding, one.token)
        except StoreUnavailable:
            state.unconfirmed = one.token
            continue
        if how is Standing.LIVE:
            live.append(one if token is one.token else replace(one, token=token))
        elif how is Standing.REVOKED:
            state.revoked = token
        else:
            rejected = "revoked"  # it ended before, and the application was told then
    if state.unconfirmed is not None:
        live = []  # it may be that one; and if it is not, there are two
    if len(live) > 1:
        # Which one is the person's and which one was planted (RFC 6265 section 8.6) nobody can say.
        rejected = "ambiguous"
        state.ambiguous = tuple(one.token for one in live)
    if live:
        state.revoked = None
    if rejected is not None:
        reject(state, rejected)
    return live[0] if len(live) == 1 else None


def reject(state: RequestSession, reason: str) -> None:
    """Leave word that what was sent is nobody's session, and why."""
    if state.rejected == reason:  # of both cookies of a pair
        return
    state.rejected = reason
    what = "session cookie" if state.bearer is None else "bearer token"
    state.binding.security_log.warning(f"rejected {reason}", f"A {what} was not accepted: {reason}")
    state.pending_signals.append((session_rejected, {"reason": reason}))


def _accepted(state: RequestSession) -> tuple[list[Verified], str | None]:
    """The tokens in the request that are good by themselves, and why another one is not."""
    if state.bearer is not None:
        return _accepted_bearer(state, state.bearer)
    binding = state.binding
    accepted: list[Verified] = []
    rejected: str | None = None
    for cookie, tokens in state.cookies.sources:
        try:
            values = candidates(state.sent(cookie), cookie)
            if len(values) > MAX_VALUES:
                raise TokenInvalid("ambiguous")
        except TokenInvalid as error:
            rejected = error.reason
            continue
        for value in values:
            try:
                token, times = _read(binding, tokens, value)
            except TokenExpired as error:
                refresh = state.cookies.refresh
                if refresh is None:
                    state.expired = expired_token(error, binding.clock())
                if refresh is None or not state.sent(refresh[0]):  # else it is that one that counts
                    rejected = error.reason
            except TokenInvalid as error:
                rejected = error.reason
            else:
                accepted.append(Verified(token, times, cookie is not state.cookies.session))
        if accepted:
            break
    return accepted, rejected


def _accepted_bearer(state: RequestSession, value: str) -> tuple[list[Verified], str | None]:
    # One that is over is refused each time it comes: there is no cookie to delete, which would
    # make it an end that the application is told of.
    try:
        token, times = _read(state.binding, state.cookies.tokens, value, in_header=True)
    except (TokenInvalid, TokenExpired) as error:
        return [], error.reason
    return [Verified(token, times, foreign=False)], None


def read_claims(tokens: TokenFormat, value: str) -> tuple[bytes, dict[str, Any]]:
    """The payload of a token, and what it says; :exc:`TokenInvalid` for what is none."""
    payload = tokens.decode(value)
    try:
        return payload, strict_json.parse_object(payload)
    except ValueError:
        raise TokenInvalid("payload") from None


def _read(
    binding: Binding, tokens: TokenFormat, value: str, *, in_header: bool = False
) -> tuple[Token, Times]:
    return checked(binding, *read_claims(tokens, value), in_header=in_header)


def checked(
    binding: Binding, payload: bytes, claims: dict[str, Any], *, in_header: bool = False
) -> tuple[Token, Times]:
    """The token that says ``claims``, and its times, after every rule but revocation.

    Raises :exc:`TokenInvalid` and :exc:`TokenExpired`.
    """
    # First: what is no session here has no end that anybody is told of.
    binding.settings.parties.check(claims)
    private = claims.get(PRIVATE)
    if not in_header and isinstance(private, dict) and BEARER in private:
        raise TokenInvalid("location")
    times = check_times(claims, binding.settings.lifetimes, binding.clock())
    whole = adopt(claims, times)
    if whole != claims:
        payload = strict_json.dump(whole)
    return Token.of(payload, whole, times.expires), times


def expired_token(error: TokenExpired, now: float) -> Token:
    """The claims of a token whose time is over."""
    ended = min(now, error.claims["exp"])
    return Token.of(strict_json.dump(error.claims), error.claims, ended)
