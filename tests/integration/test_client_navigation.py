"""``client.js`` in a real browser: pages that change without a reload, and who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from ..client_site import FAILURES, SESSION, STATUS, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody

#: As in browsers that do not have it.
WITHOUT_NAVIGATION = "Object.defineProperty(window, 'navigation', {value: undefined})"
#: How an application changes the address.
WAYS = {
    "pushState": "(url) => history.pushState(null, '', url)",
    "replaceState": "(url) => history.replaceState(null, '', url)",
    "navigate": """async (url) => {
        navigation.addEventListener("navigate", (event) => event.intercept(), {once: true});
        await navigation.navigate(url).committed;
    }""",
}
PUSH = WAYS["pushState"]


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person


@pytest.fixture(params=["navigation", "history"])
def kind(request: pytest.FixtureRequest, person: Person) -> str:
    """What the browser tells a page of a change of its address."""
    if request.param == "history":
        person.site.scripts.append(WITHOUT_NAVIGATION)
    return str(request.param)


def guards(tab: Tab, options: str = "{publicPaths: ['/']}") -> Tab:
    tab.calls(f"(client) => {{ window.stop = client.guardNavigation({options}); }}")
    tab.settles()
    return tab


def moves(tab: Tab, url: str, way: str = PUSH) -> None:
    tab.page.evaluate(way, url)


def is_at(tab: Tab, path: str) -> None:
    """Still, when everything that was under way is done."""
    tab.settles()
    expect(tab.page).to_have_url(f"{tab.site.origin}{path}")


def is_sent_to_sign_in(tab: Tab, path: str, *, page: str = "/auth/signin") -> None:
    """The sign-in page, which leads back to ``path``."""
    tab.page.wait_for_url(f"**{page}?*")
    assert parse_qs(urlsplit(tab.page.url).query)["callbackUrl"] == [path]


def fills_in_sign_in_page(tab: Tab) -> None:
    tab.page.get_by_label("User name").fill("ada")
    tab.page.get_by_label("Password").fill("ok")
    tab.page.get_by_role("button", name="Sign in").click()


def takes_asked(tab: Tab) -> list[str]:
    """What the tab asked since the last time: all of it, for it makes one request at a time."""
    tab.calls("(client) => client.getSession()")
    asked = tab.site.takes_asked()
    assert asked.pop() == SESSION
    return asked


# Nobody is signed in.


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("navigation", "pushState"),
        ("navigation", "replaceState"),
        ("navigation", "navigate"),
        ("history", "pushState"),
        ("history", "replaceState"),
    ],
    indirect=["kind"],
)
def test_who_is_not_signed_in_signs_in_and_comes_back(person: Person, kind: str, way: str) -> None:
    tab = guards(person.tab())
    moves(tab, "/notes?page=2&b=%26#end", WAYS[way])
    is_sent_to_sign_in(tab, "/notes?page=2&b=%26#end")
    fills_in_sign_in_page(tab)
    is_at(tab, "/notes?page=2&b=%26#end")
    tab.sees("Ada")


def test_the_page_that_is_open_is_guarded_too(person: Person) -> None:
    tab = person.tab("/notes?page=2#end")
    tab.begins("(client) => { client.guardNavigation(); }")
    is_sent_to_sign_in(tab, "/notes?page=2#end")


def test_back_leads_to_the_page_before(person: Person, kind: str) -> None:
    tab = guards(person.tab())
    moves(tab, "/notes")
    is_sent_to_sign_in(tab, "/notes")
    tab.page.go_back()
    is_at(tab, "/")
    guards(tab)
    is_at(tab, "/")


def test_back_and_forward_are_guarded(person: Person, kind: str) -> None:
    tab = guards(person.signs_in().tab())
    for path in ("/notes", "/more"):
        moves(tab, path)
        tab.settles()
    person.context.clear_cookies()
    tab.page.evaluate("history.go(-2)")
    is_at(tab, "/")
    tab.page.evaluate("history.forward()")
    is_sent_to_sign_in(tab, "/notes")


def test_who_was_signed_out_in_another_tab_is_told_at_the_next_page(person: Person) -> None:
    tab, other = guards(person.signs_in().tab()), person.tab()
    moves(tab, "/notes")
    is_at(tab, "/notes")
    other.calls("(client) => client.signOut({redirect: false})")
    moves(tab, "/more")
    is_sent_to_sign_in(tab, "/more")


def test_who_it_finds_signed_out_is_signed_out_in_all_tabs(person: Person) -> None:
    tab, other = guards(person.signs_in().tab()), person.tab()
    other.sees("Ada")
    person.context.clear_cookies()
    moves(tab, "/notes")
    is_sent_to_sign_in(tab, "/notes")
    other.sees("nobody", within=1000)


def test_the_sign_in_page_can_be_another(person: Person) -> None:
    tab = guards(person.tab(), "{publicPaths: ['/'], signInPath: '/login?from=app'}")
    moves(tab, "/notes")
    is_sent_to_sign_in(tab, "/notes", page="/login")
    assert parse_qs(urlsplit(tab.page.url).query)["from"] == ["app"]
    # Which is open to everybody.
    guards(tab, "{signInPath: '/login?from=app'}")
    is_at(tab, tab.page.url.removeprefix(tab.site.origin))


def test_of_two_moves_during_one_question_the_last_counts(person: Person, site: ClientSite) -> None:
    tab = guards(person.tab())
    with site.holding(STATUS) as hold:
        moves(tab, "/notes")
        hold.wait_until_arrived()
        moves(tab, "/more?b#c")
    is_sent_to_sign_in(tab, "/more?b#c")
    assert site.takes_asked().count(STATUS) == 1


def test_who_is_on_a_public_page_when_the_answer_comes_stays_there(
    person: Person, site: ClientSite
) -> None:
    tab = guards(person.tab())
    with site.holding(STATUS) as hold:
        moves(tab, "/notes")
        hold.wait_until_arrived()
        tab.page.evaluate("history.back()")
        tab.page.wait_for_url(f"{site.origin}/")
    is_at(tab, "/")
    # And is still guarded.
    moves(tab, "/more")
    is_sent_to_sign_in(tab, "/more")


# Somebody is signed in.


def test_each_change_of_the_address_is_one_question(person: Person, kind: str) -> None:
    tab = person.signs_in().tab()
    tab.begins("(client) => { client.guardNavigation(); }")
    assert takes_asked(tab) == [STATUS]
    for url in ("/notes", "/notes?page=2", "/more"):
        for way, asked in (("pushState", [STATUS]), ("replaceState", [])):
            moves(tab, url, WAYS[way])
            assert takes_asked(tab) == asked, (url, way)


def test_a_change_of_the_hash_is_none(person: Person, kind: str) -> None:
    tab = guards(person.signs_in().tab("/notes"), "{}")
    takes_asked(tab)
    for url in ("/notes#a", "#b"):
        moves(tab, url)
    tab.page.evaluate("location.hash = 'c'")
    tab.page.evaluate("history.back()")
    tab.page.wait_for_url("**/notes#b")
    assert takes_asked(tab) == []


def test_what_the_application_keeps_in_its_history_stays_there(person: Person, kind: str) -> None:
    tab = guards(person.signs_in().tab())
    tab.page.evaluate("history.pushState({page: 2}, '', '/notes')")
    tab.page.evaluate("history.replaceState({page: 3}, '')")
    assert tab.page.evaluate("history.state") == {"page": 3}
    is_at(tab, "/notes")


def test_a_guard_that_is_stopped_asks_no_more(person: Person, kind: str) -> None:
    tab = guards(person.signs_in().tab())
    tab.page.evaluate("window.stop()")
    person.context.clear_cookies()
    moves(tab, "/notes")
    assert takes_asked(tab) == []
    is_at(tab, "/notes")


def test_a_guard_that_is_stopped_while_it_asks_sends_nobody_away(
    person: Person, site: ClientSite
) -> None:
    tab = guards(person.tab())
    with site.holding(STATUS) as hold:
        moves(tab, "/notes")
        hold.wait_until_arrived()
        tab.page.evaluate("window.stop()")
    is_at(tab, "/notes")


def test_without_a_network_everybody_passes(person: Person) -> None:
    tab = guards(person.signs_in().tab())
    person.context.set_offline(True)
    moves(tab, "/notes")
    is_at(tab, "/notes")
    tab.sees("Ada")


def test_an_answer_that_says_nothing_lets_everybody_pass(person: Person, site: ClientSite) -> None:
    tab = guards(person.signs_in().tab())
    for number, (name, answer) in enumerate(FAILURES.items()):
        site.answers[STATUS] = answer
        moves(tab, f"/notes/{number}")
        tab.settles()
        assert urlsplit(tab.page.url).path == f"/notes/{number}", name
        tab.sees("Ada")


# What is public.


@pytest.mark.parametrize(
    ("patterns", "public", "guarded"),
    [
        ("['/docs']", ["/docs", "/docs?a=b"], ["/docs/", "/docs/a", "/docsx", "/doc", "/DOCS"]),
        ("['/docs/*']", ["/docs", "/docs/", "/docs/a/b"], ["/docsx", "/x/docs", "/x/docs/a"]),
        ("['/*']", ["/", "/a", "/a/b"], []),
        (r"[/^\/docs\//g]", ["/docs/a", "/docs/b", "/docs/c"], ["/docs", "/x/docs/"]),
        (r"[/\/a$/y]", ["/a"], ["/x/a"]),
        ("[/^.docs/gi, '/about']", ["/DOCS", "/docs", "/docsx", "/about"], ["/about/us"]),
        ("[]", ["/auth", "/auth/x"], ["/", "/authx", "/staff/auth"]),
    ],
    ids=["path", "below", "everything", "global", "sticky", "several", "none"],
)
def test_public_paths_are_for_everybody(
    person: Person, patterns: str, public: list[str], guarded: list[str]
) -> None:
    tab = person.signs_in().tab("/first")
    guards(tab, f"{{publicPaths: {patterns}}}")
    tab.site.takes_asked()
    # Each twice: a pattern keeps no place.
    for path in 2 * public:
        moves(tab, path)
        assert takes_asked(tab) == [], path
    for path in guarded:
        moves(tab, path)
        assert takes_asked(tab) == [STATUS], path


def test_no_trick_makes_a_path_public(person: Person) -> None:
    tab = guards(person.signs_in().tab("/public"), "{publicPaths: ['/public', '/public/*']}")
    for path in (
        "/public/../notes",
        "/public/%2e%2e/notes",
        "/public/.%2E/notes",
        "/public/x/../../notes",
        "/public\\..\\notes",
        "/x/../notes",
        "/publicly",
        "/%70ublic",
        "/public%2fnotes",
        "/notes?/public/",
        "/notes#/public/",
        "/notes;/public/",
    ):
        moves(tab, path)
        assert takes_asked(tab) == [STATUS], path
        moves(tab, "/public/x")
        assert takes_asked(tab) == []


@pytest.mark.parametrize("path", ["//evil.example/", "/%5cevil.example", "/%252f%252fevil.example"])
def test_sec_136_a_path_that_looks_like_a_host_leads_nowhere_else(
    person: Person, site: ClientSite, path: str
) -> None:
    tab = guards(person.tab())
    moves(tab, f"{site.origin}{path}")
    is_sent_to_sign_in(tab, path)
    fills_in_sign_in_page(tab)
    tab.page.wait_for_url(lambda url: "/auth/signin" not in url)
    assert f"{urlsplit(tab.page.url).scheme}://{urlsplit(tab.page.url).netloc}" == site.origin
    tab.sees("Ada")


@pytest.mark.parametrize("whose", ["own", "other"])
def test_who_signs_out_while_it_asks_does_not_pass(
    person: Person, site: ClientSite, whose: str
) -> None:
    tab, other = guards(person.signs_in().tab()), person.tab()
    with site.holding(STATUS) as hold:
        moves(tab, "/notes")
        hold.wait_until_arrived()
        leaving = {"own": tab, "other": other}[whose]
        leaving.begins("(client) => client.signOut({redirect: false, callbackUrl: '/'})")
        is_sent_to_sign_in(tab, "/notes")
