"""The application's functions that shape a session, and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ..exceptions import SessionClosed

Callback = Callable[..., Any]

# The requests' sessions whose callbacks are running. A context variable and not a flag on the
# session: an async callback may run in another thread, and another thread of the same request may
# be no callback.
_running: ContextVar[tuple[object, ...]] = ContextVar("jwtsession_running_callbacks", default=())


@dataclass
class Callbacks:
    """What was registered on one ``JWTSession``; all of them plain callables by now."""

    jwt: Callback | None = None
    session: Callback | None = None
    sign_in: Callback | None = None
    redirect: Callback | None = None
    user_loader: Callback | None = None
    credentials: Callback | None = None
    refresh: Callback | None = None
    reauth: Callback | None = None
    unauthorized: Callback | None = None


@contextmanager
def running_callback(state: object) -> Iterator[None]:
    """While this is entered, ``state`` can neither be loaded nor changed."""
    reset = _running.set((*_running.get(), state))
    try:
        yield
    finally:
        _running.reset(reset)


def refuse_inside_callback(state: object, what: str) -> None:
    """Raise :exc:`SessionClosed` if one of the callbacks of ``state`` is running."""
    if any(state is one for one in _running.get()):
        raise SessionClosed(
            f"the session cannot be {what} inside one of its own callbacks; use the callback's "
            "arguments and its return value"
        )


def require_mapping(value: object, callback: str) -> Mapping[str, Any]:
    """``value`` if a callback returned a mapping. Anything else is a mistake in the application."""
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"the {callback} returned {type(value).__name__}; it has to return a mapping")
