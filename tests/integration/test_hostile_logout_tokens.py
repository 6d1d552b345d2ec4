"""Back-channel logout: what is no valid logout token signs nobody out (OpenID Connect Back-Channel
Logout 1.0 section 2.6).

Each refusal is tried with claims of a session that a valid token does end, so that none is refused
for having nothing to end.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import RevocationUnavailable
from flask_jwtsession.lifecycle.binding import Revocations

from ..forged_tokens import unb64
from ..peers.faulty_provider import LOGOUT_FAULTS, FaultyProvider, logout_token
from ..support import CROSS_SITE, Clock, binding_of
from .provider_sign_in import Browser, logged_here, make_application

PATH = "/auth/backchannel-logout/op"


@dataclass
class Recorder(Revocations):
    """Keeps what was revoked; or, while it is ``broken``, cannot."""

    revoked: list[tuple[str, str, str]] = field(default_factory=list)
    broken: bool = False

    def revoke_provider_session(self, provider: str, session_id: str) -> None:
        self._keep("session", provider, session_id)

    def revoke_account(self, provider: str, account_id: str) -> None:
        self._keep("account", provider, account_id)

    def _keep(self, kind: str, provider: str, identifier: str) -> None:
        if self.broken:
            raise RevocationUnavailable("the store does not answer")
        self.revoked.append((kind, provider, identifier))


@pytest.fixture
def provider(clock: Clock) -> Iterator[FaultyProvider]:
    with FaultyProvider(clock) as running:
        yield running


@pytest.fixture
def app(clock: Clock, provider: FaultyProvider) -> Flask:
    return make_application(clock, provider)[0]


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


def test_sec_194_a_token_with_both_ends_the_one_session(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    response = send(app, logout_token(provider))
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers.getlist("Set-Cookie") == []
    assert revocations.revoked == [("session", "op", provider.session_id)]


def test_sec_194_a_token_with_a_sid_ends_that_session(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    assert send(app, logout_token(provider, sub=None)).status_code == 200
    assert revocations.revoked == [("session", "op", provider.session_id)]


def test_sec_194_a_token_with_a_sub_ends_the_sessions_of_that_account(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    assert send(app, logout_token(provider, sid=None)).status_code == 200
    assert revocations.revoked == [("account", "op", "u-1")]


def test_sec_194_the_account_is_the_one_that_signed_in(
    app: Flask, provider: FaultyProvider, revocations: Recorder
) -> None:
    browser = Browser(app, provider)
    browser.sign_in()
    send(app, logout_token(provider, sid=None))
    ((_, name, account_id),) = revocations.revoked
    account = browser.account()["account"]
    assert (name, account_id) == (account["provider"], account["provider_account_id"])


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
    app: Flask, provider: FaultyProvider
) -> None:
    assert_refused(send(app, logout_token(provider)), Recorder())


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
