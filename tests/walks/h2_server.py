"""A backend that speaks HTTP/2, without a socket: libnghttp2's server at the end of one of a walk's wires."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ngh2 import Connection, events
from ngh2.config import Configuration, Role

from tests.walks.walk import Walk, Wire


@dataclass
class Asked:
    """A request. ended: the code that its stream was closed with."""

    fields: dict[bytes, list[bytes]] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    ended: int | None = None


class H2Server:
    """At the end of one wire of the walk. streams: it takes so many at once. window: of each stream, for what comes.
    tunnels: it takes extended CONNECT."""

    def __init__(self, walk: Walk, wire: Wire, *, streams: int = 100, window: int = 1 << 20, take: bool = True,
                 tunnels: bool = False) -> None:  # fmt: skip
        self.walk = walk
        self.wire = wire
        self.session = Connection(Role.SERVER, Configuration(auto_window_update=take))
        self.session.initiate_connection({3: streams, 4: window, **({8: 1} if tunnels else {})})
        self.asked: dict[int, Asked] = {}
        self.goaways: list[int] = []
        self.pump()

    def pump(self) -> None:
        """Carry bytes both ways until there are none."""
        while True:
            sent, came = self.session.data_to_send(), self.wire.take()
            if came:
                self.session.receive_data(came)
            if sent and self.wire.closed is None:
                self.wire.protocol.dataReceived(sent)
            for event in self.session.events():
                self._heed(event)
            if not sent and not came:
                return

    def _heed(self, event: Any) -> None:
        if isinstance(event, events.GoAwayReceived):
            self.goaways.append(event.error_code)
            return
        number = getattr(event, "stream_id", 0)
        if isinstance(event, events.RequestReceived):
            asked = self.asked[number] = Asked(whole=event.end_stream)
            for name, value in event.headers:
                asked.fields.setdefault(name, []).append(value)
        elif isinstance(event, events.DataReceived):
            self.asked[number].body += event.data
            self.asked[number].whole = event.end_stream
        elif isinstance(event, events.TrailersReceived):
            self.asked[number].trailers = dict(event.headers)
            self.asked[number].whole = True
        elif isinstance(event, (events.StreamReset, events.StreamClosed)) and self.asked[number].ended is None:
            self.asked[number].ended = event.error_code

    @property
    def last(self) -> int:
        """The number of the newest request."""
        return max(self.asked)

    def head(self, number: int, *fields: tuple[bytes, bytes], status: bytes = b"200", ended: bool = False) -> None:
        """Begin an answer."""
        self.session.send_response(number, [(b":status", status), *fields], end_stream=ended)
        self.pump()

    def data(self, number: int, data: bytes, *, ended: bool = False) -> None:
        self.session.send_data(number, data, end_stream=ended)
        self.pump()

    def answer(self, number: int, body: bytes = b"ok", *fields: tuple[bytes, bytes], status: bytes = b"200") -> None:
        """A whole answer, in one read."""
        self.session.send_response(number, [(b":status", status), *fields], end_stream=not body)
        if body:
            self.session.send_data(number, body, end_stream=True)
        self.pump()

    def trailers(self, number: int, *fields: tuple[bytes, bytes]) -> None:
        self.session.send_trailers(number, fields)
        self.pump()

    def reset(self, number: int, code: int) -> None:
        self.session.reset_stream(number, code)
        self.pump()

    def raw(self, data: bytes) -> None:
        """Bytes that no library would send."""
        self.wire.protocol.dataReceived(data)
        self.pump()
