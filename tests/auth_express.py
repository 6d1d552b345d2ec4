"""Express with the published @auth/express, a Flask application behind it, and who visits both."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from threading import Thread
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask, jsonify, render_template_string, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    current_session,
    fresh_login_required,
    login_required,
    sign_out,
    update_session,
)

from .node_server import DEADLINE, NodeServer
from .support import SECRET, binding_of, make_app, unseal

PLAIN = "authjs.session-token"
SECURE = "__Secure-authjs.session-token"

#: Who can sign in at either, with the password "ok": the same people, with the same keys.
PEOPLE = {
    "ada": {"id": "7", "name": "Ada", "email": "ada@example.com", "roles": ["editor"]},
    "grace": {"id": "8", "name": "Grace", "email": "grace@example.com", "roles": ["reader"]},
}

_NOTES = """
<!doctype html>
<title>Notes at Flask</title>
<h1>Notes at Flask</h1>
<p id="who">{{ current_user.name or 'nobody' }}</p>
<a href="/notes">Notes at Express</a>
<a href="{{ url_for('jwtsession.signout', callbackUrl='/') }}">Sign out</a>
"""

_LIVE = """
<!doctype html>
<title>Live at Flask</title>
<h1>Live at Flask</h1>
<p id="who">{{ current_user.name or 'nobody' }}</p>
{{ jwtsession_script() }}
<script type="module">
  import { getSnapshot, subscribe } from "/flask/auth/client.js";
  subscribe(() => {
    document.querySelector("#who").textContent = getSnapshot()?.user?.name ?? "nobody";
  });
</script>
"""


class AuthExpress(NodeServer):
    """The Node process; ``with AuthExpress() as express`` starts and stops it. It is the front:
    what is below ``/flask/`` it passes on to the Flask application. Without Node or the package the
    test is skipped.

    :ivar origin: of both applications, for a browser
    :ivar https_origin: the same over TLS, with a certificate that nobody vouches for
    """

    def __init__(self) -> None:
        super().__init__("auth_express", "@auth/express")
        self.origin = self.https_origin = ""
        self._control_url = ""

    def argument(self) -> Any:
        return _self_signed()

    def listens(self, said: dict[str, Any]) -> None:
        self.origin = f"http://localhost:{said['port']}"
        self.https_origin = f"https://localhost:{said['tls']}"
        self._control_url = f"http://127.0.0.1:{said['control']}"

    def apply(self, **settings: Any) -> None:
        """These settings from now on, and the defaults for all others: see ``server.mjs``."""
        answer = self.control.put(f"{self._control_url}/settings", json=settings, timeout=DEADLINE)
        assert answer.status_code == 200, answer.text

    def complaints(self) -> list[str]:
        """What Auth.js has logged since the last settings, by the names of its errors."""
        answer = self.control.get(f"{self._control_url}/complaints", timeout=DEADLINE)
        complaints: list[str] = answer.json()
        return complaints


def _self_signed() -> dict[str, str]:
    """A key and a certificate of ``localhost``, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    day = datetime.timedelta(days=1)
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {"key": private.decode(), "cert": certificate.decode()}


@dataclass
class Site:
    """Both applications, at one origin."""

    express: AuthExpress
    app: Flask
    auth: JWTSession
    port: int
    #: Of Express.
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.express.origin

    def set_express(self, **settings: Any) -> None:
        """Change settings of Express; the others stay as they are."""
        self.settings |= settings
        self.express.apply(flask=self.port, **self.settings)

    def advance(self, seconds: float) -> None:
        """So much time passes, at both."""
        clock = binding_of(self.app).clock
        binding_of(self.app).clock = lambda: clock() + seconds
        self.set_express(ahead=self.settings.get("ahead", 0) + seconds)

    def visitor(self, *, https: bool = False) -> Visitor:
        """A browser in which nobody is signed in."""
        return Visitor(self, https=https)

    def signed_in(self, where: str, username: str = "ada", *, https: bool = False) -> Visitor:
        """The browser of somebody who has signed in.

        :param where: ``"express"`` or ``"flask"``
        """
        visitor = self.visitor(https=https)
        visitor.sign_in(where, username)
        return visitor


@contextmanager
def serving(
    express: AuthExpress,
    *,
    settings: Mapping[str, Any] | None = None,
    proxy_fix: bool = False,
    **config: Any,
) -> Iterator[Site]:
    """A Flask application behind ``express``.

    :param settings: of Express; the secret is that of Flask unless they say otherwise
    :param proxy_fix: whether it is from headers that Flask knows its origin, and not from
        ``BASE_URL``
    :param config: of Flask, without the prefix
    """
    app, auth = make_app(
        None,
        **{
            "COOKIE_PREFIX": "authjs",
            "URL_PREFIX": "/flask/auth",
            "BASE_URL": None if proxy_fix else express.origin,
            "CLIENT_UPDATE_FIELDS": ["name", "company", "notes"],
            **config,
        },
    )
    _add_people(auth)
    _add_views(app)
    if proxy_fix:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        site = Site(express, app, auth, server.port)
        site.set_express(**{"secrets": [SECRET], **(settings or {})})
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _add_people(auth: JWTSession) -> None:
    @auth.credentials
    def check(credentials: dict[str, Any]) -> dict[str, Any] | None:
        found = PEOPLE.get(credentials.get("username", ""))
        return found if credentials.get("password") == "ok" else None

    @auth.jwt_callback
    def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
        if event.trigger == "sign_in" and event.user is not None:
            token["roles"] = event.user.get("roles")
        return {**token, **event.data}

    @auth.session_callback
    def session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        session["user"] |= {"id": token.get("sub"), "roles": token.get("roles")}
        return {**session, "desk": token.get("desk"), "company": token.get("company")}


