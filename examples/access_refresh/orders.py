"""A service of its own, which knows people by the shop's access tokens and by nothing else.

It has no secret, and asks nobody who somebody is: with the public keys at ``/auth/jwks.json`` of
the shop it checks that the shop made a token, made it for this service, and that it is not over. So
whoever signs out of the shop, or is disabled there, is let in here until their last token is over:
for a minute at most.

``python -m examples.access_refresh.orders`` serves it on http://localhost:5001 (``PORT``), for the
shop at ``ISSUER``.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import click
import jwt
from flask import Flask, Response, jsonify, request

from ..demo_provider.serving import listen, port_of, server_of

AUDIENCE = "orders"
# A browser sends it here, too: cookies are for a host, whatever the port. It sends the refresh
# cookie as well, which says nothing to anybody but the shop. Over https the name begins with
# "__Host-", or with "__Secure-" if JWTSESSION_COOKIE_DOMAIN lets several hosts have it.
COOKIE = "shop.session-token"

ORDERS = {  # by the claim ``sub``
    "2": [{"number": 1042, "what": "Ink, sepia", "price": "7.90"}],
    "3": [
        {"number": 1043, "what": "Notebook, squared", "price": "12.50"},
        {"number": 1051, "what": "Paper, 500 sheets", "price": "9.00"},
    ],
}


def create_app(issuer: str) -> Flask:
    app = Flask(__name__)
    # Keeps the keys for five minutes, and looks again, twice a minute at most, for an unknown one.
    keys = jwt.PyJWKClient(f"{issuer}/auth/jwks.json", timeout=5)

    @app.get("/orders")
    def orders() -> Response:
        token = _token_of_request()
        if token is None:
            return _refused(401, "no_token", 'Bearer realm="orders"')
        try:
            claims = verify(token, keys, issuer)
        except jwt.PyJWKClientConnectionError:
            return _refused(503, "keys_unavailable")
        except jwt.PyJWTError:
            return _refused(401, "invalid_token", 'Bearer realm="orders", error="invalid_token"')
        return jsonify(name=claims["name"], orders=ORDERS.get(claims["sub"], []))

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app


def verify(token: str, keys: jwt.PyJWKClient, issuer: str) -> dict[str, Any]:
    """The claims of an access token of the shop. Raises for every other text."""
    decoded = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],  # what we expect, and not what a token says
        issuer=issuer,
        audience=AUDIENCE,
        options={"require": ["iss", "aud", "sub", "exp", "iat", "name"]},
    )
    # Something else that was signed with the same key is no access token (RFC 8725 section 3.11).
    if decoded["header"].get("typ") != "session+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims: dict[str, Any] = decoded["payload"]
    return claims


def _token_of_request() -> str | None:
    """Of a program in the header, else of a browser in the cookie."""
    if "Authorization" in request.headers:
        sent = request.authorization
        return (sent.token or "") if sent is not None and sent.type == "bearer" else ""
    return request.cookies.get(COOKIE)


def _refused(status: int, error: str, challenge: str | None = None) -> Response:
    response = jsonify(error=error)
    response.status_code = status
    if challenge is not None:
        response.headers["WWW-Authenticate"] = challenge
    return response


def main() -> None:
    issuer = os.environ.get("ISSUER", "http://localhost:5000")
    port = port_of(os.environ.get("PORT", "5001"))
    with listen(port, "python -m examples.access_refresh.orders") as listening:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        port = listening.getsockname()[1]
        click.echo(f"\n  Orders are at http://localhost:{port}/orders   (Ctrl-C stops it)")
        click.echo(f"\n  For people of the shop at {issuer}\n")
        server = server_of(create_app(issuer), listening)
    server.serve_forever()  # until Ctrl-C


if __name__ == "__main__":
    main()
