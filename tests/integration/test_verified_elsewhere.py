"""Signed tokens at other services: processes that know the URL of our keys and nothing else.

One is in Python with PyJWT's ``PyJWKClient``, one in Node with the ``createRemoteJWKSet`` of jose.
The application is really served, and people sign in there over HTTP.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_jwtsession import Account, sign_in

from ..forged_signatures import ASYMMETRIC, OURS, THEIRS, KeyPair, Signer, mac
from ..forged_tokens import b64, content_key, forge, unb64
from ..support import SECRET, make_app
from ..tools import require_tool

PEERS = Path(__file__).parents[1] / "peers"
NAME = "jwtsession.session-token"
ISSUER = "https://app.test"
#: The services that the application's tokens are for.
AUDIENCES = ["https://app.test", "https://api.test"]
#: Seconds that a process may take for an answer.
PATIENCE = 60.0


class Site:
    """The application at one origin: one configuration after the other, as after a restart."""

    def __init__(self) -> None:
        self.app = Flask("nothing yet")
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def restart(self, *keys: str, **config: Any) -> None:
        """Go on with these keys, of which the first one signs."""
        given = {
            "TOKEN_FORMAT": "signed",
            "SIGNING_KEY": list(keys) or None,
            "ISSUER": ISSUER,
            "AUDIENCE": AUDIENCES,
        }
        app, _ = make_app(**{**given, **config})

        @app.post("/sign-in")
        def enter() -> str:
            account = Account(provider="example", type="oidc", provider_account_id="4711")
            sign_in({"name": "Zoë 🦊"}, account=account, claims={"roles": ["admin"]})
            return "signed in"

        self.app = app

    def sign_in(self) -> str:
        """The access cookie of somebody who signs in."""
        with requests.Session() as browser:
            browser.trust_env = False  # no proxy is asked for loopback
            response = browser.post(f"{self.origin}/sign-in", timeout=30)
        assert response.status_code == 200, response.text
        token = response.cookies.get(NAME)
        assert token is not None
        return token

    def _serve(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as the base
        """Nothing: the tests look at answers."""


class Service:
    """Another service, a process of its own. It lives as long as the block."""

    def __init__(self, command: list[str], *arguments: str) -> None:
        self._command = [*command, *arguments]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            # It is told nothing but its arguments.
            env={"PATH": os.environ["PATH"], "no_proxy": "*"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says, to a service that accepts it."""
        answer = self._ask(token=token)
        assert answer.keys() == {"claims"}, answer
        claims: dict[str, Any] = answer["claims"]
        return claims

    def refusal(self, token: str) -> str:
        """Why a token is not accepted, in the words of the library."""
        answer = self._ask(token=token)
        assert answer.keys() == {"error"}, answer
        return str(answer["error"])

    def accepts(self, token: str) -> bool:
        return "claims" in self._ask(token=token)

    def wait(self, seconds: float) -> None:
        """Move the clock by which it judges whether the keys it has are fresh."""
        assert self._ask(seconds=seconds) == {}

    def _ask(self, **asked: object) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        give_up = threading.Timer(PATIENCE, self._process.kill)
        give_up.start()
        try:
            stdin.write(json.dumps(asked) + "\n")
            stdin.flush()
            line = stdout.readline()
        finally:
            give_up.cancel()
            give_up.join()
        assert line, "the service ended, or took too long"
        answer: dict[str, Any] = json.loads(line)
        return answer


def python_service() -> list[str]:
    # Isolated: the folder that the tests run in is none of its business.
    return [sys.executable, "-I", str(PEERS / "pyjwt_service.py")]


def node_service() -> list[str]:
    node = require_tool("node", shutil.which("node"), "install Node.js 20 or later")
    installed = PEERS / "jose" / "node_modules" / "jose"
    require_tool(
        "jose",
        str(installed) if installed.is_dir() else None,
        "npm install --no-package-lock --no-audit --no-fund --prefix tests/peers/jose",
    )
    return [node, str(PEERS / "jose" / "verify.mjs")]


@pytest.fixture(params=[python_service, node_service], ids=["PyJWT", "jose"])
def command(request: pytest.FixtureRequest) -> list[str]:
    make: Callable[[], list[str]] = request.param
    return make()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def open_service(command: list[str], site: Site) -> Iterator[Callable[..., Service]]:
    """Starts a service that takes these algorithms."""
    with ExitStack() as running:

        def start(*algorithms: str, audience: str = AUDIENCES[1], issuer: str = ISSUER) -> Service:
            keys = f"{site.origin}/auth/jwks.json"
            service = Service(command, keys, issuer, audience, ",".join(algorithms))
            return running.enter_context(service)

        yield start


