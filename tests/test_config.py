"""Configuration: every key, what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from datetime import timedelta
from math import inf, nan
from typing import Any

import pytest
from flask import Flask

from flask_jwtsession import ConfigError, JWTSession
from flask_jwtsession.config import Settings, read_settings
from flask_jwtsession.stores.memory import MemoryStore

from .support import OTHER_SECRET, SECRET, binding_of, make_app

DAY = 86_400


def read(environment: Mapping[str, str] | None = None, /, **config: Any) -> Settings:
    """The settings of these keys, written without the prefix, and a good secret."""
    keys = {f"JWTSESSION_{name}": value for name, value in ({"SECRET": SECRET} | config).items()}
    return read_settings(keys, environment or {})


# Values.

DEFAULTS: dict[str, Any] = {
    "config_prefix": "JWTSESSION",
    "secrets": (SECRET.encode(),),
    "cookie_prefix": "jwtsession",
    "cookie_domain": None,
    "cookie_path": "/",
    "cookie_samesite": "Lax",
    "cookie_secure": None,
    "cookie_partitioned": False,
    "update_age": DAY,
    "max_token_size": 7168,
    "client_update_fields": frozenset(),
    "store": "sqlite",
    "store_failure": "closed",
    "provider_tokens": "cookie",
    "refresh_failure": "keep",
    "federated_sign_out": False,
    "url_prefix": "/auth",
    "base_url": None,
    "trusted_origins": frozenset(),
    "pages": {},
    "protect_all": False,
    "csrf_protect": True,
    "read_nextauth_v4": False,
}


def test_every_key_has_its_default() -> None:
    settings = read()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.lifetimes.max_age == 30 * DAY
    assert settings.lifetimes.absolute_max_age is None


@pytest.mark.parametrize(
    "name",
    [
        *("MAX_AGE", "ABSOLUTE_MAX_AGE", "SECRET_FALLBACKS"),
        *(name.upper() for name in list(DEFAULTS)[2:] if name != "store"),
    ],
)
def test_a_key_that_is_none_is_a_key_that_is_absent(name: str) -> None:
    assert read(**{name: None}) == read()


@pytest.mark.parametrize("value", [None, "None", "none"])
def test_no_store_is_a_store_that_is_none(value: str | None) -> None:
    """The one key for which None says something; the text is what the environment makes of it."""
    assert read(STORE=value).store is None


def test_a_store_is_taken_as_it_is() -> None:
    store = MemoryStore()
    assert read(STORE=store).store is store


STORE_URLS = [
    "redis://localhost:6379/0",
    "redis://user:password@localhost/0?socket_timeout=0.5",
    "rediss://:password@redis.example:6380",
    "unix:///run/redis.sock?db=1",
    "redis+sentinel://a.example:26379,b.example:26379/service/0",
    "rediss+sentinel://user:password@a.example/service",
]


@pytest.mark.parametrize(
    ("name", "value", "attribute", "read_as"),
    [
        ("COOKIE_PREFIX", "authjs", "cookie_prefix", "authjs"),
        ("COOKIE_PREFIX", "My-App_1", "cookie_prefix", "My-App_1"),
        ("COOKIE_DOMAIN", "example.com", "cookie_domain", "example.com"),
        ("COOKIE_DOMAIN", ".Example.COM", "cookie_domain", "example.com"),
        ("COOKIE_PATH", "/app", "cookie_path", "/app"),
        ("COOKIE_SAMESITE", "Strict", "cookie_samesite", "Strict"),
        ("COOKIE_SECURE", True, "cookie_secure", True),
        ("COOKIE_SECURE", False, "cookie_secure", False),
        ("UPDATE_AGE", 0, "update_age", 0),
        ("UPDATE_AGE", timedelta(minutes=5), "update_age", 300),
        ("MAX_TOKEN_SIZE", 1024, "max_token_size", 1024),
        ("MAX_TOKEN_SIZE", 65_536, "max_token_size", 65_536),
        ("CLIENT_UPDATE_FIELDS", ["a", "b"], "client_update_fields", {"a", "b"}),
        ("CLIENT_UPDATE_FIELDS", ("a",), "client_update_fields", {"a"}),
        ("URL_PREFIX", "/api/auth", "url_prefix", "/api/auth"),
        ("BASE_URL", "https://app.example.com", "base_url", "https://app.example.com"),
        ("BASE_URL", "HTTPS://App.Example.com:443", "base_url", "https://app.example.com"),
        ("BASE_URL", "http://[::1]:8080", "base_url", "http://[::1]:8080"),
        ("TRUSTED_ORIGINS", ["https://a.test"], "trusted_origins", {"https://a.test"}),
        ("PAGES", {"sign_in": "/login?x=1"}, "pages", {"sign_in": "/login?x=1"}),
        ("PROTECT_ALL", True, "protect_all", True),
        ("PROVIDER_TOKENS", "none", "provider_tokens", "none"),
        ("PROVIDER_TOKENS", "cookie", "provider_tokens", "cookie"),
        ("PROVIDER_TOKENS", "store", "provider_tokens", "store"),
        ("REFRESH_FAILURE", "sign_out", "refresh_failure", "sign_out"),
        ("STORE", "sqlite", "store", "sqlite"),
        ("STORE", "memory", "store", "memory"),
        *(("STORE", url, "store", url) for url in STORE_URLS),
        ("STORE_FAILURE", "closed", "store_failure", "closed"),
        ("STORE_FAILURE", "open", "store_failure", "open"),
        ("FEDERATED_SIGN_OUT", True, "federated_sign_out", True),
        ("CSRF_PROTECT", False, "csrf_protect", False),
        ("READ_NEXTAUTH_V4", True, "read_nextauth_v4", True),
    ],
)
def test_a_good_value_is_taken(name: str, value: Any, attribute: str, read_as: Any) -> None:
    assert getattr(read(**{name: value}), attribute) == read_as


@pytest.mark.parametrize("age", [1, 1.5, 3600, 400 * DAY, timedelta(hours=1)])
def test_the_lifetimes_are_seconds_or_a_timedelta(age: Any) -> None:
    settings = read(MAX_AGE=age, ABSOLUTE_MAX_AGE=age)
    seconds = age.total_seconds() if isinstance(age, timedelta) else age
    assert settings.lifetimes.max_age == seconds
    assert settings.lifetimes.absolute_max_age == seconds
    assert settings.update_age == seconds / 30


NO_NUMBERS = ["3600", "None", True, nan, inf, -inf, [], {}, 1j, b"1"]
NO_BOOLEANS = ["true", "True", "", "None", 0, 1, [], "yes"]
NO_LISTS = ["a,b", "", 7, True, {"a": 1}, b"a"]

WRONG: dict[str, list[Any]] = {
    "COOKIE_PREFIX": [
        *("", " ", "a b", "a;b", "a=b", "a\r\nSet-Cookie: x=y", "a\n", "a.b", "é", "a" * 41),
        *("__Host-a", "__Secure-a", "-a", "None", 7, True, ["a"], b"a", {"a"}),
    ],
    "COOKIE_DOMAIN": [
        *("", ".", "a..b", "a b", "a;b", "a\r\n", "example.com\n", "http://a.test", "a.test:80"),
        *("-a.test", "a-.test", "127.0.0.1", "[::1]", "münchen.de", "a." * 60 + "b", "None"),
        *("l" * 64 + ".test", "*.a.test", "a.test/", 7, True, ["a.test"]),
    ],
    "COOKIE_PATH": [
        *("", "app", "/a;b", "/a b", "/a\r\nX: y", "/\n", "/é", "/" + "a" * 100, "None", 7, ["/"]),
    ],
    "COOKIE_SAMESITE": ["", "lax", "LAX", "none", "no", True, False, 7, ["Lax"]],
    "COOKIE_SECURE": NO_BOOLEANS,
    "COOKIE_PARTITIONED": NO_BOOLEANS,
    "MAX_AGE": [*NO_NUMBERS, 0, 0.5, -1, 400 * DAY + 1, 10**400, timedelta(0), timedelta.max],
    "UPDATE_AGE": [*NO_NUMBERS, -1, timedelta(seconds=-1), 10**400],
    "ABSOLUTE_MAX_AGE": [*NO_NUMBERS, 0, -1, timedelta(0), 10**400],
    "MAX_TOKEN_SIZE": [*NO_NUMBERS, 0, -1, 1023, 65_537, 7168.0, 10**400, timedelta(1)],
    "CLIENT_UPDATE_FIELDS": [
        *(*NO_LISTS, [7], [""], [None], ["ok", 7], "None"),
        *(["iss"], ["aud"], ["sub"], ["iat"], ["exp"], ["nbf"], ["jti"], ["sid"], ["auth_time"]),
        *(["_session"], ["nick", "sub"]),
    ],
    "URL_PREFIX": [
        *("", "/", "auth", "/auth/", "//auth", "/a//b", "/a b", "/<x>", "/a?b", "/é", "/a\n"),
        *("None", 7, True, ["/auth"]),
    ],
    "BASE_URL": [
        *("", "app.test", "//app.test", "ftp://app.test", "https://", "https://app.test/"),
        *("https://app.test/x", "https://u@app.test", "https://app.test?x", "https://app.test#x"),
        *("https://app.test:0", "https://app.test:65536", "https://münchen.de", "null", "*"),
        *("https://app.test\n", "https://a.test https://b.test", "None", 7, ["https://a.test"]),
    ],
    "TRUSTED_ORIGINS": [
        *(*NO_LISTS, "https://a.test", "None", ["*"], ["null"], ["https://*.a.test"], [7]),
        *(["https://a.test/"], ["a.test"], [None], ["https://a.test", "b.test"]),
    ],
    "PAGES": [
        *("/login", 7, [], ["sign_in"], {"signIn": "/login"}, {"sign_in": "login"}, "None"),
        *({"sign_in": "//evil.test"}, {"sign_in": "https://evil.test/"}, {"sign_in": None}),
        *({"sign_in": "/\\evil.test"}, {"sign_in": "/a\r\nX: y"}, {"sign_in": "/a#b"}, {1: "/x"}),
        *({"sign_in": ""}, {"error": 7}),
    ],
    "PROTECT_ALL": NO_BOOLEANS,
    "STORE": [
        *("", "sqlite3", "SQLite", "Memory", "redis", "localhost", "file:///tmp/x", "sqlite:///x"),
        *("http://redis.example", "redis:/localhost", "//localhost", " redis://localhost"),
        *(True, False, 0, 7, [], ["sqlite"], {"url": "redis://h"}, b"sqlite", MemoryStore),
    ],
    "STORE_FAILURE": ["", "None", "Closed", "OPEN", "fail", True, False, 1, ["open"]],
    "PROVIDER_TOKENS": ["", "None", "COOKIE", "Store", "sqlite", True, 1, ["cookie"]],
    "REFRESH_FAILURE": ["", "None", "Keep", "sign-out", "signout", True, False, 1, ["keep"]],
    "FEDERATED_SIGN_OUT": NO_BOOLEANS,
    "CSRF_PROTECT": NO_BOOLEANS,
    "READ_NEXTAUTH_V4": NO_BOOLEANS,
}


def short(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**30:
        return "a very large number"
    return ascii(value)[:40]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name} = {short(value)}")
        for name, values in WRONG.items()
        for value in values
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_key_and_no_secret(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**{name: value})
    assert caught.value.key == f"JWTSESSION_{name}"
    assert str(caught.value).startswith(f"JWTSESSION_{name}: ")
    assert len(str(caught.value)) > len(f"JWTSESSION_{name}: ") + 15
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://user:hunter2@localhost/0",
        "redis:hunter2@localhost:6379",
        "user:hunter2@localhost",
        "redis:/:hunter2@localhost/0",
        "Redis://:hunter2@localhost",
        " redis://:hunter2@localhost",
        b"redis://:hunter2@localhost",
        ["redis://:hunter2@localhost"],
        {"url": "redis://:hunter2@localhost"},
    ],
    ids=str,
)
def test_sec_050_a_wrong_store_is_an_error_that_shows_no_password(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        read(STORE=value)
    assert caught.value.key == "JWTSESSION_STORE"
    assert "hunter2" not in str(caught.value)


def test_sec_059_the_repr_shows_no_password_of_the_store() -> None:
    assert "hunter2" not in repr(read(STORE="redis://user:hunter2@localhost"))


def test_every_key_is_in_the_table_of_wrong_values() -> None:
    named = {name.upper() for name in Settings.__dataclass_fields__}
    named |= {"MAX_AGE", "ABSOLUTE_MAX_AGE"}
    assert named - {"CONFIG_PREFIX", "SECRETS", "LIFETIMES"} == WRONG.keys()


def test_sec_056_more_than_400_days_is_refused_and_says_so() -> None:
    with pytest.raises(ConfigError, match="34560000"):
        read(MAX_AGE=timedelta(days=401))


# Unknown keys.


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("MAXAGE", "JWTSESSION_MAX_AGE"),
        ("COOKIE_SAME_SITE", "JWTSESSION_COOKIE_SAMESITE"),
        ("SECRETS", "JWTSESSION_SECRET"),
        ("TRUSTED_ORIGIN", "JWTSESSION_TRUSTED_ORIGINS"),
    ],
)
def test_a_key_that_does_not_exist_is_an_error_with_a_suggestion(key: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {meant}") as caught:
        read(**{key: OTHER_SECRET})
    assert caught.value.key == f"JWTSESSION_{key}"
    assert OTHER_SECRET not in str(caught.value)


def test_a_key_like_no_other_is_an_error_without_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"no such key$"):
        read(XYZZY=1)


def test_keys_of_another_prefix_are_not_looked_at() -> None:
    config = {"STAFFSESSION_SECRET": SECRET, "STAFFSESSION_MAX_AGE": 60, "JWTSESSION_MAX_AGE": 0}
    settings = read_settings(config, {}, prefix="STAFFSESSION")
    assert settings.lifetimes.max_age == 60
    assert settings.cookie_prefix == "staffsession"


# Secrets.

WEAK: dict[str, Any] = {
    "empty": "",
    "empty bytes": b"",
    "changeme": "changeme",
    "dev": "dev",
    "31 bytes": "0123456789abcdefghijklmnopqrstu",
    "7 different bytes": "abcdefg" * 10,
    "one byte": "x" * 64,
    "a number": 12345678901234567890123456789012,
    "true": True,
    "a list of one": [SECRET],
    "a tuple": (SECRET,),
    "a mapping": {"k": SECRET},
    "the text None": "None",
    "a lone surrogate": "\ud800" + SECRET,
    "bytearray": bytearray(SECRET.encode()),
    "a PEM file": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n",
    "a PEM file after a space": "\n  -----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n",
    "an OpenSSH key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdef ada@example",
}


def parts_of(secret: Any) -> list[str]:
    """What of a secret may be in no message: the whole and each half of it."""
    if isinstance(secret, list | tuple):
        return [part for one in secret for part in parts_of(one)]
    text = secret.decode() if isinstance(secret, bytes | bytearray) else str(secret)
    return [text, text[:12], text[-12:]] if len(text) > 20 else []


@pytest.mark.parametrize("secret", WEAK.values(), ids=[f"SEC-050 {name}" for name in WEAK])
def test_a_secret_that_is_none_is_an_error_at_start_that_does_not_show_it(secret: Any) -> None:
    app = Flask("tests.app")
    app.config["JWTSESSION_SECRET"] = secret
    with pytest.raises(ConfigError) as caught:
        JWTSession(app)
    assert caught.value.key == "JWTSESSION_SECRET"
    assert not any(part in str(caught.value) for part in parts_of(secret))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "fallbacks",
    [
        SECRET,
        OTHER_SECRET.encode(),
        {OTHER_SECRET: 1},
        7,
        True,
        [None],
        ["short"],
        [OTHER_SECRET, "short"],
        [OTHER_SECRET, None],
        [[OTHER_SECRET]],
        ["x" * 64],
    ],
    ids=lambda value: f"SEC-050 {type(value).__name__} {len(str(value))}",
)
def test_fallbacks_are_a_list_of_secrets(fallbacks: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read(SECRET_FALLBACKS=fallbacks)
    assert caught.value.key == "JWTSESSION_SECRET_FALLBACKS"
    assert SECRET not in str(caught.value)
    assert OTHER_SECRET not in str(caught.value)


def test_sec_050_no_secret_at_all_is_an_error_that_says_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="token_urlsafe") as caught:
        read_settings({"SECRET_KEY": None}, {})
    assert caught.value.key == "JWTSESSION_SECRET"


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(SECRET, id="str"),
        pytest.param(SECRET.encode(), id="bytes"),
        pytest.param("sëcret-パスワード-🔐-0123456789", id="SEC-050 not ASCII"),
        pytest.param(bytes(range(224, 256)), id="SEC-050 bytes that are no text"),
        pytest.param("0123456789abcdefghijklmnopqrstuv", id="32 bytes"),
    ],
)
def test_a_good_secret_is_taken_as_its_bytes(secret: str | bytes) -> None:
    expected = secret.encode() if isinstance(secret, str) else secret
    assert read(SECRET=secret).secrets == (expected,)


ENVIRONMENT = {"JWTSESSION_SECRET": OTHER_SECRET}
FLASK_SECRET = "Flask's own secret key, 0123456789"


@pytest.mark.parametrize(
    ("config", "environment", "secrets"),
    [
        pytest.param(
            {"JWTSESSION_SECRET": SECRET}, ENVIRONMENT, [SECRET], id="configuration first"
        ),
        pytest.param({"SECRET_KEY": SECRET}, ENVIRONMENT, [OTHER_SECRET], id="environment second"),
        pytest.param(
            {"JWTSESSION_SECRET": None, "SECRET_KEY": SECRET},
            ENVIRONMENT,
            [OTHER_SECRET],
            id="None in the configuration is absent",
        ),
        pytest.param({"SECRET_KEY": SECRET}, {}, [SECRET], id="Flask's own last"),
        pytest.param(
            {"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": [FLASK_SECRET]},
            {},
            [SECRET, FLASK_SECRET],
            id="Flask's own with its fallbacks",
        ),
        pytest.param(
            {"JWTSESSION_SECRET": SECRET, "SECRET_KEY_FALLBACKS": [FLASK_SECRET]},
            {},
            [SECRET],
            id="Flask's fallbacks only with Flask's key",
        ),
        pytest.param(
            {"JWTSESSION_SECRET": SECRET, "JWTSESSION_SECRET_FALLBACKS": (OTHER_SECRET,)},
            {},
            [SECRET, OTHER_SECRET],
            id="fallbacks as a tuple",
        ),
        pytest.param(
            {"JWTSESSION_SECRET": SECRET},
            {"JWTSESSION_SECRET_FALLBACKS": json.dumps([OTHER_SECRET])},
            [SECRET, OTHER_SECRET],
            id="fallbacks from the environment",
        ),
        pytest.param(
            {"SECRET_KEY": SECRET, "JWTSESSION_SECRET_FALLBACKS": [OTHER_SECRET]},
            {},
            [SECRET, OTHER_SECRET],
            id="Flask's key with our fallbacks",
        ),
    ],
)
def test_where_the_secrets_come_from(
    config: dict[str, Any], environment: dict[str, str], secrets: list[str]
) -> None:
    assert read_settings(config, environment).secrets == tuple(one.encode() for one in secrets)


@pytest.mark.parametrize(
    ("config", "environment", "key"),
    [
        ({"SECRET_KEY": "dev"}, {}, "SECRET_KEY"),
        ({"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": ["dev"]}, {}, "SECRET_KEY_FALLBACKS"),
        ({"SECRET_KEY": SECRET}, {"JWTSESSION_SECRET": ""}, "JWTSESSION_SECRET"),
        (
            {"JWTSESSION_SECRET": SECRET},
            {"JWTSESSION_SECRET_FALLBACKS": OTHER_SECRET},
            "JWTSESSION_SECRET_FALLBACKS",
        ),
        (
            {"JWTSESSION_SECRET": SECRET},
            {"JWTSESSION_SECRET_FALLBACKS": json.dumps(OTHER_SECRET)},
            "JWTSESSION_SECRET_FALLBACKS",
        ),
    ],
)
def test_the_error_names_where_the_weak_secret_is(
    config: dict[str, Any], environment: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(config, environment)
    assert caught.value.key == key
    assert OTHER_SECRET not in str(caught.value)


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWTSESSION_SECRET", OTHER_SECRET)
    app = Flask("tests.app")
    JWTSession(app)
    assert binding_of(app).settings.secrets == (OTHER_SECRET.encode(),)


# Flask's own way to read the environment: digits become numbers, None stays a text.


@pytest.fixture
def from_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(**variables: str) -> Settings:
        monkeypatch.setenv("FLASK_JWTSESSION_SECRET", SECRET)
        for name, value in variables.items():
            monkeypatch.setenv(f"FLASK_JWTSESSION_{name}", value)
        app = Flask("tests.app")
        app.config.from_prefixed_env()
        JWTSession(app)
        return binding_of(app).settings

    return load


def test_from_prefixed_env_is_understood(from_environment: Any) -> None:
    settings = from_environment(
        MAX_AGE="3600",
        PROTECT_ALL="true",
        COOKIE_SECURE="true",
        COOKIE_SAMESITE="None",
        TRUSTED_ORIGINS='["https://a.test"]',
        PAGES__sign_in="/login",
    )
    assert settings.lifetimes.max_age == 3600
    assert settings.protect_all is True
    assert settings.cookie_samesite == "None"
    assert settings.trusted_origins == {"https://a.test"}
    assert settings.pages == {"sign_in": "/login"}


@pytest.mark.parametrize("text", ["null", "None"])
def test_from_prefixed_env_can_say_that_there_is_no_store(from_environment: Any, text: str) -> None:
    assert from_environment(STORE=text).store is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COOKIE_DOMAIN", "None"),
        ("BASE_URL", "None"),
        ("ABSOLUTE_MAX_AGE", "None"),
        ("PROTECT_ALL", "True"),
        ("PROTECT_ALL", "1"),
        ("TRUSTED_ORIGINS", "https://a.test"),
        ("STORE", "false"),
        ("STORE", "0"),
        ("STORE_FAILURE", "None"),
        ("MAX_AGE", "30 days"),
        ("MAX_AGE", "NaN"),
        ("MAX_AGE", "Infinity"),
        ("SECRET", "12345678901234567890123456789012345"),
    ],
)
def test_from_prefixed_env_is_refused_where_it_is_not_clear(
    from_environment: Any, name: str, value: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment(**{name: value})
    assert caught.value.key == f"JWTSESSION_{name}"
    assert "12345678901234567890" not in str(caught.value)


# Combinations.


@pytest.mark.parametrize(
    ("config", "key"),
    [
        pytest.param({"COOKIE_SAMESITE": "None"}, "COOKIE_SAMESITE", id="SEC-054 SameSite=None"),
        pytest.param(
            {"COOKIE_SAMESITE": "None", "COOKIE_SECURE": False},
            "COOKIE_SAMESITE",
            id="SEC-054 SameSite=None, not Secure",
        ),
        pytest.param({"COOKIE_PARTITIONED": True}, "COOKIE_PARTITIONED", id="SEC-054 Partitioned"),
        pytest.param(
            {"COOKIE_PARTITIONED": True, "COOKIE_SECURE": False},
            "COOKIE_PARTITIONED",
            id="SEC-054 Partitioned, not Secure",
        ),
        pytest.param(
            {"COOKIE_SECURE": True, "BASE_URL": "http://app.test"},
            "BASE_URL",
            id="SEC-054 Secure, but at http",
        ),
        pytest.param(
            {"COOKIE_DOMAIN": "other.test", "BASE_URL": "https://app.test"},
            "COOKIE_DOMAIN",
            id="SEC-054 a Domain that the application is not in",
        ),
        pytest.param(
            {"COOKIE_DOMAIN": "pp.test", "BASE_URL": "https://app.test"},
            "COOKIE_DOMAIN",
            id="SEC-054 a Domain that only ends like the application's",
        ),
    ],
)
def test_what_a_browser_would_refuse_is_refused_at_start(config: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**config)
    assert caught.value.key == f"JWTSESSION_{key}"


@pytest.mark.parametrize("none", [None, "None"])
def test_tokens_cannot_be_kept_in_a_store_that_there_is_not(none: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        read(STORE=none, PROVIDER_TOKENS="store")
    assert caught.value.key == "JWTSESSION_PROVIDER_TOKENS"
    assert "JWTSESSION_STORE" in str(caught.value)
    assert read(STORE="memory", PROVIDER_TOKENS="store").provider_tokens == "store"


@pytest.mark.parametrize(
    "config",
    [
        {"COOKIE_SAMESITE": "None", "COOKIE_SECURE": True},
        {"COOKIE_PARTITIONED": True, "COOKIE_SECURE": True},
        {"COOKIE_SECURE": True, "BASE_URL": "https://app.test"},
        {"COOKIE_SECURE": False, "BASE_URL": "http://app.test"},
        {"COOKIE_DOMAIN": "example.com", "BASE_URL": "https://app.example.com"},
        {"COOKIE_DOMAIN": "app.test", "BASE_URL": "https://app.test:8443"},
    ],
    ids=str,
)
def test_what_a_browser_takes_is_taken(config: dict[str, Any]) -> None:
    read(**config)


def two_instances(**second: Any) -> None:
    app = Flask("tests.app")
    app.config["JWTSESSION_SECRET"] = SECRET
    app.config.update({f"STAFFSESSION_{name}": value for name, value in second.items()})
    JWTSession(app)
    JWTSession(app, config_prefix="STAFFSESSION")


def test_two_instances_need_their_own_cookies_and_urls() -> None:
    two_instances(SECRET=OTHER_SECRET, URL_PREFIX="/staff/auth")
    with pytest.raises(ConfigError, match="STAFFSESSION_URL_PREFIX"):
        two_instances(SECRET=OTHER_SECRET)
    with pytest.raises(ConfigError, match="STAFFSESSION_COOKIE_PREFIX"):
        two_instances(SECRET=OTHER_SECRET, URL_PREFIX="/staff", COOKIE_PREFIX="jwtsession")


@pytest.mark.parametrize("prefix", ["", "staff", "1STAFF", "STAFF_", "STAFF SESSION", "É", "A\n"])
def test_a_prefix_is_that_of_a_configuration_key(prefix: str) -> None:
    with pytest.raises(ConfigError):
        JWTSession(config_prefix=prefix)


# What is made of it.


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        read().protect_all = True  # type: ignore[misc]  # what must not work
    pages = read(PAGES={"sign_in": "/login"}).pages
    with pytest.raises(TypeError):
        pages["sign_in"] = "/elsewhere"  # type: ignore[index]  # what must not work


def test_the_configuration_is_read_once() -> None:
    app = Flask("tests.app")
    given = {"sign_in": "/login"}
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_PAGES=given)
    JWTSession(app)
    before = binding_of(app).settings
    given["sign_in"] = "/elsewhere"
    app.config["JWTSESSION_PROTECT_ALL"] = True
    assert binding_of(app).settings is before
    assert before.pages == {"sign_in": "/login"}
    assert before.protect_all is False


def test_sec_059_the_repr_shows_no_secret() -> None:
    settings = read(SECRET_FALLBACKS=[OTHER_SECRET])
    for text in (repr(settings), str(settings), f"{settings}"):
        assert SECRET not in text
        assert OTHER_SECRET not in text
        assert "cookie_prefix='jwtsession'" in text


@pytest.mark.parametrize("page", ["/auth", "/auth/signin", "/auth/signin?x=1", "/a/../auth/error"])
def test_a_page_below_our_own_urls_is_refused(page: str) -> None:
    with pytest.raises(ConfigError, match=r"JWTSESSION_PAGES: .* below"):
        make_app(PAGES={"sign_in": page})
