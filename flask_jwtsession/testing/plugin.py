"""Fixtures for pytest. In ``conftest.py``::

    pytest_plugins = ["flask_jwtsession.testing.plugin"]

They are for the application that the fixture ``app`` returns, which is yours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from .client import JWTSessionClient
from .clock import Clock, stopped_clock


@pytest.fixture
def jwtsession_client(app: Flask) -> JWTSessionClient:
    """A client of ``app`` at which nobody is signed in yet."""
    return JWTSessionClient(app)


@pytest.fixture
def jwtsession_clock(app: Flask) -> Iterator[Clock]:
    """The time of the sessions of ``app``: it stands still from now on, and the test moves it."""
    with stopped_clock(app) as clock:
        yield clock
