"""Choosing one of several companies: ``flask --app examples.company_switch run``.

``app.py`` has the session, ``database.py`` who is a member where, ``static/companies.js`` the
browser's side.
"""

from .app import create_app

__all__ = ["create_app"]
