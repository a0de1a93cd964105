"""Beginning and bounding a wait. Whole requests that wait are in test_run."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.waiting import DeadlinePassed, Ended, Promise, Waiting, begin


class BeginTests(SynchronousTestCase):
    def test_ends_at_once(self) -> None:
        """Values, ended coroutines and fired Deferreds are ends, not promises."""

        async def coroutine(value: Any) -> Any:
            return value

        for result in (5, coroutine(5), succeed(5)):
            self.assertEqual(begin(result), Ended(5, None))

    def test_failed_deferred(self) -> None:
        """A Deferred that has failed gives its error, and leaves nothing unhandled."""
        error = ZeroDivisionError()
        self.assertIs(begin(fail(error)).error, error)  # type: ignore[union-attr]

    def test_chained_deferred(self) -> None:
        """A Deferred that fired with another Deferred still waits."""
        inner: Deferred[int] = Deferred()
        promise = begin(succeed(None).addCallback(lambda _: inner))
        assert isinstance(promise, Promise)
        inner.callback(7)
        self.assertEqual(self.successResultOf(promise.deferred), 7)

    def test_coroutine_is_run_once(self) -> None:
        """What a coroutine does before its first wait is done once."""
        done: list[str] = []
        gate: Deferred[str] = Deferred()

        async def coroutine() -> None:
            done.append("before")
            done.append(await gate)

        promise = begin(coroutine())
        assert isinstance(promise, Promise)
        gate.callback("after")
        self.successResultOf(promise.deferred)
        self.assertEqual(done, ["before", "after"])


class WaitingTests(SynchronousTestCase):
    def waiting(self, promise: Any, *, deadline_s: float = 2.0) -> Waiting:
        self.clock = Clock()
        begun = begin(promise)
        assert isinstance(begun, Promise)
        return Waiting(self.clock, begun, "acme", deadline_s, lambda: False)

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ends(self) -> None:
        """The result comes with no timer left."""
        gate: Deferred[int] = Deferred()
        waiting = self.waiting(gate)
        gate.callback(3)
        self.assertEqual(self.successResultOf(waiting.outcome), Ended(3, None))

    def test_fails(self) -> None:
        """An error is a value here: only cancellation from outside fails the outcome."""
        gate: Deferred[int] = Deferred()
        waiting = self.waiting(gate)
        gate.errback(KeyError("x"))
        self.assertIsInstance(self.successResultOf(waiting.outcome).error, KeyError)

    def test_deadline(self) -> None:
        """At its own deadline a wait ends with DeadlinePassed, which says how long it was."""
        waiting = self.waiting(Deferred(), deadline_s=0.25)
        self.clock.advance(0.25)
        error = self.successResultOf(waiting.outcome).error
        self.assertIsInstance(error, DeadlinePassed)
        self.assertEqual(str(error), "acme did not end within 0.25 s")

    def test_late_result(self) -> None:
        """A result that comes after the deadline is dropped."""
        gates: list[Deferred[int]] = [Deferred(), Deferred()]

        async def stubborn() -> int:
            try:
                return await gates[0]
            except CancelledError:
                return await gates[1]

        waiting = self.waiting(stubborn())
        self.clock.advance(2)
        ended = self.successResultOf(waiting.outcome)
        self.assertIsInstance(ended.error, DeadlinePassed)
        gates[1].callback(5)

    def test_refuses_to_be_closed(self) -> None:
        """A coroutine that awaits even while it is closed is logged, and given up for good."""
        seen: list[str] = []

        async def stubborn() -> None:
            while len(seen) < 2:
                try:
                    await Deferred()
                except BaseException as error:
                    seen.append(type(error).__name__)
            await Deferred()

        waiting = self.waiting(stubborn())
        waiting.outcome.cancel()
        self.failureResultOf(waiting.outcome, CancelledError)
        self.clock.advance(2)
        self.assertEqual(seen, ["CancelledError", "GeneratorExit"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
