"""A store that is away: nobody is signed out by it, and nobody gets in who may not (SEC-219)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flask import Flask, render_template_string
from werkzeug.test import TestResponse

from flask_jwtsession import (
    ConfigError,
    JWTSession,
    StoreUnavailable,
    claims_required,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    public,
    refresh_session,
    revoke_session,
    revoke_user,
    roles_required,
    session_rejected,
    session_revoked,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.stores.sqlite import SQLiteStore

from ..browsing import problem_code
from ..faulty_store import FaultyStore
from ..peers.faulty_provider import FaultyProvider, logout_token
from ..scenes import cookie_of
from ..support import (
    NAVIGATION,
    NOW,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    get,
    make_app,
    session_token,
    set_cookies,
)
from .provider_sign_in import Browser, make_application

NAME = "jwtsession.session-token"
HTMX = {"HX-Request": "true"}


class OwnStore(Store):
    """An application's own, on a memory, that a test can take away."""

    def __init__(self, clock: Clock) -> None:
        self.inner = MemoryStore(clock)
        self.is_away = False

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return self._reached().get_many(keys)

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        self._reached().put(key, value, lifetime)

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        return self._reached().compare_and_set(key, expected, value, lifetime)

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        return self._reached().delete(key, expected)

    def _reached(self) -> MemoryStore:
        if self.is_away:
            raise StoreUnavailable("store.internal:6379 does not answer")
        return self.inner


Away = Callable[[], AbstractContextManager[None]]


@contextmanager
def without_answer(store: OwnStore) -> Iterator[None]:
    store.is_away = True
    yield
    store.is_away = False


@contextmanager
def a_directory_in_its_place(store: SQLiteStore) -> Iterator[None]:
    store.close()
    aside = store.path.with_name("aside")
    store.path.rename(aside)
    store.path.mkdir()
    yield
    store.path.rmdir()
    aside.rename(store.path)


@contextmanager
def no_database_any_more(store: SQLiteStore) -> Iterator[None]:
    store.close()
    content = store.path.read_bytes()
    store.path.write_bytes(b"garbage " * 1000)
    yield
    store.close()
    store.path.write_bytes(content)


