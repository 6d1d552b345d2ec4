"""Configuration: every key, its default and its check, read once into one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import config_checks
from . import config_values as values
from .config_keys import Keys
from .config_secrets import read_refresh_secrets, read_secrets, read_signing_keys
from .config_values import (
    ProviderTokens,
    RefreshFailure,
    SameSite,
    StoreFailure,
    TokenLocation,
)
from .stores import Store
from .tokens.claims import Lifetimes, Parties
from .tokens.signing_keys import SigningKey

#: Of the configuration keys of the instance that the names of the module belong to.
DEFAULT_PREFIX = "JWTSESSION"

_DAY = 86_400
_MAX_COOKIE_AGE = 400 * _DAY  # browsers keep no cookie longer (RFC 6265bis section 5.5)
_COOKIE_AGE = values.seconds(least=1, most=_MAX_COOKIE_AGE)


@dataclass(frozen=True, kw_only=True)
class RefreshSettings:
    """The refresh cookie, where there is one."""

    secrets: tuple[bytes, ...] = field(repr=False)
    lifetimes: Lifetimes
    samesite: SameSite
    path: str


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
    is_signed: bool
    #: Empty where tokens are encrypted, or signed with a key that is derived from a secret.
    signing_keys: tuple[SigningKey, ...]
    parties: Parties
    token_locations: frozenset[TokenLocation]
    refresh: RefreshSettings | None
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
    config: Mapping[str, Any], environment: Mapping[str, str], *, prefix: str = DEFAULT_PREFIX
) -> Settings:
    """Read and check the keys ``<prefix>_…`` of a Flask configuration.

    ``environment`` is asked for the secrets only. Raises :exc:`ConfigError` for a value that cannot
    work, for a combination that browsers would refuse, and for a key that does not exist.
    """
    keys = Keys(config, prefix)
    own_name = prefix.lower()
    default_store: str | Store | None = "sqlite"  # as the type that the key can have
    has_pair = keys.read("REFRESH_COOKIE", values.boolean, False)
    default_max_age = 900.0 if has_pair else 30.0 * _DAY
    max_age = keys.read("MAX_AGE", _COOKIE_AGE, default_max_age)
    # A pair's access cookie is not issued again by use.
    default_update_age = float("inf") if has_pair else max_age / 30
    absolute_max_age = keys.read("ABSOLUTE_MAX_AGE", values.seconds(least=1), None)
    secrets = read_secrets(keys, environment)
    cookie_path = keys.read("COOKIE_PATH", values.cookie_path, "/")
    cookie_samesite: SameSite = keys.read("COOKIE_SAMESITE", values.samesite, "Lax")
    refresh = RefreshSettings(
        secrets=read_refresh_secrets(keys, environment, secrets),
        lifetimes=Lifetimes(
            keys.read("REFRESH_MAX_AGE", _COOKIE_AGE, 30.0 * _DAY), absolute_max_age
        ),
        samesite=keys.read("REFRESH_SAMESITE", values.samesite, cookie_samesite),
        path=keys.read("REFRESH_PATH", values.cookie_path, cookie_path),
    )
    store = keys.read("STORE", values.store, default_store, none_is_a_value=True)
    is_signed = keys.read("TOKEN_FORMAT", values.token_format, "encrypted") == "signed"
    # What is read by others, or is gone after a few minutes, is no place for them.
    default_tokens: ProviderTokens = "cookie"
    if has_pair or is_signed:
        default_tokens = "none" if store is None else "store"
    settings = Settings(
        config_prefix=prefix,
        secrets=secrets,
        cookie_prefix=keys.read("COOKIE_PREFIX", values.cookie_prefix, own_name),
        cookie_domain=keys.read("COOKIE_DOMAIN", values.domain, None),
        cookie_path=cookie_path,
        cookie_samesite=cookie_samesite,
        cookie_secure=keys.read("COOKIE_SECURE", values.boolean, None),
        cookie_partitioned=keys.read("COOKIE_PARTITIONED", values.boolean, False),
        lifetimes=Lifetimes(max_age, absolute_max_age, rolls=not has_pair),
        update_age=keys.read("UPDATE_AGE", values.seconds(least=0), default_update_age),
        is_signed=is_signed,
        signing_keys=read_signing_keys(keys),
        parties=Parties(
            keys.read("ISSUER", values.issuer, None), keys.read("AUDIENCE", values.audience, None)
        ),
        token_locations=keys.read("TOKEN_LOCATIONS", values.token_locations, frozenset({"cookie"})),
        refresh=refresh if has_pair else None,
        max_token_size=keys.read("MAX_TOKEN_SIZE", values.token_size, 7168),
        client_update_fields=keys.read("CLIENT_UPDATE_FIELDS", values.update_fields, frozenset()),
        store=store,
        store_failure=keys.read("STORE_FAILURE", values.store_failure, "closed"),
        provider_tokens=keys.read("PROVIDER_TOKENS", values.provider_tokens, default_tokens),
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
    config_checks.check(settings, keys)
    return settings
