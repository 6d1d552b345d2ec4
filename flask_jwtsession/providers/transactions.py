"""What a browser carries while it is at a provider: one encrypted cookie for each attempt.

So two tabs can sign in at once, and nothing that another cookie's size or loss could take with it
stands in the way. The name of the cookie ends with an identifier that is the beginning of ``state``
too: that is how a callback finds its cookie.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, replace
from hmac import compare_digest
from typing import Any, Literal

from ..exceptions import TokenInvalid
from ..lifecycle.state import RequestSession
from ..tokens import strict_json
from ..tokens.claims import LEEWAY

#: Seconds.
LIFETIME = 15 * 60
#: Attempts that one browser can have under way.
MAX_LIVE = 5
#: Characters that their cookies have together: servers take 8 KiB of cookies, and the session is
#: one of them. Five with short targets fit.
MAX_TOTAL = 4608
#: Bytes of a target that is remembered, as JSON; a longer one is given up.
_MAX_TARGET = 1024
# Cookies looked into at a start: more than that no browser got from us.
_MAX_READ = 20


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """One attempt to sign in, or to sign out at the provider. Its ``repr`` shows no secret.

    :ivar started: epoch seconds
    :ivar target: where the person goes afterwards; None for the application's root
    :ivar max_age: seconds; how old the login at the provider may be, if that was asked for
    :ivar form_post: whether the callback will be a POST from the provider's site
    """

    kind: Literal["sign_in", "sign_out"]
    provider: str
    started: float
    target: str | None
    state: str = field(repr=False)
    nonce: str = field(default="", repr=False)
    code_verifier: str = field(default="", repr=False)
    redirect_uri: str = ""
    max_age: float | None = None
    form_post: bool = False


def new_state() -> str:
    """A new ``state``: 96 random bits that name the cookie, and 192 more."""
    return f"{secrets.token_urlsafe(12)}.{secrets.token_urlsafe(24)}"


def open_transaction(state: RequestSession, transaction: Transaction) -> None:
    """Give the browser the cookie of ``transaction``; the oldest ones too many are deleted."""
    if len(strict_json.dump(transaction.target)) > _MAX_TARGET + len('""'):
        transaction = replace(transaction, target=None)
    name = _name(state, transaction.state)
    cookie = state.cookies.login.named(name, cross_site=transaction.form_post)
    value = state.cookies.login_tokens.encode(strict_json.dump(asdict(transaction)))
    lines = cookie.set_lines(
        value, sent=(), expires=transaction.started + LIFETIME, now=transaction.started
    )
    _expire_old(state, room=MAX_TOTAL - len(cookie.name) - len(value))
    state.lines = state.lines | lines


def close_transaction(
    state: RequestSession, value: object, *, kind: str, provider: str | None = None
) -> Transaction | None:
    """The live transaction that the ``state`` parameter ``value`` belongs to, whose cookie is
    deleted in any case; None if this browser has none for it.
    """
    name = _cookie_name(state, value)
    sent = state.sent(state.cookies.login)
    if name is None or name not in sent:
        return None
    found = [one for text in sent[name] if (one := _read(state, text)) is not None]
    transaction = found[0] if len(found) == 1 else None
    form_post = transaction is not None and transaction.form_post
    cookie = state.cookies.login.named(name, cross_site=form_post)
    state.lines = state.lines | cookie.delete_lines(sent=())
    if (
        transaction is None
        or transaction.kind != kind
        or (provider is not None and transaction.provider != provider)
        or not compare_digest(transaction.state.encode(), str(value).encode())
    ):
        return None
    return transaction


def _expire_old(state: RequestSession, *, room: int) -> None:
    """Delete what is over or cannot be read, and of the rest all but the newest.

    :param room: characters that are left for them
    """
    live: list[tuple[float, str, int, bool]] = []
    lines: dict[str, str] = {}
    sent = list(state.sent(state.cookies.login).items())
    for name, values in sent[:_MAX_READ]:
        found = [one for text in values if (one := _read(state, text)) is not None]
        if found:
            size = len(name) + max(len(text) for text in values)
            live.append((found[0].started, name, size, found[0].form_post))
        else:
            lines |= state.cookies.login.named(name).delete_lines(sent=())
    for rank, (_, name, size, form_post) in enumerate(sorted(live, reverse=True), 1):
        room -= size
        if rank >= MAX_LIVE or room < 0:
            lines |= state.cookies.login.named(name, cross_site=form_post).delete_lines(sent=())
    state.lines = state.lines | lines


def _read(state: RequestSession, text: str) -> Transaction | None:
    try:
        members: dict[str, Any] = strict_json.parse_object(state.cookies.login_tokens.decode(text))
        transaction = Transaction(**members)
    except (TokenInvalid, ValueError, TypeError):
        return None  # not ours, or of another version
    age = state.binding.clock() - transaction.started
    return transaction if -LEEWAY <= age < LIFETIME else None


def _cookie_name(state: RequestSession, value: object) -> str | None:
    if not isinstance(value, str) or len(value) > 100 or not value.isascii():
        return None
    name = _name(state, value)
    return name if state.cookies.login.owns(name) else None


def _name(state: RequestSession, value: str) -> str:
    return f"{state.cookies.login.name}.{value.partition('.')[0]}"
