"""How a provider is talked to, by a little server that does as a test tells it."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import traceback
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import pytest
import requests
from authlib.integrations.base_client import MissingTokenError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import LocationParseError

from flask_jwtsession import ProviderError
from flask_jwtsession.providers import network
from flask_jwtsession.providers.metadata import Metadata
from flask_jwtsession.providers.network import (
    MAX_BODY,
    ProviderSession,
    TokenRefused,
    calling,
    get_json,
    open_session,
)
from flask_jwtsession.providers.presets import Preset
from flask_jwtsession.providers.reasons import Unusable
from flask_jwtsession.providers.settings import ProviderSettings

CLIENT_ID = "app"
SECRET = "hush-client-secret"
CODE = "hush-code"
VERIFIER = "hush-verifier-0123456789-0123456789-0123456789"
ACCESS_TOKEN = "hush-access-token"
#: Seconds: of a test that waits for what has to come, and of a client that a test lets wait.
DEADLINE = 30.0
PATIENCE = 0.3


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body, keep_blank_values=True, strict_parsing=True))


class Handler(BaseHTTPRequestHandler):
    """One request to a :class:`Server`."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] - it is always one
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.received.append(
            Request(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length).decode(),
            )
        )
        self.close_connection = True
        self.server.answer(self)

    do_GET = do_POST = answer  # noqa: N815 - the names that the base class looks for

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.head(status, Content_Length=str(len(body)), **headers)
        self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        """A byte at a time, always in time; until the end, or until the test is over."""
        for number in range(len(data)):
            self.wfile.write(data[number : number + 1])
            if self.server.is_over.wait(PATIENCE / 10):
                return
        self.server.came_to_an_end.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing on stderr."""


class Server(ThreadingHTTPServer):
    """A server on loopback that keeps what it was asked, and answers as it is told."""

    answer: Callable[[Handler], None]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Request] = []
        self.is_over, self.came_to_an_end = Event(), Event()
        self.answers({})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answers(self, body: object, status: int = 200, **headers: str) -> None:
        """The same answer from now on; anything but bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = lambda handler: handler.send(raw, status, **headers)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.is_over.set()
        found.shutdown()
        thread.join(DEADLINE)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def session() -> Iterator[Any]:
    with open_session(settings_of()) as found:
        yield found


@pytest.fixture
def impatient() -> Iterator[Any]:
    with open_session(settings_of(session_options={"default_timeout": PATIENCE})) as found:
        yield found


def settings_of(**more: Any) -> ProviderSettings:
    honest: dict[str, Any] = {
        "name": "op",
        "label": "Op",
        "preset": Preset(label="Op"),
        "profile": None,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "issuer": None,
        "published_issuer": None,
        "iss": None,
        "discovery_url": None,
        "endpoints": {},
        "scope": "",
        "authorize_params": {},
        "token_params": {},
        "session_options": {},
        "auth_methods": (),
        "compliance_fix": None,
        "algorithm": None,
        "refresh": True,
    }
    return ProviderSettings(**honest | more)


def fetch_token(session: Any, url: str) -> dict[str, Any]:
    """Redeem a code, as a sign-in does."""
    tokens: dict[str, Any] = session.fetch_token(
        url,
        grant_type="authorization_code",
        code=CODE,
        code_verifier=VERIFIER,
        redirect_uri="https://app.test/cb",
    )
    return tokens


def fault(call: Callable[[], object]) -> str:
    with pytest.raises(Unusable) as caught:
        call()
    return str(caught.value)


# What is asked, and what is read.


def test_an_answer_is_read(server: Server, session: Any) -> None:
    server.answers({"issuer": server.url, "name": "Åström"})
    assert get_json(session, f"{server.url}/x?y=z") == {"issuer": server.url, "name": "Åström"}
    (request,) = server.received
    assert (request.method, request.path) == ("GET", "/x?y=z")
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == "flask_jwtsession"
    assert request.headers["accept-encoding"] == "identity"
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


def test_an_access_token_goes_in_a_header_and_alone(server: Server, session: Any) -> None:
    get_json(session, f"{server.url}/me", access_token=ACCESS_TOKEN)
    (request,) = server.received
    assert request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
    assert (request.path, request.body) == ("/me", "")


