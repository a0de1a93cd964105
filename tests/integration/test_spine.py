"""The running gateway when its registry is late, gone, emptied, or talks nonsense."""

from __future__ import annotations

import os

from tests.integration.asking import Wire
from tests.integration.origins import Origin
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports
from tests.integration.spine import Spine


@on_both_transports
class SpineTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin()
        self.addCleanup(self.behind.close)
        self.port = free_port()

    def spine(self) -> Spine:
        """A registry that knows the service, where the gateway asks."""
        spine = Spine({"web": self.behind.port}, self.port)
        self.addCleanup(spine.origin.close)
        return spine

    def config(self, more: str = "") -> str:
        """One service of the registry."""
        return (
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"registry: {{kind: consul, url: 'http://127.0.0.1:{self.port}'}}\n"
            f"routes: [{{path: /*, service: web}}]\n{more}"
        )

    def status(self, gateway: Gateway) -> int:
        """Of one request."""
        with Wire(gateway.port()) as wire:
            return wire.get("/a").status

    def test_late(self) -> None:
        """Without a registry at start: ready but degraded, 503 no-endpoint; when it comes it is used."""
        gateway = self.gateway(self.config())
        self.assertTrue([one for one in gateway.degraded() if "web" in one or "registry" in one], gateway.degraded())
        with Wire(gateway.port()) as wire:
            answer = wire.get("/a")
        self.assertEqual((answer.status, answer.reason), (503, "no-endpoint"))
        self.spine()
        eventually("it is used", lambda: self.status(gateway) == 200)
        eventually("nothing is wrong any more", lambda: len(gateway.degraded()) == 1)

    def test_gone(self) -> None:
        """A registry that goes, or answers errors or nonsense, empties nothing; its age is seen in the metric."""
        spine = self.spine()
        gateway = self.gateway(self.config())
        self.assertEqual(self.status(gateway), 200)
        for broken in (
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Consul-Index: 9\r\nContent-Length: 6\r\n\r\n<html>",
            b"garbage\r\n\r\n",
        ):
            spine.broken = broken
            spine.register({"web": self.behind.port})
            seen = spine.origin.connections + len(spine.origin.got)
            eventually("it was asked", lambda: spine.origin.connections + len(spine.origin.got) > seen + 1)  # noqa: B023
            self.assertEqual(self.status(gateway), 200)
        spine.origin.close()
        eventually("it is said", lambda: len(gateway.degraded()) > 1)
        self.assertEqual(self.status(gateway), 200)
        self.assertGreater(gateway.metric("gateway_registry_age_seconds", service="web"), 0)

    def test_restart_without(self) -> None:
        """The last good answer serves a restart without the registry."""
        spine = self.spine()
        gateway = self.gateway(self.config())
        self.assertEqual(self.status(gateway), 200)
        self.assertEqual(gateway.stop(), 0)
        spine.origin.close()
        gateway.start(self.config(), "--dev")
        self.assertEqual(self.status(gateway), 200)

    def test_file(self) -> None:
        """A registry in a file is watched; a faulty one changes nothing."""
        gateway = self.gateway_to_start()
        other = Origin()
        self.addCleanup(other.close)
        gateway.write(f"web: ['{self.behind.url}']\n", "services.yaml")
        config = self.config().replace(
            f"kind: consul, url: 'http://127.0.0.1:{self.port}'", "kind: file, path: services.yaml"
        )
        gateway.start(config, "--dev")
        self.assertEqual(self.status(gateway), 200)
        gateway.write("web: [\n", "services.yaml")
        eventually("it is said", lambda: len(gateway.degraded()) > 1)
        self.assertEqual(self.status(gateway), 200)
        gateway.write(f"web: ['{other.url}']\n", "services.new")
        os.replace(os.path.join(gateway.folder, "services.new"), os.path.join(gateway.folder, "services.yaml"))
        eventually("the other is used", lambda: self.status(gateway) == 200 and other.got)

    def test_forbidden_addresses(self) -> None:
        """A registry can't make the gateway talk to itself: what was good is kept."""
        spine = self.spine()
        gateway = self.gateway(self.config())
        spine.register({"web": gateway.port()})
        asked = len(spine.origin.got)
        eventually("the answer has been seen", lambda: len(spine.origin.got) > asked)
        self.assertEqual([self.status(gateway) for _ in range(3)], [200] * 3)
        self.assertEqual([len(got.values("via")) for got in self.behind.got], [1] * 3)


@on_both_transports
class BoundTests(GatewayCase):
    def test_connections(self) -> None:
        """Beyond `limits.connections` a connection is refused, not queued; when one goes the next is served."""
        behind = Origin()
        self.addCleanup(behind.close)
        gateway = self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\nlimits: {connections: 5}\n"
            f"defaults: {{plugins: []}}\nservices: {{web: {{endpoints: ['{behind.url}']}}}}\n"
            "routes: [{path: /*, service: web}]\n"
        )
        port = gateway.port()
        wires = [Wire(port) for _ in range(5)]
        self.assertEqual([wire.get("/a").status for wire in wires], [200] * 5)
        with Wire(port) as sixth:
            self.assertIn(sixth.rest()[:12], (b"", b"HTTP/1.1 503"))
        self.assertEqual(wires[0].get("/a").status, 200)
        wires.pop().close()
        eventually("there is room", lambda: gateway.metric("gateway_connections", listener="public") == 4)
        with Wire(port) as wire:
            self.assertEqual(wire.get("/a").status, 200)
        for wire in wires:
            wire.close()

    def test_many_at_once(self) -> None:
        """Three hundred connections, each with a request that runs: every one is answered, no file stays open."""
        behind = Origin()
        self.addCleanup(behind.close)
        gateway = self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"services: {{web: {{endpoints: ['{behind.url}']}}}}\n"
            "routes: [{path: /*, service: web}]\n"
        )
        port, before = gateway.port(), gateway.files()
        wires = [Wire(port) for _ in range(300)]
        for number, wire in enumerate(wires):
            wire.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        bodies = [wire.answer().body for wire in wires]
        self.assertTrue(all(b'"/%d"' % number in body for number, body in enumerate(bodies)))
        for wire in wires:
            wire.close()
        behind.close()
        eventually("all are closed", lambda: gateway.files() <= before + 2)
