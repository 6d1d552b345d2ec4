"""Exchanges that come to an end.

A socket's timeout starts anew with every byte: whoever answers with one byte at a time, in time,
could hold a thread for hours. So there is a timer for all of an exchange, which shuts the socket.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from contextvars import ContextVar
from threading import Timer
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_exchange: ContextVar[TimeLimit | None] = ContextVar("jwtsession_exchange", default=None)


class TimeLimit:
    """The time that a request and its whole answer may take, while this is entered, on connections
    of an :class:`EndingAdapter`. Behind a SOCKS proxy it is the proxy's to see to.

    :ivar is_over: whether it took longer; what was read then is not the whole answer, though it may
        look so
    """

    def __init__(self, seconds: float) -> None:
        self.is_over: bool = False
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        self._reset = _exchange.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _exchange.reset(self._reset)

    def watch(self, connection: Any) -> None:
        """Shut the socket of ``connection`` when the time is over."""
        if self.is_over:
            raise TimeoutError
        self._connection = connection
        # The connection forgets it when the answer is to be its last.
        self._socket = connection.sock

    def _end(self) -> None:
        self.is_over = True
        sock = self._socket or getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                # Of the plain socket, for TLS too: that one's own is not for another thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Watched:
    sock: socket.socket | None

    def connect(self) -> None:
        _watch(self)
        base: Any = super()
        base.connect()

    def getresponse(self) -> Any:
        _watch(self)
        base: Any = super()
        return base.getresponse()


class _HTTP(_Watched, HTTPConnection):
    pass


class _HTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _HTTPS


_POOLS: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}


class EndingAdapter(HTTPAdapter):
    """An adapter of requests whose exchanges a :class:`TimeLimit` ends."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, ProxyManager):  # one for SOCKS has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager


def _watch(connection: _Watched) -> None:
    limit = _exchange.get()
    if limit is not None:
        limit.watch(connection)
