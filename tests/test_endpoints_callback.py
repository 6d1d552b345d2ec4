"""``/callback/<provider>``: somebody comes back from a provider that does everything right.

What a provider can do wrong is in ``integration/test_hostile_provider.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask, g, session

from flask_jwtsession import Account, JWTEvent, JWTSession, Session, current_session, signed_in

from .browsing import problem_code
from .integration.provider_sign_in import Browser, make_application
from .peers.faulty_provider import FaultyProvider
from .support import (
    HTTPS,
    NAVIGATION,
    SAME_ORIGIN,
    Clock,
    make_app,
    session_token,
    set_cookies,
    unseal,
)

SESSION = "jwtsession.session-token"


@pytest.fixture
def app_and_auth(clock: Clock, provider: FaultyProvider) -> tuple[Flask, JWTSession]:
    return make_application(clock, provider)


@pytest.fixture
def browser(app: Flask, provider: FaultyProvider) -> Browser:
    return Browser(app, provider)


def claims_of(browser: Browser) -> dict[str, Any]:
    """All claims of the browser's session cookie."""
    cookie = browser.client.get_cookie(SESSION)
    assert cookie is not None
    return unseal(browser.app, cookie.value)


# Who it is.


def test_a_person_is_signed_in_and_goes_where_they_wanted(browser: Browser) -> None:
    answer = browser.sign_in()
    assert (answer.status_code, answer.location) == (302, "http://localhost/account")
    claims = browser.account()["claims"]
    assert claims["sub"] == "op|u-1"
    assert claims["name"] == "Ada Lovelace"
    assert claims["email"] == "ada@example.com"
    assert claims["picture"] == "https://op.example/ada.png"


def test_the_account_is_there_for_the_server(browser: Browser, provider: FaultyProvider) -> None:
    browser.sign_in()
    account = browser.account()["account"]
    assert account["provider"] == "op"
    assert account["type"] == "oidc"
    assert account["provider_account_id"] == "u-1"
    assert account["access_token"] in provider.secrets_told
    assert account["refresh_token"] in provider.secrets_told
    assert account["token_type"] == "Bearer"
    assert account["expires_at"] == provider.clock() + provider.access_token_lifetime
    assert account["id_token"] is None


def test_an_account_that_is_printed_shows_no_token(
    app: Flask, browser: Browser, provider: FaultyProvider
) -> None:
    @app.get("/shown")
    def shown() -> str:
        return repr(current_session.account)

    browser.sign_in()
    text = browser.client.get("/shown").get_data(as_text=True)
    assert "provider='op'" in text
    assert not [secret for secret in provider.secrets_told if secret in text]


def test_sub_stays_the_same_for_an_account(browser: Browser, provider: FaultyProvider) -> None:
    browser.sign_in()
    first = browser.account()["claims"]
    provider.user |= {"email": "countess@example.com", "name": "Ada King"}
    browser.sign_in()
    second = browser.account()["claims"]
    assert first["sub"] == second["sub"]
    assert second["name"] == "Ada King"
    assert first["sid"] != second["sid"]  # SEC-082: a new session


def test_sec_177_one_sub_from_two_issuers_is_two_users(
    clock: Clock, provider: FaultyProvider, other_provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, other_provider)
    one, other = Browser(app, provider), Browser(app, other_provider)
    one.sign_in("op")
    other.sign_in("op2")
    assert one.account()["claims"]["email"] == other.account()["claims"]["email"]
    assert one.account()["claims"]["sub"] == "op|u-1"
    assert other.account()["claims"]["sub"] == "op2|u-1"


@pytest.mark.parametrize("verified", [False, "false", None])
def test_sec_176_an_unverified_address_is_in_the_profile_only(
    auth: JWTSession, browser: Browser, provider: FaultyProvider, verified: object
) -> None:
    provider.user["email_verified"] = verified
    seen: list[Mapping[str, Any]] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.profile is not None:
            seen.append(event.profile)
        return token

    browser.sign_in()
    assert browser.account()["claims"].get("email") is None
    assert seen[0]["email"] == "ada@example.com"


def test_signing_in_as_another_ends_the_session_before(
    browser: Browser, provider: FaultyProvider, signals: list[tuple[str, Any]]
) -> None:
    browser.sign_in()
    provider.user["sub"] = "u-2"
    browser.sign_in()
    assert [(name, sent.get("reason")) for name, sent in signals] == [
        ("signed-in", None),
        ("signed-out", "replaced"),
        ("signed-in", None),
    ]
    assert browser.account()["claims"]["sub"] == "op|u-2"


# What the application's callbacks see and decide.


def test_the_callbacks_get_user_account_and_profile(
    app: Flask, auth: JWTSession, browser: Browser
) -> None:
    asked: list[tuple[Any, ...]] = []

    @auth.sign_in_callback
    def may(user: Mapping[str, Any], account: Account, profile: Mapping[str, Any]) -> bool:
        asked.append((user, account, profile))
        return True

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "sign_in":
            asked.append((event.user, event.account, event.profile))
        return token

    def receive(sender: Flask, session: Session, user: Any, account: Account) -> None:
        asked.append((user, account, asked[0][2]))

    with signed_in.connected_to(receive, app):
        browser.sign_in()
    assert len(asked) == 3
    assert asked[0] == asked[1] == asked[2]
    user, account, profile = asked[0]
    assert user == {
        "id": "u-1",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "image": "https://op.example/ada.png",
    }
    assert account.access_token is not None
    assert account.id_token is not None
    assert profile["sub"] == "u-1"
    assert profile["aud"] == "app"


def test_the_jwt_callback_may_set_a_sub_of_its_own_at_sign_in(
    auth: JWTSession, browser: Browser
) -> None:
    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.account is not None:
            token["sub"] = "user-7"
        return token

    browser.sign_in()
    assert browser.account()["claims"]["sub"] == "user-7"
    assert browser.account()["account"]["provider_account_id"] == "u-1"


def test_a_profile_function_makes_the_user(clock: Clock, provider: FaultyProvider) -> None:
    app, auth = make_app(clock)
    auth.add_provider(
        "op",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        profile=lambda profile: {"name": profile["name"].upper(), "staff": True},
    )
    seen: list[Mapping[str, Any] | None] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        seen.append(event.user)
        return token

    browser = Browser(app, provider)
    browser.sign_in()
    assert seen == [{"id": "u-1", "name": "ADA LOVELACE", "staff": True}]
    assert claims_of(browser)["sub"] == "op|u-1"  # whatever the function makes


@pytest.mark.parametrize("answer", [False, None, 0, "", 1])
def test_only_true_lets_somebody_in(auth: JWTSession, browser: Browser, answer: object) -> None:
    auth.sign_in_callback(lambda user, account, profile: answer)
    refused = browser.sign_in()
    assert refused.location == "http://localhost/auth/error?error=AccessDenied"
    assert session_token(refused) is None
    assert not browser.is_signed_in()
    assert browser.transactions() == []
    page = browser.client.get(refused.location, headers=NAVIGATION)
    assert page.status_code == 403


def test_the_sign_in_callback_may_send_somebody_elsewhere(
    auth: JWTSession, browser: Browser
) -> None:
    auth.sign_in_callback(lambda user, account, profile: "/not-yet")
    assert browser.sign_in().location == "http://localhost/not-yet"
    assert not browser.is_signed_in()


def test_a_refusal_is_json_for_a_program(auth: JWTSession, browser: Browser) -> None:
    auth.sign_in_callback(lambda user, account, profile: False)
    path = browser.approve(browser.start())
    browser.accepts = {"Accept": "application/json"}
    refused = browser.come_back(path)
    assert (refused.status_code, problem_code(refused)) == (403, "access_denied")


