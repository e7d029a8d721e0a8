"""What the tests share: a real daemon in a directory of its own, and one that never answers."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

PATIENCE = 60


def until(what, condition):
    """Polls a condition, with a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.005)


class Daemon:
    """A daemon, as `jwtkeeperd --dev` starts one; its realm locks where `lock` says so."""

    def __init__(self, lock="off"):
        self.directory = tempfile.mkdtemp()
        self.socket = os.path.join(self.directory, "jwtkeeper.sock")
        with open(self.path("secret"), "w") as secret:
            os.fchmod(secret.fileno(), 0o600)
            secret.write("a secret of the tests, long enough for every hash: 0123456789abcdef")
        with open(self.path("jwtkeeper.toml"), "w") as config:
            config.write(
                f'socket = "{self.socket}"\nstate_dir = "{self.path("state")}"\n'
                f'[realms.default]\nalgorithm = "HS256"\nsecret_file = "secret"\ncookie_lock = "{lock}"\n'
                f'[realms.shop]\nalgorithm = "HS256"\nsecret_file = "secret"\n'
                '[realms.keys]\nalgorithm = "ES256"\nkey_file = "key.pem"\n'
            )
        with open(self.path("key.pem"), "w") as key:
            os.fchmod(key.fileno(), 0o600)
            command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            subprocess.run(command, check=True, stdout=key, stderr=subprocess.DEVNULL)
        os.mkdir(self.path("state"))
        self._run("--init")
        self.start()

    def path(self, name):
        return os.path.join(self.directory, name)

    def _command(self, *arguments):
        return [os.environ["JWTKEEPERD"], "--config", self.path("jwtkeeper.toml"), *arguments]

    def _run(self, *arguments):
        subprocess.run(self._command(*arguments), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self._command(), stdin=quiet, stdout=quiet, stderr=quiet)
        until("the daemon listens", self._listens)

    def _listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory)


class WithDaemon(unittest.TestCase):
    """Tests of a class share a daemon."""

    LOCK = "off"

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.LOCK)
        cls.addClassCleanup(cls.daemon.remove)


class Silent:
    """Takes connections, and never says a word."""

    def __init__(self):
        self.directory = tempfile.mkdtemp()
        self.path = os.path.join(self.directory, "silent.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def close(self):
        self.listener.close()
        shutil.rmtree(self.directory)
