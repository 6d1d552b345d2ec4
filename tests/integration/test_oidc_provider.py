"""Sign-in with a certified provider: the real pages and tokens of panva's ``oidc-provider``."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
import requests
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import (
    JWTSession,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
)

from ..node_server import DEADLINE
from ..oidc_provider import Callback, OidcProvider, Person, Refused
from ..serving.thread import served
from ..support import (
    HTTPS,
    NAVIGATION,
    SAME_ORIGIN,
    Clock,
    binding_of,
    make_app,
    set_cookies,
    unseal,
)

ORIGIN = "http://localhost"
SESSION_COOKIE = "jwtsession.session-token"
CLIENT_SECRET = secrets.token_urlsafe(32)
#: Headers of a browser that the provider sends back.
FROM_PROVIDER = {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}
ON_OUR_PAGE = {**NAVIGATION, **SAME_ORIGIN}
#: With the consent page each time: without it this provider gives no refresh token.
OFFLINE = {
    "client_kwargs": {"scope": "openid profile email offline_access"},
    "authorize_params": {"prompt": "consent"},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def ada() -> Iterator[Person]:
    with Person("ada") as person:
        yield person


@pytest.fixture
def client(provider: OidcProvider) -> FlaskClient:
    return make_site(provider).test_client()


# The application, and what a browser does there.


def make_site(
    provider: OidcProvider,
    clock: Clock | None = None,
    *,
    origin: str = ORIGIN,
    registered: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **config: Any,
) -> Flask:
    """An app with the provider ``op``, registered there as the client ``app``.

    :param registered: more metadata of the client at the provider
    :param options: more of ``add_provider``
    """
    app, auth = make_app(clock, **config)
    add_op(auth, provider, "op", "app", origin=origin, registered=registered, options=options)
    add_views(app)
    return app


def add_op(
    auth: JWTSession,
    provider: OidcProvider,
    name: str,
    client_id: str,
    *,
    origin: str = ORIGIN,
    registered: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> None:
    metadata = {
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{origin}/auth/callback/{name}"],
        "post_logout_redirect_uris": [f"{origin}/auth/signout/callback"],
        **(registered or {}),
    }
    present = {member: value for member, value in metadata.items() if value is not None}
    provider.register(client_id, **present)
    given = {"client_secret": CLIENT_SECRET, **(options or {})}
    auth.add_provider(name, issuer=provider.issuer, client_id=client_id, **given)


def add_views(app: Flask) -> None:
    @app.get("/")
    def start() -> str:
        return f"hello {current_user['name'] if current_user else 'nobody'}"

    @app.get("/private")
    @login_required
    def private() -> str:
        return f"private {current_user['name']}"

    @app.get("/payment")
    @fresh_login_required(max_age=60)
    def payment() -> str:
        return "paid"

    @app.get("/account")
    def account() -> Any:
        kept = current_session.account
        return jsonify(
            None
            if kept is None
            else {
                "provider": kept.provider,
                "type": kept.type,
                "provider_account_id": kept.provider_account_id,
                "access_token": kept.access_token,
                "refresh_token": kept.refresh_token,
                "expires_at": kept.expires_at,
                "scope": kept.scope,
                "token_type": kept.token_type,
                "id_token": kept.id_token,
            }
        )


def start(
    client: FlaskClient,
    target: str = "/private",
    *,
    name: str = "op",
    query: str = "",
    origin: str = ORIGIN,
) -> str:
    """The authorization request that the button of ``name`` leads to."""
    response = client.post(
        f"/auth/signin/{name}{query}",
        base_url=origin,
        data={"callbackUrl": target},
        headers=ON_OUR_PAGE,
    )
    assert response.status_code == 302, response.text
    return response.location


def finish(client: FlaskClient, callback: Callback, *, accept: str | None = None) -> TestResponse:
    """The browser comes back from the provider, as it sent it."""
    headers = dict(FROM_PROVIDER)
    if accept is not None:
        headers |= {"Accept": accept, "Sec-Fetch-Mode": "cors"}
    if callback.form is None:
        return client.get(callback.url, headers=headers)
    return client.post(callback.url, data=callback.form, headers={**headers, "Origin": "null"})


def sign_in(client: FlaskClient, person: Person, **more: Any) -> TestResponse:
    response = finish(client, person.sign_in(start(client, **more)))
    assert response.status_code == 302, response.text
    return response


def account_of(client: FlaskClient, origin: str = ORIGIN) -> dict[str, Any]:
    account: dict[str, Any] = client.get("/account", base_url=origin).get_json()
    return account


def claims_of(client: FlaskClient, domain: str = "localhost") -> dict[str, Any] | None:
    """All claims of the browser's session; None if nobody is signed in."""
    cookie = client.get_cookie(SESSION_COOKIE, domain)
    return None if cookie is None else unseal(client.application, cookie.value)


def login_cookies(client: FlaskClient) -> list[str]:
    """The browser's attempts to sign in that are under way."""
    return [
        cookie.key
        for cookie in (client._cookies or {}).values()
        if cookie.key.startswith("jwtsession.login.")
    ]


def redeemed(provider: OidcProvider) -> int:
    """How many codes have been sent to the provider, by all tests."""
    return len(provider.calls("token", "authorization_code"))


