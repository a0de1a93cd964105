"""An exchange's way back: the answer, whoever made it, and the end.

Knows: response steps before the head, a waiting one holds the answer, a failing one replaces it; how the gateway's own
refusals go out; that an exchange ends exactly once. Refuses to know: how the request went up (`proxy.exchange`).
Strategy: the base of Exchange, split off because it can be read alone. An answer that came whole goes out whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hmsgw.deadlines import NEVER
from hmsgw.proxy.body import NO_BODY, RequestBody
from hmsgw.proxy.entry import Chain
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.record import Record
from hmsgw.proxy.refusals import answer_of_verdict, refusal
from hmsgw.proxy.request import Request
from hmsgw.proxy.sides import EdgeStream, UpstreamStream
from hmsgw.reasons import PLUGIN_ERROR, STEP_FAILED, Reason
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead

_log = Logger()


class AnswerSide(Record):
    """See the module. What most exchanges never have is a default of the class, not a store for each of them."""

    edge: EdgeStream
    plane: Plane
    body: RequestBody = NO_BODY
    done = False
    req: Request | None = None
    response: ResponseHead | None = None
    deadline = NEVER
    wake_s = NEVER
    _started: float
    _conn: UpstreamStream | None = None
    _attempt: Any = None
    _retrying = False
    _waiting: Deferred[Any] | None = None
    _held_answer: list[bytes | list[Field]] | None = None
    _head_sent = False
    _edge_full = False

    def _give_up_upstream(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        if self._conn is not None:
            connection, self._conn = self._conn, None
            connection.abort()

    def _decision_lost(self, failure: Any) -> None:
        """Cancelled because the client went; the chain itself never fails."""
        self._waiting = None

    def upstream_data(self, data: bytes) -> None:
        """Some of the answer's body."""
        if self._held_answer is not None:
            self._held_answer.append(data)
        else:
            self.bytes_out += len(data)
            self.edge.send_data(data)

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.cancel()
        self._held_answer = None

    def _respond(self, head: ResponseHead, body: bytes | None) -> None:
        """Response steps, then the head. body: the whole of it, None when it follows in pieces."""
        chain = self.entry.chain
        if chain is None or not chain.has_response_steps or self.req is None or self._passes(chain, head, body):
            self._send(head, body)

    def _passes(self, chain: Chain, head: ResponseHead, body: bytes | None) -> bool:
        """Run the response steps. False when the answer is not to be sent now: it waits, or another one went out."""
        status = head.status
        outcome = chain.respond(self.req, head)
        if outcome is not None:
            self._response_not_at_once(outcome, head, body)
            return False
        return head.status is status or self._status_stands(head)

    def _status_stands(self, head: ResponseHead) -> bool:
        """Whether the status that a response step wrote can be sent; if not, 500 plugin-error has been."""
        status: object = head.status
        if type(status) is int and 200 <= status <= 599:
            head.edited = True  # another status may ask for another framing
            return True
        _log.error(
            "a response step of route {route} wrote the status {status!r}; a status is a number from 200 to 599",
            route=self.entry.name,
            status=status,
        )
        self._give_up_upstream()
        self.reason = PLUGIN_ERROR.word
        self._send(*refusal(self.head, PLUGIN_ERROR.status, PLUGIN_ERROR, STEP_FAILED, self.request_id, []))
        return False

    def _response_not_at_once(self, outcome: Any, head: ResponseHead, body: bytes | None) -> None:
        if not isinstance(outcome, Deferred):
            self._replace_answer(outcome)
            return
        self.response = head
        self._waiting = outcome
        self._held_answer = [] if body is None else [body, []]
        if self._conn is not None:
            self._conn.pause()
        outcome.addCallbacks(self._response_decided, self._decision_lost)

    def _response_decided(self, verdict: Any) -> None:
        self._waiting = None
        held, self._held_answer = self._held_answer, None
        if self.done or held is None or self.response is None:
            return
        if verdict is not None:
            self._replace_answer(verdict)
        elif self._status_stands(self.response):
            self._send(self.response, None)
            for piece in held:
                if isinstance(piece, bytes):
                    self.upstream_data(piece)
                else:
                    self._end(piece)
            if self._conn is not None and not self._edge_full:
                self._conn.resume()
        self.edge.flush()

    def _replace_answer(self, verdict: Any) -> None:
        """A response step failed: its verdict goes out instead, with no further step."""
        self._give_up_upstream()
        head, body, self.reason = answer_of_verdict(verdict, self.head, self.request_id)
        self._send(head, body)

    def _send(self, head: ResponseHead, body: bytes | None) -> None:
        if head.edited:
            head.settle()
        self.status = head.status
        self._head_sent = True
        if body is None:
            self.edge.send_head(head)
            return
        now = self.plane.seconds()
        self.bytes_out = len(body)
        self._finish(now)
        self.edge.send_whole(head, body, now)

    def _end(self, trailers: list[Field]) -> None:
        if not self.done:
            self._finish(self.plane.seconds())
            self.edge.send_end(trailers)

    def _cut(self, reason: Reason) -> None:
        """The head is out, the rest can't follow: only a broken connection tells the client so."""
        self.reason = reason.word
        self._finish(self.plane.seconds())
        self.edge.cut()

    def refuse(self, reason: Reason, detail: str, fields: list[Field] | None = None) -> None:
        """Answer with a refusal of the gateway's own."""
        self.reason = reason.word
        head, body = refusal(self.head, reason.status, reason, detail, self.request_id, fields or [])
        self._respond(head, body)

    def _answer(self, verdict: Any) -> None:
        """Answer as a plugin said."""
        head, body, self.reason = answer_of_verdict(verdict, self.head, self.request_id)
        self._respond(head, body)

    # --- the end

    def _finish(self, now: float) -> None:
        """Exactly once, whatever ended the exchange: log, count, release."""
        if self.done:
            return
        self.done = True
        if self.wake_s < NEVER:
            self.plane.deadlines.forget(self)
        if self._retrying:
            self.entry.cluster.retrying -= 1
        self.duration_s = now - self._started
        if self.body is not NO_BODY:
            self.bytes_in = self.body.received
        req = self.req
        if req is not None:
            self.user = None if req.user is None else str(req.user)
            self.req = None  # it refers to this exchange: without the cycle both are freed at once
        self.plane.finished(self)

    if TYPE_CHECKING:

        def deadline_passed(self, now: float) -> None: ...
