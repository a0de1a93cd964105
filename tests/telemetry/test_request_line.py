"""A request's line: its fields, and that no client can break it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.request_line import MAX_LINE_BYTES, request_line

USUAL: dict[str, Any] = {
    "wall_s": 1_700_000_000.5, "request_id": "0123456789abcdef", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "client": "192.0.2.1", "method": "GET", "scheme": "https", "host": "api.example.gov", "path": "/clinics/85123",
    "protocol": "http/1.1", "tls": "TLSv1.3", "route": "/clinics/*", "service": "clinic-registry",
    "upstream": "10.0.5.9:8080", "status": 200, "reason": "", "bytes_in": 0, "bytes_out": 51,
    "duration_s": 0.0123456, "upstream_s": 0.0111, "user": "alice", "config": "0123456789ab",
    "grpc_status": None,
}  # fmt: skip

ORDER = [
    "ts", "event", "request_id", "trace_id", "client", "method", "scheme", "host", "path", "protocol", "tls", "route",
    "service", "upstream", "status", "reason", "bytes_in", "bytes_out", "duration_ms", "upstream_ms", "user", "config",
]  # fmt: skip


def line_of(**changes: Any) -> bytes:
    return request_line(SimpleNamespace(**{**USUAL, **changes}))


class RequestLineTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Every field of the contract, in its order, on one line."""
        line = line_of()
        self.assertTrue(line.endswith(b"\n"))
        read = orjson.loads(line)
        self.assertEqual(list(read), ORDER)
        self.assertEqual((read["ts"], read["event"]), ("2023-11-14T22:13:20.500000Z", "request"))
        self.assertEqual((read["duration_ms"], read["upstream_ms"]), (12.346, 11.1))

    def test_grpc_status(self) -> None:
        """A gRPC call's line tells how it ended, 0 too; no other line has the field."""
        for status in (0, 9):
            read = orjson.loads(line_of(grpc_status=status))
            self.assertEqual(list(read), [*ORDER, "grpc_status"])
            self.assertEqual(read["grpc_status"], status)

    def test_without_upstream(self) -> None:
        """A request that was refused has no upstream, user and TLS to tell of."""
        read = orjson.loads(
            line_of(upstream="", upstream_s=None, user=None, tls=None, status=401, reason="unauthenticated")
        )
        self.assertEqual((read["upstream"], read["upstream_ms"], read["user"], read["tls"]), ("", None, None, None))
        self.assertEqual(read["reason"], "unauthenticated")

    @given(st.fixed_dictionaries({name: st.text() for name, value in USUAL.items() if isinstance(value, str)}))
    def test_any_text(self, texts: dict[str, str]) -> None:
        """Whatever characters a client sends, it is one line of JSON that says just that."""
        line = line_of(**texts)
        self.assertEqual(line.count(b"\n"), 1)
        read = orjson.loads(line)
        for name, text in texts.items():
            self.assertEqual(read[name], text)

    def test_what_utf8_cannot_say(self) -> None:
        """Bytes that were no UTF-8 are spelt out; the rest of the line is not harmed."""
        read = orjson.loads(line_of(path="/caf\udce9"))
        self.assertEqual((read["path"], read["status"]), ("/caf\\udce9", 200))

    def test_long(self) -> None:
        """Values of any length make a line of bounded length, also when each character takes six to write."""
        for filler in ("x", "\x00", "\U0001f600", "\udc80", '"'):
            line = line_of(
                path="/" + filler * 60_000, host=filler * 60_000, user=filler * 60_000, method=filler * 60_000
            )
            self.assertLessEqual(len(line), MAX_LINE_BYTES)
            self.assertEqual(orjson.loads(line)["status"], 200)
