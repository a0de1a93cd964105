"""One request's life, from its head to its one end.

Knows: the order of things: match, request steps, lease, forward, response steps, relay, finish; when a request may be
sent again; that it ends exactly once. Refuses to know: wires, transports, and what any plugin does.
Strategy: decisions are taken in plain calls as long as nothing has to wait; bytes are plain calls always. Both sides
tell this object of events (`edge_*`, `request_*`, `upstream_*`) and are told what to do. The newcomer's page is
docs/life-of-a-request.md. What most exchanges never have is a default of the class, not a store for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hmsgw.proxy.body import NO_BODY, RequestBody
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.forwarding import client_fields, ends_here, forwarded_pairs, forwarded_request, identify
from hmsgw.proxy.ids import new_request_id
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.refusals import allow
from hmsgw.proxy.request import Request
from hmsgw.proxy.router import NotMatched
from hmsgw.proxy.sides import EdgeStream, UpstreamStream
from hmsgw.proxy.tunnel import TunnelBody
from hmsgw.proxy.upload import UploadSide
from hmsgw.reasons import (
    BODY_TOO_LARGE,
    CLIENT_GONE,
    METHOD,
    NO_ENDPOINT,
    NO_ROUTE,
    PLUGIN_ERROR,
    STEP_FAILED,
    UPSTREAM_TIMEOUT,
    Reason,
)  # fmt: skip
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.grpc import call_in, call_kind
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import METHODS, RequestHead, ResponseHead
from hmsgw.wire.target import normalise_path
from hmsgw.wire.websocket import opening_fault

_log = Logger()

#: What a route takes that names no method.
_TAKEN = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_MAY_END_HERE = frozenset({"CONNECT", "OPTIONS", "TRACE"})
#: May be sent twice without doing a thing twice (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_ANY_AGE, _FRESH_S, _NEW_ONLY = float("inf"), 1.0, -1.0
#: A backend that was told how long a caller waits may be sure that it does not any more, this much before we are.
_CLOCKS_DIFFER_S = 0.01
_NO_PARAMS: dict[str, str] = {}


class Exchange(UploadSide):
    """See the module. Made for each request head; `start` begins it. now: by the plane's monotonic clock."""

    params = _NO_PARAMS
    query = ""
    authority = b""
    managed = b""
    """The encoded fields that say where it came from, but for its own ids."""
    traceparent: bytes | None = None
    """As the client sent it."""
    respelled = False
    client_may_rest = False
    """It is a call under way: how long its client says nothing is counted together with the upstream's silence."""
    sent_method: bytes | None = None
    """The method that a plugin wrote; None: the client's."""
    body: RequestBody = NO_BODY
    _attempts_left = 0
    _tried: list[Any] | None = None
    _sent_at = 0.0

    def __init__(self, edge: EdgeStream, plane: Plane, head: RequestHead, now: float) -> None:
        self.edge = edge
        self.plane = plane
        self.head = head
        self.peer = peer = edge.peer
        self.caller = peer.client
        self.client = peer.host
        self.tls = peer.tls
        self.config = plane.config
        self.entry: Entry = plane.unrouted
        self.request_id = self.trace_id = new_request_id()
        self.wall_s = plane.wall()
        self._started = now
        if head.protocol != "http/1.1":
            self.protocol = head.protocol
        if head.length != 0:
            self.opens_tunnel = head.websocket
            self.body = TunnelBody(self) if head.websocket else RequestBody(self)

    # --- deciding

    def start(self) -> None:
        """Match, run the request steps, and forward; as far as that goes without waiting."""
        head, plane = self.head, self.plane
        self.method = method = METHODS.get(head.method) or head.method.decode("ascii")
        raw_path, mark, raw_query = head.target.partition(b"?")
        if mark:
            self.query = raw_query.decode("ascii")
        try:
            self.authority = identify(self)
            path = normalise_path(raw_path) if raw_path[0] == 0x2F else raw_path
        except EdgeFault as fault:
            self.path = raw_path.decode("ascii")
            self.refuse(fault.reason, fault.detail)
            return
        self.path = text_path = path.decode("ascii")
        if path is not raw_path:
            self.respelled = True
        found = plane.router.match(self.host, text_path, method, head.fields)
        if type(found) is not Entry or (method in _MAY_END_HERE and ends_here(self, found, method)):
            self._end_here(found, method)
            return
        self.entry = found
        self.route = found.name
        self.service = found.service
        if found.needs_params:
            self.params = found.params(text_path)
        req = self.req = Request(self, method, text_path, self.query, client_fields(head))
        total_s = found.total_s
        if self.body is not NO_BODY or method == "POST":
            try:
                self.call, waits_s = head.call or call_in(head)
            except EdgeFault as fault:
                self.call = call_kind(head.fields)
                self.refuse(fault.reason, fault.detail)
                return
            if waits_s is not None:
                total_s = waits_s if total_s is None else min(waits_s, total_s)
                self.call_ends_at = self._started + total_s
                self.changes_head = True
        if total_s is not None:
            plane.deadlines.arm(self, self._started + total_s)
        chain = found.chain
        if chain is not None:
            outcome = chain.run(req)
            if outcome is not None:
                self._not_at_once(outcome)
                return
        self._forward()

    def _end_here(self, found: Entry | NotMatched, method: str) -> None:
        """No route takes it, or it is the gateway that is asked (RFC 9110 sections 7.6.2 and 9.3.7)."""
        known = found.allowed if isinstance(found, NotMatched) else found.methods or _TAKEN
        if self.path == "*" or (method == "OPTIONS" and type(found) is Entry):
            self._send(ResponseHead(200, [allow(known or _TAKEN)], 0), b"")
        elif known or method == "CONNECT":
            self.refuse(METHOD, f"No route takes {method} here.", [allow(known or _TAKEN)])
        else:
            self.refuse(NO_ROUTE, "No route matches this request.")

    def _not_at_once(self, outcome: Any) -> None:
        """A chain that has ended in a verdict, or that has to wait."""
        if not isinstance(outcome, Deferred):
            self._answer(outcome)
            return
        self._waiting = outcome
        if not self.body.awaited:
            self.edge.pause_body()
        outcome.addCallbacks(self._decided, self._decision_lost)

    def _decided(self, verdict: Any) -> None:
        self._waiting = None
        if self.done or self.req is None:
            return
        if verdict is None:
            self._forward()
        else:
            self._answer(verdict)
        self.edge.flush()

    def deadline_passed(self, now: float) -> None:
        """The service's `total` time is over, or the caller's."""
        if self._conn is not None:
            self._upstream_took()
        self.stop_for(UPSTREAM_TIMEOUT, "The service did not finish its answer in time.")
        self.edge.flush()

    # --- forwarding

    def _forward(self) -> None:
        entry = self.entry
        if entry.cluster is None:
            self.refuse(PLUGIN_ERROR, "No plugin of this route answered, and it names no service.")
            return
        self._attempts_left = entry.attempts
        if entry.chain is not None and entry.chain.transforms_bodies and not self._begin_transforms(entry.chain):
            return
        if self.call is not None and self._is_refused_call(entry):
            return
        if self.head.websocket:
            fault = opening_fault(self.head)
            if fault is None:
                self._lease(_NEW_ONLY)
            else:
                self.refuse(*fault)
            return
        if self.body is not NO_BODY:
            limit = self.body.limit()
            if limit is not None and self.body.known_bytes > limit:
                self.refuse(BODY_TOO_LARGE, f"The body is longer than {limit} bytes.")
                return
        self._lease(_ANY_AGE if (self.sent_method or self.head.method) in _IDEMPOTENT else _FRESH_S)

    def _lease(self, max_wait_s: float) -> None:
        cluster = self.entry.cluster
        now = self.plane.seconds()
        taken = cluster.take(self, self.caller.host, max_wait_s, self._tried, now)
        if taken is None:
            self.refuse(NO_ENDPOINT, f"No endpoint of service {cluster.name} is known.")
        elif not taken.connecting:
            self.upstream_connected(taken, now)
        elif not taken.settled:
            self._attempt = taken
            self.edge.pause_body()

    def _repeatable(self) -> bool:
        """Could be sent again after it has been sent: RFC 9110 section 9.2.2, with no body or one still held whole."""
        return (self.sent_method or self.head.method) in _IDEMPOTENT and self.body.replayable

    def upstream_connected(self, connection: UpstreamStream, now: float) -> None:
        """The lease has begun: send what there is of the request."""
        self._attempt = None
        self._conn = connection
        self.upstream = connection.name
        self._sent_at = now
        try:
            forwarded = forwarded_pairs if connection.http2 else forwarded_request
            encoded: Any = forwarded(self, connection)
        except Exception:
            self._unsendable()
            return
        # An answer is read by the method that was sent: whether a body follows hangs on it (RFC 9112 section 6.3).
        method = self.sent_method or self.head.method
        if self.body is NO_BODY:
            connection.send_request(method, encoded, now)
            return
        if method not in _IDEMPOTENT and not connection.http2:
            self.body.forget_sent()
        whole = self.body.sent_whole() if connection.http2 else None
        if whole is not None:
            connection.send_request(method, encoded, now, whole)
            return
        self.client_may_rest = self.speaks_grpc and connection.http2
        connection.begin_request(method, encoded, self.head.chunked or self.rewrites_body)
        self.body.send_to(connection)
        if not self.body.ended and not connection.full:
            self.edge.resume_body()

    def _unsendable(self) -> None:
        """Called while the exception is being handled: the route or its plugins made a head that can't be sent."""
        _log.failure("route {route}: its rewriting or its plugins made a head that can't be sent", route=self.route)
        self._give_up_upstream()
        self.refuse(PLUGIN_ERROR, STEP_FAILED)

    def upstream_unavailable(self, reason: Reason, detail: str, member: Any) -> None:
        """No connection: nothing was sent, so any method may be tried elsewhere."""
        self._attempt = None
        self.upstream = member.name
        if self.done:
            return
        if self._may_retry("connect"):
            self._tried = [*(self._tried or ()), member]
            self._lease(_NEW_ONLY if self.opens_tunnel else _ANY_AGE)
            return
        self.upstream_fault = detail
        self.refuse(reason, detail)
        self.edge.flush()

    def _may_retry(self, kind: str) -> bool:
        cluster = self.entry.cluster
        on = cluster.settings.retries.on
        # What a backend refused by HTTP/2's own means is as safe to send again as anything that a reset may repeat.
        if self._attempts_left <= 0 or not (kind in on or (kind == "refused-stream" and "reset" in on)):
            return False
        if not self._retrying:
            if not cluster.begin_retry():
                return False
            self._retrying = True
        self._attempts_left -= 1
        self.plane.count_retry(self.entry.service)
        return True

    # --- the answer

    def upstream_informational(self, head: ResponseHead) -> None:
        if self.head.protocol != "http/1.0":
            self.edge.send_informational(head.code, head.fields)

    def upstream_whole(self, head: ResponseHead, body: bytes, now: float, trailers: Sequence[Field] = ()) -> None:
        """An answer that came all at once: the common case, and the short way."""
        self._conn = None
        self.upstream_s = now - self._sent_at
        if self.sent_method is not None:
            self._as_asked(head)
        if self.transforms is not None:
            self._in_pieces(head, body, trailers)
            return
        if self.sent_method is not None or self.head.websocket:
            self._respond(head, body, trailers)
            return
        chain = self.entry.chain
        if chain is not None and chain.has_response_steps:
            if not self._passes(chain, head, body, trailers):
                return
            if head.edited:
                head.settle()
                if not head.body:
                    body = b""
        if self.call is not None:
            self._ends_call(head, trailers)
        self.status = head.code
        self.bytes_out = len(body)
        self._finish(now)
        self.edge.send_whole(head, body, now, trailers)

    def _in_pieces(self, head: ResponseHead, body: bytes, trailers: Sequence[Field]) -> None:
        """An answer that came whole, and may be another when it goes out."""
        if not self._may_be_changed(head):
            return
        self._respond(head, None)
        if body and head.body and not self.done:
            self.upstream_data(body)
        if not self.done:
            self.upstream_end(trailers)

    def upstream_head(self, head: ResponseHead, now: float) -> None:
        self.upstream_s = now - self._sent_at
        self.body.forget_sent()
        if self.sent_method is not None:
            self._as_asked(head)
        if self.transforms is None or self._may_be_changed(head):
            self._respond(head, None)

    def _as_asked(self, head: ResponseHead) -> None:
        """A plugin made a HEAD of what the client asked for: its answer has no body, and the client waits for one."""
        if not head.body and self.head.method != b"HEAD":
            head.length, head.edited = 0, True

    def upstream_end(self, trailers: Sequence[Field]) -> None:
        self._conn = None
        if self._held_answer is not None:
            self._held_answer.append(trailers)
        else:
            self._end(trailers)

    def upstream_failed(self, reason: Reason, detail: str, untouched: bool, refused: bool = False) -> None:
        self._conn = None
        if self.done:
            return
        if self.call_ends_at is not None and self.plane.seconds() >= self.call_ends_at - _CLOCKS_DIFFER_S:
            self._upstream_took()
            self.deadline_passed(self.call_ends_at)
            return
        # Nothing of what a client says goes up before its tunnel is open.
        again = (self.body.replayable or self.opens_tunnel) if refused else untouched and self._repeatable()
        if again and not self._head_sent and self._may_retry("refused-stream" if refused else "reset"):
            self._failed_s += self.plane.seconds() - self._sent_at
            self.body.rewind()
            self._lease(_NEW_ONLY)
        else:
            self._upstream_took()
            self.upstream_fault = detail
            self.stop_for(reason, detail)

    def _upstream_took(self) -> None:
        """A try ends without the answer's head: it took its time all the same."""
        if self.upstream_s is None:
            self.upstream_s = self.plane.seconds() - self._sent_at

    def flush_edge(self) -> None:
        self.edge.flush()

    def edge_lost(self) -> None:
        """The client is gone; whatever is under way for it ends."""
        if self.done:
            return
        self._give_up_upstream()
        self._drop_waiting()
        self.body.lost()
        if not self._head_sent:
            self.status = CLIENT_GONE.status
        self.reason = CLIENT_GONE.word
        self._finish(self.plane.seconds())
