"""``/client.js``: the module for pages, and its types."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_jwtsession import JWTSession

from .support import HTTPS, SECRET, make_app

MODULE, TYPES = "/auth/client.js", "/auth/client.d.ts"


def test_the_module_is_javascript_that_nobody_may_take_for_anything_else(
    client: FlaskClient,
) -> None:
    response = client.get(MODULE)
    assert response.status_code == 200
    assert response.content_type == "text/javascript; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "export function getSnapshot" in response.text


def test_the_types_are_text(client: FlaskClient) -> None:
    response = client.get(TYPES)
    assert response.content_type == "text/plain; charset=utf-8"
    assert "export function getSnapshot(): Snapshot;" in response.text


def test_the_module_has_less_than_6_kb_compressed(client: FlaskClient) -> None:
    assert len(gzip.compress(client.get(MODULE).data, 9)) < 6_000


@pytest.mark.parametrize("path", [MODULE, TYPES])
def test_it_is_about_nobody_and_any_cache_may_keep_it(client: FlaskClient, path: str) -> None:
    client.post("/sign-in", base_url=HTTPS)
    response = client.get(path, base_url=HTTPS)
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "Vary" not in response.headers
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", [MODULE, TYPES])
def test_it_is_sent_once_and_then_confirmed(client: FlaskClient, path: str) -> None:
    etag = client.get(path).headers["ETag"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == etag
    assert again.headers["Cache-Control"] == "public, max-age=300"
    assert client.get(path, headers={"If-None-Match": '"another"'}).status_code == 200


def test_two_files_have_two_etags(client: FlaskClient) -> None:
    assert client.get(MODULE).headers["ETag"] != client.get(TYPES).headers["ETag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(client: FlaskClient, method: str) -> None:
    assert client.open(MODULE, method=method).status_code == 405


def test_it_is_not_behind_the_guard_of_the_whole_application() -> None:
    app, _ = make_app(PROTECT_ALL=True)
    assert app.test_client().get(MODULE).status_code == 200


@pytest.mark.parametrize("prefix", ["/api/auth", "/konto"])
def test_it_is_beside_the_other_endpoints(prefix: str) -> None:
    app, _ = make_app(URL_PREFIX=prefix)
    assert app.test_client().get(f"{prefix}/client.js").status_code == 200


def test_each_instance_has_one() -> None:
    app, _ = make_app()
    app.config.update(STAFF_SECRET=SECRET[::-1], STAFF_STORE="memory", STAFF_URL_PREFIX="/staff")
    app.config.update(STAFF_COOKIE_PREFIX="staff")
    JWTSession(app, config_prefix="STAFF")
    client = app.test_client()
    assert client.get("/staff/client.js").data == client.get(MODULE).data


def test_a_hook_of_the_application_is_asked_as_for_any_view(app: Flask) -> None:
    asked: list[str] = []
    hook: Callable[[], None] = lambda: asked.append("before")  # noqa: E731
    app.before_request(hook)
    app.test_client().get(MODULE)
    assert asked == ["before"]
