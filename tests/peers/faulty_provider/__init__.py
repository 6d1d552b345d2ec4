"""An OpenID provider for the tests that can be wrong on purpose, in one thing at a time."""

from .fault import Endpoint, Fault
from .faults import FAULTS
from .logout_tokens import LOGOUT_FAULTS, LogoutFault, logout_token
from .provider import THREAD_NAME, FaultyProvider, Received

__all__ = [
    "FAULTS",
    "LOGOUT_FAULTS",
    "THREAD_NAME",
    "Endpoint",
    "Fault",
    "FaultyProvider",
    "LogoutFault",
    "Received",
    "logout_token",
]
