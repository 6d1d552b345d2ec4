from __future__ import annotations

import fcntl
import gc
import itertools
import json
import os
import resource
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.stores.base import Store
from flask_jwtsession.stores.contract import StoreContract, _in_threads
from flask_jwtsession.stores.sqlite import CLEANED_EVERY, SQLiteStore

from .support import Clock
from .tools import require_tool

ROOT = Path(__file__).parent.parent
#: A user without any rights.
NOBODY = 65534
#: What no text of an error may show.
KEY, VALUE = "a-key-that-is-secret", b"a value that is secret"
#: Seconds until a process must have answered.
DEADLINE = 60.0


# Other processes.

# From a process in which nothing has happened but the imports: each is as good as a new Python.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


class OtherProcess(Store):
    """A store on the same file, in a Python process of its own.

    :param clock: what it takes for the time, as it stands at each call; None for the real time
    :param user: whom it runs as, if the tests run as root
    """

    def __init__(self, path: Path, clock: Clock | None = None, user: int | None = None) -> None:
        self._clock = clock
        self._process = ProcessPoolExecutor(1, mp_context=_PROCESSES)
        self._pid: int = self.run(os.getpid)
        self.open(path, user)

    def open(self, path: Path, user: int | None = None) -> None:
        """Begin anew with a store on this file."""
        self.run(_open_here, path, self._clock is not None, user)

    def run(self, work: Callable[..., Any], *arguments: object) -> Any:
        """Call a function of this module there; it finds the store in `_here`."""
        return self.start(work, *arguments).result(DEADLINE)

    def start(self, work: Callable[..., Any], *arguments: object) -> Future[Any]:
        return self._process.submit(work, *arguments)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        values: list[bytes | None] = self._call("get_many", keys)
        return values

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        self._call("put", key, value, lifetime)

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        done: bool = self._call("compare_and_set", key, expected, value, lifetime)
        return done

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        done: bool = self._call("delete", key, expected)
        return done

    def close(self) -> None:
        self._call("close")

    def end(self) -> None:
        """End the process as one ends that has nothing more to do."""
        self._process.shutdown()

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._process.shutdown()

    def _call(self, method: str, *arguments: object) -> Any:
        return self.run(_use_here, method, arguments, self._clock and self._clock.now)


#: In such a process: its store, and what that takes for the time.
_here: SQLiteStore
_clock_here = Clock()


def _open_here(path: Path, has_clock: bool, user: int | None) -> None:
    global _here
    if user is not None and os.getuid() == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    _here = SQLiteStore(path, _clock_here) if has_clock else SQLiteStore(path)


def _use_here(method: str, arguments: Sequence[Any], now: float | None) -> Any:
    if now is not None:
        _clock_here.now = now
    return getattr(_here, method)(*arguments)


def in_processes(work: Callable[[int], Any], count: int) -> list[Any]:
    """What ``work(0)`` … ``work(count - 1)`` return, run at once in forked processes: JSON."""
    start, let_start = os.pipe()
    children: list[tuple[int, int]] = []
    try:
        for number in range(count):
            receiver, sender = os.pipe()
            child = _fork()
            if child == 0:
                os.close(let_start)
                _answer(work, number, start, sender)
            os.close(sender)
            children.append((child, receiver))
        os.close(let_start)
        answers = [_wait_for_answer(receiver) for _, receiver in children]
    finally:
        os.close(start)
        for child, receiver in children:
            os.close(receiver)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    failed = [told for done, told in answers if not done]
    assert not failed, "\n".join(failed)
    return [result for _, result in answers]


def _fork() -> int:
    with warnings.catch_warnings():
        # A child of a process with threads may only do little; what it does here is little.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _answer(work: Callable[[int], Any], number: int, start: int, sender: int) -> None:
    try:
        os.read(start, 1)  # ends when the parent closes the other end
        try:
            answer = True, work(number)
        except BaseException:
            answer = False, traceback.format_exc()
        with open(sender, "w") as stream:
            json.dump(answer, stream)
    finally:
        os._exit(0)


def _wait_for_answer(receiver: int) -> tuple[bool, Any]:
    assert select.select([receiver], [], [], DEADLINE)[0], "a process hangs"
    with open(receiver, closefd=False) as stream:
        done, told = json.load(stream)
    return done, told


# What the tests ask.


@contextmanager
def unavailable() -> Iterator[None]:
    """It says so, and says neither key nor value."""
    with pytest.raises(StoreUnavailable) as caught:
        yield
    assert KEY not in str(caught.value)
    assert VALUE.decode() not in str(caught.value)


