"""WebSocket at both ends of a gateway under test: the `websockets` package, and bare sockets for what it would not do.

Knows: how a server of that package runs in threads of the test's own, how a client dials, the bytes of a handshake.
Refuses to know: the gateway. Strategy: the package's blocking interface; no pings of its own, so that all that is said
is the test's.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from hmsgw.wire.websocket import accept_of
from tests.integration.origins import Received
from tests.transport.minting import authority, leaf

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OPENING = (
    b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)

logging.getLogger("websockets").addHandler(logging.NullHandler())


def echo(socket: ServerConnection) -> None:
    """Sends back what comes."""
    for message in socket:
        socket.send(message)


class Chat:
    """A WebSocket service on a free port. ended: how each of its connections ended, as (code, reason)."""

    def __init__(self, talk: Callable[[ServerConnection], None] = echo, *, tls: bool = False, **how: Any) -> None:
        self.ended: list[tuple[int | None, str]] = []
        self.requests: list[Any] = []
        self._talk = talk
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            load_pair(context)
        how = {"ping_interval": None, "max_size": None, "close_timeout": 2, **how}
        self._server = serve(self._run, "127.0.0.1", 0, ssl=context, **how)
        self.port = int(self._server.socket.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _run(self, socket: ServerConnection) -> None:
        self.requests.append(socket.request)
        try:
            self._talk(socket)
            socket.recv(timeout=20)
        except (ConnectionClosed, TimeoutError):
            pass
        self.ended.append((socket.close_code, socket.close_reason or ""))

    def close(self) -> None:
        """Stop, and drop every connection."""
        self._server.shutdown()


def load_pair(context: ssl.SSLContext) -> None:
    """A certificate for localhost by the tests' authority."""
    import tempfile

    chain, key = leaf("localhost").both
    with tempfile.NamedTemporaryFile() as file:
        file.write(chain + key)
        file.flush()
        context.load_cert_chain(file.name)


def write_authority(folder: str) -> None:
    """Its certificate, as `ca.pem`."""
    with open(os.path.join(folder, "ca.pem"), "wb") as file:
        file.write(authority().pem)


def dial(port: int, path: str = "/chat", *, tls: bool = False, **how: Any) -> ClientConnection:
    """A client's WebSocket through the gateway."""
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    uri = f"{'wss' if tls else 'ws'}://localhost:{port}{path}"
    how = {"ping_interval": None, "max_size": None, "proxy": None, "ssl": context, "close_timeout": 5, **how}
    made = connect(uri, **how)
    assert isinstance(made, ClientConnection)
    return made


def yes(got: Received, *more: bytes) -> bytes:
    """What a bare service answers to an opening."""
    key = got.values("sec-websocket-key")[0].encode()
    lines = (
        b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_of(key), *more,
    )  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n"
