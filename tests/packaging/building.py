"""The distributions, built as a build frontend does: by the backend alone, from the sources."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from .environments import ROOT, Environment, project


@dataclass(frozen=True)
class Distributions:
    """What :func:`build` made in a folder."""

    folder: Path

    @property
    def sdist(self) -> Path:
        return _only_one(self.folder / "sdist")

    @property
    def wheel(self) -> Path:
        """Built from the sdist."""
        return _only_one(self.folder / "wheel")

    @property
    def wheel_of_the_tree(self) -> Path:
        return _only_one(self.folder / "wheel_of_the_tree")

    def unpack_sdist(self, into: Path) -> Path:
        """The folder that was in it."""
        with tarfile.open(self.sdist) as archive:
            archive.extractall(into, filter="data")
        return into / self.sdist.name.removesuffix(".tar.gz")


def build(folder: Path) -> None:
    """Build all of them. Raises :exc:`RuntimeError`."""
    settings = project()["build-system"]
    environment = Environment.make(folder / "environment")
    environment.install(*settings["requires"])

    def run_backend(kind: str, source: Path, name: str) -> None:
        into = folder / name
        into.mkdir()
        code = f"import {settings['build-backend']} as backend; backend.build_{kind}({str(into)!r})"
        environment.run("-c", code, cwd=source)

    run_backend("sdist", ROOT, "sdist")
    run_backend("wheel", Distributions(folder).unpack_sdist(folder / "source"), "wheel")
    run_backend("wheel", ROOT, "wheel_of_the_tree")


def contents(distribution: Path) -> dict[str, bytes]:
    """The files of a wheel, or of an sdist without the folder that they are in."""
    if distribution.suffix == ".whl":
        with ZipFile(distribution) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    found = {}
    with tarfile.open(distribution) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, f"{member.name} is no file"
            found[member.name.partition("/")[2]] = content.read()
    return found


def _only_one(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found
