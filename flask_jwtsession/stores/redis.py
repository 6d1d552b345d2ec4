"""A store in Redis or Valkey: for all processes of all machines."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from ssl import TLSVersion
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TookTooLong
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from ..exceptions import StoreUnavailable
from .base import Store

#: Seconds that a connection, and an answer, may take.
TIMEOUT = 1.0
#: Seconds for which it is not asked again after it took too long: the requests that wait for it
#: would be all that the process does.
REST = 1.0
#: What every key begins with.
PREFIX = "jwtsession:"

_SENTINEL = re.compile(
    r"(?P<tls>rediss?)\+sentinel://((?P<user>[^:/?#]*):(?P<password>[^/?#]*)@)?"
    r"(?P<hosts>[^/?#@]+)/(?P<service>[^/?#]+)(/(?P<database>\d+))?(?P<options>\?[^#]*)?"
)
_SENTINEL_PORT = 26379
# Of redis-py's, what makes sense here.
_OPTIONS = frozenset(
    [
        "db",
        "username",
        "password",
        "protocol",
        "client_name",
        "max_connections",
        "health_check_interval",
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_password",
        "ssl_cert_reqs",
        "ssl_check_hostname",
        "ssl_min_version",
        "ssl_ciphers",
        "sentinel_username",
        "sentinel_password",
    ]
)

_REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1
end
return 0
"""
_DELETE_IF = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""


class RedisStore(Store):
    """Every operation is one command, or one script, with one key; every key has a lifetime.

    Not for Redis Cluster: what is read at once may lie on several of its nodes.

    :param url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with redis-py's options; or
        ``redis+sentinel://user:password@host:26379,host:26379/service/database``
        (``rediss+sentinel://`` with TLS), where ``sentinel_username`` and ``sentinel_password``
        are options of the sentinels. What takes longer than a second is given up, unless
        ``socket_timeout`` and ``socket_connect_timeout`` say otherwise
    :raises ValueError: the URL, or one of its options, is none of these
    """

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._replace = self._redis.register_script(_REPLACE)
        self._delete_if = self._redis.register_script(_DELETE_IF)
        self._resting_until = float("-inf")

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        names = [PREFIX + key for key in keys]
        values: list[bytes | None]
        with self._asking():
            try:
                values = self._redis.mget(names)
            except MasterNotFoundError:
                raise
            except NoConnection:
                # An idle connection may have been closed from the other side. To read twice does
                # no harm. A write is not tried again: it may have been done.
                values = self._redis.mget(names)
        return values

    def put(self, key: str, value: bytes, lifetime: float) -> None:
        with self._asking():
            self._redis.set(PREFIX + key, value, px=_milliseconds(lifetime))

    def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, lifetime: float
    ) -> bool:
        name, milliseconds = PREFIX + key, _milliseconds(lifetime)
        with self._asking():
            if expected is None:
                return bool(self._redis.set(name, value, px=milliseconds, nx=True))
            return bool(self._replace(keys=[name], args=[expected, value, milliseconds]))

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        with self._asking():
            if expected is None:
                return bool(self._redis.delete(PREFIX + key))
            return bool(self._delete_if(keys=[PREFIX + key], args=[expected]))

    def close(self) -> None:
        self._redis.connection_pool.disconnect(inuse_connections=False)

    def eviction_policy(self) -> str | None:
        """What it does when its memory is full, its ``maxmemory-policy``; None if it does not say.

        :raises StoreUnavailable: it cannot be asked
        """
        with self._asking():
            policy = self._redis.info("memory").get("maxmemory_policy")
        return policy if isinstance(policy, str) else None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if time.monotonic() < self._resting_until:
            raise StoreUnavailable("Redis: it took too long a moment ago")
        try:
            yield
        except (TookTooLong, MasterNotFoundError) as error:
            self._resting_until = time.monotonic() + REST
            raise StoreUnavailable(f"Redis: {type(error).__name__}") from None
        except (NoConnection, OSError) as error:
            raise StoreUnavailable(f"Redis: {error}") from None
        except RedisError as error:
            # Its first word is Redis's code for it (OOM, NOPERM, …); what follows may repeat what
            # was sent.
            code = str(error).partition(" ")[0]
            raise StoreUnavailable(f"Redis: {type(error).__name__} {code}") from None
        except BaseException as error:
            # What answers is no Redis, or something broke in here. redis-py keeps the connection,
            # wherever in the conversation that was.
            self._redis.connection_pool.disconnect(inuse_connections=False)
            if isinstance(error, Exception):
                raise StoreUnavailable(f"Redis: {type(error).__name__}") from None
            raise


