"""From the cookies of a request to its session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from inspect import iscoroutine
from typing import Any

from ..cookies import MAX_VALUES, candidates
from ..exceptions import SessionTooLarge, TokenExpired, TokenInvalid
from ..session import NOBODY, Account, JWTEvent, Session
from ..signals import send, session_rejected, signed_out
from ..tokens import strict_json
from ..tokens.claims import (
    Times,
    adopt,
    check_times,
    put_back_reserved,
    subject,
)
from ..tokens.encrypted import EncryptedTokens
from . import save
from .binding import Binding
from .callbacks import refuse_inside_callback, require_mapping, running_callback
from .state import Mark, RequestSession, Token, Verified

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
                except BaseException:
                    # The error is a callback's, and so the application's. The rest of this
                    # request, its error page for example, is nobody's; the cookie stays.
                    state.session, state.token = NOBODY, None
                    raise
            return state.session
    finally:
        _send_pending(state)


def verify(state: RequestSession) -> Verified | None:
    """What the cookies say, decrypted and checked, without any callback."""
    state.read = True
    with state.lock:
        verified = _verified(state)
    _send_pending(state)
    return verified


def public_session(state: RequestSession, token: Token, *, with_callback: bool = True) -> Session:
    """The session that ``token`` stands for."""
    claims = token.claims
    user = {name: claims.get(claim) for name, claim in _USER_CLAIMS.items()}
    public: Mapping[str, Any] = {"user": user, "expires": _iso_time(token.expires)}
    callback = state.binding.callbacks.session
    if callback is not None and with_callback:
        with running_callback(state):
            returned = callback(public, token.copy())
        public = dict(require_mapping(returned, "session callback"))
    return Session(
        public,
        claims,
        subject=subject(claims),
        expires=token.expires,
        account=Account.from_claims(token.private.get("account")),
    )


def authenticated_at(state: RequestSession) -> float | None:
    """When the person of the loaded session last proved who they are, in epoch seconds; None if
    nobody here knows.

    Whoever came from a provider may have signed in there days ago: it is for the provider to say.
    """
    token = state.token
    if token is None:
        return None
    if "authenticated_at" in token.private:
        moment: float | None = token.private["authenticated_at"]
        return moment
    return token.claims.get("auth_time")


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
    verified = _verified(state)
    if verified is None:
        return NOBODY if state.expired is None else _ended(state, state.expired, "expired")
    claims, changed = _after_jwt_callback(state, verified.token)
    if claims is None:
        return _ended(state, verified.token, "callback")
    token, lines = verified.token, None
    if _can_issue(state, verified) and (changed or _is_due(state, verified)):
        try:
            lines, token = save.encode(state, claims, token.private)
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
        save.replace_lines(state, lines)
        state.reissued = True
    return session


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
        if state.reissued:  # an error of a callback leaves the cookie alone
            save.replace_lines(state, {})
        raise
    finally:
        if user is None:
            # The person is gone though the token is not, or the loader raised: nobody, for the
            # rest of this request.
            state.user, state.session, state.token = None, NOBODY, None
    return user


def _send_pending(state: RequestSession) -> None:
    """Send what loading had to tell, now that nothing is locked: a receiver may use the session."""
    if not state.pending_signals:
        return
    with state.lock:
        pending, state.pending_signals = state.pending_signals, []
    for signal, arguments in pending:
        send(signal, state.binding.app, **arguments)


def _after_jwt_callback(
    state: RequestSession, token: Token
) -> tuple[Mapping[str, Any] | None, bool]:
    """All claims after the callback of a plain load, and whether it changed any."""
    callback = state.binding.callbacks.jwt
    if callback is None:
        return token.claims, False
    with running_callback(state):
        returned = callback(token.copy(), JWTEvent())
    if returned is None:
        return None, True
    before = token.claims
    claims = put_back_reserved(require_mapping(returned, "jwt callback"), before)
    return claims, not save.same_claims(claims, before)


def _can_issue(state: RequestSession, verified: Verified) -> bool:
    # In the leeway after the absolute end there is no time left that a new token could have.
    has_time = state.binding.clock() < verified.times.expires
    return state.transport_is_safe and not state.closed and has_time


def _is_due(state: RequestSession, verified: Verified) -> bool:
    age = max(0.0, state.binding.clock() - verified.times.issued)
    return verified.foreign or age >= state.binding.settings.update_age


def _verified(state: RequestSession) -> Verified | None:
    if isinstance(state.verified, Mark):
        verified = state.verified = _verify(state)
        if verified is not None:
            state.token = verified.token
        return verified
    return state.verified


def _verify(state: RequestSession) -> Verified | None:
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
                rejected = error.reason
                state.expired = _expired(error, binding.clock())
            except TokenInvalid as error:
                rejected = error.reason
            else:
                accepted.append(Verified(token, times, cookie is not state.cookies.session))
        if accepted:
            break
    if len(accepted) > 1:
        # Which one is the person's and which one was planted (RFC 6265 section 8.6) nobody can say.
        rejected = "ambiguous"
    if rejected is not None:
        binding.security_log.warning(
            f"rejected {rejected}", f"A session cookie was not accepted: {rejected}"
        )
        state.pending_signals.append((session_rejected, {"reason": rejected}))
    if accepted:
        state.expired = None
    return accepted[0] if len(accepted) == 1 else None


def _read(binding: Binding, tokens: EncryptedTokens, value: str) -> tuple[Token, Times]:
    payload = tokens.decode(value)
    try:
        claims = strict_json.parse_object(payload)
    except ValueError:
        raise TokenInvalid("payload") from None
    times = check_times(claims, binding.settings.lifetimes, binding.clock())
    whole = adopt(claims, times, binding.session_id_key)
    if whole != claims:
        payload = strict_json.dump(whole)
    return Token.of(payload, whole, times.expires), times


def _expired(error: TokenExpired, now: float) -> Token:
    ended = min(now, error.claims["exp"])
    return Token.of(strict_json.dump(error.claims), error.claims, ended)


def _iso_time(seconds: float) -> str:
    """As JavaScript's ``Date.toISOString``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
