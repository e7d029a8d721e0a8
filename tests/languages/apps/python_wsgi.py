"""The conformance app of Python's WSGI middleware: what tests/session_flow.json says, in the standard library's server."""

import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from jwtkeeper import Client, WsgiSessions, session_of

client = Client(
    realm=os.environ["JWTKEEPER_TEST_REALM"],
    deadline=int(os.environ["JWTKEEPER_TEST_DEADLINE_MS"]) / 1000,
)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/open":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"open"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [session_of(environ).claims_text]


def regenerate_claims(old, environ):
    return environ.get("HTTP_X_REGENERATE")


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


protected = WsgiSessions(
    app, client, protects=lambda environ: environ["PATH_INFO"] != "/open", regenerate_claims=regenerate_claims
)
if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, protected, Server, Handler)
    print(f"listening {server.server_port}", flush=True)
    server.serve_forever()