def with_payload(token: str, **claims: object) -> str:
    """The token with other claims under its old signature."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(unb64(payload)), **claims}
    return f"{header}.{b64(json.dumps(changed).encode())}.{signature}"


def signed_again(signer: Signer, token: str, **claims: object) -> str:
    """A token with the claims of another one, and with these."""
    found = {**json.loads(unb64(token.split(".")[1])), **claims}
    return signer.token(json.dumps(found).encode())


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_another_service_verifies_the_cookie_with_nothing_but_that_url(
    site: Site, open_service: Callable[..., Service], algorithm: str
) -> None:
    site.restart(OURS[algorithm].pem)
    token = site.sign_in()
    claims = open_service(algorithm).claims(token)
    assert claims == json.loads(unb64(token.split(".")[1]))
    assert claims.items() >= {"iss": ISSUER, "sub": "example|4711", "name": "Zoë 🦊"}.items()
    assert (claims["aud"], claims["roles"]) == (AUDIENCES, ["admin"])
    # It can carry our own block on, but not read it.
    assert len(claims["_session"].split(".")) == 5
    assert open_service(algorithm, audience=AUDIENCES[0]).accepts(token)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_it_refuses_a_tampered_token_and_one_of_an_unknown_key(
    site: Site, open_service: Callable[..., Service], algorithm: str
) -> None:
    """With the rules that every service should have: algorithms, issuer, audience and type."""
    ours, theirs = OURS[algorithm], THEIRS[algorithm]
    site.restart(ours.pem)
    token = site.sign_in()
    service = open_service(algorithm)
    assert service.accepts(
        signed_again(ours, token)
    )  # what is refused below is not so for its form
    refused = {
        "other claims": with_payload(token, roles=["owner"]),
        "another signature": f"{token.rpartition('.')[0]}.{b64(ours.sign(b'else'))}",
        "no signature": f"{token.rpartition('.')[0]}.",
        "unknown key": signed_again(theirs, token),
        "unknown key under our kid": signed_again(Signer(algorithm, ours.kid, theirs.sign), token),
        "public key as a secret": signed_again(
            Signer("HS256", ours.kid, mac(ours.public_bytes(Encoding.PEM))), token
        ),
        "unsecured": signed_again(Signer("none", ours.kid, lambda _: b""), token),
        "expired": signed_again(ours, token, exp=1),
        "of another issuer": signed_again(ours, token, iss="https://evil.example"),
        "for somebody else": signed_again(ours, token, aud=["https://other.test"]),
        "something else of ours": ours.token(unb64(token.split(".")[1]), ours.header(typ="at+jwt")),
        "encrypted": forge(content_key(SECRET, NAME), unb64(token.split(".")[1])),
    }
    assert {name for name, one in refused.items() if service.accepts(one)} == set()
    assert service.accepts(token)  # and it still knows a good one


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_service_that_is_not_named_refuses_the_token(
    site: Site, open_service: Callable[..., Service], algorithm: str
) -> None:
    site.restart(OURS[algorithm].pem)
    token = site.sign_in()
    other = open_service(algorithm, audience="https://other.test")
    assert other.refusal(token) in ("InvalidAudienceError", "ERR_JWT_CLAIM_VALIDATION_FAILED")
    foreign = open_service(algorithm, issuer="https://other.test")
    assert foreign.refusal(token) in ("InvalidIssuerError", "ERR_JWT_CLAIM_VALIDATION_FAILED")


#: From which key to which: the same kind, and each other one.
ROTATIONS = [
    *((OURS[algorithm], THEIRS[algorithm]) for algorithm in ASYMMETRIC),
    (OURS["RS256"], OURS["ES256"]),
    (OURS["ES256"], OURS["EdDSA"]),
]


@pytest.mark.parametrize(
    ("old", "new"), ROTATIONS, ids=[f"{old.algorithm} to {new.algorithm}" for old, new in ROTATIONS]
)
def test_after_a_rotation_a_service_that_went_on_verifies_old_and_new_tokens(
    site: Site, open_service: Callable[..., Service], old: KeyPair, new: KeyPair
) -> None:
    """One that is never restarted, and asks for the keys again when its library wants to."""
    service = open_service(*{old.algorithm, new.algorithm})
    site.restart(old.pem)
    of_old = site.sign_in()
    assert service.accepts(of_old)
    # The new key is published for as long as anybody may keep the old set, then it signs.
    site.restart(old.pem, new.public_pem)
    service.wait(301)
    assert service.accepts(of_old)
    assert service.accepts(site.sign_in())
    site.restart(new.pem, old.public_pem)
    of_new = site.sign_in()
    assert of_new.split(".")[0] != of_old.split(".")[0]
    assert service.accepts(of_new)
    assert service.accepts(of_old)
    # A service that starts now knows both as well.
    late = open_service(*{old.algorithm, new.algorithm})
    assert late.accepts(of_old)
    assert late.accepts(of_new)
    # When the last old token is over, the old key goes.
    site.restart(new.pem)
    service.wait(601)
    assert service.accepts(of_new)
    assert not service.accepts(of_old)


def test_a_service_finds_no_key_where_tokens_are_signed_with_a_secret(
    site: Site, open_service: Callable[..., Service]
) -> None:
    site.restart()
    token = site.sign_in()
    assert open_service("HS256", *ASYMMETRIC).refusal(token) in (
        "PyJWKClientConnectionError",
        "ERR_JOSE_GENERIC",
    )
