"""An application with access and refresh cookies, and browsers of people who use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from blinker import NamedSignal
from flask import Flask, jsonify
from werkzeug.test import TestResponse

from flask_jwtsession import (
    current_session,
    login_required,
    reuse_detected,
    session_rejected,
    session_revoked,
    session_updated,
    sign_in,
    sign_out,
    signed_in,
    signed_out,
    update_session,
)

from .scenes import View, visit
from .support import SAME_ORIGIN, Clock, binding_of, make_app, set_cookies, unseal

ACCESS, REFRESH = "jwtsession.session-token", "jwtsession.refresh-token"
#: Seconds that an access cookie lives, unless a test says otherwise.
MAX_AGE = 60
#: Longer than anybody's, for lifetimes that a test is not about.
DAY = 86_400

SIGNALS = (
    signed_in,
    signed_out,
    session_rejected,
    session_revoked,
    session_updated,
    reuse_detected,
)

Told = list[tuple[str, dict[str, Any]]]
Answer = Callable[[dict[str, Any]], Any]


def who() -> str:
    """A view that says who is signed in."""
    return str(current_session.token["sub"]) if current_session else "nobody"


def seen() -> Any:
    """A view that shows the claims of the access token."""
    return jsonify(dict(current_session.token))


class Reauth:
    """The application's ``reauth_callback``.

    :ivar asked: the claims that it got, call by call
    :ivar answer: what it returns; by default a ``turn``, which is the number of the call
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda claims: {"name": "Ada", "turn": len(self.asked)}

    def __call__(self, claims: dict[str, Any]) -> Any:
        self.asked.append(deepcopy(claims))
        return self.answer(claims)


class PairApp:
    """An application whose sessions have two cookies: one process of it, as far as a test can
    tell, if two have the same ``STORE``.

    :ivar told: every signal, in order: name and arguments
    """

    def __init__(self, clock: Clock, /, **config: Any) -> None:
        self.clock = clock
        self.app, self.auth = make_app(
            clock, **{"REFRESH_COOKIE": True, "MAX_AGE": MAX_AGE, **config}
        )
        self.reauth = Reauth()
        self.auth.reauth_callback(self.reauth)
        self.told: Told = []
        self._receivers = [self._listen(signal) for signal in SIGNALS]
        _add_views(self.app)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What the ``reauth_callback`` was asked."""
        return self.reauth.asked

    def browser(self, cookies: Mapping[str, str] | None = None) -> Browser:
        return Browser(self.app, dict(cookies or {}))

    def sign_in(self, sub: str = "u1", **arguments: Any) -> Browser:
        """The browser of somebody who signs in now; ``arguments`` as ``sign_in`` takes them."""
        browser = self.browser()
        browser.sign_in(sub, **arguments)
        return browser

    def access_is_over(self) -> None:
        """So much time passes."""
        self.clock.advance(binding_of(self.app).settings.lifetimes.max_age)

    def names_told(self) -> list[str]:
        return [name for name, _ in self.told]

    def reasons(self) -> list[str]:
        """Why sessions ended, as the application was told."""
        return [str(found["reason"]) for name, found in self.told if name == "signed-out"]

    def rejections(self) -> list[str]:
        return [str(found["reason"]) for name, found in self.told if name == "session-rejected"]

    def reuses(self) -> list[tuple[str, str]]:
        """The sid and sub of each reuse that the application was told of."""
        return [
            (found["sid"], found["sub"]) for name, found in self.told if name == "reuse-detected"
        ]

    def _listen(self, signal: NamedSignal) -> Callable[..., None]:
        def receive(sender: Flask, **arguments: Any) -> None:
            self.told.append((signal.name, arguments))

        signal.connect(receive, self.app)
        return receive


@dataclass
class Browser:
    """Keeps cookies by name, until an answer deletes them: it has no clock."""

    app: Flask
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def visit(self, view: View = who, **options: Any) -> TestResponse:
        """The answer of ``view``; ``options`` as :func:`.scenes.visit` takes them."""
        return self._take(visit(self.app, view, self.header, **options))

    def open(self, path: str, method: str = "GET", **options: Any) -> TestResponse:
        headers = {**SAME_ORIGIN, **options.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = self.header
        client = self.app.test_client(use_cookies=False)
        return self._take(
            client.open(path, method=method, headers=headers, buffered=True, **options)
        )

    def sign_in(self, sub: str = "u1", **arguments: Any) -> TestResponse:
        def view() -> str:
            sign_in({"id": sub, "name": "Ada"}, **arguments)
            return "signed in"

        response = self.visit(view, method="POST")
        assert response.text == "signed in"
        return response

    def copy(self, *names: str) -> Browser:
        """Somebody who has its cookies too: all of them, or those with these names."""
        kept = names or tuple(self.cookies)
        return Browser(self.app, {name: self.cookies[name] for name in kept})

    def lose_access(self) -> Browser:
        """What a browser does with a cookie whose time is over."""
        del self.cookies[ACCESS]
        return self

    def at(self, app: Flask) -> Browser:
        """The same cookies, sent to another process of the application."""
        return Browser(app, dict(self.cookies))

    def claims(self) -> dict[str, Any]:
        """What is in its access cookie."""
        return unseal(self.app, self.cookies[ACCESS])

    def refresh_claims(self) -> dict[str, Any]:
        """What is in its refresh cookie."""
        return unseal_refresh(self.app, self.cookies[REFRESH])

    def generation(self) -> int:
        generation: int = self.refresh_claims()["_session"]["rotation"]["gen"]
        return generation

    def _take(self, response: TestResponse) -> TestResponse:
        for name, cookie in set_cookies(response).items():
            if cookie.deletes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.value
        return response


def unseal_refresh(app: Flask, token: str, *, https: bool = False) -> dict[str, Any]:
    """All claims of a refresh token of the app."""
    binding = binding_of(app)
    pair = (binding.https if https else binding.http).refresh
    assert pair is not None
    claims: dict[str, Any] = json.loads(pair[1].decode(token))
    return claims


def seal_refresh(app: Flask, payload: Mapping[str, Any] | bytes) -> str:
    """A refresh token with exactly this payload, made with the app's real key."""
    pair = binding_of(app).http.refresh
    assert pair is not None
    return pair[1].encode(payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def _add_views(app: Flask) -> None:
    @app.get("/who")
    def show_who() -> str:
        return who()

    @app.get("/private")
    @login_required
    def private() -> str:
        return who()

    @app.post("/update")
    def update() -> str:
        update_session({"company_id": 7})
        return who()

    @app.post("/leave")
    def leave() -> str:
        sign_out()
        return who()
