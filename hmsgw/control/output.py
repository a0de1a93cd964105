"""Where standard output goes when a daemon has none.

Knows: twistd's rules for its log file (`--logfile`, else `twistd.log` where it was started; a daemon has no terminal).
Refuses to know: what is written. Strategy: the file takes the place of descriptors 1 and 2, so that access lines, the
log and a dying interpreter's last words all get there; opened before privileges drop, and again after a rotation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from os.path import abspath
from typing import Any

from hmsgw.control.options import UsageFault

_MODE = 0o640


def output_file(twistd: Mapping[str, Any] | None) -> str | None:
    """The file that stands for standard output; None: standard output itself.

    twistd: its own options, None without it. Raises UsageFault.
    """
    if twistd is None or twistd.get("syslog") or twistd.get("logger"):
        return None
    said = twistd.get("logfile")
    if twistd.get("nodaemon") or twistd.get("debug"):
        return None if said in (None, "", "-") else abspath(str(said))
    if said == "-":
        raise UsageFault("a daemon has no standard output to log to; give --logfile FILE, or --nodaemon")
    return abspath(str(said or "twistd.log"))


class Output:
    """path: None leaves standard output alone. dup2: `os.dup2`."""

    def __init__(self, path: str | None, dup2: Callable[[int, int], object] = os.dup2) -> None:
        self.path = path
        self._dup2 = dup2
        self._opened: int | None = None

    def open(self) -> None:
        """Before the process becomes a daemon, so that a fault is seen. Raises OSError."""
        if self.path is not None:
            self._opened = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def take(self) -> None:
        """From now on descriptors 1 and 2 are the file."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            self._dup2(opened, 1)
            self._dup2(opened, 2)
            os.close(opened)

    def reopen(self) -> None:
        """The file was moved away: begin a new one. Raises OSError; then the old one stays in use."""
        self.open()
        self.take()
