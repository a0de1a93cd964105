"""Which addresses a registry may send requests to.

Knows: the networks that nobody registers in good faith. Refuses to know: registries and sockets. Strategy: whoever can
register can aim the gateway, so what would reach a cloud's metadata, a neighbour's link or the gateway itself is
refused whatever the configuration says; `allow_networks` only narrows further. An IPv4 address hidden in an IPv6 one is
judged as both. What a name means is known when it has been resolved: `refusal` is for whoever connects, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from hmsgw.config.netkinds import network

Ip = IPv4Address | IPv6Address

_METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_METADATA_NAMES = ("metadata.google.internal", "metadata.goog", "metadata.azure.internal")
#: As the last label of a name: resolvers read 0xa9fea9fe as 169.254.169.254 (inet_aton).
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = IPv6Network("::/96")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")


class Guard:
    """allow_networks: CIDRs; empty allows all that is not refused anyway.

    own: the (address, port) pairs that the gateway listens on now, `::` and `0.0.0.0` included.
    is_own_address: whether an address is one of this host's; asked only for the ports of `own`.
    """

    def __init__(
        self,
        allow_networks: Iterable[str] = (),
        own: Callable[[], Iterable[tuple[str, int]]] = tuple,
        is_own_address: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self._allowed = [network(text) for text in allow_networks]
        self._own = own
        self._is_own_address = is_own_address

    def refusal(self, host: str, port: int) -> str | None:
        """Why requests do not go there, in words; None: they may. host: an IP address, or a name.

        Names pass, unless they are known to mean a cloud's metadata or `allow_networks` is set and can't judge them.
        """
        try:
            address = ip_address(host)
        except ValueError:
            return self._name_refusal(host, port)
        for judged in _meanings(address):
            why = _never(judged)
            if why is not None:
                return why
        if self._is_own(address, port):
            return "it is the gateway itself"
        plain = _meanings(address)[-1]
        if self._allowed and not any(plain in network for network in self._allowed):
            return "it is outside registry.allow_networks"
        return None

    def _name_refusal(self, host: str, port: int) -> str | None:
        name = host.rstrip(".").lower()
        if name in _METADATA_NAMES:
            return "it is a cloud's metadata service"
        if name == "localhost" or name.endswith(".localhost"):
            return self.refusal("127.0.0.1", port)
        if _LOOKS_NUMERIC.fullmatch(name.rpartition(".")[2]):
            return "it is an address in an unusual form; register it as a plain IPv4 or IPv6 address"
        if self._allowed:
            return "it is a name, and registry.allow_networks can only judge addresses; register the address"
        return None

    def _is_own(self, address: Ip, port: int) -> bool:
        plain = _meanings(address)[-1]
        for own_host, own_port in self._own():
            if own_port != port:
                continue
            own = _meanings(ip_address(own_host))[-1]
            if own == plain or (own.is_unspecified and (plain.is_loopback or self._is_own_address(str(plain)))):
                return True
        return False


def _meanings(address: Ip) -> list[Ip]:
    """The address, and the IPv4 address that it wraps, if any, last."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 0xFFFF)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return [address] if inner is None else [address, inner]


def _never(address: Ip) -> str | None:
    if address in _METADATA:
        return "it is a cloud's metadata service"
    if address.is_link_local:
        return "it is a link-local address"
    if address.is_multicast or address == _BROADCAST:
        return "it is a multicast address"
    if address.is_unspecified or address in _THIS_NETWORK:
        return "it is no address"
    return None
