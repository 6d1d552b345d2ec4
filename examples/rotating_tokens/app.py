"""A shop whose people see what a warehouse has. The warehouse has an API, which takes a token.

Nobody sees that token: it is in the encrypted session. It is renewed

* by itself, in the last minute of the 30 for which it is good;
* at once, by ``POST /auth/session/refresh``, which the button on the page sends;
* at once, by ``?query=update-token-data`` in the URL of any page, if a link of ours brought it.

All three come to :func:`new_token`.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import requests
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.security import check_password_hash, generate_password_hash

from flask_jwtsession import (
    Account,
    JWTSession,
    current_session,
    login_required,
    refresh_session,
    sign_in,
)

from .service import CLIENT_ID, CLIENT_SECRET

PASSWORDS = {"ada": "correct horse", "grace": "battery staple"}

# Seconds. Between two renewals by the flag; and for a connection, and each part of an answer.
FLAG_PAUSE = 60
TIMEOUT = 3

auth = JWTSession()
pages = Blueprint("pages", __name__)


def create_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(
        # Nothing is written down: who restarts this application signs everybody out.
        JWTSESSION_SECRET=os.environ.get("JWTSESSION_SECRET") or secrets.token_hex(32),
        # One process, and no file. With more of them take "sqlite" or Redis: all have to see the
        # same store, or each asks for a token of its own.
        JWTSESSION_STORE="memory",
        # Cookies do not know ports: several applications may run on localhost.
        JWTSESSION_COOKIE_PREFIX="stock",
        JWTSESSION_PAGES={"sign_in": "/sign-in"},
        SERVICE="http://127.0.0.1:5001",
        TIMEOUT=TIMEOUT,
        CLOCK=time.time,
    )
    app.config.from_prefixed_env()  # FLASK_SERVICE, if the warehouse is somewhere else
    app.config.update(config)
    auth.init_app(app)
    app.before_request(renew_if_flagged)
    app.after_request(_secure)
    app.register_blueprint(pages)
    app.add_template_filter(_time_of_day, "time_of_day")
    return app


# The token


def begin_session(username: str) -> None:
    """Sign somebody in, with a token for the warehouse."""
    sign_in({"id": username, "name": username.capitalize()}, account=new_account(username))
    refresh_session()


def new_account(username: str) -> Account:
    """Somebody's account at the warehouse, with a token that is over: it is to be renewed."""
    return Account(
        provider="warehouse",
        type="credentials",
        provider_account_id=username,
        access_token="",
        expires_at=0,
    )


@auth.refresh_callback
def new_token(account: Account) -> dict[str, Any]:
    """Ask the warehouse for a token.

    Of all requests that need one at the same time, one gets here. Whatever is raised, the session
    keeps the token that it has, ``current_session.error`` says so, and the first request after five
    seconds tries again.
    """
    answer = requests.post(
        f"{current_app.config['SERVICE']}/token",
        data={"grant_type": "client_credentials"},
        auth=(CLIENT_ID, CLIENT_SECRET),
        timeout=current_app.config["TIMEOUT"],
        allow_redirects=False,  # the secret goes to the warehouse and nowhere else
    )
    answer.raise_for_status()
    # A mapping, or an error: None would say that there will be no token any more.
    return dict(answer.json())


def renew_if_flagged() -> None:
    """Renew the token now, if the URL says ``?query=update-token-data``.

    A GET changes something here, so everybody who can make a browser load a URL could have it done:
    a link in a mail, a picture in a forum. The browser says who did. What another site led to, or
    nobody knows what, is a page like any other; and so is one that comes too soon, because a page
    of ours may be reloaded as often as somebody likes.
    """
    if request.args.get("query") != "update-token-data":
        return
    if request.headers.get("Sec-Fetch-Site") != "same-origin":
        return
    account = current_session.account
    if account is None or account.issued_at is None:
        return
    if current_app.config["CLOCK"]() - account.issued_at >= FLAG_PAUSE:
        refresh_session()


# The pages


@pages.get("/")
@login_required
def stock() -> ResponseReturnValue:
    account = current_session.account
    token = account.access_token if account is not None else None
    return render_template(
        "stock.html",
        account=account,
        stock=ask_warehouse(token) if token else None,
        # Enough to see that it is another one.
        fingerprint=sha256(token.encode()).hexdigest()[:8] if token else None,
    )


def ask_warehouse(token: str) -> dict[str, int] | None:
    """What it has; None if it does not say."""
    try:
        answer = requests.get(
            f"{current_app.config['SERVICE']}/stock",
            headers={"Authorization": f"Bearer {token}"},
            timeout=current_app.config["TIMEOUT"],
            allow_redirects=False,
        )
        answer.raise_for_status()
        stock = answer.json()
    except (requests.RequestException, RecursionError):  # the latter for JSON that is too deep
        return None
    return stock if isinstance(stock, dict) else None


@pages.get("/sign-in")
def sign_in_page() -> str:
    return render_template("sign_in.html", passwords=PASSWORDS)


@pages.post("/sign-in")
def do_sign_in() -> ResponseReturnValue:
    username = request.form.get("username", "")
    # Hash in any case: the time must not tell which names there are.
    password_hash = _HASHES.get(username, _NOBODYS_HASH)
    is_right = check_password_hash(password_hash, request.form.get("password", ""))
    if not is_right or username not in _HASHES:
        return render_template("sign_in.html", passwords=PASSWORDS, is_wrong=True), 400
    begin_session(username)
    return redirect(url_for(".stock"), 303)


_HASHES = {name: generate_password_hash(password) for name, password in PASSWORDS.items()}
_NOBODYS_HASH = generate_password_hash(secrets.token_hex())


def _secure(response: Response) -> Response:
    # The extension's own pages come with such headers; they keep theirs.
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _time_of_day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
