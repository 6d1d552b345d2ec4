"""Several sessions in one app, in one browser: nothing that one does, or gets, is the other's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from flask import Flask, jsonify, render_template_string
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_jwtsession import (
    ConfigError,
    JWTSession,
    SessionClosed,
    create_token,
    current_session,
    current_user,
    login_required,
    reuse_detected,
    revoke_session,
    revoke_user,
    roles_required,
    session_rejected,
    session_revoked,
    session_updated,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)

from .browsing import problem_code
from .faulty_store import FaultyStore
from .forged_tokens import header_of
from .integration.provider_sign_in import approve
from .peers.faulty_provider import FaultyProvider, logout_token
from .scenes import visit
from .support import (
    CROSS_SITE,
    NAVIGATION,
    NOW,
    OTHER_SECRET,
    SAME_ORIGIN,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    command_line,
    get,
    session_token,
    set_cookies,
)
from .test_bearer import BOTH, ask, bearer, private_key

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


# Customers and staff, each with a pair of cookies: an encrypted one and a signed one.


class SharedStore(FaultyStore):
    """As if other processes had it too."""

    is_shared = True


PREFIXES = {"customers": "JWTSESSION", "staff": "STAFFSESSION"}
#: What its cookies begin with, and what its command, blueprint and realm are called.
NAMES = {"customers": "jwtsession", "staff": "staffsession"}
PEOPLE = {"customers": "ada", "staff": "grace"}
SIGNING_KEY = private_key("ES256")

#: By instance: the path of its endpoints, and of the views that are for its people.
AUTH = {"customers": "/auth", "staff": "/staff/auth"}
VIEWS = {"customers": "", "staff": "/staff"}

Told = list[tuple[str, dict[str, Any]]]


def public_half(pem: str) -> str:
    public = load_pem_private_key(pem.encode(), None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Shop:
    """One app with two sessions, and what their callbacks were asked."""

    app: Flask
    customers: JWTSession
    staff: JWTSession
    store: SharedStore
    clock: Clock
    #: Whose reauth_callback was asked, and about whom.
    asked: list[tuple[str, str]] = field(default_factory=list)
    #: What it answers: claims, None, or an error to raise.
    answers: dict[str, Any] = field(default_factory=dict)

    def session(self, name: str) -> JWTSession:
        return self.customers if name == "customers" else self.staff

    def browser(self, *names: str) -> FlaskClient:
        """A browser in which these are signed in: Ada as a customer, Grace as staff."""
        client = self.app.test_client()
        for name in names:
            assert client.post(f"{VIEWS[name]}/enter", headers=SAME_ORIGIN).status_code == 200
        return client

    def token(self, name: str) -> str:
        """A token for a client of theirs."""
        return ask(self.app, f"{VIEWS[name]}/token", method="POST").text

    def run(self, *arguments: str) -> Result:
        return command_line(self.app).invoke(args=arguments)


def make_shop(clock: Clock, **config: Any) -> Shop:
    """``config`` replaces the values below; what is ``...`` is left out."""
    app = Flask("shop")
    store = SharedStore(clock)
    app.config.update(
        {
            "JWTSESSION_SECRET": SECRET,
            "JWTSESSION_STORE": store,
            "JWTSESSION_REFRESH_COOKIE": True,
            "JWTSESSION_MAX_AGE": 600,
            "JWTSESSION_TOKEN_LOCATIONS": BOTH,
            "STAFFSESSION_SECRET": OTHER_SECRET,
            "STAFFSESSION_STORE": store,
            "STAFFSESSION_REFRESH_COOKIE": True,
            "STAFFSESSION_REFRESH_MAX_AGE": 86_400,
            "STAFFSESSION_MAX_AGE": 120,
            "STAFFSESSION_TOKEN_FORMAT": "signed",
            "STAFFSESSION_SIGNING_KEY": SIGNING_KEY,
            "STAFFSESSION_TOKEN_LOCATIONS": BOTH,
            "STAFFSESSION_URL_PREFIX": "/staff/auth",
            **config,
        }
    )
    for key in [key for key, value in app.config.items() if value is ...]:
        del app.config[key]
    customers, staff = JWTSession(app), JWTSession(app, config_prefix="STAFFSESSION")
    shop = Shop(app, customers, staff, store, clock)
    for name, prefix in PREFIXES.items():
        binding_of(app, prefix).clock = clock
        shop.session(name).reauth_callback(reauthentication(shop, name))
    add_views(shop)
    return shop


def reauthentication(shop: Shop, name: str) -> Callable[[dict[str, Any]], Any]:
    def reauth(claims: dict[str, Any]) -> Any:
        shop.asked.append((name, claims["sub"]))
        answer = shop.answers.get(name, {"name": claims["sub"].title(), "again": True})
        if isinstance(answer, Exception):
            raise answer
        return answer

    return reauth


def add_views(shop: Shop) -> None:
    app, staff = shop.app, shop.staff

    app.add_url_rule("/visit", "visit", lambda: "", methods=["GET", "POST"])

    @app.get("/who")
    def who() -> str:
        found = current_session.token.get("sub"), staff.current_session.token.get("sub")
        return " ".join(one or "nobody" for one in found)

    @app.post("/enter")
    def enter() -> str:
        sign_in({"id": "ada", "name": "Ada"}, claims={"role": "admin"})
        return "in"

    @app.post("/staff/enter")
    def enter_staff() -> str:
        staff.sign_in({"id": "grace", "name": "Grace"}, claims={"role": "clerk"})
        return "in"

    @app.post("/leave")
    def leave() -> str:
        sign_out()
        return "out"

    @app.post("/staff/leave")
    def leave_staff() -> str:
        staff.sign_out()
        return "out"

    @app.post("/update")
    def update() -> str:
        update_session({"n": 1})
        return "updated"

    @app.post("/staff/update")
    def update_staff() -> str:
        staff.update_session({"n": 1})
        return "updated"

    @app.post("/token")
    def token() -> str:
        return create_token({"id": "ada"}, claims={"role": "admin"})

    @app.post("/staff/token")
    def token_of_staff() -> str:
        return staff.create_token({"id": "grace"}, claims={"role": "clerk"})

    for name, session in (("customers", shop.customers), ("staff", staff)):
        views: dict[str, Any] = {
            "room": session.login_required(lambda: "room"),
            "office": session.roles_required("admin")(lambda: "office"),
            "desk": session.claims_required(role="clerk")(lambda: "desk"),
            "safe": session.fresh_login_required(max_age=60)(lambda: "safe"),
        }
        for path, view in views.items():
            app.add_url_rule(f"{VIEWS[name]}/{path}", f"{name}_{path}", view)


@contextmanager
def listening_to(app: Flask) -> Iterator[Told]:
    """Every signal of the app: its name and arguments."""
    heard: Told = []
    signals = (
        *(signed_in, signed_out, session_updated, session_rejected),
        *(session_revoked, reuse_detected),
    )
    with ExitStack() as stack:
        for signal in signals:

            def receive(sender: Flask, _name: str = signal.name, **arguments: Any) -> None:
                heard.append((_name, arguments))

            stack.enter_context(signal.connected_to(receive, app))
        yield heard


def cookies_of(client: FlaskClient) -> dict[str, str]:
    return {one.key: one.value for one in (client._cookies or {}).values()}


def header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def of(name: str, cookies: dict[str, Any]) -> dict[str, Any]:
    """Those of one instance."""
    own = NAMES[name]
    return {key: value for key, value in cookies.items() if key.startswith(f"{own}.")}


def set_by(response: TestResponse) -> set[str]:
    """The names of all cookies that a response sets or deletes."""
    return set(set_cookies(response))


@pytest.fixture(params=["own secrets", "equal secrets"])
def shop(request: pytest.FixtureRequest, clock: Clock) -> Shop:
    if request.param == "own secrets":
        return make_shop(clock)
    return make_shop(clock, STAFFSESSION_SECRET=SECRET)


ONE_AND_OTHER = pytest.mark.parametrize(
    ("one", "other"), [("customers", "staff"), ("staff", "customers")]
)

WHO = {"customers": "ada nobody", "staff": "nobody grace"}
TOKENS = ("session-token", "refresh-token")
ALL_COOKIES = {f"{prefix.lower()}.{token}" for prefix in PREFIXES.values() for token in TOKENS}


# Cookies.


def test_both_sessions_are_in_one_browser(shop: Shop) -> None:
    client = shop.browser("customers", "staff")
    assert set(cookies_of(client)) == ALL_COOKIES
    assert client.get("/who").text == "ada grace"


def test_each_has_the_lifetimes_and_the_format_of_its_own_configuration(shop: Shop) -> None:
    client = shop.app.test_client()
    cookies = {
        **set_cookies(client.post("/enter", headers=SAME_ORIGIN)),
        **set_cookies(client.post("/staff/enter", headers=SAME_ORIGIN)),
    }
    lifetimes = {name: int(one.attributes["max-age"]) for name, one in cookies.items()}
    assert lifetimes == {
        "jwtsession.session-token": 600,
        "jwtsession.refresh-token": 30 * 86_400,
        "staffsession.session-token": 120,
        "staffsession.refresh-token": 86_400,
    }
    algorithms = {name: header_of(one.value)["alg"] for name, one in cookies.items()}
    assert algorithms == {**dict.fromkeys(cookies, "dir"), "staffsession.session-token": "ES256"}


@ONE_AND_OTHER
def test_signing_in_to_one_leaves_the_cookies_of_the_other(
    shop: Shop, one: str, other: str
) -> None:
    client = shop.browser(other)
    with listening_to(shop.app) as heard:
        response = client.post(f"{VIEWS[one]}/enter", headers=SAME_ORIGIN)
    assert set_by(response) == {f"{NAMES[one]}.{token}" for token in TOKENS}
    assert [name for name, _ in heard] == ["signed-in"]  # nobody was replaced
    assert client.get("/who").text == "ada grace"


def test_sec_017_no_value_of_one_cookie_is_good_in_another(shop: Shop) -> None:
    client = shop.browser("customers", "staff")
    for path in AUTH.values():
        client.get(f"{path}/csrf")
    cookies = cookies_of(client)
    assert len(cookies) == 6
    accepted = {
        (name, value_of)
        for name in sorted(ALL_COOKIES)
        for value_of, value in cookies.items()
        if ask(shop.app, "/who", cookie=f"{name}={value}").text != "nobody nobody"
    }
    assert accepted == {(name, name) for name in ALL_COOKIES}


def test_sec_017_no_cookie_of_one_is_a_token_of_the_other(shop: Shop) -> None:
    client = shop.browser("customers", "staff")
    found = {
        name: ask(shop.app, "/who", bearer(value)).text
        for name, value in cookies_of(client).items()
    }
    assert found == {
        "jwtsession.session-token": "ada nobody",
        "jwtsession.refresh-token": "nobody nobody",
        "staffsession.session-token": "nobody grace",
        "staffsession.refresh-token": "nobody nobody",
    }


@pytest.mark.parametrize(
    "keys",
    [
        SIGNING_KEY,
        [SIGNING_KEY],
        [SIGNING_KEY, private_key("EdDSA")],
        [private_key("EdDSA"), SIGNING_KEY],
        [private_key("EdDSA"), public_half(SIGNING_KEY)],
    ],
    ids=["the key", "a list of it", "it is the newer", "it is the older", "its public half"],
)
@pytest.mark.parametrize("apart", [{}, {"STAFFSESSION_AUDIENCE": "office"}], ids=["", "audience"])
def test_sec_017_a_signing_key_is_that_of_one_session(
    clock: Clock, keys: Any, apart: dict[str, str]
) -> None:
    """It is bound to no cookie name: a customer's token would be one of staff."""
    config = {"JWTSESSION_TOKEN_FORMAT": "signed", "JWTSESSION_SIGNING_KEY": keys, **apart}
    with pytest.raises(ConfigError, match="STAFFSESSION_SIGNING_KEY") as caught:
        make_shop(clock, **config)
    assert "JWTSESSION" in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("token_format", ["encrypted", "signed"])
