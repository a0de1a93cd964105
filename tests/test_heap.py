"""Memory that is given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.heap import EVERY_S, Heap, libc_trim, resident_bytes

MIB = 1024 * 1024


class HeapTests(SynchronousTestCase):
    """`Heap`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.resident, self.in_use, self.trims = 60 * MIB, 60 * MIB, 0
        self.heap = Heap(self.clock, self.at_once, lambda: self.resident, self.trim)
        self.heap.start()

    def at_once(self, call: Callable[[], Any]) -> None:
        call()

    def trim(self) -> None:
        self.trims += 1
        self.resident = self.in_use

    def minutes(self, number: int) -> None:
        for _ in range(number):
            self.clock.advance(EVERY_S)

    def test_steady(self) -> None:
        """A gateway that grows little is left alone."""
        self.resident = 130 * MIB
        self.minutes(60)
        self.assertEqual(0, self.trims)

    def test_a_crowd_has_gone(self) -> None:
        """What stays behind after a crowd is given back within a minute, and again after the next one."""
        for crowd in (1, 2):
            self.resident = 600 * MIB
            self.minutes(3)
            self.assertEqual((crowd, 60 * MIB), (self.trims, self.resident))

    def test_in_use(self) -> None:
        """Memory that is in use is not looked for minute after minute."""
        self.resident = self.in_use = 600 * MIB
        self.minutes(60)
        self.assertEqual(1, self.trims)

    def test_stop(self) -> None:
        """Nothing stays behind in the reactor."""
        self.heap.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.heap.stop()

    def test_this_machine(self) -> None:
        """glibc takes the call, and the memory of this process can be read."""
        trim = libc_trim()
        if trim is not None:
            trim()
        self.assertGreater(resident_bytes(), MIB)
