"""A peer that runs: started for one job, reachable on a plain and a TLS port, its spending readable.

Knows: how a stage is laid and taken down. Refuses to know: what is measured. Strategy: one process tree a subject, so
that nobody's cost is counted for another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import cpu
from bench.material import Material
from bench.origin import Origin
from bench.peers.peer import Job, Launch, Peer, Spoken, Stage
from bench.processes import Running, free_ports, running


@dataclass(frozen=True, slots=True)
class Ground:
    """What all scenarios share. say: shows one line of progress."""

    folder: Path
    material: Material
    origin: Origin
    measured_core: int
    load_core: int
    found: tuple[tuple[Peer, str], ...]
    """The peers that take part, with their programs, in the order of the table."""
    rounds: int
    seconds: float
    connections: int
    idle_connections: int
    fresh_tokens: int
    say: Callable[[str], None]

    def of_job(self, *jobs: Job) -> list[tuple[Peer, str, Job]]:
        return [(peer, program, job) for peer, program in self.found for job in jobs if job in peer.jobs]


@dataclass(frozen=True, slots=True)
class Subject:
    peer: Peer
    job: Job
    stage: Stage
    launch: Launch
    running: Running

    @property
    def name(self) -> str:
        return f"{self.peer.title} ({self.job})"

    @property
    def access_log(self) -> Path:
        return self.launch.access_log or self.running.output

    def port(self, tls: bool) -> int:
        return self.stage.tls_port if tls else self.stage.plain_port

    def url(self, tls: bool, path: str = "/") -> str:
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.port(tls)}{path}"

    def spent_us(self) -> float:
        return cpu.spent_us(self.running.pid)


@contextlib.contextmanager
def started(
    ground: Ground,
    peer: Peer,
    program: str,
    job: Job,
    *,
    routes: int = 1,
    origin_port: int | None = None,
    spoken: Spoken = "http/1.1",
) -> Iterator[Subject]:
    """A subject, ended when the block ends. Raises StartFailed; OriginEnded when that happened meanwhile."""
    plain_port, tls_port, admin_port = free_ports(3)
    folder = ground.folder / f"{peer.word}-{job}-{plain_port}"
    folder.mkdir()
    folder.chmod(0o755)
    stage = Stage(
        folder=folder,
        material=ground.material,
        job=job,
        origin_port=origin_port or ground.origin.port,
        plain_port=plain_port,
        tls_port=tls_port,
        admin_port=admin_port,
        routes=routes,
        spoken=spoken,
    )
    launch = peer.launch(program, stage)
    command, output = launch.command, folder / "output"
    with running(peer.title, command, output, core=ground.measured_core, environ=launch.environ) as process:
        process.await_ports([plain_port, tls_port], within_s=30.0)
        yield Subject(peer, job, stage, launch, process)
        ground.origin.require()
