"""The streams of a gateway that is put together without a socket."""

from __future__ import annotations

import os

from hmsgw.config.faults import Refused
from hmsgw.edge.connection import EdgeConnection
from hmsgw.generation import Candidate, candidate_of, snapshot_of
from hmsgw.status import status_of
from hmsgw.stream.connection import StreamConnection
from hmsgw.streams import services_of
from tests.assembled import LISTEN, GatewayCase

LISTENERS = LISTEN.replace("listeners: [", "listeners: [{name: raw, tls: off, address: 127.0.0.1, port: 1001}, ")
STREAMS = "streams: [{listener: raw, sni: a.gov, service: cics, plugins: [ip-filter]}, {listener: raw, service: users}]\n"
PLUGINS = "plugins: {ip-filter: {deny: [10.0.0.0/8]}}\n"


class StreamsTests(GatewayCase):
    def candidate(self, streams: str = STREAMS) -> Candidate:
        return self.read(PLUGINS + streams + "routes: [{path: /, service: users}]\n", LISTENERS)

    def kinds(self) -> dict[str, type]:
        return {door.name: type(self.gateway.streams.new_connection(door)) for door in self.gateway.listeners.doors}

    def test_by_listener(self) -> None:
        """A listener that a stream names carries streams, and counts them as such; any other HTTP."""
        self.gateway.apply(self.candidate())
        self.assertEqual({"public": EdgeConnection, "raw": StreamConnection}, self.kinds())
        self.assertIn(("raw", "tcp"), self.gateway.metrics.copy().connections)
        self.assertEqual({"users", "cics"}, set(self.gateway.clusters))
        self.gateway.apply(self.candidate(""))
        self.assertEqual({"public": EdgeConnection, "raw": EdgeConnection}, self.kinds())
        self.assertEqual({"users"}, set(self.gateway.clusters))

    def test_kept(self) -> None:
        """A reload keeps a stream's service, and the plugin in front of it."""
        self.gateway.apply(self.candidate())
        clusters, chains = self.gateway.clusters.copy(), self.gateway._chains
        self.gateway.apply(self.candidate(STREAMS.replace("a.gov", "b.gov")))
        self.assertEqual(clusters, self.gateway.clusters)
        self.assertIs(chains[-2].uses[0].plugin, self.gateway._chains[-2].uses[0].plugin)

    def test_faults(self) -> None:
        """A plugin that needs a request can't stand before a stream, under whatever name."""
        for use in ("rate-60ip", "jwt", "{headers: {request: {set: {a: b}}}}", "mine"):
            with self.assertRaises(Refused) as caught:
                self.read(
                    f"plugins: {{mine: {{plugin: respond}}}}\nstreams: [{{listener: raw, service: x, plugins: [{use}]}}]\n",
                    LISTENERS,
                )
            self.assertIn("needs a request, and a stream has only a client", str(caught.exception.faults[0]))

    def test_not_the_one_that_ships(self) -> None:
        """A drop-in of that name may want more than an address."""
        folder = os.path.join(self.folder, "plugins")
        os.makedirs(folder)
        with open(os.path.join(folder, "ip_filter.py"), "w") as file:
            file.write("def run(req):\n    return req.headers\n")
        with self.assertRaises(Refused) as caught:
            self.read("plugins: {ip-filter: {replaces: true}}\n" + STREAMS, LISTENERS)
        self.assertIn("a stream has only a client", str(caught.exception.faults[0]))

    def test_status(self) -> None:
        """`status` shows them, and which listener carries them."""
        self.gateway.apply(self.candidate())
        told = status_of(self.gateway)
        self.assertEqual({"raw": "tcp", "public": "http"}, {one["name"]: one["scheme"] for one in told["listeners"]})
        self.assertEqual(
            [("raw", ["a.gov"], "cics"), ("raw", [], "users")],
            [(one["listener"], one["sni"], one["service"]) for one in told["streams"]],
        )

    def test_services(self) -> None:
        """Each service once, that of a stream alone too."""
        self.assertEqual(["users", "cics"], services_of(self.candidate()))

    def test_snapshot(self) -> None:
        """A snapshot carries them."""
        candidate = self.candidate()
        self.assertEqual(candidate.config.streams, candidate_of(snapshot_of(candidate, dev=True), {}).config.streams)

    def test_metrics(self) -> None:
        """What a stream of before has counted is dropped with it."""
        self.gateway.apply(self.candidate())
        self.gateway.metrics.stream_ended("raw", "users", "", 1, 2)
        self.gateway.metrics.stream_ended("raw", "users", "", 1, 2)
        copy = self.gateway.metrics.copy()
        self.assertEqual({("raw", "users", ""): 2}, copy.streams)
        self.assertEqual({("raw", "users", "in"): 2, ("raw", "users", "out"): 4}, copy.stream_bytes)
        self.gateway.apply(self.candidate(""))
        self.assertEqual(({}, {}), (self.gateway.metrics.copy().streams, self.gateway.metrics.copy().stream_bytes))
