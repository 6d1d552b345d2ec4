"""Tools that a test needs and the machine may lack.

Not in `support`: the applications that tests serve import that, and need no pytest.
"""

from __future__ import annotations

import os

import pytest


def require_tool(name: str, path: str | None, install: str) -> str:
    """The tool's path. Without it the test is skipped, or fails where everything has to run."""
    if path is not None:
        return path
    message = f"{name} is missing; {install}"
    if os.environ.get("JWTSESSION_TESTS_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)
