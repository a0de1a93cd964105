"""An exchange's way up: the request's body, and who changes it.

Knows: where a piece of the body goes, what a body that never comes whole means, that a plugin may make another of it.
Refuses to know: when the request is forwarded (`proxy.exchange`, whose base this is), and how (`proxy.body`).
"""

from __future__ import annotations

from hmsgw.proxy.answer import AnswerSide
from hmsgw.proxy.body import NO_BODY
from hmsgw.proxy.entry import Chain, Entry
from hmsgw.reasons import BAD_REQUEST, PACKED_BODY, REQUEST_TIMEOUT, UPSTREAM_PROTOCOL
from hmsgw.wire.grpc import GRPC, call_kind
from hmsgw.wire.headers import Field
from hmsgw.wire.representation import DIGESTS, asking_for_all, coding_of, has_part

_TAKES_PLAIN: Field = (b"accept-encoding", b"Accept-Encoding", b"identity")


class UploadSide(AnswerSide):
    """See the module."""

    changes_head = False
    """Something of the request's head is not as the client wrote it, whatever plugins wrote."""
    hops_left: int | None = None
    """What Max-Forwards says to the next hop, where it says anything."""
    rewrites_body = False
    """Plugins change the request's body, whose length is therefore not known."""

    edited = False
    """A plugin wrote method, path, query or fields, or has had the headers in its hands."""
    speaks_grpc = False
    """It is a gRPC call to the upstream, whatever it was to the client."""

    @property
    def sends_body(self) -> bool:
        return self.body is not NO_BODY

    def request_whole(self, body: bytes) -> None:
        """All of the body, which came together with the head: told before `start`."""
        self.body.came_whole(body)

    def request_data(self, data: bytes) -> None:
        """Some of the body came."""
        if not self.done:
            self.body.arrived(data, self._conn)

    def request_end(self, trailers: list[Field]) -> None:
        """The body is whole."""
        if not self.done:
            self.body.end(trailers, self._conn)

    def upstream_full(self) -> None:
        self.edge.pause_body()

    def upstream_ready_for_more(self) -> None:
        self.edge.resume_body()

    async def collect_body(self) -> bytes:
        """For `req.body()`. A client that waits for it is told to go on."""
        if self.head.expect_continue and not self.upstream and not self.body.collected and not self.body.ended:
            self.edge.send_informational(100, [])
            self.edge.flush()
        return await self.body.collect()

    def body_broken(self, detail: str) -> None:
        """The body's framing can't be followed: neither it nor anything after it means anything."""
        self.stop_for(BAD_REQUEST, detail)

    def body_timed_out(self) -> None:
        """The client sent no more of the body for too long."""
        self.stop_for(REQUEST_TIMEOUT, "The request's body made no progress.")

    def _is_refused_call(self, entry: Entry) -> bool:
        """Of what its client calls a call: to the upstream it may be one, which then has to be taken there."""
        assert self.req is not None
        self.speaks_grpc = (call_kind(self.req.fields) if self.edited else self.call) == GRPC
        if not self.speaks_grpc or entry.cluster.takes_calls:
            return False
        self.upstream_fault = (
            "A gRPC call came for it, and it is spoken to in HTTP/1.1 only, which gRPC does not know. Take `protocol: "
            "http/1.1` or `proxy_protocol` out of the service, or give the calls one of their own."
        )
        self.refuse(UPSTREAM_PROTOCOL, "The service takes no gRPC calls: it is spoken to in HTTP/1.1.")
        return True

    def _begin_transforms(self, chain: Chain) -> bool:
        """False when a plugin that changes bodies has failed already, or could not read the one that comes."""
        self.transforms = chain.transforms(self.req)
        if self.transforms is None:
            return True
        assert self.req is not None
        if self.transforms.verdict is not None:
            self._answer(self.transforms.verdict)
            return False
        if self.transforms.request_too and self.body is not NO_BODY and not self.opens_tunnel:
            fields = self.req.fields
            if coding_of(fields) is not None:
                self.refuse(PACKED_BODY, "The body is packed, and this route takes plain ones only.", [_TAKES_PLAIN])
                return False
            if has_part(fields):
                self.refuse(BAD_REQUEST, "The body is a part of one, and this route takes whole ones only.")
                return False
            self.req.fields = [field for field in fields if field[0] not in DIGESTS]
            self.rewrites_body = self.changes_head = True
            self.body.forget_sent()
        if self.transforms.response_too:
            self.req.fields = asking_for_all(self.req.fields)
        return True

    def rewritten(self, data: bytes) -> bytes:
        """What the plugins made of some of the request's body; when they can't, the end."""
        if self.transforms.verdict is not None and not self.done:
            self.transform_failed()
        return data
