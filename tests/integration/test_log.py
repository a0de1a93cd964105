"""The log and the metrics of the running gateway: rotated, full, stuck; and whether scrapers can read them."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from tests.integration.asking import Wire
from tests.integration.origins import Origin
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports


def lines_of(path: str) -> list[dict[str, Any]]:
    """A log file's lines; each has to be whole and JSON."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@on_both_transports
class LogTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin()
        self.addCleanup(self.behind.close)

    def config(self, access: str) -> str:
        """Logging there."""
        return (
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"log: {{access: {access}}}\nservices: {{web: {{endpoints: ['{self.behind.url}']}}}}\n"
            "routes: [{path: /*, service: web}]\n"
        )

    def ask(self, gateway: Gateway, *paths: str) -> list[int]:
        """The statuses of these requests, on one connection."""
        with Wire(gateway.port()) as wire:
            return [wire.get(path).status for path in paths]

    def logged(self, path: str, n: int) -> list[str]:
        """The paths of the requests in a log file, once there are n."""

        def there() -> list[str]:
            if not os.path.exists(path):
                return []
            found = [line["path"] for line in lines_of(path) if line["event"] == "request"]
            return found if len(found) >= n else []

        return list(eventually(f"{n} requests are logged in {path}", there))

    def test_rotation(self) -> None:
        """After a rename and SIGUSR1 the lines go to a new file; every request is in exactly one of the two."""
        gateway = self.gateway(self.config("access.log"))
        log = os.path.join(gateway.folder, "access.log")
        self.ask(gateway, "/1", "/2")
        self.logged(log, 2)
        os.rename(log, log + ".1")
        self.ask(gateway, "/3")
        self.assertEqual(self.logged(log + ".1", 3), ["/1", "/2", "/3"])
        os.kill(gateway.pid, signal.SIGUSR1)
        eventually("the file is there anew", lambda: os.path.exists(log))
        self.ask(gateway, "/4")
        self.assertEqual(self.logged(log, 1), ["/4"])
        self.assertEqual(self.logged(log + ".1", 3), ["/1", "/2", "/3"])

    def test_rotation_under_load(self) -> None:
        """Ten rotations under load lose no line and tear none."""
        gateway = self.gateway(self.config("access.log"))
        log = os.path.join(gateway.folder, "access.log")
        port = gateway.port()
        ended = threading.Event()
        asked: list[str] = []

        def load() -> None:
            with Wire(port) as wire:
                while not ended.is_set():
                    asked.append(f"/{len(asked)}")
                    wire.get(asked[-1])

        thread = threading.Thread(target=load)
        thread.start()
        files = []
        try:
            for number in range(10):
                eventually("requests are logged", lambda: os.path.exists(log) and os.path.getsize(log))
                files.append(f"{log}.{number}")
                os.rename(log, files[-1])
                os.kill(gateway.pid, signal.SIGUSR1)
        finally:
            ended.set()
            thread.join()
        self.assertEqual(gateway.stop(), 0)
        found = [line["path"] for file in (*files, log) if os.path.exists(file) for line in lines_of(file)
                 if line["event"] == "request"]  # fmt: skip
        self.assertEqual(found, asked)

    def test_other_file_by_reload(self) -> None:
        """`log.access` can be changed by a reload."""
        gateway = self.gateway(self.config("stdout"))
        self.ask(gateway, "/1")
        eventually("it is logged", lambda: gateway.lines("request"))
        self.assertEqual(gateway.reload(self.config("other.log")).returncode, 0)
        self.ask(gateway, "/2")
        self.assertEqual(self.logged(os.path.join(gateway.folder, "other.log"), 1), ["/2"])
        self.assertEqual([line["path"] for line in gateway.lines("request")], ["/1"])

    def test_full_disk(self) -> None:
        """A disk that is full costs no request; the lines are counted, /ready says so, and stderr once."""
        gateway = self.gateway(self.config("/dev/full"))
        for _ in range(3):
            self.assertEqual(self.ask(gateway, *["/a"] * 200), [200] * 200)
        eventually("/ready says so", lambda: [one for one in gateway.degraded() if "/dev/full" in one])
        eventually("lines are counted", lambda: gateway.metric("gateway_log_lines_dropped_total") >= 600)
        self.assertEqual(gateway.errors().count("/dev/full"), 1)
        self.assertEqual(gateway.reload(self.config("stdout")).returncode, 0)
        self.assertEqual(self.ask(gateway, "/b"), [200])
        told = eventually("the count is logged", lambda: [line for line in gateway.lines("log") if "dropped" in line])
        self.assertGreaterEqual(told[0]["dropped"], 600)

    def test_unwritable(self) -> None:
        """A log in a folder that is not there: requests are served, and /ready says why the log is silent."""
        gateway = self.gateway(self.config("absent/access.log"))
        self.assertEqual(self.ask(gateway, "/a"), [200])
        eventually("/ready says so", lambda: [one for one in gateway.degraded() if "absent/access.log" in one])

    def with_a_stuck_log(self) -> tuple[Gateway, int]:
        """A gateway that logs into a pipe, and the pipe's other end, which nobody reads until the test does."""
        gateway = self.gateway_to_start()
        pipe = os.path.join(gateway.folder, "pipe")
        os.mkfifo(pipe)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reading)
        gateway.start(self.config("pipe"), "--dev")
        return gateway, reading

    def test_stuck(self) -> None:
        """A pipe that nobody reads holds nobody up; lines are dropped in bounded memory, and counted in the log."""
        gateway, reading = self.with_a_stuck_log()
        path = "/" + "p" * 8000
        before = 0
        with Wire(gateway.port(), timeout_s=10) as wire:
            for number in range(1500):
                self.assertEqual(wire.get(path).status, 200)
                if number == 100:
                    before = gateway.memory()
        self.assertTrue(gateway.memory() - before < 24 << 20)
        dropped = eventually("lines are dropped", lambda: gateway.metric("gateway_log_lines_dropped_total"))
        text = b""

        def told() -> list[Any]:
            nonlocal text
            try:
                while piece := os.read(reading, 1 << 20):
                    text += piece
            except BlockingIOError:
                pass
            self.ask(gateway, "/more")
            return [line for line in text.splitlines() if b'"dropped":' in line]

        self.assertGreaterEqual(json.loads(eventually("the count is logged", told)[0])["dropped"], dropped)

    def test_stops_with_a_stuck_log(self) -> None:
        """SIGTERM ends a gateway whose log nobody reads."""
        gateway, _ = self.with_a_stuck_log()
        path = "/" + "p" * 8000
        self.assertEqual(set(self.ask(gateway, *[path] * 100)), {200})
        self.assertEqual(gateway.stop(), 0)

    def test_last_lines(self) -> None:
        """What was asked just before SIGTERM is in the log."""
        gateway = self.gateway(self.config("access.log"))
        log = os.path.join(gateway.folder, "access.log")
        self.ask(gateway, "/1", "/2", "/3")
        self.assertEqual(gateway.stop(), 0)
        self.assertEqual([line["path"] for line in lines_of(log) if line["event"] == "request"], ["/1", "/2", "/3"])

    def test_secrets(self) -> None:
        """Tokens, cookies and keys are in no line, nor in a metric."""
        gateway = self.gateway(self.config("stdout"))
        with Wire(gateway.port()) as wire:
            wire.get(
                "/a?access_token=s3cret-1&api_key=s3cret-2", "Authorization: Bearer s3cret-3", "Cookie: s=s3cret-4",
                "X-Api-Key: s3cret-5", "Referer: http://a/?token=s3cret-6",
            )  # fmt: skip
        eventually("it is logged", lambda: gateway.lines("request"))
        self.assertNotIn("s3cret", gateway.output() + gateway.errors() + gateway.admin("/metrics")[1])

    def test_hostile_text(self) -> None:
        """What clients send stays within one line of JSON."""
        gateway = self.gateway(self.config("stdout"))
        with Wire(gateway.port()) as wire:
            wire.get('/%22%2C%22status%22%3A500?x="},{', 'Host: a"b', 'User-Agent: "},{"event":"request"')
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /\xe2\x80\xa8\xff HTTP/1.1\r\nHost: a\r\n\r\n")
            wire.rest()
        eventually("both are logged", lambda: len(gateway.lines("request")) == 2)


