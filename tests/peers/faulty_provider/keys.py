"""Signing keys: the provider's own, and those of somebody who has no business with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...forged_tokens import b64


@dataclass(frozen=True)
class SigningKey:
    """An RSA key and the key id that it goes by."""

    kid: str
    private: RSAPrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, str]:
        """The public part (RFC 7518 section 6.3.1)."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
            "n": _b64_number(numbers.n),
            "e": _b64_number(numbers.e),
        }

    @property
    def pem(self) -> bytes:
        """The public part, as the text that a confused verifier would take for an HMAC secret."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes, digest: HashAlgorithm | None = None) -> bytes:
        """RS256, or with ``digest`` one of its sisters."""
        return self.private.sign(data, padding.PKCS1v15(), digest or SHA256())

    def sign_rs512(self, data: bytes) -> bytes:
        return self.sign(data, SHA512())

    def sign_ps256(self, data: bytes) -> bytes:
        pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
        return self.private.sign(data, pss, SHA256())

    def known_as(self, kid: str) -> SigningKey:
        """The same key under another name."""
        return SigningKey(kid, self.private)


@cache
def signing_key(kid: str) -> SigningKey:
    """The key of that name; made once a process, since making one takes its time."""
    return SigningKey(kid, generate_private_key(65537, 2048))


def attacker_key() -> SigningKey:
    """A key that no provider ever published, under whatever name it is shown."""
    return signing_key("attacker")


@cache
def short_attacker_key(kid: str) -> SigningKey:
    """Another key that nobody published: so short that it fits into the header of a token."""
    return SigningKey(kid, generate_private_key(65537, 1024))  # noqa: S505 - it is to be refused


def _b64_number(number: int) -> str:
    return b64(number.to_bytes((number.bit_length() + 7) // 8))
