"""SEC-219: a store that is stopped, frozen or deleted while people use the site."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..oidc_provider import OidcProvider
from ..redis_server import RedisServer
from ..serving.browser import Answer, Browser
from ..serving.site import Site, Traffic, at_once, serving, wait_until
from ..serving.token_endpoint import TokenEndpoint

#: Seconds after which the store is used again by everybody, when it is back; and after which one
#: that was deleted has been made anew.
SETTLED = 2.0
#: Seconds that an answer may take at most while the store does not answer.
PATIENT = 8.0
#: What the log says of a store that is away.
COMPLAINT = "The store cannot be used"


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


# Redis.


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
@pytest.mark.parametrize("failure", ["closed", "open"])
def test_redis_is_away_for_a_while_and_nobody_is_signed_out(
    provider: OidcProvider, redis: RedisServer, tmp_path: Path, failure: str, outage: str
) -> None:
    begin, end = {
        # Started again with nothing in it.
        "stopped": (redis.stop, redis.start),
        "frozen": (redis.freeze, redis.thaw),
    }[outage]
    with serving(
        provider,
        tmp_path,
        access_token_lifetime=120,
        STORE=redis.url(),
        STORE_FAILURE=failure,
    ) as site:
        people = [site.sign_in("ada"), site.sign_in("grace")]
        with Traffic(*[send for person in people for send in uses(person)]) as traffic:
            traffic.go_on(0.5)
            begin()
            began = time.monotonic()  # how long stopping it took is the machine's affair
            traffic.go_on(2.5)
            end()
            back = time.monotonic()
            traffic.go_on(SETTLED + 0.5)
        assert traffic.lost == []
        during = [one for one in traffic.since(began + 0.1) if one.arrived_at < back - 0.1]
        later = traffic.since(back + SETTLED)
        slowest = max(one.arrived_at - one.sent_at for one in traffic.answers)
        print(
            f"{len(traffic.answers)} answers, {len(during)} of them while it was {outage}; the"
            f" slowest in {slowest:.1f} s; lines of the log: {site.lines_by_worker(COMPLAINT)}"
        )
        assert not any(answer.deletes_session for answer in traffic.answers)
        assert slowest < PATIENT
        assert {answer.status for answer in later} == {200}
        if failure == "closed":
            assert {answer.status for answer in traffic.answers} == {200, 503}
            assert {answer.status for answer in during if not is_open(answer)} == {503}
            for answer in during:
                assert_says_nobody_knows(answer)
        else:
            assert {answer.status for answer in traffic.answers} == {200}
            assert [one for one in during if is_open(one) and not one.json()["signed_in"]] == []
        # A line of each process, and not one of each request.
        assert set(site.lines_by_worker(COMPLAINT).values()) == {1}
        assert_all_is_well(site, people)


def uses(person: Browser) -> list[Callable[[], Answer]]:
    return [
        lambda: person.get("/read"),
        lambda: person.post("/update"),
        lambda: person.get("/open"),
        lambda: person.get("/auth/session"),
    ]


def is_open(answer: Answer) -> bool:
    """Whether it is of the page that everybody may see."""
    return b'"signed_in"' in answer.body


def assert_says_nobody_knows(answer: Answer) -> None:
    """Neither that somebody is signed in, nor that nobody is."""
    if is_open(answer):
        assert answer.json() == {"signed_in": False, "error": "store_unavailable"}
    else:
        assert answer.json()["code"] == "store_unavailable"
        assert int(answer.headers["Retry-After"]) > 0


def assert_all_is_well(site: Site, people: list[Browser]) -> None:
    """They are signed in, their tokens are refreshed, and who signs out is signed out everywhere.

    For a refresh only one process can have missed that the store is back.
    """
    for person in people:
        before = person.get("/read").json()
        assert site.journal.entries("signed_out", sub=before["sub"]) == []
        person.expire_tokens()
        old_cookie = person.cookie_header()
        answers = at_once(lambda: person.get("/read", cookie=old_cookie), 20)  # noqa: B023
        assert {answer.status for answer in answers} == {200}
        assert {one.json()["generation"] for one in answers} == {before["generation"] + 1}
        assert person.get("/read").json()["error"] is None
    assert {call["status"] for call in site.refreshes()} == {200}
    for person in people:
        assert_can_sign_out(site, person)


def assert_can_sign_out(site: Site, person: Browser) -> None:
    copied = person.cookie_header()
    assert person.get("/read", cookie=copied).status == 200
    assert person.post("/leave").status == 200
    answers = at_once(lambda: person.get("/read", cookie=copied), 40)
    assert {answer.status for answer in answers} == {401}


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_redis_is_away_when_tokens_have_to_be_refreshed_and_comes_back_empty(
    provider: OidcProvider, redis: RedisServer, tmp_path: Path, failure: str
) -> None:
    with serving(provider, tmp_path, STORE=redis.url(), STORE_FAILURE=failure) as site:
        ada = site.sign_in()
        assert ada.post("/auth/session/refresh").status == 200
        assert redis.client().dbsize() > 0
        redis.stop()
        wait_until(lambda: time.time() > ada.account()["expires_at"], "the access token is over")
        answers = at_once(lambda: ada.get("/read"), 20)
        if failure == "closed":
            assert {answer.status for answer in answers} == {503}
        else:
            assert {answer.status for answer in answers} == {200}
            seen = {(one.json()["generation"], one.json()["error"]) for one in answers}
            assert seen == {(1, "refresh_unavailable")}
        assert len(site.refreshes()) == 1
        redis.start()
        assert redis.client().dbsize() == 0
        old_cookie = ada.cookie_header()
        answers = at_once(lambda: ada.get("/read", cookie=old_cookie), 20)
        assert {answer.status for answer in answers} == {200}
        assert {(one.json()["generation"], one.json()["error"]) for one in answers} == {(2, None)}
        assert [call["status"] for call in site.refreshes()] == [200, 200]
        assert not any(answer.deletes_session for answer in answers)
        assert site.journal.entries("signed_out") == []


def test_redis_that_freezes_when_new_tokens_are_to_be_recorded_loses_nothing(
    provider: OidcProvider, redis: RedisServer, tmp_path: Path
) -> None:
    with (
        TokenEndpoint(provider.metadata()["token_endpoint"]) as endpoint,
        serving(
            provider,
            tmp_path,
            access_token_lifetime=120,
            token_endpoint=endpoint.url,
            STORE=redis.url(),
        ) as site,
        ThreadPoolExecutor(1) as background,
    ):
        ada = site.sign_in()
        ada.expire_tokens()
        old_cookie = ada.cookie_header()
        answer = endpoint.hold("answer", ada.account()["refresh_token"])
        first = background.submit(ada.get, "/read")
        answer.wait()
        with redis.frozen():
            answer.release()
            # Longer than a write is waited for.
            assert first.result().json()["generation"] == 1
        time.sleep(SETTLED)
        answers = at_once(lambda: ada.get("/read", cookie=old_cookie), 20)
        assert {answer.status for answer in answers} == {200}
        assert {(one.json()["generation"], one.json()["error"]) for one in answers} == {(1, None)}
        assert [call["status"] for call in site.refreshes()] == [200]


# The SQLite file.


@pytest.mark.parametrize("left_behind", [(), ("-wal", "-shm")], ids=["all of it", "the file alone"])
def test_the_sqlite_file_is_deleted_and_nobody_is_signed_out(
    provider: OidcProvider, tmp_path: Path, left_behind: tuple[str, ...]
) -> None:
    with serving(provider, tmp_path, workers=4, access_token_lifetime=120) as site:
        people = [site.sign_in("ada"), site.sign_in("grace")]
        visitor = Visitor(site.browser())
        [file] = wait_for_files(tmp_path, people)
        with Traffic(*[send for person in people for send in uses(person)], visitor) as traffic:
            traffic.go_on(1)
            deleting = time.monotonic()
            for suffix in ("", "-wal", "-shm"):
                if suffix not in left_behind:
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
            deleted = time.monotonic()
            traffic.go_on(SETTLED + 1)
        assert traffic.lost == []
        later = traffic.since(deleted + SETTLED)
        failed = [one for one in traffic.answers if one.status >= 500]
        print(
            f"{len(traffic.answers)} answers, {len(failed)} failed, the last"
            f" {max((one.sent_at - deleted for one in failed), default=0.0):.2f} s after; lines"
            f" of the log: {site.lines_by_worker(COMPLAINT)}"
        )
        assert not any(answer.deletes_session for answer in traffic.answers)
        assert {answer.status for answer in traffic.answers} <= {200, 503}
        assert {answer.status for answer in later} == {200}
        assert file.exists()
        # Who signed out at that moment may not be; everybody else is.
        assert visitor.visits > 20
        for outlived in visitor.outlived:
            assert deleting < outlived.arrived_at
            assert outlived.sent_at < deleted + SETTLED
        assert all(count <= 1 for count in site.lines_by_worker(COMPLAINT).values())
        assert_all_is_well(site, people)


def wait_for_files(folder: Path, people: list[Browser]) -> list[Path]:
    """The file of the store: it is made when something is written for the first time."""
    for person in people:
        assert person.post("/auth/session/refresh").status == 200
    return list(folder.glob("*/*.sqlite3"))


class Visitor:
    """Signs in and out again and again, and looks whether a copy of the cookie is still good.

    :ivar outlived: answers to copies that were good after the sign-out
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.visits = 0
        self.outlived: list[Answer] = []

    def __call__(self) -> None:
        assert self.browser.post("/enter?id=visitor").status == 200
        copied = self.browser.cookie_header()
        assert self.browser.post("/leave").status == 200
        answer = self.browser.get("/read", cookie=copied)
        self.visits += 1
        if answer.status == 200:
            self.outlived.append(answer)
