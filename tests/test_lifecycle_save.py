from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, make_response, redirect, request, send_file
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from flask_jwtsession import JWTSession, current_session, sign_in, sign_out, update_session

from .scenes import cookie_of, visit
from .support import (
    NOW,
    SAME_ORIGIN,
    SECRET,
    Clock,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
    unseal,
)

NOISE = "".join(f"{number:05d}" for number in range(10_000))


def reading() -> str:
    return str(bool(current_session))


def signing_in() -> str:
    sign_in({"id": "u1", "name": "Ada"})
    return "in"


def signing_out() -> str:
    sign_out()
    return "out"


def with_text(size: int) -> Callable[[], str]:
    def view() -> str:
        update_session({"text": NOISE[:size]})
        return "updated"

    return view


def chunk_header(app: Flask, token: str, size: int = 3936) -> str:
    name = session_cookie_name(app)
    pieces = [token[start : start + size] for start in range(0, len(token), size)]
    return "; ".join(f"{name}.{number}={piece}" for number, piece in enumerate(pieces))


def names(response: TestResponse) -> tuple[set[str], set[str]]:
    """The cookies that are set, and those that are deleted, without the common beginning."""
    cookies = set_cookies(response).values()
    short = {cookie.name.replace("jwtsession.session-token", ""): cookie for cookie in cookies}
    return (
        {name for name, cookie in short.items() if not cookie.deletes},
        {name for name, cookie in short.items() if cookie.deletes},
    )


# SEC-074: what caches are told.


def test_sec_074_reading_the_session_adds_vary_and_nothing_else(app: Flask) -> None:
    response = visit(app, reading, cookie_of(app))
    assert response.headers["Vary"] == "Cookie"
    assert "Cache-Control" not in response.headers
    assert set_cookies(response) == {}


def test_sec_074_an_anonymous_answer_to_a_reading_view_varies_too(app: Flask) -> None:
    assert visit(app, reading).headers["Vary"] == "Cookie"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, "private, no-store"),
        ("public, max-age=3600", "private, no-store"),
        ("no-store", "no-store"),
        ("private, no-cache, no-store", "private, no-cache, no-store"),
        ("private, max-age=60", "private, no-store"),
    ],
)
@pytest.mark.parametrize("change", [signing_in, signing_out])
def test_sec_074_a_response_that_sets_a_cookie_is_not_stored(
    app: Flask, change: Callable[[], str], own: str | None, expected: str
) -> None:
    def view() -> Response:
        response = make_response(change())
        if own is not None:
            response.headers["Cache-Control"] = own
        return response

    response = visit(app, view)
    assert response.headers["Cache-Control"] == expected
    assert "Cookie" in response.headers["Vary"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("Accept", {"Accept", "Cookie"}),
        ("Cookie", {"Cookie"}),
        ("Accept, cookie", {"Accept", "cookie"}),
    ],
)
def test_the_applications_own_vary_is_kept(app: Flask, own: str, expected: set[str]) -> None:
    def view() -> tuple[str, dict[str, str]]:
        return reading(), {"Vary": own}

    assert set(visit(app, view).headers["Vary"].split(", ")) == expected


def test_the_applications_own_cookies_are_kept(app: Flask) -> None:
    def view() -> Response:
        response = make_response(signing_in())
        response.set_cookie("theme", "dark")
        response.set_cookie("language", "en")
        return response

    assert set(set_cookies(visit(app, view))) == {"theme", "language", session_cookie_name(app)}


# SEC-072: attributes.

VARIANTS: list[tuple[str, dict[str, Any], bool, dict[str, str]]] = [
    ("http", {}, False, {"httponly": "", "samesite": "Lax", "path": "/"}),
    ("https", {}, True, {"httponly": "", "secure": "", "samesite": "Lax", "path": "/"}),
    (
        "domain",
        {"COOKIE_DOMAIN": "app.test"},
        True,
        {"httponly": "", "secure": "", "samesite": "Lax", "path": "/", "domain": "app.test"},
    ),
    (
        "path and strict",
        {"COOKIE_PATH": "/visit", "COOKIE_SAMESITE": "Strict"},
        True,
        {"httponly": "", "secure": "", "samesite": "Strict", "path": "/visit"},
    ),
    (
        "partitioned",
        {"COOKIE_PARTITIONED": True, "COOKIE_SECURE": True, "COOKIE_SAMESITE": "None"},
        True,
        {"httponly": "", "secure": "", "samesite": "None", "path": "/", "partitioned": ""},
    ),
]


