"""Making a connection on Twisted's own endpoints.

Knows: HostnameEndpoint and its habits. Refuses to know: what a failure is called.
Strategy: the Protocol sees its transport once the handshake is done, as on uvloop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from hmsgw.transport.stock_tls import AfterHandshake, StockTls, tls_factory
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.verified import VerifiedConnections, client_context


def stock_client_tls(tls: ClientTls, name: str) -> VerifiedConnections:
    """What `connect_stock` wants. Blocking: it reads the host's trust store. Raises BadCertificate, ValueError."""
    return VerifiedConnections(client_context(tls), name)


def connect_stock(reactor: Any, new_protocol: Callable[[], Any], host: str, port: int, ready: Any) -> Deferred[Any]:
    """A connected Protocol. ready: from `stock_client_tls`, or None for plain TCP."""
    endpoint = HostnameEndpoint(reactor, host, port)
    inner = new_protocol()
    if ready is None:
        return _attempt(inner, endpoint.connect(Factory.forProtocol(lambda: inner)))
    shaken: Deferred[Failure | None] = Deferred()
    wrapped = Factory.forProtocol(lambda: AfterHandshake(inner, shaken.callback))
    attempt: Deferred[Any] = endpoint.connect(tls_factory(reactor, ready, True, wrapped))
    return _attempt(inner, attempt.addCallback(_handshake, shaken))


def _handshake(outer: StockTls, shaken: Deferred[Failure | None]) -> Deferred[Any]:
    """`outer`, or why there was no handshake; giving up closes the connection."""
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
