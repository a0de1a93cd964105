"""A client's connection that is passed on: from its first byte to its one end."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service
from hmsgw.deadlines import NEVER
from hmsgw.reasons import FORBIDDEN
from hmsgw.stream.connection import StreamConnection
from hmsgw.stream.table import SniTable, StreamEntry
from hmsgw.wire.proxy_protocol import read_proxy_header
from tests.stream.wires import Pipe, Stage
from tests.wire.test_client_hello import message, records, sni

HELLO = records(message(sni(b"cics.mainframe.gov")))


class Chain:
    """ip-filter, say."""

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict
        self.asked: list[str] = []

    def run(self, req: Any) -> Any:
        self.asked.append(req.client.host)
        return self.verdict


class Refusal:
    word = FORBIDDEN.word


class StreamCase(SynchronousTestCase):
    """stage: the door and the service. ended: (reason, bytes in, bytes out) of each connection that ended."""

    def arrange(self, *names: str, endpoints: int = 1, settings: Service | None = None, chain: Any = None,
                idle_s: float | None = 60.0, announces: bool = False, **limits: Any) -> None:  # fmt: skip
        self.stage = Stage(endpoints, settings, **limits)
        self.ended: list[tuple[str, int, int]] = []
        self.retried: list[str] = []
        entry = StreamEntry(
            name="s", service="cics", cluster=self.stage.cluster, chain=chain, connect=self.stage.connect, idle_s=idle_s,
            finished=lambda one: self.ended.append((one.reason, one.bytes_in, one.bytes_out)),
            count_retry=self.retried.append, config="c", announces=announces,
        )  # fmt: skip
        self.table = SniTable([(names, entry)])

    def client(self) -> Pipe:
        self.stream = StreamConnection(self.stage.door, self.table)
        return Pipe(self.stream)

    def tearDown(self) -> None:
        self.assertEqual((0, 0, set()), (self.stage.gauge.n, self.stage.crowd.n, self.stage.door.open))
        self.assertEqual((0, 0), (self.stage.cluster.active, self.stage.cluster.retrying))
        self.assertEqual(NEVER, self.stream.wake_s)


class PassingTests(StreamCase):
    """How it goes when it goes well."""

    def test_raw(self) -> None:
        """Without names nothing is waited for: the service is called at once, and may speak first."""
        self.arrange()
        client = self.client()
        self.assertFalse(client.reading)
        self.assertEqual((1, 1), (self.stage.gauge.n, self.stage.cluster.active))
        service = self.stage.answers()
        service.sends(b"hello ")
        client.sends(b"hi")
        self.assertEqual((b"hello ", b"hi"), (client.take(), service.take()))
        client.ends()
        service.sends(b"bye")
        service.ends()
        self.assertEqual((b"bye", [("", 2, 9)]), (client.take(), self.ended))

    def test_speaks_before_it_is_told(self) -> None:
        """A service that speaks, and goes, before the connection is reported as made is heard all the same."""
        self.arrange()
        client = self.client()
        _, factory, deferred = self.stage.attempts[0]
        protocol = factory()
        service = Pipe(protocol)
        service.sends(b"220 ready")
        service.ends()
        deferred.callback(protocol)
        self.assertEqual((b"220 ready", True), (client.take(), client.half_closed))
        client.ends()
        self.assertEqual([("", 0, 9)], self.ended)

    def test_by_name(self) -> None:
        """The ClientHello, in whatever pieces, goes on untouched, and so does what follows."""
        self.arrange("*.mainframe.gov")
        client = self.client()
        for byte in HELLO[:-1]:
            client.sends(bytes([byte]))
        self.assertEqual([], self.stage.attempts)
        client.sends(HELLO[-1:] + b"early")
        service = self.stage.answers()
        self.assertEqual(HELLO + b"early", service.take())
        self.assertTrue(client.reading)
        client.ends()
        service.ends()
        self.assertEqual([("", len(HELLO) + 5, 0)], self.ended)
        self.assertEqual("cics.mainframe.gov", self.stream.server_name)

    def test_one_more_chunk(self) -> None:
        """A chunk that comes although reading was paused is not lost."""
        self.arrange()
        client = self.client()
        client.reading = True
        client.sends(b"abc")
        service = self.stage.answers()
        self.assertEqual(b"abc", service.take())
        self.stream.abort()

    def test_begins_full(self) -> None:
        """A service that does not take what was held for it: the client is paused, until it does."""

        class Slow(Pipe):
            def write(self, data: bytes) -> None:
                super().write(data)
                self.producer.pauseProducing()

        self.arrange("*.mainframe.gov")
        client = self.client()
        client.sends(HELLO + b"much")
        service = Slow(self.stage.attempts[0][1]())
        self.assertEqual((HELLO + b"much", False), (service.take(), client.reading))
        service.producer.resumeProducing()
        self.assertTrue(client.reading)
        self.stream.abort()

    def test_said_it_all(self) -> None:
        """A client that has said everything before the service is there: it is told so, and answers."""
        self.arrange("*.mainframe.gov")
        client = self.client()
        client.sends(HELLO)
        client.ends()
        self.assertIsNone(client.closed)
        service = self.stage.answers()
        self.assertEqual((HELLO, True), (service.take(), service.half_closed))
        service.sends(b"bye")
        service.ends()
        self.assertEqual((b"bye", [("", len(HELLO), 3)]), (client.take(), self.ended))

    def test_announced(self) -> None:
        """The service is told who the client is, before anything else."""
        self.arrange(announces=True)
        client = self.client()
        service = self.stage.answers()
        client.sends(b"x")
        said = service.take()
        found = read_proxy_header(said)
        assert found is not None and found.source is not None
        self.assertEqual(("192.0.2.7", b"x"), (found.source[0], said[found.length :]))
        self.stream.abort()

    def test_may_not(self) -> None:
        """Who may not use it is not connected anywhere; who may is."""
        self.arrange(chain=Chain(Refusal))
        client = self.client()
        self.assertEqual(([], "closed", [("forbidden", 0, 0)]), (self.stage.attempts, client.closed, self.ended))
        self.arrange(chain=Chain(None))
        self.client()
        self.assertEqual(1, len(self.stage.attempts))
        self.stream.abort()


class RefusedTests(StreamCase):
    """Connections that reach no stream."""

    def refused(self, client: Pipe, reason: str, words: str) -> None:
        ((host, word, why),) = self.stage.told
        self.assertEqual(("192.0.2.7", reason), (host, word))
        self.assertIn(words, why)
        self.assertEqual(("aborted", [], []), (client.closed, self.stage.attempts, self.ended))

    def test_unknown(self) -> None:
        """A name that no stream has, no name, no TLS."""
        for data, words in ((HELLO, "for cics.mainframe.gov"), (records(message(None)), "names no server"), (b"GET /", "names no")):
            self.arrange("other.gov")
            client = self.client()
            client.sends(data)
            self.refused(client, "sni", words)

    def test_bad(self) -> None:
        """A ClientHello that can't be read in one way only."""
        self.arrange("*.mainframe.gov")
        client = self.client()
        client.sends(records(message(sni(b"a.mainframe.gov") + sni(b"b.mainframe.gov"))))
        self.refused(client, "sni", "twice")

    def test_bad_with_a_stream_for_the_rest(self) -> None:
        """That is no way into the stream for everything else."""
        self.arrange()
        self.table.peeks = True
        client = self.client()
        client.sends(b"\x16\x03\x01\x00\x00")
        self.refused(client, "sni", "length")

    def test_late(self) -> None:
        """A ClientHello that does not come has `deadlines.tls`."""
        self.arrange("a.gov")
        client = self.client()
        client.sends(HELLO[:50])
        self.stage.clock.pump([1.0] * 12)
        self.refused(client, "sni", "did not come within 10 s")

    def test_cut(self) -> None:
        """One that is cut off; a probe that says nothing is nobody's fault."""
        self.arrange("a.gov")
        client = self.client()
        client.sends(HELLO[:50])
        client.ends()
        self.refused(client, "sni", "ended within")
        self.arrange("a.gov")
        self.client().ends()
        self.assertEqual([], self.stage.told)

    def test_too_many(self) -> None:
        """No more connections than `limits.connections`."""
        self.arrange(connections=1)
        first = self.client()
        second = self.client()
        self.assertEqual(("aborted", None), (second.closed, first.closed))
        self.assertEqual("connections", self.stage.told[0][1])
        first.protocol.abort()


