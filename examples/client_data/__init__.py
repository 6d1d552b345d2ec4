"""A profile that is kept in the session: ``flask --app examples.client_data run``.

All of it is in ``app.py``; ``static/profile.js`` is the browser's side.
"""

from .app import create_app

__all__ = ["create_app"]
