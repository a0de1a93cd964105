"""Log lines on their way out, without anybody waiting for them.

Knows: how lines are gathered, bounded and handed to the one thread that writes. Refuses to know: what a line says, and
the target's troubles (`line_target.py`). Strategy: the reactor appends to a list; ten times a second, or when 64 KiB
have gathered, the list goes to the thread, one batch at a time. A target that stands still fills the list and no more:
then lines are dropped and counted. Lines of other threads (`write_now`) go straight to the thread's own bounded queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from hmsgw.telemetry.line_target import LineTarget

MAX_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 64 * 1024
_FLUSH_S = 0.1
_MAX_QUEUED = 512
_CLOSE_S = 2.0

_STOP = object()


def _daemon_thread(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name="hmsgw-log", daemon=True)
    thread.start()
    return thread


class LineWriter:
    """target: `stdout` or a path. max_bytes: bound of what waits, the batch that is being written included.

    The thread starts with the first flush or with `start`, so after the process has become a daemon.
    """

    def __init__(
        self,
        target: str,
        clock: IReactorTime,
        wall: Callable[[], float],
        *,
        max_bytes: int = MAX_BYTES,
        make_target: Callable[[str, Callable[[], float], Callable[[], int]], LineTarget] = LineTarget,
        make_thread: Callable[[Callable[[], None]], Any] = _daemon_thread,
    ) -> None:
        self._clock = clock
        self._target = make_target(target, wall, self._refused)
        self._make_thread = make_thread
        self._thread: Any = None
        self._max_waiting = max_bytes // 2
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._batch_out = False
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._refused_here = 0
        self._refused_elsewhere = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Lines lost so far, for whatever cause."""
        return self._refused() + self._target.lost

    @property
    def fault(self) -> str | None:
        """Why lines are being lost now, in a sentence; None while all is well."""
        fault = self._target.fault
        return None if fault is None else f"the log {self._target.target} {fault}"

    def write(self, line: bytes) -> None:
        """Take a line, newline included. On the reactor's thread; never blocks, never raises."""
        size = self._size + len(line)
        if size > self._max_waiting or self._closed:
            self._refused_here += 1
            return
        self._size = size
        self._lines.append(line)
        if self._timer is None:
            self._timer = self._clock.callLater(_FLUSH_S, self._flush_in_time)
        if size >= _BATCH_BYTES and not self._batch_out:
            self.hand_over()

    def write_now(self, line: bytes) -> None:
        """Take a line, newline included, on any thread and before the reactor runs; never blocks, never raises.

        Safe in a destructor that interrupts another call of it (SimpleQueue is reentrant): that is where Twisted
        reports Deferreds whose failures nobody took.
        """
        if self._closed or self._queue.qsize() >= _MAX_QUEUED:
            # Two threads may count as one here; the number is for people.
            self._refused_elsewhere += 1
        else:
            self._queue.put((line,))

    def start(self) -> None:
        """Start the thread that writes, once; not before the process has become a daemon, which no thread survives."""
        if self._thread is None:
            self._thread = self._make_thread(self._serve)

    def reopen(self, target: str | None = None) -> None:
        """Open the target again, after what was taken until now is written; or another target."""
        if not self._closed:
            self.hand_over()
            self._queue.put(self._target.target if target is None else target)

    def finish(self) -> None:
        """Hand over what waits and take no more. On the reactor's thread; `join` waits for the rest."""
        if self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.hand_over()
        self._closed = True
        self._queue.put(_STOP)
        self.start()

    def join(self) -> None:
        """After `finish`: wait until all is written, for 2 s at most. Blocks: call it in another thread, or when the
        reactor has stopped."""
        self._thread.join(_CLOSE_S)

    def close(self) -> None:
        """`finish` and `join`, for when the reactor has stopped or never ran."""
        self.finish()
        self.join()

    def _refused(self) -> int:
        return self._refused_here + self._refused_elsewhere

    def _flush_in_time(self) -> None:
        self._timer = None
        if not self._batch_out:
            self.hand_over()
        if self._lines:
            self._timer = self._clock.callLater(_FLUSH_S, self._flush_in_time)

    def hand_over(self) -> None:
        """To the thread, what waits: before what `write_now` is given next. On the reactor's thread."""
        if self._lines:
            self.start()
            lines, self._lines, self._size = self._lines, [], 0
            self._batch_out = True
            self._queue.put(lines)

    def _serve(self) -> None:
        """The thread."""
        while True:
            item = self._queue.get()
            if item is _STOP:
                self._target.close()
                return
            if isinstance(item, str):
                self._target.reopen(item)
                continue
            self._target.put(b"".join(item))
            if isinstance(item, list):
                self._batch_out = False
