"""A service's endpoints, and the connections to each."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Service
from hmsgw.deadlines import Deadlines
from hmsgw.reasons import UPSTREAM_CONNECT
from hmsgw.transport.become import become
from hmsgw.upstream.cluster import POOL_IDLE_S, Attempt, Cluster, Member
from hmsgw.wire.proxy_protocol import read_proxy_header
from tests.walks.walk import Wire

_A, _B = Endpoint("http", "10.0.0.1", 80), Endpoint("http", "10.0.0.2", 80)


class Peer:
    """The connection that it came over. local: our own end, when it is called."""

    local: Any = None


class Asking:
    """An exchange that asks for a connection."""

    speaks_grpc = False
    opens_tunnel = False
    caller = IPv4Address("TCP", "192.0.2.7", 50000)
    peer = Peer()

    def __init__(self) -> None:
        self.connection: Any = None
        self.told: list[tuple[Any, str, Member]] = []

    def upstream_connected(self, connection: Any, now: float) -> None:
        self.connection = connection

    def upstream_unavailable(self, reason: Any, detail: str, member: Member) -> None:
        self.told.append((reason, detail, member))


class ClusterTests(SynchronousTestCase):
    """`Cluster`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[Endpoint, Any, Deferred[Any]]] = []
        self.cancelled = 0
        self.cluster = self.a_cluster()

    def a_cluster(self, balance: str = "round-robin") -> Cluster:
        wheel = Deadlines(self.clock, self.clock.seconds)
        settings, seconds = Service(balance=balance), self.clock.seconds
        cluster = Cluster("users", settings, self.connect, wheel, seconds, lambda call: call(), become, 1 << 18)
        cluster.set_endpoints((_A, _B))
        return cluster

    def connect(
        self, endpoint: Endpoint, new_protocol: Any, alpn: tuple[bytes, ...], first: bytes = b""
    ) -> Deferred[Any]:
        self.first = first

        def given_up(_: Any) -> None:
            self.cancelled += 1

        deferred: Deferred[Any] = Deferred(given_up)
        self.asked.append((endpoint, new_protocol, deferred))
        return deferred

    def take(self, exchange: Asking, **how: Any) -> Any:
        how = {"key": "", "max_wait_s": POOL_IDLE_S, "tried": None, **how}
        return self.cluster.take(exchange, how["key"], how["max_wait_s"], how["tried"], self.clock.seconds())

    def answer(self, index: int = -1) -> Any:
        """Let a connection come to be."""
        _, new_protocol, deferred = self.asked[index]
        connection, wire = new_protocol(), Wire()
        wire.protocol = connection
        connection.makeConnection(wire)
        deferred.callback(connection)
        return connection

    def active(self) -> list[int]:
        return [member.active for member in self.cluster.members]

    def test_none_known(self) -> None:
        """Without an endpoint there is nothing to take, and nothing is counted."""
        self.cluster.set_endpoints(())
        self.assertIsNone(self.take(Asking()))
        self.assertEqual(0, self.cluster.active)

    def test_announced(self) -> None:
        """Where the service is told who the client is, each request has a connection of its own, which says so first."""
        self.cluster = Cluster(
            "users", Service(proxy_protocol="v2"), self.connect, Deadlines(self.clock, self.clock.seconds),
            self.clock.seconds, lambda call: call(), become, 1 << 18,
        )  # fmt: skip
        self.cluster.set_endpoints((Endpoint("https", "10.0.0.1", 443),))
        asking = Asking()
        asking.speaks_grpc = True
        for local in (None, lambda: IPv4Address("TCP", "10.0.0.9", 443)):
            asking.peer.local = local
            self.take(asking)
            connection = self.answer()
            found = read_proxy_header(self.first)
            assert found is not None and found.source is not None
            self.assertEqual(50000, found.source[1])
            connection.exchange = None
            self.cluster.members[0].released(connection, True)
            self.assertEqual([], self.cluster.members[0].idle)
        self.assertEqual((len(self.first), ("192.0.2.7", 50000)), found)
        self.assertEqual(2, len(self.asked))

    def test_leased_for_others(self) -> None:
        """A connection that is no HTTP is counted as requests are, and shares what is known of endpoints."""
        first = self.cluster.lease_endpoint("", [], self.clock.seconds())
        assert first is not None
        self.assertEqual(1, self.cluster.active)
        first.connect_failed(self.clock.seconds())
        second = self.cluster.lease_endpoint("", [], self.clock.seconds())
        self.assertIsNot(first, second)
        first.reached()
        self.assertEqual((0, 0.0), (first.failures, first.passed_over_until))
        self.cluster.set_endpoints(())
        self.assertIsNone(self.cluster.lease_endpoint("", [], self.clock.seconds()))

    def test_counted_at_once(self) -> None:
        """A request counts from the decision on, before there is a connection; a success keeps it counted."""
        exchange = Asking()
        attempt = self.take(exchange)
        self.assertIsInstance(attempt, Attempt)
        self.assertEqual(1, self.cluster.active)
        connection = self.answer()
        self.assertIs(connection, exchange.connection)
        self.assertEqual(1, self.cluster.active)
        self.assertTrue(attempt.settled)

    def test_failure(self) -> None:
        """A failed attempt tells the exchange, not what the network said; the count goes back."""
        exchange = Asking()
        self.take(exchange)
        self.asked[0][2].errback(OSError("10.0.0.1 port 80 refused"))
        ((reason, detail, member),) = exchange.told
        self.assertIs(UPSTREAM_CONNECT, reason)
        self.assertNotIn("10.0.0", detail)
        self.assertEqual(0, self.cluster.active)
        self.assertEqual(1, member.failures)

    def test_passed_over(self) -> None:
        """After a failure the other one is taken for a second, then for two; a success forgets it all."""
        self.take(Asking())
        failing = self.asked[0][0]
        self.asked[0][2].errback(OSError())
        for _ in range(4):
            self.take(Asking())
            self.assertNotEqual(failing, self.asked[-1][0])
        self.clock.advance(1.01)
        self.take(Asking())
        self.take(Asking())
        again = next(index for index in (-1, -2) if self.asked[index][0] == failing)
        self.asked[again][2].errback(OSError())
        member = next(one for one in self.cluster.members if one.endpoint == failing)
        self.assertAlmostEqual(self.clock.seconds() + 2.0, member.passed_over_until)
        self.clock.advance(2.01)
        while self.take(Asking()).member is not member:
            pass
        self.answer()
        self.assertEqual((0, 0.0), (member.failures, member.passed_over_until))

    def test_all_passed_over(self) -> None:
        """When none is good, one is tried all the same."""
        for _ in range(2):
            self.take(Asking())
            self.asked[-1][2].errback(OSError())
        self.assertIsInstance(self.take(Asking()), Attempt)

    def test_tried(self) -> None:
        """A second try goes elsewhere if there is an elsewhere."""
        first = self.take(Asking()).member
        for _ in range(5):
            self.assertIsNot(first, self.take(Asking(), tried=[first]).member)
        self.cluster.set_endpoints((first.endpoint,))
        self.assertIs(first, self.take(Asking(), tried=[first]).member)

    def test_cancel(self) -> None:
        """Giving up ends the attempt at the socket and the count, once, and tells the exchange nothing."""
        exchange = Asking()
        attempt = self.take(exchange)
        attempt.cancel()
        attempt.cancel()
        self.assertEqual((1, 0, []), (self.cancelled, self.cluster.active, exchange.told))

    def test_reuse(self) -> None:
        """The connection that was given back last is the next one's, if it has not waited too long."""
        self.cluster.set_endpoints((_A,))
        connection = self.given_back()
        self.assertIs(connection, self.take(Asking()))
        self.assertEqual(2, connection.uses)

    def given_back(self) -> Any:
        self.take(Asking())
        connection = self.answer()
        connection.exchange, connection.idle_since = None, self.clock.seconds()
        self.cluster.members[0].released(connection, True)
        return connection

    def test_too_old(self) -> None:
        """A request that can't be sent again asks for a fresh one: what has waited longer is not taken."""
        self.cluster.set_endpoints((_A,))
        self.given_back()
        self.clock.advance(2)
        self.assertIsInstance(self.take(Asking(), max_wait_s=1.0), Attempt)
        self.assertIsInstance(self.take(Asking(), max_wait_s=-1.0), Attempt)

    def test_lost_while_waiting(self) -> None:
        """A connection that the backend closed meanwhile is not handed out."""
        self.cluster.set_endpoints((_A,))
        connection = self.given_back()
        connection.transport.lost()
        self.assertIsInstance(self.take(Asking()), Attempt)
        self.assertEqual([], self.cluster.members[0].idle)

    def test_endpoints_change(self) -> None:
        """Endpoints that stay keep their connections and counts, those that go close what waits."""
        self.cluster.set_endpoints((_A,))
        stays = self.given_back()
        member = self.cluster.members[0]
        self.cluster.set_endpoints((_B, _A._replace(weight=5)))
        self.assertIs(member, self.cluster.members[1])
        self.assertEqual((5, [stays]), (member.weight, member.idle))
        self.cluster.set_endpoints((_B,))
        self.assertEqual("closed", stays.transport.closed)

    def test_back_to_one_that_went(self) -> None:
        """A connection that comes back to an endpoint that is gone is closed, not kept."""
        self.cluster.set_endpoints((_A,))
        self.take(Asking())
        connection, member = self.answer(), self.cluster.members[0]
        connection.exchange = None
        self.cluster.set_endpoints((_B,))
        member.released(connection, True)
        self.assertEqual("closed", connection.transport.closed)
        self.assertEqual(0, member.active)

    def test_twice_the_same(self) -> None:
        """An endpoint that a registry names twice is one."""
        self.cluster.set_endpoints((_A, _A._replace(weight=3)))
        self.assertEqual([3], [member.weight for member in self.cluster.members])
