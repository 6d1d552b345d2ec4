"""The honest half, by Authlib's server side: clients, codes, PKCE, tokens, revocation."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    InvalidRequestError,
    TokenMixin,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
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
class IssuedToken(TokenMixin):  # type: ignore[misc]
    """A refresh or access token, with the client that may revoke it."""

    text: str = field(repr=False)
    client_id: str
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id


@dataclass
class Ledger:
    """What the server remembers: open codes, and every token by its text."""

    clients: dict[str, Client]
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, IssuedToken] = field(default_factory=dict)

    def keep(self, token: dict[str, Any], request: Any) -> None:
        for kind in ("access_token", "refresh_token"):
            if kind in token:
                self.tokens[token[kind]] = IssuedToken(token[kind], request.client.client_id)

    def accepts(self, access_token: str) -> bool:
        found = self.tokens.get(access_token)
        return found is not None and not found.revoked


#: Called with a token response before it is sent, and with the grant that it answers.
Finish = Callable[[dict[str, Any], Grant], None]


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
        finish(response[1], grant.request.authorization_code)

    def with_id_token(grant: Any) -> None:
        grant.register_hook("after_create_token_response", add_id_token)

    class Revocation(RevocationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012 - as the base

        def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
            return ledger.tokens.get(token_string)

        def revoke_token(self, token: IssuedToken, request: Any) -> None:
            token.revoked = True

    server = AuthorizationServer(app, ledger.clients.get, ledger.keep)
    server.register_grant(CodeGrant, [_S256Only(), with_id_token])
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
