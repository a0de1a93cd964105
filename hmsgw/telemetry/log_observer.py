"""Twisted's own log as JSON lines, in the same stream as the requests.

Knows: `twisted.logger` events, old `twisted.python.log` ones included. Refuses to know: where lines go. Strategy:
formatted where the event happens, because a traceback does not wait; bounded in length, cleaned of secrets, and never
an exception of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from hmsgw.telemetry.redaction import redacted
from hmsgw.telemetry.request_line import bounded, shortened
from hmsgw.telemetry.timestamps import rfc3339

_MAX_MESSAGE = 4096
_MAX_TRACEBACK = 8192


@implementer(ILogObserver)
class LogLines:
    """write: takes a line on any thread (`LineWriter.write_now`). least: events below this level are left out."""

    def __init__(self, write: Callable[[bytes], None], least: Any = LogLevel.info) -> None:
        self._write = write
        self._least = least

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if level is not None and level < self._least:
            return
        line = {
            "ts": rfc3339(max(0.0, float(event.get("log_time", 0.0)))),
            "event": "log",
            "level": "info" if level is None else level.name,
            "namespace": str(event.get("log_namespace") or "-"),
            "message": _clean(formatEvent(event), _MAX_MESSAGE),
        }
        failure = event.get("log_failure")
        if failure is not None:
            line["traceback"] = _clean(_traceback(failure), _MAX_TRACEBACK, end=True)
        self._write(bounded(line))


def _traceback(failure: Any) -> str:
    try:
        return str(failure.getTraceback())
    except Exception:  # an error whose str() raises
        return f"{failure.type} (its traceback could not be written)"


def _clean(text: str, max_chars: int, *, end: bool = False) -> str:
    """Bounded before it is searched, and again after; `end` keeps the end, which is where a traceback says what."""
    if len(text) > max_chars:
        text = "..." + text[3 - max_chars :] if end else shortened(text, max_chars)
    return redacted(text)