class ServiceTests(StreamCase):
    """Services that are not there, or go."""

    def test_no_endpoint(self) -> None:
        """None is known."""
        self.arrange(endpoints=0)
        client = self.client()
        self.assertEqual(("closed", [("no-endpoint", 0, 0)]), (client.closed, self.ended))

    def test_next_one(self) -> None:
        """One that can't be reached: the other is tried, and the first is passed over for a while."""
        self.arrange("*.mainframe.gov", endpoints=2)
        client = self.client()
        client.sends(HELLO)
        first = self.stage.attempts[0][0]
        self.stage.refuses()
        self.assertEqual((2, ["cics"], 1), (len(self.stage.attempts), self.retried, self.stage.cluster.retrying))
        self.assertNotEqual(first, self.stage.attempts[1][0])
        service = self.stage.answers()
        self.assertEqual((HELLO, 0), (service.take(), self.stage.cluster.retrying))
        self.assertGreater(next(one for one in self.stage.cluster.members if one.endpoint == first).passed_over_until, 1000)
        self.stream.abort()

    def test_none(self) -> None:
        """As many tries as the service has `retries`, then no more."""
        for settings, tries in ((Service(), 2), (Service(retries=Retries(attempts=0)), 1), (Service(retries=Retries(on=("reset",))), 1)):
            self.arrange(endpoints=3, settings=settings)
            client = self.client()
            for _ in range(tries):
                self.stage.refuses()
            self.assertEqual((tries, "closed"), (len(self.stage.attempts), client.closed))
            self.assertEqual([("upstream-connect", 0, 0)], self.ended)

    def test_client_goes_meanwhile(self) -> None:
        """A client that goes while the service is called: the call is given up."""
        self.arrange()
        client = self.client()
        client.resets()
        self.assertEqual((1, [("client-gone", 0, 0)]), (self.stage.cancelled, self.ended))

    def test_too_late(self) -> None:
        """A connection that is made although it was given up is closed."""
        self.arrange()
        client = self.client()
        _, factory, _ = self.stage.attempts[0]
        client.resets()
        self.assertEqual("aborted", Pipe(factory()).closed)

    def test_resets(self) -> None:
        """A reset of either end is the other's too, and is named by its side."""
        for which, reason in ((0, "client-gone"), (1, "upstream-reset")):
            self.arrange()
            client = self.client()
            both = (client, self.stage.answers())
            both[which].resets()
            self.assertEqual(([(reason, 0, 0)], "reset"), (self.ended, both[which].closed))
            self.assertIn(both[1 - which].closed, ("aborted", "closed"))


