"""`hms-gateway check FILE`: every fault on one line, without a gateway.

Knows: that a configuration is sound when everything can be made of it that a reload makes before it swaps. Refuses to
know: what that is (`generation`). Strategy: the same call as the gateway's, with what it would find on this host; and
since there is no trust root, the file is judged as the --dev gateway does that alone may run it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from hmsgw.cli.ending import EXIT_DONE, EXIT_FAILED
from hmsgw.cli.state import add_state_dir, folder_of
from hmsgw.control.options import DEFAULT_PORT
from hmsgw.governance.policy import refusal_of_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE, the host's environment, and the state directory that `${STATE_DIRECTORY}` means."""
    parser.add_argument("file", metavar="FILE", help="the configuration")
    parser.add_argument("--environment", metavar="NAME", help="as the gateway's: a file for another one is a fault")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """0 when nothing is wrong."""
    from hmsgw.config.faults import Fault, Refused
    from hmsgw.config.unreachable import unreachable
    from hmsgw.generation import read_candidate
    from hmsgw.transport.selfsigned import self_signed

    with tempfile.TemporaryDirectory(prefix="hms-gateway-check-") as scratch:
        try:
            candidate = read_candidate(
                said.file,
                port=DEFAULT_PORT,
                dev=True,
                environ=os.environ,
                state_dir=folder_of(said).path,
                self_signed=lambda: self_signed(scratch),
                previous=None,
            )
            if foreign := refusal_of_environment(candidate.config.environment, said.environment):
                raise Refused([Fault(candidate.config.environment_where, foreign)])
        except Refused as refused:
            for fault in refused.faults:
                print(fault, file=sys.stderr)
            return EXIT_FAILED
    config = candidate.config
    services = {route.service for route in config.routes if route.service}
    services |= {stream.service for stream in config.streams}
    streams = f"{_count(len(config.streams), 'stream')}, " if config.streams else ""
    for warning in unreachable(config):
        print(f"{warning.where}: warning: {warning.message}", file=sys.stderr)
    print(
        f"{said.file}: sound; {_count(len(config.routes), 'route')}, {streams}{_count(len(services), 'service')}, "
        f"{candidate.digest} (signatures not checked: no trust root)"
    )
    return EXIT_DONE


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
