"""GET over kept connections, for a poller that asks the same server all the time.

Knows: a connection pool, and that a registry's failures are BadAnswer. Refuses to know: what is asked, how long it may
take (whoever asks cancels), and what a hostile server may try (`hmsgw.fetch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web import client
from twisted.web.iweb import IAgent, IPolicyForHTTPS

from hmsgw.fetch import Getter, NotFetched, agent_on, body, fields_of
from hmsgw.registry.source import BadAnswer

#: twisted.web.client has no annotations.
_web: Any = client

_KEEP_S = 30.0


class Fetcher:
    """`fetcher(url, headers, max_bytes)` -> Deferred of (status, response fields by lower-case name, body)."""

    def __init__(self, reactor: Any, agent: IAgent) -> None:
        self._getter = Getter(reactor, agent)

    def __call__(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> Deferred[tuple[int, Mapping[str, str], bytes]]:
        return Deferred.fromCoroutine(self._fetch(url, headers, max_bytes))

    async def _fetch(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            response = await self._getter.get(url, headers)
            return response.code, fields_of(response), await body(response, max_bytes)
        except NotFetched as why:
            raise BadAnswer(f"the registry: {why}") from None


class KeptConnections:
    """A pool for as many questions at once as the poller asks. `fetch`: a Fetcher on it."""

    def __init__(self, reactor: Any, max_connections: int, policy: IPolicyForHTTPS | None = None) -> None:
        self._pool = _web.HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = max_connections
        self._pool.cachedConnectionTimeout = _KEEP_S
        self.fetch = Fetcher(reactor, agent_on(reactor, policy, self._pool))

    def close(self) -> Deferred[Any]:
        """Close the connections that wait."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()
        return closed
