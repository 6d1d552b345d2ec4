"""The distributions, built once for all processes that run tests."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ..tools import require_tool
from .building import Distributions, build
from .environments import Environment, index_is_reachable


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    built = shared / "distributions"
    with (shared / "distributions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            if not index_is_reachable():
                require_tool("a package index", None, "pip cannot reach one")
            unfinished = tmp_path_factory.mktemp("unfinished")
            build(unfinished)
            unfinished.rename(built)
    return Distributions(built)


@pytest.fixture
def environment(distributions: Distributions, tmp_path: Path) -> Environment:
    """An empty one, of the Python that runs the tests; there is an index to install from."""
    return Environment.make(tmp_path / "environment")
