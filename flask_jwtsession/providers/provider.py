"""One provider on one app: everything that is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from authlib.common.urls import add_params_to_uri

from ..exceptions import ProviderError
from ..lifecycle.callbacks import require_mapping
from ..session import Account
from .account_tokens import AccountTokens
from .id_tokens import IDToken, check_id_token, check_logout_token
from .metadata import may_be_issuer
from .network import calling, get_json, get_object, open_session
from .reasons import Untrusted, Unusable
from .settings import ProviderSettings
from .token_response import (
    MAX_TOKEN_LENGTH,
    TokenResponse,
    read_token_response,
)

#: Characters. With the provider's name it becomes ``sub``, which may not be of any length.
_MAX_ACCOUNT_ID_LENGTH = 512


@dataclass(frozen=True)
class Person:
    """Who a provider says signed in.

    :ivar account_id: what the provider calls them, for ever
    :ivar user: for the application: ``id``, ``name``, ``email``, ``image``, or what the
        ``profile`` function of ``add_provider`` made
    :ivar profile: what the provider says: ID token and userinfo
    """

    account_id: str
    user: Mapping[str, Any] = field(repr=False)
    profile: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Logout:
    """What a provider ends by back-channel: every session of an account, or the one that it calls
    ``session_id``. ``jti`` is the logout token's own name.
    """

    account_id: str | None
    session_id: str | None
    jti: str


class Provider(AccountTokens):
    """A provider that people of one app can sign in with.

    What it publishes is fetched when it is first needed, and kept. Every method that asks it
    something raises :exc:`ProviderError` for whatever comes back, if it is no good.

    :param clock: epoch seconds
    """

    def __init__(self, settings: ProviderSettings, clock: Callable[[], float]) -> None:
        super().__init__(settings, clock)
        self.label: str = settings.label
        self.type = "oauth" if settings.issuer is None else "oidc"
        #: Whether it can say when a person proved who they are.
        self.confirms_login: bool = self.type == "oidc" and settings.preset.confirms_login
        self.uses_form_post: bool = settings.authorize_params.get("response_mode") == "form_post"

    def __repr__(self) -> str:
        return f"<Provider {self.name}>"

    # Signing in.

    def authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str,
        nonce: str,
        code_verifier: str,
        parameters: Mapping[str, str],
        max_age: float | None,
    ) -> str:
        """Where the browser goes to sign in: code flow, PKCE with S256.

        :param parameters: of this request; they win over the configured ones
        :param max_age: seconds. If given, the provider has to let the person log in once more
        """
        metadata = self._published.metadata.get()
        hint = self._settings.preset.hint_parameter
        asked = {
            **self._settings.authorize_params,
            **{hint if name == "login_hint" else name: parameters[name] for name in parameters},
        }
        if max_age is not None:
            asked |= {
                "prompt": _with_login(asked.get("prompt", "")),
                "max_age": str(max(self._settings.preset.least_max_age, int(max_age))),
            }
        if self.type == "oidc":
            asked["nonce"] = nonce
        with open_session(self._settings, metadata) as session:
            url, _ = session.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                code_verifier=code_verifier,
                redirect_uri=redirect_uri,
                **asked,
            )
        return str(url)

    def check_authorization_issuer(self, sent: str | None) -> None:
        """Check ``iss`` of an authorization response (RFC 9207 section 2.4): is it from here?"""
        metadata = self._published.metadata.get()
        expected = metadata.issuer or self._settings.iss
        if sent is None:
            if metadata.iss_parameter:
                raise self._refused("issuer")
        elif expected is not None and not may_be_issuer(expected, sent):
            raise self._refused("issuer")

    def redeem(self, code: str, *, code_verifier: str, redirect_uri: str) -> TokenResponse:
        """The tokens that an authorization code is good for, once."""
        metadata = self._published.metadata.get()
        requested_at = self._clock()
        with calling(self.name, "token"), open_session(self._settings, metadata) as session:
            answer = session.fetch_token(
                metadata.token_endpoint,
                **{
                    **self._settings.token_params,
                    "grant_type": "authorization_code",
                    "code": code,
                    "code_verifier": code_verifier,
                    "redirect_uri": redirect_uri,
                },
            )
            return read_token_response(
                answer, requested_at=requested_at, scope=self._settings.scope or None
            )

    def verify_id_token(
        self, tokens: TokenResponse, *, nonce: str, max_age: float | None
    ) -> IDToken | None:
        """The ID token of an OpenID Connect provider, where there has to be one; else None."""
        issuer = self._published.metadata.get().issuer
        if issuer is None:
            return None
        if tokens.id_token is None:
            raise self._refused("id_token_missing", status=502)
        try:
            return check_id_token(
                self._published.verified(tokens.id_token),
                issuer=issuer,
                client_id=self._settings.client_id,
                nonce=nonce,
                access_token=tokens.access_token,
                max_age=max_age,
                now=self._clock(),
            )
        except Untrusted as error:
            raise self._refused(f"id_token_{error}", status=502) from None

    def identify(self, tokens: TokenResponse, id_token: IDToken | None) -> Person:
        """Who it is, by the ID token and the userinfo endpoint."""
        preset = self._settings.preset
        profile: dict[str, Any] = {}
        if id_token is None or preset.asks_userinfo:
            profile = self._userinfo(tokens, id_token)
        if id_token is not None:
            said = {name: value for name, value in id_token.claims.items() if value is not None}
            profile |= said
        with calling(self.name, "profile"):
            account_id: object = None if id_token is None else preset.account(id_token.claims)
            user = preset.user(profile) if self._settings.profile is None else {}
        if self._settings.profile is not None:
            user = dict(require_mapping(self._settings.profile(profile), "profile function"))
        if id_token is None:
            account_id = user.get("id")
        if isinstance(account_id, int) and not isinstance(account_id, bool):
            account_id = str(account_id)
        if not isinstance(account_id, str) or not 0 < len(account_id) <= _MAX_ACCOUNT_ID_LENGTH:
            raise self._refused("profile_without_id", status=502)
        if self._settings.profile is None or "id" not in user:
            user["id"] = account_id
        return Person(account_id, user, profile)

    def account(self, person: Person, tokens: TokenResponse) -> Account:
        """How a person signed in, with what this provider gave for it."""
        id_token = tokens.id_token if isinstance(tokens.id_token, str) else ""
        return Account(
            provider=self.name,
            type=self.type,
            provider_account_id=person.account_id,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_at=tokens.expires_at,
            scope=tokens.scope,
            token_type=tokens.token_type,
            id_token=id_token if 0 < len(id_token) <= MAX_TOKEN_LENGTH else None,
            issued_at=tokens.issued_at,
        )

    def _userinfo(self, tokens: TokenResponse, id_token: IDToken | None) -> dict[str, Any]:
        metadata = self._published.metadata.get()
        if metadata.userinfo_endpoint is None:
            return {}
        with calling(self.name, "userinfo"), open_session(self._settings, metadata) as session:
            profile = get_object(
                session, metadata.userinfo_endpoint, access_token=tokens.access_token
            )
            # Of somebody else, if the access token was exchanged for another's on its way
            # (OpenID Connect Core section 5.3.2).
            if id_token is not None and profile.get("sub") != id_token.subject:
                raise Unusable("sub")
            for member, path in self._settings.preset.more.items():
                # Not everybody allows it, and the person is known without.
                with suppress(ProviderError), calling(self.name, "userinfo"):
                    profile[member] = get_json(
                        session,
                        metadata.userinfo_endpoint + path,
                        access_token=tokens.access_token,
                    )
        return profile

    # Signing out.

    def end_session_url(
        self, *, id_token: str | None, return_to: str, state: str, within: float
    ) -> str | None:
        """Where the browser goes to sign out at the provider (RP-Initiated Logout 1.0 section 2);
        None if that cannot be done, or not be known ``within`` seconds.
        """
        metadata = self._published.metadata.soon(within)
        if metadata is None or metadata.end_session_endpoint is None:
            return None
        values = {
            "client_id": self._settings.client_id,
            "id_token": id_token,
            "return_to": return_to,
            "state": state,
        }
        names = self._settings.preset.sign_out_parameters
        parameters = [(names[name], value) for name, value in values.items() if name in names]
        given = [(name, value) for name, value in parameters if value is not None]
        return str(add_params_to_uri(metadata.end_session_endpoint, given))

    def verify_logout_token(self, token: object) -> Logout:
        """What a logout token of an OpenID Connect provider says. Raises :exc:`Untrusted` for one
        that is no good.
        """
        verified = self._published.verified(token)
        subject, session_id = check_logout_token(
            verified,
            issuer=str(self._published.metadata.get().issuer),
            client_id=self._settings.client_id,
            now=self._clock(),
        )
        if subject is not None:
            try:
                subject = self._settings.preset.account(verified.claims)
            except KeyError:
                raise Untrusted("sub") from None
        return Logout(subject, session_id, verified.claims["jti"])


def _with_login(prompt: str) -> str:
    """``login`` among the prompts, beside ``consent`` where that is configured: some providers give
    a refresh token for it only.
    """
    return " ".join(["login", *(word for word in prompt.split() if word not in ("none", "login"))])
