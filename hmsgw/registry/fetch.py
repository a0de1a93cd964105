"""GET over kept connections, from a server that may be broken or hostile.

Knows: treq, connection pools, and what a server may not do: redirect, pack a body, send without end. Refuses to know:
what is asked and how long it may take (whoever asks cancels). Strategy: the body is counted as it streams in, and the
connection is cut when it grows too long or when nobody waits any more. Certificates are always verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web import client
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from hmsgw.registry.source import BadAnswer

#: twisted.web.client has no annotations.
_web: Any = client

CONNECT_S = 3.0
_KEEP_S = 30.0


class Fetcher:
    """`fetcher(url, headers, max_bytes)` -> Deferred of (status, response fields by lower-case name, body)."""

    def __init__(self, reactor: Any, agent: IAgent) -> None:
        self._reactor = reactor
        self._http = HTTPClient(_Plain(agent))

    def __call__(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> Deferred[tuple[int, Mapping[str, str], bytes]]:
        return Deferred.fromCoroutine(self._fetch(url, headers, max_bytes))

    async def _fetch(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        asked = Headers({name: [value] for name, value in headers.items()})
        response = await self._http.get(
            url, headers=asked, allow_redirects=False, unbuffered=True, reactor=self._reactor
        )
        fields = {
            name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        body = _Body(max_bytes)
        response.deliverBody(body)
        return response.code, fields, await body.whole


class _Body(Protocol):
    """Collects a body; cuts the connection when it grows too long, or when nobody waits for it any more."""

    def __init__(self, max_bytes: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._room = max_bytes
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []

    def connectionMade(self) -> None:
        if self._max_bytes == 0:
            self.whole.callback(b"")
            self._cut()

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._room -= len(data)
        if self._room < 0:
            self._pieces.clear()
            self._cut()
            if not self.whole.called:
                self.whole.errback(BadAnswer(f"the registry answers more than {self._max_bytes} bytes"))
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(BadAnswer("the registry's connection broke before the end of its answer"))

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            getattr(transport, "abortConnection", transport.loseConnection)()


@implementer(IAgent)
class _Plain:
    """An agent that takes no content codings, whatever treq asks for: what is counted is what is held."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        plain = Headers() if headers is None else headers.copy()
        plain.setRawHeaders(b"Accept-Encoding", [b"identity"])
        return self._agent.request(method, uri, plain, bodyProducer).addCallback(self._checked)

    def _checked(self, response: IResponse) -> IResponse:
        coded = response.headers.getRawHeaders(b"Content-Encoding", [])
        if any(value.strip().lower() not in (b"", b"identity") for value in coded):
            response.deliverBody(_Body(0))
            raise BadAnswer("the registry sends a compressed answer, which was not asked for")
        return response


class KeptConnections:
    """A pool for as many questions at once as the poller asks. `fetch`: a Fetcher on it."""

    def __init__(self, reactor: Any, max_connections: int, policy: IPolicyForHTTPS | None = None) -> None:
        self._pool = _web.HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = max_connections
        self._pool.cachedConnectionTimeout = _KEEP_S
        trust = policy or _web.BrowserLikePolicyForHTTPS()
        agent = _web.Agent(reactor, trust, connectTimeout=CONNECT_S, pool=self._pool)
        self.fetch = Fetcher(reactor, agent)

    def close(self) -> Deferred[Any]:
        """Close the connections that wait."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()
        return closed
