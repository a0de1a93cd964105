"""The other end of the control socket: a command line asks the gateway that runs.

Knows: how to find the gateway, and what to say when there is none. Refuses to know: commands. Strategy: blocking calls
with a deadline; no reactor, so a command starts in no time.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from hmsgw.control.state import StateFolder

MAX_ANSWER_BYTES = 64 * 1024 * 1024


class CallFault(Exception):
    """The gateway could not be asked, or it refused. str() is one sentence that says what to do next."""


def call(folder: StateFolder, command: str, *, timeout_s: float = 10.0, **said: Any) -> Any:
    """Ask the gateway of a state directory. Returns what its command returned. Raises CallFault."""
    request = json.dumps({"command": command, **said}).encode() + b"\n"
    deadline = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(timeout_s)
            sock.connect(folder.control_socket)
            sock.sendall(request)
            line = _line(sock, deadline)
    except (FileNotFoundError, ConnectionRefusedError):
        raise CallFault(
            f"no gateway runs with the state directory {folder.path}; start one (`hms-gateway start`), or name its "
            "directory with --state-dir"
        ) from None
    except PermissionError:
        raise CallFault(
            f"the gateway with the state directory {folder.path} belongs to another user; run this as that user or "
            "as root"
        ) from None
    except TimeoutError:
        raise CallFault(
            f"the gateway with the state directory {folder.path} has not answered for {timeout_s:g} s; look at its log"
        ) from None
    except OSError as error:
        raise CallFault(f"{folder.control_socket}: {error.strerror or error}; check --state-dir") from None
    return _result(line, folder)


def _line(sock: socket.socket, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < MAX_ANSWER_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        part = sock.recv(65536)
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):
            break
    return b"".join(parts)


def _result(line: bytes, folder: StateFolder) -> Any:
    try:
        answer = json.loads(line)
        if answer["ok"] is True:
            return answer["result"]
        sentence = str(answer["error"])
    except (ValueError, KeyError, TypeError):
        who = f"The gateway answers user {os.geteuid()} only if it runs as that user"
        raise CallFault(
            f"the gateway with the state directory {folder.path} closed the connection without an answer. {who}; look "
            "at its log"
        ) from None
    raise CallFault(sentence)
