"""Doubles for those who write plugins, and for the gateway's own tests.

Knows: a request and an answer as a plugin sees them, without a gateway around; how to load a plugin file exactly as the
gateway does. Refuses to know: sockets and the wall clock. Strategy: `run_step` and `respond_step` go through the real
chain, so a plugin that passes here behaves alike in a route. docs/plugins.md shows a whole test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import abspath, basename, dirname
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from hmsgw.chain.api import HTTPError
from hmsgw.chain.options import DEADLINE_S
from hmsgw.chain.prepare import prepare
from hmsgw.chain.run import Chain
from hmsgw.chain.step import RequestStep, ResponseStep
from hmsgw.chain.verdict import Verdict
from hmsgw.config.bundle import Bundle
from hmsgw.config.model import NOWHERE, Config, Defaults, PluginUse, Route
from hmsgw.wire.headers import Field, Headers, RequestHeaders, pairs_of
from hmsgw.wire.written import written_method, written_path, written_query


class _Client(NamedTuple):
    host: str
    port: int
    certificate: Any


_WRITTEN = {"method": written_method, "path": written_path, "query": written_query}
_FIXED = frozenset({"client", "host", "scheme", "protocol", "route", "service", "params", "id"})


class FakeRequest:
    """A request as a plugin sees it; every part can be given. headers: name -> value, or (name, value) pairs. Writes
    are judged as those to a real one are."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        query: str = "",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        client: str = "192.0.2.1",
        port: int = 50000,
        certificate: Any = None,
        host: str = "api.example.gov",
        scheme: str = "https",
        protocol: str = "http/1.1",
        route: str = "/",
        service: str = "backend",
        params: Mapping[str, str] | None = None,
        user: Any = None,
        claims: dict[str, Any] | None = None,
        id: str = "0123456789abcdef",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self._headers: Headers | None = None
        self._fields: Sequence[Field] = _headers_of(headers).fields
        self.client = _Client(client, port, certificate)
        self.host = host
        self.scheme = scheme
        self.protocol = protocol
        self.route = route
        self.service = service
        self.params = dict(params or {})
        self.user = user
        self.claims = claims
        self.state: dict[str, Any] = {}
        self.id = id
        self.limits: list[Any] | None = None
        self.api_key: str | None = None
        self.body_limit: int | None = None
        self.awaits_body = False
        self._body = body

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and hasattr(self, name):
            raise AttributeError(f"req.{name} can't be written")
        object.__setattr__(self, name, _WRITTEN[name](value) if name in _WRITTEN else value)

    @property
    def headers(self) -> Headers:
        """The header fields with Host; may be put in place by others, as on a real request."""
        if self._headers is None or self._headers.fields is not self._fields:
            self._headers = RequestHeaders.of(self._fields, self.host.encode())
            self._fields = self._headers.fields
        return self._headers

    @headers.setter
    def headers(self, value: Mapping[str, str] | Sequence[tuple[str, str]]) -> None:
        headers = RequestHeaders.of((), self.host.encode())
        for name, content in pairs_of(value):
            headers.add(name, content)
        self._headers, self._fields = headers, headers.fields

    @property
    def fields(self) -> Sequence[Field]:
        """The same headers as (lower-case name, name, value) bytes."""
        return self._fields

    @fields.setter
    def fields(self, value: Sequence[Field]) -> None:
        self._fields = value

    async def body(self) -> bytes:
        """The body; raises HTTPError 413 when it is longer than `body_limit`."""
        if self.body_limit is not None and len(self._body) > self.body_limit:
            raise HTTPError(413, f"The body is longer than {self.body_limit} bytes.", reason="body-too-large")
        return self._body


class FakeResponse:
    """The head of an answer as `on_response` sees it."""

    def __init__(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers = _headers_of(headers or {})

    @property
    def fields(self) -> list[Field]:
        """The same headers as (lower-case name, name, value) bytes."""
        return self.headers.fields


def _headers_of(given: Mapping[str, str] | Sequence[tuple[str, str]]) -> Headers:
    headers = Headers()
    for name, value in pairs_of(given):
        headers.add(name, value)
    return headers


def load_plugin(path: str, options: dict[str, Any] | None = None) -> Any:
    """The plugin in a file, loaded as the gateway does it: an object with `run` and / or `on_response`.

    options: what a route would give it. Raises `hmsgw.config.faults.Refused` with the faults that `check` would tell.
    """
    folder, name = dirname(abspath(path)), basename(path).removesuffix(".py").replace("_", "-")
    route = Route(path="/*", name="/*", service="backend", plugins=(PluginUse(name=name, options=options),))
    config = Config(plugin_path=(folder,), defaults=Defaults(plugins=()), routes=(route,))
    prepared = prepare(config, Bundle(folder, {}, False))
    return prepared.routes[0].uses[0].target


def run_step(
    plugin: Any, req: FakeRequest, *, clock: IReactorTime | None = None, deadline_s: float = DEADLINE_S
) -> Verdict | Deferred[Verdict | None] | None:
    """Call `plugin.run(req)` as a route does. None: the request goes on. A Deferred: the plugin waits."""
    step = RequestStep(plugin.run, "plugin", NOWHERE, deadline_s=deadline_s, shadow=False, count_decision=_uncounted)
    return Chain(clock or Clock(), (), (step,), ()).run(req)


def respond_step(
    plugin: Any,
    req: FakeRequest,
    resp: FakeResponse,
    *,
    clock: IReactorTime | None = None,
    deadline_s: float = DEADLINE_S,
) -> Verdict | Deferred[Verdict | None] | None:
    """Call `plugin.on_response(req, resp)` as a route does. None: `resp` goes to the client as it is now."""
    step = ResponseStep(
        plugin.on_response, "plugin", NOWHERE, deadline_s=deadline_s, shadow=False, count_decision=_uncounted
    )
    answering = _Answering()
    outcome = Chain(clock or Clock(), (), (), (step,)).respond(req, resp, answering)
    return outcome.addCallback(lambda _: answering.verdict) if isinstance(outcome, Deferred) else answering.verdict


class _Answering:
    """Keeps the verdict that would be sent instead."""

    verdict: Verdict | None = None

    def replace_answer(self, verdict: Verdict) -> FakeResponse:
        self.verdict = verdict
        return FakeResponse(verdict.status)


def _uncounted(plugin: str, decision: str) -> None:
    """Nobody reads the metrics of a test."""
