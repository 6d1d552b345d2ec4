"""SEC-216, SEC-219: re-authentication while workers are killed, the callback raises, and the store
is away or loses what it had.

What is about a lease that ends, or a request that waits too long, takes fifteen to twenty seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from itertools import count, cycle
from pathlib import Path
from threading import Thread

import pytest

from flask_jwtsession.records import LEASE

from ..gunicorn_server import GunicornServer
from ..redis_server import RedisServer
from ..serving.browser import Answer, Browser
from ..serving.pair_app import (
    ACCESS,
    REAUTH_HEADER,
    REFRESH,
    PairSite,
    cookies_set_by,
    generation_of,
    header_of,
    jar_of,
    serving_pairs,
)
from ..serving.site import Traffic, at_once, wait_until

#: Seconds that may pass, beside what has to, until a request is through; the machine may be busy.
SLACK = 4.0
#: Seconds that an answer may take at most while the store does not answer.
PATIENT = 8.0
#: Seconds after which the store is used again by everybody, when it is back.
SETTLED = 2.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis_site(redis: RedisServer, tmp_path: Path) -> Iterator[PairSite]:
    with serving_pairs(tmp_path, clock_shifts=(0, 0), STORE=redis.url()) as site:
        yield site


class StoredSite:
    """A site of two gunicorn masters, and how its store loses everything that it has."""

    def __init__(self, site: PairSite, lose: Callable[[], object]) -> None:
        self.site = site
        self.lose = lose


@pytest.fixture(params=["sqlite", "sqlite, the file alone", "redis"])
def forgetful(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoredSite]:
    with ExitStack() as stack:
        redis = None if request.param != "redis" else stack.enter_context(RedisServer())
        store = "sqlite" if redis is None else redis.url()
        site = stack.enter_context(serving_pairs(tmp_path, clock_shifts=(0, 0), STORE=store))

        def lose() -> None:
            if redis is not None:
                redis.client().flushall()
                return
            [file] = tmp_path.glob("instance/*.sqlite3")
            left_behind = () if request.param == "sqlite" else ("-wal", "-shm")
            for suffix in {"", "-wal", "-shm"}.difference(left_behind):
                file.with_name(file.name + suffix).unlink(missing_ok=True)

        yield StoredSite(site, lose)


# A worker that is killed.


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_worker_that_is_killed_inside_the_callback_costs_its_session_twelve_seconds(
    kind: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        store = "sqlite" if kind == "sqlite" else stack.enter_context(RedisServer()).url()
        site = stack.enter_context(
            serving_pairs(tmp_path, clock_shifts=(0, 0), workers=1, threads=32, STORE=store)
        )
        here, there = site.servers
        browser, bystander = site.sign_in("ada"), site.sign_in("grace", there)
        sent = header_of(browser.cookies, REFRESH)
        with hanging(site, here, sent) as worker:
            [asked] = site.journal.entries("asked", sub="ada")
            others: list[Answer] = []
            elsewhere = site.browser(there)
            asking = Thread(
                target=lambda: others.extend(
                    at_once(lambda: elsewhere.get("/read", cookie=sent), 25)
                )
            )
            asking.start()
            with Traffic(lambda: anew(bystander), pause=0.1) as traffic:
                traffic.go_on(0.5)  # so that all of them are waiting
                site.kill_worker(worker)
                asking.join()
        assert {answer.status for answer in others} == {200}
        assert {answer.json()["turn"] for answer in others} == {1}
        assert len({answer.json()["call"] for answer in others}) == 1
        waited = sorted(answer.arrived_at - asked["moment"] for answer in others)
        print(f"went on {waited[0]:.1f} to {waited[-1]:.1f} s after the lease was taken")
        assert waited[0] > LEASE - 0.5
        assert waited[-1] < LEASE + SLACK
        assert site.asked(sub="ada") == 2
        # Nobody else waited.
        assert traffic.lost == []
        assert {answer.status for answer in traffic.answers} == {200}
        assert max(answer.arrived_at - answer.sent_at for answer in traffic.answers) < SLACK
        assert_goes_on(site, browser, others)


def test_a_worker_that_is_killed_before_it_answers_costs_nothing(tmp_path: Path) -> None:
    with serving_pairs(tmp_path, clock_shifts=(0, 0), workers=1) as site:
        here, there = site.servers
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)
        with losing_its_answer(site, here, sent, "/read?slow=30"):
            wait_until(lambda: site.journal.entries("decided") != [], "the callback is done")
            # What it decided is for all: also for who asks before it is written down.
            elsewhere = site.browser(there)
            assert elsewhere.get("/read", cookie=sent).status == 200
            [worker] = here.workers()
            site.kill_worker(worker)
        began = time.monotonic()
        answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
        assert time.monotonic() - began < SLACK
        assert {answer.json()["turn"] for answer in answers} == {1}
        assert site.asked() == 1
        assert_goes_on(site, browser, answers)


def anew(browser: Browser) -> Answer:
    """A request of somebody whose access cookie is over each time."""
    browser.cookies.pop(ACCESS)
    return browser.get("/read")


@contextmanager
def hanging(site: PairSite, server: GunicornServer, cookie: str) -> Iterator[int]:
    """A request to this server whose callback never returns; the worker that has it."""
    with losing_its_answer(site, server, cookie, "/read", "hang"):
        wait_until(lambda: site.journal.entries("asked", order="hang") != [], "it hangs")
        [entry] = site.journal.entries("asked", order="hang")
        yield entry["worker"]


@contextmanager
def losing_its_answer(
    site: PairSite, server: GunicornServer, cookie: str, path: str, order: str = ""
) -> Iterator[None]:
    """A request whose worker is killed, in the block, before it answers."""
    errors: list[Exception] = []

    def ask() -> None:
        headers = {REAUTH_HEADER: order} if order else {}
        try:
            site.browser(server).get(path, cookie=cookie, **headers)
        except (ConnectionError, HTTPException) as error:
            errors.append(error)

    asking = Thread(target=ask)
    asking.start()
    yield
    asking.join()
    assert len(errors) == 1, "it was answered"


def assert_goes_on(site: PairSite, browser: Browser, answers: list[Answer]) -> None:
    """Nobody was signed out, and whichever of these answers the browser got last, the next
    re-authentication is one call.
    """
    assert site.signed_out() == []
    assert site.reuses() == []
    turn = max(answer.json()["turn"] for answer in answers)
    asked = site.asked()
    each = count()
    next_answers = at_once(
        lambda: browser.get("/read", cookie=header_of(jar_of(answers[next(each)]), REFRESH)),
        len(answers),
    )
    assert {answer.status for answer in next_answers} == {200}
    assert {answer.json()["turn"] for answer in next_answers} == {turn + 1}
    assert len({answer.json()["call"] for answer in next_answers}) == 1
    assert site.asked() == asked + 1
    assert site.signed_out() == []
    assert site.reuses() == []


# A callback that raises.


def test_sec_216_a_callback_that_raises_is_the_applications_error_and_nobodys_sign_out(
    tmp_path: Path,
) -> None:
    with serving_pairs(tmp_path, workers=4) as site:
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)
        answers = at_once(lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: "raise"}), 30)
        # Those who waited while it failed for another one do not try the same.
        failures = [answer.status for answer in answers].count(500)
        assert {answer.status for answer in answers} <= {500, 503}
        assert [answer for answer in answers if "Set-Cookie" in answer.headers] == []
        rejected = site.journal.entries("session_rejected")
        assert [entry["reason"] for entry in rejected] == ["reauth_failed"] * failures
        assert site.asked() == failures > 0

        # It works again for some of them: from the first of these on it does for all.
        each = cycle(["raise", "slow 0"])
        answers = at_once(
            lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: next(each)}), 30
        )
        served = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} <= {200, 500, 503}
        if not served:
            served = [browser.get("/read", cookie=sent, **{REAUTH_HEADER: "slow 0"})]
        assert len({answer.json()["call"] for answer in served}) == 1
        assert len(site.journal.entries("decided")) == 1
        failed = [answer for answer in answers if answer.status != 200]
        assert [answer for answer in failed if "Set-Cookie" in answer.headers] == []
        assert_goes_on(site, browser, served)
        assert not any(cookie in site.log() for cookie in browser.cookies.values())


def test_who_waits_for_a_slow_callback_that_raises_does_not_wait_for_ever(tmp_path: Path) -> None:
    # One asks; the others are told to come back when that has failed.
    with serving_pairs(tmp_path, workers=2, threads=8) as site:
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)

        def ask() -> Answer:
            return browser.get("/read", cookie=sent, **{REAUTH_HEADER: "raise 4"})

        answers = at_once(ask, 10)
        assert {answer.status for answer in answers} == {500, 503}
        assert max(one.arrived_at - one.sent_at for one in answers) < 2 * 4 + SLACK
        assert [answer for answer in answers if "Set-Cookie" in answer.headers] == []
        assert browser.get("/read", cookie=sent).status == 200
        assert site.signed_out() == []


# A callback that takes longer than a lease.


@pytest.mark.parametrize("order", ["slow 0", "end"])
def test_of_two_calls_after_a_lease_that_ended_the_first_to_decide_decides_for_all(
    tmp_path: Path, order: str
) -> None:
    with serving_pairs(tmp_path, clock_shifts=(0, 0), workers=1, threads=16) as site:
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)
        answers: list[Answer] = []

        def ask(server: GunicornServer, order: str) -> Answer:
            return site.browser(server).get("/read", cookie=sent, **{REAUTH_HEADER: order})

        here, there = site.servers
        slow = Thread(target=lambda: answers.append(ask(here, f"slow {LEASE + 1}")))
        slow.start()
        wait_until(lambda: site.asked() == 1, "the callback is called")
        answers += at_once(lambda: ask(there, order), 10)
        slow.join()
        assert site.asked() == 2
        if order == "end":
            assert {answer.status for answer in answers} == {401}
            assert [jar_of(answer) for answer in answers] == [{}] * 11
            assert site.signed_out() == ["callback"]
            assert browser.get("/read").status == 401
        else:
            assert [answer.status for answer in answers] == [200] * 11
            assert len({answer.json()["call"] for answer in answers}) == 1
            assert_goes_on(site, browser, answers)


# A store that loses everything.


def test_a_store_that_lost_everything_signs_nobody_out(forgetful: StoredSite) -> None:
    site, browser = forgetful.site, forgetful.site.sign_in()
    browser.cookies.pop(ACCESS)
    assert browser.get("/read").status == 200
    before = [dict(browser.cookies)]
    for turn in range(2, 6):
        sent = header_of(before[-1], REFRESH)
        forgetful.lose()
        answers = at_once(lambda: browser.get("/read", cookie=sent), 20)  # noqa: B023
        assert {answer.status for answer in answers} == {200}
        assert {answer.json()["turn"] for answer in answers} == {turn}
        assert len({answer.json()["call"] for answer in answers}) == 1
        assert site.asked() == turn
        before.append(jar_of(answers[turn]))
    # Whatever comes first now is taken for the newest. That is older than what the browser has.
    forgetful.lose()
    sent = header_of(before[1], REFRESH)
    answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
    assert {answer.json()["turn"] for answer in answers} == {3}
    sent = header_of(before[-1], REFRESH)
    answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
    assert {answer.json()["turn"] for answer in answers} == {6}
    assert_goes_on(site, browser, answers)


def test_a_store_that_loses_everything_while_the_callback_runs_signs_nobody_out(
    forgetful: StoredSite,
) -> None:
    site, browser = forgetful.site, forgetful.site.sign_in()
    browser.cookies.pop(ACCESS)
    assert browser.get("/read").status == 200  # or there is no file
    sent = header_of(browser.cookies, REFRESH)
    answers: list[Answer] = []
    asking = Thread(
        target=lambda: answers.extend(
            at_once(lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: "slow 1.5"}), 20)
        )
    )
    asking.start()
    wait_until(lambda: site.asked() == 2, "the callback is called")
    forgetful.lose()
    asking.join()
    # The lease is lost, too: so another one asks. Who reads a file at the moment in which it is
    # deleted may be told that the store is away.
    refused = [answer for answer in answers if answer.status == 503]
    assert [answer for answer in refused if "Set-Cookie" in answer.headers] == []
    answers += at_once(lambda: browser.get("/read", cookie=sent), 20)
    served = [answer for answer in answers if answer not in refused]
    assert {answer.status for answer in served} == {200}
    assert {answer.json()["turn"] for answer in served} == {2}
    assert len({answer.json()["call"] for answer in served}) == 1
    assert site.asked() == 3
    assert_goes_on(site, browser, served)


# Redis is away.


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
def test_closed_without_a_store_nobody_is_re_authenticated_and_all_cookies_are_kept(
    redis: RedisServer, redis_site: PairSite, outage: str
) -> None:
    site, browser = redis_site, redis_site.sign_in()
    assert anew(browser).status == 200
    sent = header_of(browser.cookies, REFRESH)
    with away(redis, outage):
        for path in ("/read", "/auth/session", "/auth/session/status"):
            answers = at_once(lambda: browser.get(path, cookie=sent), 20)  # noqa: B023
            assert {answer.status for answer in answers} == {503}
            assert {answer.json()["code"] for answer in answers} == {"store_unavailable"}
            assert [answer for answer in answers if "Set-Cookie" in answer.headers] == []
            assert slowest(answers) < PATIENT
        assert site.asked() == 1
    assert_back(site, browser, sent, turn=2)


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
def test_open_without_a_store_people_get_an_access_cookie_alone(
    redis: RedisServer, tmp_path: Path, outage: str
) -> None:
    with serving_pairs(
        tmp_path, clock_shifts=(0, 0), STORE=redis.url(), STORE_FAILURE="open"
    ) as site:
        browser = site.sign_in()
        assert anew(browser).status == 200
        sent = header_of(browser.cookies, REFRESH)
        with away(redis, outage):
            answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
            assert {answer.status for answer in answers} == {200}
            assert {answer.json()["turn"] for answer in answers} == {2}
            assert slowest(answers) < PATIENT
            assert [cookies_set_by(answer).keys() for answer in answers] == [{ACCESS}] * 20
            assert site.asked() == 21
            # With that cookie they need nobody, for as long as it is good.
            jars = [{**browser.cookies, **jar_of(answer)} for answer in answers]
            each = count()
            answers = at_once(lambda: browser.get("/read", cookie=header_of(jars[next(each)])), 20)
            assert {answer.status for answer in answers} == {200}
            assert [answer for answer in answers if "Set-Cookie" in answer.headers] == []
            assert site.asked() == 21
        assert_back(site, browser, sent, turn=2)


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_redis_that_freezes_while_the_callback_runs_keeps_nobody_long_and_nobody_out(
    redis: RedisServer, tmp_path: Path, failure: str
) -> None:
    with serving_pairs(
        tmp_path, clock_shifts=(0, 0), STORE=redis.url(), STORE_FAILURE=failure
    ) as site:
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)
        answers: list[Answer] = []
        asking = Thread(
            target=lambda: answers.extend(
                at_once(lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: "slow 0.5"}), 8)
            )
        )
        asking.start()
        wait_until(lambda: site.asked() == 1, "the callback is called")
        with redis.frozen():
            asking.join()
        assert slowest(answers) < PATIENT
        # It could not be recorded, and is good all the same.
        [answer] = [one for one in answers if REFRESH in cookies_set_by(one)]
        assert (answer.status, answer.json()["turn"]) == (200, 1)
        answers.remove(answer)
        if failure == "closed":
            assert {one.status for one in answers} == {503}
            assert [one for one in answers if "Set-Cookie" in one.headers] == []
        else:
            assert {one.status for one in answers} == {200}
            assert [cookies_set_by(one).keys() for one in answers] == [{ACCESS}] * 7
        new = jar_of(answer)
        assert generation_of(new) == 1
        time.sleep(SETTLED)
        others = at_once(lambda: browser.get("/read", cookie=sent), 20)
        assert {answer.status for answer in others} == {200}
        assert {answer.json()["turn"] for answer in others} == {1}
        assert browser.get("/read", cookie=header_of(new)).json()["turn"] == 1
        # The lease could not be given back: it comes to its end by itself.
        asked = site.asked()
        next_answers = at_once(lambda: browser.get("/read", cookie=header_of(new, REFRESH)), 20)
        assert {answer.json()["turn"] for answer in next_answers} == {2}
        assert slowest([*others, *next_answers]) < LEASE + SLACK
        assert site.asked() == asked + 1
        assert site.signed_out() == []
        assert site.reuses() == []


@contextmanager
def away(redis: RedisServer, outage: str) -> Iterator[None]:
    """Stopped, and started again with nothing in it; or frozen, and thawed with what it had."""
    if outage == "frozen":
        with redis.frozen():
            yield
        time.sleep(SETTLED)
        return
    redis.stop()
    yield
    redis.start()
    assert redis.client().dbsize() == 0


def assert_back(site: PairSite, browser: Browser, sent: str, *, turn: int) -> None:
    """The store is used again: once for all, and a copy is noticed."""
    asked = site.asked()
    answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["turn"] for answer in answers} == {turn}
    assert site.asked() == asked + 1
    assert_goes_on(site, browser, answers)
    assert browser.get("/read", cookie=sent).status == 401
    assert site.reuses() == ["ada"]


def slowest(answers: list[Answer]) -> float:
    return max(answer.arrived_at - answer.sent_at for answer in answers)
