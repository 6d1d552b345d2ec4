"""Sign-ins with a provider that is wrong in one thing: none may succeed, and none may crash.

Each case is a fault of `tests.peers.faulty_provider`; its id names the row of the attack table. The
cases of `TOLERATED` and the tests without a fault are there so that no refusal passes for a wrong
reason.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import math
import socket
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ..peers.faulty_provider import Fault, FaultyProvider
from ..peers.faulty_provider.faults import (
    AUTH_TIME_FAULTS,
    CALLBACK_FAULTS,
    ID_TOKEN_FAULTS,
    JWKS_FAULTS,
    LIFETIME_FAULTS,
    METADATA_FAULTS,
    ODD_PROFILES,
    REVOCATION_FAULTS,
    SCRIPT,
    TOKEN_FAULTS,
    TOLERATED,
    USERINFO_FAULTS,
)
from ..support import CROSS_SITE, NAVIGATION, SAME_ORIGIN, Clock, set_cookies
from .provider_sign_in import (
    IMPATIENT,
    JSON,
    PATIENT,
    Browser,
    assert_refused,
    assert_tells_no_secret,
    logged_here,
    make_application,
    query_of,
)

#: What a failed sign-in is answered with, whoever is to blame.
FAILURE = {400, 502}
#: Where a fault has to come to light, so that none is refused for what another does.
EXPECTED_REASONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(JWKS_FAULTS, ("keys_", "id_token_")),
    **dict.fromkeys(ID_TOKEN_FAULTS, ("id_token_",)),
    **dict.fromkeys(TOKEN_FAULTS, ("token_",)),
    **dict.fromkeys(USERINFO_FAULTS, ("userinfo_",)),
    "id_token is 1 MB long": ("token_",),
}
#: Seconds after which an impatient application has certainly given up.
LONG = 8.0


def cases(table: dict[str, Fault]) -> list[Any]:
    return [
        pytest.param(name, id=f"{fault.row} {name}", marks=_marks(name))
        for name, fault in table.items()
    ]


def _marks(fault: str) -> list[pytest.MarkDecorator]:
    if "two Content-Lengths" in fault:
        # urllib3 refuses such an answer, and leaves its socket to the garbage collector.
        return [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
    return []


def blamed(caplog: pytest.LogCaptureFixture) -> str:
    """What the last sign-in that failed is said to have failed at: the reason in the log."""
    prefix = "A sign-in with op did not work: "
    lines = [record.getMessage() for record in caplog.records]
    reasons = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return reasons[-1]


def as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def is_slow(fault: str) -> bool:
    return "hangs" in fault or "drips" in fault


@pytest.fixture(autouse=True)
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hosts that anybody wanted to connect to. Nobody may want any but the provider's."""
    hosts: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        hosts.append(str(host))
        if host != "127.0.0.1":
            raise socket.gaierror(f"this test looks up no {host}")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield hosts
    assert set(hosts) <= {"127.0.0.1"}


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture(autouse=True)
def nothing_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a case is allowed to leave to the garbage collector, no later test stumbles over."""
    yield
    if request.node.get_closest_marker("filterwarnings"):
        gc.collect()


@pytest.fixture
def provider(clock: Clock) -> Iterator[FaultyProvider]:
    with FaultyProvider(clock) as running:
        yield running


@pytest.fixture
def browser(clock: Clock, provider: FaultyProvider) -> Browser:
    app, _ = make_application(clock, provider)
    return Browser(app, provider)


def browser_for(fault: str, clock: Clock, provider: FaultyProvider, **config: Any) -> Browser:
    """A browser of an application that does not wait long for a provider that is known to be
    slow.
    """
    app, _ = make_application(
        clock, provider, timeout=IMPATIENT if is_slow(fault) else PATIENT, **config
    )
    return Browser(app, provider)


# Without a fault.


def test_a_sign_in_without_a_fault_works(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    response = browser.sign_in()
    assert response.status_code == 302
    assert response.headers["Location"] == "http://localhost/account"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    known = browser.account()
    assert known["claims"]["sub"] == "op|u-1"
    assert known["claims"]["email"] == "ada@example.com"
    assert known["account"]["provider_account_id"] == "u-1"
    assert known["account"]["expires_at"] == provider.clock() + 3600
    assert browser.transactions() == []
    assert [one.endpoint for one in provider.received] == [
        "metadata",
        "authorize",
        "token",
        "jwks",
        "userinfo",
    ]
    assert_tells_no_secret(response, provider, caplog)


def test_a_public_client_signs_in_too(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider, public=True)
    browser = Browser(app, provider)
    assert browser.sign_in().status_code == 302
    assert browser.is_signed_in()
    (redeemed,) = provider.requests_to("token")
    assert redeemed.form["client_id"] == provider.public_client_id
    assert "Authorization" not in redeemed.headers


@pytest.mark.parametrize("fault", cases(TOLERATED))
def test_what_a_provider_may_do_stands_in_nobodys_way(
    browser: Browser, provider: FaultyProvider, fault: str
) -> None:
    with provider.failing(fault):
        response = browser.sign_in()
    assert response.status_code == 302, response.get_data(as_text=True)
    assert browser.account()["claims"]["sub"] == "op|u-1"


def test_a_sign_in_with_form_post_works(clock: Clock, provider: FaultyProvider) -> None:
    app, _ = make_application(clock, provider, form_post=True)
    browser = Browser(app, provider, form_post=True)
    assert browser.sign_in().status_code == 302
    assert browser.is_signed_in()
    assert browser.transactions() == []


# PKCE, and how the client authenticates.


@pytest.mark.parametrize("public", [False, True], ids=["with a secret", "public"])
def test_sec_161_the_verifier_belongs_to_the_s256_challenge(
    clock: Clock, provider: FaultyProvider, public: bool
) -> None:
    app, _ = make_application(clock, provider, public=public)
    Browser(app, provider).sign_in()
    (asked,), (redeemed,) = provider.requests_to("authorize"), provider.requests_to("token")
    verifier = redeemed.form["code_verifier"]
    digest = hashlib.sha256(verifier.encode()).digest()
    assert asked.query["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert asked.query["code_challenge_method"] == "S256"
    assert asked.query["response_type"] == "code"
    assert "code_verifier" not in asked.query


def test_sec_161_no_two_attempts_share_a_verifier_a_state_or_a_nonce(
    browser: Browser, provider: FaultyProvider
) -> None:
    for _ in range(3):
        browser.sign_in()
    asked = provider.requests_to("authorize")
    for name in ("state", "nonce", "code_challenge"):
        assert len({one.query[name] for one in asked}) == 3
        assert all(len(one.query[name]) >= 22 for one in asked)


def test_sec_174_the_query_changes_no_parameter_of_the_protocol(browser: Browser) -> None:
    honest = query_of(browser.start().headers["Location"])
    hostile = dict.fromkeys(honest, "evil") | {"request_uri": "evil", "request": "evil"}
    asked = query_of(browser.start(**hostile).headers["Location"])
    assert asked.keys() == honest.keys()
    assert "evil" not in asked.values()


def test_sec_180_the_client_secret_goes_to_the_token_endpoint_alone(
    browser: Browser, provider: FaultyProvider
) -> None:
    browser.sign_in()
    for one in provider.received:
        kind = one.headers.get("Authorization", "").partition(" ")[0]
        assert kind == {"token": "Basic", "userinfo": "Bearer"}.get(one.endpoint, "")
        assert provider.client_secret not in one.path
        assert provider.client_secret not in str(one.form)
        assert "Referer" not in one.headers
        assert "Cookie" not in one.headers


def test_sec_180_passwords_of_the_machines_user_go_nowhere(
    browser: Browser, provider: FaultyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password a-private-password")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert browser.sign_in().status_code == 302
    stolen = b64encode(b"somebody:a-private-password").decode()
    assert provider.received
    for one in provider.received:
        if one.endpoint != "authorize":  # there the browser came
            assert stolen not in one.headers.get("Authorization", "")


# Discovery.


@pytest.mark.parametrize("fault", cases(METADATA_FAULTS))
def test_a_sign_in_does_not_begin_with_metadata_that_are_not_right(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    browser = browser_for(fault, clock, provider)
    began = monotonic()
    with provider.failing(fault):
        response = browser.start()
    assert monotonic() - began < (LONG if is_slow(fault) else PATIENT)
    assert_refused(response, browser, caplog, status={502})
    assert "Location" not in response.headers
    assert browser.transactions() == []
    assert blamed(caplog).startswith("metadata_")
    # Neither was anything but the metadata asked for.
    assert {one.endpoint for one in provider.received} == {"metadata"}


def test_sec_164_a_provider_that_is_down_is_no_error_of_the_application(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with provider.down():
        assert_refused(browser.start(), browser, caplog, status={502})


def test_sec_164_a_failure_is_remembered_for_seconds_and_not_longer(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    with provider.failing("metadata is 500"):
        for _ in range(3):
            assert browser.start().status_code == 502
    assert browser.start().status_code == 502
    assert provider.count("metadata") == 1
    clock.advance(10)
    assert browser.sign_in().status_code == 302
    assert provider.count("metadata") == 2


def test_sec_164_the_failure_of_one_provider_is_not_another_ones(
    clock: Clock, provider: FaultyProvider
) -> None:
    with FaultyProvider(clock) as other:
        app, _ = make_application(clock, provider, other)
        with provider.failing("metadata is 500"):
            assert Browser(app, provider).start().status_code == 502
        assert Browser(app, other).sign_in("op2").status_code == 302


# The callback's parameters.


@pytest.mark.parametrize("form_post", [False, True], ids=["GET", "POST"])
@pytest.mark.parametrize("fault", cases(CALLBACK_FAULTS))
def test_a_callback_that_is_not_right_redeems_no_code(
    clock: Clock,
    provider: FaultyProvider,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    form_post: bool,
) -> None:
    app, _ = make_application(clock, provider, form_post=form_post)
    browser = Browser(app, provider, form_post=form_post)
    with provider.failing(fault):
        response = browser.sign_in()
    assert_refused(response, browser, caplog, status={400})
    assert provider.count("token") == 0
    assert "Location" not in response.headers
    assert response.headers["Referrer-Policy"] == "no-referrer"
    said, logged = response.get_data(as_text=True), logged_here(caplog)
    for text in (SCRIPT, "javascript:", "\x1b", "\0", "Set-Cookie: a=b", "x" * 1000):
        assert text not in said
        assert text not in logged
    # Without its state nobody can tell which of several attempts a callback belongs to.
    if "state" not in fault and "fragment" not in fault:
        assert browser.transactions() == []


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "error_description"])
def test_sec_171_a_parameter_of_100_kb_is_refused_like_any_other(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = browser.approve(browser.start())
    sent = {**query_of(path), name: "x" * 100_000}
    if name == "error_description":
        sent["error"] = "access_denied"
    response = browser.come_back(f"{urlsplit(path).path}?{urlencode(sent)}")
    assert_refused(response, browser, caplog, status={400})
    assert len(response.get_data()) < 10_000
    assert len(logged_here(caplog)) < 10_000
    assert provider.count("token") == 0


@pytest.mark.parametrize("fault", ["callback has an error", "callback has a wrong iss"])
def test_sec_163_a_code_is_worth_nothing_after_a_callback_that_was_refused(
    browser: Browser, provider: FaultyProvider, fault: str
) -> None:
    started = browser.start()
    honest = browser.approve(started)
    with provider.failing(fault):
        assert browser.come_back(browser.approve(started)).status_code == 400
    assert browser.come_back(honest).status_code == 400
    assert not browser.is_signed_in()
    assert provider.count("token") == 0


@pytest.mark.parametrize("iss", ["its own", "the other's", None])
def test_sec_163_a_code_of_one_provider_is_not_taken_at_the_callback_of_another(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, iss: str | None
) -> None:
    with FaultyProvider(clock) as other:
        app, _ = make_application(clock, provider, other)
        browser = Browser(app, provider)
        sent = query_of(browser.approve(browser.start("op")))
        del sent["iss"]
        if iss is not None:
            sent["iss"] = provider.issuer if iss == "its own" else other.issuer
        response = browser.come_back(f"/auth/callback/op2?{urlencode(sent)}")
        assert_refused(response, browser, caplog, status={400})
        assert_tells_no_secret(response, other, caplog)
        assert (provider.count("token"), other.count("token")) == (0, 0)


def test_sec_163_an_answer_of_one_provider_does_not_fit_an_attempt_with_another(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """The mix-up attack (RFC 9700 section 4.4): the browser is led to the honest provider with the
    state of an attempt at the attacker's.
    """
    with FaultyProvider(clock) as attacker:
        app, _ = make_application(clock, provider, attacker)
        browser = Browser(app, provider)
        location = browser.start("op2").headers["Location"]
        path = browser.approve(browser.start("op"))
        state = query_of(location)["state"]
        code = query_of(path)["code"]
        for iss in (provider.issuer, None):
            query = f"code={code}&state={state}" + ("" if iss is None else f"&iss={iss}")
            response = browser.come_back(f"/auth/callback/op2?{query}")
            assert_refused(response, browser, caplog, status={400})
        assert attacker.count("token") == 0


def test_sec_160_another_browser_cannot_finish_what_this_one_began(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Else an attacker could sign somebody in as themselves."""
    path = browser.approve(browser.start())
    victim = Browser(browser.app, provider)
    victim.start()
    assert_refused(victim.come_back(path), victim, caplog, status={400})
    assert provider.count("token") == 0
    # Who began it still can.
    assert browser.come_back(path).status_code == 302


