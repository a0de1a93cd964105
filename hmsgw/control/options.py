"""How a gateway is to be started: the options that `hms-gateway start` and `twistd hmsgw` share.

Knows: each option's name, meaning and bounds, and which of them a later version delivers. Refuses to know: argparse and
twisted.python.usage (the two doors turn this one table into their own), and what is done with the values.
Strategy: a table, and one function that turns its words into a checked value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import abspath
from typing import NamedTuple

from hmsgw.control.state import choose_folder

DEFAULT_PORT = 8080


class UsageFault(Exception):
    """The command line asks for what can't be. str() is one sentence that says what to do; the exit code is 2."""


class Option(NamedTuple):
    """name: without dashes. metavar: None for a flag. text: for --help."""

    name: str
    metavar: str | None
    text: str


START_OPTIONS = (
    Option("port", "PORT", "port of the built-in HTTPS listener, when the configuration has no `listeners:` [8080]"),
    Option("config", "FILE", "the configuration; without it every request is answered 404 no-route"),
    Option("trust", "FILE", "the trust root that signatures are checked against (not in this version)"),
    Option("admin-port", "PORT", "port of /metrics, /health and /ready, in place of the configuration's [9180]"),
    Option("workers", "N", "0 or 1: one process does everything; more are not in this version [1]"),
    Option("state-dir", "DIR", "where the gateway keeps what it has to remember, and its control socket"),
    Option("environment", "NAME", "refuse configurations that name another `environment`"),
    Option("dev", None, "run configurations that nobody signed, and accept tokens of a development key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """config, state_dir: absolute paths. port, admin_port: None when not said."""

    config: str | None
    state_dir: str
    port: int | None = None
    admin_port: int | None = None
    environment: str | None = None
    dev: bool = False

    @property
    def said(self) -> dict[str, object]:
        """What another gateway like this one is started with, but for its file; None: not said."""
        return {name: getattr(self, name) for name in ("state_dir", "port", "admin_port", "environment")}


def start_options(said: Mapping[str, object], environ: Mapping[str, str]) -> StartOptions:
    """said: option name as in START_OPTIONS -> its text, None when not given; `dev` -> truth. Raises UsageFault."""
    words = {name: str(value) for name, value in said.items() if value is not None and name != "dev"}
    if "trust" in words:
        raise UsageFault(
            "--trust is not in this version, which checks no signatures; leave it out, and give --dev to run an "
            "unsigned configuration"
        )
    workers = words.get("workers", "1")
    if workers != "auto" and not (workers.isascii() and workers.isdigit()):
        raise UsageFault(f"--workers {workers} is no number of processes; say 0 or 1, which both are one process")
    if workers not in ("0", "1"):
        raise UsageFault(
            f"--workers {workers} is not in this version; say 0 or 1, which both run everything in one process"
        )
    return StartOptions(
        config=abspath(words["config"]) if "config" in words else None,
        state_dir=choose_folder(words.get("state-dir"), environ),
        port=_port(words, "port"),
        admin_port=_port(words, "admin-port"),
        environment=words.get("environment"),
        dev=bool(said.get("dev")),
    )


def _port(words: Mapping[str, str], name: str) -> int | None:
    if name not in words:
        return None
    word = words[name]
    if not (word.isascii() and word.isdigit() and len(word) < 6 and int(word) < 65536):
        raise UsageFault(f"--{name} {word} is not a port; give a number from 0 to 65535 (0: any that is free)")
    return int(word)
