"""The signals (blinker), and how they are sent.

The sender is always the Flask app. A receiver that raises is logged; the others still run, and
nothing is undone. Receivers may be ``async def``.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace
from flask import Flask

from .awaiting import as_sync

_signals = Namespace()
_log = logging.getLogger("flask_jwtsession")

#: Somebody signed in. Arguments: ``session``, ``user`` (the mapping given), ``account`` or None.
signed_in: NamedSignal = _signals.signal("signed-in")
#: A session ended. Arguments: ``session`` (as it was), ``reason``: ``"user"``, ``"expired"``,
#: ``"replaced"`` (by another sign-in), ``"callback"`` (the jwt callback returned None),
#: ``"revoked"``, or ``"refresh_failed"`` (under ``JWTSESSION_REFRESH_FAILURE``).
signed_out: NamedSignal = _signals.signal("signed-out")
#: A session's data was updated. Arguments: ``session``, ``data`` (what was asked for, after the cut
#: for browsers), ``from_client``.
session_updated: NamedSignal = _signals.signal("session-updated")
#: The provider's tokens were refreshed. Arguments: ``session``, ``account`` (with the new ones).
session_refreshed: NamedSignal = _signals.signal("session-refreshed")
#: They could not be. Arguments: ``session`` (its ``error`` says whether that may pass), ``error``,
#: the :exc:`ProviderError`.
refresh_failed: NamedSignal = _signals.signal("refresh-failed")
#: Sessions were revoked. Arguments: ``sid`` or None, ``sub`` or None.
session_revoked: NamedSignal = _signals.signal("session-revoked")
#: A refresh cookie of ours was used a second time, so that there is a copy of it: the session is
#: revoked. Arguments: ``sid``, ``sub``.
reuse_detected: NamedSignal = _signals.signal("reuse-detected")
#: A session cookie was not accepted. Argument: ``reason``, such as ``"decryption"``.
session_rejected: NamedSignal = _signals.signal("session-rejected")


def send(signal: NamedSignal, app: Flask, **arguments: Any) -> None:
    """Send to every receiver, and let no receiver's failure reach the sender."""
    if signal.is_muted or not signal.receivers:
        return
    for receiver in signal.receivers_for(app):
        try:
            as_sync(receiver)(app, **arguments)
        except Exception:
            # A security decision has been made before its signal is sent: it stands (see
            # the module's text), and the mistake is the receiver's.
            _log.exception("A receiver of the signal %s raised", signal.name)
