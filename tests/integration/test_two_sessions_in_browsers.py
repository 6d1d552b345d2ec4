"""Customers and staff of one application, in one real browser: two sessions, each with a pair of
cookies of its own, side by side.

The application is at ``localhost``. The same server at ``127.0.0.1`` is another site for a browser.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, jsonify, request
from playwright.sync_api import Browser, BrowserContext, Page, expect

from flask_jwtsession import (
    JWTSession,
    create_token,
    current_session,
    login_required,
    reuse_detected,
    sign_out,
    signed_out,
)

from ..serving.thread import served
from ..support import OTHER_SECRET, SECRET, binding_of
from ..test_bearer import BOTH, private_key

#: Seconds: an access cookie that a test waits for, and one that none does.
SHORT, LONG = 2, 600
SIGNING_KEY = private_key("ES256")
PREFIXES = {"customers": "JWTSESSION", "staff": "STAFFSESSION"}
NAMES = {"customers": "jwtsession", "staff": "staffsession"}
ACCESS = {name: f"{own}.session-token" for name, own in NAMES.items()}
REFRESH = {name: f"{own}.refresh-token" for name, own in NAMES.items()}


@dataclass
class Site:
    """The application, and what it was asked and told."""

    app: Flask
    origin: str = ""
    #: Whose reauth_callback was asked.
    asked: list[str] = field(default_factory=list)
    #: Who is no longer let in.
    dismissed: set[str] = field(default_factory=set)
    #: By path: how often a view was reached.
    reached: list[str] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    #: Seconds by which the server is ahead.
    ahead: float = 0.0

    @property
    def other_site(self) -> str:
        return self.origin.replace("localhost", "127.0.0.1")


def make_site(**max_age: int) -> Site:
    """``max_age`` are seconds, by instance."""
    app = Flask("shop")
    app.config.update(JWTSESSION_SECRET=SECRET, STAFFSESSION_SECRET=OTHER_SECRET)
    for name, prefix in PREFIXES.items():
        app.config[f"{prefix}_STORE"] = "memory"
        app.config[f"{prefix}_REFRESH_COOKIE"] = True
        app.config[f"{prefix}_MAX_AGE"] = max_age.get(name, LONG)
        app.config[f"{prefix}_TOKEN_LOCATIONS"] = BOTH
    app.config["STAFFSESSION_TOKEN_FORMAT"] = "signed"
    app.config["STAFFSESSION_SIGNING_KEY"] = SIGNING_KEY
    app.config["STAFFSESSION_URL_PREFIX"] = "/staff/auth"
    customers, staff = JWTSession(app), JWTSession(app, config_prefix="STAFFSESSION")
    site = Site(app)
    for name, session in (("customers", customers), ("staff", staff)):
        binding_of(app, PREFIXES[name]).clock = lambda: time.time() + site.ahead
        add_people(site, name, session)
    add_pages(site, staff)
    return site


def add_people(site: Site, name: str, session: JWTSession) -> None:
    @session.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        who = credentials["username"]
        return {"id": who, "name": who} if credentials["password"] == f"{name}'s" else None

    @session.reauth_callback
    def reauth(claims: dict[str, Any]) -> dict[str, Any] | None:
        site.asked.append(name)
        return None if name in site.dismissed else {"name": claims["sub"], "again": True}


def add_pages(site: Site, staff: JWTSession) -> None:
    app = site.app

    def who() -> str:
        found = [current_session.user, staff.current_session.user]
        return " and ".join(str(one["name"]) if one else "nobody" for one in found)

    @app.before_request
    def count() -> None:
        site.reached.append(f"{request.method} {request.path}")

    @app.get("/")
    def start() -> str:
        return f"<title>Shop</title><h1>{who()}</h1>"

    @app.get("/elsewhere")
    def elsewhere() -> str:
        return "<h1>elsewhere</h1>"

    @app.get("/who")
    def say_who() -> Any:
        return jsonify(who())

    @app.get("/orders")
    @login_required
    def orders() -> str:
        return "<h1>your orders</h1>"

    @app.get("/staff/orders")
    @staff.login_required
    def all_orders() -> str:
        return "<h1>all orders</h1>"

    @app.get("/staff/who")
    def which_of_staff() -> Any:
        user = staff.current_session.user
        return jsonify(user["name"] if user else "nobody")

    @app.post("/token")
    def token() -> Any:
        return jsonify(create_token({"id": "client", "name": "client"}))

    @app.post("/leave")
    def leave() -> str:
        sign_out()
        return ""


@contextmanager
def serving(**max_age: int) -> Iterator[Site]:
    site = make_site(**max_age)

    def ended(sender: Flask, session: Any, reason: str) -> None:
        site.ended.append((session.token["sub"], reason))

    def reused(sender: Flask, sid: str, sub: str) -> None:
        site.reused.append(sub)

    with (
        signed_out.connected_to(ended, site.app),
        reuse_detected.connected_to(reused, site.app),
        served(site.app) as origin,
    ):
        site.origin = origin.replace("127.0.0.1", "localhost")
        yield site


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, site: Site, context: BrowserContext) -> None:
        self.site = site
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.site.origin}{path}")

    def sees(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def is_sent_to_sign_in(self, path: str, sign_in: str) -> None:
        self.go(path)
        self.sees("Sign in")
        assert self.page.url.startswith(f"{self.site.origin}{sign_in}?callbackUrl=")

    def sign_in(self, name: str, who: str) -> None:
        """On the built-in page, which is open."""
        self.page.get_by_label("User name").fill(who)
        self.page.get_by_label("Password").fill(f"{name}'s")
        self.page.get_by_role("button", name="Sign in").click()

    def is_both(self) -> None:
        """Sign in as a customer and as staff."""
        self.go("/orders")
        self.sign_in("customers", "ada")
        self.sees("your orders")
        self.go("/staff/orders")
        self.sign_in("staff", "grace")
        self.sees("all orders")

    def cookies(self) -> dict[str, Any]:
        """The cookies of both sessions that the browser would still send."""
        found = {str(cookie.get("name")): dict(cookie) for cookie in self.context.cookies()}
        ours = (*ACCESS.values(), *REFRESH.values())
        return {name: found[name] for name in ours if name in found}

    def wait_until_over(self, *names: str) -> None:
        """Until the browser itself has dropped the access cookies of these."""
        give_up = time.monotonic() + 30
        while any(ACCESS[name] in self.cookies() for name in names):
            assert time.monotonic() < give_up
            self.page.wait_for_timeout(50)

    def lose_access(self, *names: str) -> None:
        for name in names:
            self.context.clear_cookies(name=ACCESS[name])

    def fetch(self, path: str, **options: Any) -> Any:
        """What a script of the site gets."""
        script = "([path, options]) => fetch(path, options).then((answer) => answer.json())"
        return self.page.evaluate(script, [path, options])


@contextmanager
def somebody(browser: Browser, site: Site) -> Iterator[Person]:
    with browser.new_context() as context:
        yield Person(site, context)


def test_a_person_is_a_customer_and_of_the_staff_at_once(browser: Browser) -> None:
    with serving() as site, somebody(browser, site) as person:
        person.is_sent_to_sign_in("/staff/orders", "/staff/auth/signin")
        expect(person.page.locator(".card")).to_have_css("border-top-left-radius", "14px")
        person.sign_in("customers", "grace")  # a customer's password
        expect(person.page.get_by_role("alert")).to_be_visible()
        person.sign_in("staff", "grace")
        person.sees("all orders")
        assert set(person.cookies()) == {ACCESS["staff"], REFRESH["staff"]}
        person.go("/")
        person.sees("nobody and grace")

        person.is_sent_to_sign_in("/orders", "/auth/signin")
        person.sign_in("customers", "ada")
        person.sees("your orders")
        person.go("/")
        person.sees("ada and grace")
        cookies = person.cookies()
        assert set(cookies) == {*ACCESS.values(), *REFRESH.values()}
        assert {(one["httpOnly"], one["sameSite"], one["path"]) for one in cookies.values()} == {
            (True, "Lax", "/")
        }
        assert (site.asked, site.ended) == ([], [])


def test_both_come_back_after_their_access_cookies_are_over(browser: Browser) -> None:
    """A few seconds: the browser has to drop them by itself."""
    with serving(customers=SHORT, staff=SHORT) as site, somebody(browser, site) as person:
        person.is_both()
        for _ in range(2):
            person.wait_until_over("customers", "staff")
            before = person.cookies()
            assert set(before) == set(REFRESH.values())
            site.asked.clear()
            person.go("/")
            person.sees("ada and grace")
            assert sorted(site.asked) == ["customers", "staff"]
            after = person.cookies()
            for name in REFRESH.values():
                assert after[name]["value"] != before[name]["value"]
        assert (site.ended, site.reused) == ([], [])


@pytest.mark.parametrize(("one", "other"), [("staff", "customers"), ("customers", "staff")])
def test_the_end_of_one_access_cookie_is_nothing_to_the_other(
    browser: Browser, one: str, other: str
) -> None:
    with serving(**{one: SHORT}) as site, somebody(browser, site) as person:
        person.is_both()
        before = person.cookies()
        person.wait_until_over(one)
        site.asked.clear()
        person.go("/")
        person.sees("ada and grace")
        assert set(site.asked) == {one}
        after = person.cookies()
        for names in (ACCESS, REFRESH):
            assert after[names[other]]["value"] == before[names[other]]["value"]
        assert after[REFRESH[one]]["value"] != before[REFRESH[one]]["value"]


@pytest.mark.parametrize(
    ("path", "names", "who"),
    [
        ("/auth/signout", ("customers", "staff"), "nobody and grace"),
        ("/staff/auth/signout", ("staff", "customers"), "ada and nobody"),
    ],
)
def test_who_signs_out_of_one_stays_in_the_other(
    browser: Browser, path: str, names: tuple[str, str], who: str
) -> None:
    one, other = names
    with serving() as site, somebody(browser, site) as person:
        person.is_both()
        person.go(path)
        person.sees("Sign out?")
        person.page.get_by_role("button", name="Sign out").click()
        person.sees(who)
        assert set(person.cookies()) == {ACCESS[other], REFRESH[other]}
        assert [reason for _, reason in site.ended] == ["user"]
        person.lose_access(other)
        person.go("/")
        person.sees(who)
        assert site.asked == [other]
        # And comes back as somebody else.
        page = {"customers": "/orders", "staff": "/staff/orders"}[one]
        person.go(page)
        person.sign_in(one, "lin")
        person.go("/")
        person.sees("lin and grace" if one == "customers" else "ada and lin")


def test_who_was_dismissed_is_still_a_customer(browser: Browser) -> None:
    with serving(customers=SHORT, staff=SHORT) as site, somebody(browser, site) as person:
        person.is_both()
        site.dismissed.add("staff")
        person.wait_until_over("customers", "staff")
        person.is_sent_to_sign_in("/staff/orders", "/staff/auth/signin")
        person.go("/orders")
        person.sees("your orders")
        assert REFRESH["staff"] not in person.cookies()
        assert site.ended == [("grace", "callback")]


def test_sec_213_a_thief_of_one_session_is_noticed_and_the_other_goes_on(browser: Browser) -> None:
    with (
        serving() as site,
        somebody(browser, site) as person,
        somebody(browser, site) as thief,
    ):
        person.is_both()
        [stolen] = [one for one in person.context.cookies() if one.get("name") == REFRESH["staff"]]
        thief.context.add_cookies(
            [{"name": REFRESH["staff"], "value": str(stolen.get("value")), "url": site.origin}]
        )
        person.lose_access("customers", "staff")
        person.go("/")
        person.sees("ada and grace")
        site.ahead = 60  # later than any request that was on its way
        thief.go("/")
        thief.sees("nobody and nobody")
        assert site.reused == ["grace"]
        person.go("/")
        person.sees("ada and nobody")
        person.lose_access("customers")
        person.go("/")
        person.sees("ada and nobody")
        assert site.reused == ["grace"]


def test_of_many_requests_at_once_one_asks_for_each_session(browser: Browser) -> None:
    with serving() as site, somebody(browser, site) as person:
        person.is_both()
        person.lose_access("customers", "staff")
        script = """
            () => Promise.all(Array.from({length: 12}, async (_, number) => {
                const answer = await fetch(`/who?${number}`);
                return [answer.status, await answer.json()];
            }))
        """
        assert person.page.evaluate(script) == [[200, "ada and grace"]] * 12
        assert sorted(site.asked) == ["customers", "staff"]
        person.go("/")
        person.sees("ada and grace")
        assert (site.ended, site.reused) == ([], [])


# Tokens in a header, as scripts send them.


def test_a_script_with_a_token_leaves_the_cookies_of_the_browser_alone(browser: Browser) -> None:
    with serving() as site, somebody(browser, site) as person:
        person.is_both()
        token = person.fetch("/token", method="POST")
        person.lose_access("customers")
        before = person.cookies()
        headers = {"Authorization": f"Bearer {token}"}
        assert person.fetch("/who", headers=headers) == "client and nobody"
        assert person.fetch("/auth/session", headers=headers)["user"]["name"] == "client"
        bad = {"Authorization": "Bearer x"}
        assert person.fetch("/who", headers=bad) == "nobody and nobody"
        status = person.fetch("/auth/session/status", headers=bad)
        assert status == {"status": "unauthenticated"}
        assert person.cookies() == before
        assert site.asked == []
        assert person.fetch("/who") == "ada and grace"
        assert site.asked == ["customers"]


@pytest.mark.parametrize("token", ["x", "the token"])
def test_no_page_of_another_site_can_send_a_token(browser: Browser, token: str) -> None:
    """On which it rests that such a request is not checked for where it comes from."""
    with serving() as site, somebody(browser, site) as person:
        person.is_both()
        if token == "the token":
            token = person.fetch("/token", method="POST")
        person.page.goto(f"{site.other_site}/elsewhere")
        person.sees("elsewhere")
        site.reached.clear()
        script = """
            ([url, token]) => fetch(url, {
                method: "POST",
                credentials: "include",
                headers: {Authorization: `Bearer ${token}`},
            }).then(() => "sent", () => "refused")
        """
        url = f"{site.origin}/leave"
        assert person.page.evaluate(script, [url, token]) == "refused"
        # The browser asked whether it may, and was not told so.
        assert site.reached == ["OPTIONS /leave"]
        person.go("/")
        person.sees("ada and grace")
        assert site.ended == []
