"""The admin port's socket, over reloads."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.admin_port import AdminPort
from hmsgw.config.model import Admin


class FakeSocket:
    """A bound socket."""

    def __init__(self, place: tuple[str, int]) -> None:
        self.place = place
        self.closed = False
        self.listens = True

    def shutdown(self, how: int) -> None:
        self.listens = False

    def listen(self, backlog: int) -> None:
        self.listens = True

    def getsockname(self) -> tuple[str, int]:
        return (self.place[0], self.place[1] or 40000)

    def close(self) -> None:
        self.closed = True


class AdminPortTests(SynchronousTestCase):
    """`AdminPort`."""

    def setUp(self) -> None:
        self.sockets: list[FakeSocket] = []
        self.log: list[str] = []
        self.port = AdminPort(self.open_socket, None)
        self.taken = False

    def open_socket(self, address: str, port: int) -> Any:
        if port == 1 or any(s.listens and not s.closed and s.place[1] == port for s in self.sockets) or self.taken:
            raise OSError("taken")
        self.sockets.append(FakeSocket((address, port)))
        return self.sockets[-1]

    def adopt(self, sock: socket.socket) -> Any:
        place = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
        self.log.append(f"serve {place}")
        log = self.log

        class Port:
            def stopListening(self) -> str:
                log.append(f"stop {place}")
                return "stopped"

        return Port()

    def reload(self, **admin: Any) -> list[str]:
        return self.port.commit(self.port.plan(Admin(**admin)))

    def test_bound_before_it_serves(self) -> None:
        """What is bound while there are privileges is served when the reactor runs."""
        self.assertEqual(self.reload(port=0), ["admin port opened on 127.0.0.1 port 40000"])
        self.assertEqual((self.log, self.port.address), ([], ("127.0.0.1", 40000)))
        self.port.start(self.adopt)
        self.assertEqual(self.log, ["serve 127.0.0.1:40000"])

    def test_same_place(self) -> None:
        """A reload that leaves it where it is touches nothing."""
        self.reload(port=9180)
        self.port.start(self.adopt)
        self.assertEqual(self.reload(port=9180), [])
        self.assertEqual(len(self.sockets), 1)

    def test_another_place(self) -> None:
        """A reload that moves it binds the new place before it gives the old one up."""
        self.reload(port=9180)
        self.port.start(self.adopt)
        plan = self.port.plan(Admin(port=9181))
        self.assertEqual(self.log, ["serve 127.0.0.1:9180"])
        self.port.commit(plan)
        self.assertEqual(self.log[1:], ["stop 127.0.0.1:9180", "serve 127.0.0.1:9181"])

    def test_cannot_be_bound(self) -> None:
        """Then nothing has changed."""
        self.reload(port=9180)
        self.port.start(self.adopt)
        self.assertRaises(OSError, self.port.plan, Admin(port=1))
        self.assertEqual((self.log, self.port.address), (["serve 127.0.0.1:9180"], ("127.0.0.1", 9180)))

    def test_handed_over(self) -> None:
        """An address that the old one stands in the way of is bound when the old one listens no more."""
        self.reload(port=9180)
        self.port.start(self.adopt)
        plan = self.port.plan(Admin(address="0.0.0.0", port=9180))
        self.assertEqual((len(self.sockets), self.sockets[0].listens), (1, True))
        self.port.hand_over(plan)
        self.port.commit(plan)
        self.assertEqual(self.log[1:], ["stop 127.0.0.1:9180", "serve 0.0.0.0:9180"])
        self.assertEqual([sock.closed for sock in self.sockets], [True, False])

    def test_not_handed_over(self) -> None:
        """When it can't be bound even then, the old one listens again; so it does when what follows fails."""
        self.reload(port=9180)
        self.port.start(self.adopt)
        plan = self.port.plan(Admin(address="0.0.0.0", port=9180))
        self.taken = True
        self.assertRaises(OSError, self.port.hand_over, plan)
        self.assertEqual((self.log[1:], self.sockets[0].listens, self.sockets[0].closed), ([], True, False))
        self.taken = False
        self.port.hand_over(plan)
        self.port.abandon(plan)
        self.assertEqual([(s.listens, s.closed) for s in self.sockets], [(True, False), (True, True)])

    def test_abandoned(self) -> None:
        """A plan that is not carried out leaves no socket."""
        self.reload(port=9180)
        self.port.abandon(self.port.plan(Admin(port=9181)))
        self.port.abandon(self.port.plan(Admin(port=9180)))
        self.assertEqual([sock.closed for sock in self.sockets], [False, True])

    def test_said_on_the_command_line(self) -> None:
        """--admin-port counts, whatever a configuration says."""
        self.port = AdminPort(self.open_socket, 7)
        self.reload(port=9180)
        self.assertEqual(self.reload(port=9181), [])
        self.assertEqual(self.port.address, ("127.0.0.1", 7))

    def test_stop(self) -> None:
        """It is closed, served from or not."""
        self.reload(port=9180)
        self.assertIsNone(self.port.stop())
        self.assertTrue(self.sockets[0].closed)
        self.reload(port=9181)
        self.port.start(self.adopt)
        self.assertEqual(self.port.stop(), "stopped")
