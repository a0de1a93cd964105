"""The origin that all peers proxy to: nginx with one small fixed answer and two big files.

Knows: the paths and the exact answers. Refuses to know: who asks. Strategy: it is the same for everybody, keeps
connections as long as they are used, and runs on the load's core, so that it never counts for whom is measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import OriginEnded, Running, StartFailed, free_ports, on_path, running

SMALL = b'{"clinic":"north","open":true,"beds":12,"queue":34}'
MIB = 1024 * 1024
GIB = 1024 * MIB
ONE_MIB = "/files/one-mib"
ONE_GIB = "/files/one-gib"

_CONFIGURATION = """\
worker_processes 1; daemon off; pid {folder}/origin.pid; error_log {folder}/origin.err warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 1h;
  default_type application/json;
  {scratch}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{small}'; }}
    location /files/ {{ root {folder}; default_type application/octet-stream; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    running: Running
    port: int

    def require(self) -> None:
        """Raises OriginEnded unless it still runs."""
        ended = self.running.ended()
        if ended is not None:
            raise OriginEnded(ended)


@contextlib.contextmanager
def listening(folder: Path, core: int) -> Iterator[Origin]:
    """The origin, until the block ends. Raises StartFailed."""
    binary = on_path("nginx")
    if binary is None:
        raise StartFailed("the origin is nginx: apt install nginx-light")
    (port,) = free_ports(1)
    for path, size in ((ONE_MIB, MIB), (ONE_GIB, GIB)):
        file = folder / path.lstrip("/")
        file.parent.mkdir(exist_ok=True)
        with file.open("wb") as sparse:
            sparse.truncate(size)
    for parent in (folder, folder / "files"):
        parent.chmod(0o755)  # nginx's worker runs as another user when the bench runs as root
    text = _CONFIGURATION.format(folder=folder, port=port, small=SMALL.decode(), scratch=scratch_folders(folder))
    configuration = folder / "origin.conf"
    configuration.write_text(text)
    command = [binary, "-c", str(configuration)]
    with running("the origin (nginx)", command, folder / "origin.out", core=core) as origin:
        origin.await_ports([port])
        yield Origin(origin, port)


def scratch_folders(folder: Path) -> str:
    """nginx directives that keep its temporary files inside the folder, whoever runs it."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {folder}/scratch-{kind};" for kind in kinds)