def test_sec_160_an_attempt_is_over_after_a_quarter_of_an_hour(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    path = browser.approve(browser.start())
    cookie = dict(browser.cookies())
    clock.advance(15 * 60 + 1)
    response = browser.client.get(path, headers={**NAVIGATION, "Cookie": as_header(cookie)})
    assert_refused(response, browser, caplog, status={400})
    assert provider.count("token") == 0


def test_sec_160_two_tabs_sign_in_at_once(browser: Browser, provider: FaultyProvider) -> None:
    paths = [browser.approve(browser.start()) for _ in range(2)]
    for path in reversed(paths):
        assert browser.come_back(path).status_code == 302
    assert provider.count("token") == 2


def test_sec_160_the_code_of_one_tab_does_not_fit_the_state_of_another(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """The code of an attacker, put into the victim's attempt: PKCE knows (RFC 9700 section 4.5)."""
    first, second = (query_of(browser.approve(browser.start())) for _ in range(2))
    query = urlencode({**first, "code": second["code"]})
    response = browser.come_back(f"/auth/callback/op?{query}")
    assert_refused(response, browser, caplog, status={502})
    assert blamed(caplog).startswith("token_refused")


@pytest.mark.parametrize("value", ["", "x", "e30.e30", "CHANGED", "OTHER", "TWICE"])
def test_sec_160_a_transaction_cookie_that_is_not_right_is_none(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    path = browser.approve(browser.start())
    ((name, honest),) = browser.cookies()
    other = Browser(browser.app, provider)
    other.start()
    ((_, others),) = other.cookies()
    sent = {
        "CHANGED": f"{name}={honest[:-1]}{'A' if honest[-1] != 'A' else 'B'}",
        "OTHER": f"{name}={others}",
        "TWICE": f"{name}={honest}; {name}={others}",
    }.get(value, f"{name}={value}")
    response = browser.app.test_client(use_cookies=False).get(
        path, headers={**NAVIGATION, "Cookie": sent}
    )
    browser.client.delete_cookie(name)
    assert_refused(response, browser, caplog, status={400})
    assert provider.count("token") == 0


def test_sec_171_a_head_request_spends_no_code(browser: Browser, provider: FaultyProvider) -> None:
    path = browser.approve(browser.start())
    assert browser.client.head(path).status_code == 405
    assert provider.count("token") == 0
    assert browser.come_back(path).status_code == 302


def test_sec_171_parameters_in_the_query_of_a_form_are_none(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = make_application(clock, provider, form_post=True)
    browser = Browser(app, provider)
    path = browser.approve(browser.start())
    response = browser.client.post(path, headers={**CROSS_SITE, **NAVIGATION})
    assert_refused(response, browser, caplog, status={400})
    assert provider.count("token") == 0


@pytest.mark.parametrize("name", ["nobody", "..", "op%2f..", "op%0d%0aX:", "OP", "op "])
def test_sec_173_there_is_no_sign_in_with_a_provider_that_there_is_not(
    browser: Browser, provider: FaultyProvider, name: str
) -> None:
    path = browser.approve(browser.start())
    answers = [
        browser.client.post(f"/auth/signin/{name}", headers=SAME_ORIGIN),
        browser.client.get(path.replace("/op?", f"/{name}?"), headers=NAVIGATION),
    ]
    assert [one.status_code for one in answers] == [404, 404]
    assert provider.count("token") == 0


def test_sec_169_a_callback_in_two_threads_redeems_the_code_once(
    browser: Browser, provider: FaultyProvider
) -> None:
    path = browser.approve(browser.start())
    headers = {**NAVIGATION, "Cookie": as_header(dict(browser.cookies()))}
    together = threading.Barrier(4)

    def come_back(_: int) -> int:
        together.wait(timeout=30)
        client = browser.app.test_client(use_cookies=False)
        return client.get(path, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(come_back, range(4))) == [302, 400, 400, 400]
    assert provider.count("token") == 1


def test_sec_169_the_same_callback_twice_redeems_the_code_once(
    browser: Browser, provider: FaultyProvider
) -> None:
    path = browser.approve(browser.start())
    assert browser.come_back(path).status_code == 302
    again = browser.come_back(path)
    assert again.status_code == 302
    assert again.headers["Location"].rstrip("/") == "http://localhost"
    assert provider.count("token") == 1
    elsewhere = Browser(browser.app, provider)
    assert elsewhere.come_back(path).status_code == 400
    assert not elsewhere.is_signed_in()


# Keys and tokens.


@pytest.mark.parametrize(
    "fault", cases(JWKS_FAULTS | ID_TOKEN_FAULTS | TOKEN_FAULTS | USERINFO_FAULTS)
)
def test_nobody_is_signed_in_by_a_provider_that_does_not_keep_to_the_rules(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    browser = browser_for(fault, clock, provider)
    with provider.failing(fault):
        path = browser.approve(browser.start())
        began = monotonic()
        response = browser.come_back(path)
    assert monotonic() - began < (LONG if is_slow(fault) else PATIENT)
    assert_refused(response, browser, caplog, status=FAILURE)
    assert blamed(caplog).startswith(EXPECTED_REASONS[fault])
    assert provider.count("token") <= 1
    assert "Location" not in response.headers
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert SCRIPT not in response.get_data(as_text=True)
    assert SCRIPT not in logged_here(caplog)
    assert browser.transactions() == []
    # And the attempt is over.
    assert browser.come_back(path).status_code == 400
    assert provider.count("token") <= 1


@pytest.mark.parametrize(
    "fault", ["token is refused", "id_token is by an attacker", "userinfo has another sub"]
)
def test_a_program_reads_of_a_failure_in_its_own_format(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    browser.accepts = JSON
    with provider.failing(fault):
        response = browser.sign_in()
    assert_refused(response, browser, caplog, status={502})
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["code"] == "provider_error"
    assert browser.transactions() == []


def test_sec_178_a_provider_that_goes_down_on_the_way_is_no_error_of_the_application(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    path = browser.approve(browser.start())
    with provider.down():
        response = browser.come_back(path)
    assert_refused(response, browser, caplog, status={502})
    assert browser.transactions() == []


@pytest.mark.parametrize("fault", cases(LIFETIME_FAULTS))
def test_a_lifetime_that_is_none_is_refused_or_not_kept(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    with provider.failing(fault):
        response = browser.sign_in()
    if response.status_code in FAILURE:
        assert_refused(response, browser, caplog, status=FAILURE)
        return
    assert response.status_code == 302
    expires_at = browser.account()["account"]["expires_at"]
    if expires_at is not None:
        assert type(expires_at) in (int, float)
        assert math.isfinite(expires_at)
        assert 0 < expires_at - provider.clock() < 11 * 365 * 86_400


def test_sec_178_a_lifetime_that_is_not_told_is_not_made_up(
    browser: Browser, provider: FaultyProvider
) -> None:
    with provider.failing("expires_in is missing"):
        assert browser.sign_in().status_code == 302
    assert browser.account()["account"]["expires_at"] is None


@pytest.mark.parametrize("fault", cases(ODD_PROFILES))
def test_an_odd_profile_is_refused_or_does_no_harm(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    with provider.failing(fault):
        response = browser.sign_in()
    if response.status_code in FAILURE:
        assert_refused(response, browser, caplog, status=FAILURE)
        return
    assert response.status_code == 302, response.get_data(as_text=True)
    claims = browser.account()["claims"]
    assert claims["sub"] == "op|u-1"
    assert claims["auth_time"] == claims["iat"] == provider.clock()
    assert "role" not in claims
    assert all(isinstance(claims.get(name, ""), str | None) for name in ("name", "email"))
    # What a page shows of it is text.
    page = browser.client.get("/auth/signout", headers=NAVIGATION)
    assert page.status_code == 200
    assert SCRIPT not in page.get_data(as_text=True)


# Who it is.


def test_sec_177_the_same_subject_of_two_providers_is_two_people(
    clock: Clock, provider: FaultyProvider
) -> None:
    with FaultyProvider(clock) as other:
        assert other.user["sub"] == provider.user["sub"]
        app, _ = make_application(clock, provider, other)
        subjects = []
        for name, at in (("op", provider), ("op2", other)):
            browser = Browser(app, at)
            assert browser.sign_in(name).status_code == 302
            subjects.append(browser.account()["claims"]["sub"])
    assert subjects == ["op|u-1", "op2|u-1"]


def test_sec_176_the_same_address_of_two_providers_is_two_people(
    clock: Clock, provider: FaultyProvider
) -> None:
    with FaultyProvider(clock) as other:
        other.user = {**other.user, "sub": "u-2", "email_verified": False}
        app, _ = make_application(clock, provider, other)
        browser = Browser(app, provider)
        browser.sign_in("op")
        first = browser.account()["claims"]
        # In the same browser: the one session takes the place of the other.
        browser.sign_in("op2")
        second = browser.account()["claims"]
    assert (first["sub"], second["sub"]) == ("op|u-1", "op2|u-2")
    assert first["sid"] != second["sid"]
    assert second.get("email") is None


def test_sec_177_a_subject_cannot_reach_into_another_providers_names(
    clock: Clock, provider: FaultyProvider
) -> None:
    with FaultyProvider(clock) as other:
        provider.user = {**provider.user, "sub": "2|u-1"}
        app, _ = make_application(clock, provider, other)
        browser = Browser(app, provider)
        browser.sign_in("op")
        assert browser.account()["claims"]["sub"] == "op|2|u-1"


# A fresh login.


def signed_in_long_ago(browser: Browser, clock: Clock) -> None:
    browser.sign_in()
    clock.advance(3600)


def test_a_fresh_login_lets_in_who_proves_it_once_more(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    signed_in_long_ago(browser, clock)
    started = browser.client.get("/fresh", headers=NAVIGATION)
    asked = query_of(started.headers["Location"])
    assert (asked["prompt"], asked["max_age"]) == ("login", "60")
    response = browser.come_back(browser.approve(started))
    assert response.status_code == 302
    assert response.headers["Location"] == "http://localhost/fresh"
    assert browser.client.get("/fresh", headers=NAVIGATION).status_code == 200


@pytest.mark.parametrize("fault", cases(AUTH_TIME_FAULTS))
def test_a_fresh_login_is_not_what_the_provider_does_not_vouch_for(
    browser: Browser,
    provider: FaultyProvider,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    signed_in_long_ago(browser, clock)
    before = browser.account()["claims"]
    started = browser.client.get("/fresh", headers=NAVIGATION)
    with provider.failing(fault):
        response = browser.come_back(browser.approve(started))
    assert_refused(response, browser, caplog, status=FAILURE, still_signed_in=True)
    assert browser.transactions() == []
    # Who was signed in still is, and is as little fresh as before.
    assert browser.account()["claims"] == before
    again = browser.client.get("/fresh", headers=NAVIGATION)
    assert query_of(again.headers["Location"])["max_age"] == "60"


def test_sec_175_max_age_does_not_hold_for_a_login_that_did_not_ask_for_it(
    browser: Browser, provider: FaultyProvider
) -> None:
    provider.seconds_since_sign_in = 86_400
    assert browser.sign_in().status_code == 302


# What is kept of the provider, and for how long.


def test_a_second_sign_in_fetches_nothing_that_is_known(
    browser: Browser, provider: FaultyProvider
) -> None:
    for _ in range(3):
        assert browser.sign_in().status_code == 302
    assert (provider.count("metadata"), provider.count("jwks")) == (1, 1)


def test_a_new_key_is_fetched_once(browser: Browser, provider: FaultyProvider) -> None:
    browser.sign_in()
    provider.rotate_keys("op-2")
    for _ in range(3):
        assert browser.sign_in().status_code == 302
    assert provider.count("jwks") == 2


def test_a_key_that_is_gone_is_good_for_nothing(browser: Browser, provider: FaultyProvider) -> None:
    browser.sign_in()
    old = provider.keys
    provider.rotate_keys("op-2")
    browser.sign_in()
    browser.client.post("/auth/signout", headers=SAME_ORIGIN)
    with provider.signing_with(old[-1]):
        assert browser.sign_in().status_code == 502
    assert not browser.is_signed_in()


def test_keys_that_nobody_knows_are_looked_for_at_most_every_30_seconds(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    browser.sign_in()
    with provider.failing("id_token has a kid that nobody knows"):
        for seconds, fetches in [(0, 2), (1, 2), (28, 2), (2, 3), (1, 3)]:
            clock.advance(seconds)
            assert browser.sign_in().status_code == 502
            assert provider.count("jwks") == fetches
    # A key that is known needs no fetch meanwhile.
    assert browser.sign_in().status_code == 302
    assert provider.count("jwks") == 3


def test_a_key_that_comes_within_the_30_seconds_is_found_after_them(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    browser.sign_in()
    with provider.failing("id_token has a kid that nobody knows"):
        browser.sign_in()
    provider.rotate_keys("op-2")
    assert browser.sign_in().status_code == 502
    clock.advance(31)
    assert browser.sign_in().status_code == 302


def test_what_is_too_old_is_fetched_again(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    browser.sign_in()
    clock.advance(2 * 86_400)
    assert browser.sign_in().status_code == 302
    assert (provider.count("metadata"), provider.count("jwks")) == (2, 2)


@pytest.mark.parametrize(
    "fault",
    [
        "metadata is 500",
        "metadata is HTML with 200",
        "issuer is another",
        "token_endpoint is http elsewhere",
        "metadata is cut off",
        "jwks is 500",
        "jwks is HTML with 200",
        "jwks is cut off",
        "jwks has keys that are null",
    ],
)
def test_what_is_too_old_is_still_used_while_there_is_nothing_better(
    browser: Browser, provider: FaultyProvider, clock: Clock, fault: str
) -> None:
    browser.sign_in()
    clock.advance(2 * 86_400)
    with provider.failing(fault):
        assert browser.sign_in().status_code == 302
    assert browser.is_signed_in()


def test_a_sign_in_still_begins_while_the_provider_is_down(
    browser: Browser, provider: FaultyProvider, clock: Clock
) -> None:
    browser.sign_in()
    clock.advance(2 * 86_400)
    with provider.down():
        started = browser.start()
        assert started.headers["Location"].startswith(provider.url("authorize"))
    assert browser.come_back(browser.approve(started)).status_code == 302


def test_a_key_that_is_missing_while_its_provider_is_down_makes_no_crash(
    browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    browser.sign_in()
    browser.client.post("/auth/signout", headers=SAME_ORIGIN)
    provider.rotate_keys("op-2")
    with provider.failing("jwks is 503"):
        assert_refused(browser.sign_in(), browser, caplog, status={502})


# Signing out.


def wait_for_revocations() -> None:
    """Revocations go on in the background; their threads are named for what they run."""
    for thread in threading.enumerate():
        if "_revoke" in thread.name:
            thread.join(LONG)
            assert not thread.is_alive()


@pytest.mark.parametrize("fault", cases(REVOCATION_FAULTS))
def test_nobody_waits_for_a_revocation_that_fails(
    clock: Clock, provider: FaultyProvider, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    browser = browser_for(fault, clock, provider, FEDERATED_SIGN_OUT=True)
    browser.sign_in()
    with provider.failing(fault):
        response = browser.client.post("/auth/signout", headers={**SAME_ORIGIN, **NAVIGATION})
        assert response.status_code == 302
        assert response.headers["Location"].startswith(provider.url("end_session"))
        assert set_cookies(response)["jwtsession.session-token"].deletes
        assert not browser.is_signed_in()
        wait_for_revocations()
    assert provider.count("revoke") == 1
    assert provider.count("elsewhere") == 0
    logged = logged_here(caplog)
    (revoked,) = provider.requests_to("revoke")
    assert revoked.form["token"] not in logged
    assert provider.client_secret not in logged


def test_sec_191_a_provider_that_is_down_keeps_nobody_signed_in(
    clock: Clock, provider: FaultyProvider
) -> None:
    app, _ = make_application(clock, provider, FEDERATED_SIGN_OUT=True)
    browser = Browser(app, provider)
    browser.sign_in()
    with provider.down():
        response = browser.client.post("/auth/signout", headers={**SAME_ORIGIN, **NAVIGATION})
        wait_for_revocations()
    assert response.status_code == 302
    assert not browser.is_signed_in()
