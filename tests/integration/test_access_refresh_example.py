"""The shop with two cookies: by the test client, as processes with the service beside, in a
browser.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from jwt import PyJWS
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from examples.access_refresh import auth as shop_auth
from examples.access_refresh import database
from examples.access_refresh.__main__ import access_seconds_of
from examples.access_refresh.app import create_app
from examples.access_refresh.orders import ORDERS
from examples.demo_provider.serving import listen, server_of

from ..browsers import running_browser
from ..serving.thread import closing
from ..support import CROSS_SITE, Clock, binding_of, set_cookies, unseal

EXAMPLES = Path(__file__).parents[2] / "examples"
ACCESS, REFRESH = "shop.session-token", "shop.refresh-token"
PASSWORDS = {username: password for username, password, _, _ in database.ACCOUNTS}
ADA, BOB, CLEO = "1", "2", "3"  # admin, editor, customer
# In seconds. A browser may be late by what two clocks differ.
MINUTE, WEEK, LEEWAY = 60, 7 * 24 * 3600, 15

PAGES = ["/password", "/prices", "/admin/people", "/admin/events"]
FORMS = {
    "/password": {"old": PASSWORDS["ada"], "new": "a new password"},
    f"/admin/people/{CLEO}/role": {"role": "admin"},
    f"/admin/people/{CLEO}/disable": {"yes": "yes"},
    f"/admin/people/{CLEO}/enable": {"yes": "yes"},
    "/auth/signout": {"callbackUrl": "/"},
}


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance folder after the first start: hashing the first passwords takes its time."""
    return Path(create_app(tmp_path_factory.mktemp("shop") / "instance").instance_path)


@pytest.fixture
def app(first_start: Path, tmp_path: Path, clock: Clock) -> Flask:
    return open_shop(Path(shutil.copytree(first_start, tmp_path / "instance")), clock)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return browser_of(app)


def open_shop(instance: Path, clock: Clock) -> Flask:
    app = create_app(instance)
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
    return client.post("/sign-in", data={"username": username, "password": password})


def signed_in(app: Flask, username: str) -> FlaskClient:
    client = browser_of(app)
    assert sign_in(client, username).status_code == 303
    return client


def cookie_of(client: FlaskClient, name: str) -> str:
    cookie = client.get_cookie(name)
    assert cookie is not None
    return cookie.value


def claims_of(client: FlaskClient) -> dict[str, Any]:
    return unseal(client.application, cookie_of(client, ACCESS))


def is_in(client: FlaskClient) -> bool:
    """Whether somebody is signed in, as a page finds out."""
    response = client.get("/password")
    assert response.status_code in (200, 302)
    return response.status_code == 200


def change(client: FlaskClient, subject: str, what: str, **fields: str) -> None:
    """What an admin does on the page "People"."""
    response = client.post(f"/admin/people/{subject}/{what}", data=fields)
    assert response.status_code == 303, response.text


def log_of(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        return [(event["signal"], event["who"], event["detail"]) for event in database.events()]


def text_of(response: TestResponse) -> str:
    """What a person reads on the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def token_of(app: Flask, username: str) -> str:
    """A program's."""
    fields = {"username": username, "password": PASSWORDS[username]}
    response = app.test_client().post("/api/token", json=fields)
    assert response.status_code == 200
    return str(response.get_json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# Signing in, and the two cookies.


def test_a_person_gets_a_cookie_for_a_minute_and_one_for_a_week(client: FlaskClient) -> None:
    response = sign_in(client, "bob")
    cookies = set_cookies(response)
    assert cookies.keys() == {ACCESS, REFRESH}
    assert cookies[ACCESS].attributes["max-age"] == str(MINUTE)
    assert cookies[REFRESH].attributes["max-age"] == str(WEEK)
    for cookie in cookies.values():
        assert "httponly" in cookie.attributes
        assert cookie.attributes["samesite"] == "Lax"
        assert cookie.attributes["path"] == "/"
    assert "Hello, Bob Bayley" in text_of(client.get("/"))


def test_others_read_who_it_is_in_the_access_cookie_and_no_secret(
    client: FlaskClient, clock: Clock
) -> None:
    clock.now = time.time()
    sign_in(client, "bob")
    token = cookie_of(client, ACCESS)
    [key] = jwt.PyJWKSet.from_dict(client.get("/auth/jwks.json").get_json()).keys
    assert key.algorithm_name == "ES256"
    read = jwt.decode_complete(token, key, ["ES256"], audience="shop")
    claims = read["payload"]
    assert read["header"]["typ"] == "session+jwt"
    assert (claims["sub"], claims["name"], claims["role"]) == (BOB, "Bob Bayley", "editor")
    assert (claims["iss"], claims["aud"]) == ("http://localhost:5000", ["shop", "orders"])
    ours = {"sub", "name", "role", "reauthenticated", "sid", "auth_time"}
    assert claims.keys() == ours | {"iss", "aud", "iat", "exp", "jti"}


def test_nobody_else_reads_the_refresh_cookie(client: FlaskClient) -> None:
    sign_in(client, "bob")
    refresh = cookie_of(client, REFRESH)
    assert refresh.count(".") == 4  # a JWE, and no JWS
    header = json.loads(base64.urlsafe_b64decode(refresh.partition(".")[0] + "=="))
    assert header["alg"] == "dir"


@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "wrong"), ("ada", ""), ("nobody", "wrong"), ("nobody", ""), ("", ""), ("ada\0", "x")],
)
def test_wrong_credentials_all_get_the_same_answer(
    client: FlaskClient, username: str, password: str
) -> None:
    response = sign_in(client, username, password)
    assert response.status_code == 400
    assert "The user name or the password is not right." in text_of(response)
    assert set_cookies(response) == {}


