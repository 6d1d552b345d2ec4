"""Who there is: made up, and in a dictionary in place of a database."""

from __future__ import annotations

from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash

# User name, password, role, name. The sign-in page shows them; of people who are not made up there
# is only the hash.
ACCOUNTS = (
    ("ada", "tide and time", "master", "Ada Quay"),
    ("ben", "ebb and flow", "clerk", "Ben Jetty"),
    ("cleo", "fair winds", "skipper", "Cleo Mast"),
)
_PEOPLE = {
    username: {"id": username, "name": name, "role": role} for username, _, role, name in ACCOUNTS
}
_HASHES = {username: generate_password_hash(password) for username, password, _, _ in ACCOUNTS}
_NOBODYS_HASH = generate_password_hash("")


def person_with(username: str, password: str) -> dict[str, Any] | None:
    # Hashed for unknown names too: how long it takes must not tell which names there are.
    is_right = check_password_hash(_HASHES.get(username, _NOBODYS_HASH), password)
    return _PEOPLE.get(username) if is_right else None
