"""Sign-in with somebody else's accounts: OAuth 2.0 and OpenID Connect, through Authlib.

``sign_in`` and ``sign_out`` are the two dances, ``transactions`` what a browser carries between
their steps. ``provider`` is one provider on one app: what the ``presets`` and the application say
of it, its ``metadata``, and the ``network`` that it is talked to over. Authlib and requests are
imported with ``provider``, when the first one is added.
"""