def test_an_unknown_name_takes_as_much_hashing_as_a_wrong_password(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def check(password_hash: str, _password: str) -> bool:
        compared.append(password_hash.split("$")[0])
        return False

    monkeypatch.setattr(shop_auth, "check_password_hash", check)
    sign_in(client, "ada", "wrong")
    sign_in(client, "nobody", "wrong")
    assert len(compared) == 2
    assert compared[0] == compared[1]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_to_the_sign_in_and_the_sign_in_back(client: FlaskClient, path: str) -> None:
    refused = client.get(path)
    assert refused.status_code == 302
    assert f'name="callbackUrl" value="{path}"' in client.get(refused.location).text
    fields = {"username": "ada", "password": PASSWORDS["ada"], "callbackUrl": path}
    wrong = client.post("/sign-in", data={**fields, "password": "wrong"})
    assert f'name="callbackUrl" value="{path}"' in wrong.text
    assert client.post("/sign-in", data=fields).location == path


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/prices",
        "/\\evil.example",
        "javascript:alert(1)",
        "?",
    ],
)
def test_no_sign_in_leads_to_another_site(client: FlaskClient, target: str) -> None:
    fields = {"username": "ada", "password": PASSWORDS["ada"], "callbackUrl": target}
    assert client.post("/sign-in", data=fields).location == "/"


def test_another_site_signs_nobody_in(client: FlaskClient) -> None:
    fields = {"username": "bob", "password": PASSWORDS["bob"]}
    response = client.post("/sign-in", data=fields, headers=CROSS_SITE)
    assert response.status_code == 403
    assert set_cookies(response) == {}


# Re-authentication.


def test_the_database_is_asked_once_a_minute_and_not_at_every_request(
    client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "bob")
    for seconds, expected in [(0, 0), (59, 0), (1, 1), (59, 1), (1, 2)]:
        clock.advance(seconds)
        page = client.get("/")
        assert f"Re-authenticated so far {expected} time" in text_of(page)
        assert (set_cookies(page).keys() == {ACCESS, REFRESH}) is (seconds == 1)


@pytest.mark.parametrize("is_dropped", [True, False])
def test_whoever_comes_with_the_refresh_cookie_alone_gets_both_and_their_page(
    client: FlaskClient, clock: Clock, is_dropped: bool
) -> None:
    sign_in(client, "bob")
    before = claims_of(client)
    clock.advance(MINUTE)
    if is_dropped:  # as browsers do after Max-Age
        client.delete_cookie(ACCESS)
    assert client.get("/prices").status_code == 200
    after = claims_of(client)
    assert after["exp"] == clock() + MINUTE
    same = ("sub", "sid", "auth_time", "name", "role")
    assert [after[name] for name in same] == [before[name] for name in same]


def test_the_first_page_says_when_the_access_cookie_ends(client: FlaskClient, clock: Clock) -> None:
    sign_in(client, "bob")
    clock.advance(90)
    page = text_of(client.get("/"))
    # The clock began at 08:00:00.
    assert "Signed in 15 Jan 2027, 08:00:00 UTC" in page
    assert "This access cookie ends 15 Jan 2027, 08:02:30 UTC" in page


def test_two_requests_with_one_refresh_cookie_are_one_re_authentication(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "bob")
    other_tab = browser_of(app)
    other_tab.set_cookie(REFRESH, cookie_of(client, REFRESH))
    clock.advance(MINUTE)
    assert is_in(client)
    assert is_in(other_tab)
    assert claims_of(client)["reauthenticated"] == claims_of(other_tab)["reauthenticated"] == 1
    assert [signal for signal, _, _ in log_of(app)] == ["signed_in"]


def test_a_week_away_is_too_long(client: FlaskClient, clock: Clock) -> None:
    sign_in(client, "bob")
    for _ in range(3):
        clock.advance(WEEK - 1)
        assert is_in(client)
    clock.advance(WEEK + LEEWAY)
    assert not is_in(client)