def with_parameters(url: str, **changed: str | None) -> str:
    """A URL with other query parameters; None takes one out."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changed}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


def code_of(response: TestResponse) -> str:
    assert response.mimetype == "application/problem+json"
    return str(response.get_json(force=True)["code"])


# Signing in.


def test_a_person_signs_in_on_the_pages_of_the_provider(client: FlaskClient, ada: Person) -> None:
    callback = ada.sign_in(start(client, "/private?page=2"))
    assert ada.pages == ["login", "consent"]
    response = finish(client, callback)
    assert (response.status_code, response.location) == (302, f"{ORIGIN}/private?page=2")
    assert client.get(response.location).text == "private Ada"
    claims = claims_of(client)
    assert claims is not None
    assert {name: claims[name] for name in ("sub", "name", "email", "picture")} == {
        "sub": "op|ada",
        "name": "Ada",
        "email": "ada@example.com",
        "picture": "https://pictures.example/ada.png",
    }


def test_who_was_on_a_guarded_page_signs_in_and_is_back_on_it(
    client: FlaskClient, ada: Person
) -> None:
    refused = client.get("/private?page=2", headers=NAVIGATION)
    page = client.get(refused.location, headers=NAVIGATION).text
    assert 'action="/auth/signin/op"' in page
    assert 'name="callbackUrl" value="/private?page=2"' in page
    assert sign_in(client, ada, target="/private?page=2").location == f"{ORIGIN}/private?page=2"


def test_the_tokens_of_the_account_are_good_at_the_provider(
    provider: OidcProvider, ada: Person
) -> None:
    client = make_site(provider, options=OFFLINE).test_client()
    before = time.time()
    sign_in(client, ada)
    account = account_of(client)
    assert before + 60 <= account.pop("expires_at") <= time.time() + 60
    access_token, refresh_token = account.pop("access_token"), account.pop("refresh_token")
    assert account == {
        "provider": "op",
        "type": "oidc",
        "provider_account_id": "ada",
        "scope": "openid profile email offline_access",
        "token_type": "Bearer",
        "id_token": None,
    }
    for token in (access_token, refresh_token):
        assert provider.is_active(token, "app", CLIENT_SECRET)
    userinfo = requests.get(
        provider.metadata()["userinfo_endpoint"],
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=DEADLINE,
    )
    assert userinfo.json()["sub"] == "ada"


def test_no_token_is_kept_where_none_is_wanted(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, options=OFFLINE, PROVIDER_TOKENS="none").test_client()
    sign_in(client, ada)
    account = account_of(client)
    assert account.pop("provider_account_id") == "ada"
    assert [name for name, value in account.items() if value is not None] == ["provider", "type"]


def test_the_browser_sees_no_token(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, options=OFFLINE).test_client()
    callback = ada.sign_in(start(client))
    response = finish(client, callback)
    account = account_of(client)
    public = client.get("/auth/session").get_json()
    assert public.keys() == {"user", "expires"}
    shown = json.dumps(public) + response.text + str(response.headers)
    for secret in (account["access_token"], account["refresh_token"], callback.parameters["code"]):
        assert secret not in shown
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response.headers["Cache-Control"]


def test_the_application_hears_who_it_is_and_what_the_provider_says(
    provider: OidcProvider, ada: Person
) -> None:
    app, auth = make_app()
    add_op(auth, provider, "op", "app", options=OFFLINE)
    heard: list[tuple[Any, Any, Any]] = []

    @auth.sign_in_callback
    def hear(user: Any, account: Any, profile: Any) -> bool:
        heard.append((user, account, profile))
        return True

    sign_in(app.test_client(), ada)
    [(user, account, profile)] = heard
    assert user["id"] == account.provider_account_id == profile["sub"] == "ada"
    assert account.refresh_token
    # From the userinfo endpoint, and from the ID token.
    assert (profile["email_verified"], profile["preferred_username"]) == (True, "ada")
    assert (profile["iss"], profile["aud"]) == (provider.issuer, "app")


def test_the_application_may_refuse_somebody(provider: OidcProvider, ada: Person) -> None:
    app, auth = make_app()
    add_op(auth, provider, "op", "app")

    @auth.sign_in_callback
    def only_grace(user: Any, account: Any, profile: Any) -> bool:
        return bool(user["id"] == "grace")

    client = app.test_client()
    response = finish(client, ada.sign_in(start(client)))
    assert response.location.endswith("/auth/error?error=AccessDenied")
    assert claims_of(client) is None
    with Person("grace") as grace:
        sign_in(client, grace)
    assert claims_of(client) is not None


def test_everybody_has_an_account_of_their_own(client: FlaskClient, ada: Person) -> None:
    subjects = []
    with Person("grace") as grace:
        for person in (ada, grace, ada):
            sign_in(client, person)
            subjects.append((claims_of(client) or {})["sub"])
    assert subjects == ["op|ada", "op|grace", "op|ada"]
    assert ada.pages == ["login", "consent"]  # once: the provider knows her the second time


def test_the_authorization_request_says_what_it_has_to(
    provider: OidcProvider, client: FlaskClient
) -> None:
    url = start(client, query="?login_hint=ada&ui_locales=eo&scope=admin&redirect_uri=x&nonce=y")
    assert url.startswith(provider.metadata()["authorization_endpoint"] + "?")
    asked = parse_qs(urlsplit(url).query)
    assert all(len(values) == 1 for values in asked.values())
    for random in ("state", "nonce", "code_challenge"):
        assert len(asked.pop(random)[0]) >= 32
    assert asked == {
        "response_type": ["code"],
        "client_id": ["app"],
        "redirect_uri": [f"{ORIGIN}/auth/callback/op"],
        "scope": ["openid profile email"],
        "code_challenge_method": ["S256"],
        "login_hint": ["ada"],
        "ui_locales": ["eo"],
    }


def test_a_program_is_told_where_to_go(client: FlaskClient, ada: Person) -> None:
    response = client.post(
        "/auth/signin/op",
        data={"callbackUrl": "/private"},
        headers={**SAME_ORIGIN, "X-Auth-Return-Redirect": "1"},
    )
    assert response.status_code == 200
    assert finish(client, ada.sign_in(response.get_json()["url"])).status_code == 302
    assert claims_of(client) is not None


def test_what_the_provider_publishes_is_fetched_once(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider).test_client()
    endpoints = ("discovery", "jwks", "token", "userinfo")
    before = [len(provider.calls(endpoint)) for endpoint in endpoints]
    for _ in range(2):
        sign_in(client, ada)
    after = [len(provider.calls(endpoint)) for endpoint in endpoints]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2, 2]


def test_many_first_sign_ins_at_once_fetch_it_once(provider: OidcProvider) -> None:
    site = make_site(provider)
    before = len(provider.calls("discovery"))
    barrier = threading.Barrier(8)

    def begin(_: int) -> str:
        barrier.wait(DEADLINE)
        return start(site.test_client())

    with ThreadPoolExecutor(8) as pool:
        requests_of_each = set(pool.map(begin, range(8)))
    assert len(requests_of_each) == 8
    assert len(provider.calls("discovery")) == before + 1


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_a_client_authenticates_as_it_is_registered(
    provider: OidcProvider, ada: Person, method: str
) -> None:
    options: dict[str, Any] = {"client_kwargs": {"token_endpoint_auth_method": method}}
    registered: dict[str, Any] = {"token_endpoint_auth_method": method}
    if method == "none":
        options["client_secret"] = registered["client_secret"] = None
    client = make_site(provider, options=options, registered=registered).test_client()
    sign_in(client, ada)
    assert claims_of(client) is not None
    assert provider.calls("token")[-1]["client_id"] == "app"


def test_a_client_secret_may_have_any_characters(provider: OidcProvider, ada: Person) -> None:
    secret = "a b+c:d/e%41&f=g~\\\"'"  # RFC 6749 section 2.3.1 has them encoded
    site = make_site(
        provider, options={"client_secret": secret}, registered={"client_secret": secret}
    )
    client = site.test_client()
    sign_in(client, ada)
    assert claims_of(client) is not None


def test_a_wrong_client_secret_signs_nobody_in(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, options={"client_secret": "not the one"}).test_client()
    response = finish(client, ada.sign_in(start(client)))
    assert response.status_code == 502
    assert "not the one" not in response.text
    assert claims_of(client) is None
    assert provider.calls("token")[-1]["error"] == "invalid_client"


def test_new_keys_of_the_provider_are_found(provider: OidcProvider, ada: Person) -> None:
    clock = Clock(time.time())
    client = make_site(provider, clock).test_client()
    sign_in(client, ada)
    for change in (provider.rotate_keys, provider.replace_keys):
        clock.advance(31)  # key sets are not fetched more often than every 30 s
        fetched = len(provider.calls("jwks"))
        change()
        sign_in(client, ada)
        assert len(provider.calls("jwks")) == fetched + 1


def test_over_https_every_cookie_is_bound_to_the_host(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, origin=HTTPS).test_client()
    response = client.post(
        "/auth/signin/op", base_url=HTTPS, data={"callbackUrl": "/private"}, headers=ON_OUR_PAGE
    )
    cookies = list(set_cookies(response).values())
    response = finish(client, ada.sign_in(response.location))
    assert response.location == f"{HTTPS}/private"
    cookies += [cookie for cookie in set_cookies(response).values() if not cookie.deletes]
    assert len(cookies) >= 2
    for cookie in cookies:
        assert cookie.name.startswith("__Host-jwtsession.")
        assert cookie.attributes.keys() >= {"secure", "httponly"}
        assert (cookie.attributes["path"], cookie.attributes["samesite"]) == ("/", "Lax")
    assert client.get("/private", base_url=HTTPS).text == "private Ada"


# Tabs, browsers and states.


def test_two_tabs_sign_in_at_once(client: FlaskClient, ada: Person) -> None:
    first, second = start(client, "/private?tab=1"), start(client, "/private?tab=2")
    assert len(login_cookies(client)) == 2
    returns = [ada.sign_in(second), ada.sign_in(first)]
    targets = [finish(client, callback).location for callback in returns]
    assert targets == [f"{ORIGIN}/private?tab=2", f"{ORIGIN}/private?tab=1"]
    assert login_cookies(client) == []


def test_another_worker_may_finish_what_one_began(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider).test_client()
    callback = ada.sign_in(start(client))
    [name] = login_cookies(client)
    begun = client.get_cookie(name)
    assert begun is not None
    other = make_site(provider).test_client()
    other.set_cookie(name, begun.value)
    assert finish(other, callback).location == f"{ORIGIN}/private"
    assert claims_of(other) is not None


def test_many_attempts_that_nobody_finished_do_not_hinder_the_next(
    client: FlaskClient, ada: Person
) -> None:
    for _ in range(40):
        start(client)
        assert len(login_cookies(client)) <= 5
    sign_in(client, ada)
    assert claims_of(client) is not None


@pytest.mark.parametrize("state", [None, "", "x", "x" * 16 + "." + "y" * 32])
def test_a_callback_without_the_right_state_signs_nobody_in(
    provider: OidcProvider, client: FlaskClient, ada: Person, state: str | None
) -> None:
    callback = ada.sign_in(start(client))
    before = redeemed(provider)
    response = finish(client, Callback(with_parameters(callback.url, state=state)))
    assert response.status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before


def test_a_state_with_another_ending_signs_nobody_in(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    before = redeemed(provider)
    state = callback.parameters["state"]
    state = state[:-1] + ("_" if state[-1] != "_" else "-")
    response = finish(client, Callback(with_parameters(callback.url, state=state)))
    assert response.status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before
    assert login_cookies(client) == []


def test_the_callback_of_another_browser_signs_nobody_in(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    before = redeemed(provider)
    victim = client.application.test_client()
    start(victim)  # with an attempt of their own under way
    assert finish(victim, callback).status_code == 400
    assert claims_of(victim) is None
    assert redeemed(provider) == before


def test_an_attempt_that_took_too_long_is_over(provider: OidcProvider, ada: Person) -> None:
    clock = Clock(time.time())
    client = make_site(provider, clock).test_client()
    callback = ada.sign_in(start(client))
    clock.advance(15 * 60)
    before = redeemed(provider)
    assert finish(client, callback).status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before


# Codes.


def test_the_provider_wants_a_code_challenge(client: FlaskClient, ada: Person) -> None:
    url = with_parameters(start(client), code_challenge=None, code_challenge_method=None)
    callback = ada.sign_in(url)
    assert callback.parameters["error"] == "invalid_request"
    assert "PKCE" in callback.parameters["error_description"]
    assert finish(client, callback).status_code == 400
    assert claims_of(client) is None


def test_a_code_that_was_asked_for_with_another_challenge_is_refused(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    # A code that was stolen, and is put into an attempt of the thief's own.
    stolen = ada.sign_in(start(client)).parameters["code"]
    thief = client.application.test_client()
    with Person("mallory") as mallory:
        callback = mallory.sign_in(start(thief))
    response = finish(thief, Callback(with_parameters(callback.url, code=stolen)))
    assert response.status_code == 502
    assert claims_of(thief) is None
    assert provider.calls("token")[-1]["error"] == "invalid_grant"


def test_a_reload_of_the_callback_leads_on_and_spends_no_code(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    before = redeemed(provider)
    assert finish(client, callback).location == f"{ORIGIN}/private"
    session = claims_of(client)
    again = finish(client, callback)
    assert (again.status_code, again.location) == (302, ORIGIN)
    assert claims_of(client) == session
    assert redeemed(provider) == before + 1
    access_token = account_of(client)["access_token"]
    # The provider would have taken it back, had it seen the code twice.
    assert provider.is_active(access_token, "app", CLIENT_SECRET)


def test_a_callback_that_somebody_copied_with_the_cookie_is_good_once(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    [name] = login_cookies(client)
    copied = client.get_cookie(name)
    assert copied is not None
    thief = client.application.test_client()
    thief.set_cookie(name, copied.value)
    before = redeemed(provider)
    assert finish(client, callback).status_code == 302
    assert finish(thief, callback).status_code == 400
    assert claims_of(thief) is None
    assert redeemed(provider) == before + 1


def test_callbacks_at_the_same_moment_spend_one_code(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    [name] = login_cookies(client)
    copied = client.get_cookie(name)
    assert copied is not None
    before = redeemed(provider)
    barrier = threading.Barrier(8)

    def click(_: int) -> TestResponse:
        browser = client.application.test_client()
        browser.set_cookie(name, copied.value)
        barrier.wait(DEADLINE)
        return finish(browser, callback)

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(click, range(8)))
    assert sorted(one.status_code for one in responses) == [302] + [400] * 7
    assert [SESSION_COOKIE in set_cookies(one) for one in responses].count(True) == 1
    assert redeemed(provider) == before + 1


# What the provider answers instead of a code.


@pytest.mark.parametrize("page", ["login", "consent"])
def test_who_cancels_is_not_signed_in(client: FlaskClient, ada: Person, page: str) -> None:
    callback = ada.sign_in(start(client), cancels_at=page)
    assert callback.parameters["error"] == "access_denied"
    response = finish(client, callback)
    assert (response.status_code, response.mimetype) == (400, "text/html")
    assert "The sign-in did not work" in response.text
    assert claims_of(client) is None
    assert login_cookies(client) == []
    sign_in(client, ada)  # and may think better of it


def test_who_cancels_stays_who_they_were(client: FlaskClient, ada: Person) -> None:
    sign_in(client, ada)
    before = claims_of(client)
    with Person("grace") as grace:
        response = finish(client, grace.sign_in(start(client), cancels_at="login"))
    assert response.status_code == 400
    assert claims_of(client) == before


def test_a_program_gets_the_refusal_as_json(client: FlaskClient, ada: Person) -> None:
    callback = ada.sign_in(start(client), cancels_at="consent")
    response = finish(client, callback, accept="application/json")
    assert response.status_code == 400
    assert code_of(response) == "provider_error"
    assert login_cookies(client) == []


def test_an_error_beside_a_code_is_an_error(
    provider: OidcProvider, client: FlaskClient, ada: Person
) -> None:
    callback = ada.sign_in(start(client))
    before = redeemed(provider)
    response = finish(client, Callback(with_parameters(callback.url, error="<script>alert(1)")))
    assert response.status_code == 400
    assert "<script>" not in response.text
    assert claims_of(client) is None
    assert redeemed(provider) == before


def test_nobody_is_asked_where_nobody_is_known(client: FlaskClient, ada: Person) -> None:
    callback = ada.sign_in(start(client, query="?prompt=none"))
    assert (callback.parameters["error"], ada.pages) == ("login_required", [])
    assert finish(client, callback).status_code == 400


# Which provider answers.


@pytest.mark.parametrize("issuer", [None, "", "http://127.0.0.1:1", "https://evil.example"])
def test_the_answer_of_another_issuer_is_refused(
    provider: OidcProvider, client: FlaskClient, ada: Person, issuer: str | None
) -> None:
    callback = ada.sign_in(start(client))
    assert callback.parameters["iss"] == provider.issuer
    before = redeemed(provider)
    response = finish(client, Callback(with_parameters(callback.url, iss=issuer)))
    assert response.status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before


def test_a_code_of_one_provider_is_not_taken_to_another(
    provider: OidcProvider, ada: Person
) -> None:
    app, auth = make_app()
    add_op(auth, provider, "one", "client-1")
    add_op(auth, provider, "two", "client-2")
    client = app.test_client()
    callback = ada.sign_in(start(client, name="one"))
    before = redeemed(provider)
    response = finish(client, Callback(callback.url.replace("/callback/one", "/callback/two")))
    assert response.status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before
    sign_in(client, ada, name="one")
    assert (claims_of(client) or {})["sub"] == "one|ada"
    sign_in(client, ada, name="two")
    assert (claims_of(client) or {})["sub"] == "two|ada"


# A provider that comes back with a POST.


def test_a_provider_may_come_back_with_a_form(provider: OidcProvider, ada: Person) -> None:
    options = {"authorize_params": {"response_mode": "form_post"}}
    client = make_site(provider, options=options).test_client()
    response = client.post("/auth/signin/op", data={"callbackUrl": "/private"}, headers=ON_OUR_PAGE)
    [cookie] = [one for one in set_cookies(response).values() if ".login." in one.name]
    # Or no browser would send it with that POST.
    assert (cookie.attributes["samesite"], "secure" in cookie.attributes) == ("None", True)
    callback = ada.sign_in(response.location)
    assert callback.form is not None
    assert callback.url == f"{ORIGIN}/auth/callback/op"
    response = finish(client, callback)
    assert (response.status_code, response.location) == (302, f"{ORIGIN}/private")
    assert claims_of(client) is not None
    assert login_cookies(client) == []


def test_a_form_without_the_right_state_signs_nobody_in(
    provider: OidcProvider, ada: Person
) -> None:
    options = {"authorize_params": {"response_mode": "form_post"}}
    client = make_site(provider, options=options).test_client()
    callback = ada.sign_in(start(client))
    assert callback.form is not None
    before = redeemed(provider)
    response = finish(client, Callback(callback.url, {**callback.form, "state": "x"}))
    assert response.status_code == 400
    assert claims_of(client) is None
    assert redeemed(provider) == before


# Signing in once more.


def test_who_has_to_prove_it_once_more_does_so_at_the_provider(
    provider: OidcProvider, ada: Person
) -> None:
    clock = Clock(time.time())
    client = make_site(provider, clock).test_client()
    sign_in(client, ada)
    # This provider says when somebody signed in only if it is asked: nobody knows.
    refused = client.get("/payment?amount=7", headers=ON_OUR_PAGE)
    assert refused.status_code == 302
    asked = parse_qs(urlsplit(refused.location).query)
    assert refused.location.startswith(provider.metadata()["authorization_endpoint"])
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["60"])
    ada.pages.clear()
    callback = ada.sign_in(refused.location)
    assert ada.pages == ["login"]  # though the provider knows her
    response = finish(client, callback)
    assert response.location == f"{ORIGIN}/payment?amount=7"
    assert client.get(response.location).text == "paid"
    moment = (claims_of(client) or {})["_session"]["authenticated_at"]
    assert int(clock.now) <= moment <= clock.now
    # And again when that was too long ago.
    clock.advance(61)
    assert client.get("/payment", headers=ON_OUR_PAGE).status_code == 302
    assert client.get("/private").text == "private Ada"


def test_an_old_login_at_the_provider_is_not_fresh_here(
    provider: OidcProvider, ada: Person
) -> None:
    registered = {"require_auth_time": True}
    clock = Clock(time.time())
    client = make_site(provider, clock, registered=registered).test_client()
    sign_in(client, ada)
    assert client.get("/payment", headers=ON_OUR_PAGE).text == "paid"
    # Without a page: the provider still knows her, and says when she signed in.
    clock.advance(120)
    sign_in(client, ada)
    assert ada.pages == ["login", "consent"]
    assert client.get("/payment", headers=ON_OUR_PAGE).status_code == 302


def test_a_provider_that_asked_nobody_does_not_make_a_login_fresh(
    provider: OidcProvider, ada: Person
) -> None:
    clock = Clock(time.time())
    client = make_site(provider, clock).test_client()
    sign_in(client, ada)
    refused = client.get("/payment", headers=ON_OUR_PAGE)
    # Somebody at the open browser takes both parameters out, and is sent back at once.
    callback = ada.sign_in(with_parameters(refused.location, prompt=None, max_age=None))
    assert ada.pages == ["login", "consent"]
    response = finish(client, callback)
    assert response.status_code == 502
    assert client.get("/payment", headers=ON_OUR_PAGE).status_code == 302


def test_a_login_that_is_older_than_asked_for_is_refused(
    provider: OidcProvider, ada: Person
) -> None:
    clock = Clock(time.time())
    client = make_site(provider, clock).test_client()
    sign_in(client, ada)
    clock.advance(120)
    refused = client.get("/payment", headers=ON_OUR_PAGE)
    # The provider is asked for a login of the last day only.
    callback = ada.sign_in(with_parameters(refused.location, prompt=None, max_age="86400"))
    assert finish(client, callback).status_code == 502
    assert client.get("/payment", headers=ON_OUR_PAGE).status_code == 302


def test_proving_it_once_more_keeps_the_refresh_token(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, options=OFFLINE).test_client()
    sign_in(client, ada)
    assert account_of(client)["refresh_token"]
    refused = client.get("/payment", headers=ON_OUR_PAGE)
    assert finish(client, ada.sign_in(refused.location)).status_code == 302
    assert client.get("/payment").text == "paid"
    assert account_of(client)["refresh_token"]


# Signing out.


def sign_out(client: FlaskClient, *, origin: str = ORIGIN, target: str = "/") -> TestResponse:
    """Sign out; what goes on in the background is over when this returns."""
    running = set(threading.enumerate())
    response = client.post(
        "/auth/signout", base_url=origin, data={"callbackUrl": target}, headers=ON_OUR_PAGE
    )
    for thread in set(threading.enumerate()) - running:
        if isinstance(thread, threading.Timer):  # of a call to the provider, and perhaps just begun
            continue
        thread.join(DEADLINE)
        assert not thread.is_alive()
    return response


def test_signing_out_here_does_not_concern_the_provider(
    provider: OidcProvider, ada: Person
) -> None:
    client = make_site(provider, options=OFFLINE).test_client()
    sign_in(client, ada)
    refresh_token = account_of(client)["refresh_token"]
    assert sign_out(client).location == f"{ORIGIN}/"
    assert claims_of(client) is None
    assert provider.is_active(refresh_token, "app", CLIENT_SECRET)


def test_a_person_signs_out_here_and_at_the_provider(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    response = sign_out(client, target="/?bye")
    assert claims_of(client) is None
    assert response.location.startswith(provider.metadata()["end_session_endpoint"] + "?")
    asked = parse_qs(urlsplit(response.location).query)
    assert asked.keys() == {"client_id", "id_token_hint", "post_logout_redirect_uri", "state"}
    assert asked["post_logout_redirect_uri"] == [f"{ORIGIN}/auth/signout/callback"]
    ada.pages.clear()
    callback = ada.sign_out(response.location)
    assert ada.pages == ["sign-out"]
    assert callback.parameters == {"state": asked["state"][0]}
    assert finish(client, callback).location == f"{ORIGIN}/?bye"
    assert login_cookies(client) == []
    # Nobody is known there any more.
    ada.pages.clear()
    sign_in(client, ada)
    assert ada.pages[0] == "login"


def test_who_stays_at_the_provider_is_signed_out_here(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    callback = ada.sign_out(sign_out(client, target="/?bye").location, stays=True)
    assert finish(client, callback).location == f"{ORIGIN}/?bye"
    assert claims_of(client) is None
    ada.pages.clear()
    sign_in(client, ada)
    assert "login" not in ada.pages


@pytest.mark.parametrize("state", [None, "", "x" * 16 + "." + "y" * 32])
def test_coming_back_from_a_sign_out_that_was_not_begun_leads_to_the_start(
    provider: OidcProvider, ada: Person, state: str | None
) -> None:
    client = make_site(provider, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    callback = ada.sign_out(sign_out(client, target="/?bye").location)
    response = finish(client, Callback(with_parameters(callback.url, state=state)))
    assert (response.status_code, response.location) == (302, ORIGIN)


def test_a_state_of_a_sign_in_is_none_of_a_sign_out(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, FEDERATED_SIGN_OUT=True).test_client()
    state = ada.sign_in(start(client)).parameters["state"]
    response = client.get("/auth/signout/callback", query_string={"state": state})
    assert response.location == ORIGIN
    sign_in(client, ada)
    callback = ada.sign_out(sign_out(client).location)
    state = callback.parameters["state"]
    response = client.get("/auth/callback/op", query_string={"state": state, "code": "x"})
    assert response.status_code == 400


def test_signing_out_kills_the_refresh_token(provider: OidcProvider, ada: Person) -> None:
    client = make_site(provider, options=OFFLINE, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    account = account_of(client)
    assert provider.is_active(account["refresh_token"], "app", CLIENT_SECRET)
    before = len(provider.calls("revocation"))
    response = sign_out(client)
    assert [call["status"] for call in provider.calls("revocation")[before:]] == [200]
    # Before she has answered the provider's question whether to sign out there.
    assert response.location.startswith(provider.issuer)
    assert not provider.is_active(account["refresh_token"], "app", CLIENT_SECRET)
    assert not provider.is_active(account["access_token"], "app", CLIENT_SECRET)
    refreshed = requests.post(
        provider.metadata()["token_endpoint"],
        data={"grant_type": "refresh_token", "refresh_token": account["refresh_token"]},
        auth=("app", CLIENT_SECRET),
        timeout=DEADLINE,
    )
    assert refreshed.json()["error"] == "invalid_grant"


def test_a_public_client_revokes_its_token_too(provider: OidcProvider, ada: Person) -> None:
    registered = {"token_endpoint_auth_method": "none", "client_secret": None}
    options = {
        **OFFLINE,
        "client_secret": None,
        "client_kwargs": {**OFFLINE["client_kwargs"], "token_endpoint_auth_method": "none"},
    }
    site = make_site(provider, options=options, registered=registered, FEDERATED_SIGN_OUT=True)
    client = site.test_client()
    sign_in(client, ada)
    refresh_token = account_of(client)["refresh_token"]
    sign_out(client)
    assert provider.calls("revocation")[-1]["status"] == 200
    refreshed = requests.post(
        provider.metadata()["token_endpoint"],
        data={"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "app"},
        timeout=DEADLINE,
    )
    assert refreshed.json()["error"] == "invalid_grant"


def test_the_provider_is_signed_out_of_without_its_tokens_being_kept(
    provider: OidcProvider, ada: Person
) -> None:
    client = make_site(
        provider, options=OFFLINE, FEDERATED_SIGN_OUT=True, PROVIDER_TOKENS="none"
    ).test_client()
    sign_in(client, ada)
    callback = ada.sign_out(sign_out(client, target="/?bye").location)
    assert finish(client, callback).location == f"{ORIGIN}/?bye"


def test_no_log_has_a_secret_in_it(
    provider: OidcProvider, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_site(provider, options=OFFLINE, FEDERATED_SIGN_OUT=True).test_client()
    caplog.set_level(logging.DEBUG)
    told = {CLIENT_SECRET}
    for cancels_at in (None, "consent"):
        url = start(client)
        with caplog.at_level(logging.CRITICAL):  # her own requests are none of ours
            callback = ada.sign_in(url, cancels_at=cancels_at)
        for _ in range(2):
            finish(client, callback)
        told |= {parse_qs(urlsplit(url).query)["nonce"][0], callback.parameters["state"]}
        told |= {callback.parameters.get("code", CLIENT_SECRET)}
    account = account_of(client)
    told |= {account["access_token"], account["refresh_token"], account["id_token"]}
    sign_out(client)
    assert {"flask_jwtsession", "urllib3.connectionpool"} <= {one.name for one in caplog.records}
    assert [secret for secret in told if secret in caplog.text] == []
    assert "code_verifier" not in caplog.text


# Signing out at the provider, which tells us.


@dataclass
class ServedSite:
    """An app where the provider reaches it."""

    app: Flask
    auth: JWTSession
    origin: str

    @property
    def backchannel(self) -> str:
        return f"{self.origin}/auth/backchannel-logout/op"


@pytest.fixture
def site(provider: OidcProvider) -> Iterator[ServedSite]:
    with served_site(provider) as site:
        yield site


@contextmanager
def served_site(provider: OidcProvider, **config: Any) -> Iterator[ServedSite]:
    app, auth = make_app(**config)
    add_views(app)
    with served(app) as origin:
        site = ServedSite(app, auth, origin)
        add_op(
            auth,
            provider,
            "op",
            "app",
            origin=origin,
            registered={
                "backchannel_logout_uri": site.backchannel,
                "backchannel_logout_session_required": True,
            },
        )
        yield site


def signed_in(site: ServedSite, person: Person) -> FlaskClient:
    """A browser in which the person has just signed in."""
    client = site.app.test_client()
    sign_in(client, person, origin=site.origin)
    assert is_signed_in(client)
    return client


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/auth/session", base_url="http://127.0.0.1").get_json() is not None


def sign_out_at(provider: OidcProvider, person: Person) -> list[dict[str, Any]]:
    """The person signs out on the provider's own page; the logout tokens that it sends for it."""
    before = len(provider.logouts())
    with pytest.raises(Refused, match="Your sign-out was successful"):
        person.sign_out(provider.metadata()["end_session_endpoint"])
    return provider.logouts()[before:]


