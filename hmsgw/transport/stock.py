"""Accepting on Twisted's own transports, where uvloop can't be had.

Knows: how Twisted adopts a listening socket, and which handshakes are under way. Refuses to know: uvloop. Slower than
`listen.Serving`, and equal in what it promises: the tests run on both.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from hmsgw.transport.client_certificate import CertificateGate, Refusing
from hmsgw.transport.handshakes import handshake_fault, handshake_late
from hmsgw.transport.proxy_header import FROM_ELSEWHERE, PROXY_SOURCE, HeaderFirst, Sources
from hmsgw.transport.stock_tls import AfterHandshake, ServerConnections, tls_factory
from hmsgw.transport.tls import ServerTls

_log = Logger()


_MOST_TURNS = 64


def connection_waits(sock: socket.socket) -> bool:
    """Whether a listening socket has a connection that is not accepted yet."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return any(mask & select.POLLIN for _, mask in poller.poll(0))


class StockServing(Factory):
    """A socket that Twisted accepts from. handshaking: how many have their PROXY header or TLS under way, at most
    `max_pending`."""

    noisy = False

    def __init__(
        self,
        reactor: Any,
        sock: socket.socket,
        new_protocol: Callable[[], Any],
        tls: ServerTls | None,
        max_pending: int,
        handshake_timeout_s: float,
        refused: Refusing,
    ) -> None:
        self._reactor = reactor
        self._sock = sock
        self._new_protocol = new_protocol
        self._max_pending = max_pending
        self._handshake_timeout_s = handshake_timeout_s
        self._tell_refused = refused
        self._asks = False
        self._sources: Sources | None = None
        self._tls: Any = None
        self.refused = 0
        self.handshaking = 0
        name = sock.getsockname()
        self.address: tuple[str, int] = (name[0], name[1])
        self.set_tls(tls)
        # Twisted takes a duplicate: `sock` stays its owner's until `stop_accepting`.
        self._port = reactor.adoptStreamPort(sock.fileno(), sock.family, self)

    def set_tls(self, tls: ServerTls | None) -> None:
        """For connections from now on; those that are open keep what they have."""
        pending = Factory.forProtocol(self._new_pending)
        self._asks = tls is not None and tls.clients is not None
        self._tls = None if tls is None else tls_factory(self._reactor, ServerConnections(tls), False, pending)

    def set_sources(self, sources: Sources | None) -> None:
        """Who sends a PROXY header from now on, and has to; None: nobody does."""
        self._sources = sources

    def take_waiting(self) -> None:
        """Accept what waits: to its client each of these is a connection that is open already."""
        for _ in range(_MOST_TURNS):
            if not connection_waits(self._sock):
                return
            self._port.doRead()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections go on."""
        if self._sock.fileno() >= 0:
            self._sock.close()
            self._port.stopListening()

    def buildProtocol(self, addr: Any) -> Any:
        """For one connection, or None to refuse it."""
        if self._tls is None and self._sources is None:
            return self._new_protocol()
        if self.handshaking >= self._max_pending:
            self.refused += 1
            return None
        if self._sources is None:
            return self._secured_or_not(addr)
        if addr.host not in self._sources:
            self._tell_refused(addr.host, PROXY_SOURCE, FROM_ELSEWHERE)
            return None
        self.handshaking += 1
        return HeaderFirst(
            self._reactor, self._handshake_timeout_s, lambda: self._secured_or_not(addr), self._header_over,
            self._tell_refused,
        )  # fmt: skip

    def _secured_or_not(self, addr: Any) -> Any:
        return self._new_protocol() if self._tls is None else self._tls.buildProtocol(addr)

    def _header_over(self) -> None:
        self.handshaking -= 1

    def _new_pending(self) -> Any:
        def over(why: Failure | None) -> None:
            self.handshaking -= 1
            late = not deadline.active()
            if not late:
                deadline.cancel()
            if why is None or why.value is None:
                return
            fault = handshake_late(self._handshake_timeout_s) if late else handshake_fault(why.value)
            if fault is not None:
                self._tell_refused(str(getattr(pending.transport.getPeer(), "host", "")), *fault)
            else:
                _log.debug("a connection ended before it began: {why}", why=why.getErrorMessage())

        self.handshaking += 1
        inner = CertificateGate(self._new_protocol, self._tell_refused) if self._asks else self._new_protocol()
        pending: Any = AfterHandshake(inner, over)
        deadline = self._reactor.callLater(self._handshake_timeout_s, lambda: pending.transport.abortConnection())
        return pending
