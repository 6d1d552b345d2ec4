"""Exchanges that come to an end, with TLS and without."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flask_jwtsession.providers.connections import EndingAdapter, TimeLimit

#: Seconds: until a test is given up, and what an exchange may take that is to be cut off.
DEADLINE = 30.0
PATIENCE = 0.3

Answer = Callable[[socket.socket, "Listener"], None]


class Listener:
    """Answers one connection on loopback, as a test tells it."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None) -> None:
        self.is_over, self.came_to_an_end = Event(), Event()
        self._answer, self._context = answer, context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._serve)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread.start()

    def close(self) -> None:
        self.is_over.set()
        with suppress(OSError):  # wakes it if nobody came
            socket.create_connection(self._socket.getsockname(), DEADLINE).close()
        self._thread.join(DEADLINE)
        self._socket.close()

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """A byte at a time, always in time; until the end, or until the test is over."""
        for number in range(len(data)):
            connection.sendall(data[number : number + 1])
            if self.is_over.wait(PATIENCE / 10):
                return
        self.came_to_an_end.set()

    def _serve(self) -> None:
        self._socket.settimeout(DEADLINE)
        with suppress(OSError):  # a client that hangs up is what the tests are about
            connection, _ = self._socket.accept()
            with ExitStack() as stack:
                stack.enter_context(connection)
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                    stack.enter_context(connection)
                connection.settimeout(DEADLINE)
                connection.recv(65_536)
                self._answer(connection, self)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, each with its key in one file: of loopback, and of a host that
    nobody asks for. Nobody but a test trusts them.
    """
    folder = tmp_path_factory.mktemp("certificates")
    hosts: dict[str, x509.GeneralName] = {
        "loopback": x509.IPAddress(ip_address("127.0.0.1")),
        "other": x509.DNSName("other.example"),
    }
    for file_name, host in hosts.items():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file_name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([host]), critical=False)
            .sign(key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / file_name).write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return folder


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def listen(scheme: str, certificates: Path) -> Iterator[Callable[[Answer], Listener]]:
    with ExitStack() as stack:

        def start(answer: Answer, certificate: str = "loopback") -> Listener:
            context = None
            if scheme == "https":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificates / certificate)
            listener = Listener(answer, context)
            stack.callback(listener.close)
            return listener

        yield start


@pytest.fixture
def session(certificates: Path) -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False  # no proxy is asked for loopback
        found.verify = str(certificates / "loopback")
        for scheme in ("http://", "https://"):
            found.mount(scheme, EndingAdapter())
        yield found


def answers(connection: socket.socket, _: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


def answers_and_stays(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    connection.recv(65_536)
    listener.drip(connection, b"HTTP/1.1 200 " + b"O" * 200)


def drips_its_status(connection: socket.socket, listener: Listener) -> None:
    listener.drip(connection, b"HTTP/1.1 200 " + b"O" * 200)


def drips_its_head(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    listener.drip(connection, b"X-Pad: x\r\n" * 20)


def drips_what_it_continues(connection: socket.socket, listener: Listener) -> None:
    listener.drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 8)


def drips_its_body(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\nConnection: close\r\n\r\n")
    listener.drip(connection, b"x" * 200)


def drips_a_body_without_length(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    listener.drip(connection, b"x" * 200)


def drips_its_chunks(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    listener.drip(connection, b"1\r\nx\r\n" * 40)


def drips_the_length_of_a_chunk(connection: socket.socket, listener: Listener) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    listener.drip(connection, b"0" * 200)


def is_silent(_: socket.socket, listener: Listener) -> None:
    listener.is_over.wait(DEADLINE)


DRIPS = [
    drips_its_status,
    drips_its_head,
    drips_what_it_continues,
    drips_its_body,
    drips_a_body_without_length,
    drips_its_chunks,
    drips_the_length_of_a_chunk,
    is_silent,
]


def test_an_exchange_in_time_is_left_alone(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    with TimeLimit(DEADLINE) as limit:
        response = session.get(listen(answers).url, timeout=DEADLINE)
    assert (response.status_code, response.text) == (200, "hello")
    assert not limit.is_over


@pytest.mark.parametrize("answer", DRIPS)
def test_sec_178_an_exchange_that_does_not_end_is_cut_off(
    listen: Callable[[Answer], Listener], session: requests.Session, answer: Answer
) -> None:
    listener = listen(answer)
    # What came may look like a whole answer, so requests need not complain.
    with TimeLimit(PATIENCE) as limit, suppress(requests.RequestException):
        session.get(listener.url, timeout=DEADLINE)
    assert limit.is_over
    assert not listener.came_to_an_end.is_set()


def test_sec_178_a_handshake_that_drips_ends_with_the_timeout(session: requests.Session) -> None:
    # It is no exchange yet; of a handshake Python itself sees to it that all of it is in time.
    def drips_a_record(connection: socket.socket, listener: Listener) -> None:
        listener.drip(connection, b"\x16\x03\x03\x40\x00" + b"\x02" * 200)

    listener = Listener(drips_a_record, None)
    try:
        url = listener.url.replace("http:", "https:")
        with pytest.raises(requests.RequestException):
            session.get(url, timeout=PATIENCE)
        assert not listener.came_to_an_end.is_set()
    finally:
        listener.close()


def test_a_connection_that_is_used_again_is_limited_again(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    listener = listen(answers_and_stays)
    with TimeLimit(DEADLINE) as first:
        assert session.get(listener.url, timeout=DEADLINE).text == "hello"
    with TimeLimit(PATIENCE) as second, suppress(requests.RequestException):
        session.get(listener.url, timeout=DEADLINE)
    assert (first.is_over, second.is_over) == (False, True)
    assert not listener.came_to_an_end.is_set()


def test_in_a_time_that_is_over_nothing_begins(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    silent, honest = listen(is_silent), listen(answers)
    with TimeLimit(PATIENCE) as limit:
        with suppress(requests.RequestException):
            session.get(silent.url, timeout=DEADLINE)
        assert limit.is_over
        with pytest.raises((requests.RequestException, TimeoutError)):
            session.get(honest.url, timeout=DEADLINE)


def test_without_a_limit_an_exchange_may_take_its_time(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    def drips_slowly(connection: socket.socket, listener: Listener) -> None:
        listener.drip(connection, b"HTTP/1.1 204 X\r\n\r\n")

    silent, slow = listen(is_silent), listen(drips_slowly)
    with TimeLimit(PATIENCE), suppress(requests.RequestException):
        session.get(silent.url, timeout=DEADLINE)
    assert session.get(slow.url, timeout=DEADLINE).status_code == 204


def test_the_limit_of_one_thread_is_not_that_of_another(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    def drips_slowly(connection: socket.socket, listener: Listener) -> None:
        listener.drip(connection, b"HTTP/1.1 204 X\r\n\r\n")

    silent, slow = listen(is_silent), listen(drips_slowly)
    with ThreadPoolExecutor(1) as pool, TimeLimit(PATIENCE) as limit:
        other = pool.submit(session.get, slow.url, timeout=DEADLINE)
        with suppress(requests.RequestException):
            session.get(silent.url, timeout=DEADLINE)
        assert limit.is_over
        assert other.result(DEADLINE).status_code == 204


@pytest.mark.parametrize("scheme", ["https"], indirect=True)
def test_a_certificate_that_nobody_trusts_is_refused(
    listen: Callable[[Answer], Listener], session: requests.Session
) -> None:
    listener = listen(answers)
    with pytest.raises(requests.exceptions.SSLError):
        session.get(listener.url, timeout=DEADLINE, verify=True)


@pytest.mark.parametrize("scheme", ["https"], indirect=True)
def test_a_certificate_of_another_host_is_refused(
    listen: Callable[[Answer, str], Listener], session: requests.Session, certificates: Path
) -> None:
    listener = listen(answers, "other")
    with pytest.raises(requests.exceptions.SSLError):
        session.get(listener.url, timeout=DEADLINE, verify=str(certificates / "other"))


@pytest.mark.parametrize("answer", [drips_its_head, drips_its_body, drips_the_length_of_a_chunk])
def test_sec_233_a_proxy_passes_no_drip_on(session: requests.Session, answer: Answer) -> None:
    """A proxy that passes on what a provider drips drips itself."""
    proxy = Listener(answer, None)
    try:
        with TimeLimit(PATIENCE) as limit, suppress(requests.RequestException):
            response = session.get(
                "http://id.example/",
                proxies={"http": proxy.url},
                timeout=DEADLINE,
                stream=True,
            )
            _ = response.content
        assert limit.is_over
        assert not proxy.came_to_an_end.is_set()
    finally:
        proxy.close()
