"""What the provider keeps secret: the key it signs with, and the one for its own cookie."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

#: The one algorithm that every OpenID client knows.
ALGORITHM = "RS256"


def signing_key(instance: Path) -> RSAKey:
    """The key of this installation, made on first use."""
    return RSAKey.import_key(json.loads(_kept(instance / "signing-key.json", _new_signing_key)))


def secret(instance: Path, name: str) -> str:
    """A random text of this installation, made on first use."""
    return _kept(instance / name, lambda: secrets.token_urlsafe(32))


def public_keys(key: RSAKey) -> dict[str, Any]:
    """The key set that applications check signatures with (RFC 7517 section 5)."""
    return {"keys": [key.as_dict(private=False)]}


def sign(key: RSAKey, claims: dict[str, Any], *, typ: str) -> str:
    header = {"alg": ALGORITHM, "typ": typ, "kid": key.kid}
    return jwt.encode(header, claims, key, [ALGORITHM])


def read(key: RSAKey, token: str) -> dict[str, Any] | None:
    """The claims of a token that was signed here; None for any other text."""
    try:
        return jwt.decode(token, key, [ALGORITHM]).claims
    except (JoseError, ValueError):
        return None


def _new_signing_key() -> str:
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return json.dumps(key.as_dict(private=True))


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        # Made readable for nobody else, rather than changed to that a moment later.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    text = make()
    with os.fdopen(file, "w") as stream:
        stream.write(text)
    return text
