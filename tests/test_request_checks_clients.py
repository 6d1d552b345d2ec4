"""Which answer a client understands, by its request headers."""

from __future__ import annotations

import pytest

from flask_jwtsession.request_checks.clients import Client, classify

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("fetch_mode", "accept", "hx_request", "client"),
    [
        pytest.param("navigate", BROWSER, None, Client.PAGE, id="a browser loads a page"),
        pytest.param("navigate", "*/*", None, Client.PAGE, id="navigate decides"),
        pytest.param(None, BROWSER, None, Client.PAGE, id="an older browser loads a page"),
        pytest.param(None, "TEXT/HTML", None, Client.PAGE, id="a media type has no case"),
        pytest.param("cors", BROWSER, None, Client.PROGRAM, id="fetch that names text/html"),
        pytest.param("same-origin", "*/*", None, Client.PROGRAM, id="fetch"),
        pytest.param("no-cors", "*/*", None, Client.PROGRAM, id="an image"),
        pytest.param("", BROWSER, None, Client.PROGRAM, id="an empty mode"),
        pytest.param(None, "*/*", None, Client.PROGRAM, id="a command-line client"),
        pytest.param(None, "application/json", None, Client.PROGRAM, id="JSON"),
        pytest.param(None, "", None, Client.PROGRAM, id="nothing accepted"),
        pytest.param("cors", "*/*", "true", Client.HTMX, id="HTMX"),
        pytest.param(None, BROWSER, "true", Client.HTMX, id="HTMX over Accept"),
        pytest.param("navigate", BROWSER, "1", Client.PAGE, id="HTMX says true and nothing else"),
    ],
)
def test_a_client_is_known_by_its_headers(
    fetch_mode: str | None, accept: str, hx_request: str | None, client: Client
) -> None:
    assert classify(fetch_mode=fetch_mode, accept=accept, hx_request=hx_request) is client