def reads_and_writes(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "get_many": lambda: store.get_many([KEY, "b"]),
        "put": lambda: store.put(KEY, VALUE, 60),
        "put_if_absent": lambda: store.put_if_absent(KEY, VALUE, 60),
        "compare_and_set": lambda: store.compare_and_set(KEY, VALUE, b"2", 60),
        "delete": lambda: store.delete(KEY),
        "delete expected": lambda: store.delete(KEY, VALUE),
    }


def open_files(path: Path) -> list[str]:
    """What this process has open of the store's three files."""
    folder = Path("/proc/self/fd")
    require_tool("/proc", str(folder) if folder.is_dir() else None, "Linux has it")
    found = []
    for descriptor in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return [target for target in found if target.startswith(str(path))]


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        return int(count)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def remove(path: Path, suffixes: Sequence[str] = ("", "-wal", "-shm")) -> None:
    for suffix in suffixes:
        beside(path, suffix).unlink(missing_ok=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path)) as store:
        yield store


@pytest.fixture
def other(path: Path) -> Iterator[OtherProcess]:
    process = OtherProcess(path)
    yield process
    process.end()


# The contract, in one process and in two.


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def store(self, path: Path, clock: Clock) -> Iterator[Store]:
        self.clock = clock
        with closing(SQLiteStore(path, clock)) as store:
            yield store

    @pytest.fixture
    def same(self, store: Store, path: Path) -> Iterator[Store]:
        with closing(SQLiteStore(path, self.clock)) as same:
            yield same

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


_shared_clock = Clock()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherProcess]:
    process = OtherProcess(tmp_path_factory.mktemp("unused") / "store.db", _shared_clock)
    yield process
    process.end()


class TestSQLiteStoreInTwoProcesses(StoreContract):
    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        with closing(SQLiteStore(path, _shared_clock)) as store:
            yield store

    @pytest.fixture
    def same(self, store: Store, path: Path, process: OtherProcess) -> Iterator[Store]:
        process.open(path)
        with closing(process):
            yield process

    def pass_time(self, seconds: float) -> None:
        _shared_clock.advance(seconds)


# Its files.


def test_nothing_is_made_before_the_first_write(store: SQLiteStore, path: Path) -> None:
    assert store.get_many(["a", "b"]) == [None, None]
    assert store.get_many([]) == []
    store.close()
    assert not path.parent.exists()


def test_the_first_write_makes_the_file_and_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "deep" / "folder" / "store.db"
    with closing(SQLiteStore(path)) as store:
        store.put("a", b"1", 60)
        assert path.read_bytes().startswith(b"SQLite format 3\0")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_may_read_its_files(store: SQLiteStore, path: Path) -> None:
    for _ in range(2):
        store.put("a", b"1", 60)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes.keys() >= {"store.db", "store.db-wal", "store.db-shm"}
        assert set(modes.values()) == {0o600}
        store.close()  # it takes two of them away, and opening it makes them again


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_may_put_files_into_a_folder_that_it_makes(
    store: SQLiteStore, path: Path
) -> None:
    store.put("a", b"1", 60)
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize(
    "name",
    [
        "with spaces and ümläuts ß",
        "a?mode=ro&b",
        "a#b",
        "100%",
        "%41%2f%00",
        "a'b\"c;--",
        "file:a",
        ":memory:",
        "-wal",
        "日本語\n\t",
        os.fsdecode(b"\xff\xfe"),
    ],
    ids=ascii,
)
def test_any_name_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"in {name}"
    with closing(SQLiteStore(folder / name)) as store:
        store.put("a", b"1", 60)
        files = os.listdir(folder)
        assert {name, f"{name}-wal", f"{name}-shm"} <= set(files)
        assert all(file.startswith(name) for file in files)
    monkeypatch.chdir(folder)
    with closing(SQLiteStore(name)) as store:
        assert store.get_many(["a"]) == [b"1"]


def test_a_name_without_a_folder_is_one_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(SQLiteStore("store.db")) as store:
        store.put("a", b"1", 60)
        assert store.get_many(["a"]) == [b"1"]
    assert (tmp_path / "store.db").is_file()


def test_it_survives_a_restart(store: SQLiteStore, other: OtherProcess) -> None:
    store.put("a", bytes(range(256)), 60)
    store.close()
    assert other.get_many(["a"]) == [bytes(range(256))]


