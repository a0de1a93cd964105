"""What the access log, the metrics and `explain` read of an exchange.

Knows: the names that telemetry asks for (`telemetry.request_line.Finished`). Refuses to know: how any of it came to
be. Strategy: plain attributes, most of them defaults of the class: a property costs ten times as much to read, and
every request is read once.
"""

from __future__ import annotations

from typing import Any

from hmsgw.proxy.entry import Entry
from hmsgw.wire.heads import RequestHead


class Record:
    """The readable side of an exchange. method: as it came. client: the client's address, behind trusted proxies.
    path: normalised, without query. user: who a plugin found the client to be. tls: `TLSv1.3`, or None."""

    head: RequestHead
    entry: Entry
    peer: Any
    caller: Any
    client: str
    config: str
    request_id: str
    wall_s: float
    method = "-"
    scheme = ""
    host = ""
    path = ""
    protocol = "http/1.1"
    tls: str | None = None
    route = ""
    service = ""
    upstream = ""
    status = 0
    reason = ""
    grpc_status: int | None = None
    """How a gRPC call ended, as its caller was told; None for what is no call, and where nobody said."""
    upstream_fault = ""
    """What the backend did wrong, in a sentence; "" where it did not end the exchange by that."""
    bytes_in = 0
    bytes_out = 0
    duration_s = 0.0
    upstream_s: float | None = None
    user: str | None = None
    trace_id = ""
