"""The request as plugins see it (`chain.api.Request`).

Knows: which parts may be written, with what, and how each is derived from the head. Refuses to know: what is done with
it next. Strategy: what most plugins never ask for is made when asked for; a write is judged where it is made, so that
it fails in the plugin that made it, and marks the exchange, so that a request without one has nothing looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hmsgw.chain.api import Client
from hmsgw.wire.headers import Field, Headers, RequestHeaders, pairs_of
from hmsgw.wire.written import written_method, written_path, written_query

if TYPE_CHECKING:
    from hmsgw.proxy.exchange import Exchange


class Request:
    """method, path, query, headers, user and state may be written; a written path is normalised again, not matched.
    claims and api_key are for plugins that find out who asks."""

    __slots__ = (
        "_body_limit", "_exchange", "_fields", "_headers", "_method", "_path", "_query", "_state", "api_key", "claims",
        "limits", "user",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, method: str, path: str, query: str, fields: Sequence[Field]) -> None:
        self._exchange = exchange
        self._headers: Headers | None = None
        self._state: dict[str, Any] | None = None
        self._method = method
        self._path = path
        self._query = query
        self._fields = fields
        self.user: Any = None
        self.claims: dict[str, Any] | None = None
        self.limits: list[Any] | None = None
        self._body_limit: int | None = None
        self.api_key: str | None = None

    @property
    def method(self) -> str:
        """As it goes to the upstream."""
        return self._method

    @method.setter
    def method(self, value: str) -> None:
        self._method = written_method(value)
        self._exchange.sent_method = self._method.encode("ascii")
        self._exchange.edited = True

    @property
    def path(self) -> str:
        """Normalised."""
        return self._path

    @path.setter
    def path(self, value: str) -> None:
        if value is not self._path:
            self._path = written_path(value)
            self._exchange.edited = True

    @property
    def query(self) -> str:
        """Without its question mark."""
        return self._query

    @query.setter
    def query(self, value: str) -> None:
        self._query = written_query(value)
        self._exchange.edited = True

    @property
    def fields(self) -> Sequence[Field]:
        """What `headers` is a view of."""
        return self._fields

    @fields.setter
    def fields(self, value: Sequence[Field]) -> None:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"req.fields is a list or a tuple of fields, not {type(value).__name__}")
        self._fields = value
        self._exchange.edited = True

    @property
    def headers(self) -> Headers:
        """The header fields; what is written here goes to the upstream. Host is there to be read."""
        headers = self._headers
        if headers is None or headers.fields is not self._fields:
            headers = self._headers = RequestHeaders.of(self._fields, self._exchange.authority)
            self._fields = headers.fields
            self._exchange.edited = True
        return headers

    @headers.setter
    def headers(self, value: Any) -> None:
        headers = RequestHeaders.of((), self._exchange.authority)
        for name, content in pairs_of(value):
            headers.add(name, content)
        self._headers, self._fields = headers, headers.fields
        self._exchange.edited = True

    @property
    def state(self) -> dict[str, Any]:
        """For plugins to leave notes to one another."""
        if self._state is None:
            self._state = {}
        return self._state

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"req.state is a dict, not {type(value).__name__}")
        self._state = value

    @property
    def client(self) -> Client:
        """Who asks, behind trusted proxies."""
        client: Client = self._exchange.caller
        return client

    @property
    def host(self) -> str:
        """The host that is asked for, without port."""
        return self._exchange.host

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return self._exchange.scheme

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
        """What `{name}` in the route's path stood for. A copy."""
        return self._exchange.params.copy()

    @property
    def id(self) -> str:
        """The request id that is logged, forwarded, and named in the gateway's own answers."""
        return self._exchange.request_id

    @property
    def body_limit(self) -> int | None:
        """The most bytes of body that this request may bring, None: `limits.body`."""
        return self._body_limit

    @body_limit.setter
    def body_limit(self, value: int | None) -> None:
        """Raises HTTPError 413 when more has come: an earlier step may have read the body."""
        if value is not None:
            self._exchange.body.check(value)
        self._body_limit = value

    @property
    def awaits_body(self) -> bool:
        """A plugin waits for the client to send the body: the client's deadline counts, not the plugin's."""
        return self._exchange.body.awaited

    async def body(self) -> bytes:
        """The whole body. Raises HTTPError 413 past the limit (the route's body-limit, else `limits.body`, else
        1 MiB). Without this call bodies stream."""
        return await self._exchange.collect_body()
