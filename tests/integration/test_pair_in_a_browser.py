"""SEC-215, SEC-216: access and refresh cookies in a real browser, which keeps and drops them by its
own rules.

The site is at ``localhost``. The same server at ``127.0.0.1`` is another site for a browser.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from flask_jwtsession.rotation import GRACE

from ..browsers import running_browser
from ..serving.pair_app import ACCESS, REFRESH, PairSite, serving_pairs
from ..serving.site import wait_until

#: Seconds.
DAY = 86_400.0
#: The lifetime of an access cookie that a test waits for; long enough to sign in before it is over.
SHORT = 4.0
#: What a page of the site does to read many times at once, and what came of it. Without "no-store"
#: Chromium would ask one after the other: the first answer might do for all.
READ = """
    (count) => {
        const read = async () => {
            const answer = await fetch("/read", {cache: "no-store"});
            return [answer.status, await answer.json()];
        };
        window.answers = Promise.all(Array.from({length: count}, read));
    }
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """All of it: what becomes of the cookies is the browser's affair."""
    with running_browser(with_windows=True) as running:
        yield running


class Visit:
    """A person at the site, with a browser of their own."""

    def __init__(self, site: PairSite, page: Page) -> None:
        self.site = site
        self.page = page
        page.set_default_timeout(15_000)
        port = site.servers[0].port
        self.origin = f"http://localhost:{port}"
        self.other_site = f"http://127.0.0.1:{port}"

    def go(self, path: str) -> None:
        """Open a page, as with its address typed in."""
        self.page.goto(f"{self.origin}{path}")

    def sign_in(self) -> None:
        self.go("/notes")
        self.page.get_by_label("User name").fill("ada")
        self.page.get_by_label("Password").fill("any")
        self.page.get_by_role("button", name="Sign in").click()
        self.sees_notes(turn=0)

    def sees_notes(self, *, turn: int) -> None:
        """It is the person's own page, after so many re-authentications."""
        self.heading("Ada's notes")
        expect(self.page.get_by_role("paragraph")).to_have_text(str(turn))

    def heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def cookies(self) -> dict[str, Any]:
        """The cookies of the session that the browser would still send."""
        found = {str(cookie.get("name")): cookie for cookie in self.page.context.cookies()}
        return {name: found[name] for name in (ACCESS, REFRESH) if name in found}

    def lose_access_cookie(self) -> None:
        self.page.context.clear_cookies(name=ACCESS)
        assert self.cookies().keys() == {REFRESH}

    def follow_link_from_other_site(self, path: str) -> None:
        self.page.goto(f"{self.other_site}/elsewhere")
        self.page.set_content(f'<a href="{self.origin}{path}">A present for you</a>')
        self.page.get_by_role("link").click()
        self.page.wait_for_url(f"{self.origin}/**")

    def was_never_signed_out(self) -> bool:
        return self.site.signed_out() == [] and self.site.reuses() == []


@contextmanager
def visiting(browser: Browser, folder: Path, **served: Any) -> Iterator[Visit]:
    """Somebody who is signed in at a site; the keys as `serving_pairs` takes them."""
    with serving_pairs(folder, **served) as site, browser.new_context() as context:
        visit = Visit(site, context.new_page())
        visit.sign_in()
        yield visit


# The cookies.


