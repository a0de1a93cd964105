"""The data plane's composition: what a reload exchanges, and what outlives it."""

from __future__ import annotations

import os
from unittest import mock

from hmsgw.transport.listen import BindError
from tests.assembled import LISTEN, GatewayCase, Lingering


class GatewayTests(GatewayCase):
    """`Gateway`."""

    def test_same_service(self) -> None:
        """A service whose settings stay keeps its cluster, and so its connections; another one closes."""
        before = self.gateway.clusters["users"]
        self.gateway.apply(
            self.read(
                "\n# moved\nroutes: [{path: /b, service: users}]\nservices: {users: {endpoints: [http://192.0.2.1:80]}}\n"
            )
        )
        self.assertIs(before, self.gateway.clusters["users"])
        self.gateway.apply(
            self.read("routes: [{path: /b, service: users}]\nservices: {users: {endpoints: [http://192.0.2.9:80]}}\n")
        )
        self.assertIsNot(before, self.gateway.clusters["users"])
        self.assertTrue(all(member.gone for member in before.members))

    def test_the_doors_get_the_plane(self) -> None:
        """The next request of any connection is decided by the new plane; limits and deadlines are the new ones."""
        (one,) = self.gateway.listeners.open
        before = self.gateway.plane
        self.gateway.apply(self.read("limits: {connections: 7}\ndeadlines: {head: 3s}\n"))
        self.assertIsNot(before, self.gateway.plane)
        self.assertEqual(
            (self.gateway.plane, 7, 3.0), (one.door.plane, one.door.limits.connections, one.door.settings.head)
        )

    def test_busy_port(self) -> None:
        """A port that can't be had changes nothing at all."""
        before = self.gateway.plane, self.gateway.candidate, dict(self.gateway.clusters)
        self.busy = True
        listen = LISTEN.replace("1000", "1001")
        self.assertRaises(BindError, self.gateway.apply, self.read("routes: []\n", listen))
        self.assertEqual(before, (self.gateway.plane, self.gateway.candidate, self.gateway.clusters))
        self.assertFalse(self.opened[0].closed)

    def test_failed_plane(self) -> None:
        """A plane that can't be built leaves no socket open and nothing changed."""
        before = self.gateway.plane
        wanted = self.read("routes: []\n", LISTEN.replace("1000", "1001"))
        with mock.patch("hmsgw.gateway.build_plane", side_effect=ValueError("no")):
            self.assertRaises(ValueError, self.gateway.apply, wanted)
        self.assertEqual((before, True), (self.gateway.plane, self.opened[-1].closed))
        self.assertEqual([1000], [one.listener.port for one in self.gateway.listeners.open])

    def test_start_and_stop(self) -> None:
        """It is ready once the first answers came, drains on the way out, and leaves no call with the clock."""
        self.assertIsNotNone(self.gateway.readiness().reason)
        self.gateway.startService()
        self.reactor.pump([0.1] * 60)
        self.assertIsNone(self.gateway.readiness().reason)
        self.assertIn("the configuration is unsigned (--dev)", self.gateway.readiness().degraded)
        stopped = self.gateway.stopService()
        self.successResultOf(stopped)
        self.assertTrue(all(one.stopped for one in self.served))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_drain_is_bounded(self) -> None:
        """A connection that does not end is cut off when the time to drain is over."""
        self.gateway.startService()
        door = self.gateway.listeners.open[0].door
        lingering = Lingering(door)
        stopped = self.gateway.stopService()
        self.reactor.advance(29)
        self.assertNoResult(stopped)
        self.assertEqual("draining", self.gateway.readiness().reason)
        self.reactor.advance(2)
        self.assertEqual((True, False), (lingering.stopped, lingering.aborted))
        self.reactor.advance(2)
        self.successResultOf(stopped)
        self.assertTrue(lingering.aborted)

    def test_hurry(self) -> None:
        """Asked twice, it ends what runs at once, and waits only for the last answers to go out."""
        self.gateway.startService()
        lingering = Lingering(self.gateway.listeners.open[0].door)
        stopped = self.gateway.stopService()
        self.gateway.hurry()
        self.assertEqual((True, False), (lingering.stopped, lingering.aborted))
        self.reactor.advance(2)
        self.successResultOf(stopped)
        self.assertTrue(lingering.aborted)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_log_target(self) -> None:
        """Another `log.access` is opened with the reload that brings it; a relative path is the file's."""
        self.gateway.apply(self.read("log: {access: access.log}\n"))
        self.assertEqual(os.path.join(self.folder, "access.log"), self.writer.target)

    def test_nothing_before_start(self) -> None:
        """Nothing was done to a reactor before the start: threads and connections do not survive a fork."""
        self.assertEqual(([], []), (self.reactor.getDelayedCalls(), self.served))
