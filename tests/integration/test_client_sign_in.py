"""``client.js`` in a real browser: signing in."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from ..client_site import SIGN_IN, SIGN_OUT, Answer, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody
from ..peers.faulty_provider import FaultyProvider

ADA = {"username": "ada", "password": "ok"}
WRONG = {"username": "ada", "password": "wrong"}
CREDENTIALS = "(client, given) => client.signIn('credentials', given)"
STAYING = "(client, given) => client.signIn('credentials', {...given, redirect: false})"

#: What is no page of the site.
ELSEWHERE = [
    "//evil.example/x",
    "/\\evil.example",
    "https://evil.example/",
    "https://127.0.0.1@evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
]
#: Where no answer may lead, whoever gave it.
NO_PAGES = [
    "javascript:window.isRun=1",
    "JaVaScRiPt:window.isRun=1",
    " java\nscript:window.isRun=1",
    "data:text/html,<script>parent.isRun=1</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "about:blank",
    "blob:http://127.0.0.1/x",
    "mailto:ada@example.com",
]


@pytest.fixture
def site() -> Iterator[ClientSite]:
    with serving_client_site() as running:
        yield running


@pytest.fixture
def person(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    with somebody(chromium, site) as person:
        yield person


def is_at(tab: Tab, path: str) -> None:
    expect(tab.page).to_have_url(f"{tab.site.origin}{path}")


def marks(tab: Tab) -> None:
    """So that one can see whether the page is loaded anew."""
    tab.page.evaluate("window.isMarked = true")


def is_marked(tab: Tab) -> bool:
    return tab.page.evaluate("window.isMarked === true") is True


def fills_in_sign_in_page(tab: Tab) -> None:
    tab.page.get_by_label("User name").fill("ada")
    tab.page.get_by_label("Password").fill("ok")
    tab.page.get_by_role("button", name="Sign in").click()


# With credentials.


def test_without_a_redirect_the_page_stays_and_all_tabs_know(
    person: Person, site: ClientSite
) -> None:
    tab, other = person.tab("/notes"), person.tab()
    other.sees("nobody")
    marks(tab)
    url = f"{site.origin}/notes"
    result = {"ok": True, "status": 200, "error": None, "url": url}
    assert tab.calls(STAYING, ADA) == result
    assert tab.snapshot()["user"]["name"] == "Ada"
    tab.sees("Ada")
    other.sees("Ada", within=1000)
    assert is_marked(tab)


def test_with_a_redirect_it_goes_where_it_is_told(person: Person) -> None:
    tab = person.tab()
    tab.is_led_away_by(CREDENTIALS, {**ADA, "callbackUrl": "/notes?page=2#end"})
    is_at(tab, "/notes?page=2#end")
    tab.sees("Ada")


@pytest.mark.parametrize("path", ["/", "/notes?page=2", "/notes?page=2#end"])
def test_by_default_it_comes_back_to_the_page_itself(person: Person, path: str) -> None:
    tab = person.tab(path)
    marks(tab)
    tab.is_led_away_by(CREDENTIALS, ADA)
    tab.page.wait_for_function("!window.isMarked")
    tab.sees("Ada")
    is_at(tab, path)


def test_from_a_sign_in_page_it_goes_where_that_was_asked_to_lead(person: Person) -> None:
    tab = person.tab(f"/login?callbackUrl={quote('/notes?page=2#end')}")
    tab.is_led_away_by(CREDENTIALS, ADA)
    is_at(tab, "/notes?page=2#end")
    tab.sees("Ada")


def test_a_change_of_nothing_but_the_hash_loads_the_page_anew(person: Person) -> None:
    tab = person.tab("/notes#top")
    marks(tab)
    tab.begins(CREDENTIALS, {**ADA, "callbackUrl": "/notes#end"})
    tab.page.wait_for_function("!window.isMarked")
    tab.sees("Ada")
    is_at(tab, "/notes#end")


def test_who_signs_in_over_somebody_is_who_is_signed_in(person: Person) -> None:
    tab, other = person.signs_in("bo").tab(), person.tab()
    other.sees("Bo")
    tab.calls(STAYING, ADA)
    tab.sees("Ada")
    other.sees("Ada", within=1000)


def test_a_wrong_password_is_said_to_who_stays(person: Person) -> None:
    tab = person.tab()
    marks(tab)
    result = {"ok": False, "status": 401, "error": "credentials_signin", "url": None}
    assert tab.calls(STAYING, WRONG) == result
    assert tab.snapshot() is None
    assert is_marked(tab)


def test_a_wrong_password_is_said_on_the_sign_in_page(person: Person) -> None:
    tab = person.tab("/notes?page=2")
    tab.is_led_away_by(CREDENTIALS, WRONG)
    expect(tab.page.get_by_role("alert")).to_have_text(
        "The user name or the password is not right."
    )
    # From which it goes on to where the person was.
    fills_in_sign_in_page(tab)
    is_at(tab, "/notes?page=2")
    tab.sees("Ada")


def test_a_wrong_password_leaves_who_is_signed_in(person: Person) -> None:
    tab = person.signs_in("bo").tab()
    assert tab.calls(STAYING, WRONG)["ok"] is False
    assert tab.calls("(client) => client.getSession()")["user"]["name"] == "Bo"


def test_without_an_answer_it_says_so(person: Person) -> None:
    tab = person.tab()
    person.context.set_offline(True)
    for script in (STAYING, CREDENTIALS, "(client) => client.signIn('op')"):
        assert tab.fails(script, ADA) == ("network", 0)
    assert tab.snapshot() is None


def test_a_no_without_a_page_says_why(person: Person, site: ClientSite) -> None:
    site.answers[SIGN_IN] = Answer(429, "<h1>Too Many Requests</h1>", "text/html")
    tab = person.tab()
    assert tab.fails(CREDENTIALS, ADA) == ("http_429", 429)
    result = {"ok": False, "status": 429, "error": "http_429", "url": None}
    assert tab.calls(STAYING, ADA) == result


# On the sign-in page, and with a provider.


def test_without_a_provider_it_is_the_sign_in_page_and_back(person: Person) -> None:
    tab = person.tab("/notes?page=2#end")
    tab.is_led_away_by("(client) => client.signIn()")
    assert urlsplit(tab.page.url).path == "/auth/signin"
    fills_in_sign_in_page(tab)
    is_at(tab, "/notes?page=2#end")
    tab.sees("Ada")


def test_an_unknown_provider_is_refused(person: Person) -> None:
    tab = person.tab()
    assert tab.fails("(client) => client.signIn('nowhere')") == ("unknown_provider", 404)
    result = {"ok": False, "status": 404, "error": "unknown_provider", "url": None}
    assert tab.calls("(client) => client.signIn('nowhere', {redirect: false})") == result


def test_the_name_of_a_provider_is_no_path(person: Person, site: ClientSite) -> None:
    tab = person.signs_in().tab()
    for name in ("../signout", "..%2fsignout", "../../x", ".", "a/b", "?x", "#x"):
        tab.begins("(client, name) => client.signIn(name, {redirect: false})", name)
        assert tab.ends()["value"]["ok"] is False, name
    assert tab.calls("(client) => client.getSession()") is not None
    assert SIGN_OUT not in site.asked


def test_a_provider_signs_in_and_leads_back(chromium: Chromium) -> None:
    with (
        FaultyProvider() as provider,
        serving_client_site() as site,
        somebody(chromium, site) as person,
    ):
        site.add_provider(provider)
        tab, other = person.tab("/notes?page=2"), person.tab()
        # Nothing has happened yet: who asked goes there.
        staying = "(client) => client.signIn('op', {redirect: false})"
        result = tab.calls(staying)
        assert (result["ok"], result["status"], result["error"]) == (True, 200, None)
        assert result["url"].startswith(f"{provider.issuer}/authorize?")
        assert provider.count("authorize") == 0

        hints = {"login_hint": "ada@example.com", "prompt": "login", "redirect_uri": "//evil"}
        tab.is_led_away_by("(client, hints) => client.signIn('op', {}, hints)", hints)
        tab.sees("Ada Lovelace")
        is_at(tab, "/notes?page=2")
        other.sees("Ada Lovelace", within=1000)
        [asked] = provider.requests_to("authorize")
        assert asked.query["login_hint"] == "ada@example.com"
        assert asked.query["prompt"] == "login"
        assert asked.query["redirect_uri"] == f"{site.origin}/auth/callback/op"


def test_a_provider_that_is_down_is_said_to_be(chromium: Chromium) -> None:
    with (
        FaultyProvider() as provider,
        serving_client_site() as site,
        somebody(chromium, site) as person,
    ):
        site.add_provider(provider)
        tab = person.tab()
        with provider.down():
            result = tab.calls("(client) => client.signIn('op', {redirect: false})")
            assert (result["ok"], result["status"], result["url"]) == (False, 502, None)
            tab.is_led_away_by("(client) => client.signIn('op')")
        assert urlsplit(tab.page.url).path == "/auth/error"


# Where it leads.


def test_an_evil_target_is_the_start_page(person: Person, site: ClientSite) -> None:
    tab = person.tab("/notes")
    for target in ELSEWHERE:
        assert tab.calls(STAYING, {**ADA, "callbackUrl": target})["url"] == site.origin, target
    tab.is_led_away_by(CREDENTIALS, {**ADA, "callbackUrl": "//evil.example/x"})
    is_at(tab, "/")


def test_an_evil_target_in_the_query_is_the_start_page(person: Person) -> None:
    tab = person.tab(f"/login?callbackUrl={quote('https://evil.example/')}")
    tab.is_led_away_by(CREDENTIALS, ADA)
    is_at(tab, "/")


def test_an_evil_target_is_not_in_the_form_of_the_sign_in_page(person: Person) -> None:
    tab = person.tab(f"/login?callbackUrl={quote('javascript:alert(1)')}")
    tab.is_led_away_by("(client) => client.signIn()")
    assert parse_qs(urlsplit(tab.page.url).query)["callbackUrl"] == ["javascript:alert(1)"]
    assert tab.page.locator("input[name=callbackUrl]").count() == 0
    fills_in_sign_in_page(tab)
    is_at(tab, "/")


@pytest.mark.parametrize("call", [CREDENTIALS, "(client) => client.signOut()"])
def test_a_url_that_is_no_page_is_not_followed(person: Person, site: ClientSite, call: str) -> None:
    tab = person.signs_in().tab()
    marks(tab)
    for url in NO_PAGES:
        text = url.replace("\n", "\\n")
        answer = Answer(200, f'{{"url": "{text}"}}', "application/json")
        site.answers.update({SIGN_IN: answer, SIGN_OUT: answer})
        assert tab.fails(call, ADA) == ("network", 0), url
    assert tab.page.evaluate("window.isRun === undefined") is True
    assert is_marked(tab)
    is_at(tab, "/")


@pytest.mark.parametrize(
    "call",
    [CREDENTIALS, STAYING, "(client) => client.signIn('op', {redirect: false})"],
    ids=["credentials", "credentials that stay", "provider"],
)
def test_an_answer_without_a_url_leads_nowhere(person: Person, site: ClientSite, call: str) -> None:
    tab = person.tab()
    for body in ("null", "{}", "[]", '"/x"', '{"url": null}', '{"url": 7}', '{"url": "http://["}'):
        answer = Answer(200, body, "application/json")
        site.answers.update({SIGN_IN: answer, "POST /auth/signin/op": answer})
        assert tab.fails(call, ADA) == ("network", 0), body
    is_at(tab, "/")


def test_a_field_without_a_value_is_not_sent(person: Person) -> None:
    tab = person.tab()
    fields = "{username: 'ada', password: 'no', otp: undefined, redirect: false}"
    with tab.page.expect_request("**/auth/callback/credentials*") as sent:
        tab.calls(f"(client) => client.signIn('credentials', {fields})")
    assert "password=no" in (sent.value.post_data or "")
    assert "otp" not in (sent.value.post_data or "")
