"""How a running gateway ends, and what keeps one from starting."""

from __future__ import annotations

import os
import re
import signal
import subprocess

from tests.integration.asking import Wire
from tests.integration.origins import HeldOrigin
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports


@on_both_transports
class DrainTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = HeldOrigin()
        self.addCleanup(self.behind.close)

    def config(self, more: str = "") -> str:
        """Everything goes to the one service."""
        return (
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"services: {{web: {{endpoints: ['{self.behind.url}']}}}}\nroutes: [{{path: /*, service: web}}]\n{more}"
        )

    def slow_request(self, gateway: Gateway) -> Wire:
        """A connection whose request runs."""
        wire = Wire(gateway.port())
        self.addCleanup(wire.close)
        wire.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually("it runs", lambda: b"/slow" in self.behind.raw)
        return wire

    def test_finishes_what_runs(self) -> None:
        """SIGTERM: nobody new, /ready 503, what runs is answered and told to close, idle connections close, exit 0."""
        gateway = self.gateway(self.config())
        port = gateway.port()
        with Wire(port) as idle:
            self.assertEqual(idle.get("/a").status, 200)
            wire = self.slow_request(gateway)
            os.kill(gateway.pid, signal.SIGTERM)
            self.assertEqual(idle.rest(), b"")
        eventually("/ready says no", lambda: gateway.admin("/ready")[0] == 503)
        self.assertEqual(gateway.admin("/health")[0], 200)
        self.assertIn("draining", gateway.admin("/ready")[1])
        with self.assertRaises(ConnectionRefusedError):
            Wire(port)
        self.behind.held.set()
        answer = wire.answer()
        self.assertEqual((answer.status, answer.field("connection")), (200, "close"))
        self.assertEqual(wire.rest(), b"")
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)
        self.assertEqual([line["status"] for line in gateway.lines("request")], [200, 200])
        self.assertIn('"stopped"', gateway.output().splitlines()[-1])

    def test_not_for_ever(self) -> None:
        """What still runs when `deadlines.shutdown` is over is told so, logged, and the exit code is 0."""
        gateway = self.gateway(self.config("deadlines: {shutdown: 500ms}\n"))
        wire = self.slow_request(gateway)
        self.assertEqual(gateway.stop(patience_s=8), 0)
        answer = wire.answer()
        self.assertEqual((answer.status, answer.reason, answer.field("connection")), (503, "draining", "close"))
        self.assertEqual(wire.rest(), b"")
        self.assertEqual([(line["status"], line["reason"]) for line in gateway.lines("request")], [(503, "draining")])

    def test_no_trace(self) -> None:
        """After the end the control socket is gone or dead, and the same state directory starts anew."""
        gateway = self.gateway(self.config())
        self.assertEqual(gateway.stop(), 0)
        refused = gateway.command("status")
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(len(refused.stderr.strip().splitlines()), 1)
        gateway.start(self.config(), "--dev")
        self.assertEqual(gateway.command("status").returncode, 0)

    def test_reload_while_draining(self) -> None:
        """A reload in the last moments is refused or done, and never keeps the gateway alive."""
        gateway = self.gateway(self.config())
        self.slow_request(gateway)
        os.kill(gateway.pid, signal.SIGTERM)
        eventually("it drains", lambda: gateway.admin("/ready")[0] == 503)
        self.assertIn(gateway.reload(self.config("# changed\n")).returncode, (0, 1))
        os.kill(gateway.pid, signal.SIGHUP)
        self.behind.held.set()
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)


@on_both_transports
class StartTests(GatewayCase):
    def ended(self, gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
        """A start that has to end by itself."""
        return gateway.command("start", "--dev", "--admin-port", "0", *words)

    def test_faulty(self) -> None:
        """A faulty configuration is 78, its faults at once, each FILE:LINE:COLUMN, and no traceback."""
        gateway = self.gateway_to_start()
        for text, places in (
            (
                "routes:\n- {path: a, service: web}\n- {path: /b, service: web, odd: 1}\nodd: 1\n",
                ["2:10", "3:28", "4:1"],
            ),
            ("routes:\n- {path: /b}\n- {path: /c, service: w, plugins: [nonsense]}\n", ["2:3", "3:36"]),
            ("routes: [\n", ["2:1"]),
        ):
            gateway.write(text)
            ended = self.ended(gateway, "--config", gateway.config)
            self.assertEqual(ended.returncode, 78)
            found = [re.match(r"\S*/routes\.yaml:(\d+:\d+): ", line) for line in ended.stderr.strip().splitlines()]
            self.assertEqual([one and one[1] for one in found], places)

    def test_later(self) -> None:
        """What a later version brings is refused with the words of the contract."""
        gateway = self.gateway_to_start()
        for words, code in ((["--trust", "x"], 2), (["--workers", "2"], 2), (["--port", "70000"], 2)):
            ended = self.ended(gateway, *words)
            self.assertEqual((words, ended.returncode), (words, code))
            self.assertEqual(len(ended.stderr.strip().splitlines()), 1)
        gateway.write("routes: []\nregistry: {kind: dns}\n")
        ended = self.ended(gateway, "--config", gateway.config)
        self.assertEqual(ended.returncode, 78)
        self.assertIn("not in this version", ended.stderr)
