"""How a provider is talked to: with a timeout, without redirects, and only so much is read."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import quote_plus

from authlib.integrations.requests_client import OAuth2Session
from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from ..exceptions import ProviderError
from ..tokens import strict_json
from .connections import EndingAdapter, TimeLimit
from .metadata import Metadata
from .presets import Preset
from .reasons import Unusable, error_code
from .settings import ProviderSettings

#: Seconds that one read may take by default; a whole answer may take twice as long.
TIMEOUT = 5.0
#: Bytes of an answer. The largest documents, key sets, are a tenth of it.
MAX_BODY = 512 * 1024


class ProviderSession(OAuth2Session):  # type: ignore[misc]  # Authlib has no types
    """Authlib's session, under this package's rules for the network.

    Not its Flask client, which is a layer above: that one keeps tokens on ``flask.g`` and login
    transactions in ``flask.session``, logs the code verifier, makes options of the session out of
    what a provider publishes, and spends refresh tokens on its own.
    """

    default_timeout: float | None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        session: Any = self  # one of requests, which the types do not say
        for scheme in ("https://", "http://"):
            session.mount(scheme, EndingAdapter())

    def request(
        self, method: str, url: str, withhold_token: bool = False, auth: Any = None, **kwargs: Any
    ) -> Response:
        if withhold_token and auth is None:
            auth = _without_credentials
        headers = {
            "Accept": "application/json",
            "User-Agent": "flask_jwtsession",  # which GitHub insists on
            **(kwargs.pop("headers", None) or {}),
        }
        kwargs |= {
            # What follows a redirect carries the code, the client's secret or an access token to an
            # address that nobody configured.
            "allow_redirects": False,
            "headers": {**headers, "Accept-Encoding": "identity"},
            "stream": True,
        }
        self.default_timeout = self.default_timeout or TIMEOUT
        with TimeLimit(2 * self.default_timeout) as limit:
            response: Response = super().request(method, url, withhold_token, auth, **kwargs)
            try:
                body = _read(response)
            finally:
                response.close()
        if limit.is_over:
            raise Unusable("too_slow")
        # What a Response has once it was read, though its types do not say so; an application's
        # hooks (compliance_fix) see it whole.
        response._content, response._content_consumed = body, True  # type: ignore[attr-defined]
        return response

    def parse_response_token(self, resp: Response) -> dict[str, Any]:
        """The token response as the provider sent it. Authlib's keeps it, computes an expiry from
        whatever stands there, and takes NaN for JSON.
        """
        if resp.status_code == 200:
            token = read_object(resp)
            # Some providers answer 200 to say no.
            if "error" not in token:
                return token
        elif 400 <= resp.status_code < 500:
            token = read_object(resp)
        else:
            raise Unusable("token_status")
        raise TokenRefused(token.get("error"))


def open_session(settings: ProviderSettings, metadata: Metadata | None = None) -> Any:
    """A :class:`ProviderSession` of a provider's client, with the application's options and hooks.
    Type checkers do not see that it is one of requests, too.

    :param metadata: of the provider, for what asks for the client's authentication
    """
    session = ProviderSession(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        scope=settings.scope or None,
        code_challenge_method="S256",
        **settings.session_options,
    )
    if "token_endpoint_auth_method" not in settings.session_options:
        session.token_endpoint_auth_method = _auth_method(settings.preset, metadata)
    session.register_client_auth_method(("client_secret_basic", basic_credentials))
    for method in settings.auth_methods:
        session.register_client_auth_method(method)
    if settings.compliance_fix is not None:
        settings.compliance_fix(session)
    return session


class TokenRefused(Unusable):
    """The token endpoint answered with an error (RFC 6749 section 5.2)."""

    def __init__(self, error: object) -> None:
        super().__init__("token_refused")
        #: One of the RFC's codes, such as ``"invalid_grant"``; None for a text that is no code.
        self.error: str | None = error_code(error)


def read_json(response: Response) -> Any:
    """The JSON value that an answer is. Raises :exc:`Unusable`."""
    try:
        return strict_json.parse(response.content)
    except ValueError:
        raise Unusable("not_json") from None


def read_object(response: Response) -> dict[str, Any]:
    """The JSON object that an answer is. Raises :exc:`Unusable`."""
    return _object(read_json(response))


def get_json(session: ProviderSession, url: str, *, access_token: str | None = None) -> Any:
    """The JSON value at ``url``, with an access token or with none. Raises :exc:`Unusable`.

    The token goes alone: with a refresh token beside it, Authlib would spend that one when the
    access token is about to expire.
    """
    if access_token is not None:
        session.token = {"access_token": access_token, "token_type": "Bearer"}
    response = session.request("GET", url, withhold_token=access_token is None)
    if response.status_code != 200:
        raise Unusable(f"status_{response.status_code}")
    return read_json(response)


def get_object(
    session: ProviderSession, url: str, *, access_token: str | None = None
) -> dict[str, Any]:
    """As :func:`get_json`, for what has to be a JSON object."""
    return _object(get_json(session, url, access_token=access_token))


@contextmanager
def calling(provider: str, what: str) -> Iterator[None]:
    """Turn everything that a call to the provider can raise into a :exc:`ProviderError`.

    :param what: which call: ``"metadata"``, ``"token"``, …; the beginning of the error's ``reason``
    """
    try:
        yield
    except ProviderError:
        raise
    except TokenRefused as error:
        _raise(provider, f"{what}_refused", error.error)
    except Unusable as error:
        _raise(provider, f"{what}_unusable", str(error))
    except (RequestException, HTTPError, OSError) as error:
        _raise(provider, f"{what}_unreachable", type(error).__name__)
    except Exception as error:
        # Authlib, and the hooks that an application gave it, meet what the provider sent.
        _raise(provider, f"{what}_unusable", type(error).__name__)


def _raise(provider: str, reason: str, detail: str | None) -> NoReturn:
    # The exception itself stays out of the chain: its text may have the URL, and its frames the
    # code, the secret and the tokens.
    raise ProviderError(provider, reason, detail=detail) from None


def basic_credentials(
    client: Any, method: str, url: str, headers: Any, body: Any
) -> tuple[str, Any, Any]:
    """HTTP Basic authentication of a client (RFC 6749 section 2.3.1), for Authlib, whose own leaves
    out that name and secret are form-encoded first.
    """
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return url, headers, body


def _auth_method(preset: Preset, metadata: Metadata | None) -> str:
    """As the preset says, else the default of the standard unless the provider does not take it."""
    supported = None if metadata is None else metadata.auth_methods
    if preset.auth_method is not None:
        return preset.auth_method
    if supported and "client_secret_basic" not in supported and "client_secret_post" in supported:
        return "client_secret_post"
    return "client_secret_basic"


def _read(response: Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unusable("encoding")  # nobody asked for one; what it unpacks to nobody knows
    body = bytearray()
    # What one read of the socket brought, and not until there is so much of it.
    while piece := response.raw.read1(8192):
        body += piece
        if len(body) > MAX_BODY:
            raise Unusable("too_large")
    return bytes(body)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unusable("not_an_object")
    return value


def _without_credentials(request: PreparedRequest) -> PreparedRequest:
    """What requests is given where there are no credentials: it would look into ~/.netrc."""
    return request
