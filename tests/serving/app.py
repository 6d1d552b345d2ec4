"""The application that gunicorn serves: sign-in with a real provider, and views that tell what a
request had of the session's grant.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Self

from flask import Flask, Response, has_request_context, request

from flask_jwtsession import (
    JWTSession,
    Session,
    current_session,
    login_required,
    refresh_failed,
    session_refreshed,
    sign_in,
    sign_out,
    signed_out,
    update_session,
)
from flask_jwtsession.lifecycle.state import state_of
from flask_jwtsession.stores import open_store
from flask_jwtsession.stores.base import Store

from ..support import binding_of
from .journal import Journal

#: What gunicorn is told to serve.
APPLICATION = "tests.serving.app:create_app()"
#: With the consent page each time: without it the provider of the tests gives no refresh token.
OFFLINE: dict[str, Any] = {
    "client_kwargs": {"scope": "openid profile email offline_access"},
    "authorize_params": {"prompt": "consent"},
}
#: Who sends a request, for the journal.
NAME_HEADER = "X-Name"
#: A request with this header stops where it says, until its process is killed.
HOLD_HEADER = "X-Hold"
#: With the lease, before the provider is asked; and with its answer, before that is recorded.
WITH_LEASE, WITH_ANSWER = "with lease", "with answer"
#: Seconds after which a request that was held goes on, should nobody kill it.
_HELD_AT_MOST = 120.0
_VARIABLE = "JWTSESSION_TESTS_SERVED"


@dataclass(frozen=True)
class Served:
    """What is served.

    :ivar token_endpoint: where tokens are asked for, if not where the provider says
    :ivar clock_shift: seconds by which the clock of the application is wrong
    :ivar watches_store: whether leases and records are written into the journal, and requests can
        be held there
    """

    instance: str
    journal: str
    issuer: str
    client_id: str
    client_secret: str
    token_endpoint: str | None = None
    clock_shift: float = 0.0
    watches_store: bool = False
    config: dict[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        return cls(**json.loads(os.environ[_VARIABLE]))


def create_app() -> Flask:
    """The application that the environment describes."""
    served = Served.from_environment()
    journal = Journal(Path(served.journal))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    app = Flask("tests.serving", root_path=os.getcwd(), instance_path=served.instance)
    app.config.update(served.config)
    if served.watches_store:
        choice = served.config.get("JWTSESSION_STORE", "sqlite")
        store = open_store(choice, served.instance, time.time)
        app.config["JWTSESSION_STORE"] = WatchedStore(store, journal)
    auth = JWTSession(app)
    options = dict(OFFLINE)
    if served.token_endpoint is not None:
        options["access_token_url"] = served.token_endpoint
    auth.add_provider(
        "op",
        issuer=served.issuer,
        client_id=served.client_id,
        client_secret=served.client_secret,
        **options,
    )
    if served.clock_shift:
        binding_of(app).clock = lambda: time.time() + served.clock_shift
    _write_down_signals(app, journal)
    _add_views(app)
    return app


def _add_views(app: Flask) -> None:
    @app.after_request
    def say_who_answers(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    @app.get("/read")
    @login_required
    def read() -> dict[str, Any]:
        return _seen(app)

    @app.post("/update")
    @login_required
    def update() -> dict[str, Any]:
        update_session({"visits": current_session.token.get("visits", 0) + 1})
        return _seen(app)

    @app.post("/slow")
    @login_required
    def slow() -> dict[str, Any]:
        """Changes the session at once, and answers late: with a cookie that is old by then."""
        update_session({"visits": current_session.token.get("visits", 0) + 1})
        seen = _seen(app)
        time.sleep(float(request.args["seconds"]))
        return seen

    @app.post("/slow-update")
    @login_required
    def slow_update() -> dict[str, Any]:
        """Reads the session, and changes it much later."""
        visits = current_session.token.get("visits", 0)
        time.sleep(float(request.args["seconds"]))
        update_session({"visits": visits + 1})
        return _seen(app)

    @app.get("/open")
    def open_to_all() -> dict[str, Any]:
        return {"signed_in": bool(current_session), "error": current_session.error}

    @app.post("/enter")
    def enter() -> dict[str, Any]:
        sign_in({"id": request.args["id"]})
        return _seen(app)

    @app.post("/leave")
    def leave() -> dict[str, Any]:
        sign_out()
        return {"signed_in": bool(current_session)}


def _seen(app: Flask) -> dict[str, Any]:
    """What this request has of the session; of the access token its digest, and never itself."""
    session = current_session
    account = session.account
    token = state_of(binding_of(app)).token
    held = None if token is None else token.held
    access_token = None if account is None else account.access_token
    return {
        "sub": session.token["sub"],
        "error": session.error,
        "generation": None if held is None else held.generation,
        "digest": None if access_token is None else digest(access_token),
        "expires_at": None if account is None else account.expires_at,
        "loaded_at": time.monotonic(),
    }


def digest(token: str) -> str:
    """A name for a token that tells nothing of it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _write_down_signals(app: Flask, journal: Journal) -> None:
    def on_signed_out(sender: object, session: Session, reason: str) -> None:
        journal.write("signed_out", sub=session.token["sub"], reason=reason)

    def on_refreshed(sender: object, **_: Any) -> None:
        journal.write("session_refreshed")

    def on_failed(sender: object, error: Exception, **_: Any) -> None:
        journal.write("refresh_failed", error=str(error))

    signed_out.connect(on_signed_out, app, weak=False)
    session_refreshed.connect(on_refreshed, app, weak=False)
    refresh_failed.connect(on_failed, app, weak=False)


class WatchedStore(Store):
    """A store whose leases and records are written down, and in which a request can be held."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return self._store.get_many(keys)

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        self._store.put(key, value, lifetime)

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        # Of all that is kept, only a grant's record is written in this way.
        self._hold(WITH_ANSWER)
        done = self._store.compare_and_set(key, expected, value, lifetime)
        if done:
            self._write("recorded")
        return done

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        return self._store.delete(key, expected)

    def put_if_absent(self, key: str, value: bytes, lifetime: float) -> bool:
        return self._store.put_if_absent(key, value, lifetime)

    def take_lease(self, key: str, owner: bytes, lifetime: float) -> bool:
        taken = self._store.take_lease(key, owner, lifetime)
        if taken:
            self._write("leased")
            self._hold(WITH_LEASE)
        return taken

    def release_lease(self, key: str, owner: bytes) -> bool:
        return self._store.release_lease(key, owner)

    def close(self) -> None:
        self._store.close()

    def _hold(self, where: str) -> None:
        if has_request_context() and request.headers.get(HOLD_HEADER) == where:
            self._write("held")
            Event().wait(_HELD_AT_MOST)

    def _write(self, what: str) -> None:
        name = request.headers.get(NAME_HEADER) if has_request_context() else None
        self._journal.write(what, name=name)
