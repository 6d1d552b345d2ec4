"""``/csrf``: the token for clients whose requests say nothing about their origin."""

from __future__ import annotations

from flask import Response

from ..lifecycle.binding import Binding
from ..lifecycle.csrf import token_for_page
from ..lifecycle.state import state_of
from .redirecting import json_response


def show(binding: Binding) -> Response:
    """The token; its cookie is set if the browser has none of ours."""
    state = state_of(binding)
    state.require_safe_transport()
    return json_response({"csrfToken": token_for_page(state)})