def test_it_survives_that_its_process_is_killed(store: SQLiteStore, other: OtherProcess) -> None:
    other.put("a", b"1", 60)
    other.kill()
    assert store.get_many(["a"]) == [b"1"]
    assert store.compare_and_set("a", b"1", b"2", 60) is True


def test_an_empty_file_becomes_a_store(store: SQLiteStore, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert store.get_many(["a"]) == [None]
    store.put("a", b"1", 60)
    assert store.get_many(["a"]) == [b"1"]


# Several processes.


def test_no_increment_of_many_processes_is_lost(store: SQLiteStore, path: Path) -> None:
    def increment(_: int) -> None:
        mine = SQLiteStore(path)
        for _ in range(50):
            done = False
            while not done:
                (value,) = mine.get_many(["counter"])
                done = mine.compare_and_set("counter", value, b"%d" % (int(value or 0) + 1), 60)

    in_processes(increment, 4)
    assert store.get_many(["counter"]) == [b"200"]


def test_of_many_processes_one_sets_an_absent_key(store: SQLiteStore, path: Path) -> None:
    keys = [f"key-{number}" for number in range(50)]

    def put(number: int) -> list[str]:
        mine = SQLiteStore(path)
        return [key for key in keys if mine.put_if_absent(key, b"%d" % number, 60)]

    won = in_processes(put, 8)
    winners = {key: b"%d" % number for number, some in enumerate(won) for key in some}
    assert sum(len(some) for some in won) == len(keys)
    assert store.get_many(keys) == [winners[key] for key in keys]


def test_many_processes_may_make_the_file_at_the_same_moment(tmp_path: Path) -> None:
    keys = [f"key-{number}" for number in range(20)]
    for turn in range(3):
        path = tmp_path / f"folder {turn}" / "store.db"

        def make(number: int, path: Path = path) -> None:
            SQLiteStore(path).put(keys[number], b"%d" % number, 60)

        in_processes(make, 20)
        with closing(SQLiteStore(path)) as store:
            assert store.get_many(keys) == [b"%d" % number for number in range(20)]


def test_many_threads_may_make_the_file_at_the_same_moment(tmp_path: Path) -> None:
    keys = [f"key-{number}" for number in range(20)]
    for turn in range(3):
        with closing(SQLiteStore(tmp_path / f"folder {turn}" / "store.db")) as store:

            def make(number: int, store: Store = store) -> None:
                store.put(keys[number], b"%d" % number, 60)

            _in_threads(make, 20)
            assert store.get_many(keys) == [b"%d" % number for number in range(20)]


def test_a_thread_that_is_late_in_making_the_file_takes_no_lock_away(
    store: SQLiteStore, other: OtherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of it."""
    is_late, may_go_on = threading.Event(), threading.Event()
    late = threading.Thread(target=lambda: store.put("late", b"1", 60))
    open_file = os.open

    def slow_open(*arguments: Any, **named: Any) -> int:
        if threading.current_thread() is late:
            is_late.set()
            assert may_go_on.wait(DEADLINE)
        return open_file(*arguments, **named)

    monkeypatch.setattr(os, "open", slow_open)
    late.start()
    try:
        is_late.wait(1)
        # As another application in this process has it: the threads of one wait for each other.
        SQLiteStore(store.path).put("early", b"1", 60)
    finally:
        may_go_on.set()
        late.join(DEADLINE)
    # Who takes itself for the last one that has the file open takes the write-ahead log away.
    assert other.get_many(["early", "late"]) == [b"1", b"1"]
    other.close()
    store.put("after", b"1", 60)
    assert other.get_many(["early", "late", "after"]) == [b"1", b"1", b"1"]


@pytest.mark.parametrize("step", ["unlink", "open", "rename", "connect"])
def test_who_makes_the_file_does_not_take_away_that_of_another_who_was_faster(
    store: SQLiteStore,
    path: Path,
    other: OtherProcess,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Not even after ``rm store.db*``, which takes the lock file, too."""
    is_late, may_go_on = threading.Event(), threading.Event()

    def put() -> None:
        with suppress(StoreUnavailable):
            store.put("late", b"1", 60)

    late = threading.Thread(target=put)
    module = sqlite3 if step == "connect" else os
    take_step = getattr(module, step)

    def slowly(file: Any, *arguments: Any, **named: Any) -> Any:
        # What was opened may have another file's name by the time it is looked at.
        opened = take_step(file, *arguments, **named) if step == "connect" else None
        if threading.current_thread() is late and not str(file).endswith(".lock"):
            is_late.set()
            assert may_go_on.wait(DEADLINE)
        return opened or take_step(file, *arguments, **named)

    monkeypatch.setattr(module, step, slowly)
    late.start()
    try:
        is_late.wait(1)
        remove(path, ("", "-wal", "-shm", ".lock"))
        was_faster = True
        try:
            other.put("early", b"1", 60)
        except StoreUnavailable:  # it waited for the other one as long as it may
            was_faster = False
    finally:
        may_go_on.set()
        late.join(DEADLINE)
    if was_faster:
        assert store.get_many(["early"]) == other.get_many(["early"]) == [b"1"]
    store.put("a", b"1", 60)
    other.put("b", b"1", 60)
    assert store.get_many(["a", "b"]) == other.get_many(["a", "b"]) == [b"1", b"1"]


def test_processes_that_are_killed_while_they_write_break_nothing(
    store: SQLiteStore, path: Path
) -> None:
    store.put("stays", b"1", 60)
    for _ in range(10):
        child = _fork()
        if child == 0:
            with suppress(BaseException):
                mine = SQLiteStore(path)
                for number in itertools.count():
                    mine.put(f"key-{number % 100}", os.urandom(5_000), 60)
            os._exit(1)
        time.sleep(0.05)  # some moment in the middle of its work
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert store.get_many(["stays"]) == [b"1"]
        store.put("after", b"1", 60)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Forks.


def _write_in_a_child_of_a_parent_that_closes() -> None:
    another = SQLiteStore(_here.path)  # of which the child knows nothing
    another.put("a", b"parent", 60)
    _here.put("a", b"parent", 60)
    to_parent, to_child = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            _here.put("a", b"child", 60)
            os.write(to_parent[1], b".")
            os.read(to_child[0], 1)
            _here.put("a", b"child of a parent that closed", 60)
        os._exit(0)
    os.read(to_parent[0], 1)
    another.close()
    _here.close()
    os.write(to_child[1], b".")
    os.waitpid(child, 0)
    for descriptor in (*to_parent, *to_child):
        os.close(descriptor)


def test_what_a_forked_process_writes_is_seen_after_its_parent_closed(
    store: SQLiteStore, other: OtherProcess
) -> None:
    other.run(_write_in_a_child_of_a_parent_that_closes)
    assert store.get_many(["a"]) == [b"child of a parent that closed"]


_PARENT_OF_A_WORKER = """
import os, sys
from flask_jwtsession.stores.sqlite import SQLiteStore

store = SQLiteStore(sys.argv[1])
store.put("parent", b"1", 60)
child = os.fork()
if child == 0:
    store.put("child", b"1", 60)
    sys.exit()  # as gunicorn's workers end: everything is tidied up
os.waitpid(child, 0)
store.put("parent", b"2", 60)
"""


def test_a_forked_process_that_ends_leaves_the_store_to_its_parent(
    store: SQLiteStore, path: Path
) -> None:
    store.put("a", b"1", 60)
    subprocess.run([sys.executable, "-c", _PARENT_OF_A_WORKER, str(path)], cwd=ROOT, check=True)
    assert store.get_many(["a", "parent", "child"]) == [b"1", b"2", b"1"]


# A file that goes away, or is another one.


@pytest.mark.parametrize(
    "suffixes", [("",), ("", "-wal"), ("", "-shm"), ("", "-wal", "-shm")], ids=" ".join
)
def test_a_file_that_is_deleted_while_it_is_open_is_made_anew(
    store: SQLiteStore, path: Path, other: OtherProcess, suffixes: tuple[str, ...]
) -> None:
    store.put("a", b"1", 60)
    remove(path, suffixes)
    assert store.get_many(["a"]) == [None]
    assert not path.exists()
    assert store.put_if_absent("a", b"2", 60) is True
    assert store.get_many(["a"]) == [b"2"]
    assert other.get_many(["a"]) == [b"2"]


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")], ids=" ".join)
def test_a_file_that_is_deleted_while_an_idle_process_has_it_open_is_made_anew(
    store: SQLiteStore, path: Path, other: OtherProcess, suffixes: tuple[str, ...]
) -> None:
    other.put("a", b"1", 60)
    remove(path, suffixes)
    store.put("b", b"2", 60)
    assert store.get_many(["a", "b"]) == [None, b"2"]
    assert other.get_many(["a", "b"]) == [None, b"2"]
    other.put("a", b"3", 60)
    assert store.get_many(["a", "b"]) == [b"3", b"2"]


@pytest.mark.parametrize(
    "suffixes", [("",), ("", "-wal", "-shm"), ("", "-wal", "-shm", ".lock")], ids=" ".join
)
def test_a_file_that_is_deleted_again_and_again_drives_nobody_apart(
    path: Path, suffixes: tuple[str, ...]
) -> None:
    end = time.monotonic() + 2
    keys = [f"after-{number}" for number in range(4)]

    def delete() -> None:
        for pause in itertools.cycle((0.0, 0.01, 0.03, 0.05)):
            if time.monotonic() > end:
                return
            time.sleep(pause)
            remove(path, suffixes)

    def read_and_write(store: Store, number: int) -> int:
        worked = 0
        for turn in itertools.count():
            if time.monotonic() > end:
                break
            with suppress(StoreUnavailable):
                store.put(f"key-{number}-{turn % 50}", os.urandom(turn * 97 % 3_000), 60)
                store.get_many([f"key-{any_one}-{turn % 50}" for any_one in range(4)])
                store.put_if_absent("lease", b"%d" % number, 60)
                store.delete("lease", b"%d" % number)
                worked += 1
        return worked

    def work(number: int) -> None:
        if number == len(keys):
            delete()
            return
        store = SQLiteStore(path)
        assert read_and_write(store, number) > 0
        time.sleep(0.5)  # so that nothing is deleted any more
        store.put(keys[number], b"1", 60)
        while store.get_many(keys) != [b"1"] * len(keys):
            assert time.monotonic() < end + DEADLINE / 2, store.get_many(keys)
            time.sleep(0.01)

    in_processes(work, len(keys) + 1)
    with closing(SQLiteStore(path)) as store:
        assert store.get_many(keys) == [b"1"] * len(keys)
        store.put("new", b"1", 60)


def test_a_file_that_is_put_back_from_a_backup_counts(
    store: SQLiteStore, path: Path, tmp_path: Path, other: OtherProcess
) -> None:
    backup = tmp_path / "backup.db"
    with closing(SQLiteStore(backup)) as former:
        former.put("a", b"former", 60)
        former.put("b", b"former", 60)
    store.put("a", b"later", 60)
    store.put("c", b"later", 60)
    remove(path, ("-wal", "-shm"))
    os.replace(backup, path)
    assert store.get_many(["a", "b", "c"]) == [b"former", b"former", None]
    assert store.compare_and_set("a", b"former", b"new", 60) is True
    assert other.get_many(["a", "b", "c"]) == [b"new", b"former", None]


def test_a_file_that_is_another_one_now_is_not_kept_open(store: SQLiteStore, path: Path) -> None:
    for _ in range(10):
        store.put("a", b"1", 60)
        remove(path)
        assert store.get_many(["a"]) == [None]
    store.put("a", b"1", 60)
    store.get_many(["a"])
    assert not [target for target in open_files(path) if "(deleted)" in target]


# A file that is locked.

_lock_here: sqlite3.Connection


def _lock(path: Path) -> None:
    global _lock_here
    _lock_here = sqlite3.connect(path, isolation_level=None)
    _lock_here.execute("BEGIN IMMEDIATE")


def _unlock(after: float) -> None:
    time.sleep(after)
    _lock_here.execute("ROLLBACK")


def test_a_lock_of_another_process_holds_up_writes_for_two_seconds_and_no_reads(
    store: SQLiteStore, path: Path, other: OtherProcess
) -> None:
    store.put("a", b"1", 60)
    other.run(_lock, path)
    for write in ("put", "compare_and_set"):
        began = time.monotonic()
        with unavailable():
            reads_and_writes(store)[write]()
        assert 1.5 < time.monotonic() - began < 4
        began = time.monotonic()
        assert store.get_many(["a", KEY]) == [b"1", None]
        assert time.monotonic() - began < 1
    other.run(_unlock, 0)
    store.put("a", b"2", 60)
    assert store.get_many(["a"]) == [b"2"]


def test_a_write_waits_for_the_end_of_a_lock(
    store: SQLiteStore, path: Path, other: OtherProcess
) -> None:
    store.put("a", b"1", 60)
    other.run(_lock, path)
    began = time.monotonic()
    unlocking = other.start(_unlock, 0.5)
    assert store.compare_and_set("a", b"1", b"2", 60) is True
    assert time.monotonic() - began > 0.4
    unlocking.result(DEADLINE)


def _lock_the_making(path: Path) -> None:
    path.parent.mkdir()
    for lock in (
        os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT),
        os.open(path.parent, os.O_RDONLY),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)


def test_a_process_that_stands_still_while_it_makes_the_file_does_not_hold_up_others_for_ever(
    store: SQLiteStore, path: Path, other: OtherProcess
) -> None:
    other.run(_lock_the_making, path)
    ended = threading.Event()

    def put() -> None:
        with suppress(StoreUnavailable):
            store.put("a", b"1", 60)
        ended.set()

    threading.Thread(target=put, daemon=True).start()
    assert ended.wait(5)
    other.kill()
    assert_works(store)


# What can be wrong with a file.


def _make_a_folder(path: Path) -> None:
    path.mkdir(parents=True)


def _put_a_file_in_place_of_the_folder(path: Path) -> None:
    path.parent.write_text("")


def _write_garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)