@on_both_transports
class MetricsTests(GatewayCase):
    def setUp(self) -> None:
        behind = Origin()
        self.addCleanup(behind.close)
        self.running = self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\n"
            f"services: {{web: {{endpoints: ['{behind.url}']}}}}\n"
            "routes:\n- {path: /a, service: web, plugins: [rate-60ip]}\n"
            "- {path: /b/*, service: web, name: 'quo\"te\\ed'}\n"
            "- {path: /closed, service: web, plugins: [jwt]}\n"
        )

    def test_formats(self) -> None:
        """Both formats are read by their own parsers, and say the same."""
        with Wire(self.running.port()) as wire:
            for path, method in (("/a", "GET"), ("/b/1", "POST"), ("/closed", "GET"), ("/none", "GET"), ("/a", "BREW")):
                wire.get(path, "Content-Length: 0", method=method)
        status, text = self.running.admin("/metrics")
        self.assertEqual(status, 200)
        plain = {sample.name for family in prometheus_text(text) for sample in family.samples}
        _, text = self.running.admin("/metrics", "application/openmetrics-text; version=1.0.0")
        self.assertTrue(text.endswith("# EOF\n"))
        opened = {sample.name for family in openmetrics(text) for sample in family.samples}
        for name in (
            "gateway_requests_total", "gateway_request_duration_seconds_bucket",
            "gateway_upstream_duration_seconds_count",
            "gateway_request_bytes_total", "gateway_response_bytes_total", "gateway_connections",
            "gateway_limit_decisions_total", "gateway_upstream_endpoints", "gateway_config_reloads_total",
            "gateway_config_info", "gateway_config_signed", "gateway_worker_up", "gateway_reactor_lag_seconds",
        ):  # fmt: skip
            self.assertIn(name, plain)
            self.assertIn(name, opened)
        for parse, accept in ((prometheus_text, "*/*"), (openmetrics, "application/openmetrics-text; version=1.0.0")):
            families = parse(self.running.admin("/metrics", accept)[1])
            routes = {sample.labels.get("route") for family in families for sample in family.samples}
            self.assertIn('quo"te\\ed', routes)
        self.assertEqual(self.running.metric("gateway_config_signed"), 0)
        self.assertEqual(self.running.metric("gateway_worker_up", worker="0"), 1)

    def test_bounded(self) -> None:
        """Methods, paths and hosts of a client's invention make no new series."""
        with Wire(self.running.port()) as wire:
            wire.get("/none/0", "X: 1", method="M0")
            before = self.running.admin("/metrics")[1].count("\n")
            for number in range(1, 200):
                wire.get(f"/none/{number}", f"X-{number}: 1", method=f"M{number}")
        self.assertEqual(self.running.admin("/metrics")[1].count("\n"), before)

    def test_connections(self) -> None:
        """Open connections are counted, and those that have gone are not."""
        wires = [Wire(self.running.port()) for _ in range(5)]
        for wire in wires:
            wire.get("/a")
        self.assertEqual(self.running.metric("gateway_connections", listener="public"), 5)
        for wire in wires:
            wire.close()
        eventually("none is counted", lambda: self.running.metric("gateway_connections", listener="public") == 0)

    def test_not_on_the_data_port(self) -> None:
        """The admin pages are not reachable through a listener."""
        with Wire(self.running.port()) as wire:
            for path in ("/metrics", "/health", "/ready"):
                self.assertEqual(wire.get(path, f"X-Forwarded-Host: 127.0.0.1:{self.running.admin_port}").status, 404)
