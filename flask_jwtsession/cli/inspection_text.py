"""An inspection in lines of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..cookies import CHUNK_SIZE
from ..exceptions import TokenError
from ..lifecycle.binding import Binding
from ..tokens.token_format import read_header

if TYPE_CHECKING:
    from .inspecting import Inspection, Value

#: Why a token is refused, for people.
REASONS: Mapping[str, str] = {
    "malformed": "It is no compact JWE, or no compact JWS where tokens are signed.",
    "header": "Its protected header has something that is not accepted.",
    "unknown_key": "It was made with another secret, or for another cookie name.",
    "decryption": "It was changed or damaged after it was made.",
    "signature": "It was changed or damaged after it was made.",
    "issuer": "Its 'iss' is not the issuer of this application.",
    "audience": "Its 'aud' is not the audience of this application.",
    "payload": "It is authentic, but no JSON object.",
    "claims": "It is authentic, but its claims break a rule: a time or a 'sid' that is none.",
    "location": "It is not looked for where it was: in a cookie, or in the header Authorization.",
    "chunks": "Not all of its chunks are there, or one is there twice.",
    "ambiguous": "There are several that are good, or more than eight.",
    "expired": "Its time is over.",
    "revoked": "Its session was signed out or revoked.",
    "reused": "It is a refresh cookie that was used before: the next request ends the session.",
    "store": "The store is away, so nobody can say whether its session was revoked.",
    "subject": "It has no 'sub' that could name somebody: a session, but nobody's.",
    "nothing": "It is empty.",
}

_SECRET_NAME = re.compile(r"(tokens?|secrets?|passw(or)?d|grant|verifier|key|hash)$", re.IGNORECASE)
_LOOKS_LIKE_TOKEN = re.compile(r"eyJ[\w-]*(\.[\w-]*){2}", re.ASCII)
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def lines_of(inspection: Inspection, binding: Binding, *, show_tokens: bool) -> Iterator[str]:
    """The values one after the other, and the result of all."""
    for value in inspection.values:
        yield from _lines_of_value(value, binding, show_tokens=show_tokens)
        if len(inspection.values) > 1:
            alone = "good" if value.refused is None else _refusal(value.refused)
            yield _row("By itself", f"{alone} {value.hint}".strip())
            yield ""
    result = (
        "accepted." if inspection.refused is None else f"refused: {_refusal(inspection.refused)}"
    )
    yield _row("Result", f"{result} {inspection.remark}".strip())


def _lines_of_value(value: Value, binding: Binding, *, show_tokens: bool) -> Iterator[str]:
    yield _row("What", f"{value.where}{f' in {value.chunks} chunks' if value.chunks else ''}")
    if value.text:
        yield _row("Header", _header(value.text))
        cookies = -(-len(value.text) // CHUNK_SIZE)
        limit = binding.settings.max_token_size
        yield _row(
            "Size",
            f"{len(value.text)} characters, {cookies} cookie{'s' if cookies > 1 else ''}; "
            f"{limit} are allowed ({binding.settings.config_prefix}_MAX_TOKEN_SIZE)",
        )
    if value.claims is not None:
        now = binding.clock()
        yield _row("Signed in", _when(value.claims.get("auth_time"), now))
        yield _row("Issued", _when(value.claims.get("iat"), now))
        expires = value.claims.get("exp") if value.expires is None else value.expires
        yield _row("Expires", _when(expires, now))
        yield "Claims"
        shown = value.claims if show_tokens else _masked(value.claims)
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        yield "\n".join(f"  {line}" for line in text.split("\n"))


def _refusal(reason: str) -> str:
    return f"{reason}. {REASONS.get(reason, '')}".strip()


def _row(title: str, text: str) -> str:
    return f"{title:<10} {text}"


def _header(text: str) -> str:
    try:
        header = read_header(text.partition(".")[0].encode("ascii", "replace"))
    except TokenError:
        return "none that can be read"
    return json.dumps(header, ensure_ascii=False)


def _when(value: object, now: float) -> str:
    if value is None:
        return "not said"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "no time"
    try:
        moment = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return "no time"
    ago = now - value
    unit, name = next(((size, name) for size, name in _UNITS if abs(ago) >= size), _UNITS[-1])
    count = int(abs(ago) // unit)
    span = f"{count} {name}{'' if count == 1 else 's'}"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {f'{span} ago' if ago >= 0 else f'in {span}'}"


def _masked(value: Any, *, all_of_it: bool = False) -> Any:
    """``value`` without what somebody could use: how long it is instead.

    :param all_of_it: because of the name that it stands under
    """
    if isinstance(value, Mapping):
        return {
            name: _masked(item, all_of_it=all_of_it or bool(_SECRET_NAME.search(name)))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, all_of_it=all_of_it) for item in value]
    if isinstance(value, str) and (all_of_it or _LOOKS_LIKE_TOKEN.search(value)):
        return f"<masked: {len(value)} characters>"
    return value
