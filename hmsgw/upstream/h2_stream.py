"""One request on an HTTP/2 connection to a backend: the upstream's half of an exchange.

Knows: how a request is written and its answer told, how much of the request waits for the backend's window, what is
waited for and how long. Refuses to know: other streams and bytes (`upstream.h2_connection`, `wire.http2`), clients.
Strategy: the same words as `upstream.connection` has for the exchange; a stream's window is given back only for what
the client's side has taken, and whatever breaks is told once. Mirror of `edge.h2_stream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hmsgw.deadlines import NEVER, Deadlines
from hmsgw.reasons import (
    RESET_BROKEN,
    RESET_CALM,
    RESET_CANCELLED,
    RESET_INSECURE,
    UPSTREAM_PROTOCOL,
    UPSTREAM_RESET,
    UPSTREAM_TIMEOUT,
    Reason,
)  # fmt: skip
from hmsgw.upstream.clock import UpstreamClock
from hmsgw.upstream.events import UpstreamEvents
from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.fieldlines import BadLine
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.http2 import ErrorCode, NGH2Error, Session
from hmsgw.wire.http2_answers import AnswerReader, response_head
from hmsgw.wire.http2_budget import Budget
from hmsgw.wire.http2_heads import field_pairs

_MAX_INTERIM = 32
#: What may wait for the backend's window before the client is paused.
_MAX_QUEUED_BYTES = 64 * 1024
_RESETS: dict[int, Reason] = {
    ErrorCode.CANCEL: RESET_CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: RESET_CALM,
    ErrorCode.INADEQUATE_SECURITY: RESET_INSECURE,
}

Pairs = Sequence[tuple[bytes, bytes]]


class Carrier(Protocol):
    """The connection, as far as a stream needs it."""

    name: str
    scheme: bytes
    takes_tunnels: bool
    long_idle_s: float | None
    session: Session
    budget: Budget
    heads: AnswerReader
    deadlines: Deadlines

    def seconds(self) -> float: ...
    def started(self, stream: UpstreamStream, number: int) -> None: ...
    def written(self, stream: UpstreamStream) -> None: ...
    def given_up(self, begun_s: float) -> None: ...
    def released(self, stream: UpstreamStream) -> None: ...
    def lingers(self) -> None: ...
    def left(self) -> None: ...
    def soon(self, call: Any) -> object: ...


class UpstreamStream(UpstreamClock):
    """number: the stream's id, 0 before it begins. exchange: None once the lease has ended. full: the backend's window
    is shut, and enough waits for it. first_byte_s, idle_s: how long is waited, None for ever."""

    __slots__ = (
        "_answered", "_begun_s", "_carrier", "_early", "_first_byte_s", "_head", "_held", "_idle_s", "_interim",
        "_method", "_queued", "_reading", "_request_ended", "deadline", "exchange", "full", "name", "number", "scheme",
        "wake_s",
    )  # fmt: skip

    connecting = False
    http2 = True

    def __init__(
        self, carrier: Carrier, exchange: UpstreamEvents, first_byte_s: float | None, idle_s: float | None
    ) -> None:
        self._carrier = carrier
        self.exchange: UpstreamEvents | None = exchange
        self.name = carrier.name
        self.scheme = carrier.scheme
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self.number = 0
        self._begun_s = 0.0
        self.full = False
        self._method = b""
        self._request_ended = False
        self._answered = False
        self._reading = True
        self._interim = 0
        self._held = self._queued = 0
        self._head: ResponseHead | None = None
        self._early: list[bytes] = []
        self.deadline = NEVER
        self.wake_s = NEVER

    # --- the lease

    def send_request(self, method: bytes, head: Pairs, now: float, body: bytes = b"") -> None:
        """All of a request. head: as HTTP/2 carries it."""
        self._request_ended = True
        self._begin(method, head, body)
        self.expect()

    def begin_request(self, method: bytes, head: Pairs, chunked: bool) -> None:
        """A request whose body follows."""
        self._begin(method, head)

    def _begin(self, method: bytes, head: Pairs, body: bytes = b"") -> None:
        self._method = method
        carrier = self._carrier
        self._begun_s = carrier.seconds()
        try:
            number = carrier.session.send_request(head, end_stream=self._request_ended and not body)
        except NGH2Error:
            # The connection can't take one more after all. Not told within the call that asked for it.
            carrier.soon(self.refused)
            return
        self.number = number
        carrier.started(self, number)
        if body:
            try:
                carrier.session.send_data(number, body, end_stream=True)
            except NGH2Error:
                return  # as in `send_data`
            carrier.budget.earn_piece(len(body))

    def send_data(self, data: bytes) -> None:
        """Some of the request's body, at least a byte."""
        try:
            self._carrier.session.send_data(self.number, data)
        except NGH2Error:
            return  # the stream is closed already: the event that says so is on its way
        self._carrier.budget.earn_piece(len(data))
        self._carrier.written(self)

    def send_end(self, trailers: list[Field]) -> None:
        """The request is whole; from now on the upstream is expected to answer."""
        session = self._carrier.session
        self._request_ended = True
        try:
            if trailers:
                session.send_trailers(self.number, field_pairs(trailers))
            else:
                session.end_stream(self.number)
        except NGH2Error:
            return
        self._carrier.written(self)
        self.expect()

    def expect(self) -> None:
        """Time what the upstream is waited for now: to take more, to begin its answer, to go on with it."""
        wait_s = self._wait_s()
        if wait_s is None:
            self.deadline = NEVER
        else:
            self._carrier.deadlines.arm(self, self._carrier.seconds() + wait_s)

    def pause(self) -> None:
        """The client takes no more of the answer: its window is not given back until `resume`."""
        self._reading = False
        self.deadline = NEVER

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._give_back()
            self.expect()

    def abort(self) -> None:
        """End the lease and the stream; nothing more is told."""
        if self.exchange is not None:
            self._end_lease()
            self._reset(ErrorCode.CANCEL)

    # --- the answer

    def informational(self, pairs: Pairs) -> None:
        """A 1xx answer."""
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            raise UpstreamFault("The upstream sent more interim answers than anybody has a use for.")
        head = response_head(pairs, False, self._method)
        if head.code == 101:
            raise UpstreamFault("The upstream switched protocols, which HTTP/2 does not know.")
        if self.exchange is not None:
            self.exchange.upstream_informational(head)

    def answer(self, pairs: Pairs, ended: bool) -> bool:
        """The final answer's head. True: it waits for what comes in the same read. Raises UpstreamFault."""
        self._head = self._carrier.heads.read(pairs, ended, self._method)
        if ended:
            self.end(())
        return not ended

    def gather(self, data: bytes) -> bool:
        """Some of the body, if it came in the same read as the head."""
        if self._head is None:
            return False
        self._held += len(data)
        self._early.append(data)
        return True

    def read_so_far(self) -> None:
        """All that came in one read has been gathered."""
        if self._head is not None:
            self._tell()
        if self.exchange is not None:
            self.expect()
            self.exchange.flush_edge()

    def _tell(self) -> None:
        head, self._head = self._head, None
        early, self._early = self._early, []
        if head is not None and self.exchange is not None:
            self._answered = True
            self.exchange.upstream_head(head, self._carrier.seconds())
            if early:
                self._pass(b"".join(early))

    def data(self, data: bytes) -> None:
        """Some of the body; `read_so_far` or `end` follows. What the client's side does not take at once is given back
        later."""
        self._held += len(data)
        self._pass(data)

    def _pass(self, data: bytes) -> None:
        passed = self._pass_on(data)
        if passed and self.exchange is not None:
            self.exchange.upstream_data(passed)
        if self._reading or self.exchange is None:
            self._give_back()

    def _pass_on(self, data: bytes) -> bytes:
        """What of it is for the client."""
        return data

    def trailers(self, pairs: Pairs) -> None:
        """The end, with trailers. Raises UpstreamFault."""
        try:
            fields = self._carrier.heads.read_trailers(pairs)
        except BadLine as bad:
            raise UpstreamFault(f"The upstream's trailers can't be read. {bad}") from None
        self.end(fields)

    def end(self, trailers: Sequence[Field]) -> None:
        """The answer is whole."""
        head, exchange = self._head, self.exchange
        if head is None or exchange is None or not self._request_ended or not self._reading:
            self._tell()
            self._finished(trailers)
            if exchange is not None:
                exchange.flush_edge()
            return
        body = b"".join(self._early)
        self._end_lease()
        exchange.upstream_whole(head, body, self._carrier.seconds(), trailers)

    def _finished(self, trailers: Sequence[Field]) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        ended = self._request_ended
        self._end_lease()
        if not ended:
            self._leave()
        exchange.upstream_end(trailers)

    # --- the end

    def closed(self, code: int, *, by_peer: bool) -> None:
        """The stream is over. by_peer: the backend said so."""
        if self.exchange is None:
            if self._held:
                self._give_back()
        elif code == ErrorCode.REFUSED_STREAM:
            self.refused()
        elif by_peer:
            reason = _RESETS.get(code, RESET_BROKEN)
            self.fail(reason, f"The upstream reset the stream {self._where()}.")
        else:
            self.fail(UPSTREAM_PROTOCOL, f"The upstream broke the rules of HTTP/2 {self._where()}.")

    def refused(self) -> None:
        """The backend has not looked at the request, and says so (RFC 9113 section 8.7)."""
        self.fail(UPSTREAM_RESET, "The upstream takes no more requests on this connection.", refused=not self._answered)

    def lost(self) -> None:
        """The connection is gone."""
        untouched = not self._answered and self._head is None
        self.fail(UPSTREAM_RESET, f"The upstream closed the connection {self._where()}.", untouched=untouched)

    def fail(self, reason: Reason, detail: str, *, untouched: bool = False, refused: bool = False) -> None:
        """Tell the exchange, if it does not know."""
        exchange = self.exchange
        if exchange is None:
            return
        self._end_lease()
        self._reset(ErrorCode.CANCEL)
        exchange.upstream_failed(reason, detail, untouched, refused)
        exchange.flush_edge()

    def deadline_passed(self, now: float) -> None:
        self.fail(UPSTREAM_TIMEOUT, self._timed_out())

    def _where(self) -> str:
        return "in the middle of its answer" if self._answered else "without an answer"

    def _end_lease(self) -> None:
        self.exchange = None
        self._head = None
        self._early = []
        carrier = self._carrier
        if self.wake_s < NEVER:
            carrier.deadlines.forget(self)
        if self._held:
            self._give_back()
        carrier.released(self)

    def _leave(self) -> None:
        """RFC 9113 section 8.1: the rest of the request is not wanted."""
        self._reset(ErrorCode.NO_ERROR)

    def _reset(self, code: int) -> None:
        if self.number:
            try:
                self._carrier.session.reset_stream(self.number, code)
            except NGH2Error:
                return  # closed already
            self._carrier.written(self)
            self._carrier.given_up(self._begun_s)

    def _give_back(self) -> None:
        held, self._held = self._held, 0
        if held:
            try:
                self._carrier.session.acknowledge_received_data(held, self.number)
            except NGH2Error:
                return  # the connection is at its end
            self._carrier.written(self)

    def settle(self) -> bool:
        """After a write: how much waits for the backend's window. Returns whether to look again after the next."""
        if self.exchange is None or not self.number:
            return False
        before, self._queued = self._queued, self._carrier.session.queued_body_size(self.number)
        if self._queued > _MAX_QUEUED_BYTES and not self.full:
            self.full = True
            self.expect()
            self.exchange.upstream_full()
        elif self.full and self._queued <= _MAX_QUEUED_BYTES // 2:
            self.full = False
            self.expect()
            self.exchange.upstream_ready_for_more()
        elif self.full and self._queued != before:
            self.expect()
        return self._queued > 0
