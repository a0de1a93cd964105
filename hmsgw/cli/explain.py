"""`hms-gateway explain METHOD URL [-H ...]`: why a request would be answered as it would.

Knows: what was asked, and how the answer reads. Refuses to know: routes and plugins (the running gateway explains).
"""

from __future__ import annotations

import argparse
import ipaddress
import json
from typing import Any

from hmsgw.cli.ending import EXIT_DONE, EXIT_USAGE, Failed
from hmsgw.cli.state import add_state_dir, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """METHOD URL, headers as curl takes them."""
    parser.add_argument("method", metavar="METHOD", help="GET, POST, ...")
    parser.add_argument("url", metavar="URL", nargs="?", help="a URL, or a path")
    parser.add_argument(
        "-H", dest="headers", metavar="'NAME: VALUE'", action="append", default=[], help="a header field, as for curl"
    )
    parser.add_argument("--client", metavar="ADDRESS", help="the client's IP address [192.0.2.1]")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """Print it."""
    if said.url is None:
        raise Failed(
            "explaining a request by its id is not in this version; say `hms-gateway explain METHOD URL`", EXIT_USAGE
        )
    if said.client is not None and not _is_address(said.client):
        raise Failed(f"--client {said.client} is no IP address; give one such as 192.0.2.1 or 2001:db8::1", EXIT_USAGE)
    headers = [_header(text) for text in said.headers]
    found = ask(said, "explain", method=said.method, url=said.url, headers=headers, client=said.client)
    print(json.dumps(found) if said.json else "\n".join(lines_of(found)))
    return EXIT_DONE


def _header(text: str) -> list[str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise Failed(f"-H {text!r} has no colon; write it as 'Name: value'", EXIT_USAGE)
    return [name.strip(), value.strip()]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def lines_of(found: dict[str, Any]) -> list[str]:
    """For people."""
    lines = [found["answer"]]
    if "client" in found:
        lines[0] += f"  (asked as client {found['client']}; --client says another)"
    for one in found["considered"]:
        lines.append(f"  route   {one['route']}  ({one['where']})  {one['says']}")
    for one in found["plugins"]:
        lines.append(f"  plugin  {one['plugin']}  {_at(one['where'])}{one['says']}")
    upstream = found.get("upstream")
    if upstream:
        endpoints = ", ".join(upstream["endpoints"]) or "no endpoint"
        lines.append(f"  service {upstream['service']}  {upstream['path']}  to {endpoints}")
    return lines


def _at(where: str) -> str:
    return f"{where}  " if where.startswith("(") else f"({where})  "
