"""The providers that are known by name: what is known of each, as its documentation has it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flask_jwtsession import ProviderError
from flask_jwtsession.providers.metadata import check_metadata, matches_issuer, url_scheme
from flask_jwtsession.providers.presets import PRESETS, STANDARD_SIGN_OUT, Preset
from flask_jwtsession.providers.profiles import MICROSOFT_CONSUMERS
from flask_jwtsession.providers.provider import Provider

from .support import binding_of, make_app

#: Issuers as each provider's customers have them.
ISSUERS = {
    "google": None,
    "microsoft": None,
    "github": None,
    "gitlab": None,
    "auth0": "https://tenant.eu.auth0.com/",
    "okta": "https://engine.okta.com/oauth2/default",
    "keycloak": "https://id.company.example/realms/staff",
    "cognito": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_aB3dE5fG7",
    "discord": None,
}
OAUTH_ONLY = ("github", "discord")
MICROSOFT = "https://login.microsoftonline.com"
TENANT = "4f2e9b7c-1d3a-4c58-9e60-7b8a5d2c1f90"
POST = "client_secret_post"

# What an application and a person notice of a preset.
FACTS: dict[str, dict[str, Any]] = {
    "google": {
        "label": "Google",
        "issuer": "https://accounts.google.com",
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": False,  # it cannot be asked to
        "asks_userinfo": True,
    },
    "microsoft": {
        "label": "Microsoft",
        "issuer": f"{MICROSOFT}/common/v2.0",
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": True,
        "asks_userinfo": False,  # the ID token has all of it, and more
        "least_max_age": 300,  # which ends so long after the login, if it was asked for
    },
    "github": {
        "label": "GitHub",
        "issuer": None,
        "scope": {"user:email"},
        "auth_method": POST,
        "confirms_login": False,
        "asks_userinfo": True,
        "iss": "https://github.com/login/oauth",
        "hint_parameter": "login",
        "endpoints": {
            "authorization_endpoint": "https://github.com/login/oauth/authorize",
            "token_endpoint": "https://github.com/login/oauth/access_token",
            "userinfo_endpoint": "https://api.github.com/user",
        },
    },
    "gitlab": {
        "label": "GitLab",
        "issuer": "https://gitlab.com",
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": True,
        "asks_userinfo": True,  # the name and the picture are only there
    },
    "auth0": {
        "label": "Auth0",
        "issuer": None,
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": True,
        "asks_userinfo": True,
    },
    "okta": {
        "label": "Okta",
        "issuer": None,
        "scope": {"openid", "email", "profile"},
        "auth_method": None,  # by the metadata, and "client_secret_basic" is its default
        "confirms_login": True,
        "asks_userinfo": True,  # the ID token is thin
    },
    "keycloak": {
        "label": "Keycloak",
        "issuer": None,
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": True,
        "asks_userinfo": True,
    },
    "cognito": {
        "label": "Amazon Cognito",
        "issuer": None,
        "scope": {"openid", "email", "profile"},
        "auth_method": POST,
        "confirms_login": True,
        "asks_userinfo": True,
        "sign_out_parameters": {"client_id": "client_id", "return_to": "logout_uri"},
    },
    "discord": {
        "label": "Discord",
        "issuer": None,
        "scope": {"identify", "email"},
        "auth_method": POST,
        "confirms_login": False,
        "asks_userinfo": True,
        "endpoints": {
            "authorization_endpoint": "https://discord.com/oauth2/authorize",
            "token_endpoint": "https://discord.com/api/oauth2/token",
            "userinfo_endpoint": "https://discord.com/api/users/@me",
            "revocation_endpoint": "https://discord.com/api/oauth2/token/revoke",
        },
    },
}
#: Of a provider for which the table above does not say otherwise.
USUAL = {
    "iss": None,
    "hint_parameter": "login_hint",
    "least_max_age": 60,
    "endpoints": {},
    "sign_out_parameters": STANDARD_SIGN_OUT,
}


def provider(name: str, **options: Any) -> Provider:
    """The provider on an app whose configuration has the documented keys."""
    app, auth = make_app()
    prefix = name.upper()
    app.config[f"{prefix}_CLIENT_ID"] = "app"
    app.config[f"{prefix}_CLIENT_SECRET"] = "a client's secret"
    if ISSUERS[name] is not None:
        app.config[f"{prefix}_ISSUER"] = ISSUERS[name]
    auth.add_provider(name, **options)
    return binding_of(app).providers[name]


def authorization(name: str, **parameters: str) -> tuple[str, dict[str, list[str]]]:
    """Where a preset with known endpoints sends a browser, and with what."""
    url = provider(name).authorization_url(
        redirect_uri=f"https://app.test/auth/callback/{name}",
        state="the state",
        nonce="the nonce",
        code_verifier="v" * 64,
        parameters=parameters,
        max_age=None,
    )
    return url.partition("?")[0], parse_qs(urlsplit(url).query, strict_parsing=True)


def test_the_presets_are_these() -> None:
    assert list(PRESETS) == list(FACTS) == list(ISSUERS)


@pytest.mark.parametrize(
    ("name", "fact"),
    [(name, fact) for name in FACTS for fact in {**USUAL, **FACTS[name]}],
)
def test_what_is_known_of_a_provider(name: str, fact: str) -> None:
    expected = {**USUAL, **FACTS[name]}[fact]
    value = getattr(PRESETS[name], fact)
    assert (set(value.split()) if fact == "scope" else value) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_needs_the_documented_keys_and_no_more(name: str) -> None:
    found = provider(name)
    assert found.name == name
    assert found.label == FACTS[name]["label"]
    assert found.type == ("oauth" if name in OAUTH_ONLY else "oidc")
    assert found.confirms_login is FACTS[name]["confirms_login"]
    assert not found.uses_form_post


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_go_by_another_name(name: str) -> None:
    app, auth = make_app()
    app.config |= {"STAFF_LOGIN_CLIENT_ID": "app", "STAFF_LOGIN_CLIENT_SECRET": "a secret"}
    app.config["STAFF_LOGIN_ISSUER"] = ISSUERS[name]
    auth.add_provider("staff-login", preset=name)
    found = binding_of(app).providers["staff-login"]
    assert (found.name, found.label) == ("staff-login", FACTS[name]["label"])


@pytest.mark.parametrize("name", PRESETS)
def test_every_url_of_a_preset_is_https(name: str) -> None:
    preset = PRESETS[name]
    urls = [*preset.endpoints.values(), preset.issuer, preset.iss]
    assert all(url_scheme(url) == "https" for url in urls if url is not None)


@pytest.mark.parametrize("name", OAUTH_ONLY)
def test_what_has_no_metadata_has_its_endpoints_and_no_sign_out_of_its_own(name: str) -> None:
    preset = PRESETS[name]
    assert not preset.is_oidc
    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} <= set(
        preset.endpoints
    )
    assert "end_session_endpoint" not in preset.endpoints


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in OAUTH_ONLY])
def test_what_has_metadata_says_all_of_it_there(name: str) -> None:
    assert PRESETS[name].is_oidc
    assert PRESETS[name].endpoints == {}
    assert PRESETS[name].iss is None


# Where a browser is sent.


@pytest.mark.parametrize("name", OAUTH_ONLY)
def test_sec_161_every_request_has_a_challenge_and_a_state(name: str) -> None:
    url, query = authorization(name)
    assert url == PRESETS[name].endpoints["authorization_endpoint"]
    assert query["state"] == ["the state"]
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["redirect_uri"] == [f"https://app.test/auth/callback/{name}"]
    assert set(query["scope"][0].split()) == FACTS[name]["scope"]
    # There is no ID token for it to come back in.
    assert "nonce" not in query


def test_github_calls_the_hint_by_another_name() -> None:
    _, query = authorization("github", login_hint="ada", ui_locales="sv")
    assert query["login"] == ["ada"]
    assert query["ui_locales"] == ["sv"]
    assert "login_hint" not in query


@pytest.mark.parametrize(
    ("name", "iss", "is_taken"),
    [
        pytest.param("github", "https://github.com/login/oauth", True, id="GitHub's"),
        pytest.param("github", None, True, id="GitHub did not always send it"),
        pytest.param("github", "https://github.com/login/oauth/", False, id="SEC-163 a slash"),
        pytest.param("github", "https://github.com", False, id="SEC-163 GitHub's host"),
        pytest.param("github", "https://evil.example", False, id="SEC-163 another"),
        pytest.param("github", "", False, id="SEC-163 empty"),
        pytest.param("discord", None, True, id="Discord sends none"),
        pytest.param("discord", "https://discord.com", True, id="of Discord none is known"),
    ],
)
def test_who_may_have_answered(name: str, iss: str | None, is_taken: bool) -> None:
    found = provider(name)
    if is_taken:
        found.check_authorization_issuer(iss)
        return
    with pytest.raises(ProviderError) as caught:
        found.check_authorization_issuer(iss)
    assert (caught.value.reason, caught.value.status) == ("issuer", 400)


# Issuers.


@pytest.mark.parametrize(
    ("issuer", "published"),
    [
        (f"{MICROSOFT}/common/v2.0", f"{MICROSOFT}/{{tenantid}}/v2.0"),
        (f"{MICROSOFT}/organizations/v2.0", f"{MICROSOFT}/{{tenantid}}/v2.0"),
        (f"{MICROSOFT}/consumers/v2.0", f"{MICROSOFT}/{MICROSOFT_CONSUMERS}/v2.0"),
        (f"{MICROSOFT}/{TENANT}/v2.0", f"{MICROSOFT}/{TENANT}/v2.0"),
        (
            "https://login.microsoftonline.us/common/v2.0",
            "https://login.microsoftonline.us/{tenantid}/v2.0",
        ),
        (
            f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0",
            f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0",
        ),
    ],
)
def test_microsofts_metadata_names_another_issuer_than_its_address_does(
    issuer: str, published: str
) -> None:
    assert PRESETS["microsoft"].published_issuer(issuer) == published


def test_a_token_of_any_tenant_is_microsofts_but_one_of_another_cloud_is_not() -> None:
    issuer = PRESETS["microsoft"].published_issuer(f"{MICROSOFT}/common/v2.0")
    claims = {"iss": f"{MICROSOFT}/{TENANT}/v2.0", "tid": TENANT}
    assert matches_issuer(issuer, claims)
    assert not matches_issuer(issuer, claims | {"tid": MICROSOFT_CONSUMERS})
    assert not matches_issuer(issuer, claims | {"iss": f"https://sts.windows.net/{TENANT}/"})
    assert not matches_issuer(
        issuer, claims | {"iss": f"https://login.microsoftonline.us/{TENANT}/v2.0"}
    )


@pytest.mark.parametrize("written", ["https://tenant.eu.auth0.com/", "https://tenant.eu.auth0.com"])
def test_auth0s_issuer_has_its_slash_whether_it_was_written_or_not(written: str) -> None:
    published = PRESETS["auth0"].published_issuer(written)
    assert published == "https://tenant.eu.auth0.com/"
    document = {
        "issuer": "https://tenant.eu.auth0.com/",
        "authorization_endpoint": "https://tenant.eu.auth0.com/authorize",
        "token_endpoint": "https://tenant.eu.auth0.com/oauth/token",
        "jwks_uri": "https://tenant.eu.auth0.com/.well-known/jwks.json",
    }
    assert check_metadata(document, issuer=published, configured={}).issuer == published


@pytest.mark.parametrize("name", ["google", "gitlab", "okta", "keycloak", "cognito"])
def test_of_the_others_an_issuer_is_what_was_written(name: str) -> None:
    issuer = ISSUERS[name] or PRESETS[name].issuer
    assert issuer is not None
    assert PRESETS[name].published_issuer(issuer) == issuer


# Where published endpoints are on other hosts than the issuer's.


@pytest.mark.parametrize(
    ("issuer", "endpoints"),
    [
        pytest.param(
            "https://accounts.google.com",
            {
                "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
                "token_endpoint": "https://oauth2.googleapis.com/token",
                "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
                "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
                "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            },
            id="google",
        ),
        pytest.param(
            f"{MICROSOFT}/{{tenantid}}/v2.0",
            {
                "authorization_endpoint": f"{MICROSOFT}/common/oauth2/v2.0/authorize",
                "token_endpoint": f"{MICROSOFT}/common/oauth2/v2.0/token",
                "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
                "end_session_endpoint": f"{MICROSOFT}/common/oauth2/v2.0/logout",
                "jwks_uri": f"{MICROSOFT}/common/discovery/v2.0/keys",
            },
            id="microsoft",
        ),
        pytest.param(
            ISSUERS["cognito"],
            {
                "authorization_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/authorize",
                "token_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/token",
                "userinfo_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/userInfo",
                "end_session_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/logout",
                "jwks_uri": f"{ISSUERS['cognito']}/.well-known/jwks.json",
            },
            id="cognito",
        ),
    ],
)
def test_the_metadata_of_a_provider_with_several_hosts_is_taken(
    issuer: str, endpoints: dict[str, str]
) -> None:
    found = check_metadata({"issuer": issuer, **endpoints}, issuer=issuer, configured={})
    assert {name: getattr(found, name) for name in endpoints} == endpoints


def test_a_provider_that_is_not_known_by_name_is_taken_by_the_standard() -> None:
    preset = Preset(label="Op")
    assert (preset.is_oidc, preset.asks_userinfo, preset.confirms_login) == (True, True, True)
    assert preset.sign_out_parameters == {
        "client_id": "client_id",
        "id_token": "id_token_hint",
        "return_to": "post_logout_redirect_uri",
        "state": "state",
    }
