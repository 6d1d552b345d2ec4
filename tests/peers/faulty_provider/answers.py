"""HTTP answers that no honest server gives. Each is made from the honest answer."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from .provider import FaultyProvider

#: From the provider and its honest answer to what is sent instead.
Answer = Callable[["FaultyProvider", Response], Response]

MEGABYTE = 1_000_000
#: Between two bytes of a dripping answer: less than any timeout of a single read.
_SECONDS_BETWEEN_BYTES = 0.05
#: Of the header that a dripping answer sends, until it gives up: ten seconds of them.
_HEADER_BYTES = 200


def status(code: int) -> Answer:
    """An error without a body that says anything."""
    return lambda provider, honest: Response("no", code, content_type="text/plain")


def body(content: bytes, content_type: str = "application/json", code: int = 200) -> Answer:
    return lambda provider, honest: Response(content, code, content_type=content_type)


def html(code: int = 200) -> Answer:
    page = b"<!doctype html><title>Maintenance</title><script>alert(1)</script>"
    return body(page, "text/html", code)


def redirect(code: int) -> Answer:
    """To where the same request is answered honestly: who follows does not even notice."""

    def answer(provider: FaultyProvider, honest: Response) -> Response:
        return Response("", code, {"Location": provider.elsewhere()})

    return answer


def padded(size: int) -> Answer:
    """The honest JSON and ``size`` bytes of white space: well-formed, but far too long."""
    return lambda provider, honest: _like(honest, honest.get_data() + b" " * size)


def endless(provider: FaultyProvider, honest: Response) -> Response:
    """The honest JSON, and then white space without end."""

    def content() -> Iterable[bytes]:
        yield honest.get_data()
        for _ in range(100):  # megabytes, so that a client without a limit does not take it all
            if provider.released.is_set():
                return
            yield b" " * MEGABYTE

    return _like(honest, content())


def gzip_bomb(provider: FaultyProvider, honest: Response) -> Response:
    """Some 50 KB that unpack to the honest JSON and 50 MB of white space."""
    packed = gzip.compress(honest.get_data() + b" " * (50 * MEGABYTE))
    response = _like(honest, packed)
    response.headers["Content-Encoding"] = "gzip"
    return response


def gzip_bomb_in_gzip(provider: FaultyProvider, honest: Response) -> Response:
    """The same packed once more: a few hundred bytes."""
    response = gzip_bomb(provider, honest)
    response.set_data(gzip.compress(response.get_data()))
    response.headers["Content-Encoding"] = "gzip, gzip"
    return response


def hang(provider: FaultyProvider, honest: Response) -> Response:
    """Nothing, until the test lets go."""
    provider.released.wait(timeout=30)
    return honest


def drip(provider: FaultyProvider, honest: Response) -> Response:
    """The honest answer a byte at a time: no single read times out, the whole takes a minute."""

    def content() -> Iterable[bytes]:
        for byte in honest.get_data():
            yield bytes([byte])
            if provider.released.wait(_SECONDS_BETWEEN_BYTES):
                return

    return _like(honest, content())


def drip_headers(provider: FaultyProvider, honest: Response) -> Response:
    """The same, but already the headers do not come to an end."""

    def send(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Wait: ")
        for _ in range(_HEADER_BYTES):
            if provider.released.wait(_SECONDS_BETWEEN_BYTES):
                return
            connection.sendall(b"x")

    return _OnTheWire(send)


def drip_continue(provider: FaultyProvider, honest: Response) -> Response:
    """One ``100 Continue`` after another, none of which is the answer (RFC 9110 section 15.2)."""

    def send(connection: socket.socket) -> None:
        for _ in range(_HEADER_BYTES):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if provider.released.wait(_SECONDS_BETWEEN_BYTES):
                return

    return _OnTheWire(send)


def cut_off(provider: FaultyProvider, honest: Response) -> Response:
    """The connection ends in the middle of the body."""
    content = honest.get_data()
    return _raw(_head(f"Content-Length: {len(content)}"), content[: len(content) // 2])


def hung_up(provider: FaultyProvider, honest: Response) -> Response:
    """The connection ends instead of an answer."""
    return _raw(b"")


def not_http(provider: FaultyProvider, honest: Response) -> Response:
    return _raw(b"\x15\x03\x03\x00\x02\x02\x28 this is no HTTP\r\n\r\n")


def headers_without_end(provider: FaultyProvider, honest: Response) -> Response:
    return _raw(_head(*(f"X-{number}: x" for number in range(5_000))), honest.get_data())


def short_content_length(provider: FaultyProvider, honest: Response) -> Response:
    """A length that ends before the JSON does."""
    return _raw(_head("Content-Length: 20"), honest.get_data())


def negative_content_length(provider: FaultyProvider, honest: Response) -> Response:
    return _raw(_head("Content-Length: -1"), honest.get_data())


def two_content_lengths(provider: FaultyProvider, honest: Response) -> Response:
    content = honest.get_data()
    return _raw(_head(f"Content-Length: {len(content)}", "Content-Length: 20"), content)


def broken_chunks(provider: FaultyProvider, honest: Response) -> Response:
    return _raw(_head("Transfer-Encoding: chunked"), b"zz\r\n", honest.get_data())


class _OnTheWire(Response):
    """Writes to the connection itself, past every rule of HTTP, and then ends it."""

    def __init__(self, send: Callable[[socket.socket], None]) -> None:
        super().__init__()
        self._send = send

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        connection: socket.socket = environ["werkzeug.socket"]
        self._send(connection)
        connection.shutdown(socket.SHUT_RDWR)
        # The server takes this for a client that went away, and writes nothing more.
        raise ConnectionAbortedError


def _raw(*parts: bytes) -> Response:
    return _OnTheWire(lambda connection: connection.sendall(b"".join(parts)))


def _head(*headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _like(honest: Response, content: bytes | Iterable[bytes]) -> Response:
    return Response(content, honest.status_code, content_type=honest.content_type)
