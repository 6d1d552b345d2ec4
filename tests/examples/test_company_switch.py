"""One of several companies: chosen by a POST, or by the article's GET, and what neither can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.cli import ScriptInfo
from playwright.sync_api import Browser, Page, expect
from werkzeug.test import TestResponse

from examples.company_switch import create_app, database
from examples.company_switch.database import ACCOUNTS
from flask_jwtsession import Session, session_updated
from flask_jwtsession.testing import JWTSessionClient
from flask_jwtsession.testing.flaws import FLAWS, Flaw

from ..browsers import running_browser
from ..serving.thread import served

FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
#: What Chromium sends with ``fetch()`` in a page of ours.
OUR_FETCH = {**FROM_OUR_PAGE, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
PASSWORDS = {username: password for username, password, _, _ in ACCOUNTS}

PAPER_LANE = {"id": 7, "name": "Paper Lane"}
NORTH_MILL = {"id": 8, "name": "North Mill"}

Choose = Callable[[JWTSessionClient, object], TestResponse]


def by_post(client: JWTSessionClient, company_id: object) -> TestResponse:
    return client.post(
        "/auth/session", json={"data": {"companyId": company_id}}, headers=FROM_OUR_PAGE
    )


def by_get(client: JWTSessionClient, company_id: object) -> TestResponse:
    return client.get("/auth/session", query_string={"companyId": company_id}, headers=OUR_FETCH)


in_both_ways = pytest.mark.parametrize("choose", [by_post, by_get])


@pytest.fixture
def app() -> Flask:
    app = create_app(TESTING=True)
    app.test_client_class = JWTSessionClient
    return app


@pytest.fixture
def client(app: Flask) -> JWTSessionClient:
    """Of Ada, who owns Paper Lane (7) and works for North Mill (8)."""
    client = JWTSessionClient(app)
    client.sign_in({"id": 1, "name": "Ada Lovelace"})
    return client


def claims_of(client: JWTSessionClient) -> dict[str, Any]:
    """Those of the client's cookie that say who it is and where."""
    session = client.get_session()
    assert session, "nobody is signed in"
    times = ("iat", "exp", "jti")  # another one at each issue
    return {name: value for name, value in session.token.items() if name not in times}


@contextmanager
def unchanged(client: JWTSessionClient) -> Iterator[None]:
    before = claims_of(client)
    yield
    assert claims_of(client) == before


# What a choice does.


@in_both_ways
def test_the_chosen_company_is_in_the_token_with_what_the_database_knows_of_it(
    client: JWTSessionClient, choose: Choose
) -> None:
    before = claims_of(client)
    response = choose(client, 7)
    assert response.status_code == 200
    assert claims_of(client) == {**before, "company": PAPER_LANE, "role": "owner"}
    assert client.get_session(response)


@in_both_ways
def test_the_answer_is_the_session_with_the_company(
    client: JWTSessionClient, choose: Choose
) -> None:
    answer = choose(client, 7).get_json()
    assert answer["company"] == PAPER_LANE
    assert answer["user"]["role"] == "owner"
    assert client.get("/auth/session").get_json() == answer


@in_both_ways
def test_another_choice_takes_the_place_of_the_first_one(
    client: JWTSessionClient, choose: Choose
) -> None:
    choose(client, 7)
    choose(client, 8)
    claims = claims_of(client)
    assert (claims["company"], claims["role"]) == (NORTH_MILL, "member")


@in_both_ways
def test_the_role_counts_in_its_own_company_only(client: JWTSessionClient, choose: Choose) -> None:
    assert client.get("/settings").status_code == 403
    choose(client, 7)
    assert "Settings of Paper Lane" in client.get("/settings").text
    choose(client, 8)
    assert client.get("/settings").status_code == 403


def test_each_person_has_companies_of_their_own(app: Flask) -> None:
    bob = JWTSessionClient(app)
    bob.sign_in({"id": 2, "name": "Bob Bayley"})
    by_post(bob, 8)
    claims = claims_of(bob)
    assert (claims["company"], claims["role"]) == (NORTH_MILL, "owner")
    page = bob.get("/").text
    assert "Harbour Press" in page
    assert "Paper Lane" not in page


def test_whoever_signs_in_is_at_no_company_yet(client: JWTSessionClient) -> None:
    by_post(client, 7)
    client.sign_in({"id": 1, "name": "Ada Lovelace"})
    assert not claims_of(client).keys() & {"company", "role"}


