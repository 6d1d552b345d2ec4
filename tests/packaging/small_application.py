"""A small application and a visit to it, for a Python that has the package and nothing more.

It says in JSON what the visitor saw. Arguments: a folder for what it keeps; a store, if it is not
the default.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from flask import Flask

import flask_jwtsession
from flask_jwtsession import JWTSession, current_user, login_required

folder, *store = sys.argv[1:]
app = Flask("small_application", instance_path=folder)
app.config["JWTSESSION_SECRET"] = "a secret of this test, 0123456789"
if store:
    app.config["JWTSESSION_STORE"] = store[0]
auth = JWTSession(app)


@auth.credentials
def check_password(credentials: dict[str, Any]) -> dict[str, Any] | None:
    return {"id": 1, "name": "Ada"} if credentials.get("password") == "right" else None


@app.get("/")
@login_required
def home() -> str:
    return str(current_user["name"])


client = app.test_client()
same_origin = {"Sec-Fetch-Site": "same-origin"}
seen: dict[str, Any] = {
    "package": flask_jwtsession.__file__,
    "anonymous": client.get("/").status_code,
    "sign-in page": client.get("/auth/signin").text,
    "stylesheet": client.get("/auth/static/jwtsession.css").status_code,
    "client.js": client.get("/auth/client.js").text,
    "client.d.ts": client.get("/auth/client.d.ts").text,
}
client.post("/auth/callback/credentials", data={"password": "right"}, headers=same_origin)
cookie = client.get_cookie("jwtsession.session-token")
assert cookie is not None
seen["signed in"] = client.get("/").text
client.post("/auth/signout", headers=same_origin)
seen["signed out"] = client.get("/").status_code
client.set_cookie(cookie.key, cookie.value)
seen["with the cookie of before"] = client.get("/").status_code
seen["imported"] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(seen))
