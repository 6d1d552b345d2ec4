"""What an application may say when a session with two cookies begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Response, stream_with_context
from werkzeug.test import TestResponse

from flask_jwtsession import (
    ConfigError,
    JWTEvent,
    SessionClosed,
    SessionTooLarge,
    create_token,
    sign_in,
)
from flask_jwtsession.rotation import GRACE

from .pair_browsing import ACCESS, DAY, MAX_AGE, REFRESH, Browser, PairApp, who
from .support import NOW, SAME_ORIGIN, Clock, binding_of, make_app, set_cookies


@pytest.fixture
def pair(clock: Clock) -> PairApp:
    return PairApp(clock)


def visit(pair: PairApp, view: Callable[[], object]) -> tuple[TestResponse, Browser]:
    browser = pair.browser()
    return browser.visit(lambda: str(view()), method="POST"), browser


# The claims of the refresh cookie.


@pytest.mark.parametrize("claims", [{"device": "office"}, {"n": [1, {"a": None}], "é": "ü"}])
def test_the_callback_gets_the_refresh_claims_of_the_sign_in(
    pair: PairApp, claims: dict[str, Any]
) -> None:
    browser = pair.sign_in(refresh_claims=claims)
    pair.access_is_over()
    browser.visit()
    assert {name: pair.asked[0][name] for name in claims} == claims


@pytest.mark.parametrize("claims", [None, {}])
def test_without_any_it_gets_who_it_is(pair: PairApp, claims: dict[str, Any] | None) -> None:
    browser = pair.sign_in(refresh_claims=claims)
    pair.access_is_over()
    browser.visit()
    assert pair.asked[0].keys() == {"sub", "sid", "auth_time"}


def test_what_is_given_for_one_token_is_not_in_the_other(pair: PairApp) -> None:
    browser = pair.sign_in(claims={"role": "admin"}, refresh_claims={"device": "office"})
    assert "device" not in browser.claims()
    assert "role" not in browser.refresh_claims()


def test_every_sign_in_begins_a_chain_of_its_own(pair: PairApp) -> None:
    browser = pair.browser()
    rotations = []
    for _ in range(3):
        browser.sign_in()
        rotations.append(browser.refresh_claims()["_session"]["rotation"])
    assert [rotation["gen"] for rotation in rotations] == [0, 0, 0]
    assert len({rotation["grant"] for rotation in rotations}) == 3


def test_two_sign_ins_in_one_request_leave_the_second(pair: PairApp) -> None:
    def view() -> str:
        sign_in({"id": "u1"}, refresh_claims={"n": 1})
        sign_in({"id": "u2"}, refresh_claims={"n": 2})
        return who()

    response, browser = visit(pair, view)
    assert response.text == "u2"
    assert set_cookies(response).keys() == {ACCESS, REFRESH}
    pair.access_is_over()
    assert browser.visit().text == "u2"
    assert pair.asked[0]["n"] == 2
    assert pair.reasons() == ["replaced"]


@pytest.mark.parametrize("value", [datetime.now(UTC), {1, 2}, float("nan"), b"bytes"])
def test_refresh_claims_that_are_not_json_begin_no_session(pair: PairApp, value: object) -> None:
    def view() -> str:
        with pytest.raises(TypeError, match="JSON"):
            sign_in({"id": "u1"}, refresh_claims={"when": value})
        return who()

    response, _ = visit(pair, view)
    assert (response.text, set_cookies(response), pair.told) == ("nobody", {}, [])


# Reserved claims.

#: What only this package sets, and what an application might take for a way to set it.
OURS: dict[str, Any] = {
    "iat": 1,
    "exp": int(NOW) + 10 * DAY,
    "jti": "mine",
    "sid": "mine",
    "auth_time": NOW - DAY,
    "_session": {"account": {"provider": "mine"}, "rotation": {"grant": "g", "gen": 7}},
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("given", ["claims", "refresh_claims", "jwt callback"])
def test_sec_120_a_reserved_claim_is_not_taken(pair: PairApp, name: str, given: str) -> None:
    mine = {name: OURS[name]}
    arguments: dict[str, Any] = {given: mine}
    if given == "jwt callback":
        arguments = {}

        @pair.auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            return {**token, **mine}

    browser = pair.sign_in(**arguments)
    for claims in (browser.claims(), browser.refresh_claims()):
        assert claims.get(name) != OURS[name]
        assert (claims["iat"], claims["auth_time"]) == (NOW, NOW)
    assert browser.claims()["exp"] == NOW + MAX_AGE
    assert browser.refresh_claims()["exp"] == NOW + 30 * DAY
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert pair.asked[0].keys() == {"sub", "sid", "auth_time"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("sub", "u2"), ("iss", "them"), ("aud", "them"), ("nbf", NOW + DAY), ("nbf", "soon")],
)
def test_sec_120_refresh_claims_say_nothing_of_whose_they_are_and_when_they_count(
    pair: PairApp, name: str, value: object
) -> None:
    browser = pair.sign_in(refresh_claims={name: value, "device": "office"})
    assert browser.refresh_claims().get(name) != value
    pair.access_is_over()
    assert browser.visit().text == "u1"
    assert pair.asked[0].keys() == {"sub", "sid", "auth_time", "device"}
    assert pair.rejections() == []


def test_the_subject_of_the_jwt_callback_is_that_of_both(pair: PairApp) -> None:
    pair.auth.jwt_callback(lambda token, event: {**token, "sub": "own"})
    browser = pair.sign_in()
    assert [browser.claims()["sub"], browser.refresh_claims()["sub"]] == ["own", "own"]
    pair.access_is_over()
    assert browser.visit().text == "own"


# What an application forgets.


@pytest.fixture
def forgetful(clock: Clock) -> PairApp:
    """Without a reauth_callback."""
    pair = PairApp(clock, TOKEN_LOCATIONS=["cookie", "header"])
    binding_of(pair.app).callbacks.reauth = None
    return pair


def test_a_sign_in_without_a_reauth_callback_is_a_mistake_that_is_told(
    forgetful: PairApp,
) -> None:
    def view() -> str:
        with pytest.raises(ConfigError, match="reauth_callback") as raised:
            sign_in({"id": "u1"})
        assert raised.value.key == "JWTSESSION_REFRESH_COOKIE"
        return who()

    response, _ = visit(forgetful, view)
    assert (response.text, set_cookies(response), forgetful.told) == ("nobody", {}, [])


def test_the_endpoint_signs_nobody_in_either(forgetful: PairApp) -> None:
    forgetful.auth.credentials(lambda credentials: {"id": "u1"})
    client = forgetful.app.test_client()
    response = client.post("/auth/callback/credentials", headers=SAME_ORIGIN, data={"a": "b"})
    assert (response.status_code, set_cookies(response)) == (500, {})
    assert forgetful.told == []


def test_a_token_for_a_header_needs_none(forgetful: PairApp) -> None:
    response, _ = visit(forgetful, lambda: create_token({"id": "u1"}))
    authorization = {"Authorization": f"Bearer {response.text}"}
    assert set_cookies(response) == {}
    answer = forgetful.browser().open("/who", headers=authorization)
    assert (answer.text, set_cookies(answer)) == ("u1", {})


def test_refresh_claims_without_a_refresh_cookie_are_a_mistake_that_is_told(clock: Clock) -> None:
    app, _ = make_app(clock)

    def view() -> str:
        with pytest.raises(ConfigError) as raised:
            sign_in({"id": "u1"}, refresh_claims={"device": "office"})
        assert raised.value.key == "JWTSESSION_REFRESH_COOKIE"
        return who()

    response = Browser(app).visit(view, method="POST")
    assert (response.text, set_cookies(response)) == ("nobody", {})


@pytest.mark.parametrize("claims", [{"device": "office"}, {}])
def test_the_session_that_is_there_survives_such_a_mistake(
    pair: PairApp, claims: dict[str, Any]
) -> None:
    browser = pair.sign_in()
    callbacks = binding_of(pair.app).callbacks
    good, callbacks.reauth = callbacks.reauth, None

    def view() -> str:
        with pytest.raises(ConfigError):
            sign_in({"id": "u2"}, refresh_claims=claims)
        return who()

    response = browser.visit(view, method="POST")
    assert (response.text, set_cookies(response)) == ("u1", {})
    callbacks.reauth = good
    pair.clock.advance(MAX_AGE + GRACE)
    assert browser.visit().text == "u1"


# The claims that the application may choose at the sign-in, and that nobody changes after.


@pytest.mark.parametrize("chosen", [{"aud": "orders", "iss": "me"}, {"aud": ["a", "b"]}])
def test_an_audience_and_an_issuer_of_the_sign_in_are_in_every_token_of_the_session(
    pair: PairApp, chosen: dict[str, Any]
) -> None:
    browser = pair.sign_in(claims=chosen)
    for _ in range(2):
        pair.access_is_over()
        assert browser.visit().text == "u1"
        assert {name: browser.claims()[name] for name in chosen} == chosen


def test_those_of_the_configuration_are_not_kept_from_the_sign_in(clock: Clock) -> None:
    pair = PairApp(clock, AUDIENCE="orders")
    browser = pair.sign_in(claims={"aud": "mine"})
    assert "aud" not in browser.refresh_claims()
    pair.access_is_over()
    browser.visit()
    assert browser.claims()["aud"] == "orders"


def test_refresh_claims_that_are_no_mapping_are_a_mistake_that_signs_nobody_in(
    pair: PairApp,
) -> None:
    def view() -> str:
        with pytest.raises(TypeError, match="takes refresh_claims as a mapping, got list"):
            sign_in({"id": "u1"}, refresh_claims=["device"])  # type: ignore[arg-type]
        return who()

    response, _ = visit(pair, view)
    assert (response.text, set_cookies(response)) == ("nobody", {})


# Error reports show the variables of a frame.


def shown(error: BaseException) -> str:
    """All that a report on an error would show of this package."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        if "flask_jwtsession" in trace.tb_frame.f_code.co_filename:
            frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    return " ".join(frames)


