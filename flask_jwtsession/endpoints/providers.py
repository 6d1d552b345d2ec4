"""``/providers``: the ways to sign in."""

from __future__ import annotations

from flask import Response, url_for

from ..lifecycle.binding import Binding
from ..targets import absolute
from .redirecting import json_response


def show(binding: Binding) -> Response:
    """The providers by id, as Auth.js lists them."""
    return json_response(available(binding))


def available(binding: Binding) -> dict[str, dict[str, str]]:
    """The providers that a person can sign in with."""
    if binding.callbacks.credentials is None:
        return {}
    start = url_for(f"{binding.blueprint}.start_signin", provider="credentials")
    callback = url_for(f"{binding.blueprint}.callback_credentials")
    return {
        "credentials": {
            "id": "credentials",
            "name": "Credentials",
            "type": "credentials",
            "signinUrl": absolute(binding, start),
            "callbackUrl": absolute(binding, callback),
        }
    }
