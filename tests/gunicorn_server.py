"""gunicorn as a process on loopback: a master, its workers, and what becomes of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
#: Seconds until the workers must be there, and until all processes must have ended.
DEADLINE = 30.0


class GunicornServer:
    """``with GunicornServer("package.module:create_app()") as server`` starts and stops it.

    The port is taken before gunicorn runs, which gets the listening socket: it cannot be lost to
    somebody else, and who connects too early waits. Several can be started and stopped at the same
    time: nobody waits for one but `wait_for_workers`, and the end of the block.

    :param environment: more variables for its processes
    :param preload: whether the application is made in the master, and its workers are forks
    """

    def __init__(
        self,
        application: str,
        *,
        environment: Mapping[str, str],
        workers: int = 2,
        threads: int = 4,
        preload: bool = True,
    ) -> None:
        self._application = application
        self._environment = dict(environment)
        self._preload = preload
        self.worker_count = workers
        self._threads = threads
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="jwtsession-gunicorn-")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """The process ids of the workers that there are now."""
        assert self._process is not None, "it does not run"
        return _children(self._process.pid)

    def kill_worker(self, pid: int) -> None:
        """End one worker as ``kill -9`` does. The master starts another one in its place."""
        assert pid in self.workers(), f"{pid} is no worker of this server"
        os.kill(pid, signal.SIGKILL)

    def log(self) -> str:
        """What all its processes have said so far."""
        return self._log.read_text(errors="replace")

    def wait_for_workers(self) -> None:
        """Wait until all of them are there."""
        give_up = time.monotonic() + DEADLINE
        while len(self.workers()) < self.worker_count:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"gunicorn did not start: {self.log()}")
            time.sleep(0.02)

    def interrupt(self) -> None:
        """Begin to end it."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End all its processes; who waits for an answer gets none."""
        process, self._process = self._process, None
        if process is not None:
            workers = _children(process.pid)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                for pid in workers:
                    _kill(pid)
        self._folder.cleanup()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    def _start(self) -> None:
        configuration = Path(self._folder.name) / "gunicorn.conf.py"
        with socket.socket() as listening, self._log.open("wb") as log:
            listening.bind(("127.0.0.1", 0))
            listening.listen(512)
            self.port = listening.getsockname()[1]
            settings: dict[str, Any] = {
                "bind": f"fd://{listening.fileno()}",
                "workers": self.worker_count,
                "threads": self._threads,
                "worker_class": "gthread",
                "preload_app": self._preload,
                "control_socket_disable": True,
                "graceful_timeout": 1,
                "loglevel": "warning",
            }
            lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
            configuration.write_text("".join(lines))
            command = [sys.executable, "-m", "gunicorn", "-c", str(configuration)]
            self._process = subprocess.Popen(
                [*command, self._application],
                cwd=ROOT,
                env={**os.environ, **self._environment},
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
