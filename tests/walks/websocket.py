"""WebSocket's words for walks: an opening, the answer to it, frames."""

from __future__ import annotations

import re
import struct
from typing import Any

from hmsgw.wire.websocket import accept_of
from tests.walks.walk import Walk

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
OPENING = b"GET /chat HTTP/1.1\r\nHost: api.example\r\n" + FIELDS + b"\r\n"
AWAY = b"\x88\x29\x03\xe9The gateway is closing this connection."
"""Close 1001, as a server says it."""


def switched(key: bytes = KEY, *more: bytes) -> bytes:
    """The upstream's yes."""
    lines = (
        b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_of(key), *more,
    )  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n"


def frame(payload: bytes, *, masked: bool = False, first: int = 0x81) -> bytes:
    """A frame; its mask is of zeros."""
    size, bit = len(payload), 0x80 if masked else 0
    long = bytes((bit | size,)) if size < 126 else bytes((bit | 126,)) + struct.pack("!H", size)
    return bytes((first,)) + long + (bytes(4) if masked else b"") + payload


def unmasked(data: bytes) -> bytes:
    """One small masked frame as it would be without its mask."""
    mask = data[2:6]
    return bytes((data[0], data[1] & 0x7F)) + bytes(byte ^ mask[n % 4] for n, byte in enumerate(data[6:]))


def opened(more: bytes = b"", **how: Any) -> Walk:
    """A walk whose client has a WebSocket; nothing is left unread. more: lines for the opening."""
    walk = Walk(**how)
    walk.client_sends(OPENING[:-2] + more + b"\r\n")
    walk.upstream_sees()
    walk.upstream_sends(switched())
    assert walk.client_sees().startswith(b"HTTP/1.1 101 ")
    return walk


def key_sent(head: bytes) -> bytes:
    """The key that the gateway asked an upstream with."""
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
    assert found is not None
    return found[1]
