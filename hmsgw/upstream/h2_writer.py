"""The writing half of an HTTP/2 connection to a backend.

Knows: when what the session has to say goes out, how much of it at once, which requests are too fast for the backend.
Refuses to know: what is read (`upstream.h2_connection`, whose base this is) and what is in a frame (`wire.http2`).
Strategy: what is asked for in one turn of the loop goes out together, after it; nothing is written while something is
read. Mirror of `edge.h2_writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from hmsgw.upstream.h2_stream import UpstreamStream
from hmsgw.wire.http2 import Session, StreamClosed
from hmsgw.wire.http2_budget import Budget

_WRITE_BYTES = 64 * 1024


@implementer(IPushProducer)
class StreamsWriter:
    """See the module. The attributes are UpstreamH2Connection's."""

    transport: Any
    session: Session
    soon: Callable[[Callable[[], None]], object]
    lost: bool
    _again: bool
    budget: Budget
    _busy: bool
    _closing: bool
    _flushing: bool
    _full: bool
    _written: set[UpstreamStream]

    def written(self, stream: UpstreamStream) -> None:
        """Something is to be written, together with what else is said in this turn."""
        self._written.add(stream)
        self._again = True
        if not self._flushing and not self._busy:
            self._flushing = True
            self.soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._busy or self._closing:
            return
        self._busy = True  # what exchanges do while they are told of a window is written here, not within
        try:
            self._again = True
            while self._again:
                self._again = False
                self._write()
                written, self._written = self._written, set()
                self._written.update([stream for stream in written if stream.settle()])
        finally:
            self._busy = False
        for event in self.session.events():
            if type(event) is StreamClosed:  # by what was written
                self._stream_closed(event)
        if not self._closing and not self.session.want_read and not self.session.want_write:
            # The library has ended it, for what the other side did.
            self._broken("The upstream broke the rules of HTTP/2.")

    def _write(self) -> None:
        while not self._full and not self.lost:
            data = self.session.data_to_send(_WRITE_BYTES)
            if not data:
                return
            self.transport.write(data)

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False
        self._flush()

    def stopProducing(self) -> None:
        pass

    if TYPE_CHECKING:

        def _broken(self, detail: str) -> None: ...
        def _stream_closed(self, event: StreamClosed) -> None: ...
