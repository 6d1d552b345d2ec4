"""A site whose pages use ``client.js``, what it is asked, and what goes wrong with it.

Every path is the same page; its ``<output>`` says who is signed in, as far as the client knows. The
clock of the site stands still until a test moves it, and is what its ``Date`` header says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

from flask import Response, render_template_string, request
from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler

from flask_jwtsession import JWTEvent, JWTSession, UpdateRefused

from .peers.faulty_provider import FaultyProvider
from .serving.thread import served
from .support import OTHER_SECRET, Clock, binding_of, make_app

SESSION = "GET /auth/session"
STATUS = "GET /auth/session/status"
UPDATE = "POST /auth/session"
REFRESH = "POST /auth/session/refresh"
SIGN_IN = "POST /auth/callback/credentials"
SIGN_OUT = "POST /auth/signout"

#: Seconds after which a request that a test holds goes on, should nobody let it go.
_HELD_AT_MOST = 30.0

# What a page may change, and the session shows.
_FIELDS = ["nick", "a", "b", "__proto__"]
_PAGE = """
<!doctype html>
<title>A page</title>
{% if not policy %}<link rel="icon" href="data:,">{% endif %}
{% if first %}<script src="/first.js"></script>{% endif %}
{{ script }}
<script type="module" src="/watch.js?of={{ client }}" nonce="{{ nonce }}"></script>
<h1>A page</h1>
<output></output>
"""
# What an application would write: no framework, no inline script.
_WATCH = """
import * as client from "%s";

const show = () => {
  const session = client.getSnapshot();
  const who = session === undefined ? "not known" : session === null ? "nobody" : session.user.name;
  document.querySelector("output").textContent = who;
};

