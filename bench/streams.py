"""One big body over one connection, in either direction, at full speed or at a slow reader's pace.

Knows: sockets and just enough of HTTP/1.1 for one exchange. Refuses to know: who answers. Strategy: big blocks into one
buffer and no look at the bytes, so that the load costs as little as it can; the length that arrived is checked.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 256 * 1024
_SILENCE_S = 20.0
_SLOW_BUFFER_BYTES = 64 * 1024
_SLOW_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a stream goes: a port of this host, and the certificate to expect when it is TLS."""

    port: int
    certificate: Path | None

    def connect(self, receive_buffer_bytes: int | None = None) -> socket.socket:
        plain = socket.socket()
        if receive_buffer_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        plain.settimeout(_SILENCE_S)
        plain.connect(("127.0.0.1", self.port))
        if self.certificate is None:
            return plain
        return ssl.create_default_context(cafile=str(self.certificate)).wrap_socket(plain, server_hostname="localhost")


def download(edge: Edge, path: str, size: int) -> float:
    """Fetch a body of that size; seconds that it took. Raises OSError when it is another, or does not come."""
    with edge.connect() as connection:
        began = time.monotonic()
        _ask(connection, f"GET {path}")
        got = read_head(connection, size)
        buffer = memoryview(bytearray(_BLOCK_BYTES))
        while got < size:
            count = connection.recv_into(buffer)
            if not count:
                raise OSError(f"the connection was closed after {got:,} of {size:,} bytes")
            got += count
        return time.monotonic() - began


def read_slowly(edge: Edge, path: str, size: int, seconds: float, bytes_per_s: float) -> int:
    """Ask for a body and read it at that pace for so long, then leave; bytes that came. Raises OSError."""
    with edge.connect(_SLOW_BUFFER_BYTES) as connection:
        _ask(connection, f"GET {path}")
        got = read_head(connection, size)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            block = connection.recv(max(1, int(bytes_per_s * _SLOW_PAUSE_S)))
            if not block:
                raise OSError(f"the connection was closed after {got:,} bytes")
            got += len(block)
            time.sleep(_SLOW_PAUSE_S)
        return got


def upload(edge: Edge, path: str, size: int) -> float:
    """Send a body of zeros and await a 200 that names its size; seconds that it took. Raises OSError."""
    with edge.connect() as connection:
        began = time.monotonic()
        _ask(connection, f"POST {path}", f"Content-Length: {size}\r\nContent-Type: application/octet-stream\r\n")
        block = memoryview(bytes(_BLOCK_BYTES))
        left = size
        while left:
            part = block[: min(left, _BLOCK_BYTES)]
            connection.sendall(part)
            left -= len(part)
        answer = b""
        while str(size).encode() not in answer.partition(b"\r\n\r\n")[2]:
            more = connection.recv(4096)
            if not more:
                raise OSError(f"the answer to the upload was {answer[:200]!r}")
            answer += more
        if not answer.startswith(b"HTTP/1.1 200"):
            raise OSError(f"the answer to the upload was {answer[:200]!r}")
        return time.monotonic() - began


def _ask(connection: socket.socket, target: str, fields: str = "") -> None:
    connection.sendall(f"{target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())


def read_head(connection: socket.socket, size: int) -> int:
    """Read a response head that announces `size`; the number of body bytes that came with it. Raises OSError."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(4096)
        if not more:
            raise OSError(f"the connection was closed in the head: {got[:200]!r}")
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or f"content-length: {size}".encode() not in head.lower():
        raise OSError(f"expected a 200 with {size} bytes, got {head[:200]!r}")
    return len(rest)
