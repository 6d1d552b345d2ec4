"""The pages that everybody has: the first one, the sign-in, the password; and one for editors."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import current_session, login_required, roles_required

from . import database
from .auth import begin_session, check_password
from .database import Row

blueprint = Blueprint("pages", __name__)

# Identifiers of the session and of the token: nobody needs to see them whole.
_MASKED_CLAIMS = {"sid", "jti"}
# Where a sign-in may lead.
_PAGES = (".prices", ".password", "admin.people", "admin.events")
_MIN_PASSWORD = 10
_MAX_PASSWORD = 200


@blueprint.get("/")
def home() -> str:
    claims = dict(current_session.token)
    for name in _MASKED_CLAIMS & claims.keys():
        claims[name] = f"{claims[name][:4]}…"
    seconds = current_app.config["JWTSESSION_MAX_AGE"]
    return render_template("home.html", claims=claims, access_seconds=seconds)


@blueprint.get("/sign-in")
def sign_in_page() -> str:
    return _sign_in_page(request.args.get("callbackUrl"))


@blueprint.post("/sign-in")
def do_sign_in() -> ResponseReturnValue:
    target = request.form.get("callbackUrl")
    person = check_password(request.form.get("username", ""), request.form.get("password", ""))
    if person is None:
        return _sign_in_page(target, is_wrong=True), 400
    begin_session(person)
    # The guards say in the URL where somebody wanted to go, and so can anybody else who makes a
    # link to the sign-in page. Nobody is sent to another site.
    ours = {url_for(page): page for page in _PAGES}
    return redirect(url_for(ours.get(target or "", ".home")), 303)


@blueprint.get("/prices")
@roles_required("editor", "admin", any_of=True)
def prices() -> str:
    return render_template("prices.html")


@blueprint.get("/password")
@login_required
def password() -> str:
    return _password_page(_myself(), {})


@blueprint.post("/password")
@login_required
def change_password() -> ResponseReturnValue:
    if "Authorization" in request.headers:
        abort(403)  # a program has no cookie that could be replaced by the new session's
    person = _myself()
    old, new = request.form.get("old", ""), request.form.get("new", "")
    errors = {}
    if check_password(person["username"], old) is None:
        errors["old"] = "This is not your password."
    if not _MIN_PASSWORD <= len(new) <= _MAX_PASSWORD:
        errors["new"] = f"A password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters."
    if errors:
        return _password_page(person, errors), 400
    # The refresh cookies of their other browsers count one change less, and are good for nothing
    # any more. This browser begins a new session.
    begin_session(database.set_password(person["id"], new))
    flash("Your password is changed. Your other browsers are signed out before long.")
    return redirect(url_for(".home"), 303)


def _myself() -> Row:
    return database.person(current_session.token["sub"]) or abort(403)


def _sign_in_page(target: str | None, *, is_wrong: bool = False) -> str:
    accounts = database.ACCOUNTS
    return render_template("sign_in.html", accounts=accounts, target=target, is_wrong=is_wrong)


def _password_page(person: Row, errors: dict[str, str]) -> str:
    username = person["username"]
    return render_template(
        "password.html", username=username, errors=errors, min_length=_MIN_PASSWORD
    )