def test_a_second_answer_needs_no_second_session(server: Server, session: Any) -> None:
    for _ in range(3):
        get_json(session, f"{server.url}/me", access_token=ACCESS_TOKEN)
    assert len(server.received) == 3


def test_an_answer_in_chunks_is_read(server: Server, session: Any) -> None:
    def in_chunks(handler: Handler) -> None:
        handler.head(Transfer_Encoding="chunked")
        for piece in (b'{"a"', b":", b"[1,2]}"):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.answer = in_chunks
    assert get_json(session, server.url) == {"a": [1, 2]}


def test_an_answer_without_a_length_is_read(server: Server, session: Any) -> None:
    def without_length(handler: Handler) -> None:
        handler.head()
        handler.wfile.write(b'{"a":1}')

    server.answer = without_length
    assert get_json(session, server.url) == {"a": 1}


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "HTML": b"<!doctype html><title>Sign in</title>",
    "half of it": b'{"a":',
    "two of it": b"{}{}",
    "NaN": b'{"a":NaN}',
    "1e400": b'{"expires_in":1e400}',
    "two equal names": b'{"sub":"u1","sub":"u2"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "not UTF-8": b'{"a":"\xff"}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "nested deeply": b"[" * 10_000 + b"]" * 10_000,
    "a form": b"access_token=a&token_type=bearer",
    "a JWT": b"eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_sec_168_an_answer_that_is_no_json_is_unusable(
    server: Server, session: Any, body: bytes
) -> None:
    server.answers(body, Content_Type="application/json")
    assert fault(lambda: get_json(session, server.url)) == "not_json"


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 418, 429, 500, 502, 503])
def test_sec_168_another_status_is_unusable(server: Server, session: Any, status: int) -> None:
    server.answers(b"" if status == 204 else {"sub": "u1"}, status)
    assert fault(lambda: get_json(session, server.url)) == f"status_{status}"


# Redirects.

REDIRECTS = [300, 301, 302, 303, 307, 308]


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("access_token", [None, ACCESS_TOKEN], ids=["without", "with a token"])
def test_sec_164_no_redirect_is_followed(
    server: Server, session: Any, status: int, access_token: str | None
) -> None:
    server.answers({}, status, Location=f"{server.url}/elsewhere")
    call = fault(lambda: get_json(session, f"{server.url}/me", access_token=access_token))
    assert call == f"status_{status}"
    assert [request.path for request in server.received] == ["/me"]


@pytest.mark.parametrize("status", REDIRECTS)
def test_sec_180_no_code_goes_where_a_redirect_leads(
    server: Server, session: Any, status: int
) -> None:
    server.answers({"access_token": "a"}, status, Location=f"{server.url}/elsewhere")
    assert fault(lambda: fetch_token(session, f"{server.url}/token")) == "token_status"
    assert [request.path for request in server.received] == ["/token"]


# So much, and no more.


def text_of(size: int) -> bytes:
    """JSON of so many bytes."""
    return b'"%b"' % (b"x" * (size - 2))


def test_an_answer_may_be_half_a_megabyte(server: Server, session: Any) -> None:
    assert MAX_BODY == 512 * 1024
    server.answers(text_of(MAX_BODY))
    assert len(get_json(session, server.url)) == MAX_BODY - 2


def test_sec_164_a_byte_more_is_too_much(server: Server, session: Any) -> None:
    server.answers(text_of(MAX_BODY + 1))
    assert fault(lambda: get_json(session, server.url)) == "too_large"


@pytest.mark.parametrize("chunked", [False, True], ids=["one piece", "chunks"])
def test_sec_164_an_answer_without_end_is_not_waited_for(
    server: Server, session: Any, chunked: bool
) -> None:
    def endless(handler: Handler) -> None:
        piece = b" " * 65_536
        if chunked:
            handler.head(Transfer_Encoding="chunked")
            piece = b"10000\r\n%b\r\n" % piece
        else:
            handler.head(Content_Length=str(10**12))
        while not server.is_over.is_set():
            handler.wfile.write(piece)

    server.answer = endless
    assert fault(lambda: get_json(session, server.url)) == "too_large"


