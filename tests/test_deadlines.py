"""One clock hand for every deadline."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.deadlines import NEVER, Deadlines

#: How finely this clock's time passes.
_STEP_S = 0.01
#: Two of the wheel's ticks, what the module promises, and a step of the clock.
_LATEST_S = 0.2 + _STEP_S


class Held:
    """Something watched. passed: when it was called. again_s: what it arms itself with each time, if anything."""

    def __init__(self, wheel: Deadlines, again_s: list[float] | None = None) -> None:
        self.deadline = NEVER
        self.wake_s = NEVER
        self.passed: list[float] = []
        self._wheel = wheel
        self._again_s = list(again_s or [])

    def deadline_passed(self, now: float) -> None:
        self.passed.append(now)
        if self._again_s:
            self._wheel.arm(self, now + self._again_s.pop(0))


def _wheel() -> tuple[Clock, Deadlines]:
    clock = Clock()
    clock.advance(1000.03)
    return clock, Deadlines(clock, clock.seconds)


def _run(clock: Clock, for_s: float) -> None:
    for _ in range(round(for_s / _STEP_S)):
        clock.advance(_STEP_S)


class DeadlinesTests(SynchronousTestCase):
    """`Deadlines`."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.floats(0, 20), min_size=1, max_size=12))
    def test_on_time(self, waits_s: list[float]) -> None:
        """Nobody is called before the deadline, everybody at most 0.2 s after it, and once."""
        clock, wheel = _wheel()
        start = clock.seconds()
        held = []
        for wait_s in waits_s:
            one = Held(wheel)
            held.append(one)
            wheel.arm(one, start + wait_s)
        _run(clock, 21)
        for one, wait_s in zip(held, waits_s, strict=True):
            self.assertEqual(1, len(one.passed))
            self.assertGreaterEqual(one.passed[0], start + wait_s)
            self.assertLessEqual(one.passed[0], start + wait_s + _LATEST_S + 1e-6)
        self.assertEqual([], clock.getDelayedCalls())

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 8)), min_size=1, max_size=10))
    def test_last_setting_counts(self, steps: list[tuple[float, float]]) -> None:
        """However often it is set anew, earlier or later, one is called only for a setting that was not replaced."""
        clock, wheel = _wheel()
        one = Held(wheel)
        expected: list[float] = []
        due = NEVER
        for pause_s, wait_s in steps:
            due = clock.seconds() + wait_s
            wheel.arm(one, due)
            before = len(one.passed)
            _run(clock, pause_s)
            if len(one.passed) > before:
                expected.append(due)
                due = NEVER
        _run(clock, 10)
        if due < NEVER:
            expected.append(due)
        self.assertEqual(len(expected), len(one.passed))
        for called, wanted in zip(one.passed, expected, strict=True):
            self.assertTrue(wanted <= called <= wanted + _LATEST_S + 1e-6)

    def test_again(self) -> None:
        """One that sets a new deadline when it is called is called again."""
        clock, wheel = _wheel()
        one = Held(wheel, [1.0, 2.0])
        wheel.arm(one, clock.seconds() + 1.0)
        _run(clock, 6)
        self.assertEqual(3, len(one.passed))

    def test_never_for_a_while(self) -> None:
        """Storing NEVER is enough to have no deadline; a later store in place is enough to have one again."""
        clock, wheel = _wheel()
        one = Held(wheel)
        wheel.arm(one, clock.seconds() + 1.0)
        one.deadline = NEVER
        _run(clock, 3)
        self.assertEqual([], one.passed)
        self.assertEqual(NEVER, one.wake_s)
        wheel.arm(one, clock.seconds() + 1.0)
        _run(clock, 2)
        self.assertEqual(1, len(one.passed))

    def test_forget(self) -> None:
        """What was forgotten is not called, and nothing here keeps it alive."""
        clock, wheel = _wheel()
        one = Held(wheel)
        wheel.arm(one, clock.seconds() + 5.0)
        wheel.forget(one)
        wheel.forget(one)
        gone = weakref.ref(one)
        passed = one.passed
        del one
        gc.collect()
        self.assertIsNone(gone())
        _run(clock, 6)
        self.assertEqual([], passed)

    def test_forget_while_called(self) -> None:
        """One that is forgotten by another in the same turn is not called after it."""
        clock, wheel = _wheel()
        due = clock.seconds() + 1.0
        calls: list[str] = []

        class Ending(Held):
            other: Held

            def deadline_passed(self, now: float) -> None:
                super().deadline_passed(now)
                calls.append("called")
                wheel.forget(self.other)

        first, second = Ending(wheel), Ending(wheel)
        first.other, second.other = second, first
        wheel.arm(first, due)
        wheel.arm(second, due)
        _run(clock, 2)
        self.assertEqual(["called"], calls)

    def test_past(self) -> None:
        """A deadline that has passed already is kept with the next look."""
        clock, wheel = _wheel()
        one = Held(wheel)
        wheel.arm(one, clock.seconds() - 50.0)
        self.assertEqual([], one.passed)
        _run(clock, 0.3)
        self.assertEqual(1, len(one.passed))

    def test_stall(self) -> None:
        """After a stall of minutes everything that was due is called in the first turn."""
        clock, wheel = _wheel()
        held = [Held(wheel) for _ in range(5)]
        for index, one in enumerate(held):
            wheel.arm(one, clock.seconds() + index * 30)
        clock.advance(600)
        self.assertEqual([1] * 5, [len(one.passed) for one in held])

    def test_stop(self) -> None:
        """After `stop` nothing is called and no call is left with the clock."""
        clock, wheel = _wheel()
        one = Held(wheel)
        wheel.arm(one, clock.seconds() + 1.0)
        wheel.stop()
        self.assertEqual([], clock.getDelayedCalls())
        _run(clock, 2)
        self.assertEqual([], one.passed)

    def test_idle_costs_nothing(self) -> None:
        """With nobody watched, the clock has nothing to do."""
        clock, wheel = _wheel()
        one = Held(wheel)
        wheel.arm(one, clock.seconds() + 1.0)
        _run(clock, 2)
        self.assertEqual([], clock.getDelayedCalls())
