"""What the tests of an application use: a client that is signed in, and a clock that they move.

::

    from flask_jwtsession.testing import JWTSessionClient, stopped_clock

    client = JWTSessionClient(app)
    client.sign_in({"id": 1, "name": "Ada"}, claims={"role": "admin"})
    assert client.get("/admin").status_code == 200

For pytest there are fixtures in :mod:`flask_jwtsession.testing.plugin`.
"""

from .client import JWTSessionClient
from .clock import Clock, stopped_clock
from .flaws import Flaw

__all__ = ["Clock", "Flaw", "JWTSessionClient", "stopped_clock"]
