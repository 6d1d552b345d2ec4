"""The built-in pages in a real browser: JavaScript off, under their own Content-Security-Policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string, request
from playwright.sync_api import Browser, Page, expect

from flask_jwtsession import JWTSession, current_user, login_required

from ..serving.thread import served
from ..support import make_app

Serve = Callable[[Flask], str]


class Visit:
    """A page of a browser without JavaScript, and what the browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def violations(self) -> list[str]:
        return [one for one in self.complaints if "Content Security Policy" in one]

    def sign_in(self, password: str) -> None:
        self.page.get_by_label("User name").fill("ada")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with browser.new_context(java_script_enabled=False) as context:
        yield Visit(context.new_page())


def make_site(**config: Any) -> tuple[Flask, JWTSession]:
    """An app with an open page and a protected one."""
    app, auth = make_app(None, **config)

    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        if credentials.get("password") != "correct horse":
            return None
        return {"id": credentials["username"], "name": "Ada"}

    @app.get("/")
    def start() -> str:
        return render_template_string("<h1>{{ current_user.name or 'nobody' }}</h1>")

    @app.get("/notes")
    @login_required
    def notes() -> str:
        return render_template_string(
            "<h1>{{ current_user.name }}'s notes, page {{ request.args.page }}</h1>"
        )

    @app.get("/bye")
    def bye() -> str:
        return f"<h1>bye {current_user and current_user['name']}</h1>"

    return app, auth


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    app, _ = make_site()
    with served(app) as url:
        yield url


def test_a_person_signs_in_and_out_without_javascript(visit: Visit, origin: str) -> None:
    page = visit.page
    page.goto(f"{origin}/notes?page=2")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)

    visit.sign_in("wrong")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not right.")
    assert "wrong" not in page.url

    visit.sign_in("correct horse")
    expect(page.get_by_role("heading")).to_have_text("Ada's notes, page 2")
    assert page.url == f"{origin}/notes?page=2"

    page.goto(f"{origin}/auth/signout?callbackUrl=/bye")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading")).to_have_text("bye None")
    assert page.url == f"{origin}/bye"
    page.goto(f"{origin}/notes")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert visit.violations == []


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/auth/signin", "Sign in"),
        ("/auth/signin?error=CredentialsSignin", "Sign in"),
        ("/auth/signout", "Sign out?"),
        ("/auth/error?error=AccessDenied", "Access denied"),
        ("/auth/error?error=Verification", "Link expired"),
        ("/auth/error", "Something went wrong"),
    ],
)
def test_a_page_shows_itself_styled_and_breaks_no_policy(
    visit: Visit, origin: str, path: str, heading: str
) -> None:
    visit.page.goto(origin + path)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(visit.page.locator(".card")).to_have_css("border-top-left-radius", "14px")
    assert visit.violations == []