def _make_a_database_of_another_program(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")


def _damage(path: Path) -> None:
    with closing(SQLiteStore(path)) as store:
        for number in range(200):
            store.put(f"key-{number}", b"1" * 100, 60)
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"\xab" * (len(pages) - 4096))


def _cut_off(path: Path) -> None:
    with closing(SQLiteStore(path)) as store:
        for number in range(200):
            store.put(f"key-{number}", b"1" * 100, 60)
    os.truncate(path, 5000)


FAULTS = [
    _make_a_folder,
    _put_a_file_in_place_of_the_folder,
    _write_garbage,
    _make_a_database_of_another_program,
    _damage,
    _cut_off,
]


@pytest.mark.parametrize("was_used", [False, True], ids=["fresh", "used before"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_a_file_that_is_none_of_its_own_makes_it_unavailable_until_it_is_gone(
    store: SQLiteStore, path: Path, fault: Callable[[Path], None], was_used: bool
) -> None:
    if was_used:
        store.put("a", b"0", 60)
        shutil.rmtree(path.parent)
    fault(path)
    for use in reads_and_writes(store).values():
        with unavailable():
            use()
    if path.parent.is_dir():
        shutil.rmtree(path.parent)
    else:
        path.parent.unlink()
    assert store.get_many([KEY]) == [None]
    store.put(KEY, VALUE, 60)
    assert store.get_many([KEY]) == [VALUE]


def test_a_file_that_is_emptied_in_place_raises_nothing_but_unavailable(
    store: SQLiteStore, path: Path
) -> None:
    store.put(KEY, VALUE, 60)
    os.truncate(path, 0)
    for use in reads_and_writes(store).values():
        with suppress(StoreUnavailable):
            use()
    remove(path)
    store.put(KEY, VALUE, 60)
    assert store.get_many([KEY]) == [VALUE]


# What the system refuses.


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder of a user without rights, or of the one who runs the tests if that is not root."""
    # Not pytest's: what is above those is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="jwtsession-store-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def nobody(folder_of_nobody: Path) -> Iterator[OtherProcess]:
    process = OtherProcess(folder_of_nobody / "store.db", user=NOBODY)
    yield process
    process.end()


def assert_writes_are_unavailable(store: Store) -> None:
    for name, use in reads_and_writes(store).items():
        if name != "get_many":
            with unavailable():
                use()


def assert_works(store: Store) -> None:
    store.put(KEY, VALUE, 60)
    assert store.get_many([KEY]) == [VALUE]
    assert store.compare_and_set(KEY, VALUE, b"2", 60) is True
    assert store.delete(KEY) is True


def test_a_folder_that_may_not_be_written(nobody: OtherProcess, folder_of_nobody: Path) -> None:
    folder_of_nobody.chmod(0o500)
    assert nobody.get_many([KEY]) == [None]
    assert_writes_are_unavailable(nobody)
    folder_of_nobody.chmod(0o700)
    assert_works(nobody)


def test_a_folder_that_may_not_be_entered(nobody: OtherProcess, folder_of_nobody: Path) -> None:
    nobody.put("a", b"1", 60)
    folder_of_nobody.chmod(0)
    with unavailable():
        nobody.get_many([KEY])
    assert_writes_are_unavailable(nobody)
    folder_of_nobody.chmod(0o700)
    assert nobody.get_many(["a"]) == [b"1"]
    assert_works(nobody)


@pytest.mark.parametrize("folder_mode", [0o500, 0o700], ids=oct)
@pytest.mark.parametrize("has_entries", [True, False], ids=["a store", "an empty file"])
def test_a_file_that_may_not_be_written(
    nobody: OtherProcess, folder_of_nobody: Path, folder_mode: int, has_entries: bool
) -> None:
    path = folder_of_nobody / "store.db"
    nobody.put("a", b"1", 60)
    nobody.close()
    if not has_entries:
        os.truncate(path, 0)
    path.chmod(0o400)
    folder_of_nobody.chmod(folder_mode)
    began = time.monotonic()
    with suppress(StoreUnavailable):
        assert nobody.get_many(["a"]) == [b"1" if has_entries else None]
    assert_writes_are_unavailable(nobody)
    assert time.monotonic() - began < 5, "a right that is missing is waited for"
    folder_of_nobody.chmod(0o700)
    for each in folder_of_nobody.iterdir():  # SQLite gives the files beside it the same rights
        each.chmod(0o600)
    assert nobody.get_many(["a"]) == [b"1" if has_entries else None]
    assert_works(nobody)


def test_a_file_that_may_not_be_read(nobody: OtherProcess, folder_of_nobody: Path) -> None:
    path = folder_of_nobody / "store.db"
    nobody.put("a", b"1", 60)
    nobody.close()
    path.chmod(0)
    with unavailable():
        nobody.get_many(["a"])
    assert_writes_are_unavailable(nobody)
    path.chmod(0o600)
    assert nobody.get_many(["a"]) == [b"1"]
    assert_works(nobody)


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others")


@needs_root
@pytest.mark.parametrize("suffix", [".lock", ".new"])
def test_root_follows_no_link_that_the_owner_of_the_folder_has_laid(
    folder_of_nobody: Path, tmp_path: Path, suffix: str
) -> None:
    """Whoever took over the application would get, or empty, any file of root's."""
    of_root = tmp_path / "file of root"
    of_root.write_bytes(b"root's")
    path = folder_of_nobody / "store.db"
    beside(path, suffix).symlink_to(of_root)
    with closing(SQLiteStore(path)) as store, suppress(StoreUnavailable):
        store.put("a", b"1", 60)
    assert of_root.read_bytes() == b"root's"
    assert (of_root.stat().st_uid, of_root.stat().st_gid) == (0, 0)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (hard if value < 0 else value, hard))


def test_a_disk_that_is_full(other: OtherProcess) -> None:
    other.put("a", b"1", 60)
    # Files may not grow, and the signal that says so is ignored, as Python does.
    other.run(_limit, resource.RLIMIT_FSIZE, 64 * 1024)
    with unavailable():
        for number in range(100):
            other.put(f"key-{number}", bytes(10_000), 60)
    for _ in range(3):
        with unavailable():
            other.put(KEY, bytes(100_000), 60)
    assert other.get_many(["a"]) == [b"1"]
    other.run(_limit, resource.RLIMIT_FSIZE, -1)
    assert_works(other)
    assert other.get_many(["a"]) == [b"1"]


def test_a_disk_on_which_nothing_can_be_made(other: OtherProcess) -> None:
    other.run(_limit, resource.RLIMIT_FSIZE, 0)
    assert_writes_are_unavailable(other)
    with suppress(StoreUnavailable):
        assert other.get_many([KEY]) == [None]
    other.run(_limit, resource.RLIMIT_FSIZE, -1)
    assert_works(other)


_taken_here: list[int] = []


def _take_all_descriptors() -> None:
    _limit(resource.RLIMIT_NOFILE, 64)
    with suppress(OSError):
        while True:
            _taken_here.append(os.open(os.devnull, os.O_RDONLY))


def _give_descriptors_back() -> None:
    while _taken_here:
        os.close(_taken_here.pop())


def test_a_process_that_has_no_descriptors_left(other: OtherProcess, store: SQLiteStore) -> None:
    store.put("a", b"1", 60)
    other.run(_take_all_descriptors)
    with unavailable():
        other.get_many([KEY])
    assert_writes_are_unavailable(other)
    other.run(_give_descriptors_back)
    assert other.get_many(["a"]) == [b"1"]
    assert_works(other)


def test_what_cannot_be_opened_is_told_in_one_way_only(path: Path) -> None:
    """Not on standard error, too, where it would be told with every request."""
    path.mkdir(parents=True)
    code = (
        "import sys\n"
        "from flask_jwtsession.exceptions import StoreUnavailable\n"
        "from flask_jwtsession.stores.sqlite import SQLiteStore\n"
        "try:\n"
        "    SQLiteStore(sys.argv[1]).put('a', b'1', 60)\n"
        "except StoreUnavailable:\n"
        "    print('unavailable')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("unavailable\n", "")


# What has expired.


@pytest.fixture
def timed_store(path: Path, clock: Clock) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path, clock)) as store:
        yield store


