"""A look at what a request brings: it changes nothing, and tells nobody."""

from __future__ import annotations

from dataclasses import replace

from ..exceptions import StoreUnavailable
from ..rotation import RefreshReused, SessionOver
from ..session import NOBODY, UNKNOWN, Session
from ..tokens.claims import subject
from . import refresh_cookie
from .binding import Binding, SecurityLog
from .load import public_session
from .state import RequestSession
from .verify import verified


class _Silence(SecurityLog):
    """For who looks at what nobody sent."""

    def warning(self, kind: str, message: str) -> None:
        return


def onlooker(binding: Binding) -> Binding:
    """The same instance, for whoever only looks: nothing is written to its store or its log."""
    return replace(binding, only_looks=True, security_log=_Silence())


def session_of(state: RequestSession) -> Session:
    """The session of the cookie, or of the access cookie of a pair, without the jwt callback and
    the ``user_loader``. ``state`` is an :func:`onlooker`'s.
    """
    with state.lock:
        found = verified(state)
    if found is not None:
        return public_session(state, found.token)
    return NOBODY if state.unconfirmed is None else UNKNOWN


def refusal_of(state: RequestSession) -> str | None:
    """Why the request is nobody's, before any callback is asked; None if it is somebody's.
    ``state`` is an :func:`onlooker`'s.

    The reasons are those of ``session_rejected``, and ``"store"``, ``"reused"`` and ``"subject"``.
    """
    with state.lock:
        found = verified(state)
        if found is not None:
            return None if subject(found.token.claims) is not None else "subject"
        if state.unconfirmed is None and not state.ambiguous and state.cookies.refresh is not None:
            return _refusal_of_refresh_cookie(state)
    return _refusal(state)


def _refusal_of_refresh_cookie(state: RequestSession) -> str | None:
    refresh, rotations = refresh_cookie.found(state), state.binding.rotations
    if refresh is None or rotations is None:
        return _refusal(state)
    try:
        rotations.check(refresh_cookie.sent_by(refresh))
    except SessionOver:
        return "revoked"
    except RefreshReused:
        return "reused"
    except StoreUnavailable:
        if state.binding.settings.store_failure == "closed":
            return "store"
    return None


def _refusal(state: RequestSession) -> str:
    if state.unconfirmed is not None:
        return "store"
    if state.rejected is None and state.revoked is not None:
        return "revoked"
    return state.rejected or "nothing"
