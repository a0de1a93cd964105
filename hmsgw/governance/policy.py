"""What may run: in this version only what `--dev` allows, because signatures are not checked yet.

Knows: the rule of the contract (section 8) that nothing unsigned is loaded, and the next command to type. Refuses to
know: files and YAML. Strategy: functions that give a sentence, or None when there is nothing against it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from os.path import basename, dirname


def refusal_of_unsigned(file: str, *, dev: bool) -> str | None:
    """Why a file that nobody signed may not run; None under --dev."""
    if dev:
        return None
    return f"{basename(file)} is not signed, and this gateway runs only signed configurations"


def next_command(file: str, **options: object) -> str:
    """What to type to try a refused file on this machine. options: those of the gateway; None: not said."""
    return shlex.join(["hms-gateway", "start", "--dev", "--config", file, *_said(options)])


def check_command(file: str, environment: str | None) -> str:
    """What to type to see what is wrong with a file."""
    return shlex.join(["hms-gateway", "check", file, *_said({"environment": environment})])


def list_command(file: str) -> str:
    """What to type to see which files there are where one is not."""
    return shlex.join(["ls", dirname(file) or "."])


def reload_command(file: str, state_dir: str) -> str:
    """What to type when what was in the way has gone."""
    return shlex.join(["hms-gateway", "reload", file, *_said({"state_dir": state_dir})])


def _said(options: Mapping[str, object]) -> Iterator[str]:
    for name, value in options.items():
        if value is not None:
            yield f"--{name.replace('_', '-')}"
            yield str(value)


def refusal_of_environment(named: str | None, of_host: str | None) -> str | None:
    """Why a configuration that names an `environment` may not run on a host with --environment."""
    if named is None or of_host is None or named == of_host:
        return None
    return f"the configuration is for the environment {named}, and this gateway runs for {of_host} (--environment)"


def notice_of_dev(file: str | None, key: str | None) -> str:
    """What is said at start, in the log. key: the variable that takes the place of the development key."""
    what = f"{basename(file)} runs unsigned" if file else "configurations run unsigned"
    tokens = f"${key} is the key of tokens where the configuration names none"
    if key is None:
        tokens = "tokens of the development key are accepted where the configuration names no key"
    return f"--dev: {what}, and {tokens}; never do this in production"