def test_what_has_expired_is_deleted_in_the_course_of_writing(
    timed_store: SQLiteStore, path: Path, clock: Clock
) -> None:
    for number in range(300):
        timed_store.put(f"key-{number}", b"1", 1)
    timed_store.put("stays", b"1", 10 * CLEANED_EVERY)
    clock.advance(CLEANED_EVERY)
    assert rows(path) == 301
    timed_store.put("new", b"1", 1)
    assert rows(path) == 2
    assert timed_store.get_many(["stays", "new"]) == [b"1", b"1"]


@pytest.mark.parametrize("write", ["compare_and_set", "delete"])
def test_a_write_that_changes_nothing_cleans_as_well(
    timed_store: SQLiteStore, path: Path, clock: Clock, write: str
) -> None:
    timed_store.put("a", b"1", 1)
    clock.advance(CLEANED_EVERY)
    reads_and_writes(timed_store)[write]()
    assert rows(path) == 0


def test_a_great_many_that_have_expired_are_deleted_within_some_minutes(
    timed_store: SQLiteStore, path: Path, clock: Clock
) -> None:
    timed_store.put("stays", b"1", 100 * CLEANED_EVERY)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO entries VALUES (?, ?, ?)",
            ((f"key-{number}", b"1" * 40, clock.now) for number in range(100_000)),
        )
    for _ in range(10):
        clock.advance(CLEANED_EVERY)
        timed_store.put("stays", b"1", 100 * CLEANED_EVERY)
    assert rows(path) == 1


