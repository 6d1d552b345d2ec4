"""Secrets and signing keys in the configuration. Their errors never show what they got."""

from __future__ import annotations

import json
from collections.abc import Mapping

from . import config_values as values
from .config_keys import Keys
from .exceptions import ConfigError
from .tokens.signing_keys import SigningKey

_MIN_SECRET_BYTES = 32
_MIN_DIFFERENT_BYTES = 8
_HOW_TO_MAKE_ONE = "flask jwtsession secret"


def read_secrets(keys: Keys, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    found = _find_secrets(keys, environment, "SECRET")
    if found is not None:
        return found
    own = "SECRET_KEY"
    secret = keys.config.get(own)
    if secret is None:
        raise ConfigError(
            keys.full("SECRET"),
            "is not set, and neither is SECRET_KEY. Put a random secret into the configuration "
            f"or the environment, such as the output of: {_HOW_TO_MAKE_ONE}",
        )
    own_fallbacks, fallbacks = _find_fallbacks(keys, environment, "SECRET")
    if fallbacks is None:
        own_fallbacks = "SECRET_KEY_FALLBACKS"
        fallbacks = keys.config.get(own_fallbacks)
    return _secrets(own, secret, own_fallbacks, fallbacks)


def read_refresh_secrets(
    keys: Keys, environment: Mapping[str, str], secrets: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """Those of the refresh cookie; ``secrets`` are the others, which it has without its own."""
    found = _find_secrets(keys, environment, "REFRESH_SECRET")
    if found is not None:
        return found
    # Somebody may be giving its own secret up.
    own, fallbacks = _find_fallbacks(keys, environment, "REFRESH_SECRET")
    return (*secrets, *_older_secrets(own, fallbacks))


def _find_secrets(
    keys: Keys, environment: Mapping[str, str], name: str
) -> tuple[bytes, ...] | None:
    """The secret of that name and its fallbacks, in the configuration or in the environment."""
    own = keys.full(name)
    keys.read(name, values.anything, None)
    keys.read(f"{name}_FALLBACKS", values.anything, None)
    secret = keys.config.get(own)
    if secret is None:
        secret = environment.get(own)
    if secret is None:
        return None
    return _secrets(own, secret, *_find_fallbacks(keys, environment, name))


def _find_fallbacks(keys: Keys, environment: Mapping[str, str], name: str) -> tuple[str, object]:
    own = keys.full(f"{name}_FALLBACKS")
    fallbacks = keys.config.get(own)
    if fallbacks is None and own in environment:
        return own, _fallbacks_of_environment(own, environment[own])
    return own, fallbacks


def _secrets(own: str, secret: object, own_fallbacks: str, fallbacks: object) -> tuple[bytes, ...]:
    return (_secret(own, secret), *_older_secrets(own_fallbacks, fallbacks))


def _older_secrets(key: str, fallbacks: object) -> tuple[bytes, ...]:
    if fallbacks is None:
        return ()
    if not isinstance(fallbacks, list | tuple):
        raise ConfigError(key, "takes a list of older secrets")
    return tuple(_secret(key, older) for older in fallbacks)


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


def read_signing_keys(keys: Keys) -> tuple[SigningKey, ...]:
    none: tuple[SigningKey, ...] = ()
    signing_keys = keys.read("SIGNING_KEY", values.signing_keys, none)
    algorithm = keys.read("ALGORITHM", values.algorithm, None)
    if algorithm is None:
        return signing_keys
    given = signing_keys[0].algorithm if signing_keys else "HS256"
    if algorithm != given:
        key = keys.full("SIGNING_KEY")
        raise ConfigError(
            keys.full("ALGORITHM"),
            f"is {algorithm!r}, but the first key of {key} is for {given}"
            if signing_keys
            else f"is {algorithm!r}, which takes a {key}",
        )
    return signing_keys
