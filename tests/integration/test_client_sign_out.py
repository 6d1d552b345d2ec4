"""``client.js`` in a real browser: signing out, in all tabs, whatever is under way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from ..client_site import (
    FAILURES,
    REFRESH,
    SESSION,
    SIGN_IN,
    SIGN_OUT,
    STATUS,
    UPDATE,
    Answer,
    ClientSite,
    serving_client_site,
)
from ..client_visits import Chromium, Person, Tab, somebody
from ..support import SAME_ORIGIN

STAYING = "(client) => client.signOut({redirect: false})"
ASKING = "(client) => client.getSession()"


@pytest.fixture
def site() -> Iterator[ClientSite]:
    # With each answer comes a cookie.
    with serving_client_site(UPDATE_AGE=0) as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person.signs_in()


def is_over(*tabs: Tab) -> None:
    """Nobody is signed in: as far as each tab knows now, and when it asks."""
    for tab in tabs:
        assert tab.calls("(client) => client.getSnapshot() === null") is True
    for tab in tabs:
        assert tab.calls(ASKING) is None


# It works.


def test_without_a_redirect_the_page_stays(person: Person, site: ClientSite) -> None:
    tab = person.tab("/notes")
    tab.page.evaluate("window.isMarked = true")
    assert tab.calls(STAYING) == {"url": f"{site.origin}/notes"}
    assert tab.page.evaluate("window.isMarked") is True
    assert person.cookie() is None
    is_over(tab)


def test_with_a_redirect_it_goes_where_it_is_told(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    tab.is_led_away_by("(client) => client.signOut({callbackUrl: '/bye'})")
    expect(tab.page).to_have_url(f"{site.origin}/bye")
    tab.sees("nobody")


@pytest.mark.parametrize("path", ["/notes?page=2", "/notes#end"])
def test_by_default_it_comes_back_to_the_page_itself(
    person: Person, site: ClientSite, path: str
) -> None:
    tab = person.tab(path)
    tab.page.evaluate("window.isMarked = true")
    tab.is_led_away_by("(client) => client.signOut()")
    tab.page.wait_for_function("!window.isMarked")
    expect(tab.page).to_have_url(f"{site.origin}{path}")
    tab.sees("nobody")


def test_an_evil_target_is_the_start_page(person: Person, site: ClientSite) -> None:
    tab = person.tab("/notes")
    evil = "(client) => client.signOut({callbackUrl: '//evil.example/x', redirect: false})"
    assert tab.calls(evil) == {"url": site.origin}


def test_the_other_tabs_know_within_a_second_and_ask_nobody(
    person: Person, site: ClientSite
) -> None:
    tab, *others = (person.tab() for _ in range(4))
    others[-1].sees("Ada")
    tab.calls(STAYING)
    for other in others:
        other.sees("nobody", within=1000)
    assert site.takes_asked() == [SIGN_OUT]
    is_over(*others)
    assert site.takes_asked() == [SESSION] * len(others)


def test_the_other_tabs_know_also_if_the_page_goes_on(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    other.sees("Ada")
    tab.is_led_away_by("(client) => client.signOut({callbackUrl: '/bare'})")
    other.sees("nobody", within=1000)


def test_nobody_can_sign_out_too(person: Person) -> None:
    tab = person.tab()
    person.context.clear_cookies()
    tab.calls(STAYING)
    is_over(tab)


# Something is under way.


def test_what_is_asked_meanwhile_is_answered_with_nobody(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SESSION, is_answered=True) as hold:
        tab.begins(ASKING)
        hold.wait_until_arrived()
        tab.calls(STAYING)
        assert tab.ends() == {"value": None}
        other.sees("nobody", within=1000)
    # It brings a cookie of the session, late.
    is_over(tab, other)
    for path in ("/", "/plain"):
        person.tab(path).sees("nobody")


def test_twenty_callers_who_wait_are_all_told_of_nobody(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    with site.holding(SESSION) as hold:
        tab.begins("(client) => Promise.all(Array.from({length: 20}, client.getSession))")
        hold.wait_until_arrived()
        tab.calls(STAYING)
        assert tab.ends() == {"value": [None] * 20}


def test_another_tab_drops_what_it_has_asked(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SESSION, is_answered=True) as hold:
        other.begins(ASKING)
        hold.wait_until_arrived()
        # The sign-out does not wait for it.
        tab.calls(STAYING)
        other.sees("nobody", within=1000)
        assert other.ends() == {"value": None}
    is_over(other, tab)


@pytest.mark.parametrize("whose", ["own", "other"])
@pytest.mark.parametrize(
    ("request_name", "call"), [(UPDATE, "update({nick: 'al'})"), (REFRESH, "refresh()")]
)
def test_a_change_that_is_under_way_is_given_up(
    person: Person, site: ClientSite, whose: str, request_name: str, call: str
) -> None:
    tab, other = person.tab(), person.tab()
    changing = tab if whose == "own" else other
    with site.holding(request_name, is_answered=True) as hold:
        changing.begins(f"(client) => client.{call}")
        hold.wait_until_arrived()
        tab.calls(STAYING)
        assert changing.ends() == {"name": "SessionError", "code": "signed_out", "status": 0}
    is_over(tab, other)


def test_an_update_that_waits_its_turn_is_never_sent(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    with site.holding(SESSION) as hold:
        tab.begins("(client) => { client.getSession(); return client.update({nick: 'al'}); }")
        hold.wait_until_arrived()
        tab.calls(STAYING)
        assert tab.ends()["code"] == "signed_out"
    is_over(tab)
    assert UPDATE not in site.asked


def test_an_update_that_waits_for_another_tab_is_never_sent(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(UPDATE) as hold:
        other.begins("(client) => client.update({nick: 'al'})")
        hold.wait_until_arrived()
        tab.begins("(client) => client.update({nick: 'bo'})")
        tab.calls(STAYING)
        assert tab.ends()["code"] == "signed_out"
        assert other.ends()["code"] == "signed_out"
    is_over(tab, other)
    assert site.asked.count(UPDATE) == 1


def test_a_sign_in_that_is_under_way_is_given_up(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    with site.holding(SIGN_IN) as hold:
        tab.begins("(client) => client.signIn('credentials', {redirect: false, password: 'ok'})")
        hold.wait_until_arrived()
        tab.calls(STAYING)
        assert tab.ends()["code"] == "signed_out"
        assert tab.calls("(client) => client.getSnapshot() === null") is True


def test_an_answer_that_comes_while_it_is_under_way_does_not_count(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SIGN_OUT, is_answered=True) as sign_out:
        tab.begins(STAYING)
        sign_out.wait_until_arrived()
        # Of another tab, which knows of nothing yet: the page is as it was before.
        with site.holding(SESSION) as asked:
            other.begins(ASKING)
            asked.wait_until_arrived()
            sign_out.go_on.set()
            assert "value" in tab.ends()
            assert other.ends() == {"value": None}
    is_over(tab, other)


def test_an_update_that_crosses_a_sign_out_on_a_page_without_the_client_does_not_count(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab("/bare")
    with site.holding(UPDATE, is_answered=True) as hold:
        tab.begins("(client) => client.update({nick: 'al'})")
        hold.wait_until_arrived()
        person.context.request.post(
            f"{site.origin}/auth/signout", headers={**SAME_ORIGIN, "Accept": "application/json"}
        )
        other.opens("/").sees("nobody")
    assert tab.ends() == {"value": None}
    is_over(tab, other)


def test_a_sign_out_that_is_heard_of_after_a_later_answer_counts(person: Person) -> None:
    """As in a tab that was busy when both came."""
    tab = person.tab()
    tab.calls("(client) => client.update({nick: 'al'})")
    person.context.clear_cookies()
    tab.page.evaluate(
        """() => {
            const message = {session: null, asked: Date.now() - 1000, isSignOut: true};
            new BroadcastChannel("jwtsession:/auth/").postMessage(message);
        }"""
    )
    tab.sees("nobody")


def test_two_tabs_can_sign_out_at_once(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SIGN_OUT, is_answered=True) as hold:
        tab.begins(STAYING)
        hold.wait_until_arrived()
        other.calls(STAYING)
    assert tab.ends().keys() == {"value"}
    is_over(tab, other)


def test_who_signs_in_again_is_signed_in_in_all_tabs(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    tab.calls(STAYING)
    other.sees("nobody", within=1000)
    signs_in = "{redirect: false, username: 'bo', password: 'ok'}"
    other.calls(f"(client) => client.signIn('credentials', {signs_in})")
    for one in (tab, other):
        one.sees("Bo", within=1000)


# It does not work.


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            Answer(503, '{"code": "store_unavailable"}', "application/problem+json"),
            ("store_unavailable", 503),
        ),
        (FAILURES["500"], ("http_500", 500)),
        (FAILURES["captive portal"], ("network", 0)),
        (FAILURES["half of it"], ("network", 0)),
    ],
    ids=["503", "500", "captive portal", "half of it"],
)
def test_a_sign_out_that_fails_says_so_and_the_person_is_still_signed_in(
    person: Person, site: ClientSite, answer: Answer, found: tuple[str, int]
) -> None:
    tab, other = person.tab(), person.tab()
    site.answers[SIGN_OUT] = answer
    for call in (STAYING, "(client) => client.signOut()"):
        assert tab.fails(call) == found
    for one in (tab, other):
        one.sees("Ada")
        assert one.calls(ASKING)["user"]["name"] == "Ada"


def test_a_sign_out_without_a_network_says_so(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    person.context.set_offline(True)
    assert tab.fails(STAYING) == ("network", 0)
    assert tab.snapshot()["user"]["name"] == "Ada"
    person.context.set_offline(False)
    assert other.calls(ASKING)["user"]["name"] == "Ada"


def test_who_was_asking_when_it_failed_gets_what_was_known(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    site.answers[SIGN_OUT] = FAILURES["500"]
    with site.holding(SESSION) as hold:
        tab.begins(ASKING)
        hold.wait_until_arrived()
        assert tab.fails(STAYING) == ("http_500", 500)
        assert tab.ends()["value"]["user"]["name"] == "Ada"


def test_a_page_that_knew_nothing_when_it_failed_asks_again(
    person: Person, site: ClientSite
) -> None:
    site.answers[SIGN_OUT] = FAILURES["500"]
    with site.holding(SESSION) as hold:
        tab = person.tab("/plain")
        hold.wait_until_arrived()
        assert tab.fails(STAYING) == ("http_500", 500)
    # Nobody calls it.
    tab.sees("Ada")


def test_an_answer_that_nobody_understands_is_no_sign_out(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    for body in ("null", "{}", "[]", '{"url": null}', '{"url": 7}'):
        site.answers[SIGN_OUT] = Answer(200, body, "application/json")
        assert tab.fails(STAYING) == ("network", 0), body
        assert tab.calls(ASKING)["user"]["name"] == "Ada"


def test_the_status_does_not_sign_out_over_an_answer_of_somebody_else(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    site.answers[STATUS] = FAILURES["401 of a proxy"]
    tab.calls("(client) => { client.guardNavigation(); }")
    tab.settles()
    tab.sees("Ada")
    assert STATUS in site.takes_asked()
