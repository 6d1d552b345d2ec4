"""An OpenID provider for the tests that can be wrong on purpose, in one thing at a time."""

from .fault import Endpoint, Fault
from .faults import FAULTS
from .logout_tokens import LOGOUT_FAULTS, LogoutFault, logout_token
from .provider import THREAD_NAME, FaultyProvider, Hold, Received
from .refresh_faults import REFRESH_FAULTS

__all__ = [
    "FAULTS",
    "LOGOUT_FAULTS",
    "REFRESH_FAULTS",
    "THREAD_NAME",
    "Endpoint",
    "Fault",
    "FaultyProvider",
    "Hold",
    "LogoutFault",
    "Received",
    "logout_token",
]
