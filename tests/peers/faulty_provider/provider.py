"""An OpenID provider on loopback that does everything right, until a fault is switched on."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, request
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .authorization_server import Client, Grant, Ledger, authorization_server
from .fault import Endpoint, Fault
from .faults import FAULTS
from .jws import half_hash, jws
from .keys import SigningKey, signing_key
from .refresh_faults import REFRESH_FAULTS

#: Threads that serve have this name, so that a test can tell their log lines from others.
THREAD_NAME = "faulty provider"
#: A secret shorter than this is none that a log could be searched for.
_SHORTEST_SECRET = 16

_PATHS: dict[str, Endpoint] = {
    "/.well-known/openid-configuration": "metadata",
    "/jwks": "jwks",
    "/authorize": "authorize",
    "/token": "token",
    "/userinfo": "userinfo",
    "/revoke": "revoke",
    "/logout": "end_session",
}
_NONE = Fault(row="none")
_ALL_FAULTS = {**FAULTS, **REFRESH_FAULTS}


@dataclass(frozen=True)
class Received:
    """A request that came in. One that brings a refresh token came to ``"token"``."""

    endpoint: Endpoint
    method: str
    path: str
    query: MultiDict[str, str]
    form: MultiDict[str, str]
    headers: Headers


@dataclass(frozen=True)
class Hold:
    """An answer that waits: ``arrived`` is set when it is ready to go, and the test sets
    ``go_on``.
    """

    arrived: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


class FaultyProvider:
    """A whole provider; ``with FaultyProvider() as provider`` starts and stops it.

    ``clock`` is epoch seconds and dates its tokens. It approves every authorization request
    without a page, and knows one confidential client (``client_id``, ``client_secret``) and one
    public one (``public_client_id``). Refresh tokens are good once, and one that comes again takes
    everything with it that came of the same sign-in; unless ``rotates`` is False.
    """

    client_id = "app"
    public_client_id = "public-app"
    client_secret: str
    port: int

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.client_secret = secrets.token_urlsafe(32)
        self.keys: list[SigningKey] = [signing_key("op-1")]
        self._key: SigningKey | None = None
        self.user: dict[str, Any] = {
            "sub": "u-1",
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "email_verified": True,
            "picture": "https://op.example/ada.png",
        }
        self.session_id = secrets.token_urlsafe(16)
        self.seconds_since_sign_in = 0.0
        #: Whether the answer to a refresh has an id_token too.
        self.id_token_at_refresh = False
        self.fault: str | None = None
        self.received: list[Received] = []
        #: Set when the test is over: lets go of the answers that hang.
        self.released = threading.Event()
        self.port = 0
        self._told: set[str] = {self.client_secret}
        self._ledger = Ledger(
            {
                self.client_id: Client(self.client_id, self.client_secret),
                self.public_client_id: Client(self.public_client_id, None),
            },
            lambda: self.clock(),
        )
        # Two refreshes with one token are one after the other, as strict providers see to it.
        self._redeeming = threading.Lock()
        self._hold: Hold | None = None
        self._app = Flask(__name__)
        self._app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        self._app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": 3600}
        self._oauth: Any = authorization_server(
            self._app, self._ledger, self._finish_token_response
        )
        self._app.add_url_rule("/", "any", self._serve, methods=["GET", "POST"])
        self._app.add_url_rule("/<path:_>", "any", self._serve, methods=["GET", "POST"])
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    # Starting and stopping.

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.released.set()
        self._stop()

    @contextmanager
    def holding_refreshes(self) -> Iterator[Hold]:
        """Inside of the block refreshes are done, but nobody hears of it before ``go_on`` is set,
        or the block ends.
        """
        self._hold = hold = Hold()
        try:
            yield hold
        finally:
            self._hold = None
            hold.go_on.set()

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        """The fault of that name is switched on inside of the block."""
        assert fault in _ALL_FAULTS, f"there is no fault {fault!r}"
        before, self.fault = self.fault, fault
        try:
            yield
        finally:
            self.fault = before

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens inside of the block: connections are refused."""
        self._stop()
        # Bound, but not listening: nobody else gets the port meanwhile.
        with socket.socket() as placeholder:
            placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            placeholder.bind(("127.0.0.1", self.port))
            try:
                yield
            finally:
                placeholder.close()
                self._start()

    # What it is, and what happened.

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rotates(self) -> bool:
        return self._ledger.rotates

    @rotates.setter
    def rotates(self, rotates: bool) -> None:
        self._ledger.rotates = rotates

    @property
    def access_token_lifetime(self) -> float:
        """Seconds, of the access tokens that are given out from now on."""
        return self._ledger.access_token_lifetime

    @access_token_lifetime.setter
    def access_token_lifetime(self, seconds: float) -> None:
        self._ledger.access_token_lifetime = seconds

    def is_live(self, token: str | None) -> bool:
        """Whether an access token, or a refresh token, would be accepted now."""
        return token is not None and self._ledger.is_live(token)

    @property
    def live_tokens(self) -> frozenset[str]:
        """All tokens that would be accepted now."""
        return frozenset(token for token in list(self._ledger.tokens) if self.is_live(token))

    @property
    def key(self) -> SigningKey:
        """The key that signs: the newest."""
        return self._key or self.keys[-1]

    def url(self, endpoint: Endpoint) -> str:
        path = next(path for path, name in _PATHS.items() if name == endpoint)
        return self.issuer + path

    def elsewhere(self, host: str | None = None) -> str:
        """A URL that answers the current request just as well, and under which it must not come."""
        return self.elsewhere_for(request.path, host)

    def elsewhere_for(self, path: str, host: str | None = None) -> str:
        return f"http://{host or '127.0.0.1'}:{self.port}/elsewhere{path}"

    @contextmanager
    def signing_with(self, key: SigningKey) -> Iterator[None]:
        """Sign with ``key`` inside of the block, whatever is published."""
        before, self._key = self._key, key
        try:
            yield
        finally:
            self._key = before

    def rotate_keys(self, kid: str) -> None:
        """Sign with a new key from now on; the old one is gone."""
        self.keys = [signing_key(kid)]

    def count(self, endpoint: Endpoint) -> int:
        return len(self.requests_to(endpoint))

    def requests_to(self, endpoint: Endpoint) -> list[Received]:
        if endpoint == "refresh":
            return [one for one in self.requests_to("token") if _is_refresh(one.form)]
        return [one for one in self.received if one.endpoint == endpoint]

    @property
    def secrets_told(self) -> frozenset[str]:
        """Everything that nobody but the application and this provider may know: the client
        secret, codes, verifiers and every token that was handed out.
        """
        return frozenset(secret for secret in self._told if len(secret) >= _SHORTEST_SECRET)

    @property
    def metadata(self) -> dict[str, Any]:
        """The honest discovery document (OpenID Connect Discovery 1.0 section 3)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "userinfo_endpoint": self.url("userinfo"),
            "jwks_uri": self.url("jwks"),
            "revocation_endpoint": self.url("revoke"),
            "end_session_endpoint": self.url("end_session"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    # Endpoints.

    def _serve(self, _: str = "") -> Response:
        elsewhere, path = request.path.startswith("/elsewhere/"), request.path
        path = path.removeprefix("/elsewhere") if elsewhere else path
        endpoint = _PATHS.get(path)
        self.received.append(
            Received(
                "elsewhere" if elsewhere or endpoint is None else endpoint,
                request.method,
                request.full_path,
                request.args,
                request.form,
                Headers(request.headers),
            )
        )
        if endpoint is None:
            return Response("not found", 404)
        # Elsewhere everything is in order; what is wrong is that anybody asks there.
        fault = _NONE if elsewhere or self.fault is None else _ALL_FAULTS[self.fault]
        if endpoint == "token" and _is_refresh(request.form):
            endpoint = "refresh"
        honest: Callable[[Fault], Response] = getattr(self, f"_{endpoint}")
        response = honest(fault)
        if endpoint in fault.answers:
            response = fault.answers[endpoint](self, response)
        hold = self._hold
        if endpoint == "refresh" and hold is not None:
            hold.arrived.set()
            hold.go_on.wait(timeout=30)
        return response

    def _metadata(self, fault: Fault) -> Response:
        return self._json(fault, "metadata", self.metadata)

    def _jwks(self, fault: Fault) -> Response:
        return self._json(fault, "jwks", {"keys": [key.jwk for key in self.keys]})

    def _authorize(self, fault: Fault) -> Response:
        try:
            grant = self._oauth.get_consent_grant(end_user="the one user")
        except OAuth2Error as error:
            return Response(f"{error.error}: {error.description}", 400)
        response: Response = self._oauth.create_authorization_response(
            grant_user="the one user", grant=grant
        )
        parts = urlsplit(response.location or "")
        params = [*parse_qsl(parts.query, keep_blank_values=True), ("iss", self.issuer)]
        self._told.update(value for name, value in params if name == "code")
        if fault.callback is not None:
            params = fault.callback(self, params)
        response.location = urlunsplit(parts._replace(query=urlencode(params)))
        return response

    def _token(self, fault: Fault) -> Response:
        self._told.update(request.form.getlist("code_verifier"))
        response: Response = self._oauth.create_token_response()
        if response.status_code != 200:
            return response
        answer = json.loads(response.get_data())
        claims = answer.pop("claims")
        if "openid" in answer["scope"].split():
            claims["at_hash"] = half_hash(answer["access_token"])
            if fault.id_token is not None:
                answer["id_token"] = fault.id_token(self, claims)
            else:
                answer["id_token"] = jws(claims, self.key)
        return self._tokens(fault, "token", answer)

    def _refresh(self, fault: Fault) -> Response:
        if not fault.refreshes:
            # Of what it does not say anything depends on: it says something else anyway.
            return self._json(fault, "refresh", {})
        with self._redeeming:
            response: Response = self._oauth.create_token_response()
        if response.status_code != 200:
            return response
        answer = json.loads(response.get_data())
        claims = answer.pop("claims")
        claims["at_hash"] = half_hash(answer["access_token"])
        if fault.id_token is not None:
            answer["id_token"] = fault.id_token(self, claims)
        elif self.id_token_at_refresh:
            answer["id_token"] = jws(claims, self.key)
        return self._tokens(fault, "refresh", answer)

    def _tokens(self, fault: Fault, endpoint: Endpoint, answer: dict[str, Any]) -> Response:
        changed = self._json(fault, endpoint, answer)
        self._told.update(
            value
            for name, value in answer.items()
            if name.endswith("_token") and type(value) is str
        )
        return changed

    def _userinfo(self, fault: Fault) -> Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not self.is_live(token):
            return Response("who are you?", 401, {"WWW-Authenticate": "Bearer"})
        return self._json(fault, "userinfo", dict(self.user))

    def _revoke(self, fault: Fault) -> Response:
        response: Response = self._oauth.create_endpoint_response("revocation")
        return response

    def _end_session(self, fault: Fault) -> Response:
        target = request.values.get("post_logout_redirect_uri")
        if target is None:
            return Response("signed out")
        query = urlencode({"state": request.values.get("state", "")})
        return Response("", 302, {"Location": f"{target}?{query}"})

    def _finish_token_response(self, token: dict[str, Any], grant: Grant, is_refresh: bool) -> None:
        """Put the claims of the id_token into the token response, from where `_token` and
        `_refresh` take them.
        """
        now = int(self.clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": grant.client_id,
            "sub": self.user["sub"],
            "sid": self.session_id,
            "iat": now,
            "exp": now + 300,
        }
        if grant.nonce is not None and not is_refresh:  # OpenID Connect Core section 12.2
            claims["nonce"] = grant.nonce
        if grant.asked_for_auth_time:
            claims["auth_time"] = int(now - self.seconds_since_sign_in)
        token["expires_in"] = self.access_token_lifetime
        token["claims"] = claims

    def _json(self, fault: Fault, endpoint: Endpoint, honest: dict[str, Any]) -> Response:
        value: Any = honest
        if endpoint in fault.bodies:
            value = fault.bodies[endpoint](self, honest)
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        # Nobody should keep a cookie of it, and bring it along the next time.
        headers: Mapping[str, str] = {"Cache-Control": "no-store", "Set-Cookie": "seen=1; Path=/"}
        return Response(content, headers=headers, content_type="application/json")

    # The server.

    def _start(self) -> None:
        server = make_server(
            "127.0.0.1", self.port, self._wsgi, threaded=True, request_handler=_Quiet
        )
        # So that closing the server waits for its answers: none may outlive the test.
        server.daemon_threads = False  # type: ignore[attr-defined]
        self.port = server.server_port
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, name=THREAD_NAME
        )
        self._thread.start()

    def _stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def _wsgi(self, environ: Any, start_response: Any) -> Any:
        threading.current_thread().name = THREAD_NAME
        return self._app(environ, start_response)


def _is_refresh(form: MultiDict[str, str]) -> bool:
    return form.get("grant_type") == "refresh_token"


class _Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as the base
        pass
