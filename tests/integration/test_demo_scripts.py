"""The demo's scripts in a real browser: pages that follow the session, in one tab and in several.

Time is the test's: ``pass_time`` moves the server's clock and that of all pages.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest
from flask import Flask, Response
from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Route,
    expect,
)

from examples.demo import create_app, database

from ..serving.thread import served
from ..support import binding_of

_PASSWORDS = {username: password for username, password, _ in database.ACCOUNTS}
_FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
_MINUTE = 60


@dataclass
class Site:
    """The demo as ``make demo`` has it."""

    app: Flask
    origin: str = ""
    #: Seconds by which the server's clock is ahead.
    ahead: float = 0.0

    def clock(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance folder after the first start: hashing the first passwords takes its time."""
    return Path(create_app(tmp_path_factory.mktemp("demo") / "instance").instance_path)


@contextmanager
def serving(instance: Path, *, idle_seconds: int = 5 * _MINUTE) -> Iterator[Site]:
    site = Site(create_app(instance, idle_seconds=idle_seconds))
    site.app.debug = True
    binding_of(site.app).clock = site.clock

    @site.app.after_request
    def add_date(response: Response) -> Response:
        response.headers["Date"] = formatdate(site.clock(), usegmt=True)
        return response

    with served(site.app) as site.origin:
        yield site


@pytest.fixture
def site(first_start: Path, tmp_path: Path) -> Iterator[Site]:
    with serving(shutil.copytree(first_start, tmp_path / "instance")) as site:
        yield site


class Visit:
    """A browser of one person, with as many tabs as they like."""

    def __init__(self, site: Site, context: BrowserContext) -> None:
        self.site = site
        self.context = context
        self.complaints: list[str] = []
        context.set_default_timeout(40_000)
        context.on("console", self._note)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _note(self, message: ConsoleMessage) -> None:
        # The browser says so itself of a refused update, and of a session that is over.
        if not re.search(r"status of 40[01] ", message.text):
            self.complaints.append(message.text)

    def sign_in(self, username: str, company_id: int = 3) -> None:
        """Without a page: no tab hears of it."""
        self._post(
            "/auth/callback/credentials",
            {"username": username, "password": _PASSWORDS[username]},
        )
        self._post("/company", {"company_id": company_id})

    def _post(self, path: str, form: dict[str, str | float | bool]) -> None:
        answer = self.context.request.post(
            self.site.origin + path, form=form, headers=_FROM_OUR_PAGE, max_redirects=0
        )
        assert answer.status in (200, 303)

    def open(self, path: str) -> Page:
        """A new tab. It is marked, so that a test can see that it was not loaded again."""
        page = self.context.new_page()
        page.goto(self.site.origin + path)
        page.evaluate("window.isTheSame = true")
        return page

    def sign_in_on(self, page: Page, username: str) -> None:
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(_PASSWORDS[username])
        page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(lambda url: "/sign-in" not in url)

    def pass_time(self, seconds: float) -> None:
        self.site.ahead += seconds
        self.context.clock.fast_forward(int(seconds * 1000))


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    with visiting(browser, site) as visit:
        yield visit


@contextmanager
def visiting(browser: Browser, site: Site) -> Iterator[Visit]:
    with browser.new_context() as context:
        visit = Visit(site, context)
        yield visit
        assert visit.complaints == []


