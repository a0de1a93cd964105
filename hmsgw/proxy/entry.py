"""A route as a request meets it: conditions, chain, cluster and counters in one place.

Knows: how a matched path becomes the path for the upstream, and which parameters it holds. Refuses to know: how the
parts were made (service.py builds them). Strategy: made once a reload, read by every request, never written.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from hmsgw.config.model import Route

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Chain(Protocol):
    """The compiled plugins of a route (`chain.run.Chain`)."""

    @property
    def has_response_steps(self) -> bool: ...
    @property
    def transforms_bodies(self) -> bool: ...
    @property
    def answers(self) -> bool: ...
    @property
    def owned_fields(self) -> frozenset[bytes]: ...
    def run(self, req: Any) -> Any: ...
    def respond(self, req: Any, resp: Any, answering: Any) -> Any: ...
    def transforms(self, req: Any) -> Any: ...


class RouteStats(Protocol):
    """The counters of a route (`telemetry.metrics.RouteStats`)."""

    def finished(
        self, method: str, status: int, reason: str, duration_s: float, bytes_in: int, bytes_out: int
    ) -> None: ...
    def call_ended(self, grpc_status: int) -> None: ...


class Entry:
    """See the module. `service` is "" when a plugin answers."""

    __slots__ = (
        "_cut", "_params", "_rewrite", "attempts", "chain", "changes_path", "cluster", "headers", "hosts", "methods",
        "name", "needs_params", "path", "route", "service", "stats", "total_s", "upstream_stats",
    )  # fmt: skip

    def __init__(self, route: Route, chain: Chain | None, cluster: Any, stats: RouteStats, upstream_stats: Any) -> None:
        self.route = route
        self.name = route.name
        self.service = route.service or ""
        self.path = route.path
        self.hosts = route.hosts
        self.methods = route.methods
        self.headers = route.headers
        self.chain = chain
        self.cluster = cluster
        self.stats = stats
        self.upstream_stats = upstream_stats
        segments = route.path[1:].split("/")
        self._params = [(i, s[1:-1]) for i, s in enumerate(segments) if s.startswith("{")]
        self._cut = len(segments) - 1 if segments[-1] == "*" else None
        self._rewrite = route.rewrite
        self.changes_path = route.rewrite is not None or route.strip_prefix is not None
        self.needs_params = bool(self._params) or route.rewrite is not None
        self.attempts = cluster.settings.retries.attempts if cluster is not None else 0
        self.total_s = cluster.settings.timeouts.total if cluster is not None else None

    def params(self, path: str) -> dict[str, str]:
        """`{name}` -> segment of a matched, normalised path; `rest` is what `/*` matched, without its first slash."""
        if not self._params and self._cut is None:
            return {}
        segments = path[1:].split("/")
        found = {name: segments[index] for index, name in self._params if index < len(segments)}
        if self._cut is not None:
            found["rest"] = "/".join(segments[self._cut :])
        return found

    def upstream_path(self, path: str, params: dict[str, str]) -> str:
        """The path to ask the upstream for."""
        if self._rewrite is not None:
            return _PLACEHOLDER.sub(lambda match: params.get(match.group(1), ""), self._rewrite)
        prefix = self.route.strip_prefix
        if prefix is not None and path.startswith(prefix):
            rest = path[len(prefix) :]
            return rest if rest.startswith("/") else "/" + rest
        return path
