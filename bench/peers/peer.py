"""A peer as a value: its name, the jobs that it can do, and the two functions that find and launch it.

Knows: what a launch is given (`Stage`) and gives back (`Launch`). Refuses to know: any particular peer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.material import Material

Job = Literal["bare", "whole"]
"""bare: proxy, nothing else. whole: RS256 token, rate limit, JSON access log to a file, metrics."""

Spoken = Literal["http/1.1", "h2c", "websocket"]
"""To the origin. h2c: gRPC. websocket: HTTP/1.1 with upgrades."""

KEPT_TO_ORIGIN = 128
"""Idle connections to the origin that each peer may keep."""
LIMIT_PER_MINUTE = 1_000_000_000
"""A limit that is counted and never reached."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a peer is launched with. Ports are free ports of 127.0.0.1; folder is the peer's own."""

    folder: Path
    material: Material
    job: Job
    origin_port: int
    plain_port: int
    tls_port: int
    admin_port: int
    routes: int = 1
    """More than one: as many literal routes `/route-N/*`. Only the gateway's own scenario asks for that."""
    spoken: Spoken = "http/1.1"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@dataclass(frozen=True, slots=True)
class Launch:
    """command: what to run. access_log: the file that the whole job's log goes to; None: the command's output."""

    command: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    access_log: Path | None = None
    metrics_path: str = "/metrics"


@dataclass(frozen=True, slots=True)
class Peer:
    word: str
    """What `--peers` calls it."""
    title: str
    install: str
    """The command that installs it."""
    jobs: frozenset[Job]
    find: Callable[[], str | None]
    """Path of the program, None when it is not installed."""
    launch: Callable[[str, Stage], Launch]
