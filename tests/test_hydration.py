"""The public session in a page: what it holds, and that nothing in it is anything but data."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.json.provider import DefaultJSONProvider
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession import Account, JWTEvent, JWTSession, sign_in

from .browsing import signed_in_client
from .conftest import add_views
from .faulty_store import FaultyStore
from .support import HTTPS, NOW, SECRET, Clock, binding_of, make_app, session_token

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "-->",
    "]]>",
    "\u2028alert(1)\u2029",
    "\"'`",
    "&lt;/script&gt; &amp;",
    "\\u003c/script>",
    "${alert(1)} {{ 7 * 7 }} {% raw %}",
    "\x00\x7f\ufffe",
]


class Page(HTMLParser):
    """The script elements of a page as a browser finds them: attributes and content."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        else:
            self.others.append(tag)

    def handle_data(self, data: str) -> None:
        if self.scripts and self.lasttag == "script" and self.cdata_elem == "script":
            attributes, content = self.scripts[-1]
            self.scripts[-1] = (attributes, content + data)

    @property
    def data(self) -> dict[str, Any]:
        """What the client reads."""
        [(attributes, content), _] = self.scripts
        assert attributes["type"] == "application/json"
        found: dict[str, Any] = json.loads(content)
        return found


def add_page(app: Flask, source: str = "{{ jwtsession_script() }}") -> None:
    @app.get("/page")
    def page() -> str:
        return render_template_string(source)


def page_of(client: FlaskClient, **options: Any) -> Page:
    response = client.get("/page", base_url=HTTPS, **options)
    assert response.status_code == 200
    return Page(response.text)


def named(clock: Clock, name: str) -> FlaskClient:
    """A browser in which somebody with that name is signed in."""
    app, _ = make_app(clock)
    add_page(app)

    @app.post("/sign-in")
    def enter() -> str:
        sign_in({"id": "u1", "name": name})
        return ""

    return signed_in_client(app)


def test_the_page_has_what_the_endpoint_says(app: Flask) -> None:
    add_page(app)
    client = signed_in_client(app)
    session = client.get("/auth/session", base_url=HTTPS).get_json()
    assert session["user"]["name"] == "Ada"
    assert page_of(client).data == {"session": session, "now": round(NOW * 1000)}


