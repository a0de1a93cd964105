"""gRPC calls on HTTP/2 connections to backends, without a socket: whose silence counts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service, Timeouts
from tests.walks.h2_client import H2Client
from tests.walks.h2_server import H2Server
from tests.walks.walk import Walk

GRPC = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
MESSAGE = b"\0\0\0\0\1a"
_HOUR_S = 3600


class CallTests(SynchronousTestCase):
    """A call whose client keeps its half open."""

    def setUp(self) -> None:
        self.begin(Service(protocol="h2c"))

    def begin(self, service: Service) -> None:
        self.walk = Walk(service=service)
        self.client = H2Client(self.walk)
        self.number = self.client.request(b"/s/Watch", b"POST", *GRPC, ended=False)
        self.server = H2Server(self.walk, self.walk.upstream)
        self.up = self.server.last
        self.client.send(self.number, MESSAGE)
        self.server.pump()

    def said(self) -> None:
        """The backend says something more."""
        self.server.data(self.up, MESSAGE)
        self.client.pump()

    def passes(self, seconds: float) -> None:
        self.walk.clock.pump([10.0] * int(seconds / 10))
        self.client.pump()

    def test_listens_for_days(self) -> None:
        """A client that listens may say nothing for as long as the backend speaks, and still speak then."""
        self.passes(_HOUR_S / 2)
        self.server.head(self.up, GRPC[0])
        for _ in range(4):
            self.passes(_HOUR_S / 2)
            self.said()
        self.assertEqual([], self.walk.records)
        self.client.send(self.number, MESSAGE, ended=True)
        self.server.pump()
        self.assertEqual((2 * MESSAGE, True), (self.server.asked[self.up].body, self.server.asked[self.up].whole))
        self.server.trailers(self.up, (b"grpc-status", b"0"))
        self.client.pump()
        self.assertEqual(4 * MESSAGE, self.client.got[self.number].body)
        self.assertEqual([("POST", "/s/Watch", 200, "")], self.walk.records)

    def test_client_alone_speaks(self) -> None:
        """What the client says counts as much."""
        for _ in range(4):
            self.passes(_HOUR_S / 2)
            self.client.send(self.number, MESSAGE)
        self.assertEqual([], self.walk.records)

    def test_both_say_nothing(self) -> None:
        """For `idle`, an hour unless the service names it: the call ends as one whose time is over."""
        for service, seconds in (
            (Service(protocol="h2c"), _HOUR_S),
            (Service(protocol="h2c", timeouts=Timeouts(idle=30.0), retries=Retries(attempts=0)), 30),
        ):
            for answered in (False, True):
                self.begin(service)
                if answered:
                    self.server.head(self.up, GRPC[0])
                self.passes(seconds - 10)
                self.assertEqual([], self.walk.records)
                self.passes(20)
                got = self.client.got[self.number]
                self.assertEqual(b"4", (got.trailers or got.fields)[b"grpc-status"])
                self.assertEqual(["upstream-timeout"], [reason for *_, reason in self.walk.records])
                self.assertIn("Neither side of the call", self.walk.finished[0].upstream_fault)
                self.assertEqual(0, self.walk.cluster.active)

    def test_window_shut_meanwhile(self) -> None:
        """A client that is slow to read for a while is not asked for a body afterwards."""
        self.client = H2Client(self.walk, window=4, take=False)
        self.number = self.client.request(b"/s/Watch", b"POST", *GRPC, ended=False)
        self.server.pump()
        self.up = self.server.last
        self.server.head(self.up, GRPC[0])
        self.said()
        self.passes(30)
        self.client.session.acknowledge_received_data(4, self.number)
        self.client.pump()
        self.assertEqual(MESSAGE, self.client.got[self.number].body)
        self.passes(100)
        self.assertEqual([], self.walk.records)

    def test_client_goes(self) -> None:
        """A call whose client is gone ends at both sides."""
        self.client.wire.lost()
        self.server.pump()
        self.assertEqual(8, self.server.asked[self.up].ended)
        self.assertEqual((0, "client-gone"), (self.walk.cluster.active, self.walk.records[0][3]))


class UploadTests(SynchronousTestCase):
    """What is no call."""

    def test_slow_upload(self) -> None:
        """Is timed as ever."""
        walk = Walk(service=Service(protocol="h2c"))
        client = H2Client(walk)
        number = client.request(b"/a", b"POST", ended=False)
        server = H2Server(walk, walk.upstream)
        server.head(server.last)
        walk.passes(62)
        client.pump()
        self.assertEqual("request-timeout", walk.records[0][3])
        self.assertEqual(2, client.got[number].ended)
