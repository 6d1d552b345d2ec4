"""The session inspector: what is known of the session of this browser, for developers.

It is there in debug mode only, and even then no page of it has a token, or an identifier with which
somebody could be signed out.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from flask_jwtsession import SessionTooLarge, current_session, login_required, update_session

from . import events, times
from .auth import account_at_demo_id

blueprint = Blueprint("inspector", __name__)

# Identifiers of the session: whoever can name one could one day revoke it.
_MASKED = {"sid", "jti"}
_TIMES = {"auth_time", "iat", "exp"}
# Characters that one press of the button puts into the session.
_FILLER = 2_000

_EXTENSION = "the extension"
_AT_SIGN_IN = "the sign-in"
_CALLBACK = "fill_token() in auth.py"


@dataclass(frozen=True)
class Meaning:
    """What a claim is, who puts it there, and under what name the browser sees it, if it does."""

    text: str
    set_by: str
    seen_as: str | None = None


_MEANINGS = {
    "sub": Meaning("Who it is: the id of the user", _EXTENSION, "user.id"),
    "name": Meaning("As the profile has it", _AT_SIGN_IN, "user.name"),
    "email": Meaning("As the profile has it", _AT_SIGN_IN, "user.email"),
    "picture": Meaning("A picture, from the provider", _AT_SIGN_IN, "user.image"),
    "username": Meaning("For the password form", _CALLBACK),
    "role": Meaning("What @roles_required looks at", _CALLBACK, "user.role"),
    "company_id": Meaning("Which company was chosen", _CALLBACK),
    "company": Meaning("Its name", _CALLBACK, "company"),
    "plan": Meaning("What @claims_required looks at", _CALLBACK),
    "filler": Meaning("From the button on this page", _CALLBACK),
    "sid": Meaning("This session, the same from sign-in to sign-out; masked", _EXTENSION),
    "auth_time": Meaning("When the person signed in", _EXTENSION),
    "iat": Meaning("When this token was issued", _EXTENSION),
    "exp": Meaning("When it ends", _EXTENSION, "expires"),
    "jti": Meaning("This token, another one each time it is issued; masked", _EXTENSION),
}
_UNKNOWN = Meaning("Not one that this page knows", "this application")

# RFC 7516 section 3.1. Of the last four there is nothing to see but how long they are.
_TOKEN_PARTS = (
    ("Protected header", "readable for everybody, see below"),
    ("Encrypted key", "none: the key is derived from the secret and the name of the cookie"),
    ("Initialization vector", "another one each time"),
    ("Ciphertext", "the claims"),
    ("Authentication tag", "no bit of the others can be changed"),
)
_HEADER_MEANINGS = {
    "alg": "no key is sent along",
    "enc": "AES-256-CBC with HMAC-SHA-512: encrypted and authenticated",
    "kid": "which of the secrets: so one can be replaced without signing anybody out",
}


@blueprint.before_request
def only_in_debug_mode() -> None:
    if not current_app.debug:
        abort(404)


@blueprint.get("/session")
@login_required
def session() -> str:
    cookies = _session_cookies()
    token = "".join(cookies.values())
    return render_template(
        "inspector.html",
        public=json.dumps(dict(current_session), indent=2, ensure_ascii=False, sort_keys=True),
        claims=list(_claims(current_session.token)),
        given=_given_by_demo_id(),
        moments=_moments(current_session.token),
        seconds_left=current_session.token["exp"] - time.time(),
        cookies={name: len(value) for name, value in cookies.items()},
        attributes=_cookie_attributes(),
        limits=_limits(token),
        parts=[
            (name, len(part), about)
            # Not strict: somebody may have planted a second cookie of this name.
            for (name, about), part in zip(_TOKEN_PARTS, token.split("."), strict=False)
        ],
        header=_protected_header(token),
        header_meanings=_HEADER_MEANINGS,
        store=current_app.config.get("JWTSESSION_STORE", "sqlite"),
        events=events.of_session(current_session.token["sid"]),
        filler=_FILLER,
    )


@blueprint.post("/session/filler")
@login_required
def fill() -> ResponseReturnValue:
    """Make the session larger, or as it was: to see how it is split into several cookies."""
    size = 0
    if request.form.get("size") == "more":
        size = len(current_session.token.get("filler", "")) + _FILLER
    try:
        update_session({"filler": "x" * size})
    except SessionTooLarge as error:
        flash(f"The session is as it was: {error}.", "bad")
        return redirect(url_for(".session"), 303)
    return redirect(url_for(".session", _anchor="cookie"), 303)


def _claims(token: Mapping[str, Any]) -> Iterator[tuple[str, object, Meaning]]:
    """The claims for people to look at; those that are known in the order of the list."""
    order = {name: number for number, name in enumerate(_MEANINGS)}
    for name in sorted(token, key=lambda name: order.get(name, len(order))):
        shown = value = token[name]
        if name in _MASKED:
            shown = f"{value[:4]}…"
        elif name == "filler":
            shown = f"{len(value):,} characters"
        elif name in _TIMES:
            shown = times.moment(value)
        yield name, shown, _MEANINGS.get(name, _UNKNOWN)


def _moments(token: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """When what happened, and will happen: what it is, epoch seconds, and more of it."""
    config = current_app.config
    update_age, absolute = config["JWTSESSION_UPDATE_AGE"], config["JWTSESSION_ABSOLUTE_MAX_AGE"]
    return [
        ("Signed in", token["auth_time"], "auth_time, the same until the next sign-in"),
        ("Token issued", token["iat"], "iat, at the sign-in, at an update, or by use"),
        (
            "Issued anew",
            token["iat"] + update_age,
            f"by the first use after this: UPDATE_AGE is {update_age:g} seconds",
        ),
        (
            "Ends without use",
            token["exp"],
            f"exp: MAX_AGE is {config['JWTSESSION_MAX_AGE']:g} seconds",
        ),
        (
            "Ends in any case",
            token["auth_time"] + absolute,
            f"ABSOLUTE_MAX_AGE is {absolute:g} seconds",
        ),
    ]


def _session_cookies() -> dict[str, str]:
    """The cookie as this request brought it, or its chunks in their order."""
    # An application does not have to know its name, and there is no way to ask for it.
    prefix = current_app.config.get("JWTSESSION_COOKIE_PREFIX", "jwtsession")
    name = f"{'__Host-' if request.is_secure else ''}{prefix}.session-token"
    if name in request.cookies:
        return {name: request.cookies[name]}
    names = [f"{name}.{number}" for number in range(len(request.cookies))]
    return {name: request.cookies[name] for name in names if name in request.cookies}


def _cookie_attributes() -> list[tuple[str, str, str]]:
    """Name, value and meaning. A request does not bring them: they are as configured."""
    config = current_app.config
    attributes = [
        ("HttpOnly", "", "no script can read it"),
        (
            "SameSite",
            config.get("JWTSESSION_COOKIE_SAMESITE", "Lax"),
            "no form and no script of another site is sent with it",
        ),
        ("Path", config.get("JWTSESSION_COOKIE_PATH", "/"), "for all pages of this host"),
        ("Max-Age", f"{config['JWTSESSION_MAX_AGE']:g}", "less near the end in any case"),
    ]
    if request.is_secure:
        attributes.append(("Secure", "", "over https only"))
    return attributes


def _limits(token: str) -> list[tuple[str, int, int, str]]:
    """What it is, how many characters it has, how many it may have, and why."""
    whole = current_app.config.get("JWTSESSION_MAX_TOKEN_SIZE", 7168)
    return [
        ("The token", len(token), whole, "MAX_TOKEN_SIZE; a larger one is refused"),
        (
            "The Cookie header",
            len(f"Cookie: {request.headers.get('Cookie', '')}"),
            8190,
            "all cookies of this host, in a line as long as common servers take it",
        ),
    ]


def _protected_header(token: str) -> dict[str, str]:
    """Encoded, not encrypted: whoever has the cookie can read this part of it."""
    segment = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):  # a planted cookie again
        return {}
    return header if isinstance(header, dict) else {}


def _given_by_demo_id() -> dict[str, Any]:
    """What there is, and of tokens how long each is."""
    account = account_at_demo_id()
    if account is None:
        return {}
    tokens = {
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
        "id_token": account.id_token,
    }
    return {
        "account": account.provider_account_id,
        "scope": account.scope,
        "expires_at": account.expires_at,
        "tokens": {name: len(token) for name, token in tokens.items() if token is not None},
    }
