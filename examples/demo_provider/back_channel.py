"""Telling an application, without the browser, that somebody signed out here.

OpenID Connect Back-Channel Logout 1.0.
"""

from __future__ import annotations

import logging
import secrets

import requests

from .accounts import Person
from .keys import sign
from .provider import this_provider

_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LIFETIME = 120
# The person waits for it. An application that is down keeps nobody signed in here.
_TIMEOUT = 3

log = logging.getLogger(__name__)


def tell(client_id: str, person: Person, sid: str) -> None:
    provider = this_provider()
    client = provider.clients.get(client_id)
    if client is None or client.backchannel_logout_uri is None:
        return
    now = provider.now()
    claims = {
        "iss": provider.issuer,
        "aud": client_id,
        "sub": person.id,
        "sid": sid,
        "iat": now,
        "exp": now + _LIFETIME,
        "jti": secrets.token_urlsafe(16),
        "events": {_EVENT: {}},
    }
    logout_token = sign(provider.key, claims, typ="logout+jwt")
    try:
        with requests.Session() as http:
            http.trust_env = False  # no proxy is asked for this machine
            answer = http.post(
                client.backchannel_logout_uri,
                data={"logout_token": logout_token},
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        # Its text may quote what was sent.
        log.warning("%s could not be told of a sign-out: %s", client_id, type(error).__name__)
    else:
        log.info("%s was told of a sign-out, and answered %d.", client_id, answer.status_code)
