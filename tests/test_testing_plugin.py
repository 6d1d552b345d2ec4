"""The fixtures, in the tests of somebody's application."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

APPLICATION = """
from flask import Flask
from flask_jwtsession import JWTSession, current_user, login_required

def create_app():
    app = Flask(__name__)
    app.config["JWTSESSION_SECRET"] = "0123456789 abcdefghij a test secret"
    app.config["JWTSESSION_STORE"] = "memory"
    JWTSession(app)

    @app.get("/")
    @login_required
    def home():
        return current_user["name"]

    return app
"""
CONFTEST = """
import pytest
from application import create_app

pytest_plugins = ["flask_jwtsession.testing.plugin"]

@pytest.fixture
def app():
    return create_app()
"""
TESTS = """
import time
from datetime import timedelta

def test_somebody_is_signed_in(jwtsession_client):
    assert jwtsession_client.get("/").status_code == 401
    jwtsession_client.sign_in({"id": 1, "name": "Ada"})
    assert jwtsession_client.get("/").text == "Ada"

def test_nobody_is_signed_in_the_next_test(jwtsession_client):
    assert not jwtsession_client.get_session()

def test_time_passes(jwtsession_client, jwtsession_clock):
    jwtsession_client.sign_in({"id": 1, "name": "Ada"})
    jwtsession_clock.advance(timedelta(days=31))
    assert jwtsession_client.get("/").status_code == 401
    assert jwtsession_clock.now > time.time() + 30 * 86_400
"""


def test_the_fixtures_serve_the_tests_of_an_application(tmp_path: Path) -> None:
    for name, text in (
        ("application.py", APPLICATION),
        ("conftest.py", CONFTEST),
        ("test_application.py", TESTS),
    ):
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^3 passed", done.stdout, re.MULTILINE)
