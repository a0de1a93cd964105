"""An exchange's way back: the answer, whoever made it, and the end.

Knows: response steps before the head, a waiting one holds the answer, a failing one replaces it for those behind it;
how the gateway's own refusals go out; that an exchange ends exactly once. Refuses to know: how the request went up
(`proxy.exchange`).
Strategy: the base of Exchange, split off because it can be read alone. An answer that came whole goes out whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from hmsgw.deadlines import NEVER
from hmsgw.proxy.body import NO_BODY, RequestBody
from hmsgw.proxy.entry import Chain
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.record import Record
from hmsgw.proxy.refusals import answer_of_verdict, refusal
from hmsgw.proxy.request import Request
from hmsgw.proxy.sides import EdgeStream, UpstreamStream
from hmsgw.proxy.tunnel import TunnelBody
from hmsgw.reasons import BAD_REQUEST, DRAINING, PLUGIN_ERROR, UPSTREAM_PROTOCOL, Reason
from hmsgw.wire.grpc import GRPC, status_fields, status_in
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.representation import changed_fields, coding_of, part_in, without_ranges
from hmsgw.wire.websocket import answer_key, for_http2


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
    _failed_s = 0.0
    _waiting: Deferred[Any] | None = None
    _held_answer: list[bytes | Sequence[Field]] | None = None
    _instead: tuple[ResponseHead, bytes, Sequence[Field]] | None = None
    _head_sent = False
    _edge_full = False
    transforms: Any = None
    """`chain.transform.Transforms`, where plugins change bodies."""
    _rewrites_answer = False
    _stays_empty = False
    """Of an answer that is rewritten: it has no byte of body, and gets none; only trailers can come."""
    _coding: str | None = None
    """What the upstream's answer is packed by, before any plugin had its fields."""
    call: bytes | None = None
    """`wire.grpc.call_kind`, of a request that may be a call."""
    call_ends_at: float | None = None
    """When the caller of it waits no longer, by the plane's monotonic clock."""

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
            if self._rewrites_answer:
                data = self.transforms.response(data)
                if self.transforms.verdict is not None:
                    self.transform_failed()
                    return
            self.bytes_out += len(data)
            self.edge.send_data(data)

    def edge_full(self) -> None:
        """The client takes no more for now."""
        self._edge_full = True
        if self._conn is not None:
            self._conn.pause()

    def edge_ready_for_more(self) -> None:
        self._edge_full = False
        if self._conn is not None and self._held_answer is None:
            self._conn.resume()

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.cancel()
        self._held_answer = self._instead = None

    def _respond(self, head: ResponseHead, body: bytes | None, trailers: Sequence[Field] = ()) -> None:
        """Response steps, then the head. body: the whole of it, None when it follows in pieces."""
        chain = self.entry.chain
        steps = chain is not None and chain.has_response_steps and self.req is not None
        if chain is None or not steps or self._passes(chain, head, body, trailers):
            self._send(head, body, trailers)

    def _passes(self, chain: Chain, head: ResponseHead, body: bytes | None, trailers: Sequence[Field]) -> bool:
        """Run the response steps. False when the answer is not to be sent now: it waits, or another one went out."""
        outcome = chain.respond(self.req, head, self)
        if outcome is not None:
            self._hold(outcome, head, body, trailers)
            return False
        if self._instead is not None:
            self._send(*self._instead)
            return False
        return True

    def replace_answer(self, verdict: Any) -> ResponseHead:
        """A response step failed or refused: its verdict goes out instead, once the steps behind it have had it."""
        self._give_up_upstream()
        head, body, self.reason = answer_of_verdict(verdict, self.head, self.request_id)
        self._instead = head, body, ()
        return head

    def _hold(
        self, outcome: Deferred[Any], head: ResponseHead, body: bytes | None, trailers: Sequence[Field]
    ) -> None:
        """A response step waits, and the answer with it."""
        self.response = head
        self._waiting = outcome
        self._held_answer = []
        if body is not None and self._instead is None:
            # All there is of it, and as it is: only what follows in pieces may be changed.
            self._instead = head, body, trailers
        if self._conn is not None:
            self._conn.pause()
        outcome.addCallbacks(self._response_decided, self._decision_lost)

    def _response_decided(self, _: object) -> None:
        self._waiting = None
        held, self._held_answer = self._held_answer, None
        if self.done or held is None or self.response is None:
            return
        if self._instead is not None:
            self._send(*self._instead)
        else:
            self._send(self.response, None)
            for piece in held:
                if self.done:
                    break  # a plugin could not change it, and another answer went out
                if isinstance(piece, bytes):
                    self.upstream_data(piece)
                else:
                    self._end(piece)
            if self._conn is not None and not self._edge_full:
                self._conn.resume()
        self.edge.flush()

    def transform_failed(self) -> None:
        """A plugin that changes a body can't."""
        verdict = self.transforms.verdict
        self._give_up_upstream()
        self._drop_waiting()
        if self._head_sent:
            self._cut(verdict.reason or PLUGIN_ERROR, verdict.detail or verdict.title)
        else:
            self._answer(verdict)

    def _begin_rewriting(self, head: ResponseHead) -> tuple[ResponseHead, bytes | None]:
        """Before the head of an upstream's answer goes out: who changes the body behind it? Returns what goes out."""
        wanted = self.transforms.begin(head)
        if self.transforms.verdict is not None:
            self._give_up_upstream()
            head, body, self.reason = answer_of_verdict(self.transforms.verdict, self.head, self.request_id)
            return head, body
        if wanted and head.body and self._coding is not None:
            return self._unreadable(f"Content-Encoding {self._coding}")
        # A 304 is said of a body that had been changed, whatever a plugin finds out from the few fields it has.
        if wanted or (head.code == 304 and self.transforms.response_too):
            head.fields = changed_fields(head.fields)
            self._rewrites_answer = wanted and head.body
            self._stays_empty = head.length == 0
            head.length, head.edited = 0 if self._stays_empty else None, True
        elif self.transforms.response_too:
            head.fields = without_ranges(head.fields)
        return head, None

    def _may_be_changed(self, head: ResponseHead) -> bool:
        """As the upstream's answer comes, where plugins may change its body: what is no whole one they would not
        recognise. False when it was refused."""
        if self.transforms.response_too and not head.switch:
            part = part_in(head)
            if part is not None:
                self._respond(*self._unreadable(part))
                return False
            self._coding = coding_of(head.fields)
        return True

    def _unreadable(self, what: str) -> tuple[ResponseHead, bytes]:
        """The refusal of an answer that the route's plugins can't read, though nobody asked for such a one."""
        self.upstream_fault = (
            f"It answered with {what}, though it was asked for the whole in no coding, as a plugin of route "
            f"{self.route} changes bodies. Turn this off in the service, or give that a route without the plugin."
        )
        self._give_up_upstream()
        self.reason = UPSTREAM_PROTOCOL.word
        detail = "The service sent a part of a body, or a packed one, which this route can't pass on."
        return refusal(self.head, UPSTREAM_PROTOCOL.status, UPSTREAM_PROTOCOL, detail, self.request_id, [])

    def _send(self, head: ResponseHead, body: bytes | None, trailers: Sequence[Field] = ()) -> None:
        if self.head.websocket and 200 <= head.code < 300 and not head.switch and self.protocol == "h2":
            head, body = self._no_tunnel()
        elif body is None and self.transforms is not None and not head.switch:
            head, body = self._begin_rewriting(head)
        if head.edited:
            head.settle()
            if body and not head.body:
                body = b""
        self.status = head.code
        self._head_sent = True
        # A refusal may be a call's that never became known as one.
        if (self.call is not None or self.reason) and self._ends_call(head, trailers) and not self._rewrites_answer:
            body = b""
        if body is None:
            if head.switch:
                self._open_tunnel(head)
            else:
                self.edge.send_head(head)
            return
        now = self.plane.seconds()
        self.bytes_out = len(body)
        self._finish(now)
        self.edge.send_whole(head, body, now, trailers)

    def _ends_call(self, head: ResponseHead, trailers: Sequence[Field]) -> bool:
        """Note how a gRPC call ended, where its answer says so already. True for a head that is all of the answer
        in HTTP/2 (doc/PROTOCOL-HTTP2.md, Trailers-Only): it ends the stream itself, or callers miss the status; and its
        fields are the call's metadata, to which no length belongs."""
        self.grpc_status = status_in(trailers or head.fields)
        if self.grpc_status is None or self.protocol != "h2" or head.length != 0 or trailers:
            return False
        if not head.framed:
            head.length = None
        return True

    # --- a tunnel: an exchange whose bodies are what either side says from now on

    opens_tunnel = False
    """It is to become one; no connection that was used before, nor one to be used again, is fit for that."""

    def _no_tunnel(self) -> tuple[ResponseHead, bytes]:
        """Instead of a 2xx that opens none: over HTTP/2 its client would take any for the yes (RFC 8441 section 5), and
        what follows for frames."""
        self._give_up_upstream()
        reason, detail = BAD_REQUEST, "There is no WebSocket here."
        if self.upstream:
            reason, detail = UPSTREAM_PROTOCOL, "The service did not open the WebSocket."
            self.upstream_fault = "It answered the opening of a WebSocket with an ordinary answer."
        self.reason = reason.word
        return refusal(self.head, reason.status, reason, detail, self.request_id, [])

    def _open_tunnel(self, head: ResponseHead) -> None:
        if self.head.protocol == "h2":
            for_http2(head)
            self.status = head.code
        else:
            answer_key(head, self.head)
        self.edge.send_head(head)
        assert isinstance(self.body, TunnelBody)
        self.body.opened(self._conn)

    def edge_draining(self) -> None:
        """The gateway is going down: whoever is in a tunnel is told so; any other exchange is simply finished."""
        if isinstance(self.body, TunnelBody):
            self.body.go_away(self._conn)

    def edge_ended(self, *, clean: bool) -> None:
        """The client has closed its tunnel, as it may. clean: not by a reset, or without TLS's own goodbye, which only
        matters where WebSocket's was not said."""
        if not clean and (self._conn is None or not self._conn.said_goodbye):
            self.edge_lost()
        elif not self.done:
            self._give_up_upstream()
            self._finish(self.plane.seconds())

    def _end(self, trailers: Sequence[Field]) -> None:
        if self.done:
            return
        if trailers and self.call is not None:
            self.grpc_status = status_in(trailers)
        if self._rewrites_answer:
            rest, trailers = self.transforms.response_end(changed_fields(trailers))
            if self.transforms.verdict is not None:
                self.transform_failed()
                return
            if not self._stays_empty:
                self.bytes_out += len(rest)
                self.edge.send_data(rest)
        self._finish(self.plane.seconds())
        self.edge.send_end(trailers)

    def _cut(self, reason: Reason, detail: str) -> None:
        """The head is out, the rest can't follow: trailers tell a gRPC caller why; others, a broken connection."""
        self.reason = reason.word
        tells = self.call == GRPC and self.protocol == "h2" and reason is not BAD_REQUEST
        if tells:
            self.grpc_status = reason.grpc_status
        self._finish(self.plane.seconds())
        if tells:
            self.edge.send_end(status_fields(reason.grpc_status, detail))
        else:
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

    def stop_for(self, reason: Reason, detail: str) -> None:
        """Whatever is under way ends, with this answer if there is none yet."""
        if self.done:
            return
        self._give_up_upstream()
        self._drop_waiting()
        self.body.lost()
        if self._head_sent:
            self._cut(reason, detail)
        else:
            self.refuse(reason, detail)

    def shut_down(self) -> None:
        """The gateway ends, and the time to drain is over; no response step is waited for."""
        if self._head_sent:  # whoever has had a part of it decides whether to ask again
            self.stop_for(DRAINING, "The gateway stopped, and the call was cut.")
            return
        detail = "The gateway is stopping; send the request again."
        self.stop_for(DRAINING, detail)
        if not self.done:
            self._drop_waiting()
            self._send(*refusal(self.head, DRAINING.status, DRAINING, detail, self.request_id, []))

    # --- the end

    def _finish(self, now: float) -> None:
        """Exactly once, whatever ended the exchange: log, count, release."""
        if self.done:
            return
        self.done = True
        if self.wake_s < NEVER:
            self.plane.deadlines.forget(self)
        if self._retrying:
            self.entry.cluster.end_retry()
            if self._failed_s:
                self.upstream_s = self._failed_s + (self.upstream_s or 0.0)
        self.duration_s = now - self._started
        if self.body is not NO_BODY:
            self.bytes_in = self.body.received
            self.body = NO_BODY  # it refers to this exchange: without the cycle both are freed at once
        req = self.req
        if req is not None:
            if req.user is not None:
                self.user = _in_words(req.user)
            self.req = None  # as the body does
        self.plane.finished(self)

    if TYPE_CHECKING:

        def deadline_passed(self, now: float) -> None: ...
        def edge_lost(self) -> None: ...


def _in_words(user: object) -> str:
    """For the log. What a plugin put there may be anything."""
    try:
        return str(user)
    except Exception:
        return type(user).__name__
