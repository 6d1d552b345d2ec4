"""Signing keys, and signed tokens that no honest code makes, from the bare primitives.

What is refused is then refused for the rule that it breaks, and not because its signature would be
wrong anyway.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from .forged_tokens import b64, thumbprint

PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey

ASYMMETRIC = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True)
class Signer:
    """A key, its algorithm, and how it signs (RFC 7518 section 3, RFC 8037 section 3.1)."""

    algorithm: str
    kid: str
    sign: Callable[[bytes], bytes] = field(repr=False)

    def header(self, **more: object) -> dict[str, object]:
        """The honest header, with ``more`` in it or instead."""
        return {"alg": self.algorithm, "kid": self.kid, "typ": "session+jwt", **more}

    def token(self, payload: bytes, protected: Mapping[str, object] | bytes | None = None) -> str:
        """A compact JWS of ``payload``, authentic, whatever the protected header says."""
        if protected is None:
            protected = self.header()
        raw = protected if isinstance(protected, bytes) else json.dumps(protected).encode()
        return self.signed(b64(raw), b64(payload))

    def signed(self, header: str, payload: str) -> str:
        """The same of these two parts, as they are."""
        message = f"{header}.{payload}"
        return f"{message}.{b64(self.sign(message.encode()))}"


@dataclass(frozen=True)
class KeyPair(Signer):
    """An asymmetric key with its halves as they are written down."""

    private: PrivateKey = field(repr=False)
    jwk: Mapping[str, Any] = field(repr=False)

    @property
    def pem(self) -> str:
        """The private key, as ``openssl genpkey`` writes it."""
        return self.private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()

    @property
    def public_pem(self) -> str:
        return self.public_bytes(Encoding.PEM).decode()

    def public_bytes(self, encoding: Encoding) -> bytes:
        """The public key as a text or octets, which a confused verifier takes for a secret."""
        public = self.private.public_key()
        return public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def key_pair(private: PrivateKey) -> KeyPair:
    """All that belongs to a key: the public one as a JWK, and its RFC 7638 thumbprint."""
    match private:
        case RSAPrivateKey():
            rsa = private.public_key().public_numbers()
            algorithm, members = "RS256", {"e": _number(rsa.e), "kty": "RSA", "n": _number(rsa.n)}
        case ec.EllipticCurvePrivateKey():
            point = private.public_key().public_numbers()
            algorithm = "ES256"
            members = {
                "crv": "P-256",
                "kty": "EC",
                "x": _number(point.x, 32),
                "y": _number(point.y, 32),
            }
        case _:
            algorithm = "EdDSA"
            x = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            members = {"crv": "Ed25519", "kty": "OKP", "x": b64(x)}
    # Section 3.1: the required members alone, in lexicographic order, without any white space.
    kid = b64(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
    jwk = {**members, "kid": kid, "alg": algorithm, "use": "sig"}
    return KeyPair(algorithm, kid, lambda data: _sign(private, data), private, jwk)


def new_key_pair(algorithm: str) -> KeyPair:
    match algorithm:
        case "RS256":
            return key_pair(generate_private_key(65537, 2048))
        case "ES256":
            return key_pair(ec.generate_private_key(ec.SECP256R1()))
        case _:
            return key_pair(Ed25519PrivateKey.generate())


def hs256(secret: str, name: str) -> Signer:
    """The signer that is derived from a secret for one cookie name."""
    info = f"jwtsession signing key ({name})".encode()
    key = HKDF(hashes.SHA256(), 32, name.encode(), info).derive(secret.encode())
    return Signer("HS256", thumbprint(key), mac(key))


def mac(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC with SHA-256, whatever the key is: a secret, or the text of a public key."""
    return lambda data: hmac.digest(key, data, "sha256")


def _sign(private: PrivateKey, data: bytes) -> bytes:
    match private:
        case RSAPrivateKey():
            return private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            pair = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
            return b"".join(number.to_bytes(32, "big") for number in pair)
        case _:
            return private.sign(data)


def _number(number: int, length: int | None = None) -> str:
    return b64(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


#: An application's key for each algorithm, and one of somebody who has no business with it. Made
#: once: an RSA key takes its time.
OURS = {algorithm: new_key_pair(algorithm) for algorithm in ASYMMETRIC}
THEIRS = {algorithm: new_key_pair(algorithm) for algorithm in ASYMMETRIC}
