"""Which sockets are open, and what is behind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Deadlines as DeadlineSettings
from hmsgw.config.model import Limits, Listener
from hmsgw.deadlines import Deadlines
from hmsgw.edge.door import Crowd, Door
from hmsgw.listeners import Listeners
from hmsgw.transport.become import become
from tests.assembled import Lingering
from tests.walks.walk import Gauge


class Socket:
    """As much of a socket as listeners touch."""

    def __init__(self, address: str, port: int) -> None:
        self._name = (address, port or 45678)
        self.closed = False
        self.listens = True
        self.duplicates: list[Socket] = []

    def stands_in_the_way(self, address: str, port: int) -> bool:
        return port == self._name[1] and self.listens and not self.closed and "::" in (address, self._name[0])

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def close(self) -> None:
        self.closed = True

    def shutdown(self, how: int) -> None:
        self.listens = False

    def listen(self, backlog: int) -> None:
        self.listens = True

    def dup(self) -> Socket:
        self.duplicates.append(Socket(*self._name))
        return self.duplicates[-1]


@dataclass(frozen=True)
class Certificates:
    """As much of a `ServerTls` as listeners look at. clients: who has to prove themselves."""

    word: str
    clients: str | None = None


class Busy(Exception):
    """The address is in use."""


class Served:
    """What `serve` gave. asked: what it was told."""

    handshaking = 0

    def __init__(self, sock: Socket, tls: Any, door: Door) -> None:
        self.sock, self.tls, self.door = sock, tls, door
        self.asked: list[Any] = []

    def take_waiting(self) -> None:
        self.asked.append("take" if self.sock.listens else "take too late")

    def stop_accepting(self) -> None:
        self.asked.append("stop")
        self.sock.close()

    def set_sources(self, sources: Any) -> None:
        self.sources = sources

    def set_tls(self, tls: Any) -> None:
        self.asked.append(tls)


class ListenersTests(SynchronousTestCase):
    """`Listeners`: plan, commit, abandon."""

    def setUp(self) -> None:
        self.opened: list[Socket] = []
        self.served: list[Served] = []
        self.busy: set[int] = set()
        self.listeners = Listeners(self.open_socket, self.serve, self.new_door)  # type: ignore[arg-type]

    def open_socket(self, address: str, port: int) -> Socket:
        if port in self.busy or any(sock.stands_in_the_way(address, port) for sock in self.opened):
            raise Busy(port)
        self.opened.append(Socket(address, port))
        return self.opened[-1]

    def serve(self, sock: Socket, new_protocol: Any, tls: Any, door: Door) -> Served:
        self.served.append(Served(sock, tls, door))
        return self.served[-1]

    def new_door(self, listener: Listener) -> Door:
        clock = Clock()
        return Door(
            listener.name, "http", Limits(), DeadlineSettings(), Deadlines(clock, clock.seconds), clock.seconds,
            lambda *_: None, str, Gauge(), Crowd(), h2_gauge=Gauge(), websocket_gauge=Gauge(), become=become, soon=lambda call: call(),
            unsent=lambda wire: wire.unsent,
        )  # fmt: skip

    def want(self, *ports: int, tls: Any = None, name: str = "public") -> list[str]:
        wanted = [(Listener(name=name, address="::1", port=port), tls) for port in ports]
        return self.listeners.commit(self.listeners.plan(wanted))

    def test_nothing_accepted_before_start(self) -> None:
        """Sockets are bound while there are privileges; accepting begins with `start`."""
        self.want(80, 81)
        self.assertEqual((2, 0), (len(self.opened), len(self.served)))
        self.listeners.start()
        self.assertEqual(self.opened, [one.sock for one in self.served])

    def test_any_free_port(self) -> None:
        """Port 0 may be asked for more than once; each listener keeps its own."""
        wanted = [(Listener(name=name, address="::1", port=0), None) for name in ("a", "b")]
        self.listeners.commit(self.listeners.plan(list(wanted)))
        self.assertEqual((len(self.opened), len(self.listeners.open)), (2, 2))
        self.assertEqual([], self.listeners.commit(self.listeners.plan(list(wanted))))
        self.assertEqual(len(self.opened), 2)

    def test_stays(self) -> None:
        """What stays keeps socket, door and connections; its new certificates reach the next connections."""
        self.want(80, tls=Certificates("old"))
        self.listeners.start()
        door = self.listeners.open[0].door
        self.assertEqual([], self.want(80, tls=Certificates("new"), name="renamed"))
        self.assertEqual((1, ["new"], "renamed"), (len(self.opened), [tls.word for tls in self.served[0].asked], door.name))
        self.assertIs(door, self.listeners.open[0].door)

    def test_comes_and_goes(self) -> None:
        """A new one is accepted from at once, one that goes stops accepting and drains."""
        self.want(80)
        self.listeners.start()
        door = self.listeners.open[0].door
        said = self.want(81)
        self.assertEqual(["listener public closed", "listener public opened on ::1 port 81"], said)
        self.assertEqual((["take", "stop"], True), (self.served[0].asked, door.draining))
        self.assertEqual(81, self.served[1].sock.getsockname()[1])

    def test_busy(self) -> None:
        """A port that is busy refuses the whole plan: what it had opened is closed, what was open goes on."""
        self.want(80)
        self.listeners.start()
        self.busy.add(82)
        self.assertRaises(Busy, self.want, 81, 82)
        self.assertEqual([False, True], [sock.closed for sock in self.opened])
        self.assertEqual(([80], []), ([one.listener.port for one in self.listeners.open], self.served[0].asked))

    def move(self, address: str, tls: Any = None) -> Any:
        """A plan for port 80, at another address."""
        return self.listeners.plan([(Listener(address=address, port=80), tls)])

    def test_handed_over(self) -> None:
        """An address that the old one stands in the way of: nothing is given up by `plan`; then what waits is accepted,
        the old socket listens no more, the new one is bound."""
        self.want(80)
        self.listeners.start()
        plan = self.move("::")
        self.assertEqual((1, [], True), (len(self.opened), self.served[0].asked, self.opened[0].listens))
        self.listeners.hand_over(plan)
        self.assertEqual((2, ["take"], False), (len(self.opened), self.served[0].asked, self.opened[0].closed))
        self.listeners.commit(plan)
        self.assertEqual((["take", "stop"], [True, False]), (self.served[0].asked, [s.closed for s in self.opened]))
        self.assertEqual("::", self.served[1].sock.getsockname()[0])

    def test_not_handed_over(self) -> None:
        """When it can't be bound even then, the old one listens again, and goes on as if nothing had been."""
        self.want(80)
        self.listeners.start()
        plan = self.move("::")
        self.busy.add(80)
        self.assertRaises(Busy, self.listeners.hand_over, plan)
        self.assertEqual(([True], [False]), ([s.listens for s in self.opened], [s.closed for s in self.opened]))
        self.assertEqual(["::1"], [one.listener.address for one in self.listeners.open])
        self.assertNotIn("stop", self.served[0].asked)

    def test_handed_over_for_nothing(self) -> None:
        """What fails after the handing over gives the old one its place back."""
        self.want(80)
        plan = self.move("::")
        self.listeners.hand_over(plan)
        self.listeners.abandon(plan)
        self.assertEqual([(True, False), (True, True)], [(s.listens, s.closed) for s in self.opened])

    def test_handed_over_before_start(self) -> None:
        """A socket that nobody serves yet is closed too."""
        self.want(80)
        plan = self.move("::")
        self.listeners.hand_over(plan)
        self.listeners.commit(plan)
        self.assertEqual([True, False], [sock.closed for sock in self.opened])

    def test_abandon(self) -> None:
        """A plan that is given up leaves no socket behind, and touches none that was open."""
        self.want(80)
        self.listeners.abandon(self.listeners.plan([(Listener(address="::1", port=81), None)]))
        self.assertEqual([False, True], [sock.closed for sock in self.opened])

    def test_kind(self) -> None:
        """Plain becomes TLS on the same socket, which is never closed in between; old connections drain."""
        self.want(80)
        self.listeners.start()
        old = self.listeners.open[0].door
        said = self.want(80, tls=Certificates("certificates"))
        self.assertEqual(["listener public now speaks TLS"], said)
        now = self.listeners.open[0]
        self.assertEqual((1, True, False), (len(self.opened), old.draining, now.sock.closed))  # type: ignore[attr-defined]
        self.assertEqual((Certificates("certificates"), now.door), (self.served[1].tls, self.served[1].door))
        self.assertIsNot(old, now.door)

    def test_other_clients(self) -> None:
        """Who was let in by authorities that count no more goes when what runs is over; new certificates close nothing."""
        self.want(80, tls=Certificates("a", "ours"))
        self.listeners.start()
        door = self.listeners.open[0].door
        there = Lingering(door)
        self.assertEqual([], self.want(80, tls=Certificates("b", "ours")))
        self.assertFalse(there.drained)
        for clients in ("theirs", None):
            there.drained = False
            self.assertIn("drain", self.want(80, tls=Certificates("b", clients))[0])
            self.assertEqual((True, False), (there.drained, door.draining))

    def test_stop_accepting(self) -> None:
        """At the end every listener stops accepting and every connection is told."""
        self.want(80, 81)
        self.listeners.start()
        self.listeners.stop_accepting()
        self.assertEqual([["take", "stop"]] * 2, [one.asked for one in self.served])
        self.assertTrue(all(door.draining for door in self.listeners.doors))

    def test_doors_of_those_that_left(self) -> None:
        """Connections of a listener that has gone are still counted, and cut off at the end."""
        self.want(80)
        self.listeners.start()
        door = self.listeners.open[0].door
        lingering = Lingering(door)
        self.want(81)
        self.assertEqual(1, self.listeners.connections())
        self.listeners.stop()
        self.assertEqual((True, False), (lingering.stopped, lingering.aborted))
        self.listeners.abort()
        self.assertEqual((True, 0), (lingering.aborted, self.listeners.connections()))

    def test_many_reloads(self) -> None:
        """Listeners that have gone and are empty are not kept: a thousand reloads leave nothing behind."""
        self.listeners.start()
        for port in range(80, 90):
            self.want(port)
        self.want(90)
        self.assertLessEqual(len(self.listeners.doors), 2)

    def test_proxies(self) -> None:
        """Who sends PROXY headers is settled before anybody is accepted, and again at each reload."""
        self.listeners = Listeners(
            self.open_socket, self.serve, self.new_door, lambda listener: listener.proxy_from or None  # type: ignore[arg-type]
        )
        self.want(80)
        self.listeners.start()
        self.assertIsNone(self.served[0].sources)
        changed = Listener(address="::1", port=80, proxy_protocol="required", proxy_from=("10.0.0.0/8",))
        self.listeners.commit(self.listeners.plan([(changed, None)]))
        self.assertEqual(("10.0.0.0/8",), self.served[0].sources)
