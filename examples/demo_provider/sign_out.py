"""Signing out: by oneself, or when an application asks (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response

from . import keys, sign_ins
from .clients import Client
from .forms import origin_of
from .provider import this_provider

blueprint = Blueprint("sign_out", __name__)

_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True)
class Asked:
    """What is asked for, as far as an application proved by an ID token that it is the one."""

    client: Client | None
    return_to: str | None


@blueprint.get("/end-session")
def end_session() -> ResponseReturnValue:
    """Where an application sends somebody. It is asked in any case: a link could lead here too."""
    asked = _asked()
    sign_in = sign_ins.current()
    if sign_in is None:
        return _go_back(asked)
    if asked.return_to is not None:
        g.form_target = origin_of(asked.return_to)
    return render_template(
        "sign_out.html",
        application=asked.client.name if asked.client else None,
        parameters=[(name, request.args[name]) for name in _PARAMETERS if name in request.args],
        sign_in=sign_in,
    )


@blueprint.post("/end-session")
def end_session_by_post() -> ResponseReturnValue:
    # A form of another site comes without our cookie, which a GET that follows it has.
    query = urlencode(
        [(name, request.values[name]) for name in _PARAMETERS if name in request.values]
    )
    return redirect(f"{url_for('.end_session')}?{query}", 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    asked = _asked()
    if request.form.get("decision") != "stay":
        sign_ins.end()
    elif asked.return_to is None:
        return redirect(url_for("home.home"), 303)
    return _go_back(asked)


def _asked() -> Asked:
    hint = request.values.get("id_token_hint")
    if hint is None:
        # Without it, the link may be anybody's: nobody is sent anywhere (section 3).
        return Asked(None, None)
    # Not looked at is its time: the one of yesterday says as well who asks (section 2).
    claims = keys.read(this_provider().key, hint)
    client = this_provider().clients.get(claims.get("aud", "")) if claims else None
    if client is None or request.values.get("client_id", client.client_id) != client.client_id:
        abort(400, "The application did not say correctly whose session is to end.")
    return_to = request.values.get("post_logout_redirect_uri")
    if return_to not in client.post_logout_redirect_uris:
        return Asked(client, None)
    state = request.values.get("state")
    return Asked(
        client, return_to if state is None else f"{return_to}?{urlencode({'state': state})}"
    )


def _go_back(asked: Asked) -> Response | str:
    if asked.return_to is not None:
        return redirect(asked.return_to, 303)
    return render_template("signed_out.html")
