"""A store in a SQLite file: for all processes of one machine, and over a restart."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

from ..exceptions import StoreUnavailable
from .base import LARGEST_SKEW, Store

try:
    import fcntl
except ImportError:  # Windows, where nobody can delete a file that is open
    fcntl = None  # type: ignore[assignment]

#: Seconds for which a write waits for those of other processes.
BUSY = 2.0
#: Seconds between two looks, of one process, for entries that are over.
CLEANED_EVERY = 60.0
# Entries that are deleted in one go, so that nobody waits long for the file.
_CLEANED_AT_ONCE = 1000
_CLEANED_AT_MOST = 20

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (
        key TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires);
"""
_PUT = """
    INSERT INTO entries VALUES (:key, :value, :expires) ON CONFLICT (key)
    DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
_PUT_IF_ABSENT = f"{_PUT} WHERE entries.expires <= :now"
# A lease that ends long after one taken now would is from before the clock was set back.
_TAKE_LEASE = f"{_PUT_IF_ABSENT} OR entries.expires > :expires + {LARGEST_SKEW}"
_REPLACE = """
    UPDATE entries SET value = :value, expires = :expires
    WHERE key = :key AND value = :expected AND expires > :now
"""
_DELETE = """
    DELETE FROM entries
    WHERE key = :key AND (:expected IS NULL OR value = :expected) AND expires > :now
"""
_CLEAN = """
    DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= :now LIMIT :most)
"""


class SQLiteStore(Store):
    """A file in write-ahead mode, made when something is written for the first time.

    The file's folder has to be on a disk of this machine: not on NFS. The file, and those beside it
    (``-wal``, ``-shm``), can be read by nobody but the user that made them. To put one back from a
    backup, take ``-wal`` and ``-shm`` away first. A process may fork children that use the store
    too, unless one of its threads uses it at that moment.

    :param path: of the file; its folder is made, too
    :param clock: epoch seconds
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Callable[[], float] = time.time
    ) -> None:
        self.path: Path = Path(path).absolute()
        self._file = os.fspath(self.path)
        self._clock = clock
        self._pool = _Pool((0, 0))
        self._cleaned_at = float("-inf")
        self._writing = Lock()
        self._queries: dict[int, str] = {}
        _stores.add(self)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        # Every request comes through here; what a context manager costs is a tenth of it.
        try:
            pool = self._current_pool()
            if pool is None:
                return [None] * len(keys)  # nothing was ever written
            query = self._queries.get(len(keys)) or self._query(len(keys))
            connection = pool.take(self._file)
            try:
                found = dict(connection.execute(query, (*keys, self._clock())).fetchall())
            except BaseException:
                connection.close()
                raise
            pool.idle.append(connection)
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from None
        return [found.get(key) for key in keys] if found else [None] * len(keys)

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        self._write(_PUT, key, value=value, lifetime=lifetime)

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        statement = _PUT_IF_ABSENT if expected is None else _REPLACE
        return self._write(statement, key, value=value, lifetime=lifetime, expected=expected)

    def take_lease(self, key: str, owner: bytes, lifetime: float) -> bool:
        return self._write(_TAKE_LEASE, key, value=owner, lifetime=lifetime)

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        return self._write(_DELETE, key, expected=expected)

    def close(self) -> None:
        pool, self._pool = self._pool, _Pool((0, 0))
        pool.close()

    def _write(self, statement: str, key: str, *, lifetime: float = 0.0, **values: Any) -> bool:
        # One statement, and so one transaction: SQLite takes the lock before it looks.
        now = self._clock()
        values |= {"key": key, "now": now, "expires": now + lifetime}
        # The threads of a process wait in a row, and not all of them for the file: SQLite lets
        # whoever comes first have it, and of many somebody always comes last.
        if not self._writing.acquire(timeout=BUSY):
            raise StoreUnavailable(f"SQLite, {self.path}: too many are writing")
        try:
            pool = self._current_pool() or self._create()
            try:
                return self._execute(pool, statement, values)
            except sqlite3.OperationalError as error:
                if not _is(error, sqlite3.SQLITE_READONLY):
                    raise
                # It was opened when nobody could write; perhaps one can by now.
                pool.close()
                return self._execute(pool, statement, values)
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from None
        finally:
            self._writing.release()

    def _execute(self, pool: _Pool, statement: str, values: Mapping[str, Any]) -> bool:
        connection = pool.take(self._file)
        try:
            done = connection.execute(statement, values).rowcount > 0
            if not 0 <= values["now"] - self._cleaned_at < CLEANED_EVERY:
                self._cleaned_at = values["now"]
                with suppress(sqlite3.Error):  # what was asked for is done; this can wait
                    _clean(connection, values["now"])
        except BaseException:
            connection.close()
            raise
        pool.idle.append(connection)
        return done

    def _query(self, keys: int) -> str:
        marks = ",".join("?" * keys)
        query = f"SELECT key, value FROM entries WHERE key IN ({marks}) AND expires > ?"  # noqa: S608
        self._queries[keys] = query
        return query

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"SQLite, {self.path}: {error}")

    def _current_pool(self) -> _Pool | None:
        """Connections of this process to the file that is at the path now; None if there is none.

        Looked at every time: a file that was deleted and made again is another one, and what is
        written into the old one is seen by nobody.
        """
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            return None
        file_id = status.st_dev, status.st_ino
        pool = self._pool
        if pool.file_id != file_id:
            pool, former = _Pool(file_id), pool
            self._pool = pool
            former.close()
        return pool

    def _create(self) -> _Pool:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(os.fspath(self.path.parent)):
            if not self.path.exists():
                _make(self._file)
        pool = self._current_pool()
        if pool is None:
            raise FileNotFoundError(self._file)
        return pool


