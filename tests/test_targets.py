"""Where the endpoints send a browser, judged by the Location header that Werkzeug emits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from flask_jwtsession import JWTSession, login_required

from .conftest import add_views
from .support import HTTPS, NAVIGATION, SAME_ORIGIN, Clock, make_app
from .targets_table import KEPT, REFUSED_OVER_HTTP
from .test_request_checks_redirects import TARGETS
from .url_resolver import UrlResolver

PARTNER = "https://partner.test:8443"


@pytest.fixture(scope="module")
def resolver() -> Iterator[UrlResolver]:
    with UrlResolver() as one:
        yield one


@pytest.fixture(scope="module")
def application() -> tuple[Flask, JWTSession]:
    app, auth = make_app(Clock(), TRUSTED_ORIGINS=[PARTNER])
    add_views(app, auth)
    return app, auth


@pytest.fixture
def client(application: tuple[Flask, JWTSession]) -> FlaskClient:
    return application[0].test_client()


def sent_to(client: FlaskClient, target: object, *, as_json: bool = False) -> str:
    """Where a sign-out sends the browser that asked for ``target``."""
    fields = {"callbackUrl": target}
    body: dict[str, Any] = {"json": fields} if as_json else {"data": fields}
    response = client.post("/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN, **body)
    assert response.status_code == 302
    return response.headers["Location"]


def sent_to_after_sign_in(client: FlaskClient, target: str) -> str:
    """Where a sign-in sends the browser that asked for ``target``."""
    fields = {"username": "ada", "password": "ok", "callbackUrl": target}
    response = client.post(
        "/auth/callback/credentials", base_url=HTTPS, headers=SAME_ORIGIN, data=fields
    )
    assert response.status_code == 302
    return response.headers["Location"]


# After sign-out and sign-in.


@pytest.mark.parametrize("value", REFUSED_OVER_HTTP)
def test_a_refused_target_becomes_the_root(client: FlaskClient, value: str) -> None:
    assert sent_to(client, value) == HTTPS


@pytest.mark.parametrize("value", KEPT)
def test_a_kept_target_is_where_the_browser_arrives(
    client: FlaskClient, resolver: UrlResolver, value: str
) -> None:
    location = sent_to(client, value)
    assert location.startswith("https://")
    assert resolver.href(location, HTTPS) == resolver.href(value, HTTPS)


@settings(max_examples=600, deadline=None)
@given(TARGETS)
def test_no_target_whatsoever_leads_elsewhere(
    application: tuple[Flask, JWTSession], resolver: UrlResolver, value: str
) -> None:
    location = sent_to(application[0].test_client(), value)
    assert resolver.origin(location, HTTPS + "/auth/signin") in (HTTPS, PARTNER)


@pytest.mark.parametrize("value", [None, 7, True, 1.5, [], ["/a"], {"a": "/a"}])
def test_sec_137_a_target_that_is_no_text_becomes_the_root(
    client: FlaskClient, value: object
) -> None:
    assert sent_to(client, value, as_json=True) == HTTPS


def test_sec_137_a_target_sent_twice_is_refused(client: FlaskClient) -> None:
    response = client.post(
        "/auth/signout",
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data={"callbackUrl": ["/a", "/b"]},
    )
    assert response.status_code == 400


def test_the_form_of_a_sign_in_is_judged_alike(client: FlaskClient) -> None:
    def sign_in(target: str) -> str:
        response = client.post(
            "/auth/callback/credentials",
            base_url=HTTPS,
            headers=SAME_ORIGIN,
            data={"password": "ok", "callbackUrl": target},
        )
        return response.headers["Location"]

    assert sign_in("/a?b#c") == "https://app.test/a?b#c"
    assert sign_in("//evil.com") == HTTPS
    assert sign_in(PARTNER + "/x") == PARTNER + "/x"


CIRCLES = [
    "/auth",
    "/auth/signin",
    "/auth/signin?callbackUrl=/auth/signin",
    "/auth/signout",
    "/auth/callback/credentials",
    "/auth/error?error=Default",
    "https://app.test/auth/signin",
    "https://APP.test:443/auth/signin",
    "/%61uth/signin",
    "/auth%2fsignin",
    "/auth/../auth/signin",
    "/./auth/signin",
    "/x/../auth/signout",
    "/x/%2e%2e/auth/signout",
    "https://app.test/x/../auth/signin",
]


@pytest.mark.parametrize("target", CIRCLES, ids=[f"SEC-138 {target}" for target in CIRCLES])
def test_a_browser_is_not_sent_round_in_a_circle(client: FlaskClient, target: str) -> None:
    assert sent_to_after_sign_in(client, target) == HTTPS


@pytest.mark.parametrize("target", ["/author", "/authority/signin", "/a/auth/signin", "/AUTH"])
def test_a_page_with_a_similar_path_is_no_circle(client: FlaskClient, target: str) -> None:
    assert sent_to(client, target) == HTTPS + target


def test_a_page_of_a_trusted_origin_is_no_circle_whatever_its_path(client: FlaskClient) -> None:
    assert sent_to(client, PARTNER + "/auth/profile") == PARTNER + "/auth/profile"


@pytest.mark.parametrize("target", ["/login", "/login?callbackUrl=/x", "/bye#top", "/log%69n"])
def test_sec_138_the_applications_own_pages_are_circles_too(clock: Clock, target: str) -> None:
    app, auth = make_app(clock, PAGES={"sign_in": "/login?kind=1", "sign_out": "/bye"})
    add_views(app, auth)
    assert sent_to_after_sign_in(app.test_client(), target) == HTTPS


@pytest.mark.parametrize(
    ("pages", "target", "location"),
    [
        ({}, "/auth/signin", HTTPS + "/auth/signin"),
        ({}, "/auth/signout", HTTPS),
        ({}, "/auth/callback/credentials", HTTPS),
        ({"sign_in": "/login?kind=1"}, "/login", HTTPS + "/login"),
        ({"sign_in": "/login", "sign_out": "/bye"}, "/bye", HTTPS),
    ],
)
def test_sec_138_after_sign_out_the_sign_in_page_is_no_circle(
    clock: Clock, pages: dict[str, str], target: str, location: str
) -> None:
    app, _ = make_app(clock, PAGES=pages)
    assert sent_to(app.test_client(), target) == location


# What the query asks for, on its way through the sign-in page.


def asked_for(response: TestResponse) -> list[str]:
    """The ``callbackUrl`` in the query of a redirect."""
    return parse_qs(urlsplit(response.headers["Location"]).query).get("callbackUrl", [])


@pytest.fixture
def own_pages(clock: Clock) -> FlaskClient:
    pages = {"sign_in": "/login?kind=1", "sign_out": "/bye", "error": "/oops"}
    app, auth = make_app(clock, PAGES=pages, TRUSTED_ORIGINS=[PARTNER])
    add_views(app, auth)
    return app.test_client()


@pytest.mark.parametrize("path", ["/auth/signin", "/auth/signout"])
@pytest.mark.parametrize("parameter", ["callbackUrl", "next"])
@pytest.mark.parametrize("value", [*KEPT, *REFUSED_OVER_HTTP])
def test_only_a_safe_target_reaches_the_applications_page(
    own_pages: FlaskClient, path: str, parameter: str, value: str
) -> None:
    from_query = quote(value, safe="")
    response = own_pages.get(f"{path}?{parameter}={from_query}", base_url=HTTPS)
    assert response.status_code == 302
    accepted = any(value == row.values[0] for row in KEPT)
    assert asked_for(response) == ([value] if accepted else [])


@pytest.mark.parametrize("query", ["callbackUrl=/a&callbackUrl=/b", "next=/a&next=/b"])
def test_sec_137_two_targets_in_the_query_are_none(own_pages: FlaskClient, query: str) -> None:
    assert asked_for(own_pages.get(f"/auth/signin?{query}", base_url=HTTPS)) == []


def test_the_query_of_the_applications_page_is_kept(own_pages: FlaskClient) -> None:
    response = own_pages.get("/auth/signin?callbackUrl=/a%3Fb&error=X&code=y", base_url=HTTPS)
    assert response.headers["Location"] == "/login?kind=1&callbackUrl=%2Fa%3Fb&error=X&code=y"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/private", "/private"),
        ("/private?a=//b&c=%2F", "/private?a=//b&c=%2F"),
        ("/private?", "/private"),
    ],
)
def test_a_guard_asks_to_come_back(client: FlaskClient, path: str, wanted: str) -> None:
    response = client.get(path, base_url=HTTPS, headers=NAVIGATION)
    assert response.headers["Location"].startswith("/auth/signin?")
    assert asked_for(response) == [wanted]


@pytest.mark.parametrize(
    ("referer", "wanted"),
    [
        ("https://app.test/form?x=1", ["https://app.test/form?x=1"]),
        ("https://app.test/auth/signin", []),
        ("https://evil.example/form", []),
        ("//evil.example", []),
    ],
)
def test_after_a_refused_form_the_way_back_is_the_page_with_the_form(
    app: Flask, referer: str, wanted: list[str]
) -> None:
    app.post("/guarded")(login_required(lambda: "reached"))
    headers = {**NAVIGATION, **SAME_ORIGIN, "Referer": referer}
    response = app.test_client().post("/guarded", base_url=HTTPS, headers=headers)
    assert response.status_code == 303
    assert asked_for(response) == wanted


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        ("https://app.test/list?page=2", ["https://app.test/list?page=2"]),
        ("https://evil.example/", []),
    ],
)
def test_htmx_comes_back_to_the_page_and_not_to_the_fragment(
    client: FlaskClient, current: str, wanted: list[str]
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": current, **SAME_ORIGIN}
    response = client.get("/private", base_url=HTTPS, headers=headers)
    assert response.status_code == 401
    url = response.headers["HX-Redirect"]
    assert parse_qs(urlsplit(url).query).get("callbackUrl", []) == wanted


def test_a_boosted_link_of_htmx_comes_back_to_where_it_leads(client: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-Boosted": "true", "HX-Current-URL": HTTPS + "/list"}
    response = client.get("/private?a=1", base_url=HTTPS, headers=headers)
    assert response.status_code == 401
    query = urlsplit(response.headers["HX-Redirect"]).query
    assert parse_qs(query)["callbackUrl"] == ["/private?a=1"]


def test_a_boosted_form_of_htmx_comes_back_to_the_page_with_the_form(app: Flask) -> None:
    app.post("/guarded")(login_required(lambda: "reached"))
    headers = {"HX-Request": "true", "HX-Boosted": "true", "HX-Current-URL": HTTPS + "/list"}
    response = app.test_client().post("/guarded", base_url=HTTPS, headers=headers)
    query = urlsplit(response.headers["HX-Redirect"]).query
    assert parse_qs(query)["callbackUrl"] == [HTTPS + "/list"]


# The redirect callback.


@pytest.mark.parametrize(
    ("chosen", "location"),
    [
        ("/home", HTTPS + "/home"),
        (HTTPS + "/home", HTTPS + "/home"),
        (PARTNER + "/x", PARTNER + "/x"),
        ("https://evil.com/", HTTPS),
        ("//evil.com/", HTTPS),
        ("/auth/signout", HTTPS),
        ("", HTTPS),
        (None, HTTPS),
        (7, HTTPS),
    ],
)
def test_the_redirect_callback_chooses_among_the_allowed(
    clock: Clock, chosen: object, location: str
) -> None:
    app, auth = make_app(clock, TRUSTED_ORIGINS=[PARTNER])

    @auth.redirect_callback
    def choose(url: str, base_url: str) -> object:
        return chosen

    assert sent_to(app.test_client(), "/a") == location


def test_the_redirect_callback_is_given_a_checked_absolute_url_and_the_origin(
    clock: Clock,
) -> None:
    app, auth = make_app(clock)
    asked: list[tuple[str, str]] = []

    @auth.redirect_callback
    def choose(url: str, base_url: str) -> str:
        asked.append((url, base_url))
        return url

    client = app.test_client()
    for target in ("/a?b", "https://evil.com/", ""):
        sent_to(client, target)
    assert asked == [(HTTPS + "/a?b", HTTPS), (HTTPS, HTTPS), (HTTPS, HTTPS)]


# Hosts, proxies, mount points.


@pytest.mark.parametrize(
    "host",
    [
        "app.test@evil",
        "a,b",
        "evil.com:99999",
        "evil.com/x",
        "evil.com?",
        "a b",
        "[1]",
        "\uff41.test",
    ],
)
def test_sec_145_a_host_that_is_none_is_a_bad_request(client: FlaskClient, host: str) -> None:
    for path in ("/auth/signin", "/auth/providers", "/auth/signout"):
        sent = client.get(path, headers={"Host": host.encode().decode("latin-1")})
        assert sent.status_code == 400
    response = client.post("/auth/signout", headers={**SAME_ORIGIN, "Host": host[:1] + "@b"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.com"}, id="SEC-145 Host"),
        pytest.param({"Host": "app.test@evil"}, id="SEC-145 Host that is none"),
        pytest.param({"X-Forwarded-Host": "evil.com"}, id="SEC-145 X-Forwarded-Host"),
        pytest.param({"X-Forwarded-Proto": "http"}, id="SEC-146 X-Forwarded-Proto"),
        pytest.param({"X-Forwarded-Port": "8443"}, id="SEC-145 X-Forwarded-Port"),
        pytest.param({"X-Forwarded-Prefix": "/evil"}, id="SEC-145 X-Forwarded-Prefix"),
        pytest.param({"Forwarded": "host=evil.com"}, id="SEC-145 Forwarded"),
        pytest.param({"X-Original-URL": "/private"}, id="SEC-147 X-Original-URL"),
        pytest.param({"X-Rewrite-URL": "/private"}, id="SEC-147 X-Rewrite-URL"),
    ],
)
def test_with_a_base_url_no_header_moves_the_application(
    clock: Clock, headers: dict[str, str]
) -> None:
    app, auth = make_app(clock, BASE_URL=HTTPS)
    add_views(app, auth)
    client = app.test_client()
    response = client.post(
        "/auth/callback/credentials", headers={**SAME_ORIGIN, **headers}, data={"password": "ok"}
    )
    assert response.status_code == 302
    assert response.headers["Location"] == HTTPS
    cookies = response.headers.getlist("Set-Cookie")
    assert cookies
    assert all("; Secure" in line and "Domain=" not in line for line in cookies)
    providers = client.get("/auth/providers", headers=headers).get_json()
    assert providers["credentials"]["signinUrl"] == HTTPS + "/auth/signin/credentials"


def test_sec_145_trusted_hosts_are_all_there_are(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    app.config["TRUSTED_HOSTS"] = ["app.test"]
    client = app.test_client()
    assert client.get("/auth/providers", base_url=HTTPS).status_code == 200
    assert client.get("/auth/providers", headers={"Host": "evil.com"}).status_code == 400


def test_sec_145_without_proxy_fix_forwarded_headers_do_not_count(client: FlaskClient) -> None:
    headers = {"X-Forwarded-Host": "evil.com", "X-Forwarded-Proto": "http"}
    providers = client.get("/auth/providers", base_url=HTTPS, headers=headers).get_json()
    assert providers["credentials"]["signinUrl"].startswith(HTTPS + "/")


def test_behind_proxy_fix_the_application_is_where_the_proxy_says(clock: Clock) -> None:
    app, auth = make_app(clock)
    add_views(app, auth)
    # As Flask's documentation does it.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    headers = {
        "X-Forwarded-Host": "app.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/shop",
        "Origin": HTTPS,
    }
    response = app.test_client().post(
        "/auth/callback/credentials", headers=headers, data={"password": "ok", "callbackUrl": "/x"}
    )
    assert response.headers["Location"] == HTTPS + "/x"
    assert "__Host-jwtsession.session-token=" in response.headers["Set-Cookie"]


def test_a_mounted_application_sends_to_its_own_root_and_pages(clock: Clock) -> None:
    app, auth = make_app(clock, PAGES={"sign_in": "/login"})
    add_views(app, auth)
    mounted = {"SCRIPT_NAME": "/shop"}
    client = app.test_client()
    signed_out = client.post(
        "/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN, environ_overrides=mounted
    )
    assert signed_out.headers["Location"] == HTTPS + "/shop"
    refused = client.get("/private", base_url=HTTPS, headers=NAVIGATION, environ_overrides=mounted)
    assert refused.headers["Location"] == "/shop/login?callbackUrl=%2Fshop%2Fprivate"


@pytest.mark.parametrize("target", ["/shop/auth/signout", "/shop/bye", "/shop/auth"])
def test_sec_138_circles_of_a_mounted_application(clock: Clock, target: str) -> None:
    app, _ = make_app(clock, PAGES={"sign_out": "/bye"})
    response = app.test_client().post(
        "/auth/signout",
        base_url=HTTPS,
        headers=SAME_ORIGIN,
        data={"callbackUrl": target},
        environ_overrides={"SCRIPT_NAME": "/shop"},
    )
    assert response.headers["Location"] == HTTPS + "/shop"


# Guards bind to endpoints.


@pytest.mark.parametrize(
    "path",
    [
        "/private",
        "/private?x=/unused",
        "/private#/unused",
        "/unused/../private",
        "//private",
        "/private;x",
        "/private%2f",
        "/private/",
        "/private.",
        "/Private",
        "/%70rivate",
        "/x/unused/../../private",
    ],
)
def test_sec_148_no_spelling_of_the_path_leads_past_the_guard(
    client: FlaskClient, path: str
) -> None:
    response = client.get(path, base_url=HTTPS, headers={"Accept": "application/json"})
    assert response.status_code in (401, 404, 308)
    assert response.get_data(as_text=True) != "private"


@pytest.mark.parametrize(
    "path", ["/unused", "/unused/../auth/session", "//unused", "/unused%2f", "/unused;x"]
)
def test_sec_148_nor_past_protect_all(clock: Clock, path: str) -> None:
    app, auth = make_app(clock, PROTECT_ALL=True)
    add_views(app, auth)
    response = app.test_client().get(path, base_url=HTTPS, headers={"Accept": "*/*"})
    assert response.status_code in (401, 404, 308)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Original-URL": "/unused"},
        {"X-Rewrite-URL": "/unused"},
        {"X-HTTP-Method-Override": "OPTIONS"},
    ],
)
def test_sec_147_no_header_leads_past_the_guard(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    response = client.get("/private", base_url=HTTPS, headers=headers)
    assert response.status_code == 401
