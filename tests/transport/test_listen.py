"""Binding and accepting, over sockets and a loop that only take notes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport import listen
from hmsgw.transport.listen import BindError, Serving, open_socket
from hmsgw.transport.uv_transport import UvTransport


class Bound:
    """A socket of which `fault` says at which call, for which family, it fails."""

    fault: tuple[str, int, int] | None = None
    made: list[Bound] = []

    def __init__(self, family: int, _: int) -> None:
        self.family = family
        self.calls: list[tuple[Any, ...]] = []
        self.made.append(self)
        self._do("socket")

    def _do(self, name: str, *args: Any) -> None:
        self.calls.append((name, *args))
        if self.fault is not None and self.fault[:2] == (name, self.family):
            raise OSError(self.fault[2], "why")

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._do(name, *args)


class OpenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(listen.socket, "socket", Bound)
        self.patch(Bound, "made", [])

    def fail_at(self, call: str, family: int, number: int) -> None:
        self.patch(Bound, "fault", (call, family, number))

    def refused(self, address: str) -> str:
        with self.assertRaises(BindError) as caught:
            open_socket(address, 80)
        self.assertEqual(Bound.made[-1].calls[-1], ("close",))
        return str(caught.exception)

    def test_both_families(self) -> None:
        """`::` takes IPv4 too, any other IPv6 address does not; nothing blocks; small writes are not delayed."""
        for address, only in (("::", 0), ("::1", 1)):
            calls = open_socket(address, 8080).calls  # type: ignore[attr-defined]
            self.assertIn(("setsockopt", socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only), calls)
            self.assertIn(("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), calls)
            self.assertIn(("setsockopt", socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), calls)
            self.assertEqual(calls[-3:], [("bind", (address, 8080)), ("listen", 4096), ("setblocking", False)])

    def test_no_ipv6(self) -> None:
        """Where the host has no IPv6, `::` means 0.0.0.0; an address that is named is not replaced."""
        for call, number in (("socket", errno.EAFNOSUPPORT), ("bind", errno.EADDRNOTAVAIL)):
            self.fail_at(call, socket.AF_INET6, number)
            sock: Any = open_socket("::", 80)
            self.assertEqual(sock.family, socket.AF_INET)
            self.assertIn(("bind", ("0.0.0.0", 80)), sock.calls)
        self.assertIn("address ::1 port 80 is no address of this host", self.refused("::1"))

    def test_words(self) -> None:
        """What keeps an address from being opened, and what to do about it."""
        cases = {
            errno.EADDRINUSE: "port 80 is in use by another program; stop that one, or choose another port with --port",
            errno.EACCES: "may not be opened by this user; start as root with --uid, or use a port above 1023",
            errno.EADDRNOTAVAIL: "is no address of this host",
            errno.ENOBUFS: "can't be opened: why",
        }
        for number, words in cases.items():
            self.fail_at("bind", socket.AF_INET, number)
            self.assertIn(words, self.refused("192.0.2.1"))


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Task:
    """Runs a coroutine as far as it goes."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._done: Any = None
        self.ended = False

    def add_done_callback(self, done: Any) -> None:
        self._done = done
        self.go_on()

    def go_on(self, error: BaseException | None = None) -> None:
        try:
            if error is None:
                self._coroutine.send(None)
            else:
                self._coroutine.throw(error)
        except StopIteration:
            self.ended = True
            self._done(self)


class Hanging:
    """What `connect_accepted_socket` returns while the handshake goes on."""

    def __await__(self) -> Any:
        yield


class Loop:
    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: list[tuple[float, Timer]] = []
        self.tasks: list[Task] = []
        self.handed: list[tuple[Any, Any, dict[str, Any]]] = []
        self.refused: list[tuple[str, str, str]] = []

    def set_exception_handler(self, handler: Any) -> None:
        self.handler = handler

    def add_reader(self, number: int, call: Callable[[], None]) -> None:
        self.readers[number] = call

    def remove_reader(self, number: int) -> None:
        self.readers.pop(number, None)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        self.timers.append((delay_s, Timer(call)))
        return self.timers[-1][1]

    def create_task(self, coroutine: Any) -> Task:
        self.tasks.append(Task(coroutine))
        return self.tasks[-1]

    async def connect_accepted_socket(self, new_adapter: Any, connection: Any, **how: Any) -> None:
        self.handed.append((new_adapter(), connection, how))
        await Hanging()


class Connection:
    closed = False

    def close(self) -> None:
        self.closed = True


