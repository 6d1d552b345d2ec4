"""Auth.js's own React client, ``next-auth/react`` as it is published, in a real browser: signing in
and out with it.

Every test runs with version 4 and with version 5 of it, unless it says otherwise. What goes wrong
in the browser meanwhile, an error in the console or a request that is not answered well, fails it,
unless it is what the test is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from ..next_auth_site import (
    LOGGED,
    PREFIXES,
    VERSIONS,
    Site,
    Visitor,
    build,
    developed,
    make_site,
    serving,
    visiting,
)
from ..peers.faulty_provider import FaultyProvider

WRONG = "The user name or the password is not right."
MEMBERS_ONLY = "Sign in to see this page."


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("next-auth-client")
    return {version: build(version, folder) for version in VERSIONS}


@pytest.fixture(params=VERSIONS)
def site(request: pytest.FixtureRequest, builds: dict[str, Path]) -> Iterator[Site]:
    version: str = request.param
    with serving(make_site(builds[version], version, PREFIXES[version])) as running:
        yield running


@contextmanager
def somebody(site: Site, browser: Browser) -> Iterator[Visitor]:
    with browser.new_context() as context, visiting(site, context) as visitor:
        yield visitor


@pytest.fixture
def visitor(site: Site, browser: Browser) -> Iterator[Visitor]:
    with somebody(site, browser) as somebody_new:
        yield somebody_new


def refused(version: str, status: int, **said: Any) -> dict[str, Any]:
    """What the client makes of a sign-in that was refused, on the page. Of version 5 only the error
    means something.
    """
    if version == "v4":
        return {"error": said["error"], "status": status, "ok": False, "url": None}
    return {**said, "status": 200, "ok": True, "url": None}


# Signing in.


def test_signing_in_leads_back_to_the_page(visitor: Visitor) -> None:
    visitor.opens("/?tab=2")
    visitor.sees("Nobody is signed in")
    assert visitor.statuses() == ["loading", "unauthenticated"]
    visitor.stays_as_long_as_nothing_is_loaded()
    visitor.signs_in()
    visitor.sees("Hello, Ada")
    assert visitor.page.url == f"{visitor.site.origin}/?tab=2"
    assert not visitor.has_stayed()
    assert "unauthenticated" not in visitor.statuses()
    assert visitor.session()["user"] == {"name": "Ada", "email": None, "image": None}
    assert visitor.page.evaluate("document.cookie") == ""


def test_signing_in_without_a_redirect_stays_on_the_page(visitor: Visitor) -> None:
    visitor.opens()
    visitor.sees("Nobody is signed in")
    visitor.stays_as_long_as_nothing_is_loaded()
    visitor.signs_in(stays=True)
    visitor.sees("Hello, Ada")
    result = visitor.sees_result()
    assert result.pop("error", None) is None
    assert result == {"status": 200, "ok": True, "url": f"{visitor.site.origin}/"}
    assert visitor.has_stayed()


def test_a_wrong_password_leads_to_the_sign_in_page_and_from_there_back(visitor: Visitor) -> None:
    visitor.opens("/?tab=2")
    visitor.signs_in(password="wrong")
    visitor.is_on_sign_in_page(WRONG)
    trouble = {"v4": ["POST /callback/credentials: 401"], "v5": []}
    assert visitor.takes_trouble() == trouble[visitor.site.version]
    visitor.signs_in()
    visitor.sees("Hello, Ada")
    assert visitor.page.url == f"{visitor.site.origin}/?tab=2"


def test_a_wrong_password_without_a_redirect_is_an_error(visitor: Visitor) -> None:
    version = visitor.site.version
    visitor.opens()
    visitor.sees("Nobody is signed in")
    visitor.signs_in(password="wrong", stays=True)
    expected = refused(version, 401, error="CredentialsSignin", code="credentials")
    assert visitor.sees_result() == expected
    visitor.sees("Nobody is signed in")
    assert "authenticated" not in visitor.statuses()
    trouble = {"v4": ["POST /callback/credentials: 401"], "v5": []}
    assert visitor.takes_trouble() == trouble[version]
    visitor.signs_in(stays=True)
    visitor.sees("Hello, Ada")


def test_who_may_not_sign_in_is_told_so(visitor: Visitor) -> None:
    version = visitor.site.version
    visitor.opens()
    visitor.signs_in("mallory", stays=True)
    assert visitor.sees_result() == refused(version, 403, error="AccessDenied")
    visitor.is_led_away_by("signIn", "credentials", {"username": "mallory", "password": "ok"})
    visitor.sees("Access denied")
    trouble = {"v4": ["POST /callback/credentials: 403"] * 2, "v5": []}
    assert visitor.takes_trouble() == [*trouble[version], "GET /error: 403"]


def test_without_a_known_provider_the_person_chooses_one(visitor: Visitor) -> None:
    visitor.opens("/?tab=2")
    visitor.clicks("Sign in elsewhere")
    visitor.is_on_sign_in_page()
    visitor.page.go_back()
    visitor.is_led_away_by("signIn", "github")
    visitor.is_on_sign_in_page()
    visitor.signs_in()
    visitor.sees("Hello, Ada")
    assert visitor.page.url == f"{visitor.site.origin}/?tab=2"


def test_signing_in_with_an_openid_provider(visitor: Visitor) -> None:
    with FaultyProvider() as provider:
        visitor.site.auth.add_provider(
            "op",
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
        )
        visitor.opens()
        options = {"callbackUrl": "/members"}
        visitor.is_led_away_by("signIn", "op", options, {"login_hint": "ada"})
        visitor.sees("For Ada Lovelace only")
        [request] = provider.requests_to("authorize")
        assert request.query["login_hint"] == "ada"


def test_a_page_for_members_asks_to_sign_in_first(visitor: Visitor) -> None:
    visitor.opens("/members?list=new")
    visitor.is_on_sign_in_page(MEMBERS_ONLY)
    visitor.signs_in()
    visitor.sees("For Ada only")
    assert visitor.page.url == f"{visitor.site.origin}/members?list=new"
    visitor.page.reload()
    visitor.sees("For Ada only")


# Signing out.


def test_signing_out_leads_back_to_the_page(visitor: Visitor) -> None:
    visitor.has_signed_in()
    visitor.opens("/?tab=2")
    visitor.sees("Hello, Ada")
    visitor.stays_as_long_as_nothing_is_loaded()
    visitor.clicks("Sign out")
    visitor.sees("Nobody is signed in")
    assert visitor.page.url == f"{visitor.site.origin}/?tab=2"
    assert not visitor.has_stayed()
    assert not visitor.has_session_cookie()


def test_signing_out_leads_elsewhere(visitor: Visitor) -> None:
    visitor.has_signed_in()
    visitor.opens("/members")
    visitor.sees("For Ada only")
    visitor.is_led_away_by("signOut", {"callbackUrl": "/?bye"})
    visitor.sees("Nobody is signed in")
    assert visitor.page.url == f"{visitor.site.origin}/?bye"


def test_signing_out_without_a_redirect_stays_on_the_page(visitor: Visitor) -> None:
    visitor.has_signed_in()
    visitor.opens()
    visitor.sees("Hello, Ada")
    visitor.stays_as_long_as_nothing_is_loaded()
    visitor.clicks("Sign out and stay")
    visitor.sees("Nobody is signed in")
    assert visitor.sees_result() == {"url": f"{visitor.site.origin}/"}
    assert visitor.has_stayed()
    assert not visitor.has_session_cookie()


# What the client reads.


def test_the_client_reads_the_session_the_providers_and_the_csrf_token(visitor: Visitor) -> None:
    base = visitor.site.origin + visitor.site.prefix
    visitor.opens()
    visitor.sees("Nobody is signed in")
    assert visitor.calls("getSession") is None
    assert visitor.calls("getProviders") == {
        "credentials": {
            "id": "credentials",
            "name": "Credentials",
            "type": "credentials",
            "signinUrl": f"{base}/signin/credentials",
            "callbackUrl": f"{base}/callback/credentials",
        }
    }
    token = visitor.calls("getCsrfToken")
    assert token
    assert visitor.cookie("jwtsession.csrf-token").startswith(f"{token}%7C")
    visitor.has_signed_in()
    assert visitor.calls("getSession")["user"]["name"] == "Ada"


def test_version_4_logs_an_error_about_null_and_goes_on(
    browser: Browser, builds: dict[str, Path]
) -> None:
    """What it does without the hook of `make_site`."""
    site = make_site(builds["v4"], "v4", "/api/auth", hook=False)
    with serving(site), somebody(site, browser) as visitor:
        visitor.opens()
        visitor.sees("Nobody is signed in")
        assert visitor.takes_trouble() == [LOGGED]
        visitor.signs_in()
        visitor.sees("Hello, Ada")


# Where the endpoints are.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_is_not_told_a_path_uses_its_default(
    browser: Browser, builds: dict[str, Path], version: str
) -> None:
    site = make_site(builds[version], version, "/api/auth")
    site.properties.clear()
    with serving(site), somebody(site, browser) as visitor:
        visitor.opens("/members")
        visitor.is_on_sign_in_page(MEMBERS_ONLY)
        visitor.signs_in()
        visitor.sees("For Ada only")


def test_at_another_path_version_4_has_to_be_told_where_to_sign_in(
    browser: Browser, builds: dict[str, Path]
) -> None:
    site = make_site(builds["v4"], "v4", "/auth")
    with serving(site), somebody(site, browser) as visitor:
        visitor.opens("/members")
        visitor.page.wait_for_url("**/api/auth/signin?**")
        assert visitor.takes_trouble() == ["GET /api/auth/signin: 404"]
        site.properties["ownSignIn"] = True
        visitor.opens("/members")
        visitor.is_on_sign_in_page()
        visitor.signs_in()
        visitor.sees("For Ada only")
        # All else is where it was told.
        visitor.opens()
        visitor.saves("Countess")
        visitor.sees("Hello, Countess")
        visitor.clicks("Sign out")
        visitor.sees("Nobody is signed in")


def test_behind_the_development_server_of_vite_everything_is_on_one_origin(
    browser: Browser, builds: dict[str, Path], tmp_path: Path
) -> None:
    """With version 5."""
    site = make_site(builds["v5"], "v5", "/api/auth")
    with serving(site), developed(site, tmp_path) as seen, somebody(seen, browser) as visitor:
        visitor.opens("/members?list=new")
        visitor.is_on_sign_in_page(MEMBERS_ONLY)
        visitor.signs_in()
        visitor.sees("For Ada only")
        assert visitor.page.url == f"{seen.origin}/members?list=new"
        visitor.opens()
        visitor.sees("Hello, Ada")
        visitor.saves("Countess")
        visitor.sees("Hello, Countess")
        visitor.clicks("Sign out")
        visitor.sees("Nobody is signed in")
        assert visitor.page.url == f"{seen.origin}/"
