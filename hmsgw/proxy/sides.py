"""The two halves of an exchange, as the exchange sees them.

Knows: what may be asked of the client's side and of the upstream's, in the words of neither wire. Refuses to know:
connections. `edge.connection` and `upstream.connection` satisfy these shapes; so will HTTP/2 streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead


class EdgeStream(Protocol):
    """The client's half."""

    peer: Any

    @property
    def draining(self) -> bool:
        """The gateway, or this door to it, is going down."""

    def send_informational(self, status: int, fields: list[Field]) -> None:
        """A 1xx answer."""

    def send_whole(self, head: ResponseHead, body: bytes, now: float, trailers: Sequence[Field] = ()) -> None:
        """The final answer, all of it."""

    def send_head(self, head: ResponseHead) -> None:
        """The final answer's head; data and end follow."""

    def send_data(self, data: bytes) -> None: ...
    def send_end(self, trailers: Sequence[Field]) -> None: ...
    def flush(self) -> None:
        """Nothing more in this turn: write what has gathered."""

    def cut(self) -> None:
        """End the answer in a way that shows that it is not whole."""

    def pause_body(self) -> None:
        """No more of the request's body for now."""

    def resume_body(self) -> None: ...


class UpstreamStream(Protocol):
    """The upstream's half. name: the endpoint's authority. full: it takes no more for now. http2: heads are lists of
    pairs, and bytes otherwise."""

    name: str
    full: bool
    http2: bool

    @property
    def said_goodbye(self) -> bool:
        """Of a tunnel: those in it have closed it, whatever becomes of the connections."""

    def send_request(self, method: bytes, head: Any, now: float, body: bytes = b"") -> None:
        """All of a request. body: none where `http2` is not."""

    def begin_request(self, method: bytes, head: Any, chunked: bool) -> None: ...
    def send_data(self, data: bytes) -> None: ...
    def send_end(self, trailers: list[Field]) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...
    def go_away(self) -> None:
        """Of a tunnel: tell both ends that the gateway is going down, and end soon."""
