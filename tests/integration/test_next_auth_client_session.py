"""Auth.js's own React client, ``next-auth/react`` as it is published, in a real browser: the
session that it shows, changed here, in another tab and on the server.

As in `test_next_auth_client`, with version 4 and 5 of it, and nothing else may go wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from flask import Response, request
from playwright.sync_api import Browser

from flask_jwtsession import revoke_user

from ..next_auth_site import (
    LOGGED,
    PREFIXES,
    VERSIONS,
    Site,
    Visitor,
    build,
    make_site,
    serving,
    visiting,
)

each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("next-auth-client")
    return {version: build(version, folder) for version in VERSIONS}


@pytest.fixture(params=VERSIONS)
def site(request: pytest.FixtureRequest, builds: dict[str, Path]) -> Iterator[Site]:
    version: str = request.param
    with serving(make_site(builds[version], version, PREFIXES[version])) as running:
        yield running


@contextmanager
def ada_at(site: Site, browser: Browser) -> Iterator[Visitor]:
    """Ada, who has signed in before, and who has just opened the page."""
    with browser.new_context() as context, visiting(site, context) as visitor:
        visitor.has_signed_in()
        visitor.opens()
        visitor.sees("Hello, Ada")
        visitor.asked.clear()
        yield visitor


@pytest.fixture
def ada(site: Site, browser: Browser) -> Iterator[Visitor]:
    with ada_at(site, browser) as visitor:
        yield visitor


def end_sessions_of_ada(site: Site) -> None:
    with site.app.app_context():
        revoke_user("ada")


# Updates.


def test_an_update_is_in_the_session_at_once_and_for_good(ada: Visitor) -> None:
    ada.saves("Countess")
    ada.sees("Hello, Countess")
    assert ada.statuses()[-2:] == ["loading", "authenticated"]
    assert ada.sees_result() == ada.session()
    assert ada.asked == ["GET /csrf", "POST /session"]
    ada.page.reload()
    ada.sees("Hello, Countess")


def test_an_update_changes_nothing_that_a_browser_may_not_change(ada: Visitor) -> None:
    answer = ada.calls("update", {"nick": "Countess", "role": "admin", "sub": "grace"})
    assert answer["nick"] == "Countess"
    ada.page.reload()
    ada.sees("Hello, Countess")
    assert "role" not in ada.session()
    assert ada.session()["user"]["name"] == "Ada"


def test_an_update_that_is_refused_leaves_the_session_as_it_is(ada: Visitor) -> None:
    session = ada.session()
    ada.saves("root")
    assert ada.sees_result() is None
    ada.sees("Hello, Ada")
    assert ada.statuses()[-2:] == ["loading", "authenticated"]
    assert ada.session() == session
    assert sorted(ada.takes_trouble()) == ["POST /session: 400", LOGGED]
    ada.saves("Countess")
    ada.sees("Hello, Countess")


def test_an_update_without_data_reads_the_session_again(ada: Visitor) -> None:
    ada.site.plans["ada"] = "gold"
    assert ada.calls("update")["plan"] == "gold"
    ada.sees_plan("gold")


def test_nobody_updates_nothing(site: Site, browser: Browser) -> None:
    with browser.new_context() as context, visiting(site, context) as visitor:
        visitor.opens()
        visitor.sees("Nobody is signed in")
        assert visitor.calls("update", {"nick": "Countess"}) is None
        visitor.sees("Nobody is signed in")
        # The client of version 4 does not ask.
        trouble = {"v4": [], "v5": ["POST /session: 401", LOGGED]}
        assert sorted(visitor.takes_trouble()) == trouble[site.version]


# What happens on the server.


def test_who_comes_back_to_the_tab_sees_what_has_changed(ada: Visitor) -> None:
    ada.site.plans["ada"] = "gold"
    ada.comes_back()
    ada.sees_plan("gold")
    assert set(ada.statuses()[1:]) == {"authenticated"}


def test_who_comes_back_to_the_tab_sees_that_the_session_was_ended(ada: Visitor) -> None:
    end_sessions_of_ada(ada.site)
    ada.comes_back()
    ada.sees("Nobody is signed in")
    assert not ada.has_session_cookie()


def test_without_refetch_on_focus_nothing_is_asked(site: Site, browser: Browser) -> None:
    site.properties["refetchOnWindowFocus"] = False
    with ada_at(site, browser) as ada:
        ada.comes_back()
        ada.calls("getCsrfToken")
        assert ada.asked == ["GET /csrf"]


def test_with_an_interval_the_session_is_read_again_and_again(site: Site, browser: Browser) -> None:
    site.properties["refetchInterval"] = 60
    with browser.new_context() as context, visiting(site, context) as ada:
        ada.page.clock.install()
        ada.has_signed_in()
        ada.opens()
        ada.sees("Hello, Ada")
        for plan in ("gold", "platinum"):
            site.plans["ada"] = plan
            ada.page.clock.run_for(60_000)
            ada.sees_plan(plan)
        end_sessions_of_ada(site)
        ada.page.clock.run_for(60_000)
        ada.sees("Nobody is signed in")


def test_with_the_session_in_the_page_there_is_no_first_request(
    site: Site, browser: Browser
) -> None:
    site.gives_session = True
    with browser.new_context() as context, visiting(site, context) as visitor:
        visitor.opens()
        visitor.sees("Nobody is signed in")
        assert visitor.statuses() == ["unauthenticated"]
        visitor.has_signed_in()
        visitor.opens()
        visitor.sees("Hello, Ada")
        assert visitor.statuses() == ["authenticated"]
        assert visitor.asked == []
        assert visitor.session() == visitor.calls("getSession")


# Two tabs.


def a_second_later(*tabs: Visitor) -> None:
    """To other tabs the client of version 4 says nothing twice in one second."""
    for tab in tabs:
        tab.page.clock.fast_forward(1000)


@contextmanager
def two_tabs(site: Site, browser: Browser) -> Iterator[tuple[Visitor, Visitor]]:
    with (
        browser.new_context() as context,
        visiting(site, context) as here,
        visiting(site, context) as there,
    ):
        for tab in (here, there):
            tab.page.clock.install()
            tab.opens()
            tab.sees("Nobody is signed in")
        a_second_later(here, there)
        yield here, there


def test_two_tabs_show_the_same(site: Site, browser: Browser) -> None:
    with two_tabs(site, browser) as (here, there):
        here.signs_in()
        there.sees("Hello, Ada")
        here.sees("Hello, Ada")
        a_second_later(here, there)
        there.saves("Countess")
        here.sees("Hello, Countess")
        a_second_later(here, there)
        here.clicks("Sign out")
        there.sees("Nobody is signed in")
        here.sees("Nobody is signed in")
        a_second_later(here, there)
        here.signs_in("grace")
        there.sees("Hello, Grace")
        a_second_later(here, there)
        there.clicks("Sign out and stay")
        here.sees("Nobody is signed in")


def test_of_a_sign_in_without_a_redirect_no_other_tab_hears_until_the_session_is_read(
    site: Site, browser: Browser
) -> None:
    with two_tabs(site, browser) as (here, there):
        there.asked.clear()
        here.signs_in(stays=True)
        here.sees("Hello, Ada")
        there.comes_back()
        assert there.calls("getProviders").keys() == {"credentials"}
        assert there.asked == ["GET /providers"]
        here.calls("getSession")
        there.sees("Hello, Ada")


def test_a_page_for_members_is_left_when_another_tab_signs_out(ada: Visitor) -> None:
    with visiting(ada.site, ada.page.context) as there:
        there.opens("/members")
        there.sees("For Ada only")
        ada.clicks("Sign out and stay")
        there.is_on_sign_in_page("Sign in to see this page.")


# Late answers, and none.


@each_version
def test_a_late_answer_does_not_bring_a_session_back(
    browser: Browser, builds: dict[str, Path], version: str
) -> None:
    site = make_site(builds[version], version, PREFIXES[version], UPDATE_AGE=0)
    is_slow, arrived, goes_on, was_used = Event(), Event(), Event(), Event()

    @site.app.after_request
    def hold(response: Response) -> Response:
        if is_slow.is_set() and request.endpoint == "jwtsession.session":
            # The client asks once more when it has signed out. Which of two answers it uses last is
            # the network's affair; here it is the one to that.
            goes_on_after = was_used if arrived.is_set() else goes_on
            arrived.set()
            goes_on_after.wait(30)
        return response

    with serving(site), ada_at(site, browser) as ada:
        is_slow.set()
        ada.comes_back()
        assert arrived.wait(30)
        with ada.page.expect_response(f"**{site.prefix}/signout"):
            ada.clicks("Sign out and stay")
        with ada.page.expect_response(f"**{site.prefix}/session") as late:
            goes_on.set()
        assert late.value.json()["user"]["name"] == "Ada"
        assert ada.has_session_cookie()
        is_slow.clear()
        was_used.set()
        ada.sees("Nobody is signed in")
        ada.page.reload()
        ada.sees("Nobody is signed in")


def test_an_update_while_the_store_is_away_changes_nothing(ada: Visitor) -> None:
    ada.site.store.refused.add("get_many")
    ada.saves("Countess")
    assert ada.sees_result() is None
    ada.sees("Hello, Ada")
    assert sorted(ada.takes_trouble()) == ["POST /session: 503", LOGGED]


def test_while_the_store_is_away_the_client_shows_nobody_until_the_page_is_loaded_again(
    ada: Visitor,
) -> None:
    """It takes every answer but a success for nobody's, and does not look again for nobody."""
    ada.site.store.refused.add("get_many")
    ada.comes_back()
    ada.sees("Nobody is signed in")
    ada.opens("/members")
    ada.is_on_sign_in_page()
    assert set(ada.takes_trouble()) == {"GET /session: 503", LOGGED}
    assert ada.has_session_cookie()
    ada.opens()
    ada.sees("Nobody is signed in")
    ada.takes_trouble()
    ada.site.store.refused.clear()
    ada.asked.clear()
    ada.comes_back()
    ada.calls("getCsrfToken")
    assert ada.asked == ["GET /csrf"]
    ada.page.reload()
    ada.sees("Hello, Ada")


@each_version
def test_where_the_store_may_be_away_the_client_notices_nothing(
    browser: Browser, builds: dict[str, Path], version: str
) -> None:
    site = make_site(builds[version], version, PREFIXES[version], STORE_FAILURE="open")
    with serving(site), ada_at(site, browser) as ada:
        site.store.refused.add("get_many")
        site.plans["ada"] = "gold"
        ada.comes_back()
        ada.sees_plan("gold")
        ada.saves("Countess")
        ada.sees("Hello, Countess")
