"""Configuration: every key, its default and its check, read once into one frozen value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from . import config_values as values
from .config_values import ProviderTokens, RefreshFailure, SameSite, StoreFailure
from .exceptions import ConfigError
from .request_checks.redirects import resolved_path
from .stores import Store
from .tokens.claims import Lifetimes

T = TypeVar("T")

# Checks of keys for which this text means something.
_TAKE_NONE = (values.samesite, values.provider_tokens, values.store)

_DAY = 86_400
_MAX_COOKIE_AGE = 400 * _DAY  # browsers keep no cookie longer (RFC 6265bis section 5.5)
_MIN_SECRET_BYTES = 32
_MIN_DIFFERENT_BYTES = 8
_HOW_TO_MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of one instance on one app. Times are seconds; every key is explained in
    the configuration reference.
    """

    config_prefix: str
    secrets: tuple[bytes, ...] = field(repr=False)
    cookie_prefix: str
    cookie_domain: str | None
    cookie_path: str
    cookie_samesite: SameSite
    cookie_secure: bool | None
    cookie_partitioned: bool
    lifetimes: Lifetimes
    update_age: float
    max_token_size: int
    client_update_fields: frozenset[str]
    store: str | Store | None = field(repr=False)
    store_failure: StoreFailure
    provider_tokens: ProviderTokens
    refresh_failure: RefreshFailure
    federated_sign_out: bool
    url_prefix: str
    base_url: str | None
    trusted_origins: frozenset[str]
    pages: Mapping[str, str]
    protect_all: bool
    csrf_protect: bool
    read_nextauth_v4: bool


def read_settings(
    config: Mapping[str, Any], environment: Mapping[str, str], *, prefix: str = "JWTSESSION"
) -> Settings:
    """Read and check the keys ``<prefix>_…`` of a Flask configuration.

    ``environment`` is asked for the secrets only. Raises :exc:`ConfigError` for a value that cannot
    work, for a combination that browsers would refuse, and for a key that does not exist.
    """
    keys = _Keys(config, prefix)
    own_name = prefix.lower()
    default_store: str | Store | None = "sqlite"  # as the type that the key can have
    max_age = keys.read("MAX_AGE", values.seconds(least=1, most=_MAX_COOKIE_AGE), 30.0 * _DAY)
    settings = Settings(
        config_prefix=prefix,
        secrets=_read_secrets(keys, environment),
        cookie_prefix=keys.read("COOKIE_PREFIX", values.cookie_prefix, own_name),
        cookie_domain=keys.read("COOKIE_DOMAIN", values.domain, None),
        cookie_path=keys.read("COOKIE_PATH", values.cookie_path, "/"),
        cookie_samesite=keys.read("COOKIE_SAMESITE", values.samesite, "Lax"),
        cookie_secure=keys.read("COOKIE_SECURE", values.boolean, None),
        cookie_partitioned=keys.read("COOKIE_PARTITIONED", values.boolean, False),
        lifetimes=Lifetimes(
            max_age,
            keys.read("ABSOLUTE_MAX_AGE", values.seconds(least=1), None),
        ),
        update_age=keys.read("UPDATE_AGE", values.seconds(least=0), max_age / 30),
        max_token_size=keys.read("MAX_TOKEN_SIZE", values.token_size, 7168),
        client_update_fields=keys.read("CLIENT_UPDATE_FIELDS", values.update_fields, frozenset()),
        store=keys.read("STORE", values.store, default_store, none_is_a_value=True),
        store_failure=keys.read("STORE_FAILURE", values.store_failure, "closed"),
        provider_tokens=keys.read("PROVIDER_TOKENS", values.provider_tokens, "cookie"),
        refresh_failure=keys.read("REFRESH_FAILURE", values.refresh_failure, "keep"),
        federated_sign_out=keys.read("FEDERATED_SIGN_OUT", values.boolean, False),
        url_prefix=keys.read("URL_PREFIX", values.url_prefix, "/auth"),
        base_url=keys.read("BASE_URL", values.origin, None),
        trusted_origins=keys.read("TRUSTED_ORIGINS", values.origins, frozenset()),
        pages=keys.read("PAGES", values.pages, MappingProxyType({})),
        protect_all=keys.read("PROTECT_ALL", values.boolean, False),
        csrf_protect=keys.read("CSRF_PROTECT", values.boolean, True),
        read_nextauth_v4=keys.read("READ_NEXTAUTH_V4", values.boolean, False),
    )
    keys.refuse_unknown()
    _check_combinations(settings)
    return settings


