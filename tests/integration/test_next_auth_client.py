"""Auth.js's own React client, ``next-auth/react`` as it is published, in a real browser: signing in
and out with it.

Every test runs with version 4 and with version 5 of it, unless it says otherwise, and fails for an
error in the browser's console and for a request that does not work, unless it takes it out itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from flask_jwtsession import revoke_user

from ..next_auth_site import (
    LOGGED,
    PREFIXES,
    VERSIONS,
    Site,
    Visitor,
    build,
    make_site,
    served,
    visiting,
)
from ..peers.faulty_provider import FaultyProvider
from ..support import require_tool

_CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WRONG = "The user name or the password is not right."
#: What the client says of a wrong password and of a person who is not let in, to whom it stays on
#: the page. Of version 5 the status says nothing.
REFUSED: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "v4": lambda error, status: {"error": error, "status": status, "ok": False, "url": None},
    "v5": lambda error, status: {"error": error, "status": 200, "ok": True, "url": None},
}
