"""One measured window: a run of the load, and what the subject's process tree spent meanwhile.

Knows: how load and spending become a row's figures, and the two transports. Refuses to know: scenarios. Strategy: CPU
time is read just before the load starts and just after it ends, so that what others do in between does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import cpu, load
from bench.load import Counted, LoadFailed
from bench.results import CPU, OTHERS, P99, RATE, Row
from bench.subject import Ground, Subject

TRANSPORTS = ((False, "HTTP/1.1"), (True, "HTTP/1.1 over TLS"))
WARM_S = 1.0
"""Load before the first window: connections to the origin, caches, code that is compiled at its first use."""


def measure(
    ground: Ground, subject: Subject, row: Row, loaded: Callable[[], Counted], *, ends_early: bool = False
) -> None:
    """One window. A load that failed, or any answer but a good one, is the row's fault. Raises OriginEnded.

    loaded: loads the subject and returns what was counted. ends_early: the load may run out of requests before its
    time, so that requests a second would mean nothing.
    """
    busy_before, before = cpu.busy_us(ground.measured_core), subject.spent_us()
    try:
        ran = loaded()
    except LoadFailed as error:
        row.fault = subject.running.ended() or str(error)
        return
    spent, busy = subject.spent_us() - before, cpu.busy_us(ground.measured_core) - busy_before
    ground.origin.require()
    if ran.failed or not ran.requests:
        row.fault = (
            subject.running.ended()
            or f"{ran.refused} refused and {ran.socket_errors} broken of {ran.requests} requests"
        )
    if ran.requests:
        others = 100 * max(0.0, busy - spent) / ran.duration_us
        figures = {CPU: spent / ran.requests, RATE: ran.per_s, P99: ran.p99_us / 1000, OTHERS: others}
        if ends_early:
            del figures[RATE]
        if not ran.p99_us:  # h2load does not tell
            del figures[P99]
        row.add(figures)


def loading(ground: Ground, subject: Subject, tls: bool, script: Path) -> Callable[[], Counted]:
    """What loads the subject over HTTP/1.1, for one window."""
    return partial(load.run, subject.url(tls), script, connections=ground.connections, seconds=ground.seconds)


def latest(row: Row) -> str:
    """The last round in words, for the progress line."""
    figures = ", ".join(f"{series[-1]:,.1f} {measure}" for measure, series in row.series.items())
    return row.fault or figures or "no figures"
