"""Sign-in for Flask without a session database: the session is an encrypted JWT cookie."""

from typing import Final as _Final

from .config import DEFAULT_PREFIX as _DEFAULT_PREFIX
from .exceptions import (
    ConfigError,
    InsecureTransport,
    JWTSessionError,
    ProviderError,
    RevocationUnavailable,
    SessionClosed,
    SessionTooLarge,
    SignInRefused,
    StoreUnavailable,
    TokenError,
    TokenExpired,
    TokenInvalid,
    UpdateRefused,
)
from .extension import JWTSession
from .guards import Guards as _Guards
from .session import Account, JWTEvent, Session, Trigger
from .signals import (
    refresh_failed,
    reuse_detected,
    session_refreshed,
    session_rejected,
    session_revoked,
    session_updated,
    signed_in,
    signed_out,
)

_default = _Guards(_DEFAULT_PREFIX)

current_session: _Final = _default.current_session
current_user: _Final = _default.current_user
sign_in: _Final = _default.sign_in
create_token: _Final = _default.create_token
update_session: _Final = _default.update_session
refresh_session: _Final = _default.refresh_session
revoke_session: _Final = _default.revoke_session
revoke_user: _Final = _default.revoke_user
sign_out: _Final = _default.sign_out
login_required: _Final = _default.login_required
fresh_login_required: _Final = _default.fresh_login_required
roles_required: _Final = _default.roles_required
claims_required: _Final = _default.claims_required
public: _Final = _default.public
csrf_exempt: _Final = _default.csrf_exempt

__version__ = "0.1.0"

__all__ = [
    "Account",
    "ConfigError",
    "InsecureTransport",
    "JWTEvent",
    "JWTSession",
    "JWTSessionError",
    "ProviderError",
    "RevocationUnavailable",
    "Session",
    "SessionClosed",
    "SessionTooLarge",
    "SignInRefused",
    "StoreUnavailable",
    "TokenError",
    "TokenExpired",
    "TokenInvalid",
    "Trigger",
    "UpdateRefused",
    "claims_required",
    "create_token",
    "csrf_exempt",
    "current_session",
    "current_user",
    "fresh_login_required",
    "login_required",
    "public",
    "refresh_failed",
    "refresh_session",
    "reuse_detected",
    "revoke_session",
    "revoke_user",
    "roles_required",
    "session_refreshed",
    "session_rejected",
    "session_revoked",
    "session_updated",
    "sign_in",
    "sign_out",
    "signed_in",
    "signed_out",
    "update_session",
]
