"""One finished stream as one line of JSON.

Knows: the fields of its line in the access log, and their order. Refuses to know: where the line goes. Strategy: as
`request_line`; where the two say the same thing they call it the same.
"""

from __future__ import annotations

from typing import Any, Protocol

from hmsgw.telemetry.request_line import bounded
from hmsgw.telemetry.timestamps import rfc3339


class Passed(Protocol):
    """What a stream left behind (`stream.connection.StreamConnection`). server_name: that the client asked for, "" for
    none. reason: "" when both ends had enough. upstream: the endpoint, "" for none."""

    client: Any
    server_name: str
    upstream: str
    reason: str

    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...


class Of(Protocol):
    """The stream that it was."""

    @property
    def name(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def config(self) -> str: ...


def stream_line(passed: Passed, of: Of, wall_s: float, duration_s: float) -> bytes:
    """The line, with its newline, of bounded length. wall_s: seconds since 1970 at its start."""
    return bounded({
        "ts": rfc3339(wall_s),
        "event": "stream",
        "client": passed.client.host,
        "sni": passed.server_name,
        "stream": of.name,
        "service": of.service,
        "upstream": passed.upstream,
        "reason": passed.reason,
        "bytes_in": passed.bytes_in,
        "bytes_out": passed.bytes_out,
        "duration_ms": int(duration_s * 1e6 + 0.5) / 1e3,
        "config": of.config,
    })  # fmt: skip
