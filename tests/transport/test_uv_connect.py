"""Which address of a name is taken, and how uvloop is asked, over a loop that only takes notes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport import uv_connect
from hmsgw.transport.uv_connect import connect_uv

SIX = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))
SIX_TOO = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::2", 80, 0, 0))
FOUR = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


class Socket:
    made: list[Socket] = []

    def __init__(self, *_: int) -> None:
        self.closed = False
        self.made.append(self)

    def setblocking(self, _: bool) -> None:
        """As always."""

    def close(self) -> None:
        self.closed = True


class Loop:
    """answers: address -> an exception, None for an answer at once, or nothing for none ever."""

    def __init__(self, found: list[Any], answers: dict[str, Any], makes: bool = True) -> None:
        self.found = found
        self.answers = answers
        self.asked: list[str] = []
        self.how: dict[str, Any] = {}
        self._makes = makes

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.get_running_loop().create_task(coroutine)

    async def getaddrinfo(self, host: str, port: int, type: int) -> list[Any]:
        return self.found

    async def sock_connect(self, sock: Any, address: tuple[Any, ...]) -> None:
        self.asked.append(address[0])
        if address[0] not in self.answers:
            await asyncio.Event().wait()
        if self.answers[address[0]] is not None:
            raise self.answers[address[0]]
        sock.address = address

    async def create_connection(self, new_adapter: Any, **how: Any) -> None:
        self.how = how
        if self._makes:
            new_adapter().connection_made(Transport())


class Transport:
    def write(self, data: bytes) -> None:
        """Never called here."""

    def get_extra_info(self, name: str) -> Any:
        return None


class ConnectTests(SynchronousTestCase):
    def setUp(self) -> None:
        # Only there: asyncio itself has need of sockets.
        self.patch(uv_connect, "socket", SimpleNamespace(socket=Socket, SOCK_STREAM=socket.SOCK_STREAM))
        self.patch(Socket, "made", [])
        self.patch(uv_connect, "_STAGGER_S", 0.001)

    def connect(self, loop: Loop, host: str = "clinics.internal", context: Any = None) -> Any:
        return asyncio.run(connect_uv(loop, Protocol, host, 80, context, "named.internal"))

    def test_address(self) -> None:
        """An address is connected to without a look-up, and without a socket of ours."""
        for host in ("192.0.2.1", "2001:db8::1"):
            loop = Loop([], {})
            protocol = self.connect(loop, host)
            self.assertTrue(protocol.connected)
            self.assertEqual(loop.how, {"host": host, "port": 80})
        context = object()
        loop = Loop([], {})
        self.connect(loop, "192.0.2.1", context)
        self.assertEqual((loop.how["ssl"], loop.how["server_hostname"]), (context, "named.internal"))

    def test_first_answers(self) -> None:
        """Where the first address answers, no other is asked."""
        loop = Loop([SIX, SIX_TOO, FOUR], {"2001:db8::1": None})
        self.connect(loop)
        self.assertEqual((loop.asked, loop.how["sock"].address[0]), (["2001:db8::1"], "2001:db8::1"))

    def test_first_is_silent(self) -> None:
        """A family that leads nowhere costs a moment, not the attempt; what was begun is given up."""
        loop = Loop([SIX, SIX_TOO, FOUR], {"192.0.2.1": None})
        self.connect(loop)
        self.assertEqual(loop.asked, ["2001:db8::1", "192.0.2.1"])
        self.assertEqual([sock.closed for sock in Socket.made], [True, False])

    def test_first_refuses(self) -> None:
        """An address that refuses is followed by the next at once."""
        loop = Loop([SIX, FOUR], {"2001:db8::1": ConnectionRefusedError(), "192.0.2.1": None})
        self.connect(loop)
        self.assertEqual(loop.how["sock"].address[0], "192.0.2.1")

    def test_none_answers(self) -> None:
        """A refusal says more than a network that is not there."""
        loop = Loop([SIX, FOUR], {"2001:db8::1": OSError("no route"), "192.0.2.1": ConnectionRefusedError()})
        self.assertRaises(ConnectionRefusedError, self.connect, loop)
        self.assertTrue(all(sock.closed for sock in Socket.made))
        self.assertRaises(OSError, self.connect, Loop([], {}))

    def test_never_made(self) -> None:
        """uvloop may end a handshake that the other side closed as if all were well: it is not."""
        self.assertRaises(ConnectionResetError, self.connect, Loop([SIX], {"2001:db8::1": None}, makes=False))
