"""The client: every operation of the daemon, for any number of threads, and across fork."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from ctypes import string_at
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Mapping, NoReturn, Optional, Tuple, Union

from . import _options
from ._answers import Cookie, Headers, Health, Imported, Invalid, Minted, Status, Verdict
from ._library import NOW, REALM_EXPIRY, Library, Replies, Reply, byref, c_size_t, c_void_p

if TYPE_CHECKING:
    from ._session import Outcome, Session

#: Claims to give: a mapping, or a JSON object as text, which keeps its order and the digits of its numbers.
Claims = Union[Mapping[str, Any], str, bytes]
#: A moment: a datetime that knows its zone, milliseconds since 1970-01-01T00:00:00Z, or None for the time of the call.
Moment = Union[datetime, int, None]

_library: Optional[Library] = None
_loading = threading.Lock()


def library() -> Library:
    """libjwtkeeper, loaded when it is first needed."""
    global _library
    if _library is None:
        with _loading:
            if _library is None:
                _library = Library()
    return _library


@dataclass(frozen=True)
class LockCookie:
    """The lock cookie of all realms, in the place of what the daemon says that it is; seldom needed."""

    name: str = "jwt_keeper"
    domain: Optional[str] = None
    path: Optional[str] = "/"
    secure: bool = True


class Client:
    """A client of one daemon in one realm. Share one between all threads, and keep it across fork.

    What is left out is as libjwtkeeper has it: the socket of JWTKEEPER_SOCKET or /run/jwtkeeper/jwtkeeper.sock, the
    realm `default`, 5 seconds for a call in all with connecting and trying again.
    """

    def __init__(
        self,
        *,
        socket: Optional[str] = None,
        realm: Optional[str] = None,
        deadline: Optional[float] = None,
        connect_timeout: Optional[float] = None,
        server_uid: Optional[int] = None,
        max_idle: Optional[int] = None,
        name: Optional[str] = None,
        cookie: Optional[LockCookie] = None,
    ) -> None:
        self._library = library()
        #: What the middleware goes by.
        self.deadline = 5.0 if deadline is None else deadline
        self._replies = Replies(self._library)
        self._handle = c_void_p()
        config = self._library.config_new()
        try:
            for option, text in (("socket", socket), ("realm", realm), ("name", name)):
                if text is not None:
                    self._set(config, option, option, *_options.text(option, text))
            for option, setting, seconds in (
                ("deadline", "deadline_ms", deadline),
                ("connect_timeout", "connect_timeout_ms", connect_timeout),
            ):
                if seconds is not None:
                    self._set(config, option, setting, _options.milliseconds(option, seconds))
            for option, number, most in (("server_uid", server_uid, 2**32 - 1), ("max_idle", max_idle, 65_536)):
                if number is not None:
                    self._set(config, option, option, _options.whole(option, number, most))
            if cookie is not None:
                if not isinstance(cookie.secure, bool):
                    raise TypeError(f"cookie.secure must be a bool, not {type(cookie.secure).__name__}")
                texts = [*_options.text("cookie.name", cookie.name)]
                for part, value in (("domain", cookie.domain), ("path", cookie.path)):
                    texts += (None, 0) if value is None else _options.text(f"cookie.{part}", value)
                self._set(config, "cookie", "cookie", *texts, int(cookie.secure))
            code = self._library.client_new(config, byref(self._handle))
        finally:
            self._library.config_free(config)
        if code != 0:
            raise self._library.error(code)

    def _set(self, config: int, option: str, setting: str, *arguments: Any) -> None:
        code = getattr(self._library, f"config_set_{setting}")(config, *arguments)
        if code != 0:
            raise self._library.error(code, f"{option}: {self._library.code_meaning(code).decode()}")

    def for_realm(self, realm: str) -> Client:
        """A client of another realm of the same daemon, over the same connections."""
        handle = c_void_p()
        code = self._library.client_for_realm(self._handle, *_options.text("realm", realm), byref(handle))
        if code != 0:
            raise self._library.error(code)
        other: Client = object.__new__(Client)
        other._library, other._replies, other._handle = self._library, self._replies, handle
        other.deadline = self.deadline
        return other

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            # Who still calls it afterwards has no handle, and gets an error.
            self._handle = c_void_p()
            self._library.client_free(handle)

    @property
    def cookie_name(self) -> str:
        """The name of the realm's lock cookie. The daemon is asked where no connection was made yet."""
        with self._reply() as reply:
            reply.check(self._library.cookie_settings(self._handle, reply.handle))
            return reply.text("cookie_name") or LockCookie.name

    @contextmanager
    def _reply(self) -> Iterator[Reply]:
        reply = self._replies.take()
        yield reply
        # After an exception it is not given back: a call may have been broken off.
        self._replies.give_back(reply)

    def ping(self) -> None:
        """Is the daemon there?"""
        with self._reply() as reply:
            reply.check(self._library.ping(self._handle, reply.handle))

    def authenticate(
        self,
        headers: Mapping[str, str],
        regenerate_claims: Optional[Callable[[Session], Optional[Claims]]] = None,
    ) -> Outcome:
        """Judges a request by its headers, and rotates a token that is due: middleware of any framework can stand on it.
        `regenerate_claims` is given the old session, and gives new claims or None."""
        from ._session import authenticate

        return authenticate(self, headers, regenerate_claims)

    def issue(self, claims: Optional[Claims] = None, *, ttl: Union[int, timedelta, None] = None) -> Minted:
        """Mints a token with these claims merged in, that lives for `ttl` (seconds), or as the realm says."""
        seconds = REALM_EXPIRY if ttl is None else _options.lifetime(ttl)
        with self._reply() as reply:
            reply.check(self._library.issue(self._handle, *_claims(claims), seconds, reply.handle))
            return minted_of(reply)

    def validate(self, token: Union[str, bytes], cookie: Optional[str] = None) -> Verdict:
        """Is a token valid now? `cookie` is the value of the lock cookie that came along, if one did."""
        with self._reply() as reply:
            code = self._library.validate(self._handle, *_options.presented(token), *_options.optional(cookie), reply.handle)
            reply.check(code)
            if not reply.number("valid"):
                return Verdict(False, self._reason(reply), None, None)
            cause = reply.number("cause")
            rotation = self._library.cause_name(cause).decode() if cause else None
            return Verdict(True, None, rotation, reply.bytes("claims"))

    def rotate(
        self, token: Union[str, bytes], cookie: Optional[str] = None, *, claims: Optional[Claims] = None
    ) -> Union[Minted, Invalid]:
        """Replaces a valid token by its one successor; `claims` take the place of its private ones."""
        with self._reply() as reply:
            texts = (*_options.presented(token), *_options.optional(cookie), *_claims(claims))
            reply.check(self._library.rotate(self._handle, *texts, reply.handle))
            return minted_of(reply) if reply.number("valid") else Invalid(self._reason(reply))

    def flag_jti(self, jti: str) -> None:
        """Makes rotation due on next sight, durably."""
        with self._reply() as reply:
            reply.check(self._library.flag_jti(self._handle, *_options.text("jti", jti), reply.handle))

    def flag_subject(self, subject: str, before: Moment = None) -> None:
        """The same for every token of a subject born by a time."""
        with self._reply() as reply:
            reply.check(self._library.flag_subject(self._handle, *_options.text("subject", subject), _moment(before), reply.handle))

    def revoke_token(self, token: Union[str, bytes], cookie: Optional[str] = None) -> Optional[Invalid]:
        """Revokes a token and its session, durably: a logout. Invalid: it is none of the realm's."""
        with self._reply() as reply:
            reply.check(self._library.revoke_token(self._handle, *_options.presented(token), *_options.optional(cookie), reply.handle))
            return Invalid(self._reason(reply)) if reply.number("reason") else None

    def revoke_jti(self, jti: str) -> None:
        """Revokes a token by its jti, the session that it began, and its successor."""
        with self._reply() as reply:
            reply.check(self._library.revoke_jti(self._handle, *_options.text("jti", jti), reply.handle))

    def revoke_session(self, session: str) -> None:
        """Revokes all tokens of a session."""
        with self._reply() as reply:
            reply.check(self._library.revoke_session(self._handle, *_options.text("session", session), reply.handle))

    def revoke_subject(self, subject: str, before: Moment = None) -> None:
        """Revokes every login of a subject begun by a time."""
        with self._reply() as reply:
            reply.check(self._library.revoke_subject(self._handle, *_options.text("subject", subject), _moment(before), reply.handle))

    def revoke_issued_before(self, before: Moment = None) -> None:
        """Revokes every login of the realm begun by a time."""
        with self._reply() as reply:
            reply.check(self._library.revoke_issued_before(self._handle, _moment(before), reply.handle))

    def status(self, jti: str) -> Status:
        """What the denylist says of a jti."""
        with self._reply() as reply:
            reply.check(self._library.status(self._handle, *_options.text("jti", jti), reply.handle))
            state = self._library.state_name(reply.number("state")).decode()
            return Status(state, reply.number("until") or None)

    def jwks(self) -> Dict[str, Any]:
        """The realm's public keys: a JWK Set."""
        with self._reply() as reply:
            reply.check(self._library.jwks(self._handle, reply.handle))
            return _document(reply)

    def health(self) -> Health:
        """How the daemon is."""
        with self._reply() as reply:
            reply.check(self._library.health(self._handle, reply.handle))
            return Health(bool(reply.number("ready")), reply.number("generation"), _document(reply))

    def reload(self) -> int:
        """Has the daemon read all files again; answers the generation then in effect."""
        with self._reply() as reply:
            reply.check(self._library.reload(self._handle, reply.handle))
            return reply.number("generation")

    def import_store(self) -> Imported:
        """Has the daemon bring its own store and the shared one level."""
        with self._reply() as reply:
            reply.check(getattr(self._library, "import")(self._handle, reply.handle))
            return Imported(reply.number("entries"), reply.number("pending"))

    def find_cookie(self, header: Optional[str]) -> Optional[str]:
        """The value of the lock cookie in a Cookie header. The daemon is asked what it is called where that is not known
        yet: None too if it does not answer."""
        if not header:
            return None
        text = header.encode("latin-1", "replace")
        length = c_size_t()
        # What is found is a part of `text`, which lives until this returns.
        found = self._library.cookie_find(self._handle, text, len(text), byref(length))
        if found is None:
            return None
        return string_at(found, length.value).decode("latin-1")

    def clear_headers(self) -> Headers:
        """What takes the lock cookie from the browser: for the response of a logout."""
        with self._reply() as reply:
            reply.check(self._library.cookie_clear(self._handle, reply.handle))
            return [("Set-Cookie", reply.text("set_cookie") or "")]

    def _reason(self, reply: Reply) -> str:
        name: bytes = self._library.reason_name(reply.number("reason"))
        return name.decode()

    def __copy__(self) -> "Client":
        return self

    def __deepcopy__(self, memo: object) -> "Client":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Client cannot be pickled: make one in each process")

    def __repr__(self) -> str:
        return "<jwtkeeper.Client>"


