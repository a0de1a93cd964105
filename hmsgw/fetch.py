"""GET from a server that may be broken or hostile: what key sets and the registry have in common.

Knows: treq, and what a server may not do: redirect us, pack a body, send without end. Refuses to know: what is asked,
what a status means, and how long it may take (whoever asks cancels). Strategy: no redirects, no content codings,
no cookies, certificates always verified; a body is counted as it streams in, and the connection is cut when it grows
too long or when nobody waits any more.
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

#: twisted.web.client has no annotations.
_web: Any = client

CONNECT_S = 3.0


class NotFetched(Exception):
    """There is no answer, or none that is taken. str(): why, for an operator."""


def agent_on(reactor: Any, policy: IPolicyForHTTPS | None, pool: Any) -> IAgent:
    """policy: which certificates are trusted; None: the host's own trust store. pool: an HTTPConnectionPool."""
    agent: IAgent = _web.Agent(reactor, policy or _web.BrowserLikePolicyForHTTPS(), CONNECT_S, pool=pool)
    return agent


class Getter:
    """`await get(url, headers)`, then `await body(response, max_bytes)`, or `drop(response)`."""

    def __init__(self, reactor: Any, agent: IAgent) -> None:
        self._reactor = reactor
        self._http: Any = HTTPClient(_Plain(agent))

    async def get(self, url: str, headers: Mapping[str, str]) -> IResponse:
        """The answer's head, whatever its status. Raises NotFetched, and what the agent raises."""
        asked = Headers({name: [value] for name, value in headers.items()})
        response: IResponse = await self._http.get(
            url, headers=asked, allow_redirects=False, unbuffered=True, reactor=self._reactor
        )
        return response


def fields_of(response: IResponse) -> dict[str, str]:
    """The fields by lower-case name; repeated ones joined with commas."""
    return {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in response.headers.getAllRawHeaders()
    }


def body(response: IResponse, max_bytes: int) -> Deferred[bytes]:
    """The whole body. Fails with NotFetched; cancelling cuts the connection."""
    reader = _Body(max_bytes)
    response.deliverBody(reader)
    return reader.whole


def drop(response: IResponse) -> None:
    """Read nothing of the body and cut the connection."""
    response.deliverBody(_Body(0))


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
                self.whole.errback(NotFetched(f"the answer is too long: more than {self._max_bytes} bytes"))
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(NotFetched("the connection broke before the end of the answer"))

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
            drop(response)
            raise NotFetched("the answer is compressed, which was not asked for")
        return response