@pytest.mark.parametrize("operation", ["set", "roll", "clear", "grow", "shrink"])
@pytest.mark.parametrize(
    ("config", "https", "attributes"),
    [pytest.param(*rest, id=f"SEC-072 {name}") for name, *rest in VARIANTS],
)
def test_every_line_has_exactly_the_attributes_of_the_cookie(
    clock: Clock, config: dict[str, Any], https: bool, attributes: dict[str, str], operation: str
) -> None:
    app, _ = make_app(clock, UPDATE_AGE=0, **config)
    name = session_cookie_name(app, https=https)
    one = cookie_of(app, https=https)
    two = f"{one.replace(name, f'{name}.0')}; {name}.1=stale; {name}.7=stale"
    views = {
        "set": (signing_in, ""),
        "roll": (reading, one),
        "clear": (signing_out, f"{one}; {two}"),
        "grow": (with_text(4000), one),
        "shrink": (with_text(1), f"{one}; {two}"),
    }
    view, cookie = views[operation]
    cookies = set_cookies(visit(app, view, cookie, https=https))
    assert cookies
    for line in cookies.values():
        rest = {key: value for key, value in line.attributes.items() if key not in LIFETIME}
        assert rest == attributes
        assert line.attributes.keys() >= LIFETIME


LIFETIME = {"expires", "max-age"}


@pytest.mark.parametrize(
    ("config", "https", "name"),
    [
        ({}, True, "__Host-jwtsession.session-token"),
        ({}, False, "jwtsession.session-token"),
        ({"COOKIE_DOMAIN": "app.test"}, True, "__Secure-jwtsession.session-token"),
        ({"COOKIE_PATH": "/visit"}, True, "__Secure-jwtsession.session-token"),
        ({"COOKIE_PREFIX": "authjs"}, True, "__Secure-authjs.session-token"),
        ({"COOKIE_PREFIX": "authjs"}, False, "authjs.session-token"),
    ],
)
def test_a_cookie_has_the_prefix_that_its_attributes_allow(
    clock: Clock, config: dict[str, Any], https: bool, name: str
) -> None:
    app, _ = make_app(clock, **config)
    assert set(set_cookies(visit(app, signing_in, https=https))) == {name}


def test_the_cookie_lives_as_long_as_the_token(clock: Clock) -> None:
    app, _ = make_app(clock, MAX_AGE=600)
    [cookie] = set_cookies(visit(app, signing_in)).values()
    assert unseal(app, cookie.value)["exp"] == NOW + 600
    assert cookie.attributes["max-age"] == "600"
    assert cookie.attributes["expires"] == "Fri, 15 Jan 2027 08:10:00 GMT"


# SEC-061, SEC-062: chunks.


def test_sec_061_the_whole_cookie_wins_over_chunks_which_are_then_deleted(app: Flask) -> None:
    name = session_cookie_name(app)
    chunks = chunk_header(app, seal(app, claims_at(NOW, sub="u2")), 100)
    cookie = f"{chunks}; {cookie_of(app)}"

    def view() -> str:
        update_session({"a": 1})
        return str(current_session.token["sub"])

    response = visit(app, view, cookie)
    assert response.text == "u1"
    kept, deleted = names(response)
    assert kept == {""}
    assert deleted == {f".{number}" for number in range(chunks.count(name))}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(10, 10, ({""}, set()), id="SEC-062 single to single"),
        pytest.param(10, 4000, ({".0", ".1"}, {""}), id="SEC-062 single to chunks"),
        pytest.param(4000, 10, ({""}, {".0", ".1"}), id="SEC-062 chunks to single"),
        pytest.param(7000, 4000, ({".0", ".1"}, {".2"}), id="SEC-062 3 to 2"),
        pytest.param(4000, 7000, ({".0", ".1", ".2"}, set()), id="SEC-062 2 to 3"),
        pytest.param(
            36_000,
            4000,
            ({".0", ".1"}, {f".{number}" for number in range(2, 13)}),
            id="SEC-062 13 to 2",
        ),
    ],
)
def test_a_session_survives_every_change_of_its_size(
    clock: Clock, before: int, after: int, expected: tuple[set[str], set[str]]
) -> None:
    app, _ = make_app(clock, MAX_TOKEN_SIZE=60_000)
    token = seal(app, claims_at(NOW, text=NOISE[:before]))
    cookie = (
        f"{session_cookie_name(app)}={token}" if len(token) <= 3936 else chunk_header(app, token)
    )
    response = visit(app, with_text(after), cookie)
    assert names(response) == expected
    changed = session_token(response)
    assert changed
    claims = unseal(app, changed)
    assert (claims["sid"], claims["text"]) == ("s1", NOISE[:after])


