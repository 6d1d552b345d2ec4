"""``flask jwtsession check``: the list for production."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click import ClickException
from flask import Flask
from hypothesis import given
from hypothesis import strategies as some
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_jwtsession import JWTSession
from flask_jwtsession.cli.secret_strength import weakness
from flask_jwtsession.cli.store_checks import file_system_of
from flask_jwtsession.stores import Store
from flask_jwtsession.stores.memory import MemoryStore

from .faulty_store import FaultyStore
from .redis_server import RedisServer
from .support import NOW, Clock, command_line

RANDOM = "gT3vY9qLw0ZpXn7RkD5sHfJb2MuAe8Cc"
OTHER = "Qz8xLm2Vb7NtRk4WpYs0DhGf5JcUa9Ee"


class SharedStore(FaultyStore):
    """As if other processes had it too."""

    is_shared = True


def make_app(store: Store | str | None = None, /, **config: Any) -> Flask:
    """An application that is ready for production, but for what a test changes."""
    app = Flask(__name__, instance_path=str(config.pop("instance", "/nowhere")))
    ready = {
        "JWTSESSION_SECRET": RANDOM,
        "JWTSESSION_STORE": store or SharedStore(Clock(NOW)),
        "JWTSESSION_BASE_URL": "https://app.example.com",
        "TRUSTED_HOSTS": ["app.example.com"],
    }
    app.config.from_mapping({**ready, **config})
    JWTSession(app)
    return app


def check(app: Flask) -> tuple[dict[str, list[str]], int]:
    """The lines by level, each without it, and the exit code; the last line has to agree."""
    result = command_line(app).invoke(args=["jwtsession", "check"])
    assert result.stderr == ""
    *lines, last = result.stdout.splitlines()
    found: dict[str, list[str]] = {"ok": [], "warning": [], "PROBLEM": []}
    for line in lines:
        level, text = re.split(" +", line, maxsplit=1)
        found[level].append(text)
    problems, warnings = len(found["PROBLEM"]), len(found["warning"])
    assert re.fullmatch(rf"{problems} problems?, {warnings} warnings?", last)
    return found, result.exit_code


def assert_told(app: Flask, level: str, *texts: str) -> None:
    """One line of this level, and no other that is not ok, has these texts."""
    found, exit_code = check(app)
    (line,) = [*found["PROBLEM"], *found["warning"]]
    assert [line] == found[level]
    for text in texts:
        assert text in line
    assert exit_code == (1 if level == "PROBLEM" else 0)


def test_a_ready_application_has_no_problem() -> None:
    found, exit_code = check(make_app())
    assert (found["PROBLEM"], found["warning"], exit_code) == ([], [], 0)
    about = [line.partition(":")[0] for line in found["ok"]]
    assert about == [
        "Mode",
        "Secure cookies",
        "Secret",
        "Proxy",
        "Hosts",
        "Store",
        "Header sizes",
        "Requests of other sites",
    ]


def test_the_modes_of_development_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_told(make_app(TESTING=True), "PROBLEM", "Mode: TESTING is on")
    monkeypatch.setenv("FLASK_DEBUG", "1")  # by which Flask's command line goes
    assert_told(make_app(), "PROBLEM", "Mode: DEBUG is on")


# Secure cookies


def test_cookies_that_are_not_secure_are_a_problem() -> None:
    assert_told(make_app(JWTSESSION_COOKIE_SECURE=False), "PROBLEM", "COOKIE_SECURE is False")


def test_an_address_without_https_is_a_problem() -> None:
    app = make_app(JWTSESSION_BASE_URL="http://app.example.com")
    assert_told(app, "PROBLEM", "JWTSESSION_BASE_URL is not https")


def test_cookies_that_go_by_the_request_are_a_warning() -> None:
    app = make_app(JWTSESSION_BASE_URL=None)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert_told(app, "warning", "Secure cookies: Secure if a request came over https")


def test_cookies_that_are_secure_are_fine() -> None:
    app = make_app(JWTSESSION_BASE_URL=None, JWTSESSION_COOKIE_SECURE=True)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert check(app)[1] == 0
    assert "Secure cookies: JWTSESSION_COOKIE_SECURE is True" in check(app)[0]["ok"]


# Secrets


@pytest.mark.parametrize(
    "secret",
    [
        "change me, change me, change me please",
        "this-is-a-SECRET-1a9f83b2c4d5e6f70811",
        "my-super-passWord-1a9f83b2c4d5e6f7081",
        "correct horse battery staple is a classic",
        "0123456789abcdef0123456789abcdef",
        "xK9zxK9zxK9zqW3wqW3wqW3wabcdefgh",
        "9876543210ZXq8mNv2RkLtYwPj5sGdHb",
        "aaaaaaaaqT7mZx9Lw2Kv5Rb8Nc3Yd6Hf",
        "q7Wz2Kd9" * 4,
        "q7Wz2Kd9Lm" * 3 + "q7W",
        "abacabadabacabaeabacfbagabacabadh",
        b"abcdefgh" * 4,
    ],
)
def test_a_secret_that_somebody_made_up_is_a_problem(secret: str | bytes) -> None:
    app = make_app(JWTSESSION_SECRET=secret)
    result = command_line(app).invoke(args=["jwtsession", "check"])
    assert result.exit_code == 1
    assert re.search(r"^PROBLEM  Secret: JWTSESSION_SECRET (has|is) ", result.stdout, re.MULTILINE)
    text = secret if isinstance(secret, str) else secret.decode()
    assert text not in result.stdout
    assert text[:12] not in result.stdout


def test_a_random_secret_is_fine() -> None:
    chance = Random(7)  # noqa: S311 - the same in each run: one in some million is not fine
    for _ in range(2000):
        octets = chance.randbytes(32)
        for secret in (
            octets,
            octets.hex().encode(),
            octets[:16].hex().encode(),
            b64encode(octets),
        ):
            assert weakness(secret) is None


@given(some.binary(min_size=32, max_size=100))
def test_a_weakness_shows_nothing_of_the_secret(secret: bytes) -> None:
    text = weakness(secret)
    assert text is None or secret.decode("latin-1") not in text


def test_older_and_refresh_secrets_are_looked_at_too() -> None:
    made_up = "this-is-a-secret-1a9f83b2c4d5e6f70811"
    found, _ = check(make_app(JWTSESSION_SECRET_FALLBACKS=[OTHER, made_up]))
    assert len(found["PROBLEM"]) == 1
    assert "Secret: an older secret has a word" in found["PROBLEM"][0]
    assert "2 older secrets accepted" in found["warning"][0]
    app = make_app(JWTSESSION_REFRESH_COOKIE=True, JWTSESSION_REFRESH_SECRET=made_up)
    assert_told(app, "PROBLEM", "JWTSESSION_REFRESH_SECRET has a word")


def test_older_secrets_are_a_warning() -> None:
    app = make_app(JWTSESSION_SECRET_FALLBACKS=[OTHER])
    assert_told(app, "warning", "1 older secret accepted")


def test_the_secret_of_flask_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWTSESSION_SECRET", raising=False)
    app = make_app(SECRET_KEY=RANDOM, JWTSESSION_SECRET=None)
    assert_told(app, "warning", "Secret: it is Flask's SECRET_KEY")


def test_a_secret_of_the_environment_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWTSESSION_SECRET", RANDOM)
    assert check(make_app(JWTSESSION_SECRET=None))[0]["warning"] == []


# Proxy and hosts


def test_without_a_proxy_fix_and_an_address_there_is_a_warning() -> None:
    app = make_app(JWTSESSION_BASE_URL=None, JWTSESSION_COOKIE_SECURE=True)
    assert_told(app, "warning", "Proxy: no ProxyFix", "JWTSESSION_BASE_URL")


def test_a_proxy_fix_is_found_below_other_middleware() -> None:
    app = make_app()
    fixed = ProxyFix(app.wsgi_app, x_for=2, x_proto=1, x_host=1)
    app.wsgi_app = DispatcherMiddleware(fixed)  # type: ignore[method-assign]
    found, _ = check(app)
    assert any("ProxyFix with x_for=2, x_proto=1, x_host=1" in line for line in found["ok"])


def test_a_proxy_fix_that_does_not_tell_of_https_is_a_warning() -> None:
    app = make_app(JWTSESSION_BASE_URL=None, JWTSESSION_COOKIE_SECURE=True)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=0)  # type: ignore[method-assign]
    assert_told(app, "warning", "ProxyFix without x_proto")


def test_a_middleware_that_wraps_itself_ends_the_search() -> None:
    class Loop:
        def __init__(self, application: Any) -> None:
            self.application, self.app = application, self

        def __call__(self, environ: Any, start_response: Any) -> Any:
            return self.application(environ, start_response)

    app = make_app()
    app.wsgi_app = Loop(app.wsgi_app)  # type: ignore[method-assign]
    assert check(app)[1] == 0


def test_any_host_is_a_problem() -> None:
    app = make_app(JWTSESSION_BASE_URL=None, JWTSESSION_COOKIE_SECURE=True, TRUSTED_HOSTS=None)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert_told(app, "PROBLEM", "Hosts: any Host header is believed", "TRUSTED_HOSTS")


def test_an_address_without_trusted_hosts_is_a_warning() -> None:
    assert_told(make_app(TRUSTED_HOSTS=None), "warning", "set TRUSTED_HOSTS too")


# Store


def test_memory_is_a_problem_and_none_a_warning() -> None:
    app = make_app("memory")
    assert_told(app, "PROBLEM", "Store: JWTSESSION_STORE is the memory of one process")
    assert_told(make_app(JWTSESSION_STORE=None), "warning", "Store: JWTSESSION_STORE is None")


def test_a_store_of_the_application_for_one_process_is_a_problem() -> None:
    assert_told(make_app(MemoryStore(Clock(NOW))), "PROBLEM", "memory of one process")


def test_a_file_on_this_machine_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_jwtsession.cli.store_checks.file_system_of", lambda path: "ext4")
    found, _ = check(make_app("sqlite", instance=tmp_path))
    about_store = [line for line in found["ok"] if line.startswith("Store: ")]
    assert re.match(rf"Store: SQLite, .*\({re.escape(str(tmp_path))}/jwtsession", about_store[0])
    assert re.fullmatch(r"Store: written, read and deleted in \d+\.\d ms", about_store[1])


def test_a_file_on_another_machine_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_jwtsession.cli.store_checks.file_system_of", lambda path: "nfs4")
    app = make_app("sqlite", instance=tmp_path)
    assert_told(app, "PROBLEM", "on a file system of another machine (nfs4)")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/app/instance/x.sqlite3", "nfs4"),
        ("/srv/apple/x.sqlite3", "ext4"),
        ("/data with space/x", "cifs"),
        ("/twice/x", "xfs"),
        ("/x", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_mount(
    tmp_path: Path, path: str, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        "nas:/app /srv/app nfs4 rw 0 0\n"
        "//nas/data /data\\040with\\040space cifs rw 0 0\n"
        "nas:/t /twice nfs rw 0 0\n"
        "/dev/sdb1 /twice xfs rw 0 0\n"
        "broken\n"
    )
    assert file_system_of(Path(path), mounts) == kind
    assert file_system_of(Path(path), tmp_path / "none") is None


def test_a_store_that_is_away_is_a_problem() -> None:
    for operation in ("put", "get_many", "delete"):
        store = SharedStore(Clock(NOW))
        store.refused = {operation}
        assert_told(make_app(store), "PROBLEM", "Store: it cannot be used")


def test_a_store_that_forgets_is_a_problem() -> None:
    class Lagging(SharedStore):
        def get_many(self, keys: Any) -> list[bytes | None]:
            return [None for _ in keys]

    assert_told(make_app(Lagging(Clock(NOW))), "PROBLEM", "is not there a moment later")


def test_nothing_is_left_in_the_store() -> None:
    store = SharedStore(Clock(NOW))
    check(make_app(store))
    assert store.raw() == {}


def test_serving_without_the_store_is_a_warning() -> None:
    app = make_app(JWTSESSION_STORE_FAILURE="open")
    assert_told(app, "warning", "STORE_FAILURE is 'open'")


def test_a_redis_is_asked() -> None:
    with RedisServer() as server:
        app = make_app(server.url())
        found, exit_code = check(app)
        assert exit_code == 0
        assert any("Redis on this machine" in line for line in found["ok"])
        assert any("written, read and deleted" in line for line in found["ok"])
        with server.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert_told(app, "PROBLEM", "maxmemory-policy is allkeys-lru", "noeviction")


def test_a_redis_that_is_away_is_a_problem_and_its_password_is_not_shown() -> None:
    app = make_app("redis://:hunter2hunter2@127.0.0.1:1/0")
    result = command_line(app).invoke(args=["jwtsession", "check"])
    assert result.exit_code == 1
    assert "PROBLEM  Store: it cannot be used" in result.stdout
    assert "hunter2" not in result.output


def test_a_redis_on_another_machine_wants_tls_and_a_password() -> None:
    for url, texts in {
        "redis://192.0.2.1:1/0?socket_connect_timeout=0.01": ["without TLS", "without a password"],
        "redis://:pw@192.0.2.1:1/0?socket_connect_timeout=0.01": ["without TLS"],
        "rediss://192.0.2.1:1/0?socket_connect_timeout=0.01": ["without a password"],
        "rediss://:pw@192.0.2.1:1/0?socket_connect_timeout=0.01": [],
        "redis://192.0.2.1:1/0?password=pw&socket_connect_timeout=0.01": ["without TLS"],
    }.items():
        found, _ = check(make_app(url))
        assert len(found["warning"]) == len(texts)
        for line, text in zip(found["warning"], texts, strict=True):
            assert text in line


# Header sizes, and requests of other sites


def test_a_header_that_servers_refuse_is_a_problem() -> None:
    assert check(make_app(JWTSESSION_MAX_TOKEN_SIZE=7900))[1] == 0
    app = make_app(JWTSESSION_MAX_TOKEN_SIZE=8100)
    assert_told(app, "PROBLEM", "Header sizes", "limit_request_field_size", "8190")


def test_the_header_of_a_pair_is_counted_as_a_whole() -> None:
    def size(**config: Any) -> int:
        (line,) = [one for one in check(make_app(**config))[0]["ok"] if "Header sizes" in one]
        return int(re.findall(r"has (\d+) bytes", line)[0])

    of_pair = size(JWTSESSION_REFRESH_COOKIE=True)
    assert 0 < of_pair - size() < 100


def test_protection_that_is_off_is_a_warning() -> None:
    app = make_app(JWTSESSION_CSRF_PROTECT=False)
    assert_told(app, "warning", "CSRF_PROTECT is False")


def test_a_trusted_origin_without_https_is_a_warning() -> None:
    app = make_app(JWTSESSION_TRUSTED_ORIGINS=["https://a.example", "http://b.example"])
    assert_told(app, "warning", "TRUSTED_ORIGINS has http://b.example")


def test_another_instance_is_checked_by_its_own_name() -> None:
    app = make_app()
    app.config.update(STAFFSESSION_SECRET=OTHER, STAFFSESSION_URL_PREFIX="/staff/auth")
    app.config.update(STAFFSESSION_STORE="memory", STAFFSESSION_COOKIE_SECURE=True)
    JWTSession(app, config_prefix="STAFFSESSION")
    result = command_line(app).invoke(args=["staffsession", "check"])
    assert result.exit_code == 1
    assert "STAFFSESSION_STORE is the memory" in result.stdout
    assert "JWTSESSION_STORE is" not in result.stdout.replace("STAFFSESSION", "")


# What an application may have of its own


@pytest.mark.parametrize("hosts", [["a.test"], "a.test", ("a.test",), iter(["a.test"])])
def test_trusted_hosts_of_any_form_are_fine(hosts: Any) -> None:
    assert check(make_app(TRUSTED_HOSTS=hosts))[1] == 0


def test_a_store_that_breaks_its_promise_is_a_problem() -> None:
    class Broken(SharedStore):
        path = "a text"

        def put(self, key: str, value: bytes, lifetime: float) -> None:
            raise OSError("the disk is full of secrets")

    app = make_app(Broken(Clock(NOW)))
    assert_told(app, "PROBLEM", "it raised OSError", "StoreUnavailable")
    assert "full of secrets" not in str(check(app))


def test_a_middleware_that_breaks_is_no_reason_to_fail() -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __call__(self, environ: Any, start_response: Any) -> Any:
            raise AssertionError

    app = make_app()
    app.wsgi_app = Broken()  # type: ignore[method-assign]
    assert check(app)[1] == 0


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://127.0.0.2:1",
        "redis://[::1]:1",
        "redis://localhost:1",
        "redis+sentinel://localhost:1,127.0.0.1:2/main",
        "unix:///nowhere/redis.sock",
    ],
)
def test_a_redis_on_this_machine_wants_neither(url: str) -> None:
    found, _ = check(make_app(url))
    assert any("Redis on this machine" in line for line in found["ok"])
    assert found["warning"] == []


def test_sentinels_of_which_one_is_elsewhere_want_tls() -> None:
    found, _ = check(make_app("redis+sentinel://localhost:1,192.0.2.1:2/main"))
    assert "without TLS" in found["warning"][0]


def test_the_cookies_of_all_instances_are_in_one_header() -> None:
    app = make_app()
    app.config.update(STAFFSESSION_SECRET=OTHER, STAFFSESSION_URL_PREFIX="/staff/auth")
    app.config.update(STAFFSESSION_STORE="memory")
    JWTSession(app, config_prefix="STAFFSESSION")
    assert_told(app, "PROBLEM", "Header sizes", "JWTSESSION, STAFFSESSION")


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_a_file_that_goes_with_its_container_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("flask_jwtsession.cli.store_checks.file_system_of", lambda path: kind)
    app = make_app("sqlite", instance=tmp_path)
    assert_told(app, "warning", f"is gone with this machine or container ({kind})")


def test_root_makes_no_file_that_would_be_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Store) -> None:
        raise ClickException("root would make it its own")

    monkeypatch.setattr("flask_jwtsession.cli.store_checks.refuse_as_root", refuse)
    monkeypatch.setattr("flask_jwtsession.cli.store_checks.file_system_of", lambda path: "ext4")
    app = make_app("sqlite", instance=tmp_path)
    assert_told(app, "warning", "not tried: root would make it its own")
    assert list(tmp_path.iterdir()) == []
