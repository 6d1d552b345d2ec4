"""The tutorial of the documentation, followed to the letter: in an empty folder, step by step."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from .browsers import running_browser
from .support import SAME_ORIGIN, SECRET
from .test_docs import DOCS, Example, examples

TUTORIAL = DOCS / "tutorial.rst"

ONE_PAGE = "One page, for people who are signed in"
OWN_SIGN_IN_PAGE = "A sign-in page of your own"
ROLE = "A role"
UPDATE = "An update from the page"
WAY_OUT = "A way out"
SIGNAL = "A signal"
TEST = "A test"

A_PAGE = {"Accept": "text/html"}
ADA = {"username": "ada", "password": "correct horse"}
BEN = {"username": "ben", "password": "battery staple"}
COOKIE = "jwtsession.session-token"

# What somebody who follows it has made by the end of a step: an app of it.
After = Callable[[str], Flask]


@pytest.fixture
def after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[After]:
    """Does the steps up to one, and returns the application of it. Once in a test."""
    monkeypatch.setenv("JWTSESSION_SECRET", SECRET)
    # The names of the tutorial's modules are nobody else's.
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    ours = ("people", "auth", "board")

    def after(last: str) -> Flask:
        save_steps(tmp_path, last)
        for name in ours:
            sys.modules.pop(name, None)
        app = importlib.import_module("board").create_app()
        assert isinstance(app, Flask)
        return app

    yield after
    for name in ours:
        sys.modules.pop(name, None)


def sign_in(client: FlaskClient, person: dict[str, str]) -> None:
    answer = client.post("/auth/callback/credentials", data=person, headers=SAME_ORIGIN)
    assert answer.location == "http://localhost"


# What the page says of each step


def test_without_a_secret_the_last_line_is_the_one_on_the_page(tmp_path: Path) -> None:
    save_steps(tmp_path, ONE_PAGE)
    done = subprocess.run(
        flask_run(), cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == output(ONE_PAGE, "text")


def test_the_first_page_is_for_people_who_are_signed_in(after: After) -> None:
    client = after(ONE_PAGE).test_client()
    assert client.get("/", headers=A_PAGE).location == "/auth/signin?callbackUrl=%2F"
    sign_in(client, ADA)
    page = client.get("/").text
    assert 'Hello <span id="who">Ada</span>.' in page
    assert "The lift is out of order." in page
    assert client.get_cookie(COOKIE) is not None


def test_the_guard_leads_to_the_own_sign_in_page_and_a_wrong_password_back_to_it(
    after: After,
) -> None:
    client = after(OWN_SIGN_IN_PAGE).test_client()
    page = client.get("/", headers=A_PAGE)
    assert page.location == "/sign-in?callbackUrl=%2F"
    assert "The name or the password" not in client.get(page.location).text
    wrong = {**ADA, "password": "wrong"}
    answer = client.post("/auth/callback/credentials", data=wrong, headers=SAME_ORIGIN)
    assert "The name or the password is not right." in client.get(answer.location).text


def test_a_cookie_from_before_the_role_has_none_until_the_next_sign_in(
    after: After, tmp_path: Path
) -> None:
    earlier = after(OWN_SIGN_IN_PAGE).test_client()
    sign_in(earlier, ADA)
    cookie = earlier.get_cookie(COOKIE)
    assert cookie is not None

    client = after(ROLE).test_client()
    client.set_cookie(COOKIE, cookie.value)
    page = client.get("/").text
    assert "Hello" in page
    assert "Put up" not in page

    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert (tmp_path / "instance").exists()
    sign_in(client, ADA)
    assert "Put up" in client.get("/").text


def test_editors_put_up_notices_and_readers_get_a_403(after: After) -> None:
    app = after(ROLE)
    ada, ben = app.test_client(), app.test_client()
    sign_in(ada, ADA)
    sign_in(ben, BEN)
    party = {"text": "Party on Friday"}
    assert ada.post("/notices", data=party, headers=SAME_ORIGIN).location == "/"
    assert "Party on Friday" in ben.get("/").text
    assert "Put up" not in ben.get("/").text
    assert ben.post("/notices", data=party, headers=SAME_ORIGIN).status_code == 403
    other_site = {"Sec-Fetch-Site": "cross-site"}
    assert ada.post("/notices", data=party, headers=other_site).status_code == 403


def test_a_name_can_be_changed_and_a_role_cannot(after: After) -> None:
    ben = after(UPDATE).test_client()
    sign_in(ben, BEN)

    def update(data: dict[str, object]) -> tuple[int, object]:
        answer = ben.post("/auth/session", json={"data": data}, headers=SAME_ORIGIN)
        return answer.status_code, answer.get_json().get("detail")

    assert update({"name": " Benedict "}) == (200, None)
    for name in ("", " ", "x" * 41, 7, ["Ben"], None):
        assert update({"name": name}) == (400, "A name has 1 to 40 characters.")
    assert update({"role": "editor", "sub": "1"}) == (200, None)
    user = ben.get("/auth/session").get_json()["user"]
    assert (user["name"], user["role"]) == ("Benedict", "reader")


def test_the_diary_says_what_the_page_says(after: After) -> None:
    client = after(SIGNAL).test_client()
    sign_in(client, BEN)
    assert client.get("/diary").status_code == 403
    client.post("/auth/signout", headers=SAME_ORIGIN)
    sign_in(client, ADA)
    assert client.get("/diary").text == output(SIGNAL, "text")


def test_the_tests_of_the_tutorial_pass(tmp_path: Path) -> None:
    save_steps(tmp_path, TEST)
    pytest_alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        pytest_alone, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert re.search(rf"^{output(TEST, 'text')} in ", done.stdout, re.MULTILINE)


def test_a_person_finds_in_the_browser_what_the_page_promises(tmp_path: Path) -> None:
    save_steps(tmp_path, SIGNAL)
    with board_in(tmp_path) as url, running_browser() as browser:
        assert body_of(url) == output(ONE_PAGE, "json")  # what curl shows

        page = browser.new_page()
        page.goto(url)
        fill_in(page, **{**ADA, "password": "wrong"})
        expect(page.get_by_role("alert")).to_have_text("The name or the password is not right.")
        fill_in(page, **BEN)
        expect(page.locator("#who")).to_have_text("Ben")
        expect(page.get_by_label("Notice")).to_have_count(0)

        page.get_by_label("Your name").fill("Benedict")
        page.get_by_role("button", name="Change").click()
        expect(page.get_by_role("status")).to_have_text("Changed.")
        expect(page.locator("#who")).to_have_text("Benedict")
        page.get_by_label("Your name").fill("")
        page.get_by_role("button", name="Change").click()
        expect(page.get_by_role("status")).to_have_text("A name has 1 to 40 characters.")

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="The board")).to_be_visible()
        fill_in(page, **ADA)
        page.get_by_label("Notice").fill("Party on Friday")
        page.get_by_role("button", name="Put up").click()
        expect(page.get_by_text("Party on Friday")).to_be_visible()


def fill_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("Name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


# Following it


def save_steps(folder: Path, last: str) -> None:
    """Save the files of every step up to one, as somebody does who follows the page."""
    end = section(last)[1]
    for one in examples(TUTORIAL):
        if one.caption is not None and one.line < end:
            path = folder / one.caption
            path.parent.mkdir(exist_ok=True)
            path.write_text(one.code)


def output(step: str, language: str) -> str:
    """What the page shows as output in a step."""
    start, end = section(step)
    (one,) = (
        block
        for block in blocks_without_a_name()
        if start < block.line < end and block.language == language
    )
    return one.code.rstrip("\n")


def blocks_without_a_name() -> Iterator[Example]:
    return (one for one in examples(TUTORIAL) if one.caption is None)


def section(title: str) -> tuple[int, int]:
    """The lines between which a section is."""
    lines = TUTORIAL.read_text().splitlines()
    titles = [number for number, line in enumerate(lines) if re.fullmatch("-{3,}", line)]
    start = next(number for number in titles if lines[number - 1] == title)
    return start, next((number for number in titles if number > start), len(lines))


def flask_run() -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "board", "run", "--port", "0"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "JWTSESSION" not in name}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


@contextmanager
def board_in(folder: Path) -> Iterator[str]:
    """The board, started as the page says; its address."""
    with subprocess.Popen(
        flask_run(),
        cwd=folder,
        env=environment(JWTSESSION_SECRET=SECRET),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            said = iter(process.stderr.readline, "")
            yield next(found[0] for line in said if (found := re.search(r"http://\S+", line)))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def body_of(url: str) -> str:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - a server of our own
            body: bytes = answer.read()
    except HTTPError as error:
        body = error.read()
        error.close()
    return body.decode()
