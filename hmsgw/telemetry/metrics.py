"""What the gateway counts, while it counts.

Knows: every number behind `/metrics`, and the bounds of their labels. Refuses to know: names, formats and scrapes
(`exposition.py`), and who calls. Strategy: ints in plain dicts and lists, kept by whoever counts, so that a request
costs one dict look-up and a few additions. Whatever clients, upstreams or reloads do, the number of series is bounded:
methods come from a closed set, statuses of one route are folded into classes past `MAX_SERIES`, and what a reload
leaves behind is dropped (`keep`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hmsgw.telemetry.histogram import BOUNDS_S, Histogram
from hmsgw.wire.heads import METHODS

_METHODS = frozenset(METHODS.values())
OTHER = "_OTHER"
_LAST_GRPC_STATUS = 16
MAX_SERIES = 300
"""Of `gateway_requests_total` for one route; past it a new status counts as its class (`5xx`) under `_OTHER`."""
OUTCOMES = ("accepted", "refused", "rolled-back")

Labels = tuple[str, ...]


class RouteStats:
    """What happened on one route. Create through `Metrics.route`, keep, and call `finished` once a request."""

    __slots__ = ("_counts", "_sum_s", "bytes_in", "bytes_out", "calls", "cells")

    def __init__(self) -> None:
        self.cells: dict[tuple[str, int, str], list[int]] = {}
        """(method, status, reason) as callers say them -> the cell of the series they belong to."""
        self.calls: dict[str, int] = {}
        """grpc-status -> how many gRPC calls ended so."""
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self.bytes_in = 0
        self.bytes_out = 0

    def finished(self, method: str, status: int, reason: str, duration_s: float, bytes_in: int, bytes_out: int) -> None:
        """Count a request. reason: a word of `hmsgw.reasons`, or "" for one that simply passed."""
        try:
            self.cells[method, status, reason][0] += 1
        except KeyError:
            self._cell(method, status, reason)[0] += 1
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    def call_ended(self, grpc_status: int) -> None:
        """Count a gRPC call, which is a request besides. Statuses that gRPC does not know are one."""
        label = str(grpc_status) if grpc_status <= _LAST_GRPC_STATUS else OTHER
        self.calls[label] = self.calls.get(label, 0) + 1

    def _cell(self, method: str, status: int, reason: str) -> list[int]:
        if method not in _METHODS:
            method = OTHER
        if len(self.cells) >= MAX_SERIES and (method, status, reason) not in self.cells:
            method, status = OTHER, status // 100
        return self.cells.setdefault((method, status, reason), [0])

    @property
    def duration(self) -> Histogram:
        """A copy of the durations."""
        histogram = Histogram()
        histogram.counts = self._counts.copy()
        histogram.sum_s = self._sum_s
        return histogram

    def requests(self) -> dict[tuple[str, str, str], int]:
        """(method, status, reason) -> how many, as labels."""
        return {
            (method, str(status) if status > 9 else f"{status}xx", reason): cell[0]
            for (method, status, reason), cell in self.cells.items()
        }


class ServiceStats:
    """What happened with one service's upstreams."""

    __slots__ = ("duration", "retries", "upstream_s")

    def __init__(self) -> None:
        self.duration = Histogram()
        self.upstream_s: Callable[[float], None] = self.duration.observe
        """Count how long an upstream took, in seconds."""
        self.retries = 0


