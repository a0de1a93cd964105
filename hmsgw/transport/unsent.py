"""How much of what was written the other side has not taken.

Knows: where each kind of transport keeps it, and how to ask the kernel. Refuses to know: who asks, and why. Strategy:
it is asked only when a deadline has passed, of a connection whose other side does not read as fast as we write. The
kernel's part counts: it takes more only when a third of its buffer is free, which a slow reader needs minutes for.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any

from hmsgw.transport.stock_tls import StockTls
from hmsgw.transport.uv_transport import UvTransport


def unsent(transport: Any) -> int:
    """Bytes that the other side has not acknowledged yet, what waits in this process included."""
    if isinstance(transport, UvTransport):
        return transport.unsent + _in_kernel(transport.fileno())
    if isinstance(transport, StockTls):
        transport = transport.transport
    here = len(transport.dataBuffer) - int(transport.offset) + int(transport._tempDataLen)
    return here + _in_kernel(transport.fileno())


def _in_kernel(descriptor: int) -> int:
    """SIOCOUTQ of tcp(7); 0 when the socket is gone."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0])
    except (OSError, ValueError):
        return 0
