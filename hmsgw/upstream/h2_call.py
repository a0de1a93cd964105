"""A gRPC call on an HTTP/2 connection to a backend: a stream on which either side may speak when it likes.

Knows: that silence counts only when it is both sides'. Refuses to know: messages. Strategy: an UpstreamStream with
another clock; a caller that keeps its half open and listens (a watch, a subscription) is no slow upload.
"""

from __future__ import annotations

from hmsgw.upstream.h2_stream import Pairs, UpstreamStream


class CallStream(UpstreamStream):
    """See the module."""

    __slots__ = ()

    def begin_request(self, method: bytes, head: Pairs, chunked: bool) -> None:
        super().begin_request(method, head, chunked)
        self.expect()

    def send_data(self, data: bytes) -> None:
        super().send_data(data)
        self.expect()

    def _wait_s(self) -> float | None:
        if self._reading and not self._request_ended:
            return self._idle_s
        return super()._wait_s()

    def _timed_out(self) -> str:
        if not self._request_ended:
            return f"Neither side of the call said anything for {self._idle_s:g} s."
        return super()._timed_out()
