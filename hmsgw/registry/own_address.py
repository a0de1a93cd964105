"""Whether an address is one of this host's.

Knows: that the kernel sends to an own address from that same address. Refuses to know: interfaces and their names.
Strategy: connect a datagram socket, which sends nothing, and look at where it would send from; a bind would say yes to
any address where `net.ipv4.ip_nonlocal_bind` is set.
"""

from __future__ import annotations

import socket


def is_own_address(address: str) -> bool:
    """address: IPv4 or IPv6, no name. Does not block."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0]) == str(probe.getpeername()[0])
    except OSError:
        return False
