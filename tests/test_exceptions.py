"""The tree of errors: what each is, what it is called, and what it never says."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest
from flask import Flask

from flask_jwtsession import (
    ConfigError,
    InsecureTransport,
    JWTSession,
    JWTSessionError,
    SessionClosed,
    SessionTooLarge,
    SignInRefused,
    TokenError,
    TokenExpired,
    TokenInvalid,
    UpdateRefused,
    exceptions,
)

from .support import NOW, SECRET, claims_at, make_app

#: One of each.
RAISED: dict[type[JWTSessionError], JWTSessionError] = {
    type(error): error
    for error in (
        ConfigError("JWTSESSION_MAX_AGE", "takes seconds"),
        TokenInvalid("malformed"),
        TokenExpired("expired", claims_at(NOW)),
        SessionTooLarge(9000, 7168),
        SessionClosed("the response is finished"),
        UpdateRefused("not a member of that company"),
        SignInRefused("no", redirect_to="/sorry"),
        InsecureTransport("a session cookie needs https"),
    )
}


def tree(error: type[JWTSessionError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, error.__name__
    for child in error.__subclasses__():
        if child.__module__ == exceptions.__name__:
            yield from tree(child, depth + 1)


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+)(?:$|  )", exceptions.__doc__ or "", re.MULTILINE)
    assert [(len(lines) // 4, name) for lines, name in drawn] == list(tree(JWTSessionError))


def test_codes_are_stable_and_differ() -> None:
    """They are in answers to clients: a changed code breaks somebody."""
    classes: list[type[JWTSessionError]] = [JWTSessionError, TokenError, *RAISED]
    assert {error.__name__: error.code for error in classes} == {
        "JWTSessionError": "jwtsession_error",
        "TokenError": "token_error",
        "ConfigError": "config_error",
        "TokenInvalid": "token_invalid",
        "TokenExpired": "token_expired",
        "SessionTooLarge": "session_too_large",
        "SessionClosed": "session_closed",
        "UpdateRefused": "update_refused",
        "SignInRefused": "access_denied",
        "InsecureTransport": "insecure_transport",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RAISED[SessionTooLarge], 413, "session_too_large"),
        (RAISED[UpdateRefused], 400, "update_refused"),
        (SignInRefused(), 403, "access_denied"),
        (SignInRefused(redirect_to="/elsewhere"), 302, None),
        (RAISED[InsecureTransport], 400, "insecure_transport"),
        (RAISED[SessionClosed], 500, None),
        (RAISED[TokenInvalid], 500, None),
        (RAISED[ConfigError], 500, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_that_a_view_lets_pass_is_answered_if_the_request_can_be_at_fault(
    error: JWTSessionError, status: int, code: str | None
) -> None:
    app, _ = make_app()

    @app.get("/")
    def fail() -> str:
        raise error

    response = app.test_client().get("/")
    assert response.status_code == status
    assert (response.get_json(silent=True) or {}).get("code") == code


def test_an_application_may_answer_an_error_of_ours_itself() -> None:
    app = Flask("tests.app")

    @app.errorhandler(UpdateRefused)
    def answer(error: UpdateRefused) -> tuple[str, int]:
        return "mine", 409

    app.config["JWTSESSION_SECRET"] = SECRET
    JWTSession(app)

    @app.get("/")
    def fail() -> str:
        raise UpdateRefused("no")

    assert app.test_client().get("/").status_code == 409


def test_errors_carry_their_evidence() -> None:
    expired = TokenExpired("expired", {"sub": "u1"})
    assert (expired.reason, expired.claims) == ("expired", {"sub": "u1"})
    large = SessionTooLarge(9000, 7168)
    assert (large.size, large.limit) == (9000, 7168)
    assert ConfigError("JWTSESSION_MAX_AGE", "takes seconds").key == "JWTSESSION_MAX_AGE"
    assert SignInRefused(redirect_to="/sorry").redirect_to == "/sorry"


def test_sec_059_an_expired_token_says_when_printed_nothing_of_its_claims() -> None:
    error = RAISED[TokenExpired]
    assert "Ada" not in f"{error} {error!r} {error.args}"


@pytest.mark.parametrize("error", RAISED.values(), ids=lambda error: type(error).__name__)
def test_an_error_survives_a_way_between_processes(error: JWTSessionError) -> None:
    """Process pools and task queues pickle errors; one that cannot be read back hangs them."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert str(copy) == str(error)
