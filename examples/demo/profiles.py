"""What a profile may say: one place for the form, and for what a script sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Names and addresses live in the token too, and a cookie is small.
MAX_NAME = 80
MAX_EMAIL = 254

#: What is said of a field that cannot be so.
REFUSALS = {
    "name": f"A name has 1 to {MAX_NAME} characters.",
    "email": "This is not an e-mail address.",
}


def read(data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The fields of a profile that ``data`` has, and of those that cannot be so what is wrong.

    A form has texts; in JSON from a script there may be anything.
    """
    texts = {name: data[name] if isinstance(data[name], str) else "" for name in data}
    fields, wrong = {}, {}
    if "name" in texts:
        fields["name"] = " ".join(texts["name"].split())
        if not _is_name(fields["name"]):
            wrong["name"] = REFUSALS["name"]
    if "email" in texts:
        fields["email"] = texts["email"].strip()
        if not _is_email(fields["email"]):
            wrong["email"] = REFUSALS["email"]
    return fields, wrong


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text.isprintable()


def _is_email(text: str) -> bool:
    has_shape = re.fullmatch(r"[^@\s]+@[^@\s]+", text) is not None
    return has_shape and len(text) <= MAX_EMAIL and text.isprintable()
