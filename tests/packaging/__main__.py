"""All tests, with every Python that is here and with the oldest versions of what is needed.

``python -m tests.packaging [arguments of pytest]``. The environments are kept below
``build/matrix``, and brought up to date. Ends with 1 if a test failed somewhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from .environments import ROOT, VERSIONS, Environment, interpreter, oldest, project, requirements

EXTRAS = ",".join(project()["project"]["optional-dependencies"])


def main(arguments: list[str]) -> int:
    results = []
    for name, python, pins in _environments():
        if python is None:
            results.append(f"{name}: not there")
            continue
        print(f"== {name}", flush=True)
        environment = Environment.make(ROOT / "build" / "matrix" / name, python)
        tools = project()["dependency-groups"]["test"]
        newest = ["--upgrade", "--upgrade-strategy", "eager"]
        environment.install(*newest, "-e", f"{ROOT}[{EXTRAS}]", *tools, *pins)
        command = [environment.python, "-m", "pytest", *arguments]
        failed = subprocess.run(command, cwd=ROOT, check=False).returncode != 0
        results.append(f"{name}: {'failed' if failed else 'passed'}")
    print("", *results, sep="\n")
    return int(any(result.endswith("failed") for result in results))


def _environments() -> Iterator[tuple[str, str | None, list[str]]]:
    for version in VERSIONS:
        yield version, interpreter(version), []
    yield f"{VERSIONS[0]}-oldest", interpreter(VERSIONS[0]), oldest(requirements())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
