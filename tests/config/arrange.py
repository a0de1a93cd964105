"""What the tests of this folder read configurations with: text in, the model or the faults out."""

from __future__ import annotations

from textwrap import dedent

from hmsgw.config import text
from hmsgw.config.faults import Fault, Refused
from hmsgw.config.model import Config
from hmsgw.config.parse import parse_config
from hmsgw.config.values import Value


def value(source: str, **environ: str) -> Value:
    """The one value in a text without faults."""
    faults: list[Fault] = []
    found = text.read(source.encode(), "f.yaml", environ, faults)
    assert found is not None and not faults, faults
    return found


def read(source: str, **environ: str) -> tuple[Config, list[str]]:
    """(the configuration in `source`, its faults as `check` prints them)."""
    faults: list[Fault] = []
    root = text.read(dedent(source).encode(), "f.yaml", environ, faults)
    config = Config()
    if root is not None:
        config, _ = parse_config(root, "/srv/gateway", faults)
    return config, [str(fault) for fault in Refused(faults).faults] if faults else []


def good(source: str, **environ: str) -> Config:
    """The configuration in `source`, which has no fault."""
    config, faults = read(source, **environ)
    assert not faults, faults
    return config


def faults_of(source: str, **environ: str) -> list[str]:
    """The faults in `source`, without the file's name: `LINE:COLUMN: message`."""
    return [fault.removeprefix("f.yaml:") for fault in read(source, **environ)[1]]