def test_sec_062_signing_out_deletes_every_chunk_that_the_browser_sent(app: Flask) -> None:
    cookie = chunk_header(app, seal(app, claims_at(NOW)), 100)
    kept, deleted = names(visit(app, signing_out, cookie))
    assert kept == set()
    assert deleted == {"", *(f".{number}" for number in range(cookie.count(";") + 1))}


def test_cookies_of_other_names_are_never_touched(app: Flask) -> None:
    name = session_cookie_name(app)
    others = f"{name}x=1; {name}.x=1; {name}.00=1; x{name}=1; other=1"
    kept, deleted = names(visit(app, signing_out, others))
    assert (kept, deleted) == (set(), {""})


# Cached Response objects.


def test_a_response_object_that_serves_several_people_carries_nobodys_cookie_on(
    app: Flask,
) -> None:
    cached = Response("same for all")

    def view() -> Response:
        if request.args.get("in"):
            sign_in({"id": request.args["in"]})
        return cached

    app.add_url_rule("/", "cached", view)
    client = app.test_client(use_cookies=False)
    tokens = [session_token(client.get(f"/?in={user}")) for user in ("a", "b")]
    assert [unseal(app, token)["sub"] for token in tokens if token] == ["a", "b"]
    anonymous = client.get("/")
    assert set_cookies(anonymous) == {}
    assert "Cache-Control" not in anonymous.headers
    assert list(cached.headers) == list(Response("same for all").headers)


def test_a_response_object_that_a_reading_request_returned_is_not_changed_for_the_next(
    app: Flask,
) -> None:
    cached = Response("same for all")

    def view() -> Response:
        if request.args.get("read"):
            reading()
        return cached

    app.add_url_rule("/", "cached", view)
    client = app.test_client(use_cookies=False)
    assert client.get("/?read=1").headers["Vary"] == "Cookie"
    assert "Vary" not in client.get("/").headers


def test_a_line_of_ours_in_a_cached_response_is_removed_though_nothing_was_used(
    clock: Clock,
) -> None:
    app, _ = make_app(clock)
    name = session_cookie_name(app)
    stolen = f"{name}=somebodys; Path=/; HttpOnly"
    csrf = "__Host-jwtsession.csrf-token=x; Path=/; Secure"
    cached = Response("x", headers=[("Set-Cookie", line) for line in (stolen, csrf, "theme=dark")])
    response = visit(app, lambda: cached)
    assert response.headers.getlist("Set-Cookie") == ["theme=dark"]
    assert cached.headers.getlist("Set-Cookie") == [stolen, csrf, "theme=dark"]


