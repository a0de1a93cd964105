"""One finished request as one line of JSON.

Knows: the fields of the access log and their order (the contract, section 9). Refuses to know: where the line goes
(`access_log.py`) and how the values came to be. Strategy: orjson over one dict; whatever a client puts into a value,
the line is valid UTF-8 JSON without a raw newline, and of bounded length. Query strings never get here: they hold
secrets.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from hmsgw.telemetry.timestamps import rfc3339

MAX_LINE_BYTES = 16 * 1024
_CUTS = (4096, 1024, 128, 16)


class Finished(Protocol):
    """What a request left behind (`proxy.record.Record`).

    wall_s: seconds since 1970 at its start. path: without query. reason: "" when it simply passed. upstream: the
    endpoint's authority, "" for none. duration_s: until its last byte; upstream_s: of it, what the upstream took to
    begin its answer, or to fail; None when it did neither. grpc_status: how a gRPC call ended, None for what is none.
    """

    @property
    def wall_s(self) -> float: ...
    @property
    def request_id(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def tls(self) -> str | None: ...
    @property
    def route(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def upstream(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def upstream_s(self) -> float | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def config(self) -> str: ...
    @property
    def grpc_status(self) -> int | None: ...


def request_line(f: Finished) -> bytes:
    """The line, with its newline; at most `MAX_LINE_BYTES` long."""
    upstream_s = f.upstream_s
    # Whole microseconds this way: round() costs five times as much.
    line = {
        "ts": rfc3339(f.wall_s),
        "event": "request",
        "request_id": f.request_id,
        "trace_id": f.trace_id,
        "client": f.client,
        "method": f.method,
        "scheme": f.scheme,
        "host": f.host,
        "path": f.path,
        "protocol": f.protocol,
        "tls": f.tls,
        "route": f.route,
        "service": f.service,
        "upstream": f.upstream,
        "status": f.status,
        "reason": f.reason,
        "bytes_in": f.bytes_in,
        "bytes_out": f.bytes_out,
        "duration_ms": int(f.duration_s * 1e6 + 0.5) / 1e3,
        "upstream_ms": None if upstream_s is None else int(upstream_s * 1e6 + 0.5) / 1e3,
        "user": f.user,
        "config": f.config,
    }
    grpc_status = f.grpc_status
    if grpc_status is not None:
        line["grpc_status"] = grpc_status
    try:
        # A copy: orjson's own bytes keep hold of the larger buffer they were written in, which costs ten times as
        # much as the copy once many lines wait to be written.
        dumped = orjson.dumps(line) + b"\n"
    except TypeError:
        return bounded(line)
    return dumped if len(dumped) <= MAX_LINE_BYTES else bounded(line)


def bounded(line: dict[str, Any]) -> bytes:
    """The slow way, for values that are long or hold what UTF-8 can't: surrogates become `\\udc80` in letters."""
    for max_chars in _CUTS:
        plain = {key: shortened(value, max_chars) if isinstance(value, str) else value for key, value in line.items()}
        dumped = orjson.dumps(plain, default=str, option=orjson.OPT_APPEND_NEWLINE)
        if len(dumped) <= MAX_LINE_BYTES:
            break
    return dumped


def shortened(value: str, max_chars: int) -> str:
    """At most `max_chars` of it, as UTF-8 can write it; `...` says that there was more."""
    cut = value if len(value) <= max_chars else value[: max_chars - 3] + "..."
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
