"""What goes up a tunnel, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.proxy.tunnel import TunnelBody


class Upstream:
    """Keeps what it is told."""

    full = False

    def __init__(self) -> None:
        self.told: list[Any] = []

    def send_data(self, data: bytes) -> None:
        self.told.append(data)

    def send_end(self, trailers: Any) -> None:
        self.told.append("end")

    def go_away(self) -> None:
        self.told.append("away")


class TunnelBodyTests(SynchronousTestCase):
    """`TunnelBody`."""

    def setUp(self) -> None:
        self.asked: list[str] = []
        self.edge = SimpleNamespace(
            draining=False, pause_body=lambda: self.asked.append("pause"), resume_body=lambda: self.asked.append("resume")
        )
        self.exchange: Any = SimpleNamespace(edge=self.edge, reason="")
        self.body = TunnelBody(self.exchange)
        self.up: Any = Upstream()

    def test_held(self) -> None:
        """Nothing goes up before it is open, whatever comes; then all of it in order."""
        self.body.arrived(b"a", None)
        self.body.send_to(self.up)
        self.body.arrived(b"b", self.up)
        self.assertEqual(([], ["pause", "pause"]), (self.up.told, self.asked))
        self.body.opened(self.up)
        self.body.arrived(b"c", self.up)
        self.assertEqual(([b"ab", b"c"], "resume", 3), (self.up.told, self.asked[-1], self.body.received))

    def test_full(self) -> None:
        """An upstream that is full when it opens says itself when the client may go on."""
        self.up.full = True
        self.body.opened(self.up)
        self.assertEqual([], self.asked)

    def test_ended_early(self) -> None:
        """A client that says no more, before and after."""
        self.body.arrived(b"a", None)
        self.body.end([], self.up)
        self.assertEqual([], self.up.told)
        self.body.opened(self.up)
        self.assertEqual([b"a", "end"], self.up.told)

    def test_gone(self) -> None:
        """An upstream that went meanwhile."""
        self.body.arrived(b"a", None)
        self.body.opened(None)
        self.body.arrived(b"b", None)
        self.body.end([], None)
        self.body.go_away(None)
        self.assertEqual("", self.exchange.reason)

    def test_goodbye(self) -> None:
        """Not before it is open; at once if the gateway is going down by then."""
        self.body.go_away(self.up)
        self.assertEqual([], self.up.told)
        self.edge.draining = True
        self.body.opened(self.up)
        self.assertEqual((["away"], "draining"), (self.up.told, self.exchange.reason))

    def test_no_body(self) -> None:
        """The opening request has none, and no limit of one counts."""
        self.assertEqual((None, False), (self.body.limit(), self.body.replayable))
        self.body.check(0)
        self.body.rewind()
        self.assertEqual(b"", self.successResultOf(_deferred(self.body)))


def _deferred(body: TunnelBody) -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(body.collect())
