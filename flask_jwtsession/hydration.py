"""The public session in a page, and the tag that starts the client with it."""

from __future__ import annotations

from flask import current_app, url_for
from markupsafe import Markup

from .lifecycle.binding import Binding
from .lifecycle.load import load_with_user
from .lifecycle.state import RequestSession
from .session import UNKNOWN
from .targets import on_this_host

# What could end the element, begin another or a comment, or end a line of a script. JSON means the
# same without them.
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&'\u2028\u2029"})
_DATA = Markup('<script type="application/json" data-jwtsession="{url}"{nonce}>{json}</script>\n')
_CLIENT = Markup('<script type="module" src="{url}"{nonce}></script>')


def script_tags(state: RequestSession, *, nonce: str | None) -> Markup:
    """Two elements: the session as JSON, which is no script, and the client, which reads it."""
    binding = state.binding
    state.is_for_one = True
    url = on_this_host(url_for(f"{binding.blueprint}.client"))
    attribute = Markup("") if nonce is None else Markup(' nonce="{}"').format(nonce)
    session = load_with_user(state)
    tags = _CLIENT.format(url=url, nonce=attribute)
    if session.error == UNKNOWN.error or state.has_failed:
        # The store is away, or this is the page that says that a callback raised. Whether somebody
        # is signed in is not known: the client will ask.
        return tags
    return _DATA.format(url=url, nonce=attribute, json=_json(binding, dict(session))) + tags


def _json(binding: Binding, session: dict[str, object]) -> Markup:
    # By the provider that GET /session uses. With the time: the browser's clock may be wrong.
    text = current_app.json.dumps(
        {"now": round(binding.clock() * 1000), "session": session or None}, allow_nan=False
    )
    return Markup(text.translate(_ESCAPES))  # noqa: S704 - it has no markup in it now