class Door:
    """A listening socket. waiting: what accept gives, in order: connections and error numbers."""

    def __init__(self, *waiting: Any) -> None:
        self.waiting = list(waiting)
        self.number = 7

    def fileno(self) -> int:
        return self.number

    def close(self) -> None:
        self.number = -1

    def accept(self) -> Any:
        if not self.waiting:
            raise BlockingIOError
        first = self.waiting.pop(0)
        if isinstance(first, int):
            raise OSError(first, "why")
        return first, ("192.0.2.1", 4000)


class Quiet:
    def dataReceived(self, data: bytes) -> None:
        """Never called here."""


def serving(door: Door, max_pending: int = 1000, tls: Any = None) -> tuple[Serving, Loop]:
    loop = Loop()
    sock: Any = door

    def refused(*said: Any) -> None:
        loop.refused.append(said)

    return Serving(loop, sock, Quiet, tls, max_pending, 10.0, refused), loop


class Tls:
    context = "the context"
    clients = None


class AcceptTests(SynchronousTestCase):
    def test_handed_over(self) -> None:
        """Each connection becomes an adapter of its own, with TLS where there is some."""
        for tls, expected in ((None, None), (Tls(), "the context")):
            one, loop = serving(Door(Connection(), Connection()), tls=tls)
            loop.readers[7]()
            self.assertEqual([how.get("ssl") for _, _, how in loop.handed], [expected] * 2)
            self.assertTrue(all(isinstance(adapter, UvTransport) for adapter, _, _ in loop.handed))
            self.assertEqual(one.handshaking, 2)
            for task in loop.tasks:
                task.go_on()
            self.assertEqual(one.handshaking, 0)

    def test_in_batches(self) -> None:
        """A flood of connections does not keep everybody else waiting: 64 at a time."""
        door = Door(*(Connection() for _ in range(100)))
        _, loop = serving(door)
        loop.readers[7]()
        self.assertEqual((len(loop.handed), len(door.waiting)), (64, 36))

    def test_bounded(self) -> None:
        """What is more than may be pending is closed and counted."""
        connections = [Connection() for _ in range(5)]
        one, loop = serving(Door(*connections), max_pending=3)
        loop.readers[7]()
        self.assertEqual([connection.closed for connection in connections], [False] * 3 + [True] * 2)
        self.assertEqual((one.refused, one.handshaking), (2, 3))

    def test_failed_handshake(self) -> None:
        """A handshake that fails closes its socket, gives its place back, and is no error of ours."""
        connection = Connection()
        one, loop = serving(Door(connection), tls=Tls())
        loop.readers[7]()
        loop.tasks[0].go_on(ConnectionAbortedError("too slow"))
        self.assertTrue(connection.closed)
        self.assertEqual((one.handshaking, self.flushLoggedErrors()), (0, []))
        self.assertEqual(["tls-handshake"], [word for _, word, _ in loop.refused])

    def test_gone_before(self) -> None:
        """A client that went before it was accepted does not keep the next from coming in."""
        _, loop = serving(Door(errno.ECONNABORTED, errno.EPROTO, Connection()))
        loop.readers[7]()
        self.assertEqual((len(loop.handed), loop.timers), (1, []))

    def test_exhausted(self) -> None:
        """Out of descriptors: no busy loop, a pause of 0.1 s, one line in the log until it is over."""
        told: list[Any] = []
        self.patch(listen._log, "error", lambda text, **_: told.append(text))
        door = Door(errno.EMFILE, errno.ENFILE, Connection(), errno.EMFILE)
        _, loop = serving(door)
        loop.readers[7]()
        self.assertEqual((loop.readers, loop.timers[0][0]), ({}, 0.1))
        loop.timers[0][1].call()
        loop.readers[7]()
        self.assertEqual((len(told), len(loop.handed)), (1, 0))
        loop.timers[1][1].call()
        loop.readers[7]()
        self.assertEqual((len(told), len(loop.handed)), (2, 1))

    def test_stop(self) -> None:
        """Stopping closes the socket once, also in a pause; what was accepted goes on."""
        door = Door(Connection())
        one, loop = serving(door)
        loop.readers[7]()
        one.stop_accepting()
        one.stop_accepting()
        self.assertEqual((door.number, loop.readers, one.handshaking), (-1, {}, 1))

    def test_stop_in_a_pause(self) -> None:
        """The pause does not bring the socket back."""
        door = Door(errno.EMFILE)
        one, loop = serving(door)
        self.patch(listen._log, "error", lambda *_, **__: None)
        loop.readers[7]()
        one.stop_accepting()
        self.assertTrue(loop.timers[0][1].cancelled)
        self.assertEqual(door.number, -1)
