"""Scenario `protocols`: gRPC, one call after the other and message by message, and WebSocket, over TLS.

Knows: which origin echoes what, who can take part, how each is loaded. Refuses to know: how a window is measured.
Strategy: the same job and the same token as for plain requests; what is counted as a request in the message tables is a
message and its echo. A caller that is refused in gRPC's words has a 200: so the answer itself is looked at first.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import load_h2
from bench.load import Counted, LoadFailed
from bench.origin import SMALL
from bench.peers.peer import Spoken
from bench.processes import StartFailed, free_ports, on_path, running
from bench.results import Row
from bench.subject import Ground, Subject, started
from bench.window import WARM_S, latest, measure

#: Who speaks gRPC and WebSocket here with a configuration of ours.
PEERS = ("hmsgw", "haproxy", "nginx")
FRAMED = b"\0" + len(SMALL).to_bytes(4, "big") + SMALL
_UNARY = "/clinics.Clinics/Get"
_TALKERS = 16
_GRACE_S = 20.0


@dataclass(frozen=True, slots=True)
class Table:
    """name: of the table. spoken: to the origin. origin: its command, by port. loading: what loads a subject."""

    name: str
    spoken: Spoken
    origin: Callable[[Path, int], list[str]]
    loading: Callable[[Ground, Subject, float], Counted]


def protocols(ground: Ground, rows: list[Row]) -> None:
    """Each table with an origin and subjects of its own."""
    for table in TABLES:
        try:
            _table(ground, rows, table)
        except StartFailed as error:
            rows.append(Row(table.name, "hmsgw", "hms-gateway", "whole", {}, str(error)))
            ground.say(f"{table.name}: {error}")


def _table(ground: Ground, rows: list[Row], table: Table) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(_origin(ground, table))
        pairs: list[tuple[Subject, Row]] = []
        for peer, program, job in ground.of_job("whole", "bare"):
            if peer.word not in PEERS:
                continue
            row = Row(table.name, peer.word, peer.title, job)
            rows.append(row)
            try:
                subject = stack.enter_context(
                    started(ground, peer, program, job, origin_port=port, spoken=table.spoken)
                )
                row.fault = _fault(ground, subject, table)
            except StartFailed as error:
                row.fault = str(error)
            if row.fault is None:
                pairs.append((subject, row))
            else:
                ground.say(f"{peer.title} ({job}): {row.fault}")
        for subject, _ in pairs:
            with contextlib.suppress(LoadFailed):  # the measured run will say it again, in the table
                table.loading(ground, subject, WARM_S)
        for n in range(ground.rounds):
            for subject, row in pairs:
                measure(ground, subject, row, partial(table.loading, ground, subject, ground.seconds))
                ground.say(f"{table.name}, round {n + 1}/{ground.rounds}, {subject.name}: {latest(row)}")


@contextlib.contextmanager
def _origin(ground: Ground, table: Table) -> Iterator[int]:
    (port,) = free_ports(1)
    folder = ground.folder / f"origin-{port}"
    (folder / _UNARY.split("/")[1]).mkdir(parents=True)
    (folder / _UNARY.lstrip("/")).write_bytes(FRAMED)
    command = table.origin(folder, port)
    title = f"the origin ({Path(command[0]).name})"
    with running(title, command, folder / "output", core=ground.load_core, environ=_ours()) as origin:
        origin.await_ports([port])
        yield port


def _ours() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[1])
    return {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def _fault(ground: Ground, subject: Subject, table: Table) -> str | None:
    """Refusals of gRPC look like answers to a load generator."""
    if table.loading is _load_unary:
        curl = shutil.which("curl")
        if curl is None:
            return "curl is not installed: apt install curl"
        said = subprocess.run(
            [curl, "-sk", "--http2", "--max-time", "10", "--data-binary", f"@{_body(ground)}", *_fields(ground),
             subject.url(True, _UNARY)],
            capture_output=True, check=False,
        ).stdout  # fmt: skip
        if said != FRAMED:
            return f"answers {said[:80]!r} instead of the origin's message"
    return None


# --- origins and loads


def _nghttpd(folder: Path, port: int) -> list[str]:
    program = on_path("nghttpd")
    if program is None:
        raise StartFailed("the origin of gRPC calls is nghttpd: apt install nghttp2-server")
    return [program, "--no-tls", "--trailer", "grpc-status: 0", "-d", str(folder), str(port)]


def _echo(module: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: [sys.executable, "-m", module, "serve", str(port)]


def _body(ground: Ground) -> Path:
    path = ground.folder / "call"
    path.write_bytes(FRAMED)
    return path


def _fields(ground: Ground) -> list[str]:
    token = ground.material.token("caller")
    lines = (f"authorization: Bearer {token}", "content-type: application/grpc", "te: trailers")
    return [word for line in lines for word in ("-H", line)]


def _load_unary(ground: Ground, subject: Subject, seconds: float) -> Counted:
    more = ["-d", str(_body(ground)), *_fields(ground)]
    connections = max(1, ground.connections // load_h2.STREAMS)
    return load_h2.run(subject.url(True, _UNARY), None, connections=connections, seconds=seconds, more=more)


def _load_talk(ground: Ground, subject: Subject, seconds: float) -> Counted:
    return _talk("bench.echo_grpc", ground, f"127.0.0.1:{subject.port(True)}", seconds)


def _load_websocket(ground: Ground, subject: Subject, seconds: float) -> Counted:
    return _talk("bench.echo_websocket", ground, f"wss://127.0.0.1:{subject.port(True)}/", seconds)


def _talk(module: str, ground: Ground, target: str, seconds: float) -> Counted:
    """Raises LoadFailed."""
    words = [target, str(ground.material.certificate), ground.material.token("caller"), str(_TALKERS), str(seconds)]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", module, "talk", *words],
            capture_output=True, text=True, timeout=seconds + _GRACE_S, check=False, env={**os.environ, **_ours()},
        )  # fmt: skip
        counted = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise LoadFailed(f"{module} counted nothing: {error}") from None
    return Counted(
        requests=int(counted["requests"]), duration_us=counted["duration_us"], bytes=0,
        socket_errors=int(counted["socket_errors"]), refused=0, p50_us=0, p99_us=0,
    )  # fmt: skip


TABLES = (
    Table("gRPC, a call and its answer, over TLS", "h2c", _nghttpd, _load_unary),
    Table("gRPC, a message and its echo, over TLS", "h2c", _echo("bench.echo_grpc"), _load_talk),
    Table("WebSocket, a message and its echo, over TLS", "websocket", _echo("bench.echo_websocket"), _load_websocket),
)
