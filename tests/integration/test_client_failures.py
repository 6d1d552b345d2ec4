"""``client.js`` in a real browser: answers that do not come, or that are none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from ..client_site import FAILURES, SESSION, STATUS, UPDATE, Answer, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody
from ..faulty_store import FaultyStore
from ..support import Clock

ASKING = "(client) => client.getSession()"
UPDATING = "(client) => client.update({nick: 'al'})"
#: By name of the failure: what an update that meets it ends with.
CODES = {
    name: (f"http_{answer.status}", answer.status) if answer.status >= 400 else ("network", 0)
    for name, answer in FAILURES.items()
}


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person.signs_in()


def moments_of_requests(person: Person, site: ClientSite, seconds: float) -> list[float]:
    """When the client asked for the session, while so much time passes."""
    found: list[float] = []
    step, passed = 0.5, 0.0
    while passed < seconds:
        person.passes(step)
        passed += step
        found += [passed for name in site.takes_asked() if name == SESSION]
    return found


# Nobody is signed out by a failure.


def test_a_failure_leaves_the_session_as_it_was(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    tab.calls("(client) => { window.heard = []; client.subscribe((one) => heard.push(one)); }")
    for name, answer in FAILURES.items():
        site.answers[SESSION] = answer
        assert tab.calls(ASKING)["user"]["name"] == "Ada", name
        tab.sees("Ada")
    assert tab.page.evaluate("window.heard") == []
    other.sees("Ada")


def test_a_failure_leaves_nobody_signed_out(chromium: Chromium, site: ClientSite) -> None:
    with somebody(chromium, site) as person:
        tab = person.tab()
        for name, answer in FAILURES.items():
            site.answers[SESSION] = answer
            assert tab.calls("async (client) => await client.getSession() === null"), name


def test_an_empty_object_is_nobody_as_it_is_to_nextauth_v4(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    site.answers[SESSION] = Answer(200, "{}", "application/json")
    assert tab.calls(ASKING) is None
    tab.sees("nobody")


def test_a_page_that_knows_nothing_goes_on_knowing_nothing(
    person: Person, site: ClientSite
) -> None:
    site.answers[SESSION] = FAILURES["captive portal"]
    tab = person.tab("/plain")
    for name, answer in FAILURES.items():
        site.answers[SESSION] = answer
        assert tab.calls("async (client) => await client.getSession() === undefined"), name
        tab.sees("not known")


def test_an_update_that_fails_says_how_and_changes_nothing(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    before = tab.snapshot()
    for name, answer in FAILURES.items():
        site.answers[UPDATE] = answer
        assert tab.fails(UPDATING) == CODES[name], name
        assert tab.snapshot() == before
    del site.answers[UPDATE]
    assert tab.calls(UPDATING)["nick"] == "al"


def test_at_the_end_of_a_session_a_failure_signs_nobody_out(
    person: Person, site: ClientSite
) -> None:
    tab = person.stops_the_clock().tab()
    site.answers[STATUS] = FAILURES["500"]
    person.sleeps(31 * 86_400)
    not_understood = {
        text: Answer(200, text, "application/json")
        for text in ("null", '{"status": "authenticated"}')
    }
    for name, answer in {**FAILURES, **not_understood}.items():
        site.answers[STATUS] = answer
        site.takes_asked()
        person.passes(61)
        assert STATUS in site.takes_asked(), name
        for _ in range(3):
            person.passes(0.1)
        assert len(site.takes_asked()) <= 1, name
        tab.sees("Ada")
    del site.answers[STATUS]
    person.passes(61)
    tab.sees("nobody")


def test_a_proxy_that_wants_a_password_signs_nobody_out(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    site.answers[UPDATE] = FAILURES["401 of a proxy"]
    assert tab.fails(UPDATING) == ("http_401", 401)
    for one in (tab, other):
        one.sees("Ada")


def test_without_a_network_everybody_is_who_they_were(person: Person) -> None:
    tab = person.tab()
    person.context.set_offline(True)
    assert tab.calls(ASKING)["user"]["name"] == "Ada"
    assert tab.fails(UPDATING) == ("network", 0)
    tab.sees("Ada")


@pytest.mark.parametrize("reason", ["connectionrefused", "connectionreset", "namenotresolved"])
def test_without_a_server_everybody_is_who_they_were(person: Person, reason: str) -> None:
    tab = person.tab()
    tab.page.route("**/auth/session", lambda route: route.abort(reason))
    assert tab.calls(ASKING)["user"]["name"] == "Ada"
    assert tab.fails(UPDATING) == ("network", 0)
    tab.sees("Ada")


def test_while_the_store_is_away_everybody_is_who_they_were(chromium: Chromium) -> None:
    store = FaultyStore(Clock(time.time()))
    with serving_client_site(STORE=store) as site, somebody(chromium, site) as person:
        person.signs_in().stops_the_clock()
        tab = person.tab()
        store.refused.add("get_many")
        new = person.tab()  # in which the server says nothing of it
        assert tab.calls(ASKING)["user"]["name"] == "Ada"
        assert tab.fails(UPDATING) == ("store_unavailable", 503)
        tab.sees("Ada")
        new.sees("not known")
        store.refused.clear()
        person.passes(60)
        new.sees("Ada")
        assert tab.calls(UPDATING)["nick"] == "al"


# It is tried again, at its leisure.


def test_it_asks_again_ever_more_seldom(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    site.answers[SESSION] = FAILURES["500"]
    person.tab("/plain").settles()
    assert site.takes_asked() == [SESSION]
    moments = [0.0, *moments_of_requests(person, site, 20)]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    for number, wait in enumerate(waits):
        assert 0.5 * 2**number <= wait <= 2**number + 0.5, waits
    assert len(waits) >= 4


def test_in_ten_minutes_of_failure_it_asks_at_least_each_minute(
    person: Person, site: ClientSite
) -> None:
    person.stops_the_clock()
    site.answers[SESSION] = FAILURES["502 of a proxy"]
    person.tab("/plain").settles()
    for minute in range(10):
        for _ in range(4):
            person.passes(15)
        asked = site.takes_asked().count(SESSION)
        assert 1 <= asked <= (9 if minute == 0 else 3)


@pytest.mark.parametrize("failure", ["500", "captive portal"])
def test_in_a_minute_of_failure_in_which_the_page_is_used_it_does_not_ask_more(
    chromium: Chromium, failure: str
) -> None:
    """Also shortly before the end of the session, when its use would prolong it."""
    with serving_client_site(MAX_AGE=600) as site, somebody(chromium, site) as person:
        tab = person.signs_in().stops_the_clock().tab()
        person.passes(541)
        site.takes_asked()
        site.answers[SESSION] = site.answers[STATUS] = FAILURES[failure]
        for _ in range(30):
            tab.is_used(times=8)
            person.passes(2)
        assert 2 <= len(site.takes_asked()) <= 12
        tab.sees("Ada")


def test_it_asks_once_more_and_then_not_again(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    site.answers[SESSION] = FAILURES["500"]
    tab = person.tab("/plain")
    tab.settles()
    del site.answers[SESSION]
    person.passes(1)
    tab.sees("Ada")
    assert site.takes_asked() == [SESSION, SESSION]
    person.passes(20)
    assert site.takes_asked() == []


def test_after_an_answer_a_failure_is_the_first_again(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    site.answers[SESSION] = FAILURES["500"]
    tab = person.tab("/plain")
    for _ in range(8):
        person.passes(5)
    del site.answers[SESSION]
    tab.calls(ASKING)
    site.answers[SESSION] = FAILURES["500"]
    tab.calls(ASKING)
    site.takes_asked()
    person.passes(1)
    assert site.takes_asked() == [SESSION]


def test_of_many_calls_that_fail_one_is_repeated(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    tab = person.tab()
    site.answers[SESSION] = FAILURES["500"]
    tab.calls("(client) => Promise.all(Array.from({length: 5}, client.getSession))")
    assert site.takes_asked() == [SESSION]
    person.passes(1)
    assert site.takes_asked() == [SESSION]


def test_an_update_that_failed_is_not_repeated(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    tab = person.tab()
    site.answers[UPDATE] = FAILURES["500"]
    tab.fails(UPDATING)
    person.passes(90)
    assert site.takes_asked() == [UPDATE]


def test_back_on_the_network_it_asks_at_once(person: Person, site: ClientSite) -> None:
    person.stops_the_clock()
    tab = person.tab()
    person.context.set_offline(True)
    tab.calls(ASKING)
    site.shown = {"plan": "team"}
    person.context.set_offline(False)
    tab.page.wait_for_function("window.client.getSnapshot().plan === 'team'")
    person.passes(2)
    assert site.takes_asked() == [SESSION]


# No answer at all.


def waits_half_a_minute(person: Person, tab: Tab) -> None:
    """The time in which a server that hangs may answer."""
    person.waits(29)
    assert tab.page.evaluate("Promise.race([window.begun, 'waits'])") == "waits"
    person.waits(2)


def test_a_question_without_an_answer_is_given_up_and_asked_again(
    person: Person, site: ClientSite
) -> None:
    tab = person.stops_the_clock().tab()
    with site.holding(SESSION) as hold:
        tab.begins(ASKING)
        hold.wait_until_arrived()
        waits_half_a_minute(person, tab)
        assert tab.ends()["value"]["user"]["name"] == "Ada"
        person.passes(1)
        assert site.takes_asked() == [SESSION, SESSION]


def test_an_update_without_an_answer_says_so_and_holds_up_nobody(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.stops_the_clock().tab(), person.tab()
    with site.holding(UPDATE) as hold:
        tab.begins(UPDATING)
        hold.wait_until_arrived()
        other.begins("(client) => client.update({a: 1})")
        tab.page.evaluate("() => window.clock.runs(31_000)")
        assert tab.ends() == {"name": "SessionError", "code": "network", "status": 0}
        # It waited as long for its turn, and has its own time now.
        assert other.ends()["value"]["a"] == 1


def test_a_sign_out_without_an_answer_says_so(person: Person, site: ClientSite) -> None:
    tab = person.stops_the_clock().tab()
    with site.holding("POST /auth/signout") as hold:
        tab.begins("(client) => client.signOut({redirect: false})")
        hold.wait_until_arrived()
        waits_half_a_minute(person, tab)
        assert tab.ends() == {"name": "SessionError", "code": "network", "status": 0}
        tab.sees("Ada")
