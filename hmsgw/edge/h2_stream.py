"""One HTTP/2 request and its answer: the client's half of an exchange.

Knows: how an answer is put into a stream, how much of a body the client may still send, when either made no progress
for too long. Refuses to know: other streams, bytes (`edge.h2_connection`, `wire.http2`). Strategy: the same words as
`edge.connection` has for the exchange; a stream's window is given back only for what the exchange has taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hmsgw.deadlines import NEVER
from hmsgw.edge.door import Door
from hmsgw.edge.peer import Peer
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import RequestHead, ResponseHead, has_content
from hmsgw.wire.http2 import ErrorCode, NGH2Error, Session
from hmsgw.wire.http2_budget import Budget
from hmsgw.wire.http2_heads import field_pairs, informational_pairs, response_pairs

#: After the answer the rest of a body is waited for so long before the client is told to stop.
_LINGER_S = 1.0


class Carrier(Protocol):
    """The connection, as far as a stream needs it."""

    door: Door
    peer: Peer
    session: Session
    budget: Budget

    def flush(self) -> None: ...
    def written_soon(self, stream: H2Stream) -> None: ...
    def written(self, stream: H2Stream) -> None: ...


class H2Stream:
    """number: the stream's id. head: the request's. exchange: None once it is over. queued: bytes of the answer that
    wait for the client's window. is_new: the exchange waits for what comes of the body together with the head.
    unfinished: the client has not ended its body. was_reset: by us, or by the client."""

    __slots__ = (
        "_answered", "_body_allowed", "_carrier", "_early", "_full", "_has_body", "_held", "_late_bytes", "_paused",
        "deadline", "exchange", "gone", "head", "is_new", "number", "peer", "queued", "unfinished", "wake_s",
        "was_reset",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, number: int, head: RequestHead, unfinished: bool) -> None:
        self._carrier = carrier
        self.peer = carrier.peer
        self.number = number
        self.head = head
        self.exchange: Any = None
        self._early: list[bytes] = []
        self.is_new = unfinished
        self.unfinished = unfinished
        self._has_body = head.length != 0
        self.queued = 0
        self.gone = False
        self.was_reset = False
        self._answered = False
        self._body_allowed = True
        self._paused = False
        self._held = 0
        self._late_bytes = 0
        self._full = False
        self.deadline = NEVER
        self.wake_s = NEVER

    @property
    def draining(self) -> bool:
        return self._carrier.door.draining

    @property
    def is_told(self) -> bool:
        """All of the answer went to the client."""
        return self._answered and not self.queued

    # --- what the client sends

    def gather(self, data: bytes) -> bool:
        """Some of the body, if it came in the same read as the head."""
        if self.is_new:
            self._early.append(data)
        return self.is_new

    def read_so_far(self) -> None:
        """All that came in one read has been gathered; the clock runs only for what has not come."""
        if self.is_new:
            self._begin(whole=False)
        self.expect_more()

    def _begin(self, *, whole: bool) -> None:
        """whole: with all of the body, which is what `data` and `end` do one by one."""
        self.is_new = False
        data, self._early = b"".join(self._early), []
        if not whole:
            self.exchange.start()
            if data:
                self.data(data)
            return
        self._held = len(data)
        self.exchange.request_whole(data)
        self.exchange.start()
        self.unfinished = False
        if not self._paused or self.exchange is None:
            self._give_back()

    def data(self, data: bytes, *, last: bool = False) -> None:
        """Some of the body. What the exchange does not take at once is given back later. last: `end` follows."""
        self._held += len(data)
        exchange = self.exchange
        if exchange is not None:
            exchange.request_data(data)
        if not self._paused or self.exchange is None:
            self._give_back()
            if not last:
                self.expect_more()
        if self._answered and not last:
            self._late_bytes += len(data)
            if not self.queued and self._no_more_late():
                self._decline()

    def end(self, trailers: list[Field]) -> None:
        """The body is whole."""
        if self.is_new:
            whole = self._has_body and not trailers
            self._begin(whole=whole)
            if whole:
                return
        self.unfinished = False
        self.deadline = NEVER
        if self.exchange is not None and self._has_body:
            self.exchange.request_end(trailers)

    def broken(self, detail: str) -> None:
        """The body ends in what can't be followed."""
        self.unfinished = False
        if self.exchange is not None:
            self.exchange.body_broken(detail)

    def lost(self) -> None:
        """The stream is closed."""
        if self.exchange is None and self.wake_s is NEVER and not self._held:
            self.gone = True
            return
        self._give_back()
        self.abandon()

    def abandon(self) -> None:
        """The connection is at its end, and the stream with it."""
        self.gone = True
        self.is_new = False
        self._carrier.door.deadlines.forget(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.edge_lost()

    def expect_more(self) -> None:
        """The clock runs for what is still to come of the body."""
        if self.unfinished and not (self._paused or self._answered or self.gone or self._may_rest()):
            door = self._carrier.door
            door.deadlines.arm(self, door.seconds() + door.settings.body_progress)

    def _may_rest(self) -> bool:
        """The client need not go on: in a WebSocket and in a call, silence is the upstream's clock's affair."""
        return self.head.websocket or (self.exchange is not None and self.exchange.client_may_rest)

    def _give_back(self) -> None:
        held, self._held = self._held, 0
        if held:
            self._ask(self._carrier.session.acknowledge_received_data, held, self.number)

    def deadline_passed(self, now: float) -> None:
        """The client neither sends its body nor reads its answer."""
        if self.gone:
            return
        if self._answered and self.unfinished and not self.queued:
            self._decline()
        elif self.unfinished and self.exchange is not None and not self.queued:
            self.exchange.body_timed_out()
        else:
            self._reset(ErrorCode.CANCEL)
            self.lost()
        self._carrier.flush()

    # --- the answer

    def send_informational(self, status: int, fields: list[Field]) -> None:
        """A 1xx answer."""
        if not self.gone:
            pairs = informational_pairs(status, fields)
            self._ask(self._carrier.session.send_informational_response, self.number, pairs)

    def send_whole(self, head: ResponseHead, body: bytes, now: float, trailers: Sequence[Field] = ()) -> None:
        """The final answer, all of it: what `send_head`, `send_data` and `send_end` do, without asking between them."""
        if self.gone or len(body) > self._carrier.door.limits.buffer:
            self.send_head(head)
            self.send_data(body)
            self.send_end(trailers)
            return
        number, carrier = self.number, self._carrier
        session = carrier.session
        allowed = self._body_allowed = bool(body or trailers) and has_content(head, self.head.method)
        try:
            session.send_response(number, response_pairs(head, self.exchange.wall_s), end_stream=not allowed)
            if allowed:
                if body:
                    session.send_data(number, body, end_stream=not trailers)
                    carrier.budget.earn_piece(len(body))
                    self.queued = len(body)
                if trailers:
                    session.send_trailers(number, field_pairs(trailers))
        except NGH2Error:  # see `_ask`
            self.gone = True
        self._over()

    def send_head(self, head: ResponseHead) -> None:
        """The final answer's head; data and end follow."""
        if self.gone:
            return
        allowed = self._body_allowed = has_content(head, self.head.method)
        pairs = response_pairs(head, self.exchange.wall_s)
        self._ask(self._carrier.session.send_response, self.number, pairs, end_stream=not allowed)

    def send_data(self, data: bytes) -> None:
        if self._body_allowed and data and not self.gone:
            self._ask(self._carrier.session.send_data, self.number, data)
            self._carrier.budget.earn_piece(len(data))
            self.queued += len(data)
            if self.queued > self._carrier.door.limits.buffer and not self._full and self.exchange is not None:
                # Not only after the write: libuv reads an upstream up to 32 times (8 MiB) before anything is written.
                self._full = True
                self.exchange.edge_full()

    def send_end(self, trailers: Sequence[Field]) -> None:
        """The answer is whole."""
        if self._body_allowed and not self.gone:
            session = self._carrier.session
            if trailers:
                self._ask(session.send_trailers, self.number, field_pairs(trailers))
            else:
                self._ask(session.end_stream, self.number)
        self._over()

    def _over(self) -> None:
        """The exchange has said all that it had to say."""
        self.is_new = False
        self.exchange = None
        self._answered = True
        if self.gone:
            return
        if self._paused or self._held:
            self._paused = False
            self._give_back()
        self.flush()

    def cut(self) -> None:
        """The answer can't be finished. Of a WebSocket, CANCEL is what a reset of TCP is (RFC 8441 section 5)."""
        self.exchange = None
        if not self.gone:
            self._reset(ErrorCode.CANCEL if self.head.websocket else ErrorCode.INTERNAL_ERROR)
            self.flush()

    def flush(self) -> None:
        """Nothing more in this turn."""
        self._carrier.written_soon(self)

    def pause_body(self) -> None:
        """No more of the body for now: its window is not given back."""
        if self.unfinished and not self._paused:
            self._paused = True
            if not self.queued:
                self.deadline = NEVER

    def resume_body(self) -> None:
        if self._paused:
            self._paused = False
            if not self.gone:
                self._give_back()
                self.expect_more()
                self._carrier.flush()

    def _no_more_late(self) -> bool:
        """Of the body: the client had time to see the answer, or nobody has time to wait."""
        return self._late_bytes > self._carrier.door.limits.buffer or self.head.websocket or self.draining

    def _decline(self) -> None:
        """RFC 9113 section 8.1: the answer is out, the rest of the body is not wanted."""
        self.unfinished = False
        self._reset(ErrorCode.NO_ERROR)
        self._carrier.written(self)

    def _reset(self, code: int) -> None:
        self.was_reset = True
        self._ask(self._carrier.session.reset_stream, self.number, code)

    def _ask(self, do: Callable[..., None], *what: Any, **how: Any) -> None:
        """Of the session. It says no when the client's next frame, in the same read, has ended the stream or all of the
        connection; the event that tells us is on its way."""
        try:
            do(*what, **how)
        except NGH2Error:
            self.gone = True

    # --- how fast the client reads

    def settle(self, share: int) -> bool:
        """After a write: how much waits for the client's window, at most `share` bytes before the exchange is told.

        Returns whether the stream is still to be looked at after the next write.
        """
        if self.gone:
            return False
        before, self.queued = self.queued, self._carrier.session.queued_body_size(self.number)
        if not self.queued and not self._full and not self.unfinished:
            self.deadline = NEVER
            return False
        if self.queued > share and not self._full:
            self._full = True
            if self.exchange is not None:
                self.exchange.edge_full()
        elif self._full and self.queued <= share // 2:
            self._full = False
            if self.exchange is not None:
                self.exchange.edge_ready_for_more()
        if self.queued:
            if self.queued != before or self.deadline is NEVER:
                door = self._carrier.door
                door.deadlines.arm(self, door.seconds() + door.settings.body_progress)
            return True
        if not self.unfinished or self._may_rest():
            self.deadline = NEVER
        if self._answered and self.unfinished:
            # Most clients have sent the rest before they see the answer, and some take a reset for its end.
            if self._no_more_late():
                self._decline()
            else:
                door = self._carrier.door
                door.deadlines.arm(self, door.seconds() + _LINGER_S)
        return False
