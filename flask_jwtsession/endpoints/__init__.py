"""The blueprint: one file a resource, and here the table of all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response

from ..answers import NO_STORE
from ..exceptions import JWTSessionError
from ..lifecycle.binding import OURS, Binding, current_binding
from . import (
    backchannel,
    callback,
    client,
    credentials,
    csrf,
    error,
    jwks,
    providers,
    session,
    signin,
    signout,
)
from .posts import read_post

View = Callable[..., Response]


def make_blueprint(name: str, config_prefix: str) -> Blueprint:
    """The blueprint of one instance; it can be registered on several apps."""
    blueprint = Blueprint(
        name,
        "flask_jwtsession",
        static_folder="static",
        static_url_path="/static",
        template_folder="templates",
    )

    def add(rule: str, endpoint: str, view: View, *methods: str) -> None:
        setattr(view, OURS, True)
        blueprint.add_url_rule(rule, endpoint, view, methods=methods)

    def get(rule: str, endpoint: str, view: View) -> None:
        add(rule, endpoint, _bound(view, config_prefix), "GET")

    def post(rule: str, endpoint: str, view: View) -> None:
        add(rule, endpoint, _posted(view, config_prefix), "POST")

    def from_providers(rule: str, endpoint: str, view: View, *methods: str) -> None:
        """Comes from another site, and is not checked for that: see these views."""
        add(rule, endpoint, _bound(view, config_prefix), *methods)

    get("/session", "session", session.show)
    post("/session", "update_session", session.update)
    get("/session/status", "session_status", session.status)
    post("/session/refresh", "refresh_session", session.refresh)
    get("/csrf", "csrf", csrf.show)
    get("/providers", "providers", providers.show)
    get("/signin", "signin", signin.show)
    post("/signin/<provider>", "start_signin", signin.start)
    post("/callback/credentials", "callback_credentials", credentials.sign_in)
    from_providers("/callback/<provider>", "callback", callback.finish, "GET", "POST")
    get("/signout", "signout", signout.show)
    post("/signout", "do_signout", signout.sign_out)
    get("/signout/callback", "signed_out", signout.come_back)
    from_providers(
        "/backchannel-logout/<provider>", "backchannel_logout", backchannel.log_out, "POST"
    )
    get("/error", "error", error.show)
    get("/jwks.json", "jwks", jwks.show)
    get("/client.js", "client", client.module)
    get("/client.d.ts", "client_types", client.types)
    blueprint.after_request(_secure)
    return blueprint


def _bound(view: View, config_prefix: str) -> View:
    @wraps(view)
    def call(**values: Any) -> Response:
        try:
            return view(current_binding(config_prefix), **values)
        except JWTSessionError as error:
            error.about(config_prefix)
            raise

    return call


def _posted(view: View, config_prefix: str) -> View:
    """A view that changes something: it gets the checked fields of the request too."""

    def call(binding: Binding, **values: Any) -> Response:
        return view(binding, read_post(binding), **values)

    return _bound(wraps(view)(call), config_prefix)


def _secure(response: Response) -> Response:
    """No answer of ours may be kept by a cache, sniffed, or embedded by another site."""
    if "Cache-Control" not in response.headers or "no-store" in response.headers["Cache-Control"]:
        response.headers["Cache-Control"] = NO_STORE
        response.headers["Pragma"] = "no-cache"
        response.headers["Expires"] = "0"
        response.vary.add("Cookie")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    # The URL of a callback has a code in it. Pages with a form say otherwise.
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
