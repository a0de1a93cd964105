"""A gateway as its own process, and what a test asks of it.

Knows: how a gateway is started on free loopback ports, when it is ready, where it listens, what it logged, how much
memory and how many files it holds. Refuses to know: requests (`asking`) and what is behind the gateway (`origins`).
Strategy: a child process with its own state directory; every wait is bounded, and the child never outlives its test.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.call import CallFault, call
from hmsgw.control.state import StateFolder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE_S = 20.0


def free_port() -> int:
    """A loopback port that nobody uses at the moment, below those that the system gives to outgoing connections: one of
    them could have it a moment later."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def eventually(what: str, found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true value of `found()`. Raises AssertionError when there is none in time."""
    end = time.monotonic() + patience_s
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience_s} s in vain until {what}")
        time.sleep(0.02)


def environment(reactor: str, more: Mapping[str, str] = {}) -> dict[str, str]:
    """For a child: this checkout's code, the transport that is tested, nothing else of the gateway's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HMSGW_") and name != "REG_URL"}
    return {**kept, "PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1", "HMSGW_REACTOR": reactor, **more}


class Gateway:
    """A child process that is a gateway.

    folder: an empty folder of the test's own; the configuration, the state and the output are kept in it.
    """

    def __init__(self, folder: str, reactor: str = "uvloop", environ: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.config = os.path.join(folder, "routes.yaml")
        self.state_dir = os.path.join(folder, "state")
        self.stdout = os.path.join(folder, "stdout")
        self.stderr = os.path.join(folder, "stderr")
        self.admin_port = free_port()
        self.environ = environment(reactor, environ)
        self.child: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def write(self, text: str, name: str = "routes.yaml") -> str:
        """Write a file beside the configuration. Returns its path."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start(
        self,
        config: str | None = None,
        *words: str,
        command: Sequence[str] = ("-m", "hmsgw", "start"),
        own_admin: bool = False,
    ) -> None:
        """Start with this configuration (None: without one) and wait until /ready says 200.

        own_admin: the configuration itself puts the admin port on `admin_port`."""
        said = ["--state-dir", self.state_dir, *words]
        if not own_admin:
            said += ["--admin-port", str(self.admin_port)]
        if config is not None:
            self.write(config)
            said += ["--config", self.config]
        with open(self.stdout, "ab") as out, open(self.stderr, "ab") as err:
            self.child = subprocess.Popen(
                [sys.executable, *command, *said], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                env=self.environ, cwd=self.folder,
            )  # fmt: skip
        self.pid = self.child.pid
        eventually("the gateway is ready", self._ready)

    def _ready(self) -> bool:
        if self.child is not None and self.child.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.child.returncode}: {self.errors()}{self.output()}")
        return self.admin("/ready")[0] == 200

    def stop(self, patience_s: float = PATIENCE_S) -> int:
        """SIGTERM, and the exit code. Kills what does not end."""
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(patience_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """Whatever state it is in."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    # --- asking it

    def admin(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """(status, text) of a page of the admin port; (0, why) when there is no answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def degraded(self) -> list[str]:
        """What /ready says is not as it should be."""
        return list(json.loads(self.admin("/ready")[1]).get("degraded", []))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            found = re.fullmatch(re.escape(name) + r"(?:\{(.*)\})? (\S+)", line)
            if found is None:
                continue
            there = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or ""))
            if all(there.get(label) == value for label, value in labels.items()):
                total += float(found[2])
        return total

    def status(self) -> dict[str, Any]:
        """As `hms-gateway status --json`; empty when nobody answers."""
        try:
            return dict(call(StateFolder(self.state_dir), "status", timeout_s=5))
        except CallFault:
            return {}

    def port(self, listener: str = "public") -> int:
        """Where a listener is."""
        return int({one["name"]: one["port"] for one in self.status()["listeners"]}[listener])

    def command(self, *words: str, state_dir: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `hms-gateway WORDS` to its end."""
        where = ["--state-dir", self.state_dir] if state_dir else []
        return subprocess.run(
            [sys.executable, "-m", "hmsgw", *words, *where], capture_output=True, text=True, env=self.environ,
            cwd=self.folder, timeout=60, check=False,
        )  # fmt: skip

    def reload(self, config: str | None = None) -> subprocess.CompletedProcess[str]:
        """`hms-gateway reload routes.yaml`, after writing the configuration anew if one is given."""
        if config is not None:
            self.write(config)
        return self.command("reload", "routes.yaml")

    def token(self, *words: str) -> str:
        """A token of the development key."""
        return self.command("token", *words).stdout.strip()

    # --- what it left behind

    def output(self) -> str:
        """All it wrote to standard output."""
        with open(self.stdout, encoding="utf-8") as file:
            return file.read()

    def errors(self) -> str:
        """All it wrote to standard error."""
        with open(self.stderr, encoding="utf-8") as file:
            return file.read()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's whole lines of one kind."""
        lines = [json.loads(line) for line in self.output().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == event]

    def memory(self) -> int:
        """Resident bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def files(self) -> int:
        """Open files."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class GatewayCase(SynchronousTestCase):
    """A test case with gateways of its own. A subclass names the transport (`on_both_transports`).

    expects_traceback: a test that provokes one says so.
    """

    reactor = ""
    expects_traceback = False

    def gateway(self, config: str | None = None, *words: str, environ: Mapping[str, str] = {}) -> Gateway:
        """A running one. Its log is read at the end: whatever was done to it must not have left a traceback."""
        made = self.gateway_to_start(environ)
        made.start(config, "--dev", *words)
        return made

    def gateway_to_start(self, environ: Mapping[str, str] = {}) -> Gateway:
        """One that does not run yet."""
        # Not mktemp: the path of a Unix socket has to be short.
        folder = tempfile.mkdtemp(prefix="hmsgw-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        made = Gateway(folder, self.reactor, environ)
        self.addCleanup(self._end, made)
        return made

    def _end(self, gateway: Gateway) -> None:
        gateway.kill()
        if os.path.exists(gateway.stdout) and not self.expects_traceback:
            self.assertNotIn("Traceback", gateway.output())
            self.assertNotIn("Traceback", gateway.errors())


def on_both_transports(case: type[GatewayCase]) -> tuple[type[GatewayCase], ...]:
    """Decorates a test case: the module gets a subclass for uvloop and one for Twisted's own reactor in its place."""
    module = sys.modules[case.__module__]
    made = []
    for reactor in ("uvloop", "stock"):
        name = f"{case.__name__}On{reactor.title()}"
        made.append(type(name, (case,), {"reactor": reactor, "__module__": case.__module__, "__qualname__": name}))
        setattr(module, name, made[-1])
    return tuple(made)
