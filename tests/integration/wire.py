"""The other ends of connections, for tests: plain blocking sockets in threads, which know nothing of the gateway."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from hmsgw.config.model import Where
from hmsgw.transport.connect import Connector
from hmsgw.transport.listen import open_socket, serve
from hmsgw.transport.pem import load_chain
from hmsgw.transport.tls import ClientAuth, ServerTls
from tests.transport.minting import Pair, authority

PATIENCE_S = 10.0
WHERE = Where("routes.yaml", 3, 5)


class Recorder(Protocol):
    """Keeps what comes and how it ended."""

    def __init__(self) -> None:
        self.received = b""
        self.why: Failure | None = None
        self.lost: Deferred[Failure] = Deferred()
        self.transport: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.why = reason
        self.lost.callback(None)  # type: ignore[arg-type]


class Echo(Recorder):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


def server_tls(
    *pairs: Pair,
    minimum: str = "1.2",
    alpn: tuple[bytes, ...] = (b"h2", b"http/1.1"),
    clients: ClientAuth | None = None,
) -> ServerTls:
    return ServerTls(tuple(pair.both for pair in pairs), minimum, alpn, where=WHERE, clients=clients)


def trusting() -> ssl.SSLContext:
    """For a client that trusts the test authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority().pem.decode())
    return context


def dial(port: int, tls: ssl.SSLContext | None = None, name: str = "localhost", receive_bytes: int = 0) -> Any:
    """A blocking connection. receive_bytes: how much the kernel may hold for it."""
    sock = socket.socket()
    sock.settimeout(PATIENCE_S)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        sock.connect(("127.0.0.1", port))
        return sock if tls is None else tls.wrap_socket(sock, server_hostname=name or None)
    except BaseException:
        sock.close()
        raise


def read_all(sock: socket.socket) -> bytes:
    """Until the other side closes."""
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


class Backend:
    """A listening socket whose connections are each given to `script`, one after the other, in a thread."""

    def __init__(self, script: Callable[[Any], None]) -> None:
        self.sock = open_socket("127.0.0.1", 0)
        self.sock.setblocking(True)
        self.sock.settimeout(0.05)
        self.port = self.sock.getsockname()[1]
        self.faults: list[Exception] = []
        self._script = script
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self.sock.accept()
            except TimeoutError:
                continue
            connection.settimeout(PATIENCE_S)
            with connection:
                try:
                    self._script(connection)
                except OSError as error:
                    self.faults.append(error)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(PATIENCE_S)
        self.sock.close()


def tls_script(pair: Pair, then: Callable[[Any], None], client_ca: bytes | None = None) -> Callable[[Any], None]:
    """A script that speaks TLS with the standard library."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_chain(context, *pair.both)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.decode())

    def script(connection: Any) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            then(secured)

    return script


class WireCase(TestCase):
    """Serves and connects through the room under test, and closes everything at the end."""

    def serve(
        self,
        new: Callable[[], Any],
        tls: ServerTls | None = None,
        max_pending: int = 100,
        handshake_timeout_s: float = 5.0,
    ) -> Any:
        """The Serving; `made` on the test holds the Protocols."""
        self.made: list[Any] = []
        self.refusals: list[tuple[str, str, str]] = []

        def make() -> Any:
            self.made.append(new())
            return self.made[-1]

        sock = open_socket("127.0.0.1", 0)
        serving = serve(
            reactor, sock, make, tls, max_pending=max_pending, handshake_timeout_s=handshake_timeout_s,
            refused=lambda *said: self.refusals.append(said),
        )  # fmt: skip
        self.addCleanup(self._close, serving)
        return serving

    async def _close(self, serving: Any) -> None:
        serving.stop_accepting()
        for protocol in self.made:
            if protocol.transport is not None and protocol.why is None:
                protocol.transport.abortConnection()
        await self.until(lambda: all(one.transport is None or one.why is not None for one in self.made))
        await self.until(lambda: serving.handshaking == 0)

    def backend(self, script: Callable[[Any], None]) -> Backend:
        backend = Backend(script)
        self.addCleanup(deferToThread, backend.close)
        return backend

    def connector(self) -> Connector:
        return Connector(reactor)

    async def until(self, true: Callable[[], bool]) -> None:
        """Let the reactor run until `true()`; fails when it never is."""
        for _ in range(500):
            if true():
                await deferLater(reactor, 0)  # type: ignore[arg-type]
                return
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.fail("what was waited for did not happen")

    async def apart(self, call: Callable[..., Any], *args: Any) -> Any:
        """Blocking code, in a thread."""
        return await deferToThread(call, *args)
