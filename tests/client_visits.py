"""People in a real browser who visit a :class:`.client_site.ClientSite`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
)

from .browsers import CHROMIUM_OPTIONS, chromium_path
from .client_site import ClientSite
from .support import SAME_ORIGIN

#: What a test waits for at most, in milliseconds.
PATIENCE = 10_000

# A lock is asked for a moment after the call that needs it.
_SETTLE = """async () => {
  for (;;) {
    await new Promise((resolve) => {
      const {port1, port2} = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
    const {held, pending} = await navigator.locks.query();
    if (held.length + pending.length === 0) return;
  }
}"""


class Chromium:
    """A browser in which one test uses the pages of the one before: to make a page takes longer
    than most of the tests.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self._context: BrowserContext | None = None
        self._pages: list[Page] = []

    @property
    def context(self) -> BrowserContext:
        if self._context is None:
            self._context = self.browser.new_context()
        return self._context

    def take_page(self) -> Page:
        return self._pages.pop(0) if self._pages else self.context.new_page()

    def give_back(self, pages: list[Page]) -> None:
        """After a test that went well."""
        self.context.set_offline(False)
        self.context.clear_cookies()
        self._pages[:0] = [page for page in pages if not page.is_closed()]
        # The first one goes to the next test; of the others that one shall hear nothing.
        for page in self._pages[1 : len(pages)]:
            page.goto("about:blank")

    def start_anew(self) -> None:
        if self._context is not None:
            self._context.close()
        self._context, self._pages = None, []


class Tab:
    """A tab of somebody's browser."""

    def __init__(self, site: ClientSite, page: Page) -> None:
        self.site = site
        self.page = page
        self._complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._note_message)
        page.on("pageerror", self._note_error)

    # What the person does.

    def opens(self, path: str = "/") -> Self:
        self.page.goto(f"{self.site.origin}{path}")
        return self

    def is_used(self, *, times: int = 1) -> None:
        """Somebody moves the mouse over the page, and again when what came of that is done."""
        self.page.evaluate(
            f"""async (times) => {{
                for (let time = 0; time < times; time++) {{
                    window.dispatchEvent(new PointerEvent("pointermove"));
                    await ({_SETTLE})();
                }}
            }}""",
            times,
        )

    # What a script of the page does.

    def calls(self, script: str, given: Any = None) -> Any:
        """What ``script`` returns, a function of the client and what is ``given``."""
        return self.page.evaluate(f"async (given) => ({script})(window.client, given)", given)

    def begins(self, script: str, given: Any = None, *, name: str = "begun") -> None:
        """The same, but nobody waits for it; see `ends`."""
        caught = "(error) => ({name: error.name, code: error.code, status: error.status})"
        self.page.evaluate(
            f"""(given) => {{
                const begun = (async () => ({script})(window.client, given))();
                window.{name} = begun.then((value) => ({{value: value ?? null}}), {caught});
            }}""",
            given,
        )

    def ends(self, *, name: str = "begun") -> dict[str, Any]:
        """What came of what was begun: its ``value``, or what is known of the error."""
        found: dict[str, Any] = self.page.evaluate(f"window.{name}")
        return found

    def fails(self, script: str, given: Any = None) -> tuple[str, int]:
        """The code and the status of the ``SessionError`` that it ends with."""
        self.begins(script, given, name="failed")
        found = self.ends(name="failed")
        assert found.get("name") == "SessionError", found
        return found["code"], found["status"]

    def is_led_away_by(self, script: str, given: Any = None) -> None:
        """A call that ends on another page."""
        with self.page.expect_navigation():
            self.begins(script, given)

    # What is seen.

    def sees(self, who: str, *, within: float = PATIENCE) -> None:
        """:param within: milliseconds"""
        expect(self.page.locator("output")).to_have_text(who, timeout=within)

    def snapshot(self) -> Any:
        return self.page.evaluate("window.client.getSnapshot()")

    def settles(self) -> None:
        """Until nothing is under way any more: every request of the client but a sign-out has a
        lock.
        """
        self.page.evaluate(_SETTLE)

    def takes_complaints(self) -> list[str]:
        """Errors in the console until now, but for what the browser itself says of answers that
        are no success.
        """
        if not self.page.is_closed():
            self.page.evaluate("0")  # what the browser has to say of it has been said by then
        found, self._complaints[:] = list(self._complaints), []
        return found

    def leave(self) -> None:
        """The page is for others from here on."""
        self.page.remove_listener("console", self._note_message)
        self.page.remove_listener("pageerror", self._note_error)
        if not self.page.is_closed():
            self.page.unroute_all()

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._complaints.append(message.text)

    def _note_error(self, error: Error) -> None:
        self._complaints.append(error.message)


class Person:
    """Somebody with a browser of their own.

    :ivar tabs: those that they have opened
    """

    def __init__(self, site: ClientSite, chromium: Chromium) -> None:
        self.site = site
        self.context = chromium.context
        self.tabs: list[Tab] = []
        self._chromium = chromium

    def tab(self, path: str = "/") -> Tab:
        tab = Tab(self.site, self._chromium.take_page())
        self.tabs.append(tab)
        return tab.opens(path)

    def signs_in(self, who: str = "ada", *, prefix: str = "/auth") -> Self:
        """Without a page."""
        answer = self.context.request.post(
            f"{self.site.origin}{prefix}/callback/credentials",
            form={"username": who, "password": "ok"},
            headers={**SAME_ORIGIN, "Accept": "application/json"},
        )
        assert answer.ok, answer.text()
        self.site.takes_asked()
        return self

    def cookie(self, name: str = "jwtsession.session-token") -> str | None:
        """Its value in the browser."""
        found = {one.get("name"): one.get("value") for one in self.context.cookies()}
        return found.get(name)

    # Time.

    def stops_the_clock(self, *, wrong_by: float = 0.0) -> Self:
        """In the pages that are opened from now on: it goes on with these alone, as that of the
        site.

        :param wrong_by: seconds by which it is ahead of that of the site
        """
        self.site.page_is_ahead = wrong_by
        return self

    def passes(self, seconds: float) -> None:
        """So much time, for the site and for the pages; all that it brings about is done then."""
        self._moves("runs", seconds)

    def waits(self, seconds: float) -> None:
        """The same, for what is under way all the time."""
        self._moves("runs", seconds, settles=False)

    def sleeps(self, seconds: float) -> None:
        """So much time passes while the machine is asleep; each timer that is due by then goes
        off once, after it.
        """
        self._moves("sleeps", seconds)

    def sets_the_clock(self, *, later_by: float) -> None:
        """That of the pages: no time passes, and no timer notices."""
        assert self.site.page_is_ahead is not None
        self.site.page_is_ahead += later_by
        for tab in self.tabs:
            tab.page.evaluate("(by) => window.clock.isSet(by)", round(later_by * 1000))

    def _moves(self, name: str, seconds: float, *, settles: bool = True) -> None:
        self.site.clock.advance(seconds)
        for tab in self.tabs:
            tab.page.evaluate(f"(by) => window.clock.{name}(by)", round(seconds * 1000))
        for tab in self.tabs if settles else []:
            tab.settles()


@contextmanager
def somebody(chromium: Chromium, site: ClientSite) -> Iterator[Person]:
    """Nobody yet. No tab may have an error that the test does not take out itself."""
    person = Person(site, chromium)
    try:
        yield person
        for tab in person.tabs:
            assert tab.takes_complaints() == []
            tab.leave()
        chromium.give_back([tab.page for tab in person.tabs])
    except BaseException:
        chromium.start_anew()
        raise


@contextmanager
def keeping_pages(chromium: Chromium) -> Iterator[Chromium]:
    """Another one, which keeps pages alive for the Back button, as they do when nobody tests."""
    browser = chromium.browser.browser_type.launch(
        executable_path=chromium_path(with_windows=True),  # the shell keeps none
        args=list(CHROMIUM_OPTIONS),
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield Chromium(browser)
    browser.close()
