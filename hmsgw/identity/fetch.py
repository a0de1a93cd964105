"""Fetching a small document over HTTP, for those who must not be let down by it.

Knows: treq, and what a hostile or broken server may not do: redirect, send without end, send slowly, pack a bomb.
Refuses to know: what the document means. Strategy: no redirects, no content codings, no cookies, certificates always
verified, the body counted as it streams in, and the connection cut when it is too long or too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

_CONNECT_S = 3.0


class NotFetched(Exception):
    """The document could not be had. str(): why, for an operator."""


def fetcher(reactor: Any, policy: IPolicyForHTTPS | None = None) -> Fetcher:
    """The usual one. policy: which certificates are trusted; None: the host's own trust store."""
    pool = HTTPConnectionPool(reactor, persistent=False)  # type: ignore[no-untyped-call]
    trust = policy or BrowserLikePolicyForHTTPS()  # type: ignore[no-untyped-call]
    agent = Agent(reactor, trust, connectTimeout=_CONNECT_S, pool=pool)  # type: ignore[no-untyped-call]
    return Fetcher(reactor, agent)


class Fetcher:
    """`fetch(url, max_bytes, timeout_s)` -> Deferred of (body, response fields by lower-case name)."""

    def __init__(self, clock: IReactorTime, agent: IAgent) -> None:
        self._clock = clock
        self._http: Any = HTTPClient(_Plain(agent))

    def __call__(self, url: str, max_bytes: int, timeout_s: float) -> Deferred[tuple[bytes, Mapping[str, str]]]:
        fetched = Deferred.fromCoroutine(self._fetch(url, max_bytes))
        return fetched.addTimeout(timeout_s, self._clock, _too_late)

    async def _fetch(self, url: str, max_bytes: int) -> tuple[bytes, Mapping[str, str]]:
        response = await self._http.get(
            url, headers={"Accept": "application/json"}, allow_redirects=False, unbuffered=True, reactor=self._clock
        )
        try:
            if 300 <= response.code <= 399:
                raise NotFetched("it redirects, which is not followed; configure the address that it redirects to")
            if response.code != 200:
                raise NotFetched(f"it answers {response.code}")
        except NotFetched:
            response.deliverBody(_Body(0))
            raise
        body = _Body(max_bytes)
        response.deliverBody(body)
        fields = {
            name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        return await body.whole, fields


class _Body(Protocol):
    """Collects a body; cuts the connection when it grows too long, or when nobody waits for it any more."""

    def __init__(self, max_bytes: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._room = max_bytes
        self._pieces: list[bytes] = []

    def connectionMade(self) -> None:
        if self._room == 0:
            self.whole.callback(b"")
            self._cut()

    def dataReceived(self, data: bytes) -> None:
        self._room -= len(data)
        if self.whole.called:
            return
        if self._room < 0:
            self._cut()
            self.whole.errback(NotFetched("it is too long"))
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(NotFetched("the connection broke before the end"))

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            getattr(transport, "abortConnection", transport.loseConnection)()


@implementer(IAgent)
class _Plain:
    """An agent that takes no content codings: what is counted is what is held."""

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
            response.deliverBody(_Body(0))  # type: ignore[no-untyped-call]
            raise NotFetched("it sends a compressed body, which was not asked for")
        return response


def _too_late(_: object, timeout_s: float) -> NoReturn:
    raise NotFetched(f"no answer in {timeout_s:g} s")
