from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Self

import pytest

from flask_jwtsession.exceptions import StoreUnavailable
from flask_jwtsession.stores.base import Store
from flask_jwtsession.stores.contract import StoreContract, _in_forked_process, _in_threads
from flask_jwtsession.stores.redis import RedisStore

from .redis_server import SERVICE, RedisSentinel, RedisServer, wait_until

#: What no text of an error may show.
KEY, VALUE = "a-key-that-is-secret", b"a value that is secret"
PREFIX = "jwtsession:"
#: Seconds: what "at once" may take on a machine that has other things to do, in which time a server
#: that answers nothing is given up, and for how long it is left in peace then.
AT_ONCE, GIVEN_UP, REST = 0.5, 2.5, 1.0


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """An empty server that no test stops, freezes or configures."""
    shared_server.client().flushall()
    return shared_server


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def open_store() -> Iterator[Callable[[str], RedisStore]]:
    """Stores that are closed after the test."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(closing(RedisStore(url)))


OpenStore = Callable[[str], RedisStore]


@pytest.fixture
def store(server: RedisServer, open_store: OpenStore) -> RedisStore:
    return open_store(server.url())


class TestRedisStore(StoreContract):
    @pytest.fixture
    def store(self, server: RedisServer, open_store: OpenStore) -> Store:
        return open_store(server.url())

    @pytest.fixture
    def same(self, server: RedisServer, open_store: OpenStore) -> Store:
        return open_store(server.url())


@contextmanager
def unavailable(*, within: float | None = None) -> Iterator[None]:
    """It says so, in time, and says neither key nor value."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        yield
    took = time.monotonic() - began
    assert within is None or took < within
    text = str(caught.value)
    assert KEY not in text
    assert VALUE.decode() not in text
    assert len(text) < 200


def reads_and_writes(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "get_many": lambda: store.get_many([KEY, "b"]),
        "put": lambda: store.put(KEY, VALUE, 60),
        "put_if_absent": lambda: store.put_if_absent(KEY, VALUE, 60),
        "compare_and_set": lambda: store.compare_and_set(KEY, VALUE, b"2", 60),
        "delete": lambda: store.delete(KEY),
        "delete expected": lambda: store.delete(KEY, VALUE),
    }


OPERATIONS = list(reads_and_writes(RedisStore("redis://")))


def assert_works(store: Store) -> None:
    store.put(KEY, VALUE, 60)
    assert store.get_many([KEY]) == [VALUE]
    assert store.compare_and_set(KEY, VALUE, b"2", 60) is True
    assert store.delete(KEY, b"2") is True


# What is in the server.


def test_a_key_has_a_prefix_and_the_value_as_it_was_given(
    store: RedisStore, server: RedisServer
) -> None:
    store.put("put", bytes(range(256)), 60)
    store.put_if_absent("absent", b"1", 60)
    store.compare_and_set("absent", b"1", b"2", 60)
    store.take_lease("lease", b"owner", 60)
    client = server.client()
    assert set(client.keys()) == {b"jwtsession:put", b"jwtsession:absent", b"jwtsession:lease"}
    assert client.get("jwtsession:put") == bytes(range(256))
    assert client.get("jwtsession:absent") == b"2"
    assert client.get("jwtsession:lease") == b"owner"


@pytest.mark.parametrize("lifetime", [0.9, 1, 12, 86_400.5, 400 * 86_400])
def test_a_key_has_the_lifetime_that_was_asked_for(
    store: RedisStore, server: RedisServer, lifetime: float
) -> None:
    store.put("put", b"1", lifetime)
    store.put_if_absent("absent", b"1", lifetime)
    store.put("set", b"1", 500)
    store.compare_and_set("set", b"1", b"2", lifetime)
    store.take_lease("lease", b"1", lifetime)
    for key in ("put", "absent", "set", "lease"):
        left = server.client().pttl(PREFIX + key) / 1000
        assert lifetime - 0.8 < left <= lifetime


