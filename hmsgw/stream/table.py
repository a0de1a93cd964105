"""Which stream a connection belongs to.

Knows: server names, exact and `*.`, and the stream for everything else; what a stream is made of. Refuses to know: how
a name is read (`wire.client_hello`), and bytes. Strategy: one dictionary a listener; a name costs a look-up a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamEntry:
    """One stream. name: for log and metrics. cluster: where it leads. chain: who may use it, None for everybody.

    connect: (endpoint, protocol factory) -> Deferred of the connected protocol. idle_s: how long both sides may be
    silent, None for ever. finished: told of each connection at its end (`stream.connection.StreamConnection`).
    count_retry: told of each further try. config: which configuration it is of. announces: the service is told who
    the client is, by a PROXY header.
    """

    name: str
    service: str
    cluster: Any
    chain: Any
    connect: Callable[[Any, Callable[[], Any]], Any]
    idle_s: float | None
    finished: Callable[[Any], None]
    count_retry: Callable[[str], None]
    config: str
    announces: bool = False


class SniTable:
    """The streams of one listener. streams: (server names, or none of them, and what they lead to). peeks: the first
    bytes have to be looked at."""

    def __init__(self, streams: Iterable[tuple[tuple[str, ...], StreamEntry]]) -> None:
        self._by_name: dict[str, StreamEntry] = {}
        self._otherwise: StreamEntry | None = None
        for names, entry in streams:
            if not names:
                self._otherwise = entry
            for name in names:
                self._by_name[name] = entry
        self.peeks = bool(self._by_name)

    def find(self, name: str) -> StreamEntry | None:
        """By a server name in lower case, "" for none: exact, then the nearest `*.` above it, then the stream without
        names. None: nobody knows it."""
        found = self._by_name.get(name)
        rest = name
        while found is None and rest:
            rest = rest.partition(".")[2]
            found = self._by_name.get(f"*.{rest}") if rest else None
        return found or self._otherwise