@pytest.mark.parametrize("name", ["claims", "refresh_claims", "session callback"])
def test_sec_206_no_frame_of_a_sign_in_that_failed_shows_a_token_or_a_grant(
    clock: Clock, name: str
) -> None:
    pair = PairApp(clock)
    arguments = dict[str, Any]({} if name == "session callback" else {name: {"x": "y" * 9000}})
    if name == "session callback":

        @pair.auth.session_callback
        def fail(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
            raise RuntimeError("a mistake")

    def view() -> str:
        with pytest.raises((SessionTooLarge, RuntimeError)) as caught:
            sign_in({"id": "u1"}, **arguments)
        return shown(caught.value)

    text = visit(pair, view)[0].text
    assert "begin" in text or "encode" in text or "state" in text
    assert "eyJ" not in text  # how every token begins
    assert "'grant':" not in text


def test_sec_206_no_frame_of_a_token_that_could_not_be_made_shows_it(clock: Clock) -> None:
    app, auth = make_app(clock, TOKEN_LOCATIONS=["cookie", "header"])

    @auth.session_callback
    def fail(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("a mistake")

    with app.test_request_context(method="POST"):
        with pytest.raises(RuntimeError) as caught:
            create_token({"id": "u1"})
        assert "eyJ" not in shown(caught.value)


def test_a_token_is_not_made_once_the_response_is_finished(clock: Clock) -> None:
    app, _ = make_app(clock, TOKEN_LOCATIONS=["cookie", "header"])

    def view() -> Response:
        def body() -> Iterator[str]:
            with pytest.raises(SessionClosed):
                create_token({"id": "u1"})
            yield "closed"

        return Response(stream_with_context(body()))

    app.add_url_rule("/stream", "stream", view)
    assert app.test_client().get("/stream").text == "closed"
