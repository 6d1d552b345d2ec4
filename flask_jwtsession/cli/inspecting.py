"""``flask jwtsession inspect``: what a cookie or token says, and whether it is accepted."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from ..cookies import CHUNK_SIZE, Cookie, candidates, read_cookies
from ..exceptions import StoreUnavailable, TokenError, TokenInvalid
from ..lifecycle import refresh_cookie, standing
from ..lifecycle.binding import Binding
from ..lifecycle.cookie_set import CookieSet
from ..lifecycle.state import Token
from ..lifecycle.verify import BEARER, checked, read_claims
from ..revocation import Standing
from ..tokens.claims import PRIVATE
from ..tokens.keys import authjs_keys
from ..tokens.token_format import TokenFormat, read_header
from .application import binding_of_application
from .pasted import MAX_LENGTH, Pasted, read_pasted

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
    "location": "It is for the header Authorization, and no good in a cookie.",
    "chunks": "Not all of its chunks are there, or one is there twice.",
    "ambiguous": "There is more than one value of this cookie.",
    "expired": "Its time is over.",
    "revoked": "Its session was signed out or revoked.",
    "subject": "It has no 'sub': a session, but nobody's.",
}

_SECRET_NAME = re.compile(r"(token|secret|password|grant|verifier)$", re.IGNORECASE)
_LOOKS_LIKE_TOKEN = re.compile(r"eyJ[\w-]*(\.[\w-]*){2,4}", re.ASCII)
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def inspect_input(config_prefix: str, *, show_tokens: bool) -> None:
    binding = binding_of_application(config_prefix)
    if sys.stdin.isatty():
        click.echo("Paste a cookie or a token, then press Ctrl-D on a new line.", err=True)
    raw = sys.stdin.buffer.read(MAX_LENGTH + 1)
    if not raw.strip() or len(raw) > MAX_LENGTH:
        raise click.ClickException(
            f"Standard input has to have a cookie or a token, of at most {MAX_LENGTH} bytes."
        )
    found = list(_inspected(binding, read_pasted(raw.decode("utf-8", "replace"))))
    for number, one in enumerate(found):
        if number:
            click.echo()
        for line in _lines(one, binding, show_tokens=show_tokens):
            click.echo(line)
    if any(one.refused is not None for one in found):
        click.get_current_context().exit(1)


@dataclass
class _Inspected:
    """One token. ``where`` is what it is in, ``refused`` the reason, None if it is accepted."""

    where: str
    text: str = field(repr=False)
    refused: str | None = None
    more: str = ""
    chunks: int = 0
    claims: Mapping[str, Any] | None = field(default=None, repr=False)
    expires: float | None = None


@dataclass(frozen=True)
class _Source:
    """A cookie that this application reads."""

    cookie: Cookie
    tokens: TokenFormat
    is_refresh: bool


def _sources(binding: Binding) -> Iterator[_Source]:
    seen = set()
    for cookies in binding.cookie_sets:
        for source in _of_set(cookies):
            if source.cookie.name not in seen:
                seen.add(source.cookie.name)
                yield source


def _of_set(cookies: CookieSet) -> Iterator[_Source]:
    for cookie, tokens in cookies.sources:
        yield _Source(cookie, tokens, is_refresh=False)
    if cookies.refresh is not None:
        yield _Source(*cookies.refresh, is_refresh=True)


def _inspected(binding: Binding, pasted: Pasted) -> Iterator[_Inspected]:
    if pasted.token:
        yield _inspect_token(binding, pasted.token)
        return
    some = False
    for source in _sources(binding):
        sent = read_cookies(pasted.cookie_header, source.cookie)
        if not sent:
            continue
        some = True
        chunks = len(sent.keys() - {source.cookie.name})
        try:
            values = candidates(sent, source.cookie)
        except TokenInvalid as error:
            yield _Inspected(f"cookie {source.cookie.name}", "", error.reason, chunks=chunks)
            continue
        for value in values:
            yield _inspect(binding, source, value, f"cookie {source.cookie.name}", chunks)
    if not some:
        names = [pair.partition("=")[0] for pair in pasted.cookie_header.split("; ")]
        raise click.ClickException(
            f"There is no cookie of this application in it, but {_listed(names)}. This application "
            f"reads {_listed([one.cookie.name for one in _sources(binding)])}."
        )


def _inspect_token(binding: Binding, text: str) -> _Inspected:
    """A token of which nobody said what it was in: the cookie whose key it has."""
    failed: _Inspected | None = None
    for source in _sources(binding):
        result = _inspect(binding, source, text, f"token of the cookie {source.cookie.name}", 0)
        if result.claims is not None:
            return result
        if failed is None or failed.refused == "unknown_key":
            failed = result
    assert failed is not None  # noqa: S101 - there is a session cookie
    failed.where = "token"
    return failed


def _inspect(binding: Binding, source: _Source, text: str, where: str, chunks: int) -> _Inspected:
    result = _Inspected(where, text, chunks=chunks)
    try:
        payload, claims = read_claims(source.tokens, text)
        result.claims = claims
        token = _checked(binding, source, payload, claims, is_cookie=where.startswith("cookie"))
        result.expires = token.expires
        result.refused, result.more = _standing(binding, token)
    except TokenError as error:
        result.refused = error.reason
        if error.reason == "unknown_key":
            result.more = _other_name(binding, text)
    return result


def _checked(
    binding: Binding, source: _Source, payload: bytes, claims: dict[str, Any], *, is_cookie: bool
) -> Token:
    refresh = binding.settings.refresh
    if source.is_refresh and refresh is not None:
        return refresh_cookie.checked(binding, refresh.lifetimes, payload, claims)
    private = claims.get(PRIVATE)
    in_header = (
        not is_cookie
        and isinstance(private, dict)
        and BEARER in private
        and "header" in binding.settings.token_locations
    )
    return checked(binding, payload, claims, in_header=in_header)[0]


def _standing(binding: Binding, token: Token) -> tuple[str | None, str]:
    if not isinstance(token.claims.get("sub"), str):
        return "subject", ""
    try:
        how, _ = standing.look_up(binding, token)
    except StoreUnavailable as error:
        return None, f"Whether its session was revoked nobody can say now: {error}"
    if how is not Standing.LIVE:
        return "revoked", ""
    if binding.revocations is None:
        return None, f"{binding.settings.config_prefix}_STORE is None: it cannot be revoked."
    return None, ""


def _other_name(binding: Binding, text: str) -> str:
    """Whether it is a token of another cookie under a secret that is known here."""
    try:
        kid = read_header(text.partition(".")[0].encode("ascii", "replace")).get("kid")
    except TokenError:
        return ""
    own = binding.settings.cookie_prefix
    names = [
        f"{host}{prefix}.{purpose}"
        for prefix in dict.fromkeys((own, "jwtsession", "authjs"))
        for purpose in ("session-token", "refresh-token", "login")
        for host in ("", "__Host-", "__Secure-")
    ]
    for name in names:
        if any(kid == one for _, one in authjs_keys(binding.settings.secrets, name).by_kid):
            return f"Its key is that of the cookie {name}, under a secret of this application."
    return ""


def _lines(one: _Inspected, binding: Binding, *, show_tokens: bool) -> Iterator[str]:
    yield _row("What", f"{one.where}{f' in {one.chunks} chunks' if one.chunks else ''}")
    if one.text:
        yield _row("Header", _header(one.text))
        needed = -(-len(one.text) // CHUNK_SIZE)
        limit = binding.settings.max_token_size
        yield _row(
            "Size",
            f"{len(one.text)} characters, {needed} cookie{'s' if needed > 1 else ''}; "
            f"{limit} are allowed ({binding.settings.config_prefix}_MAX_TOKEN_SIZE)",
        )
    if one.claims is not None:
        now = binding.clock()
        for title, value in (
            ("Signed in", one.claims.get("auth_time")),
            ("Issued", one.claims.get("iat")),
            ("Expires", one.claims.get("exp") if one.expires is None else one.expires),
        ):
            yield _row(title, _when(value, now))
        yield "Claims"
        shown = one.claims if show_tokens else _masked(one.claims)
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        yield "\n".join(f"  {_printable(line)}" for line in text.split("\n"))
    if one.refused is None:
        yield _row("Result", f"accepted. {one.more}".strip())
    else:
        why = REASONS.get(one.refused, "")
        yield _row("Result", f"refused: {one.refused}. {why} {one.more}".strip())


def _row(title: str, text: str) -> str:
    return f"{title:<10} {_printable(text)}"


def _header(text: str) -> str:
    try:
        header = read_header(text.partition(".")[0].encode("ascii", "replace"))
    except TokenError:
        return "none that can be read"
    return json.dumps(header, ensure_ascii=False)


def _when(value: object, now: float) -> str:
    if type(value) not in (int, float):
        return "not said" if value is None else "no time"
    try:
        moment = datetime.fromtimestamp(value, UTC)  # type: ignore[arg-type]
    except (ValueError, OverflowError, OSError):
        return "no time"
    ago = now - value  # type: ignore[operator]
    unit, name = next(((size, name) for size, name in _UNITS if abs(ago) >= size), (1, "second"))
    count = int(abs(ago) // unit)
    span = f"{count} {name}{'' if count == 1 else 's'}"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {f'{span} ago' if ago >= 0 else f'in {span}'}"


def _masked(value: Any, name: str = "") -> Any:
    """``value`` without what somebody could use: how long it is instead."""
    if isinstance(value, Mapping):
        return {key: _masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, name) for item in value]
    if isinstance(value, str) and (_SECRET_NAME.search(name) or _LOOKS_LIKE_TOKEN.fullmatch(value)):
        return f"<masked: {len(value)} characters>"
    return value


def _listed(names: list[str]) -> str:
    shown = [_printable(name[:80]) for name in names[:8]]
    return f"{', '.join(shown)}{' …' if len(names) > len(shown) else ''}"


def _printable(text: str) -> str:
    """``text`` without what would move a terminal's cursor, or turn its line around."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
