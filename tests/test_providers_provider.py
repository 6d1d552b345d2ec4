"""What one provider is asked: with OAuth 2.0 alone, by a profile function, and at the edges."""

from __future__ import annotations

import traceback
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import Account, ProviderError
from flask_jwtsession.providers import account_tokens as module
from flask_jwtsession.providers.network import TIMEOUT
from flask_jwtsession.providers.provider import Provider
from flask_jwtsession.providers.reasons import Untrusted
from flask_jwtsession.records import LEASE
from flask_jwtsession.refresh import GrantRefused

from .integration.provider_sign_in import Browser
from .peers.faulty_provider import FaultyProvider, logout_token
from .peers.faulty_provider.refresh_faults import REFUSALS, STRANGERS
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
        **{
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
            **options,
        },
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


# Refreshing.


def account_after(app: Flask, provider: FaultyProvider) -> Account:
    """The account of somebody who just signed in with ``plain``."""
    account = Account.from_claims(claims_after(app, provider)["_session"]["account"])
    assert account is not None
    return account


def basic(name: str, secret: str) -> str:
    return f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"


def test_a_refresh_is_one_request_with_the_refresh_token_and_nothing_else(
    clock: Clock, provider: FaultyProvider
) -> None:
    """No scope either: one that was not granted would be refused (RFC 6749 section 6)."""
    app = make_oidc(
        clock,
        provider,
        access_token_params={"audience": "api"},
        authorize_params={"prompt": "consent"},
    )
    before = account_after(app, provider)
    clock.advance(60)
    found = provider_of(app, "plain").refresh(before)
    [asked] = provider.requests_to("refresh")
    assert asked.form.to_dict(flat=False) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [before.refresh_token],
    }
    assert (asked.query, asked.method) == ({}, "POST")
    assert asked.headers["Authorization"] == basic(provider.client_id, provider.client_secret)
    assert found == replace(
        before,
        access_token=found.access_token,
        refresh_token=found.refresh_token,
        issued_at=clock.now,
        expires_at=clock.now + 3600,
    )
    assert provider.is_live(found.access_token)
    assert provider.is_live(found.refresh_token)


def test_a_public_client_refreshes_with_its_name(clock: Clock, provider: FaultyProvider) -> None:
    app = make_oidc(
        clock,
        provider,
        client_id=provider.public_client_id,
        client_secret=None,
        client_kwargs={"token_endpoint_auth_method": "none"},
    )
    provider_of(app, "plain").refresh(account_after(app, provider))
    [asked] = provider.requests_to("refresh")
    assert asked.form["client_id"] == provider.public_client_id
    assert "Authorization" not in asked.headers


def test_a_client_that_shows_its_secret_in_the_form_does_so_in_a_refresh(
    clock: Clock, provider: FaultyProvider
) -> None:
    """And a provider that does not take it is one that has to be asked again."""
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    in_form = make_oidc(
        clock, provider, client_kwargs={"token_endpoint_auth_method": "client_secret_post"}
    )
    with pytest.raises(ProviderError) as caught:
        provider_of(in_form, "plain").refresh(before)
    assert (caught.value.reason, caught.value.detail) == ("refresh_refused", "invalid_client")
    [asked] = provider.requests_to("refresh")
    assert asked.form["client_secret"] == provider.client_secret
    assert provider.is_live(before.refresh_token)


def test_a_provider_of_oauth_alone_refreshes_too(clock: Clock, provider: FaultyProvider) -> None:
    app = make_plain(clock, provider)
    found = provider_of(app, "plain").refresh(account_after(app, provider))
    assert provider.is_live(found.access_token)
    assert provider.count("metadata") == 0


def test_an_id_token_of_a_provider_of_oauth_alone_says_nothing(
    clock: Clock, provider: FaultyProvider
) -> None:
    """The person was known without one at the sign-in, by the profile."""
    app = make_plain(clock, provider)
    before = account_after(app, provider)
    with provider.failing("refreshed for another sub"):
        found = provider_of(app, "plain").refresh(before)
    assert provider.is_live(found.access_token)


