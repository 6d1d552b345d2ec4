"""A certified OpenID provider as a process on loopback, and a person who walks its pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from .node_server import DEADLINE, NodeServer


class OidcProvider(NodeServer):
    """panva's ``oidc-provider``; ``with OidcProvider() as provider`` starts and stops it.

    ``access_token_lifetime`` is in seconds. Clients are registered while it runs, when the
    applications know their ports. Without Node or the package the test is skipped.
    """

    def __init__(self, *, access_token_lifetime: int = 60) -> None:
        super().__init__("oidc_provider", "oidc-provider")
        self.configuration = {"accessTokenLifetime": access_token_lifetime}
        self.issuer = ""
        self._control_url = ""

    def argument(self) -> dict[str, int]:
        return self.configuration

    def listens(self, said: dict[str, Any]) -> None:
        self.issuer, self._control_url = said["issuer"], said["control"]

    # What it is told.

    def register(self, client_id: str = "app", **metadata: Any) -> None:
        """Register a client, or replace it, with this metadata (OpenID Connect Dynamic Client
        Registration 1.0 section 2), such as ``redirect_uris=[…]``, ``client_secret="…"``,
        ``token_endpoint_auth_method="none"``, ``post_logout_redirect_uris=[…]``,
        ``backchannel_logout_uri="…"``, ``backchannel_logout_session_required=True``.
        """
        self._ask("PUT", "/clients", {"client_id": client_id, **metadata})

    def set_access_token_lifetime(self, seconds: int) -> None:
        """How long the access tokens that are issued from now on are good."""
        self._ask("PUT", "/accessTokenLifetime", seconds)

    def rotate_keys(self) -> None:
        """Sign with a new key from now on. The old one stays published."""
        self._ask("POST", "/keys/rotate")

    def replace_keys(self) -> None:
        """Sign with a new key from now on. The old one is gone."""
        self._ask("POST", "/keys/replace")

    # What it has seen.

    def calls(self, endpoint: str, grant_type: str | None = None) -> list[dict[str, Any]]:
        """The requests of programs to one endpoint, oldest first: ``grant_type``, ``client_id``,
        ``status`` and ``error`` of each.

        :param endpoint: ``"discovery"``, ``"jwks"``, ``"token"``, ``"userinfo"``,
            ``"revocation"`` or ``"introspection"``
        """
        return [
            call
            for call in self._ask("GET", "/calls")
            if call["endpoint"] == endpoint and grant_type in (None, call["grant_type"])
        ]

    def logouts(self) -> list[dict[str, Any]]:
        """The logout tokens that it has sent: ``url``, ``logout_token``, and the ``status`` that
        it got for each.
        """
        logouts: list[dict[str, Any]] = self._ask("GET", "/logouts")
        return logouts

    def metadata(self) -> dict[str, Any]:
        """Its discovery document."""
        response = self.control.get(
            f"{self.issuer}/.well-known/openid-configuration", timeout=DEADLINE
        )
        document: dict[str, Any] = response.json()
        return document

    def is_active(self, token: str, client_id: str = "app", client_secret: str = "") -> bool:
        """Whether the provider still takes a token (RFC 7662)."""
        response = self.control.post(
            self.metadata()["introspection_endpoint"],
            data={"token": token},
            auth=(client_id, client_secret),
            timeout=DEADLINE,
        )
        assert response.status_code == 200, response.text
        return bool(response.json()["active"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = self.control.request(
            method,
            self._control_url + path,
            data=None if body is None else json.dumps(body),
            timeout=DEADLINE,
        )
        assert response.status_code == 200, response.text
        return response.json()


@dataclass(frozen=True)
class Callback:
    """How the provider sends the browser back: the ``url``, and the form's fields of a POST."""

    url: str
    form: dict[str, str] | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """What the provider answers, in the query or in the form."""
        return dict(parse_qsl(urlsplit(self.url).query)) if self.form is None else self.form


class Refused(Exception):
    """The provider showed a page that leads nowhere; the text is what it says."""


class Person:
    """Somebody at a browser, who signs in as ``login`` when the provider asks.

    ``pages`` are the pages that were seen, in order: ``"login"``, ``"consent"``, ``"sign-out"``.
    """

    def __init__(self, login: str = "ada") -> None:
        self.login = login
        self.pages: list[str] = []
        self.browser = requests.Session()
        self.browser.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.browser.close()

    def sign_in(self, url: str, *, cancels_at: str | None = None) -> Callback:
        """Go from the authorization request to where the provider leads back.

        :param cancels_at: the page on which "Cancel" is clicked: ``"login"`` or ``"consent"``
        """
        visit = self._open(url)
        while isinstance(visit, _Page):
            if visit.name == cancels_at:
                visit = self._open(visit.link("[ Cancel ]"))
            elif visit.name == "login":
                visit = self._submit(visit, login=self.login, password="any")
            elif visit.name == "consent":
                visit = self._submit(visit)
            else:
                raise Refused(visit.text)
        return visit

    def sign_out(self, url: str, *, stays: bool = False) -> Callback:
        """Answer the provider's question whether to sign out of it, too.

        :param stays: answer no
        """
        visit = self._open(url)
        while isinstance(visit, _Page):
            if visit.name != "sign-out":
                raise Refused(visit.text)
            visit = self._submit(visit, **({} if stays else {"logout": "yes"}))
        return visit

    def _submit(self, page: _Page, **fields: str) -> _Page | Callback:
        return self._open(page.action, {**page.fields, **fields})

    def _open(self, url: str, form: dict[str, str] | None = None) -> _Page | Callback:
        """Open a URL, and go on to where it leads: a page, or away from the provider."""
        home = urlsplit(url).netloc
        while urlsplit(url).netloc == home:
            response = self.browser.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers={"Accept": "text/html"},
                allow_redirects=False,
                timeout=DEADLINE,
            )
            if response.is_redirect:
                url, form = urljoin(url, response.headers["Location"]), None
                continue
            page = _Page(url, response.text)
            if not page.submits_itself:
                self.pages.append(page.name)
                return page
            url, form = page.action, page.fields
        return Callback(url, form)


class _Page(HTMLParser):
    """A page with at most one form: what a person reads, and what a browser sends."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__()
        self.url = url
        self.text = self.action = ""
        self.fields: dict[str, str] = {}
        self.submits_itself = False
        self._links: dict[str, str] = {}
        self._href = self._inside = ""
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())

    @property
    def name(self) -> str:
        """``"login"``, ``"consent"`` or ``"sign-out"``; ``""`` for a page without a question."""
        return "sign-out" if "xsrf" in self.fields else self.fields.get("prompt", "")

    def link(self, text: str) -> str:
        return self._links[text]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = urljoin(self.url, attributes["action"])
        elif tag == "input" and attributes["type"] == "hidden":
            self.fields[attributes["name"]] = attributes["value"]
        elif tag == "a":
            self._href = urljoin(self.url, attributes["href"])

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "a":
            self._links[data] = self._href
        elif self._inside == "script":
            self.submits_itself = self.submits_itself or "submit()" in data
        elif self._inside not in ("style", "title"):
            self.text += f" {data}"