@pytest.mark.parametrize(
    ("username", "subject", "role", "before", "after"),
    [("cleo", CLEO, "editor", 403, 200), ("bob", BOB, "customer", 200, 403)],
)
def test_a_changed_role_takes_effect_when_the_access_cookie_ends(
    app: Flask, clock: Clock, username: str, subject: str, role: str, before: int, after: int
) -> None:
    ada, person = signed_in(app, "ada"), signed_in(app, username)
    clock.advance(MINUTE)
    assert person.get("/prices").status_code == before  # re-authenticated the moment before
    change(ada, subject, "role", role=role)
    clock.advance(MINUTE - 1)
    assert person.get("/prices").status_code == before
    clock.advance(1)
    assert person.get("/prices").status_code == after
    assert claims_of(person)["role"] == role
    assert f"Role {role}" in text_of(person.get("/"))


def test_a_disabled_person_is_out_when_the_access_cookie_ends(app: Flask, clock: Clock) -> None:
    ada, cleo = signed_in(app, "ada"), signed_in(app, "cleo")
    change(ada, CLEO, "disable")
    assert is_in(cleo)
    clock.advance(MINUTE)
    response = cleo.get("/password")
    assert response.location.startswith("/sign-in")
    assert all(cookie.deletes for cookie in set_cookies(response).values())
    assert set_cookies(response).keys() >= {REFRESH}
    assert not is_in(cleo)
    assert log_of(app)[0][:2] == ("signed_out", "Cleo Clay")
    assert "was not re-authenticated" in log_of(app)[0][2]


def test_a_disabled_person_does_not_come_in_again_until_enabled(app: Flask) -> None:
    ada, cleo = signed_in(app, "ada"), browser_of(app)
    change(ada, CLEO, "disable")
    assert "disabled" in text_of(ada.get("/admin/people"))
    assert "not right" in text_of(sign_in(cleo, "cleo"))
    fields = {"username": "cleo", "password": PASSWORDS["cleo"]}
    assert cleo.post("/api/token", json=fields).status_code == 400
    change(ada, CLEO, "enable")
    assert sign_in(cleo, "cleo").status_code == 303


def test_a_session_that_was_refused_stays_out_though_the_person_is_enabled(
    app: Flask, clock: Clock
) -> None:
    ada, cleo, again = signed_in(app, "ada"), signed_in(app, "cleo"), browser_of(app)
    again.set_cookie(REFRESH, cookie_of(cleo, REFRESH))
    change(ada, CLEO, "disable")
    clock.advance(MINUTE)
    assert not is_in(cleo)
    change(ada, CLEO, "enable")
    assert not is_in(again)


def test_a_changed_password_ends_all_other_sessions_when_their_access_cookies_do(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    other = signed_in(app, "bob")
    sign_in(client, "bob")
    page = client.post(
        "/password", data={"old": PASSWORDS["bob"], "new": "a new password"}, follow_redirects=True
    )
    assert "Your password is changed." in text_of(page)
    assert is_in(other)
    clock.advance(MINUTE)
    assert not is_in(other)
    assert is_in(client)
    assert sign_in(other, "bob").status_code == 400
    assert sign_in(other, "bob", "a new password").status_code == 303
    clock.advance(MINUTE)
    assert is_in(other)


def test_a_program_changes_no_password(app: Flask) -> None:
    """It would get no new session for it."""
    program = app.test_client(use_cookies=False)
    fields = {"old": PASSWORDS["cleo"], "new": "another-one-of-mine"}
    sent = bearer(token_of(app, "cleo"))
    assert program.post("/password", data=fields, headers=sent).status_code == 403
    assert token_of(app, "cleo")  # with the password that it was


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wrong", "long enough", "This is not your password."),
        (PASSWORDS["bob"], "short", "A password has 10 to 200"),
        (PASSWORDS["bob"], "x" * 201, "A password has 10 to 200"),
    ],
)
def test_a_new_password_is_checked(
    app: Flask, client: FlaskClient, old: str, new: str, message: str
) -> None:
    sign_in(client, "bob")
    response = client.post("/password", data={"old": old, "new": new})
    assert response.status_code == 400
    assert message in text_of(response)
    assert sign_in(client, "bob").status_code == 303


def test_a_copied_refresh_cookie_ends_the_session_for_both(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "cleo")
    thief = browser_of(app)
    thief.set_cookie(REFRESH, cookie_of(client, REFRESH))
    clock.advance(MINUTE)
    assert is_in(client)
    clock.advance(31)
    assert not is_in(thief)
    assert not is_in(client)  # though its access cookie has half a minute left
    signals = [(name, who) for name, who, _ in log_of(app)]
    assert signals.count(("reuse_detected", "Cleo Clay")) == 1
    page = text_of(signed_in(app, "ada").get("/admin/events"))
    assert "reuse_detected Cleo Clay an old refresh cookie came back" in page


