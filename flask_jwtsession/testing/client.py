"""Flask's test client, for people who are signed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, overload
from urllib.parse import urlsplit

from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse, create_environ

from ..config import DEFAULT_PREFIX
from ..cookies import Cookie, candidates
from ..exceptions import TokenInvalid
from ..lifecycle import sign_in as beginning
from ..lifecycle.binding import current_binding
from ..lifecycle.looking import onlooker, session_of
from ..lifecycle.state import RequestSession, state_of
from ..session import Account, Session
from .flaws import FLAWS, Flaw, spoiled

if TYPE_CHECKING:
    from ..extension import JWTSession


class JWTSessionClient(FlaskClient):
    """A test client that signs people in without the sign-in page.

    ::

        client = JWTSessionClient(app)

    or ``app.test_client_class = JWTSessionClient``, and ``app.test_client()`` makes them.

    In all methods ``auth`` is the instance that is meant, by default the one with the prefix
    ``JWTSESSION``; ``base_url`` is the origin that the client is at, as for its requests, and
    decides over the cookie's name (``https``) and domain.
    """

    def __init__(self, application: Flask, *args: Any, **kwargs: Any) -> None:
        if not args:
            kwargs.setdefault("response_wrapper", application.response_class)
        super().__init__(application, *args, **kwargs)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def sign_in(
        self,
        user: Mapping[str, Any],
        *,
        account: Account | None = None,
        profile: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        refresh_claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
        auth: JWTSession | None = None,
        base_url: str | None = None,
    ) -> Session:
        """Sign ``user`` in, as :func:`flask_jwtsession.sign_in` does: the application's callbacks
        decide over it, its signals are sent, and the session that was there is replaced.

        It is in a request to no view: ``before_request`` and ``after_request`` functions do not
        run, and what a callback puts into ``flask.session`` is lost.

        :param fresh: with False every ``fresh_login_required`` asks the person to sign in once more
        :raises SignInRefused: a callback refused
        """
        with self._request(auth, base_url, looks=False) as state:
            session = beginning.sign_in(
                state,
                user,
                account=account,
                profile=profile,
                claims=claims,
                refresh_claims=refresh_claims,
                fresh=fresh,
            )
            self._take(state.lines)
        return session

    @overload
    def get_session(
        self,
        response: None = None,
        *,
        auth: JWTSession | None = ...,
        base_url: str | None = ...,
    ) -> Session: ...
    @overload
    def get_session(
        self,
        response: TestResponse,
        *,
        auth: JWTSession | None = ...,
        base_url: str | None = ...,
    ) -> Session | None: ...
    def get_session(
        self,
        response: TestResponse | None = None,
        *,
        auth: JWTSession | None = None,
        base_url: str | None = None,
    ) -> Session | None:
        """The session of the cookie that the client holds; falsy if that is nobody's. With a
        ``response``, the session that it set, or one of those that redirected to it: falsy if they
        deleted it, None if they left the cookie alone.

        It is a look: the session callback makes the public session; the jwt callback and the
        ``user_loader`` are not asked, nothing is refreshed or issued again. Of a pair it is the
        access cookie's session.
        """
        if response is None:
            with self._request(auth, base_url) as state:
                return session_of(state)
        found: Session | None = None
        for one in (*response.history, response):
            session = _session_in(self.application, one, _prefix_of(auth))
            found = found if session is None else session
        return found

    def spoil_session(
        self, flaw: Flaw, *, auth: JWTSession | None = None, base_url: str | None = None
    ) -> None:
        """Replace the session's cookie, or both of a pair, by one with a flaw: ``"expired"``,
        ``"tampered"``, or ``"other_secret"``, made by somebody with another secret.

        :raises ValueError: the client is not signed in
        """
        if flaw not in FLAWS:
            raise ValueError(f"a flaw is one of {', '.join(map(repr, FLAWS))}, got {flaw!r}")
        with self._request(auth, base_url) as state:
            cookies = state.cookies.session_cookies
        spoilt = [self._spoil(cookie, flaw, auth, base_url) for cookie in cookies]
        if not any(spoilt):
            raise ValueError("this client has no session cookie that is good; sign in first")

    def _spoil(
        self, cookie: Cookie, flaw: Flaw, auth: JWTSession | None, base_url: str | None
    ) -> bool:
        with self._request(auth, base_url, path=cookie.path) as state:
            settings, now = state.binding.settings, state.binding.clock()
            sent = state.sent(cookie)
            try:
                text = next(iter(candidates(sent, cookie)), None)
                if text is None:
                    return False
                bad = spoiled(text, flaw, cookie, settings, now)
            except TokenInvalid:
                return False  # it is no good as it is
            # The browser still has it: what is over is the token.
            lines = cookie.set_lines(bad, sent=sent, expires=now + 3600, now=now)
            self._take(lines)
        return True

    @contextmanager
    def _request(
        self,
        auth: JWTSession | None,
        base_url: str | None,
        *,
        path: str | None = None,
        looks: bool = True,
    ) -> Iterator[RequestSession]:
        """A request of this client, in which no view runs.

        :param path: whose cookies it brings; by default the session cookie's
        :param looks: whether nothing is to be changed
        """
        if self._cookies is None:
            raise TypeError("this client keeps no cookies; make it with use_cookies=True")
        with self.application.app_context():
            binding = current_binding(_prefix_of(auth))
        with self.application.test_request_context(
            base_url=base_url, environ_base=self.environ_base
        ):
            where = path or binding.settings.cookie_path
            request.environ["HTTP_COOKIE"] = self._cookies_for(where)
            yield state_of(onlooker(binding) if looks else binding)

    def _cookies_for(self, path: str) -> str:
        """What it would send to a path of the current request's host."""
        environ = create_environ(path, f"{request.scheme}://{request.host}")
        self._add_cookies_to_wsgi(environ)
        return str(environ.get("HTTP_COOKIE", ""))

    def _take(self, lines: Mapping[str, str]) -> None:
        """Keep cookies as if the response to the current request had brought them."""
        host = urlsplit(request.url).hostname or "localhost"
        self._update_cookies_from_response(host, request.path, list(lines.values()))


def _session_in(app: Flask, response: TestResponse, prefix: str) -> Session | None:
    """The session that one response set; None if it left the cookie alone."""
    lines = response.headers.getlist("Set-Cookie")
    pairs = (line.partition(";")[0].partition("=") for line in lines)
    values = {name.strip(): value.strip() for name, _, value in pairs}
    header = "; ".join(f"{name}={value}" for name, value in values.items())
    # A proxy may have told the application of https: by the cookie's name it shows what it thought.
    for scheme in ("https", "http"):
        where = f"{scheme}://{response.request.host}"
        with app.test_request_context(base_url=where, headers={"Cookie": header}):
            state = state_of(onlooker(current_binding(prefix)))
            if any(map(state.cookies.session.owns, values)):
                return session_of(state)
    return None


def _prefix_of(auth: JWTSession | None) -> str:
    return DEFAULT_PREFIX if auth is None else auth.config_prefix