def test_sec_017_one_secret_makes_different_keys_for_both(clock: Clock, token_format: str) -> None:
    """Tokens are signed with a key of the secret, too."""
    shop = make_shop(
        clock,
        STAFFSESSION_SECRET=SECRET,
        STAFFSESSION_SIGNING_KEY=...,
        STAFFSESSION_TOKEN_FORMAT=token_format,
        JWTSESSION_TOKEN_FORMAT=token_format,
    )
    for name, other in (("customers", "staff"), ("staff", "customers")):
        # In which there is nothing of ours that would be encrypted for one of them.
        access = cookies_of(shop.browser(name))[f"{NAMES[name]}.session-token"]
        for token in (access, shop.token(name)):
            assert ask(shop.app, "/who", bearer(token)).text == WHO[name]
            moved = f"{NAMES[other]}.session-token={token}"
            assert ask(shop.app, "/who", cookie=moved).text == "nobody nobody"


# Re-authentication.


@ONE_AND_OTHER
def test_one_is_reauthenticated_while_the_other_is_left_alone(
    shop: Shop, clock: Clock, one: str, other: str
) -> None:
    client = shop.browser("customers", "staff")
    before = cookies_of(client)
    client.delete_cookie(f"{NAMES[one]}.session-token")
    with listening_to(shop.app) as heard:
        response = client.get("/who")
    assert response.text == "ada grace"
    assert set_by(response) == {f"{NAMES[one]}.{token}" for token in TOKENS}
    assert [name for name, _ in shop.asked] == [one]
    assert of(other, cookies_of(client)) == of(other, before)
    assert heard == []


