"""A stream's line in the access log."""

from __future__ import annotations

import json
from types import SimpleNamespace as Of

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.request_line import MAX_LINE_BYTES
from hmsgw.telemetry.stream_line import stream_line


class StreamLineTests(SynchronousTestCase):
    def line(self, **changes: object) -> bytes:
        passed = Of(client=Of(host="192.0.2.7"), server_name="a.gov", upstream="b:1", reason="", bytes_in=3, bytes_out=4)
        vars(passed).update(changes)
        return stream_line(passed, Of(name="cics", service="mainframe", config="abc"), 0.5, 1.23456789)

    def test_fields(self) -> None:
        """Which they are, and in which order."""
        self.assertEqual(
            {
                "ts": "1970-01-01T00:00:00.500000Z", "event": "stream", "client": "192.0.2.7", "sni": "a.gov",
                "stream": "cics", "service": "mainframe", "upstream": "b:1", "reason": "", "bytes_in": 3, "bytes_out": 4,
                "duration_ms": 1234.568, "config": "abc",
            },
            json.loads(self.line()),
        )  # fmt: skip

    def test_bounded(self) -> None:
        """One line, of bounded length, whatever is in it."""
        line = self.line(server_name="a\n" * 100_000)
        self.assertLessEqual(len(line), MAX_LINE_BYTES)
        self.assertEqual((1, b"\n"), (line.count(b"\n"), line[-1:]))
