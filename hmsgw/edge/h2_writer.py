"""The writing half of a client's HTTP/2 connection.

Knows: when what the session has to say goes out, how much of it at once, which exchanges are too fast for their client.
Refuses to know: what is read (`edge.h2_connection`, whose base this is) and what is in a frame (`wire.http2`).
Strategy: nothing is written while something is read; then all that the client's windows and the transport take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from hmsgw.deadlines import NEVER
from hmsgw.edge.door import Door
from hmsgw.edge.h2_stream import H2Stream
from hmsgw.wire.http2 import Session, StreamClosed
from hmsgw.wire.http2_budget import Budget

_WRITE_BYTES = 64 * 1024
_MIN_SHARE_BYTES = 16 * 1024


@implementer(IPushProducer)
class H2Writer:
    """See the module. The attributes are H2Connection's."""

    transport: Any
    door: Door
    session: Session
    streams: dict[int, H2Stream]
    _again: bool
    budget: Budget
    _busy: bool
    _closing: bool
    _flushing: bool
    _full: bool
    _lost: bool
    _stuck_at: float
    _unsent: int
    _written: set[H2Stream]

    def written(self, stream: H2Stream) -> None:
        """Something was put into the stream: look at it after the next write."""
        self._written.add(stream)
        self._again = True

    def written_soon(self, stream: H2Stream) -> None:
        """`written`, in place; and write once all that waits to be read has been: what is answered together goes out
        together."""
        self._written.add(stream)
        self._again = True
        if not self._flushing and not self._busy:
            self._flushing = True
            self.door.soon(self.flush)

    def flush(self) -> None:
        """Write what the client's windows and the transport take."""
        self._flushing = False
        if self._busy or self._closing:
            return
        self._busy = True  # what exchanges do while they are told of a window is written here, not within
        try:
            self._again = True
            while self._again:
                self._again = False
                self._write()
                self._settle()
        finally:
            self._busy = False
        for event in self.session.events():
            if type(event) is StreamClosed:  # by what was written
                self._stream_closed(event)
        if not self.session.want_read and not self.session.want_write:
            self._close()

    def _write(self) -> None:
        session, write = self.session, self.transport.write
        while not self._full and not self._lost:
            data = session.data_to_send(_WRITE_BYTES)
            if not data:
                return
            write(data)

    def _settle(self) -> None:
        """Tell exchanges whether their clients keep up."""
        written = self._written
        if not written:
            return
        self._written = set()
        share = max(_MIN_SHARE_BYTES, self.door.limits.buffer // max(1, len(self.streams)))
        waiting = [stream for stream in written if stream.settle(share)]
        self._written.update(waiting)

    # --- the transport's view of who writes to it

    def pauseProducing(self) -> None:
        self._full = True
        self._unsent = self.door.unsent(self.transport)
        self._stuck_at = self.door.seconds() + self.door.settings.body_progress
        self._arm()

    def resumeProducing(self) -> None:
        self._full = False
        self._stuck_at = NEVER
        self.flush()

    def stopProducing(self) -> None:
        pass

    if TYPE_CHECKING:

        def _arm(self) -> None: ...
        def _close(self) -> None: ...
        def _stream_closed(self, event: StreamClosed) -> None: ...
