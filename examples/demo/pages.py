"""The pages that are only looked at."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import (
    claims_required,
    current_session,
    revoke_user,
    roles_required,
)

from . import database, events
from .auth import company_required

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    if current_session:
        return redirect(url_for(".dashboard"))
    return render_template("home.html")


@blueprint.get("/sign-in")
def sign_in() -> str:
    """The form; it is sent to the extension's own endpoint, which answers it."""
    return render_template(
        "sign_in.html",
        accounts=database.ACCOUNTS,
        # Not checked here: it goes into the form, and the extension, which will send the browser
        # there, sends it nowhere but to this application.
        callback_url=request.args.get("callbackUrl", url_for(".dashboard")),
        error=request.args.get("error"),
        max_age=request.args.get("max_age"),
    )


@blueprint.get("/dashboard")
@company_required
def dashboard() -> str:
    return render_template("dashboard.html")


@blueprint.get("/members")
@company_required
@claims_required(plan="team")
def members() -> str:
    company_id = current_session.token["company_id"]
    return render_template("members.html", members=database.members(company_id))


@blueprint.get("/admin")
@roles_required("admin")
def admin() -> str:
    return render_template("admin.html", events=events.latest(), users=database.users())


@blueprint.post("/admin/sign-out")
@roles_required("admin")
def sign_out_everywhere() -> ResponseReturnValue:
    """End every session of one person, in whatever browser it is."""
    user = next((one for one in database.users() if str(one["id"]) == request.form.get("id")), None)
    if user is None:
        abort(404)
    revoke_user(user["id"])
    flash(f"{user['name']} is signed out everywhere.")
    return redirect(url_for(".admin"), 303)
