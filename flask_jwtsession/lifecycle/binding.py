"""One ``JWTSession`` on one app: what is made when the app starts, and never changes after."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, current_app

from ..config import Settings
from ..cookies import Cookie, LoginCookies
from ..exceptions import ConfigError, RevocationUnavailable
from ..tokens.encrypted import EncryptedTokens
from ..tokens.keys import authjs_keys, derive_key, nextauth_v4_keys
from .callbacks import Callbacks

if TYPE_CHECKING:  # it brings Authlib with it, for those who add one
    from ..providers.provider import Provider

EXTENSION = "jwtsession"
#: The attribute that marks a view function as one of this package.
OURS = "_jwtsession_endpoint"

_log = logging.getLogger("flask_jwtsession")
_SECONDS_BETWEEN_LINES = 60


@dataclass(frozen=True)
class CookieSet:
    """The cookies over https, or those over plain http: the names differ, and so do the keys.

    ``session`` is written; ``sources`` are read, in their order: that one, and the cookie of
    NextAuth v4 where it is switched on.
    """

    session: Cookie
    csrf: Cookie
    login: LoginCookies
    tokens: EncryptedTokens
    login_tokens: EncryptedTokens
    sources: tuple[tuple[Cookie, EncryptedTokens], ...]

    def all(self) -> Iterator[Cookie]:
        """Every cookie that this package may write."""
        yield self.csrf
        yield self.login
        for cookie, _ in self.sources:
            yield cookie


class Revocations:
    """Where it is written down that a session is over, whatever its cookie says.

    There is no store yet that could keep it, so each of these says that it cannot be done.
    """

    def revoke_provider_session(self, provider: str, session_id: str) -> None:
        """Revoke the session that began with this session at this provider."""
        raise RevocationUnavailable("there is no store that could keep a revocation")

    def revoke_account(self, provider: str, account_id: str) -> None:
        """Revoke every session of this account at this provider that began before now."""
        raise RevocationUnavailable("there is no store that could keep a revocation")


@dataclass
class Binding:
    """What the two hooks, the verbs and the endpoints of one instance share on one app.

    Nothing of it changes after the start, but that a test may put its own ``clock`` (epoch
    seconds) in.
    """

    app: Flask
    settings: Settings
    callbacks: Callbacks
    blueprint: str
    https: CookieSet
    http: CookieSet
    session_id_key: bytes = field(repr=False)
    #: Under which a request keeps its session in its environ: no other app or instance has it.
    environ_key: str
    security_log: SecurityLog
    #: By name, in the order in which they were added.
    providers: dict[str, Provider] = field(default_factory=dict)
    revocations: Revocations = field(default_factory=Revocations)
    clock: Callable[[], float] = time.time

    @property
    def cookie_sets(self) -> tuple[CookieSet, CookieSet]:
        return self.https, self.http


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
    """Derive the keys, name the cookies."""
    return Binding(
        app=app,
        settings=settings,
        callbacks=callbacks,
        blueprint=blueprint,
        https=_cookie_set(settings, secure=True),
        http=_cookie_set(settings, secure=False),
        # The oldest secret: so the sid of an Auth.js token stays the same when a newer one is put
        # before it.
        session_id_key=derive_key(
            settings.secrets[-1], salt=settings.cookie_prefix, info="jwtsession sid", length=32
        ),
        environ_key=f"flask_jwtsession.{settings.config_prefix}.{secrets.token_hex(8)}",
        security_log=SecurityLog(),
    )


def current_binding(prefix: str) -> Binding:
    """The binding of the current app. Outside an app context Flask's own error is raised."""
    bindings: dict[str, Binding] = current_app.extensions.get(EXTENSION, {})
    try:
        return bindings[prefix]
    except KeyError:
        raise ConfigError(
            "config_prefix", f"no JWTSession with the prefix {prefix} is initialised on this app"
        ) from None


def _cookie_set(settings: Settings, *, secure: bool) -> CookieSet:
    session = _cookie(settings, "session-token", secure=secure, domain=settings.cookie_domain)
    # Never with a Domain: a CSRF cookie that other hosts of the domain can set protects nobody.
    csrf = _cookie(settings, "csrf-token", secure=secure, domain=None)
    login_name = _name(settings, "login", secure=secure, domain=None)
    login = LoginCookies(
        name=login_name,
        path=settings.cookie_path,
        secure=secure,
        partitioned=settings.cookie_partitioned and secure,
    )
    tokens = EncryptedTokens(authjs_keys(settings.secrets, session.name))
    # Each is used once: nothing to remember.
    login_tokens = EncryptedTokens(authjs_keys(settings.secrets, login_name), remembered=0)
    sources = [(session, tokens)]
    if settings.read_nextauth_v4:
        v4 = Cookie(
            name=f"{'__Secure-' if secure else ''}next-auth.session-token",
            path=settings.cookie_path,
            domain=settings.cookie_domain,
            secure=secure,
            samesite=settings.cookie_samesite,
        )
        sources.append((v4, EncryptedTokens(nextauth_v4_keys(settings.secrets))))
    return CookieSet(session, csrf, login, tokens, login_tokens, tuple(sources))


def _cookie(settings: Settings, purpose: str, *, secure: bool, domain: str | None) -> Cookie:
    return Cookie(
        name=_name(settings, purpose, secure=secure, domain=domain),
        path=settings.cookie_path,
        domain=domain,
        secure=secure,
        samesite=settings.cookie_samesite,
        partitioned=settings.cookie_partitioned and secure,
    )


def _name(settings: Settings, purpose: str, *, secure: bool, domain: str | None) -> str:
    prefix = _secure_prefix(settings, purpose, domain) if secure else ""
    return f"{prefix}{settings.cookie_prefix}.{purpose}"


def _secure_prefix(settings: Settings, purpose: str, domain: str | None) -> str:
    """``__Host-`` where a browser accepts it (RFC 6265bis section 4.1.3.2), else ``__Secure-``.

    Auth.js gives its session cookie ``__Secure-`` in any case; who takes its name takes that too.
    """
    if settings.cookie_prefix == "authjs" and purpose == "session-token":
        return "__Secure-"
    return "__Host-" if domain is None and settings.cookie_path == "/" else "__Secure-"
