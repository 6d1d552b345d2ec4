"""What one provider is asked: with OAuth 2.0 alone, by a profile function, and at the edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import ProviderError
from flask_jwtsession.providers.provider import Provider
from flask_jwtsession.providers.reasons import Untrusted

from .integration.provider_sign_in import Browser
from .peers.faulty_provider import FaultyProvider, logout_token
from .support import SAME_ORIGIN, Clock, binding_of, make_app, session_token, unseal

Profile = Callable[[Mapping[str, Any]], Any]


def by_profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": profile["sub"], "name": profile["name"]}


def make_plain(clock: Clock, provider: FaultyProvider, profile: Profile = by_profile) -> Flask:
    """An app that knows the provider as one of OAuth 2.0 alone."""
    app, auth = make_app(clock)
    auth.add_provider(
        "plain",
        authorize_url=provider.url("authorize"),
        access_token_url=provider.url("token"),
        userinfo_endpoint=provider.url("userinfo"),
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        client_kwargs={"scope": "openid profile"},
        profile=profile,
    )
    return app


def sign_in(app: Flask, provider: FaultyProvider) -> TestResponse:
    browser = Browser(app, provider)
    started = browser.client.post("/auth/signin/plain", headers=SAME_ORIGIN)
    return browser.come_back(browser.approve(started))


def claims_after(app: Flask, provider: FaultyProvider) -> dict[str, Any]:
    token = session_token(sign_in(app, provider))
    assert token is not None
    return unseal(app, token)


def provider_of(app: Flask, name: str) -> Provider:
    return binding_of(app).providers[name]


# OAuth 2.0 alone.


def test_without_openid_connect_the_profile_says_who_it_is(
    clock: Clock, provider: FaultyProvider
) -> None:
    claims = claims_after(make_plain(clock, provider), provider)
    assert claims["sub"] == "plain|u-1"
    assert claims["name"] == "Ada Lovelace"
    assert claims["_session"]["account"]["type"] == "oauth"
    assert claims["_session"]["authenticated_at"] is None
    assert provider.count("metadata") == provider.count("jwks") == 0


def test_an_async_profile_function_is_awaited(clock: Clock, provider: FaultyProvider) -> None:
    async def profile(profile: Mapping[str, Any]) -> dict[str, Any]:
        return by_profile(profile)

    assert claims_after(make_plain(clock, provider, profile), provider)["sub"] == "plain|u-1"


def test_a_number_is_an_account_id_too(clock: Clock, provider: FaultyProvider) -> None:
    app = make_plain(clock, provider, lambda profile: {"id": 583231, "name": "Ada"})
    assert claims_after(app, provider)["sub"] == "plain|583231"


@pytest.mark.parametrize("account_id", [None, "", True, 1.5, ["u-1"], {"id": 1}, "x" * 513])
def test_sec_039_what_is_no_account_id_signs_nobody_in(
    clock: Clock, provider: FaultyProvider, account_id: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_plain(clock, provider, lambda profile: {"id": account_id, "name": "Ada"})
    answer = sign_in(app, provider)
    assert answer.status_code == 502
    assert session_token(answer) is None
    assert "profile_without_id" in caplog.text


def test_the_longest_account_id_is_a_subject(clock: Clock, provider: FaultyProvider) -> None:
    app = make_plain(clock, provider, lambda profile: {"id": "x" * 512})
    assert claims_after(app, provider)["sub"] == f"plain|{'x' * 512}"


@pytest.mark.parametrize("returned", [None, "Ada", 7, [("id", "u-1")]])
def test_a_profile_function_that_returns_no_user_is_a_mistake_of_the_application(
    clock: Clock, provider: FaultyProvider, returned: object, caplog: pytest.LogCaptureFixture
) -> None:
    answer = sign_in(make_plain(clock, provider, lambda profile: returned), provider)
    assert answer.status_code == 500
    assert "the profile function returned" in caplog.text


# The profile.


def make_oidc(clock: Clock, provider: FaultyProvider, **options: Any) -> Flask:
    app, auth = make_app(clock)
    auth.add_provider(
        "plain",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        **options,
    )
    return app


def test_the_id_token_counts_before_the_userinfo_answer(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Of what both say. The one is signed, and for this client."""
    seen: list[Mapping[str, Any]] = []

    def profile(profile: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(profile)
        return by_profile(profile)

    provider.user |= {"aud": "somebody", "iss": "https://else.example"}
    claims_after(make_oidc(clock, provider, profile=profile), provider)
    assert seen[0]["aud"] == "app"
    assert seen[0]["iss"] == provider.issuer
    assert seen[0]["name"] == "Ada Lovelace"


def test_without_a_userinfo_endpoint_the_id_token_is_all(
    clock: Clock, provider: FaultyProvider
) -> None:
    app = make_oidc(clock, provider, userinfo_endpoint=None)
    assert claims_after(app, provider)["sub"] == "plain|u-1"
    assert provider.count("userinfo") == 0


# Revocation, back-channel logout.


def test_a_provider_without_the_endpoint_is_not_asked_to_revoke(
    clock: Clock, provider: FaultyProvider
) -> None:
    provider_of(make_plain(clock, provider), "plain").revoke("a token", "access_token")
    assert provider.received == []


@pytest.mark.parametrize("hint", ["refresh_token", "access_token"])
def test_sec_192_a_revocation_that_is_refused_is_told(
    clock: Clock, provider: FaultyProvider, hint: str
) -> None:
    app = make_oidc(clock, provider, revocation_endpoint=f"{provider.issuer}/not-there")
    with pytest.raises(ProviderError) as caught:
        provider_of(app, "plain").revoke("a token", hint)
    assert (caught.value.reason, caught.value.detail) == ("revocation_unusable", "status_404")


def test_a_logout_token_without_what_the_account_id_is_made_of_is_refused(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Microsoft's is made of the tenant, too."""
    app, auth = make_app(clock)
    auth.add_provider(
        "microsoft",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
    )
    with pytest.raises(Untrusted, match="sub"):
        provider_of(app, "microsoft").verify_logout_token(logout_token(provider))


def test_sec_206_its_repr_is_its_name(clock: Clock, provider: FaultyProvider) -> None:
    one = provider_of(make_plain(clock, provider), "plain")
    assert repr(one) == "<Provider plain>"
    assert urlsplit(provider.issuer).netloc not in repr(one)
