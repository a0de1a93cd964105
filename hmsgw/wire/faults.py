"""What goes wrong on a wire, by whose fault.

Knows: which reason a malformed message is answered with. Refuses to know: connections.
An EdgeFault is the client's doing and is answered; an UpstreamFault is the backend's doing and becomes a 502.
"""

from __future__ import annotations

from hmsgw.reasons import BAD_REQUEST, UPSTREAM_PROTOCOL, Reason


class WireFault(Exception):
    """A message that can't be taken unambiguously. reason: the answer; detail: one sentence for who sent it."""

    def __init__(self, detail: str, reason: Reason) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


class EdgeFault(WireFault):
    """The client sent something that is refused (RFC 9112, RFC 9110)."""

    def __init__(self, detail: str, reason: Reason = BAD_REQUEST) -> None:
        super().__init__(detail, reason)


class UpstreamFault(WireFault):
    """The upstream sent something that can't be passed on."""

    def __init__(self, detail: str, reason: Reason = UPSTREAM_PROTOCOL) -> None:
        super().__init__(detail, reason)
