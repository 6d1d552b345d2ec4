"""``/jwks.json``: the keys with which others verify our tokens, and nothing that they could sign
with.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import KeySet
from werkzeug.exceptions import NotFound

from flask_jwtsession import JWTEvent, JWTSession

from .browsing import problem_code
from .conftest import add_views
from .forged_signatures import ASYMMETRIC, OURS, THEIRS, hs256
from .forged_tokens import unb64
from .scenes import cookie_of
from .support import (
    HTTPS,
    NAVIGATION,
    NOW,
    OTHER_SECRET,
    SECRET,
    Clock,
    binding_of,
    make_app,
    session_token,
    set_cookies,
)

URL = "/auth/jwks.json"
#: Members of a key that its owner keeps to themselves (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def signing_app(clock: Clock, *keys: str, **config: Any) -> Flask:
    app, auth = make_app(clock, TOKEN_FORMAT="signed", SIGNING_KEY=list(keys), **config)
    add_views(app, auth)
    return app


@pytest.fixture
def app(clock: Clock) -> Flask:
    return signing_app(clock, OURS["ES256"].pem)


def published(client: FlaskClient, url: str = URL) -> list[dict[str, Any]]:
    response = client.get(url)
    assert response.status_code == 200
    body = response.get_json()
    assert body.keys() == {"keys"}
    keys: list[dict[str, Any]] = body["keys"]
    return keys


# What is published.


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_the_public_key_is_published_and_of_the_private_one_nothing(
    clock: Clock, algorithm: str
) -> None:
    pair = OURS[algorithm]
    response = signing_app(clock, pair.pem).test_client().get(URL)
    assert response.get_json() == {"keys": [pair.jwk]}
    (key,) = response.get_json()["keys"]
    assert PRIVATE_MEMBERS.isdisjoint(key)
    # Nor in a member of another name.
    for line in pair.pem.splitlines()[1:-1]:
        assert line not in response.text


def test_the_numbers_of_an_rsa_key_have_no_leading_zeros(clock: Clock) -> None:
    """RFC 7518 section 6.3.1.1."""
    (key,) = published(signing_app(clock, OURS["RS256"].pem).test_client())
    assert unb64(key["n"])[0] != 0
    assert len(unb64(key["n"])) == 256
    assert key["e"] == "AQAB"


def test_every_key_of_the_list_is_published_in_its_order(clock: Clock) -> None:
    """Those that are there to verify only, too: to others it makes no difference."""
    listed = [OURS["ES256"], OURS["RS256"], THEIRS["ES256"], OURS["EdDSA"]]
    texts = [listed[0].pem, listed[1].pem, listed[2].public_pem, listed[3].public_pem]
    keys = published(signing_app(clock, *texts).test_client())
    assert keys == [pair.jwk for pair in listed]
    assert not [key for key in keys if not PRIVATE_MEMBERS.isdisjoint(key)]


@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_with_the_key_set_another_library_verifies_a_token(clock: Clock, algorithm: str) -> None:
    others = [OURS[other].public_pem for other in ASYMMETRIC if other != algorithm]
    client = signing_app(clock, OURS[algorithm].pem, *others).test_client()
    key_set = KeySet.import_key_set(client.get(URL).get_json())
    token = session_token(client.post("/sign-in")) or ""
    verified = jws.deserialize_compact(token, key_set, algorithms=[algorithm])
    assert json.loads(verified.payload or b"")["sub"] == "u1"


def test_a_key_can_be_published_before_it_signs_and_after_it_did(clock: Clock) -> None:
    old, new = OURS["RS256"], OURS["ES256"]
    steps = [
        [old.pem],
        [old.pem, new.public_pem],
        [new.pem, old.public_pem],
        [new.pem],
    ]
    kids = []
    for texts in steps:
        kids.append([key["kid"] for key in published(signing_app(clock, *texts).test_client())])
    assert kids == [[old.kid], [old.kid, new.kid], [new.kid, old.kid], [new.kid]]


def test_the_media_type_is_one_that_every_client_reads(app: Flask) -> None:
    response = app.test_client().get(URL, headers={"Accept": "application/jwk-set+json"})
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


# Where there is nothing to publish.


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="encrypted"),
        pytest.param({"TOKEN_FORMAT": "signed"}, id="HS256"),
        pytest.param({"TOKEN_FORMAT": "signed", "ALGORITHM": "HS256"}, id="HS256 by name"),
        pytest.param(
            {"TOKEN_FORMAT": "signed", "SECRET_FALLBACKS": [OTHER_SECRET]}, id="HS256, two secrets"
        ),
        pytest.param({"REFRESH_COOKIE": True, "TOKEN_FORMAT": "signed"}, id="HS256 and a pair"),
    ],
)
def test_a_key_that_is_derived_of_a_secret_is_never_published(
    clock: Clock, config: dict[str, Any]
) -> None:
    app, _ = make_app(clock, **config)
    response = app.test_client().get(URL)
    assert response.status_code == 404
    assert problem_code(response) == "no_public_keys"
    name = "jwtsession.session-token"
    for secret in (SECRET, OTHER_SECRET):
        assert hs256(secret, name).kid not in response.text


def test_a_person_gets_a_page_that_says_so(clock: Clock) -> None:
    app, _ = make_app(clock)
    response = app.test_client().get(URL, headers=NAVIGATION)
    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "no-store" in response.headers["Cache-Control"]


def test_an_errorhandler_of_the_application_answers_it(clock: Clock) -> None:
    app, _ = make_app(clock)
    app.register_error_handler(NotFound, lambda error: ("nothing here", 404))
    assert app.test_client().get(URL).text == "nothing here"


# How it may be asked.


def test_a_head_request_is_answered_like_a_get_without_its_body(app: Flask) -> None:
    client = app.test_client()
    head, got = client.head(URL), client.get(URL)
    assert head.status_code == got.status_code == 200
    assert head.data == b""
    assert sorted(head.headers) == sorted(got.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_sec_100_nothing_can_be_done_to_it(app: Flask, method: str) -> None:
    assert app.test_client().open(URL, method=method).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Authorization": "Bearer x"},
    ],
    ids=str,
)
def test_it_is_the_same_for_everybody_and_grants_nothing_to_another_origin(
    app: Flask, headers: dict[str, str]
) -> None:
    client = app.test_client()
    response = client.get(URL, headers=headers)
    assert response.data == client.get(URL).data
    assert not [name for name, _ in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("locations", [["cookie"], ["cookie", "header"], ["header"]], ids=str)
def test_everybody_may_read_it_though_all_else_is_protected(
    clock: Clock, locations: list[str]
) -> None:
    """A service that verifies tokens has no session here."""
    app = signing_app(clock, OURS["EdDSA"].pem, PROTECT_ALL=True, TOKEN_LOCATIONS=locations)
    client = app.test_client()
    assert client.get("/unused").status_code == 401
    assert published(client) == [OURS["EdDSA"].jwk]


def test_it_is_below_the_mount_point_and_the_prefix(clock: Clock) -> None:
    app = signing_app(clock, OURS["EdDSA"].pem, URL_PREFIX="/account/auth")
    response = app.test_client().get(
        "/account/auth/jwks.json", environ_overrides={"SCRIPT_NAME": "/shop"}
    )
    assert response.get_json() == {"keys": [OURS["EdDSA"].jwk]}
    assert app.test_client().get(URL).status_code == 404


def test_every_instance_publishes_its_own_keys() -> None:
    app = Flask("tests.app")
    for prefix, pair, url in (
        ("JWTSESSION", OURS["EdDSA"], "/auth"),
        ("STAFFSESSION", OURS["ES256"], "/staff"),
    ):
        app.config[f"{prefix}_SECRET"] = SECRET
        app.config[f"{prefix}_STORE"] = "memory"
        app.config[f"{prefix}_TOKEN_FORMAT"] = "signed"
        app.config[f"{prefix}_SIGNING_KEY"] = pair.pem
        app.config[f"{prefix}_URL_PREFIX"] = url
        JWTSession(app, config_prefix=prefix)
    client = app.test_client()
    assert published(client) == [OURS["EdDSA"].jwk]
    assert published(client, "/staff/jwks.json") == [OURS["ES256"].jwk]


# It has nothing to do with anybody's session.


def test_caches_may_keep_it_for_some_minutes(app: Flask) -> None:
    """Without a word of cookies: it is the same with every one of them."""
    response = app.test_client().get(URL, base_url=HTTPS)
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "Vary" not in response.headers
    assert "Pragma" not in response.headers
    assert "Expires" not in response.headers


def test_the_answer_that_there_is_nothing_is_not_kept(clock: Clock) -> None:
    """Until the configuration is another one."""
    app, _ = make_app(clock)
    assert "no-store" in app.test_client().get(URL).headers["Cache-Control"]


@pytest.mark.parametrize("due", [False, True])
def test_nobodys_session_is_touched(
    clock: Clock, signals: list[tuple[str, dict[str, Any]]], app: Flask, due: bool
) -> None:
    """Neither read nor issued again, and no callback runs."""
    ran: list[str] = []

    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        ran.append("jwt")
        return token

    binding_of(app).callbacks.jwt = jwt
    cookie = cookie_of(app, now=NOW - 2 * 86_400 if due else NOW, exp=int(NOW) + 86_400)
    client = app.test_client(use_cookies=False)
    if due:
        assert session_token(client.get("/private", headers={"Cookie": cookie}))
        assert ran == ["jwt"]
    ran.clear()
    response = client.get(URL, headers={"Cookie": cookie})
    assert response.get_json() == {"keys": [OURS["ES256"].jwk]}
    assert ran == []
    assert not set_cookies(response)
    assert "Vary" not in response.headers
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert signals == []


def test_a_garbage_cookie_is_not_even_looked_at(
    app: Flask, signals: list[tuple[str, dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    client = app.test_client(use_cookies=False)
    response = client.get(URL, headers={"Cookie": "jwtsession.session-token=garbage"})
    assert response.status_code == 200
    assert signals == []
    assert caplog.records == []
