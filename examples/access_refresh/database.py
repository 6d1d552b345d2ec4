"""The people, their roles, and what happened: SQLite, in the instance folder.

Sessions are not in it.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g
from werkzeug.security import generate_password_hash

Row = dict[str, Any]

ROLES = ("customer", "editor", "admin")

#: User name, password, role, name. The sign-in page shows them; no real application would.
ACCOUNTS = (
    ("ada", "analytical-engine", "admin", "Ada Lovelace"),
    ("bob", "boat-on-the-bay", "editor", "Bob Bayley"),
    ("cleo", "clay-and-copper", "customer", "Cleo Clay"),
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    id INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    password_changes INTEGER NOT NULL DEFAULT 0,
    role TEXT NOT NULL,
    is_disabled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,  -- epoch seconds
    signal TEXT NOT NULL,
    who TEXT NOT NULL,
    detail TEXT NOT NULL
);
"""
_EVENTS_KEPT = 100


def init_app(app: Flask) -> None:
    """Make the tables and the first people, unless they are there."""
    app.teardown_appcontext(_close)
    with app.app_context():
        connection().executescript(_SCHEMA)
        if not people():
            _add_first_people()


def connection() -> sqlite3.Connection:
    """The connection of this request. ``with connection():`` makes a transaction of a block."""
    if "database" not in g:
        g.database = sqlite3.connect(Path(current_app.instance_path) / "shop.sqlite")
        g.database.row_factory = _row
    database: sqlite3.Connection = g.database
    return database


def people() -> list[Row]:
    return connection().execute("SELECT * FROM people ORDER BY id").fetchall()


def person(subject: str) -> Row | None:
    """The person whose ``sub`` claim this is."""
    return _one("SELECT * FROM people WHERE id = ?", subject)


def person_by_username(username: str) -> Row | None:
    return _one("SELECT * FROM people WHERE username = ?", username.strip().lower())


def set_role(person_id: int, role: str) -> None:
    with connection() as database:
        database.execute("UPDATE people SET role = ? WHERE id = ?", (role, person_id))


def set_disabled(person_id: int, *, is_disabled: bool) -> None:
    with connection() as database:
        database.execute("UPDATE people SET is_disabled = ? WHERE id = ?", (is_disabled, person_id))


def set_password(person_id: int, password: str) -> Row:
    """The person as they are after that."""
    with connection() as database:
        row: Row = database.execute(
            "UPDATE people SET password_hash = ?, password_changes = password_changes + 1"
            " WHERE id = ? RETURNING *",
            (generate_password_hash(password), person_id),
        ).fetchone()
    return row


def add_event(signal: str, who: str, detail: str) -> None:
    with connection() as database:
        added = database.execute(
            "INSERT INTO events (at, signal, who, detail) VALUES (?, ?, ?, ?)",
            (datetime.now(UTC).timestamp(), signal, who, detail),
        )
        # Anybody may sign in and out all day long: that must not fill the disk.
        database.execute("DELETE FROM events WHERE id <= ? - ?", (added.lastrowid, _EVENTS_KEPT))


def events() -> list[Row]:
    """The last ones, the newest first."""
    return connection().execute("SELECT * FROM events ORDER BY id DESC").fetchall()


def _add_first_people() -> None:
    with connection() as database:
        for username, password, role, name in ACCOUNTS:
            database.execute(
                "INSERT INTO people (username, name, password_hash, role) VALUES (?, ?, ?, ?)",
                (username, name, generate_password_hash(password), role),
            )


def _close(_error: BaseException | None) -> None:
    database = g.pop("database", None)
    if database is not None:
        database.close()


def _one(query: str, *values: object) -> Row | None:
    row: Row | None = connection().execute(query, values).fetchone()
    return row


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    names = [column[0] for column in cursor.description]
    return dict(zip(names, values, strict=True))
