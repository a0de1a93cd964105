"""What an idle connection costs in memory: many kept-alive connections, each of which has had one answer.

Knows: opening them, plain or over TLS, and the resident memory before and after. Refuses to know: why. Strategy: the
connections have each been used once, as those of a real client have, and are then left alone; what counts is the growth
of the process tree's resident memory. What the kernel holds for a socket is not in it, and is the same for everybody.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import time

from bench import cpu
from bench.origin import SMALL
from bench.processes import StartFailed
from bench.results import Row
from bench.subject import Ground, Subject, started
from bench.window import TRANSPORTS, latest

MEASURE = "KiB a connection"
PEERS = ("hmsgw", "nginx", "haproxy")
_SPARE_FILES = 200
_SETTLE_S = 1.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def idle(ground: Ground, rows: list[Row]) -> None:
    count = min(ground.idle_connections, _files_allowed() - _SPARE_FILES)
    if count < ground.idle_connections:
        ground.say(f"only {count:,} idle connections: `ulimit -n` allows no more files")
    for tls, words in TRANSPORTS:
        for peer, program, job in ground.of_job("bare"):
            if peer.word not in PEERS:
                continue
            row = Row(f"{count:,} idle connections, {words}", peer.word, peer.title, job)
            rows.append(row)
            try:
                with started(ground, peer, program, job) as subject:
                    row.add({MEASURE: _grown_bytes(subject, tls, count) / count / 1024})
            except (StartFailed, OSError) as error:
                row.fault = f"could not be measured: {error}"
            ground.say(f"{row.table}, {peer.title}: {latest(row)}")


def _grown_bytes(subject: Subject, tls: bool, count: int) -> int:
    context = ssl.create_default_context(cafile=str(subject.stage.material.certificate)) if tls else None
    with contextlib.ExitStack() as stack:
        for _ in range(10):  # what is made once, at the first connections, is not a connection's cost
            _used_once(subject, context, stack)
        before = cpu.resident_bytes(subject.running.pid)
        for _ in range(count):
            _used_once(subject, context, stack)
        time.sleep(_SETTLE_S)
        return cpu.resident_bytes(subject.running.pid) - before


def _used_once(subject: Subject, context: ssl.SSLContext | None, stack: contextlib.ExitStack) -> None:
    edge = socket.create_connection(("127.0.0.1", subject.port(context is not None)), 10.0)
    if context is not None:
        edge = context.wrap_socket(edge, server_hostname="localhost")
    stack.enter_context(edge)
    edge.sendall(_REQUEST)
    got = b""
    while not got.endswith(SMALL):
        more = edge.recv(4096)
        if not more:
            raise OSError(f"the connection was closed after {got[:80]!r}")
        got += more


def _files_allowed() -> int:
    """Raise the bench's own limit as far as it may, and say how many files that is. The subjects inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
