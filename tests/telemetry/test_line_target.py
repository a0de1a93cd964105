"""Lines on their way into a target that fails in every way a target can."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.line_target import LineTarget


class Disk:
    """A descriptor that takes what fits. room: bytes it still takes, then `fault`. most: bytes it takes at once."""

    def __init__(self) -> None:
        self.content = b""
        self.room: int | None = None
        self.most = 1 << 30
        self.fault = errno.ENOSPC

    def write(self, fd: int, data: memoryview) -> int:
        taken = bytes(data[: self.most])
        if self.room is not None:
            taken = taken[: self.room]
            if not taken:
                raise OSError(self.fault, os.strerror(self.fault))
            self.room -= len(taken)
        self.content += taken
        return len(taken)


class TargetTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.disk = Disk()
        self.said: list[str] = []
        self.elsewhere = 0
        self.now_s = 0.0

    def target(self, name: str = "stdout", write: Callable[[int, memoryview], int] | None = None) -> LineTarget:
        return LineTarget(
            name, lambda: 0.0, lambda: self.elsewhere,
            complain=self.said.append, seconds=lambda: self.now_s, write=write or self.disk.write,
        )  # fmt: skip

    def notices(self) -> list[int]:
        return [orjson.loads(line)["dropped"] for line in self.disk.content.splitlines() if line.startswith(b'{"ts"')]


class WriteTests(TargetTestCase):
    def test_in_pieces(self) -> None:
        """A target that takes three bytes at a time gets all of them, in order."""
        self.disk.most = 3
        self.target().put(b"one\ntwo\nthree\n")
        self.assertEqual(self.disk.content, b"one\ntwo\nthree\n")

    def test_full_disk(self) -> None:
        """Lines that do not fit are counted; one complaint; when there is room again the cut line is finished and the
        log says how many are missing."""
        target = self.target()
        self.disk.room = 6
        target.put(b"one\ntwo\nthree\n")
        target.put(b"four\n")
        self.assertEqual((self.disk.content, target.lost), (b"one\ntw", 2))
        self.assertEqual(len(self.said), 1)
        self.assertIn("No space left", self.said[0])
        self.disk.room = None
        target.put(b"five\n")
        lines = self.disk.content.splitlines()
        self.assertEqual((lines[:2], lines[-1]), ([b"one", b"two"], b"five"))
        self.assertEqual((self.notices(), target.fault), ([2], None))

    def test_full_again(self) -> None:
        """A second time that the disk is full is told a second time."""
        target = self.target()
        for _ in range(2):
            self.disk.room = 0
            target.put(b"lost\n")
            self.disk.room = None
            target.put(b"kept\n")
        self.assertEqual((len(self.said), self.notices()), (2, [1, 1]))

    def test_lost_elsewhere(self) -> None:
        """Lines that were dropped before they got here are told of once."""
        target = self.target()
        self.elsewhere = 5
        target.put(b"a\n")
        target.put(b"b\n")
        self.elsewhere = 6
        target.put(b"c\n")
        self.assertEqual(self.notices(), [5, 1])

    def test_closed_pipe(self) -> None:
        """Nobody reads standard output any more: lines are counted, nothing is raised."""
        target = self.target()
        self.disk.room, self.disk.fault = 0, errno.EPIPE
        target.put(b"a\nb\n")
        self.assertEqual((target.lost, target.fault), (2, "takes no lines: Broken pipe"))

    def test_not_ready(self) -> None:
        """A descriptor that was made non-blocking is waited for."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        refusals = [BlockingIOError(), BlockingIOError()]

        def write(fd: int, data: memoryview) -> int:
            if refusals:
                raise refusals.pop()
            return os.write(writing, data)

        target = self.target(write=write)
        target._fd = writing
        target.put(b"line\n")
        self.assertEqual(os.read(reading, 100), b"line\n")

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), max_size=20))
    def test_lines_are_whole(self, steps: list[tuple[int, int]]) -> None:
        """However often the disk is full, each line is there whole or counted, and every notice adds up."""
        self.setUp()
        target = self.target()
        put = 0
        for room, count in steps:
            self.disk.room = room
            target.put(b"".join(b"line %d\n" % (put + i) for i in range(count)))
            put += count
        self.disk.room = None
        target.put(b"line %d\n" % put)
        lines = self.disk.content.splitlines()
        kept = [line for line in lines if not line.startswith(b'{"ts"')]
        numbers = [int(line.removeprefix(b"line ")) for line in kept]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(len(kept) + target.lost, put + 1)
        self.assertEqual(sum(self.notices()), target.lost)


class FileTests(TargetTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.mktemp()

    def read(self, path: str | None = None) -> bytes:
        with open(path or self.path, "rb") as file:
            return file.read()

    def opened(self) -> LineTarget:
        target = self.target(self.path, os.write)
        self.addCleanup(target.close)
        return target

    def test_appends(self) -> None:
        """A file is added to, and only its owner and group may read it."""
        target = self.opened()
        target.put(b"one\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o137, 0)
        target.close()
        self.opened().put(b"two\n")
        self.assertEqual(self.read(), b"one\ntwo\n")

    def test_heals_a_cut_line(self) -> None:
        """A file whose last line was cut off gets its newline first."""
        with open(self.path, "wb") as file:
            file.write(b"cut o")
        self.opened().put(b"whole\n")
        self.assertEqual(self.read(), b"cut o\nwhole\n")

    def test_rotated(self) -> None:
        """After the file was moved away, `reopen` goes on in a new one."""
        target = self.opened()
        target.put(b"one\n")
        os.rename(self.path, self.path + ".1")
        target.put(b"two\n")
        target.reopen(self.path)
        target.put(b"three\n")
        self.assertEqual((self.read(self.path + ".1"), self.read()), (b"one\ntwo\n", b"three\n"))

    def test_reopen_fails(self) -> None:
        """A file that can't be opened again: the old one stays in use."""
        target = self.opened()
        target.put(b"one\n")
        os.rename(self.path, self.path + ".1")
        os.mkdir(self.path)
        target.reopen(self.path)
        target.put(b"two\n")
        self.assertEqual(self.read(self.path + ".1"), b"one\ntwo\n")
        self.assertEqual(len(self.said), 1)

    def test_cannot_be_opened(self) -> None:
        """Told once, tried again a second later, and what was lost meanwhile is told in the file."""
        os.mkdir(self.path)
        target = self.opened()
        target.put(b"one\n")
        os.rmdir(self.path)
        target.put(b"two\n")
        self.assertEqual((target.lost, len(self.said)), (2, 1))
        self.assertIn("Is a directory", self.said[0])
        self.now_s = 1.0
        target.put(b"three\n")
        self.assertEqual((self.read().splitlines()[-1], target.lost), (b"three", 2))
        self.assertIn(b'"dropped":2', self.read())

    def test_another_target(self) -> None:
        """A reload that names another file moves there, even when it can't be opened yet."""
        target = self.opened()
        target.put(b"one\n")
        target.reopen(self.path + ".new")
        target.put(b"two\n")
        self.assertEqual((self.read(), self.read(self.path + ".new")), (b"one\n", b"two\n"))

    def test_descriptors(self) -> None:
        """A thousand reopenings leave no descriptor behind."""
        target = self.opened()
        target.put(b"one\n")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(1000):
            target.reopen(self.path)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
