"""Wrong values are refused by name; an older library says so; misuse of handles is an error."""

import copy
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import unittest
from datetime import timedelta

from support import WithDaemon

import jwtkeeper
from jwtkeeper import Client


class Values(unittest.TestCase):
    def test_a_lock_cookie_is_checked_by_its_parts(self):
        wrong = {"name": (5, None), "domain": (5,), "path": (5,), "secure": (0.5, "0", 2**32, None)}
        for part, values in wrong.items():
            for value in values:
                with self.assertRaisesRegex(TypeError, f"cookie.{part}", msg=value):
                    Client(cookie=jwtkeeper.LockCookie(**{part: value}))
        Client(cookie=jwtkeeper.LockCookie(domain=None, path=None, secure=False))

    def test_numbers_out_of_range_name_the_option(self):
        nan = float("nan")
        options = {
            "deadline": (0, -1, nan, float("inf"), 1e300),
            "connect_timeout": (0, -0.5, nan),
            "server_uid": (-1, 2**32),
            "max_idle": (-1, 2**64 + 5),
        }
        for name, values in options.items():
            for value in values:
                with self.assertRaisesRegex(ValueError, name, msg=value):
                    Client(**{name: value})
            with self.assertRaisesRegex(TypeError, name):
                Client(**{name: "5"})
        client = Client(socket="/nowhere/jwtkeeper.sock")
        for ttl in (-1, 2**64 + 5, timedelta(seconds=-1), timedelta(milliseconds=1500)):
            with self.assertRaisesRegex(ValueError, "ttl", msg=ttl):
                client.issue(ttl=ttl)
        for ttl in (nan, 1.5, "5", True):
            with self.assertRaisesRegex(TypeError, "ttl", msg=ttl):
                client.issue(ttl=ttl)
        for before in (-1, 2**64 + 5):
            with self.assertRaisesRegex(ValueError, "before"):
                client.revoke_subject("7", before)

    def test_names_are_texts(self):
        client = Client(socket="/nowhere/jwtkeeper.sock")
        for call, name in ((client.revoke_jti, "jti"), (client.revoke_session, "session"), (client.for_realm, "realm")):
            with self.assertRaisesRegex(TypeError, name):
                call(42)
            with self.assertRaisesRegex(ValueError, name):
                call("\ud800")
        with self.assertRaisesRegex(jwtkeeper.BadRequest, "socket"):
            Client(socket="a" * 200)
        with self.assertRaisesRegex(TypeError, "unexpected keyword argument 'deadline_ms'"):
            Client(deadline_ms=5)

    def test_an_older_library_says_that_it_is_too_old(self):
        with tempfile.TemporaryDirectory() as directory:
            library = os.path.join(directory, "old.so")
            source = b'const char *jwtkeeper_version(void) { return "0.0.1"; }'
            subprocess.run(["cc", "-shared", "-o", library, "-x", "c", "-"], input=source, check=True)
            program = "import jwtkeeper\ntry: jwtkeeper.Client()\nexcept ImportError as error: print(error)"
            said = subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "JWTKEEPER_LIBRARY": library},
                check=True,
                stdout=subprocess.PIPE,
            ).stdout.decode()
        self.assertRegex(said, r"libjwtkeeper 0\.0\.1 .* is too old for this package: it lacks jwtkeeper_\w+; install")


class Handles(WithDaemon):
    def test_a_client_that_was_given_back_is_an_error(self):
        client = Client(socket=self.daemon.socket)
        client.ping()
        client.__del__()
        client.__del__()
        for call in (client.ping, lambda: client.validate("a.b.c"), client.issue, lambda: client.for_realm("shop")):
            with self.assertRaises(jwtkeeper.BadRequest):
                call()
        self.assertIsNone(client.find_cookie("jwt_keeper=1"))
        self.assertEqual(client.authenticate({}).status, 500)

    def test_a_client_whose_making_failed_is_given_back(self):
        for wrong in (lambda: Client(deadline=-1), lambda: Client(socket="")):
            self.assertRaises((ValueError, jwtkeeper.BadRequest), wrong)
        with self.assertRaises(AttributeError):
            object.__new__(Client).ping()

    def test_what_holds_a_handle_is_neither_copied_nor_pickled(self):
        client = Client(socket=self.daemon.socket)
        outcome = client.authenticate({"Authorization": f"Bearer {client.issue().token}"})
        reply = client._replies.take()
        for held in (client, outcome, outcome.session, reply):
            with self.assertRaises(TypeError):
                pickle.dumps(held)
        self.assertRaises(TypeError, copy.copy, reply)
        self.assertIs(copy.deepcopy(outcome).session.client, client)

    def test_children_forked_while_threads_ask(self):
        client = Client(socket=self.daemon.socket)
        token = client.issue({"sub": "1"}).token
        over = threading.Event()

        def ask():
            while not over.is_set():
                client.validate(token)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    os._exit(0 if client.validate(token).valid else 1)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        finally:
            over.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    unittest.main()
