"""A request's body on its way through: what is held, what was sent, how much there may be.

Knows: pieces in order, the bounds, what may be kept to send again, the wish of a plugin for the whole of it.
Refuses to know: wires and connections. Strategy: a piece is sent as it comes; only before there is an upstream
(bounded by one read, then the client is paused) and for a second try (64 KiB, where there may be one) is anything
kept: a byte for a byte, however small the pieces are that it comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred

from hmsgw.chain.api import HTTPError
from hmsgw.proxy.forwarding import unowned_trailers
from hmsgw.proxy.sides import UpstreamStream
from hmsgw.reasons import BODY_TOO_LARGE
from hmsgw.wire.headers import Field

if TYPE_CHECKING:
    from hmsgw.proxy.exchange import Exchange

_MAX_REPLAY_BYTES = 64 * 1024
_MAX_COLLECT_BYTES = 1024 * 1024


class RequestBody:
    """received: bytes so far. ended: whole. replayable: could be sent from its start once more.
    collected: a plugin asked for the whole of it."""

    ended = False
    received = 0
    replayable = True
    collected = False
    _whole: Deferred[bytes] | None = None
    _held: bytes | bytearray = b""
    _sent: bytes | bytearray = b""
    _end_sent = False
    _trailers: list[Field] | None = None
    _collect_limit = 0

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def awaited(self) -> bool:
        """A plugin waits for the whole of it."""
        return self._whole is not None

    def limit(self) -> int | None:
        """The bytes it may have: the tightest of route and gateway, None for any number."""
        exchange = self._exchange
        limit = exchange.plane.limits.body
        req = exchange.req
        if req is not None and req.body_limit is not None:
            limit = req.body_limit if limit is None else min(limit, req.body_limit)
        return limit

    def check(self, limit: int) -> None:
        """Raises HTTPError 413 when it is known to be longer."""
        if self.known_bytes > limit:
            raise HTTPError(413, _too_long(limit), reason=BODY_TOO_LARGE.word)

    @property
    def known_bytes(self) -> int:
        """It has at least so many."""
        return max(self.received, self._exchange.head.length or 0)

    def sent_whole(self) -> bytes | None:
        """All of it, which is on its way now: if nothing has gone yet, all is here, and nobody has a say in it."""
        if not self.ended or self._end_sent or self._trailers or self._exchange.rewrites_body:
            return None
        body, self._held = bytes(self._held), b""
        self._end_sent = True
        if self.replayable:
            if self.received > _MAX_REPLAY_BYTES:
                self.forget_sent()
            else:
                self._sent = body
        return body

    def came_whole(self, data: bytes) -> None:
        """All of it, before the request is looked at."""
        self.received = len(data)
        self._held = data
        self.ended = True

    def arrived(self, data: bytes, connection: UpstreamStream | None) -> None:
        """One more piece."""
        self.received += len(data)
        limit = self._collect_limit if self._whole is not None else self.limit()
        if limit is not None and self.received > limit:
            detail = _too_long(limit)
            if self._whole is not None:
                whole, self._whole = self._whole, None
                whole.errback(HTTPError(413, detail, reason=BODY_TOO_LARGE.word))
            else:
                self._exchange.stop_for(BODY_TOO_LARGE, detail)
            return
        if connection is not None and not self._held:
            self._send(data, connection)
            return
        self._held = gathered(self._held, data)
        if connection is not None:
            self.send_to(connection)
        elif self._whole is None:
            self._exchange.edge.pause_body()

    def end(self, trailers: list[Field], connection: UpstreamStream | None) -> None:
        """It is whole."""
        self.ended = True
        self._trailers = trailers
        if connection is not None:
            self.send_to(connection)
        if self._whole is not None:
            whole, self._whole = self._whole, None
            whole.callback(bytes(self._held))

    def send_to(self, connection: UpstreamStream) -> None:
        """Hand over what is held, and the end once it has come."""
        if self._held:
            held, self._held = bytes(self._held), b""
            self._send(held, connection)
        if self.ended and not self._end_sent:
            self._end_sent = True
            if self._exchange.rewrites_body:
                rest = self._exchange.rewritten(self._exchange.transforms.request_end())
                if rest:
                    connection.send_data(rest)
                if self._exchange.done:
                    return
            trailers = self._trailers
            connection.send_end(unowned_trailers(self._exchange, trailers) if trailers else [])

    def _send(self, data: bytes, connection: UpstreamStream) -> None:
        if self._exchange.rewrites_body:
            data = self._exchange.rewritten(self._exchange.transforms.request(data))
            if not data:
                return
        connection.send_data(data)
        if self.replayable:
            if self.received > _MAX_REPLAY_BYTES:
                self.forget_sent()
            else:
                self._sent = gathered(self._sent, data)

    def forget_sent(self) -> None:
        """It will not be sent again."""
        self._sent = b""
        self.replayable = False

    def rewind(self) -> None:
        """Send it again from its start."""
        self._held = self._sent + self._held
        self._sent = b""
        self._end_sent = False

    async def collect(self) -> bytes:
        """The whole of it. Raises HTTPError 413 past the limit (1 MiB where none is set), and RuntimeError once it is
        on its way to the upstream: what has gone is not kept."""
        if self._exchange.upstream:
            raise RuntimeError("the body has gone to the upstream; await req.body() in `run`, and keep it in req.state")
        self.collected = True
        limit = self.limit()
        self._collect_limit = _MAX_COLLECT_BYTES if limit is None else limit
        self.check(self._collect_limit)
        if self.ended:
            return bytes(self._held)
        if self._whole is not None:
            raise RuntimeError("req.body() is already being awaited")
        self._whole = Deferred()
        self._exchange.edge.resume_body()
        return await self._whole

    def lost(self) -> None:
        """The client went before the body was whole."""
        if self._whole is not None:
            whole, self._whole = self._whole, None
            whole.errback(CancelledError())


def gathered(before: bytes | bytearray, data: bytes) -> bytes | bytearray:
    """One piece stays as it came; more are gathered in a buffer, a byte for a byte."""
    if not before:
        return data
    pieces = before if isinstance(before, bytearray) else bytearray(before)
    pieces += data
    return pieces


def _too_long(limit: int) -> str:
    return f"The body is longer than {limit} bytes."


class _NoBody(RequestBody):
    """The body of a request that has none, or is over: one for all, never written."""

    ended = True

    def __init__(self) -> None:
        pass

    def check(self, limit: int) -> None:
        pass

    def send_to(self, connection: UpstreamStream) -> None:
        pass

    def forget_sent(self) -> None:
        pass

    def rewind(self) -> None:
        pass

    def lost(self) -> None:
        pass

    async def collect(self) -> bytes:
        return b""


NO_BODY: RequestBody = _NoBody()