class _WrongURL(ValueError):
    """Says what is wrong, and repeats nothing of the URL."""


def connect(url: str) -> Any:
    """redis-py's client for ``url``; nothing is connected yet. Raises :exc:`ValueError`, whose text
    has nothing of the URL: a password could be in it.
    """
    options = url.partition("?")[2].partition("#")[0]
    for name, _ in parse_qsl(options, keep_blank_values=True):
        if name not in _OPTIONS:
            # Not which: after a "?" in a password it is the end of that.
            raise ValueError(f"one of its options is none of {', '.join(sorted(_OPTIONS))}")
    sentinel = _SENTINEL.fullmatch(url)
    try:
        client = _direct(url) if sentinel is None else _behind_sentinels(sentinel)
        pool = client.connection_pool
        _read_tls_version(pool.connection_kwargs)
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing, reads every option
        for name in ("socket_timeout", "socket_connect_timeout"):
            if not pool.connection_kwargs[name] > 0:
                raise ValueError(name)
    except _WrongURL:
        raise
    except Exception:  # of redis-py, urllib and ssl, for what somebody wrote
        raise ValueError(
            "the URL, or one of its options, cannot be understood. In a password, characters such "
            "as '/', '#', '@' and '%' are written as '%2F', '%23', '%40' and '%25'"
        ) from None
    return client


def _direct(url: str) -> Any:
    scheme, _, rest = url.partition("://")
    path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")[2]
    # redis-py takes a path that is no number for the database 0, and no path for a socket.
    if scheme == "unix" and not path:
        raise _WrongURL("the URL of a socket is unix:///path/of/the/socket")
    if "+sentinel" in scheme:
        raise _WrongURL(
            "the URL of sentinels is redis+sentinel://host:26379,host:26379/service/database, with "
            "user:password@ before the hosts if there is one"
        )
    if scheme != "unix" and path and not path.isdigit():
        raise _WrongURL(
            "the path of the URL is the number of a database, as in redis://host:6379/0"
        )
    return Redis.from_url(url, **_defaults())


def _behind_sentinels(match: re.Match[str]) -> Any:
    # Two parts of redis-py have no types.
    parse, sentinel = cast(Any, parse_url), cast(Any, Sentinel)
    options = {**_defaults(), **parse(f"redis://{match['options'] or ''}")}
    _read_tls_version(options)
    of_sentinels = {
        name: options.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in options
    }
    if match["tls"] == "rediss":
        options["ssl"] = True
    for name, text in (("username", match["user"]), ("password", match["password"])):
        if text:
            options[name] = unquote(text)
    if match["database"]:
        options["db"] = int(match["database"])
    shared = ("socket_", "ssl", "retry")
    of_sentinels |= {name: options[name] for name in options if name.startswith(shared)}
    hosts = [_host_and_port(host) for host in match["hosts"].split(",")]
    return sentinel(hosts, sentinel_kwargs=of_sentinels, **options).master_for(match["service"])


def _read_tls_version(options: dict[str, Any]) -> None:
    if "ssl_min_version" in options:  # which redis-py before 8.1 leaves a text
        options["ssl_min_version"] = TLSVersion(int(options["ssl_min_version"]))


def _host_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+)(?::(\d{1,5}))?", text)
    port = int(match[2] or _SENTINEL_PORT) if match else 0
    if match is None or not 0 < port < 65_536:
        raise _WrongURL("a sentinel is a host, or a host and a port from 1 to 65535")
    return match[1].strip("[]"), port


def _defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
    with suppress(ImportError):
        from redis.maint_notifications import MaintNotificationsConfig

        # A server could make the time limits longer with them, and to ask for them is a round trip.
        defaults["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
    return defaults


def _milliseconds(lifetime: float) -> int:
    return max(1, ceil(lifetime * 1000))
