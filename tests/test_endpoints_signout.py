"""``/signout``: a page that asks, and a POST that does it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from .browsing import csrf_pair, is_signed_in, signed_in_client
from .conftest import add_views
from .support import (
    HTTPS,
    NAVIGATION,
    NOW,
    SAME_ORIGIN,
    Clock,
    binding_of,
    claims_at,
    get,
    make_app,
    seal,
    session_cookie_name,
    session_token,
    set_cookies,
)

Signals = list[tuple[str, dict[str, Any]]]
NAME = "__Host-jwtsession.session-token"


def test_the_page_asks_and_signs_nobody_out(app: Flask) -> None:
    client = signed_in_client(app)
    response = client.get("/auth/signout?callbackUrl=/bye", base_url=HTTPS, headers=NAVIGATION)
    page = response.get_data(as_text=True)
    assert '<form method="post" action="/auth/signout">' in page
    assert '<input type="hidden" name="callbackUrl" value="/bye">' in page
    assert is_signed_in(client)


def test_a_post_signs_out_and_leads_on(app: Flask, signals: Signals) -> None:
    client = signed_in_client(app)
    signals.clear()
    response = client.post(
        "/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN, data={"callbackUrl": "/bye"}
    )
    assert response.status_code == 302
    assert response.headers["Location"] == "https://app.test/bye"
    assert response.headers["Cache-Control"] == "private, no-cache, no-store"
    deleted = set_cookies(response)[NAME]
    assert (deleted.value, deleted.deletes) == ("", True)
    assert deleted.line.endswith("; Path=/; HttpOnly; Secure; SameSite=Lax")
    assert not is_signed_in(client)
    [(name, arguments)] = signals
    assert (name, arguments["reason"]) == ("signed-out", "user")
    assert arguments["session"].user["name"] == "Ada"


@pytest.mark.parametrize(
    "headers", [{"X-Auth-Return-Redirect": "1"}, {"Accept": "application/json"}]
)
def test_a_program_is_told_where_to_go(app: Flask, headers: dict[str, str]) -> None:
    client = signed_in_client(app)
    response = client.post("/auth/signout", base_url=HTTPS, headers={**SAME_ORIGIN, **headers})
    assert (response.status_code, response.get_json()) == (200, {"url": "https://app.test"})
    assert not is_signed_in(client)


def test_the_client_of_nextauth_v4_is_told_where_to_go(app: Flask) -> None:
    client = app.test_client()
    client.post("/sign-in", headers=SAME_ORIGIN)
    fields = {"json": "true", "callbackUrl": "/a"}
    response = client.post("/auth/signout", data=fields, headers=SAME_ORIGIN)
    assert response.get_json() == {"url": "http://localhost/a"}
    assert client.get("/private").status_code == 401


def test_the_body_may_be_json_or_missing(app: Flask) -> None:
    for sent in ({"json": {"callbackUrl": "/a"}}, {}):
        client = signed_in_client(app)
        sent_any: dict[str, Any] = sent
        response = client.post("/auth/signout", base_url=HTTPS, headers=SAME_ORIGIN, **sent_any)
        assert response.status_code == 302
        assert not is_signed_in(client)


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(None, id="nobody"),
        pytest.param("garbage", id="a bad cookie"),
        pytest.param({"exp": NOW - 60, "iat": NOW - 120}, id="an expired session"),
    ],
)
def test_who_is_not_signed_in_is_signed_out_without_a_word(
    app: Flask, signals: Signals, cookie: str | dict[str, Any] | None
) -> None:
    token = seal(app, claims_at(NOW, **cookie), https=True) if isinstance(cookie, dict) else cookie
    headers = SAME_ORIGIN if token is None else {**SAME_ORIGIN, "Cookie": f"{NAME}={token}"}
    client = app.test_client(use_cookies=False)
    response = client.post("/auth/signout", base_url=HTTPS, headers=headers)
    assert response.status_code == 302
    assert set_cookies(response)[NAME].deletes
    assert ("signed-out", "user") not in [(name, one.get("reason")) for name, one in signals]


def test_every_chunk_that_the_browser_has_is_deleted(app: Flask) -> None:
    cookies = "; ".join(f"{NAME}.{number}=x" for number in range(3))
    response = app.test_client(use_cookies=False).post(
        "/auth/signout", base_url=HTTPS, headers={**SAME_ORIGIN, "Cookie": cookies}
    )
    deleted = {name for name, cookie in set_cookies(response).items() if cookie.deletes}
    assert deleted == {NAME, f"{NAME}.0", f"{NAME}.1", f"{NAME}.2"}


def test_the_csrf_token_is_renewed(app: Flask) -> None:
    client = signed_in_client(app)
    token, cookie = csrf_pair(app)
    client.set_cookie("__Host-jwtsession.csrf-token", cookie, domain="app.test", secure=True)
    response = client.post("/auth/signout", base_url=HTTPS, data={"csrfToken": token})
    renewed = set_cookies(response)["__Host-jwtsession.csrf-token"]
    assert not renewed.deletes
    assert token not in renewed.value


def test_the_page_can_be_the_applications_own(clock: Clock) -> None:
    app, auth = make_app(clock, PAGES={"sign_out": "/bye?x=1"})
    add_views(app, auth)
    response = app.test_client().get("/auth/signout?callbackUrl=/a", base_url=HTTPS)
    assert response.headers["Location"] == "/bye?x=1&callbackUrl=%2Fa"


def test_sec_083_a_copied_cookie_is_good_for_nothing_after_the_sign_out(app: Flask) -> None:
    client = app.test_client()
    copied = session_token(client.post("/sign-in", headers=SAME_ORIGIN))
    thief = f"{session_cookie_name(app)}={copied}"
    assert get(app.test_client(), "/private", thief).status_code == 200
    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert client.get("/private").status_code == 401
    assert get(app.test_client(), "/private", thief).status_code == 401


def test_sec_083_sec_091_without_a_store_a_copied_cookie_is_good_until_it_runs_out(
    clock: Clock,
) -> None:
    """What a stateless session cannot do, and the docs say so: the copy outlives the sign-out."""
    app, auth = make_app(clock, STORE=None)
    add_views(app, auth)
    client = app.test_client()
    copied = session_token(client.post("/sign-in", headers=SAME_ORIGIN))
    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert client.get("/private").status_code == 401
    thief = f"{session_cookie_name(app)}={copied}"
    assert get(app.test_client(), "/private", thief).status_code == 200
    clock.advance(30 * 86_400 + 16)
    assert get(app.test_client(), "/private", thief).status_code == 401


def test_sec_230_garbage_leaves_nothing_behind(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client = app.test_client()
    kept = binding_of(app).http.tokens._verified
    for number in range(2000):
        get(client, "/session", f"{session_cookie_name(app)}=a.b.c.d{number}.e")
    assert len(kept) == 0
    assert len(caplog.records) == 1
