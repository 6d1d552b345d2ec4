"""SEC-040, SEC-083, SEC-086, SEC-194, SEC-195: a session that ends is over on every worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from ..oidc_provider import OidcProvider, Person, Refused
from ..redis_server import RedisServer
from ..serving.browser import Answer, Browser
from ..serving.site import Site, at_once, serving, wait_until
from ..serving.token_endpoint import TokenEndpoint


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def site(request: pytest.FixtureRequest, provider: OidcProvider, tmp_path: Path) -> Iterator[Site]:
    """Four workers: of one machine with a file, or of two with a Redis."""
    if request.param == "file":
        with serving(provider, tmp_path, workers=4, access_token_lifetime=120) as running:
            yield running
        return
    with (
        RedisServer() as redis,
        serving(
            provider,
            tmp_path,
            clock_shifts=(0, 0),
            access_token_lifetime=120,
            STORE=redis.url(),
        ) as running,
    ):
        yield running


@pytest.mark.parametrize("site", ["file", "Redis"], indirect=True)
def test_a_copied_cookie_is_dead_on_every_worker_as_soon_as_its_owner_has_signed_out(
    site: Site,
) -> None:
    ada, grace = site.sign_in("ada"), site.sign_in("grace")
    copied = ada.cookie_header()
    assert ask_everybody(site, ada, copied) == {200}
    assert ada.post("/auth/signout", {"callbackUrl": "/"}).status == 302
    assert ask_everybody(site, ada, copied) == {401}
    assert ask_everybody(site, grace, grace.cookie_header()) == {200}
    [told] = site.journal.entries("signed_out")
    assert told["reason"] == "user"


def ask_everybody(site: Site, browser: Browser, cookie: str) -> set[int]:
    """What a hundred requests at once with this cookie are answered, by all workers; more than a
    hundred, should one of them have had none.
    """
    answers: list[Answer] = []

    def have_all_answered() -> bool:
        answers.extend(at_once(lambda: browser.get("/read", cookie=cookie), 100))
        return {answer.worker for answer in answers} == set(site.workers())

    wait_until(have_all_answered, "every worker has answered")
    return {answer.status for answer in answers}


# At the provider.


@pytest.mark.parametrize(
    ("site", "names_session"), [("Redis", True), ("file", False)], indirect=["site"]
)
def test_a_sign_out_at_the_provider_ends_the_right_sessions_on_every_worker(
    site: Site, names_session: bool
) -> None:
    site.register(
        backchannel_logout_uri=f"{site.servers[0].origin}/auth/backchannel-logout/op",
        backchannel_logout_session_required=names_session,
    )
    laptop, phone, later = site.browser(), site.browser(), site.browser()
    grace = site.sign_in("grace")
    with Person("ada") as at_the_laptop, Person("ada") as at_the_phone:
        laptop.sign_in(at_the_laptop)
        phone.sign_in(at_the_phone)
        [logout] = sign_out_at(site.provider, at_the_laptop)
        assert logout["status"] == 200
        assert ask_everybody(site, laptop, laptop.cookie_header()) == {401}
        # A logout token that names no session is for all of that person's.
        expected = {200} if names_session else {401}
        assert ask_everybody(site, phone, phone.cookie_header()) == expected
        assert ask_everybody(site, grace, grace.cookie_header()) == {200}
        later.sign_in(at_the_laptop)
        assert ask_everybody(site, later, later.cookie_header()) == {200}
        assert ask_everybody(site, laptop, laptop.cookie_header()) == {401}


def sign_out_at(provider: OidcProvider, person: Person) -> list[dict[str, object]]:
    """The person signs out on the provider's own page; the logout tokens that it sends for it."""
    before = len(provider.logouts())
    with pytest.raises(Refused, match="Your sign-out was successful"):
        person.sign_out(provider.metadata()["end_session_endpoint"])
    return provider.logouts()[before:]


# While tokens are being refreshed.


def test_a_sign_out_does_not_wait_for_a_refresh_and_wins_against_it(
    provider: OidcProvider, tmp_path: Path
) -> None:
    with refresh_under_way(provider, tmp_path) as (site, ada, refresh):
        copied = ada.cookie_header()
        tokens = refresh.new_tokens()
        assert all(site.is_active(token) for token in tokens)
        began = time.monotonic()
        assert ada.post("/auth/signout", {"callbackUrl": "/"}).status == 302
        took = time.monotonic() - began
        answer = refresh.finish()
        print(f"the sign-out took {took * 1000:.0f} ms")
        assert took < 2
        assert answer.status == 401
        assert ask_everybody(site, ada, copied) == {401}
        assert [call["status"] for call in site.refreshes()] == [200]
        # Nobody has the tokens that came too late, and nobody could use them.
        for token in tokens:
            wait_until(lambda: not site.is_active(token), "it is revoked")  # noqa: B023


class Refresh:
    """One request, whose token request the provider has answered; but the answer is held."""

    def __init__(self, endpoint: TokenEndpoint, ada: Browser) -> None:
        self._answers: list[Answer] = []
        self._held = endpoint.hold("answer", ada.account()["refresh_token"])
        copied = ada.cookie_header()
        self._asking = Thread(target=lambda: self._answers.append(ada.get("/read", cookie=copied)))
        self._asking.start()
        self._held.wait()

    def new_tokens(self) -> list[str]:
        assert self._held.response is not None
        answer = self._held.response.json()
        return [answer["access_token"], answer["refresh_token"]]

    def let_go(self) -> None:
        self._held.release()
        self._asking.join()

    def finish(self) -> Answer:
        self.let_go()
        [answer] = self._answers
        return answer


@contextmanager
def refresh_under_way(
    provider: OidcProvider, folder: Path
) -> Iterator[tuple[Site, Browser, Refresh]]:
    with (
        TokenEndpoint(provider.metadata()["token_endpoint"]) as endpoint,
        serving(provider, folder, access_token_lifetime=120, token_endpoint=endpoint.url) as site,
    ):
        ada = site.sign_in()
        ada.expire_tokens()
        refresh = Refresh(endpoint, ada)
        try:
            yield site, ada, refresh
        finally:
            refresh.let_go()
