"""`hms-gateway reload [FILE]`: let the running gateway load a configuration.

Knows: what was asked, and how the outcome reads. Refuses to know: how a reload is done. Strategy: the absolute path
goes over the control socket; 0 only when the gateway runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from os.path import abspath
from typing import Any

from hmsgw.cli.ending import EXIT_DONE, EXIT_FAILED
from hmsgw.cli.state import add_state_dir, ask

TIMEOUT_S = 180.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE is optional: the file last accepted."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the configuration; left out: the file last accepted")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """0 when it was accepted."""
    path = None if said.file is None else abspath(said.file)
    outcome = ask(said, "reload", timeout_s=TIMEOUT_S, file=path)
    if said.json:
        print(json.dumps(outcome))
    elif outcome["accepted"]:
        print("\n".join(_accepted(outcome)))
    else:
        print("\n".join(_refused(outcome)), file=sys.stderr)
    return EXIT_DONE if outcome["accepted"] else EXIT_FAILED


def _accepted(outcome: dict[str, Any]) -> list[str]:
    first = f"accepted: {outcome['file']} is served now ({outcome['digest']})"
    return [first, *(f"  {what}" for what in outcome["said"])]


def _refused(outcome: dict[str, Any]) -> list[str]:
    lines = [*outcome["faults"], "refused: nothing has changed"]
    return [*lines, f"next: {outcome['advice']}"] if outcome["advice"] else lines