def test_each_is_reauthenticated_when_its_own_access_is_over(shop: Shop, clock: Clock) -> None:
    client = shop.browser("customers", "staff")
    for _ in range(6):
        clock.advance(121)
        assert client.get("/who").text == "ada grace"
    assert shop.asked == [
        *[("staff", "grace")] * 4,
        # The customer's was over too, after ten minutes.
        ("customers", "ada"),
        ("staff", "grace"),
        ("staff", "grace"),
    ]


def test_both_are_reauthenticated_in_one_request(shop: Shop, clock: Clock) -> None:
    client = shop.browser("customers", "staff")
    clock.advance(700)
    response = client.get("/who")
    assert response.text == "ada grace"
    assert set_by(response) == ALL_COOKIES
    assert shop.asked == [("customers", "ada"), ("staff", "grace")]
    assert client.get("/who").text == "ada grace"
    assert len(shop.asked) == 2


def test_a_request_that_uses_one_does_not_ask_about_the_other(shop: Shop, clock: Clock) -> None:
    client = shop.browser("customers", "staff")
    clock.advance(700)
    for name in PREFIXES:
        response = client.get(f"{VIEWS[name]}/room")
        assert response.status_code == 200
        assert set_by(response) == {f"{NAMES[name]}.{token}" for token in TOKENS}
    assert [name for name, _ in shop.asked] == ["customers", "staff"]


@ONE_AND_OTHER
def test_who_is_no_longer_let_in_by_one_stays_with_the_other(
    shop: Shop, clock: Clock, one: str, other: str
) -> None:
    client = shop.browser("customers", "staff")
    clock.advance(700)
    shop.answers[one] = None
    with listening_to(shop.app) as heard:
        assert client.get("/who").text == WHO[other]
        assert client.get("/who").text == WHO[other]
    assert [(name, more.get("reason")) for name, more in heard] == [("signed-out", "callback")]
    assert set(cookies_of(client)) == set(of(other, dict.fromkeys(ALL_COOKIES)))


@ONE_AND_OTHER
def test_an_error_of_one_callback_is_an_error_of_that_session_alone(
    shop: Shop, clock: Clock, one: str, other: str
) -> None:
    client = shop.browser("customers", "staff")
    clock.advance(700)
    shop.answers[one] = RuntimeError("the database is away")
    assert client.get(f"{VIEWS[one]}/room").status_code == 500
    assert client.get(f"{VIEWS[other]}/room").status_code == 200
    del shop.answers[one]
    assert client.get("/who").text == "ada grace"


def test_the_callback_of_one_may_ask_who_the_other_is(clock: Clock) -> None:
    shop = make_shop(clock)
    shop.staff.reauth_callback(lambda claims: {"as": current_session.token["sub"]})
    client = shop.browser("customers", "staff")
    clock.advance(700)

    def view() -> str:
        return str(shop.staff.current_session.token["as"])

    response = visit(shop.app, view, header(cookies_of(client)))
    assert response.text == "ada"
    assert set_by(response) == ALL_COOKIES  # the customer had to be asked about, for that


def test_callbacks_that_ask_each_other_are_told_so(clock: Clock) -> None:
    """And do not wait for each other for ever."""
    shop = make_shop(clock)
    staff = shop.staff
    shop.customers.jwt_callback(lambda token, event: {**token, "a": bool(staff.current_session)})
    staff.jwt_callback(lambda token, event: {**token, "b": bool(current_session)})
    both = "; ".join(cookie(shop.app, prefix) for prefix in PREFIXES.values())

    def view() -> str:
        with pytest.raises(SessionClosed):
            bool(current_session)
        return "told"

    assert visit(shop.app, view, both).text == "told"


