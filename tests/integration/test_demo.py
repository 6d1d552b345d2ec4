"""The demo application: its whole story by the test client, as a process, and in a browser."""

from __future__ import annotations

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.test import TestResponse

from examples.demo import auth as demo_auth
from examples.demo import create_app, database

from ..support import (
    CROSS_SITE,
    Clock,
    binding_of,
    require_tool,
    session_token,
    set_cookies,
    unseal,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
PASSWORDS = {username: password for username, password, _ in database.ACCOUNTS}
SESSION_COOKIE = "jwtsession.session-token"
ANALYTICAL, BAYSIDE, COPPER = 1, 2, 3  # team, free, team; ada is in 1 and 3, bob in 2 and 3

PAGES = ["/dashboard", "/company", "/profile", "/password", "/members", "/session", "/admin"]
FORMS = {
    "/company": {"company_id": str(COPPER)},
    "/profile": {"name": "Mallory", "email": "mallory@example.com"},
    "/password": {"password": "a new password", "repeated": "a new password"},
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
    data = {"company_id": COPPER, "role": "admin", "name": "Mallory", "plan": "team"}
    assert client.post("/auth/session", json={"data": data}).status_code == 200
    claims = claims_of(client)
    assert [claims[name] for name in data] == [BAYSIDE, "member", "Bob Bayley", "free"]


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
        assert "<script" not in response.text
        assert name in unescape(response.text), path


def test_a_session_that_cannot_be_changed_leaves_the_database_alone(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, "ada")

    def fail(_data: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("examples.demo.account.update_session", fail)
    assert client.post("/profile", data=FORMS["/profile"]).status_code == 500
    with app.app_context():
        user = database.user_by_name("ada")
    assert user is not None
    assert user["name"] == "Ada Lovelace"


def test_the_password_page_wants_a_recent_sign_in(client: FlaskClient, clock: Clock) -> None:
    enter(client, "ada", COPPER)
    assert client.get("/password").status_code == 200
    clock.advance(61)
    refused = client.get("/password")
    assert refused.location == "/sign-in?callbackUrl=%2Fpassword&max_age=60"
    again = client.get(refused.location)
    assert "You are signed in as Ada Lovelace." in text_of(again)
    assert 'value="ada"' in again.text
    sign_in(client, "ada")
    assert client.get("/password").status_code == 200
    assert claims_of(client)["company_id"] == COPPER


def test_a_changed_password_is_the_only_one(client: FlaskClient, clock: Clock) -> None:
    sign_in(client, "bob")
    clock.advance(10 * 60)  # the form was opened in time, and filled in slowly
    response = client.post("/password", data=FORMS["/password"])
    assert response.status_code == 303
    assert session_token(sign_in(client, "bob")) is None
    assert session_token(sign_in(client, "bob", "a new password"))


def test_a_password_form_that_was_left_open_too_long_changes_nothing(
    client: FlaskClient, clock: Clock
) -> None:
    sign_in(client, "bob")
    clock.advance(16 * 60)
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


def test_the_session_page_shows_claims_but_no_token_and_no_identifier(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    page = client.get("/session").text
    claims = claims_of(client)
    assert "company_id" in page
    assert "_session" not in page
    for secret in (str(claims["sid"]), str(claims["jti"]), "eyJ", "scrypt"):
        assert secret not in page


def test_the_browser_sees_what_the_session_callback_lets_out(client: FlaskClient) -> None:
    enter(client, "ada", COPPER)
    public = client.get("/auth/session").get_json()
    assert public.keys() == {"user", "expires", "company"}
    assert public["user"].keys() == {"name", "email", "image", "role"}


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
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]
    assert "Cookie" in response.vary
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", response.text)


def test_static_files_stay_cacheable(client: FlaskClient) -> None:
    sign_in(client, "ada")
    response = client.get("/static/demo.css", buffered=True)
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert "Cookie" not in response.vary


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
    allowed = {*sys.stdlib_module_names, "click", "flask", "flask_jwtsession", "werkzeug"}
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


@pytest.fixture(scope="module")
def server(checkout: Path) -> Iterator[str]:
    """The URL that the demo, running as a process, prints; the accounts are printed too."""
    with start(checkout, "0") as process:
        try:
            assert process.stdout is not None
            greeting, url = "", None
            for line in process.stdout:
                greeting += line
                if found := re.search(r"http://localhost:\d+", line):
                    url = found[0]
                if "To start from nothing" in line:
                    break
            assert url is not None, greeting
            for username, password in PASSWORDS.items():
                assert re.search(rf"{username}\s+{password}", greeting)
            yield url
        finally:
            process.terminate()


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

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def page() -> Iterator[Page]:
    path = require_tool("chromium", shutil.which("chromium"), "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        # A phone's width: what fits there fits everywhere.
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(15_000)
        yield page
        browser.close()


def test_a_person_goes_through_the_demo_in_a_browser(server: str, page: Page) -> None:
    complaints: list[str] = []  # of the Content-Security-Policy, for one
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))

    def click(name: str) -> None:
        page.get_by_role("button", name=name).click()

    def fill_in(password: str) -> None:
        page.get_by_label("User name").fill("bob")
        page.get_by_label("Password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()

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
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This is not for you")
    page.goto(f"{server}/company")
    page.get_by_label("Analytical Engines").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_have_text("You are not a member of that company.")
