from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, render_template_string

from flask_jwtsession import (
    ConfigError,
    JWTSession,
    current_session,
    login_required,
    sign_in,
    signed_in,
)

from .scenes import visit
from .support import (
    CROSS_SITE,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    get,
    session_token,
    set_cookies,
)

STAFF: dict[str, Any] = {
    "STAFF_SECRET": OTHER_SECRET,
    "STAFF_URL_PREFIX": "/staff-auth",
}


def make_both(clock: Clock, **config: Any) -> tuple[Flask, JWTSession, JWTSession]:
    app = Flask("both")
    stores = {"JWTSESSION_STORE": "memory", "STAFF_STORE": "memory"}
    app.config.update({"JWTSESSION_SECRET": SECRET, **STAFF, **stores, **config})
    auth, staff = JWTSession(app), JWTSession(app, config_prefix="STAFF")
    for prefix in ("JWTSESSION", "STAFF"):
        binding_of(app, prefix).clock = clock
    return app, auth, staff


def cookie(app: Flask, prefix: str, **claims: Any) -> str:
    cookies = binding_of(app, prefix).http
    token = cookies.tokens.encode(json.dumps({**claims_at(NOW), **claims}).encode())
    return f"{cookies.session.name}={token}"


def test_each_instance_has_its_own_session_in_one_request(clock: Clock) -> None:
    app, _, staff = make_both(clock)

    def view() -> str:
        return f"{current_session.token.get('sub')} {staff.current_session.token.get('sub')}"

    both = f"{cookie(app, 'JWTSESSION', sub='ada')}; {cookie(app, 'STAFF', sub='grace')}"
    assert visit(app, view, both).text == "ada grace"
    assert visit(app, view, cookie(app, "STAFF", sub="grace")).text == "None grace"


def test_the_instance_with_the_default_prefix_is_the_one_of_the_module(clock: Clock) -> None:
    app, auth, _ = make_both(clock)

    def view() -> str:
        mine: object = auth.current_session
        return str(mine == current_session and bool(mine))

    assert visit(app, view, cookie(app, "JWTSESSION")).text == "True"


def test_signing_in_to_one_sets_the_cookie_of_that_one(clock: Clock) -> None:
    app, _, staff = make_both(clock)

    def view() -> str:
        staff.sign_in({"id": "grace"})
        return f"{bool(current_session)} {bool(staff.current_session)}"

    response = visit(app, view)
    assert (response.text, set(set_cookies(response))) == ("False True", {"staff.session-token"})


def test_both_can_be_changed_in_one_request(clock: Clock) -> None:
    app, _, staff = make_both(clock)

    def view() -> str:
        staff.sign_in({"id": "grace"})
        sign_in({"id": "ada"})
        staff.update_session({"a": 1})
        return ""

    response = visit(app, view)
    assert session_token(response, "staff.session-token")
    assert session_token(response, "jwtsession.session-token")


def test_sec_017_a_token_of_one_is_nothing_in_the_cookie_of_the_other(clock: Clock) -> None:
    app, _, staff = make_both(clock, STAFF_SECRET=SECRET)
    token = cookie(app, "JWTSESSION").partition("=")[2]
    response = visit(app, lambda: str(bool(staff.current_session)), f"staff.session-token={token}")
    assert response.text == "False"


def test_the_guards_of_each_ask_for_their_own_session(clock: Clock) -> None:
    app, _, staff = make_both(clock)
    app.add_url_rule("/user", "user", login_required(lambda: "inside"))
    app.add_url_rule("/staff", "staff_page", staff.login_required(lambda: "inside"))
    client = app.test_client()
    user, member = cookie(app, "JWTSESSION"), cookie(app, "STAFF")
    answers = [
        get(client, path, who).status_code for path in ("/user", "/staff") for who in (user, member)
    ]
    assert answers == [200, 401, 401, 200]


def test_a_refusal_leads_to_the_sign_in_page_of_its_instance(clock: Clock) -> None:
    app, _, staff = make_both(clock)
    app.add_url_rule("/staff", "staff_page", staff.login_required(lambda: "inside"))
    response = app.test_client().get("/staff", headers={"Accept": "text/html"})
    assert response.headers["Location"] == "/staff-auth/signin?callbackUrl=%2Fstaff"


def test_protecting_everything_by_one_leaves_the_pages_of_the_other_open(clock: Clock) -> None:
    app, _, staff = make_both(clock, STAFF_PROTECT_ALL=True)
    app.add_url_rule("/closed", "closed", lambda: "inside")
    app.add_url_rule("/open", "open", staff.public(lambda: "open"))
    client = app.test_client()
    assert get(client, "/closed", cookie(app, "JWTSESSION")).status_code == 401
    assert get(client, "/closed", cookie(app, "STAFF")).status_code == 200
    assert get(client, "/open").status_code == 200
    assert get(client, "/auth/session").status_code == 200
    assert get(client, "/staff-auth/session").status_code == 200


