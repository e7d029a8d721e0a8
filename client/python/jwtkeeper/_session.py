"""The session flow without a server: what a request's headers come to, in two steps, for WSGI and ASGI alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional

from ._answers import Headers, parse_claims
from ._client import Claims, Client, LockCookie, _claims, _text, minted_of
from ._errors import JwtKeeperError


class Session:
    """A request that is authenticated. Its repr shows neither claims nor token."""

    __slots__ = ("claims_text", "token", "cookie", "client", "ended", "_claims")

    def __init__(self, client: Client, claims_text: bytes, token: str, cookie: Optional[str]) -> None:
        self.client = client
        #: The claims of the token, after a rotation of its successor, byte for byte.
        self.claims_text = claims_text
        #: The token that the browser has from this response on.
        self.token = token
        #: The value of its lock cookie, if it has one.
        self.cookie = cookie
        #: Whether it was revoked by this object.
        self.ended = False
        self._claims: Optional[Dict[str, Any]] = None

    @property
    def claims(self) -> Dict[str, Any]:
        """The claims, parsed once; integers keep all their digits."""
        if self._claims is None:
            self._claims = parse_claims(self.claims_text)
        return self._claims

    def revoke(self) -> Headers:
        """Logs out: revokes the token with its session. The headers take the cookie from the browser."""
        self.client.revoke_token(self.token, self.cookie)
        self.ended = True
        return self.client.clear_headers()

    def __repr__(self) -> str:
        return "<jwtkeeper.Session>"


@dataclass(frozen=True)
class Outcome:
    """What a request's headers come to. Its repr shows no token."""

    #: 200: go on. 401: not authenticated. 503: not judged now. 500: not judged until the set-up or the claims are right.
    status: int
    #: That of status 200.
    session: Optional[Session]
    #: Why a token is not valid, such as "expired"; None without a token.
    reason: Optional[str]
    #: Why it could not be judged, or a rotation that is due is put off.
    message: str
    #: The headers of the response: the successor of a rotation, or those of a refusal.
    headers: Headers = field(repr=False)

    @property
    def claims(self) -> Dict[str, Any]:
        """The session's claims; none of a request that is refused."""
        return {} if self.session is None else self.session.claims


def authenticate(
    client: Client,
    headers: Mapping[str, str],
    regenerate_claims: Optional[Callable[[Session], Optional[Claims]]] = None,
) -> Outcome:
    """Judges a request by its headers, and rotates a token that is due."""
    given = {name.lower(): value for name, value in headers.items()}
    flow = Flow(client)
    flow.authenticate(given.get("authorization"), given.get("cookie"))
    old = flow.session()
    if flow.due and old:
        flow.rotate(regenerate_claims(old) if regenerate_claims else None)
    outcome = flow.outcome()
    flow.end()
    return outcome


class Flow:
    """One request: `authenticate`, then `rotate` if it is `due`. Blocks while the daemon is asked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reply = client._replies.take()
        self.due = False
        self.status = 500
        #: Why it could not be judged, or a rotation was put off.
        self.message = ""

    def authenticate(self, authorization: Optional[str], cookie_header: Optional[str]) -> None:
        texts = (*_text(_wire(authorization)), *_text(_wire(cookie_header or None)))
        code = self._library.session_authenticate(self._client._handle, *texts, self._reply.handle)
        self._judge(code)
        self.due = code == 0 and bool(self._reply.number("cause"))

    def rotate(self, claims: Optional[Claims]) -> None:
        code = self._library.session_rotate(self._client._handle, *_claims(claims), self._reply.handle)
        self._judge(code)

    def session(self) -> Optional[Session]:
        """Who it is, of a request that may go on."""
        if self.status != 200:
            return None
        token = self._reply.text("token")
        claims = self._reply.bytes("claims") or b"{}"
        if token is None:
            return Session(self._client, claims, self._reply.text("presented") or "", self._reply.text("presented_cookie"))
        return Session(self._client, claims, token, self._reply.text("cookie_value"))

    def outcome(self) -> Outcome:
        """What the request came to."""
        reason = self._reply.number("reason") if self.status == 401 else 0
        name = self._library.reason_name(reason).decode() if reason else None
        return Outcome(self.status, self.session(), name, self.message, self.headers())

    def headers(self) -> Headers:
        """What the response must carry, whether the request goes on or not."""
        if self.status == 200:
            return minted_of(self._reply).headers() if self._reply.text("token") else []
        if self.status == 401:
            challenge = [("WWW-Authenticate", self._reply.text("challenge") or "Bearer")]
            cleared = self._reply.text("set_cookie")
            return challenge + ([("Set-Cookie", cleared)] if cleared else [])
        return [("Retry-After", "1")] if self.status == 503 else []

    def end(self) -> None:
        """Gives back what it holds of the library."""
        self._client._replies.give_back(self._reply)

    @property
    def _library(self) -> Any:
        return self._client._library

    def _judge(self, code: int) -> None:
        self.status = self._reply.number("status")
        self.message = self._reply.text("message") or ""
        if code != 0 and self.status not in (500, 503):
            raise self._library.error(code, self.message)


def _wire(text: Optional[str]) -> Optional[bytes]:
    """Headers come as Latin-1: their bytes are what the browser sent."""
    return None if text is None else text.encode("latin-1", "replace")


def merged(ours: Headers, theirs: Headers, session: Session) -> Headers:
    """Headers of a response. The app has the last word: where it wrote Authorization or the lock cookie itself, at a login
    or a logout, or revoked the session, nothing of ours is added. What carries our token is not to be stored."""
    if not ours or session.ended:
        return theirs
    lock_cookie = _cookie_name(ours, session)

    def is_written(name: str, value: str) -> bool:
        if name.lower() == "set-cookie":
            return value.partition("=")[0].strip() == lock_cookie
        return name.lower() == "authorization"

    if any(is_written(name, value) for name, value in theirs):
        return theirs
    return [*(header for header in theirs if header[0].lower() != "cache-control"), *ours]


def _cookie_name(ours: Headers, session: Session) -> str:
    for name, value in ours:
        if name == "Set-Cookie":
            return value.partition("=")[0]
    try:
        return session.client.cookie_name
    except JwtKeeperError:
        return LockCookie.name


__all__ = ["Flow", "Outcome", "Session", "authenticate", "merged"]
