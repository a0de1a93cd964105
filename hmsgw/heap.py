"""Memory that has been freed but not given back: glibc keeps it in its heap.

Knows: how much is resident, and glibc's malloc_trim. Refuses to know: what was freed. Strategy: after thousands of TLS
connections have gone, hundreds of MiB stay behind in pieces. Once a minute the resident memory is looked at, in a
thread; if it has grown by a quarter and 64 MiB since it was last trimmed, it is trimmed, and what remains is in use.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EVERY_S = 60.0
_GROWN_BYTES = 64 * 1024 * 1024
_GROWN_FACTOR = 1.25


def resident_bytes() -> int:
    """Of this process; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def libc_trim() -> Callable[[], object] | None:
    """glibc's malloc_trim(0), which takes no lock of Python's; None with another C library."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if trim is None else lambda: trim(ctypes.c_size_t(0))


class Heap:
    """See the module. in_thread: runs a call elsewhere. resident: bytes. trim: None where there is nothing to call."""

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: Callable[[Callable[[], Any]], Any],
        resident: Callable[[], int] = resident_bytes,
        trim: Callable[[], object] | None = None,
    ) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._resident = resident
        self._trim = trim or libc_trim()
        self._kept_bytes = 0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._trim is not None:
            self._kept_bytes = self._resident()
            self._call = self._clock.callLater(EVERY_S, self._again)

    def stop(self) -> None:
        """End it."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _again(self) -> None:
        self._call = self._clock.callLater(EVERY_S, self._again)
        self._in_thread(self.look)

    def look(self) -> None:
        """Trim, if that is worth it."""
        if self._trim is not None and self._resident() > self._kept_bytes * _GROWN_FACTOR + _GROWN_BYTES:
            self._trim()
            self._kept_bytes = self._resident()
