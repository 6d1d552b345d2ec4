"""Login transactions: one encrypted cookie an attempt, found again by its ``state``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from flask_jwtsession.lifecycle.state import RequestSession, state_of
from flask_jwtsession.providers.transactions import (
    LIFETIME,
    MAX_LIVE,
    MAX_TOTAL,
    Transaction,
    close_transaction,
    new_state,
    open_transaction,
)

from .support import HTTPS, NOW, Clock, binding_of, make_app, seal

HOST = "__Host-jwtsession.login"


@pytest.fixture
def app(clock: Clock) -> Flask:
    return make_app(clock)[0]


def transaction(**changed: Any) -> Transaction:
    values: dict[str, Any] = {
        "kind": "sign_in",
        "provider": "op",
        "started": NOW,
        "target": "/after",
        "state": new_state(),
        "nonce": "a nonce",
        "code_verifier": "a verifier",
        "redirect_uri": f"{HTTPS}/auth/callback/op",
    }
    return Transaction(**{**values, **changed})


def request_with(app: Flask, *cookies: str, base_url: str = HTTPS) -> Any:
    return app.test_request_context(
        "/", base_url=base_url, headers={"Cookie": "; ".join(cookies)} if cookies else {}
    )


def opened(app: Flask, one: Transaction, *cookies: str, base_url: str = HTTPS) -> dict[str, str]:
    """The Set-Cookie lines, by name, of a request that begins ``one``."""
    with request_with(app, *cookies, base_url=base_url):
        state = state_of(binding_of(app))
        open_transaction(state, one)
        return dict(state.lines)


def cookie_for(app: Flask, one: Transaction) -> str:
    """What the browser sends after ``one`` began."""
    [line] = opened(app, one).values()
    return line.partition(";")[0]


def closed(
    app: Flask, value: object, *cookies: str, kind: str = "sign_in", provider: str | None = "op"
) -> tuple[Transaction | None, dict[str, str]]:
    with request_with(app, *cookies):
        state: RequestSession = state_of(binding_of(app))
        return close_transaction(state, value, kind=kind, provider=provider), dict(state.lines)


def test_what_was_opened_comes_back(app: Flask) -> None:
    one = transaction()
    found, lines = closed(app, one.state, cookie_for(app, one))
    assert found == one
    [(name, line)] = lines.items()
    assert name == f"{HOST}.{one.state.partition('.')[0]}"
    assert "Max-Age=0" in line


def test_its_cookie_has_every_attribute(app: Flask) -> None:
    [(name, line)] = opened(app, transaction()).items()
    assert re.fullmatch(re.escape(HOST) + r"\.[A-Za-z0-9_-]{16}", name)
    assert line.split("; ")[2:] == ["Max-Age=900", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"]
    assert len(line) <= 4096


def test_a_strict_session_cookie_leaves_this_one_lax(clock: Clock) -> None:
    app, _ = make_app(clock, COOKIE_SAMESITE="Strict")
    [line] = opened(app, transaction()).values()
    assert line.endswith("SameSite=Lax")


def test_it_never_has_a_domain(clock: Clock) -> None:
    app, _ = make_app(clock, COOKIE_DOMAIN="app.test")
    [(name, line)] = opened(app, transaction()).items()
    assert name.startswith("__Host-")
    assert "Domain" not in line


@pytest.mark.parametrize("base_url", [HTTPS, "http://localhost"])
def test_sec_172_only_for_form_post_it_comes_back_from_another_site(
    app: Flask, base_url: str
) -> None:
    one = transaction(form_post=True)
    [line] = opened(app, one, base_url=base_url).values()
    assert line.split("; ")[-2:] == ["Secure", "SameSite=None"]
    _, lines = closed(app, one.state, cookie_for(app, one))
    assert next(iter(lines.values())).endswith("Secure; SameSite=None")


def test_nothing_of_it_can_be_read_in_the_cookie(app: Flask) -> None:
    one = transaction()
    text = cookie_for(app, one)
    for secret in (one.nonce, one.code_verifier, one.state.partition(".")[2], "after"):
        assert secret not in text


def test_its_repr_has_no_secret_in_it() -> None:
    one = transaction()
    for secret in (one.nonce, one.code_verifier, one.state):
        assert secret not in repr(one)


@pytest.mark.parametrize(
    ("seconds", "lives"), [(0, True), (LIFETIME - 1, True), (LIFETIME, False), (-16, False)]
)
def test_sec_160_it_lives_a_quarter_of_an_hour(
    app: Flask, clock: Clock, seconds: int, lives: bool
) -> None:
    one = transaction()
    cookie = cookie_for(app, one)
    clock.now = NOW + seconds
    found, lines = closed(app, one.state, cookie)
    assert (found is not None) is lives
    assert lines  # and is gone after it, in any case


STATES: dict[str, object] = {
    "SEC-160-missing": None,
    "SEC-160-empty": "",
    "SEC-160-a-list": ["x"],
    "SEC-160-a-dot": ".",
    "SEC-160-no-identifier": "." + "x" * 32,
    "SEC-160-not-ascii": "é" * 16 + ".x",
    "SEC-160-a-newline": "A" * 16 + "\n.x",
    "SEC-160-long": "A" * 100_000,
    "SEC-160-another": new_state(),
}


@pytest.mark.parametrize("value", STATES.values(), ids=STATES)
def test_another_state_finds_nothing_and_deletes_nothing(app: Flask, value: object) -> None:
    assert closed(app, value, cookie_for(app, transaction())) == (None, {})


def test_sec_160_the_identifier_alone_is_not_the_state(app: Flask) -> None:
    one = transaction()
    identifier = one.state.partition(".")[0]
    for value in (identifier, f"{identifier}.", f"{identifier}.{'x' * 32}", one.state + "x"):
        found, lines = closed(app, value, cookie_for(app, one))
        assert found is None
        assert len(lines) == 1  # somebody guesses: this attempt is over


@pytest.mark.parametrize(
    "changed", [{"provider": "other"}, {"kind": "sign_out"}], ids=["SEC-163-provider", "kind"]
)
def test_it_counts_for_its_own_provider_and_purpose(app: Flask, changed: dict[str, str]) -> None:
    one = transaction(**changed)
    found, lines = closed(app, one.state, cookie_for(app, one))
    assert found is None
    assert len(lines) == 1


def test_sec_160_a_cookie_under_another_attempts_name_is_none(app: Flask) -> None:
    one, other = transaction(), transaction()
    _, _, value = cookie_for(app, one).partition("=")
    name = f"{HOST}.{other.state.partition('.')[0]}"
    assert closed(app, other.state, f"{name}={value}")[0] is None


def test_sec_017_a_session_token_is_no_transaction(app: Flask) -> None:
    one = transaction()
    name = f"{HOST}.{one.state.partition('.')[0]}"
    token = seal(app, {"state": one.state, "kind": "sign_in", "provider": "op"}, https=True)
    assert closed(app, one.state, f"{name}={token}")[0] is None


def test_sec_017_a_transaction_is_no_session(app: Flask) -> None:
    _, _, value = cookie_for(app, transaction()).partition("=")
    answer = app.test_client(use_cookies=False).get(
        "/auth/session",
        base_url=HTTPS,
        headers={"Cookie": f"__Host-jwtsession.session-token={value}"},
    )
    assert answer.get_json() is None


def test_sec_067_of_a_planted_cookie_and_the_real_one_the_real_one_counts(app: Flask) -> None:
    one = transaction()
    cookie = cookie_for(app, one)
    name = cookie.partition("=")[0]
    assert closed(app, one.state, f"{name}=planted", cookie)[0] == one
    assert closed(app, one.state, cookie, f"{name}=planted")[0] == one


@pytest.mark.parametrize("text", ["", "garbage", "a.b.c.d.e", "x" * 4000])
def test_sec_160_a_cookie_that_cannot_be_read_is_deleted(app: Flask, text: str) -> None:
    one = transaction()
    name = cookie_for(app, one).partition("=")[0]
    found, lines = closed(app, one.state, f"{name}={text}")
    assert found is None
    assert list(lines) == [name]


def test_two_attempts_live_beside_each_other(app: Flask) -> None:
    one, other = transaction(), transaction(target="/other")
    cookies = [cookie_for(app, one), cookie_for(app, other)]
    assert closed(app, one.state, *cookies)[0] == one
    assert closed(app, other.state, *cookies)[0] == other


def test_sec_181_the_oldest_goes_when_there_are_too_many(app: Flask) -> None:
    attempts = [transaction(started=NOW - number) for number in range(MAX_LIVE)]
    cookies = [cookie_for(app, one) for one in attempts]
    newest = transaction()
    lines = opened(app, newest, *cookies)
    deleted = {name for name, line in lines.items() if "Max-Age=0" in line}
    assert deleted == {cookies[-1].partition("=")[0]}  # the one that began first
    assert len(lines) == 2


def test_sec_181_one_below_the_limit_is_left_alone(app: Flask) -> None:
    cookies = [cookie_for(app, transaction()) for _ in range(MAX_LIVE - 1)]
    assert len(opened(app, transaction(), *cookies)) == 1


def test_sec_181_what_is_over_or_broken_goes_first(app: Flask, clock: Clock) -> None:
    over = cookie_for(app, transaction())
    clock.advance(LIFETIME)
    alive = [cookie_for(app, transaction(started=clock.now)) for _ in range(MAX_LIVE - 1)]
    broken = f"{HOST}.{'x' * 16}=broken"
    lines = opened(app, transaction(started=clock.now), over, broken, *alive)
    deleted = {name for name, line in lines.items() if "Max-Age=0" in line}
    assert deleted == {over.partition("=")[0], broken.partition("=")[0]}


def test_sec_181_of_hundreds_of_planted_ones_only_a_few_are_looked_into(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = binding_of(app).https.login_tokens
    asked: list[str] = []

    def decode(text: str) -> bytes:
        asked.append(text)
        return b"{}"

    monkeypatch.setattr(tokens, "decode", decode)
    planted = [f"{HOST}.{number:016d}=x" for number in range(300)]
    lines = opened(app, transaction(), *planted)
    assert len(asked) == 20
    assert len(lines) == 21  # the others are left for the next start


def test_the_secrets_of_a_state_are_long_enough() -> None:
    states = {new_state() for _ in range(1000)}
    assert len(states) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{32}", state) for state in states)


def test_long_targets_do_not_fill_the_cookie_header(app: Flask, clock: Clock) -> None:
    """A server that takes 8 KiB of it would answer no request of this browser any more."""
    cookies: list[str] = []
    one = transaction()
    for _ in range(MAX_LIVE):
        clock.advance(1)
        one = transaction(started=clock.now, target="/" + "x" * 2000)
        lines = opened(app, one, *cookies)
        gone = {name for name, line in lines.items() if "Max-Age=0" in line}
        cookies = [text for text in cookies if text.partition("=")[0] not in gone]
        cookies += [line.partition(";")[0] for line in lines.values() if "Max-Age=0" not in line]
        assert len("; ".join(cookies)) <= MAX_TOTAL + 20
    found, _ = closed(app, one.state, *cookies)
    assert found is not None
    assert found.state == one.state


@pytest.mark.parametrize(
    ("target", "is_kept"),
    [
        ("/" + "x" * 1023, True),
        ("/" + "x" * 1024, False),
        ("/" + "é" * 511, True),
        ("/" + "é" * 2000, False),
        ("/" + "\U0001f98a" * 2000, False),
        ("/?" + '"' * 511, True),
        ("/?" + '"' * 512, False),  # each of them is two characters of JSON
        ("/?" + '"' * 2000, False),
    ],
)
def test_a_target_that_is_too_long_is_given_up_and_not_the_sign_in(
    app: Flask, target: str, is_kept: bool
) -> None:
    one = transaction(target=target)
    found, lines = closed(app, one.state, cookie_for(app, one))  # one cookie, and no chunks
    assert found is not None
    assert found.target == (target if is_kept else None)
    assert len(lines) == 1


def test_sec_067_a_planted_cookie_does_not_take_a_live_attempt_with_it(app: Flask) -> None:
    one = transaction()
    cookie = cookie_for(app, one)
    name = cookie.partition("=")[0]
    assert len(opened(app, transaction(), f"{name}=planted", cookie)) == 1
