"""An application with an access token for somebody else's API, which is renewed in three ways.

In one terminal the API, in another one the application::

    flask --app examples.rotating_tokens.service run --port 5001
    flask --app examples.rotating_tokens run

Read ``app.py``.
"""

from .app import create_app

__all__ = ["create_app"]
