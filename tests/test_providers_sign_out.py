"""``JWTSESSION_FEDERATED_SIGN_OUT``: signed out at the provider too, after here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import Account, sign_out
from flask_jwtsession.lifecycle.binding import Binding
from flask_jwtsession.providers import sign_out as module
from flask_jwtsession.providers.provider import Provider

from .integration.provider_sign_in import JSON, Browser, make_application
from .peers.faulty_provider import FaultyProvider
from .support import NAVIGATION, SAME_ORIGIN, Clock, binding_of, make_app, set_cookies


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released once for every revocation that has come to its end."""
    done = threading.Semaphore(0)
    revoke: Callable[[Provider, str, str], None] = Provider._revoke

    def revoke_and_tell(provider: Provider, token: str, hint: str) -> None:
        revoke(provider, token, hint)
        done.release()

    monkeypatch.setattr(Provider, "_revoke", revoke_and_tell)
    return done


@pytest.fixture
def browser(clock: Clock, provider: FaultyProvider, revoked: threading.Semaphore) -> Browser:
    """Somebody who signed in with the provider."""
    app, _ = make_application(clock, provider, FEDERATED_SIGN_OUT=True)
    browser = Browser(app, provider)
    browser.sign_in()
    return browser


def leave(browser: Browser, **fields: str) -> TestResponse:
    return browser.client.post(
        "/auth/signout", data={"callbackUrl": "/bye", **fields}, headers=SAME_ORIGIN
    )


def sent(response: TestResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def test_sec_190_the_browser_is_sent_to_the_providers_end_session_endpoint(
    browser: Browser,
) -> None:
    answer = leave(browser)
    assert answer.headers["Location"].startswith(f"{browser.provider.url('end_session')}?")
    parameters = sent(answer)
    assert parameters["client_id"] == "app"
    assert parameters["post_logout_redirect_uri"] == "http://localhost/auth/signout/callback"
    assert parameters["id_token_hint"].count(".") == 2
    assert not browser.is_signed_in()


def test_sec_190_it_comes_back_to_where_it_wanted_to_go(browser: Browser) -> None:
    state = sent(leave(browser))["state"]
    answer = browser.client.get(f"/auth/signout/callback?state={state}")
    assert (answer.status_code, answer.location) == (302, "http://localhost/bye")
    assert browser.transactions() == []


@pytest.mark.parametrize("query", ["", "?state=", "?state=x", "?state=a&state=b", "?state=%00"])
def test_sec_190_without_its_state_it_goes_to_the_start(browser: Browser, query: str) -> None:
    leave(browser)
    answer = browser.client.get(f"/auth/signout/callback{query}")
    assert (answer.status_code, answer.location) == (302, "http://localhost")


def test_sec_190_the_state_of_a_sign_in_is_none_of_a_sign_out(browser: Browser) -> None:
    started = browser.start()
    state = sent(started)["state"]
    answer = browser.client.get(f"/auth/signout/callback?state={state}")
    assert answer.location == "http://localhost"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "javascript:x"])
def test_sec_190_no_other_site_is_a_target(browser: Browser, target: str) -> None:
    state = sent(leave(browser, callbackUrl=target))["state"]
    answer = browser.client.get(f"/auth/signout/callback?state={state}")
    assert answer.location == "http://localhost"


def test_sec_190_the_query_cannot_choose_where_the_provider_sends_the_browser(
    browser: Browser,
) -> None:
    answer = browser.client.post(
        "/auth/signout?post_logout_redirect_uri=https://evil.example&id_token_hint=x",
        headers=SAME_ORIGIN,
    )
    assert sent(answer)["post_logout_redirect_uri"] == "http://localhost/auth/signout/callback"
    assert sent(answer)["id_token_hint"] != "x"


def test_a_program_is_told_where_to_go(browser: Browser) -> None:
    answer = browser.client.post("/auth/signout", headers={**SAME_ORIGIN, **JSON})
    assert answer.get_json()["url"].startswith(browser.provider.url("end_session"))


def test_sec_192_the_refresh_token_is_revoked(
    browser: Browser, revoked: threading.Semaphore
) -> None:
    token = browser.account()["account"]["refresh_token"]
    leave(browser)
    assert revoked.acquire(timeout=20)
    [request] = browser.provider.requests_to("revoke")
    assert request.form["token"] == token
    assert request.form["token_type_hint"] == "refresh_token"
    assert request.headers["Authorization"].startswith("Basic ")


def test_sec_192_the_verb_revokes_too(
    clock: Clock, provider: FaultyProvider, revoked: threading.Semaphore
) -> None:
    app, _ = make_application(clock, provider, FEDERATED_SIGN_OUT=True)

    @app.post("/leave")
    def bye() -> str:
        sign_out()
        return "bye"

    browser = Browser(app, provider)
    browser.sign_in()
    assert browser.client.post("/leave", headers=SAME_ORIGIN).status_code == 200
    assert revoked.acquire(timeout=20)
    assert browser.provider.count("revoke") == 1
    assert not browser.is_signed_in()


def test_sec_191_a_provider_that_is_down_holds_nothing_up(
    browser: Browser, revoked: threading.Semaphore, caplog: pytest.LogCaptureFixture
) -> None:
    with browser.provider.down():
        answer = leave(browser)
        assert revoked.acquire(timeout=20)
    assert answer.status_code == 302
    assert not browser.is_signed_in()
    assert "a token was not revoked (revocation_unreachable)" in caplog.text
    assert not [secret for secret in browser.provider.secrets_told if secret in caplog.text]