class EndTests(StreamCase):
    """Silence, ends that do not read, and the gateway's own end."""

    def test_silence(self) -> None:
        """Both are silent for too long; a byte of either keeps both."""
        self.arrange(idle_s=60.0)
        client = self.client()
        service = self.stage.answers()
        for side in (client, service, client):
            self.stage.clock.pump([1.0] * 55)
            self.assertIsNone(client.closed)
            side.sends(b"x")
        self.stage.clock.pump([1.0] * 76)
        self.assertEqual(("closed", "closed", [("idle", 2, 1)]), (client.closed, service.closed, self.ended))

    def test_silence_for_ever(self) -> None:
        """`idle: off`."""
        self.arrange(idle_s=None)
        client = self.client()
        self.stage.answers()
        self.stage.clock.pump([10.0] * 1000)
        self.assertIsNone(client.closed)
        client.ends()
        self.stream.abort()

    def test_drain(self) -> None:
        """A listener that closes: streams go on, who has said nothing goes; then the time is over."""
        self.arrange("*.mainframe.gov")
        silent = self.client()
        passing = self.client()
        passing.sends(HELLO)
        service = self.stage.answers()
        self.stage.door.drain()
        self.assertEqual(("closed", None), (silent.closed, passing.closed))
        late = self.client()
        self.assertEqual("closed", late.closed)
        passing.sends(b"more")
        self.assertEqual(HELLO + b"more", service.take())
        self.stage.door.stop_all()
        self.assertEqual(("closed", [("draining", len(HELLO) + 4, 0)]), (passing.closed, self.ended))

    def test_does_not_take(self) -> None:
        """An end that is to close and takes nothing is cut off; one that takes a little has its time again."""
        self.arrange(idle_s=None)
        client = self.client()
        service = self.stage.answers()
        client.loseConnection = lambda: None  # type: ignore[method-assign]
        client.unsent = 100
        service.ends()
        client.ends()
        self.assertEqual(("closed", None), (service.closed, client.closed))
        for left in (60, 30):
            self.stage.clock.pump([1.0] * 61)
            client.unsent = left
        self.assertIsNone(client.closed)
        self.stage.clock.pump([1.0] * 122)
        self.assertEqual(("aborted", [("", 0, 0)]), (client.closed, self.ended))
