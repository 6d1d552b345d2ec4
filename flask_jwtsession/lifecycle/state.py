"""What one request knows of its session. It lives in the WSGI environ.

Not on ``flask.g``: on Flask up to 3.1 a streaming response that nobody reads to its end can leave
an application context behind on its thread, and the next request there, somebody else's, would find
this one's session in it. An environ belongs to one request, whatever happens to contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from threading import RLock
from typing import Any, Self
from urllib.parse import urlsplit

from blinker import NamedSignal
from flask import Request, request
from werkzeug.exceptions import BadRequest

from ..cookies import Cookie, CookieLines, read_cookies
from ..exceptions import InsecureTransport, SessionClosed
from ..grant_records import Held
from ..request_checks.bearer import bearer_token
from ..request_checks.origin import parse_origin
from ..session import Claims, Session
from ..tokens import strict_json
from ..tokens.claims import PRIVATE, Times
from .binding import Binding
from .callbacks import refuse_inside_callback
from .cookie_set import CookieSet


class Mark(Enum):
    """What stands where there is nothing yet."""

    UNSET = "not looked at yet"
    #: In place of a session that nobody used before the response was finished.
    CLOSED = "the response is finished"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was verified or just issued. Its ``repr`` shows nothing of it.

    ``claims`` are what the application sees, and are only looked at: whoever may change claims gets
    a copy made from ``payload``, the JSON text. So no callback changes what another one, or the
    next save, sees. ``private`` is our own block, which holds the account and its provider tokens;
    ``held`` are the newest of these that are known.
    """

    payload: bytes = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    private: Claims
    expires: float
    held: Held | None = None

    @classmethod
    def of(cls, payload: bytes, claims: Mapping[str, Any], expires: float) -> Self:
        """``claims`` are all of the token's claims, ``payload`` is the JSON of them."""
        visible = {name: value for name, value in claims.items() if name != PRIVATE}
        return cls(payload, visible, Claims(claims.get(PRIVATE, {})), expires)

    def copy(self) -> dict[str, Any]:
        """A deep copy of the claims that the application sees."""
        claims = strict_json.parse_object(self.payload)
        claims.pop(PRIVATE, None)
        return claims


@dataclass(frozen=True, slots=True)
class Verified:
    """What the request's cookies say. ``foreign``: it did not come from the cookie we write."""

    token: Token
    times: Times
    foreign: bool


class RequestSession:
    """One request's session of one instance."""

    __slots__ = (
        "ambiguous",
        "bearer",
        "binding",
        "closed",
        "cookie_header",
        "cookies",
        "cookies_are_withheld",
        "csrf_token",
        "denied",
        "environ_id",
        "expired",
        "has_failed",
        "in_header",
        "is_for_one",
        "is_settled",
        "lines",
        "lock",
        "pending_signals",
        "read",
        "refresh_token",
        "reissued",
        "rejected",
        "revoked",
        "session",
        "set_aside",
        "token",
        "unconfirmed",
        "user",
        "verified",
    )

    def __init__(self, binding: Binding, request: Request) -> None:
        self.binding: Binding = binding
        self.environ_id: int = id(request.environ)
        self.cookies: CookieSet = binding.https if is_secure(binding, request) else binding.http
        #: The token in the header Authorization, where one may be; "" if it is malformed.
        self.bearer: str | None = _bearer(binding, request)
        #: Whether cookies are neither read nor written.
        self.in_header: bool = self.bearer is not None or _only_header(binding)
        self.cookie_header: str = "" if self.in_header else request.environ.get("HTTP_COOKIE", "")
        self.lock: RLock = RLock()
        #: What the cookies say; Mark.UNSET until they were looked at.
        self.verified: Verified | Mark | None = Mark.UNSET
        #: What the refresh cookie says; Mark.UNSET until it was looked at.
        self.refresh_token: Token | Mark | None = Mark.UNSET
        #: Whether the refresh cookie has no more to say: it was asked, or there is another session.
        self.is_settled: bool = False
        #: Why a token that was sent was not accepted.
        self.rejected: str | None = None
        #: What loading has to tell, once it is done.
        self.pending_signals: list[tuple[NamedSignal, dict[str, Any]]] = []
        #: The claims of a cookie whose time is over.
        self.expired: Token | None = None
        #: The claims of a cookie that is good, of a session that was revoked.
        self.revoked: Token | None = None
        #: The claims of a session whose refresh cookie is good, and which the application let end.
        self.denied: Token | None = None
        #: The claims of a session for which a callback raised, or of whom the user_loader does not
        #: know: nobody's in this request, but there to be ended.
        self.set_aside: Token | None = None
        #: Whether a callback raised: then it is not known whose session it is.
        self.has_failed: bool = False
        #: The claims of cookies that are all good, so that nobody can say whose session it is.
        self.ambiguous: tuple[Token, ...] = ()
        #: The claims of a cookie that is good, while nobody can say whether it was revoked.
        self.unconfirmed: Token | None = None
        #: The claims as they stand: verified, or issued in this request. None: nobody's.
        self.token: Token | None = None
        self.session: Session | None = None
        self.user: Any = Mark.UNSET
        #: The Set-Cookie lines of the response, by cookie name.
        self.lines: CookieLines = CookieLines()
        #: Whether ``lines`` are a re-issue by loading, and no change that a view asked for.
        self.reissued: bool = False
        #: Whether the browser may have a session cookie that it did not send.
        self.cookies_are_withheld: bool = False
        self.csrf_token: str | None = None
        #: Whether the response has to be kept from caches, though it sets no cookie.
        self.is_for_one: bool = False
        self.read: bool = False
        self.closed: bool = False

    def belongs_to(self, request: Request) -> bool:
        """Whether this is the session of ``request``, and not of one whose environ it copied."""
        return self.environ_id == id(request.environ)

    def sent(self, cookie: Cookie) -> dict[str, list[str]]:
        """The values that the browser sent for a cookie and its chunks, by name."""
        return read_cookies(self.cookie_header, cookie)

    @property
    def transport_is_safe(self) -> bool:
        """Whether a session cookie may be set here."""
        return self.cookies is self.binding.https or _plain_http_is_allowed(self.binding, request)

    def open_for_change(self) -> None:
        """Raise unless the session can be changed now."""
        refuse_inside_callback(self, "changed")
        if self.closed:
            raise SessionClosed(
                "the response is finished and its headers are gone; change the session in the view"
            )

    def require_safe_transport(self) -> None:
        """Raise :exc:`InsecureTransport` where a session cookie may not be set."""
        if not self.transport_is_safe:
            prefix = self.binding.settings.config_prefix
            self.binding.security_log.warning(
                "insecure_transport",
                "A session cookie was not set, because the request came over plain http. If TLS "
                "ends at a proxy, apply werkzeug.middleware.proxy_fix.ProxyFix or set "
                f"{prefix}_BASE_URL; to allow plain http, set {prefix}_COOKIE_SECURE = False.",
            )
            raise InsecureTransport("a session cookie needs https")