def test_the_file_does_not_grow_without_end(
    timed_store: SQLiteStore, path: Path, clock: Clock
) -> None:
    sizes = []
    for _ in range(8):
        for number in range(100):
            timed_store.put(f"key-{clock.now:.0f}-{number}", bytes(1_000), 1)
        clock.advance(CLEANED_EVERY)
        files = (path, beside(path, "-wal"))
        sizes.append(sum(file.stat().st_size for file in files))
    assert max(sizes) < 3 * sizes[1]


def test_a_clock_that_was_set_back_does_not_end_the_cleaning(
    timed_store: SQLiteStore, path: Path, clock: Clock
) -> None:
    clock.advance(1_000_000)
    timed_store.put("a", b"1", 1)
    clock.advance(-1_000_000)
    timed_store.put("b", b"1", 1)
    clock.advance(CLEANED_EVERY)
    timed_store.put("c", b"1", 1)
    assert timed_store.get_many(["b"]) == [None]
    assert rows(path) == 2


# Clocks that are not the same.


def test_a_lease_from_before_the_clock_was_set_back_is_free(
    timed_store: SQLiteStore, clock: Clock
) -> None:
    timed_store.take_lease("lease", b"one", 12)
    clock.advance(-3600)
    assert timed_store.take_lease("lease", b"other", 12) is True
    assert timed_store.release_lease("lease", b"one") is False
    clock.advance(12)
    assert timed_store.take_lease("lease", b"third", 12) is True


