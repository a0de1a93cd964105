"""What the gateway does when it is sent a signal.

Knows: SIGTERM and SIGINT (stop; a second one: at once), SIGHUP (load again), SIGUSR1 (open the log again), and that
Twisted's own SIGTERM ends with exit code 143 where the contract says 0. Refuses to know: how any of it is done.
Strategy: SIGHUP and SIGUSR1 are held from the start, when they would kill the process, and delivered when the reactor
runs; the two that stop replace Twisted's own then. A handler does nothing but wake the reactor. Nothing is put back:
until the process is gone, a late signal must not change how it ends.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads

Act = Callable[[], object]


class Signals:
    """reload, reopen, stop, hurry: called on the reactor's thread. set_signal: `signal.signal`."""

    def __init__(
        self,
        reactor: IReactorFromThreads,
        *,
        reload: Act,
        reopen: Act,
        stop: Act,
        hurry: Act,
        set_signal: Callable[[int, Any], Any] = signal.signal,
    ) -> None:
        self._reactor = reactor
        self._acts: dict[int, Act] = {signal.SIGHUP: reload, signal.SIGUSR1: reopen}
        self._stop = stop
        self._hurry = hurry
        self._set_signal = set_signal
        self._running = False
        self._stopping = False
        self._held: set[int] = set()

    def hold(self) -> None:
        """As early as can be, on the main thread: from now on SIGHUP and SIGUSR1 kill nobody."""
        for number in self._acts:
            self._set_signal(number, self._received)

    def release(self) -> None:
        """The reactor runs: deliver what was held, and take SIGTERM and SIGINT over from it."""
        self._running = True
        self._set_signal(signal.SIGTERM, self._asked_to_stop)
        self._set_signal(signal.SIGINT, self._asked_to_stop)
        for number in sorted(self._held):
            self._acts[number]()
        self._held.clear()

    def _received(self, number: int, _: FrameType | None) -> None:
        if self._running:
            self._reactor.callFromThread(self._acts[number])
        else:
            self._held.add(number)

    def _asked_to_stop(self, number: int, _: FrameType | None) -> None:
        act = self._hurry if self._stopping else self._stop
        self._stopping = True
        self._reactor.callFromThread(act)
