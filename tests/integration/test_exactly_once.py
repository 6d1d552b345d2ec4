"""SEC-210, SEC-211, SEC-222: provider tokens refreshed once, over all processes and threads.

Real gunicorn masters, a real provider that kills a grant whose refresh token it sees twice, and
access tokens that live for two seconds.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

import pytest

from ..oidc_provider import OidcProvider
from ..redis_server import RedisServer
from ..serving.app import digest
from ..serving.browser import Answer, Browser
from ..serving.site import Site, Traffic, at_once, serving, wait_until
from ..serving.token_endpoint import TokenEndpoint

#: Seconds of mixed traffic.
SOAK = float(os.environ.get("JWTSESSION_TESTS_SOAK_SECONDS", "12"))


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


# Many requests with one old cookie.


def test_two_hundred_requests_with_one_old_cookie_refresh_once(
    provider: OidcProvider, tmp_path: Path
) -> None:
    # Each worker makes the application for itself, as gunicorn does if nobody asks for more.
    with serving(provider, tmp_path, workers=4, preload=False) as site:
        browser = site.sign_in()
        for generation in (1, 2):
            assert_refreshed_once(site, browser, 200, generation)
        assert list((tmp_path / "instance-0").glob("*.sqlite3"))


def test_two_machines_with_one_redis_refresh_once(
    provider: OidcProvider, redis: RedisServer, tmp_path: Path
) -> None:
    with serving(provider, tmp_path, clock_shifts=(0, 0), STORE=redis.url()) as site:
        browser = site.sign_in()
        for generation in (1, 2):
            answers = assert_refreshed_once(site, browser, 200, generation)
            for server in site.servers:
                assert {answer.worker for answer in answers} & set(server.workers())
        assert not list(tmp_path.glob("*/*.sqlite3"))


def assert_refreshed_once(
    site: Site, browser: Browser, count: int, generation: int
) -> list[Answer]:
    """As soon as the access token is over, so many requests at once; then the jar has its
    successor.
    """
    before = browser.account()
    wait_until(lambda: time.time() > before["expires_at"], "the access token is over")
    old_cookie = browser.cookie_header()
    answers = at_once(lambda: browser.get("/read", cookie=old_cookie), count)
    assert [answer.status for answer in answers] == [200] * count
    assert {answer.json()["generation"] for answer in answers} == {generation}
    assert {answer.json()["error"] for answer in answers} == {None}
    assert [call["status"] for call in site.refreshes()] == [200] * generation
    # The browser has not seen any of these answers: the next one brings it what they had.
    assert browser.get("/read").status == 200
    after = browser.account()
    assert {answer.json()["digest"] for answer in answers} == {digest(after["access_token"])}
    assert after["refresh_token"] != before["refresh_token"]
    assert site.is_active(after["refresh_token"])
    assert len(site.refreshes()) == generation
    return answers


def test_requests_that_wait_for_a_refresh_go_on_as_soon_as_it_is_recorded(
    provider: OidcProvider, tmp_path: Path
) -> None:
    target = provider.metadata()["token_endpoint"]
    with (
        TokenEndpoint(target) as endpoint,
        serving(
            provider,
            tmp_path,
            workers=4,
            access_token_lifetime=60,
            watches_store=True,
            token_endpoint=endpoint.url,
        ) as site,
    ):
        browser = site.sign_in()
        browser.expire_tokens()
        old_cookie = browser.cookie_header()
        answer = endpoint.hold("answer", browser.account()["refresh_token"])
        answers: list[Answer] = []
        asking = Thread(
            target=lambda: answers.extend(
                at_once(lambda: browser.get("/read", cookie=old_cookie), 12)
            )
        )
        asking.start()
        answer.wait()
        [leased] = site.journal.entries("leased")
        time.sleep(0.5)  # so that all of them are waiting
        answer.release()
        asking.join()
        assert len(site.refreshes()) == 1
        [recorded] = site.journal.entries("recorded")
        waited = sorted(one.json()["loaded_at"] - recorded["moment"] for one in answers)
        print(f"went on {waited[0] * 1000:.0f} to {waited[-1] * 1000:.0f} ms after the record")
        assert leased["worker"] == recorded["worker"]
        assert {one.json()["generation"] for one in answers} == {1}
        assert waited[0] > 0
        assert waited[-1] < 2


# Whatever people do with their tabs.


@dataclass
class Tabs:
    """What the requests of all tabs of one browser have seen, and whether it can be."""

    browser: Browser
    lock: Lock = field(default_factory=Lock)
    newest: int = 0
    #: Answers that brought back a cookie older than the one that the jar had.
    outdated: int = 0
    digests: dict[int, str] = field(default_factory=dict)

    def sender(self, method: Callable[[str], Answer], path: str) -> Callable[[], Answer]:
        """What sends such a request, and checks the answer."""

        def send() -> Answer:
            with self.lock:
                known = self.newest
            answer = method(path)
            with self.lock:
                assert answer.status == 200, answer.body
                assert not answer.deletes_session
                if path.startswith("/auth/"):
                    assert answer.json()["user"]["name"] == "Ada"
                    return answer
                seen = answer.json()
                assert seen["error"] is None
                # What anybody has been answered with is known to all who ask later.
                assert seen["generation"] >= known
                if seen["generation"] < self.newest and "Set-Cookie" in answer.headers:
                    self.outdated += 1
                self.newest = max(self.newest, seen["generation"])
                assert self.digests.setdefault(seen["generation"], seen["digest"]) == seen["digest"]
            return answer

        return send


def test_two_tabs_with_all_kinds_of_requests_never_lose_their_session(
    provider: OidcProvider, tmp_path: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 - nobody is to be surprised by it
    with serving(provider, tmp_path, workers=4) as site:
        tabs = Tabs(site.sign_in())
        browser = tabs.browser
        reads = tabs.sender(browser.get, "/read")
        updates = tabs.sender(browser.post, "/update")
        forced = tabs.sender(browser.post, "/auth/session/refresh")
        slow = [
            tabs.sender(browser.post, f"/{view}?seconds={seconds}")
            for view, seconds in itertools.product(("slow", "slow-update"), (0.4, 1.5, 2.5))
        ]

        def tab() -> Answer:
            return chance.choice([reads, reads, updates])()

        def late() -> Answer:
            return chance.choice(slow)()

        def impatient() -> Answer:
            time.sleep(4)  # for most of them come because the tokens are over
            copied = browser.cookie_header()
            answer = forced()
            assert reads().status == 200
            # Its tokens are good for a while, but there are newer ones.
            tabs.sender(lambda path: browser.get(path, cookie=copied), "/read")()
            return answer

        with Traffic(tab, tab, late, late, late, impatient, impatient, pause=0.02) as traffic:
            traffic.go_on(SOAK)
        assert traffic.lost == []
        # As it was left: with whatever cookie came last.
        assert reads().status == 200
        refreshes = site.refreshes()
        print(
            f"{len(traffic.answers)} answers in {SOAK:.0f} s, {len(refreshes)} refreshes,"
            f" generation {tabs.newest}, {tabs.outdated} times an older cookie came back"
        )
        assert [call["status"] for call in refreshes] == [200] * tabs.newest
        # Once for each time that they were over, or all but; and once for who asked for it.
        asked_for = sum(b'"user"' in answer.body for answer in traffic.answers)
        assert tabs.newest <= (traffic.took / 1.7) + 1 + asked_for
        # Or nothing was shown.
        assert tabs.newest >= SOAK / 4
        assert tabs.outdated > 0
        assert site.journal.entries("signed_out") == []
        assert site.journal.entries("refresh_failed") == []
        assert len(site.journal.entries("session_refreshed")) == tabs.newest


# Machines whose clocks differ.


@pytest.mark.parametrize("shift", [10.0, -10.0])
def test_machines_whose_clocks_differ_refresh_once_and_not_in_a_loop(
    provider: OidcProvider, redis: RedisServer, tmp_path: Path, shift: float
) -> None:
    with serving(
        provider,
        tmp_path,
        clock_shifts=(0, shift),
        access_token_lifetime=120,
        STORE=redis.url(),
    ) as site:
        tabs = Tabs(site.sign_in())
        tabs.browser.expire_tokens()
        old_cookie = tabs.browser.cookie_header()
        answers = at_once(lambda: tabs.browser.get("/read", cookie=old_cookie), 100)
        assert {answer.status for answer in answers} == {200}
        assert {answer.json()["generation"] for answer in answers} == {1}
        assert {answer.json()["digest"] for answer in answers} == {answers[0].json()["digest"]}
        assert [call["status"] for call in site.refreshes()] == [200]

        # Tokens that live for two seconds are over before they are there, or live for twelve, by
        # the other's clock: no reason to refresh more often than every two.
        provider.set_access_token_lifetime(2)
        assert tabs.browser.get("/read").status == 200
        assert tabs.browser.post("/auth/session/refresh").status == 200
        send = tabs.sender(tabs.browser.get, "/read")
        with Traffic(send, send, send, send, pause=0.02) as traffic:
            traffic.go_on(4.5)
        assert traffic.lost == []
        refreshes = site.refreshes()
        print(f"{len(refreshes) - 2} refreshes in {traffic.took:.1f} s, clocks off by {shift}")
        assert [call["status"] for call in refreshes] == [200] * tabs.newest
        assert 1 <= tabs.newest - 2 <= traffic.took / 1.7 + 2
        assert site.journal.entries("refresh_failed") == []