#: Returns the current request itself: going through the proxy costs more than most uses of it. The
#: proxy is typed as a Request, which hides this method of Werkzeug's LocalProxy.
current_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]


def state_of(binding: Binding) -> RequestSession:
    """The current request's session; made, but not looked into, on first use."""
    current = current_request()
    state = _kept(binding, current)
    if isinstance(state, RequestSession):
        return state
    fresh = RequestSession(binding, current)
    fresh.closed = state is Mark.CLOSED
    if state is None:
        # Several threads of one request may come here first (copy_current_request_context):
        # setdefault lets one of them win, for all.
        state = current.environ.setdefault(binding.environ_key, fresh)
        if isinstance(state, RequestSession) and state.belongs_to(current):
            return state
    current.environ[binding.environ_key] = fresh
    return fresh


def close_state(binding: Binding) -> RequestSession | None:
    """The current request's session, after which nothing can change it; None if it was not used."""
    current = current_request()
    state = _kept(binding, current)
    if isinstance(state, RequestSession):
        state.closed = True
        return state
    current.environ[binding.environ_key] = Mark.CLOSED
    return None


def _kept(binding: Binding, current: Request) -> RequestSession | Mark | None:
    state: RequestSession | Mark | None = current.environ.get(binding.environ_key)
    if isinstance(state, RequestSession) and not state.belongs_to(current):
        return None  # a request within a request, sent on with a copy of the outer one's environ
    return state


def is_secure(binding: Binding, request: Request) -> bool:
    """Whether the browser is on https: configured, or else as the WSGI server says.

    ``X-Forwarded-Proto`` counts only where ``ProxyFix`` has put it into the environ.
    """
    settings = binding.settings
    if settings.cookie_secure is not None:
        return settings.cookie_secure
    if settings.base_url is not None:
        return settings.base_url.startswith("https:")
    return request.is_secure


def takes_no_cookie(binding: Binding, request: Request) -> bool:
    """Whether cookies count for nothing in this request: it has a token in its header, or that is
    the only place where one may be. No browser sends such a token because another site wants it to.
    """
    return _only_header(binding) or _bearer(binding, request) is not None


def own_origin(binding: Binding, request: Request) -> str:
    """The application's origin: ``BASE_URL``, or else what the request was sent to.

    Raises :exc:`~werkzeug.exceptions.BadRequest` for a ``Host`` that is none.
    """
    if binding.settings.base_url is not None:
        return binding.settings.base_url
    origin = parse_origin(f"{request.scheme}://{request.host}")
    if origin is None:
        raise BadRequest("The Host header is not a host name.")
    return origin


def _only_header(binding: Binding) -> bool:
    return "cookie" not in binding.settings.token_locations


def _bearer(binding: Binding, request: Request) -> str | None:
    if "header" not in binding.settings.token_locations:
        return None
    return bearer_token(request.environ.get("HTTP_AUTHORIZATION"))


def _plain_http_is_allowed(binding: Binding, request: Request) -> bool:
    if binding.settings.cookie_secure is False:
        return True
    return binding.app.debug or binding.app.testing or _is_loopback(request)


def _is_loopback(request: Request) -> bool:
    # The Host header, and not the peer's address, which behind a proxy is always this machine's:
    # what counts is which host the browser will send the cookie to.
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
