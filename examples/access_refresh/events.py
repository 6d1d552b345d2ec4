"""What the extension's signals tell, kept for the page "What happened"."""

from __future__ import annotations

from flask import Flask, request

from flask_jwtsession import Session, reuse_detected, signed_in, signed_out

from . import database

_REASONS = {
    "user": "signed out",
    "replaced": "signed in again over this session",
    "expired": "was away for longer than a refresh cookie lasts",
    "callback": "was not re-authenticated: disabled, or the password was changed",
    "revoked": "the session was revoked",
}


def init_app(app: Flask) -> None:
    # With the app as the sender: another app in this process has events of its own.
    signed_in.connect(_signed_in, app)
    signed_out.connect(_signed_out, app)
    reuse_detected.connect(_reuse_detected, app)


# blinker passes every argument by name, and later versions of a signal may have more of them.


def _signed_in(_app: Flask, session: Session, **_: object) -> None:
    how = "a program, with a token" if request.blueprint == "api" else "with a browser"
    database.add_event("signed_in", _name(session.token["sub"]), how)


def _signed_out(_app: Flask, session: Session, reason: str, **_: object) -> None:
    database.add_event("signed_out", _name(session.token["sub"]), _REASONS.get(reason, reason))


def _reuse_detected(_app: Flask, sub: str, **_: object) -> None:
    detail = "an old refresh cookie came back: somebody has a copy, and the session is over"
    database.add_event("reuse_detected", _name(sub), detail)


def _name(subject: str) -> str:
    person = database.person(subject)
    return person["name"] if person else "somebody"
