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
    found = [(one.name, one.label, one.type) for one in binding.providers.values()]
    if binding.callbacks.credentials is not None:
        found.insert(0, ("credentials", "Credentials", "credentials"))
    return {name: _entry(binding, name, label, kind) for name, label, kind in found}


def _entry(binding: Binding, name: str, label: str, kind: str) -> dict[str, str]:
    start = url_for(f"{binding.blueprint}.start_signin", provider=name)
    # For credentials Flask finds the rule of that one.
    callback = url_for(f"{binding.blueprint}.callback", provider=name)
    return {
        "id": name,
        "name": label,
        "type": kind,
        "signinUrl": absolute(binding, start),
        "callbackUrl": absolute(binding, callback),
    }
