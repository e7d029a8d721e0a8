"""What the cases of tests/session_flow.json do not show of the middleware."""

import asyncio
import logging
import threading
import unittest

from support import Silent, WithDaemon

from jwtkeeper import AsgiSessions, Client, WsgiSessions, session_of


class Wsgi(WithDaemon):
    LOCK = "required"

    def setUp(self):
        self.client = Client(socket=self.daemon.socket)

    def ask(self, app, minted, **options):
        """The status and headers of a request with a token."""
        said = []
        environ = {
            "PATH_INFO": "/",
            "HTTP_AUTHORIZATION": f"Bearer {minted.token}",
            "HTTP_COOKIE": f"jwt_keeper={minted.cookie.value}",
        }
        protected = WsgiSessions(app, self.client, **options)
        b"".join(protected(environ, lambda status, headers, *rest: said.append((status, headers))))
        [(status, headers)] = said
        return status, headers

    def test_the_app_s_own_cookies_stay(self):
        minted = self.client.issue({"sub": "1"})
        self.client.flag_jti(minted.jti)

        def app(environ, start_response):
            start_response("200 OK", [("Set-Cookie", "theme=dark"), ("Vary", "Cookie")])
            return []

        _, headers = self.ask(app, minted)
        self.assertEqual(headers[:2], [("Set-Cookie", "theme=dark"), ("Vary", "Cookie")])
        self.assertEqual([name for name, _ in headers[2:]], ["Authorization", "Cache-Control", "Set-Cookie"])

    def test_a_login_inside_wins(self):
        minted = self.client.issue({"sub": "1"})
        other = self.client.issue({"sub": "2"})
        self.client.flag_jti(minted.jti)

        def app(environ, start_response):
            start_response("204 No Content", other.headers())
            return []

        _, headers = self.ask(app, minted)
        self.assertEqual(headers, other.headers())

    def test_a_logout_inside_clears(self):
        minted = self.client.issue({"sub": "1"})
        self.client.flag_jti(minted.jti)
        seen = []

        def app(environ, start_response):
            session = session_of(environ)
            seen.append(session)
            start_response("204 No Content", session.revoke())
            return []

        _, [(name, cleared)] = self.ask(app, minted)
        self.assertEqual(name, "Set-Cookie")
        self.assertIn("Max-Age=0", cleared)
        [session] = seen
        self.assertFalse(self.client.validate(session.token, session.cookie))
        self.assertFalse(self.client.validate(minted.token, minted.cookie.value))
        self.assertNotIn(session.token, repr(session))

    def test_a_logout_by_the_client_clears_too(self):
        minted = self.client.issue({"sub": "1"})
        self.client.flag_jti(minted.jti)

        def app(environ, start_response):
            session = session_of(environ)
            self.client.revoke_token(session.token, session.cookie)
            start_response("204 No Content", self.client.clear_headers())
            return []

        _, headers = self.ask(app, minted)
        self.assertEqual([name for name, _ in headers], ["Set-Cookie"])

    def test_a_refusal_of_head_has_no_body(self):
        said = []
        protected = WsgiSessions(None, self.client)
        for method, body in (("HEAD", []), ("GET", [b"Unauthorized"])):
            answered = protected({"REQUEST_METHOD": method}, lambda *start: said.append(start))
            self.assertEqual(answered, body)
            self.assertIn(("Content-Length", "12"), said[-1][1])

    def test_regenerate_claims_sees_the_old_ones_and_may_ask_the_daemon(self):
        minted = self.client.issue({"sub": "1", "role": "reader"})
        self.client.flag_jti(minted.jti)

        def regenerate(old, environ):
            self.client.ping()
            return {"role": old.claims["role"] + "+"}

        def app(environ, start_response):
            self.assertEqual(session_of(environ).claims["role"], "reader+")
            start_response("200 OK", [])
            return []

        self.ask(app, minted, regenerate_claims=regenerate)

    def test_what_could_not_be_judged_is_logged_without_the_token(self):
        minted = self.client.issue({"sub": "1"})
        away = Client(socket="/nowhere/jwtkeeper.sock", deadline=1)
        with self.assertLogs("jwtkeeper", logging.WARNING) as logs:
            environ = {"HTTP_AUTHORIZATION": f"Bearer {minted.token}"}
            WsgiSessions(None, away)(environ, lambda status, headers: self.assertTrue(status.startswith("503")))
        self.assertIn("no jwtkeeperd answers at /nowhere/jwtkeeper.sock", logs.output[0])
        self.assertNotIn(minted.token, logs.output[0])


