"""Requests to small applications that differ only in what carries the session.

Each application has the same views: one that does not use the session, one that returns the
person's name from it, one that stores a number in it, and one that returns that number. The bare
application has the first of them and no session. Requests go to the WSGI callable, over https,
with the cookie of a person who is signed in.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import Any

from cachelib import FileSystemCache
from flask import Flask, Response, session
from flask.typing import ResponseReturnValue
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt,
    jwt_required,
    set_access_cookies,
)
from flask_session import Session as FlaskSession
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwtsession import JWTSession, current_session, revoke_user, sign_in, update_session

from .timing import Call

OURS = "flask_jwtsession"
SIGNED = "Flask's session"
JWT_EXTENDED = "Flask-JWT-Extended"
FILES = "Flask-Session, files"
COMPETITORS = (OURS, SIGNED, JWT_EXTENDED, FILES)

UNUSED = "session not used"
COLD = "read, cold"
WARM = "read, warm"
UPDATE = "updated"
OPERATIONS = {UNUSED: "/unused", COLD: "/read", WARM: "/read", UPDATE: "/update"}

BARE = "bare"
#: A second bare application. What it seems to add is what the other figures can be wrong by.
CONTROL = "bare, once more"

#: Sessions that the cold requests take turns with: twice what the cache of verified tokens holds.
PEOPLE = 1024

SECRET = "a secret of the benchmarks, 0123456789 abcdef"
_BASE_URL = "https://app.test/"

Claims = dict[str, Any]


def request_name(competitor: str, operation: str) -> str:
    """How :func:`request_calls` names the requests of ``operation`` to ``competitor``."""
    return f"{competitor}: {operation}"


def request_calls(directory: Path) -> dict[str, Call]:
    """The requests to time, by name. Each was checked to do what it is there for.

    :param directory: an empty one, for session files
    """
    calls = bare_calls()
    apps = (
        flask_jwtsession_app(directory / "instance"),
        _signed(),
        jwt_extended_app(),
        _files(directory / "files"),
    )
    for competitor, app in zip(COMPETITORS, apps, strict=True):
        calls.update(calls_to(competitor, app, OPERATIONS))
    return calls


def bare_calls() -> dict[str, Call]:
    """Two requests without any session: what the others are compared with, and what that can be
    wrong by.
    """
    return {name: _call(_bare(), "/unused", ["session=unread"]) for name in (BARE, CONTROL)}


def calls_to(competitor: str, app: Flask, operations: Mapping[str, str]) -> dict[str, Call]:
    """The requests of ``operations`` to one application, checked."""
    cookies = [send(app, f"/sign-in/{person}")[1] for person in range(PEOPLE)]
    _check(competitor, app, cookies)
    return {
        request_name(competitor, operation): _call(
            app, path, cookies if operation == COLD else cookies[:1]
        )
        for operation, path in operations.items()
    }


def claims_of(person: int) -> Claims:
    """A name of their own, and 2 kB of base64 whose 1,500 random bytes no compression shrinks."""
    noise = Random(person).randbytes(1500)  # noqa: S311 - the same in every run
    return {
        "name": f"Person {person:04}",
        "email": f"person{person}@example.com",
        "noise": b64encode(noise).decode(),
    }


def _bare() -> Flask:
    app = Flask("bare")
    app.add_url_rule("/unused", view_func=_unused)
    return app


def flask_jwtsession_app(instance: Path, **config: Any) -> Flask:
    """With the store as it comes, in which something was revoked: until then there is no file."""
    app = Flask("flask_jwtsession", instance_path=str(instance))
    app.config.from_mapping({"JWTSESSION_SECRET": SECRET, **config})
    JWTSession(app)
    with app.app_context():
        revoke_user("somebody else")

    def begin(person: int) -> str:
        sign_in({"id": person}, claims=claims_of(person))
        return "begun"

    def read() -> str:
        return str(current_session["user"]["name"])

    def store(number: int) -> str:
        update_session({"number": number})
        return str(number)

    def stored() -> str:
        return str(current_session.token["number"])

    return _with_views(app, begin, read, store, stored)


def _signed() -> Flask:
    app = Flask("signed")
    app.secret_key = SECRET
    return _with_session_views(app)


def _files(directory: Path) -> Flask:
    """Flask-Session as it comes, but that cachelib's limit of 500 sessions is off."""
    app = Flask("files")
    app.config["SESSION_TYPE"] = "cachelib"
    app.config["SESSION_CACHELIB"] = FileSystemCache(str(directory), threshold=0)
    FlaskSession(app)
    return _with_session_views(app)


