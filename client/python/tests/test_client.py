"""The client against a real daemon: every operation, errors, threads, fork, and what is shown."""

import copy
import os
import pickle
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone

from support import Silent, WithDaemon

import jwtkeeper
from jwtkeeper import Client, Invalid


class Operations(WithDaemon):
    LOCK = "optional"

    def setUp(self):
        self.client = Client(socket=self.daemon.socket)

    def test_issue_validate_rotate_revoke(self):
        minted = self.client.issue({"sub": "42", "big": 123456789012345678901234567890}, ttl=timedelta(hours=1))
        verdict = self.client.validate(minted.token, minted.cookie.value)
        self.assertTrue(verdict)
        self.assertEqual(verdict.claims["big"], 123456789012345678901234567890)
        self.assertEqual(verdict.claims_text, minted.claims_text)
        self.assertIsNone(verdict.rotation)
        self.client.flag_jti(minted.jti)
        self.assertEqual(self.client.validate(minted.token, minted.cookie.value).rotation, "flagged")
        successor = self.client.rotate(minted.token, minted.cookie.value, claims={"role": "editor"})
        self.assertEqual(successor.claims["role"], "editor")
        self.assertEqual(self.client.status(minted.jti).state, "rotated")
        self.assertIsNone(self.client.revoke_token(successor.token, successor.cookie.value))
        verdict = self.client.validate(successor.token, successor.cookie.value)
        self.assertEqual((verdict.valid, verdict.reason, verdict.claims), (False, "revoked", {}))
        self.assertEqual(self.client.rotate(successor.token, successor.cookie.value), Invalid("revoked"))
        self.assertEqual(self.client.revoke_token("a.b.c"), Invalid("malformed"))

    def test_the_whole_cookie(self):
        cookie = self.client.issue().cookie
        self.assertEqual((cookie.name, cookie.path, cookie.domain), ("jwt_keeper", "/", None))
        self.assertEqual((cookie.secure, cookie.http_only, cookie.same_site), (True, True, "lax"))
        self.assertIn(cookie.value, cookie.set_cookie)
        self.assertEqual(self.client.find_cookie(f"a=b; {cookie.name}={cookie.value}"), cookie.value)
        self.assertIsNone(self.client.find_cookie("a=b"))
        [(name, cleared)] = self.client.clear_headers()
        self.assertEqual(name, "Set-Cookie")
        self.assertTrue(cleared.startswith("jwt_keeper=;") and "Max-Age=0" in cleared, cleared)

    def test_a_session_knows_its_own_cookie_from_the_first_request_on(self):
        minted = self.client.issue()
        header = f"a=b; {minted.cookie.name}={minted.cookie.value}"
        fresh = Client(socket=self.daemon.socket)
        outcome = fresh.authenticate({"Authorization": f"Bearer {minted.token}", "Cookie": header})
        self.assertEqual(outcome.session.cookie, minted.cookie.value)
        self.assertEqual(Client(socket=self.daemon.socket).find_cookie(header), minted.cookie.value)

    def test_by_id_and_by_time(self):
        minted = self.client.issue({"sub": "7"})
        self.client.flag_subject("7")
        self.assertEqual(self.client.validate(minted.token, minted.cookie.value).rotation, "flagged")
        self.client.revoke_subject("7", datetime.now(timezone.utc) - timedelta(days=1))
        self.assertTrue(self.client.validate(minted.token, minted.cookie.value))
        self.client.revoke_subject("7")
        self.assertFalse(self.client.validate(minted.token, minted.cookie.value))
        self.client.revoke_session("a-session")
        self.client.revoke_jti("a-jti")
        status = self.client.status("a-jti")
        self.assertEqual(status.state, "hard")
        self.assertGreater(status.until, time.time())
        self.assertIsNone(self.client.status("another").until)

    def test_realms_jwks_health_reload_import(self):
        shop = self.client.for_realm("shop")
        minted = shop.issue()
        self.assertIsNone(minted.cookie)
        self.assertTrue(shop.validate(minted.token))
        shop.revoke_issued_before()
        self.assertFalse(shop.validate(minted.token))
        [key] = self.client.for_realm("keys").jwks()["keys"]
        self.assertEqual(key["kty"], "EC")
        health = self.client.health()
        self.assertTrue(health.ready)
        self.assertEqual(health.document["faults"], [])
        self.assertEqual(self.client.reload(), health.generation)
        self.assertGreaterEqual(self.client.import_store().entries, 0)

    def test_nothing_secret_is_shown(self):
        minted = self.client.issue({"sub": "s3cret"})
        verdict = self.client.validate(minted.token, minted.cookie.value)
        shown = f"{minted!r} {minted} {minted.cookie!r} {verdict!r} {self.client!r}"
        for secret in (minted.token, minted.cookie.value, "s3cret"):
            self.assertNotIn(secret, shown)

    def test_what_is_odd_is_judged_as_what_it_is(self):
        for token in ("", "\0", "a" * 100_000, "\udcff", "\ud800", b"\xff\xfe", 42, None, 1.5, {}):
            self.assertEqual(self.client.validate(token).reason, "malformed", token)
            self.assertEqual(self.client.rotate(token, 7), Invalid("malformed"), token)
            self.assertEqual(self.client.revoke_token(token), Invalid("malformed"), token)

    def test_faults_of_the_caller(self):
        with self.assertRaises(jwtkeeper.BadRequest) as caught:
            self.client.issue({"jti": "x"})
        self.assertEqual((caught.exception.code, caught.exception.name), (202, "reserved_claim"))
        self.assertIn("jti", str(caught.exception))
        copy = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(copy), copy.code), (jwtkeeper.BadRequest, 202))
        for wrong in (
            lambda: self.client.issue(ttl=-1),
            lambda: self.client.revoke_subject("7", datetime(2026, 1, 1)),
            lambda: self.client.revoke_subject("7", -2),
            lambda: Client(deadline=0),
            lambda: self.client.issue({"a": float("nan")}),
        ):
            self.assertRaises(ValueError, wrong)
        with self.assertRaises(jwtkeeper.BadRequest):
            self.client.for_realm("nowhere").issue()


