"""A stretch of network in front of a provider's token endpoint, on which a test can hold things."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs

import requests

from .app import digest

#: Seconds for whatever a test holds, and for an answer of the provider.
DEADLINE = 60.0

#: Where something is held: before the provider has it, or on its way back.
Where = Literal["request", "answer"]


@dataclass(frozen=True)
class Exchange:
    """A refresh token, by its digest, that was sent; and the status that came back, None for a
    request that never got to the provider.
    """

    refresh_token: str
    status: int | None


@dataclass
class Held:
    """The next request with one refresh token, or the answer to it."""

    where: Where
    refresh_token: str
    #: The answer, if that is what is held.
    response: requests.Response | None = None
    arrived: Event = field(default_factory=Event)
    _decided: Event = field(default_factory=Event)
    _is_dropped: bool = False

    def wait(self) -> None:
        """Until it is there."""
        assert self.arrived.wait(DEADLINE), f"no {self.where} came"

    def release(self) -> None:
        """Let it go on."""
        self._decided.set()

    def drop(self) -> None:
        """Let it get lost."""
        self._is_dropped = True
        self._decided.set()

    def goes_on(self) -> bool:
        self.arrived.set()
        assert self._decided.wait(DEADLINE), "nobody decided what becomes of it"
        return not self._is_dropped


class TokenEndpoint:
    """``with TokenEndpoint(url) as endpoint``: what is sent to ``endpoint.url`` gets to ``url``."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self._held: list[Held] = []
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hold(self, where: Where, refresh_token: str) -> Held:
        """Hold the next request with this refresh token, or the answer to it."""
        held = Held(where, digest(refresh_token))
        with self._lock:
            self._held.append(held)
        return held

    def statuses(self, refresh_token: str) -> list[int | None]:
        """What became of the requests with this refresh token, in order."""
        name = digest(refresh_token)
        return [one.status for one in self.exchanges if one.refresh_token == name]

    def exchange(self, headers: dict[str, str], body: bytes) -> requests.Response | None:
        """Bring a request to the provider, and its answer back; None if one of them was lost."""
        sent = digest(parse_qs(body.decode()).get("refresh_token", [""])[0])
        with self._lock:
            held = next((one for one in self._held if one.refresh_token == sent), None)
            if held is not None:
                self._held.remove(held)
        if held is not None and held.where == "request" and not held.goes_on():
            self.exchanges.append(Exchange(sent, None))
            return None
        with requests.Session() as session:
            session.trust_env = False
            response = session.post(self.target, data=body, headers=headers, timeout=DEADLINE)
        self.exchanges.append(Exchange(sent, response.status_code))
        if held is not None and held.where == "answer":
            held.response = response
            return response if held.goes_on() else None
        return response


class _Server(ThreadingHTTPServer):
    # Joined when the server is closed.
    daemon_threads = False


def _handler_for(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            passed_on = ("Authorization", "Content-Type", "Accept")
            headers = {name: self.headers[name] for name in passed_on if name in self.headers}
            response = endpoint.exchange(headers, body)
            if response is None:
                return
            try:
                self.send_response(response.status_code)
                self.send_header("Content-Type", response.headers["Content-Type"])
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)
            except ConnectionError:
                return  # who asked is gone

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            return

    return Handler
