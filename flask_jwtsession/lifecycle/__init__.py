"""One request's session: found in the cookies, perhaps changed, perhaps written back.

``binding`` is what lasts as long as the app, ``state`` what lasts as long as the request; ``load``,
``sign_in``, ``change`` and ``save`` are what happens to it.
"""
