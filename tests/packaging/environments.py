"""Environments that have what a test installs and nothing else, and the Pythons to make them of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
#: The Pythons that the package is for, the oldest first; each has its classifier.
VERSIONS = ("3.11", "3.12", "3.13")

_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
_PYENV = Path.home() / ".pyenv" / "versions"
#: Variables that would take an interpreter out of its environment, or a pytest into the one that
#: runs it.
_LEADS_ASTRAY = re.compile(r"PYTHON|PYTEST|COV_|VIRTUAL_ENV|JWTSESSION_(?!TESTS_)|FLASK_")


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip: the pip of this interpreter installs into it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, interpreter: str = sys.executable) -> Self:
        _run([interpreter, "-m", "venv", "--without-pip", str(folder)])
        return cls(folder)

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def install(self, *requirements: str) -> None:
        # Compiled is what is run.
        _run([*_PIP, "--python", self.python, "install", "--quiet", "--no-compile", *requirements])

    def check(self) -> str:
        """What pip says of what is installed. Fails if something is missing, or does not fit."""
        return _run([*_PIP, "--python", self.python, "check"])

    def installed(self) -> set[str]:
        """The names of the distributions in it, in lower case."""
        code = "from importlib.metadata import distributions as d; print(*{x.name for x in d()})"
        return set(self.run("-I", "-c", code).lower().split())

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        return _run([self.python, *arguments], cwd=cwd or self.folder)


def index_is_reachable() -> bool:
    """Whether pip can install something."""
    command = [*_PIP, "--timeout", "5", "--retries", "0", "index", "versions", "hatchling"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def interpreter(version: str) -> str | None:
    """A Python of this version: this one, one of pyenv's, or ``python3.N`` of the PATH."""
    candidates = [sys.executable, *map(str, sorted(_PYENV.glob(f"{version}.*/bin/python")))]
    if (of_path := shutil.which(f"python{version}")) is not None:
        candidates.append(of_path)
    return next((one for one in candidates if _version(one) == version), None)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def requirements() -> list[str]:
    """What the package needs, with all of its extras."""
    table = project()["project"]
    extras = table["optional-dependencies"].values()
    return [*table["dependencies"], *(one for extra in extras for one in extra)]


def oldest(requirements: Iterable[str]) -> list[str]:
    """The oldest version that each of these allows: ``flask==3.1`` of ``flask>=3.1``."""
    found = []
    for requirement in requirements:
        name, separator, version = requirement.partition(">=")
        if not separator or not re.fullmatch(r"\d+(\.\d+)*", version):
            raise ValueError(
                f"{requirement!r} does not name the oldest version, as in 'flask>=3.1'"
            )
        found.append(f"{name}=={version}")
    return found


def _version(python: str) -> str | None:
    # pyenv has a python3.N on the PATH for every version; those that are not chosen fail.
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _run(command: list[str], cwd: Path | None = None) -> str:
    kept = {name: value for name, value in os.environ.items() if not _LEADS_ASTRAY.match(name)}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout
