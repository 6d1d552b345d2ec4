"""``flask jwtsession secret``: secrets, and how one is replaced."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_jwtsession import JWTSession, current_session
from flask_jwtsession.testing import JWTSessionClient

from .support import OTHER_SECRET, SECRET, command_line

ADA = {"id": 1, "name": "Ada"}


def make_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(JWTSESSION_STORE="memory", **config)
    JWTSession(app)
    app.add_url_rule("/", "who", lambda: str(current_session.token.get("name", "nobody")))
    return app


def run(app: Flask, *arguments: str) -> Result:
    return command_line(app).invoke(args=["jwtsession", "secret", *arguments])


def assignments(text: str) -> list[dict[str, Any]]:
    """The settings of step 1 and of step 2, from lines of Python."""
    found: list[dict[str, Any]] = []
    for block in re.split(r"^# Step \d.*\n?", text, flags=re.MULTILINE)[1:3]:
        lines = [line.split(" = ", 1) for line in block.splitlines()]
        found.append({name: ast.literal_eval(value) for name, value in lines})
    return found


def test_a_new_secret_is_one_that_is_accepted() -> None:
    app = make_app(JWTSESSION_SECRET=SECRET)
    first, second = (run(app).stdout for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[\w-]{43}\n", first)
    make_app(JWTSESSION_SECRET=first.strip())


def test_it_takes_no_application(tmp_path: Path) -> None:
    """Without a secret there is none that starts."""
    environment = {name: value for name, value in os.environ.items() if "JWTSESSION" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "jwtsession", "secret"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"[\w-]{43}\n", done.stdout)


def test_the_other_commands_say_why_the_application_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from flask import Flask\n"
        "from flask_jwtsession import JWTSession\n"
        "app = Flask(__name__)\n"
        "JWTSession(app)\n"
    )
    environment = {name: value for name, value in os.environ.items() if "JWTSESSION" not in name}
    for command in ("check", "inspect", "revoke --user 1", "secret --rotate"):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "jwtsession", *command.split()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("Error: JWTSESSION_SECRET: is not set")


def test_nobody_is_signed_out_on_the_way() -> None:
    """Each step is taken by one worker after the other; a session of either is good at both."""
    before = make_app(JWTSESSION_SECRET=SECRET)
    steps = [
        before,
        *(make_app(**config) for config in assignments(run(before, "--rotate").stdout)),
    ]
    assert len(steps) == 3
    for earlier, later in ((steps[0], steps[1]), (steps[1], steps[2])):
        for signs_in, reads in ((earlier, later), (later, earlier)):
            client = JWTSessionClient(signs_in)
            client.sign_in(ADA)
            cookie = client.get_cookie("jwtsession.session-token")
            assert cookie is not None
            other = reads.test_client()
            other.set_cookie(cookie.key, cookie.value)
            assert other.get("/").text == "Ada"


def test_older_secrets_stay_accepted() -> None:
    app = make_app(JWTSESSION_SECRET=SECRET, JWTSESSION_SECRET_FALLBACKS=[OTHER_SECRET])
    first, second = assignments(run(app, "--rotate").stdout)
    new = second["JWTSESSION_SECRET"]
    assert new not in (SECRET, OTHER_SECRET)
    assert first == {
        "JWTSESSION_SECRET": SECRET,
        "JWTSESSION_SECRET_FALLBACKS": [new, OTHER_SECRET],
    }
    assert second["JWTSESSION_SECRET_FALLBACKS"] == [SECRET, OTHER_SECRET]


@pytest.mark.parametrize(
    "secret",
    [
        b"\xff\xfe not text at all, \x00\x01\x02 0123456789",
        "double \" and single ' and \\ and \u20ac in it 0123",
        "line\nbreak and \ttab, 0123456789 abcdefg",
        "\x1b[31m escape, \x9b and \u202e, 0123456789",
    ],
)
def test_any_secret_can_be_copied_as_it_is_printed(secret: str | bytes) -> None:
    app = make_app(JWTSESSION_SECRET=secret)
    first, second = assignments(run(app, "--rotate").stdout)
    assert first["JWTSESSION_SECRET"] == secret
    assert second["JWTSESSION_SECRET_FALLBACKS"] == [secret]


@pytest.mark.parametrize("beginning", ["", "FLASK_"])
@pytest.mark.parametrize("secret", [SECRET, 'it\'s \\ in "quotes" $HOME `id` 0123456789'])
def test_what_comes_from_the_environment_is_printed_for_a_shell(
    beginning: str, secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"{beginning}JWTSESSION_SECRET", secret)
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config["JWTSESSION_STORE"] = "memory"
    JWTSession(app)
    script = tmp_path / "settings.sh"
    script.write_text(run(app, "--rotate").stdout)
    names = [f"{beginning}JWTSESSION_SECRET", f"{beginning}JWTSESSION_SECRET_FALLBACKS"]
    # In what is started from that shell, as a server is.
    shows = f"import json, os; print(json.dumps([os.environ[name] for name in {names!r}]))"
    done = subprocess.run(
        ["sh", "-c", f'. "{script}"; exec "$0" -c "$1"', sys.executable, shows],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    new, older = json.loads(done.stdout)
    assert re.fullmatch(r"[\w-]{43}", new)
    assert json.loads(older) == [secret]


def test_flasks_own_secret_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWTSESSION_SECRET", raising=False)
    app = make_app(SECRET_KEY=SECRET)
    result = run(app, "--rotate")
    first, second = assignments(result.stdout)
    assert first["JWTSESSION_SECRET"] == SECRET
    assert second["JWTSESSION_SECRET_FALLBACKS"] == [SECRET]
    assert "SECRET_KEY. It stays" in result.stderr


def test_it_says_that_secrets_are_shown_and_when_the_old_one_can_go() -> None:
    result = run(make_app(JWTSESSION_SECRET=SECRET, JWTSESSION_MAX_AGE=7 * 86_400), "--rotate")
    assert "keep it as you keep them" in result.stderr
    assert SECRET not in result.stderr
    assert "# Step 3, 7 days later" in result.stdout


def test_another_secret_of_refresh_cookies_is_not_forgotten() -> None:
    app = make_app(
        JWTSESSION_SECRET=SECRET,
        JWTSESSION_REFRESH_COOKIE=True,
        JWTSESSION_REFRESH_SECRET=OTHER_SECRET,
    )
    result = run(app, "--rotate")
    assert "JWTSESSION_REFRESH_SECRET is another secret" in result.stderr
    assert OTHER_SECRET not in result.output


def test_another_instance_has_settings_of_its_own() -> None:
    app = make_app(JWTSESSION_SECRET=SECRET)
    app.config.update(STAFFSESSION_SECRET=OTHER_SECRET, STAFFSESSION_URL_PREFIX="/staff/auth")
    app.config["STAFFSESSION_STORE"] = "memory"
    JWTSession(app, config_prefix="STAFFSESSION")
    result = command_line(app).invoke(args=["staffsession", "secret", "--rotate"])
    assert assignments(result.stdout)[0]["STAFFSESSION_SECRET"] == OTHER_SECRET


def test_a_secret_is_kept_for_as_long_as_a_refresh_cookie_is_good() -> None:
    pair = {"JWTSESSION_REFRESH_COOKIE": True, "JWTSESSION_MAX_AGE": 900}
    result = run(make_app(JWTSESSION_SECRET=SECRET, **pair), "--rotate")
    assert "# Step 3, 30 days later (JWTSESSION_REFRESH_MAX_AGE)" in result.stdout
    own = {"JWTSESSION_REFRESH_SECRET": OTHER_SECRET}
    result = run(make_app(JWTSESSION_SECRET=SECRET, **pair, **own), "--rotate")
    assert "# Step 3, 15 minutes later (JWTSESSION_MAX_AGE)" in result.stdout


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86_400, "1 day"), (7200, "2 hours"), (5400, "90 minutes"), (7, "7 seconds")],
)
def test_the_time_until_then_is_one_for_people(seconds: int, text: str) -> None:
    app = make_app(JWTSESSION_SECRET=SECRET, JWTSESSION_MAX_AGE=seconds)
    assert f"# Step 3, {text} later" in run(app, "--rotate").stdout


def test_what_the_configuration_says_comes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASK_JWTSESSION_SECRET", OTHER_SECRET)
    assert assignments(run(make_app(JWTSESSION_SECRET=SECRET), "--rotate").stdout)


def test_a_secret_that_no_terminal_can_show_is_no_line_for_a_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWTSESSION_SECRET", f"\x1b[31m{SECRET}")
    result = run(make_app(), "--rotate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be printed" in result.stderr
    assert SECRET not in result.output
