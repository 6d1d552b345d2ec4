"""Recorded exchanges of Auth.js, replayed against a Flask app that is configured the same way.

Whatever is answered otherwise is a deviation. Each one that is meant is in one table, ``MEANT``;
one that is not in it fails, and so does one that is in it but does not happen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    JWTEvent,
    Session,
    session_updated,
    signed_in,
    signed_out,
)

from ..support import VECTORS, Clock, SetCookie, make_app, seal, set_cookies, unseal

RECORDED = json.loads((VECTORS / "authjs_http.json").read_text())
EXCHANGES: dict[str, dict[str, Any]] = {one["name"]: one for one in RECORDED["transcripts"]}
ISSUED = 1_795_226_389
USER = {
    "id": "u1",
    "name": "Ada",
    "email": "ada@example.com",
    "image": "https://x/a.png",
    "role": "admin",
}

# The older secret of this exchange is not recorded: its token is made anew, with the same claims.
ROTATION = "secret-rotation-session-get"
OLDER_SECRET = "an older secret, 0123456789 abcdefghij"

# The deviations, by key; the page "Compatible with Auth.js" explains each under the same key.
REASONS = {
    "no-callback-url-cookie": "the target travels in the form and the URL; the cookie is unsigned",
    "no-csrf-cookie-on-read": "only /csrf and our pages set the CSRF cookie",
    "csrf-cookie-renewed": "who signs in or out leaves the old CSRF token behind",
    "max-age-beside-expires": "Max-Age does not depend on the clock of the browser",
    "expires-on-deletion": "for what knows only Expires",
    "extra-claims": "sid, auth_time and a private block are ours",
    "missing-token-is-403": "a request without origin headers and token is refused at once",
    "no-location-on-json": "a Location header has no meaning on a 200",
    "no-store-everywhere": "no answer of these endpoints may be kept by a cache",
    "whole-seconds": "expires is the exp of the token, which has whole seconds",
    "session-callback-at-sign-in": "sign_in() returns the session, and signed_in carries it",
    "session-callback-sees-new-token": "the session callback gets the claims as they were issued",
    "no-session-event": "a read has no signal; an update has session_updated",
    "signed-out-on-none": "a session that the jwt callback ends sends signed_out",
    "credentials-not-passed-on": "no callback but the credentials one ever sees a password",
    "own-pages": "the markup of the built-in pages is ours",
    "one-login-cookie": "one encrypted cookie an attempt has all of it, the target included",
    "state-always": "the callback finds its cookie by state, so PKCE alone is not enough",
    "least-scope": "what GitHub's preset does not need, it does not ask for",
}

_READ = {"no-callback-url-cookie", "no-csrf-cookie-on-read"}
_ISSUED = {"max-age-beside-expires", "extra-claims"}
_SESSION = {
    *_READ,
    *_ISSUED,
    "whole-seconds",
    "session-callback-sees-new-token",
    "no-session-event",
}
_SIGN_IN = {
    *_ISSUED,
    "no-callback-url-cookie",
    "csrf-cookie-renewed",
    "session-callback-at-sign-in",
    "credentials-not-passed-on",
    "no-store-everywhere",
}
_SIGN_OUT = {
    "no-callback-url-cookie",
    "csrf-cookie-renewed",
    "expires-on-deletion",
    "no-store-everywhere",
}

MEANT: dict[str, set[str]] = {
    "session-get-anonymous": _READ,
    "csrf-get": {"no-callback-url-cookie"},
    "csrf-get-again-with-cookie": {"no-callback-url-cookie"},
    "credentials-signin": _SIGN_IN,
    "credentials-signin-json-redirect": _SIGN_IN | {"no-location-on-json"},
    "credentials-signin-no-csrf": {"missing-token-is-403", "no-store-everywhere"},
    "credentials-wrong": {"no-store-everywhere"},
    "credentials-wrong-json-redirect": {"no-store-everywhere"},
    "signin-callback-false": {"credentials-not-passed-on", "no-store-everywhere"},
    "session-get": _SESSION,
    "session-get-default-callbacks": _SESSION - {"session-callback-sees-new-token"},
    "session-get-http-cookie-names": _SESSION,
    "session-get-jwt-null": {*_READ, "expires-on-deletion", "signed-out-on-none"},
    "session-get-chunked-shrinks": _SESSION | {"expires-on-deletion"},
    "session-get-grows-to-chunks": _SESSION | {"expires-on-deletion"},
    "session-post-no-csrf": {"missing-token-is-403", "no-store-everywhere"},
    "session-post-update": {
        *_SESSION - {"no-csrf-cookie-on-read"},
        "no-store-everywhere",
    },
    "signout-post": _SIGN_OUT,
    "signout-post-json-redirect": _SIGN_OUT | {"no-location-on-json"},
    "signin-get": {
        "no-callback-url-cookie",
        "own-pages",
        "no-store-everywhere",
    },
    "signin-post-github": {
        "no-callback-url-cookie",
        "one-login-cookie",
        "state-always",
        "least-scope",
        "no-store-everywhere",
    },
    "providers": {"no-store-everywhere"},
    "callback-url-evil-origin": _SIGN_IN,
    "secret-rotation-session-get": _SESSION,
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_deviates_where_that_is_meant_and_nowhere_else(name: str) -> None:
    replay = Replay(EXCHANGES[name])
    assert set(replay.deviations()) == MEANT[name]


def test_every_exchange_and_every_reason_is_in_the_table() -> None:
    assert MEANT.keys() == EXCHANGES.keys()
    assert set().union(*MEANT.values()) == REASONS.keys()


@pytest.mark.parametrize("key", REASONS)
def test_every_deviation_is_explained_to_users(key: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "authjs.rst"
    assert f"``{key}``" in page.read_text()


@dataclass
class Call:
    """One call of a callback, or one signal under the name of Auth.js's event."""

    kind: str
    arguments: Mapping[str, Any]


