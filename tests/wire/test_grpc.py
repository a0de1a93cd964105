"""gRPC, as far as a proxy has a say in it."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.grpc import (
    GRPC,
    GRPC_WEB,
    GRPC_WEB_TEXT,
    call_kind,
    given_s,
    status_fields,
    status_in,
    timeout_field,
)  # fmt: skip
from hmsgw.wire.headers import Field


def of(name: bytes, *values: bytes) -> list[Field]:
    return [(b"x-other", b"X-Other", b"1"), *((name.lower(), name, value) for value in values)]


class CallTests(SynchronousTestCase):
    """`call_kind`, `given_s`, `timeout_field`, `status_fields`."""

    def test_kinds(self) -> None:
        """By the media type, however it is written; what only begins like it is another."""
        for value, kind in (
            (b"application/grpc", GRPC), (b"application/grpc+proto", GRPC), (b"Application/gRPC;a=b", GRPC),
            (b"application/grpc-web+proto", GRPC_WEB), (b"application/grpc-web-text", GRPC_WEB_TEXT),
            (b"application/grpcx", None), (b"application/grpc-webx", None), (b"application/json", None), (b"", None),
        ):  # fmt: skip
            self.assertEqual(kind, call_kind(of(b"Content-Type", value)), value)
        self.assertIsNone(call_kind([]))

    def test_timeouts(self) -> None:
        """Each unit; none is for ever; anything else is a fault."""
        for value, seconds in ((b"1H", 3600), (b"2M", 120), (b"5S", 5), (b"250m", 0.25), (b"9u", 9e-6), (b"7n", 7e-9)):
            self.assertAlmostEqual(seconds, given_s(of(b"grpc-timeout", value)) or 0, 12)
        self.assertIsNone(given_s(of(b"grpc-time")))
        for value in (b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1s", b"1 S", b"+1S", b"\xb2S"):
            self.assertRaises(EdgeFault, given_s, of(b"grpc-timeout", value))
        self.assertRaises(EdgeFault, given_s, of(b"grpc-timeout", b"1S", b"2S"))

    def test_status_read(self) -> None:
        """A number as it stands; what is none is UNKNOWN to callers, and no field is no status."""
        for value, status in ((b"0", 0), (b"14", 14), (b"99", 99), (b"", 2), (b"ok", 2), (b"-1", 2), (b"9" * 5000, 2)):
            self.assertEqual(status, status_in(of(b"grpc-status", value)), value[:9])
        self.assertIsNone(status_in(of(b"grpc-message", b"7")))

    @given(st.floats(-5, 1e12))
    def test_what_is_left(self, left_s: float) -> None:
        """Never more than there is, and close to it; a call whose time is over has a microsecond."""
        said_s = given_s([timeout_field(left_s)])
        assert said_s is not None
        self.assertLessEqual(said_s, max(left_s, 1e-6) * (1 + 1e-12))
        if 1e-3 < left_s < 99_999_999:
            self.assertGreater(said_s, left_s * 0.99)

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
    def test_status(self, message: str) -> None:
        """A message of any text is a field value, and comes back whole."""
        (_, _, status), (_, _, encoded) = status_fields(14, message)
        self.assertEqual((b"14", message.encode()), (status, unquote_to_bytes(encoded)))
        self.assertTrue(all(0x20 <= byte <= 0x7E for byte in encoded))
