"""SEC-219: a worker that is killed while it refreshes somebody's tokens.

Four people's requests are stopped at four points of a refresh, each in a worker that is then killed
with ``kill -9``, and a fifth person goes on all the time. One story and not four: each of the
leases runs its whole length of twelve seconds, at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Thread

import pytest

from flask_jwtsession.records import LEASE
from flask_jwtsession.refresh import PATIENCE

from ..oidc_provider import OidcProvider, Person
from ..redis_server import RedisServer
from ..serving.app import HOLD_HEADER, NAME_HEADER, WITH_ANSWER, WITH_LEASE
from ..serving.browser import Answer, Browser
from ..serving.site import Site, Traffic, serving, wait_until
from ..serving.token_endpoint import TokenEndpoint, Where

#: Seconds that may pass, beside what has to, until a request is through; the machine may be busy.
GRACE = 8.0


@dataclass
class Victim:
    """Somebody whose refresh is cut off."""

    login: str
    browser: Browser
    refresh_token: str
    killed_at: float = 0.0
    #: To what they asked from then on.
    answers: list[Answer] = field(default_factory=list)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite"
        return
    with RedisServer() as running:
        yield running.url()


def test_a_killed_worker_costs_its_people_twelve_seconds_and_one_sign_in_at_most(
    store: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        provider = stack.enter_context(OidcProvider())
        endpoint = stack.enter_context(TokenEndpoint(provider.metadata()["token_endpoint"]))
        site = stack.enter_context(
            serving(
                provider,
                tmp_path,
                workers=4,
                threads=8,  # who waits for a lease takes one; they may all be in one worker
                access_token_lifetime=120,
                watches_store=True,
                token_endpoint=endpoint.url,
                STORE=store,
            )
        )
        logins = ("before", "on-the-way", "on-the-way-back", "unrecorded")
        before, on_the_way, on_the_way_back, unrecorded = (
            start_victim(site, login) for login in logins
        )
        unspent, spent = (before, on_the_way), (on_the_way_back, unrecorded)
        bystander = site.sign_in("bystander")
        with Traffic(*[lambda: bystander.get("/read")] * 2, pause=0.03) as traffic:
            kill_in_the_application(site, before, WITH_LEASE)
            kill_on_the_network(site, endpoint, on_the_way, "request")
            kill_on_the_network(site, endpoint, on_the_way_back, "answer")
            kill_in_the_application(site, unrecorded, WITH_ANSWER)
            # From here on the bystander's tokens are refreshed every two seconds. Not before: one
            # of these workers could have been at it.
            provider.set_access_token_lifetime(2)
            assert bystander.post("/auth/session/refresh").status == 200
            with ThreadPoolExecutor(4) as people:
                list(people.map(ask_until_settled, (*unspent, *spent)))
        for victim in (*unspent, *spent):
            last = victim.answers[-1]
            print(
                f"{victim.login}: {last.json()['error']} after "
                f"{last.arrived_at - victim.killed_at:.1f} s"
            )
        assert_undisturbed(site, bystander, traffic, kills=4)
        for victim in unspent:
            assert_went_on(victim)
        assert endpoint.statuses(before.refresh_token) == [200]
        assert endpoint.statuses(on_the_way.refresh_token) == [None, 200]
        assert len(site.journal.entries("refresh_failed")) == len(spent)
        for victim in spent:
            assert_needs_one_sign_in(site, victim, endpoint)
        assert [
            entry for entry in site.journal.entries("signed_out") if entry["reason"] != "replaced"
        ] == []


def start_victim(site: Site, login: str) -> Victim:
    browser = site.sign_in(login)
    browser.expire_tokens()
    return Victim(login, browser, browser.account()["refresh_token"])


# How they are killed.


def kill_in_the_application(site: Site, victim: Victim, where: str) -> None:
    """Stop the victim's request there, and kill its worker."""
    asking = begin_to_ask(victim, hold=where)
    held = wait_for_entry(site, "held", victim)
    kill(site, victim, held["worker"], asking)


