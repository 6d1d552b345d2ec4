"""For programs, which have no cookies: a token for a password."""

from __future__ import annotations

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from .auth import check_password, token_for_program

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.post("/token")
def token() -> ResponseReturnValue:
    """``{"username": …, "password": …}`` -> ``{"access_token": …, …}``, as RFC 6749 section 5.1."""
    sent = request.get_json(silent=True)
    fields = sent if isinstance(sent, dict) else {}
    username, password = fields.get("username"), fields.get("password")
    if not isinstance(username, str) or not isinstance(password, str):
        return {"error": "invalid_request"}, 400
    person = check_password(username, password)
    if person is None:
        return {"error": "invalid_grant"}, 400
    return {
        "access_token": token_for_program(person),
        "token_type": "Bearer",
        "expires_in": current_app.config["JWTSESSION_MAX_AGE"],
    }
