"""The applications that people can sign in to with their account here."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

#: What each scope means to a person who is asked for it.
SCOPES = {
    "openid": "who you are: a number that is yours alone",
    "profile": "your name",
    "email": "your e-mail address",
}


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """An application with a secret, which it sends by HTTP Basic.

    :param name: what people know it by
    :param redirect_uris: where a browser may be sent with a code; compared character by character
    :param post_logout_redirect_uris: where it may be sent after a sign-out
    :param backchannel_logout_uri: where the application is told that somebody signed out here
    """

    client_id: str
    secret: str = field(repr=False)
    name: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None

    # What Authlib asks.

    @property
    def client_metadata(self) -> dict[str, object]:
        return {"post_logout_redirect_uris": self.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> Any:
        return None  # OpenID Connect wants it said (Core section 3.1.2.1)

    def get_allowed_scope(self, scope: Any) -> str:
        return " ".join(name for name in SCOPES if name in (scope or "").split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")