def test_public_for_one_is_not_public_for_the_other(clock: Clock) -> None:
    app, auth, staff = make_both(clock, STAFF_PROTECT_ALL=True, JWTSESSION_PROTECT_ALL=True)
    app.add_url_rule("/one", "one", auth.public(lambda: "open"))
    app.add_url_rule("/both", "both", auth.public(staff.public(lambda: "open")))
    client = app.test_client()
    assert get(client, "/one").status_code == 401
    assert get(client, "/both").status_code == 200


@pytest.mark.parametrize("endpoint", ["staff", "jwtsession"])
def test_a_view_named_like_an_instance_is_protected(clock: Clock, endpoint: str) -> None:
    app, _, _ = make_both(clock, STAFF_PROTECT_ALL=True)
    app.add_url_rule("/members", endpoint, lambda: "inside")
    assert get(app.test_client(), "/members").status_code == 401


def test_the_callbacks_of_each_are_its_own(clock: Clock) -> None:
    app, auth, staff = make_both(clock)
    auth.session_callback(lambda session, token: {**session, "from": "auth"})
    staff.session_callback(lambda session, token: {**session, "from": "staff"})
    both = f"{cookie(app, 'JWTSESSION')}; {cookie(app, 'STAFF')}"
    view = visit(app, lambda: [current_session["from"], staff.current_session["from"]], both)
    assert view.get_json() == ["auth", "staff"]


def test_a_callback_of_one_may_use_the_session_of_the_other(clock: Clock) -> None:
    app, auth, staff = make_both(clock)
    auth.jwt_callback(lambda token, event: {**token, "as": staff.current_session.token.get("sub")})
    both = f"{cookie(app, 'JWTSESSION')}; {cookie(app, 'STAFF', sub='grace')}"
    assert visit(app, lambda: str(current_session.token["as"]), both).text == "grace"


def test_the_endpoints_of_each_show_its_own_session(clock: Clock) -> None:
    app, _, staff = make_both(clock)
    staff.credentials(lambda credentials: {"id": "grace", "name": "Grace"})
    client = app.test_client()
    client.post("/staff-auth/callback/credentials", data={"password": "x"}, headers=SAME_ORIGIN)
    assert client.get("/staff-auth/session").get_json()["user"]["name"] == "Grace"
    assert client.get("/auth/session").get_json() is None
    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert client.get("/staff-auth/session").get_json() is not None
    client.post("/staff-auth/signout", headers=SAME_ORIGIN)
    assert client.get("/staff-auth/session").get_json() is None


def test_exempt_for_one_is_not_exempt_for_the_other(clock: Clock) -> None:
    app, _, staff = make_both(clock)

    @staff.csrf_exempt
    def view() -> str:
        return "inside"

    answers = [
        visit(app, view, cookie(app, prefix), method="POST", headers=CROSS_SITE).status_code
        for prefix in ("JWTSESSION", "STAFF")
    ]
    assert answers == [403, 200]


def test_templates_have_the_names_of_the_default_instance_only(clock: Clock) -> None:
    app, _, _ = make_both(clock)
    view = visit(
        app,
        lambda: render_template_string("{{ current_user.name }}"),
        f"{cookie(app, 'JWTSESSION', name='Ada')}; {cookie(app, 'STAFF', name='Grace')}",
    )
    assert view.text == "Ada"


def test_an_app_with_another_prefix_only_has_no_default_session(clock: Clock) -> None:
    app = Flask("staff")
    app.config.update({**STAFF, "STAFF_SECRET": SECRET})
    staff = JWTSession(app, config_prefix="STAFF")
    binding_of(app, "STAFF").clock = clock

    def view() -> str:
        with pytest.raises(ConfigError, match="JWTSESSION"):
            _ = current_session.user
        return str(bool(staff.current_session))

    assert visit(app, view, cookie(app, "STAFF")).text == "True"


@pytest.mark.parametrize(
    ("key", "value"), [("STAFF_URL_PREFIX", "/auth"), ("STAFF_COOKIE_PREFIX", "jwtsession")]
)
def test_two_instances_that_would_collide_are_refused(key: str, value: str) -> None:
    app = Flask("both")
    app.config.update({"JWTSESSION_SECRET": SECRET, **STAFF, key: value})
    JWTSession(app)
    with pytest.raises(ConfigError, match=key):
        JWTSession(app, config_prefix="STAFF")


def test_the_signals_of_both_have_the_app_as_sender(clock: Clock) -> None:
    app, _, staff = make_both(clock)
    seen: list[str] = []

    def receive(sender: object, **arguments: Any) -> None:
        seen.append(arguments["user"]["id"])

    def view() -> str:
        sign_in({"id": "ada"})
        staff.sign_in({"id": "grace"})
        return ""

    signed_in.connect(receive, app)
    try:
        visit(app, view)
    finally:
        signed_in.disconnect(receive)
    assert seen == ["ada", "grace"]
