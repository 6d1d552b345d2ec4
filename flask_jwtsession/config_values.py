"""Checks of one configuration value: they return what ``Settings`` holds, or raise ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from .request_checks.origin import parse_origin
from .request_checks.redirects import is_local_path
from .stores import Store
from .tokens.claims import RESERVED
from .tokens.signing_keys import SignatureAlgorithm, SigningKey, read_pem
from .tokens.token_format import MAX_TOKEN_LENGTH

SameSite = Literal["Lax", "Strict", "None"]
ProviderTokens = Literal["cookie", "store", "none"]
StoreFailure = Literal["closed", "open"]
RefreshFailure = Literal["keep", "sign_out"]
TokenFormat = Literal["encrypted", "signed"]
TokenLocation = Literal["cookie", "header"]

T = TypeVar("T", bound=str)

_STORE_URL = re.compile(r"(rediss?(\+sentinel)?|unix)://")
_LOCATIONS: tuple[TokenLocation, ...] = ("cookie", "header")
# Seconds; more than any session lives.
_FOREVER = 10**12


def anything(value: Any) -> Any:
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"takes True or False, got {value!r}")
    return value


def seconds(*, least: float, most: float = _FOREVER) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if type(number) not in (int, float) or not least <= number <= most:
            limit = f"at least {least}" if most == _FOREVER else f"{least} to {most}"
            raise ValueError(f"takes {limit} seconds, or a timedelta, got {value!r}")
        return float(number)

    return check


def token_size(value: Any) -> int:
    if type(value) is not int or not 1024 <= value <= MAX_TOKEN_LENGTH:
        raise ValueError(f"takes 1024 to {MAX_TOKEN_LENGTH} characters, got {value!r}")
    return value


def cookie_prefix(value: Any) -> str:
    # A part of an RFC 6265 cookie-name; nothing that Werkzeug or a browser would read otherwise.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", value):
        raise ValueError(
            "takes 1 to 40 letters, digits, '-' and '_', beginning with a letter or digit "
            f"('__Host-' and '__Secure-' are added where they belong), got {value!r}"
        )
    return value


def domain(value: Any) -> str:
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if not isinstance(value, str) or not re.fullmatch(rf"\.?{label}(\.{label})*", value):
        raise ValueError(f"takes a host name such as 'example.com', got {value!r}")
    if len(value) > 100 or re.fullmatch(r"[0-9.]+", value):
        raise ValueError(f"takes a host name of at most 100 characters, no address, got {value!r}")
    return value.lstrip(".").lower()


def cookie_path(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"/[A-Za-z0-9/._~%-]{0,99}", value):
        raise ValueError(f"takes a path such as '/' or '/app', got {value!r}")
    return value


def samesite(value: Any) -> SameSite:
    return _one_of(("Lax", "Strict", "None"), value)


def provider_tokens(value: Any) -> ProviderTokens:
    return _one_of(("cookie", "store", "none"), value)


def refresh_failure(value: Any) -> RefreshFailure:
    return _one_of(("keep", "sign_out"), value)


def store(value: Any) -> str | Store | None:
    if value in (None, "None", "none"):
        return None
    if isinstance(value, Store):
        return value
    if isinstance(value, str) and (value in ("sqlite", "memory") or _STORE_URL.match(value)):
        return value
    # A URL may have a password in it.
    is_word = isinstance(value, str) and re.fullmatch("[A-Za-z0-9_-]{0,20}", value)
    raise ValueError(
        "takes 'sqlite', 'memory', None, a Store, or a URL that begins with redis://, rediss://, "
        "unix://, redis+sentinel:// or rediss+sentinel://; got "
        f"{repr(value) if is_word else f'a {type(value).__name__}'}"
    )


def store_failure(value: Any) -> StoreFailure:
    return _one_of(("closed", "open"), value)


def update_fields(value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(
        isinstance(name, str) and name for name in value
    ):
        raise ValueError(f"takes a list of claim names, got {value!r}")
    reserved = sorted(RESERVED.intersection(value))
    if reserved:
        raise ValueError(f"a browser may never set the claim {reserved[0]!r}")
    return frozenset(value)


def url_prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise ValueError(f"takes a path such as '/auth', without a slash at the end, got {value!r}")
    return value


def origin(value: Any) -> str:
    parsed = parse_origin(value) if isinstance(value, str) else None
    if parsed is None:
        raise ValueError(f"takes an origin such as 'https://app.example.com', got {value!r}")
    return parsed


def origins(value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"takes a list of origins, got {value!r}")
    return frozenset(origin(one) for one in value)


def pages(value: Any) -> Mapping[str, str]:
    names = ("sign_in", "sign_out", "error")
    if not isinstance(value, Mapping) or not set(value) <= set(names):
        raise ValueError(f"takes a mapping with keys of {', '.join(names)}, got {value!r}")
    for page in value.values():
        if not (isinstance(page, str) and is_local_path(page) and not urlsplit(page).fragment):
            raise ValueError(f"a page is a path of this application such as '/login', got {page!r}")
    return MappingProxyType(dict(value))


def token_format(value: Any) -> TokenFormat:
    return _one_of(("encrypted", "signed"), value)


def algorithm(value: Any) -> SignatureAlgorithm:
    return _one_of(("HS256", "RS256", "ES256", "EdDSA"), value)


def signing_keys(value: Any) -> tuple[SigningKey, ...]:
    keys = tuple(read_pem(one) for one in (value if isinstance(value, list | tuple) else [value]))
    if not keys:
        raise ValueError("takes a PEM text, or a list of them, and the list is empty")
    if keys[0].private is None:
        raise ValueError("the first key signs: it has to be a private one")
    if len({key.kid for key in keys}) != len(keys):
        raise ValueError("a key is in the list twice")
    return keys


def issuer(value: Any) -> str:
    # StringOrURI (RFC 7519 section 2).
    if not isinstance(value, str) or not value:
        raise ValueError(f"takes a text such as 'https://app.example.com', got {value!r}")
    return value


def audience(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list | tuple) and value and all(one and type(one) is str for one in value):
        return tuple(value)
    raise ValueError(f"takes a text, or a list of texts, got {value!r}")


def token_locations(value: Any) -> frozenset[TokenLocation]:
    if isinstance(value, list | tuple | set | frozenset) and value:
        locations: list[TokenLocation] = [_one_of(_LOCATIONS, one) for one in value]
        return frozenset(locations)
    raise ValueError(f"takes a list of 'cookie' and 'header', got {value!r}")


def _one_of(known: tuple[T, ...], value: object) -> T:
    for one in known:
        if value == one:
            return one
    names = [repr(one) for one in known]
    raise ValueError(f"takes {', '.join(names[:-1])} or {names[-1]}, got {value!r}")
