"""The counters as Prometheus reads them.

Knows: every metric's name, labels and help text, and the two formats. Refuses to know: where numbers come from
(`metrics.py`) and who asks (`admin.py`). Strategy: one function from `Counted` to metric families; prometheus_client
writes them down. It takes about a second for 10,000 busy routes, so it runs in a thread, on a copy.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hmsgw.telemetry.histogram import Histogram
from hmsgw.telemetry.metrics import Counted

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"


class Build(NamedTuple):
    """What runs, for `gateway_build_info`."""

    version: str
    twisted: str
    openssl: str


class Exposition:
    """Renders what was counted. build: what runs. process: add what the kernel knows of this process (`/proc`)."""

    def __init__(self, build: Build, *, process: bool = True) -> None:
        self._build = build
        self._process = process

    def render(self, counted: Counted, accept: str | None) -> tuple[str, bytes]:
        """(content type, body). accept: the `Accept` field; OpenMetrics when it asks for that. For a thread."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(lambda: families(counted, self._build)))
        if self._process:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        # Only one thing is read of the field: prometheus_client raises over versions that are none.
        encode, content_type = choose_encoder(_OPENMETRICS if "application/openmetrics-text" in (accept or "") else "")
        return content_type, encode(registry)


class _Families(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def families(counted: Counted, build: Build) -> Iterator[Metric]:
    """Everything of the contract's section 9, and what the gateway knows of itself besides."""
    yield from _of_routes(counted)
    yield from _of_services(counted)
    yield from _of_streams(counted)
    yield from _of_registry(counted)
    yield from _of_plugins(counted)
    yield from _of_configuration(counted)
    yield from _of_process(counted, build)


def _of_routes(counted: Counted) -> Iterator[Metric]:
    labels = ["route", "service"]
    requests = CounterMetricFamily(
        "gateway_requests",
        "Requests that ended. reason: why the gateway answered itself or gave up, empty when it did not.",
        labels=[*labels, "method", "status", "reason"],
    )
    calls = CounterMetricFamily(
        "gateway_grpc_calls", "gRPC calls that ended, by what their callers were told.", labels=[*labels, "grpc_status"]
    )
    duration = HistogramMetricFamily(
        "gateway_request_duration_seconds", "From a request's head to its answer's last byte.", labels=labels
    )
    bytes_in = CounterMetricFamily("gateway_request_bytes", "Bytes of request bodies.", labels=labels)
    bytes_out = CounterMetricFamily("gateway_response_bytes", "Bytes of answers' bodies.", labels=labels)
    for key, stats in counted.routes.items():
        for series, count in stats.requests.items():
            requests.add_metric([*key, *series], count)
        for status, count in stats.calls.items():
            calls.add_metric([*key, status], count)
        _add_histogram(duration, [*key], stats.duration)
        bytes_in.add_metric([*key], stats.bytes_in)
        bytes_out.add_metric([*key], stats.bytes_out)
    yield requests
    yield calls
    yield duration
    yield bytes_in
    yield bytes_out


def _of_services(counted: Counted) -> Iterator[Metric]:
    duration = HistogramMetricFamily(
        "gateway_upstream_duration_seconds", "What of a request's duration its upstream took.", labels=["service"]
    )
    retries = CounterMetricFamily("gateway_upstream_retries", "Requests that were sent again.", labels=["service"])
    for name, stats in counted.services.items():
        _add_histogram(duration, [name], stats.duration)
        retries.add_metric([name], stats.retries)
    yield duration
    yield retries
    yield _gauge(
        "gateway_upstream_endpoints", "Known endpoints, by state.", ["service", "state"], counted.endpoints.items()
    )


def _of_streams(counted: Counted) -> Iterator[Metric]:
    yield _counter(
        "gateway_streams",
        "Connections of streams that ended. reason: why, empty when both ends had enough.",
        ["stream", "service", "reason"],
        counted.streams.items(),
    )
    yield _counter(
        "gateway_stream_bytes",
        "Bytes of streams that ended. direction: in is from the client.",
        ["stream", "service", "direction"],
        counted.stream_bytes.items(),
    )


def _of_registry(counted: Counted) -> Iterator[Metric]:
    yield _gauge(
        "gateway_registry_age_seconds",
        "Since the registry last gave a good answer about the service.",
        ["service"],
        (((name,), age_s) for name, age_s in counted.registry_ages_s.items()),
    )


def _of_plugins(counted: Counted) -> Iterator[Metric]:
    yield _counter(
        "gateway_limit_decisions",
        "What limits decided: allowed, refused, or in shadow mode what they would have refused.",
        ["plugin", "decision"],
        counted.limit_decisions.items(),
    )
    yield _counter(
        "gateway_plugin_errors",
        "Times that a plugin raised something unforeseen, or passed its deadline.",
        ["plugin"],
        (((name,), count) for name, count in counted.plugin_errors.items()),
    )


def _of_configuration(counted: Counted) -> Iterator[Metric]:
    yield _counter(
        "gateway_config_reloads",
        "Reloads, by how they ended.",
        ["outcome"],
        (((outcome,), count) for outcome, count in counted.reloads.items()),
    )
    serial, digest = counted.config
    config = InfoMetricFamily("gateway_config", "The configuration that decides.")
    config.add_metric([], {"serial": serial, "digest": digest})
    yield config
    yield _gauge("gateway_config_signed", "1 when it is signed and verified, else 0.", [], [((), counted.signed)])


def _of_process(counted: Counted, build: Build) -> Iterator[Metric]:
    yield _gauge(
        "gateway_connections", "Open connections of clients.", ["listener", "protocol"], counted.connections.items()
    )
    yield _counter(
        "gateway_connections_refused",
        "Connections that were not let in, by why.",
        ["listener", "reason"],
        counted.refused.items(),
    )
    yield _gauge(
        "gateway_certificate_expiry_seconds",
        "Until a listener's certificate ends; negative once it has.",
        ["listener", "certificate"],
        counted.certificates_s.items(),
    )
    yield _gauge(
        "gateway_worker_up",
        "1 for a worker that serves.",
        ["worker"],
        (((worker,), up) for worker, up in counted.workers.items()),
    )
    yield _gauge(
        "gateway_reactor_lag_seconds", "By how much a timer was late, at most, in 15 s.", [], [((), counted.lag_s)]
    )
    yield _counter(
        "gateway_log_lines_dropped",
        "Log lines that the log's target did not take.",
        [],
        [((), counted.lines_dropped)],
    )
    info = InfoMetricFamily("gateway_build", "What runs.")
    info.add_metric([], {**build._asdict(), "python": platform.python_version()})
    yield info


_Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, labels: list[str], samples: _Samples) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: list[str], samples: _Samples) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _add_histogram(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    family.add_metric(labels, histogram.cumulated(), histogram.sum_s)
