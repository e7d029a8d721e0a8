"""The session flow for WSGI: Flask, Django, or any other."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple

from ._client import Claims, Client
from ._session import Flow, Session, merged

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("jwtkeeper")
KEY = "jwtkeeper.session"

#: Given the old session and the environ; gives new claims, or None to carry the old ones over.
Regenerate = Callable[[Session, Dict[str, Any]], Optional[Claims]]


def session_of(environ: Dict[str, Any]) -> Session:
    """The session of a request that a middleware let through."""
    session: Session = environ[KEY]
    return session


class WsgiSessions:
    """Lets requests through that have a valid token, and rotates tokens that are due.

    `protects` says which: given the environ; all, unless told otherwise. A request without a valid token is answered
    401; one that cannot be judged now 503.
    """

    def __init__(
        self,
        app: WSGIApplication,
        client: Client,
        *,
        protects: Callable[[Dict[str, Any]], bool] = lambda environ: True,
        regenerate_claims: Optional[Regenerate] = None,
    ) -> None:
        self._app = app
        self._client = client
        self._protects = protects
        self._regenerate = regenerate_claims

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self._protects(environ):
            return self._app(environ, start_response)
        session, status, ours = self._judge(environ)
        if session is None:
            phrase = HTTPStatus(status).phrase
            length = ("Content-Length", str(len(phrase)))
            start_response(f"{status} {phrase}", [("Content-Type", "text/plain"), length, *ours])
            # What stands behind the headers of an answer to HEAD would be taken for the next answer.
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [phrase.encode()]
        environ[KEY] = session

        def start(status: str, theirs: List[Tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, merged(ours, theirs, session, self._client.cookie_name), *rest)

        return self._app(environ, start)

    def _judge(self, environ: Dict[str, Any]) -> Tuple[Optional[Session], int, List[Tuple[str, str]]]:
        flow = Flow(self._client)
        flow.authenticate(environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_COOKIE"))
        if flow.due:
            old = flow.session()
            claims = self._regenerate(old, environ) if self._regenerate and old else None
            flow.rotate(claims)
        if flow.message:
            logger.warning("%s", flow.message)
        judged = flow.session(), flow.status, flow.headers()
        flow.end()
        return judged