PACKED = {
    "gzip": gzip.compress(b"{}"),
    "x-gzip": gzip.compress(b"{}"),
    "gzip, a bomb": gzip.compress(bytes(64 * 2**20)),
    "deflate": zlib.compress(b"{}"),
    "deflate, a bomb": zlib.compress(bytes(64 * 2**20)),
    "gzip, gzip": gzip.compress(gzip.compress(b"{}")),
    "br": b"\x0b\x00\x80{}\x03",
    "zstd": b"\x28\xb5\x2f\xfd",
    "unknown": b"{}",
}


@pytest.mark.parametrize(("name", "body"), PACKED.items(), ids=PACKED)
def test_sec_164_a_packed_answer_is_not_unpacked(
    server: Server, session: Any, name: str, body: bytes
) -> None:
    encoding = name.removesuffix(", a bomb")
    server.answers(body, Content_Encoding=encoding)
    assert fault(lambda: get_json(session, server.url)) == "encoding"


def test_an_answer_may_say_that_it_is_not_packed(server: Server, session: Any) -> None:
    server.answers({"a": 1}, Content_Encoding="identity")
    assert get_json(session, server.url) == {"a": 1}


# In so much time, and no more.


def drips_its_body(handler: Handler) -> None:
    handler.head(Content_Length="200")
    handler.drip(b" " * 200)


def drips_its_body_without_length(handler: Handler) -> None:
    handler.head()
    handler.drip(b" " * 200)


def drips_its_chunks(handler: Handler) -> None:
    handler.head(Transfer_Encoding="chunked")
    handler.drip(b"1\r\n \r\n" * 40)


def drips_the_length_of_a_chunk(handler: Handler) -> None:
    handler.head(Transfer_Encoding="chunked")
    handler.drip(b"0" * 200)


def drips_its_head(handler: Handler) -> None:
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 200)


def drips_its_status(handler: Handler) -> None:
    handler.drip(b"HTTP/1.1 200 " + b"O" * 200)


@pytest.mark.parametrize(
    "answer",
    [
        drips_its_body,
        drips_its_body_without_length,
        drips_its_chunks,
        drips_the_length_of_a_chunk,
        drips_its_head,
        drips_its_status,
    ],
)
def test_sec_178_an_answer_that_drips_is_cut_off(
    server: Server, impatient: Any, answer: Callable[[Handler], None]
) -> None:
    # Every byte comes in time, and all of them would take ten times as long as they may.
    server.answer = answer
    with pytest.raises(ProviderError), calling("op", "userinfo"):
        get_json(impatient, server.url)
    assert not server.came_to_an_end.is_set()


def test_an_answer_that_drips_for_a_moment_is_read(server: Server, session: Any) -> None:
    server.answer = lambda handler: handler.drip(b'HTTP/1.1 200 OK\r\n\r\n{"a":1}')
    assert get_json(session, server.url) == {"a": 1}


def is_silent(handler: Handler) -> None:
    handler.server.is_over.wait(DEADLINE)


def is_silent_after_its_head(handler: Handler) -> None:
    handler.head(Content_Length="10")
    handler.wfile.flush()
    is_silent(handler)


def is_silent_within_its_body(handler: Handler) -> None:
    handler.head(Content_Length="10")
    handler.wfile.write(b'{"a"')
    handler.wfile.flush()
    is_silent(handler)


@pytest.mark.parametrize("answer", [is_silent, is_silent_after_its_head, is_silent_within_its_body])
@pytest.mark.parametrize("what", ["userinfo", "token"])
def test_sec_233_a_provider_that_falls_silent_is_given_up(
    server: Server, impatient: Any, answer: Callable[[Handler], None], what: str
) -> None:
    server.answer = answer
    call = fetch_token if what == "token" else get_json
    with pytest.raises(ProviderError) as caught, calling("op", what):
        call(impatient, server.url)
    assert caught.value.reason == f"{what}_unreachable"


