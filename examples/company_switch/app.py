"""A company that a person chooses, which the server completes before it goes into the token."""

from __future__ import annotations

import os
import re
import secrets
from typing import Any

from flask import Blueprint, Flask, Response, render_template, request
from werkzeug.security import check_password_hash

from flask_jwtsession import (
    JWTEvent,
    JWTSession,
    UpdateRefused,
    current_session,
    login_required,
    roles_required,
)

from . import database

# What a database takes for an id. A greater one is a mistake for it, and not just unknown.
_MAX_ID = 2**31 - 1
# How a browser marks what a script of our pages fetches, and nothing else.
_OUR_FETCH = {
    "Sec-Fetch-Site": "same-origin",  # not "none" either: an address that came by mail
    "Sec-Fetch-Mode": "cors",  # not a link, and not a page that is fetched before it is wanted
    "Sec-Fetch-Dest": "empty",  # not a picture
}

auth = JWTSession()
pages = Blueprint("pages", __name__)


def create_app(**config: Any) -> Flask:
    """:param config: keys of the configuration, in place of those here"""
    app = Flask(__name__)
    app.config.from_mapping(
        # A new one at each start signs everybody out. A real application keeps its secret.
        JWTSESSION_SECRET=os.environ.get("JWTSESSION_SECRET") or secrets.token_urlsafe(32),
        # What was signed out is forgotten with the process, and no file is written. That is enough
        # for one process that is tried out.
        JWTSESSION_STORE="memory",
        # Cookies do not know ports: several applications may run on localhost.
        JWTSESSION_COOKIE_PREFIX="companies",
        # What a browser may send: a number. The name and the role are the database's.
        JWTSESSION_CLIENT_UPDATE_FIELDS=["companyId"],
        JWTSESSION_PAGES={"sign_in": "/sign-in"},
    )
    app.config.update(config)
    app.after_request(_secure)
    auth.init_app(app)
    app.register_blueprint(pages)
    return app


@auth.jwt_callback
def fill_token(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
    """What is kept, encrypted, in the cookie."""
    if event.trigger == "update":
        return _at_update(token, event.data)
    if event.trigger != "sign_in":
        return _at_load(token)
    return token


def _at_update(token: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The way here: ``POST /auth/session`` with ``{"data": {"companyId": 7}}``."""
    if "companyId" not in data:
        return token
    company = _company(token, data["companyId"])
    if company is None:
        raise UpdateRefused("You are not a member of that company.")
    return _at_company(token, company)


def _at_load(token: dict[str, Any]) -> dict[str, Any]:
    """The article's way: ``GET /auth/session?companyId=7``. Every other request comes by here too,
    and goes on with its token as it is.
    """
    if request.endpoint != "jwtsession.session" or request.method != "GET":
        return token
    if any(request.headers.get(name) != value for name, value in _OUR_FETCH.items()):
        return token
    asked = request.args.getlist("companyId")
    if len(asked) != 1 or not re.fullmatch("[0-9]{1,10}", asked[0]):
        return token
    company = _company(token, int(asked[0]))
    # There is nobody to refuse: an exception would be this request's, whatever it was for.
    return token if company is None else _at_company(token, company)


def _company(token: dict[str, Any], company_id: object) -> dict[str, Any] | None:
    """The company, if there is one of that id and they are a member of it."""
    # JSON may be anything. Not isinstance(): true is an int in Python, and equal to 1.
    if type(company_id) is not int or not 0 < company_id <= _MAX_ID:
        return None
    return database.company_of_member(token["sub"], company_id)


def _at_company(token: dict[str, Any], company: dict[str, Any]) -> dict[str, Any]:
    """Both at once: a role counts in its own company. The guards go by the claim ``role``."""
    return {
        **token,
        "company": {"id": company["id"], "name": company["name"]},
        "role": company["role"],
    }


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    session["company"] = token.get("company")
    session["user"] |= {"id": token["sub"], "role": token.get("role")}
    return session


@pages.get("/")
@login_required
def companies() -> str:
    found = database.companies_of(current_session.token["sub"])
    return render_template("companies.html", companies=found)


@pages.get("/settings")
@roles_required("owner")
def settings() -> str:
    """Of the company of the session. The role in the token is as old as the choice: what must not
    be wrong for a moment asks the database again.
    """
    return render_template("settings.html")


@auth.credentials
def check_password(credentials: dict[str, str]) -> dict[str, Any] | None:
    person, password_hash = database.person_with(credentials.get("username"))
    # Hashed for unknown names too: the time that it takes must not tell which names there are.
    is_right = check_password_hash(password_hash, credentials.get("password", ""))
    return person if is_right else None


@pages.get("/sign-in")
def sign_in() -> str:
    return render_template("sign_in.html", accounts=database.ACCOUNTS)


def _secure(response: Response) -> Response:
    # The extension's own pages come with such headers; they keep theirs.
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
