"""The origin of uploads: reads a body to its end, then answers with the number of bytes. `python -m bench.sink PORT`.

Knows: Content-Length, chunked bodies and keep-alive, as far as proxies use them. Refuses to know: what the bytes are.
Strategy: a thread a connection and one buffer each; nginx would answer an upload before it has read it.
"""

from __future__ import annotations

import socket
import socketserver
import sys
from io import BufferedIOBase

_BLOCK_BYTES = 256 * 1024
_LINE_BYTES = 8192


class Upload(socketserver.StreamRequestHandler):
    rbufsize = _BLOCK_BYTES
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while (length := content_length(self.rfile)) is not None:
            got = counted(self.rfile, length)
            body = f'{{"bytes": {got}}}\n'.encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = socket.SOMAXCONN


def content_length(lines: BufferedIOBase) -> int | None:
    """Of the next request: -1 for a chunked body, None when the connection has ended."""
    if not lines.readline(_LINE_BYTES).strip():
        return None
    length = 0
    while line := lines.readline(_LINE_BYTES).strip().lower():
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            length = -1
    return length


def counted(body: BufferedIOBase, length: int) -> int:
    if length >= 0:
        return _swallowed(body, length)
    got = 0
    while size := int(body.readline(_LINE_BYTES).partition(b";")[0], 16):
        got += _swallowed(body, size)
        body.readline(_LINE_BYTES)
    while body.readline(_LINE_BYTES).strip():
        continue
    return got


def _swallowed(body: BufferedIOBase, length: int) -> int:
    buffer = memoryview(bytearray(min(length, _BLOCK_BYTES)))
    left = length
    while left:
        count = body.readinto(buffer[: min(left, len(buffer))])
        if not count:
            break
        left -= count
    return length - left


if __name__ == "__main__":
    with Sink(("127.0.0.1", int(sys.argv[1])), Upload) as sink:
        sink.serve_forever()
