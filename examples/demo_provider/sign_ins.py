"""Who is signed in here, in this browser. No application sees this cookie.

The cookie is Flask's signed one and names the sign-in; what is known of it is in the database, so a
copy of the cookie is worth nothing after the sign-out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flask import session

from . import back_channel, database
from .accounts import PEOPLE, Person
from .provider import this_provider


@dataclass(frozen=True)
class SignIn:
    sid: str  # what applications know this sign-in by
    person: Person
    auth_time: int


def current() -> SignIn | None:
    row = database.sign_in(session.get("sid", ""))
    if row is None:
        return None
    return SignIn(row["sid"], PEOPLE[row["person_id"]], row["auth_time"])


def begin(person: Person) -> None:
    """Sign somebody in, or once more. In one browser there is one person at a time."""
    here = current()
    if here is not None and here.person != person:
        end()
        here = None
    sid = here.sid if here is not None else secrets.token_urlsafe(16)
    database.add_sign_in(sid, person.id, this_provider().now())
    session["sid"] = sid


def end() -> None:
    """Sign out here, and tell the applications that were signed in to."""
    here = current()
    session.clear()
    if here is not None:
        for client_id in database.end_sign_in(here.sid):
            back_channel.tell(client_id, here.person, here.sid)