def test_a_sign_out_at_the_provider_signs_out_here(
    provider: OidcProvider, site: ServedSite, ada: Person
) -> None:
    client = signed_in(site, ada)
    with Person("ada") as elsewhere:
        other = signed_in(site, elsewhere)  # the same account, and another session there
    [logout] = sign_out_at(provider, ada)
    assert (logout["url"], logout["status"]) == (site.backchannel, 200)
    assert (is_signed_in(client), is_signed_in(other)) == (False, True)


def test_a_logout_token_without_a_session_signs_out_everywhere(
    provider: OidcProvider, site: ServedSite, ada: Person
) -> None:
    provider.register(
        "app",
        client_secret=CLIENT_SECRET,
        redirect_uris=[f"{site.origin}/auth/callback/op"],
        backchannel_logout_uri=site.backchannel,
        backchannel_logout_session_required=False,
    )
    client = signed_in(site, ada)
    with Person("ada") as elsewhere, Person("grace") as grace:
        other, somebody_else = signed_in(site, elsewhere), signed_in(site, grace)
    [logout] = sign_out_at(provider, ada)
    assert logout["status"] == 200
    signed_out = [not is_signed_in(one) for one in (client, other, somebody_else)]
    assert signed_out == [True, True, False]


def test_a_logout_token_is_good_once(provider: OidcProvider, site: ServedSite, ada: Person) -> None:
    signed_in(site, ada)
    [logout] = sign_out_at(provider, ada)
    again = requests.post(
        site.backchannel, data={"logout_token": logout["logout_token"]}, timeout=DEADLINE
    )
    assert again.status_code == 400
    assert "no-store" in again.headers["Cache-Control"]


