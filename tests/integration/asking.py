"""A client that sends the very bytes a test wrote, and reads what comes back.

Knows: HTTP/1.1 answers: heads, lengths, chunks, trailers, bodies that end with the connection. Refuses to know: what
may be sent. Strategy: one blocking socket with a time limit; nothing is normalised on the way out.
"""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. interim: the statuses of 1xx before it."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]
    interim: list[int]

    def field(self, name: str) -> str | None:
        """The first value of a field."""
        return next((value for there, value in self.fields if there.lower() == name.lower()), None)

    @property
    def reason(self) -> Any:
        """The word in a problem document."""
        return json.loads(self.body)["reason"]


class Closed(Exception):
    """The gateway closed before an answer was whole."""


class Wire:
    """One connection to a port of the gateway. tls: do not ask who is there."""

    def __init__(self, port: int, *, tls: bool = False, timeout_s: float = 15.0, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout_s)
        self.sock.connect(("127.0.0.1", port))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self._buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """At once."""
        self.sock.close()

    def send(self, data: bytes) -> None:
        """These bytes."""
        self.sock.sendall(data)

    def get(self, path: str, *fields: str, method: str = "GET") -> Answered:
        """A well-formed request without a body, and its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        return self.answer(method)

    def rest(self) -> bytes:
        """All there is until the other side closes."""
        try:
            while data := self.sock.recv(65536):
                self._buffer += data
        except ConnectionResetError:
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    def answer(self, method: str = "GET") -> Answered:
        """The next final answer. Raises Closed."""
        interim: list[int] = []
        while True:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200 or status == 101:
                break
            interim.append(status)
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        got = Answered(status, fields, b"", [], interim)
        if method == "HEAD" or status in (101, 204, 304):
            return got
        if (got.field("transfer-encoding") or "").lower() == "chunked":
            body, trailers = self._chunks()
            return Answered(status, fields, body, trailers, interim)
        length = got.field("content-length")
        body = self.rest() if length is None else self.exactly(int(length))
        return Answered(status, fields, body, [], interim)

    def _more(self) -> None:
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self._buffer)
        self._buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def exactly(self, n: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < n:
            self._more()
        found, self._buffer = self._buffer[:n], self._buffer[n:]
        return found

    def _chunks(self) -> tuple[bytes, list[tuple[str, str]]]:
        body = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self.exactly(size)
            self._until(b"\r\n")
        trailers = []
        while line := self._until(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            trailers.append((name, value.strip()))
        return body, trailers
