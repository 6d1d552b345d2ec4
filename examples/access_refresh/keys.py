"""What this installation keeps secret: made on first start, readable for nobody else."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from joserfc.jwk import ECKey


def secret(instance: Path, name: str) -> str:
    """A random text. A restart finds the same one, and signs nobody out."""
    return _kept(instance / name, lambda: secrets.token_urlsafe(32))


def signing_key(instance: Path) -> str:
    """A private key on the curve P-256, for ES256, as PEM text: what ``openssl genpkey -algorithm
    EC -pkeyopt ec_paramgen_curve:P-256`` prints.
    """
    return _kept(instance / "signing-key.pem", _new_signing_key)


def _new_signing_key() -> str:
    return ECKey.generate_key("P-256").as_pem(private=True).decode()


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        # Readable for nobody else, and whole before it has its name. Of two processes that start at
        # the same moment one gives it that.
        file, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(file, "w") as stream:
            stream.write(make())
        with suppress(FileExistsError):
            os.link(name, path)
        os.unlink(name)
    return path.read_text()
