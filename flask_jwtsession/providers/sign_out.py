"""Signing out at the provider too: RP-initiated logout, and the tokens revoked (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import url_for

from ..lifecycle.binding import Binding
from ..lifecycle.state import RequestSession
from ..session import Account
from ..targets import absolute
from .transactions import Transaction, close_transaction, new_state, open_transaction

if TYPE_CHECKING:  # imported when the first provider is added
    from .provider import Provider

#: Seconds for which a sign-out waits to learn where its provider wants the browser.
PATIENCE = 2.0


def revoke_tokens(binding: Binding, account: Account | None) -> None:
    """Revoke an account's tokens at its provider, where ``JWTSESSION_FEDERATED_SIGN_OUT`` is on.

    In the background: who signs out does not wait for the provider.
    """
    provider = provider_of(binding, account)
    if provider is not None and account is not None:
        provider.revoke_soon(account)


def provider_sign_out(state: RequestSession, account: Account | None, *, target: str) -> str | None:
    """Where the browser has to go to be signed out at its provider too; None if nowhere.

    :param target: where to go after it, absolute; it was checked
    """
    provider = provider_of(state.binding, account)
    if provider is None or account is None or not state.transport_is_safe:
        return None
    transaction = Transaction(
        kind="sign_out",
        provider=provider.name,
        started=state.binding.clock(),
        target=target,
        state=new_state(),
    )
    url = provider.end_session_url(
        id_token=account.id_token,
        return_to=absolute(state.binding, url_for(f"{state.binding.blueprint}.signed_out")),
        state=transaction.state,
        within=PATIENCE,
    )
    if url is not None:
        open_transaction(state, transaction)
    return url


def target_of_return(state: RequestSession, value: object) -> str | None:
    """Where to go for a browser that comes back from its provider with this ``state``; None if it
    did not go there from here.
    """
    transaction = close_transaction(state, value, kind="sign_out")
    return None if transaction is None else transaction.target


def provider_of(binding: Binding, account: Account | None) -> Provider | None:
    """The provider that has to hear of a sign-out, if one has."""
    if account is None or not binding.settings.federated_sign_out:
        return None
    return binding.providers.get(account.provider)