@pytest.mark.parametrize("lifetime", [0.001, 0.0001, 1e-9])
def test_a_lifetime_of_less_than_a_millisecond_is_one(store: RedisStore, lifetime: float) -> None:
    store.put("a", b"1", lifetime)
    store.put_if_absent("b", b"1", lifetime)
    time.sleep(0.01)
    assert store.get_many(["a", "b"]) == [None, None]


def test_a_write_that_is_not_done_leaves_no_key_without_a_lifetime(
    store: RedisStore, server: RedisServer
) -> None:
    store.put("a", b"1", 60)
    store.put_if_absent("a", b"2", 600)
    store.compare_and_set("a", b"wrong", b"2", 600)
    store.compare_and_set("absent", b"wrong", b"2", 600)
    client = server.client()
    assert client.keys() == [b"jwtsession:a"]
    assert 59_000 < client.pttl("jwtsession:a") <= 60_000


def test_keys_of_others_in_the_same_database_are_left_alone(
    store: RedisStore, server: RedisServer
) -> None:
    server.client().set("a", b"not ours")
    assert store.get_many(["a"]) == [None]
    assert store.delete("a") is False
    store.put("a", b"ours", 60)
    assert server.client().get("a") == b"not ours"


# Round trips.


def test_many_keys_are_read_with_one_command(store: RedisStore, server: RedisServer) -> None:
    store.put("a", b"1", 60)
    server.forget_calls()
    store.get_many([f"key-{number}" for number in range(10)])
    calls = server.calls()
    assert {name: calls[name] for name in calls if not name.startswith(_OF_THE_TESTS)} == {
        "mget": 1
    }


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("put", {"set": 1}),
        ("put_if_absent", {"set": 1}),
        ("compare_and_set", {"evalsha": 1, "get": 1, "set": 1}),
        ("delete", {"del": 1}),
        ("delete expected", {"evalsha": 1, "get": 1, "del": 1}),
    ],
)
def test_a_write_is_one_command_or_one_script(
    store: RedisStore, server: RedisServer, operation: str, expected: dict[str, int]
) -> None:
    use = reads_and_writes(store)[operation]
    for _ in range(2):  # the first time, the script is loaded
        server.client().set(PREFIX + KEY, VALUE, px=60_000)
        server.forget_calls()
        use()
    calls = server.calls()
    # What a script calls is counted as well.
    assert {name: calls[name] for name in calls if not name.startswith(_OF_THE_TESTS)} == expected


#: Commands by which the tests look at the server.
_OF_THE_TESTS = ("info", "config", "hello", "client", "ping", "auth", "select")


def test_scripts_that_the_server_has_forgotten_are_loaded_again(
    store: RedisStore, server: RedisServer
) -> None:
    for _ in range(2):
        assert_works(store)
        server.client().script_flush()


# Ways to a server.


