"""What the access log, the metrics and `explain` read of an exchange.

Knows: the names that telemetry asks for (`telemetry.request_line.Finished`). Refuses to know: how any of it came to
be. Strategy: properties over what the exchange keeps anyway; nothing is stored twice for the log.
"""

from __future__ import annotations

from typing import Any

from hmsgw.proxy.entry import Entry
from hmsgw.wire.heads import RequestHead

METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
}  # fmt: skip


class Record:
    """The readable side of an exchange."""

    head: RequestHead
    entry: Entry
    peer: Any
    caller: Any
    method: str
    user: str | None
    path: str
    host: str
    scheme: str
    plane: Any
    request_id: str
    trace_id: str
    status: int
    reason: str
    upstream: str
    wall_s: float
    duration_s: float
    upstream_s: float | None
    bytes_out: int

    @property
    def client(self) -> str:
        """The client's address, behind trusted proxies."""
        caller = self.caller
        return caller.host  # type: ignore[no-any-return]

    @property
    def protocol(self) -> str:
        return self.head.protocol

    @property
    def tls(self) -> str | None:
        """`TLSv1.3`, or None."""
        return self.peer.tls  # type: ignore[no-any-return]

    @property
    def config(self) -> str:
        """The short digest of the configuration that decided."""
        return self.plane.config  # type: ignore[no-any-return]

    @property
    def route(self) -> str:
        return self.entry.name

    @property
    def service(self) -> str:
        return self.entry.service
