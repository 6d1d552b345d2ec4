"""From the session back to the response. Nothing here calls out: no callback, signal or network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import Response

from ..exceptions import SessionTooLarge
from ..session import Claims
from ..tokens import strict_json
from ..tokens.claims import stamp
from .binding import Binding
from .state import Mark, RequestSession, Token, close_state, current_request


def encode(
    state: RequestSession, claims: Mapping[str, Any], private: Claims
) -> tuple[dict[str, str], Token]:
    """The cookie lines and the token of ``claims``, issued now. Changes nothing.

    Raises :exc:`SessionTooLarge`, and :exc:`TypeError` for claims that are not JSON.
    """
    binding, now = state.binding, state.binding.clock()
    token = _token(Claims(stamp(claims, private, binding.settings.lifetimes, now)))
    text = state.cookies.tokens.encode(token.payload)
    size, limit = len(text), binding.settings.max_token_size
    if size > limit:
        del text  # a token that is valid, and error reports show the variables of a frame
        raise SessionTooLarge(size, limit)
    cookie = state.cookies.session
    sent = cookie.names(limit) if state.cookies_are_withheld else state.sent(cookie)
    lines = cookie.set_lines(text, sent=sent, expires=token.expires, now=now)
    return {**_delete_other_sources(state), **lines}, token


def unissued(claims: Mapping[str, Any], token: Token) -> Token:
    """``token`` with other claims, for a request that can no longer write its cookie."""
    return replace(
        _token(Claims(claims)), private=token.private, expires=token.expires, held=token.held
    )


def delete(state: RequestSession) -> None:
    """Prepare the deletion of the session cookie, and of every chunk that the browser has."""
    if state.closed:
        return
    cookie = state.cookies.session
    lines = cookie.delete_lines(sent=state.sent(cookie))
    replace_lines(state, {**_delete_other_sources(state), **lines})


def replace_lines(state: RequestSession, lines: Mapping[str, str]) -> None:
    """Make ``lines`` all that the response says of the session cookie."""
    ours = [cookie for cookie, _ in state.cookies.sources]
    kept = {
        name: line
        for name, line in state.lines.items()
        if not any(cookie.owns(name) for cookie in ours)
    }
    # A new mapping, never a changed one: the response may be reading the old one just now.
    state.lines = {**kept, **lines}


def after_request(binding: Binding) -> Callable[[Response], Response]:
    """The ``after_request`` hook: it writes what was prepared.

    Flask may call it twice in one request, and without any other hook of ours having run.
    """
    key = binding.environ_key

    def after_request(response: Response) -> Response:
        # Every response of the application comes through here. Looking through the header list is a
        # third of the price of Headers.__contains__, and lines of ours have exactly this name.
        for name, line in response.headers:
            if name == "Set-Cookie" and _is_ours(binding, line):
                response = _without_our_lines(binding, response)
                break
        if current_request().environ.setdefault(key, Mark.CLOSED) is Mark.CLOSED:
            return response  # nobody used the session, and nobody can any more
        state = close_state(binding)
        return response if state is None else _finished(response, state)

    return after_request


def _finished(response: Response, state: RequestSession) -> Response:
    if state.read or state.lines:
        # The view may have returned one Response object to several requests at once. What is
        # about this person goes into headers that belong to this response alone.
        response = _with_own_headers(response)
        _vary_by_cookie(response)
    if state.lines:
        for line in state.lines.values():
            response.headers.add("Set-Cookie", line)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "private, no-store"
    return response


def _vary_by_cookie(response: Response) -> None:
    if "Vary" in response.headers:
        response.vary.add("Cookie")
    else:  # without parsing what is not there
        response.headers.add("Vary", "Cookie")


def same_claims(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two mappings of claims are the same in a token."""
    try:
        return strict_json.same(one, other)
    except (TypeError, ValueError, RecursionError):
        raise _not_json(one) from None


def _token(claims: Claims) -> Token:
    # Nothing in this frame shows a value: the claims include the account and its tokens, and error
    # reports show the variables of a frame.
    try:
        return _read_back(strict_json.dump(dict(claims)), claims["exp"])
    except (TypeError, ValueError, RecursionError):
        raise _not_json(claims) from None


def _read_back(payload: bytes, expires: float) -> Token:
    """What the rest of the request sees is what the next one will read."""
    return Token.of(payload, strict_json.parse_object(payload), expires)


def _with_own_headers(response: Response) -> Response:
    # What copy.copy does with a plain object, at a fifth of the price.
    own = object.__new__(type(response))
    own.__dict__.update(response.__dict__)
    own.headers = response.headers.copy()
    return own


def _without_our_lines(binding: Binding, response: Response) -> Response:
    """A cached Response object answered somebody else before; what it said to them is no answer."""
    response = _with_own_headers(response)
    lines = response.headers.getlist("Set-Cookie")
    others = [line for line in lines if not _is_ours(binding, line)]
    response.headers.setlist("Set-Cookie", others)
    return response


def _is_ours(binding: Binding, line: str) -> bool:
    name = line.partition("=")[0]
    return any(cookie.owns(name) for one in binding.cookie_sets for cookie in one.all())


def _delete_other_sources(state: RequestSession) -> dict[str, str]:
    """Lines that delete the cookie of NextAuth v4, once its session lives in ours."""
    lines: dict[str, str] = {}
    for cookie, _ in state.cookies.sources:
        if cookie is not state.cookies.session and state.sent(cookie):
            lines.update(cookie.delete_lines(sent=state.sent(cookie)))
    return lines


def _not_json(claims: Mapping[str, Any]) -> TypeError:
    """Says which claims are at fault, and of what type they are; never their values."""
    faults = []
    for name, value in claims.items():
        try:
            strict_json.parse_object(strict_json.dump({name: value}))
        except (TypeError, ValueError, RecursionError):
            faults.append(f"{name!r} ({type(value).__name__})")
    return TypeError(f"these claims cannot be kept as JSON: {', '.join(faults)}")
