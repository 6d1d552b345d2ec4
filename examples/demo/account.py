"""The pages with a form: what a person changes about themselves."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import (
    UpdateRefused,
    current_session,
    fresh_login_required,
    login_required,
    revoke_user,
    sign_in,
    update_session,
)

from . import database, profiles
from .auth import account_at_demo_id

blueprint = Blueprint("account", __name__)

_MIN_PASSWORD = 10
_MAX_PASSWORD = 200


@blueprint.get("/company")
@login_required
def choose_company() -> str:
    return _company_page()


@blueprint.post("/company")
@login_required
def save_company() -> ResponseReturnValue:
    company_id = request.form.get("company_id", type=int)
    if company_id is None:
        return _company_page("Choose one of the companies."), 400
    try:
        session = update_session({"company_id": company_id})
    except UpdateRefused as refused:  # by the jwt callback in auth.py
        return _company_page(str(refused)), 400
    flash(f"You work for {session['company']} now.")
    return redirect(url_for("pages.dashboard"), 303)


@blueprint.get("/profile")
@login_required
def profile() -> str:
    user = current_session["user"]
    # Demo ID has no address for everybody, or none that it checked.
    return _profile_page({"name": user["name"], "email": user["email"] or ""}, {})


@blueprint.post("/profile")
@login_required
def save_profile() -> ResponseReturnValue:
    """For browsers without JavaScript. With it, profile.js sends the same to the extension's own
    endpoint; the jwt callback in auth.py gets it either way.
    """
    fields = {name: request.form.get(name, "") for name in profiles.REFUSALS}
    try:
        update_session(fields)
    except UpdateRefused:
        _, wrong = profiles.read(fields)
        return _profile_page(fields, wrong), 400
    flash("Your profile is saved, and your session knows it already.")
    return redirect(url_for(".profile"), 303)


# A minute, so that one can see it happen; 15 minutes are the default. Who opened the form in time
# has those to fill it in.
@blueprint.get("/password")
@fresh_login_required(max_age=60)
def password() -> str:
    return _password_page({})


@blueprint.post("/password")
@fresh_login_required
def save_password() -> ResponseReturnValue:
    if account_at_demo_id():
        abort(403, "You sign in with Demo ID, and have no password here.")
    new = request.form.get("password", "")
    errors = {}
    if not _MIN_PASSWORD <= len(new) <= _MAX_PASSWORD:
        errors["password"] = f"A password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters."
    elif new != request.form.get("repeated"):
        errors["repeated"] = "The two are not the same."
    if errors:
        return _password_page(errors), 400
    with database.connection():
        database.save_password(current_session.token["sub"], new)
    # Whoever knew the old one may be signed in somewhere. This browser begins a new session; all
    # others, and every copy of a cookie, end with their next request.
    user, account = database.user_by_id(current_session.token["sub"]), current_session.account
    revoke_user(current_session.token["sub"])
    sign_in(user, account=account)
    flash("Your password is changed, and you are signed out everywhere else.")
    return redirect(url_for("pages.dashboard"), 303)


def _company_page(error: str | None = None) -> str:
    companies = database.companies_for(current_session.token["sub"])
    return render_template("company.html", companies=companies, error=error)


def _profile_page(fields: dict[str, str], wrong: dict[str, str]) -> str:
    return render_template(
        "profile.html",
        fields=fields,
        wrong=wrong,
        refusals=profiles.REFUSALS,
        max_length={"name": profiles.MAX_NAME, "email": profiles.MAX_EMAIL},
        has_password=account_at_demo_id() is None,
    )


def _password_page(errors: dict[str, str]) -> str:
    return render_template(
        "password.html",
        errors=errors,
        min_length=_MIN_PASSWORD,
        has_password=account_at_demo_id() is None,
    )
