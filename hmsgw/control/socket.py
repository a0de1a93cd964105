"""The control socket: where `hms-gateway reload`, `status` and `explain` reach the gateway that runs.

Knows: one JSON object on a line in, one out, then the connection ends; who may ask (this user and root). Refuses to
know: what the commands do. Strategy: a UNIX socket, mode 0600, in a folder of mode 0700; bounded in size, number and
time; the kernel says who is at the other end. Whoever holds the state directory's lock may replace a stale socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

MAX_REQUEST_BYTES = 1024 * 1024
MAX_CONNECTIONS = 32
REQUEST_S = 10.0
ANSWER_S = 30.0

_log = Logger()


class Refusal(Exception):
    """A command can't be done. str() is one sentence that says what to do next."""


Command = Callable[[dict[str, Any]], Any]
"""Request -> plain data, or a Deferred of it. Raises Refusal."""


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end of a UNIX socket (SO_PEERCRED, unix(7))."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


class ControlConnection(LineOnlyReceiver):
    """One request and its answer. deadline: at first for the request, then for the answer to be taken."""

    delimiter = b"\n"
    MAX_LENGTH = MAX_REQUEST_BYTES

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._asked = False
        self._uid = -1
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        factory = self._factory
        self._uid = uid = factory.uid_of(self.transport)
        if len(factory.open) >= MAX_CONNECTIONS or uid not in (0, os.geteuid()):
            if uid not in (0, os.geteuid()):
                _log.warn("user {uid} tried the control socket and was turned away", uid=uid)
            self._assured().abortConnection()
            return
        factory.open.add(self)
        self._let_pass(REQUEST_S)

    def lineReceived(self, line: bytes) -> None:
        if self._asked:
            return
        self._asked = True
        self._let_pass(None)
        maybeDeferred(self._factory.answer, line, self._uid).addCallbacks(self._say, self._broken)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._assured().abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._factory.open.discard(self)
        self._let_pass(None)

    def _say(self, answer: Mapping[str, Any]) -> None:
        if self in self._factory.open:
            self._assured().write(json.dumps(answer).encode() + b"\n")
            self._assured().loseConnection()
            self._let_pass(ANSWER_S)

    def _broken(self, failure: Failure) -> None:
        _log.failure("a command of the control socket failed in a way that it should not", failure=failure)
        self._say(_refused(f"the gateway has a fault of its own, see its log: {failure.getErrorMessage()}"))

    def _let_pass(self, seconds: float | None) -> None:
        """The connection has so long; None: as long as it takes."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self._factory.clock.callLater(seconds, self._assured().abortConnection)
        )

    def _assured(self) -> Any:
        return self.transport


class ControlFactory(Factory):
    """clock: IReactorTime. commands: name -> what does it. uid_of: transport -> the user at the other end."""

    noisy = False

    def __init__(
        self,
        clock: Any,
        commands: Mapping[str, Command],
        uid_of: Callable[[Any], int] = lambda transport: peer_uid(transport.getHandle()),
    ) -> None:
        self.clock = clock
        self.uid_of = uid_of
        self.open: set[ControlConnection] = set()
        self._commands = commands

    def buildProtocol(self, addr: IAddress | None) -> ControlConnection:
        return ControlConnection(self)

    def answer(self, line: bytes, uid: int) -> dict[str, Any] | Deferred[dict[str, Any]]:
        """The answer to one request line. uid: who asks; commands find it in the request."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return _refused("a request is one JSON object on one line")
        name = request.get("command")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            there = ", ".join(sorted(self._commands))
            return _refused(f"this gateway knows no command {name!r}; it knows {there}. Is it of another version?")
        done = maybeDeferred(command, {**request, "uid": uid})
        return done.addCallbacks(lambda result: {"ok": True, "result": result}, _refusal)


def _refused(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _refusal(failure: Failure) -> dict[str, Any]:
    failure.trap(Refusal)
    return _refused(str(failure.value))


def listen(reactor: Any, path: str, factory: ControlFactory) -> IListeningPort:
    """Open the socket. Only for who holds the state directory's lock: what is there is left over, and is replaced.

    Raises CannotListenError.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    port: IListeningPort = reactor.listenUNIX(path, factory, backlog=MAX_CONNECTIONS, mode=0o600)
    return port
