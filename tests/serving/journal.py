"""What the processes of an application did, in a file that they all write into."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Journal:
    """One JSON object a line: ``what``, the ``worker`` that did it, the ``moment`` (of the
    monotonic clock, which all processes of a machine share), and more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, what: str, **more: Any) -> None:
        line = {"what": what, "worker": os.getpid(), "moment": time.monotonic(), **more}
        # In one write to its end, so that no two lines are mixed.
        with self.path.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")

    def entries(self, what: str, **more: Any) -> list[dict[str, Any]]:
        """The entries of one kind, oldest first; only those that have what else is given."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_bytes().splitlines()]
        return [line for line in lines if {**line, "what": what, **more} == line]