def test_an_error_in_a_callback_is_the_applications(auth: JWTSession, browser: Browser) -> None:
    def mistake(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        raise RuntimeError("a mistake")

    auth.jwt_callback(mistake)
    assert browser.sign_in().status_code == 500
    auth.jwt_callback(lambda token, event: token)
    assert not browser.is_signed_in()


def test_a_session_that_does_not_fit_is_for_the_log_to_tell(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    app, auth = make_application(clock, provider, MAX_TOKEN_SIZE=1024)
    auth.jwt_callback(lambda token, event: {**token, "much": "x" * 2000})
    answer = Browser(app, provider).sign_in()
    assert answer.status_code == 413
    assert session_token(answer) is None
    assert "is not set up correctly" in answer.get_data(as_text=True)
    assert "JWTSESSION_PROVIDER_TOKENS" in caplog.text


# What is kept, and who sees it.


def test_sec_200_no_token_is_in_what_the_browser_sees(
    browser: Browser, provider: FaultyProvider
) -> None:
    browser.sign_in()
    shown = browser.client.get("/auth/session").get_data(as_text=True)
    assert "Ada Lovelace" in shown
    assert "op|u-1" not in shown
    token = browser.account()["claims"]
    for secret in provider.secrets_told:
        assert secret not in shown
        assert secret not in str(token)


def test_without_federated_sign_out_no_id_token_is_kept(browser: Browser) -> None:
    browser.sign_in()
    kept = claims_of(browser)["_session"]["account"]
    assert "access_token" in kept
    assert "id_token" not in kept


@pytest.mark.parametrize("federated", [False, True])
def test_no_provider_tokens_are_kept_where_none_are_wanted(
    clock: Clock, provider: FaultyProvider, federated: bool
) -> None:
    app, auth = make_application(
        clock, provider, PROVIDER_TOKENS="none", FEDERATED_SIGN_OUT=federated
    )
    seen: list[str | None] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.account is not None:
            seen.append(event.account.access_token)
        return token

    browser = Browser(app, provider)
    browser.sign_in()
    kept = claims_of(browser)["_session"]["account"]
    expected = {"provider", "type", "provider_account_id"} | ({"id_token"} if federated else set())
    assert kept.keys() == expected
    assert seen[0] in provider.secrets_told  # at sign-in the application can still take them


def test_the_account_outlives_an_update(browser: Browser) -> None:
    browser.sign_in()
    before = claims_of(browser)["_session"]
    answer = browser.client.post("/auth/session", json={"data": {}}, headers=SAME_ORIGIN)
    assert answer.status_code == 200
    assert session_token(answer) is not None
    assert claims_of(browser)["_session"] == before


def test_nothing_is_left_on_flask_g_or_in_flask_session(app: Flask, browser: Browser) -> None:
    app.config["SECRET_KEY"] = "k" * 32
    left: list[tuple[list[str], dict[str, Any]]] = []

    @app.after_request
    def look(response: Any) -> Any:
        left.append((list(g), dict(session)))
        return response

    browser.sign_in()
    assert left
    assert all(on_g == [] and in_session == {} for on_g, in_session in left)


# Where the browser goes.


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/account?a=1", "http://localhost/account?a=1"),
        ("http://localhost/x", "http://localhost/x"),
        (None, "http://localhost"),
        ("https://evil.example/", "http://localhost"),
        ("//evil.example", "http://localhost"),
        ("/auth/signin", "http://localhost"),
        ("/auth/callback/op?code=x", "http://localhost"),
    ],
)
def test_the_target_is_checked_before_it_goes_into_the_cookie(
    browser: Browser, wanted: str | None, target: str
) -> None:
    fields = {} if wanted is None else {"callbackUrl": wanted}
    started = browser.client.post("/auth/signin/op", data=fields, headers=SAME_ORIGIN)
    assert browser.come_back(browser.approve(started)).location == target


def test_the_redirect_callback_is_asked(auth: JWTSession, browser: Browser) -> None:
    auth.redirect_callback(lambda url, base_url: f"{base_url}/welcome")
    assert browser.sign_in().location == "http://localhost/welcome"


def test_two_tabs_can_sign_in_at_once(browser: Browser) -> None:
    first, second = browser.start(), browser.start()
    assert len(browser.transactions()) == 2
    assert browser.come_back(browser.approve(second)).status_code == 302
    assert browser.come_back(browser.approve(first)).location == "http://localhost/account"
    assert browser.transactions() == []


def test_sec_181_forty_abandoned_attempts_leave_five_cookies(browser: Browser) -> None:
    for _ in range(40):
        browser.start()
    assert len(browser.transactions()) == 5
    assert browser.sign_in().location == "http://localhost/account"


def test_sec_169_a_second_click_leads_to_the_application(
    browser: Browser, provider: FaultyProvider
) -> None:
    path = browser.approve(browser.start())
    browser.come_back(path)
    again = browser.come_back(path)
    assert (again.status_code, again.location) == (302, "http://localhost")
    assert session_token(again) is None
    assert provider.count("token") == 1


def test_sec_169_a_copied_transaction_cookie_is_taken_once(
    app: Flask, browser: Browser, provider: FaultyProvider
) -> None:
    started = browser.start()
    path = browser.approve(started)
    [name] = browser.transactions()
    cookie = f"{name}={set_cookies(started)[name].value}"
    answers = [
        app.test_client(use_cookies=False).get(path, headers={"Cookie": cookie, **NAVIGATION})
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [302, 400]
    assert provider.count("token") == 1


def test_sec_109_somebody_elses_callback_signs_nobody_in(
    app: Flask, browser: Browser, provider: FaultyProvider
) -> None:
    path = browser.approve(browser.start())
    victim = Browser(app, provider)
    answer = victim.come_back(path)
    assert answer.status_code == 400
    assert not victim.is_signed_in()
    assert provider.count("token") == 0


def test_sec_100_a_head_request_spends_nothing(browser: Browser, provider: FaultyProvider) -> None:
    path = browser.approve(browser.start())
    answer = browser.client.head(path)
    assert answer.status_code == 405
    assert provider.count("token") == 0
    assert browser.come_back(path).status_code == 302


def test_sec_180_the_callback_lets_no_referrer_out(browser: Browser) -> None:
    path = browser.approve(browser.start())
    for answer in (browser.come_back(path), Browser(browser.app, browser.provider).come_back(path)):
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_it_is_open_where_everything_is_protected(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider, PROTECT_ALL=True)
    browser = Browser(app, provider)
    assert browser.client.get("/account", headers=NAVIGATION).status_code == 302
    assert browser.sign_in().location == "http://localhost/account"
    assert browser.client.get("/account", headers=NAVIGATION).status_code == 200


def test_below_a_path_everything_is_below_it(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider)
    client = app.test_client()
    base_url = "http://localhost/shop"
    started = client.post(
        "/auth/signin/op",
        base_url=base_url,
        data={"callbackUrl": "/shop/account"},
        headers=SAME_ORIGIN,
    )
    sent = dict(parse_qsl(urlsplit(started.headers["Location"]).query))
    assert sent["redirect_uri"] == "http://localhost/shop/auth/callback/op"
    path = Browser(app, provider).approve(started).removeprefix("/shop")
    back = client.get(path, base_url=base_url, headers=NAVIGATION)
    assert back.location == "http://localhost/shop/account"


# A form that the provider sends, and cookies that do not come along.


class FormPost:
    """A browser at an application whose provider answers with a form (``form_post``), over https:
    with that POST of another site come the SameSite=None cookies alone.
    """

    def __init__(self, clock: Clock, provider: FaultyProvider) -> None:
        self.app, self.auth = make_app(clock)
        self.auth.add_provider(
            "op",
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            authorize_params={"response_mode": "form_post"},
        )
        self.browser = Browser(self.app, provider)

    def start(self) -> tuple[str, dict[str, str]]:
        """The cookie of a started sign-in, and the fields that the provider sends back."""
        started = self.app.test_client().post(
            "/auth/signin/op",
            base_url=HTTPS,
            headers={**SAME_ORIGIN, "X-Auth-Return-Redirect": "1"},
        )
        [cookie] = set_cookies(started).values()
        assert cookie.attributes["samesite"] == "None"
        assert "secure" in cookie.attributes
        assert "response_mode=form_post" in started.get_json()["url"]
        back = self.browser.approve(started)
        return f"{cookie.name}={cookie.value}", dict(parse_qsl(urlsplit(back).query))

    def post(self, cookie: str, fields: Mapping[str, str]) -> Any:
        return self.app.test_client(use_cookies=False).post(
            "/auth/callback/op",
            base_url=HTTPS,
            data=fields,
            headers={
                **NAVIGATION,
                "Cookie": cookie,
                "Sec-Fetch-Site": "cross-site",
                "Origin": self.browser.provider.issuer,
            },
        )


@pytest.fixture
def form_post(clock: Clock, provider: FaultyProvider) -> FormPost:
    return FormPost(clock, provider)


def test_sec_172_a_form_of_the_provider_signs_in(form_post: FormPost) -> None:
    cookie, fields = form_post.start()
    answer = form_post.post(cookie, fields)
    assert (answer.status_code, answer.location) == (302, HTTPS)
    assert session_token(answer, f"__Host-{SESSION}") is not None


def test_sec_172_without_the_transaction_cookie_it_signs_nobody_in(form_post: FormPost) -> None:
    _, fields = form_post.start()
    answer = form_post.post("", fields)
    assert answer.status_code == 400
    assert session_token(answer, f"__Host-{SESSION}") is None


def test_an_older_session_that_did_not_come_along_is_replaced_whole(form_post: FormPost) -> None:
    """A chunk that is left of it would be there for ever."""
    lines = set_cookies(form_post.post(*form_post.start()))
    name = f"__Host-{SESSION}"
    assert not lines[name].deletes
    assert lines[f"{name}.0"].deletes
    assert lines[f"{name}.1"].deletes


def test_a_chunked_session_replaces_a_whole_one_that_did_not_come_along(
    form_post: FormPost,
) -> None:
    """That one would win over the chunks, and the browser be who it was before."""
    form_post.auth.jwt_callback(lambda token, event: {**token, "much": "x" * 3000})
    lines = set_cookies(form_post.post(*form_post.start()))
    name = f"__Host-{SESSION}"
    assert lines[name].deletes
    assert not lines[f"{name}.0"].deletes


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"code=a", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"state=" + b"x" * 70_000, 413),
        ("application/x-www-form-urlencoded", b"code=%ff&state=%ff", 400),
        ("application/x-www-form-urlencoded", b"", 400),
    ],
)
def test_sec_171_another_body_is_refused(
    browser: Browser, content_type: str, body: bytes, status: int
) -> None:
    answer = browser.client.post("/auth/callback/op", data=body, content_type=content_type)
    assert answer.status_code == status


