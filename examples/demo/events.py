"""What the extension's signals tell, for the log on the admin page.

Kept in memory, and not much of it: anybody can send a broken cookie with every request, and that
must not cost a write to the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app

from flask_jwtsession import (
    Account,
    ProviderError,
    Session,
    refresh_failed,
    session_refreshed,
    session_rejected,
    session_revoked,
    session_updated,
    signed_in,
    signed_out,
)

from .auth import DEMO_ID

_EXTENSION = "demo-events"
_KEPT = 40


@dataclass(frozen=True)
class Event:
    """One line of the log. Names and reasons only: no signal brings a token, no log needs one."""

    at: datetime
    signal: str
    who: str
    detail: str


def init_app(app: Flask) -> None:
    app.extensions[_EXTENSION] = deque[Event](maxlen=_KEPT)
    # With the app as the sender: another app in this process has events of its own.
    signed_in.connect(_signed_in, app)
    signed_out.connect(_signed_out, app)
    session_updated.connect(_session_updated, app)
    session_rejected.connect(_session_rejected, app)
    session_refreshed.connect(_session_refreshed, app)
    refresh_failed.connect(_refresh_failed, app)
    session_revoked.connect(_session_revoked, app)


def latest() -> list[Event]:
    """The last events, the newest first."""
    return list(current_app.extensions[_EXTENSION])


# blinker passes every argument by name, and later versions of a signal may have more of them.


def _signed_in(app: Flask, session: Session, account: Account | None, **_: object) -> None:
    how = "Demo ID" if account and account.provider == DEMO_ID else "user name and password"
    _record(app, "signed_in", _name(session), f"with {how}")


def _signed_out(app: Flask, session: Session, reason: str, **_: object) -> None:
    _record(app, "signed_out", _name(session), f"reason: {reason}")


def _session_updated(app: Flask, session: Session, data: Mapping[str, Any], **_: object) -> None:
    _record(app, "session_updated", _name(session), f"changed: {', '.join(data)}")


def _session_rejected(app: Flask, reason: str, **_: object) -> None:
    _record(app, "session_rejected", "nobody", f"cookie not accepted: {reason}")


def _session_refreshed(app: Flask, session: Session, account: Account, **_: object) -> None:
    _record(app, "session_refreshed", _name(session), "new tokens of Demo ID")


def _refresh_failed(app: Flask, session: Session, error: ProviderError, **_: object) -> None:
    _record(app, "refresh_failed", _name(session), f"{session.error}: {error.reason}")


def _session_revoked(app: Flask, sid: str | None, sub: str | None, **_: object) -> None:
    what = "all sessions of one person" if sid is None else "one session"
    _record(app, "session_revoked", "the server", what)


def _record(app: Flask, signal: str, who: str, detail: str) -> None:
    app.extensions[_EXTENSION].appendleft(Event(datetime.now(UTC), signal, who, detail))


def _name(session: Session) -> str:
    return str(session.user["name"]) if session.user else "nobody"
