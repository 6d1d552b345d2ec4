"""The core of the tests with other versions: each Python, and the oldest of what is needed.

``make matrix`` runs all tests with these.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ..tools import require_tool
from .building import Distributions
from .environments import (
    VERSIONS,
    Environment,
    interpreter,
    oldest,
    project,
    requirements,
)

EXTRAS = ",".join(project()["project"]["optional-dependencies"])
OLDEST_PYTHON, *LATER_PYTHONS = VERSIONS

#: Each part of the package, and what a library of another version could do differently. Not the
#: tests that wait for something: those are in all runs of ``make matrix``.
CORE = [
    "test_callbacks.py",
    "test_config.py",
    "test_cookies.py",
    "test_endpoints_[bcejs]*.py",
    "test_extension.py",
    "test_guards.py",
    "test_providers_id_tokens.py",
    "test_providers_provider.py",
    "test_providers_sign_*.py",
    "test_session.py",
    "test_signals.py",
    "test_stores_memory.py",
    "test_tokens_[cks]*.py",
]
#: What these need beside pytest.
TOOLS = ("pytest", "hypothesis")


def run_the_core(environment: Environment, distributions: Distributions, folder: Path) -> None:
    """Run it with the installed package, from an sdist that does not have one."""
    source = distributions.unpack_sdist(folder)
    (source / "flask_jwtsession").rename(folder / "not_imported")
    files = [str(file) for pattern in CORE for file in sorted((source / "tests").glob(pattern))]
    plugins = ["-p", "no:cacheprovider", "-p", "tests.packaging.one_case_each"]
    environment.run("-m", "pytest", "-q", *plugins, "-k", "not a_million", *files, cwd=source)


@pytest.mark.parametrize("version", LATER_PYTHONS)
def test_the_package_works_with_python(
    distributions: Distributions, tmp_path: Path, version: str
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is missing")
    environment = Environment.make(tmp_path / "environment", python)
    environment.install(f"{distributions.wheel}[{EXTRAS}]", *TOOLS)
    run_the_core(environment, distributions, tmp_path)


def test_the_package_works_with_the_oldest_versions_of_what_it_needs(
    distributions: Distributions, tmp_path: Path
) -> None:
    python = interpreter(OLDEST_PYTHON)
    python = require_tool(f"Python {OLDEST_PYTHON}", python, "it is looked for on the PATH")
    environment = Environment.make(tmp_path / "environment", python)
    environment.install(f"{distributions.wheel}[{EXTRAS}]", *TOOLS, *oldest(requirements()))
    run_the_core(environment, distributions, tmp_path)


def test_a_requirement_without_an_oldest_version_is_refused() -> None:
    for requirement in ("flask", "flask~=3.1", "flask>=3.1,<4", "flask>=3.1; python_version>'3'"):
        with pytest.raises(ValueError, match="does not name the oldest version"):
            oldest([requirement])


def test_this_python_is_found_by_its_version() -> None:
    assert interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}") == sys.executable
