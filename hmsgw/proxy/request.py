"""The request as plugins see it (`chain.api.Request`).

Knows: which parts may be written, and how each is derived from the head. Refuses to know: what is done with it next.
Strategy: slots; what most plugins never ask for is made when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hmsgw.chain.api import Client
from hmsgw.wire.headers import Field, Headers

if TYPE_CHECKING:
    from hmsgw.proxy.exchange import Exchange


class Request:
    """method, path, query, headers, user and state may be written; a written path is normalised again, not matched."""

    __slots__ = (
        "_exchange", "_headers", "_state", "api_key", "body_limit", "claims", "client", "fields", "host", "limits",
        "method", "path", "query", "scheme", "user",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        method: str,
        path: str,
        query: str,
        fields: Sequence[Field],
        client: Client,
        host: str,
        scheme: str,
    ) -> None:
        self._exchange = exchange
        self._headers: Headers | None = None
        self._state: dict[str, Any] | None = None
        self.method = method
        self.path = path
        self.query = query
        self.fields: Sequence[Field] = fields
        self.client = client
        self.host = host
        self.scheme = scheme
        self.user: Any = None
        self.claims: dict[str, Any] | None = None
        self.limits: list[Any] | None = None
        self.body_limit: int | None = None
        self.api_key: str | None = None

    @property
    def headers(self) -> Headers:
        """The header fields; what is written here goes to the upstream."""
        headers = self._headers
        if headers is None or headers.fields is not self.fields:
            headers = self._headers = Headers(list(self.fields))
            self.fields = headers.fields
        return headers

    @headers.setter
    def headers(self, value: Any) -> None:
        fields = Headers()
        for name, content in value.items():
            fields.add(name, content)
        self._headers, self.fields = fields, fields.fields

    @property
    def state(self) -> dict[str, Any]:
        """For plugins to leave notes to one another."""
        if self._state is None:
            self._state = {}
        return self._state

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self._state = value

    @property
    def protocol(self) -> str:
        """`http/1.0`, `http/1.1` or `h2`."""
        return self._exchange.head.protocol

    @property
    def route(self) -> str:
        """The route's name."""
        return self._exchange.entry.name

    @property
    def service(self) -> str:
        """The service's name, "" when a plugin answers."""
        return self._exchange.entry.service

    @property
    def params(self) -> dict[str, str]:
        """What `{name}` in the route's path stood for."""
        return self._exchange.params

    @property
    def id(self) -> str:
        """The request id that is logged, forwarded, and named in the gateway's own answers."""
        return self._exchange.request_id

    @property
    def awaits_body(self) -> bool:
        """A plugin waits for the client to send the body: the client's deadline counts, not the plugin's."""
        return self._exchange.body.awaited

    async def body(self) -> bytes:
        """The whole body. Raises HTTPError 413 past the limit (the route's body-limit, else `limits.body`, else
        1 MiB). Without this call bodies stream."""
        return await self._exchange.collect_body()
