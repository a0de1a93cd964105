"""Fetching a small document over HTTP, for those who must not be let down by it.

Knows: that only status 200 brings a document, and that it has a deadline. Refuses to know: what the document means, and
what a hostile server may try (`hmsgw.fetch`). Strategy: a connection of its own for each, because they are rare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS

from hmsgw.fetch import Getter, NotFetched, agent_on, body, drop, fields_of

_HEADERS = {"Accept": "application/json"}


def fetcher(reactor: Any, policy: IPolicyForHTTPS | None = None) -> Fetcher:
    """The usual one. policy: which certificates are trusted; None: the host's own trust store."""
    pool = HTTPConnectionPool(reactor, persistent=False)  # type: ignore[no-untyped-call]
    return Fetcher(reactor, agent_on(reactor, policy, pool))


class Fetcher:
    """`fetch(url, max_bytes, timeout_s)` -> Deferred of (body, response fields by lower-case name)."""

    def __init__(self, clock: IReactorTime, agent: IAgent) -> None:
        self._clock = clock
        self._getter = Getter(clock, agent)

    def __call__(self, url: str, max_bytes: int, timeout_s: float) -> Deferred[tuple[bytes, Mapping[str, str]]]:
        fetched = Deferred.fromCoroutine(self._fetch(url, max_bytes))
        return fetched.addTimeout(timeout_s, self._clock, _too_late)

    async def _fetch(self, url: str, max_bytes: int) -> tuple[bytes, Mapping[str, str]]:
        response = await self._getter.get(url, _HEADERS)
        if response.code != 200:
            drop(response)
            if 300 <= response.code <= 399:
                raise NotFetched("it redirects, which is not followed; configure the address that it redirects to")
            raise NotFetched(f"it answers {response.code}")
        return await body(response, max_bytes), fields_of(response)


def _too_late(_: object, timeout_s: float) -> NoReturn:
    raise NotFetched(f"no answer in {timeout_s:g} s")
