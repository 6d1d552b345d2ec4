"""People, companies, and who is what where. A real application asks its database here."""

from __future__ import annotations

from typing import Any

from werkzeug.security import generate_password_hash

# User name, password, id, name. The sign-in page shows them; no real application would.
ACCOUNTS = (
    ("ada", "analytical-engine", 1, "Ada Lovelace"),
    ("bob", "boat-on-the-bay", 2, "Bob Bayley"),
)
_HASHES = {username: generate_password_hash(password) for username, password, _, _ in ACCOUNTS}
_NOBODYS_HASH = generate_password_hash("")

_COMPANIES = {7: "Paper Lane", 8: "North Mill", 9: "Harbour Press"}
# By person and company; "sub" is a text.
_ROLES = {("1", 7): "owner", ("1", 8): "member", ("2", 8): "owner", ("2", 9): "member"}


def person_with(username: str | None) -> tuple[dict[str, Any] | None, str]:
    """The user of that name, if there is one, and a hash to compare a password with in any case."""
    people = {name: {"id": number, "name": person} for name, _, number, person in ACCOUNTS}
    return people.get(username or ""), _HASHES.get(username or "", _NOBODYS_HASH)


def company_of_member(subject: str, company_id: int) -> dict[str, Any] | None:
    """The company as this person has it: ``id``, ``name``, and their ``role`` in it.

    None if they are no member, or if there is no such company: nobody learns which.
    """
    role = _ROLES.get((subject, company_id))
    if role is None:
        return None
    return {"id": company_id, "name": _COMPANIES[company_id], "role": role}


def companies_of(subject: str) -> list[dict[str, Any]]:
    found = (company_of_member(subject, company_id) for company_id in _COMPANIES)
    return [company for company in found if company is not None]