def kill_on_the_network(site: Site, endpoint: TokenEndpoint, victim: Victim, where: Where) -> None:
    """Stop what the victim's request asks the provider, or the answer, and kill its worker."""
    held = endpoint.hold(where, victim.refresh_token)
    asking = begin_to_ask(victim)
    held.wait()
    kill(site, victim, wait_for_entry(site, "leased", victim)["worker"], asking)
    held.drop()


def begin_to_ask(victim: Victim, hold: str = "") -> Thread:
    def ask() -> None:
        # The worker that would answer will be killed.
        with pytest.raises((ConnectionError, HTTPException)):
            victim.browser.get("/read", **{NAME_HEADER: victim.login, HOLD_HEADER: hold})

    asking = Thread(target=ask)
    asking.start()
    return asking


def wait_for_entry(site: Site, what: str, victim: Victim) -> dict[str, int]:
    wait_until(lambda: bool(site.journal.entries(what, name=victim.login)), what)
    [entry] = site.journal.entries(what, name=victim.login)
    return entry


def kill(site: Site, victim: Victim, worker: int, asking: Thread) -> None:
    site.kill_worker(worker)
    victim.killed_at = time.monotonic()
    asking.join()


# What becomes of them.


def ask_until_settled(victim: Victim) -> None:
    """Ask again and again, until there are new tokens or it is known that there will be none."""
    while time.monotonic() < victim.killed_at + LEASE + GRACE:
        answer = victim.browser.get("/read")
        victim.answers.append(answer)
        if answer.status != 200 or answer.json()["error"] != "refresh_unavailable":
            return
        time.sleep(0.1)


def assert_went_on(victim: Victim) -> None:
    """They waited, and were told that there is nothing new yet; and then there was."""
    *waiting, last = victim.answers
    assert [answer.status for answer in victim.answers] == [200] * len(victim.answers)
    assert (last.json()["error"], last.json()["generation"]) == (None, 1)
    assert waiting  # the lease of who was killed holds
    for answer in waiting:
        assert (answer.json()["error"], answer.json()["generation"]) == ("refresh_unavailable", 0)
        assert answer.arrived_at - answer.sent_at < PATIENCE + GRACE


def assert_needs_one_sign_in(site: Site, victim: Victim, endpoint: TokenEndpoint) -> None:
    """They are still signed in, know that their provider's tokens are lost, and nobody tries again;
    after one new sign-in all is well.
    """
    for _ in range(20):
        victim.answers.append(victim.browser.get("/read"))
    assert [answer.status for answer in victim.answers] == [200] * len(victim.answers)
    assert {answer.json()["error"] for answer in victim.answers[-21:]} == {"refresh_failed"}
    assert endpoint.statuses(victim.refresh_token) == [200, 400]
    site.provider.set_access_token_lifetime(120)
    with Person(victim.login) as person:
        victim.browser.sign_in(person)
    for generation in (0, 1, 2):
        seen = victim.browser.get("/read").json()
        assert (seen["error"], seen["generation"]) == (None, generation)
        victim.browser.expire_tokens()


def assert_undisturbed(site: Site, bystander: Browser, traffic: Traffic, kills: int) -> None:
    """Nobody else notices, but for who was waiting for an answer of the same worker."""
    assert {answer.status for answer in traffic.answers} == {200}
    assert {answer.json()["error"] for answer in traffic.answers} == {None}
    assert len(traffic.lost) <= 2 * kills
    slowest = max(answer.arrived_at - answer.sent_at for answer in traffic.answers)
    print(f"bystander: {len(traffic.answers)} answers, the slowest in {slowest:.2f} s")
    assert slowest < PATIENCE
    # They were refreshed all the while.
    assert bystander.get("/read").json()["generation"] >= LEASE / 4
