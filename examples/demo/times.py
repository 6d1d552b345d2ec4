"""Points in time, as people and as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(when: datetime | float) -> str:
    """For people; a number is epoch seconds."""
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    return f"{when.day} {when:%b %Y, %H:%M:%S} UTC"


def iso(when: float) -> str:
    """For programs."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")
