"""Signed tokens: compact JWS (RFC 7515), which other services can verify and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jwt import PyJWS

from ..exceptions import TokenInvalid
from . import strict_json
from .claims import PRIVATE
from .encrypted import EncryptedTokens
from .signing_keys import SigningKey
from .token_format import TokenFormat, decode_part, encode_part, read_header

#: What the tokens are, so that nothing else that was signed with the same key is taken for one, nor
#: one for something else (RFC 8725 section 3.11).
TYPE = "session+jwt"

_PRIVATE_MEMBER = f'"{PRIVATE}"'.encode()


class SignedTokens(TokenFormat):
    """Signed tokens of one cookie name.

    Our own block of claims is encrypted in them: it is nobody else's business how somebody signed
    in, and the grant in it is what a store's records are read with.

    :param keys: the first signs; with the others tokens are verified too
    :param private: the format of our own block
    :param remembered: see :class:`.TokenFormat`
    """

    parts = 3

    def __init__(
        self, keys: Sequence[SigningKey], private: EncryptedTokens, *, remembered: int = 512
    ) -> None:
        super().__init__(remembered=remembered)
        self._key = keys[0]
        self._by_kid = {key.kid: key for key in keys}
        # The algorithms come from here and never from a token (RFC 8725 section 3.1).
        self._jws = PyJWS(algorithms=sorted({key.algorithm for key in keys}))
        self._algorithms = {key.kid: self._jws.get_algorithm_by_name(key.algorithm) for key in keys}
        self._header = encode_part(json.dumps(_header(self._key), separators=(",", ":")).encode())
        self._private = private

    def encode(self, payload: bytes) -> str:
        """Sign ``payload`` (UTF-8 JSON) with the newest key."""
        message = self._header + b"." + encode_part(self._with_sealed_block(payload))
        signature = self._algorithms[self._key.kid].sign(message, self._key.private)
        return (message + b"." + encode_part(signature)).decode()

    def _open(self, token: bytes) -> bytes:
        header, body, signature = token.split(b".")
        key = self._key if header == self._header else self._key_for(header)
        payload = decode_part(body)
        if not self._algorithms[key.kid].verify(
            header + b"." + body, key.public, decode_part(signature)
        ):
            raise TokenInvalid("signature")
        return self._with_open_block(payload)

    def _key_for(self, segment: bytes) -> SigningKey:
        """The key that the protected header names. Nobody but this package makes these tokens, and
        it writes these three members and no other.
        """
        header = read_header(segment)
        kid = header.get("kid")
        key = self._by_kid.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenInvalid("unknown_key")
        # The kid chooses the key, the key the algorithm: what the token says of it has to agree.
        if header != _header(key):
            raise TokenInvalid("header")
        return key

    def _with_sealed_block(self, payload: bytes) -> bytes:
        if _PRIVATE_MEMBER not in payload:
            return payload
        claims = strict_json.parse_object(payload)
        if PRIVATE in claims:
            claims[PRIVATE] = self._private.encode(strict_json.dump(claims[PRIVATE]))
        return strict_json.dump(claims)

    def _with_open_block(self, payload: bytes) -> bytes:
        # A name can be written with escapes, too. Nothing of ours has any.
        if _PRIVATE_MEMBER not in payload and b"\\u" not in payload:
            return payload
        try:
            claims = strict_json.parse_object(payload)
        except ValueError:
            return payload  # whoever wants to read it finds out
        if PRIVATE not in claims:
            return payload
        sealed = claims[PRIVATE]
        if not isinstance(sealed, str):
            raise TokenInvalid("payload")
        try:
            claims[PRIVATE] = strict_json.parse_object(self._private.decode(sealed))
        except ValueError:
            raise TokenInvalid("payload") from None
        return strict_json.dump(claims)


def _header(key: SigningKey) -> dict[str, Any]:
    return {"alg": key.algorithm, "kid": key.kid, "typ": TYPE}