def test_a_logout_token_that_a_new_key_signed_is_taken(
    provider: OidcProvider, site: ServedSite, ada: Person
) -> None:
    client = signed_in(site, ada)
    binding_of(site.app).clock = Clock(time.time() + 31)
    provider.replace_keys()
    [logout] = sign_out_at(provider, ada)
    assert logout["status"] == 200
    assert not is_signed_in(client)


def test_a_logout_token_for_another_application_is_refused(
    provider: OidcProvider, site: ServedSite, ada: Person
) -> None:
    provider.register(
        "other",
        client_secret=CLIENT_SECRET,
        redirect_uris=[f"{site.origin}/auth/callback/other"],
        backchannel_logout_uri=site.backchannel,  # of the wrong one
        backchannel_logout_session_required=True,
    )
    other, auth = make_app()
    auth.add_provider(
        "other", issuer=provider.issuer, client_id="other", client_secret=CLIENT_SECRET
    )
    with Person("ada") as elsewhere:
        client = signed_in(site, elsewhere)
    sign_in(other.test_client(), ada, name="other", origin=site.origin)
    [logout] = sign_out_at(provider, ada)
    assert logout["status"] == 400
    assert is_signed_in(client)


def test_an_id_token_is_no_logout_token(
    provider: OidcProvider, site: ServedSite, ada: Person
) -> None:
    told: list[str] = []

    @site.auth.sign_in_callback
    def hear(user: Any, account: Any, profile: Any) -> bool:
        told.append(account.id_token)
        return True

    client = signed_in(site, ada)
    response = requests.post(site.backchannel, data={"logout_token": told[0]}, timeout=DEADLINE)
    assert response.status_code == 400
    assert is_signed_in(client)


