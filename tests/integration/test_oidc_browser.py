"""Sign-in with a certified provider in a real browser: its cookies, its redirects and its policies.

The application is at ``localhost`` and the provider at ``127.0.0.1``: for a browser that is another
site.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, render_template_string
from playwright.sync_api import Browser, Page, Route, expect

from flask_jwtsession import fresh_login_required, login_required

from ..oidc_provider import OidcProvider
from ..serving.thread import served
from ..support import make_app

CLIENT_SECRET = secrets.token_urlsafe(32)
_HERE = frozenset({"localhost", "127.0.0.1"})
_NOTES = """
<h1>{{ current_user.name }}'s notes, page {{ request.args.page }}</h1>
<a href="/payment">Pay</a>
<a href="{{ url_for('jwtsession.signout', callbackUrl='/bye') }}">Sign out</a>
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


class Visit:
    """A page of a browser of its own, and what the browser said that it blocked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.blocked: list[str] = []
        page.set_default_timeout(15_000)
        # The provider's pages ask for a font from elsewhere.
        page.route(lambda url: urlsplit(url).hostname not in _HERE, _abort)
        page.on("console", lambda message: self._note(message.text))

    def _note(self, text: str) -> None:
        if "Content Security Policy" in text or "cookie" in text.lower():
            self.blocked.append(text)

    def sign_in_at_provider(self, *, consents: bool = True) -> None:
        """Fill in the provider's login page, and agree on the next one."""
        self.page.get_by_placeholder("Enter any login").fill("ada")
        self.page.get_by_placeholder("and password").fill("any")
        self.page.get_by_role("button", name="Sign-in").click()
        if consents:
            expect(self.page.get_by_role("heading", level=1)).to_have_text("Authorize")
            self.page.get_by_role("button", name="Continue").click()

    def heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def cookies(self) -> dict[str, Any]:
        """The cookies of the session and of attempts to sign in, by name."""
        found = {str(cookie.get("name")): cookie for cookie in self.page.context.cookies()}
        return {
            name: cookie
            for name, cookie in found.items()
            if name.startswith("jwtsession.") and name != "jwtsession.csrf-token"
        }


def _abort(route: Route) -> None:
    route.abort()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with browser.new_context() as context:
        yield Visit(context.new_page())


@contextmanager
def served_site(
    provider: OidcProvider, options: dict[str, Any] | None = None, **config: Any
) -> Iterator[str]:
    """An application with the provider, on a free port of ``localhost``; its origin.

    :param options: more of ``add_provider``
    """
    app, auth = make_app(None, **config)
    add_views(app)
    with served(app, "localhost") as origin:
        provider.register(
            "app",
            client_secret=CLIENT_SECRET,
            redirect_uris=[f"{origin}/auth/callback/op"],
            post_logout_redirect_uris=[f"{origin}/auth/signout/callback"],
        )
        auth.add_provider(
            "op",
            issuer=provider.issuer,
            client_id="app",
            client_secret=CLIENT_SECRET,
            **(options or {}),
        )
        yield origin


def add_views(app: Flask) -> None:
    @app.get("/notes")
    @login_required
    def notes() -> str:
        return render_template_string(_NOTES)

    @app.get("/payment")
    @fresh_login_required(max_age=60)
    def payment() -> str:
        return "<h1>Paid</h1>"

    @app.get("/")
    @app.get("/bye")
    def bye() -> str:
        return render_template_string("<h1>Bye {{ current_user.name or 'nobody' }}</h1>")


def test_a_person_signs_in_and_out_with_a_provider(provider: OidcProvider, visit: Visit) -> None:
    page = visit.page
    with served_site(provider, FEDERATED_SIGN_OUT=True) as origin:
        page.goto(f"{origin}/notes?page=2")
        visit.heading("Sign in")
        page.get_by_role("button", name="Sign in with Op").click()
        assert page.url.startswith(provider.issuer)
        [name] = visit.cookies()
        assert name.startswith("jwtsession.login.")
        visit.sign_in_at_provider()
        page.wait_for_url(f"{origin}/notes?page=2")
        visit.heading("Ada's notes, page 2")
        cookies = visit.cookies()
        assert cookies.keys() == {"jwtsession.session-token"}
        [session] = cookies.values()
        assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
        assert page.evaluate("document.cookie") == ""

        # Back to the provider and forth to the spent code: still signed in.
        page.go_back()
        page.goto(f"{origin}/notes?page=3")
        visit.heading("Ada's notes, page 3")

        page.get_by_role("link", name="Sign out").click()
        page.get_by_role("button", name="Sign out").click()
        visit.heading(f"Do you want to sign-out from {urlsplit(provider.issuer).netloc}?")
        assert "jwtsession.session-token" not in visit.cookies()
        page.get_by_role("button", name="Yes, sign me out").click()
        page.wait_for_url(f"{origin}/bye")
        visit.heading("Bye nobody")
        assert visit.cookies() == {}

        # The provider has forgotten her, too.
        page.goto(f"{origin}/notes")
        page.get_by_role("button", name="Sign in with Op").click()
        expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    assert visit.blocked == []


