"""Consul as a source: blocking queries over HTTP.

Knows: the headers that go with a query, and what each status means to an operator. Refuses to know: JSON (`consul.py`)
and connections (`fetch.py`, handed in). Strategy: an answer is status 200 with Consul's own body; all else is a failure
with a sentence. The token goes in a header, never in the URL, which gets logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from hmsgw.registry.consul import DEADLINE_S, endpoints_in, next_index, question
from hmsgw.registry.source import Answer, BadAnswer

MAX_BYTES = 4 * 1024 * 1024

Fetch = Callable[[str, Mapping[str, str], int], "Deferred[tuple[int, Mapping[str, str], bytes]]"]
"""(url, request fields, most bytes) -> (status, response fields by lower-case name, body). May be cancelled."""

_MEANINGS = {
    400: "it does not understand the question (400); is it Consul?",
    401: "it wants a token (401); set registry.token",
    403: "it refuses the token (403); registry.token needs service:read and node:read",
    404: "it knows no such thing (404); is registry.url Consul's HTTP API?",
    429: "it is asked too often (429)",
}


class ConsulSource:
    """base_url: `http://localhost:8500`. token: of Consul's ACL, or None. stop_fetching: closes kept connections."""

    deadline_s: float | None = DEADLINE_S

    def __init__(
        self, base_url: str, token: str | None, fetch: Fetch, stop_fetching: Callable[[], object] = tuple
    ) -> None:
        parts = urlsplit(base_url)
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._base_url = base_url
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["X-Consul-Token"] = token
        self._fetch = fetch
        self._stop_fetching = stop_fetching

    def ask(self, service: str, cursor: int) -> Deferred[Answer]:
        """cursor: Consul's index. Fails with BadAnswer, or with what the fetch fails with."""
        return Deferred.fromCoroutine(self._ask(service, cursor))

    def stop(self) -> None:
        """Close the kept connections."""
        self._stop_fetching()

    async def _ask(self, service: str, cursor: int) -> Answer:
        url = question(self._base_url, service, cursor)
        status, fields, body = await self._fetch(url, self._headers, MAX_BYTES)
        if status != 200:
            self._refuse(status)
        if len(body) > MAX_BYTES:
            raise BadAnswer(f"{self.name} answers more than {MAX_BYTES} bytes")
        endpoints, skipped = endpoints_in(body)
        partial = fields.get("x-consul-results-filtered-by-acls", "").lower() == "true"
        return Answer(endpoints, next_index(cursor, fields.get("x-consul-index")), skipped, partial)

    def _refuse(self, status: int) -> NoReturn:
        if 300 <= status <= 399:
            meaning = f"it redirects ({status}), which is not followed; set registry.url to where it redirects to"
        elif status >= 500:
            meaning = f"it has a fault of its own ({status}), or no leader"
        else:
            meaning = _MEANINGS.get(status, f"it answers {status}")
        raise BadAnswer(f"{self.name}: {meaning}")
