"""Two ends of a stream: back-pressure, half-close, resets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.stream.side import Side
from tests.stream.wires import Pipe


class SideTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.left, self.right = Pipe(Side()), Pipe(Side())
        self.left.protocol.join(self.right.protocol)

    def test_bytes(self) -> None:
        """What comes at one end goes out at the other, and is counted where it came."""
        self.left.sends(b"abc")
        self.right.sends(b"de")
        self.assertEqual((b"de", b"abc"), (self.left.take(), self.right.take()))
        self.assertEqual((3, 2), (self.left.protocol.seen, self.right.protocol.seen))

    def test_back_pressure(self) -> None:
        """An end that does not take what is written is not written more: the other one is not read."""
        self.right.producer.pauseProducing()
        self.assertEqual((False, True), (self.left.reading, self.right.reading))
        self.right.producer.resumeProducing()
        self.assertTrue(self.left.reading)

    def test_half_close(self) -> None:
        """The end of one direction is passed on; the other goes on; with both, both ends close."""
        self.left.ends()
        self.assertEqual((True, None, None), (self.right.half_closed, self.left.closed, self.right.closed))
        self.right.sends(b"answer")
        self.assertEqual(b"answer", self.left.take())
        self.right.ends()
        self.assertEqual(("closed", "closed"), (self.left.closed, self.right.closed))

    def test_no_reading_past_the_end(self) -> None:
        """Who has read the last byte is not made to read again, which some transports would do."""
        self.left.ends()
        self.left.reading = False
        self.left.protocol.resumeProducing()
        self.assertFalse(self.left.reading)

    def test_reset(self) -> None:
        """A reset is passed on as one."""
        self.left.resets()
        self.assertEqual("aborted", self.right.closed)

    def test_closed(self) -> None:
        """An end that closes in full lets the other one send what it has, and close."""
        self.right.producer = None
        self.right.loseConnection()
        self.assertEqual("closed", self.left.closed)
        self.left.protocol.pauseProducing()
        self.left.protocol.close()
        self.left.protocol.abort()

    def test_alone(self) -> None:
        """An end without another closes with what it read."""
        alone = Pipe(Side())
        alone.sends(b"x")
        alone.ends()
        self.assertEqual("closed", alone.closed)
