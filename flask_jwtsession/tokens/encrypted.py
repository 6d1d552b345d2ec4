"""Encrypted tokens: compact JWE (RFC 7516) with a direct key, the bits of Auth.js v5."""

from __future__ import annotations

from joserfc import jwe
from joserfc.errors import JoseError

from ..exceptions import TokenInvalid
from .keys import Key, KeyRing
from .token_format import TokenFormat, read_header

_HEADER_PARAMETERS = {"alg", "enc", "kid", "typ"}

# The algorithms come from here and never from a token (RFC 8725 section 3.1). No "zip": nothing
# is ever decompressed (section 3.6).
_REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512", "A256GCM"])


class EncryptedTokens(TokenFormat):
    """Encrypted tokens of one cookie name.

    :param keys: the keys of that name
    :param remembered: see :class:`.TokenFormat`
    """

    parts = 5

    def __init__(self, keys: KeyRing, *, remembered: int = 512) -> None:
        super().__init__(remembered=remembered)
        self._keys = keys

    def encode(self, payload: bytes) -> str:
        """Encrypt ``payload`` (UTF-8 JSON) under the newest secret."""
        return jwe.encrypt_compact(
            self._keys.encryption.header(), payload, self._keys.encryption.jwk, registry=_REGISTRY
        )

    def _open(self, token: bytes) -> bytes:
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
        header = read_header(segment)
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