class Level:
    """A number that goes up and down; whoever owns it writes `n`."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class RouteCounts(NamedTuple):
    """A copy of a `RouteStats`."""

    requests: dict[tuple[str, str, str], int]
    calls: dict[str, int]
    duration: Histogram
    bytes_in: int
    bytes_out: int


class ServiceCounts(NamedTuple):
    """A copy of a `ServiceStats`."""

    duration: Histogram
    retries: int


class Counted(NamedTuple):
    """All numbers at one moment; nothing in it changes any more, so another thread may read it.

    routes: (route, service) -> its counts, for those that were asked for. config: (serial, digest).
    """

    routes: dict[tuple[str, str], RouteCounts]
    services: dict[str, ServiceCounts]
    connections: dict[tuple[str, str], int]
    limit_decisions: dict[tuple[str, str], int]
    plugin_errors: dict[str, int]
    endpoints: dict[tuple[str, str], int]
    registry_ages_s: dict[str, float]
    reloads: dict[str, int]
    config: tuple[str, str]
    signed: bool
    workers: dict[str, int]
    lag_s: float
    lines_dropped: int
    refused: dict[tuple[str, str], int]
    streams: dict[tuple[str, str, str], int]
    stream_bytes: dict[tuple[str, str, str], int]
    certificates_s: dict[tuple[str, str], float]


class Metrics:
    """The counters of a process. To be used from the reactor's thread only.

    before_copy: brings in what was not counted yet. read_endpoints -> {(service, state): how many}, read_ages ->
    {service: seconds since the registry last answered, or None}, read_certificates -> {(listener, certificate): seconds
    until its end}, read_lag -> seconds, read_lines_dropped -> how many:
    asked at each scrape, on the reactor, so they are quick.
    """

    def __init__(
        self,
        *,
        before_copy: Callable[[], None] = lambda: None,
        read_endpoints: Callable[[], Mapping[tuple[str, str], int]] = dict,
        read_ages: Callable[[], Mapping[str, float | None]] = dict,
        read_certificates: Callable[[], Mapping[tuple[str, str], float]] = dict,
        read_lag: Callable[[], float] = float,
        read_lines_dropped: Callable[[], int] = int,
    ) -> None:
        self._before_copy = before_copy
        self.read_endpoints = read_endpoints
        self.read_ages = read_ages
        self.read_certificates = read_certificates
        self.read_lag = read_lag
        self.read_lines_dropped = read_lines_dropped
        self._routes: dict[tuple[str, str], RouteStats] = {}
        self._services: dict[str, ServiceStats] = {}
        self._connections: dict[tuple[str, str], Level] = {}
        self._refused: dict[tuple[str, str], int] = {}
        self._streams: dict[tuple[str, str, str], int] = {}
        self._stream_bytes: dict[tuple[str, str, str], int] = {}
        self._decisions: dict[tuple[str, str], list[int]] = {}
        self._plugin_errors: dict[str, int] = {}
        self._reloads = dict.fromkeys(OUTCOMES, 0)
        self._config = ("", "")
        self._signed = False
        self._workers = {"0": 1}

    def route(self, route: str, service: str) -> RouteStats:
        """The counters of a route; the same ones for the same labels. Unrouted requests: ("", "")."""
        return self._routes.setdefault((route, service), RouteStats())

    def service(self, name: str) -> ServiceStats:
        """The counters of a service; the same ones for the same name."""
        return self._services.setdefault(name, ServiceStats())

    def connections(self, listener: str, protocol: str) -> Level:
        """How many connections are open; the owner counts `n` up and down."""
        return self._connections.setdefault((listener, protocol), Level())

    def count_refused(self, listener: str, reason: str) -> None:
        """A connection was not let in. reason: one of a few words."""
        self._refused[listener, reason] = self._refused.get((listener, reason), 0) + 1

    def stream_ended(self, stream: str, service: str, reason: str, bytes_in: int, bytes_out: int) -> None:
        """A connection of a stream has ended. reason: one of a few words, "" for none."""
        self._streams[stream, service, reason] = self._streams.get((stream, service, reason), 0) + 1
        for direction, count in (("in", bytes_in), ("out", bytes_out)):
            key = stream, service, direction
            self._stream_bytes[key] = self._stream_bytes.get(key, 0) + count

    def count_retry(self, service: str) -> None:
        """A request was sent again."""
        self.service(service).retries += 1

    def count_decision(self, plugin: str, decision: str) -> None:
        """A plugin decided: `allowed`, `refused`, `shadow` (it would have refused), or failed: `error`."""
        if decision == "error":
            self._plugin_errors[plugin] = self._plugin_errors.get(plugin, 0) + 1
        else:
            self.decision_cell(plugin, decision)[0] += 1

    def decision_cell(self, plugin: str, decision: str) -> list[int]:
        """The counter behind `count_decision`, for who counts at every request. It stays the same until the plugin is
        forgotten (`keep_plugins`), and is added to in place: `cell[0] += 1`."""
        return self._decisions.setdefault((plugin, decision), [0])

    def reloaded(self, outcome: str) -> None:
        """A reload ended; outcome: one of `OUTCOMES`."""
        self._reloads[outcome] += 1

    def config_serves(self, serial: int | None, digest: str, *, signed: bool) -> None:
        """Which configuration decides from now on."""
        self._config = ("" if serial is None else str(serial), digest)
        self._signed = signed

    def keep_routes(self, routes: Iterable[tuple[str, str]]) -> None:
        """After a reload: forget the routes that are not among these (route, service) pairs, and services likewise.
        Unrouted requests are always kept. A counter that comes back later starts from 0.
        """
        kept = {*routes, ("", "")}
        services = {service for _, service in kept}
        self._routes = {key: stats for key, stats in self._routes.items() if key in kept}
        self._services = {name: stats for name, stats in self._services.items() if name in services}

    def keep_streams(self, streams: set[tuple[str, str]]) -> None:
        """After a reload: forget the streams that are not among these (stream, service) pairs."""
        self._streams = {key: count for key, count in self._streams.items() if key[:2] in streams}
        self._stream_bytes = {key: count for key, count in self._stream_bytes.items() if key[:2] in streams}

    def keep_plugins(self, plugins: Iterable[str]) -> None:
        """After a reload: forget the plugins that no route names any more."""
        kept = set(plugins)
        self._decisions = {key: cell for key, cell in self._decisions.items() if key[0] in kept}
        self._plugin_errors = {name: count for name, count in self._plugin_errors.items() if name in kept}

    def keep_listeners(self, listeners: Iterable[str]) -> None:
        """After a reload: forget the listeners that are gone and have no open connection."""
        kept = set(listeners)
        self._connections = {key: level for key, level in self._connections.items() if key[0] in kept or level.n}
        self._refused = {key: count for key, count in self._refused.items() if key[0] in kept}

    def copy(self) -> Counted:
        """All numbers as they are now, to be rendered elsewhere. On the reactor; about a millisecond for 500 routes."""
        self._before_copy()
        return Counted(
            routes={
                key: RouteCounts(stats.requests(), stats.calls.copy(), stats.duration, stats.bytes_in, stats.bytes_out)
                for key, stats in self._routes.items()
                if stats.cells
            },
            services={
                name: ServiceCounts(stats.duration.copy(), stats.retries) for name, stats in self._services.items()
            },
            connections={key: level.n for key, level in self._connections.items()},
            limit_decisions={key: cell[0] for key, cell in self._decisions.items() if cell[0]},
            plugin_errors=self._plugin_errors.copy(),
            endpoints=dict(self.read_endpoints()),
            registry_ages_s={name: age for name, age in self.read_ages().items() if age is not None},
            reloads=self._reloads.copy(),
            config=self._config,
            signed=self._signed,
            workers=self._workers.copy(),
            lag_s=self.read_lag(),
            lines_dropped=self.read_lines_dropped(),
            refused=self._refused.copy(),
            streams=self._streams.copy(),
            stream_bytes=self._stream_bytes.copy(),
            certificates_s=dict(self.read_certificates()),
        )
