"""One ``JWTSession`` on one app: what is made when the app starts, and never changes after."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, current_app

from ..config import Settings
from ..exceptions import ConfigError, StoreUnavailable
from ..once import Once
from ..refresh import Grants
from ..revocation import Revocations
from ..rotation import Rotations
from ..stores import Store, open_store
from ..tokens.keys import derive_key
from .callbacks import Callbacks
from .cookie_set import CookieSet, cookie_set

if TYPE_CHECKING:  # it brings Authlib with it, for those who add one
    from ..providers.provider import Provider

EXTENSION = "jwtsession"
#: The attribute that marks a view function as one of this package.
OURS = "_jwtsession_endpoint"

#: Seconds for which what a store has of a session outlives it: for what was under way by then.
EXTRA_LIFETIME = 3600

_log = logging.getLogger("flask_jwtsession")
_SECONDS_BETWEEN_LINES = 60


@dataclass
class Binding:
    """What the two hooks, the verbs and the endpoints of one instance share on one app.

    Nothing of it changes after the start, but that a test may put its own ``clock`` (epoch
    seconds) in.

    :ivar store: without ``JWTSESSION_STORE`` it is this process's memory
    :ivar revocations: None without ``JWTSESSION_STORE``
    :ivar rotations: None without a refresh cookie
    """

    app: Flask
    settings: Settings
    callbacks: Callbacks
    blueprint: str
    https: CookieSet
    http: CookieSet
    #: Of the HMACs by which people are called in the log.
    log_key: bytes = field(repr=False)
    #: Under which a request keeps its session in its environ: no other app or instance has it.
    environ_key: str
    security_log: SecurityLog
    store: Store
    revocations: Revocations | None
    grants: Grants
    rotations: Rotations | None
    once: Once
    #: By name, in the order in which they were added.
    providers: dict[str, Provider] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    #: Whether nothing may be written to the store, because nobody asked for a change.
    only_looks: bool = False
    _moments: Moments = field(default_factory=lambda: Moments())

    @property
    def cookie_sets(self) -> tuple[CookieSet, CookieSet]:
        return self.https, self.http

    def moment(self) -> float:
        """Now, in epoch seconds: later than every moment before it in this process."""
        return self._moments.after(self.clock())

    def anonymous(self, text: str) -> str:
        """An HMAC of whoever it is, for a log that must not say who."""
        octets = text.encode("utf-8", "surrogatepass")
        return hmac.digest(self.log_key, octets, "sha256").hex()[:12]

    def report(self, error: StoreUnavailable) -> None:
        """Tell the log that the store is away; once a minute, however many requests find out."""
        self.security_log.warning("store", f"The store cannot be used: {error}")


class Moments:
    """Moments that follow each other though the clock may stand still for them, or be set back a
    little: who signs in after "sign out everywhere" is not signed out by it.
    """

    #: Seconds; a clock that was set back further is followed.
    LARGEST_STEP = 1.0

    def __init__(self) -> None:
        self._lock = Lock()
        self._last = float("-inf")

    def after(self, now: float) -> float:
        with self._lock:
            if 0 <= self._last - now < self.LARGEST_STEP:
                now = self._last + 1e-6
            self._last = now
            return now


class SecurityLog:
    """Logs refusals, at most one line a minute of each kind.

    Anybody can send a garbage cookie with every request; nobody may fill the disk with it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def warning(self, kind: str, message: str) -> None:
        """Log ``message``; ``kind`` is a constant, and decides what is one kind."""
        now = time.monotonic()
        with self._lock:
            last, withheld = self._kinds.get(kind, (float("-inf"), 0))
            if now - last < _SECONDS_BETWEEN_LINES:
                self._kinds[kind] = (last, withheld + 1)
                return
            self._kinds[kind] = (now, 0)
        more = f" ({withheld} more since the last such line)" if withheld else ""
        _log.warning("%s%s", message, more)


def make_binding(app: Flask, settings: Settings, callbacks: Callbacks, blueprint: str) -> Binding:
    """Derive the keys, name the cookies, prepare the store. Raises :exc:`ConfigError`."""

    def clock() -> float:
        return binding.clock()

    # What a session can live for at most after it was revoked.
    pair = settings.refresh
    lifetimes = settings.lifetimes if pair is None else pair.lifetimes
    longest = lifetimes.max_age
    if lifetimes.absolute_max_age is not None:
        longest = min(longest, lifetimes.absolute_max_age)
    kept = longest + EXTRA_LIFETIME
    # Without a store, for requests that come late only: the cookie has all there is. What came in a
    # header has nothing but what it began with.
    is_in_cookies = settings.store is None and "header" not in settings.token_locations
    records_kept = EXTRA_LIFETIME if is_in_cookies else kept
    store = _store(app, settings, clock)
    store_keys = [
        derive_key(secret, salt=settings.cookie_prefix, info="jwtsession store", length=32)
        for secret in settings.secrets
    ]
    binding = Binding(
        app=app,
        settings=settings,
        callbacks=callbacks,
        blueprint=blueprint,
        https=cookie_set(settings, secure=True),
        http=cookie_set(settings, secure=False),
        log_key=derive_key(
            settings.secrets[-1], salt=settings.cookie_prefix, info="jwtsession log", length=32
        ),
        environ_key=f"flask_jwtsession.{settings.config_prefix}.{secrets.token_hex(8)}",
        security_log=SecurityLog(),
        store=store,
        revocations=None if settings.store is None else Revocations(store, store_keys, kept),
        grants=Grants(store, records_kept, clock),
        rotations=(
            None if pair is None else Rotations(store, kept, settings.lifetimes.max_age, clock)
        ),
        once=Once(store, store_keys[0]),
    )
    return binding


def current_binding(prefix: str) -> Binding:
    """The binding of the current app. Outside an app context Flask's own error is raised."""
    bindings: dict[str, Binding] = current_app.extensions.get(EXTENSION, {})
    try:
        return bindings[prefix]
    except KeyError:
        raise ConfigError(
            "config_prefix", f"no JWTSession with the prefix {prefix} is initialised on this app"
        ) from None


def _store(app: Flask, settings: Settings, clock: Callable[[], float]) -> Store:
    if isinstance(settings.store, Store):
        return settings.store
    try:
        return open_store(settings.store or "memory", app.instance_path, clock)
    except ValueError as error:
        raise ConfigError(f"{settings.config_prefix}_STORE", str(error)) from None
