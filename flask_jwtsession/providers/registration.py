"""``add_provider``: what an application says of a provider, checked before anybody signs in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask

from ..awaiting import as_sync
from ..exceptions import ConfigError
from .option_names import OPTIONS
from .options import Options
from .presets import PRESETS, Preset
from .profiles import Profile
from .settings import ProviderSettings, Registration

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", re.ASCII)
_MAX_NAME_LENGTH = 32


def register(
    name: object,
    *,
    preset: str | None,
    issuer: str | None,
    profile: Callable[[Profile], Mapping[str, Any]] | None,
    label: str | None = None,
    refresh: bool = True,
    options: Mapping[str, Any],
) -> Registration:
    """Check what needs no app to be checked. Raises :exc:`ConfigError`."""
    what = f"add_provider({name!r})"
    if not isinstance(name, str) or len(name) > _MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise ConfigError(
            what,
            "a name has lower-case letters and digits, '-' and '_' between them, and at most "
            f"{_MAX_NAME_LENGTH} characters",
        )
    if name == "credentials":
        raise ConfigError(what, "this name is taken by @auth.credentials")
    unknown = sorted(options.keys() - OPTIONS)
    if unknown:
        raise ConfigError(
            what,
            f"there is no option {unknown[0]!r}; there are {', '.join(sorted(OPTIONS))}. The scope "
            "goes into client_kwargs.",
        )
    if preset is not None and preset not in list(PRESETS):
        raise ConfigError(what, f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    if profile is not None:
        if not callable(profile):
            raise ConfigError(what, "profile is a function")
        profile = as_sync(profile)
    if label is not None and not (isinstance(label, str) and label.strip()):
        raise ConfigError(what, "label is a text that is not empty")
    if not isinstance(refresh, bool):
        raise ConfigError(what, "refresh is True or False")
    known = PRESETS.get(name if preset is None else preset)
    return Registration(
        name=name,
        label=label or (known.label if known else _label(name)),
        preset=known or Preset(label=_label(name)),
        is_known=known is not None,
        issuer=issuer,
        profile=profile,
        refresh=refresh,
        options=options,
    )


def settings_for(registration: Registration, app: Flask) -> ProviderSettings:
    """The registration with the configuration of ``app``. Raises :exc:`ConfigError`."""
    read, preset = Options(registration, app), registration.preset
    issuer, discovery = read.issuer()
    endpoints = read.endpoints()
    if issuer is None:
        read.require_oauth_endpoints(endpoints)
    elif {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= endpoints.keys():
        discovery = None  # all there is to discover is configured
    auth_methods = read.auth_methods()
    session_options = read.session_options(auth_methods)
    is_elsewhere = any(endpoints[name] != url for name, url in preset.endpoints.items())
    return ProviderSettings(
        name=registration.name,
        label=registration.label,
        preset=preset,
        profile=registration.profile,
        client_id=read.required_text("client_id"),
        client_secret=read.client_secret(session_options),
        issuer=issuer,
        published_issuer=None if issuer is None else preset.published_issuer(issuer),
        # A server of one's own, GitHub Enterprise for one, is not what the preset's facts are of.
        iss=None if is_elsewhere else preset.iss,
        discovery_url=discovery,
        endpoints=endpoints,
        scope=read.scope(is_oidc=issuer is not None),
        authorize_params=read.authorize_params(),
        token_params=read.token_params(),
        session_options=session_options,
        auth_methods=auth_methods,
        compliance_fix=read.compliance_fix(),
        algorithm=read.algorithm(),
        refresh=registration.refresh,
    )


def _label(name: str) -> str:
    return re.sub(r"[_-]", " ", name).title()
