"""Claims to an encrypted token and back, in four ways that read each other's tokens."""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest
from itertools import cycle
from typing import Protocol, TypeVar
from uuid import uuid4

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from joserfc import jwe as joserfc_jwe
from jwcrypto import jwe as jwcrypto_jwe
from jwcrypto import jwk as jwcrypto_jwk

from flask_jwtsession.tokens import strict_json
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import Key, authjs_keys

from .applications import OURS, PEOPLE, Claims, claims_of
from .timing import Call

JOSERFC = "joserfc alone"
JWCRYPTO = "jwcrypto"
PRIMITIVES = "cryptography alone"
CODECS = (OURS, JOSERFC, JWCRYPTO, PRIMITIVES)

T = TypeVar("T")

ENCODE = "encode"
DECODE = "decode"
DIRECTIONS = (ENCODE, DECODE)


class Codec(Protocol):
    """Claims <-> compact JWE with ``dir`` and ``A256CBC-HS512``."""

    def encode(self, claims: Claims) -> str: ...
    def decode(self, token: str) -> Claims: ...


def codec_name(codec: str, direction: str) -> str:
    """How :func:`codec_calls` names ``direction`` of ``codec``."""
    return f"{codec}: {direction}"


def codec_calls() -> dict[str, Call]:
    """The encodings and decodings to time, by name; never the same token twice in a row, so that
    no cache answers. Every codec was checked to read the tokens of every other.
    """
    ring = authjs_keys([b"a secret of the benchmarks, 0123456789 abcdef"], "benchmark")
    codecs: dict[str, Codec] = {
        OURS: _Ours(EncryptedTokens(ring)),
        JOSERFC: _Joserfc(ring.encryption),
        JWCRYPTO: _Jwcrypto(ring.encryption),
        PRIMITIVES: _Primitives(ring.encryption),
    }
    payloads = [_registered(claims_of(person)) for person in range(PEOPLE)]
    _check(codecs, payloads[0])
    tokens = [codecs[PRIMITIVES].encode(claims) for claims in payloads]
    calls: dict[str, Call] = {}
    for name, codec in codecs.items():
        calls[codec_name(name, ENCODE)] = _in_turn(codec.encode, payloads)
        calls[codec_name(name, DECODE)] = _in_turn(codec.decode, tokens)
    return calls


class _Ours:
    def __init__(self, tokens: EncryptedTokens) -> None:
        self._tokens = tokens

    def encode(self, claims: Claims) -> str:
        return self._tokens.encode(strict_json.dump(claims))

    def decode(self, token: str) -> Claims:
        return strict_json.parse_object(self._tokens.decode(token))


class _Joserfc:
    def __init__(self, key: Key) -> None:
        self._key = key.jwk
        self._header = key.header()
        self._registry = joserfc_jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512"])

    def encode(self, claims: Claims) -> str:
        payload = _dump(claims)
        header = dict(self._header)
        return joserfc_jwe.encrypt_compact(header, payload, self._key, registry=self._registry)

    def decode(self, token: str) -> Claims:
        opened = joserfc_jwe.decrypt_compact(token, self._key, registry=self._registry)
        return _load(opened.plaintext or b"")


class _Jwcrypto:
    def __init__(self, key: Key) -> None:
        self._key = jwcrypto_jwk.JWK(kty="oct", k=_b64(key.jwk.raw_value))
        self._header = json.dumps(key.header())

    def encode(self, claims: Claims) -> str:
        token = jwcrypto_jwe.JWE(_dump(claims), self._header)
        token.add_recipient(self._key)
        return str(token.serialize(compact=True))

    def decode(self, token: str) -> Claims:
        opened = jwcrypto_jwe.JWE()
        opened.deserialize(token, self._key)
        return _load(opened.payload)


class _Primitives:
    """RFC 7518 section 5.2 by hand, with nothing checked but the tag: a lower bound."""

    def __init__(self, key: Key) -> None:
        raw = key.jwk.raw_value
        self._mac_key, self._aes = raw[:32], algorithms.AES(raw[32:])
        self._header = _b64(json.dumps(key.header(), separators=(",", ":")).encode())

    def encode(self, claims: Claims) -> str:
        padder = PKCS7(128).padder()
        padded = padder.update(_dump(claims)) + padder.finalize()
        iv = os.urandom(16)
        encryptor = Cipher(self._aes, modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
        tag = self._tag(self._header, iv, ciphertext)
        return f"{self._header}..{_b64(iv)}.{_b64(ciphertext)}.{_b64(tag)}"

    def decode(self, token: str) -> Claims:
        header, _, *segments = token.split(".")
        iv, ciphertext, tag = (urlsafe_b64decode(one + "==") for one in segments)
        if not compare_digest(tag, self._tag(header, iv, ciphertext)):
            raise ValueError("wrong tag")
        decryptor = Cipher(self._aes, modes.CBC(iv)).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return _load(unpadder.update(padded) + unpadder.finalize())

    def _tag(self, header: str, iv: bytes, ciphertext: bytes) -> bytes:
        authenticated = header.encode()
        mac = HMAC(self._mac_key, SHA512())
        mac.update(authenticated + iv + ciphertext + (len(authenticated) * 8).to_bytes(8))
        return mac.finalize()[:32]


def _registered(claims: Claims) -> Claims:
    """``claims`` with those of every session token, as a real one has them."""
    now = time.time()
    return {
        **claims,
        "sub": str(uuid4()),
        "iat": int(now),
        "exp": int(now) + 86_400,
        "jti": str(uuid4()),
        "sid": "0123456789abcdefghijkl",
        "auth_time": now,
    }


def _check(codecs: dict[str, Codec], claims: Claims) -> None:
    for maker, one in codecs.items():
        token = one.encode(claims)
        for reader, other in codecs.items():
            if other.decode(token) != claims:
                raise RuntimeError(f"{reader} does not read what {maker} encoded")


def _in_turn(function: Callable[[T], object], arguments: list[T]) -> Call:
    next_argument = cycle(arguments).__next__
    return lambda: function(next_argument())


def _dump(claims: Claims) -> bytes:
    return json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()


def _load(payload: bytes) -> Claims:
    claims: Claims = json.loads(payload)
    return claims


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
