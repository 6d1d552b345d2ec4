"""``POST /auth/session/refresh``, and the verb behind it: provider tokens that are new now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, stream_with_context
from werkzeug.test import TestResponse

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    SessionClosed,
    UpdateRefused,
    current_session,
    login_required,
    refresh_session,
    session_refreshed,
    update_session,
)
from flask_jwtsession.stores.memory import MemoryStore

from .browsing import csrf_pair, problem_code
from .faulty_store import FaultyStore
from .integration.provider_sign_in import (
    Browser,
    Look,
    ask,
    at_once,
    cookie_after,
    listening,
    look,
    make_application,
    make_workers,
)
from .peers.faulty_provider import FaultyProvider, Hold
from .scenes import cookie_of
from .support import CROSS_SITE, NOW, Clock, session_token, set_cookies

PATH = "/auth/session/refresh"
#: Seconds that an access token of the provider lives.
LIFETIME = 3600

SetUp = Callable[[Flask, JWTSession], object]


def post(app: Flask, cookie: str = "", path: str = PATH, **options: Any) -> TestResponse:
    return ask(app, path, cookie, method="POST", **options)


def sign_in(app: Flask, provider: FaultyProvider) -> str:
    """The Cookie header of somebody who just signed in."""
    browser = Browser(app, provider)
    assert browser.sign_in().status_code == 302
    return browser.session_cookie()


def after(app: Flask, cookie: str, response: TestResponse) -> Look:
    """What the next request of that browser shows."""
    return look(app, cookie_after(cookie, response))


def reasons_of(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Why the application was told that a session ended, each time that it was."""
    return [arguments["reason"] for name, arguments in told if name == "signed-out"]


@contextmanager
def while_refreshing(
    provider: FaultyProvider, app: Flask, cookie: str, path: str = PATH
) -> Iterator[tuple[Hold, Future[TestResponse]]]:
    """Inside of the block a refresh waits for the provider's answer."""
    with ThreadPoolExecutor(1) as thread, provider.holding_refreshes() as hold:
        posting = thread.submit(post, app, cookie, path)
        assert hold.arrived.wait(timeout=30)
        yield hold, posting


def add_verb(app: Flask, auth: JWTSession) -> None:
    @app.post("/again")
    def again() -> Any:
        session = refresh_session()
        assert session == current_session
        return app.view_functions["account"]()

    @app.post("/again/guarded")
    @login_required
    def guarded() -> Any:
        refresh_session()
        return app.view_functions["account"]()

    @app.post("/again/async")
    async def again_async() -> Any:
        refresh_session()
        return app.view_functions["account"]()


