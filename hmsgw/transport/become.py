"""An open connection changes its Protocol: HTTP/1.1 becomes HTTP/2.

Knows: where each kind of transport keeps its Protocol. Refuses to know: why, and what is spoken. Strategy: our own
adapters do it themselves; Twisted's plain transports have an attribute for it.
"""

from __future__ import annotations

from typing import Any

from hmsgw.transport.stock_tls import StockTls
from hmsgw.transport.uv_transport import UvTransport


def become(transport: Any, protocol: Any) -> None:
    """Give the connection to `protocol`, whose connectionMade is called at once. What the old one had registered as a
    producer has to be unregistered before."""
    if isinstance(transport, (UvTransport, StockTls)):
        transport.become(protocol)
    else:
        transport.protocol = protocol
        protocol.makeConnection(transport)
