"""``client.js`` in plain scripts, with HTMX, Alpine and React, in a browser: the files of the
documentation's page about them, with the packages as they are published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    expect,
)

from ..peers.browser_frameworks import (
    add_react,
    build,
    development_server,
    make_application,
    package,
)
from ..serving.thread import served
from ..support import SAME_ORIGIN


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    with served(make_application(folder)) as origin:
        yield origin


@pytest.fixture(scope="module")
def react(folder: Path, origin: str) -> Path:
    """The same folder, when the React application has been built."""
    add_react(folder)
    build(folder)
    return folder


@dataclass
class Person:
    """Somebody with a browser of their own.

    :ivar asked: the requests of all tabs, as ``"GET /notes"``
    :ivar trouble: errors and warnings in their consoles: a refused policy is one, an answer that is
        no success is not
    """

    context: BrowserContext
    origin: str
    asked: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(15_000)
        self.context.on("console", self._note_message)
        self.context.on("weberror", lambda error: self.trouble.append(str(error.error)))
        self.context.on("request", self._note_request)

    def opens(self, path: str) -> Page:
        """In a new tab."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def signs_in(self, page: Page) -> None:
        """On the built-in page, to which ``page`` is on its way."""
        page.wait_for_url("**/auth/signin?*")
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()

    def is_signed_in(self) -> None:
        """Without a page."""
        self._post("/auth/callback/credentials", username="ada", password="correct horse")

    def is_signed_out(self) -> None:
        """Without a page, so that none knows it."""
        self._post("/auth/signout")

    def _post(self, path: str, **form: str | float | bool) -> None:
        headers = {**SAME_ORIGIN, "Accept": "application/json"}
        answer = self.context.request.post(self.origin + path, form=form, headers=headers)
        assert answer.ok, answer.text()

    def _note_message(self, message: ConsoleMessage) -> None:
        is_about_answer = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_about_answer:
            self.trouble.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.asked.append(f"{request.method} {urlsplit(request.url).path}")


@pytest.fixture
def person(browser: Browser, origin: str) -> Iterator[Person]:
    with browser.new_context(base_url=origin) as context:
        yield Person(context, origin)


def stay(*pages: Page) -> None:
    """Mark these pages, so that it would be seen if they were loaded once more."""
    for page in pages:
        page.evaluate("window.stays = true")


def assert_stayed(*pages: Page) -> None:
    assert [page.evaluate("window.stays") for page in pages] == [True] * len(pages)


# Plain scripts. The tab that a person uses is the one opened last: it is in front, and a browser
# draws the others once a second.


def test_a_script_that_listens_to_the_event_shows_who_it_is_from_the_beginning(
    person: Person,
) -> None:
    expect(person.opens("/plain").locator("#greeting")).to_have_text("Hello")
    person.is_signed_in()
    person.asked.clear()
    expect(person.opens("/plain").locator("#greeting")).to_have_text("Hello Ada")
    assert "GET /auth/session" not in person.asked
    assert person.trouble == []


def test_a_change_that_a_module_makes_comes_as_an_event_in_every_tab(person: Person) -> None:
    person.is_signed_in()
    other, page = person.opens("/plain"), person.opens("/plain")
    stay(page, other)
    page.get_by_label("Nickname").fill("Countess")
    page.get_by_label("Nickname").press("Enter")
    for tab in (page, other):
        expect(tab.locator("#greeting")).to_have_text("Hello Countess")
    assert_stayed(page, other)
    assert person.trouble == []


def test_a_classic_script_signs_in_and_out(person: Person) -> None:
    other, page = person.opens("/plain"), person.opens("/plain")
    page.get_by_role("button", name="Sign in").click()
    person.signs_in(page)
    page.wait_for_url("**/plain")
    for tab in (page, other):
        expect(tab.locator("#greeting")).to_have_text("Hello Ada")
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        expect(tab.locator("#greeting")).to_have_text("Hello")
    assert person.trouble == []


def test_the_scripts_of_a_page_share_one_client(person: Person) -> None:
    page = person.opens("/plain")
    # Done when all three have what they import.
    page.evaluate("import('/auth/client.js').then(({ getSession }) => getSession())")
    urls = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert [url for url in urls if "client.js" in url] == [f"{person.origin}/auth/client.js"]


# HTMX

#: What is called otherwise in version 4, by the file of the page.
_HTMX_4 = {
    "**/htmx": {"hx-boost=": "hx-boost:inherited="},
    "**/static/site.js": {
        "htmx:afterRequest": "htmx:after:request",
        'detail.requestConfig.verb !== "get"': 'detail.ctx.request.method !== "GET"',
    },
}


