"""`hms-gateway audit verify`: is the log of what was accepted and refused as it was written?

Knows: how the verdict reads. Refuses to know: the chain (`governance.audit`).
"""

from __future__ import annotations

import argparse

from hmsgw.cli.ending import EXIT_DONE, EXIT_USAGE, Failed
from hmsgw.cli.state import add_state_dir, folder_of
from hmsgw.governance.audit import verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`verify` is all that there is."""
    parser.add_argument("what", metavar="verify", help="follow the chain from its first line")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """0 when the chain is whole."""
    if said.what != "verify":
        raise Failed(f"there is no `audit {said.what}`; say `hms-gateway audit verify`", EXIT_USAGE)
    path = folder_of(said).audit_log
    try:
        found = verify(path)
    except FileNotFoundError:
        raise Failed(f"there is no audit log {path}; name the gateway's directory with --state-dir") from None
    except OSError as error:
        raise Failed(f"{path} can't be read: {error.strerror}; run this as the gateway's user") from None
    if found.fault is not None:
        raise Failed(f"{found.fault}; the {found.lines} lines before it are whole")
    print(f"{path}: {found.lines} lines, whole; the last one is {found.head}")
    return EXIT_DONE
