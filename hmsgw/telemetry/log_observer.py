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

_MAX_SEARCHED = 64 * 1024
_MAX_CHARS = 4096
#: "Starting factory <... at 0x7f...>" tells Twisted's developers something, and an operator nothing.
_TWISTEDS_OWN = ("twisted.", "log_legacy")


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
        namespace = str(event.get("log_namespace") or "-")
        if level is LogLevel.info and namespace.startswith(_TWISTEDS_OWN):
            return
        line = {
            "ts": rfc3339(max(0.0, float(event.get("log_time", 0.0)))),
            "event": "log",
            "level": "info" if level is None else level.name,
            "namespace": namespace,
            "message": _clean(formatEvent(event)),
        }
        failure = event.get("log_failure")
        if failure is not None:
            line["traceback"] = _clean(_traceback(failure), end=True)
        self._write(bounded(line))


def _traceback(failure: Any) -> str:
    try:
        return str(failure.getTraceback())
    except Exception:  # an error whose str() raises
        return f"{failure.type} (its traceback could not be written)"


def _clean(text: str, *, end: bool = False) -> str:
    """Without secrets, and bounded; `end` keeps the end, which is where a traceback says what happened.

    A secret is known by what stands before it, so what is searched begins where a line does.
    """
    if len(text) > _MAX_SEARCHED:
        text = text[-_MAX_SEARCHED:].partition("\n")[2] if end else text[:_MAX_SEARCHED]
    text = redacted(text)
    return "..." + text[3 - _MAX_CHARS :] if end and len(text) > _MAX_CHARS else shortened(text, _MAX_CHARS)
