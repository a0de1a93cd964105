"""One place that serves a service: scheme, host and port.

Knows: how `http://10.0.5.9:8080` is written and read. Refuses to know: who uses it, and whether it lives.
Strategy: everything that could make two readers disagree (user names, paths, odd hosts) is refused.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
#: What resolvers take for a part of an IPv4 address, in forms (octal, hexadecimal, short) that readers differ on.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Endpoint(NamedTuple):
    """scheme: `http` or `https`. host: an IP address without brackets, or a lower-case name. weight: its share."""

    scheme: str
    host: str
    port: int
    weight: int = 1

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """From `http(s)://host[:port]`. Raises ValueError, with a sentence, for anything else."""
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(
                "an endpoint is http:// or https://, a host and a port, without a path: http://10.0.5.9:8080"
            )
        scheme, host = match["scheme"], match["host"].lower()
        if host.startswith("["):
            host = str(IPv6Address(host[1:-1]))
        elif _NAME.fullmatch(host) is None or _is_odd_number(host):
            raise ValueError(f"{host} is neither a host name nor an IP address")
        port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
        if not 1 <= port <= 65535:
            raise ValueError(f"a port is a number from 1 to 65535, not {port}")
        return cls(scheme, host, port)

    @property
    def authority(self) -> str:
        """`host:port` as `Host` carries it: IPv6 in brackets, the scheme's own port left out (RFC 9110 section 4.2)."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """`scheme://authority`."""
        return f"{self.scheme}://{self.authority}"


def bracketed(host: str) -> str:
    """An IPv6 address in the brackets that a URL wants (RFC 3986 section 3.2.2); anything else as it is."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_odd_number(host: str) -> bool:
    """It looks like an IPv4 address to some reader, and is not written as one."""
    if _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is None:
        return False
    try:
        return str(IPv4Address(host)) != host
    except ValueError:
        return True
