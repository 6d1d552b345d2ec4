"""Who there is: made up, and in a dictionary in place of a database."""

from __future__ import annotations

from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash

# User name, password, name, role, language. The first page shows them; of people who are not made
# up there is only the hash.
ACCOUNTS = (
    ("ida", "paper and pins", "Ida Cork", "editor", "en"),
    ("jens", "chalk and slate", "Jens Tafel", "reader", "de"),
)
_HASHES = {username: generate_password_hash(password) for username, password, *_ in ACCOUNTS}
_NOBODYS_HASH = generate_password_hash("")

Person = dict[str, Any]


def make_people() -> dict[str, Person]:
    return {
        username: {"id": username, "name": name, "role": role, "language": language}
        for username, _, name, role, language in ACCOUNTS
    }


def is_password_of(username: str, password: str) -> bool:
    # Hashed for unknown names too: how long it takes must not tell which names there are.
    return check_password_hash(_HASHES.get(username, _NOBODYS_HASH), password)
