"""From the session back to the response. Nothing here calls out: no callback, signal or network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from flask import Response

from ..cookies import CHUNK_SIZE, Cookie, CookieLines
from ..exceptions import SessionTooLarge
from ..session import Claims
from ..tokens import strict_json
from ..tokens.claims import Lifetimes, stamp
from ..tokens.token_format import TokenFormat
from .binding import Binding
from .state import Mark, RequestSession, Token, close_state, current_request


def encode(
    state: RequestSession, claims: Mapping[str, Any], private: Claims
) -> tuple[CookieLines, Token]:
    """The lines of the session cookie and the token of ``claims``, issued now. Changes nothing.

    Raises :exc:`SessionTooLarge`, and :exc:`TypeError` for claims that are not JSON.
    """
    text, token = encode_text(state, claims, private)
    lines = _lines(state, state.cookies.session, text, token, _access_limit(state))
    return _delete_other_sources(state) | lines, token


def encode_text(
    state: RequestSession, claims: Mapping[str, Any], private: Claims
) -> tuple[str, Token]:
    """The same as the text of a token, for a client without cookies."""
    settings = state.binding.settings
    whole = {**claims, **settings.parties.claims()}
    return _encode(
        state, state.cookies.tokens, whole, private, settings.lifetimes, _access_limit(state)
    )


def encode_refresh(
    state: RequestSession, claims: Mapping[str, Any], private: Claims
) -> CookieLines:
    """The same for the refresh cookie. There has to be one."""
    pair, refresh = state.cookies.refresh, state.binding.settings.refresh
    assert pair is not None and refresh is not None  # noqa: PT018, S101 - or nobody comes here
    cookie, tokens = pair
    limit = _refresh_limit(state)
    text, token = _encode(state, tokens, claims, private, refresh.lifetimes, limit)
    return _lines(state, cookie, text, token, limit)


class _Limit(NamedTuple):
    """How many characters a token may have. Both of a pair are in one header, and so share the
    limit: ``share`` says that, for the error.
    """

    size: int
    share: str = ""


def _access_limit(state: RequestSession) -> _Limit:
    whole = state.binding.settings.max_token_size
    if state.cookies.refresh is None:
        return _Limit(whole)
    return _Limit(whole - whole // 4, "access token: three quarters of ")


def _refresh_limit(state: RequestSession) -> _Limit:
    whole = state.binding.settings.max_token_size
    return _Limit(whole // 4, "refresh token: a quarter of ")


def _encode(
    state: RequestSession,
    tokens: TokenFormat,
    claims: Mapping[str, Any],
    private: Claims,
    lifetimes: Lifetimes,
    limit: _Limit,
) -> tuple[str, Token]:
    token = _token(Claims(stamp(claims, private, lifetimes, state.binding.clock())))
    text = tokens.encode(token.payload)
    size = len(text)
    if size > limit.size:
        del text  # a token that is valid, and error reports show the variables of a frame
        raise SessionTooLarge(size, limit.size, limit.share)
    return text, token


def _lines(
    state: RequestSession, cookie: Cookie, text: str, token: Token, limit: _Limit
) -> CookieLines:
    now, held = state.binding.clock(), _held(state, cookie, limit)
    return cookie.set_lines(text, sent=held, expires=token.expires, now=now)


def _held(state: RequestSession, cookie: Cookie, limit: _Limit) -> Iterable[str]:
    """The names of a cookie that the browser has; of one that it may have and did not send, all
    that a token within ``limit`` can have.
    """
    usual = state.cookies.session
    is_hidden = (cookie.path, cookie.samesite) != (usual.path, usual.samesite)
    if not (is_hidden or state.cookies_are_withheld):
        return state.sent(cookie)
    return cookie.names(limit.size) if limit.size > CHUNK_SIZE // 2 else [cookie.name]


def unissued(claims: Mapping[str, Any], token: Token) -> Token:
    """``token`` with other claims, for a request that can no longer write its cookie."""
    return replace(
        _token(Claims(claims)), private=token.private, expires=token.expires, held=token.held
    )


def delete(state: RequestSession) -> None:
    """Prepare the deletion of all cookies with which somebody is signed in, and of every chunk that
    the browser has.
    """
    if state.closed:
        return
    lines, session = _delete_other_sources(state), state.cookies.session
    lines.update(session.delete_lines(sent=state.sent(session)))
    if state.cookies.refresh is not None:
        cookie = state.cookies.refresh[0]
        lines.update(cookie.delete_lines(sent=_held(state, cookie, _refresh_limit(state))))
    replace_lines(state, lines, state.cookies.session_cookies)


def replace_lines(
    state: RequestSession, lines: Mapping[str, str], cookies: Iterable[Cookie]
) -> None:
    """Make ``lines`` all that the response says of ``cookies``."""
    ours = tuple(cookies)
    kept = {
        name: line
        for name, line in state.lines.items()
        if not any(cookie.owns(name) for cookie in ours)
    }
    # A new mapping, never a changed one: the response may be reading the old one just now.
    state.lines = CookieLines(kept) | lines


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
    if state.read or state.lines or state.is_for_one:
        # The view may have returned one Response object to several requests at once. What is
        # about this person goes into headers that belong to this response alone.
        response = _with_own_headers(response)
        _vary(response, state)
    if state.lines and not state.in_header:
        for line in state.lines.values():
            response.headers.add("Set-Cookie", line)
        state.is_for_one = True
    if state.is_for_one and "no-store" not in response.headers.get("Cache-Control", ""):
        response.headers["Cache-Control"] = "private, no-store"
    return response


def _vary(response: Response, state: RequestSession) -> None:
    by = ["Cookie"]
    if "header" in state.binding.settings.token_locations:
        by.append("Authorization")
    if "Vary" in response.headers:
        response.vary.update(by)
    else:  # without parsing what is not there
        response.headers.add("Vary", ", ".join(by))


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
    return any(cookie.owns(name) for one in binding.cookie_sets for cookie in one.all)


def _delete_other_sources(state: RequestSession) -> CookieLines:
    """Lines that delete the cookie of NextAuth v4, once its session lives in ours."""
    lines = CookieLines()
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
