"""``client.js`` in a real browser: several tabs of one person, which are kept in step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..client_site import SESSION, SIGN_OUT, UPDATE, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody

#: Runs before the page: counts the messages that a tab sends.
COUNTING = """
    window.sent = 0;
    const {postMessage} = BroadcastChannel.prototype;
    BroadcastChannel.prototype.postMessage = function (message) {
        window.sent++;
        return postMessage.call(this, message);
    };
"""
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {value: undefined})"
#: As the browser would say of a page that took a minute and a half to load.
LOADED_SLOWLY = """
    const entries = performance.getEntriesByType.bind(performance);
    performance.getEntriesByType = (type) => type === "navigation"
        ? [{type: "navigate", requestStart: -90_000}] : entries(type);
"""
LISTENING = "(client) => { window.heard = []; client.subscribe((one) => window.heard.push(one)); }"
UPDATING = "(client, data) => client.update(data)"
STAYING = "(client) => client.signOut({redirect: false})"


@pytest.fixture
def site() -> Iterator[ClientSite]:
    # With each answer comes a cookie.
    with serving_client_site(UPDATE_AGE=0) as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person.signs_in()


def has(tab: Tab, **fields: Any) -> None:
    """Until the session has these, as far as the tab knows."""
    tab.page.wait_for_function(
        """(fields) => Object.entries(fields).every(
            ([name, value]) => window.client.getSnapshot()?.[name] === value
        )""",
        arg=fields,
        timeout=1000,
    )


def heard(tab: Tab) -> Any:
    return tab.page.evaluate("window.heard")


def loads(tab: Tab, path: str) -> None:
    """Begin to load a page."""
    tab.page.evaluate("(path) => { window.setTimeout(() => { location.href = path; }); }", path)


# One change, one message.


@pytest.mark.parametrize(
    ("call", "request_name"),
    [("(client) => client.update({nick: 'al'})", UPDATE), (STAYING, SIGN_OUT)],
    ids=["update", "sign-out"],
)
def test_one_change_is_one_request_and_one_message(
    person: Person, site: ClientSite, call: str, request_name: str
) -> None:
    site.scripts.append(COUNTING)
    tab, *others = (person.tab() for _ in range(4))
    for one in (tab, *others):
        one.sees("Ada")
        one.calls(LISTENING)
        one.page.evaluate("window.sent = 0")
    tab.calls(call)
    for other in others:
        # Whatever it had to say, it said before the listener was called, or right after.
        other.page.wait_for_function("window.heard.length > 0")
        assert other.page.evaluate("[window.heard.length, window.sent]") == [1, 0]
    assert tab.page.evaluate("window.sent") == 1
    for other in others:
        other.calls("(client) => client.getSession()")
    assert site.takes_asked() == [request_name] + [SESSION] * len(others)
    assert [one.page.evaluate("window.sent") for one in (tab, *others)] == [1, 0, 0, 0]


def test_a_page_that_knows_nothing_new_is_answered_by_nobody(
    person: Person, site: ClientSite
) -> None:
    site.scripts.append(COUNTING)
    others = [person.tab() for _ in range(3)]
    for other in others:
        other.calls(LISTENING)
        other.page.evaluate("window.sent = 0")
    tab = person.tab()
    assert tab.page.evaluate("window.sent") == 1
    tab.calls("(client) => client.update({nick: 'al'})")
    for other in others:
        has(other, nick="al")
        assert other.page.evaluate("[window.heard.length, window.sent]") == [1, 0]


def test_a_tab_does_not_hear_itself(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    tab.calls(LISTENING)
    for nick in ("al", "bo"):
        tab.calls(UPDATING, {"nick": nick})
        has(other, nick=nick)
    other.calls(UPDATING, {"nick": "cy"})
    has(tab, nick="cy")
    assert [session["nick"] for session in heard(tab)] == ["al", "bo", "cy"]


def test_what_a_tab_finds_out_by_asking_the_others_know(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    other.calls(LISTENING)
    site.shown = {"plan": "team"}
    tab.calls("(client) => client.getSession()")
    has(other, plan="team")
    assert site.takes_asked() == [SESSION]


# Pages that the server renders.


def test_a_sign_in_on_a_page_without_the_client_is_known_to_all(chromium: Chromium) -> None:
    with serving_client_site() as site, somebody(chromium, site) as person:
        other, tab = person.tab("/plain"), person.tab("/auth/signin?callbackUrl=/notes")
        other.sees("nobody")
        tab.page.get_by_label("User name").fill("ada")
        tab.page.get_by_label("Password").fill("ok")
        tab.page.get_by_role("button", name="Sign in").click()
        tab.sees("Ada")
        other.sees("Ada", within=1000)
        assert site.takes_asked().count(SESSION) == 1


def test_a_sign_out_on_a_page_without_the_client_is_known_to_all(
    person: Person, site: ClientSite
) -> None:
    other, tab = person.tab(), person.tab("/auth/signout?callbackUrl=/notes")
    other.sees("Ada")
    tab.page.get_by_role("button", name="Sign out").click()
    tab.sees("nobody")
    other.sees("nobody", within=1000)
    assert SESSION not in site.asked


@pytest.mark.parametrize("nick", ["al", None], ids=["update", "sign-out"])
def test_an_old_page_that_comes_late_is_put_right_and_sets_nobody_back(
    person: Person, site: ClientSite, nick: str | None
) -> None:
    tab, late = person.tab(), person.tab("/bare")
    with site.holding("GET /late", is_answered=True) as hold:
        loads(late, "/late")
        hold.wait_until_arrived()
        tab.calls(UPDATING if nick else STAYING, {"nick": nick})
        tab.calls(LISTENING)
        site.takes_asked()
    late.page.wait_for_url("**/late")
    if nick is None:
        late.sees("nobody")
    else:
        has(late, nick=nick)
    assert heard(tab) == []
    assert site.takes_asked() == []


def test_a_page_that_took_very_long_to_load_sets_nobody_back(
    person: Person, site: ClientSite
) -> None:
    tab, late = person.tab(), person.tab("/bare")
    site.scripts.append(LOADED_SLOWLY)
    with site.holding("GET /late", is_answered=True) as hold:
        loads(late, "/late")
        hold.wait_until_arrived()
        tab.calls(STAYING)
        tab.calls(LISTENING)
    late.sees("nobody")
    assert heard(tab) == []


def test_a_new_page_says_what_the_others_do_not_know_yet(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    site.shown = {"plan": "team"}
    person.tab().sees("Ada")
    has(tab, plan="team")
    assert site.takes_asked() == []


# Changes at the same moment.


def test_updates_of_two_tabs_at_once_are_both_kept(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(UPDATE, is_answered=True) as hold:
        tab.begins(UPDATING, {"a": 1})
        hold.wait_until_arrived()
        other.begins(UPDATING, {"b": 2})
        # It waits: a request of no page of ours comes and goes meanwhile.
        other.page.evaluate("fetch('/bare').then((answer) => answer.text())")
        assert site.asked.count(UPDATE) == 1
    assert tab.ends()["value"]["a"] == 1
    assert other.ends()["value"].items() >= {"a": 1, "b": 2}.items()
    has(tab, a=1, b=2)
    assert tab.calls("(client) => client.getSession()").items() >= {"a": 1, "b": 2}.items()


def test_it_is_the_lock_that_keeps_both(person: Person, site: ClientSite) -> None:
    """Without it, the cookie of the answer that comes last has but one of them. The client runs,
    nevertheless: browsers have locks on https and on loopback alone.
    """
    site.scripts.append(WITHOUT_LOCKS)
    tab, other = person.tab(), person.tab()
    with site.holding(UPDATE, is_answered=True) as hold:
        tab.begins(UPDATING, {"a": 1})
        hold.wait_until_arrived()
        assert other.calls(UPDATING, {"b": 2})["b"] == 2
    tab.ends()
    session = tab.calls("(client) => client.getSession()")
    assert (session.get("a"), session.get("b")) == (1, None)


def test_the_late_cookie_of_a_question_does_not_undo_an_update(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SESSION, is_answered=True) as hold:
        other.begins("(client) => client.getSession()")
        hold.wait_until_arrived()
        tab.begins(UPDATING, {"nick": "al"})
    assert tab.ends()["value"]["nick"] == "al"
    for one in (tab, other):
        assert one.calls("(client) => client.getSession()")["nick"] == "al"


def test_tabs_ask_at_the_same_time(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(SESSION) as hold:
        tab.begins("(client) => client.getSession()")
        hold.wait_until_arrived()
        assert other.calls("(client) => client.getSession()")["user"]["name"] == "Ada"
    tab.ends()


def test_an_update_counts_though_another_tab_loads_a_page_meanwhile(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    with site.holding(UPDATE) as hold:
        tab.begins(UPDATING, {"nick": "al"})
        hold.wait_until_arrived()
        other = person.tab()
        other.sees("Ada")
    assert tab.ends()["value"]["nick"] == "al"
    has(tab, nick="al")
    has(other, nick="al")


def test_a_tab_that_is_closed_holds_up_nobody(person: Person, site: ClientSite) -> None:
    tab, other = person.tab(), person.tab()
    with site.holding(UPDATE) as hold:
        other.begins(UPDATING, {"a": 1})
        hold.wait_until_arrived()
        tab.begins(UPDATING, {"b": 2})
        other.page.close()
        assert tab.ends()["value"]["b"] == 2


# Others on the channel, and beside it.


def test_a_second_instance_has_a_session_and_tabs_of_its_own(
    person: Person, site: ClientSite
) -> None:
    person.signs_in("bo", prefix="/staff/auth")
    customer, staff, more_staff = person.tab(), person.tab("/staff"), person.tab("/staff")
    customer.sees("Ada")
    customer.calls(LISTENING)
    for one in (staff, more_staff):
        one.sees("Bo")
    site.takes_asked()
    staff.calls(UPDATING, {"nick": "bob"})
    has(more_staff, nick="bob")
    staff.calls(STAYING)
    more_staff.sees("nobody", within=1000)
    asked = ["POST /staff/auth/session", "POST /staff/auth/signout"]
    assert site.takes_asked() == asked
    assert customer.calls("(client) => client.getSession()")["user"]["name"] == "Ada"
    assert heard(customer) == []


def test_a_message_of_another_shape_is_harmless(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    tab.calls(LISTENING)
    send = """() => {
        const now = Date.now() + 1000;
        const channel = new BroadcastChannel("jwtsession:/auth/");
        for (const message of [
            undefined, null, true, 7, "signed_out", [], {}, new Map(),
            {session: null}, {session: {user: {name: "Mallory"}}}, {isSignOut: true},
            {asked: now}, {asked: String(now), session: null}, {asked: NaN, session: null},
            {asked: now, session: "Mallory"}, {asked: now, session: [7]}, {event: "session"},
        ]) channel.postMessage(message);
    }"""
    other.calls(send)
    # Messages of one page come in their order; this is the last.
    other.calls(UPDATING, {"nick": "al"})
    has(tab, nick="al")
    assert [session["nick"] for session in heard(tab)] == ["al"]
    assert tab.calls(UPDATING, {"nick": "bo"})["nick"] == "bo"
    has(other, nick="bo")
    assert tab.takes_complaints() == []