@pytest.mark.parametrize(
    ("config", "samesite", "path"),
    [
        ({}, "Lax", "/"),
        ({"REFRESH_SAMESITE": "Strict", "REFRESH_PATH": "/auth"}, "Strict", "/auth"),
    ],
    ids=["default", "strict and with a path"],
)
def test_sec_215_the_browser_keeps_each_cookie_as_it_is_meant(
    browser: Browser, tmp_path: Path, config: dict[str, str], samesite: str, path: str
) -> None:
    with visiting(browser, tmp_path, MAX_AGE=600, REFRESH_MAX_AGE=7 * DAY, **config) as visit:
        for _ in range(2):
            access, refresh = (visit.cookies()[name] for name in (ACCESS, REFRESH))
            assert (access["httpOnly"], refresh["httpOnly"]) == (True, True)
            assert (access["sameSite"], refresh["sameSite"]) == ("Lax", samesite)
            assert (access["path"], refresh["path"]) == ("/", path)
            # No Domain: not for any other host.
            assert (access["domain"], refresh["domain"]) == ("localhost", "localhost")
            assert 590 < access["expires"] - time.time() <= 601
            assert 7 * DAY - 10 < refresh["expires"] - time.time() <= 7 * DAY + 1
            assert visit.page.evaluate("document.cookie") == ""
            # And again, as they are after a re-authentication.
            visit.lose_access_cookie()
            visit.go("/auth/session")
            assert visit.cookies().keys() == {ACCESS, REFRESH}
            assert visit.cookies()[REFRESH]["value"] != refresh["value"]
        assert visit.site.asked() == 2


def test_a_refresh_cookie_with_a_path_is_for_the_endpoints_alone(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, REFRESH_PATH="/auth") as visit:
        visit.lose_access_cookie()
        visit.go("/")
        visit.heading("Nobody")
        visit.page.evaluate("fetch('/auth/session').then((answer) => answer.json())")
        visit.go("/notes")
        visit.sees_notes(turn=1)
        assert visit.site.asked() == 1
        assert visit.was_never_signed_out()


# The access cookie is over.


def test_the_browser_drops_the_access_cookie_and_the_person_notices_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, MAX_AGE=SHORT) as visit:
        wait_until(lambda: ACCESS not in visit.cookies(), "it drops the access cookie")
        visit.go("/notes")
        visit.sees_notes(turn=1)
        assert visit.site.asked() == 1
        assert visit.was_never_signed_out()


def test_three_tabs_with_twenty_fetches_each_ask_the_callback_once(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, workers=4, reauth="slow 1") as visit:
        tabs = [visit.page, *(visit.page.context.new_page() for _ in range(2))]
        for tab in tabs:
            tab.goto(f"{visit.origin}/notes")
        for turn in (1, 2):
            visit.lose_access_cookie()
            for tab in tabs:
                tab.evaluate(READ, 20)
            answers = [answer for tab in tabs for answer in tab.evaluate("window.answers")]
            assert [status for status, _ in answers] == [200] * 60
            assert {seen["turn"] for _, seen in answers} == {turn}
            assert len({seen["call"] for _, seen in answers}) == 1
            assert visit.site.asked() == turn
        for tab in tabs:
            tab.goto(f"{visit.origin}/notes")
            expect(tab.get_by_role("paragraph")).to_have_text("2")
        assert visit.was_never_signed_out()


def test_a_form_that_is_sent_after_the_access_cookie_is_over_is_not_lost(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, MAX_AGE=SHORT) as visit:
        visit.page.get_by_label("Note").fill("an hour's work")
        wait_until(lambda: ACCESS not in visit.cookies(), "it drops the access cookie")
        visit.page.get_by_role("button", name="Keep").click()
        visit.sees_notes(turn=1)
        [note] = visit.site.journal.entries("note")
        assert (note["sub"], note["text"]) == ("ada", "an hour's work")
        assert visit.was_never_signed_out()


def test_a_person_who_does_not_wait_for_a_page_stays_signed_in(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, reauth="slow 0.7") as visit:
        for turn in (1, 2):
            visit.lose_access_cookie()
            visit.page.evaluate(READ, 5)
            wait_until(lambda: visit.site.asked() == turn, "the callback is called")  # noqa: B023
            # What was under way is aborted; its cookies come, or they do not.
            visit.go("/elsewhere")
            visit.go("/notes")
            visit.sees_notes(turn=turn)
        assert visit.site.asked() == 2
        visit.site.clock.advance(GRACE + 1)
        visit.lose_access_cookie()
        visit.go("/notes")
        visit.sees_notes(turn=3)
        assert visit.was_never_signed_out()


