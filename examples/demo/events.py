"""What the extension's signals tell, for the admin page and the session inspector.

Kept in memory, and not much of it: anybody can send a broken cookie with every request, and that
must not cost a write to the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    #: Of which session it is; for looking it up, and for nobody's eyes.
    sid: str | None = field(repr=False)


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


def of_session(sid: str) -> list[Event]:
    """Those of one session, the newest first."""
    return [event for event in latest() if event.sid == sid]


# blinker passes every argument by name, and later versions of a signal may have more of them.


def _signed_in(app: Flask, session: Session, account: Account | None, **_: object) -> None:
    how = "Demo ID" if account and account.provider == DEMO_ID else "user name and password"
    _record(app, "signed_in", session, f"with {how}")


def _signed_out(app: Flask, session: Session, reason: str, **_: object) -> None:
    _record(app, "signed_out", session, f"reason: {reason}")


def _session_updated(app: Flask, session: Session, data: Mapping[str, Any], **_: object) -> None:
    _record(app, "session_updated", session, f"changed: {', '.join(data)}")


def _session_rejected(app: Flask, reason: str, **_: object) -> None:
    _record(app, "session_rejected", None, f"cookie not accepted: {reason}")


def _session_refreshed(app: Flask, session: Session, account: Account, **_: object) -> None:
    _record(app, "session_refreshed", session, "new tokens of Demo ID")


def _refresh_failed(app: Flask, session: Session, error: ProviderError, **_: object) -> None:
    _record(app, "refresh_failed", session, f"{session.error}: {error.reason}")


def _session_revoked(app: Flask, sid: str | None, sub: str | None, **_: object) -> None:
    what = "all sessions of one person" if sid is None else "one session"
    _append(app, Event(datetime.now(UTC), "session_revoked", "the server", what, sid))


def _record(app: Flask, signal: str, session: Session | None, detail: str) -> None:
    who = str(session.user["name"]) if session and session.user else "nobody"
    sid = session.token.get("sid") if session else None
    _append(app, Event(datetime.now(UTC), signal, who, detail, sid))


def _append(app: Flask, event: Event) -> None:
    app.extensions[_EXTENSION].appendleft(event)
