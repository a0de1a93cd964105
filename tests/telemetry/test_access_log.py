"""Lines that nobody waits for."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.access_log import LineWriter


class Thread:
    """A thread that never runs: a target that stands still from the first line on."""

    def __init__(self) -> None:
        self.started: list[Callable[[], None]] = []
        self.joined: list[float] = []

    def make(self, run: Callable[[], None]) -> Thread:
        self.started.append(run)
        return self

    def join(self, timeout_s: float) -> None:
        self.joined.append(timeout_s)


class Target:
    """Keeps what it gets. hold: what it waits for in each `put`."""

    def __init__(self, name: str, lost_elsewhere: Callable[[], int]) -> None:
        self.target = name
        self.lost = 0
        self.fault: str | None = None
        self.put_there: list[bytes] = []
        self.calls: list[str] = []
        self.lost_elsewhere = lost_elsewhere

    def put(self, lines: bytes) -> None:
        self.put_there.append(lines)
        self.calls.append("put")

    def reopen(self, target: str) -> None:
        self.target = target
        self.calls.append(f"reopen {target}")

    def close(self) -> None:
        self.calls.append("close")


class WriterTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.thread = Thread()
        self.targets: list[Target] = []

    def writer(self, **options: Any) -> LineWriter:
        def make_target(name: str, wall: Any, lost_elsewhere: Callable[[], int]) -> Any:
            self.targets.append(Target(name, lost_elsewhere))
            return self.targets[0]

        options.setdefault("make_thread", self.thread.make)
        return LineWriter("stdout", self.clock, lambda: 0.0, make_target=make_target, **options)

    def run_thread(self, writer: LineWriter) -> None:
        """Let the thread do what is there for it, then end."""
        writer.close()
        self.thread.started[0]()


class WriterTests(WriterTestCase):
    def test_no_thread_before_the_first_flush(self) -> None:
        """A process that becomes a daemon after the writer is made loses no thread by it."""
        writer = self.writer()
        writer.write(b"a\n")
        writer.write_now(b"b\n")
        self.assertEqual(self.thread.started, [])
        self.clock.advance(0.1)
        self.assertEqual(len(self.thread.started), 1)

    def test_batches(self) -> None:
        """The lines of a tenth of a second go out together, in order; then no timer is left."""
        writer = self.writer()
        for line in (b"a\n", b"b\n"):
            writer.write(line)
        self.clock.advance(0.1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        writer.write(b"c\n")
        self.run_thread(writer)
        self.assertEqual(self.targets[0].put_there, [b"a\nb\n", b"c\n"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_large_batches_do_not_wait(self) -> None:
        """64 KiB go out before their time."""
        writer = self.writer()
        writer.write(b"x" * 64 * 1024)
        self.assertEqual(len(self.thread.started), 1)

    def test_target_stands_still(self) -> None:
        """What waits is bounded; what is too much is counted; nothing waits for the target."""
        writer = self.writer(max_bytes=1000)
        line = b"x" * 99 + b"\n"
        for _ in range(5):
            writer.write(line)
        self.clock.advance(0.1)
        for _ in range(100):
            writer.write(line)
            self.clock.advance(0.1)
        self.assertEqual(writer.dropped, 95)
        self.assertEqual(self.targets[0].lost_elsewhere(), 95)
        self.run_thread(writer)
        self.assertEqual(sum(map(len, self.targets[0].put_there)), 1000)

    def test_goes_on(self) -> None:
        """When the thread has finished a batch the next one follows."""
        writer = self.writer()
        writer.write(b"a\n")
        self.clock.advance(0.1)
        writer.write(b"b\n")
        self.clock.advance(0.1)
        writer._batch_out = False  # the thread has written it
        self.clock.advance(0.1)
        self.run_thread(writer)
        self.assertEqual(self.targets[0].put_there, [b"a\n", b"b\n"])

    def test_other_threads_are_bounded(self) -> None:
        """A log that floods while the target stands still is cut off and counted."""
        writer = self.writer()
        for _ in range(600):
            writer.write_now(b"a\n")
        self.assertEqual(writer.dropped, 88)
        self.run_thread(writer)
        self.assertEqual(len(self.targets[0].put_there), 512)

    def test_reopen(self) -> None:
        """SIGUSR1: what was written before goes to the old file, what comes later to the new one."""
        writer = self.writer()
        writer.write(b"a\n")
        writer.reopen()
        writer.write(b"b\n")
        writer.reopen("other.log")
        self.run_thread(writer)
        self.assertEqual(self.targets[0].calls, ["put", "reopen stdout", "put", "reopen other.log", "close"])

    def test_close(self) -> None:
        """Closing waits 2 s at most, twice is once, and what comes later is counted as lost."""
        writer = self.writer()
        writer.write(b"a\n")
        writer.finish()
        self.assertEqual(self.thread.joined, [])
        writer.finish()
        writer.join()
        writer.write(b"b\n")
        writer.write_now(b"c\n")
        writer.reopen()
        self.assertEqual((self.thread.joined, writer.dropped), ([2.0], 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault(self) -> None:
        """`status` can say why lines are being lost."""
        writer = self.writer()
        self.assertIsNone(writer.fault)
        self.targets[0].fault = "takes no lines: No space left on device"
        self.assertEqual(writer.fault, "the log stdout takes no lines: No space left on device")


class RealTests(SynchronousTestCase):
    def test_file(self) -> None:
        """With the thread and a file: all lines, whole, in order, those of four threads included."""
        path = self.mktemp()
        clock = Clock()
        writer = LineWriter(path, clock, lambda: 0.0)
        threads = [
            threading.Thread(target=lambda: [writer.write_now(b"other\n") for _ in range(100)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for number in range(5000):
            writer.write(b"%d\n" % number)
        for thread in threads:
            thread.join()
        clock.advance(0.1)
        writer.close()
        with open(path, "rb") as file:
            lines = file.read().splitlines()
        self.assertEqual([line for line in lines if line != b"other"], [b"%d" % number for number in range(5000)])
        self.assertEqual((lines.count(b"other"), writer.dropped), (400, 0))

    def test_pipe_that_nobody_reads(self) -> None:
        """A blocked pipe: writing returns at once, memory is bounded, and the lines that fit come out whole."""
        path = self.mktemp()
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        clock = Clock()
        writer = LineWriter(path, clock, lambda: 0.0, max_bytes=400_000)
        line = b"x" * 999 + b"\n"
        for _ in range(2000):
            writer.write(line)
            clock.advance(0.01)
        self.assertGreater(writer.dropped, 1000)
        received = b""
        closing = threading.Thread(target=writer.close)
        closing.start()
        while True:
            ended = not closing.is_alive()
            select.select([reading], [], [], 0.01)
            with contextlib.suppress(BlockingIOError):
                received += (piece := os.read(reading, 1 << 16))
                if ended and not piece:
                    break
        os.close(reading)
        whole = received.splitlines(keepends=True)
        self.assertEqual(whole.count(line) + writer.dropped, 2000)
        self.assertIn(b"log lines were dropped", received)
