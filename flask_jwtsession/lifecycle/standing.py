"""Whether a session may go on, by the store; and how it is ended there.

A request asks once, for everything: whether the session was revoked, and whether somebody has
newer tokens of its provider.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from ..exceptions import RevocationUnavailable, StoreUnavailable
from ..grant_records import UNAVAILABLE
from ..revocation import Identity, Revocations, Standing
from ..signals import send, session_revoked
from .binding import EXTRA_LIFETIME, Binding
from .renewal import held_by
from .state import Token

_log = logging.getLogger("flask_jwtsession")


def look_up(binding: Binding, token: Token) -> tuple[Standing, Token]:
    """How the session of ``token`` stands, and the token with the newest provider tokens there are.

    :raises StoreUnavailable: nobody knows, and ``JWTSESSION_STORE_FAILURE`` is ``"closed"``
    """
    revocations, held = binding.revocations, held_by(binding, token.private)
    identity = identity_of(token)
    names = () if revocations is None else revocations.names(identity)
    asked = names if held is None else [*names, binding.grants.record_name(held.grant)]
    if not asked:
        return Standing.LIVE, token
    try:
        values = binding.store.get_many(asked)
    except StoreUnavailable as error:
        binding.report(error)
        if binding.settings.store_failure == "closed":
            raise
        if held is not None and not held.account.has_tokens:
            held = replace(held, error=UNAVAILABLE)
        return Standing.LIVE, token if held is None else replace(token, held=held)
    how = Standing.LIVE
    if revocations is not None:
        how = revocations.standing(identity, values[: len(names)])
    if held is not None:
        held = binding.grants.adopt(held, values[-1])
        if how is Standing.LIVE and not binding.only_looks:
            with suppress(StoreUnavailable):  # it is not this request that needs it
                binding.grants.mend(held, values[-1])
        token = replace(token, held=held)
    return how, token


def is_revoked(binding: Binding, token: Token) -> bool:
    """Whether the session was revoked, or signed out, since it was looked up."""
    if binding.revocations is None:
        return False
    try:
        return binding.revocations.check(identity_of(token)) is not Standing.LIVE
    except StoreUnavailable as error:
        binding.report(error)
        return False  # a moment ago it was not


def end(binding: Binding, token: Token) -> tuple[Token, bool]:
    """Write down that the session is over, so that a copy of its cookie is good for nothing.

    Returns the token with the newest provider tokens there were, and whether it could be written.
    """
    try:
        if binding.revocations is not None:
            left = token.claims["exp"] - binding.clock() + EXTRA_LIFETIME
            binding.revocations.end(token.claims["sid"], at_least=left)
    except StoreUnavailable as error:
        binding.report(error)
        return token, False
    if token.held is not None:
        with suppress(StoreUnavailable):
            # Read after that was written: a refresh that is under way writes its tokens first and
            # looks then whether the session is over. So one of the two sees what the other wrote.
            held = binding.grants.read(token.held)
            binding.grants.end(held)
            token = replace(token, held=held)
    return token, True


def end_once(binding: Binding, token: Token) -> bool:
    """The same for a session that requests find to be over. Of all that do, one gets True, and ends
    it for the browser and the application.
    """
    if binding.revocations is None:
        return True
    try:
        ended = binding.revocations.end_revoked(token.claims["sid"])
        if ended and token.held is not None:
            with suppress(StoreUnavailable):
                binding.grants.end(token.held)
    except StoreUnavailable as error:
        binding.report(error)
        return True
    return ended


def revoke_session(binding: Binding, sid: str) -> None:
    """See :func:`flask_jwtsession.revoke_session`."""
    if not isinstance(sid, str) or not sid:
        raise TypeError(f"revoke_session() takes a session's claim 'sid', got {sid!r}")
    revocations_of(binding).revoke_session(sid)
    _log.info("Revoked: session %s", binding.anonymous(sid))
    send(session_revoked, binding.app, sid=sid, sub=None)


def revoke_user(binding: Binding, sub: str | int) -> None:
    """See :func:`flask_jwtsession.revoke_user`."""
    if isinstance(sub, int) and not isinstance(sub, bool):
        sub = str(sub)  # as sign_in() does with an id
    if not isinstance(sub, str) or not sub:
        raise TypeError(f"revoke_user() takes a person's claim 'sub', got {sub!r}")
    revocations_of(binding).revoke_subject(sub, binding.moment())
    _log.info("Revoked: all sessions until now of subject %s", binding.anonymous(sub))
    send(session_revoked, binding.app, sid=None, sub=sub)


def revoke_at_provider(
    binding: Binding, provider: str, *, session_id: str | None, account_id: str | None
) -> None:
    """Revoke what a provider ended (Back-Channel Logout 1.0 section 2.7): its session if it names
    one, else all sessions of the account that began before now.
    """
    sub = None if account_id is None else account_subject(provider, account_id)
    if session_id is not None:
        revocations_of(binding).revoke_provider_session(provider, session_id)
    elif sub is not None:
        revocations_of(binding).revoke_subject(sub, binding.moment())
    _log.info("Revoked by the provider %s", provider)
    # Of one session nobody here knows whose it is by our name, and not all of the person's are.
    send(session_revoked, binding.app, sid=None, sub=sub if session_id is None else None)


def identity_of(token: Token) -> Identity:
    """By what the session of ``token`` can be revoked."""
    # Every request comes through here, so it makes no Account of what it needs two members of.
    claims, private = token.claims, token.private
    subject, of_account, provider_session = str(claims.get("sub")), None, None
    account = private.get("account")
    if isinstance(account, Mapping) and account.get("type") != "credentials":
        provider = account.get("provider")
        # The application may have set a sub of its own; a provider ends sessions by its account.
        of_account = account_subject(str(provider), str(account.get("provider_account_id")))
        if private.get("provider_session") is not None:
            provider_session = f"{provider}\0{private['provider_session']}"
    return Identity(
        sid=claims["sid"],
        subject=subject,
        account=None if of_account == subject else of_account,
        provider_session=provider_session,
        started=claims.get("auth_time", private.get("since", 0.0)),
    )


def account_subject(provider: str, account_id: str) -> str:
    """The ``sub`` of who signs in with an account at a provider, unless the application sets
    another one.
    """
    return f"{provider}|{account_id}"


def revocations_of(binding: Binding) -> Revocations:
    """Where revocations are written. Raises :exc:`RevocationUnavailable` if that is nowhere."""
    if binding.revocations is None:
        raise RevocationUnavailable(
            f"there is nowhere to keep a revocation: {binding.settings.config_prefix}_STORE is None"
        )
    return binding.revocations
