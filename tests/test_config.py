"""Configuration: every key, what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from math import inf, nan
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from flask import Flask

from flask_jwtsession import ConfigError, JWTSession
from flask_jwtsession.config import Settings, read_settings
from flask_jwtsession.config_keys import Keys
from flask_jwtsession.stores.memory import MemoryStore
from flask_jwtsession.tokens.claims import Lifetimes, Parties

from .forged_signatures import ASYMMETRIC, OURS, THEIRS, hs256
from .forged_tokens import header_of
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
    "is_signed": False,
    "signing_keys": (),
    "parties": Parties(None, None),
    "token_locations": frozenset({"cookie"}),
    "refresh": None,
}


def test_every_key_has_its_default() -> None:
    settings = read()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.lifetimes == Lifetimes(30 * DAY, None, rolls=True)


def test_with_a_pair_some_keys_have_other_defaults() -> None:
    settings = read(REFRESH_COOKIE=True)
    assert settings.lifetimes == Lifetimes(15 * 60, None, rolls=False)
    assert settings.update_age == inf
    assert settings.provider_tokens == "store"
    refresh = settings.refresh
    assert refresh is not None
    assert refresh.secrets == settings.secrets
    assert refresh.lifetimes == Lifetimes(30 * DAY, None, rolls=True)
    assert (refresh.samesite, refresh.path) == ("Lax", "/")


def test_the_refresh_cookie_takes_after_the_session_cookie() -> None:
    refresh = read(
        REFRESH_COOKIE=True,
        COOKIE_SAMESITE="Strict",
        COOKIE_PATH="/app",
        ABSOLUTE_MAX_AGE=7 * DAY,
        SECRET_FALLBACKS=[OTHER_SECRET],
    ).refresh
    assert refresh is not None
    assert (refresh.samesite, refresh.path) == ("Strict", "/app")
    assert refresh.lifetimes.absolute_max_age == 7 * DAY
    assert refresh.secrets == (SECRET.encode(), OTHER_SECRET.encode())


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, "cookie"),
        ({"STORE": None}, "cookie"),
        ({"TOKEN_FORMAT": "signed"}, "store"),
        ({"TOKEN_FORMAT": "signed", "STORE": None}, "none"),
        ({"TOKEN_FORMAT": "signed", "STORE": "None"}, "none"),
        ({"REFRESH_COOKIE": True}, "store"),
        ({"REFRESH_COOKIE": True, "TOKEN_FORMAT": "signed"}, "store"),
        ({"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": None}, "store"),
    ],
    ids=str,
)
def test_provider_tokens_are_kept_where_nobody_else_reads_them(
    config: dict[str, Any], kept: str
) -> None:
    assert read(**config).provider_tokens == kept


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
        ("TOKEN_FORMAT", "signed", "is_signed", True),
        ("TOKEN_FORMAT", "encrypted", "is_signed", False),
        ("ISSUER", "https://app.test", "parties", Parties("https://app.test", None)),
        ("ISSUER", "my app", "parties", Parties("my app", None)),
        ("AUDIENCE", "https://api.test", "parties", Parties(None, "https://api.test")),
        ("AUDIENCE", ["a", "b"], "parties", Parties(None, ("a", "b"))),
        ("AUDIENCE", ("a",), "parties", Parties(None, ("a",))),
        ("TOKEN_LOCATIONS", ["header"], "token_locations", {"header"}),
        ("TOKEN_LOCATIONS", ("cookie", "header"), "token_locations", {"cookie", "header"}),
        ("TOKEN_LOCATIONS", {"cookie"}, "token_locations", {"cookie"}),
        ("REFRESH_COOKIE", False, "refresh", None),
    ],
)
def test_a_good_value_is_taken(name: str, value: Any, attribute: str, read_as: Any) -> None:
    assert getattr(read(**{name: value}), attribute) == read_as


@pytest.mark.parametrize(
    ("name", "value", "attribute", "read_as"),
    [
        ("REFRESH_SAMESITE", "Strict", "samesite", "Strict"),
        ("REFRESH_PATH", "/auth", "path", "/auth"),
        ("REFRESH_MAX_AGE", timedelta(days=60), "lifetimes", Lifetimes(60 * DAY)),
        ("REFRESH_MAX_AGE", 901, "lifetimes", Lifetimes(901)),
        ("REFRESH_SECRET", OTHER_SECRET, "secrets", (OTHER_SECRET.encode(),)),
    ],
)
def test_a_good_value_of_the_refresh_cookie_is_taken(
    name: str, value: Any, attribute: str, read_as: Any
) -> None:
    settings = read(REFRESH_COOKIE=True, **{name: value})
    assert getattr(settings.refresh, attribute) == read_as
    # And nothing of the session cookie is another one for that.
    assert replace(settings, refresh=None) == replace(read(REFRESH_COOKIE=True), refresh=None)


@pytest.mark.parametrize("age", [1, 1.5, 3600, 400 * DAY, timedelta(hours=1)])
def test_the_lifetimes_are_seconds_or_a_timedelta(age: Any) -> None:
    settings = read(MAX_AGE=age, ABSOLUTE_MAX_AGE=age)
    seconds = age.total_seconds() if isinstance(age, timedelta) else age
    assert settings.lifetimes.max_age == seconds
    assert settings.lifetimes.absolute_max_age == seconds
    assert settings.update_age == seconds / 30


PEM = OURS["ES256"].pem
PUBLIC_PEM = OURS["ES256"].public_pem

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
    "TOKEN_FORMAT": ["", "None", "none", "Signed", "ENCRYPTED", "jwt", True, 1, ["signed"]],
    # What is no good as a key has a table of its own.
    "SIGNING_KEY": ["", "None", "key.pem", 7, True, [], (), {}, [None], [7], {PEM}, {"key": PEM}],
    "ALGORITHM": [
        *("", "None", "none", "hs256", "HS384", "RS384", "PS256", "ES384", "Ed25519", "eddsa"),
        *("dir", "A256CBC-HS512", True, 1, ["HS256"]),
    ],
    "ISSUER": ["", "None", "none", 7, True, ["https://a.test"], {"iss": "a"}, b"https://a.test"],
    "AUDIENCE": [
        *("", "None", "none", 7, True, [], (), [""], [None], ["a", 7], ["a", ""], [["a"]]),
        *({"a"}, {"a": 1}, b"a", [b"a"]),
    ],
    "TOKEN_LOCATIONS": [
        *(*NO_LISTS, "cookie", "None", [], (), ["query"], ["Cookie"], ["cookie", "body"]),
        *(["None"], [None], [["cookie"]], {"cookie": True}),
    ],
    "REFRESH_COOKIE": NO_BOOLEANS,
    "REFRESH_MAX_AGE": [*NO_NUMBERS, 0, 0.5, -1, 400 * DAY + 1, 10**400, timedelta(0)],
    "REFRESH_SAMESITE": ["", "lax", "STRICT", "none", "no", True, False, 7, ["Lax"]],
    "REFRESH_PATH": [
        *("", "app", "/a;b", "/a b", "/a\r\nX: y", "/\n", "/é", "/" + "a" * 100, "None", 7, ["/"]),
    ],
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


#: Keys whose wrong values have tables of their own, below.
SECRETS = ["SECRET", "SECRET_FALLBACKS", "REFRESH_SECRET", "REFRESH_SECRET_FALLBACKS"]


def test_every_key_is_in_the_table_of_wrong_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key that is read: one that is not, there is not."""
    named: list[str] = []

    class WatchedKeys(Keys):
        def read(self, name: str, *arguments: Any, **options: Any) -> Any:
            named.append(name)
            return super().read(name, *arguments, **options)

    monkeypatch.setattr("flask_jwtsession.config.Keys", WatchedKeys)
    read()
    assert set(named) - set(SECRETS) == WRONG.keys()
    assert set(SECRETS) <= set(named)