def test_a_response_object_served_by_many_threads_gives_everybody_their_own_cookie(
    clock: Clock,
) -> None:
    app, _ = make_app(clock)
    cached = Response("same for all")
    ready = threading.Barrier(8)

    def view() -> Response:
        sign_in({"id": request.args["in"]})
        ready.wait(timeout=30)
        return cached

    app.add_url_rule("/", "cached", view)
    subjects: dict[str, list[str]] = {}

    def hammer(user: str) -> None:
        client = app.test_client(use_cookies=False)
        subjects[user] = []
        for _ in range(20):
            token = session_token(client.get(f"/?in={user}"))
            subjects[user].append(unseal(app, token)["sub"] if token else "none")

    threads = [threading.Thread(target=hammer, args=(f"u{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert subjects == {f"u{number}": [f"u{number}"] * 20 for number in range(8)}
    assert list(cached.headers) == list(Response("same for all").headers)


# SEC-075: every kind of response.


def conditional() -> Response:
    response = make_response("body")
    response.set_etag("tag")
    response.make_conditional(request)
    return response


def passthrough() -> Response:
    return Response(iter([b"body"]), direct_passthrough=True)


def streamed() -> Response:
    def chunks() -> Iterator[str]:
        yield "bo"
        yield "dy"

    return Response(chunks())


RESPONSES: list[tuple[str, Callable[[], Any], int, bytes]] = [
    ("string", lambda: "body", 200, b"body"),
    ("204", lambda: ("", 204), 204, b""),
    ("304", conditional, 304, b""),
    ("redirect", lambda: redirect("/elsewhere"), 302, b""),
    ("send_file", lambda: send_file(io.BytesIO(b"body"), mimetype="text/plain"), 200, b"body"),
    ("send_file of a path", lambda: send_file(Path(__file__)), 200, b""),
    ("direct_passthrough", passthrough, 200, b"body"),
    ("streamed", streamed, 200, b"body"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [pytest.param(*rest, id=f"SEC-075 {name}") for name, *rest in RESPONSES],
)
def test_the_cookie_is_written_on_every_kind_of_response(
    app: Flask, answer: Callable[[], Any], status: int, body: bytes, method: str
) -> None:
    def view() -> Any:
        sign_in({"id": "u1"})
        return answer()

    response = visit(app, view, method=method, headers={"If-None-Match": '"tag"'})
    assert response.status_code == status
    assert session_token(response)
    if body:
        assert response.data == (body if method == "GET" else b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_sec_075_a_static_file_is_served_without_a_word_about_the_session(
    tmp_path: Path, method: str
) -> None:
    (tmp_path / "style.css").write_text("body {}")
    app = Flask("files", static_folder=str(tmp_path), static_url_path="/static")
    app.config["JWTSESSION_SECRET"] = SECRET
    JWTSession(app)
    client = app.test_client(use_cookies=False)
    response = client.open(
        "/static/style.css", method=method, headers={"Cookie": cookie_of(app)}, buffered=True
    )
    assert response.status_code == 200
    assert "Cookie" not in response.headers.get("Vary", "")
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert set_cookies(response) == {}


def test_sec_075_a_before_request_that_answers_before_ours_does_no_harm() -> None:
    app = Flask("app")
    app.config["JWTSESSION_SECRET"] = SECRET

    @app.before_request
    def answer() -> str | None:
        return "maintenance" if request.path == "/visit" else signing_in()

    JWTSession(app)
    untouched = visit(app, reading, f"{session_cookie_name(app)}=garbage")
    assert (untouched.text, set_cookies(untouched)) == ("maintenance", {})
    assert session_token(get(app.test_client(), "/in"))


@pytest.mark.parametrize("when", ["before ours", "after ours"])
def test_another_hook_that_raises_loses_nothing_and_doubles_nothing(when: str) -> None:
    app = Flask("app")
    app.config["JWTSESSION_SECRET"] = SECRET
    raised: list[int] = []

    def raise_once(response: Response) -> Response:
        if not raised:
            raised.append(1)
            raise LookupError("another extension's bug")
        return response

    if when == "after ours":  # hooks run in the reverse order of their registration
        app.after_request(raise_once)
    JWTSession(app)
    if when == "before ours":
        app.after_request(raise_once)
    response = visit(app, signing_in)
    assert (response.status_code, raised) == (500, [1])
    assert session_token(response)


def test_a_hook_registered_earlier_sees_the_cookie_line_and_may_remove_it() -> None:
    app = Flask("app")
    app.config["JWTSESSION_SECRET"] = SECRET

    @app.after_request
    def strip(response: Response) -> Response:
        del response.headers["Set-Cookie"]
        return response

    JWTSession(app)
    assert set_cookies(visit(app, signing_in)) == {}


def test_a_response_of_another_class_keeps_its_class(app: Flask) -> None:
    class Special(Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = "kept"

    seen: list[object] = []
    app.response_class = Special

    def look(response: Response) -> Response:
        seen.append(getattr(response, "extra", None))
        return response

    app.after_request_funcs[None].insert(0, look)
    assert session_token(visit(app, signing_in))
    assert seen == ["kept"]


def test_closing_the_response_runs_what_the_view_asked_for(app: Flask) -> None:
    closed: list[int] = []

    def view() -> Response:
        sign_in({"id": "u1"})
        response = Response("body")
        response.call_on_close(lambda: closed.append(1))
        return response

    visit(app, view).close()
    assert closed == [1]


# SEC-077: below a path.


def test_sec_077_an_app_below_a_path_signs_in_and_out(clock: Clock) -> None:
    inner, _ = make_app(clock)
    inner.add_url_rule("/in", "enter", signing_in, methods=["POST"])
    inner.add_url_rule("/out", "leave", signing_out, methods=["POST"])
    inner.add_url_rule("/", "read", reading)
    client = Client(DispatcherMiddleware(Flask("outer"), {"/app": inner}))
    client.post("/app/in", headers=SAME_ORIGIN)
    assert client.get("/app/").text == "True"
    client.post("/app/out", headers=SAME_ORIGIN)
    assert client.get("/app/").text == "False"


def test_sec_077_two_apps_on_one_host_keep_two_sessions(clock: Clock) -> None:
    apps: dict[str, Any] = {}
    for prefix in ("one", "two"):
        app, _ = make_app(clock, COOKIE_PREFIX=prefix)
        app.add_url_rule("/in", "enter", signing_in, methods=["POST"])
        app.add_url_rule("/out", "leave", signing_out, methods=["POST"])
        app.add_url_rule("/", "read", reading)
        apps[f"/{prefix}"] = app
    client = Client(DispatcherMiddleware(Flask("outer"), apps))
    for path in apps:
        client.post(f"{path}/in", headers=SAME_ORIGIN)
    client.post("/one/out", headers=SAME_ORIGIN)
    assert [client.get(f"{path}/").text for path in apps] == ["False", "True"]
