"""What somebody may see and change of their account here: who they let know what."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from . import database, sign_ins
from .clients import SCOPES
from .provider import this_provider

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def home() -> str:
    sign_in = sign_ins.current()
    clients = this_provider().clients
    applications = [
        (clients[row["client_id"]], [SCOPES[scope] for scope in row["scope"].split()])
        for row in (database.consents(sign_in.person.id) if sign_in else [])
        if row["client_id"] in clients
    ]
    return render_template("home.html", sign_in=sign_in, applications=applications)


@blueprint.post("/withdraw")
def withdraw() -> ResponseReturnValue:
    sign_in = sign_ins.current()
    if sign_in is None:
        abort(403, "Nobody is signed in here.")
    database.withdraw_consent(sign_in.person.id, request.form.get("client_id", ""))
    return redirect(url_for(".home"), 303)