@pytest.fixture(params=["HTMX 2", "HTMX 4"])
def htmx(person: Person, request: pytest.FixtureRequest) -> None:
    if request.param == "HTMX 2":
        return

    def rename(names: dict[str, str], route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        for name, other in names.items():
            assert name in text
            text = text.replace(name, other)
        route.fulfill(response=answer, body=text)

    for pattern, names in _HTMX_4.items():
        person.context.route(pattern, partial(rename, names))
    file = package("htmx-4") / "dist" / "htmx.min.js"
    person.context.route("**/htmx.min.js", lambda route: route.fulfill(path=file))


def header(page: Page, text: str) -> None:
    expect(page.get_by_role("banner").get_by_role("paragraph")).to_have_text(text)


@pytest.mark.usefixtures("htmx")
def test_a_part_of_the_page_follows_the_session_in_another_tab(person: Person) -> None:
    other, page = person.opens("/htmx"), person.opens("/htmx")
    stay(other)
    header(other, "Nobody is signed in")
    page.get_by_role("button", name="Sign in").click()
    person.signs_in(page)
    page.wait_for_url("**/htmx")
    for tab in (page, other):
        header(tab, "Signed in as Ada")
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        header(tab, "Nobody is signed in")
    # The part that came in between has buttons that work.
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    assert_stayed(other)
    assert person.trouble == []


@pytest.mark.usefixtures("htmx")
def test_a_guarded_fragment_leads_to_the_sign_in_and_back_to_the_page(person: Person) -> None:
    page = person.opens("/htmx")
    page.get_by_role("button", name="Latest note").click()
    person.signs_in(page)
    page.wait_for_url("**/htmx")
    header(page, "Signed in as Ada")
    page.get_by_role("button", name="Latest note").click()
    expect(page.locator("#latest")).to_have_text("Buy milk")
    assert person.trouble == []


@pytest.mark.usefixtures("htmx")
def test_a_view_that_changes_the_session_is_seen_in_every_tab(person: Person) -> None:
    person.is_signed_in()
    other, page = person.opens("/htmx"), person.opens("/htmx")
    stay(page, other)
    person.asked.clear()
    page.get_by_label("Nickname").fill("Countess")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    for tab in (page, other):
        header(tab, "Signed in as Countess")
    assert_stayed(page, other)
    # One question, and what follows from it: once in each tab.
    assert sorted(person.asked) == ["GET /account"] * 2 + ["GET /auth/session", "POST /nick"]
    assert person.trouble == []


def test_a_boosted_link_to_a_page_that_the_server_does_not_guard_leads_to_the_sign_in(
    person: Person,
) -> None:
    person.is_signed_in()
    page = person.opens("/htmx")
    stay(page)
    page.get_by_role("link", name="Board").click()
    page.wait_for_url("**/board")
    page.get_by_role("link", name="Start").click()
    page.wait_for_url("**/htmx")
    assert_stayed(page)
    person.is_signed_out()
    page.get_by_role("link", name="Board").click()
    person.signs_in(page)
    page.wait_for_url("**/board")
    header(page, "Signed in as Ada")
    assert person.trouble == []


@pytest.mark.usefixtures("htmx")
def test_a_boosted_link_to_a_guarded_page_leads_there_after_the_sign_in(person: Person) -> None:
    page = person.opens("/htmx")
    page.get_by_role("link", name="Notes").click()
    person.signs_in(page)
    page.wait_for_url("**/notes")
    expect(page.get_by_role("heading")).to_have_text("Your notes")
    assert person.trouble == []


def test_the_back_button_shows_no_page_of_who_has_signed_out(person: Person) -> None:
    person.is_signed_in()
    page = person.opens("/htmx")
    page.get_by_role("link", name="Notes").click()
    expect(page.get_by_role("heading")).to_have_text("Your notes")
    page.get_by_role("link", name="Start").click()
    expect(page.get_by_role("heading")).to_have_text("Open to everybody")
    assert "Your notes" not in page.evaluate("JSON.stringify(sessionStorage)")
    person.is_signed_out()
    page.go_back()
    page.wait_for_url(re.compile(r"/auth/signin\?callbackUrl=%2Fnotes$"))


# Alpine


@pytest.fixture(params=["@alpinejs/csp", "alpinejs"])
def alpine(person: Person, request: pytest.FixtureRequest) -> str:
    """Both builds; for the standard one the policy is eased."""
    if request.param == "alpinejs":
        use_standard_alpine(person)

        def ease_policy(route: Route) -> None:
            answer = route.fetch()
            policy = "default-src 'self'; script-src 'self' 'unsafe-eval'"
            headers = {**answer.headers, "content-security-policy": policy}
            route.fulfill(response=answer, headers=headers)

        person.context.route("**/alpine", ease_policy)
    name: str = request.param
    return name


def use_standard_alpine(person: Person) -> None:
    standard = package("alpinejs") / "dist" / "cdn.min.js"
    person.context.route("**/alpine.min.js", lambda route: route.fulfill(path=standard))


@pytest.mark.usefixtures("alpine")
def test_a_store_of_alpine_follows_the_session_in_two_tabs(person: Person) -> None:
    person.is_signed_in()
    other, page = person.opens("/alpine"), person.opens("/alpine")
    stay(page, other)
    name, others_name = (tab.locator("body > p") for tab in (page, other))
    expect(others_name).to_have_text("Ada")
    page.get_by_label("Nickname").fill("Countess")
    page.get_by_role("button", name="Save").click()
    expect(name).to_have_text("Countess")
    expect(others_name).to_have_text("Countess")
    page.evaluate("import('/auth/client.js').then(({ signOut }) => signOut({ redirect: false }))")
    expect(name).to_have_text("Nobody")
    expect(others_name).to_have_text("Nobody")
    expect(other.get_by_role("button", name="Save")).to_be_hidden()
    assert_stayed(page, other)
    assert person.trouble == []


@pytest.mark.usefixtures("alpine")
def test_an_update_that_is_refused_is_said_in_the_form_of_alpine(person: Person) -> None:
    person.is_signed_in()
    page = person.opens("/alpine")
    page.get_by_label("Nickname").fill("root")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("That name is taken.")
    expect(page.locator("body > p")).to_have_text("Ada")
    page.get_by_label("Nickname").fill("Countess")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("")
    assert person.trouble == []


def test_the_standard_build_of_alpine_takes_an_eased_policy(person: Person) -> None:
    use_standard_alpine(person)
    page = person.opens("/alpine")
    page.wait_for_function("window.Alpine?.store('session')")
    expect(page.locator("body > p")).to_have_text("")
    assert any("unsafe-eval" in text for text in person.trouble)


# React

_HOLD_ANSWERS = """
    const { fetch } = window;
    const released = new Promise((resolve) => { window.release = resolve; });
    window.fetch = (...values) => released.then(() => fetch(...values));
"""


def known(page: Page) -> list[str]:
    """What ``useSession`` has said in this page, one after the other."""
    found: list[str] = page.evaluate("window.known")
    return found


@pytest.fixture(params=["built", "in development"])
def react_origin(
    react: Path, origin: str, request: pytest.FixtureRequest
) -> Iterator[tuple[str, str]]:
    """Origin and path of the React application: as Flask serves it, or as Vite does."""
    if request.param == "built":
        yield origin, "/react"
    else:
        with development_server(react, origin) as vite:
            yield vite, "/"


def test_react_follows_the_session(browser: Browser, react_origin: tuple[str, str]) -> None:
    origin, path = react_origin
    with browser.new_context(base_url=origin) as context:
        person = Person(context, origin)
        other, page = person.opens(path), person.opens(path)
        stay(other)
        page.get_by_role("button", name="Sign in").click()
        person.signs_in(page)
        page.wait_for_url(f"{origin}{path}")
        for tab in (page, other):
            expect(tab.get_by_text("Signed in as Ada")).to_be_visible()
        stay(page)
        page.get_by_label("Nickname").fill("root")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_have_text("That name is taken.")
        page.get_by_label("Nickname").fill("Countess")
        page.get_by_role("button", name="Save").click()
        for tab in (page, other):
            expect(tab.get_by_text("Signed in as Countess")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_text("")
        assert_stayed(page)
        page.get_by_role("button", name="Sign out").click()
        for tab in (page, other):
            expect(tab.get_by_role("button", name="Sign in")).to_be_visible()
        assert_stayed(other)
        assert person.trouble == []


@pytest.mark.usefixtures("react")
@pytest.mark.parametrize("who", ["nobody", "Ada"])
def test_react_waits_for_the_session_that_the_page_does_not_have(person: Person, who: str) -> None:
    if who == "Ada":
        person.is_signed_in()
    page = person.context.new_page()
    page.add_init_script(_HOLD_ANSWERS)
    page.goto("/static/react/index.html")
    expect(page.get_by_text("One moment")).to_be_visible()
    page.evaluate("window.release()")
    page.get_by_role("button").first.wait_for()
    assert known(page) == ["not yet", who]
    assert person.trouble == []


@pytest.mark.usefixtures("react")
@pytest.mark.parametrize("who", ["nobody", "Ada"])
def test_react_knows_the_session_that_the_page_has_from_the_beginning(
    person: Person, who: str
) -> None:
    if who == "Ada":
        person.is_signed_in()
    page = person.opens("/react")
    page.get_by_role("button").first.wait_for()
    assert known(page) == [who]
    assert "GET /auth/session" not in person.asked
    assert person.trouble == []