@pytest.mark.parametrize("query", ["\xff=1", "state=\xff", "state=a&state=b", ""])
def test_sec_171_a_broken_query_is_a_400(browser: Browser, query: str) -> None:
    answer = browser.client.get("/auth/callback/op", environ_overrides={"QUERY_STRING": query})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["code", "iss", "error"])
def test_sec_171_no_parameter_comes_twice(
    browser: Browser, provider: FaultyProvider, name: str
) -> None:
    path = browser.approve(browser.start())
    assert browser.come_back(f"{path}&{name}=a&{name}=b").status_code == 400
    assert provider.count("token") == 0
    assert browser.transactions() == []


def test_a_strict_session_cookie_is_not_lost_on_the_way(
    clock: Clock, provider: FaultyProvider
) -> None:
    """A browser keeps such a cookie out of a redirect that began at the provider, but sends it with
    what a page of this site leads to.
    """
    app, _ = make_application(clock, provider, COOKIE_SAMESITE="Strict")
    answer = Browser(app, provider).sign_in()
    assert answer.status_code == 200
    assert set_cookies(answer)[SESSION].attributes["samesite"] == "Strict"
    page = answer.get_data(as_text=True)
    assert '<meta http-equiv="refresh" content="0; url=http://localhost/account">' in page
    assert "<script" not in page
    assert answer.headers["Referrer-Policy"] == "no-referrer"


# Errors, as pages and as JSON.


def test_sec_170_an_error_of_the_provider_is_a_page(browser: Browser) -> None:
    browser.start()
    path = browser.approve(browser.start())
    parameters = dict(parse_qsl(urlsplit(path).query))
    del parameters["code"]
    parameters |= {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
    answer = browser.come_back(f"/auth/callback/op?{urlencode(parameters)}")
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert "You are not signed in" in page
    assert "alert" not in page
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert not browser.is_signed_in()
    assert len(browser.transactions()) == 1  # that of the other tab


def test_where_they_wanted_to_go_is_not_lost_with_the_attempt(browser: Browser) -> None:
    path = browser.approve(browser.start())
    state = dict(parse_qsl(urlsplit(path).query))["state"]
    query = urlencode({"error": "access_denied", "state": state, "iss": browser.provider.issuer})
    page = browser.come_back(f"/auth/callback/op?{query}").get_data(as_text=True)
    assert '<a class="button" href="/auth/signin?callbackUrl=%2Faccount">Try again</a>' in page


def test_an_applications_own_error_page_is_told_of_it_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, PAGES={"error": "/oops"})
    browser = Browser(app, provider)
    path = browser.approve(browser.start())
    with provider.failing("token is 500"):
        answer = browser.come_back(path)
    assert answer.location == (
        "http://localhost/oops?error=OAuthCallbackError&callbackUrl=%2Faccount"
    )


def test_an_error_is_problem_json_for_a_program(browser: Browser) -> None:
    answer = browser.client.get("/auth/callback/op?state=x", headers={"Accept": "application/json"})
    assert (answer.status_code, problem_code(answer)) == (400, "provider_error")


def test_an_applications_own_error_page_is_told(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider, PAGES={"error": "/oops"})
    answer = Browser(app, provider).come_back("/auth/callback/op?state=x")
    assert answer.location == "http://localhost/oops?error=OAuthCallbackError"


@pytest.mark.parametrize(
    "path", ["/auth/callback/other", "/auth/callback/OP", "/auth/callback/op%0d%0ax"]
)
def test_sec_173_an_unknown_provider_is_not_found(browser: Browser, path: str) -> None:
    assert browser.client.get(path).status_code == 404
    assert browser.client.post(path).status_code == 404
