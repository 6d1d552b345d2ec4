"""Compact JWS from the bare primitives, so that each part of it can be wrong on purpose."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from ...forged_tokens import b64
from .keys import SigningKey

Signer = Callable[[bytes], bytes]


def jws(
    claims: Mapping[str, Any] | bytes,
    key: SigningKey,
    *,
    header: Mapping[str, Any] | None = None,
    signer: Signer | None = None,
) -> str:
    """A token with exactly these claims; bytes are taken as they are.

    ``header`` is added to the honest header or replaces parts of it, and a value of None takes a
    part out. ``signer`` signs instead of ``key``.
    """
    full = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **(header or {})}
    protected = json.dumps({name: value for name, value in full.items() if value is not None})
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(protected.encode())}.{b64(payload)}"
    return f"{signed}.{b64((signer or key.sign)(signed.encode()))}"


def hs256(secret: bytes) -> Signer:
    """HMAC with SHA-256, whatever the secret is: a client secret or the text of a public key."""
    return lambda data: hmac.digest(secret, data, "sha256")


def unsigned(_: bytes) -> bytes:
    return b""


def half_hash(value: str) -> str:
    """``at_hash`` of a token that is signed with a SHA-256 algorithm (OIDC Core 3.1.3.6)."""
    return b64(sha256(value.encode()).digest()[:16])
