"""The gateway itself, by its own command: the whole job, and with no plugin at all (it still logs and counts then)."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from bench.material import AUDIENCE, ISSUER
from bench.peers.peer import LIMIT_PER_MINUTE, Launch, Peer, Stage

_ROOT = Path(__file__).resolve().parents[2]

_CONFIGURATION = """\
listeners:
  - {{name: plain, address: 127.0.0.1, port: {plain}, tls: off}}
  - name: tls
    address: 127.0.0.1
    port: {tls}
    tls: {{certificates: [{{certificate: {certificate}, key: {key}}}]}}
admin: {{address: 127.0.0.1, port: {admin}}}
log: {{access: {log}}}
registry: {{kind: none}}
limits: {{connections: 30000}}
deadlines: {{keep_alive: 1h}}
services:
  origin: {{endpoints: ["http://127.0.0.1:{origin}"], protocol: {protocol}}}
plugins:
  caller: {{plugin: jwt, public_key: {public_key}, issuer: {issuer}, audience: {audience}, algorithms: [RS256]}}
  plenty: {{plugin: rate, limit: {limit}, per: minute, key: ip}}
defaults: {{plugins: []}}
routes:
{routes}
"""


def configuration(stage: Stage) -> str:
    plugins = "[caller, plenty]" if stage.job == "whole" else "[]"
    paths = [f"/route-{n}/*" for n in range(stage.routes)] if stage.routes > 1 else ["/*"]
    return _CONFIGURATION.format(
        plain=stage.plain_port,
        tls=stage.tls_port,
        admin=stage.admin_port,
        origin=stage.origin_port,
        protocol="h2c" if stage.spoken == "h2c" else "http/1.1",
        certificate=stage.material.certificate,
        key=stage.material.key,
        public_key=stage.material.public_key,
        log=_log_path(stage),
        issuer=ISSUER,
        audience=AUDIENCE,
        limit=LIMIT_PER_MINUTE,
        routes="\n".join(f'  - {{path: "{path}", service: origin, plugins: {plugins}}}' for path in paths),
    )


def _launch(binary: str, stage: Stage) -> Launch:
    path = stage.write("bench.yaml", configuration(stage))
    command = [binary, "-m", "hmsgw", "start", "--dev", "--config", str(path)]
    python_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return Launch(
        [*command, "--state-dir", str(stage.folder / "state")],
        {"PYTHONPATH": python_path},
        access_log=_log_path(stage),
    )


def _find() -> str | None:
    """The interpreter that runs the bench, when it can import what the gateway needs."""
    needed = ("hmsgw.__main__", "twisted")
    return sys.executable if all(importlib.util.find_spec(name) for name in needed) else None


def _log_path(stage: Stage) -> Path:
    return stage.folder / "access.log"


PEER = Peer(
    word="hmsgw",
    title="hms-gateway",
    install="pip install .",
    jobs=frozenset({"bare", "whole"}),
    find=_find,
    launch=_launch,
)
