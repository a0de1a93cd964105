"""The streams of the gateway: part of the composition root.

Knows: how streams are put together from a configuration, and what is counted and logged of each connection. Refuses to
know: how bytes are passed (`stream.connection`). Strategy: as for routes: `build` may fail and changes nothing,
`commit` stores a reference; connections under way keep the stream that they began with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hmsgw.chain.build import build as build_chains
from hmsgw.chain.run import Chain
from hmsgw.edge.connection import EdgeConnection
from hmsgw.edge.door import Door
from hmsgw.generation import Candidate, Parts
from hmsgw.stream.connection import StreamConnection
from hmsgw.stream.table import SniTable, StreamEntry
from hmsgw.telemetry.metrics import Metrics
from hmsgw.telemetry.stream_line import stream_line


class Built(NamedTuple):
    """tables: listener -> its streams. chains: of all of them."""

    tables: dict[str, SniTable]
    chains: list[Chain]


class Streams:
    """connect: (protocol factory, host, port, tls, timeout) -> Deferred. write: takes a line for the log."""

    def __init__(self, connect: Callable[..., Any], metrics: Metrics, write: Callable[[bytes], None]) -> None:
        self._connect = connect
        self._metrics = metrics
        self._write = write
        self._tables: dict[str, SniTable] = {}

    def build(self, candidate: Candidate, parts: Parts, previous: list[Chain]) -> Built:
        """Raises config.faults.Refused; then nothing has changed."""
        prepared = candidate.prepared
        chains = build_chains(prepared._replace(routes=prepared.streams), parts.tools(candidate, previous))
        by_listener: dict[str, list[tuple[tuple[str, ...], StreamEntry]]] = {}
        for stream, chain in zip(candidate.config.streams, chains, strict=True):
            cluster = parts.cluster(stream.service)
            entry = StreamEntry(
                name=stream.name,
                service=stream.service,
                cluster=cluster,
                chain=chain if chain.uses else None,
                connect=self._connecting(cluster.settings.timeouts.connect),
                idle_s=stream.idle,
                finished=self._finished,
                count_retry=parts.count_retry,
                announces=cluster.announces,
                config=candidate.digest.removeprefix("sha256:")[:12],
            )
            by_listener.setdefault(stream.listener, []).append((stream.sni, entry))
        return Built({name: SniTable(streams) for name, streams in by_listener.items()}, chains)

    def _connecting(self, timeout_s: float) -> Callable[[Any, Callable[[], Any]], Any]:
        return lambda endpoint, new: self._connect(new, endpoint.host, endpoint.port, None, timeout_s)

    def commit(self, built: Built, candidate: Candidate) -> None:
        """From now on these."""
        self._tables = built.tables
        self._metrics.keep_streams({(one.name, one.service) for one in candidate.config.streams})

    def ready(self, doors: Iterable[Door]) -> None:
        """Doors that carry streams now count them as what they are."""
        for door in doors:
            if door.name in self._tables:
                door.stream_gauge = self._metrics.connections(door.name, "tcp")

    def scheme_of(self, listener: str, *, tls: bool) -> str:
        """What a listener speaks: `https`, `http`, or `tcp` where it carries streams."""
        return "tcp" if listener in self._tables else "https" if tls else "http"

    def new_connection(self, door: Door) -> Any:
        """For one that was accepted."""
        table = self._tables.get(door.name)
        return EdgeConnection(door) if table is None else StreamConnection(door, table)

    def _finished(self, connection: StreamConnection) -> None:
        entry = connection.entry
        assert entry is not None
        duration_s = connection.ended_s - connection.began_s
        self._metrics.stream_ended(
            entry.name, entry.service, connection.reason, connection.bytes_in, connection.bytes_out
        )
        self._write(stream_line(connection, entry, time.time() - duration_s, duration_s))


def services_of(candidate: Candidate) -> list[str]:
    """Every service that is reached, by a route or a stream, once."""
    routed = [route.service for route in candidate.config.routes if route.service is not None]
    return list(dict.fromkeys([*routed, *(stream.service for stream in candidate.config.streams)]))
