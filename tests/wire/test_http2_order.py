"""Frames in the wrong order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.http2 import ErrorCode
from hmsgw.wire.http2_order import FrameOrder

DATA, HEADERS, PRIORITY, RST, SETTINGS, WINDOW_UPDATE = 0, 1, 2, 3, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, number: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + number.to_bytes(4, "big") + payload


def looked(*frames: bytes) -> tuple[FrameOrder, int | None]:
    """After these frames, and whether they were refused."""
    order = FrameOrder()
    return order, order.look(PREFACE + b"".join(frames))[1]


class FrameOrderTests(SynchronousTestCase):
    """`FrameOrder`."""

    def test_good(self) -> None:
        """Streams that rise, with bodies and trailers; what belongs to the connection."""
        _, fault = looked(
            frame(SETTINGS, 0, bytes(6)), frame(HEADERS, 1, b"x" * 300), frame(DATA, 1, b"\x00\x00\x01\x01" * 10),
            frame(HEADERS, 3), frame(DATA, 1), frame(HEADERS, 1), frame(WINDOW_UPDATE, 1, bytes(4)), frame(RST, 3, bytes(4)),
            frame(RST, 3, bytes(4)), frame(PRIORITY, 5, bytes(5)), frame(HEADERS, 9),
        )  # fmt: skip
        self.assertIsNone(fault)

    def test_over(self) -> None:
        """After its end nothing comes for a stream but WINDOW_UPDATE, PRIORITY and RST_STREAM."""
        for kind in (DATA, HEADERS):
            order, _ = looked(frame(HEADERS, 1), frame(RST, 1, bytes(4)))
            self.assertEqual(ErrorCode.STREAM_CLOSED, order.look(frame(kind, 1))[1])
            order, _ = looked(frame(HEADERS, 1))
            order.closed(1, by_us=False)
            for harmless in (frame(WINDOW_UPDATE, 1, bytes(4)), frame(RST, 1, bytes(4)), frame(PRIORITY, 1, bytes(5))):
                self.assertIsNone(order.look(harmless)[1])
            self.assertEqual(ErrorCode.STREAM_CLOSED, order.look(frame(kind, 1))[1])

    def test_forgiven(self) -> None:
        """What the client sent before it heard of our RST_STREAM is passed over."""
        order, _ = looked(frame(HEADERS, 1))
        order.closed(1, by_us=True)
        self.assertIsNone(order.look(frame(DATA, 1) + frame(HEADERS, 1))[1])

    def test_backwards(self) -> None:
        """A stream that was passed by can't be opened any more."""
        order, _ = looked(frame(HEADERS, 5))
        self.assertEqual(ErrorCode.PROTOCOL_ERROR, order.look(frame(HEADERS, 3))[1])
        order, _ = looked(frame(HEADERS, 5))
        self.assertEqual(ErrorCode.STREAM_CLOSED, order.look(frame(DATA, 3))[1])
        self.assertIsNone(looked(frame(DATA, 7))[1])  # idle: the library refuses it

    def test_priority(self) -> None:
        """Of the connection, or of a stream that depends on itself."""
        self.assertEqual(ErrorCode.PROTOCOL_ERROR, looked(frame(PRIORITY, 0, bytes(5)))[1])
        self.assertEqual(ErrorCode.PROTOCOL_ERROR, looked(frame(PRIORITY, 3, b"\x80\0\0\x03\0"))[1])

    def test_bounded(self) -> None:
        """However many streams there were; one that is open is remembered before those that are over."""
        order, _ = looked(frame(HEADERS, 1))
        for number in range(3, 5001, 2):
            self.assertIsNone(order.look(frame(HEADERS, number))[1])
            order.closed(number, by_us=False)
        self.assertIsNone(order.look(frame(DATA, 1))[1])
        self.assertLess(len(order._streams) + len(order._before), 2000)
        for number in range(5001, 9001, 2):
            order.look(frame(HEADERS, number))
        self.assertLess(len(order._streams) + len(order._before), 2000)

    def test_one_turns_work(self) -> None:
        """However many frames come at once, only so many are to be read now, and the cut is between two of them."""
        one = frame(DATA, 1, b"x")
        for flood, most in ((one, 512), (frame(HEADERS, 3), 40), (frame(WINDOW_UPDATE, 0, bytes(4)), 513)):
            order, _ = looked(frame(HEADERS, 1))
            left, turns = flood * 5000, 0
            while left:
                size, fault = order.look(left)
                self.assertIsNone(fault)
                self.assertEqual(0, size % len(flood))
                self.assertLessEqual(size, most * len(flood))
                left = left[size:]
                turns += 1
            self.assertGreaterEqual(turns, 5000 // most)

    def test_ask_for_nothing(self) -> None:
        """What the library keeps to itself is counted: windows of streams that are over, answers that nobody asked."""
        order, _ = looked(frame(HEADERS, 1), frame(WINDOW_UPDATE, 1, bytes(4)), frame(WINDOW_UPDATE, 0, bytes(4)))
        self.assertEqual(0, order.idle)
        order.closed(1, by_us=False)
        order.look(frame(WINDOW_UPDATE, 1, bytes(4)) * 3)
        order.look(bytes.fromhex("000008060100000000") + bytes(8))
        self.assertEqual(4, order.idle)
        order.look(bytes.fromhex("000008060000000000") + bytes(8))
        self.assertEqual(4, order.idle)

    @given(st.lists(st.integers(1, 60), max_size=60))
    def test_cut_anywhere(self, cuts: list[int]) -> None:
        """The bytes mean the same however they come."""
        data = PREFACE + b"".join(
            (frame(HEADERS, 1, b"abc"), frame(DATA, 1, bytes(50)), frame(HEADERS, 3), frame(RST, 1, bytes(4)), frame(DATA, 1))
        )
        order = FrameOrder()
        said = []
        for cut in [*cuts, len(data)]:
            piece, data = data[:cut], data[cut:]
            said.append(order.look(piece)[1])
            if said[-1] is not None:
                break
        self.assertEqual([ErrorCode.STREAM_CLOSED], [one for one in said if one is not None])
