"""The server name of a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read without taking part.

Knows: records, the message they carry in pieces, and its extensions as far as they have to add up. Refuses to know:
keys, versions and suites: what is not a name is passed over, GREASE and ECH among it (the outer name counts). Strategy:
records are taken off as they come, the message is read once, whole; what two readers could read in two ways is
refused, because the one behind us would be the other reader.
"""

from __future__ import annotations

import re

MAX_BYTES = 16 * 1024
"""How much of a connection is looked at for a whole ClientHello; browsers send half a KiB to two."""

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_MAX_RECORD_BYTES = 16 * 1024
_SERVER_NAME, _HOST_NAME = 0, 0
_NAME = re.compile(rb"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")


class NotTls(Exception):
    """The connection does not begin as TLS does."""


class BadClientHello(Exception):
    """It begins like TLS and goes on otherwise. str(): one sentence."""


class ServerNameReader:
    """Reads the name out of what a client sends first. The work is in proportion to the bytes, however they come."""

    def __init__(self) -> None:
        self._seen = 0
        self._rest = b""
        self._message = bytearray()

    def feed(self, data: bytes) -> str | None:
        """More of it. Returns the name in lower case, "" when there is none, None while it is not known yet. Raises
        NotTls, BadClientHello; then, and once the name is known, there is nothing more to feed."""
        first = not self._message and self._seen < 2
        self._seen += len(data)
        rest = self._rest + data
        if first and (rest[:1] not in (b"", b"\x16") or rest[1:2] not in (b"", b"\x03")):
            raise NotTls
        at = 0
        while at + 5 <= len(rest):
            if rest[at] != _HANDSHAKE or rest[at + 1] != 3:
                raise BadClientHello("its ClientHello breaks off for a record of another kind")
            size = int.from_bytes(rest[at + 3 : at + 5], "big")
            if not 0 < size <= _MAX_RECORD_BYTES:
                raise BadClientHello("its first records have a length that none may have")
            if at + 5 + size > len(rest):
                break
            self._message += rest[at + 5 : at + 5 + size]
            at += 5 + size
            whole = _message_bytes(self._message)
            if whole is not None and len(self._message) >= whole:
                return _server_name(bytes(self._message[4:whole]))
        self._rest = rest[at:]
        if self._seen >= MAX_BYTES:
            raise BadClientHello(f"its ClientHello is longer than {MAX_BYTES} bytes")
        return None


def _message_bytes(message: bytearray) -> int | None:
    """The length of the whole message; None while that is not known."""
    if message[0] != _CLIENT_HELLO:
        raise BadClientHello("its first message is no ClientHello")
    if len(message) < 4:
        return None
    whole = 4 + int.from_bytes(message[1:4], "big")
    if whole > MAX_BYTES:
        raise BadClientHello(f"its ClientHello is longer than {MAX_BYTES} bytes")
    return whole


class _Reader:
    """Takes vectors off a message. Raises BadClientHello when one is longer than what is left."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise BadClientHello("a length in its ClientHello is more than what is left")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def _server_name(body: bytes) -> str:
    hello = _Reader(body)
    hello.take(2 + 32)
    session, suites, compressions = hello.vector(1), hello.vector(2), hello.vector(1)
    if len(session) > 32 or len(suites) < 2 or len(suites) % 2 or not compressions:
        raise BadClientHello("its ClientHello has a field of a length that it can't have")
    if not hello.left:
        return ""  # TLS 1.2 without extensions
    extensions = _Reader(hello.vector(2))
    if hello.left:
        raise BadClientHello("its ClientHello has more in it than its parts")
    seen: set[int] = set()
    name = ""
    while extensions.left:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind in seen:
            raise BadClientHello("its ClientHello has an extension twice")
        seen.add(kind)
        if kind == _SERVER_NAME:
            name = _host_name(content)
    return name


def _host_name(content: bytes) -> str:
    names = _Reader(content)
    entries = _Reader(names.vector(2))
    kind, name = entries.number(1), entries.vector(2)
    if names.left or entries.left or kind != _HOST_NAME:
        raise BadClientHello("its ClientHello names more than one server, or none by its host name")
    if _NAME.fullmatch(name) is None:
        raise BadClientHello("the server name in its ClientHello is no host name")
    return name.decode("ascii").lower()
