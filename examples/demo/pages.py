"""The pages that are only looked at."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import (
    claims_required,
    current_session,
    login_required,
    revoke_user,
    roles_required,
)

from . import database, events
from .auth import account_at_demo_id, company_required

blueprint = Blueprint("pages", __name__)

# Identifiers of the session: whoever can name one could one day revoke it.
_MASKED_CLAIMS = {"sid", "jti"}


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


@blueprint.get("/session")
@login_required
def session() -> str:
    """The places that a session is in, side by side."""
    claims = dict(current_session.token)
    for name in _MASKED_CLAIMS & claims.keys():
        claims[name] = f"{claims[name][:4]}…"
    return render_template(
        "session.html",
        cookies={name: len(value) for name, value in request.cookies.items()},
        public=json.dumps(dict(current_session), indent=2, ensure_ascii=False),
        claims=claims,
        given=_given_by_demo_id(),
    )


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


def _given_by_demo_id() -> dict[str, Any]:
    """For people to look at: what there is, and of tokens how long each is."""
    account = account_at_demo_id()
    if account is None:
        return {}
    tokens = {
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
        "id_token": account.id_token,
    }
    return {
        "account": account.provider_account_id,
        "scope": account.scope,
        "expires_at": account.expires_at,
        "tokens": {name: len(token) for name, token in tokens.items() if token is not None},
    }