def _add_views(app: Flask) -> None:
    @app.get("/flask/notes")
    @login_required
    def notes() -> str:
        return render_template_string(_NOTES)

    @app.get("/flask/open")
    def open_to_all() -> str:
        return render_template_string(_NOTES)

    @app.get("/flask/live")
    def live() -> str:
        return render_template_string(_LIVE)

    @app.get("/flask/payment")
    @fresh_login_required
    def payment() -> str:
        return "<h1>Paid</h1>"

    @app.get("/flask/who")
    def who() -> Any:
        return jsonify(dict(current_session) or None)

    @app.get("/flask/claims")
    def claims() -> Any:
        return jsonify(dict(current_session.token) or None)

    @app.post("/flask/update")
    @login_required
    def update() -> Any:
        return jsonify(dict(update_session(request.get_json())))

    @app.post("/flask/leave")
    def leave() -> str:
        sign_out()
        return ""


class Visitor:
    """A browser without a screen and without a clock: it keeps the cookies that it gets, and sends
    what a browser sends with a fetch of a page of its origin.

    With ``https`` it comes by way of a proxy that ends TLS.
    """

    def __init__(self, site: Site, *, https: bool = False) -> None:
        self.site = site
        self.https = https
        self.cookies: dict[str, str] = {}
        self.headers = {"Sec-Fetch-Site": "same-origin"}
        if https:
            self.headers["X-Forwarded-Proto"] = "https"

    @property
    def session_cookie(self) -> str:
        return SECURE if self.https else PLAIN

    @property
    def session_cookies(self) -> dict[str, str]:
        """The session cookie, or its chunks."""
        return {
            name: value
            for name, value in self.cookies.items()
            if name.startswith(self.session_cookie)
        }

    @property
    def token(self) -> str:
        """The token that the cookies are."""
        return "".join(self.session_cookies[name] for name in sorted(self.session_cookies))

    def claims(self) -> dict[str, Any]:
        """All that the token says, with what only this package's own code sees of it."""
        return unseal(self.site.app, self.token, https=self.https)

    def copy(self) -> Visitor:
        """Somebody who has the same cookies."""
        other = Visitor(self.site, https=self.https)
        other.cookies = dict(self.cookies)
        other.headers = dict(self.headers)
        return other

    def get(self, path: str, **headers: str) -> requests.Response:
        return self._send("GET", path, headers)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        body: Any = None,
        **headers: str,
    ) -> requests.Response:
        """POST a form, or a JSON ``body``; headers with ``_`` for ``-``."""
        return self._send("POST", path, headers, data=form, json=body)

    def sign_in(self, where: str, username: str = "ada") -> None:
        form = {"username": username, "password": "ok", "csrfToken": self.csrf_token(where)}
        answer = self.post(f"{BELOW[where]}/callback/credentials", form)
        assert answer.status_code == 302, answer.text
        assert self.session_cookies

    def sign_out(self, where: str) -> None:
        answer = self.post(f"{BELOW[where]}/signout", {"csrfToken": self.csrf_token(where)})
        assert answer.status_code == 302, answer.text

    def session(self, where: str) -> Any:
        """``GET …/session``, with which Auth.js issues the token anew each time."""
        answer = self.get(f"{BELOW[where]}/session")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def update(self, where: str, data: Mapping[str, Any]) -> Any:
        """``POST …/session``."""
        body = {"csrfToken": self.csrf_token(where), "data": data}
        answer = self.post(f"{BELOW[where]}/session", body=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def update_in_view(self, **data: Any) -> Any:
        """Flask's ``update_session``."""
        answer = self.post("/flask/update", body=data)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def csrf_token(self, where: str) -> str:
        return str(self.get(f"{BELOW[where]}/csrf").json()["csrfToken"])

    def knows(self, where: str) -> str | None:
        """Who is signed in there, by a page that writes no cookie unless it has to."""
        session = self.get({"express": "/who", "flask": "/flask/who"}[where]).json()
        return None if session is None else str(session["user"]["name"])

    def known(self) -> tuple[str | None, str | None]:
        """Who is signed in at Express and at Flask."""
        return self.knows("express"), self.knows("flask")

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], **content: Any
    ) -> requests.Response:
        sent = {**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with requests.Session() as connection:
            connection.trust_env = False
            connection.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            answer = connection.request(
                method,
                self.site.origin + path,
                headers=sent,
                allow_redirects=False,
                timeout=DEADLINE,
                **content,
            )
        # Whatever the two think of each other's sessions.
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
        for line in answer.raw.headers.getlist("Set-Cookie"):
            self._keep(line)
        return answer

    def _keep(self, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        assert ("Secure" in attributes) is self.https, line
        assert "HttpOnly" in attributes
        assert "Path=/" in attributes
        assert "SameSite=Lax" in attributes
        assert len(line) <= 4096
        self.cookies.pop(name, None)
        if "Max-Age=0" not in attributes:
            self.cookies[name] = value


#: The endpoints.
BELOW = {"express": "/auth", "flask": "/flask/auth"}
