"""What every token format has in common: texts that are tokens, and those seen a moment ago."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from base64 import b64decode, urlsafe_b64encode
from collections import OrderedDict
from threading import Lock
from typing import Any, ClassVar

from ..exceptions import TokenInvalid
from . import strict_json

#: Characters. joserfc takes no more than 64 KiB of ciphertext either.
MAX_TOKEN_LENGTH = 65_536
_MAX_HEADER_LENGTH = 512


class TokenFormat(ABC):
    """Makes and reads the tokens of one cookie name.

    :param remembered: how many verified tokens are kept, so that the same cookie, seen again a
        moment later, is not verified again. What is kept is the payload under the SHA-256 of the
        whole token; times and revocation are no part of it and are checked at every use.
    """

    #: How many parts a token has, with a dot between each two (RFC 7515 and 7516 section 3.1).
    parts: ClassVar[int]

    def __init__(self, *, remembered: int = 512) -> None:
        self._remembered = remembered
        self._verified: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    @abstractmethod
    def encode(self, payload: bytes) -> str:
        """The token of ``payload`` (UTF-8 JSON), under the newest key."""

    def decode(self, token: str) -> bytes:
        """The payload of ``token``, authentic but not looked into.

        Raises :exc:`TokenInvalid` for everything that these keys did not make, whatever it is.
        """
        dots = self.parts - 1
        if not token.isascii() or len(token) > MAX_TOKEN_LENGTH or token.count(".") != dots:
            raise TokenInvalid("malformed")
        octets = token.encode()
        digest = hashlib.sha256(octets).digest()
        payload = self._verified.get(digest)
        if payload is None:
            payload = self._open(octets)
            self._remember(digest, payload)
        return payload

    @abstractmethod
    def _open(self, token: bytes) -> bytes:
        """The payload of a token that was not seen before; :exc:`TokenInvalid` for what is none."""

    def _remember(self, digest: bytes, payload: bytes) -> None:
        with self._lock:
            self._verified[digest] = payload
            if len(self._verified) > self._remembered:
                self._verified.popitem(last=False)


def read_header(segment: bytes) -> dict[str, Any]:
    """A protected header, of which nothing is believed yet. Raises :exc:`TokenInvalid`."""
    if len(segment) > _MAX_HEADER_LENGTH:
        raise TokenInvalid("header")
    try:
        return strict_json.parse_object(decode_part(segment))
    except (ValueError, TokenInvalid):
        raise TokenInvalid("header") from None


def encode_part(data: bytes) -> bytes:
    """Base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=")


def decode_part(part: bytes) -> bytes:
    """The octets of one part. Only the one text that :func:`encode_part` makes of them is taken:
    with two texts for one token, a copy could be told from what was revoked.
    """
    try:
        data = b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise TokenInvalid("malformed") from None
    if encode_part(data) != part:
        raise TokenInvalid("malformed")
    return data
