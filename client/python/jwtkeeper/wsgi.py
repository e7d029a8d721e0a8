"""The session flow for WSGI: Flask, Django, or any other."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple

from ._client import Claims, Client
from ._report import Reporter
from ._session import Flow, Outcome, Session, merged

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY = "jwtkeeper.session"
OUTCOME = "jwtkeeper.outcome"

#: Given the old session and the environ; gives new claims, or None to carry the old ones over.
Regenerate = Callable[[Session, Dict[str, Any]], Optional[Claims]]


def session_of(environ: Dict[str, Any]) -> Session:
    """The session of a request that a middleware let through."""
    session: Session = environ[KEY]
    return session


class WsgiSessions:
    """Lets requests through that have a valid token, and rotates tokens that are due.

    `protects` says which: given the environ; all, unless told otherwise. A request without a valid token is answered
    401; one that cannot be judged now 503. `refuse` is a WSGI app that answers in the place of the status text: the
    Outcome is environ["jwtkeeper.outcome"], and what the response must carry is added to its headers.
    """

    def __init__(
        self,
        app: WSGIApplication,
        client: Client,
        *,
        protects: Callable[[Dict[str, Any]], bool] = lambda environ: True,
        regenerate_claims: Optional[Regenerate] = None,
        refuse: Optional[WSGIApplication] = None,
    ) -> None:
        self._app = app
        self._client = client
        self._protects = protects
        self._regenerate = regenerate_claims
        self._refuse = refuse or _plain
        self._reporter = Reporter()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self._protects(environ):
            return self._app(environ, start_response)
        outcome = self._judge(environ)
        self._reporter.note(outcome.status, outcome.message)
        ours, session = outcome.headers, outcome.session
        if session is None:
            environ[OUTCOME] = outcome

            def refuses(status: str, theirs: List[Tuple[str, str]], *rest: Any) -> Any:
                return start_response(status, [*theirs, *ours], *rest)

            return self._refuse(environ, refuses)
        environ[KEY] = session

        def start(status: str, theirs: List[Tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, merged(ours, theirs, session), *rest)

        return self._app(environ, start)

    def _judge(self, environ: Dict[str, Any]) -> Outcome:
        flow = Flow(self._client)
        flow.authenticate(environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_COOKIE"))
        old = flow.session()
        if flow.due and old:
            flow.rotate(self._regenerate(old, environ) if self._regenerate else None)
        outcome = flow.outcome()
        flow.end()
        return outcome


def _plain(environ: Dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    status = environ[OUTCOME].status
    phrase = HTTPStatus(status).phrase
    start_response(f"{status} {phrase}", [("Content-Type", "text/plain"), ("Content-Length", str(len(phrase)))])
    # What stands behind the headers of an answer to HEAD would be taken for the next answer.
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [phrase.encode()]
