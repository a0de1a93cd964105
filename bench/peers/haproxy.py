"""HAProxy, bare and doing the whole job with what it is built with: jwt_verify, a stick-table, a JSON log-format."""

from __future__ import annotations

from bench.peers.peer import LIMIT_PER_MINUTE, Launch, Peer, Stage
from bench.processes import on_path

_CONFIGURATION = """\
global
  maxconn 16000
  no strict-limits
  nbthread 1
{log_target}
defaults
  mode http
{log}
  timeout client 1h
  timeout http-keep-alive 1h
  timeout server 60s
  timeout tunnel 1h
  timeout connect 5s
  option http-keep-alive
frontend edge
  bind 127.0.0.1:{plain} backlog 16384
  bind 127.0.0.1:{tls} backlog 16384 ssl crt {both} alpn h2,http/1.1
{policy}
  option forwardfor
  default_backend origin
frontend admin
  bind 127.0.0.1:{admin}
  http-request use-service prometheus-exporter if {{ path /metrics }}
backend origin
  http-reuse always
  server origin 127.0.0.1:{origin}{protocol}
"""

_LOG = """\
  log global
  log-format '{"ts":"%t","client":"%ci","method":"%HM","path":"%HP","status":%ST,"bytes":%B,"dur":%Tr,"backend":"%b",\
"sub":"%[var(txn.sub)]"}'"""

_POLICY = """\
  stick-table type ip size 100k expire 60s store http_req_rate(60s)
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if {{ var(txn.bearer),jwt_header_query('$.alg') -m str 'none' }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify("RS256","{public_key}") 1 }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}"""


def _launch(binary: str, stage: Stage) -> Launch:
    whole = stage.job == "whole"
    text = _CONFIGURATION.format(
        log_target="  log stdout format raw local0" if whole else "",
        log=_LOG if whole else "",
        policy=_POLICY.format(public_key=stage.material.public_key, limit=LIMIT_PER_MINUTE) if whole else "",
        plain=stage.plain_port,
        tls=stage.tls_port,
        admin=stage.admin_port,
        origin=stage.origin_port,
        protocol=" proto h2" if stage.spoken == "h2c" else "",
        both=stage.material.both,
    )
    return Launch([binary, "-db", "-f", str(stage.write("haproxy.cfg", text))])


PEER = Peer(
    word="haproxy",
    title="HAProxy",
    install="apt install haproxy",
    jobs=frozenset({"bare", "whole"}),
    find=lambda: on_path("haproxy"),
    launch=_launch,
)
