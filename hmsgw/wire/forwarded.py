"""The Forwarded field: what each proxy says of who asked it (RFC 7239 section 4).

Knows: elements, their parameters, quotes. Refuses to know: whom to believe (`proxy.forwarding`). Strategy: strict where
it could mean two things (a quote that does not close could hide what a later proxy added), and lenient where it can't:
ports and IPv6 addresses stand without quotes everywhere. No step looks at a byte twice: clients choose the length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hmsgw.wire.faults import EdgeFault

_NAME = re.compile(rb'[ \t]*([^ \t",;=]+)[ \t]*=[ \t]*')
_VALUE = re.compile(rb'(?:"((?:[^"\\]|\\.)*)"|([^ \t",;]*))[ \t]*', re.DOTALL)
_BLANK = re.compile(rb"[ \t]*")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class Element(NamedTuple):
    """One proxy's word. node: its `for`, without quotes; what is not said is b""."""

    node: bytes = b""
    proto: bytes = b""
    host: bytes = b""


def read_forwarded(value: bytes) -> list[Element]:
    """The elements of all the field's lines, joined with commas. Raises EdgeFault bad-request."""
    elements: list[Element] = []
    said: dict[bytes, bytes] = {}
    at = 0
    while True:
        name = _NAME.match(value, at)
        if name is None:
            blank = _BLANK.match(value, at)
            at = blank.end() if blank is not None else at
        else:
            bare = name[1].lower()
            found = _VALUE.match(value, name.end())
            if found is None or bare in said:
                raise _unreadable()
            said[bare] = found[2] if found[1] is None else _ESCAPED.sub(rb"\1", found[1])
            at = found.end()
        ended = at == len(value)
        if not ended and value[at] not in b",;":
            raise _unreadable()
        if said and (ended or value[at] == 0x2C):
            elements.append(Element(said.get(b"for", b""), said.get(b"proto", b""), said.get(b"host", b"")))
            said = {}
        if ended:
            return elements
        at += 1


def _unreadable() -> EdgeFault:
    return EdgeFault("The Forwarded field can't be read.")
