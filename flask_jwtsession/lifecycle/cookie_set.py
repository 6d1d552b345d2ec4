"""The cookies of one instance on one app: their names, attributes and token formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..config import Settings
from ..cookies import Cookie, LoginCookies
from ..tokens.encrypted import EncryptedTokens
from ..tokens.keys import authjs_keys, nextauth_v4_keys
from ..tokens.signing_keys import derived_keys
from ..tokens.token_format import TokenFormat


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

    @cached_property
    def all(self) -> tuple[Cookie, ...]:
        """Every cookie that this package may write."""
        return (self.csrf, self.login, *self.session_cookies)

    @cached_property
    def session_cookies(self) -> tuple[Cookie, ...]:
        """Every cookie with which somebody is signed in."""
        refresh = () if self.refresh is None else (self.refresh[0],)
        return (*self.access_cookies, *refresh)

    @cached_property
    def access_cookies(self) -> tuple[Cookie, ...]:
        """The same without the refresh cookie."""
        return tuple(cookie for cookie, _ in self.sources)


def cookie_set(settings: Settings, *, secure: bool) -> CookieSet:
    """Name the cookies, and derive their keys."""
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
