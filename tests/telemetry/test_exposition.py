"""Names, labels and formats, read back by Prometheus' own parsers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.exposition import Build, Exposition
from hmsgw.telemetry.metrics import Metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

#: The contract, section 9: sample name -> labels.
NAMES = {
    "gateway_requests_total": {"route", "service", "method", "status", "reason"},
    "gateway_grpc_calls_total": {"route", "service", "grpc_status"},
    "gateway_request_duration_seconds_bucket": {"route", "service", "le"},
    "gateway_request_duration_seconds_count": {"route", "service"},
    "gateway_request_duration_seconds_sum": {"route", "service"},
    "gateway_upstream_duration_seconds_bucket": {"service", "le"},
    "gateway_request_bytes_total": {"route", "service"},
    "gateway_response_bytes_total": {"route", "service"},
    "gateway_connections": {"listener", "protocol"},
    "gateway_limit_decisions_total": {"plugin", "decision"},
    "gateway_upstream_endpoints": {"service", "state"},
    "gateway_registry_age_seconds": {"service"},
    "gateway_config_reloads_total": {"outcome"},
    "gateway_config_info": {"serial", "digest"},
    "gateway_config_signed": set(),
    "gateway_worker_up": {"worker"},
    "gateway_reactor_lag_seconds": set(),
    "gateway_build_info": {"version", "python", "twisted", "openssl"},
    "gateway_log_lines_dropped_total": set(),
    "gateway_plugin_errors_total": {"plugin"},
    "gateway_upstream_retries_total": {"service"},
}


def busy() -> Metrics:
    metrics = Metrics(
        read_endpoints=lambda: {("clinics", "up"): 2}, read_ages=lambda: {"clinics": 1.5}, read_lag=lambda: 0.25
    )
    metrics.route("/clinics/*", "clinics").finished("GET", 200, "", 0.02, 5, 51)
    metrics.route("/clinics/*", "clinics").call_ended(9)
    metrics.route("", "").finished("GET", 404, "no-route", 0.001, 0, 100)
    metrics.service("clinics").upstream_s(0.015)
    metrics.connections("public", "http/1.1").n = 3
    metrics.count_decision("rate-60ip", "allowed")
    metrics.count_decision("header-gpo", "error")
    metrics.config_serves(42, "sha256:ab", signed=False)
    return metrics


class ExpositionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.exposition = Exposition(Build("1.0", "26.10.0", "OpenSSL 3"), process=False)

    def samples(self, parse: Any, text: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for family in parse(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample)
        return found

    def test_every_name_with_its_labels(self) -> None:
        """Both formats hold every pinned name with exactly its labels."""
        for accept, parse in ((None, parse_plain), (OPENMETRICS, parse_openmetrics)):
            _, body = self.exposition.render(busy().copy(), accept)
            samples = self.samples(parse, body.decode())
            for name, labels in NAMES.items():
                self.assertIn(name, samples)
                for sample in samples[name]:
                    self.assertEqual(set(sample.labels), labels, name)

    def test_as_the_tutorial_greps_it(self) -> None:
        """The line that the tutorial looks for."""
        _, body = self.exposition.render(busy().copy(), None)
        lines = body.decode().splitlines()
        self.assertIn(
            'gateway_requests_total{method="GET",reason="",route="/clinics/*",service="clinics",status="200"} 1.0',
            lines,
        )
        self.assertIn("gateway_config_signed 0.0", lines)
        self.assertIn('gateway_worker_up{worker="0"} 1.0', lines)
        self.assertIn('gateway_config_info{digest="sha256:ab",serial="42"} 1.0', lines)

    def test_content_types(self) -> None:
        """OpenMetrics for those that ask for it, with its end mark; plain text for all others, nonsense included."""
        for accept in (OPENMETRICS, "application/openmetrics-text", "application/openmetrics-text;version=x.y"):
            content_type, body = self.exposition.render(busy().copy(), accept)
            self.assertTrue(content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8"))
            self.assertTrue(body.endswith(b"# EOF\n"))
        for accept in (None, "", "*/*", "text/html", "," * 1000, "\0;;=="):
            content_type, body = self.exposition.render(busy().copy(), accept)
            self.assertTrue(content_type.startswith("text/plain; version=0.0.4"), accept)
            self.assertNotIn(b"# EOF", body)

    def test_histograms_add_up(self) -> None:
        """Buckets cumulate, and +Inf is the count."""
        samples = self.samples(parse_plain, self.exposition.render(busy().copy(), None)[1].decode())
        buckets = {
            s.labels["le"]: s.value
            for s in samples["gateway_request_duration_seconds_bucket"]
            if s.labels["route"] == "/clinics/*"
        }
        self.assertEqual((buckets["0.01"], buckets["0.025"], buckets["+Inf"]), (0, 1, 1))

    @given(st.text(), st.text())
    def test_any_label(self, route: str, service: str) -> None:
        """Whatever text a route has for a name, the exposition is valid and gives it back."""
        metrics = Metrics()
        metrics.route(route, service).finished("GET", 200, "", 0, 0, 0)
        _, body = self.exposition.render(metrics.copy(), OPENMETRICS)
        sample = self.samples(parse_openmetrics, body.decode())["gateway_requests_total"][0]
        self.assertEqual((sample.labels["route"], sample.labels["service"]), (route, service))

    def test_process(self) -> None:
        """With `process`, what the kernel knows of it and which Python runs are there too."""
        _, body = Exposition(Build("1.0", "26.10.0", "OpenSSL 3")).render(Metrics().copy(), None)
        self.assertIn("process_resident_memory_bytes", body.decode())
        self.assertIn("python_info", body.decode())
