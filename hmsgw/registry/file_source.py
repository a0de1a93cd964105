"""A file as a source, looked at once a second.

Knows: how a change is noticed (time of change, size and inode) and that reading belongs into a thread. Refuses to know:
what stands in the file (`file.py`). Strategy: all questions wait for the same look; one look at a time; a file that
can't be read or understood fails them all, so that the last good endpoints stay.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.faults import Refused
from hmsgw.registry.file import services_in
from hmsgw.registry.source import Answer, BadAnswer

LOOK_S = 1.0
MAX_BYTES = 8 * 1024 * 1024

Stamp = tuple[int, int, int, int]


class Seen(NamedTuple):
    """What a look found. stamp: tells one state of the file from another. services or fault: one of them."""

    stamp: Stamp | None
    services: Mapping[str, tuple[Endpoint, ...]] | None
    fault: str | None


def look(path: str, last: Seen | None) -> Seen:
    """Blocking. `last` itself when the file has not changed since. Never raises for what may be wrong with a file."""
    stamp: Stamp | None = None
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return Seen(None, None, f"the registry file {path} is not a regular file")
        if last is not None and last.stamp == _stamp(status):
            return last
        with open(path, "rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            content = file.read(MAX_BYTES + 1)
        return Seen(stamp, services_in(content, path), None)
    except OSError as error:
        return Seen(None, None, f"the registry file {path} can't be read: {error.strerror or error}")
    except Refused as refused:
        more = len(refused.faults) - 1
        return Seen(stamp, None, str(refused.faults[0]) + (f" (and {more} more)" if more else ""))


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


class FileSource:
    """path: absolute. in_thread: runs a blocking call elsewhere (`deferToThread`)."""

    deadline_s: float | None = None

    def __init__(
        self, path: str, clock: IReactorTime, in_thread: Callable[[Callable[[], Seen]], Deferred[Seen]]
    ) -> None:
        self.name = f"file {path}"
        self._path = path
        self._clock = clock
        self._in_thread = in_thread
        self._waiting: dict[Deferred[Answer], str] = {}
        self._seen: Seen | None = None
        self._looking = False
        self._next: IDelayedCall | None = None

    def ask(self, service: str, cursor: int) -> Deferred[Answer]:
        """Answered by the next look: at once for cursor 0, else a second later. Fails with BadAnswer."""
        waiter: Deferred[Answer] = Deferred(self._leave)
        self._waiting[waiter] = service
        if not self._looking:
            if cursor == 0 and self._seen is None:
                self._look()
            elif self._next is None:
                self._next = self._clock.callLater(LOOK_S, self._look)
        return waiter

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _leave(self, waiter: Deferred[Answer]) -> None:
        self._waiting.pop(waiter, None)

    def _look(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._looking = True
        asked, self._waiting = self._waiting, {}
        last = self._seen
        looked = self._in_thread(lambda: look(self._path, last))
        looked.addErrback(lambda failure: Seen(None, None, f"the registry file can't be read: {_words(failure)}"))
        looked.addCallback(self._looked, asked)

    def _looked(self, seen: Seen, asked: dict[Deferred[Answer], str]) -> None:
        self._looking = False
        self._seen = seen
        for waiter, service in asked.items():
            if waiter.called:
                continue
            if seen.services is None:
                waiter.errback(BadAnswer(seen.fault or "the registry file can't be read"))
            else:
                waiter.callback(Answer(seen.services.get(service, ()), cursor=1))
        if self._waiting and self._next is None:
            self._next = self._clock.callLater(LOOK_S, self._look)


def _words(failure: Failure) -> str:
    return type(failure.value).__name__
