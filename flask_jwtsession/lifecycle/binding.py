"""One ``JWTSession`` on one app: what is made when the app starts, and never changes after."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, current_app

from ..config import Settings
from ..cookies import Cookie, LoginCookies
from ..exceptions import ConfigError, StoreUnavailable
from ..once import Once
from ..refresh import Grants
from ..revocation import Revocations
from ..rotation import Rotations
from ..stores import Store, open_store
from ..tokens.encrypted import EncryptedTokens
from ..tokens.keys import authjs_keys, derive_key, nextauth_v4_keys
from ..tokens.signing_keys import derived_keys
from ..tokens.token_format import TokenFormat
from .callbacks import Callbacks

if TYPE_CHECKING:  # it brings Authlib with it, for those who add one
    from ..providers.provider import Provider

EXTENSION = "jwtsession"
#: The attribute that marks a view function as one of this package.
OURS = "_jwtsession_endpoint"

#: Seconds for which what a store has of a session outlives it: for what was under way by then.
EXTRA_LIFETIME = 3600

_log = logging.getLogger("flask_jwtsession")
_SECONDS_BETWEEN_LINES = 60


@dataclass(frozen=True)
class CookieSet:
    """The cookies over https, or those over plain http: the names differ, and so do the keys.

    ``session`` is written; ``sources`` are read, in their order: that one, and the cookie of
    NextAuth v4 where it is switched on. ``refresh`` is the other one of a pair, if there is one.
    """

    session: Cookie
    csrf: Cookie
    login: LoginCookies
    tokens: TokenFormat
    login_tokens: EncryptedTokens
    sources: tuple[tuple[Cookie, TokenFormat], ...]
    refresh: tuple[Cookie, EncryptedTokens] | None

    def all(self) -> Iterator[Cookie]:
        """Every cookie that this package may write."""
        yield self.csrf
        yield self.login
        yield from self.of_session()

    def of_session(self) -> Iterator[Cookie]:
        """Every cookie with which somebody is signed in."""
        yield from self.of_access()
        if self.refresh is not None:
            yield self.refresh[0]

    def of_access(self) -> Iterator[Cookie]:
        """The same without the refresh cookie."""
        for cookie, _ in self.sources:
            yield cookie


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
        https=_cookie_set(settings, secure=True),
        http=_cookie_set(settings, secure=False),
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


def _cookie_set(settings: Settings, *, secure: bool) -> CookieSet:
    session = _cookie(settings, "session-token", secure=secure, domain=settings.cookie_domain)
    # Never with a Domain: a CSRF cookie that other hosts of the domain can set protects nobody.
    csrf = _cookie(settings, "csrf-token", secure=secure, domain=None)
    login_name = _name(settings, "login", secure=secure)
    login = LoginCookies(
        name=login_name,
        path=settings.cookie_path,
        secure=secure,
        partitioned=settings.cookie_partitioned and secure,
    )
    tokens = _token_format(settings, session.name)
    # Each is used once: nothing to remember.
    login_tokens = EncryptedTokens(authjs_keys(settings.secrets, login_name), remembered=0)
    sources: list[tuple[Cookie, TokenFormat]] = [(session, tokens)]
    if settings.read_nextauth_v4:
        v4 = Cookie(
            name=f"{'__Secure-' if secure else ''}next-auth.session-token",
            path=settings.cookie_path,
            domain=settings.cookie_domain,
            secure=secure,
            samesite=settings.cookie_samesite,
        )
        sources.append((v4, EncryptedTokens(nextauth_v4_keys(settings.secrets))))
    refresh = _refresh_cookie(settings, secure=secure)
    return CookieSet(session, csrf, login, tokens, login_tokens, tuple(sources), refresh)


def _token_format(settings: Settings, name: str) -> TokenFormat:
    if not settings.is_signed:
        return EncryptedTokens(authjs_keys(settings.secrets, name))
    from ..tokens.signed import SignedTokens  # with PyJWT, which others do not need

    keys = settings.signing_keys or derived_keys(settings.secrets, name)
    block_keys = authjs_keys(settings.secrets, f"{name} _session")
    return SignedTokens(keys, EncryptedTokens(block_keys, remembered=0))


def _refresh_cookie(settings: Settings, *, secure: bool) -> tuple[Cookie, EncryptedTokens] | None:
    refresh = settings.refresh
    if refresh is None:
        return None
    cookie = replace(
        _cookie(settings, "refresh-token", secure=secure, domain=settings.cookie_domain),
        name=_name(
            settings,
            "refresh-token",
            secure=secure,
            domain=settings.cookie_domain,
            path=refresh.path,
        ),
        path=refresh.path,
        samesite=refresh.samesite,
    )
    # Each is used once: nothing to remember.
    return cookie, EncryptedTokens(authjs_keys(refresh.secrets, cookie.name), remembered=0)


def _cookie(settings: Settings, purpose: str, *, secure: bool, domain: str | None) -> Cookie:
    return Cookie(
        name=_name(settings, purpose, secure=secure, domain=domain),
        path=settings.cookie_path,
        domain=domain,
        secure=secure,
        samesite=settings.cookie_samesite,
        partitioned=settings.cookie_partitioned and secure,
    )


def _name(
    settings: Settings,
    purpose: str,
    *,
    secure: bool,
    domain: str | None = None,
    path: str | None = None,
) -> str:
    prefix = ""
    if secure:
        # Where a browser accepts it (RFC 6265bis section 4.1.3.2).
        is_of_host = domain is None and (path or settings.cookie_path) == "/"
        prefix = "__Host-" if is_of_host else "__Secure-"
        if settings.cookie_prefix == "authjs" and purpose == "session-token":
            prefix = "__Secure-"  # in any case: who takes the name of Auth.js takes that too
    return f"{prefix}{settings.cookie_prefix}.{purpose}"
