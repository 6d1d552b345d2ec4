"""The test client of applications. Nothing here but public names, as in their tests."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, Response, redirect, request, session
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_jwtsession import (
    Account,
    ConfigError,
    InsecureTransport,
    JWTSession,
    SessionClosed,
    SignInRefused,
    current_session,
    current_user,
    fresh_login_required,
    login_required,
    revoke_user,
    roles_required,
    session_rejected,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)
from flask_jwtsession.testing import Clock, Flaw, JWTSessionClient, stopped_clock

from .faulty_store import FaultyStore
from .forged_signatures import OURS
from .support import SECRET

ADA = {"id": 1, "name": "Ada", "email": "ada@example.com"}
FLAWS: tuple[Flaw, ...] = ("expired", "tampered", "other_secret")


def make_app(**config: Any) -> tuple[Flask, JWTSession]:
    app = Flask(__name__)
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_STORE="memory")
    app.config.update({f"JWTSESSION_{name}": value for name, value in config.items()})
    auth = JWTSession(app)

    @app.get("/")
    def who() -> str:
        return str(current_user["name"]) if current_user else "nobody"

    @app.get("/admin")
    @roles_required("admin")
    def admin() -> str:
        return "admin"

    @app.get("/fresh")
    @fresh_login_required(max_age=999_999_999)
    def fresh() -> str:
        return "fresh"

    @app.post("/sign-in")
    def begin() -> str:
        sign_in(ADA)
        return "signed in"

    @app.post("/sign-in-and-on")
    def begin_and_on() -> Any:
        sign_in(ADA)
        return redirect("/", 303)

    @app.post("/sign-out")
    def end() -> str:
        sign_out()
        return "signed out"

    @app.post("/update")
    @login_required
    def update() -> str:
        update_session({"theme": "dark"})
        return "updated"

    return app, auth


@pytest.fixture
def app() -> Flask:
    return make_app()[0]


@pytest.fixture
def client(app: Flask) -> JWTSessionClient:
    return JWTSessionClient(app)


# Signing in


def test_it_signs_in_in_one_line(client: JWTSessionClient) -> None:
    assert client.get("/").text == "nobody"
    session = client.sign_in(ADA)
    assert (session.user or {})["name"] == "Ada"
    assert client.get("/").text == "Ada"


def test_the_claims_are_those_of_the_session(client: JWTSessionClient) -> None:
    client.sign_in(ADA, claims={"role": "admin"})
    assert client.get("/admin").text == "admin"


def test_app_test_client_makes_them(app: Flask) -> None:
    app.test_client_class = JWTSessionClient
    client = app.test_client()
    assert isinstance(client, JWTSessionClient)
    client.sign_in(ADA)
    assert client.get("/").text == "Ada"


def test_its_responses_are_of_the_response_class_of_the_application(app: Flask) -> None:
    class Own(Response):
        pass

    app.response_class = Own
    assert isinstance(JWTSessionClient(app).get("/"), Own)
    assert isinstance(JWTSessionClient(app, Response).get("/"), Response)


def test_the_callbacks_shape_what_is_signed_in() -> None:
    app, auth = make_app()
    seen: list[tuple[Any, ...]] = []

    @auth.sign_in_callback
    def may_sign_in(user: Any, account: Any, profile: Any) -> bool:
        seen.append((user, account, profile))
        return True

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: Any) -> dict[str, Any]:
        if event.trigger == "sign_in":
            token["role"] = event.user["role"]
        return token

    client, user = JWTSessionClient(app), {**ADA, "role": "admin"}
    client.sign_in(user, profile={"locale": "en"})
    assert seen == [(user, None, {"locale": "en"})]
    assert client.get("/admin").status_code == 200


def test_somebody_from_a_provider_is_signed_in() -> None:
    app, _ = make_app()
    client = JWTSessionClient(app)
    account = Account(provider="google", type="oidc", provider_account_id="42", access_token="at-1")
    session = client.sign_in({"name": "Ada"}, account=account)
    assert session.token["sub"] == "google|42"
    held = client.get_session()
    assert held.account is not None
    assert held.account.access_token == "at-1"


def test_who_a_callback_refuses_is_not_signed_in() -> None:
    app, auth = make_app()

    @auth.sign_in_callback
    def nobody(user: Any, account: Any, profile: Any) -> bool:
        return False

    client = JWTSessionClient(app)
    with pytest.raises(SignInRefused):
        client.sign_in(ADA)
    assert client.get("/").text == "nobody"


def test_the_signals_of_a_sign_in_are_sent(app: Flask, client: JWTSessionClient) -> None:
    heard: list[str] = []

    def on_sign_in(sender: Flask, **_: Any) -> None:
        heard.append("signed_in")

    def on_sign_out(sender: Flask, reason: str, **_: Any) -> None:
        heard.append(reason)

    with signed_in.connected_to(on_sign_in, app), signed_out.connected_to(on_sign_out, app):
        client.sign_in(ADA)
        client.sign_in({"id": 2, "name": "Grace"})
    assert heard == ["signed_in", "replaced", "signed_in"]
    assert client.get("/").text == "Grace"


def test_who_is_not_fresh_is_asked_to_sign_in_again(client: JWTSessionClient) -> None:
    client.sign_in(ADA, fresh=False)
    assert client.get("/").text == "Ada"
    response = client.get("/fresh", headers={"Accept": "application/json"})
    assert (response.status_code, response.get_json()["code"]) == (401, "fresh_login_required")
    client.sign_in(ADA)
    assert client.get("/fresh").text == "fresh"


def test_a_client_without_cookies_cannot_sign_in(app: Flask) -> None:
    with pytest.raises(TypeError, match="use_cookies"):
        JWTSessionClient(app, use_cookies=False).sign_in(ADA)


def test_where_no_cookie_may_be_set_it_says_so(app: Flask) -> None:
    client = JWTSessionClient(app)
    with pytest.raises(InsecureTransport):
        client.sign_in(ADA, base_url="http://app.test")
    client.sign_in(ADA, base_url="https://app.test")
    assert client.get("/", base_url="https://app.test").text == "Ada"
    assert client.get("/").text == "nobody"


def test_an_application_without_the_extension_is_told_so() -> None:
    with pytest.raises(ConfigError, match="no JWTSession"):
        JWTSessionClient(Flask(__name__)).sign_in(ADA)


def test_another_instance_has_a_session_of_its_own(app: Flask, client: JWTSessionClient) -> None:
    app.config.update(STAFFSESSION_SECRET=SECRET, STAFFSESSION_STORE="memory")
    app.config["STAFFSESSION_URL_PREFIX"] = "/staff/auth"
    staff = JWTSession(app, config_prefix="STAFFSESSION")
    client.sign_in(ADA)
    client.sign_in({"id": 9, "name": "Bob"}, auth=staff)
    names = [
        (one and one["user"]["name"])
        for one in (client.get_session(), client.get_session(auth=staff))
    ]
    assert names == ["Ada", "Bob"]
    client.spoil_session("tampered", auth=staff)
    assert client.get_session()
    assert not client.get_session(auth=staff)


def test_a_path_of_the_cookie_is_no_hindrance() -> None:
    app, _ = make_app(COOKIE_PATH="/shop", URL_PREFIX="/shop/auth")
    app.add_url_rule("/shop/who", "shop", lambda: str(bool(current_session)))
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    assert [client.get(path).text for path in ("/shop/who", "/")] == ["True", "nobody"]
    assert client.get_session()
    client.spoil_session("expired")
    assert client.get("/shop/who").text == "False"


def test_the_session_of_flask_is_left_alone(app: Flask, client: JWTSessionClient) -> None:
    app.secret_key = SECRET
    app.add_url_rule("/theme", "theme", lambda: str(session.get("theme")))
    with client.session_transaction() as flask_session:
        flask_session["theme"] = "dark"
    client.sign_in(ADA)
    assert client.get("/theme").text == "dark"


def test_a_large_session_in_several_cookies_is_taken_apart_and_together(app: Flask) -> None:
    client = JWTSessionClient(app)
    client.sign_in(ADA, claims={"notes": "x" * 4500})
    assert client.get_cookie("jwtsession.session-token.1") is not None
    held = client.get_session()
    assert len(held.token["notes"]) == 4500
    client.spoil_session("other_secret")
    assert client.get_cookie("jwtsession.session-token.1") is not None
    assert client.get("/").text == "nobody"
    client.sign_in(ADA)
    assert client.get_cookie("jwtsession.session-token.1") is None
    assert client.get("/").text == "Ada"


# Reading a session


def test_the_session_of_the_client_is_read(client: JWTSessionClient) -> None:
    assert not client.get_session()
    client.post("/sign-in")
    held = client.get_session()
    assert held
    assert held.token["sub"] == "1"
    assert held["user"]["email"] == "ada@example.com"


def test_the_session_that_a_response_set_is_read(client: JWTSessionClient) -> None:
    begun = client.get_session(client.post("/sign-in"))
    assert begun
    assert begun.token["sub"] == "1"
    updated = client.get_session(client.post("/update"))
    assert updated
    assert updated.token["theme"] == "dark"


def test_a_response_that_sets_no_session_has_none(client: JWTSessionClient) -> None:
    client.sign_in(ADA)
    assert client.get_session(client.get("/")) is None
    assert client.get_session(client.get("/auth/csrf")) is None  # another cookie of ours


def test_a_response_that_signs_out_has_nobody(client: JWTSessionClient) -> None:
    client.sign_in(ADA)
    ended = client.get_session(client.post("/sign-out"))
    assert ended is not None
    assert not ended


def test_a_response_after_redirects_has_the_session_that_was_set_on_the_way(
    client: JWTSessionClient,
) -> None:
    response = client.post("/sign-in-and-on", follow_redirects=True)
    assert response.text == "Ada"
    assert client.get_session(response)


def test_behind_a_proxy_the_session_of_https_is_read() -> None:
    app, _ = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)  # type: ignore[method-assign]
    client = JWTSessionClient(app)
    response = client.post("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert "__Host-" in response.headers["Set-Cookie"]
    assert client.get_session(response)


def test_reading_asks_neither_the_jwt_callback_nor_the_user_loader() -> None:
    app, auth = make_app(UPDATE_AGE=0)
    asked: list[str] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: Any) -> dict[str, Any]:
        asked.append(str(event.trigger))
        return token

    @auth.session_callback
    def public(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        return {**session, "path": request.path}

    @auth.user_loader
    def load(token: Any) -> None:
        asked.append("user_loader")

    client = JWTSessionClient(app)
    client.sign_in(ADA)
    before = client.get_cookie("jwtsession.session-token")
    held = client.get_session()
    assert held
    assert held["path"] == "/"
    assert client.get_cookie("jwtsession.session-token") == before
    assert asked == ["sign_in"]


def test_a_revoked_session_is_nobodys(app: Flask, client: JWTSessionClient) -> None:
    client.sign_in(ADA)
    with app.app_context():
        revoke_user(1)
    assert not client.get_session()


# Cookies with a flaw


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="encrypted"),
        pytest.param({"TOKEN_FORMAT": "signed"}, id="signed"),
        pytest.param({"COOKIE_PREFIX": "authjs"}, id="authjs"),
        pytest.param({"ABSOLUTE_MAX_AGE": 3600}, id="absolute"),
        pytest.param({"MAX_AGE": timedelta(minutes=1)}, id="short"),
    ],
)
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_session_with_a_flaw_is_refused(flaw: Flaw, config: dict[str, Any]) -> None:
    app, _ = make_app(**config)
    client, reasons = JWTSessionClient(app), list[str]()

    def on_rejected(sender: Flask, reason: str) -> None:
        reasons.append(reason)

    client.sign_in(ADA)
    client.spoil_session(flaw)
    with session_rejected.connected_to(on_rejected, app):
        assert client.get("/").text == "nobody"
    expected = {
        "expired": {"expired"},
        "tampered": {"decryption", "signature"},
        "other_secret": {"unknown_key"},
    }
    # One that is over is an end, and no intrusion: signed_out tells of it.
    assert set(reasons) <= expected[flaw]
    assert reasons or flaw == "expired"


@pytest.mark.parametrize("flaw", FLAWS)
def test_an_expired_session_is_told_as_such_and_deleted_and_others_are_not(
    app: Flask, client: JWTSessionClient, flaw: Flaw
) -> None:
    heard: list[str] = []

    def on_sign_out(sender: Flask, reason: str, **_: Any) -> None:
        heard.append(reason)

    client.sign_in(ADA)
    client.spoil_session(flaw)
    with signed_out.connected_to(on_sign_out, app):
        client.get("/")
    assert heard == (["expired"] if flaw == "expired" else [])
    assert (client.get_cookie("jwtsession.session-token") is None) == (flaw == "expired")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_session_signed_with_a_key_can_have_each_flaw(algorithm: str, flaw: Flaw) -> None:
    app, _ = make_app(TOKEN_FORMAT="signed", SIGNING_KEY=OURS[algorithm].pem, ALGORITHM=algorithm)
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    assert client.get("/").text == "Ada"
    client.spoil_session(flaw)
    assert client.get("/").text == "nobody"


@pytest.mark.parametrize("flaw", FLAWS)
def test_both_cookies_of_a_pair_get_the_flaw(flaw: Flaw) -> None:
    app, auth = make_app(REFRESH_COOKIE=True, REFRESH_PATH="/auth")
    asked: list[str] = []

    @auth.reauth_callback
    def again(claims: dict[str, Any]) -> dict[str, Any]:
        asked.append(claims["sub"])
        return {"sub": claims["sub"], "name": "Ada"}

    client = JWTSessionClient(app)
    client.sign_in(ADA)
    client.spoil_session(flaw)
    assert client.get("/").text == "nobody"
    assert client.get("/auth/session").get_json() is None
    assert asked == []


def test_a_pair_goes_on_after_its_access_cookie_is_over() -> None:
    app, auth = make_app(REFRESH_COOKIE=True, MAX_AGE=60)

    @auth.reauth_callback
    def again(claims: dict[str, Any]) -> dict[str, Any]:
        return {"name": f"{claims['first']} again"}

    client = JWTSessionClient(app)
    with stopped_clock(app) as clock:
        client.sign_in(ADA, refresh_claims={"first": "Ada"})
        clock.advance(61)
        assert not client.get_session()
        response = client.get("/")
        assert response.text == "Ada again"
        assert client.get_session(response)


def test_nobody_has_no_session_to_spoil(client: JWTSessionClient) -> None:
    with pytest.raises(ValueError, match="sign in first"):
        client.spoil_session("expired")
    client.sign_in(ADA)
    client.spoil_session("other_secret")
    with pytest.raises(ValueError, match="sign in first"):
        client.spoil_session("expired")


def test_a_flaw_that_does_not_exist_is_an_error(client: JWTSessionClient) -> None:
    client.sign_in(ADA)
    with pytest.raises(ValueError, match="'expired', 'tampered', 'other_secret', got 'old'"):
        client.spoil_session("old")  # type: ignore[arg-type]
    assert client.get("/").text == "Ada"


# Time


def test_time_stands_still_until_it_is_moved(app: Flask, client: JWTSessionClient) -> None:
    with stopped_clock(app) as clock:
        client.sign_in(ADA)
        clock.advance(timedelta(days=30))
        assert client.get("/").text == "Ada"  # and issued anew
        clock.advance(30 * 86_400 + 16)
        assert client.get("/").text == "nobody"


def test_time_stands_where_it_is_told_to(app: Flask, client: JWTSessionClient) -> None:
    with stopped_clock(app, 1_800_000_000) as clock:
        assert clock.now == 1_800_000_000
        session = client.sign_in(ADA)
        assert session.expires is not None
        assert session.expires.timestamp() == 1_800_000_000 + 30 * 86_400
    assert not client.get_session()  # which was made in the future


def test_after_the_block_time_goes_on_as_before(app: Flask, client: JWTSessionClient) -> None:
    client.sign_in(ADA)
    with stopped_clock(app) as outer:
        with stopped_clock(app) as inner:
            inner.advance(timedelta(days=40))
            assert not client.get_session()
        assert client.get_session()
        outer.advance(-3600)
    assert client.get("/").text == "Ada"


def test_entries_of_the_store_grow_old_with_it(app: Flask, client: JWTSessionClient) -> None:
    """Nobody is told to wait a month for the end of a revocation."""
    with stopped_clock(app) as clock:
        client.sign_in(ADA)
        with app.app_context():
            revoke_user(1)
        assert not client.get_session()
        clock.advance(timedelta(days=29))
        assert not client.get_session()
        client.sign_in(ADA)
        assert client.get_session()


def test_an_application_without_a_session_has_no_clock() -> None:
    with pytest.raises(ConfigError, match="no JWTSession"), stopped_clock(Flask(__name__)):
        pass


def test_a_clock_says_where_it_stands() -> None:
    assert repr(Clock(5.5)) == "<Clock at 5.5>"


# It is as the client's own requests are


def test_a_callback_sees_who_asks() -> None:
    app, auth = make_app()
    seen: list[tuple[str | None, str]] = []

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: Any) -> dict[str, Any]:
        seen.append((request.remote_addr, request.headers["User-Agent"]))
        return token

    client = JWTSessionClient(app)
    client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    client.sign_in(ADA)
    client.get("/")
    assert seen[0] == seen[1]
    assert seen[0][0] == "192.0.2.7"


@pytest.mark.parametrize(
    "base_url", ["http://[::1]:5000", "https://b\u00fccher.example", "http://localhost:8000/below"]
)
def test_a_session_is_kept_for_the_host_that_it_began_at(app: Flask, base_url: str) -> None:
    client = JWTSessionClient(app)
    client.sign_in(ADA, base_url=base_url)
    assert client.get_session(base_url=base_url)
    assert client.get("/", base_url=base_url).text == "Ada"
    client.spoil_session("expired", base_url=base_url)
    assert client.get("/", base_url=base_url).text == "nobody"


def test_an_application_below_a_path_is_no_hindrance() -> None:
    app, _ = make_app(COOKIE_PATH="/app/shop")
    app.config["APPLICATION_ROOT"] = "/app"
    app.add_url_rule("/shop/who", "shop", lambda: str(bool(current_session)))
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    assert client.get("/shop/who").text == "True"
    assert client.get_session()
    client.spoil_session("tampered")
    assert client.get("/shop/who").text == "False"


def test_a_callback_that_uses_the_session_fails_as_in_a_view() -> None:
    app, auth = make_app()

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: Any) -> dict[str, Any]:
        return {**token, "known": bool(current_session)}

    @auth.session_callback
    def public(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        return session

    with pytest.raises(SessionClosed, match="inside one of its own callbacks"):
        JWTSessionClient(app).sign_in(ADA)


def test_it_signs_in_within_a_block_of_the_client(app: Flask) -> None:
    with JWTSessionClient(app) as client:
        client.get("/")
        client.sign_in(ADA)
        client.get("/")
        assert current_user["name"] == "Ada"
        assert client.get_session()


def test_a_look_writes_nothing_to_the_store() -> None:
    store = FaultyStore(time.time)
    app, _ = make_app(STORE=store)
    client = JWTSessionClient(app)
    account = Account(provider="google", type="oidc", provider_account_id="42", access_token="at-1")
    client.sign_in(ADA, account=account)
    before = store.raw()
    store.calls.clear()
    assert client.get_session()
    assert (store.raw(), store.calls) == (before, ["get_many"])


def test_a_store_that_is_away_is_told_as_in_a_view() -> None:
    store = FaultyStore(time.time)
    app, _ = make_app(STORE=store)
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    store.refused = {"get_many"}
    assert client.get_session().error == "store_unavailable"


def test_an_expired_session_did_not_begin_after_its_end(app: Flask) -> None:
    ended: list[Any] = []

    def on_sign_out(sender: Flask, session: Any, reason: str) -> None:
        ended.append(session.token)

    client = JWTSessionClient(app)
    client.sign_in(ADA)
    client.spoil_session("expired")
    with signed_out.connected_to(on_sign_out, app):
        client.get("/")
    assert ended[0]["auth_time"] <= ended[0]["exp"]


def test_an_instance_that_comes_during_the_block_keeps_its_clock(app: Flask) -> None:
    with stopped_clock(app, 0):
        app.config.update(STAFFSESSION_SECRET=SECRET, STAFFSESSION_STORE="memory")
        app.config["STAFFSESSION_URL_PREFIX"] = "/staff/auth"
        staff = JWTSession(app, config_prefix="STAFFSESSION")
    client = JWTSessionClient(app)
    client.sign_in(ADA, auth=staff)
    assert client.get_session(auth=staff)
