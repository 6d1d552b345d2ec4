"""Time that a test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask import Flask

from ..exceptions import ConfigError
from ..lifecycle.binding import EXTENSION, Binding


class Clock:
    """Time that stands still until a test moves it.

    :param now: epoch seconds; by default those of the moment, so that it agrees with the clocks of
        others, of a provider for example
    """

    def __init__(self, now: float | None = None) -> None:
        #: Epoch seconds.
        self.now: float = time.time() if now is None else now

    def __call__(self) -> float:
        return self.now

    def advance(self, by: float | timedelta) -> None:
        """Move it on by seconds or a timedelta; by a negative one it is set back."""
        self.now += by.total_seconds() if isinstance(by, timedelta) else by

    def __repr__(self) -> str:
        return f"<Clock at {self.now}>"


@contextmanager
def stopped_clock(app: Flask, now: float | None = None) -> Iterator[Clock]:
    """While the block runs, the sessions of ``app`` go by a :class:`Clock`.

    ::

        with stopped_clock(app) as clock:
            client.sign_in({"id": 1})
            clock.advance(timedelta(days=31))
            assert client.get("/").status_code == 401

    All instances of ``app`` go by it, with their stores in memory and in SQLite. Redis forgets by
    its own clock, as does a store that is the application's own.

    :param now: epoch seconds at which it stands; by default those of the moment
    :raises ConfigError: there is no :class:`.JWTSession` on ``app``
    """
    bindings: dict[str, Binding] = app.extensions.get(EXTENSION, {})
    if not bindings:
        raise ConfigError("stopped_clock()", "no JWTSession is initialised on this app")
    clock = Clock(now)
    before: dict[str, Callable[[], float]] = {name: one.clock for name, one in bindings.items()}
    for binding in bindings.values():
        binding.clock = clock
    try:
        yield clock
    finally:
        for name, previous in before.items():
            bindings[name].clock = previous