class Replay:
    """One recorded request, sent to an app of ours, and what differs in the answer."""

    def __init__(self, exchange: Mapping[str, Any]) -> None:
        self.name = exchange["name"]
        self.recorded = exchange["response"]
        self.recorded_claims = exchange["session_claims"]
        self.recorded_calls = [
            Call(one.get("callback") or f"event {one['event']}", one["args"])
            for one in exchange["calls"]
            if "args" in one
        ]
        self.calls: list[Call] = []
        self.https = exchange["request"]["url"].startswith("https:")
        self.app = self._make_app(exchange["calls"])
        with ExitStack() as connected:
            self._connect(connected)
            self.response = self._send(exchange["request"])

    def deviations(self) -> Iterator[str]:
        """The keys of the deviations. Fails where something differs that has no key."""
        yield from self._compare_status()
        yield from self._compare_headers()
        yield from self._compare_cookies()
        yield from self._compare_claims()
        yield from self._compare_body()
        yield from self._compare_calls()

    # The app, made as the recorded calls show that the other one was made.

    def _make_app(self, recorded_calls: list[dict[str, Any]]) -> Flask:
        app, auth = make_app(
            Clock(ISSUED + 0.4),
            SECRET=RECORDED["secret"],
            SECRET_FALLBACKS=[OLDER_SECRET],
            COOKIE_PREFIX="authjs",
            UPDATE_AGE=0,
            BASE_URL=RECORDED["origin"] if self.https else None,
            CLIENT_UPDATE_FIELDS=["nick"],
        )

        @auth.credentials
        def authorize(credentials: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return USER if credentials.get("password") == "ok" else None

        auth.add_provider("github", client_id="gh-id", client_secret="gh-secret")
        if self.name == "session-get-default-callbacks":
            return app
        change, name = _recorded_change(recorded_calls), str(self.name)

        @auth.sign_in_callback
        def may_sign_in(user: Mapping[str, Any], account: Account, profile: object) -> bool:
            self._called("signIn", user=user, account=_account(account))
            return name != "signin-callback-false"

        @auth.jwt_callback
        def jwt(token: dict[str, Any], event: JWTEvent) -> dict[str, Any] | None:
            self._called("jwt", token=dict(token), **_event(event))
            return change(token)

        @auth.session_callback
        def session(session: dict[str, Any], token: Mapping[str, Any]) -> Mapping[str, Any]:
            self._called("session", session=json.loads(json.dumps(session)), token=token)
            shown = {name: token[name] for name in ("role", "nick") if name in token}
            return {**session, "user": {**session["user"], **shown}}

        return app

    def _connect(self, connected: ExitStack) -> None:
        def in_(sender: Flask, session: Session, user: Any, account: Account) -> None:
            self._called("event signIn", user=user, account=_account(account))

        def out(sender: Flask, session: Session, reason: str) -> None:
            self._called("event signOut", token=session.token, reason=reason)

        def updated(sender: Flask, session: Session, data: Any, from_client: bool) -> None:
            self._called("event updated", session=dict(session), data=data, by_client=from_client)

        connected.enter_context(signed_in.connected_to(in_, self.app))
        connected.enter_context(signed_out.connected_to(out, self.app))
        connected.enter_context(session_updated.connected_to(updated, self.app))

    def _called(self, kind: str, /, **arguments: Any) -> None:
        self.calls.append(Call(kind, arguments))

    def _send(self, recorded: Mapping[str, Any]) -> TestResponse:
        url = urlsplit(recorded["url"])
        headers = dict(recorded["headers"])
        if self.name == ROTATION:
            older, _ = make_app(None, SECRET=OLDER_SECRET, COOKIE_PREFIX="authjs")
            token = seal(older, self.recorded_calls[0].arguments["token"], https=True)
            headers["cookie"] = f"__Secure-authjs.session-token={token}"
        return self.app.test_client(use_cookies=False).open(
            f"{url.path}?{url.query}",
            method=recorded["method"],
            base_url=f"{url.scheme}://{url.netloc}",
            headers=headers,
            data=recorded["body"],
        )

    # What is compared.

    def _compare_status(self) -> Iterator[str]:
        if self.response.status_code == 403:
            problem = json.loads(self.response.get_data())
            assert (problem["code"], self.recorded["status"] in (302, 400)) == (
                "cross_origin",
                True,
            )
            yield "missing-token-is-403"
        else:
            assert self.response.status_code == self.recorded["status"]

    def _compare_headers(self) -> Iterator[str]:
        recorded, ours = self.recorded["headers"], self.response.headers
        if self.name == "signin-post-github":
            yield from _compare_authorization_url(ours["Location"], recorded["location"])
        elif self.response.status_code == 302:
            assert ours["Location"] == recorded["location"]
        else:
            assert "Location" not in ours
            if self.response.status_code == 200:
                assert self.response.mimetype == recorded["content-type"]
                if "location" in recorded:
                    yield "no-location-on-json"
        not_stored = {
            "cache-control": "private, no-cache, no-store",
            "expires": "0",
            "pragma": "no-cache",
        }
        assert {name: ours[name] for name in not_stored} == not_stored
        if "cache-control" not in recorded:
            yield "no-store-everywhere"
        else:
            assert not_stored.items() <= recorded.items()

    def _compare_cookies(self) -> Iterator[str]:
        recorded = {one["name"]: one for one in self.recorded["set_cookies"]}
        ours = set_cookies(self.response)
        for name in recorded.keys() - ours.keys():
            if name.endswith(".callback-url"):
                yield "no-callback-url-cookie"
            elif name.endswith(".pkce.code_verifier"):
                yield "one-login-cookie"
            else:
                assert name.endswith(".csrf-token")
                yield "no-csrf-cookie-on-read"
        for name in ours.keys() - recorded.keys():
            if name.startswith("__Host-authjs.login."):
                assert self.name == "signin-post-github"
                continue
            assert name == "__Host-authjs.csrf-token"
            assert self.response.status_code in (200, 302)
            yield "csrf-cookie-renewed"
        for name in ours.keys() & recorded.keys():
            yield from _compare_cookie(ours[name], recorded[name])

    def _compare_claims(self) -> Iterator[str]:
        token = "".join(
            cookie.value
            for name, cookie in sorted(set_cookies(self.response).items())
            if ".session-token" in name and not cookie.deletes
        )
        if not token:
            assert self.recorded_claims is None
            return
        claims = unseal(self.app, token, https=self.https)
        assert claims.keys() - self.recorded_claims.keys() >= {"sid", "_session"}
        assert _without_ours(claims) == _without_ours(self.recorded_claims)
        yield "extra-claims"

    def _compare_body(self) -> Iterator[str]:
        recorded = self.recorded["body"]
        if self.response.status_code == 302:
            assert recorded == ""
        elif self.response.mimetype == "text/html":
            assert self.response.get_data(as_text=True) != recorded
            yield "own-pages"
            _compare_forms(self.response.get_data(as_text=True), recorded)
        elif self.response.status_code == 200:
            yield from self._compare_json(self.response.get_json(), recorded)

    def _compare_json(self, ours: Any, recorded: Any) -> Iterator[str]:
        if isinstance(recorded, dict) and "expires" in recorded:
            assert _moment(ours["expires"]) == _moment(recorded["expires"]).replace(microsecond=0)
            assert len(ours["expires"]) == len(recorded["expires"])
            yield "whole-seconds"
            ours, recorded = {**ours, "expires": None}, {**recorded, "expires": None}
        if self.name == "csrf-get":  # random, and in the cookie too
            cookie = set_cookies(self.response)["__Host-authjs.csrf-token"]
            assert cookie.value.startswith(ours["csrfToken"] + "%7C")
            assert len(cookie.value) == len(ours["csrfToken"]) + 67
            ours, recorded = ours.keys(), recorded.keys()
        assert ours == recorded

    def _compare_calls(self) -> Iterator[str]:
        ours = list(self.calls)
        for recorded in self.recorded_calls:
            if recorded.kind == "event session":
                if ours:
                    _compare_update(ours.pop(0), recorded)
                yield "no-session-event"
                continue
            if recorded.kind == "event signIn" and ours[0].kind == "session":
                ours.pop(0)
                yield "session-callback-at-sign-in"
            call = ours.pop(0)
            assert call.kind == recorded.kind
            yield from _compare_arguments(call, recorded)
        if ours and ours[0].arguments.get("reason") == "callback":
            assert ours.pop(0).kind == "event signOut"
            yield "signed-out-on-none"
        assert ours == []


def _compare_cookie(ours: SetCookie, recorded: Mapping[str, Any]) -> Iterator[str]:
    attributes = {}
    for attribute in recorded["attributes"]:
        name, _, value = attribute.partition("=")
        attributes[name.lower()] = value
    more = {name: ours.attributes[name] for name in ours.attributes if name not in attributes}
    if recorded["value"] == "":
        assert (ours.value, ours.deletes) == ("", True)
        assert more == {"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
        yield "expires-on-deletion"
    elif "expires" in attributes:
        assert more == {"max-age": str(30 * 86_400)}
        yield "max-age-beside-expires"
    else:
        assert more == {}
    assert {name: ours.attributes[name] for name in attributes} == attributes


def _compare_arguments(ours: Call, recorded: Call) -> Iterator[str]:
    expected = dict(recorded.arguments)
    arguments = {name: value for name, value in ours.arguments.items() if name in expected}
    if expected.pop("credentials", None) is not None:
        yield "credentials-not-passed-on"
    assert expected.pop("isNewUser", False) is False  # Auth.js's database adapters
    if expected.get("session") == "__undefined__":
        del expected["session"]
    assert arguments.keys() == expected.keys()
    if "token" in expected:
        token, recorded_token = arguments["token"], expected["token"]
        if ours.kind == "session":
            times = {"iat": ISSUED, "exp": ISSUED + 30 * 86_400}
            assert times.items() <= token.items()
            assert token["jti"] != recorded_token["jti"]
            recorded_token = {**recorded_token, **times}
            yield "session-callback-sees-new-token"
        else:
            assert token.get("jti") == recorded_token.get("jti")
        del arguments["token"], expected["token"]
        assert _without_ours(token) == _without_ours(recorded_token)
    if ours.kind == "session":
        arguments["session"], expected["session"] = (
            {**one["session"], "expires": None} for one in (arguments, expected)
        )
    assert arguments == expected


def _compare_update(ours: Call, recorded: Call) -> None:
    assert ours.kind == "event updated"
    assert ours.arguments["by_client"] is True
    assert ours.arguments["session"]["user"] == recorded.arguments["session"]["user"]


def _compare_authorization_url(ours: str, recorded: str) -> Iterator[str]:
    """The same endpoint, and the same parameters but for what is random or meant."""
    our_url, their_url = urlsplit(ours), urlsplit(recorded)
    assert our_url[:3] == their_url[:3]
    sent, expected = dict(parse_qsl(our_url.query)), dict(parse_qsl(their_url.query))
    assert len(sent.pop("code_challenge")) == len(expected.pop("code_challenge"))
    assert len(sent.pop("state")) > 40
    yield "state-always"
    assert (sent.pop("scope"), expected.pop("scope")) == ("user:email", "read:user user:email")
    yield "least-scope"
    assert sent == expected


def _compare_forms(ours: str, recorded: str) -> None:
    """Forms of the same fields, sent to the same places."""
    our_forms, their_forms = _Forms(ours).forms, _Forms(recorded).forms
    expected = {path: {**fields, "callbackUrl": "/x"} for path, fields in their_forms.items()}
    assert our_forms == expected


class _Forms(HTMLParser):
    """The fields of each form of a page, by the path that it is sent to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            assert str(attributes["method"]).lower() == "post"
            self.forms[urlsplit(attributes["action"] or "").path] = {}
        elif tag == "input":
            path = list(self.forms)[-1]
            self.forms[path][str(attributes["name"])] = attributes.get("value")


def _recorded_change(
    calls: list[dict[str, Any]],
) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """What the recorded jwt callback did to the claims that it got."""
    jwt = [one for one in calls if one.get("callback") == "jwt"]
    got: dict[str, Any] = next((one["args"] for one in jwt if "args" in one), {})
    returned: dict[str, Any] | None = next(
        (one["returned"] for one in jwt if "returned" in one), {}
    )

    def change(token: dict[str, Any]) -> dict[str, Any] | None:
        if returned is None:
            return None
        before = got.get("token", {})
        kept = {
            name: value for name, value in token.items() if name in returned or name not in before
        }
        return kept | {name: returned[name] for name in returned if name not in before}

    return change


def _account(account: Account) -> dict[str, Any]:
    """In the words of Auth.js."""
    fields = asdict(account)
    fields["providerAccountId"] = fields.pop("provider_account_id")
    return {name: value for name, value in fields.items() if value is not None}


def _event(event: JWTEvent) -> dict[str, Any]:
    """In the words of Auth.js: ``session`` is what an update asks for."""
    if event.trigger is None:
        return {}
    if event.trigger == "update":
        return {"trigger": "update", "session": event.data}
    assert event.account is not None
    return {"trigger": "signIn", "user": event.user, "account": _account(event.account)}


def _without_ours(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Claims but for those that only we have, and the random ``jti``."""
    skipped = {"sid", "auth_time", "_session", "jti"}
    return {name: value for name, value in claims.items() if name not in skipped}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
