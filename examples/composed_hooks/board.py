"""The pages."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import current_session, current_user, login_required, roles_required

from . import hooks, session
from .people import ACCOUNTS, is_password_of

board = Blueprint("board", __name__)
board.before_request(hooks.choose_language)


@board.get("/")
@login_required
def notes() -> str:
    notes = current_app.config["NOTES"]
    return render_template("notes.html", notes=notes, expires=current_session.expires)


@board.post("/notes")
@roles_required("editor")
def pin() -> ResponseReturnValue:
    text = request.form.get("text", "").strip()
    if not 0 < len(text) <= 200:
        abort(400, "A note has 1 to 200 characters.")
    current_app.config["NOTES"].append((current_user["name"], text))
    return redirect(url_for(".notes"), 303)


@board.get("/enter")
def entrance() -> str:
    return render_template("entrance.html", accounts=ACCOUNTS)


@board.post("/login")
def login() -> ResponseReturnValue:
    username = request.form.get("username", "")
    is_right = is_password_of(username, request.form.get("password", ""))
    person = current_app.config["PEOPLE"].get(username)
    if not is_right or person is None:
        return render_template("entrance.html", accounts=ACCOUNTS, is_wrong=True), 400
    session.login(person)
    return redirect(url_for(".notes"), 303)


@board.post("/guest")
def enter_as_guest() -> ResponseReturnValue:
    session.create_guest()
    return redirect(url_for(".notes"), 303)


@board.post("/leave")
def leave() -> ResponseReturnValue:
    session.remove()
    return redirect(url_for(".entrance"), 303)