def test_only_the_post_tells_the_application_of_the_number_alone(
    app: Flask, client: JWTSessionClient
) -> None:
    told = []

    def note(sender: Flask, session: Session, data: dict[str, Any], from_client: bool) -> None:
        told.append((data, from_client))

    with session_updated.connected_to(note, app):
        sent = {"data": {"companyId": 7, "role": "owner"}}
        client.post("/auth/session", json=sent, headers=FROM_OUR_PAGE)
        by_get(client, 8)
    assert told == [({"companyId": 7}, True)]


def test_an_update_without_a_company_changes_nothing(client: JWTSessionClient) -> None:
    with unchanged(client):
        response = client.post("/auth/session", json={"data": {}}, headers=FROM_OUR_PAGE)
    assert response.status_code == 200


# What is no company of theirs.

NOT_THEIRS: dict[str, object] = {
    "one where they are no member": 9,
    "one that does not exist": 1000,
    "a text": "abc",
    "nothing": "",
    "zero": 0,
    "a negative number": -7,
    "a number beyond every database": 10**30,
    "a number of 5000 digits": "9" * 5000,
    "a fraction": 7.5,
    "digits of another script": "\u0667",
    "SQL": "7 OR 1=1",
    "a list of two": [7, 8],
    "a list of one, and nothing": ["7", ""],
}


@in_both_ways
@pytest.mark.parametrize("company", NOT_THEIRS)
def test_nothing_changes_for(client: JWTSessionClient, choose: Choose, company: str) -> None:
    by_post(client, 8)
    with unchanged(client):
        response = choose(client, NOT_THEIRS[company])
    assert response.status_code == (400 if choose is by_post else 200)
    assert client.get_session(response) is None


@pytest.mark.parametrize("value", ["7", 7.0, True, None, [7], {"id": 7}, {"7": 7}], ids=repr)
def test_a_post_takes_a_whole_number_and_not(client: JWTSessionClient, value: object) -> None:
    with unchanged(client):
        assert by_post(client, value).status_code == 400


