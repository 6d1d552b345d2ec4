"""The pages with a form: what a person changes about themselves."""

from __future__ import annotations

import re

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

from . import database
from .auth import account_at_demo_id

blueprint = Blueprint("account", __name__)

# Names and addresses live in the token too, and a cookie is small.
_MAX_NAME = 80
_MAX_EMAIL = 254
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
    with database.connection():
        database.save_company(session.token["sub"], company_id)
    flash(f"You work for {session['company']} now.")
    return redirect(url_for("pages.dashboard"), 303)


@blueprint.get("/profile")
@login_required
def profile() -> str:
    user = current_session["user"]
    # Demo ID has no address for everybody, or none that it checked.
    return _profile_page(user["name"], user["email"] or "", {})


@blueprint.post("/profile")
@login_required
def save_profile() -> ResponseReturnValue:
    name = " ".join(request.form.get("name", "").split())
    email = request.form.get("email", "").strip()
    errors = {}
    if not (0 < len(name) <= _MAX_NAME and name.isprintable()):
        errors["name"] = f"A name has 1 to {_MAX_NAME} characters."
    if (
        len(email) > _MAX_EMAIL
        or not email.isprintable()
        or not re.fullmatch(r"[^@\s]+@[^@\s]+", email)
    ):
        errors["email"] = "This is not an e-mail address."
    if errors:
        return _profile_page(name, email, errors), 400
    # The session is changed inside the transaction: if that fails, neither is.
    with database.connection():
        database.save_profile(current_session.token["sub"], name=name, email=email)
        update_session({"name": name, "email": email})
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


def _profile_page(name: str, email: str, errors: dict[str, str]) -> str:
    return render_template(
        "profile.html",
        name=name,
        email=email,
        errors=errors,
        has_password=account_at_demo_id() is None,
    )


def _password_page(errors: dict[str, str]) -> str:
    return render_template(
        "password.html",
        errors=errors,
        min_length=_MIN_PASSWORD,
        has_password=account_at_demo_id() is None,
    )
