"""What has to outlive one response, where all workers see it: revocations, refreshed tokens."""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from .base import LARGEST_SKEW, Store

__all__ = ["LARGEST_SKEW", "Store", "entry_name", "open_store"]

#: The file of the SQLite store, in the application's instance folder.
SQLITE_FILE = "jwtsession.sqlite3"


def open_store(choice: str, folder: str, clock: Callable[[], float]) -> Store:
    """The store that ``JWTSESSION_STORE`` names: ``"sqlite"``, ``"memory"`` or a URL of Redis.

    Nothing is made or connected yet.

    :param folder: for the SQLite file
    :param clock: epoch seconds
    :raises ValueError: it cannot work; says why and what to do
    """
    if choice == "memory":
        from .memory import MemoryStore

        return MemoryStore(clock)
    if choice == "sqlite":
        from .sqlite import SQLiteStore

        file = Path(folder) / SQLITE_FILE
        _require_writable(file)
        return SQLiteStore(file, clock)
    if find_spec("redis") is None:
        raise ValueError("Redis needs the package redis: pip install 'flask-jwtsession[redis]'")
    from .redis import RedisStore

    return RedisStore(choice)


def entry_name(key: bytes, text: str) -> str:
    """The key in a store of what ``text`` names, which nobody can read from it: 144 bits of an HMAC
    with SHA-256 (RFC 2104 section 5), base64url.
    """
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(digest[:18]).decode()


def _require_writable(file: Path) -> None:
    # Made on first need; so whatever is there of its path now has to let us.
    folder = next(path for path in file.parents if os.path.exists(path))
    can_write = os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
    if not can_write or (os.path.exists(file) and not os.access(file, os.R_OK | os.W_OK)):
        why = f"this user cannot write to {str(file if can_write else folder)!r}"
        if not os.path.isdir(folder):
            why = f"{str(folder)!r} is no folder"
        raise ValueError(
            f"the SQLite file is {str(file)!r}, in the instance folder, but {why}. Change that, or "
            "give Flask another instance folder (Flask(…, instance_path=…)); or take a Redis URL, "
            "or None for no store"
        )
