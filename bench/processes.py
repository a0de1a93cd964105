"""Processes that the bench starts: pinned to a core, awaited, and ended with all their children.

Knows: ports, cores, process groups. Refuses to know: what runs in them. Strategy: each has its own session, so that one
signal to the group ends it and whatever it started, also when the bench itself fails half-way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_READY_S = 20.0
_STOP_S = 5.0
_WORDS = 400


class StartFailed(Exception):
    """A process ended, or did not listen in time. str() says which, and the last it said."""


class OriginEnded(Exception):
    """The origin is gone, so that no figure after that means anything. str() says how it ended."""


class Running:
    """One started process; `stop` it. output: the file with what it writes to stdout and stderr."""

    def __init__(
        self, title: str, command: Sequence[str], output: Path, *, core: int, environ: Mapping[str, str] | None = None
    ) -> None:
        self.title = title
        self.output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=output.parent,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid

    def await_ports(self, ports: Sequence[int], within_s: float = _READY_S) -> None:
        """Return once all ports accept. Raises StartFailed."""
        give_up = time.monotonic() + within_s
        for port in ports:
            while not _accepts(port):
                if (ended := self.ended()) is not None:
                    raise StartFailed(ended)
                if time.monotonic() > give_up:
                    raise StartFailed(f"{self.title} did not listen on {port} in {within_s:.0f} s: {self._last()}")
                time.sleep(0.05)

    def ended(self) -> str | None:
        """How it ended, None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        return f"{self.title} {how}; the last it said: {self._last()}"

    def stop(self) -> None:
        """End it, politely first; then whatever of its group is left, without asking."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()

    def _last(self) -> str:
        lines = self.output.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])[-_WORDS:] or "nothing"


@contextlib.contextmanager
def running(
    title: str, command: Sequence[str], output: Path, *, core: int, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A process that ends when the block does."""
    one = Running(title, command, output, core=core, environ=environ)
    try:
        yield one
    finally:
        one.stop()


def on_path(name: str) -> str | None:
    """A program on PATH, among the active environment's scripts, or where Debian keeps daemons."""
    places = (None, sysconfig.get_path("scripts"), "/usr/sbin")
    return next((found for place in places if (found := shutil.which(name, path=place))), None)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def two_cores() -> tuple[int, int]:
    """The core of whom is measured, and the core of load and origin. Raises StartFailed when there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise StartFailed("the bench needs two cores: one for whom is measured, one for load and origin")
    return cores[0], cores[1]


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
