"""One session for Express with the published @auth/express and for Flask, at one origin: what
docs/authjs.rst and docs/shared-session.rst say of it, with the real server.

Express is the front, as the Node application of a team usually is; see ``server.mjs``.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from flask_jwtsession import (
    JWTEvent,
    current_session,
    revoke_session,
    revoke_user,
    session_rejected,
    signed_in,
    signed_out,
)

from ..auth_express import BELOW, PLAIN, SECURE, AuthExpress, Site, Visitor, serving
from ..browsers import running_browser
from ..oidc_provider import OidcProvider, Person
from ..support import NAVIGATION, OTHER_SECRET, SECRET

BOTH = ["express", "flask"]
OTHER = {"express": "flask", "flask": "express"}
DAY = 86_400
#: So many characters of a claim make a token that needs two chunks, and one that needs none.
LONG, SHORT = 3500, 10


@pytest.fixture(scope="module")
def express() -> Iterator[AuthExpress]:
    with AuthExpress() as running:
        yield running


@pytest.fixture
def site(express: AuthExpress) -> Iterator[Site]:
    with serving(express) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser("--host-resolver-rules=MAP *.example.test 127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


# A person in a browser.


class Visit:
    """Somebody with a browser of their own."""

    #: What the buttons of the sign-in pages say.
    BUTTONS = re.compile("^Sign in( with Credentials)?$")

    def __init__(self, site: Site, context: BrowserContext, origin: str | None = None) -> None:
        self.site = site
        self.origin = origin or site.origin
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.origin}{path}")

    def is_at(self, path: str) -> None:
        self.page.wait_for_url(re.compile(f"^{self.origin}{re.escape(path)}([?#].*)?$"))

    def sees(self, title: str, who: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)
        expect(self.page.locator("#who")).to_have_text(who)

    def signs_in(self, *, password: str = "ok") -> None:  # noqa: S107 - a password of the tests
        """On the sign-in page of either."""
        self.page.get_by_label("User name").fill("ada")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name=self.BUTTONS).click()

    def signs_out(self) -> None:
        """By the link on the page, and the button on the page where it leads."""
        self.page.get_by_role("link", name="Sign out").click()
        self.page.get_by_role("button", name="Sign out").click()

    def updates(self, where: str, **data: Any) -> None:
        """As a client of Auth.js does, at either."""
        script = """
            async ([below, data]) => {
                const {csrfToken} = await (await fetch(`${below}/csrf`)).json();
                const answer = await fetch(`${below}/session`, {
                    method: "POST",
                    headers: {"Content-Type": "application/json"},
                    body: JSON.stringify({csrfToken, data}),
                });
                return answer.status;
            }
        """
        assert self.page.evaluate(script, [BELOW[where], data]) == 200

    def session_cookies(self) -> set[str]:
        names = {str(cookie.get("name")) for cookie in self.context.cookies()}
        return {name for name in names if "session-token" in name}


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Visit]:
    with browser.new_context() as context:
        yield Visit(site, context)


NOTES = {"express": "/notes", "flask": "/flask/notes"}
TITLES = {"express": "Notes at Express", "flask": "Notes at Flask"}


@pytest.mark.parametrize(("here", "there"), OTHER.items())
def test_who_signs_in_at_one_is_known_to_both_until_they_sign_out_at_the_other(
    visit: Visit, here: str, there: str
) -> None:
    visit.go(NOTES[here])
    visit.is_at(f"{BELOW[here]}/signin")
    visit.signs_in()
    visit.is_at(NOTES[here])
    visit.sees(TITLES[here], "Ada")
    assert visit.session_cookies() == {PLAIN}
    visit.page.get_by_role("link", name=TITLES[there]).click()
    visit.is_at(NOTES[there])
    visit.sees(TITLES[there], "Ada")
    visit.signs_out()
    visit.is_at("/")
    visit.sees("Express", "nobody")
    assert visit.session_cookies() == set()
    visit.go("/flask/open")
    visit.sees("Notes at Flask", "nobody")
    for where in BOTH:
        visit.go(NOTES[where])
        visit.is_at(f"{BELOW[where]}/signin")
    assert visit.site.express.complaints() == []


def test_flask_can_send_people_to_the_sign_in_page_of_express(
    express: AuthExpress, browser: Browser
) -> None:
    with (
        serving(express, PAGES={"sign_in": "/auth/signin"}) as site,
        browser.new_context() as context,
    ):
        visit = Visit(site, context)
        visit.go("/flask/notes?page=2")
        visit.is_at("/auth/signin")
        visit.signs_in(password="wrong")
        expect(visit.page.get_by_text("Sign in failed")).to_be_visible()
        visit.signs_in()
        visit.is_at("/flask/notes")
        assert visit.page.url.endswith("?page=2")
        visit.sees("Notes at Flask", "Ada")


def test_express_can_send_people_to_the_sign_in_page_of_flask(
    express: AuthExpress, browser: Browser
) -> None:
    settings = {"pages": {"signIn": "/flask/auth/signin"}}
    with serving(express, settings=settings) as site, browser.new_context() as context:
        visit = Visit(site, context)
        visit.go("/notes")
        visit.is_at("/flask/auth/signin")
        visit.signs_in()
        visit.is_at("/notes")
        visit.sees("Notes at Express", "Ada")


def test_a_fresh_view_asks_who_signed_in_at_express_to_sign_in_at_flask(visit: Visit) -> None:
    visit.go("/notes")
    visit.signs_in()
    visit.sees("Notes at Express", "Ada")
    visit.go("/flask/payment")
    visit.is_at("/flask/auth/signin")
    visit.signs_in()
    visit.is_at("/flask/payment")
    expect(visit.page.get_by_role("heading")).to_have_text("Paid")
    visit.go("/notes")
    visit.sees("Notes at Express", "Ada")


def test_who_only_ever_signs_in_at_express_does_not_get_into_a_fresh_view(
    express: AuthExpress,
) -> None:
    with serving(express, PAGES={"sign_in": "/auth/signin"}) as site:
        visitor = site.visitor()
        for _ in range(2):
            visitor.sign_in("express")
            answer = visitor.get("/flask/payment", **page_headers())
            assert answer.headers["Location"].startswith("/auth/signin?")
        visitor.sign_in("flask")
        assert visitor.get("/flask/payment").status_code == 200


def page_headers() -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in NAVIGATION.items()}


def test_a_browser_takes_the_cookies_of_both_over_tls(
    express: AuthExpress, browser: Browser
) -> None:
    with (
        serving(express, proxy_fix=True) as site,
        browser.new_context(ignore_https_errors=True) as context,
    ):
        visit = Visit(site, context, express.https_origin)
        visit.go("/notes")
        visit.signs_in()
        visit.sees(TITLES["express"], "Ada")
        assert visit.session_cookies() == {SECURE}
        visit.updates("flask", notes="x" * LONG)
        assert visit.session_cookies() == {f"{SECURE}.0", f"{SECURE}.1"}
        visit.go("/notes")
        visit.sees(TITLES["express"], "Ada")
        visit.updates("express", notes="x" * SHORT)
        assert visit.session_cookies() == {SECURE}
        visit.go("/flask/notes")
        visit.sees(TITLES["flask"], "Ada")
        cookies = {str(one.get("name")): one for one in context.cookies()}
        assert cookies[SECURE].get("secure") is True
        assert "__Host-authjs.csrf-token" in cookies
        visit.signs_out()
        visit.sees("Express", "nobody")
        assert visit.session_cookies() == set()


def test_nobody_is_signed_out_by_many_requests_to_both_at_once(visit: Visit) -> None:
    visit.go("/flask/notes")
    visit.signs_in()
    visit.sees("Notes at Flask", "Ada")
    fetches = """
        async (count) => {
            const {csrfToken} = await (await fetch("/auth/csrf")).json();
            const post = (path, body) => fetch(path, {
                method: "POST",
                headers: {"Content-Type": "application/json"},
                body: JSON.stringify(body),
            });
            const ways = [
                () => fetch("/who"),
                () => fetch("/auth/session"),
                () => fetch("/flask/who"),
                () => fetch("/flask/auth/session"),
                (company) => post("/flask/update", {company}),
                (company) => post("/flask/auth/session", {data: {company}}),
                (company) => post("/auth/session", {csrfToken, data: {company}}),
            ];
            return Promise.all(Array.from({length: count}, async (_, number) => {
                const answer = await ways[number % ways.length](number);
                return [answer.status, (await answer.json())?.user?.name];
            }));
        }
    """
    assert visit.page.evaluate(fetches, 42) == [[200, "Ada"]] * 42
    visit.go("/notes")
    visit.sees("Notes at Express", "Ada")
    visit.go("/flask/notes")
    visit.sees("Notes at Flask", "Ada")
    assert visit.session_cookies() == {PLAIN}
    assert visit.site.express.complaints() == []


# Two tabs, and the module of Flask in both: a page of Express imports it too.


@dataclass
class Tabs:
    """One browser with a page of each, which follow the session without a reload."""

    visit: Visit
    express: Page
    flask: Page

    def show(self, who: str) -> None:
        for tab in (self.express, self.flask):
            expect(tab.locator("#who")).to_have_text(who)

    def call(self, where: str, code: str) -> None:
        """Run ``code`` in one of the pages, with the module as ``client``."""
        tab = {"express": self.express, "flask": self.flask}[where]
        tab.evaluate(f"async () => {{ const client = await import('{CLIENT}'); await {code}; }}")


CLIENT = "/flask/auth/client.js"


@pytest.fixture
def tabs(visit: Visit) -> Tabs:
    flask = visit.context.new_page()
    flask.set_default_timeout(15_000)
    flask.goto(f"{visit.origin}/flask/live")
    visit.go("/live")
    return Tabs(visit, visit.page, flask)


def test_an_open_page_of_flask_follows_a_sign_in_and_a_sign_out_at_express(tabs: Tabs) -> None:
    tabs.show("nobody")
    tabs.visit.go("/auth/signin?callbackUrl=/live")
    tabs.visit.signs_in()
    tabs.show("Ada")
    tabs.visit.go("/auth/signout?callbackUrl=/live")
    tabs.express.get_by_role("button", name="Sign out").click()
    tabs.show("nobody")


@pytest.mark.parametrize("where", BOTH)
def test_what_the_module_does_in_a_page_of_either_is_seen_in_the_other(
    tabs: Tabs, where: str
) -> None:
    tabs.call(
        where, "client.signIn('credentials', {username: 'ada', password: 'ok', redirect: false})"
    )
    tabs.show("Ada")
    tabs.call(where, "client.update({name: 'Ada Lovelace'})")
    tabs.show("Ada Lovelace")
    tabs.visit.go("/notes")
    tabs.visit.sees("Notes at Express", "Ada Lovelace")
    tabs.visit.go("/live")
    tabs.call(where, "client.signOut({redirect: false})")
    tabs.show("nobody")
    assert tabs.visit.session_cookies() == set()


def test_a_page_of_flask_learns_of_an_update_at_express_when_it_is_looked_at(tabs: Tabs) -> None:
    tabs.visit.go("/notes")
    tabs.visit.signs_in()
    tabs.visit.go("/live")
    tabs.show("Ada")
    # The client of Auth.js tells the pages of its own kind only.
    tabs.visit.updates("express", name="Ada Lovelace")
    tabs.flask.evaluate("window.dispatchEvent(new Event('focus'))")
    tabs.show("Ada Lovelace")


# Two hosts of one domain.


def test_two_hosts_of_one_domain_share_a_session(express: AuthExpress, browser: Browser) -> None:
    domain = "example.test"
    settings = {"cookies": {"sessionToken": {"options": {"domain": domain}}}}
    with (
        serving(express, settings=settings, proxy_fix=True, COOKIE_DOMAIN=domain) as site,
        browser.new_context(ignore_https_errors=True) as context,
    ):
        shop, wiki = (
            Visit(site, context, express.https_origin.replace("localhost", f"{name}.{domain}"))
            for name in ["shop", "wiki"]
        )
        wiki.go("/flask/notes")
        wiki.signs_in()
        wiki.sees(TITLES["flask"], "Ada")
        shop.go("/notes")
        shop.sees(TITLES["express"], "Ada")
        wiki.updates("flask", notes="x" * LONG)
        assert shop.session_cookies() == {f"{SECURE}.0", f"{SECURE}.1"}
        shop.updates("express", notes="x" * SHORT)
        assert wiki.session_cookies() == {SECURE}
        wiki.go("/flask/notes")
        wiki.sees(TITLES["flask"], "Ada")
        shop.signs_out()
        shop.sees("Express", "nobody")
        assert shop.session_cookies() == set()


# What each knows of the session of the other.


def test_a_session_of_express_has_its_claims_and_roles_at_flask(site: Site) -> None:
    visitor = site.signed_in("express")
    session = visitor.session("flask")
    assert session["user"] == {
        "id": "7",
        "name": "Ada",
        "email": "ada@example.com",
        "image": None,
        "roles": ["editor"],
    }
    assert session["desk"] == "north"
    assert visitor.get("/flask/notes").status_code == 200


def test_a_session_of_flask_has_its_claims_and_roles_at_express(site: Site) -> None:
    visitor = site.signed_in("flask")
    assert visitor.session("express")["user"] == {
        "id": "7",
        "name": "Ada",
        "email": "ada@example.com",
        "roles": ["editor"],
    }
    assert visitor.get("/notes").status_code == 200


@pytest.mark.parametrize("leaves_at", BOTH)
@pytest.mark.parametrize("enters_at", BOTH)
def test_a_sign_in_and_a_sign_out_at_either_are_those_of_both(
    site: Site, enters_at: str, leaves_at: str
) -> None:
    visitor = site.visitor()
    assert visitor.known() == (None, None)
    visitor.sign_in(enters_at)
    assert visitor.known() == ("Ada", "Ada")
    visitor.sign_out(leaves_at)
    assert visitor.known() == (None, None)
    assert visitor.session_cookies == {}


@pytest.mark.parametrize("where", BOTH)
def test_the_person_after_a_second_sign_in_is_the_same_for_both(site: Site, where: str) -> None:
    visitor = site.signed_in("flask")
    visitor.sign_in(where, "grace")
    assert visitor.known() == ("Grace", "Grace")


def test_claims_that_both_set_survive_what_either_issues(site: Site) -> None:
    @site.auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        token.setdefault("company", 3)  # who signed in at Express did not get it at the sign-in
        return token

    visitor = site.signed_in("express")
    visitor.session("flask")
    for where in ["express", "flask", "express"]:
        visitor.update(where, {})
        session = visitor.session("express")
        assert (session["desk"], session["company"]) == ("north", 3)
        assert session["user"]["roles"] == ["editor"]
        session = visitor.session("flask")
        assert (session["desk"], session["company"]) == ("north", 3)
        assert session["user"]["roles"] == ["editor"]


def test_what_flask_keeps_is_the_same_after_express_has_issued_it(site: Site) -> None:
    visitor = site.signed_in("flask")
    kept = {
        "text": 'Zoë 🦊 李小龍 \0 " \\ \u2028 <script>',
        "numbers": [0, -1, 1.5, 1e300, 2**53, 1_795_276_399.313_118_5],
        "nested": {"": [], "deep": {"none": None, "on": True, "off": False}},
    }
    visitor.update_in_view(kept=kept)
    before = visitor.claims()
    assert before["kept"] == kept
    visitor.session("express")
    new_at_each_issue = {"iat", "exp", "jti"}
    after = visitor.claims()
    assert after.keys() == before.keys()
    assert {one for one in after if after[one] != before[one]} <= new_at_each_issue


def test_a_sign_in_is_told_to_the_application_where_it_was(site: Site) -> None:
    told: list[str] = []

    def tell_in(sender: object, **arguments: Any) -> None:
        told.append("in")

    def tell_out(sender: object, reason: str, **arguments: Any) -> None:
        told.append(reason)

    with signed_in.connected_to(tell_in, site.app), signed_out.connected_to(tell_out, site.app):
        visitor = site.signed_in("express")
        assert visitor.knows("flask") == "Ada"
        visitor.sign_out("express")
        assert visitor.knows("flask") is None
        assert told == []
        visitor = site.signed_in("flask")
        visitor.sign_out("flask")
        assert told == ["in", "user"]


# Updates.


@pytest.mark.parametrize("began_at", BOTH)
def test_an_update_in_a_view_of_flask_is_seen_by_express(site: Site, began_at: str) -> None:
    visitor = site.signed_in(began_at)
    visitor.update_in_view(company=4, name="Ada Lovelace")
    assert visitor.knows("express") == "Ada Lovelace"
    assert visitor.session("express")["company"] == 4


@pytest.mark.parametrize("began_at", BOTH)
@pytest.mark.parametrize("where", BOTH)
def test_an_update_from_the_browser_at_either_is_seen_by_both(
    site: Site, began_at: str, where: str
) -> None:
    visitor = site.signed_in(began_at)
    assert visitor.update(where, {"company": 4})["company"] == 4
    assert visitor.session("flask")["company"] == 4
    assert visitor.session("express")["company"] == 4


def test_what_the_browser_may_not_change_at_flask_it_may_at_an_express_that_takes_everything(
    site: Site,
) -> None:
    visitor = site.signed_in("express")
    visitor.update("flask", {"sub": "8", "roles": ["admin"]})
    assert visitor.session("express")["user"]["roles"] == ["editor"]
    visitor.update("express", {"sub": "8", "roles": ["admin"], "auth_time": 1, "sid": "mine"})
    user = visitor.session("flask")["user"]
    assert (user["id"], user["roles"]) == ("8", ["admin"])
    assert visitor.claims()["sid"] == "mine"


# The CSRF token.


def without_origin(visitor: Visitor) -> Visitor:
    """A program, whose requests do not say where they come from: the token decides."""
    visitor.headers.pop("Sec-Fetch-Site")
    return visitor


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("where", BOTH)
def test_each_takes_the_csrf_token_of_the_other(
    express: AuthExpress, where: str, https: bool
) -> None:
    with serving(express, proxy_fix=True) as site:
        visitor = without_origin(site.signed_in(where, https=https))
        token = visitor.csrf_token(OTHER[where])
        body = {"csrfToken": token, "data": {"company": 4}}
        assert visitor.post(f"{BELOW[where]}/session", body=body).json()["company"] == 4
        assert visitor.csrf_token(where) == token
        answer = visitor.post(f"{BELOW[where]}/signout", {"csrfToken": token})
        assert answer.status_code == 302
        assert visitor.session_cookies == {}


@pytest.mark.parametrize("where", BOTH)
def test_without_the_csrf_token_neither_changes_anything(site: Site, where: str) -> None:
    visitor = without_origin(site.signed_in(where))
    visitor.csrf_token(OTHER[where])
    for token in ["", "0" * 64]:
        visitor.post(f"{BELOW[where]}/session", body={"csrfToken": token, "data": {"company": 4}})
        visitor.post(f"{BELOW[where]}/signout", {"csrfToken": token})
    session = visitor.session(where)
    assert session["user"]["name"] == "Ada"
    assert session.get("company") is None


# After a sign-out: the table of docs/authjs.rst.

#: How a session ends: the column "a copy of the cookie".
ENDS: dict[str, Callable[[Site, Visitor], None]] = {
    "a sign-out here": lambda site, visitor: visitor.sign_out("flask"),
    "a sign-out here in a view": lambda site, visitor: in_view(visitor, "/flask/leave"),
    "a sign-out at Auth.js": lambda site, visitor: visitor.sign_out("express"),
    "revoke_session": lambda site, visitor: revoke(site, sid=sid_at_flask(visitor)),
    "revoke_user": lambda site, visitor: revoke(site, sub="7"),
}
ENDED_HERE = [name for name in ENDS if name != "a sign-out at Auth.js"]


def in_view(visitor: Visitor, path: str) -> None:
    assert visitor.post(path).status_code == 200


def sid_at_flask(visitor: Visitor) -> str:
    """As Flask sees it, which changes nothing."""
    return str(visitor.get("/flask/claims").json()["sid"])


def revoke(site: Site, *, sid: str | None = None, sub: str | None = None) -> None:
    with site.app.app_context():
        if sid is not None:
            revoke_session(sid)
        if sub is not None:
            revoke_user(sub)


@pytest.mark.parametrize("end", ENDED_HERE)
def test_a_copy_of_a_session_that_began_here_is_dead_here_after(site: Site, end: str) -> None:
    visitor = site.signed_in("flask")
    copy = visitor.copy()
    ENDS[end](site, visitor)
    # Whether or not Auth.js issues it anew.
    assert copy.copy().knows("flask") is None
    copy.session("express")
    assert copy.knows("flask") is None


@pytest.mark.parametrize("end", ENDED_HERE)
def test_a_copy_of_a_session_that_began_at_express_is_dead_here_after(site: Site, end: str) -> None:
    visitor = site.signed_in("express")
    assert visitor.knows("flask") == "Ada"
    copy = visitor.copy()
    ENDS[end](site, visitor)
    assert copy.knows("flask") is None


@pytest.mark.parametrize("end", ENDED_HERE)
def test_but_what_express_issues_anew_is_good_here_if_it_was_never_issued_here(
    site: Site, end: str
) -> None:
    visitor = site.signed_in("express")
    assert visitor.knows("flask") == "Ada"
    copy = visitor.copy()
    ENDS[end](site, visitor)
    if end == "revoke_user":
        # Auth.js counts whole seconds, and it is not the same second in which it was revoked.
        site.advance(1)
    copy.session("express")
    assert copy.knows("flask") == "Ada"


@pytest.mark.parametrize("end", ENDED_HERE)
def test_a_copy_of_a_session_that_was_issued_here_once_is_dead_here_for_good(
    site: Site, end: str
) -> None:
    visitor = site.signed_in("express")
    visitor.update_in_view(company=4)
    visitor.session("express")
    copy = visitor.copy()
    ENDS[end](site, visitor)
    if end == "revoke_user":
        site.advance(1)
    copy.session("express")
    assert copy.knows("flask") is None


@pytest.mark.parametrize("began_at", BOTH)
def test_after_a_sign_out_at_express_a_copy_is_good_here_until_it_expires(
    express: AuthExpress, began_at: str
) -> None:
    with serving(express, settings={"session": {"maxAge": DAY}}, MAX_AGE=DAY) as site:
        visitor = site.signed_in(began_at)
        copy = visitor.copy()
        visitor.sign_out("express")
        assert visitor.known() == (None, None)
        assert copy.knows("flask") == "Ada"
        site.advance(DAY + 60)
        assert copy.knows("flask") is None


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("began_at", BOTH)
def test_at_express_a_copy_is_good_until_it_expires_whatever_ended_it(
    express: AuthExpress, began_at: str, end: str
) -> None:
    with serving(express, settings={"session": {"maxAge": DAY}}, MAX_AGE=DAY) as site:
        visitor = site.signed_in(began_at)
        copy = visitor.copy()
        ENDS[end](site, visitor)
        # It counts anew each time that Auth.js issues it.
        for _ in range(2):
            site.advance(DAY - 60)
            assert copy.session("express")["user"]["name"] == "Ada"
        site.advance(DAY + 60)
        assert copy.knows("express") is None


@pytest.mark.parametrize("end", ["revoke_session", "revoke_user"])
def test_a_revoked_session_ends_for_both_when_its_browser_next_comes_here(
    site: Site, end: str
) -> None:
    visitor = site.signed_in("flask")
    ENDS[end](site, visitor)
    assert visitor.knows("express") == "Ada"
    assert visitor.get("/flask/notes").status_code == 401
    assert visitor.session_cookies == {}
    assert visitor.knows("express") is None


@pytest.mark.parametrize("began_at", BOTH)
def test_who_is_refused_by_both_jwt_callbacks_is_out_on_both_with_any_copy(
    site: Site, began_at: str
) -> None:
    refused: set[str] = set()

    @site.auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
        return None if token["sub"] in refused else token

    visitor = site.signed_in(began_at)
    assert visitor.known() == ("Ada", "Ada")
    refused.add("7")
    site.set_express(refuses=["7"])
    assert visitor.copy().known() == (None, None)
    for where in BOTH:
        copy = visitor.copy()
        assert copy.session(where) is None
        assert copy.session_cookies == {} or where == "flask"
    assert site.signed_in("express", "grace").known() == ("Grace", "Grace")


def test_an_answer_of_express_that_crosses_a_sign_out_here_brings_nobody_back_here(
    site: Site,
) -> None:
    visitor = site.signed_in("flask")
    late = visitor.copy()
    visitor.sign_out("flask")
    late.session("express")
    visitor.cookies |= late.session_cookies
    assert visitor.known() == ("Ada", None)
    visitor.sign_in("flask", "grace")
    assert visitor.known() == ("Grace", "Grace")


def test_a_sign_in_at_express_does_not_end_a_copy_of_the_session_before(site: Site) -> None:
    visitor = site.signed_in("flask")
    copy = visitor.copy()
    visitor.sign_in("express", "grace")
    assert copy.known() == ("Ada", "Ada")
    # As a sign-in here does.
    visitor = site.signed_in("flask")
    copy = visitor.copy()
    visitor.sign_in("flask", "grace")
    assert copy.known() == ("Ada", None)


# What a token of Auth.js lacks.


def test_of_a_session_of_express_the_sid_is_another_one_until_flask_issues_it(site: Site) -> None:
    visitor = site.signed_in("express")
    assert "sid" not in visitor.claims()
    first = sid_at_flask(visitor)
    assert sid_at_flask(visitor) == first
    visitor.session("express")
    assert sid_at_flask(visitor) != first

    visitor.update_in_view(company=4)
    kept = visitor.claims()["sid"]
    for _ in range(2):
        visitor.session("express")
        visitor.update("express", {"company": 5})
        assert visitor.claims()["sid"] == sid_at_flask(visitor) == kept


def test_a_claim_that_flask_adds_on_the_first_request_fixes_the_sid(site: Site) -> None:
    @site.auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        token.setdefault("company", 3)
        return token

    visitor = site.signed_in("express")
    assert visitor.knows("flask") == "Ada"
    kept = visitor.claims()["sid"]
    copy = visitor.copy()
    visitor.session("express")
    assert sid_at_flask(visitor) == kept
    visitor.sign_out("flask")
    copy.session("express")
    assert copy.knows("flask") is None


def test_parallel_first_requests_agree_on_the_sid(site: Site) -> None:
    visitor = site.signed_in("express")
    copies = [visitor.copy() for _ in range(8)]

    def update(copy: Visitor) -> str:
        copy.update_in_view(company=4)
        return str(copy.claims()["sid"])

    with ThreadPoolExecutor(len(copies)) as pool:
        assert len(set(pool.map(update, copies))) == 1


def test_a_session_of_express_is_never_fresh(site: Site) -> None:
    visitor = site.signed_in("express")
    assert visitor.get("/flask/payment").status_code == 401
    visitor.update_in_view(company=4)
    assert visitor.get("/flask/payment").status_code == 401
    visitor.session("express")
    assert visitor.get("/flask/payment").status_code == 401
    assert "auth_time" not in visitor.claims()


def test_who_has_signed_in_at_flask_stays_fresh_when_express_issues_the_session(site: Site) -> None:
    visitor = site.signed_in("express")
    visitor.sign_in("flask")
    moment = visitor.claims()["auth_time"]
    visitor.session("express")
    assert visitor.claims()["auth_time"] == moment
    assert visitor.get("/flask/payment").status_code == 200
    # A sign-in at Express begins another session, which is not.
    visitor.sign_in("express")
    assert visitor.get("/flask/payment").status_code == 401


def test_the_absolute_end_holds_here_whatever_express_issues(express: AuthExpress) -> None:
    with serving(express, ABSOLUTE_MAX_AGE=DAY) as site:
        visitor = site.signed_in("flask")
        site.advance(DAY - 600)
        visitor.session("express")
        assert visitor.known() == ("Ada", "Ada")
        site.advance(1200)
        assert visitor.session("express")["user"]["name"] == "Ada"
        assert visitor.knows("flask") is None
        # That answer has deleted the cookie.
        assert visitor.knows("express") is None


def test_of_a_session_of_express_the_absolute_age_counts_from_when_it_was_issued_here(
    express: AuthExpress,
) -> None:
    with serving(express, ABSOLUTE_MAX_AGE=DAY) as site:
        visitor = site.signed_in("express")
        for _ in range(3):
            site.advance(DAY - 600)
            visitor.session("express")
            assert visitor.knows("flask") == "Ada"
        visitor.update_in_view(company=4)
        site.advance(DAY - 600)
        visitor.session("express")
        assert visitor.knows("flask") == "Ada"
        site.advance(1200)
        visitor.session("express")
        assert visitor.knows("flask") is None


# Long sessions.


@pytest.fixture(params=["http", "https, ProxyFix", "https, BASE_URL"])
def any_site(request: pytest.FixtureRequest, express: AuthExpress) -> Iterator[tuple[Site, bool]]:
    """The site, and whether its visitors come over https."""
    https = express.origin.replace("http:", "https:")
    configs: dict[str, dict[str, Any]] = {
        "http": {},
        "https, ProxyFix": {"proxy_fix": True},
        "https, BASE_URL": {"BASE_URL": https},
    }
    with serving(express, **configs[request.param]) as running:
        yield running, request.param != "http"


@pytest.mark.parametrize("began_at", BOTH)
def test_over_https_and_http_both_use_the_same_names(
    any_site: tuple[Site, bool], began_at: str
) -> None:
    site, https = any_site
    visitor = site.signed_in(began_at, https=https)
    for where in BOTH:
        visitor.update(where, {"company": 4})
    name = SECURE if https else PLAIN
    assert {one for one in visitor.cookies if "session" in one} == {name}
    csrf = "__Host-authjs.csrf-token" if https else "authjs.csrf-token"
    assert {one for one in visitor.cookies if "csrf" in one} == {csrf}
    assert visitor.known() == ("Ada", "Ada")
    visitor.sign_out(OTHER[began_at])
    assert visitor.session_cookies == {}


@pytest.mark.parametrize("began_at", BOTH)
def test_chunks_come_and_go_at_either_and_none_is_left_over(
    any_site: tuple[Site, bool], began_at: str
) -> None:
    site, https = any_site
    visitor = site.signed_in(began_at, https=https)
    name = visitor.session_cookie
    chunks = {f"{name}.0", f"{name}.1"}
    for grows_at, shrinks_at in [(one, other) for one in BOTH for other in BOTH]:
        visitor.update(grows_at, {"notes": "x" * LONG})
        assert visitor.session_cookies.keys() == chunks
        assert visitor.known() == ("Ada", "Ada")
        for where in BOTH:
            visitor.update(where, {"company": 4})
            assert visitor.session_cookies.keys() == chunks
        assert visitor.session("express")["company"] == visitor.session("flask")["company"] == 4

        visitor.update(shrinks_at, {"notes": "x" * SHORT})
        assert visitor.session_cookies.keys() == {name}
        assert visitor.known() == ("Ada", "Ada")
    assert site.express.complaints() == []


@pytest.mark.parametrize("leaves_at", BOTH)
@pytest.mark.parametrize("grew_at", BOTH)
def test_a_sign_out_at_either_leaves_no_chunk_of_the_other(
    any_site: tuple[Site, bool], grew_at: str, leaves_at: str
) -> None:
    site, https = any_site
    visitor = site.signed_in("express", https=https)
    visitor.update(grew_at, {"notes": "x" * LONG})
    assert len(visitor.session_cookies) == 2
    visitor.sign_out(leaves_at)
    assert visitor.session_cookies == {}


def test_a_session_that_is_too_long_for_flask_is_read_there_and_can_shrink_there(
    site: Site,
) -> None:
    visitor = site.signed_in("express")
    visitor.update("express", {"notes": "x" * 3 * LONG})
    assert len(visitor.session_cookies) == 4
    assert visitor.known() == ("Ada", "Ada")
    before = visitor.token
    assert visitor.post("/flask/update", body={"company": 4}).status_code == 413
    assert visitor.token == before
    visitor.update_in_view(notes="")
    assert visitor.session_cookies.keys() == {PLAIN}
    assert visitor.known() == ("Ada", "Ada")


def crossing_answers(site: Site) -> Visitor:
    """The session grows at Flask while Express issues it at its old length, and the answer of
    Express comes last.
    """
    visitor = site.signed_in("flask")
    late = visitor.copy()
    visitor.update_in_view(notes="x" * LONG)
    late.session("express")
    visitor.cookies |= late.session_cookies
    assert len(visitor.session_cookies) == 3
    return visitor


def test_answers_of_different_length_that_cross_leave_a_session_that_flask_can_read(
    site: Site,
) -> None:
    visitor = crossing_answers(site)
    assert visitor.knows("flask") == "Ada"
    visitor.update_in_view(company=4)
    assert visitor.session_cookies.keys() == {PLAIN}
    assert visitor.known() == ("Ada", "Ada")


def test_answers_of_different_length_that_cross_sign_out_at_express(site: Site) -> None:
    visitor = crossing_answers(site)
    assert visitor.session("express") is None
    assert visitor.session_cookies == {}
    assert site.express.complaints() == ["JWTSessionError"]


# Secrets.


def known_to(site: Site, visitor: Visitor) -> tuple[str | None, str | None]:
    """Who a copy of the cookie is at Express and at Flask; the browser keeps its own."""
    return visitor.copy().known()


def serving_secrets(express: AuthExpress, at_express: list[str], at_flask: list[str]) -> Any:
    return serving(
        express,
        settings={"secrets": at_express},
        SECRET=at_flask[0],
        SECRET_FALLBACKS=at_flask[1:],
    )


#: The steps of docs/secrets.rst: newest first.
STEPS = [[SECRET], [SECRET, OTHER_SECRET], [OTHER_SECRET, SECRET], [OTHER_SECRET]]


@pytest.mark.parametrize("first", BOTH)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_secret_is_replaced_in_three_steps_at_whichever_comes_first(
    express: AuthExpress, step: int, first: str
) -> None:
    """While one has taken a step and the other has not yet, and when both have."""
    old, new = STEPS[step - 1], STEPS[step]
    at = {first: new, OTHER[first]: old}
    visitors = []
    with serving_secrets(express, at["express"], at["flask"]) as site:
        for where in BOTH:
            visitor = site.signed_in(where)
            assert known_to(site, visitor) == ("Ada", "Ada")
            visitors.append(visitor)
        for visitor in visitors:
            visitor.session("express")
            visitor.update_in_view(company=4)
            assert known_to(site, visitor) == ("Ada", "Ada")
        assert express.complaints() == []
    with serving_secrets(express, new, new) as site:
        for visitor in visitors:
            visitor.site = site
            assert known_to(site, visitor) == ("Ada", "Ada")


def test_flask_leaves_a_cookie_alone_that_it_cannot_read_and_express_deletes_it(
    express: AuthExpress,
) -> None:
    with serving_secrets(express, [SECRET], [OTHER_SECRET]) as site:
        visitor = site.signed_in("express")
        assert visitor.known() == ("Ada", None)
        assert visitor.session("flask") is None
        assert visitor.session_cookies.keys() == {PLAIN}
        visitor = site.signed_in("flask")
        assert visitor.known() == (None, "Ada")
        assert visitor.session("express") is None
        assert visitor.session_cookies == {}


@pytest.mark.parametrize("step", [1, 2], ids=["to read the new one", "to write the new one"])
def test_in_the_environment_of_auth_js_the_numbered_secret_is_the_one_that_encrypts(
    express: AuthExpress, step: int
) -> None:
    encrypts, reads = STEPS[step]
    environment = {"AUTH_SECRET": reads, "AUTH_SECRET_1": encrypts}
    settings = {"secrets": None, "environment": environment}
    with serving(express, settings=settings, SECRET=encrypts, SECRET_FALLBACKS=[reads]) as site:
        for where in BOTH:
            assert site.signed_in(where).known() == ("Ada", "Ada")
        # One token for both: they have the secrets in the same order.
        for where in BOTH:
            visitor = site.visitor()
            assert visitor.csrf_token(where) == visitor.csrf_token(OTHER[where])
    with serving(express, settings=settings, SECRET=encrypts) as site:
        visitor = site.signed_in("express")
        assert visitor.knows("flask") == "Ada"
    with serving(express, settings=settings, SECRET=reads) as site:
        visitor = site.signed_in("express")
        assert visitor.knows("flask") is None


# With a provider.

CLIENT_SECRET = secrets.token_urlsafe(32)


@pytest.fixture
def site_with_provider(express: AuthExpress, provider: OidcProvider) -> Iterator[Site]:
    """People sign in at both with one client of one provider."""
    provider.register(
        "app",
        client_secret=CLIENT_SECRET,
        redirect_uris=[f"{express.origin}{below}/callback/op" for below in BELOW.values()],
    )
    client = {"id": "op", "name": "Op", "clientId": "app", "clientSecret": CLIENT_SECRET}
    settings = {"provider": {**client, "issuer": provider.issuer, "idToken": False}}
    with serving(express, settings=settings) as running:
        running.auth.add_provider(
            "op",
            issuer=provider.issuer,
            client_id="app",
            client_secret=CLIENT_SECRET,
            # Without the consent page this provider gives no refresh token.
            client_kwargs={"scope": "openid profile email offline_access"},
            authorize_params={"prompt": "consent"},
        )

        @running.app.get("/flask/access-token")
        def access_token() -> str:
            account = current_session.account
            return "" if account is None or account.access_token is None else account.access_token

        yield running


def sign_in_with_provider(site: Site, where: str) -> Visitor:
    visitor = site.visitor()
    form = {"csrfToken": visitor.csrf_token(where)}
    started = visitor.post(f"{BELOW[where]}/signin/op", form)
    with Person("ada") as person:
        callback = person.sign_in(started.headers["Location"])
    answer = visitor.get(callback.url.removeprefix(site.origin))
    assert answer.status_code == 302, answer.text
    return visitor


def test_a_provider_makes_one_person_of_who_signs_in_with_it_at_either(
    site_with_provider: Site,
) -> None:
    users = []
    for where in BOTH:
        visitor = sign_in_with_provider(site_with_provider, where)
        assert visitor.known() == ("Ada", "Ada")
        users += [visitor.session(one)["user"]["id"] for one in BOTH]
    assert users == ["op|ada"] * 4
    assert site_with_provider.express.complaints() == []


def test_the_tokens_of_the_provider_are_refreshed_whatever_express_issues(
    site_with_provider: Site, provider: OidcProvider
) -> None:
    visitor = sign_in_with_provider(site_with_provider, "flask")
    first = visitor.get("/flask/access-token").text
    visitor.session("express")
    assert visitor.get("/flask/access-token").text == first
    late = visitor.copy()
    visitor.post("/flask/auth/session/refresh")
    second = visitor.get("/flask/access-token").text
    assert second not in ("", first)
    # An answer of Express that is late brings the old tokens back; Flask has the new ones.
    late.session("express")
    visitor.cookies = late.cookies
    visitor.post("/flask/auth/session/refresh")
    assert visitor.get("/flask/access-token").text not in ("", first)
    visitor.sign_out("flask")
    refreshes = provider.calls("token", "refresh_token")
    assert [call["status"] for call in refreshes] == [200] * len(refreshes)


def test_a_session_of_express_has_no_tokens_here_that_could_be_refreshed(
    site_with_provider: Site,
) -> None:
    visitor = sign_in_with_provider(site_with_provider, "express")
    assert visitor.get("/flask/access-token").text == ""
    answer = visitor.post("/flask/auth/session/refresh")
    assert (answer.status_code, answer.json()["code"]) == (400, "update_refused")
    assert visitor.known() == ("Ada", "Ada")


def test_a_sign_in_that_began_at_one_cannot_end_at_the_other(site_with_provider: Site) -> None:
    for where in BOTH:
        visitor = site_with_provider.visitor()
        form = {"csrfToken": visitor.csrf_token(where)}
        started = visitor.post(f"{BELOW[where]}/signin/op", form)
        with Person("ada") as person:
            callback = person.sign_in(started.headers["Location"])
        query = callback.url.partition("?")[2]
        visitor.get(f"{BELOW[OTHER[where]]}/callback/op?{query}")
        assert visitor.session_cookies == {}


# Where the two disagree.


#: Settings with which a session is not shared: of Flask, of Express, why Flask rejects a cookie of
#: Express, and whether Express knows who signed in at Flask.
MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None, bool]] = {
    "another secret": ({"SECRET": OTHER_SECRET}, {}, "unknown_key", False),
    "another prefix": ({"COOKIE_PREFIX": "jwtsession"}, {}, None, False),
    "another name": (
        {},
        {"cookies": {"sessionToken": {"name": "shop.session-token"}}},
        None,
        False,
    ),
    "an issuer": ({"ISSUER": "https://app.example.com"}, {}, "issuer", True),
    "an audience": ({"AUDIENCE": "shop"}, {}, "audience", True),
    "no sub": ({}, {"keeps": ["name", "email"]}, None, True),
    "a clock that is ahead": ({}, {"ahead": 60}, "claims", True),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_setting_that_differs_makes_a_person_nobody_and_is_no_error(
    express: AuthExpress, mistake: str
) -> None:
    config, settings, why, is_known_to_express = MISTAKES[mistake]
    with serving(express, settings=settings, **config) as site:
        for where, is_known in [("express", False), ("flask", is_known_to_express)]:
            visitor = site.visitor()
            form = {"username": "ada", "password": "ok", "csrfToken": visitor.csrf_token(where)}
            visitor.post(f"{BELOW[where]}/callback/credentials", form)
            assert visitor.copy().get(NOTES[where]).status_code == 200
            with rejections(site) as reasons:
                there = visitor.copy().get(NOTES[OTHER[where]])
            assert (there.status_code == 200) is is_known
            if where == "express":
                assert reasons == ([] if why is None else [why])
            asks_everything(visitor)


@contextmanager
def rejections(site: Site) -> Iterator[list[str]]:
    """Why Flask rejects cookies meanwhile."""
    reasons: list[str] = []

    def write_down(sender: object, reason: str) -> None:
        reasons.append(reason)

    with session_rejected.connected_to(write_down, site.app):
        yield reasons


def test_flask_that_is_not_told_of_https_looks_for_the_other_cookie(express: AuthExpress) -> None:
    with serving(express, BASE_URL=None) as site:
        visitor = site.signed_in("express", https=True)
        assert visitor.session_cookies.keys() == {SECURE}
        assert visitor.known() == ("Ada", None)


def test_flask_that_is_not_told_its_origin_sends_people_behind_the_front(
    express: AuthExpress,
) -> None:
    with serving(express, BASE_URL=None) as site:
        visitor = site.visitor()
        form = {"username": "ada", "password": "ok", "callbackUrl": "/flask/notes"}
        answer = visitor.post("/flask/auth/callback/credentials", form)
        assert answer.headers["Location"] == f"http://127.0.0.1:{site.port}/flask/notes"


@pytest.mark.parametrize("config", [{}, {"proxy_fix": True}], ids=["BASE_URL", "ProxyFix"])
def test_flask_that_is_told_its_origin_knows_the_requests_of_its_pages_by_it(
    express: AuthExpress, config: dict[str, Any]
) -> None:
    with serving(express, **config) as site:
        visitor = without_origin(site.signed_in("express"))
        form = {"username": "ada", "password": "ok", "callbackUrl": "/flask/notes"}
        path = "/flask/auth/callback/credentials"
        answer = visitor.post(path, form, Origin=site.origin)
        assert answer.headers["Location"] == f"{site.origin}/flask/notes"
        for path in ["/flask/auth/signout", "/flask/update"]:
            answer = visitor.post(path, body={}, Origin=f"http://127.0.0.1:{site.port}")
            assert answer.status_code == 403
        assert visitor.known() == ("Ada", "Ada")


def test_the_cookie_of_an_auth_js_that_keeps_sessions_in_a_database_is_nobodys(site: Site) -> None:
    visitor = site.visitor()
    visitor.cookies[PLAIN] = "2d5b9f0e-6f2c-4d7e-9d57-0d4b2b6d9b6e"
    asks_everything(visitor)
    with rejections(site) as reasons:
        assert visitor.session("flask") is None
    assert reasons == ["malformed"]
    assert visitor.session_cookies.keys() == {PLAIN}


def test_a_session_that_lives_longer_at_express_ends_at_both_when_flask_sees_it(
    express: AuthExpress,
) -> None:
    with serving(express, settings={"session": {"maxAge": 9 * DAY}}, MAX_AGE=DAY) as site:
        visitor = site.signed_in("express")
        site.advance(DAY + 60)
        assert visitor.knows("express") == "Ada"
        assert visitor.knows("flask") is None
        assert visitor.session_cookies == {}


def test_a_session_that_lives_longer_at_flask_lives_as_long_at_express(
    express: AuthExpress,
) -> None:
    with serving(express, settings={"session": {"maxAge": DAY}}, MAX_AGE=9 * DAY) as site:
        visitor = site.signed_in("flask")
        site.advance(2 * DAY)
        assert visitor.known() == ("Ada", "Ada")
        visitor.session("express")  # with the lifetime that it has there
        site.advance(DAY + 60)
        assert visitor.known() == (None, None)


def test_update_age_means_nothing_at_express_and_saves_cookies_at_flask(
    express: AuthExpress,
) -> None:
    session = {"maxAge": DAY, "updateAge": DAY}
    with serving(express, settings={"session": session}, UPDATE_AGE=DAY / 2) as site:
        visitor = site.signed_in("express")
        before = visitor.token
        visitor.session("flask")
        assert visitor.knows("express") == "Ada"  # by getSession, which writes no cookie
        assert visitor.token == before
        visitor.session("express")
        assert visitor.token != before
        before = visitor.token
        site.advance(DAY / 2)
        visitor.session("flask")
        assert visitor.token != before


#: What the jwt callback of Express returns of the token, and what Flask makes of it: the status of
#: a guarded view, and that of one for who has signed in lately.
KEPT: dict[str, tuple[list[str], int, int]] = {
    "its own": (["sub", "name", "email", "roles", "desk"], 200, 401),
    "nothing": ([], 401, 401),
    "no sub": (["name", "sid", "auth_time", "_session"], 401, 401),
    "all but the private block": (["sub", "name", "sid", "auth_time"], 200, 200),
    "all but the sid": (["sub", "name", "auth_time", "_session"], 200, 200),
    "all but auth_time": (["sub", "name", "sid", "_session"], 200, 401),
}


@pytest.mark.parametrize("kept", KEPT)
def test_flask_goes_on_with_what_the_callback_of_express_leaves(site: Site, kept: str) -> None:
    names, notes, payment = KEPT[kept]
    visitor = site.signed_in("flask")
    site.set_express(keeps=names)
    visitor.session("express")
    assert visitor.claims().keys() <= {*names, "iat", "exp", "jti"}
    assert visitor.get("/flask/notes").status_code == notes
    assert visitor.get("/flask/payment").status_code == payment
    asks_everything(visitor)


def test_a_sign_out_does_not_end_what_express_issued_without_the_sid(site: Site) -> None:
    visitor = site.signed_in("flask")
    site.set_express(keeps=["sub", "name"])
    copy = visitor.copy()
    copy.session("express")
    visitor.sign_out("flask")
    assert copy.knows("flask") == "Ada"


#: Claims that an Express might set, and their values.
VALUES: dict[str, list[Any]] = {
    "sub": [None, "", 7, True, [], {}, "None", "x" * 2000],
    "sid": [None, "", 7, True, [], {}, "x" * 200, "\ud800"],
    "auth_time": [None, "", "1", True, [], -1, 0, 1e300, 4e9],
    "nbf": [0, 4e9],
    "iss": ["https://elsewhere.example", None, 7],
    "aud": ["another", ["one", "another"], None, 7],
    "name": [None, 7, [], {"first": "Ada"}, "\ud800", "\0"],
    "email": [None, 7, []],
    "picture": [7, {}],
    "roles": [None, 7, "editor", {}, [7, None]],
    "anything": [1e300, 2**53 + 2, json.loads("[" * 40 + "]" * 40)],
    "_session": [
        *[None, "x", [], {}],
        *[{"account": None}, {"account": "x"}, {"account": []}, {"account": {}}],
        {"account": {"provider": 7, "type": [], "provider_account_id": {}}},
        {"account": {"provider": "op", "type": "oidc", "expires_at": "x"}},
        {"account": {"provider": "op"}, "provider_session": 7},
        *[{"grant": "x"}, {"gen": 1}, {"grant": 7, "gen": "x"}, {"grant": "x", "gen": 0}],
        {
            "grant": "x",
            "gen": 0,
            "account": {
                "provider": "op",
                "type": "oidc",
                "provider_account_id": "1",
                "access_token": "x",
                "refresh_token": "x",
                "expires_at": 1,
            },
        },
        *[{"since": None}, {"since": "x"}, {"since": -1}, {"since": 0}, {"since": 1e300}],
        *[{"authenticated_at": "x"}, {"authenticated_at": -1}, {"authenticated_at": 1e300}],
        *[{"rotation": 7}, {"rotation": {}}, {"bearer": True}],
    ],
}
CLAIMS = [
    pytest.param(name, value, id=f"{name}-{number}")
    for name, values in VALUES.items()
    for number, value in enumerate(values)
]


@pytest.fixture(scope="module")
def site_of_any_claims(express: AuthExpress) -> Iterator[Site]:
    with serving(express) as running:
        yield running


@pytest.mark.parametrize(("name", "value"), CLAIMS)
def test_no_claim_that_express_sets_is_an_error_of_flask(
    site_of_any_claims: Site, name: str, value: Any
) -> None:
    site_of_any_claims.set_express()
    visitor = site_of_any_claims.signed_in("flask")
    before = visitor.claims().get(name, "missing")
    visitor.update("express", {name: value})
    assert visitor.claims()[name] != before
    asks_everything(visitor)


def asks_everything(visitor: Visitor) -> None:
    """All that Flask does with a session, each with the same cookies; and Express knows what to do
    with what it issues. None of it is an error, which is for the visitor to see.
    """
    for path in ["notes", "payment", "auth/session", "auth/session/status"]:
        visitor.copy().get(f"/flask/{path}")
    copy = visitor.copy()
    copy.post("/flask/update", body={"company": 4})
    copy.session("express")
    for path in ["auth/session/refresh", "auth/signout"]:
        visitor.copy().post(f"/flask/{path}")
