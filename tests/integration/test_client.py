"""``client.js`` in a real browser: how it starts, what it knows, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Response

from ..client_site import SESSION, UPDATE, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, somebody
from ..support import unseal

_SELF = "default-src 'none'; script-src 'self'; connect-src 'self'"
_NONCE = "Zm9yIG9uZSBwYWdl"


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person


# Starting.


def test_a_page_with_the_session_in_it_asks_nobody(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab()
    tab.sees("Ada")
    # Requests are made one at a time: one before this would be there by now.
    tab.calls("(client) => client.getSession()")
    assert site.takes_asked() == [SESSION]


def test_a_page_of_nobody_asks_nobody(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    tab.sees("nobody")
    tab.calls("(client) => client.getSession()")
    assert site.takes_asked() == [SESSION]


def test_a_page_without_the_session_asks_once(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab("/plain")
    tab.sees("Ada")
    tab.settles()
    assert site.takes_asked() == [SESSION]


def test_until_the_server_has_said_nobody_knows(person: Person, site: ClientSite) -> None:
    person.signs_in()
    with site.holding(SESSION):
        tab = person.tab("/plain")
        assert tab.calls("(client) => client.getSnapshot() === undefined") is True
    tab.sees("Ada")


def test_the_session_in_the_page_is_the_one_of_the_endpoint(
    person: Person, site: ClientSite
) -> None:
    site.shown = {"motto": "</script><!--\u2028'\"&\\", "numbers": [1, 2.5, None, {"a": True}]}
    person.signs_in()
    in_page, fetched = person.tab(), person.tab("/plain")
    fetched.sees("Ada")
    assert in_page.snapshot()["motto"] == site.shown["motto"]
    text = "(client) => JSON.stringify(client.getSnapshot())"
    assert in_page.calls(text) == fetched.calls(text)


def test_nobody_is_null_in_the_page_and_at_the_endpoint(person: Person) -> None:
    for path in ("/", "/plain"):
        tab = person.tab(path)
        tab.sees("nobody")
        assert tab.calls("(client) => client.getSnapshot() === null") is True


# Asking.


def test_twenty_callers_share_one_request(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab()
    together = """async (client) => {
        const given = await Promise.all(Array.from({length: 20}, client.getSession));
        return new Set(given).size === 1 && given[0] === client.getSnapshot();
    }"""
    assert tab.calls(together) is True
    assert site.takes_asked() == [SESSION]


def test_who_asks_after_an_answer_gets_a_new_one(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab()
    for plan in ("free", "team"):
        site.shown = {"plan": plan}
        assert tab.calls("(client) => client.getSession()")["plan"] == plan
    assert site.takes_asked() == [SESSION, SESSION]


@pytest.mark.parametrize("callers", [1, 3])
def test_who_asks_anew_shares_no_answer_from_before(
    person: Person, site: ClientSite, callers: int
) -> None:
    """After a request of the page's own, which changed the session while somebody asked."""
    tab = person.signs_in().tab()
    site.shown = {"plan": "free"}
    with site.holding(SESSION, is_answered=True) as hold:
        tab.page.evaluate("import('/auth/client.js').then((client) => void client.getSession())")
        hold.wait_until_arrived()
        site.shown = {"plan": "team"}
        tab.begins(
            f"""(client) => Promise.all(
                Array.from({{length: {callers}}}, () => client.getSession({{ anew: true }}))
            )"""
        )
    assert [session["plan"] for session in tab.ends()["value"]] == ["team"] * callers
    assert site.takes_asked() == [SESSION, SESSION]


def test_an_argument_that_is_none_is_no_hindrance(person: Person) -> None:
    tab = person.signs_in().tab()
    assert tab.calls("(client) => Promise.resolve(null).then(client.getSession)")["user"]


