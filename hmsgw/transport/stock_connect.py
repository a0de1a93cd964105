"""Making a connection on Twisted's own endpoints.

Knows: HostnameEndpoint and its habits. Refuses to know: what a failure is called.
Strategy: the Protocol sees its transport once the handshake is done, as on uvloop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from hmsgw.transport.become import become
from hmsgw.transport.stock_tls import AfterHandshake, StockTls, tls_factory
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.verified import VerifiedConnections, client_context


def stock_client_tls(tls: ClientTls, name: str) -> VerifiedConnections:
    """What `connect_stock` wants. Blocking: it reads the host's trust store. Raises BadCertificate, ValueError."""
    return VerifiedConnections(client_context(tls), name)


class FirstWords(Protocol):
    """Writes `first`, then gives the connection to `then`, what `new_protocol` made."""

    then: Any = None

    def __init__(self, first: bytes, new_protocol: Callable[[], Any]) -> None:
        self._first = first
        self._new_protocol = new_protocol

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._first)
        self.then = self._new_protocol()
        become(transport, self.then)


def _after(first: bytes, factory: Any) -> Any:
    if not first:
        return factory
    return Factory.forProtocol(lambda: FirstWords(first, lambda: factory.buildProtocol(None)))


def connect_stock(
    reactor: Any, new_protocol: Callable[[], Any], host: str, port: int, ready: Any, first: bytes = b""
) -> Deferred[Any]:
    """A connected Protocol. ready: from `stock_client_tls`, or None for plain TCP. first: goes out before TLS."""
    endpoint = HostnameEndpoint(reactor, host, port)
    inner = new_protocol()
    if ready is None:
        return _attempt(inner, endpoint.connect(_after(first, Factory.forProtocol(lambda: inner))))
    shaken: Deferred[Failure | None] = Deferred()
    wrapped = Factory.forProtocol(lambda: AfterHandshake(inner, shaken.callback))
    attempt: Deferred[Any] = endpoint.connect(_after(first, tls_factory(reactor, ready, True, wrapped)))
    return _attempt(inner, attempt.addCallback(_handshake, shaken))


def _handshake(made: StockTls | FirstWords, shaken: Deferred[Failure | None]) -> Deferred[Any]:
    """TLS, or why there was no handshake; giving up closes the connection."""
    outer: StockTls = made.then if isinstance(made, FirstWords) else made
    waiting: Deferred[Any] = Deferred(lambda _: outer.abortConnection())

    def over(why: Failure | None) -> None:
        if not waiting.called:
            waiting.callback(outer if why is None else why)

    shaken.addBoth(over)
    return waiting


def _attempt(inner: Any, attempt: Deferred[Any]) -> Deferred[Any]:
    """`inner`, once `attempt` has its transport. A HostnameEndpoint that is cancelled says that there is no such name:
    who gives up must hear that he did."""
    given_up = False

    def give_up(_: Deferred[Any]) -> None:
        nonlocal given_up
        given_up = True
        attempt.cancel()

    made: Deferred[Any] = Deferred(give_up)

    def over(result: Any) -> None:
        if given_up:
            if not isinstance(result, Failure):
                result.transport.abortConnection()
        elif isinstance(result, Failure):
            made.errback(result)
        else:
            result.transport.setTcpNoDelay(True)
            made.callback(inner)

    attempt.addBoth(over)
    return made
