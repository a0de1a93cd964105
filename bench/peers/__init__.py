"""Who is measured, one file a peer: what it needs, where it is found, how it is started for a job.

Knows: the list and its order. Refuses to know: how any of them is measured.
"""

from __future__ import annotations

from bench.peers import caddy, envoy, gateway, haproxy, nginx, traefik
from bench.peers.peer import Peer

ALL: tuple[Peer, ...] = (gateway.PEER, haproxy.PEER, envoy.PEER, nginx.PEER, caddy.PEER, traefik.PEER)