@pytest.mark.parametrize("name", [name for name in [*SECRETS[1:], *WRONG] if name != "STORE"])
@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="alone"),
        pytest.param({"TOKEN_FORMAT": "signed"}, id="signed"),
        pytest.param({"REFRESH_COOKIE": True}, id="a pair"),
    ],
)
def test_a_key_that_is_none_is_a_key_that_is_absent(name: str, config: dict[str, Any]) -> None:
    """It is what ``os.environ.get()`` makes of a variable that is not there."""
    expected = {key: value for key, value in config.items() if key != name}
    assert read(**{**config, name: None}) == read(**expected)


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


@pytest.mark.parametrize("secret", WEAK.values(), ids=[f"SEC-050 {name}" for name in WEAK])
@pytest.mark.parametrize("has_pair", [True, False])
def test_a_refresh_secret_is_no_weaker_one(secret: Any, has_pair: bool) -> None:
    """Also where it is not used yet: it would be found out when it is."""
    with pytest.raises(ConfigError) as caught:
        read(REFRESH_COOKIE=has_pair, REFRESH_SECRET=secret)
    assert caught.value.key == "JWTSESSION_REFRESH_SECRET"
    assert not any(part in str(caught.value) for part in parts_of(secret))
    assert caught.value.__cause__ is None


