"""The application with access and refresh cookies that gunicorn serves, and the site that it is.

Its ``reauth_callback`` writes every call of it into the journal, and does what the request says.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from html import escape
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from threading import Event
from typing import Any, Self
from uuid import uuid4

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from flask_jwtsession import (
    JWTSession,
    Session,
    current_session,
    login_required,
    reuse_detected,
    revoke_user,
    session_rejected,
    sign_in,
    sign_out,
    signed_out,
    update_session,
)

from ..gunicorn_server import GunicornServer
from ..support import SECRET, binding_of, make_app
from .browser import Answer, Browser
from .journal import Journal

#: What gunicorn is told to serve.
APPLICATION = "tests.serving.pair_app:create_app()"
ACCESS, REFRESH = "jwtsession.session-token", "jwtsession.refresh-token"
#: What the callback does in this request: ``"slow <seconds>"``, ``"raise"`` (``"raise <seconds>"``:
#: after that time), ``"end"`` (it returns None), ``"hang"`` (until its process is killed), or at
#: once what it should.
REAUTH_HEADER = "X-Reauth"
#: Everybody's, at every re-authentication.
ROLE = "editor"
#: Seconds after which a call that hangs goes on, should nobody kill it.
_HANGS_AT_MOST = 60.0
_VARIABLE = "JWTSESSION_TESTS_SERVED_PAIR"


class SharedClock:
    """The clock of all processes of a site, which a test can move.

    :param shift: seconds by which it is wrong, in this process
    """

    def __init__(self, path: Path, shift: float = 0.0) -> None:
        self._path = path
        self._shift = shift

    def __call__(self) -> float:
        return time.time() + self._moved() + self._shift

    def advance(self, seconds: float) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(repr(self._moved() + seconds))
        unfinished.replace(self._path)

    def _moved(self) -> float:
        return float(self._path.read_text()) if self._path.exists() else 0.0


@dataclass(frozen=True)
class Served:
    """What one gunicorn master serves.

    :ivar folder: of the site: all masters share the store's file, the journal and the clock
    :ivar reauth: what the callback does if the request does not say it; see `REAUTH_HEADER`
    """

    folder: str
    clock_shift: float
    reauth: str
    config: dict[str, Any]

    def environment(self) -> dict[str, str]:
        return {_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        return cls(**json.loads(os.environ[_VARIABLE]))

    @property
    def journal(self) -> Journal:
        return Journal(Path(self.folder) / "journal")

    @property
    def clock(self) -> SharedClock:
        return SharedClock(Path(self.folder) / "clock", self.clock_shift)


# What is served.


def create_app() -> Flask:
    """The application that the environment describes."""
    served = Served.from_environment()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    app = Flask(
        "tests.serving", root_path=os.getcwd(), instance_path=str(Path(served.folder) / "instance")
    )
    app.config.update(served.config)
    auth = JWTSession(app)
    binding_of(app).clock = served.clock
    _add_callbacks(auth, served)
    _write_down_signals(app, served.journal)
    _add_views(app)
    _add_pages(app, served.journal)
    return app


def _add_callbacks(auth: JWTSession, served: Served) -> None:
    @auth.credentials
    def anybody(credentials: dict[str, Any]) -> dict[str, Any]:
        return {"id": credentials["username"], "name": credentials["username"].title()}

    @auth.reauth_callback
    def reauth(claims: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
        order, _, seconds = request.headers.get(REAUTH_HEADER, served.reauth).partition(" ")
        served.journal.write("asked", sub=claims["sub"], order=order)
        match order:
            case "slow":
                time.sleep(float(seconds))
            case "raise":
                time.sleep(float(seconds or 0))
                raise OSError("the database is away")
            case "end":
                return None
            case "hang":
                Event().wait(_HANGS_AT_MOST)
        turn = claims.get("turn", 0) + 1
        served.journal.write("decided", sub=claims["sub"], turn=turn)
        # The access token does not say by itself which of two calls it came of.
        access = {"name": claims["sub"].title(), "role": ROLE, "turn": turn, "call": str(uuid4())}
        return access, {**claims, "turn": turn}


def _write_down_signals(app: Flask, journal: Journal) -> None:
    def on_signed_out(sender: object, session: Session, reason: str) -> None:
        journal.write("signed_out", sub=session.token["sub"], reason=reason)

    def on_reuse(sender: object, sid: str, sub: str) -> None:
        journal.write("reuse_detected", sid=sid, sub=sub)

    def on_rejected(sender: object, reason: str) -> None:
        journal.write("session_rejected", reason=reason)

    signed_out.connect(on_signed_out, app, weak=False)
    reuse_detected.connect(on_reuse, app, weak=False)
    session_rejected.connect(on_rejected, app, weak=False)


def _add_views(app: Flask) -> None:
    @app.after_request
    def say_who_answers(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    @app.post("/enter")
    def enter() -> dict[str, Any]:
        person = request.args["id"]
        sign_in({"id": person, "name": person.title()}, claims={"role": ROLE, "turn": 0})
        return _seen()

    @app.get("/read")
    def read() -> Any:
        """Looks at the session ``late`` seconds after it came, and answers ``slow`` seconds
        after that.
        """
        time.sleep(request.args.get("late", 0.0, float))
        seen = login_required(_seen)()
        time.sleep(request.args.get("slow", 0.0, float))
        return seen

    @app.post("/update")
    @login_required
    def update() -> dict[str, Any]:
        update_session({"visits": current_session.token.get("visits", 0) + 1})
        return _seen()

    @app.post("/leave")
    def leave() -> dict[str, Any]:
        sign_out()
        return {"signed_in": bool(current_session)}

    @app.post("/revoke")
    def revoke() -> dict[str, Any]:
        revoke_user(request.args["id"])
        return {}


def _seen() -> dict[str, Any]:
    """What this request has of the session."""
    claims = current_session.token
    names = ("sub", "name", "role", "turn", "call", "exp", "sid", "visits")
    return {name: claims.get(name) for name in names}


def _add_pages(app: Flask, journal: Journal) -> None:
    @app.get("/notes")
    @login_required
    def notes() -> str:
        claims = current_session.token
        return (
            f"<h1>{escape(claims['name'])}'s notes</h1><p>{claims.get('turn', 0)}</p>"
            '<form method="post"><label>Note <input name="text"></label>'
            "<button>Keep</button></form>"
            '<a href="/auth/signout?callbackUrl=/">Sign out</a>'
        )

    @app.post("/notes")
    @login_required
    def keep() -> AnyResponse:
        journal.write("note", sub=current_session.token["sub"], text=request.form["text"])
        return redirect("/notes", 303)

    @app.get("/")
    def start() -> str:
        return f"<h1>{escape(current_session.token['name']) if current_session else 'Nobody'}</h1>"

    @app.get("/elsewhere")
    def elsewhere() -> str:
        """A page on which a test puts what it wants."""
        return "<h1>Elsewhere</h1>"


# The site.


@dataclass
class PairSite:
    """gunicorn masters that answer for one site, and what its people have to do with it."""

    journal: Journal
    clock: SharedClock
    folder: Path
    servers: list[GunicornServer] = field(default_factory=list)

    def browser(self, *servers: GunicornServer) -> Browser:
        """A browser of nobody yet, whose requests go to these servers, by default to all."""
        return Browser([server.origin for server in servers or self.servers])

    def sign_in(self, person: str = "ada", *servers: GunicornServer) -> Browser:
        """The browser of somebody who has just signed in."""
        browser = self.browser(*servers)
        assert browser.post(f"/enter?id={person}").status == 200
        assert browser.cookies.keys() == {ACCESS, REFRESH}
        return browser

    def asked(self, **more: Any) -> int:
        """How often the callback was called, in all processes."""
        return len(self.journal.entries("asked", **more))

    def signed_out(self) -> list[str]:
        """The reasons of all signals that somebody was signed out."""
        return [str(entry["reason"]) for entry in self.journal.entries("signed_out")]

    def reuses(self) -> list[str]:
        """Of whom it was said that a refresh cookie was used twice."""
        return [str(entry["sub"]) for entry in self.journal.entries("reuse_detected")]

    def workers(self) -> list[int]:
        return [pid for server in self.servers for pid in server.workers()]

    def kill_worker(self, pid: int) -> None:
        [server] = [one for one in self.servers if pid in one.workers()]
        server.kill_worker(pid)

    def log(self) -> str:
        return "".join(server.log() for server in self.servers)


@contextmanager
def serving_pairs(
    folder: Path,
    *,
    clock_shifts: Sequence[float] = (0.0,),
    workers: int = 2,
    threads: int = 4,
    preload: bool = True,
    reauth: str = "",
    **config: Any,
) -> Iterator[PairSite]:
    """A site that runs, with one gunicorn master for each of ``clock_shifts``.

    :param clock_shifts: seconds by which the clock of each master is wrong
    :param config: as `make_app` takes it
    """
    settings = {"SECRET": SECRET, "REFRESH_COOKIE": True, **config}
    kept = {f"JWTSESSION_{name}": value for name, value in settings.items()}
    services = [Served(str(folder), shift, reauth, kept) for shift in clock_shifts]
    site = PairSite(services[0].journal, SharedClock(folder / "clock"), folder)
    with ExitStack() as stack:
        for served in services:
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
        try:
            yield site
        finally:
            for server in site.servers:
                server.interrupt()


# The cookies of an answer.


def cookies_set_by(answer: Answer) -> dict[str, Morsel[str]]:
    """What an answer sets or deletes, by name, with its attributes. Fails if it sets one twice."""
    cookies: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_all("Set-Cookie", []):
        [(name, cookie)] = SimpleCookie(line).items()
        assert name not in cookies, f"{name} is set twice"
        cookies[name] = cookie
    return cookies


def jar_of(answer: Answer) -> dict[str, str]:
    """The cookies that a browser without any has after an answer."""
    cookies = cookies_set_by(answer)
    return {name: cookie.value for name, cookie in cookies.items() if cookie["max-age"] != "0"}


def header_of(cookies: Mapping[str, str], *names: str) -> str:
    """The Cookie header of a browser that has these: all of them, or those with these names."""
    return "; ".join(f"{name}={cookies[name]}" for name in names or cookies)


def generation_of(cookies: Mapping[str, str]) -> int:
    """The generation of the refresh cookie."""
    pair = binding_of(_reader).http.refresh
    assert pair is not None
    claims = json.loads(pair[1].decode(cookies[REFRESH]))
    return int(claims["_session"]["rotation"]["gen"])


#: Reads what is sealed: it has the same secret.
_reader = make_app(REFRESH_COOKIE=True)[0]