def test_a_copied_refresh_cookie_that_is_used_first_is_found_out_by_its_owner(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "cleo")
    thief = browser_of(app)
    thief.set_cookie(REFRESH, cookie_of(client, REFRESH))
    clock.advance(MINUTE)
    assert is_in(thief)
    clock.advance(31)
    assert not is_in(client)
    assert not is_in(thief)
    assert "reuse_detected" in [name for name, _, _ in log_of(app)]


def test_signing_out_deletes_both_cookies_and_every_copy_is_dead(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "cleo")
    copies = browser_of(app), browser_of(app)
    for copy, name in zip(copies, (ACCESS, REFRESH), strict=True):
        copy.set_cookie(name, cookie_of(client, name))
    response = client.post("/auth/signout", data={"callbackUrl": "/"})
    assert response.location == "http://localhost/"
    assert {name for name, one in set_cookies(response).items() if one.deletes} == {ACCESS, REFRESH}
    assert not any(is_in(copy) for copy in copies)
    assert log_of(app)[0] == ("signed_out", "Cleo Clay", "signed out")


def test_a_restart_keeps_sessions(app: Flask, client: FlaskClient, clock: Clock) -> None:
    sign_in(client, "bob")
    for seconds in (1, MINUTE):
        clock.advance(seconds)
        restarted = browser_of(open_shop(Path(app.instance_path), clock))
        for name in (ACCESS, REFRESH):
            restarted.set_cookie(name, cookie_of(client, name))
        assert is_in(restarted)


def test_another_refresh_secret_ends_sessions_when_their_access_cookies_do(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "bob")
    (Path(app.instance_path) / "refresh-secret").unlink()
    restarted = browser_of(open_shop(Path(app.instance_path), clock))
    for name in (ACCESS, REFRESH):
        restarted.set_cookie(name, cookie_of(client, name))
    assert is_in(restarted)
    clock.advance(MINUTE)
    assert not is_in(restarted)


# The admin's pages.


def test_each_role_is_shown_and_let_into_its_pages(app: Flask) -> None:
    open_to = {
        "ada": {"/prices", "/admin/people", "/admin/events"},
        "bob": {"/prices"},
        "cleo": set[str](),
    }
    for username, pages in open_to.items():
        client = signed_in(app, username)
        first_page = client.get("/").text
        for path in ("/prices", "/admin/people", "/admin/events"):
            assert (client.get(path).status_code == 200) is (path in pages)
            assert (f'href="{path}"' in first_page) is (path in pages)


@pytest.mark.parametrize("path", [path for path in FORMS if path.startswith("/admin")])
@pytest.mark.parametrize("username", ["bob", "cleo"])
def test_only_an_admin_changes_rights(app: Flask, username: str, path: str) -> None:
    assert signed_in(app, username).post(path, data=FORMS[path]).status_code == 403
    assert browser_of(app).post(path, data=FORMS[path]).status_code == 303  # to the sign-in
    with app.app_context():
        cleo = database.person(CLEO)
    assert cleo is not None
    assert (cleo["role"], cleo["is_disabled"]) == ("customer", 0)


def test_who_is_no_admin_any_more_makes_no_others_in_their_last_minute(app: Flask) -> None:
    ada, bob = signed_in(app, "ada"), browser_of(app)
    change(ada, BOB, "role", role="admin")
    sign_in(bob, "bob")
    change(ada, BOB, "role", role="editor")
    assert bob.get("/admin/people").status_code == 200  # by a token that is not over
    response = bob.post(f"/admin/people/{CLEO}/role", data={"role": "admin"})
    assert response.status_code == 403
    assert "You are no admin any more." in text_of(response)


@pytest.mark.parametrize("what", ["role", "disable", "enable"])
def test_nobody_changes_their_own_rights(app: Flask, what: str) -> None:
    ada = signed_in(app, "ada")
    response = ada.post(f"/admin/people/{ADA}/{what}", data={"role": "customer"})
    assert response.status_code == 403
    with app.app_context():
        assert (database.person(ADA) or {})["role"] == "admin"


@pytest.mark.parametrize(
    ("person", "role", "status"),
    [(CLEO, "root", 400), (CLEO, "", 400), ("99", "editor", 404), ("9" * 40, "editor", 404)],
)
def test_a_role_and_a_person_that_are_not_there_are_refused(
    app: Flask, person: str, role: str, status: int
) -> None:
    ada = signed_in(app, "ada")
    assert ada.post(f"/admin/people/{person}/role", data={"role": role}).status_code == status


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_another_site_sends_changes_nothing(app: Flask, path: str) -> None:
    ada = signed_in(app, "ada")
    assert ada.post(path, data=FORMS[path], headers=CROSS_SITE).status_code == 403
    assert is_in(ada)
    assert sign_in(ada, "ada").status_code == 303
    with app.app_context():
        cleo = database.person(CLEO)
    assert cleo is not None
    assert (cleo["role"], cleo["is_disabled"]) == ("customer", 0)


