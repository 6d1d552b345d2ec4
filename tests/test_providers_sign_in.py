"""What a sign-in with a provider asks it for, and who may start one."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask

from flask_jwtsession import ConfigError, JWTSession

from .browsing import problem_code
from .integration.provider_sign_in import Browser, make_application
from .peers.faulty_provider import FaultyProvider
from .support import NAVIGATION, SAME_ORIGIN, Clock, binding_of, make_app, set_cookies


def authorization(browser: Browser, **query: str) -> dict[str, str]:
    """The parameters that the browser is sent to the provider with."""
    started = browser.start("op", **query)
    return dict(parse_qsl(urlsplit(started.headers["Location"]).query))


def test_sec_161_the_request_has_a_fresh_s256_challenge(browser: Browser) -> None:
    one, other = authorization(browser), authorization(browser)
    for sent in (one, other):
        assert sent["code_challenge_method"] == "S256"
        assert len(sent["code_challenge"]) == 43
        assert sent["response_type"] == "code"
    for name in ("code_challenge", "state", "nonce"):
        assert one[name] != other[name]


@pytest.mark.parametrize(
    "name", ["login_hint", "prompt", "ui_locales", "screen_hint", "acr_values"]
)
def test_a_browser_may_choose_some_parameters(browser: Browser, name: str) -> None:
    assert authorization(browser, **{name: "a b&c=d"})[name] == "a b&c=d"


@pytest.mark.parametrize(
    "name",
    [
        "redirect_uri",
        "client_id",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "response_type",
        "response_mode",
        "scope",
        "request",
        "request_uri",
        "max_age",
        "claims",
        "resource",
    ],
)
def test_sec_174_and_no_other(browser: Browser, name: str) -> None:
    assert authorization(browser, **{name: "evil"}).get(name) != "evil"


def test_sec_174_a_parameter_that_comes_twice_or_is_too_long_is_left_out(browser: Browser) -> None:
    started = browser.client.post(
        f"/auth/signin/op?prompt=none&prompt=login&login_hint={'x' * 600}", headers=SAME_ORIGIN
    )
    sent = dict(parse_qsl(urlsplit(started.headers["Location"]).query))
    assert not {"prompt", "login_hint"} & sent.keys()


def test_sec_174_a_query_that_is_no_utf_8_is_refused(browser: Browser) -> None:
    """As a server may pass it on: the raw byte, and not its escape."""
    answer = browser.client.post(
        "/auth/signin/op",
        headers=SAME_ORIGIN,
        environ_overrides={"QUERY_STRING": "login_hint=\xff"},
    )
    assert answer.status_code == 400
    assert browser.transactions() == []


def test_a_hint_is_called_what_github_calls_it(clock: Clock) -> None:
    app, auth = make_app(clock)
    auth.add_provider("github", client_id="x", client_secret="y")
    started = app.test_client().post("/auth/signin/github?login_hint=ada", headers=SAME_ORIGIN)
    sent = dict(parse_qsl(urlsplit(started.headers["Location"]).query))
    assert sent["login"] == "ada"
    assert "login_hint" not in sent
    assert "nonce" not in sent  # OAuth 2.0 has none


def test_sec_145_the_redirect_uri_is_at_the_configured_origin(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, BASE_URL="https://app.example")
    started = app.test_client().post(
        "/auth/signin/op",
        headers={**SAME_ORIGIN, "Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    )
    sent = dict(parse_qsl(urlsplit(started.headers["Location"]).query))
    assert sent["redirect_uri"] == "https://app.example/auth/callback/op"


def test_configured_parameters_go_along(clock: Clock, provider: FaultyProvider) -> None:
    app, auth = make_app(clock)
    auth.add_provider(
        "op",
        issuer=provider.issuer,
        client_id="app",
        client_secret="x",
        client_kwargs={"scope": ["openid", "offline_access"]},
        authorize_params={"prompt": "consent", "audience": "api"},
    )
    browser = Browser(app, provider)
    sent = authorization(browser)
    assert sent["scope"] == "openid offline_access"
    assert sent["audience"] == "api"
    assert sent["prompt"] == "consent"
    assert authorization(browser, prompt="select_account")["prompt"] == "select_account"


def test_authjs_own_client_gets_the_providers_url(browser: Browser) -> None:
    answer = browser.client.post(
        "/auth/signin/op", headers={**SAME_ORIGIN, "X-Auth-Return-Redirect": "1"}
    )
    assert answer.get_json()["url"].startswith(f"{browser.provider.issuer}/authorize?")
    assert browser.transactions() != []


# Who may start one, and what if it cannot.


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_sec_100_a_sign_in_starts_with_a_post_only(browser: Browser, method: str) -> None:
    answer = browser.client.open("/auth/signin/op", method=method)
    assert answer.status_code == 405
    assert browser.transactions() == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_sec_101_another_site_cannot_start_one(browser: Browser, site: str) -> None:
    answer = browser.client.post("/auth/signin/op", headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert browser.transactions() == []


def test_sec_055_over_plain_http_nobody_starts(browser: Browser) -> None:
    answer = browser.app.test_client().post(
        "/auth/signin/op", base_url="http://app.test", headers=SAME_ORIGIN
    )
    assert answer.status_code == 400
    assert not set_cookies(answer)


@pytest.mark.parametrize("path", ["/auth/signin/other", "/auth/signin/OP", "/auth/signin/op%0d%0a"])
def test_sec_173_an_unknown_provider_is_not_found(browser: Browser, path: str) -> None:
    answer = browser.client.post(path, headers=SAME_ORIGIN)
    assert (answer.status_code, problem_code(answer)) == (404, "unknown_provider")


@pytest.mark.parametrize("path", ["/auth/signin/a/b", "/auth/signin/..", "/auth/signin/"])
def test_sec_173_what_cannot_be_a_name_is_no_url(browser: Browser, path: str) -> None:
    assert browser.client.post(path, headers=SAME_ORIGIN).status_code == 404


def test_a_provider_that_is_down_is_a_bad_gateway(browser: Browser) -> None:
    with browser.provider.down():
        page = browser.start()
        browser.accepts = {"Accept": "application/json"}
        problem = browser.start()
    assert page.status_code == problem.status_code == 502
    assert "does not answer" in page.get_data(as_text=True)
    assert problem_code(problem) == "provider_error"
    assert browser.transactions() == []


def test_authjs_own_client_is_told_of_it_by_the_error_page(browser: Browser) -> None:
    with browser.provider.down():
        answer = browser.client.post(
            "/auth/signin/op", headers={**SAME_ORIGIN, "X-Auth-Return-Redirect": "1"}
        )
    assert answer.status_code == 200
    assert answer.get_json() == {"url": "http://localhost/auth/error?error=OAuthSignInError"}
    page = browser.client.get("/auth/error?error=OAuthSignInError", headers=NAVIGATION)
    assert page.status_code == 502


# The page with the buttons, several apps, several instances.


def test_the_sign_in_page_has_a_button_for_each_provider(clock: Clock) -> None:
    app, auth = make_app(clock)
    auth.add_provider("github", client_id="x", client_secret="y")
    auth.add_provider("my-company", issuer="https://id.example", client_id="x", client_secret="y")
    page = app.test_client().get("/auth/signin?callbackUrl=/after").get_data(as_text=True)
    assert "Sign in with GitHub" in page
    assert "Sign in with My Company" in page
    assert 'action="/auth/signin/github"' in page
    assert page.count('name="callbackUrl" value="/after"') == 2
    assert 'name="username"' not in page


def test_a_label_is_what_people_call_it(clock: Clock) -> None:
    app, auth = make_app(clock)
    auth.add_provider("github", client_id="x", client_secret="y")
    auth.add_provider(
        "work", preset="github", label="our <GitHub>", client_id="x", client_secret="y"
    )
    client = app.test_client()
    page = client.get("/auth/signin").get_data(as_text=True)
    assert "Sign in with GitHub" in page
    assert "Sign in with our &lt;GitHub&gt;" in page
    assert client.get("/auth/providers").get_json()["work"]["name"] == "our <GitHub>"


def test_names_that_share_their_configuration_keys_are_refused(clock: Clock) -> None:
    _, auth = make_app(clock)
    auth.add_provider("my-op", issuer="https://a.example", client_id="x", client_secret="y")
    with pytest.raises(ConfigError, match="'my-op' was added before"):
        auth.add_provider("my_op", issuer="https://b.example", client_id="x", client_secret="y")


def test_github_enterprise_is_asked_for_everything_itself(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, auth = make_app(clock)
    auth.add_provider(
        "github",
        authorize_url=provider.url("authorize"),
        access_token_url=provider.url("token"),
        userinfo_endpoint=provider.url("userinfo"),
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        client_kwargs={"token_endpoint_auth_method": "client_secret_basic", "scope": "openid"},
    )
    provider.user |= {"id": 7, "login": "ada", "name": None}
    browser = Browser(app, provider)
    started = browser.client.post("/auth/signin/github", headers=SAME_ORIGIN)
    back = browser.come_back(browser.approve(started))
    assert back.status_code == 302
    public = browser.client.get("/auth/session").get_json()
    assert public["user"] == {"name": "ada", "email": None, "image": None}
    # What GitHub has below /user, and this provider has not: the person is known without.
    assert [one.path for one in provider.requests_to("elsewhere")] == ["/userinfo/emails?"]


def test_a_provider_added_before_the_app_is_there_for_every_app() -> None:
    auth = JWTSession()
    auth.add_provider("github", client_id="x", client_secret="y")
    apps = []
    for _ in range(2):
        app = Flask("tests.late")
        app.config["JWTSESSION_SECRET"] = "s3cr3t, 0123456789 abcdefghijklmn"
        auth.init_app(app)
        apps.append(app)
    for app in apps:
        assert "github" in app.test_client().get("/auth/providers").get_json()
    one, other = (binding_of(app).providers["github"] for app in apps)
    assert one is not other


def test_two_instances_have_providers_of_their_own(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider)
    app.config["STAFF_SECRET"] = "another secret, 0123456789 abcdefg"
    app.config["STAFF_URL_PREFIX"] = "/staff/auth"
    staff = JWTSession(app, config_prefix="STAFF")
    staff.add_provider("github", client_id="x", client_secret="y")
    client = app.test_client()
    assert client.get("/auth/providers").get_json().keys() == {"op"}
    assert client.get("/staff/auth/providers").get_json().keys() == {"github"}
    started = client.post("/staff/auth/signin/github", headers=SAME_ORIGIN)
    assert next(iter(set_cookies(started))).startswith("staff.login.")