@pytest.mark.parametrize("fault", REFUSALS)
def test_sec_178_a_refusal_for_good_is_no_failure_that_may_pass(
    clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    with provider.failing(fault), pytest.raises(GrantRefused) as caught:
        provider_of(app, "plain").refresh(before)
    error = caught.value.error
    assert (error.provider, error.reason) == ("plain", "refresh_refused")
    assert error.detail in {"invalid_grant", "bad_refresh_token"}
    assert_shows_nothing(caught.value, provider)
    assert provider.count("refresh") == 1


@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        pytest.param("refresh is 503", "refresh_unusable", "token_status", id="SEC-178 503"),
        pytest.param(
            "refresh is invalid_grant with 500",
            "refresh_unusable",
            "token_status",
            id="SEC-178 invalid_grant with 500",
        ),
        pytest.param("refresh is HTML with 200", "refresh_unusable", "not_json", id="SEC-178 HTML"),
        pytest.param("refresh is an array", "refresh_unusable", "not_an_object", id="SEC-178 []"),
        pytest.param(
            "refresh is hung up on", "refresh_unreachable", "ConnectionError", id="SEC-178 hung up"
        ),
        pytest.param(
            "refresh is temporarily_unavailable",
            "refresh_refused",
            "temporarily_unavailable",
            id="SEC-178 temporarily_unavailable",
        ),
        pytest.param(
            "refresh is an error with a script for a name",
            "refresh_refused",
            None,
            id="SEC-178 a script",
        ),
        pytest.param(
            "refreshed with token_type MAC", "refresh_unusable", "token_type", id="SEC-178 MAC"
        ),
        pytest.param(
            "refreshed without an access_token",
            "refresh_unusable",
            "access_token",
            id="SEC-178 no access_token",
        ),
    ],
)
def test_sec_178_a_failure_that_may_pass_says_why(
    clock: Clock, provider: FaultyProvider, fault: str, reason: str, detail: str | None
) -> None:
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    with provider.failing(fault), pytest.raises(ProviderError) as caught:
        provider_of(app, "plain").refresh(before)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
    assert_shows_nothing(caught.value, provider)
    assert provider.count("refresh") == 1  # not repeated: it may have been done


def assert_shows_nothing(error: BaseException, provider: FaultyProvider) -> None:
    """Neither an exception, nor one that it came of, has a secret in its text."""
    shown = "".join(traceback.format_exception(error))
    inner = getattr(error, "error", None)
    shown += f"{error!r} {inner!r} {inner}"
    assert not [secret for secret in provider.secrets_told if secret in shown]