@dataclass
class Site:
    """An application whose store can be taken away, and what it told meanwhile."""

    app: Flask
    auth: JWTSession
    #: Inside of the block nothing can be read from the store, or written to it.
    away: Away
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ask(
        self, path: str, cookie: str = "", *, method: str | None = None, **headers: str
    ) -> TestResponse:
        """GET what shows something, POST what changes something."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        method = method or ("POST" if path.startswith("/do/") else "GET")
        return self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            headers={**SAME_ORIGIN, **sent, **({"Cookie": cookie} if cookie else {})},
            json={} if method == "POST" and path.startswith("/auth/session") else None,
        )

    def sign_in(self) -> str:
        return cookie_from(self.ask("/do/in"))

    def sign_in_at_the_endpoint(self) -> str:
        """Where the views are all behind a guard."""
        return cookie_from(self.ask("/auth/callback/credentials", method="POST"))

    def reasons(self) -> list[tuple[str, Any, Any]]:
        """Of each signal its name, the reason, and the error of its session."""
        return [
            (name, one.get("reason"), getattr(one.get("session"), "error", None))
            for name, one in self.told
        ]


def cookie_from(response: TestResponse) -> str:
    token = session_token(response)
    assert token is not None
    return f"{NAME}={token}"


def assert_unavailable(response: TestResponse) -> None:
    """503 as problem+json, of which neither browser nor cache makes a sign-out."""
    assert (response.status_code, problem_code(response)) == (503, "store_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert NAME not in response.headers.get("Set-Cookie", "")
    for text in ("sqlite", "instance", "store.internal", "6379"):
        assert text not in response.text.lower()


def add_views(app: Flask) -> None:
    def view(path: str, function: Callable[[], object]) -> None:
        def answer() -> str:
            function()
            return who()

        methods = ["POST" if path.startswith("/do/") else "GET"]
        app.add_url_rule(path, path, answer, methods=methods)

    def who() -> str:
        found = str(current_session.token["sub"]) if current_session else "nobody"
        return f"{found} {current_session.error}"

    app.add_url_rule("/who", "who", who)
    app.add_url_rule("/user", "user", lambda: str(current_user))
    app.add_url_rule("/unused", "unused", lambda: "unused")
    template = "{{ 'in' if current_user else 'out' }} {{ current_session.error }}"
    app.add_url_rule("/page", "page", lambda: render_template_string(template))
    for name, guard in {
        "private": login_required,
        "fresh": fresh_login_required,
        "admins": roles_required("admin"),
        "company": claims_required(company_id=7),
    }.items():
        app.add_url_rule(f"/{name}", name, guard(who))
    app.add_url_rule("/open", "open", public(lambda: "open"))
    view("/do/in", lambda: sign_in({"id": "u1", "name": "Ada"}))
    view("/do/out", sign_out)
    view("/do/update", lambda: update_session({"a": 1}))
    view("/do/refresh", refresh_session)
    view("/do/revoke-session", lambda: revoke_session("s1"))
    view("/do/revoke-user", lambda: revoke_user("u1"))


def make_site(kind: str, clock: Clock, folder: Path, **config: Any) -> Site:
    """One whose store has something in it already."""
    store: Store
    away: Away
    if kind == "its own":
        store = own = OwnStore(clock)
        away = lambda: without_answer(own)  # noqa: E731
    else:
        store = file = SQLiteStore(folder / "instance" / "jwtsession.sqlite3", clock)
        take = a_directory_in_its_place if kind == "a directory" else no_database_any_more
        away = lambda: take(file)  # noqa: E731
    app, auth = make_app(clock, STORE=store, **config)
    auth.credentials(lambda credentials: {"id": "u1"})
    add_views(app)
    with app.app_context():
        revoke_session("something")
    site = Site(app, auth, away)
    for signal in (signed_in, signed_out, session_rejected, session_revoked):

        def receive(sender: object, _name: str = signal.name, **arguments: Any) -> None:
            site.told.append((_name, arguments))

        signal.connect(receive, app, weak=False)
    return site


KINDS = ["its own", "a directory", "no database"]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Site]:
    site = make_site(request.param, clock, tmp_path)
    yield site
    binding_of(site.app).store.close()


@pytest.fixture(params=KINDS)
def open_site(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Site]:
    site = make_site(request.param, clock, tmp_path, STORE_FAILURE="open")
    yield site
    binding_of(site.app).store.close()


@pytest.fixture
def guarded(clock: Clock, tmp_path: Path) -> Site:
    """Everything of it is protected."""
    return make_site("its own", clock, tmp_path, PROTECT_ALL=True)


# Closed, which it is unless the application says otherwise.


def test_nobody_is_signed_in_and_the_cookie_stays(site: Site) -> None:
    cookie = site.sign_in()
    site.told.clear()
    with site.away():
        response = site.ask("/who", cookie)
        assert response.text == "nobody store_unavailable"
        assert response.headers.getlist("Set-Cookie") == []
        assert response.headers["Vary"] == "Cookie"
        assert site.ask("/user", cookie).text == "None"
        assert site.ask("/page", cookie).text == "out store_unavailable"
    assert site.told == []


def test_when_it_is_back_everything_is_as_it_was(site: Site) -> None:
    cookie = site.sign_in()
    with site.away():
        assert site.ask("/who", cookie).text == "nobody store_unavailable"
    assert site.ask("/who", cookie).text == "u1 None"
    assert site.ask("/do/update", cookie).text == "u1 None"
    site.ask("/do/out", cookie)
    assert site.ask("/who", cookie).text == "nobody None"


def test_what_was_revoked_before_is_revoked_after(site: Site) -> None:
    cookie = site.sign_in()
    site.ask("/do/out", cookie)
    with site.away():
        assert site.ask("/who", cookie).text.startswith("nobody")
    assert site.ask("/who", cookie).text == "nobody None"


@pytest.mark.parametrize("path", ["/private", "/fresh", "/admins", "/company"])
def test_a_guard_does_not_say_that_nobody_is_signed_in(site: Site, path: str) -> None:
    cookie = site.sign_in()
    with site.away():
        assert_unavailable(site.ask(path, cookie))
        assert_unavailable(site.ask(path, cookie, **HTMX))
        response = site.ask(path, cookie, **NAVIGATION)
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert int(response.headers["Retry-After"]) > 0
    assert "no-store" in response.headers["Cache-Control"]
    assert "Location" not in response.headers
    assert response.headers.getlist("Set-Cookie") == []
    assert "sqlite" not in response.text


def test_the_application_may_say_it_in_its_own_words(site: Site) -> None:
    """As it may every other status; and it is not asked where to sign in."""
    asked: list[str] = []
    site.auth.unauthorized_handler(lambda: asked.append("unauthorized"))
    site.app.register_error_handler(503, lambda error: ("back soon", 503))
    cookie = site.sign_in()
    with site.away():
        response = site.ask("/private", cookie)
    assert (response.status_code, response.text, asked) == (503, "back soon", [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/session"),
        ("GET", "/auth/session/status"),
        ("POST", "/auth/session"),
        ("POST", "/auth/session/refresh"),
    ],
)
@pytest.mark.parametrize("loader", [False, True], ids=["", "with a user_loader"])
def test_our_endpoints_do_not_say_that_nobody_is_signed_in(
    site: Site, method: str, path: str, loader: bool
) -> None:
    if loader:
        site.auth.user_loader(lambda token: {"name": "Ada"})
    cookie = site.sign_in()
    with site.away():
        assert_unavailable(site.ask(path, cookie, method=method))


@pytest.mark.parametrize("path", ["/do/update", "/do/refresh"])
def test_a_session_of_which_nobody_knows_is_not_changed(site: Site, path: str) -> None:
    cookie = site.sign_in()
    with site.away():
        response = site.ask(path, cookie)
        assert_unavailable(response)
    assert response.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("path", ["/do/revoke-session", "/do/revoke-user"])
def test_a_revocation_that_could_not_be_written_is_not_said_to_be_one(
    site: Site, path: str
) -> None:
    site.told.clear()
    with site.away():
        assert_unavailable(site.ask(path))
    assert site.told == []
    assert site.ask(path).status_code == 200
    assert [name for name, _ in site.told] == ["session-revoked"]


def test_a_view_may_take_the_error_itself(site: Site) -> None:
    caught: list[str] = []

    @site.app.errorhandler(StoreUnavailable)
    def answer(error: StoreUnavailable) -> tuple[str, int]:
        caught.append(error.code)
        return "the application's", 418

    cookie = site.sign_in()
    with site.away():
        responses = [site.ask(path, cookie) for path in ("/do/update", "/do/revoke-user")]
    assert [response.text for response in responses] == ["the application's"] * 2
    assert caught == ["store_unavailable"] * 2


def test_where_everything_is_protected_only_that_is_unavailable(guarded: Site) -> None:
    cookie = guarded.sign_in_at_the_endpoint()
    with guarded.away():
        for path in ("/who", "/unused", "/private"):
            assert_unavailable(guarded.ask(path, cookie))
        assert guarded.ask("/open", cookie).text == "open"
        assert guarded.ask("/nowhere", cookie).status_code == 404
        assert guarded.ask("/auth/signin", cookie, **NAVIGATION).status_code == 200
    assert guarded.ask("/who", cookie).text == "u1 None"


def test_a_page_that_does_not_use_the_session_answers(site: Site) -> None:
    cookie = site.sign_in()
    with site.away():
        assert site.ask("/unused", cookie).text == "unused"
        assert site.ask("/auth/csrf", cookie).status_code == 200
        assert site.ask("/auth/providers", cookie).status_code == 200
        assert site.ask("/auth/signin", cookie, **NAVIGATION).status_code == 200
        assert site.ask("/auth/signout", cookie, **NAVIGATION).status_code == 200


@pytest.mark.parametrize("cookie", ["", f"{NAME}=garbage", "expired"])
def test_whoever_is_nobody_anyway_notices_nothing(site: Site, cookie: str) -> None:
    if cookie == "expired":
        cookie = cookie_of(site.app, now=NOW - 90_000)
    with site.away():
        assert site.ask("/who", cookie).text == "nobody None"
        assert site.ask("/private", cookie).status_code == 401
        assert site.ask("/private", cookie, **NAVIGATION).status_code == 302
        assert site.ask("/auth/session", cookie).get_json() is None
        assert site.ask("/auth/session/status", cookie).status_code == 401
        assert site.ask("/auth/session", cookie, method="POST").status_code == 401
        assert site.ask("/do/update", cookie).status_code == 400
        assert site.ask("/do/out", cookie).status_code == 200
        assert site.ask("/auth/signout", cookie, method="POST").status_code == 302


def test_sec_230_a_thousand_requests_are_one_line_of_the_log(
    guarded: Site, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = guarded.sign_in_at_the_endpoint()
    caplog.clear()
    with guarded.away():
        for _ in range(1000):
            guarded.ask("/who", cookie)
    assert len(caplog.records) == 1
    assert "store.internal:6379 does not answer" in caplog.text


def test_a_view_that_lets_the_error_pass_has_it_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with site.away():
        site.ask("/do/revoke-user")
    assert len(caplog.records) == 1
    assert "The store cannot be used" in caplog.text


# Signing in and out goes on.


def test_who_signs_in_is_signed_in(site: Site) -> None:
    with site.away():
        response = site.ask("/do/in")
        assert response.text == "u1 None"
        assert site.ask("/who", cookie_from(response)).text == "nobody store_unavailable"
    assert site.ask("/who", cookie_from(response)).text == "u1 None"
    assert site.reasons() == [("signed-in", None, None)]


def test_who_signs_in_over_a_session_is_told_that_it_may_go_on(site: Site) -> None:
    old = site.sign_in()
    site.told.clear()
    with site.away():
        response = site.ask("/do/in", old)
        assert response.text == "u1 None"
    assert site.reasons() == [
        ("signed-out", "replaced", "revocation_unavailable"),
        ("signed-in", None, None),
    ]
    assert site.ask("/who", cookie_from(response)).text == "u1 None"
    assert site.ask("/who", old).text == "u1 None"  # as the error said


def test_who_was_signed_in_can_sign_in_at_our_endpoint(site: Site) -> None:
    old = site.sign_in()
    with site.away():
        response = site.app.test_client(use_cookies=False).post(
            "/auth/callback/credentials",
            data={"username": "ada"},
            headers={**SAME_ORIGIN, "Cookie": old},
        )
    assert response.status_code == 302
    assert site.ask("/who", cookie_from(response)).text == "u1 None"


@pytest.mark.parametrize("path", ["/do/out", "/auth/signout"])
def test_a_sign_out_deletes_the_cookie_and_says_that_a_copy_may_be_good(
    site: Site, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    cookie = site.sign_in()
    site.told.clear()
    with site.away():
        response = site.ask(path, cookie, method="POST")
    assert response.status_code == (200 if path == "/do/out" else 302)
    assert set_cookies(response)[NAME].deletes
    assert site.reasons() == [("signed-out", "user", "revocation_unavailable")]
    assert site.told[0][1]["session"].token["sub"] == "u1"
    assert site.told[0][1]["session"].user["name"] == "Ada"
    assert "a copy of its cookie may still be good" in caplog.text
    assert site.ask("/who", cookie).text == "u1 None"  # as it said


def test_after_a_sign_out_nobody_is_signed_in_for_the_rest_of_the_request(site: Site) -> None:
    cookie = site.sign_in()
    with site.away():
        assert site.ask("/do/out", cookie).text == "nobody None"


def test_a_session_that_was_loaded_before_the_store_went_away_is_signed_out(
    clock: Clock, tmp_path: Path
) -> None:
    site = make_site("its own", clock, tmp_path)
    store = binding_of(site.app).store
    assert isinstance(store, OwnStore)

    def leave() -> str:
        found = str(current_session.token["sub"])
        store.is_away = True
        sign_out()
        return found

    site.app.add_url_rule("/do/leave", "leave", leave, methods=["POST"])
    cookie = site.sign_in()
    site.told.clear()
    response = site.ask("/do/leave", cookie)
    assert response.text == "u1"
    assert set_cookies(response)[NAME].deletes
    assert site.reasons() == [("signed-out", "user", "revocation_unavailable")]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_sign_out_of_which_a_part_fails_says_so(clock: Clock, failing: int) -> None:
    """The look-up, or what is written; and whichever it is, the cookie goes."""
    store = FaultyStore(clock)
    app, _ = make_app(clock, STORE=store)
    add_views(app)
    ended: list[str | None] = []

    def receive(sender: object, session: Any, reason: str) -> None:
        ended.append(session.error)

    cookie = cookie_of(app)
    store.refused = {failing}
    with signed_out.connected_to(receive, app):
        response = app.test_client(use_cookies=False).post(
            "/do/out", headers={**SAME_ORIGIN, "Cookie": cookie}
        )
    assert set_cookies(response)[NAME].deletes
    # Where only the look-up failed, the end could be written down.
    assert ended == ["revocation_unavailable" if failing == 2 else None]


# Open, for who would rather be there than be sure.


def test_open_everybody_is_served(open_site: Site, caplog: pytest.LogCaptureFixture) -> None:
    cookie = open_site.sign_in()
    open_site.told.clear()
    with open_site.away():
        for path in ("/who", "/private", "/fresh"):
            assert open_site.ask(path, cookie).text == "u1 None"
        assert open_site.ask("/page", cookie).text == "in None"
        assert open_site.ask("/auth/session", cookie).get_json()["user"]["name"] == "Ada"
        assert open_site.ask("/auth/session/status", cookie).status_code == 200
        assert open_site.ask("/auth/session", cookie, method="POST").status_code == 200
        updated = cookie_from(open_site.ask("/do/update", cookie))
    assert open_site.told == []
    assert len(caplog.records) == 1
    assert open_site.ask("/who", updated).text == "u1 None"


def test_open_a_session_that_was_revoked_is_served_as_long_as_nobody_knows(
    open_site: Site,
) -> None:
    """That is the price, and the documentation says so."""
    cookie = open_site.sign_in()
    open_site.ask("/do/out", cookie)
    with open_site.away():
        assert open_site.ask("/who", cookie).text == "u1 None"
    assert open_site.ask("/who", cookie).text == "nobody None"


def test_open_a_sign_out_says_that_a_copy_may_be_good(open_site: Site) -> None:
    cookie = open_site.sign_in()
    open_site.told.clear()
    with open_site.away():
        response = open_site.ask("/do/out", cookie)
        assert set_cookies(response)[NAME].deletes
    assert open_site.reasons() == [("signed-out", "user", "revocation_unavailable")]


@pytest.mark.parametrize("path", ["/do/revoke-session", "/do/revoke-user"])
def test_open_what_cannot_be_revoked_is_told_all_the_same(open_site: Site, path: str) -> None:
    with open_site.away():
        assert_unavailable(open_site.ask(path))


def test_open_a_callback_may_still_end_a_session(open_site: Site) -> None:
    cookie = open_site.sign_in()
    open_site.auth.jwt_callback(lambda token, event: None)
    with open_site.away():
        response = open_site.ask("/who", cookie)
    assert response.text == "nobody None"
    assert set_cookies(response)[NAME].deletes


# Providers.


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_who_comes_from_a_provider_is_signed_in(
    clock: Clock, provider: FaultyProvider, failure: str
) -> None:
    store = OwnStore(clock)
    app, _ = make_application(clock, provider, STORE=store, STORE_FAILURE=failure)
    browser = Browser(app, provider)
    for _ in range(2):  # the second time over the session that there is
        with without_answer(store):
            response = browser.sign_in()
        assert (response.status_code, response.location) == (302, "http://localhost/account")
        assert browser.is_signed_in()
        assert browser.account()["account"]["access_token"] is not None
        assert browser.transactions() == []


def test_tokens_that_cannot_be_kept_anywhere_sign_nobody_in(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = OwnStore(clock)
    app, _ = make_application(clock, provider, STORE=store, PROVIDER_TOKENS="store")
    browser = Browser(app, provider)
    with without_answer(store):
        response = browser.sign_in()
        assert (response.status_code, response.mimetype) == (503, "text/html")
        assert NAME not in set_cookies(response)
    assert not browser.is_signed_in()
    browser.sign_in()
    assert browser.is_signed_in()


def send(app: Flask, token: str) -> TestResponse:
    return app.test_client(use_cookies=False).post(
        "/auth/backchannel-logout/op", data={"logout_token": token}
    )


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_a_provider_is_told_that_nobody_was_signed_out_and_may_ask_again(
    clock: Clock, provider: FaultyProvider, failure: str
) -> None:
    store = OwnStore(clock)
    app, _ = make_application(clock, provider, STORE=store, STORE_FAILURE=failure)
    browser = Browser(app, provider)
    browser.sign_in()
    token = logout_token(provider)
    with without_answer(store):
        response = send(app, token)
        assert response.status_code == 400
        assert response.get_json()["error_description"] == "store_unavailable"
        assert "no-store" in response.headers["Cache-Control"]
    assert browser.is_signed_in()
    assert send(app, token).status_code == 200
    assert not browser.is_signed_in()


@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize("disturbance", ["refused", "lost"])
@pytest.mark.parametrize("claims", [{"sid": None}, {"sub": None}], ids=["sub", "sid"])
def test_a_logout_that_failed_anywhere_may_be_sent_again(
    clock: Clock,
    provider: FaultyProvider,
    claims: dict[str, Any],
    disturbance: str,
    call: int,
) -> None:
    """From one call on nothing comes back, and a moment later all of it is there again."""
    store = FaultyStore(clock)
    app, _ = make_application(clock, provider, STORE=store)
    browser = Browser(app, provider)
    browser.sign_in()
    clock.advance(1)
    token = logout_token(provider, **claims)
    store.calls.clear()
    getattr(store, disturbance).update(range(call, 20))
    status = send(app, token).status_code
    store.refused, store.lost = set(), set()
    if status != 200:  # the provider tries once more
        assert status == 400
        send(app, token)
    assert not browser.is_signed_in()
    assert send(app, token).status_code == 400  # and no more than that


# What cannot work is an error at start.


def site_at(instance: Path, **config: Any) -> Flask:
    app = Flask("tests.app", instance_path=str(instance))
    app.config.update(JWTSESSION_SECRET=SECRET, **config)
    JWTSession(app)
    return app


def assert_says_what_to_do(text: str, instance: Path) -> None:
    for part in ("JWTSESSION_STORE", str(instance), "instance_path", "Redis", "None"):
        assert part in text


@pytest.mark.parametrize("instance", ["file", "file/instance", "file/deep/down/instance"])
def test_a_folder_that_cannot_be_is_a_configuration_error(tmp_path: Path, instance: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError) as caught:
        site_at(tmp_path / instance)
    assert caught.value.key == "JWTSESSION_STORE"
    assert str(tmp_path / instance) in str(caught.value)
    assert f"{str(tmp_path / 'file')!r} is no folder" in str(caught.value)


#: Root may write anywhere; so it makes itself nobody, once everything is imported.
_START_AS_NOBODY = """
import os, sys
from flask import Flask
from flask_jwtsession import ConfigError, JWTSession
from flask_jwtsession.stores import sqlite

