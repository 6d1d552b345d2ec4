"""The faulty provider itself: without a fault it is an honest one, and strict.

By a bare client that shares no code with it or with the package.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from ..peers.faulty_provider import FAULTS, LOGOUT_FAULTS, FaultyProvider, logout_token

CALLBACK = "http://localhost/auth/callback/op"


class BareClient:
    """A relying party of a few lines."""

    def __init__(self, provider: FaultyProvider, http: requests.Session) -> None:
        self.provider = provider
        self.http = http
        self.verifier = secrets.token_urlsafe(32)

    def authorize(self, **changed: str | None) -> requests.Response:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changed,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        url = self.provider.url("authorize")
        return self.http.get(url, params=query, allow_redirects=False, timeout=30)

    def redeem(self, code: str, **changed: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
            **changed,
        }
        auth = None if "client_id" in changed else ("app", self.provider.client_secret)
        return self.http.post(self.provider.url("token"), data=form, auth=auth, timeout=30)

    def sign_in(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.redeem(code_of(self.authorize())).json()
        return answer


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with FaultyProvider() as running:
        yield running


@pytest.fixture
def client(provider: FaultyProvider) -> Iterator[BareClient]:
    with requests.Session() as http:
        http.trust_env = False  # no proxy is asked for loopback
        yield BareClient(provider, http)


def code_of(authorized: requests.Response) -> str:
    query = parse_qs(urlsplit(authorized.headers["Location"]).query)
    return query["code"][0]


def test_a_whole_sign_in_works(provider: FaultyProvider, client: BareClient) -> None:
    metadata = client.http.get(
        f"{provider.issuer}/.well-known/openid-configuration", timeout=30
    ).json()
    assert metadata["issuer"] == provider.issuer
    authorized = client.authorize()
    back = authorized.headers["Location"]
    assert back.startswith(f"{CALLBACK}?")
    answered = parse_qs(urlsplit(back).query)
    assert answered["state"] == ["a state"]
    assert answered["iss"] == [provider.issuer]
    response = client.redeem(code_of(authorized))
    assert response.headers["Cache-Control"] == "no-store"
    token = response.json()
    assert token["token_type"] == "Bearer"
    keys = client.http.get(metadata["jwks_uri"], timeout=30).json()
    claims = jwt.decode(token["id_token"], KeySet.import_key_set(keys), ["RS256"]).claims
    digest = hashlib.sha256(token["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (claims["nonce"], claims["aud"], claims["sub"]) == ("a nonce", "app", "u-1")
    person = client.http.get(
        metadata["userinfo_endpoint"],
        headers={"Authorization": f"Bearer {token['access_token']}"},
        timeout=30,
    ).json()
    assert person["sub"] == claims["sub"]
    assert [one.endpoint for one in provider.received] == [
        "metadata",
        "authorize",
        "token",
        "jwks",
        "userinfo",
    ]
    assert {token[name] for name in token if name.endswith("_token")} < provider.secrets_told


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
    ],
    ids=["none", "plain", "no method", "too short"],
)
def test_nothing_is_authorized_without_pkce_by_s256(
    client: BareClient, changed: dict[str, str | None]
) -> None:
    answered = client.authorize(**changed)
    assert "code=" not in answered.headers.get("Location", "")


def test_a_code_is_good_once_and_with_its_verifier_only(client: BareClient) -> None:
    code = code_of(client.authorize())
    assert client.redeem(code, code_verifier="w" * 43).status_code == 400
    assert client.redeem(code, redirect_uri=f"{CALLBACK}2").status_code == 400
    assert client.redeem(code).status_code == 200
    assert client.redeem(code).status_code == 400


def test_a_client_with_a_secret_has_to_show_it(
    provider: FaultyProvider, client: BareClient
) -> None:
    code = code_of(client.authorize())
    assert client.redeem(code, client_id=provider.client_id).status_code == 401
    provider.client_secret = "not the one"
    assert client.redeem(code).status_code == 401


def test_a_public_client_needs_none(provider: FaultyProvider, client: BareClient) -> None:
    code = code_of(client.authorize(client_id=provider.public_client_id))
    assert client.redeem(code, client_id=provider.public_client_id).status_code == 200


def test_a_revoked_token_is_good_for_nothing(provider: FaultyProvider, client: BareClient) -> None:
    token = client.sign_in()["access_token"]
    client.http.post(
        provider.url("revoke"),
        data={"token": token},
        auth=("app", provider.client_secret),
        timeout=30,
    ).raise_for_status()
    answer = client.http.get(
        provider.url("userinfo"), headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 401


def test_an_authorization_with_max_age_says_when_the_person_signed_in(
    provider: FaultyProvider, client: BareClient
) -> None:
    provider.seconds_since_sign_in = 30
    answered = client.redeem(code_of(client.authorize(max_age="60"))).json()
    claims = read(answered["id_token"])
    assert claims["auth_time"] == claims["iat"] - 30


def test_a_logout_token_names_the_session_and_the_person(provider: FaultyProvider) -> None:
    claims = read(logout_token(provider))
    assert (claims["sub"], claims["sid"]) == ("u-1", provider.session_id)
    assert "sid" not in read(logout_token(provider, sid=None))


def test_a_fault_is_there_while_it_is_switched_on(
    provider: FaultyProvider, client: BareClient
) -> None:
    with provider.failing("id_token has a wrong iss"):
        assert read(client.sign_in()["id_token"])["iss"] != provider.issuer
    assert read(client.sign_in()["id_token"])["iss"] == provider.issuer


def test_while_it_is_down_connections_are_refused(
    provider: FaultyProvider, client: BareClient
) -> None:
    with provider.down(), pytest.raises(requests.ConnectionError):
        client.http.get(provider.url("jwks"), timeout=30)
    assert client.http.get(provider.url("jwks"), timeout=30).status_code == 200


def test_who_follows_a_redirect_is_seen(provider: FaultyProvider, client: BareClient) -> None:
    with provider.failing("metadata redirects with 302"):
        answer = client.http.get(provider.url("metadata"), timeout=30)
    # It would be none the wiser, but for the count.
    assert answer.json()["issuer"] == provider.issuer
    assert provider.count("elsewhere") == 1


def test_every_fault_changes_something(provider: FaultyProvider) -> None:
    honest: dict[str, Any] = {
        "metadata": provider.metadata,
        "jwks": {"keys": [key.jwk for key in provider.keys]},
        "token": {"access_token": "a", "id_token": "b", "expires_in": 1, "refresh_token": "c"},
        "userinfo": provider.user,
    }
    for name, fault in FAULTS.items():
        assert fault.id_token or fault.callback or fault.bodies or fault.answers, name
        for endpoint, change in fault.bodies.items():
            changed = change(provider, copy.deepcopy(honest[endpoint]))
            assert repr(changed) != repr(honest[endpoint]), name


def test_every_fault_of_a_logout_token_makes_another_token(provider: FaultyProvider) -> None:
    claims: dict[str, Any] = {"jti": "j", "iat": 1_800_000_000, "exp": 1_800_000_120}
    for name in LOGOUT_FAULTS:
        assert logout_token(provider, name, **claims) != logout_token(provider, **claims), name


def read(token: str) -> dict[str, Any]:
    """The claims of a token, whoever signed it."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims
