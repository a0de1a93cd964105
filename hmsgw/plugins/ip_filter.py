"""ip-filter: which client addresses a route serves.

Knows: two lists of networks; `deny` wins over `allow`, and without `allow` everybody else may pass. Refuses to know:
where the address comes from (trusted proxies are settled before). Strategy: the lists become sorted, disjoint ranges of
integers, so a list of any length costs one bisection. An address that can't be read is refused.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from hmsgw.chain.api import HTTPError, OptionError, Request
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import Choice, Cidr
from hmsgw.config.netkinds import address_of, network

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    allow: Annotated[tuple[str, ...], Cidr()] = ()
    """Empty: every address that `deny` does not hold."""
    deny: Annotated[tuple[str, ...], Cidr()] = ()
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


class Ranges:
    """A set of addresses of one family."""

    __slots__ = ("_first", "_last")

    def __init__(self, networks: Iterable[_Network]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted((int(n.network_address), int(n.broadcast_address)) for n in networks):
            if self._last and first <= self._last[-1] + 1:
                self._last[-1] = max(self._last[-1], last)
            else:
                self._first.append(first)
                self._last.append(last)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number)
        return at > 0 and number <= self._last[at - 1]


class IpFilter:
    """The step."""

    def __init__(self, settings: Settings) -> None:
        allow = [network(text) for text in settings.allow]
        deny = [network(text) for text in settings.deny]
        self._open = not allow
        self._allow = {family: Ranges(n for n in allow if n.version == family) for family in (4, 6)}
        self._deny = {family: Ranges(n for n in deny if n.version == family) for family in (4, 6)}

    def run(self, req: Request) -> None:
        if not self.serves(req.client.host):
            raise HTTPError(403, "This address is not served here.", reason="forbidden")

    def serves(self, host: str) -> bool:
        """Whether a client with this address may pass; IPv4-mapped addresses count as IPv4."""
        address = address_of(host)
        if address is None:
            return False
        number, family = int(address), address.version
        return number not in self._deny[family] and (self._open or number in self._allow[family])

    def explain(self, req: Request) -> str:
        return f"{req.client.host} would {'pass' if self.serves(req.client.host) else 'be refused: 403 forbidden'}"


def verify(settings: Settings, *_: object) -> None:
    """Raises OptionError for lists that would say nothing: that is a slip, and on the wrong side of doubt."""
    if not settings.allow and not settings.deny:
        raise OptionError("give `allow`, `deny` or both; with neither every address would pass")


def build(settings: Settings, tools: Tools, use: UseInfo) -> IpFilter:
    return IpFilter(settings)
