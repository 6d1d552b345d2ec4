"""Data from the browser into the session, in two ways, and from the session into every page."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, Response, g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash, generate_password_hash

from flask_jwtsession import JWTEvent, JWTSession, UpdateRefused, current_session, login_required

#: In the query or in a header of a request: its body is for the session.
FLAG = "update-user-data"
MAX_NICKNAME = 40
MAX_NUMBER = 100

# The pages show it; no real application would.
USERNAME, PASSWORD = "ada", "analytical-engine"
_ADA = {"id": 1, "name": "Ada Lovelace", "password_hash": generate_password_hash(PASSWORD)}
_NOBODYS_HASH = generate_password_hash("")

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
        JWTSESSION_COOKIE_PREFIX="profile",
        # What update() of client.js may send. Of anything else the jwt callback hears nothing.
        JWTSESSION_CLIENT_UPDATE_FIELDS=["nickname", "fav_num"],
        JWTSESSION_PAGES={"sign_in": "/sign-in"},
        MAX_CONTENT_LENGTH=16 * 1024,
    )
    app.config.update(config)
    app.after_request(_secure)
    auth.init_app(app)
    app.register_blueprint(pages)
    app.register_error_handler(HTTPException, _error_page)
    return app


# From the browser into the session.


@auth.jwt_callback
def fill_token(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
    """What is kept, encrypted, in the cookie."""
    if event.trigger == "update":  # POST /auth/session, which update() of client.js sends
        return {**token, **accepted(event.data)}
    if event.trigger != "sign_in" and is_flagged():  # the article's way, at a plain load
        return {**token, **accepted(sent_object())}
    return token


def accepted(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``data`` goes into the session: two fields that are checked, and nothing else."""
    fields: dict[str, Any] = {}
    if "nickname" in data:
        nickname = data["nickname"]
        # JSON may be anything: a list, or a text that is half of a character.
        if not isinstance(nickname, str) or not nickname.isprintable():
            raise UpdateRefused("A nickname is a text.")
        fields["nickname"] = nickname.strip()
        if not 0 < len(fields["nickname"]) <= MAX_NICKNAME:
            raise UpdateRefused(f"A nickname has 1 to {MAX_NICKNAME} characters.")
    if "fav_num" in data:
        # Not isinstance(): true is an int in Python.
        if type(data["fav_num"]) is not int or not 1 <= data["fav_num"] <= MAX_NUMBER:
            raise UpdateRefused(f"A favourite number is a whole one from 1 to {MAX_NUMBER}.")
        fields["fav_num"] = data["fav_num"]
    return fields


def is_flagged() -> bool:
    """Whether a script of our own pages sent this request to change the session."""
    flag = request.headers.get("query") or request.args.get("query")
    return (
        flag == FLAG
        # A GET changes nothing: anybody can make a link.
        and request.method == "POST"
        # The extension keeps requests of other sites from the views. But the page that tells them
        # so shows the session, too, and so they come by here.
        and request.headers.get("Sec-Fetch-Site") == "same-origin"
        # An error page has the session in it, too: who would be told of another refusal there?
        and not g.get("is_error_page")
    )


def sent_object() -> dict[str, Any]:
    """The JSON object that is the body of the request."""
    if not request.is_json:
        raise UpdateRefused("The body is not JSON.")
    try:
        # The body is kept: the view can read it too. One that is too large is a 413.
        sent = json.loads(request.get_data())
    except (ValueError, RecursionError):  # malformed; nested too deeply
        raise UpdateRefused("The body is not JSON.") from None
    if not isinstance(sent, dict):
        raise UpdateRefused("The body is not a JSON object.")
    return sent


@pages.post("/api/update-user-data")
def update_user_data() -> ResponseReturnValue:
    """Where the article's page sends its data. The jwt callback does the work, when the session is
    first asked for: in the next line.
    """
    if not current_session:
        return {"data": "Nobody is signed in."}, 401
    return {"data": current_session.user}


# From the session into every page: ``templates/base.html``.


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates and the browser see: these claims by name, and never all of the token."""
    session["user"] |= {"nickname": token.get("nickname"), "fav_num": token.get("fav_num")}
    return session


@pages.get("/")
def home() -> str:
    return render_template("home.html")


@pages.get("/profile")
@login_required
def profile() -> str:
    return render_template("profile.html", max_nickname=MAX_NICKNAME, max_number=MAX_NUMBER)


# Signing in, and what is in every answer.


@auth.credentials
def check_password(credentials: dict[str, str]) -> dict[str, Any] | None:
    person = _ADA if credentials.get("username") == USERNAME else None
    # Hashed for unknown names too: the time that it takes must not tell which names there are.
    password_hash = str(person["password_hash"]) if person else _NOBODYS_HASH
    is_right = check_password_hash(password_hash, credentials.get("password", ""))
    return {"id": person["id"], "name": person["name"]} if person and is_right else None


@pages.get("/sign-in")
def sign_in() -> str:
    return render_template("sign_in.html", username=USERNAME, password=PASSWORD)


def _error_page(error: HTTPException) -> Response | HTTPException:
    """Every error as a page of this application, with the session in it as in all others."""
    if error.response is not None and error.response.mimetype != "text/html":
        return error  # the extension answers programs in JSON
    response = Response(headers=error.get_response().headers)
    response.status_code = error.code or 500
    g.is_error_page = True
    response.data = render_template("error.html", error=error)
    return response


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
