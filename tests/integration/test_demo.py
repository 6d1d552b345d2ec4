"""The demo application: its whole story by the test client, as a process, and in a browser.

What its scripts do is in ``test_demo_scripts.py``.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask, request, request_finished
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from examples.demo import auth as demo_auth
from examples.demo import create_app, database
from examples.demo.__main__ import idle_seconds_of, listen_beside
from examples.demo_provider import Client
from examples.demo_provider import create_app as create_provider
from examples.demo_provider.accounts import PEOPLE
from examples.demo_provider.serving import HOST, listen, server_of
from flask_jwtsession import Account

from ..browsers import running_browser
from ..support import (
    CROSS_SITE,
    NOW,
    Clock,
    binding_of,
    session_token,
    set_cookies,
    unseal,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
PASSWORDS = {username: password for username, password, _ in database.ACCOUNTS}
SESSION_COOKIE = "jwtsession.session-token"
ANALYTICAL, BAYSIDE, COPPER = 1, 2, 3  # team, free, team; ada is in 1 and 3, bob in 2 and 3

PAGES = ["/dashboard", "/company", "/profile", "/password", "/members", "/session", "/admin"]
#: The session as JSON, the client, and scripts from files of our own.
SCRIPT_TAG = (
    r'<script type="(?:application/json" data-jwtsession="/auth/client\.js"'
    r'|module" src="/(?:auth/client|static/[a-z]+)\.js")>'
)
FORMS = {
    "/company": {"company_id": str(COPPER)},
    "/profile": {"name": "Mallory", "email": "mallory@example.com"},
    "/password": {"password": "a new password", "repeated": "a new password"},
    "/session/filler": {"size": "more"},
    "/auth/signout": {},
}


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance folder after the first start: hashing the first passwords takes its time."""
    return Path(create_app(tmp_path_factory.mktemp("demo") / "instance").instance_path)


@pytest.fixture
def app(first_start: Path, tmp_path: Path, clock: Clock) -> Flask:
    return make_demo(Path(shutil.copytree(first_start, tmp_path / "instance")), clock)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return browser_of(app)


def make_demo(instance: Path, clock: Clock) -> Flask:
    """As ``make demo`` has it."""
    app = create_app(instance)
    app.debug = True
    binding_of(app).clock = clock
    return app


def browser_of(app: Flask) -> FlaskClient:
    """A client that sends what a browser sends from a page of the application."""
    client = app.test_client()
    client.environ_base |= {
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_ACCEPT": "text/html",
    }
    return client


def sign_in(client: FlaskClient, username: str, password: str | None = None) -> TestResponse:
    if password is None:
        password = PASSWORDS[username]
    return client.post(
        "/auth/callback/credentials",
        data={"username": username, "password": password, "callbackUrl": "/dashboard"},
    )


def choose(client: FlaskClient, company_id: int | str) -> TestResponse:
    return client.post("/company", data={"company_id": str(company_id)})


def enter(client: FlaskClient, username: str, company_id: int) -> None:
    """Sign in and choose a company."""
    assert sign_in(client, username).status_code == 302
    assert choose(client, company_id).status_code == 303


def stay(client: FlaskClient, clock: Clock, seconds: int) -> None:
    """Let time pass in which somebody uses the page that is open: the client asks now and then."""
    for _ in range(0, seconds, 240):
        clock.advance(min(240, seconds))
        seconds -= 240
        assert client.get("/auth/session").get_json()


def claims_of(client: FlaskClient) -> dict[str, object]:
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    return unseal(client.application, cookie.value)


