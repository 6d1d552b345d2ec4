"""Encrypted tokens: compact JWE (RFC 7516) with a direct key, the bits of Auth.js v5."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections import OrderedDict
from threading import Lock

from joserfc import jwe
from joserfc.errors import JoseError

from ..exceptions import TokenInvalid
from . import strict_json
from .keys import Key, KeyRing

#: Characters. joserfc takes no more than 64 KiB of ciphertext either.
MAX_TOKEN_LENGTH = 65_536
_MAX_HEADER_LENGTH = 512
_HEADER_PARAMETERS = {"alg", "enc", "kid", "typ"}

# The algorithms come from here and never from a token (RFC 8725 section 3.1). No "zip": nothing
# is ever decompressed (section 3.6).
_REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512", "A256GCM"])


class EncryptedTokens:
    """Makes and reads the tokens of one cookie name.

    :param keys: the keys of that name
    :param remembered: how many verified tokens are kept, so that the same cookie, seen again a
        moment later, is not decrypted again. What is kept is the plaintext under the SHA-256 of the
        whole token; times and revocation are no part of it and are checked at every use.
    """

    def __init__(self, keys: KeyRing, *, remembered: int = 512) -> None:
        self._keys = keys
        self._remembered = remembered
        self._verified: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def encode(self, payload: bytes) -> str:
        """Encrypt ``payload`` (UTF-8 JSON) under the newest secret."""
        return jwe.encrypt_compact(
            self._keys.encryption.header(), payload, self._keys.encryption.jwk, registry=_REGISTRY
        )

    def decode(self, token: str) -> bytes:
        """The payload of ``token``, authentic but not looked into.

        Raises :exc:`TokenInvalid` for everything that these keys did not make, whatever it is.
        """
        if not token.isascii() or len(token) > MAX_TOKEN_LENGTH or token.count(".") != 4:
            raise TokenInvalid("malformed")
        octets = token.encode()
        digest = hashlib.sha256(octets).digest()
        payload = self._verified.get(digest)
        if payload is None:
            payload = self._decrypt(octets)
            self._remember(digest, payload)
        return payload

    def _decrypt(self, token: bytes) -> bytes:
        header, _, rest = token.partition(b".")
        if not rest.startswith(b"."):  # RFC 7518 section 4.5: with "dir" the encrypted key is empty
            raise TokenInvalid("malformed")
        # Every token that was made here or by Auth.js has one of these headers to the letter.
        key = self._keys.by_header.get(header) or self._key_for(header)
        try:
            payload = jwe.decrypt_compact(token, key.jwk, registry=_REGISTRY).plaintext
        except (JoseError, ValueError, TypeError):
            # joserfc lets plain ValueError (iv, tag and padding; binascii.Error is one) and
            # TypeError through besides its own errors. They mean the same, and must look the same.
            raise TokenInvalid("decryption") from None
        if payload is None:
            raise TokenInvalid("decryption")
        return payload

    def _key_for(self, segment: bytes) -> Key:
        """The key that the protected header asks for, after every rule about headers."""
        if len(segment) > _MAX_HEADER_LENGTH:
            raise TokenInvalid("header")
        try:
            raw = b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)
            header = strict_json.parse_object(raw)
        except ValueError:
            raise TokenInvalid("header") from None
        enc = header.get("enc")
        # "crit", "zip", "cty", "jku" and all else that could ask something of us is refused
        # unread; "typ" has one harmless value, which Auth.js accepts too (RFC 8725 section 3.11).
        if (
            not header.keys() <= _HEADER_PARAMETERS
            or header.get("alg") != "dir"
            or not isinstance(enc, str)
            or header.get("typ", "JWT") != "JWT"
        ):
            raise TokenInvalid("header")
        kid = header.get("kid")
        if "kid" not in header:
            key = self._keys.newest.get(enc)
        else:
            key = self._keys.by_kid.get((enc, kid)) if isinstance(kid, str) else None
        if key is None:
            raise TokenInvalid("unknown_key")
        return key

    def _remember(self, digest: bytes, payload: bytes) -> None:
        with self._lock:
            self._verified[digest] = payload
            if len(self._verified) > self._remembered:
                self._verified.popitem(last=False)
