"""``/jwks.json``: the public keys that other services verify signed tokens with."""

from __future__ import annotations

from flask import Response

from ..answers import refusal
from ..lifecycle.binding import Binding
from .redirecting import json_response

#: Seconds for which a key set may be kept. A new key is published that long before it signs.
_MAX_AGE = 300


def show(binding: Binding) -> Response:
    """The key set (RFC 7517 section 5)."""
    keys = [key.jwk for key in binding.settings.signing_keys if key.jwk is not None]
    if not keys:
        raise refusal(
            binding,
            404,
            "no_public_keys",
            "The tokens of this application are encrypted, or signed with a secret: there is no "
            "key with which others could verify them.",
        )
    response = json_response({"keys": keys})
    response.headers["Cache-Control"] = f"public, max-age={_MAX_AGE}"
    return response
