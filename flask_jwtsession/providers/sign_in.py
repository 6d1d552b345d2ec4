"""The dance: off to the provider, and back with a code (RFC 6749 section 4.1, RFC 9700)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import url_for

from ..exceptions import ProviderError, StoreUnavailable
from ..lifecycle.binding import Binding
from ..lifecycle.state import RequestSession
from ..session import Account
from ..targets import absolute
from .reasons import error_code
from .transactions import LIFETIME, Transaction, close_transaction, new_state, open_transaction

if TYPE_CHECKING:  # imported when the first provider is added
    from .provider import Person, Provider

#: Characters. Some providers put a whole token into a code.
_MAX_CODE_LENGTH = 8192


@dataclass(frozen=True)
class Arrival:
    """Somebody who came back from a provider, and is who they say.

    :ivar authenticated_at: when they proved it there, in epoch seconds; None if it does not say
    :ivar session_id: what the provider calls its session; None if it does not say
    """

    person: Person
    account: Account
    authenticated_at: float | None
    session_id: str | None


def begin(
    state: RequestSession,
    provider: Provider,
    *,
    target: str | None,
    parameters: Mapping[str, str],
    max_age: float | None = None,
) -> str:
    """Begin a sign-in, and return where the browser has to go for it.

    :param target: where to go after it; it was checked
    :param parameters: of the authorization request, as far as a browser may choose them
    :param max_age: seconds. If given, the person has to prove who they are once more, and the
        provider has to say when they did
    :raises ProviderError: the provider cannot be reached
    :raises InsecureTransport: the request came over plain http
    """
    state.require_safe_transport()
    transaction = Transaction(
        kind="sign_in",
        provider=provider.name,
        started=state.binding.clock(),
        target=target,
        state=new_state(),
        nonce=secrets.token_urlsafe(24),
        code_verifier=secrets.token_urlsafe(48),
        redirect_uri=redirect_uri(state, provider),
        max_age=max_age,
        form_post=provider.uses_form_post,
    )
    url = provider.authorization_url(
        redirect_uri=transaction.redirect_uri,
        state=transaction.state,
        nonce=transaction.nonce,
        code_verifier=transaction.code_verifier,
        parameters=parameters,
        max_age=max_age,
    )
    open_transaction(state, transaction)
    return url


def take_transaction(
    state: RequestSession, provider: Provider, parameters: Mapping[str, list[str]]
) -> Transaction:
    """The attempt of this browser that an authorization response belongs to. It is over with that.

    :param parameters: of the response
    :raises ProviderError: there is none, or no longer
    """
    transaction = close_transaction(
        state, _single(parameters, "state"), kind="sign_in", provider=provider.name
    )
    # Only what could spend a code is written down: anybody can come back with an error.
    has_code = "code" in parameters and "error" not in parameters
    if transaction is None or (has_code and not _is_first(state.binding, transaction)):
        raise ProviderError(provider.name, "state", status=400)
    return transaction


def complete(
    provider: Provider, transaction: Transaction, parameters: Mapping[str, list[str]]
) -> Arrival:
    """Take what the provider sent back with the browser, and ask it who that is.

    :param parameters: of the authorization response
    :raises ProviderError: of status 400 for a response that is no good, or says that there was no
        sign-in; of 502 for a provider that did not keep to the rules
    """
    if any(len(parameters.get(name, ())) > 1 for name in ("code", "iss", "error")):
        raise ProviderError(provider.name, "repeated_parameter", status=400)
    provider.check_authorization_issuer(_single(parameters, "iss"))
    if "error" in parameters:
        error = error_code(_single(parameters, "error"))
        raise ProviderError(provider.name, "error_response", status=400, detail=error)
    code = _single(parameters, "code")
    if code is None or not 0 < len(code) <= _MAX_CODE_LENGTH:
        raise ProviderError(provider.name, "code", status=400)
    tokens = provider.redeem(
        code, code_verifier=transaction.code_verifier, redirect_uri=transaction.redirect_uri
    )
    id_token = provider.verify_id_token(
        tokens, nonce=transaction.nonce, max_age=transaction.max_age
    )
    person = provider.identify(tokens, id_token)
    return Arrival(
        person=person,
        account=provider.account(person, tokens),
        authenticated_at=None if id_token is None else id_token.authenticated_at,
        session_id=None if id_token is None else id_token.session_id,
    )


def log_provider_error(binding: Binding, error: ProviderError) -> None:
    """One line, at most once a minute of each kind: anybody can bring a wrong code."""
    detail = "" if error.detail is None else f" ({error.detail})"
    binding.security_log.warning(
        f"provider {error.provider} {error.reason}",
        f"A sign-in with {error.provider} did not work: {error.reason}{detail}",
    )


def redirect_uri(state: RequestSession, provider: Provider) -> str:
    """Where the provider sends the browser back to; it has to be registered there."""
    binding = state.binding
    path = url_for(f"{binding.blueprint}.callback", provider=provider.name)
    return absolute(binding, path)


def _is_first(binding: Binding, transaction: Transaction) -> bool:
    """A double click, or a reload, would spend the code a second time; a provider that is strict
    then takes back what it gave for it (RFC 6749 section 4.1.2).
    """
    try:
        return binding.once.take(f"state\0{transaction.state}", LIFETIME)
    except StoreUnavailable as error:
        binding.report(error)
        return True  # the cookie of the attempt is deleted, and the provider takes the code once


def _single(parameters: Mapping[str, list[str]], name: str) -> str | None:
    """RFC 6749 section 3.1: no parameter comes twice."""
    values = parameters.get(name, [])
    return values[0] if len(values) == 1 else None
