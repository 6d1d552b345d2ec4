"""Notice Board: an access cookie, a refresh cookie, and hooks of others around them.

``flask --app examples.composed_hooks run`` serves it on http://localhost:5000.

Read ``session.py`` first: what svelte-kit-jwt-session calls handleSession, login, reauth,
createSession, removeSession and fallback. Then ``app.py`` and ``hooks.py``: what its sequence() of
hooks is here. ``board.py`` has the pages.
"""

from .app import create_app

__all__ = ["create_app"]