def jwt_extended_app(**config: Any) -> Flask:
    """With the token in a cookie."""
    app = Flask("jwt_extended")
    app.config.from_mapping({"JWT_SECRET_KEY": SECRET, **config})
    app.config["JWT_TOKEN_LOCATION"] = ["cookies"]
    app.config["JWT_COOKIE_SECURE"] = True
    app.config["JWT_COOKIE_CSRF_PROTECT"] = False
    JWTManager(app)
    registered = {"sub", "iat", "nbf", "exp", "jti", "type", "fresh"}

    def with_token(body: str, identity: str, claims: Claims) -> Response:
        response = Response(body)
        token = create_access_token(identity, additional_claims=claims)
        set_access_cookies(response, token)
        return response

    def begin(person: int) -> Response:
        return with_token("begun", str(person), claims_of(person))

    def read() -> str:
        return str(get_jwt()["name"])

    def store(number: int) -> Response:
        token = get_jwt()
        claims = {name: token[name] for name in token if name not in registered}
        return with_token(str(number), token["sub"], {**claims, "number": number})

    def stored() -> str:
        return str(get_jwt()["number"])

    needs_token = jwt_required()
    return _with_views(app, begin, needs_token(read), needs_token(store), needs_token(stored))


def _with_session_views(app: Flask) -> Flask:
    """The views on ``flask.session``, whatever carries it."""

    def begin(person: int) -> str:
        session.update(sub=str(person), **claims_of(person))
        return "begun"

    def read() -> str:
        return str(session["name"])

    def store(number: int) -> str:
        session["number"] = number
        return str(number)

    def stored() -> str:
        return str(session["number"])

    return _with_views(app, begin, read, store, stored)


def _with_views(
    app: Flask,
    begin: Callable[[int], ResponseReturnValue],
    read: Callable[[], ResponseReturnValue],
    store: Callable[[int], ResponseReturnValue],
    stored: Callable[[], ResponseReturnValue],
) -> Flask:
    numbers = count(1)
    app.add_url_rule("/unused", view_func=_unused)
    app.add_url_rule("/sign-in/<int:person>", "begin", begin)
    app.add_url_rule("/read", "read", read)
    app.add_url_rule("/update", "update", lambda: store(next(numbers)))
    app.add_url_rule("/stored", "stored", stored)
    return app


def _unused() -> str:
    return "Person 0000"


def _check(competitor: str, app: Flask, cookies: Sequence[str]) -> None:
    """Stop unless the sessions are different ones, are read, and are updated."""
    if len(set(cookies)) != PEOPLE:
        raise RuntimeError(f"{competitor}: sessions share a cookie")
    for person in (0, 1, PEOPLE - 1):
        if send(app, "/read", cookies[person])[0] != claims_of(person)["name"]:
            raise RuntimeError(f"{competitor}: not the session of the cookie was read")
    # Of somebody else than those who are timed: what is updated on the server stays.
    number, cookie = send(app, "/update", cookies[-1])
    stored, _ = send(app, "/stored", cookie or cookies[-1])
    if stored != number:
        raise RuntimeError(f"{competitor}: the session was not updated")


def send(app: Flask, path: str, cookie: str = "") -> tuple[str, str]:
    """The body of the answer, and the cookies it sets as the browser will send them."""
    builder = EnvironBuilder(path, _BASE_URL, headers=[("Cookie", cookie)])
    body, status, headers = run_wsgi_app(app, builder.get_environ(), buffered=True)
    if not status.startswith("200"):
        raise RuntimeError(f"{app.name} answered {status} to {path}")
    lines = headers.getlist("Set-Cookie")
    return b"".join(body).decode(), "; ".join(line.partition(";")[0] for line in lines)


def _call(app: Flask, path: str, cookies: Sequence[str]) -> Call:
    """One request, each time with the next of ``cookies``."""
    environ = EnvironBuilder(path, _BASE_URL).get_environ()
    next_cookie = cycle(cookies).__next__

    def call() -> None:
        body = app({**environ, "HTTP_COOKIE": next_cookie()}, _start_response)
        for _ in body:
            pass
        body.close()  # type: ignore[attr-defined]  # WSGI's close, on Werkzeug's iterator

    return call


def _start_response(*_: object) -> Callable[[bytes], object]:
    return bytes
