"""The options of ``add_provider`` and its configuration keys: what each takes, and refuses."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from math import inf, nan
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_jwtsession import ConfigError
from flask_jwtsession.providers.option_names import OPTIONS
from flask_jwtsession.providers.provider import Provider
from flask_jwtsession.providers.registration import register, settings_for
from flask_jwtsession.providers.settings import ProviderSettings
from flask_jwtsession.providers.signed_tokens import ALGORITHMS

from .support import NOW

ISSUER = "https://id.example.com"
SECRET = "hush-client-secret"
#: All that is needed of a provider of OpenID Connect, and of one of OAuth 2.0 only.
OIDC: dict[str, Any] = {"issuer": ISSUER, "client_id": "app", "client_secret": SECRET}
OAUTH: dict[str, Any] = {
    "client_id": "app",
    "client_secret": SECRET,
    "authorize_url": f"{ISSUER}/authorize",
    "access_token_url": f"{ISSUER}/token",
    "userinfo_endpoint": f"{ISSUER}/me",
    "profile": dict,
}
WHAT = "add_provider('op')"


def settings(
    options: Mapping[str, Any], config: Mapping[str, Any] | None = None, /, **more: Any
) -> ProviderSettings:
    """The settings of a provider with these options, on an app with this configuration."""
    given = {**options, **more}
    app = Flask(__name__)
    app.config.update(config or {})
    return settings_for(
        register(
            given.pop("name", "op"),
            preset=given.pop("preset", None),
            issuer=given.pop("issuer", None),
            profile=given.pop("profile", None),
            options=given,
        ),
        app,
    )


def fault(
    options: Mapping[str, Any], config: Mapping[str, Any] | None = None, /, **more: Any
) -> ConfigError:
    """The error; whatever it is, it shows no secret."""
    with pytest.raises(ConfigError) as caught:
        settings(options, config, **more)
    error = caught.value
    assert "hush" not in str(error) + repr(error) + repr(vars(error))
    assert str(error).startswith(error.key)
    return error


def without(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


# The client.


def test_the_client_is_configured_with_options() -> None:
    found = settings(OIDC)
    assert (found.client_id, found.client_secret) == ("app", SECRET)
    assert "hush" not in repr(found)


def test_the_client_is_configured_with_keys() -> None:
    config = {"OP_CLIENT_ID": "app", "OP_CLIENT_SECRET": SECRET, "OP_ISSUER": ISSUER}
    found = settings({}, config)
    assert (found.client_id, found.client_secret, found.issuer) == ("app", SECRET, ISSUER)


def test_an_option_wins_over_a_key() -> None:
    config = {"OP_CLIENT_ID": "x", "OP_CLIENT_SECRET": "x", "OP_ISSUER": "https://x.example"}
    found = settings(OIDC, config)
    assert (found.client_id, found.client_secret, found.issuer) == ("app", SECRET, ISSUER)


def test_an_option_that_is_none_leaves_it_to_the_key() -> None:
    config = {"OP_CLIENT_ID": "app", "OP_CLIENT_SECRET": SECRET, "OP_ISSUER": ISSUER}
    found = settings({"client_id": None, "client_secret": None, "issuer": None}, config)
    assert (found.client_id, found.client_secret, found.issuer) == ("app", SECRET, ISSUER)


def test_a_number_of_the_environment_is_a_text() -> None:
    # from_prefixed_env() makes numbers of digits.
    found = settings({"issuer": ISSUER}, {"OP_CLIENT_ID": 123456, "OP_CLIENT_SECRET": 7})
    assert (found.client_id, found.client_secret) == ("123456", "7")


@pytest.mark.parametrize("option", ["client_id", "client_secret"])
def test_what_is_needed_and_not_there_is_named_by_its_key(option: str) -> None:
    error = fault(without(OIDC, option))
    assert error.key == f"OP_{option.upper()}"
    assert "is not set" in str(error)
    assert WHAT in str(error)


NO_TEXTS: list[Any] = [
    *("", " ", "\t", "hush\n", "hush\r\nX: y", "hush\x00", "hush\u2028", "\ud800hush"),
    *(True, False, 7.5, b"hush", ["hush"], {"hush": 1}, ("hush",)),
]


@pytest.mark.parametrize("value", NO_TEXTS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("option", ["client_id", "client_secret"])
def test_sec_050_a_client_is_named_by_texts(option: str, value: Any) -> None:
    error = fault(OIDC, **{option: value})
    assert error.key == f"add_provider('op', {option}=…)"
    error = fault(without(OIDC, option), {f"OP_{option.upper()}": value})
    assert error.key == f"OP_{option.upper()}"
    assert "text that is not empty" in str(error)


@pytest.mark.parametrize("value", NO_TEXTS, ids=lambda value: repr(value)[:20])
def test_an_issuer_is_a_text(value: Any) -> None:
    assert fault(OIDC, issuer=value).key == "add_provider('op', issuer=…)"
    assert fault(without(OIDC, "issuer"), {"OP_ISSUER": value}).key == "OP_ISSUER"


def test_sec_059_no_traceback_of_a_mistake_shows_the_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(OIDC, authorize_params={"state": "x"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# A client that has no secret.


def test_a_public_client_says_so() -> None:
    kwargs = {"token_endpoint_auth_method": "none"}
    assert settings(without(OIDC, "client_secret"), client_kwargs=kwargs).client_secret is None


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_method_with_a_secret_needs_one(method: str) -> None:
    kwargs = {"token_endpoint_auth_method": method}
    error = fault(without(OIDC, "client_secret"), client_kwargs=kwargs)
    assert error.key == "OP_CLIENT_SECRET"
    assert "'token_endpoint_auth_method': 'none'" in str(error)


def sign(client: Any, method: str, url: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    return url, headers, body


class Signing:
    """An authentication method as Authlib has them: an object with a name."""

    name = "private_key_jwt"

    def __call__(self, *request: Any) -> tuple[Any, ...]:
        return request


def test_a_secret_of_a_method_of_ones_own_may_be_a_private_key() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n"
    found = settings(
        OIDC,
        client_secret=pem,
        client_kwargs={"token_endpoint_auth_method": "private_key_jwt"},
        client_auth_methods=[("private_key_jwt", sign)],
    )
    assert found.client_secret == pem


@pytest.mark.parametrize("methods", [[("private_key_jwt", sign)], (Signing(),)])
def test_a_method_of_the_applications_own_needs_no_secret(methods: Any) -> None:
    found = settings(
        without(OIDC, "client_secret"),
        client_kwargs={"token_endpoint_auth_method": "private_key_jwt"},
        client_auth_methods=methods,
    )
    assert found.client_secret is None
    assert found.auth_methods == tuple(methods)


@pytest.mark.parametrize(
    "method", ["private_key_jwt", "bogus", "", "NONE", None, 7, True, ["none"]]
)
def test_a_method_that_nobody_knows_is_refused(method: Any) -> None:
    error = fault(OIDC, client_kwargs={"token_endpoint_auth_method": method})
    assert error.key == WHAT
    assert "token_endpoint_auth_method" in str(error)


@pytest.mark.parametrize(
    "methods",
    [
        "private_key_jwt",
        7,
        {"private_key_jwt": sign},
        [7],
        ["private_key_jwt"],
        [("private_key_jwt",)],
        [("private_key_jwt", 7)],
        [(7, sign)],
        [sign],
        [None],
    ],
)
def test_client_auth_methods_is_a_list_of_methods(methods: Any) -> None:
    error = fault(OIDC, client_auth_methods=methods)
    assert error.key == WHAT
    assert "client_auth_methods" in str(error)


# The issuer, and the endpoints.


@pytest.mark.parametrize(
    ("issuer", "discovery_url"),
    [
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/realms/a", f"{ISSUER}/realms/a/.well-known/openid-configuration"),
        (
            "http://127.0.0.1:4000",
            "http://127.0.0.1:4000/.well-known/openid-configuration",
        ),
        ("http://[::1]:4000", "http://[::1]:4000/.well-known/openid-configuration"),
        ("http://localhost:4000", "http://localhost:4000/.well-known/openid-configuration"),
    ],
)
def test_the_metadata_is_below_the_issuer(issuer: str, discovery_url: str) -> None:
    found = settings(OIDC, issuer=issuer)
    assert (found.issuer, found.published_issuer) == (issuer, issuer)
    assert found.discovery_url == discovery_url
    assert found.endpoints == {}


def test_the_address_of_the_metadata_names_the_issuer() -> None:
    url = f"{ISSUER}/.well-known/openid-configuration"
    found = settings(without(OIDC, "issuer"), server_metadata_url=url)
    assert (found.issuer, found.discovery_url) == (ISSUER, url)


def test_the_metadata_may_be_elsewhere_if_the_issuer_is_named() -> None:
    url = "https://cdn.example/metadata.json"
    found = settings(OIDC, server_metadata_url=url)
    assert (found.issuer, found.discovery_url) == (ISSUER, url)


def test_an_address_that_names_no_issuer_needs_one() -> None:
    error = fault(without(OIDC, "issuer"), server_metadata_url="https://cdn.example/metadata.json")
    assert error.key == WHAT
    assert "set issuer=" in str(error)


URL_OPTIONS = [
    "authorize_url",
    "access_token_url",
    "userinfo_endpoint",
    "jwks_uri",
    "end_session_endpoint",
    "revocation_endpoint",
    "server_metadata_url",
]
NO_URLS: dict[str, Any] = {
    "empty": "",
    "a word": "nonsense",
    "a path": "/authorize",
    "no scheme": "//id.example.com",
    "another scheme": "ftp://id.example.com",
    "a script": "javascript:alert(1)",
    "a user": "https://user@id.example.com",
    "a fragment": "https://id.example.com/#x",
    "a space": "https://id.example.com/a b",
    "a line break": "https://id.example.com/\n",
    "not ASCII": "https://id.ex\u00e4mple.com",
    "port 0": "https://id.example.com:0",
    "a number": 7,
    "true": True,
    "a list": ["https://id.example.com"],
    "bytes": b"https://id.example.com",
}


@pytest.mark.parametrize("value", NO_URLS.values(), ids=NO_URLS)
@pytest.mark.parametrize("option", URL_OPTIONS)
def test_an_endpoint_is_a_url(option: str, value: Any) -> None:
    for options in (OIDC, OAUTH):
        error = fault(options, **{option: value})
        assert error.key == WHAT
        assert f"{option} takes a URL" in str(error)


@pytest.mark.parametrize(
    "value",
    [
        value
        for value in NO_URLS.values()
        if isinstance(value, str) and value.strip() == value != ""
    ],
)
def test_an_issuer_is_a_url(value: str) -> None:
    error = fault(OIDC, issuer=value)
    assert error.key == WHAT
    assert "issuer takes a URL" in str(error)


@pytest.mark.parametrize("option", ["issuer", *URL_OPTIONS])
@pytest.mark.parametrize(
    "url", ["http://id.example.com", "HTTP://id.example.com", "http://10.0.0.1", "http://idp:8080"]
)
def test_sec_164_plain_http_is_for_loopback(option: str, url: str) -> None:
    error = fault(OIDC, **{option: url})
    assert error.key == WHAT
    assert f"{option} is not https" in str(error)
    assert repr(url) in str(error)


@pytest.mark.parametrize("mode", ["TESTING", "DEBUG"])
def test_plain_http_is_for_tests_too(mode: str) -> None:
    found = settings(OIDC, {mode: True}, issuer="http://idp:8080")
    assert found.discovery_url == "http://idp:8080/.well-known/openid-configuration"


@pytest.mark.parametrize("option", ["issuer", *URL_OPTIONS])
def test_sec_180_a_password_in_a_url_is_not_shown(option: str) -> None:
    assert fault(OIDC, **{option: "https://user:hush@id.example.com"}).key == WHAT
    assert fault(OIDC, **{option: "http://user:hush@id.example.com"}).key == WHAT


@pytest.mark.parametrize(
    "value", ["https://id.example.com?x=1", "https://id.example.com/?tenant=7"]
)
def test_an_issuer_has_no_query(value: str) -> None:
    # OpenID Connect Core section 2. Its metadata would be looked for in the query.
    assert fault(OIDC, issuer=value).key == WHAT


def test_endpoints_are_kept_by_their_names_in_the_metadata() -> None:
    found = settings(
        OIDC,
        authorize_url=f"{ISSUER}/a",
        userinfo_endpoint=f"{ISSUER}/u",
        end_session_endpoint=None,
        revocation_endpoint=None,
    )
    assert found.endpoints == {
        "authorization_endpoint": f"{ISSUER}/a",
        "userinfo_endpoint": f"{ISSUER}/u",
        "end_session_endpoint": None,
        "revocation_endpoint": None,
    }
    assert found.discovery_url is not None


def test_where_all_endpoints_are_configured_there_is_nothing_to_discover() -> None:
    found = settings(
        OIDC,
        authorize_url=f"{ISSUER}/a",
        access_token_url=f"{ISSUER}/t",
        jwks_uri=f"{ISSUER}/k",
    )
    assert found.discovery_url is None
    assert found.published_issuer == ISSUER


@pytest.mark.parametrize("option", ["authorize_url", "access_token_url", "jwks_uri"])
def test_an_endpoint_without_which_nobody_can_sign_in_cannot_be_switched_off(option: str) -> None:
    error = fault(OIDC, **{option: None})
    assert error.key == WHAT
    assert option in str(error)


# OAuth 2.0 only.


def test_a_provider_of_oauth_has_its_endpoints() -> None:
    found = settings(OAUTH)
    assert (found.issuer, found.published_issuer, found.discovery_url) == (None, None, None)
    assert found.scope == ""
    assert found.endpoints == {
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "userinfo_endpoint": f"{ISSUER}/me",
    }


@pytest.mark.parametrize("option", ["authorize_url", "access_token_url", "userinfo_endpoint"])
def test_a_provider_of_oauth_needs_three_endpoints(option: str) -> None:
    error = fault(without(OAUTH, option))
    assert error.key == WHAT
    assert f"{option} is missing" in str(error)


def test_a_provider_of_oauth_needs_a_profile_function() -> None:
    error = fault(without(OAUTH, "profile"))
    assert error.key == WHAT
    assert "profile=" in str(error)


def test_without_a_userinfo_endpoint_nobody_is_known() -> None:
    assert "userinfo_endpoint is missing" in str(fault(OAUTH, userinfo_endpoint=None))


@pytest.mark.parametrize("name", ["github", "discord"])
@pytest.mark.parametrize(
    "option",
    [{"issuer": ISSUER}, {"server_metadata_url": f"{ISSUER}/.well-known/openid-configuration"}],
    ids=["issuer", "metadata"],
)
def test_what_has_oauth_only_takes_no_issuer(name: str, option: dict[str, str]) -> None:
    error = fault(without(OIDC, "issuer"), name=name, **option)
    assert error.key == f"add_provider({name!r})"
    assert "takes no issuer" in str(error)


@pytest.mark.parametrize("name", ["auth0", "okta", "keycloak", "cognito"])
def test_where_each_customer_has_an_issuer_it_is_missed(name: str) -> None:
    error = fault(without(OIDC, "issuer"), name=name)
    assert error.key == f"{name.upper()}_ISSUER"
    assert f"add_provider({name!r})" in str(error)


def test_a_server_of_ones_own_is_not_what_a_preset_knows() -> None:
    own = {
        "authorize_url": "https://ghe.example/login/oauth/authorize",
        "access_token_url": "https://ghe.example/login/oauth/access_token",
        "userinfo_endpoint": "https://ghe.example/api/v3/user",
    }
    client = without(OIDC, "issuer")
    assert settings(client, name="github").iss == "https://github.com/login/oauth"
    assert settings(client, name="github", **own).iss is None


# Parameters of the authorization request.


@pytest.mark.parametrize(
    ("scope", "taken"),
    [
        (None, "openid profile email"),
        ("openid", "openid"),
        ("openid offline_access", "openid offline_access"),
        (["openid", "groups"], "openid groups"),
        (("openid", "groups"), "openid groups"),
        ("  openid   email ", "openid email"),
    ],
)
def test_the_scope_is_a_text_or_a_list(scope: Any, taken: str) -> None:
    assert settings(OIDC, client_kwargs={"scope": scope}).scope == taken


@pytest.mark.parametrize("scope", [{"openid", "email"}, frozenset({"openid", "email"})])
def test_the_scope_may_be_a_set(scope: Any) -> None:
    assert set(settings(OIDC, client_kwargs={"scope": scope}).scope.split()) == {"openid", "email"}


@pytest.mark.parametrize(
    "scope",
    ["", "email", "OpenID", "openid,email", [], ["email"], 7, True, {"openid": 1}, ["openid", 7]],
    ids=str,
)
def test_a_scope_without_openid_is_refused(scope: Any) -> None:
    error = fault(OIDC, client_kwargs={"scope": scope})
    assert error.key == WHAT
    assert "scope" in str(error)


def test_a_provider_of_oauth_has_the_scope_that_it_is_given() -> None:
    assert settings(OAUTH, client_kwargs={"scope": "read:user"}).scope == "read:user"
    found = settings(without(OIDC, "issuer"), name="github")
    assert found.scope == "user:email"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        None,
        {"response_mode": "query"},
        {"response_mode": "form_post"},
        {"prompt": "consent", "access_type": "offline"},
        {"claims": '{"id_token":{"auth_time":{"essential":true}}}'},
        {"login_hint": "ada", "hd": "example.com", "domain_hint": "x", "resource": "y"},
    ],
    ids=str,
)
def test_parameters_of_the_request_pass_through(parameters: dict[str, str] | None) -> None:
    assert settings(OIDC, authorize_params=parameters).authorize_params == (parameters or {})


def test_parameters_of_the_request_are_in_it() -> None:
    found = settings(OAUTH, authorize_params={"prompt": "consent", "access_type": "offline"})
    url = Provider(found, lambda: NOW).authorization_url(
        redirect_uri="https://app.test/cb",
        state="s",
        nonce="n",
        code_verifier="v" * 43,
        parameters={"prompt": "login"},
        max_age=None,
    )
    query = parse_qs(urlsplit(url).query)
    # What this request asks for wins.
    assert (query["prompt"], query["access_type"]) == (["login"], ["offline"])


OWN = [
    *("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge"),
    *("code_challenge_method", "code_verifier", "max_age", "request", "request_uri", "url"),
]


@pytest.mark.parametrize("name", OWN)
def test_sec_174_what_is_new_at_every_attempt_cannot_be_configured(name: str) -> None:
    error = fault(OIDC, authorize_params={"prompt": "login", name: "hush"})
    assert error.key == WHAT
    assert f"authorize_params cannot have {name!r}" in str(error)


@pytest.mark.parametrize("value", [None, True, 7, ["a", "b"], {"id_token": {}}, b"login"], ids=str)
def test_a_parameter_of_the_request_is_a_text(value: Any) -> None:
    assert "authorize_params" in str(fault(OIDC, authorize_params={"prompt": value}))


@pytest.mark.parametrize("mode", ["fragment", "web_message", "jwt", "", "FORM_POST"])
def test_sec_171_no_other_response_mode_can_be_read(mode: str) -> None:
    assert "response_mode" in str(fault(OIDC, authorize_params={"response_mode": mode}))


@pytest.mark.parametrize("option", ["authorize_params", "access_token_params", "client_kwargs"])
@pytest.mark.parametrize("value", ["hush=x", 7, True, ["hush"], [("hush", 1)], {7: "x"}], ids=str)
def test_a_mapping_is_one_with_texts_for_names(option: str, value: Any) -> None:
    error = fault(OIDC, **{option: value})
    assert error.key == WHAT
    assert option in str(error)


# Parameters of the token request.


def test_parameters_of_the_token_request_pass_through() -> None:
    found = settings(OIDC, access_token_params={"resource": "hush", "audience": "x"})
    assert found.token_params == {"resource": "hush", "audience": "x"}
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("verify", False), ("timeout", None), ("allow_redirects", True), ("stream", False)),
        *(("proxies", {}), ("cookies", {}), ("files", {}), ("hooks", {}), ("json", {})),
        *(("url", "https://evil.example"), ("method", "GET"), ("headers", {}), ("body", "x")),
        *(("auth", ("a", "b")), ("cert", "x"), ("grant_type", "password"), ("code", "x")),
        *(("code_verifier", "x"), ("redirect_uri", "https://evil.example"), ("state", "x")),
        *(("authorization_response", "https://a.test/?code=x"), ("client_id", "x")),
    ],
    ids=str,
)
def test_sec_174_the_token_request_itself_cannot_be_changed(name: str, value: Any) -> None:
    error = fault(OIDC, access_token_params={"resource": "x", name: value})
    assert error.key == WHAT
    assert "access_token_params" in str(error)
    error = fault(OIDC, access_token_params={"resource": "x", name: "x"})
    assert f"access_token_params cannot have {name!r}" in str(error)


@pytest.mark.parametrize("value", [None, True, 7, ["a"], {"a": 1}, b"x"], ids=str)
def test_a_parameter_of_the_token_request_is_a_text(value: Any) -> None:
    assert "access_token_params" in str(fault(OIDC, access_token_params={"resource": value}))


# The session.


@pytest.mark.parametrize(
    ("kwargs", "options"),
    [
        ({"timeout": 10}, {"default_timeout": 10}),
        ({"timeout": 0.5}, {"default_timeout": 0.5}),
        ({"default_timeout": 60}, {"default_timeout": 60}),
        ({"code_challenge_method": "S256"}, {}),
        ({"verify": "/etc/ca.pem"}, {"verify": "/etc/ca.pem"}),
        ({"verify": True}, {"verify": True}),
        ({"proxies": {"https": "http://proxy:3128"}}, {"proxies": {"https": "http://proxy:3128"}}),
        ({"trust_env": False}, {"trust_env": False}),
        ({"cert": ("/a.pem", "/a.key")}, {"cert": ("/a.pem", "/a.key")}),
        ({"scope": "openid"}, {}),
        ({}, {}),
        (None, {}),
    ],
    ids=str,
)
def test_options_of_the_session_pass_through(
    kwargs: dict[str, Any] | None, options: dict[str, Any]
) -> None:
    assert settings(OIDC, client_kwargs=kwargs).session_options == options


@pytest.mark.parametrize(
    "timeout", [0, -1, 61, 10**9, nan, inf, "5", None, True, [5], (3, 5), {}], ids=str
)
@pytest.mark.parametrize("name", ["timeout", "default_timeout"])
def test_sec_233_a_timeout_is_a_number_of_seconds(name: str, timeout: Any) -> None:
    error = fault(OIDC, client_kwargs={name: timeout})
    assert error.key == WHAT
    assert "timeout" in str(error)


@pytest.mark.parametrize("verify", [False, None, 0, "", 7])
def test_certificates_are_always_checked(verify: Any) -> None:
    assert "verify" in str(fault(OIDC, client_kwargs={"verify": verify}))


@pytest.mark.parametrize("method", ["plain", None, "", "s256", "none"])
def test_sec_161_no_other_challenge_can_be_configured(method: Any) -> None:
    assert "S256" in str(fault(OIDC, client_kwargs={"code_challenge_method": method}))


@pytest.mark.parametrize(
    "name",
    [
        *("client_id", "client_secret", "session", "state", "token", "update_token", "prompt"),
        *("redirect_uri", "response_type", "response_mode", "nonce", "grant_type", "token_updater"),
        *("token_endpoint", "authorization_endpoint", "revocation_endpoint", "leeway", "stream"),
        *("token_placement", "max_redirects", "hooks", "login_hint", "bogus"),
    ],
)
def test_sec_174_other_options_of_the_session_are_refused(name: str) -> None:
    error = fault(OIDC, client_kwargs={name: "hush"})
    assert error.key == WHAT
    assert f"client_kwargs cannot have {name!r}" in str(error)


# Functions, and the algorithm.


def test_functions_of_the_application_pass_through() -> None:
    def mend(session: Any) -> None:
        """Nothing."""

    found = settings(OIDC, compliance_fix=mend, profile=dict)
    assert found.compliance_fix is mend
    assert found.profile is not None
    assert found.profile({"id": "u1"}) == {"id": "u1"}


@pytest.mark.parametrize("value", [7, "hush", True, [], {}])
@pytest.mark.parametrize("option", ["compliance_fix", "profile"])
def test_a_function_is_one(option: str, value: Any) -> None:
    error = fault(OIDC, **{option: value})
    assert error.key == WHAT
    assert f"{option} is a function" in str(error)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_sec_166_the_algorithm_of_id_tokens_can_be_pinned(algorithm: str) -> None:
    assert settings(OIDC, id_token_signed_response_alg=algorithm).algorithm == algorithm


def test_without_it_the_provider_says_which() -> None:
    assert settings(OIDC).algorithm is None
    assert settings(OIDC, id_token_signed_response_alg=None).algorithm is None


@pytest.mark.parametrize(
    "algorithm",
    ["none", "HS256", "HS512", "rs256", "", "bogus", "RSA-OAEP", 7, True, ["RS256"], {}],
)
def test_sec_166_an_algorithm_that_others_could_sign_with_is_refused(algorithm: Any) -> None:
    error = fault(OIDC, id_token_signed_response_alg=algorithm)
    assert error.key == WHAT
    assert "id_token_signed_response_alg" in str(error)


# Options that there are not.


@pytest.mark.parametrize(
    "name",
    [
        *("secret", "clientid", "scope", "discovery_url", "request_token_url", "overwrite"),
        *("fetch_token", "update_token", "client_cls", "api_base_url", "token_endpoint"),
        *("authorization_endpoint", "access_token_method", "Client_ID", "redirect_uri"),
    ],
)
def test_an_option_that_there_is_not_is_refused(name: str) -> None:
    error = fault(OIDC, **{name: "hush"})
    assert error.key == WHAT
    assert repr(name) in str(error)
    assert all(option in str(error) for option in OPTIONS)
