"""Which gateway a command talks to: the one of a state directory.

Knows: --state-dir. Refuses to know: what is asked of it.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from hmsgw.cli.ending import Failed
from hmsgw.control.call import CallFault, call
from hmsgw.control.state import StateFolder, choose_folder


def add_state_dir(parser: argparse.ArgumentParser) -> None:
    """The option that names the gateway."""
    parser.add_argument("--state-dir", metavar="DIR", help="the state directory of the gateway that is meant")


def folder_of(said: argparse.Namespace) -> StateFolder:
    """As `hms-gateway start` chooses it."""
    return StateFolder(choose_folder(said.state_dir, os.environ))


def ask(said: argparse.Namespace, command: str, *, timeout_s: float = 10.0, **words: Any) -> Any:
    """The running gateway's answer. Raises Failed."""
    try:
        return call(folder_of(said), command, timeout_s=timeout_s, **words)
    except CallFault as fault:
        raise Failed(str(fault)) from None