def test_the_log_does_not_grow_for_ever(app: Flask) -> None:
    with app.app_context():
        for number in range(250):
            database.add_event("signed_in", "Cleo Clay", f"event {number}")
        kept = database.events()
    assert len(kept) == 100
    assert kept[0]["detail"] == "event 249"


def test_the_log_of_one_shop_has_nothing_of_another(
    app: Flask, first_start: Path, tmp_path: Path, clock: Clock
) -> None:
    other = open_shop(Path(shutil.copytree(first_start, tmp_path / "other")), clock)
    signed_in(app, "cleo")
    assert [who for _, who, _ in log_of(app)] == ["Cleo Clay"]
    assert log_of(other) == []


# Programs.


def test_a_program_gets_a_token_for_a_minute_and_no_cookie(app: Flask, clock: Clock) -> None:
    program = app.test_client()
    fields = {"username": "bob", "password": PASSWORDS["bob"]}
    response = program.post("/api/token", json=fields)
    answer = response.get_json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", MINUTE)
    assert "no-store" in response.headers["Cache-Control"]
    assert set_cookies(response) == {}
    headers = bearer(answer["access_token"])
    page = program.get("/prices", headers=headers)
    assert page.status_code == 200
    assert set_cookies(page) == {}
    user = program.get("/auth/session", headers=headers).get_json()["user"]
    assert (user["name"], user["role"]) == ("Bob Bayley", "editor")
    assert log_of(app) == [("signed_in", "Bob Bayley", "a program, with a token")]
    clock.advance(MINUTE)
    refused = program.get("/prices", headers=headers)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_request"),
        (b"{", "invalid_request"),
        (b"[]", "invalid_request"),
        (b'"ada"', "invalid_request"),
        (b'{"username": "ada"}', "invalid_request"),
        (b'{"username": "ada", "password": null}', "invalid_request"),
        (b'{"username": ["ada"], "password": "x"}', "invalid_request"),
        (b'{"username": "ada", "password": "wrong"}', "invalid_grant"),
        (b'{"username": "nobody", "password": "wrong"}', "invalid_grant"),
    ],
)
def test_a_program_is_told_what_was_wrong(client: FlaskClient, body: bytes, error: str) -> None:
    response = client.post("/api/token", data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.get_json() == {"error": error}


def test_another_site_gets_no_token(client: FlaskClient) -> None:
    fields = {"username": "bob", "password": PASSWORDS["bob"]}
    response = client.post("/api/token", json=fields, headers=CROSS_SITE)
    assert response.status_code == 403
    assert "access_token" not in response.text


# Pages and headers.


@pytest.mark.parametrize("path", ["/", *PAGES, "/sign-in", "/auth/signout", "/nowhere"])
def test_every_page_is_under_a_strict_policy_and_kept_by_no_cache(app: Flask, path: str) -> None:
    response = signed_in(app, "ada").get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]
    assert "Cookie" in response.vary
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", response.text)


def test_static_files_and_public_keys_stay_cacheable(app: Flask) -> None:
    client = signed_in(app, "ada")
    for path in ("/static/shop.css", "/auth/jwks.json"):
        response = client.get(path, buffered=True)
        assert response.status_code == 200
        assert "no-store" not in response.headers.get("Cache-Control", "")
        assert "Cookie" not in response.vary


def test_markup_in_a_name_is_text(app: Flask) -> None:
    name = "<script>alert('1')</script>\"&"
    with app.app_context(), database.connection() as connection:
        connection.execute("UPDATE people SET name = ?", [name])
    ada = signed_in(app, "ada")
    for path in ("/", *PAGES):
        response = ada.get(path)
        assert "<script" not in response.text
        assert name in unescape(response.text)


def test_no_page_shows_a_token_or_a_whole_identifier(app: Flask) -> None:
    ada = signed_in(app, "ada")
    claims = claims_of(ada)
    for path in ("/", *PAGES):
        page = ada.get(path).text
        for secret in (claims["sid"], claims["jti"], "eyJ", "scrypt"):
            assert secret not in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/prices", 405), ("GET", "/admin/people", 403)],
)
def test_an_error_is_a_page_of_the_application(
    app: Flask, method: str, path: str, status: int
) -> None:
    response = signed_in(app, "cleo").open(path, method=method)
    assert response.status_code == status
    assert "Back to the start" in text_of(response)
    assert "Cleo Clay Sign out" in text_of(response)


# The instance folder.


def test_nobody_else_on_the_machine_can_read_the_secrets(app: Flask) -> None:
    instance = Path(app.instance_path)
    assert instance.stat().st_mode & 0o777 == 0o700
    texts = set[str]()
    for name in ("secret", "refresh-secret", "signing-key.pem"):
        assert (instance / name).stat().st_mode & 0o777 == 0o600
        texts.add((instance / name).read_text())
    assert len(texts) == 3  # each is one of its own


