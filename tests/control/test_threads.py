"""Blocking calls beside the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.threads import in_daemon_thread


class FromThreads:
    """A reactor as far as threads see it: what they hand over waits until `turn`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.called = threading.Event()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        self.calls.append((call, args))
        self.called.set()

    def turn(self) -> None:
        self.called.wait(10)
        for call, args in self.calls:
            call(*args)


class InDaemonThreadTests(SynchronousTestCase):
    """`in_daemon_thread`."""

    def test_result(self) -> None:
        """The result arrives on the reactor's thread; the work was done on a daemon thread."""
        reactor: Any = FromThreads()
        done = in_daemon_thread(reactor, lambda: threading.current_thread().daemon)
        self.assertNoResult(done)
        reactor.turn()
        self.assertTrue(self.successResultOf(done))

    def test_failure(self) -> None:
        """What is raised arrives as a failure."""
        reactor: Any = FromThreads()
        done = in_daemon_thread(reactor, lambda: 1 // 0)
        reactor.turn()
        self.failureResultOf(done, ZeroDivisionError)

    def test_exit(self) -> None:
        """A plugin file that calls sys.exit() does not end the gateway."""
        reactor: Any = FromThreads()

        def leave() -> None:
            raise SystemExit(3)

        done = in_daemon_thread(reactor, leave)
        reactor.turn()
        self.assertIn("SystemExit(3)", str(self.failureResultOf(done, RuntimeError).value))

    def test_given_up(self) -> None:
        """An answer that comes after the wait was given up is dropped."""
        reactor: Any = FromThreads()
        go = threading.Event()
        done = in_daemon_thread(reactor, lambda: go.wait(10))
        done.addErrback(lambda failure: "given up")
        done.cancel()
        go.set()
        reactor.turn()
        self.assertEqual(self.successResultOf(done), "given up")
