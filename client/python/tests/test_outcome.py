"""The primitive under all middleware, refusals of the app's own, and what is logged."""

import asyncio
import logging
import unittest

from support import Silent, WithDaemon, until

from jwtkeeper import AsgiSessions, Client, WsgiSessions
from jwtkeeper._report import Reporter


class Outcomes(WithDaemon):
    LOCK = "required"

    def setUp(self):
        self.client = Client(socket=self.daemon.socket)

    def due(self):
        minted = self.client.issue({"sub": "1", "role": "reader"})
        self.client.flag_jti(minted.jti)
        return minted

    def headers(self, minted):
        return {"Authorization": f"Bearer {minted.token}", "Cookie": f"a=b; jwt_keeper={minted.cookie.value}"}

    def environ(self, minted):
        headers = self.headers(minted)
        return {"HTTP_AUTHORIZATION": headers["Authorization"], "HTTP_COOKIE": headers["Cookie"]}

    def test_authenticate_rotates(self):
        minted = self.due()
        outcome = self.client.authenticate(self.headers(minted), lambda old: {"role": old.claims["role"] + "+"})
        self.assertEqual((outcome.status, outcome.claims["role"]), (200, "reader+"))
        self.assertIs(outcome.claims, outcome.session.claims)
        names = [name for name, _ in outcome.headers]
        self.assertEqual(names, ["Authorization", "Cache-Control", "Set-Cookie"])
        self.assertIn(("Cache-Control", "no-store"), outcome.headers)
        self.assertNotIn(outcome.session.token, f"{outcome!r}")
        self.assertTrue(self.client.validate(outcome.session.token, outcome.session.cookie))

    def test_authenticate_refuses(self):
        outcome = self.client.authenticate({"authorization": "Bearer a.b.c"})
        self.assertEqual((outcome.status, outcome.reason, outcome.session), (401, "malformed", None))
        outcome = self.client.authenticate({})
        self.assertEqual((outcome.status, outcome.reason, outcome.headers), (401, None, [("WWW-Authenticate", "Bearer")]))

    def test_the_cookie_of_a_session_that_is_not_rotated(self):
        minted = self.client.issue()
        fresh = Client(socket=self.daemon.socket)
        self.assertEqual(fresh.authenticate(self.headers(minted)).session.cookie, minted.cookie.value)
        self.assertEqual(fresh.cookie_name, "jwt_keeper")

    def test_a_wsgi_app_refuses_in_its_own_words(self):
        def refuse(environ, start_response):
            outcome = environ["jwtkeeper.outcome"]
            start_response("401 Unauthorized", [("Content-Type", "application/json")])
            return [b'{"reason": "%s"}' % outcome.reason.encode()]

        said = []
        protected = WsgiSessions(None, self.client, refuse=refuse)
        body = protected({"HTTP_AUTHORIZATION": "Bearer a.b.c"}, lambda *start: said.append(start))
        self.assertEqual(body, [b'{"reason": "malformed"}'])
        [(status, headers)] = said
        self.assertEqual([name for name, _ in headers], ["Content-Type", "WWW-Authenticate"])

    def test_an_asgi_app_refuses_in_its_own_words(self):
        async def refuse(scope, receive, send):
            await send({"type": "http.response.start", "status": scope["jwtkeeper.outcome"].status, "headers": []})
            await send({"type": "http.response.body", "body": scope["jwtkeeper.outcome"].reason.encode()})

        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": "/", "headers": [(b"authorization", b"Bearer a.b.c")]}
        asyncio.run(AsgiSessions(None, self.client, refuse=refuse)(scope, None, send))
        [start, body] = sent
        self.assertEqual((start["status"], body["body"]), (401, b"malformed"))
        self.assertEqual([name for name, _ in start["headers"]], [b"www-authenticate"])

    def test_a_response_with_a_token_is_not_stored_whatever_the_app_says(self):
        def app(environ, start_response):
            start_response("200 OK", [("Cache-Control", "public, max-age=60")])
            return []

        for minted, expected in ((self.due(), ["no-store"]), (self.client.issue(), ["public, max-age=60"])):
            said = []
            WsgiSessions(app, self.client)(self.environ(minted), lambda *start: said.append(start))
            [(_, headers)] = said
            self.assertEqual([value for name, value in headers if name == "Cache-Control"], expected)

    def test_faults_that_alternate_are_logged_once_each(self):
        reporter = Reporter()
        with self.assertLogs("jwtkeeper", logging.WARNING) as logs:
            for _ in range(10):
                reporter.note(500, "one")
                reporter.note(500, "another")
        self.assertEqual(len(logs.output), 2)

    def test_an_outage_is_logged_once_at_each_end(self):
        silent = Silent()
        self.addCleanup(silent.close)
        minted = self.client.issue()
        stalled = Client(socket=silent.path, deadline=0.1, connect_timeout=0.1)

        def app(environ, start_response):
            start_response("200 OK", [])
            return []

        protected = WsgiSessions(app, stalled)
        said = []

        def ask():
            protected(self.environ(minted), lambda status, *rest: said.append(status))
            return said[-1]

        with self.assertLogs("jwtkeeper", logging.WARNING) as logs:
            self.assertEqual([ask(), ask(), ask()], ["503 Service Unavailable"] * 3)
            self.assertEqual(len(logs.output), 1)
            protected._client = self.client
            until("its end is logged", lambda: ask() == "200 OK" and len(logs.output) > 1)
        self.assertIn("answers again: 3 requests got 503", logs.output[1])
        self.assertNotIn(minted.token, "".join(logs.output))


if __name__ == "__main__":
    unittest.main()
