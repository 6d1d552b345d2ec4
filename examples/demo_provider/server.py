"""Authlib's authorization server, and what it leaves to whoever uses it.

Authorization code flow only, PKCE always, refresh tokens that rotate.
"""

from __future__ import annotations

import secrets
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749 import grants as authlib_grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from authlib.oidc.core.errors import RequestNotSupportedError, RequestURINotSupportedError
from flask import Flask
from joserfc.jwk import RSAKey

from . import database, keys
from .accounts import Person
from .clients import Client
from .grants import Grant
from .keys import ALGORITHM
from .provider import this_provider

# Authlib has no types: every class of it is Any to mypy.

_ID_TOKEN_LIFETIME = 600
_AUTH_METHODS = ["client_secret_basic"]


def make_server(app: Flask) -> AuthorizationServer:
    app.config |= {
        "OAUTH2_REFRESH_TOKEN_GENERATOR": True,
        "OAUTH2_TOKEN_EXPIRES_IN": {
            "authorization_code": database.LIFETIMES["access"],
            "refresh_token": database.LIFETIMES["access"],
        },
    }
    server = AuthorizationServer(app, _client, _save_token)
    server.register_grant(CodeGrant, [PKCE(), OpenID()])
    server.register_grant(RefreshGrant)
    server.register_endpoint(Revocation)
    return server


def make_resource_protector() -> ResourceProtector:
    protector = ResourceProtector()
    protector.register_token_validator(AccessTokens())
    return protector


class CodeGrant(authlib_grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        sign_in = request.user
        grant = Grant(
            id=secrets.token_urlsafe(16),
            sid=sign_in.sid,
            client_id=request.client.client_id,
            person_id=sign_in.person.id,
            scope=request.scope,
            redirect_uri=request.payload.redirect_uri,
            code_challenge=request.payload.data["code_challenge"],
            nonce=request.payload.data.get("nonce"),
            auth_time=sign_in.auth_time,
        )
        database.add_grant(grant)
        database.add_token("code", code, grant.id, grant.scope)

    def query_authorization_code(self, code: str, client: Any) -> Grant | None:
        grant = database.grant_of("code", code)
        if grant is None or not grant.check_client(client):
            return None
        # Spent at once, and not at the end as Authlib would: two requests with one code do not
        # both get as far as tokens, and who has no verifier has one try.
        return grant if database.spend("code", code) else None

    def delete_authorization_code(self, authorization_code: Grant) -> None:
        """It is spent already, and known as long as somebody might bring it again."""

    def authenticate_user(self, authorization_code: Grant) -> Person:
        return authorization_code.person


class RefreshGrant(authlib_grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        return database.grant_of("refresh", refresh_token)

    def authenticate_user(self, refresh_token: Grant) -> Person:
        return refresh_token.person

    def issue_token(self, user: Person, refresh_token: Any) -> dict[str, Any]:
        # Here everything about the request is found right: one that asks for too much scope
        # does not cost the token.
        if not database.spend("refresh", self.request.form["refresh_token"]):
            raise InvalidGrantError()
        token: dict[str, Any] = super().issue_token(user, refresh_token)
        return token

    def revoke_old_credential(self, refresh_token: Any) -> None:
        """It is spent already."""


class PKCE(CodeChallenge):  # type: ignore[misc]
    """RFC 7636, for every client and with S256 only (RFC 9700 section 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - as the base

    def validate_code_challenge(self, grant: Any, redirect_uri: str | None) -> None:
        # Authlib lets a request without any challenge pass, and takes one without a method for
        # "plain".
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A code_challenge with the method S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class OpenID(OpenIDCode):  # type: ignore[misc]
    """ID tokens, and the parameters of OpenID Connect Core section 3.1.2.1."""

    def __call__(self, grant: Any) -> None:
        super().__call__(grant)
        grant.register_hook("after_validate_authorization_request_payload", self.validate_request)

    def validate_request(self, grant: Any, _redirect_uri: str | None) -> None:
        parameters = grant.request.payload.data
        if "openid" not in (parameters.get("scope") or "").split():
            raise InvalidScopeError("The scope openid is required.")
        if "request" in parameters:
            raise RequestNotSupportedError()
        if "request_uri" in parameters:
            raise RequestURINotSupportedError()
        if parameters.get("response_mode", "query") != "query":
            raise InvalidRequestError("The only response_mode is query.")
        hint = parameters.get("id_token_hint")
        if hint is not None and keys.read(this_provider().key, hint) is None:
            raise InvalidRequestError("The id_token_hint is not an ID token of this issuer.")
        max_age = parameters.get("max_age", "0")
        if not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
            raise InvalidRequestError("max_age is a number of seconds.")

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False  # the application compares it; replay of a code is stopped by the code

    def resolve_client_private_key(self, client: Any) -> RSAKey:
        return this_provider().key

    def get_client_algorithm(self, client: Any) -> str:
        return ALGORITHM

    def get_encode_header(self, client: Any) -> dict[str, Any]:
        return {"alg": ALGORITHM, "typ": "JWT", "kid": this_provider().key.kid}

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        provider = this_provider()
        now = provider.now()
        return {
            "iss": provider.issuer,
            "aud": client.client_id,
            "iat": now,
            "exp": now + _ID_TOKEN_LIFETIME,
        }

    def get_authorization_code_claims(self, authorization_code: Any) -> dict[str, Any]:
        claims = {"auth_time": authorization_code.auth_time, "sid": authorization_code.sid}
        if authorization_code.nonce is not None:
            claims["nonce"] = authorization_code.nonce
        return claims

    def generate_user_info(self, user: Person, scope: str) -> Any:
        # The rest is asked for at the UserInfo endpoint (Core section 5.4).
        return user.claims("openid")


class AccessTokens(BearerTokenValidator):  # type: ignore[misc]
    def authenticate_token(self, token_string: str) -> Grant | None:
        return database.grant_of("access", token_string)


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009. With a refresh token, everything of its grant ends."""

    CLIENT_AUTH_METHODS = _AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Grant | None:
        return database.grant_of("refresh", token_string) or database.grant_of(
            "access", token_string
        )

    def revoke_token(self, token: Any, request: Any) -> None:
        presented = request.form["token"]
        if database.grant_of("refresh", presented):
            database.end_grant(token.id)
        else:
            database.delete_token(presented)


def _client(client_id: str) -> Client | None:
    return this_provider().clients.get(client_id)


def _save_token(token: dict[str, Any], request: Any) -> None:
    grant = request.authorization_code or request.refresh_token
    saved = [database.add_token("access", token["access_token"], grant.id, token["scope"])]
    # The next refresh may ask for all that was granted, whatever this one asked for.
    saved.append(database.add_token("refresh", token["refresh_token"], grant.id, grant.scope))
    if not all(saved):
        raise InvalidGrantError()  # somebody brought the code, or the token, a second time
