"""Connections that come to an end.

A socket's timeout starts anew with every byte. Whoever answers with one byte at a time, in time,
could hold a thread for hours. The body of an answer is cut
off where it is read; the head is read by the standard library, and here is what cuts that off.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Timer
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Ending:
    """A connection's ``getresponse``, which reads the head of an answer, in limited time."""

    sock: socket.socket | None
    timeout: float | None

    def getresponse(self) -> Any:
        get: Any = super()
        if self.timeout is None:
            return get.getresponse()
        timer = Timer(self.timeout, self._end)
        timer.daemon = True
        timer.start()
        try:
            return get.getresponse()
        finally:
            timer.cancel()

    def _end(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                # Of the plain socket, for TLS too: that one's own is not for another thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _HTTP(_Ending, HTTPConnection):
    pass


class _HTTPS(_Ending, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _HTTPS


class EndingAdapter(HTTPAdapter):
    """An adapter of requests whose answers have to begin, and their heads to end, in the time that
    a read may take. Behind a proxy that is the proxy's to see to.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
