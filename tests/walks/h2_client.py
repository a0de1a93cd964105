"""An HTTP/2 client for walks: libnghttp2's other role, against a connection of the gateway without a socket.

Knows: how a request is put into frames, what came back for each stream. Refuses to know: what is behind the gateway.
Strategy: bytes are carried back and forth until neither side has more to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ngh2 import Connection, events
from ngh2.config import Configuration, Role

from hmsgw.edge.connection import EdgeConnection
from hmsgw.wire.http2 import PREFACE_HEAD
from tests.walks.walk import Walk, Wire


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """One frame, as it stands on the wire."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + number.to_bytes(4, "big") + payload


PREFACE = PREFACE_HEAD + b"SM\r\n\r\n" + frame(4, 0, 0)


@dataclass
class Got:
    """What came back for one stream. head_only: its head ended it. ended: the code of its end, None while it is open."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    informational: list[int] = field(default_factory=list)
    whole: bool = False
    head_only: bool = False
    ended: int | None = None


class H2Client:
    """One connection by prior knowledge. window: of each stream, for what comes back."""

    def __init__(self, walk: Walk, window: int = 1 << 20, *, take: bool = True) -> None:
        self.walk = walk
        self.wire = Wire()
        self.wire.protocol = EdgeConnection(walk.door)
        self.wire.protocol.makeConnection(self.wire)
        self.session = Connection(Role.CLIENT, Configuration(auto_window_update=take))
        self.session.initiate_connection({4: window})
        self.got: dict[int, Got] = {}
        self.goaways: list[tuple[int, int]] = []
        self.pump()

    def pump(self) -> None:
        """Carry bytes both ways until there are none."""
        while True:
            sent, came = self.session.data_to_send(), self.wire.take()
            if sent and self.wire.closed is None:
                self.wire.protocol.dataReceived(sent)
            if came:
                self.session.receive_data(came)
            for event in self.session.events():
                self._heed(event)
            if not sent and not came:
                return

    def _heed(self, event: object) -> None:
        if isinstance(event, events.GoAwayReceived):
            self.goaways.append((event.last_stream_id, event.error_code))
            return
        number = getattr(event, "stream_id", 0)
        got = self.got.setdefault(number, Got())
        if isinstance(event, events.InformationalResponseReceived):
            got.informational.append(int(event.headers[0][1]))
        elif isinstance(event, events.ResponseReceived):
            got.status = int(event.headers[0][1])
            got.fields = dict(event.headers[1:])
            got.whole = got.head_only = event.end_stream
        elif isinstance(event, events.DataReceived):
            got.body += event.data
            got.whole = event.end_stream
        elif isinstance(event, events.TrailersReceived):
            got.trailers = dict(event.headers)
            got.whole = True
        elif isinstance(event, (events.StreamReset, events.StreamClosed)) and got.ended is None:
            got.ended = event.error_code

    def request(
        self, path: bytes = b"/a", method: bytes = b"GET", *more: tuple[bytes, bytes], ended: bool = True
    ) -> int:
        """Send a request's head. Returns the stream's number."""
        start = [(b":method", method), (b":scheme", b"http"), (b":authority", b"api.example"), (b":path", path)]
        number = self.session.send_request([*start, *more], end_stream=ended)
        self.pump()
        return number

    def send(self, number: int, data: bytes, *, ended: bool = False) -> None:
        """Some of a request's body."""
        self.session.send_data(number, data, end_stream=ended)
        self.pump()

    def answered(self, data: bytes) -> None:
        """The upstream connection made last says this."""
        self.walk.upstream_sends(data)
        self.pump()

    def reset(self, number: int, code: int = 8) -> None:
        """Give a stream up."""
        self.session.reset_stream(number, code)
        self.pump()


def begin(**how: Any) -> tuple[Walk, H2Client]:
    """A walk and its HTTP/2 client."""
    walk = Walk(**how)
    return walk, H2Client(walk)