def _text(text: Union[str, bytes, None]) -> Tuple[Optional[bytes], int]:
    """A string for C: what is no UTF-8 on the way in is none on the way out, and is judged as what it is."""
    if text is None:
        return None, 0
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogateescape")
    if not isinstance(text, bytes):
        raise TypeError(f"claims and texts are str or bytes, not {type(text).__name__}")
    return text, len(text)


def _claims(claims: Optional[Claims]) -> Tuple[Optional[bytes], int]:
    if claims is None or isinstance(claims, (str, bytes)):
        return _text(claims)
    return _text(json.dumps(dict(claims), ensure_ascii=False, allow_nan=False))


def _moment(moment: Moment) -> int:
    if moment is None:
        return NOW
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("a datetime without a zone names no moment")
        moment = int(moment.timestamp() * 1000)
    return _options.whole("before", moment, _options.LARGEST)


def _document(reply: Reply) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads(reply.bytes("document") or b"{}")
    return document


def minted_of(reply: Reply) -> Minted:
    """The token that a reply shows."""
    cookie = None
    name = reply.text("cookie_name")
    if name is not None:
        cookie = Cookie(
            name=name,
            value=reply.text("cookie_value") or "",
            expires_at=reply.number("cookie_expires_at"),
            domain=reply.text("cookie_domain"),
            path=reply.text("cookie_path"),
            secure=bool(reply.number("cookie_secure")),
            http_only=bool(reply.number("cookie_http_only")),
            same_site=reply.text("cookie_same_site"),
            set_cookie=reply.text("set_cookie") or "",
        )
    return Minted(
        token=reply.text("token") or "",
        jti=reply.text("jti") or "",
        expires_at=reply.number("expires_at"),
        claims_text=reply.bytes("claims") or b"{}",
        cookie=cookie,
    )