@pytest.mark.parametrize("fault", ["refresh hangs", "refresh drips", "refresh drips its headers"])
def test_a_refresh_waits_no_longer_than_its_lease_lasts(
    clock: Clock, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """However patient the application is with this provider otherwise."""
    app = make_oidc(clock, provider, client_kwargs={"timeout": 60})
    before = account_after(app, provider)
    assert 2 * TIMEOUT < LEASE
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    began = monotonic()
    with provider.failing(fault), pytest.raises(ProviderError) as caught:
        provider_of(app, "plain").refresh(before)
    assert caught.value.reason in {"refresh_unreachable", "refresh_unusable"}
    assert monotonic() - began < 20


def test_a_refresh_that_waited_too_long_for_the_metadata_is_left_to_the_next_request(
    clock: Clock, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease would end while the provider is asked."""
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    with monkeypatch.context() as impatience:
        impatience.setattr(module, "_METADATA_PATIENCE", -1.0)
        with pytest.raises(ProviderError) as caught:
            provider_of(app, "plain").refresh(before)
    assert caught.value.reason == "refresh_late"
    assert provider.count("refresh") == 0
    assert provider_of(app, "plain").refresh(before).access_token != before.access_token


def test_an_application_may_be_less_patient(clock: Clock, provider: FaultyProvider) -> None:
    app = make_oidc(clock, provider, client_kwargs={"timeout": 5})
    before = account_after(app, provider)
    impatient = make_oidc(clock, provider, client_kwargs={"timeout": 0.2})
    provider_of(impatient, "plain")._published.metadata.get()
    with provider.failing("refresh hangs"), pytest.raises(ProviderError):
        provider_of(impatient, "plain").refresh(before)


def test_a_hook_of_the_application_meets_the_answer_to_a_refresh_as_it_does_that_to_a_code(
    clock: Clock, provider: FaultyProvider
) -> None:
    """What a provider packs its tokens into, it packs them into each time."""
    seen: list[int] = []

    def unpack(response: Any) -> Any:
        seen.append(response.status_code)
        return response

    def compliance_fix(session: Any) -> None:
        session.register_compliance_hook("access_token_response", unpack)

    app = make_oidc(clock, provider, compliance_fix=compliance_fix)
    before = account_after(app, provider)
    assert seen == [200]
    provider_of(app, "plain").refresh(before)
    assert seen == [200, 200]


@pytest.mark.parametrize("fault", STRANGERS)
def test_sec_179_an_id_token_of_somebody_else_is_a_refusal_for_good(
    clock: Clock, provider: FaultyProvider, fault: str
) -> None:
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    with provider.failing(fault), pytest.raises(GrantRefused) as caught:
        provider_of(app, "plain").refresh(before)
    assert caught.value.error.reason.startswith("refresh_id_token_")
    assert caught.value.error.status == 502
    assert_shows_nothing(caught.value, provider)


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        ("refreshed for another sub", "sub"),
        ("refreshed for no sub", "sub"),
        ("refreshed by another iss", "iss"),
        ("refreshed by no iss", "iss"),
        ("refreshed for another aud", "aud"),
        ("refreshed for another aud with our azp", "aud"),
        ("refreshed for two auds", "aud"),
        ("refreshed with an id_token whose payload is no JSON", "malformed"),
    ],
)
def test_sec_179_the_reason_names_the_claim(
    clock: Clock, provider: FaultyProvider, fault: str, claim: str
) -> None:
    app = make_oidc(clock, provider)
    before = account_after(app, provider)
    with provider.failing(fault), pytest.raises(GrantRefused) as caught:
        provider_of(app, "plain").refresh(before)
    assert caught.value.error.reason == f"refresh_id_token_{claim}"


def test_an_honest_id_token_is_looked_at_and_not_kept(
    clock: Clock, provider: FaultyProvider
) -> None:
    app = make_oidc(clock, provider)
    before = replace(account_after(app, provider), id_token="of.the.sign-in")
    provider.id_token_at_refresh = True
    assert provider_of(app, "plain").refresh(before).id_token == "of.the.sign-in"


def test_the_keys_are_not_asked_for(clock: Clock, provider: FaultyProvider) -> None:
    """Its signature is not looked at: it came from the token endpoint itself."""
    first = make_oidc(clock, provider)
    before = account_after(first, provider)
    asked = provider.count("jwks")
    provider.id_token_at_refresh = True
    fresh = make_oidc(clock, provider)
    assert provider.is_live(provider_of(fresh, "plain").refresh(before).access_token)
    assert provider.count("jwks") == asked


# Revocation, back-channel logout.


def revoked_by(provider: FaultyProvider, count: int) -> list[dict[str, str]]:
    """The forms of the revocations, after so many have come in: they come in the background."""
    give_up, nothing = monotonic() + 30, Event()
    while provider.count("revoke") < count and monotonic() < give_up:
        nothing.wait(0.005)
    return [one.form.to_dict() for one in provider.requests_to("revoke")]


def test_sec_192_the_refresh_token_is_revoked_in_the_background_and_all_with_it(
    clock: Clock, provider: FaultyProvider
) -> None:
    app = make_oidc(clock, provider)
    account = account_after(app, provider)
    provider_of(app, "plain").revoke_soon(account)
    assert revoked_by(provider, 1) == [
        {"token": account.refresh_token, "token_type_hint": "refresh_token"}
    ]
    assert not provider.is_live(account.access_token)


def test_sec_192_without_a_refresh_token_the_access_token_is(
    clock: Clock, provider: FaultyProvider
) -> None:
    app = make_oidc(clock, provider)
    account = replace(account_after(app, provider), refresh_token=None)
    provider_of(app, "plain").revoke_soon(account)
    assert revoked_by(provider, 1) == [
        {"token": account.access_token, "token_type_hint": "access_token"}
    ]


def test_sec_192_without_any_token_nothing_is_asked(
    clock: Clock, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_oidc(clock, provider)
    account = account_after(app, provider).without_tokens()
    monkeypatch.setattr(module, "Thread", None)  # whoever makes one fails
    provider_of(app, "plain").revoke_soon(account)


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
