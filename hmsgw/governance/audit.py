"""The audit log: what was accepted and refused, on whose word, in lines that can't be changed unseen.

Knows: the chain: each line carries the SHA-256 of the one before, so a line that was changed, taken out or put in
breaks it. Refuses to know: what an event means. A log cut off at its end looks whole: compare `head` with a copy kept
elsewhere. Strategy: append, fsync, nothing kept open. Blocking code: for a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

FIRST = "sha256:" + "0" * 64
_MODE = 0o600
_TAIL_BYTES = 1024 * 1024


class Verified(NamedTuple):
    """lines: how many are there. head: the hash of the last one. fault: what is wrong first, or None."""

    lines: int
    head: str
    fault: str | None


def hash_of(line: bytes) -> str:
    """line: without its newline."""
    return f"sha256:{hashlib.sha256(line).hexdigest()}"


class AuditLog:
    """path: made at the first event. wall: seconds since 1970. Safe to use from several threads."""

    def __init__(self, path: str, wall: Callable[[], float]) -> None:
        self.path = path
        self._wall = wall
        self._lock = threading.Lock()

    def record(self, event: str, actor: str, said: Mapping[str, Any]) -> str:
        """Append a line and wait until the disk has it. Returns the new head. Raises OSError."""
        with self._lock:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, _MODE)
            with open(descriptor, "r+b", buffering=0) as file:
                last = _last_line(file)
                number, prev = _after(last)
                moment = datetime.fromtimestamp(self._wall(), timezone.utc)
                entry = {"n": number, "ts": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "event": event, "actor": actor}
                line = json.dumps({**entry, **said, "prev": prev}, ensure_ascii=True).encode()
                torn = b"" if last is None or last.endswith(b"\n") else b"\n"
                file.write(torn + line + b"\n")
                os.fsync(descriptor)
                return hash_of(line)


def verify(path: str) -> Verified:
    """Follow the chain. Raises OSError when the file can't be read."""
    count, head = 0, FIRST
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip(b"\n")
            fault = _fault(line, number, head) if raw.endswith(b"\n") else "it is cut off"
            if fault is not None:
                return Verified(count, head, f"{path}:{number}: {fault}")
            count, head = number, hash_of(line)
    return Verified(count, head, None)


def _fault(line: bytes, number: int, head: str) -> str | None:
    try:
        entry = json.loads(line)
        n, prev = entry["n"], entry["prev"]
    except (ValueError, KeyError, TypeError):
        return "it is no line of an audit log"
    if prev != head:
        return "the line before it was changed, taken out or put in"
    return None if n == number else f"it says that it is number {n}"


def _after(last: bytes | None) -> tuple[int, str]:
    """(number, prev) of the line that follows."""
    if last is None:
        return 1, FIRST
    line = last.rstrip(b"\n")
    try:
        number = int(json.loads(line)["n"])
    except (ValueError, KeyError, TypeError):
        number = 0  # damaged: `verify` will say so, and the new lines chain on from there
    return number + 1, hash_of(line)


def _last_line(file: Any) -> bytes | None:
    """The last line as it stands, None for an empty file. Lines are far shorter than the tail that is read."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return None
    file.seek(max(0, size - _TAIL_BYTES))
    tail: bytes = file.read(_TAIL_BYTES)
    start = tail.rfind(b"\n", 0, len(tail) - 1)
    return tail[start + 1 :]
