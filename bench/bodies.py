"""Big bodies: 1 MiB answers to many, and 1 GiB down and up over one connection, also to a reader that is slow.

Knows: the scenario `bodies`. Refuses to know: sockets (`bench.streams`) and wrk (`bench.load`). Strategy: throughput,
CPU time a GiB, and how far the peak of resident memory rose above what was resident before, for the gateway without
plugins beside bare nginx and HAProxy.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import cpu, load, streams
from bench.load import LoadFailed
from bench.origin import GIB, MIB, ONE_GIB, ONE_MIB
from bench.processes import StartFailed, free_ports, running
from bench.results import Row
from bench.streams import Edge
from bench.subject import Ground, Subject, started
from bench.window import TRANSPORTS, latest

SPEED = "MiB/s"
CPU_GIB = "CPU ms a GiB"
GROWTH = "peak growth MiB"
PEERS = ("hmsgw", "nginx", "haproxy")
_SLOW_S = 4.0
_SLOW_BYTES_PER_S = 8 * MIB
_ROOT = Path(__file__).resolve().parents[1]


def bodies(ground: Ground, rows: list[Row]) -> None:
    streams.download(Edge(ground.origin.port, None), ONE_GIB, GIB)  # so that nobody pays for the origin's cold file
    with _sink(ground) as sink_port:
        for tls, words in TRANSPORTS:
            _each(ground, rows, f"1 MiB answers, {words}", partial(_many, ground, tls))
            _each(ground, rows, f"1 GiB download, {words}", partial(_download, tls))
            _each(ground, rows, f"1 GiB upload, {words}", partial(_upload, tls), origin_port=sink_port)
            _each(ground, rows, f"slow reader, {words}", partial(_slowly, tls), rounds=1)


def _each(
    ground: Ground,
    rows: list[Row],
    table: str,
    measure: Callable[[Subject], tuple[float, float]],
    *,
    origin_port: int | None = None,
    rounds: int | None = None,
) -> None:
    """One table. measure gives (bytes of body, seconds); the seconds are 0 where speed means nothing."""
    with contextlib.ExitStack() as stack:
        pairs: list[tuple[Subject, Row]] = []
        for peer, program, job in ground.of_job("bare"):
            if peer.word not in PEERS:
                continue
            row = Row(table, peer.word, peer.title, job)
            rows.append(row)
            try:
                subject = stack.enter_context(started(ground, peer, program, job, origin_port=origin_port))
                pairs.append((subject, row))
            except StartFailed as error:
                row.fault = str(error)
        for n in range(rounds or ground.rounds):
            for subject, row in pairs:
                try:
                    row.add(_watched(subject, measure))
                except (OSError, LoadFailed) as error:
                    row.fault = f"failed: {error}"
                ground.say(f"{table}, round {n + 1}, {subject.peer.title}: {latest(row)}")


def _watched(subject: Subject, measure: Callable[[Subject], tuple[float, float]]) -> dict[str, float]:
    pid = subject.running.pid
    held, spent = cpu.resident_bytes(pid), subject.spent_us()
    cpu.forget_peak(pid)
    size, seconds = measure(subject)
    figures = {GROWTH: max(0, cpu.peak_bytes(pid) - held) / MIB}  # the kernel's sums lag a few pages behind
    if seconds:
        figures = {SPEED: size / MIB / seconds, CPU_GIB: (subject.spent_us() - spent) / 1000 / (size / GIB), **figures}
    return figures


def _many(ground: Ground, tls: bool, subject: Subject) -> tuple[float, float]:
    script = load.same_script(ground.folder / "body.lua", None)
    ran = load.run(subject.url(tls, ONE_MIB), script, connections=ground.connections, seconds=ground.seconds)
    if ran.failed or not ran.requests:
        raise LoadFailed(f"{ran.failed} of {ran.requests} requests failed")
    return ran.bytes, ran.duration_us / 1e6


def _download(tls: bool, subject: Subject) -> tuple[float, float]:
    return GIB, streams.download(_edge(subject, tls), ONE_GIB, GIB)


def _upload(tls: bool, subject: Subject) -> tuple[float, float]:
    return GIB, streams.upload(_edge(subject, tls), "/upload", GIB)


def _slowly(tls: bool, subject: Subject) -> tuple[float, float]:
    return streams.read_slowly(_edge(subject, tls), ONE_GIB, GIB, _SLOW_S, _SLOW_BYTES_PER_S), 0.0


def _edge(subject: Subject, tls: bool) -> Edge:
    return Edge(subject.port(tls), subject.stage.material.certificate if tls else None)


@contextlib.contextmanager
def _sink(ground: Ground) -> Iterator[int]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.sink", str(port)]
    output = ground.folder / "sink.out"
    with running("the upload sink", command, output, core=ground.load_core, environ={"PYTHONPATH": str(_ROOT)}) as sink:
        sink.await_ports([port])
        yield port
