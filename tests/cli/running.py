"""Commands, run as a person would, inside the test's process."""

from __future__ import annotations

import contextlib
import io
from typing import Any, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.cli import state
from hmsgw.cli.dispatch import main
from hmsgw.control.state import StateFolder


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*words: str) -> Ran:
    """`hms-gateway WORDS`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:  # argparse's --help and --version
            code = int(ended.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def answer_calls(case: SynchronousTestCase, result: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Let the gateway answer `result`, or raise it. Returns what it is asked: (state directory, command, words)."""
    asked: list[tuple[str, str, dict[str, Any]]] = []

    def call(folder: StateFolder, command: str, *, timeout_s: float = 0.0, **said: Any) -> Any:
        asked.append((folder.path, command, said))
        if isinstance(result, Exception):
            raise result
        return result

    case.patch(state, "call", call)
    return asked
