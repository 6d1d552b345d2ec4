"""``flask jwtsession``: what is done from a shell, and seen by the application that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_jwtsession import JWTSession, current_session, revoke_session, session_revoked

from .faulty_store import FaultyStore
from .scenes import cookie_of, visit
from .support import (
    NOW,
    OTHER_SECRET,
    SECRET,
    Clock,
    binding_of,
    claims_at,
    command_line,
    make_app,
    set_cookies,
)


class SharedStore(FaultyStore):
    """As if other processes had it too."""

    is_shared = True


def who() -> str:
    return str(current_session.token["sub"]) if current_session else "nobody"


@pytest.fixture
def store(clock: Clock) -> SharedStore:
    return SharedStore(clock)


@pytest.fixture
def app(clock: Clock, store: SharedStore) -> Flask:
    return make_app(clock, STORE=store)[0]


def run(app: Flask, *arguments: str) -> Result:
    return command_line(app).invoke(args=["jwtsession", *arguments])


def assert_fails(result: Result, *texts: str, status: int = 1) -> None:
    """It says what is wrong, in a line or two, and its exit code says that something is."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    for text in texts:
        assert text in result.stderr
    assert result.stderr.startswith(("Error: ", "Usage: "))
    assert "Traceback" not in result.stderr


def test_a_person_is_revoked(app: Flask, clock: Clock) -> None:
    cookies = [cookie_of(app, sid=sid) for sid in ("a", "b")]
    of_grace = cookie_of(app, sub="u2", sid="c")
    clock.advance(1)
    result = run(app, "revoke", "--user", "u1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "All sessions of u1 that began before now are revoked.\n"
    assert [visit(app, who, cookie).text for cookie in (*cookies, of_grace)] == [
        "nobody",
        "nobody",
        "u2",
    ]
    assert visit(app, who, cookie_of(app, now=clock.now + 1, sid="d")).text == "u1"


def test_a_session_is_revoked(app: Flask) -> None:
    lost, kept = cookie_of(app, sid="lost"), cookie_of(app, sid="kept")
    result = run(app, "revoke", "--session", "lost")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "The session lost is revoked.\n"
    assert [visit(app, who, cookie).text for cookie in (lost, kept)] == ["nobody", "u1"]


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        ("--user", "7"),
        ("--user", "google|42"),
        ("--user", "ada@example.com"),
        ("--user", "Zo\u00eb \U0001f511"),
        ("--user", " "),
        ("--session", "-starts-with-a-dash"),
        ("--session", "_s"),
    ],
)
def test_it_is_taken_as_it_is_written(app: Flask, clock: Clock, option: str, argument: str) -> None:
    claims: dict[str, Any] = {"sub" if option == "--user" else "sid": argument}
    cookie = cookie_of(app, **claims)
    clock.advance(1)
    assert run(app, "revoke", f"{option}={argument}").exit_code == 0
    assert visit(app, who, cookie).text == "nobody"


def test_the_application_hears_of_it(app: Flask) -> None:
    heard: list[dict[str, Any]] = []

    def receive(sender: object, **arguments: Any) -> None:
        heard.append(arguments)

    with session_revoked.connected_to(receive, app):
        run(app, "revoke", "--user", "u1")
        run(app, "revoke", "--session", "s1")
    assert heard == [{"sid": None, "sub": "u1"}, {"sid": "s1", "sub": None}]


# What does not work, and says so.


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["--user", "u1", "--session", "s1"], id="both"),
    ],
)
def test_it_takes_one_of_the_two(app: Flask, store: SharedStore, arguments: list[str]) -> None:
    assert_fails(run(app, "revoke", *arguments), "either --user or --session", status=2)
    assert store.raw() == {}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--user"], "--user"),
        (["--session"], "--session"),
        (["u1"], "u1"),
        (["--sub", "u1"], "--sub"),
        (["--all"], "--all"),
    ],
)
def test_what_it_does_not_know_is_wrong_usage(
    app: Flask, store: SharedStore, arguments: list[str], text: str
) -> None:
    assert_fails(run(app, "revoke", *arguments), text, status=2)
    assert store.raw() == {}


