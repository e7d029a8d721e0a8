"""Why a call has no answer. None of these says anything of the token that was asked about."""

from __future__ import annotations

from typing import Any, Dict, Tuple, Type


class JwtKeeperError(Exception):
    """The base of all. `code` and `name` are those of jwtkeeper.h; `temporary`: another try may well be answered."""

    temporary = False

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (self.code, self.name, str(self)))


class Unreachable(JwtKeeperError):
    """No daemon answers at the socket."""

    temporary = True


class Timeout(JwtKeeperError):
    """The deadline passed; whether the daemon did what was asked is not known."""

    temporary = True


class Unavailable(JwtKeeperError):
    """The daemon is there and cannot answer now: its store, a limit, or it is stopping."""

    temporary = True


class NotPermitted(JwtKeeperError):
    """This process may not do this."""


class BadRequest(JwtKeeperError):
    """The request is wrong, and would be wrong again."""


class ReloadRefused(JwtKeeperError):
    """The daemon's files are not right; the message has a line for each fault."""


class ProtocolError(JwtKeeperError):
    """The other end is not the daemon that it should be."""


_BY_CODE: Dict[int, Type[JwtKeeperError]] = {
    300: Unreachable,
    301: Timeout,
    302: ProtocolError,
    303: BadRequest,
    304: NotPermitted,
    310: BadRequest,
    400: NotPermitted,
    500: Unavailable,
    501: Unavailable,
    502: Unavailable,
    504: Unavailable,
    505: ReloadRefused,
}


def error_of(code: int, name: str, message: str) -> JwtKeeperError:
    """The error of a code of jwtkeeper.h."""
    families = {1: ProtocolError, 2: BadRequest}
    kind = _BY_CODE.get(code) or families.get(code // 100, JwtKeeperError)
    return kind(code, name, message)
