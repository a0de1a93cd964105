"""How many endpoints of each service are there, and how many of them fail.

Knows: the words of `gateway_upstream_endpoints`. Refuses to know: who asks, and how an endpoint comes to fail
(`upstream.cluster`).
"""

from __future__ import annotations

from collections.abc import Mapping

from hmsgw.upstream.cluster import Cluster


def endpoint_states(clusters: Mapping[str, Cluster], now: float) -> dict[tuple[str, str], int]:
    """(service, `healthy` or `unhealthy`) -> how many. now: by the monotonic clock."""
    states: dict[tuple[str, str], int] = {}
    for name, cluster in clusters.items():
        failing = sum(member.passed_over_until > now for member in cluster.members)
        states[name, "healthy"] = len(cluster.members) - failing
        states[name, "unhealthy"] = failing
    return states