def name_at_top(page: Page) -> Locator:
    return page.get_by_role("banner").locator(".name")


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def banner(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Your session")


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.isTheSame === true"))


def save_profile(page: Page, name: str, email: str = "ada@example.com") -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Save").click()


# The profile.


def test_a_new_name_is_in_all_tabs_at_once(visit: Visit) -> None:
    visit.sign_in("ada")
    dashboard, profile, form = (visit.open(path) for path in ("/dashboard", "/profile", "/profile"))
    save_profile(form, " Ada   King ", "king@example.com")
    expect(form.get_by_role("status")).to_contain_text("Your profile is saved")
    for page in (form, profile, dashboard):
        expect(name_at_top(page)).to_have_text("Ada King")
        assert is_the_same(page)
    expect(title(dashboard)).to_have_text("Hello, Ada King")
    for page in (form, profile):
        expect(page.get_by_label("Name", exact=True)).to_have_value("Ada King")
    with visit.site.app.app_context():
        user = database.user_by_id("1")
    assert (user["name"], user["email"]) == ("Ada King", "king@example.com")


def test_what_somebody_typed_in_another_tab_stays(visit: Visit) -> None:
    visit.sign_in("ada")
    typing, form = visit.open("/profile"), visit.open("/profile")
    typing.get_by_label("Name", exact=True).fill("Countess")
    save_profile(form, "Ada King", "king@example.com")
    expect(typing.get_by_label("E-mail address")).to_have_value("king@example.com")
    expect(typing.get_by_label("Name", exact=True)).to_have_value("Countess")


def test_a_refused_profile_is_explained_beside_its_fields(visit: Visit) -> None:
    visit.sign_in("ada")
    form, other = visit.open("/profile"), visit.open("/dashboard")
    name, email = form.get_by_label("Name", exact=True), form.get_by_label("E-mail address")
    save_profile(form, " ", "nowhere")
    expect(name).to_have_accessible_description("A name has 1 to 80 characters.")
    expect(email).to_have_accessible_description("This is not an e-mail address.")
    expect(name).to_be_focused()
    for field in (name, email):
        expect(field).to_have_attribute("aria-invalid", "true")
    expect(email).to_have_value("nowhere")
    expect(name_at_top(form)).to_have_text("Ada Lovelace")

    # Now the other field alone.
    save_profile(form, "Ada King", "nowhere")
    expect(name).not_to_have_attribute("aria-invalid", "true")
    expect(email).to_be_focused()
    expect(name_at_top(other)).to_have_text("Ada Lovelace")
    save_profile(form, "Ada King", "king@example.com")
    expect(name_at_top(other)).to_have_text("Ada King")
    expect(email).to_have_accessible_description("")
    assert is_the_same(form)


@pytest.mark.parametrize(
    ("is_answered", "text"),
    [(False, "There was no answer, and it may not be saved."), (True, "http_502")],
)
def test_a_profile_that_could_not_be_saved_is_said(
    visit: Visit, is_answered: bool, text: str
) -> None:
    def fail(route: Route, request: Request) -> None:
        if request.method != "POST":
            route.continue_()
        elif is_answered:
            route.fulfill(status=502, body="<h1>Bad Gateway</h1>")
        else:
            route.abort()

    visit.sign_in("ada")
    form = visit.open("/profile")
    form.route("**/auth/session", fail)
    save_profile(form, "Ada King")
    expect(form.get_by_role("alert")).to_contain_text(text)
    expect(form.get_by_label("Name", exact=True)).to_have_value("Ada King")
    expect(name_at_top(form)).to_have_text("Ada Lovelace")
    form.unroute_all()
    save_profile(form, "Ada King")
    expect(name_at_top(form)).to_have_text("Ada King")
    expect(form.get_by_role("alert")).to_be_hidden()
    visit.complaints = [one for one in visit.complaints if "Failed to load" not in one]


# All tabs in step.


def test_who_signs_in_in_one_tab_is_signed_in_in_the_others(visit: Visit) -> None:
    home, form = visit.open("/"), visit.open("/sign-in")
    visit.sign_in_on(form, "ada")
    expect(name_at_top(home)).to_have_text("Ada Lovelace")
    expect(home.get_by_role("link", name="Sign in")).to_have_count(0)
    assert is_the_same(home)
    home.get_by_role("link", name="To the dashboard").click()
    expect(title(home)).to_have_text("Which company do you work for?")


def test_after_a_sign_out_in_another_tab_a_page_shows_nothing_of_it(visit: Visit) -> None:
    visit.sign_in("ada")
    profile, other = visit.open("/profile?from=here"), visit.open("/dashboard")
    profile.get_by_label("Name", exact=True).fill("Countess")
    other.get_by_role("button", name="Sign out").click()
    expect(title(profile)).to_have_text("You are signed out")
    expect(profile.get_by_role("main")).to_contain_text("It was in another tab")
    expect(profile.get_by_label("Name", exact=True)).to_be_hidden()
    expect(profile.get_by_role("button", name="Sign out")).to_be_hidden()
    # Whoever was in the field is led to what is there instead.
    expect(profile.locator("#gone")).to_be_focused()
    assert is_the_same(profile)

    profile.get_by_role("link", name="Sign in again").click()
    visit.sign_in_on(profile, "ada")
    assert profile.url == f"{visit.site.origin}/profile?from=here"
    expect(title(profile)).to_have_text("Your profile")


def test_what_was_typed_is_there_again_when_the_same_person_is(visit: Visit) -> None:
    visit.sign_in("ada")
    profile, other = visit.open("/profile"), visit.open("/dashboard")
    profile.get_by_label("Name", exact=True).fill("Countess")
    other.get_by_role("button", name="Sign out").click()
    expect(title(profile)).to_have_text("You are signed out")
    other.wait_for_url(f"{visit.site.origin}/")
    other.get_by_role("banner").get_by_role("link", name="Sign in").click()
    visit.sign_in_on(other, "ada")
    expect(title(profile)).to_have_text("Your profile")
    expect(profile.get_by_label("Name", exact=True)).to_have_value("Countess")
    assert is_the_same(profile)


def test_nobody_sees_the_page_that_was_for_somebody_else(visit: Visit) -> None:
    visit.sign_in("ada")
    profile, other = visit.open("/profile"), visit.open("/sign-in")
    visit.sign_in_on(other, "bob")
    expect(title(profile)).to_have_text("You are Bob Bayley now")
    expect(profile.get_by_label("Name", exact=True)).to_be_hidden()
    expect(name_at_top(profile)).to_have_text("Bob Bayley")
    profile.get_by_role("link", name="Load the page again").click()
    expect(profile.get_by_label("Name", exact=True)).to_have_value("Bob Bayley")


def test_a_sign_in_page_stays_one_after_a_sign_out(visit: Visit) -> None:
    visit.sign_in("ada")
    again, other = visit.open("/sign-in"), visit.open("/dashboard")
    other.get_by_role("button", name="Sign out").click()
    expect(again.get_by_role("navigation", name="Pages")).to_be_hidden()
    visit.sign_in_on(again, "bob")
    expect(name_at_top(again)).to_have_text("Bob Bayley")


# Before the end, and at it.


def test_who_is_away_is_asked_in_the_last_minute_and_may_stay(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    pages = [visit.open("/dashboard"), visit.open("/profile")]
    visit.pass_time(3.9 * _MINUTE)
    for page in pages:
        expect(banner(page)).to_be_hidden()
    visit.pass_time(0.5 * _MINUTE)
    said = []
    for page in pages:
        expect(banner(page).get_by_role("timer")).to_have_text(re.compile(r"^0:3[0-9]$"))
        expect(page.locator("[aria-live=polite]")).to_contain_text("You will be signed out")
        page.evaluate(
            """() => {
                window.said = 0;
                const region = document.querySelector("[aria-live=polite]");
                const options = {childList: true, characterData: true, subtree: true};
                new MutationObserver(() => window.said++).observe(region, options);
            }"""
        )
    visit.pass_time(10)
    for page in pages:
        expect(banner(page).get_by_role("timer")).to_have_text(re.compile(r"^0:2[0-9]$"))
        said.append(page.evaluate("window.said"))
    assert said == [0, 0]  # nothing is read out with every second

    # By the keyboard: moving the mouse would do it too.
    banner(pages[0]).get_by_role("button", name="Stay signed in").press("Enter")
    for page in pages:
        expect(banner(page)).to_be_hidden()
        assert is_the_same(page)
    visit.pass_time(3 * _MINUTE)
    expect(banner(pages[0])).to_be_hidden()
    expect(title(pages[0])).to_have_text("Hello, Ada Lovelace")


def test_who_is_here_is_not_asked(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    page = visit.open("/dashboard")
    note_banner(page)
    before = page.evaluate("import('/auth/client.js').then((client) => client.timeLeft())")
    page.mouse.move(200, 200)
    visit.pass_time(4 * _MINUTE)
    page.wait_for_function(
        "(before) => import('/auth/client.js').then((client) => client.timeLeft() > before - 5000)",
        arg=before,
    )
    assert page.evaluate("window.shown") == 0


def note_banner(page: Page) -> None:
    """Have ``window.shown`` say how often the banner came or went."""
    page.evaluate(
        """() => {
            window.shown = 0;
            const banner = document.querySelector("#ending");
            new MutationObserver(() => window.shown++).observe(banner, {attributes: true});
        }"""
    )


def test_who_is_here_is_not_asked_in_a_short_session_either(
    browser: Browser, first_start: Path, tmp_path: Path
) -> None:
    instance = Path(shutil.copytree(first_start, tmp_path / "instance"))
    with serving(instance, idle_seconds=70) as site, visiting(browser, site) as visit:
        visit.context.clock.install()
        visit.sign_in("ada")
        page = visit.open("/dashboard")
        note_banner(page)
        for step in range(20):
            page.mouse.move(200, 200 + step)
            visit.pass_time(5)
            page.wait_for_function(
                "import('/auth/client.js').then((client) => client.timeLeft() > 23_400)"
            )
        assert page.evaluate("window.shown") == 0

        # Nobody moves any more. Who moved just now is spared the banner once.
        for _ in range(25):
            visit.pass_time(5)
            page.wait_for_function(
                """import('/auth/client.js').then((client) =>
                    client.timeLeft() > 23_400 || !document.querySelector('#ending').hidden)"""
            )
            if banner(page).is_visible():
                break
        banner(page).get_by_role("button", name="Stay signed in").press("Enter")
        expect(banner(page)).to_be_hidden()
        assert is_the_same(page)


def test_the_server_is_asked_each_few_seconds_for_who_is_here(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    page = visit.open("/dashboard")
    known = page.request.get(f"{visit.site.origin}/auth/session").json()
    asked: list[Request] = []

    def answer_as_before(route: Route, request: Request) -> None:
        asked.append(request)
        route.fulfill(json=known)

    visit.pass_time(4 * _MINUTE)
    page.route("**/auth/session", answer_as_before)
    for step in range(20):
        page.mouse.move(200, 200 + step)
        visit.pass_time(1)
    expect(banner(page)).to_be_visible()
    assert 3 <= len(asked) <= 5


def test_an_end_that_could_not_be_put_off_yet_may_be_later(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    page = visit.open("/dashboard")
    visit.pass_time(4.5 * _MINUTE)
    expect(page.locator("[aria-live=polite]")).to_contain_text("signed out soon")
    page.route("**/auth/session", lambda route: route.abort())
    stay = banner(page).get_by_role("button", name="Stay signed in")
    stay.press("Enter")
    expect(banner(page)).to_contain_text("It is not longer yet.")
    expect(page.locator("[aria-live=polite]")).to_contain_text("It is not longer yet.")
    expect(banner(page).get_by_role("link", name="Sign in again")).to_be_hidden()
    expect(stay).to_be_focused()
    page.unroute_all()
    stay.press("Enter")
    expect(banner(page)).to_be_hidden()
    visit.complaints = [one for one in visit.complaints if "Failed to load" not in one]


def test_who_stayed_away_is_told_that_it_is_over(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    page = visit.open("/members")
    visit.pass_time(4.5 * _MINUTE)
    expect(banner(page)).to_be_visible()
    visit.pass_time(0.5 * _MINUTE)
    # The server takes a session for a few seconds after its end.
    visit.pass_time(10)
    visit.pass_time(10)
    visit.pass_time(10)
    expect(title(page)).to_have_text("You are signed out")
    expect(page.get_by_role("main")).to_contain_text("Your session is over.")
    expect(page.get_by_role("table")).to_be_hidden()
    expect(banner(page)).to_be_hidden()
    assert is_the_same(page)


def test_an_end_that_comes_in_any_case_is_said(
    browser: Browser, first_start: Path, tmp_path: Path
) -> None:
    instance = Path(shutil.copytree(first_start, tmp_path / "instance"))
    # As long as a session may be at all.
    with serving(instance, idle_seconds=60 * _MINUTE) as site, visiting(browser, site) as visit:
        visit.context.clock.install()
        visit.sign_in("ada")
        page = visit.open("/profile")
        visit.pass_time(59.5 * _MINUTE)
        expect(banner(page)).to_contain_text("It cannot be made longer.")
        expect(page.locator("[aria-live=polite]")).to_contain_text("Sign in again")
        expect(banner(page).get_by_role("button", name="Stay signed in")).to_be_hidden()
        banner(page).get_by_role("link", name="Sign in again").press("Enter")
        expect(title(page)).to_have_text("Is it still you?")


def test_whoever_does_not_like_motion_gets_none(browser: Browser, site: Site) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        visit = Visit(site, context)
        context.clock.install()
        visit.sign_in("ada")
        page = visit.open("/dashboard")
        visit.pass_time(4.5 * _MINUTE)
        expect(banner(page)).to_be_visible()
        assert page.evaluate("document.getAnimations().length") == 0


# The session inspector.


def test_the_inspector_follows_the_session(visit: Visit) -> None:
    visit.sign_in("ada")
    inspector, form = visit.open("/session"), visit.open("/profile")
    public, claims = inspector.locator("#public"), inspector.locator("#claims")
    expect(public).to_contain_text('"name": "Ada Lovelace"')
    expect(inspector.get_by_role("definition").first).to_have_text("nothing")  # of the cookies
    save_profile(form, "Ada King")
    expect(public).to_contain_text('"name": "Ada King"')
    expect(claims).to_contain_text("Ada King")  # from the server
    expect(inspector.locator("#signals")).to_contain_text("changed: name, email")
    assert is_the_same(inspector)


def test_an_older_answer_to_the_inspector_does_not_count(visit: Visit) -> None:
    visit.sign_in("ada")
    inspector, form = visit.open("/session"), visit.open("/profile")
    claims = inspector.locator("#claims")
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    inspector.route(f"{visit.site.origin}/session", hold_the_first)
    with inspector.expect_request(f"{visit.site.origin}/session"):
        save_profile(form, "Ada Byron")
    expect(inspector.locator("#public")).to_contain_text("Ada Byron")
    save_profile(form, "Ada King")
    expect(claims).to_contain_text("Ada King")
    route, response = held[0]
    assert "Ada Byron" in response.text()
    with inspector.expect_event("requestfinished"):
        route.fulfill(response=response)
    # By the time a later request has its answer, that one has been read.
    inspector.evaluate("fetch('/static/icon.svg').then((response) => response.text())")
    expect(claims).to_contain_text("Ada King")


def test_the_inspector_without_an_answer_stays_as_it_is(visit: Visit) -> None:
    visit.sign_in("ada")
    inspector, form = visit.open("/session"), visit.open("/profile")
    claims = inspector.locator("#claims")
    inspector.route(f"{visit.site.origin}/session", lambda route: route.abort())
    with inspector.expect_event("requestfailed"):
        save_profile(form, "Ada Byron")
    expect(inspector.locator("#public")).to_contain_text("Ada Byron")
    inspector.unroute_all()
    expect(claims).to_contain_text("Ada Lovelace")
    save_profile(form, "Ada King")
    expect(claims).to_contain_text("Ada King")
    visit.complaints = [one for one in visit.complaints if "Failed to load" not in one]


def test_the_inspector_leaves_the_focus_where_it_is(visit: Visit) -> None:
    visit.sign_in("ada")
    inspector, form = visit.open("/session"), visit.open("/profile")
    button = inspector.get_by_role("button", name="Put 2,000 characters in")
    button.focus()
    save_profile(form, "Ada King")
    expect(inspector.locator("#claims")).to_contain_text("Ada King")
    expect(button).to_be_focused()


def test_the_inspector_counts(visit: Visit) -> None:
    visit.context.clock.install()
    visit.sign_in("ada")
    inspector = visit.open("/session")
    moments = inspector.locator(".countdown")
    meter = inspector.get_by_role("meter", name="Time left")
    left = meter.evaluate("(meter) => meter.value")
    assert 290 < left <= 300
    visit.pass_time(2 * _MINUTE)
    patterns = [r"^2:0\d ago$", r"^2:0\d ago$", r"^1:[34]\d ago$", r"^in 2:5\d$", r"^in 57:5\d$"]
    expect(moments).to_have_text([re.compile(pattern) for pattern in patterns])
    assert left - 130 < meter.evaluate("(meter) => meter.value") < left - 110


def test_a_session_is_made_large_enough_for_two_cookies(visit: Visit) -> None:
    visit.sign_in("ada")
    page = visit.open("/session")
    cookie = page.locator("#cookie")
    for text in ("One, as this request", "One, as this request", "It is in 2 of them"):
        expect(cookie).to_contain_text(text)
        page.get_by_role("button", name="Put 2,000 characters in").click()
        page.wait_for_load_state()
    expect(page.get_by_role("status")).to_contain_text("The session is as it was")
    page.get_by_role("button", name="Take them out").click()
    expect(cookie).to_contain_text("One, as this request")
    expect(page.get_by_role("button", name="Take them out")).to_have_count(0)


# Without JavaScript.


def test_every_page_works_without_scripts(browser: Browser, site: Site) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        visit = Visit(site, context)
        page = visit.context.new_page()
        page.goto(f"{site.origin}/session")
        visit.sign_in_on(page, "bob")
        expect(title(page)).to_have_text("Your session")
        expect(page.locator("#public")).to_contain_text('"name": "Bob Bayley"')
        page.get_by_role("button", name="Put 2,000 characters in").click()
        expect(page.locator("#claims")).to_contain_text("2,000 characters")

        page.goto(f"{site.origin}/company")
        page.get_by_label("Copper & Sons").check()
        page.get_by_role("button", name="Continue").click()
        expect(title(page)).to_have_text("Hello, Bob Bayley")

        page.goto(f"{site.origin}/profile")
        save_profile(page, "Robert", "nowhere")
        email = page.get_by_label("E-mail address")
        expect(email).to_have_accessible_description("This is not an e-mail address.")
        expect(email).to_have_value("nowhere")
        save_profile(page, "Robert", "robert@example.com")
        expect(page.get_by_role("status")).to_contain_text("Your profile is saved")
        expect(name_at_top(page)).to_have_text("Robert")
        expect(banner(page)).to_be_hidden()

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
        expect(name_at_top(page)).to_be_hidden()
        assert visit.complaints == []
