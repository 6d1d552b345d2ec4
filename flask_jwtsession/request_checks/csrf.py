"""The CSRF token of Auth.js: a double-submit cookie ``<token>|<SHA-256 of token and secret>``.

It decides only where a request says nothing about its origin; see :mod:`.origin`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
from collections.abc import Iterable, Sequence

_COOKIE = re.compile(r"(?P<token>[0-9a-f]{64})(?:\||%7C)(?P<hash>[0-9a-f]{64})", re.IGNORECASE)


def new_token() -> str:
    """256 random bits in hexadecimal."""
    return random.token_hex(32)


def cookie_value(token: str, secrets: Sequence[bytes]) -> str:
    """The cookie for a token, percent-encoded as Auth.js writes it.

    Auth.js joins several secrets with a comma before it hashes; so do we, and either can read the
    other's cookie.
    """
    return f"{token}%7C{_hash(token, b','.join(secrets))}"


def token_of(values: Iterable[str], secrets: Sequence[bytes]) -> str | None:
    """The token of the one cookie value that was made with our secrets, else None.

    Two different values that both verify are a planted cookie: then there is no telling which.
    """
    tokens = {token for value in values if (token := _verified(value, secrets)) is not None}
    return tokens.pop() if len(tokens) == 1 else None


def matches(token: str | None, submitted: object) -> bool:
    """Whether the submitted token is the cookie's; constant-time."""
    if token is None or not isinstance(submitted, str):
        return False
    return hmac.compare_digest(token.encode(), submitted.encode("utf-8", "surrogatepass"))


def _verified(value: str, secrets: Sequence[bytes]) -> str | None:
    match = _COOKIE.fullmatch(value)
    if match is None:
        return None
    for secret in (b",".join(secrets), *secrets):
        if hmac.compare_digest(_hash(match["token"], secret), match["hash"]):
            return match["token"]
    return None


def _hash(token: str, secret: bytes) -> str:
    return hashlib.sha256(token.encode() + secret).hexdigest()
