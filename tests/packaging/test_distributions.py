"""What is in the wheel and in the sdist, and what they say of themselves."""

from __future__ import annotations

from email.message import Message
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path

import pytest

import flask_jwtsession

from .building import Distributions, contents
from .environments import ROOT, VERSIONS, project

PACKAGE = "flask_jwtsession"
METADATA = f"{PACKAGE}-{flask_jwtsession.__version__}.dist-info"
#: What of the tree is made by tools, and ignored by git.
MADE = ("__pycache__", "node_modules", "_build", "instance", ".hypothesis", ".*_cache")


def tracked_files(folder: str) -> set[str]:
    """The files below a folder of the repository, but for those that tools made."""
    files = (file.relative_to(ROOT) for file in (ROOT / folder).rglob("*") if file.is_file())
    return {str(file) for file in files if not any(map(is_made, file.parts))}


def is_made(name: str) -> bool:
    return any(fnmatch(name, made) for made in MADE)


def metadata_of(wheel: Path) -> Message:
    return Parser().parsestr(contents(wheel)[f"{METADATA}/METADATA"].decode())


def test_the_wheel_has_every_file_of_the_package(distributions: Distributions) -> None:
    files = {name for name in contents(distributions.wheel) if not name.startswith(METADATA)}
    assert files == tracked_files(PACKAGE)


@pytest.mark.parametrize(
    "file",
    [
        "py.typed",
        "client/client.js",
        "client/client.d.ts",
        "static/jwtsession.css",
        "templates/jwtsession/base.html",
    ],
)
def test_the_wheel_has_what_is_no_code(distributions: Distributions, file: str) -> None:
    content = contents(distributions.wheel)[f"{PACKAGE}/{file}"]
    assert content == (ROOT / PACKAGE / file).read_bytes()


def test_the_wheel_has_the_licence(distributions: Distributions) -> None:
    content = contents(distributions.wheel)[f"{METADATA}/licenses/LICENSE"]
    assert content == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_is_for_every_system(distributions: Distributions) -> None:
    assert distributions.wheel.name.endswith("-py3-none-any.whl")


def test_the_sdist_builds_the_wheel_of_the_tree(distributions: Distributions) -> None:
    assert contents(distributions.wheel) == contents(distributions.wheel_of_the_tree)


@pytest.mark.parametrize("folder", [PACKAGE, "tests", "docs", "examples"])
def test_the_sdist_has_every_file_of(distributions: Distributions, folder: str) -> None:
    files = {name for name in contents(distributions.sdist) if name.startswith(f"{folder}/")}
    assert files == tracked_files(folder)


def test_the_sdist_has_what_it_takes_to_build_and_test_it_and_nothing_else(
    distributions: Distributions,
) -> None:
    assert {name.partition("/")[0] for name in contents(distributions.sdist)} == {
        ".gitignore",  # what the backend leaves out of a wheel
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "PKG-INFO",
        "README.md",
        "docs",
        "examples",
        "flask_jwtsession",
        "pyproject.toml",
        "tests",
    }


def test_the_metadata_name_the_extras(distributions: Distributions) -> None:
    assert metadata_of(distributions.wheel).get_all("Provides-Extra") == ["async", "oauth", "redis"]


def test_the_metadata_need_of_providers_and_redis_nothing_without_an_extra(
    distributions: Distributions,
) -> None:
    required = metadata_of(distributions.wheel).get_all("Requires-Dist", [])
    always = {one.partition(">")[0] for one in required if "extra ==" not in one}
    assert always == {"flask", "blinker", "cryptography", "joserfc", "pyjwt"}


def test_the_metadata_name_the_versions_of_python_that_are_tested(
    distributions: Distributions,
) -> None:
    metadata = metadata_of(distributions.wheel)
    prefix = "Programming Language :: Python :: 3."
    named = [one for one in metadata.get_all("Classifier", []) if one.startswith(prefix)]
    assert named == [f"Programming Language :: Python :: {version}" for version in VERSIONS]
    assert metadata["Requires-Python"] == f">={VERSIONS[0]}"


def test_the_metadata_have_the_readme_and_the_licence(distributions: Distributions) -> None:
    metadata = metadata_of(distributions.wheel)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    assert metadata["License-Expression"] == "MIT"


def test_the_metadata_have_the_version_of_the_package(distributions: Distributions) -> None:
    assert "version" in project()["project"]["dynamic"]
    assert metadata_of(distributions.wheel)["Version"] == flask_jwtsession.__version__
