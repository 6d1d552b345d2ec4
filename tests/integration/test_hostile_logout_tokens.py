"""Back-channel logout: what is no valid logout token signs nobody out (OpenID Connect Back-Channel
Logout 1.0 section 2.6).

Each refusal is tried with claims of a session that a valid token does end, so that none is refused
for having nothing to end.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import JWTEvent, JWTSession, StoreUnavailable
from flask_jwtsession.revocation import Revocations
from flask_jwtsession.stores.memory import MemoryStore

from ..forged_tokens import unb64
from ..peers.faulty_provider import LOGOUT_FAULTS, FaultyProvider, logout_token
from ..support import CROSS_SITE, Clock, binding_of
from .provider_sign_in import Browser, logged_here, make_application

PATH = "/auth/backchannel-logout/op"


class Recorder(Revocations):
    """Says what was revoked, by whatever; or, while it is ``broken``, revokes nothing."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), [b"a key of the tests, 0123456789 ab"], 60.0)
        self.revoked: list[str] = []
        self.broken = False

    def revoke_session(self, sid: str) -> bool:
        self._keep(f"sid {sid}")
        return True

    def revoke_provider_session(self, provider: str, session: str) -> None:
        self._keep(f"session {session} at {provider}")

    def revoke_subject(self, subject: str, before: float) -> None:
        self._keep(f"{subject} until {before}")

    def _keep(self, what: str) -> None:
        if self.broken:
            raise StoreUnavailable("it does not answer")
        self.revoked.append(what)


@pytest.fixture
def provider(clock: Clock) -> Iterator[FaultyProvider]:
    with FaultyProvider(clock) as running:
        yield running


@pytest.fixture
def app_and_auth(clock: Clock, provider: FaultyProvider) -> tuple[Flask, JWTSession]:
    return make_application(clock, provider)


@pytest.fixture
def revocations(app: Flask) -> Recorder:
    recorder = Recorder()
    binding_of(app).revocations = recorder
    return recorder


def send(app: Flask, token: str, **options: Any) -> TestResponse:
    """POST a logout token as the provider does: without cookies, from nowhere."""
    if not options:
        options["data"] = {"logout_token": token}
    return app.test_client(use_cookies=False).post(PATH, **options)


def assert_refused(
    response: TestResponse, revocations: Recorder, *, status: int | set[int] = 400
) -> None:
    statuses = {status} if isinstance(status, int) else status
    assert response.status_code in statuses, response.get_data(as_text=True)
    assert "no-store" in response.headers["Cache-Control"]
    assert "Location" not in response.headers
    assert response.headers.getlist("Set-Cookie") == []
    assert revocations.revoked == []


# What is valid.


def browsers_of(app: Flask, provider: FaultyProvider) -> dict[str, Browser]:
    """Three that are signed in: Ada's laptop, Ada's phone, and Grace's."""
    found: dict[str, Browser] = {}
    for name, sub, session_id in (
        ("phone", "u-1", "session of the phone"),
        ("grace", "u-2", "session of grace"),
        ("laptop", "u-1", "session of the laptop"),
    ):
        provider.user["sub"], provider.session_id = sub, session_id
        found[name] = Browser(app, provider)
        found[name].sign_in()
    provider.user["sub"] = "u-1"
    return found


def still_signed_in(browsers: dict[str, Browser]) -> set[str]:
    return {name for name, browser in browsers.items() if browser.is_signed_in()}


@pytest.mark.parametrize(
    ("claims", "live"),
    [
        pytest.param({}, {"phone", "grace"}, id="both end the one session"),
        pytest.param({"sub": None}, {"phone", "grace"}, id="a sid ends that session"),
        pytest.param({"sid": None}, {"grace"}, id="a sub ends the sessions of that account"),
        pytest.param({"sid": None, "sub": "u-3"}, {"phone", "grace", "laptop"}, id="of nobody"),
    ],
)
def test_sec_194_a_token_ends_what_it_names(
    app: Flask, provider: FaultyProvider, claims: dict[str, Any], live: set[str]
) -> None:
    browsers = browsers_of(app, provider)
    assert still_signed_in(browsers) == {"phone", "grace", "laptop"}
    response = send(app, logout_token(provider, **claims))
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers.getlist("Set-Cookie") == []
    assert still_signed_in(browsers) == live


def test_sec_194_the_account_is_the_one_that_signed_in(
    app: Flask, auth: JWTSession, provider: FaultyProvider
) -> None:
    """Whatever the application calls that person."""

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        return {**token, "sub": "ada"} if event.trigger == "sign_in" else token

    browser = Browser(app, provider)
    browser.sign_in()
    assert browser.account()["claims"]["sub"] == "ada"
    assert send(app, logout_token(provider, sid=None, sub="ada")).status_code == 200
    assert browser.is_signed_in()
    assert send(app, logout_token(provider, sid=None)).status_code == 200
    assert not browser.is_signed_in()


