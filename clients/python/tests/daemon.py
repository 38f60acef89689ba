"""The real daemon and the real embedded network, as processes of a test."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

#: Seconds for anything to happen; what takes longer has failed.
PATIENCE = 20

CONFIG = """
[hub]
listen = "127.0.0.1:0"
organization = "demo"

[[hub.devices]]
uuid = "front-door"
secret = "front-door-secret"

[[hub.devices]]
uuid = "lobby-screen"
secret = "lobby-screen-secret"

[[hub.users]]
username = "ada@example.org"
password = "ada-password"

[[hub.consumer_apps]]
uuid = "loyalty-app"
api_key = "loyalty-api-key"

[instances.default]
host = "http://127.0.0.1:0"
[instances.default.credentials]
type = "device"
uuid = "front-door"
secret = "front-door-secret"

[instances.lobby]
host = "http://127.0.0.1:0"
[instances.lobby.credentials]
type = "device"
uuid = "lobby-screen"
secret = "lobby-screen-secret"
"""


def binary():
    found = os.environ.get("EXPD_BIN")
    assert found, "EXPD_BIN names the daemon's binary"
    return found


def until(holds, what, patience=PATIENCE):
    """Waits until something holds, and returns it."""
    end = time.monotonic() + patience
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.01)


class Process:
    """One process of expd."""

    def __init__(self, folder, name, arguments, environment=None, ready="Ctrl-C ends it"):
        self.log = Path(folder) / f"{name}.log"
        self._command = [binary(), *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._ready = ready
        self._process = None

    def start(self):
        with open(self.log, "w") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._is_ready, f"{self._command}: {self.log.read_text()}")
        return self

    def _is_ready(self):
        assert self._process.poll() is None, self.log.read_text()
        return self._ready in self.log.read_text()

    def kill(self, how=signal.SIGKILL):
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None


class Daemon(Process):
    """A daemon with a network of its own, or with one that runs elsewhere."""

    def __init__(self, folder, environment=None, network=None):
        folder = Path(folder)
        self.socket = str(folder / "s")
        config = CONFIG
        arguments = ["serve", "--socket", self.socket, "--config", str(folder / "expd.toml")]
        ready = "serving on"
        if network:
            config = config.replace('host = "http://127.0.0.1:0"', f'host = "{network}"')
        else:
            arguments.append("--embedded")
            ready = "Ctrl-C ends it"
            content = folder / "content"
            (content / "Menus" / "lunch.png.variants").mkdir(parents=True)
            (content / "Menus" / "lunch.png").write_bytes(b"the lunch")
            (content / "Menus" / "lunch.png.variants" / "small").write_bytes(b"small")
            (content / "Player").mkdir()
            (content / "Player" / "index.html").write_text("<p>the player</p>")
            (content / "News.url").write_text("https://news.example/")
            config = config.replace("[hub]", f'[hub]\ncontent_dir = "{content}"')
        (folder / "expd.toml").write_text(config)
        (folder / "expd.toml").chmod(0o600)
        state = {"EXPD__DAEMON__STATE_DIR": str(folder / "state")}
        super().__init__(folder, "daemon", arguments, {**state, **(environment or {})}, ready)


class Network(Process):
    """An EXP-compatible network that outlives the daemon."""

    def __init__(self, folder):
        folder = Path(folder)
        hub = CONFIG[: CONFIG.index("[instances.default]")]
        (folder / "hub.toml").write_text(hub)
        (folder / "hub.toml").chmod(0o600)
        state = {"EXPD__DAEMON__STATE_DIR": str(folder / "hub-state")}
        arguments = ["hub", "--config", str(folder / "hub.toml")]
        super().__init__(folder, "hub", arguments, state, "http://127.0.0.1:")

    @property
    def url(self):
        return re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text()).group()


class Wire:
    """A socket in front of the daemon's, whose connections can be cut."""

    def __init__(self, path, daemon):
        self.path = path
        self._daemon = daemon
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        self._open = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._accepting.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self):
        """Breaks every connection; new ones are taken."""
        while self._open:
            # The other side may be gone already.
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.connect(self._daemon)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source, sink):
        # Either side may be cut meanwhile.
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
