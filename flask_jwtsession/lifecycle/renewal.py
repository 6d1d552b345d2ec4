"""A session's provider tokens: what of them is in the cookie, and how they are kept fresh."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ..cookies import CookieLines
from ..exceptions import ProviderError, SessionTooLarge, StoreUnavailable
from ..grant_records import FAILED, UNAVAILABLE, Held
from ..providers.reasons import Unusable
from ..providers.token_response import read_refreshed_tokens
from ..records import new_grant
from ..refresh import GrantRefused, Refresh, Renewal, is_due
from ..session import Account, Claims
from . import save
from .binding import Binding
from .callbacks import require_mapping, running_callback
from .state import RequestSession, Token

T = TypeVar("T")
# What a token becomes: the lines of a cookie, or its text.
Encode = Callable[[RequestSession, Mapping[str, Any], Claims], tuple[T, Token]]

_log = logging.getLogger("flask_jwtsession")


def held_by(binding: Binding, private: Mapping[str, Any]) -> Held | None:
    """What a cookie has of a grant; None without one, or where no tokens are to be kept."""
    grant, generation = private.get("grant"), private.get("gen")
    if grant is None or binding.settings.provider_tokens == "none":
        return None
    account = Account.from_claims(private.get("account"))
    if not isinstance(grant, str) or type(generation) is not int or account is None:
        return None
    return Held(grant, generation, account)


def begin(binding: Binding, account: Account) -> Held | None:
    """The grant of somebody who signs in with ``account``; None if no tokens are to be kept.

    :raises StoreUnavailable: they are to be kept in the store
    """
    if not account.has_tokens or binding.settings.provider_tokens == "none":
        return None
    if account.issued_at is None:
        account = replace(account, issued_at=binding.clock())
    if not binding.settings.federated_sign_out:
        account = replace(account, id_token=None)
    held = Held(new_grant(), 0, account)
    return binding.grants.begin(held) if binding.settings.provider_tokens == "store" else held


def issue(
    state: RequestSession, claims: Mapping[str, Any], private: Mapping[str, Any], held: Held | None
) -> tuple[CookieLines, Token]:
    """:func:`.save.encode`, with what of ``held`` belongs in the cookie; tokens that do not fit
    stay in the store.
    """
    return _issue(save.encode, state, claims, private, held)


def issue_text(
    state: RequestSession, claims: Mapping[str, Any], private: Mapping[str, Any], held: Held | None
) -> tuple[str, Token]:
    """The same with :func:`.save.encode_text`."""
    return _issue(save.encode_text, state, claims, private, held)


def newest(state: RequestSession, token: Token) -> Token:
    """``token`` with the newest provider tokens that there are, if its own are due."""
    binding, held = state.binding, token.held
    if held is None or not is_due(held, binding.clock()):
        return token
    try:
        return replace(token, held=binding.grants.read(held))
    except StoreUnavailable as error:
        binding.report(error)
        return token


def renew(
    state: RequestSession, token: Token, *, after: int | None = None
) -> tuple[Token, Renewal | None]:
    """``token`` with provider tokens that are fresh, and what that took; None if it took nothing.

    :param after: the generation that is to be followed by another one, though it is not due
    """
    binding, held = state.binding, token.held
    if held is None:
        return token, None
    forced = after is not None and held.generation <= after
    if not (forced or is_due(held, binding.clock())):
        return token, None
    refresh = _refresher(state, held.account)
    if refresh is None:
        return token, None
    try:
        renewal = binding.grants.renew(held, refresh, forced=forced)
    except StoreUnavailable as error:
        binding.report(error)
        return replace(token, held=replace(held, error=UNAVAILABLE)), None
    if renewal.failure is not None:
        _report(binding, renewal.failure)
    if renewal.refreshed and not renewal.held.is_recorded:
        binding.security_log.warning(
            "refresh not recorded",
            "Refreshed provider tokens could not be written to the store. Only the browser that "
            "gets this response has them.",
        )
    return replace(token, held=renewal.held), renewal


def can_renew(state: RequestSession, token: Token) -> bool:
    """Whether the session has tokens that somebody knows how to refresh; or had some, and its
    ``error`` says what became of them.
    """
    held = token.held
    return held is not None and (
        held.error is not None or _refresher(state, held.account) is not None
    )


def _refresher(state: RequestSession, account: Account) -> Refresh | None:
    binding = state.binding
    provider = binding.providers.get(account.provider)
    if provider is not None and provider.refreshes and account.refresh_token is not None:
        return provider.refresh
    if binding.callbacks.refresh is not None and account.has_tokens:
        return partial(_ask_callback, state)
    return None


def _ask_callback(state: RequestSession, account: Account) -> Account:
    callback, requested_at = state.binding.callbacks.refresh, state.binding.clock()
    assert callback is not None  # noqa: S101 - or there would be no refresher
    try:
        with running_callback(state):
            answer = callback(account)
    except Exception as error:
        # It talks to somebody's server, and that may be down: not the end of the request, and not
        # the end of the session.
        raise _failed(account, "refresh_callback", type(error).__name__) from None
    if answer is None:
        raise GrantRefused(_failed(account, "refresh_refused", "refresh_callback"))
    try:
        answer = dict(require_mapping(answer, "refresh_callback"))
        expires_at = answer.pop("expires_at", None)
        if type(expires_at) in (int, float):
            with suppress(OverflowError):
                answer.setdefault("expires_in", expires_at - requested_at)
        return read_refreshed_tokens(answer, account, requested_at=requested_at)
    except (Unusable, TypeError) as error:
        raise _failed(account, "refresh_unusable", str(error)) from None


def _issue(
    encode: Encode[T],
    state: RequestSession,
    claims: Mapping[str, Any],
    private: Mapping[str, Any],
    held: Held | None,
) -> tuple[T, Token]:
    settings = state.binding.settings
    if held is None:
        if settings.provider_tokens == "none":
            private = _without_tokens(private)
        return encode(state, claims, Claims(private))
    if settings.store is None and held.error == FAILED:
        # In this process. Another one may have got new tokens for those that are in the cookie.
        encoded, token = encode(state, claims, Claims(private))
        return encoded, replace(token, held=held)
    in_cookie = settings.provider_tokens == "cookie" or not held.is_recorded
    try:
        encoded, token = _encode(encode, state, claims, private, held, in_cookie=in_cookie)
    except SessionTooLarge:
        if not (in_cookie and held.account.has_tokens and _is_recorded(state.binding, held)):
            raise
        in_cookie = False
        encoded, token = _encode(encode, state, claims, private, held, in_cookie=False)
    if not in_cookie and held.account.has_tokens:
        # The record has to live as long as the cookie that was just issued.
        with suppress(StoreUnavailable):
            state.binding.grants.extend(held)
    return encoded, token


def _is_recorded(binding: Binding, held: Held) -> bool:
    """Whether the tokens can be left out of the cookie, because every process finds them."""
    if binding.settings.store is None:
        return False
    try:
        return held.is_recorded or binding.grants.has(held)
    except StoreUnavailable as error:
        binding.report(error)
        return False


def _without_tokens(private: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a session that began when tokens were kept."""
    kept = {name: value for name, value in private.items() if name not in ("grant", "gen")}
    account = Account.from_claims(kept.pop("account", None))
    if account is not None:
        kept["account"] = account.to_claims(tokens=False, id_token=True)
    return Claims(kept)


def _failed(account: Account, reason: str, detail: str) -> ProviderError:
    return ProviderError(account.provider, reason, detail=detail)


def _encode(
    encode: Encode[T],
    state: RequestSession,
    claims: Mapping[str, Any],
    private: Mapping[str, Any],
    held: Held,
    *,
    in_cookie: bool,
) -> tuple[T, Token]:
    # Nothing in this frame shows a token: error reports show the variables of a frame.
    id_token = in_cookie and state.binding.settings.federated_sign_out
    kept = Claims(
        {
            **private,
            "account": held.account.to_claims(tokens=in_cookie, id_token=id_token),
            "grant": held.grant,
            "gen": held.generation,
        }
    )
    encoded, token = encode(state, claims, kept)
    return encoded, replace(token, held=held)


def _report(binding: Binding, failure: ProviderError) -> None:
    detail = "" if failure.detail is None else f" ({failure.detail})"
    binding.security_log.warning(
        f"provider {failure.provider} {failure.reason}",
        f"The tokens of {failure.provider} were not refreshed: {failure.reason}{detail}",
    )
