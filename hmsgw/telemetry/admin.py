"""The admin port: `/metrics`, `/health`, `/ready`.

Knows: these three, and what a stranger on that port may not do. Refuses to know: what makes the gateway ready.
Strategy: a twisted.web Site with one leaf, GET and HEAD only; a request with more than a small body is cut off before
it is read; connections are few. Metrics are copied on the reactor and rendered in a thread, one rendering at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hmsgw.telemetry.exposition import Exposition
from hmsgw.telemetry.metrics import Metrics

TIMEOUT_S = 30
MAX_CONNECTIONS = 100
_MAX_BODY_BYTES = 64 * 1024

_log = Logger()


class Readiness(NamedTuple):
    """reason: why requests should go elsewhere (`starting`, `draining`, ...), None when they may come.
    degraded: what else is not as it should be, in words."""

    reason: str | None
    degraded: tuple[str, ...] = ()


class AdminSite(Site):
    """The factory for the admin port. readiness: asked at each `/ready`. in_thread: `deferToThread`."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        metrics: Metrics,
        exposition: Exposition,
        readiness: Callable[[], Readiness],
        in_thread: Callable[[Callable[[], tuple[str, bytes]]], Deferred[tuple[str, bytes]]],
    ) -> None:
        pages = _Pages(_Scrapes(metrics, exposition, in_thread), readiness)
        super().__init__(  # type: ignore[no-untyped-call]
            pages, _AdminRequest, reactor=clock, timeout=TIMEOUT_S, parsePOSTFormSubmission=False
        )
        self.protocol = _AdminChannel  # type: ignore[method-assign,assignment]
        self.open: dict[_AdminChannel, None] = {}

    def startFactory(self) -> None:
        """No access log of its own: scrapes would drown it."""

    def stopFactory(self) -> None:
        """Nothing was started."""

    def log(self, request: Any) -> None:
        """See startFactory."""


class _AdminChannel(HTTPChannel):
    """HTTP/1.1. When there are too many, the oldest goes: holding connections keeps no health check out."""

    factory: AdminSite

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        channels = self.factory.open
        if len(channels) >= MAX_CONNECTIONS:
            oldest: Any = next(iter(channels))
            del channels[oldest]
            oldest.transport.abortConnection()
        channels[self] = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open.pop(self, None)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class _AdminRequest(Request):
    """A request with a small body at most, answered without a banner."""

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0)  # type: ignore[no-untyped-call]
        if length is None or length > _MAX_BODY_BYTES:
            channel: Any = self.channel
            channel.transport.abortConnection()

    def process(self) -> None:
        channel: Any = self.channel
        self.site = channel.site
        try:
            self.render(self.site.resource)  # type: ignore[no-untyped-call]
        except Exception:
            _log.failure("the admin port could not answer")
            self.setResponseCode(500)
            self.finish()  # type: ignore[no-untyped-call]


class _Pages(Resource):
    isLeaf = True

    def __init__(self, scrapes: _Scrapes, readiness: Callable[[], Readiness]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._scrapes = scrapes
        self._readiness = readiness

    def render(self, request: Any) -> Any:
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        page = {b"/metrics": self._metrics, b"/health": _health, b"/ready": self._ready}.get(request.path)
        if page is None:
            return _json(request, 404, {"error": "there are /metrics, /health and /ready"})
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"Allow", b"GET, HEAD")
            return _json(request, 405, {"error": "this page can only be read"})
        return page(request)

    def _metrics(self, request: Any) -> Any:
        gone: list[Any] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(rendered: tuple[str, bytes]) -> None:
            content_type, body = rendered
            request.setHeader(b"Content-Type", content_type.encode("ascii"))
            _finish(request, body)

        def fail(failure: Failure) -> None:
            _log.failure("the metrics could not be rendered", failure)
            _finish(request, _json(request, 500, {"error": "the metrics could not be rendered; the log says why"}))

        def unless_gone(then: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda result: None if gone else then(result)

        self._scrapes.scrape(request.getHeader("accept")).addCallbacks(unless_gone(answer), unless_gone(fail))
        return NOT_DONE_YET

    def _ready(self, request: Any) -> bytes:
        readiness = self._readiness()
        if readiness.reason is not None:
            return _json(request, 503, {"ready": False, "reason": readiness.reason})
        return _json(request, 200, {"ready": True, "degraded": list(readiness.degraded)})


class _Scrapes:
    """Renders one scrape after the other; those that come in the meantime share the next one, each format once."""

    def __init__(
        self,
        metrics: Metrics,
        exposition: Exposition,
        in_thread: Callable[[Callable[[], tuple[str, bytes]]], Deferred[tuple[str, bytes]]],
    ) -> None:
        self._metrics = metrics
        self._exposition = exposition
        self._in_thread = in_thread
        self._waiting: dict[str | None, list[Deferred[tuple[str, bytes]]]] = {}
        self._rendering = False

    def scrape(self, accept: str | None) -> Deferred[tuple[str, bytes]]:
        """(content type, body) with numbers that are not older than this call."""
        waiter: Deferred[tuple[str, bytes]] = Deferred()
        self._waiting.setdefault(accept, []).append(waiter)
        if not self._rendering:
            self._next()
        return waiter

    def _next(self) -> None:
        if not self._waiting:
            return
        accept = next(iter(self._waiting))
        waiters = self._waiting.pop(accept)
        self._rendering = True

        def done(result: Any) -> None:
            self._rendering = False
            for waiter in waiters:
                waiter.callback(result)  # a Failure goes to its errback
            if not self._rendering:
                self._next()

        try:
            counted = self._metrics.copy()
            rendered = self._in_thread(lambda: self._exposition.render(counted, accept))
        except Exception:
            done(Failure())  # type: ignore[no-untyped-call]
        else:
            rendered.addBoth(done)


def _health(request: Any) -> bytes:
    return _json(request, 200, {"status": "ok"})


def _json(request: Any, status: int, content: dict[str, Any]) -> bytes:
    """Sets status and type; the body is for the caller to return."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _finish(request: Any, body: bytes) -> None:
    request.setHeader(b"Content-Length", b"%d" % len(body))
    if request.method != b"HEAD":
        request.write(body)
    request.finish()