# Signing out.


@pytest.mark.parametrize("access", ["good", "over"])
def test_a_sign_out_leaves_neither_of_the_cookies(
    browser: Browser, tmp_path: Path, access: str
) -> None:
    with visiting(browser, tmp_path) as visit:
        copies = list(visit.cookies().values())
        if access == "over":
            visit.lose_access_cookie()
        visit.go("/auth/signout?callbackUrl=/")
        visit.page.get_by_role("button", name="Sign out").click()
        visit.heading("Nobody")
        assert visit.cookies() == {}
        assert visit.site.signed_out() == ["user"]
        # Nor are copies of them good for anything.
        visit.page.context.add_cookies(copies)
        visit.go("/notes")
        visit.heading("Sign in")
        assert visit.site.asked() == 0
        assert visit.site.signed_out() == ["user"]


def test_when_the_application_ends_the_session_the_browser_has_no_cookies(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, reauth="end") as visit:
        visit.lose_access_cookie()
        visit.page.evaluate(READ, 20)
        answers = visit.page.evaluate("window.answers")
        assert {status for status, _ in answers} == {401}
        assert visit.cookies() == {}
        assert visit.site.asked() == 1
        assert visit.site.signed_out() == ["callback"]
        visit.go("/notes")
        visit.heading("Sign in")


# Links from other sites.


@pytest.mark.parametrize("samesite", ["Lax", "Strict"])
def test_sec_215_who_follows_a_link_from_another_site_is_let_in_as_the_cookies_say(
    browser: Browser, tmp_path: Path, samesite: str
) -> None:
    with visiting(browser, tmp_path, REFRESH_SAMESITE=samesite) as visit:
        # The access cookie comes along.
        visit.follow_link_from_other_site("/notes")
        visit.sees_notes(turn=0)
        visit.lose_access_cookie()
        visit.follow_link_from_other_site("/notes")
        if samesite == "Strict":
            visit.heading("Sign in")
            assert visit.site.asked() == 0
            assert visit.cookies().keys() == {REFRESH}
            # From here on it is no longer the other site that asks.
            visit.page.evaluate("window.location.href = '/notes'")
            visit.page.wait_for_url(re.compile(f"^{visit.origin}/notes$"))
        visit.sees_notes(turn=1)
        assert visit.cookies().keys() == {ACCESS, REFRESH}
        assert visit.site.asked() == 1
        assert visit.was_never_signed_out()


def test_who_signs_in_again_where_a_strict_cookie_did_not_come_along_has_one_session(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path, REFRESH_SAMESITE="Strict") as visit:
        before = visit.cookies()[REFRESH]
        visit.lose_access_cookie()
        visit.follow_link_from_other_site("/notes")
        visit.page.get_by_label("User name").fill("ada")
        visit.page.get_by_label("Password").fill("any")
        visit.page.get_by_role("button", name="Sign in").click()
        visit.sees_notes(turn=0)
        # The one before is over, as with any sign-in over a session.
        assert visit.site.signed_out() == ["replaced"]
        visit.page.context.clear_cookies()
        visit.page.context.add_cookies([before])
        visit.go("/notes")
        visit.heading("Sign in")
        assert visit.site.asked() == 0


def test_a_form_of_another_site_is_refused_and_asks_nobody(
    browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, tmp_path) as visit:
        visit.lose_access_cookie()
        visit.page.goto(f"{visit.other_site}/elsewhere")
        visit.page.set_content(
            f'<form method="post" action="{visit.origin}/notes">'
            '<input name="text" value="not hers"><button>A present for you</button></form>'
        )
        visit.page.get_by_role("button").click()
        visit.page.wait_for_url(f"{visit.origin}/**")
        assert visit.site.journal.entries("note") == []
        assert visit.site.asked() == 0
        visit.go("/notes")
        visit.sees_notes(turn=1)
        assert visit.was_never_signed_out()
