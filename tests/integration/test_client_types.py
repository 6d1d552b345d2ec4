"""``client.d.ts`` in a TypeScript project: a copy of what ``/auth/client.d.ts`` answers, which the
``tsconfig.json`` of the documentation finds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import flask_jwtsession

from ..peers.browser_frameworks import PEER, add_react, run, save_files
from ..support import make_app

MODULE = Path(flask_jwtsession.__file__).parent / "client" / "client.js"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the configuration and the types, and no sources yet."""
    save_files(tmp_path)
    shutil.rmtree(tmp_path / "src")
    app, _ = make_app()
    types = app.test_client().get("/auth/client.d.ts")
    assert types.status_code == 200
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "auth-client.d.ts").write_bytes(types.data)
    return tmp_path


def complaints(project: Path, *options: str, version: str = "typescript") -> list[str]:
    done = run(project, version, "bin/tsc", "--pretty", "false", *options)
    assert done.stderr == ""
    assert (done.returncode == 0) is (done.stdout == "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("version", ["typescript", "typescript-5"])
def test_right_uses_of_the_module_compile_and_wrong_ones_do_not(
    project: Path, version: str
) -> None:
    shutil.copy(PEER / "types" / "uses.ts", project / "src")
    strict = ["--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    assert complaints(project, *strict, "--skipLibCheck", "false", version=version) == []


def test_the_module_and_its_types_have_the_same_names_with_as_many_parameters(
    project: Path,
) -> None:
    shutil.copy(PEER / "types" / "same_names.ts", project / "src")
    shutil.copy(MODULE, project / "src")
    assert complaints(project, "--allowJs") == []


def test_the_react_application_of_the_documentation_compiles(project: Path) -> None:
    save_files(project)
    add_react(project)
    assert complaints(project) == []


def test_what_the_session_callback_adds_is_unknown_until_it_is_declared(project: Path) -> None:
    save_files(project)
    add_react(project)
    session = project / "src" / "session.ts"
    declared = session.read_text()
    session.write_text(declared.replace("  nick: string;\n", ""))
    assert session.read_text() != declared
    [in_account, in_main] = complaints(project)
    assert in_account.startswith("src/account.tsx(")
    assert in_main.startswith("src/main.tsx(")
