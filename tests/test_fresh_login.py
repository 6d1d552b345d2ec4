"""``fresh_login_required`` for somebody who signed in with a provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from flask_jwtsession import fresh_login_required, login_required, sign_in

from .browsing import problem_code
from .integration.provider_sign_in import Browser, make_application
from .peers.faulty_provider import FaultyProvider
from .scenes import cookie_of
from .support import NAVIGATION, SAME_ORIGIN, Clock, make_app


@pytest.fixture
def browser(clock: Clock, provider: FaultyProvider) -> Browser:
    """Somebody who signed in, at an application whose ``/fresh`` wants a login of the last
    minute.
    """
    browser = Browser(make_application(clock, provider)[0], provider)
    browser.sign_in()
    return browser


def fresh(browser: Browser, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser.client.get("/fresh", headers={**NAVIGATION, **sent})


def asked(response: TestResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def test_sec_090_they_are_sent_to_the_provider_to_log_in(browser: Browser) -> None:
    answer = fresh(browser)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{browser.provider.issuer}/authorize?")
    assert (asked(answer)["prompt"], asked(answer)["max_age"]) == ("login", "60")
    back = browser.come_back(browser.approve(answer))
    assert back.location == "http://localhost/fresh"
    assert fresh(browser).get_data(as_text=True) == "fresh"


def test_sec_090_what_was_fresh_grows_old(browser: Browser, clock: Clock) -> None:
    browser.come_back(browser.approve(fresh(browser)))
    clock.advance(60)
    assert fresh(browser).status_code == 200
    clock.advance(1)
    assert fresh(browser).status_code == 302


def test_sec_090_a_sign_in_without_a_login_there_is_not_fresh(browser: Browser) -> None:
    """Where the person is still signed in, the provider lets them pass without a word; whoever
    sits at an open browser could do that.
    """
    browser.sign_in()
    assert fresh(browser).status_code == 302


def test_sec_175_a_login_that_was_too_long_ago_is_refused(browser: Browser) -> None:
    started = fresh(browser)
    browser.provider.seconds_since_sign_in = 61
    answer = browser.come_back(browser.approve(started))
    assert answer.status_code == 502
    assert browser.is_signed_in()  # as before
    assert fresh(browser).status_code == 302


def test_the_consent_that_is_configured_is_asked_for_too(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, auth = make_app(clock)
    auth.add_provider(
        "op",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        authorize_params={"prompt": "consent"},
    )
    answer = app.test_client().post("/auth/signin/op", data={"max_age": "600"}, headers=SAME_ORIGIN)
    assert asked(answer)["prompt"] == "login consent"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_sec_100_a_link_from_another_site_starts_no_sign_in(browser: Browser, site: str) -> None:
    answer = fresh(browser, Sec_Fetch_Site=site)
    assert answer.location == "/auth/signin?callbackUrl=%2Ffresh&max_age=60"
    assert browser.transactions() == []
    page = browser.client.get(answer.location).get_data(as_text=True)
    assert 'name="max_age" value="60"' in page


def test_the_sign_in_page_leads_to_a_fresh_login_too(browser: Browser) -> None:
    started = browser.client.post(
        "/auth/signin/op", data={"max_age": "60", "callbackUrl": "/fresh"}, headers=SAME_ORIGIN
    )
    assert (asked(started)["prompt"], asked(started)["max_age"]) == ("login", "60")
    browser.come_back(browser.approve(started))
    assert fresh(browser).status_code == 200


@pytest.mark.parametrize("value", ["", "-1", "1.5", "1e3", "x", "1" * 10, "١٢"])
def test_a_max_age_that_is_none_is_refused(browser: Browser, value: str) -> None:
    answer = browser.client.post("/auth/signin/op", data={"max_age": value}, headers=SAME_ORIGIN)
    assert (answer.status_code, problem_code(answer)) == (400, "invalid_max_age")
    assert browser.transactions() == []


@pytest.mark.parametrize("value", ["x", "-1", "<script>"])
def test_the_sign_in_page_leaves_out_a_max_age_that_is_none(browser: Browser, value: str) -> None:
    page = browser.client.get("/auth/signin", query_string={"max_age": value})
    assert page.status_code == 200
    assert "max_age" not in page.get_data(as_text=True)


def test_a_program_is_told_that_a_fresh_login_is_needed(browser: Browser) -> None:
    answer = browser.client.get("/fresh")
    assert (answer.status_code, problem_code(answer)) == (401, "fresh_login_required")
    assert browser.transactions() == []


def test_a_provider_that_is_down_leaves_the_sign_in_page(
    clock: Clock, provider: FaultyProvider
) -> None:
    """In a worker that has not asked it anything yet."""
    app, _ = make_application(clock, provider)
    block = {
        "account": {"provider": "op", "type": "oidc", "provider_account_id": "u-1"},
        "authenticated_at": None,
    }
    with provider.down():
        answer = app.test_client(use_cookies=False).get(
            "/fresh", headers={**NAVIGATION, "Cookie": cookie_of(app, _session=block)}
        )
    assert answer.location == "/auth/signin?callbackUrl=%2Ffresh&max_age=60"


def vault(clock: Clock, **config: Any) -> Flask:
    """An application with GitHub and a page for the freshly signed in."""
    app, auth = make_app(clock, **config)
    auth.add_provider("github", client_id="x", client_secret="y")

    @app.get("/vault")
    @fresh_login_required
    def show() -> str:
        return "vault"

    return app


def test_a_provider_that_cannot_confirm_it_is_not_asked(clock: Clock) -> None:
    app = vault(clock)
    block = {
        "account": {"provider": "github", "type": "oauth", "provider_account_id": "7"},
        "authenticated_at": None,
    }
    client = app.test_client(use_cookies=False)
    answer = client.get("/vault", headers={**NAVIGATION, "Cookie": cookie_of(app, _session=block)})
    assert answer.location == "/auth/signin?callbackUrl=%2Fvault&max_age=900"
    page = client.get(answer.location).get_data(as_text=True)
    assert "GitHub" not in page
    assert "None of the ways to sign in here can show that" in page
    started = client.post("/auth/signin/github", data={"max_age": "900"}, headers=SAME_ORIGIN)
    assert (started.status_code, problem_code(started)) == (400, "cannot_confirm")


def test_a_password_is_as_fresh_as_its_sign_in(clock: Clock) -> None:
    app = vault(clock)
    headers = {**NAVIGATION, "Cookie": cookie_of(app)}
    client = app.test_client(use_cookies=False)
    assert client.get("/vault", headers=headers).status_code == 200
    clock.advance(901)
    assert client.get("/vault", headers=headers).status_code == 302


def who_is_let_in(**config: Any) -> tuple[int, ...]:
    """The statuses of a page for anybody and of one for those who just signed in, for somebody who
    was signed in without having proved who they are; and of the latter after they did.
    """
    app, auth = make_app(Clock(), **config)

    @auth.reauth_callback
    def again(claims: dict[str, Any]) -> dict[str, Any]:
        return {"name": "Ada"}

    def take_over() -> str:
        sign_in({"id": "u1"}, fresh="known" in request.args)
        return ""

    app.add_url_rule("/take-over", "take_over", take_over)
    app.add_url_rule("/any", "any", login_required(lambda: ""))
    app.add_url_rule("/fresh", "fresh", fresh_login_required(max_age=999_999_999)(lambda: ""))
    client = app.test_client()
    client.get("/take-over")
    statuses = [client.get(path).status_code for path in ("/any", "/fresh")]
    client.get("/take-over?known")
    return (*statuses, client.get("/fresh").status_code)


@pytest.mark.parametrize("config", [{}, {"TOKEN_FORMAT": "signed"}, {"REFRESH_COOKIE": True}])
def test_who_is_taken_over_from_something_else_is_not_fresh(config: dict[str, Any]) -> None:
    assert who_is_let_in(**config) == (200, 401, 200)


def test_not_being_fresh_outlives_the_access_cookie(clock: Clock) -> None:
    app, auth = make_app(clock, REFRESH_COOKIE=True, MAX_AGE=60)

    @auth.reauth_callback
    def again(claims: dict[str, Any]) -> dict[str, Any]:
        return {"name": "Ada"}

    def take_over() -> str:
        sign_in({"id": "u1"}, fresh=False)
        return ""

    app.add_url_rule("/take-over", "take_over", take_over)
    app.add_url_rule("/fresh", "fresh", fresh_login_required(max_age=999_999_999)(lambda: ""))
    client = app.test_client()
    client.get("/take-over")
    clock.advance(61)
    response = client.get("/fresh")
    assert (response.status_code, problem_code(response)) == (401, "fresh_login_required")
