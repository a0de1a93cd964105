"""The PROXY protocol (HAProxy's proxy-protocol.txt): who is behind the one that connects.

Knows: both versions' grammar, to the byte; TLVs as far as they have to add up, and their checksum. Refuses to know:
sockets, and who may say it. Strategy: one function that is asked again with more bytes until it knows where the header
ends; what is not exactly one is refused as soon as it can't become one.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

MAX_V1_BYTES = 107
MAX_V2_BYTES = 16 + 8192
"""Our bound: addresses, a name, a client certificate in its TLVs. The format could say 65,551."""

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1_START = b"PROXY "
_V1 = re.compile(
    rb"PROXY (?:(?P<family>TCP[46]) (?P<source>[0-9A-Fa-f:.]{2,45}) (?P<target>[0-9A-Fa-f:.]{2,45})"
    rb" (?P<port>0|[1-9][0-9]{0,4}) (?P<to>0|[1-9][0-9]{0,4})|UNKNOWN(?: [^\r\n]*)?)\r\n"
)
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
#: Family and transport -> how many bytes their addresses have. UDP and Unix sockets are said right, and of no use here.
_ADDRESS_BYTES = {0x00: 0, _TCP4: 12, 0x12: 12, _TCP6: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_CRC32C = 0x03


class BadProxyHeader(Exception):
    """One sentence on what is wrong with it."""


class Announced(NamedTuple):
    """length: of the header, in bytes. source: the client's (address, port); None: keep the socket's own."""

    length: int
    source: tuple[str, int] | None


def read_proxy_header(data: bytes) -> Announced | None:
    """The header at the beginning of `data`, None while it can still become one. Raises BadProxyHeader."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _v2(data) if len(data) >= 16 else None
    if data.startswith(_V1_START[: len(data)]):
        return _v1(data)
    raise BadProxyHeader("the connection does not begin with a PROXY header")


def _v1(data: bytes) -> Announced | None:
    end = data.find(b"\n", 0, MAX_V1_BYTES) + 1
    if not end:
        if len(data) >= MAX_V1_BYTES:
            raise BadProxyHeader(f"the PROXY line is longer than {MAX_V1_BYTES} bytes")
        return None
    found = _V1.fullmatch(data, 0, end)
    if found is None:
        raise BadProxyHeader("the PROXY line is not as version 1 writes it")
    if found["family"] is None:
        return Announced(end, None)
    kind = IPv4Address if found["family"] == b"TCP4" else IPv6Address
    try:
        source, _ = kind(found["source"].decode()), kind(found["target"].decode())
    except ValueError:
        raise BadProxyHeader("an address in the PROXY line is none of its family") from None
    port = int(found["port"])
    if port > 65535 or int(found["to"]) > 65535:
        raise BadProxyHeader("a port in the PROXY line is above 65535")
    return Announced(end, (str(source), port))


def _v2(data: bytes) -> Announced | None:
    command, family, length = struct.unpack_from(">BBH", data, 12)
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeader("the PROXY header is of another version than 2, or commands what version 2 does not know")
    end = 16 + length
    if end > MAX_V2_BYTES:
        raise BadProxyHeader(f"the PROXY header is longer than {MAX_V2_BYTES} bytes")
    address_bytes = _ADDRESS_BYTES.get(family)
    if command == _PROXY and (address_bytes is None or length < address_bytes):
        raise BadProxyHeader("the PROXY header's family is unknown, or does not fit its length")
    if len(data) < end:
        return None
    if command == _LOCAL or address_bytes is None:
        # The proxy speaks for itself, a health check for instance; what else it says is to be passed over.
        return Announced(end, None)
    _check_tlvs(data[:end], 16 + address_bytes)
    if family == _TCP4:
        return Announced(end, (str(IPv4Address(data[16:20])), struct.unpack_from(">H", data, 24)[0]))
    if family == _TCP6:
        return Announced(end, (str(IPv6Address(data[16:32])), struct.unpack_from(">H", data, 48)[0]))
    return Announced(end, None)


def _check_tlvs(header: bytes, at: int) -> None:
    """They fill the header to its last byte, and a checksum among them is right (section 2.2.3)."""
    while at < len(header):
        if at + 3 > len(header):
            raise BadProxyHeader("the PROXY header ends within a TLV")
        kind, length = struct.unpack_from(">BH", header, at)
        at += 3
        if at + length > len(header):
            raise BadProxyHeader("a TLV of the PROXY header is longer than what is left of it")
        if kind == _CRC32C:
            blank = header[:at] + bytes(length) + header[at + length :]
            if header[at : at + length] != crc32c(blank).to_bytes(4, "big"):
                raise BadProxyHeader("the checksum of the PROXY header is wrong")
        at += length


def _table() -> tuple[int, ...]:
    rows = []
    for row in range(256):
        for _ in range(8):
            row = row >> 1 ^ (0x82F63B78 if row & 1 else 0)
        rows.append(row)
    return tuple(rows)


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum (RFC 4960 appendix B)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def proxy_header(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """A version 2 header that says who the client is, and whom it reached: (address, port) each. IPv4-mapped addresses
    are IPv4; addresses of two families are both written as IPv6; what is no address makes it LOCAL."""
    try:
        found = [_unmapped(address) for address, _ in (source, target)]
    except ValueError:
        return SIGNATURE + struct.pack(">BBH", _LOCAL, 0, 0)
    ports = struct.pack(">HH", source[1], target[1])
    if all(isinstance(one, IPv4Address) for one in found):
        return SIGNATURE + struct.pack(">BBH", _PROXY, _TCP4, 12) + b"".join(one.packed for one in found) + ports
    wide = b"".join(
        one.packed if isinstance(one, IPv6Address) else bytes(10) + b"\xff\xff" + one.packed for one in found
    )
    return SIGNATURE + struct.pack(">BBH", _PROXY, _TCP6, 36) + wide + ports


def _unmapped(address: str) -> IPv4Address | IPv6Address:
    """Raises ValueError."""
    found = ip_address(address.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