@pytest.fixture(autouse=True)
def nobody_is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because the machine is busy with something else."""
    monkeypatch.setattr("flask_jwtsession.refresh.PATIENCE", 60.0)


@pytest.fixture
def app(clock: Clock, provider: FaultyProvider) -> Flask:
    return make_workers(1, clock, provider, set_up=add_verb)[0]


@pytest.fixture
def cookie(app: Flask, provider: FaultyProvider) -> str:
    return sign_in(app, provider)


# It is done.


@pytest.mark.parametrize("seconds", [0, 1, LIFETIME - 600, LIFETIME, 2 * LIFETIME])
def test_the_tokens_are_refreshed_whether_they_are_due_or_not(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider, seconds: float
) -> None:
    before = look(app, cookie)
    clock.advance(seconds)
    response = post(app, cookie)
    assert response.status_code == 200
    seen = after(app, cookie, response)
    assert provider.is_live(seen.access_token)
    assert seen.access_token != before.access_token
    assert seen.account["expires_at"] == clock.now + LIFETIME
    assert provider.count("refresh") == 1


def test_the_answer_is_the_public_session(app: Flask, cookie: str) -> None:
    response = post(app, cookie)
    assert response.get_json() == {
        "user": {
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "image": "https://op.example/ada.png",
        },
        "expires": "2027-02-14T08:00:00.000Z",
    }
    assert (
        response.get_json() == ask(app, "/auth/session", cookie_after(cookie, response)).get_json()
    )
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"


def test_the_answer_is_what_the_session_callback_makes_of_it(
    clock: Clock, provider: FaultyProvider
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.session_callback
        def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
            return {"who": token["sub"]}

    [app] = make_workers(1, clock, provider, set_up=set_up)
    assert post(app, sign_in(app, provider)).get_json() == {"who": "op|u-1"}


def test_the_verb_returns_the_session_with_the_new_tokens(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    response = post(app, cookie, "/again")
    token = response.get_json()["account"]["access_token"]
    assert provider.is_live(token)
    assert after(app, cookie, response).access_token == token
    assert provider.count("refresh") == 1


def test_an_async_view_can_refresh(clock: Clock, provider: FaultyProvider) -> None:
    triggers: list[str | None] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        add_verb(app, auth)

        @auth.jwt_callback
        async def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            triggers.append(event.trigger)
            return token

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    response = post(app, cookie, "/again/async")
    assert provider.is_live(response.get_json()["account"]["access_token"])
    assert triggers == ["sign_in", "refresh"]


def test_tokens_in_the_store_are_refreshed_too(clock: Clock, provider: FaultyProvider) -> None:
    [app] = make_workers(1, clock, provider, PROVIDER_TOKENS="store")
    cookie = sign_in(app, provider)
    before = look(app, cookie)
    seen = after(app, cookie, post(app, cookie))
    assert provider.is_live(seen.access_token)
    assert seen.access_token != before.access_token


def test_a_callback_is_asked_where_it_is_to_be(clock: Clock, provider: FaultyProvider) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.refresh_callback(lambda account: {"access_token": "mine", "expires_in": 60})

    [app] = make_workers(1, clock, provider, set_up=set_up, refresh=False)
    cookie = sign_in(app, provider)
    assert after(app, cookie, post(app, cookie)).access_token == "mine"


CHANGES: dict[str, Callable[[], object]] = {
    "before": lambda: (update_session({"nick": "Countess"}), refresh_session()),
    "after": lambda: (refresh_session(), update_session({"nick": "Countess"})),
    "around": lambda: (
        update_session({"nick": "?"}),
        refresh_session(),
        update_session({"nick": "Countess"}),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_update_in_the_same_request_is_kept_as_well(
    clock: Clock, provider: FaultyProvider, change: Callable[[], object]
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        app.add_url_rule("/change", "change", lambda: str(change()), methods=["POST"])

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    before = look(app, cookie)
    seen = after(app, cookie, post(app, cookie, "/change"))
    assert seen.claims["nick"] == "Countess"
    assert provider.is_live(seen.access_token)
    assert seen.access_token != before.access_token
    assert provider.count("refresh") == 1


# Once.


@pytest.mark.parametrize("path", [PATH, "/again"])
@pytest.mark.parametrize("workers", [1, 4])
def test_sec_210_requests_at_the_same_moment_share_one_refresh(
    clock: Clock, provider: FaultyProvider, workers: int, path: str
) -> None:
    apps = make_workers(workers, clock, provider, set_up=add_verb)
    cookie = sign_in(apps[0], provider)
    with listening(*apps) as told:
        responses = at_once(*(partial(post, apps[n % workers], cookie, path) for n in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert provider.count("refresh") == 1
    assert [name for name, _ in told] == ["session-refreshed"]
    seen = [after(apps[0], cookie, response) for response in responses]
    [token] = {one.access_token for one in seen}
    assert provider.is_live(token)
    clock.advance(LIFETIME)
    assert provider.is_live(look(apps[-1], seen[-1].cookie).access_token)


def test_sec_210_with_a_user_loader_too(clock: Clock, provider: FaultyProvider) -> None:
    """It is asked before anything is changed, and so the session is loaded first: which is no
    reason to refresh tokens that are newer than the cookie's already.
    """

    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.user_loader(lambda token: token["sub"])

    apps = make_workers(4, clock, provider, set_up=set_up)
    cookie = sign_in(apps[0], provider)
    at_once(*(partial(post, apps[n % 4], cookie) for n in range(20)))
    post(apps[0], cookie)
    assert provider.count("refresh") == 1


@pytest.mark.parametrize("path", [PATH, "/again"])
def test_sec_211_a_late_one_with_the_old_cookie_adopts_what_another_one_got(
    clock: Clock, provider: FaultyProvider, path: str
) -> None:
    apps = make_workers(2, clock, provider, set_up=add_verb)
    cookie = sign_in(apps[0], provider)
    first = after(apps[0], cookie, post(apps[0], cookie, path))
    late = after(apps[1], cookie, post(apps[1], cookie, path))
    assert late.access_token == first.access_token
    assert provider.count("refresh") == 1


def test_a_view_that_has_seen_the_newer_tokens_and_wants_others_gets_others(
    clock: Clock, provider: FaultyProvider
) -> None:
    """An interface may have refused these, too."""
    apps = make_workers(2, clock, provider, set_up=add_verb)
    cookie = sign_in(apps[0], provider)
    first = after(apps[0], cookie, post(apps[0], cookie))
    late = after(apps[1], cookie, post(apps[1], cookie, "/again/guarded"))
    assert late.access_token != first.access_token
    assert provider.is_live(late.refresh_token)
    assert provider.count("refresh") == 2


def test_with_the_new_cookie_it_is_done_again(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    for number in range(1, 4):
        response = post(app, cookie)
        cookie = cookie_after(cookie, response)
        assert provider.count("refresh") == number
    assert provider.is_live(look(app, cookie).access_token)


def test_a_load_that_comes_meanwhile_does_not_wait(clock: Clock, provider: FaultyProvider) -> None:
    apps = make_workers(2, clock, provider)
    cookie = sign_in(apps[0], provider)
    before = look(apps[0], cookie)
    with while_refreshing(provider, apps[0], cookie) as (hold, posting):
        seen = look(apps[1], cookie)
        assert (seen.access_token, seen.error) == (before.access_token, None)
        hold.go_on.set()
        assert posting.result(timeout=30).status_code == 200


# It is refused.


def garbage(app: Flask, provider: FaultyProvider) -> str:
    return f"{sign_in(app, provider).split('=')[0]}=garbage"


def signed_out(app: Flask, provider: FaultyProvider) -> str:
    cookie = sign_in(app, provider)
    post(app, cookie, "/auth/signout")
    return cookie


NOBODY: dict[str, Callable[[Flask, FaultyProvider], str]] = {
    "no cookie": lambda app, provider: "",
    "a cookie that is none": garbage,
    "a session that was signed out": signed_out,
    "a session that is over": lambda app, provider: cookie_of(app, exp=NOW - 60),
    "a session without a subject": lambda app, provider: cookie_of(app, sub=None),
}


@pytest.mark.parametrize("who", NOBODY.values(), ids=NOBODY)
def test_nobody_gets_401(
    app: Flask, provider: FaultyProvider, who: Callable[[Flask, FaultyProvider], str]
) -> None:
    response = post(app, who(app, provider))
    assert response.status_code == 401
    assert problem_code(response) == "login_required"
    assert session_token(response) is None
    assert provider.count("refresh") == 0


@pytest.mark.parametrize("who", NOBODY.values(), ids=NOBODY)
def test_the_verb_refuses_nobody(
    app: Flask, provider: FaultyProvider, who: Callable[[Flask, FaultyProvider], str]
) -> None:
    response = post(app, who(app, provider), "/again", headers={"Accept": "application/json"})
    assert response.status_code == 400
    assert response.get_json(force=True)["code"] == "update_refused"


def test_sec_217_somebody_whom_the_user_loader_does_not_know_is_nobody(
    clock: Clock, provider: FaultyProvider
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.user_loader(lambda token: None)

    [app] = make_workers(1, clock, provider, set_up=set_up)
    assert post(app, sign_in(app, provider)).status_code == 401
    assert provider.count("refresh") == 0


NOTHING_TO_REFRESH: dict[str, dict[str, Any]] = {
    "tokens are not kept": {"PROVIDER_TOKENS": "none"},
    "provider is not refreshed": {"refresh": False},
}


@pytest.mark.parametrize("config", NOTHING_TO_REFRESH.values(), ids=NOTHING_TO_REFRESH)
def test_a_session_without_anything_to_refresh_is_refused(
    clock: Clock, provider: FaultyProvider, config: dict[str, Any]
) -> None:
    app, _ = make_application(clock, provider, **config)
    assert_refused(app, sign_in(app, provider), provider)


def test_a_session_without_a_refresh_token_is_refused(app: Flask, provider: FaultyProvider) -> None:
    with provider.failing("token has no refresh_token"):
        assert_refused(app, sign_in(app, provider), provider)


def test_a_session_of_a_password_is_refused(app: Flask, provider: FaultyProvider) -> None:
    assert_refused(app, cookie_of(app), provider)


def assert_refused(app: Flask, cookie: str, provider: FaultyProvider) -> None:
    response = post(app, cookie)
    assert response.status_code == 400
    assert problem_code(response) == "update_refused"
    assert set_cookies(response) == {}
    assert provider.count("refresh") == 0
    assert look(app, cookie).is_signed_in


def test_the_verb_says_why_it_refuses(app: Flask, provider: FaultyProvider) -> None:
    raised: list[str] = []

    @app.errorhandler(UpdateRefused)
    def refused(error: UpdateRefused) -> tuple[str, int]:
        raised.append(str(error))
        return "refused", error.status

    post(app, "", "/again")
    post(app, cookie_of(app), "/again")
    assert raised == [
        "nobody is signed in",
        "this session has no tokens that could be refreshed",
    ]


@pytest.mark.parametrize("path", [PATH, "/again"])
def test_sec_101_another_site_cannot_refresh(
    app: Flask, cookie: str, provider: FaultyProvider, path: str
) -> None:
    response = post(app, cookie, path, headers=CROSS_SITE)
    assert response.status_code == 403
    assert session_token(response) is None
    assert provider.count("refresh") == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_sec_100_only_a_post_refreshes(
    app: Flask, cookie: str, provider: FaultyProvider, method: str
) -> None:
    response = ask(app, PATH, cookie, method=method)
    assert response.status_code == 405
    assert provider.count("refresh") == 0


def test_sec_106_without_the_browsers_headers_a_token_decides(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    token, value = csrf_pair(app)
    client = app.test_client(use_cookies=False)
    with_pair = {"Cookie": f"{cookie}; jwtsession.csrf-token={value}"}
    for headers, body, status in (
        ({"Cookie": cookie}, {}, 403),
        ({"Cookie": cookie}, {"csrfToken": token}, 403),
        (with_pair, {"csrfToken": "another"}, 403),
        (with_pair, {"csrfToken": token}, 200),
    ):
        assert client.post(PATH, headers=headers, json=body).status_code == status
    assert provider.count("refresh") == 1


def test_plain_http_elsewhere_is_refused_before_anything_is_spent(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    """The cookie with the new tokens could not be set."""
    response = post(app, cookie, base_url="http://app.test")
    assert response.status_code == 400
    assert problem_code(response) == "insecure_transport"
    assert provider.count("refresh") == 0


# Where it cannot be.


@pytest.mark.parametrize("callback", ["jwt", "session", "user_loader", "refresh"])
def test_inside_a_callback_the_verb_raises(
    clock: Clock, provider: FaultyProvider, callback: str
) -> None:
    raised: list[SessionClosed] = []

    def try_it(returned: Any) -> Any:
        with pytest.raises(SessionClosed) as caught:
            refresh_session()
        raised.append(caught.value)
        return returned

    def set_up(app: Flask, auth: JWTSession) -> None:
        if callback == "jwt":
            auth.jwt_callback(lambda token, event: try_it(token) if not event.user else token)
        elif callback == "session":
            auth.session_callback(lambda session, token: try_it(session))
        elif callback == "user_loader":
            auth.user_loader(lambda token: try_it("Ada"))
        else:
            tokens = {"access_token": "at-1", "expires_in": 60}
            auth.refresh_callback(lambda account: try_it(tokens))

    [app] = make_workers(1, clock, provider, set_up=set_up, refresh=callback != "refresh")
    cookie = sign_in(app, provider)
    raised.clear()
    clock.advance(LIFETIME)
    look(app, cookie)
    ask(app, "/auth/session", cookie)
    assert raised
    assert provider.count("refresh") <= 1


def test_after_the_response_was_finished_the_verb_raises(
    clock: Clock, provider: FaultyProvider
) -> None:
    raised: list[SessionClosed] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        @app.get("/stream")
        def stream() -> Response:
            def content() -> Iterator[str]:
                with pytest.raises(SessionClosed) as caught:
                    refresh_session()
                raised.append(caught.value)
                yield "done"

            return Response(stream_with_context(content()))

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    assert ask(app, "/stream", cookie).text == "done"
    assert len(raised) == 1
    assert provider.count("refresh") == 0


# It does not work.


def test_a_failure_that_may_pass_is_in_the_answer(
    app: Flask, cookie: str, clock: Clock, provider: FaultyProvider
) -> None:
    before = look(app, cookie)
    with provider.failing("refresh is 500"), listening(app) as told:
        for _ in range(3):
            response = post(app, cookie)
            assert (response.status_code, response.get_json()["error"]) == (
                200,
                "refresh_unavailable",
            )
            assert session_token(response) is None
        assert provider.count("refresh") == 1
        clock.advance(5.1)
        assert post(app, cookie).get_json()["error"] == "refresh_unavailable"
        assert provider.count("refresh") == 2
    assert [name for name, _ in told] == ["refresh-failed"] * 2
    # The tokens are not due: nobody else has to know.
    seen = look(app, cookie)
    assert (seen.access_token, seen.error) == (before.access_token, None)
    clock.advance(5.1)
    assert "error" not in post(app, cookie).get_json()


def test_a_grant_that_is_over_is_in_the_answer(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    with provider.failing("refresh is invalid_grant"), listening(app) as told:
        response = post(app, cookie)
    assert (response.status_code, response.get_json()["error"]) == (200, "refresh_failed")
    assert [name for name, _ in told] == ["refresh-failed"]
    assert told[0][1]["error"].detail == "invalid_grant"
    seen = after(app, cookie, response)
    assert (seen.error, seen.access_token, seen.refresh_token) == ("refresh_failed", None, None)
    assert provider.count("refresh") == 1


def test_who_asks_once_more_for_a_grant_that_is_over_is_answered_the_same(
    app: Flask, cookie: str, provider: FaultyProvider
) -> None:
    """Another tab, say, a moment before or after: with the old cookie or with the new one."""
    with provider.failing("refresh is invalid_grant"):
        responses = at_once(*[partial(post, app, cookie)] * 10)
        responses += [post(app, cookie), post(app, cookie_after(cookie, responses[0]))]
    assert [response.status_code for response in responses] == [200] * 12
    assert {response.get_json()["error"] for response in responses} == {"refresh_failed"}
    assert provider.count("refresh") == 1


def test_where_that_ends_the_session_the_answer_is_null(
    clock: Clock, provider: FaultyProvider
) -> None:
    [app] = make_workers(1, clock, provider, REFRESH_FAILURE="sign_out")
    cookie = sign_in(app, provider)
    with provider.failing("refresh is invalid_grant"), listening(app) as told:
        response = post(app, cookie)
    assert (response.status_code, response.get_json()) == (200, None)
    assert cookie_after(cookie, response) == ""
    assert [name for name, _ in told] == ["refresh-failed", "signed-out"]
    assert reasons_of(told) == ["refresh_failed"]
    assert not look(app, cookie).is_signed_in


def test_requests_at_the_same_moment_end_the_session_once(
    clock: Clock, provider: FaultyProvider
) -> None:
    apps = make_workers(4, clock, provider, REFRESH_FAILURE="sign_out")
    cookie = sign_in(apps[0], provider)
    with provider.failing("refresh is invalid_grant"), listening(*apps) as told:
        responses = at_once(*(partial(post, apps[n % 4], cookie) for n in range(12)))
    assert {response.status_code for response in responses} <= {200, 401}
    assert [r.get_json() for r in responses if r.status_code == 200 and r.get_json()] == []
    assert [name for name, _ in told].count("refresh-failed") == 1
    assert reasons_of(told) == ["refresh_failed"]
    assert provider.count("refresh") == 1


def test_sec_086_who_signs_out_meanwhile_is_signed_out_once(
    clock: Clock, provider: FaultyProvider
) -> None:
    apps = make_workers(2, clock, provider)
    cookie = sign_in(apps[0], provider)
    with listening(*apps) as told:
        with while_refreshing(provider, apps[0], cookie) as (hold, posting):
            assert post(apps[1], cookie, "/auth/signout").status_code == 302
            hold.go_on.set()
            response = posting.result(timeout=30)
        assert not look(apps[0], cookie).is_signed_in
    assert response.status_code in (200, 401)
    assert response.status_code == 401 or response.get_json() is None
    assert session_token(response) is None
    assert reasons_of(told) == ["user"]


def test_while_the_store_is_away_nothing_is_spent(clock: Clock, provider: FaultyProvider) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, STORE=store)
    cookie = sign_in(app, provider)
    store.refused.add("get_many")
    response = post(app, cookie)
    assert response.status_code == 503
    assert problem_code(response) == "store_unavailable"
    assert provider.count("refresh") == 0


def test_while_the_store_is_away_and_sessions_go_on_the_answer_says_so(
    clock: Clock, provider: FaultyProvider
) -> None:
    store = FaultyStore(clock)
    [app] = make_workers(1, clock, provider, STORE=store, STORE_FAILURE="open")
    cookie = sign_in(app, provider)
    store.refused.add("get_many")
    response = post(app, cookie)
    assert (response.status_code, response.get_json()["error"]) == (200, "refresh_unavailable")
    assert provider.count("refresh") == 0


# The callbacks.


def test_the_jwt_callback_is_told_and_what_it_makes_of_it_is_kept(
    clock: Clock, provider: FaultyProvider
) -> None:
    seen: list[tuple[str | None, Any]] = []

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            seen.append((event.trigger, event.account and event.account.access_token))
            return {**token, "trigger": event.trigger, "sub": token["sub"] + "!"}

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    subject = look(app, cookie).claims["sub"]
    seen.clear()
    response = post(app, cookie)
    [(trigger, token)] = seen
    assert trigger == "refresh"
    assert provider.is_live(token)
    kept = after(app, cookie, response).response.get_json()
    assert kept["account"]["access_token"] == token
    assert kept["claims"]["sub"] == subject
    assert [one for one, _ in seen] == ["refresh", None]


def test_a_jwt_callback_that_returns_none_ends_the_session(
    clock: Clock, provider: FaultyProvider
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        auth.jwt_callback(lambda token, event: None if event.trigger == "refresh" else token)

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    with listening(app) as told:
        response = post(app, cookie)
    assert (response.status_code, response.get_json()) == (200, None)
    assert cookie_after(cookie, response) == ""
    assert reasons_of(told) == ["callback"]
    clock.advance(LIFETIME)
    assert not look(app, cookie).is_signed_in
    assert post(app, cookie).status_code == 401
    assert provider.count("refresh") == 1


def test_a_jwt_callback_that_raises_loses_nothing(clock: Clock, provider: FaultyProvider) -> None:
    mistakes = ["once"]

    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            if event.trigger == "refresh" and mistakes:
                raise RuntimeError(mistakes.pop())
            return token

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    response = post(app, cookie)
    assert response.status_code == 500
    assert set_cookies(response) == {}
    assert provider.is_live(look(app, cookie).access_token)
    assert "error" not in post(app, cookie).get_json()
    assert provider.count("refresh") == 1


def test_a_session_that_the_callback_made_too_large_stays_as_it_was(
    clock: Clock, provider: FaultyProvider
) -> None:
    def set_up(app: Flask, auth: JWTSession) -> None:
        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
            return {**token, "x": "x" * 10_000} if event.trigger == "refresh" else token

    [app] = make_workers(1, clock, provider, set_up=set_up)
    cookie = sign_in(app, provider)
    response = post(app, cookie)
    assert response.status_code == 413
    assert problem_code(response) == "session_too_large"
    assert set_cookies(response) == {}
    assert post(app, cookie, "/auth/signout").status_code == 302


def test_a_receiver_may_change_the_session(clock: Clock, provider: FaultyProvider) -> None:
    """Nothing is locked while it runs, and the response is not finished."""

    def receive(sender: Flask, **arguments: Any) -> None:
        update_session({"refreshed": True})

    [app] = make_workers(1, clock, provider)
    cookie = sign_in(app, provider)
    with session_refreshed.connected_to(receive, app):
        response = post(app, cookie)
    seen = after(app, cookie, response)
    assert seen.claims["refreshed"] is True
    assert provider.is_live(seen.access_token)
    assert provider.count("refresh") == 1


def test_a_change_in_another_thread_of_the_request_waits_its_turn(
    clock: Clock, provider: FaultyProvider
) -> None:
    """Two verbs at once: what the one has done, the other one does not take back."""
    from flask import copy_current_request_context

    def set_up(app: Flask, auth: JWTSession) -> None:
        @app.post("/both")
        def both() -> Any:
            @copy_current_request_context
            def nick() -> None:
                update_session({"nick": "Countess"})

            thread = threading.Thread(target=nick)
            thread.start()
            refresh_session()
            thread.join(timeout=30)
            return app.view_functions["account"]()

    [app] = make_workers(1, clock, provider, set_up=set_up, STORE=MemoryStore(clock))
    cookie = sign_in(app, provider)
    before = look(app, cookie)
    seen = after(app, cookie, post(app, cookie, "/both"))
    assert seen.claims["nick"] == "Countess"
    assert seen.access_token != before.access_token
