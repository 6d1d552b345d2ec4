"""A browser for the tests of a module.

It is closed after each module: as long as it runs, there is an event loop in the main thread, and
no other can be started there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from ..browsers import running_browser
from ..client_visits import Chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real one, unlike that of the tests without a network."""
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """All of one, with pages that are used again. Nothing gets the focus but by the test."""
    with running_browser(with_windows=True) as running:
        yield Chromium(running)