# A refresh cookie that was copied.


@ONE_AND_OTHER
def test_sec_213_reuse_in_one_leaves_the_other_alone(
    shop: Shop, clock: Clock, one: str, other: str
) -> None:
    client = shop.browser("customers", "staff")
    name = f"{NAMES[one]}.refresh-token"
    copy, sid = cookies_of(client)[name], sid_of(shop, one, client)
    clock.advance(700)
    assert client.get("/who").text == "ada grace"
    clock.advance(31)
    with listening_to(shop.app) as heard:
        thief = ask(shop.app, "/who", cookie=f"{name}={copy}")
        assert thief.text == "nobody nobody"
        assert client.get("/who").text == WHO[other]
        clock.advance(700)
        assert client.get("/who").text == WHO[other]
    assert [name for name, _ in heard].count("reuse-detected") == 1
    assert dict(heard)["reuse-detected"] == {"sid": sid, "sub": PEOPLE[one]}
    assert [more["reason"] for name, more in heard if name == "signed-out"] == ["revoked"]


def sid_of(shop: Shop, name: str, client: FlaskClient) -> str:
    tokens = binding_of(shop.app, PREFIXES[name]).http.tokens
    value = cookies_of(client)[f"{NAMES[name]}.session-token"]
    return str(json.loads(tokens.decode(value))["sid"])


@ONE_AND_OTHER
def test_sec_217_a_copy_of_one_refresh_cookie_does_not_bring_a_session_of_the_other_back(
    shop: Shop, clock: Clock, one: str, other: str
) -> None:
    client = shop.browser("customers", "staff")
    copies = cookies_of(client)
    client.post(f"{VIEWS[one]}/leave", headers=SAME_ORIGIN)
    clock.advance(700)
    assert ask(shop.app, "/who", cookie=header(copies)).text == WHO[other]
    assert [name for name, _ in shop.asked] == [other]


# Sign-out and revocation.


@ONE_AND_OTHER
@pytest.mark.parametrize("how", ["verb", "endpoint"])
def test_a_sign_out_of_one_leaves_the_other(
    shop: Shop, clock: Clock, one: str, other: str, how: str
) -> None:
    client = shop.browser("customers", "staff")
    copies = cookies_of(client)
    path = f"{VIEWS[one]}/leave" if how == "verb" else f"{AUTH[one]}/signout"
    with listening_to(shop.app) as heard:
        response = client.post(path, headers=SAME_ORIGIN)
    assert set_by(response) == set(of(one, dict.fromkeys(ALL_COOKIES)))
    assert [(name, more["reason"]) for name, more in heard] == [("signed-out", "user")]
    assert heard[0][1]["session"].token["sub"] == PEOPLE[one]
    assert client.get("/who").text == WHO[other]
    assert ask(shop.app, "/who", cookie=header(copies)).text == WHO[other]
    clock.advance(700)
    assert client.get("/who").text == WHO[other]


@ONE_AND_OTHER
def test_a_sign_out_of_one_that_nobody_is_signed_in_to_is_none_of_the_other(
    shop: Shop, one: str, other: str
) -> None:
    client = shop.browser(other)
    for path in (f"{VIEWS[one]}/leave", f"{AUTH[one]}/signout"):
        response = client.post(path, headers=SAME_ORIGIN)
        assert set_by(response).isdisjoint(of(other, dict.fromkeys(ALL_COOKIES)))
    assert client.get("/who").text == WHO[other]


@ONE_AND_OTHER
@pytest.mark.parametrize("what", ["session", "user"])
@pytest.mark.parametrize("how", ["verb", "command"])
def test_a_revocation_in_one_leaves_the_other(
    clock: Clock, one: str, other: str, what: str, how: str
) -> None:
    """Under one secret, in one store, of the same person and of sessions of one name."""
    shop = make_shop(clock, STAFFSESSION_SECRET=SECRET)
    claims = {"sub": "ada", "sid": "one", "exp": int(NOW) + 100}
    both = "; ".join(cookie(shop.app, prefix, **claims) for prefix in PREFIXES.values())
    assert ask(shop.app, "/who", cookie=both).text == "ada ada"
    clock.advance(1)
    if how == "command":
        option = ["--session", "one"] if what == "session" else ["--user", "ada"]
        result = shop.run(NAMES[one], "revoke", *option)
        assert (result.exit_code, result.stderr) == (0, "")
    else:
        with shop.app.app_context():
            session = shop.session(one)
            if what == "session":
                session.revoke_session("one")
            else:
                session.revoke_user("ada")
    expected = "nobody ada" if one == "customers" else "ada nobody"
    assert ask(shop.app, "/who", cookie=both).text == expected


def test_the_verbs_of_the_module_are_those_of_the_customers(clock: Clock) -> None:
    shop = make_shop(clock, STAFFSESSION_SECRET=SECRET)
    client = shop.browser("customers", "staff")
    with shop.app.app_context():
        revoke_session(sid_of(shop, "staff", client))
        revoke_user("grace")
        assert client.get("/who").text == "ada grace"
        revoke_user("ada")
    clock.advance(1)
    assert client.get("/who").text == "nobody grace"


def test_each_has_a_command(shop: Shop) -> None:
    helped = {name: shop.run(NAMES[name], "--help") for name in PREFIXES}
    assert [one.exit_code for one in helped.values()] == [0, 0]
    assert shop.run("nobodyssession", "--help").exit_code != 0


def test_the_command_of_one_speaks_of_its_own_store(clock: Clock) -> None:
    shop = make_shop(clock, STAFFSESSION_STORE="memory")
    result = shop.run("staffsession", "revoke", "--user", "grace")
    assert (result.exit_code, "STAFFSESSION_STORE" in result.stderr) == (1, True)
    assert shop.run("jwtsession", "revoke", "--user", "ada").exit_code == 0


