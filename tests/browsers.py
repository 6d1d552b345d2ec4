"""The real browser of the tests.

Chromium's "headless shell" is the same engine, network stack and cookie jar without its windows.
Those Chromium draws, toolbar and all, for each test, and nobody looks at them: it takes half of the
time without.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from .tools import require_tool

#: For tests in a container, without anything that Chromium does of its own accord.
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Milliseconds: a busy machine needs more than the five seconds of Playwright's own.
expect.set_options(timeout=20_000)


def chromium_path(*, with_windows: bool = False) -> str:
    """The one without windows if it is there, else all of Chromium.

    :param with_windows: all of it in any case
    """
    shell = None if with_windows else shutil.which("chromium-headless-shell")
    advice = "apt-get install chromium" + ("" if with_windows else "-headless-shell (or chromium)")
    return require_tool("chromium", shell or shutil.which("chromium"), advice)


@contextmanager
def running_browser(*options: str, with_windows: bool = False) -> Iterator[Browser]:
    """A Chromium.

    :param options: more of them
    :param with_windows: see `chromium_path`
    """
    path = chromium_path(with_windows=with_windows)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*CHROMIUM_OPTIONS, *options]
        )
        yield browser
        browser.close()
