"""Who is signed in: two cookies, what each of them says, and who gets the next ones.

The **access cookie** is a signed token with the name and the role of a person. Whoever has the
public key can check it without asking anybody: this application at every request, and the service
in ``orders.py``. It is over after a minute, however much it is used.

The **refresh cookie** is good for a week, and only this application can read it. When a request
comes whose access cookie is over, the extension asks :func:`look_up_again`, once for all requests
that come at the same time. What that returns is in the next access cookie, which the same request
has already. So the database is asked once a minute and not at every request, and nothing that it
says about a person is older than that minute.

A refresh cookie is good once. If an older one comes again there is a copy of it somewhere, and the
session ends for everybody who has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.security import check_password_hash, generate_password_hash

from flask_jwtsession import JWTSession, create_token, sign_in

from . import database, keys
from .database import Row

auth = JWTSession()

# What a password is compared with when nobody has the user name.
_NOBODYS_HASH = generate_password_hash("")


def init_app(app: Flask, *, issuer: str, access_seconds: int) -> None:
    instance = Path(app.instance_path)
    app.config.from_mapping(
        JWTSESSION_COOKIE_PREFIX="shop",
        # The access cookie. Signed, not encrypted: who has it can read it, so nothing in it is a
        # secret, and nothing is that only we need.
        JWTSESSION_MAX_AGE=access_seconds,
        JWTSESSION_TOKEN_FORMAT="signed",
        JWTSESSION_SIGNING_KEY=keys.signing_key(instance),
        JWTSESSION_ISSUER=issuer,
        JWTSESSION_AUDIENCE=["shop", "orders"],
        # Programs send the same token in a header: "Authorization: Bearer …". See api.py.
        JWTSESSION_TOKEN_LOCATIONS=("cookie", "header"),
        # The refresh cookie, with a secret of its own.
        JWTSESSION_REFRESH_COOKIE=True,
        JWTSESSION_REFRESH_SECRET=keys.secret(instance, "refresh-secret"),
        JWTSESSION_REFRESH_MAX_AGE=7 * 24 * 60 * 60,
        # Under "Strict" whoever follows a link from another site would arrive signed out, unless
        # they were here a minute ago.
        JWTSESSION_REFRESH_SAMESITE="Lax",
        # A sign-in page in our own layout; see pages.py.
        JWTSESSION_PAGES={"sign_in": "/sign-in"},
    )
    auth.init_app(app)


def check_password(username: str, password: str) -> Row | None:
    """The person, or None to refuse."""
    person = database.person_by_username(username)
    # Hashing is what takes the time. It is done for unknown names too: how long the answer takes
    # must not tell which names there are.
    password_hash = person["password_hash"] if person else _NOBODYS_HASH
    is_right = check_password_hash(password_hash, password)
    return person if person and is_right and not person["is_disabled"] else None


def begin_session(person: Row) -> None:
    """Sign somebody in: both cookies, for this browser."""
    sign_in(
        {"id": person["id"]},
        claims=_access_claims(person, 0),
        refresh_claims=_refresh_claims(person, 0),
    )


def token_for_program(person: Row) -> str:
    """An access token for a program. There is no refresh token: it shows its password again."""
    return create_token({"id": person["id"]}, claims=_access_claims(person, 0))


@auth.reauth_callback
def look_up_again(claims: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The access cookie is over: who is that person today? None signs them out.

    :param claims: of the refresh cookie: ``sub``, and what :func:`_refresh_claims` put there
    """
    person = database.person(claims["sub"])
    if person is None or person["is_disabled"]:
        return None
    if person["password_changes"] != claims["password_changes"]:
        return None  # they signed in with a password that is no longer theirs
    times = claims["reauthenticated"] + 1
    return _access_claims(person, times), _refresh_claims(person, times)


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates see, and programs at ``/auth/session``."""
    session["user"]["role"] = token.get("role")
    return session


# ``sub``, ``sid`` and the times are the extension's: they are in both tokens already.


def _access_claims(person: Row, reauthenticated: int) -> dict[str, Any]:
    return {
        "name": person["name"],
        "role": person["role"],
        "reauthenticated": reauthenticated,  # for people to see on the first page
    }


def _refresh_claims(person: Row, reauthenticated: int) -> dict[str, Any]:
    return {
        "password_changes": person["password_changes"],
        "reauthenticated": reauthenticated,
    }
