"""One consent of one person to one application, as Authlib wants to see it."""

from __future__ import annotations

from dataclasses import dataclass

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, TokenMixin

from .accounts import PEOPLE, Person
from .clients import Client


@dataclass(frozen=True)
class Grant(AuthorizationCodeMixin, TokenMixin):  # type: ignore[misc]  # Authlib has no types
    """It is both Authlib's "authorization code" and its "token": whatever comes of one grant.

    :param sid: the sign-in that it was given in
    :param scope: that of the token at hand, which may be less than was granted
    :param redirect_uri: where the code was sent
    :param auth_time: when the person signed in, in epoch seconds; what happens later in that
        sign-in does not change it
    """

    id: str
    sid: str
    client_id: str
    person_id: str
    scope: str
    redirect_uri: str
    code_challenge: str
    nonce: str | None
    auth_time: int

    code_challenge_method = "S256"

    @property
    def person(self) -> Person:
        return PEOPLE[self.person_id]

    # What Authlib asks.

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    # The database gives out no token that is expired or revoked.

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False