def test_in_one_sqlite_file_nothing_of_one_is_the_others(clock: Clock, tmp_path: Path) -> None:
    """The default of both, and one secret for both: that of Flask."""
    app = Flask("both", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY=SECRET, STAFF_URL_PREFIX="/staff-auth")
    auth, staff = JWTSession(app), JWTSession(app, config_prefix="STAFF")
    for prefix in ("JWTSESSION", "STAFF"):
        binding_of(app, prefix).clock = clock
    both = f"{cookie(app, 'JWTSESSION')}; {cookie(app, 'STAFF')}"

    def view() -> Any:
        return jsonify(bool(auth.current_session), bool(staff.current_session))

    try:
        assert visit(app, view, both).get_json() == [True, True]
        with app.app_context():
            staff.revoke_session("s1")
        assert visit(app, view, both).get_json() == [True, False]
        assert [path.name for path in tmp_path.glob("*.sqlite3")] == ["jwtsession.sqlite3"]
    finally:
        for prefix in ("JWTSESSION", "STAFF"):
            binding_of(app, prefix).store.close()


# Keys.


def test_each_publishes_its_own_keys(shop: Shop) -> None:
    client = shop.browser("staff")
    refused = client.get("/auth/jwks.json")
    assert (refused.status_code, problem_code(refused)) == (404, "no_public_keys")
    [key] = client.get("/staff/auth/jwks.json").get_json()["keys"]
    assert key["kid"] == header_of(cookies_of(client)["staffsession.session-token"])["kid"]
    assert "d" not in key


def test_with_a_key_each_neither_publishes_that_of_the_other(clock: Clock) -> None:
    own = {"JWTSESSION_TOKEN_FORMAT": "signed", "JWTSESSION_SIGNING_KEY": private_key("EdDSA")}
    shop = make_shop(clock, **own)
    client = shop.app.test_client()
    published = [client.get(f"{path}/jwks.json").get_json()["keys"] for path in AUTH.values()]
    assert [[key["alg"] for key in keys] for keys in published] == [["EdDSA"], ["ES256"]]
    for name, keys in zip(PREFIXES, published, strict=True):
        assert header_of(shop.token(name))["kid"] == keys[0]["kid"]


