"""Where log lines end up: standard output or a file, written to by a thread that may block.

Knows: descriptors, partial writes, and targets that are full, gone or missing. Refuses to know: who writes, and when.
Strategy: blocking calls only, so it belongs to one thread. A line is whole or not there: what a full disk cut off is
finished first when there is room again. What can't be written is lost and counted, and said in the log itself once
something can be written.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Callable

import orjson

from hmsgw.telemetry.timestamps import rfc3339

STDOUT = "stdout"
_FILE_MODE = 0o640
_OPEN_AGAIN_S = 1.0


def complain_on_stderr(sentence: str) -> None:
    """The last resort of a log that can't be written."""
    try:
        os.write(2, sentence.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return


class LineTarget:
    """target: `stdout` or a path. wall: seconds since 1970. lost_elsewhere: lines that were lost before they got here.
    complain: told once, in a sentence, when the target stops taking lines. lost: lines lost here, so far.
    fault: why lines are being lost now, or None.
    """

    def __init__(
        self,
        target: str,
        wall: Callable[[], float],
        lost_elsewhere: Callable[[], int],
        *,
        complain: Callable[[str], None] = complain_on_stderr,
        seconds: Callable[[], float] = time.monotonic,
        write: Callable[[int, memoryview], int] = os.write,
    ) -> None:
        self.target = target
        self.lost = 0
        self.fault: str | None = None
        self._wall = wall
        self._lost_elsewhere = lost_elsewhere
        self._complain = complain
        self._seconds = seconds
        self._write = write
        self._fd: int | None = 1 if target == STDOUT else None
        self._torn = b""
        self._told = 0
        self._open_after_s = float("-inf")

    def put(self, lines: bytes) -> None:
        """Write whole lines, each with its newline. Never raises; blocks as long as the target does."""
        fd = self._descriptor()
        if fd is None or not self._finish_torn(fd):
            self.lost += lines.count(b"\n")
            return
        gone = self.lost + self._lost_elsewhere()
        if gone > self._told and self._put(fd, self._notice(gone - self._told)) == 0:
            self._told = gone
        self.lost += self._put(fd, lines)

    def reopen(self, target: str) -> None:
        """Open the target anew: it was moved away, or another one is meant. One that can't be opened leaves a file
        that is open in use. Never raises."""
        old, self._fd = self._fd, None
        changed, self.target = target != self.target, target
        self._open_after_s = float("-inf")
        if self._descriptor() is None and not changed:
            self._fd = old
            return
        if self._torn:
            self.lost += 1
            self._torn = b""
        if old not in (None, 1):
            os.close(old)

    def close(self) -> None:
        """Give the descriptor back."""
        fd, self._fd = self._fd, None
        if fd not in (None, 1):
            os.close(fd)

    def _descriptor(self) -> int | None:
        if self._fd is None and self._seconds() >= self._open_after_s:
            if self.target == STDOUT:
                self._fd = 1
                return 1
            try:
                self._fd = _open(self.target)
            except OSError as error:
                self._open_after_s = self._seconds() + _OPEN_AGAIN_S
                self._failed(error, "can't be opened")
        return self._fd

    def _finish_torn(self, fd: int) -> bool:
        if self._torn:
            self._torn = self._torn[self._write_some(fd, self._torn) :]
        return not self._torn

    def _put(self, fd: int, lines: bytes) -> int:
        """How many lines were lost. One that was cut off is not: its rest waits."""
        done = self._write_some(fd, lines)
        if done == len(lines):
            self.fault = None
            return 0
        end = done
        if done and lines[done - 1] != 0x0A:
            end = lines.index(b"\n", done) + 1
            self._torn = lines[done:end]
        return lines.count(b"\n", end)

    def _write_some(self, fd: int, content: bytes) -> int:
        """How many bytes went out; fewer than all only after a fault."""
        view = memoryview(content)
        done = 0
        while done < len(content):
            try:
                done += self._write(fd, view[done:])
            except BlockingIOError:
                # Whoever gave us the descriptor made it non-blocking; this thread may wait.
                poll = select.poll()
                poll.register(fd, select.POLLOUT)
                poll.poll()
            except OSError as error:
                self._failed(error, "takes no lines")
                break
        return done

    def _failed(self, error: OSError, what: str) -> None:
        why = f"{what}: {error.strerror or error}"
        if self.fault is None:
            self._complain(f"hms-gateway: the log {self.target} {why}; lines are dropped, and counted, until it does")
        self.fault = why

    def _notice(self, count: int) -> bytes:
        return orjson.dumps(
            {
                "ts": rfc3339(self._wall()),
                "event": "log",
                "level": "warn",
                "namespace": "hmsgw.telemetry",
                "message": f"{count} log lines were dropped: the log did not take them as fast as they came, or at all",
                "dropped": count,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def _open(path: str) -> int:
    """Open for appending. A last line that was cut off when the program before this one ended gets its newline."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, _FILE_MODE)
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            with open(path, "rb", buffering=0) as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    os.write(fd, b"\n")
    except OSError:
        return fd  # not readable by us, or full: then its end stays as it is
    return fd
