"""The way up of an exchange that becomes a tunnel: what a client says once its WebSocket is open.

Knows: that nothing of it goes up before the upstream has agreed, and nothing of it is a request if it does not.
Refuses to know: frames (`wire.websocket`), wires and connections. Strategy: a body without an end; so back-pressure,
deadlines, counters, the log and the one ending are those of any exchange.
"""

from __future__ import annotations

from hmsgw.proxy.body import RequestBody, gathered
from hmsgw.proxy.sides import UpstreamStream
from hmsgw.reasons import DRAINING
from hmsgw.wire.headers import Field


class TunnelBody(RequestBody):
    """See the module. What comes early is held; the client is paused, so that it is one read, or one window."""

    replayable = False
    _is_open = False

    def limit(self) -> int | None:
        """None: `limits.body` bounds what is sent for one answer."""
        return None

    def check(self, limit: int) -> None:
        """Nothing was promised."""

    async def collect(self) -> bytes:
        """The opening request has none."""
        return b""

    def arrived(self, data: bytes, connection: UpstreamStream | None) -> None:
        self.received += len(data)
        if not self._is_open:
            self._held = gathered(self._held, data)
            self._exchange.edge.pause_body()
        elif connection is not None:
            connection.send_data(data)

    def end(self, trailers: list[Field], connection: UpstreamStream | None) -> None:
        """The client, of HTTP/2, says no more."""
        self.ended = True
        if self._is_open and connection is not None:
            connection.send_end([])

    def send_to(self, connection: UpstreamStream) -> None:
        """Nothing, before the upstream has said yes: it would read it as a request."""

    def sent_whole(self) -> bytes | None:
        """Not that either, when the client has ended it already."""
        return None

    def rewind(self) -> None:
        """Nothing was sent."""

    def opened(self, connection: UpstreamStream | None) -> None:
        """The client has its answer. connection: None when the upstream has gone meanwhile."""
        self._is_open = True
        held, self._held = bytes(self._held), b""
        if connection is None:
            return
        if held:
            connection.send_data(held)
        if self.ended:
            connection.send_end([])
        elif not connection.full:
            self._exchange.edge.resume_body()
        if self._exchange.edge.draining:
            self.go_away(connection)

    def go_away(self, connection: UpstreamStream | None) -> None:
        """Say to both sides that the gateway is going down; while it is not open, `opened` does."""
        if self._is_open and connection is not None:
            self._exchange.reason = DRAINING.word
            connection.go_away()
