"""What systemd is told: ready, reloading, stopping, a status line, and that the reactor still turns.

Knows: the sd_notify datagrams ($NOTIFY_SOCKET, $WATCHDOG_USEC; systemd's sd_notify(3)). Refuses to know: why.
Strategy: one datagram a call, never waited for; without $NOTIFY_SOCKET nothing is sent. The watchdog is fed from the
reactor, so a reactor that stands still is restarted.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime


def _send(address: str, message: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto(message, address)
        except OSError:
            return  # systemd is not there or not reading: nobody to tell


class Notifier:
    """environ: of the process. send: (address, datagram)."""

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: IReactorTime,
        *,
        send: Callable[[str, bytes], None] = _send,
        pid: Callable[[], int] = os.getpid,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL of the abstract name space.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        self._send = send
        self._monotonic_ns = monotonic_ns
        self._every_s = _watchdog_s(environ, pid()) / 2
        self._next: IDelayedCall | None = None

    def ready(self, status: str) -> None:
        """Serving. Also ends `reloading`."""
        self._say("READY=1", f"STATUS={status}")
        if self._next is None and self._every_s > 0:
            self._feed()

    def reloading(self) -> None:
        """`ready` has to follow."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={self._monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Connections drain; the watchdog goes on, so that a drain can't hang unseen."""
        self._say("STOPPING=1", "STATUS=draining")

    def stop(self) -> None:
        """No more datagrams."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._address = ""

    def _feed(self) -> None:
        self._say("WATCHDOG=1")
        self._next = self._clock.callLater(self._every_s, self._feed)

    def _say(self, *lines: str) -> None:
        if self._address:
            self._send(self._address, "\n".join(line.replace("\n", " ") for line in lines).encode())


def _watchdog_s(environ: Mapping[str, str], pid: int) -> float:
    """How long systemd waits for a sign of life; 0: it doesn't."""
    if not environ.get("NOTIFY_SOCKET") or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return 0.0
    word = environ.get("WATCHDOG_USEC", "")
    return int(word) / 1e6 if word.isascii() and word.isdigit() else 0.0