class _Keys:
    """Reads keys of one prefix, and remembers which there are."""

    def __init__(self, config: Mapping[str, Any], prefix: str) -> None:
        self.config = config
        self.prefix = prefix
        self._known: set[str] = set()

    def full(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def read(
        self, name: str, check: Callable[[Any], T], default: T, *, none_is_a_value: bool = False
    ) -> T:
        """The checked value; a key that is absent has its default, and so has one that is None
        unless that says something.
        """
        self._known.add(self.full(name))
        if self.full(name) not in self.config:
            return default
        value = self.config[self.full(name)]
        if value is None and not none_is_a_value:
            return default
        # What an environment variable makes of None.
        if isinstance(value, str) and value in ("None", "none") and check not in _TAKE_NONE:
            raise ConfigError(self.full(name), "got the text 'None'; leave the key out instead")
        try:
            return check(value)
        except ValueError as error:
            raise ConfigError(self.full(name), str(error)) from None

    def refuse_unknown(self) -> None:
        for key in self.config:
            if key.startswith(f"{self.prefix}_") and key not in self._known:
                from difflib import get_close_matches  # for this error alone

                name = key.removeprefix(f"{self.prefix}_")
                names = [known.removeprefix(f"{self.prefix}_") for known in self._known]
                close = get_close_matches(name, names, n=1)
                hint = f"; did you mean {self.full(close[0])}?" if close else ""
                raise ConfigError(key, f"there is no such key{hint}")


# Secrets. Their errors never show what they got.


def _read_secrets(keys: _Keys, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    own, own_fallbacks = keys.full("SECRET"), keys.full("SECRET_FALLBACKS")
    keys.read("SECRET", values.anything, None)
    keys.read("SECRET_FALLBACKS", values.anything, None)
    secret = keys.config.get(own)
    if secret is None:
        secret = environment.get(own)
    fallbacks = keys.config.get(own_fallbacks)
    if fallbacks is None and own_fallbacks in environment:
        fallbacks = _fallbacks_of_environment(own_fallbacks, environment[own_fallbacks])
    if secret is None:
        secret, own = keys.config.get("SECRET_KEY"), "SECRET_KEY"
        if secret is None:
            raise ConfigError(
                keys.full("SECRET"),
                "is not set, and neither is SECRET_KEY. Put a random secret into the configuration "
                f"or the environment, such as the output of: {_HOW_TO_MAKE_ONE}",
            )
        if fallbacks is None:
            own_fallbacks = "SECRET_KEY_FALLBACKS"
            fallbacks = keys.config.get(own_fallbacks)
    if fallbacks is None:
        fallbacks = ()
    if not isinstance(fallbacks, list | tuple):
        raise ConfigError(own_fallbacks, "takes a list of older secrets")
    return (_secret(own, secret), *(_secret(own_fallbacks, older) for older in fallbacks))


def _fallbacks_of_environment(key: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigError(key, "in the environment this is a JSON list of older secrets") from None


def _secret(key: str, value: object) -> bytes:
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:
            raise ConfigError(key, "the secret is not valid Unicode text") from None
    if not isinstance(value, bytes):
        what = (
            "a list; older secrets go into …_FALLBACKS"
            if isinstance(value, list | tuple)
            else (type(value).__name__)
        )
        raise ConfigError(key, f"a secret is a str or bytes, got {what}")
    if len(value) < _MIN_SECRET_BYTES or len(set(value)) < _MIN_DIFFERENT_BYTES:
        raise ConfigError(
            key,
            f"a secret has at least {_MIN_SECRET_BYTES} bytes, {_MIN_DIFFERENT_BYTES} of them "
            f"different; this one has {len(value)} and {len(set(value))}. Make one with: "
            f"{_HOW_TO_MAKE_ONE}",
        )
    if value.lstrip().startswith((b"-----BEGIN", b"ssh-")):
        raise ConfigError(key, "this is a key file (PEM or OpenSSH), not a random secret")
    return value


def _check_combinations(settings: Settings) -> None:
    prefix = settings.config_prefix
    needs_secure = {
        "COOKIE_SAMESITE = 'None'": settings.cookie_samesite == "None",
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