def text_of(response: TestResponse) -> str:
    """What a person reads on the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


# Signing in.


def test_the_first_page_is_for_everybody(client: FlaskClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "Sign in" in text_of(response)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_to_the_sign_in_and_the_sign_in_back(client: FlaskClient, path: str) -> None:
    refused = client.get(path)
    assert refused.status_code == 302
    form = client.get(refused.location).text
    assert f'name="callbackUrl" value="{path}"' in form
    fields = {"username": "ada", "password": PASSWORDS["ada"], "callbackUrl": path}
    response = client.post("/auth/callback/credentials", data=fields)
    assert response.location == f"http://localhost{path}"


@pytest.mark.parametrize(("username", "role"), [("ada", "admin"), ("bob", "member")])
def test_an_account_signs_in_with_its_role(client: FlaskClient, username: str, role: str) -> None:
    assert session_token(sign_in(client, username))
    claims = claims_of(client)
    assert (claims["username"], claims["role"]) == (username, role)
    assert "password_hash" not in claims


@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "wrong"), ("ada", ""), ("nobody", "wrong"), ("nobody", ""), ("", "")],
)
def test_wrong_credentials_all_get_the_same_answer(
    client: FlaskClient, username: str, password: str
) -> None:
    response = sign_in(client, username, password)
    assert response.status_code == 302
    assert session_token(response) is None
    assert "The user name or the password is not right." in text_of(client.get(response.location))


def test_an_unknown_name_takes_as_much_hashing_as_a_wrong_password(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def check(password_hash: str, _password: str) -> bool:
        compared.append(password_hash.split("$")[0])
        return False

    monkeypatch.setattr(demo_auth, "check_password_hash", check)
    sign_in(client, "ada", "wrong")
    sign_in(client, "nobody", "wrong")
    assert len(compared) == 2
    assert compared[0] == compared[1]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 401),
        ({"username": "ada"}, 401),
        ({"password": PASSWORDS["ada"]}, 401),
        ({"username": "ada\0", "password": PASSWORDS["ada"]}, 401),
        ({"username": ["ada"], "password": PASSWORDS["ada"]}, 400),
        ({"username": "ada", "password": None}, 400),
        ({"username": "ada", "password": {"$ne": ""}}, 400),
        ({"username": "ada", "password": PASSWORDS["ada"]}, 200),
    ],
)
def test_a_program_signs_in_with_both_texts_and_nothing_else(
    client: FlaskClient, fields: dict[str, object], status: int
) -> None:
    headers = {"Accept": "application/json"}
    response = client.post("/auth/callback/credentials", json=fields, headers=headers)
    assert response.status_code == status
    assert (session_token(response) is not None) is (status == 200)


def test_no_sign_in_leads_to_another_site(client: FlaskClient) -> None:
    fields = {"username": "ada", "password": PASSWORDS["ada"], "callbackUrl": "//evil.example"}
    response = client.post("/auth/callback/credentials", data=fields)
    assert response.location == "http://localhost"


# The company.


def test_who_has_no_company_chooses_one_first(client: FlaskClient) -> None:
    sign_in(client, "bob")
    for path in ("/dashboard", "/members"):
        assert client.get(path).location == "/company"
    response = choose(client, COPPER)
    assert response.status_code == 303
    assert "Copper & Sons" in text_of(client.get(response.location))
    assert claims_of(client)["company_id"] == COPPER


@pytest.mark.parametrize(
    ("company_id", "message"),
    [
        (ANALYTICAL, "You are not a member of that company."),
        (99, "You are not a member of that company."),
        (-1, "You are not a member of that company."),
        ("9" * 30, "You are not a member of that company."),
        ("", "Choose one of the companies."),
        ("two", "Choose one of the companies."),
        ("9" * 5000, "Choose one of the companies."),
    ],
)
def test_a_company_is_refused_and_the_session_stays(
    client: FlaskClient, company_id: int | str, message: str
) -> None:
    enter(client, "bob", BAYSIDE)
    response = choose(client, company_id)
    assert response.status_code == 400
    assert message in text_of(response)
    assert session_token(response) is None
    assert claims_of(client)["company_id"] == BAYSIDE


def test_a_browser_cannot_put_anything_into_the_session_by_itself(client: FlaskClient) -> None:
    enter(client, "bob", BAYSIDE)
    data = {"company_id": COPPER, "role": "admin", "plan": "team", "sub": "1", "filler": "x"}
    data |= {"username": "ada", "company": "Copper & Sons"}
    before = claims_of(client)
    assert client.post("/auth/session", json={"data": data}).status_code == 200
    after = claims_of(client)
    for name in data:
        assert after.get(name) == before.get(name), name


def test_the_company_is_there_again_at_the_next_sign_in(client: FlaskClient) -> None:
    enter(client, "bob", COPPER)
    client.post("/auth/signout")
    sign_in(client, "bob")
    assert claims_of(client)["company"] == "Copper & Sons"


def test_a_company_that_was_left_is_not_there_again(app: Flask, client: FlaskClient) -> None:
    enter(client, "bob", COPPER)
    with app.app_context(), database.connection() as connection:
        connection.execute("DELETE FROM memberships WHERE user_id = 2 AND company_id = ?", [COPPER])
    sign_in(client, "bob")
    assert "company_id" not in claims_of(client)


# Roles and claims.


@pytest.mark.parametrize(("username", "status"), [("ada", 200), ("bob", 403)])
def test_the_admin_page_is_for_admins(client: FlaskClient, username: str, status: int) -> None:
    sign_in(client, username)
    response = client.get("/admin")
    assert response.status_code == status
    assert ("Bob Bayley bob member" in text_of(response)) is (status == 200)


def test_only_an_admin_is_shown_the_way_to_the_admin_page(app: Flask) -> None:
    ada, bob = browser_of(app), browser_of(app)
    sign_in(ada, "ada")
    sign_in(bob, "bob")
    assert 'href="/admin"' in ada.get("/profile").text
    assert 'href="/admin"' not in bob.get("/profile").text


def test_the_members_page_is_for_companies_with_the_team_plan(client: FlaskClient) -> None:
    enter(client, "bob", BAYSIDE)
    refused = client.get("/members")
    assert refused.status_code == 403
    assert "Choose another company" in text_of(refused)
    choose(client, COPPER)
    members = text_of(client.get("/members"))
    assert "ada@example.com" in members
    assert "bob@example.com" in members


# The forms about oneself.


def test_a_new_name_is_in_the_session_and_in_the_database(client: FlaskClient) -> None:
    sign_in(client, "ada")
    response = client.post(
        "/profile",
        data={"name": "  Ada   King ", "email": "king@example.com"},
        follow_redirects=True,
    )
    assert "Your profile is saved" in text_of(response)
    assert "Ada King Sign out" in text_of(response)
    for _ in range(2):  # in this session, and in the next
        user = client.get("/auth/session").get_json()["user"]
        assert (user["name"], user["email"]) == ("Ada King", "king@example.com")
        client.post("/auth/signout")
        sign_in(client, "ada")


@pytest.mark.parametrize(
    ("name", "email", "message"),
    [
        ("", "a@example.com", "A name has"),
        ("x" * 81, "a@example.com", "A name has"),
        ("a\x00b", "a@example.com", "A name has"),
        ("Ada", "", "not an e-mail address"),
        ("Ada", "ada", "not an e-mail address"),
        ("Ada", "a@b@c", "not an e-mail address"),
        ("Ada", "a@b\x00", "not an e-mail address"),
        ("Ada", "a@" + "b" * 253, "not an e-mail address"),
    ],
)
def test_a_profile_is_checked_and_what_was_typed_stays(
    client: FlaskClient, name: str, email: str, message: str
) -> None:
    sign_in(client, "ada")
    response = client.post("/profile", data={"name": name, "email": email})
    assert response.status_code == 400
    assert message in text_of(response)
    assert 'aria-invalid="true"' in response.text
    assert claims_of(client)["name"] == "Ada Lovelace"


def test_markup_in_a_name_is_text_on_every_page(app: Flask, client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    name = "<script>alert('1')</script>\"&"
    client.post("/profile", data={"name": name, "email": "a@example.com"})
    for path in [*PAGES, "/nowhere", "/sign-in"]:
        response = client.get(path)
        assert "<script>" not in response.text
        assert name in unescape(response.text), path
        for tag in re.findall("<script[^>]*>", response.text):
            assert re.fullmatch(SCRIPT_TAG, tag), tag


@pytest.mark.parametrize("by_script", [False, True])
def test_a_session_that_cannot_be_changed_leaves_the_database_alone(
    app: Flask, client: FlaskClient, by_script: bool
) -> None:
    enter(client, "ada", COPPER)
    for _ in range(2):
        client.post("/session/filler", data={"size": "more"})
    profile = {"name": "😀" * 80, "email": f"{'😀' * 240}@example.com"}  # there is no room for it
    if by_script:
        response = client.post("/auth/session", json={"data": profile})
    else:
        response = client.post("/profile", data=profile)
    assert response.status_code == 413
    with app.app_context():
        user = database.user_by_name("ada")
    assert user is not None
    assert (user["name"], user["email"]) == ("Ada Lovelace", "ada@example.com")


@pytest.mark.parametrize(
    ("data", "name", "email"),
    [
        ({"name": " Ada   King ", "email": "king@example.com "}, "Ada King", "king@example.com"),
        ({"name": "Ada King"}, "Ada King", "ada@example.com"),
        ({"email": "king@example.com"}, "Ada Lovelace", "king@example.com"),
        ({}, "Ada Lovelace", "ada@example.com"),
    ],
)
def test_a_script_changes_the_profile_as_the_form_does(
    app: Flask, client: FlaskClient, data: dict[str, str], name: str, email: str
) -> None:
    enter(client, "ada", COPPER)
    public = client.post("/auth/session", json={"data": data}).get_json()
    assert (public["user"]["name"], public["user"]["email"]) == (name, email)
    with app.app_context():
        user = database.user_by_id("1")
    assert (user["name"], user["email"], user["company_id"]) == (name, email, COPPER)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"name": ""}, "A name has 1 to 80 characters."),
        ({"name": 7}, "A name has 1 to 80 characters."),
        ({"name": None}, "A name has 1 to 80 characters."),
        ({"name": ["Ada"]}, "A name has 1 to 80 characters."),
        ({"email": {"$ne": ""}}, "This is not an e-mail address."),
        ({"name": "Ada King", "email": "king"}, "This is not an e-mail address."),
        (
            {"name": "x" * 81, "email": "king"},
            "A name has 1 to 80 characters. This is not an e-mail address.",
        ),
    ],
)
def test_a_script_is_refused_what_the_form_is_refused(
    app: Flask, client: FlaskClient, data: dict[str, object], detail: str
) -> None:
    enter(client, "ada", COPPER)
    before = claims_of(client)
    headers = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
    response = client.post("/auth/session", json={"data": data}, headers=headers)
    assert response.status_code == 400
    assert response.get_json()["code"] == "update_refused"
    assert response.get_json()["detail"] == detail
    assert claims_of(client) == before
    with app.app_context():
        assert database.user_by_id("1")["name"] == "Ada Lovelace"


def test_who_comes_without_an_address_may_change_only_the_name(world: World) -> None:
    world.sign_in(MALLORY)
    response = world.demo.post("/auth/session", json={"data": {"name": "Mallory Mink"}})
    assert response.get_json()["user"]["name"] == "Mallory Mink"
    assert response.get_json()["user"]["email"] is None


def test_the_password_page_wants_a_recent_sign_in(client: FlaskClient, clock: Clock) -> None:
    enter(client, "ada", COPPER)
    assert client.get("/password").status_code == 200
    clock.advance(61)
    refused = client.get("/password")
    assert refused.location == "/sign-in?callbackUrl=%2Fpassword&max_age=60"
    again = client.get(refused.location)
    assert "You are signed in as Ada Lovelace ." in text_of(again)
    assert 'value="ada"' in again.text
    sign_in(client, "ada")
    assert client.get("/password").status_code == 200
    assert claims_of(client)["company_id"] == COPPER


def test_a_changed_password_is_the_only_one(client: FlaskClient, clock: Clock) -> None:
    sign_in(client, "bob")
    stay(client, clock, 10 * 60)  # the form was opened in time, and filled in slowly
    response = client.post("/password", data=FORMS["/password"])
    assert response.status_code == 303
    assert session_token(sign_in(client, "bob")) is None
    assert session_token(sign_in(client, "bob", "a new password"))


def test_a_password_form_that_was_left_open_too_long_changes_nothing(
    client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "bob")
    stay(client, clock, 16 * 60)
    response = client.post(
        "/password", data=FORMS["/password"], headers={"Referer": "http://localhost/password"}
    )
    assert response.status_code == 303
    assert response.location.startswith("/sign-in?callbackUrl=")
    assert session_token(sign_in(client, "bob"))


@pytest.mark.parametrize(
    ("password", "repeated", "message"),
    [
        ("", "", "A password has 10 to 200"),
        ("short", "short", "A password has 10 to 200"),
        ("x" * 201, "x" * 201, "A password has 10 to 200"),
        ("long enough", "not the same", "not the same"),
    ],
)
def test_a_new_password_is_checked(
    client: FlaskClient, password: str, repeated: str, message: str
) -> None:
    sign_in(client, "bob")
    response = client.post("/password", data={"password": password, "repeated": repeated})
    assert response.status_code == 400
    assert message in text_of(response)
    assert session_token(sign_in(client, "bob"))


# What is shown, and what is not.


def test_the_browser_sees_what_the_session_callback_lets_out(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    public = client.get("/auth/session").get_json()
    assert public.keys() == {"user", "expires", "company", "latest_end"}
    assert public["user"].keys() == {"id", "name", "email", "image", "role"}


def test_signals_are_listed_newest_first_and_without_tokens(app: Flask) -> None:
    ada, bob = browser_of(app), browser_of(app)
    enter(bob, "bob", BAYSIDE)
    bob.post("/auth/signout")
    bob.set_cookie(SESSION_COOKIE, "garbage")
    bob.get("/session")
    sign_in(ada, "ada")
    page = ada.get("/admin")
    found = re.findall(
        r"(signed_in|signed_out|session_\w+) (\w+).*?(with|reason|changed|not)",
        text_of(page),
    )
    assert found == [
        ("signed_in", "Ada", "with"),
        ("session_rejected", "nobody", "not"),
        ("signed_out", "Bob", "reason"),
        ("session_updated", "Bob", "changed"),
        ("signed_in", "Bob", "with"),
    ]
    assert "eyJ" not in page.text
    assert "scrypt" not in page.text


def test_the_log_of_one_app_has_nothing_of_another(tmp_path: Path, clock: Clock) -> None:
    first, second = make_demo(tmp_path / "1", clock), make_demo(tmp_path / "2", clock)
    bob, ada = browser_of(first), browser_of(second)
    sign_in(bob, "bob")
    sign_in(ada, "ada")
    log = text_of(ada.get("/admin")).partition("Signals")[2]
    assert "signed_in Ada" in log
    assert "Bob" not in log


def test_a_flood_of_bad_cookies_does_not_grow_the_log(app: Flask) -> None:
    for number in range(100):
        app.test_client(use_cookies=False).get(
            "/", headers={"Cookie": f"{SESSION_COOKIE}={number}"}
        )
    ada = browser_of(app)
    sign_in(ada, "ada")
    assert ada.get("/admin").text.count("session_rejected") < 50


# Signing out, forms of other sites, headers.


def test_signing_out_deletes_the_cookie_and_closes_the_pages(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    response = client.post("/auth/signout", data={"callbackUrl": "/"})
    assert response.location == "http://localhost/"
    assert set_cookies(response)[SESSION_COOKIE].deletes
    assert client.get_cookie(SESSION_COOKIE) is None
    assert client.get("/dashboard").location.startswith("/sign-in")


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_another_site_sends_changes_nothing(client: FlaskClient, path: str) -> None:
    enter(client, "bob", BAYSIDE)
    before = claims_of(client)
    response = client.post(path, data=FORMS[path], headers=CROSS_SITE)
    assert response.status_code == 403
    assert claims_of(client) == before
    assert session_token(sign_in(client, "bob"))


@pytest.mark.parametrize("path", FORMS)
def test_looking_at_a_page_changes_nothing(client: FlaskClient, path: str) -> None:
    enter(client, "bob", BAYSIDE)
    before = claims_of(client)
    client.get(path, query_string=FORMS[path])
    assert claims_of(client) == before


def test_cookies_are_for_this_site_and_no_script(client: FlaskClient) -> None:
    responses = [sign_in(client, "ada"), choose(client, COPPER)]
    cookies = [cookie for response in responses for cookie in set_cookies(response).values()]
    assert {cookie.name for cookie in cookies} == {SESSION_COOKIE, "demo-messages"}
    for cookie in cookies:
        assert "httponly" in cookie.attributes
        assert cookie.attributes["samesite"] == "Lax"
        assert cookie.attributes["path"] == "/"


@pytest.mark.parametrize("path", ["/", *PAGES, "/sign-in", "/auth/signout", "/nowhere"])
def test_every_page_is_under_a_strict_policy_and_kept_by_no_cache(
    client: FlaskClient, path: str
) -> None:
    enter(client, "ada", COPPER)
    response = client.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    for directive in ("script-src", "connect-src"):  # the extension's page has no script at all
        assert f"{directive} 'self';" in policy or path == "/auth/signout"
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]
    assert "Cookie" in response.vary
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", response.text)
    scripts = re.findall("<script[^>]*>", response.text)
    assert all(re.fullmatch(SCRIPT_TAG, tag) for tag in scripts)
    assert bool(scripts) is (path not in ("/", "/auth/signout"))  # one leads on, one is not ours


def test_static_files_stay_cacheable(client: FlaskClient) -> None:
    sign_in(client, "ada")
    response = client.get("/static/demo.css", buffered=True)
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert "Cookie" not in response.vary


# When it ends.


def test_a_session_that_nobody_uses_ends_after_minutes(client: FlaskClient, clock: Clock) -> None:
    enter(client, "ada", COPPER)
    clock.advance(4 * 60)
    assert client.get("/dashboard").status_code == 200
    clock.advance(4 * 60)
    assert client.get("/dashboard").status_code == 200
    clock.advance(6 * 60)
    assert client.get("/dashboard").location.startswith("/sign-in")


def test_a_session_that_somebody_uses_ends_after_an_hour(client: FlaskClient, clock: Clock) -> None:
    enter(client, "ada", COPPER)
    stay(client, clock, 59 * 60)
    clock.advance(2 * 60)
    assert client.get("/dashboard").location.startswith("/sign-in")


@pytest.mark.parametrize("text", ["", "0", "-1", "3601", "12345", "a minute", "٣"])
def test_a_wrong_lifetime_is_said(text: str) -> None:
    with pytest.raises(SystemExit, match="IDLE_SECONDS is a number from 1 to 3600"):
        idle_seconds_of(text)


def test_a_lifetime_can_be_made_shorter(tmp_path: Path, clock: Clock) -> None:
    app = create_app(tmp_path / "instance", idle_seconds=idle_seconds_of("90"))
    binding_of(app).clock = clock
    client = browser_of(app)
    enter(client, "ada", COPPER)
    clock.advance(89)
    assert client.get("/dashboard").status_code == 200
    clock.advance(110)
    assert client.get("/dashboard").status_code == 302


# The session inspector.


def test_the_inspector_is_there_in_debug_mode_only(app: Flask, client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    assert client.get("/session").status_code == 200
    assert 'href="/session"' in client.get("/dashboard").text
    app.debug = False
    before = claims_of(client)
    assert client.get("/session").status_code == 404
    assert client.post("/session/filler", data={"size": "more"}).status_code == 404
    assert claims_of(client) == before
    assert 'href="/session"' not in client.get("/dashboard").text


def test_the_inspector_shows_claims_but_no_token_and_no_identifier(
    app: Flask, client: FlaskClient
) -> None:
    enter(client, "ada", COPPER)
    client.post("/session/filler", data={"size": "more"})
    client.post("/session/filler", data={"size": "none"})
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    page = client.get("/session").text
    claims = claims_of(client)
    for name in claims:
        assert f"<code>{name}</code>" in page
    assert isinstance(app.secret_key, str)
    for secret in (str(claims["sid"]), str(claims["jti"]), app.secret_key, "eyJ", "scrypt"):
        assert secret not in page
    assert not any(part in page for part in cookie.value.split(".") if part)


def test_the_inspector_shows_nothing_of_what_the_extension_keeps_to_itself(world: World) -> None:
    world.sign_in()
    kept = texts_in(claims_of(world.demo)["_session"])
    kept -= {GRACE, "demo-id", "oidc", "Bearer", "openid profile email"}
    page = world.demo.get("/session").text
    assert len(kept) >= 3  # the tokens
    assert not [text for text in kept if text in page]


def texts_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return {text for item in value.values() for text in texts_in(item)}
    return {value} if isinstance(value, str) else set()


def test_the_inspector_says_what_of_the_claims_the_browser_sees(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    page = client.get("/session").text
    public = client.get("/auth/session").get_json()
    claims = claims_of(client)
    rows = re.findall(r"<code>(\w+)</code>(?:(?!</li>).)*", page, re.DOTALL)
    tags = dict(
        re.findall(r"<code>(\w+)</code>(?:(?!</li>).)*?class=\"tag\">([\w.]+)<", page, re.DOTALL)
    )
    assert tags.pop("exp") == "expires"
    assert set(tags) == {"sub", "name", "email", "role", "company"}
    for name, path in tags.items():
        seen = public
        for step in path.split("."):
            seen = seen[step]
        assert seen == claims[name], name
    assert {"username", "company_id", "plan", "sid"} <= set(rows) - set(tags)


def test_the_inspector_says_when_what_happens(client: FlaskClient, clock: Clock) -> None:
    enter(client, "ada", COPPER)
    clock.advance(20)
    page = client.get("/session").text
    moments = [float(moment) - NOW for moment in re.findall('data-moment="(.*?)"', page)]
    assert moments == [0, 0, 30, 300, 3600]
    clock.advance(20)
    moments = [
        float(moment) - NOW
        for moment in re.findall('data-moment="(.*?)"', client.get("/session").text)
    ]
    assert moments == [0, 40, 70, 340, 3600]


@pytest.mark.parametrize("header", ["[" * 3000, "[]", '"\xff"', ""])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_inspector_stands_a_planted_cookie(
    app: Flask, client: FlaskClient, header: str, is_first: bool
) -> None:
    enter(client, "ada", COPPER)
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    planted = urlsafe_b64encode(header.encode("latin-1")).decode() + ".a.b.c.d"
    values = [planted, cookie.value] if is_first else [cookie.value, planted]
    sent = "; ".join(f"{SESSION_COOKIE}={value}" for value in values)
    response = app.test_client(use_cookies=False).get("/session", headers={"Cookie": sent})
    assert response.status_code == 200
    assert "Ada Lovelace" in text_of(response)


@pytest.mark.parametrize("idle_seconds", [9, 70, 300, 3600])
def test_whoever_is_asked_to_stay_can(
    first_start: Path, tmp_path: Path, clock: Clock, idle_seconds: int
) -> None:
    """The banner comes when the token is old enough to be issued anew."""
    instance = shutil.copytree(first_start, tmp_path / "instance")
    app = create_app(instance, idle_seconds=idle_seconds)
    binding_of(app).clock = clock
    client = browser_of(app)
    sign_in(client, "ada")
    before = claims_of(client)
    page = client.get("/company").text
    found = re.search('data-warning="(.+?)"', page)
    assert found is not None
    warning = float(found[1])
    assert 0 < warning <= min(60, idle_seconds / 3)
    clock.advance(idle_seconds - warning)
    public = client.get("/auth/session").get_json()
    after = claims_of(client)
    is_final = public["expires"][:19] == public["latest_end"][:19]
    assert is_final == (idle_seconds == 3600)
    assert (after["exp"] == before["exp"]) == is_final


def test_a_session_that_grows_is_shown_in_its_chunks(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    assert "One, as this request brought it." in text_of(client.get("/session"))
    for _ in range(2):
        response = client.post("/session/filler", data={"size": "more"})
        assert response.location == "/session#cookie"
    page = text_of(client.get("/session"))
    for number in range(2):
        cookie = client.get_cookie(f"{SESSION_COOKIE}.{number}")
        assert cookie is not None
        assert f"{SESSION_COOKIE}.{number} {len(cookie.value):,} of 3,936" in page
    assert "4,000 characters" in page
    assert "xxx" not in page
    client.post("/session/filler", data={"size": "none"})
    assert "filler" not in claims_of(client)


def test_a_session_that_grows_too_large_is_as_it_was(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    for _ in range(2):
        client.post("/session/filler", data={"size": "more"})
    response = client.post("/session/filler", data={"size": "more"}, follow_redirects=True)
    assert "The session is as it was: the session's token would have" in text_of(response)
    assert "4,000 characters" in text_of(response)


def test_the_inspector_lists_the_signals_of_its_session(app: Flask) -> None:
    ada, bob, again = browser_of(app), browser_of(app), browser_of(app)
    enter(ada, "ada", COPPER)
    enter(bob, "bob", COPPER)
    enter(again, "bob", COPPER)
    bob.post("/auth/session", json={"data": {"name": "Robert Bayley"}})
    signals = text_of(bob.get("/session")).partition("Its last signals")[2]
    assert re.findall(r"signed_in|session_\w+ changed: \w+", signals) == [
        "session_updated changed: name",
        "session_updated changed: company_id",
        "signed_in",
    ]


# Errors.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/profile", 405), ("GET", "/admin", 403)],
)
def test_an_error_is_a_page_of_the_application(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    enter(client, "bob", BAYSIDE)
    response = client.open(path, method=method)
    assert response.status_code == status
    assert "Back to the start" in text_of(response)
    assert "Bob Bayley Sign out" in text_of(response)


def test_an_error_keeps_its_headers(client: FlaskClient) -> None:
    assert "POST" in client.put("/profile").headers["Allow"]


def test_a_failure_is_a_page_that_tells_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the database is at db.internal")

    monkeypatch.setattr(database, "users", fail)
    sign_in(client, "ada")
    response = client.get("/admin")
    assert response.status_code == 500
    assert "Please try again." in text_of(response)
    assert "db.internal" not in response.text


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    sign_in(client, "ada")
    response = client.post("/profile", data={"name": "x" * 70_000, "email": "a@example.com"})
    assert response.status_code == 413
    assert "Back to the start" in text_of(response)


@pytest.mark.parametrize(("username", "status"), [(None, 401), ("bob", 403)])
def test_a_program_gets_its_refusal_as_json(
    client: FlaskClient, username: str | None, status: int
) -> None:
    if username is not None:
        sign_in(client, username)
    headers = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
    response = client.get("/admin", headers=headers)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"


# Demo ID.

GRACE, MARY, MALLORY = PEOPLE


class World:
    """The demo and its provider, which is served on loopback, and a browser that visits both."""

    def __init__(self, app: Flask, provider: Flask, issuer: str) -> None:
        self.app, self.provider, self.issuer = app, provider, issuer
        self.demo = browser_of(app)
        self.demo_id = provider.test_client()

    def start(self, target: str = "/dashboard") -> str:
        """Press "Sign in with Demo ID". Where the browser is sent."""
        response = self.demo.post("/auth/signin/demo-id", data={"callbackUrl": target})
        assert response.status_code == 302
        return response.location

    def at_demo_id(self, url: str, **fields: str) -> TestResponse:
        """Open a page of the provider, or send the form of one."""
        assert url.startswith(f"{self.issuer}/"), url
        parts = urlsplit(url)
        return self.demo_id.open(
            f"{parts.path}?{parts.query}",
            base_url=self.issuer,
            method="POST" if fields else "GET",
            data=fields or None,
            headers={"Sec-Fetch-Site": "same-origin"},
        )

    def answer(self, url: str, person: str, decision: str = "allow") -> str:
        """Say who one is, and allow it or not if that is asked. The way back to the demo."""
        query = urlsplit(url).query
        if self.at_demo_id(url).status_code == 200:  # it asks who it is
            self.at_demo_id(f"{self.issuer}/authorize/sign-in?{query}", person=person)
        response = self.at_demo_id(url)
        if response.status_code == 200:
            consent = f"{self.issuer}/authorize/consent?{query}"
            response = self.at_demo_id(consent, person=person, decision=decision)
        assert response.status_code == 303
        return response.location

    def come_back(self, url: str) -> TestResponse:
        headers = {"Sec-Fetch-Site": "cross-site"}
        return self.demo.get(url.removeprefix("http://localhost"), headers=headers)

    def sign_in(self, person: str = GRACE) -> dict[str, Any]:
        """The whole way. The claims of the session."""
        response = self.come_back(self.answer(self.start(), person))
        assert response.status_code == 302
        assert response.location == "http://localhost/dashboard"
        return claims_of(self.demo)

    def account(self) -> Account:
        """What the server knows of the account of who is signed in."""
        with self.app.test_request_context(headers={"Cookie": self.cookie_header()}):
            account = demo_auth.account_at_demo_id()
        assert account is not None
        return account

    def cookie_header(self) -> str:
        cookie = self.demo.get_cookie(SESSION_COOKIE)
        assert cookie is not None
        return f"{SESSION_COOKIE}={cookie.value}"


@pytest.fixture
def world(first_start: Path, tmp_path: Path, clock: Clock) -> Iterator[World]:
    with listen(0, "") as listening:
        issuer = f"http://{HOST}:{listening.getsockname()[1]}"
        app = create_app(shutil.copytree(first_start, tmp_path / "instance"), issuer=issuer)
        binding_of(app).clock = clock
        client = Client(
            app.config["DEMO_ID_CLIENT_ID"],
            app.config["DEMO_ID_CLIENT_SECRET"],
            "Company directory",
            ("http://localhost/auth/callback/demo-id",),
            ("http://localhost/auth/signout/callback",),
        )
        app.debug = True
        provider = create_provider(
            tmp_path / "provider", issuer=issuer, clients=[client], clock=clock
        )
        server = server_of(provider, listening)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield World(app, provider, issuer)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_person_signs_in_with_demo_id(world: World) -> None:
    url = world.start("/members")
    assert "Company directory" in text_of(world.at_demo_id(url))
    response = world.come_back(world.answer(url, GRACE))
    assert response.location == "http://localhost/members"
    claims = claims_of(world.demo)
    assert (claims["sub"], claims["role"]) == ("3", "member")  # after ada and bob
    assert (claims["name"], claims["email"]) == ("Grace Hollow", "grace@example.net")
    choose(world.demo, COPPER)
    assert "grace@example.net" in text_of(world.demo.get("/members"))


def test_who_comes_again_is_who_they_were_here(world: World) -> None:
    first = world.sign_in()
    choose(world.demo, COPPER)
    world.demo.post("/profile", data={"name": "Grace King", "email": "king@example.com"})
    world.demo.post("/auth/signout")
    again = world.sign_in()
    assert again["sub"] == first["sub"]
    assert (again["name"], again["email"]) == ("Grace King", "king@example.com")
    assert again["company"] == "Copper & Sons"


def test_two_people_of_demo_id_are_two_people_here(world: World) -> None:
    grace = world.sign_in(GRACE)
    world.demo_id.delete_cookie("demo-id", domain=HOST)
    mary = world.sign_in(MARY)
    assert grace["sub"] != mary["sub"]


def test_somebody_with_the_administrators_address_is_not_the_administrator(world: World) -> None:
    claims = world.sign_in(MALLORY)
    assert (claims["name"], claims["role"]) == ("Mallory Mask", "member")
    assert claims["sub"] not in ("1", "2")
    assert claims["email"] is None  # nobody checked that it is hers
    assert world.demo.get("/admin").status_code == 403
    assert 'name="email" type="email" value=""' in world.demo.get("/profile").text


def test_of_two_first_sign_ins_at_once_both_are_the_same_person(app: Flask) -> None:
    account = Account(provider="demo-id", type="oidc", provider_account_id="somebody")
    user = {"id": "somebody", "name": "Some Body", "email": None}

    def come(_: int) -> object:
        with app.app_context():
            return database.user_of_account(account, user)["id"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(come, range(8)))) == 1


def test_who_comes_from_demo_id_has_no_password_here(world: World) -> None:
    username = str(world.sign_in()["username"])
    world.demo.post("/auth/signout")
    for password in ("", "grace"):
        assert session_token(sign_in(browser_of(world.app), username, password)) is None


def test_a_person_who_cancels_is_told_and_not_signed_in(world: World) -> None:
    response = world.come_back(world.answer(world.start(), GRACE, decision="cancel"))
    assert session_token(response) is None
    assert "You are not signed in: it was cancelled" in text_of(world.demo.get(response.location))


def test_a_provider_that_is_not_there_is_said_not_to_answer(
    app: Flask, client: FlaskClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    nowhere = browser_of(create_app(Path(app.instance_path), issuer=issuer))
    response = nowhere.post("/auth/signin/demo-id", data={"callbackUrl": "/dashboard"})
    assert "Demo ID does not answer." in text_of(nowhere.get(response.location))


def test_no_page_shows_a_token_of_demo_id(world: World) -> None:
    world.sign_in()
    choose(world.demo, COPPER)
    account = world.account()
    tokens = [account.access_token, account.refresh_token, account.id_token]
    page = world.demo.get("/session")
    assert "What Demo ID gave" in text_of(page)
    for path in [*PAGES, "/auth/session"]:
        text = world.demo.get(path).text
        for token in tokens:
            assert token
            assert token not in text
            assert token[:12] not in text
    for token in tokens:
        assert f"{len(token or '')} characters" in text_of(page)
    userinfo = requests.get(
        f"{world.issuer}/userinfo",
        headers={"Authorization": f"Bearer {account.access_token}"},
        timeout=10,
    )
    assert userinfo.json()["sub"] == GRACE


def test_who_has_a_password_is_shown_nothing_of_demo_id(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    assert "What Demo ID gave" not in text_of(client.get("/session"))


def test_the_password_page_leads_straight_to_demo_id_for_a_new_sign_in(
    world: World, clock: Clock
) -> None:
    world.sign_in()
    assert "You have no password here" in text_of(world.demo.get("/password"))
    clock.advance(61)
    refused = world.demo.get("/password")
    assert refused.status_code == 302
    asked = parse_qs(urlsplit(refused.location).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["60"])
    assert "Is it still you?" in text_of(world.at_demo_id(refused.location))
    response = world.come_back(world.answer(refused.location, GRACE))
    assert response.location == "http://localhost/password"
    assert world.demo.get("/password").status_code == 200


def test_who_was_at_demo_id_for_an_hour_did_not_sign_in_just_now(
    world: World, clock: Clock
) -> None:
    world.sign_in()
    world.demo.post("/auth/signout")  # and stays signed in at Demo ID
    clock.advance(3600)
    back = world.at_demo_id(world.start()).location  # no question
    assert world.come_back(back).location == "http://localhost/dashboard"
    assert world.demo.get("/password").location.startswith(f"{world.issuer}/authorize?")


def test_who_has_no_password_here_can_set_none(world: World) -> None:
    world.sign_in()
    response = world.demo.post("/password", data=FORMS["/password"])
    assert response.status_code == 403
    assert "no password here" in text_of(response)


def test_the_log_says_how_somebody_signed_in(world: World) -> None:
    world.sign_in()
    ada = browser_of(world.app)
    sign_in(ada, "ada")
    log = text_of(ada.get("/admin"))
    assert "signed_in Grace Hollow with Demo ID" in log
    assert "signed_in Ada Lovelace with user name and password" in log
    assert "eyJ" not in log


def test_a_form_may_lead_to_demo_id_and_nowhere_else(world: World) -> None:
    policy = world.demo.get("/sign-in").headers["Content-Security-Policy"]
    assert f"form-action 'self' {world.issuer};" in policy


# Signing out of both.


def test_who_signs_out_is_asked_whether_to_sign_out_of_demo_id_too(world: World) -> None:
    world.sign_in()
    account = world.account()
    response = world.demo.post("/auth/signout", data={"callbackUrl": "/"})
    assert world.demo.get_cookie(SESSION_COOKIE) is None  # here at once
    page = text_of(world.at_demo_id(response.location))
    assert "Sign out of Demo ID?" in page
    assert "Grace Hollow" in page

    asked = {name: value for name, [value] in parse_qs(urlsplit(response.location).query).items()}
    assert asked["id_token_hint"] == account.id_token
    there = f"{world.issuer}/sign-out"
    back = world.at_demo_id(there, decision="sign-out", **asked)
    assert world.come_back(back.location).location == "http://localhost/"
    assert "Nobody is signed in here" in text_of(world.at_demo_id(f"{world.issuer}/"))


def test_the_refresh_token_is_worth_nothing_after_the_sign_out(world: World) -> None:
    world.sign_in()
    refresh_token = world.account().refresh_token
    revoked = Event()

    def watch(_sender: Flask, **_: object) -> None:
        if request.path == "/revoke":
            revoked.set()

    with request_finished.connected_to(watch, world.provider):
        world.demo.post("/auth/signout")  # and stays signed in at Demo ID
        assert revoked.wait(10)
    response = requests.post(
        f"{world.issuer}/token",
        {"grant_type": "refresh_token", "refresh_token": refresh_token},
        auth=(world.app.config["DEMO_ID_CLIENT_ID"], world.app.config["DEMO_ID_CLIENT_SECRET"]),
        timeout=10,
    )
    assert response.json()["error"] == "invalid_grant"


def test_who_has_a_password_signs_out_here_and_that_is_all(client: FlaskClient) -> None:
    sign_in(client, "ada")
    response = client.post("/auth/signout", data={"callbackUrl": "/"})
    assert response.location == "http://localhost/"


# The instance folder.


def test_a_restart_keeps_sessions_and_accounts(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    enter(client, "ada", COPPER)
    client.post("/profile", data={"name": "Ada King", "email": "king@example.com"})
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    restarted = browser_of(make_demo(Path(app.instance_path), clock))
    restarted.set_cookie(SESSION_COOKIE, cookie.value)
    assert "Hello, Ada King" in text_of(restarted.get("/dashboard"))
    assert session_token(sign_in(restarted, "ada"))


def test_nobody_else_on_the_machine_can_read_the_secret(app: Flask) -> None:
    instance = Path(app.instance_path)
    assert (instance / "secret").stat().st_mode & 0o777 == 0o600
    assert instance.stat().st_mode & 0o777 == 0o700


def test_every_installation_has_a_secret_of_its_own(
    app: Flask, tmp_path: Path, clock: Clock
) -> None:
    assert make_demo(tmp_path / "another", clock).secret_key != app.secret_key


def test_passwords_are_kept_as_hashes(app: Flask) -> None:
    stored = (Path(app.instance_path) / "demo.sqlite").read_bytes()
    assert b"bob@example.com" in stored
    for password in PASSWORDS.values():
        assert password.encode() not in stored


# As a process, as ``make demo`` starts it.


def test_it_imports_nothing_but_the_package_and_what_that_depends_on() -> None:
    allowed = {*sys.stdlib_module_names, "flask_jwtsession", "authlib", "click", "flask"}
    allowed |= {"joserfc", "jwt", "requests", "werkzeug"}
    for file in EXAMPLES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, file


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the example, so that nobody's own instance folder is used."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("instance"))
    return folder


def start(checkout: Path, port: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        cwd=checkout,
        env={**os.environ, "PORT": port, "PYTHONPATH": str(EXAMPLES.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def greeting_of(process: subprocess.Popen[str]) -> str:
    """What the demo prints before it serves."""
    assert process.stdout is not None
    greeting = ""
    for line in process.stdout:
        greeting += line
        if line.rstrip().endswith("examples/demo_provider/instance"):
            return greeting
    raise AssertionError(greeting)


def urls_of(greeting: str) -> tuple[str, str]:
    """Where the demo is, and where Demo ID is."""
    app = re.search(r"The demo is at (http://localhost:\d+) ", greeting)
    provider = re.search(r"Demo ID, .*, is at (http://127\.0\.0\.1:\d+)\n", greeting)
    assert app, greeting
    assert provider, greeting
    return app[1], provider[1]


@pytest.fixture(scope="module")
def servers(checkout: Path) -> Iterator[tuple[str, str]]:
    """The URLs that the demo, running as a process, prints; the accounts are printed too."""
    with start(checkout, "0") as process:
        try:
            greeting = greeting_of(process)
            for username, password in PASSWORDS.items():
                assert re.search(rf"{username}\s+{password}", greeting)
            yield urls_of(greeting)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(servers: tuple[str, str]) -> str:
    return servers[0]


def is_open(url: str) -> bool:
    port = urlsplit(url).port
    assert port is not None
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_both_start_and_both_stop_with_ctrl_c(checkout: Path) -> None:
    with start(checkout, "0") as process:
        try:
            app, provider = urls_of(greeting_of(process))
            described = requests.get(f"{provider}/.well-known/openid-configuration", timeout=10)
            assert described.json()["issuer"] == provider
            assert requests.get(f"{app}/", timeout=10).status_code == 200
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in output
    assert not is_open(app)
    assert not is_open(provider)


def test_the_provider_takes_the_next_port_or_any_other() -> None:
    with listen_beside(0) as taken:
        port = int(taken.getsockname()[1])
        with listen_beside(port - 1) as another:
            assert another.getsockname()[1] != port
    with listen_beside(port - 1) as next_one:
        assert next_one.getsockname()[1] == port
    with listen_beside(65_535) as another:
        assert another.getsockname()[1] > 0


@pytest.mark.parametrize("port", ["", "http", "-1", "70000", "٣"])
def test_a_wrong_port_is_said(checkout: Path, port: str) -> None:
    with start(checkout, port) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "PORT is a number from 0 (any free port) to 65535" in output


def test_a_taken_port_is_said(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(checkout, str(port)) as process:
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"Port {port} is taken by another program." in output
    assert "Traceback" not in output


# In a browser.


@pytest.fixture
def page() -> Iterator[Page]:
    with running_browser() as browser:
        # A phone's width: what fits there fits everywhere.
        page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
        page.set_default_timeout(15_000)
        yield page


def test_a_person_goes_through_the_demo_in_a_browser(server: str, page: Page) -> None:
    complaints: list[str] = []  # of the Content-Security-Policy, for one
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))

    def click(name: str) -> None:
        page.get_by_role("button", name=name).click()

    def fill_in(password: str) -> None:
        page.get_by_label("User name").fill("bob")
        page.get_by_label("Password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()

    page.goto(server)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    fill_in("wrong")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not right.")
    fill_in(PASSWORDS["bob"])

    page.get_by_label("Bayside Boats").check()
    click("Continue")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Bob Bayley")
    [cookie] = [one for one in page.context.cookies() if one.get("name") == SESSION_COOKIE]
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("link", name="Profile").first.click()
    page.get_by_label("Name", exact=True).fill("Robert Bayley")
    click("Save")
    expect(page.get_by_role("status")).to_contain_text("Your profile is saved")
    expect(page.get_by_role("banner")).to_contain_text("Robert Bayley")

    for path in ["/dashboard", "/company", "/profile", "/password", "/session", "/auth/signout"]:
        page.goto(server + path)
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(overflow), path
    page.goto(server + "/dashboard")
    click("Sign out")
    page.wait_for_url(f"{server}/")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    # The browser asks for an icon by itself where a page, the extension's own, names none.
    assert [text for text in complaints if "/auth/signout" not in text] == []


def test_a_refusal_is_explained_in_a_browser(server: str, page: Page) -> None:
    page.goto(f"{server}/admin")
    page.get_by_label("User name").fill("bob")
    page.get_by_label("Password").fill(PASSWORDS["bob"])
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This is not for you")
    page.goto(f"{server}/company")
    page.get_by_label("Analytical Engines").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_have_text("You are not a member of that company.")


def test_a_person_signs_in_with_demo_id_in_a_browser(servers: tuple[str, str], page: Page) -> None:
    server, issuer = servers
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))

    def click(name: str) -> None:
        page.get_by_role("button", name=name).click()

    def expect_title(text: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(text)
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(overflow), text

    # There, and back without having allowed anything.
    page.goto(f"{server}/dashboard")
    click("Sign in with Demo ID")
    expect_title("Sign in")
    assert page.url.startswith(f"{issuer}/authorize?")
    click("Grace Hollow")
    expect_title("Company directory wants to know")
    click("Cancel")
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in")

    # Demo ID remembers who it is, and asks for the consent again.
    click("Sign in with Demo ID")
    expect_title("Company directory wants to know")
    click("Allow")
    expect_title("Which company do you work for?")
    page.get_by_label("Copper & Sons").check()
    click("Continue")
    expect_title("Hello, Grace Hollow")
    cookies = {one.get("name"): one for one in page.context.cookies()}
    assert cookies[SESSION_COOKIE].get("domain") == "localhost"
    assert cookies["demo-id"].get("domain") == "127.0.0.1"
    assert all(one.get("httpOnly") and one.get("sameSite") == "Lax" for one in cookies.values())
    page.goto(f"{server}/session")
    expect(page.get_by_role("main")).to_contain_text("What Demo ID gave")

    # Out of the demo, in all tabs; not out of Demo ID: the next sign-in is one click.
    other = page.context.new_page()
    other.goto(f"{server}/dashboard")
    page.get_by_role("button", name="Sign out").dblclick()
    expect_title("Sign out of Demo ID?")
    expect(other.get_by_role("heading", level=1)).to_have_text("You are signed out")
    other.close()
    click("Stay signed in")
    page.wait_for_url(f"{server}/")
    page.goto(f"{server}/session")
    click("Sign in with Demo ID")
    expect_title("Your session")

    # Out of both.
    click("Sign out")
    expect_title("Sign out of Demo ID?")
    click("Sign out")
    page.wait_for_url(f"{server}/")
    page.goto(issuer)
    expect_title("Nobody is signed in here")
    assert complaints == []


def test_the_tokens_of_demo_id_are_fresh_after_their_minute(world: World, clock: Clock) -> None:
    world.sign_in()
    before = world.account()
    clock.advance(61)
    world.demo.get("/session")
    after = world.account()
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token
    assert after.expires_at == clock() + 60


def test_a_changed_password_signs_all_other_browsers_out(app: Flask, client: FlaskClient) -> None:
    other = browser_of(app)
    enter(other, "bob", BAYSIDE)
    enter(client, "bob", BAYSIDE)
    copied = client.get_cookie(SESSION_COOKIE)
    assert copied is not None
    client.post("/password", data=FORMS["/password"])
    assert client.get("/dashboard").status_code == 200
    assert other.get("/dashboard").status_code == 302
    other.set_cookie(SESSION_COOKIE, copied.value)
    assert other.get("/dashboard").status_code == 302


def test_an_admin_signs_a_person_out_everywhere(app: Flask, client: FlaskClient) -> None:
    bob, again = browser_of(app), browser_of(app)
    enter(client, "ada", COPPER)
    enter(bob, "bob", BAYSIDE)
    page = client.post("/admin/sign-out", data={"id": "2"}, follow_redirects=True)
    assert "Bob Bayley is signed out everywhere." in text_of(page)
    assert bob.get("/dashboard").status_code == 302
    enter(again, "bob", BAYSIDE)
    assert again.get("/dashboard").status_code == 200
    assert client.get("/dashboard").status_code == 200
    listed = text_of(client.get("/admin"))
    assert "signed_out Bob Bayley reason: revoked" in listed
    assert "session_revoked the server all sessions of one person" in listed


@pytest.mark.parametrize("number", ["", "0", "99", "2; DROP TABLE users", "ada"])
def test_nobody_who_is_not_there_is_signed_out(client: FlaskClient, number: str) -> None:
    enter(client, "ada", COPPER)
    assert client.post("/admin/sign-out", data={"id": number}).status_code == 404


def test_only_an_admin_signs_others_out(app: Flask, client: FlaskClient) -> None:
    ada = browser_of(app)
    enter(ada, "ada", COPPER)
    enter(client, "bob", BAYSIDE)
    assert client.post("/admin/sign-out", data={"id": "1"}).status_code == 403
    assert ada.get("/dashboard").status_code == 200