NO_FALLBACKS = pytest.mark.parametrize(
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


@NO_FALLBACKS
def test_fallbacks_are_a_list_of_secrets(fallbacks: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read(SECRET_FALLBACKS=fallbacks)
    assert caught.value.key == "JWTSESSION_SECRET_FALLBACKS"
    assert SECRET not in str(caught.value)
    assert OTHER_SECRET not in str(caught.value)


@NO_FALLBACKS
@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"REFRESH_SECRET": SECRET}, id="with a refresh secret"),
        pytest.param({}, id="without one"),
    ],
)
def test_those_of_the_refresh_secret_are_so_too(config: dict[str, Any], fallbacks: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read(REFRESH_COOKIE=True, REFRESH_SECRET_FALLBACKS=fallbacks, **config)
    assert caught.value.key == "JWTSESSION_REFRESH_SECRET_FALLBACKS"
    assert SECRET not in str(caught.value)
    assert OTHER_SECRET not in str(caught.value)


def test_sec_050_no_secret_at_all_is_an_error_that_says_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="flask jwtsession secret") as caught:
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


THIRD_SECRET = "a third secret, 0246813579 qrstuvwxyz"


@pytest.mark.parametrize(
    ("config", "environment", "secrets"),
    [
        pytest.param({}, {}, [SECRET], id="none of its own"),
        pytest.param({"REFRESH_SECRET": None}, {}, [SECRET], id="None is none of its own"),
        pytest.param(
            {"SECRET_FALLBACKS": [THIRD_SECRET]}, {}, [SECRET, THIRD_SECRET], id="with fallbacks"
        ),
        pytest.param(
            {"REFRESH_SECRET_FALLBACKS": [OTHER_SECRET], "SECRET_FALLBACKS": [THIRD_SECRET]},
            {},
            [SECRET, THIRD_SECRET, OTHER_SECRET],
            id="its own was given up",
        ),
        pytest.param(
            {},
            {"JWTSESSION_REFRESH_SECRET_FALLBACKS": json.dumps([OTHER_SECRET])},
            [SECRET, OTHER_SECRET],
            id="its own was given up, in the environment",
        ),
        pytest.param(
            {"REFRESH_SECRET": OTHER_SECRET, "SECRET_FALLBACKS": [THIRD_SECRET]},
            {},
            [OTHER_SECRET],
            id="its own, and no fallbacks of the other one",
        ),
        pytest.param(
            {"REFRESH_SECRET": OTHER_SECRET, "REFRESH_SECRET_FALLBACKS": [SECRET, THIRD_SECRET]},
            {},
            [OTHER_SECRET, SECRET, THIRD_SECRET],
            id="its own with fallbacks",
        ),
        pytest.param(
            {}, {"JWTSESSION_REFRESH_SECRET": OTHER_SECRET}, [OTHER_SECRET], id="the environment"
        ),
        pytest.param(
            {"REFRESH_SECRET": THIRD_SECRET},
            {"JWTSESSION_REFRESH_SECRET": OTHER_SECRET},
            [THIRD_SECRET],
            id="configuration first",
        ),
        pytest.param(
            {"REFRESH_SECRET": None},
            {
                "JWTSESSION_REFRESH_SECRET": OTHER_SECRET,
                "JWTSESSION_REFRESH_SECRET_FALLBACKS": json.dumps([THIRD_SECRET]),
            },
            [OTHER_SECRET, THIRD_SECRET],
            id="the environment with fallbacks",
        ),
        pytest.param(
            {"REFRESH_SECRET": OTHER_SECRET},
            {"JWTSESSION_REFRESH_SECRET_FALLBACKS": json.dumps([THIRD_SECRET])},
            [OTHER_SECRET, THIRD_SECRET],
            id="fallbacks from the environment",
        ),
        pytest.param(
            {"REFRESH_SECRET": OTHER_SECRET, "REFRESH_SECRET_FALLBACKS": []},
            {"JWTSESSION_REFRESH_SECRET_FALLBACKS": json.dumps([THIRD_SECRET])},
            [OTHER_SECRET],
            id="an empty list is one",
        ),
    ],
)
def test_where_the_secrets_of_the_refresh_cookie_come_from(
    config: dict[str, Any], environment: dict[str, str], secrets: list[str]
) -> None:
    refresh = read(environment, REFRESH_COOKIE=True, **config).refresh
    assert refresh is not None
    assert refresh.secrets == tuple(one.encode() for one in secrets)


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"JWTSESSION_REFRESH_SECRET": ""}, "JWTSESSION_REFRESH_SECRET"),
        ({"JWTSESSION_REFRESH_SECRET": "None"}, "JWTSESSION_REFRESH_SECRET"),
        (
            {
                "JWTSESSION_REFRESH_SECRET": OTHER_SECRET,
                "JWTSESSION_REFRESH_SECRET_FALLBACKS": THIRD_SECRET,
            },
            "JWTSESSION_REFRESH_SECRET_FALLBACKS",
        ),
        (
            {
                "JWTSESSION_REFRESH_SECRET": OTHER_SECRET,
                "JWTSESSION_REFRESH_SECRET_FALLBACKS": json.dumps(THIRD_SECRET),
            },
            "JWTSESSION_REFRESH_SECRET_FALLBACKS",
        ),
    ],
)
def test_a_weak_one_in_the_environment_is_found_out(environment: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(environment, REFRESH_COOKIE=True)
    assert caught.value.key == key
    assert THIRD_SECRET not in str(caught.value)


def test_no_other_key_comes_from_the_environment_by_itself() -> None:
    """Only secrets do: what an application is like is written in its configuration."""
    environment = {
        "JWTSESSION_TOKEN_FORMAT": "signed",
        "JWTSESSION_SIGNING_KEY": PEM,
        "JWTSESSION_ISSUER": "https://app.test",
        "JWTSESSION_REFRESH_COOKIE": "true",
    }
    assert read(environment) == read()


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWTSESSION_SECRET", OTHER_SECRET)
    app = Flask("tests.app")
    JWTSession(app)
    assert binding_of(app).settings.secrets == (OTHER_SECRET.encode(),)


# Signing keys.


def kids(settings: Settings) -> list[str]:
    return [key.kid for key in settings.signing_keys]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda text: text, id="a text"),
        pytest.param(lambda text: text.encode(), id="octets"),
        pytest.param(lambda text: [text], id="a list"),
        pytest.param(lambda text: (text.encode(),), id="a tuple"),
    ],
)
def test_a_signing_key_is_the_text_of_a_pem_file(
    algorithm: str, write: Callable[[str], Any]
) -> None:
    settings = read(TOKEN_FORMAT="signed", SIGNING_KEY=write(OURS[algorithm].pem))
    assert kids(settings) == [OURS[algorithm].kid]
    assert settings.signing_keys[0].algorithm == algorithm


