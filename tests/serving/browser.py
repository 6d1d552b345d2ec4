"""A browser with one cookie jar and as many requests at once as a test wants."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from ..support import NAVIGATION, SAME_ORIGIN, make_app, seal, unseal

if TYPE_CHECKING:  # the applications that import this one need nothing of it
    from ..oidc_provider import Person

#: Seconds for one answer.
DEADLINE = 60.0
SESSION_COOKIE = "jwtsession.session-token"


@dataclass(frozen=True)
class Answer:
    """What came back, and when the request was sent and the answer had arrived (of the monotonic
    clock).
    """

    status: int
    headers: HTTPMessage
    body: bytes
    sent_at: float
    arrived_at: float

    @property
    def worker(self) -> int:
        return int(self.headers["X-Worker"])

    @property
    def deletes_session(self) -> bool:
        return any(
            line.startswith(SESSION_COOKIE) and "Max-Age=0" in line
            for line in self.headers.get_all("Set-Cookie", [])
        )

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Sends each request to the next of ``origins``, over a connection of its own: they are one
    site, behind a load balancer.

    The cookies of the answers go into the jar in the order in which they arrive, as in a browser
    whose tabs have many requests under way.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self.cookies: dict[str, str] = {}
        self._origins = [urlsplit(origin).netloc for origin in origins]
        self._turn = itertools.count()
        self._lock = Lock()
        #: With the same secret: so the test can read and write what is sealed.
        self._app = make_app()[0]

    def get(self, path: str, *, cookie: str | None = None, **headers: str) -> Answer:
        return self._send("GET", path, None, headers, cookie)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        cookie: str | None = None,
        **headers: str,
    ) -> Answer:
        """POST from a page of the site.

        :param cookie: the Cookie header, for a copy of the browser's cookies as they once were;
            what comes back goes into no jar. The same in :meth:`get`
        :param headers: with ``_`` for ``-``
        """
        return self._send("POST", path, urlencode(form or {}), headers, cookie)

    def cookie_header(self) -> str:
        """The Cookie header that a request would be sent with now."""
        with self._lock:
            return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def sign_in(self, person: Person) -> None:
        """Sign in on the pages of the provider; all of it at the first of the origins."""
        self._turn = itertools.count()
        started = self.post("/auth/signin/op", {"callbackUrl": "/read"}, **_page_headers())
        assert started.status == 302, started.body
        callback = urlsplit(person.sign_in(started.headers["Location"]).url)
        self._turn = itertools.count()
        finished = self.get(f"{callback.path}?{callback.query}", **_page_headers())
        assert finished.status == 302, finished.body
        assert self.claims()["sub"] == f"op|{person.login}"

    def claims(self) -> dict[str, Any]:
        """All claims of the session in the jar."""
        with self._lock:
            cookies = dict(self.cookies)
        chunks = [cookies[name] for name in sorted(cookies) if name.startswith(SESSION_COOKIE)]
        return unseal(self._app, "".join(chunks))

    def account(self) -> dict[str, Any]:
        """What the session in the jar has of the provider's account, its tokens too."""
        account: dict[str, Any] = self.claims()["_session"]["account"]
        return account

    def expire_tokens(self) -> None:
        """Make the cookie one whose access token ended long ago, by whatever clock."""
        claims = self.claims()
        account = claims["_session"]["account"]
        account |= {"expires_at": account["expires_at"] - 3600, "issued_at": time.time() - 7200}
        with self._lock:
            self.cookies = {SESSION_COOKIE: seal(self._app, claims)}

    def _send(
        self,
        method: str,
        path: str,
        body: str | None,
        headers: Mapping[str, str],
        cookie: str | None,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent = {**SAME_ORIGIN, **sent, "Content-Type": "application/x-www-form-urlencoded"}
        sent["Cookie"] = self.cookie_header() if cookie is None else cookie
        netloc = self._origins[next(self._turn) % len(self._origins)]
        connection = HTTPConnection(netloc, timeout=DEADLINE)
        try:
            sent_at = time.monotonic()
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        with self._lock:
            arrived_at = time.monotonic()
            if cookie is None:
                self._keep(response.headers.get_all("Set-Cookie", []))
        return Answer(response.status, response.headers, content, sent_at, arrived_at)

    def _keep(self, lines: Sequence[str]) -> None:
        for line in lines:
            pair, _, attributes = line.partition("; ")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in attributes.split("; "):
                self.cookies[name] = value


def _page_headers() -> dict[str, str]:
    return {**NAVIGATION, **SAME_ORIGIN}
