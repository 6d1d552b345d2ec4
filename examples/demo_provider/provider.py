"""What the parts of one provider share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app
from joserfc.jwk import RSAKey

from .clients import Client

EXTENSION = "demo-id"


@dataclass(frozen=True)
class Provider:
    issuer: str
    clients: Mapping[str, Client]
    key: RSAKey
    server: Any  # Authlib's AuthorizationServer; Authlib has no types
    clock: Callable[[], float]  # epoch seconds

    def now(self) -> int:
        return int(self.clock())


def this_provider() -> Provider:
    return cast(Provider, current_app.extensions[EXTENSION])
