"""SEC-211, SEC-213, SEC-216, SEC-217: an access cookie is over, and many requests come with one
refresh cookie, to many processes.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pytest

from flask_jwtsession.records import LEASE
from flask_jwtsession.rotation import GRACE

from ..gunicorn_server import GunicornServer
from ..redis_server import RedisServer
from ..serving.browser import Answer, Browser
from ..serving.pair_app import (
    ACCESS,
    REAUTH_HEADER,
    REFRESH,
    ROLE,
    PairSite,
    cookies_set_by,
    generation_of,
    header_of,
    jar_of,
    serving_pairs,
)
from ..serving.site import Traffic, at_once, wait_until

#: Seconds of mixed traffic.
SOAK = float(os.environ.get("JWTSESSION_TESTS_SOAK_SECONDS", "8"))
#: The lifetime of an access cookie that nobody outlives here unless the clock is moved.
LONG = 900.0


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite"
        return
    with RedisServer() as running:
        yield running.url()


@pytest.fixture
def big_site(store: str, tmp_path: Path) -> Iterator[PairSite]:
    """Sixteen threads: of one machine with four processes, or of two machines with one Redis."""
    if store == "sqlite":
        # Each worker makes the application for itself, as gunicorn does if nobody asks for more.
        with serving_pairs(tmp_path, workers=4, preload=False) as site:
            yield site
    else:
        with serving_pairs(
            tmp_path, clock_shifts=(0, 0), workers=2, threads=8, STORE=store
        ) as site:
            yield site
            assert not list(tmp_path.glob("*/*.sqlite3"))


@pytest.fixture
def two_processes(store: str, tmp_path: Path) -> Iterator[PairSite]:
    """One process behind each of two addresses: so a test knows that it is another one."""
    with serving_pairs(
        tmp_path, clock_shifts=(0, 0), workers=1, threads=16, STORE=store, MAX_AGE=LONG
    ) as site:
        yield site


# Many requests with one refresh cookie.


def test_two_hundred_requests_with_one_refresh_cookie_ask_a_slow_callback_once(
    big_site: PairSite,
) -> None:
    site, browser = big_site, big_site.sign_in()
    sent = header_of(browser.cookies, REFRESH)
    answers = at_once(lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: "slow 5"}), 200)
    seen = assert_one_session(answers)
    assert (seen["sub"], seen["name"], seen["role"], seen["turn"]) == ("ada", "Ada", ROLE, 1)
    assert site.asked() == 1
    jars = [jar_of(answer) for answer in answers]
    assert [jar.keys() for jar in jars] == [{ACCESS, REFRESH}] * 200
    assert [generation_of(jar) for jar in jars] == [1] * 200

    # Whichever of them the browser has in the end: it is signed in, and asks nobody.
    each = count()
    next_answers = at_once(lambda: browser.get("/read", cookie=header_of(jars[next(each)])), 200)
    assert assert_one_session(next_answers) == seen
    assert [answer for answer in next_answers if "Set-Cookie" in answer.headers] == []
    assert site.asked() == 1

    # And each of the two hundred refresh cookies is as good as the others.
    each = count()
    next_answers = at_once(
        lambda: browser.get("/read", cookie=header_of(jars[next(each)], REFRESH)), 200
    )
    assert assert_one_session(next_answers)["turn"] == 2
    assert site.asked() == 2
    assert_nobody_was_signed_out(site)


def test_five_times_two_hundred_requests_ask_five_times(big_site: PairSite) -> None:
    chance = random.Random(5)  # noqa: S311 - nobody is to be surprised by it
    site, browser = big_site, big_site.sign_in()
    cookies = dict(browser.cookies)
    for turn in range(1, 6):
        sent = header_of(cookies, REFRESH)
        answers = at_once(lambda: browser.get("/read", cookie=sent), 200)  # noqa: B023
        assert assert_one_session(answers)["turn"] == turn
        # Nobody waits for the lease of the turn before.
        assert max(answer.arrived_at - answer.sent_at for answer in answers) < LEASE - 4
        cookies = jar_of(chance.choice(answers))
        assert generation_of(cookies) == turn
        assert site.asked() == turn
    decided = site.journal.entries("decided")
    assert [entry["turn"] for entry in decided] == [1, 2, 3, 4, 5]
    assert_nobody_was_signed_out(site)


def test_requests_with_the_cookie_before_the_newest_get_what_was_issued_to_its_successor(
    big_site: PairSite,
) -> None:
    site, browser = big_site, big_site.sign_in()
    sent = header_of(browser.cookies, REFRESH)
    first = browser.get("/read", cookie=sent).json()
    site.clock.advance(GRACE - 10)
    answers = at_once(lambda: browser.get("/read", cookie=sent), 50)
    assert assert_one_session(answers) == first
    assert {generation_of(jar_of(answer)) for answer in answers} == {1}
    assert site.asked() == 1
    assert_nobody_was_signed_out(site)


def test_requests_with_the_cookie_before_the_newest_go_on_after_its_successor_is_over(
    tmp_path: Path,
) -> None:
    # A browser that lost a response, and whose tabs ask again while that is in the grace time.
    with serving_pairs(tmp_path, workers=4, MAX_AGE=GRACE / 6) as site:
        browser = site.sign_in()
        sent = header_of(browser.cookies, REFRESH)
        assert browser.get("/read", cookie=sent).status == 200
        site.clock.advance(GRACE / 3)
        answers = at_once(lambda: browser.get("/read", cookie=sent), 20)
        assert assert_one_session(answers)["turn"] == 2
        assert site.asked() == 2
        assert_nobody_was_signed_out(site)


def assert_one_session(answers: list[Answer]) -> dict[str, object]:
    """All of them were answered with one session, of one call, that ends at one time."""
    assert [answer.status for answer in answers] == [200] * len(answers)
    seen: dict[str, object] = answers[0].json()
    assert [answer.json() for answer in answers] == [seen] * len(answers)
    return seen


def assert_nobody_was_signed_out(site: PairSite) -> None:
    assert site.signed_out() == []
    assert site.reuses() == []
    assert site.journal.entries("session_rejected") == []


# The application ends the session.


def test_a_callback_that_ends_the_session_is_asked_once_and_the_application_told_once(
    big_site: PairSite,
) -> None:
    site, browser = big_site, big_site.sign_in()
    everything, sent = browser.cookie_header(), header_of(browser.cookies, REFRESH)
    answers = at_once(lambda: browser.get("/read", cookie=sent, **{REAUTH_HEADER: "end"}), 30)
    assert {answer.status for answer in answers} == {401}
    assert site.asked() == 1
    assert site.signed_out() == ["callback"]
    assert_deleted_once(answers)
    # For good, and for a copy of the access cookie, too.
    for cookie in (sent, everything):
        later = at_once(lambda: browser.get("/read", cookie=cookie), 30)  # noqa: B023
        assert {answer.status for answer in later} == {401}
    assert site.asked() == 1
    assert site.signed_out() == ["callback"]
    assert site.reuses() == []
    again = site.sign_in()
    assert again.get("/read", cookie=header_of(again.cookies, REFRESH)).json()["turn"] == 1


def assert_deleted_once(answers: list[Answer]) -> None:
    """One answer deletes both cookies; the others leave alone what the browser may have by then."""
    deleting = [answer for answer in answers if "Set-Cookie" in answer.headers]
    assert len(deleting) == 1
    assert cookies_set_by(deleting[0]).keys() == {ACCESS, REFRESH}
    assert jar_of(deleting[0]) == {}


# Somebody ends it while the callback runs.


@pytest.mark.parametrize("names", [(ACCESS, REFRESH), (REFRESH,)], ids=["both", "refresh only"])
def test_who_signs_out_while_the_callback_runs_is_signed_out(
    two_processes: PairSite, names: tuple[str, ...]
) -> None:
    site = two_processes
    here, there = site.servers
    browser = site.sign_in("ada", there)
    with UnderWay(site, here, browser) as under_way:
        answer = browser.post("/leave", cookie=header_of(browser.cookies, *names))
        assert (answer.status, jar_of(answer)) == (200, {})
        assert cookies_set_by(answer).keys() == {ACCESS, REFRESH}
    assert_all_are_out(site, browser, under_way.answers)
    assert site.signed_out() == ["user"]


def test_whose_sessions_are_revoked_while_the_callback_runs_is_signed_out(
    two_processes: PairSite,
) -> None:
    site = two_processes
    here, there = site.servers
    browser = site.sign_in("ada", there)
    with UnderWay(site, here, browser) as under_way:
        assert site.browser(there).post("/revoke?id=ada").status == 200
    assert_all_are_out(site, browser, under_way.answers)
    assert site.signed_out() == ["revoked"]
    assert_deleted_once(under_way.answers)
    assert site.sign_in().get("/read").status == 200


def test_somebody_else_who_signs_in_while_the_callback_runs_stays_signed_in(
    two_processes: PairSite,
) -> None:
    site = two_processes
    here, there = site.servers
    browser = site.sign_in("ada", there)
    before = dict(browser.cookies)
    with UnderWay(site, here, browser) as under_way:
        assert browser.post("/enter?id=grace").status == 200
    # Otherwise the late answers would take the browser back to the first person.
    assert [answer for answer in under_way.answers if "Set-Cookie" in answer.headers] == []
    assert {answer.status for answer in under_way.answers} == {401}
    for server in site.servers:
        answer = site.browser(server).get("/read", cookie=header_of(before))
        assert answer.status == 401
        answer = site.browser(server).get("/read", cookie=browser.cookie_header())
        assert answer.json()["sub"] == "grace"
    assert site.signed_out() == ["replaced"]


class UnderWay:
    """``with UnderWay(site, server, browser):`` ten requests to this server are re-authenticated
    with the browser's refresh cookie; the block runs, from its beginning to its end, while the
    callback does.
    """

    def __init__(self, site: PairSite, server: GunicornServer, browser: Browser) -> None:
        self.answers: list[Answer] = []
        self._site = site
        self._browser = site.browser(server)
        self._sent = header_of(browser.cookies, REFRESH)
        self._asking = Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._asking.start()
        wait_until(lambda: self._site.asked() > 0, "the callback is called")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        was_in_time = self._site.journal.entries("decided") == []
        self._asking.join()
        if error is None:
            assert was_in_time, "the callback was done before the block"
            assert len(self.answers) == 10

    def _ask(self) -> None:
        self.answers += at_once(
            lambda: self._browser.get("/read", cookie=self._sent, **{REAUTH_HEADER: "slow 2"}), 10
        )


def assert_all_are_out(site: PairSite, browser: Browser, answers: list[Answer]) -> None:
    """Neither the requests that were under way, nor their cookies, nor those before are anybody's;
    and nobody asks the callback again.
    """
    assert {answer.status for answer in answers} == {401}
    jars = [dict(browser.cookies), *(jar_of(answer) for answer in answers)]
    for jar in jars:
        for names in ((), (REFRESH,)) if jar else ():
            assert read_everywhere(site, header_of(jar, *names)) == {401}
    assert site.asked() == 1


def read_everywhere(site: PairSite, cookie: str) -> set[int]:
    """How each of the servers answers to a copy of these cookies."""
    browsers = [site.browser(server) for server in site.servers]
    return {browser.get("/read", cookie=cookie).status for browser in browsers}


# Two have one session.


@pytest.mark.parametrize("copies", [1, 20])
def test_sec_213_a_thief_who_comes_after_the_person_is_found_out(
    two_processes: PairSite, copies: int
) -> None:
    site = two_processes
    here, there = site.servers
    victim = site.sign_in("ada", here)
    stolen = header_of(victim.cookies, REFRESH)
    go_on(victim, times=2)
    thief = site.browser(there) if copies == 1 else site.browser()
    answers = at_once(lambda: thief.get("/read", cookie=stolen), copies)
    assert_found_out(site, victim, answers)
    assert_deleted_once(answers)
    assert site.asked() == 2


def test_sec_213_a_thief_who_comes_before_the_person_is_found_out(
    two_processes: PairSite,
) -> None:
    site = two_processes
    here, there = site.servers
    victim, thief = site.sign_in("ada", here), site.browser(there)
    thief.cookies = dict(victim.cookies)
    go_on(thief, times=2)
    victim.cookies.pop(ACCESS)
    assert_found_out(site, thief, [victim.get("/read")])
    assert victim.cookies == {}


@pytest.mark.parametrize("copies", [1, 20])
def test_sec_211_a_copy_that_comes_after_the_grace_time_is_found_out(
    two_processes: PairSite, copies: int
) -> None:
    site = two_processes
    here, there = site.servers
    victim = site.sign_in("ada", here)
    stolen = header_of(victim.cookies, REFRESH)
    go_on(victim, times=1)
    site.clock.advance(GRACE + 1)
    thief = site.browser(there) if copies == 1 else site.browser()
    answers = at_once(lambda: thief.get("/read", cookie=stolen), copies)
    assert_found_out(site, victim, answers)


def test_sec_213_a_thief_and_the_person_who_come_at_the_same_time_are_both_out(
    two_processes: PairSite,
) -> None:
    site = two_processes
    victim = site.sign_in()
    stolen = header_of(victim.cookies, REFRESH)
    go_on(victim, times=2)
    own = header_of(victim.cookies, REFRESH)
    each = cycle([stolen, own])
    answers = at_once(
        lambda: victim.get("/read", cookie=next(each), **{REAUTH_HEADER: "slow 0.5"}), 20
    )
    # Who was served before it was found out has cookies that are worth nothing now.
    assert_found_out(site, victim, [answer for answer in answers if answer.status != 200])
    for answer in answers:
        if jar_of(answer):
            assert read_everywhere(site, header_of(jar_of(answer))) == {401}


def go_on(browser: Browser, *, times: int) -> None:
    """Outlive the access cookie so many times."""
    for _ in range(times):
        browser.cookies.pop(ACCESS)
        assert browser.get("/read").status == 200
        assert browser.cookies.keys() == {ACCESS, REFRESH}


def assert_found_out(site: PairSite, last: Browser, answers: list[Answer]) -> None:
    """Nobody has the session any more, nor who was ``last`` to be issued cookies; and the
    application was told of it once, by one process.
    """
    assert {answer.status for answer in answers} == {401}
    asked = site.asked()
    for names in ((), (ACCESS,), (REFRESH,)):
        assert read_everywhere(site, header_of(last.cookies, *names)) == {401}
    assert site.asked() == asked
    [reuse] = site.journal.entries("reuse_detected")
    assert (reuse["sub"], reuse["sid"]) == ("ada", last.claims()["sid"])
    assert site.signed_out() == ["revoked"]
    assert site.log().count("A refresh cookie was used twice") == 1
    for secret in (reuse["sid"], *last.cookies.values()):
        assert secret not in site.log()


# Responses that get lost, and those that come late.


def test_sec_220_a_browser_that_goes_away_while_the_callback_runs_comes_back(
    big_site: PairSite,
) -> None:
    site, browser = big_site, big_site.sign_in()
    browser.cookies.pop(ACCESS)
    send_and_go_away(site, browser, "/read", order="slow 0.5")
    wait_until(lambda: site.journal.entries("decided") != [], "the callback is done")
    answers = at_once(lambda: browser.get("/read"), 20)
    assert assert_one_session(answers)["turn"] == 1
    assert site.asked() == 1
    assert_nobody_was_signed_out(site)


def send_and_go_away(
    site: PairSite, browser: Browser, path: str, *, order: str = "", stays: float = 0.2
) -> None:
    """Send a request, and hang up some seconds later, whatever has come back by then."""
    address = urlsplit(site.servers[0].origin)
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Cookie: {browser.cookie_header()}",
        *([f"{REAUTH_HEADER}: {order}"] if order else []),
    ]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        time.sleep(stays)


@dataclass
class Tabs:
    """What the requests of all tabs of one browser have seen, and whether it can be."""

    site: PairSite
    browser: Browser
    newest: int = 0
    #: When the newest access cookie is over.
    over_at: float = 0.0
    #: Answers that brought back cookies older than those that somebody had already.
    outdated: int = 0
    #: Answers that nobody waited for.
    dropped: int = 0
    calls: dict[int, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def sender(self, request: Callable[[], Answer]) -> Callable[[], Answer]:
        """What sends such a request, and checks the answer."""

        def send() -> Answer:
            with self.lock:
                known = self.newest
            answer = request()
            assert answer.status == 200, (answer.status, answer.body)
            seen = answer.json()
            with self.lock:
                assert seen["sub"] == "ada"
                # What anybody has been answered with is known to all who ask later.
                assert seen["turn"] >= known
                if seen["turn"] < self.newest and REFRESH in cookies_set_by(answer):
                    self.outdated += 1
                self.newest = max(self.newest, seen["turn"])
                self.over_at = max(self.over_at, seen["exp"])
                assert self.calls.setdefault(seen["turn"], seen["call"]) == seen["call"]
            return answer

        return send

    def drop(self, path: str, stays: float) -> None:
        send_and_go_away(self.site, self.browser, path, stays=stays)
        with self.lock:
            self.dropped += 1


def test_tabs_with_all_kinds_of_requests_never_lose_their_session(
    store: str, tmp_path: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 - nobody is to be surprised by it
    with serving_pairs(
        tmp_path,
        clock_shifts=(0, 0) if store != "sqlite" else (0,),
        workers=4 if store == "sqlite" else 2,
        threads=6,
        reauth="slow 0.2",
        STORE=store,
        MAX_AGE=2,
    ) as site:
        tabs = Tabs(site, site.sign_in())
        browser = tabs.browser

        def path() -> str:
            late, slow = chance.uniform(0, 0.3), chance.choice([0, 0, 0, chance.uniform(0, 1)])
            return f"/read?late={late:.2f}&slow={slow:.2f}"

        reads = tabs.sender(lambda: browser.get(path()))
        updates = tabs.sender(lambda: browser.post("/update"))
        late_reads = tabs.sender(lambda: browser.get("/read?late=0.3&slow=2.3"))

        def tab() -> Answer:
            return chance.choice([reads, reads, updates])()

        def late() -> Answer:
            # Re-authenticated with the others, and answered when there are newer cookies; but not
            # so late that those, too, are over.
            time.sleep(max(0.0, tabs.over_at - time.time() - 0.15))
            return late_reads()

        def impatient() -> None:
            time.sleep(chance.uniform(0, 0.3))
            tabs.drop(path(), stays=chance.uniform(0, 0.3))

        with Traffic(*[tab] * 6, late, late, impatient, impatient, pause=0.05) as traffic:
            traffic.go_on(SOAK)
        assert traffic.lost == []
        # As it was left: with whatever cookies came last.
        assert reads().status == 200
        print(
            f"{len(traffic.answers)} answers in {traffic.took:.0f} s, {tabs.dropped} dropped,"
            f" {site.asked()} calls, {tabs.outdated} times older cookies came back"
        )
        assert site.asked() == tabs.newest
        assert traffic.took / 4 <= tabs.newest <= traffic.took / 1.7 + 2
        assert_nobody_was_signed_out(site)
        # Or nothing was shown.
        assert tabs.outdated > 0
        assert tabs.dropped > 5


# Machines whose clocks differ.


@pytest.mark.parametrize("shift", [10.0, -10.0])
def test_machines_whose_clocks_differ_ask_once_and_see_no_thief(
    tmp_path: Path, shift: float
) -> None:
    with (
        RedisServer() as redis,
        serving_pairs(
            tmp_path, clock_shifts=(0, shift), threads=8, STORE=redis.url(), MAX_AGE=60
        ) as site,
    ):
        browser = site.sign_in()
        behind = site.servers[0 if shift > 0 else 1].workers()
        for turn in range(1, 5):
            site.clock.advance(60 + abs(shift) + 5)  # over by both clocks
            sent = browser.cookie_header()
            answers = at_once(lambda: browser.get("/read", cookie=sent), 100)  # noqa: B023
            assert_one_call(answers, turn)
            # No later than the machine whose clock is behind would have it, or by what they differ.
            ends = [answer.json()["exp"] for answer in answers]
            assert max(ends) - min(ends) <= abs(shift) + 1
            from_behind = [answer for answer in answers if answer.worker in behind]
            assert 0 < len(from_behind) < 100
            browser.cookies = jar_of(from_behind[0])
            # It is good by both clocks for the next fifty seconds, or nearly.
            site.clock.advance(40)
            assert_one_call(at_once(lambda: browser.get("/read"), 50), turn)
            assert site.asked() == turn
        # Over by one of the clocks: half of the requests bring new cookies, the others need none.
        site.clock.advance(15)
        sent = browser.cookie_header()
        for _ in range(2):
            answers = at_once(lambda: browser.get("/read", cookie=sent), 50)
            assert_one_call([answer for answer in answers if answer.worker in behind], 4)
            assert_one_call([answer for answer in answers if answer.worker not in behind], 5)
            assert site.asked() == 5
        assert_nobody_was_signed_out(site)


def assert_one_call(answers: list[Answer], turn: int) -> None:
    """All of them were served, after so many calls, as the last of these wanted it."""
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["turn"] for answer in answers} == {turn}
    assert len({answer.json()["call"] for answer in answers}) == 1
