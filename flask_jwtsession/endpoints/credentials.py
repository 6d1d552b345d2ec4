"""``/callback/credentials``: sign in with what the application's ``@auth.credentials`` checks."""

from __future__ import annotations

from flask import Response

from ..answers import refusal
from ..exceptions import SignInRefused
from ..lifecycle.binding import Binding
from ..lifecycle.callbacks import require_mapping
from ..lifecycle.sign_in import sign_in as begin_session
from ..lifecycle.state import state_of
from ..session import Account
from ..targets import allowed_target, chosen_target, page_path
from .failures import answer_refusal
from .posts import Fields
from .redirecting import send_to, wants_problem


def sign_in(binding: Binding, fields: Fields) -> Response:
    """Check the credentials in the form or JSON body, and sign the person in."""
    check = binding.callbacks.credentials
    if check is None:
        raise refusal(binding, 404, "unknown_provider", "There is no such provider.")
    state = state_of(binding)
    state.require_safe_transport()
    requested = fields.pop("callbackUrl", None)
    if not all(isinstance(value, str) for value in fields.values()):
        # As from a form: a callback that looks a name up must not meet a list.
        raise refusal(binding, 400, "invalid_credentials", "Credentials are texts.")
    # From before the password is looked at: who changes it meanwhile, and revokes what began until
    # then, means this session too.
    started = binding.moment()
    try:
        user = check(dict(fields))
        if not user:
            return _wrong(binding, requested)
        user = require_mapping(user, "credentials callback")
        if _is_a_providers(binding, user.get("id")):
            binding.security_log.warning(
                "credentials id",
                "A sign-in with credentials was not accepted: the user's id is that of somebody's "
                "account at a provider",
            )
            return _wrong(binding, requested)
        account = Account(
            provider="credentials", type="credentials", provider_account_id=str(user.get("id"))
        )
        begin_session(state, user, account=account, profile=None, claims=None, started=started)
    except SignInRefused as refused:
        return answer_refusal(binding, refused)
    return send_to(binding, chosen_target(binding, requested))


def _is_a_providers(binding: Binding, identifier: object) -> bool:
    """Whether this user would have the ``sub`` of somebody's account at a provider. An id that
    people choose for themselves must not let them.
    """
    name, bar, _ = str(identifier).partition("|")
    return bool(bar) and name in binding.providers


def _wrong(binding: Binding, requested: object) -> Response:
    """One answer for every wrong user name and every wrong password."""
    binding.security_log.warning("credentials", "A sign-in with credentials was not accepted")
    if wants_problem():
        raise refusal(
            binding, 401, "credentials_signin", "The user name or the password is not right."
        )
    # Auth.js keeps the target in a cookie; here it stays in the URL.
    target = allowed_target(binding, requested)
    return send_to(
        binding,
        page_path(
            binding, "sign_in", error="CredentialsSignin", code="credentials", callbackUrl=target
        ),
        refused=401,
    )