def test_a_page_that_breaks_its_policy_would_be_seen(visit: Visit, tmp_path: Path) -> None:
    app, _ = _with_template(
        tmp_path, "signin.html", "<h1 style='color: red'>Sign in</h1><script>1</script>"
    )
    with served(app) as origin:
        visit.page.goto(f"{origin}/auth/signin")
        visit.page.wait_for_load_state()
        assert visit.violations


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_page_fits_its_window(browser: Browser, origin: str, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        for path in ("/auth/signin?error=x", "/auth/signout", "/auth/error"):
            page.goto(origin + path)
            box = page.locator(".card").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            for control in page.locator("button, .button, input:not([type=hidden])").all():
                size = control.bounding_box()
                assert size is not None
                assert size["height"] >= 40


def test_the_form_can_be_filled_by_keyboard_alone(visit: Visit, origin: str) -> None:
    page = visit.page
    page.goto(f"{origin}/auth/signin?callbackUrl=/notes?page=1")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading")).to_have_text("Ada's notes, page 1")


def test_sec_110_a_form_of_another_site_signs_nobody_out(visit: Visit, origin: str) -> None:
    page = visit.page
    page.goto(f"{origin}/auth/signin?callbackUrl=/notes")
    visit.sign_in("correct horse")
    foreign = Flask("foreign")

    @foreign.get("/")
    def trap() -> str:
        return f'<form method="post" action="{origin}/auth/signout"><button>Win</button></form>'

    with served(foreign) as elsewhere:
        page.goto(elsewhere.replace("127.0.0.1", "localhost"))
        page.get_by_role("button").click()
        expect(page.get_by_role("heading")).to_have_text("Forbidden")
        expect(page.get_by_text("This request came from another site.")).to_be_visible()
    page.goto(origin)
    expect(page.get_by_role("heading")).to_have_text("Ada")


def test_sec_151_a_page_does_not_open_in_a_frame(visit: Visit, origin: str) -> None:
    framing = Flask("framing")

    @framing.get("/")
    def frame() -> str:
        return f'<iframe src="{origin}/auth/signin"></iframe>'

    with served(framing) as elsewhere:
        visit.page.goto(elsewhere)
        visit.page.wait_for_load_state()
        framed = visit.page.frames[1]
        assert framed.get_by_role("heading", name="Sign in").count() == 0


def test_a_sign_in_that_goes_on_elsewhere_leaves_the_page(visit: Visit) -> None:
    """The sign_in_callback may return the URL of another site, for a payment or a survey."""
    elsewhere = Flask("elsewhere")
    elsewhere.get("/pay")(lambda: "<h1>Pay first</h1>")
    app, auth = make_site()
    with served(elsewhere) as other, served(app) as origin:
        auth.sign_in_callback(lambda user, account, profile: f"{other}/pay")
        visit.page.goto(f"{origin}/auth/signin")
        visit.sign_in("correct horse")
        expect(visit.page.get_by_role("heading")).to_have_text("Pay first", timeout=3000)


def test_a_trusted_origin_can_be_the_target_of_both_forms(visit: Visit) -> None:
    elsewhere = Flask("elsewhere")
    elsewhere.get("/home")(lambda: "<h1>The other application</h1>")
    with served(elsewhere) as other:
        app, _ = make_site(TRUSTED_ORIGINS=[other])
        with served(app) as origin:
            visit.page.goto(f"{origin}/auth/signin?callbackUrl={other}/home")
            visit.sign_in("correct horse")
            expect(visit.page.get_by_role("heading")).to_have_text("The other application")
            visit.page.goto(f"{origin}/auth/signout?callbackUrl={other}/home")
            visit.page.get_by_role("button").click()
            expect(visit.page.get_by_role("heading")).to_have_text("The other application")


# Replaced.


def _with_template(folder: Path, name: str, text: str) -> tuple[Flask, JWTSession]:
    app, auth = make_site()
    (folder / "jwtsession").mkdir()
    (folder / "jwtsession" / name).write_text(text)
    app.template_folder = str(folder)
    return app, auth


@pytest.mark.parametrize(
    ("name", "path", "markup"),
    [
        ("signin.html", "/auth/signin", "<h1>Our own sign-in</h1>"),
        ("signout.html", "/auth/signout", "<h1>Our own sign-out</h1>"),
        ("refusal.html", "/auth/error?error=AccessDenied", "<h1>Our own {{ title }}</h1>"),
        ("base.html", "/auth/signin", "<h1>Our own frame</h1>{% block card %}{% endblock %}"),
    ],
)
def test_a_template_can_be_replaced(
    visit: Visit, tmp_path: Path, name: str, path: str, markup: str
) -> None:
    app, _ = _with_template(tmp_path, name, markup)
    with served(app) as origin:
        visit.page.goto(origin + path)
        expect(visit.page.get_by_role("heading").first).to_have_text(re.compile("^Our own "))


def test_a_replaced_sign_in_template_still_signs_in(visit: Visit, tmp_path: Path) -> None:
    app, _ = _with_template(
        tmp_path,
        "signin.html",
        """
        <form method="post" action="{{ url_for('jwtsession.callback_credentials') }}">
          <input type="hidden" name="csrfToken" value="{{ csrf_field }}">
          <input type="hidden" name="callbackUrl" value="{{ callback_url }}">
          <label>User name <input name="username"></label>
          <label>Password <input name="password" type="password"></label>
          <button>Sign in</button>
        </form>
        """,
    )
    with served(app) as origin:
        visit.page.goto(f"{origin}/notes?page=3")
        visit.sign_in("correct horse")
        expect(visit.page.get_by_role("heading")).to_have_text("Ada's notes, page 3")


def test_the_applications_own_pages_take_the_place_of_ours(visit: Visit) -> None:
    app, auth = make_site(PAGES={"sign_in": "/login", "sign_out": "/leave", "error": "/oops"})

    @app.get("/login")
    def login() -> str:
        return render_template_string(
            """<h1>Log in</h1><p role="alert">{{ request.args.error }}</p>
            <form method="post" action="{{ url_for('jwtsession.callback_credentials') }}">
            <input type="hidden" name="callbackUrl" value="{{ request.args.callbackUrl }}">
            <label>User name <input name="username"></label>
            <label>Password <input name="password" type="password"></label>
            <button>Sign in</button></form>"""
        )

    @app.get("/leave")
    def leave() -> str:
        return (
            '<form method="post" action="/auth/signout"><input type="hidden" name="callbackUrl" '
            'value="/bye"><button>Leave</button></form>'
        )

    @app.get("/oops")
    def oops() -> str:
        return f"<h1>Oops {request.args['error'].isalpha()}</h1>"

    with served(app) as origin:
        page = visit.page
        page.goto(f"{origin}/notes?page=4")
        expect(page.get_by_role("heading")).to_have_text("Log in")
        visit.sign_in("wrong")
        expect(page.get_by_role("alert")).to_have_text("CredentialsSignin")
        visit.sign_in("correct horse")
        expect(page.get_by_role("heading")).to_have_text("Ada's notes, page 4")
        page.goto(f"{origin}/auth/signout")
        page.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("heading")).to_have_text("bye None")
        auth.sign_in_callback(lambda user, account, profile: False)
        page.goto(f"{origin}/auth/signin")
        visit.sign_in("correct horse")
        expect(page.get_by_role("heading")).to_have_text("Oops True")
