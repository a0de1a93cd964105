"""`hms-gateway status [--json]`: what the running gateway serves.

Knows: how it reads. Refuses to know: where it comes from.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from hmsgw.cli.ending import EXIT_DONE
from hmsgw.cli.state import add_state_dir, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json for programs."""
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """Print it."""
    status = ask(said, "status")
    print(json.dumps(status) if said.json else "\n".join(lines_of(status)))
    return EXIT_DONE


def lines_of(status: dict[str, Any]) -> list[str]:
    """For people."""
    state = "draining" if status["draining"] else "ready" if status["ready"] else "not ready"
    signed = "signed" if status["signed"] else "unsigned (--dev)" if status["dev"] else "unsigned"
    lines = [
        f"hms-gateway {status['version']}, {state}, up {_duration(status['uptime_s'])}",
        f"configuration  {status['file'] or 'none'} ({signed}, serial {status['serial'] or '-'}, {status['digest']})",
    ]
    for one in status["listeners"]:
        lines.append(f"listener       {one['name']}: {one['scheme']} on {one['address']} port {one['port']}")
    for route in status["routes"]:
        goes = route["service"] or "a plugin answers"
        name = "" if route["name"] == route["path"] else f"{route['name']}: "
        lines.append(f"route          {name}{route['path']} -> {goes}")
    for stream in status["streams"]:
        names = f" {', '.join(stream['sni'])}" if stream["sni"] else ""
        lines.append(f"stream         {stream['listener']}{names} -> {stream['service']}")
    for name, endpoints in status["services"].items():
        lines.append(f"service        {name}: {_endpoints(endpoints)}")
    lines += [f"override       {name} {value}" for name, value in status.get("overrides", {}).items()]
    lines += [f"degraded       {what}" for what in status["degraded"]]
    return lines


def _endpoints(endpoints: list[dict[str, Any]]) -> str:
    shown = [one["endpoint"] if one["health"] == "ok" else f"{one['endpoint']} ({one['health']})" for one in endpoints]
    return ", ".join(shown) or "no endpoint"


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
