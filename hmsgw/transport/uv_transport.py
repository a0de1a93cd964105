"""uvloop's transports, as Twisted knows transports.

Knows: how asyncio's callbacks and Twisted's interfaces correspond. Refuses to know: who connects, TLS settings, HTTP.
Strategy: an adapter object a connection, whose hot attributes are the other side's own bound methods: a chunk read
costs no frame of this file, and neither does a write. What a Protocol raises while it reads closes its connection in
uvloop and is logged here, as in Twisted.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IPushProducer, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

#: What uvloop holds for a reader that is slow, on either side of TLS, before the producer is paused. Its own bounds
#: for TLS are 512 KiB written and 256 KiB read, too much to give every connection.
_TLS_BUFFER_BYTES = 64 * 1024


@implementer(ITransport, IConsumer, IPushProducer)
class UvTransport:
    """An ITransport for one Twisted Protocol; to uvloop it is the asyncio protocol of the connection."""

    __slots__ = ("__weakref__", "_ended", "_full", "_lost", "_producer", "_protocol", "_reading", "_uv",
                 "announced", "client_certificate", "data_received", "disconnecting", "write")  # fmt: skip

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._producer: Any = None
        self._reading = True
        self._full = False
        self._ended = False
        self._lost = False
        self._uv: Any = None
        self.disconnecting = False
        self.client_certificate: Any = None
        self.announced: Any = None
        self.data_received = protocol.dataReceived

    @property
    def made(self) -> bool:
        """connectionMade has been called: TLS, if any, is up."""
        return self._uv is not None

    # --- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._uv = transport
        self.write = transport.write
        try:
            if self._ssl is not None:
                transport.set_write_buffer_limits(high=_TLS_BUFFER_BYTES)
                transport.set_read_buffer_limits(high=_TLS_BUFFER_BYTES)
            self._protocol.makeConnection(self)
        except Exception:
            self._failed("connectionMade")
        if not self._reading:
            # uvloop begins to read only now, whatever it was told; one chunk may come before this.
            asyncio.get_running_loop().call_soon(self._pause_again)

    def _pause_again(self) -> None:
        if not self._reading and not self._lost:
            self._uv.pause_reading()

    def connection_lost(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = True
        self.write = _dropped
        protocol, self._protocol = self._protocol, None
        # Nothing refers to the Protocol from here on: without the cycle both are freed at once.
        del self.data_received
        producer, self._producer = self._producer, None
        try:
            if producer is not None:
                producer.stopProducing()
            protocol.connectionLost(Failure(self._reason(error)))
        except Exception:
            self._failed("connectionLost")

    def _reason(self, error: BaseException | None) -> BaseException:
        if error is None:
            if self._ssl is None or self._ended or self.disconnecting:
                return ConnectionDone()
            return ConnectionLost("TLS ended without close_notify: what was sent may have been cut short")
        if isinstance(error, ssl.SSLError):
            return ConnectionLost(str(error))
        if isinstance(error, (OSError, asyncio.TimeoutError)):
            if error.__traceback__ is None:
                return ConnectionLost(str(error))
            # It was raised, so by the Protocol: uvloop takes any OSError for the network's and is silent.
            _log.failure("a connection failed", Failure(error, type(error), error.__traceback__))
        return error

    def eof_received(self) -> bool:
        self._ended = True
        if IHalfCloseableProtocol.providedBy(self._protocol):
            self._protocol.readConnectionLost()
            return self._ssl is None
        return False

    def pause_writing(self) -> None:
        self._full = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        self._full = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def _failed(self, where: str) -> None:
        _log.failure("a connection failed in {where}", where=where)
        self.abortConnection()

    # --- Twisted's side

    def writeSequence(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def loseConnection(self) -> None:
        """Close once everything written is out, and a producer that is registered is done."""
        self.disconnecting = True
        if self._producer is None and self._uv is not None:
            self._uv.close()

    def abortConnection(self) -> None:
        """Close now, whatever was not sent yet."""
        self.disconnecting = True
        self.write = _dropped
        if self._uv is not None:
            self._uv.abort()

    def loseWriteConnection(self) -> None:
        """Half-close, where the wire can (not in TLS)."""
        if self._uv is not None and not self._lost and self._uv.can_write_eof():
            self.write = _dropped
            try:
                self._uv.write_eof()
            except OSError:
                pass  # the other side went first

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Only push producers: this transport never asks for one chunk at a time. Raises ValueError, RuntimeError."""
        if not streaming:
            raise ValueError("only streaming producers are taken")
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is registered already")
        if self._lost:
            producer.stopProducing()
            return
        self._producer = producer
        if self._full:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._producer = None
        if self.disconnecting and not self._lost:
            self.loseConnection()

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

    def bound_buffer(self, max_bytes: int) -> None:
        """Let the producer pause when so much waits to be sent. TLS keeps its own, smaller bound."""
        if self._uv is not None and self._uv.get_extra_info("ssl_object") is None:
            self._uv.set_write_buffer_limits(high=max_bytes)

    def become(self, protocol: Any) -> None:
        """Another Protocol takes the connection over; it is made to believe that it was just made."""
        self._protocol = protocol
        self._producer = None
        self.data_received = protocol.dataReceived
        self._uv.set_protocol(self)  # uvloop keeps the method, not the adapter
        protocol.makeConnection(self)

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return 0 if self._uv is None or self._lost else int(self._uv.get_write_buffer_size())

    def fileno(self) -> int:
        """Of the socket; -1 when there is none."""
        sock = None if self._uv is None or self._lost else self._uv.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def getPeer(self) -> Any:
        if self.announced is not None:
            return self.announced
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


def _dropped(data: bytes) -> None:
    """Where writes go once nothing can be sent: uvloop would raise, or warn, for each."""


def _address(name: Any) -> Any:
    if isinstance(name, tuple):
        return IPv6Address("TCP", name[0], name[1]) if ":" in name[0] else IPv4Address("TCP", name[0], name[1])
    return UNIXAddress(name or b"")


def loop_failure(loop: Any, context: dict[str, Any]) -> None:
    """The loop's exception handler: what a Protocol raised has ended its connection; here it is logged."""
    error = context.get("exception")
    if error is not None:
        failure = Failure(error, type(error), error.__traceback__)
        _log.failure("a connection failed: {what}", failure=failure, what=context.get("message", ""))
    else:
        _log.warn("{what}", what=context.get("message", "the event loop reports a failure"))
    adapter = context.get("protocol")
    if isinstance(adapter, UvTransport):
        adapter.abortConnection()
