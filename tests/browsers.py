"""The real browser of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from .support import require_tool

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


@contextmanager
def running_browser(*options: str) -> Iterator[Browser]:
    """A Chromium.

    :param options: more of them
    """
    path = require_tool("chromium", shutil.which("chromium"), "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*CHROMIUM_OPTIONS, *options]
        )
        yield browser
        browser.close()
