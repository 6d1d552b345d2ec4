"""What programs ask: the provider's description, its keys, tokens, and who a token is about."""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from flask import Blueprint, Response, jsonify, request, url_for

from .clients import SCOPES
from .keys import ALGORITHM, public_keys
from .provider import this_provider
from .server import make_resource_protector

blueprint = Blueprint("endpoints", __name__)

_protector = make_resource_protector()
# Seconds for which the description and the keys, which change only with the code, may be kept.
_KEPT = 300


@blueprint.get("/.well-known/openid-configuration")
def configuration() -> Response:
    """OpenID Connect Discovery 1.0 section 3, with what later specifications add to it."""
    issuer = this_provider().issuer

    def url(endpoint: str) -> str:
        return issuer + url_for(endpoint)

    return _cacheable(
        {
            "issuer": issuer,
            "authorization_endpoint": url("authorize.authorize"),
            "token_endpoint": url(".token"),
            "userinfo_endpoint": url(".userinfo"),
            "jwks_uri": url(".jwks"),
            "revocation_endpoint": url(".revoke"),
            "end_session_endpoint": url("sign_out.end_session"),
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "claims_supported": [
                *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"),
                *("name", "given_name", "family_name", "email", "email_verified"),
            ],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,  # where nothing is said, it is true
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
    )


@blueprint.get("/jwks")
def jwks() -> Response:
    return _cacheable(public_keys(this_provider().key))


@blueprint.post("/token")
def token() -> Any:
    server = this_provider().server
    error = _form_error()
    return server.handle_error_response(None, error) if error else server.create_token_response()


@blueprint.post("/revoke")
def revoke() -> Any:
    server = this_provider().server
    error = _form_error()
    if error:
        return server.handle_error_response(None, error)
    return server.create_endpoint_response("revocation")


@blueprint.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Any:
    try:
        grant = _protector.acquire_token("openid")
    except OAuth2Error as error:
        return this_provider().server.handle_error_response(None, error)
    return jsonify(grant.person.claims(grant.scope))


def _form_error() -> Any:
    """What Authlib would let pass, or fail over."""
    basic = request.authorization
    if basic is None or basic.type != "basic" or not basic.username:
        return InvalidClientError("Say who you are by HTTP Basic.", status_code=401)
    if request.args:
        # Secrets in an address end up in logs (RFC 6749 section 3.2).
        return InvalidRequestError("Parameters belong in the body.")
    if any(len(values) > 1 for _, values in request.form.lists()):
        return InvalidRequestError("A parameter is there twice.")
    return None


def _cacheable(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.cache_control.public = True
    response.cache_control.max_age = _KEPT
    return response
