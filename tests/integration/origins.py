"""Services behind a gateway under test, in threads of the test's own process.

Knows: HTTP/1.1 as an origin reads it, and keeps every byte it was sent. Refuses to know: the gateway. Strategy: plain
blocking sockets; what an origin answers is a function of what it got and writes to the socket itself, so that it can
answer garbage, slowly, in pieces, or not at all.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request as an origin understood it. raw: all of its bytes. trailers: after a chunked body."""

    raw: bytes
    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Of a field, in order."""
        return [value for there, value in self.fields if there.lower() == name.lower()]


Answer = Callable[[Received, socket.socket], None]


def json_answer(got: Received, to: socket.socket) -> None:
    """200, what was asked for as JSON."""
    body = json.dumps({"method": got.method, "target": got.target, "length": len(got.body)}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    to.sendall(head + (b"" if got.method == "HEAD" else body))


def saying(answer: bytes, *, close: bool = False) -> Answer:
    """These bytes, whatever is asked."""

    def answering(got: Received, to: socket.socket) -> None:
        to.sendall(answer)
        if close:
            to.shutdown(socket.SHUT_RDWR)

    return answering


class Ended(Exception):
    """The other side has closed."""


class Origin:
    """An HTTP/1.1 service on a loopback port, a free one unless named.

    on_head: called before the body is read, and may write already.
    """

    def __init__(self, answer: Answer = json_answer, on_head: Answer | None = None, port: int = 0) -> None:
        self.answer = answer
        self.on_head = on_head
        self.got: list[Received] = []
        self.raw = bytearray()
        self.connections = 0
        self.body_seen = 0
        self.keep_bodies = True
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop, and drop every connection."""
        # close() alone would leave a thread in accept() with the port.
        for sock in (self._listening, *self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        reading = _Reading(self, sock)
        try:
            while True:
                got = reading.request()
                self.got.append(got)
                self.answer(got, sock)
        except (Ended, OSError):
            pass
        finally:
            self._open.discard(sock)
            sock.close()


class HeldOrigin(Origin):
    """Answers below /slow only when the test lets go: `held.set()`."""

    def __init__(self) -> None:
        self.held = threading.Event()
        super().__init__(self._when_let_go)

    def close(self) -> None:
        """Let go and stop."""
        self.held.set()
        super().close()

    def _when_let_go(self, got: Received, to: socket.socket) -> None:
        if got.target.startswith("/slow"):
            self.held.wait(30)
        json_answer(got, to)


class _Reading:
    """The requests on one connection."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        self._origin = origin
        self._sock = sock
        self._buffer = b""
        self._raw = bytearray()

    def _more(self) -> None:
        data = self._sock.recv(65536)
        if not data:
            raise Ended
        self._buffer += data
        if self._origin.keep_bodies:
            self._origin.raw += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        self._raw += found + mark
        return found

    def _exactly(self, n: int) -> bytes:
        pieces = []
        while n:
            if not self._buffer:
                self._more()
            piece, self._buffer = self._buffer[:n], self._buffer[n:]
            n -= len(piece)
            self._origin.body_seen += len(piece)
            if self._origin.keep_bodies:
                self._raw += piece
                pieces.append(piece)
        return b"".join(pieces)

    def request(self) -> Received:
        """The next one. Raises Ended, and ValueError for what an origin would not understand."""
        self._raw = bytearray()
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        got = Received(b"", method, target, _fields(head[1:]))
        if self._origin.on_head is not None:
            self._origin.on_head(got, self._sock)
        if got.values("transfer-encoding"):
            got.body = self._chunks()
            got.trailers = self._trailers()
        elif lengths := got.values("content-length"):
            got.body = self._exactly(int(lengths[0]))
        got.raw = bytes(self._raw)
        return got

    def _chunks(self) -> bytes:
        body = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body.append(self._exactly(size))
            self._until(b"\r\n")
        return b"".join(body)

    def _trailers(self) -> list[tuple[str, str]]:
        lines = []
        while line := self._until(b"\r\n"):
            lines.append(line.decode("latin-1"))
        return _fields(lines)


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    pairs = (re.fullmatch(r"([^:\s]+):[ \t]*(.*?)[ \t]*", line) for line in lines)
    return [(pair[1], pair[2]) for pair in pairs if pair is not None]
