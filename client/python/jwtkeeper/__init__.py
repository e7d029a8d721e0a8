"""The client of jwtkeeperd, which alone holds the keys that sign a host's JSON Web Tokens.

It calls libjwtkeeper through ctypes: JWTKEEPER_LIBRARY names the file, else the loader finds libjwtkeeper.so.0. A call
releases the interpreter's lock while it waits. docs/languages.md is the manual.
"""

from ._answers import Cookie, Health, Imported, Invalid, Minted, Status, Verdict
from ._client import Client, LockCookie
from ._errors import (
    BadRequest,
    JwtKeeperError,
    NotPermitted,
    ProtocolError,
    ReloadRefused,
    Timeout,
    Unavailable,
    Unreachable,
)
from ._session import Outcome, Session
from .asgi import AsgiSessions
from .wsgi import WsgiSessions, session_of

__all__ = [
    "AsgiSessions",
    "BadRequest",
    "Client",
    "Cookie",
    "Health",
    "Imported",
    "Invalid",
    "JwtKeeperError",
    "LockCookie",
    "Minted",
    "NotPermitted",
    "Outcome",
    "ProtocolError",
    "ReloadRefused",
    "Session",
    "Status",
    "Timeout",
    "Unavailable",
    "Unreachable",
    "Verdict",
    "WsgiSessions",
    "session_of",
]
