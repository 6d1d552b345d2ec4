"""Keys of signed tokens: the one that signs, and those that tokens are verified with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from .keys import derive_key

SignatureAlgorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7518 section 3.3.
_MIN_RSA_BITS = 2048
_HOW_TO_MAKE_ONE = "openssl genpkey -algorithm ed25519"


@dataclass(frozen=True)
class SigningKey:
    """One key, for one algorithm.

    :ivar kid: RFC 7638 thumbprint, SHA-256
    :ivar private: what signs; None if tokens are only verified with this key
    :ivar public: what verifies
    :ivar jwk: what others verify with (RFC 7517); None for a symmetric key, which is nobody else's
    """

    algorithm: SignatureAlgorithm
    kid: str
    private: PrivateKey | bytes | None = field(repr=False)
    public: PublicKey | bytes = field(repr=False)
    jwk: Mapping[str, Any] | None = field(repr=False)


def derived_keys(secrets: Sequence[bytes], salt: str) -> tuple[SigningKey, ...]:
    """The HS256 keys of one cookie name, the newest first; ``salt`` is the cookie's full name."""
    keys = []
    for secret in secrets:
        info = f"jwtsession signing key ({salt})"
        key = derive_key(secret, salt=salt, info=info, length=32)
        keys.append(SigningKey("HS256", OctKey.import_key(key).thumbprint(), key, key, None))
    return tuple(keys)


def read_pem(value: object) -> SigningKey:
    """The key in a PEM text, private or public: RSA, EC on P-256, or Ed25519.

    Raises :exc:`ValueError`, with a text that shows nothing of the key, for everything else.
    """
    # What is no Unicode is no PEM text either.
    text = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(text, bytes):
        raise ValueError(f"a key is the text of a PEM file, got {type(value).__name__}")
    if b"-----BEGIN" not in text:
        raise ValueError(
            "a key is the text of a PEM file, which begins with '-----BEGIN', and not the file's "
            f"name; make one with: {_HOW_TO_MAKE_ONE}"
        )
    if b"\n" not in text.strip() and b"\\n" in text:
        raise ValueError("the lines of this PEM text end with a backslash and an n; use line ends")
    if text.count(b"KEY-----") > 2:  # a beginning and an end
        raise ValueError("there is more than one key in this text; take a list of texts")
    is_private = b"PRIVATE KEY-----" in text
    try:
        key: object = (
            load_pem_private_key(text, password=None) if is_private else load_pem_public_key(text)
        )
    except TypeError:
        raise ValueError("this key is protected by a password; take that off") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is no PEM text of a private or public key") from None
    return _signing_key(key)


def _signing_key(key: object) -> SigningKey:
    match key:
        case RSAPrivateKey() | RSAPublicKey():
            if key.key_size < _MIN_RSA_BITS:
                raise ValueError(f"an RSA key has at least {_MIN_RSA_BITS} bits: {key.key_size}")
            return _asymmetric("RS256", key, RSAKey.import_key)
        case EllipticCurvePrivateKey() | EllipticCurvePublicKey():
            if not isinstance(key.curve, SECP256R1):
                raise ValueError(f"an elliptic curve key is of P-256 (ES256): {key.curve.name}")
            return _asymmetric("ES256", key, ECKey.import_key)
        case Ed25519PrivateKey() | Ed25519PublicKey():
            return _asymmetric("EdDSA", key, OKPKey.import_key)
        case _:
            raise ValueError("a key is of RSA, of the curve P-256, or Ed25519")


def _asymmetric(
    algorithm: SignatureAlgorithm,
    key: PrivateKey | PublicKey,
    import_key: Callable[[bytes], RSAKey | ECKey | OKPKey],
) -> SigningKey:
    private = None if isinstance(key, PublicKey) else key
    public = key if isinstance(key, PublicKey) else key.public_key()
    # Of the public half alone: nothing of the other is in what is published.
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    published = import_key(pem)
    kid = published.thumbprint()
    jwk = {**published.as_dict(private=False), "kid": kid, "alg": algorithm, "use": "sig"}
    return SigningKey(algorithm, kid, private, public, jwk)
