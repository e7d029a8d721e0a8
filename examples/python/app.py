r"""Login, profile and logout with Flask. Run `make run` in another terminal, and then in the project's root:

    JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock JWTKEEPER_LIBRARY=target/release/libjwtkeeper.so \
        PYTHONPATH=client/python python3 examples/python/app.py

It needs Flask (Debian: python3-flask, and then /usr/bin/python3).

    curl -i -H 'Content-Type: application/json' -d '{"user":"demo","password":"demo"}' localhost:8080/login
    TOKEN=...          # what stands behind "Authorization: Bearer" there
    curl -i -H "Authorization: Bearer $TOKEN" localhost:8080/profile
    target/release/jwtkeeperctl --socket target/dev/jwtkeeper.sock flag --subject demo     # the next profile brings a new token
    curl -i -H "Authorization: Bearer $TOKEN" -X POST localhost:8080/logout
"""

import os
from wsgiref.simple_server import make_server

from flask import Flask, Response, request
from jwtkeeper import Client, JwtKeeperError, WsgiSessions, session_of

client = Client(deadline=2)
app = Flask(__name__)
app.wsgi_app = WsgiSessions(app.wsgi_app, client, protects=lambda environ: environ["PATH_INFO"] != "/login")


@app.post("/login")
def login():
    given = request.get_json(force=True, silent=True)
    if given != {"user": "demo", "password": "demo"}:
        return "wrong user or password", 401
    return Response(status=204, headers=client.issue({"sub": given["user"]}).headers())


@app.get("/profile")
def profile():
    return {"user": session_of(request.environ).claims["sub"]}


@app.post("/logout")
def logout():
    return Response(status=204, headers=session_of(request.environ).revoke())


@app.errorhandler(JwtKeeperError)
def not_answered(error):
    app.logger.warning("%s", error)
    return Response("try again later", 503, {"Retry-After": "1"}) if error.temporary else ("wrongly set up", 500)


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", 8080)), app)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
