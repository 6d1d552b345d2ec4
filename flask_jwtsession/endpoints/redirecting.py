"""Answers that send the client somewhere else, or tell it where to go."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request

from ..lifecycle.binding import Binding
from ..targets import absolute

# In the WSGI environ of a request.
_NEXTAUTH_V4 = "flask_jwtsession.nextauth_v4"


def send_to(binding: Binding, target: str, *, refused: int | None = None) -> Response:
    """Send the client to ``target``, which has been checked: a redirect, or for a client that does
    not want one ``{"url": …}``.

    :param refused: the status that says the same to the client of NextAuth v4; later ones read only
        the URL
    """
    url = absolute(binding, target)
    if is_authjs_client() or _wants_json():
        response = json_response({"url": url})
        if refused is not None and _NEXTAUTH_V4 in request.environ:
            response.status_code = refused
        return response
    return redirect_to(url)


def redirect_to(url: str) -> Response:
    """302, as Auth.js answers."""
    response = Response(status=302)
    response.location = url
    return response


def wants_problem() -> bool:
    """Whether the client wants a failure as problem+json. Auth.js's own client does not: it reads
    the error from the URL of the page that it is sent to.
    """
    return _wants_json() and not is_authjs_client()


def json_response(value: object) -> Response:
    """``value`` by the application's JSON provider, but never with NaN in it."""
    return Response(current_app.json.dumps(value, allow_nan=False), content_type="application/json")


def is_authjs_client() -> bool:
    """Whether the request is one of Auth.js's own browser client."""
    return "X-Auth-Return-Redirect" in request.headers or _NEXTAUTH_V4 in request.environ


def take_nextauth_v4(fields: dict[str, Any]) -> None:
    """Take out of a form what the client of NextAuth v4 says in it of itself, and remember that it
    is one: a field instead of the header, and all options of the call beside it.
    """
    if fields.get("json") == "true" and request.mimetype == "application/x-www-form-urlencoded":
        request.environ[_NEXTAUTH_V4] = True
        del fields["json"]
        fields.pop("redirect", None)


def _wants_json() -> bool:
    """Whether the request names JSON, and no page, as what it accepts."""
    accept = request.headers.get("Accept", "").lower()
    return "application/json" in accept and "text/html" not in accept
