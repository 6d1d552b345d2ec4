"""What is configured of a provider, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .presets import Preset
from .profiles import Profile


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """What is configured of one provider on one app; checked.

    :ivar issuer: as the application names it; None for OAuth 2.0 only
    :ivar published_issuer: as the provider's metadata and tokens name it
    :ivar iss: what authorization responses of an OAuth 2.0 provider have in ``iss`` (RFC 9207), if
        that is known
    :ivar discovery_url: where the metadata is; None if everything is configured
    :ivar endpoints: by their names in the metadata; None for one that is not to be used
    :ivar session_options: for Authlib's session
    :ivar algorithm: the only one that ID tokens may be signed with, if it is configured
    :ivar refresh: whether this package refreshes the tokens
    """

    name: str
    label: str
    preset: Preset
    profile: Callable[[Profile], Mapping[str, Any]] | None
    client_id: str
    client_secret: str | None = field(repr=False)
    issuer: str | None
    published_issuer: str | None
    iss: str | None
    discovery_url: str | None
    endpoints: Mapping[str, str | None]
    scope: str
    authorize_params: Mapping[str, str]
    token_params: Mapping[str, Any] = field(repr=False)
    session_options: Mapping[str, Any] = field(repr=False)
    auth_methods: tuple[Any, ...]
    compliance_fix: Callable[[Any], Any] | None
    algorithm: str | None
    refresh: bool


@dataclass(frozen=True)
class Registration:
    """One ``add_provider()``. It holds for every app of the instance."""

    name: str
    label: str
    preset: Preset
    is_known: bool
    issuer: str | None
    profile: Callable[[Profile], Mapping[str, Any]] | None
    refresh: bool
    options: Mapping[str, Any] = field(repr=False)
