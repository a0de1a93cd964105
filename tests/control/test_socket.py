"""The control socket's conversation."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.socket import (
    ANSWER_S,
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    REQUEST_S,
    ControlConnection,
    ControlFactory,
    Refusal,
    peer_uid,
)


class ControlTests(SynchronousTestCase):
    """`ControlConnection`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.uid = os.geteuid()
        self.waiting: Deferred[dict[str, Any]] = Deferred()
        self.factory = ControlFactory(
            self.clock,
            {
                "echo": lambda request: request,
                "wait": lambda _: self.waiting,
                "no": self.refuse,
                "bug": lambda _: 1 // 0,
            },
            uid_of=lambda _: self.uid,
        )

    def refuse(self, _: dict[str, Any]) -> None:
        raise Refusal("not today; try tomorrow")

    def connect(self) -> tuple[ControlConnection, StringTransport]:
        protocol = self.factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.addCleanup(lambda: protocol in self.factory.open and protocol.connectionLost())
        return protocol, transport

    def ask(self, line: bytes) -> Any:
        """Send a line; the answer, which has to be one line and the end."""
        protocol, transport = self.connect()
        protocol.dataReceived(line)
        said = transport.value()
        self.assertTrue(said.endswith(b"\n") and said.count(b"\n") == 1, said)
        self.assertTrue(transport.disconnecting)
        return json.loads(said)

    def test_answer(self) -> None:
        """A request is answered in one line, then the connection ends; the command knows who asks."""
        answer = self.ask(b'{"command": "echo", "x": 1, "uid": 99}\n')
        self.assertEqual(answer, {"ok": True, "result": {"command": "echo", "x": 1, "uid": self.uid}})

    def test_refusal(self) -> None:
        """A refusal is its sentence."""
        self.assertEqual(self.ask(b'{"command": "no"}\n'), {"ok": False, "error": "not today; try tomorrow"})

    def test_bug(self) -> None:
        """A bug is an answer too, and a traceback in the log."""
        self.assertIn("fault of its own", self.ask(b'{"command": "bug"}\n')["error"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_garbage(self) -> None:
        """What is no request is refused in a sentence."""
        for line in (b"\n", b"GET / HTTP/1.1\r\n", b"[]\n", b"3\n", b"\xff\xfe\n", b'{"command": ["echo"]}\n', b"{}\n"):
            with self.subTest(line=line):
                self.assertFalse(self.ask(line)["ok"])
        self.assertIn("it knows bug, echo, no, wait", self.ask(b'{"command": "nope"}\n')["error"])

    def test_deeply_nested(self) -> None:
        """A request that is too deep for the parser is refused like any other."""
        self.assertFalse(self.ask(b"[" * 200_000 + b"\n")["ok"])

    def test_one_request_a_connection(self) -> None:
        """What comes after the first line is not looked at."""
        protocol, transport = self.connect()
        protocol.dataReceived(b'{"command": "wait"}\n{"command": "echo"}\n')
        self.assertEqual(transport.value(), b"")
        self.waiting.callback({"done": True})
        self.assertEqual(json.loads(transport.value()), {"ok": True, "result": {"done": True}})

    def test_too_large(self) -> None:
        """A line without an end is cut off at its bound."""
        protocol, transport = self.connect()
        protocol.dataReceived(b"x" * (MAX_REQUEST_BYTES + 1))
        self.assertTrue(transport.disconnected)

    def test_other_users(self) -> None:
        """Another user is turned away before a byte is read; root is not."""
        self.uid = os.geteuid() + 1
        _, transport = self.connect()
        self.assertTrue(transport.disconnected)
        self.uid = 0
        self.assertTrue(self.ask(b'{"command": "echo"}\n')["ok"])

    def test_too_many(self) -> None:
        """Connections are bounded, and one that ends makes room."""
        connections = [self.connect() for _ in range(MAX_CONNECTIONS)]
        self.assertTrue(self.connect()[1].disconnected)
        connections[0][0].connectionLost()
        self.assertFalse(self.connect()[1].disconnected)

    def test_slow_request(self) -> None:
        """Who asks nothing is cut off."""
        _, transport = self.connect()
        self.clock.advance(REQUEST_S)
        self.assertTrue(transport.disconnected)

    def test_slow_reader(self) -> None:
        """Who does not take the answer is cut off too; a command itself may take its time."""
        protocol, transport = self.connect()
        protocol.dataReceived(b'{"command": "wait"}\n')
        self.clock.advance(REQUEST_S * 10)
        self.assertFalse(transport.disconnected)
        self.waiting.callback({})
        self.clock.advance(ANSWER_S)
        self.assertTrue(transport.disconnected)

    def test_gone_before_the_answer(self) -> None:
        """An answer to somebody who has gone goes nowhere, and leaves no timer."""
        protocol, transport = self.connect()
        protocol.dataReceived(b'{"command": "wait"}\n')
        protocol.connectionLost()
        self.waiting.callback({})
        self.assertEqual((transport.value(), self.clock.getDelayedCalls()), (b"", []))

    def test_peer_uid(self) -> None:
        """The kernel says who is at the other end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertEqual(peer_uid(ours), os.geteuid())
