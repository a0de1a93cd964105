"""nginx as a bare reverse proxy: the floor. It has no token check of its own (that is part of NGINX Plus)."""

from __future__ import annotations

from bench.origin import scratch_folders
from bench.peers.peer import KEPT_TO_ORIGIN, Launch, Peer, Spoken, Stage
from bench.processes import on_path

_CONFIGURATION = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err warn;
worker_rlimit_nofile 40000;
events {{ worker_connections 32768; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  {scratch}
  upstream origin {{ server 127.0.0.1:{origin}; keepalive {kept}; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{plain} backlog=16384;
    listen 127.0.0.1:{tls} ssl http2 backlog=16384;
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{ {location} }}
  }}
}}
"""


_LOCATIONS: dict[Spoken, str] = {
    "http/1.1": (
        'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; '
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    ),
    "h2c": "grpc_pass grpc://origin; grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for; grpc_read_timeout 1h;",
    "websocket": (
        "proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;'
    ),
}


def _launch(binary: str, stage: Stage) -> Launch:
    text = _CONFIGURATION.format(
        folder=stage.folder,
        scratch=scratch_folders(stage.folder),
        origin=stage.origin_port,
        kept=KEPT_TO_ORIGIN,
        location=_LOCATIONS[stage.spoken],
        plain=stage.plain_port,
        tls=stage.tls_port,
        certificate=stage.material.certificate,
        key=stage.material.key,
    )
    return Launch([binary, "-c", str(stage.write("nginx.conf", text))])


PEER = Peer(
    word="nginx",
    title="nginx",
    install="apt install nginx-light",
    jobs=frozenset({"bare"}),
    find=lambda: on_path("nginx"),
    launch=_launch,
)
