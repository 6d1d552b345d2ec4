"""Demo ID, the provider of the demo: what a person meets there, and what an application does."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from flask import Flask, request
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.datastructures import Authorization
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from examples.demo_provider import Client, create_app
from examples.demo_provider.accounts import PEOPLE

from ..support import CROSS_SITE, NOW, SAME_ORIGIN, Clock, set_cookies

EXAMPLES = Path(__file__).parents[2] / "examples"
ISSUER = "http://127.0.0.1:5001"
CALLBACK = "http://localhost:5000/auth/callback/demo-id"
AFTER_SIGN_OUT = "http://localhost:5000/auth/signout/callback"
DIRECTORY = Client(
    "directory", "s3cret/of:the+directory", "Company directory", (CALLBACK,), (AFTER_SIGN_OUT,)
)
LIBRARY = Client("library", "s3cret-of-the-library", "Library", ("https://library.test/callback",))
GRACE, MARY, MALLORY = PEOPLE


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance folder after the first start: making a key takes its time."""
    return Path(make_provider(tmp_path_factory.mktemp("provider"), Clock()).instance_path)


@pytest.fixture
def instance(first_start: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_start, tmp_path / "instance"))


@pytest.fixture
def provider(instance: Path, clock: Clock) -> Flask:
    return make_provider(instance, clock)


@pytest.fixture
def browser(provider: Flask) -> Browser:
    return Browser(provider)


@pytest.fixture
def application(provider: Flask) -> Application:
    return Application(provider, DIRECTORY)


def make_provider(instance: Path, clock: Clock, *clients: Client) -> Flask:
    return create_app(instance, issuer=ISSUER, clients=clients or (DIRECTORY, LIBRARY), clock=clock)


class Browser:
    """A person's browser, on the provider's pages."""

    def __init__(self, provider: Flask) -> None:
        self.client = provider.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=ISSUER, headers=headers)

    def post(self, path: str, data: dict[str, str], **headers: str) -> TestResponse:
        return self.client.post(path, base_url=ISSUER, data=data, headers=headers or SAME_ORIGIN)

    def submit(self, page: TestResponse, name: str, value: str) -> TestResponse:
        """Press the button with this name and value, on the form that it is in."""
        for action, form in re.findall(
            r'<form method="post" action="(.*?)">(.*?)</form>', page.text, re.S
        ):
            if f'name="{name}" value="{value}"' in form:
                hidden = re.findall(r'type="hidden" name="(.*?)" value="(.*?)"', form)
                fields = {field: unescape(text) for field, text in hidden}
                return self.post(unescape(action), {**fields, name: value})
        raise AssertionError(f"no button {name}={value} on: {text_of(page)}")

    def sign_in(self, query: str, person: str = GRACE) -> TestResponse:
        """Answer the question who it is; the answer is the next page, or the way back."""
        page = self.get(f"/authorize?{query}")
        response = self.submit(page, "person", person)
        assert response.status_code == 303
        return self.get(response.location)

    def allow(self, query: str, person: str = GRACE) -> dict[str, str]:
        """Answer both questions. What the application gets."""
        return answer(self.submit(self.sign_in(query, person), "decision", "allow"))


class Application:
    """An application that people sign in to with Demo ID."""

    verifier = "v" * 43

    def __init__(self, provider: Flask, client: Client) -> None:
        self.provider = provider
        self.registered = client

    def query(self, **changes: str | None) -> str:
        """An authorization request; what is None is left out."""
        digest = sha256(self.verifier.encode()).digest()
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.registered.client_id,
            "redirect_uri": self.registered.redirect_uris[0],
            "scope": "openid profile email",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **changes,
        }
        return urlencode({name: value for name, value in parameters.items() if value is not None})

    def post(self, path: str, data: dict[str, str], secret: str | None = None) -> TestResponse:
        # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        credentials: dict[str, str | None] = {
            "username": urlencode({"": self.registered.client_id})[1:],
            "password": urlencode({"": secret or self.registered.secret})[1:],
        }
        return self.provider.test_client().post(
            path, base_url=ISSUER, data=data, auth=Authorization("basic", credentials)
        )

    def redeem(self, code: str, **changes: str) -> TestResponse:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registered.redirect_uris[0],
            "code_verifier": self.verifier,
        }
        return self.post("/token", {**fields, **changes})

    def refresh(self, refresh_token: str, **more: str) -> TestResponse:
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.post("/token", {**fields, **more})

    def revoke(self, token: str) -> TestResponse:
        return self.post("/revoke", {"token": token})

    def userinfo(self, access_token: str) -> TestResponse:
        return self.provider.test_client().get(
            "/userinfo", base_url=ISSUER, headers={"Authorization": f"Bearer {access_token}"}
        )

    def tokens(self, browser: Browser, person: str = GRACE) -> dict[str, Any]:
        """Somebody signs in: the tokens of that."""
        response = self.redeem(browser.allow(self.query(), person)["code"])
        assert response.status_code == 200
        tokens: dict[str, Any] = response.get_json()
        return tokens

    def id_token(self, tokens: dict[str, Any]) -> dict[str, Any]:
        keys = KeySet.import_key_set(
            self.provider.test_client().get("/jwks", base_url=ISSUER).get_json()
        )
        return dict(jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims)


def answer(response: TestResponse, target: str = CALLBACK) -> dict[str, str]:
    """What an authorization response tells; it goes to the application, and says who sends it."""
    assert response.status_code == 303
    address, _, query = response.location.partition("?")
    assert address == target
    parameters = parse_qsl(query)
    told = dict(parameters)
    assert len(told) == len(parameters)
    assert told.pop("iss") == ISSUER
    assert told.pop("state") == "a state"
    return told


