"""From the words on the command line to the command that they name.

Knows: which commands there are, in the order of --help, and that every error is one sentence on stderr. Refuses to
know: what a command does. Strategy: each command is a module with TEXT, `add_arguments` and `run`; it is imported when
the command line names it, so that `reload` does not wait for what `demo` needs.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from hmsgw import __version__
from hmsgw.cli.ending import EXIT_USAGE, Failed

COMMANDS = {
    "demo": "the main job on this machine: two services, a registry, a gateway, a token to try it with",
    "start": "run a gateway in the foreground",
    "check": "say what is wrong with a configuration",
    "reload": "let the running gateway load a configuration, without losing a request",
    "status": "what the running gateway serves, and what is not as it should be",
    "explain": "why a request would be answered as it would",
    "token": "a token for the development key of --dev and demo",
    "schema": "the JSON Schema of the configuration",
    "audit": "verify the log of what was accepted and refused",
}
"""name -> what --help says of it; the module is `hmsgw.cli.NAME`."""

LATER = ("plan", "rollback", "keygen", "manifest", "sign", "verify", "drain", "upgrade", "endpoint")
"""Names that are settled; a later version brings what they do. Until then they are refused, never half done."""


class _Parser(argparse.ArgumentParser):
    """Errors in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise Failed(f"{message}; `{self.prog} --help` shows what there is", EXIT_USAGE)


def main(words: Sequence[str] | None = None) -> int:
    """Run `hms-gateway WORDS`. Returns the exit code: 0 done, 1 refused or failed, 2 usage, 78 refused at start."""
    said = sys.argv[1:] if words is None else list(words)
    try:
        code = _run(said)
        sys.stdout.flush()
        return code
    except Failed as failed:
        print(f"hms-gateway: {failed}", file=sys.stderr)
        return failed.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        print(f"hms-gateway: the output can't be written: {error.strerror}; send it elsewhere", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _run(words: list[str]) -> int:
    if words and words[0] in LATER:
        raise Failed(f"`{words[0]}` is not in this version; `hms-gateway --help` shows the commands that are")
    if words and words[0] not in COMMANDS and not words[0].startswith("-"):
        raise Failed(f"there is no command `{words[0]}`; `hms-gateway --help` shows those that there are", EXIT_USAGE)
    parser, modules = _parser(words)
    said = parser.parse_args(words)
    if said.command is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    code: int = modules[said.command].run(said)
    return code


def _parser(words: list[str]) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """The parser, and the modules of the commands that `words` may name; the others only have their line."""
    parser = _Parser(
        prog="hms-gateway",
        description="The backend API gateway: HTTPS in, policy, upstream, out.",
        epilog="`hms-gateway COMMAND --help` says more. The documentation is in docs/, the quick start in README.md.",
    )
    parser.add_argument("--version", action="version", version=f"hms-gateway {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    modules: dict[str, Any] = {}
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in words:
            modules[name] = import_module(f"hmsgw.cli.{name}")
            modules[name].add_arguments(command)
    return parser, modules
