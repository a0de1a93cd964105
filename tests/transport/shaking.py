"""Two pyOpenSSL connections that shake hands in memory."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL


def shake(edge: SSL.Connection, client: SSL.Connection) -> None:
    """Until both are done. Raises SSL.Error."""
    edge.set_accept_state()
    client.set_connect_state()
    for _ in range(10):
        waiting = 0
        for one, other in ((client, edge), (edge, client)):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                waiting += 1
            carry(one, other)
        if not waiting:
            return
    raise AssertionError("the handshake does not end")


def carry(one: SSL.Connection, other: SSL.Connection) -> None:
    """What one side has written to the other."""
    try:
        other.bio_write(one.bio_read(65536))
    except SSL.WantReadError:
        pass


class Told:
    """Twisted's TLS Protocol, as far as a verification tells it."""

    def __init__(self) -> None:
        self.why: Any = None

    def failVerification(self, reason: Any) -> None:
        self.why = reason.value
