"""The admin port, on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.admin import MAX_CONNECTIONS, AdminSite, Readiness
from hmsgw.telemetry.exposition import Build, Exposition
from hmsgw.telemetry.metrics import Metrics


class Transport(StringTransport):
    """Remembers that it was cut."""

    cut = False

    def abortConnection(self) -> None:
        self.cut = True

    loseConnection = abortConnection


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ")[1]) if raw else 0
        self.fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class AdminTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.readiness = Readiness(None)
        self.jobs: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.site = self.make(execute)

    def make(self, in_thread: Any) -> AdminSite:
        exposition = Exposition(Build("1.0", "26.10.0", "OpenSSL 3"), process=False)
        return AdminSite(self.clock, self.metrics, exposition, lambda: self.readiness, in_thread)

    def later(self, call: Callable[[], Any]) -> Deferred[Any]:
        """A thread that has not come to it yet."""
        done: Deferred[Any] = Deferred()
        self.jobs.append((call, done))
        return done

    def run_job(self) -> None:
        call, done = self.jobs.pop(0)
        done.callback(call())

    def connect(self) -> tuple[Any, Transport]:
        protocol: Any = self.site.buildProtocol(None)
        transport = Transport()
        protocol.makeConnection(transport)
        self.addCleanup(protocol.connectionLost, Failure(ConnectionDone()))
        return protocol, transport

    def ask(self, request: bytes) -> Answer:
        protocol, transport = self.connect()
        protocol.dataReceived(request)
        return Answer(transport.value())

    def get(self, path: str, method: str = "GET", fields: str = "") -> Answer:
        return self.ask(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())


class PagesTests(AdminTestCase):
    def test_health(self) -> None:
        """200 while the process lives, also when it should get no requests."""
        self.readiness = Readiness("draining")
        answer = self.get("/health")
        self.assertEqual((answer.status, answer.json), (200, {"status": "ok"}))

    def test_ready(self) -> None:
        """200 with what is degraded; 503 with the reason."""
        self.readiness = Readiness(None, ("unsigned",))
        answer = self.get("/ready")
        self.assertEqual((answer.status, answer.json), (200, {"ready": True, "degraded": ["unsigned"]}))
        self.readiness = Readiness("starting")
        answer = self.get("/ready")
        self.assertEqual((answer.status, answer.json), (503, {"ready": False, "reason": "starting"}))

    def test_metrics(self) -> None:
        """What was counted until now, in the format that is asked for."""
        self.metrics.route("/login", "identity").finished("GET", 200, "", 0, 0, 0)
        answer = self.get("/metrics?x=1")
        self.assertEqual(answer.status, 200)
        self.assertIn(b'gateway_requests_total{method="GET",reason="",route="/login"', answer.body)
        self.assertEqual(answer.fields[b"content-length"], b"%d" % len(answer.body))
        answer = self.get("/metrics", fields="Accept: application/openmetrics-text;version=1.0.0\r\n")
        self.assertTrue(answer.body.endswith(b"# EOF\n"))

    def test_head(self) -> None:
        """HEAD tells the length and sends nothing."""
        for path in ("/metrics", "/health", "/ready"):
            answer = self.get(path, "HEAD")
            self.assertEqual((answer.status, answer.body), (200, b""), path)
            self.assertGreater(int(answer.fields[b"content-length"]), 10)

    def test_nothing_else(self) -> None:
        """404 for other paths, 405 with Allow for other methods; no banner anywhere."""
        for path in ("/", "/metrics/", "/metrics/x", "//metrics", "/..", "*"):
            self.assertEqual(self.get(path).status, 404, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            answer = self.get("/metrics", method)
            self.assertEqual((answer.status, answer.fields[b"allow"]), (405, b"GET, HEAD"))
        for path in ("/", "/metrics", "/health"):
            self.assertNotIn(b"server", self.get(path).fields)

    def test_faults_are_not_told(self) -> None:
        """A fault in here is a 500 without details, and a line in the log."""
        self.readiness = None  # type: ignore[assignment]
        answer = self.get("/ready")
        self.assertEqual((answer.status, answer.body), (500, b"0\r\n\r\n" if answer.body else b""))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_rendering_fails(self) -> None:
        """A scrape that can't be rendered is a 500, and the next one is tried again."""
        self.metrics.read_lag = lambda: 1 / 0
        self.assertEqual(self.get("/metrics").status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.metrics.read_lag = float
        self.assertEqual(self.get("/metrics").status, 200)


class ScrapeTests(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.site = self.make(self.later)

    def test_one_at_a_time(self) -> None:
        """Fifty scrapes at once are two renderings: the one under way, and one that all others share."""
        stats = self.metrics.route("/login", "identity")
        stats.finished("GET", 200, "", 0, 0, 0)
        transports = []
        for _ in range(50):
            protocol, transport = self.connect()
            protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            transports.append(transport)
        stats.finished("GET", 200, "", 0, 0, 0)
        self.assertEqual(len(self.jobs), 1)
        self.run_job()
        self.assertEqual(len(self.jobs), 1)
        self.run_job()
        self.assertEqual(self.jobs, [])
        first, *others = (Answer(transport.value()).body for transport in transports)
        self.assertIn(b'service="identity",status="200"} 1.0', first)
        for body in others:
            self.assertIn(b'service="identity",status="200"} 2.0', body)

    def test_gone(self) -> None:
        """A scraper that has hung up is not answered, and nothing breaks."""
        protocol: Any = self.site.buildProtocol(None)
        transport = Transport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.run_job()
        self.assertEqual(transport.value(), b"")


class StrangerTests(AdminTestCase):
    def test_large_body(self) -> None:
        """A request with a large body, or one of unknown length, is cut off before the body comes."""
        for field in (b"Content-Length: 100000", b"Transfer-Encoding: chunked"):
            protocol, transport = self.connect()
            protocol.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n")
            self.assertTrue(transport.cut, field)

    def test_small_body(self) -> None:
        """A small one gets its answer."""
        answer = self.ask(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1")
        self.assertEqual(answer.status, 405)

    def test_long_head(self) -> None:
        """A head without end is refused, and the connection with it."""
        protocol, transport = self.connect()
        for _ in range(100):
            if not transport.cut:
                protocol.dataReceived(b"X: " + b"x" * 1000 + b"\r\n")
        self.assertTrue(transport.cut)

    def test_silence(self) -> None:
        """A connection on which nothing comes is closed after 30 s."""
        _, transport = self.connect()
        self.clock.advance(30)
        self.assertTrue(transport.cut)

    def test_connections(self) -> None:
        """Holding connections keeps nobody out: the oldest goes."""
        held = [self.connect() for _ in range(MAX_CONNECTIONS)]
        self.assertFalse(held[0][1].cut)
        self.assertEqual(self.get("/health").status, 200)
        self.assertTrue(held[0][1].cut)
        self.assertFalse(held[1][1].cut)
        self.assertLessEqual(len(self.site.open), MAX_CONNECTIONS)

    def test_connections_are_forgotten(self) -> None:
        """A connection that has ended does not count."""
        for _ in range(3):
            protocol: Any = self.site.buildProtocol(None)
            protocol.makeConnection(Transport())
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.site.open, {})
