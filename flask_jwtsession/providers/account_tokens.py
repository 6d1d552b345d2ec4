"""What is asked of a provider for the tokens that an account has: new ones, and their end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import BoundedSemaphore, Thread

from ..exceptions import ProviderError
from ..refresh import GrantRefused
from ..session import Account
from .id_tokens import check_refreshed_id_token
from .network import TIMEOUT, calling, open_session
from .published import Published
from .reasons import GRANT_IS_OVER, Untrusted, Unusable
from .settings import ProviderSettings
from .signed_tokens import unverified_claims
from .token_response import read_refreshed_tokens

_log = logging.getLogger("flask_jwtsession")

# Seconds.
_METADATA_PATIENCE = 1.5
# Under way at once: a provider that does not answer must not gather threads.
_REVOCATIONS_AT_ONCE = 8


class AccountTokens:
    """The part of a :class:`~.provider.Provider` that is about tokens it gave before.

    :param clock: epoch seconds
    """

    def __init__(self, settings: ProviderSettings, clock: Callable[[], float]) -> None:
        self.name: str = settings.name
        #: Whether this package refreshes its tokens.
        self.refreshes: bool = settings.refresh
        self._settings = settings
        self._clock = clock
        self._published = Published(settings, clock)
        self._revocations = BoundedSemaphore(_REVOCATIONS_AT_ONCE)

    def refresh(self, account: Account) -> Account:
        """The account with new tokens for its refresh token (RFC 6749 section 6): one request of
        ten seconds at most, which is not repeated.

        :raises GrantRefused: there are none to be had for it any more
        :raises ProviderError: of reason ``refresh_…``, for what may pass
        """
        began = time.monotonic()
        metadata = self._published.metadata.get()
        if time.monotonic() - began > _METADATA_PATIENCE:
            # Whoever waits for this refresh does so for as long as the request itself may take. The
            # next attempt has the metadata.
            raise ProviderError(self.name, "refresh_late")
        requested_at = self._clock()
        try:
            with calling(self.name, "refresh"), open_session(self._settings, metadata) as session:
                session.scope = None  # what was granted, however much was asked for
                session.default_timeout = min(session.default_timeout or TIMEOUT, TIMEOUT)
                answer = session.fetch_token(
                    metadata.token_endpoint,
                    grant_type="refresh_token",
                    refresh_token=account.refresh_token,
                )
                refreshed = read_refreshed_tokens(answer, account, requested_at=requested_at)
        except ProviderError as error:
            if error.reason == "refresh_refused" and error.detail in GRANT_IS_OVER:
                raise GrantRefused(error) from None
            raise
        if metadata.issuer is not None and answer.get("id_token") is not None:
            self._check_refreshed_identity(answer["id_token"], metadata.issuer, account)
        return refreshed

    def _check_refreshed_identity(self, id_token: object, issuer: str, account: Account) -> None:
        """Check that the tokens are still this person's (OpenID Connect Core section 12.2).

        The signature is not looked at: the token came from the token endpoint itself (section
        3.1.3.7, number 6), and nothing but this is taken from it.
        """
        try:
            subject = check_refreshed_id_token(
                unverified_claims(id_token),
                issuer=issuer,
                client_id=self._settings.client_id,
                account=self._settings.preset.account,
            )
            if subject != account.provider_account_id:
                raise Untrusted("sub")
        except Untrusted as error:
            raise GrantRefused(self._refused(f"refresh_id_token_{error}", status=502)) from None

    def revoke(self, token: str, hint: str) -> None:
        """Revoke a token at the provider, if it can (RFC 7009)."""
        metadata = self._published.metadata.get()
        if metadata.revocation_endpoint is None:
            return
        with calling(self.name, "revocation"), open_session(self._settings, metadata) as session:
            response = session.revoke_token(
                metadata.revocation_endpoint,
                token=token,
                token_type_hint=hint,
                auth=session.client_auth(session.token_endpoint_auth_method),
            )
            if response.status_code != 200:
                raise Unusable(f"status_{response.status_code}")

    def revoke_soon(self, account: Account) -> None:
        """Revoke the account's tokens in the background: nobody waits for it, and what the provider
        says changes nothing.
        """
        # The refresh token first: with it goes the whole grant (RFC 7009 section 2.1).
        token, hint = account.refresh_token, "refresh_token"
        if token is None:
            token, hint = account.access_token, "access_token"
        if token is None:
            return
        if not self._revocations.acquire(blocking=False):
            _log.warning("Provider %s: a token was not revoked, too many are waiting", self.name)
            return
        try:
            Thread(target=self._revoke, args=(token, hint), daemon=True).start()
        except RuntimeError:  # no thread can be had; the sign-out itself goes on
            self._revocations.release()
            _log.warning("Provider %s: a token was not revoked, no thread can be had", self.name)

    def _revoke(self, token: str, hint: str) -> None:
        try:
            self.revoke(token, hint)
        except ProviderError as error:
            _log.warning("Provider %s: a token was not revoked (%s)", self.name, error.reason)
        finally:
            self._revocations.release()

    def _refused(self, reason: str, *, status: int = 400) -> ProviderError:
        return ProviderError(self.name, reason, status=status)
