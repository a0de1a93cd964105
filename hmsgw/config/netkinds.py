"""The kinds of value that name something on the network: addresses, networks, hosts, URLs, paths.

Knows: one spelling for each, the one that requests and connections are compared with. Refuses to know: what a name
stands for: nothing is looked up. Strategy: as in `hmsgw.config.kinds`, where all of them can be imported from.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

import idna

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.kind import Kind, Unfit
from hmsgw.config.paths import route_path

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_LABELS = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


class Address(Kind):
    """An IP address to listen on."""

    wanted = "an IP address"

    def of_text(self, text: str) -> str:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise Unfit("is no IP address; names are not looked up here (localhost is 127.0.0.1 or ::1)") from None


def overlap(one: str, other: str) -> bool:
    """Whether two addresses to listen on can't both be had on one port: `::` is every address, IPv4 too."""
    a, b = ipaddress.ip_address(one), ipaddress.ip_address(other)
    if a == b or str(a) == "::" or str(b) == "::":
        return True
    return a.version == b.version and (a.is_unspecified or b.is_unspecified)


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network that is written; one of IPv4-mapped addresses is the IPv4 network. Raises ValueError."""
    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & 0xFFFF_FFFF, found.prefixlen - 96))
    return found


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, without its zone, an IPv4-mapped one as IPv4; None for what is no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class Cidr(Kind):
    """A network such as 10.0.0.0/8, or a single address."""

    wanted = "a network such as 10.0.0.0/8"

    def of_text(self, text: str) -> str:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Unfit("is no network: write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8") from None
        if "/" in text and str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
            raise Unfit(f"has bits set outside its network; write {network} or a single address")
        return str(network)


class HostPattern(Kind):
    """A host of a request: lower-case, IDNA encoded, an IPv6 address without its brackets, no port.

    `*.example.gov` is any host below example.gov.
    """

    wanted = "a host such as api.example.gov or *.example.gov"

    def of_text(self, text: str) -> str:
        wildcard = "*." if text.startswith("*.") else ""
        bare = text[len(wildcard) :]
        if bare.startswith("[") and bare.endswith("]") and not wildcard:
            return self._ip(bare[1:-1])
        if "*" in bare:
            raise Unfit("has a `*` that is not its first label: write `*.example.gov`, or leave this out for any host")
        if ":" in bare:
            raise Unfit("is no host: leave scheme and port out, and put an IPv6 address in brackets")
        return wildcard + self._name(bare.removesuffix("."))

    def _name(self, name: str) -> str:
        if len(name) > 253:
            raise Unfit("is no host name: it is longer than 253 characters")
        if not name.isascii():
            try:
                name = idna.encode(name, uts46=True).decode("ascii")
            except (idna.IDNAError, UnicodeError) as error:
                raise Unfit(f"is no host name: {error}") from None
        name = name.lower()
        if _LABELS.fullmatch(name) is None:
            raise Unfit("is no host name")
        if name.rpartition(".")[2].isdigit():
            return self._ip(name)
        return name

    def _ip(self, text: str) -> str:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise Unfit("is no IP address") from None


class Url(Kind):
    """A URL with one of some schemes. bare: scheme, host and port only, as `hmsgw.config.endpoint` reads it."""

    wanted = "a URL"

    def __init__(self, *schemes: str, bare: bool = False) -> None:
        self.schemes = schemes
        self.bare = bare

    def of_text(self, text: str) -> str:
        if self.bare:
            try:
                return Endpoint.parse(text).url
            except ValueError as error:
                raise Unfit(f"can't be used: {error}") from None
        try:
            parts = urlsplit(text)
            reachable = bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise Unfit(f"is no URL: {error}") from None
        if parts.scheme not in self.schemes or not reachable or re.search(r"[\x00-\x20\x7f\\]", text):
            raise Unfit(f"is no URL that begins with {' or '.join(f'{scheme}://' for scheme in self.schemes)}")
        if "@" in parts.netloc:
            raise Unfit("has a user name in it; credentials have keys of their own")
        if parts.fragment:
            raise Unfit("has a fragment (`#`), which is never sent; leave it out")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^({'|'.join(self.schemes)})://"}


class RoutePath(Kind):
    """The path of a route: exact, with `{name}` segments, or everything under a slash with `/*` at its end."""

    wanted = "a path such as /clinics/*"

    def of_text(self, text: str) -> str:
        try:
            return route_path(text)
        except ValueError as error:
            raise Unfit(str(error)) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^/"}
