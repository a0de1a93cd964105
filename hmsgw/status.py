"""What a running gateway says of itself to `hms-gateway status`.

Knows: which facts an operator asks for first. Refuses to know: how they are shown (`cli.status`). Reads only.
"""

from __future__ import annotations

import time
from typing import Any

from hmsgw import __version__
from hmsgw.gateway import Gateway


def status_of(gateway: Gateway) -> dict[str, Any]:
    """Plain data."""
    config = gateway.candidate.config
    entries = gateway.plane.entries if gateway.plane is not None else ()
    now = time.monotonic()
    return {
        "version": __version__,
        "serial": config.serial,
        "digest": gateway.candidate.digest,
        "file": gateway.candidate.path or None,
        "signed": False,
        "dev": gateway.dev,
        "ready": gateway.readiness().reason is None,
        "draining": gateway.draining,
        "uptime_s": round(time.time() - gateway.started_wall_s),
        "workers": [{"worker": "0", "up": True}],
        "listeners": [
            {
                "name": one.listener.name,
                "address": one.address[0],
                "port": one.address[1],
                "tls": one.tls is not None,
                "scheme": gateway.streams.scheme_of(one.listener.name, tls=one.tls is not None),
                "connections": len(one.door.open),
            }
            for one in gateway.listeners.open
        ],
        "routes": [{"name": entry.name, "path": entry.path, "service": entry.service or None} for entry in entries],
        "streams": [
            {"name": stream.name, "listener": stream.listener, "sni": list(stream.sni), "service": stream.service}
            for stream in config.streams
        ],
        "services": {
            name: [
                {
                    "endpoint": member.endpoint.url,
                    "health": "failing" if member.passed_over_until > now else "ok",
                    "requests": member.active,
                }
                for member in cluster.members
            ]
            for name, cluster in gateway.clusters.items()
        },
        "degraded": gateway.degraded(),
    }
