"""Who may sign in, what their session holds, and what of it the browser sees.

There is no CSRF token in any form of this application, and none is forgotten: the extension refuses
every form that another site sent, by the headers with which browsers say where a form comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    session_updated,
)

from . import database, profiles, times

F = TypeVar("F", bound=Callable[..., Any])

DEMO_ID = "demo-id"

_ABSOLUTE_MAX_AGE = 60 * 60

auth = JWTSession()
# Where it is, and what it knows this application by, is in the app's configuration: DEMO_ID_….
auth.add_provider(DEMO_ID, label="Demo ID")

# What a password is compared with when nobody has the user name.
_NOBODYS_HASH = generate_password_hash("")


def init_app(app: Flask, *, idle_seconds: int) -> None:
    app.config.from_mapping(
        # Shorter than a real application would have it: so you can see what happens before and at
        # the end. A session ends when nobody used it for so long, and an hour after the sign-in,
        # however much it is used. A token that is older than UPDATE_AGE is issued anew by use.
        JWTSESSION_MAX_AGE=idle_seconds,
        JWTSESSION_UPDATE_AGE=min(30, idle_seconds / 10),
        JWTSESSION_ABSOLUTE_MAX_AGE=_ABSOLUTE_MAX_AGE,
        # How long before the end pages ask whether to stay signed in. By then any token has to be
        # older than UPDATE_AGE, or a yes would not change its end.
        DEMO_WARNING_SECONDS=min(60, idle_seconds / 3),
        # What a script in the browser may ask to change. fill_token() below decides; of anything
        # else that a browser sends it hears nothing.
        JWTSESSION_CLIENT_UPDATE_FIELDS=("name", "email"),
        # A sign-in page of our own, in our own layout. The extension still checks the password,
        # sets the cookie, and decides where a person may go afterwards.
        JWTSESSION_PAGES={"sign_in": "/sign-in", "error": "/sign-in"},
        # Who signs out here is asked whether to sign out of Demo ID too.
        JWTSESSION_FEDERATED_SIGN_OUT=True,
    )
    auth.init_app(app)
    session_updated.connect(_commit, app)


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
        return _at_sign_in(token, event.user, event.account)
    if event.trigger == "update":
        return _at_update(token, event.data)
    return token


def _at_sign_in(
    token: dict[str, Any], user: Mapping[str, Any], account: Account | None
) -> dict[str, Any]:
    if account is not None and account.provider == DEMO_ID:
        user = database.user_of_account(account, user)
        # Here they are who they are in this database, with the name that they gave here.
        token |= {"sub": str(user["id"]), "name": user["name"], "email": user["email"] or None}
    token["username"] = user["username"]
    token["role"] = user["role"]
    # They go on where they left off, if they are still a member there.
    company = database.company_of_member(token["sub"], user["company_id"])
    if company is not None:
        token |= _company_claims(company)
    return token


def _at_update(token: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Everything is checked here and not in the views: nothing gets into the token but through
    here, whether a form asks for it or a script.
    """
    profile, wrong = profiles.read(data)
    if wrong:
        raise UpdateRefused(" ".join(wrong.values()))
    if profile:
        token |= profile
        database.save_profile(token["sub"], name=token["name"], email=token["email"] or "")
    if "company_id" in data:
        company = database.company_of_member(token["sub"], data["company_id"])
        if company is None:
            raise UpdateRefused("You are not a member of that company.")
        token |= _company_claims(company)
        database.save_company(token["sub"], company["id"])
    if "filler" in data:  # from the session inspector, to see what a large session is like
        token["filler"] = data["filler"]
        if not token["filler"]:
            del token["filler"]
    return token


def _commit(_app: Flask, **_: object) -> None:
    """Keep what :func:`_at_update` wrote, now that the new session is issued. If it was not,
    because it is too large for a cookie, say, the database is as it was too.

    The other way round there is no such promise: what a receiver of a signal raises is only logged.
    If this commit fails, the person reads "saved", and the session is ahead of the database until
    the next sign-in. Where that matters, :func:`_at_update` has to commit: then it is the database
    that may be ahead.
    """
    database.connection().commit()


@auth.session_callback
def public_session(session: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
    """What templates and the browser see of the token."""
    session["user"]["id"] = token["sub"]  # by which a page sees that somebody else is here now
    session["user"]["role"] = token.get("role")
    session["company"] = token.get("company")
    # "expires" is put off by use, up to here: then a page does not offer to stay.
    session["latest_end"] = times.iso(token["auth_time"] + _ABSOLUTE_MAX_AGE)
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