@in_both_ways
def test_the_database_is_asked_for_what_can_be_an_id_and_for_nothing_else(
    client: JWTSessionClient, choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that a column cannot hold is an error to most databases, and would be a 500."""
    asked: list[object] = []
    monkeypatch.setattr(database, "company_of_member", lambda _, number: asked.append(number))
    for company in (*NOT_THEIRS.values(), 2**31 - 1, 2**31):
        choose(client, company)
    assert asked == [9, 1000, 2**31 - 1]


def test_a_refused_post_says_so_and_does_not_say_whether_the_company_exists(
    client: JWTSessionClient,
) -> None:
    not_theirs, unknown = (by_post(client, company).get_json() for company in (9, 1000))
    assert not_theirs["code"] == "update_refused"
    assert not_theirs["detail"] == "You are not a member of that company."
    assert not_theirs == unknown


def test_a_browser_sends_a_number_and_nothing_else_counts(client: JWTSessionClient) -> None:
    before = claims_of(client)
    sent = {
        "companyId": 8,
        "company": {"id": 9, "name": "Mine"},
        "role": "owner",
        "sub": "2",
        "exp": 9_999_999_999,
        "sid": "another",
        "_session": {},
    }
    client.post("/auth/session", json={"data": sent}, headers=FROM_OUR_PAGE)
    assert claims_of(client) == {**before, "company": NORTH_MILL, "role": "member"}


def test_nor_does_anything_else_count_in_the_address(client: JWTSessionClient) -> None:
    before = claims_of(client)
    query = "companyId=8&role=owner&sub=2&name=Mine&company.id=9"
    client.get(f"/auth/session?{query}", headers=OUR_FETCH)
    assert claims_of(client) == {**before, "company": NORTH_MILL, "role": "member"}


BODIES = [b"", b"[]", b"7", b"null", b"[" * 60_000, b'{"data": [7]}', b'{"data": "companyId"}']
BODIES += [b'{"data": {"companyId": 1' + b"0" * 5000 + b"}}", b'{"data": {"companyId": NaN}}']


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:30])
def test_a_body_that_makes_no_sense_is_refused(client: JWTSessionClient, body: bytes) -> None:
    with unchanged(client):
        response = client.post(
            "/auth/session", data=body, content_type="application/json", headers=FROM_OUR_PAGE
        )
    assert response.status_code == 400


# From whom.


@in_both_ways
@pytest.mark.parametrize("flaw", [None, *FLAWS])
def test_who_is_not_signed_in_chooses_nothing(
    client: JWTSessionClient, choose: Choose, flaw: Flaw | None
) -> None:
    if flaw is None:
        client.delete_cookie("companies.session-token")
    else:
        client.spoil_session(flaw)
    response = choose(client, 7)
    assert response.status_code == (401 if choose is by_post else 200)
    assert response.get_json() is None or response.get_json()["code"] == "login_required"
    assert not client.get_session(response)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
def test_a_post_of_others_is_refused(client: JWTSessionClient, headers: dict[str, str]) -> None:
    with unchanged(client):
        sent = {"data": {"companyId": 7}}
        assert client.post("/auth/session", json=sent, headers=headers).status_code == 403


#: How browsers mark what is no ``fetch()`` of a page of ours.
NO_FETCH_OF_OURS: dict[str, dict[str, str]] = {
    "a link of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    "a link of another host of the domain": {
        "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "navigate",
    },
    "a link in a mail": {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    "a link of ours": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    "a picture of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a picture in our page": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a picture with crossorigin": {"Sec-Fetch-Dest": "image"},
    "a prefetch by our page": {"Sec-Fetch-Mode": "no-cors", "Sec-Purpose": "prefetch"},
    "a fetch() of another site": {"Sec-Fetch-Site": "cross-site"},
}


@pytest.mark.parametrize("sender", NO_FETCH_OF_OURS)
def test_a_get_does_nothing_that_is(client: JWTSessionClient, sender: str) -> None:
    headers = {**OUR_FETCH, **NO_FETCH_OF_OURS[sender]}
    with unchanged(client):
        response = client.get("/auth/session?companyId=7", headers=headers)
    assert response.status_code == 200
    assert client.get_session(response) is None


def test_a_get_does_nothing_without_the_headers_of_a_browser(client: JWTSessionClient) -> None:
    with unchanged(client):
        client.get("/auth/session?companyId=7")
        client.get("/auth/session?companyId=7", headers=FROM_OUR_PAGE)


@pytest.mark.parametrize("path", ["/", "/settings", "/auth/session/status", "/auth/csrf", "/no"])
def test_the_number_in_another_address_does_nothing(client: JWTSessionClient, path: str) -> None:
    with unchanged(client):
        client.get(f"{path}?companyId=7", headers=OUR_FETCH)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_the_number_with_another_method_does_nothing(client: JWTSessionClient, method: str) -> None:
    with unchanged(client):
        response = client.open("/auth/session?companyId=7", method=method, headers=OUR_FETCH)
    assert response.status_code < 500


def test_the_number_in_the_address_of_a_post_does_nothing(client: JWTSessionClient) -> None:
    with unchanged(client):
        client.post("/auth/session?companyId=7", json={"data": {}}, headers=OUR_FETCH)


@in_both_ways
def test_no_cache_keeps_the_answer(client: JWTSessionClient, choose: Choose) -> None:
    assert "no-store" in choose(client, 7).headers["Cache-Control"]


@in_both_ways
def test_of_two_choices_with_one_cookie_the_last_answer_wins_as_a_whole(
    app: Flask, client: JWTSessionClient, choose: Choose
) -> None:
    other_tab = JWTSessionClient(app)
    cookie = client.get_cookie("companies.session-token")
    assert cookie is not None
    other_tab.set_cookie("companies.session-token", cookie.value)
    choose(client, 7)
    choose(other_tab, 8)
    claims = claims_of(other_tab)
    assert (claims["company"], claims["role"]) == (NORTH_MILL, "member")


# The application around it.


def test_a_button_waits_for_its_script(client: JWTSessionClient) -> None:
    """Before that nothing would come of a click."""
    main = client.get("/").text.partition("<main")[2]
    buttons = re.findall(r"<button[^>]*>", main)
    assert len(buttons) == 6
    assert [one for one in buttons if " disabled" not in one] == []


def test_the_people_of_the_example_can_sign_in(app: Flask) -> None:
    client = JWTSessionClient(app)

    def sign_in(username: str, password: str) -> TestResponse:
        form = {"username": username, "password": password}
        return client.post("/auth/callback/credentials", data=form, headers=FROM_OUR_PAGE)

    for wrong in (("ada", PASSWORDS["bob"]), ("ada", ""), ("mallory", PASSWORDS["ada"]), ("", "")):
        assert "error=" in sign_in(*wrong).headers["Location"]
    for username, password, person_id, _ in ACCOUNTS:
        assert "error=" not in sign_in(username, password).headers["Location"]
        assert claims_of(client)["sub"] == str(person_id)


def test_flask_finds_the_application_without_any_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWTSESSION_SECRET", raising=False)
    app = ScriptInfo(app_import_path="examples.company_switch").load_app()
    assert app.test_client().get("/sign-in").status_code == 200


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def origin() -> Iterator[str]:
    with served(create_app(), "localhost") as origin:
        yield origin


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """Ada's companies, after she signed in. Nothing in it may be against the page's policy."""
    page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.request.post(
        f"{origin}/auth/callback/credentials",
        form={"username": "ada", "password": PASSWORDS["ada"]},
        headers=FROM_OUR_PAGE,
    )
    page.goto(origin)
    yield page
    # What the browser itself says of an answer that is a refusal is none of the page's.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []
    # Chromium may never come to the end of closing a tab that loads a page.
    for tab in page.context.pages:
        tab.wait_for_load_state()
    page.context.close()


def test_the_sign_in_page_leads_to_the_companies(page: Page, origin: str) -> None:
    page.context.clear_cookies()
    page.goto(origin)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORDS["ada"])
    page.get_by_role("button", name="Sign in").click()
    expect_to_be_at(page, "no company yet", "none")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def expect_to_be_at(tab: Page, company: str, role: str) -> None:
    expect(tab.get_by_role("heading", level=1)).to_have_text(f"You are at {company}")
    expect(tab.locator("#role")).to_have_text(role)


@pytest.mark.parametrize("by", ["", " by GET"])
def test_a_button_changes_the_company_without_a_reload_and_all_tabs_know(
    page: Page, origin: str, by: str
) -> None:
    other_tab = page.context.new_page()
    other_tab.goto(origin)
    for tab in (page, other_tab):
        expect_to_be_at(tab, "no company yet", "none")
        tab.evaluate("window.isStillThere = true")
    for company, role in (("North Mill", "member"), ("Paper Lane", "owner")):
        page.get_by_role("button", name=f"Go to {company}{by}", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("Done.")
        for tab in (page, other_tab):
            expect_to_be_at(tab, company, role)
            assert tab.evaluate("window.isStillThere")
    page.get_by_role("link", name="Its settings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings of Paper Lane")


def test_a_tab_that_somebody_else_signed_in_behind_is_theirs(page: Page, origin: str) -> None:
    other_tab = page.context.new_page()
    other_tab.goto(f"{origin}/sign-in")
    expect(page.get_by_role("banner")).to_contain_text("Ada")
    other_tab.get_by_label("User name").fill("bob")
    other_tab.get_by_label("Password").fill(PASSWORDS["bob"])
    other_tab.get_by_role("button", name="Sign in").click()
    expect(other_tab.get_by_role("banner")).to_contain_text("Bob")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_role("banner")).to_contain_text("Bob")


@pytest.mark.parametrize(
    ("button", "answer"),
    [("Go there", "You are not a member of that company."), ("by GET", "Nothing has changed.")],
)
def test_a_button_says_that_a_company_is_not_to_be_had(
    page: Page, button: str, answer: str
) -> None:
    form = page.locator("#another")
    for number in ("9", "abc", "9" * 31):
        form.get_by_label("Its number").fill(number)
        form.get_by_role("button", name=button).click()
        expect(page.get_by_role("status")).to_have_text(answer)
    expect_to_be_at(page, "no company yet", "none")


def test_a_get_from_elsewhere_changes_nothing(page: Page, origin: str) -> None:
    """These requests have the cookie: a link of another site, and all of a host's other port."""
    address = f"{origin}/auth/session?companyId=7"
    evil = Flask("evil")
    lures = f"""<a href="{address}">Win</a><img src="{address}"><script>
        fetch("{address}", {{mode: "no-cors", credentials: "include"}})
            .finally(() => document.title = "sent");</script>"""
    evil.add_url_rule("/", "page", lambda: lures)
    for host in ("127.0.0.1", "localhost"):
        with served(evil, host) as elsewhere:
            victim = page.context.new_page()
            victim.goto(elsewhere)
            expect(victim).to_have_title("sent")
            victim.get_by_role("link", name="Win").click()
            victim.wait_for_url(address)
            expect(victim.locator("pre")).to_contain_text("Ada Lovelace")  # it had the cookie
            expect(victim.locator("pre")).to_contain_text('"company": null')
    victim.goto(address)  # as if it was typed, or came by mail
    page.reload()
    expect_to_be_at(page, "no company yet", "none")


def test_a_link_and_a_prefetch_in_our_own_page_change_nothing(page: Page, origin: str) -> None:
    """As people may put them into what they write."""
    page.evaluate(
        """async (address) => {
            const link = document.createElement("link");
            link.rel = "prefetch";
            link.href = address;
            const done = new Promise((resolve) => { link.onload = link.onerror = resolve; });
            document.head.append(link);
            await done;
            const anchor = document.createElement("a");
            anchor.href = address;
            anchor.textContent = "Win";
            document.querySelector("main").append(anchor);
        }""",
        "/auth/session?companyId=7",
    )
    page.get_by_role("link", name="Win").click()
    page.wait_for_url(f"{origin}/auth/session?companyId=7")
    page.goto(origin)
    expect_to_be_at(page, "no company yet", "none")
