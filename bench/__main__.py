"""`python -m bench`: choose who and what, lay the ground, run the scenarios, show the tables.

Knows: the command line and the order of things. Refuses to know: how anything is measured. Strategy: everything lives
in one temporary folder and every process in a block that ends it, so that Ctrl-C or a fault leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import chart, material, origin, report
from bench.bodies import bodies
from bench.fresh import fresh
from bench.idle import idle
from bench.peers import ALL
from bench.peers.peer import Peer
from bench.processes import OriginEnded, StartFailed, two_cores
from bench.protocols import protocols
from bench.results import Row
from bench.routing import routing
from bench.small import small
from bench.subject import Ground

# each adds its rows before it fills them, so that a run that is stopped can still show what it has
SCENARIOS: dict[str, Callable[[Ground, list[Row]], None]] = {
    "small": small,
    "fresh": fresh,
    "bodies": bodies,
    "idle": idle,
    "routing": routing,
    "protocols": protocols,
}
_TOOLS = {"wrk": "apt install wrk", "taskset": "apt install util-linux"}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed_options(arguments)
    missing_tools = [f"{tool} ({how})" for tool, how in _TOOLS.items() if shutil.which(tool) is None]
    if missing_tools:
        print(f"The bench needs {', '.join(missing_tools)}.", file=sys.stderr)
        return 1
    chosen = [(peer, peer.find()) for peer in ALL if peer.word in options.peers]
    found = tuple((peer, program) for peer, program in chosen if program is not None)
    missing = [f"{peer.title} is not installed: {peer.install}" for peer, program in chosen if program is None]
    for line in missing:
        _say(line)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # a SystemExit unwinds every block, as Ctrl-C does
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _measure(Path(folder), options, found, rows)
    except StartFailed as error:
        print(error, file=sys.stderr)
        return 1
    except OriginEnded as error:
        _say(f"{error}\nNothing after that can be measured. What was measured until then:")
    except KeyboardInterrupt:
        _say("stopped; what was measured until then:")
    print(report.text(rows, missing))
    if options.json:
        report.write_json(options.json, rows, _settings(options))
    if options.svg:
        try:
            chart.write(options.svg, rows)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
    return 1 if any(row.fault for row in rows if row.peer == "hmsgw") else 0


def _measure(folder: Path, options: argparse.Namespace, found: tuple[tuple[Peer, str], ...], rows: list[Row]) -> None:
    measured_core, load_core = two_cores()
    os.sched_setaffinity(0, {load_core})  # what the bench starts runs there too, unless it is measured
    made = material.make(folder)
    with origin.listening(folder, load_core) as laid:
        ground = Ground(
            folder=folder,
            material=made,
            origin=laid,
            measured_core=measured_core,
            load_core=load_core,
            found=found,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
            idle_connections=1000 if options.quick else 10_000,
            fresh_tokens=2000 if options.quick else 20_000,
            say=_say,
        )
        for word in options.scenarios:
            SCENARIOS[word](ground, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Run the gateway and its peers side by side and compare what a request costs them.",
    )
    peers, scenarios = [peer.word for peer in ALL], list(SCENARIOS)
    parser.add_argument("--peers", type=_words(peers), default=peers, help=f"some of {','.join(peers)} (all)")
    parser.add_argument(
        "--scenarios", type=_words(scenarios), default=scenarios, help=f"some of {','.join(scenarios)} (all)"
    )
    parser.add_argument("--rounds", type=_at_least_one, help="measured windows of each subject (5)")
    parser.add_argument("--seconds", type=_at_least_one, help="length of a window (4)")
    parser.add_argument("--connections", type=_at_least_one, default=32, help="kept-alive connections (32)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures here")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the CPU time a request here")
    parser.add_argument("--quick", action="store_true", help="one short round of everything: does it run at all?")
    return parser


def parsed_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 4)
    return options


def _settings(options: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(options, name) for name in ("scenarios", "rounds", "seconds", "connections", "quick")}


def _words(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads a list with commas, in the order of `known`."""

    def read(text: str) -> list[str]:
        said = [word.strip() for word in text.split(",") if word.strip()]
        unknown = [word for word in said if word not in known]
        if unknown or not said:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(known)}")
        return [word for word in known if word in said]

    return read


def _at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
