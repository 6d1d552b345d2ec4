"""What a view uses: the proxies and the verbs of one instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from flask import has_request_context
from werkzeug.local import LocalProxy

from .cross_origin import refuse_forged
from .exceptions import JWTSessionError
from .lifecycle import change, standing
from .lifecycle import sign_in as beginning
from .lifecycle.binding import Binding, current_binding
from .lifecycle.load import load, loaded_user
from .lifecycle.state import RequestSession, state_of
from .providers.sign_out import revoke_tokens
from .session import Account, Session

F = TypeVar("F", bound=Callable[..., Any])


def _naming_instance(verb: F) -> F:
    """Let an error say whose it is: each instance answers in its own way."""

    @wraps(verb)
    def call(self: Access, *args: Any, **kwargs: Any) -> Any:
        try:
            return verb(self, *args, **kwargs)
        except JWTSessionError as error:
            error.about(self.config_prefix)
            raise

    return cast(F, call)


class Access:
    """The current request's session of the instance with one configuration prefix.

    The verbs refuse an unsafe request that another site started (403 ``cross_origin``), unless the
    view is under ``@csrf_exempt``.

    The module-level names are those of the prefix ``JWTSESSION``; an instance with another one has
    them as its own attributes.
    """

    #: Who is signed in: a read-only mapping, falsy when nobody is.
    current_session: Session
    #: The session's user, or what the ``user_loader`` returned; None when nobody is signed in.
    current_user: Any

    def __init__(self, config_prefix: str) -> None:
        self.config_prefix = config_prefix
        self.current_session = cast(Session, _RequestProxy(lambda: load(self._state())))
        self.current_user = _RequestProxy(lambda: loaded_user(self._state()))

    @_naming_instance
    def sign_in(
        self,
        user: Mapping[str, Any],
        *,
        account: Account | None = None,
        profile: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        refresh_claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> Session:
        """Sign a person in, and return their session.

        The session that was there is signed out first (``signed_out`` with reason ``"replaced"``);
        nothing of it is kept. The new one has a new ``sid``, and ``auth_time`` is now.

        :param user: who they are. ``id`` (str or int) becomes ``sub``; ``name``, ``email`` and
            ``image`` become the claims ``name``, ``email`` and ``picture``
        :param account: how they signed in. For a provider's account ``sub`` is
            ``"<provider>|<provider_account_id>"``
        :param profile: the provider's profile, for the callbacks
        :param claims: more claims for the token
        :param refresh_claims: claims of the refresh token, with ``JWTSESSION_REFRESH_COOKIE``:
            what the ``reauth_callback`` needs besides ``sub``
        :param fresh: False for somebody who did not prove just now who they are, because they are
            still signed in to something else, say: every ``fresh_login_required`` asks them to
        :raises SignInRefused: the ``sign_in_callback`` or the jwt callback refused; or the request
            brings its token in a header, and gets no cookie
        :raises ConfigError: there is no ``reauth_callback`` though ``JWTSESSION_REFRESH_COOKIE`` is
            set, or it is not set and there are ``refresh_claims``
        :raises SessionTooLarge: the token is longer than ``JWTSESSION_MAX_TOKEN_SIZE``
        :raises InsecureTransport: the request came over plain http
        :raises StoreUnavailable: the account's tokens are to be kept in the store
        :raises SessionClosed: the response is finished, or a callback is running
        """
        return beginning.sign_in(
            self._state_to_change(),
            user,
            account=account,
            profile=profile,
            claims=claims,
            refresh_claims=refresh_claims,
            fresh=fresh,
        )

    @_naming_instance
    def create_token(
        self,
        user: Mapping[str, Any],
        *,
        account: Account | None = None,
        profile: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Sign a person in without a cookie: a token for a client that sends it as
        ``Authorization: Bearer``, with ``"header"`` in ``JWTSESSION_TOKEN_LOCATIONS``.

        It is a session of its own, of ``JWTSESSION_MAX_AGE`` at most: it cannot be changed, and is
        not issued again by use. The session of the request, if there is one, stays what it is.

        :param user: as in :func:`sign_in`, and so are the others and what is raised
        :raises ConfigError: ``JWTSESSION_TOKEN_LOCATIONS`` has no ``"header"``
        """
        return beginning.create_token(
            self._state_to_change(), user, account=account, profile=profile, claims=claims
        )

    @_naming_instance
    def update_session(self, data: Mapping[str, Any]) -> Session:
        """Change the session's data, and return the session as it is now.

        The jwt callback decides what becomes of ``data`` (trigger ``"update"``); without one it is
        merged into the token. Reserved claims stay as they were. If the callback returns None, the
        session ends.

        :raises UpdateRefused: nobody is signed in, or the callback refused
        :raises SessionTooLarge: the token is longer than ``JWTSESSION_MAX_TOKEN_SIZE``
        :raises InsecureTransport: the request came over plain http
        :raises StoreUnavailable: nobody knows whether the session was revoked
        :raises SessionClosed: the response is finished, or a callback is running
        """
        return change.update(self._state_to_change(), data, from_client=False)

    @_naming_instance
    def refresh_session(self) -> Session:
        """Refresh the provider's tokens now, whether they are due or not, and return the session.

        Of requests that do so at the same time with the same cookie one asks the provider, and all
        get the new tokens. If it cannot be done, ``current_session.error`` says why and the old
        ones stay: nothing is raised for that.

        :raises UpdateRefused: nobody is signed in, or there is nothing that could be refreshed
        :raises StoreUnavailable: nobody knows whether the session was revoked
        :raises SessionClosed: the response is finished, or a callback is running
        """
        return change.refresh(self._state_to_change())

    @_naming_instance
    def revoke_session(self, sid: str) -> None:
        """Revoke one session: from the next request on its cookie, and every copy of it, is good
        for nothing. The response to a request that uses it now is not stopped.

        Works outside a request too, in an app context.

        :param sid: the claim ``sid`` of the session (``current_session.token["sid"]``)
        :raises RevocationUnavailable: ``JWTSESSION_STORE`` is None
        :raises StoreUnavailable: it could not be written down
        """
        standing.revoke_session(self._binding_to_change(), sid)

    @_naming_instance
    def revoke_user(self, sub: str | int) -> None:
        """Revoke all sessions of a person that began before now; those that begin later are good.

        After a change of the password, say: ``revoke_user(user_id)``, and ``sign_in(user)`` for the
        browser that changed it. Works outside a request too, in an app context.

        :param sub: the claim ``sub`` of the sessions: what was ``id`` at the sign-in, or
            ``"<provider>|<provider_account_id>"``
        :raises RevocationUnavailable: ``JWTSESSION_STORE`` is None
        :raises StoreUnavailable: it could not be written down
        """
        standing.revoke_user(self._binding_to_change(), sub)

    @_naming_instance
    def sign_out(self) -> None:
        """End the session and delete its cookies; without a session, only the latter.

        A copy of the cookie is good for nothing afterwards. If that cannot be written to the store,
        the cookies are deleted all the same, and ``session.error`` in the signal ``signed_out`` is
        ``"revocation_unavailable"``.

        With ``JWTSESSION_FEDERATED_SIGN_OUT`` the provider's tokens are revoked too. To be signed
        out at the provider the browser has to go there, which ``POST /auth/signout`` sends it.

        :raises SessionClosed: the response is finished, or a callback is running
        """
        state = self._state_to_change()
        session = change.end(state, "user")
        revoke_tokens(state.binding, None if session is None else session.account)

    def _state_to_change(self) -> RequestSession:
        return state_of(self._binding_to_change())

    def _binding_to_change(self) -> Binding:
        binding = current_binding(self.config_prefix)
        if has_request_context():
            refuse_forged(binding)
        return binding

    def _state(self) -> RequestSession:
        return state_of(current_binding(self.config_prefix))


class _RequestProxy(LocalProxy[Any]):
    """A proxy whose truth is that of its object.

    Werkzeug's takes any RuntimeError for "no request", and is then false: an error in a callback
    would make somebody anonymous instead of being heard of.
    """

    def __bool__(self) -> bool:
        return bool(self._get_current_object())

    def __repr__(self) -> str:
        return repr(self._get_current_object()) if has_request_context() else "<no request>"
