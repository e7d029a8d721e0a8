"""The session flow for ASGI: Starlette, FastAPI, Django, or any other. The daemon is asked on threads, so that the event
loop goes on."""

from __future__ import annotations

import asyncio
import inspect
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Awaitable, Callable, Dict, List, MutableMapping, Optional, Tuple, Union

from ._client import Claims, Client
from ._report import Reporter
from ._session import Flow, Outcome, Session, merged

KEY = "jwtkeeper.session"
OUTCOME = "jwtkeeper.outcome"
#: Requests that ask the daemon at once; threads are made as they are needed.
THREADS = 32
#: Seconds beyond the deadline in which a call that was begun at once ends by itself.
GRACE = 0.25

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Given the old session and the scope; gives new claims, or None to carry the old ones over. May be async.
Regenerate = Callable[[Session, Scope], Union[Optional[Claims], Awaitable[Optional[Claims]]]]


class AsgiSessions:
    """Lets requests and websockets through that have a valid token, and rotates tokens that are due.

    `protects` says which: given the scope; all, unless told otherwise. A request without a valid token is answered 401,
    one that cannot be judged now 503; a websocket is closed with code 1008, where the server cannot answer it either.
    `executor` asks the daemon: threads of its own, unless told otherwise, so that a daemon that stalls holds up nothing
    else. A request waits no longer than the client's deadline, for a thread and for the answer.
    scope["jwtkeeper.session"] is the session. `refuse` is an ASGI app that answers an HTTP request in the place of the
    status text: the Outcome is scope["jwtkeeper.outcome"], and what the response must carry is added to its headers.
    """

    def __init__(
        self,
        app: App,
        client: Client,
        *,
        protects: Callable[[Scope], bool] = lambda scope: True,
        regenerate_claims: Optional[Regenerate] = None,
        executor: Optional[Executor] = None,
        refuse: Optional[App] = None,
    ) -> None:
        self._app = app
        self._client = client
        self._protects = protects
        self._regenerate = regenerate_claims
        self._refuse = refuse
        self._reporter = Reporter()
        self._executor = executor
        self._owner = os.getpid()
        self._given = executor is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self._protects(scope):
            await self._app(scope, receive, send)
            return
        outcome = await self._judge(scope)
        self._reporter.note(outcome.status, outcome.message)
        ours, session = outcome.headers, outcome.session
        if session is None:
            await self._refuses(scope, receive, send, outcome)
            return

        async def sends(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                theirs = [(_text(name), _text(value)) for name, value in message.get("headers", [])]
                message = {**message, "headers": _bytes(merged(ours, theirs, session))}
            await send(message)

        await self._app({**scope, KEY: session}, receive, sends)

    async def _refuses(self, scope: Scope, receive: Receive, send: Send, outcome: Outcome) -> None:
        if self._refuse is None or scope["type"] != "http":
            await _refuse(scope, receive, send, outcome.status, outcome.headers)
            return

        async def sends(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_bytes(outcome.headers)]}
            await send(message)

        await self._refuse({**scope, OUTCOME: outcome}, receive, sends)

    async def _judge(self, scope: Scope) -> Outcome:
        headers = [(name.lower(), _text(value)) for name, value in scope["headers"]]
        authorization = next((value for name, value in headers if name == b"authorization"), None)
        # HTTP/2 may split the header (RFC 9113 section 8.2.3).
        cookies = "; ".join(value for name, value in headers if name == b"cookie")
        flow = Flow(self._client)
        late = "no thread was free to ask the daemon within the deadline"
        try:
            await self._ask(flow.authenticate, authorization, cookies)
        except asyncio.TimeoutError:
            return Outcome(503, None, None, late, [("Retry-After", "1")])
        old = flow.session()
        if flow.due and old:
            claims = self._regenerate(old, scope) if self._regenerate else None
            if inspect.isawaitable(claims):
                claims = await claims
            try:
                await self._ask(flow.rotate, claims)
            except asyncio.TimeoutError:
                return Outcome(200, old, None, late, [])
        outcome = flow.outcome()
        flow.end()
        return outcome

    async def _ask(self, call: Callable[..., None], *arguments: Any) -> None:
        """Asks on a thread. What is given up may still be under way there: its flow is nobody else's from then on."""
        if self._executor is None or (self._owner != os.getpid() and not self._given):
            # Threads do not come along into a forked worker.
            self._executor, self._owner = ThreadPoolExecutor(THREADS, "jwtkeeper"), os.getpid()
        asked = asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)
        await asyncio.wait_for(asked, self._client.deadline + GRACE)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, headers: List[Tuple[str, str]]) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    text = HTTPStatus(status).phrase.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *headers]
    await send({"type": f"{kind}.start", "status": status, "headers": _bytes(headers)})
    await send({"type": f"{kind}.body", "body": text})


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _bytes(headers: List[Tuple[str, str]]) -> List[Tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def session_of(scope: Dict[str, Any]) -> Session:
    """The session of a request that the middleware let through."""
    session: Session = scope[KEY]
    return session
