"""uvloop's transports, as Twisted knows transports.

Knows: how asyncio's callbacks and Twisted's interfaces correspond. Refuses to know: who connects, TLS settings, HTTP.
Strategy: an adapter object a connection, whose hot attributes are the other side's own bound methods: a chunk read
costs no frame of this file, and neither does a write. What a Protocol raises is caught by the loop's exception
callback, which aborts the connection and logs, as Twisted would.
"""

from __future__ import annotations

import ssl
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()


@implementer(ITransport, IPushProducer)
class UvTransport:
    """An ITransport for one Twisted Protocol; to uvloop it is the asyncio protocol of the connection."""

    __slots__ = ("__weakref__", "_lost", "_producer", "_protocol", "_reading", "_uv", "data_received", "disconnecting",
                 "write")  # fmt: skip

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._producer: Any = None
        self._reading = True
        self._lost = False
        self._uv: Any = None
        self.disconnecting = False
        self.data_received = protocol.dataReceived

    # --- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._uv = transport
        self.write = transport.write
        self._protocol.makeConnection(self)

    def connection_lost(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._producer = None
        why: BaseException
        if error is None:
            why = ConnectionDone()
        elif isinstance(error, (ConnectionError, OSError, ssl.SSLError)):
            why = ConnectionLost(str(error))
        else:
            why = error
        protocol, self._protocol = self._protocol, None
        # Nothing refers to the Protocol from here on: without the cycle both are freed at once.
        del self.data_received
        protocol.connectionLost(Failure(why))

    def eof_received(self) -> bool:
        if IHalfCloseableProtocol.providedBy(self._protocol):
            self._protocol.readConnectionLost()
            return True
        return False

    def pause_writing(self) -> None:
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        if self._producer is not None:
            self._producer.resumeProducing()

    # --- Twisted's side

    def writeSequence(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def loseConnection(self) -> None:
        """Close once everything written is out."""
        self.disconnecting = True
        if self._uv is not None:
            self._uv.close()

    def abortConnection(self) -> None:
        """Close now, whatever was not sent yet."""
        self.disconnecting = True
        if self._uv is not None:
            self._uv.abort()

    def loseWriteConnection(self) -> None:
        """Half-close, where the wire can (not in TLS)."""
        if self._uv is not None and self._uv.can_write_eof():
            try:
                self._uv.write_eof()
            except OSError:
                pass  # the other side went first

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Only push producers: this transport never asks for one chunk at a time."""
        if not streaming:
            raise ValueError("only streaming producers are taken")
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        if self._reading and not self._lost:
            self._reading = False
            self._uv.pause_reading()

    def resumeProducing(self) -> None:
        if not self._reading and not self._lost:
            self._reading = True
            if not self._uv.is_closing():
                self._uv.resume_reading()

    def stopProducing(self) -> None:
        self.loseConnection()

    def bound_buffer(self, high_bytes: int) -> None:
        """Ask the producer to pause when so much waits to be sent."""
        self._uv.set_write_buffer_limits(high=high_bytes)

    def getPeer(self) -> Any:
        return _address(self._uv.get_extra_info("peername"))

    def getHost(self) -> Any:
        return _address(self._uv.get_extra_info("sockname"))

    @property
    def _ssl(self) -> Any:
        return self._uv.get_extra_info("ssl_object")

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What ALPN chose."""
        chosen = self._ssl.selected_alpn_protocol() if self._ssl is not None else None
        return chosen.encode() if chosen else None

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3`, or None without TLS."""
        session = self._ssl
        return None if session is None else session.version()  # type: ignore[no-any-return]

    def getPeerCertificate(self) -> bytes | None:
        """The other side's certificate in DER, if it gave one."""
        session = self._ssl
        return None if session is None else session.getpeercert(True)  # type: ignore[no-any-return]


def _address(name: Any) -> Any:
    if isinstance(name, tuple):
        return IPv6Address("TCP", name[0], name[1]) if ":" in name[0] else IPv4Address("TCP", name[0], name[1])
    return UNIXAddress(name or b"")


def loop_failure(loop: Any, context: dict[str, Any]) -> None:
    """The loop's exception handler: what a Protocol raised ends its connection, and is logged with its traceback."""
    adapter = context.get("protocol")
    error = context.get("exception")
    if error is not None:
        failure = Failure(error, type(error), error.__traceback__)
        _log.failure("a connection failed: {what}", failure=failure, what=context.get("message", ""))
    else:
        _log.warn("{what}", what=context.get("message", "the event loop reports a failure"))
    if isinstance(adapter, UvTransport):
        adapter.abortConnection()
