"""``client.js`` in a real browser: people who come back to a page, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..client_site import SESSION, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, keeping_pages, somebody

#: Runs before the page: a test says whether it can be seen.
CAN_BE_HIDDEN = """
    window.isHidden = false;
    Object.defineProperty(document, "visibilityState", {
        get: () => window.isHidden ? "hidden" : "visible",
    });
"""
HIDES = """(isHidden) => {
    window.isHidden = isHidden;
    document.dispatchEvent(new Event("visibilitychange"));
}"""
STAYING = "(client) => client.signOut({redirect: false})"


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person.signs_in()


def knows_the_plan(tab: Tab, plan: str) -> None:
    tab.page.wait_for_function("(plan) => window.client.getSnapshot().plan === plan", arg=plan)


@pytest.mark.parametrize(
    "event",
    [
        "window.dispatchEvent(new Event('focus'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
    ],
    ids=["focus", "visible", "shown again"],
)
def test_who_comes_back_sees_what_has_changed(person: Person, site: ClientSite, event: str) -> None:
    tab = person.tab()
    site.shown = {"plan": "team"}
    tab.page.evaluate(f"{event}; undefined")
    knows_the_plan(tab, "team")
    assert site.takes_asked() == [SESSION]


def test_what_a_browser_says_twice_is_one_question(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    tab.page.evaluate(
        """() => {
            document.dispatchEvent(new Event("visibilitychange"));
            window.dispatchEvent(new Event("focus"));
        }"""
    )
    tab.settles()
    assert site.takes_asked() == [SESSION]


def test_a_page_that_is_shown_for_the_first_time_asks_nobody(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    tab.page.evaluate("() => { window.dispatchEvent(new PageTransitionEvent('pageshow')); }")
    tab.settles()
    assert site.takes_asked() == []


def test_who_leaves_asks_nobody(person: Person, site: ClientSite) -> None:
    site.scripts.append(CAN_BE_HIDDEN)
    tab = person.tab()
    tab.page.evaluate(HIDES, True)
    tab.page.evaluate("() => { window.dispatchEvent(new Event('focus')); }")
    tab.settles()
    assert site.takes_asked() == []
    tab.page.evaluate(HIDES, False)
    tab.settles()
    assert site.takes_asked() == [SESSION]


def test_a_hidden_tab_is_told_as_any_other(person: Person, site: ClientSite) -> None:
    site.scripts.append(CAN_BE_HIDDEN)
    tab, other = person.tab(), person.tab()
    other.page.evaluate(HIDES, True)
    tab.calls(STAYING)
    other.sees("nobody", within=1000)


def test_who_was_signed_out_elsewhere_is_told_on_return(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    person.context.clear_cookies()
    tab.page.evaluate("() => { window.dispatchEvent(new Event('focus')); }")
    tab.sees("nobody")
    other.sees("nobody", within=1000)
    assert site.takes_asked() == [SESSION]


# The Back button.


def test_back_to_a_page_from_before_a_sign_out_shows_nobody(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    tab.sees("Ada")
    tab.opens("/notes").calls(STAYING)
    tab.page.go_back()
    tab.sees("nobody")
    tab.page.go_forward()
    tab.sees("nobody")


def test_a_page_that_back_shows_asks_how_old_it_may_be(person: Person, site: ClientSite) -> None:
    tab = person.tab().opens("/notes")
    site.takes_asked()
    tab.page.go_back()
    tab.settles()
    assert site.takes_asked() == [SESSION]
    tab.page.reload()
    tab.settles()
    assert site.takes_asked() == []


def test_a_page_that_the_browser_has_kept_alive_asks_too(
    chromium: Chromium, site: ClientSite
) -> None:
    with keeping_pages(chromium) as keeping, somebody(keeping, site) as person:
        tab = person.signs_in().tab("/plain")
        tab.sees("Ada")
        tab.page.evaluate("window.isMarked = true")
        tab.opens("/bare")
        # Nobody tells it: it would not be kept then.
        person.context.clear_cookies()
        tab.page.go_back(wait_until="commit")
        tab.sees("nobody")
        assert tab.page.evaluate("window.isMarked") is True
