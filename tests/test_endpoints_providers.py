"""``/providers``: the ways to sign in."""

from __future__ import annotations

from flask.testing import FlaskClient

from .support import HTTPS, Clock, make_app, set_cookies


def test_credentials_are_a_provider(client: FlaskClient) -> None:
    response = client.get("/auth/providers", base_url=HTTPS)
    assert response.get_json() == {
        "credentials": {
            "id": "credentials",
            "name": "Credentials",
            "type": "credentials",
            "signinUrl": "https://app.test/auth/signin/credentials",
            "callbackUrl": "https://app.test/auth/callback/credentials",
        }
    }


def test_without_a_callback_there_is_none(clock: Clock) -> None:
    app, _ = make_app(clock)
    assert app.test_client().get("/auth/providers", base_url=HTTPS).get_json() == {}


def test_sec_149_the_answer_is_not_kept_and_sets_no_cookie(client: FlaskClient) -> None:
    response = client.get("/auth/providers", base_url=HTTPS)
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    assert "Cookie" in response.vary
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not set_cookies(response)


def test_the_urls_are_below_the_mount_point_and_the_prefix(clock: Clock) -> None:
    app, auth = make_app(clock, URL_PREFIX="/account/auth")
    auth.credentials(lambda credentials: None)
    response = app.test_client().get(
        "/account/auth/providers", base_url=HTTPS, environ_overrides={"SCRIPT_NAME": "/shop"}
    )
    assert response.get_json()["credentials"]["callbackUrl"] == (
        "https://app.test/shop/account/auth/callback/credentials"
    )