def test_the_page_of_nobody_says_so(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    assert page_of(client).data == {"session": None, "now": round(NOW * 1000)}


def test_the_client_is_a_module_beside_the_data(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    [(data, _), (module, content)] = page_of(client).scripts
    assert data == {"type": "application/json", "data-jwtsession": "/auth/client.js"}
    assert module == {"type": "module", "src": "/auth/client.js"}
    assert content == ""


def test_the_urls_are_those_of_the_application(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    environ = {"SCRIPT_NAME": "/shop"}
    [(data, _), (module, _)] = page_of(client, environ_overrides=environ).scripts
    assert data["data-jwtsession"] == module["src"] == "/shop/auth/client.js"


def test_the_urls_name_no_other_host(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    environ = {"SCRIPT_NAME": "//evil.example"}
    [(data, _), (module, _)] = page_of(client, environ_overrides=environ).scripts
    assert data["data-jwtsession"] == module["src"] == "/evil.example/auth/client.js"


def test_another_instance_has_a_page_and_a_session_of_its_own(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    app.config.update(STAFF_SECRET=SECRET[::-1], STAFF_STORE="memory", STAFF_URL_PREFIX="/staff")
    app.config.update(STAFF_COOKIE_PREFIX="staff")
    staff = JWTSession(app, config_prefix="STAFF")
    app.jinja_env.globals["staff_script"] = staff.script
    add_page(app, "{{ staff_script() }}")
    client = signed_in_client(app)
    page = page_of(client)
    assert page.data["session"] is None
    assert page.scripts[1][0]["src"] == "/staff/client.js"


# SEC-201: nothing but data.


@pytest.mark.parametrize("name", HOSTILE)
def test_sec_201_no_name_breaks_out_of_the_data(clock: Clock, name: str) -> None:
    client = named(clock, name)
    page = page_of(client)
    assert page.data["session"]["user"]["name"] == name
    assert len(page.scripts) == 2
    assert page.others == []
    html = client.get("/page", base_url=HTTPS).text
    [inside] = re.findall(r'client\.js">(\{.*?\})</script>', html, re.DOTALL)
    assert not re.search("[<>&'\u2028\u2029]", inside)


@given(name=st.text(st.characters(codec="utf-8"), max_size=60))
def test_sec_201_any_name_arrives_as_it_is(name: str) -> None:
    page = page_of(named(Clock(), name))
    assert page.data["session"]["user"]["name"] == name
    assert (len(page.scripts), page.others) == (2, [])


@pytest.mark.parametrize("name", HOSTILE)
def test_sec_201_nor_with_a_json_provider_that_escapes_nothing(clock: Clock, name: str) -> None:
    client = named(clock, name)
    provider = DefaultJSONProvider(client.application)
    provider.ensure_ascii = False
    client.application.json = provider
    page = page_of(client)
    assert page.data["session"]["user"]["name"] == name
    assert (len(page.scripts), page.others) == (2, [])


@pytest.mark.parametrize("name", HOSTILE)
def test_sec_201_the_data_is_inert_in_an_attribute_in_single_quotes(
    clock: Clock, name: str
) -> None:
    html = named(clock, name).get("/page", base_url=HTTPS).text
    [inside] = re.findall(r'client\.js">(\{.*?\})</script>', html, re.DOTALL)

    class Attribute(HTMLParser):
        value: str | None = None

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert (tag, [key for key, _ in attrs]) == ("div", ["data-x"])
            self.value = attrs[0][1]

    parser = Attribute()
    parser.feed(f"<div data-x='{inside}'></div>")
    assert parser.value is not None
    assert json.loads(parser.value)["session"]["user"]["name"] == name


def test_a_nonce_is_on_both_elements(app: Flask, client: FlaskClient) -> None:
    add_page(app, "{{ jwtsession_script(nonce='r4nd0m+/=') }}")
    assert [one["nonce"] for one, _ in page_of(client).scripts] == ["r4nd0m+/="] * 2


def test_a_nonce_does_not_break_out_of_its_attribute(app: Flask, client: FlaskClient) -> None:
    add_page(app, """{{ jwtsession_script(nonce='"><script>x') }}""")
    page = page_of(client)
    assert [one["nonce"] for one, _ in page.scripts] == ['"><script>x'] * 2


def test_sec_200_no_token_and_no_identifier_of_the_session_is_in_the_page(clock: Clock) -> None:
    app, _ = make_app(clock)
    add_page(app)

    @app.post("/sign-in")
    def enter() -> str:
        account = Account(
            provider="example",
            type="oidc",
            provider_account_id="42",
            access_token="access-token-value",
            refresh_token="refresh-token-value",
            id_token="id-token-value",
        )
        sign_in({"id": "u1", "name": "Ada"}, account=account, claims={"secret_claim": "hidden"})
        return ""

    client = app.test_client()
    token = session_token(
        client.post("/sign-in", base_url=HTTPS), "__Host-jwtsession.session-token"
    )
    html = client.get("/page", base_url=HTTPS).text
    assert token is not None
    for secret in ("token-value", "hidden", '"sid"', '"jti"', '"u1"', "_session", token, SECRET):
        assert secret not in html


# The page is about one person.


def test_no_cache_keeps_the_page(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    for one in (client, signed_in_client(app)):
        headers = one.get("/page", base_url=HTTPS).headers
        assert headers["Cache-Control"] == "private, no-store"
        assert "Cookie" in headers["Vary"]


def test_the_user_loader_decides_here_too(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    add_page(app)
    client = signed_in_client(app)
    assert page_of(client).data["session"] is not None

    @auth.user_loader
    def nobody(token: dict[str, Any]) -> None:
        return None

    assert page_of(client).data["session"] is None


def test_the_session_callback_decides_what_is_in_it(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    add_page(app)

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "company": 7}

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        return {"company": token["company"]}

    assert page_of(signed_in_client(app)).data["session"] == {"company": 7}


def test_while_the_store_is_away_the_page_does_not_say_nobody(clock: Clock) -> None:
    store = FaultyStore(clock)
    app, auth = make_app(clock, STORE=store)
    add_views(app, auth)
    add_page(app)
    client = signed_in_client(app)
    store.refused = {"get_many"}
    [(module, _)] = page_of(client).scripts
    assert module["type"] == "module"


@pytest.mark.parametrize("callback", ["jwt_callback", "session_callback", "user_loader"])
def test_the_error_page_of_a_callback_that_raised_does_not_say_nobody(
    clock: Clock, callback: str
) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    add_page(app, "{{ current_user.name }}{{ jwtsession_script() }}")

    @app.errorhandler(500)
    def sorry(error: Exception) -> tuple[str, int]:
        return render_template_string("{{ jwtsession_script() }}"), 500

    client = signed_in_client(app)

    def fail(*values: Any) -> None:
        raise RuntimeError("the database is away")

    getattr(auth, callback)(fail)
    response = client.get("/page", base_url=HTTPS)
    assert response.status_code == 500
    [(module, _)] = Page(response.text).scripts
    assert module["type"] == "module"


def test_a_number_that_json_does_not_have_is_the_callbacks_fault(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    add_page(app)
    client = signed_in_client(app)

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        return {**session, "rate": float("nan")}

    assert client.get("/page", base_url=HTTPS).status_code == 500
    assert client.get("/auth/session", base_url=HTTPS).status_code == 500


def test_the_time_in_the_page_is_the_servers(app: Flask, client: FlaskClient) -> None:
    add_page(app)
    binding_of(app).clock = lambda: 1_234_567_890.1239
    assert page_of(client).data["now"] == 1_234_567_890_124
