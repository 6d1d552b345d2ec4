"""What the provider remembers, in SQLite in the instance folder: a restart signs nobody out.

A sign-in is of one person in one browser. A grant is one consent to one application in it, and has
the codes and tokens that came of it. Of those there are digests only: nobody can use a copy of the
database to be somebody.
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from flask import Flask, current_app, g

from .grants import Grant
from .provider import this_provider

Kind = Literal["code", "access", "refresh"]
Row = dict[str, Any]

#: Seconds that each is good for. A sign-in takes its grants with it when it ends.
LIFETIMES: dict[Kind, int] = {"code": 60, "access": 60, "refresh": 14 * 24 * 3600}
SIGN_IN_LIFETIME = 30 * 24 * 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sign_ins (
    sid TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    auth_time INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS grants (
    id TEXT PRIMARY KEY,
    sid TEXT NOT NULL REFERENCES sign_ins ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    nonce TEXT,
    auth_time INTEGER NOT NULL,
    is_over INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS tokens (  -- codes too
    digest TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    grant_id TEXT NOT NULL REFERENCES grants ON DELETE CASCADE,
    scope TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    is_spent INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS consents (
    person_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (person_id, client_id)
);
CREATE INDEX IF NOT EXISTS grants_of_sign_in ON grants (sid);
CREATE INDEX IF NOT EXISTS tokens_of_grant ON tokens (grant_id);
"""

_GRANT = ", ".join(f"grants.{field.name}" for field in fields(Grant) if field.name != "scope")
# One that can be used: not a spent one's family, not too old.
_LIVE = "NOT grants.is_over AND tokens.expires_at > ?"


def init_app(app: Flask) -> None:
    app.teardown_appcontext(_close)
    with app.app_context():
        _connection().executescript(_SCHEMA)


# Sign-ins.


def add_sign_in(sid: str, person_id: str, auth_time: int) -> None:
    """Or a later ``auth_time`` for the sign-in that has this ``sid``."""
    _change("DELETE FROM sign_ins WHERE auth_time <= ?", auth_time - SIGN_IN_LIFETIME)
    _change(
        "INSERT INTO sign_ins VALUES (?, ?, ?)"
        " ON CONFLICT (sid) DO UPDATE SET auth_time = excluded.auth_time",
        *(sid, person_id, auth_time),
    )


def sign_in(sid: str) -> Row | None:
    oldest = this_provider().now() - SIGN_IN_LIFETIME
    return _one("SELECT * FROM sign_ins WHERE sid = ? AND auth_time > ?", sid, oldest)


def end_sign_in(sid: str) -> list[str]:
    """Also what was granted in it. Returns the ids of the clients that were signed in to."""
    rows = _all("SELECT DISTINCT client_id FROM grants WHERE sid = ? ORDER BY client_id", sid)
    _change("DELETE FROM sign_ins WHERE sid = ?", sid)
    return [row["client_id"] for row in rows]


# Consents.


def consented(person_id: str, client_id: str) -> set[str]:
    """The scopes that somebody lets an application have."""
    row = _one(
        "SELECT scope FROM consents WHERE person_id = ? AND client_id = ?", person_id, client_id
    )
    return set(row["scope"].split()) if row else set()


def consents(person_id: str) -> list[Row]:
    return _all("SELECT * FROM consents WHERE person_id = ? ORDER BY client_id", person_id)


def save_consent(person_id: str, client_id: str, scope: str) -> None:
    _change("INSERT OR REPLACE INTO consents VALUES (?, ?, ?)", person_id, client_id, scope)


def withdraw_consent(person_id: str, client_id: str) -> None:
    _change("DELETE FROM consents WHERE person_id = ? AND client_id = ?", person_id, client_id)
    _change(
        "UPDATE grants SET is_over = 1 WHERE person_id = ? AND client_id = ?", person_id, client_id
    )


# Grants, and the codes and tokens of each.


def add_grant(grant: Grant) -> None:
    _change("DELETE FROM tokens WHERE expires_at <= ?", this_provider().now())
    _change("INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", *astuple(grant))


def end_grant(grant_id: str) -> None:
    """Nothing that came of it is good any more."""
    _change("UPDATE grants SET is_over = 1 WHERE id = ?", grant_id)


def add_token(kind: Kind, token: str, grant_id: str, scope: str) -> bool:
    """False if the grant ended in the meantime, by another request."""
    expires_at = this_provider().now() + LIFETIMES[kind]
    return _change(
        "INSERT INTO tokens SELECT ?, ?, id, ?, ?, 0 FROM grants WHERE id = ? AND NOT is_over",
        *(_digest(token), kind, scope, expires_at, grant_id),
    )


def grant_of(kind: Kind, token: str) -> Grant | None:
    """What a live token was given for, with the token's own scope; it may be spent."""
    row = _one(
        f"SELECT {_GRANT}, tokens.scope FROM tokens JOIN grants ON grants.id = grant_id"  # noqa: S608
        f" WHERE digest = ? AND kind = ? AND {_LIVE}",
        *(_digest(token), kind, this_provider().now()),
    )
    return Grant(**row) if row else None


def spend(kind: Kind, token: str) -> bool:
    """Use a code or refresh token, which is good for one use.

    Whoever brings one a second time stole it, or was robbed of it. Nobody can tell which, so
    everything that came of the grant ends (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
    """
    digest = _digest(token)
    # One statement: of two requests at the same time, one changes the row.
    if _change("UPDATE tokens SET is_spent = 1 WHERE digest = ? AND NOT is_spent", digest):
        return True
    _change(
        "UPDATE grants SET is_over = 1 WHERE id ="
        " (SELECT grant_id FROM tokens WHERE digest = ? AND kind = ?)",
        *(digest, kind),
    )
    return False


def delete_token(token: str) -> None:
    _change("DELETE FROM tokens WHERE digest = ?", _digest(token))


def _connection() -> sqlite3.Connection:
    if "provider_database" not in g:
        # Every statement is a transaction: no two of them here need to be one.
        path = Path(current_app.instance_path) / "provider.sqlite"
        g.provider_database = sqlite3.connect(path, isolation_level=None)
        g.provider_database.row_factory = _row
        g.provider_database.execute("PRAGMA foreign_keys = ON")
    connection: sqlite3.Connection = g.provider_database
    return connection


def _close(_error: BaseException | None) -> None:
    connection = g.pop("provider_database", None)
    if connection is not None:
        connection.close()


def _digest(token: str) -> str:
    # Without salt or stretching: a token has nothing that could be guessed.
    return sha256(token.encode()).hexdigest()


def _change(statement: str, *values: object) -> bool:
    """Whether anything changed."""
    return _connection().execute(statement, values).rowcount > 0


def _all(query: str, *values: object) -> list[Row]:
    return _connection().execute(query, values).fetchall()


def _one(query: str, *values: object) -> Row | None:
    row: Row | None = _connection().execute(query, values).fetchone()
    return row


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    names = [column[0] for column in cursor.description]
    return dict(zip(names, values, strict=True))
