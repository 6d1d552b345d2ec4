"""A React application with Auth.js's own client at a Flask application, and people who use it.

The React application is in ``peers/next_auth_client``; it is built once for each version of
``next-auth/react``, which is used as it is published.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from jinja2.utils import htmlsafe_json_dumps
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect
from playwright.sync_api import Request as Sent
from playwright.sync_api import Response as Answer

from flask_jwtsession import Account, JWTEvent, JWTSession, UpdateRefused, current_session

from .faulty_store import FaultyStore
from .serving.site import wait_until
from .serving.thread import served
from .support import Clock, claims_at, make_app, seal, session_cookie_name
from .tools import require_tool

PEER = Path(__file__).parent / "peers" / "next_auth_client"
VERSIONS = ("v4", "v5")
#: Where the client of each version looks for the endpoints here. That of v4 has the first path in
#: its code, and goes there for some things whatever it is told.
PREFIXES = {"v4": "/api/auth", "v5": "/auth"}
PASSWORD = "ok"
#: How often the client reads the session when a page is opened: that of v5 hears that it did so, as
#: if it were another tab.
FIRST_READS = {"v4": 1, "v5": 2}
#: What the console has in it when the client got an answer that it could not use.
_LOGGED = ("[next-auth][error][CLIENT_FETCH_ERROR]", "https://errors.authjs.dev#autherror")
LOGGED = "the client logs an error"
_LOCAL = re.compile(r"Local: +(http://localhost:\d+)/")


def build(version: str, folder: Path) -> Path:
    """The React application with that version of the client, built into a folder below ``folder``;
    about half a second.
    """
    built = folder / version
    done = subprocess.run(
        _vite("build", version, "--emptyOutDir", "--outDir", str(built)),
        cwd=PEER,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return built


@contextmanager
def developed(site: Site, cache: Path) -> Iterator[Site]:
    """The site with Vite's development server before it, on a port of its own: that one has the
    pages, and hands on what is for the endpoints.

    :param cache: a folder
    """
    log = cache / "log"
    environment = {"FLASK_ORIGIN": site.origin, "VITE_CACHE": str(cache), "NO_COLOR": "1"}
    with (
        log.open("w") as output,
        subprocess.Popen(
            _vite("dev", site.version, "--port", "0", "--host", "localhost"),
            cwd=PEER,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,  # it ends when that does
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            wait_until(
                lambda: _LOCAL.search(log.read_text()) is not None or process.poll() is not None,
                "Vite says where it listens",
            )
            found = _LOCAL.search(log.read_text())
            assert found is not None, log.read_text()
            yield replace(site, origin=found[1])
        finally:
            process.kill()


def _vite(command: str, version: str, *options: str) -> list[str]:
    """Without Node or the packages the test is skipped."""
    node = require_tool("node", shutil.which("node"), "install Node.js 20.19 or later")
    vite = PEER / "node_modules" / "vite" / "bin" / "vite.js"
    path = require_tool(
        "vite",
        str(vite) if vite.is_file() else None,
        "npm install --no-package-lock --prefix tests/peers/next_auth_client",
    )
    # The native loader writes nothing beside the packages.
    return [node, path, command, "--configLoader", "native", "--mode", version, *options]


@dataclass
class Site:
    """A site that is served, and what it knows.

    :ivar properties: of ``SessionProvider``, in the pages that are opened from now on
    :ivar gives_session: whether the session is one of them
    :ivar plans: what the application's database has of each person, and the session shows
    """

    app: Flask
    auth: JWTSession
    version: str
    prefix: str
    store: FaultyStore
    origin: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    gives_session: bool = False
    plans: dict[str, str] = field(default_factory=dict)


def make_site(built: Path, version: str, prefix: str, *, hook: bool = True, **config: Any) -> Site:
    """A site.

    :param prefix: the path below which the endpoints are
    :param hook: whether the application has the one that makes the client of v4 content
    :param config: as ``make_app`` takes it
    """
    store = FaultyStore(Clock(time.time()))
    app, auth = make_app(
        None, URL_PREFIX=prefix, STORE=store, CLIENT_UPDATE_FIELDS=["nick"], **config
    )
    app.static_folder = str(built)
    site = Site(app, auth, version, prefix, store, properties={"basePath": prefix})

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        # What a client sends of its own beside them would end up here.
        assert set(credentials) == {"username", "password"}
        who = credentials["username"]
        return {"id": who, "name": who.title()} if credentials["password"] == PASSWORD else None

    @auth.sign_in_callback
    def may_sign_in(user: dict[str, Any], account: Account, profile: object) -> bool:
        return bool(user["id"] != "mallory")

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "update":
            if event.data.get("nick") == "root":
                raise UpdateRefused("that name is taken")
            token.update(event.data)
        return token

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {name: token[name] for name in ("nick", "role") if name in token}
        return {**session, **shown, "plan": site.plans.get(token["sub"], "free")}

    @app.get("/")
    @app.get("/members")
    def page() -> str:
        properties = dict(site.properties)
        if site.gives_session:
            properties["session"] = dict(current_session) or None
        index = (built / "index.html").read_text()
        return index.replace(">{}<", f">{htmlsafe_json_dumps(properties)}<")

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    if version == "v4" and hook:

        @app.after_request
        def nobody_as_next_auth_4_wants_it(response: Response) -> Response:
            if request.endpoint == "jwtsession.session" and response.data == b"null":
                response.data = b"{}"
            return response

    return site


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """On a free port of ``localhost``."""
    with served(site.app, "localhost") as site.origin:
        yield site


class Visitor:
    """A tab of somebody's browser.

    :ivar asked: the requests to the endpoints, as ``"GET /session"``
    :ivar trouble: errors and warnings in the console, `LOGGED` for those of the client, and
        requests that did not work
    """

    def __init__(self, site: Site, page: Page) -> None:
        self.site = site
        self.page = page
        self.asked: list[str] = []
        self.trouble: list[str] = []
        #: Of the page that is open: its reads of the session, and whether each is over.
        self._reads: dict[Sent, bool] = {}
        page.set_default_timeout(15_000)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.trouble.append(error.message))
        page.on("request", self._note_request)
        page.on("requestfinished", self._note_end)
        page.on("requestfailed", self._note_failure)
        page.on("response", self._note_answer)
        page.on("framenavigated", lambda frame: self._reads.clear())

    # What the person does.

    def has_signed_in(self) -> None:
        """As Ada, a minute ago."""
        claims = {**claims_at(time.time() - 60), "sub": "ada", "email": None}
        cookie = session_cookie_name(self.site.app)
        token = seal(self.site.app, claims)
        self.page.context.add_cookies([{"name": cookie, "value": token, "url": self.site.origin}])

    def opens(self, path: str = "/") -> None:
        self.page.goto(f"{self.site.origin}{path}")

    def signs_in(self, who: str = "ada", *, password: str = PASSWORD, stays: bool = False) -> None:
        """With the form of the React application, or on the built-in page.

        :param stays: without a redirect
        """
        self.page.get_by_label("User name").fill(who)
        self.page.get_by_label("Password").fill(password)
        if stays:
            self.page.get_by_label("Stay on this page").check()
        self.clicks("Sign in")

    def saves(self, nick: str) -> None:
        self.page.get_by_label("Nickname").fill(nick)
        self.clicks("Save")

    def clicks(self, button: str) -> None:
        self.page.bring_to_front()  # in a tab behind another one a click takes seconds
        self.page.get_by_role("button", name=button, exact=True).click()

    def comes_back(self) -> None:
        """To this tab, from another one."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    # What a script of the page does.

    def calls(self, function: str, *arguments: Any) -> Any:
        """What a function of the client answers; None for undefined too."""
        script = "([name, given]) => window.client[name](...given)"
        return self.page.evaluate(script, [function, arguments])

    def is_led_away_by(self, function: str, *arguments: Any) -> None:
        """Call a function that ends on another page."""
        script = "([name, given]) => { window.client[name](...given); }"
        with self.page.expect_navigation():
            self.page.evaluate(script, [function, arguments])

    # What is seen.

    def sees(self, heading: str) -> None:
        """Until the page, and what it does by itself when it is opened, is there."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        if self.page.locator("#root").count() and not self.site.gives_session:
            while sum(self._reads.values()) < FIRST_READS[self.site.version]:
                self.page.wait_for_event("requestfinished")

    def sees_plan(self, plan: str) -> None:
        self.page.wait_for_function("(plan) => window.session.data.plan === plan", arg=plan)

    def sees_result(self) -> Any:
        """What came back of the last button that stays on the page."""
        self.page.get_by_role("status").wait_for()
        return self.page.evaluate("JSON.parse(document.querySelector('output').textContent)")

    def is_on_sign_in_page(self, message: str | None = None) -> None:
        """The built-in one."""
        self.sees("Sign in")
        assert urlsplit(self.page.url).path == f"{self.site.prefix}/signin"
        if message is not None:
            expect(self.page.get_by_role("alert")).to_have_text(message)

    def statuses(self) -> list[str]:
        """What ``useSession`` has said in this page, one after the other."""
        found: list[str] = self.page.evaluate("window.statuses")
        return found

    def session(self) -> Any:
        """What ``useSession`` has."""
        return self.page.evaluate("window.session.data")

    def takes_trouble(self) -> list[str]:
        """What there was until now, without the path of the endpoints."""
        self.page.evaluate("0")  # what the browser has to say of it has been said by then
        found = [text.replace(f" {self.site.prefix}/", " /") for text in self.trouble]
        self.trouble.clear()
        return found

    def has_session_cookie(self) -> bool:
        return self.cookie(session_cookie_name(self.site.app)) != ""

    def cookie(self, name: str) -> str:
        found = {str(one.get("name")): str(one.get("value")) for one in self.page.context.cookies()}
        return found.get(name, "")

    def stays_as_long_as_nothing_is_loaded(self) -> None:
        """Mark the page that is open; `has_stayed` says whether it still is."""
        self.page.evaluate("window.isMarked = true")

    def has_stayed(self) -> bool:
        return self.page.evaluate("window.isMarked") is True

    def _note_message(self, message: ConsoleMessage) -> None:
        # For an answer that is no success the browser has a message too; it is noted below.
        is_about_answer = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_about_answer:
            is_logged = any(mark in message.text for mark in _LOGGED)
            self.trouble.append(LOGGED if is_logged else message.text)

    def _note_request(self, sent: Sent) -> None:
        name = _name(sent)
        if self.site.prefix + "/" not in name or "/static/" in name:
            return
        name = name.replace(self.site.prefix, "", 1)
        self.asked.append(name)
        if name == "GET /session":
            self._reads[sent] = False

    def _note_end(self, sent: Sent) -> None:
        if sent in self._reads:
            self._reads[sent] = True

    def _note_failure(self, sent: Sent) -> None:
        # A page that is left takes its requests with it.
        if sent.failure != "net::ERR_ABORTED":
            self.trouble.append(f"{_name(sent)}: {sent.failure}")

    def _note_answer(self, answer: Answer) -> None:
        # The client of v4 also sends to the server what it logs, and does not look at the answer.
        if answer.status >= 400 and not answer.url.endswith("/_log"):
            self.trouble.append(f"{_name(answer.request)}: {answer.status}")


def _name(sent: Sent) -> str:
    return f"{sent.method} {urlsplit(sent.url).path}"


@contextmanager
def visiting(site: Site, context: BrowserContext) -> Iterator[Visitor]:
    """Somebody at the site, whom nothing may trouble that the test does not take out itself."""
    visitor = Visitor(site, context.new_page())
    yield visitor
    assert visitor.takes_trouble() == []