@pytest.mark.parametrize("password", [None, "a word", "p@ss/w:o#r?d%41é"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_url_leads_to_a_database(open_store: OpenStore, tls: bool, password: str | None) -> None:
    with RedisServer(tls=tls, password=password) as server:
        for database in (None, 0, 3):
            store = open_store(server.url(database))
            assert_works(store)
            store.put("a", b"1", 60)
            assert server.client(db=database or 0).keys() == [b"jwtsession:a"]
            server.client().flushall()


def test_a_unix_socket_leads_to_a_database(open_store: OpenStore) -> None:
    with RedisServer(password="p@ss/word") as server:
        for database in (0, 3):
            store = open_store(f"{server.unix_url}?db={database}")
            assert_works(store)
            store.put("a", b"1", 60)
            assert server.client(db=database).keys() == [b"jwtsession:a"]
            server.client().flushall()


def test_a_user_who_may_use_nothing_but_its_keys_is_enough(open_store: OpenStore) -> None:
    with RedisServer() as server:
        server.client().execute_command(
            "ACL", "SETUSER", "app", "on", ">secret", "~jwtsession:*", "+@all", "-@dangerous"
        )
        assert_works(open_store(server.url().replace("//", "//app:secret@")))


def test_a_server_whose_certificate_nobody_vouches_for_is_not_used(open_store: OpenStore) -> None:
    with RedisServer(tls=True) as server, RedisServer(tls=True) as other:
        without, _, _ = server.url().partition("?")
        for url in (without, f"{without}?ssl_ca_certs={other.certificate}"):
            with unavailable(within=GIVEN_UP):
                open_store(url).put(KEY, VALUE, 60)
        # It is for 127.0.0.1, not for this name.
        with unavailable(within=GIVEN_UP):
            open_store(server.url().replace("127.0.0.1", "localhost")).put(KEY, VALUE, 60)
        assert server.client().keys() == []


def test_tls_is_not_spoken_with_a_server_without_it(
    server: RedisServer, open_store: OpenStore
) -> None:
    with unavailable(within=GIVEN_UP):
        open_store(server.url().replace("redis://", "rediss://")).put(KEY, VALUE, 60)


@pytest.mark.parametrize("sent", [None, "wr0ng", "wr0ng/é"])
def test_a_wrong_password_makes_it_unavailable_and_is_not_shown(
    open_store: OpenStore, sent: str | None
) -> None:
    with RedisServer(password="right") as server:
        host = f"127.0.0.1:{server.port}"
        url = f"redis://:{sent.replace('/', '%2F')}@{host}" if sent else f"redis://{host}"
        for use in reads_and_writes(open_store(url)).values():
            with pytest.raises(StoreUnavailable) as caught:
                use()
            assert "wr0ng" not in str(caught.value)


def test_an_option_of_the_url_counts(open_store: OpenStore, own_server: RedisServer) -> None:
    store = open_store(f"{own_server.url()}?socket_timeout=0.1&client_name=the-store")
    assert_works(store)
    assert "the-store" in [client["name"] for client in own_server.client().client_list()]
    with own_server.frozen(), unavailable(within=0.1 + AT_ONCE):
        store.get_many([KEY])


def test_one_connection_may_be_all_that_is_allowed(
    server: RedisServer, open_store: OpenStore
) -> None:
    assert_works(open_store(f"{server.url()}?max_connections=1"))


# URLs that are none.


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "sqlite",
        "localhost",
        "localhost:6379",
        "//localhost",
        "http://localhost",
        "REDIS",
        "redis:/localhost",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://localhost/name",
        "redis://localhost/1/2",
        "redis://localhost/-1",
        "redis://localhost/1.5",
        "redis://[::1",
        "unix://",
        "redis+sentinel://localhost",
        "redis+sentinel://localhost/",
        "redis+sentinel:///service",
        "redis+sentinel://localhost:port/service",
        "redis+sentinel://localhost:99999/service",
        "redis+sentinel://localhost,/service",
        "redis+sentinel://localhost/service/name",
        "redis+sentinel://localhost/service/0/0",
        "sentinel://localhost/service",
        "redis+cluster://localhost",
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        RedisStore(url)


@pytest.mark.parametrize(
    "option",
    [
        "foo=1",
        "foo",
        "db=x",
        "protocol=9",
        "protocol=x",
        "socket_timeout=soon",
        "socket_timeout=-1",
        "socket_timeout=nan",
        "socket_connect_timeout=-1",
        "max_connections=-1",
        "max_connections=x",
        "decode_responses=1",
        "encoding=nothing",
        "retry=1",
        "retry_on_error=1",
        "connection_class=x",
        "parser_class=x",
        "credential_provider=x",
        "command_packer=x",
        "event_dispatcher=x",
        "driver_info=x",
        "cache_config=x",
        "maint_notifications_config=x",
        "redis_connect_func=x",
        "ssl_cert_reqs=maybe",
        "ssl_min_version=x",
    ],
)
@pytest.mark.parametrize("begin", ["rediss://localhost", "rediss+sentinel://localhost/service"])
def test_an_option_that_is_none_is_refused(begin: str, option: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        RedisStore(f"{begin}?{option}")


_PASSWORDS = ["Pa55wOrd", "Pa55#wOrd", "Pa55?wOrd", "Pa55/wOrd", "Pa55[wOrd", "Pa55]wOrd"]
_PASSWORDS += [
    "Pa55@wOrd",
    "Pa55:wOrd",
    "Pa55%wOrd",
    "Pa55?wOrd=1",
    "Pa55&wOrd",
    "Pa55\N{CARE OF}wOrd",
]
_PASSWORDS += ["Pa55 wOrd", "Pa55\nwOrd", "Pa55/0?wOrd=1&db=2"]


@pytest.mark.parametrize("password", _PASSWORDS)
@pytest.mark.parametrize(
    "url",
    [
        "redis://:{}@localhost:6379/0",
        "redis://user:{}@localhost:port/0",
        "rediss://user:{}@localhost/name",
        "unix://:{}@/redis.sock?foo=1",
        "http://user:{}@localhost",
        "redis+sentinel://user:{}@localhost:26379/service/0",
        "redis+sentinel://:{}@localhost:port/service",
        "redis+sentinel://:{}@localhost",
        "redis+sentinel://localhost/service?sentinel_password={}&foo=1",
        "redis://localhost?password={}&foo=1",
        "redis://localhost?username=user&password={}&db=x",
    ],
)
def test_a_url_that_is_refused_shows_no_password(url: str, password: str) -> None:
    """Also if it is one whose password would have to be written otherwise."""
    try:
        RedisStore(url.format(password)).close()
    except ValueError as error:
        shown = "".join(traceback.format_exception(error))
        assert "Pa55" not in shown
        assert "wOrd" not in shown


# A server that is away.


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_is_stopped_is_told_at_once_and_used_again_when_it_is_back(
    own_server: RedisServer, open_store: OpenStore, operation: str
) -> None:
    store = open_store(own_server.url())
    assert_works(store)
    own_server.stop()
    for _ in range(3):
        with unavailable(within=AT_ONCE):
            reads_and_writes(store)[operation]()
    own_server.start()
    reads_and_writes(store)[operation]()
    assert_works(store)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_connections_from_before_a_restart_harm_nobody(
    own_server: RedisServer, open_store: OpenStore, operation: str
) -> None:
    store = open_store(f"{own_server.url()}?client_name=store")
    at_work = threading.Barrier(6)

    def connect(_: int) -> None:
        for _ in range(20):
            at_work.wait(30)
            assert store.get_many(["a"]) == [None]

    _in_threads(connect, 6)
    assert len(connections(own_server)) > 1
    own_server.stop()
    own_server.start()
    _in_threads(lambda _: reads_and_writes(store)[operation](), 6)


def connections(server: RedisServer) -> list[dict[str, Any]]:
    """Those of the store, which calls itself so."""
    clients: list[dict[str, Any]] = server.client().client_list()
    return [client for client in clients if client["name"] == "store"]


def test_a_connection_that_the_server_closes_is_opened_again(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    store = open_store(f"{own_server.url()}?client_name=store")
    for use in reads_and_writes(store).values():
        use()
        (connection,) = connections(own_server)
        own_server.client().client_kill_filter(_id=connection["id"])
        use()


@pytest.mark.parametrize("operation", ["get_many", "put", "compare_and_set"])
def test_a_server_that_does_not_answer_is_given_up_and_left_in_peace_for_a_second(
    own_server: RedisServer, open_store: OpenStore, operation: str
) -> None:
    store = open_store(own_server.url())
    assert_works(store)
    with own_server.frozen():
        with unavailable(within=GIVEN_UP):
            reads_and_writes(store)[operation]()
        for use in reads_and_writes(store).values():
            with unavailable(within=AT_ONCE):
                use()
        time.sleep(REST)
        with unavailable(within=GIVEN_UP):
            reads_and_writes(store)[operation]()
    time.sleep(REST)
    assert_works(store)


def test_many_threads_that_wait_for_a_frozen_server_are_all_given_up(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    store = open_store(own_server.url())
    store.put("a", b"1", 60)

    def use(_: int) -> None:
        with unavailable(within=GIVEN_UP + 1):
            store.get_many([KEY])

    with own_server.frozen():
        _in_threads(use, 20)


def test_a_late_answer_is_not_taken_for_that_to_another_question(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    store = open_store(f"{own_server.url()}?socket_timeout=0.1")
    for key in "abc":
        store.put(key, key.encode(), 60)
    for _ in range(2):
        with own_server.frozen(), unavailable():
            store.get_many(["a"])
        time.sleep(REST)
        assert store.get_many(["b"]) == [b"b"]
        assert store.get_many(["c", "b"]) == [b"c", b"b"]


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """Something that is no Redis, at a port: it says the same to all; None: it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        if answer is not None:
                            connection.recv(1000)
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"-ERR unknown command 'MGET', with args beginning with: '" + KEY.encode() + b"'\r\n",
        b"-NOPERM No permissions to access the '" + KEY.encode() + b"' key\r\n" * 5,
        b"+OK\r\n" * 20,
        b":1\r\n" * 20,
        b"$5\r\nabcde\r\n" * 20,
        b"$-1\r\n" * 20,
        b"_\r\n" * 20,
        b"*1\r\n$1\r\na\r\n" * 20,
        b"*-1\r\n" * 20,
        b"%1\r\n+a\r\n+b\r\n" * 20,
        b"$99999999999999999999\r\n",
        b"$-5\r\n",
        b"$x\r\n",
        b"*x\r\n",
        b"*2\r\n" * 100_000,
        b"\xff" * 100,
        b"\r\n" * 100,
        b"!21\r\nSYNTAX invalid syntax\r\n" * 5,
    ],
    ids=lambda answer: ascii(answer)[:30],
)
def test_what_is_no_redis_raises_nothing_but_unavailable(
    open_store: OpenStore, answer: bytes | None
) -> None:
    with listening(answer) as port:
        store = open_store(f"redis://127.0.0.1:{port}?socket_timeout=0.3")
        for use in reads_and_writes(store).values():
            with unavailable(within=GIVEN_UP):
                use()


def test_a_machine_that_takes_no_connection_is_given_up(open_store: OpenStore) -> None:
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):  # those that wait to be accepted: the next one gets no answer at all
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        store = open_store(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        with unavailable(within=GIVEN_UP):
            store.get_many([KEY])
        with unavailable(within=AT_ONCE):
            store.put(KEY, VALUE, 60)


class LossyProxy:
    """Stands before a server, and hangs up once instead of giving back the answer to `command`.

    ``seen`` is how often that command came.
    """

    def __init__(self, server: RedisServer, command: bytes) -> None:
        self._server, self._command = server, command
        self.seen = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for it
        for thread in self._threads:
            thread.join(30)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        address = "127.0.0.1", self._server.port
        with client, socket.create_connection(address) as server, suppress(OSError):
            while asked := client.recv(1_000_000):
                server.sendall(asked)
                answer = server.recv(1_000_000)
                if self._command in asked:
                    self.seen += 1
                    if self.seen == 1:
                        return
                client.sendall(answer)


def test_a_read_whose_answer_is_lost_is_tried_once_more(
    server: RedisServer, open_store: OpenStore
) -> None:
    with LossyProxy(server, b"MGET") as proxy:
        store = open_store(proxy.url)
        store.put("a", b"1", 60)
        assert store.get_many(["a"]) == [b"1"]
        assert proxy.seen == 2


@pytest.mark.parametrize(
    ("operation", "command"),
    [
        ("put", b"SET"),
        ("put_if_absent", b"SET"),
        ("compare_and_set", b"EVALSHA"),
        ("delete", b"DEL"),
    ],
)
def test_a_write_whose_answer_is_lost_is_not_tried_again(
    server: RedisServer, open_store: OpenStore, operation: str, command: bytes
) -> None:
    with LossyProxy(server, b"\r\n" + command + b"\r\n") as proxy:
        store = open_store(proxy.url)
        with unavailable(within=AT_ONCE):
            reads_and_writes(store)[operation]()
        assert proxy.seen == 1
        assert_works(store)


# A server that refuses.


def test_a_server_whose_memory_is_full_refuses_writes_only(open_store: OpenStore) -> None:
    with RedisServer(options=["--maxmemory-policy", "noeviction"]) as server:
        store = open_store(server.url())
        store.put(KEY, VALUE, 60)
        store.put("b", b"1", 60)
        assert store.compare_and_set("b", b"1", b"2", 60) is True
        server.client().config_set("maxmemory", "1mb")
        for write in (
            lambda: store.put(KEY, VALUE, 60),
            lambda: store.put_if_absent("absent", VALUE, 60),
            lambda: store.compare_and_set(KEY, VALUE, b"2", 60),
        ):
            with unavailable(within=AT_ONCE):
                write()
        assert store.get_many([KEY, "b"]) == [VALUE, b"2"]
        assert store.release_lease("b", b"2") is True
        assert store.delete(KEY) is True
        server.client().config_set("maxmemory", "0")
        assert_works(store)


def test_a_replica_refuses_writes_only(server: RedisServer, open_store: OpenStore) -> None:
    open_store(server.url()).put("a", b"1", 60)
    with RedisServer(replica_of=server) as replica:
        wait_until(lambda: replica.client().get("jwtsession:a") == b"1", "the replica has it")
        store = open_store(replica.url())
        assert store.get_many(["a"]) == [b"1"]
        for operation, use in reads_and_writes(store).items():
            # A script that finds nothing to delete writes nothing.
            if operation not in ("get_many", "compare_and_set", "delete expected"):
                with unavailable(within=AT_ONCE):
                    use()


def test_a_key_that_somebody_else_made_a_list_makes_it_unavailable(
    store: RedisStore, server: RedisServer
) -> None:
    server.client().lpush(PREFIX + KEY, VALUE)
    with unavailable(within=AT_ONCE):
        store.compare_and_set(KEY, VALUE, b"2", 60)
    with unavailable(within=AT_ONCE):
        store.delete(KEY, VALUE)
    store.put(KEY, VALUE, 60)
    assert_works(store)


def test_a_key_that_may_not_be_used_is_not_shown(open_store: OpenStore) -> None:
    with RedisServer() as server:
        server.client().execute_command(
            "ACL", "SETUSER", "app", "on", ">secret", "~others:*", "+@all"
        )
        store = open_store(server.url().replace("//", "//app:secret@"))
        for use in reads_and_writes(store).values():
            with unavailable(within=AT_ONCE):
                use()


# Connections.


def test_threads_that_come_and_go_leave_no_connections_behind(
    server: RedisServer, open_store: OpenStore
) -> None:
    store = open_store(f"{server.url()}?client_name=store")

    def use(number: int) -> None:
        store.put(f"key-{number}", b"1", 60)
        assert store.get_many([f"key-{number}"]) == [b"1"]

    for _ in range(10):
        _in_threads(use, 10)
        assert 0 < len(connections(server)) <= 10
    store.close()
    wait_until(lambda: not connections(server), "no connection is left")


def test_a_read_opens_no_connection_of_its_own(server: RedisServer, open_store: OpenStore) -> None:
    store = open_store(f"{server.url()}?client_name=store")
    ids = set()
    for _ in range(20):
        store.get_many(["a", "b"])
        store.put("a", b"1", 60)
        ids |= {connection["id"] for connection in connections(server)}
    assert len(ids) == 1


def test_a_forked_process_and_its_parent_do_not_read_each_others_answers(
    store: RedisStore,
) -> None:
    store.put("child", b"child", 60)
    store.put("parent", b"parent", 60)
    forked, ended = threading.Event(), threading.Event()
    # Not while another thread uses the store: that is what a store does not promise.
    os.register_at_fork(after_in_parent=forked.set)

    def work(number: int) -> None:
        if number == 0:
            try:
                assert _in_forked_process(
                    lambda: all(store.get_many(["child"]) == [b"child"] for _ in range(500))
                )
            finally:
                ended.set()
        assert forked.wait(30)
        while not ended.is_set():
            assert store.get_many(["parent"]) == [b"parent"]

    _in_threads(work, 2)


# Behind a sentinel.


@pytest.mark.parametrize("password", [None, "p@ss/w:ord"])
@pytest.mark.parametrize("database", [None, 2])
def test_a_sentinel_tells_where_the_master_is(
    open_store: OpenStore, password: str | None, database: int | None
) -> None:
    with (
        RedisServer(password=password) as master,
        RedisSentinel(master, password=password and f"other {password}") as sentinel,
    ):
        store = open_store(sentinel.url(database))
        assert_works(store)
        store.put("a", b"1", 60)
        assert master.client(db=database or 0).keys() == [b"jwtsession:a"]


def test_a_sentinel_that_is_away_is_passed_over(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    with RedisSentinel(own_server) as away, RedisSentinel(own_server) as sentinel:
        away.stop()
        hosts = f"127.0.0.1:{away.port},127.0.0.1:{sentinel.port}"
        assert_works(open_store(f"redis+sentinel://{hosts}/{SERVICE}/0"))


def test_a_service_that_the_sentinel_does_not_know_is_unavailable(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    with RedisSentinel(own_server) as sentinel:
        store = open_store(f"redis+sentinel://127.0.0.1:{sentinel.port}/other")
        for use in reads_and_writes(store).values():
            with unavailable(within=AT_ONCE):
                use()


@pytest.mark.parametrize("state", ["stopped", "frozen"])
def test_sentinels_that_are_away_are_left_in_peace_for_a_second(
    own_server: RedisServer, open_store: OpenStore, state: str
) -> None:
    with RedisSentinel(own_server) as first, RedisSentinel(own_server) as second:
        for sentinel in (first, second):
            if state == "stopped":
                sentinel.stop()
            else:
                sentinel.freeze()
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        store = open_store(f"redis+sentinel://{hosts}/{SERVICE}")
        with unavailable(within=GIVEN_UP):
            store.get_many([KEY])
        with unavailable(within=AT_ONCE):
            store.get_many([KEY])
        for sentinel in (first, second):
            if state == "stopped":
                sentinel.start()
            else:
                sentinel.thaw()
        time.sleep(REST)
        assert_works(store)


def test_connections_go_on_without_their_sentinel(
    own_server: RedisServer, open_store: OpenStore
) -> None:
    with RedisSentinel(own_server) as sentinel:
        store = open_store(sentinel.url())
        assert_works(store)
        with sentinel.frozen():
            assert_works(store)


@pytest.mark.parametrize("cause", ["on request", "the master died", "the master hangs"])
def test_after_a_failover_the_new_master_is_used(open_store: OpenStore, cause: str) -> None:
    with (
        RedisServer() as master,
        RedisServer(replica_of=master) as replica,
        RedisSentinel(master) as sentinel,
    ):
        store = open_store(sentinel.url())
        store.put("before", b"1", 60)
        sentinel.wait_for_replica()
        wait_until(lambda: replica.client().exists("jwtsession:before"), "the replica has it")
        if cause == "on request":
            sentinel.fail_over(replica)
        elif cause == "the master died":
            master.stop()
        else:
            master.freeze()

        def works() -> bool:
            with suppress(StoreUnavailable):
                store.put("after", b"1", 60)
                return True
            return False

        wait_until(works, "the new master is used")
        assert replica.role() == "master"
        assert replica.client().get("jwtsession:after") == b"1"
        assert store.get_many(["before", "after"]) == [b"1", b"1"]
        assert_works(store)
