"""Packages that pages are made with, as they are published, and the project that the
documentation's page "Plain scripts, HTMX, Alpine and React" makes with them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from flask import Flask

from ...support import SECRET
from ...test_docs import DOCS, examples, run_examples
from ...tools import require_tool

PEER = Path(__file__).parent
PAGE = DOCS / "browser-frameworks.rst"
#: Seconds for a build or a compilation, and until a server must have said where it listens.
DEADLINE = 60.0
#: Files of packages that the pages load, by the name they have there.
_STATIC_FILES = {
    "htmx.min.js": ("htmx.org", "dist/htmx.min.js"),
    "alpine.min.js": ("@alpinejs/csp", "dist/cdn.min.js"),
}
_REACT = (
    "@types/react",
    "@types/react-dom",
    "@vitejs/plugin-react",
    "react",
    "react-dom",
    "vite",
)


def package(name: str) -> Path:
    """The folder of an installed package. Without it the test is skipped."""
    found = PEER / "node_modules" / name
    install = "npm install --no-package-lock --prefix tests/peers/browser_frameworks"
    return Path(require_tool(name, str(found) if found.is_dir() else None, install))


def save_files(folder: Path) -> None:
    """The files of the page, without its application."""
    for example in examples(PAGE):
        if example.caption is not None:
            path = folder / example.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.code)


def make_application(folder: Path) -> Flask:
    """The application of the page, in ``folder``, with its files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("JWTSESSION_SECRET", SECRET)
        app: Flask = run_examples(PAGE, patch).app
    for name, (owner, path) in _STATIC_FILES.items():
        shutil.copy(package(owner) / path, folder / "static" / name)
    return app


def add_react(folder: Path) -> None:
    """What a React application has beside the files of the page. The packages are linked one by
    one: Vite writes into ``node_modules``, and that is not to be the one they are installed in.
    """
    for name in ("package.json", "index.html", "src/main.tsx"):
        shutil.copy(PEER / name, folder / name)
    for name in _REACT:
        link = folder / "node_modules" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(package(name))


def run(folder: Path, name: str, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a package in ``folder``, to its end."""
    command = _command(name, script, *options)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE)


def build(folder: Path) -> None:
    """Build the React application with Vite."""
    done = run(folder, "vite", "bin/vite.js", "build", "--logLevel", "warn")
    assert done.returncode == 0, done.stderr


@contextmanager
def development_server(folder: Path, flask: str) -> Iterator[str]:
    """Vite's, before the Flask application at the origin ``flask``; its own origin."""
    config = (folder / "vite.config.ts").read_text()
    assert "http://127.0.0.1:5000" in config
    own = folder / "vite.config.tests.ts"
    own.write_text(config.replace("http://127.0.0.1:5000", flask))
    options = ["--config", own.name, "--host", "127.0.0.1", "--port", "0"]
    command = _command("vite", "bin/vite.js", *options)
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    timer = Timer(DEADLINE, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = process.stdout.readline()
            assert line, f"Vite did not start: {said}"
            said += re.sub(r"\x1b\[\d*m", "", line)
        timer.cancel()
        yield found[0]
    finally:
        timer.cancel()
        process.terminate()
        said = process.communicate(timeout=DEADLINE)[0]
    # What it could not load or resolve, it says.
    assert "rror" not in said, said


def _command(name: str, script: str, *options: str) -> list[str]:
    node = require_tool("node", shutil.which("node"), "install Node.js 20.19 or later")
    return [node, str(package(name) / script), *options]
