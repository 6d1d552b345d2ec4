"""What ``add_provider`` takes beside its own arguments, by name."""

from __future__ import annotations

#: Authlib's names of endpoints, and those of the metadata.
ENDPOINT_OPTIONS = {
    "authorize_url": "authorization_endpoint",
    "access_token_url": "token_endpoint",
    "userinfo_endpoint": "userinfo_endpoint",
    "jwks_uri": "jwks_uri",
    "end_session_endpoint": "end_session_endpoint",
    "revocation_endpoint": "revocation_endpoint",
}
#: Authlib's options, and of a provider's metadata what its clients take beside them.
OPTIONS = frozenset(
    {
        *ENDPOINT_OPTIONS,
        "client_id",
        "client_secret",
        "access_token_params",
        "authorize_params",
        "client_kwargs",
        "server_metadata_url",
        "compliance_fix",
        "client_auth_methods",
        "id_token_signed_response_alg",
    }
)
#: What cannot be switched off, for without it nobody could sign in.
NEEDED_ENDPOINTS = ("authorize_url", "access_token_url", "jwks_uri")
#: What is new at every attempt, or what the whole dance is built on.
OWN_PARAMETERS = {
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "max_age",
    "request",
    "request_uri",
    "url",
}
#: What Authlib and requests would take for an option of the token request, and not for a parameter.
REQUEST_OPTIONS = {
    "allow_redirects",
    "auth",
    "authorization_response",
    "body",
    "cert",
    "code",
    "cookies",
    "files",
    "grant_type",
    "headers",
    "hooks",
    "json",
    "method",
    "proxies",
    "stream",
    "timeout",
    "verify",
}
#: Of ``client_kwargs``.
SESSION_OPTIONS = {
    "scope",
    "code_challenge_method",
    "token_endpoint_auth_method",
    "timeout",
    "default_timeout",
    "proxies",
    "verify",
    "cert",
    "trust_env",
}
#: Of clients, at the token endpoint (OpenID Connect Core section 9).
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
