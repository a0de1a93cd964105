"""A gateway put together without a socket: for the tests of the composition root."""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.edge.door import Door
from hmsgw.gateway import Gateway
from hmsgw.generation import Candidate, read_candidate
from hmsgw.transport.listen import BindError


class Pool:
    """Threads that run a call at once."""

    def callInThreadWithCallback(self, done: Any, call: Any, *args: Any, **how: Any) -> None:
        try:
            result = call(*args, **how)
        except Exception as error:
            done(False, Failure(error))
        else:
            done(True, result)


class Reactor(Clock):
    """A clock with threads."""

    def getThreadPool(self) -> Pool:
        return Pool()

    def callFromThread(self, call: Any, *args: Any, **how: Any) -> None:
        call(*args, **how)


class Writer:
    """Log lines, kept. target: what it was last told to open."""

    dropped = 0
    fault = None

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.target = ""

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def reopen(self, target: str | None = None) -> None:
        self.target = target or self.target


class Lingering:
    """A connection that is busy: it stays until it is cut off."""

    drained = False
    stopped = False
    aborted = False

    def __init__(self, door: Door) -> None:
        self._door = door
        door.entered(self)

    def drain(self) -> None:
        """It has something to finish."""
        self.drained = True

    def stop(self) -> None:
        self.stopped = True

    def abort(self) -> None:
        self.aborted = True
        self._door.left(self)


class Socket:
    """As much of a socket as listeners touch."""

    def __init__(self, address: str, port: int) -> None:
        self._name = (address, port)
        self.closed = False

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def close(self) -> None:
        self.closed = True


class Served:
    """An accepting socket."""

    handshaking = 0

    def __init__(self) -> None:
        self.stopped = False

    def take_waiting(self) -> None:
        """Nobody waits."""

    def stop_accepting(self) -> None:
        self.stopped = True

    def set_tls(self, tls: Any) -> None:
        """Nothing here speaks TLS."""

    def set_sources(self, sources: Any) -> None:
        """Nobody connects."""


LISTEN = "listeners: [{tls: off, address: 127.0.0.1, port: 1000}]\nregistry: {kind: none}\ndefaults: {plugins: []}\n"


class GatewayCase(SynchronousTestCase):
    """gateway: serves `/a` from service `users`; `read` makes other candidates for it."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.opened: list[Socket] = []
        self.served: list[Served] = []
        self.busy = False
        self.patch_listening()
        self.writer = Writer()
        first = self.read(
            "routes: [{path: /a, service: users}]\nservices: {users: {endpoints: [http://192.0.2.1:80]}}\n"
        )
        self.gateway = Gateway(
            self.reactor, first, dev=True, dev_secret="x" * 64, state_dir=self.folder, environ={}, writer=self.writer
        )  # type: ignore[arg-type]
        self.gateway.apply(first)

    def patch_listening(self) -> None:
        def open_socket(address: str, port: int) -> Socket:
            if self.busy:
                raise BindError("in use", ("::1", 80))
            self.opened.append(Socket(address, port))
            return self.opened[-1]

        def serve(*_: Any, **__: Any) -> Served:
            self.served.append(Served())
            return self.served[-1]

        for name, double in (("open_socket", open_socket), ("serve", serve)):
            patched = mock.patch(f"hmsgw.gateway.{name}", double)
            patched.start()
            self.addCleanup(patched.stop)

    def read(self, text: str, listen: str = LISTEN) -> Candidate:
        path = os.path.join(self.folder, "routes.yaml")
        with open(path, "w") as file:
            file.write(listen + text)
        return read_candidate(
            path, port=0, dev=True, environ={}, state_dir=self.folder, self_signed=lambda: (b"", b""), previous=None
        )
