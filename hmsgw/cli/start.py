"""`hms-gateway start`: the gateway in the foreground, JSON lines on stdout.

Knows: the options as argparse wants them. Refuses to know: the reactor and how a gateway starts (`tap`).
"""

from __future__ import annotations

import argparse
import os

from hmsgw.cli.ending import EXIT_USAGE, Failed
from hmsgw.control.options import START_OPTIONS, UsageFault, start_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `twistd hmsgw` has too."""
    for option in START_OPTIONS:
        if option.metavar is None:
            parser.add_argument(f"--{option.name}", action="store_true", help=option.text)
        else:
            parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.text)


def run(said: argparse.Namespace) -> int:
    """Until a signal ends it."""
    words = {option.name: getattr(said, option.name.replace("-", "_")) for option in START_OPTIONS}
    try:
        options = start_options(words, os.environ)
    except UsageFault as fault:
        raise Failed(str(fault), EXIT_USAGE) from None
    from hmsgw import tap

    return tap.run(options)
