"""What a browser makes of a URL: Node's WHATWG URL parser, in one process that answers lines."""

from __future__ import annotations

import json
import shutil
import subprocess
from types import TracebackType
from typing import IO, Any, Self

from .tools import require_tool

_PROGRAM = """
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [target, base] = JSON.parse(line);
  let url = null;
  try { url = new URL(target, base); } catch { /* a browser goes nowhere */ }
  console.log(JSON.stringify(url && { origin: url.origin, href: url.href }));
});
"""


class UrlResolver:
    """``new URL(target, base)``, one question at a time."""

    def __init__(self) -> None:
        node = require_tool("node", shutil.which("node"), "apt-get install nodejs")
        self._process = subprocess.Popen(
            [node, "-e", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def origin(self, target: str, base: str) -> str | None:
        """The origin that a page at ``base`` is sent to by ``Location: target``; None for none."""
        answer = self._ask(target, base)
        return None if answer is None else str(answer["origin"])

    def href(self, target: str, base: str) -> str | None:
        """The whole URL."""
        answer = self._ask(target, base)
        return None if answer is None else str(answer["href"])

    def _ask(self, target: str, base: str) -> dict[str, Any] | None:
        to_node, from_node = self._pipes()
        to_node.write(json.dumps([target, base]) + "\n")
        to_node.flush()
        answer: dict[str, Any] | None = json.loads(from_node.readline())
        return answer

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout
