"""Who may sign in, what their session holds, and what of it the browser sees.

There is no CSRF token in any form of this application, and none is forgotten: the extension refuses
every form that another site sent, by the headers with which browsers say where a form comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, redirect, url_for
from werkzeug.security import check_password_hash, generate_password_hash

from flask_jwtsession import (
    Account,
    JWTEvent,
    JWTSession,
    UpdateRefused,
    current_session,
    login_required,
)

from . import database

F = TypeVar("F", bound=Callable[..., Any])

DEMO_ID = "demo-id"

auth = JWTSession()
# Where it is, and what it knows this application by, is in the app's configuration: DEMO_ID_….
auth.add_provider(DEMO_ID, label="Demo ID")

# What a password is compared with when nobody has the user name.
_NOBODYS_HASH = generate_password_hash("")


def init_app(app: Flask) -> None:
    auth.init_app(app)


@auth.credentials
def check_password(credentials: dict[str, str]) -> dict[str, Any] | None:
    """The user, or None to refuse: for the form, and for whoever posts JSON there."""
    user = database.user_by_name(credentials.get("username", ""))
    # Hashing is what takes the time. It is done for unknown names too: how long the answer takes
    # must not tell which names there are.
    # And the hash leaves the user here: callbacks and signals get what this function returns.
    password_hash = user.pop("password_hash") if user else _NOBODYS_HASH
    is_right = check_password_hash(password_hash, credentials.get("password", ""))
    return user if user and is_right else None


@auth.jwt_callback
def fill_token(token: dict[str, Any], event: JWTEvent) -> dict[str, Any]:
    """What is kept, encrypted, in the cookie. ``sub``, ``name`` and ``email`` are there already."""
    if event.user is not None:  # somebody signs in
        user = event.user
        if event.account is not None and event.account.provider == DEMO_ID:
            user = database.user_of_account(event.account, user)
            # Here they are who they are in this database, with the name that they gave here.
            token |= {"sub": str(user["id"]), "name": user["name"], "email": user["email"] or None}
        token["username"] = user["username"]
        token["role"] = user["role"]
        # They go on where they left off, if they are still a member there.
        company = database.company_of_member(token["sub"], user["company_id"])
        if company is not None:
            token |= _company_claims(company)
    elif event.trigger == "update":
        token |= {name: event.data[name] for name in ("name", "email") if name in event.data}
        if "company_id" in event.data:
            # Asked here and not only in the view: nothing gets into the token but through here.
            company = database.company_of_member(token["sub"], event.data["company_id"])
            if company is None:
                raise UpdateRefused("You are not a member of that company.")
            token |= _company_claims(company)
    return token


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates and the browser see of the token."""
    session["user"]["role"] = token.get("role")
    session["company"] = token.get("company")
    return session


def account_at_demo_id() -> Account | None:
    """Of who is signed in with it; with its tokens, which stay on the server."""
    account = current_session.account
    return account if account is not None and account.provider == DEMO_ID else None


def company_required(view: F) -> F:
    """Let people in who are signed in and have chosen a company; the others choose one first."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if "company_id" not in current_session.token:
            return redirect(url_for("account.choose_company"))
        return view(*args, **kwargs)

    return login_required(cast(F, guarded))


def _company_claims(company: dict[str, Any]) -> dict[str, Any]:
    return {"company_id": company["id"], "company": company["name"], "plan": company["plan"]}
