"""The providers that are known by name: facts, each from its provider's public documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import profiles
from .profiles import Profile, User

STANDARD_SIGN_OUT = {
    "client_id": "client_id",
    "id_token": "id_token_hint",
    "return_to": "post_logout_redirect_uri",
    "state": "state",
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What is known of a provider.

    :ivar issuer: the OpenID Connect issuer; None where each customer has one of their own, which
        ``<NAME>_ISSUER`` names, or where there is none
    :ivar published_issuer: the issuer that the metadata of ``issuer`` names, if it is another
    :ivar endpoints: by their names in the metadata, for a provider that publishes none
    :ivar iss: what authorization responses have in ``iss`` (RFC 9207), for such a provider
    :ivar auth_method: how the client authenticates at the token endpoint; None: by the metadata
    :ivar more: members that are added to the profile, and below the userinfo endpoint where they
        are
    :ivar asks_userinfo: whether the ID token leaves out what the userinfo endpoint has
    :ivar confirms_login: whether it can be asked to let the person log in once more, and says when
        they did
    :ivar least_max_age: seconds; it does not do well with a ``max_age`` below that
    :ivar hint_parameter: what it calls ``login_hint``
    :ivar sign_out_parameters: what its end-session endpoint calls the parameters that it takes
    :ivar account: the provider account id, by the ID token's claims
    """

    label: str
    is_oidc: bool = True
    issuer: str | None = None
    published_issuer: Callable[[str], str] = str
    scope: str = "openid profile email"
    endpoints: Mapping[str, str] = field(default_factory=dict)
    iss: str | None = None
    auth_method: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    asks_userinfo: bool = True
    confirms_login: bool = True
    least_max_age: int = 60
    hint_parameter: str = "login_hint"
    sign_out_parameters: Mapping[str, str] = field(default_factory=lambda: STANDARD_SIGN_OUT)
    user: Callable[[Profile], User] = profiles.standard_user
    account: Callable[[Mapping[str, Any]], str] = profiles.subject


def _microsoft_issuer(issuer: str) -> str:
    """``common`` and ``organizations`` stand for many tenants, and their metadata says so."""
    before, _, tenant = issuer.removesuffix("/v2.0").rpartition("/")
    if tenant == "consumers":
        return f"{before}/{profiles.MICROSOFT_CONSUMERS}/v2.0"
    return f"{before}/{{tenantid}}/v2.0" if tenant in ("common", "organizations") else issuer


def _with_slash(issuer: str) -> str:
    return issuer.rstrip("/") + "/"


_POST = "client_secret_post"

PRESETS: Mapping[str, Preset] = {
    "google": Preset(
        label="Google",
        issuer="https://accounts.google.com",
        auth_method=_POST,
        confirms_login=False,
    ),
    "microsoft": Preset(
        label="Microsoft",
        issuer="https://login.microsoftonline.com/common/v2.0",
        published_issuer=_microsoft_issuer,
        auth_method=_POST,
        asks_userinfo=False,  # it has less there than in the ID token
        least_max_age=300,  # after the login; its ID token ends then, too
        user=profiles.microsoft_user,
        account=profiles.microsoft_account,
    ),
    "github": Preset(
        label="GitHub",
        is_oidc=False,
        scope="user:email",
        endpoints={
            "authorization_endpoint": "https://github.com/login/oauth/authorize",
            "token_endpoint": "https://github.com/login/oauth/access_token",
            "userinfo_endpoint": "https://api.github.com/user",
        },
        iss="https://github.com/login/oauth",
        auth_method=_POST,
        more={"emails": "/emails"},
        confirms_login=False,
        hint_parameter="login",
        user=profiles.github_user,
    ),
    "gitlab": Preset(label="GitLab", issuer="https://gitlab.com", auth_method=_POST),
    "auth0": Preset(label="Auth0", published_issuer=_with_slash, auth_method=_POST),
    "okta": Preset(label="Okta"),
    "keycloak": Preset(label="Keycloak", auth_method=_POST),
    "cognito": Preset(
        label="Amazon Cognito",
        auth_method=_POST,
        # It publishes an end-session endpoint, but not one that takes the standard's parameters.
        sign_out_parameters={"client_id": "client_id", "return_to": "logout_uri"},
    ),
    "discord": Preset(
        label="Discord",
        is_oidc=False,
        scope="identify email",
        endpoints={
            "authorization_endpoint": "https://discord.com/oauth2/authorize",
            "token_endpoint": "https://discord.com/api/oauth2/token",
            "userinfo_endpoint": "https://discord.com/api/users/@me",
            "revocation_endpoint": "https://discord.com/api/oauth2/token/revoke",
        },
        auth_method=_POST,
        confirms_login=False,
        user=profiles.discord_user,
    ),
}
