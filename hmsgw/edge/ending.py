"""How a client's connection of HTTP/1.x ends: drained, told to stop, lingering, closed, aborted.

Knows: that a request may be on its way when the gateway says that it will close, and an answer when it does. Refuses to
know: what is read and what is answered (`edge.connection` and `edge.answer`).
"""

from __future__ import annotations

from hmsgw.edge.answer import AnswerWriter
from hmsgw.edge.states import BODY, CLOSING, FULL, HEAD, LINGERING

#: What a client sent before it could know of the end is answered: a round trip, and some.
LAST_CALL_S = 0.5
_LINGER_S = 2.0


class Ending(AnswerWriter):
    """See the module. The attributes are EdgeConnection's."""

    __slots__ = ("_drained", "_registered")

    _drained: bool
    _registered: bool

    def drain(self) -> None:
        """The next answer is the last. Nobody else knows whether its request is on its way: it may come, soon."""
        self._drained = True
        if self._exchange is not None or self._state is not HEAD:
            self._close_after = True
        elif not self._buffer and not self._full:
            self._head_timed = False
            self._door.deadlines.arm(self, self._door.seconds() + LAST_CALL_S)

    def stop(self) -> None:
        """The time to drain is over: a request under way is told so if it can be, and the connection closes."""
        exchange = self._exchange
        if exchange is not None:
            self._close_after = True
            exchange.shut_down()
            self.flush()
        elif self._state is HEAD or self._state is BODY:
            self.abort()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if not self._lost:
            self._unregister()
            self.transport.abortConnection()

    def _linger(self) -> None:
        """Answer sent, but the client may still be sending: closing now could reset what it has not read."""
        if self._lost:
            return
        self._state = LINGERING
        self._pauses = 0
        self._buffer = b""
        self._unregister()
        self._unsent = -1  # `still_reads` is to look first, then to compare
        self.transport.resumeProducing()
        if self._door.scheme == "http":
            self.transport.loseWriteConnection()
        self._door.deadlines.arm(self, self._door.seconds() + _LINGER_S)

    def _close(self) -> None:
        if not self._lost:
            self._state = CLOSING
            self._resume(FULL)  # what TLS has still to say is heard
            self._unregister()
            self._unsent = self._door.unsent(self.transport)
            self.transport.loseConnection()
            self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            self.transport.unregisterProducer()
