"""The session: how it begins, goes on and ends, and what becomes of who has none."""

from __future__ import annotations

import secrets
from typing import Any

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwtsession import JWTSession, sign_in, sign_out

from .people import Person

auth = JWTSession()


def login(person: Person) -> None:
    """login(event, payloads): an access cookie for a minute, a refresh cookie for a week."""
    sign_in({"id": person["id"]}, claims=_access_claims(person))


@auth.reauth_callback
def reauth(claims: dict[str, Any]) -> dict[str, Any] | None:
    """reauth(payload): the access cookie is over; who is that today? None signs them out.

    :param claims: of the refresh cookie: ``sub``, and the ``refresh_claims`` of the sign-in
    """
    if "guest" in claims:
        return _guest_claims(claims["guest"])
    person = current_app.config["PEOPLE"].get(claims["sub"])
    return None if person is None else _access_claims(person)


def create_guest() -> None:
    """createSession(event, payload): for somebody whom no database knows."""
    number = secrets.randbelow(900) + 100
    sign_in(
        {"id": f"guest-{secrets.token_hex(16)}"},
        claims=_guest_claims(number),
        refresh_claims={"guest": number},
    )


def remove() -> None:
    """removeSession(event): both cookies go, and no copy of them is good any more."""
    sign_out()


@auth.unauthorized_handler
def fallback() -> ResponseReturnValue:
    """fallback(event): asked where a view needs somebody and there is nobody, and only there."""
    if "text/html" in request.headers.get("Accept", ""):
        return redirect(url_for("board.entrance"), 303)
    return {"error": "Come in first."}, 401


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates see, and scripts at /auth/session. The rest stays on the server."""
    # get(): sessions from before there were roles are still there after a deployment.
    session["user"]["role"] = token.get("role")
    return session


def _access_claims(person: Person) -> dict[str, Any]:
    return {name: person[name] for name in ("name", "role", "language")}


def _guest_claims(number: int) -> dict[str, Any]:
    return {"name": f"Guest {number}", "role": "guest"}