def test_every_installation_has_keys_of_its_own(app: Flask, tmp_path: Path, clock: Clock) -> None:
    other = open_shop(tmp_path / "another", clock)
    assert other.secret_key != app.secret_key
    keys = [one.test_client().get("/auth/jwks.json").get_json() for one in (app, other)]
    assert keys[0] != keys[1]
    assert "d" not in keys[0]["keys"][0]


def test_passwords_are_kept_as_hashes(app: Flask) -> None:
    stored = (Path(app.instance_path) / "shop.sqlite").read_bytes()
    assert b"Bob Bayley" in stored
    for password in PASSWORDS.values():
        assert password.encode() not in stored


# As processes: the shop, and the orders beside it.


@contextmanager
def started(
    checkout: Path, module: str, last_line: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and what it printed before it served."""
    with launch(checkout, module, **environment) as process:
        try:
            assert process.stdout is not None
            greeting = ""
            for line in process.stdout:
                greeting += line
                if last_line in line:
                    break
            assert last_line in greeting, greeting
            yield process, greeting
        finally:
            process.terminate()


def launch(checkout: Path, module: str, **environment: str) -> subprocess.Popen[str]:
    ours = {"PORT": "0", "PYTHONPATH": str(EXAMPLES.parent), "NO_PROXY": "localhost"}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=checkout,
        env={**os.environ, **ours, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


SHOP, SERVICE = "examples.access_refresh", "examples.access_refresh.orders"
SHOP_READY, SERVICE_READY = "To start from nothing", "For people of the shop at"


def url_in(greeting: str) -> str:
    found = re.search(r"(http://localhost:\d+)(/orders)?   \(Ctrl-C", greeting)
    assert found, greeting
    return found[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the examples, so that nobody's own instance folder is used."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("instance"))
    return folder


@pytest.fixture(scope="module")
def shop(checkout: Path) -> Iterator[str]:
    """The URL of the shop that runs as a process; the accounts are printed too."""
    with started(checkout, SHOP, SHOP_READY) as (_, greeting):
        for username, password in PASSWORDS.items():
            assert re.search(rf"{username}\s+{password}", greeting)
        yield url_in(greeting)


@pytest.fixture(scope="module")
def orders(checkout: Path, shop: str) -> Iterator[str]:
    with started(checkout, SERVICE, SERVICE_READY, ISSUER=shop) as (_, greeting):
        yield f"{url_in(greeting)}/orders"


@pytest.fixture(scope="module")
def signing_key(checkout: Path, shop: str) -> str:
    """What only the shop has: with it a token can be wrong in one thing alone."""
    return (checkout / "examples/access_refresh/instance/signing-key.pem").read_text()


def token_from(shop: str, username: str) -> str:
    fields = {"username": username, "password": PASSWORDS[username]}
    response = requests.post(f"{shop}/api/token", json=fields, timeout=10)
    assert response.status_code == 200
    return str(response.json()["access_token"])


def ask(orders: str, token: str) -> requests.Response:
    return requests.get(orders, headers=bearer(token), timeout=10)


@pytest.mark.parametrize(("username", "subject"), [("ada", ADA), ("bob", BOB), ("cleo", CLEO)])
def test_a_program_gets_the_orders_of_its_person(
    shop: str, orders: str, username: str, subject: str
) -> None:
    response = ask(orders, token_from(shop, username))
    assert response.status_code == 200
    assert response.json()["orders"] == ORDERS.get(subject, [])
    assert "no-store" in response.headers["Cache-Control"]


def test_a_browser_gets_the_orders_of_its_person_with_the_shops_cookies(
    shop: str, orders: str
) -> None:
    with requests.Session() as browser:
        fields = {"username": "cleo", "password": PASSWORDS["cleo"]}
        browser.post(f"{shop}/sign-in", data=fields, timeout=10)
        response = browser.get(orders, timeout=10)
        assert response.json() == {"name": "Cleo Clay", "orders": ORDERS[CLEO]}
        refresh = browser.cookies[REFRESH]
    # It was sent that too, which lets nobody in.
    for cookies in ({REFRESH: refresh}, {ACCESS: refresh}):
        assert requests.get(orders, cookies=cookies, timeout=10).status_code == 401


def test_a_token_in_the_header_counts_and_the_cookie_does_not(shop: str, orders: str) -> None:
    cookies = {ACCESS: token_from(shop, "cleo")}
    for header in ("Bearer", "Bearer x.y.z", "Basic Y2xlbzp4", ""):
        headers = {"Authorization": header}
        response = requests.get(orders, cookies=cookies, headers=headers, timeout=10)
        assert response.status_code == 401


def test_who_brings_nothing_is_asked_for_a_token(orders: str) -> None:
    response = requests.get(orders, timeout=10)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="orders"'


Forgery = Callable[[str, str], str]


def header_of(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: str) -> str:
    """A compact JWS (RFC 7515), whatever is in it: a library would refuse to make some of these."""
    message = ".".join(part(json.dumps(one).encode()) for one in (header, claims))
    signature = PyJWS().get_algorithm_by_name("ES256")
    return f"{message}.{part(signature.sign(message.encode(), signature.prepare_key(key)))}"


def with_claims(**changes: object) -> Forgery:
    """A token of the shop's own key, with other claims; None takes one away."""
    return lambda token, key: signed(header_of(token), changed(claims_in(token), changes), key)


def with_header(**changes: object) -> Forgery:
    return lambda token, key: signed(changed(header_of(token), changes), claims_in(token), key)


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def claims_in(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def with_part_of(other: Forgery, place: int) -> Forgery:
    """One part of a token is that of another one."""

    def forge(token: str, key: str) -> str:
        parts, others = token.split("."), other(token, key).split(".")
        assert parts[place] != others[place]
        parts[place] = others[place]
        return ".".join(parts)

    return forge


def signed_by_somebody_else(token: str, _key: str) -> str:
    other = ECKey.generate_key("P-256").as_pem(private=True).decode()
    return signed(header_of(token), claims_in(token), other)


def unsigned(token: str, _key: str) -> str:
    header = part(json.dumps({**header_of(token), "alg": "none"}).encode())
    return f"{header}.{token.split('.')[1]}."


def signed_with_the_public_key_as_a_secret(token: str, key: str) -> str:
    public = load_pem_private_key(key.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = part(json.dumps({**header_of(token), "alg": "HS256"}).encode())
    message = f"{header}.{token.split('.')[1]}"
    return f"{message}.{part(hmac.digest(pem, message.encode(), 'sha256'))}"


PAST = 1_000_000_000
FORGERIES: dict[str, Forgery] = {
    "expired a second ago": with_claims(exp=int(time.time()) - 1),
    "expired long ago": with_claims(iat=PAST, exp=PAST + MINUTE),
    "never expires": with_claims(exp=None),
    "made in the future": with_claims(iat=int(time.time()) + 3600),
    "for the shop alone": with_claims(aud="shop"),
    "for nobody": with_claims(aud=None),
    "of another issuer": with_claims(iss="http://localhost:1"),
    "of no issuer": with_claims(iss=None),
    "without a subject": with_claims(sub=None),
    "without a name": with_claims(name=None),
    "of a subject that is no text": with_claims(sub=3),
    "of another type": with_header(typ="JWT"),
    "of no type": with_header(typ=None),
    "of an unknown key": with_header(kid="unknown"),
    "of no key": with_header(kid=None),
    "with another header": with_part_of(with_header(alg="ES384"), 0),
    "with other claims": with_part_of(with_claims(role="admin"), 1),
    "with another signature": with_part_of(with_claims(role="admin"), 2),
    "without its signature": lambda token, _: token.rpartition(".")[0] + ".",
    "cut off": lambda token, _: token[:-1],
    "signed by somebody else": signed_by_somebody_else,
    "unsigned": unsigned,
    "signed with the public key as a secret": signed_with_the_public_key_as_a_secret,
    "no token": lambda *_: "x",
    "a header nested too deep": lambda token, _: f"{part(b'[' * 30_000)}.{token.partition('.')[2]}",
    "a header that is no object": lambda token, _: "W10." + token.partition(".")[2],
}


def test_a_token_that_is_made_again_with_the_shops_key_is_good(
    shop: str, orders: str, signing_key: str
) -> None:
    """Otherwise the forgeries would be refused for what they were not changed in."""
    token = token_from(shop, "cleo")
    for same in (with_claims(), with_header()):
        assert ask(orders, same(token, signing_key)).status_code == 200


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_token_is_refused_that_is(shop: str, orders: str, signing_key: str, forgery: str) -> None:
    response = ask(orders, FORGERIES[forgery](token_from(shop, "cleo"), signing_key))
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_token"}
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="orders", error="invalid_token"'


def test_a_token_of_another_shop_is_refused(app: Flask, clock: Clock, orders: str) -> None:
    clock.now = time.time()
    assert ask(orders, token_of(app, "cleo")).status_code == 401


def test_without_the_shops_keys_nobody_is_let_in_and_nobody_refused(
    checkout: Path, shop: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://localhost:{taken.getsockname()[1]}"
    with started(checkout, SERVICE, SERVICE_READY, ISSUER=nowhere) as (_, greeting):
        response = ask(f"{url_in(greeting)}/orders", token_from(shop, "cleo"))
    assert response.status_code == 503
    assert response.json() == {"error": "keys_unavailable"}


def test_the_service_has_nothing_of_the_shop_in_it(checkout: Path) -> None:
    program = f"import sys, {SERVICE}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "jwt" in loaded
    assert not [name for name in loaded if name.startswith("flask_jwtsession")]
    ours = [name for name in loaded if name.startswith("examples.access_refresh")]
    assert set(ours) == {SHOP, SERVICE}


@pytest.mark.parametrize(("module", "last_line"), [(SHOP, SHOP_READY), (SERVICE, SERVICE_READY)])
def test_both_stop_with_ctrl_c(checkout: Path, module: str, last_line: str) -> None:
    with started(checkout, module, last_line) as (process, greeting):
        assert requests.get(url_in(greeting), timeout=10).status_code in (200, 404)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in output


@pytest.mark.parametrize("seconds", ["", "0", "-1", "1.5", "a minute", "3601", "9" * 5000, "٣"])
def test_a_wrong_lifetime_is_said(seconds: str) -> None:
    with pytest.raises(SystemExit, match="ACCESS_SECONDS is a number from 1 to 3600"):
        access_seconds_of(seconds)


def test_a_wrong_setting_ends_the_process_with_one_line(checkout: Path) -> None:
    for module, settings in ((SHOP, {"ACCESS_SECONDS": "0"}), (SERVICE, {"PORT": "http"})):
        with launch(checkout, module, **settings) as process:
            output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert len(output.splitlines()) == 1


def test_the_lifetime_can_be_shorter_for_trying_out(checkout: Path) -> None:
    with started(checkout, SHOP, SHOP_READY, ACCESS_SECONDS="7") as (_, greeting):
        assert "good for 7 seconds" in greeting
        fields = {"username": "bob", "password": PASSWORDS["bob"]}
        url = url_in(greeting)
        answer = requests.post(f"{url}/api/token", json=fields, timeout=10).json()
    claims = claims_in(answer["access_token"])
    assert answer["expires_in"] == 7
    assert claims["exp"] - claims["iat"] == 7


# In a browser.


@pytest.fixture
def page() -> Iterator[Page]:
    with running_browser() as browser:
        # A phone's width: what fits there fits everywhere.
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(15_000)
        yield page


@pytest.fixture
def served(first_start: Path, tmp_path: Path, clock: Clock) -> Iterator[str]:
    """The URL of a shop whose clock is the test's."""
    clock.now = time.time()  # the browser has one, too, which drops cookies
    with listen(0, "") as listening:
        url = f"http://localhost:{listening.getsockname()[1]}"
        app = create_app(shutil.copytree(first_start, tmp_path / "instance"), issuer=url)
        binding_of(app).clock = clock
        app.wsgi_app = closing(app.wsgi_app)  # type: ignore[assignment,method-assign]
        server = server_of(app, listening)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def sign_in_at(page: Page, url: str, username: str) -> None:
    page.goto(url)
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORDS[username])
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def test_a_role_and_an_end_by_an_admin_in_two_browsers(
    served: str, page: Page, clock: Clock
) -> None:
    complaints: list[str] = []  # of the Content-Security-Policy, for one
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    assert page.context.browser is not None
    cleo = page.context.browser.new_page(viewport={"width": 360, "height": 740})
    title = cleo.get_by_role("heading", level=1)

    sign_in_at(cleo, f"{served}/prices", "cleo")
    expect(title).to_have_text("This is not for you")
    cookies = {one.get("name"): one for one in cleo.context.cookies()}
    assert cookies.keys() == {ACCESS, REFRESH}
    assert all(one.get("httpOnly") and one.get("sameSite") == "Lax" for one in cookies.values())
    assert cleo.evaluate("document.cookie") == ""

    sign_in_at(page, f"{served}/admin/people", "ada")
    page.get_by_label("Role of Cleo Clay", exact=True).select_option("editor")
    page.get_by_role("button", name="Save the role of Cleo Clay").click()
    expect(page.get_by_role("status")).to_contain_text("Cleo Clay has the role editor")
    clock.advance(MINUTE)
    cleo.goto(f"{served}/prices")
    expect(title).to_have_text("Prices from Monday on")
    cleo.get_by_role("link", name="Session").click()
    expect(cleo.get_by_text("1 time", exact=True)).to_be_visible()

    page.get_by_role("button", name="Disable Cleo Clay").click()
    expect(page.get_by_role("status")).to_contain_text("Cleo Clay is out")
    clock.advance(MINUTE)
    cleo.reload()
    expect(title).to_have_text("Signed in for a week, looked up every minute")
    assert cleo.context.cookies() == []
    cleo.go_back()
    expect(title).to_have_text("Sign in")

    page.get_by_role("link", name="Log").click()
    expect(page.get_by_role("main")).to_contain_text("was not re-authenticated")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{served}/")
    assert complaints == []


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_into_the_window(served: str, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})

    def expect_to_fit(path: str) -> None:
        page.goto(served + path)
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(overflow), path

    for path in ("/", "/sign-in"):
        expect_to_fit(path)
    sign_in_at(page, f"{served}/admin/people", "ada")
    page.get_by_role("button", name="Disable Cleo Clay").click()
    for path in ("/", *PAGES, "/auth/signout", "/nowhere"):
        expect_to_fit(path)
