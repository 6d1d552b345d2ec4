"""The honest half, by Authlib's server side: clients, codes, PKCE, tokens, revocation."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    InvalidRequestError,
    TokenMixin,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """A relying party; without a secret it is a public one."""

    client_id: str
    client_secret: str | None = field(repr=False)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # The port of a test's application is not known before; its path is.
        return redirect_uri.startswith("http") and "/callback/" in redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        secret = self.client_secret
        return secret is not None and hmac.compare_digest(secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("client_secret_basic" if self.client_secret else "none")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: Any) -> str:
        return scope or ""


@dataclass
class Grant(AuthorizationCodeMixin):  # type: ignore[misc]
    """What one authorization request asked for, and got a code for."""

    code: str = field(repr=False)
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    #: Whether the request came with ``max_age``.
    asked_for_auth_time: bool

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Family:
    """All tokens that came of one authorization code; they are taken back together."""

    grant: Grant
    revoked: bool = False


@dataclass
class IssuedToken(TokenMixin):  # type: ignore[misc]
    """A refresh or access token, with the client that may revoke it.

    ``spent`` is a refresh token that was refreshed, by a provider that rotates.
    """

    kind: Literal["access_token", "refresh_token"]
    text: str = field(repr=False)
    client_id: str
    family: Family
    expires_at: float
    spent: bool = False
    revoked: bool = False

    @property
    def is_good(self) -> bool:
        return not (self.spent or self.revoked or self.family.revoked)

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.family.grant.scope


@dataclass
class Ledger:
    """What the server remembers: open codes, and every token by its text.

    ``clock`` is epoch seconds. ``rotates``: whether a refresh token is good for one refresh only.
    """

    clients: dict[str, Client]
    clock: Callable[[], float]
    access_token_lifetime: float = 3600
    rotates: bool = True
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, IssuedToken] = field(default_factory=dict)

    def keep(self, token: dict[str, Any], request: Any) -> None:
        spent: IssuedToken | None = request.refresh_token
        family = spent.family if spent is not None else Family(request.authorization_code)
        ends = {
            "access_token": self.clock() + self.access_token_lifetime,
            "refresh_token": float("inf"),
        }
        for kind in ("access_token", "refresh_token"):
            if kind in token:
                self.tokens[token[kind]] = IssuedToken(
                    kind, token[kind], request.client.client_id, family, ends[kind]
                )

    def is_live(self, token: str) -> bool:
        """Whether a token, of either kind, would be accepted now."""
        found = self.tokens.get(token)
        return found is not None and found.is_good and self.clock() < found.expires_at

    def refreshable(self, refresh_token: str) -> IssuedToken | None:
        """The token, if it is good for a refresh. One that comes a second time was stolen, by
        whoever: everything that came of it is taken back (RFC 9700 section 4.14.2).
        """
        found = self.tokens.get(refresh_token)
        if found is None or found.kind != "refresh_token":
            return None
        if found.spent:
            found.family.revoked = True
        return found if found.is_good else None


#: Called with a token response before it is sent, with the grant that it answers, and with whether
#: it is a refresh.
Finish = Callable[[dict[str, Any], Grant, bool], None]


def authorization_server(app: Flask, ledger: Ledger, finish: Finish) -> AuthorizationServer:
    """An OAuth 2.0 server on ``app`` that takes authorization codes with PKCE by S256 only."""

    class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012 - as the base

        def save_authorization_code(self, code: str, request: Any) -> None:
            asked = request.payload.data
            ledger.codes[code] = Grant(
                code=code,
                client_id=request.client.client_id,
                redirect_uri=request.payload.redirect_uri,
                scope=request.scope,
                nonce=asked.get("nonce"),
                code_challenge=asked["code_challenge"],
                code_challenge_method=asked["code_challenge_method"],
                asked_for_auth_time="max_age" in asked,
            )

        def query_authorization_code(self, code: str, client: Any) -> Grant | None:
            grant = ledger.codes.get(code)
            return grant if grant and grant.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: Grant) -> None:
            ledger.codes.pop(authorization_code.code, None)

        def authenticate_user(self, authorization_code: Grant) -> str:
            return "the one user"

    def add_id_token(grant: Any, response: tuple[int, dict[str, Any], Any]) -> None:
        finish(response[1], grant.request.authorization_code, False)

    def with_id_token(grant: Any) -> None:
        grant.register_hook("after_create_token_response", add_id_token)

    class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012 - as the base

        def __init__(self, request: Any, server: Any) -> None:
            super().__init__(request, server)
            self.INCLUDE_NEW_REFRESH_TOKEN = ledger.rotates
            self.register_hook("after_create_token_response", add_refreshed_id_token)

        def authenticate_refresh_token(self, refresh_token: str) -> Any:
            return ledger.refreshable(refresh_token)

        def authenticate_user(self, refresh_token: IssuedToken) -> str:
            return "the one user"

        def revoke_old_credential(self, refresh_token: Any) -> None:
            refresh_token.spent = ledger.rotates

    def add_refreshed_id_token(grant: Any, response: tuple[int, dict[str, Any], Any]) -> None:
        finish(response[1], grant.request.refresh_token.family.grant, True)

    class Revocation(RevocationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012 - as the base

        def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
            found = ledger.tokens.get(token_string)
            return found if found is not None and found.is_good else None

        def revoke_token(self, token: IssuedToken, request: Any) -> None:
            token.revoked = True
            if token.kind == "refresh_token":  # RFC 7009 section 2.1
                token.family.revoked = True

    server = AuthorizationServer(app, ledger.clients.get, ledger.keep)
    server.register_grant(CodeGrant, [_S256Only(), with_id_token])
    server.register_grant(RefreshGrant)
    server.register_endpoint(Revocation)
    return server


class _S256Only(CodeChallenge):  # type: ignore[misc]
    """PKCE for everybody, and never ``plain`` (RFC 9700 section 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - as the base

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if "code_challenge" not in asked or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required")
        super().validate_code_challenge(grant, redirect_uri)
