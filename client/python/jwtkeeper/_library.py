"""libjwtkeeper as ctypes sees it: the functions of jwtkeeper.h with their types, and replies."""

from __future__ import annotations

import os
from ctypes import CDLL, POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from ._errors import JwtKeeperError, error_of

NOW = -1
REALM_EXPIRY = -1

_HANDLE = c_void_p
_TEXT = (c_char_p, c_size_t)
_CALL = c_int32

#: Result and arguments of each function; a text is a pointer and a length.
_FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "version": (c_char_p, ()),
    "code_name": (c_char_p, (c_int32,)),
    "code_meaning": (c_char_p, (c_int32,)),
    "reason_name": (c_char_p, (c_int32,)),
    "cause_name": (c_char_p, (c_int32,)),
    "state_name": (c_char_p, (c_int32,)),
    "config_new": (_HANDLE, ()),
    "config_free": (None, (_HANDLE,)),
    "config_set_socket": (_CALL, (_HANDLE, *_TEXT)),
    "config_set_realm": (_CALL, (_HANDLE, *_TEXT)),
    "config_set_name": (_CALL, (_HANDLE, *_TEXT)),
    "config_set_deadline_ms": (_CALL, (_HANDLE, c_uint64)),
    "config_set_connect_timeout_ms": (_CALL, (_HANDLE, c_uint64)),
    "config_set_server_uid": (_CALL, (_HANDLE, c_uint32)),
    "config_set_max_idle": (_CALL, (_HANDLE, c_size_t)),
    "config_set_cookie": (_CALL, (_HANDLE, *_TEXT, *_TEXT, *_TEXT, c_int32)),
    "client_new": (_CALL, (_HANDLE, POINTER(_HANDLE))),
    "client_for_realm": (_CALL, (_HANDLE, *_TEXT, POINTER(_HANDLE))),
    "client_free": (None, (_HANDLE,)),
    "ping": (_CALL, (_HANDLE, _HANDLE)),
    "issue": (_CALL, (_HANDLE, *_TEXT, c_int64, _HANDLE)),
    "validate": (_CALL, (_HANDLE, *_TEXT, *_TEXT, _HANDLE)),
    "rotate": (_CALL, (_HANDLE, *_TEXT, *_TEXT, *_TEXT, _HANDLE)),
    "flag_jti": (_CALL, (_HANDLE, *_TEXT, _HANDLE)),
    "flag_subject": (_CALL, (_HANDLE, *_TEXT, c_int64, _HANDLE)),
    "revoke_token": (_CALL, (_HANDLE, *_TEXT, *_TEXT, _HANDLE)),
    "revoke_jti": (_CALL, (_HANDLE, *_TEXT, _HANDLE)),
    "revoke_session": (_CALL, (_HANDLE, *_TEXT, _HANDLE)),
    "revoke_subject": (_CALL, (_HANDLE, *_TEXT, c_int64, _HANDLE)),
    "revoke_issued_before": (_CALL, (_HANDLE, c_int64, _HANDLE)),
    "status": (_CALL, (_HANDLE, *_TEXT, _HANDLE)),
    "jwks": (_CALL, (_HANDLE, _HANDLE)),
    "health": (_CALL, (_HANDLE, _HANDLE)),
    "reload": (_CALL, (_HANDLE, _HANDLE)),
    "import": (_CALL, (_HANDLE, _HANDLE)),
    "session_authenticate": (_CALL, (_HANDLE, *_TEXT, *_TEXT, _HANDLE)),
    "session_rotate": (_CALL, (_HANDLE, *_TEXT, _HANDLE)),
    "cookie_find": (c_void_p, (_HANDLE, *_TEXT, POINTER(c_size_t))),
    "cookie_settings": (_CALL, (_HANDLE, _HANDLE)),
    "cookie_clear": (_CALL, (_HANDLE, _HANDLE)),
    "reply_new": (_HANDLE, ()),
    "reply_free": (None, (_HANDLE,)),
}
_NUMBERS: Tuple[str, ...] = (
    "valid reason cause cookie_secure cookie_http_only state ready status clears_cookie".split()  # type: ignore[assignment]
)
_BIG_NUMBERS = ("expires_at", "cookie_expires_at", "until", "generation", "entries", "pending")
_TEXTS = (
    "message token authorization jti claims set_cookie cookie_name cookie_value cookie_domain cookie_path "
    "cookie_same_site document challenge presented presented_cookie"
).split()


class Library:
    """The library, loaded, with a function for each of jwtkeeper.h's."""

    def __init__(self) -> None:
        path = os.environ.get("JWTKEEPER_LIBRARY") or "libjwtkeeper.so.0"
        try:
            # CDLL releases the interpreter's lock for the time of each call.
            library = CDLL(path)
        except OSError as error:
            raise ImportError(f"{error}; install libjwtkeeper, or name it in JWTKEEPER_LIBRARY") from error
        for name, (result, arguments) in _FUNCTIONS.items():
            self._take(library, name, result, arguments)
        for name in _NUMBERS:
            self._take(library, f"reply_{name}", c_int32, (_HANDLE,))
        for name in _BIG_NUMBERS:
            self._take(library, f"reply_{name}", c_uint64, (_HANDLE,))
        for name in _TEXTS:
            # None of these texts holds a NUL: up to it they are whole.
            self._take(library, f"reply_{name}", c_char_p, (_HANDLE, c_void_p))

    def _take(self, library: CDLL, name: str, result: Any, arguments: Tuple[Any, ...]) -> None:
        try:
            function = getattr(library, f"jwtkeeper_{name}")
        except AttributeError as error:
            version = self.version().decode() if hasattr(self, "version") else "of an unknown version"
            raise ImportError(
                f"libjwtkeeper {version} ({library._name}) is too old for this package: it lacks jwtkeeper_{name}; "
                "install the libjwtkeeper of the same release"
            ) from error
        function.restype, function.argtypes = result, arguments
        setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def error(self, code: int, message: str = "") -> JwtKeeperError:
        """The error of a result."""
        name = self.code_name(code).decode()
        return error_of(code, name, message or self.code_meaning(code).decode())


class Reply:
    """What one call came to. It serves one call after the other, and no two at once."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.handle = library.reply_new()
        if not self.handle:
            raise MemoryError

    def __del__(self) -> None:
        handle, self.handle = getattr(self, "handle", None), None
        if handle:
            self.library.reply_free(handle)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a reply cannot be copied or pickled")

    def text(self, name: str) -> Optional[str]:
        shown = self.bytes(name)
        return None if shown is None else shown.decode()

    def bytes(self, name: str) -> Optional[bytes]:
        shown: Optional[bytes] = getattr(self.library, f"reply_{name}")(self.handle, None)
        return shown

    def number(self, name: str) -> int:
        number: int = getattr(self.library, f"reply_{name}")(self.handle)
        return number

    def check(self, code: int) -> None:
        """Raises what a result says."""
        if code != 0:
            raise self.library.error(code, self.text("message") or "")


class Replies:
    """Replies that no call is using. Taking and giving back are atomic; what a fork leaves behind in use is lost."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._unused: List[Reply] = []

    def take(self) -> Reply:
        try:
            return self._unused.pop()
        except IndexError:
            return Reply(self._library)

    def give_back(self, reply: Reply) -> None:
        if len(self._unused) < 64:
            self._unused.append(reply)


__all__ = ["NOW", "REALM_EXPIRY", "Library", "Replies", "Reply", "byref", "c_size_t", "c_void_p"]
