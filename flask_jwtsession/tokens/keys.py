"""Keys: derived from the secrets once, when the application starts.

The derivation is that of Auth.js v5, so that both sides can read each other's cookies: HKDF with
SHA-256 (RFC 5869) over the secret, the cookie's full name as the salt. A key therefore belongs to
one cookie name, and a token pasted from one cookie into another has no key there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OctKey, thumbprint

from .token_format import encode_part

ContentEncryption = Literal["A256CBC-HS512", "A256GCM"]

# The first is what new tokens are made with.
_KEY_BYTES: dict[ContentEncryption, int] = {"A256CBC-HS512": 64, "A256GCM": 32}
_THUMBPRINT_DIGEST: dict[ContentEncryption, Literal["sha512", "sha256"]] = {
    "A256CBC-HS512": "sha512",
    "A256GCM": "sha256",
}


def derive_key(secret: bytes, *, salt: str, info: str, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869) of a secret: ``length`` bytes for one purpose."""
    return HKDF(hashes.SHA256(), length, salt.encode(), info.encode()).derive(secret)


@dataclass(frozen=True)
class Key:
    """One symmetric key, for one content encryption. ``kid`` is its RFC 7638 thumbprint."""

    enc: ContentEncryption
    kid: str
    jwk: OctKey = field(repr=False)

    def header(self) -> dict[str, str]:
        """The protected header of a token made with this key, in the order of Auth.js."""
        return {"alg": "dir", "enc": self.enc, "kid": self.kid}


@dataclass(frozen=True)
class KeyRing:
    """The keys of one cookie name.

    ``encryption`` is the key that new tokens are made with; ``by_kid`` has every key by content
    encryption and ``kid``; ``newest`` the key for a token without a ``kid``, by content encryption;
    ``by_header`` every key by the encoded protected header that its own tokens have.
    """

    encryption: Key
    by_kid: dict[tuple[str, str], Key]
    newest: dict[str, Key]
    by_header: dict[bytes, Key]


def authjs_keys(secrets: Sequence[bytes], salt: str) -> KeyRing:
    """The keys of an Auth.js v5 cookie; ``salt`` is the cookie's full name."""
    info = f"Auth.js Generated Encryption Key ({salt})"
    keys = [_content_key(secret, salt, info, enc) for enc in _KEY_BYTES for secret in secrets]
    newest: dict[str, Key] = {}
    for key in keys:
        newest.setdefault(key.enc, key)
    return KeyRing(
        encryption=keys[0],
        by_kid={(key.enc, key.kid): key for key in keys},
        newest=newest,
        by_header={_header(key): key for key in keys},
    )


def nextauth_v4_keys(secrets: Sequence[bytes]) -> KeyRing:
    """The keys of a NextAuth v4 session cookie: empty salt, ``A256GCM``, and no ``kid``."""
    info = "NextAuth.js Generated Encryption Key"
    key = _content_key(secrets[0], "", info, "A256GCM")
    return KeyRing(encryption=key, by_kid={}, newest={"A256GCM": key}, by_header={})


def record_keys(grant: bytes) -> KeyRing:
    """The key of one grant's record in a store, made of nothing but the grant's 128 random bits.

    Not of a secret: so a record outlives the replacement of secrets, and whoever reads a store can
    decrypt nothing of it without the cookies.
    """
    key = _content_key(grant, "", "jwtsession grant record", "A256CBC-HS512")
    return KeyRing(encryption=key, by_kid={}, newest={}, by_header={_header(key): key})


def _content_key(secret: bytes, salt: str, info: str, enc: ContentEncryption) -> Key:
    raw = derive_key(secret, salt=salt, info=info, length=_KEY_BYTES[enc])
    members = {"k": encode_part(raw).decode(), "kty": "oct"}
    kid = thumbprint(members, digest_method=_THUMBPRINT_DIGEST[enc])
    return Key(enc, kid, OctKey.import_key(raw))


def _header(key: Key) -> bytes:
    """The protected header that the key's tokens begin with."""
    return encode_part(json.dumps(key.header(), separators=(",", ":")).encode())
