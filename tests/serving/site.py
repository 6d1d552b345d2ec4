"""A site of the tests: gunicorn masters, the provider that people sign in with, and traffic."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from ..gunicorn_server import GunicornServer
from ..oidc_provider import OidcProvider, Person
from ..support import SECRET
from .app import APPLICATION, Served
from .browser import Answer, Browser
from .journal import Journal

#: Seconds until something that is waited for must have happened.
DEADLINE = 60.0


@dataclass
class Site:
    """Servers that answer for one site, and its client at the provider."""

    provider: OidcProvider
    client_id: str
    client_secret: str
    journal: Journal
    folder: Path
    servers: list[GunicornServer] = field(default_factory=list)

    def browser(self, *servers: GunicornServer) -> Browser:
        """A browser of nobody yet, whose requests go to these servers, by default to all."""
        return Browser([server.origin for server in servers or self.servers])

    def sign_in(self, login: str = "ada") -> Browser:
        """The browser of somebody who has just signed in."""
        browser = self.browser()
        with Person(login) as person:
            browser.sign_in(person)
        return browser

    def register(self, **metadata: Any) -> None:
        """Tell the provider who its client is, with more of its metadata."""
        self.provider.register(
            self.client_id,
            client_secret=self.client_secret,
            redirect_uris=[f"{server.origin}/auth/callback/op" for server in self.servers],
            **metadata,
        )

    def refreshes(self) -> list[dict[str, Any]]:
        """What the provider was asked for with a refresh token."""
        calls = self.provider.calls("token", "refresh_token")
        return [call for call in calls if call["client_id"] == self.client_id]

    def is_active(self, token: str) -> bool:
        return self.provider.is_active(token, self.client_id, self.client_secret)

    def workers(self) -> list[int]:
        return [pid for server in self.servers for pid in server.workers()]

    def kill_worker(self, pid: int) -> None:
        [server] = [one for one in self.servers if pid in one.workers()]
        server.kill_worker(pid)

    def log(self) -> str:
        return "".join(server.log() for server in self.servers)

    def lines_by_worker(self, text: str) -> dict[int, int]:
        """How many lines of the log with ``text`` in them each process has written."""
        found: dict[int, int] = {}
        for match in re.finditer(rf"^\S+ \S+ (\d+) .*{re.escape(text)}", self.log(), re.MULTILINE):
            found[int(match[1])] = found.get(int(match[1]), 0) + 1
        return found


@contextmanager
def serving(
    provider: OidcProvider,
    folder: Path,
    *,
    workers: int = 2,
    threads: int = 4,
    clock_shifts: Sequence[float] = (0.0,),
    access_token_lifetime: int = 2,
    preload: bool = True,
    watches_store: bool = False,
    token_endpoint: str | None = None,
    **config: Any,
) -> Iterator[Site]:
    """A site that runs, with one gunicorn master for each of ``clock_shifts``.

    :param folder: each master gets an instance folder in it
    :param clock_shifts: seconds by which the clock of each master is wrong
    :param config: as `make_app` takes it
    """
    client_id, client_secret = f"app-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    site = Site(provider, client_id, client_secret, Journal(folder / "journal"), folder)
    with ExitStack() as stack:
        for number, shift in enumerate(clock_shifts):
            served = Served(
                instance=str(folder / f"instance-{number}"),
                journal=str(site.journal.path),
                issuer=provider.issuer,
                client_id=client_id,
                client_secret=client_secret,
                token_endpoint=token_endpoint,
                clock_shift=shift,
                watches_store=watches_store,
                config={
                    "JWTSESSION_SECRET": SECRET,
                    **{f"JWTSESSION_{name}": value for name, value in config.items()},
                },
            )
            server = GunicornServer(
                APPLICATION,
                environment=served.environment(),
                workers=workers,
                threads=threads,
                preload=preload,
            )
            site.servers.append(stack.enter_context(server))
        for server in site.servers:
            server.wait_for_workers()
        provider.set_access_token_lifetime(access_token_lifetime)
        site.register()
        try:
            yield site
        finally:
            for server in site.servers:
                server.interrupt()


def at_once(send: Callable[[], Answer], count: int) -> list[Answer]:
    """So many requests, all of them sent before any is answered, as far as threads can do that."""
    answers: list[Answer] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        try:
            barrier.wait(DEADLINE)
            answers.append(send())
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    if errors:
        raise errors[0]
    assert len(answers) == count
    return answers


class Traffic:
    """``with Traffic(send, send, …)``: each is called again and again, in a thread of its own, for
    as long as the block runs.

    What raises anything but an `Answer` that got lost, an assertion for example, is raised at the
    end of the block.

    :param pause: seconds between two calls of one thread
    :ivar lost: requests that no answer came to
    :ivar took: seconds, from the first request to the last answer
    """

    def __init__(self, *senders: Callable[[], Answer | None], pause: float = 0.01) -> None:
        self.answers: list[Answer] = []
        self.lost: list[Exception] = []
        self.took = 0.0
        self._began = 0.0
        self._errors: list[BaseException] = []
        self._pause = pause
        self._over = Event()
        self._lock = Lock()
        self._threads = [Thread(target=self._run, args=(send,)) for send in senders]

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        self.took = time.monotonic() - self._began
        if error is None and self._errors:
            raise self._errors[0]

    def go_on(self, seconds: float) -> None:
        """Let it go on for so long, or until one of its threads fails."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up and not self._errors:
            self._over.wait(0.05)

    def since(self, moment: float) -> list[Answer]:
        """The answers to requests that were sent after ``moment``."""
        return [answer for answer in self.answers if answer.sent_at > moment]

    def _run(self, send: Callable[[], Answer | None]) -> None:
        while not self._over.wait(self._pause):
            try:
                answer = send()
            except (ConnectionError, HTTPException) as error:
                self.lost.append(error)
            except BaseException as error:
                self._errors.append(error)
                return
            else:
                if answer is not None:
                    with self._lock:
                        self.answers.append(answer)


def wait_until(is_so: Callable[[], bool], what: str, *, within: float = DEADLINE) -> float:
    """Look again and again until it is so; the seconds that it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within, f"not in {within:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began
