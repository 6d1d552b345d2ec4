"""Tokens that no honest code makes, with the application's real key.

Made from the bare primitives: what is refused is then refused for the rule that it breaks, and not
because its tag would be wrong anyway.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from os import urandom
from typing import Any

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CBC = "A256CBC-HS512"
GCM = "A256GCM"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token: str) -> Any:
    """The protected header, as it stands."""
    return json.loads(unb64(token.partition(".")[0]))


def content_key(secret: str, name: str, enc: str = CBC) -> bytes:
    """The key of Auth.js v5 for one cookie name."""
    info = f"Auth.js Generated Encryption Key ({name})".encode()
    length = 64 if enc == CBC else 32
    return HKDF(hashes.SHA256(), length, name.encode(), info).derive(secret.encode())


def thumbprint(key: bytes) -> str:
    """RFC 7638, with the digest that Auth.js takes for a key of this length."""
    members = f'{{"k":"{b64(key)}","kty":"oct"}}'.encode()
    return b64(hashlib.new("sha512" if len(key) == 64 else "sha256", members).digest())


def header(key: bytes, **more: object) -> dict[str, object]:
    """The honest header for ``key``, with ``more`` in it or instead."""
    enc = CBC if len(key) == 64 else GCM
    return {"alg": "dir", "enc": enc, "kid": thumbprint(key), **more}


def forge(
    key: bytes,
    payload: bytes,
    protected: Mapping[str, object] | bytes | None = None,
    *,
    encrypted_key: str = "",
) -> str:
    """A compact JWE of ``payload``, authentic under ``key``, whatever the protected header says."""
    if protected is None:
        protected = header(key)
    raw = protected if isinstance(protected, bytes) else json.dumps(protected).encode()
    segment = b64(raw)
    seal = _cbc if len(key) == 64 else _gcm
    iv, ciphertext, tag = seal(key, payload, segment.encode())
    return ".".join([segment, encrypted_key, b64(iv), b64(ciphertext), b64(tag)])


def jws(key: bytes, payload: bytes, alg: str = "HS256") -> str:
    """A compact JWS; with ``alg`` ``none``, an unsigned one."""
    signed = f"{b64(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{b64(payload)}"
    signature = b"" if alg == "none" else hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{b64(signature)}"


def _cbc(key: bytes, payload: bytes, aad: bytes) -> tuple[bytes, bytes, bytes]:
    """RFC 7518 section 5.2.5."""
    iv = urandom(16)
    pad = padding.PKCS7(128).padder()
    encrypt = Cipher(algorithms.AES(key[32:]), modes.CBC(iv)).encryptor()
    ciphertext = encrypt.update(pad.update(payload) + pad.finalize()) + encrypt.finalize()
    authenticated = aad + iv + ciphertext + (8 * len(aad)).to_bytes(8, "big")
    return iv, ciphertext, hmac.digest(key[:32], authenticated, "sha512")[:32]


def _gcm(key: bytes, payload: bytes, aad: bytes) -> tuple[bytes, bytes, bytes]:
    iv = urandom(12)
    sealed = AESGCM(key).encrypt(iv, payload, aad)
    return iv, sealed[:-16], sealed[-16:]
