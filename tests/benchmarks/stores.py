"""What it costs to ask whether a session was revoked, with no revocations and with a million."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from flask import Flask
from redis import Redis

from flask_jwtsession import JWTSession
from flask_jwtsession.lifecycle import standing
from flask_jwtsession.lifecycle.binding import Binding
from flask_jwtsession.lifecycle.state import Token
from flask_jwtsession.stores import SQLITE_FILE, Store
from flask_jwtsession.stores.redis import PREFIX

from ..redis_server import RedisServer
from ..support import SECRET, binding_of, claims_at
from .timing import Call

NO_STORE = "no store"
EMPTY = "SQLite, nothing revoked"
FULL = "SQLite, a million revoked"
SELECT = "one SELECT of two keys"
REDIS = "Redis"
MGET = "one MGET of two keys"

MILLION = 1_000_000
_LIFETIME = 30 * 86_400


@dataclass(frozen=True)
class StoreCalls:
    """The calls to time, by name, and how large the file with a million entries is, in bytes."""

    calls: dict[str, Call]
    file_size: int


@contextmanager
def store_calls() -> Iterator[StoreCalls]:
    """Every check was seen to find what is there. Without ``redis-server`` there are none of it."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        none = _binding(None, folders[0])
        empty, full = (_binding("sqlite", folder) for folder in folders)
        token = _token()
        for binding in (empty, full):
            _require_found(binding, token)
        _fill(folders[1] / SQLITE_FILE)
        calls: dict[str, Call] = {
            NO_STORE: lambda: standing.look_up(none, token),
            EMPTY: lambda: standing.look_up(empty, token),
            FULL: lambda: standing.look_up(full, token),
            SELECT: _select(folders[1] / SQLITE_FILE, stack),
        }
        if shutil.which("redis-server"):
            server = stack.enter_context(RedisServer())
            redis = _binding(server.url(), folders[0])
            _require_found(redis, token)
            client = stack.enter_context(Redis.from_url(server.url()))
            names = [PREFIX + name for name in _names(redis, token)]
            calls[REDIS] = lambda: standing.look_up(redis, token)
            calls[MGET] = lambda: client.mget(names)
            stack.callback(redis.store.close)
        for binding in (empty, full):
            stack.callback(binding.store.close)
        size = sum(path.stat().st_size for path in folders[1].glob(f"{SQLITE_FILE}*"))
        yield StoreCalls(calls, size)


def _binding(store: str | Store | None, folder: Path) -> Binding:
    app = Flask("benchmark", instance_path=str(folder))
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_STORE=store)
    JWTSession(app)
    return binding_of(app)


def _token() -> Token:
    claims = claims_at(time.time())
    return Token.of(b"", claims, claims["exp"])


def _names(binding: Binding, token: Token) -> list[str]:
    assert binding.revocations is not None
    return list(binding.revocations.names(standing.identity_of(token)))


def _require_found(binding: Binding, token: Token) -> None:
    """The check sees what was written; then it is taken away again."""
    assert binding.revocations is not None
    live, _ = standing.look_up(binding, token)
    binding.revocations.end(token.claims["sid"])
    ended, _ = standing.look_up(binding, token)
    assert (live.name, ended.name) == ("LIVE", "ENDED")
    binding.store.delete(_names(binding, token)[0])


def _fill(file: Path) -> None:
    """A million revocations, as sign-outs leave them, but written at one go."""
    random, expires = Random(0), time.time() + _LIFETIME  # noqa: S311 - the same in every run
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    rows = (
        ("".join(random.choices(alphabet, k=24)), b"ended", expires + number / 1000)
        for number in range(MILLION)
    )
    connection = sqlite3.connect(file)
    with connection:
        connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _select(file: Path, stack: ExitStack) -> Call:
    connection = sqlite3.connect(file)
    stack.callback(connection.close)
    statement, keys = "SELECT value FROM entries WHERE key IN (?, ?)", ("a" * 24, "b" * 24)
    return lambda: connection.execute(statement, keys).fetchall()
