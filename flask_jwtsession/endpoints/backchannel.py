"""``/backchannel-logout/<provider>``: a provider says that somebody signed out there."""

from __future__ import annotations

from flask import Response

from ..exceptions import ProviderError, RevocationUnavailable, StoreUnavailable
from ..lifecycle.binding import Binding
from ..lifecycle.standing import revoke_at_provider
from ..providers.reasons import Untrusted
from .posts import bounded_form
from .redirecting import json_response

#: Seconds for which a logout token is remembered: longer than one is accepted.
_REMEMBERED = 300


def log_out(binding: Binding, provider: str) -> Response:
    """End the sessions that a logout token names (OpenID Connect Back-Channel Logout 1.0).

    What protects it is the signature: it takes no cookie and no CSRF token.
    """
    known = binding.providers.get(provider)
    if known is None or known.type != "oidc":
        return _refused(binding, "unknown_provider", status=404)
    sent = bounded_form(binding).getlist("logout_token")
    if len(sent) != 1:
        return _refused(binding, "logout_token")
    try:
        logout = known.verify_logout_token(sent[0])
    except Untrusted as error:
        return _refused(binding, str(error))
    except ProviderError as error:
        return _refused(binding, error.reason)
    name = f"logout token\0{known.name}\0{logout.jti}"
    try:
        if binding.once.has(name):
            return _refused(binding, "jti")
        revoke_at_provider(
            binding, known.name, session_id=logout.session_id, account_id=logout.account_id
        )
        # Afterwards: if that could not be written down, the provider may send it again.
        binding.once.take(name, _REMEMBERED)
    except (RevocationUnavailable, StoreUnavailable) as error:
        # 400 for a failure here, too (section 2.8).
        return _refused(binding, error.code)
    return Response(status=200)


def _refused(binding: Binding, reason: str, *, status: int = 400) -> Response:
    binding.security_log.warning(
        f"backchannel {reason}", f"A back-channel logout was not accepted: {reason}"
    )
    response = json_response({"error": "invalid_request", "error_description": reason})
    response.status_code = status
    return response
