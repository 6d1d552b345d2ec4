"""Sign-in with somebody else's accounts: OAuth 2.0 and OpenID Connect, through Authlib.

``sign_in`` and ``sign_out`` are the two dances, ``transactions`` what a browser carries between
their steps. ``provider`` is one provider on one app: what the ``presets`` and the application say
of it, its ``metadata``, and the ``network`` that it is talked to over. Authlib and requests, of the
extra ``oauth``, are imported with ``provider``, when the first one is added.
"""

from __future__ import annotations

from importlib.util import find_spec

_LIBRARIES = ("authlib", "requests", "urllib3")


def missing_library() -> str | None:
    """The first of the extra ``oauth`` that is not installed.

    Nothing is imported: one that is there and fails at its import says so itself.
    """
    return next((name for name in _LIBRARIES if find_spec(name) is None), None)