def test_sec_191_a_provider_of_which_nothing_is_known_is_not_waited_for(
    clock: Clock,
    browser: Browser,
    revoked: threading.Semaphore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a worker that has not asked it anything yet, while it hangs."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    fresh_worker, _ = make_application(clock, browser.provider, FEDERATED_SIGN_OUT=True)
    cookie = browser.client.get_cookie("jwtsession.session-token")
    assert cookie is not None
    with browser.provider.failing("metadata hangs"):
        answer = fresh_worker.test_client(use_cookies=False).post(
            "/auth/signout",
            data={"callbackUrl": "/bye"},
            headers={**SAME_ORIGIN, "Cookie": f"{cookie.key}={cookie.value}"},
        )
        assert answer.location == "http://localhost/bye"
        assert set_cookies(answer)["jwtsession.session-token"].deletes
        browser.provider.released.set()
        assert revoked.acquire(timeout=20)


def test_revocations_that_wait_for_a_provider_do_not_gather(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    provider = binding_of(browser.app).providers["op"]
    while provider._revocations.acquire(blocking=False):
        pass  # as many as may be under way
    leave(browser)
    assert "too many are waiting" in caplog.text
    assert browser.provider.count("revoke") == 0
    assert not browser.is_signed_in()


def test_without_the_setting_the_sign_out_is_local(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider)
    browser = Browser(app, provider)
    browser.sign_in()
    answer = leave(browser)
    assert answer.location == "http://localhost/bye"
    assert provider.count("revoke") == 0


def test_a_provider_without_the_endpoint_leaves_it_local(
    clock: Clock, provider: FaultyProvider, revoked: threading.Semaphore
) -> None:
    app, auth = make_app(clock, FEDERATED_SIGN_OUT=True)
    auth.add_provider(
        "op",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        end_session_endpoint=None,
    )
    browser = Browser(app, provider)
    browser.sign_in()
    assert leave(browser).location == "http://localhost/bye"
    assert revoked.acquire(timeout=20)


def test_cognito_gets_the_parameters_that_it_knows(clock: Clock, provider: FaultyProvider) -> None:
    app, auth = make_app(clock, FEDERATED_SIGN_OUT=True, PROVIDER_TOKENS="none")
    auth.add_provider(
        "cognito",
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        client_kwargs={"token_endpoint_auth_method": "client_secret_basic"},
    )
    browser = Browser(app, provider)
    browser.sign_in("cognito")
    answer = leave(browser)
    assert sent(answer) == {
        "client_id": "app",
        "logout_uri": "http://localhost/auth/signout/callback",
    }


@pytest.mark.parametrize("signed_in", [True, False])
def test_whoever_has_no_provider_is_signed_out_here(clock: Clock, signed_in: bool) -> None:
    app, auth = make_app(clock, FEDERATED_SIGN_OUT=True)
    auth.credentials(lambda fields: {"id": "u1", "name": "Ada"})
    client = app.test_client()
    if signed_in:
        client.post("/auth/callback/credentials", data={}, headers=SAME_ORIGIN)
    answer = client.post("/auth/signout", data={"callbackUrl": "/bye"}, headers=SAME_ORIGIN)
    assert answer.location == "http://localhost/bye"


def test_the_page_lets_its_form_lead_to_the_provider(browser: Browser) -> None:
    """A browser applies form-action to the redirect that answers the form."""
    policy = browser.client.get("/auth/signout", headers=NAVIGATION).headers[
        "Content-Security-Policy"
    ]
    assert "form-action" not in policy
    assert "default-src 'none'" in policy


def test_a_provider_that_was_taken_out_is_not_missed(
    browser: Browser, revoked: threading.Semaphore
) -> None:
    binding: Binding = binding_of(browser.app)
    binding.providers.clear()
    assert leave(browser).location == "http://localhost/bye"


def test_tokens_go_nowhere_in_a_url(browser: Browser) -> None:
    account: dict[str, Any] = browser.account()["account"]
    url = leave(browser).headers["Location"]
    assert account["access_token"] not in url
    assert account["refresh_token"] not in url


def test_a_get_signs_nobody_out(browser: Browser, app: Flask) -> None:
    assert browser.client.get("/auth/signout", headers=NAVIGATION).status_code == 200
    assert browser.is_signed_in()
    assert browser.provider.count("revoke") == 0


def test_over_plain_http_no_cookie_is_set_for_the_way_back(
    browser: Browser, revoked: threading.Semaphore
) -> None:
    cookie = browser.client.get_cookie("jwtsession.session-token")
    assert cookie is not None
    answer = browser.app.test_client(use_cookies=False).post(
        "/auth/signout",
        base_url="http://app.test",
        headers={**SAME_ORIGIN, "Cookie": f"{cookie.key}={cookie.value}"},
    )
    assert answer.location == "http://app.test"  # signed out here
    assert set(set_cookies(answer)) == {"jwtsession.session-token"}
    assert revoked.acquire(timeout=20)


def test_sec_191_where_no_thread_can_be_had_the_sign_out_goes_on(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(20):  # and keeps none of the few places
        module.revoke_tokens(binding_of(browser.app), ACCOUNT)
    assert "no thread can be had" in caplog.text
    assert "too many are waiting" not in caplog.text


ACCOUNT = Account(
    provider="op", type="oidc", provider_account_id="u-1", refresh_token="a refresh token"
)