def test_of_a_list_the_first_signs_and_the_others_may_be_public() -> None:
    pairs = [OURS["ES256"], THEIRS["ES256"], OURS["RS256"], OURS["EdDSA"]]
    texts = [pairs[0].pem, pairs[1].public_pem, pairs[2].pem, pairs[3].public_pem]
    settings = read(TOKEN_FORMAT="signed", SIGNING_KEY=texts)
    assert kids(settings) == [pair.kid for pair in pairs]
    assert [key.private is not None for key in settings.signing_keys] == [True, False, True, False]


def test_without_a_signing_key_there_is_none_but_the_one_of_the_secret() -> None:
    """Which belongs to a cookie, and so to no configuration."""
    assert read(TOKEN_FORMAT="signed").signing_keys == ()
    app, _ = make_app(TOKEN_FORMAT="signed")
    token = binding_of(app).http.tokens.encode(b"{}")
    assert header_of(token)["kid"] == hs256(SECRET, "jwtsession.session-token").kid


def locked(key: Any) -> str:
    """The key under a password."""
    protection = BestAvailableEncryption(b"hunter2 hunter2")
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return text.decode()


def plain(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


NO_SIGNING_KEYS: dict[str, tuple[Any, str]] = {
    "a file's name": ("/run/secrets/signing-key.pem", "not the file's name"),
    "a random secret": (OTHER_SECRET, "PEM"),
    "a password": (locked(OURS["ES256"].private), "password"),
    "escaped line ends": (PEM.replace("\n", "\\n"), "backslash"),
    "escaped line ends in a list": ([PEM, THEIRS["EdDSA"].pem.replace("\n", "\\n")], "backslash"),
    "cut off": (PEM[:100], "PEM"),
    "RSA of 1024 bits": (
        plain(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is to be refused
        "2048",
    ),
    "RSA of 1024 bits for older tokens": (
        [PEM, plain(rsa.generate_private_key(65537, 1024))],  # noqa: S505 - it is to be refused
        "2048",
    ),
    "P-384": (plain(ec.generate_private_key(ec.SECP384R1())), "P-256"),
    "Ed448": (plain(ed448.Ed448PrivateKey.generate()), "Ed25519"),
    "X25519": (plain(x25519.X25519PrivateKey.generate()), "Ed25519"),
    "a public key": (PUBLIC_PEM, "private"),
    "a public key first": ([PUBLIC_PEM, OURS["EdDSA"].pem], "private"),
    "only public keys": ([PUBLIC_PEM, OURS["EdDSA"].public_pem], "private"),
    "one key twice": ([PEM, OURS["EdDSA"].pem, PEM], "twice"),
    "one key and its public one": ([PEM, PUBLIC_PEM], "twice"),
    "an empty list": ([], "empty"),
    "None in a list": ([PEM, None], "NoneType"),
    "a list in a list": ([[PEM]], "list"),
    "a JWK": (dict(OURS["ES256"].jwk), "dict"),
    "a JWK in a list": ([dict(OURS["ES256"].jwk)], "dict"),
    "a JWK as a text": (json.dumps(dict(OURS["ES256"].jwk)), "PEM"),
}


def key_material(value: Any) -> list[str]:
    """What of a key may be in no message: each of its lines."""
    if isinstance(value, list):
        return [line for one in value for line in key_material(one)]
    lines = str(value).replace("\\n", "\n").splitlines()
    return [line for line in lines if len(line) > 16 and not line.startswith("-----")]


@pytest.mark.parametrize(("value", "said"), NO_SIGNING_KEYS.values(), ids=NO_SIGNING_KEYS)
def test_what_is_no_signing_key_is_an_error_at_start_that_does_not_show_it(
    value: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_app(TOKEN_FORMAT="signed", SIGNING_KEY=value)
    assert caught.value.key == "JWTSESSION_SIGNING_KEY"
    assert said in str(caught.value).removeprefix("JWTSESSION_SIGNING_KEY: ")
    assert not [line for line in key_material(value) if line in str(caught.value)]
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_an_algorithm_may_be_named_if_it_is_that_of_the_first_key(algorithm: str) -> None:
    others = [OURS[other].public_pem for other in ASYMMETRIC if other != algorithm]
    given = [OURS[algorithm].pem, *others]
    named = read(TOKEN_FORMAT="signed", SIGNING_KEY=given, ALGORITHM=algorithm)
    assert kids(named) == kids(read(TOKEN_FORMAT="signed", SIGNING_KEY=given))


def test_without_a_key_it_is_hs256() -> None:
    assert read(TOKEN_FORMAT="signed", ALGORITHM="HS256") == read(TOKEN_FORMAT="signed")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (given, named)
        for given in (None, *ASYMMETRIC)
        for named in ("HS256", *ASYMMETRIC)
        if named != (given or "HS256")
    ],
)
def test_an_algorithm_that_the_first_key_is_not_for_is_an_error_that_names_both(
    given: str | None, named: str
) -> None:
    others = [OURS[other].public_pem for other in ASYMMETRIC if other != given]
    keys = None if given is None else [OURS[given].pem, *others]
    with pytest.raises(ConfigError) as caught:
        read(TOKEN_FORMAT="signed", SIGNING_KEY=keys, ALGORITHM=named)
    assert caught.value.key == "JWTSESSION_ALGORITHM"
    assert "JWTSESSION_SIGNING_KEY" in str(caught.value)
    assert named in str(caught.value)
    assert given is None or given in str(caught.value)


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


def test_from_prefixed_env_is_understood_for_signed_tokens_and_pairs(
    from_environment: Any,
) -> None:
    settings = from_environment(
        TOKEN_FORMAT="signed",
        SIGNING_KEY=PEM,
        ALGORITHM="ES256",
        ISSUER="https://app.test",
        AUDIENCE='["https://app.test", "https://api.test"]',
        TOKEN_LOCATIONS='["cookie", "header"]',
        REFRESH_COOKIE="true",
        REFRESH_MAX_AGE="86400",
        REFRESH_SAMESITE="None",
        REFRESH_PATH="/auth",
        REFRESH_SECRET=OTHER_SECRET,
        REFRESH_SECRET_FALLBACKS=json.dumps([SECRET]),
        COOKIE_SECURE="true",
        STORE="memory",
    )
    assert kids(settings) == [OURS["ES256"].kid]
    assert settings.parties == Parties("https://app.test", ("https://app.test", "https://api.test"))
    assert settings.token_locations == {"cookie", "header"}
    refresh = settings.refresh
    assert refresh.lifetimes.max_age == DAY
    assert (refresh.samesite, refresh.path) == ("None", "/auth")
    assert refresh.secrets == (OTHER_SECRET.encode(), SECRET.encode())


def test_from_prefixed_env_can_have_a_list_of_signing_keys(from_environment: Any) -> None:
    """In JSON the line ends of a PEM text are a backslash and an n, and rightly so."""
    listed = json.dumps([PEM, OURS["RS256"].public_pem])
    settings = from_environment(TOKEN_FORMAT="signed", SIGNING_KEY=listed, STORE="memory")
    assert kids(settings) == [OURS["ES256"].kid, OURS["RS256"].kid]


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
        ("TOKEN_FORMAT", "None"),
        ("TOKEN_FORMAT", "true"),
        ("SIGNING_KEY", "None"),
        ("SIGNING_KEY", "12345678901234567890123456789012345"),
        ("SIGNING_KEY", "[]"),
        pytest.param("SIGNING_KEY", PEM.replace("\n", "\\n"), id="SIGNING_KEY, escaped"),
        ("SIGNING_KEY", "/run/secrets/signing-key.pem"),
        ("ALGORITHM", "None"),
        ("ALGORITHM", "none"),
        ("ALGORITHM", "256"),
        ("ISSUER", "None"),
        ("ISSUER", "42"),
        ("ISSUER", "true"),
        ("AUDIENCE", "None"),
        ("AUDIENCE", "42"),
        ("AUDIENCE", "[42]"),
        ("AUDIENCE", "[]"),
        ("TOKEN_LOCATIONS", "None"),
        ("TOKEN_LOCATIONS", "header"),
        ("TOKEN_LOCATIONS", "cookie,header"),
        ("REFRESH_COOKIE", "None"),
        ("REFRESH_COOKIE", "1"),
        ("REFRESH_COOKIE", "True"),
        ("REFRESH_SECRET", "None"),
        ("REFRESH_SECRET", "12345678901234567890123456789012345"),
        ("REFRESH_MAX_AGE", "None"),
        ("REFRESH_MAX_AGE", "30 days"),
        ("REFRESH_MAX_AGE", "Infinity"),
        ("REFRESH_SAMESITE", "strict"),
        ("REFRESH_PATH", "None"),
        ("REFRESH_PATH", "1"),
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


TOKENS_AND_PAIRS: dict[str, tuple[dict[str, Any], str, str]] = {
    # What is configured; the key that is wrong; and another one that the error names.
    "a signing key, but encrypted": ({"SIGNING_KEY": PEM}, "SIGNING_KEY", "TOKEN_FORMAT"),
    "a list of them, but encrypted": (
        {"SIGNING_KEY": [PEM, OURS["RS256"].public_pem], "TOKEN_FORMAT": "encrypted"},
        "SIGNING_KEY",
        "TOKEN_FORMAT",
    ),
    "an algorithm, but encrypted": ({"ALGORITHM": "HS256"}, "ALGORITHM", "TOKEN_FORMAT"),
    "provider tokens in a signed cookie": (
        {"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": "cookie"},
        "PROVIDER_TOKENS",
        "'store' or 'none'",
    ),
    "the same without a store": (
        {"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": "cookie", "STORE": None},
        "PROVIDER_TOKENS",
        "'store' or 'none'",
    ),
    "provider tokens in an access cookie": (
        {"REFRESH_COOKIE": True, "PROVIDER_TOKENS": "cookie"},
        "PROVIDER_TOKENS",
        "'store' or 'none'",
    ),
    "provider tokens of a signed session in a store that there is not": (
        {"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": "store", "STORE": None},
        "PROVIDER_TOKENS",
        "STORE",
    ),
    "signed, beside an Auth.js server": (
        {"TOKEN_FORMAT": "signed", "COOKIE_PREFIX": "authjs"},
        "TOKEN_FORMAT",
        "Auth.js",
    ),
    "a pair without a store": ({"REFRESH_COOKIE": True, "STORE": None}, "REFRESH_COOKIE", "STORE"),
    "a pair with the store None": (
        {"REFRESH_COOKIE": True, "STORE": "None"},
        "REFRESH_COOKIE",
        "STORE",
    ),
    "a refresh cookie as short as the access cookie": (
        {"REFRESH_COOKIE": True, "REFRESH_MAX_AGE": 900},
        "REFRESH_MAX_AGE",
        "MAX_AGE",
    ),
    "a refresh cookie that is shorter": (
        {"REFRESH_COOKIE": True, "REFRESH_MAX_AGE": timedelta(minutes=5)},
        "REFRESH_MAX_AGE",
        "MAX_AGE",
    ),
    "an access cookie as long as the refresh cookie": (
        {"REFRESH_COOKIE": True, "MAX_AGE": 30 * DAY},
        "REFRESH_MAX_AGE",
        "MAX_AGE",
    ),
    "an access cookie that rolls": (
        {"REFRESH_COOKIE": True, "UPDATE_AGE": 60},
        "UPDATE_AGE",
        "REFRESH_COOKIE",
    ),
    "an access cookie that rolls at every use": (
        {"REFRESH_COOKIE": True, "UPDATE_AGE": 0},
        "UPDATE_AGE",
        "REFRESH_COOKIE",
    ),
    "a pair and sessions of NextAuth v4": (
        {"REFRESH_COOKIE": True, "READ_NEXTAUTH_V4": True},
        "READ_NEXTAUTH_V4",
        "REFRESH_COOKIE",
    ),
    "a pair without cookies": (
        {"REFRESH_COOKIE": True, "TOKEN_LOCATIONS": ["header"]},
        "TOKEN_LOCATIONS",
        "REFRESH_COOKIE",
    ),
    "a pair whose refresh token could not fit": (
        {"REFRESH_COOKIE": True, "MAX_TOKEN_SIZE": 4095},
        "MAX_TOKEN_SIZE",
        "REFRESH_COOKIE",
    ),
    "a pair beside an Auth.js server": (
        {"REFRESH_COOKIE": True, "COOKIE_PREFIX": "authjs"},
        "REFRESH_COOKIE",
        "Auth.js",
    ),
    "a pair, and an ID token that has no other place": (
        {"REFRESH_COOKIE": True, "PROVIDER_TOKENS": "none", "FEDERATED_SIGN_OUT": True},
        "FEDERATED_SIGN_OUT",
        "PROVIDER_TOKENS",
    ),
    **{
        f"{name} of no pair": ({name: value}, name, "REFRESH_COOKIE")
        for name, value in {
            "REFRESH_SECRET": "a refresh secret, 0123456789 abcdefghij",
            "REFRESH_MAX_AGE": 30 * DAY,
            "REFRESH_SAMESITE": "Strict",
            "REFRESH_PATH": "/auth",
        }.items()
    },
    "SEC-054 REFRESH_SAMESITE=None": (
        {"REFRESH_COOKIE": True, "REFRESH_SAMESITE": "None"},
        "REFRESH_SAMESITE",
        "COOKIE_SECURE",
    ),
    "SEC-054 REFRESH_SAMESITE=None, not Secure": (
        {"REFRESH_COOKIE": True, "REFRESH_SAMESITE": "None", "COOKIE_SECURE": False},
        "REFRESH_SAMESITE",
        "COOKIE_SECURE",
    ),
}


@pytest.mark.parametrize(
    ("config", "key", "other"), TOKENS_AND_PAIRS.values(), ids=TOKENS_AND_PAIRS
)
def test_keys_of_tokens_and_pairs_that_do_not_go_together_are_an_error_that_names_both(
    config: dict[str, Any], key: str, other: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**config)
    assert caught.value.key == f"JWTSESSION_{key}"
    assert other in str(caught.value).removeprefix(f"JWTSESSION_{key}: ")
    assert not [
        line for line in key_material(config.get("SIGNING_KEY")) if line in str(caught.value)
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": "store"},
        {"TOKEN_FORMAT": "signed", "PROVIDER_TOKENS": "none", "STORE": None},
        {"TOKEN_FORMAT": "signed", "READ_NEXTAUTH_V4": True},
        {"TOKEN_FORMAT": "signed", "REFRESH_COOKIE": True},
        {"TOKEN_FORMAT": "signed", "UPDATE_AGE": 0, "ABSOLUTE_MAX_AGE": DAY},
        {"REFRESH_COOKIE": True, "MAX_AGE": 60, "REFRESH_MAX_AGE": 61},
        {"REFRESH_COOKIE": True, "REFRESH_SAMESITE": "None", "COOKIE_SECURE": True},
        {"REFRESH_COOKIE": True, "REFRESH_SECRET": SECRET},
        {"REFRESH_COOKIE": True, "ABSOLUTE_MAX_AGE": 600},
        {"ISSUER": "a", "AUDIENCE": "b"},
    ],
    ids=str,
)
def test_keys_of_tokens_and_pairs_that_go_together_are_taken(config: dict[str, Any]) -> None:
    read(**config)


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
    with pytest.raises(FrozenInstanceError):
        read(REFRESH_COOKIE=True).refresh.path = "/"  # type: ignore[misc, union-attr]
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
    settings = read(
        SECRET_FALLBACKS=[OTHER_SECRET],
        REFRESH_COOKIE=True,
        REFRESH_SECRET=THIRD_SECRET,
        TOKEN_FORMAT="signed",
        SIGNING_KEY=[PEM, OURS["RS256"].pem],
    )
    for text in (repr(settings), str(settings), f"{settings}"):
        for secret in (SECRET, OTHER_SECRET, THIRD_SECRET):
            assert secret not in text
            assert repr(secret.encode()) not in text
        assert not [line for line in key_material([PEM, OURS["RS256"].pem]) if line in text]
        assert "object at" not in text  # nothing of which nobody knows what it would show
        assert "cookie_prefix='jwtsession'" in text


@pytest.mark.parametrize("page", ["/auth", "/auth/signin", "/auth/signin?x=1", "/a/../auth/error"])
def test_a_page_below_our_own_urls_is_refused(page: str) -> None:
    with pytest.raises(ConfigError, match=r"JWTSESSION_PAGES: .* below"):
        make_app(PAGES={"sign_in": page})
