"""Harbour Office: pages for everybody, for who is signed in, and for some roles.

``flask --app examples.guarded_pages run`` serves it on http://localhost:5000.

Read ``app.py`` first: what the session is, and how long. Then ``pages.py``: who gets to see what.
``templates/berths.html`` has a part for one role alone; ``static/pages.js`` is what a browser does
where no page is loaded, and protects nothing.
"""

from .app import create_app

__all__ = ["create_app"]
