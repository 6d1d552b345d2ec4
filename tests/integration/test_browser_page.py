"""The examples of the page "In the browser" of the documentation, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ..serving.thread import served
from ..support import SECRET
from ..test_docs import DOCS, run_examples

#: What that page says a policy needs.
_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
_SIGN_IN_FORM = (
    "<form id=sign-in><input name=username><input name=password type=password>"
    "<button>Go</button><p role=alert></p></form>"
)


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The application of that page, with its template and scripts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JWTSESSION_SECRET", SECRET)
    app: Flask = run_examples(DOCS / "browser.rst", monkeypatch).app

    @app.get("/classic")
    def classic() -> str:
        return "<title>-</title><script src='/static/classic.js'></script>"

    @app.get("/enter")
    def enter() -> str:
        return _SIGN_IN_FORM + "<script type=module src='/static/sign-in.js'></script>"

    @app.get("/docs/<page>")
    @app.get("/rooms/<page>")
    def guarded(page: str) -> str:
        return f"<h1>{page}</h1><script type=module src='/static/guard.js'></script>"

    @app.after_request
    def policy(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response

    with served(app) as url:
        yield url


@pytest.fixture
def context(browser: Browser, origin: str) -> Iterator[BrowserContext]:
    with browser.new_context(base_url=origin) as context:
        yield context


@pytest.fixture
def complaints(context: BrowserContext) -> list[str]:
    """What any page of the browser wrote to its console; a refused policy is there, too."""
    found: list[str] = []
    context.on("console", lambda message: found.append(message.text))
    context.on("weberror", lambda error: found.append(str(error.error)))
    return found


def sign_in(page: Page) -> None:
    page.goto("/auth/signin?callbackUrl=/")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def test_the_page_shows_who_it_is_and_follows_a_change_in_every_tab(
    context: BrowserContext, complaints: list[str]
) -> None:
    page, other = context.new_page(), context.new_page()
    sign_in(page)
    other.goto("/about")
    expect(page.locator("#who")).to_have_text("Ada")
    page.locator("[name=name]").fill("Ada Lovelace")
    page.get_by_role("button", name="Save").click()
    for tab in (page, other):
        expect(tab.locator("#who")).to_have_text("Ada Lovelace")
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        expect(tab.locator("#who")).to_have_text("Nobody")
    assert complaints == []


def test_a_refused_update_is_said_in_the_words_of_the_application(context: BrowserContext) -> None:
    page = context.new_page()
    sign_in(page)
    page.locator("[name=name]").fill("a" * 81)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("A name has 1 to 80 characters.")
    expect(page.locator("#who")).to_have_text("Ada")


def test_a_classic_script_takes_the_module_too(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/classic")
    expect(page).to_have_title("Nobody")
    sign_in(page)
    page.goto("/classic")
    expect(page).to_have_title("Ada")


def test_a_form_of_ones_own_says_what_was_wrong(context: BrowserContext) -> None:
    page, other = context.new_page(), context.new_page()
    other.goto("/")
    page.goto("/enter")
    page.locator("[name=password]").fill("wrong")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_have_text("credentials_signin")
    page.locator("[name=password]").fill("correct horse")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_have_text("")
    expect(other.locator("#who")).to_have_text("Ada")


def test_a_guarded_navigation_leads_to_the_sign_in_and_back(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/docs/install")
    page.evaluate("history.pushState({}, '', '/docs/use')")
    page.evaluate("history.pushState({}, '', '/rooms/attic?lamp=1#left')")
    page.wait_for_url("**/auth/signin?callbackUrl=%2Frooms%2Fattic%3Flamp%3D1%23left")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/rooms/attic?lamp=1#left")
    expect(page.get_by_role("heading")).to_have_text("attic")
