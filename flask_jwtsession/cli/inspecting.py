"""``flask jwtsession inspect``: what a cookie or token says, and whether a request with it is
somebody's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click
from flask import request

from ..cookies import Cookie, candidates, read_cookies
from ..exceptions import TokenError, TokenInvalid
from ..lifecycle import refresh_cookie
from ..lifecycle.binding import Binding
from ..lifecycle.cookie_set import CookieSet
from ..lifecycle.looking import onlooker, refusal_of
from ..lifecycle.state import RequestSession
from ..lifecycle.verify import BEARER, checked, read_claims
from ..tokens.claims import PRIVATE
from ..tokens.keys import authjs_keys
from ..tokens.token_format import TokenFormat, read_header
from .application import binding_of_application
from .inspection_text import lines_of
from .pasted import Pasted, read_pasted
from .printing import echo, printable

_MAX_LENGTH = 1_000_000

_SCHEMES = ("https", "http")


@dataclass
class Value:
    """One token. ``where`` is what it is in; ``refused`` is why it is no good by itself.

    :ivar claims: None if it cannot be read
    :ivar hint: more about that
    """

    where: str
    text: str = field(default="", repr=False)
    is_refresh: bool = False
    chunks: int = 0
    refused: str | None = None
    claims: Mapping[str, Any] | None = field(default=None, repr=False)
    expires: float | None = None
    hint: str = ""


@dataclass
class Inspection:
    """What came together. ``refused`` is why a request with it is nobody's; None if it is
    somebody's.
    """

    values: list[Value]
    refused: str | None
    remark: str = ""


def inspect_input(config_prefix: str, *, show_tokens: bool) -> None:
    binding = onlooker(binding_of_application(config_prefix))
    if sys.stdin is None:
        raise click.ClickException("There is no standard input.")
    if sys.stdin.isatty():
        click.echo("Paste a cookie or a token, then press Ctrl-D on a new line.", err=True)
    raw = sys.stdin.buffer.read(_MAX_LENGTH + 1)
    if not raw.strip() or len(raw) > _MAX_LENGTH:
        raise click.ClickException(
            f"Standard input has to have a cookie or a token, of at most {_MAX_LENGTH} bytes."
        )
    # Windows writes files in the latter.
    is_utf_16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = raw.decode("utf-16" if is_utf_16 else "utf-8", "replace").lstrip("\ufeff")
    pasted = read_pasted(text)
    found = list(_inspected(binding, pasted))
    if not found:
        raise click.ClickException(_nothing_of_ours(binding, pasted))
    for number, one in enumerate(found):
        if number:
            click.echo()
        for line in lines_of(one, binding, show_tokens=show_tokens):
            echo(line)
    if any(one.refused is not None for one in found):
        click.get_current_context().exit(1)


def _inspected(binding: Binding, pasted: Pasted) -> Iterator[Inspection]:
    """What was pasted; cookies over https and over plain http are two requests."""
    if pasted.bearer and (not pasted.cookies or "header" in binding.settings.token_locations):
        yield _of_header(binding, pasted.bearer)  # then cookies do not count
    elif pasted.token:
        yield _of_token(binding, pasted.token)
    else:
        yield from _of_cookies(binding, pasted.cookies)


def _of_cookies(binding: Binding, header: str) -> Iterator[Inspection]:
    for scheme, cookies in _cookie_sets(binding):
        values = [
            value for source in _sources(cookies) for value in _values(binding, source, header)
        ]
        if values:
            with binding.app.test_request_context(
                environ_overrides={"wsgi.url_scheme": scheme, "HTTP_COOKIE": header}
            ):
                state = RequestSession(binding, request)
                refused = "location" if state.in_header else refusal_of(state)
            yield Inspection(values, refused, _remark(binding, values, refused))


def _of_header(binding: Binding, text: str) -> Inspection:
    """A token of the header ``Authorization``."""
    inspections = []
    for scheme, cookies in _cookie_sets(binding):
        source = _Source(cookies.session, cookies.tokens, is_refresh=False)
        value = _value(binding, source, text, "bearer token", in_header=True)
        with binding.app.test_request_context(
            environ_overrides={
                "wsgi.url_scheme": scheme,
                "HTTP_AUTHORIZATION": f"Bearer {text}",
            },
        ):
            state = RequestSession(binding, request)
            refused = "location" if state.bearer is None else refusal_of(state)
        inspections.append(Inspection([value], refused, _remark(binding, [value], refused)))
    # The key is that of the cookie which it is in place of, over https or plain http.
    inspections.sort(key=lambda one: (one.refused is not None, one.values[0].claims is None))
    return inspections[0]


def _of_token(binding: Binding, text: str) -> Inspection:
    """A token of which nobody said where it was: its key says that."""
    failed: Value | None = None
    for _, cookies in _cookie_sets(binding):
        for source in _sources(cookies):
            value = _value(binding, source, text, "token")
            if value.claims is not None:
                if _is_for_header(binding, value.claims):
                    return _of_header(binding, text)
                (found,) = _of_cookies(binding, f"{source.cookie.name}={text}")
                found.values[0].where = f"token of the cookie {source.cookie.name}"
                return found
            if failed is None or failed.refused == "unknown_key":
                failed = value
    assert failed is not None  # noqa: S101 - there is a session cookie
    return Inspection([failed], failed.refused, failed.hint)


@dataclass(frozen=True)
class _Source:
    """A cookie that this application reads."""

    cookie: Cookie
    tokens: TokenFormat
    is_refresh: bool


def _cookie_sets(binding: Binding) -> Iterator[tuple[str, CookieSet]]:
    """The cookies that requests over https, and over plain http, may bring: if the configuration
    decides over that, they are the same.
    """
    found: list[CookieSet] = []
    for scheme in _SCHEMES:
        with binding.app.test_request_context(environ_overrides={"wsgi.url_scheme": scheme}):
            cookies = RequestSession(binding, request).cookies
        if not any(cookies is one for one in found):
            found.append(cookies)
            yield scheme, cookies


def _sources(cookies: CookieSet) -> Iterator[_Source]:
    for cookie, tokens in cookies.sources:
        yield _Source(cookie, tokens, is_refresh=False)
    if cookies.refresh is not None:
        yield _Source(*cookies.refresh, is_refresh=True)


def _values(binding: Binding, source: _Source, header: str) -> Iterator[Value]:
    sent = read_cookies(header, source.cookie)
    if not sent:
        return
    where, chunks = f"cookie {source.cookie.name}", len(sent.keys() - {source.cookie.name})
    try:
        texts = candidates(sent, source.cookie)
    except TokenInvalid as error:
        yield Value(where, chunks=chunks, refused=error.reason)
        return
    if not texts:
        yield Value(where, refused="nothing")
    for text in texts:
        value = _value(binding, source, text, where)
        value.chunks = chunks if source.cookie.name not in sent else 0
        yield value


def _value(
    binding: Binding, source: _Source, text: str, where: str, *, in_header: bool = False
) -> Value:
    value, refresh = Value(where, text, source.is_refresh), binding.settings.refresh
    try:
        payload, claims = read_claims(source.tokens, text)
        value.claims = claims
        if source.is_refresh and refresh is not None:
            token = refresh_cookie.checked(binding, refresh.lifetimes, payload, claims)
        else:
            token, _ = checked(binding, payload, claims, in_header=in_header)
        value.expires = token.expires
    except TokenError as error:
        value.refused = error.reason
        if error.reason == "unknown_key":
            value.hint = _other_name(binding, text)
    return value


def _is_for_header(binding: Binding, claims: Mapping[str, Any]) -> bool:
    private = claims.get(PRIVATE)
    is_bearer = isinstance(private, dict) and BEARER in private
    return is_bearer and "header" in binding.settings.token_locations


def _remark(binding: Binding, values: list[Value], refused: str | None) -> str:
    prefix = binding.settings.config_prefix
    if refused is not None:
        return next((value.hint for value in values if value.hint), "")
    if binding.revocations is None:
        return f"{prefix}_STORE is None: it cannot be revoked."
    if binding.settings.refresh is not None and not any(
        value.refused is None for value in values if not value.is_refresh
    ):
        return "The next request is re-authenticated, if the reauth_callback lets it."
    return ""


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


def _nothing_of_ours(binding: Binding, pasted: Pasted) -> str:
    reads = [source.cookie.name for _, one in _cookie_sets(binding) for source in _sources(one)]
    # Only what is followed by a value is a name, and may be shown.
    names = [pair.partition("=")[0] for pair in pasted.cookies.split("; ") if "=" in pair]
    shown = ", ".join(printable(name[:80]) for name in names[:8]) or "nothing with a name"
    more = " …" if len(names) > 8 else ""
    return (
        f"There is no cookie of this application in it, but {shown}{more}. This application reads "
        f"{', '.join(reads)}."
    )