window.client = client;
client.subscribe(show);
show();
"""
_STOPPED_CLOCK = Path(__file__).with_name("stopped_clock.js").read_text()


@dataclass(frozen=True)
class Answer:
    """What somebody answers instead of the site."""

    status: int
    body: str
    content_type: str
    #: What it says of its length; by default the truth.
    length: int | None = None


#: By name: what a client meets on its way to the site.
FAILURES = {
    "500": Answer(500, "<h1>Internal Server Error</h1>", "text/html"),
    "502 of a proxy": Answer(502, "", "text/html"),
    "429": Answer(429, "<h1>Too Many Requests</h1>", "text/html"),
    "401 of a proxy": Answer(401, "<h1>Unauthorized</h1>", "text/html"),
    "captive portal": Answer(200, "<!doctype html><h1>Accept our terms</h1>", "text/html"),
    "nothing": Answer(200, "", "application/json"),
    "cut off": Answer(200, "null", "application/json", length=100),
    "half of it": Answer(200, '{"user": {"name": "Mal', "application/json"),
    "a list": Answer(200, '[{"user": {"name": "Mallory"}}]', "application/json"),
    "a text": Answer(200, '"Mallory"', "application/json"),
    "a number": Answer(200, "7", "application/json"),
    "true": Answer(200, "true", "application/json"),
}


@dataclass(frozen=True)
class Hold:
    """A request that waits: ``arrived`` is set when it does, and the test sets ``go_on``."""

    request: str
    is_answered: bool
    arrived: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)

    def wait_until_arrived(self) -> None:
        assert self.arrived.wait(10), f"there was no {self.request}"


class ClientSite:
    """The application, what it was asked, and what is to go wrong with it.

    :ivar asked: the requests to the endpoints, as ``"GET /auth/session"``
    :ivar answers: by request: what comes instead of what the site would answer
    :ivar shown: what the session callback adds to every session
    :ivar shows_expires: whether it leaves the time in which the session ends
    :ivar policy: the Content-Security-Policy of the pages
    :ivar nonce: that their scripts have
    :ivar scripts: run in a page before anything else
    :ivar page_is_ahead: seconds, of the clock of a page, which stands still too; None if it goes on
    """

    def __init__(self, **config: Any) -> None:
        self.clock = Clock(time.time())
        config = {"CLIENT_UPDATE_FIELDS": _FIELDS, **config}
        self.app, self.auth = make_app(self.clock, **config)
        self.origin = ""
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.shown: dict[str, Any] = {}
        self.shows_expires = True
        self.policy = ""
        self.nonce: str | None = None
        self.scripts: list[str] = []
        self.page_is_ahead: float | None = None
        self._holds: list[Hold] = []
        self._lock = Lock()
        self._add_staff()
        self._add_people(self.auth)
        if config.get("REFRESH_COOKIE"):
            self._add_reauth()
        self._add_disturbances()
        self._add_pages()

    @contextmanager
    def holding(self, name: str, *, is_answered: bool = False) -> Iterator[Hold]:
        """Keep the next such request waiting: before the application sees it, or when it has been
        answered and nobody knows yet. At the end of the block it goes on in any case.
        """
        hold = Hold(name, is_answered)
        with self._lock:
            self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.go_on.set()

    def add_provider(self, provider: FaultyProvider) -> None:
        """As ``op``."""
        self.auth.add_provider(
            "op",
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            client_kwargs={"scope": "openid email profile", "default_timeout": 20.0},
        )

    def takes_asked(self) -> list[str]:
        """What was asked since the last time."""
        with self._lock:
            found, self.asked[:] = list(self.asked), []
        return found

    def _add_people(self, auth: JWTSession) -> None:
        @auth.credentials
        def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
            who = credentials.get("username", "")
            return {"id": who, "name": who.title()} if credentials.get("password") == "ok" else None

        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            if event.trigger == "update":
                if event.data.get("nick") == "root":
                    raise UpdateRefused("that name is taken")
                token.update(event.data)
            return token

        @auth.session_callback
        def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
            if not self.shows_expires:
                del session["expires"]
            kept = {name: token[name] for name in token if name in _FIELDS}
            return {**session, **kept, **self.shown}

    def _add_reauth(self) -> None:
        @self.auth.reauth_callback
        def reauth(claims: dict[str, Any]) -> dict[str, Any]:
            return {"name": claims["sub"].title()}

    def _add_staff(self) -> None:
        config: dict[str, Any] = {
            "SECRET": OTHER_SECRET,
            "STORE": "memory",
            "URL_PREFIX": "/staff/auth",
        }
        config |= {"CLIENT_UPDATE_FIELDS": ["nick"]}
        self.app.config.update({f"STAFFSESSION_{name}": value for name, value in config.items()})
        self.staff = JWTSession(self.app, config_prefix="STAFFSESSION")
        binding_of(self.app, "STAFFSESSION").clock = self.clock
        self._add_people(self.staff)

    def _add_disturbances(self) -> None:
        @self.app.before_request
        def disturb() -> Response | None:
            name = f"{request.method} {request.path}"
            if "/auth/" in request.path and not request.path.endswith("/client.js"):
                with self._lock:
                    self.asked.append(name)
            self._wait(name, is_answered=False)
            answer = self.answers.get(name)
            if answer is None:
                return None
            request.get_data()  # who answers before that may cut off the client
            response = Response(answer.body, answer.status, content_type=answer.content_type)
            if answer.length is not None:
                response.content_length = answer.length
            return response

        @self.app.after_request
        def finish(response: Response) -> Response:
            self._wait(f"{request.method} {request.path}", is_answered=True)
            if self.policy:
                response.headers.setdefault("Content-Security-Policy", self.policy)
            return response

    def _wait(self, name: str, *, is_answered: bool) -> None:
        with self._lock:
            found = [
                one for one in self._holds if (one.request, one.is_answered) == (name, is_answered)
            ]
            for hold in found[:1]:
                self._holds.remove(hold)
        for hold in found[:1]:
            hold.arrived.set()
            hold.go_on.wait(_HELD_AT_MOST)

    def _add_pages(self) -> None:
        def page(script: str = "", client: str = "/auth/client.js") -> str:
            return render_template_string(
                _PAGE,
                script=script,
                client=client,
                nonce=self.nonce,
                policy=self.policy,
                first=self.scripts or self.page_is_ahead is not None,
            )

        @self.app.get("/", defaults={"_": ""})
        @self.app.get("/<path:_>")
        def anywhere(_: str) -> str:
            return page(self.auth.script(nonce=self.nonce))

        @self.app.get("/plain")
        def plain() -> str:
            """Does not say who is signed in."""
            return page()

        @self.app.get("/bare")
        def bare() -> str:
            """Has no client."""
            return '<!doctype html><title>Bare</title><link rel="icon" href="data:,"><h1>Bare</h1>'

        @self.app.get("/staff")
        def for_staff() -> str:
            return page(self.staff.script(), client="/staff/auth/client.js")

        @self.app.get("/first.js")
        def first() -> Response:
            scripts = list(self.scripts)
            if self.page_is_ahead is not None:
                now = (self.clock() + self.page_is_ahead) * 1000
                scripts.insert(0, f"{_STOPPED_CLOCK}; stopClock({round(now)});")
            # In a block each: so that their names are their own.
            content = "\n".join(f"{{ {script} }}" for script in scripts)
            return Response(content, content_type="text/javascript")

        @self.app.get("/watch.js")
        def watch() -> Response:
            return Response(_WATCH % request.args["of"], content_type="text/javascript")

        @self.app.get("/favicon.ico")
        def icon() -> Response:
            return Response(status=204)


@contextmanager
def serving_client_site(**config: Any) -> Iterator[ClientSite]:
    """A site that runs; ``config`` as `make_app` takes it."""
    site = ClientSite(**config)

    class ByTheClock(WSGIRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return http_date(site.clock())

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    with served(site.app, handler=ByTheClock) as site.origin:
        yield site