@pytest.mark.parametrize("option", ["--user", "--session"])
def test_nobody_is_called_nothing(app: Flask, store: SharedStore, option: str) -> None:
    """An empty variable of a script, say."""
    assert_fails(run(app, "revoke", option, ""))
    assert store.raw() == {}


def test_in_memory_nobody_would_see_it(clock: Clock) -> None:
    app, _ = make_app(clock, STORE="memory")
    cookie = cookie_of(app)
    for option, argument in (("--user", "u1"), ("--session", "s1")):
        assert_fails(run(app, "revoke", option, argument), "JWTSESSION_STORE", "memory")
    assert visit(app, who, cookie).text == "u1"


def test_without_a_store_there_is_nowhere_to_keep_it(clock: Clock) -> None:
    app, _ = make_app(clock, STORE=None)
    for option in ("--user", "--session"):
        assert_fails(run(app, "revoke", option, "x"), "JWTSESSION_STORE is None")


def test_a_store_that_is_away_is_told(app: Flask, store: SharedStore) -> None:
    store.refused = {"put", "compare_and_set", "get_many"}
    for option in ("--user", "--session"):
        assert_fails(run(app, "revoke", option, "x"), "it cannot be reached")


def test_a_redis_that_is_away_is_told_without_its_password(clock: Clock) -> None:
    app, _ = make_app(clock, STORE="redis://:hunter2@127.0.0.1:1/0")
    result = run(app, "revoke", "--user", "u1")
    assert_fails(result, "Redis")
    assert "hunter2" not in result.output


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "jwtsession.sqlite3").mkdir()
    app = Flask("tests.app", instance_path=str(tmp_path))
    app.config["JWTSESSION_SECRET"] = SECRET
    JWTSession(app)
    assert_fails(run(app, "revoke", "--user", "u1"), str(tmp_path / "jwtsession.sqlite3"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can")
@pytest.mark.parametrize("owner", [65_534, 54_321], ids=["nobody", "a user without a name"])
@pytest.mark.parametrize("folder", ["", "instance", "deep/down/instance"])
def test_root_makes_no_file_that_the_application_could_not_open(
    tmp_path: Path, owner: int, folder: str
) -> None:
    os.chown(tmp_path, owner, owner)
    instance = tmp_path / folder
    app = Flask("tests.app", instance_path=str(instance))
    app.config["JWTSESSION_SECRET"] = SECRET
    JWTSession(app)
    assert_fails(run(app, "revoke", "--user", "u1"), str(tmp_path), f" {owner}.")
    assert list(tmp_path.iterdir()) == []
    # The application makes it, and then root can revoke.
    instance.mkdir(parents=True, exist_ok=True)
    with app.app_context():
        revoke_session("something")
    for made in (*instance.iterdir(), instance):
        os.chown(made, owner, owner)
    binding_of(app).store.close()
    assert run(app, "revoke", "--user", "u1").exit_code == 0
    binding_of(app).store.close()
    assert {made.stat().st_uid for made in instance.iterdir()} == {owner}


# Several instances.


def test_a_second_instance_has_commands_of_its_own(clock: Clock) -> None:
    stores = {"JWTSESSION": SharedStore(clock), "STAFFSESSION": SharedStore(clock)}
    app = Flask("both")
    app.config.update(
        JWTSESSION_SECRET=SECRET,
        STAFFSESSION_SECRET=OTHER_SECRET,
        STAFFSESSION_URL_PREFIX="/staff/auth",
        **{f"{prefix}_STORE": store for prefix, store in stores.items()},
    )
    JWTSession(app)
    staff = JWTSession(app, config_prefix="STAFFSESSION")
    cookies = []
    for prefix in stores:
        binding = binding_of(app, prefix)
        binding.clock = clock
        token = binding.http.tokens.encode(json.dumps(claims_at(NOW)).encode())
        cookies.append(f"{binding.http.session.name}={token}")

    def view() -> str:
        return f"{who()} {bool(staff.current_session)}"

    assert visit(app, view, "; ".join(cookies)).text == "u1 True"
    clock.advance(1)
    runner = command_line(app)
    assert runner.invoke(args=["staffsession", "revoke", "--user", "u1"]).exit_code == 0
    assert stores["JWTSESSION"].raw() == {}
    assert visit(app, view, "; ".join(cookies)).text == "u1 False"


def test_the_help_says_what_there_is(app: Flask) -> None:
    runner = command_line(app)
    assert "jwtsession" in runner.invoke(args=["--help"]).output
    assert "revoke" in run(app, "--help").output
    page = run(app, "revoke", "--help").output
    assert "--user SUB" in page
    assert "--session SID" in page


# The real command, in a process of its own.


class Site:
    """An application in a file, which its processes share a SQLite store with this one."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.instance = folder / "instance"
        config = {"JWTSESSION_SECRET": SECRET, **config}
        (folder / "site_app.py").write_text(
            "from flask import Flask\n"
            "from flask_jwtsession import JWTSession\n"
            f"app = Flask(__name__, instance_path={str(self.instance)!r})\n"
            f"app.config.update({config!r})\n"
            "JWTSession(app)\n"
        )
        self.app = Flask("tests.app", instance_path=str(self.instance))
        self.app.config.update(config)
        JWTSession(self.app)

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flask", "--app", "site_app", "jwtsession", *arguments]
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    binding_of(site.app).store.close()


def test_an_application_that_runs_sees_what_the_command_revoked(site: Site) -> None:
    now = binding_of(site.app).clock()
    ada, grace = (cookie_of(site.app, now=now, sub=sub, sid=sub) for sub in ("ada", "grace"))
    assert [visit(site.app, who, cookie).text for cookie in (ada, grace)] == ["ada", "grace"]
    done = site.flask("revoke", "--user", "ada")
    assert (done.returncode, done.stderr) == (0, "")
    assert "All sessions of ada" in done.stdout
    responses = [visit(site.app, who, cookie) for cookie in (ada, grace)]
    assert [response.text for response in responses] == ["nobody", "grace"]
    assert set_cookies(responses[0])["jwtsession.session-token"].deletes
    done = site.flask("revoke", "--session", "grace")
    assert (done.returncode, done.stderr) == (0, "")
    assert visit(site.app, who, grace).text == "nobody"


def test_the_command_makes_the_file_if_there_is_none(site: Site) -> None:
    assert not site.instance.exists()
    assert site.flask("revoke", "--session", "s1").returncode == 0
    assert (site.instance / "jwtsession.sqlite3").exists()
    assert visit(site.app, who, cookie_of(site.app, now=binding_of(site.app).clock())).text == (
        "nobody"
    )


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"JWTSESSION_STORE": "memory"}, "JWTSESSION_STORE is "),
        ({"JWTSESSION_STORE": None}, "JWTSESSION_STORE is None"),
        ({"JWTSESSION_STORE": "redis://:hunter2@127.0.0.1:1/0"}, "Redis"),
    ],
    ids=["memory", "None", "Redis that is away"],
)
def test_the_command_fails_with_one_line(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    done = Site(tmp_path, **config).flask("revoke", "--user", "ada")
    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_the_command_says_how_it_is_used(site: Site) -> None:
    done = site.flask("revoke")
    assert (done.returncode, done.stdout) == (2, "")
    assert "either --user or --session" in done.stderr
    assert not site.instance.exists()


def test_an_argument_cannot_add_a_line_to_the_output(app: Flask) -> None:
    result = run(app, "revoke", "--user", "8\nAll sessions of 7 that began before now are revoked.")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
