"""The conformance app of Python's ASGI middleware: what tests/session_flow.json says, in uvicorn."""

import asyncio
import os
import socket

import uvicorn

from jwtkeeper import AsgiSessions, Client

client = Client(
    realm=os.environ["JWTKEEPER_TEST_REALM"],
    deadline=int(os.environ["JWTKEEPER_TEST_DEADLINE_MS"]) / 1000,
)


async def app(scope, receive, send):
    body = b"open" if scope["path"] == "/open" else scope["jwtkeeper.session"].claims_text
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


async def regenerate_claims(old, scope):
    await asyncio.sleep(0)
    return dict(scope["headers"]).get(b"x-regenerate")


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
protected = AsgiSessions(
    app, client, protects=lambda scope: scope["path"] != "/open", regenerate_claims=regenerate_claims
)
config = uvicorn.Config(protected, lifespan="off", log_level="warning")
# The kernel takes connections from here on.
listener.listen()
print(f"listening {listener.getsockname()[1]}", flush=True)
uvicorn.Server(config).run(sockets=[listener])