def text_of(response: TestResponse) -> str:
    """What a person reads on the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def is_question(response: TestResponse, title: str) -> bool:
    return response.status_code == 200 and f"<title>{title} ·" in response.text


def error_of(response: TestResponse) -> tuple[int, str]:
    assert "no-store" in response.headers["Cache-Control"]
    return response.status_code, response.get_json()["error"]


# What it says of itself.


def test_the_description_is_of_this_issuer_and_everything_it_names_is_there(
    provider: Flask, browser: Browser
) -> None:
    response = browser.get("/.well-known/openid-configuration")
    described = response.get_json()
    assert described["issuer"] == ISSUER
    assert response.headers["Cache-Control"] == "public, max-age=300"
    adapter = provider.url_map.bind("127.0.0.1")
    endpoints = {
        "authorization_endpoint": "GET",
        "token_endpoint": "POST",
        "userinfo_endpoint": "GET",
        "jwks_uri": "GET",
        "revocation_endpoint": "POST",
        "end_session_endpoint": "GET",
    }
    named = {name for name in described if name.endswith(("_endpoint", "_uri"))}
    assert named == endpoints.keys()
    for name, method in endpoints.items():
        url = urlsplit(described[name])
        assert f"{url.scheme}://{url.netloc}" == ISSUER
        adapter.match(url.path, method)  # raises NotFound
    assert described["code_challenge_methods_supported"] == ["S256"]
    assert described["response_types_supported"] == ["code"]
    assert described["authorization_response_iss_parameter_supported"] is True
    assert described["request_uri_parameter_supported"] is False


def test_the_published_key_is_public_and_stays_over_a_restart(
    provider: Flask, browser: Browser, clock: Clock
) -> None:
    keys = browser.get("/jwks").get_json()
    [key] = keys["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
    assert key["alg"] == "RS256"
    restarted = make_provider(Path(provider.instance_path), clock)
    assert Browser(restarted).get("/jwks").get_json() == keys


def test_nobody_else_on_the_machine_can_read_the_keys(provider: Flask) -> None:
    instance = Path(provider.instance_path)
    assert instance.stat().st_mode & 0o777 == 0o700
    for name in ("secret", "signing-key.json"):
        assert (instance / name).stat().st_mode & 0o777 == 0o600


# The whole round.


def test_a_person_signs_in_to_an_application(
    application: Application, browser: Browser, clock: Clock
) -> None:
    query = application.query()
    sign_in = browser.get(f"/authorize?{query}")
    assert is_question(sign_in, "Sign in")
    assert "Company directory" in text_of(sign_in)

    clock.advance(5)
    consent = browser.sign_in(query)
    assert is_question(consent, "Allow Company directory?")
    for text in ("Grace Hollow", "a number that is yours alone", "your name", "your e-mail"):
        assert text in text_of(consent)

    clock.advance(5)
    told = answer(browser.submit(consent, "decision", "allow"))
    assert told.keys() == {"code"}

    response = application.redeem(told["code"])
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.get_json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 60)
    assert tokens["scope"] == "openid profile email"

    claims = application.id_token(tokens)
    sid = claims.pop("sid")
    half = sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": ISSUER,
        "aud": "directory",
        "sub": GRACE,
        "nonce": "a nonce",
        "auth_time": NOW + 5,
        "iat": NOW + 10,
        "exp": NOW + 10 + 600,
        "at_hash": urlsafe_b64encode(half).decode().rstrip("="),
    }
    assert len(sid) > 16
    assert application.userinfo(tokens["access_token"]).get_json() == {
        "sub": GRACE,
        "name": "Grace Hollow",
        "given_name": "Grace",
        "family_name": "Hollow",
        "email": "grace@example.net",
        "email_verified": True,
    }


@pytest.mark.parametrize(
    ("scope", "granted", "claims"),
    [
        ("openid", "openid", {"sub"}),
        ("email openid", "openid email", {"sub", "email", "email_verified"}),
        ("openid admin offline_access", "openid", {"sub"}),
    ],
)
def test_an_application_gets_what_it_asked_for_and_no_more(
    application: Application, browser: Browser, scope: str, granted: str, claims: set[str]
) -> None:
    code = browser.allow(application.query(scope=scope))["code"]
    tokens = application.redeem(code).get_json()
    assert tokens["scope"] == granted
    assert application.userinfo(tokens["access_token"]).get_json().keys() == claims


def test_somebody_whose_address_nobody_checked_is_said_to_be_that(
    application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser, MALLORY)
    told = application.userinfo(tokens["access_token"]).get_json()
    assert (told["sub"], told["email"]) == (MALLORY, "ada@example.com")
    assert told["email_verified"] is False


def test_an_application_may_send_its_request_by_post(
    application: Application, browser: Browser
) -> None:
    fields = dict(parse_qsl(application.query(state="a+b %/é")))
    response = browser.post("/authorize", fields, **CROSS_SITE)
    assert response.status_code == 303
    assert is_question(browser.get(response.location), "Sign in")
    assert dict(parse_qsl(urlsplit(response.location).query)) == fields


@pytest.mark.parametrize("state", ["x" * 3000, "a b+c%2Fd~é\"'<>&;=", "\0"])
def test_the_state_comes_back_as_it_was(
    application: Application, browser: Browser, state: str
) -> None:
    page = browser.sign_in(application.query(state=state, prompt="login"))
    response = browser.submit(page, "decision", "allow")
    assert dict(parse_qsl(urlsplit(response.location).query))["state"] == state


# Who may not be redirected, and who is told of an error.


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "library"},
        {"redirect_uri": None},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?next=x"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": CALLBACK.replace("localhost", "127.0.0.1")},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": 'http://evil.example/"é'},
    ],
)
@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize("path", ["/authorize", "/authorize/sign-in", "/authorize/consent"])
def test_an_unregistered_address_gets_a_page_and_no_redirect(
    application: Application,
    browser: Browser,
    changes: dict[str, str | None],
    prompt: str | None,
    path: str,
) -> None:
    query = application.query(**changes, prompt=prompt)
    if path == "/authorize":
        response = browser.get(f"{path}?{query}")
    else:
        response = browser.post(f"{path}?{query}", {"person": GRACE, "decision": "cancel"})
    assert response.status_code == 400
    assert response.mimetype == "text/html"
    assert "That did not work" in text_of(response)
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "response_type", "scope", "state", "prompt", "nonce"]
)
def test_a_parameter_that_is_there_twice_gets_a_page(
    application: Application, browser: Browser, name: str
) -> None:
    response = browser.get(f"/authorize?{application.query(prompt='login')}&{name}=again")
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'code "id_token"'}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"id_token_hint": "nonsense"}, "invalid_request"),
        ({"id_token_hint": ""}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"max_age": "9" * 5000}, "invalid_request"),
    ],
)
def test_the_application_is_told_of_every_other_error(
    application: Application, browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    application.tokens(browser)
    response = browser.get(f"/authorize?{application.query(**changes)}")
    assert answer(response)["error"] == error


@pytest.mark.parametrize("path", ["sign-in", "consent"])
def test_a_person_who_cancels_goes_back_and_nothing_is_remembered(
    application: Application, browser: Browser, path: str
) -> None:
    query = application.query()
    page = browser.get(f"/authorize?{query}") if path == "sign-in" else browser.sign_in(query)
    told = answer(browser.submit(page, "decision", "cancel"))
    assert told["error"] == "access_denied"
    assert "code" not in told
    again = browser.get(f"/authorize?{query}")
    assert is_question(again, "Sign in" if path == "sign-in" else "Allow Company directory?")


# prompt, max_age.


def test_who_is_signed_in_and_has_agreed_is_not_asked_again(
    application: Application, browser: Browser, clock: Clock
) -> None:
    application.tokens(browser)
    clock.advance(3600)
    for prompt in (None, "none"):
        code = answer(browser.get(f"/authorize?{application.query(prompt=prompt)}"))["code"]
        claims = application.id_token(application.redeem(code).get_json())
        assert claims["auth_time"] == NOW
        assert claims["iat"] == NOW + 3600


def test_an_application_that_wants_more_asks_again(
    application: Application, browser: Browser
) -> None:
    browser.allow(application.query(scope="openid"))
    assert "code" in answer(browser.get(f"/authorize?{application.query(scope='openid')}"))
    response = browser.get(f"/authorize?{application.query()}")
    assert is_question(response, "Allow Company directory?")


def test_prompt_none_asks_nothing(application: Application, browser: Browser) -> None:
    def silently(**changes: str) -> dict[str, str]:
        query = application.query(prompt="none", **changes)
        return answer(browser.get(f"/authorize?{query}"))

    assert silently()["error"] == "login_required"
    page = browser.sign_in(application.query())
    assert silently()["error"] == "consent_required"
    browser.submit(page, "decision", "allow")
    assert "code" in silently()
    assert "code" in silently(max_age="0")  # the same second
    assert silently(scope="openid phone")  # what is not offered takes no consent


def test_prompt_none_with_a_max_age_that_is_over(
    application: Application, browser: Browser, clock: Clock
) -> None:
    application.tokens(browser)
    clock.advance(61)
    response = browser.get(f"/authorize?{application.query(prompt='none', max_age='60')}")
    assert answer(response)["error"] == "login_required"


@pytest.mark.parametrize(
    ("prompt", "title"),
    [("login", "Is it still you?"), ("select_account", "Choose an account")],
)
def test_who_is_signed_in_signs_in_once_more_and_only_once(
    application: Application, browser: Browser, clock: Clock, prompt: str, title: str
) -> None:
    application.tokens(browser)
    clock.advance(100)
    query = application.query(prompt=prompt)
    page = browser.get(f"/authorize?{query}")
    assert title in text_of(page)
    code = answer(browser.sign_in(query))["code"]
    claims = application.id_token(application.redeem(code).get_json())
    assert claims["auth_time"] == NOW + 100
    # The same address, from the history: it asks again.
    assert title in text_of(browser.get(f"/authorize?{query}"))


def test_an_application_that_knows_who_it_is_gets_nobody_else(
    application: Application, browser: Browser
) -> None:
    marys = application.tokens(browser, MARY)["id_token"]
    query = application.query(id_token_hint=marys, prompt="none")
    assert "code" in answer(browser.get(f"/authorize?{query}"))

    browser.sign_in(application.query(prompt="login"), GRACE)
    assert answer(browser.get(f"/authorize?{query}"))["error"] == "login_required"
    query = application.query(id_token_hint=marys)
    still_asked = browser.sign_in(query, GRACE)
    assert "Is it still you?" in text_of(still_asked)
    assert "code" in answer(browser.sign_in(query, MARY))


def test_prompt_consent_asks_who_has_agreed(application: Application, browser: Browser) -> None:
    application.tokens(browser)
    page = browser.get(f"/authorize?{application.query(prompt='consent')}")
    assert is_question(page, "Allow Company directory?")
    assert "code" in answer(browser.submit(page, "decision", "allow"))


def test_both_prompts_ask_both(application: Application, browser: Browser) -> None:
    application.tokens(browser)
    query = application.query(prompt="login consent")
    page = browser.sign_in(query)
    assert is_question(page, "Allow Company directory?")
    assert "code" in answer(browser.submit(page, "decision", "allow"))


@pytest.mark.parametrize(("age", "is_asked"), [(60, False), (61, True)])
def test_max_age_is_counted_from_the_sign_in(
    application: Application, browser: Browser, clock: Clock, age: int, is_asked: bool
) -> None:
    application.tokens(browser)
    clock.advance(age)
    query = application.query(max_age="60")
    page = browser.get(f"/authorize?{query}")
    assert (page.status_code == 200) is is_asked
    if is_asked:
        code = answer(browser.sign_in(query))["code"]
        claims = application.id_token(application.redeem(code).get_json())
        assert claims["auth_time"] == NOW + age


def test_a_sign_in_for_one_request_is_none_for_another(
    application: Application, browser: Browser
) -> None:
    page = browser.sign_in(application.query(prompt="login", nonce="first"))
    assert is_question(page, "Allow Company directory?")
    other = browser.get(f"/authorize?{application.query(prompt='login', nonce='second')}")
    assert "Is it still you?" in text_of(other)


def test_a_consent_is_of_the_person_on_the_page(application: Application, browser: Browser) -> None:
    query = application.query()
    graces = browser.sign_in(query, GRACE)
    browser.sign_in(application.query(nonce="of another tab", prompt="login"), MARY)
    response = browser.submit(graces, "decision", "allow")
    assert response.status_code == 303
    marys = browser.get(response.location)
    assert is_question(marys, "Allow Company directory?")
    assert "Mary Maddox" in text_of(marys)


def test_an_account_that_nobody_has_signs_nobody_in(
    application: Application, browser: Browser
) -> None:
    for fields in ({"person": "d1-0000"}, {"person": ""}, {}):
        response = browser.post(f"/authorize/sign-in?{application.query()}", fields)
        assert response.status_code == 400
    assert "Nobody is signed in here" in text_of(browser.get("/"))


# Forms of other sites.


@pytest.mark.parametrize(
    "headers",
    [
        CROSS_SITE,
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:5000"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:5000"},
        {"Origin": "http://127.0.0.1:5000"},
        {"Origin": "null"},
        {"Referer": ISSUER + "/"},
    ],
)
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/authorize/sign-in", {"person": MALLORY}),
        ("/authorize/consent", {"person": GRACE, "decision": "allow"}),
        ("/authorize/consent", {"decision": "cancel"}),
        ("/sign-out", {"decision": "sign-out"}),
        ("/withdraw", {"client_id": "directory"}),
    ],
)
def test_a_form_that_another_site_sends_changes_nothing(
    application: Application,
    browser: Browser,
    path: str,
    fields: dict[str, str],
    headers: dict[str, str],
) -> None:
    browser.sign_in(application.query(), GRACE)
    response = browser.post(f"{path}?{application.query()}", fields, **headers)
    assert response.status_code == 403
    assert "Location" not in response.headers
    page = browser.get(f"/authorize?{application.query()}")
    assert is_question(page, "Allow Company directory?")
    assert "Grace Hollow" in text_of(page)


def test_an_old_browser_says_by_the_origin_that_a_form_is_ours(
    application: Application, browser: Browser
) -> None:
    fields = {"person": GRACE}
    path = f"/authorize/sign-in?{application.query()}"
    assert browser.post(path, fields, Origin=ISSUER).status_code == 303


@pytest.mark.parametrize(
    "path", ["/authorize/sign-in", "/authorize/consent", "/sign-out", "/withdraw"]
)
def test_looking_at_an_address_changes_nothing(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 405


@pytest.mark.parametrize("host", ["evil.example:5001", "localhost:5001", "127.0.0.1.evil.example"])
def test_another_name_of_this_machine_is_another_site(browser: Browser, host: str) -> None:
    response = browser.client.get("/", base_url=f"http://{host}")
    assert response.status_code == 400
    assert "Traceback" not in response.text


# Codes.


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": "v" * 42},
        {"redirect_uri": "http://localhost:5000/"},
        {"redirect_uri": ""},
    ],
)
def test_a_code_is_worth_nothing_without_what_belongs_to_it(
    application: Application, browser: Browser, changes: dict[str, str]
) -> None:
    code = browser.allow(application.query())["code"]
    status, error = error_of(application.redeem(code, **changes))
    assert status == 400
    assert error in ("invalid_grant", "invalid_request")
    # One try: the right verifier comes too late.
    assert error_of(application.redeem(code)) == (400, "invalid_grant")


def test_a_code_that_is_used_twice_ends_what_came_of_it(
    application: Application, browser: Browser
) -> None:
    code = browser.allow(application.query())["code"]
    tokens = application.redeem(code).get_json()
    assert application.userinfo(tokens["access_token"]).status_code == 200
    assert error_of(application.redeem(code)) == (400, "invalid_grant")
    assert application.userinfo(tokens["access_token"]).status_code == 401
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(("age", "status"), [(59, 200), (60, 400)])
def test_a_code_is_good_for_a_minute(
    application: Application, browser: Browser, clock: Clock, age: int, status: int
) -> None:
    code = browser.allow(application.query())["code"]
    clock.advance(age)
    assert application.redeem(code).status_code == status


def test_another_application_can_neither_use_nor_spoil_a_code(
    provider: Flask, application: Application, browser: Browser
) -> None:
    code = browser.allow(application.query())["code"]
    library = Application(provider, LIBRARY)
    assert error_of(library.redeem(code, redirect_uri=CALLBACK)) == (400, "invalid_grant")
    assert application.redeem(code).status_code == 200


def test_of_many_requests_with_one_code_none_leaves_a_good_token(
    application: Application, browser: Browser
) -> None:
    code = browser.allow(application.query())["code"]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: application.redeem(code), range(8)))
    given = [response.get_json() for response in responses if response.status_code == 200]
    assert {response.status_code for response in responses} <= {200, 400}
    assert len(given) <= 1
    for tokens in given:
        assert application.userinfo(tokens["access_token"]).status_code == 401
        assert application.refresh(tokens["refresh_token"]).status_code == 400


# Clients.


@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic",
        "Basic ",
        "Basic //8=",
        "Basic\t//8= x",
        "Basic ZGlyZWN0b3J5",  # no colon
        "Basic ZGlyZWN0b3J5Og==",  # no secret
        "Basic ZGlyZWN0b3J5Ondyb25n",  # a wrong one
        "Basic bm9ib2R5OnM=",  # of nobody
        "Bearer x",
    ],
)
def test_an_application_has_to_say_who_it_is(
    provider: Flask, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    fields = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    response = provider.test_client().post(path, base_url=ISSUER, data=fields, headers=headers)
    assert error_of(response) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic")


def test_a_secret_in_the_form_is_not_taken(provider: Flask) -> None:
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": "x",
        "client_id": DIRECTORY.client_id,
        "client_secret": DIRECTORY.secret,
    }
    response = provider.test_client().post("/token", base_url=ISSUER, data=fields)
    assert error_of(response) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        ("", "", "unsupported_grant_type"),
        ("", "grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("", "grant_type=client_credentials", "unsupported_grant_type"),
        ("", "grant_type=authorization_code", "invalid_request"),
        ("", "grant_type=refresh_token", "invalid_request"),
        ("", "grant_type=refresh_token&refresh_token=a&refresh_token=b", "invalid_request"),
        ("?grant_type=refresh_token", "refresh_token=a", "invalid_request"),
        ("", "grant_type=refresh_token&refresh_token=%00%FF", "invalid_grant"),
    ],
)
def test_a_wrong_token_request_is_said_to_be_one(
    provider: Flask, query: str, body: str, error: str
) -> None:
    credentials: dict[str, str | None] = {
        "username": LIBRARY.client_id,
        "password": LIBRARY.secret,
    }
    response = provider.test_client().post(
        f"/token{query}",
        base_url=ISSUER,
        data=body,
        content_type="application/x-www-form-urlencoded",
        auth=Authorization("basic", credentials),
    )
    assert error_of(response) == (400, error)


def test_a_secret_is_not_in_what_is_printed_of_a_client() -> None:
    assert DIRECTORY.secret not in repr(DIRECTORY)


# Access tokens.


@pytest.mark.parametrize(("age", "status"), [(59, 200), (60, 401)])
def test_an_access_token_is_good_for_a_minute(
    application: Application, browser: Browser, clock: Clock, age: int, status: int
) -> None:
    tokens = application.tokens(browser)
    clock.advance(age)
    assert application.userinfo(tokens["access_token"]).status_code == status


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "code"])
def test_nothing_else_is_an_access_token(
    application: Application, browser: Browser, kind: str
) -> None:
    tokens = {**application.tokens(browser), **browser_code(application, browser)}
    response = application.userinfo(tokens[kind])
    assert error_of(response) == (401, "invalid_token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def browser_code(application: Application, browser: Browser) -> dict[str, str]:
    return answer(browser.get(f"/authorize?{application.query()}"))


def test_without_a_token_there_is_nothing_about_anybody(provider: Flask) -> None:
    client = provider.test_client()
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}):
        response = client.get("/userinfo", base_url=ISSUER, headers=headers)
        assert response.status_code in (400, 401)
        assert "sub" not in response.text
    in_address = client.get("/userinfo?access_token=x", base_url=ISSUER)
    assert in_address.status_code == 401


# Refresh tokens.


def test_a_refresh_gives_a_new_pair_about_the_same_person(
    application: Application, browser: Browser, clock: Clock
) -> None:
    first = application.tokens(browser)
    clock.advance(60)
    second = application.refresh(first["refresh_token"]).get_json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["expires_in"] == 60
    assert application.userinfo(second["access_token"]).get_json()["sub"] == GRACE
    assert application.refresh(second["refresh_token"]).status_code == 200


def test_a_refresh_token_that_comes_a_second_time_ends_the_family(
    application: Application, browser: Browser
) -> None:
    first = application.tokens(browser)
    second = application.refresh(first["refresh_token"]).get_json()
    third = application.refresh(second["refresh_token"]).get_json()
    assert error_of(application.refresh(first["refresh_token"])) == (400, "invalid_grant")
    for tokens in (first, second, third):
        assert application.userinfo(tokens["access_token"]).status_code == 401
        assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_the_end_of_one_family_is_not_the_end_of_another(
    provider: Flask, application: Application, browser: Browser
) -> None:
    first = application.tokens(browser)
    other = application.redeem(browser_code(application, browser)["code"]).get_json()
    for _ in range(2):
        application.refresh(first["refresh_token"])
    assert application.userinfo(first["access_token"]).status_code == 401
    assert application.userinfo(other["access_token"]).status_code == 200
    assert application.refresh(other["refresh_token"]).status_code == 200


def test_of_many_refreshes_at_once_one_wins_and_the_family_ends(
    application: Application, browser: Browser
) -> None:
    token = application.tokens(browser)["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: application.refresh(token), range(8)))
    given = [response.get_json() for response in responses if response.status_code == 200]
    assert len(given) <= 1
    for tokens in given:
        assert application.refresh(tokens["refresh_token"]).status_code == 400


def test_a_refresh_may_ask_for_less_and_then_for_all_again(
    application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    less = application.refresh(tokens["refresh_token"], scope="openid email").get_json()
    assert less["scope"] == "openid email"
    assert "name" not in application.userinfo(less["access_token"]).get_json()
    again = application.refresh(less["refresh_token"]).get_json()
    assert again["scope"] == "openid profile email"


def test_a_refresh_that_asks_for_more_costs_nothing(
    application: Application, browser: Browser
) -> None:
    code = browser.allow(application.query(scope="openid"))["code"]
    token = application.redeem(code).get_json()["refresh_token"]
    response = application.refresh(token, scope="openid email")
    assert error_of(response) == (400, "invalid_scope")
    assert application.refresh(token).status_code == 200


def test_another_application_can_neither_use_nor_spoil_a_refresh_token(
    provider: Flask, application: Application, browser: Browser
) -> None:
    token = application.tokens(browser)["refresh_token"]
    library = Application(provider, LIBRARY)
    assert error_of(library.refresh(token)) == (400, "invalid_grant")
    successor = application.refresh(token).get_json()["refresh_token"]
    assert error_of(library.refresh(token)) == (400, "invalid_grant")
    assert application.refresh(successor).status_code == 200


def test_a_refresh_token_is_good_for_two_weeks(
    application: Application, browser: Browser, clock: Clock
) -> None:
    token = application.tokens(browser)["refresh_token"]
    clock.advance(14 * 24 * 3600)
    assert error_of(application.refresh(token)) == (400, "invalid_grant")


def test_a_restart_ends_nothing(
    provider: Flask, application: Application, browser: Browser, clock: Clock
) -> None:
    token = application.tokens(browser)["refresh_token"]
    cookie = browser.client.get_cookie("demo-id", domain="127.0.0.1")
    assert cookie is not None
    restarted = make_provider(Path(provider.instance_path), clock)
    again = Browser(restarted)
    again.client.set_cookie("demo-id", cookie.value, domain="127.0.0.1")
    assert "Grace Hollow" in text_of(again.get("/"))
    assert Application(restarted, DIRECTORY).refresh(token).status_code == 200


def test_nothing_that_could_be_used_is_in_the_database(
    provider: Flask, application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    code = browser_code(application, browser)["code"]
    stored = (Path(provider.instance_path) / "provider.sqlite").read_bytes()
    assert GRACE.encode() in stored
    for secret in (tokens["access_token"], tokens["refresh_token"], tokens["id_token"], code):
        assert secret.encode() not in stored


# Revocation.


def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(
    application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    assert application.revoke(tokens["refresh_token"]).status_code == 200
    assert application.userinfo(tokens["access_token"]).status_code == 401
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_revoked_access_token_goes_alone(application: Application, browser: Browser) -> None:
    tokens = application.tokens(browser)
    assert application.revoke(tokens["access_token"]).status_code == 200
    assert application.userinfo(tokens["access_token"]).status_code == 401
    assert application.refresh(tokens["refresh_token"]).status_code == 200


def test_what_is_no_token_is_as_good_as_revoked(application: Application, browser: Browser) -> None:
    code = browser.allow(application.query())["code"]
    for token in ("", "nonsense", "\0", code):
        assert application.revoke(token).status_code == 200
    assert application.redeem(code).status_code == 200


def test_only_the_owner_revokes_a_token(
    provider: Flask, application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    library = Application(provider, LIBRARY)
    for kind in ("access_token", "refresh_token"):
        assert error_of(library.revoke(tokens[kind])) == (400, "invalid_grant")
    assert application.userinfo(tokens["access_token"]).status_code == 200
    assert application.refresh(tokens["refresh_token"]).status_code == 200


# What a person sees of it, and takes back.


def test_the_first_page_says_who_knows_what(application: Application, browser: Browser) -> None:
    assert "Nobody is signed in here" in text_of(browser.get("/"))
    application.tokens(browser)
    page = text_of(browser.get("/"))
    for text in ("Grace Hollow", "Company directory", "your e-mail address"):
        assert text in page
    assert "Library" not in page


def test_a_consent_that_is_taken_back_ends_the_tokens_and_is_asked_for_again(
    application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    page = browser.submit(browser.get("/"), "client_id", "directory")
    assert page.status_code == 303
    assert "No application" in text_of(browser.get(page.location))
    assert application.userinfo(tokens["access_token"]).status_code == 401
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    response = browser.get(f"/authorize?{application.query()}")
    assert is_question(response, "Allow Company directory?")


def test_one_person_takes_back_nothing_of_another(
    provider: Flask, application: Application, browser: Browser
) -> None:
    graces = application.tokens(browser)
    marys = Browser(provider)
    application.tokens(marys, MARY)
    marys.post("/withdraw", {"client_id": "directory"})
    assert application.refresh(graces["refresh_token"]).status_code == 200


# Signing out.


def end_session(tokens: dict[str, Any], **changes: str | None) -> str:
    parameters: dict[str, str | None] = {
        "id_token_hint": tokens.get("id_token"),
        "client_id": "directory",
        "post_logout_redirect_uri": AFTER_SIGN_OUT,
        "state": "a state",
        **changes,
    }
    return "/end-session?" + urlencode(
        {name: value for name, value in parameters.items() if value is not None}
    )


def test_an_application_signs_a_person_out_who_is_asked_first(
    application: Application, browser: Browser, clock: Clock
) -> None:
    tokens = application.tokens(browser)
    clock.advance(24 * 3600)  # the id token ran out; it still says who asks
    page = browser.get(end_session(tokens))
    assert "You signed out of Company directory ." in text_of(page)
    assert "Grace Hollow" in text_of(page)
    assert "Grace Hollow" in text_of(browser.get("/"))  # still

    response = browser.submit(page, "decision", "sign-out")
    assert response.status_code == 303
    assert response.location == f"{AFTER_SIGN_OUT}?state=a+state"
    assert "Nobody is signed in here" in text_of(browser.get("/"))
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert is_question(browser.get(f"/authorize?{application.query()}"), "Sign in")


def test_a_person_may_stay_signed_in_and_goes_back_all_the_same(
    application: Application, browser: Browser
) -> None:
    page = browser.get(end_session(application.tokens(browser)))
    response = browser.submit(page, "decision", "stay")
    assert response.location == f"{AFTER_SIGN_OUT}?state=a+state"
    assert "Grace Hollow" in text_of(browser.get("/"))


def test_nobody_is_asked_when_nobody_is_signed_in(
    provider: Flask, application: Application, browser: Browser
) -> None:
    path = end_session(application.tokens(browser))
    assert Browser(provider).get(path).location == f"{AFTER_SIGN_OUT}?state=a+state"


def test_an_application_may_ask_by_post(application: Application, browser: Browser) -> None:
    path, _, query = end_session(application.tokens(browser)).partition("?")
    response = browser.post(path, dict(parse_qsl(query)), **CROSS_SITE)
    assert response.status_code == 303
    assert "Sign out of Demo ID?" in text_of(browser.get(response.location))


@pytest.mark.parametrize(
    "changes",
    [
        {"post_logout_redirect_uri": None},
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": AFTER_SIGN_OUT + "/"},
        {"post_logout_redirect_uri": CALLBACK},
        {"id_token_hint": None},
        {"id_token_hint": None, "client_id": None},
    ],
)
def test_after_a_sign_out_nobody_is_sent_where_no_application_proved_to_want_it(
    application: Application, browser: Browser, changes: dict[str, str | None]
) -> None:
    tokens = application.tokens(browser)
    page = browser.get(end_session(tokens, **changes))
    assert page.status_code == 200
    response = browser.submit(page, "decision", "sign-out")
    assert response.status_code == 200
    assert "You are signed out" in text_of(response)
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "hint",
    [
        "nonsense",
        "a.b.c",
        'e"é.\0.c',
        "eyJhbGciOiJub25lIn0.e30.",  # {"alg":"none"}
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
        "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "x" * 20_000,
    ],
)
def test_a_hint_that_is_no_id_token_of_ours_ends_nothing(
    application: Application, browser: Browser, hint: str
) -> None:
    application.tokens(browser)
    fields = {"id_token_hint": hint, "decision": "sign-out"}
    for response in (
        browser.get(end_session({}, id_token_hint=hint)),
        browser.post("/sign-out", fields),
    ):
        assert response.status_code == 400
        assert "Location" not in response.headers
    assert "Grace Hollow" in text_of(browser.get("/"))


def test_an_id_token_of_another_provider_ends_nothing(
    application: Application, browser: Browser, tmp_path: Path, clock: Clock
) -> None:
    other = make_provider(tmp_path / "other", clock)
    foreign = Application(other, DIRECTORY).tokens(Browser(other))
    assert browser.get(end_session(foreign)).status_code == 400


def test_an_application_cannot_use_the_hint_of_another(
    application: Application, browser: Browser
) -> None:
    tokens = application.tokens(browser)
    assert browser.get(end_session(tokens, client_id="library")).status_code == 400


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_sign_out(
    provider: Flask, application: Application, browser: Browser
) -> None:
    application.tokens(browser)
    cookie = browser.client.get_cookie("demo-id", domain="127.0.0.1")
    assert cookie is not None
    browser.post("/sign-out", {})
    thief = Browser(provider)
    thief.client.set_cookie("demo-id", cookie.value, domain="127.0.0.1")
    assert "Nobody is signed in here" in text_of(thief.get("/"))


def test_who_signs_in_as_somebody_else_signs_out_the_first(
    application: Application, browser: Browser
) -> None:
    graces = application.tokens(browser)
    code = browser.allow(application.query(prompt="select_account"), MARY)["code"]
    marys = application.redeem(code).get_json()
    assert application.id_token(marys)["sid"] != application.id_token(graces)["sid"]
    assert application.userinfo(graces["access_token"]).status_code == 401
    assert application.userinfo(marys["access_token"]).get_json()["sub"] == MARY


# Telling applications of a sign-out.


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """The address of an application's back-channel endpoint, and what arrives there."""
    app, received = Flask("tests.application"), list[str]()

    @app.post("/told")
    def take() -> str:
        received.append(request.form["logout_token"])
        return ""

    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/told", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_application_of_a_sign_in_is_told_of_its_end(
    instance: Path, clock: Clock, told: tuple[str, list[str]]
) -> None:
    address, received = told
    shop = Client("shop", "s", "Shop", ("https://shop.test/",), backchannel_logout_uri=address)
    provider = make_provider(instance, clock, shop, DIRECTORY)
    application, browser = Application(provider, shop), Browser(provider)
    query = application.query()
    code = answer(browser.submit(browser.sign_in(query), "decision", "allow"), "https://shop.test/")
    tokens = application.redeem(code["code"]).get_json()
    application.revoke(tokens["refresh_token"])  # it is signed in to all the same
    clock.advance(10)
    browser.submit(browser.get(end_session({})), "decision", "sign-out")

    [logout_token] = received
    keys = KeySet.import_key_set(browser.get("/jwks").get_json())
    token = jwt.decode(logout_token, keys, algorithms=["RS256"])
    assert token.header["typ"] == "logout+jwt"
    claims = dict(token.claims)
    assert len(claims.pop("jti")) > 16
    assert claims == {
        "iss": ISSUER,
        "aud": "shop",
        "sub": GRACE,
        "sid": application.id_token(tokens)["sid"],
        "iat": NOW + 10,
        "exp": NOW + 130,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


def test_an_application_that_is_down_keeps_nobody_signed_in(
    instance: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # Port 9, "discard": nothing listens there.
    down = Client(
        "down", "s", "Shop", ("https://shop.test/",), backchannel_logout_uri="http://127.0.0.1:9/"
    )
    provider = make_provider(instance, clock, down)
    application, browser = Application(provider, down), Browser(provider)
    browser.submit(browser.sign_in(application.query()), "decision", "allow")
    response = browser.submit(
        browser.get(end_session({}, client_id="down")), "decision", "sign-out"
    )
    assert "You are signed out" in text_of(response)
    assert "Nobody is signed in here" in text_of(browser.get("/"))
    assert "down could not be told of a sign-out: ConnectionError" in caplog.text
    assert "eyJ" not in caplog.text


# Pages: headers, cookie, markup, log.


def test_every_page_is_under_a_strict_policy_and_kept_by_no_cache(
    application: Application, browser: Browser
) -> None:
    query = application.query()
    pages = [browser.get("/"), browser.get(f"/authorize?{query}"), browser.sign_in(query)]
    pages += [
        browser.get("/"),
        browser.get(end_session(application.tokens(Browser(application.provider)))),
    ]
    pages += [
        browser.get("/nowhere"),
        browser.get("/authorize"),
        browser.post("/withdraw", {}, **CROSS_SITE),
    ]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page.text)


def test_a_form_may_lead_to_the_application_that_asks_and_nowhere_else(
    application: Application, browser: Browser
) -> None:
    page = browser.get(f"/authorize?{application.query()}")
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' http://localhost:5000;" in policy
    assert "form-action 'self';" in browser.get("/").headers["Content-Security-Policy"]


def test_the_cookie_is_for_this_site_and_no_script(
    application: Application, browser: Browser
) -> None:
    page = browser.get(f"/authorize?{application.query()}")
    cookies = set_cookies(browser.submit(page, "person", GRACE))
    assert cookies.keys() == {"demo-id"}
    attributes = cookies["demo-id"].attributes
    assert attributes["samesite"] == "Lax"
    assert "httponly" in attributes
    assert "domain" not in attributes


def test_markup_of_an_application_is_text(instance: Path, clock: Clock) -> None:
    odd = Client("odd", "s", '<b>Odd</b> & "co"', ("https://odd.test/",))
    provider = make_provider(instance, clock, odd)
    application, browser = Application(provider, odd), Browser(provider)
    query = application.query(state='"><script>alert(1)</script>')
    pages = [browser.get(f"/authorize?{query}"), browser.sign_in(query)]
    pages.append(browser.get(f"/authorize?{application.query(redirect_uri='https://x.test/')}"))
    for page in pages:
        assert "<script" not in page.text
        assert "<b>" not in page.text
        assert odd.name in unescape(page.text)


def test_no_token_and_no_code_is_in_any_log(
    application: Application, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = browser.allow(application.query())["code"]
    tokens = application.redeem(code).get_json()
    newer = application.refresh(tokens["refresh_token"]).get_json()
    application.revoke(newer["refresh_token"])
    browser.get(end_session(tokens))
    secrets = [code, tokens["id_token"], DIRECTORY.secret]
    secrets += [
        pair[kind] for pair in (tokens, newer) for kind in ("access_token", "refresh_token")
    ]
    for secret in secrets:
        assert secret not in caplog.text


# As a process.


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the examples, so that nobody's own instance folder is used."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("instance"))
    return folder


def test_it_serves_an_application_of_ones_own_and_logs_no_query(checkout: Path) -> None:
    callback = "http://localhost:8000/callback"
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo_provider", callback],
        cwd=checkout,
        env={**os.environ, "PORT": "0", "PYTHONPATH": str(EXAMPLES.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            greeting = ""
            while callback not in greeting:
                line = process.stdout.readline()
                assert line, greeting
                greeting += line
            issuer = re.findall(r"http://127\.0\.0\.1:\d+", greeting)[0]
            described = requests.get(
                f"{issuer}/.well-known/openid-configuration", timeout=10
            ).json()
            query = {"client_id": "app", "redirect_uri": callback, "state": "in-no-log"}
            told = requests.get(
                described["authorization_endpoint"], query, timeout=10, allow_redirects=False
            )
        finally:
            process.send_signal(signal.SIGINT)  # Ctrl-C
            output, _ = process.communicate(timeout=30)
    assert described["issuer"] == issuer
    assert told.headers["Location"].startswith(f"{callback}?error=unsupported_response_type")
    assert process.returncode == 0
    assert "GET /authorize HTTP/1.1" in output
    assert "in-no-log" not in output
    secret = (checkout / "examples/demo_provider/instance/client-secret").read_text()
    assert secret not in greeting + output