def test_a_person_who_cancels_is_told_so(provider: OidcProvider, visit: Visit) -> None:
    page = visit.page
    with served_site(provider) as origin:
        page.goto(f"{origin}/notes")
        page.get_by_role("button", name="Sign in with Op").click()
        page.get_by_role("link", name="Cancel").click()
        page.wait_for_url(re.compile(f"^{origin}/auth/callback/op"))
        visit.heading("The sign-in did not work")
        assert visit.cookies() == {}
        page.get_by_role("link", name="Back to the start").click()
        visit.heading("Bye nobody")
    assert visit.blocked == []


def test_a_person_proves_once_more_who_they_are(provider: OidcProvider, visit: Visit) -> None:
    page = visit.page
    with served_site(provider) as origin:
        page.goto(f"{origin}/notes")
        page.get_by_role("button", name="Sign in with Op").click()
        visit.sign_in_at_provider()
        visit.heading("Ada's notes, page")
        page.get_by_role("link", name="Pay").click()
        expect(page.get_by_placeholder("Enter any login")).to_be_visible()
        visit.sign_in_at_provider(consents=False)
        page.wait_for_url(f"{origin}/payment")
        visit.heading("Paid")
    assert visit.blocked == []


def test_a_link_of_another_site_leads_to_the_sign_in_page_first(
    provider: OidcProvider, visit: Visit
) -> None:
    page = visit.page
    with served_site(provider) as origin:
        page.goto(f"{origin}/notes")
        page.get_by_role("button", name="Sign in with Op").click()
        visit.sign_in_at_provider()
        visit.heading("Ada's notes, page")
        # A page of the other site, with a link to the application.
        page.goto(f"{provider.issuer}/elsewhere")
        page.set_content(f'<a href="{origin}/payment">A present for you</a>')
        page.get_by_role("link").click()
        page.wait_for_url(re.compile(f"^{origin}/auth/signin"))
        page.get_by_role("button", name="Sign in with Op").click()
        visit.sign_in_at_provider(consents=False)
        page.wait_for_url(f"{origin}/payment")
        visit.heading("Paid")
    assert visit.blocked == []


def test_a_browser_brings_the_cookie_with_the_form_of_the_provider(
    provider: OidcProvider, visit: Visit
) -> None:
    page = visit.page
    options = {"authorize_params": {"response_mode": "form_post"}}
    with served_site(provider, options) as origin:
        page.goto(f"{origin}/notes?page=2")
        page.get_by_role("button", name="Sign in with Op").click()
        [cookie] = visit.cookies().values()
        assert (cookie["sameSite"], cookie["secure"]) == ("None", True)
        visit.sign_in_at_provider()
        page.wait_for_url(f"{origin}/notes?page=2")
        visit.heading("Ada's notes, page 2")
        assert visit.cookies().keys() == {"jwtsession.session-token"}
    assert visit.blocked == []


@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_a_strict_session_cookie_is_there_after_the_sign_in(
    provider: OidcProvider, visit: Visit, response_mode: str
) -> None:
    page = visit.page
    options = {"authorize_params": {"response_mode": response_mode}}
    with served_site(provider, options, COOKIE_SAMESITE="Strict") as origin:
        page.goto(f"{origin}/notes?page=2")
        page.get_by_role("button", name="Sign in with Op").click()
        visit.sign_in_at_provider()
        page.wait_for_url(f"{origin}/notes?page=2")
        visit.heading("Ada's notes, page 2")
        assert visit.cookies()["jwtsession.session-token"]["sameSite"] == "Strict"
    assert visit.blocked == []