app = Flask("site_app", root_path="/", instance_path=sys.argv[1])
app.config["JWTSESSION_SECRET"] = sys.argv[2]
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    JWTSession(app)
except ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="there are no such rights")
@pytest.mark.parametrize("instance", ["locked", "locked/instance", "locked/deep/down/instance"])
@pytest.mark.parametrize(
    "mode", [pytest.param(0o555, id="read-only"), pytest.param(0o444, id="not to be entered")]
)
def test_a_folder_without_rights_is_a_configuration_error(instance: str, mode: int) -> None:
    with TemporaryDirectory(prefix="jwtsession-") as name:
        folder, locked = Path(name), Path(name) / "locked"
        folder.chmod(0o755)  # in a place where everybody finds it
        locked.mkdir()
        locked.chmod(mode)
        try:
            done = subprocess.run(
                [sys.executable, "-c", _START_AS_NOBODY, str(folder / instance), SECRET],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            locked.chmod(0o755)
    assert (done.returncode, done.stderr) == (0, "")
    assert_says_what_to_do(done.stdout, folder / instance)


def test_a_folder_that_is_not_there_yet_is_none(tmp_path: Path) -> None:
    site_at(tmp_path / "deep" / "down" / "instance")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_no_store_is_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for store in (None, "memory", MemoryStore(), "redis://127.0.0.1:1/0"):
        site_at(tmp_path / "file" / "instance", JWTSESSION_STORE=store)


@pytest.mark.parametrize("prefix", ["JWTSESSION", "STAFFSESSION"])
def test_the_key_is_that_of_the_instance(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "file").write_text("in the way")
    app = Flask("tests.app", instance_path=str(tmp_path / "file"))
    app.config[f"{prefix}_SECRET"] = SECRET
    with pytest.raises(ConfigError) as caught:
        JWTSession(app, config_prefix=prefix)
    assert caught.value.key == f"{prefix}_STORE"


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@localhost:6379/zero",
        "redis://:hunter2@localhost:port/0",
        "redis://:hunter2@localhost/0?no_such_option=1",
        "redis://:hun#ter2@localhost:6379/0",
        "redis://:hunter2@localhost:99999/0",
        "redis+sentinel://user:hunter2@/service",
        "redis+sentinel://user:hunter2@host",
        "rediss+sentinel://user:hunter2@a:b:c/service",
    ],
)
def test_sec_050_a_wrong_url_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_app(STORE=url)
    assert caught.value.key == "JWTSESSION_STORE"
    for part in ("hunter2", "hun", "ter2"):
        assert part not in str(caught.value)
    assert caught.value.__cause__ is None


def test_redis_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"flask-jwtsession\[redis\]") as caught:
        make_app(STORE="redis://:hunter2@localhost")
    assert caught.value.key == "JWTSESSION_STORE"
    assert "hunter2" not in str(caught.value)
    make_app(STORE="memory")


def test_a_redis_that_is_away_does_not_hinder_the_start(clock: Clock) -> None:
    app, _ = make_app(clock, STORE="redis://:hunter2@127.0.0.1:1/0")
    add_views(app)
    cookie = cookie_of(app)
    response = get(app.test_client(), "/private", cookie)
    assert_unavailable(response)
    assert "127.0.0.1" not in response.text
    assert get(app.test_client(), "/who").text == "nobody None"
