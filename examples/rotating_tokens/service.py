"""A warehouse: an API, and the token endpoint of its access tokens.

It plays somebody else's server. It knows one client, which gets tokens for itself (the client
credentials grant, RFC 6749 section 4.4), each good for 30 minutes. Nothing is kept: after a restart
no token is good any more.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

CLIENT_ID = "shop"
CLIENT_SECRET = "made up, and the same for everybody"
STOCK = {"Paper, A4": 1200, "Envelopes": 340, "Ink": 18}


def create_app(**config: Any) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config.update(TOKEN_SECONDS=30 * 60, CLOCK=time.time)
    # FLASK_TOKEN_SECONDS=60 in the environment, for who does not want to wait.
    app.config.from_prefixed_env()
    app.config.update(config)
    ends: dict[str, float] = {}

    @app.post("/token")
    def give_token() -> ResponseReturnValue:
        client = request.authorization
        if client is None or not _is_ours(client.username, client.password):
            return {"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"}
        if request.form.get("grant_type") != "client_credentials":
            return {"error": "unsupported_grant_type"}, 400
        now, lifetime = app.config["CLOCK"](), app.config["TOKEN_SECONDS"]
        for token in [token for token, end in ends.items() if end <= now]:
            del ends[token]
        token = secrets.token_urlsafe(24)
        ends[token] = now + lifetime
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
        return answer, {"Cache-Control": "no-store"}

    @app.get("/stock")
    def stock() -> ResponseReturnValue:
        sent = request.authorization
        token = sent.token if sent is not None and sent.type == "bearer" else None
        if ends.get(token or "", 0) <= app.config["CLOCK"]():
            return {"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer"}
        return STOCK

    return app


def _is_ours(client_id: str | None, secret: str | None) -> bool:
    return client_id == CLIENT_ID and hmac.compare_digest(
        (secret or "").encode(), CLIENT_SECRET.encode()
    )
