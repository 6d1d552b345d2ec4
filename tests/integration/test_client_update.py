"""``client.js`` in a real browser: updates of the session, and fresh tokens of the provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..client_site import SESSION, UPDATE, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody
from ..peers.faulty_provider import FaultyProvider


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person.signs_in()


def asks_anew(tab: Tab) -> Any:
    """The session as the server has it."""
    return tab.calls("(client) => client.getSession()")


# Updates.


def test_an_update_returns_the_session_after_it(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    session = tab.calls("(client) => client.update({nick: 'al', a: {b: [1, null]}})")
    assert (session["nick"], session["a"]) == ("al", {"b": [1, None]})
    assert tab.snapshot() == session
    assert site.takes_asked() == [UPDATE]
    assert asks_anew(tab) == session


def test_an_update_without_data_has_the_application_look_again(
    person: Person, site: ClientSite
) -> None:
    tab = person.tab()
    site.shown = {"plan": "team"}
    assert tab.calls("(client) => client.update()")["plan"] == "team"
    assert tab.snapshot()["plan"] == "team"


def test_a_refused_update_says_why_and_changes_nothing(person: Person) -> None:
    tab = person.tab()
    before = tab.snapshot()
    refused = """async (client) => {
        const error = await client.update({nick: "root"}).catch((error) => error);
        const isOurs = error instanceof client.SessionError && error instanceof Error;
        return [isOurs, error.name, error.code, error.status, error.message];
    }"""
    found = tab.calls(refused)
    assert found[:4] == [True, "SessionError", "update_refused", 400]
    assert "that name is taken" in found[4]
    assert tab.snapshot() == before
    assert asks_anew(tab) == before


def test_fields_that_are_not_on_the_list_go_nowhere(person: Person) -> None:
    tab = person.tab()
    sent = {"nick": "al", "role": "admin", "sub": "bo", "user": {"name": "Bo"}, "sid": "x"}
    session = tab.calls("(client, data) => client.update(data)", sent)
    assert session.keys() == {"user", "expires", "nick"}
    assert session["user"]["name"] == "Ada"
    assert asks_anew(tab) == session


def test_an_update_of_nobody_signs_all_tabs_out(person: Person) -> None:
    tab, other = person.tab(), person.tab()
    other.sees("Ada")
    person.context.clear_cookies()
    assert tab.fails("(client) => client.update({nick: 'al'})") == ("login_required", 401)
    tab.sees("nobody")
    other.sees("nobody", within=1000)


@pytest.mark.parametrize(
    ("size", "code"), [(8_000, "session_too_large"), (70_000, "body_too_large")]
)
def test_an_update_that_is_too_large_leaves_the_session_as_it_was(
    person: Person, size: int, code: str
) -> None:
    tab = person.tab()
    before = tab.calls("(client) => client.update({nick: 'al'})")
    # So that it cannot be made smaller.
    sent = "".join(chr(0x4E00 + number % 20_000) for number in range(size // 3))
    assert tab.fails("(client, a) => client.update({a})", sent) == (code, 413)
    assert tab.snapshot() == before
    assert asks_anew(tab) == before


def test_sec_121_a_prototype_that_is_sent_is_nobodys_prototype(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab()
    sent = '{"__proto__": {"isAdmin": true}, "nick": "al", "a": {"__proto__": {"isAdmin": true}}}'
    session = tab.calls("(client, text) => client.update(JSON.parse(text))", sent)
    assert session["nick"] == "al"
    other.page.wait_for_function("window.client.getSnapshot().nick === 'al'")
    tab.calls("(client) => client.getSession()")
    look = """(client) => {
        const session = client.getSnapshot();
        const plain = [session, session.user, session.a];
        return [
            plain.every((one) => Object.getPrototypeOf(one) === Object.prototype),
            session.isAdmin, session.a.isAdmin, ({}).isAdmin, [].isAdmin,
        ];
    }"""
    for one in (tab, other, person.tab(), person.tab("/plain")):
        one.sees("Ada")
        assert one.calls(look) == [True, None, None, None, None]


def test_sec_121_a_session_with_a_name_of_every_object_is_just_data(
    person: Person, site: ClientSite
) -> None:
    names = ["constructor", "toString", "hasOwnProperty", "__proto__"]
    site.shown = {name: {"isAdmin": True} for name in names}
    tab = person.tab("/plain")
    tab.sees("Ada")
    look = """(client, names) => {
        const session = client.getSnapshot();
        const areOwn = names.every((name) => Object.hasOwn(session, name));
        return [areOwn, session.isAdmin, ({}).isAdmin];
    }"""
    assert tab.calls(look, names) == [True, None, None]
    assert tab.calls("(client) => client.update({nick: 'al'})")["nick"] == "al"


def test_updates_of_one_tab_are_made_in_their_order(person: Person, site: ClientSite) -> None:
    tab = person.tab()
    several = """async (client) => {
        const updates = ["a", "b", "c"].map((nick) => client.update({nick, [nick]: 1}));
        return (await Promise.all(updates)).map(({nick}) => nick);
    }"""
    assert tab.calls(several) == ["a", "b", "c"]
    assert asks_anew(tab).items() >= {"nick": "c", "a": 1, "b": 1}.items()
    assert site.takes_asked() == [UPDATE, UPDATE, UPDATE, SESSION]


def test_a_refused_update_does_not_hold_up_the_next_one(person: Person) -> None:
    tab = person.tab()
    both = """async (client) => {
        const updates = [client.update({nick: "root"}), client.update({nick: "al"})];
        return (await Promise.allSettled(updates)).map(({status}) => status);
    }"""
    assert tab.calls(both) == ["rejected", "fulfilled"]
    assert tab.snapshot()["nick"] == "al"


def test_an_update_that_ends_the_session_signs_all_tabs_out(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab(), person.tab()

    @site.auth.jwt_callback
    def jwt(token: dict[str, Any], event: Any) -> dict[str, Any] | None:
        return None if event.trigger == "update" else token

    assert tab.calls("(client) => client.update({nick: 'al'})") is None
    tab.sees("nobody")
    other.sees("nobody", within=1000)


# The provider's tokens.


def test_a_session_without_tokens_has_nothing_to_refresh(person: Person) -> None:
    tab = person.tab()
    before = tab.snapshot()
    assert tab.fails("(client) => client.refresh()") == ("update_refused", 400)
    assert tab.snapshot() == before


def test_a_refresh_gets_fresh_tokens_and_its_error_is_in_the_session(chromium: Chromium) -> None:
    with (
        FaultyProvider() as provider,
        serving_client_site() as site,
        somebody(chromium, site) as person,
    ):
        site.add_provider(provider)
        tab, other = person.tab(), person.tab()
        tab.is_led_away_by("(client) => client.signIn('op')")
        tab.sees("Ada Lovelace")
        assert provider.count("refresh") == 0
        assert "error" not in tab.calls("(client) => client.refresh()")
        assert provider.count("refresh") == 1
        with provider.down():
            session = tab.calls("(client) => client.refresh()")
            assert session["error"] == "refresh_unavailable"
            assert tab.snapshot() == session
            unavailable = "window.client.getSnapshot().error === 'refresh_unavailable'"
            other.page.wait_for_function(unavailable)


def test_sec_200_a_page_sees_no_token_of_the_provider(chromium: Chromium) -> None:
    with (
        FaultyProvider() as provider,
        serving_client_site() as site,
        somebody(chromium, site) as person,
    ):
        site.add_provider(provider)
        tab = person.tab()
        tab.is_led_away_by("(client) => client.signIn('op')")
        tab.sees("Ada Lovelace")
        seen = [tab.page.content()]
        for call in ("getSession()", "update({nick: 'al'})", "refresh()", "getSnapshot()"):
            seen.append(tab.calls(f"async (client) => JSON.stringify(await client.{call})"))
        for text in seen:
            assert not [secret for secret in provider.secrets_told if secret in text]
        assert len(provider.secrets_told) > 3
