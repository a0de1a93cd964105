"""What happens on a connection to a backend, as those who are told see it.

Knows: the words between a connection, the exchange that leases it and the endpoint that it goes back to. Refuses to
know: wires.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hmsgw.reasons import Reason
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead


class UpstreamEvents(Protocol):
    """What the exchange that leases a connection is told. Each call may end the lease. opens_tunnel: it asks the
    upstream for a WebSocket. speaks_grpc: the request is a gRPC call."""

    speaks_grpc: bool

    opens_tunnel: bool

    def upstream_informational(self, head: ResponseHead) -> None:
        """A 1xx answer but 101."""

    def upstream_head(self, head: ResponseHead, now: float) -> None:
        """The final answer's head."""

    def upstream_data(self, data: bytes) -> None:
        """Some of the answer's body."""

    def upstream_whole(self, head: ResponseHead, body: bytes, now: float, trailers: Sequence[Field] = ()) -> None:
        """The answer at once, from its head to its end; the lease has ended, and `flush_edge` does not follow."""

    def upstream_end(self, trailers: Sequence[Field]) -> None:
        """The answer is whole; the lease has ended."""

    def upstream_failed(self, reason: Reason, detail: str, untouched: bool, refused: bool = False) -> None:
        """No answer, or no more of it; the lease has ended. untouched: the upstream can't have acted on the request
        as far as this side can tell (no byte of an answer, on a connection that had been used before). refused: it has
        said that it did not (RFC 9113 section 8.7)."""

    def upstream_full(self) -> None:
        """The upstream takes no more for now."""

    def upstream_ready_for_more(self) -> None:
        """It does again."""

    def flush_edge(self) -> None:
        """This turn's events have all been told."""


class Releases(Protocol):
    """Where a connection goes when its lease ends (`upstream.cluster.Member`). name: the endpoint's authority."""

    name: str

    def released(self, connection: Any, reusable: bool) -> None: ...
    def lost_idle(self, connection: Any) -> None: ...


class SharedReleases(Protocol):
    """Where an HTTP/2 connection belongs (`upstream.shared.SharedConnections`). name: the endpoint's authority."""

    name: str

    def ready(self, connection: Any) -> None:
        """The backend has said how it is to be used."""

    def stream_released(self) -> None:
        """An exchange is over."""

    def lost_shared(self, connection: Any) -> None:
        """It takes no more exchanges. May be said more than once."""
