"""From a file to a generation of the data plane."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.tools import Tools
from hmsgw.config.faults import Refused
from hmsgw.config.model import Service
from hmsgw.config.snapshot import decode, encode
from hmsgw.deadlines import Deadlines
from hmsgw.generation import Candidate, Parts, build_plane, candidate_of, read_candidate, snapshot_of
from hmsgw.limits.memory import Counters
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.router import NotMatched
from hmsgw.transport.selfsigned import self_signed
from tests.walks.walk import Stats


class Cluster:
    """As much of a cluster as an entry reads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.settings = Service()


class GenerationTests(SynchronousTestCase):
    """`read_candidate`, `snapshot_of`, `candidate_of`, `build_plane`."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.made = 0

    def certificate(self) -> tuple[bytes, bytes]:
        self.made += 1
        return self_signed(self.folder)

    def read(self, text: str | None, port: int = 0) -> Candidate:
        path = None
        if text is not None:
            path = os.path.join(self.folder, "routes.yaml")
            with open(path, "w") as file:
                file.write(text)
        return read_candidate(
            path, port=port, dev=True, environ={}, state_dir=self.folder, self_signed=self.certificate, previous=None
        )

    def parts(self, stats: dict[tuple[str, str], Stats], **how: Any) -> Parts:
        clock = Clock()

        def tools(candidate: Candidate, previous: Any) -> Tools:
            return Tools(
                clock=clock, seconds=clock.seconds, wall=clock.seconds, counters=Counters(), key_set=lambda url: None,
                bundle=candidate.bundle, count_decision=lambda plugin, decision: None,
            )  # fmt: skip

        return Parts(
            deadlines=Deadlines(clock, clock.seconds), seconds=clock.seconds, wall=clock.seconds, cluster=Cluster,
            route_stats=lambda route, service: stats.setdefault((route, service), Stats()),
            service_stats=lambda service: None, finished=lambda exchange: None, count_retry=lambda service: None,
            tools=tools, **how,
        )  # fmt: skip

    def test_nothing_given(self) -> None:
        """Without a file there is one TLS listener on --port, no route, and a certificate of our own."""
        candidate = self.read(None, port=8443)
        (listener,) = candidate.listeners
        self.assertEqual(("public", 8443, 1), (listener.name, listener.port, self.made))
        self.assertIsNotNone(candidate.server_tls["public"])

    def test_all_faults(self) -> None:
        """A faulty certificate does not hide the fault of a plugin."""
        for name in ("a.pem", "a.key"):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write("nothing")
        with self.assertRaises(Refused) as caught:
            self.read(
                "listeners: [{tls: {certificates: [{certificate: a.pem, key: a.key}]}}]\n"
                "services: {s: {tls: {ca: a.pem}}}\nroutes: [{path: /, service: s, plugins: [nope]}]\n"
            )
        self.assertEqual([fault.where.line for fault in caught.exception.faults], [1, 2, 3])

    def test_calls_without_http2(self) -> None:
        """grpc-web before a service that is never spoken to in HTTP/2 is a fault at the plugin."""
        for service, words in (
            ("protocol: http/1.1", "`protocol: http/1.1`"), ("proxy_protocol: v2", "`proxy_protocol`"),
        ):  # fmt: skip
            with self.assertRaises(Refused) as caught:
                self.read(
                    f"services: {{s: {{endpoints: ['http://a'], {service}}}}}\n"
                    "routes: [{path: /, service: s, plugins: [grpc-web]}, {path: /b, service: s}]\n"
                )
            (fault,) = caught.exception.faults
            self.assertIn("routes.yaml:2:", str(fault))
            self.assertIn(f"gRPC needs HTTP/2, and service s has {words}", str(fault))
        self.read("services: {s: {endpoints: ['http://a']}}\nroutes: [{path: /, service: s, plugins: [grpc-web]}]\n")

    def test_no_certificate_unless_needed(self) -> None:
        """A gateway that only speaks plain HTTP makes no certificate."""
        candidate = self.read("listeners: [{name: inside, tls: off}]\n")
        self.assertEqual((0, None), (self.made, candidate.server_tls["inside"]))

    def test_digest(self) -> None:
        """The digest is of what was written, not of what this host made: two hosts show the same one."""
        first = self.read("routes: [{path: /a, service: s}]\n")
        for name in ("self-signed.pem", "self-signed.key"):
            os.remove(os.path.join(self.folder, name))
        again = self.read("routes: [{path: /a, service: s}]\n")
        self.assertNotEqual(first.bundle.files, again.bundle.files)
        self.assertEqual(first.digest, again.digest)
        self.assertNotEqual(first.digest, self.read("routes: [{path: /b, service: s}]\n").digest)

    def test_faulty_certificate(self) -> None:
        """A certificate that can't be used is a fault with its place, found before anything changes."""
        for name in ("a.pem", "a.key"):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write("nonsense")
        os.chmod(os.path.join(self.folder, "a.key"), 0o600)
        error = self.assertRaises(
            Refused, self.read, "listeners:\n  - tls: {certificates: [{certificate: a.pem, key: a.key}]}\n"
        )
        self.assertIn("routes.yaml:2:", str(error.faults[0]))

    def test_there_and_back(self) -> None:
        """Through bytes and back: the same configuration, files, digest and listeners, without a disk."""
        candidate = self.read("routes: [{path: /a, service: s, plugins: [rate-5ip]}]\n", port=8443)
        encoded = encode(snapshot_of(candidate, dev=True))
        again = candidate_of(decode(encoded), {})
        for name in ("path", "digest", "listeners", "upstream_tls"):
            self.assertEqual(getattr(candidate, name), getattr(again, name), name)
        self.assertEqual(candidate.bundle.files, again.bundle.files)
        self.assertEqual(candidate.config.routes, again.config.routes)
        self.assertEqual(encoded, encode(snapshot_of(again, dev=True)))

    def test_plane(self) -> None:
        """A plane has an entry a route, with chain, cluster and counters; what matches none has counters too."""
        stats: dict[tuple[str, str], Stats] = {}
        candidate = self.read(
            "defaults: {plugins: []}\n"
            "listeners: [{tls: off, trusted_proxies: [10.0.0.0/8]}, {name: other, port: 1, tls: off}]\n"
            "routes:\n  - {path: /a, service: s}\n  - {path: /b, plugins: [{respond: {status: 204}}]}\n"
        )
        plane, chains = build_plane(candidate, self.parts(stats), [])
        served, answered = plane.router.match("h", "/a", "GET", []), plane.router.match("h", "/b", "GET", [])
        assert isinstance(served, Entry) and isinstance(answered, Entry)
        self.assertEqual(("s", None), (served.cluster.name, answered.cluster))
        self.assertIsNone(served.chain)
        self.assertIs(chains[1], answered.chain)
        self.assertIsInstance(plane.router.match("h", "/c", "GET", []), NotMatched)
        self.assertEqual({("/a", "s"), ("/b", ""), ("", "")}, set(stats))
        self.assertIs(stats["", ""], plane.unrouted.stats)
        self.assertEqual(["public"], list(plane.trusted))
        self.assertRegex(plane.config, r"\A[0-9a-f]{12}\Z")