class _Connection(sqlite3.Connection):
    def __del__(self) -> None:
        with suppress(sqlite3.Error):  # it may never have been opened
            self.close()


class _Pool:
    """The connections of one process to one file that nobody uses at this moment. SQLite lets any
    thread use one, but one at a time.
    """

    def __init__(self, file_id: tuple[int, int]) -> None:
        self.file_id = file_id
        self.idle: deque[_Connection] = deque()

    def take(self, file: str) -> _Connection:
        try:
            return self.idle.pop()
        except IndexError:
            return _open(file)

    def close(self) -> None:
        with suppress(IndexError):  # somebody took the last one
            while self.idle:
                self.idle.pop().close()


#: Those of this process that are in use.
_stores: WeakSet[SQLiteStore] = WeakSet()


def _close_all() -> None:
    for store in list(_stores):
        store.close()


def _start_anew() -> None:
    for store in list(_stores):
        store._pool = _Pool((0, 0))
        store._writing = Lock()  # there is nobody left who would release it


# A child process inherits what SQLite remembers of its locks, but not the locks themselves: with a
# file open at the fork it would believe to hold some, and write where nobody reads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_all, after_in_child=_start_anew)


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Of all processes that are here, one at a time. Nobody deletes the folder."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        give_up = time.monotonic() + BUSY
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _make(file: str) -> None:
    # What a deleted file left behind: a process that is idle may have it open still, and would
    # share it with those who open the new one.
    for left in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(file + left)
    # With these rights from the beginning, and closed before it gets its name: to close a file lets
    # go of every lock that this process has on it, also those of SQLite in another thread.
    unnamed = f"{file}.new"
    with suppress(FileNotFoundError):
        os.unlink(unnamed)
    os.close(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # Whole before it has its name: who opens an empty file deletes the log that is beside it, and
    # that may be the one of its successor by then.
    _open(unnamed).close()
    os.rename(unnamed, file)


def _open(file: str) -> _Connection:
    # "rw": a file that was deleted in this moment is not made anew, with other rights.
    connection = sqlite3.connect(
        f"{Path(file).as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    try:
        # To the disk with every commit: a sign-out is not undone by a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA schema_version").fetchone() == (0,):
            _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: _Connection) -> None:
    give_up = time.monotonic() + BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # Another process does just this; SQLite does not wait for it, as it does elsewhere.
            if not _is(error, sqlite3.SQLITE_BUSY) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
    connection.executescript(_SCHEMA)


def _is(error: sqlite3.Error, code: int) -> bool:
    """Whether it is one of SQLite's errors of this kind; the higher bits say more."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == code


def _clean(connection: _Connection, now: float) -> None:
    for _ in range(_CLEANED_AT_MOST):
        values = {"now": now, "most": _CLEANED_AT_ONCE}
        if connection.execute(_CLEAN, values).rowcount < _CLEANED_AT_ONCE:
            return
