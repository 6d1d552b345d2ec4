"""The CSRF token: the double-submit cookie of Auth.js."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession.request_checks.csrf import cookie_value, matches, new_token, token_of

from .support import OTHER_SECRET, SECRET, VECTORS, make_app, set_cookies

RECORDED: list[dict[str, Any]] = json.loads((VECTORS / "authjs_csrf.json").read_text())
SECRETS = [SECRET.encode()]
NAME = "jwtsession.csrf-token"


def secrets_of(vector: dict[str, Any]) -> list[bytes]:
    secret = vector["secret"]
    return [one.encode() for one in ([secret] if isinstance(secret, str) else secret)]


@pytest.mark.parametrize("vector", RECORDED, ids=["one secret", "a list of one"])
def test_a_recorded_cookie_is_read_and_written_as_by_authjs(vector: dict[str, Any]) -> None:
    token, secrets = vector["csrfToken"], secrets_of(vector)
    assert cookie_value(token, secrets) == vector["cookie_url_encoded"]
    assert token_of([vector["cookie"]], secrets) == token
    assert token_of([vector["cookie_url_encoded"]], secrets) == token


def test_several_secrets_are_joined_with_a_comma_as_by_authjs() -> None:
    """In JavaScript a list of secrets in a template string becomes ``one,two``."""
    token = new_token()
    expected = hashlib.sha256(f"{token}{SECRET},{OTHER_SECRET}".encode()).hexdigest()
    assert cookie_value(token, [SECRET.encode(), OTHER_SECRET.encode()]).endswith(f"%7C{expected}")


def test_tokens_have_256_random_bits() -> None:
    made = {new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(bytes.fromhex(token)) == 32 for token in made)


@pytest.mark.parametrize(
    ("made_with", "read_with", "accepted"),
    [
        pytest.param([SECRET], [OTHER_SECRET, SECRET], True, id="a secret was put before"),
        pytest.param([OTHER_SECRET, SECRET], [OTHER_SECRET, SECRET], True, id="the same list"),
        pytest.param([SECRET], [OTHER_SECRET], False, id="SEC-106 another secret"),
        pytest.param([OTHER_SECRET, SECRET], [SECRET], False, id="SEC-106 a list we do not have"),
    ],
)
def test_a_cookie_lives_through_the_rotation_of_the_secret(
    made_with: list[str], read_with: list[str], accepted: bool
) -> None:
    token = new_token()
    value = cookie_value(token, [one.encode() for one in made_with])
    read = token_of([value], [one.encode() for one in read_with])
    assert read == (token if accepted else None)


TOKEN = "ab" * 32
HASH = cookie_value(TOKEN, SECRETS).partition("%7C")[2]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="SEC-106 no cookie"),
        pytest.param([""], id="SEC-106 empty"),
        pytest.param([TOKEN], id="SEC-106 no hash"),
        pytest.param([f"{TOKEN}|"], id="SEC-106 empty hash"),
        pytest.param([f"|{HASH}"], id="SEC-106 empty token"),
        pytest.param([f"{TOKEN}|{HASH}|"], id="SEC-106 a third part"),
        pytest.param([f"{TOKEN}|{HASH[:-1]}0"], id="SEC-106 tampered hash"),
        pytest.param([f"{TOKEN[:-1]}a|{HASH}"], id="SEC-106 tampered token"),
        pytest.param([f'"{TOKEN}|{HASH}"'], id="SEC-106 quoted"),
        pytest.param([f"{TOKEN}%257C{HASH}"], id="SEC-106 encoded twice"),
        pytest.param([f"{TOKEN}|{HASH}\n"], id="SEC-106 trailing newline"),
        pytest.param([f"{HASH}|{TOKEN}"], id="SEC-106 swapped"),
        pytest.param(
            [cookie_value(TOKEN, SECRETS), cookie_value("cd" * 32, SECRETS)],
            id="SEC-106 two valid pairs",
        ),
        pytest.param(["é" * 64 + "|" + "é" * 64], id="SEC-106 not ASCII"),
    ],
)
def test_a_cookie_that_is_not_one_of_ours_has_no_token(values: list[str]) -> None:
    assert token_of(values, SECRETS) is None


def test_sec_106_a_planted_cookie_does_not_hide_the_true_one() -> None:
    true = cookie_value(TOKEN, SECRETS)
    planted = cookie_value("cd" * 32, [OTHER_SECRET.encode()])
    assert token_of([planted, true], SECRETS) == TOKEN
    assert token_of([true, planted, true], SECRETS) == TOKEN


@given(st.lists(st.text()))
def test_any_cookie_at_all_is_read_without_an_error(values: list[str]) -> None:
    assert token_of(values, SECRETS) is None


NOT_THE_TOKEN = [None, "", 7, True, [TOKEN], {"token": TOKEN}, "é", "\ud800"]
ALMOST_THE_TOKEN = [TOKEN.upper(), TOKEN[:-1], TOKEN + "\0", " " + TOKEN]


@pytest.mark.parametrize("submitted", [*NOT_THE_TOKEN, *ALMOST_THE_TOKEN], ids=ascii)
def test_only_the_very_token_matches(submitted: object) -> None:
    assert matches(TOKEN, TOKEN)
    assert not matches(TOKEN, submitted)
    assert not matches(None, submitted)


# Through the endpoints; the requests say nothing about where they come from.


def post(app: Flask, cookie: str, **fields: str) -> int:
    client = app.test_client(use_cookies=False)
    return client.post("/auth/signout", data=fields, headers={"Cookie": cookie}).status_code


def test_sec_106_the_token_has_to_be_that_of_the_cookie(app: Flask) -> None:
    true = cookie_value(TOKEN, SECRETS)
    foreign = cookie_value(TOKEN, [OTHER_SECRET.encode()])
    assert post(app, f"{NAME}={true}", csrfToken=TOKEN) == 302
    assert post(app, f"{NAME}={true}", csrfToken="cd" * 32) == 403
    assert post(app, f"{NAME}={true}") == 403
    assert post(app, "", csrfToken=TOKEN) == 403
    assert post(app, f"{NAME}={foreign}", csrfToken=TOKEN) == 403


def test_sec_106_a_token_in_the_query_does_not_count(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    cookie = f"{NAME}={cookie_value(TOKEN, SECRETS)}"
    response = client.post(f"/auth/signout?csrfToken={TOKEN}", headers={"Cookie": cookie})
    assert response.status_code == 403


def test_the_browser_keeps_its_token(client: FlaskClient) -> None:
    first = client.get("/auth/csrf")
    second = client.get("/auth/csrf")
    assert first.get_json() == second.get_json()
    assert "Set-Cookie" not in second.headers


@pytest.mark.parametrize("path", ["/auth/callback/credentials", "/auth/signout"])
def test_sec_106_who_signs_in_or_out_gets_another_token(client: FlaskClient, path: str) -> None:
    token = client.get("/auth/csrf").get_json()["csrfToken"]
    response = client.post(path, data={"csrfToken": token, "password": "ok"})
    assert NAME in set_cookies(response)
    assert client.get("/auth/csrf").get_json()["csrfToken"] != token


def test_an_authjs_cookie_of_the_same_secret_is_taken() -> None:
    vector = RECORDED[0]
    app, _ = make_app(SECRET=vector["secret"], COOKIE_PREFIX="authjs")
    cookie = f"authjs.csrf-token={vector['cookie_url_encoded']}"
    response = app.test_client(use_cookies=False).get("/auth/csrf", headers={"Cookie": cookie})
    assert response.get_json() == {"csrfToken": vector["csrfToken"]}
    assert "Set-Cookie" not in response.headers