def test_a_lease_holds_for_a_process_whose_clock_is_a_little_slow(
    timed_store: SQLiteStore, path: Path, clock: Clock
) -> None:
    timed_store.take_lease("lease", b"one", 12)
    with closing(SQLiteStore(path, Clock(clock.now - 1))) as slow:
        assert slow.take_lease("lease", b"other", 12) is False
    assert timed_store.release_lease("lease", b"one") is True


# Connections.


def test_a_read_opens_no_connection_of_its_own(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    connect = sqlite3.connect

    def counted(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)
        opened.append(arguments)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counted)
    store.put("a", b"1", 60)
    assert opened
    opened.clear()
    for _ in range(100):
        store.get_many(["a", "b"])
        store.put("a", b"1", 60)
    assert not opened


def test_threads_that_come_and_go_leave_no_connections_behind(
    store: SQLiteStore, path: Path
) -> None:
    def use(number: int) -> None:
        store.put(f"key-{number}", b"1", 60)
        assert store.get_many([f"key-{number}"]) == [b"1"]

    for _ in range(8):
        _in_threads(use, 10)
        assert open_files(path).count(str(path)) <= 10
    store.close()
    assert open_files(path) == []


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("operation", ["get_many", "put"])
def test_what_fails_leaves_nothing_open(store: SQLiteStore, path: Path, operation: str) -> None:
    """Nor until the garbage collector comes, which some applications switch off."""
    _damage(path)
    for _ in range(20):
        with unavailable():
            reads_and_writes(store)[operation]()
    assert open_files(path) == []


def test_a_store_that_nobody_has_any_more_leaves_nothing_open(path: Path) -> None:
    SQLiteStore(path).put("a", b"1", 60)
    gc.collect()
    assert open_files(path) == []