def test_the_provider_is_told_that_nothing_could_be_revoked(
    provider: OidcProvider, ada: Person
) -> None:
    with served_site(provider, STORE=None) as site:
        client = signed_in(site, ada)
        [logout] = sign_out_at(provider, ada)
        assert logout["status"] == 400
        assert is_signed_in(client)


# A provider that is gone.


@pytest.fixture
def mortal() -> Iterator[OidcProvider]:
    """A provider of the test's own, which may stop it."""
    with OidcProvider() as running:
        yield running


def test_a_sign_in_does_not_begin_where_nobody_answers(mortal: OidcProvider) -> None:
    client = make_site(mortal).test_client()
    mortal.stop()
    for headers, kind in (
        (ON_OUR_PAGE, "text/html"),
        (SAME_ORIGIN, "application/problem+json"),
    ):
        response = client.post("/auth/signin/op", data={"callbackUrl": "/"}, headers=headers)
        assert (response.status_code, response.mimetype) == (502, kind)
        assert mortal.issuer not in response.text
    assert login_cookies(client) == []
    assert client.get("/auth/session").get_json(silent=True) is None


def test_a_provider_that_dies_on_the_way_signs_nobody_in(mortal: OidcProvider, ada: Person) -> None:
    client = make_site(mortal).test_client()
    callback = ada.sign_in(start(client))
    mortal.stop()
    response = finish(client, callback)
    assert (response.status_code, response.mimetype) == (502, "text/html")
    assert callback.parameters["code"] not in response.text
    assert claims_of(client) is None
    assert login_cookies(client) == []


