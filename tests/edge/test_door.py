"""A listener as its connections see it."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Deadlines as DeadlineSettings
from hmsgw.config.model import Limits
from hmsgw.deadlines import Deadlines
from hmsgw.edge.door import Crowd, Door
from hmsgw.transport.become import become
from tests.walks.walk import Gauge


class Visitor:
    """A connection. asked: what it was told."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.asked: list[str] = []

    def drain(self) -> None:
        self.asked.append("drain")
        self._door.left(self)

    def stop(self) -> None:
        self.asked.append("stop")

    def abort(self) -> None:
        self.asked.append("abort")
        self._door.left(self)


class DoorTests(SynchronousTestCase):
    """`Door`."""

    def door(self, crowd: Crowd, gauge: Any, connections: int = 2) -> Door:
        clock = Clock()
        return Door(
            "public", "https", Limits(connections=connections), DeadlineSettings(), Deadlines(clock, clock.seconds),
            clock.seconds, lambda *_: None, str, gauge, crowd, h2_gauge=Gauge(), websocket_gauge=Gauge(), become=become, soon=lambda call: call(),
            unsent=lambda wire: wire.unsent,
        )  # fmt: skip

    def test_bound(self) -> None:
        """`limits.connections` bounds all doors together; who leaves makes room."""
        crowd = Crowd()
        one, two = self.door(crowd, Gauge()), self.door(crowd, Gauge())
        first, second, third = Visitor(one), Visitor(two), Visitor(two)
        self.assertEqual([True, True, False], [one.entered(first), two.entered(second), two.entered(third)])
        two.left(third)
        one.left(first)
        self.assertTrue(two.entered(Visitor(two)))

    def test_gauge(self) -> None:
        """The gauge shows this door's connections, the one that is too many included until it is gone."""
        gauge, crowd = Gauge(), Crowd()
        door = self.door(crowd, gauge, 1)
        visitors = [Visitor(door), Visitor(door)]
        for visitor in visitors:
            door.entered(visitor)
        self.assertEqual(2, gauge.n)
        for visitor in visitors:
            door.left(visitor)
        self.assertEqual((0, 0), (gauge.n, crowd.n))

    def test_drain(self) -> None:
        """Everybody is told, though they leave while they are being told; then the door says that it is empty."""
        door = self.door(Crowd(), Gauge())
        visitors = [Visitor(door) for _ in range(5)]
        for visitor in visitors:
            door.entered(visitor)
        emptied: list[bool] = []
        door.emptied = lambda: emptied.append(True)
        door.drain()
        self.assertEqual([["drain"]] * 5, [visitor.asked for visitor in visitors])
        self.assertEqual(([True], True), (emptied, door.draining))

    def test_end(self) -> None:
        """The time to drain is over: everybody is told to end; then whoever is still there is cut off."""
        door = self.door(Crowd(), Gauge())
        visitor = Visitor(door)
        door.entered(visitor)
        door.stop_all()
        self.assertEqual((["stop"], {visitor}), (visitor.asked, door.open))
        door.abort_all()
        self.assertEqual((["stop", "abort"], set()), (visitor.asked, door.open))
