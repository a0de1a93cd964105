"""Consul's HTTP API, read: what to ask, and what an answer means.

Knows: `GET /v1/health/service/:name`, its blocking queries (developer.hashicorp.com/consul/api-docs/features/blocking)
and the parts of an entry that lead to an endpoint. Refuses to know: connections, and whether endpoints may be used.
Strategy: pure functions; an answer that is not Consul's is refused as a whole, an instance that can't be used is
skipped with its reason.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from hmsgw.config.endpoint import Endpoint, bracketed
from hmsgw.registry.source import BadAnswer, unique

WAIT_S = 5
DEADLINE_S = WAIT_S * 17 / 16 + 1
"""The server adds up to a sixteenth of the wait."""
_MAX_WEIGHT = 65535


def question(base_url: str, service: str, index: int) -> str:
    """The URL to ask for the passing instances of a service. index 0: answer at once; else when something changed.

    `stale`: any server may answer, also while there is no leader.
    """
    url = f"{base_url.rstrip('/')}/v1/health/service/{quote(service, safe='')}?passing=1&stale"
    return f"{url}&index={index}&wait={WAIT_S}s" if index else url


def next_index(previous: int, header: str | None) -> int:
    """The index to ask with next. One that went back means a restored or replaced server: begin anew (0). One that is
    missing or not a positive number would make the next query return at once, for ever: 1 is always safe.
    """
    text = (header or "").strip()
    index = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
    if index < 1:
        return 1
    return 0 if index < previous else index


def endpoints_in(body: bytes) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """(endpoints, why others were skipped). Raises BadAnswer."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("the registry's answer is not JSON; is registry.url really Consul's HTTP API?") from None
    if not isinstance(entries, list):
        raise BadAnswer("the registry's answer is not a list of instances; is registry.url really Consul's HTTP API?")
    endpoints: list[Endpoint] = []
    skipped: list[str] = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("Service"), dict):
            raise BadAnswer("the registry's answer holds something that is no instance")
        try:
            endpoints.append(_endpoint(entry["Service"], entry.get("Node")))
        except ValueError as error:
            skipped.append(f"{_label(entry['Service'])}: {error}")
    return unique(endpoints), tuple(sorted(set(skipped)))


def _endpoint(service: dict[str, Any], node: Any) -> Endpoint:
    """Raises ValueError, with the reason, for an instance that can't be used."""
    host = service.get("Address") or (node.get("Address") if isinstance(node, dict) else None)
    port = service.get("Port")
    if not isinstance(host, str) or not host:
        raise ValueError("it has no address")
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise ValueError(f"its port is {str(port)[:20]}")
    meta = service.get("Meta")
    scheme = str(meta.get("scheme", "http")).lower() if isinstance(meta, dict) else "http"
    if scheme not in ("http", "https"):
        raise ValueError(f"its scheme is {scheme[:20]!r}, not http or https")
    endpoint = Endpoint.parse(f"{scheme}://{bracketed(host)}:{port}")
    return endpoint._replace(weight=_weight(service))


def _weight(service: dict[str, Any]) -> int:
    """`Weights.Passing`. Raises ValueError for 0, which asks for no traffic."""
    weights = service.get("Weights")
    weight = weights.get("Passing", 1) if isinstance(weights, dict) else 1
    if not isinstance(weight, int) or isinstance(weight, bool):
        return 1
    if weight < 1:
        raise ValueError("its weight is 0")
    return min(weight, _MAX_WEIGHT)


def _label(service: dict[str, Any]) -> str:
    """What an operator knows the instance by."""
    return ascii(service.get("ID") or service.get("Address") or "an instance")[:80]