class Faults(unittest.TestCase):
    def test_nobody_there(self):
        client = Client(socket="/nowhere/jwtkeeper.sock", deadline=1)
        with self.assertRaises(jwtkeeper.Unreachable) as caught:
            client.validate("a.b.c")
        self.assertTrue(caught.exception.temporary)

    def test_other_threads_run_while_a_call_waits(self):
        silent = Silent()
        self.addCleanup(silent.close)
        client = Client(socket=silent.path, deadline=0.5, connect_timeout=0.5)
        counted = 0
        over = threading.Event()

        def wait():
            try:
                client.ping()
            except jwtkeeper.JwtKeeperError:
                pass
            over.set()

        thread = threading.Thread(target=wait)
        thread.start()
        # Were the lock held, this would not come to its second turn before the call is over.
        while not over.is_set():
            counted += 1
        thread.join()
        self.assertGreater(counted, 1000)


class Threads(WithDaemon):
    def work(self, client, name, calls):
        """Tokens of an own subject; counts answers that are not its own."""
        token = client.issue({"sub": name}).token
        return sum(client.validate(token).claims.get("sub") != name for _ in range(calls))

    def test_a_copy_is_the_same_client(self):
        client = Client(socket=self.daemon.socket)
        for copied in (copy.copy(client), copy.deepcopy({"client": client})["client"]):
            self.assertIs(copied, client)
        del copied
        client.ping()
        with self.assertRaisesRegex(TypeError, "cannot be pickled"):
            pickle.dumps(client)

    def test_many_threads_on_one_client(self):
        client = Client(socket=self.daemon.socket)
        wrong = []
        threads = [
            threading.Thread(target=lambda name=name: wrong.append(self.work(client, name, 500)))
            for name in map(str, range(8))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [0] * 8)

    def test_forked_children_keep_the_client(self):
        client = Client(socket=self.daemon.socket)
        self.assertEqual(self.work(client, "parent", 10), 0)
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = self.work(client, f"child {number}", 500)
                finally:
                    os._exit(min(code, 100))
            children.append(child)
        self.assertEqual(self.work(client, "parent", 500), 0)
        for child in children:
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


if __name__ == "__main__":
    unittest.main()