class Asgi(WithDaemon):
    def setUp(self):
        self.client = Client(socket=self.daemon.socket)

    def run_on(self, protected, scope, received=()):
        """What is sent for a scope."""
        sent, received = [], list(received)

        async def receive():
            return received.pop(0)

        async def send(message):
            sent.append(message)

        asyncio.run(protected(scope, receive, send))
        return sent

    def test_lifespan_passes(self):
        seen = []

        async def app(scope, receive, send):
            seen.append(scope["type"])

        self.run_on(AsgiSessions(app, self.client), {"type": "lifespan"})
        self.assertEqual(seen, ["lifespan"])

    def test_a_websocket_without_a_token(self):
        scope = {"type": "websocket", "path": "/", "headers": []}
        protected = AsgiSessions(None, self.client)
        self.assertEqual(
            self.run_on(protected, scope, [{"type": "websocket.connect"}]), [{"type": "websocket.close", "code": 1008}]
        )
        scope["extensions"] = {"websocket.http.response": {}}
        start, _ = self.run_on(protected, scope, [{"type": "websocket.connect"}])
        self.assertEqual((start["type"], start["status"]), ("websocket.http.response.start", 401))
        self.assertIn((b"www-authenticate", b"Bearer"), start["headers"])

    def test_a_websocket_s_token_is_rotated_when_it_is_accepted(self):
        minted = self.client.issue({"sub": "1"})
        self.client.flag_jti(minted.jti)

        async def app(scope, receive, send):
            self.assertEqual(scope["jwtkeeper.session"].claims["sub"], "1")
            await send({"type": "websocket.accept"})

        scope = {"type": "websocket", "path": "/", "headers": [(b"authorization", b"Bearer " + minted.token.encode())]}
        [accept] = self.run_on(AsgiSessions(app, self.client), scope)
        [(name, value), _] = accept["headers"]
        self.assertEqual(name, b"authorization")
        self.assertTrue(self.client.validate(value.split()[1]))

    def test_the_event_loop_turns_while_the_daemon_is_asked(self):
        silent = Silent()
        self.addCleanup(silent.close)
        stalled = Client(socket=silent.path, deadline=0.5, connect_timeout=0.5)
        scope = {"type": "http", "path": "/", "headers": [(b"authorization", b"Bearer a.b.c")]}
        turns = 0

        async def main():
            nonlocal turns
            sent = []

            async def send(message):
                sent.append(message)

            asked = asyncio.ensure_future(AsgiSessions(None, stalled)(scope, None, send))
            while not asked.done():
                turns += 1
                await asyncio.sleep(0)
            await asked
            self.assertEqual(sent[0]["status"], 503)

        asyncio.run(main())
        self.assertGreater(turns, 100)

    def test_more_requests_than_threads_wait_no_longer_than_the_deadline(self):
        silent = Silent()
        self.addCleanup(silent.close)
        stalled = Client(socket=silent.path, deadline=0.5, connect_timeout=0.5)
        scope = {"type": "http", "path": "/", "headers": [(b"authorization", b"Bearer a.b.c")]}
        outcomes = []

        async def refuse(scope, receive, send):
            outcomes.append(scope["jwtkeeper.outcome"])

        protected = AsgiSessions(None, stalled, refuse=refuse)

        async def main():
            await asyncio.gather(*(protected(scope, None, None) for _ in range(100)))

        with self.assertLogs("jwtkeeper", logging.WARNING) as logs:
            asyncio.run(main())
        self.assertEqual([outcome.status for outcome in outcomes], [503] * 100)
        without = [outcome for outcome in outcomes if "no thread was free" in outcome.message]
        self.assertGreaterEqual(len(without), 100 - 2 * 32, "all waited for a thread, however long")
        self.assertEqual(len(logs.output), 1, "an outage is one line")


if __name__ == "__main__":
    unittest.main()