def test_a_provider_that_is_gone_does_not_hold_up_a_sign_out(
    mortal: OidcProvider, ada: Person
) -> None:
    client = make_site(mortal, options=OFFLINE, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    mortal.stop()
    assert client.get("/private").text == "private Ada"
    began = time.monotonic()
    assert sign_out(client).status_code == 302
    assert time.monotonic() - began < 5
    assert claims_of(client) is None


def test_a_provider_that_was_never_reached_does_not_hold_up_a_sign_out(
    mortal: OidcProvider, ada: Person
) -> None:
    client = make_site(mortal, options=OFFLINE, FEDERATED_SIGN_OUT=True).test_client()
    sign_in(client, ada)
    mortal.stop()
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    # The application was started again meanwhile.
    site = make_app(FEDERATED_SIGN_OUT=True)
    site[1].add_provider("op", issuer=mortal.issuer, client_id="app", client_secret=CLIENT_SECRET)
    restarted = site[0].test_client()
    restarted.set_cookie(SESSION_COOKIE, cookie.value)
    response = sign_out(restarted, target="/?bye")
    assert (response.status_code, response.location) == (302, f"{ORIGIN}/?bye")
    assert claims_of(restarted) is None


def test_who_has_to_prove_it_once_more_is_told_that_nobody_answers(
    mortal: OidcProvider, ada: Person
) -> None:
    client = make_site(mortal).test_client()
    sign_in(client, ada)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    mortal.stop()
    app, auth = make_app()
    add_views(app)
    auth.add_provider("op", issuer=mortal.issuer, client_id="app", client_secret=CLIENT_SECRET)
    restarted = app.test_client()
    restarted.set_cookie(SESSION_COOKIE, cookie.value)
    response = restarted.get("/payment", headers=ON_OUR_PAGE)
    # To the page, which may show other ways; the button of this one says what is wrong.
    assert response.location == "/auth/signin?callbackUrl=%2Fpayment&max_age=60"
    fields = {"callbackUrl": "/payment", "max_age": "60"}
    response = restarted.post("/auth/signin/op", data=fields, headers=ON_OUR_PAGE)
    assert (response.status_code, response.mimetype) == (502, "text/html")
    assert mortal.issuer not in response.text
    assert login_cookies(restarted) == []
