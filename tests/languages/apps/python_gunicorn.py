"""The WSGI app in gunicorn with preload_app: the client has been used before the workers are forked."""

from gunicorn.app.base import BaseApplication

from python_wsgi import client, protected

WORKERS = 3


class Preforking(BaseApplication):
    def load_config(self):
        settings = {
            "bind": "127.0.0.1:0",
            "workers": WORKERS,
            "threads": 4,
            "preload_app": True,
            "loglevel": "warning",
            "when_ready": lambda server: print(f"listening {server.LISTENERS[0].sock.getsockname()[1]}", flush=True),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self):
        return protected


client.ping()
Preforking().run()