def test_sec_233_without_a_word_of_the_application_the_timeout_is_five_seconds(
    server: Server, session: Any
) -> None:
    seen = []

    class Adapter(HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            seen.append(kwargs["timeout"])
            return super().send(*args, **kwargs)

    session.mount("http://", Adapter())
    get_json(session, server.url)
    with suppress(Unusable):
        fetch_token(session, server.url)
    assert seen == [5.0, 5.0]


def breaks_off(handler: Handler) -> None:
    handler.head(Content_Length="100")
    handler.wfile.write(b'{"a":1}')


def breaks_off_a_chunk(handler: Handler) -> None:
    handler.head(Transfer_Encoding="chunked")
    handler.wfile.write(b'64\r\n{"a":1}')


def hangs_up(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def speaks_another_protocol(handler: Handler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def has_too_many_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Pad: x\r\n" * 1000 + b"\r\n{}")


def has_a_line_too_long(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 100_000 + b"\r\n\r\n{}")


def has_an_odd_chunk(handler: Handler) -> None:
    handler.head(Transfer_Encoding="chunked")
    handler.wfile.write(b"zz\r\n{}\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        breaks_off,
        breaks_off_a_chunk,
        hangs_up,
        speaks_another_protocol,
        has_too_many_headers,
        has_a_line_too_long,
        has_an_odd_chunk,
    ],
)
def test_sec_178_an_answer_that_breaks_the_protocol_is_a_provider_that_is_away(
    server: Server, impatient: Any, answer: Callable[[Handler], None]
) -> None:
    server.answer = answer
    with pytest.raises(ProviderError) as caught, calling("op", "keys"):
        get_json(impatient, server.url)
    assert caught.value.reason == "keys_unreachable"


def test_sec_178_nobody_there_is_a_provider_that_is_away(session: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ProviderError) as caught, calling("op", "metadata"):
        get_json(session, f"http://127.0.0.1:{port}/")
    assert caught.value.reason == "metadata_unreachable"


@pytest.mark.parametrize("proxy", ["127.0.0.1:1", "127.0.0.1:port"])
def test_a_proxy_that_is_away_is_a_provider_that_is_away(
    session: Any, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy}")
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ProviderError) as caught, calling("op", "metadata"):
        get_json(session, "http://127.0.0.1:1/")
    assert caught.value.reason == "metadata_unreachable"


# Who we are.


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~/.netrc that has a word for every host."""
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login thief password hush\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


@pytest.mark.usefixtures("netrc")
def test_what_a_netrc_file_has_is_given_to_nobody(server: Server) -> None:
    with requests.get(server.url, timeout=DEADLINE):
        assert server.received.pop().headers["authorization"].startswith("Basic ")
    with open_session(settings_of()) as session:
        get_json(session, server.url)
        assert "authorization" not in server.received.pop().headers
        get_json(session, server.url, access_token=ACCESS_TOKEN)
        assert server.received.pop().headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
    for method in ("client_secret_post", "none"):
        with open_session(
            settings_of(session_options={"token_endpoint_auth_method": method})
        ) as session:
            fetch_token(session, server.url)
            assert "authorization" not in server.received.pop().headers
            session.revoke_token(server.url, token="t", auth=session.client_auth(method))
            assert "authorization" not in server.received.pop().headers


PAIRS = {
    "plain": ("app", "secret"),
    "a colon": ("app", "s:e:cret"),
    "a colon in the name": ("https://app.test:8443", "secret"),
    "a percent sign": ("app%20", "100%25 secret"),
    "plus and space": ("my app", "a+b c"),
    "all of ASCII": ("app", "".join(map(chr, range(32, 127)))),
    "beyond Latin-1": ("приложение", "пароль ключ"),
    "beyond the first plane": ("app", "\U0001f511"),
    "long": ("a" * 500, "s" * 2000),
}


@pytest.mark.parametrize(("client_id", "secret"), PAIRS.values(), ids=PAIRS)
def test_basic_credentials_are_form_encoded(server: Server, client_id: str, secret: str) -> None:
    # RFC 6749 section 2.3.1.
    with open_session(settings_of(client_id=client_id, client_secret=secret)) as session:
        fetch_token(session, server.url)
    (request,) = server.received
    kind, _, encoded = request.headers["authorization"].partition(" ")
    assert kind == "Basic"
    pair = b64decode(encoded, validate=True).decode("ascii")
    name, colon, word = pair.partition(":")
    assert (unquote_plus(name), colon, unquote_plus(word)) == (client_id, ":", secret)
    assert ":" not in word
    assert "client_secret" not in request.form
    assert request.form == {
        "grant_type": "authorization_code",
        "code": CODE,
        "code_verifier": VERIFIER,
        "redirect_uri": "https://app.test/cb",
    }


@pytest.mark.parametrize(("client_id", "secret"), PAIRS.values(), ids=PAIRS)
def test_posted_credentials_are_members_of_the_form(
    server: Server, client_id: str, secret: str
) -> None:
    preset = Preset(label="Op", auth_method="client_secret_post")
    with open_session(
        settings_of(preset=preset, client_id=client_id, client_secret=secret)
    ) as session:
        fetch_token(session, server.url)
    (request,) = server.received
    assert "authorization" not in request.headers
    assert (request.form["client_id"], request.form["client_secret"]) == (client_id, secret)
    assert (request.form["code"], request.form["code_verifier"]) == (CODE, VERIFIER)


def test_a_client_without_a_secret_says_its_name(server: Server) -> None:
    options = {"token_endpoint_auth_method": "none"}
    with open_session(settings_of(client_secret=None, session_options=options)) as session:
        fetch_token(session, server.url)
    (request,) = server.received
    assert "authorization" not in request.headers
    assert request.form["client_id"] == CLIENT_ID
    assert "client_secret" not in request.form


@pytest.mark.parametrize(
    ("preset", "supported", "method"),
    [
        pytest.param(None, None, "client_secret_basic", id="nobody says"),
        pytest.param(None, [], "client_secret_basic", id="the provider has none"),
        pytest.param(None, ["client_secret_basic"], "client_secret_basic", id="basic"),
        pytest.param(None, ["client_secret_post"], "client_secret_post", id="post"),
        pytest.param(
            None, ["client_secret_post", "client_secret_basic"], "client_secret_basic", id="both"
        ),
        pytest.param(None, ["private_key_jwt"], "client_secret_basic", id="neither"),
        pytest.param(
            "client_secret_post", ["client_secret_basic"], "client_secret_post", id="the preset"
        ),
    ],
)
def test_how_a_client_authenticates(
    preset: str | None, supported: list[str] | None, method: str
) -> None:
    metadata = Metadata(
        issuer="https://id.example.com",
        authorization_endpoint="https://id.example.com/a",
        token_endpoint="https://id.example.com/t",
        auth_methods=None if supported is None else frozenset(supported),
    )
    settings = settings_of(preset=Preset(label="Op", auth_method=preset))
    with open_session(settings, metadata) as session:
        assert session.token_endpoint_auth_method == method


def test_what_the_application_says_of_the_authentication_wins(server: Server) -> None:
    options = {"token_endpoint_auth_method": "client_secret_post"}
    with open_session(settings_of(session_options=options)) as session:
        fetch_token(session, server.url)
    assert server.received[0].form["client_secret"] == SECRET


def test_an_application_may_have_a_method_of_its_own(server: Server) -> None:
    def sign(client: Any, method: str, url: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        headers["X-Signed-By"] = client.client_id
        return url, headers, body

    options = {"token_endpoint_auth_method": "its_own"}
    settings = settings_of(
        client_secret=None, session_options=options, auth_methods=(("its_own", sign),)
    )
    with open_session(settings) as session:
        fetch_token(session, server.url)
    assert server.received[0].headers["x-signed-by"] == CLIENT_ID


def test_an_application_may_mend_what_a_provider_sends(server: Server) -> None:
    def mend(session: Any) -> None:
        def of_answer(response: requests.Response) -> requests.Response:
            token = response.json()["data"]
            response._content = json.dumps(token).encode()
            return response

        session.register_compliance_hook("access_token_response", of_answer)

    server.answers({"data": {"access_token": "a", "token_type": "bearer"}})
    with open_session(settings_of(compliance_fix=mend)) as session:
        assert fetch_token(session, server.url)["access_token"] == "a"


# What a token endpoint answers.


def test_a_token_response_is_handed_on_as_it_came(server: Server, session: Any) -> None:
    tokens = {"access_token": "a", "expires_in": "abc", "expires_at": 7, "more": [1]}
    server.answers(tokens)
    assert fetch_token(session, server.url) == tokens


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(500, {"access_token": "a"}, "token_status", id="SEC-178 500"),
        pytest.param(502, b"<html>", "token_status", id="SEC-178 502 with HTML"),
        pytest.param(201, {"access_token": "a"}, "token_status", id="SEC-178 201"),
        pytest.param(204, b"", "token_status", id="SEC-178 204"),
        pytest.param(200, b"", "not_json", id="SEC-178 nothing"),
        pytest.param(200, b"<html>", "not_json", id="SEC-178 HTML"),
        pytest.param(200, b"garbage", "not_json", id="SEC-178 garbage"),
        pytest.param(200, b"access_token=a&token_type=bearer", "not_json", id="SEC-178 a form"),
        pytest.param(200, b'{"expires_in":1e400}', "not_json", id="SEC-178 1e400"),
        pytest.param(200, b'{"expires_in":NaN}', "not_json", id="SEC-178 NaN"),
        pytest.param(200, ["a"], "not_an_object", id="SEC-178 an array"),
        pytest.param(200, "a", "not_an_object", id="SEC-178 a text"),
        pytest.param(200, None, "not_an_object", id="SEC-178 null"),
        pytest.param(400, b"<html>", "not_json", id="SEC-178 400 with HTML"),
        pytest.param(400, [], "not_an_object", id="SEC-178 400 with an array"),
    ],
)
def test_an_answer_that_holds_no_tokens_is_unusable(
    server: Server, session: Any, status: int, body: object, reason: str
) -> None:
    server.answers(body, status)
    assert fault(lambda: fetch_token(session, server.url)) == reason


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        pytest.param(400, {"error": "invalid_grant"}, "invalid_grant", id="400"),
        pytest.param(401, {"error": "invalid_client"}, "invalid_client", id="401"),
        pytest.param(429, {"error": "slow_down"}, "slow_down", id="429"),
        pytest.param(200, {"error": "bad_verification_code"}, "bad_verification_code", id="200"),
        pytest.param(
            200, {"error": "x", "access_token": "a"}, "x", id="SEC-178 200 with a token beside it"
        ),
        pytest.param(400, {"access_token": "a"}, None, id="SEC-178 400 with a token"),
        pytest.param(400, {}, None, id="SEC-178 an empty object"),
        pytest.param(200, {"error": None}, None, id="SEC-178 null"),
        pytest.param(400, {"error": 7}, None, id="SEC-178 a number"),
        pytest.param(400, {"error": ["invalid_grant"]}, None, id="SEC-178 an array"),
        pytest.param(400, {"error": ""}, None, id="SEC-178 empty"),
        pytest.param(400, {"error": "a b"}, None, id="SEC-178 a sentence"),
        pytest.param(400, {"error": "a\r\nWARNING b"}, None, id="SEC-202 a line of a log"),
        pytest.param(400, {"error": "<script>"}, None, id="SEC-202 a script"),
        pytest.param(400, {"error": "ошибка"}, None, id="SEC-202 of another script"),
        pytest.param(400, {"error": "e" * 100_000}, None, id="SEC-202 very long"),
    ],
)
def test_a_refusal_has_a_code_or_none(
    server: Server, session: Any, status: int, body: object, code: str | None
) -> None:
    server.answers(body, status)
    with pytest.raises(TokenRefused) as caught:
        fetch_token(session, server.url)
    assert caught.value.error == code
    assert str(caught.value) == "token_refused"


# Errors, and what they say.

HUSH = "https://id.example.com/token?code=hush-code&client_secret=hush-client-secret"

ERRORS: dict[str, tuple[Exception, str, str | None]] = {
    "unusable": (Unusable("too_large"), "token_unusable", "too_large"),
    "refused": (TokenRefused("invalid_grant"), "token_refused", "invalid_grant"),
    "refused without a code": (TokenRefused("hush hush"), "token_refused", None),
    "timeout": (requests.ReadTimeout(HUSH), "token_unreachable", "ReadTimeout"),
    "connection": (requests.ConnectionError(HUSH), "token_unreachable", "ConnectionError"),
    "certificate": (requests.exceptions.SSLError(HUSH), "token_unreachable", "SSLError"),
    "URL": (requests.exceptions.InvalidURL(HUSH), "token_unreachable", "InvalidURL"),
    "urllib3": (LocationParseError(HUSH), "token_unreachable", "LocationParseError"),
    "socket": (ConnectionResetError(HUSH), "token_unreachable", "ConnectionResetError"),
    "Authlib": (MissingTokenError(HUSH), "token_unusable", "MissingTokenError"),
    "ValueError": (ValueError(HUSH), "token_unusable", "ValueError"),
    "KeyError": (KeyError(HUSH), "token_unusable", "KeyError"),
    "RecursionError": (RecursionError(HUSH), "token_unusable", "RecursionError"),
}


@pytest.mark.parametrize(("error", "reason", "detail"), ERRORS.values(), ids=ERRORS)
def test_every_error_of_a_call_becomes_a_providers(
    error: Exception, reason: str, detail: str | None
) -> None:
    with pytest.raises(ProviderError) as caught, calling("op", "token"):
        raise error
    found = caught.value
    assert (found.provider, found.reason, found.status) == ("op", reason, 502)
    assert found.detail == detail


@pytest.mark.parametrize(("error", "reason", "detail"), ERRORS.values(), ids=ERRORS)
def test_sec_180_nothing_of_the_first_error_is_shown(
    error: Exception, reason: str, detail: str | None
) -> None:
    with pytest.raises(ProviderError) as caught, calling("op", "token"):
        raise error
    found = caught.value
    shown = "".join(traceback.format_exception(found))
    assert "hush" not in shown.replace(__file__, "")
    assert "hush" not in repr(found) + str(found) + repr(vars(found))
    assert found.__cause__ is None
    assert found.__suppress_context__


def test_a_providers_error_passes_as_it_is() -> None:
    error = ProviderError("op", "keys_unreachable", status=400)
    with pytest.raises(ProviderError) as caught, calling("op", "token"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_what_ends_a_process_is_no_providers_error(error: BaseException) -> None:
    with pytest.raises(type(error)), calling("op", "token"):
        raise error


def test_a_call_that_works_is_left_alone() -> None:
    with calling("op", "token"):
        pass


def refuses(handler: Handler) -> None:
    said = {"error": "invalid_grant", "error_description": f"{CODE} {SECRET}"}
    handler.send(json.dumps(said).encode(), 400)


def echoes(handler: Handler) -> None:
    handler.send(handler.server.received[-1].body.encode(), 500, X_Echo=CODE)


def echoes_with_a_redirect(handler: Handler) -> None:
    handler.send(b"", 302, Location=f"/x?code={CODE}&secret={SECRET}")


@pytest.mark.parametrize(
    "answer", [refuses, echoes, echoes_with_a_redirect, hangs_up, breaks_off, is_silent]
)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_sec_202_a_failed_call_leaves_no_secret_in_errors_and_logs(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[Handler], None],
    method: str,
) -> None:
    server.answer = answer
    options = {"token_endpoint_auth_method": method, "default_timeout": PATIENCE}
    with (
        caplog.at_level(logging.DEBUG),
        open_session(settings_of(session_options=options)) as session,
    ):
        with pytest.raises(ProviderError) as caught, calling("op", "token"):
            fetch_token(session, server.url)
        with pytest.raises(ProviderError) as again, calling("op", "userinfo"):
            get_json(session, server.url, access_token=ACCESS_TOKEN)
    for error in (caught.value, again.value):
        assert "hush" not in "".join(traceback.format_exception(error))
        assert "hush" not in repr(error) + str(error) + repr(vars(error))
    assert "hush" not in caplog.text
    assert "hush" not in repr(session)


def test_sec_202_a_call_that_works_leaves_no_secret_in_the_log(
    server: Server, session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers({"access_token": ACCESS_TOKEN, "refresh_token": "hush-refresh-token"})
    with caplog.at_level(logging.DEBUG):
        fetch_token(session, server.url)
        get_json(session, server.url, access_token=ACCESS_TOKEN)
    assert "hush" not in caplog.text


def test_the_session_is_one_of_authlib_and_requests(session: Any) -> None:
    # For the hooks that an application gives.
    assert isinstance(session, ProviderSession)
    assert isinstance(session, requests.Session)
    assert network.TIMEOUT == 5.0
