"""``client.js`` in a real browser: the end of a session, and clocks that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from ..client_site import SESSION, STATUS, UPDATE, ClientSite, serving_client_site
from ..client_visits import Chromium, Person, Tab, somebody

HOUR, DAY = 3_600, 86_400
#: Seconds that a session lives here, if it is not used.
MAX_AGE = 600
#: For which the server takes a token after its end.
LEEWAY = 15

ASKING = "(client) => client.getSession()"


@contextmanager
def visiting(
    chromium: Chromium, *, wrong_by: float = 0.0, **config: Any
) -> Iterator[tuple[Person, ClientSite]]:
    """Somebody who has just signed in, with a clock that is ``wrong_by`` seconds ahead."""
    config = {"MAX_AGE": MAX_AGE, **config}
    with serving_client_site(**config) as site, somebody(chromium, site) as person:
        yield person.signs_in().stops_the_clock(wrong_by=wrong_by), site


def seconds_left(site: ClientSite, tab: Tab) -> float:
    """Until the session ends, as its ``expires`` says."""
    ends: datetime = datetime.fromisoformat(tab.snapshot()["expires"])
    return ends.timestamp() - site.clock()


# Before the end.


def test_a_session_in_use_is_prolonged_shortly_before_its_end(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        tab.is_used()
        person.passes(MAX_AGE - 65)
        assert site.takes_asked() == []
        person.passes(10)
        assert site.takes_asked() == [SESSION]
        assert seconds_left(site, tab) > MAX_AGE - 10
        person.passes(MAX_AGE - 100)
        tab.sees("Ada")
        assert site.takes_asked() == []


def test_use_shortly_before_the_end_prolongs_it_at_once(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        person.passes(MAX_AGE - 20)
        assert site.takes_asked() == []
        tab.is_used()
        assert site.takes_asked() == [SESSION]
        assert seconds_left(site, tab) > MAX_AGE - 5


@pytest.mark.parametrize(
    ("name", "of"),
    [("pointerdown", "PointerEvent"), ("keydown", "KeyboardEvent"), ("wheel", "WheelEvent")],
)
def test_every_kind_of_use_counts(chromium: Chromium, name: str, of: str) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        # Also if the page keeps it from going on to others.
        tab.page.evaluate(
            """([name, of]) => {
                document.body.addEventListener(name, (event) => event.stopPropagation());
                document.body.dispatchEvent(new window[of](name, {bubbles: true}));
            }""",
            [name, of],
        )
        person.passes(MAX_AGE - 50)
        assert site.takes_asked() == [SESSION]


def test_the_mouse_and_the_keyboard_are_use(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        person.passes(MAX_AGE - 30)
        tab.page.mouse.move(20, 20)
        tab.settles()
        assert site.takes_asked() == [SESSION]
        person.passes(MAX_AGE - 30)
        tab.page.keyboard.press("a")
        tab.settles()
        assert site.takes_asked() == [SESSION]


def test_what_was_used_before_the_last_question_counts_no_more(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        tab.is_used()
        tab.calls(ASKING)
        site.takes_asked()
        person.passes(seconds_left(site, tab) + LEEWAY + 6)
        tab.sees("nobody")
        assert SESSION not in site.takes_asked()


def test_a_tab_that_is_used_prolongs_it_for_all_of_them(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab, other = person.tab(), person.tab()
        tab.is_used()
        person.passes(MAX_AGE - 50)
        other.page.wait_for_function(
            "(expires) => window.client.getSnapshot().expires === expires",
            arg=tab.snapshot()["expires"],
        )
        person.passes(100)
        other.sees("Ada")
        assert site.takes_asked() == [SESSION]


# At the end.


def test_a_session_that_nobody_uses_is_over_at_its_end_and_not_prolonged(
    chromium: Chromium,
) -> None:
    with visiting(chromium) as (person, site):
        tabs = [person.tab(), person.tab()]
        person.passes(MAX_AGE - 1)
        assert site.takes_asked() == []
        person.passes(LEEWAY + 7)
        for _ in range(5):
            person.passes(1)
        for tab in tabs:
            tab.sees("nobody")
        asked = site.takes_asked()
        assert set(asked) == {STATUS}
        assert len(asked) <= 6 * len(tabs)
        person.passes(600)
        assert site.takes_asked() == []


def test_use_after_the_end_does_not_put_it_off(chromium: Chromium) -> None:
    """The server still takes the token for a while, and does not prolong it any more."""
    with visiting(chromium) as (person, _):
        tab = person.tab()
        person.passes(MAX_AGE + 1)
        for _ in range(5):
            tab.is_used()
            person.passes(4)
        tab.sees("nobody")


def test_what_a_tab_without_the_client_has_prolonged_is_not_over(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        person.passes(MAX_AGE - 100)
        person.context.request.get(f"{site.origin}/")
        person.passes(200)
        tab.sees("Ada")
        assert set(site.takes_asked()) == {STATUS}
        person.passes(MAX_AGE)
        person.passes(1)
        tab.sees("nobody")


def test_a_session_without_an_end_ends_when_the_server_says_so(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        site.shows_expires = False
        tab = person.tab()
        assert tab.calls("(client) => client.timeLeft() === Infinity") is True
        tab.is_used()
        person.passes(2 * MAX_AGE)
        tab.sees("Ada")
        assert site.takes_asked() == []
        tab.calls(ASKING)
        tab.sees("nobody")


@pytest.mark.parametrize("max_age", [30 * DAY, 400 * DAY])
def test_a_session_of_many_days_is_left_in_peace_until_its_end(
    chromium: Chromium, max_age: int
) -> None:
    """A browser takes a timer of more than 24.8 days for one of none."""
    with visiting(chromium, MAX_AGE=max_age) as (person, site):
        tab = person.tab()
        person.passes(HOUR)
        person.sleeps(max_age - 2 * HOUR)
        assert site.takes_asked() == []
        tab.sees("Ada")
        person.sleeps(HOUR + LEEWAY + 1)
        tab.sees("nobody")
        assert site.takes_asked() == [STATUS]


# Machines that sleep, and clocks that are wrong.


def test_a_machine_that_wakes_up_after_the_end_knows_it_soon(chromium: Chromium) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        person.passes(60)
        person.sleeps(8 * HOUR)
        tab.sees("nobody")
        assert site.takes_asked() == [STATUS]


def test_timers_that_stood_still_meanwhile_do_not_put_off_the_end(chromium: Chromium) -> None:
    with visiting(chromium, MAX_AGE=8 * HOUR) as (person, site):
        tab = person.tab()
        person.passes(60)
        # The clock goes on and no timer does.
        site.clock.advance(8 * HOUR)
        person.sets_the_clock(later_by=8 * HOUR)
        assert site.takes_asked() == []
        person.passes(31)
        tab.sees("nobody")


@pytest.mark.parametrize(
    ("path", "wrong_by"), [("/", HOUR), ("/", -30 * DAY), ("/plain", -HOUR), ("/plain", 30 * DAY)]
)
def test_with_a_clock_that_is_wrong_a_session_ends_when_it_ends(
    chromium: Chromium, path: str, wrong_by: int
) -> None:
    with visiting(chromium, wrong_by=wrong_by) as (person, site):
        tab = person.tab(path)
        tab.sees("Ada")
        tab.settles()
        site.takes_asked()
        person.passes(MAX_AGE - 5)
        assert site.takes_asked() == []
        tab.sees("Ada")
        person.passes(LEEWAY + 11)
        person.passes(5)
        tab.sees("nobody")


@pytest.mark.parametrize("wrong_by", [0, HOUR, -HOUR])
def test_the_time_left_is_by_the_clock_of_the_server(chromium: Chromium, wrong_by: int) -> None:
    with visiting(chromium, wrong_by=wrong_by) as (person, site):
        tab = person.tab()
        left = "(client) => client.timeLeft()"
        assert tab.calls(left) == pytest.approx(MAX_AGE * 1000, abs=6000)
        person.passes(100)
        assert tab.calls(left) == pytest.approx((MAX_AGE - 100) * 1000, abs=6000)
        with site.holding(STATUS):
            person.waits(MAX_AGE)
            assert tab.calls(left) == pytest.approx(-100_000, abs=6000)
        person.context.clear_cookies()
        tab.calls(ASKING)
        assert tab.calls("(client) => client.timeLeft() === undefined") is True


def test_a_clock_that_is_set_right_while_the_page_is_open_ends_nothing(chromium: Chromium) -> None:
    with visiting(chromium, wrong_by=-HOUR) as (person, site):
        tab = person.tab()
        person.sets_the_clock(later_by=HOUR)
        for _ in range(8):
            person.passes(5)
        tab.sees("Ada")
        assert set(site.takes_asked()) <= {STATUS}


def test_a_clock_that_is_set_back_while_the_page_is_open_puts_nothing_off(
    chromium: Chromium,
) -> None:
    with visiting(chromium) as (person, site):
        tab = person.tab()
        person.passes(10)
        person.sets_the_clock(later_by=-HOUR)
        tab.is_used()
        for _ in range(20):
            person.passes(30)
        assert site.takes_asked() == [SESSION]
        tab.sees("Ada")


def test_a_clock_that_is_set_back_is_noticed_once(chromium: Chromium) -> None:
    with visiting(chromium) as (person, _):
        tab = person.tab()
        person.passes(10)
        person.sets_the_clock(later_by=-HOUR)
        tab.calls(ASKING)
        left = tab.calls("(client) => client.timeLeft()")
        assert left == pytest.approx(MAX_AGE * 1000, abs=20_000)


@pytest.mark.parametrize("seconds", [30, HOUR])
def test_a_clock_that_is_set_back_hides_no_sign_out(chromium: Chromium, seconds: int) -> None:
    with visiting(chromium) as (person, site):
        tab, other = person.tab(), person.tab()
        tab.calls(ASKING)
        person.sets_the_clock(later_by=-seconds)
        assert tab.calls("(client) => client.update({nick: 'al'})")["nick"] == "al"
        other.page.wait_for_function("window.client.getSnapshot().nick === 'al'")
        other.calls("(client) => client.signOut({redirect: false})")
        for one in (tab, other):
            one.sees("nobody", within=1000)
        assert site.takes_asked() == [SESSION, UPDATE, "POST /auth/signout"]


# Sessions that cannot be prolonged.


def test_no_flood_while_the_mouse_moves_before_the_absolute_end(chromium: Chromium) -> None:
    with visiting(chromium, ABSOLUTE_MAX_AGE=MAX_AGE) as (person, site):
        tab = person.tab()
        person.passes(MAX_AGE - 62)
        for _ in range(30):
            tab.is_used(times=4)
            person.passes(2)
        assert len(site.takes_asked()) <= 15


def test_no_flood_while_the_mouse_moves_after_the_absolute_end(chromium: Chromium) -> None:
    """As long as the server still takes the token."""
    with visiting(chromium, ABSOLUTE_MAX_AGE=MAX_AGE) as (person, site):
        tab = person.tab()
        person.passes(MAX_AGE - 1)
        site.takes_asked()
        for _ in range(75):
            tab.is_used(times=2)
            person.passes(0.2)
        assert len(site.takes_asked()) <= 12
        for _ in range(6):
            person.passes(2)
        tab.sees("nobody")


# Access and refresh cookies.


def test_with_a_refresh_cookie_the_end_of_the_access_cookie_is_no_sign_out(
    chromium: Chromium,
) -> None:
    with visiting(chromium, REFRESH_COOKIE=True, MAX_AGE=60) as (person, site):
        tab, other = person.tab(), person.tab()
        person.passes(70)
        person.passes(600)
        for one in (tab, other):
            one.sees("Ada")
        asked = site.takes_asked()
        assert set(asked) == {STATUS}
        assert len(asked) <= 4
        tab.calls(ASKING)
        assert seconds_left(site, tab) == pytest.approx(60, abs=2)


def test_with_a_refresh_cookie_a_page_in_use_gets_new_access_without_a_flood(
    chromium: Chromium,
) -> None:
    with visiting(chromium, REFRESH_COOKIE=True, MAX_AGE=60) as (person, site):
        tab = person.tab()
        person.passes(52)
        for _ in range(50):
            tab.is_used(times=2)
            person.passes(0.3)
        tab.sees("Ada")
        assert seconds_left(site, tab) > 0
        assert 1 <= len(site.takes_asked()) <= 10


def test_with_a_refresh_cookie_the_end_of_that_one_is_the_end(chromium: Chromium) -> None:
    config = {"REFRESH_COOKIE": True, "MAX_AGE": 60, "REFRESH_MAX_AGE": HOUR}
    with visiting(chromium, **config) as (person, site):
        tab = person.tab()
        person.passes(70)
        tab.sees("Ada")
        person.sleeps(HOUR)
        person.passes(LEEWAY + 6)
        tab.sees("nobody")
        assert SESSION not in site.asked
