"""What ``import flask_jwtsession`` costs an application that has imported Flask anyway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from tempfile import TemporaryDirectory

#: Packages that an application without provider sign-in must not pay for.
UNWANTED = ("authlib", "requests")

# The packages under it are timed first, so that the rest is this package's own.
_SCRIPT = """
import json, sys, time
import flask
times = [time.perf_counter()]
import joserfc.jwe, joserfc.jwk, cryptography.hazmat.primitives.kdf.hkdf
times.append(time.perf_counter())
import flask_jwtsession
times.append(time.perf_counter())
unwanted = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
print(json.dumps([[(time - times[0]) * 1000 for time in times[1:]], unwanted]))
"""


@dataclass(frozen=True)
class Imports:
    """Milliseconds over ``import flask``, of every fresh process.

    ``whole`` is the package with all it needs, ``joserfc`` the part of it that goes to joserfc and
    cryptography; ``unwanted`` are the packages that came along and should not.
    """

    whole: list[float]
    joserfc: list[float]
    unwanted: list[str]


def measure_imports(processes: int) -> Imports:
    """Import the package in fresh processes, one after the other."""
    # Bytecode is kept in a place of its own, whatever the environment says of it: an installed
    # package has been compiled, and this one's tree is left as it is.
    with TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _import_once(environment)  # compiles, and brings the files into memory
        results = [_import_once(environment) for _ in range(processes)]
    return Imports(
        [times[1] for times, _ in results], [times[0] for times, _ in results], results[0][1]
    )


def _import_once(environment: dict[str, str]) -> tuple[list[float], list[str]]:
    command = [sys.executable, "-c", _SCRIPT, json.dumps(UNWANTED)]
    finished = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    times, unwanted = json.loads(finished.stdout)
    return times, unwanted
