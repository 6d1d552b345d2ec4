"""A Node peer of the tests as a process on loopback."""

from __future__ import annotations

import json
import selectors
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from .tools import require_tool

PEERS = Path(__file__).parent / "peers"
#: Seconds until the process must have said where it listens, until it must have ended, and for one
#: answer.
DEADLINE = 30.0


class NodeServer:
    """``server.mjs`` of a folder below ``peers``; ``with`` starts and stops it. Without Node or the
    package that it is about the test is skipped.

    The first line that the process prints is JSON, and says where it listens. It ends with its
    standard input, and so with the tests.

    :ivar control: for what it is told; no proxy is asked for loopback
    """

    def __init__(self, peer: str, package: str) -> None:
        self.node = require_tool("node", shutil.which("node"), "install Node.js 20 or later")
        installed = PEERS / peer / "node_modules" / package
        require_tool(
            package,
            str(installed) if installed.is_dir() else None,
            f"npm install --no-package-lock --prefix tests/peers/{peer}",
        )
        self._peer = peer
        self._process: subprocess.Popen[str] | None = None
        self.control = requests.Session()
        self.control.trust_env = False

    def argument(self) -> Any:
        """What the process is started with; JSON."""
        return {}

    def listens(self, said: dict[str, Any]) -> None:
        """Take down what the process says of where it listens."""

    def __enter__(self) -> Self:
        with tempfile.TemporaryFile("w+") as complaints:
            self._process = subprocess.Popen(
                [self.node, "server.mjs", json.dumps(self.argument())],
                cwd=PEERS / self._peer,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
            line = self._first_line()
            if not line:
                self.stop()
                complaints.seek(0)
                raise RuntimeError(f"{self._peer} did not start: {complaints.read()}")
        self.listens(json.loads(line))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process. From then on connections to it are refused."""
        self.control.close()
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(DEADLINE) else ""
