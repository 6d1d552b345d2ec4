"""What a fault is: one thing that the provider does wrong while the fault is switched on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .answers import Answer

if TYPE_CHECKING:
    from .provider import FaultyProvider

#: ``"refresh"`` are the requests to the token endpoint that bring a refresh token.
Endpoint = Literal[
    "metadata",
    "jwks",
    "authorize",
    "token",
    "refresh",
    "userinfo",
    "revoke",
    "end_session",
    "elsewhere",
]

#: From the honest JSON to what is sent instead: any JSON value, or bytes as they are.
BodyChange = Callable[["FaultyProvider", dict[str, Any]], Any]
#: From the honest claims of an id_token to the ``id_token`` member: mostly a token, or no string.
IdTokenChange = Callable[["FaultyProvider", dict[str, Any]], Any]
#: From the honest parameters of the callback to those that are sent.
CallbackChange = Callable[["FaultyProvider", list[tuple[str, str]]], list[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``row`` is the row of the attack table; everything that is not named stays honest.

    ``refreshes`` is about a fault at the refresh: whether the refresh token is spent, and only the
    answer is not what it should be; otherwise nothing was done.
    """

    row: str
    bodies: Mapping[Endpoint, BodyChange] = field(default_factory=dict)
    answers: Mapping[Endpoint, Answer] = field(default_factory=dict)
    id_token: IdTokenChange | None = None
    callback: CallbackChange | None = None
    refreshes: bool = True