def test_sec_195_who_signs_in_after_it_is_signed_in(app: Flask, provider: FaultyProvider) -> None:
    """In the same second: the clock stands still."""
    before, after = Browser(app, provider), Browser(app, provider)
    before.sign_in()
    assert send(app, logout_token(provider, sid=None)).status_code == 200
    provider.session_id = "the next session"
    after.sign_in()
    assert (before.is_signed_in(), after.is_signed_in()) == (False, True)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["app"]},
        {"sid": "x" * 255, "sub": None},
        {"nobody knows this": {"a": [1]}},
        {
            "events": {
                "http://schemas.openid.net/event/backchannel-logout": {"more": 1},
                "https://op.example/event": 7,
            }
        },
    ],
    ids=["a list of one aud", "a long sid", "an unknown claim", "more events"],
)
def test_a_provider_may_say_more_than_it_has_to(
    app: Flask, provider: FaultyProvider, revocations: Recorder, claims: dict[str, Any]
) -> None:
    assert send(app, logout_token(provider, **claims)).status_code == 200
    assert len(revocations.revoked) == 1


def test_a_token_of_a_new_key_is_valid(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    Browser(app, provider).sign_in()
    provider.rotate_keys("op-2")
    assert send(app, logout_token(provider)).status_code == 200
    assert len(revocations.revoked) == 1


def test_sec_196_it_needs_neither_a_csrf_token_nor_an_origin(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    data = {"logout_token": logout_token(provider)}
    assert send(app, "", data=data, headers=CROSS_SITE).status_code == 200
    assert len(revocations.revoked) == 1


# What is not.


@pytest.mark.parametrize(
    "fault", [pytest.param(name, id=f"SEC-193 {name}") for name in LOGOUT_FAULTS]
)
def test_a_token_that_is_not_right_signs_nobody_out(
    app: Flask,
    provider: FaultyProvider,
    revocations: Recorder,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    token = logout_token(provider, fault)
    response = send(app, token)
    # A body that is too large for any token is not read.
    assert_refused(response, revocations, status={400, 413} if len(token) > 60_000 else 400)
    assert provider.count("elsewhere") == 0
    said = response.get_data(as_text=True)
    for text in (token, provider.client_secret, provider.session_id):
        if len(text) >= 16:
            assert text not in said
            assert text not in logged_here(caplog)
    # And the same without its fault does.
    assert send(app, logout_token(provider)).status_code == 200
    assert len(revocations.revoked) == 1


def test_sec_193_an_id_token_that_was_handed_out_is_no_logout_token(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, FEDERATED_SIGN_OUT=True)
    recorder = Recorder()
    binding_of(app).revocations = recorder
    browser = Browser(app, provider)
    browser.sign_in()
    id_token = browser.account()["account"]["id_token"]
    assert_refused(send(app, id_token), recorder)


def test_sec_193_a_token_is_good_once(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    token = logout_token(provider)
    assert send(app, token).status_code == 200
    revocations.revoked.clear()
    assert_refused(send(app, token), revocations)
    assert_refused(send(app, logout_token(provider, jti=claim(token, "jti"))), revocations)


def test_sec_193_a_token_is_as_old_after_it_was_forgotten(
    app: Flask, provider: FaultyProvider, revocations: Recorder, clock: Clock
) -> None:
    """A replay is refused by its jti, and later by its age: there is no time in between."""
    token = logout_token(provider, exp=int(clock()) + 86_400)
    assert send(app, token).status_code == 200
    revocations.revoked.clear()
    for _ in range(80):
        clock.advance(15)
        assert_refused(send(app, token), revocations)


def test_sec_193_a_token_older_than_two_minutes_is_no_good(
    app: Flask, provider: FaultyProvider, revocations: Recorder, clock: Clock
) -> None:
    late = logout_token(provider, exp=int(clock()) + 86_400)
    later = logout_token(provider, exp=int(clock()) + 86_400)
    clock.advance(100)
    assert send(app, late).status_code == 200
    revocations.revoked.clear()
    clock.advance(100)
    assert_refused(send(app, later), revocations)


def test_sec_193_a_token_of_another_provider_signs_nobody_out(
    clock: Clock, provider: FaultyProvider
) -> None:
    with FaultyProvider(clock) as other:
        # The two are told apart by their issuers alone: even their keys are the same.
        assert other.key == provider.key
        app, _ = make_application(clock, provider, other)
        recorder = Recorder()
        binding_of(app).revocations = recorder
        assert_refused(send(app, logout_token(other)), recorder)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": {}}, 400),
        ({"data": {"logout_token": ""}}, 400),
        ({"data": {"token": "TOKEN"}}, 400),
        ({"data": {"logout_token": ["TOKEN", "TOKEN"]}}, 400),
        ({"data": {"logout_token": ["TOKEN", "another"]}}, 400),
        ({"data": {"logout_token[]": "TOKEN"}}, 400),
        ({"data": {}, "query_string": {"logout_token": "TOKEN"}}, 400),
        ({"json": {"logout_token": "TOKEN"}}, {400, 415}),
        ({"data": "TOKEN", "content_type": "application/logout+jwt"}, {400, 415}),
        ({"data": "logout_token=TOKEN", "content_type": "text/plain"}, {400, 415}),
        ({"data": {"logout_token": "TOKEN"}, "content_type": "multipart/form-data"}, {400, 415}),
        ({"data": b"\xff\xfe=\x00", "content_type": "application/x-www-form-urlencoded"}, 400),
        ({"data": {"logout_token": "TOKEN", "x": "x" * 1_000_000}}, {400, 413}),
        ({"data": {f"x{number}": "x" for number in range(5_000)}}, {400, 413}),
    ],
    ids=[
        "no parameter",
        "an empty parameter",
        "another parameter",
        "the same token twice",
        "two tokens",
        "an array",
        "in the query",
        "JSON",
        "the token alone",
        "text",
        "multipart",
        "garbage",
        "1 MB beside it",
        "5 000 parameters",
    ],
)
def test_sec_193_a_request_that_is_not_right_signs_nobody_out(
    app: Flask,
    provider: FaultyProvider,
    revocations: Recorder,
    options: dict[str, Any],
    status: int | set[int],
) -> None:
    token = logout_token(provider)
    assert_refused(send(app, "", **with_token(options, token)), revocations, status=status)
    assert send(app, token).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_sec_193_nothing_but_a_post_signs_anybody_out(
    app: Flask, provider: FaultyProvider, revocations: Recorder, method: str
) -> None:
    response = app.test_client().open(
        PATH, method=method, query_string={"logout_token": logout_token(provider)}
    )
    assert response.status_code == 405
    assert revocations.revoked == []


@pytest.mark.parametrize("name", ["nobody", "credentials", "op2", "..", "op%2f.."])
def test_sec_173_there_is_none_for_a_provider_that_there_is_not(
    app: Flask, provider: FaultyProvider, revocations: Recorder, name: str
) -> None:
    response = app.test_client().post(
        f"/auth/backchannel-logout/{name}", data={"logout_token": logout_token(provider)}
    )
    assert response.status_code == 404
    assert revocations.revoked == []


def test_what_cannot_be_revoked_may_be_sent_again(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    token = logout_token(provider)
    revocations.broken = True
    assert_refused(send(app, token), revocations)
    revocations.broken = False
    assert send(app, token).status_code == 200
    assert len(revocations.revoked) == 1


def test_without_a_store_a_provider_is_not_told_that_it_worked(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, STORE=None)
    browser = Browser(app, provider)
    browser.sign_in()
    response = send(app, logout_token(provider))
    assert_refused(response, Recorder())
    assert response.get_json()["error_description"] == "revocation_unavailable"
    assert browser.is_signed_in()


@pytest.mark.parametrize(
    "fault", ["metadata is 500", "issuer is another", "jwks is HTML with 200", "jwks has no keys"]
)
def test_a_token_that_cannot_be_checked_signs_nobody_out(
    app: Flask, provider: FaultyProvider, revocations: Recorder, fault: str
) -> None:
    with provider.failing(fault):
        assert_refused(send(app, logout_token(provider)), revocations)


def test_tokens_of_unknown_keys_do_not_make_the_provider_busy(
    app: Flask, provider: FaultyProvider, revocations: Recorder, clock: Clock
) -> None:
    """Anybody can send a token that names a key which is not there."""
    for _ in range(5):
        send(app, logout_token(provider, "has a kid that nobody knows"))
    assert provider.count("jwks") <= 2
    before = provider.count("jwks")
    clock.advance(31)
    for _ in range(5):
        send(app, logout_token(provider, "has a kid that nobody knows"))
    assert provider.count("jwks") == before + 1


def test_a_flood_of_garbage_does_not_fill_the_log(
    app: Flask,
    provider: FaultyProvider,
    revocations: Recorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    for number in range(50):
        assert_refused(send(app, f"garbage-{number}.e30.x"), revocations)
    assert len(caplog.records) < 5


def claim(token: str, name: str) -> Any:
    return json.loads(unb64(token.split(".")[1]))[name]


def with_token(value: Any, token: str) -> Any:
    """``value`` with the token in the place of each ``TOKEN``."""
    if isinstance(value, dict):
        return {name: with_token(one, token) for name, one in value.items()}
    if isinstance(value, list):
        return [with_token(one, token) for one in value]
    return value.replace("TOKEN", token) if isinstance(value, str) else value


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "." * 1000])
def test_sec_233_for_what_is_no_token_nobody_is_asked(
    app: Flask, provider: FaultyProvider, token: str
) -> None:
    """Anybody can send it; a provider that hangs must not hang who only gets garbage."""
    assert send(app, token).status_code == 400
    assert provider.received == []
