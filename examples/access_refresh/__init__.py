"""Paper Lane, a small shop: an access cookie for a minute, a refresh cookie for a week.

``python -m examples.access_refresh`` serves it on http://localhost:5000, and
``python -m examples.access_refresh.orders`` the service beside it, which knows people by the shop's
access tokens.

Read ``auth.py`` first: what the two cookies hold, and who gets the next ones, is all there. Then
``orders.py``. The rest is a Flask application like any other.
"""
