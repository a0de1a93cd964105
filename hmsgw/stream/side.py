"""One end of a stream: its bytes go to the other end as they come.

Knows: back-pressure and half-close between two TCP connections. Refuses to know: which end it is, and what the bytes
mean. Strategy: each end is the producer of what the other writes: when a buffer fills, reading stops at its source. An
end that has read its last byte is never read again.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IHalfCloseableProtocol, IPushProducer)
class Side(Protocol):
    """See the module. seen: bytes that came. gone: the connection has ended."""

    transport: Any
    other: Side | None = None
    seen = 0
    read_over = False
    gone = False

    def dataReceived(self, data: bytes) -> None:
        self.seen += len(data)
        if self.other is not None:
            self.other.transport.write(data)

    def join(self, other: Side) -> None:
        """From now on the two are one stream. Both are connected."""
        self.other, other.other = other, self
        self.transport.registerProducer(other, True)
        other.transport.registerProducer(self, True)

    def readConnectionLost(self) -> None:
        """The last byte has come: the other end is told, once it has all of them."""
        self.read_over = True
        other = self.other
        if other is None:
            self.transport.loseConnection()
            return
        other.transport.unregisterProducer()
        if other.read_over:
            self.close()
            other.close()
        else:
            other.transport.loseWriteConnection()

    def writeConnectionLost(self) -> None:
        """It was we who closed that half."""

    def close(self) -> None:
        """Close once everything is written."""
        if not self.gone:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close now."""
        if not self.gone:
            self.transport.unregisterProducer()
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        clean = reason.check(ConnectionDone) is not None
        self.over(clean)
        other = self.other
        if other is not None:
            if clean:
                other.close()
            else:
                # A reset is passed on as one: the other end must not take half for whole.
                other.abort()

    def over(self, clean: bool) -> None:
        """This end has ended. clean: not by a reset."""

    # --- what the other end's transport asks of us

    def pauseProducing(self) -> None:
        if not self.read_over and not self.gone:
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if not self.read_over and not self.gone:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The other end is gone; its connectionLost says what follows."""
