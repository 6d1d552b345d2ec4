"""The pages for admins: who may do what, and what happened."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import current_session, roles_required

from . import database
from .database import ROLES, Row

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.get("/people")
@roles_required("admin")
def people() -> str:
    return render_template("people.html", people=database.people(), roles=ROLES)


@blueprint.get("/events")
@roles_required("admin")
def events() -> str:
    return render_template("events.html", events=database.events())


@blueprint.post("/people/<int:person_id>/role")
@roles_required("admin")
def change_role(person_id: int) -> ResponseReturnValue:
    person, role = _person_to_change(person_id), request.form.get("role", "")
    if role not in ROLES:
        abort(400, "There is no such role.")
    database.set_role(person_id, role)
    return _changed(f"{person['name']} has the role {role}")


@blueprint.post("/people/<int:person_id>/disable")
@roles_required("admin")
def disable(person_id: int) -> ResponseReturnValue:
    person = _person_to_change(person_id)
    database.set_disabled(person_id, is_disabled=True)
    # With revoke_user(person_id) they would be out of the shop with their next request, and not at
    # the end of their access cookie.
    return _changed(f"{person['name']} is out")


@blueprint.post("/people/<int:person_id>/enable")
@roles_required("admin")
def enable(person_id: int) -> ResponseReturnValue:
    person = _person_to_change(person_id)
    database.set_disabled(person_id, is_disabled=False)
    flash(f"{person['name']} may sign in again.")
    return redirect(url_for(".people"), 303)


def _person_to_change(person_id: int) -> Row:
    # An access token may be a minute old, which is good enough to look at a page. But who is no
    # admin any more makes no others in that minute: where rights are given, the database is asked.
    admin = database.person(current_session.token["sub"])
    if admin is None or admin["role"] != "admin" or admin["is_disabled"]:
        abort(403, "You are no admin any more.")
    if person_id == admin["id"]:
        abort(403, "Nobody changes their own rights: there would soon be no admin left.")
    return database.person(str(person_id)) or abort(404)


def _changed(what: str) -> ResponseReturnValue:
    seconds = current_app.config["JWTSESSION_MAX_AGE"]
    flash(f"{what}: wherever they are signed in, within {seconds} seconds.")
    return redirect(url_for(".people"), 303)
