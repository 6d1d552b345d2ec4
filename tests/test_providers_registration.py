"""``add_provider``: names, presets, and what holds for which app."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from flask import Flask

from flask_jwtsession import ConfigError, JWTSession
from flask_jwtsession.providers.presets import PRESETS
from flask_jwtsession.providers.registration import register

from .support import OTHER_SECRET, SECRET, binding_of, make_app

ISSUER = "https://id.example.com"
HUSH = "hush-client-secret"
CLIENT: dict[str, Any] = {"client_id": "app", "client_secret": HUSH}


def fault(auth: JWTSession, name: Any, **options: Any) -> ConfigError:
    """The error; whatever it is, it shows no secret."""
    with pytest.raises(ConfigError) as caught:
        auth.add_provider(name, **options)
    assert "hush" not in str(caught.value) + repr(caught.value)
    return caught.value


def names(app: Flask) -> list[str]:
    return list(binding_of(app).providers)


def authorization_url(app: Flask, name: str) -> str:
    """Where a browser goes to sign in with a provider whose endpoints are known."""
    provider = binding_of(app).providers[name]
    return provider.authorization_url(
        redirect_uri="https://app.test/cb",
        state="s",
        nonce="n",
        code_verifier="v" * 43,
        parameters={},
        max_age=None,
    )


def configured(*prefixes: str) -> Flask:
    """An app with a secret, and with the keys of these providers."""
    app = Flask(__name__)
    app.config["JWTSESSION_SECRET"] = SECRET
    for prefix in prefixes:
        app.config[f"{prefix}_CLIENT_ID"] = "app"
        app.config[f"{prefix}_CLIENT_SECRET"] = HUSH
    return app


# Names.


@pytest.mark.parametrize(
    "name",
    [
        *("a", "op", "op2", "staff-login", "staff_login", "a1-b2_c3", "x" * 32),
        *("session", "callback", "error", "signin", "none", "null"),
    ],
)
def test_a_name_is_a_word_of_a_url(name: str) -> None:
    app, auth = make_app()
    auth.add_provider(name, issuer=ISSUER, **CLIENT)
    assert names(app) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("", "-", "a-", "-a", "a_", "_a", "a--b", "a__b", "a-_b", "1a", "x" * 33),
        *("A", "Google", "aB", "a b", " a", "a ", "a.b", "a/b", "../a", "a%2fb", "a|b", "a:b"),
        *("a\n", "a\r\nSet-Cookie: x=y", "a\x00", "\u00e4", "\u0430", "a\u0663", "\uff41"),
        *(None, 7, True, b"op", ["op"], {"op": 1}, ("op",)),
    ],
    ids=repr,
)
def test_sec_173_any_other_name_is_refused(name: Any) -> None:
    app, auth = make_app()
    error = fault(auth, name, issuer=ISSUER, **CLIENT)
    assert error.key == f"add_provider({name!r})"
    assert "lower-case letters and digits" in str(error)
    assert names(app) == []


def test_the_name_of_the_password_form_is_taken() -> None:
    _, auth = make_app()
    error = fault(auth, "credentials", issuer=ISSUER, **CLIENT)
    assert error.key == "add_provider('credentials')"
    assert "@auth.credentials" in str(error)


def test_a_name_is_taken_once() -> None:
    app, auth = make_app()
    auth.add_provider("op", issuer=ISSUER, **CLIENT)
    error = fault(auth, "op", issuer="https://other.example", **CLIENT)
    assert error.key == "add_provider('op')"
    assert "added before" in str(error)
    assert names(app) == ["op"]


def test_a_name_that_was_refused_is_not_taken() -> None:
    app, auth = make_app()
    fault(auth, "op", issuer="nonsense", **CLIENT)
    assert names(app) == []
    auth.add_provider("op", issuer=ISSUER, **CLIENT)
    assert names(app) == ["op"]


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("op", "OP"),
        ("op2", "OP2"),
        ("staff-login", "STAFF_LOGIN"),
        ("staff_login", "STAFF_LOGIN"),
        ("a-b_c-d", "A_B_C_D"),
    ],
)
def test_the_keys_begin_with_the_name_in_capitals(name: str, prefix: str) -> None:
    app = configured(prefix)
    app.config[f"{prefix}_ISSUER"] = ISSUER
    auth = JWTSession(app)
    auth.add_provider(name)
    assert names(app) == [name]


@pytest.mark.parametrize(
    ("name", "key"),
    [("staff-login", "STAFF_LOGIN_CLIENT_ID"), ("google", "GOOGLE_CLIENT_ID")],
)
def test_a_key_that_is_missing_is_named(name: str, key: str) -> None:
    _, auth = make_app()
    error = fault(auth, name, issuer=ISSUER, client_secret=HUSH)
    assert error.key == key
    assert f"add_provider({name!r})" in str(error)


@pytest.mark.parametrize(
    ("name", "label"),
    [("op", "Op"), ("staff-login", "Staff Login"), ("my_op2", "My Op2")],
)
def test_a_name_is_shown_as_a_label(name: str, label: str) -> None:
    app, auth = make_app()
    auth.add_provider(name, issuer=ISSUER, **CLIENT)
    assert binding_of(app).providers[name].label == label


def test_sec_059_the_repr_of_a_provider_shows_no_secret() -> None:
    app, auth = make_app()
    auth.add_provider("op", issuer=ISSUER, **CLIENT)
    shown = repr(binding_of(app).providers) + repr(binding_of(app)) + repr(vars(auth))
    assert "hush" not in shown


# Presets.


def test_a_preset_is_the_one_of_the_name() -> None:
    registration = register("google", preset=None, issuer=None, profile=None, options={})
    assert (registration.preset, registration.is_known) == (PRESETS["google"], True)


def test_a_preset_can_be_named() -> None:
    registration = register("work", preset="google", issuer=None, profile=None, options={})
    assert (registration.preset, registration.is_known) == (PRESETS["google"], True)


def test_another_name_has_no_preset() -> None:
    registration = register("googel", preset=None, issuer=None, profile=None, options={})
    assert not registration.is_known
    assert registration.preset.issuer is None


@pytest.mark.parametrize(
    "preset", ["googel", "Google", "", "none", 7, True, ["google"], {"google": 1}], ids=repr
)
def test_a_preset_that_there_is_not_is_refused(preset: Any) -> None:
    _, auth = make_app()
    error = fault(auth, "op", preset=preset, issuer=ISSUER, **CLIENT)
    assert error.key == "add_provider('op')"
    assert f"no preset {preset!r}" in str(error)
    assert all(name in str(error) for name in PRESETS)


# Apps.


def test_a_provider_may_be_added_before_the_app_is_there() -> None:
    auth = JWTSession()
    auth.add_provider("google")
    auth.add_provider("op", issuer=ISSUER, **CLIENT)
    app = configured("GOOGLE")
    auth.init_app(app)
    assert names(app) == ["google", "op"]


def test_a_provider_may_be_added_after_the_app() -> None:
    app = configured("GOOGLE")
    auth = JWTSession(app)
    auth.add_provider("google")
    assert names(app) == ["google"]


def test_without_an_app_only_what_needs_none_is_checked() -> None:
    auth = JWTSession()
    assert "no option 'scope'" in str(fault(auth, "op", scope="openid"))
    assert "no preset" in str(fault(auth, "op", preset="bogus"))
    assert "lower-case" in str(fault(auth, "Op"))
    auth.add_provider("op")  # its configuration is still to come
    with pytest.raises(ConfigError, match="issuer="):
        auth.init_app(configured("OP"))


def test_an_app_without_the_keys_of_a_provider_is_not_initialised() -> None:
    auth = JWTSession()
    auth.add_provider("google")
    app = configured()
    with pytest.raises(ConfigError) as caught:
        auth.init_app(app)
    assert caught.value.key == "GOOGLE_CLIENT_ID"
    assert app.blueprints == {}
    # The mistake is mended, and the app is none the worse for it.
    app.config |= {"GOOGLE_CLIENT_ID": "app", "GOOGLE_CLIENT_SECRET": HUSH}
    auth.init_app(app)
    assert names(app) == ["google"]
    assert app.test_client().get("/auth/providers").status_code == 200


def test_every_app_has_its_own_keys() -> None:
    auth = JWTSession()
    auth.add_provider("github")
    first, second = configured("GITHUB"), configured("GITHUB")
    second.config["GITHUB_CLIENT_ID"] = "another app"
    for app in (first, second):
        auth.init_app(app)
    assert "client_id=app&" in authorization_url(first, "github")
    assert "client_id=another+app&" in authorization_url(second, "github")
    assert binding_of(first).providers["github"] is not binding_of(second).providers["github"]


def test_a_provider_that_is_added_later_belongs_to_every_app() -> None:
    auth = JWTSession()
    first, second = configured("GITHUB"), configured("GITHUB")
    for app in (first, second):
        auth.init_app(app)
    auth.add_provider("github")
    assert names(first) == names(second) == ["github"]


def test_a_provider_that_one_app_cannot_have_is_added_to_none() -> None:
    auth = JWTSession()
    apps = [configured("GITHUB") for _ in range(8)]
    for app in apps:
        auth.init_app(app)
    last = configured()
    auth.init_app(last)
    assert fault(auth, "github").key == "GITHUB_CLIENT_ID"
    assert [names(app) for app in (*apps, last)] == [[]] * 9
    last.config |= {"GITHUB_CLIENT_ID": "app", "GITHUB_CLIENT_SECRET": HUSH}
    auth.add_provider("github")
    assert [names(app) for app in (*apps, last)] == [["github"]] * 9


def test_sec_057_two_instances_have_providers_of_their_own() -> None:
    app = configured("GITHUB", "OP")
    app.config |= {"STAFFSESSION_SECRET": OTHER_SECRET, "STAFFSESSION_COOKIE_PREFIX": "staff"}
    app.config["STAFFSESSION_URL_PREFIX"] = "/staff"
    people, staff = JWTSession(app), JWTSession(app, config_prefix="STAFFSESSION")
    people.add_provider("github")
    staff.add_provider("op", issuer=ISSUER)
    assert list(binding_of(app).providers) == ["github"]
    assert list(binding_of(app, "STAFFSESSION").providers) == ["op"]


def test_the_order_is_that_of_the_calls() -> None:
    app, auth = make_app()
    for name in ("zeta", "alpha", "mid"):
        auth.add_provider(name, issuer=ISSUER, **CLIENT)
    assert names(app) == ["zeta", "alpha", "mid"]


def test_a_later_change_of_the_configuration_has_no_effect() -> None:
    app = configured("GITHUB")
    auth = JWTSession(app)
    auth.add_provider("github")
    app.config["GITHUB_CLIENT_ID"] = "another app"
    assert "client_id=app&" in authorization_url(app, "github")


# What it costs.


def test_authlib_and_requests_are_imported_with_the_first_provider() -> None:
    program = """
import sys
from flask import Flask
from flask_jwtsession import JWTSession

app = Flask(__name__)
app.config["JWTSESSION_SECRET"] = "a test secret, 0123456789 abcdefghij"
auth = JWTSession(app)
assert not {"authlib", "requests"} & sys.modules.keys(), "too early"
auth.add_provider("op", issuer="https://id.example.com", client_id="a", client_secret="b")
assert {"authlib", "requests"} <= sys.modules.keys(), "too late"
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