def test_each_secret_may_come_from_the_environment(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAFFSESSION_SECRET", OTHER_SECRET)
    from_environment = make_shop(clock, STAFFSESSION_SECRET=...)
    from_config = make_shop(clock)
    settings = [
        binding_of(one.app, "STAFFSESSION").settings for one in (from_environment, from_config)
    ]
    assert settings[0].secrets == settings[1].secrets == (OTHER_SECRET.encode(),)
    assert binding_of(from_environment.app).settings.secrets == (SECRET.encode(),)


# Tokens in a header.


@ONE_AND_OTHER
def test_a_token_of_one_is_nobody_at_the_other(shop: Shop, one: str, other: str) -> None:
    token = shop.token(one)
    client = shop.browser("customers", "staff")
    assert ask(shop.app, f"{VIEWS[one]}/room", bearer(token)).text == "room"
    with listening_to(shop.app) as heard:
        refused = ask(
            shop.app, f"{VIEWS[other]}/room", bearer(token), cookie=header(cookies_of(client))
        )
    assert (refused.status_code, problem_code(refused)) == (401, "invalid_token")
    realm = NAMES[other]
    assert refused.headers["WWW-Authenticate"] == f'Bearer realm="{realm}", error="invalid_token"'
    assert "Set-Cookie" not in refused.headers
    assert [name for name, _ in heard] == ["session-rejected"]


def test_the_challenge_names_the_session_that_is_asked_for(shop: Shop) -> None:
    for name in PREFIXES:
        refused = ask(shop.app, f"{VIEWS[name]}/room")
        assert refused.headers["WWW-Authenticate"] == f'Bearer realm="{NAMES[name]}"'
        path = "office" if name == "staff" else "desk"
        refused = ask(shop.app, f"{VIEWS[name]}/{path}", bearer(shop.token(name)))
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (
            403,
            f'Bearer realm="{NAMES[name]}", error="insufficient_scope"',
        )


def test_with_a_token_for_one_no_cookie_counts_for_either(shop: Shop) -> None:
    cookies = header(cookies_of(shop.browser("customers", "staff")))
    found = [
        ask(shop.app, "/who", bearer(shop.token(name)), cookie=cookies).text for name in PREFIXES
    ]
    assert found == list(WHO.values())


@ONE_AND_OTHER
@pytest.mark.parametrize("path", ["leave", "update", "enter"])
def test_where_one_alone_takes_tokens_the_other_goes_by_its_cookies(
    clock: Clock, one: str, other: str, path: str
) -> None:
    """For its check of the request's origin, too."""
    shop = make_shop(clock, **{f"{PREFIXES[other]}_TOKEN_LOCATIONS": ["cookie"]})
    token, cookies = shop.token(one), header(cookies_of(shop.browser("customers", "staff")))
    for sent in (bearer(token), "Bearer x"):
        found = ask(shop.app, "/who", sent, cookie=cookies).text
        assert found == ("ada grace" if sent != "Bearer x" else WHO[other])
        refused = ask(
            shop.app,
            f"{VIEWS[other]}/{path}",
            sent,
            cookie=cookies,
            method="POST",
            headers=CROSS_SITE,
        )
        assert (refused.status_code, problem_code(refused)) == (403, "cross_origin")
    assert ask(shop.app, "/who", cookie=cookies).text == "ada grace"


def test_where_one_alone_takes_tokens_the_other_makes_none(clock: Clock) -> None:
    shop = make_shop(clock, JWTSESSION_TOKEN_LOCATIONS=...)
    assert shop.token("staff")

    def view() -> str:
        with pytest.raises(ConfigError, match="JWTSESSION_TOKEN_LOCATIONS"):
            create_token({"id": "ada"})
        return "refused"

    assert visit(shop.app, view).text == "refused"


@ONE_AND_OTHER
def test_a_sign_out_with_a_token_ends_that_session_alone(shop: Shop, one: str, other: str) -> None:
    tokens = {name: shop.token(name) for name in PREFIXES}
    for path in (f"{VIEWS[other]}/leave", f"{AUTH[other]}/signout"):
        ask(shop.app, path, bearer(tokens[one]), method="POST")
    assert ask(shop.app, "/who", bearer(tokens[one])).text == WHO[one]
    ask(shop.app, f"{AUTH[one]}/signout", bearer(tokens[one]), method="POST")
    assert ask(shop.app, "/who", bearer(tokens[one])).text == "nobody nobody"
    assert ask(shop.app, "/who", bearer(tokens[other])).text == WHO[other]


# Guards, proxies, verbs, templates.


def test_each_guard_asks_for_its_own_session(shop: Shop) -> None:
    answers = {
        (name, path): [
            shop.browser(*names).get(f"{VIEWS[name]}/{path}").status_code
            for names in ((), ("customers",), ("staff",), ("customers", "staff"))
        ]
        for name in PREFIXES
        for path in ("room", "office", "desk", "safe")
    }
    assert answers == {
        ("customers", "room"): [401, 200, 401, 200],
        ("customers", "office"): [401, 200, 401, 200],
        ("customers", "desk"): [401, 403, 401, 403],
        ("customers", "safe"): [401, 200, 401, 200],
        ("staff", "room"): [401, 401, 200, 200],
        ("staff", "office"): [401, 401, 403, 403],
        ("staff", "desk"): [401, 401, 200, 200],
        ("staff", "safe"): [401, 401, 200, 200],
    }


def test_a_login_is_fresh_for_its_own_session_alone(shop: Shop, clock: Clock) -> None:
    client = shop.browser("staff")
    clock.advance(61)
    client.post("/enter", headers=SAME_ORIGIN)
    assert client.get("/safe").status_code == 200
    assert client.get("/staff/safe").status_code == 401


def test_a_view_may_ask_for_both(shop: Shop) -> None:
    view = login_required(shop.staff.roles_required("clerk")(lambda: "both"))
    shop.app.add_url_rule("/both", "both", view)
    answers = [
        shop.browser(*names).get("/both", headers=NAVIGATION).headers.get("Location")
        for names in ((), ("customers",), ("staff",), ("customers", "staff"))
    ]
    assert answers == [
        "/auth/signin?callbackUrl=%2Fboth",
        "/staff/auth/signin?callbackUrl=%2Fboth",
        "/auth/signin?callbackUrl=%2Fboth",
        None,
    ]


def test_the_guards_of_the_module_are_those_of_the_customers(shop: Shop) -> None:
    shop.app.add_url_rule("/admins", "admins", roles_required("admin")(lambda: "admins"))
    assert shop.browser("customers").get("/admins").status_code == 200
    assert shop.browser("staff").get("/admins").status_code == 401


def test_each_has_a_user_loader_and_an_unauthorized_handler(shop: Shop) -> None:
    shop.customers.user_loader(lambda token: f"customer {token['sub']}")
    shop.staff.user_loader(lambda token: None)
    shop.staff.unauthorized_handler(lambda: ("staff only", 418))
    client = shop.browser("customers", "staff")

    def view() -> str:
        return f"{current_user}, {shop.staff.current_user}"

    assert visit(shop.app, view, header(cookies_of(client))).text == "customer ada, None"
    assert [client.get(path).status_code for path in ("/room", "/staff/room")] == [200, 418]


@ONE_AND_OTHER
def test_an_update_of_one_is_none_of_the_other(shop: Shop, one: str, other: str) -> None:
    client = shop.browser("customers", "staff")
    with listening_to(shop.app) as heard:
        response = client.post(f"{VIEWS[one]}/update", headers=SAME_ORIGIN)
    assert set_by(response) == {f"{NAMES[one]}.session-token"}
    [(name, arguments)] = heard
    assert (name, arguments["session"].token["n"]) == ("session-updated", 1)

    def view() -> Any:
        tokens = {"customers": current_session.token, "staff": shop.staff.current_session.token}
        return jsonify({name: token.get("n") for name, token in tokens.items()})

    response = visit(shop.app, view, header(cookies_of(client)))
    assert response.get_json() == {one: 1, other: None}


@ONE_AND_OTHER
def test_nobody_in_one_cannot_be_changed_by_somebody_in_the_other(
    shop: Shop, one: str, other: str
) -> None:
    client = shop.browser(other)
    refused = client.post(f"{VIEWS[one]}/update", headers=SAME_ORIGIN)
    assert (refused.status_code, problem_code(refused)) == (400, "update_refused")
    refused = client.post(f"{AUTH[one]}/session", json={"data": {}}, headers=SAME_ORIGIN)
    assert refused.status_code == 401


def test_what_templates_know_are_the_customers_and_staff_is_given_to_them(shop: Shop) -> None:
    template = "{{ current_user.name }}, {{ current_session.user.name }}, {{ staff.user.name }}"

    def view() -> str:
        return render_template_string(template, staff=shop.staff.current_session)

    cookies = cookies_of(shop.browser("customers", "staff"))
    assert visit(shop.app, view, header(cookies)).text == "Ada, Ada, Grace"
    only_staff = header(of("staff", cookies))
    assert visit(shop.app, view, only_staff).text == ", , Grace"


@ONE_AND_OTHER
def test_all_may_be_protected_by_one_and_the_sign_in_of_both_stays_open(
    clock: Clock, one: str, other: str
) -> None:
    shop = make_shop(clock, **{f"{PREFIXES[one]}_PROTECT_ALL": True})
    nobody = shop.app.test_client()
    for path in AUTH.values():
        for page in ("signin", "session", "csrf", "providers"):
            assert nobody.get(f"{path}/{page}").status_code == 200
    # The views that sign people in are not under @public here.
    assert nobody.post(f"{VIEWS[one]}/enter", headers=SAME_ORIGIN).status_code == 401
    token = ask(shop.app, "/who", "Bearer x")
    assert token.headers["WWW-Authenticate"].startswith(f'Bearer realm="{NAMES[one]}"')


# Requests that other sites start.


@ONE_AND_OTHER
def test_a_csrf_token_of_one_is_none_of_the_other(shop: Shop, one: str, other: str) -> None:
    client = shop.browser("customers", "staff")
    token = client.get(f"{AUTH[one]}/csrf").get_json()["csrfToken"]
    refused = client.post(f"{AUTH[other]}/signout", data={"csrfToken": token})
    assert (refused.status_code, problem_code(refused)) == (403, "cross_origin")
    assert client.post(f"{AUTH[one]}/signout", data={"csrfToken": token}).status_code == 302
    assert client.get("/who").text == WHO[other]


@ONE_AND_OTHER
@pytest.mark.parametrize("path", ["enter", "leave", "update", "token"])
def test_the_verbs_of_each_refuse_what_another_site_started(
    shop: Shop, one: str, other: str, path: str
) -> None:
    for names in ((), (one,), (other,), (one, other)):
        client = shop.browser(*names)
        refused = client.post(f"{VIEWS[one]}/{path}", headers=CROSS_SITE)
        assert (refused.status_code, problem_code(refused)) == (403, "cross_origin")


@ONE_AND_OTHER
def test_a_name_that_contains_the_name_of_a_cookie_is_not_that_cookie(
    clock: Clock, one: str, other: str
) -> None:
    """A view that is exempt for one, and brings the cookies of that one only."""
    app = Flask("names")
    app.config.update(MY_SECRET=SECRET, TOMY_SECRET=OTHER_SECRET, TOMY_URL_PREFIX="/to")
    app.config.update(MY_STORE="memory", TOMY_STORE="memory")
    instances = {"MY": JWTSession(app, config_prefix="MY")}
    instances["TOMY"] = JWTSession(app, config_prefix="TOMY")
    own = "TOMY" if one == "customers" else "MY"
    view = instances[own].csrf_exempt(lambda: "reached")
    sent = f"{own.lower()}.session-token=x"
    assert visit(app, view, sent, method="POST", headers=CROSS_SITE).text == "reached"


# Errors.


def test_an_error_of_one_is_answered_as_its_own(clock: Clock) -> None:
    """A client with a token for staff is a program, whatever it accepts."""
    shop = make_shop(clock, JWTSESSION_TOKEN_LOCATIONS=["cookie"])
    refused = ask(
        shop.app,
        "/staff/update",
        bearer(shop.token("staff")),
        method="POST",
        headers={"Accept": "text/html"},
    )
    assert refused.status_code == 400
    assert problem_code(refused) == "update_refused"


@ONE_AND_OTHER
def test_a_sign_in_that_goes_on_elsewhere_goes_on_at_its_own_address(
    clock: Clock, one: str, other: str
) -> None:
    urls = {name: f"https://{name}.test" for name in PREFIXES}
    config = {f"{prefix}_BASE_URL": urls[name] for name, prefix in PREFIXES.items()}
    shop = make_shop(clock, **config)
    shop.session(one).sign_in_callback(lambda user, account, profile: "/terms")
    headers = {"Origin": urls[one]}
    response = shop.app.test_client().post(f"{VIEWS[one]}/enter", headers=headers)
    assert (response.status_code, response.location) == (302, f"{urls[one]}/terms")


def test_a_page_about_an_error_has_the_style_of_its_own(clock: Clock) -> None:
    shop = make_shop(clock)
    page = shop.app.test_client().post(
        "/staff/update", headers={**SAME_ORIGIN, "Accept": "text/html"}
    )
    assert page.status_code == 400
    assert "/staff/auth/static/jwtsession.css" in page.text


@pytest.mark.parametrize("path", ["/staff/room", "/visit"])
def test_an_error_while_one_is_loaded_is_answered_as_its_own(clock: Clock, path: str) -> None:
    shop = make_shop(clock)
    shop.staff.jwt_callback(
        lambda token, event: token if event.trigger else {**token, "text": "x" * 9000}
    )
    shop.app.view_functions["visit"] = lambda: str(bool(shop.staff.current_session))
    client = shop.browser("staff")
    page = client.get(path, headers=NAVIGATION)
    assert page.status_code == 413
    assert "/staff/auth/static/jwtsession.css" in page.text


def test_while_the_store_of_one_is_away_the_other_works(clock: Clock) -> None:
    store = FaultyStore(clock)
    shop = make_shop(clock, STAFFSESSION_STORE=store)
    client = shop.browser("customers", "staff")
    store.refused = {"get_many"}
    assert client.get("/who").text == "ada nobody"
    assert [client.get(path).status_code for path in ("/room", "/staff/room")] == [200, 503]
    assert client.get("/staff/auth/session").status_code == 503
    store.refused = set()
    assert client.get("/who").text == "ada grace"


# Signals.


def test_the_signals_of_one_request_are_those_of_both(shop: Shop) -> None:
    def view() -> str:
        sign_in({"id": "ada"})
        shop.staff.sign_in({"id": "grace"})
        sign_out()
        return ""

    with listening_to(shop.app) as heard:
        response = visit(shop.app, view)
    told = [(name, more["session"].token["sub"]) for name, more in heard]
    assert told == [("signed-in", "ada"), ("signed-in", "grace"), ("signed-out", "ada")]
    cookies = set_cookies(response)
    deleted = {name for name, one in cookies.items() if one.deletes}
    assert deleted == set(of("customers", cookies))
    assert set(cookies) == ALL_COOKIES


def test_bad_cookies_of_both_are_rejected_by_both(shop: Shop) -> None:
    sent = "; ".join(f"{name}=x" for name in sorted(ALL_COOKIES))
    with listening_to(shop.app) as heard:
        assert ask(shop.app, "/who", cookie=sent).text == "nobody nobody"
    assert heard == [("session-rejected", {"reason": "malformed"})] * 2


# Providers.


@pytest.fixture
def with_provider(clock: Clock, provider: FaultyProvider) -> Shop:
    """Both let people in who come from one provider, under one name."""
    shop = make_shop(clock, STAFFSESSION_SECRET=SECRET)
    for name in PREFIXES:
        shop.session(name).add_provider(
            "op",
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
        )
    return shop


def started_at(client: FlaskClient, name: str) -> str:
    """Where the provider sends the browser back to that began to sign in there."""
    started = client.post(f"{AUTH[name]}/signin/op", headers=SAME_ORIGIN)
    assert started.status_code == 302
    return approve(started.location)


SOMEBODY = {"customers": "op|u-1 nobody", "staff": "nobody op|u-1"}


@ONE_AND_OTHER
def test_a_sign_in_with_a_provider_is_one_to_the_session_that_began_it(
    with_provider: Shop, one: str, other: str
) -> None:
    client = with_provider.app.test_client()
    back = started_at(client, one)
    assert back.startswith(f"{AUTH[one]}/callback/op?")
    response = client.get(back)
    assert response.status_code == 302
    assert not of(other, set_cookies(response))
    assert client.get("/who").text == SOMEBODY[one]
    client.get(started_at(client, other))
    assert client.get("/who").text == "op|u-1 op|u-1"


@ONE_AND_OTHER
def test_sec_163_a_code_for_one_is_not_taken_at_the_other(
    with_provider: Shop, provider: FaultyProvider, one: str, other: str
) -> None:
    client = with_provider.app.test_client()
    started_at(client, other)  # so that there is a transaction of its own
    back = started_at(client, one).replace(f"{AUTH[one]}/callback", f"{AUTH[other]}/callback")
    refused = client.get(back)
    assert refused.status_code == 400
    assert client.get("/who").text == "nobody nobody"
    assert provider.count("token") == 0


@ONE_AND_OTHER
def test_sec_017_the_login_cookie_of_one_is_not_taken_at_the_other(
    with_provider: Shop, provider: FaultyProvider, one: str, other: str
) -> None:
    """Under one secret, and under the other's name."""
    client = with_provider.app.test_client()
    back = started_at(client, one).replace(f"{AUTH[one]}/callback", f"{AUTH[other]}/callback")
    [(name, value)] = of(one, cookies_of(client)).items()
    moved = name.replace(NAMES[one], NAMES[other])
    refused = ask(with_provider.app, back, cookie=f"{moved}={value}")
    assert refused.status_code == 400
    assert provider.count("token") == 0


@ONE_AND_OTHER
def test_a_logout_at_the_provider_ends_the_sessions_of_the_one_it_is_told_to(
    with_provider: Shop, clock: Clock, provider: FaultyProvider, one: str, other: str
) -> None:
    client = with_provider.app.test_client()
    for name in PREFIXES:
        client.get(started_at(client, name))
    clock.advance(1)
    for number, name in enumerate((one, other), 1):
        path = f"{AUTH[name]}/backchannel-logout/op"
        # The same one, that both are told of.
        told = logout_token(provider, jti="the same")
        assert client.post(path, data={"logout_token": told}).status_code == 200
        assert client.get("/who").text == (SOMEBODY[other] if number == 1 else "nobody nobody")


# The configuration.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STAFFSESSION_REFRESH_MAX_AGE", 60),
        ("STAFFSESSION_STORE", None),
        ("STAFFSESSION_UPDATE_AGE", 60),
        ("STAFFSESSION_ALGORITHM", "RS256"),
        ("STAFFSESSION_REFRESH_COOKIES", True),
        ("STAFFSESSION_SECRET", "short"),
        ("STAFFSESSION_REFRESH_SECRET", "short"),
    ],
)
def test_an_error_names_the_key_of_its_own_prefix(clock: Clock, key: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        make_shop(clock, **{key: value})
    assert caught.value.key.startswith("STAFFSESSION_")
    assert "JWTSESSION_" not in str(caught.value).replace("STAFFSESSION_", "")


def test_a_sign_in_without_a_reauth_callback_is_a_mistake_in_its_own_session(clock: Clock) -> None:
    shop = make_shop(clock)
    shop.staff._callbacks.reauth = None
    assert shop.browser("customers").get("/who").text == "ada nobody"

    def view() -> str:
        with pytest.raises(ConfigError, match="STAFFSESSION_REFRESH_COOKIE"):
            shop.staff.sign_in({"id": "grace"})
        return "refused"

    assert visit(shop.app, view).text == "refused"


def test_three_sessions_are_no_other_than_two(clock: Clock) -> None:
    app = Flask("three")
    prefixes = ("ONE", "TWO", "THREE")
    instances = {}
    for prefix in prefixes:
        app.config.update({f"{prefix}_SECRET": SECRET, f"{prefix}_STORE": "memory"})
        app.config[f"{prefix}_URL_PREFIX"] = f"/{prefix.lower()}"
        instances[prefix] = JWTSession(app, config_prefix=prefix)
        binding_of(app, prefix).clock = clock

    def view() -> Any:
        return jsonify([one.current_session.token.get("sub") for one in instances.values()])

    for prefix in prefixes:
        expected = ["u1" if one == prefix else None for one in prefixes]
        assert visit(app, view, cookie(app, prefix)).get_json() == expected
