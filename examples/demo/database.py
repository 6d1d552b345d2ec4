"""The application's own data, in SQLite in the instance folder. Sessions are not in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g
from werkzeug.security import generate_password_hash

from flask_jwtsession import Account

Row = dict[str, Any]

#: User name, password, role. The sign-in page shows them; no real application would.
ACCOUNTS = (
    ("ada", "analytical-engine", "admin"),
    ("bob", "boat-on-the-bay", "member"),
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS companies (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL CHECK (plan IN ('free', 'team'))
);
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,  -- '' for who has no password here
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    company_id INTEGER REFERENCES companies  -- where they worked last
);
CREATE TABLE IF NOT EXISTS accounts (  -- of providers
    provider TEXT NOT NULL,
    account_id TEXT NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users,
    PRIMARY KEY (provider, account_id)
);
CREATE TABLE IF NOT EXISTS memberships (
    user_id INTEGER NOT NULL REFERENCES users,
    company_id INTEGER NOT NULL REFERENCES companies,
    PRIMARY KEY (user_id, company_id)
);
"""

_COMPANIES = [
    (1, "Analytical Engines", "team"),
    (2, "Bayside Boats", "free"),
    (3, "Copper & Sons", "team"),
]
_NAMES = {
    "ada": (1, "Ada Lovelace", "ada@example.com"),
    "bob": (2, "Bob Bayley", "bob@example.com"),
}
_MEMBERSHIPS = [(1, 1), (1, 3), (2, 2), (2, 3)]
# Where somebody is a member who comes from a provider for the first time.
_WELCOMING_COMPANY = 3


def init_app(app: Flask) -> None:
    """Make the tables and the first accounts, unless they are there."""
    app.teardown_appcontext(_close)
    with app.app_context():
        connection().executescript(_SCHEMA)
        if connection().execute("SELECT 1 FROM users").fetchone() is None:
            _seed()


def connection() -> sqlite3.Connection:
    """The connection of this request. ``with connection():`` makes a transaction of a block."""
    if "database" not in g:
        g.database = sqlite3.connect(Path(current_app.instance_path) / "demo.sqlite")
        g.database.row_factory = _row
        g.database.execute("PRAGMA foreign_keys = ON")
    database: sqlite3.Connection = g.database
    return database


def user_by_name(username: str) -> Row | None:
    """The user who signs in with this name and a password."""
    return _one(
        "SELECT * FROM users WHERE username = ? AND password_hash != ''", username.strip().lower()
    )


def user_by_id(subject: str) -> Row:
    """Without the password's hash. There is one, as long as the session is this application's."""
    (user,) = _all("SELECT * FROM users WHERE id = ?", subject)
    return {name: value for name, value in user.items() if name != "password_hash"}


def user_of_account(account: Account, user: Mapping[str, Any]) -> Row:
    """The user that an account of a provider belongs to, made at the first sign-in with it.

    It is found by the provider and its account id, and by nothing else. Not by the e-mail address:
    whoever can have an account with somebody's address anywhere would be let in as them.

    :param user: what the provider says of the person, for the first sign-in
    """
    key = (account.provider, account.provider_account_id)
    with connection() as database:
        # Two first sign-ins at once: the second one waits here, and finds what the first one made.
        database.execute("BEGIN IMMEDIATE")
        if (found := _user_of_account(*key)) is not None:
            return found
        user_id = database.execute(
            "INSERT INTO users VALUES (NULL, ?, '', 'member', ?, ?, NULL)",
            ("|".join(key), user["name"] or "Somebody", user["email"] or ""),
        ).lastrowid
        database.execute("INSERT INTO accounts VALUES (?, ?, ?)", (*key, user_id))
        database.execute("INSERT INTO memberships VALUES (?, ?)", (user_id, _WELCOMING_COMPANY))
        made = _user_of_account(*key)
    assert made is not None  # noqa: S101 - just made
    return made


def users() -> list[Row]:
    return _all(
        "SELECT users.id, users.name, username, email, role, companies.name AS company"
        " FROM users LEFT JOIN companies ON companies.id = users.company_id ORDER BY users.id"
    )


def companies_for(subject: str) -> list[Row]:
    """All companies, each with ``is_member`` for the user whose ``sub`` claim this is."""
    return _all(
        "SELECT companies.*, user_id IS NOT NULL AS is_member FROM companies"
        " LEFT JOIN memberships ON company_id = companies.id AND user_id = ? ORDER BY companies.id",
        subject,
    )


def company_of_member(subject: str, company_id: object) -> Row | None:
    """The company, if the user is a member of it. ``company_id`` is whatever was asked for."""
    member_of = [company for company in companies_for(subject) if company["is_member"]]
    return next((company for company in member_of if company["id"] == company_id), None)


def members(company_id: int) -> list[Row]:
    return _all(
        "SELECT name, email, role FROM users JOIN memberships ON user_id = users.id"
        " WHERE memberships.company_id = ? ORDER BY name",
        company_id,
    )


def save_profile(subject: str, *, name: str, email: str) -> None:
    connection().execute(
        "UPDATE users SET name = ?, email = ? WHERE id = ?", (name, email, subject)
    )


def save_company(subject: str, company_id: int) -> None:
    connection().execute("UPDATE users SET company_id = ? WHERE id = ?", (company_id, subject))


def save_password(subject: str, password: str) -> None:
    connection().execute(
        "UPDATE users SET password_hash = ? WHERE id = ?",
        (generate_password_hash(password), subject),
    )


def _user_of_account(provider: str, account_id: str) -> Row | None:
    return _one(
        "SELECT users.* FROM users JOIN accounts ON user_id = users.id"
        " WHERE provider = ? AND account_id = ?",
        *(provider, account_id),
    )


def _seed() -> None:
    with connection() as database:
        database.executemany("INSERT INTO companies VALUES (?, ?, ?)", _COMPANIES)
        for username, password, role in ACCOUNTS:
            user_id, name, email = _NAMES[username]
            database.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (user_id, username, generate_password_hash(password), role, name, email),
            )
        database.executemany("INSERT INTO memberships VALUES (?, ?)", _MEMBERSHIPS)


def _close(_error: BaseException | None) -> None:
    database = g.pop("database", None)
    if database is not None:
        database.close()


def _all(query: str, *values: object) -> list[Row]:
    return connection().execute(query, values).fetchall()


def _one(query: str, *values: object) -> Row | None:
    row: Row | None = connection().execute(query, values).fetchone()
    return row


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    names = [column[0] for column in cursor.description]
    return dict(zip(names, values, strict=True))