def test_a_tab_has_one_request_under_way(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab()
    with site.holding(SESSION) as hold:
        tab.begins("(client) => Promise.all([client.getSession(), client.update({nick: 'al'})])")
        hold.wait_until_arrived()
        # It would be here before this answer.
        tab.page.evaluate("fetch('/bare').then((answer) => answer.text())")
        assert site.takes_asked() == [SESSION]
    assert tab.ends()["value"][1]["nick"] == "al"
    assert site.takes_asked() == [UPDATE]


# What is known.


def test_the_snapshot_is_the_same_object_until_something_changes(person: Person) -> None:
    tab = person.signs_in().tab()
    compare = """async (client) => {
        const seen = [client.getSnapshot(), client.getSnapshot()];
        await client.getSession();
        seen.push(client.getSnapshot());
        await client.update({nick: "al"});
        seen.push(client.getSnapshot());
        await client.getSession();
        seen.push(client.getSnapshot());
        return seen.map((one) => seen.indexOf(one));
    }"""
    assert tab.calls(compare) == [0, 0, 0, 3, 3]


def test_a_listener_is_called_once_for_each_change_and_never_without(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        const heard = [];
        const listener = (one) => heard.push([one?.nick, one === client.getSnapshot()]);
        client.subscribe(listener);
        await client.getSession();
        await client.update({nick: "al"});
        await client.getSession();
        await client.update({nick: "al"});
        await client.update({nick: "bo"});
        return heard;
    }"""
    assert tab.calls(listen) == [["al", True], ["bo", True]]


def test_a_listener_is_called_before_the_change_is_reported_as_done(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        const order = [];
        client.subscribe(() => order.push("told"));
        await client.update({nick: "al"});
        order.push("done");
        return order;
    }"""
    assert tab.calls(listen) == ["told", "done"]


def test_a_listener_is_called_no_more_after_its_subscription(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        const heard = [];
        const first = client.subscribe(() => heard.push("first"));
        client.subscribe(() => heard.push("second"));
        first();
        await client.update({nick: "al"});
        return heard;
    }"""
    assert tab.calls(listen) == ["second"]


def test_a_listener_that_is_subscribed_twice_is_still_called_when_one_ends(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        let calls = 0;
        const listener = () => calls++;
        client.subscribe(listener);
        client.subscribe(listener)();
        await client.update({nick: "al"});
        return calls;
    }"""
    assert tab.calls(listen) == 1


def test_a_listener_that_throws_stops_nobody_and_is_reported(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        const heard = [];
        client.subscribe(() => { throw new Error("broken widget"); });
        client.subscribe((session) => heard.push(session.nick));
        document.addEventListener("jwtsession", ({detail}) => heard.push(detail.nick));
        const updated = await client.update({nick: "al"});
        return [updated.nick, ...heard];
    }"""
    assert tab.calls(listen) == ["al", "al", "al"]
    assert tab.takes_complaints() == ["broken widget"]


def test_the_document_has_an_event_for_each_change(person: Person) -> None:
    tab = person.signs_in().tab()
    listen = """async (client) => {
        const heard = [];
        document.addEventListener("jwtsession", ({detail}) => {
            heard.push([detail?.nick ?? null, detail === client.getSnapshot()]);
        });
        await client.update({nick: "al"});
        await client.getSession();
        await client.signOut({redirect: false});
        return heard;
    }"""
    assert tab.calls(listen) == [["al", True], [None, True]]


# What a page allows, and what it can see.


@pytest.mark.parametrize(
    ("policy", "nonce"),
    [
        (_SELF, None),
        (f"{_SELF}; require-trusted-types-for 'script'; trusted-types 'none'", None),
        (f"script-src 'nonce-{_NONCE}' 'strict-dynamic'; object-src 'none'", _NONCE),
    ],
    ids=["self", "trusted types", "nonce"],
)
def test_it_runs_under_a_strict_policy(
    person: Person, site: ClientSite, policy: str, nonce: str | None
) -> None:
    site.policy, site.nonce = policy, nonce
    person.signs_in()
    tab = person.tab()
    tab.sees("Ada")
    tab.calls("(client) => client.update({nick: 'al'})")
    tab.calls("(client) => client.signOut({redirect: false})")
    tab.sees("nobody")
    # Goes on to a page.
    signs_in = "(client) => client.signIn('credentials', {username: 'bo', password: 'ok'})"
    tab.is_led_away_by(signs_in)
    tab.sees("Bo")
    assert tab.takes_complaints() == []


def test_a_policy_that_does_not_have_it_keeps_it_out(person: Person, site: ClientSite) -> None:
    """So the policies above were in force."""
    site.policy = "default-src 'none'"
    tab = person.signs_in().tab()
    assert tab.page.evaluate("window.client === undefined") is True
    assert any("Content Security Policy" in text for text in tab.takes_complaints())


def test_sec_200_a_page_sees_no_token_and_no_identifier_of_the_session(
    person: Person, site: ClientSite
) -> None:
    person.signs_in()
    token = person.cookie()
    assert token is not None
    claims = unseal(site.app, token)
    tab = person.tab()
    answers: list[Response] = []
    tab.page.on("response", lambda answer: answers.append(answer))
    tab.page.reload()
    other = person.tab()
    heard = """async (client) => {
        const heard = [];
        new BroadcastChannel("jwtsession:/auth/").onmessage = ({data}) => heard.push(data);
        window.heard = heard;
    }"""
    other.calls(heard)
    tab.calls("(client) => client.getSession()")
    tab.calls("(client) => client.update({nick: 'al'})")
    other.page.wait_for_function("window.heard.length > 0")
    parts = [
        "JSON.stringify(client.getSnapshot())",
        "document.documentElement.outerHTML",
        "document.cookie",
        "JSON.stringify({...localStorage, ...sessionStorage})",
        "JSON.stringify(performance.getEntries())",
    ]
    seen = [tab.calls(f"(client) => {part}") for part in parts]
    seen += [answer.text() for answer in answers if answer.status == 200]
    seen.append(str(other.page.evaluate("window.heard")))
    assert len(answers) > 3
    for text in seen:
        for secret in (token, str(claims["sid"]), str(claims["jti"]), "_session"):
            assert secret not in text
    assert tab.page.evaluate("document.cookie") == ""
