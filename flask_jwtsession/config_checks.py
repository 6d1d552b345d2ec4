"""Combinations of settings that cannot work, or that browsers would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .config_keys import Keys
from .exceptions import ConfigError
from .request_checks.redirects import resolved_path

if TYPE_CHECKING:
    from .config import RefreshSettings, Settings


_LEAST_SIZE_OF_PAIR = 4096


def check(settings: Settings, keys: Keys) -> None:
    """Raise :exc:`ConfigError` for settings that do not go together."""
    _check_cookies_and_pages(settings)
    _check_tokens(settings, keys)
    if settings.refresh is not None:
        _check_pair(settings, settings.refresh, keys)
    else:
        _check_no_pair(keys)


def _check_cookies_and_pages(settings: Settings) -> None:
    prefix = settings.config_prefix
    refresh_samesite = None if settings.refresh is None else settings.refresh.samesite
    needs_secure = {
        "COOKIE_SAMESITE = 'None'": settings.cookie_samesite == "None",
        "REFRESH_SAMESITE = 'None'": refresh_samesite == "None",
        "COOKIE_PARTITIONED": settings.cookie_partitioned,
    }
    for what, is_set in needs_secure.items():
        if is_set and settings.cookie_secure is not True:
            raise ConfigError(
                f"{prefix}_{what.split()[0]}",
                f"browsers refuse {what} without Secure; set {prefix}_COOKIE_SECURE = True too",
            )
    if settings.store is None and settings.provider_tokens == "store":
        raise ConfigError(f"{prefix}_PROVIDER_TOKENS", f"is 'store', but {prefix}_STORE is None")
    for page in settings.pages.values():
        path = resolved_path(page)
        if f"{path}/".startswith(f"{settings.url_prefix}/"):
            raise ConfigError(
                f"{prefix}_PAGES",
                f"{page!r} is below {prefix}_URL_PREFIX ({settings.url_prefix!r}), where the "
                "built-in pages are; they would redirect to themselves. Take another path.",
            )
    if settings.base_url is not None:
        https = settings.base_url.startswith("https:")
        if settings.cookie_secure is True and not https:
            raise ConfigError(
                f"{prefix}_BASE_URL", f"is not https, but {prefix}_COOKIE_SECURE is True"
            )
        host, domain = urlsplit(settings.base_url).hostname or "", settings.cookie_domain
        if domain is not None and host != domain and not host.endswith(f".{domain}"):
            raise ConfigError(
                f"{prefix}_COOKIE_DOMAIN",
                f"browsers refuse a cookie for {domain!r} from {host!r} ({prefix}_BASE_URL)",
            )


def _check_tokens(settings: Settings, keys: Keys) -> None:
    for name in ("SIGNING_KEY", "ALGORITHM"):
        if keys.has(name) and not settings.is_signed:
            raise ConfigError(keys.full(name), f"takes {keys.full('TOKEN_FORMAT')} = 'signed'")
    if settings.provider_tokens == "cookie" and (
        settings.is_signed or settings.refresh is not None
    ):
        raise ConfigError(
            keys.full("PROVIDER_TOKENS"),
            "is 'cookie', but others read a signed token: take 'store' or 'none'"
            if settings.is_signed
            else "is 'cookie', but the access cookie is soon gone: take 'store' or 'none'",
        )
    if settings.is_signed and settings.cookie_prefix == "authjs":
        raise ConfigError(
            keys.full("TOKEN_FORMAT"), "is 'signed', but an Auth.js server encrypts its tokens"
        )


def _check_no_pair(keys: Keys) -> None:
    for name in ("REFRESH_SECRET", "REFRESH_MAX_AGE", "REFRESH_SAMESITE", "REFRESH_PATH"):
        if keys.has(name):
            raise ConfigError(keys.full(name), f"takes {keys.full('REFRESH_COOKIE')} = True")


def _check_pair(settings: Settings, refresh: RefreshSettings, keys: Keys) -> None:
    if settings.store is None:
        raise ConfigError(
            keys.full("REFRESH_COOKIE"),
            f"needs a store, to see whether a refresh cookie was used before; {keys.full('STORE')} "
            "is None",
        )
    if refresh.lifetimes.max_age <= settings.lifetimes.max_age:
        raise ConfigError(
            keys.full("REFRESH_MAX_AGE"),
            f"has to be more than {keys.full('MAX_AGE')}: {refresh.lifetimes.max_age:g} and "
            f"{settings.lifetimes.max_age:g} seconds",
        )
    if "cookie" not in settings.token_locations:
        raise ConfigError(
            keys.full("TOKEN_LOCATIONS"), f"needs 'cookie' with {keys.full('REFRESH_COOKIE')}"
        )
    if settings.max_token_size < _LEAST_SIZE_OF_PAIR:
        raise ConfigError(
            keys.full("MAX_TOKEN_SIZE"),
            f"has to be at least {_LEAST_SIZE_OF_PAIR} with {keys.full('REFRESH_COOKIE')}: a "
            "quarter of it is for the refresh token",
        )
    if settings.cookie_prefix == "authjs":
        raise ConfigError(
            keys.full("REFRESH_COOKIE"), "does not go with an Auth.js server, which knows no pair"
        )
    if settings.provider_tokens == "none" and settings.federated_sign_out:
        raise ConfigError(
            keys.full("FEDERATED_SIGN_OUT"),
            f"with {keys.full('REFRESH_COOKIE')} needs {keys.full('PROVIDER_TOKENS')} = 'store': "
            "the ID token is too long for a refresh cookie",
        )
    if keys.has("UPDATE_AGE"):
        raise ConfigError(
            keys.full("UPDATE_AGE"),
            f"has no meaning with {keys.full('REFRESH_COOKIE')}: the access cookie does not roll",
        )
    if settings.read_nextauth_v4:
        raise ConfigError(
            keys.full("READ_NEXTAUTH_V4"),
            f"does not go with {keys.full('REFRESH_COOKIE')}: such a session has no refresh cookie",
        )
