"""WebSocket, as far as a gateway has to know it (RFC 6455): its opening handshake, and where its frames begin.

Knows: what a client has to say to open one, what an upstream has to answer, frame headers, the Close frame. Refuses to
know: payloads, masks, extensions, connections. Strategy: bytes pass as they came; of each read only frame headers are
looked at, because a word of the gateway's own may only stand between two frames.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1
from os import urandom

from hmsgw.reasons import BAD_REQUEST, WEBSOCKET_VERSION, Reason
from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import RequestHead, ResponseHead
from hmsgw.wire.http1 import parse_response

GOING_AWAY = 1001
"""The status of a Close frame: a server is going down (RFC 6455 section 7.4.1)."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_SENT_KEY = re.compile(rb"(?i)\r\nSec-WebSocket-Key:[ \t]*([^\r\n]*?)[ \t]*\r\n")

#: Said by the client of the handshake of HTTP/1.1 alone; RFC 8441 section 5 leaves it out.
KEY_FIELD = b"sec-websocket-key"
ACCEPT_FIELD = b"sec-websocket-accept"
VERSION_FIELD = b"sec-websocket-version"
#: What goes on to an upstream of HTTP/1.1 (RFC 6455 section 4.1): the gateway's own word, as it is this hop's.
UPGRADE_LINES = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
_UPGRADE_FIELDS: list[Field] = [
    (b"upgrade", b"Upgrade", b"websocket"), (b"connection", b"Connection", b"Upgrade"),
]  # fmt: skip
_VERSION_13: Field = (VERSION_FIELD, b"Sec-WebSocket-Version", b"13")


def new_key() -> bytes:
    """A Sec-WebSocket-Key: 16 random bytes in base64."""
    return b64encode(urandom(16))


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers a key (RFC 6455 section 4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def sent_key(head: bytes) -> bytes:
    """The key in an encoded request head, b"" when there is none."""
    found = _SENT_KEY.search(head)
    return b"" if found is None else found.group(1)


def opening_fault(head: RequestHead) -> tuple[Reason, str, list[Field]] | None:
    """What is wrong with the handshake of a head that asks for WebSocket (RFC 6455 section 4.2.1), as (reason, one
    sentence, fields of the answer); None when nothing is."""
    versions = _values(head.fields, VERSION_FIELD)
    if versions != [b"13"]:
        said = "The WebSocket handshake must name version 13, once."
        if head.protocol != "http/1.1" or len(versions) != 1:
            return BAD_REQUEST, said, [_VERSION_13]
        # RFC 9110 section 15.5.22: a 426 says in Upgrade what it wants.
        return WEBSOCKET_VERSION, said, [_VERSION_13, *_UPGRADE_FIELDS]
    if head.protocol == "http/1.1":
        keys = _values(head.fields, KEY_FIELD)
        if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
            return BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64, once.", []
    return None


class Switch(ResponseHead):
    """An upstream's yes: nothing behind it is HTTP. Response steps may change its fields, or refuse; its status says
    what has happened already."""

    switch = True

    @property
    def status(self) -> int:
        """101."""
        return self.code

    @status.setter
    def status(self, value: int) -> None:
        if value != self.code:
            raise ValueError("an answer that opens a WebSocket keeps its status; raise HTTPError to refuse")


def read_switch(head: bytes, accept: bytes) -> Switch:
    """A 101 that has been asked for, without its hop-by-hop fields. head: without the empty line that ends it.

    Raises UpstreamFault when it is not the answer to our handshake (RFC 6455 section 4.1).
    """
    response = parse_response(head, b"GET")
    said: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        said.setdefault(name.lower(), []).append(value.strip(b" \t"))
    if [value.lower() for value in said.get(b"upgrade", ())] != [b"websocket"]:
        raise UpstreamFault("The upstream switched to something else than WebSocket.")
    if b"upgrade" not in tokens(said.get(b"connection", ())):
        raise UpstreamFault("The upstream's 101 does not say `Connection: Upgrade`.")
    if said.get(ACCEPT_FIELD) != [accept]:
        raise UpstreamFault("The upstream's Sec-WebSocket-Accept does not answer our key.")
    if response.chunked or any(value != b"0" for value in said.get(b"content-length", ())):
        raise UpstreamFault("The upstream's 101 announces a body.")
    switch = Switch(101, response.fields, None)
    switch.dated = response.dated
    return switch


def tunnel_pairs(pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The head of a CONNECT, as HTTP/2 carries it, made one that asks for a WebSocket (RFC 8441 section 4)."""
    return [(b":protocol", b"websocket"), *(pair for pair in pairs if pair[0] != KEY_FIELD)]


def answer_key(switch: ResponseHead, head: RequestHead) -> None:
    """A yes that came over HTTP/2 says nothing of the key: for a client of HTTP/1.1 the gateway does. head: its."""
    if all(field[0] != ACCEPT_FIELD for field in switch.fields):
        (key,) = _values(head.fields, KEY_FIELD)
        switch.fields.append((ACCEPT_FIELD, b"Sec-WebSocket-Accept", accept_of(key)))


def for_http1(switch: ResponseHead) -> list[Field]:
    """The fields of a switch as a client of HTTP/1.1 gets them."""
    return [*switch.fields, *_UPGRADE_FIELDS]


def for_http2(switch: ResponseHead) -> None:
    """Make a switch what a client of HTTP/2 gets: 200 (RFC 8441 section 5)."""
    switch.code = 200
    switch.fields[:] = [field for field in switch.fields if field[0] != ACCEPT_FIELD]


def tokens(values: Iterable[bytes]) -> set[bytes]:
    """The members of a list field, in lower case."""
    return {token.strip(b" \t").lower() for value in values for token in value.split(b",")}


def _values(fields: Iterable[Field], name: bytes) -> list[bytes]:
    return [value for lower, _, value in fields if lower == name]


def close_frame(status: int, reason: bytes, *, masked: bool) -> bytes:
    """A Close frame (RFC 6455 section 5.5.1). reason: UTF-8, at most 123 bytes. masked: as a client sends it."""
    payload = status.to_bytes(2, "big") + reason
    if not masked:
        return bytes((0x88, len(payload))) + payload
    mask = urandom(4)
    return bytes((0x88, 0x80 | len(payload))) + mask + bytes(byte ^ mask[n & 3] for n, byte in enumerate(payload))


#: The second byte of a frame -> the size of the whole frame, 0 where more bytes say it.
_SIZES = tuple(0 if n & 0x7F > 125 else (n & 0x7F) + (6 if n & 0x80 else 2) for n in range(256))
_LONGEST_HEADER = 14


class Direction:
    """One direction of a WebSocket: what goes on of what comes, and when a last word may be said."""

    __slots__ = ("_first_byte", "_head", "_last_word", "_over", "_skip")

    def __init__(self) -> None:
        self._first_byte = 0
        self._skip = 0
        self._head = b""
        self._last_word = b""
        self._over = False

    @property
    def is_between_frames(self) -> bool:
        return not self._skip and not self._head

    @property
    def is_closed(self) -> bool:
        """The last frame was a Close frame: that the connection ends is no surprise."""
        return self._first_byte & 0x0F == 8 and self.is_between_frames

    def pass_on(self, data: bytes) -> bytes:
        """What goes on of what came next: all of it, until a last word has been said."""
        if not self._last_word:
            self._walk(data)
            return data
        if self._over:
            return b""
        end = self._walk(data, stop=True)
        if end < 0:
            return data
        self._over = True
        return data[:end] + self._last_word

    def end_with(self, frame: bytes) -> bytes:
        """Let `frame` be the last that goes this way. Returns it when it may go now, else b"": `pass_on` adds it when
        the frame under way has ended."""
        if self._last_word:
            return b""
        self._last_word = frame
        if not self.is_between_frames:
            return b""
        self._over = True
        return frame

    def _walk(self, data: bytes, *, stop: bool = False) -> int:
        """Follow the frames. stop: no further than the end of the one under way; returns where in `data` that is, -1
        when it is not in it."""
        at, end = self._skip, len(data)
        if self._head:
            known = len(self._head)
            joined = self._head + data[:_LONGEST_HEADER]
            size = _frame_size(joined, 0)
            if not size:
                self._head = joined
                return -1
            self._head = b""
            self._first_byte = joined[0]
            at = size - known
        if stop and at <= end:
            return at
        sizes = _SIZES
        last = -1
        while at + 1 < end:
            size = sizes[data[at + 1]] or _frame_size(data, at)
            if not size:
                break
            last = at
            at += size
        if last >= 0:
            self._first_byte = data[last]
        if at < end:
            self._head, self._skip = data[at:], 0
        else:
            self._skip = at - end
        return -1


def _frame_size(data: bytes, at: int) -> int:
    """Of the frame that begins there (RFC 6455 section 5.2); 0 while its length is not all there."""
    there = len(data) - at
    if there < 2:
        return 0
    second = data[at + 1]
    length, mask = second & 0x7F, second >> 5 & 4
    if length < 126:
        return 2 + mask + length
    wide = 2 if length == 126 else 8
    if there < 2 + wide:
        return 0
    return 2 + wide + mask + int.from_bytes(data[at + 2 : at + 2 + wide], "big")
